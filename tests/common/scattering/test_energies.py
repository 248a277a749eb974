"""Ridge regression and its cross-validation: closed forms, recovery, and no look at test data."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from common.scattering.energies import (
    ALPHAS,
    WALK,
    cross_validate_ridge,
    example_predictions,
    ridge_predictions,
    walk,
)


def planted(n=120, n_features=8, *, noise=0.0, seed=0):
    """Features of very different size and spread, and a linear model of them."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, n_features)) * 10.0 ** np.arange(n_features) + 100
    weights = rng.standard_normal(n_features) / 10.0 ** np.arange(n_features)
    return X, 50 + (X - 100) @ weights + noise * rng.standard_normal(n)


def test_predictions_are_those_of_scikit_learn():
    X, y = planted(noise=1.0)
    alphas = [1e-3, 1.0, 100.0]
    found = ridge_predictions(X[:80], y[:80], X[80:], alphas=alphas)
    for alpha, predicted in zip(alphas, found, strict=True):
        model = make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(X[:80], y[:80])
        np.testing.assert_allclose(predicted, model.predict(X[80:]), rtol=1e-9)


def test_predictions_solve_the_normal_equations():
    X, y = planted(noise=1.0)
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    for alpha in (0.0, 0.1, 10.0):
        (predicted,) = ridge_predictions(X, y, X, alphas=[alpha])
        weights = np.linalg.solve(z.T @ z + alpha * np.eye(8), z.T @ (y - y.mean()))
        np.testing.assert_allclose(predicted, y.mean() + z @ weights, rtol=1e-9)
    (heavy,) = ridge_predictions(X, y, X, alphas=[1e12])
    np.testing.assert_allclose(heavy, y.mean(), rtol=1e-6)


def test_units_of_the_features_do_not_matter():
    X, y = planted(noise=1.0)
    units = np.array([1e-6, 1, 1e6, -1, 2, 3, 4, 5])
    np.testing.assert_allclose(
        ridge_predictions(units * X + 7, y, units * X[:5] + 7),
        ridge_predictions(X, y, X[:5]),
        rtol=1e-8,
    )


@pytest.mark.parametrize("constant", [0.1, -0.1, 0.0])
def test_constant_and_repeated_features_do_no_harm(constant):
    X, y = planted(noise=1.0)
    more = np.column_stack([X, np.full(len(X), constant), X[:, :2]])
    # With almost no penalty, weight may be split between copies at no cost.
    np.testing.assert_allclose(
        ridge_predictions(more, y, more[:5], alphas=[0, 1e-9]),
        ridge_predictions(X, y, X[:5], alphas=[0, 1e-9]),
        rtol=1e-8,
    )
    # What never varied says nothing about a sample where it differs.
    new = more[:5] + 0.2 * (np.arange(11) == 8)
    np.testing.assert_array_equal(
        ridge_predictions(more, y, new), ridge_predictions(more, y, more[:5])
    )


def test_planted_model_is_recovered():
    X, y = planted()
    result = cross_validate_ridge(X, y, rng=np.random.default_rng(0))
    # Nothing but the least penalty, 1e-9 of 96 samples, and rounding.
    assert result.rmse < 1e-8 * y.std()
    assert np.all(result.chosen == ALPHAS[-1])
    np.testing.assert_allclose(result.predictions, y, rtol=1e-7)


def test_errors_are_those_of_the_noise():
    X, y = planted(2000, noise=2.0)
    result = cross_validate_ridge(X, y, rng=np.random.default_rng(0))
    # Gaussian noise: mean absolute value sqrt(2 / pi); 9 parameters in 1600 samples add 0.3 %, and
    # the standard error of a mean over 2000 samples is 2 % of it: three of these.
    assert result.rmse == pytest.approx(2, rel=0.06)
    assert result.mae == pytest.approx(2 * np.sqrt(2 / np.pi), rel=0.06)
    assert result.mae == pytest.approx(np.abs(result.predictions - y).mean())
    assert result.rmse == pytest.approx(np.sqrt(np.mean((result.predictions - y) ** 2)))


def test_every_sample_is_predicted_once_by_a_model_that_has_not_seen_it():
    X, y = planted(23, noise=1.0)
    result = cross_validate_ridge(X, y, rng=np.random.default_rng(5), n_folds=4, alphas=[0.1, 1])
    folds = np.array_split(np.random.default_rng(5).permutation(23), 4)
    for fold, chosen in zip(folds, result.chosen, strict=True):
        rest = np.setdiff1d(np.arange(23), fold)
        expected = ridge_predictions(X[rest], y[rest], X[fold], alphas=[chosen])[0]
        np.testing.assert_allclose(result.predictions[fold], expected, rtol=1e-10)


def test_choice_of_the_penalty_does_not_see_the_test_data():
    # Few samples, many features: the penalty matters.
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 60)), rng.standard_normal(40)
    test = np.array_split(np.random.default_rng(1).permutation(40), 5)[0]
    changed = y.copy()
    changed[test] = 100 * rng.standard_normal(len(test))
    before, after = (
        cross_validate_ridge(X, v, rng=np.random.default_rng(1), alphas=10.0 ** np.arange(-3, 4))
        for v in (y, changed)
    )
    np.testing.assert_array_equal(before.predictions[test], after.predictions[test])
    assert before.chosen[0] == after.chosen[0]
    assert not np.array_equal(before.predictions, after.predictions)
    # Pure noise asks for the largest penalty, in most folds.
    assert np.median(before.chosen) >= 100


def test_errors_of_each_strength_are_those_of_a_run_with_it_alone():
    X, y = planted(40, noise=1.0)
    alphas = [1e-2, 1.0, 10.0]
    result = cross_validate_ridge(X, y, rng=np.random.default_rng(0), n_folds=2, alphas=alphas)
    predictions = np.empty((3, 40))
    for fold in np.array_split(np.random.default_rng(0).permutation(40), 2):
        rest = np.setdiff1d(np.arange(40), fold)
        predictions[:, fold] = ridge_predictions(X[rest], y[rest], X[fold], alphas=alphas)
    np.testing.assert_allclose(result.mae_of_alpha, np.abs(predictions - y).mean(axis=1))
    squares = ((predictions - y) ** 2).mean(axis=1)
    np.testing.assert_allclose(result.rmse_of_alpha, np.sqrt(squares))
    assert set(result.chosen) <= set(alphas)


def test_folds_come_from_the_generator():
    X, y = planted(noise=1.0)
    a, b, c = (cross_validate_ridge(X, y, rng=np.random.default_rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(a.predictions, b.predictions)
    assert not np.array_equal(a.predictions, c.predictions)


def test_the_example_takes_the_strength_with_the_least_error_on_its_test_folds():
    X, y = planted(40, noise=1.0)
    alphas = [1e-2, 1.0, 10.0]
    result = cross_validate_ridge(X, y, rng=np.random.default_rng(0), alphas=alphas)
    tests = np.array_split(np.random.default_rng(0).permutation(40), 5)
    folds = [(np.setdiff1d(np.arange(40), test), test) for test in tests]
    predictions, alpha = example_predictions(X, y, folds, alphas=alphas)
    assert np.abs(predictions - y).mean() == pytest.approx(result.mae_of_alpha.min(), rel=1e-8)
    assert alpha == alphas[result.mae_of_alpha.argmin()]
    single = example_predictions(X.astype(np.float32), y.astype(np.float32), folds, alphas=[1.0])[0]
    assert single.dtype == np.float32


def test_the_walk_changes_one_thing_at_a_time():
    X, y = planted(60, noise=1.0)
    rng = np.random.default_rng(3)
    coarse = X * (1 + 1e-4 * rng.standard_normal(X.shape))  # as if single precision did it
    example = coarse * (1 + 1e-2 * rng.standard_normal(X.shape))
    found = walk(
        {"example": example, "coarse": coarse, "double-coefficients": X},
        y,
        rng=np.random.default_rng(7),
    )
    assert found["step"].unique().tolist() == [*WALK]
    of = {step: part.reset_index(drop=True) for step, part in found.groupby("step")}
    for part in of.values():
        np.testing.assert_array_equal(part["sample"], np.arange(60))
        np.testing.assert_array_equal(part["energy"], y)
    ours = cross_validate_ridge(X, y, rng=np.random.default_rng(7))
    np.testing.assert_array_equal(of["inner-folds"]["prediction"], ours.predictions)
    tests = np.array_split(np.random.default_rng(7).permutation(60), 5)
    folds = [(np.setdiff1d(np.arange(60), test), test) for test in tests]
    for test, alpha in zip(tests, ours.chosen, strict=True):
        assert (of["inner-folds"]["alpha"][test] == alpha).all()
    single = [each.astype(np.float32) for each in (example, coarse, y)]
    for step, data in {
        "example": (single[0], single[2]),
        "coarse": (single[1], single[2]),
        "double-regression": (single[1].astype(float), y),
        "double-coefficients": (X, y),
    }.items():
        predictions, alpha = example_predictions(*data, folds)
        np.testing.assert_array_equal(of[step]["prediction"], predictions.astype(float))
        assert (of[step]["alpha"] == alpha).all()
    with pytest.raises(ValueError, match=r"coefficients must hold 'coarse', got \['example'"):
        walk({"example": X, "double-coefficients": X}, y, rng=rng)


def test_errors_name_what_is_wrong():
    X, y = planted()
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"got \(120, 8\) and \(119,\)"):
        cross_validate_ridge(X, y[1:], rng=rng)
    with pytest.raises(ValueError, match=r"got \(120,\) and \(120,\)"):
        ridge_predictions(y, y, y)
    with pytest.raises(ValueError, match="X_new must be finite, got nan at index"):
        ridge_predictions(X, y, X * np.nan)
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 0"):
        cross_validate_ridge(X, y, rng=0)
    with pytest.raises(ValueError, match=r"X_new must have 8 features, got shape \(120, 7\)"):
        ridge_predictions(X, y, X[:, 1:])
    bad = X.copy()
    bad[3, 4] = np.nan
    with pytest.raises(ValueError, match=r"alphas must be numbers of 0 or more.*got \[inf\]"):
        ridge_predictions(np.eye(3), np.arange(3.0), np.eye(3), alphas=[np.inf])
    with pytest.raises(ValueError, match=r"feature 1 of X has values up to 1e\+200, whose squares"):
        ridge_predictions(np.eye(3) * [1, 1e200, 1], np.arange(3.0), np.eye(3))
    with pytest.raises(ValueError, match=r"X\[3, 4\] is nan; leave that sample out"):
        cross_validate_ridge(bad, y, rng=rng)
    with pytest.raises(ValueError, match=r"y\[2\] is inf"):
        ridge_predictions(X, np.where(np.arange(120) == 2, np.inf, y), X)
    with pytest.raises(ValueError, match=r"alphas must be numbers of 0 or more.*got \[-1.\]"):
        ridge_predictions(X, y, X, alphas=[-1.0])
    with pytest.raises(ValueError, match=r"n_folds must be from 2 to half of the 120.*got 1"):
        cross_validate_ridge(X, y, rng=rng, n_folds=1)
    with pytest.raises(ValueError, match=r"n_inner_folds must be from 2 to half.*got 61"):
        cross_validate_ridge(X, y, rng=rng, n_inner_folds=61)
