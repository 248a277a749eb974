"""Every derivative of every problem against differences, by complex steps or in high precision."""

import numpy as np
import pytest
import torch

from common.implicit import EntropicDual, Logistic, PNorm, Ridge

RNG = np.random.default_rng(0)
D = RNG.standard_normal((4, 6))
COST = RNG.uniform(0, 1, (4, 3))


def entropic():
    a = np.array([0.1, 0.2, 0.3, 0.4])
    return EntropicDual(a, COST, reg=0.3)


PROBLEMS = {
    "ridge": (Ridge(D, reg=0.3), 4),
    "logistic": (Logistic(D, reg=0.3), 4),
    "p-norm 4": (PNorm(D, p=4), 4),
    "p-norm 6": (PNorm(D, p=6), 4),
    "wasserstein": (entropic(), 3),
}
EACH = pytest.mark.parametrize("name", PROBLEMS)


def point(name):
    problem, n_inputs = PROBLEMS[name]
    rng = np.random.default_rng(1)
    x = rng.standard_normal(n_inputs) if name != "wasserstein" else np.array([0.5, 0.2, 0.3])
    return problem, 0.3 * rng.standard_normal(problem.n_parameters), x


def loss(name, z, x):
    """The definition, for torch to differentiate."""
    if name == "wasserstein":
        f, g, cost, reg = z[:4], z[4:], torch.from_numpy(COST), 0.3
        plan = torch.exp((f[:, None] + g - cost) / reg)
        a = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
        return f @ a + g @ x - reg * plan.sum()
    m = torch.from_numpy(D) @ z
    if name == "ridge":
        return ((x - m) ** 2).sum() / 8 + 0.15 * (z @ z)
    if name == "logistic":
        return torch.log(1 + torch.exp(-x * m)).mean() + 0.15 * (z @ z)
    p = int(name[-1])
    return ((x - m) ** p).sum() / p


@EACH
def test_derivatives_are_those_of_the_definition(name):
    problem, z, x = point(name)
    assert (problem.n_parameters, problem.n_inputs) == (len(z), len(x))
    tensors = torch.from_numpy(z), torch.from_numpy(x)
    assert problem.value(z, x) == pytest.approx(float(loss(name, *tensors)), rel=1e-12)
    by_z, by_x = torch.autograd.functional.jacobian(lambda *zx: loss(name, *zx), tensors)
    (by_zz, by_zx), _ = torch.autograd.functional.hessian(lambda *zx: loss(name, *zx), tensors)
    for found, expected in (
        (problem.gradient(z, x), by_z),
        (problem.input_gradient(z, x), by_x),
        (problem.hessian(z, x), by_zz),
        (problem.cross(z, x), by_zx),
    ):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in PROBLEMS if name != "wasserstein"])
def test_the_differential_is_that_of_its_parts(name):
    problem, z, x = point(name)
    J = np.random.default_rng(2).standard_normal((problem.n_parameters, problem.n_inputs))
    gradient, derivative = problem.differential(z, x, J)
    np.testing.assert_allclose(gradient, problem.gradient(z, x), rtol=1e-12)
    expected = problem.hessian(z, x) @ J + problem.cross(z, x)
    np.testing.assert_allclose(derivative, expected, rtol=1e-10, atol=1e-12)


@EACH
def test_flat_directions_change_nothing(name):
    problem, z, x = point(name)
    flat = problem.flat
    np.testing.assert_allclose(flat.T @ flat, np.eye(flat.shape[1]), atol=1e-14)
    assert flat.shape[1] == {"wasserstein": 1, "p-norm 4": 2, "p-norm 6": 2}.get(name, 0)
    moved = z + flat @ np.full(flat.shape[1], 0.7)
    assert problem.value(moved, x) == pytest.approx(problem.value(z, x), rel=1e-12)


@pytest.mark.parametrize("name", ["ridge", "logistic", "p-norm 4", "p-norm 6"])
def test_smoothness_bounds_the_curvature_and_is_reached(name):
    problem, _, x = point(name)
    largest = np.linalg.norm(problem.hessian(np.zeros(6), x), 2)
    assert largest <= problem.smoothness(x) * (1 + 1e-12)
    if name in ("ridge", "logistic"):  # both have their largest curvature at 0
        assert largest == pytest.approx(problem.smoothness(x), rel=1e-12)
        rng = np.random.default_rng(3)
        for z in rng.standard_normal((20, 6)):
            assert np.linalg.norm(problem.hessian(z, x), 2) <= largest * (1 + 1e-12)


def test_the_p_norm_bound_holds_for_smaller_residuals():
    problem = PNorm(np.linalg.qr(RNG.standard_normal((6, 4)))[0].T, p=4)
    x = np.array([1.0, -2.0, 0.5, 1.5])
    assert problem.smoothness(x) == pytest.approx(3 * 2**2, rel=1e-12)
    halfway = problem.D.T @ x / 2
    assert np.linalg.norm(problem.hessian(halfway, x), 2) < problem.smoothness(x)


def test_the_minimiser_of_the_p_norm_is_the_shortest_solution():
    problem, _, x = point("p-norm 4")
    z = problem.minimizer(x)
    np.testing.assert_allclose(problem.D @ z, x, atol=1e-12)
    np.testing.assert_allclose(problem.flat.T @ z, 0, atol=1e-12)


def test_the_logistic_loss_does_not_overflow():
    problem = Logistic(1000 * D, reg=0.1)
    z = np.ones(6)
    x = np.sign(problem.D @ z)
    assert problem.value(z, x) == pytest.approx(0.3, abs=1e-6)
    assert problem.value(z, -x) == pytest.approx(0.3 + np.abs(problem.D @ z).mean(), rel=1e-9)
    for found in (problem.gradient(z, -x), problem.hessian(z, -x), problem.cross(z, -x)):
        assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Ridge(D, reg=0), ValueError, "reg must be above 0, got 0"),
        (lambda: Logistic(D, reg=-1.0), ValueError, r"reg must be above 0, got -1\.0"),
        (lambda: Ridge(D[0], reg=1), ValueError, r"D must have 2 axes, got shape \(6,\)"),
        (lambda: Ridge([[1.0, np.nan]], reg=1), ValueError, "D must be finite, got nan"),
        (lambda: Logistic("D", reg=1), TypeError, "D must hold numbers"),
        (lambda: PNorm(D, p=3), ValueError, "p must be at least 4, got 3"),
        (lambda: PNorm(D, p=5), ValueError, "p must be even, got 5"),
        (lambda: PNorm(D, p=4.0), TypeError, r"p must be a whole number, got 4\.0"),
        (lambda: PNorm(D[[0, 1, 0]], p=4), ValueError, "full row rank, 3, got rank 2"),
        (lambda: PNorm(D.T, p=4), ValueError, "full row rank, 6, got rank 4"),
        (lambda: EntropicDual([0.5, 0.5], np.eye(2), reg=0), ValueError, "reg must be above 0"),
        (lambda: EntropicDual([0.5, 0.6], np.eye(2), reg=1), ValueError, "a must sum to 1"),
        (lambda: EntropicDual([[0.5, 0.5]], np.eye(2), reg=1), ValueError, "a must have 1 axis"),
        (
            lambda: EntropicDual([0.5, 0.5], np.eye(3), reg=1),
            ValueError,
            r"cost must have the shape of a × b, \(2, 3\)",
        ),
    ],
)
def test_bad_problems_are_one_clear_error(make, error, message):
    with pytest.raises(error, match=message):
        make()
