"""Input that would give a wrong number in silence is refused, with the value in the message."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from common.augmentation import gains, rotations
from common.augmentation.bandstop import BandstopFilter, notch
from common.augmentation.fractions import hold_out, stratified_fraction
from common.augmentation.training import RECIPES, fit, predict, whitener
from common.augmentation.transforms import (
    ChannelsDropout,
    FrequencyShift,
    FTSurrogate,
    GaussianNoise,
    SmoothTimeMask,
    frequency_shift,
)
from common.augmentation.windows import balance, imagery_windows, zscore

NAN = float("nan")
X = np.random.default_rng(0).standard_normal((6, 2, 50)).astype(np.float32)
Y = np.array([0, 1, 0, 1, 0, 1])


def rng():
    return np.random.default_rng(0)


def spoilt(value):
    values = X.astype(float)
    values[3, 1, 7] = value
    return values


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # transformations
        (
            partial(FrequencyShift, max_shift=50.0, sfreq=100.0, seed=0),
            "max_shift must be at least 0 and below 50 Hz, got 50.0 Hz",
        ),
        (partial(FrequencyShift, max_shift=1.0, sfreq=NAN, seed=0), "sfreq must be above 0 Hz"),
        (
            partial(frequency_shift, torch.zeros(2, 1, 8), torch.tensor([1.0, -60.0]), sfreq=100),
            "a shift of -60 Hz is not below 50 Hz, half the sampling frequency",
        ),
        (
            partial(frequency_shift, torch.zeros(1, 1, 8), torch.tensor([NAN]), sfreq=100),
            "a shift of nan Hz is not below 50 Hz",
        ),
        (partial(GaussianNoise, sigma=NAN, seed=0), "sigma must be at least 0, got nan"),
        (
            partial(ChannelsDropout, p_drop=0.5, seed=0, probability=NAN),
            "probability must be .*nan",
        ),
        (
            partial(FTSurrogate, phase_noise_magnitude=NAN, channel_indep=True, seed=0),
            "phase_noise_magnitude must be at least 0 and at most 1, got nan",
        ),
        (partial(BandstopFilter, bandwidth=1.0, sfreq=NAN, seed=0), "sfreq must be above 0 Hz"),
        (
            partial(BandstopFilter, bandwidth=1.0, sfreq=100.0, max_freq=NAN, seed=0),
            "max_freq must be above 0 Hz, got nan Hz",
        ),
        (
            partial(notch, torch.zeros(1, 1, 8), [NAN], sfreq=100.0, bandwidth=1.0),
            "centres must be .* got nan Hz at index 0",
        ),
        (
            partial(notch, torch.zeros(1, 1, 8), [60.0], sfreq=100.0, bandwidth=2.0),
            "at least 1 and at most 49 Hz, got 60.0 Hz at index 0",
        ),
        (
            partial(rotations.standard_positions, ["T3", "Cz", "T7"]),
            "channels 0 and 2 are both 'T7': 'T3' and 'T7'",
        ),
        (
            partial(rotations.spline_weights, [[0, 0, 1.0], [0, 0, 2.0]], np.ones((1, 2, 3))),
            "sensors 0 and 1 share a position",
        ),
        (
            partial(rotations.spline_weights, [[0, 0, 1.0], [0, 0, 0.0]], np.ones((1, 2, 3))),
            "distances of positions from the origin must be .* got 0.0 at index 1",
        ),
        (
            partial(rotations.rotate, np.eye(3), [NAN], axis="x"),
            "degrees must be finite, got nan ° at index 0",
        ),
        (partial(rotations.rotate, np.eye(3), [1.0], axis="w"), "axis must be one of x, y, z"),
        # windows
        (partial(zscore, spoilt(NAN)), r"X must be finite, got nan at index \(3, 1, 7\)"),
        (partial(zscore, spoilt(1e300)), r"X holds values up to 1e\+300, of which the squares"),
        (partial(zscore, X * np.float32(1e25)), "squares cannot be written in float32"),
        (partial(zscore, X * np.float32(1e-30)), "squares cannot be written in float32"),
        (partial(zscore, X[0]), r"X must have 3 axes, got shape \(2, 50\)"),
        (partial(balance, [], rng=rng()), r"y must hold one label an example, got shape \(0,\)"),
        (partial(balance, [0.0, NAN], rng=rng()), "y must be finite, got nan at index 1"),
        (partial(balance, Y, strata=[0, 1], rng=rng()), "y has 6, strata has 2"),
        (partial(stratified_fraction, Y, NAN, rng=rng()), "fraction must be above 0 and at most 1"),
        (
            partial(hold_out, "official", Y, Y, fold=0, n_folds=1, rng=rng(), validation=NAN),
            "validation must be above 0 and below 1, got nan",
        ),
        (partial(whitener, spoilt(NAN)), r"X must be finite, got nan at index \(3, 1, 7\)"),
        (partial(whitener, 0 * X), "is 0 throughout: nothing can be whitened"),
    ],
)
def test_wrong_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_whole_numbers_and_generators():
    with pytest.raises(TypeError, match=r"mask_length must be a whole number, got 2.5"):
        SmoothTimeMask(mask_length=2.5, seed=0)
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 7"):
        balance(Y, rng=7)
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 7"):
        stratified_fraction(Y, 0.5, rng=7)


def test_noise_that_swamps_windows_in_volts_is_refused():
    noise = GaussianNoise(sigma=0.12, seed=0, probability=1.0)
    volts = torch.from_numpy(X) * 1e-5
    with pytest.raises(ValueError, match=r"noise of sigma=0.12 swamps windows whose deviation is"):
        noise(volts)
    # Flat channels, as those of a bridge or of a mask, do not count; nor do windows of nothing.
    half = torch.from_numpy(X).clone()
    half[:, 0] = 0
    assert noise(half).isfinite().all() and noise(0 * half).isfinite().all()
    assert GaussianNoise(sigma=1e-6, seed=0, probability=1.0)(volts).isfinite().all()


# Training


def train_on(train, valid=(X, Y), **options):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(100, 2))
    values = {"recipe": RECIPES["sleep"], "transform": None, "n_epochs": 1, "patience": 1}
    return fit(network, train, valid, **({"seed": 0} | values | options))


@pytest.mark.parametrize(
    ("train", "valid", "message"),
    [
        ((X, Y + 0.5), (X, Y), "labels of the training set must be whole numbers from 0, got 0.5"),
        ((X, Y - 1), (X, Y), "labels of the training set must be whole numbers from 0, got -1"),
        ((X, Y.astype(float)), (X, Y), "must be whole numbers from 0, got torch.float64"),
        ((X, 7 * Y), (X, 7 * Y), "has the label 7, but the network has 2 classes: .* 0 to 1"),
        ((X[::2], Y[::2]), (X, Y), "the validation set has class 1, of which there is no training"),
        ((X, Y), (X[:, :1], Y), r"must have one shape, got \(2, 50\) and \(1, 50\)"),
        ((spoilt(NAN), Y), (X, Y), "X of the training set is not finite .* in example 3 of 6"),
        ((X, Y), (spoilt(1e300), Y), "X of the validation set is not finite .* in example 3 of 6"),
    ],
)
def test_what_networks_cannot_be_trained_on(train, valid, message):
    with pytest.raises(ValueError, match=message):
        train_on(train, valid)


def test_what_networks_cannot_predict():
    with pytest.raises(ValueError, match="X is not finite in single precision, first in example 3"):
        predict(torch.nn.Flatten(), spoilt(NAN))
    with pytest.raises(ValueError, match=r"X is empty: its shape is \(0, 2, 50\)"):
        predict(torch.nn.Flatten(), X[:0])


# Gains of a single fold


def single(hits):
    return pd.DataFrame(
        [
            {"dataset": "d", "augmentation": name, "fraction": 1.0, "fold": 0, "seed": seed}
            | {"hits": text, "balanced_accuracy": 0.5}
            for name, texts in hits.items()
            for seed, text in enumerate(texts)
        ]
    )


@pytest.mark.parametrize("intervals", [gains.improvement_intervals, gains.accuracy_intervals])
@pytest.mark.parametrize(
    ("hits", "message"),
    [
        (
            {"identity": ["xx|x.", "x.|xx", "x.|.x"], "a": ["xx|x.", "x.|xxx", "x.|.x"]},
            r"hits of a, seed 1, are of \[2, 3\] test .*identity, seed 0, of \[2, 2\]",
        ),
        (
            {"identity": ["xx|x.", "x.|xx", "x.|.x"], "a": ["xx|x."]},
            r"a has the seeds \[0\], .* \[0, 1, 2\]",
        ),
    ],
)
def test_hits_and_seeds_must_be_the_same(intervals, hits, message):
    with pytest.raises(ValueError, match=message):
        intervals(single(hits))


def test_a_baseline_that_is_always_wrong_has_no_improvement():
    table = single({"identity": ["..|.."] * 3, "a": ["xx|x.", "x.|xx", "x.|xx"]})
    with pytest.raises(ValueError, match=r"identity is always wrong on d at fraction 1"):
        gains.improvement_intervals(table)


# Mutations that no test noticed


def test_seeds_that_disagree_widen_the_interval():
    """As many right answers in all, by seed or by example: only the first has a spread of seeds."""
    n = 200
    every = ["x" * n + "|" + "x" * n, "." * n + "|" + "." * n] * 3
    half = ["x" * (n // 2) + "." * (n // 2) + "|" + "x" * (n // 2) + "." * (n // 2)] * 6
    widths = {}
    for name, hits in (("disagree", every), ("agree", half)):
        (row,) = gains.accuracy_intervals(single({"identity": hits})).itertuples()
        widths[name] = row.high - row.low
    # Of six seeds the mean of 0 and 1 has a deviation of 0.2; of 400 examples it has one of 0.025.
    assert widths["disagree"] > 4 * widths["agree"]


def test_the_standardisation_of_imagery_forgets_over_a_thousand_samples():
    import mne

    n, step = 10_000, 5000
    noise = np.random.default_rng(0).standard_normal((8, n)) * 1e-5
    noise[:, step:] *= 3
    info = mne.create_info([f"C{i}" for i in range(1, 7)] + ["Fz", "Cz"], 250.0, "eeg")
    raw = mne.io.RawArray(noise, info, verbose="error")
    cues = [(step + 400) / 250.0, 33.0, 35.0, 37.0]
    names = ["feet", "tongue", "left_hand", "right_hand"]
    raw.set_annotations(mne.Annotations(cues, 1.0, names))
    trials, _, _ = imagery_windows(raw, before=0.0, after=0.8)
    # 400 to 600 samples after noise became three times as large, the variance that divides it is
    # 9 - 8 (1 - 0.001)^500 = 4.15 times the old one. With a factor of 0.01 it would be 9.
    expected = 3 / np.sqrt(9 - 8 * 0.999**500)
    assert trials[0].std() == pytest.approx(expected, rel=0.12)  # 8 channels of 200 samples
    assert expected > 1.4
