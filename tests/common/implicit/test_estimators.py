"""Estimates against closed forms, differences of the minimum, and the orders of their errors."""

import numpy as np
import pytest

from common.implicit import (
    EntropicDual,
    Logistic,
    PNorm,
    Ridge,
    analytic,
    automatic,
    implicit,
    jacobian,
    minimizer,
)
from common.transport import dual_value, sinkhorn

RNG = np.random.default_rng(0)
D = RNG.standard_normal((5, 8))
X = RNG.standard_normal(5)
STRONGLY_CONVEX = pytest.mark.parametrize("problem", [Ridge(D, reg=0.2), Logistic(D, reg=0.2)])


def minimum(problem, x):
    return problem.value(minimizer(problem, x), x)


def differences(function, x, step=1e-5):
    """Central differences; their error is about step squared."""
    moves = step * np.eye(len(x))
    return np.array([(function(x + e) - function(x - e)) / (2 * step) for e in moves]).T


def test_ridge_has_a_closed_form():
    problem = Ridge(D, reg=0.2)
    solve = np.linalg.inv(D.T @ D / 5 + 0.2 * np.eye(8)) @ D.T / 5
    np.testing.assert_allclose(minimizer(problem, X), solve @ X, atol=1e-12)
    np.testing.assert_allclose(jacobian(problem, np.zeros(8), X), solve, atol=1e-12)
    gradient = (X - D @ solve @ X) / 5
    np.testing.assert_allclose(analytic(problem, solve @ X, X), gradient, atol=1e-12)


@STRONGLY_CONVEX
def test_at_the_minimiser_all_estimates_are_the_gradient_of_the_minimum(problem):
    z = minimizer(problem, X)
    expected = differences(lambda x: minimum(problem, x), X)
    J = np.random.default_rng(1).standard_normal((8, 5))  # any: d_1 L is 0
    for found in (analytic(problem, z, X), automatic(problem, z, J, X), implicit(problem, z, X)):
        np.testing.assert_allclose(found, expected, atol=1e-8)


@STRONGLY_CONVEX
def test_the_jacobian_is_that_of_the_minimiser(problem):
    expected = differences(lambda x: minimizer(problem, x), X)
    np.testing.assert_allclose(jacobian(problem, minimizer(problem, X), X), expected, atol=1e-8)


@STRONGLY_CONVEX
def test_the_automatic_estimate_is_the_derivative_along_the_iterate(problem):
    J = np.random.default_rng(2).standard_normal((8, 5))
    z = np.random.default_rng(3).standard_normal(8)
    expected = differences(lambda x: problem.value(z + J @ (x - X), x), X)
    np.testing.assert_allclose(automatic(problem, z, J, X), expected, atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_implicit_is_exact_at_any_point_of_a_quadratic_problem(seed):
    problem = Ridge(D, reg=0.2)
    z = np.random.default_rng(seed).standard_normal(8)
    expected = analytic(problem, minimizer(problem, X), X)
    np.testing.assert_allclose(implicit(problem, z, X), expected, atol=1e-12)
    J = jacobian(problem, z, X)
    np.testing.assert_allclose(automatic(problem, z, J, X), expected, atol=1e-12)


def test_errors_have_the_orders_of_the_expansion():
    # Ten times nearer to the minimiser: g1 ten times better, the others a hundred times, up to
    # the next order of the expansion, which the factor 1.2 leaves room for.
    problem, rng = Logistic(D, reg=0.2), np.random.default_rng(4)
    z_star = minimizer(problem, X)
    g_star, J_star = analytic(problem, z_star, X), jacobian(problem, z_star, X)
    away, J_away = rng.standard_normal(8), rng.standard_normal((8, 5))
    errors = []
    for size in (1e-2, 1e-3):
        z = z_star + size * away
        found = (
            analytic(problem, z, X),
            automatic(problem, z, J_star, X),
            automatic(problem, z, J_star + size * J_away, X),
            automatic(problem, z, J_star + J_away, X),
            implicit(problem, z, X),
        )
        errors.append([np.linalg.norm(one - g_star) for one in found])
    ratios = np.array(errors[0]) / errors[1]
    np.testing.assert_allclose(ratios, [10, 100, 100, 10, 100], rtol=0.2)


def test_the_gradient_of_the_entropic_cost_is_that_of_its_value():
    rng = np.random.default_rng(5)
    a, b, cost = np.full(6, 1 / 6), np.array([0.2, 0.5, 0.3]), rng.uniform(0, 1, (6, 3))
    problem = EntropicDual(a, cost, reg=0.2)
    z = np.concatenate(sinkhorn(a, b, cost, reg=0.2, n_iter=2000))
    # Weights sum to one, so only changes that sum to zero have a derivative.
    moves = np.array([[1, -1, 0], [0, 1, -1]]) * 1e-5

    def value(weights):
        f, g = sinkhorn(a, weights, cost, reg=0.2, n_iter=2000)
        return dual_value(f, g, a, weights, cost, reg=0.2)

    expected = [(value(b + move) - value(b - move)) / 2 for move in moves]
    for found in (analytic(problem, z, b), implicit(problem, z, b)):
        np.testing.assert_allclose(moves @ found, expected, atol=1e-12)


def test_newton_finds_the_potentials_that_sinkhorn_converges_to():
    a, b = np.full(4, 0.25), np.array([0.2, 0.5, 0.3])
    cost = np.random.default_rng(6).uniform(0, 1, (4, 3))
    problem = EntropicDual(a, cost, reg=0.2)
    start = np.concatenate(sinkhorn(a, b, cost, reg=0.2, n_iter=3))
    f, g = sinkhorn(a, b, cost, reg=0.2, n_iter=2000)
    z = minimizer(problem, b, start=start)
    np.testing.assert_allclose(z[:4] - z[0], f - f[0], atol=1e-12)
    np.testing.assert_allclose(z[4:] + z[0], g + f[0], atol=1e-12)


def test_flat_directions_move_no_estimate():
    a, b = np.full(4, 0.25), np.array([0.2, 0.5, 0.3])
    problem = EntropicDual(a, np.random.default_rng(6).uniform(0, 1, (4, 3)), reg=0.2)
    z = np.random.default_rng(7).standard_normal(7) / 10
    J = jacobian(problem, z, b)
    np.testing.assert_allclose(problem.flat.T @ J, 0, atol=1e-12)
    # The masses of plan and weights differ here; only along (1, -1) nothing is known.
    np.testing.assert_allclose(
        problem.hessian(z, b) @ J + problem.cross(z, b),
        problem.flat @ (problem.flat.T @ problem.cross(z, b)),
        atol=1e-12,
    )


def test_the_implicit_estimate_of_the_p_norm_is_zero():
    # d_2 L = -D+' d_1 L, so g3 = 0 = g*, wherever no residual is zero.
    problem = PNorm(D, p=4)
    z = np.random.default_rng(8).standard_normal(8)
    np.testing.assert_allclose(implicit(problem, z, X), 0, atol=1e-10)


def test_a_singular_hessian_is_refused_with_its_eigenvalues():
    problem = PNorm(np.eye(3), p=4)
    z = np.array([1.0, 2.0, 0.0])
    with pytest.raises(ValueError, match=r"Hessian in z is singular: its least eigenvalue is 0"):
        implicit(problem, z, np.array([1.0, 0.0, 1.0]))


def test_a_minimum_that_is_not_reached_is_refused():
    problem = Logistic(10 * D, reg=1e-3)
    with pytest.raises(RuntimeError, match=r"stopped at a gradient of norm .*, above tol=1e-11"):
        minimizer(problem, X, max_iter=1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: analytic(p, np.zeros(7), X), ValueError, "z must have 8 values, got 7"),
        (lambda p: analytic(p, np.zeros(8), X[:4]), ValueError, "x must have 5 values, got 4"),
        (lambda p: analytic(p, np.full(8, np.nan), X), ValueError, "z must be finite, got nan"),
        (lambda p: implicit(p, np.zeros(8), X * np.inf), ValueError, "x must be finite"),
        (lambda p: implicit(p, np.zeros((8, 1)), X), ValueError, "z must have 1 axis"),
        (lambda p: jacobian(p, "z", X), TypeError, "z must hold numbers"),
        (
            lambda p: automatic(p, np.zeros(8), np.zeros((5, 8)), X),
            ValueError,
            r"jacobian must have the shape \(8, 5\), got \(5, 8\)",
        ),
        (
            lambda p: automatic(p, np.zeros(8), np.full((8, 5), np.nan), X),
            ValueError,
            "jacobian must be finite",
        ),
        (lambda p: minimizer(p, X, tol=0), ValueError, "tol must be above 0, got 0"),
        (lambda p: minimizer(p, X, max_iter=0), ValueError, "max_iter must be at least 1"),
        (lambda p: minimizer(p, X, start=[1.0]), ValueError, "z must have 8 values, got 1"),
    ],
)
def test_bad_input_is_one_clear_error(call, error, message):
    with pytest.raises(error, match=message):
        call(Ridge(D, reg=0.2))
