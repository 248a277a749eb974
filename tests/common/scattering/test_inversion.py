"""Signals found from their coefficients: descent, what is reached, and what is refused."""

import numpy as np
import pytest
import torch

from common.scattering import Scattering2D
from common.scattering.inversion import invert_adam, invert_bold_driver, psnr

INVERSIONS = [
    pytest.param(invert_bold_driver, {"learning_rate": 1.0}, id="bold-driver"),
    pytest.param(invert_adam, {"learning_rate": 0.05}, id="adam"),
]


def linear(weights):
    return lambda y: y @ weights


@pytest.fixture(scope="module")
def image_case():
    row, column = np.mgrid[:16, :16]
    image = 0.5 + 0.3 * np.cos(0.9 * row + 0.4 * column) + 0.2 * (row > column)
    transform = Scattering2D(2, (16, 16), L=4)
    start = np.random.default_rng(0).uniform(size=(16, 16))
    return transform, image, start


@pytest.mark.parametrize(("invert", "options"), INVERSIONS)
def test_coefficients_approach_the_target(image_case, invert, options):
    transform, image, start = image_case
    target = transform(image)
    signal, history = invert(transform, target, start, iterations=150, **options)
    before, after = (np.linalg.norm(transform(y) - target) for y in (start, signal))
    assert after < 0.15 * before  # nothing but progress is promised of so few steps
    assert len(history) == 151
    # The image, too, as far as 4 x 4 pixels share their averages.
    assert psnr(signal, image, 1.0) > psnr(start, image, 1.0) + 6


@pytest.mark.parametrize(("invert", "options"), INVERSIONS)
def test_the_result_is_reproducible_and_the_start_unchanged(image_case, invert, options):
    transform, image, start = image_case
    target, given = transform(image), start.copy()
    one, two = (invert(transform, target, start, iterations=10, **options) for _ in range(2))
    np.testing.assert_array_equal(one.signal, two.signal)
    np.testing.assert_array_equal(one.history, two.history)
    np.testing.assert_array_equal(start, given)


@pytest.mark.parametrize(("invert", "options"), INVERSIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_give_tensors_of_their_precision(image_case, invert, options, dtype):
    transform, image, start = image_case
    start = torch.from_numpy(start).to(dtype).requires_grad_()
    signal, _ = invert(transform, transform(image), start, iterations=2, **options)
    assert signal.dtype == dtype and not signal.requires_grad
    assert start.grad is None


@pytest.mark.parametrize(("invert", "options"), INVERSIONS)
def test_a_start_at_the_solution_stays_there(image_case, invert, options):
    transform, image, _ = image_case
    signal, history = invert(transform, transform(image), image, iterations=3, **options)
    np.testing.assert_allclose(signal, image, atol=1e-12)
    # Rounding of a hundred coefficients of about one, with gradients recorded and without.
    assert history[0] < 1e-13


@pytest.mark.parametrize(("invert", "options"), INVERSIONS)
def test_an_invertible_linear_map_is_inverted(invert, options):
    rng = np.random.default_rng(0)
    weights = torch.from_numpy(np.eye(5) + 0.2 * rng.standard_normal((5, 5)))
    wanted = rng.standard_normal(5)
    signal, _ = invert(
        linear(weights), wanted @ weights.numpy(), np.zeros(5), iterations=300, **options
    )
    np.testing.assert_allclose(signal, wanted, atol=1e-3)


def test_bold_driver_follows_its_rule():
    # On |y - 1| the gradient is -1 below and 1 above. Rate 1.5 from 0 reaches 1.5: kept, rate 1.65,
    # from where -0.15 is worse and undone; rate 0.9075 reaches 0.5925, better than 0.5 away.
    one = np.array([1.0])
    signal, history = invert_bold_driver(
        lambda y: y, one, np.zeros(1), learning_rate=1.5, iterations=3
    )
    np.testing.assert_allclose(history, [1, 0.5, 0.5, 0.4075], rtol=1e-12)
    np.testing.assert_allclose(signal, [0.5925], rtol=1e-12)
    _, history = invert_bold_driver(
        lambda y: y, one, np.zeros(1), learning_rate=0.1, up=2.0, down=0.5, iterations=4
    )
    # Steps of 0.1, 0.2, 0.4, then 0.8, which misses by 0.5 what was missed by 0.3.
    np.testing.assert_allclose(history, [1, 0.9, 0.7, 0.3, 0.3], rtol=1e-12)


def test_bold_driver_never_rises_even_where_its_first_steps_overflow(image_case):
    transform, image, start = image_case
    start, target = start.astype(np.float32), transform(image.astype(np.float32))
    signal, history = invert_bold_driver(
        transform, target, start, learning_rate=1e60, down=0.01, iterations=80
    )
    assert np.all(np.diff(history) <= 0) and history[-1] < 0.5 * history[0]
    assert np.isfinite(signal).all()


def test_adam_returns_the_best_point_and_not_the_last():
    # With a rate of 1, steps about the solution overshoot.
    transform = linear(torch.eye(3, dtype=torch.float64))
    wanted = np.array([0.3, -0.2, 0.4])
    signal, history = invert_adam(transform, wanted, np.zeros(3), iterations=4)
    assert history.argmin() not in (0, 4)
    assert np.mean((signal - wanted) ** 2) == pytest.approx(history.min(), rel=1e-12)


def test_adam_makes_the_first_step_of_its_length():
    # Adam's first step is the rate, whatever the gradient.
    _, history = invert_adam(lambda y: y, np.array([5.0]), np.zeros(1), learning_rate=0.5)
    assert history[:2] == pytest.approx([25, 4.5**2], rel=1e-6)


def test_psnr_of_known_errors():
    a = np.random.default_rng(0).uniform(size=(3, 4, 4))
    assert psnr(a, a + 0.01, 1.0) == pytest.approx(40)
    assert psnr(255 * a, torch.from_numpy(255 * a) - 25.5, 255) == pytest.approx(20)
    assert psnr(a, a, 1.0) == np.inf


@pytest.mark.parametrize("invert", [invert_bold_driver, invert_adam])
class TestErrors:
    def test_wrong_shapes(self, image_case, invert):
        transform, image, start = image_case
        message = r"coefficients have shape \(2, 25, 4, 4\), .* \(16, 16\), has \(25, 4, 4\)"
        with pytest.raises(ValueError, match=message):
            invert(transform, transform(np.stack([image, image])), start)

    def test_a_start_that_the_transform_does_not_take(self, image_case, invert):
        transform, image, start = image_case
        with pytest.raises(ValueError, match=r"must have shape \(16, 16\), .* \(16, 15\)"):
            invert(transform, transform(image), start[:, 1:])

    def test_values_that_are_not_finite(self, image_case, invert):
        transform, image, start = image_case
        start, target = start.copy(), transform(image)
        start[3, 2] = np.nan
        with pytest.raises(ValueError, match=r"start\[3, 2\] is nan \(1 of 256 values"):
            invert(transform, target, start)
        target[0, 1, 2] = np.inf
        with pytest.raises(ValueError, match=r"coefficients\[0, 1, 2\] is inf \(1 of 400"):
            invert(transform, target, image)

    def test_integers(self, image_case, invert):
        transform, image, _ = image_case
        with pytest.raises(TypeError, match=r"start must be floating point, got torch.int64"):
            invert(transform, transform(image), np.zeros((16, 16), dtype=int))

    def test_another_form_of_output(self, image_case, invert):
        transform, image, start = image_case
        paths = Scattering2D(2, (16, 16), L=4, out_type="list")
        with pytest.raises(TypeError, match=r"must return a tensor, got list. .*out_type='array'"):
            invert(paths, transform(image), start)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"learning_rate": 0.0}, "learning_rate must be positive and finite, got 0.0"),
            ({"learning_rate": float("inf")}, "learning_rate must be .* finite, got inf"),
            ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ],
    )
    def test_options(self, image_case, invert, options, message):
        transform, image, start = image_case
        with pytest.raises(ValueError, match=message):
            invert(transform, transform(image), start, **options)


def test_factors_of_the_bold_driver():
    for options, message in (
        ({"up": 0.9}, "up must be at least 1, got 0.9"),
        ({"down": 1.0}, "down must be between 0 and 1, got 1.0"),
        ({"down": 0.0}, "down must be between 0 and 1, got 0.0"),
    ):
        with pytest.raises(ValueError, match=message):
            invert_bold_driver(lambda y: y, np.ones(1), np.zeros(1), **options)


def test_a_diverging_adam_says_so():
    with pytest.raises(FloatingPointError, match=r"loss is inf after 1 steps; lower learning_rate"):
        invert_adam(
            lambda y: y, np.ones(1, np.float32), np.zeros(1, np.float32), learning_rate=1e30
        )


def test_psnr_errors():
    with pytest.raises(ValueError, match=r"one shape and values, got \(2,\) and \(3,\)"):
        psnr(np.zeros(2), np.zeros(3), 1.0)
    with pytest.raises(ValueError, match=r"b\[1\] is nan"):
        psnr(np.zeros(2), np.array([0, np.nan]), 1.0)
    with pytest.raises(ValueError, match="peak must be positive and finite, got 0"):
        psnr(np.zeros(2), np.zeros(2), 0)
