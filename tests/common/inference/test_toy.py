"""The toy model: closed forms against quadrature and simulation."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy import integrate

from common.inference.toy import (
    MaximumCoordinates,
    ToyModel,
    exact_moments,
    exact_quantiles,
    log_maximum,
    mean_posterior,
)


def density(x, maximum, n_extra):
    """Likelihood of one observation is 1 / beta where it is below beta, whatever the others."""

    def of(beta):
        return float(beta >= maximum) * (1 / beta) ** (n_extra + 1)

    return of


@pytest.mark.parametrize(
    ("x", "maximum", "n_extra"), [(0.3, 0.3, 0), (0.3, 0.4, 1), (0.2, 0.7, 2), (0.1, 0.5, 40)]
)
def test_moments_agree_with_quadrature(x, maximum, n_extra):
    of = density(x, maximum, n_extra)

    def mean(function):
        integral = integrate.quad(lambda b: function(b) * of(b), maximum, 1, epsabs=0, limit=200)[0]
        return integral / integrate.quad(of, maximum, 1, epsabs=0, limit=200)[0]

    for found, value in zip(
        exact_moments([x], [maximum], n_extra), (lambda b: x / b, lambda b: b), strict=True
    ):
        average = mean(value)
        assert found.mean[0] == pytest.approx(average, rel=1e-7)
        spread = mean(lambda b, value=value, average=average: (value(b) - average) ** 2)
        assert found.variance[0] == pytest.approx(spread, rel=1e-6)


@pytest.mark.parametrize(("maximum", "n_extra"), [(0.3, 0), (0.4, 1), (0.5, 30)])
def test_quantiles_invert_the_integral_of_the_density(maximum, n_extra):
    of = density(0.3, maximum, n_extra)
    levels = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    alpha, beta = exact_quantiles(levels, 0.3, maximum, n_extra)
    whole = integrate.quad(of, maximum, 1)[0]
    share = [integrate.quad(of, maximum, b)[0] / whole for b in beta]
    assert share == pytest.approx(levels, abs=1e-9)
    assert alpha[::-1] * beta == pytest.approx(0.3)


def test_rejection_of_simulations_gives_the_posterior_given_the_mean():
    # Simulations whose observation and mean of two extra ones come within 0.01 of the observed.
    rng = np.random.default_rng(0)
    model = ToyModel()
    beta = rng.random(4_000_000)
    alpha = rng.random((3, len(beta)))
    x = model(np.stack([alpha[0], beta], axis=1), rng)[:, 0]
    mean = (alpha[1] + alpha[2]) * beta / 2
    near = (np.abs(x - 0.3) < 0.01) & (np.abs(mean - 0.25) < 0.01)
    assert near.sum() > 1000
    for found, drawn in zip(mean_posterior([0.3], [0.25], 2), (alpha[0], beta), strict=True):
        error = drawn[near].std() / np.sqrt(near.sum())
        # Five standard errors, and the width of the window times the slope.
        assert found.mean[0] == pytest.approx(drawn[near].mean(), abs=5 * error + 1e-3)
        assert found.variance[0] == pytest.approx(drawn[near].var(), rel=0.1)


def test_one_extra_observation_is_its_own_mean_and_the_grid_does_not_matter():
    # f is constant for N = 1, so that beta has density 1 / beta² on [max(x, m), 1], as given all.
    for found, exact in zip(
        mean_posterior([0.3], [0.4], 1, n_grid=20_000), exact_moments([0.3], [0.4], 1), strict=True
    ):
        assert found.mean == pytest.approx(exact.mean, rel=1e-3)
        assert found.variance == pytest.approx(exact.variance, rel=5e-3)
    coarse, fine = (mean_posterior([0.2], [0.25], 112, n_grid=n)[1] for n in (1000, 20_000))
    assert coarse.variance == pytest.approx(fine.variance, rel=1e-3)


def test_median_distances_have_the_constants_of_theory():
    # beta - M and M - beta_true are about exponential with mean beta / N: 1.405 beta² / N². The
    # mean has standard deviation beta / √(12 N), so 2 m has beta / √(3 N): 1.455 beta² / (3 N).
    rng = np.random.default_rng(1)
    n_extra, beta, n = 400, 0.5, 2000
    x = 0.5 * beta * np.ones(n)
    extra = rng.random((n, n_extra)) * beta
    all_of_them = exact_moments(x, extra.max(axis=1), n_extra)[1].distance(beta)
    given_mean = mean_posterior(x, extra.mean(axis=1), n_extra)[1].distance(beta)
    # The median of n values has a relative standard error of about 3 %.
    assert np.median(all_of_them) == pytest.approx(1.405 * beta**2 / n_extra**2, rel=0.12)
    assert np.median(given_mean) == pytest.approx(1.455 * beta**2 / (3 * n_extra), rel=0.12)


def test_coordinates_from_the_maximum_lead_back_and_stay_above_it():
    x, extra = np.array([[0.2], [0.5]]), np.array([[[0.3], [0.1]], [[0.4], [0.2]]])
    context = log_maximum(x, extra)
    assert np.exp(context) == pytest.approx(np.array([[0.3], [0.5]]))
    shared = np.array([[0.4], [0.9]])
    z = MaximumCoordinates.to_normal(shared, context)
    assert MaximumCoordinates.from_normal(z, context) == pytest.approx(shared)
    assert MaximumCoordinates.from_normal([[-99.0], [99.0]], context) == pytest.approx(
        np.array([[0.3], [1.0]])
    )


def test_noise_and_exponent_of_the_simulator():
    theta = np.full((50_000, 2), 0.5)
    x = ToyModel(gamma=2, sigma=0.1)(theta, np.random.default_rng(0))
    assert x.mean() == pytest.approx(0.125, abs=5 * 0.1 / np.sqrt(50_000))
    assert x.std() == pytest.approx(0.1, rel=0.02)
    assert ToyModel()(theta[:1], np.random.default_rng(0)).tolist() == [[0.25]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ToyModel(gamma=0), "gamma must be above 0"),
        (lambda: ToyModel(sigma=-1), "sigma must be at least 0"),
        (lambda: exact_moments([0.5], [0.4], 1), "the maximum is 0.4, below the observation"),
        (lambda: exact_moments([0.5], [1.0], 1), "maximum must be below 1, got 1"),
        (lambda: exact_quantiles([2.0], 0.5, 0.5, 0), "levels must be"),
        (lambda: mean_posterior([0.99], [0.01], 100), "do not occur together"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("maximum", "n_extra"),
    [(0.999999, 50), (0.9999999, 3), (0.99999, 0), (0.7, 10_000), (0.999, 2)],
)
def test_variances_of_narrow_posteriors_do_not_cancel(maximum, n_extra):
    # The reference has 60 digits, of which the difference of moments loses less than 20.
    with localcontext() as context:
        context.prec = 60
        m = Decimal(maximum)

        def moment(k):
            def integral(p):
                return -m.ln() if p == 0 else (1 - m**p) / p

            return m**k * integral(n_extra - k) / integral(n_extra)

        expected = [float(moment(2 * k) - moment(k) ** 2) for k in (-1, 1)]
    alpha, beta = exact_moments([maximum], [maximum], n_extra)
    found = [alpha.variance[0] / maximum**2, beta.variance[0]]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
