r"""Detections of overlapping windows as one set of events for the whole recording.

Two windows of length W that start at :math:`s_1 < s_2` share the stretch
:math:`[s_2, s_1 + W]`. Detections of one class, one from each window, describe the same event when
their parts inside the shared stretch have an intersection over union of at least one half. Where
windows only touch, two detections describe the same event when both reach the common edge.

Detections that describe the same event form a group, and each group becomes one event. Two
detections of one window are different events by definition, so they never end up in one group, not
even through a third detection that resembles both: links are followed from the highest IoU down
(ties: higher confidence, then earlier; contacts at a common edge come last), and a link that would
put two detections of one window together is ignored. So two events that meet exactly where one
window ends and the next begins stay two as soon as some other window sees them both.
"""

import numpy as np

from common import validation
from common.events.sets import Events, concatenate, time_order

__all__ = ["merge_windows"]


def merge_windows(
    detections,
    starts,
    *,
    window,
    iou_threshold=0.5,
    edge=None,
    minimum_agreement=0.0,
    exclusive=False,
):
    """Merge the detections of overlapping windows of one recording.

    The merged event takes its start from the most confident member whose start was not cut, that
    is, does not lie at the edge of its window. Only members whose windows reach back to the
    group's earliest start are asked: the others see the event from its middle. If all of those are
    cut, the earliest start stands. Ends are found in the same way. Its confidence is that of the
    most confident member.

    A detection that other windows could have made but did not is kept by default: merging then
    loses no event that some window found. See ``minimum_agreement`` to be stricter.

    Parameters
    ----------
    detections : sequence of Events, of length n_windows
        Detections of each window, with confidence, in s of the recording.
    starts : array_like, shape (n_windows,)
        Start of each window, in s.
    window : float
        Length of the windows, in s.
    iou_threshold : float, default=0.5
        Least IoU in the shared stretch for two detections to describe the same event.
    edge : float, optional
        A boundary this close to its window's edge, in s, is cut by it. By default 2 % of the
        window, as a network does not put a cut event exactly on the edge.
    minimum_agreement : float, default=0.0
        Of the windows that hold a merged event whole, the least fraction which must have reported
        it; others are dropped. 0 keeps all, 1 asks for all. Events that no window holds whole are
        kept.
    exclusive : bool, default=False
        Whether events of one class cannot overlap, which is how experts annotate. If so, of two
        merged events of one class that share more than half of the shorter one, only the one which
        more windows reported stays (ties: higher confidence, then earlier).

    Returns
    -------
    events : Events
        With confidence, in s of the recording.

    Raises
    ------
    ValueError
        If the numbers of windows differ, a set has no confidence, a detection lies outside its
        window, or a time, fraction or threshold is NaN or out of range.

    Notes
    -----
    Cutting events at the edges of windows (`common.events.windows.targets`, ``policy="clip"``) and
    merging the fragments gives back the events, provided that windows cover the recording, no
    fragment was dropped, events of one class do not overlap, and where windows only touch, no two
    events of a class lie within ``edge`` of the common edge on both sides.
    """
    window = validation.number(window, "window", above=0, unit="s")
    starts = validation.array(starts, "starts", unit="s", empty=True).astype(float, copy=False)
    edge = 0.02 * window if edge is None else validation.number(edge, "edge", at_least=0, unit="s")
    iou_threshold = validation.number(iou_threshold, "iou_threshold", above=0, at_most=1)
    minimum_agreement = validation.number(
        minimum_agreement, "minimum_agreement", at_least=0, at_most=1
    )
    _check(detections, starts, window)
    held = [k for k, found in enumerate(detections) if len(found)]
    if not held:
        return Events.empty(confidence=True)
    filled = [detections[k] for k in held]
    events = concatenate(filled)
    window_of = _window_of(filled)
    opening = starts[held][window_of]
    pairs = _candidates(events, window_of, edge)
    i, j, overlap = _links(events, opening, window, pairs, iou_threshold, edge)
    group = _groups(events, window_of, i, j, overlap)

    start = _boundary(events.start, opening, events.confidence, group, edge)
    # Ends are starts when time runs backwards.
    end = -_boundary(-events.end, -(opening + window), events.confidence, group, edge)
    n_groups = len(start)
    # Members that disagree wildly could cross: then the group has no extent left.
    end = np.maximum(start, end)
    confidence = np.zeros(n_groups)
    np.maximum.at(confidence, group, events.confidence)
    label = np.zeros(n_groups, dtype=int)
    label[group] = events.label
    kept = np.ones(n_groups, dtype=bool)
    if minimum_agreement > 0:
        agreement = _agreement(start, end, group, opening, np.sort(starts), window)
        kept = ~(agreement < minimum_agreement)  # nan, held whole by no window, is kept
    if exclusive:
        n_reported = np.bincount(group, minlength=n_groups)
        kept[kept] = _exclusive(
            start[kept], end[kept], label[kept], n_reported[kept], confidence[kept]
        )
    return Events(start[kept], end[kept], label[kept], confidence[kept])


def _check(detections, starts, window):
    if starts.shape != (len(detections),):
        raise ValueError(
            f"got detections of {len(detections)} windows but starts of shape {starts.shape}."
        )
    for i, (events, start) in enumerate(zip(detections, starts, strict=True)):
        if len(events) == 0:
            continue
        if events.confidence is None:
            raise ValueError(
                f"the {len(events)} detections of window {i} have no confidence. Without a "
                "ranking, give all the same: confidence=np.ones(n)."
            )
        low, high = events.start.min(), events.end.max()
        if low < start - 1e-6 or high > start + window + 1e-6:
            raise ValueError(
                f"window {i} is [{start:g}, {start + window:g}] s but has detections in "
                f"[{low:g}, {high:g}] s. Are they relative to the window? Shift them by its start."
            )


def _window_of(detections):
    """Index of the window of every event of ``concatenate(detections)``."""
    index = np.repeat(np.arange(len(detections)), [len(found) for found in detections])
    names = ("start", "end", "label", "confidence")
    return index[time_order(*(np.concatenate([getattr(d, n) for d in detections]) for n in names))]


def _candidates(events, window_of, edge):
    """Pairs (i, j) of one class, from different windows, that overlap or almost touch."""
    n = len(events)
    latest = np.searchsorted(events.start, events.end + 2 * edge, side="right")
    n_after = latest - np.arange(n) - 1
    i = np.repeat(np.arange(n), n_after)
    j = i + 1 + np.arange(len(i)) - np.repeat(np.cumsum(n_after) - n_after, n_after)
    kept = (events.label[i] == events.label[j]) & (window_of[i] != window_of[j])
    return i[kept], j[kept]


def _links(events, opening, window, pairs, iou_threshold, edge):
    """Pairs that describe the same event, with their IoU in the shared stretch (contact: 0)."""
    i, j = pairs
    left = np.maximum(opening[i], opening[j])
    right = np.minimum(opening[i], opening[j]) + window
    start_i, start_j = np.maximum(events.start[i], left), np.maximum(events.start[j], left)
    end_i, end_j = np.minimum(events.end[i], right), np.minimum(events.end[j], right)
    shared = np.maximum(np.minimum(end_i, end_j) - np.maximum(start_i, start_j), 0)
    hull = np.maximum(end_i, end_j) - np.minimum(start_i, start_j)
    overlap = np.divide(shared, hull, out=np.zeros(len(i)), where=hull > 0)
    # A part of no length is a contact with the stretch, not a part in it.
    overlap[(end_i <= start_i) | (end_j <= start_j)] = 0.0

    point_i, point_j = events.duration[i] == 0, events.duration[j] == 0
    # Events without duration are the same when they are at the same time.
    overlap[point_i & point_j & (events.start[i] == events.start[j])] = 1.0

    # Windows that touch, or share next to nothing: what counts is who reaches the edge.
    touching = (right - left >= -1e-6) & (right - left <= edge)
    before = np.where(opening[i] < opening[j], i, j)
    after = np.where(opening[i] < opening[j], j, i)
    reach = (np.abs(events.end[before] - right) <= edge) & (
        np.abs(events.start[after] - left) <= edge
    )
    contact = touching & reach & ~point_i & ~point_j

    linked = contact | (overlap >= iou_threshold)
    return i[linked], j[linked], overlap[linked]


def _groups(events, window_of, i, j, overlap):
    """Group number of every event: connected by links, never two events of one window."""
    order = np.lexsort((j, i, -(events.confidence[i] + events.confidence[j]), -overlap))
    root = list(range(len(events)))
    windows = [{w} for w in window_of.tolist()]

    def find(k):
        while root[k] != k:
            root[k] = root[root[k]]
            k = root[k]
        return k

    for a, b in zip(i[order].tolist(), j[order].tolist(), strict=True):
        a, b = find(a), find(b)
        if a != b and windows[a].isdisjoint(windows[b]):
            if len(windows[a]) < len(windows[b]):
                a, b = b, a
            root[b] = a
            windows[a] |= windows[b]
    return np.unique([find(k) for k in range(len(events))], return_inverse=True)[1]


def _boundary(time, opening, confidence, group, edge):
    """Start of every group from the starts of its members; see `merge_windows`."""
    earliest = np.full(group.max() + 1, np.inf)
    np.minimum.at(earliest, group, time)
    reaches = opening <= earliest[group] + edge
    cut = np.abs(time - opening) <= edge
    best = np.flatnonzero(reaches & ~cut)
    # The last assignment wins: the most confident, and among equals the earliest.
    best = best[np.lexsort((-time[best], confidence[best]))]
    earliest[group[best]] = time[best]
    return earliest


def _agreement(start, end, group, opening, starts, window):
    """Fraction of the windows that hold an event whole which reported it; nan if none does."""
    lowest, highest = end - window - 1e-6, start + 1e-6
    n_holding = np.searchsorted(starts, highest, "right") - np.searchsorted(starts, lowest, "left")
    reported = (opening >= lowest[group]) & (opening <= highest[group])
    n_reported = np.bincount(group, weights=reported, minlength=len(start))
    return np.divide(n_reported, n_holding, out=np.full(len(start), np.nan), where=n_holding > 0)


def _exclusive(start, end, label, n_reported, confidence):
    """Which events stay when those of one class may share at most half of the shorter one."""
    stays = np.zeros(len(start), dtype=bool)
    for k in np.lexsort((start, -confidence, -n_reported)):
        rivals = np.flatnonzero(stays & (label == label[k]))
        shared = np.minimum(end[k], end[rivals]) - np.maximum(start[k], start[rivals])
        shorter = np.minimum(end[k] - start[k], end[rivals] - start[rivals])
        stays[k] = not np.any((shared > 0) & (shared > 0.5 * shorter))
    return stays
