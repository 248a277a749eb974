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

__all__ = [
    "Interval",
    "PairedTest",
    "bootstrap_interval",
    "effect_interval",
    "effect_size",
    "holm",
    "mean_interval",
    "paired_test",
    "proportion_interval",
    "rank_correlation",
    "stouffer",
]

_ALTERNATIVES = ("two-sided", "greater", "less")
_METHODS = {"percentile": "percentile", "bca": "BCa"}
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
    """Student t interval of a mean.

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
    ValueError
        If ``x`` is not one-dimensional, has fewer than two values or one that is not finite, or
        ``confidence`` is not between 0 and 1.

    Examples
    --------
    >>> mean_interval([1.0, 2.0, 3.0]).value
    2.0
    """
    x = _finite(x, name="x", at_least=2)
    _check_confidence(confidence)
    mean, sem = x.mean(), x.std(ddof=1) / np.sqrt(len(x))
    half = scipy.stats.t.ppf(0.5 + confidence / 2, len(x) - 1) * sem
    return Interval(float(mean), float(mean - half), float(mean + half))


def bootstrap_interval(
    x, *, rng, statistic=np.mean, confidence=0.95, n_resamples=9999, method="percentile"
):
    """Bootstrap interval of a statistic; whole rows are resampled.

    Parameters
    ----------
    x : array_like, shape (n_subjects,) or (n_subjects, n_columns)
        A row is drawn as a whole, for example one subject's counts of true positives, false
        positives and misses.
    rng : numpy.random.Generator
    statistic : callable, default=numpy.mean
        Maps rows, shaped like ``x``, to one number.
    confidence : float, default=0.95
    n_resamples : int, default=9999
    method : {"percentile", "bca"}, default="percentile"
        BCa corrects bias and skewness; with few rows neither reaches its nominal coverage.

    Returns
    -------
    interval : Interval
        ``value`` is the statistic of ``x`` itself.

    Raises
    ------
    ValueError
        If an argument is out of range, or the statistic is not finite on ``x`` or on a resample.

    See Also
    --------
    mean_interval : For a mean over few subjects.
    """
    x = _finite(x, name="x", at_least=2, n_dims=(1, 2))
    _check_confidence(confidence)
    if method not in _METHODS:
        raise ValueError(f"method must be one of {list(_METHODS)}, got {method!r}.")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}.")
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng must be a numpy.random.Generator, got {rng!r}.")
    value = float(statistic(x))
    if not np.isfinite(value):
        raise ValueError(f"the statistic of x is {value}; it must be finite.")
    if np.all(x == x[0]):  # every resample is x itself, for which BCa is undefined
        return Interval(value, value, value)

    def of_rows(index):
        found = float(statistic(x[index]))
        if not np.isfinite(found):
            raise ValueError(
                f"the statistic is {found} on a resample of x, for example "
                f"rows {sorted(set(index.tolist()))}; define it there or resample more rows."
            )
        return found

    low, high = scipy.stats.bootstrap(
        (np.arange(len(x)),),
        of_rows,
        vectorized=False,
        n_resamples=n_resamples,
        confidence_level=confidence,
        method=_METHODS[method],
        rng=rng,
    ).confidence_interval
    if not np.isfinite([low, high]).all():
        raise ValueError(
            "the BCa interval is undefined here: the statistic hardly varies over the resamples. "
            "Use method='percentile'."
        )
    return Interval(value, float(low), float(high))


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
    ValueError
        If there are no trials, or more successes than trials.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
       J. Am. Stat. Assoc. 22, 1927.
    """
    if not 0 <= n_successes <= n or n < 1:
        raise ValueError(f"n_successes must lie between 0 and n >= 1, got {n_successes} of {n}.")
    _check_confidence(confidence)
    found = scipy.stats.binomtest(int(n_successes), int(n)).proportion_ci(confidence, "wilson")
    return Interval(n_successes / n, found.low, found.high)


def rank_correlation(x, y, *, rng, confidence=0.95, n_resamples=9999):
    """Spearman's rank correlation with the percentile bootstrap interval over pairs.

    Parameters
    ----------
    x, y : array_like, shape (n_pairs,)
    rng : numpy.random.Generator
    confidence : float, default=0.95
    n_resamples : int, default=9999

    Returns
    -------
    interval : Interval
        Between -1 and 1.

    Raises
    ------
    ValueError
        If the lengths differ, or a value is not finite; and as `bootstrap_interval`, also where
        all of ``x`` or of ``y`` are equal, on themselves or on a resample.

    Examples
    --------
    >>> x = np.arange(20.0)
    >>> rank_correlation(x, x**3, rng=np.random.default_rng(0)).value
    1.0
    """
    x, y = (_finite(one, name=name, at_least=2) for one, name in ((x, "x"), (y, "y")))
    if len(x) != len(y):
        raise ValueError(f"x and y must be pairs, got {len(x)} and {len(y)} values.")

    def spearman(rows):
        if np.ptp(rows, axis=0).min() == 0:
            return np.nan  # which scipy would also warn of
        return scipy.stats.spearmanr(rows[:, 0], rows[:, 1]).statistic

    return bootstrap_interval(
        np.column_stack([x, y]), rng=rng, statistic=spearman, confidence=confidence,
        n_resamples=n_resamples,
    )  # fmt: skip


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
    _check_confidence(confidence)
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
    difference is against the alternative, counts as :math:`1 - 2^{-n_k}`: the mirror image of the
    smallest p value of that test, so exchanging the methods exchanges the sign of z. ``p = 0``
    can only be underflow, and counts as the smallest positive number. All else is unchanged.

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
    p_values, n = _probabilities(p_values), np.asarray(n)
    if n.shape != p_values.shape:
        raise ValueError(f"p_values and n must have one shape, got {p_values.shape} and {n.shape}.")
    sizes = n.astype(float)
    if not np.all(np.isfinite(sizes) & (sizes >= 1) & (sizes == np.floor(sizes))):
        raise ValueError(f"n must hold positive integers, the number of pairs, got {n.tolist()}.")
    tiny = np.nextafter(0.0, 1.0)
    z = scipy.stats.norm.isf(np.maximum(p_values, tiny))
    # 1 - 2**-n rounds to 1 from n = 54 on, so go through the other tail.
    against = scipy.stats.norm.ppf(np.maximum(0.5**sizes, tiny))
    z = np.where(p_values == 1, against, z)
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


def _finite(x, *, name, at_least, n_dims=(1,)):
    x = np.asarray(x, dtype=float)
    if x.ndim not in n_dims:
        wanted = " or ".join(map(str, n_dims))
        raise ValueError(f"{name} must have {wanted} dimension(s), got shape {x.shape}.")
    if len(x) < at_least:
        raise ValueError(f"{name} must hold at least {at_least} values, got {len(x)}.")
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        where = bad[0].tolist()
        raise ValueError(
            f"{name}{where} is {x[tuple(where)]} ({len(bad)} of {x.size} values are not finite). "
            "A missing subject is an error here; complete the results first."
        )
    return x


def _probabilities(p_values):
    p_values = _finite(p_values, name="p_values", at_least=1)
    bad = p_values[(p_values < 0) | (p_values > 1)]
    if len(bad):
        raise ValueError(f"p_values must lie in [0, 1], got {bad[0]}.")
    return p_values


def _check_confidence(confidence):
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}; write 0.95.")
