"""Intervals and tests against closed forms, scipy, and what must not change them."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from common.report import statistics

scores = st.lists(st.integers(-20, 20), min_size=1, max_size=8)


def rng(seed=0):
    return np.random.default_rng(seed)


# Student's interval


def test_interval_of_two_values_matches_the_closed_form():
    # One degree of freedom is Cauchy: the quantile at 0.975 is tan(0.475 pi), the SEM |a - b| / 2.
    value, low, high = statistics.mean_interval([1.0, 4.0])
    half = np.tan(0.475 * np.pi) * 1.5
    assert (value, low, high) == pytest.approx((2.5, 2.5 - half, 2.5 + half))


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_mean_interval_agrees_with_scipy(confidence):
    x = rng().standard_normal(11)
    found = statistics.mean_interval(x, confidence=confidence)
    expected = scipy.stats.ttest_1samp(x, 0).confidence_interval(confidence)
    assert found[1:] == pytest.approx(expected)
    assert found.value == pytest.approx(x.mean())


def test_equal_values_have_an_interval_without_width():
    assert statistics.mean_interval([0.1] * 3) == pytest.approx((0.1, 0.1, 0.1))


# Examples crossed with seeds


def test_where_seeds_or_examples_agree_the_crossed_interval_is_students():
    x = rng().standard_normal(9)
    examples, seeds = np.tile(x[:, None], 4), np.tile(x, (5, 1))
    for found in (examples, seeds):
        assert statistics.crossed_interval(found) == pytest.approx(statistics.mean_interval(x))
    assert statistics.crossed_interval(np.full((4, 3), 0.1)) == pytest.approx((0.1, 0.1, 0.1))


def test_a_crossed_interval_follows_unit_sign_and_order():
    x = rng().standard_normal((8, 4))
    strata = np.array(list("aababbab"))
    value, low, high = statistics.crossed_interval(x, strata=strata)
    assert low < value < high
    found = statistics.crossed_interval(1 - 3 * x[::-1, ::-1], strata=strata[::-1])
    assert found == pytest.approx((1 - 3 * value, 1 - 3 * high, 1 - 3 * low))


def test_seeds_that_agree_by_chance_leave_the_spread_of_examples():
    """Equal means of two seeds and means of examples that vary less than the residuals."""
    x = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    assert statistics.crossed_interval(x) == pytest.approx(statistics.mean_interval(x.mean(axis=1)))


def test_where_examples_vary_less_than_what_is_left_the_seeds_alone_count():
    x = np.array([[1.0, 0.0, 2.1], [-1.0, 2.0, 2.0], [0.0, 1.0, 2.0]])
    assert statistics.crossed_interval(x) == pytest.approx(statistics.mean_interval(x.mean(axis=0)))


def test_seeds_and_examples_that_vary_alike_by_hand():
    """Both means are 1/2 and 3/2, of variance 1/2: over two of each, 1/4. Nothing else is left."""
    found = statistics.crossed_interval([[0.0, 1.0], [1.0, 2.0]])
    half = scipy.stats.t.ppf(0.975, 1) * np.sqrt(1 / 4 + 1 / 4)
    assert found == pytest.approx((1, 1 - half, 1 + half))


def test_strata_count_alike_whatever_their_size():
    x = np.concatenate([np.zeros((2, 3)), np.ones((8, 3))])
    strata = np.repeat([0, 1], [2, 8])
    assert statistics.crossed_interval(x, strata=strata) == pytest.approx((0.5, 0.5, 0.5))
    assert statistics.crossed_interval(x).value == pytest.approx(0.8)


def test_too_few_seeds_or_examples_have_no_crossed_interval():
    with pytest.raises(ValueError, match="row of x must hold at least 2 values, got 1"):
        statistics.crossed_interval(np.zeros((5, 1)))
    with pytest.raises(ValueError, match="x must hold at least 2 values, got 1"):
        statistics.crossed_interval(np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"stratum 1 has one example only"):
        statistics.crossed_interval(np.zeros((3, 3)), strata=[0, 0, 1])
    with pytest.raises(ValueError, match=r"x has 3, strata has 2"):
        statistics.crossed_interval(np.zeros((3, 3)), strata=[0, 1])


@pytest.mark.parametrize("shape", [(6, 3), (43, 3), (9, 5)])
@pytest.mark.parametrize(("of_rows", "of_columns"), [(1, 1), (1, 0.3), (0.3, 1), (1, 0), (0, 1)])
def test_crossed_interval_covers_the_truth(shape, of_rows, of_columns):
    """Subjects, seeds and what is left vary, the last with deviation 1.

    Nominal 95 %; 93 to 98 %, with three standard errors of 1000 worlds.
    """
    draw, n_worlds = rng(11), 1000
    x = of_rows * draw.standard_normal((n_worlds, shape[0], 1))
    x = x + of_columns * draw.standard_normal((n_worlds, 1, shape[1]))
    x = x + draw.standard_normal((n_worlds, *shape))
    covered = [low <= 0 <= high for _, low, high in map(statistics.crossed_interval, x)]
    slack = 3 * np.sqrt(0.05 * 0.95 / n_worlds)
    assert 0.93 - slack <= np.mean(covered) <= 0.98 + slack


# Bootstrap


@pytest.mark.parametrize("n", [10, 400])
def test_bootstrap_interval_of_a_mean_is_as_wide_as_students(n):
    x = rng().standard_normal(n)
    found = statistics.bootstrap_interval(x, rng=rng(1))
    student = statistics.mean_interval(x)
    # A bound is a quantile of 9999 draws, of a mean that is nearly normal: a few percent.
    assert found.high - found.low == pytest.approx(student.high - student.low, rel=0.1)
    assert found.value == x.mean()


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_a_statistic_of_all_resamples_at_once_is_that_of_each(statistic):
    x = rng().exponential(size=20)
    found, at_once = (
        statistics.bootstrap_interval(x, rng=rng(1), statistic=each, n_resamples=999)
        for each in (lambda rows: statistic(rows), statistic)
    )
    assert found == pytest.approx(at_once)


def test_the_bootstrap_refuses_fewer_than_ten_rows():
    with pytest.raises(ValueError, match=r"at least 10 rows, got 9.*Use mean_interval"):
        statistics.bootstrap_interval(np.arange(9.0), rng=rng())


def test_rows_are_resampled_as_a_whole():
    # The columns of each row sum to 1, so no resample can change the statistic.
    first = rng().random(10)
    x = np.stack([first, 1 - first], axis=1)
    found = statistics.bootstrap_interval(
        x, rng=rng(), statistic=lambda rows: rows.sum(axis=1).mean(), n_resamples=999
    )
    assert found == pytest.approx((1, 1, 1))


def test_the_generator_decides_the_bootstrap_interval():
    x = rng().standard_normal(12)
    one, same, other = (
        statistics.bootstrap_interval(x, rng=rng(seed), n_resamples=999) for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_equal_values_have_a_bootstrap_interval_without_width():
    assert statistics.bootstrap_interval([2.0] * 10, rng=rng()) == (2.0, 2.0, 2.0)


# Jackknife


def test_jackknife_of_a_mean_is_students_interval():
    x = rng().standard_normal(5)
    found = statistics.jackknife_interval(x, statistic=np.mean)
    assert found == pytest.approx(statistics.mean_interval(x))


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (8, 1), (9, 2), (12, 3), (20, 6), (25, 8)])
def test_interval_of_a_median_has_the_ranks_of_the_sign_test(n, rank):
    # Table of the sign test at 5 %, two-sided: critical values 0, 0, 1, 2, 5, 7.
    x = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    assert statistics.median_interval(x) == (np.median(x), rank, n + 1 - rank)


def test_interval_of_a_median_is_above_0_where_the_sign_test_rejects():
    rng = np.random.default_rng(0)
    for _ in range(200):
        x = rng.normal(0.5, 1, 15)
        p = scipy.stats.binomtest(int((x > 0).sum()), 15).pvalue
        _, low, high = statistics.median_interval(x)
        assert (low > 0 or high < 0) == (p <= 0.05)


@pytest.mark.parametrize("confidence", [0.75, 0.9, 0.95])
def test_interval_of_a_median_covers_at_least_as_often_as_asked(confidence):
    """Without simulation: the median lies between the ranks l and h of n values, whatever their
    distribution, if l to h - 1 of them are below it.
    """
    for n in range(6, 60):
        _, low, high = statistics.median_interval(np.arange(1.0, n + 1), confidence=confidence)
        below = scipy.stats.binom(n, 0.5).pmf(np.arange(n + 1))
        assert below[int(low) : int(high)].sum() >= confidence
        # The next shorter one would not.
        assert below[int(low) + 1 : int(high) - 1].sum() < confidence


def test_interval_of_a_median_needs_values_enough():
    message = "the interval of a median at 0.95 needs at least 6 values, got 5"
    with pytest.raises(ValueError, match=message):
        statistics.median_interval(np.arange(5))
    assert statistics.median_interval(np.arange(5), confidence=0.9) == (2, 0, 4)
    with pytest.raises(ValueError, match="confidence must be above 0 and below 1, got 1"):
        statistics.median_interval(np.arange(9), confidence=1)


def test_mean_of_intervals_of_normal_estimates_is_that_of_their_mean():
    # Standard errors 3 and 4 of two estimates: 5 / 2 of their mean.
    z = scipy.stats.norm.ppf(0.975)
    found = statistics.mean_of_intervals([(v, v - z * s, v + z * s) for v, s in ((1, 3), (7, 4))])
    assert found == pytest.approx((4, 4 - 2.5 * z, 4 + 2.5 * z))
    assert statistics.mean_of_intervals([(1.0, 0.5, 4.0)]) == (1.0, 0.5, 4.0)


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        ([], "intervals must have 2 axes, got shape"),
        ([(1.0, 2.0)], r"\(value, low, high\), got shape \(1, 2\)"),
        ([(1.0, 0.0, 2.0), (5.0, 6.0, 7.0)], r"intervals\[1\] is \[5.0, 6.0, 7.0\]: its value"),
        ([(1.0, np.nan, 2.0)], "intervals must be finite, got nan"),
    ],
)
def test_mean_of_intervals_rejects_what_is_none(intervals, message):
    with pytest.raises(ValueError, match=message):
        statistics.mean_of_intervals(intervals)


def test_pairs_of_a_unit_with_itself_are_units():
    x = rng().exponential(size=9)
    found, n_units = statistics.pair_mean_interval(x, range(9), range(9))
    np.testing.assert_allclose(found, statistics.mean_interval(x))
    assert n_units == 9


def ordered_pairs(n):
    return np.array(list(itertools.permutations(range(n), 2))).T


def test_an_effect_of_the_first_unit_has_the_interval_of_the_units():
    # x depends on the source alone, so 6 sources have 6 values, whatever the targets are.
    first, second = ordered_pairs(6)
    values = rng().standard_normal(6)
    found, _ = statistics.pair_mean_interval(values[first], first, second)
    np.testing.assert_allclose(found, statistics.mean_interval(values))


def test_names_and_order_of_pairs_do_not_matter():
    first, second = ordered_pairs(5)
    x = rng().standard_normal(20)
    found = statistics.pair_mean_interval(x, first, second)
    order = rng(1).permutation(20)
    names = np.array(["nine", "two", "five", "one", "ten"])
    again = statistics.pair_mean_interval(x[order], names[first[order]], names[second[order]])
    np.testing.assert_allclose(again[0], found[0])
    turned = statistics.pair_mean_interval(x, second, first)
    np.testing.assert_allclose(turned[0], found[0])


def test_pairs_that_share_a_unit_have_no_interval():
    with pytest.raises(ValueError, match="all 2 pairs hold b, so nothing is left without it"):
        statistics.pair_mean_interval([1.0, 2.0], ["a", "b"], ["b", "c"])
    with pytest.raises(ValueError, match="one length, but x has 2, first has 1, second has 2"):
        statistics.pair_mean_interval([1.0, 2.0], ["a"], ["b", "c"])
    with pytest.raises(ValueError, match=r"x must be finite.*nan"):
        statistics.pair_mean_interval([1.0, np.nan], ["a", "b"], ["a", "b"])


def test_jackknife_of_a_variance_gives_back_the_unbiased_one():
    # Tukey: the mean of the pseudo-values of the biased variance is the unbiased one, and the
    # interval is as wide as theirs.
    x = rng().standard_normal(7)
    pseudo = [7 * x.var() - 6 * np.delete(x, k).var() for k in range(7)]
    assert np.mean(pseudo) == pytest.approx(x.var(ddof=1))
    found = statistics.jackknife_interval(x, statistic=np.var)
    student = statistics.mean_interval(pseudo)
    assert found.value == x.var()
    assert found.high - found.low == pytest.approx(student.high - student.low)


# Paired test


@pytest.mark.parametrize("n", [1, 3, 14])
def test_one_sided_wins_throughout_give_the_smallest_p(n):
    a = np.arange(1.0, n + 1)
    found = statistics.paired_test(a, np.zeros(n), alternative="greater")
    assert found == (2.0**-n, "sign-flip", n)
    assert statistics.paired_test(a, np.zeros(n)).p_value == 2 * 2.0**-n
    assert statistics.paired_test(a, np.zeros(n), alternative="less").p_value == 1


def test_sign_flip_by_hand():
    # d = 3, -1, 2 sums to 4; of the eight patterns 6, 4 (and -4, -6) are as extreme.
    a, b = [3, 0, 2], [0, 1, 0]
    assert statistics.paired_test(a, b, alternative="greater").p_value == 2 / 8
    assert statistics.paired_test(a, b).p_value == 4 / 8
    assert statistics.paired_test(a, b, alternative="less").p_value == 7 / 8


@settings(deadline=None, max_examples=50)
@given(scores)
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_sign_flip_agrees_with_exact_enumeration(alternative, d):
    # Integers, so that no comparison depends on rounding.
    sums = [
        sum(s * x for s, x in zip(signs, d, strict=True))
        for signs in itertools.product([1, -1], repeat=len(d))
    ]
    extreme = {
        "two-sided": [abs(x) >= abs(sum(d)) for x in sums],
        "greater": [x >= sum(d) for x in sums],
        "less": [x <= sum(d) for x in sums],
    }[alternative]
    found = statistics.paired_test(d, np.zeros(len(d)), alternative=alternative)
    assert found.p_value == np.mean(extreme)


def test_sign_flip_agrees_with_scipy():
    d = rng().standard_normal(9)
    expected = scipy.stats.permutation_test(
        (d,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="greater"
    )
    found = statistics.paired_test(d, np.zeros(9), alternative="greater")
    assert found.p_value == pytest.approx(expected.pvalue)


def test_ties_of_decimal_fractions_survive_rounding():
    # All |d| are 0.1, though 0.3 - 0.2 != 0.2 - 0.1 in binary: two wins and a defeat, by hand 4/8.
    found = statistics.paired_test([0.3, 0.2, 0.7], [0.2, 0.1, 0.8], alternative="greater")
    assert found.p_value == 4 / 8


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_many_pairs_go_to_wilcoxon(alternative):
    a, b = rng().standard_normal((2, 30))
    found = statistics.paired_test(a, b, alternative=alternative)
    assert found == (scipy.stats.wilcoxon(a, b, alternative=alternative).pvalue, "wilcoxon", 30)
    assert statistics.paired_test(a[:15], b[:15]).method == "wilcoxon"
    assert statistics.paired_test(a[:15], b[:15], exact_up_to=15).method == "sign-flip"


@pytest.mark.parametrize("n", [3, 30])
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_equal_scores_have_p_one(n, alternative):
    assert statistics.paired_test(np.ones(n), np.ones(n), alternative=alternative).p_value == 1


@pytest.mark.parametrize("n", [8, 25])
def test_order_of_subjects_unit_and_exchange(n):
    a, b = rng().standard_normal((2, n))
    p = statistics.paired_test(a, b, alternative="greater").p_value
    order = rng(1).permutation(n)
    again = statistics.paired_test(1000 * a[order], 1000 * b[order], alternative="greater").p_value
    assert again == pytest.approx(p)
    assert statistics.paired_test(b, a, alternative="less").p_value == pytest.approx(p)


def test_sign_flip_rejects_no_more_often_than_it_says():
    p_values = [
        statistics.paired_test(d, np.zeros(6)).p_value for d in rng().standard_normal((1000, 6))
    ]
    # 2 of the 64 patterns have p <= 0.05: five standard errors around 2/64.
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(2 / 64, abs=0.028)


# Effect size


def test_effect_size_by_hand():
    # d = 1, 2, 3: mean 2, standard deviation 1.
    assert statistics.effect_size([2, 4, 6], [1, 2, 3]) == 2
    assert statistics.effect_size([1, 2, 3], [2, 4, 6]) == -2


def test_effect_size_is_the_t_statistic_over_root_n():
    a, b = rng().standard_normal((2, 13))
    expected = scipy.stats.ttest_rel(a, b).statistic / np.sqrt(13)
    assert statistics.effect_size(a, b) == pytest.approx(expected)
    assert statistics.effect_size(7 * a + 2, 7 * b + 2) == pytest.approx(expected)


def test_effect_size_without_variance():
    b = np.array([0.1, 0.2, 0.7])
    assert statistics.effect_size(b, b) == statistics.effect_size(0 * b, 0 * b) == 0
    assert statistics.effect_size(b + 0.1, b) == np.inf
    assert statistics.effect_size(b - 0.1, b) == -np.inf
    # Equal up to rounding, of numbers below zero on either side.
    below = [-0.3, -(0.1 + 0.2), -0.3]
    assert statistics.effect_size(np.zeros(3), below) == np.inf
    assert statistics.effect_size(below, np.zeros(3)) == -np.inf


# Combination


def test_stouffer_agrees_with_scipy():
    p_values, n = rng().random(6), np.array([3, 8, 10, 20, 54, 100])
    expected = scipy.stats.combine_pvalues(p_values, method="stouffer", weights=np.sqrt(n)).pvalue
    assert statistics.stouffer(p_values, n) == pytest.approx(expected)


def test_stouffer_of_one_data_set_is_its_p_value():
    assert statistics.stouffer([0.0321], [17]) == pytest.approx(0.0321)


def test_stouffer_of_parts_is_the_z_test_of_the_whole():
    # With known variance, each part's z is sqrt(n_k) times its mean; so is the whole's.
    parts = [rng(k).standard_normal(n) for k, n in enumerate([4, 9, 30])]
    p_values = [scipy.stats.norm.sf(np.sqrt(len(x)) * x.mean()) for x in parts]
    whole = np.concatenate(parts)
    expected = scipy.stats.norm.sf(np.sqrt(len(whole)) * whole.mean())
    assert statistics.stouffer(p_values, [4, 9, 30]) == pytest.approx(expected)


@pytest.mark.parametrize("n", [1, 5, 60, 5000])
@pytest.mark.parametrize("p", [0.0, 1.0])
def test_bounds_give_finite_combinations(n, p):
    for p_values in ([p], [p, 0.5], [p, 1 - p], [p, p]):
        assert 0 <= statistics.stouffer(p_values, [n] * len(p_values)) <= 1
    assert np.isfinite(statistics.stouffer([p, 0.5], [n, n]))


def test_defeat_throughout_is_the_mirror_image_of_winning_throughout():
    # Sign flips: 2^-5 where a wins all five, 1 where it loses all five; together even.
    assert statistics.stouffer([2.0**-5, 1.0], [5, 5]) == pytest.approx(0.5)
    # Beyond n = 53, 1 - 2^-n is 1 in floating point.
    assert statistics.stouffer([2.0**-60, 1.0], [60, 60]) == pytest.approx(0.5)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.integers(1, 60)),
        min_size=1,
        max_size=6,
    )
)
def test_stouffer_is_mirror_symmetric(drawn):
    p_values, n = map(np.array, zip(*drawn, strict=True))
    combined = statistics.stouffer(p_values, n)
    assert statistics.stouffer(1 - p_values, n) == pytest.approx(1 - combined, abs=1e-12)


@pytest.mark.parametrize("sizes", [(2, 2), (3, 3, 3), (2, 6), (4, 5), (1, 8), (2,) * 5])
def test_stouffer_of_sign_flip_tests_rejects_too_seldom_and_never_too_often(sizes):
    """Every world of the null hypothesis is visited: p is one of 1, 2 … 2^n over 2^n, all alike.

    The exact test gives these of differences whose sums all differ, here powers of two.
    """
    ladders = []
    for n in sizes:
        signs = np.array(list(itertools.product([-1.0, 1.0], repeat=n))) * 2.0 ** np.arange(n)
        tests = [statistics.paired_test(d, 0 * d, alternative="greater") for d in signs]
        ladders.append([test.p_value for test in tests])
        assert sorted(ladders[-1]) == [k / 2**n for k in range(1, 2**n + 1)]
    combined = [statistics.stouffer(one, sizes) for one in itertools.product(*ladders)]
    for level in (0.001, 0.01, 0.05, 0.1, 0.2):
        assert np.mean(np.array(combined) <= level) <= level
    # All data sets at their bound: the smallest p value that these can give, and a finite one.
    bound = statistics.stouffer([0.5**n for n in sizes], sizes)
    assert bound == min(combined) > 0


def test_combined_sign_flip_tests_of_both_directions_sum_to_more_than_one():
    draw = rng(3)
    parts = [draw.integers(-3, 5, n).astype(float) for n in (3, 5, 8, 4)]
    ways = [
        statistics.stouffer(
            [statistics.paired_test(d, 0 * d, alternative=way).p_value for d in parts],
            [len(d) for d in parts],
        )
        for way in ("greater", "less")
    ]
    assert 1 < sum(ways) < 1.2


# Errors


def pair(**options):
    return lambda a, b: statistics.paired_test(a, b, **options)


TEN = np.arange(10.0)
LABELS = [0, 0, 0, 1, 1]
HIDDEN = np.ma.array(LABELS, mask=[1, 0, 0, 0, 0])


def boot(x, **options):
    return statistics.bootstrap_interval(x, **({"rng": rng(), "n_resamples": 999} | options))


def unequal(x):
    return x.mean() if x.std() > 2.5 else np.nan


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: statistics.mean_interval([1.0]), "x must hold at least 2 values, got 1"),
        (lambda: statistics.mean_interval([[1.0, 2]]), r"1 dimension\(s\), got shape \(1, 2\)"),
        (
            lambda: statistics.mean_interval([1, np.nan, 3, np.inf]),
            r"x must be finite.*got nan at index 1 and 1 more",
        ),
        (lambda: statistics.mean_interval([1e308, 1e308]), "at most 1e\\+150, got 1e\\+308"),
        (
            lambda: statistics.mean_interval(np.ma.masked_equal([1, 2, 9], 9)),
            "x is a masked array with 1 masked values",
        ),
        (lambda: statistics.mean_interval(["a", "b"]), "x must hold numbers"),
        (
            lambda: statistics.crossed_interval(TEN.reshape(5, 2), strata=HIDDEN),
            "strata is a masked array with 1 masked values",
        ),
        (
            lambda: statistics.crossed_interval(TEN.reshape(5, 2), strata=[0, 0, np.nan, 1, 1]),
            "strata has no label at index 2",
        ),
        (
            lambda: statistics.crossed_interval(
                pd.DataFrame(TEN.reshape(5, 2)), strata=pd.Series(LABELS, [1, 0, 2, 3, 4])
            ),
            "row 0 of strata is called 1, that of x 0",
        ),
        (
            lambda: statistics.pair_mean_interval(
                pd.Series(TEN[:3]), pd.Series(list("abc"), [2, 1, 0]), ["b", "c", "a"]
            ),
            "row 0 of first is called 2, that of x 0",
        ),
        (
            lambda: statistics.pair_mean_interval(TEN[:3], ["a", "b", "c"], ["b", None, "a"]),
            "second has no label at index 1",
        ),
        (
            lambda: statistics.stouffer(pd.Series([0.1, 0.2]), pd.Series([5, 6], [1, 0])),
            "row 0 of n is called 1, that of p_values 0",
        ),
        (
            lambda: statistics.hedges(pd.Series([0.1, 0.2]), pd.Series([5, 6], [1, 0])),
            "row 0 of n is called 1, that of effect 0",
        ),
        (lambda: statistics.hedges([0.1], [5.5]), r"n must hold whole numbers.*got \[5\.5\]"),
        (
            lambda: statistics.jackknife_interval(TEN, statistic=lambda x: 1j * x.mean()),
            "the statistic of x is .*j.*; it must be a real number",
        ),
        (
            lambda: statistics.jackknife_interval(TEN, statistic=lambda x: None),
            "the statistic of x is None; it must be a real number",
        ),
        (lambda: statistics.mean_interval([1, 2], confidence=95), "below 1, got 95"),
        (lambda: boot(TEN, confidence=1), "confidence must be above 0 and below 1, got 1"),
        (lambda: boot([[[1]], [[2]]]), r"1 or 2 dimension\(s\), got shape \(2, 1, 1\)"),
        (lambda: boot([[1, 2], [3, np.nan]]), r"x must be .* got nan at index \(1, 1\)"),
        (lambda: boot(TEN, n_resamples=1), "n_resamples must be at least 999, got 1"),
        (lambda: boot(TEN, n_resamples=999.5), "n_resamples must be a whole number"),
        (lambda: boot(TEN, rng=0), "rng must be a numpy.random.Generator, got 0"),
        (lambda: boot(TEN, statistic=lambda x: np.nan), "the statistic of x is nan"),
        (
            lambda: boot(TEN, statistic=lambda x: x[:2]),
            r"must be one number, got an array of shape \(2,\)",
        ),
        (lambda: boot(TEN, statistic=lambda x: x[:1]), r"one number, got an array of shape \(1,\)"),
        (
            lambda: boot(TEN, statistic=unequal),
            r"on a resample of x, for example rows \[.*statistic is nan",
        ),
        (
            lambda: statistics.jackknife_interval([1, 2], statistic=lambda x: x),
            r"the statistic of x must be one number, got an array of shape \(2,\)",
        ),
        (
            lambda: statistics.jackknife_interval([1, 2], statistic=lambda x: x.std() or np.inf),
            "the statistic without row 0 is inf",
        ),
        (lambda: pair()([1, 2], [1]), r"must be pairs, got shapes \(2,\) and \(1,\)"),
        (lambda: pair()([], []), r"at least 1 pair\(s\) are needed, got 0"),
        (lambda: pair()([1], [np.nan]), "b must be finite.* got nan at index 0"),
        (lambda: pair(rng=0)([1], [2]), "rng must be a numpy.random.Generator, got 0"),
        (
            lambda: pair()(pd.Series([1, 2]), pd.Series([1, 2], index=[1, 0])),
            "row 0 of b is called 1, that of a 0; rows are paired by their places",
        ),
        (
            lambda: statistics.rank_correlation(pd.Series(TEN), pd.Series(TEN, index=TEN + 1)),
            "row 0 of y is called 1.0, that of x 0",
        ),
        (
            lambda: pair(alternative="larger")([1], [1]),
            "one of .*'two-sided', 'greater', 'less'.*, got 'larger'",
        ),
        (lambda: pair(exact_up_to=25)([1], [1]), "between 0 and 24, got 25"),
        (
            lambda: pair(exact_up_to=1, random_up_to=3)([1, 2], [1, 1]),
            "2 pairs need random sign patterns.*got rng=None",
        ),
        (
            lambda: pair(exact_up_to=1, random_up_to=3, rng=rng(), n_flips=0)([1, 2], [1, 1]),
            "n_flips must be at least 1, got 0",
        ),
        (
            lambda: pair(exact_up_to=1, random_up_to=3, rng=rng(), n_flips=1.5)([1, 2], [1, 1]),
            "n_flips must be a whole number, got 1.5",
        ),
        (lambda: statistics.effect_interval([1], [1]), r"at least 2 pair\(s\) are needed, got 1"),
        (lambda: statistics.effect_interval([1, 2], [1, 1], confidence=95), "below 1, got 95"),
        (lambda: statistics.effect_size([1], [1]), r"at least 2 pair\(s\) are needed, got 1"),
        (lambda: statistics.crossed_interval([1.0, 2.0]), r"x must have 2 dimension.*shape \(2,\)"),
        (lambda: statistics.crossed_interval([[1.0, 2.0]]), "x must hold at least 2 values, got 1"),
        (lambda: statistics.crossed_interval([[1.0], [2.0]]), "x must hold at least 2 values, got"),
        (lambda: statistics.stouffer([0.1], [1, 2]), r"one shape, got \(1,\) and \(2,\)"),
        (lambda: statistics.stouffer([], []), "p_values must hold at least 1 values, got 0"),
        (lambda: statistics.stouffer([1.5], [1]), r"p_values must lie in \[0, 1\], got 1.5"),
        (lambda: statistics.stouffer([np.nan], [1]), r"p_values must be .*got nan at index 0"),
        (lambda: statistics.stouffer([0.5], [0]), "n must be finite and at least 1, got 0.0"),
        (lambda: statistics.stouffer([0.5], [2.5]), r"n must hold whole numbers.*\[2.5\]"),
        (lambda: statistics.hedges(np.inf, 5), "effect must be finite, got inf"),
        (lambda: statistics.slope_interval([1, 2], [1, 2]), "x must hold at least 3 values, got 2"),
        (
            lambda: statistics.slope_interval([1, 2, 3], [1, 2, 3, 4]),
            r"x and y must be pairs, got shapes \(3,\) and \(4,\)",
        ),
        (
            lambda: statistics.slope_interval([2, 2, 2], [1, 2, 3]),
            "all 3 values of x are 2: a slope needs two places",
        ),
        (lambda: statistics.slope_interval([1, 2, np.nan], [1, 2, 3]), "got nan at index 2"),
        (lambda: statistics.ratio_values([1], [1]), "a must hold at least 2 values, got 1"),
        (
            lambda: statistics.ratio_values([1, 2], [1, 2, 3]),
            r"a and b must be pairs, got shapes \(2,\) and \(3,\)",
        ),
        (lambda: statistics.ratio_values([1, 2], [3, -1]), "at least 0, got -1.0 at index 1"),
        (lambda: statistics.ratio_values([1, 2], [0, 0]), "all 2 values of b are 0"),
        (lambda: statistics.hedges(1.0, 3), "n must be finite and at least 4, got 3.0"),
    ],
)
def test_errors_say_what_and_how_to_go_on(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (7, 10), (10, 10), (98, 100)])
def test_proportion_interval_solves_wilsons_equation(successes, n):
    """At either bound p, the observed share is z standard errors of p away."""
    value, *bounds = statistics.proportion_interval(successes, n)
    assert value == successes / n
    z = scipy.stats.norm.ppf(0.975)
    for p in bounds:
        np.testing.assert_allclose((value - p) ** 2, z**2 * p * (1 - p) / n, atol=1e-12)
    assert bounds[0] <= value <= bounds[1]
    assert bounds[0] < bounds[1]


@pytest.mark.parametrize(
    ("successes", "n", "message"),
    [
        (3, 2, "n_successes must be at least 0 and at most 2, got 3"),
        (-1, 2, "n_successes must be at least 0 and at most 2, got -1"),
        (0, 0, "n must be at least 1, got 0"),
        (3.7, 10, "n_successes must be a whole number, got 3.7"),
        (10, 10.9, "n must be a whole number, got 10.9"),
        (10.5, 10.9, "n must be a whole number, got 10.9"),
        (True, 10, "n_successes must be a whole number, got True"),
    ],
)
def test_proportion_interval_rejects_impossible_counts(successes, n, message):
    with pytest.raises((TypeError, ValueError), match=message):
        statistics.proportion_interval(successes, n)


# Rank correlation


def test_rank_correlation_is_that_of_ranks_and_ignores_monotone_changes():
    x = rng().permutation(40).astype(float)
    y = x + rng().normal(0, 12, 40)
    found = statistics.rank_correlation(x, y)
    ranks = [scipy.stats.rankdata(one) for one in (x, y)]
    assert found.value == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert -1 < found.low < found.value < found.high < 1
    again = statistics.rank_correlation(np.exp(x / 9), y**3)
    np.testing.assert_allclose(again, found)
    turned = statistics.rank_correlation(x, -y)
    np.testing.assert_allclose(turned, [-found.value, -found.high, -found.low])


def test_perfect_ranks_leave_an_interval():
    found = statistics.rank_correlation(np.arange(6), np.arange(6))
    assert found.value == found.high == 1
    assert 0.5 < found.low < 1


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0], "one length, but x has 3, y has 2"),
        ([1.0, np.nan, 3.0], [1.0, 2.0, 3.0], "x.*nan"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], "at least 6 pairs for an interval, got 3"),
        ([1.0] * 6, range(6), "x has no ranks: all its 6 values are 1"),
        (range(6), [2.0] * 6, "y has no ranks: all its 6 values are 2"),
    ],
)
def test_rank_correlation_rejects_what_has_no_ranks(x, y, message):
    with pytest.raises(ValueError, match=message):
        statistics.rank_correlation(x, y)


# Random sign patterns, and the interval of an effect


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_random_patterns_approach_the_exact_test(alternative):
    a, b = rng().normal(0.3, 1, 12), np.zeros(12)
    options = {"alternative": alternative}
    exact = statistics.paired_test(a, b, exact_up_to=12, **options)
    drawn = statistics.paired_test(
        a, b, exact_up_to=3, random_up_to=12, rng=rng(), n_flips=40_000, **options
    )
    assert (exact.method, drawn.method) == ("sign-flip", "random sign-flip")
    # Five standard errors of a share.
    error = np.sqrt(exact.p_value * (1 - exact.p_value) / 40_000)
    assert drawn.p_value == pytest.approx(exact.p_value, abs=5 * error)


def test_random_patterns_never_give_zero_and_leave_other_sizes_alone():
    a = np.arange(1.0, 31.0)
    options = {"alternative": "greater", "exact_up_to": 5, "random_up_to": 29}
    p = statistics.paired_test(a[:29], np.zeros(29), rng=rng(), n_flips=99, **options).p_value
    assert p == 1 / 100
    assert statistics.paired_test(a, np.zeros(30), **options).method == "wilcoxon"
    assert statistics.paired_test(a[:5], np.zeros(5), **options).method == "sign-flip"


@pytest.mark.parametrize(("n", "mean"), [(2, 0.3), (5, 1.0), (20, 0.4), (109, -0.8)])
def test_effect_interval_is_where_the_observed_t_is_a_quantile(n, mean):
    a = rng(n).normal(mean, 1, n)
    value, low, high = statistics.effect_interval(a, np.zeros(n), confidence=0.9)
    assert value == statistics.effect_size(a, np.zeros(n))
    t = np.sqrt(n) * value
    for bound, level in ((low, 0.95), (high, 0.05)):
        # scipy's series and our quadrature agree to about 1e-6 here.
        found = scipy.stats.nct.cdf(t, n - 1, np.sqrt(n) * bound)
        assert found == pytest.approx(level, abs=1e-5)


def test_effect_interval_mirrors_and_has_no_width_without_deviation():
    a, b = rng().normal(size=(2, 9))
    value, low, high = statistics.effect_interval(a, b)
    mirrored = statistics.effect_interval(b, a)
    np.testing.assert_allclose(mirrored, (-value, -high, -low), rtol=1e-9)
    assert statistics.effect_interval([2, 3], [1, 2]) == (np.inf, np.inf, np.inf)
    assert statistics.effect_interval([1, 2], [1, 2]) == (0, 0, 0)
    value, low, high = statistics.effect_interval([1, 2, 3, 4], [2, 1, 4, 3])
    assert value == 0 and low == pytest.approx(-high) and high > 0.5


def test_hedges_is_unbiased_and_knows_its_variance():
    n, delta = 6, 0.8
    x = rng().normal(delta, 1, (100_000, n))
    g, v = statistics.hedges(x.mean(axis=1) / x.std(axis=1, ddof=1), np.full(100_000, n))
    # Five standard errors; d itself is off by 0.15.
    assert g.mean() == pytest.approx(delta, abs=5 * g.std() / np.sqrt(len(g)))
    assert v.mean() == pytest.approx(g.var(), rel=0.05)


# Coverage: 95 % nominal, 93 to 97 % accepted. A share of 2000 draws has the standard error 0.5 %.


def covers(interval, worlds, truth):
    found = [interval(world) for world in worlds]
    return np.mean([low <= truth <= high for _, low, high in found])


def normal_worlds(n, effect, n_worlds=2000):
    return rng([n, int(10 * effect)]).normal(effect, 1, (n_worlds, n))


@pytest.mark.parametrize("effect", [0, 0.7])
@pytest.mark.parametrize("n", [2, 3, 6, 30])
def test_mean_interval_covers(n, effect):
    assert 0.93 <= covers(statistics.mean_interval, normal_worlds(n, effect), effect) <= 0.97


@pytest.mark.parametrize("of_seeds", [0, 1, 3])
@pytest.mark.parametrize(
    ("n", "n_seeds", "most"), [(6, 3, 0.98), (40, 3, 0.98), (40, 5, 0.97), (200, 8, 0.97)]
)
def test_crossed_interval_covers(n, n_seeds, most, of_seeds):
    """The seeds' mean deviates by a multiple of what the examples' mean deviates by."""
    draw, worlds = rng([n, n_seeds]), 2000
    x = draw.standard_normal((worlds, n, 1)) + 0.5 * draw.standard_normal((worlds, n, n_seeds))
    x += of_seeds * np.sqrt(n_seeds / n) * draw.standard_normal((worlds, 1, n_seeds))
    # Of three seeds it may be somewhat wide, as its docstring says.
    assert 0.93 <= covers(statistics.crossed_interval, x, 0) <= most


@pytest.mark.parametrize("effect", [0.5, 2])
@pytest.mark.parametrize("n", [4, 9])
def test_jackknife_interval_covers(n, effect):
    """The logarithm of a mean over few units, as in slopes on logarithmic axes."""

    def interval(x):
        return statistics.jackknife_interval(x, statistic=lambda x: np.log(x.mean()))

    worlds = np.exp(0.3 * normal_worlds(n, 0, 1000)) * effect
    truth = np.log(effect) + 0.3**2 / 2
    assert 0.93 <= covers(interval, worlds, truth) <= 0.97


@pytest.mark.parametrize("slope", [0, -1])
@pytest.mark.parametrize("n", [3, 6, 20])
def test_slope_interval_covers(n, slope):
    """Repetitions at few sizes, on logarithmic axes."""
    x = np.log(np.resize([100, 316, 1000], n))
    worlds = slope * x + 3 + 0.2 * normal_worlds(n, 0)
    found = covers(lambda y: statistics.slope_interval(x, y), worlds, slope)
    assert 0.93 <= found <= 0.97


def test_the_slope_is_that_of_the_normal_equations():
    x, y = rng(3).standard_normal((2, 9))
    design = np.c_[x, np.ones(9)]
    (slope, _), (left,), *_ = np.linalg.lstsq(design, y)
    error = np.sqrt(left / 7 * np.linalg.inv(design.T @ design)[0, 0])
    found = statistics.slope_interval(x, y, confidence=0.9)
    half = scipy.stats.t.ppf(0.95, 7) * error
    np.testing.assert_allclose(found, (slope, slope - half, slope + half))


@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize("n", [6, 20])
def test_an_interval_of_ratio_values_covers(n, share):
    """Shares of all subjects' events together: subjects differ in their number and their share."""
    draw, size = rng([n, int(10 * share)]), (2000, n)
    b = draw.poisson(20, size)
    a = draw.binomial(b, draw.beta(12 * share, 12 * (1 - share), size))
    found = covers(
        lambda one: statistics.mean_interval(statistics.ratio_values(*one)),
        np.stack([a, b], axis=1),
        share,
    )
    assert 0.93 <= found <= 0.97


def test_ratio_values_have_the_ratio_as_mean_and_the_spread_of_its_delta_method():
    a, b = np.array([3.0, 1, 4, 1]), np.array([5.0, 2, 6, 5])
    found = statistics.ratio_values(a, b)
    assert found.mean() == pytest.approx(9 / 18)
    # Var(a / b) of means: a gradient (1, -R) / mean(b) and the covariance of a and b.
    gradient = np.array([1, -0.5]) / b.mean()
    assert found.var(ddof=1) == pytest.approx(gradient @ np.cov(a, b) @ gradient)


@pytest.mark.parametrize(("sizes", "most"), [((10, 10), 0.97), ((40, 10, 20), 0.97), ((4, 4), 1)])
def test_mean_of_intervals_covers(sizes, most):
    """Means of samples; Student's quantile of few units enters each, so their mean is safe."""
    worlds = rng(len(sizes)).normal(0.7, 1, (2000, sum(sizes)))

    def interval(x):
        samples = np.split(x, np.cumsum(sizes)[:-1])
        return statistics.mean_of_intervals([statistics.mean_interval(one) for one in samples])

    assert 0.93 <= covers(interval, worlds, 0.7) <= most


@pytest.mark.parametrize("spreads", [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("n", [5, 9])
def test_pair_mean_interval_covers(n, spreads):
    """A source and a target subject, each with an effect of its own."""
    first, second = ordered_pairs(n)
    effects = rng(n).standard_normal((1000, 2, n)) * np.array(spreads)[:, None]
    worlds = effects[:, 0, first] + effects[:, 1, second] + 0.3

    def interval(x):
        return statistics.pair_mean_interval(x, first, second)[0]

    assert 0.93 <= covers(interval, worlds, 0.3) <= 0.97


@pytest.mark.parametrize("effect", [0, 0.7])
@pytest.mark.parametrize("n", [10, 25])
def test_bootstrap_interval_covers(n, effect):
    draw = rng(1)

    def interval(x):
        return statistics.bootstrap_interval(x, rng=draw, n_resamples=999)

    assert 0.93 <= covers(interval, normal_worlds(n, effect), effect) <= 0.97


@pytest.mark.parametrize("effect", [0, 0.7])
@pytest.mark.parametrize("n", [3, 30])
def test_effect_interval_covers(n, effect):
    def interval(x):
        return statistics.effect_interval(x, np.zeros(n))

    assert 0.93 <= covers(interval, normal_worlds(n, effect, 1000), effect) <= 0.97


@pytest.mark.parametrize("rho", [0, 0.8])
@pytest.mark.parametrize("n", [8, 20, 60])
def test_rank_correlation_covers(n, rho):
    pairs = rng(n).standard_normal((1500, n, 2))
    pairs[..., 1] = rho * pairs[..., 0] + np.sqrt(1 - rho**2) * pairs[..., 1]
    # Spearman's correlation of a normal pair in closed form.
    truth = 6 / np.pi * np.arcsin(rho / 2)
    share = covers(lambda pair: statistics.rank_correlation(*pair.T), pairs, truth)
    assert 0.93 <= share <= 0.97


@pytest.mark.parametrize("p", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("n", [30, 100, 1000])
def test_proportion_interval_covers(n, p):
    """No simulation: the probabilities of all counts are known."""
    counts = np.arange(n + 1)
    likely = scipy.stats.binom.pmf(counts, n, p)
    share = sum(
        weight
        for count, weight in zip(counts.tolist(), likely, strict=True)
        if weight > 1e-9
        and statistics.proportion_interval(count, n).low
        <= p
        <= statistics.proportion_interval(count, n).high
    )
    assert 0.93 <= share <= 0.97
