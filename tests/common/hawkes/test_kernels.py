import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from common.hawkes.kernels import (
    Kernel,
    Kumaraswamy,
    RaisedCosine,
    TruncatedExponential,
    TruncatedGaussian,
    discretise,
    from_unit,
    grid_lags,
    to_unit,
)
from common.hawkes.residuals import intensity_at
from common.hawkes.simulation import simulate


class Triangle(Kernel):
    """A user's kernel, by its value alone: a density that falls linearly, then more softly."""

    names = ("age",)

    def bounds(self, length, delta):
        return np.array([[delta, length]])

    def value(self, times, parameters, *, length):
        (age,) = self.columns(parameters)
        inside = (times >= 0) & (times <= length)
        area = age * (1 - (1 + length / age) ** -2.0) / 2
        return inside * (1 + np.abs(times) / age) ** -3 / area


# Parameters for length 1, time-like ones marked to scale with the length.
CASES = [
    (TruncatedGaussian(), [0.5, 0.3], [1, 1]),
    (TruncatedGaussian(), [0.05, 0.1], [1, 1]),
    (TruncatedGaussian(lower=0.03), [0.4, 0.2], [1, 1]),
    (RaisedCosine(), [0.2, 0.3], [1, 1]),
    (RaisedCosine(), [0.5, 0.4], [1, 1]),  # reaches beyond the support
    (RaisedCosine(), [0.0, 0.5], [1, 1]),
    (TruncatedExponential(), [5.0], [-1]),
    (TruncatedExponential(), [0.02], [-1]),
    (Kumaraswamy(), [2.0, 3.0], [0, 0]),
    (Kumaraswamy(), [1.5, 1.2], [0, 0]),
    (Triangle(), [0.3], [1]),
]
LENGTHS = [1.0, 2.7]
BUILT_IN = [case for case in CASES if not isinstance(case[0], Triangle)]


def scaled(parameters, powers, length):
    return np.array(parameters) * length ** np.array(powers, dtype=float)


def corners(bounds):
    grid = np.meshgrid(*bounds, indexing="ij")
    return np.stack([axis.ravel() for axis in grid])


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kernel, parameters, powers", CASES)
def test_density_integrates_to_one_and_is_the_derivative_of_its_integral(
    kernel, parameters, powers, length
):
    parameters = scaled(parameters, powers, length)
    breaks = [length / 3, 0.5 * length]
    if isinstance(kernel, RaisedCosine):
        breaks.append(min(parameters[0] + 2 * parameters[1], 0.99 * length))
    total, _ = scipy.integrate.quad(
        lambda t: kernel.value(np.array([t]), parameters, length=length)[0],
        getattr(kernel, "lower", 0.0),
        length,
        points=breaks,
        epsabs=1e-12,
    )
    assert total == pytest.approx(1, abs=1e-9)  # what quad promises, with a margin
    ends = kernel.integral(np.array([-1.0, 0.0, length, 2 * length]), parameters, length=length)
    np.testing.assert_allclose(ends, [0, 0, 1, 1], atol=1e-12)

    times = np.linspace(0.05, 0.95, 40) * length
    step = 1e-5 * length
    slope = (
        kernel.integral(times + step, parameters, length=length)
        - kernel.integral(times - step, parameters, length=length)
    ) / (2 * step)
    # Central differences: step^2 times a third derivative below 1e3, and rounding over the step.
    np.testing.assert_allclose(
        slope * length, length * kernel.value(times, parameters, length=length), atol=1e-6
    )


@pytest.mark.parametrize("kernel, parameters, powers", CASES)
def test_a_change_of_the_unit_of_time_rescales_the_density(kernel, parameters, powers):
    times = np.linspace(0, 1, 30)
    one = kernel.value(times, parameters, length=1.0)
    if getattr(kernel, "lower", 0.0):
        kernel = TruncatedGaussian(lower=2.7 * kernel.lower)
    other = kernel.value(2.7 * times, scaled(parameters, powers, 2.7), length=2.7)
    np.testing.assert_allclose(one, 2.7 * other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kernel, parameters, powers", CASES)
def test_derivative_agrees_with_finite_differences(kernel, parameters, powers, length):
    parameters = scaled(parameters, powers, length)
    times = np.linspace(0.037, 0.963, 50) * length
    got = kernel.derivative(times, parameters, length=length)
    assert got.shape == (len(parameters), 50)
    for index in range(len(parameters)):
        h = 1e-6 * parameters[index] + 1e-9  # u may be zero
        high, low = parameters.copy(), parameters.copy()
        high[index] += h
        low[index] -= h
        difference = kernel.value(times, high, length=length)
        difference = difference - kernel.value(times, low, length=length)
        # Rounding of the value, 1e-16, over a step of 1e-6 to 1e-9, and truncation of order h.
        np.testing.assert_allclose(
            got[index] * h, difference / 2, atol=2e-5 * h * np.abs(got[index]).max() + 1e-15
        )


def torch_shape(kernel, t, theta, length):
    """Kernel up to a factor, as written in the literature."""
    if isinstance(kernel, TruncatedGaussian):
        return torch.exp(-((t - theta[0]) ** 2) / (2 * theta[1] ** 2))
    if isinstance(kernel, RaisedCosine):
        bump = 1 + torch.cos(torch.pi * (t - theta[0]) / theta[1] - torch.pi)
        return torch.where((t >= theta[0]) & (t <= theta[0] + 2 * theta[1]), bump, 0.0)
    if isinstance(kernel, TruncatedExponential):
        return theta[0] * torch.exp(-theta[0] * t)
    x = t / length
    return x ** (theta[0] - 1) * (1 - x ** theta[0]) ** (theta[1] - 1)


def torch_density(kernel, times, theta, length):
    """Divided by its integral, by 64-point Gauss-Legendre quadrature on the support."""
    low = torch.tensor(getattr(kernel, "lower", 0.0), dtype=torch.float64)
    high = torch.tensor(length, dtype=torch.float64)
    if isinstance(kernel, RaisedCosine):
        low, high = theta[0], torch.minimum(theta[0] + 2 * theta[1], high)
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(64))
    if isinstance(kernel, Kumaraswamy):  # t = W v^4 (35 - 84 v + ...): smooth at both ends
        v = (nodes + 1) / 2
        points = high * v**4 * (35 - 84 * v + 70 * v**2 - 20 * v**3)
        weights = high * weights / 2 * 140 * v**3 * (1 - v) ** 3
    else:
        points = low + (high - low) * (nodes + 1) / 2
        weights = (high - low) * weights / 2
    area = (weights * torch_shape(kernel, points, theta, length)).sum()
    return torch_shape(kernel, times, theta, length) / area


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kernel, parameters, powers", BUILT_IN)
def test_value_and_derivative_agree_with_autograd_of_the_textbook_shape(
    kernel, parameters, powers, length
):
    parameters = scaled(parameters, powers, length)
    times = np.linspace(0.04, 0.96, 25) * length
    theta = torch.tensor(parameters, dtype=torch.float64, requires_grad=True)

    def density(theta):
        return torch_density(kernel, torch.from_numpy(times), theta, length)

    jacobian = torch.autograd.functional.jacobian(density, theta).numpy().T
    # Quadrature of smooth shapes: 1e-10 leaves room for the ends of Kumaraswamy's.
    np.testing.assert_allclose(
        kernel.value(times, parameters, length=length), density(theta).detach(), rtol=1e-9
    )
    np.testing.assert_allclose(
        kernel.derivative(times, parameters, length=length),
        jacobian,
        atol=1e-8 * np.abs(jacobian).max(),
    )


@pytest.mark.parametrize("kernel, parameters, powers", BUILT_IN)
def test_closed_forms_agree_with_the_numerical_methods_of_the_base_class(
    kernel, parameters, powers
):
    times = np.linspace(0.0, 1.0, 33)
    closed = kernel.integral(times, parameters, length=1.0)
    # A jump within one of the 512 panels costs a part of its mass; the root of Kumaraswamy's
    # density at its end, 1e-6; other ends within a panel, less than 1e-7.
    atol = 1e-4 if getattr(kernel, "lower", 0.0) else 1e-6
    numerical = Kernel.integral(kernel, times, parameters, length=1.0)
    np.testing.assert_allclose(numerical, closed, atol=atol)
    inner = times[1:-1]
    closed = kernel.derivative(inner, parameters, length=1.0)
    numerical = Kernel.derivative(kernel, inner, parameters, length=1.0)
    # Step 6e-6; where the raised cosine ends, its second derivative jumps.
    np.testing.assert_allclose(numerical, closed, atol=1e-4 * np.abs(closed).max())


@pytest.mark.parametrize("kernel, parameters, powers", CASES)
def test_many_parameters_at_once_are_as_many_kernels(kernel, parameters, powers):
    rng = np.random.default_rng(0)
    many = np.array(parameters)[:, None, None] * rng.uniform(0.7, 1.3, (len(parameters), 2, 3))
    times = np.linspace(0, 1, 7)
    value = kernel.value(times, many, length=1.0)
    integral = kernel.integral(times, many, length=1.0)
    derivative = kernel.derivative(times, many, length=1.0)
    assert value.shape == integral.shape == (2, 3, 7)
    assert derivative.shape == (len(parameters), 2, 3, 7)
    one = many[:, 1, 2]
    # Functions of arrays of another shape may be rounded in another way; some values are small
    # differences of large ones.
    for found, function in (
        (value[1, 2], kernel.value),
        (integral[1, 2], kernel.integral),
        (derivative[:, 1, 2], kernel.derivative),
    ):
        expected = function(times, one, length=1.0)
        atol = 1e-14 * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=atol)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kernel, parameters, powers", CASES)
def test_samples_follow_the_distribution_function(kernel, parameters, powers, length):
    parameters = scaled(parameters, powers, length)
    rng = np.random.default_rng(0)
    lags = kernel.sample(4000, parameters, length=length, rng=rng)
    assert lags.shape == (4000,) and lags.min() >= 0 and lags.max() <= length
    test = scipy.stats.kstest(lags, lambda t: kernel.integral(t, parameters, length=length))
    assert test.pvalue > 1e-3  # one fixed draw


@pytest.mark.parametrize("kernel, parameters, powers", CASES)
def test_numerical_inversion_is_exact_to_rounding(kernel, parameters, powers):
    uniform = np.random.default_rng(1).random(1000)
    lags = Kernel._inverse(kernel, uniform, np.array(parameters), 1.0)
    drawn = kernel.sample(1000, parameters, length=1.0, rng=np.random.default_rng(1))
    np.testing.assert_allclose(drawn, lags, atol=1e-13)
    # Newton stops when the lag moves by less than 1e-15; densities here are below 10.
    np.testing.assert_allclose(kernel.integral(lags, parameters, length=1.0), uniform, atol=1e-13)


def test_raised_cosine_is_the_textbook_one_with_adjacency_two_sigma_alpha():
    times = np.linspace(0.2, 0.8, 13)
    textbook = 0.8 * (1 + np.cos(np.pi * (times - 0.2) / 0.3 - np.pi))
    ours = 2 * 0.3 * 0.8 * RaisedCosine().value(times, [0.2, 0.3], length=1.0)
    np.testing.assert_allclose(ours, textbook, rtol=1e-12, atol=1e-12)


def test_gaussian_far_outside_its_support_stays_a_density():
    # ndtr(high) - ndtr(low) is 1 - 1 = 0 here unless taken from the other tail.
    lags = np.linspace(0, 1, 5)
    value = TruncatedGaussian().value(lags, [-10.0, 0.8], length=1.0)
    shape = np.exp(-(((lags + 10) ** 2) - 100) / (2 * 0.8**2))
    fine = np.linspace(0, 1, 20001)
    area = np.trapezoid(np.exp(-(((fine + 10) ** 2) - 100) / (2 * 0.8**2)), fine)
    expected = shape / area
    np.testing.assert_allclose(value, expected, rtol=1e-6)  # trapezoid rule, step 5e-5


@pytest.mark.parametrize("kernel, parameters, powers", CASES)
def test_density_is_zero_outside_its_support(kernel, parameters, powers):
    outside = kernel.value(np.array([-0.1, 1.001, 5.0]), parameters, length=1.0)
    assert np.all(outside == 0)
    if getattr(kernel, "lower", 0.0):
        assert kernel.value(np.array([0.02]), parameters, length=1.0) == 0


@pytest.mark.parametrize("length, n_lags", [(1.0, 100), (2.7, 10), (0.5, 25)])
@pytest.mark.parametrize("kernel, parameters, powers", CASES)
def test_discretised_kernel_has_unit_mass_and_the_shape_of_the_density(
    kernel, parameters, powers, length, n_lags
):
    parameters, delta = scaled(parameters, powers, length), length / n_lags
    value = discretise(kernel, parameters, length=length, delta=delta)
    assert value.shape == (n_lags,)
    assert delta * value.sum() == pytest.approx(1, rel=1e-14)
    density = [
        kernel.value(np.array([min(m * delta, length)]), parameters, length=length)[0]
        for m in range(1, n_lags + 1)
    ]
    np.testing.assert_allclose(value / value.max(), np.array(density) / max(density), rtol=1e-9)


@pytest.mark.parametrize("kernel, parameters, powers", CASES)
def test_derivative_of_the_discretised_kernel(kernel, parameters, powers):
    length, delta = 2.7, 0.09
    parameters = scaled(parameters, powers, length)
    _, got = discretise(kernel, parameters, length=length, delta=delta, derivative=True)
    # Unit mass whatever the parameters: the derivative has none.
    np.testing.assert_allclose(got.sum(-1), 0, atol=1e-9 * np.abs(got).max())
    for index in range(len(parameters)):
        h = 1e-6 * parameters[index] + 1e-9
        high, low = parameters.copy(), parameters.copy()
        high[index] += h
        low[index] -= h
        difference = discretise(kernel, high, length=length, delta=delta)
        difference = difference - discretise(kernel, low, length=length, delta=delta)
        np.testing.assert_allclose(
            got[index] * h, difference / 2, atol=2e-5 * h * np.abs(got[index]).max() + 1e-15
        )


def test_lags_are_spaced_by_delta_and_start_after_lag_zero():
    # A grid of L points from 0 to W has spacing W / (L - 1) and contains lag 0.
    lags = grid_lags(1.0, delta=0.1)
    np.testing.assert_allclose(lags, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert lags[-1] == 1.0


@pytest.mark.parametrize("delta", [0.07, 0.03, 0.3, 0.0215443469, 0.1 / 3])
@pytest.mark.parametrize("n_lags", [5, 10, 33, 100])
def test_number_of_lags_survives_rounding(delta, n_lags):
    # int(1 / delta) lags a second would give 14 of the 14.28 for delta = 0.07.
    lags = grid_lags(n_lags * delta, delta=delta)
    assert len(lags) == n_lags
    assert lags[-1] <= n_lags * delta
    assert len(grid_lags((n_lags + 0.5) * delta, delta=delta)) == n_lags


@pytest.mark.parametrize("length, n_lags", [(1.0, 5), (1.0, 10), (0.5, 100), (10.0, 1000)])
@pytest.mark.parametrize(
    "kernel",
    [
        TruncatedGaussian(),
        RaisedCosine(),
        TruncatedExponential(),
        Kumaraswamy(),
        TruncatedGaussian(lower=0.03),
        Triangle(),
    ],
)
def test_every_admissible_kernel_can_be_discretised(kernel, length, n_lags):
    delta = length / n_lags
    bounds = kernel.bounds(length, delta)
    assert np.all(bounds[:, 0] < bounds[:, 1])
    unit = np.random.default_rng(0).random((len(kernel.names), 300))
    many = np.concatenate([from_unit(unit, bounds)[0], corners(bounds)], axis=1)
    value, derivative = discretise(kernel, many, length=length, delta=delta, derivative=True)
    assert np.all(np.isfinite(value)) and np.all(value >= 0)
    assert np.all(np.isfinite(derivative))


@pytest.mark.parametrize(
    "kernel, mean, spread",
    [
        (TruncatedGaussian(), 0.5, 0.1),
        (RaisedCosine(), 0.4, 0.1),
        (RaisedCosine(), 0.9, 0.15),
        (TruncatedExponential(), 0.2, 0.2),
        (TruncatedExponential(), 0.95, 0.5),
        (Kumaraswamy(), 0.6, 0.2),
        (Kumaraswamy(), 1.4, 0.3),
        (Triangle(), 0.3, 0.3),
    ],
)
def test_start_has_the_moments_asked_for(kernel, mean, spread):
    length, delta = 2.0, 0.02
    start = kernel.start(np.full((2, 3), mean), np.full((2, 3), spread), length=length, delta=delta)
    assert start.shape == (len(kernel.names), 2, 3)
    np.testing.assert_allclose(
        to_unit(start, kernel.bounds(length, delta)),
        np.clip(to_unit(start, kernel.bounds(length, delta)), 0, 1),
    )
    times = (np.arange(4000) + 0.5) * length / 4000
    density = kernel.value(times, start[:, 0, 0], length=length) * length / 4000
    found = density @ times
    # Candidates are about a twentieth of the box apart; closed forms neglect truncation.
    assert found == pytest.approx(mean, abs=0.06)
    if len(kernel.names) > 1:
        assert np.sqrt(density @ (times - found) ** 2) == pytest.approx(spread, abs=0.06)


@pytest.mark.parametrize("kernel", [TruncatedGaussian(), RaisedCosine(), TruncatedExponential()])
def test_start_of_impossible_moments_is_admissible(kernel):
    mean, spread = np.array([0.0, 5.0, 0.01, 1.0]), np.array([0.0, 9.0, 3.0, 1e-9])
    start = kernel.start(mean, spread, length=1.0, delta=0.01)
    bounds = kernel.bounds(1.0, 0.01)
    assert np.all((start >= bounds[:, :1]) & (start <= bounds[:, 1:]))


def test_unit_cube_and_box_are_inverse_with_the_slope_of_the_map():
    bounds = np.array([[0.0, 2.0], [0.01, 100.0], [-1.0, 1.0]])
    unit = np.random.default_rng(0).random((3, 4))
    parameters, slope = from_unit(unit, bounds)
    np.testing.assert_allclose(to_unit(parameters, bounds), unit, atol=1e-14)
    assert parameters[1, 0] == pytest.approx(0.01 * 1e4 ** unit[1, 0])
    step = 1e-6
    difference = (from_unit(unit + step, bounds)[0] - from_unit(unit - step, bounds)[0]) / 2e-6
    np.testing.assert_allclose(slope, difference, rtol=1e-8)  # step^2 times (log 1e4)^2 / 6
    outside = to_unit(np.array([[3.0], [1e-9], [-7.0]]), bounds)
    np.testing.assert_array_equal(outside, [[1.0], [0.0], [0.0]])


def test_kernels_compare_and_print_by_their_options():
    assert TruncatedGaussian(lower=0.03) == TruncatedGaussian(lower=0.03) != TruncatedGaussian()
    assert repr(RaisedCosine()) == "RaisedCosine()"


def test_kernel_that_falls_between_the_lags_is_an_error():
    parameters = np.array([[0.2, 0.33], [0.3, 0.01]])
    with pytest.raises(
        ValueError, match=r"RaisedCosine\(\) with u=0.33, sigma=0.01 has sum 0 over"
    ):
        discretise(RaisedCosine(), parameters, length=1.0, delta=0.1)
    with pytest.raises(ValueError, match=r"kernel.bounds\(length=1, delta=0.1\)"):
        discretise(TruncatedGaussian(), [9.0, 0.1], length=1.0, delta=0.1)


NOT_DENSITIES = [
    (TruncatedGaussian(), [np.nan, 0.1], "mean must be finite, got nan"),
    (TruncatedGaussian(), [0.3, -0.1], "sigma must be .*above 0, got -0.1"),
    (RaisedCosine(), [0.3, 0.0], "sigma must be .*above 0, got 0.0"),
    (TruncatedExponential(), [-2.0], "decay must be .*above 0, got -2.0"),
    (Kumaraswamy(), [-1.0, 2.0], "a must be .*above 0, got -1.0"),
    (Kumaraswamy(), [1.0, np.inf], "b must be .*above 0, got inf"),
    (TruncatedExponential(), [1.0, 2.0], r"has the parameters decay, got shape \(2,\)"),
]


@pytest.mark.parametrize(("kernel", "parameters", "message"), NOT_DENSITIES)
def test_parameters_that_describe_no_density_are_refused(kernel, parameters, message):
    options = {"length": 1.0, "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=message):
        kernel.sample(10, parameters, **options)
    with pytest.raises(ValueError, match=message):
        discretise(kernel, parameters, length=1.0, delta=0.1)
    for function in (kernel.value, kernel.derivative, kernel.integral):
        with pytest.raises(ValueError, match=message):
            function(np.array([0.1, 0.2]), parameters, length=1.0)
    if len(parameters) == len(kernel.names):
        with pytest.raises(ValueError, match=message):
            simulate([1.0], [[0.5]], kernel, parameters, end_time=10.0, **options)
        nested = {"kernel": [[kernel]], "parameters": [[parameters]]}
        with pytest.raises(ValueError, match=message):
            simulate([1.0], [[0.5]], **nested, end_time=10.0, **options)


NO_MASS = [
    (TruncatedGaussian(), [5.0, 0.1], "mean=5, sigma=0.1"),
    (TruncatedGaussian(), [50.0, 0.1], "mean=50, sigma=0.1"),
    (TruncatedGaussian(), [-5.0, 0.1], "mean=-5, sigma=0.1"),
    (RaisedCosine(), [5.0, 0.2], "u=5, sigma=0.2"),
    (RaisedCosine(), [-5.0, 0.2], "u=-5, sigma=0.2"),
]


@pytest.mark.parametrize(("kernel", "parameters", "found"), NO_MASS)
def test_a_density_without_mass_on_its_support_is_refused(kernel, parameters, found):
    options = {"length": 1.0, "rng": np.random.default_rng(0)}
    message = rf"{found} has no mass .* support \[0, 1\] s: .* ends at nan, not at 1. Keep"
    with pytest.raises(ValueError, match=message):
        kernel.sample(10, parameters, **options)
    with pytest.raises(ValueError, match=message):
        simulate([1.0], [[0.5]], kernel, parameters, end_time=100.0, **options)
    with pytest.raises(ValueError, match=message):
        intensity_at([0.5], [[0.1]], [1.0], [[0.5]], kernel, parameters, length=1.0)
    # A weight of 0 needs no kernel.
    simulate([1.0], [[0.0]], kernel, parameters, end_time=10.0, **options)
    intensity_at([0.5], [[0.1]], [1.0], [[0.0]], kernel, parameters, length=1.0)


@pytest.mark.parametrize("kernel, parameters, powers", CASES)
def test_lags_are_drawn_from_a_support_by_a_generator(kernel, parameters, powers):
    rng = np.random.default_rng(0)
    for length in (-1.0, 0.0, np.nan):
        with pytest.raises(ValueError, match=rf"length must be above \S+ s, got {length} s"):
            kernel.sample(3, parameters, length=length, rng=rng)
    with pytest.raises(ValueError, match=r"n_samples must be at least 0, got -1"):
        kernel.sample(-1, parameters, length=1.0, rng=rng)
    with pytest.raises(TypeError, match=r"n_samples must be a whole number, got 2\.5"):
        kernel.sample(2.5, parameters, length=1.0, rng=rng)
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 0"):
        kernel.sample(3, parameters, length=1.0, rng=0)
    assert kernel.sample(0, parameters, length=1.0, rng=rng).shape == (0,)


def test_a_support_ends_after_it_begins():
    with pytest.raises(ValueError, match=r"length must be above 0\.5 s, got 0\.5 s"):
        TruncatedGaussian(0.5).sample(3, [0.6, 0.1], length=0.5, rng=np.random.default_rng(0))


@pytest.mark.parametrize("lower", [-1.0, np.nan])
def test_a_kernel_begins_at_0_or_later(lower):
    with pytest.raises(ValueError, match=f"lower must be at least 0 s, got {lower}"):
        TruncatedGaussian(lower)


def test_a_grid_has_lags():
    with pytest.raises(ValueError, match=r"delta=2 s exceeds length=1 s, so no lag of the grid"):
        discretise(TruncatedGaussian(), [0.3, 0.1], length=1.0, delta=2.0)
    with pytest.raises(ValueError, match=r"delta must be above 0 s, got 0"):
        grid_lags(1.0, delta=0)
