"""Splits never let a subject be on both sides, and tables add up to the scores of the parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.events import (
    DURATION_CUTS,
    Events,
    Recording,
    detection_table,
    duration_table,
    f1_event,
    f1_sample,
    score_table,
    split_recordings,
    split_subjects,
)

# Four at least: with two folds and half of the rest validating, somebody is left to train on.
subjects = st.sets(st.text("abc", min_size=1, max_size=4), min_size=4, max_size=20).map(list)


@settings(deadline=None)
@given(names=subjects, data=st.data(), fraction=st.floats(0, 0.5))
def test_a_split_is_a_partition_and_folds_test_everyone_once(names, data, fraction):
    n_subjects = len(names)
    n_folds = data.draw(st.integers(2, n_subjects))
    tested = []
    for fold in range(n_folds):
        parts = split_subjects(names, n_folds=n_folds, fold=fold, valid_fraction=fraction)
        train, valid, test = parts
        assert sorted(train + valid + test) == sorted(names)  # disjoint, and all of them
        assert all(part == sorted(part) for part in parts)
        rest = len(train) + len(valid)
        assert len(valid) == (max(1, round(fraction * rest)) if fraction > 0 else 0)
        assert train
        # Folds differ by one subject at most.
        assert len(test) in (n_subjects // n_folds, -(-n_subjects // n_folds))
        tested += test
    assert sorted(tested) == sorted(names)


def test_order_and_repetition_of_the_subjects_do_not_matter():
    a = split_subjects(["c", "a", "b", "d"], n_folds=2, fold=0, valid_fraction=0.5)
    b = split_subjects(["d", "c", "b", "a", "a", "d"], n_folds=2, fold=0, valid_fraction=0.5)
    assert a == b == (["d"], ["b"], ["a", "c"])


def test_test_subjects_may_be_given_by_name():
    train, valid, test = split_subjects("abcd", n_folds=1, fold=0, test=["d", "b", "b"])
    assert (train, valid, test) == (["a", "c"], [], ["b", "d"])
    names = ["train/1", "eval/1", "eval/2", "dev/1"]
    train, valid, test = split_subjects(names, n_folds=1, fold=0, test=["eval/*"])
    assert (train, valid, test) == (["dev/1", "train/1"], [], ["eval/1", "eval/2"])


def test_splits_that_cannot_be_made():
    with pytest.raises(ValueError, match=r"fold=2 of n_folds=2 needs 0 <= fold < n_folds <= 3"):
        split_subjects("abc", n_folds=2, fold=2)
    with pytest.raises(ValueError, match=r"fold=0 of n_folds=4 .* <= 3, the number of subjects"):
        split_subjects("abc", n_folds=4, fold=0)
    with pytest.raises(ValueError, match=r"\['x'\] are not among the subjects \['a', 'b'\]"):
        split_subjects("ab", n_folds=1, fold=0, test=["a", "x"])
    with pytest.raises(ValueError, match=r"nobody is left .* 1 of 2 subjects test and 1 validate"):
        split_subjects("ab", n_folds=2, fold=0, valid_fraction=0.1)
    with pytest.raises(ValueError, match=r"nobody is left .* 3 of 3 subjects test and 0 validate"):
        split_subjects("abc", n_folds=1, fold=0)


def test_recordings_go_where_their_subjects_go():
    recordings = [
        Recording(name, np.zeros((1, 2)), 1.0, ("C0",), np.zeros((1, 2)), Events.empty())
        for name in "cabac"
    ]
    parts = split_recordings(recordings, n_folds=3, fold=0, valid_fraction=0.5)
    assert [[recordings.index(each) for each in part] for part in parts] == [[0, 4], [2], [1, 3]]


# Tables


def random_events(rng, *, confidence):
    start = rng.uniform(0, 80, 12)
    return Events(
        start,
        start + rng.uniform(0.1, 15, 12),
        rng.integers(1, 3, 12),
        rng.random(12) if confidence else None,
    )


@pytest.fixture
def pairs():
    """Detections and recordings: two of subject b, one of a and of c, which has no detection."""
    rng = np.random.default_rng(0)
    recordings, found = [], []
    for subject, duration in [("b", 100), ("a", 110), ("b", 120), ("c", 100)]:
        truth = random_events(rng, confidence=False)
        data = np.zeros((1, duration))
        recordings.append(Recording(subject, data, 1.0, ("C0",), np.zeros((1, 2)), truth))
        # Half of the detections are the truth, moved a little.
        some = truth[rng.random(12) < 0.5]
        guess = random_events(rng, confidence=True)
        start = np.concatenate([some.start, guess.start])
        end = np.concatenate([some.end, guess.end])
        label = np.concatenate([some.label, guess.label])
        found.append(Events(start, end, label, rng.random(len(start))))
    found[3] = Events.empty(confidence=True)
    return found, recordings


def test_scores_of_subjects_are_those_of_their_recordings_together(pairs):
    found, recordings = pairs
    table = score_table(found, recordings, n_classes=2, rate=4.0).set_index("subject")
    assert table.index.tolist() == ["a", "b", "c"]
    truth = [recording.events for recording in recordings]
    for subject, chosen in {"a": [1], "b": [0, 2], "c": [3]}.items():
        d, t = [found[i] for i in chosen], [truth[i] for i in chosen]
        score = f1_event(d, t)
        row = table.loc[subject]
        assert (row["tp"], row["fp"], row["fn"]) == (score.tp, score.fp, score.fn)
        assert row["f1_event"] == score.f1
        assert row["n_events"] == 12 * len(chosen)
        duration = [recordings[i].duration for i in chosen]
        sample = f1_sample(d, t, n_classes=2, duration=duration, rate=4.0)
        assert row["f1_sample"] == sample.f1
    assert table.loc["c", "f1_event"] == 0
    total = f1_event(found, truth)
    assert table[["tp", "fp", "fn"]].sum().tolist() == [total.tp, total.fp, total.fn]
    assert total.tp > 10  # there is something to add up


def test_durations_add_up_to_the_scores(pairs):
    found, recordings = pairs
    scores = score_table(found, recordings, n_classes=2, rate=4.0).set_index("subject")
    table = duration_table(found, recordings)
    columns = ["subject", "low", "high", "n_targets", "tp", "fp", "fn"]
    assert table.columns.tolist() == columns
    assert table["subject"].tolist() == [s for s in "abc" for _ in range(len(DURATION_CUTS) + 1)]
    sums = table.groupby("subject")[["n_targets", "tp", "fp", "fn"]].sum()
    assert sums["n_targets"].tolist() == scores["n_events"].tolist()
    for name in ("tp", "fp", "fn"):
        assert sums[name].tolist() == scores[name].tolist()
    one = table[table["subject"] == "a"]
    assert one["low"].tolist() == [0, *DURATION_CUTS]
    assert one["high"].tolist() == [*DURATION_CUTS, np.inf]
    # The bins are those of the true durations.
    durations = recordings[1].events.duration
    assert one["n_targets"].tolist() == np.histogram(durations, [0, *DURATION_CUTS, 99])[0].tolist()


def test_detections_of_all_recordings_in_one_table(pairs):
    found, recordings = pairs
    table = detection_table(found, recordings)
    assert set(table) == {"subject", "start", "end", "label", "confidence"}
    assert table["subject"].tolist() == [
        r.subject for events, r in zip(found, recordings, strict=True) for _ in range(len(events))
    ]
    again = Events.from_frame(table[table["subject"] == "a"])
    assert again == found[1]
    assert table["label"].dtype.kind == "i"
    assert len(table) == sum(map(len, found)) and table.index.is_unique


def test_other_cuts(pairs):
    table = duration_table(*pairs, cuts=(5.0,))
    assert table[["low", "high"]].drop_duplicates().values.tolist() == [[0, 5], [5, np.inf]]


def test_each_recording_needs_its_detections(pairs):
    found, recordings = pairs
    for table in (
        lambda: score_table(found[:3], recordings, n_classes=2, rate=4.0),
        lambda: duration_table(found[:3], recordings),
    ):
        with pytest.raises(ValueError, match=r"3 sets of detections for 4 recordings"):
            table()


def test_events_that_straddle_windows_count_in_one_score_and_not_in_the_other():
    # Windows of 8 s: [1, 5] is whole, [6, 10] straddles 8 s, [17, 19] is beyond the last window.
    truth = Events([1.0, 6.0, 17.0], [5.0, 10.0, 19.0], [1, 1, 1])
    data = np.zeros((1, 200))
    recording = Recording("a", data, 10.0, ("C3",), np.zeros((1, 2)), truth)
    options = {"n_classes": 1, "rate": 4.0, "window": 8.0}

    def scores(*spans):
        start, end = np.array(spans).T
        found = Events(start, end, np.ones(len(start)), np.full(len(start), 0.9))
        return score_table([found], [recording], **options).loc[0]

    perfect = scores((1, 5), (6, 10), (17, 19))
    assert (perfect["f1_event"], perfect["f1_inside"]) == (1, 1)
    assert perfect[["whole", "fragmented", "lost"]].tolist() == [1, 1, 1]
    # A network of the release sees only what is whole: right in its own terms, one of three here.
    alone = scores((1, 5))
    assert (alone["f1_event"], alone["f1_inside"]) == (0.5, 1)
    # A fragment at an edge is a false alarm where its event does not count.
    fragment = scores((1, 5), (6, 8))
    assert fragment["f1_inside"] == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="window must be above 0 s, got 0 s"):
        score_table([], [], n_classes=1, rate=4.0, window=0)
