r"""Maximum likelihood of a Gaussian from incomplete rows, by EM over missing patterns.

Values must be missing at random. With K the inverse of the observed block of a row's pattern,
padded with zeros, and r the deviations of what is observed, the E step fills in :math:`S K r` for
the missing deviations, and the covariances that are added for them sum up to
:math:`n S - S (\sum K) S`. So an iteration takes one inverse a pattern and one product a row.
"""

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from common import validation
from common.missing.bayes import gaussian_predict, patterns

__all__ = ["EMRegressor", "GaussianFit", "fit_gaussian"]

_NUMBERS_AT_ONCE = 2**23  # in the inverses that are multiplied with rows together


class GaussianFit(NamedTuple):
    """A Gaussian fitted to incomplete rows.

    Attributes
    ----------
    mean : ndarray, shape (n_features,)
    covariance : ndarray, shape (n_features, n_features)
    log_likelihoods : ndarray, shape (n_iter + 1,)
        Of the observed values, at the start and after each iteration.
    converged : bool
    """

    mean: np.ndarray
    covariance: np.ndarray
    log_likelihoods: np.ndarray
    converged: bool


def fit_gaussian(X, *, tol=1e-8, max_iter=1000):
    """Mean and covariance of largest likelihood.

    It starts from the means and variances of the observed values, without correlations.

    Parameters
    ----------
    X : array_like, shape (n, n_features)
        NaN where a value is missing. Rows without any value change nothing.
    tol : float, default=1e-8
        Converged when the log-likelihood grows by no more than this share of its size, or of the
        number of rows where that is larger.
    max_iter : int, default=1000

    Returns
    -------
    fit : GaussianFit

    Raises
    ------
    TypeError
        If ``X`` holds no numbers.
    ValueError
        If a column has no value, all of its values are equal, its variance overflows or
        underflows, an option is out of range, or the covariance becomes singular: there are too few
        rows, or a column follows from others.
    """
    X = validation.incomplete(X, "X", empty_rows=True)
    tol = validation.number(tol, "tol", above=0)
    max_iter = validation.count(max_iter, "max_iter")
    mean, variances = _moments(X, lambda column: f"column {column} of X")
    missing = np.isnan(X)
    rows = _Rows(X, *patterns(missing))
    S, values = np.diag(variances), []
    for _ in range(max_iter + 1):
        value, filled, added = rows.expect(mean, S, iteration=len(values))
        values.append(value)
        grown = np.inf if len(values) < 2 else value - values[-2]
        if grown <= tol * max(abs(value), len(X)):
            break
        if len(values) <= max_iter:
            shift = filled.mean(axis=0)
            S = filled.T @ filled / len(X) - np.outer(shift, shift) + added / len(X)
            mean, S = mean + shift, (S + S.T) / 2
    converged = bool(grown <= tol * max(abs(value), len(X)))
    return GaussianFit(mean, S, np.array(values), converged)


def _moments(X, name):
    """Means and variances of the observed values; ``name`` says what a column is called."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variances = np.nanmean(X, axis=0), np.nanvar(X, axis=0)
        equal = variances <= 1e-24 * mean**2
    for column in range(X.shape[1]):
        least, most = np.nanmin(X[:, column]), np.nanmax(X[:, column])
        size = max(abs(least), abs(most))
        if not np.isfinite(variances[column]):
            raise ValueError(
                f"{name(column)} reaches {size:.3g}, so its variance is infinite. Scale it down."
            )
        if least != most and size < 1 and variances[column] < np.finfo(float).tiny:
            raise ValueError(
                f"{name(column)} reaches only {size:.3g}, so its variance is 0 in floating point. "
                "Scale it up."
            )
        if equal[column]:
            raise ValueError(
                f"all observed values of {name(column)} are {mean[column]:g}, so it has no "
                "variance. Leave it out."
            )
    return mean, variances


class EMRegressor(RegressorMixin, BaseEstimator):
    """Linear regression on incomplete inputs: a Gaussian of inputs and target, fitted by EM.

    Parameters
    ----------
    tol, max_iter
        As in `fit_gaussian`.
    empty_rows : bool, default=False
        Whether rows without any observed value are fine; their prediction is the target's mean.

    Attributes
    ----------
    fit_ : GaussianFit
        Of the target, in the first column, and the inputs.
    n_features_in_ : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 2))
    >>> y = X @ [1.0, 2.0]
    >>> X[::3, 0] = np.nan
    >>> bool(EMRegressor().fit(X, y + 0.1 * rng.standard_normal(1000)).score(X, y) > 0.9)
    True
    """

    def __init__(self, *, tol=1e-8, max_iter=1000, empty_rows=False):
        self.tol = tol
        self.max_iter = max_iter
        self.empty_rows = empty_rows

    def fit(self, X, y):
        """Fit the Gaussian.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            NaN where a value is missing.
        y : array_like, shape (n,)

        Returns
        -------
        self : EMRegressor

        Raises
        ------
        TypeError, ValueError
            As `fit_gaussian`; if a row has no observed value; or if ``y`` is no vector of finite
            numbers, one for each row.
        """
        table = validation.incomplete(X, "X", empty_rows=self.empty_rows)
        y = validation.vector(y, "y")
        validation.same_length(X=table, y=y)
        joint = np.column_stack([y, table])
        _moments(joint, lambda column: f"column {column - 1} of X" if column else "y")
        found = fit_gaussian(joint, tol=self.tol, max_iter=self.max_iter)
        validate_data(self, X, skip_check_array=True)
        self.fit_ = found
        return self

    def predict(self, X):
        """Conditional mean of the target given what is observed.

        Parameters
        ----------
        X : array_like, shape (n, n_features)

        Returns
        -------
        predictions : ndarray, shape (n,)

        Raises
        ------
        TypeError, ValueError
            As `fit`; a column without values is fine here.
        """
        check_is_fitted(self)
        table = validation.incomplete(X, "X", empty_rows=self.empty_rows, empty_columns=True)
        validate_data(self, X, skip_check_array=True, reset=False)
        mean, S = self.fit_.mean, self.fit_.covariance
        return gaussian_predict(table, mean[1:], S[1:, 1:], S[0, 1:], mean[0])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class _Rows:
    """Rows in the order of their patterns."""

    def __init__(self, X, distinct, which):
        order = np.argsort(which, kind="stable")
        self.X, self.which = X[order], which[order]
        self.missing, self.counts = distinct, np.bincount(which, minlength=len(distinct))

    def expect(self, mean, S, *, iteration):
        """Log-likelihood, expected deviations, and the covariances that are added for gaps."""
        scale = np.sqrt(np.diag(S))
        least = np.linalg.eigvalsh(S / np.outer(scale, scale))[0]
        if least < 1e-12 * len(S):
            raise ValueError(
                f"the covariance became singular in iteration {iteration}: {len(self.X)} rows say "
                f"too little of {len(S)} columns, or a column follows from others. Leave columns "
                "out."
            )
        missing = self.missing[self.which]
        deviations = np.where(missing, 0, self.X - mean)
        products = np.empty_like(deviations)
        total, log_determinants, d = np.zeros_like(S), 0.0, len(mean)
        step = max(1, _NUMBERS_AT_ONCE // d**2)
        ends = np.cumsum(self.counts)
        for start in range(0, len(self.counts), step):
            part = slice(start, start + step)
            gaps = self.missing[part].astype(float)[:, :, None] * np.eye(d)
            observed = ~self.missing[part]
            padded = np.where(observed[:, :, None] & observed[:, None, :], S, 0) + gaps
            inverses = np.linalg.inv(padded) - gaps
            log_determinants += self.counts[part] @ np.linalg.slogdet(padded)[1]
            total += np.tensordot(self.counts[part], inverses, 1)
            first = ends[start] - self.counts[start]
            for low in range(first, ends[part][-1], step):
                here = slice(low, min(low + step, ends[part][-1]))
                K = inverses[self.which[here] - start]
                products[here] = (K @ deviations[here][:, :, None])[:, :, 0]
        n_observed = np.count_nonzero(~missing)
        quadratic = float((deviations * products).sum())
        value = -0.5 * (n_observed * np.log(2 * np.pi) + log_determinants + quadratic)
        filled = np.where(missing, products @ S, deviations)
        return float(value), filled, len(self.X) * S - S @ total @ S
