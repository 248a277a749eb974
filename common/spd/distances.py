"""Sliced-Wasserstein distances between sets of symmetric positive definite matrices."""

import array_api_compat
import numpy as np
from array_api_compat import is_torch_array

from common.spd._checks import (
    check_finite,
    check_order,
    check_pair,
    check_powers,
    check_weights,
    floating,
    namespace,
    root,
)
from common.spd.projections import Projections, draw_projections
from common.spd.transport import costs_of

__all__ = ["hspdsw", "logsw", "sliced_wasserstein", "spdsw", "sw"]

_BLOCK = 2**23  # coordinates of a set that are held at a time: 64 MiB


def spdsw(x, y, *, rng, n_projections=200, p=2, x_weights=None, y_weights=None):
    r"""Log-Euclidean sliced-Wasserstein distance between sets of SPD matrices (SPDSW).

    Matrices are projected on geodesics through the identity and compared there:

    .. math:: \mathrm{SPDSW}_p^p(\mu, \nu) = \mathbb{E}_A\,
              W_p^p\big( t^A_\# \mu,\, t^A_\# \nu \big), \qquad
              t^A(M) = \langle A, \log M \rangle_F,

    over symmetric directions A of unit norm with Haar eigenvectors and eigenvalues uniform on the
    sphere; the expectation is a mean over ``n_projections`` of them. The cost is one
    eigendecomposition a matrix and one sort of each set a projection, and memory is
    O(n_projections * n_matrices).

    Parameters
    ----------
    x : ndarray or Tensor, shape (n, n_channels, n_channels)
        Covariances, for example in V². Any common unit gives the same distance.
    y : ndarray or Tensor, shape (m, n_channels, n_channels)
    rng : numpy.random.Generator
        Draws the directions, for tensors too. Same state, same directions, same value.
    n_projections : int, default=200
        The error decays as ``n_projections ** -0.5``.
    p : float, default=2
        Order of the distance, at least 1.
    x_weights, y_weights : array, shape (n,) and (m,), optional
        Weights of the matrices; scaled to sum to one. Uniform by default.

    Returns
    -------
    distance : float or Tensor of shape ()
        Without unit. Tensors can be differentiated with respect to the matrices. A distance that
        is below the rounding of the coordinates is zero, and so is its gradient: the order of
        the matrices in two equal sets does not matter.

    Raises
    ------
    TypeError
        If weights are no real numbers.
    ValueError
        If ``x`` and ``y`` are no sets of symmetric positive definite matrices of one size, values
        are masked, powers overflow, or an option is out of range.

    See Also
    --------
    sliced_wasserstein : The same from logarithms that are at hand, along given directions.
    hspdsw : The same in the affine-invariant geometry.
    common.spd.exact.lew : Without slicing.

    References
    ----------
    .. [1] C. Bonet et al., "Sliced-Wasserstein on Symmetric Positive Definite Matrices for M/EEG
       Signals", ICML 2023, arXiv:2303.05798.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.stack([np.eye(3), 2 * np.eye(3)])
    >>> spdsw(x, x, rng=np.random.default_rng(0))
    0.0
    """
    return _distance("spdsw", x, y, rng, n_projections, p, x_weights, y_weights)


def logsw(x, y, *, rng, n_projections=200, p=2, x_weights=None, y_weights=None):
    r"""Euclidean sliced-Wasserstein distance between matrix logarithms (logSW).

    As `spdsw`, with directions :math:`A = G / \|G\|_F` where G is Gaussian and not symmetric. Only
    the symmetric part of A acts on a logarithm, and its norm is below one, so values are smaller
    than those of `spdsw`: for large n_channels by a factor of about :math:`\sqrt{2}` where traces
    do not differ.

    Parameters
    ----------
    x, y, rng, n_projections, p, x_weights, y_weights
        See `spdsw`.

    Returns
    -------
    distance : float or Tensor of shape ()

    Raises
    ------
    TypeError, ValueError
        As `spdsw`.
    """
    return _distance("logsw", x, y, rng, n_projections, p, x_weights, y_weights)


def sw(x, y, *, rng, n_projections=200, p=2, x_weights=None, y_weights=None):
    r"""Sliced-Wasserstein distance between the matrices themselves, without logarithm (SW).

    As `spdsw`, with the same directions and :math:`\langle A, M \rangle_F` in the place of
    :math:`\langle A, \log M \rangle_F`. Matrices need only be symmetric. The value has the unit
    of the matrices.

    Parameters
    ----------
    x, y, rng, n_projections, p, x_weights, y_weights
        See `spdsw`.

    Returns
    -------
    distance : float or Tensor of shape ()

    Raises
    ------
    TypeError, ValueError
        As `spdsw`, but for indefinite matrices.
    """
    return _distance("sw", x, y, rng, n_projections, p, x_weights, y_weights)


def hspdsw(x, y, *, rng, n_projections=200, p=2, x_weights=None, y_weights=None):
    r"""Affine-invariant (horospherical) sliced-Wasserstein distance (HSPDSW).

    As `spdsw`, with the Busemann coordinates of `common.spd.busemann.busemann_coordinates`. The
    cost is one Cholesky factorisation a matrix and projection.

    A congruence :math:`M \mapsto W M W^\top` is an isometry of this geometry. It carries the line
    of P to that of Q, where :math:`P^\top W = T Q^\top` with T lower triangular, and shifts
    coordinates:

    .. math:: t_P(W M W^\top) = t_Q(M) + 2 \sum_i \theta_i \log |T_{ii}|.

    So distances on single lines are exchanged exactly. Their mean stays the same if W is a multiple
    of an orthogonal matrix; for other W it changes somewhat, because Q is then not Haar-distributed
    when P is.

    Parameters
    ----------
    x, y, rng, n_projections, p, x_weights, y_weights
        See `spdsw`.

    Returns
    -------
    distance : float or Tensor of shape ()

    Raises
    ------
    TypeError, ValueError
        As `spdsw`.
    """
    return _distance("hspdsw", x, y, rng, n_projections, p, x_weights, y_weights)


def sliced_wasserstein(u, v, *, directions, p=2, x_weights=None, y_weights=None):
    r"""Sliced-Wasserstein distance between sets of vectors along given directions.

    `spdsw` is this function on `log_vectors`. Call it directly to compute logarithms once and use
    them in many distances, or to use the same directions in all.

    Parameters
    ----------
    u : ndarray or Tensor, shape (n, n_features)
    v : ndarray or Tensor, shape (m, n_features)
    directions : array, shape (n_projections, n_features)
        For example from `spd_directions`. Their norms are left as they are.
    p : float, default=2
    x_weights, y_weights : array, shape (n,) and (m,), optional
        Weights of ``u`` and ``v``.

    Returns
    -------
    distance : float or Tensor of shape ()

    Raises
    ------
    TypeError
        If weights are no real numbers.
    ValueError
        If shapes do not fit, a value is masked, not finite or no real number, powers overflow, or
        an option is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> u, v = np.zeros((5, 2)), np.ones((5, 2))
    >>> sliced_wasserstein(u, v, directions=np.eye(2))
    1.0
    """
    namespace(u=u, v=v)
    u, v = floating(u, name="u"), floating(v, name="v")
    directions = floating(directions, name="directions")
    shapes = tuple(u.shape), tuple(v.shape), tuple(directions.shape)
    if [len(shape) for shape in shapes] != [2, 2, 2] or len({shape[1] for shape in shapes}) != 1:
        raise ValueError(
            "u, v and directions must have shapes (n, n_features), (m, n_features) and "
            f"(n_projections, n_features), got {shapes[0]}, {shapes[1]} and {shapes[2]}."
        )
    if any(0 in shape for shape in shapes):
        raise ValueError(f"u, v and directions must not be empty, got shapes {shapes}.")
    for name, values in (("u", u), ("v", v), ("directions", directions)):
        check_finite(values, name=name)
    check_order(p)
    projections = Projections("vectors", u.shape[1], (directions,))
    return _mean_over_lines(projections, u, v, p, x_weights, y_weights, ("u", "v"))


def _distance(name, x, y, rng, n_projections, p, x_weights, y_weights):
    _, x, y = check_pair(x, y)
    check_order(p)
    x_weights = check_weights(x_weights, name="x_weights", n_samples=len(x))
    y_weights = check_weights(y_weights, name="y_weights", n_samples=len(y))
    projections = draw_projections(name, n_projections, x.shape[-1], rng=rng)
    x, y = projections.embed(x, name="x"), projections.embed(y, name="y")
    return _mean_over_lines(projections, x, y, p, x_weights, y_weights, ("x", "y"))


def _mean_over_lines(projections, x, y, p, x_weights, y_weights, names):
    xp = array_api_compat.array_namespace(x, y)
    x_weights = check_weights(x_weights, name="x_weights", n_samples=len(x))
    y_weights = check_weights(y_weights, name="y_weights", n_samples=len(y))
    step = max(1, _BLOCK // max(len(x), len(y)))
    costs, largest = [], 0.0
    for start in range(0, len(projections), step):
        lines = projections[start : start + step]
        u, v = (_projected(lines, *one) for one in zip((x, y), names, strict=True))
        costs.append(costs_of(u, v, p=p, x_weights=x_weights, y_weights=y_weights, names=names))
        largest = max(largest, _largest(u, xp), _largest(v, xp))
    # The last bit of a coordinate may depend on where its matrix stands: products of large matrices
    # add up the terms of each column in an order of their own. So two equal sets are as far apart
    # as coordinates are rounded, and there the root has a slope of any size.
    rounding = projections.n_channels * float(xp.finfo(x.dtype).eps) * largest
    with np.errstate(over="ignore"):
        mean = xp.mean(xp.concat(costs))
    check_powers(mean, x, y, p=p, names=names)
    return root(mean, p, rounding=rounding)


def _projected(lines, values, name):
    with np.errstate(over="ignore", invalid="ignore"):
        found = lines.project(values)
    check_finite(found, name=f"the projection of {name}")
    return found


def _largest(coordinates, xp):
    """Largest absolute value, without a copy of the coordinates."""
    if is_torch_array(coordinates):
        coordinates = coordinates.detach()
    return max(abs(float(xp.min(coordinates))), abs(float(xp.max(coordinates))))
