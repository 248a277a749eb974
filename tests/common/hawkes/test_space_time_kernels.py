"""Kernels in the plane: densities on a square, whatever their width."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from common.hawkes.space_time_kernels import (
    SPACE_KERNELS,
    IsotropicGaussian,
    PowerLaw,
    discretise_plane,
    plane_lags,
)

CASES = [
    (IsotropicGaussian(), [0.2, 0.3]),
    (IsotropicGaussian(centred=True), [0.4]),
    (PowerLaw(), [-0.1, 0.05]),
    (PowerLaw(centred=True), [0.3]),
]


@pytest.mark.parametrize(("kernel", "theta"), CASES)
def test_mass_is_the_integral_of_the_density(kernel, theta):
    for low_x, high_x, low_y, high_y in ((-1, 1, -1, 1), (-0.3, 0.4, 0.1, 0.8), (0.5, 3, -2, 0)):
        inside = np.clip([low_x, high_x, low_y, high_y], -1, 1)
        expected, _ = scipy.integrate.dblquad(
            lambda y, x: float(kernel.value(np.array(x), np.array(y), theta, length=1.0)), *inside
        )
        found = kernel.mass(low_x, high_x, low_y, high_y, theta, length=1.0)
        assert found == pytest.approx(expected, rel=1e-6)  # that of the quadrature
    assert kernel.mass(-1, 1, -1, 1, theta, length=1.0) == pytest.approx(1)


@pytest.mark.parametrize(("kernel", "theta"), CASES)
def test_no_density_outside_the_square(kernel, theta):
    far = np.array([-1.01, 0.0, 2.0, 0.0])
    assert not kernel.value(far, far[::-1], theta, length=1.0)[[0, 2]].any()


@pytest.mark.parametrize(("kernel", "theta"), CASES)
def test_displacements_fall_into_rectangles_as_often_as_they_should(kernel, theta):
    drawn = kernel.sample(20_000, theta, length=1.0, rng=np.random.default_rng(0))
    assert np.abs(drawn).max() <= 1
    edges = np.array([-1, -0.3, 0.0, 0.2, 1])
    low, high = edges[:-1], edges[1:]
    expected = 20_000 * kernel.mass(
        low[:, None], high[:, None], low[None], high[None], theta, length=1.0
    )
    counts = np.histogram2d(*drawn.T, [edges, edges])[0]
    assert scipy.stats.chisquare(counts.ravel(), expected.ravel()).pvalue > 1e-3


@pytest.mark.parametrize(("kernel", "theta"), CASES)
def test_on_a_grid_a_kernel_has_unit_mass_and_the_derivative_of_differences(kernel, theta):
    options = {"length": 1.0, "delta": (0.1, 0.2)}
    value, change = discretise_plane(kernel, theta, derivative=True, **options)
    assert value.shape == (21, 11)
    assert 0.1 * 0.2 * value.sum() == pytest.approx(1)
    for index in range(len(theta)):
        step = 1e-5 * np.eye(len(theta))[index]
        high, low = (discretise_plane(kernel, theta + s, **options) for s in (step, -step))
        # Of order step^2, relative to the largest third derivative, which is below 1e5 here.
        np.testing.assert_allclose(change[index], (high - low) / 2e-5, atol=1e-5 * value.max())


@pytest.mark.parametrize("kernel", [IsotropicGaussian(), PowerLaw()])
def test_a_kernel_much_narrower_than_a_cell_does_not_vanish(kernel):
    value, change = discretise_plane(
        kernel, [0.05, 1e-6], length=1.0, delta=(0.5, 0.5), derivative=True
    )
    # A power law leaves about 2 % to the other lags, a Gaussian nothing.
    assert value[2, 2] == pytest.approx(4, rel=0.03)
    assert np.isfinite(change).all()


def test_wide_kernels_are_flat():
    # Of an infinitely wide kernel, the density is that of the uniform law on the square.
    for name, width in (("gaussian", 1e4), ("power-law", 1e8)):
        kernel = SPACE_KERNELS[name](centred=True)
        value = kernel.value(np.array([0.0, 0.7]), np.array([0.1, -0.9]), [width], length=1.0)
        np.testing.assert_allclose(value, 0.25, rtol=1e-6)


def test_lags_reach_as_far_as_whole_steps_do():
    x, y = plane_lags(0.35, delta=(0.07, 0.1))
    np.testing.assert_allclose(x, 0.07 * np.arange(-5, 6))
    np.testing.assert_allclose(y, 0.1 * np.arange(-3, 4))


def test_a_negative_width_is_refused():
    with pytest.raises(ValueError, match=r"sigma must be finite and above 0, got -0.1"):
        IsotropicGaussian().check([0.0, -0.1])


GAUSSIAN, THETA = IsotropicGaussian(), [0.0, 0.2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: GAUSSIAN.mass(1, 0, 0, 1, THETA, length=1.0),
            "low_x must be at most high_x, got 1 and 0. Swap them",
        ),
        (
            lambda: GAUSSIAN.mass(0, 1, [0, 0], [1, np.nan], THETA, length=1.0),
            "low_y must be at most high_y, got 0 and nan",
        ),
        (lambda: GAUSSIAN.mass(0, 1, 0, 1, THETA, length=0.0), "length must be above 0, got 0.0"),
        (lambda: GAUSSIAN.value(0.1, 0.1, THETA, length=0.0), "length must be above 0, got 0.0"),
        (lambda: GAUSSIAN.value(0.1, 0.1, THETA, length=-1.0), "length must be above 0, got -1.0"),
        (lambda: GAUSSIAN.value(0.1, 0.1, THETA, length=None), "length must be a number, got None"),
        (lambda: GAUSSIAN.value(0.1, 0.1, [0, 1e200], length=1.0), r"sigma=1e\+200 has hardly any"),
        (lambda: GAUSSIAN.value(0.1, 0.1, [0, 1e-200], length=1.0), "sigma=1e-200 has hardly any"),
        (lambda: draw(-1), "n_samples must be at least 0, got -1"),
        (lambda: draw(3, rng=0), "rng must be a numpy.random.Generator, got 0"),
        (lambda: draw(3, length=None), "length must be a number, got None"),
        (lambda: plane_lags([1, 1], delta=(0.1, 0.1)), r"length must be a number, got \[1, 1\]"),
        (lambda: plane_lags(1.0, delta=0.1), r"delta must have 1 axis, got shape \(\)"),
        (lambda: plane_lags(1.0, delta=[0.1]), r"delta must be two steps, .* got \[0.1\]"),
        (lambda: plane_lags(1.0, delta=(0.1, 0)), "delta must be finite and above 0, got 0.0"),
        (
            lambda: discretise_plane(GAUSSIAN, THETA, length=1.0, delta=0.1),
            r"delta must have 1 axis, got shape \(\)",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def draw(n_samples, *, length=1.0, rng=None):
    rng = np.random.default_rng(0) if rng is None else rng
    return GAUSSIAN.sample(n_samples, THETA, length=length, rng=rng)


def test_a_wrong_number_of_parameters_is_refused():
    with pytest.raises(ValueError, match=r"has the parameters mean, scale, got shape \(1,\)"):
        PowerLaw().check([0.1])


def test_a_kernel_that_hardly_reaches_the_square_is_refused(monkeypatch):
    monkeypatch.setattr("common.hawkes.space_time_kernels._MOST_ROUNDS", 20)
    with pytest.raises(ValueError, match=r"with sigma=1e\+06 has hardly any mass within 1 of"):
        IsotropicGaussian(centred=True).sample(3, [1e6], length=1.0, rng=np.random.default_rng(0))
