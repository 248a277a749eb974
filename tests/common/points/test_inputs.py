"""What cannot be computed with is refused, with its value and what to do."""

import re

import numpy as np
import pytest
import torch

from common.points.descent import MaximumEntropy
from common.points.moments import PatternMoments
from common.points.persistence import alpha_persistence, betti_curves
from common.points.processes import circles, cox
from common.points.rasterise import rasterise
from common.points.statistics import largest_correlation, pair_correlation
from common.points.windows import check_points, copies_around

NAN = np.nan
POINTS = np.random.default_rng(0).random((20, 2))


def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    return MaximumEntropy(size=16, iterations=1).fit(POINTS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: rasterise(torch.zeros(5, 3), 16, 1.0),
            "x must have shape (..., n_points, 2), got",
        ),
        (
            lambda: rasterise(torch.zeros(2), 16, 1.0),
            "x must have shape (..., n_points, 2), got (2",
        ),
        (
            lambda: rasterise(torch.tensor([[0.5, float("nan")]]), 16, 1.0),
            "x must hold finite places, got nan.",
        ),
        (
            lambda: pair_correlation(POINTS, [0, 1e-170, 1e-169]),
            "edges must be at least two distances that ascend",
        ),
        (
            lambda: pair_correlation(POINTS, [0, 0.1], window=1e300),
            "window must be at least 1e-100 and at most 1e+100, got 1e+300.",
        ),
        (
            lambda: PatternMoments(16, 2).fit(torch.rand(1, 16, 16)),
            "image must be one image, of shape (16, 16), got (1, 16, 16).",
        ),
        (
            lambda: PatternMoments(16, 10**9),
            "J must be at least 1 and at most 62, got 1000000000.",
        ),
        (lambda: rasterise(torch.zeros(5, 2), 16, 1e-200), "sigma must be at least 1e-06 and at"),
        (
            lambda: rasterise(torch.zeros(5, 2), 16, 1e200),
            "at most 1e+06 pixels, got 1e+200 pixels",
        ),
        (
            lambda: largest_correlation(POINTS, POINTS, size="64"),
            "size must be a whole number, got",
        ),
        (lambda: largest_correlation(POINTS, POINTS, size=1), "size must be at least 2, got 1."),
        (
            lambda: largest_correlation(POINTS, POINTS, size=8, sigma=1e5),
            "the image of points is constant at size=8 and sigma=100000 pixels",
        ),
        (
            lambda: circles(3, 5, radius=(0.1,), rng=rng()),
            "radius must be the smallest and the largest one, got (0.1,).",
        ),
        (
            lambda: cox(1e200 * POINTS[:2], 10, contrast=1.0, rng=rng()),
            "field must be square and not constant, got shape (2, 2) and standard deviation inf.",
        ),
        (lambda: check_points(POINTS, at_least=NAN), "at_least must be a whole number, got nan."),
        (lambda: copies_around(POINTS[0]), "points must have 2 axes, got shape (2,)."),
        (
            lambda: copies_around(POINTS[:, :1]),
            "points must have shape (n_points, 2), got (20, 1).",
        ),
        (lambda: copies_around(POINTS * NAN), "points must be finite, got nan at index (0, 0) and"),
        (lambda: copies_around(POINTS, window=NAN), "window must be above 0, got nan."),
        (lambda: copies_around(POINTS, margin=-1.0), "margin must be at least 0, got -1.0."),
        (
            lambda: betti_curves(None, [0.1]),
            "persistence must be what alpha_persistence(points) returns, got None.",
        ),
        (
            lambda: alpha_persistence([*POINTS, *(POINTS[:3] + 1e-14)]),
            "3 of the 23 different points are too near to others for a triangulation in double",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (2.5, "stage must be a whole number, got 2.5."),
        (True, "stage must be a whole number, got True."),
        (9, "stage must be at least -1 and at most 0, got 9."),
    ],
)
def test_a_stage_that_there_is_not_is_refused(model, stage, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        model.energy(POINTS, stage=stage)


@pytest.mark.parametrize("factor", [1e-200, 1e-30, 1e30, 1e200, 1.5e308])
def test_persistence_scales_with_the_points(factor):
    expected, found = alpha_persistence(POINTS), alpha_persistence(factor * POINTS)
    np.testing.assert_allclose(found.components / factor, expected.components, rtol=1e-12)
    np.testing.assert_allclose(found.holes / factor, expected.holes, rtol=1e-12)
    on_torus = alpha_persistence(POINTS, window=1.0)
    found = alpha_persistence(factor * POINTS, window=factor)
    np.testing.assert_allclose(found.components / factor, on_torus.components, rtol=1e-12)


def test_persistence_far_from_the_origin_leaves_no_point_out():
    expected, found = alpha_persistence(POINTS), alpha_persistence(POINTS + 1e6)
    np.testing.assert_allclose(found.components, expected.components, atol=1e-9)
    np.testing.assert_allclose(found.holes, expected.holes, atol=1e-9)
