"""Baselines cut, slide and classify where they should, and are scored on the true clock."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from common.events import Events, Recording, baselines, f1_event

SFREQ = 64.0


def make(duration, events, *, data=None):
    """Recording whose first channel counts samples, unless data are given."""
    if data is None:
        data = np.stack([np.arange(round(duration * SFREQ)), np.ones(round(duration * SFREQ))])
    return Recording("01", data, SFREQ, ("C0", "C1"), np.zeros((2, 2)), events)


# A short event within a long one of another class, and one at each end of the recording.
TRUTH = Events([0.0, 2.0, 4.0, 9.0], [1.0, 7.0, 4.5, 10.0], [1, 2, 1, 2])


class Lookup(nn.Module):
    """Perfect classifier: reads the sample of a window that says which it is, and knows its class.

    ``at`` is the place of that sample in the window; ``labels`` the output for each sample.
    """

    def __init__(self, labels, *, at, n_outputs, logit=5.0):
        super().__init__()
        self.labels, self.at, self.n_outputs = torch.as_tensor(labels), at, n_outputs
        self.logit = logit

    def forward(self, X):
        assert X.dtype == torch.float32
        label = self.labels[X[:, 0, self.at].long()]
        return self.logit * nn.functional.one_hot(label, self.n_outputs).float()


# Whose time it is


def test_the_shortest_event_owns_the_time():
    times = np.array([-0.1, 0.0, 0.99, 1.0, 2.0, 3.9, 4.0, 4.49, 4.5, 6.9, 7.0, 9.5])
    owners = baselines._owners(TRUTH, times)
    assert owners.tolist() == [0, 1, 1, 0, 2, 2, 1, 1, 2, 2, 0, 2]
    # Whichever starts first.
    nested = Events([0.0, 0.0, 1.0], [3.0, 2.0, 5.0], [1, 2, 3])
    assert baselines._owners(nested, np.array([0.5, 1.5, 2.5, 4.0])).tolist() == [2, 2, 1, 3]
    assert baselines._owners(Events.empty(), times).tolist() == [0] * 12


def test_shares_of_the_time():
    recordings = [make(10.0, TRUTH), make(10.0, Events.empty())]
    # Of 20 s, class 1 has 1 + 0.5, and class 2 has 5 - 0.5 + 1. Each of six edges is on a grid of
    # 400 times.
    shares = baselines.class_shares(recordings, n_classes=3)
    np.testing.assert_allclose(shares, [13 / 20, 1.5 / 20, 5.5 / 20, 0], atol=6 / 400)
    assert shares.sum() == pytest.approx(1)
    finer = baselines.class_shares(recordings, n_classes=3, step=1 / 64)
    np.testing.assert_allclose(finer, [13 / 20, 1.5 / 20, 5.5 / 20, 0], atol=1e-12)


def test_cuts_beyond_the_recording_are_zero():
    recording = make(1.0, Events.empty())
    whole = recording.data.astype(np.float32)
    assert np.array_equal(baselines._cut(recording, 0.25, 32), whole[:, 16:48])
    before = baselines._cut(recording, -0.25, 32)
    assert before.dtype == np.float32
    assert not before[:, :16].any() and np.array_equal(before[:, 16:], whole[:, :16])
    after = baselines._cut(recording, 0.75, 32)
    assert not after[:, 16:].any() and np.array_equal(after[:, :16], whole[:, 48:])
    around = baselines._cut(recording, -0.5, 128)
    assert np.array_equal(around[:, 32:96], whole)
    assert not around[:, :32].any() and not around[:, 96:].any()
    for start in (-5.0, 5.0):
        assert not baselines._cut(recording, start, 32).any()


# Sliding


@pytest.mark.parametrize("stride", [0.125, 0.25, 0.5])
@pytest.mark.parametrize("window", [0.5, 1.0])
def test_a_perfect_classifier_recovers_spans_to_within_a_stride(stride, window):
    recording = make(10.0, TRUTH)
    labels = baselines._owners(TRUTH, np.arange(640) / SFREQ)
    model = Lookup(labels, at=round(window * SFREQ) // 2, n_outputs=3)
    found = baselines.slide(model, recording, window=window, stride=stride)
    # The long event comes back in two parts: a labelling has one class at a time.
    assert found.label.tolist() == [1, 2, 1, 2, 2]
    np.testing.assert_allclose(found.start, [0, 2, 4, 4.5, 9], atol=stride / 2)
    np.testing.assert_allclose(found.end, [1, 4, 4.5, 7, 10], atol=stride / 2)
    np.testing.assert_allclose(found.confidence, np.exp(5) / (np.exp(5) + 2), rtol=1e-5)


@pytest.mark.parametrize("stride", [0.25, 0.5, 1.0])
def test_a_window_speaks_for_the_stride_around_its_centre(stride):
    """The centres of windows are the middles of the strides for which they speak."""
    centres = []

    class Watch(nn.Module):
        def forward(self, X):
            # The first channel counts samples, the second is 1 within the recording.
            at = round(SFREQ) // 2
            inside = X[:, 1, at] > 0
            centres.extend(X[inside, 0, at].tolist())
            return torch.zeros(len(X), 2)

    baselines.slide(Watch(), make(10.0, Events.empty()), window=1.0, stride=stride)
    expected = (np.arange(round(10 / stride)) + 0.5) * stride
    np.testing.assert_allclose(np.array(centres) / SFREQ, expected, atol=0.5 / SFREQ)


def test_short_runs_are_dropped():
    recording = make(10.0, TRUTH)
    model = Lookup(baselines._owners(TRUTH, np.arange(640) / SFREQ), at=16, n_outputs=3)
    found = baselines.slide(model, recording, window=0.5, stride=0.125, minimum=0.75)
    assert found.label.tolist() == [1, 2, 2, 2]


@pytest.mark.parametrize("stride", [0.1, 0.3])
def test_the_whole_recording_is_looked_at(stride):
    # 1.2 / 0.1 is less than 12 in floating point.
    assert 1.2 // 0.1 == 11
    recording = Recording("01", np.zeros((2, 12)), 10.0, ("a", "b"), np.zeros((2, 2)), TRUTH[:1])
    model = Lookup(np.ones(1, dtype=int), at=0, n_outputs=2)
    found = baselines.slide(model, recording, window=0.5, stride=stride)
    assert (found.start.tolist(), found.end.tolist()) == ([0.0], [pytest.approx(1.2)])


def test_prior_follows_bayes_rule():
    # Classes were equally frequent in training; there an event has the probability 0.6.
    logit = np.log(0.6 / 0.4)
    recording = make(2.0, Events.empty())
    model = Lookup(np.ones(128, dtype=int), at=32, n_outputs=2, logit=logit)
    options = {"window": 1.0, "stride": 0.25}
    plain = baselines.slide(model, recording, **options)
    assert plain.confidence == pytest.approx([0.6])
    even = baselines.slide(model, recording, prior=[0.5, 0.5], **options)
    assert even.confidence == pytest.approx([0.6], abs=1e-5)
    frequent = baselines.slide(model, recording, prior=[0.3, 0.7], **options)
    expected = 0.6 * 0.7 / (0.6 * 0.7 + 0.4 * 0.3)
    assert frequent.confidence == pytest.approx([expected], abs=1e-5)
    assert len(baselines.slide(model, recording, prior=[0.9, 0.1], **options)) == 0


# Told the onsets


def test_spans_are_the_true_ones_and_classes_those_of_the_onset():
    # The classifier is wrong about the second event.
    starts = np.round(TRUTH.start * SFREQ).astype(int)
    labels = np.zeros(640, dtype=int)
    labels[starts] = np.array([1, 1, 1, 2]) - 1
    found = baselines.classify_events(
        Lookup(labels, at=0, n_outputs=2), make(10.0, TRUTH), window=2.0
    )
    assert np.array_equal(found.start, TRUTH.start) and np.array_equal(found.end, TRUTH.end)
    assert found.label.tolist() == [1, 1, 1, 2]
    np.testing.assert_allclose(found.confidence, np.exp(5) / (np.exp(5) + 1), rtol=1e-5)
    score = f1_event(found, TRUTH)
    assert (score.tp, score.fp, score.fn) == (3, 1, 1)


def test_without_events_there_is_nothing_to_classify():
    found = baselines.classify_events(nn.Identity(), make(10.0, Events.empty()), window=2.0)
    assert found == Events.empty(confidence=True)


# Training


@pytest.fixture(scope="module")
def easy():
    """20 s in which each class shakes a channel of its own at 16 Hz."""
    start = np.arange(0.5, 19.0, 1.5)
    events = Events(start, start + 1.0, 1 + np.arange(len(start)) % 2)
    data = 0.2 * np.random.default_rng(0).standard_normal((2, 1280))
    for s, label in zip(events.start, events.label, strict=True):
        stretch = slice(round(s * SFREQ), round((s + 1) * SFREQ))
        data[label - 1, stretch] += np.sin(2 * np.pi * 16 * np.arange(64) / SFREQ)
    return make(20.0, events, data=data)


def classifier(recording, *, background, seed=0, n_steps=60, **options):
    options = {"n_classes": 2, "window": 0.5, "lr": 0.01, "batch_size": 16, **options}
    torch.manual_seed(seed)
    return baselines.train_classifier(
        [recording],
        n_steps=n_steps,
        rng=np.random.default_rng(seed),
        background=background,
        **options,
    )


def test_windows_are_drawn_where_the_class_is(easy):
    recordings = [make(10.0, TRUTH), easy]
    for label in (0, 1, 2):
        pool = baselines._centres(recordings, label, 0.5)
        assert set(pool[:, 0]) == {0, 1}
        for index, low, high in pool:
            assert high - low == pytest.approx(0.05)
            centre = low + 0.25
            assert baselines._owners(recordings[int(index)].events, [centre]) == label
    pool = baselines._onsets(recordings, 2, 0.5)
    assert pool[:2].tolist() == [[0, 2, 2], [0, 9, 9]]
    assert pool[2:, 1].tolist() == easy.events.start[easy.events.label == 2].tolist()


def test_sliding_classifier_learns_an_easy_recording(easy):
    model, curve = classifier(easy, background=True)
    assert not model.training
    assert model(torch.zeros(1, 2, 32)).shape == (1, 3)
    assert curve[-1]["class"] < 0.3 * curve[0]["class"]
    found = baselines.slide(model, easy, window=0.5, stride=0.125, minimum=0.3)
    assert f1_event(found, easy.events).f1 > 0.8


def test_informed_classifier_learns_an_easy_recording(easy):
    model, _ = classifier(easy, background=False)
    assert model(torch.zeros(1, 2, 32)).shape == (1, 2)
    found = baselines.classify_events(model, easy, window=0.5)
    assert f1_event(found, easy.events).f1 > 0.9


def test_training_is_reproducible(easy):
    a, b = (classifier(easy, background=True, n_steps=2)[0] for _ in range(2))
    assert all(map(torch.equal, a.state_dict().values(), b.state_dict().values()))


def test_a_class_that_does_not_occur_cannot_be_learnt(easy):
    expected = r"class 3 does not occur in the 1 recordings, so it cannot be learnt\. Use more"
    for background in (True, False):
        with pytest.raises(ValueError, match=expected):
            classifier(easy, background=background, n_classes=3)
    everywhere = replace(easy, events=Events([0.0, 10.0], [10.0, 20.0], [1, 2]))
    with pytest.raises(ValueError, match=r"class 0 does not occur"):
        classifier(everywhere, background=True)
