"""Bayes predictors: against integrals, Monte Carlo, rows one by one; truncated series."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from common.missing import (
    MECHANISMS,
    Problem,
    bayes_predict,
    draw_mechanism,
    neumann_predict,
    patterns,
    random_problem,
    sample,
)


def well_conditioned(d, *, seed=0, largest=2.0):
    """A problem whose covariance has eigenvalues from 1 to `largest`."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    S = Q @ np.diag(np.linspace(1, largest, d)) @ Q.T
    return Problem(rng.standard_normal(d), (S + S.T) / 2, rng.standard_normal(d), 0.7, 0.5)


def rows_of(problem, name, n, *, rate=0.5, seed=1):
    rng = np.random.default_rng(seed)
    mechanism = draw_mechanism(name, problem.mean, problem.covariance, rate=rate, rng=rng)
    return sample(problem, mechanism, n, rng=rng), mechanism


@pytest.mark.parametrize("name", MECHANISMS)
def test_of_two_variables_it_is_the_integral_over_the_missing_one(name):
    problem = Problem([0.5, -1.0], [[2.0, 1.2], [1.2, 1.5]], [1.0, -2.0], 0.3)
    rng = np.random.default_rng(0)
    mechanism = draw_mechanism(name, problem.mean, problem.covariance, rate=0.5, rng=rng)
    joint = scipy.stats.multivariate_normal(problem.mean, problem.covariance)
    for missing in (0, 1):
        if np.isneginf(getattr(mechanism, "intercepts", np.zeros(2))[missing]):
            continue  # never missing
        for value in (-2.0, 0.1, 3.0):
            row = np.full((1, 2), value)
            row[0, missing] = np.nan

            def density(x, row=row, missing=missing):
                full = row.copy()
                full[0, missing] = x
                p = mechanism.probabilities(full)[0]
                return joint.pdf(full[0]) * p[missing] * (1 - p[1 - missing])

            mass = scipy.integrate.quad(density, -15, 15, epsabs=1e-13)[0]
            mean = scipy.integrate.quad(lambda x: x * density(x), -15, 15, epsabs=1e-13)[0] / mass
            full = np.where(np.isnan(row[0]), mean, row[0])
            expected = problem.intercept + problem.weights @ full
            found = bayes_predict(row, problem, mechanism, rng=rng, n_draws=100_000)[0]
            # Weighted draws: the spread of what is missing over the root of their number, and five
            # such errors; weights make it at most a few times larger.
            tolerance = 0.05 if name == "probit" else 1e-6
            assert found == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("name", MECHANISMS)
def test_errors_are_uncorrelated_with_whatever_is_observed(name):
    # This is what makes it the conditional mean. By Monte Carlo: averages of the error times a
    # function of what is observed, over the rows of each pattern, within five standard errors.
    problem = well_conditioned(3, largest=6.0)
    rows, mechanism = rows_of(problem, name, 60_000)
    rng = np.random.default_rng(2)
    errors = rows.y - bayes_predict(rows.X, problem, mechanism, rng=rng, n_draws=300)
    distinct, which = patterns(np.isnan(rows.X))
    assert len(distinct) == (4 if name == "mar" else 8)
    zeros = np.where(np.isnan(rows.X), 0, rows.X)
    for number in range(len(distinct)):
        here = which == number
        functions = [np.ones(here.sum()), *zeros[here].T, *(zeros[here] ** 2).T]
        for function in functions:
            if function.any():
                products = errors[here] * function
                z = products.mean() / (products.std() / np.sqrt(len(products)))
                assert abs(z) < 5, (distinct[number], z)


def by_row(X, problem, mechanism=None):
    """The paper's formulas, a row at a time."""
    S, mu, b, found = problem.covariance, problem.mean, problem.weights, []
    for row in X:
        m, o = np.flatnonzero(np.isnan(row)), np.flatnonzero(~np.isnan(row))
        regression = S[np.ix_(m, o)] @ np.linalg.inv(S[np.ix_(o, o)])
        centre = mu[m] + regression @ (row[o] - mu[o])
        if mechanism is not None and len(m):
            inverse = np.linalg.inv(S[np.ix_(m, m)] - regression @ S[np.ix_(o, m)])
            T = np.diag(mechanism.width[m] ** -2.0)
            centre = np.linalg.solve(T + inverse, T @ mechanism.center[m] + inverse @ centre)
        found.append(problem.intercept + b[o] @ row[o] + b[m] @ centre)
    return np.array(found)


@pytest.mark.parametrize("name", ["mcar", "mar", "gaussian"])
def test_grouped_by_pattern_it_is_what_it_is_by_row(name):
    problem = random_problem(6, rng=np.random.default_rng(3))
    rows, mechanism = rows_of(problem, name, 300, rate=0.6)
    expected = by_row(rows.X, problem, mechanism if name == "gaussian" else None)
    # Condition numbers are below 1e4: rounding grows to 1e-12 of values of order 10.
    np.testing.assert_allclose(bayes_predict(rows.X, problem, mechanism), expected, atol=1e-9)


def test_rows_do_not_depend_on_one_another_or_on_how_many_patterns_fit_in_memory(monkeypatch):
    problem = random_problem(6, rng=np.random.default_rng(4))
    rows, mechanism = rows_of(problem, "gaussian", 100)
    expected = bayes_predict(rows.X, problem, mechanism)
    order = np.random.default_rng(0).permutation(100)
    monkeypatch.setattr("common.missing.bayes._NUMBERS_AT_ONCE", 100)  # two patterns
    found = bayes_predict(rows.X[order], problem, mechanism)
    np.testing.assert_allclose(found, expected[order], rtol=1e-12)


def test_weighted_draws_of_a_row_without_anything_missing_are_not_needed():
    problem = well_conditioned(3)
    rows, mechanism = rows_of(problem, "probit", 5)
    rng = np.random.default_rng(0)
    found = bayes_predict(rows.complete, problem, mechanism, rng=rng)
    expected = problem.intercept + rows.complete @ problem.weights
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, got None"):
        bayes_predict(rows.X, problem, mechanism)


@pytest.mark.parametrize("name", ["mcar", "gaussian", "probit"])
def test_a_row_of_which_nothing_is_observed_has_the_mean_under_its_mask(name):
    problem = well_conditioned(3)
    rows, mechanism = rows_of(problem, name, 200_000)
    nothing = np.isnan(rows.X).all(axis=1)
    rng = np.random.default_rng(5)
    found = bayes_predict(rows.X[nothing][:1], problem, mechanism, rng=rng, n_draws=200_000)[0]
    there = rows.y[nothing]
    assert found == pytest.approx(there.mean(), abs=5 * there.std() / np.sqrt(len(there)))


@pytest.mark.parametrize("depth", [0, 1, 2, 7])
def test_the_truncated_series_is_the_recursion(depth):
    problem = random_problem(5, rng=np.random.default_rng(6))
    X = rows_of(problem, "mcar", 60)[0].X
    S, mu, b, expected = problem.covariance, problem.mean, problem.weights, []
    for row in X:
        m, o = np.flatnonzero(np.isnan(row)), np.flatnonzero(~np.isnan(row))
        inner = S[np.ix_(o, o)]
        L = np.linalg.norm(inner, 2) if len(o) else 1.0
        N = np.eye(len(o))
        for _ in range(depth):
            N = (np.eye(len(o)) - inner / L) @ N + np.eye(len(o))
        centre = mu[m] + S[np.ix_(m, o)] @ N @ (row[o] - mu[o]) / L
        expected.append(problem.intercept + b[o] @ row[o] + b[m] @ centre)
    np.testing.assert_allclose(neumann_predict(X, problem, depth), expected, atol=1e-10)


def test_the_truncated_series_converges_at_its_rate():
    problem = well_conditioned(5, largest=2.0)
    X = rows_of(problem, "mcar", 100)[0].X
    best = bayes_predict(X, problem)
    errors = [np.abs(neumann_predict(X, problem, depth) - best).max() for depth in (0, 10, 20, 60)]
    # Eigenvalues of S_oo / L are at least a half, so every term halves the error.
    assert errors[1] <= errors[0] * 2.0**-9
    assert errors[2] <= errors[0] * 2.0**-19
    assert errors[3] < 1e-12


@pytest.mark.parametrize("predict", [bayes_predict, lambda X, p: neumann_predict(X, p, 3)])
def test_tables_that_do_not_fit(predict):
    problem = well_conditioned(3)
    with pytest.raises(ValueError, match=r"X must have 3 columns.*got shape \(1, 2\)"):
        predict([[0.0, np.nan]], problem)
    with pytest.raises(ValueError, match=r"X holds inf at index \(0, 1\)"):
        predict([[0.0, np.inf, 1.0]], problem)
    with pytest.raises(ValueError, match="depth must be at least 0, got -1"):
        neumann_predict([[0.0, 1.0, 1.0]], problem, -1)
    with pytest.raises(ValueError, match="n_draws must be at least 1, got 0"):
        mechanism = rows_of(problem, "probit", 1)[1]
        bayes_predict([[0.0, 1.0, 1.0]], problem, mechanism, rng=np.random.default_rng(), n_draws=0)


def test_patterns_are_the_distinct_rows():
    missing = np.random.default_rng(7).random((200, 11)) < 0.3
    distinct, which = patterns(missing)
    np.testing.assert_array_equal(distinct[which], missing)
    assert len(distinct) == len(np.unique(missing, axis=0))
