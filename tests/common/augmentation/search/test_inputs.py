"""Input that would give a wrong policy in silence is refused, with the value and what to do."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from common.augmentation.operations import make_operation
from common.augmentation.search.planted import planted_network
from common.augmentation.search.policies import (
    Policy,
    PolicySpace,
    make_operations,
    random_policy,
)
from common.augmentation.search.relax import ControlVariate, draw, reinforce, relax
from common.augmentation.search.searching import fit, search_policy
from common.augmentation.search.toys import compare_estimators, compare_unrolled
from common.augmentation.search.unrolled import exact_gradient

NAN = float("nan")
NAMES = ["identity", "sign-flip", "gaussian-noise"]
OPERATIONS = make_operations(NAMES)
X = torch.linspace(-1, 1, 6 * 8).reshape(6, 1, 8)
Y = torch.tensor([0, 1, 0, 1, 0, 1])
FLIP = Policy.of(OPERATIONS, [["sign-flip"]])
LOGITS, PROBABILITIES = torch.zeros(6, 1, 3), torch.full((6, 1, 3, 1), 0.5)
DRAWS = draw(LOGITS, PROBABILITIES)


def rng():
    return np.random.default_rng(0)


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(8, 2))


def search(X=X, y=Y, **options):
    return search_policy(network(), X, y, NAMES, **({"n_steps": 1} | options))


def train(X=X, y=Y, **options):
    return fit(network(), X, y, **({"n_steps": 1, "batch_size": 4, "lr": 0.1, "seed": 0} | options))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: search(X * 1e-5),
            "noise of sigma=0.2 swamps windows whose deviation is",
        ),
        # policies
        (
            lambda: make_operations(
                ["sign-flip", make_operation("gaussian-noise")], scales={"gaussian-noise": 0.5}
            ),
            "gaussian-noise is given as an operation, which has a scale of its own",
        ),
        (lambda: make_operations(NAMES, scales={"identity": 0.5}), "a name in scales must be one "),
        (
            lambda: Policy(OPERATIONS, [[[1.7]]], [[[0.5]]], [[[0.5]]]),
            "indices must be whole numbers, got [[[1.7]]]",
        ),
        (
            lambda: Policy.of(OPERATIONS, {1: [["sign-flip"]], 0: [["identity"]]}),
            "subpolicies must be by the classes 0, 1, … in this order, got [1, 0]",
        ),
        (
            lambda: Policy(OPERATIONS, [[[1]]], [[["x"]]], [[[0.5]]]),
            "probabilities must hold numbers, got [[['x']]]",
        ),
        (
            lambda: Policy.of(OPERATIONS, [["sign-flip"]], probability=None),
            "probability must be a number, got None",
        ),
        (
            lambda: Policy.of(OPERATIONS, [["sign-flip"]], magnitude=2),
            "magnitude must be at least 0 and at most 1, got 2",
        ),
        (lambda: FLIP(X * NAN, Y), "X holds a value that is not finite, first in example 0 of 6"),
        (lambda: FLIP(X, Y.float()), "y must hold whole numbers as int64, got torch.float32"),
        (lambda: FLIP(X, Y[:4]), "X has 6, y has 4"),
        (lambda: PolicySpace(OPERATIONS[:1], kind="pairs"), "a space of pairs needs more operatio"),
        (lambda: PolicySpace([]), "a space of stages needs more operations, got 0"),
        (
            lambda: PolicySpace(OPERATIONS).apply_weighted(X, Y, 0.0),
            "temperature must be at least 1e-30, got 0.0",
        ),
        (lambda: PolicySpace(OPERATIONS).apply_weighted(X, Y[:4], 1.0), "X has 6, y has 4"),
        (lambda: PolicySpace(OPERATIONS, n_stages=1).policy(n_best=0), "n_best must be at least 1"),
        (
            lambda: random_policy(OPERATIONS, n_subpolicies=0, rng=rng()),
            "n_subpolicies must be at least 1, got 0",
        ),
        (lambda: planted_network(n_classes=2.5), "n_classes must be a whole number, got 2.5"),
        # estimators
        (
            lambda: reinforce(torch.ones(1), LOGITS, PROBABILITIES, DRAWS),
            "values must have shape (6,), one for each example, got (1,)",
        ),
        (
            lambda: relax(
                torch.full((6,), NAN), LOGITS, PROBABILITIES, DRAWS, ControlVariate(1, 3, 1)
            ),
            "values must be finite. Was a loss not finite?",
        ),
        (
            lambda: draw(LOGITS, PROBABILITIES[:5]),
            "and probabilities one axis more, got (6, 1, 3) and (5, 1, 3, 1)",
        ),
        (lambda: ControlVariate(None, 3, 1), "n_stages must be a whole number, got None"),
        (lambda: ControlVariate(1, 3, 1, n_hidden=0), "n_hidden must be at least 1, got 0"),
        (
            lambda: exact_gradient(
                lambda theta, alpha: (theta * alpha).sum(), lambda theta: theta.sum().log(),
                torch.tensor([-1.0]), torch.tensor([NAN]), step=0.1,
            ),
            "the gradient of the validation loss is [nan]. Are theta, alpha and both losses finite",
        ),
        (
            lambda: exact_gradient(
                lambda theta, alpha: (theta * alpha).sum(), lambda theta: theta.sqrt().sum(),
                torch.tensor([1.0, 1.0]), torch.tensor([0.5, 2.0]), step=1.0,
            ),
            "the gradient of the validation loss is [-0.70",
        ),
        (lambda: compare_unrolled(radii=[0.1, NAN], n_problems=1, rng=rng()), "radii must be fini"),
        (
            lambda: compare_estimators(n_draws=2, n_fitting=0, n_programs=0, rng=rng()),
            "n_programs must be at least 1, got 0",
        ),
        # searches
        (lambda: search(y=Y.float()), "y must hold whole numbers as int64, got torch.float32"),
        (lambda: search(y=Y - 100), "y must hold classes from 0, got -100"),
        (lambda: search(valid=(X, Y.double())), "valid[1] must hold whole numbers as int64, got"),
        (
            lambda: search(valid=(X[..., :7], Y)),
            "X and valid[0] must have examples of one shape, got (1, 8) and (1, 7)",
        ),
        (lambda: search(X=X.numpy()), "X must be a tensor of floating-point numbers, got ndarray"),
        (lambda: train(X=X * NAN), "X holds a value that is not finite, first in example 0 of 6"),
        (lambda: search(class_wise="no"), "class_wise must be one of False, True, got 'no'"),
        (lambda: search(seed=None), "seed must be a whole number, got None"),
        (lambda: train(X=X[:4]), "X has 4, y has 6"),
        (lambda: train(y=Y - 100), "y must hold classes from 0, got -100"),
        (lambda: train(seed=0.5), "seed must be a whole number, got 0.5"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


def test_where_nothing_is_to_choose_all_is_decided():
    space = PolicySpace(OPERATIONS[1:], kind="pairs")
    assert space.entropy() == 0.0
    assert PolicySpace(OPERATIONS).entropy() == pytest.approx(1.0)
