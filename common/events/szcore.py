"""Seizure detection scores of the SzCORE framework, computed by the `timescoring` package.

Event scores count any overlap, after allowing 30 s before and 60 s after a seizure, merging events
less than 90 s apart and splitting those longer than 5 min. Sample scores compare second by second.
Both are made for seizures, tens of seconds long; for events of a second they mean little.
"""

from dataclasses import dataclass

import numpy as np

from common import validation

__all__ = ["SeizureScore", "szcore"]

# Rate of the event masks inside timescoring, in Hz.
_RATE = 10


@dataclass(frozen=True)
class SeizureScore:
    """Scores of one recording, either by events or by samples.

    Attributes
    ----------
    sensitivity : float
        Fraction of the reference that was detected; nan without reference events.
    precision : float
        Fraction of the detections that are right; nan without detections.
    f1 : float
        nan with neither.
    false_positives_per_day : float
        False events (or false seconds) per 24 h of recording.
    tp, fp, n_reference : int
        True positives, false positives, and reference events (or seconds).
    """

    sensitivity: float
    precision: float
    f1: float
    false_positives_per_day: float
    tp: int
    fp: int
    n_reference: int


def szcore(reference, hypothesis, *, duration, label=None):
    """SzCORE scores of the detections in one recording.

    Parameters
    ----------
    reference, hypothesis : Events
        True and detected events, in s from the start of the recording. Overlapping events are
        united first. Confidence is not used.
    duration : float
        Length of the recording, in s.
    label : int, optional
        Score this class alone. By default every event is a seizure, whatever its class.

    Returns
    -------
    scores : dict of str to SeizureScore
        Under ``"event"`` and ``"sample"``.

    Raises
    ------
    ValueError
        If an event lies outside the recording, or the recording has no length.

    References
    ----------
    .. [1] J. Dan et al., "SzCORE: Seizure Community Open-Source Research Evaluation framework for
       the validation of electroencephalography-based automated seizure detection algorithms",
       Epilepsia 66(S3), 14-24, 2025, doi:10.1111/epi.18113.

    Examples
    --------
    >>> from common.events import Events
    >>> truth = Events([600.0], [660.0], [1])
    >>> found = Events([650.0, 1800.0], [700.0, 1830.0], [1, 1], [0.9, 0.6])
    >>> score = szcore(truth, found, duration=3600.0)["event"]
    >>> score.sensitivity, score.precision, score.false_positives_per_day
    (1.0, 0.5, 24.0)
    """
    from timescoring.annotations import Annotation
    from timescoring.scoring import EventScoring, SampleScoring

    duration = validation.number(duration, "duration", above=0, unit="s")
    if label is not None:
        label = validation.count(label, "label")
    n_samples = round(duration * _RATE)
    annotations = []
    for name, events in (("reference", reference), ("hypothesis", hypothesis)):
        if label is not None:
            events = events[events.label == label]
        if len(events) and (events.start.min() < 0 or events.end.max() > duration):
            raise ValueError(
                f"the {name} has events in [{events.start.min():g}, {events.end.max():g}] s, "
                f"outside the recording [0, {duration:g}] s."
            )
        annotations.append(Annotation(_unite(events), _RATE, n_samples))
    return {
        "event": _read(EventScoring(*annotations)),
        "sample": _read(SampleScoring(*annotations)),
    }


def _unite(events):
    """Union of the events as (start, end) pairs.

    timescoring takes the end of the later event when it merges two, which would shorten an event
    that contains the next one.
    """
    spans = []
    for start, end in zip(events.start.tolist(), events.end.tolist(), strict=True):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


def _read(scoring):
    return SeizureScore(
        sensitivity=float(scoring.sensitivity),
        precision=float(scoring.precision),
        f1=float(scoring.f1),
        false_positives_per_day=float(scoring.fpRate),
        tp=int(scoring.tp),
        fp=int(scoring.fp),
        n_reference=int(np.sum(scoring.refTrue)),
    )
