"""A set of events: sorted, read-only, cut and shifted without losing or inventing any."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.events import Events, concatenate
from common.files import ROOT


def test_events_are_sorted_copied_and_read_only():
    start = np.array([4.0, 1.0])
    events = Events(start, [5, 2], [1, 2], [0.5, 0.25])
    start[0] = 100
    assert events.start.tolist() == [1, 4]
    assert events.label.tolist() == [2, 1]
    assert events.confidence.tolist() == [0.25, 0.5]
    with pytest.raises(ValueError, match="read-only"):
        events.start[0] = 0


@settings(deadline=None, max_examples=50)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(1, 2), st.sampled_from([0, 1])),
        max_size=8,
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_order_of_input_does_not_matter(rows, seed):
    rows = np.array(rows, dtype=float).reshape(-1, 4)
    shuffled = np.random.default_rng(seed).permutation(rows)
    a, b = (Events(r[:, 0], r[:, 0] + r[:, 1], r[:, 2], r[:, 3]) for r in (rows, shuffled))
    assert a == b


def test_frame_round_trip():
    for confidence in (None, [0.5, 1.0]):
        events = Events([0.1, 2], [0.3, 2], [1, 3], confidence)
        assert Events.from_frame(events.to_frame()) == events
    frame = events.to_frame()
    frame["subject"] = "01"
    assert Events.from_frame(frame) == events  # other columns are not in the way
    assert list(Events.empty().to_frame()) == ["start", "end", "label"]


def test_clip_cuts_keeps_points_and_drops_contacts():
    events = Events([0, 4, 5, 8, 10], [3, 5, 7, 8, 12], [1, 1, 2, 1, 2])
    inside = events.clip(2, 8)
    assert inside == Events([2, 4, 5, 8], [3, 5, 7, 8], [1, 1, 2, 1])
    assert events.clip(3, 4) == Events.empty()  # both neighbours only touch it
    # The fragment [2, 3] is shorter than 1.5; the whole event [4, 5] stays.
    assert events.clip(2, 7, minimum=1.5) == Events([4, 5], [5, 7], [1, 2])


def test_shift_subset_and_concatenate():
    events = Events([1, 2], [2, 4], [1, 2])
    assert events.shift(-1).start.tolist() == [0, 1]
    assert events[events.label == 2] == events[1] == Events([2], [4], [2])
    assert concatenate([events[1], events[0], Events.empty()]) == events
    assert concatenate([]) == Events.empty()
    assert concatenate([Events.empty(confidence=True)]).confidence is not None
    assert events != Events([1, 2], [2, 4], [1, 2], [1, 1])
    assert events != "events"
    assert events.duration.tolist() == [1, 2]
    assert "class 1" in repr(events)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0], [1, 2], [1]), r"one length, got .*'end': 2"),
        (([0, 5], [1, 4], [1, 2]), r"event 1 \(class 2\) ends at 4 s, before .* 5 s"),
        (([np.nan], [1], [1]), r"start of event 0 is nan"),
        (([0], [np.inf], [1]), r"end of event 0 is inf"),
        (([0, 0], [1, 1], [1, 0]), r"label of event 1 is 0; labels are integers from 1"),
        (([0], [1], [1.5]), r"label of event 0 is 1.5"),
        (([0], [1], [1], [1.2]), r"confidence of event 0 is 1.2, outside \[0, 1\]"),
        (([0], [1], [1], [np.nan]), r"confidence of event 0 is nan"),
        (([[0]], [1], [1]), r"start must be one-dimensional, got shape \(1, 1\)"),
    ],
)
def test_errors_of_a_set(arguments, message):
    with pytest.raises(ValueError, match=message):
        Events(*arguments)


def test_errors_of_operations():
    with pytest.raises(ValueError, match=r"lacks the column\(s\) \['label'\]"):
        Events.from_frame(pd.DataFrame({"start": [0], "end": [1]}))
    with pytest.raises(ValueError, match=r"cannot clip to \[3, 2\] s"):
        Events.empty().clip(3, 2)
    with pytest.raises(ValueError, match=r"set 1 of 2 non-empty sets has no confidence"):
        concatenate([Events([0], [1], [1], [1]), Events([0], [1], [1])])


def test_the_package_does_not_need_torch():
    code = "import sys, common.events; sys.exit(bool({'torch', 'braindecode'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
