"""Events of several processes on a regular time grid, kept sparse: occupied bins and counts."""

from dataclasses import dataclass

import numpy as np
import scipy.signal

from common import validation
from common.hawkes.inputs import as_arrays
from common.hawkes.kernels import grid_lags
from common.hawkes.pairs import check_memory, check_record

__all__ = ["BinnedEvents", "bin_events", "check_delta", "grid_intensity"]

_FEWEST_LAGS = 5
_MOST_LAGS = 10**7


@dataclass(frozen=True)
class BinnedEvents:
    """Event counts on the grid points ``0, delta, ..., (n_grid - 1) delta``.

    Attributes
    ----------
    bins : tuple of ndarray of int64, each of shape (n_occupied_i,)
        Grid points of each process that hold an event, strictly increasing.
    counts : tuple of ndarray of int64, each of shape (n_occupied_i,)
        Events of each such point.
    n_grid : int
    delta : float
        Grid step, in s.
    """

    bins: tuple[np.ndarray, ...]
    counts: tuple[np.ndarray, ...]
    n_grid: int
    delta: float

    @property
    def n_processes(self):
        """Number of processes."""
        return len(self.bins)

    @property
    def n_events(self):
        """Number of events of each process, ndarray of shape (n_processes,)."""
        return np.array([counts.sum() for counts in self.counts], dtype=np.int64)

    def dense(self):
        """Counts on every grid point, shape (n_processes, n_grid): small grids only.

        Raises
        ------
        ValueError
            If they need more memory than the machine has.
        """
        _check_grid(self)
        z = np.zeros((self.n_processes, self.n_grid))
        for i, (bins, counts) in enumerate(zip(self.bins, self.counts, strict=True)):
            z[i, bins] = counts
        return z


def bin_events(events, *, end_time, delta, kernel_length=None, allow_empty=False):
    """Round event times to the nearest point of a grid.

    Parameters
    ----------
    events : sequence of array_like, each of shape (n_events_i,)
        Sorted event times of each process, in s, within ``[0, end_time]``. Equal times are
        separate events. Or what `common.hawkes.inputs.as_arrays` reads: a table, annotations.
    end_time : float
        End of the recording, in s. It need not be a multiple of ``delta``: the grid has
        ``round(end_time / delta) + 1`` points.
    delta : float
        Grid step, in s.
    kernel_length : float, optional
        Support of the kernels that will be fitted, in s, to check the step and the record against.
    allow_empty : bool, default=False
        Whether a process may have no event.

    Returns
    -------
    binned : BinnedEvents

    Raises
    ------
    ValueError
        If times are unsorted, negative, not finite, beyond ``end_time`` or not in one array a
        process, if a process is empty, if ``delta`` or ``kernel_length`` does not fit, or if the
        record does not begin at 0 (`common.hawkes.pairs.check_record`, which also warns).

    Examples
    --------
    >>> binned = bin_events([[0.1, 0.34, 0.36], [0.9]], end_time=1.0, delta=0.1)
    >>> binned.dense().astype(int).tolist()
    [[0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]]
    """
    if not (np.isfinite(end_time) and end_time > 0):
        raise ValueError(f"end_time must be positive and finite, got {end_time} s.")
    if not (np.isfinite(delta) and 0 < delta <= end_time):
        raise ValueError(
            f"delta must be positive and at most end_time={end_time:g} s, got {delta} s."
        )
    if kernel_length is not None:
        check_delta(delta, kernel_length=kernel_length, end_time=end_time)
    events = _as_arrays(events)
    for process, times in enumerate(events):
        _check_times(times, process, end_time, allow_empty)
    check_record(events, end_time=end_time, kernel_length=kernel_length, delta=delta)
    if end_time / delta > 2**53:
        raise ValueError(
            f"end_time={end_time:g} s holds {end_time / delta:g} steps of delta={delta:g} s, more "
            "than there are whole numbers. Is one of them in another unit?"
        )
    n_grid = round(end_time / delta) + 1
    bins, counts = [], []
    for times in events:
        points = np.rint(times / delta).astype(np.int64)  # n_grid is rounded in the same way
        first = np.flatnonzero(np.diff(points, prepend=-1))
        bins.append(points[first])
        counts.append(np.diff(first, append=len(points)))
    return BinnedEvents(tuple(bins), tuple(counts), n_grid, float(delta))


def grid_intensity(binned, baseline, kernels):
    r"""Intensity on the grid, :math:`\mu_i + \sum_j \sum_\tau \phi_{ij}[\tau] z_j[s - \tau]`.

    Parameters
    ----------
    binned : BinnedEvents
    baseline : array_like, shape (n_processes,)
        In Hz.
    kernels : array_like, shape (n_processes, n_processes, n_lags)
        On the lags ``delta, 2 * delta, ...``, in Hz.

    Returns
    -------
    intensity : ndarray, shape (n_processes, n_grid)
        In Hz. It is linear in baseline and kernels: their errors give its error.

    Raises
    ------
    ValueError
        If it needs more memory than the machine has, shapes do not fit, or a value is not finite.
    """
    _check_grid(binned)
    baseline = validation.vector(baseline, "baseline", unit="Hz")
    kernels = validation.array(kernels, "kernels", ndim=3, unit="Hz")
    n = binned.n_processes
    if baseline.shape != (n,) or kernels.shape[:2] != (n, n):
        raise ValueError(
            f"baseline must have shape ({n},) and kernels ({n}, {n}, n_lags), got "
            f"{baseline.shape} and {kernels.shape}."
        )
    intensity = np.tile(baseline.astype(float)[:, None], binned.n_grid)
    n_after = binned.n_grid - 1
    for z, column in zip(binned.dense(), kernels.swapaxes(0, 1), strict=True):
        response = scipy.signal.oaconvolve(z[None, :-1], column, axes=-1)
        intensity[:, 1:] += response[:, :n_after]
    return intensity


def check_delta(delta, *, kernel_length, end_time=np.inf):
    """Raise a ValueError unless the step resolves the kernel and the kernel fits the record.

    Parameters
    ----------
    delta : float
        Grid step, in s.
    kernel_length : float
        Support of the kernels, in s; at least five grid steps.
    end_time : float, default=inf
        End of the recording, in s.

    Raises
    ------
    ValueError
        If either is not positive and finite, the kernel is longer than the record, or has fewer
        than five lags or too many.
    """
    if not (np.isfinite(kernel_length) and kernel_length > 0):
        raise ValueError(f"kernel_length must be positive and finite, got {kernel_length} s.")
    if kernel_length > end_time:
        raise ValueError(
            f"kernel_length={kernel_length:g} s exceeds the record, end_time={end_time:g} s. "
            "Shorten the support or use a longer record."
        )
    if not (np.isfinite(delta) and delta > 0):
        raise ValueError(f"delta must be positive and finite, got {delta} s.")
    if kernel_length / delta > _MOST_LAGS:
        raise ValueError(
            f"delta={delta:g} s cuts kernel_length={kernel_length:g} s into "
            f"{kernel_length / delta:,.0f} lags, more than {_MOST_LAGS:,}. Are both in s? Use "
            "delta of about a hundredth of kernel_length."
        )
    n_lags = len(grid_lags(kernel_length, delta=delta))
    if n_lags < _FEWEST_LAGS:
        raise ValueError(
            f"delta={delta:g} s is too coarse for kernel_length={kernel_length:g} s: "
            f"{n_lags} lag(s) cannot show a kernel's shape. Use delta <= "
            f"{kernel_length / _FEWEST_LAGS:g} s, better a hundredth of kernel_length."
        )


def _check_grid(binned):
    # The counts, the intensity and the response that is added to it.
    check_memory(
        4 * 8 * binned.n_processes * binned.n_grid,
        what=(
            f"a value on each of {binned.n_grid:,} grid points, every {binned.delta:g} s, of "
            f"{binned.n_processes} process(es)"
        ),
        fix=(
            "Use a shorter record or a larger delta, or ask for the intensity at some times only: "
            "common.hawkes.residuals.intensity_at."
        ),
    )


def _as_arrays(events):
    events = as_arrays(events)
    if isinstance(events, np.ndarray) and events.ndim == 1 and events.dtype != object:
        raise ValueError(
            f"events must be a sequence with one array of times a process, got one array of shape "
            f"{events.shape}. For a single process, pass [events]."
        )
    arrays = [np.asarray(times, dtype=float) for times in events]
    if not arrays:
        raise ValueError("events holds no process; pass one array of times a process.")
    for process, times in enumerate(arrays):
        if times.ndim != 1:
            hint = " For a single process, pass [events]." if times.ndim == 0 else ""
            raise ValueError(
                f"events[{process}] must be one-dimensional, got shape {times.shape}.{hint}"
            )
    return arrays


def _check_times(times, process, end_time, allow_empty):
    if len(times) == 0:
        if allow_empty:
            return
        raise ValueError(
            f"process {process} has no event; its parameters cannot be estimated. Leave it out."
        )
    bad = np.flatnonzero(~np.isfinite(times))
    if len(bad):
        raise ValueError(
            f"events[{process}][{bad[0]}] is {times[bad[0]]} ({len(bad)} of {len(times)} times of "
            f"process {process} are not finite). Drop them first."
        )
    drops = np.flatnonzero(times[1:] < times[:-1]) + 1
    if len(drops):
        at = drops[0]
        raise ValueError(
            f"events of process {process} are not sorted: event {at} at {times[at]:g} s follows "
            f"{times[at - 1]:g} s. Sort them with numpy.sort."
        )
    if times[0] < 0:
        raise ValueError(
            f"events[{process}][0] is {times[0]:g} s, before the record. Subtract its start time."
        )
    if times[-1] > end_time:
        raise ValueError(
            f"events[{process}][{len(times) - 1}] is {times[-1]:g} s, beyond end_time="
            f"{end_time:g} s. Are the times in samples? Divide by sfreq."
        )
