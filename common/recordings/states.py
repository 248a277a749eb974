"""States of a recording (asleep, awake …), from the notes between which they lasted."""

import numpy as np
import pandas as pd

from common import validation
from common.recordings.annotations import events_table

__all__ = ["CHILD", "INFANT", "state_segments", "state_windows"]

CHILD = (
    ("asleep", "quietly sleeping", "awakened pt"),
    ("awake", "awakened pt", "PHOTO 2Hz"),
    ("awake", "PHOTO 20Hz", "HV START"),
    ("awake", "POST HV 02:00", None),
)
"""``eeghdf-absence-epilepsy``: the stretch of sleep that holds the notes of vertex waves and
spindles, and rest after waking. Left out: photic stimulation, hyperventilation with its three
absence seizures, and the two minutes after it."""

INFANT = (
    ("asleep", "quietly sleeping", "awakening pt"),
    ("awake", "awakening pt", "PHOTO 2Hz"),
    ("awake", "removed neckroll", None),
)
"""``eeghdf-spasms``: the stretch of sleep that holds all notes of spindles, and play and care after
waking. Left out: sleep during nursing, photic stimulation, and the minutes of the spasms."""


def state_segments(events, spans, *, end, margin=15.0):
    """Segments of time in which a recording is in a state.

    Parameters
    ----------
    events : pandas.DataFrame
        Notes of the recording, see `common.recordings.events_table`.
    spans : sequence of (str, str, str or None)
        State, the note at which it begins, the note at which it ends (None: the recording's end).
        Each of these notes must occur once.
    end : float
        End of the recording, in s.
    margin : float, default=15
        Cut from both sides of each span, in s: a note is written when its writer gets to it, and
        nobody falls asleep or wakes within a moment.

    Returns
    -------
    segments : pandas.DataFrame
        See `common.recordings.events_table`; ``label`` is the state.

    Raises
    ------
    ValueError
        If a note is missing or occurs several times, a span is empty, or a time is not finite.

    Examples
    --------
    >>> notes = events_table([0.0, 100.0], [0.0, 100.0], ["lights off", "woken"])
    >>> state_segments(notes, [("asleep", "lights off", "woken")], end=200.0)
       start   end   label
    0   15.0  85.0  asleep
    """

    end = validation.number(end, "end", above=0, unit="s")
    margin = validation.number(margin, "margin", at_least=0, unit="s")

    def time(note):
        if note is None:
            return end
        found = events.loc[events["label"] == note, "start"]
        if len(found) != 1:
            raise ValueError(
                f"the note '{note}' occurs {len(found)} times; the note that bounds a state must "
                f"occur once. Notes: {', '.join(dict.fromkeys(events['label']))}."
            )
        return found.item()

    rows = []
    for state, first, last in spans:
        start, stop = time(first) + margin, time(last) - margin
        if stop <= start:
            raise ValueError(
                f"'{state}' from '{first}' to {last!r} is empty: {start:g} to {stop:g} s after a "
                f"margin of {margin:g} s."
            )
        rows.append((start, stop, state))
    start, stop, state = zip(*rows, strict=True)
    return events_table(start, stop, state)


def state_windows(segments, *, length, n_blocks):
    """Windows of each state, in blocks of time that may be held out as a whole.

    The windows of a state, in their order, are cut into ``n_blocks`` runs of equal number. Where
    two runs touch, the last window of the first is dropped: no two windows of different blocks
    are neighbours.

    Parameters
    ----------
    segments : pandas.DataFrame
        See `state_segments`.
    length : float
        Of a window, in s. Windows do not overlap.
    n_blocks : int

    Returns
    -------
    windows : pandas.DataFrame
        Columns ``start`` (s), ``state``, ``block`` (0 to ``n_blocks - 1``), in order of state and
        start.

    Raises
    ------
    ValueError
        If a state has fewer than two windows a block, or a number is not positive.
    """
    length = validation.number(length, "length", above=0, unit="s")
    n_blocks = validation.count(n_blocks, "n_blocks")
    parts = []
    for state, group in segments.groupby("label"):
        starts = [
            begin + length * np.arange(int((stop - begin) / length + 1e-9))
            for begin, stop in zip(group["start"], group["end"], strict=True)
        ]
        starts = np.concatenate(starts)
        if len(starts) < 2 * n_blocks:
            raise ValueError(
                f"'{state}' has {len(starts)} windows of {length:g} s, too few for {n_blocks} "
                "blocks of at least two. Use shorter windows or fewer blocks."
            )
        block = np.arange(len(starts)) * n_blocks // len(starts)
        touches = np.append((np.diff(block) > 0) & (np.diff(starts) < 1.5 * length), False)
        part = pd.DataFrame({"start": starts, "state": state, "block": block})
        parts.append(part[~touches])
    return pd.concat(parts, ignore_index=True)
