"""Classifiers: what is trained, what is taken over, and whether a planted class is found."""

import numpy as np
import pytest
import torch

from common.selfsupervised.heads import HEADS, classifier, fine_tune, scores
from common.selfsupervised.network import Encoder
from common.selfsupervised.planted import hemisphere, plant

PLACES = hemisphere(10)
CHANNELS = [{"ch_name": f"a{i}", "loc": list(place)} for i, place in enumerate(PLACES)]
SIZE = {"n_encoder_layers": 1, "n_predictor_layers": 1, "feedforward": 16}


def examples(n=60, seed=0):
    X, y, _ = plant("evoked", PLACES, n_windows=n, n_times=152, rng=np.random.default_rng(seed))
    return torch.from_numpy(X), torch.from_numpy(y)


def make(head, encoder=None, channels=CHANNELS):
    return classifier(
        head, n_classes=2, channels=channels, n_times=152, seed=0, encoder=encoder, size=SIZE
    )


def states(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("head", HEADS)
def test_new_moves_new_layers_only_and_full_moves_all(head):
    train, valid = examples(), examples(20, 1)
    for fine_tuning in ("new", "full"):
        network = make(head)
        before = states(network)
        fine_tune(
            network, head, train, valid, fine_tuning=fine_tuning, seed=0, n_epochs=3, n_new=1,
            patience=3,
        )  # fmt: skip
        moved = {n.split(".")[0] for n, v in states(network).items() if not v.equal(before[n])}
        new = {"final_layer"} | ({"spatial_conv"} if head == "pre-local" else set())
        if fine_tuning == "new":
            assert moved == new
        else:
            assert moved > new


@pytest.mark.parametrize("head", HEADS)
def test_what_is_kept_gives_what_the_whole_network_gives(head):
    # New layers on kept features, against a network that computes all of it each time.
    train, valid = examples(), examples(20, 1)
    network = make(head)
    curve = fine_tune(
        network, head, train, valid, fine_tuning="new", seed=0, n_epochs=4, patience=4
    )
    best = min(row["valid_loss"] for row in curve)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(network(valid[0]), valid[1]).item()
    assert loss == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_a_pre_trained_encoder_is_taken_over_and_stays_as_it_was(head):
    encoder = Encoder(CHANNELS, 152, **SIZE)
    before = states(encoder)
    network = make(head, encoder)
    for name, value in network.feature_encoder.state_dict().items():
        assert value.equal(before[f"feature_encoder.{name}"])
    if head == "contextual":
        for name, value in network.transformer.encoder.state_dict().items():
            assert value.equal(before[f"transformer.encoder.{name}"])
    fine_tune(
        network, head, examples(), examples(20, 1), fine_tuning="full", seed=0, n_epochs=2,
        n_new=0, patience=2,
    )  # fmt: skip
    assert all(value.equal(before[name]) for name, value in encoder.state_dict().items())


def test_other_channels_keep_the_trained_places_of_those_that_both_have():
    encoder = Encoder(CHANNELS, 152, **SIZE)
    with torch.no_grad():
        encoder.pos_encoder.pos_encoder_spat.weight.fill_(7.0)
    others = [*CHANNELS[:6], {"ch_name": "new", "loc": [0.0, 0.0, 1.0]}]
    found = make("contextual", encoder, others).pos_encoder.pos_encoder_spat.weight
    assert (found[:6] == 7).all()
    assert (found[6] != 7).all()


def test_local_heads_do_not_see_the_amplitude_of_a_window():
    # Heads on local tokens: the encoder normalises each channel of each window.
    network, (X, _) = make("post-local").eval(), examples()
    torch.testing.assert_close(network(3 * X), network(X), rtol=0, atol=1e-3)


def test_the_planted_wave_is_found_and_chance_is_chance():
    X, y = examples(500)
    network = make("pre-local")
    curve = fine_tune(
        network, "pre-local", (X[:160], y[:160]), (X[160:200], y[160:200]), fine_tuning="full",
        seed=0, n_epochs=60, patience=50,
    )  # fmt: skip
    assert len(curve) <= 60
    found = scores(network, X[200:], y[200:])
    assert found["roc_auc"] > 0.85
    shuffled = scores(network, X[200:], y[200:][torch.randperm(300)])
    assert abs(shuffled["roc_auc"] - 0.5) < 5 * np.sqrt(1 / 12 / 150 * 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "local"}, "head must be one of pre-local, post-local, contextual, got 'local'"),
        ({"n_classes": 1}, "at least two classes, got 1"),
        ({"n_times": 100}, "shorter than a token"),
    ],
)
def test_bad_classifiers_are_refused(options, message):
    given = {"head": "pre-local", "n_classes": 2, "channels": CHANNELS, "n_times": 152, "seed": 0}
    with pytest.raises(ValueError, match=message):
        classifier(**(given | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fine_tuning": "all"}, "fine_tuning must be one of new, full"),
        ({"patience": 0}, "patience must be"),
        ({"lr": 0.0}, "lr must be above 0"),
    ],
)
def test_bad_training_is_refused(options, message):
    given = {"fine_tuning": "new", "seed": 0}
    with pytest.raises(ValueError, match=message):
        fine_tune(make("pre-local"), "pre-local", examples(), examples(), **(given | options))


def test_one_class_is_refused():
    X, y = examples()
    with pytest.raises(ValueError, match=r"holds the class \[0\] only"):
        fine_tune(make("pre-local"), "pre-local", (X, 0 * y), (X, y), fine_tuning="new", seed=0)
