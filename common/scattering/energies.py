"""Linear regression of energies on scattering coefficients, by cross-validation.

Features are standardised, and a ridge regression with an intercept is fitted, within each training
set. The strength of the penalty is chosen within the training set as well, by a cross-validation of
its own; errors for each fixed strength, from which published figures take the best, are given too.

`walk` goes from the protocol of kymatio's example to this one, a change at a time.
"""

import copy
import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import LinAlgWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from common import validation

__all__ = [
    "ALPHAS",
    "WALK",
    "CrossValidation",
    "cross_validate_ridge",
    "example_predictions",
    "ridge_predictions",
    "walk",
]

ALPHAS = 10.0 ** -np.arange(10)
"""Strengths of the penalty, 1 to 1e-9."""

WALK = {
    "example": "the example's protocol",
    "coarse": "moduli on the coarsest grid that holds their spectrum",
    "double-regression": "regression in double precision",
    "double-coefficients": "coefficients in double precision",
    "inner-folds": "penalty chosen within the training folds",
}
"""Steps of `walk`, each with what it changes; it keeps the changes of the steps before it."""


class CrossValidation(NamedTuple):
    """Result of `cross_validate_ridge`; errors in the unit of the targets.

    Attributes
    ----------
    mae, rmse : float
        Mean absolute error and root of the mean squared error, over all samples, each predicted
        while it was left out, with the strength that its training set chose.
    predictions : ndarray, shape (n_samples,)
    chosen : ndarray, shape (n_folds,)
        Strength of the penalty, of each fold.
    mae_of_alpha, rmse_of_alpha : ndarray, shape (n_alphas,)
        Errors with one strength for all folds. Their minimum has seen the test data.
    """

    mae: float
    rmse: float
    predictions: np.ndarray
    chosen: np.ndarray
    mae_of_alpha: np.ndarray
    rmse_of_alpha: np.ndarray


def cross_validate_ridge(X, y, *, rng, n_folds=5, n_inner_folds=5, alphas=ALPHAS):
    """Errors of a ridge regression, by cross-validation.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_features)
    y : ndarray, shape (n_samples,)
    rng : numpy.random.Generator
        Draws the folds.
    n_folds : int, default=5
        Sets of samples, of sizes that differ by one at most, each left out in turn.
    n_inner_folds : int, default=5
        The same within a training set, to choose the strength with the least absolute error.
    alphas : sequence of float, default=ALPHAS
        Strengths of the penalty; see `ridge_predictions`.

    Returns
    -------
    result : CrossValidation

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite, a strength is negative, or there are too few
        samples.
    TypeError
        If ``rng`` is no generator.
    """
    rng = validation.generator(rng)
    X, y, alphas = (np.asarray(a, dtype=float) for a in (X, y, alphas))
    _check(X, y, alphas)
    for name, n in (("n_folds", n_folds), ("n_inner_folds", n_inner_folds)):
        validation.count(n, name, at_least=0)
        if not 2 <= n <= len(y) // 2:
            raise ValueError(
                f"{name} must be from 2 to half of the {len(y)} samples, got {n}: a fold needs two."
            )
    by_alpha = np.empty((len(alphas), len(y)))
    predictions, chosen = np.empty(len(y)), np.empty(n_folds)
    for fold, test in enumerate(np.array_split(rng.permutation(len(y)), n_folds)):
        train = np.setdiff1d(np.arange(len(y)), test)
        inner = _leave_out_in_turn(
            X[train], y[train], rng=rng, n_folds=n_inner_folds, alphas=alphas
        )
        best = np.abs(inner - y[train]).mean(axis=1).argmin()
        by_alpha[:, test] = ridge_predictions(X[train], y[train], X[test], alphas=alphas)
        predictions[test], chosen[fold] = by_alpha[best, test], alphas[best]
    return CrossValidation(
        *_errors(predictions - y),
        predictions,
        chosen,
        *_errors(by_alpha - y),
    )


def ridge_predictions(X, y, X_new, *, alphas=ALPHAS):
    r"""Predictions of ridge regressions on standardised features.

    With features of mean 0 and variance 1 over the samples (a constant one stays 0) and centred
    targets, minimises :math:`|y - X w|^2 + \alpha |w|^2` for all strengths at once, from a singular
    value decomposition. Without a penalty, the shortest of the minimisers.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_features)
    y : ndarray, shape (n_samples,)
    X_new : ndarray, shape (n_new, n_features)
    alphas : sequence of float, default=ALPHAS
        Not negative.

    Returns
    -------
    predictions : ndarray, shape (n_alphas, n_new)

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite, or a strength is negative.
    """
    X, y, X_new, alphas = (np.asarray(a, dtype=float) for a in (X, y, X_new, alphas))
    _check(X, y, alphas)
    validation.array(X_new, "X_new", empty=True)
    if X_new.shape[1:] != X.shape[1:]:
        raise ValueError(f"X_new must have {X.shape[1]} features, got shape {X_new.shape}.")
    with np.errstate(over="ignore"):  # said below
        mean, scale = X.mean(axis=0), X.std(axis=0)
    if not np.isfinite(scale).all():
        column = int(np.argmin(np.isfinite(scale)))
        raise ValueError(
            f"feature {column} of X has values up to {np.abs(X[:, column]).max():g}, whose squares "
            "overflow. Divide it by a constant first."
        )
    # Rounding makes the deviation of a constant feature not quite 0.
    constant = scale <= 1e-14 * np.abs(mean)
    scale = np.where(constant, np.inf, scale)
    u, s, vt = np.linalg.svd((X - mean) / scale, full_matrices=False)
    shrinkage = np.zeros((len(alphas), len(s)))
    kept = s > 1e-14 * s.max(initial=0.0)
    shrinkage[:, kept] = s[kept] / (s[kept] ** 2 + alphas[:, None])
    weights = (shrinkage * (u.T @ (y - y.mean()))) @ vt
    return y.mean() + weights @ ((X_new - mean) / scale).T


def example_predictions(X, y, folds, *, alphas=ALPHAS):
    """Predictions as kymatio's example for QM7 makes them, by scikit-learn.

    `StandardScaler` and `Ridge` compute in the precision of what they are given, which is single in
    the example. All folds share a strength of the penalty: the one with the least mean absolute
    error on their test parts.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_features)
    y : ndarray, shape (n_samples,)
    folds : list of (train, test)
        Indices of samples.
    alphas : sequence of float, default=ALPHAS
        Strengths of the penalty.

    Returns
    -------
    predictions : ndarray, shape (n_samples,)
    alpha : float
        The strength that was best on the test parts.
    """
    found = {}
    for alpha in alphas:
        regressor = make_pipeline(StandardScaler(), Ridge(alpha=alpha))
        with warnings.catch_warnings():
            # A small penalty is lost in single precision; scikit-learn then takes another solver.
            warnings.simplefilter("ignore", LinAlgWarning)
            warnings.filterwarnings("ignore", "Singular matrix in solving dual problem")
            found[alpha] = cross_val_predict(regressor, X, y, cv=folds)
    best = min(alphas, key=lambda alpha: np.abs(found[alpha] - y).mean())
    return found[best], float(best)


def walk(coefficients, y, *, rng, n_folds=5, alphas=ALPHAS):
    """From the protocol of kymatio's example for QM7 to `cross_validate_ridge`, a change at a time.

    Parameters
    ----------
    coefficients : dict of str to ndarray, shape (n_samples, n_features)
        ``"example"``: on the full grid, in single precision; ``"coarse"`` and
        ``"double-coefficients"``: with moduli on the coarsest grid, in single and double precision.
    y : ndarray, shape (n_samples,)
        Energies.
    rng : numpy.random.Generator
        Draws the folds, which all steps share.
    n_folds : int, default=5
    alphas : sequence of float, default=ALPHAS
        Strengths of the penalty.

    Returns
    -------
    table : pandas.DataFrame
        ``step`` (of `WALK`), ``sample``, ``energy``, ``prediction``, ``alpha``.

    Raises
    ------
    ValueError
        As `cross_validate_ridge`, and if coefficients are missing.
    """
    missing = {"example", "coarse", "double-coefficients"} - coefficients.keys()
    if missing:
        raise ValueError(f"coefficients must hold {sorted(missing)[0]!r}, got {[*coefficients]}.")
    X, y = coefficients["double-coefficients"], np.asarray(y, dtype=float)
    # `cross_validate_ridge` draws its folds first, so these are the same.
    tests = np.array_split(copy.deepcopy(rng).permutation(len(y)), n_folds)
    folds = [(np.setdiff1d(np.arange(len(y)), test), test) for test in tests]
    ours = cross_validate_ridge(X, y, rng=rng, n_folds=n_folds, alphas=alphas)
    chosen = np.empty(len(y))
    for test, alpha in zip(tests, ours.chosen, strict=True):
        chosen[test] = alpha
    single = {name: np.asarray(coefficients[name], np.float32) for name in ("example", "coarse")}
    of_example = {
        "example": (single["example"], y.astype(np.float32)),
        "coarse": (single["coarse"], y.astype(np.float32)),
        "double-regression": (single["coarse"].astype(float), y),
        "double-coefficients": (X, y),
    }
    found = {
        name: example_predictions(*data, folds, alphas=alphas) for name, data in of_example.items()
    } | {"inner-folds": (ours.predictions, chosen)}
    parts = [
        pd.DataFrame(
            {
                "step": name, "sample": np.arange(len(y)), "energy": y,
                "prediction": np.asarray(predictions, dtype=float), "alpha": alpha,
            }
        )
        for name, (predictions, alpha) in found.items()
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _leave_out_in_turn(X, y, *, rng, n_folds, alphas):
    """Predictions of each sample while its fold is left out, shape (n_alphas, n_samples)."""
    predictions = np.empty((len(alphas), len(y)))
    for test in np.array_split(rng.permutation(len(y)), n_folds):
        train = np.setdiff1d(np.arange(len(y)), test)
        predictions[:, test] = ridge_predictions(X[train], y[train], X[test], alphas=alphas)
    return predictions


def _errors(residuals):
    """Mean absolute error and root of the mean square, over the last axis."""
    return np.abs(residuals).mean(axis=-1), np.sqrt((residuals**2).mean(axis=-1))


def _check(X, y, alphas):
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise ValueError(
            f"X and y must have shapes (n_samples, n_features) and (n_samples,), got {X.shape} and "
            f"{y.shape}."
        )
    for name, values in (("X", X), ("y", y)):
        if not np.isfinite(values).all():
            index = np.argwhere(~np.isfinite(values))[0].tolist()
            raise ValueError(f"{name}{index} is {values[tuple(index)]}; leave that sample out.")
    if alphas.ndim != 1 or not len(alphas) or not ((alphas >= 0) & np.isfinite(alphas)).all():
        raise ValueError(f"alphas must be numbers of 0 or more, at least one, got {alphas}.")
