"""Intervals, paired tests, effect sizes and their combination over data sets.

The unit of analysis is a row: one subject (or recording), with everything else, such as sessions,
folds and seeds, averaged before it comes here. Repeated values of one subject are not independent,
and no function here can know.
"""

import functools
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.special
import scipy.stats

from common import validation

__all__ = [
    "Interval",
    "PairedTest",
    "bootstrap_interval",
    "crossed_interval",
    "effect_interval",
    "effect_size",
    "hedges",
    "holm",
    "jackknife_interval",
    "mean_interval",
    "mean_of_intervals",
    "pair_mean_interval",
    "paired_test",
    "proportion_interval",
    "rank_correlation",
    "stouffer",
]

_ALTERNATIVES = ("two-sided", "greater", "less")
_FEWEST_ROWS = 10  # of a bootstrap: with fewer, resamples hardly differ from one another
_FEWEST_RANKS = 6  # of a rank correlation: with five pairs coverage falls below 90 %
_FEWEST_RESAMPLES = 999  # 2.5 % of them and less are counted from either end
_LARGEST = 1e150  # squares of larger numbers overflow
_MOST_EXACT = 24  # 2**24 sums of signed differences take 128 MiB


class Interval(NamedTuple):
    """An estimate with the bounds of its confidence interval, all in one unit."""

    value: float
    low: float
    high: float


class PairedTest(NamedTuple):
    """A p value, the test that gave it, and the number of pairs.

    The test is ``"sign-flip"``, ``"random sign-flip"`` or ``"wilcoxon"``.
    """

    p_value: float
    method: str
    n_pairs: int


def mean_interval(x, *, confidence=0.95):
    """Student t interval of a mean: the interval for few units.

    Parameters
    ----------
    x : array_like, shape (n_subjects,)
        At least two values.
    confidence : float, default=0.95

    Returns
    -------
    interval : Interval
        In the unit of ``x``; without width when all values are equal.

    Raises
    ------
    TypeError
        If ``x`` or ``confidence`` is no number.
    ValueError
        If ``x`` is not one-dimensional, masked, has fewer than two values or one that is not
        finite or beyond 1e150, or ``confidence`` is not between 0 and 1.

    Examples
    --------
    >>> mean_interval([1.0, 2.0, 3.0]).value
    2.0
    """
    x = _finite(x, name="x", at_least=2)
    confidence = _checked(confidence)
    mean, sem = x.mean(), x.std(ddof=1) / np.sqrt(len(x))
    half = scipy.stats.t.ppf(0.5 + confidence / 2, len(x) - 1) * sem
    return Interval(float(mean), float(mean - half), float(mean + half))


def crossed_interval(x, *, strata=None, confidence=0.95):
    r"""Student interval of a mean over examples and seeds, every example with every seed.

    Both are samples: another draw would bring other examples and other seeds. With

    .. math:: x_{es} = \mu + E_e + S_s + I_{es}

    the mean of n examples and k seeds has the variance
    :math:`\sigma_E^2 / n + \sigma_S^2 / k + \sigma_I^2 / nk`. The variance of the examples' means
    over n, :math:`V_E`, has the expectation :math:`\sigma_E^2 / n + \sigma_I^2 / nk`; that of the
    seeds' means over k, :math:`V_S`, has :math:`\sigma_S^2 / k + \sigma_I^2 / nk`; and that of the
    residuals over nk, :math:`V_I`, has :math:`\sigma_I^2 / nk`. So :math:`V = V_S + A` with
    :math:`A = \max(V_E - V_I, 0)`, the examples' own part, estimates it.

    :math:`V_S` has few degrees of freedom, :math:`k - 1`, and A nearly the :math:`n - 1` of the
    examples. The quantile is Cochran's mean [1]_ of the two Student quantiles, weighted by the
    variances: the interval is :math:`\pm (t_{k-1} V_S + t_{n-1} A) / \sqrt V`. With two or three
    seeds it covers 93 to 98 % of nominal 95; Satterthwaite's degrees of freedom, which are large
    where :math:`V_S` happens to be small, cover 88 to 92 %.

    With strata, the mean is that of the strata's means, as in a balanced accuracy; :math:`V_E` and
    :math:`V_I` are sums over strata.

    Parameters
    ----------
    x : array_like, shape (n_examples, n_seeds)
        At least two of each.
    strata : array_like, shape (n_examples,), optional
        Which stratum an example is of, such as its class: at least two examples of each.
    confidence : float, default=0.95

    Returns
    -------
    interval : Interval
        In the unit of ``x``; without width where all values of a stratum are equal.

    Raises
    ------
    TypeError
        If ``x`` or ``confidence`` is no number.
    ValueError
        If ``x`` is not two-dimensional, there are fewer than two seeds or examples of a stratum, a
        value is not finite, or lengths differ.

    See Also
    --------
    mean_interval : Of one sample; also where each example has seeds of its own (average them).

    References
    ----------
    .. [1] W. G. Cochran, "Approximate significance levels of the Behrens-Fisher test", Biometrics
       20(1), 1964.

    Examples
    --------
    >>> crossed_interval([[1.0, 1.0, 1.0], [3.0, 3.0, 3.0], [5.0, 5.0, 5.0]]).value
    3.0
    """
    x = _finite(x, name="x", at_least=2, n_dims=(2,))
    n_seeds = len(_finite(x[0], name="a row of x", at_least=2))
    strata = np.zeros(len(x)) if strata is None else np.asarray(strata)
    validation.same_length(x=x, strata=strata)
    confidence = _checked(confidence)
    names = np.unique(strata)
    of_seeds, examples, own = 0.0, 0.0, 0.0
    for name in names:
        part = x[strata == name] / len(names)
        n = len(part)
        if n < 2:
            raise ValueError(
                f"stratum {name} has one example only; a variance needs two. Leave it out."
            )
        seeds, means = part.mean(axis=0), part.mean(axis=1)
        residuals = part - seeds - means[:, None] + part.mean()
        of_seeds = of_seeds + seeds
        examples += means.var(ddof=1) / n
        own -= np.sum(residuals**2) / ((n - 1) * (n_seeds - 1)) / (n * n_seeds)
    value, of_seeds, own = float(of_seeds.mean()), of_seeds.var(ddof=1) / n_seeds, own + examples
    if of_seeds == 0 and own <= 0:  # seeds agree more than by chance
        own = examples
    own = max(own, 0.0)
    if own + of_seeds == 0:
        return Interval(value, value, value)
    quantiles = scipy.stats.t.ppf(0.5 + confidence / 2, [n_seeds - 1, len(x) - len(names)])
    half = float((quantiles @ [of_seeds, own]) / np.sqrt(of_seeds + own))
    return Interval(value, value - half, value + half)


def bootstrap_interval(x, *, rng, statistic=np.mean, confidence=0.95, n_resamples=9999):
    r"""Bootstrap interval of a statistic; whole rows are resampled.

    The expanded percentile interval: percentiles of few rows lie too near to one another, so the
    level in each tail is :math:`\Phi(-\sqrt{n / (n - 1)}\, t)`, with t the quantile of Student's
    distribution with :math:`n - 1` degrees of freedom. Of a mean it is as wide as Student's.

    Parameters
    ----------
    x : array_like, shape (n_subjects,) or (n_subjects, n_columns)
        At least ten rows. A row is drawn as a whole, for example one subject's counts of true
        positives, false positives and misses.
    rng : numpy.random.Generator
    statistic : callable, default=numpy.mean
        Maps rows, shaped like ``x``, to one number.
    confidence : float, default=0.95
    n_resamples : int, default=9999
        At least 999.

    Returns
    -------
    interval : Interval
        ``value`` is the statistic of ``x`` itself. Without width when all rows are equal.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or ``x``, ``confidence`` or ``n_resamples`` is no number.
    ValueError
        If there are fewer than ten rows, an argument is out of range, or the statistic is not one
        finite number on ``x`` or on a resample.

    See Also
    --------
    mean_interval : For a mean over few subjects.
    jackknife_interval : For another smooth statistic of few subjects.

    References
    ----------
    .. [1] T. C. Hesterberg, "What teachers should know about the bootstrap: resampling in the
       undergraduate statistics curriculum", Am. Stat. 69(4), 2015.
    """
    x = _finite(x, name="x", at_least=2, n_dims=(1, 2))
    if len(x) < _FEWEST_ROWS:
        raise ValueError(
            f"the bootstrap needs at least {_FEWEST_ROWS} rows, got {len(x)}: its interval would "
            "be too narrow. Use mean_interval for a mean, or leave the interval out."
        )
    confidence = _checked(confidence)
    n_resamples = validation.count(n_resamples, "n_resamples", at_least=_FEWEST_RESAMPLES)
    rng = validation.generator(rng)
    value = _one_number(statistic(x), "the statistic of x")
    if np.all(x == x[0]):
        return Interval(value, value, value)
    n = len(x)
    drawn = rng.integers(n, size=(n_resamples, n))
    if statistic is np.mean and x.ndim == 1:
        found = x[drawn].mean(axis=1)
    else:
        found = np.array([_of_resample(statistic, x, rows) for rows in drawn])
    tail = scipy.special.ndtr(
        -np.sqrt(n / (n - 1)) * scipy.stats.t.ppf(0.5 + confidence / 2, n - 1)
    )
    low, high = np.quantile(found, [tail, 1 - tail])
    return Interval(value, float(min(low, value)), float(max(high, value)))


def jackknife_interval(x, *, statistic, confidence=0.95):
    r"""Student interval of a smooth statistic of few rows, from its jackknife.

    With :math:`s_{-i}` the statistic without row i, it is the Student interval of the
    pseudo-values :math:`n s - (n - 1) s_{-i}`, put around s itself. Of a mean these are the values,
    and the interval is `mean_interval`. A statistic with jumps, such as a median, has none.

    Parameters
    ----------
    x : array_like, shape (n_subjects,) or (n_subjects, n_columns)
        At least two rows.
    statistic : callable
        Maps rows, shaped like ``x``, to one number.
    confidence : float, default=0.95

    Returns
    -------
    interval : Interval
        ``value`` is the statistic of ``x`` itself.

    Raises
    ------
    TypeError
        If ``x`` or ``confidence`` is no number.
    ValueError
        If there are fewer than two rows, a value is not finite, or the statistic is not one finite
        number.

    References
    ----------
    .. [1] J. W. Tukey, "Bias and confidence in not-quite large samples", Ann. Math. Stat. 29, 1958.
    """
    x = _finite(x, name="x", at_least=2, n_dims=(1, 2))
    n = len(x)
    value = _one_number(statistic(x), "the statistic of x")
    without = np.array(
        [
            _one_number(statistic(np.delete(x, row, axis=0)), f"the statistic without row {row}")
            for row in range(n)
        ]
    )
    _, low, high = mean_interval(n * value - (n - 1) * without, confidence=confidence)
    half = (high - low) / 2
    return Interval(value, value - half, value + half)


def mean_of_intervals(intervals):
    r"""Interval of the mean of independent estimates, from the interval of each.

    With estimates :math:`v_k` and lower bounds :math:`l_k`, the lower bound of the mean of K of
    them is :math:`\bar v - \sqrt{\sum_k (v_k - l_k)^2} / K` [1]_, and the upper one its mirror
    image: for normal estimates of known variance the interval of the mean itself. Of Student's
    intervals of few units each, it is wider than it need be.

    Parameters
    ----------
    intervals : sequence of Interval
        At least one; all of one confidence.

    Returns
    -------
    interval : Interval

    Raises
    ------
    TypeError
        If a bound is no number.
    ValueError
        If there is no interval, a number is not finite, or an estimate lies outside its interval.

    References
    ----------
    .. [1] G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a
       general approach", Stat. Med. 27(10), 2008.

    Examples
    --------
    >>> mean_of_intervals([(1.0, 0.7, 1.3), (3.0, 2.6, 3.4)])
    Interval(value=2.0, low=1.75, high=2.25)
    """
    found = validation.array(intervals, "intervals", ndim=2)
    if found.shape[1] != 3:
        raise ValueError(f"intervals must be (value, low, high), got shape {found.shape}.")
    values, lows, highs = found.T
    outside = np.flatnonzero((values < lows) | (values > highs))
    if len(outside):
        raise ValueError(
            f"intervals[{outside[0]}] is {found[outside[0]].tolist()}: its value lies outside its "
            "bounds. The order is (value, low, high)."
        )
    value = values.mean()
    below, above = (np.sqrt(((end - values) ** 2).sum()) / len(values) for end in (lows, highs))
    return Interval(float(value), float(value - below), float(value + above))


def pair_mean_interval(x, first, second, *, confidence=0.95):
    r"""Student interval of a mean over pairs of units, such as a source and a target subject.

    Pairs that share a unit are not independent. So the units are taken out in turn, each with all
    its pairs: `jackknife_interval` of the mean over the pairs whose two units are both there. It
    holds its level where units make the differences, and is wider where pairs do. Where each pair
    is of one unit with itself, it is `mean_interval` of units with one pair each.

    Parameters
    ----------
    x : array_like, shape (n_pairs,)
    first, second : array_like, shape (n_pairs,)
        The units of each pair: numbers or names.
    confidence : float, default=0.95

    Returns
    -------
    interval : Interval
        ``value`` is the mean over all pairs.
    n_units : int

    Raises
    ------
    TypeError
        If a value is no number.
    ValueError
        If lengths differ, a value is not finite, or all pairs share a unit.

    Examples
    --------
    >>> pair_mean_interval([1.0, 2.0, 3.0], ["a", "b", "c"], ["b", "c", "a"])[1]
    3
    """
    x = _finite(x, name="x", at_least=1)
    validation.same_length(x=x, first=first, second=second)
    units, members = np.unique(np.concatenate([first, second]), return_inverse=True)
    members = members.reshape(2, -1)
    for unit, name in enumerate(units):
        if np.all((members == unit).any(axis=0)):
            raise ValueError(
                f"all {len(x)} pairs hold {name!s}, so nothing is left without it. "
                "An interval over units needs pairs of others too."
            )

    def mean(present):
        return x[np.isin(members, present).all(axis=0)].mean()

    numbers = np.arange(len(units), dtype=float)
    return jackknife_interval(numbers, statistic=mean, confidence=confidence), len(units)


def proportion_interval(n_successes, n, *, confidence=0.95):
    """Wilson interval of a share, which keeps its width at 0 and 1.

    Parameters
    ----------
    n_successes, n : int
        For example test trials classified correctly, and all.
    confidence : float, default=0.95

    Returns
    -------
    interval : Interval
        Of the share, between 0 and 1.

    Raises
    ------
    TypeError
        If a count is not a whole number.
    ValueError
        If there are no trials, or more successes than trials.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
       J. Am. Stat. Assoc. 22, 1927.
    """
    n = validation.count(n, "n")
    n_successes = validation.count(n_successes, "n_successes", at_least=0, at_most=n)
    confidence = _checked(confidence)
    found = scipy.stats.binomtest(n_successes, n).proportion_ci(confidence, "wilson")
    return Interval(n_successes / n, found.low, found.high)


def rank_correlation(x, y, *, confidence=0.95):
    r"""Spearman's rank correlation with its interval.

    On the scale of Fisher's z the interval is normal with the variance
    :math:`(1 + r^2 / 2) / (n - 3)` of Bonett and Wright, which holds its level where the bootstrap
    of ranks, full of ties, does not. Ranks in perfect order count half a step short of
    :math:`\pm 1` for the width.

    Parameters
    ----------
    x, y : array_like, shape (n_pairs,)
        At least six pairs.
    confidence : float, default=0.95

    Returns
    -------
    interval : Interval
        Between -1 and 1.

    Raises
    ------
    TypeError
        If a value is no number.
    ValueError
        If lengths or the indexes of two pandas series differ, there are fewer than six pairs, a
        value is not finite, or all of ``x`` or of ``y`` are equal.

    References
    ----------
    .. [1] D. G. Bonett and T. A. Wright, "Sample size requirements for estimating Pearson, Kendall
       and Spearman correlations", Psychometrika 65(1), 2000.

    Examples
    --------
    >>> x = np.arange(20.0)
    >>> rank_correlation(x, x**3).value
    1.0
    """
    _check_aligned(x, y, names=("x", "y"))
    x, y = (_finite(one, name=name, at_least=2) for one, name in ((x, "x"), (y, "y")))
    validation.same_length(x=x, y=y)
    n = len(x)
    if n < _FEWEST_RANKS:
        raise ValueError(
            f"a rank correlation needs at least {_FEWEST_RANKS} pairs for an interval, got {n}."
        )
    for one, name in ((x, "x"), (y, "y")):
        if np.ptp(one) == 0:
            raise ValueError(f"{name} has no ranks: all its {n} values are {one[0]:g}.")
    confidence = _checked(confidence)
    value = float(np.clip(scipy.stats.spearmanr(x, y).statistic, -1, 1))
    largest = 1 - 6 / (n * (n**2 - 1))
    z = np.arctanh(np.clip(value, -largest, largest))
    half = scipy.special.ndtri(0.5 + confidence / 2) * np.sqrt((1 + value**2 / 2) / (n - 3))
    low, high = np.tanh([z - half, z + half])
    return Interval(value, float(min(low, value)), float(max(high, value)))


def paired_test(
    a, b, *, alternative="two-sided", exact_up_to=14, random_up_to=0, rng=None, n_flips=10_000
):
    r"""Test of paired differences :math:`d_s = a_s - b_s` against symmetry around zero.

    Up to ``exact_up_to`` pairs, the exact sign-flip permutation test of the sum: under the null
    hypothesis each difference is as likely as its negative, and the p value is the share of the
    :math:`2^n` sign patterns whose sum is at least as extreme as the observed one. It is never 0,
    and at least :math:`2^{-n}` (one-sided). With more pairs, up to ``random_up_to``, the same test
    over random patterns, of which the observed one counts as one. With still more, Wilcoxon's
    signed-rank test.

    Parameters
    ----------
    a, b : array_like, shape (n_subjects,)
        Scores of two methods on the same subjects, in the same order.
    alternative : {"two-sided", "greater", "less"}, default="two-sided"
        ``"greater"``: ``a`` exceeds ``b``.
    exact_up_to : int, default=14
        At most 24.
    random_up_to : int, default=0
        Pairs up to which random patterns are drawn.
    rng : numpy.random.Generator, optional
        Draws them; needed, and used, only then.
    n_flips : int, default=10000
        Number of random patterns.

    Returns
    -------
    test : PairedTest
        The p value is 1 when all differences are zero.

    Raises
    ------
    ValueError
        If ``a`` and ``b`` differ in shape, are empty or hold a value that is not finite, or an
        option is out of range.

    Examples
    --------
    >>> paired_test([3, 5, 4], [1, 2, 3], alternative="greater")
    PairedTest(p_value=0.125, method='sign-flip', n_pairs=3)
    """
    differences, _ = _paired(a, b, at_least=1)
    if alternative not in _ALTERNATIVES:
        raise ValueError(f"alternative must be one of {list(_ALTERNATIVES)}, got {alternative!r}.")
    if not 0 <= exact_up_to <= _MOST_EXACT:
        raise ValueError(
            f"exact_up_to must be between 0 and {_MOST_EXACT}, got {exact_up_to}: "
            "the exact test visits 2**n sign patterns."
        )
    if rng is not None:
        validation.generator(rng)
    n_pairs = len(differences)
    exact = n_pairs <= exact_up_to
    method = "sign-flip" if exact else "wilcoxon"
    if not exact and n_pairs <= random_up_to:
        method = "random sign-flip"
        if not isinstance(rng, np.random.Generator) or n_flips < 1:
            raise ValueError(
                f"{n_pairs} pairs need random sign patterns, and these a numpy.random.Generator "
                f"and a positive number: got rng={rng!r}, n_flips={n_flips}."
            )
    if not differences.any():
        p_value = 1.0
    elif method == "sign-flip":
        p_value = _sign_flip(differences, alternative)
    elif method == "random sign-flip":
        p_value = _random_sign_flip(differences, alternative, rng, n_flips)
    else:
        p_value = float(scipy.stats.wilcoxon(differences, alternative=alternative).pvalue)
    return PairedTest(p_value, method, n_pairs)


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
        If an effect is not finite or an ``n`` is below four.

    References
    ----------
    .. [1] L. V. Hedges, "Distribution theory for Glass's estimator of effect size and related
       estimators", J. Educ. Stat. 6(2), 1981.
    """
    d = validation.array(effect, "effect")
    n = validation.array(n, "n", at_least=4)
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


def stouffer(p_values, n):
    r"""Combine one-sided p values of independent data sets.

    .. math:: z = \frac{\sum_k \sqrt{n_k}\, \Phi^{-1}(1 - p_k)}{\sqrt{\sum_k n_k}}

    A bound would make z infinite. ``p = 1``, which an exact sign-flip test gives when every
    difference is against the alternative, counts as :math:`1 - 2^{-n_k}`, and ``p = 0``, which can
    only be underflow, as its mirror image :math:`2^{-n_k}`, the smallest p value of that test. So
    exchanging p for 1 - p exchanges the sign of z. All else is unchanged.

    The p values of a sign-flip test are multiples of :math:`2^{-n_k}`, and both directions count
    the observed pattern: they sum to more than one, and so do the combined p values of both. Under
    the null hypothesis the combination errs on the safe side: it is below a usual level less often
    than that level says.

    Parameters
    ----------
    p_values : array_like, shape (n_datasets,)
        One-sided, all in the same direction.
    n : array_like of int, shape (n_datasets,)
        Number of pairs (subjects) of each data set.

    Returns
    -------
    p_value : float
        One-sided.

    Raises
    ------
    ValueError
        If shapes differ, a p value is outside [0, 1], or an ``n`` is not a positive integer.

    References
    ----------
    .. [1] M. C. Whitlock, "Combining probability from independent tests: the weighted Z-method is
       superior to Fisher's approach", J. Evol. Biol. 18(5), 2005.

    Examples
    --------
    >>> round(stouffer([0.05, 0.05], [10, 10]), 4)
    0.01
    """
    p_values = _probabilities(p_values)
    sizes = validation.vector(n, "n", at_least=1)
    if sizes.shape != p_values.shape:
        raise ValueError(
            f"p_values and n must have one shape, got {p_values.shape} and {sizes.shape}."
        )
    if np.any(sizes != np.floor(sizes)):
        raise ValueError(f"n must hold whole numbers, the pairs of each, got {sizes.tolist()}.")
    # 1 - 2**-n rounds to 1 from n = 54 on, so go through the other tail.
    bound = scipy.stats.norm.isf(np.maximum(0.5**sizes, np.nextafter(0.0, 1.0)))
    z = scipy.stats.norm.isf(np.where((p_values == 0) | (p_values == 1), 0.5, p_values))
    z = np.select([p_values == 0, p_values == 1], [bound, -bound], z)
    return float(scipy.stats.norm.sf(np.sqrt(sizes) @ z / np.sqrt(sizes.sum())))


def holm(p_values):
    """Adjust p values for several tests by Holm's step-down method.

    Parameters
    ----------
    p_values : array_like, shape (n_tests,)

    Returns
    -------
    adjusted : ndarray, shape (n_tests,)
        In the order given; rejecting those below alpha keeps the family-wise error below alpha,
        whatever the dependence between tests.

    Raises
    ------
    ValueError
        If a p value is outside [0, 1].

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat.
       6(2), 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = _probabilities(p_values)
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _sign_flip(differences, alternative):
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums + difference, sums - difference])
    return float(_extreme(sums, differences, alternative).mean())


def _random_sign_flip(differences, alternative, rng, n_flips):
    signs = rng.integers(2, size=(n_flips, len(differences))) * 2.0 - 1.0
    extreme = _extreme(signs @ differences, differences, alternative)
    return float((1 + extreme.sum()) / (1 + n_flips))


def _extreme(sums, differences, alternative):
    """Which sums of signed differences are at least as extreme as the observed one."""
    # Sums that are equal in exact arithmetic may differ by their rounding.
    tolerance = 4 * len(differences) * np.finfo(float).eps * np.abs(differences).sum()
    observed = differences.sum()
    if alternative == "two-sided":
        return np.abs(sums) >= abs(observed) - tolerance
    if alternative == "greater":
        return sums >= observed - tolerance
    return sums <= observed + tolerance


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


def _paired(a, b, *, at_least):
    """Differences of pairs, and how large their rounding may be."""
    _check_aligned(a, b, names=("a", "b"))
    a, b = _finite(a, name="a", at_least=0), _finite(b, name="b", at_least=0)
    if a.shape != b.shape:
        raise ValueError(f"a and b must be pairs, got shapes {a.shape} and {b.shape}.")
    if len(a) < at_least:
        raise ValueError(f"at least {at_least} pair(s) are needed, got {len(a)}.")
    largest = max(np.abs(a).max(), np.abs(b).max())
    rounding = 4 * np.finfo(float).eps * largest
    differences = a - b
    differences[np.abs(differences) <= rounding] = 0.0
    return differences, rounding


def _check_aligned(a, b, *, names):
    """Two pandas series are pairs by their index, arrays by their place."""
    if not (hasattr(a, "index") and hasattr(a, "to_numpy")):
        return
    if not (hasattr(b, "index") and hasattr(b, "to_numpy")) or a.index.equals(b.index):
        return
    if len(a) != len(b):
        return  # the caller says so
    place = int(np.argmax(a.index.to_numpy(object) != b.index.to_numpy(object)))
    mine, other = (one.index.to_numpy(object)[place] for one in (a, b))
    raise ValueError(
        f"{names[0]} and {names[1]} have different indexes: row {place} is {mine!r} in "
        f"{names[0]} and {other!r} in {names[1]}. Align them, for example with "
        f"{names[1]}.loc[{names[0]}.index], or pass plain arrays."
    )


def _finite(x, *, name, at_least, n_dims=(1,)):
    x = validation.array(x, name, at_least=-_LARGEST, at_most=_LARGEST, empty=True)
    x = x.astype(float)
    if x.ndim not in n_dims:
        wanted = " or ".join(map(str, n_dims))
        raise ValueError(f"{name} must have {wanted} dimension(s), got shape {x.shape}.")
    if len(x) < at_least:
        raise ValueError(f"{name} must hold at least {at_least} values, got {len(x)}.")
    return x


def _one_number(found, what):
    if np.ndim(found) != 0:
        raise ValueError(
            f"{what} must be one number, got an array of shape {np.shape(found)}. "
            "A statistic of rows reduces them all."
        )
    if not np.isfinite(found):
        raise ValueError(f"{what} is {found}; it must be finite.")
    return float(found)


def _of_resample(statistic, x, rows):
    try:
        return _one_number(statistic(x[rows]), "the statistic")
    except ValueError as error:
        raise ValueError(
            f"on a resample of x, for example rows {sorted(set(rows.tolist()))}: {error} "
            "Define it there, or use more rows."
        ) from error


def _probabilities(p_values):
    p_values = _finite(p_values, name="p_values", at_least=1)
    bad = p_values[(p_values < 0) | (p_values > 1)]
    if len(bad):
        raise ValueError(f"p_values must lie in [0, 1], got {bad[0]}.")
    return p_values


def _checked(confidence):
    return validation.number(confidence, "confidence", above=0, below=1)
