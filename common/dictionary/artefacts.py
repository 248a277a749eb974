"""Which atoms are artefacts: those whose events come with heartbeats or blinks."""

import numpy as np

from common import validation
from common.hawkes.pairs import check_sorted

__all__ = ["name_artefacts"]


def name_artefacts(times, artefacts, end_time, *, tolerance=0.1, at_least=0.3):
    r"""Find the atom whose events come with each artefact.

    The score of an atom is the share of artefacts with an event within ``tolerance``, less the
    share that a Poisson process of the atom's rate :math:`\rho` would reach by chance,
    :math:`1 - e^{-2 \rho\, \text{tolerance}}`.

    Parameters
    ----------
    times : sequence of array_like, each of shape (n_events_i,)
        Sorted times of the events of each atom, in s.
    artefacts : dict of str to array_like
        Sorted times of each artefact, as detected in another channel, in s.
    end_time : float
        In s.
    tolerance : float, default=0.1
        Between the artefact and the event at the peak of the atom, in s.
    at_least : float, default=0.3
        Score below which no atom is the artefact.

    Returns
    -------
    found : dict of str to int
        Index of the atom with the best score. An artefact without times or without such an atom
        is left out.

    Raises
    ------
    TypeError
        If a number is none.
    ValueError
        If a number is out of range, or times are unsorted or outside the record.

    Examples
    --------
    >>> beats = [1.0, 2.0, 3.0]
    >>> name_artefacts([[0.5, 2.5], [1.02, 2.03, 2.97]], {"heartbeat": beats}, 10.0)
    {'heartbeat': 1}
    """
    end_time = validation.number(end_time, "end_time", above=0, unit="s")
    tolerance = validation.number(tolerance, "tolerance", above=0, unit="s")
    at_least = validation.number(at_least, "at_least", at_least=0, at_most=1)
    times = [check_sorted(x, name=f"times[{i}]", end_time=end_time) for i, x in enumerate(times)]
    found = {}
    for name, detected in artefacts.items():
        detected = check_sorted(detected, name=f"artefacts[{name!r}]", end_time=end_time)
        if len(detected) == 0 or len(times) == 0:
            continue
        scores = [_score(each, detected, end_time, tolerance) for each in times]
        if max(scores) >= at_least:
            found[name] = int(np.argmax(scores))
    return found


def _score(events, detected, end_time, tolerance):
    first = np.searchsorted(events, detected - tolerance, side="left")
    last = np.searchsorted(events, detected + tolerance, side="right")
    return np.mean(last > first) + np.expm1(-2 * tolerance * len(events) / end_time)
