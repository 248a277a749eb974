r"""The toy model of a product, and its exact posteriors.

.. math:: x_i = \alpha_i \beta^\gamma + \sigma \epsilon_i, \qquad \alpha_i, \beta \sim U(0, 1).

The parameter :math:`\beta` is shared by the observation of interest, :math:`x_0`, and by N extra
ones, each with an :math:`\alpha_i` of its own. Exact posteriors are given for :math:`\gamma = 1`
and :math:`\sigma = 0`:

- given all N + 1 observations, which matter by :math:`x_0`, N and their maximum M alone,

  .. math:: p(\beta \mid x_0, X) \propto \beta^{-(N + 1)} \text{ on } [M, 1], \qquad
            \alpha = x_0 / \beta;

  the likelihood of each observation is :math:`1 / \beta` where :math:`\beta` reaches it;
- given :math:`x_0` and the mean m of the extra ones, as a network sees that averages them: N m /
  :math:`\beta` is a sum of N uniform numbers, with the density f of Irwin and Hall,

  .. math:: p(\beta \mid x_0, m) \propto \beta^{-2} f_N(N m / \beta) \text{ on } [x_0, 1].
"""

from typing import ClassVar, NamedTuple

import numpy as np
from scipy import stats
from scipy.special import ndtr, ndtri

from common import validation

__all__ = [
    "MaximumCoordinates",
    "Moments",
    "ToyModel",
    "exact_moments",
    "exact_quantiles",
    "log_maximum",
    "mean_posterior",
]

_EDGE = 1e-12
_MOST_EXTRA = 500  # of which the density of the mean takes seconds
_CANCELS = 1e-6  # variances below this share of the squared mean lose digits as a difference
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_ROUNDING = 1e-9  # of logarithms, over that of the maximum


class Moments(NamedTuple):
    """Mean and variance of a parameter.

    Attributes
    ----------
    mean, variance : ndarray, shape (n,)
    """

    mean: np.ndarray
    variance: np.ndarray

    def distance(self, truth):
        """Squared 2-Wasserstein distance to the true value, see `common.inference.distances`.

        Parameters
        ----------
        truth : float or ndarray, shape (n,)

        Returns
        -------
        distance : ndarray, shape (n,)

        Raises
        ------
        TypeError, ValueError
            If a truth is no finite number, there are not as many as moments, or a square is no
            number in float64.
        """
        truth = validation.array(truth, "truth")
        if truth.shape not in ((), np.shape(self.mean)):
            raise ValueError(
                f"truth must be one number or of shape {np.shape(self.mean)}, got {truth.shape}."
            )
        with np.errstate(over="ignore"):  # the error below says so
            distance = self.variance + (self.mean - truth) ** 2
        if not np.isfinite(distance).all():
            raise ValueError(
                f"a truth up to {np.abs(truth).max():g} is at distances whose squares are no "
                "numbers in float64. Bring it to the scale of the parameter."
            )
        return distance


class ToyModel:
    """Simulator of the toy model.

    Parameters
    ----------
    gamma : float, default=1
        Exponent of the shared parameter, above 0.
    sigma : float, default=0
        Standard deviation of the noise.

    Attributes
    ----------
    domain : dict
        Where it is defined: ``alpha`` anywhere, ``beta`` not below 0.

    Raises
    ------
    TypeError, ValueError
        If an option is no number or out of range.
    """

    domain: ClassVar = {"alpha": (-np.inf, np.inf), "beta": (0.0, np.inf)}

    def __init__(self, *, gamma=1.0, sigma=0.0):
        self.gamma = validation.number(gamma, "gamma", above=0)
        self.sigma = validation.number(sigma, "sigma", at_least=0)

    def __call__(self, theta, rng):
        """Observations.

        Parameters
        ----------
        theta : ndarray, shape (n, 2)
            ``alpha`` and ``beta``.
        rng : numpy.random.Generator

        Returns
        -------
        x : ndarray, shape (n, 1)

        Raises
        ------
        TypeError, ValueError
            If parameters are not finite or of another shape, a ``beta`` is below 0, an observation
            is no number in float64, or noise is asked for and ``rng`` is no generator.
        """
        theta = validation.array(theta, "theta", ndim=2)
        if theta.shape[1] != 2:
            raise ValueError(f"theta must have the columns alpha and beta, got {theta.shape}.")
        validation.vector(theta[:, 1], "beta", at_least=0)
        with np.errstate(over="ignore", invalid="ignore"):  # the error below says so
            x = theta[:, 0] * theta[:, 1] ** self.gamma
        if not np.isfinite(x).all():
            row = int(np.argmin(np.isfinite(x)))
            raise ValueError(
                f"theta {theta[row].tolist()} at row {row} gives an observation that is no number "
                f"with gamma={self.gamma:g}. Use smaller parameters."
            )
        if self.sigma:
            x = x + self.sigma * validation.generator(rng).standard_normal(len(x))
        return x[:, None]


def log_maximum(x, extra):
    """Logarithm of the maximum of all observations, the sufficient summary of the shared parameter.

    Parameters
    ----------
    x : ndarray, shape (n, 1)
        In (0, 1).
    extra : ndarray, shape (n, n_extra, 1)

    Returns
    -------
    context : ndarray, shape (n, 1)
        Below 0.

    Raises
    ------
    TypeError, ValueError
        If a value is no finite number, shapes do not fit, or a maximum is not above 0 and below 1.
    """
    x = validation.array(x, "x", ndim=2)
    extra = validation.array(extra, "extra", ndim=3, empty=True)
    if (len(extra), extra.shape[2]) != x.shape:
        raise ValueError(
            f"extra must have shape ({len(x)}, n_extra, {x.shape[1]}) for x of shape {x.shape}, "
            f"got {extra.shape}."
        )
    maximum = np.concatenate([x[:, None], extra], axis=1).max(axis=1)
    outside = ~((maximum > 0) & (maximum < 1))
    if outside.any():
        raise ValueError(
            f"the maximum of the observations must be above 0 and below 1, got "
            f"{maximum[outside][0]:g}. Without noise the model gives no other."
        )
    return np.log(maximum)


class MaximumCoordinates:
    r"""Coordinates of the shared parameter that begin at the maximum M of the observations.

    :math:`v = \log(\beta / M) / (-\log M)` runs from 0 at M to 1 at :math:`\beta = 1`, and
    :math:`z = \Phi^{-1}(v)`. Contexts are those of `log_maximum`.
    """

    @staticmethod
    def to_normal(shared, context):
        """Coordinates of parameters.

        Parameters
        ----------
        shared : ndarray, shape (n, 1)
            In [M, 1].
        context : ndarray, shape (n, 1)
            log M.

        Returns
        -------
        z : ndarray, shape (n, 1)

        Raises
        ------
        ValueError
            If a parameter is below M or above 1, or log M is not below 0.
        """
        _check_context(context)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = 1 - np.log(shared) / context
        outside = ~((share >= -_ROUNDING) & (share <= 1 + _ROUNDING))
        if outside.any():
            raise ValueError(
                f"a shared parameter must be between the maximum of its observations, "
                f"{np.exp(np.broadcast_to(context, share.shape)[outside][0]):g}, and 1, got "
                f"{np.broadcast_to(shared, share.shape)[outside][0]:g}."
            )
        return ndtri(np.clip(share, _EDGE, 1 - _EDGE))

    @staticmethod
    def from_normal(z, context):
        """Parameters at coordinates; the inverse of `to_normal`.

        Parameters
        ----------
        z : ndarray, shape (..., 1)
        context : ndarray, shape (..., 1)
            log M.

        Returns
        -------
        shared : ndarray, shape (..., 1)

        Raises
        ------
        ValueError
            If log M is not below 0, or a coordinate is NaN.
        """
        _check_context(context)
        if np.isnan(z).any():
            place = tuple(map(int, np.argwhere(np.isnan(z))[0]))
            raise ValueError(f"z must not be NaN, got nan at index {place}.")
        return np.exp(context * (1 - ndtr(z)))


def exact_quantiles(levels, x, maximum, n_extra):
    r"""Quantiles of the exact posterior given all observations.

    With :math:`F(\beta) = (M^{-N} - \beta^{-N}) / (M^{-N} - 1)`, :math:`\beta(u) = M (1 - u (1 -
    M^N))^{-1/N}`, and for N = 0 :math:`x_0^{1 - u}`. As :math:`\alpha` falls where :math:`\beta`
    rises, its quantile is :math:`x_0 / \beta(1 - u)`.

    Parameters
    ----------
    levels : array_like, shape (n_levels,)
        In [0, 1].
    x : float
        The observation of interest, in (0, 1).
    maximum : float
        Of all observations, at least ``x`` and below 1.
    n_extra : int

    Returns
    -------
    alpha, beta : ndarray, shape (n_levels,)

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.
    """
    levels = validation.vector(levels, "levels", at_least=0, at_most=1)
    (x,), (maximum,), n_extra = _observed([x], [maximum], n_extra)

    def beta(u):
        if n_extra == 0:
            return maximum ** (1 - u)
        return maximum * (1 - u * (1 - maximum**n_extra)) ** (-1 / n_extra)

    return x / beta(1 - levels), beta(levels)


def exact_moments(x, maximum, n_extra):
    r"""Mean and variance of both parameters given all observations, in closed form.

    With :math:`J(p) = (1 - M^p) / p` and :math:`J(0) = -\log M`,
    :math:`E \beta^k = M^k J(N - k) / J(N)`; :math:`\alpha = x_0 \beta^{-1}`.

    Where the variance is less than a millionth of the squared mean, its difference of moments
    cancels: there it is a sum over nodes of Gauss and Legendre. With :math:`\beta = M e^{L u}` and
    :math:`L = -\log M`, u has the density :math:`\propto e^{-N L u}` on [0, 1], which is cut at
    :math:`N L u = 40`, and :math:`\operatorname{var} \beta = M^2 \operatorname{var}(e^{L u} - 1)`.

    Parameters
    ----------
    x : array_like, shape (n,)
        Observations of interest, in (0, 1).
    maximum : array_like, shape (n,)
        Of each and its extra observations, below 1.
    n_extra : int

    Returns
    -------
    alpha, beta : Moments
        Of arrays of shape (n,).

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or a maximum has powers that float64 does not hold.
    """
    x, maximum, n_extra = _observed(x, maximum, n_extra)

    def integral(power):
        return -np.log(maximum) if power == 0 else (1 - maximum**power) / power

    def moment(k):
        return maximum**k * integral(n_extra - k) / integral(n_extra)

    with np.errstate(all="ignore"):  # the error below says so
        found = tuple(
            Moments(scale * moment(k), scale**2 * (moment(2 * k) - moment(k) ** 2))
            for k, scale in ((-1, x), (1, 1.0))
        )
    bad = ~np.isfinite([one for each in found for one in each]).all(axis=0)
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(
            f"maximum is {maximum[i]:g} at index {i}: its powers are no numbers in float64. Are "
            "observations in (0, 1), and not far below what occurs?"
        )
    for k, scale, (mean, variance) in zip((-1, 1), (x / maximum, maximum), found, strict=True):
        cancels = variance < _CANCELS * mean**2
        if cancels.any():
            spread = _spread(k, np.log(maximum[cancels]), n_extra)
            variance[cancels] = scale[cancels] ** 2 * spread
    return found


def mean_posterior(x, mean, n_extra, *, n_grid=4000):
    r"""Mean and variance of both parameters given the observation and the mean of the extra ones.

    With :math:`s = m / \beta` the density above becomes that of the mean of N uniform numbers, cut
    to :math:`[m, m / x_0]`: sums over a grid of s in place of integrals.

    Parameters
    ----------
    x : array_like, shape (n,)
        Observations of interest, in (0, 1).
    mean : array_like, shape (n,)
        Of the extra observations of each, in (0, 1).
    n_extra : int
        At least 1, at most 500: the time that the density takes grows with its square.
    n_grid : int, default=4000
        Points over 20 standard deviations of s.

    Returns
    -------
    alpha, beta : Moments
        Of arrays of shape (n,).

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or a mean is so far from ``x`` that no parameter explains both.
    """
    n_extra = validation.count(n_extra, "n_extra", at_most=_MOST_EXTRA)
    x = _open_unit(x, "x")
    mean = _open_unit(mean, "mean")
    validation.same_length(x=x, mean=mean)
    n_grid = validation.count(n_grid, "n_grid", at_least=2)
    reach = min(0.5, 10 / np.sqrt(12 * n_extra))
    s = 0.5 + reach * ((np.arange(n_grid) + 0.5) * 2 / n_grid - 1)
    inside = (s >= mean[:, None]) & (s * x[:, None] <= mean[:, None])
    weights = inside * stats.irwinhall.pdf(n_extra * s, n_extra)
    total = weights.sum(axis=1)
    if not (total > 0).all():
        i = int(np.argmin(total > 0))
        raise ValueError(
            f"x = {x[i]:g} and a mean of {mean[i]:g} of {n_extra} extra observations do not occur "
            "together: are they of one value of beta?"
        )
    weights /= total[:, None]
    found = []
    for values in (x[:, None] * s / mean[:, None], mean[:, None] / s):
        average = (weights * values).sum(axis=1)
        found.append(Moments(average, (weights * (values - average[:, None]) ** 2).sum(axis=1)))
    return tuple(found)


def _spread(k, log_maximum, n_extra):
    """Variance of ``exp(k L u) - 1``, with u of density proportional to ``exp(-N L u)``."""
    length = -log_maximum[:, None]
    u = 0.5 * (1 + _NODES) * np.minimum(1, 40 / np.maximum(n_extra * length, 40))
    weights = _WEIGHTS * np.exp(-n_extra * length * u)
    weights /= weights.sum(axis=1, keepdims=True)
    values = np.expm1(k * length * u)
    mean = (weights * values).sum(axis=1, keepdims=True)
    return (weights * (values - mean) ** 2).sum(axis=1)


def _check_context(context):
    bad = ~(np.asarray(context) < 0)  # True for NaN
    if bad.any():
        raise ValueError(
            f"context must be below 0, the logarithm of a maximum below 1, got "
            f"{np.asarray(context)[bad][0]:g}. See log_maximum."
        )


def _open_unit(values, name):
    values = validation.vector(values, name, above=0)
    if (values >= 1).any():
        i = int(np.argmax(values >= 1))
        raise ValueError(f"{name} must be below 1, got {values[i]:g} at index {i}.")
    return values


def _observed(x, maximum, n_extra):
    x, maximum = _open_unit(x, "x"), _open_unit(maximum, "maximum")
    validation.same_length(x=x, maximum=maximum)
    if (maximum < x).any():
        i = int(np.argmax(maximum < x))
        raise ValueError(
            f"the maximum is {maximum[i]:g}, below the observation x = {x[i]:g} at index {i}. It "
            "is taken over the observation and the extra ones."
        )
    n_extra = validation.count(n_extra, "n_extra", at_least=0)
    if n_extra == 0 and not np.allclose(x, maximum, rtol=1e-9, atol=0):
        i = int(np.abs(x - maximum).argmax())
        raise ValueError(
            f"the maximum is {maximum[i]:g} and the observation x = {x[i]:g} at index {i}: without "
            "extra observations they are the same."
        )
    return x, maximum, n_extra
