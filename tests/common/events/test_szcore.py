"""SzCORE's scores of seizure detections, by hand."""

import numpy as np
import pytest

from common.events import Events, szcore

pytest.importorskip("timescoring")

HOUR = 3600.0


def spans(*pairs, label=1):
    start, end = np.array(pairs, dtype=float).reshape(-1, 2).T
    return Events(start, end, np.full(len(start), label))


@pytest.mark.parametrize(
    ("reference", "hypothesis", "sensitivity", "precision", "per_day"),
    [
        (spans((600, 660)), spans((600, 660)), 1, 1, 0),
        # Any overlap counts, and 30 s before and 60 s after are tolerated.
        (spans((600, 660)), spans((655, 700)), 1, 1, 0),
        (spans((600, 660)), spans((575, 580)), 1, 1, 0),
        (spans((600, 660)), spans((715, 730)), 1, 1, 0),
        (spans((600, 660)), spans((725, 730)), 0, 0, 24),
        # Detections less than 90 s apart are one.
        (spans((600, 660)), spans((1800, 1810), (1880, 1890)), 0, 0, 24),
        (spans((600, 660)), spans((1800, 1810), (1901, 1910)), 0, 0, 48),
        # A seizure of 12 min is three of at most 5 min; only the first is found.
        (spans((600, 1320)), spans((600, 660)), 1 / 3, 1, 0),
        (spans(), spans((600, 660)), np.nan, 0, 24),
        (spans((600, 660)), spans(), 0, np.nan, 0),
    ],
)
def test_event_scores_by_hand(reference, hypothesis, sensitivity, precision, per_day):
    score = szcore(reference, hypothesis, duration=HOUR)["event"]
    assert score.sensitivity == pytest.approx(sensitivity, nan_ok=True)
    assert score.precision == pytest.approx(precision, nan_ok=True)
    assert score.false_positives_per_day == pytest.approx(per_day)


def test_sample_scores_by_hand():
    score = szcore(spans((600, 660)), spans((630, 720)), duration=HOUR)["sample"]
    assert (score.tp, score.fp, score.n_reference) == (30, 60, 60)
    assert score.sensitivity == 0.5
    assert score.precision == pytest.approx(1 / 3)
    assert score.f1 == pytest.approx(2 * 30 / (60 + 90))
    assert score.false_positives_per_day == 60 * 24


def test_the_length_of_the_recording_is_kept_to_a_tenth_of_a_second():
    # One false alarm in 100.4 s; whole seconds would make it one in 100 s.
    score = szcore(spans(), spans((10, 20)), duration=100.4)["event"]
    assert score.false_positives_per_day == pytest.approx(86400 / 100.4, rel=1e-9)


def test_one_class_or_any():
    reference = Events([600, 1800], [660, 1860], [1, 2])
    hypothesis = Events([600, 1800], [660, 1860], [2, 2], [0.9, 0.9])
    assert szcore(reference, hypothesis, duration=HOUR)["event"].f1 == 1
    second = szcore(reference, hypothesis, duration=HOUR, label=2)["event"]
    assert (second.tp, second.fp, second.n_reference) == (1, 1, 1)
    assert szcore(reference, hypothesis, duration=HOUR, label=1)["event"].sensitivity == 0


def test_an_event_inside_another_does_not_shorten_it():
    # Merging by the later end alone would cut [600, 800] at 620 and miss the detection at 790.
    reference = Events([600, 610], [800, 620], [1, 2])
    score = szcore(reference, spans((785, 795)), duration=HOUR)
    assert score["sample"].tp == 10
    assert score["sample"].n_reference == 200


def test_errors():
    with pytest.raises(ValueError, match=r"duration must be above 0 s, got 0 s"):
        szcore(spans(), spans(), duration=0)
    with pytest.raises(ValueError, match=r"hypothesis has events in \[50, 70\] s, outside .* 60\]"):
        szcore(spans(), spans((50, 70)), duration=60)
