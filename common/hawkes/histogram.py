r"""Hawkes kernels without a parametric shape: free, non-negative values on bins of the lag.

On the grid of `common.hawkes.loss`, with a free :math:`\phi_{ij}[b] \ge 0` on each bin b of
``bin_width`` lags,

.. math:: \lambda_i[s] = \mu_i + \sum_{jb} \phi_{ij}[b]\, x_{jb}[s], \qquad
          x_{jb}[s] = \sum_{\tau \in b} z_j[s - \tau].

Both estimators are convex, split over receivers and need no starting point:

- `fit_least_squares` minimises :math:`\delta \sum_s \lambda_i[s]^2 - 2 \sum_s z_i[s] \lambda_i[s]`,
  a quadratic in :math:`(\mu_i, \phi_i)` whose matrix is made of pair counts;
- `fit_em` maximises :math:`\sum_s z_i[s] \log \lambda_i[s] - \delta \sum_s \lambda_i[s]`.

EM [1]_ splits each event among its possible causes, in proportion to their share of
:math:`\lambda_i` at the event, and each rate then is the number of events that it caused over the
number that it would have caused at rate 1:

.. math:: \mu_i \leftarrow \frac{\mu_i}{\delta G} \sum_s \frac{z_i[s]}{\lambda_i[s]}, \qquad
          \phi_{ij}[b] \leftarrow \frac{\phi_{ij}[b]}{\delta \sum_{\tau \in b} \Phi_j(\tau)}
          \sum_s x_{jb}[s] \frac{z_i[s]}{\lambda_i[s]} .

An iteration visits every pair of events within the support of the kernels.

.. [1] E. Lewis and G. Mohler, "A nonparametric EM algorithm for multiscale Hawkes processes",
   preprint, 2011.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse

from common import validation
from common.hawkes.grid import bin_events
from common.hawkes.kernels import grid_lags
from common.hawkes.pairs import lagged_counts
from common.hawkes.statistics import precompute

__all__ = ["HistogramKernels", "fit_em", "fit_least_squares"]


@dataclass(frozen=True)
class HistogramKernels:
    """Baselines and piecewise constant kernels.

    Attributes
    ----------
    baseline : ndarray, shape (n_processes,)
        In Hz.
    values : ndarray, shape (n_processes, n_processes, n_bins)
        Kernels in Hz; ``values[i, j]`` is the effect of process j on process i.
    lags : ndarray, shape (n_bins,)
        Centres of the bins, in s.
    width : float
        Of a bin, in s.
    log_likelihood_curve : ndarray, shape (n_iter + 1,)
        Log-likelihood, in nats, at the start and after each iteration of EM; receivers that have
        converged keep their value. Empty for least squares.
    converged : bool
    """

    baseline: np.ndarray
    values: np.ndarray
    lags: np.ndarray
    width: float
    log_likelihood_curve: np.ndarray
    converged: bool = True

    @property
    def adjacency(self):
        """Mass of each kernel, shape (n_processes, n_processes)."""
        return self.values.sum(-1) * self.width


def fit_least_squares(events, *, end_time, delta, kernel_length, bin_width=1):
    """Fit kernels of free shape by least squares.

    Parameters
    ----------
    events : sequence of array_like, each of shape (n_events_i,)
        Sorted event times of each process, in s, within ``[0, end_time]``, at least one a process.
    end_time : float
        End of the record, in s.
    delta : float
        Grid step, in s.
    kernel_length : float
        Support of the kernels, in s.
    bin_width : int, default=1
        Grid steps in a bin; a divisor of the number of lags. Wider bins vary less.

    Returns
    -------
    kernels : HistogramKernels

    Raises
    ------
    TypeError
        If ``bin_width`` is no whole number.
    ValueError
        If ``bin_width`` does not divide the number of lags, or events, ``delta`` or
        ``kernel_length`` are not valid: see `common.hawkes.grid`.

    Notes
    -----
    Needs memory for ``(n_processes * n_lags) ** 2`` numbers, and time that grows with the third
    power of ``n_processes * n_bins`` but, after one pass over the events, not with their number.

    Examples
    --------
    Events that are further apart than the support excite nothing:

    >>> fit = fit_least_squares([[1, 3, 5, 7]], end_time=7.9, delta=0.1, kernel_length=1)
    >>> fit.baseline.round(12), float(fit.adjacency[0, 0])
    (array([0.5]), 0.0)
    """
    binned, n_lags, n_bins = _bin(events, end_time, delta, kernel_length, bin_width)
    statistics = precompute(binned, n_lags=n_lags)
    n = binned.n_processes
    blocks = statistics.psi().reshape(n, n, n_bins, bin_width, n_bins, bin_width).sum((3, 5))
    size = n * n_bins
    gram = np.empty((1 + size, 1 + size))
    gram[0, 0] = statistics.duration
    gram[0, 1:] = gram[1:, 0] = delta * _group(statistics.after, bin_width).ravel()
    gram[1:, 1:] = delta * blocks.swapaxes(1, 2).reshape(size, size)
    linear = _group(statistics.pairs, bin_width).reshape(n, size)
    linear = np.column_stack([statistics.n_events, linear])
    found = _nonnegative_least_squares(gram, linear)
    values = found[:, 1:].reshape(n, n, n_bins)
    return _kernels(found[:, 0], values, delta, bin_width, np.zeros(0), True)


def fit_em(events, *, end_time, delta, kernel_length, bin_width=1, max_iter=1000, tol=1e-7):
    """Fit kernels of free shape by maximum likelihood, with expectation-maximisation.

    Parameters
    ----------
    events, end_time, delta, kernel_length, bin_width
        As in `fit_least_squares`.
    max_iter : int, default=1000
    tol : float, default=1e-7
        A receiver stops once an iteration gains less than this log-likelihood per event.

    Returns
    -------
    kernels : HistogramKernels

    Raises
    ------
    ValueError
        As in `fit_least_squares`, or if ``max_iter`` or ``tol`` is out of range.

    Notes
    -----
    Where the likelihood is largest at a value of 0, EM approaches it slowly from above.
    """
    max_iter = validation.count(max_iter, "max_iter")
    tol = validation.number(tol, "tol", at_least=0)
    binned, n_lags, n_bins = _bin(events, end_time, delta, kernel_length, bin_width)
    lagged = lagged_counts(binned, n_lags)
    n = binned.n_processes
    exposure = delta * _group(lagged.after, bin_width).ravel()
    grouping = scipy.sparse.kron(scipy.sparse.eye_array(n * n_bins), np.ones((bin_width, 1)), "csr")
    found = [
        _maximise(before @ grouping, counts, exposure, lagged.duration, max_iter, tol)
        for before, counts in zip(lagged.before, lagged.counts, strict=True)
    ]
    n_iter = max(len(curve) for _, _, curve, _ in found) - 1
    curves = [np.pad(curve, (0, n_iter + 1 - len(curve)), "edge") for _, _, curve, _ in found]
    return _kernels(
        np.array([baseline for baseline, _, _, _ in found]),
        np.stack([phi for _, phi, _, _ in found]).reshape(n, n, n_bins),
        delta,
        bin_width,
        np.sum(curves, axis=0),
        all(converged for _, _, _, converged in found),
    )


def _bin(events, end_time, delta, kernel_length, bin_width):
    binned = bin_events(events, end_time=end_time, delta=delta, kernel_length=kernel_length)
    n_lags = len(grid_lags(kernel_length, delta=delta))
    bin_width = validation.count(bin_width, "bin_width", at_least=0)
    if bin_width < 1 or n_lags % bin_width:
        raise ValueError(
            f"bin_width must divide the number of lags, {n_lags} = kernel_length / delta, got "
            f"{bin_width}."
        )
    return binned, n_lags, n_lags // bin_width


def _group(values, bin_width):
    return values.reshape(*values.shape[:-1], -1, bin_width).sum(-1)


def _kernels(baseline, values, delta, bin_width, curve, converged):
    width = bin_width * delta
    # Bin b holds the lags (b * bin_width + 1, ..., (b + 1) * bin_width) * delta.
    lags = width * np.arange(values.shape[-1]) + (width + delta) / 2
    return HistogramKernels(baseline, values, lags, width, curve, converged)


def _nonnegative_least_squares(gram, linear):
    """Minimisers of ``w @ gram @ w - 2 linear[i] @ w`` over ``w >= 0``, one row each."""
    scale = np.sqrt(np.diag(gram))
    scale[scale == 0] = 1.0  # no event has this lag: the ridge sets its value to 0
    scaled = gram / np.outer(scale, scale)
    # The ridge, at the level of rounding, decides where the record does not.
    scaled[np.diag_indices_from(scaled)] += 1e-13 * len(scaled)
    root = scipy.linalg.cholesky(scaled)
    targets = scipy.linalg.solve_triangular(root, (linear / scale).T, trans="T")
    found = scipy.linalg.solve_triangular(root, targets).T
    for i in np.flatnonzero((found < 0).any(axis=1)):
        found[i] = scipy.optimize.nnls(root, targets[:, i])[0]
    return found / scale


def _maximise(before, counts, exposure, duration, max_iter, tol):
    """EM for one receiver: baseline, kernels, log-likelihood curve, whether it converged."""
    n_events = counts.sum()
    # Half of the events are immigrants at first; a bin that no event reaches has rate 0.
    baseline = 0.5 * n_events / duration
    phi = np.where(exposure > 0, 0.5 * n_events / max(exposure.sum(), 1e-300), 0)
    causes = before.T.tocsr()
    rescale = np.divide(1, exposure, out=np.zeros_like(exposure), where=exposure > 0)
    curve = []
    while True:
        intensity = baseline + before @ phi
        curve.append(counts @ np.log(intensity) - duration * baseline - exposure @ phi)
        if len(curve) > 1 and curve[-1] - curve[-2] <= tol * n_events:
            return baseline, phi, curve, True
        if len(curve) > max_iter:
            return baseline, phi, curve, False
        weights = counts / intensity
        baseline *= weights.sum() / duration
        phi = phi * (causes @ weights) * rescale
