"""EM: closed forms, a likelihood that never falls, recovery, and regression by it."""

import numpy as np
import pytest
import scipy.stats
from sklearn.base import clone

from common.missing import EMRegressor, fit_gaussian, gaussian_predict

RNG = np.random.default_rng(0)
MEAN = np.array([1.0, -2.0, 0.5, 3.0])
ROOT = RNG.standard_normal((4, 4)) + np.eye(4)
S = ROOT @ ROOT.T


def table(n, *, rate=0.3, seed=1):
    rng = np.random.default_rng(seed)
    X = MEAN + rng.standard_normal((n, 4)) @ ROOT.T
    return np.where(rng.random(X.shape) < rate, np.nan, X)


def test_without_gaps_it_is_the_mean_and_the_covariance_of_the_rows():
    X = table(50, rate=0)
    fit = fit_gaussian(X)
    np.testing.assert_allclose(fit.mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fit.covariance, np.cov(X.T, bias=True), rtol=1e-12)
    assert fit.converged and len(fit.log_likelihoods) == 3  # the second iteration changes nothing


def test_of_two_variables_one_complete_it_is_the_closed_form():
    # Anderson 1957: the regression is that of the complete rows, its input has all rows.
    X = table(400, rate=0)[:, :2]
    X[150:, 1] = np.nan
    x, y = X[:150].T
    slope = np.cov(x, y, bias=True)[0, 1] / x.var()
    mean, variance = X[:, 0].mean(), X[:, 0].var()
    residual = y.var() - slope**2 * x.var()
    fit = fit_gaussian(X, tol=1e-14, max_iter=10_000)
    expected = [mean, y.mean() + slope * (mean - x.mean())]
    np.testing.assert_allclose(fit.mean, expected, rtol=1e-5)
    expected = [
        [variance, slope * variance],
        [slope * variance, residual + slope**2 * variance],
    ]
    # Convergence is linear: at a tolerance of 1e-14 the estimates are off by about its root.
    np.testing.assert_allclose(fit.covariance, expected, rtol=1e-5)


def test_the_likelihood_never_falls_and_is_that_of_the_observed_values():
    X = table(300, rate=0.5)
    fit = fit_gaussian(X, tol=1e-12)
    steps = np.diff(fit.log_likelihoods)
    assert len(steps) > 10
    assert (steps >= -1e-9 * abs(fit.log_likelihoods[-1])).all()  # rounding of a sum
    expected = 0.0
    for row in X:
        o = np.flatnonzero(~np.isnan(row))
        if len(o):
            expected += scipy.stats.multivariate_normal(
                fit.mean[o], fit.covariance[np.ix_(o, o)]
            ).logpdf(row[o])
    assert fit.log_likelihoods[-1] == pytest.approx(expected, rel=1e-6)


def test_at_the_estimate_the_likelihood_is_flat():
    X = table(200)
    fit = fit_gaussian(X, tol=1e-15, max_iter=10_000)

    def likelihood(mean, covariance):
        return sum(
            scipy.stats.multivariate_normal(mean[o], covariance[np.ix_(o, o)]).logpdf(row[o])
            for row in X
            if len(o := np.flatnonzero(~np.isnan(row)))
        )

    top = likelihood(fit.mean, fit.covariance)
    rng = np.random.default_rng(3)
    for _ in range(20):
        direction = rng.standard_normal((4, 4))
        away = 1e-2 * (direction + direction.T)
        assert likelihood(fit.mean + 1e-2 * rng.standard_normal(4), fit.covariance + away) < top


def test_the_truth_is_recovered():
    fit = fit_gaussian(table(20_000))
    scale = np.sqrt(np.diag(S))
    # Gaps of 30 % leave half of the pairs: errors up to twice those of complete rows.
    bound = 5 * 2 / np.sqrt(20_000)
    np.testing.assert_allclose((fit.mean - MEAN) / scale, 0, atol=bound)
    apart = (fit.covariance - S) / np.outer(scale, scale)
    np.testing.assert_allclose(apart, 0, atol=bound * np.sqrt(2))


def test_order_units_and_memory_do_not_matter(monkeypatch):
    X = table(100, rate=0.4)
    before = fit_gaussian(X, tol=1e-10)
    order, factors = np.random.default_rng(4).permutation(100), np.array([1e3, 1e-4, 1.0, -2.0])
    monkeypatch.setattr("common.missing.em._NUMBERS_AT_ONCE", 50)
    after = fit_gaussian(X[order] * factors, tol=1e-10, max_iter=len(before.log_likelihoods) - 1)
    # As many iterations; a change of units adds a constant to the likelihood.
    if len(after.log_likelihoods) == len(before.log_likelihoods):
        np.testing.assert_allclose(after.mean, before.mean * factors, rtol=1e-6)
        expected = before.covariance * np.outer(factors, factors)
        np.testing.assert_allclose(after.covariance, expected, rtol=1e-6)
    steps = min(len(after.log_likelihoods), len(before.log_likelihoods))
    np.testing.assert_allclose(
        np.diff(after.log_likelihoods[:steps]), np.diff(before.log_likelihoods[:steps]), atol=1e-6
    )


def test_rows_without_any_value_change_nothing():
    X = table(100)
    more = np.vstack([X, np.full((20, 4), np.nan)])
    np.testing.assert_allclose(
        fit_gaussian(more, tol=1e-13, max_iter=5000).mean,
        fit_gaussian(X, tol=1e-13, max_iter=5000).mean,
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: np.nan_to_num(X[:3], nan=1.0), "the covariance became singular in iteration"),
        (lambda X: np.column_stack([X[:, 0], X[:, 0]]), "the covariance became singular"),
        (lambda X: X * [1, 0, 1, 1], "all observed values of column 1 of X are 0"),
        (lambda X: X * [1, 1, np.nan, 1], "column 2 of X has no observed value. Leave such"),
    ],
)
def test_tables_without_an_estimate(change, message):
    with pytest.raises(ValueError, match=message):
        fit_gaussian(change(table(100)), tol=1e-15)


def test_options_out_of_range():
    with pytest.raises(ValueError, match="tol must be above 0, got 0"):
        fit_gaussian(table(9), tol=0)
    with pytest.raises(ValueError, match="max_iter must be at least 1, got 0"):
        fit_gaussian(table(9), max_iter=0)


def test_few_iterations_are_said_not_to_have_converged():
    fit = fit_gaussian(table(100), max_iter=2)
    assert not fit.converged and len(fit.log_likelihoods) == 3


def test_the_regressor_is_the_conditional_mean_of_the_fit():
    X = table(300)
    y = np.nan_to_num(X) @ np.arange(4.0) + np.random.default_rng(5).standard_normal(300)
    one = EMRegressor(tol=1e-9, empty_rows=True).fit(X, y)
    fit = fit_gaussian(np.column_stack([y, X]), tol=1e-9)
    expected = gaussian_predict(
        X, fit.mean[1:], fit.covariance[1:, 1:], fit.covariance[0, 1:], fit.mean[0]
    )
    np.testing.assert_array_equal(one.predict(X), expected)
    assert clone(one).get_params() == one.get_params() and one.n_features_in_ == 4


def test_without_gaps_the_regressor_is_least_squares():
    X = table(80, rate=0)
    y = X @ [1.0, 2.0, 0.0, -1.0] + np.random.default_rng(6).standard_normal(80)
    design = np.column_stack([np.ones(80), X])
    expected = design @ np.linalg.lstsq(design, y)[0]
    np.testing.assert_allclose(EMRegressor().fit(X, y).predict(X), expected, rtol=1e-9)


def test_columns_may_be_small_numbers():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((30, 3))
    small, fit = fit_gaussian(1e-13 * X), fit_gaussian(X)
    np.testing.assert_allclose(small.mean, 1e-13 * fit.mean, rtol=1e-9)
    np.testing.assert_allclose(small.covariance, 1e-26 * fit.covariance, rtol=1e-9)
