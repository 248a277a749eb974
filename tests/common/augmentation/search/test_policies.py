"""Policies: how batches go through them, and their relaxation."""

import numpy as np
import pytest
import torch

from common.augmentation.search.policies import (
    LEAST_PROBABILITY,
    Policy,
    PolicySpace,
    make_operations,
    random_policy,
)

NAMES = ["identity", "sign-flip", "time-reverse", "gaussian-noise"]


def windows(n_examples=6, n_times=16, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_examples, 2, n_times, generator=generator)


def operations(names=NAMES):
    return make_operations(names)


def test_operations_are_applied_in_sequence_by_class():
    X, y = windows(), torch.tensor([0, 1, 0, 1, 1, 0])
    given = {0: [["sign-flip", "time-reverse"]], 1: [["identity"]]}
    out = Policy.of(operations(), given, probability=1.0)(X, y)
    first = (y == 0)[:, None, None]
    torch.testing.assert_close(out, torch.where(first, -X.flip(-1), X), rtol=0, atol=0)


def test_subpolicies_are_chosen_uniformly_and_applied_with_their_probability():
    n = 8000
    X, y = windows(n, 4), torch.zeros(n, dtype=torch.long)
    policy = Policy.of(operations(), [["sign-flip"], ["time-reverse"]], probability=0.5)
    out = policy(X, y, generator=torch.Generator().manual_seed(0))
    flipped = float((out == -X).flatten(1).all(1).float().mean())
    # One half times one half: five standard errors.
    assert flipped == pytest.approx(0.25, abs=5 * np.sqrt(0.1875 / n))


def test_the_examples_given_stay_as_they_are():
    X = windows()
    before = X.clone()
    Policy.of(operations(), [["sign-flip"]], probability=1.0)(X, torch.zeros(6, dtype=torch.long))
    assert torch.equal(X, before)


def test_stages_and_pairs_have_their_numbers_of_logits():
    assert PolicySpace(operations(), n_groups=5).logits.shape == (5, 1, 2, 4)
    pairs = PolicySpace(operations(), kind="pairs")
    assert pairs.logits.shape == (1, 1, 1, 6)  # 4 * 3 / 2
    assert len({tuple(sorted(one)) for one in pairs.programs.tolist()}) == 6
    # 15 operations, as in DADA.
    assert len(list(torch.combinations(torch.arange(15)))) == 105


def test_the_weights_of_operations_are_the_means_of_their_programs():
    space = PolicySpace(operations(), kind="pairs")
    with torch.no_grad():
        space.logits[0, 0, 0, 0] = 50.0  # (identity, sign-flip)
    assert space.operation_weights()[0].tolist() == pytest.approx([0.5, 0.5, 0, 0], abs=1e-6)
    assert space.entropy() == pytest.approx(0, abs=1e-6)
    assert PolicySpace(operations()).entropy() == pytest.approx(1, abs=1e-6)


def test_the_policy_found_has_the_likeliest_operations():
    space = PolicySpace(operations(), n_groups=2)
    with torch.no_grad():
        space.logits[0, 0, 0, 2] = space.logits[0, 0, 1, 1] = 1.0
        space.logits[1, 0, 0, 3] = space.logits[1, 0, 1, 0] = 1.0
        space.magnitudes[1, 0, 0, 3, 0] = 0.25
    policy = space.policy()
    assert policy.indices.tolist() == [[[2, 1]], [[3, 0]]]
    assert policy.magnitudes.tolist() == [[[0.5, 0.5]], [[0.25, 0.5]]]
    pairs = PolicySpace(operations(), kind="pairs")
    with torch.no_grad():
        pairs.logits[0, 0, 0, 5] = 2.0
        pairs.logits[0, 0, 0, 3] = 1.0
    assert pairs.policy(n_best=2).indices.tolist() == [[[2, 3], [1, 2]]]


def test_a_projection_brings_numbers_back():
    space = PolicySpace(operations())
    with torch.no_grad():
        space.probabilities.fill_(1.5)
        space.magnitudes.fill_(-0.5)
    space.project_()
    assert (space.probabilities == 1 - LEAST_PROBABILITY).all()
    assert (space.magnitudes == 0).all()


def test_a_weighted_sum_that_is_decided_is_the_operation():
    space, X = PolicySpace(operations(), n_stages=1), windows()
    with torch.no_grad():
        space.logits[..., 1] = 10.0
        space.probabilities.fill_(1.0)
    for gumbel in (False, True):
        out = space.apply_weighted(X, torch.zeros(6, dtype=torch.long), 0.05, gumbel=gumbel)
        torch.testing.assert_close(out, -X)


def test_a_weighted_sum_has_the_gradient_of_finite_differences():
    X, weights = windows().double(), windows(seed=3).double()
    y = torch.zeros(6, dtype=torch.long)
    space = PolicySpace(operations(["identity", "gaussian-noise"]), n_stages=1).double()

    def loss():
        generator = torch.Generator().manual_seed(0)
        return (weights * space.apply_weighted(X, y, 0.5, generator=generator)).sum()

    loss().backward()
    for parameter in (space.logits, space.magnitudes):
        at = parameter.data.view(-1)
        for i in range(len(at)):
            sides = []
            for sign in (1, -1):
                at[i] += sign * 1e-6
                sides.append(float(loss().detach()))
                at[i] -= sign * 1e-6
            expected = (sides[0] - sides[1]) / 2e-6
            assert float(parameter.grad.view(-1)[i]) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_random_policies_are_reproducible_and_in_range():
    made = [random_policy(operations(), n_groups=3, rng=np.random.default_rng(5)) for _ in range(2)]
    assert torch.equal(made[0].indices, made[1].indices)
    assert made[0].indices.shape == (3, 1, 2)
    assert made[0].class_wise


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_operations(["sign-flip"]), "two different operations or more, got"),
        (lambda: make_operations(["sign-flip", "sign-flip"]), "two different operations"),
        (lambda: make_operations(["sign-flop", "identity"]), "Did you mean 'sign-flip'"),
        (lambda: make_operations(NAMES, scales={"sign-flop": 1}), "a name in scales"),
        (lambda: Policy(operations(), [[[7]]], [[[0.5]]], [[[0.5]]]), "from 0 to 3, got 7"),
        (lambda: Policy(operations(), [[[0]]], [[[1.5]]], [[[0.5]]]), "between 0 and 1, got 1.5"),
        (lambda: Policy(operations(), [[[0]]], [[0.5]], [[[0.5]]]), "must have one shape"),
        (lambda: Policy.of(operations(), []), "every class needs a subpolicy"),
        (lambda: Policy.of(operations(), [["sign-flop"]]), "an operation must be one of"),
        (lambda: PolicySpace(operations(), kind="triples"), "kind must be one of"),
        (lambda: PolicySpace(operations()).policy(n_best=2), "n_best needs one stage"),
        (
            lambda: PolicySpace(operations(), kind="pairs").apply_weighted(
                windows(), torch.zeros(6, dtype=torch.long), 0.05
            ),
            "weighted sums need kind='stages'",
        ),
        (
            lambda: Policy.of(operations(), {0: [["sign-flip"]], 1: [["identity"]]})(
                windows(), torch.full((6,), 2)
            ),
            "labels must be from 0 to 1",
        ),
    ],
)
def test_bad_input_is_one_clear_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()
