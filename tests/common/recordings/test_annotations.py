"""Event tables: tidy, in s from the first sample, whatever the recording was through."""

import datetime
import warnings

import mne
import numpy as np
import pandas as pd
import pytest

from common.recordings import (
    annotate,
    boundaries,
    drop_crossing,
    events_from_raw,
    events_table,
    merge_overlaps,
    pair_events,
    preprocess,
)
from common.recordings.annotations import is_boundary


def recording(*, dated=False, n_seconds=20):
    raw = mne.io.RawArray(
        np.zeros((1, 100 * n_seconds)), mne.create_info(["Cz"], 100.0, "eeg"), verbose="error"
    )
    if dated:
        raw.set_meas_date(datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC))
    return raw


EVENTS = events_table([5.0, 2.0, 12.0], [6.0, 2.0, 15.5], ["b", "a", "b"])


def test_table_is_ordered_and_tidy():
    assert EVENTS.columns.tolist() == ["start", "end", "label"]
    assert EVENTS["start"].tolist() == [2.0, 5.0, 12.0]
    assert len(events_table([], [], [])) == 0


@pytest.mark.parametrize("dated", [False, True])
def test_events_survive_annotations(dated):
    raw = annotate(recording(dated=dated), EVENTS)
    pd.testing.assert_frame_equal(events_from_raw(raw), EVENTS)
    assert len(recording().annotations) == 0


@pytest.mark.parametrize("dated", [False, True])
def test_times_count_from_the_first_sample_of_a_cropped_recording(dated):
    raw = annotate(recording(dated=dated), EVENTS).crop(4.0, 18.0)
    expected = EVENTS.iloc[1:].reset_index(drop=True).assign(start=[1.0, 8.0], end=[2.0, 11.5])
    pd.testing.assert_frame_equal(events_from_raw(raw), expected)
    pd.testing.assert_frame_equal(events_from_raw(annotate(raw, expected)), expected)


def test_labels_are_picked_and_renamed():
    raw = annotate(recording(), EVENTS)
    assert events_from_raw(raw, labels=["a"])["label"].tolist() == ["a"]
    assert events_from_raw(raw, labels={"b": "burst"})["label"].tolist() == ["burst", "burst"]


def test_unknown_label():
    raw = annotate(recording(), EVENTS.assign(label=["SPASM", "SPASM", "quiet"]))
    with pytest.raises(ValueError, match=r"no annotation 'SPASMS'.*Did you mean 'SPASM'"):
        events_from_raw(raw, labels=["SPASMS"])
    with pytest.raises(ValueError, match="Present: SPASM, quiet"):
        events_from_raw(raw, labels=["zzz"])


def test_unequal_lengths():
    with pytest.raises(ValueError, match=r"one length, got \(2,\), \(1,\) and \(2,\)"):
        events_table([1, 2], [2], ["a", "b"])


@pytest.mark.parametrize("end", [0.5, np.nan, np.inf])
def test_impossible_times(end):
    with pytest.raises(ValueError, match=r"event 1 \('b'\) goes from 1 s to .*a duration"):
        events_table([0, 1], [0, end], ["a", "b"])


def test_events_outside_the_recording():
    with pytest.raises(ValueError, match=r"1 of 3 events.*outside.*\[0, 10\) s.*'b'.*12 s"):
        annotate(recording(n_seconds=10), EVENTS)


def test_pairs_become_spans():
    marks = events_table([1, 4, 9, 3], [1, 4, 9, 3], ["S", "E", "E", "x"])
    marks = pd.concat([marks, events_table([7], [7], ["S"])]).sort_values("start")
    paired = pair_events(marks, start="S", end="E", label="seizure")
    pd.testing.assert_frame_equal(paired, events_table([1, 7], [4, 9], ["seizure", "seizure"]))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["S", "S", "E"], r"'S' \(2\) and 'E' \(1\) must alternate, first at 1 s"),
        (["E", "S"], "first at 0 s"),
        (["S"], "must alternate"),
        (["x"], r"'S' \(0\)"),
    ],
)
def test_unpaired_marks(labels, message):
    times = np.arange(len(labels))
    with pytest.raises(ValueError, match=message):
        pair_events(events_table(times, times, labels), start="S", end="E", label="seizure")


def test_merging_is_the_union_of_each_label():
    # Reference: on a grid of whole seconds, the covered cells.
    rng = np.random.default_rng(0)
    start = rng.integers(0, 40, 30)
    end = start + rng.integers(1, 5, 30)
    label = rng.choice(["a", "b"], 30)
    merged = merge_overlaps(events_table(start, end, label))
    for each in "ab":
        covered = np.zeros(50, dtype=bool)
        for first, last in zip(start[label == each], end[label == each], strict=True):
            covered[first:last] = True
        own = merged[merged["label"] == each]
        rendered = np.zeros(50, dtype=int)
        for first, last in zip(own["start"].astype(int), own["end"].astype(int), strict=True):
            rendered[first:last] += 1
        np.testing.assert_array_equal(rendered, covered)
        assert len(own) == np.sum(np.diff(covered.astype(int), prepend=0) == 1)


# Boundaries: where the signal is bad or broken


@pytest.mark.parametrize(
    "label",
    ["BAD_muscle", "bad boundary", "Bad", "BAD boundary", "EDGE boundary", "edge", "BAD_ACQ_SKIP",
     "boundary", "Boundary", "New Segment/", "New Segment/LostSamples: 12", "LostSamples: 12",
     "Comment/Lost Samples", "Recording starts", "Recording ends", " recording stopped"],
)  # fmt: skip
def test_boundaries_of_many_formats(label):
    assert is_boundary(label)
    raw = annotate(recording(), events_table([1, 2], [1, 3], ["seizure", label]))
    assert events_from_raw(raw)["label"].tolist() == ["seizure"]
    assert boundaries(raw)["label"].tolist() == [label]
    assert set(events_from_raw(raw, labels=["seizure", label])["label"]) == {"seizure", label}
    assert events_from_raw(raw, labels={label: "artifact"})["label"].tolist() == ["artifact"]


@pytest.mark.parametrize(
    "label", ["seizure", "embedded", "not bad", "REC START", "Stimulus/S 1", "T0", "recording room"]
)
def test_events_that_are_no_boundaries(label):
    assert not is_boundary(label)


def test_concatenation_and_cropping_make_no_events():
    parts = [annotate(recording(), events_table([5], [6], ["seizure"])) for _ in range(3)]
    raw = mne.concatenate_raws(parts, verbose="error").crop(1.0, 50.0)
    events = events_from_raw(raw)
    assert events["label"].tolist() == ["seizure"] * 3
    np.testing.assert_allclose(events["start"], [4, 24, 44])
    found = boundaries(raw)
    np.testing.assert_allclose(found["start"], [19, 19, 39, 39])
    # MNE, asked for events, leaves the same ones out.
    assert mne.events_from_annotations(raw, verbose="error")[1].keys() == {"seizure"}


def test_new_events_leave_the_boundaries_where_they_are():
    raw = mne.concatenate_raws([recording(), recording()], verbose="error")
    twice = annotate(annotate(raw, EVENTS), EVENTS)
    pd.testing.assert_frame_equal(events_from_raw(twice), EVENTS)
    pd.testing.assert_frame_equal(boundaries(twice), boundaries(raw))
    # Named as events they are given back once.
    both = annotate(raw, events_from_raw(raw, labels=["BAD boundary", "EDGE boundary"]))
    pd.testing.assert_frame_equal(boundaries(both), boundaries(raw))


def test_windows_across_a_boundary_are_left_out_and_counted():
    raw = mne.concatenate_raws([recording(), recording()], verbose="error")
    starts = np.arange(0, 40, 4.0) + 2  # the fifth lies around 20 s
    message = r"1 of 10 windows are left out: .* at '(BAD|EDGE) boundary', in the window at 18 s"
    with pytest.warns(UserWarning, match=message):
        whole = drop_crossing(raw, starts, starts + 4)
    assert np.flatnonzero(~whole).tolist() == [4]
    with warnings.catch_warnings(action="error"):
        assert drop_crossing(raw, starts - 2, starts + 2).all()  # they touch it
        assert drop_crossing(raw, [], []).shape == (0,)
        assert drop_crossing(recording(), [0.0], [20.0]).all()


def test_a_bad_span_counts_with_its_duration():
    raw = annotate(recording(), events_table([4], [10], ["BAD_muscle"]))
    with pytest.warns(UserWarning, match="2 of 4 windows .*'BAD_muscle', in the window at 3 s"):
        whole = drop_crossing(raw, [0, 3, 6, 10], [3, 6, 7, 12])
    assert whole.tolist() == [True, False, False, True]


def test_a_broken_recording_taken_as_a_whole_is_said():
    rng = np.random.default_rng(0)
    info = mne.create_info(["Cz"], 100.0, "eeg")
    parts = [
        mne.io.RawArray(rng.standard_normal((1, 2000)), info, verbose="error") for _ in range(2)
    ]
    whole = parts[0].copy()
    broken = mne.concatenate_raws(parts, verbose="error")
    with pytest.warns(
        UserWarning, match=r"broken in 2 places, first at '.* boundary', 20 s; windows cut"
    ):
        preprocess(broken, sfreq=100.0, low=None, high=None)
    started = annotate(whole, events_table([0, 19.995], [0, 19.995], ["Recording starts"] * 2))
    with warnings.catch_warnings(action="error"):
        preprocess(started, sfreq=100.0, low=None, high=None)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ([0.0, np.nan], [1.0, 2.0], "start must be finite, got nan s at index 1"),
        ([0.0], [np.inf], "end must be finite, got inf s at index 0"),
        ([0.0, 1.0], [1.0], "start has 2, end has 1"),
    ],
)
def test_windows_without_times_are_not_whole(start, end, message):
    with pytest.raises(ValueError, match=message):
        drop_crossing(recording(), start, end)


def test_events_without_times_are_not_written():
    with pytest.raises(ValueError, match="start of events must be finite, got nan s at index 1"):
        annotate(recording(), EVENTS.assign(start=[2.0, np.nan, 12.0]))
