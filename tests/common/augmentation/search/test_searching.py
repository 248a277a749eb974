"""Searches: an answer that is known, costs, reproducible results, errors."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from common import training
from common.augmentation.search import METHODS, Policy, fit, make_operations, search_policy
from common.augmentation.search.policies import PolicySpace
from common.augmentation.search.searching import _Bilevel, single_pass

NAMES = ["identity", "sign-flip", "time-reverse"]


def signed(n=60, *, both, seed=0):
    """A bump early (class 0) or late (class 1); with ``both``, of either polarity."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = 0.3 * rng.standard_normal((n, 1, 24))
    sign = rng.choice([-1.0, 1.0], n) if both else np.ones(n)
    for i in range(n):
        X[i, 0, (4 if y[i] == 0 else 14) : (10 if y[i] == 0 else 20)] += sign[i]
    return torch.from_numpy(X.astype(np.float32)), torch.from_numpy(y)


def network(seed=0):
    with training.reproducible(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 2))


def search(method="adda", **options):
    options = {"n_steps": 60, "batch_size": 30, "trial_steps": 60, "n_stages": 1} | options
    return search_policy(
        network(), *signed(both=False), NAMES, valid=signed(both=True, seed=1), method=method,
        **options,
    )  # fmt: skip


@pytest.mark.parametrize("method", ["adda", "gumbel", "dada"])
def test_bilevel_searches_find_the_flip_and_not_the_reversal_that_swaps_classes(method):
    found = search(method, n_steps=120)
    weights = dict(zip(NAMES, found.weights[0].tolist(), strict=True))
    assert max(weights, key=weights.get) == "sign-flip", weights
    assert min(weights, key=weights.get) == "time-reverse", weights


def test_a_class_wise_search_has_a_policy_for_each_class():
    found = search(class_wise=True, n_steps=120)
    assert found.policy.indices.shape == (2, 1, 1)
    assert (found.weights.argmax(1) == 1).all()
    torch.testing.assert_close(found.weights.sum(1), torch.ones(2))


@pytest.mark.parametrize("method", METHODS)
def test_every_search_is_reproducible_leaves_the_model_alone_and_counts_passes(method):
    model = network()
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(3)
    state = torch.get_rng_state()
    options = {"valid": signed(both=True, seed=1), "method": method, "n_steps": 4, "watch": 2}
    options |= {"batch_size": 20, "trial_steps": 10}
    first, second = (search_policy(model, *signed(both=False), NAMES, **options) for _ in range(2))
    assert torch.equal(first.weights, second.weights) and first.curve == second.curve
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    passes = {"random": [10, 20], "faster-aa": [6, 12]}.get(method, [10, 20])
    assert [one["passes"] for one in first.curve] == passes


def test_without_a_validation_part_every_second_example_of_a_class_is_taken():
    found = search_policy(network(), *signed(both=True), NAMES, n_steps=2, batch_size=10)
    assert isinstance(found.policy, Policy)


def test_values_of_examples_are_the_derivative_of_their_losses_along_the_validation_gradient():
    X, y = signed(20, both=False)
    held_out = signed(20, both=True, seed=1)
    model = nn.Sequential(*network()[:2], nn.Tanh(), network()[3]).double()
    space = PolicySpace(make_operations(NAMES))
    state = _Bilevel(copy.deepcopy(model), space, "adda", 2, lr=0.1, policy_lr=0.1)
    X, held_out = X.double(), (held_out[0].double(), held_out[1])
    found = state._values(X, y, held_out)
    parameters = list(model.parameters())
    gradient = torch.autograd.grad(functional.cross_entropy(model(X), y), parameters)
    with torch.no_grad():
        for one, g in zip(parameters, gradient, strict=True):
            one -= 0.1 * g
    direction = single_pass(model, *held_out)
    with torch.no_grad():
        for one, g in zip(parameters, gradient, strict=True):
            one += 0.1 * g
    losses = functional.cross_entropy(model(X), y, reduction="none")
    expected = []
    for loss in losses:
        own = torch.autograd.grad(loss, parameters, retain_graph=True)
        expected.append(-sum((a * b).sum() for a, b in zip(own, direction, strict=True)))
    expected = torch.stack(expected)
    expected = expected / expected.square().mean().sqrt()
    # The radius is 0.01: the error is of the order of its square, 1e-4.
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_a_policy_step_leaves_running_statistics_to_the_training_step():
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(44, 2))
    space = PolicySpace(make_operations(NAMES))
    state = _Bilevel(model, space, "adda", 2, lr=0.1, policy_lr=0.1)
    before = model[1].running_mean.clone()
    state._relax(signed(20, both=False), signed(20, both=True, seed=1))
    assert torch.equal(model[1].running_mean, before)


def test_training_with_the_policy_that_helps_is_more_accurate():
    train, test = signed(both=False), signed(200, both=True, seed=2)
    operations = make_operations(NAMES)
    accuracies = []
    for policy in (None, Policy.of(operations, [["sign-flip"]])):
        trained = fit(network(), *train, policy, n_steps=150, batch_size=30, lr=0.01, seed=0)
        accuracies.append(float((trained(test[0]).argmax(1) == test[1]).float().mean()))
    assert accuracies[1] > accuracies[0] + 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "ramdom"}, "Did you mean 'random'"),
        ({"n_steps": 0}, "n_steps must be at least 1, got 0"),
        ({"policy_lr": 0.0}, "policy_lr must be above 0"),
        ({"lr": -1.0}, "lr must be above 0"),
        ({"scales": {"sign-flop": 1.0}}, "a name in scales"),
    ],
)
def test_bad_options_are_one_clear_error(change, message):
    with pytest.raises(ValueError, match=message):
        search(**change)


def test_bad_examples_are_one_clear_error():
    X, y = signed(both=False)
    valid = signed(both=True, seed=1)
    with pytest.raises(ValueError, match="classes 0, 1, … of two or more, got \\[0\\]"):
        search_policy(network(), X, torch.zeros_like(y), NAMES, valid=valid)
    with pytest.raises(ValueError, match="validation part holds the classes \\[1\\]"):
        search_policy(network(), X, y, NAMES, valid=(valid[0], torch.ones_like(valid[1])))
    with pytest.raises(ValueError, match="X has 59, y has 60"):
        search_policy(network(), X[1:], y, NAMES, valid=valid)
    with pytest.raises(ValueError, match="n_examples, n_channels, n_times"):
        search_policy(network(), X[:, 0], y, NAMES, valid=valid)
    bad = X.clone()
    bad[7, 0, 3] = float("nan")
    with pytest.raises(ValueError, match="first in example 7 of 60"):
        search_policy(network(), bad, y, NAMES, valid=valid)


def test_a_loss_that_is_not_finite_is_one_clear_error():
    X, y = signed(both=False)
    with pytest.raises(FloatingPointError, match="Are the examples standardised"):
        fit(network(), X * 1e30, y, n_steps=5, batch_size=30, lr=1e20, seed=0)
