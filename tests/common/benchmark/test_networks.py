"""Training of networks: what it learns, when it stops, what it leaves alone."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

from common.benchmark.networks import NETWORKS, NetworkClassifier, _batches

SMALL = {"n_epochs": 2, "batch_size": 16}


def trials(n=40, n_channels=4, n_times=250, seed=0, effect=2.0):
    """Two classes, mixed: the first channel of one oscillates at 12 of 250 Hz."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    X = rng.standard_normal((n, n_channels, n_times))
    X[y == 1, 0] += effect * np.sin(2 * np.pi * 12 / 250 * np.arange(n_times))
    return X, np.array(["left", "right"])[y]


def test_it_learns_what_is_there():
    X, y = trials(n=60)
    fitted = NetworkClassifier("ShallowFBCSPNet", n_epochs=10, patience=10, batch_size=16)
    fitted.fit(X, y)
    X_new, y_new = trials(seed=1)
    # The oscillation has twice the noise's power in one of four channels: no trial is ambiguous.
    assert (fitted.predict(X_new) == y_new).mean() > 0.9
    probabilities = fitted.predict_proba(X_new)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)  # float32
    assert fitted.classes_.tolist() == ["left", "right"]
    assert fitted.history_[-1]["train_loss"] < fitted.history_[0]["train_loss"]


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_trains_on_three_seconds_and_two_to_three_classes(network):
    X, y = trials(n=20, n_times=384)
    three = np.where(np.arange(20) % 3 == 0, "feet", y)
    for labels in (y, three):
        fitted = NetworkClassifier(network, **SMALL).fit(X, labels)
        assert fitted.predict_proba(X).shape == (20, len(np.unique(labels)))
        assert fitted.n_epochs_ == 2


def test_the_seed_decides_and_nothing_else_changes():
    X, y = trials()
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first = NetworkClassifier("EEGNet", **SMALL).fit(X, y).predict_proba(X)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(8)
    again = NetworkClassifier("EEGNet", **SMALL).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(first, again)
    other = NetworkClassifier("EEGNet", seed=1, **SMALL).fit(X, y).predict_proba(X)
    assert not np.allclose(first, other)


@pytest.mark.parametrize(
    ("n", "sizes"), [(1, [1]), (4, [4]), (8, [4, 4]), (9, [4, 5]), (10, [4, 4, 2]), (13, [4, 4, 5])]
)
def test_a_batch_of_one_trial_joins_the_one_before(n, sizes):
    batches = _batches(n, 4)
    assert [len(batch) for batch in batches] == sizes
    assert sorted(torch.cat(batches).tolist()) == list(range(n))


def test_the_last_fifth_is_for_validation():
    """Trials kept for validation are not trained on: their labels cannot change the weights."""
    X, y = trials(n=20)
    changed = y.copy()
    changed[-4:] = changed[-4:][::-1]
    one = NetworkClassifier("EEGNet", **SMALL).fit(X, y)
    two = NetworkClassifier("EEGNet", **SMALL).fit(X, changed)
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    changed = y.copy()
    changed[-5] = "left" if y[-5] == "right" else "right"
    three = NetworkClassifier("EEGNet", **SMALL).fit(X, changed)
    assert not np.allclose(one.predict_proba(X), three.predict_proba(X))


def test_training_stops_when_the_validation_loss_does_not_fall():
    X, y = trials(effect=0.0)
    fitted = NetworkClassifier("EEGNet", n_epochs=60, patience=4, batch_size=16, lr=0.05).fit(X, y)
    losses = [one["valid_loss"] for one in fitted.history_]
    assert fitted.n_epochs_ == len(losses) < 60
    best = int(np.argmin(losses))
    assert len(losses) - 1 - best == 4


def test_last_weights_or_the_best_ones():
    X, y = trials(effect=0.0)
    settings = {"n_epochs": 12, "patience": 12, "batch_size": 16, "lr": 0.02}
    last = NetworkClassifier("EEGNet", **settings).fit(X, y)
    best = NetworkClassifier("EEGNet", restore_best=True, **settings).fit(X, y)
    losses = [one["valid_loss"] for one in best.history_]
    assert losses == [one["valid_loss"] for one in last.history_]

    def loss(fitted):
        truth = np.searchsorted(fitted.classes_, y[-8:])
        return -np.log(fitted.predict_proba(X[-8:])[np.arange(8), truth]).mean()

    # Probabilities went through float32.
    assert loss(best) == pytest.approx(min(losses), abs=1e-5)
    assert loss(last) == pytest.approx(losses[-1], abs=1e-5)
    assert np.argmin(losses) < len(losses) - 1


def test_learning_rate_is_halved_with_kerass_patience(monkeypatch):
    """With a loss that never falls by 1e-4 after the first epoch, after each three epochs."""
    X, y = trials(n=20)
    rates = []
    step = torch.optim.lr_scheduler.ReduceLROnPlateau.step

    def watched(self, loss):
        step(self, 1.0 - 1e-6 * len(rates))
        rates.append(self.optimizer.param_groups[0]["lr"])

    monkeypatch.setattr(torch.optim.lr_scheduler.ReduceLROnPlateau, "step", watched)
    NetworkClassifier("EEGNet", n_epochs=8, patience=3, batch_size=16).fit(X, y)
    n = len(rates)
    np.testing.assert_allclose(rates, ([1e-3] * 3 + [5e-4] * 3 + [2.5e-4] * 3)[:n])
    assert n > 3


def test_a_single_last_trial_joins_the_batch_before():
    """Batch normalisation cannot train on one: 21 - 4 = 17 training trials in batches of 16."""
    X, y = trials(n=21)
    fitted = NetworkClassifier("EEGTCNet", **SMALL).fit(X, y)
    assert np.isfinite([one["train_loss"] for one in fitted.history_]).all()


def test_cloning_keeps_arguments():
    made = NetworkClassifier("EEGNeX", options={"kernel_block_1_2": 32}, n_epochs=5)
    assert clone(made).get_params() == made.get_params()


@pytest.mark.parametrize(
    ("arguments", "X", "message"),
    [
        ({"network": "EEGNetv4"}, trials()[0], "one of ShallowFBCSPNet, .*, got 'EEGNetv4'"),
        ({}, trials()[0][:, 0], r"got \(40, 250\) and 40 labels"),
        ({}, trials()[0][:-1], r"got \(39, 4, 250\) and 40 labels"),
        (
            {},
            np.where(np.arange(40)[:, None, None] == 3, np.nan, trials()[0]),
            r"X must be finite, got nan µV at index \(3, 0, 0\)",
        ),
        ({}, np.ma.masked_greater(trials()[0], 3), r"X is a masked array with \d+ masked values"),
        ({"network": "EEGTCNet"}, trials()[0][:, :, :30], "EEGTCNet cannot be made .* 30 samples"),
        ({"network": "Deep4Net"}, trials()[0][:, :1], "of 1 channels .* at least two channels"),
        ({"validation_share": 1.0}, trials()[0], "above 0 and below 1, got 1.0"),
        ({}, 1e40 * trials()[0], r"values of up to \d\.\d+e\+40, beyond single precision"),
        ({}, -1e40 * np.abs(trials()[0]), r"of up to \d\.\d+e\+40, beyond single precision"),
        ({"n_epochs": 0}, trials()[0], "n_epochs must be at least 1, got 0"),
        ({"patience": 0}, trials()[0], "patience must be at least 1, got 0"),
        ({"batch_size": 0}, trials()[0], "batch_size must be at least 1, got 0"),
    ],
)
def test_errors_say_what_is_wrong(arguments, X, message):
    with pytest.raises(ValueError, match=message):
        NetworkClassifier(**({"network": "EEGNet"} | SMALL | arguments)).fit(X, trials()[1])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0] * 20 + [1] * 20, "last 8 of 40 .* validation part has none of class 0. Shuffle"),
        ([0] * 10 + [1] * 20 + [0] * 10, "validation part has none of class 1"),
        # In random order, 20 of 40 neighbours differ; a quarter are 5.
        (np.repeat([0, 1, 0, 1, 0], [6, 10, 6, 10, 8]), "validation part has none of class 1"),
        ([0, 1] * 16 + [2] * 8, "last 8 of 40 .* training part has none of class 2. Shuffle"),
        ([0] * 40, r"all 40 trials are of class \[0\]; two are needed"),
        (np.arange(40) % 2 / 1, r"whole numbers or words, got float64: \[0. 1. 0. 1. 0.\]"),
        (np.arange(40) % 2 + 0j, "whole numbers or words, got complex128"),
        ([0, 1] * 19 + [None, 0], "y has no label at index 38, but None"),
        (
            [0, 1] * 19 + [np.nan, 0],
            "y has no label at index 38, but .*nan.*, one of 1",
        ),
        (np.arange(40)[:, None] % 2, r"y must hold one label per sample, got shape \(40, 1\)"),
        (np.ma.masked_array([0, 1] * 20, np.arange(40) == 3), "y is a masked .* first at index 3"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        NetworkClassifier("EEGNet", **SMALL).fit(trials()[0], np.ma.asarray(y))


def test_complex_trials_are_refused():
    X, y = trials(n=20)
    with pytest.raises(TypeError, match="X must hold numbers, got array"):
        NetworkClassifier("EEGNet", **SMALL).fit(X + 1j, y)


@pytest.mark.parametrize(
    "y",
    [
        np.array([0, 1] * 6 + [0, 1, 1, 0] + [0] * 4),  # mixed, but for the last four
        np.repeat([0, 1] * 3, [7, 6, 7, 6, 6, 8]),  # 5 changes of the 20 in random order
    ],
)
def test_a_class_that_chance_left_out_of_the_validation_part_is_fine(y):
    X, _ = trials(n=len(y))
    assert NetworkClassifier("EEGNet", **SMALL).fit(X, y).classes_.tolist() == [0, 1]


def test_one_trial_is_too_few():
    X, y = trials()
    with pytest.raises(ValueError, match=r"all 1 trials are of class \['(left|right)'\]"):
        NetworkClassifier("EEGNet", **SMALL).fit(X[:1], y[:1])


def test_trials_to_predict_are_like_those_learned():
    X, y = trials(n=20)
    fitted = NetworkClassifier("EEGNet", **SMALL).fit(X, y)
    with pytest.raises(ValueError, match=r"of 3 channels and 250 samples; .* on 4 and 250"):
        fitted.predict(X[:, :3])
    with pytest.raises(ValueError, match=r"of 4 channels and 200 samples; .* on 4 and 250"):
        fitted.predict(X[:, :, :200])
    with pytest.raises(ValueError, match="X must be finite, got nan µV"):
        fitted.predict(np.full_like(X, np.nan))
    with pytest.raises(ValueError, match=r"X must be \(n_trials, .* got \(4, 250\)"):
        fitted.predict(X[0])
    with pytest.raises(ValueError, match=r"values of up to \d\.\d+e\+300, beyond single precision"):
        fitted.predict(1e300 * X)
    with pytest.raises(TypeError, match="X must hold numbers, got array"):
        fitted.predict(X + 1j)
    with pytest.raises(ValueError, match="X is a masked array with"):
        fitted.predict(np.ma.masked_greater(X, 3))


def test_outputs_that_are_not_finite_are_no_class():
    """Values in single precision, whose squares are not."""
    X, y = trials(n=20)
    fitted = NetworkClassifier("ShallowFBCSPNet", **SMALL).fit(X, y)
    X[[7, 9]] *= 1e30
    said = (
        r"output of ShallowFBCSPNet is not finite for trial 7 of X, one of 2, .* reach \d\S*e\+30"
    )
    with pytest.raises(FloatingPointError, match=said):
        fitted.predict(X)


def test_a_loss_that_is_not_finite_is_an_error():
    X, y = trials(n=20)
    said = r"the loss is .* Lower the learning rate of EEGNet \(lr=inf\)\."
    with pytest.raises(FloatingPointError, match=said):
        NetworkClassifier("EEGNet", lr=float("inf"), **SMALL).fit(X, y)


def test_an_error_of_the_machine_is_not_called_one_of_the_trials(monkeypatch):
    def starved(**settings):
        raise MemoryError("Unable to allocate 30 GiB")

    monkeypatch.setattr("braindecode.models.EEGNet", starved)
    with pytest.raises(MemoryError, match="30 GiB"):
        NetworkClassifier("EEGNet").fit(*trials())


@pytest.mark.parametrize("network", NETWORKS)
def test_a_trained_network_can_be_stored(network):
    """EEGNet's weights are parametrised, which torch does not store by itself."""
    X, y = trials(n=20, n_times=384)
    fitted = NetworkClassifier(network, n_epochs=1, batch_size=16).fit(X, y)
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    again = pickle.loads(pickle.dumps(fitted))
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(fitted.predict_proba(X), again.predict_proba(X))
    assert again.n_epochs_ == 1 and not again.network_.training
