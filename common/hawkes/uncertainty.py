r"""Standard errors of least-squares estimates of Hawkes processes.

The gradient of the loss of a receiver is :math:`2 \sum_s \partial\lambda[s] (\delta \lambda[s] -
z[s])`, a sum of martingale increments, where :math:`\partial\lambda` holds the derivatives of the
intensity by the receiver's parameters. Its variance is estimated by
:math:`4 M, M = \sum_s z[s]\, \partial\lambda[s] \partial\lambda[s]^T`, a sum over events, and its
mean derivative by :math:`2 V, V = \delta \sum_s \partial\lambda[s] \partial\lambda[s]^T`. So the
estimate has about the covariance :math:`V^{-1} M V^{-1}`.
"""

import numpy as np
import scipy.linalg

from common.hawkes.kernels import discretise
from common.hawkes.pairs import iter_pairs

__all__ = ["standard_errors"]


def standard_errors(binned, statistics, adjacency, parameters, *, kernel, length):
    """Standard errors of baseline, adjacency and kernel parameters.

    Parameters
    ----------
    binned : BinnedEvents
    statistics : Statistics
        Of these events.
    adjacency : ndarray, shape (n_processes, n_processes)
    parameters : ndarray, shape (n_parameters, n_processes, n_processes)
    kernel : Kernel
    length : float
        Support of the kernels, in s.

    Returns
    -------
    baseline : ndarray, shape (n_processes,)
    adjacency : ndarray, shape (n_processes, n_processes)
    parameters : ndarray, shape (n_parameters, n_processes, n_processes)
        Each in the unit of the estimate; NaN for a pair without effect.

    Notes
    -----
    They hold for long records and estimates inside their bounds. Pairs without effect are treated
    as known to have none.
    """
    n = binned.n_processes
    k, k_by_parameter = discretise(
        kernel, parameters, length=length, delta=binned.delta, derivative=True
    )
    found = np.full((1 + len(parameters), n, n), np.nan)
    baseline = np.empty(n)
    for i in range(n):
        sources = np.flatnonzero(adjacency[i])
        slopes = np.concatenate([k[None, i], adjacency[i, :, None] * k_by_parameter[:, i]])
        slopes = slopes[:, sources]
        errors = np.sqrt(np.diag(_covariance(binned, statistics, i, sources, slopes)))
        baseline[i] = errors[0]
        found[:, i, sources] = errors[1:].reshape(len(slopes), len(sources))
    return baseline, found[0], found[1:]


def _covariance(binned, statistics, receiver, sources, slopes):
    """Of the baseline, then of the parameters whose derivative `slopes` holds, sources last."""
    delta, size = binned.delta, 1 + slopes.shape[0] * slopes.shape[1]
    source = np.tile(sources, len(slopes))
    flat = slopes.reshape(size - 1, statistics.n_lags)
    second = np.empty((size, size))
    second[0, 0] = statistics.duration
    second[0, 1:] = second[1:, 0] = delta * (flat * statistics.after[source]).sum(-1)
    second[1:, 1:] = delta * statistics.gram(flat, source) if size > 1 else 0.0

    bins, counts = binned.bins[receiver], binned.counts[receiver]
    at_events = np.zeros((len(slopes), len(sources), len(bins)))
    for index, j in enumerate(sources):
        for event, target in iter_pairs(binned.bins[j], bins, longest=statistics.n_lags):
            lag = bins[target] - binned.bins[j][event]
            for row, slope in zip(at_events[:, index], slopes[:, index], strict=True):
                row += np.bincount(target, binned.counts[j][event] * slope[lag - 1], len(bins))
    design = np.concatenate([np.ones((1, len(bins))), at_events.reshape(size - 1, len(bins))])
    # Unit diagonal: derivatives by rates, times and numbers differ in size.
    scale = np.sqrt(np.diag(second))
    design, second = design / scale[:, None], second / np.outer(scale, scale)
    influence = scipy.linalg.solve(second, design * np.sqrt(counts), assume_a="sym")
    return influence @ influence.T / np.outer(scale, scale)
