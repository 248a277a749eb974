"""Input that would give a wrong number in silence is refused, with the value and what to do."""

import re
from functools import partial

import mne
import numpy as np
import pytest
import torch

from common.recordings.electrodes import TEN_TWENTY
from common.selfsupervised import examples, planted
from common.selfsupervised.heads import classifier, fine_tune, scores
from common.selfsupervised.masks import draw_masks, head_positions, inside_ball
from common.selfsupervised.network import JEPA, Encoder, n_tokens
from common.selfsupervised.pretraining import pretrain_windows
from common.selfsupervised.probes import token_spread
from common.selfsupervised.windows import prepared

NAN = np.nan
PLACES = planted.hemisphere(10)
CHANNELS = [{"ch_name": f"a{i}", "loc": list(place)} for i, place in enumerate(PLACES)]
SIZE = {"n_encoder_layers": 1, "n_predictor_layers": 1, "feedforward": 16}
X = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 10, 152)).astype(np.float32))
Y = torch.tensor([0, 1, 0, 1, 0, 1])
WINDOWS = {"n_windows": 4, "n_times": 152}


def rng():
    return np.random.default_rng(0)


def raw(names=TEN_TWENTY, broken=False):
    signal = 1e-6 * rng().standard_normal((len(names), 128 * 8))
    if broken:
        signal[3, 100] = NAN
    found = mne.io.RawArray(signal, mne.create_info(list(names), 128.0, "eeg"), verbose="error")
    return found.set_montage("colin27_1020").set_annotations(mne.Annotations(2.0, 0.0, "a"))


def events(raws, classes=("a",), length=1.1875):
    return examples.event_windows(raws, classes=classes, length=length)


def split(kind, **options):
    y = Y.numpy()
    known = {"fold": 0, "n_folds": 2, "rng": rng(), "n_train": 2, "n_valid": 2, "group": 0 * y}
    known |= options
    return examples.split(kind, y, known.pop("group"), **known)


@pytest.fixture(scope="module")
def network():
    return make()


def make(**options):
    known = {"n_classes": 2, "channels": CHANNELS, "n_times": 152, "seed": 0}
    return classifier("pre-local", **(known | options))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # examples
        (
            lambda: examples.planted_windows(
                "evoked", CHANNELS, n_heads=3, **WINDOWS, rngs=[rng(), rng()]
            ),
            "rngs must be a list of n_heads=3 generators, got [Generator",
        ),
        (
            lambda: examples.flicker_windows("none", n_targets=2, length=2.0, delay=-0.1),
            "delay must be at least 0 s, got -0.1 s",
        ),
        (
            lambda: examples.state_examples(None, length=NAN, n_blocks=2, most=2, rng=rng()),
            "length must be above 0 s, got nan s",
        ),
        (
            lambda: examples.state_examples(None, length=2, n_blocks=2, most=2, rng=0),
            "rng must be a numpy.random.Generator, got 0",
        ),
        (lambda: events([raw()], "a"), "classes must be several descriptions, got 'a'"),
        (lambda: events([]), "raws is empty: give at least one recording"),
        (lambda: events([raw(), raw(TEN_TWENTY[::-1])]), "runs differ in channels: Fp1, Fp2"),
        (lambda: events([raw(broken=True)]), "has a value that is not finite, which filters would"),
        (lambda: split("heads", fold=-1), "fold must be at least 0 and at most 1, got -1"),
        (lambda: split("stratified", fold=2), "fold must be at least 0 and at most 1, got 2"),
        (lambda: split("heads", n_train=None), "n_train must be a whole number, got None"),
        (lambda: split("heads", group=[0, 0]), "y has 6, group has 2"),
        (lambda: split("stratified", rng=0), "rng must be a numpy.random.Generator, got 0"),
        (lambda: split("heads", group=None), "group must hold numbers, got None"),
        # recordings
        (
            lambda: prepared(raw(), low=40, high=1),
            "high must be above 40 and below 64 Hz, got 1 Hz",
        ),
        (lambda: prepared(raw(), low=NAN), "low must be above 0 Hz, got nan Hz"),
        # masks
        (
            lambda: inside_ball(PLACES[:, :2], 0.5),
            "positions must have shape (n_channels, 3), got (10, 2)",
        ),
        (
            lambda: draw_masks(
                PLACES, radius=0.1, n_examples=2.5, n_context=2, n_target=2, rng=rng()
            ),
            "n_examples must be a whole number, got 2.5",
        ),
        (lambda: head_positions([]), "the recording has no channel"),
        (
            lambda: head_positions([{"ch_name": "a", "loc": [1.0, 2.0]}]),
            "loc of a must hold x, y and z, got shape (2,)",
        ),
        # simulation
        (
            lambda: planted.leadfield(PLACES[:, :2], n_sources=2, rng=rng()),
            "positions must have shape (n_channels, 3), with two electrodes at least, got shape (1",
        ),
        (
            lambda: planted.leadfield(PLACES[:1], n_sources=2, rng=rng()),
            "with two electrodes at least, got shape (1, 3)",
        ),
        (
            lambda: planted.leadfield(PLACES[[0, 0, 0]], n_sources=2, rng=rng()),
            "with two electrodes at least, got shape (3, 3)",
        ),
        (
            lambda: planted.leadfield(0.09 * PLACES, n_sources=2, rng=rng()),
            "distances from the middle of a head of radius 1 must be finite and at least 0.5 and a",
        ),
        (
            lambda: planted.leadfield(PLACES, n_sources=2.5, rng=rng()),
            "n_sources must be a whole number, got 2.5",
        ),
        (
            lambda: planted.plant("evoked", PLACES, **WINDOWS, rng=rng(), peak=NAN),
            "peak must be at least 0 and at most 1.1875 s, got nan s",
        ),
        (
            lambda: planted.plant("evoked", PLACES, **WINDOWS, rng=rng(), peak=5.0),
            "peak must be at least 0 and at most 1.1875 s, got 5.0 s",
        ),
        (
            lambda: planted.plant("frequency", PLACES, **WINDOWS, rng=rng(), sfreq=20.0),
            "sfreq must be above 44 Hz, got 20.0 Hz",
        ),
        # networks
        (lambda: n_tokens(200.5), "n_times must be a whole number, got 200.5"),
        (
            lambda: Encoder(CHANNELS, 152, **(SIZE | {"n_encoder_layers": 0})),
            "n_encoder_layers must be at least 1, got 0",
        ),
        (lambda: Encoder(CHANNELS, 152, NAN, **SIZE), "sfreq must be above 0 Hz, got nan Hz"),
        (lambda: JEPA(None), "encoder must be an Encoder, got NoneType"),
        (
            lambda: JEPA(Encoder(CHANNELS, 152, **SIZE), gradient_into_target="no"),
            "gradient_into_target must be one of False, True, got 'no'",
        ),
        (lambda: make(n_classes=2.5), "n_classes must be a whole number, got 2.5"),
        (lambda: make(seed=None), "seed must be a whole number, got None"),
        (lambda: make(encoder="encoder.npz"), "encoder must be an Encoder or None, got str"),
        (
            lambda: make(encoder=Encoder(CHANNELS, 152, **SIZE), sfreq=250),
            "sfreq=250 Hz is not that of the encoder, 128 Hz, whose tokens would last another time",
        ),
        (lambda: token_spread(torch.full((3, 2, 1, 4), NAN)), "their spread is nan"),
        # pre-training
        (
            lambda: pretrain_windows(1e200 * X.double().numpy(), X.numpy(), CHANNELS, radius=0.5),
            "which are infinite in single precision. Standardise the windows",
        ),
        (
            lambda: pretrain_windows(X.numpy(), X.numpy(), CHANNELS, radius=0.5, momentum=0.99),
            "momentum must be (first, last), got 0.99",
        ),
        (
            lambda: pretrain_windows(X.numpy(), X.numpy(), CHANNELS, radius=0.5, restore_best="no"),
            "restore_best must be one of False, True, got 'no'",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


@pytest.mark.parametrize(
    ("train", "valid", "options", "message"),
    [
        # Of -100 torch takes no notice.
        (
            (X, Y - 100),
            (X, Y),
            {},
            "train[1] must be from 0 to 1, the classes of the network, got -",
        ),
        (
            (X, Y),
            (X, 2 * Y),
            {},
            "valid[1] must be from 0 to 1, the classes of the network, got 0 t",
        ),
        (
            (X, Y.float()),
            (X, Y),
            {},
            "train[1] must be int64 of shape (n_windows,), got torch.float32",
        ),
        ((X, Y), (X, Y[:3]), {}, "valid[0] has 6, valid[1] has 3"),
        ((X, Y), (X[:0], Y[:0]), {}, "valid[1] is empty: there is no window"),
        (
            (X, Y),
            (X, Y),
            {"head": "contextual"},
            "network must have the head 'contextual', got Sig",
        ),
    ],
)
def test_what_classifiers_cannot_be_trained_on(network, train, valid, options, message):
    known = {"head": "pre-local", "fine_tuning": "new", "seed": 0} | options
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        fine_tune(network, known.pop("head"), train, valid, **known)


@pytest.mark.parametrize(
    ("windows", "labels", "message"),
    [
        (X * NAN, Y, "X holds a value that is not finite, first in example 0 of 6"),
        (X, 0 * Y, "y holds the class [0] only: there is no ROC curve"),
        (X, 2 * Y, "y must be from 0 to 1, the classes of the network, got 0 to 2"),
        (X, Y[:1], "X has 6, y has 1"),
    ],
)
def test_what_has_no_score(network, windows, labels, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        scores(network, windows, labels)


def test_masks_are_those_of_the_examples():
    model = JEPA(Encoder(CHANNELS, 152, **SIZE))
    draw = partial(draw_masks, PLACES, radius=0.3, n_context=2, n_target=2, rng=rng())
    with pytest.raises(
        ValueError, match=r"X must have shape \(4, 10, n_times\), .* \(6, 10, 152\)"
    ):
        model(X, draw(n_examples=4))
    with pytest.raises(ValueError, match=r"X must have shape \(6, 10, n_times\), .* \(6, 9, 152\)"):
        model(X[:, :9], draw(n_examples=6))
