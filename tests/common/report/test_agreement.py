"""What counts as agreement of two tables, and what does not."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from common.report.agreement import DIFFERS, STRICT, WITHIN, Tolerance, compare, summarise


@pytest.fixture
def table():
    return pd.DataFrame(
        {"method": ["a", "a", "b", "b"], "seed": [0, 1, 0, 1], "score": [0.5, 0.7, 1e3, 2e3]}
    )


def _with(table, column, row, value):
    changed = table.copy()
    changed.loc[row, column] = value
    return changed


@pytest.mark.parametrize(("share", "state"), [(0.5, WITHIN), (2.0, DIFFERS)])
def test_a_column_without_a_tolerance_keeps_to_the_strict_one(table, share, state):
    changed = _with(table, "score", 3, 2e3 * (1 + share * STRICT))
    assert compare(changed, table).state == state


@pytest.mark.parametrize(("value", "state"), [(1e-17, WITHIN), (1e-8, DIFFERS)])
def test_noise_around_zero_is_judged_on_the_scale_of_its_column(value, state):
    expected = pd.DataFrame({"score": [0.0, 1.0]})
    assert compare(_with(expected, "score", 0, value), expected).state == state


def test_the_largest_deviation_is_named_with_its_column_and_row(table):
    found = compare(_with(_with(table, "score", 0, 0.51), "score", 2, 1.5e3), table)
    assert found.state == DIFFERS
    assert "score is 1500, in the reference 1000: 5e+02 apart" in found.detail
    assert "(row 3, method=b, seed=0)" in found.detail  # and no measured value


@pytest.mark.parametrize(("column", "value"), [("method", "c"), ("seed", 7)])
def test_text_and_whole_numbers_are_equal(table, column, value):
    found = compare(_with(table, column, 1, value), table)
    assert found.state == DIFFERS
    assert f"{column} is {value!r}" in found.detail.replace("np.int64(7)", "7")


def test_other_columns_and_rows_differ(table):
    assert compare(table.rename(columns={"score": "f1"}), table).state == DIFFERS
    found = compare(table[:3], table)
    assert (found.state, found.detail) == (DIFFERS, "3 rows, in the reference 4")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_missing_or_infinite_on_one_side_differs(table, value):
    loose = [Tolerance(columns=["score"], absolute=1e9)]
    changed = _with(table, "score", 0, value)
    assert compare(changed, table, loose).state == DIFFERS
    assert compare(table, changed, loose).state == DIFFERS
    assert compare(changed, changed).state == WITHIN


@pytest.mark.parametrize(
    ("tolerance", "allowed", "refused"),
    [({"relative": 0.1}, 0.54, 0.56), ({"absolute": 0.02}, 0.519, 0.521)],
)
def test_relative_and_absolute_tolerances(table, tolerance, allowed, refused):
    loose = [Tolerance(columns=["score"], **tolerance)]
    assert compare(_with(table, "score", 0, allowed), table, loose).state == WITHIN
    assert compare(_with(table, "score", 0, refused), table, loose).state == DIFFERS


def test_the_first_tolerance_that_selects_a_row_governs_it(table):
    loose = [
        Tolerance(columns=["score"], rows="method == 'a'", absolute=1.0),
        Tolerance(columns=["score"], absolute=0.1),
    ]
    assert compare(_with(table, "score", 0, 1.4), table, loose).state == WITHIN
    assert compare(_with(table, "score", 2, 1e3 + 0.4), table, loose).state == DIFFERS


def test_what_is_left_out_may_be_anything_but_its_column_stays(table):
    loose = [Tolerance(columns=["score"], left_out="measured time")]
    assert compare(_with(table, "score", 0, 99.0), table, loose).state == WITHIN
    assert compare(table.drop(columns="score"), table, loose).state == DIFFERS


def test_rows_of_one_fit_can_be_left_out_whole(table):
    loose = [Tolerance(rows="method == 'b'", left_out="detections of one fit")]
    assert compare(table[:3], table, loose).state == WITHIN
    assert compare(table[1:], table, loose).state == DIFFERS


def test_a_table_that_is_left_out_whole_is_said_not_to_be_compared(table):
    found = compare(table[:3], table, [Tolerance(left_out="detections of one fit")])
    assert str(found) == "within tolerance: not compared: detections of one fit"


def _means(value, half):
    return pd.DataFrame({"mean": [value], "low": [value - half], "high": [value + half]})


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ((0.59, 0.01), WITHIN),  # [0.58, 0.60] and [0.4, 0.6]
        ((0.75, 0.20), WITHIN),  # [0.55, 0.95]
        ((0.35, 0.06), WITHIN),  # [0.29, 0.41]
        ((0.75, 0.10), DIFFERS),  # [0.65, 0.85]
        ((0.35, 0.04), DIFFERS),  # [0.31, 0.39]
    ],
)
def test_means_of_fits_agree_when_their_intervals_overlap(found, state):
    loose = [Tolerance(columns=["mean"], interval=["low", "high"])]
    assert compare(_means(*found), _means(0.5, 0.1), loose).state == state


def test_single_fits_are_compared_by_their_means():
    rng = np.random.default_rng(0)
    expected = pd.DataFrame({"fraction": [0.5] * 8, "seed": range(8), "score": rng.normal(size=8)})
    expected = pd.concat([expected, expected.assign(fraction=1.0, score=expected["score"] + 9)])
    expected = expected.reset_index(drop=True)
    loose = [Tolerance(columns=["score"], mean_over=["seed"])]
    # Another order of the same fits: no fit agrees with its counterpart, their mean does.
    shuffled = expected.assign(
        score=np.concatenate([x[::-1] for x in np.split(expected["score"], 2)])
    )
    assert compare(shuffled, expected, loose).state == WITHIN
    # The border of Welch's interval, by scipy: a shift with p above and below 0.001.
    for shift, state in [(0.6, WITHIN), (3.0, DIFFERS)]:
        moved = expected.assign(score=expected["score"] + shift * (expected["fraction"] == 1))
        pair = (table.loc[table["fraction"] == 1, "score"] for table in (moved, expected))
        p = stats.ttest_ind(*pair, equal_var=False).pvalue
        assert (p > 0.001) == (state == WITHIN)
        assert compare(moved, expected, loose).state == state


@pytest.mark.parametrize("n", [3, 5, 20])
def test_means_may_be_as_far_apart_as_welchs_interval_reaches(n):
    # With unequal variances its degrees of freedom matter.
    rng = np.random.default_rng(n)
    expected = pd.DataFrame({"seed": range(n), "score": rng.normal(size=n)})
    found = pd.DataFrame({"seed": range(n), "score": rng.normal(scale=4, size=n)})
    interval = stats.ttest_ind(
        found["score"], expected["score"], equal_var=False
    ).confidence_interval(0.999)
    half = (interval.high - interval.low) / 2
    loose = [Tolerance(columns=["score"], mean_over=["seed"])]
    centre = expected["score"].mean() - found["score"].mean()
    for share, state in [(0.999, WITHIN), (1.001, DIFFERS)]:
        moved = found.assign(score=found["score"] + centre + share * half)
        assert compare(moved, expected, loose).state == state


def test_one_fit_has_no_spread_to_be_judged_by():
    expected = pd.DataFrame({"seed": [0], "score": [0.5]})
    loose = [Tolerance(columns=["score"], mean_over=["seed"])]
    found = compare(expected.assign(score=0.6), expected, loose)
    assert found.state == DIFFERS and "0.1 apart, 5e-07 allowed" in found.detail
    assert compare(expected.assign(score=0.5 + 1e-8), expected, loose).state == WITHIN
    # Equal fits have none either.
    equal = pd.DataFrame({"seed": range(4), "score": 0.5})
    assert compare(equal.assign(score=0.6), equal, loose).state == DIFFERS
    assert compare(equal.assign(score=0.5 + 1e-8), equal, loose).state == WITHIN


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"columns": ["a"]}, "exactly one of relative, absolute, .* found none"),
        ({"columns": ["a"], "relative": 1.0, "absolute": 1.0}, "found relative, absolute"),
        ({"relative": 1.0}, "only left_out may do without"),
        ({"columns": ["a"], "relative": -1.0}, "relative must be a positive number, got -1.0"),
        ({"columns": ["a"], "absolute": np.nan}, "absolute must be a positive number, got nan"),
    ],
)
def test_a_tolerance_says_one_thing(values, message):
    with pytest.raises(ValueError, match=message):
        Tolerance(**values)


def test_a_tolerance_of_an_unknown_column_is_an_error(table):
    with pytest.raises(ValueError, match="names the column 'scoer'; the table has method"):
        compare(table, table, [Tolerance(columns=["scoer"], relative=0.1)])


def test_a_tolerance_holds_for_the_summary_of_its_column():
    expected = pd.DataFrame({"kind": ["a", "a"], "x": [1.0, 2.0], "y": [1.0, 2.0]})
    found = summarise(_with(expected, "y", 0, 1.1))
    loose = Tolerance(columns=["y"], absolute=0.2)
    assert compare(found, summarise(expected), [loose.of_summary()]).state == WITHIN
    other = Tolerance(columns=["x"], absolute=0.2)
    assert compare(found, summarise(expected), [other.of_summary()]).state == DIFFERS
    some = Tolerance(columns=["y"], rows="kind == 'b'", absolute=0.2)
    assert compare(found, summarise(expected), [some.of_summary()]).state == DIFFERS
    with pytest.raises(ValueError, match="interval and mean_over need the whole table"):
        Tolerance(columns=["y"], interval=["x", "y"]).of_summary()


def test_a_group_without_a_number_has_an_empty_summary(table):
    found = summarise(_with(_with(table, "score", 0, np.nan), "score", 1, np.nan))
    empty = found.set_index(["method", "column"]).loc[("a", "score")]
    assert empty["n"] == 0 and empty[["mean", "std", "min", "max"]].isna().all()


def test_a_summary_holds_the_moments_of_each_group(table):
    found = summarise(table).set_index(["method", "column"]).loc[("b", "score")]
    assert found.to_dict() == {"n": 2, "mean": 1500.0, "std": 500.0, "min": 1e3, "max": 2e3}
    assert compare(summarise(_with(table, "score", 0, 0.6)), summarise(table)).state == DIFFERS
