"""The lasso: its objective, its certificate and the curvature on a support."""

import numpy as np
import pytest
from sklearn.linear_model import Lasso as Peer

from common.sparse import (
    Lasso,
    gaussian_codes,
    gaussian_dictionary,
    optimum,
    soft_threshold,
    unit_lambda_max,
)

RNG = np.random.default_rng(0)
D = gaussian_dictionary(8, 5, rng=RNG)
X = gaussian_codes(D, 6, rng=RNG)


def test_the_objective_of_zero_is_half_the_squared_norm():
    z = np.zeros((6, 8))
    np.testing.assert_allclose(Lasso(D, reg=0.1).objective(z, X), 0.5 * (X**2).sum(axis=1))


def test_the_gradient_is_the_slope_of_the_smooth_part():
    problem, z = Lasso(D, reg=0.3), RNG.standard_normal((6, 8))
    direction, h = RNG.standard_normal((6, 8)), 1e-4

    def smooth(z):
        return problem.objective(z, X) - 0.3 * np.abs(z).sum(axis=1)

    slope = (smooth(z + h * direction) - smooth(z - h * direction)) / (2 * h)  # exact: quadratic
    expected = (problem.gradient(z, X) * direction).sum(axis=1)
    np.testing.assert_allclose(slope, expected, rtol=1e-8)


def test_the_gap_bounds_how_far_a_code_is_from_the_minimum():
    problem = Lasso(D, reg=0.2)
    lowest = optimum(problem, X, tol=1e-14).objective
    for size in (0, 1e-3, 1.0, 30.0):
        z = size * RNG.standard_normal((6, 8))
        excess = problem.objective(z, X) - lowest
        assert (problem.duality_gap(z, X) >= excess - 1e-12).all()


def test_the_gap_is_primal_minus_dual():
    problem, z = Lasso(D, reg=0.2), RNG.standard_normal((6, 8))
    residual = X - z @ D
    point = residual * np.minimum(1, 0.2 / np.abs(residual @ D.T).max(axis=1, keepdims=True))
    dual = 0.5 * (X**2).sum(axis=1) - 0.5 * ((X - point) ** 2).sum(axis=1)
    expected = problem.objective(z, X) - dual
    np.testing.assert_allclose(problem.duality_gap(z, X), expected, rtol=1e-10)


def test_the_gap_of_zero_vanishes_from_lambda_max_on():
    z = np.zeros((6, 8))
    for reg in (1.0, 1.7):
        assert Lasso(D, reg=reg).duality_gap(z, X).max() < 1e-28
    assert Lasso(D, reg=0.9).duality_gap(z, X).min() > 1e-3


def test_a_sample_of_unit_lambda_max_has_the_largest_correlation_1():
    np.testing.assert_allclose(np.abs(X @ D.T).max(axis=1), 1)
    scaled = unit_lambda_max(-7 * X, D)
    np.testing.assert_allclose(scaled, -X)


def test_the_curvature_on_a_support_is_the_norm_of_its_atoms():
    problem = Lasso(D, reg=0.1)
    z = np.array([[0, 2.0, 0, 0, -1, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0], np.ones(8), np.zeros(8)])
    # One atom of norm 1 has curvature 1; all atoms, and no atom by convention, have L.
    expected = [np.linalg.norm(D[[1, 4]], 2) ** 2, 1, problem.smoothness, problem.smoothness]
    np.testing.assert_allclose(problem.support_smoothness(z), expected)


def test_a_larger_support_has_no_smaller_curvature():
    problem = Lasso(D, reg=0.1)
    z = np.tril(np.ones((8, 8)))
    found = problem.support_smoothness(z)
    assert (np.diff(found) >= -1e-12).all()
    assert found[-1] == pytest.approx(problem.smoothness)


def test_the_supports_of_many_samples_are_taken_in_parts(monkeypatch):
    monkeypatch.setattr("common.sparse.lasso._AT_ONCE", 50)  # two Gram matrices
    z = (RNG.random((40, 8)) < 0.4) * 1.0
    problem = Lasso(D, reg=0.1)
    expected = [
        np.linalg.norm(D[one != 0], 2) ** 2 if one.any() else problem.smoothness for one in z
    ]
    np.testing.assert_allclose(problem.support_smoothness(z), expected)


def test_the_minimum_is_that_of_scikit_learn():
    z = optimum(Lasso(D, reg=0.2), X).z
    peer = Peer(alpha=0.2 / D.shape[1], fit_intercept=False, tol=1e-12, max_iter=100_000)
    for code, x in zip(z, X, strict=True):
        # Five features and unit curvature on small supports: codes agree to the root of the gap.
        np.testing.assert_allclose(code, peer.fit(D.T, x).coef_, atol=1e-5)


def test_the_soft_threshold_is_the_proximal_point_of_the_absolute_value():
    values = np.array([-3.0, -0.5, 0.0, 0.2, 2.0])
    np.testing.assert_allclose(soft_threshold(values, 0.5), [-2.5, 0, 0, 0, 1.5])
    grid = np.linspace(-4, 4, 8001)
    cost = 0.5 * (grid - values[:, None]) ** 2 + 0.5 * np.abs(grid)
    np.testing.assert_allclose(soft_threshold(values, 0.5), grid[cost.argmin(axis=1)], atol=1e-9)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Lasso(D, reg=0), ValueError, "reg must be above 0, got 0"),
        (lambda: Lasso(D, reg=np.nan), ValueError, "reg must be above 0, got nan"),
        (lambda: Lasso(D, reg="1"), TypeError, "reg must be a number, got '1'"),
        (lambda: Lasso(D[0], reg=1), ValueError, r"D must have 2 axes, got shape \(5,\)"),
        (lambda: Lasso(D * [0, 1, 1, 1, np.inf], reg=1), ValueError, "D must be finite, got"),
        (lambda: Lasso([[1, 0], [0, 0]], reg=1), ValueError, r"atom 1 of D is zero\. Leave it out"),
        (
            lambda: Lasso(D, reg=1).samples(X[:, :3]),
            ValueError,
            r"x must have 5 features, as the atoms have, got shape \(6, 3\)",
        ),
        (
            lambda: unit_lambda_max([[1.0, 0], [0, 1]], [[1.0, 0]]),
            ValueError,
            "sample 1 of x is orthogonal to all atoms: .* Leave it out or draw it again",
        ),
        (
            lambda: unit_lambda_max([[1.0, 0], [0, 0]], np.eye(2)),
            ValueError,
            "sample 1 of x is orthogonal to all atoms",  # a sample of zeros
        ),
        (lambda: unit_lambda_max(X[:, :2], D), ValueError, "x must have 5 features"),
    ],
)
def test_bad_input_is_one_clear_error(make, error, message):
    with pytest.raises(error, match=message):
        make()
