"""What was observed and what was drawn stand side by side, at one scale."""

import matplotlib
import numpy as np
import pytest

from common.scattering.pictures import beside

matplotlib.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3)])
def test_images_share_the_grey_scale_of_the_observed_one(shape):
    observed = np.linspace(-2, 6, np.prod(shape)).reshape(shape)
    drawn = np.stack([observed + 4, observed * 0, observed])
    fig = beside(observed, drawn)
    assert [ax.get_title() for ax in fig.axes] == ["observed", "drawn 1", "drawn 2", "drawn 3"]
    first, second, third, fourth = (np.asarray(ax.images[0].get_array()) for ax in fig.axes)
    assert first.min() == 0 and first.max() == 1 and first.shape == shape
    np.testing.assert_allclose(second, np.clip(first + 0.5, 0, 1))
    np.testing.assert_allclose(third, 0.25)
    np.testing.assert_array_equal(fourth, first)


def test_patterns_are_points_in_their_window():
    points = np.random.default_rng(0).random((7, 30, 2)) * 4
    fig = beside(points[0], points[1:], window=4)
    assert len(fig.axes) == 7
    for ax, pattern in zip(fig.axes, points, strict=True):
        np.testing.assert_array_equal(ax.lines[0].get_xydata(), pattern)
        assert ax.get_xlim() == ax.get_ylim() == (0, 4)


@pytest.mark.parametrize(
    ("observed", "drawn", "message"),
    [
        (np.zeros(5), np.zeros((2, 5)), r"observed must have the shape .* got \(5,\)"),
        (np.zeros((4, 4, 2)), np.zeros((1, 4, 4, 2)), r"got \(4, 4, 2\)"),
        (np.zeros((4, 4)), np.zeros((4, 4)), r"one after the other; got shape \(4, 4\)"),
        (np.zeros((4, 4)), np.zeros((2, 4, 5)), r"of shape \(4, 4\).*got shape \(2, 4, 5\)"),
        (np.zeros((9, 2)), np.zeros((3, 9, 3)), r"got shape \(3, 9, 3\)"),
        (np.full((4, 4), np.nan), np.zeros((1, 4, 4)), "observed must be finite, got nan"),
    ],
)
def test_other_shapes_and_values_are_refused(observed, drawn, message):
    with pytest.raises(ValueError, match=message):
        beside(observed, drawn)


def test_a_window_without_a_side_is_refused():
    with pytest.raises(ValueError, match="window must be"):
        beside(np.zeros((9, 2)), np.zeros((1, 9, 2)), window=0)
