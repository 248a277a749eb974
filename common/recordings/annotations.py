"""Events of a continuous recording as a tidy table: ``start`` (s), ``end`` (s), ``label``."""

import difflib

import mne
import numpy as np
import pandas as pd

__all__ = ["annotate", "events_from_raw", "events_table", "merge_overlaps", "pair_events"]


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
        Annotations to keep, or to keep and rename. Without it, all of them.

    Returns
    -------
    events : pandas.DataFrame
        See `events_table`. Times count from the first sample of ``raw``, cropped or not.

    Raises
    ------
    ValueError
        If no annotation has one of the labels; the nearest one present is suggested.
    """
    annotations = raw.annotations
    present = list(dict.fromkeys(annotations.description.tolist()))
    names = labels if isinstance(labels, dict) else {each: each for each in labels or present}
    for name in names:
        if name not in present:
            raise ValueError(f"no annotation '{name}' in the recording.{_hint(name, present)}")
    keep = np.isin(annotations.description, list(names))
    # MNE counts the annotations of a Raw from before any cropping.
    onset = annotations.onset[keep] - raw.first_time
    text = [names[each] for each in annotations.description[keep]]
    return events_table(onset, onset + annotations.duration[keep], text)


def annotate(raw, events):
    """Copy of a recording with these events as its only annotations.

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
        If an event begins outside the recording.
    """
    length = raw.n_times / raw.info["sfreq"]
    outside = events[(events["start"] < 0) | (events["start"] >= length)]
    if len(outside):
        first = outside.iloc[0]
        raise ValueError(
            f"{len(outside)} of {len(events)} events begin outside the recording's [0, {length:g}) "
            f"s, the first ('{first['label']}') at {first['start']:g} s. Are the times in samples, "
            "or of another recording?"
        )
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


def _hint(word, known):
    found = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean '{found[0]}'?" if found else f" Present: {', '.join(known) or 'none'}."
