"""Standardised effects of paired values, and their intervals."""

import functools

import numpy as np
import scipy.optimize
import scipy.special
import scipy.stats

from common import validation
from common.report.statistics._checks import _checked, _paired
from common.report.statistics.intervals import Interval

__all__ = ["effect_interval", "effect_size", "hedges"]


def effect_size(a, b):
    r"""Standardised mean difference of pairs, :math:`\bar d / s_d`.

    :math:`d = a - b`, and :math:`s_d` is their standard deviation with ``ddof=1``: Cohen's
    :math:`d_z`, the one of MOABB's meta-analysis, without a small-sample correction.

    Parameters
    ----------
    a, b : array_like, shape (n_subjects,)
        Scores of two methods on the same subjects; at least two.

    Returns
    -------
    effect : float
        Positive where ``a`` exceeds ``b``; no unit. If all differences are equal (up to rounding),
        0 when they are zero, else infinite with their sign.
    """
    differences, rounding = _paired(a, b, at_least=2)
    mean, deviation = differences.mean(), differences.std(ddof=1)
    if deviation > rounding:
        return float(mean / deviation)
    return 0.0 if abs(mean) <= rounding else float(np.copysign(np.inf, mean))


def hedges(effect, n):
    r"""Unbiased standardised mean difference of pairs, with an unbiased estimate of its variance.

    For normal differences :math:`t = \sqrt n\, d` is noncentral, so with :math:`m = n - 1`

    .. math:: g = J d, \quad J = \frac{\Gamma(m / 2)}{\sqrt{m / 2}\, \Gamma((m - 1) / 2)}, \qquad
              v = \frac{1}{n} + \Big(J^2 - \frac{m - 2}{m}\Big)\, d^2,

    have the expectations :math:`\delta`, the true effect, and the variance of g.

    Parameters
    ----------
    effect : array_like
        `effect_size` of each data set, finite.
    n : array_like of int
        Its pairs, at least four: with three the variance is infinite.

    Returns
    -------
    effects, variances : ndarray
        g and v, of the shape of ``effect``.

    Raises
    ------
    ValueError
        If an effect is not finite, an ``n`` is below four or not whole, or the indexes of two
        pandas series differ.

    References
    ----------
    .. [1] L. V. Hedges, "Distribution theory for Glass's estimator of effect size and related
       estimators", J. Educ. Stat. 6(2), 1981.
    """
    validation.same_rows(effect=effect, n=n)
    d = validation.array(effect, "effect")
    n = validation.array(n, "n", at_least=4)
    if np.any(n != np.floor(n)):
        raise ValueError(f"n must hold whole numbers, the pairs of each, got {n.tolist()}.")
    m = n - 1
    factor = np.exp(scipy.special.gammaln(m / 2) - scipy.special.gammaln((m - 1) / 2))
    factor = factor / np.sqrt(m / 2)
    return factor * d, 1 / n + (factor**2 - (m - 2) / m) * d**2


def effect_interval(a, b, *, confidence=0.95):
    r"""Interval of the standardised mean difference of pairs.

    For normal differences :math:`t = \sqrt n\, \bar d / s_d` has a noncentral t distribution with
    :math:`n - 1` degrees of freedom, whose noncentrality is :math:`\sqrt n` times the effect. The
    bounds are the effects under which the observed t is a quantile of level
    :math:`(1 \pm \text{confidence}) / 2`.

    Parameters
    ----------
    a, b : array_like, shape (n_subjects,)
        Scores of two methods on the same subjects; at least two.
    confidence : float, default=0.95

    Returns
    -------
    interval : Interval
        ``value`` is `effect_size`; without width when all differences are equal.

    References
    ----------
    .. [1] K. Kelley, "Confidence intervals for standardized effect sizes: theory, application, and
       implementation", J. Stat. Softw. 20(8), 2007.
    """
    effect = effect_size(a, b)
    confidence = _checked(confidence)
    n = len(np.asarray(a))
    if not np.isfinite(effect) or (effect == 0 and np.array_equal(a, b)):
        return Interval(effect, effect, effect)
    t = np.sqrt(n) * effect
    low, high = (
        _noncentrality(t, n - 1, 0.5 + side * confidence / 2) / np.sqrt(n) for side in (1, -1)
    )
    return Interval(effect, float(low), float(high))


def _noncentrality(t, df, level):
    """Noncentrality under which t is the quantile of this level."""
    # T <= t where a standard normal is at most t w - noncentrality, w the root of chi-square / df:
    # an integral over the quantiles of w. `scipy.stats.nct` gives NaN far from t.
    w, weights = _root_chi_square(df)

    def excess(noncentrality):
        return weights @ scipy.special.ndtr(t * w - noncentrality) - level

    reach = 10 * np.sqrt(1 + t**2)
    return scipy.optimize.brentq(excess, t - reach, t + reach)


@functools.cache
def _root_chi_square(df):
    """Nodes and weights of the mean over the root of chi-square / df."""
    nodes, weights = np.polynomial.legendre.leggauss(300)
    return np.sqrt(scipy.stats.chi2.ppf((nodes + 1) / 2, df) / df), weights / 2
