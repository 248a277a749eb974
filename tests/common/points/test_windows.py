"""What is refused of points, with the value and the fix; and periodic copies."""

import numpy as np
import pytest

from common.points.windows import check_points, copies_around


@pytest.mark.parametrize(
    ("points", "options", "error", "message"),
    [
        ([[0.1, 0.2]], {}, ValueError, "points must be at least 2, got 1"),
        (np.zeros((0, 2)), {}, ValueError, "points must be at least 2, got 0"),
        (
            [[0.1, 0.2], [0.3, 1.0], [0.2, -4]],
            {},
            ValueError,
            r"in the window \[0, 1\)², got \(0.3, 1\) at index 1, and 1 more. Set window",
        ),
        ([[0.1, 0.2], [7, 1]], {"window": 6.0}, ValueError, r"\[0, 6\)², got \(7, 1\) at index 1"),
        ([[0.1, 0.2], [np.nan, 0]], {}, ValueError, r"points must be finite, got nan at index \(1"),
        ([[0.1, 0.2, 0.3]] * 2, {}, ValueError, r"shape \(n_points, 2\), got \(2, 3\)"),
        ([["a", "b"]] * 2, {}, TypeError, "points must hold numbers"),
        ([[0.1, 0.2]] * 2, {"window": 0}, ValueError, "window must be above 0, got 0"),
    ],
)
def test_what_is_no_pattern_is_refused(points, options, error, message):
    with pytest.raises(error, match=message):
        check_points(points, **options)


def test_points_on_the_lower_borders_belong_to_the_window():
    assert check_points([[0, 0], [0.0, 0.5]]).dtype == np.float64


def test_copies_begin_with_the_points_and_repeat_them():
    points = 2 * np.random.default_rng(0).random((5, 2))
    copies, origin = copies_around(points, window=2.0)
    np.testing.assert_array_equal(copies[:5], points)
    steps = (copies - points[origin]) / 2.0
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-12)
    assert len(np.unique(np.round(copies, 9), axis=0)) == 45
    near, _ = copies_around(points, window=2.0, margin=0.5)
    expected = ((copies >= -0.5) & (copies < 2.5)).all(axis=1)
    assert len(near) == expected.sum()


def test_a_copy_on_the_lower_margin_counts_and_one_on_the_upper_does_not():
    # Half of a window of 2 below and above: copies at -0.5 and at 2.5.
    near, _ = copies_around(np.array([[1.5, 1.0], [0.5, 1.0]]), window=2.0, margin=0.5)
    columns = sorted(near[near[:, 1] == 1.0][:, 0].tolist())
    assert columns == [-0.5, 0.5, 1.5]
