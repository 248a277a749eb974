r"""Best predictions of a linear target from incomplete Gaussian inputs.

Rows that miss the same variables share a pattern, and all that depends on the pattern is computed
once, for many patterns together. With o the observed and m the missing variables of a pattern, each
predictor here is affine in what is observed: :math:`c + w^\top (x_o - \mu_o)`. Matrices of a
pattern are kept in full size, as :math:`S_{oo}` with ones on the diagonal where a variable is
missing, so that all patterns are solved for in one call.

.. math:: E[Y | x_o] = b_0 + b_o^\top x_o + b_m^\top
          \big(\mu_m + S_{mo} S_{oo}^{-1} (x_o - \mu_o)\big)

holds where values are missing at random. There :math:`w = S_{oo}^{-1} (S b)_o`.
"""

import numpy as np
import scipy.special

from common import validation
from common.missing.simulate import (
    MCAR,
    GaussianSelfMasking,
    LogisticMAR,
    ProbitSelfMasking,
    check_moments,
    check_problem,
)

__all__ = ["bayes_predict", "gaussian_predict", "neumann_predict", "patterns"]

_NUMBERS_AT_ONCE = 2**21  # in the matrices of the patterns that are solved for together


def patterns(missing):
    """Distinct rows of a mask, and which one each row has.

    Parameters
    ----------
    missing : ndarray of bool, shape (n, n_features)

    Returns
    -------
    distinct : ndarray of bool, shape (n_patterns, n_features)
    which : ndarray of int, shape (n,)
        ``distinct[which]`` is the mask.

    Raises
    ------
    TypeError
        If the mask holds something else than truth values.
    ValueError
        If it has another number of axes, or no column.
    """
    missing = np.asarray(missing)
    if missing.dtype != bool:
        raise TypeError(
            f"missing must hold True and False, got {missing.dtype}. Of a table X with NaN it is "
            "np.isnan(X)."
        )
    if missing.ndim != 2 or not missing.shape[1]:
        raise ValueError(f"missing must have 2 axes and a column, got shape {missing.shape}.")
    packed = np.packbits(missing, axis=1)
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return missing[first], which


def gaussian_predict(X, mean, covariance, cross, target_mean):
    r"""Conditional mean of a Gaussian target where values are missing at random.

    Parameters
    ----------
    X : array_like, shape (n, n_features)
        NaN where a value is missing.
    mean : ndarray, shape (n_features,)
    covariance : ndarray, shape (n_features, n_features)
    cross : ndarray, shape (n_features,)
        Covariance of the inputs with the target; of a linear one it is :math:`S b`.
    target_mean : float

    Returns
    -------
    predictions : ndarray, shape (n,)

    Raises
    ------
    TypeError
        If an argument holds no numbers.
    ValueError
        If ``X`` is not as `common.validation.incomplete` asks, or of another width, moments are not
        as in `common.missing.simulate.Problem`, or a value is not finite.
    """
    mean, covariance = check_moments(mean, covariance)
    cross = validation.vector(cross, "cross")
    validation.same_length(mean=mean, cross=cross)
    target_mean = validation.number(target_mean, "target_mean")

    def affine(missing):
        return 0.0, _at_random(missing, covariance, cross)

    return target_mean + _affine(X, mean, affine)


def bayes_predict(X, problem, mechanism=None, *, rng=None, n_draws=1000):
    r"""Bayes predictor: the conditional mean of the target given what is observed and the mask.

    Under Gaussian self-masking with centres c and widths w, :math:`T = \mathrm{diag}(w_m^2)`,

    .. math:: E[X_m | x_o, M] = \mu_{m|o} + S_{m|o} (T + S_{m|o})^{-1} (c_m - \mu_{m|o}),

    which is the formula of the paper without its inverse of :math:`S_{m|o}`. Under probit
    self-masking there is no closed form: draws of :math:`X_m | x_o` are weighted by the probability
    that they go missing.

    Parameters
    ----------
    X : array_like, shape (n, n_features)
        NaN where a value is missing. Rows without any value are fine.
    problem : Problem
    mechanism : MCAR, LogisticMAR, GaussianSelfMasking or ProbitSelfMasking, optional
        By default values are missing at random.
    rng : numpy.random.Generator, optional
        Only for probit self-masking, which needs it.
    n_draws : int, default=1000
        For each row under probit self-masking.

    Returns
    -------
    predictions : ndarray, shape (n,)

    Raises
    ------
    TypeError
        If ``X`` holds no numbers, ``problem`` or ``mechanism`` is of another type, or ``rng`` is
        needed and no generator.
    ValueError
        If ``X`` is not as `common.validation.incomplete` asks, or of another width, or the
        mechanism has another number of variables.
    """
    check_problem(problem)
    _check_mechanism(mechanism, problem)
    S, b = problem.covariance, problem.weights
    centre = problem.intercept + b @ problem.mean
    if isinstance(mechanism, ProbitSelfMasking):
        rng, n_draws = validation.generator(rng), validation.count(n_draws, "n_draws")
        return _probit(_table(X, problem.mean), problem, mechanism, rng, n_draws)
    if not isinstance(mechanism, GaussianSelfMasking):
        return gaussian_predict(X, problem.mean, S, S @ b, centre)

    def affine(missing):
        conditional = S - S @ _inverses(missing, S) @ S
        padded = np.where(_both(missing), conditional, 0)
        both = padded + _diagonal(np.where(missing, mechanism.width**2, 1))
        pull = _solve(both, np.where(missing, padded @ b, 0))
        constants = pull @ (mechanism.center - problem.mean)
        return constants, _at_random(missing, S, S @ b) - _at_random(missing, S, pull @ S)

    return centre + _affine(X, problem.mean, affine)


def neumann_predict(X, problem, depth):
    r"""The predictor for values missing at random, with a truncated Neumann series.

    :math:`S_{oo}^{-1}` is replaced by :math:`N_l / L`, :math:`L = \lVert S_{oo} \rVert` of the
    pattern, :math:`N_0 = I` and :math:`N_l = (I - S_{oo} / L) N_{l - 1} + I`.

    Parameters
    ----------
    X : array_like, shape (n, n_features)
        NaN where a value is missing.
    problem : Problem
    depth : int
        l, at least 0.

    Returns
    -------
    predictions : ndarray, shape (n,)

    Raises
    ------
    TypeError, ValueError
        If ``depth`` is no such number, or ``X`` or ``problem`` as in `bayes_predict`.
    """
    check_problem(problem)
    depth = validation.count(depth, "depth", at_least=0)
    S, b = problem.covariance, problem.weights

    def affine(missing):
        observed = ~missing
        inner = np.where(_both(observed), S, 0)
        largest = np.linalg.eigvalsh(inner)[:, -1:]
        inner = inner / np.where(largest > 0, largest, 1)[:, :, None]
        right = np.where(observed, (missing * b) @ S, 0) / np.where(largest > 0, largest, 1)
        found = right
        for _ in range(depth):
            found = found - (inner @ found[:, :, None])[:, :, 0] + right
        return 0.0, observed * b + found

    return problem.intercept + b @ problem.mean + _affine(X, problem.mean, affine)


def _check_mechanism(mechanism, problem):
    """Refuse what would else pass for values that are missing at random."""
    known = (MCAR, LogisticMAR, GaussianSelfMasking, ProbitSelfMasking)
    if mechanism is not None and not isinstance(mechanism, known):
        raise TypeError(
            f"mechanism must be None or one of {', '.join(one.__name__ for one in known)}, got "
            f"{mechanism!r}. draw_mechanism makes one by its name."
        )
    for name in ("intercepts", "center", "threshold"):
        if hasattr(mechanism, name):
            validation.same_length(
                **{
                    "mean of problem": problem.mean,
                    f"{name} of mechanism": getattr(mechanism, name),
                }
            )


def _affine(X, mean, affine):
    """Sum of constants and weighted deviations, which `affine` gives for a stack of patterns."""
    X = _table(X, mean)
    missing = np.isnan(X)
    distinct, which = patterns(missing)
    constants, weights = np.empty(len(distinct)), np.empty(distinct.shape)
    step = max(1, _NUMBERS_AT_ONCE // len(mean) ** 2)
    for start in range(0, len(distinct), step):
        part = slice(start, start + step)
        constants[part], weights[part] = affine(distinct[part])
    deviations = np.where(missing, 0, X - mean)
    return constants[which] + (deviations * weights[which]).sum(axis=1)


def _table(X, mean):
    X = validation.incomplete(X, "X", empty_rows=True, empty_columns=True)
    if X.shape[1] != len(mean):
        raise ValueError(
            f"X must have {len(mean)} columns, one for each variable of the model, got shape "
            f"{X.shape}."
        )
    return X


def _both(which):
    """Pairs of variables that are both in a pattern."""
    return which[:, :, None] & which[:, None, :]


def _diagonal(values):
    return values[:, :, None] * np.eye(values.shape[1])


def _padded(missing, S):
    """The observed block of each pattern, with ones on the diagonal elsewhere."""
    return np.where(_both(~missing), S, 0) + _diagonal(missing.astype(float))


def _solve(matrices, vectors):
    return np.linalg.solve(matrices, vectors[:, :, None])[:, :, 0]


def _at_random(missing, S, cross):
    """Weights of the observed variables, 0 elsewhere; `cross` may differ between patterns."""
    return _solve(_padded(missing, S), np.where(missing, 0, cross))


def _inverses(missing, S):
    """Inverses of the observed blocks, 0 elsewhere."""
    return np.linalg.inv(_padded(missing, S)) - _diagonal(missing.astype(float))


def _probit(X, problem, mechanism, rng, n_draws):
    S, b, mean = problem.covariance, problem.weights, problem.mean
    distinct, which = patterns(np.isnan(X))
    order = np.argsort(which, kind="stable")
    ends = np.cumsum(np.bincount(which, minlength=len(distinct)))
    found = np.empty(len(X))
    for missing, members in zip(distinct, np.split(order, ends[:-1]), strict=True):
        m, o = np.flatnonzero(missing), np.flatnonzero(~missing)
        known = X[np.ix_(members, o)]
        found[members] = problem.intercept + known @ b[o]
        if not len(m):
            continue
        regression = np.linalg.solve(S[np.ix_(o, o)], S[np.ix_(o, m)])
        conditional = S[np.ix_(m, m)] - S[np.ix_(m, o)] @ regression
        root = np.linalg.cholesky(conditional)
        centres = mean[m] + (known - mean[o]) @ regression
        step = max(1, _NUMBERS_AT_ONCE // (n_draws * len(m)))
        for start in range(0, len(members), step):
            some = centres[start : start + step]
            draws = rng.standard_normal((len(some), n_draws, len(m))) @ root.T + some[:, None, :]
            logs = scipy.special.log_ndtr(mechanism.slope * draws - mechanism.threshold[m])
            weights = scipy.special.softmax(logs.sum(axis=2), axis=1)
            found[members[start : start + step]] += (weights * (draws @ b[m])).sum(axis=1)
    return found
