"""Gradients through Sinkhorn: forward against backward mode, autograd, and what t = 1 gives."""

import numpy as np
import pytest
import torch

from common.implicit import (
    EntropicDual,
    analytic,
    automatic,
    sinkhorn_path,
    weight_gradients,
)
from common.transport import DOMAINS, sinkhorn

REG = 0.2


def random_problem(seed=0, n_distributions=3):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.1, 1, (n_distributions, 6)), rng.uniform(0.1, 1, 4)
    return a / a.sum(1, keepdims=True), b / b.sum(), rng.uniform(0, 1, (6, 4))


def torch_potentials(a, b, cost, n_iter):
    K, v = torch.exp(-cost / REG), torch.ones_like(b)
    for _ in range(n_iter):
        u = a / (K @ v)
        v = b / (K.T @ u)
    return torch.cat([REG * torch.log(u), REG * torch.log(v)])


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("n_iter", [1, 2, 6])
def test_forward_mode_is_autograd(domain, n_iter):
    a, b, cost = random_problem()
    problem = EntropicDual(a[0], cost, reg=REG)
    ((t, z, J),) = sinkhorn_path(problem, b, iterations=[n_iter], domain=domain)
    tensors = [torch.from_numpy(each) for each in (a[0], b, cost)]
    expected = torch_potentials(*tensors, n_iter)
    assert t == n_iter
    np.testing.assert_allclose(z, expected.numpy(), rtol=1e-10, atol=1e-12)
    of_b = torch.autograd.functional.jacobian(
        lambda weights: torch_potentials(tensors[0], weights, tensors[2], n_iter), tensors[1]
    )
    np.testing.assert_allclose(J, of_b.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("n_iter", [1, 2, 3, 10])
def test_backward_mode_is_forward_mode_for_each_distribution(n_iter):
    a, b, cost = random_problem(seed=1)
    both = {
        gradient: weight_gradients(a, b, cost, reg=REG, n_iter=n_iter, gradient=gradient)
        for gradient in ("analytic", "automatic")
    }
    for k, one in enumerate(a):
        problem = EntropicDual(one, cost, reg=REG)
        ((_, z, J),) = sinkhorn_path(problem, b, iterations=[n_iter])
        np.testing.assert_allclose(both["analytic"][k], analytic(problem, z, b), atol=1e-13)
        np.testing.assert_allclose(both["automatic"][k], automatic(problem, z, J, b), atol=1e-13)


def test_the_automatic_estimate_is_the_derivative_of_the_dual_value():
    a, b, cost = random_problem(seed=2)
    tensors = [torch.from_numpy(each) for each in (a[0], b.copy(), cost)]
    tensors[1].requires_grad_()
    z = torch_potentials(*tensors, 5)
    plan = torch.exp((z[:6, None] + z[6:] - tensors[2]) / REG)
    value = z[:6] @ tensors[0] + z[6:] @ tensors[1] - REG * plan.sum()
    (expected,) = torch.autograd.grad(value, tensors[1])
    (found,) = weight_gradients(a[:1], b, cost, reg=REG, n_iter=5, gradient="automatic")
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-12)


def test_after_one_iteration_both_estimates_agree():
    # u is free of b then.
    a, b, cost = random_problem(seed=3)
    options = {"reg": REG, "n_iter": 1}
    np.testing.assert_array_equal(
        weight_gradients(a, b, cost, gradient="analytic", **options),
        weight_gradients(a, b, cost, gradient="automatic", **options),
    )


def test_after_many_iterations_both_are_the_gradient():
    a, b, cost = random_problem(seed=4)
    _, g = sinkhorn(a, b, cost, reg=REG, n_iter=3000)
    for gradient in ("analytic", "automatic"):
        found = weight_gradients(a, b, cost, reg=REG, n_iter=400, gradient=gradient)
        centred = [each - each.mean(1, keepdims=True) for each in (found, g)]
        np.testing.assert_allclose(*centred, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"gradient": "auto"}, ValueError, "gradient must be one of analytic, automatic"),
        ({"n_iter": 0}, ValueError, "n_iter must be at least 1, got 0"),
        ({"reg": 0.0}, ValueError, r"reg must be above 0, got 0\.0"),
        ({"reg": 1e-4}, ValueError, "too small for the linear domain"),
    ],
)
def test_bad_options_are_one_clear_error(change, error, message):
    a, b, cost = random_problem()
    with pytest.raises(error, match=message):
        weight_gradients(a, b, cost, **{"reg": REG, "n_iter": 2, "gradient": "analytic"} | change)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.full(6, 1 / 6), None, "a must have 2 axes"),
        (None, np.array([0.5, 0.5, 0.0, 0.0]), "b must be positive, got 0 at index 2"),
        (None, np.array([0.5, 0.5]), r"cost must have the shape of a × b, \(6, 2\)"),
    ],
)
def test_bad_weights_are_one_clear_error(a, b, message):
    right = random_problem()
    a, b = (given if given is not None else one for given, one in zip((a, b), right, strict=False))
    with pytest.raises(ValueError, match=message):
        weight_gradients(a, b, right[2], reg=REG, n_iter=2, gradient="analytic")


def test_a_path_begins_at_one():
    a, b, cost = random_problem()
    problem = EntropicDual(a[0], cost, reg=REG)
    with pytest.raises(ValueError, match="iterations must be at least 1, got 0"):
        sinkhorn_path(problem, b, iterations=[0, 1])
    with pytest.raises(ValueError, match=r"b must sum to 1, got 2"):
        sinkhorn_path(problem, 2 * b, iterations=[1])
