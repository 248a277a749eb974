"""Every check lets right values through and refuses wrong ones with their value."""

import numpy as np
import pandas as pd
import pytest

from common import validation


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.int64(1), np.array(0.5)])
def test_number_within_bounds(value):
    found = validation.number(value, "sigma", above=0, at_most=1)
    assert type(found) is float
    assert found == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "sigma must be above 0 and at most 1 s, got 0 s."),
        (1.5, "sigma must be above 0 and at most 1 s, got 1.5 s."),
        (float("nan"), "sigma must be above 0 and at most 1 s, got nan s."),
    ],
)
def test_number_out_of_bounds(value, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        validation.number(value, "sigma", above=0, at_most=1, unit="s")


def test_infinite_number_is_refused_without_bounds():
    with pytest.raises(ValueError, match=r"^mean must be finite, got inf\.$"):
        validation.number(np.inf, "mean")


@pytest.mark.parametrize("value", [True, "1", None, [1.0], 1j])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="sigma must be a number"):
        validation.number(value, "sigma")


@pytest.mark.parametrize(("value", "error"), [(2.0, TypeError), (True, TypeError), (0, ValueError)])
def test_count_refuses(value, error):
    assert validation.count(np.int32(2), "n_folds") == 2
    with pytest.raises(error, match=f"n_folds .*{value}"):
        validation.count(value, "n_folds", at_least=1)


def test_array_keeps_single_precision_and_makes_all_else_double():
    assert validation.array(np.ones(2, dtype=np.float32), "x").dtype == np.float32
    for values in ([1, 2], np.array([True]), np.array([1.5], dtype=object), np.float16([1])):
        assert validation.array(values, "x").dtype == np.float64


@pytest.mark.parametrize("values", [["a"], [1j], [None, "b"], {"a": 1}, [[1], [1, 2]]])
def test_array_without_numbers(values):
    with pytest.raises(TypeError, match="x must hold numbers, got "):
        validation.array(values, "x")


def test_array_names_first_bad_value_and_how_many():
    with pytest.raises(
        ValueError, match=r"^x must be finite, got nan at index \(1, 0\) and 1 more"
    ):
        validation.array([[0.0, 1.0], [np.nan, np.inf]], "x")
    with pytest.raises(
        ValueError, match=r"^x must be finite and at least 0 s, got -2.0 s at index 1\.$"
    ):
        validation.array([0.0, -2.0], "x", at_least=0, unit="s")


def test_messages_show_numbers_as_python_does_and_no_index_of_one_number():
    for call, message in (
        (lambda: validation.array(np.array(np.nan), "x"), "x must be finite, got nan."),
        (lambda: validation.count(np.float64(3), "n"), "n must be a whole number, got 3.0."),
        (lambda: validation.number(np.str_("a"), "x"), "x must be a number, got 'a'."),
        (lambda: validation.choice(np.str_("c"), ["a"], "x"), "x must be one of a, got 'c'."),
        (
            lambda: validation.labels(np.array([1, np.nan]), "y"),
            "y has no label at index 1, but nan, one of 1 missing. Leave these samples out first.",
        ),
        (
            lambda: validation.unmasked(np.ma.masked, "x"),
            "x is a masked array with 1 masked values. Leave them out first, for example with "
            ".compressed().",
        ),
    ):
        with pytest.raises((TypeError, ValueError)) as error:
            call()
        assert str(error.value) == message


def test_array_refuses_masks_other_axes_and_nothing():
    with pytest.raises(ValueError, match="1 masked values"):
        validation.array(np.ma.masked_invalid([1.0, np.nan]), "x")
    with pytest.raises(ValueError, match=r"x must have 2 axes, got shape \(1,\)"):
        validation.array([1.0], "x", ndim=2)
    with pytest.raises(ValueError, match=r"x is empty: its shape is \(0,\)"):
        validation.array([], "x")
    assert validation.array([], "x", empty=True).size == 0


def test_vector_must_ascend_where_asked():
    validation.vector([1.0, 1.0, 2.0], "times", ascending=True)
    with pytest.raises(ValueError, match=r"times must ascend, got 1.0 at index 1 after 2.0"):
        validation.vector([2.0, 1.0], "times", ascending=True)


def test_truth_is_no_number_among_choices():
    assert validation.choice(2, (1, 2), "max_order") == 2
    with pytest.raises(ValueError, match="max_order must be one of 1, 2, got True"):
        validation.choice(True, (1, 2), "max_order")
    with pytest.raises(ValueError, match="average must be one of True, False, got 1"):
        validation.choice(1, (True, False), "average")
    assert validation.choice(np.True_, (True, False), "average")
    with pytest.raises(ValueError, match=r"must be one of 1, 2, got True"):
        validation.choice(np.True_, (1, 2), "max_order")


def test_numbers_of_numpy_are_printed_as_numbers():
    with pytest.raises(ValueError, match=r"^x must be above 0, got -1\.5\.$"):
        validation.number(np.float64(-1.5), "x", above=0)


def test_none_is_no_missing_value():
    with pytest.raises(TypeError, match=r"x must hold numbers, got \[1\.0, None\]"):
        validation.array([1.0, None], "x")


def test_the_nearest_word_is_found_in_any_case():
    assert validation.nearest("FPZ", ["Fp1", "Fpz"]) == " Did you mean 'Fpz'?"
    assert validation.nearest("xyz", ["Fp1"]) == ""


def test_choice_names_nearest():
    assert validation.choice("mean", ("mean", "median"), "kind") == "mean"
    with pytest.raises(
        ValueError, match=r"^kind must be one of mean, median, got 'medain'\. Did you mean 'median'"
    ):
        validation.choice("medain", ("mean", "median"), "kind")


def test_generator_refuses_seed():
    rng = np.random.default_rng(0)
    assert validation.generator(rng) is rng
    with pytest.raises(TypeError, match=r"got 7. Make one: rng=np.random.default_rng\(7\)"):
        validation.generator(7)


def test_lengths():
    validation.same_length(X=[1], y=[2])
    with pytest.raises(ValueError, match="X and y must have one length, but X has 1, y has 2"):
        validation.same_length(X=[1], y=[2, 3])


def test_a_table_with_gaps_is_copied_in_double_precision():
    values = np.array([[1, np.nan], [np.nan, 2]], dtype=np.float32)
    found = validation.incomplete(values, "X")
    assert found.dtype == np.float64 and not np.shares_memory(found, values)
    np.testing.assert_array_equal(found, values)
    double = values.astype(float)
    assert not np.shares_memory(validation.incomplete(double, "X"), double)


@pytest.mark.parametrize(
    "values",
    [
        np.ma.masked_array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]),
        [[1, None], [3, 4]],
        pd.DataFrame({"a": [1, 3], "b": pd.array([pd.NA, 4], dtype="Int64")}),
        pd.DataFrame({"a": [1, 3], "b": [None, 4.0]}),
    ],
)
def test_what_is_masked_or_not_there_is_missing(values):
    np.testing.assert_array_equal(validation.incomplete(values, "X"), [[1, np.nan], [3, 4]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0], r"X must have 2 axes, got shape \(2,\)\."),
        (np.empty((0, 2)), r"X is empty: its shape is \(0, 2\)\."),
        (
            [[0.0, -np.inf]],
            r"X holds -inf at index \(0, 1\), which is neither a number nor missing",
        ),
        ([[0, -(2**63)]], r"X holds -9223372036854775808 at index \(0, 1\), which NaN becomes as"),
        ([[0.5, -(2.0**63)]], r"X holds -9223372036854775808 at index \(0, 1\), which NaN"),
        (np.array([[-(2**31), 1]], dtype=np.int32), r"X holds -2147483648 at index \(0, 0\)"),
        (
            pd.DataFrame({"a": [0.5], "b": np.array([-(2**31)], dtype=np.int32)}),
            r"X holds -2147483648 at index \(0, 1\)",
        ),
        ([[1, np.nan], [np.nan, np.nan]], "row 1 of X has no observed value. Leave such rows out"),
        ([[np.nan] * 2] * 3 + [[1, 2]], "row 0 of X has no observed value, one of 3 such rows. "),
        ([[1, np.nan], [2, np.nan]], "column 1 of X has no observed value. Leave such columns out"),
    ],
)
def test_a_table_with_gaps_that_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        validation.incomplete(values, "X")


@pytest.mark.parametrize("values", [[["a", 1.0]], [[1j, 2.0]], [[1, 2], [3]], [[{}]]])
def test_a_table_with_gaps_without_numbers(values):
    with pytest.raises(TypeError, match=r"^X must hold numbers, with NaN where a value"):
        validation.incomplete(values, "X")


def test_smallest_whole_numbers_of_few_bits_are_numbers():
    values = np.array([[-128, 1]], dtype=np.int8)
    np.testing.assert_array_equal(validation.incomplete(values, "X"), [[-128, 1]])


def test_rows_and_columns_without_values_are_fine_where_that_is_said():
    values = [[1, np.nan], [np.nan, np.nan]]
    found = validation.incomplete(values, "X", empty_rows=True, empty_columns=True)
    np.testing.assert_array_equal(found, values)
    with pytest.raises(ValueError, match="column 1"):
        validation.incomplete(values, "X", empty_rows=True)


def test_a_mask_is_never_dropped():
    values = np.ma.array([[1, 2], [3, 4]], mask=[[0, 0], [1, 0]])
    with pytest.raises(ValueError, match=r"X is a masked array with 1 masked .* index \(1, 0\)\."):
        validation.unmasked(values, "X")
    whole = np.ma.array([1, 2])
    assert validation.unmasked(whole, "X") is whole
    assert validation.unmasked("text", "X") == "text"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([["a"]], r"y must hold one label per sample, got shape \(1, 1\)"),
        (["a", None, "b", None], "y has no label at index 1, but None, one of 2 missing"),
        (pd.Series([1, pd.NA]), "y has no label at index 1, but <NA>"),
        ([0.0, np.nan], "y has no label at index 1, but"),
        (np.ma.array([1, 2], mask=[0, 1]), "y is a masked array with 1 masked values"),
    ],
)
def test_labels_are_one_per_sample_and_whole(values, message):
    with pytest.raises(ValueError, match=message):
        validation.labels(values, "y")
    assert validation.labels(("a", "b"), "y").tolist() == ["a", "b"]


def test_rows_of_pandas_are_in_one_order():
    a, b = pd.Series([1, 2], ["x", "y"]), pd.DataFrame({"c": [3, 4]}, ["y", "x"])
    with pytest.raises(
        ValueError, match=r"row 0 of b is called 'y', that of a 'x'; .*b\.loc\[a\.i"
    ):
        validation.same_rows(a=a, b=b)
    validation.same_rows(a=a, b=b.loc[a.index], c=[5, 6], d=np.zeros(2))
