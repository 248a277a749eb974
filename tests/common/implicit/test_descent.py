"""Gradient descent and its Jacobian against autograd and closed forms."""

import numpy as np
import pytest
import torch

from common.implicit import Logistic, PNorm, Ridge, gradient_descent, jacobian, minimizer

RNG = np.random.default_rng(0)
D = RNG.standard_normal((4, 6))
X = RNG.uniform(0.5, 1.5, 4)
LOSSES = {
    "ridge": (Ridge(D, reg=0.3), lambda m, x, z: ((x - m) ** 2).mean() / 2 + 0.15 * z @ z),
    "logistic": (
        Logistic(D, reg=0.3),
        lambda m, x, z: torch.log(1 + torch.exp(-x * m)).mean() + 0.15 * z @ z,
    ),
    "p-norm": (PNorm(D / 4, p=4), lambda m, x, z: ((x - m / 4) ** 4).sum() / 4),
}


@pytest.mark.parametrize("name", LOSSES)
def test_forward_mode_is_autograd(name):
    problem, loss = LOSSES[name]
    step = 1 / problem.smoothness(X)

    def last(x):
        z = torch.zeros(6, dtype=torch.float64, requires_grad=True)
        for _ in range(7):
            value = loss(torch.from_numpy(D) @ z, x, z)
            (gradient,) = torch.autograd.grad(value, z, create_graph=True)
            z = z - step * gradient
        return z

    ((t, z, J),) = gradient_descent(problem, X, step=step, iterations=[7])
    x = torch.from_numpy(X)
    assert t == 7
    np.testing.assert_allclose(z, last(x).detach().numpy(), rtol=1e-10)
    expected = torch.autograd.functional.jacobian(last, x).numpy()
    np.testing.assert_allclose(J, expected, rtol=1e-10, atol=1e-10)


def test_on_a_diagonal_quadratic_iterates_are_geometric_series():
    # D = I: z_t = x (1 - k^t) / (1 + n reg), with k = 1 - step (1 / n + reg), and J_t likewise.
    problem, step = Ridge(np.eye(3), reg=0.5), 0.4
    k, x = 1 - step * (1 / 3 + 0.5), np.array([1.0, -2.0, 3.0])
    for t, z, J in gradient_descent(problem, x, step=step, iterations=range(6)):
        share = (1 - k**t) / (1 + 3 * 0.5)
        np.testing.assert_allclose(z, share * x, rtol=1e-13)
        np.testing.assert_allclose(J, share * np.eye(3), rtol=1e-13)


@pytest.mark.parametrize("name", ["ridge", "logistic"])
def test_iterates_and_jacobians_converge(name):
    problem, _ = LOSSES[name]
    step = 1 / problem.smoothness(X)
    *_, (_, z, J) = gradient_descent(problem, X, step=step, iterations=[2000])
    np.testing.assert_allclose(z, minimizer(problem, X), atol=1e-12)
    np.testing.assert_allclose(J, jacobian(problem, z, X), atol=1e-11)


def test_the_residuals_of_the_p_norm_decouple():
    # Orthonormal rows: r <- r - step r^3 for each residual, and its derivative along.
    problem = PNorm(np.linalg.qr(RNG.standard_normal((6, 4)))[0].T, p=4)
    r, dr = X.copy(), np.ones(4)
    for _ in range(50):
        r, dr = r - 0.1 * r**3, dr - 0.3 * r**2 * dr
    ((_, z, J),) = gradient_descent(problem, X, step=0.1, iterations=[50])
    np.testing.assert_allclose(X - problem.D @ z, r, rtol=1e-12)
    np.testing.assert_allclose(np.eye(4) - problem.D @ J, np.diag(dr), atol=1e-13)


def test_what_is_kept_does_not_matter():
    problem, _ = LOSSES["logistic"]
    every = {t: (z, J) for t, z, J in gradient_descent(problem, X, step=1, iterations=range(9))}
    some = list(gradient_descent(problem, X, step=1, iterations=[0, 3, 3, 8]))
    assert [t for t, *_ in some] == [0, 3, 8]
    for t, z, J in some:
        np.testing.assert_array_equal(z, every[t][0])
        np.testing.assert_array_equal(J, every[t][1])
    assert not every[0][0].any() and not every[0][1].any()


def test_another_start_is_where_it_starts():
    problem, _ = LOSSES["ridge"]
    start = np.arange(6.0)
    ((_, z, J),) = gradient_descent(problem, X, step=0.1, iterations=[0], start=start)
    np.testing.assert_array_equal(z, start)
    assert not J.any()


def test_a_step_beyond_the_bound_is_refused_or_allowed():
    problem, _ = LOSSES["ridge"]
    bound = 2 / problem.smoothness(X)
    with pytest.raises(ValueError, match=rf"below 2 / L = {bound:.4g}, .*, got {bound:g}"):
        gradient_descent(problem, X, step=bound, iterations=[1])
    allowed = gradient_descent(problem, X, step=1.5 * bound, iterations=[100], beyond_bound=True)
    ((_, z, _),) = allowed
    assert np.linalg.norm(z) > 1e3 * np.linalg.norm(minimizer(problem, X))  # it does diverge


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"step": 0}, ValueError, "step must be above 0, got 0"),
        ({"step": np.nan}, ValueError, "step must be above 0, got nan"),
        ({"step": "1"}, TypeError, "step must be a number, got '1'"),
        ({"iterations": [3, 1]}, ValueError, r"iterations must ascend, got 1\.0 at index 1"),
        ({"iterations": [0.5]}, ValueError, r"iterations must be whole numbers, got 0\.5"),
        ({"iterations": [-1]}, ValueError, "iterations must be finite and at least 0"),
        ({"iterations": []}, ValueError, "iterations is empty"),
        ({"start": np.zeros(5)}, ValueError, "z must have 6 values, got 5"),
        ({"x": X[:3]}, ValueError, "x must have 4 values, got 3"),
        ({"x": np.full(4, np.nan)}, ValueError, "x must be finite, got nan"),
    ],
)
def test_bad_input_is_one_clear_error(change, error, message):
    given = {"x": X, "step": 0.1, "iterations": [1]} | change
    with pytest.raises(error, match=message):
        gradient_descent(LOSSES["ridge"][0], given.pop("x"), **given)
