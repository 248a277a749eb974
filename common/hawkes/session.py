"""A simulated session: two kinds of stimuli, responses to each, and artefacts that ignore both."""

from typing import NamedTuple

import numpy as np

from common import validation
from common.hawkes.simulation import simulate_renewal, simulate_responses

__all__ = ["Session", "simulate_session"]

_COLUMNS = ("driver", "baseline_hz", "alpha", "mean_s", "sigma_s")


class Session(NamedTuple):
    """Stimuli and events of one session.

    Attributes
    ----------
    drivers : dict of str to ndarray
        Sorted times of the stimuli of each kind, in s.
    events : dict of str to ndarray
        Sorted times of each process, in s: a response to each kind of stimulus, under its name,
        then ``heartbeat`` and ``blink``, which no stimulus drives.
    truth : dict of str to tuple of float
        Of each response: mean number of events that a stimulus triggers, mean and deviation of the
        lag before truncation (s).
    """

    drivers: dict
    events: dict
    truth: dict


def simulate_session(targets, *, end_time, intervals, support, heartbeat, blink, rng):
    """Draw a session.

    Parameters
    ----------
    targets : pandas.DataFrame
        Estimates of processes and drivers, with the columns ``driver``, ``baseline_hz``, ``alpha``,
        ``mean_s`` and ``sigma_s``. The strongest response to each driver is simulated.
    end_time : float
        In s.
    intervals : tuple of float
        Shortest and longest time between two stimuli, in s.
    support : tuple of float
        Shortest and longest lag of a response, in s.
    heartbeat : dict
        ``interval`` and ``deviation`` of a renewal process, in s.
    blink : dict
        ``rate`` of a Poisson process, in Hz.
    rng : numpy.random.Generator

    Returns
    -------
    session : Session

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or a number is none.
    ValueError
        If a column of the targets is missing or none is complete; and as
        `common.hawkes.simulation.simulate_responses` and `simulate_renewal`.
    """
    if absent := [name for name in _COLUMNS if name not in targets]:
        raise ValueError(
            f"targets has no column {', '.join(absent)}; it has {', '.join(map(str, targets))}."
        )
    known = targets.dropna(subset=list(_COLUMNS))
    if known.empty:
        raise ValueError(f"no row of targets is complete, of {len(targets)}: nothing to simulate.")
    best = known.loc[known.groupby("driver")["alpha"].idxmax()].set_index("driver")
    responses = best[["alpha", "mean_s", "sigma_s"]].to_numpy()
    rate = validation.number(blink["rate"], "blink['rate']", at_least=0, unit="Hz")
    drivers, events = simulate_responses(
        responses,
        baseline=best["baseline_hz"].to_numpy(),
        intervals=intervals,
        support=support,
        end_time=end_time,
        rng=rng,
    )
    events = dict(zip(best.index, events, strict=True))
    events["heartbeat"] = simulate_renewal(**heartbeat, end_time=end_time, rng=rng)
    events["blink"] = np.sort(rng.uniform(0, end_time, rng.poisson(rate * end_time)))
    truth = {name: tuple(row) for name, row in zip(best.index, responses.tolist(), strict=True)}
    return Session(dict(zip(best.index, drivers, strict=True)), events, truth)
