r"""Where to start the fit of a driven process, and the best of several fits.

The likelihood of `DrivenProcess` has several maxima, and expectation-maximisation never leaves an
adjacency of 0: the probability that a stimulus triggered an event is proportional to it. So a fit
takes several starts, each with a positive adjacency: the smart start of `DrivenProcess`, the best
kernels of a scan, and random ones.

The published smart start [1]_ is here to compare with. It takes the events outside all supports
over the time outside as :math:`\mu`, mean and deviation of the lags within the support as m and
:math:`\sigma`, and

.. math:: \alpha = \max\Big( 0, \frac{\text{number of lags in the support}}
                                      {\text{measure of the union of the driver's supports}}
                            - \mu \Big).

This :math:`\alpha` is a rate in Hz, not a number of events per stimulus, and it is 0 in about half
of all records without a response: the fit then stays there.

.. [1] C. Allain, A. Gramfort, T. Moreau, "DriPP: Driven Point Processes to Model Stimuli Induced
   Patterns in M/EEG Signals", ICLR 2022, arXiv:2112.06652; formulas from the authors' code,
   CedricAllain/dripp @ 30f44fa.
"""

import numpy as np

from common import validation
from common.hawkes.driven import DrivenProcess
from common.hawkes.pairs import check_sorted, iter_pairs
from common.hawkes.scan import scan_kernels

__all__ = ["fit_best", "published_start", "random_starts", "scan_starts"]

_SMALLEST_SHARE = 0.02  # of all events that a driver explains at a start
_SMALLEST_BASELINE = 0.05  # of the events of a record, at a start
_APART = 2  # deviations between the means of two kernels that are different starts


def fit_best(
    events, drivers, end_time, *, lower, upper, n_scan=2, n_random=0, rng=None, max_iter=400,
    tol=1e-6,
):  # fmt: skip
    """The likeliest of several fits of a driven process.

    Parameters
    ----------
    events : array_like, shape (n_events,)
        Sorted times, in s, within ``[0, end_time]``.
    drivers : sequence of array_like, each of shape (n_stimuli_p,)
        Sorted times of the stimuli of each driver, in s.
    end_time : float
        In s.
    lower, upper : float
        Shortest and longest lag of a response, in s.
    n_scan, n_random : int, default=2, 0
        Starts from the best kernels of a scan (`scan_starts`), and at random (`random_starts`), in
        addition to the smart start of `DrivenProcess`.
    rng : numpy.random.Generator or None, default=None
        Needed with random starts.
    max_iter, tol : int, float
        As in `DrivenProcess`. The last iteration gains 1e-6 nats an event, where one event more
        changes the likelihood by about one.

    Returns
    -------
    model : DrivenProcess
        Of equal likelihoods, the first one.

    Raises
    ------
    TypeError
        If ``rng`` is needed, or given, and no generator, or a number is of another type.
    ValueError
        If a number of starts is negative; and as `DrivenProcess` and `scan_kernels`.

    Examples
    --------
    >>> stimuli = 2.0 * np.arange(1, 50)
    >>> events = np.sort(np.append(stimuli + 0.1, stimuli + 1.37))
    >>> model = fit_best(events, [stimuli], 100.0, lower=0.0, upper=0.5)
    >>> model.mean_.round(2).tolist(), model.adjacency_.round(2).tolist()
    ([0.1], [1.0])
    """
    n_random = validation.count(n_random, "n_random", at_least=0)
    max_iter = validation.count(max_iter, "max_iter")
    tol = validation.number(tol, "tol", at_least=0)
    # In float64: widths of float32 would differ from start to start.
    limits = {
        "lower": validation.number(lower, "lower", unit="s"),
        "upper": validation.number(upper, "upper", unit="s"),
    }
    starts = ["smart", *scan_starts(events, drivers, end_time, n_starts=n_scan, **limits)]
    if n_random or rng is not None:
        starts += random_starts(n_random, n_drivers=len(drivers), rng=rng, **limits)
    options = limits | {"max_iter": max_iter, "tol": tol}
    fits = [DrivenProcess(**options, start=one).fit(events, drivers, end_time) for one in starts]
    return max(fits, key=lambda model: model.log_likelihood_curve_[-1])


def scan_starts(events, drivers, end_time, *, lower, upper, n_starts):
    """Starts from the kernels that explain most, each driver taken by itself.

    Parameters
    ----------
    events, drivers, end_time, lower, upper
        As in `fit_best`.
    n_starts : int
        The k-th start takes the k-th best kernel of every driver. Kernels of a driver whose means
        are less than two deviations apart are one: the better of them counts.

    Returns
    -------
    starts : list of tuple
        ``(baseline, adjacency, mean, sigma)``, as `DrivenProcess` takes it, with a positive
        adjacency.

    Raises
    ------
    TypeError, ValueError
        As `scan_kernels`, and if ``n_starts`` is negative or no whole number.
    """
    n_starts = validation.count(n_starts, "n_starts", at_least=0)
    if n_starts == 0:
        return []
    _check_drivers(drivers)
    scans = [scan_kernels(events, each, end_time, lower=lower, upper=upper) for each in drivers]
    n_events, n_stimuli = len(events), np.array([len(each) for each in drivers])
    starts = []
    for chosen in zip(*(_apart(scan, n_starts) for scan in scans), strict=True):
        weight, mean, sigma = np.array(
            [
                (scan.weight[k], scan.mean[k], scan.sigma[k])
                for scan, k in zip(scans, chosen, strict=True)
            ]
        ).T
        weight = np.maximum(weight, _SMALLEST_SHARE * n_events / n_stimuli)
        rest = max(n_events - weight @ n_stimuli, _SMALLEST_BASELINE * n_events)
        starts.append((float(rest / end_time), weight, mean, sigma))
    return starts


def random_starts(n_starts, *, n_drivers, lower, upper, rng):
    """Starts that are drawn as in the authors' code.

    Baseline (Hz) and adjacency are uniform on [0.15, 1], the mean from the larger of ``lower`` and
    0.1 s to ``upper``, and sigma from 0.05 to 1 s. A mean whose interval is empty is ``upper``,
    and a sigma above the length of the support is that length.

    Parameters
    ----------
    n_starts, n_drivers : int
    lower, upper : float
        Shortest and longest lag of a response, in s.
    rng : numpy.random.Generator

    Returns
    -------
    starts : list of tuple
        ``(baseline, adjacency, mean, sigma)``, as `DrivenProcess` takes it.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or a number is none.
    ValueError
        If a number is out of range.
    """
    n_starts = validation.count(n_starts, "n_starts", at_least=0)
    n_drivers = validation.count(n_drivers, "n_drivers")
    lower = validation.number(lower, "lower", at_least=0, unit="s")
    upper = validation.number(upper, "upper", above=lower, unit="s")
    rng, starts = validation.generator(rng), []
    for _ in range(n_starts):
        baseline = float(rng.uniform(0.15, 1))
        adjacency = rng.uniform(0.15, 1, n_drivers)
        mean = rng.uniform(min(max(lower, 0.1), upper), upper, n_drivers)
        sigma = np.minimum(rng.uniform(0.05, 1, n_drivers), upper - lower)
        starts.append((baseline, adjacency, mean, sigma))
    return starts


def published_start(events, drivers, end_time, *, lower, upper):
    """Smart start of the authors' code; see the formulas at the top of this module.

    Parameters
    ----------
    events, drivers, end_time, lower, upper
        As in `fit_best`.

    Returns
    -------
    start : tuple
        ``(baseline, adjacency, mean, sigma)``, as `DrivenProcess` takes it. Without lags in the
        support of a driver, mean and sigma are ``(upper - lower) / 2`` and 0.95 times half of
        that. Both are moved to the nearest admissible value.

    Raises
    ------
    TypeError
        If a number is none.
    ValueError
        If no event lies outside all supports, which leaves no baseline; if a number is out of
        range, there is no driver or one without stimulus, or times are unsorted or outside the
        record.
    """
    end_time = validation.number(end_time, "end_time", above=0, unit="s")
    lower = validation.number(lower, "lower", at_least=0, unit="s")
    upper = validation.number(upper, "upper", above=lower, unit="s")
    events = check_sorted(events, name="events", end_time=end_time)
    _check_drivers(drivers)
    drivers = [
        check_sorted(each, name=f"drivers[{p}]", end_time=end_time)
        for p, each in enumerate(drivers)
    ]
    pairs = [
        [np.concatenate(each) for each in zip(*found, strict=True)] if found else [[], []]
        for found in (
            list(iter_pairs(each, events, longest=upper, shortest=lower)) for each in drivers
        )
    ]
    limits = {"end_time": end_time, "lower": lower, "upper": upper}
    outside = end_time - _covered(np.sort(np.concatenate(drivers)), **limits)
    n_outside = len(events) - len(np.unique(np.concatenate([event for _, event in pairs])))
    if n_outside == 0:
        raise ValueError(
            f"no event lies outside the supports, which leave {outside:g} of {end_time:g} s: there "
            "is nothing to take the baseline from. Use a shorter upper, or fit_best."
        )
    width = upper - lower
    adjacency, mean, sigma = np.zeros((3, len(drivers)))
    for p, (stimuli, (source, event)) in enumerate(zip(drivers, pairs, strict=True)):
        mean[p], sigma[p] = width / 2, 0.95 * width / 4
        if len(event):
            lags = events[event] - stimuli[source]
            rate = len(lags) / _covered(stimuli, **limits)
            adjacency[p] = max(rate - n_outside / outside, 0)
            mean[p], sigma[p] = lags.mean(), lags.std()
    narrowest = 1e-3 * width  # that DrivenProcess takes
    mean, sigma = np.clip(mean, lower, upper), np.clip(sigma, narrowest, width)
    return n_outside / outside, adjacency, mean, sigma


def _check_drivers(drivers):
    if len(drivers) == 0 or np.ndim(drivers[0]) == 0:
        raise ValueError(
            "drivers must be a sequence with one array of times a driver. For a single driver, "
            "pass [stimuli]."
        )
    for p, stimuli in enumerate(drivers):
        if len(stimuli) == 0:
            raise ValueError(f"drivers[{p}] has no stimulus; its effect is unknown. Leave it out.")


def _apart(scan, n):
    """Indices of the n best kernels that are not neighbours; the best ones again if too few."""
    left, chosen = scan.gain.copy(), []
    while len(chosen) < n and np.isfinite(left).any():
        best = int(left.argmax())
        chosen.append(best)
        reach = _APART * np.maximum(scan.sigma, scan.sigma[best])
        left[np.abs(scan.mean - scan.mean[best]) < reach] = -np.inf
    return (chosen * n)[:n]


def _covered(stimuli, *, end_time, lower, upper):
    """Measure of the union of the supports of sorted stimuli, within the record."""
    begin = np.minimum(stimuli + lower, end_time)
    end = np.minimum(stimuli + upper, end_time)
    return float((end - np.maximum(begin, np.concatenate([[0], end[:-1]]))).sum())
