"""Solid harmonic wavelets: closed forms, symmetries, and the reference implementation."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import factorial2, sph_harm_y

from common.scattering.filters_3d import (
    cutoff,
    frequencies,
    harmonic_factors,
    kept_sizes,
    solid_harmonic_filters,
    solid_harmonics,
)

REFERENCE = Path(__file__).parent / "reference" / "3d.npz"  # written by make_3d.py


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as arrays:
        return {name: arrays[name] for name in arrays if name.startswith("filters")}


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).standard_normal((3, 40))


def test_harmonics_are_those_of_scipy_on_the_sphere(points):
    x, y, z = points / np.linalg.norm(points, axis=0)
    polar, azimuth = np.arccos(z), np.arctan2(y, x)
    for order, harmonics in enumerate(solid_harmonics(x, y, z, 6)):
        expected = [sph_harm_y(order, m, polar, azimuth) for m in range(-order, order + 1)]
        # Values of order 1; arccos loses some digits near the poles.
        np.testing.assert_allclose(harmonics, expected, atol=1e-13)


def test_harmonics_are_homogeneous_and_add_up(points):
    # Unsoeld: sum_m |S_lm(r)|^2 = (2 l + 1) / (4 pi) r^(2 l), everywhere, at the origin too.
    points = np.concatenate([points, np.zeros((3, 1))], axis=1)
    r = np.linalg.norm(points, axis=0)
    for order, harmonics in enumerate(solid_harmonics(*points, 8)):
        total = (2 * order + 1) / (4 * np.pi) * r ** (2 * order)
        np.testing.assert_allclose((abs(harmonics) ** 2).sum(axis=0), total, rtol=1e-12)
        scaled = solid_harmonics(*(3 * points), 8)[order]
        np.testing.assert_allclose(scaled, 3.0**order * harmonics, rtol=1e-12)


def test_harmonics_solve_the_equation_of_laplace(points):
    # Second differences are exact for polynomials of degree 3 and less.
    for order, harmonics in enumerate(solid_harmonics(*points, 3)):
        total = -6 * harmonics
        for axis in range(3):
            for sign in (-1, 1):
                moved = points + sign * np.eye(3)[axis][:, None]
                total = total + solid_harmonics(*moved, 3)[order]
        np.testing.assert_allclose(total, 0, atol=1e-12)


@pytest.mark.parametrize("name, shape", [("even", (4, 6, 8)), ("odd", (5, 3, 7))])
def test_filters_are_those_of_kymatio(reference, name, shape):
    found = solid_harmonic_filters(shape, 1, 4, 0.9, dtype=np.complex128)
    for order, filters in enumerate(found):
        expected = reference[f"filters_{name}_{order}"]
        assert filters.shape == expected.shape == (2, 2 * order + 1, *shape)
        np.testing.assert_allclose(filters, expected, atol=1e-13 * abs(expected).max())


def test_filters_are_those_of_kymatio_as_it_is_in_single_precision(reference):
    expected = reference["filters_as_is_even_3"]
    found = solid_harmonic_filters((4, 6, 8), 1, 3, 0.9)[3]
    assert found.dtype == expected.dtype == np.complex64
    # Kymatio's grid, powers and exponentials are in single precision: some units in the last place.
    np.testing.assert_allclose(found, expected, atol=1e-6 * abs(expected).max())


def test_filters_have_no_mean_along_axes_of_odd_size_either(reference):
    # Kymatio's frequencies are off by one there: its wavelets respond to a constant.
    as_is = abs(reference["filters_as_is_odd_1"])
    assert as_is[0, :, 0, 0, 0].min() > 0.05 * as_is.max()
    for order, filters in enumerate(solid_harmonic_filters((5, 3, 7), 1, 2, 0.9)):
        assert np.all(filters[:, :, 0, 0, 0] == (order == 0))


def test_wavelet_in_space_is_a_harmonic_times_a_gaussian():
    # The Fourier transform of S_l(u) exp(-u^2 / 2) is (2 pi)^1.5 (-i)^l S_l(k) exp(-k^2 / 2).
    shape, sigma = (24, 26, 28), 1.5
    z, y, x = np.meshgrid(*(n * np.fft.fftfreq(n) for n in shape), indexing="ij")
    gaussian = np.exp(-(x**2 + y**2 + z**2) / (2 * sigma**2)) / ((2 * np.pi) ** 1.5 * sigma**3)
    constants = [np.sqrt(4 * np.pi), np.pi / np.sqrt(6), np.sqrt(2 * np.pi / 2.5) / factorial2(3)]
    for order, filters in enumerate(
        solid_harmonic_filters(shape, 0, 2, sigma, dtype=np.complex128)
    ):
        harmonics = solid_harmonics(x / sigma, y / sigma, -z / sigma, 2)[order]
        expected = constants[order] * harmonics * gaussian
        found = np.fft.ifftn(filters[0], axes=(1, 2, 3))
        # At half the sampling rate the spectrum is exp(-(1.5 pi)^2 / 2) = 1e-5 times 22, summed
        # over one frequency in 24; in space, the Gaussian is 1e-14 at the border.
        np.testing.assert_allclose(found, expected, atol=2e-4 * abs(expected).max())


def test_wavelets_of_one_scale_are_the_sum_of_few_products():
    shape, sigma = (7, 6, 8), 1.3
    axial, wavelets = harmonic_factors(shape, 5, sigma)
    filters = solid_harmonic_filters(shape, 0, 5, sigma, dtype=np.complex128)
    for order, degrees in enumerate(wavelets):
        for m, wavelet in enumerate(degrees):
            assert len(wavelet.powers) == (order - m) // 2 + 1
            product = np.einsum("iz,iyx->zyx", axial[wavelet.powers], wavelet.planes)
            a, b = product.real, product.imag
            energy = abs(filters[order][0, order + m]) ** 2
            if m:
                energy = energy + abs(filters[order][0, order - m]) ** 2
            else:
                assert not b.any()
            np.testing.assert_allclose(a**2 + b**2, energy, atol=1e-13)


@pytest.mark.parametrize("shape", [(6, 4, 8), (6, 5, 8), (5, 7, 3), (2, 2, 2)])
def test_without_their_sections_the_wavelets_are_transforms_of_real_functions(shape):
    axial, wavelets = harmonic_factors(shape, 4, 0.7)
    for order, degrees in enumerate(wavelets):
        for wavelet in degrees:
            product = np.einsum("iz,iyx->zyx", axial[wavelet.powers], wavelet.planes)
            removed = np.zeros_like(product)
            for axis, section in wavelet.sections.items():
                moved = np.moveaxis(removed, axis, 0)
                moved[shape[axis] // 2] += section
                assert shape[axis] % 2 == 0
            for part in ("real", "imag"):
                kept = getattr(product - removed, part) * (-1j) ** order
                wrong = getattr(removed, part) * (-1j) ** order
                # Of order-1 values, the imaginary part is rounding; what was removed has no real.
                np.testing.assert_allclose(np.fft.ifftn(kept).imag, 0, atol=1e-14)
                np.testing.assert_allclose(np.fft.ifftn(wrong).real, 0, atol=1e-14)
            for part, axes in zip(("real", "imag"), wavelet.axes, strict=True):
                expected = [a for a, s in wavelet.sections.items() if getattr(s, part).any()]
                assert list(axes) == expected
    assert bool(wavelets[1][1].sections) == any(n % 2 == 0 for n in shape[1:])


def test_fault_is_the_size_of_the_sections_relative_to_the_maximum():
    axial, wavelets = harmonic_factors((64, 64, 64), 2, 1.0)
    fine = harmonic_factors((64, 64, 64), 2, 2.0)
    for order in (1, 2):
        wavelet = wavelets[order][1]
        product = np.einsum("iz,iyx->zyx", axial[wavelet.powers], wavelet.planes)
        peak = max(abs(solid_harmonic_filters((64,) * 3, 0, 2)[order]).max(), abs(product).max())
        largest = max(abs(s).max() for s in wavelet.sections.values())
        # The maximum over directions of one degree is within a factor of two of their mean.
        assert wavelet.fault == pytest.approx(largest / peak, rel=1)
        assert fine.wavelets[order][1].fault < 1e-6 < wavelet.fault


def test_negligible_factors_are_zero_and_the_others_stay():
    whole = harmonic_factors((64, 64, 64), 3, 8.0)
    short = harmonic_factors((64, 64, 64), 3, 8.0, negligible=1e-11)
    assert (short.axial == 0).sum() > (whole.axial == 0).sum()
    for a, b in [
        (whole.axial, short.axial),
        (whole.wavelets[3][2].planes, short.wavelets[3][2][1]),
    ]:
        assert np.all((b == a) | ((b == 0) & (abs(a) < 1e-11)))
        assert np.abs(b[b != 0]).min() >= 1e-11


@pytest.mark.parametrize("order", range(5))
@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-17])
def test_cutoff_is_where_the_wavelet_falls_to_the_tolerance(order, tolerance):
    def envelope(u):
        return u**order * np.exp(-(u**2) / 2)

    u = cutoff(order, 1.0, tolerance)
    assert envelope(u) == pytest.approx(tolerance * envelope(np.sqrt(order)), rel=1e-9)
    assert u > np.sqrt(order)
    # Gaussians multiply.
    assert cutoff(order, 3.0, tolerance, smoothing=4.0) == pytest.approx(u / 5)


def test_kept_sizes_count_the_frequencies_below_a_cutoff():
    kept = kept_sizes((64, 9, 5), 1.0)
    # 2 pi k / n <= 1 for k <= 10, 1 and 0.
    assert kept == (21, 3, 1)
    for k, n in zip(frequencies((64, 9, 5), kept=kept), (64, 9, 5), strict=True):
        everything = 2 * np.pi * np.fft.fftfreq(n)
        np.testing.assert_allclose(k, everything[abs(everything) <= 1], rtol=1e-15)
    assert kept_sizes((8, 7, 6), 4.0) == (8, 7, 6)
    assert frequencies((6,))[0][3] == -np.pi


def test_widths_and_tolerances_are_checked():
    for sigma in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match=f"sigma must be above 0 samples, got {sigma}"):
            harmonic_factors((4, 4, 4), 1, sigma)
        with pytest.raises(ValueError, match=f"sigma must be above 0 samples, got {sigma}"):
            cutoff(1, sigma, 1e-6)
        with pytest.raises(ValueError, match=f"sigma must be above 0 samples, got {sigma}"):
            solid_harmonic_filters((4, 4, 4), 0, 1, sigma)
    with pytest.raises(ValueError, match="tolerance must be above 0 and below 1, got nan"):
        cutoff(1, 1.0, np.nan)
    with pytest.raises(ValueError, match="smoothing must be at least 0 samples, got -1"):
        cutoff(1, 1.0, 1e-6, smoothing=-1)
    with pytest.raises(ValueError, match="J must be at least 0 and at most 62, got -1"):
        solid_harmonic_filters((4, 4, 4), -1, 1)
