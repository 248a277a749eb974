"""Input that would give a wrong number in silence is refused, with the value in the message."""

import re
from functools import partial

import mne
import numpy as np
import pandas as pd
import pytest
import torch

from common.augmentation import gains, images, rotations, sinusoids, transforms
from common.augmentation.bandstop import BandstopFilter, notch
from common.augmentation.fractions import hold_out, stratified_fraction
from common.augmentation.layers import AugmentationLayer, AveragedNetwork
from common.augmentation.learning import learn, learn_perceptrons
from common.augmentation.operations import make_operation
from common.augmentation.states import sleep_wake_windows
from common.augmentation.training import RECIPES, fit, predict, whitener
from common.augmentation.transforms import (
    ChannelsDropout,
    FrequencyShift,
    FTSurrogate,
    GaussianNoise,
    SmoothTimeMask,
    frequency_shift,
)
from common.augmentation.windows import balance, imagery_windows, sleep_windows, zscore

NAN = float("nan")
X = np.random.default_rng(0).standard_normal((6, 2, 50)).astype(np.float32)
Y = np.array([0, 1, 0, 1, 0, 1])
EXAMPLES, LABELS = torch.from_numpy(X), torch.from_numpy(Y)


def rng():
    return np.random.default_rng(0)


def masked(values):
    return np.ma.array(values, mask=np.arange(len(values)) == 2)


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
        (partial(balance, [], rng=rng()), "y is empty: there is no example"),
        (partial(balance, [0.0, NAN], rng=rng()), "y has no label at index 1, but .*nan"),
        (partial(balance, Y, strata=[0, 1], rng=rng()), "y has 6, strata has 2"),
        (partial(stratified_fraction, Y, NAN, rng=rng()), "fraction must be above 0 and at most 1"),
        (
            partial(hold_out, "official", Y, Y, fold=0, n_folds=1, rng=rng(), validation=NAN),
            "validation must be above 0 and below 1, got nan",
        ),
        (partial(whitener, spoilt(NAN)), r"X must be finite, got nan at index \(3, 1, 7\)"),
        (partial(zscore, np.ma.masked_greater(X, 2.0)), r"X is a masked array with \d+ masked"),
        (partial(zscore, X * 1j), "X must hold numbers, got"),
        (
            partial(balance, masked(Y), rng=rng()),
            "y is a masked array with 1 masked values, the first at",
        ),
        (
            partial(balance, Y, strata=masked(0 * Y), rng=rng()),
            "strata is a masked array with 1 masked values",
        ),
        (
            partial(balance, Y, strata=[0, NAN, 0, 0, 0, 0], rng=rng()),
            "strata has no label at index 1, but .*nan",
        ),
        (
            partial(balance, Y, strata=np.zeros((6, 1)), rng=rng()),
            r"strata must hold one label per sample, got shape \(6, 1\)",
        ),
        (partial(stratified_fraction, masked(Y), 0.5, rng=rng()), "y is a masked array with 1"),
        (
            partial(hold_out, "official", Y, masked(Y), fold=0, n_folds=1, rng=rng()),
            "group is a masked array with 1 masked values",
        ),
        (
            partial(whitener, spoilt(1e200)),
            r"X holds values up to 1e\+200, of which the squares cannot be written in float64",
        ),
        (partial(whitener, X.astype(float) * 1e200), "squares cannot be written in float64"),
        (partial(whitener, X.astype(float) * 1e-200), "squares cannot be written in float64"),
        (partial(whitener, X * 1j), "X must hold numbers, got"),
        (partial(whitener, np.ma.masked_greater(X, 2.0)), r"X is a masked array with \d+ masked"),
        (
            partial(whitener, np.ones((6, 2, 50)) * [[1.0], [0.0]], ridge=0.0),
            "eigenvalue 0 beside 1, and ridge=0: a channel depends on the others",
        ),
        (partial(whitener, 0 * X), "is 0 throughout: nothing can be whitened"),
    ],
)
def test_wrong_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
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


def test_noise_swamps_beyond_ten_deviations():
    X = torch.tensor([[[-1.0, 1.0]]])  # the deviation is 1: that of these samples, not of a draw
    transforms.check_noise(X, 9.9)
    with pytest.raises(ValueError, match=r"noise of sigma=10\.1 swamps windows whose deviation"):
        transforms.check_noise(X, 10.1)


def test_learned_noise_that_swamps_windows_in_volts_is_refused():
    volts = EXAMPLES * 1e-5
    message = r"noise of sigma=0.2 swamps windows whose deviation is .*e-0.\. Are they in V"
    with pytest.raises(ValueError, match=message):
        learned(volts, network=averaged(AugmentationLayer(["sign-flip", "gaussian-noise"])))
    # Flat channels do not count, nor do windows that other operations have emptied.
    half = EXAMPLES.clone()
    half[:, 0] = 0
    learned(half)
    noise = make_operation("gaussian-noise")
    assert noise(volts, 0.5).isfinite().all() and noise(0 * half, 0.5).isfinite().all()
    assert noise(EXAMPLES[:0], 0.5).shape == (0, 2, 50)


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
        (
            (X[:1], Y[:1]), (X[:1], Y[:1]),
            r"the training set has 1 example\(s\), all of class 0: there is nothing to tell apart",
        ),
        ((X, 0 * Y), (X, 0 * Y), r"the training set has 6 example\(s\), all of class 0"),
        (
            (X, Y), (X[::2], Y[::2]),
            r"validation set has no example of class 1: .* \{0: 3, 1: 3\} in .* and \{0: 3\} in",
        ),
        (
            (X, [0, 0, 1, 1, 2, 2]), (X, Y),
            r"no example of class 2: .* \{0: 2, 1: 2, 2: 2\} in training and \{0: 3, 1: 3\} in",
        ),
        ((np.ma.masked_greater(X, 2.0), Y), (X, Y), r"X of the training set is a masked array"),
        ((X, Y), (X, masked(Y)), r"y of the validation set is a masked array with 1 masked"),
        ((X * 1j, Y), (X, Y), "X of the training set must hold real numbers, got complex"),
        ((EXAMPLES * 1j, Y), (X, Y), "X of the training set must hold real numbers, got torch.com"),
        ((X, Y.astype(str)), (X, Y), "y of the training set must hold real numbers, got <U"),
        (
            (X[:, :1], Y), (X[:, :1], Y),
            "network does not take windows of 1 channels and 50 samples: mat1 and .*n_channels=1 a",
        ),
        (
            (X[..., :40], Y), (X[..., :40], Y),
            "network does not take windows of 2 channels and 40 samples: mat1 .* n_times=40",
        ),
    ],
)  # fmt: skip
def test_what_networks_cannot_be_trained_on(train, valid, message):
    with pytest.raises((TypeError, ValueError), match=message):
        train_on(train, valid)


def test_a_network_answers_one_number_a_class():
    options = {"recipe": RECIPES["sleep"], "transform": None, "n_epochs": 1, "patience": 1}
    with pytest.raises(ValueError, match=r"\(n_examples, n_classes\), got \(1, 2, 3\) for one win"):
        fit(torch.nn.Linear(50, 3), (X, Y), (X, Y), **options, seed=0)


def test_a_network_without_memory_is_not_a_network_of_another_shape():
    class Full(torch.nn.Module):
        def forward(self, X):
            raise MemoryError

    with pytest.raises(MemoryError):
        predict(Full(), X)


def test_what_networks_cannot_predict():
    with pytest.raises(ValueError, match="X is not finite in single precision, first in example 3"):
        predict(torch.nn.Flatten(), spoilt(NAN))
    with pytest.raises(ValueError, match=r"X is empty: its shape is \(0, 2, 50\)"):
        predict(torch.nn.Flatten(), X[:0])
    with pytest.raises(ValueError, match=r"X is a masked array with \d+ masked values"):
        predict(torch.nn.Flatten(), np.ma.masked_greater(X, 2.0))
    with pytest.raises(TypeError, match="X must hold real numbers, got complex"):
        predict(torch.nn.Flatten(), X * 1j)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(100, 2))
    with pytest.raises(ValueError, match="network does not take windows of 1 channels and 50 samp"):
        predict(network, X[:, :1])


# Learned augmentation

NAMES = ["gaussian-noise", "sign-flip"]
LAYER = AugmentationLayer(NAMES)
MANY, OF_MANY = EXAMPLES.transpose(0, 1), LABELS.expand(2, 6)


def averaged(layer=LAYER, **options):
    trunk = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(100, 2))
    return AveragedNetwork(layer, trunk, **options)


def learned(examples=EXAMPLES, labels=LABELS, network=None, **options):
    known = {"n_epochs": 1, "batch_size": 4, "lr": 0.01, "seed": 0} | options
    return learn(averaged() if network is None else network, examples, labels, **known)


def perceptrons(examples=MANY, labels=OF_MANY, **options):
    known = {"n_neurons": 2, "n_layers": 1, "method": "oracle", "seeds": [0, 1], "n_epochs": 1}
    known |= {"batch_size": 4, "lr": 0.01, "weight_decay": 0.0, "reward": 0.0, "magnitude": 0.1}
    known |= {"scale": 2.0, "true_shift": 0.5, "seed": 0}
    return learn_perceptrons(examples, labels, **(known | options))


CUES = ["left_hand", "right_hand", "feet", "tongue"]


def recording(broken=False):
    signal = 1e-5 * np.random.default_rng(0).standard_normal((2, 2000))
    if broken:
        signal[1, 3] = NAN
    info = mne.create_info(["C3", "C4"], 250.0, "eeg")
    raw = mne.io.RawArray(signal, info, verbose="error")
    return raw.set_annotations(mne.Annotations([2.0, 3, 4, 5], 1.0, CUES))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # layers
        (
            partial(
                AugmentationLayer, [make_operation("gaussian-noise")], scales={"gaussian-noise": 1}
            ),
            "gaussian-noise is given as an operation, which has a scale of its own",
        ),
        (
            partial(AugmentationLayer, NAMES, generator=0),
            "generator must be a torch.Generator or None, got 0",
        ),
        (
            partial(AugmentationLayer, NAMES, magnitude=np.array([0.1, NAN])),
            "magnitude of sign-flip must be at least 0 and at most 1, got ",
        ),
        (partial(LAYER, torch.ones(2, 1, 8).int()), "X must be a tensor of floating-point numbers"),
        (partial(LAYER, X), "X must be a tensor of floating-point numbers, got ndarray"),
        (
            partial(LAYER, EXAMPLES, [EXAMPLES[:1], None]),
            "prepared holds 2 parts of [1] examples, for 2 operations on 6 examples",
        ),
        (
            partial(LAYER, EXAMPLES, [None]),
            "prepared holds 1 parts of [] examples, for 2 operations",
        ),
        (
            partial(AugmentationLayer, NAMES, temperature=1e-300),
            "temperature must be at least 1e-30",
        ),
        # learning
        (partial(learned, labels=LABELS - 100), "y must hold labels from 0, got -100"),
        (
            partial(learned, labels=LABELS / 1),
            "y must hold whole numbers as int64, got torch.float32",
        ),
        (
            partial(learned, examples=EXAMPLES * NAN),
            "X holds a value that is not finite, first in ex",
        ),
        (partial(learned, seed=None), "seed must be a whole number, got None"),
        (partial(learned, cosine="no"), "cosine must be one of False, True, got 'no'"),
        (partial(learned, kind="all"), "kind must be one of weighted, magnitudes, none, got 'all'"),
        (
            partial(learned, valid=(EXAMPLES, LABELS - 1)),
            "valid[1] must hold labels from 0, got -1",
        ),
        (partial(learned, valid=(EXAMPLES, LABELS[1:])), "valid[0] has 6, valid[1] has 5"),
        (
            partial(learned, network=averaged(n_copies_training=2), prepared=[None, None]),
            "prepared needs an AveragedNetwork of one AugmentationLayer and n_copies_training=1",
        ),
        (
            partial(
                learned,
                network=averaged(torch.nn.Sequential(LAYER, AugmentationLayer(NAMES))),
                prepared=[None, None],
            ),
            "examples would pass by all else. Leave prepared out.",
        ),
        (
            partial(perceptrons, true_shift=3.0),
            "true_shift must be at least 0 and at most 2 Hz, got",
        ),
        (partial(perceptrons, lr=NAN), "lr must be above 0, got nan"),
        (partial(perceptrons, reward=-1), "reward must be at least 0, got -1"),
        (partial(perceptrons, n_epochs=1.5), "n_epochs must be a whole number, got 1.5"),
        (partial(perceptrons, seeds=[0]), "X has 2, seeds has 1"),
        (partial(perceptrons, labels=LABELS), "and y the first two, got (2, 6, 50) and (6,)"),
        (partial(perceptrons, labels=4 * OF_MANY), "y must be from 0 to 3, got 4"),
        (
            partial(perceptrons, examples=NAN * MANY),
            "X holds a value that is not finite, first in example 0 of 2",
        ),
        (
            lambda: perceptrons().outputs(MANY, -1),
            "n_copies must be at least 0, got -1",
        ),
        (partial(learned, labels=Y), "y must hold whole numbers as int64, got ndarray"),
        (partial(perceptrons, labels=None), "y must hold whole numbers as int64, got NoneType"),
        (partial(perceptrons, seeds=3), "seeds must be a sequence of whole numbers, got 3"),
        (partial(perceptrons, seeds=[0, NAN]), "a seed must be a whole number, got nan"),
        (partial(perceptrons, seed=None), "seed must be a whole number, got None"),
        # data and networks
        (
            partial(sinusoids.draw_sinusoids, 3, rng=rng(), duration=0.004),
            "duration=0.004 s holds no sample at 100 Hz",
        ),
        (
            partial(sinusoids.LongConvolution, 1, 2, 3, stride=2),
            "stride of a LongConvolution must be (1,), got (2,). Use torch.nn.Conv1d",
        ),
        (
            partial(sinusoids.LongConvolution, 2, 2, 3),
            "in_channels of a LongConvolution must be 1, got 2",
        ),
        (
            partial(sinusoids.LongConvolution, 1, 2, 3, bias=False),
            "a LongConvolution needs a number as padding and a bias, got (0,) and bias=None",
        ),
        (
            partial(sinusoids.LongConvolution(1, 2, 3), torch.ones(4, 2, 9)),
            "X must have one channel and at least 3 samples, got shape (4, 2, 9)",
        ),
        (
            partial(sinusoids.LongConvolution(1, 2, 5, padding=1), torch.ones(4, 1, 2)),
            "X must have one channel and at least 3 samples, got shape (4, 1, 2)",
        ),
        (
            partial(sinusoids.Perceptrons, 4, 2, 1, 2, seeds=3),
            "seeds must be a sequence of whole num",
        ),
        (
            partial(sinusoids.Perceptrons, 4, 2, 1, 2.5, seeds=[3]),
            "n_classes must be a whole number",
        ),
        (
            partial(images.AffineRanges, half_width=1e3),
            "half_width must be above 0 and at most 300",
        ),
        (
            partial(images.rotated, torch.ones(2, 1, 8, 8), [0.1, NAN]),
            "angles must be finite, got nan rad at index 1",
        ),
        (partial(images.rotated, torch.ones(2, 1, 8, 8), [0.1]), "images has 2, angles has 1"),
        (
            partial(images.convolutional_network, n_channels=1, width=0, side=16, n_classes=2),
            "width must be at least 1, got 0",
        ),
        (partial(images.residual_network, 2.5), "n_classes must be a whole number, got 2.5"),
        (
            partial(images.rotated, torch.full((1, 1, 8, 8), NAN), [0.1]),
            "X holds a value that is not finite, first in example 0 of 1",
        ),
        (partial(images.rotated, torch.ones(1, 1, 8, 8), [1e9]), "and at most 1e+06 rad, got"),
        (
            partial(images.rotated, torch.ones(1, 1, 8, 8), ["x"]),
            "angles must hold numbers, got ['x']",
        ),
        # sensors
        (
            partial(rotations.standard_positions, []),
            "ch_names must be one name or more in a sequence",
        ),
        (partial(rotations.standard_positions, "Cz"), "ch_names must be one name or more in a seq"),
        (
            partial(rotations.rotate, np.ones((2, 2)), [1.0], axis="x"),
            "positions must have 2 axes, and three coordinates each, got shape (2, 2)",
        ),
        (
            partial(rotations.spline_weights, np.eye(3), np.ones((1, 2, 2))),
            "targets must have 3 axes, and three coordinates each, got shape (1, 2, 2)",
        ),
        # recordings
        (
            partial(imagery_windows, recording(), band=(38.0, 4.0)),
            "band[1] must be above 38 Hz, got 4",
        ),
        (
            partial(imagery_windows, recording(), band=4.0),
            "band must be (lowest, highest) in Hz, got 4",
        ),
        (partial(imagery_windows, recording(), before=NAN), "before must be finite, got nan s"),
        (
            partial(imagery_windows, recording(), after=-0.5),
            "after must be above -0.5 s, got -0.5 s",
        ),
        (
            partial(imagery_windows, recording(broken=True), after=1.0),
            "channel C4 has a value that is not finite, which filters would spread",
        ),
        (
            partial(sleep_windows, recording(), length=0.0),
            "length must be at least 0.004 s, got 0.0 s",
        ),
        (partial(sleep_windows, recording(), high=NAN), "high must be above 0 Hz, got nan Hz"),
        (
            partial(
                sleep_wake_windows, "a", "b", sfreq=100, length=NAN, high=30, n_blocks=2, rng=rng()
            ),
            "length must be at least 0.01 s, got nan s",
        ),
    ],
)
def test_what_gives_no_learned_augmentation(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


def test_a_layer_whose_weights_are_no_numbers_is_an_error():
    layer = AugmentationLayer(NAMES)
    layer.weights.data.fill_(NAN)
    with pytest.raises(ValueError, match=r"the weights are \[nan, nan\]: was a loss not finite"):
        layer(EXAMPLES)


def test_weights_that_are_no_numbers_are_an_error():
    with pytest.raises(
        FloatingPointError, match=r"weights are not finite after training. Lower lr=1"
    ):
        perceptrons(lr=1e38, weight_decay=1e30, n_epochs=3)


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


# Gains of several folds


def several(n_folds=4, n_seeds=2, fraction=1.0):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {"dataset": "d", "augmentation": name, "fraction": fraction, "fold": fold, "seed": seed}
            | {"balanced_accuracy": rng.uniform(0.4, 0.8), "hits": ""}
            for name in ("identity", "a", "b")
            for fold in range(n_folds)
            for seed in range(n_seeds)
        ]
    )


def cells(table, name, fold, seed=None):
    found = (table["augmentation"] == name) & (table["fold"] == fold)
    return found if seed is None else found & (table["seed"] == seed)


def improvement(table):
    return gains.relative_improvement(table, metric="balanced_accuracy")


FOLDED = [improvement, gains.improvement_intervals, gains.accuracy_intervals]


@pytest.mark.parametrize("intervals", FOLDED)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda table: table[~cells(table, "a", 1, 1)],
            "a of dataset d.* has no fit of fold 1, seed 1, which identity has: .* Run the missing",
        ),
        (
            lambda table: table[~cells(table, "b", 2)],
            "b of dataset d.* has no fit of fold 2, seed 0, which identity has",
        ),
        (
            lambda table: table[~cells(table, "identity", 3, 0)],
            "identity of dataset d.* has no fit of fold 3, seed 0, which a has",
        ),
        (
            lambda table: pd.concat([table, table[cells(table, "a", 0, 1)]]),
            "a of dataset d.* has 2 fits of fold 0, seed 1: it must have one",
        ),
        (
            lambda table: table.assign(
                balanced_accuracy=table["balanced_accuracy"].mask(cells(table, "identity", 2, 1))
            ),
            "balanced_accuracy must be finite, got nan for dataset d, augmentation identity, "
            "fold 2, seed 1. Run",
        ),
    ],
)
def test_augmentations_have_the_folds_and_seeds_of_the_baseline(intervals, change, message):
    intervals(several())
    with pytest.raises(ValueError, match=message):
        intervals(change(several()))


def test_seeds_of_one_fold_are_paired_in_full():
    table = several(n_folds=1, n_seeds=3)
    with pytest.raises(ValueError, match="a of dataset d has no fit of fold 0, seed 2, which iden"):
        improvement(table[~cells(table, "a", 0, 2)])


def test_a_fold_on_which_the_baseline_is_always_wrong_has_no_improvement():
    table = several()
    table.loc[cells(table, "identity", 2), "balanced_accuracy"] = 0.0
    with pytest.raises(ValueError, match="identity is always wrong on d at fraction 1 in fold 2"):
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
