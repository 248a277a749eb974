"""Pairs: which events lie within a lag of each other, and which kernel joins two processes."""

import warnings
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from common.hawkes.inputs import check_numbers
from common.workflow import memory

__all__ = [
    "LaggedCounts",
    "broadcast_parameters",
    "check_memory",
    "check_record",
    "check_sorted",
    "iter_pairs",
    "kernel_of_pair",
    "lagged_counts",
]

_MOST_PAIRS = 2**20  # of one chunk: 8 MiB an array
_BY_CHANCE = 1e-6  # probability below which an empty part of a record is no chance
_SMALL = 0.1  # of a record: a part that may be empty without a word
_YEARS = 1e8  # s: three years, the beginning of no record
_FEWEST_WHOLE = 20  # times that are all whole numbers by chance, in s to the ms, in no record
_FEWEST_PAIRS = 0.01  # within the support of the kernels, for each event
_PAIR_BYTES = 40  # of a pair of events, with the copies on the way to a sparse matrix


def iter_pairs(sources, targets, *, longest, shortest=None, most_pairs=_MOST_PAIRS):
    """Pairs of a source and a target that follows it closely, in chunks of bounded memory.

    Two binary searches bound the sources of each target, so the cost grows with the number of
    targets and of pairs, not with their product.

    Parameters
    ----------
    sources, targets : ndarray, shape (n_sources,) and (n_targets,)
        Sorted times, in s, or sorted points of a grid.
    longest : float or int
        Longest lag from source to target, included.
    shortest : float or int, optional
        Shortest lag, included. By default lags are positive: a source at the very time of its
        target does not count.
    most_pairs : int, default=2**20
        Pairs of a chunk, unless one target alone has more.

    Yields
    ------
    source, target : ndarray of int, each of shape (n_pairs,)
        Indices of the two events of each pair; every target is in one chunk only.

    Examples
    --------
    >>> source, target = next(iter_pairs(np.array([0, 2]), np.array([1, 2, 3]), longest=2))
    >>> [(int(s), int(t)) for s, t in zip(source, target)]
    [(0, 0), (0, 1), (1, 2)]
    """
    first = np.searchsorted(sources, targets - longest, side="left")
    if shortest is None:
        last = np.searchsorted(sources, targets, side="left")
    else:
        last = np.searchsorted(sources, targets - shortest, side="right")
    counts = np.maximum(last - first, 0)
    below = np.concatenate([[0], np.cumsum(counts)])
    start = 0
    while start < len(targets):
        stop = np.searchsorted(below, below[start] + most_pairs, side="right") - 1
        stop = min(max(stop, start + 1), len(targets))
        part = slice(start, stop)
        target = np.repeat(np.arange(start, stop), counts[part])
        # Position within the target's own run of sources, counted from its first source.
        offset = first[part] - (below[start:stop] - below[start])
        source = np.arange(len(target)) + np.repeat(offset, counts[part])
        if len(target):
            yield source, target
        start = stop


@dataclass(frozen=True)
class LaggedCounts:
    r"""What surrounds each event on a grid: all that a discretised log-likelihood needs.

    Attributes
    ----------
    before : tuple of scipy.sparse.csr_array, each of shape (n_occupied_i, n_processes * n_lags)
        Row s, column ``j * n_lags + tau - 1``: events of process j, tau steps before occupied
        point s of process i.
    counts : tuple of ndarray, each of shape (n_occupied_i,)
        Events on each occupied point.
    after : ndarray, shape (n_processes, n_lags)
        Events of each process that have a grid point ``1, ..., n_lags`` steps later.
    duration : float
        Number of grid points times the grid step, in s.
    delta : float
        Grid step, in s.
    """

    before: tuple[scipy.sparse.csr_array, ...]
    counts: tuple[np.ndarray, ...]
    after: np.ndarray
    duration: float
    delta: float

    @property
    def n_processes(self):
        """Number of processes."""
        return len(self.counts)

    @property
    def n_events(self):
        """Number of events of each process, ndarray of shape (n_processes,)."""
        return np.array([counts.sum() for counts in self.counts])


def lagged_counts(binned, n_lags):
    """Pairs of events on a grid by receiving event and lag.

    Unlike `common.hawkes.statistics`, the size grows with the number of pairs of events.

    Parameters
    ----------
    binned : BinnedEvents
    n_lags : int
        Longest lag, in grid steps; the shortest is 1.

    Returns
    -------
    lagged : LaggedCounts

    Examples
    --------
    >>> from common.hawkes.grid import bin_events
    >>> lagged = lagged_counts(bin_events([[0.1, 0.3, 0.3, 0.4]], end_time=1.0, delta=0.1), 3)
    >>> lagged.before[0].toarray().astype(int).tolist()
    [[0, 0, 0], [0, 1, 0], [2, 0, 1]]
    """
    n_pairs = sum(
        int((np.searchsorted(z, z_i) - np.searchsorted(z, z_i - n_lags)).sum())
        for z_i in binned.bins
        for z in binned.bins
    )
    check_memory(
        _PAIR_BYTES * n_pairs,
        what=f"keeping {n_pairs:,} pairs of events within {n_lags * binned.delta:g} s",
        fix="Shorten the kernels or the record, or fit by least squares.",
    )
    before = []
    for receivers in binned.bins:
        parts = [_count_before(receivers, *each, n_lags) for each in _senders(binned)]
        before.append(scipy.sparse.hstack(parts, format="csr"))
    after = np.stack([_count_after(*each, binned.n_grid, n_lags) for each in _senders(binned)])
    counts = tuple(counts.astype(float) for counts in binned.counts)
    return LaggedCounts(tuple(before), counts, after, binned.n_grid * binned.delta, binned.delta)


def check_sorted(times, *, name, end_time=None):
    """Times as an array of float, or a ValueError that names the first bad one.

    Parameters
    ----------
    times : array_like, shape (n_times,)
        In s.
    name : str
        What the message calls them.
    end_time : float, optional
        If given, times must lie within ``[0, end_time]``.

    Returns
    -------
    times : ndarray, shape (n_times,)

    Raises
    ------
    TypeError
        If they are no real numbers.
    ValueError
        If there is more than one axis, or a time is not finite or masked, is before the one before
        it, or is outside the record.
    """
    check_numbers(times, name)
    times = np.asarray(times, dtype=float)
    if times.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {times.shape}.")
    bad = np.flatnonzero(~np.isfinite(times))
    if len(bad):
        raise ValueError(
            f"{name}[{bad[0]}] is {times[bad[0]]} ({len(bad)} of {len(times)} times are not "
            "finite). Drop them first."
        )
    drops = np.flatnonzero(times[1:] < times[:-1]) + 1
    if len(drops):
        at = drops[0]
        raise ValueError(
            f"{name} must be sorted, but {name}[{at}] = {times[at]:g} s follows "
            f"{times[at - 1]:g} s. Use numpy.sort."
        )
    if end_time is not None and len(times) and not (times[0] >= 0 and times[-1] <= end_time):
        raise ValueError(
            f"{name} spans [{times[0]:g}, {times[-1]:g}] s, outside the record "
            f"[0, {end_time:g}] s. Are the times in samples? Divide by sfreq."
        )
    return times


def check_record(events, *, end_time, kernel_length=None, delta=None):
    """Refuse a record that does not begin at 0, and say what in its times looks like another unit.

    Rates are counts over ``end_time``: were times in s since 1970, they would all be about 0, and
    everything would happen in one moment. A time without events, before the first or after the
    last of all processes, is measured against what chance leaves empty at a constant rate.

    Parameters
    ----------
    events : sequence of ndarray, each of shape (n_events_i,)
        Sorted times of all processes and drivers, in s.
    end_time : float
        In s.
    kernel_length, delta : float, optional
        Support of the kernels and step of the grid, in s, if they are known.

    Raises
    ------
    ValueError
        If more than half of the record, and not by chance, or years pass before its first event.

    Warns
    -----
    UserWarning
        If more than a tenth of the record is empty before the first or after the last event, and
        not by chance; if all times are whole numbers; or if hardly any two events lie within the
        support of the kernels.
    """
    events = [times for times in events if len(times)]
    n_events = sum(map(len, events))
    if not n_events:
        return
    first, last = min(times[0] for times in events), max(times[-1] for times in events)
    with np.errstate(divide="ignore"):
        empty = np.log1p(-np.clip([first, end_time - last], 0, end_time) / end_time)
    # One event has to be the first and the last one, wherever it is.
    before, after = empty * (n_events - 1) if n_events > 1 else (0.0, 0.0)
    if first > _YEARS or (before < np.log(_BY_CHANCE) and first > _SMALL * end_time):
        said = (
            f"the record lasts from 0 to end_time={end_time:.12g} s, but the first of its "
            f"{n_events} events is at {first:.12g} s. If it begins later than at 0 s, subtract its "
            "beginning from all times and from end_time; if the times are not in s, convert them."
        )
        if first > min(0.5 * end_time, _YEARS):
            raise ValueError(said)
        warnings.warn(said, stacklevel=4)
    if after < np.log(_BY_CHANCE) and end_time - last > _SMALL * end_time:
        warnings.warn(
            f"the record lasts from 0 to end_time={end_time:.12g} s, but the last of its "
            f"{n_events} events is at {last:.12g} s. Are the times and end_time in one unit, s?",
            stacklevel=4,
        )
    finer = delta is None or delta < 0.5
    if finer and n_events >= _FEWEST_WHOLE and all(np.all(x == np.rint(x)) for x in events):
        warnings.warn(
            f"all {n_events} event times are whole numbers, up to {last:.12g} s. Are they in "
            "samples, ms or ns? Convert them to s: divide by sfreq, 1000 or 1e9.",
            stacklevel=4,
        )
    if kernel_length is not None and n_events >= _FEWEST_WHOLE:
        every = np.sort(np.concatenate(events))
        later = np.searchsorted(every, every + kernel_length, side="right")
        n_pairs = int(np.sum(later - np.arange(1, n_events + 1)))
        if n_pairs < _FEWEST_PAIRS * n_events:
            warnings.warn(
                f"{n_events} events in {end_time:.12g} s are so rare that {n_pairs} pairs of them "
                f"lie within kernel_length={kernel_length:g} s, too few to see a kernel. Are the "
                "times in ms or ns? Convert them to s.",
                stacklevel=4,
            )


def check_memory(n_bytes, *, what, fix):
    """Raise a ValueError, before memory is asked for that this process may not have.

    The limit is that of `common.workflow.memory.limit`: a container's or a batch job's, too.

    Parameters
    ----------
    n_bytes : float
    what, fix : str
        What needs them, and what to do about it: for the message.

    Raises
    ------
    ValueError
        If there is less; the message gives both amounts and the fix.
    """
    found = memory.limit()
    if found is not None and n_bytes > 1e6 * found[0]:
        raise ValueError(
            f"{what} needs {n_bytes / 1e9:,.1f} GB of memory, {found[1]} has "
            f"{found[0] / 1e3:,.1f} GB. {fix}"
        )


def broadcast_parameters(kernel, parameters, n_rows, n_columns):
    """Check kernels and parameters of all pairs of processes against each other.

    Parameters
    ----------
    kernel : Kernel or nested sequence of Kernel, shape (n_rows, n_columns)
    parameters : array_like
        Of one kernel: shape ``(n_parameters, n_rows, n_columns)``, or ``(n_parameters,)`` if all
        pairs share them. Of nested kernels: ``parameters[i][j]``, in the same nesting.
    n_rows, n_columns : int
        Receiving and sending processes.

    Returns
    -------
    parameters : ndarray or nested sequence
        For `kernel_of_pair`.

    Raises
    ------
    TypeError
        If parameters are no real numbers.
    ValueError
        If a shape does not fit, or parameters describe no density (`Kernel.check`) or are masked.
    """
    if _is_nested(kernel):
        for name, nested in (("kernel", kernel), ("parameters", parameters)):
            shape = [len(row) for row in nested]
            if shape != [n_columns] * n_rows:
                raise ValueError(
                    f"{name} must have {n_rows} rows of {n_columns}, one entry for each pair of "
                    f"processes, got rows of lengths {shape}."
                )
        for row, values in zip(kernel, parameters, strict=True):
            for one, value in zip(row, values, strict=True):
                _check_density(one, value)
        return parameters
    if parameters is None:  # a kernel of one's own may have none
        return None
    check_numbers(parameters, "parameters")
    found = np.asarray(parameters, dtype=float)
    if found.ndim == 1:
        found = np.broadcast_to(found[:, None, None], (len(found), n_rows, n_columns))
    n_parameters = len(getattr(kernel, "names", found))
    if found.shape != (n_parameters, n_rows, n_columns):
        raise ValueError(
            f"parameters must have shape ({n_parameters}, {n_rows}, {n_columns}), or "
            f"({n_parameters},) if all pairs share them, got {np.shape(parameters)}."
        )
    _check_density(kernel, found)
    return found


def kernel_of_pair(kernel, parameters, i, j):
    """Kernel that leads from process j to process i, and its parameters.

    Parameters
    ----------
    kernel : Kernel or nested sequence of Kernel
        One for all pairs, or ``kernel[i][j]``.
    parameters : array_like, shape (n_parameters, n_processes, n_processes), or None
        ``parameters[i][j]`` where kernels are nested.
    i, j : int

    Returns
    -------
    kernel : Kernel
    parameters : array_like, shape (n_parameters,), or None
    """
    if _is_nested(kernel):
        return kernel[i][j], parameters[i][j]
    return kernel, None if parameters is None else parameters[:, i, j]


def _check_density(kernel, parameters):
    """Have a kernel check its parameters; an object that can only `sample` has no such check."""
    if hasattr(kernel, "check"):
        kernel.check(parameters)


def _senders(binned):
    return zip(binned.bins, binned.counts, strict=True)


def _count_before(receivers, senders, counts, n_lags):
    rows, columns, data = [], [], []
    for source, target in iter_pairs(senders, receivers, longest=n_lags):
        rows.append(target.astype(np.int32))
        columns.append((receivers[target] - senders[source] - 1).astype(np.int32))
        data.append(counts[source].astype(float))
    shape = len(receivers), n_lags
    if not rows:
        return scipy.sparse.csr_array(shape)
    index = np.concatenate(rows), np.concatenate(columns)
    return scipy.sparse.csr_array((np.concatenate(data), index), shape=shape)


def _count_after(senders, counts, n_grid, n_lags):
    below = np.concatenate([[0.0], np.cumsum(counts)])
    return below[np.searchsorted(senders, n_grid - np.arange(1, n_lags + 1), side="left")]


def _is_nested(kernel):
    return isinstance(kernel, list | tuple | np.ndarray)
