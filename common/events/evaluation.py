"""Who is tested on whom, and the tables that an evaluation leaves behind."""

import fnmatch

import numpy as np

from common import validation
from common.events.metrics import by_duration, f1_event
from common.events.sample_metrics import f1_sample
from common.events.windows import coverage

__all__ = [
    "DURATION_CUTS",
    "detection_table",
    "duration_table",
    "score_table",
    "split_recordings",
    "split_subjects",
]

DURATION_CUTS = (0.3, 1.0, 3.0, 10.0, 30.0)
"""Bounds of the bins of event duration, in s: half a decade each from 0.3 s."""


def split_subjects(subjects, *, n_folds, fold, valid_fraction=0.0, test=None):
    """Split subjects into training, validation and test sets.

    Parameters
    ----------
    subjects : sequence of str
        With or without repetition; their order does not matter.
    n_folds : int
        Number of folds, in which test subjects are dealt out like cards.
    fold : int
        In ``[0, n_folds)``.
    valid_fraction : float, default=0.0
        Part of the subjects which are not tested that validates, at least one if positive.
    test : sequence of str, optional
        Test subjects by name or pattern (``"eval/*"``), instead of folds.

    Returns
    -------
    train, valid, test : list of str
        Disjoint and sorted.

    Raises
    ------
    ValueError
        If a test subject is unknown, the fold does not exist, the fraction is not in [0, 1), or
        nobody is left to train on.
    """
    valid_fraction = validation.number(valid_fraction, "valid_fraction", at_least=0, below=1)
    subjects = sorted(set(subjects))
    if test is None:
        if not 0 <= fold < n_folds <= len(subjects):
            raise ValueError(
                f"fold={fold} of n_folds={n_folds} needs 0 <= fold < n_folds <= {len(subjects)}, "
                "the number of subjects."
            )
        test = subjects[fold::n_folds]
    else:
        named = {pattern: fnmatch.filter(subjects, pattern) for pattern in test}
        if unknown := [pattern for pattern, found in named.items() if not found]:
            raise ValueError(f"test subjects {unknown} are not among the subjects {subjects}.")
        test = {subject for found in named.values() for subject in found}
    rest = [subject for subject in subjects if subject not in test]
    n_valid = max(1, round(valid_fraction * len(rest))) if valid_fraction > 0 else 0
    if n_valid >= len(rest):
        raise ValueError(
            f"nobody is left to train on: {len(test)} of {len(subjects)} subjects test and "
            f"{n_valid} validate. Use more subjects."
        )
    return rest[n_valid:], rest[:n_valid], sorted(set(test))


def split_recordings(recordings, **split):
    """Split recordings by subject.

    Parameters
    ----------
    recordings : sequence of Recording
    **split
        Arguments of `split_subjects`.

    Returns
    -------
    train, valid, test : list of Recording
    """
    parts = split_subjects([recording.subject for recording in recordings], **split)
    return tuple([each for each in recordings if each.subject in part] for part in parts)


def detection_table(detections, recordings):
    """Detections of all recordings in one table.

    Parameters
    ----------
    detections, recordings
        As in `score_table`.

    Returns
    -------
    table : pandas.DataFrame
        ``subject`` and the columns of `Events.to_frame`.
    """
    import pandas as pd

    return pd.concat(
        [
            events.to_frame().assign(subject=recording.subject)
            for events, recording in zip(detections, recordings, strict=True)
        ],
        ignore_index=True,
    )


def score_table(detections, recordings, *, n_classes, rate, window=None):
    """Scores of each subject.

    The event-based score counts all events. With ``window``, it is also given as the DANCE release
    counts: windows follow one another without overlap, and an event that no window holds whole does
    not count, be it true or detected. A perfect detector has a score of 1 both ways.

    Parameters
    ----------
    detections : sequence of Events
        One set per recording, with confidence.
    recordings : sequence of Recording
    n_classes : int
        Number K of classes.
    rate : float
        Of the sample-based score, in Hz.
    window : float, optional
        Length of the windows, in s.

    Returns
    -------
    table : pandas.DataFrame
        ``subject``, ``f1_event``, ``f1_sample``, ``n_events``, and the counts ``tp``, ``fp`` and
        ``fn`` of the event-based score; one row per subject, in alphabetical order. With
        ``window`` also ``f1_inside``, the event-based score of events inside windows, and the
        numbers of true events that are ``whole`` in a window, ``fragmented``, or ``lost``, see
        `common.events.coverage`.

    Raises
    ------
    ValueError
        If the numbers of sets and recordings differ, or the window has no length.
    """
    import pandas as pd

    if window is not None:
        window = validation.number(window, "window", above=0, unit="s")
    rows = []
    for subject, pairs in _by_subject(detections, recordings).items():
        found, truth = [d for d, _ in pairs], [r.events for _, r in pairs]
        event = f1_event(found, truth)
        sample = f1_sample(
            found,
            truth,
            n_classes=n_classes,
            duration=[recording.duration for _, recording in pairs],
            rate=rate,
        )
        rows.append(
            {
                "subject": subject,
                "f1_event": event.f1,
                "f1_sample": sample.f1,
                "n_events": sum(len(events) for events in truth),
                "tp": event.tp,
                "fp": event.fp,
                "fn": event.fn,
            }
            | ({} if window is None else _inside_windows(pairs, window))
        )
    return pd.DataFrame(rows)


def duration_table(detections, recordings, *, cuts=DURATION_CUTS):
    """Counts of the event-based score by subject and duration.

    Parameters
    ----------
    detections, recordings
        As in `score_table`.
    cuts : sequence of float
        See `common.events.by_duration`.

    Returns
    -------
    table : pandas.DataFrame
        ``subject``, ``low``, ``high`` (s), ``n_targets``, ``tp``, ``fp``, ``fn``.
    """
    import pandas as pd

    columns = ["low", "high", "n_targets", "tp", "fp", "fn"]
    tables = []
    for subject, pairs in _by_subject(detections, recordings).items():
        bins = by_duration([d for d, _ in pairs], [r.events for _, r in pairs], cuts=cuts)[columns]
        tables.append(bins.assign(subject=subject)[["subject", *columns]])
    return pd.concat(tables, ignore_index=True)


def _inside_windows(pairs, window):
    """Score of the events that touching windows hold whole, and how the true ones fare."""
    found, truth = [], []
    counts = {"whole": 0, "fragmented": 0, "lost": 0}
    for detected, recording in pairs:
        starts = window * np.arange(int(recording.duration / window + 1e-9))
        seen = coverage(recording.events, starts, window=window)
        counts = {name: n + seen.counts[name] for name, n in counts.items()}
        truth.append(recording.events[seen.whole])
        found.append(detected[coverage(detected, starts, window=window).whole])
    return {"f1_inside": f1_event(found, truth).f1, **counts}


def _by_subject(detections, recordings):
    if len(detections) != len(recordings):
        raise ValueError(f"{len(detections)} sets of detections for {len(recordings)} recordings.")
    subjects = np.array([recording.subject for recording in recordings])
    return {
        str(subject): [(detections[i], recordings[i]) for i in np.flatnonzero(subjects == subject)]
        for subject in sorted(set(subjects))
    }
