"""Windows cover a recording, and their targets agree with looking at each event."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.events import (
    Events,
    concatenate,
    coverage,
    pad_targets,
    targets,
    window_starts,
)


@settings(deadline=None)
@given(
    duration=st.integers(1, 400),
    window=st.integers(1, 60),
    share=st.floats(0.02, 1),
    rate=st.sampled_from([1, 0.1]),
)
def test_windows_cover_the_recording_and_stay_inside(duration, window, share, rate):
    stride = max(1, int(share * window)) * rate
    duration, window = duration * rate, window * rate
    starts = window_starts(duration, window, stride=stride)
    assert starts[0] == 0
    assert np.all(np.diff(starts) > 0)
    assert np.all(np.diff(starts) <= stride + 1e-9)
    assert starts[-1] + window >= duration - 1e-6
    if duration > window:
        assert starts[-1] + window <= duration + 1e-9


def test_samples_stay_integers():
    starts = window_starts(1000, 256, stride=256)
    assert starts.dtype.kind == "i"
    assert starts.tolist() == [0, 256, 512, 744]
    assert window_starts(10, 256, stride=256).tolist() == [0]


def test_policies_by_hand():
    # Window [10, 20]: before, straddling both ends, inside, exactly filling, touching, point.
    events = Events([0, 8, 11, 10, 19, 20, 10], [5, 12, 13, 20, 30, 25, 10], [1, 2, 1, 3, 2, 1, 1])
    clipped, dropped = targets(events, 10, window=10)
    assert clipped == Events([0, 1, 0, 9, 0], [2, 3, 10, 10, 0], [2, 1, 3, 2, 1])
    assert dropped == 0
    inside, dropped = targets(events, 10, window=10, policy="inside")
    assert inside == Events([1, 0, 0], [3, 10, 0], [1, 3, 1])
    assert dropped == 2
    longer, dropped = targets(events, 10, window=10, minimum=1.5)
    assert dropped == 1 and len(longer) == 4  # the fragment [19, 20] is gone


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), minimum=st.sampled_from([0.0, 0.5, 3.0]))
def test_coverage_agrees_with_looking_at_every_window(seed, minimum):
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 80, 12) / 2
    events = Events(start, start + rng.integers(0, 40, 12) / 2, rng.integers(1, 3, 12))
    starts = np.sort(rng.integers(0, 80, 5) / 2)
    found = coverage(events, starts, window=8, minimum=minimum)
    for i in range(len(events)):
        event = events[i]
        whole = any(len(targets(event, s, window=8, policy="inside")[0]) for s in starts)
        clipped = any(len(targets(event, s, window=8, minimum=minimum)[0]) for s in starts)
        state = (found.whole[i], found.fragmented[i], found.lost[i])
        assert state == (whole, clipped and not whole, not clipped)
    assert sum(found.counts.values()) == len(events)


def test_coverage_by_hand():
    events = Events([1, 7, 2, 30], [2, 9, 18, 31], [1, 1, 1, 1])
    found = coverage(events, [0, 8], window=8)
    assert found.counts == {"whole": 1, "fragmented": 2, "lost": 1}
    assert coverage(events, [], window=8).counts["lost"] == 4


def test_padded_targets():
    batch = pad_targets([Events([2], [4], [3]), Events.empty()], window=8, n_queries=5)
    assert batch["start"].tolist() == [[0.25], [0]]
    assert batch["end"].tolist() == [[0.5], [0]]
    assert batch["class"].tolist() == [[3], [0]]
    assert batch["start"].dtype == np.float32 and batch["class"].dtype == np.int64
    assert pad_targets([Events.empty()], window=8, n_queries=5, max_events=4)["end"].shape == (1, 4)


def test_fragments_of_touching_windows_add_up_to_the_events():
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 90, 30)
    events = Events(start, start + rng.uniform(0, 10, 30), np.ones(30))
    starts = window_starts(100, 10, stride=10)
    parts = concatenate(targets(events, s, window=10)[0].shift(s) for s in starts)
    assert parts.duration.sum() == pytest.approx(events.duration.sum())


def test_errors():
    with pytest.raises(ValueError, match=r"window must be above 0, got 0"):
        window_starts(10, 0, stride=1)
    with pytest.raises(ValueError, match=r"stride=9 exceeds window=8"):
        window_starts(10, 8, stride=9)
    with pytest.raises(ValueError, match="policy must be one of clip, inside, got 'drop'"):
        targets(Events.empty(), 0, window=8, policy="drop")
    three = Events([0, 1, 2], [1, 2, 3], [1, 1, 1])
    with pytest.raises(ValueError, match=r"window 1 of the batch has 3 events .* n_queries=2"):
        pad_targets([Events.empty(), three], window=8, n_queries=2)
    with pytest.raises(
        ValueError, match=r"window 0 of the batch has 3 events, more .*max_events=1"
    ):
        pad_targets([three], window=8, n_queries=5, max_events=1)
    with pytest.raises(ValueError, match=r"events in \[0, 3\] s, outside \[0, 2\] s"):
        pad_targets([three], window=2, n_queries=5)
