"""Event and sample scores: by hand, against a transcription, and what they do not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.events import Events, EventScore, by_duration, f1_event, f1_sample, iou, render


def found(*rows):
    """Detections from (start, end, label, confidence)."""
    return Events(*np.array(rows, dtype=float).reshape(-1, 4).T)


def truth(*rows):
    return Events(*np.array(rows, dtype=float).reshape(-1, 3).T)


def counts(score):
    return score.tp, score.fp, score.fn


# Every branch of the event-based score, counted by hand: (predictions, targets, tp, fp, fn).
CASES = {
    "nothing at all": (found(), truth(), 0, 0, 0),
    "only predictions": (found((0, 1, 1, 0.9), (2, 3, 1, 0.8)), truth(), 0, 2, 0),
    "only targets": (found(), truth((0, 1, 1), (2, 3, 2)), 0, 0, 2),
    "exact": (found((0, 4, 1, 0.9)), truth((0, 4, 1)), 1, 0, 0),
    "IoU exactly one half is enough": (found((0, 4, 1, 0.9)), truth((0, 8, 1)), 1, 0, 0),
    "IoU just below": (found((0, 3, 1, 0.9)), truth((0, 8, 1)), 0, 1, 1),
    "duplicate": (found((0, 4, 1, 0.9), (0, 4, 1, 0.8)), truth((0, 4, 1)), 1, 1, 0),
    # The confident wrong class consumes the target: the right one comes too late.
    "wrong class first": (found((0, 4, 2, 0.9), (0, 4, 1, 0.8)), truth((0, 4, 1)), 0, 2, 1),
    "right class first": (found((0, 4, 2, 0.8), (0, 4, 1, 0.9)), truth((0, 4, 1)), 1, 1, 0),
    # The class plays no part in choosing: the best overlap has another class, the second best
    # (IoU 4/5, still enough) would have been right.
    "best overlap regardless of class": (
        found((0, 4, 1, 0.9)),
        truth((0, 4, 2), (0, 5, 1)),
        0,
        1,
        2,
    ),
    # The second prediction's best target is taken; the other overlaps by 4/6 and is still free.
    "second choice is enough": (
        found((0, 4, 1, 0.9), (0, 5, 1, 0.8)),
        truth((0, 4, 1), (1, 6, 1)),
        2,
        0,
        0,
    ),
    "second choice is not enough": (
        found((0, 4, 1, 0.9), (0, 5, 1, 0.8)),
        truth((0, 4, 1), (4, 8, 1)),
        1,
        1,
        1,
    ),
    "touching events": (
        found((0, 4, 1, 0.9), (4, 8, 1, 0.8)),
        truth((0, 4, 1), (4, 8, 1)),
        2,
        0,
        0,
    ),
    "two events seen as one": (found((0, 8, 1, 0.9)), truth((0, 4, 1), (4, 8, 1)), 1, 0, 1),
    "zero length never matches": (found((2, 2, 1, 0.9)), truth((2, 2, 1)), 0, 1, 1),
    "zero length inside an event": (found((2, 2, 1, 0.9)), truth((0, 4, 1)), 0, 1, 1),
    # Equal confidence: the earlier prediction goes first, and its wrong class consumes.
    "tie in confidence": (found((0, 8, 2, 0.9), (1, 8, 1, 0.9)), truth((0, 8, 1)), 0, 2, 1),
    # Equal overlap of 4/6 with both targets: the earlier one is taken.
    "tie in overlap": (found((2, 6, 1, 0.9)), truth((0, 6, 1), (2, 8, 2)), 1, 0, 1),
    "disjoint": (found((0, 1, 1, 0.9)), truth((5, 6, 1)), 0, 1, 1),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_counts_by_hand(case):
    predictions, targets, *expected = case
    assert counts(f1_event(predictions, targets)) == tuple(expected)


def test_scores_by_hand():
    predictions = found((0, 4, 1, 0.9), (10, 12, 1, 0.8), (20, 21, 2, 0.7), (30, 31, 1, 0.6))
    score = f1_event(predictions, truth((0, 4, 1), (10, 12, 1), (20, 21, 1)))
    assert counts(score) == (2, 2, 1)
    assert score.precision == 2 / 4
    assert score.recall == 2 / 3
    assert score.f1 == 4 / 7
    assert score.prediction_verdict.tolist() == ["hit", "hit", "wrong class", "spurious"]
    assert score.prediction_match.tolist() == [0, 1, 2, -1]
    assert score.target_verdict.tolist() == ["hit", "hit", "wrong class"]
    assert score.target_match.tolist() == [0, 1, 2]
    assert score.prediction_iou.tolist() == [1, 1, 1, 0]


def test_duplicates_are_told_from_spurious_detections():
    predictions = found((0, 4, 1, 0.5), (0, 4.5, 1, 0.9), (0, 1, 1, 0.1), (3, 9, 1, 0.4))
    score = f1_event(predictions, truth((0, 4, 1)))
    # In order of time: (0, 1), (0, 4), (0, 4.5), (3, 9).
    assert score.prediction_verdict.tolist() == ["spurious", "duplicate", "hit", "spurious"]


def test_undefined_scores_are_nan():
    nothing, everything = f1_event(found(), truth()), f1_event(found(), truth((0, 1, 1)))
    assert np.isnan([nothing.f1, nothing.precision, nothing.recall]).all()
    assert np.isnan(everything.precision)
    assert (everything.recall, everything.f1) == (0, 0)


def random_sets(seed, *, n_predictions=12, n_targets=9, n_classes=2):
    """Events on a coarse grid, so that ties and touching events are common."""
    rng = np.random.default_rng(seed)
    sets = []
    for n in (rng.integers(0, n_predictions + 1), rng.integers(0, n_targets + 1)):
        start = rng.integers(0, 24, n)
        sets.append((start, start + rng.integers(0, 9, n), rng.integers(1, n_classes + 1, n), rng))
    (s, e, c, _), (ts, te, tc, _) = sets
    return Events(s, e, c, rng.integers(0, 5, len(s)) / 4), Events(ts, te, tc)


def literal(predictions, targets):
    """Independent transcription of the definition, one comparison at a time."""
    rows = zip(predictions.start, predictions.end, predictions.label, strict=True)
    ranked = sorted(zip(predictions.confidence, rows, strict=True), key=lambda row: -row[0])
    free = list(zip(targets.start, targets.end, targets.label, strict=True))
    tp = fp = fn = 0
    for _, (start, end, label) in ranked:
        best, chosen = 0.0, None
        for target in free:
            hull = max(end, target[1]) - min(start, target[0])
            shared = min(end, target[1]) - max(start, target[0])
            value = shared / hull if hull > 0 and shared > 0 else 0.0
            if value > best:
                best, chosen = value, target
        if chosen is None or best < 0.5:
            fp += 1
            continue
        free.remove(chosen)
        if chosen[2] == label:
            tp += 1
        else:
            fp += 1
            fn += 1
    return tp, fp, fn + len(free)


@settings(deadline=None, max_examples=300)
@given(seed=st.integers(0, 2**32 - 1))
def test_agrees_with_a_literal_transcription(seed):
    predictions, targets = random_sets(seed)
    score = f1_event(predictions, targets)
    assert counts(score) == literal(predictions, targets)
    # What any score satisfies.
    assert score.tp + score.fp == len(predictions)
    assert score.tp + score.fn == len(targets)
    taken = score.prediction_match[score.prediction_match >= 0]
    assert len(set(taken)) == len(taken)
    assert np.array_equal(score.target_match[taken], np.flatnonzero(score.prediction_match >= 0))


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shift=st.integers(-1000, 1000),
    # Powers of two change no bit of an IoU: exact ties stay exact.
    scale=st.sampled_from([2.0**-10, 0.5, 4.0, 2.0**10]),
)
def test_time_shift_and_scale_do_not_matter(seed, shift, scale):
    predictions, targets = random_sets(seed)
    moved = [
        Events((x.start + shift) * scale, (x.end + shift) * scale, x.label, x.confidence)
        for x in (predictions, targets)
    ]
    assert counts(f1_event(*moved)) == counts(f1_event(predictions, targets))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_swapping_perfectly_separated_sets_swaps_precision_and_recall(seed):
    # Without competition (disjoint events, one class), greedy matching is symmetric.
    rng = np.random.default_rng(seed)
    start = 10.0 * np.arange(6)
    kept = rng.random((2, 6)) < 0.7
    a, b = (
        Events(start[k], start[k] + rng.integers(1, 9, k.sum()), np.ones(k.sum()), np.ones(k.sum()))
        for k in kept
    )
    one, two = f1_event(a, b), f1_event(b, a)
    assert (one.tp, one.fp, one.fn) == (two.tp, two.fn, two.fp)


def test_counts_add_over_windows():
    pairs = [random_sets(seed) for seed in range(20)]
    whole = f1_event([p for p, _ in pairs], [t for _, t in pairs])
    added = sum((f1_event(p, t) for p, t in pairs), EventScore())
    assert counts(whole) == counts(added)
    for name in ("prediction_verdict", "prediction_match", "target_verdict", "target_match"):
        assert np.array_equal(getattr(whole, name), getattr(added, name))
    assert counts(f1_event([], [])) == (0, 0, 0)
    with pytest.raises(TypeError):
        EventScore() + 1


def test_an_event_counts_where_its_duration_puts_it():
    predictions = found((0, 1, 1, 0.9), (10, 30, 1, 0.8), (40, 41, 2, 0.7), (50, 70, 1, 0.6))
    targets = truth((0, 1.5, 1), (40, 41, 1), (80, 110, 1))
    table = by_duration(predictions, targets, cuts=[1.2, 25])
    assert table["low"].tolist() == [0, 1.2, 25]
    assert table["high"].tolist() == [1.2, 25, np.inf]
    assert table["n_targets"].tolist() == [1, 1, 1]
    assert table["tp"].tolist() == [0, 1, 0]  # the hit of 1 s belongs to its target of 1.5 s
    assert table["fp"].tolist() == [1, 2, 0]
    assert table["fn"].tolist() == [1, 0, 1]
    assert table["recall"].tolist() == [0, 1, 0]
    assert table["f1"].tolist() == [0, 2 / 4, 0]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_durations_add_up_to_the_whole(seed):
    pairs = [random_sets(seed + i) for i in range(3)]
    predictions, targets = zip(*pairs, strict=True)
    table = by_duration(predictions, targets, cuts=[2, 5])
    score = f1_event(predictions, targets)
    assert tuple(table[["tp", "fp", "fn"]].sum()) == counts(score)


def test_iou_by_hand():
    assert iou(0, 4, np.array([0, 2, 4, 5, 0]), np.array([4, 6, 8, 6, 8])).tolist() == [
        1, 1 / 3, 0, 0, 0.5,
    ]  # fmt: skip
    assert iou(1, 1, 1, 1) == 0


def test_rendering_by_hand():
    mask = render(truth((1, 3, 1), (2, 4, 2), (4.5, 4.9, 1)), n_classes=3, duration=5, rate=1)
    assert mask.astype(int).tolist() == [
        [1, 0, 0, 0, 1],
        [0, 1, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0],
    ]
    # 0.29 * 100 is 28.999999999999996: still sample 29.
    assert (
        render(truth((0.29, 0.31, 1)), n_classes=1, duration=1, rate=100)[1].nonzero()[0][0] == 29
    )
    # What lies outside the grid is not drawn.
    assert render(truth((-2, 1, 1), (4, 9, 1)), n_classes=1, duration=5, rate=1)[1].sum() == 2


def test_sample_score_by_hand():
    score = f1_sample(
        found((0, 2, 1, 0.9)), truth((1, 3, 1), (3, 4, 2)), n_classes=3, duration=10, rate=1
    )
    assert score.tp.tolist() == [6, 1, 0, 0]
    assert score.fp.tolist() == [2, 1, 0, 0]
    assert score.fn.tolist() == [1, 1, 1, 0]
    background, first = 12 / 15, 2 / 4
    assert score.f1_per_class[:3].tolist() == [background, first, 0]
    assert np.isnan(score.f1_per_class[3])
    # Class 3 is on neither side: it counts as 0 in the mean over all, as in the release.
    assert score.f1 == pytest.approx((background + first) / 4)
    assert score.f1_present == pytest.approx((background + first) / 3)


@pytest.mark.parametrize("seed", range(5))
def test_sample_score_agrees_with_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    predictions, targets = random_sets(seed, n_classes=3)
    masks = [render(x, n_classes=3, duration=40, rate=2) for x in (targets, predictions)]
    expected = metrics.f1_score(masks[0].T, masks[1].T, average="macro", zero_division=0)
    score = f1_sample(predictions, targets, n_classes=3, duration=40, rate=2)
    assert score.f1 == pytest.approx(expected)


def test_same_samples_other_events():
    # Six bursts seen as one long event: hardly a sample is wrong, hardly an event is right.
    targets = Events(np.arange(6) * 10, np.arange(6) * 10 + 9, np.ones(6))
    predictions = found((0, 59, 1, 0.9))
    samples = f1_sample(predictions, targets, n_classes=1, duration=60, rate=1)
    assert samples.f1_per_class[1] > 0.9
    assert f1_event(predictions, targets).f1 == 0


def test_sample_counts_add_over_windows_of_different_length():
    pairs = [random_sets(seed) for seed in range(4)]
    lengths = [40, 50, 60, 45]
    options = {"n_classes": 2, "rate": 2}
    whole = f1_sample(*(list(x) for x in zip(*pairs, strict=True)), duration=lengths, **options)
    parts = [
        f1_sample(*pair, duration=d, **options) for pair, d in zip(pairs, lengths, strict=True)
    ]
    added = parts[0] + parts[1] + parts[2] + parts[3]
    assert all(np.array_equal(getattr(whole, n), getattr(added, n)) for n in ("tp", "fp", "fn"))
    with pytest.raises(TypeError):
        added + 1


def test_errors():
    one = truth((0, 1, 2))
    with pytest.raises(ValueError, match=r"1 predictions have no confidence"):
        f1_event(one, one)
    with pytest.raises(ValueError, match=r"iou_threshold must be above 0 and at most 1, got 0"):
        f1_event(found(), one, iou_threshold=0)
    with pytest.raises(ValueError, match=r"got 0 sets of predictions for 1 sets of targets"):
        f1_event([], [one])
    with pytest.raises(ValueError, match=r"both be Events, or both lists .* got list and Events"):
        f1_event([found()], one)
    with pytest.raises(ValueError, match=r"cuts must increase, got \[2"):
        by_duration(found(), one, cuts=[2, 1])
    with pytest.raises(ValueError, match=r"an event has class 2 but n_classes=1"):
        render(one, n_classes=1, duration=5, rate=1)
    with pytest.raises(ValueError, match=r"duration=0.1 s at rate=1 Hz holds no sample"):
        render(one, n_classes=2, duration=0.1, rate=1)
    with pytest.raises(ValueError, match=r"got 2 durations for 1 sets"):
        f1_sample([found()], [one], n_classes=2, duration=[1, 2], rate=1)


@pytest.mark.parametrize("scale, shift", [(1, 1.6e9), (256, 0), (1000, 5e3), (1, -100)])
def test_events_of_another_clock_are_not_scored_in_silence(scale, shift):
    times = [(scale * a + shift, scale * b + shift, 1) for a, b in ((1, 2), (3, 4))]
    times = times if scale == 1 else times[1:]
    with pytest.raises(ValueError, match=r"all events lie outside the recording \[0, 10\) s, from"):
        f1_sample(truth((1, 2, 1)), truth(*times), n_classes=1, duration=10, rate=100)
