r"""How well detections agree with the truth, event by event.

Intersection over union of two events on the time axis, with the convex hull as the union:

.. math:: \mathrm{IoU}(a, b) = \frac{\max(0, \min(e_a, e_b) - \max(s_a, s_b))}
                                    {\max(e_a, e_b) - \min(s_a, s_b)},

0 when the hull has no length. See `common.events.sample_metrics` for scores sample by sample, and
`common.events.szcore` for clinical seizure scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from common import validation
from common.events.sets import Events

__all__ = ["EventScore", "by_duration", "f1_event", "iou", "pair_sets", "ratio"]

_no_text = partial(np.zeros, 0, "U11")
_no_index = partial(np.zeros, 0, int)
_no_number = partial(np.zeros, 0)


def iou(start, end, starts, ends):
    """Intersection over union of events with events, element by element (arrays broadcast).

    Parameters
    ----------
    start, end : array_like
        First events, in any unit of time.
    starts, ends : array_like
        Second events, same unit.

    Returns
    -------
    iou : ndarray
        In ``[0, 1]``.

    Raises
    ------
    ValueError
        If a time is not finite, or an event ends before it starts.
    """
    for name, first, last in (("start and end", start, end), ("starts and ends", starts, ends)):
        first = validation.array(first, name, empty=True)
        backward = np.flatnonzero(validation.array(last, name, empty=True) < first)
        if backward.size:
            raise ValueError(
                f"{name}: event {backward[0]} ends before it starts. Is the second a duration?"
            )
    return _iou(start, end, starts, ends)


def _iou(start, end, starts, ends):
    shared = np.maximum(np.minimum(end, ends) - np.maximum(start, starts), 0.0)
    hull = np.maximum(end, ends) - np.minimum(start, starts)
    return np.divide(shared, hull, out=np.zeros(np.shape(hull)), where=hull > 0)


@dataclass(frozen=True, eq=False)
class EventScore:
    """Counts of an event-based comparison, and how every event was counted.

    Scores add: ``a + b`` (or ``sum(scores, EventScore())``) has the counts of both, and the
    outcomes of ``a`` followed by those of ``b``.

    Attributes
    ----------
    tp, fp, fn : int
        True positives, false positives, false negatives. A prediction that takes a target of
        another class counts as one false positive and one false negative.
    prediction_verdict : ndarray of str, shape (n_predictions,)
        ``"hit"``; ``"wrong class"``; ``"duplicate"`` (its target was taken by a more confident
        prediction) or ``"spurious"`` (no target overlaps enough), both plain false positives.
    prediction_match : ndarray of int, shape (n_predictions,)
        Index of the target taken, -1 for none.
    prediction_iou : ndarray, shape (n_predictions,)
        Best IoU with a target still free when the prediction's turn came.
    target_verdict : ndarray of str, shape (n_targets,)
        ``"hit"``, ``"wrong class"`` or ``"missed"``.
    target_match : ndarray of int, shape (n_targets,)
        Index of the prediction that took it, -1 for none.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    prediction_verdict: np.ndarray = field(default_factory=_no_text, repr=False)
    prediction_match: np.ndarray = field(default_factory=_no_index, repr=False)
    prediction_iou: np.ndarray = field(default_factory=_no_number, repr=False)
    target_verdict: np.ndarray = field(default_factory=_no_text, repr=False)
    target_match: np.ndarray = field(default_factory=_no_index, repr=False)

    @property
    def precision(self):
        """float: ``tp / (tp + fp)``; nan without predictions."""
        return ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self):
        """float: ``tp / (tp + fn)``; nan without targets."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self):
        """float: ``2 tp / (2 tp + fp + fn)``; nan with neither targets nor predictions."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def __add__(self, other):
        if not isinstance(other, EventScore):
            return NotImplemented
        n_predictions, n_targets = len(self.prediction_match), len(self.target_match)
        return EventScore(
            self.tp + other.tp,
            self.fp + other.fp,
            self.fn + other.fn,
            np.concatenate([self.prediction_verdict, other.prediction_verdict]),
            np.concatenate([self.prediction_match, _offset(other.prediction_match, n_targets)]),
            np.concatenate([self.prediction_iou, other.prediction_iou]),
            np.concatenate([self.target_verdict, other.target_verdict]),
            np.concatenate([self.target_match, _offset(other.target_match, n_predictions)]),
        )


def f1_event(predictions, targets, *, iou_threshold=0.5):
    """Compare detections with the truth event by event, as DANCE defines it [1]_.

    Predictions take their turn in descending confidence (ties: in order of time). Each looks for
    the target not yet taken with the highest IoU, *whatever its class* (ties: the earlier target):

    - IoU at least ``iou_threshold`` and same class: true positive, the target is taken;
    - IoU at least ``iou_threshold``, another class: false positive and false negative, the target
      is taken all the same;
    - IoU below: false positive, nothing is taken.

    (The release describes the threshold as "more than" but its code lets equality pass, as here.)
    Targets that nobody took are false negatives. Counts are summed over windows or recordings.

    Parameters
    ----------
    predictions : Events or sequence of Events
        Detections, with confidence. A sequence holds one set per window or recording.
    targets : Events or sequence of Events
        The truth, in the same form.
    iou_threshold : float, default=0.5
        In ``(0, 1]``; reaching it is enough.

    Returns
    -------
    score : EventScore
        With ``f1``, ``precision``, ``recall``, the counts and the outcome of every event. In a sum
        over several sets, indices count through them in order.

    Raises
    ------
    ValueError
        If predictions have no confidence, the numbers of sets differ or the threshold is not in
        ``(0, 1]``.

    References
    ----------
    .. [1] J. Lévy et al., "DANCE: Detect and Classify Events in EEG", 2026, arXiv:2605.10688;
       the rules follow ``dance/metrics.py`` of the first public release.

    Examples
    --------
    >>> truth = Events([0, 10], [4, 12], [1, 2])
    >>> found = Events([1, 10, 20], [4, 12, 21], [1, 1, 1], [0.9, 0.8, 0.7])
    >>> score = f1_event(found, truth)
    >>> score.tp, score.fp, score.fn
    (1, 2, 1)
    """
    iou_threshold = validation.number(iou_threshold, "iou_threshold", above=0, at_most=1)
    pairs = pair_sets(predictions, targets)
    scores = [_match(found, truth, iou_threshold) for found, truth in pairs]
    if len(scores) == 1:
        return scores[0]
    # One concatenation per field: adding thousands of windows one by one would be quadratic.
    n_predictions = np.cumsum([0, *(len(found) for found, _ in pairs)])
    n_targets = np.cumsum([0, *(len(truth) for _, truth in pairs)])
    blank = EventScore()

    def gather(name, offsets=None):
        parts = [getattr(score, name) for score in scores]
        if offsets is not None:
            parts = [_offset(part, by) for part, by in zip(parts, offsets[:-1], strict=True)]
        return np.concatenate([getattr(blank, name), *parts])

    return EventScore(
        *(sum(getattr(score, name) for score in scores) for name in ("tp", "fp", "fn")),
        gather("prediction_verdict"),
        gather("prediction_match", n_targets),
        gather("prediction_iou"),
        gather("target_verdict"),
        gather("target_match", n_predictions),
    )


def by_duration(predictions, targets, *, cuts, iou_threshold=0.5):
    """Event-based scores by the duration of the events.

    Matching is that of `f1_event`, over all durations at once. Hits and false negatives belong to
    the bin of the target's duration, false positives to the bin of the *predicted* duration, so
    the counts of the bins add up to those of `f1_event`.

    Parameters
    ----------
    predictions, targets : Events or sequence of Events
        As in `f1_event`.
    cuts : array_like, shape (n_cuts,)
        Increasing durations, in s, at which one bin ends and the next begins. There are
        ``n_cuts + 1`` bins, ``[0, cuts[0])`` to ``[cuts[-1], inf)``.
    iou_threshold : float, default=0.5

    Returns
    -------
    table : pandas.DataFrame
        One row per bin: ``low``, ``high`` (s), ``n_targets``, ``tp``, ``fp``, ``fn``,
        ``precision``, ``recall``, ``f1`` (nan where undefined).

    Raises
    ------
    ValueError
        If ``cuts`` do not increase or are not positive and finite, and as `f1_event`.
    """
    import pandas as pd

    cuts = validation.vector(cuts, "cuts", above=0, unit="s", empty=True)
    if np.any(np.diff(cuts) <= 0):
        raise ValueError(f"cuts must increase, got {cuts.tolist()}.")
    score = f1_event(predictions, targets, iou_threshold=iou_threshold)
    pairs = pair_sets(predictions, targets)
    none = np.zeros(0)
    found = np.digitize(np.concatenate([none, *(p.duration for p, _ in pairs)]), cuts)
    truth = np.digitize(np.concatenate([none, *(t.duration for _, t in pairs)]), cuts)
    rows = []
    bounds = np.concatenate([[0.0], cuts, [np.inf]])
    for i in range(len(cuts) + 1):
        counts = EventScore(
            tp=int(np.sum(score.target_verdict[truth == i] == "hit")),
            fp=int(np.sum(score.prediction_verdict[found == i] != "hit")),
            fn=int(np.sum(score.target_verdict[truth == i] != "hit")),
        )
        rows.append(
            {
                "low": bounds[i],
                "high": bounds[i + 1],
                "n_targets": int(np.sum(truth == i)),
                **{name: getattr(counts, name) for name in ("tp", "fp", "fn")},
                **{name: getattr(counts, name) for name in ("precision", "recall", "f1")},
            }
        )
    return pd.DataFrame(rows)


def pair_sets(predictions, targets):
    """Pair the detections of each window or recording with its truth.

    Parameters
    ----------
    predictions, targets : Events or sequence of Events
        Both of one form.

    Returns
    -------
    pairs : list of tuple of Events
        ``(predictions, targets)`` of each; one pair when given two `Events`.

    Raises
    ------
    ValueError
        If the forms or the numbers of sets differ.
    """
    if isinstance(predictions, Events) and isinstance(targets, Events):
        return [(predictions, targets)]
    if not (isinstance(predictions, Sequence) and isinstance(targets, Sequence)):
        kinds = f"{type(predictions).__name__} and {type(targets).__name__}"
        raise ValueError(
            f"predictions and targets must both be Events, or both lists of Events; got {kinds}."
        )
    if len(predictions) != len(targets):
        raise ValueError(
            f"got {len(predictions)} sets of predictions for {len(targets)} sets of targets; "
            "a window without detections needs an empty set."
        )
    return list(zip(predictions, targets, strict=True))


def _match(predictions, targets, threshold):
    """Greedy matching of one set of predictions with one set of targets."""
    if predictions.confidence is None:
        if len(predictions):
            raise ValueError(
                f"{len(predictions)} predictions have no confidence, which decides who matches "
                "first. Without a ranking, give all the same: confidence=np.ones(n)."
            )
        predictions = Events.empty(confidence=True)
    verdict = np.full(len(predictions), "spurious", dtype="U11")
    match = np.full(len(predictions), -1)
    best = np.zeros(len(predictions))
    taken_by = np.full(len(targets), -1)
    low, high = _overlapping(predictions, targets)
    for p in np.argsort(-predictions.confidence, kind="stable"):
        near = slice(low[p], high[p])
        overlap = _iou(
            predictions.start[p], predictions.end[p], targets.start[near], targets.end[near]
        )
        free = np.where(taken_by[near] < 0, overlap, 0.0)
        if not free.size:
            continue
        t = low[p] + int(np.argmax(free))
        best[p] = free[t - low[p]]
        if best[p] >= threshold:
            match[p], taken_by[t] = t, p
            same = predictions.label[p] == targets.label[t]
            verdict[p] = "hit" if same else "wrong class"
        elif overlap.max() >= threshold:
            verdict[p] = "duplicate"
    target_verdict = np.full(len(targets), "missed", dtype="U11")
    target_verdict[taken_by >= 0] = verdict[taken_by[taken_by >= 0]]
    tp = int(np.sum(verdict == "hit"))
    return EventScore(
        tp,
        len(predictions) - tp,
        len(targets) - tp,
        verdict,
        match,
        best,
        target_verdict,
        taken_by,
    )


def _overlapping(predictions, targets):
    """For every prediction, a range of targets that holds all those that overlap it."""
    latest = np.maximum.accumulate(targets.end) if len(targets) else targets.end
    low = np.searchsorted(latest, predictions.start, side="right")
    high = np.searchsorted(targets.start, predictions.end, side="left")
    return low, np.maximum(low, high)


def _offset(indices, by):
    return np.where(indices >= 0, indices + by, -1)


def ratio(numerator, denominator):
    """Quotient as a float; nan when the denominator is 0.

    Parameters
    ----------
    numerator, denominator : float

    Returns
    -------
    quotient : float
    """
    return float(numerator / denominator) if denominator else float("nan")
