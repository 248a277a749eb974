"""Events of a continuous recording as a tidy table: ``start`` (s), ``end`` (s), ``label``."""

import re
import warnings

import mne
import numpy as np
import pandas as pd

from common import validation

__all__ = [
    "annotate",
    "boundaries",
    "drop_crossing",
    "events_from_raw",
    "events_table",
    "is_boundary",
    "merge_overlaps",
    "pair_events",
    "warn_of_boundaries",
]

# MNE's own ("BAD_muscle", "bad boundary", "EDGE boundary" …), then what other formats call a break.
_BOUNDARY = re.compile(
    r"bad|edge|boundary\b|new segment|.*\blost ?samples|recording (start|end|stop|paus|resum)",
    re.IGNORECASE,
)


def is_boundary(label):
    """Whether an annotation says that the signal is bad or broken there, and is no event.

    Parameters
    ----------
    label : str
        Names that begin with ``bad`` or ``edge``, as in MNE-Python, which marks so where recordings
        were concatenated or data are missing; ``boundary`` of EEGLAB, ``New Segment`` and
        ``LostSamples`` of BrainVision, and the start and end of a recording in EDF+.

    Returns
    -------
    is_boundary : bool

    Examples
    --------
    >>> is_boundary("BAD_muscle"), is_boundary("New Segment/"), is_boundary("seizure")
    (True, True, False)
    """
    return _BOUNDARY.match(label.strip()) is not None


def boundaries(raw):
    """Bad spans and breaks of a recording, as its annotations tell; see `is_boundary`.

    Parameters
    ----------
    raw : mne.io.BaseRaw

    Returns
    -------
    boundaries : pandas.DataFrame
        See `events_table`.
    """
    return _table(raw, [each for each in _present(raw) if is_boundary(each)], {})


def drop_crossing(raw, start, end):
    """Which of some windows hold no boundary of the recording; a warning counts the others.

    Parameters
    ----------
    raw : mne.io.BaseRaw
    start, end : array_like, shape (n_windows,)
        In s from the first sample. A window may begin or end at a boundary.

    Returns
    -------
    whole : ndarray of bool, shape (n_windows,)

    Raises
    ------
    ValueError
        If a time is not finite or the numbers of times differ.
    """
    start, end = (
        validation.vector(times, name, unit="s", empty=True).astype(float, copy=False)[:, None]
        for name, times in (("start", start), ("end", end))
    )
    validation.same_length(start=start, end=end)
    found = boundaries(raw)
    slack = 0.5 / raw.info["sfreq"]  # times are rounded to samples
    inside = (found["start"].to_numpy() < end - slack) & (found["end"].to_numpy() > start + slack)
    crossing = inside.any(axis=1)
    if crossing.any():
        label = found["label"].iloc[int(inside[np.argmax(crossing)].argmax())]
        warnings.warn(
            f"{crossing.sum()} of {len(crossing)} windows are left out: the signal is bad or "
            f"broken in them, the first time at '{label}', in the window at "
            f"{start[np.argmax(crossing), 0]:g} s.",
            stacklevel=3,
        )
    return ~crossing


def warn_of_boundaries(raw, *, name="the recording"):
    """Warn if a recording is bad or broken somewhere, for whoever takes it as one whole.

    Parameters
    ----------
    raw : mne.io.BaseRaw
    name : str
        What the message calls the recording.

    Warns
    -----
    UserWarning
        With the number of boundaries within the recording and the first of them.
    """
    found, length = boundaries(raw), raw.n_times / raw.info["sfreq"]
    slack = 0.5 / raw.info["sfreq"]
    found = found[(found["start"] < length - slack) & (found["end"] > slack)]
    if len(found):
        label, at = found["label"].iloc[0], found["start"].iloc[0]
        warnings.warn(
            f"{name} is bad or broken in {len(found)} places, first at '{label}', {at:g} s; "
            "windows cut from it may span them. Crop it there, or leave such windows out "
            "(common.recordings.drop_crossing).",
            stacklevel=3,
        )


def events_table(start, end, label):
    """Table of events, in order of their start.

    Parameters
    ----------
    start, end : array_like, shape (n_events,)
        In s from the first sample. An event without duration ends where it starts.
    label : array_like of str, shape (n_events,)

    Returns
    -------
    events : pandas.DataFrame, shape (n_events, 3)
        Columns ``start``, ``end``, ``label``; rows ordered by start, then end, then label.

    Raises
    ------
    ValueError
        If the lengths differ, a time is not finite, or an event ends before it starts.

    Examples
    --------
    >>> events_table([3.0, 1.0], [4.0, 1.5], ["spasm", "spike"])
       start  end  label
    0    1.0  1.5  spike
    1    3.0  4.0  spasm
    """
    start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    label = [str(each) for each in label]
    if not start.shape == end.shape == (len(label),):
        raise ValueError(
            f"start, end and label must be 1D and of one length, got {start.shape}, {end.shape} "
            f"and ({len(label)},)."
        )
    bad = np.flatnonzero(~(np.isfinite(start) & np.isfinite(end) & (start <= end)))
    if len(bad):
        first = bad[0]
        raise ValueError(
            f"event {first} ('{label[first]}') goes from {start[first]:g} s to {end[first]:g} s; "
            "times must be finite and the end not before the start. Is the second one a duration?"
        )
    table = pd.DataFrame({"start": start, "end": end, "label": pd.Series(label, dtype=object)})
    return table.sort_values(["start", "end", "label"], ignore_index=True)


def events_from_raw(raw, *, labels=None):
    """Events that a recording's annotations describe.

    Parameters
    ----------
    raw : mne.io.BaseRaw
    labels : sequence of str, or dict of str to str, optional
        Annotations to keep, or to keep and rename. Without it, all of them but boundaries (see
        `is_boundary`), which are events only where they are named.

    Returns
    -------
    events : pandas.DataFrame
        See `events_table`. Times count from the first sample of ``raw``, cropped or not.

    Raises
    ------
    ValueError
        If no annotation has one of the labels; the nearest one present is suggested.
    """
    present = _present(raw)
    if labels is None:
        labels = [each for each in present if not is_boundary(each)]
    for name in labels:
        if name not in present:
            raise ValueError(f"no annotation '{name}' in the recording.{_hint(name, present)}")
    return _table(raw, list(labels), labels if isinstance(labels, dict) else {})


def annotate(raw, events):
    """Copy of a recording with these events as its only annotations, beside its boundaries.

    Parameters
    ----------
    raw : mne.io.BaseRaw
    events : pandas.DataFrame
        See `events_table`.

    Returns
    -------
    raw : mne.io.BaseRaw

    Raises
    ------
    ValueError
        If an event begins outside the recording, or a time is not finite.
    """
    for name in ("start", "end"):
        validation.vector(events[name].to_numpy(), f"{name} of events", unit="s", empty=True)
    length = raw.n_times / raw.info["sfreq"]
    outside = events[(events["start"] < 0) | (events["start"] >= length)]
    if len(outside):
        first = outside.iloc[0]
        raise ValueError(
            f"{len(outside)} of {len(events)} events begin outside the recording's [0, {length:g}) "
            f"s, the first ('{first['label']}') at {first['start']:g} s. Are the times in samples, "
            "or of another recording?"
        )
    kept = boundaries(raw)
    kept = kept[~kept["label"].isin(events["label"])]  # named as events: these come with them
    kept = kept[(kept["start"] >= 0) & (kept["start"] < length)]
    events = pd.concat([events, kept]) if len(kept) else events
    raw = raw.copy()
    # Without orig_time, `set_annotations` counts from the first sample.
    annotations = mne.Annotations(
        events["start"].to_numpy(),
        (events["end"] - events["start"]).to_numpy(),
        events["label"].tolist(),
    )
    return raw.set_annotations(annotations)


def pair_events(events, *, start, end, label):
    """Events with a duration, from pairs of marks of their start and end.

    Parameters
    ----------
    events : pandas.DataFrame
        See `events_table`; ``label`` holds the marks.
    start, end : str
        Marks, for example ``"SZ START"`` and ``"SZ END"``.
    label : str
        Label of the paired events.

    Returns
    -------
    paired : pandas.DataFrame
        See `events_table`.

    Raises
    ------
    ValueError
        If the marks do not alternate, beginning with a start.
    """
    marks = events[events["label"].isin([start, end])]
    expected = [(start, end)[i % 2] for i in range(len(marks))]
    wrong = np.flatnonzero(marks["label"].to_numpy() != np.array(expected, dtype=object))
    if len(wrong) or len(marks) % 2 or not len(marks):
        at = f", first at {marks['start'].iloc[wrong[0]]:g} s" if len(wrong) else ""
        n_starts = int((marks["label"] == start).sum())
        raise ValueError(
            f"'{start}' ({n_starts}) and '{end}' ({len(marks) - n_starts}) must alternate{at}. "
            "Mend or drop the unpaired mark."
        )
    times = marks["start"].to_numpy()
    return events_table(times[::2], times[1::2], [label] * (len(marks) // 2))


def merge_overlaps(events):
    """Union of the events of each label: those that overlap or touch become one.

    Parameters
    ----------
    events : pandas.DataFrame
        See `events_table`.

    Returns
    -------
    merged : pandas.DataFrame
        See `events_table`.

    Examples
    --------
    >>> merge_overlaps(events_table([0.0, 1.0, 5.0], [2.0, 3.0, 6.0], ["a", "a", "a"]))
       start  end label
    0    0.0  3.0     a
    1    5.0  6.0     a
    """
    rows = []
    for label, group in events.sort_values(["start", "end"]).groupby("label"):
        for start, end in zip(group["start"], group["end"], strict=True):
            if rows and rows[-1][2] == label and start <= rows[-1][1]:
                rows[-1][1] = max(rows[-1][1], end)
            else:
                rows.append([start, end, label])
    start, end, label = zip(*rows, strict=True) if rows else ([], [], [])
    return events_table(start, end, label)


def _present(raw):
    return list(dict.fromkeys(raw.annotations.description.tolist()))


def _table(raw, labels, names):
    annotations = raw.annotations
    keep = np.isin(annotations.description, labels)
    # MNE counts the annotations of a Raw from before any cropping.
    onset = annotations.onset[keep] - raw.first_time
    text = [names.get(each, each) for each in annotations.description[keep]]
    return events_table(onset, onset + annotations.duration[keep], text)


def _hint(word, known):
    return validation.nearest(word, known) or f" Present: {', '.join(known) or 'none'}."
