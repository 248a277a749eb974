"""Phase harmonics: algebra, Lipschitz bound, gradients, and the identity with rectifiers."""

import math

import numpy as np
import pytest
import torch

from common.scattering.harmonics import (
    harmonic,
    harmonic_of_rectifiers,
    harmonics,
    rectifier,
    rectifier_coefficient,
)


@pytest.fixture(scope="module")
def pairs():
    values = np.random.default_rng(0).standard_normal((2, 2, 500))
    z, other = torch.complex(*torch.as_tensor(values))
    # Close pairs, on both sides of zero as well.
    return z, torch.where(torch.arange(500) % 2 == 0, other, z + 1e-3 * other)


@pytest.mark.parametrize("k", range(-3, 9))
def test_modulus_stays_and_phase_is_multiplied(pairs, k):
    z, w = pairs[0], harmonic(pairs[0], k)
    expected = z.abs() * torch.exp(1j * k * z.angle())
    np.testing.assert_allclose(w, expected if k else expected.real, atol=1e-14)


@pytest.mark.parametrize("k", range(9))
def test_a_harmonic_is_lipschitz(pairs, k):
    z, other = pairs
    apart = (harmonic(z, k) - harmonic(other, k)).abs()
    assert (apart <= max(k, 1) * (z - other).abs() * (1 + 1e-12) + 1e-14).all()


@pytest.mark.parametrize("k", range(9))
def test_rectifiers_over_the_phase_give_harmonics(pairs, k):
    found = harmonic_of_rectifiers(pairs[0], k, n_phases=40)
    np.testing.assert_allclose(found, rectifier_coefficient(k) * harmonic(pairs[0], k), atol=1e-12)


@pytest.mark.parametrize("k", [0, 1, 2, 5])
def test_few_phases_add_their_aliases(pairs, k):
    z, n_phases, reach = pairs[0], 8, 200
    found = harmonic_of_rectifiers(z, k, n_phases=n_phases, rule="uniform")
    aliases = sum(
        rectifier_coefficient(k + m * n_phases) * harmonic(z, k + m * n_phases)
        for m in range(-reach, reach + 1)
    )
    # What is left out sums to less than 2 / (pi A^2 reach) times the modulus; the aliases
    # themselves are a hundred times larger.
    bound = 2 / (math.pi * n_phases**2 * (reach - 1)) * z.abs().max().item()
    np.testing.assert_allclose(found, aliases, atol=bound)


def test_coefficients_sum_to_the_rectified_cosine():
    t = np.linspace(-3, 3, 7)
    series = sum(rectifier_coefficient(k) * np.exp(1j * k * t) for k in range(-400, 401))
    # The tail is below the integral of 2 / (pi k^2) from 400 on, even orders alone.
    np.testing.assert_allclose(series, np.maximum(np.cos(t), 0), atol=1 / (math.pi * 399))


def test_a_rectifier_keeps_the_positive_part():
    z = torch.tensor([1 + 0j, -1 + 0j, 2j])
    np.testing.assert_allclose(rectifier(z, 0.0), [1, 0, 0], atol=1e-7)
    np.testing.assert_allclose(rectifier(z, -math.pi / 2), [0, 0, 2], atol=1e-6)


def test_gradients_are_those_of_finite_differences(pairs):
    z = pairs[0][:20].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: harmonics(z, [0, 1, 2, 3, 5, 8]), (z,))


def test_gradients_at_zero_are_finite():
    z = torch.zeros(1, dtype=torch.complex128, requires_grad=True)
    for k in (0, 2, 3):
        (gradient,) = torch.autograd.grad(harmonic(z, k).abs().sum(), z)
        assert gradient.item() == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: harmonic(torch.ones(2), 1), TypeError, "z must be a complex tensor, got torch.fl"),
        (lambda: harmonics(np.ones(2), [1]), TypeError, "z must be a complex tensor, got ndarray"),
        (lambda: harmonic(torch.ones(2) + 0j, 1.5), TypeError, "k must be a whole number, got 1.5"),
        (
            lambda: harmonics(torch.ones(2) + 0j, [1, 1]),
            ValueError,
            r"orders must be whole numbers from 0, each once, got \[1, 1\]",
        ),
        (lambda: rectifier_coefficient(0.5), TypeError, "k must be a whole number, got 0.5"),
        (
            lambda: harmonic_of_rectifiers(torch.ones(2) + 0j, 1, n_phases=0),
            ValueError,
            "n_phases must be at least 1, got 0",
        ),
        (
            lambda: harmonic_of_rectifiers(torch.ones(2) + 0j, 1, n_phases=4, rule="gaus"),
            ValueError,
            r"rule must be one of gauss, uniform, got 'gaus'\. Did you mean 'gauss'\?",
        ),
    ],
)
def test_what_has_no_harmonic_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
