"""Confidence intervals: of means, shares, correlations, and any statistic of rows."""

from numbers import Real
from typing import NamedTuple

import numpy as np
import scipy.special
import scipy.stats

from common import validation
from common.report.statistics._checks import _checked, _finite

__all__ = [
    "Interval",
    "bootstrap_interval",
    "crossed_interval",
    "jackknife_interval",
    "mean_interval",
    "mean_of_intervals",
    "median_interval",
    "pair_mean_interval",
    "proportion_interval",
    "rank_correlation",
    "ratio_values",
    "slope_interval",
]

_FEWEST_ROWS = 10  # of a bootstrap: with fewer, resamples hardly differ from one another
_FEWEST_RANKS = 6  # of a rank correlation: with five pairs coverage falls below 90 %
_FEWEST_RESAMPLES = 999  # 2.5 % of them and less are counted from either end


class Interval(NamedTuple):
    """An estimate with the bounds of its confidence interval, all in one unit."""

    value: float
    low: float
    high: float


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
        value is not finite, a stratum is masked or missing, or lengths or the indexes of pandas
        objects differ.

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
    if strata is not None:
        validation.same_rows(x=x, strata=strata)
    x = _finite(x, name="x", at_least=2, n_dims=(2,))
    n_seeds = len(_finite(x[0], name="a row of x", at_least=2))
    strata = np.zeros(len(x)) if strata is None else validation.labels(strata, "strata")
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
    if statistic in (np.mean, np.median) and x.ndim == 1:
        found = statistic(x[drawn], axis=1)  # the same numbers as one by one
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


def median_interval(x, *, confidence=0.95):
    """Interval of a median by the sign test: two of the sorted values.

    It holds no number for which the two-sided sign test rejects. So it is above 0 where so many
    values are positive that the test says the median is.

    Parameters
    ----------
    x : array_like, shape (n_subjects,)
        At least six values for a confidence of 0.95.
    confidence : float, default=0.95
        At least this; ranks are whole, so it is mostly more.

    Returns
    -------
    interval : Interval
        In the unit of ``x``.

    Raises
    ------
    TypeError
        If ``x`` or ``confidence`` is no number.
    ValueError
        If ``x`` is not one-dimensional, masked, or has a value that is not finite, ``confidence``
        is not between 0 and 1, or even all values cover the median more rarely than that.

    Examples
    --------
    >>> median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    Interval(value=3.5, low=1.0, high=6.0)
    """
    x = np.sort(_finite(x, name="x", at_least=1))
    confidence = _checked(confidence)
    n = len(x)
    tails = 2 * scipy.stats.binom.cdf(np.arange(n), n, 0.5)
    rank = int(np.count_nonzero(tails <= (1 - confidence) * (1 + 1e-12)))
    if not rank:
        needed = int(np.ceil(1 - np.log2(1 - confidence)))
        raise ValueError(
            f"the interval of a median at {confidence:g} needs at least {needed} values, got {n}."
        )
    return Interval(float(np.median(x)), float(x[rank - 1]), float(x[n - rank]))


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
        If lengths or the indexes of pandas series differ, a value is not finite, a unit is masked
        or missing, or all pairs share a unit.

    Examples
    --------
    >>> pair_mean_interval([1.0, 2.0, 3.0], ["a", "b", "c"], ["b", "c", "a"])[1]
    3
    """
    validation.same_rows(x=x, first=first, second=second)
    x = _finite(x, name="x", at_least=1)
    validation.same_length(x=x, first=first, second=second)
    first, second = validation.labels(first, "first"), validation.labels(second, "second")
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


def slope_interval(x, y, *, confidence=0.95):
    r"""Student interval of the slope of a line by least squares.

    Deviations from the line are taken to be independent and normal with one spread, and then
    :math:`(\hat b - b) / \mathrm{se}(\hat b)` has a Student distribution with n - 2 degrees of
    freedom. Of logarithms, the slope is the exponent of a power law.

    Parameters
    ----------
    x, y : array_like, shape (n_points,)
        At least three points, at two places at least.
    confidence : float, default=0.95

    Returns
    -------
    interval : Interval
        In the unit of y by that of x.

    Raises
    ------
    TypeError
        If ``x``, ``y`` or ``confidence`` is no number.
    ValueError
        If there are fewer than three points or their numbers differ, a value is not finite, or all
        x are equal.

    Examples
    --------
    >>> n = np.array([10, 100, 1000])
    >>> round(slope_interval(np.log(n), np.log(5 / n)).value, 6)
    -1.0
    """
    validation.same_rows(x=x, y=y)
    x, y = _finite(x, name="x", at_least=3), _finite(y, name="y", at_least=3)
    confidence = _checked(confidence)
    if len(x) != len(y):
        raise ValueError(f"x and y must be pairs, got shapes {x.shape} and {y.shape}.")
    if np.ptp(x) == 0:
        raise ValueError(f"all {len(x)} values of x are {x[0]:g}: a slope needs two places.")
    fit = scipy.stats.linregress(x, y)
    half = scipy.stats.t.ppf(0.5 + confidence / 2, len(x) - 2) * fit.stderr
    return Interval(float(fit.slope), float(fit.slope - half), float(fit.slope + half))


def ratio_values(a, b):
    r"""One value per subject for a ratio of sums: their mean is the ratio, their spread its own.

    To first order, the ratio :math:`R = \sum_i a_i / \sum_i b_i` varies with the subjects as the
    mean of :math:`R + (a_i - R b_i) / \bar b` does [1]_. So `mean_interval` of these values is an
    interval of R, such as of a score that is counted over all subjects' events together.

    Parameters
    ----------
    a, b : array_like, shape (n_subjects,)
        At least two; the sum of b is positive.

    Returns
    -------
    values : ndarray, shape (n_subjects,)

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If there are fewer than two or their numbers differ, one is not finite, one of b is
        negative, or all of them are 0.

    References
    ----------
    .. [1] W. G. Cochran, "Sampling Techniques", 3rd edition, 1977, equation 6.9.

    Examples
    --------
    >>> ratio_values([3, 1], [4, 4]).tolist()
    [0.75, 0.25]
    """
    validation.same_rows(a=a, b=b)
    a, b = _finite(a, name="a", at_least=2), _finite(b, name="b", at_least=2)
    if len(a) != len(b):
        raise ValueError(f"a and b must be pairs, got shapes {a.shape} and {b.shape}.")
    validation.array(b, "b", at_least=0)
    if not b.any():
        raise ValueError(f"all {len(b)} values of b are 0: there is nothing to take a share of.")
    ratio = a.sum() / b.sum()
    return ratio + (a - ratio * b) / b.mean()


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
    validation.same_rows(x=x, y=y)
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


def _one_number(found, what):
    if np.ndim(found) != 0:
        raise ValueError(
            f"{what} must be one number, got an array of shape {np.shape(found)}. "
            "A statistic of rows reduces them all."
        )
    if np.iscomplexobj(found) or not isinstance(found, (Real, np.ndarray)):
        raise ValueError(f"{what} is {found!r}; it must be a real number.")
    if np.ma.is_masked(found) or not np.isfinite(found):
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
