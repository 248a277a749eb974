r"""How long after a driver its responses come: estimate, resampling, and a control.

A driver is a kind of stimulus or, where there are none, another process. `fit_latencies` gives
weight and lag of each pair. Two resamplings say how much of it to believe: `resample_blocks`, for
intervals, and `shift_circularly`, after which no pair of distinct processes is coupled.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.stats

from common import validation
from common.hawkes.driven import DrivenProcess
from common.hawkes.estimator import HawkesEstimator
from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.pairs import check_record, check_sorted

__all__ = ["Latencies", "fit_latencies", "lag_rate", "resample_blocks", "shift_circularly"]

_NOTHING = 1e-6  # weights up to here are what is left of 0 by a search that stopped
_MOST_BLOCKS = 10_000_000  # of a record that is resampled
_TOLERANCE = 1e-8  # of DriPP, in nats an event: far below what one event more or less changes


class Latencies(NamedTuple):
    """Kernels of all pairs, each array of shape (n_processes, n_drivers).

    Attributes
    ----------
    weight : ndarray
        Mean number of events that one event of the driver triggers.
    mean, sigma : ndarray
        Of the Gaussian before it is truncated, in s; NaN for a weight of 0.
    latency : ndarray
        Mean of the truncated Gaussian, in s; NaN for a weight of 0.
    """

    weight: np.ndarray
    mean: np.ndarray
    sigma: np.ndarray
    latency: np.ndarray


def fit_latencies(
    events, drivers, end_time, *, method, support, delta, start=None, n_starts=1, rng=None
):
    """Fit truncated Gaussian kernels from drivers to processes.

    Parameters
    ----------
    events : sequence of array_like, each of shape (n_events_i,)
        Sorted times of each process, in s, at least one a process.
    drivers : sequence of array_like, each of shape (n_stimuli_p,)
        Sorted times of the stimuli. Without any, the processes drive one another and themselves.
    end_time : float
        In s.
    method : {"fadin", "dripp"}
        Least squares on a grid (`HawkesEstimator`), or maximum likelihood (`DrivenProcess`), which
        needs stimuli.
    support : tuple of float
        Shortest and longest lag, in s.
    delta : float
        Grid step of FaDIn, in s; DriPP has none.
    start : Latencies or None, default=None
        Where to start: the estimate from similar events, as when resampling. By default the
        estimators' own start.
    n_starts : int, default=1
        Starts of FaDIn; all but the first are drawn by ``rng``.
    rng : numpy.random.Generator or None, default=None
        Needed with more than one start.

    Returns
    -------
    found : Latencies

    Raises
    ------
    TypeError
        If ``rng`` is needed, or given, and no generator, ``start`` is no `Latencies`, or a number
        is none.
    ValueError
        If the method is unknown or needs stimuli, ``support`` is no pair; and as the estimators.

    Notes
    -----
    For FaDIn, stimuli are processes of which nothing is explained: the loss splits over receivers,
    so their rows of the adjacency are held at 0 without touching the others.
    """
    if n_starts > 1 or rng is not None:
        validation.generator(rng)
    if len(validation.vector(support, "support", unit="s", ascending=True)) != 2:
        raise ValueError(f"support must be (shortest, longest) lag, got {support!r} s.")
    if start is not None and not isinstance(start, Latencies):
        raise TypeError(
            f"start must be Latencies, what fit_latencies returns, or None, got {start!r}."
        )
    record, options = (events, drivers, end_time, support), {"n_starts": n_starts, "rng": rng}
    if method == "fadin":
        weight, mean, sigma = _fadin(*record, delta=delta, start=start, **options)
    elif method == "dripp":
        if not len(drivers):
            raise ValueError("method 'dripp' needs drivers, got none; use 'fadin'.")
        weight, mean, sigma = _dripp(*record, start=start)
    else:
        raise ValueError(f"method must be 'fadin' or 'dripp', got {method!r}.")
    lower, upper = support
    effect = weight > _NOTHING
    weight = np.where(effect, weight, 0)
    mean, sigma = np.where(effect, mean, np.nan), np.where(effect, sigma, np.nan)
    latency = np.full(weight.shape, np.nan)
    m, s = mean[effect], sigma[effect]
    latency[effect] = scipy.stats.truncnorm.mean((lower - m) / s, (upper - m) / s, loc=m, scale=s)
    return Latencies(weight, mean, sigma, latency)


def lag_rate(sources, targets, edges):
    """Rate of the targets as a function of the time from a source.

    Parameters
    ----------
    sources, targets : array_like, shape (n_sources,), (n_targets,)
        Sorted times, in s. An event is not paired with itself: lags of exactly 0 are left out.
    edges : array_like, shape (n_bins + 1,)
        Of the lags, in s, increasing; negative lags are times before a source.

    Returns
    -------
    rate : ndarray, shape (n_bins,)
        In Hz. Sources near the ends of the record count in full.

    Raises
    ------
    ValueError
        If there is no source, times are unsorted or not finite, or edges make no bins.

    Examples
    --------
    >>> lag_rate([1.0, 2.0], [1.25, 2.25, 2.75], [0.0, 0.5, 1.0]).tolist()
    [2.0, 1.0]
    """
    sources, targets = check_sorted(sources, name="sources"), check_sorted(targets, name="targets")
    edges = validation.vector(edges, "edges", unit="s", ascending=True)
    if len(sources) == 0:
        raise ValueError("sources is empty: a rate is counted from one source at least.")
    if len(edges) < 2 or not np.diff(edges).all():
        raise ValueError(f"edges must be two or more different lags, got {edges.tolist()} s.")
    first = np.searchsorted(targets, sources + edges[0], side="left")
    last = np.searchsorted(targets, sources + edges[-1], side="right")
    n_pairs = last - first
    source = np.repeat(np.arange(len(sources)), n_pairs)
    target = np.arange(n_pairs.sum()) - np.repeat(np.cumsum(n_pairs) - n_pairs - first, n_pairs)
    lags = targets[target] - sources[source]
    counts, _ = np.histogram(lags[lags != 0], edges)
    return counts / (len(sources) * np.diff(edges))


def resample_blocks(times, end_time, *, block, rng):
    """Draw blocks of a record with replacement, the same ones for all series.

    Lags within a block survive; those across a border, a share of about the lag over the length of
    a block, are replaced by unrelated ones. Blocks much longer than the kernels lose little.

    Parameters
    ----------
    times : sequence of array_like, each of shape (n_i,)
        Sorted times of events and stimuli, in s.
    end_time : float
        In s.
    block : float
        Length of a block, in s; adapted so that blocks fill the record.
    rng : numpy.random.Generator

    Returns
    -------
    resampled : list of ndarray
        Sorted times, in s, of a record of the same length.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or ``end_time`` or ``block`` no number.
    ValueError
        If ``end_time`` or ``block`` is not positive, fewer than two blocks fit or more than 10
        million, times are unsorted or outside the record, or the record does not begin at 0
        (`common.hawkes.pairs.check_record`, which also warns).
    """
    end_time = validation.number(end_time, "end_time", above=0, unit="s")
    block = validation.number(block, "block", above=0, unit="s")
    times = [check_sorted(x, name=f"times[{i}]", end_time=end_time) for i, x in enumerate(times)]
    check_record(times, end_time=end_time)
    if end_time / block > _MOST_BLOCKS:
        raise ValueError(
            f"block={block:g} s cuts a record of {end_time:g} s into {end_time / block:.3g} "
            f"blocks, more than {_MOST_BLOCKS:,}. Use blocks much longer than the kernels."
        )
    n_blocks = round(end_time / block)
    if n_blocks < 2:
        raise ValueError(
            f"block={block:g} s makes {n_blocks} block(s) of a record of {end_time:g} s; at least "
            "two are needed, and tens are better."
        )
    length = end_time / n_blocks
    drawn = validation.generator(rng).integers(n_blocks, size=n_blocks)
    resampled = []
    for each in times:
        borders = np.searchsorted(each, length * np.arange(n_blocks + 1))
        borders[-1] = len(each)
        parts = [
            each[borders[old] : borders[old + 1]] + length * (new - old)
            for new, old in enumerate(drawn)
        ]
        # Rounding can put the first event of a block before the last of the block before.
        resampled.append(np.clip(np.sort(np.concatenate(parts)), 0, end_time))
    return resampled


def shift_circularly(times, end_time, *, shift):
    """Move all times later, those beyond the end to the beginning.

    Parameters
    ----------
    times : array_like, shape (n,)
        Sorted, in s.
    end_time : float
        In s.
    shift : float
        In s; whole records make no difference.

    Returns
    -------
    shifted : ndarray, shape (n,)
        Sorted, in s.

    Raises
    ------
    ValueError
        If times are unsorted or outside the record, the record has no length, or the shift is not
        finite.
    """
    end_time = validation.number(end_time, "end_time", above=0, unit="s")
    shift = validation.number(shift, "shift", unit="s")
    times = check_sorted(times, name="times", end_time=end_time)
    if abs(shift) >= end_time:  # a large one would swallow the digits of the times
        shift = math.fmod(shift, end_time)
    return np.sort((times + shift) % end_time)


def _fadin(events, drivers, end_time, support, *, delta, start, n_starts, rng):
    n, n_all = len(events), len(events) + len(drivers)
    pairs = np.s_[:n, n:] if len(drivers) else np.s_[:, :]
    mask = np.zeros((n_all, n_all), dtype=bool)
    mask[pairs] = True
    first = "moments"
    if start is not None:
        mean, sigma = _filled(start, support)
        first = {
            "mean": np.full(mask.shape, mean.mean()),
            "sigma": np.full(mask.shape, sigma.mean()),
        }
        first["mean"][pairs], first["sigma"][pairs] = mean, sigma
    fitted = HawkesEstimator(
        kernel=TruncatedGaussian(support[0]),
        delta=delta,
        kernel_length=support[1],
        mask=mask,
        start=first,
        n_starts=n_starts,
        random_state=rng,
    ).fit([*events, *drivers], end_time)
    parameters = fitted.kernel_parameters_
    return fitted.adjacency_[pairs], parameters["mean"][pairs], parameters["sigma"][pairs]


def _dripp(events, drivers, end_time, support, *, start):
    options = {"lower": support[0], "upper": support[1], "tol": _TOLERANCE}
    n_stimuli, found = np.array([len(each) for each in drivers]), []
    for i, times in enumerate(events):
        first = "smart"
        if start is not None:
            mean, sigma = (each[i] for each in _filled(start, support))
            # EM cannot leave a weight or a baseline of 0.
            weight = np.maximum(start.weight[i], 1e-2)
            baseline = max(len(times) - weight @ n_stimuli, 0.05 * len(times)) / end_time
            first = (baseline, weight, mean, sigma)
        fitted = DrivenProcess(**options, start=first).fit(times, drivers, end_time)
        found.append([fitted.adjacency_, fitted.mean_, fitted.sigma_])
    return np.stack(found, axis=1)


def _filled(start, support):
    """Mean and sigma to start from, within their bounds; a broad kernel where they are unknown."""
    width = support[1] - support[0]
    mean = np.where(np.isnan(start.mean), sum(support) / 2, start.mean)
    sigma = np.where(np.isnan(start.sigma), width / 4, start.sigma)
    return mean, np.maximum(sigma, 1e-2 * width)
