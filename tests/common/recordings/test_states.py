import numpy as np
import pytest

from common import files
from common.recordings import events_from_raw, events_table, read_eeghdf
from common.recordings.states import CHILD, INFANT, state_segments, state_windows

NOTES = events_table(
    [0, 100, 300, 300, 400], [0, 100, 300, 300, 400], ["lights off", "woken", "x", "y", "x"]
)


def test_a_span_lies_between_its_notes_less_a_margin():
    spans = [("asleep", "lights off", "woken"), ("awake", "woken", None)]
    segments = state_segments(NOTES, spans, end=500.0, margin=10.0)
    assert segments.values.tolist() == [[10.0, 90.0, "asleep"], [110.0, 490.0, "awake"]]


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([("a", "lights on", None)], "'lights on' occurs 0 times"),
        ([("a", "x", None)], "'x' occurs 2 times"),
        ([("a", "woken", "lights off")], "'a' from 'woken' to 'lights off' is empty: 115 to -15"),
    ],
)
def test_notes_that_bound_no_state_are_errors(spans, message):
    with pytest.raises(ValueError, match=message):
        state_segments(NOTES, spans, end=500.0)


def test_windows_lie_within_their_segments_and_do_not_overlap():
    segments = events_table([0, 43, 62], [41, 61, 115], ["a", "b", "a"])
    windows = state_windows(segments, length=4.0, n_blocks=2)
    for state, group in windows.groupby("state"):
        starts = group["start"].to_numpy()
        inside = [
            any(s <= t and t + 4.0 <= e for s, e, label in segments.values if label == state)
            for t in starts
        ]
        assert all(inside)
        assert np.diff(starts).min() >= 4.0


def test_windows_of_two_blocks_are_never_neighbours():
    windows = state_windows(events_table([0], [400], ["a"]), length=4.0, n_blocks=5)
    assert windows["block"].value_counts().to_dict() == {0: 19, 1: 19, 2: 19, 3: 19, 4: 20}
    ends = windows.groupby("block")["start"].max() + 4.0
    begins = windows.groupby("block")["start"].min()
    assert (begins.to_numpy()[1:] - ends.to_numpy()[:-1]).min() == 4.0  # the window left out


def test_blocks_are_runs_of_time():
    windows = state_windows(events_table([0], [400], ["a"]), length=4.0, n_blocks=5)
    assert windows["block"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0.0, "n_blocks": 2}, "length must be above 0 s, got 0.0 s"),
        ({"length": 4.0, "n_blocks": 0}, "n_blocks must be at least 1, got 0"),
        ({"length": 4.0, "n_blocks": 6}, "'a' has 10 windows of 4 s, too few for 6 blocks"),
    ],
)
def test_impossible_windows_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        state_windows(events_table([0], [40], ["a"]), **options)


@pytest.mark.parametrize(
    ("name", "spans", "inside", "outside"),
    [
        ("absence-epilepsy", CHILD, ("spindles", "asleep"), ("HV START", "SZ START", "PHOTO 2Hz")),
        ("spasms", INFANT, ("R spindles", "asleep"), ("SPASM", "PHOTO 2Hz", "nursing again")),
    ],
)
def test_spindles_are_asleep_and_what_is_neither_is_left_out(name, spans, inside, outside):
    path = f"data/raw/eeghdf-{name}.h5"
    if not files.resolve(path).exists():
        pytest.skip(f"{path} is not here: python -m common.registry fetch eeghdf-{name}")
    events = events_from_raw(read_eeghdf(path))
    segments = state_segments(events, spans, end=float(events["start"].max()) + 60)

    def states(note):
        times = events.loc[events["label"] == note, "start"]
        return [label for t in times for s, e, label in segments.values if s <= t <= e], len(times)

    found, n = states(inside[0])
    assert found == [inside[1]] * n
    assert [states(note)[0] for note in outside] == [[]] * len(outside)
