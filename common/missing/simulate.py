"""Linear models of Gaussian variables, and mechanisms by which values go missing.

A mechanism is drawn once (`draw_mechanism`) and then hides values of as many rows as are wanted:
training and test rows follow the same one.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.special

from common import validation

__all__ = [
    "MCAR",
    "MECHANISMS",
    "GaussianSelfMasking",
    "LogisticMAR",
    "ProbitSelfMasking",
    "Problem",
    "Sample",
    "draw_mechanism",
    "random_problem",
    "sample",
]


@dataclass(frozen=True)
class Problem:
    r"""Gaussian inputs and a linear target: :math:`y = b_0 + b^\top x + e`.

    Parameters
    ----------
    mean : array_like, shape (n_features,)
    covariance : array_like, shape (n_features, n_features)
        Positive definite.
    weights : array_like, shape (n_features,)
    intercept : float
    noise : float
        Standard deviation of e, at least 0.

    Raises
    ------
    TypeError
        If one of them holds no numbers.
    ValueError
        If shapes do not fit, a value is not finite, or the covariance is not positive definite.
    """

    mean: np.ndarray
    covariance: np.ndarray
    weights: np.ndarray
    intercept: float = 0.0
    noise: float = 0.0

    def __post_init__(self):
        mean, covariance = check_moments(self.mean, self.covariance)
        weights = validation.vector(self.weights, "weights")
        validation.same_length(mean=mean, weights=weights)
        intercept = validation.number(self.intercept, "intercept")
        noise = validation.number(self.noise, "noise", at_least=0)
        _set(self, mean=mean, covariance=covariance, weights=weights)
        _set(self, intercept=intercept, noise=noise)


class Sample(NamedTuple):
    """Rows of a problem.

    Attributes
    ----------
    X : ndarray, shape (n, n_features)
        NaN where a value is missing.
    y : ndarray, shape (n,)
    complete : ndarray, shape (n, n_features)
        The same rows before values were hidden.
    """

    X: np.ndarray
    y: np.ndarray
    complete: np.ndarray


class _Mechanism:
    """What hides each value with a probability of its own, independently given the row."""

    def probabilities(self, complete):
        """Probability that each value goes missing.

        Parameters
        ----------
        complete : ndarray, shape (n, n_features)

        Returns
        -------
        probabilities : ndarray, shape (n, n_features)

        Raises
        ------
        TypeError
            If ``complete`` holds no numbers.
        ValueError
            If a value is not finite, or the number of columns is another than the mechanism's.
        """
        raise NotImplementedError

    def _rows(self, complete, name):
        """Complete rows, as wide as the field of the mechanism."""
        complete = validation.array(complete, "complete", ndim=2, empty=True)
        width = len(getattr(self, name))
        if complete.shape[1] != width:
            raise ValueError(
                f"complete must have {width} columns, one for each of {name} of the mechanism, got "
                f"shape {complete.shape}."
            )
        return complete

    def hide(self, complete, *, rng):
        """Rows with missing values.

        Parameters
        ----------
        complete : array_like, shape (n, n_features)
        rng : numpy.random.Generator

        Returns
        -------
        X : ndarray, shape (n, n_features)
            NaN where a value is missing.

        Raises
        ------
        TypeError
            If ``complete`` holds no numbers, or ``rng`` is no generator.
        ValueError
            If a value is not finite.
        """
        complete = validation.array(complete, "complete", ndim=2)
        rng = validation.generator(rng)
        missing = rng.random(complete.shape) < self.probabilities(complete)
        return np.where(missing, np.nan, complete)


@dataclass(frozen=True)
class MCAR(_Mechanism):
    """Missing completely at random: every value with the same probability.

    Parameters
    ----------
    rate : float
        From 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If it is no such number.
    """

    rate: float

    def __post_init__(self):
        _set(self, rate=validation.number(self.rate, "rate", at_least=0, at_most=1))

    def probabilities(self, complete):
        """See `_Mechanism.probabilities`."""
        complete = validation.array(complete, "complete", ndim=2, empty=True)
        return np.full(complete.shape, self.rate)


@dataclass(frozen=True)
class LogisticMAR(_Mechanism):
    """Missing at random: by a logistic model of variables that are never missing.

    Parameters
    ----------
    weights : ndarray, shape (n_features, n_features)
        ``weights[i, j]`` is that of variable i for hiding j; 0 unless i is always observed.
    intercepts : ndarray, shape (n_features,)
        Minus infinity for variables that are always observed.

    Raises
    ------
    TypeError
        If one of them holds no numbers.
    ValueError
        If shapes do not fit, or a value is NaN, infinite or, of ``intercepts``, plus infinity.
    """

    weights: np.ndarray
    intercepts: np.ndarray

    def __post_init__(self):
        weights = validation.array(self.weights, "weights", ndim=2)
        given = np.asarray(validation.unmasked(self.intercepts, "intercepts"))
        never = given == -np.inf if given.dtype.kind == "f" else np.zeros(given.shape, bool)
        validation.vector(np.where(never, 0, given) if never.any() else given, "intercepts")
        if weights.shape != (len(given), len(given)):
            raise ValueError(
                f"weights must have shape {(len(given), len(given))}, a row and a column for each "
                f"of the {len(given)} intercepts, got {weights.shape}."
            )
        _set(self, weights=weights, intercepts=given.astype(float))

    def probabilities(self, complete):
        """See `_Mechanism.probabilities`."""
        complete = self._rows(complete, "intercepts")
        return scipy.special.expit(complete @ self.weights + self.intercepts)


@dataclass(frozen=True)
class GaussianSelfMasking(_Mechanism):
    r"""Not at random: :math:`P(M_j = 1 | x_j) = \exp(-(x_j - c_j)^2 / (2 w_j^2))`.

    Parameters
    ----------
    center, width : ndarray, shape (n_features,)
        In the units of the variables; widths are positive.

    Raises
    ------
    TypeError
        If one of them holds no numbers.
    ValueError
        If lengths differ, or a value is not finite or no width.
    """

    center: np.ndarray
    width: np.ndarray

    def __post_init__(self):
        center = validation.vector(self.center, "center")
        width = validation.vector(self.width, "width", above=0)
        validation.same_length(center=center, width=width)
        _set(self, center=center, width=width)

    def probabilities(self, complete):
        """See `_Mechanism.probabilities`."""
        complete = self._rows(complete, "center")
        with np.errstate(over="ignore", under="ignore"):  # so far away that it is 0
            return np.exp(-0.5 * ((complete - self.center) / self.width) ** 2)


@dataclass(frozen=True)
class ProbitSelfMasking(_Mechanism):
    r"""Not at random: :math:`P(M_j = 1 | x_j) = \Phi(s x_j - c_j)`.

    Parameters
    ----------
    slope : float
    threshold : ndarray, shape (n_features,)

    Raises
    ------
    TypeError
        If one of them holds no numbers.
    ValueError
        If one is not finite, or thresholds are no vector.
    """

    slope: float
    threshold: np.ndarray

    def __post_init__(self):
        slope = validation.number(self.slope, "slope")
        _set(self, slope=slope, threshold=validation.vector(self.threshold, "threshold"))

    def probabilities(self, complete):
        """See `_Mechanism.probabilities`."""
        complete = self._rows(complete, "threshold")
        return scipy.special.ndtr(self.slope * complete - self.threshold)


def random_problem(n_features, *, rng, signal_to_noise=10.0):
    r"""A problem as the paper draws it.

    The covariance is :math:`B B^\top + D`, with a Gaussian B of half as many columns as rows and a
    diagonal D that is even on [0.01, 0.1]; the mean is standard normal; weights and intercept are
    1.

    Parameters
    ----------
    n_features : int
        At least 2.
    rng : numpy.random.Generator
    signal_to_noise : float, default=10.0
        Variance of the target without its noise over that of the noise.

    Returns
    -------
    problem : Problem

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a number is out of range.
    """
    d = validation.count(n_features, "n_features", at_least=2)
    ratio = validation.number(signal_to_noise, "signal_to_noise", above=0)
    rng = validation.generator(rng)
    B = rng.standard_normal((d, d // 2))
    covariance = B @ B.T + np.diag(rng.uniform(0.01, 0.1, d))
    weights = np.ones(d)
    noise = np.sqrt(weights @ covariance @ weights / ratio)
    return Problem(rng.standard_normal(d), covariance, weights, 1.0, float(noise))


def draw_mechanism(name, mean, covariance, *, rate, rng):
    """A mechanism of a given missing rate, for Gaussian variables.

    Every variable is missing at the rate, except under ``"mar"``, where a tenth of the variables,
    at least one, is always observed and the others are missing at the rate.

    Parameters
    ----------
    name : {"mcar", "mar", "gaussian", "probit"}
        The latter two are self-masking.
    mean : array_like, shape (n_features,)
    covariance : array_like, shape (n_features, n_features)
    rate : float
        Between 0 and 1.
    rng : numpy.random.Generator
        Draws the mechanism under ``"mar"``.

    Returns
    -------
    mechanism : MCAR, LogisticMAR, GaussianSelfMasking or ProbitSelfMasking

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the name is unknown, the rate out of range or too near to 0 or 1 for the mechanism, or
        moments as in `Problem`.
    """
    validation.choice(name, MECHANISMS, "name")
    mean, covariance = check_moments(mean, covariance)
    rate = validation.number(rate, "rate", above=0, below=1)
    return MECHANISMS[name](mean, covariance, rate, validation.generator(rng))


def sample(problem, mechanism, n, *, rng):
    """Rows of a problem with values that a mechanism hides.

    Parameters
    ----------
    problem : Problem
    mechanism : MCAR, LogisticMAR, GaussianSelfMasking or ProbitSelfMasking
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    sample : Sample

    Raises
    ------
    TypeError
        If ``problem`` or ``mechanism`` is of another type, ``n`` no whole number, or ``rng`` no
        generator.
    ValueError
        If ``n`` is not positive, or the mechanism has another number of variables.
    """
    check_problem(problem)
    if not isinstance(mechanism, _Mechanism):
        raise TypeError(
            f"mechanism must be what draw_mechanism returns, such as MCAR(0.5), got {mechanism!r}."
        )
    n = validation.count(n, "n")
    rng = validation.generator(rng)
    root = np.linalg.cholesky(problem.covariance)
    complete = problem.mean + rng.standard_normal((n, len(root))) @ root.T
    y = problem.intercept + complete @ problem.weights
    y = y + problem.noise * rng.standard_normal(n)
    return Sample(mechanism.hide(complete, rng=rng), y, complete)


def check_problem(problem):
    """A `Problem`.

    Parameters
    ----------
    problem : Problem

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if not isinstance(problem, Problem):
        raise TypeError(
            f"problem must be a Problem, as random_problem returns it, got {problem!r}."
        )


def check_moments(mean, covariance):
    """Mean and covariance that fit to one another.

    Parameters
    ----------
    mean : array_like, shape (n_features,)
    covariance : array_like, shape (n_features, n_features)

    Returns
    -------
    mean, covariance : ndarray

    Raises
    ------
    TypeError
        If one holds no numbers.
    ValueError
        If shapes do not fit, a value is not finite, or the covariance is not symmetric or not
        positive definite.
    """
    mean = validation.vector(mean, "mean").astype(float)
    covariance = validation.array(covariance, "covariance", ndim=2).astype(float)
    if covariance.shape != (len(mean), len(mean)):
        raise ValueError(
            f"covariance must have shape {(len(mean), len(mean))}, one row for each of the "
            f"{len(mean)} values of mean, got {covariance.shape}."
        )
    apart = np.abs(covariance - covariance.T).max()
    if apart > 1e-10 * np.abs(covariance).max():
        raise ValueError(
            f"covariance must be symmetric, got entries that differ by {apart:g} from their "
            "mirror images. Use the mean of it and its transpose."
        )
    least, *_, largest = np.linalg.eigvalsh(covariance)[[0, -1]]
    if least <= 1e-14 * largest:
        raise ValueError(
            f"covariance must be positive definite, got a least eigenvalue of {least:g}. Leave out "
            "variables that follow from others, or add a small number to its diagonal."
        )
    return mean, covariance


def _set(frozen, **fields):
    for name, value in fields.items():
        object.__setattr__(frozen, name, value)


def _mcar(mean, covariance, rate, rng):
    return MCAR(rate)


def _logistic(mean, covariance, rate, rng):
    d = len(mean)
    always = rng.permutation(d)[: max(d // 10, 1)]
    weights = np.zeros((d, d))
    weights[always] = rng.standard_normal((len(always), d))
    spread = 1 / rng.uniform(0.1, 0.5, d)
    weights *= spread / np.sqrt(np.einsum("ij,ik,kj->j", weights, covariance, weights))
    # The mean of expit(spread * z + shift) over a normal z.
    nodes, masses = np.polynomial.hermite_e.hermegauss(101)
    masses = masses / masses.sum()
    shifts = [
        _root(lambda shift, s=s: masses @ scipy.special.expit(s * nodes + shift) - rate, 100, rate)
        for s in spread
    ]
    intercepts = shifts - mean @ weights
    weights[:, always], intercepts[always] = 0, -np.inf
    return LogisticMAR(weights, intercepts)


def _root(excess, bound, rate):
    """Where an ascending function of a missing rate is 0, up to a bound on either side."""
    if excess(-bound) > 0 or excess(bound) < 0:
        side, other = ("small", "larger") if excess(-bound) > 0 else ("large", "smaller")
        raise ValueError(f"rate is too {side} for this mechanism, got {rate}. Take a {other} one.")
    return scipy.optimize.brentq(excess, -bound, bound)


def _gaussian(mean, covariance, rate, rng, *, shift=2.0):
    """Centres `shift` standard deviations above the means."""
    variances = np.diag(covariance)

    def excess(log_ratio):  # of the squared width over the variance
        ratio = np.exp(log_ratio)
        return np.sqrt(ratio / (1 + ratio)) * np.exp(-(shift**2) / (2 * (1 + ratio))) - rate

    ratio = np.exp(_root(excess, 40, rate))
    return GaussianSelfMasking(mean + shift * np.sqrt(variances), np.sqrt(ratio * variances))


def _probit(mean, covariance, rate, rng, *, slope=0.5):
    spread = np.sqrt(1 + slope**2 * np.diag(covariance))
    return ProbitSelfMasking(slope, slope * mean - scipy.special.ndtri(rate) * spread)


MECHANISMS = {"mcar": _mcar, "mar": _logistic, "gaussian": _gaussian, "probit": _probit}
