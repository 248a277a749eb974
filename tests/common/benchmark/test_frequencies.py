"""SSVEP classifiers against their eigenvalue problems, scikit-learn, and simulated truth."""

import mne
import numpy as np
import pytest
import scipy.linalg
import scipy.signal
from sklearn.cross_decomposition import CCA

from common.benchmark import frequencies
from common.benchmark.frequencies import (
    FrequencyCCA,
    MultisetCCA,
    TaskRelatedComponents,
    class_frequencies,
)

SFREQ = 128.0


def epochs(frequencies=("9.0", "11.0", "13.0"), *, n_each=6, noise=1.0, seed=0, n_channels=4):
    """Sines of random phase by class at fixed channel weights, in V; "rest" has none."""
    rng = np.random.default_rng(seed)
    time = np.arange(256) / SFREQ
    y = np.tile(np.arange(len(frequencies)), n_each)
    weights = np.array([0.2, 1.0, -0.5, 0.1, 0.7])[:n_channels]
    X = noise * rng.standard_normal((len(y), n_channels, len(time)))
    for trial, code in zip(X, y, strict=True):
        if frequencies[code] != "rest":
            angle = 2 * np.pi * float(frequencies[code]) * time + 0.3 * code
            trial += np.outer(weights, np.sin(angle) + 0.5 * np.cos(2 * angle))
    events = np.column_stack([np.arange(len(y)), np.zeros(len(y), int), y + 1])
    names = {name: code for code, name in enumerate(frequencies, 1)}
    info = mne.create_info(n_channels, SFREQ, "eeg")
    return mne.EpochsArray(1e-6 * X, info, events, event_id=names, verbose="error"), y


ALL = [FrequencyCCA(), MultisetCCA(), TaskRelatedComponents()]


@pytest.mark.parametrize("classifier", ALL, ids=lambda one: type(one).__name__)
def test_clear_responses_are_told_apart(classifier):
    X, y = epochs(noise=1.0)
    X_new, y_new = epochs(noise=1.0, seed=1)
    assert (classifier.fit(X, y).predict(X_new) == y_new).all()


@pytest.mark.parametrize("classifier", ALL, ids=lambda one: type(one).__name__)
def test_neither_unit_nor_labels_matter(classifier):
    """Labels are arbitrary numbers, in another order than the frequencies."""
    X, y = epochs(noise=6.0)
    before = classifier.fit(X, y).scores(X)
    scaled = mne.EpochsArray(1e6 * X.get_data(), X.info, X.events, event_id=X.event_id, verbose=0)
    relabelled = np.array([7, 3, 5])[y]
    after = classifier.fit(scaled, relabelled).scores(scaled)
    # Columns follow the sorted labels 3, 5, 7. Scores are of order 1, far above rounding.
    np.testing.assert_allclose(after, before[:, [1, 2, 0]], atol=1e-8)


@pytest.mark.parametrize("classifier", ALL, ids=lambda one: type(one).__name__)
def test_channels_that_depend_on_each_other_are_no_obstacle(classifier):
    """After a common average reference channels sum to zero."""
    X, y = epochs(noise=1.0)
    data = X.get_data()
    data = data - data.mean(axis=1, keepdims=True)
    X = mne.EpochsArray(data, X.info, X.events, event_id=X.event_id, verbose="error")
    scores = classifier.fit(X, y).scores(X)
    assert np.isfinite(scores).all()
    assert (classifier.predict(X) == y).all()


def test_correlations_are_scikit_learns():
    X, y = epochs(noise=3.0, n_each=2)
    scores = FrequencyCCA(n_harmonics=2).fit(X, y).scores(X)
    for trial, row in zip(X.get_data(), scores, strict=True):
        for frequency, score in zip((9.0, 11.0, 13.0), row, strict=True):
            angles = 2 * np.pi * frequency * np.outer(X.times, [1, 2])
            reference = np.hstack([np.sin(angles), np.cos(angles)])
            u, v = CCA(1, tol=1e-12, max_iter=10_000).fit_transform(1e6 * trial.T, reference)
            # Power iteration stops at a relative change of 1e-12; its rate may be slow.
            assert score == pytest.approx(np.corrcoef(u[:, 0], v[:, 0])[0, 1], abs=1e-4)


def test_multiset_references_solve_the_generalised_eigenvalue_problem():
    X, y = epochs(noise=3.0)
    fitted = MultisetCCA().fit(X, y)
    for label, basis in enumerate(fitted.bases_):
        trials = 1e6 * X.get_data()[y == label]
        trials = trials - trials.mean(axis=-1, keepdims=True)
        n, c, _ = trials.shape
        stacked = trials.reshape(n * c, -1)
        R = stacked @ stacked.T
        S = R * np.kron(np.eye(n), np.ones((c, c)))
        _, vectors = scipy.linalg.eigh(R, S)
        filtered = np.einsum("ic,ict->it", vectors[:, -1].reshape(n, c), trials)
        # The same span: what is left outside of the basis is rounding.
        outside = filtered - filtered @ basis @ basis.T
        assert np.linalg.norm(outside) < 1e-6 * np.linalg.norm(filtered)


@pytest.mark.parametrize("n_trials", [2, 3, 9])  # fewer directions than samples, as many, more
def test_what_trials_have_in_common_is_their_part_in_the_leading_direction(n_trials):
    rng = np.random.default_rng(0)
    bases = [np.linalg.qr(rng.standard_normal((12, 4)))[0] for _ in range(n_trials)]
    values, vectors = np.linalg.eigh(sum(basis @ basis.T for basis in bases))
    expected = np.stack([basis @ basis.T @ vectors[:, -1] for basis in bases])
    found = frequencies._common(bases)
    # Up to one factor for all trials.
    factor = np.vdot(found, expected) / np.vdot(expected, expected)
    np.testing.assert_allclose(found, factor * expected, atol=1e-12)
    assert values[-1] > 1 and abs(factor) > 0.1


def test_task_related_filters_solve_theirs():
    X, y = epochs(noise=3.0)
    fitted = TaskRelatedComponents(n_bands=1).fit(X, y)
    (band,) = fitted._bands(X)
    for label, found in enumerate(fitted.filters_[0]):
        trials = 1e6 * band[y == label]
        n = len(trials)
        Q = sum(trial @ trial.T for trial in trials)
        S = sum(trials[i] @ trials[j].T for i in range(n) for j in range(n) if i != j)
        values, vectors = scipy.linalg.eigh(S, Q)
        cosine = found @ vectors[:, -1] / np.linalg.norm(vectors[:, -1])
        assert abs(cosine) == pytest.approx(1, abs=1e-9)
        assert (found @ S @ found) / (found @ Q @ found) == pytest.approx(values[-1], rel=1e-9)


def test_sub_bands_follow_the_frequencies_and_end_with_the_recording():
    """9 to 13 Hz: bands begin at 7, 11, 15 … Hz; a recording filtered to 16 Hz has three."""
    X, y = epochs()
    fitted = TaskRelatedComponents().fit(X, y)
    assert len(fitted.high_passes_) == 5
    for band in fitted._bands(X):
        assert np.abs(band.mean(axis=-1)).max() < 1e-12 * np.abs(band).max()
    with X.info._unlock():
        X.info["lowpass"] = 16.0
    assert len(TaskRelatedComponents().fit(X, y).high_passes_) == 3
    fitted = TaskRelatedComponents().fit(X, y)
    for start, sos in zip((7, 11, 15), fitted.high_passes_, strict=True):
        # Of order 6 in the tangent of the frequency, as any digital Butterworth filter is.
        frequency = np.array([start / 2, start, 45])
        ratio = np.tan(np.pi * start / SFREQ) / np.tan(np.pi * frequency / SFREQ)
        _, gain = scipy.signal.freqz_sos(sos, worN=frequency, fs=SFREQ)
        np.testing.assert_allclose(abs(gain) ** 2, 1 / (1 + ratio**12), rtol=1e-6)
    np.testing.assert_allclose(fitted.weights_, np.array([1, 2, 3]) ** -1.25 + 0.25)


def test_a_class_without_a_frequency():
    """CCA cannot predict rest; the others learn it as any class."""
    X, y = epochs(("9.0", "rest", "13.0"), noise=0.3)
    classes, frequencies = class_frequencies(X, y)
    assert classes.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(frequencies, [9.0, np.nan, 13.0])
    assert 1 not in FrequencyCCA().fit(X, y).predict(X)
    for classifier in (MultisetCCA(), TaskRelatedComponents()):
        assert (classifier.fit(X, y).predict(X)[y != 1] == y[y != 1]).all()


def test_subsets_keep_their_frequencies():
    X, y = epochs()
    few = np.flatnonzero(y != 0)
    classes, frequencies = class_frequencies(X[few], y[few])
    assert (classes.tolist(), frequencies.tolist()) == ([1, 2], [11.0, 13.0])


def none():
    X, y = epochs()
    return X[:0], y[:0]


def lost(value):
    X, y = epochs()
    data = X.get_data()
    data[y == 1] = value
    return mne.EpochsArray(data, X.info, X.events, event_id=X.event_id, verbose="error"), y


@pytest.mark.parametrize("classifier", ALL, ids=lambda one: type(one).__name__)
def test_a_constant_trial_has_no_correlations(classifier):
    fitted = classifier.fit(*epochs())
    assert not fitted.scores(lost(0.0)[0])[1].any()


def named(*names):
    return epochs(names)


def other(*, sfreq=SFREQ, tmin=0.0, order=None):
    """The same numbers, under another sampling rate, begin or order of the channels."""
    X, _ = epochs()
    info = mne.create_info([str(name) for name in order or range(4)], sfreq, "eeg")
    options = {"tmin": tmin, "event_id": X.event_id, "verbose": "error"}
    return mne.EpochsArray(X.get_data(), info, X.events, **options)


@pytest.mark.parametrize("classifier", ALL, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sfreq": 200.0}, "trials are sampled at 200 Hz; those learned from were at 128 Hz"),
        ({"tmin": 0.5}, "trials begin at 0.5 s; those learned from began at 0 s. Cut both"),
        ({"order": [0, 2, 1, 3]}, "channel 1 of the trials is '2'; of those learned .* was '1'"),
    ],
)
def test_trials_to_predict_are_like_those_learned(classifier, change, message):
    """Their arrays are of one shape, so nothing else would tell."""
    fitted = classifier.fit(*epochs())
    np.testing.assert_array_equal(fitted.scores(other()), fitted.scores(epochs()[0]))
    assert len(fitted.predict(other(sfreq=SFREQ * (1 + 1e-9)))) == 18  # rounding of a resampler
    with pytest.raises(ValueError, match=message):
        fitted.predict(other(**change))
    with pytest.raises(ValueError, match=r"must be mne\.Epochs, .* got ndarray"):
        fitted.predict(epochs()[0].get_data())


@pytest.mark.parametrize("classifier", ALL, ids=lambda one: type(one).__name__)
def test_labels_may_be_a_list(classifier):
    X, y = epochs()
    expected = classifier.fit(X, y).scores(X)
    np.testing.assert_array_equal(classifier.fit(X, y.tolist()).scores(X), expected)


def labelled(y):
    return epochs()[0], y


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: FrequencyCCA().fit(np.zeros((2, 3, 4)), [0, 1]),
            "must be mne.Epochs.*got ndarray",
        ),
        (lambda: class_frequencies(epochs()[0], [0, 1]), "18 epochs, but 2 labels"),
        (lambda: class_frequencies(epochs()[0], np.zeros(18)), r"class 0.0 has trials of the eve"),
        (
            lambda: class_frequencies(*labelled(np.where(np.arange(18) == 4, np.nan, 1))),
            "y has no label at index 4, but .*nan.*, one of 1 missing. Leave",
        ),
        (
            lambda: MultisetCCA().fit(*labelled(np.ma.masked_equal(np.arange(18) % 3, 2))),
            "y is a masked array with 6 masked values, the first at index 2",
        ),
        (
            lambda: FrequencyCCA().fit(*labelled(np.zeros((18, 1)))),
            r"y must hold one label per sample, got shape \(18, 1\)",
        ),
        (lambda: class_frequencies(*named("9", "9.0")), "the same frequency: .9.0, 9.0. Hz"),
        (lambda: FrequencyCCA(0).fit(*epochs()), "n_harmonics must be at least 1, got 0"),
        (lambda: FrequencyCCA(-2).fit(*epochs()), "n_harmonics must be at least 1, got -2"),
        (
            lambda: FrequencyCCA(5).fit(*epochs()),
            "harmonic 5 of 13 Hz, 65 Hz, is not below 64 Hz.* Set n_harmonics to 4 at most",
        ),
        (lambda: class_frequencies(*named("-9", "9")), "class 0 is named -9 Hz"),
        (lambda: class_frequencies(*named("0", "9")), "class 0 is named 0 Hz"),
        (lambda: FrequencyCCA().fit(*named("nan", "inf")), "no class is named by a frequency"),
        (lambda: FrequencyCCA().fit(*none()), "there is no trial to learn from"),
        (lambda: MultisetCCA().fit(*none()), "there is no trial to learn from"),
        (lambda: TaskRelatedComponents().fit(*none()), "there is no trial to learn from"),
        (lambda: TaskRelatedComponents(0).fit(*epochs()), "n_bands must be at least 1, got 0"),
        (lambda: TaskRelatedComponents().fit(*epochs(("62",))), "62 Hz, is not below .* 57.6 Hz"),
        (lambda: FrequencyCCA().fit(*epochs()).predict(epochs(n_channels=3)[0]), "3 channels and"),
        (lambda: MultisetCCA().fit(*epochs()).predict(epochs(n_channels=3)[0]), "3 channels and"),
        (
            lambda: TaskRelatedComponents().fit(*epochs()).predict(epochs(n_channels=3)[0]),
            "trials have 3 channels and 256 samples; those learned from had 4 and 256",
        ),
        (lambda: MultisetCCA().fit(*lost(np.nan)), r"trials must be finite, got nan V at index"),
        (lambda: TaskRelatedComponents().fit(*lost(np.nan)), "trials must be finite, got nan V"),
        (lambda: TaskRelatedComponents().fit(*lost(0.0)), "all 6 training trials of a class are c"),
        (lambda: FrequencyCCA().fit(*named("rest")), "no class is named by a frequency"),
        (lambda: TaskRelatedComponents().fit(*named("rest")), "no class is named by a frequency"),
        (
            lambda: TaskRelatedComponents().fit(*epochs(n_each=1)),
            "class 0 has one training trial; two are needed",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
