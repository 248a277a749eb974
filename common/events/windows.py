"""Windows over a continuous recording, and what a network should answer in each of them.

A window of length W starting at s sees ``[s, s + W]``. An event that crosses an edge of a window is
either cut there (``"clip"``) or no target of that window (``"inside"``). Nothing disappears
unnoticed: `targets` counts what it drops, `coverage` counts what no window holds.
"""

from dataclasses import dataclass

import numpy as np

from common import validation
from common.events.sets import Events

__all__ = ["Coverage", "coverage", "pad_targets", "targets", "window_starts"]

# Edges closer than this (s) are the same edge: far below a sample, far above rounding errors.
_SAME = 1e-6


def window_starts(duration, window, *, stride):
    """Starts of windows that together cover a whole recording.

    Windows start every ``stride``. When the last of them would leave a remainder uncovered, one
    more is added which ends with the recording (it overlaps its predecessor by more than usual). A
    recording shorter than one window gets a single window at 0, to be padded by the caller.

    Parameters
    ----------
    duration, window : float or int
        Length of the recording and of a window, in s; or all three in samples, as integers.
    stride : float or int
        Step between windows, at most ``window``.

    Returns
    -------
    starts : ndarray, shape (n_windows,)
        Increasing. Integers when all arguments are integers.

    Raises
    ------
    ValueError
        If a length is not positive or the stride leaves gaps.

    Examples
    --------
    >>> window_starts(20.0, 8.0, stride=8.0)
    array([ 0.,  8., 12.])
    """
    for name, value in (("duration", duration), ("window", window), ("stride", stride)):
        validation.number(value, name, above=0)
    if stride > window:
        raise ValueError(
            f"stride={stride:g} exceeds window={window:g}: what lies between windows is never seen."
        )
    rest = duration - window
    if rest <= 0:
        return np.zeros(1, dtype=np.result_type(type(duration), type(window), type(stride)))
    starts = np.arange(int(rest / stride + 1e-9) + 1) * stride
    if rest - starts[-1] > _SAME:
        starts = np.append(starts, rest)
    return starts


def targets(events, start, *, window, policy="clip", minimum=0.0):
    """Events of one window, in the window's own time.

    Parameters
    ----------
    events : Events
        Of the recording, in s.
    start : float
        Start of the window, in s.
    window : float
        Length of the window, in s.
    policy : {"clip", "inside"}, default="clip"
        ``"clip"`` cuts events at the window's edges and keeps the fragments. ``"inside"`` keeps
        only events that lie wholly in the window, as the DANCE release does [1]_.
    minimum : float, default=0.0
        Fragments shorter than this, in s, are dropped. Whole events are never dropped.

    Returns
    -------
    inside : Events
        Times in s from the start of the window, within ``[0, window]``.
    n_dropped : int
        Events that share a stretch with the window but are not in ``inside``.

    Raises
    ------
    ValueError
        If the policy is unknown, a time is not finite, the window has no length, or ``minimum`` is
        negative.

    References
    ----------
    .. [1] https://github.com/facebookresearch/dance, first public release.
    """
    validation.choice(policy, ("clip", "inside"), "policy")
    start = validation.number(start, "start", unit="s")
    window = validation.number(window, "window", above=0, unit="s")
    minimum = validation.number(minimum, "minimum", at_least=0, unit="s")
    stop = start + window
    # Only events near the window: a recording may hold thousands.
    near = events[(events.end >= start - _SAME) & (events.start <= stop + _SAME)]
    whole = (near.start >= start - _SAME) & (near.end <= stop + _SAME)
    shared = np.minimum(near.end, stop) - np.maximum(near.start, start)
    kept = whole if policy == "inside" else whole | (shared >= max(minimum, _SAME))
    overlapping = whole | (shared > _SAME)
    inside = Events(
        np.clip(near.start[kept] - start, 0.0, window),
        np.clip(near.end[kept] - start, 0.0, window),
        near.label[kept],
        None if near.confidence is None else near.confidence[kept],
    )
    return inside, int(np.sum(overlapping & ~kept))


@dataclass(frozen=True)
class Coverage:
    """How the events of a recording fare under a choice of windows.

    Attributes
    ----------
    whole, fragmented, lost : ndarray of bool, shape (n_events,)
        Whole in at least one window; only cut, with a long enough fragment in some window; neither.
    """

    whole: np.ndarray
    fragmented: np.ndarray
    lost: np.ndarray

    @property
    def counts(self):
        """dict of str to int: number of events in each of the three states."""
        return {name: int(getattr(self, name).sum()) for name in ("whole", "fragmented", "lost")}


def coverage(events, starts, *, window, minimum=0.0):
    """Which events some window holds whole, which are only cut, which are lost.

    Parameters
    ----------
    events : Events
        Of one recording, in s.
    starts : array_like, shape (n_windows,)
        Starts of the windows, in s.
    window : float
        Length of every window, in s.
    minimum : float, default=0.0
        Shortest fragment that counts, in s, as in `targets`.

    Returns
    -------
    coverage : Coverage
        With ``policy="inside"``, fragmented events are no target of any window.

    Raises
    ------
    ValueError
        If a start is not finite, the window has no length, or ``minimum`` is negative.
    """
    starts = np.sort(validation.vector(starts, "starts", unit="s", empty=True))
    window = validation.number(window, "window", above=0, unit="s")
    minimum = validation.number(minimum, "minimum", at_least=0, unit="s")
    if starts.size == 0:
        none = np.zeros(len(events), dtype=bool)
        return Coverage(none, none, ~none)
    # As a function of the window's start, the shared length rises, is flat between these two
    # values, and falls: the best window is a neighbour of the flat part, or in it.
    low = np.minimum(events.start, events.end - window)
    high = np.maximum(events.start, events.end - window)
    before = np.searchsorted(starts, high + _SAME, side="right") - 1
    after = np.searchsorted(starts, low - _SAME, side="left")
    whole = np.zeros(len(events), dtype=bool)
    longest = np.zeros(len(events))
    for index in (before, after):
        s = starts[np.clip(index, 0, starts.size - 1)]
        whole |= (s <= events.start + _SAME) & (events.end <= s + window + _SAME)
        longest = np.maximum(
            longest, np.minimum(events.end, s + window) - np.maximum(events.start, s)
        )
    fragmented = ~whole & (longest >= max(minimum, _SAME))
    return Coverage(whole, fragmented, ~whole & ~fragmented)


def pad_targets(windows, *, window, n_queries, max_events=None):
    """Targets of a batch of windows as arrays of one shape, for a set criterion.

    Parameters
    ----------
    windows : sequence of Events
        One set per window, in s from its start, as `targets` returns them.
    window : float
        Length of the windows, in s.
    n_queries : int
        Number of events that the network can answer with.
    max_events : int, optional
        Second axis of the result. By default the largest number of events in the batch.

    Returns
    -------
    targets : dict of str to ndarray, each of shape (n_windows, max_events)
        ``start`` and ``end`` as fractions of the window, float32; ``class``, int64, 0 where there
        is no event.

    Raises
    ------
    ValueError
        If a window has more events than ``n_queries`` or ``max_events``, or events outside it, or
        has no length; or if a number of events is less than 1.
    """
    window = validation.number(window, "window", above=0, unit="s")
    n_queries = validation.count(n_queries, "n_queries")
    if max_events is not None:
        max_events = validation.count(max_events, "max_events")
    counts = [len(events) for events in windows]
    largest = max(counts, default=0)
    if largest > n_queries:
        raise ValueError(
            f"window {counts.index(largest)} of the batch has {largest} events but the network "
            f"has n_queries={n_queries}. Raise n_queries to at least {largest} or shorten the "
            "window."
        )
    max_events = max(largest, 1) if max_events is None else max_events
    if largest > max_events:
        raise ValueError(
            f"window {counts.index(largest)} of the batch has {largest} events, more than "
            f"max_events={max_events}."
        )
    start, end = np.zeros((2, len(counts), max_events), dtype=np.float32)
    label = np.zeros((len(counts), max_events), dtype=np.int64)
    for i, events in enumerate(windows):
        _check_inside(events, window, i)
        start[i, : len(events)] = events.start / window
        end[i, : len(events)] = events.end / window
        label[i, : len(events)] = events.label
    return {"start": start, "end": end, "class": label}


def _check_inside(events, window, index):
    if len(events) and (events.start.min() < -_SAME or events.end.max() > window + _SAME):
        raise ValueError(
            f"window {index} of the batch has events in [{events.start.min():g}, "
            f"{events.end.max():g}] s, outside [0, {window:g}] s. "
            "Cut them and subtract the window's start: targets(events, start, window=…)."
        )
