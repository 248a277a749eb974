"""Slopes and numbers of iterations of errors whose rates are known."""

import numpy as np
import pytest

from common.implicit import rates

T = np.arange(1, 201)


def test_the_slope_of_a_line_is_its_slope():
    assert rates.slope([0, 1, 4], [1.0, 3.0, 9.0]) == pytest.approx(2)
    noisy = 2 * T + np.cos(np.pi * T) * 0.1
    assert rates.slope(T, noisy) == pytest.approx(np.polyfit(T, noisy, 1)[0], rel=1e-12)


def test_a_window_leaves_out_what_is_transient_and_what_is_rounding():
    first = np.where(T < 20, 1.0, 0.9**T)
    second = np.maximum(0.81**T, 1e-14)
    found = rates.slopes(T, {"first": first, "second": second}, below=1e-1, above=1e-13)
    assert found["first"] == pytest.approx(np.log(0.9), rel=1e-12)
    assert found["second"] == pytest.approx(2 * np.log(0.9), rel=1e-12)
    whole = rates.slopes(T, {"first": first, "second": second})
    assert whole["second"] != pytest.approx(2 * np.log(0.9), rel=0.05)


def test_only_the_first_error_opens_the_window_and_all_close_it():
    first, second = 0.5**T, np.full(200, 10.0)
    found = rates.slopes(T, {"first": first, "second": second}, below=1, above=1e-3)
    assert found["second"] == pytest.approx(0, abs=1e-12)
    closed = rates.slopes(T, {"first": first, "second": 1e-9 * second}, below=1, above=1e-3)
    assert np.isnan([*closed.values()]).all()


@pytest.mark.parametrize(("n_inside", "slope"), [(3, np.log(0.5)), (2, np.nan)])
def test_three_points_make_a_slope_and_two_do_not(n_inside, slope):
    found = rates.slopes(T, {"first": 0.5**T}, below=0.3, above=0.5 ** (n_inside + 1.5))
    assert found["first"] == pytest.approx(slope, rel=1e-12, nan_ok=True)


def test_powers_are_straight_in_log_log_from_a_start_on():
    errors = {"g": np.where(T < 50, 1.0, T**-1.5), "h": np.where(T < 50, 1.0, T**-3.0)}
    found = rates.slopes(T, errors, start=50, power=True)
    assert found == pytest.approx({"g": -1.5, "h": -3.0}, rel=1e-12)


@pytest.mark.parametrize("level", [1e-2, 1e-4])
def test_iterations_to_a_level_of_a_power_are_exact_between_points(level):
    t = np.array([1, 10, 100, 1000])
    assert rates.iterations_to(t, t**-2.0, level) == pytest.approx(level**-0.5, rel=1e-12)
    assert rates.iterations_to(t, t**-2.0, 3e-3) == pytest.approx(3e-3**-0.5, rel=1e-12)


def test_it_is_the_last_crossing_that_counts():
    errors = np.array([1.0, 1e-3, 1.0, 1e-4, 1e-5])
    assert 3 < rates.iterations_to([1, 2, 3, 4, 5], errors, 1e-2) < 4


def test_what_is_never_reached_is_nan_and_what_is_there_at_once_the_first():
    assert np.isnan(rates.iterations_to([1, 2], [1.0, 0.5], 0.1))
    assert rates.iterations_to([5, 6], [0.01, 0.001], 0.1) == 5
    assert 1 < rates.iterations_to([1, 2], [1.0, 0.0], 0.1) < 2


@pytest.mark.parametrize("size", [1e-200, 1e20, 1e200])
def test_slopes_of_large_and_small_numbers(size):
    x = size * np.array([1.0, 2.0, 3.0])
    assert rates.slope(x, [1, 2, 3]) == pytest.approx(1 / size, rel=1e-12)
    if size == 1e20:
        assert rates.slope(x.astype(np.float32), [1, 2, 3]) == pytest.approx(1 / size, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rates.slope([1, 2], [1, 2]), "needs three points and two different x"),
        (lambda: rates.slope([1, 1, 1], [1, 2, 3]), "needs three points and two different x"),
        (lambda: rates.slope([1, 2, 3], [1, np.nan, 3]), "y must be finite, got nan"),
        (lambda: rates.slope([1, 2, 3], [1, 2]), "x and y must have one length"),
        (lambda: rates.slopes([1, 2], {"g": [1.0, -1.0]}), "g must be finite and at least 0"),
        (lambda: rates.slope([0, 1e-300, 2e-300], [0, 1e9, 2e9]), "the slope overflows. Scale x"),
        (
            lambda: rates.slopes([0, 1, 2], {"g": [1.0, 1, 1]}, power=True),
            "t must be above 0 where power=True, got 0 at index 0. Leave it out by start.",
        ),
        (lambda: rates.slopes([1, 2], {"g": [1.0]}), "t and g must have one length"),
        (lambda: rates.iterations_to([2, 1], [1, 1], 0.1), "t must ascend"),
        (lambda: rates.iterations_to([0, 1], [1, 1], 0.1), "t must be finite and at least 1"),
        (lambda: rates.iterations_to([1, 2], [1, 1], 0), "level must be above 0, got 0"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
