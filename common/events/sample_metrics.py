"""How well detections agree with the truth, sample by sample."""

from dataclasses import dataclass

import numpy as np

from common import validation
from common.events.metrics import pair_sets, ratio

__all__ = ["SampleScore", "f1_sample", "render"]

# A boundary this close (in samples) below a sample's edge is on it: 0.29 s at 100 Hz is sample 29.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class SampleScore:
    """Counts of a sample-by-sample comparison, per class; row 0 is the background.

    Scores of windows or recordings add, as long as they have the same classes.

    Attributes
    ----------
    tp, fp, fn : ndarray of int, shape (n_classes + 1,)
        Samples, at the rate of the comparison.
    """

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray

    @property
    def f1_per_class(self):
        """ndarray, shape (n_classes + 1,): ``2 tp / (2 tp + fp + fn)``, nan for an absent class."""
        return np.array([ratio(2 * t, 2 * t + p + n) for t, p, n in self._rows()])

    @property
    def f1(self):
        """float: mean over all classes, in which a class absent from both sides counts 0.

        That is what torchmetrics does with ``MultilabelF1Score(average="macro")``, the metric of
        the release (0/0 becomes 0, and keeps its weight). On a recording without some class the
        score is therefore below 1 even for a perfect answer; see `f1_present`.
        """
        return float(np.mean(np.nan_to_num(self.f1_per_class, nan=0.0)))

    @property
    def f1_present(self):
        """float: mean over the classes that occur on either side; nan if there is none."""
        present = self.f1_per_class[~np.isnan(self.f1_per_class)]
        return float(present.mean()) if present.size else float("nan")

    def _rows(self):
        return zip(self.tp, self.fp, self.fn, strict=True)

    def __add__(self, other):
        if not isinstance(other, SampleScore):
            return NotImplemented
        return SampleScore(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def f1_sample(predictions, targets, *, n_classes, duration, rate):
    """Compare detections with the truth sample by sample, classes and background alike.

    Both sides are rendered (`render`) and compared; see `SampleScore.f1` for the average.

    Parameters
    ----------
    predictions, targets : Events or sequence of Events
        In s from the start of their window or recording. A sequence holds one set each.
    n_classes : int
        Number K of classes, without the background.
    duration : float or sequence of float
        Length of the windows or recordings, in s; one number serves all.
    rate : float
        Samples per second of the comparison, in Hz. The release takes the token rate of the
        network, ``n_tokens / window``.

    Returns
    -------
    score : SampleScore

    Raises
    ------
    ValueError
        If the numbers of sets or durations differ, a label exceeds ``n_classes``, the duration
        holds no sample, or a number is NaN or not positive.
    """
    n_classes = validation.count(n_classes, "n_classes")
    pairs = pair_sets(predictions, targets)
    durations = np.broadcast_to(duration, len(pairs)) if np.ndim(duration) == 0 else duration
    if len(durations) != len(pairs):
        raise ValueError(f"got {len(durations)} durations for {len(pairs)} sets of events.")
    tp, fp, fn = np.zeros((3, n_classes + 1), dtype=np.int64)
    for (found, truth), length in zip(pairs, durations, strict=True):
        guess = render(found, n_classes=n_classes, duration=length, rate=rate)
        right = render(truth, n_classes=n_classes, duration=length, rate=rate)
        tp += np.sum(guess & right, axis=1)
        fp += np.sum(guess & ~right, axis=1)
        fn += np.sum(~guess & right, axis=1)
    return SampleScore(tp, fp, fn)


def render(events, *, n_classes, duration, rate):
    """Draw events on a grid of samples, one row per class.

    An event covers samples ``floor(start * rate)`` up to, not including, ``floor(end * rate)``.
    Events of different classes may cover the same sample. Row 0, the background, is where no class
    is.

    Parameters
    ----------
    events : Events
        In s from the start of the grid; parts outside it are not drawn.
    n_classes : int
        Number K of classes, without the background.
    duration : float
        Length of the grid, in s; it has ``floor(duration * rate)`` samples.
    rate : float
        In Hz.

    Returns
    -------
    mask : ndarray of bool, shape (n_classes + 1, n_samples)

    Raises
    ------
    ValueError
        If a label exceeds ``n_classes``, the grid has no sample, or all events lie far outside it.
    """
    n_classes = validation.count(n_classes, "n_classes")
    duration = validation.number(duration, "duration", above=0, unit="s")
    rate = validation.number(rate, "rate", above=0, unit="Hz")
    n_samples = int(duration * rate + _ROUNDING)
    if n_samples < 1:
        raise ValueError(f"duration={duration:g} s at rate={rate:g} Hz holds no sample.")
    if len(events) and events.label.max() > n_classes:
        raise ValueError(
            f"an event has class {events.label.max()} but n_classes={n_classes}; n_classes does "
            "not count the background."
        )
    # Nothing would be drawn, and a score of nothing be taken for one of the events.
    if len(events) and (events.start.min() > 2 * duration or events.end.max() < -duration):
        raise ValueError(
            f"all events lie outside the recording [0, {duration:.12g}) s, from "
            f"{events.start.min():.12g} to {events.end.max():.12g} s. Are the times in samples, or "
            "do they not count from the recording's start? Convert them, or subtract it."
        )
    mask = np.zeros((n_classes + 1, n_samples), dtype=bool)
    first = np.clip(np.floor(events.start * rate + _ROUNDING), 0, n_samples).astype(int)
    last = np.clip(np.floor(events.end * rate + _ROUNDING), 0, n_samples).astype(int)
    for begin, stop, label in zip(first, last, events.label, strict=True):
        mask[label, begin:stop] = True
    mask[0] = ~mask[1:].any(axis=0)
    return mask
