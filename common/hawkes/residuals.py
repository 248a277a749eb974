r"""Intensity, compensator and time-rescaled residuals of linear Hawkes processes.

The compensator of process i is its integrated intensity,

.. math:: \Lambda_i(t) = \mu_i t + \sum_j \alpha_{ij} \sum_{t_k \in j, t_k < t} K_{ij}(t - t_k),

with :math:`K_{ij}` the distribution function of the kernel. Under the true model the increments of
:math:`\Lambda_i` between successive events of process i are independent unit exponentials (time
rescaling [1]_), whatever the parameters: a test of fit that needs no reference model.

Everything here is exact in continuous time, with no grid. Only events within the support of the
kernel are paired; an older event has spent all its mass and is counted.

.. [1] E. N. Brown et al., "The time-rescaling theorem and its application to neural spike train
   data analysis", Neural Computation 14(2), 2002.
"""

import numpy as np

from common import validation
from common.hawkes.inputs import as_arrays, check_numbers
from common.hawkes.pairs import (
    broadcast_parameters,
    check_record,
    check_sorted,
    iter_pairs,
    kernel_of_pair,
)

__all__ = ["compensator", "compensator_at", "intensity_at", "rescaled_intervals"]


def intensity_at(times, events, baseline, adjacency, kernel, parameters, *, length):
    """Intensity of every process just before given times.

    Parameters
    ----------
    times : array_like, shape (n_times,)
        In s, in any order.
    events : sequence of array_like, each of shape (n_events_j,)
        Sorted event times of each process, in s.
    baseline : array_like, shape (n_processes,)
        In Hz.
    adjacency : array_like, shape (n_processes, n_processes)
        ``adjacency[i, j]`` is the mean number of events of i that one event of j triggers.
    kernel : Kernel or nested sequence of Kernel
        As in `common.hawkes.simulation.simulate`.
    parameters : array_like, shape (n_parameters, n_processes, n_processes) or (n_parameters,)
    length : float
        Support of the kernels, in s.

    Returns
    -------
    intensity : ndarray, shape (n_processes, n_times)
        In Hz. An event at a time itself does not count.

    Raises
    ------
    ValueError
        If shapes do not fit, a rate or weight is negative or not finite, parameters describe no
        density or one without mass on its support, or events are unsorted or not finite.
    """
    model = _Model(events, baseline, adjacency, kernel, parameters, length)
    times = _check_query(times)
    return np.stack([model.intensity(i, times) for i in range(model.n_processes)])


def compensator_at(times, events, baseline, adjacency, kernel, parameters, *, length):
    """Integrated intensity of every process from 0 to given times.

    Parameters
    ----------
    times : array_like, shape (n_times,)
        In s, 0 or later, in any order.
    events, baseline, adjacency, kernel, parameters, length
        As in `intensity_at`.

    Returns
    -------
    compensator : ndarray, shape (n_processes, n_times)
        Expected number of events up to each time, given those before.

    Raises
    ------
    ValueError
        As in `intensity_at`, if a time is negative, or if the record does not begin at 0
        (`common.hawkes.pairs.check_record`, which also warns).
    """
    model = _Model(events, baseline, adjacency, kernel, parameters, length)
    times = _check_query(times)
    if len(times) and times.min() < 0:
        raise ValueError(f"times must be 0 s or later, got {times.min():g} s.")
    if len(times):
        last = [each[-1] for each in model.events if len(each)]
        check_record(model.events, end_time=max(times.max(), *last, 0.0))
    return np.stack([model.compensator(i, times) for i in range(model.n_processes)])


def compensator(events, baseline, adjacency, kernel, parameters, *, length, end_time):
    """Integrated intensity of each process at its own events.

    Parameters
    ----------
    events, baseline, adjacency, kernel, parameters, length
        As in `intensity_at`.
    end_time : float
        End of the record, in s; no event may lie beyond it.

    Returns
    -------
    compensator : list of ndarray, each of shape (n_events_i,)
        Non-decreasing.

    Raises
    ------
    ValueError
        As in `intensity_at`, if an event lies outside ``[0, end_time]``, or if the record does not
        begin at 0 (`common.hawkes.pairs.check_record`, which also warns).
    """
    model = _Model(events, baseline, adjacency, kernel, parameters, length)
    for i, times in enumerate(model.events):
        check_sorted(times, name=f"events[{i}]", end_time=end_time)
    check_record(model.events, end_time=end_time)
    return [model.compensator(i, times) for i, times in enumerate(model.events)]


def rescaled_intervals(events, baseline, adjacency, kernel, parameters, *, length, end_time):
    """Increments of the compensator from event to event: unit exponentials under the true model.

    Parameters
    ----------
    events, baseline, adjacency, kernel, parameters, length, end_time
        As in `compensator`.

    Returns
    -------
    intervals : list of ndarray, each of shape (n_events_i,)
        The first is counted from time 0; what follows the last event is left out.

    See Also
    --------
    scipy.stats.kstest : ``kstest(intervals[i], "expon")`` tests process i.
    """
    found = compensator(
        events, baseline, adjacency, kernel, parameters, length=length, end_time=end_time
    )
    return [np.diff(values, prepend=0.0) for values in found]


class _Model:
    """Checked arguments, and sums over the events of all senders, weighted by marks if given."""

    def __init__(self, events, baseline, adjacency, kernel, parameters, length, marks=None):
        events = as_arrays(events)
        self.events = [check_sorted(x, name=f"events[{j}]") for j, x in enumerate(events)]
        self.marks = marks
        self.n_processes = n = len(self.events)
        check_numbers(baseline, "baseline")
        check_numbers(adjacency, "adjacency")
        self.baseline = np.asarray(baseline, dtype=float)
        self.adjacency = np.asarray(adjacency, dtype=float)
        if self.baseline.shape != (n,) or self.adjacency.shape != (n, n):
            raise ValueError(
                f"events hold {n} process(es); baseline must have shape ({n},) and adjacency "
                f"({n}, {n}), got {self.baseline.shape} and {self.adjacency.shape}."
            )
        validation.array(self.baseline, "baseline", at_least=0, unit="Hz", empty=True)
        validation.array(self.adjacency, "adjacency", at_least=0, empty=True)
        validation.number(length, "length", above=0, unit="s")
        self.kernel, self.length = kernel, length
        self.parameters = broadcast_parameters(kernel, parameters, n, n)
        for i, j in np.argwhere(self.adjacency > 0).tolist():
            part, values = kernel_of_pair(kernel, self.parameters, i, j)
            if hasattr(part, "check_mass"):
                part.check_mass(values, length=self.length)

    def intensity(self, i, times):
        return self._sum(i, times, self.baseline[i], cumulative=False)

    def compensator(self, i, times):
        return self._sum(i, times, self.baseline[i] * times, cumulative=True)

    def _sum(self, i, times, spontaneous, *, cumulative):
        order = np.argsort(times, kind="stable")
        ordered = times[order]
        total = np.zeros(len(times))
        for j in np.flatnonzero(self.adjacency[i]):
            total += self.adjacency[i, j] * self._sum_pair(i, j, ordered, cumulative)
        found = np.empty(len(times))
        found[order] = total
        return spontaneous + found

    def _sum_pair(self, i, j, times, cumulative):
        kernel, parameters = kernel_of_pair(self.kernel, self.parameters, i, j)
        of_lag = kernel.integral if cumulative else kernel.value
        sources = self.events[j]
        total = np.zeros(len(times))
        for source, target in iter_pairs(sources, times, longest=self.length):
            values = of_lag(times[target] - sources[source], parameters, length=self.length)
            if self.marks is not None:
                values = self.marks[j][source] * values
            first, last = target[0], target[-1] + 1
            total[first:last] = np.bincount(target - first, values, minlength=last - first)
        if cumulative:
            # Sources that `iter_pairs` leaves out because they are too old.
            spent = np.searchsorted(sources, times - self.length, side="left")
            if self.marks is not None:
                spent = np.concatenate([[0.0], np.cumsum(self.marks[j])])[spent]
            total += spent
        return total


def _check_query(times):
    return validation.vector(times, "times", unit="s", empty=True)
