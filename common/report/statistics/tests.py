"""Tests of paired values, combined over data sets and corrected for their number."""

from typing import NamedTuple

import numpy as np
import scipy.stats

from common import validation
from common.report.statistics._checks import _finite, _paired

__all__ = ["PairedTest", "paired_test", "stouffer"]

_ALTERNATIVES = ("two-sided", "greater", "less")
_MOST_EXACT = 24  # 2**24 sums of signed differences take 128 MiB


class PairedTest(NamedTuple):
    """A p value, the test that gave it, and the number of pairs.

    The test is ``"sign-flip"``, ``"random sign-flip"`` or ``"wilcoxon"``.
    """

    p_value: float
    method: str
    n_pairs: int


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
        n_flips = validation.count(n_flips, "n_flips")
        if rng is None:
            raise ValueError(
                f"{n_pairs} pairs need random sign patterns, and these a numpy.random.Generator: "
                "got rng=None."
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
        If shapes or the indexes of pandas series differ, a p value is outside [0, 1], or an ``n``
        is not a positive integer.

    References
    ----------
    .. [1] M. C. Whitlock, "Combining probability from independent tests: the weighted Z-method is
       superior to Fisher's approach", J. Evol. Biol. 18(5), 2005.

    Examples
    --------
    >>> round(stouffer([0.05, 0.05], [10, 10]), 4)
    0.01
    """
    validation.same_rows(p_values=p_values, n=n)
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


def _probabilities(p_values):
    p_values = _finite(p_values, name="p_values", at_least=1)
    bad = p_values[(p_values < 0) | (p_values > 1)]
    if len(bad):
        raise ValueError(f"p_values must lie in [0, 1], got {bad[0]}.")
    return p_values
