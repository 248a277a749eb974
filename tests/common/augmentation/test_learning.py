"""Training of networks that learn their augmentation."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from common.augmentation.images import AffineRanges
from common.augmentation.layers import AugmentationLayer, AveragedNetwork, penalty
from common.augmentation.learning import learn, learn_perceptrons, reward_of
from common.augmentation.sinusoids import draw_sinusoids

SETTINGS = {"n_epochs": 2, "batch_size": 8, "lr": 0.01, "seed": 0}


def network(*, magnitude=0.1, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Flatten(), nn.Linear(50, 3))
    layer = AugmentationLayer(["gaussian-noise"], magnitude=magnitude, **options)
    return AveragedNetwork(layer, trunk)


def examples(n_examples=20):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(n_examples, 1, 50, generator=generator)
    return X, torch.arange(n_examples) % 3


def state(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_a_step_is_that_of_adam_on_the_stated_loss():
    X, y = examples(8)
    found, expected = network(), network()
    learn(found, X, y, n_epochs=1, batch_size=8, lr=0.01, weight_decay=0.5, reward=0.3, seed=4,
          shuffle=False)  # fmt: skip
    optimizer = torch.optim.Adam(expected.parameters(), lr=0.01, weight_decay=0.5)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        loss = functional.cross_entropy(expected(X), y) - 0.3 * penalty(expected)
    loss.backward()
    optimizer.step()
    torch.testing.assert_close(state(found), state(expected), rtol=1e-5, atol=1e-6)


def test_the_same_seed_gives_the_same_network_and_another_does_not():
    X, y = examples()
    found = []
    for seed in (0, 0, 1):
        model = network()
        losses = learn(model, X, y, **(SETTINGS | {"seed": seed}))
        assert len(losses) == 2 and not model.training
        found.append(state(model))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_what_is_prepared_once_gives_the_same_training():
    X, y = examples()

    def shifting():
        model = network()
        model.augmentation = AugmentationLayer(["frequency-shift"], sfreq=50, magnitude=0.3)
        return model

    plain, prepared = shifting(), shifting()
    learn(plain, X, y, **SETTINGS)
    learn(prepared, X, y, prepared=prepared.augmentation.prepare(X), **SETTINGS)
    torch.testing.assert_close(state(plain), state(prepared))


def test_magnitudes_stay_in_their_range_and_the_penalty_raises_them():
    X, y = examples()
    raised, decayed = network(magnitude=0.99), network(magnitude=0.005)
    learn(raised, X, y, **SETTINGS, reward=100.0)
    assert raised.augmentation.magnitudes.tolist() == [1.0]
    learn(decayed, X, y, **SETTINGS, weight_decay=100.0)
    assert decayed.augmentation.magnitudes.tolist() == [0.0]


def test_weight_decay_spares_layers_if_told():
    X, y = examples()
    model = network(magnitude=0.5)
    learn(model, X, y, **SETTINGS, weight_decay=1e6, layer_decay=False, reward=1.0)
    assert model.augmentation.magnitudes.item() > 0.5
    assert abs(model.trunk[1].weight).mean() < 0.1


def test_validation_stops_training_and_keeps_the_best_weights():
    X, y = examples()
    model = network()
    # Labels that are wrong: the validation loss rises from the first epochs on.
    losses = learn(model, X, y, valid=(X, (y + 1) % 3), **(SETTINGS | {"n_epochs": 50}), patience=3)
    assert len(losses) < 10


def test_the_reward_may_change_with_the_epoch():
    X, y = examples()
    asked = []

    def reward(epoch):
        asked.append(epoch)
        return 0.1 / epoch

    steps = []
    learn(network(), X, y, **SETTINGS, reward=reward, cosine=True, after_step=steps.append)
    assert asked == [1, 2] and steps == [1, 2, 3, 4, 5, 6]


def test_the_reward_of_augerino_is_its_own():
    model = AveragedNetwork(AffineRanges(half_width=0.1), nn.Identity())
    assert float(reward_of(model).detach()) == pytest.approx(0.2 * np.sqrt(6), rel=1e-5)
    assert float(reward_of(network(magnitude=0.2)).detach()) == pytest.approx(0.2)


def sinusoids(n_networks=2):
    drawn = [draw_sinusoids(6, rng=np.random.default_rng(i)) for i in range(n_networks)]
    return torch.stack([one.X[:, 0] for one in drawn]), torch.stack([one.y for one in drawn])


PERCEPTRONS = {
    "n_neurons": 2, "n_layers": 1, "n_epochs": 3, "batch_size": 8, "lr": 0.01, "weight_decay": 1e-4,
    "reward": 0.8, "magnitude": 0.05, "scale": 2.0, "true_shift": 0.5, "seed": 0,
}  # fmt: skip


def test_perceptrons_without_shifts_are_trained_as_if_each_were_alone():
    X, y = sinusoids()
    both = learn_perceptrons(X, y, method="none", seeds=[3, 4], **PERCEPTRONS)
    for i, seed in enumerate([3, 4]):
        alone = learn_perceptrons(
            X[i : i + 1], y[i : i + 1], method="none", seeds=[seed], **PERCEPTRONS
        )
        torch.testing.assert_close(
            both.outputs(X, 0)[i], alone.outputs(X[i : i + 1], 0)[0], rtol=1e-4, atol=1e-5
        )
    assert both.half_widths.tolist() == [0.0, 0.0]


def test_the_oracle_keeps_its_range_and_augnet_changes_it():
    X, y = sinusoids()
    oracle = learn_perceptrons(X, y, method="oracle", seeds=[3, 4], **PERCEPTRONS)
    assert oracle.half_widths.tolist() == [0.5, 0.5]
    learned = learn_perceptrons(X, y, method="augnet", seeds=[3, 4], **PERCEPTRONS)
    assert (learned.half_widths != 0.1).all() and (learned.half_widths <= 2).all()
    again = learn_perceptrons(X, y, method="augnet", seeds=[3, 4], **PERCEPTRONS)
    assert torch.equal(learned.half_widths, again.half_widths)


def test_averages_are_of_logarithms_of_probabilities():
    X, y = sinusoids()
    fit = learn_perceptrons(X, y, method="oracle", seeds=[3, 4], **PERCEPTRONS)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = fit.outputs(X, 3)
        torch.manual_seed(0)
        with torch.no_grad():
            expected = torch.stack([fit.logits(X).log_softmax(-1) for _ in range(3)]).mean(0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_bad_input_is_one_clear_error():
    X, y = examples()
    with pytest.raises(ValueError, match="at least two classes, got only 0, in 20 examples"):
        learn(network(), X, torch.zeros_like(y), **SETTINGS)
    with pytest.raises(ValueError, match="at least two classes, got none"):
        learn(network(), X[:0], y[:0], **SETTINGS)
    with pytest.raises(ValueError, match="X has 20, y has 19"):
        learn(network(), X, y[1:], **SETTINGS)
    with pytest.raises(ValueError, match="reward must be at least 0, got -1"):
        learn(network(), X, y, **SETTINGS, reward=-1)
    with pytest.raises(FloatingPointError, match=r"the loss is .* in step 1\. Use a smaller lr"):
        broken = network()
        broken.trunk[1].weight.data.fill_(float("inf"))
        learn(broken, X, y, **SETTINGS)
    X, y = sinusoids()
    with pytest.raises(ValueError, match="method must be one of none, oracle, augnet"):
        learn_perceptrons(X, y, method="augment", seeds=[3, 4], **PERCEPTRONS)
    with pytest.raises(ValueError, match=r"magnitude must be .*, got 1\.2"):
        learn_perceptrons(X, y, method="augnet", seeds=[3, 4], **(PERCEPTRONS | {"magnitude": 1.2}))
    with pytest.raises(ValueError, match="at least two classes, got only 1"):
        learn_perceptrons(X, torch.ones_like(y), method="none", seeds=[3, 4], **PERCEPTRONS)
    with pytest.raises(FloatingPointError, match=r"weights are not finite .* Lower lr=1e\+20\."):
        learn_perceptrons(X, y, method="none", seeds=[3, 4], **(PERCEPTRONS | {"lr": 1e20}))


def test_one_weight_that_is_not_finite_is_enough(monkeypatch):
    X, y = sinusoids()
    step, steps = torch.optim.Adam.step, {"taken": 0, "last": None}

    def spoil(self, *given, **options):
        found = step(self, *given, **options)
        steps["taken"] += 1
        if steps["taken"] == steps["last"]:
            self.param_groups[0]["params"][0].data.view(-1)[0] = float("inf")
        return found

    monkeypatch.setattr(torch.optim.Adam, "step", spoil)
    learn_perceptrons(X, y, method="none", seeds=[3, 4], **PERCEPTRONS)
    steps.update(last=steps["taken"], taken=0)
    with pytest.raises(FloatingPointError, match="weights are not finite after training"):
        learn_perceptrons(X, y, method="none", seeds=[3, 4], **PERCEPTRONS)
