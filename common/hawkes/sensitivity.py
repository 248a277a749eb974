"""How the response to a stimulus depends on choices: the threshold of events, the support of lags.

Events of a waveform are activations above a threshold, and a response is looked for up to some
longest lag. `fit_thresholds` and `fit_supports` repeat the fit for several choices.
`simulate_activations` makes events with amplitudes, of which the weak ones are mostly spurious.
"""

import numpy as np

from common import validation
from common.hawkes.driven_starts import fit_best
from common.hawkes.pairs import check_sorted

__all__ = ["fit_supports", "fit_thresholds", "simulate_activations"]


def fit_thresholds(times, amplitudes, drivers, end_time, *, percentiles, lower, upper, pooled=True):
    """Fit processes to their activations above several thresholds.

    Parameters
    ----------
    times : sequence of array_like, each of shape (n_activations_i,)
        Sorted times of the activations of each process, in s.
    amplitudes : sequence of array_like, each of shape (n_activations_i,)
        Of the activations, in one unit for all processes.
    drivers : sequence of array_like, each of shape (n_stimuli_p,)
        Sorted times of the stimuli of each driver, in s.
    end_time : float
        In s.
    percentiles : sequence of float
        Each threshold is this percentile of the amplitudes, from 0 to below 100; activations at
        the threshold are kept.
    lower, upper : float
        Shortest and longest lag of a response, in s.
    pooled : bool, default=True
        Whether percentiles are of the amplitudes of all processes together, or of each process.

    Returns
    -------
    models : list of list of DrivenProcess, shape (n_percentiles, n_processes)

    Raises
    ------
    TypeError
        If a number is none.
    ValueError
        If a percentile is out of range, times and amplitudes do not correspond, a threshold leaves
        a process without an activation; and as `common.hawkes.driven_starts.fit_best`.
    """
    validation.same_length(times=times, amplitudes=amplitudes)
    if len(times) == 0:
        raise ValueError("times is empty: there is no process to fit.")
    end_time = validation.number(end_time, "end_time", above=0, unit="s")
    amplitudes = [validation.vector(each, f"amplitudes[{i}]") for i, each in enumerate(amplitudes)]
    times = [check_sorted(x, name=f"times[{i}]", end_time=end_time) for i, x in enumerate(times)]
    for i, (at, size) in enumerate(zip(times, amplitudes, strict=True)):
        validation.same_length(**{f"times[{i}]": at, f"amplitudes[{i}]": size})
    models = []
    for percentile in validation.vector(percentiles, "percentiles", at_least=0):
        percentile = validation.number(float(percentile), "percentile", at_least=0, below=100)
        of = [np.concatenate(amplitudes)] * len(times) if pooled else amplitudes
        kept = [
            at[size >= np.percentile(every, percentile)]
            for at, size, every in zip(times, amplitudes, of, strict=True)
        ]
        if empty := [i for i, each in enumerate(kept) if len(each) == 0]:
            raise ValueError(
                f"percentile {percentile:g} of all amplitudes leaves process {empty[0]} without an "
                "activation. Use a lower percentile, or pooled=False."
            )
        models.append(
            [fit_best(each, drivers, end_time, lower=lower, upper=upper) for each in kept]
        )
    return models


def fit_supports(events, drivers, end_time, *, lower, uppers):
    """Fit a process with several longest lags.

    Parameters
    ----------
    events : array_like, shape (n_events,)
        Sorted times, in s.
    drivers : sequence of array_like, each of shape (n_stimuli_p,)
        Sorted times of the stimuli of each driver, in s.
    end_time, lower : float
        In s.
    uppers : sequence of float
        Longest lags, in s, each above ``lower``.

    Returns
    -------
    models : list of DrivenProcess
        One for each longest lag. Where supports are longer than the intervals between stimuli, an
        event lies in several of them.

    Raises
    ------
    TypeError, ValueError
        If ``uppers`` holds no numbers or none; and as `common.hawkes.driven_starts.fit_best`.
    """
    uppers = validation.vector(uppers, "uppers", unit="s")
    return [fit_best(events, drivers, end_time, lower=lower, upper=float(b)) for b in uppers]


def simulate_activations(
    events, end_time, *, amplitude, spread, spurious_rate, spurious_amplitude, rng
):
    """Give events amplitudes, and add spurious activations that are weaker.

    Parameters
    ----------
    events : array_like, shape (n_events,)
        Sorted times, in s.
    end_time : float
        In s.
    amplitude, spread : float
        Mean and deviation of the Gaussian amplitudes of the events, in any unit. What is negative
        is drawn again.
    spurious_rate : float
        Of activations that are no events and come at random, in Hz.
    spurious_amplitude : float
        Mean of their exponential amplitudes.
    rng : numpy.random.Generator

    Returns
    -------
    times, amplitudes : ndarray, shape (n_activations,)
        Sorted by time, in s.
    true : ndarray of bool, shape (n_activations,)
        Which are events.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or a number is none.
    ValueError
        If a number is out of range, or times are unsorted or outside the record.
    """
    end_time = validation.number(end_time, "end_time", above=0, unit="s")
    events = check_sorted(events, name="events", end_time=end_time)
    amplitude = validation.number(amplitude, "amplitude", above=0)
    spread = validation.number(spread, "spread", at_least=0)
    rate = validation.number(spurious_rate, "spurious_rate", at_least=0, unit="Hz")
    weak = validation.number(spurious_amplitude, "spurious_amplitude", above=0)
    rng = validation.generator(rng)
    own = rng.normal(amplitude, spread, len(events))
    while (negative := own < 0).any():
        own[negative] = rng.normal(amplitude, spread, negative.sum())
    spurious = rng.uniform(0, end_time, rng.poisson(rate * end_time))
    times = np.concatenate([events, spurious])
    sizes = np.concatenate([own, rng.exponential(weak, len(spurious))])
    order = np.argsort(times, kind="stable")
    return times[order], sizes[order], (np.arange(len(times)) < len(events))[order]
