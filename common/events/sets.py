"""A set of events in a continuous recording: when each starts and ends, and what it is.

`Events` is the one representation of truth and of detections in this package. Times are in
seconds, labels are the integers 1..K; class 0 means "no event" and never appears in a set.
"""

from dataclasses import dataclass

import numpy as np

from common import validation

__all__ = ["Events", "concatenate", "time_order"]

_COLUMNS = ("start", "end", "label", "confidence")


@dataclass(frozen=True, eq=False)
class Events:
    """Events in order of time; arrays are copied, sorted and read-only.

    Events are sorted by start, then end, label and descending confidence, so the same events in
    another order give the same object. Indices returned by other functions refer to this order.

    Parameters
    ----------
    start, end : array_like, shape (n_events,)
        In s, finite, ``end >= start``. An event may have no duration.
    label : array_like of int, shape (n_events,)
        Class of each event, 1 or more.
    confidence : array_like, shape (n_events,), optional
        Probability of each detection, in ``[0, 1]``. None for true events.

    Raises
    ------
    ValueError
        If lengths differ or a value is out of range; the message names the first bad event.

    Examples
    --------
    >>> events = Events([4.0, 1.0], [5.0, 2.5], [1, 2])
    >>> events.start
    array([1., 4.])
    >>> events.shift(10)
    Events([11, 12.5] s class 2, [14, 15] s class 1)
    """

    start: np.ndarray
    end: np.ndarray
    label: np.ndarray
    confidence: np.ndarray | None = None

    def __post_init__(self):
        start, end = _vector(self.start, "start"), _vector(self.end, "end")
        label = _labels(self.label)
        confidence = None
        if self.confidence is not None:
            confidence = _vector(self.confidence, "confidence")
        _check_lengths(start, end, label, confidence)
        _check_values(start, end, label, confidence)
        order = time_order(start, end, label, confidence)
        for name, values in zip(_COLUMNS, (start, end, label, confidence), strict=True):
            if values is not None:
                values = values[order]
                values.flags.writeable = False
            object.__setattr__(self, name, values)  # the dataclass is frozen

    @classmethod
    def empty(cls, *, confidence=False):
        """No events; with an (empty) confidence for a set of detections.

        Parameters
        ----------
        confidence : bool, default=False

        Returns
        -------
        events : Events
        """
        return cls([], [], [], [] if confidence else None)

    @classmethod
    def from_frame(cls, frame):
        """Read a table with columns ``start``, ``end`` (s), ``label`` and maybe ``confidence``.

        Parameters
        ----------
        frame : pandas.DataFrame
            Other columns are ignored.

        Returns
        -------
        events : Events

        Raises
        ------
        ValueError
            If a column is missing, or a value is out of range.
        """
        missing = [name for name in _COLUMNS[:3] if name not in frame]
        if missing:
            raise ValueError(
                f"the table of events lacks the column(s) {missing}; it has {list(frame)}."
            )
        confidence = frame["confidence"].to_numpy() if "confidence" in frame else None
        return cls(*(frame[name].to_numpy() for name in _COLUMNS[:3]), confidence)

    def to_frame(self):
        """Table of the events, one row each, with a confidence column if there is one.

        Returns
        -------
        frame : pandas.DataFrame
        """
        import pandas as pd

        columns = {name: getattr(self, name) for name in _COLUMNS}
        return pd.DataFrame({name: v.copy() for name, v in columns.items() if v is not None})

    @property
    def duration(self):
        """ndarray, shape (n_events,): ``end - start``, in s."""
        return self.end - self.start

    def __len__(self):
        return len(self.start)

    def __getitem__(self, index):
        """Subset by a slice, a boolean mask or integer indices."""
        if isinstance(index, int | np.integer):
            index = [index]
        confidence = None if self.confidence is None else self.confidence[index]
        return Events(self.start[index], self.end[index], self.label[index], confidence)

    def __eq__(self, other):
        if not isinstance(other, Events):
            return NotImplemented
        if (self.confidence is None) != (other.confidence is None):
            return False
        pairs = ((getattr(self, name), getattr(other, name)) for name in _COLUMNS)
        return all(a is b is None or np.array_equal(a, b) for a, b in pairs)

    __hash__ = None

    def __repr__(self):
        spans = [f"[{s:g}, {e:g}] s class {c}" for s, e, c in zip(*self._triple(), strict=True)]
        more = f", … {len(self)} in all" if len(self) > 6 else ""
        return f"Events({', '.join(spans[:6])}{more})"

    def _triple(self):
        return self.start, self.end, self.label

    def shift(self, seconds):
        """The same events, later by ``seconds`` (a negative number moves them earlier).

        Parameters
        ----------
        seconds : float

        Returns
        -------
        events : Events
        """
        return Events(self.start + seconds, self.end + seconds, self.label, self.confidence)

    def clip(self, start, end, *, minimum=0.0):
        """Parts of the events inside ``[start, end]``.

        An event that only touches the interval leaves nothing. An event without duration is kept
        when it lies inside, ends included.

        Parameters
        ----------
        start, end : float
            Interval, in s.
        minimum : float, default=0.0
            Parts shorter than this, in s, are left out, unless they are whole events.

        Returns
        -------
        events : Events

        Raises
        ------
        ValueError
            If ``end < start``, or a time is NaN.
        """
        minimum = validation.number(minimum, "minimum", at_least=0, unit="s")
        if np.isnan(start) or np.isnan(end):
            raise ValueError(f"cannot clip to [{start:g}, {end:g}] s: times must be numbers.")
        if end < start:
            raise ValueError(f"cannot clip to [{start:g}, {end:g}] s: it ends before it starts.")
        low, high = np.maximum(self.start, start), np.minimum(self.end, end)
        whole = (self.start >= start) & (self.end <= end)
        keep = whole | ((high > low) & (high - low >= minimum))
        confidence = None if self.confidence is None else self.confidence[keep]
        return Events(low[keep], high[keep], self.label[keep], confidence)


def time_order(start, end, label, confidence=None):
    """Permutation that sorts events as `Events` does.

    Parameters
    ----------
    start, end, label, confidence : ndarray, shape (n_events,)

    Returns
    -------
    order : ndarray of int, shape (n_events,)
    """
    # The last key counts first.
    keys = (label, end, start) if confidence is None else (-confidence, label, end, start)
    return np.lexsort(keys)


def concatenate(sets):
    """Union of several sets of events; duplicates are kept.

    Parameters
    ----------
    sets : iterable of Events
        All with a confidence, or all without.

    Returns
    -------
    events : Events

    Raises
    ------
    ValueError
        If only some of the non-empty sets have a confidence.
    """
    sets = list(sets)
    filled = [events for events in sets if len(events)]
    if not filled:
        return Events.empty(confidence=any(events.confidence is not None for events in sets))
    with_confidence = [events.confidence is not None for events in filled]
    if any(with_confidence) != all(with_confidence):
        index = with_confidence.index(False)
        raise ValueError(
            f"set {index} of {len(filled)} non-empty sets has no confidence but others do. "
            "Give it one, for example np.ones(len(events)), or drop it from the others."
        )
    names = _COLUMNS if all(with_confidence) else _COLUMNS[:3]
    return Events(*(np.concatenate([getattr(events, name) for events in filled]) for name in names))


def _vector(values, name):
    values = np.array(validation.unmasked(values, name), dtype=float)
    if values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {values.shape}.")
    return values


def _labels(values):
    values = _vector(values, "label")
    bad = np.flatnonzero(~(np.isfinite(values) & (values == np.round(values)) & (values >= 1)))
    if bad.size:
        i = bad[0]
        raise ValueError(
            f"label of event {i} is {values[i]:g}; labels are integers from 1 (0 = no event)."
        )
    return values.astype(np.int64)


def _check_lengths(start, end, label, confidence):
    lengths = {"start": len(start), "end": len(end), "label": len(label)}
    if confidence is not None:
        lengths["confidence"] = len(confidence)
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the arrays of a set of events must have one length, got {lengths}.")


def _check_values(start, end, label, confidence):
    for name, values in (("start", start), ("end", end)):
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise ValueError(f"{name} of event {bad[0]} is {values[bad[0]]}; times must be finite.")
    bad = np.flatnonzero(end < start)
    if bad.size:
        i = bad[0]
        raise ValueError(
            f"event {i} (class {label[i]}) ends at {end[i]:g} s, before its start at "
            f"{start[i]:g} s. Is the second argument a duration? Pass start + duration."
        )
    if confidence is not None:
        bad = np.flatnonzero(~((confidence >= 0) & (confidence <= 1)))
        if bad.size:
            i = bad[0]
            raise ValueError(
                f"confidence of event {i} is {confidence[i]:g}, outside [0, 1]. "
                "Are these logits? Pass them through a softmax."
            )
