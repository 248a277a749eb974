"""Cutting a recording into windows and merging what is found gives the recording's events."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.events import Events, merge_windows, targets, window_starts


def found(*rows):
    """Detections from (start, end, label, confidence)."""
    return Events(*np.array(rows, dtype=float).reshape(-1, 4).T)


def cut(events, starts, window):
    """What perfect networks would detect: the fragments in every window, in recording time."""
    detections = []
    for s in starts:
        inside = targets(events, s, window=window)[0].shift(s)
        detections.append(Events(inside.start, inside.end, inside.label, np.ones(len(inside))))
    return detections


def same(a, b):
    """Equal up to rounding of the shift to window time and back (which may swap ties)."""
    assert sorted(a.label) == sorted(b.label)
    for label in set(a.label):
        x, y = a[a.label == label], b[b.label == label]
        assert x.start == pytest.approx(y.start, abs=1e-9)
        assert x.end == pytest.approx(y.end, abs=1e-9)


def test_a_minute_seen_through_windows_of_sixteen_seconds():
    starts = window_starts(120.0, 16.0, stride=8.0)
    seizure = Events([33.0], [93.0], [1])
    same(merge_windows(cut(seizure, starts, 16), starts, window=16), seizure)


def test_a_minute_seen_through_windows_that_only_touch():
    starts = window_starts(128.0, 16.0, stride=16.0)
    seizure = Events([33.0], [93.0], [1])
    same(merge_windows(cut(seizure, starts, 16), starts, window=16), seizure)


def test_touching_events_of_one_class_stay_two():
    starts = [0.0, 8.0, 16.0]
    events = Events([5, 10, 13], [10, 13, 20], [1, 1, 1])
    same(merge_windows(cut(events, starts, 16), starts, window=16), events)


@st.composite
def recordings(draw):
    """Events that never overlap within a class, on a grid of 1/4 s, and how to window them."""
    window = draw(st.sampled_from([2.0, 4.0, 7.25]))
    stride = window * draw(st.sampled_from([0.25, 0.5, 0.8]))
    starts, ends, labels = [], [], []
    for label in (1, 2):
        time = 0
        for gap, length in draw(
            st.lists(st.tuples(st.integers(0, 12), st.integers(1, 60)), max_size=6)
        ):
            starts.append((time + gap) / 4)
            time += gap + length
            ends.append(time / 4)
            labels.append(label)
    duration = max([*ends, 3.0]) + draw(st.sampled_from([0.0, 1.3]))
    return Events(starts, ends, labels), window_starts(duration, window, stride=stride), window


@settings(deadline=None, max_examples=300)
@given(recording=recordings())
def test_cutting_and_merging_gives_back_the_events(recording):
    events, starts, window = recording
    # Truth is exact, so a boundary is cut only when it is on the edge.
    same(merge_windows(cut(events, starts, window), starts, window=window, edge=1e-6), events)


@settings(deadline=None, max_examples=100)
@given(recording=recordings())
def test_the_default_edge_gives_them_back_too(recording):
    # 2 % of these windows (at most 0.145 s) is less than the grid of 0.25 s. Windows that overlap
    # by less than that are treated as touching, and join what touches there: none do here.
    events, starts, window = recording
    if np.min(window - np.diff(starts), initial=window) > 0.02 * window:
        same(merge_windows(cut(events, starts, window), starts, window=window), events)


@settings(deadline=None, max_examples=100)
@given(recording=recordings())
def test_touching_windows_give_back_events_apart_from_the_edges(recording):
    events, _, window = recording
    starts = window * np.arange(int(np.ceil(max(*events.end, 1.0) / window)) if len(events) else 1)
    # Two events of a class that meet on a common edge cannot be told from one that crosses it.
    for label in (1, 2):
        one = events[events.label == label]
        if np.intersect1d(np.intersect1d(one.start, one.end), starts).size:
            return
    same(merge_windows(cut(events, starts, window), starts, window=window, edge=1e-6), events)


def test_disagreeing_windows_take_the_confident_boundary_that_was_not_cut():
    # Window [8, 24] sees the start cut, at its edge; window [0, 16] sees the end cut.
    detections = [found((6, 16, 1, 0.6)), found((8, 20, 1, 0.9))]
    assert merge_windows(detections, [0, 8], window=16) == found((6, 20, 1, 0.9))
    # Both see all of it: the confident one decides both ends.
    detections = [found((9, 12, 1, 0.6)), found((9.5, 12.5, 1, 0.9))]
    assert merge_windows(detections, [0, 8], window=16) == found((9.5, 12.5, 1, 0.9))


def test_a_window_in_the_middle_of_an_event_does_not_shorten_it():
    # The last window is sure of itself and one second late, but it cannot know the true start.
    detections = [found((4, 16, 1, 0.6)), found((8, 24, 1, 0.6)), found((17.5, 30, 1, 0.99))]
    merged = merge_windows(detections, [0, 8, 16], window=16)
    assert merged == found((4, 30, 1, 0.99))


def test_two_events_of_one_window_are_never_fused_by_a_third_detection():
    # The second window takes both for one: half of it overlaps each exactly enough.
    detections = [found((8, 12, 1, 0.9), (12, 16, 1, 0.8)), found((8, 16, 1, 0.5))]
    merged = merge_windows(detections, [0, 8], window=16)
    # It joins the more confident of the two; the other stays.
    assert len(merged) == 2
    assert merged.confidence.tolist() == [0.9, 0.8]
    assert merged[1] == found((12, 16, 1, 0.8))


def test_classes_are_merged_apart():
    detections = [found((9, 12, 1, 0.9)), found((9, 12, 2, 0.8))]
    assert len(merge_windows(detections, [0, 8], window=16)) == 2


def test_agreement_of_windows():
    # Held whole by two windows, reported by one.
    detections = [found((9, 12, 1, 0.9)), found()]
    assert len(merge_windows(detections, [0, 8], window=16)) == 1
    assert len(merge_windows(detections, [0, 8], window=16, minimum_agreement=0.5)) == 1
    assert len(merge_windows(detections, [0, 8], window=16, minimum_agreement=0.6)) == 0
    # Held whole by no window: nobody can disagree.
    detections = [found((9, 16, 1, 0.9)), found((16, 30, 1, 0.9))]
    assert len(merge_windows(detections, [0, 16], window=16, minimum_agreement=1)) == 1


def test_only_windows_that_hold_an_event_whole_are_asked():
    # [7, 10] lies whole in the window at 2 s; those at 0 and at 8 s see a part of it.
    detections = [found(), found((7, 10, 1, 0.9)), found()]
    kept = merge_windows(detections, [0, 2, 8], window=8, minimum_agreement=1)
    assert kept == found((7, 10, 1, 0.9))
    # A part that another window reports is no vote of one that holds the event whole.
    detections = [found((7, 8, 1, 0.5)), found((7, 10, 1, 0.9)), found(), found()]
    options = {"window": 8, "iou_threshold": 0.5}
    starts = [0, 2, 3, 4]
    assert len(merge_windows(detections, starts, minimum_agreement=0.33, **options)) == 1
    assert len(merge_windows(detections, starts, minimum_agreement=0.34, **options)) == 0


def test_order_of_windows_does_not_matter():
    rng = np.random.default_rng(0)
    starts = window_starts(100.0, 10.0, stride=3.0)
    detections = []
    for s in starts:
        begin = s + rng.uniform(0, 8, 4)
        detections.append(
            Events(begin, begin + rng.uniform(0, 2, 4), rng.integers(1, 3, 4), rng.random(4))
        )
    order = rng.permutation(len(starts))
    shuffled = merge_windows([detections[i] for i in order], starts[order], window=10)
    assert shuffled == merge_windows(detections, starts, window=10)


def test_points_are_merged_when_they_coincide():
    detections = [found((12, 12, 1, 0.5)), found((12, 12, 1, 0.7), (14, 14, 1, 0.6))]
    merged = merge_windows(detections, [0, 8], window=16)
    assert merged == found((12, 12, 1, 0.7), (14, 14, 1, 0.6))


def test_nothing_detected():
    assert merge_windows([], [], window=8) == Events.empty(confidence=True)
    assert merge_windows([Events.empty()], [0], window=8) == Events.empty(confidence=True)


def test_hours_take_less_than_a_second_of_the_processor():
    rng = np.random.default_rng(0)
    starts = window_starts(4 * 3600.0, 16.0, stride=8.0)
    begin = np.sort(rng.uniform(0, 4 * 3600 - 2, 8000))
    events = Events(begin, begin + 1, rng.integers(1, 5, 8000))
    detections = cut(events, starts, 16)
    clock = time.process_time()  # whatever else the machine is doing
    merge_windows(detections, starts, window=16)
    assert time.process_time() - clock < 3  # about 0.05 s; minutes if all pairs were compared


def test_errors():
    with pytest.raises(ValueError, match=r"detections of 1 windows but starts of shape \(2,\)"):
        merge_windows([found()], [0, 8], window=16)
    with pytest.raises(ValueError, match=r"the 1 detections of window 0 have no confidence"):
        merge_windows([Events([0], [1], [1])], [0], window=16)
    with pytest.raises(
        ValueError, match=r"window 0 is \[16, 32\] s but has detections in \[2, 3\]"
    ):
        merge_windows([found((2, 3, 1, 0.9))], [16], window=16)


def test_exclusive_keeps_what_more_windows_report():
    # Three windows see [10, 14]; one alone sees [12, 16], half of which is shared by exactly half.
    starts = [6.0, 8.0, 10.0, 8.5]
    seen = [Events([10.0], [14.0], [1], [0.6]) for _ in range(3)]
    alone = Events([11.0], [15.0], [1], [0.9])
    found = merge_windows([*seen, alone], starts, window=8.0, iou_threshold=0.9, exclusive=True)
    assert found == Events([10.0], [14.0], [1], [0.6])
    both = merge_windows([*seen, alone], starts, window=8.0, iou_threshold=0.9)
    assert len(both) == 2


def test_exclusive_spares_touching_events_other_classes_and_small_overlaps():
    events = Events([0.0, 2.0, 3.5, 0.0], [2.0, 4.0, 5.0, 5.0], [1, 1, 1, 2], np.full(4, 0.5))
    assert len(merge_windows([events], [0.0], window=8.0, exclusive=True)) == 4
