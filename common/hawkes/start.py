r"""First parameters of the kernels, from the mean and spread of the lags.

The cross-correlogram of two processes mixes the kernel that joins them with chains of events
through others. Least squares with a few rectangular kernels a pair, a linear problem with a closed
form, separates them; a rectangle's width is about a twentieth of the support. Mean and spread of
the part of each estimated histogram that exceeds its standard error then give the start. All sums
come from the pair counts of `common.hawkes.statistics`, so the cost does not depend on the record.
"""

import numpy as np
import scipy.linalg

__all__ = ["lag_moments"]

_N_BINS = 20
_RIDGE = 1e-6


def lag_moments(statistics, *, mask=None):
    """Estimate mean and spread of the lags from each process to each other.

    Parameters
    ----------
    statistics : Statistics
    mask : ndarray of bool, shape (n_processes, n_processes), optional
        ``mask[i, j]`` is whether process j may act on process i.

    Returns
    -------
    mean, spread : ndarray, shape (n_processes, n_processes)
        In s. Half and a quarter of the support where no effect shows, or the mask is False.
    """
    n, delta = statistics.n_processes, statistics.delta
    width = max(1, statistics.n_lags // _N_BINS)
    n_bins = statistics.n_lags // width  # a last incomplete bin is left out
    centers = delta * (width * np.arange(n_bins) + (width + 1) / 2)
    support = statistics.n_lags * delta
    mean, spread = np.full((n, n), support / 2), np.full((n, n), support / 4)

    gram, after, pairs = _histogram_problem(statistics, width, n_bins)
    mask = np.ones((n, n), dtype=bool) if mask is None else mask
    rows, group = np.unique(mask, axis=0, return_inverse=True)
    for index, row in enumerate(rows):  # receivers with the same sources share a matrix
        sources, receivers = np.flatnonzero(row), np.flatnonzero(group.ravel() == index)
        if not len(sources):
            continue
        size = 1 + len(sources) * n_bins
        quadratic = np.empty((size, size))
        quadratic[0, 0] = statistics.duration
        quadratic[0, 1:] = quadratic[1:, 0] = delta * after[sources].ravel()
        block = gram[np.ix_(sources, sources)].transpose(0, 2, 1, 3)
        quadratic[1:, 1:] = delta * block.reshape(size - 1, size - 1)
        counts = pairs[np.ix_(receivers, sources)].reshape(-1, size - 1)
        linear = np.column_stack([statistics.n_events[receivers], counts]).T
        weights, error = _least_squares(quadratic, linear)
        # A count has the variance of its mean, here taken as the mean rate of the receiver.
        rate = statistics.n_events[receivers] / statistics.duration
        excess = np.maximum(weights - error[:, None] * np.sqrt(rate), 0)[1:]
        excess = excess.T.reshape(len(receivers), len(sources), n_bins)
        total = excess.sum(-1)
        seen = total > 0
        share = excess / np.where(seen, total, 1)[..., None]
        mean_seen = share @ centers
        # The spread within a bin adds to that of the centres.
        variance = (share * (centers - mean_seen[..., None]) ** 2).sum(-1)
        variance += (width * delta) ** 2 / 12
        at = np.ix_(receivers, sources)
        mean[at] = np.where(seen, mean_seen, mean[at])
        spread[at] = np.where(seen, np.sqrt(variance), spread[at])
    return mean, spread


def _histogram_problem(statistics, width, n_bins):
    """Sums of the loss for rectangles of unit mass, the end of the record left aside."""
    n, height = statistics.n_processes, 1 / (width * statistics.delta)
    used = slice(0, width * n_bins)
    split = (n, n_bins, width)
    after = height * statistics.after[:, used].reshape(split).sum(-1)
    pairs = height * statistics.pairs[..., used].reshape(n, *split).sum(-1)
    # Sum of c(tau - tau') over two rectangles: a triangle around the distance of their starts.
    ahead = statistics.correlation[..., :-1]
    both = np.concatenate([ahead.swapaxes(0, 1)[..., :0:-1], ahead], axis=-1)  # lags 1 - L .. L - 1
    offset = np.arange(1 - width, width)
    distance = width * np.arange(1 - n_bins, n_bins)
    at = statistics.n_lags - 1 + distance[:, None] + offset
    by_distance = height**2 * (both[..., at] @ (width - np.abs(offset)).astype(float))
    index = np.subtract.outer(np.arange(n_bins), np.arange(n_bins)) + n_bins - 1
    return by_distance[..., index], after, pairs


def _least_squares(quadratic, linear):
    """Solution, and the standard error of each coefficient for a unit rate."""
    ridge = _RIDGE * np.trace(quadratic) / len(quadratic)
    factor = scipy.linalg.cho_factor(quadratic + ridge * np.eye(len(quadratic)))
    inverse = scipy.linalg.cho_solve(factor, np.eye(len(quadratic)))
    return inverse @ linear, np.sqrt(np.diag(inverse))
