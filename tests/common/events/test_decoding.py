"""Answers of a network become events: queries, dense labels, and averages over windows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.events import Events, average_windows, decode_dense, decode_set, pad_targets
from common.events.criterion import dense_labels
from common.events.decoding import runs


def answer(rows, *, n_classes=2):
    """Output for one window from (start, end, label, probability) of each query."""
    logits = np.zeros((1, len(rows), n_classes + 1))
    for q, (_, _, label, p) in enumerate(rows):
        logits[0, q] = np.log((1 - p) / n_classes)
        logits[0, q, label] = np.log(p)
    start, end = np.array(rows, dtype=float)[:, :2].T
    return {"class": logits, "start": start[None], "end": end[None]}


def test_queries_become_events():
    output = answer([(0.25, 0.5, 1, 0.7), (0.1, 0.2, 0, 0.9), (0.5, 1.0, 2, 0.4), (0, 1, 0, 0.5)])
    (events,) = decode_set(output, window=8, start=100)
    assert events.start.tolist() == [102, 104]
    assert events.end.tolist() == [104, 108]
    assert events.label.tolist() == [1, 2]
    assert events.confidence == pytest.approx([0.7, 0.4])  # no threshold


def test_spans_are_cut_at_the_window_and_backward_ones_have_no_duration():
    output = answer([(-0.5, 0.5, 1, 0.9), (0.75, 1.5, 1, 0.9), (0.75, 0.25, 2, 0.9)])
    (events,) = decode_set(output, window=8)
    assert events[events.label == 1].start.tolist() == [0, 6]
    assert events[events.label == 1].end.tolist() == [4, 8]
    backward = events[events.label == 2]
    assert (backward.start.item(), backward.end.item()) == (4, 4)


def test_tensors_and_several_windows():
    torch = pytest.importorskip("torch")
    one = answer([(0.25, 0.5, 1, 0.7)])
    output = {name: torch.tensor(np.repeat(v, 3, axis=0)) for name, v in one.items()}
    output["start"].requires_grad_()
    windows = decode_set(output, window=8, start=[0, 8, 16])
    assert [events.start.item() for events in windows] == [2, 10, 18]


def test_overlapping_windows_are_averaged():
    certain, unsure = [0.0, 1.0], [0.5, 0.5]
    mean = average_windows([[certain] * 4, [unsure] * 4], [0, 2], window=4)
    assert mean[:, 1].tolist() == [1, 1, 0.75, 0.75, 0.5, 0.5]
    # A gap is background.
    mean = average_windows([[certain], [certain]], [0, 2], window=1)
    assert mean.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert len(average_windows(np.zeros((0, 4, 2)), [], window=1)) == 0


def test_runs_become_events():
    labels = np.array([0, 1, 1, 2, 2, 0, 0, 1])
    p = np.full((8, 3), 0.1)
    p[np.arange(8), labels] = [0.8, 0.6, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]
    events = decode_dense(p, window=4)
    assert events.start.tolist() == [0.5, 1.5, 3.5]
    assert events.end.tolist() == [1.5, 2.5, 4]
    assert events.label.tolist() == [1, 2, 1]
    assert events.confidence == pytest.approx([0.7, 0.8, 0.8])
    assert len(decode_dense(p, window=4, minimum=0.75)) == 2


@settings(deadline=None, max_examples=50)
@given(labels=st.lists(st.integers(0, 2), min_size=1, max_size=40))
def test_dense_round_trip(labels):
    # Runs -> events -> tokens gives the tokens back, exactly: times are multiples of a token.
    p = np.eye(3)[labels]
    events = decode_dense(p, window=len(labels))
    padded = pad_targets([events], window=len(labels), n_queries=len(labels))
    padded = {name: torch.from_numpy(values) for name, values in padded.items()}
    assert dense_labels(padded, len(labels))[0].tolist() == labels


def test_runs():
    first, last = runs(np.array([]))
    assert len(first) == len(last) == 0
    assert decode_dense(np.zeros((0, 4, 2)), [], window=1) == Events.empty(confidence=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: runs(np.array([np.nan, np.nan, 1.0])), ValueError, "values has no label at index"),
        (lambda: runs(np.zeros((2, 2))), ValueError, r"values must hold .* got shape \(2, 2\)"),
        (
            lambda: average_windows(np.ones((2, 8, 1)), [0.0, 1e8], window=8.0),
            ValueError,
            r"the window at 1e\+08 s, .* grid of 1e\+08 tokens from 0 s on, more than 50,000,000",
        ),
        (
            lambda: average_windows(np.ones((2, 8, 1)), [0.0, 8.0], window=1e-300),
            ValueError,
            r"with 8 tokens in 1e-300 s, needs a grid of 6\.4e\+301 tokens",
        ),
        (
            lambda: decode_dense(np.ones((2, 8, 1)), [0.0, 1e200], window=8.0),
            ValueError,
            r"the window at 1e\+200 s, .* Count starts from the beginning",
        ),
        (lambda: decode_set(None, window=8.0), TypeError, "output must be a dict .* got NoneType"),
    ],
)
def test_bad_input_is_one_clear_error(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_errors():
    output = answer([(0, 1, 1, 0.9)])
    with pytest.raises(ValueError, match=r"the output has no 'end'; it has \['class', 'start'\]"):
        decode_set({"class": output["class"], "start": output["start"]}, window=8)
    with pytest.raises(ValueError, match=r"got \{'class': \(1, 1, 3\), 'start': \(1, 2\)"):
        decode_set({**output, "start": np.zeros((1, 2))}, window=8)
    with pytest.raises(ValueError, match=r"start of the output is not finite"):
        decode_set({**output, "start": np.full((1, 1), np.nan)}, window=8)
    with pytest.raises(ValueError, match=r"got \(2, 4, 3\) and \(1,\)"):
        average_windows(np.zeros((2, 4, 3)), [0], window=1)
    with pytest.raises(
        ValueError, match=r"starts must be finite and at least 0 s, got -1.0 s at index 0"
    ):
        average_windows(np.zeros((1, 4, 3)), [-1], window=1)
