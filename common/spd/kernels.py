"""Sliced-Wasserstein distances and Gaussian kernels between many distributions."""

import numpy as np
from scipy.spatial.distance import cdist

from common import validation
from common.spd._checks import check_stack
from common.spd.projections import draw_projections
from common.spd.transport import costs_of

__all__ = ["check_distributions", "kernel_matrix", "squared_distances"]

_BLOCK = 2**25  # coordinates of all distributions that are compared at a time: 256 MiB


def kernel_matrix(distributions, others=None, *, gamma, rng, n_projections=500, distance="spdsw"):
    r"""Gaussian kernel :math:`\exp(-\gamma\, \mathrm{SW}_2^2)` between distributions.

    On the line :math:`W_2` is the Euclidean distance of quantile functions, so the sliced distance
    is Euclidean too, and the kernel is positive semi-definite: exactly so for any number of
    projections, since all pairs share them.

    Parameters
    ----------
    distributions, others, rng, n_projections, distance
        See `squared_distances`.
    gamma : float
        Positive; one over the median of `squared_distances` is a start.

    Returns
    -------
    kernel : ndarray, shape (n_distributions, n_others)

    Raises
    ------
    ValueError
        As `squared_distances`, or if ``gamma`` is not positive.

    References
    ----------
    .. [1] C. Bonet et al., "Sliced-Wasserstein on Symmetric Positive Definite Matrices for M/EEG
       Signals", ICML 2023, arXiv:2303.05798.
    """
    gamma = validation.number(gamma, "gamma", above=0)
    costs = squared_distances(
        distributions, others, rng=rng, n_projections=n_projections, distance=distance
    )
    return np.exp(-gamma * costs)


def squared_distances(distributions, others=None, *, rng, n_projections=500, distance="spdsw"):
    """Squared sliced-Wasserstein distances of order 2 between all pairs of distributions.

    Each distribution is projected and sorted once. If all are of one size, pairs are compared by
    Euclidean distances of the sorted coordinates; otherwise pair by pair, which is slower
    (`common.spd.features.SlicedWassersteinFeatures` approximates them).

    Parameters
    ----------
    distributions : sequence of ndarray, each of shape (n_i, n_channels, n_channels)
        For example the covariances of the epochs of each subject. An array of shape
        (n_distributions, n, n_channels, n_channels) is one.
    others : sequence of ndarray, optional
        By default ``distributions``.
    rng : numpy.random.Generator
        Draws one set of directions for all pairs. For a kernel between training and test data,
        pass a generator in the same state as for the training data.
    n_projections : int, default=500
    distance : {"spdsw", "logsw", "sw", "hspdsw"}, default="spdsw"

    Returns
    -------
    costs : ndarray, shape (n_distributions, n_others)
        Without ``others`` symmetric, with a diagonal of zeros.

    Raises
    ------
    ValueError
        If a distribution is no set of symmetric positive definite matrices, sizes of matrices
        differ, a squared distance overflows, or an option is out of range.
    """
    distributions = check_distributions(distributions, name="distributions")
    same = others is None
    others = distributions if same else check_distributions(others, name="others")
    n_channels = distributions[0].shape[-1]
    if others[0].shape[-1] != n_channels:
        raise ValueError(
            f"distributions hold matrices of {n_channels} channels, others of "
            f"{others[0].shape[-1]}."
        )
    projections = draw_projections(distance, n_projections, n_channels, rng=rng)
    rows = [projections.embed(x, name=f"distributions[{k}]") for k, x in enumerate(distributions)]
    columns = (
        rows if same else [projections.embed(x, name=f"others[{k}]") for k, x in enumerate(others)]
    )
    costs = np.zeros((len(rows), len(columns)))
    step = max(1, _BLOCK // sum(len(x) for x in rows + columns))
    for start in range(0, n_projections, step):
        lines = projections[start : start + step]
        x = [np.sort(lines.project(row), axis=1) for row in rows]
        y = x if same else [np.sort(lines.project(column), axis=1) for column in columns]
        with np.errstate(over="ignore", invalid="ignore"):
            costs += len(lines) * _costs(x, y, same)
    if not np.isfinite(costs).all():
        i, j = np.argwhere(~np.isfinite(costs))[0]
        raise ValueError(
            f"the squared distance of distributions[{i}] from "
            f"{'distributions' if same else 'others'}[{j}] overflows. Divide all matrices by one "
            "number first."
        )
    return costs / n_projections


def check_distributions(distributions, *, name):
    """List of sets of symmetric matrices of numpy, all of one size.

    Parameters
    ----------
    distributions : sequence of ndarray, each of shape (n_i, n_channels, n_channels)
    name : str
        What messages call them.

    Returns
    -------
    distributions : list of ndarray

    Raises
    ------
    ValueError
        If there is none, one is no set of symmetric matrices, or their sizes differ.
    """
    if isinstance(distributions, np.ndarray) and distributions.ndim in (2, 3):
        raise ValueError(
            f"{name} must be several sets of matrices, each of shape (n_i, n_channels, "
            f"n_channels), got one array of shape {distributions.shape}. One set is [{name}]."
        )
    checked = []
    for k, matrices in enumerate(distributions):
        if not isinstance(matrices, np.ndarray):
            raise ValueError(f"{name}[{k}] must be a numpy array, got {type(matrices).__name__}.")
        checked.append(check_stack(matrices, name=f"{name}[{k}]", n_dims=3)[1])
    if not checked:
        raise ValueError(f"{name} is empty.")
    sizes = [matrices.shape[-1] for matrices in checked]
    for k, size in enumerate(sizes):
        if size != sizes[0]:
            raise ValueError(
                f"{name}[{k}] holds matrices of {size} channels, {name}[0] of {sizes[0]}."
            )
    return checked


def _costs(x, y, same):
    """Means over lines of squared distances between sorted samples."""
    if len({sample.shape[1] for sample in x + y}) == 1:
        # Distances rather than a product of matrices: equal samples are at distance exactly zero.
        flat = [np.reshape(np.stack(samples), (len(samples), -1)) for samples in (x, y)]
        return cdist(*flat, "sqeuclidean") / flat[0].shape[1]
    costs = np.zeros((len(x), len(y)))
    for i, j in np.ndindex(costs.shape):
        if not same or i < j:
            names = f"distributions[{i}]", f"{'distributions' if same else 'others'}[{j}]"
            lines = costs_of(x[i], y[j], p=2, x_weights=None, y_weights=None, names=names)
            costs[i, j] = lines.mean()
    return costs + costs.T if same else costs
