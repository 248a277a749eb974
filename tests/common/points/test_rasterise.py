"""Images of patterns: direct sums, mass, shifts, gradients."""

import math

import numpy as np
import pytest
import torch

from common.points.rasterise import blur_schedule, rasterise


def points(n=20, size=16, seed=0):
    return torch.as_tensor(size * np.random.default_rng(seed).random((n, 2)))


@pytest.mark.parametrize("sigma", [0.7, 1.5])
def test_an_image_is_the_sum_over_points_and_their_copies(sigma):
    x, size = points(), 16
    expected = np.zeros((size, size))
    for u in range(size):
        for v in range(size):
            for a, b in x.tolist():
                # The copy farther round is at least half a side away: exp(-8² / (2 · 1.5²)) < 1e-6.
                squares = [min(abs(p - q), size - abs(p - q)) ** 2 for p, q in ((a, u), (b, v))]
                expected[u, v] += math.exp(-sum(squares) / (2 * sigma**2))
    expected /= 2 * math.pi * sigma**2
    np.testing.assert_allclose(rasterise(x, size, sigma).numpy(), expected, rtol=1e-12, atol=1e-15)


def test_each_point_has_the_mass_one():
    # A sum over pixels differs from the integral by 2 exp(-2 π² s²) along each axis, and the tails
    # beyond half a side are exp(-8² / 2 s²).
    total = rasterise(points(), 16, 1.2).sum().item()
    assert total == pytest.approx(20, rel=2e-8)


def test_whole_shifts_of_points_shift_the_image():
    x = points()
    image = rasterise(x, 16, 1.0)
    moved = rasterise(x + torch.tensor([3.0, -5.0]), 16, 1.0)
    np.testing.assert_allclose(moved, torch.roll(image, (3, -5), (0, 1)), atol=1e-13)
    around = rasterise(x + torch.tensor([-16.0, 32.0]), 16, 1.0)
    np.testing.assert_allclose(around, image, atol=1e-13)


def test_patterns_of_a_batch_are_drawn_alike():
    both = torch.stack([points(seed=0), points(seed=1)])
    images = rasterise(both, 16, 1.0)
    for image, x in zip(images, both, strict=True):
        np.testing.assert_allclose(image, rasterise(x, 16, 1.0), atol=1e-14)


def test_gradients_are_those_of_finite_differences():
    x = points(4).requires_grad_()
    weight = torch.as_tensor(np.random.default_rng(1).standard_normal((16, 16)))
    assert torch.autograd.gradcheck(lambda x: (rasterise(x, 16, 0.8) * weight).sum(), (x,))


def test_the_schedule_is_the_authors():
    assert blur_schedule(128) == (4.0, 2.0, 1.0, 0.5)
    assert blur_schedule(64) == (3.0, 1.5, 0.75)
    assert blur_schedule(16) == (1.0,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rasterise(np.ones((2, 2)), 16, 1.0), TypeError, "must be a tensor .* got ndarray"),
        (lambda: rasterise(points(), 0, 1.0), ValueError, "size must be at least 1, got 0"),
        (
            lambda: rasterise(points(), 16, 0.0),
            ValueError,
            r"at least 1e-06 .* got 0\.0 pixels",
        ),
        (lambda: blur_schedule(48), ValueError, "power of two, got 48; or give sigmas yourself"),
        (lambda: blur_schedule(8), ValueError, "size must be at least 16, got 8"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
