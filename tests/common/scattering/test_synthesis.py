"""Descent to given moments, histograms, and the comparison of images but for a shift."""

import numpy as np
import pytest
import torch

from common.scattering.synthesis import descend, match_histogram, psnr_circular


def quadratic(x):
    weights = torch.arange(1, x.numel() + 1, dtype=x.real.dtype).reshape(x.shape)
    return (weights * (x - 1).abs().square()).sum()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex128])
def test_the_minimum_of_a_quadratic_is_found(dtype):
    start = torch.zeros(3, 4, dtype=dtype)
    found = descend(quadratic, start, iterations=100)
    assert found.x.dtype == dtype and found.x.shape == start.shape
    np.testing.assert_allclose(found.x, np.ones((3, 4)), atol=1e-3 if dtype.itemsize == 4 else 1e-6)
    assert (start == 0).all()


def test_the_objective_never_rises_and_is_recorded_without_the_factor():
    found = descend(quadratic, torch.zeros(8, dtype=torch.float64), iterations=[3, 4], factor=1e3)
    assert found.history[0] == 36.0  # 1 + ... + 8
    assert (np.diff(found.history) <= 0).all()
    assert found.n_iterations == [3, 4] and len(found.history) == 8
    assert found.history[-1] == pytest.approx(quadratic(found.x).item())


def test_a_run_goes_on_where_the_last_one_ended():
    start = torch.zeros(8, dtype=torch.float64)
    first = descend(quadratic, start, iterations=3)
    both = descend(quadratic, start, iterations=[3, 2])
    again = descend(quadratic, first.x, iterations=2)
    np.testing.assert_allclose(both.history[4:], again.history[1:], rtol=1e-10)


def test_a_bar_sees_every_iteration():
    class Bar:
        seen, text = 0, ""

        def update(self, n):
            self.seen += n

        def set_postfix(self, refresh, **values):
            self.text = values["loss"]

    bar = Bar()
    found = descend(quadratic, torch.zeros(8, dtype=torch.float64), iterations=3, progress=bar)
    assert bar.seen == 3 and float(bar.text) == pytest.approx(found.history[-1], rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((quadratic, [0.0]), {}, TypeError, "start must be a tensor of floating.*, got list"),
        (
            (quadratic, torch.zeros(2, dtype=torch.int64)),
            {},
            TypeError,
            "start must be a tensor of floating-point numbers, got torch.int64",
        ),
        ((quadratic, torch.tensor([np.nan])), {}, ValueError, r"start\[0\] is nan"),
        ((quadratic, torch.zeros(2)), {"iterations": []}, ValueError, "iterations is empty"),
        (
            (quadratic, torch.zeros(2)),
            {"iterations": [3, 0]},
            ValueError,
            "iterations must be at least 1, got 0",
        ),
        (
            (lambda x: 0 / x.sum(), torch.zeros(2)),
            {},
            ValueError,
            "the objective must be one finite number, got nan",
        ),
        (
            (lambda x: x, torch.zeros(2)),
            {},
            ValueError,
            r"the objective must be one finite number, got shape \(2,\)",
        ),
    ],
)
def test_what_cannot_descend_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        descend(*arguments, **options)


def test_histograms_become_the_observed_ones_in_the_order_of_the_image():
    rng = np.random.default_rng(0)
    image, observed = rng.standard_normal((8, 9)), rng.exponential(size=(9, 8))
    matched = match_histogram(image, observed)
    np.testing.assert_allclose(np.sort(matched, axis=None), np.sort(observed, axis=None))
    assert (np.argsort(matched, axis=None) == np.argsort(image, axis=None)).all()
    np.testing.assert_allclose(match_histogram(image, image), image)


def test_equal_values_stay_equal():
    matched = match_histogram(np.array([0.0, 0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(matched, [1.5, 1.5, 3, 4])


def test_histograms_of_no_image_are_refused():
    with pytest.raises(ValueError, match="observed is empty"):
        match_histogram(np.ones(3), np.ones(0))


def test_a_shift_is_undone():
    image = np.random.default_rng(0).uniform(size=(16, 12))
    moved = np.roll(image, (-3, 5), axis=(0, 1)) + 0.1
    psnr, shift = psnr_circular(image, moved)
    assert shift == (3, 7) and psnr == pytest.approx(20)
    assert psnr_circular(image, moved, peak=10.0)[0] == pytest.approx(40)
    assert psnr_circular(image, image) == (np.inf, (0, 0))


def test_images_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3\) and \(3, 2\)"):
        psnr_circular(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="peak must be above 0, got 0"):
        psnr_circular(np.ones((2, 3)), np.ones((2, 3)), peak=0)
