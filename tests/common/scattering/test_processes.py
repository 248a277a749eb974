"""Simulated images: what fluids conserve, spectra, and ranges."""

import numpy as np
import pytest

from common.scattering.processes import cartoon, gaussian_field, reduced, vorticity


def simulate(n_fields=2, size=32, seed=0, **options):
    options = {"viscosity": 1e-3, "dt_factor": 0.2} | options
    return vorticity(n_fields, size, rng=np.random.default_rng(seed), **options)


def energy(w):
    n = w.shape[-1]
    k = np.fft.fftfreq(n, 1 / n)
    square = k[:, None] ** 2 + k**2
    square[0, 0] = np.inf
    return (np.abs(np.fft.fft2(w)) ** 2 / square).sum(axis=(1, 2))


def test_without_viscosity_energy_and_enstrophy_are_conserved():
    before = simulate(viscosity=0.0, time=0.0)
    errors = []
    for dt_factor in (0.2, 0.1):
        after = simulate(viscosity=0.0, time=0.2, dt_factor=dt_factor)
        assert np.abs(after - before).max() > 0.5 * np.abs(before).max()  # it moved
        np.testing.assert_allclose(energy(after), energy(before), rtol=1e-2)
        errors.append(np.abs((after**2).mean() / (before**2).mean() - 1))
    # Of a method of second order, a conserved quantity drifts with the third power of the step in
    # each of them: a quarter at least, once in all.
    assert errors[1] < errors[0] / 2.5 and errors[0] < 1e-2


def test_with_viscosity_both_fall_and_the_mean_stays_zero():
    early, late = simulate(time=0.5), simulate(time=1.0)
    assert (energy(late) < energy(early)).all()
    assert ((late**2).mean(axis=(1, 2)) < (early**2).mean(axis=(1, 2))).all()
    np.testing.assert_allclose(late.mean(axis=(1, 2)), 0, atol=1e-12)


def test_a_viscous_fluid_only_diffuses():
    # Where diffusion is fast, what is transported in the meantime does not matter: each frequency
    # falls by exp(-nu |k|^2 t).
    before, after = simulate(time=0.0), simulate(viscosity=1e3, time=1e-3)
    k = np.fft.fftfreq(32, 1 / 32)
    decay = np.exp(-(k[:, None] ** 2 + k**2))
    expected = np.fft.ifft2(np.fft.fft2(before) * decay).real
    np.testing.assert_allclose(after, expected, atol=2e-2 * np.abs(expected).max())


def test_a_field_does_not_depend_on_the_others():
    np.testing.assert_allclose(simulate(1, time=0.5)[0], simulate(3, time=0.5)[0], atol=1e-10)


def test_gaussian_fields_have_their_spectrum():
    fields, spectrum = gaussian_field(2000, 16, rng=np.random.default_rng(0))
    power = (np.abs(np.fft.fft2(fields)) ** 2).mean(axis=0) / 16**2
    np.testing.assert_allclose(fields.mean(axis=(1, 2)), 0, atol=1e-12)
    # Means of 2000 squares: six standard errors.
    np.testing.assert_allclose(power, spectrum, rtol=6 * np.sqrt(2 / 2000), atol=1e-20)
    assert spectrum.mean() == pytest.approx(1)


def test_a_cartoon_is_grey_between_0_and_1():
    image = cartoon(32, rng=np.random.default_rng(0))
    assert image.shape == (32, 32) and image.min() >= 0 and image.max() <= 1
    assert image.std() > 0.05
    # Sharp borders: a few large steps, and none in most places.
    steps = np.abs(np.diff(image, axis=1))
    assert np.median(steps) < 0.1 * steps.max()


def test_reduced_fields_keep_what_they_can_show():
    row, column = np.mgrid[:32, :32] * 2 * np.pi / 32
    slow, fast = np.cos(3 * row + 2 * column), np.cos(11 * row)
    np.testing.assert_allclose(reduced(slow + fast, 16), slow[::2, ::2], atol=1e-12)
    np.testing.assert_array_equal(reduced(slow, 32), slow)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: simulate(viscosity=-1.0), ValueError, "viscosity must be at least 0, got -1.0"),
        (lambda: simulate(dt_factor=1e-12), ValueError, "dt_factor must be at least 0.0001, got"),
        (lambda: simulate(time=1e300), ValueError, r"at most 10000, got 1e\+300"),
        (
            lambda: gaussian_field(1, 16, rng=np.random.default_rng(0), corner=1e300),
            ValueError,
            r"corner must be above 0 and at most 1e\+100, got 1e\+300",
        ),
        (lambda: simulate(size=4), ValueError, "size must be at least 8, got 4"),
        (lambda: vorticity(1, 16, rng=0, viscosity=1.0), TypeError, "default_rng"),
        (
            lambda: simulate(viscosity=0.0, dt_factor=20.0, time=1e4),
            ValueError,
            "grows beyond bounds with dt_factor=20 and viscosity=0; take a smaller dt_factor",
        ),
        (
            lambda: reduced(np.ones((8, 8)), 3),
            ValueError,
            r"square and size even, got shape \(8, 8\) and size=3",
        ),
        (lambda: reduced(np.ones((8, 8)), 16), ValueError, "at most 8, got 16"),
    ],
)
def test_what_cannot_be_simulated_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
