"""Stochastic descent against autograd through the same steps, and its limits."""

import numpy as np
import pytest
import torch

from common.implicit import Logistic, Ridge, analytic, gradient_descent, implicit, minimizer
from common.implicit.stochastic import StochasticPath, gradient_errors, stochastic_descent

RNG = np.random.default_rng(0)
D = RNG.standard_normal((5, 3))
X = RNG.standard_normal(5)
PROBLEM = Logistic(D, reg=0.3)


def through_steps(x, steps, rows):
    """The definition, for torch to differentiate."""
    z = torch.zeros(3, dtype=torch.float64)
    for step, i in zip(steps, rows, strict=True):
        row = torch.from_numpy(D[i])
        slope = -x[i] * torch.sigmoid(-x[i] * (row @ z))
        z = z - step * (slope * row + 0.3 * z)
    return z


@pytest.mark.parametrize("n_steps", [1, 2, 40])
def test_the_automatic_estimate_is_autograd_through_all_steps(n_steps):
    steps = np.linspace(0.5, 0.1, n_steps)
    path = stochastic_descent(
        PROBLEM, X, steps=steps, iterations=[n_steps], rng=np.random.default_rng(1)
    )
    rows = np.random.default_rng(1).integers(5, size=n_steps)
    x = torch.from_numpy(X.copy()).requires_grad_()
    z = through_steps(x, steps, rows)
    np.testing.assert_allclose(path.z[0], z.detach().numpy(), rtol=1e-10)
    value = torch.log(1 + torch.exp(-x * (torch.from_numpy(D) @ z))).mean() + 0.15 * z @ z
    (expected,) = torch.autograd.grad(value, x)
    np.testing.assert_allclose(path.automatic[0], expected.numpy(), rtol=1e-10, atol=1e-12)


def test_what_is_kept_does_not_matter():
    steps = np.full(30, 0.2)
    every = stochastic_descent(
        PROBLEM, X, steps=steps, iterations=range(31), rng=np.random.default_rng(2)
    )
    some = stochastic_descent(
        PROBLEM, X, steps=steps, iterations=[0, 4, 30], rng=np.random.default_rng(2)
    )
    assert some.iterations.tolist() == [0, 4, 30]
    np.testing.assert_array_equal(some.z, every.z[[0, 4, 30]])
    np.testing.assert_array_equal(some.automatic, every.automatic[[0, 4, 30]])
    assert not some.z[0].any()
    np.testing.assert_allclose(some.automatic[0], analytic(PROBLEM, np.zeros(3), X), atol=1e-15)


def test_with_one_row_it_is_gradient_descent():
    one = Logistic(D[:1], reg=0.3)
    path = stochastic_descent(
        one, X[:1], steps=np.full(20, 0.3), iterations=[20], rng=np.random.default_rng(3)
    )
    ((_, z, J),) = gradient_descent(one, X[:1], step=0.3, iterations=[20])
    np.testing.assert_allclose(path.z[0], z, rtol=1e-12)
    expected = one.input_gradient(z, X[:1]) + one.gradient(z, X[:1]) @ J
    np.testing.assert_allclose(path.automatic[0], expected, rtol=1e-10)


def test_falling_steps_converge_to_the_minimum():
    # Steps 1 / (reg t) on a strongly convex sum: the squared error falls like 1 / t.
    steps = 1 / (0.3 * (20 + np.arange(200_000)))
    path = stochastic_descent(
        PROBLEM, X, steps=steps, iterations=[200_000], rng=np.random.default_rng(4)
    )
    z_star = minimizer(PROBLEM, X)
    assert np.linalg.norm(path.z[0] - z_star) < 0.02
    errors = gradient_errors(path, PROBLEM, X, analytic(PROBLEM, z_star, X))
    assert errors["automatic"][0] < 0.1 * errors["analytic"][0]


def test_errors_are_norms_of_differences_and_nan_where_a_run_diverged():
    z = np.array([[0.1, 0.2, 0.3], [np.inf, 0, 0], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
    automatic = np.array([np.ones(5), np.ones(5), np.full(5, np.nan), [1, 1, np.inf, 1, 1]])
    path, truth = StochasticPath(np.arange(4), z, automatic), np.arange(5.0)
    errors = gradient_errors(path, PROBLEM, X, truth)
    assert errors["automatic"][0] == pytest.approx(np.sqrt(1 + 0 + 1 + 4 + 9))
    for name, estimate in (("analytic", analytic), ("implicit", implicit)):
        expected = np.linalg.norm(estimate(PROBLEM, z[0], X) - truth)
        assert errors[name][0] == pytest.approx(expected, rel=1e-14)
    assert all(np.isnan(each[1:]).all() for each in errors.values())


def test_a_run_that_diverges_is_a_result():
    path = stochastic_descent(
        PROBLEM, X, steps=np.full(2000, 50.0), iterations=[2000], rng=np.random.default_rng(5)
    )
    assert not np.isfinite(path.z).all()
    errors = gradient_errors(path, PROBLEM, X, np.zeros(5))
    assert np.isnan(errors["automatic"]).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"problem": Ridge(D, reg=1)}, TypeError, "problem must be Logistic, got Ridge"),
        ({"x": X[:2]}, ValueError, "x must have 5 values, got 2"),
        ({"steps": [0.1, 0.0]}, ValueError, r"steps must be finite and above 0, got 0\.0"),
        ({"steps": [0.1, np.nan]}, ValueError, "steps must be finite and above 0, got nan"),
        ({"iterations": [3]}, ValueError, "iterations must be at most the 2 steps, got 3"),
        ({"iterations": [2, 1]}, ValueError, "iterations must ascend"),
        ({"rng": 0}, TypeError, r"rng must be a numpy\.random\.Generator, got 0"),
    ],
)
def test_bad_input_is_one_clear_error(change, error, message):
    given = {"problem": PROBLEM, "x": X, "steps": [0.1, 0.1], "iterations": [1]}
    given = given | {"rng": np.random.default_rng(0)} | change
    with pytest.raises(error, match=message):
        stochastic_descent(given.pop("problem"), given.pop("x"), **given)


def test_a_gradient_that_does_not_fit_is_refused():
    path = StochasticPath(np.arange(1), np.zeros((1, 3)), np.zeros((1, 5)))
    with pytest.raises(ValueError, match="gradient and x must have one length"):
        gradient_errors(path, PROBLEM, X, np.zeros(4))
