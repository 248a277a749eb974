"""Morlet filters of images: closed forms, symmetries, and the reference implementation's."""

from pathlib import Path

import numpy as np
import pytest

from common.scattering.filters_2d import angles, filter_bank, low_pass, lower, padded_shape

REFERENCE = Path(__file__).parent / "reference" / "2d.npz"  # written by make_2d.py
BANKS = {"wide": (3, (16, 24), 3), "slender": (2, (8, 12), 12)}


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as arrays:
        return {name: arrays[name] for name in arrays if name.startswith("filters/")}


@pytest.mark.parametrize("name", BANKS)
@pytest.mark.parametrize(
    # Rounding of a few hundred terms, in either precision.
    ("precision", "tolerance"),
    [("double", 1e-13), ("plain", 1e-6)],
)
def test_filters_at_every_resolution_are_those_of_kymatio(reference, name, precision, tolerance):
    J, shape, L = BANKS[name]
    bank = filter_bank(shape, J, L)
    levels = [key.split("/")[3] for key in reference if key.startswith(f"filters/{name}/psi/")]
    assert len(set(levels)) == max(J - 1, 1)
    for level in range(J):
        expected = reference[f"filters/{name}/phi/{level}/{precision}"][0]
        np.testing.assert_allclose(lower(bank.phi, level), expected, atol=tolerance, rtol=0)
    for level in range(max(J - 1, 1)):
        expected = reference[f"filters/{name}/psi/{level}/{precision}"]
        found = lower(bank.psi[level:], level).reshape(expected.shape)
        np.testing.assert_allclose(found, expected, atol=tolerance, rtol=0)


def gaussian_response(shape, centre, sigma, slant, angle):
    """Transform of the envelope around a frequency, by Poisson's sum over its aliases."""
    total, (cos, sin) = 0, (np.cos(angle), np.sin(angle))
    for alias in np.ndindex(7, 7):
        p, q = (2 * np.pi * (np.fft.fftfreq(n) + a - 3) for n, a in zip(shape, alias, strict=True))
        p, q = p[:, None] - centre * cos, q[None, :] - centre * sin
        along, across = p * cos + q * sin, q * cos - p * sin
        total = total + np.exp(-(sigma**2) * (along**2 + (across / slant) ** 2) / 2)
    return total * np.pi / 3.1415


@pytest.mark.parametrize("theta", [0, 3, 5])
@pytest.mark.parametrize("j", [0, 1, 2])
def test_wavelets_have_their_closed_form_in_fourier(j, theta):
    # A wave times a Gaussian, less the multiple of the Gaussian that cancels it at frequency 0.
    shape, L = (48, 64), 6
    found = filter_bank(shape, J=3, L=L).psi[j, theta]
    sigma, xi, slant, angle = 0.8 * 2**j, 0.75 * np.pi / 2**j, 4 / L, (2 - theta) * np.pi / L
    wave, envelope = (gaussian_response(shape, c, sigma, slant, angle) for c in (xi, 0))
    expected = wave - envelope * wave[0, 0] / envelope[0, 0]
    # The envelope is below exp(-8.7**2 / 2) of its peak where it is cut.
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_the_low_pass_filter_has_its_closed_form_in_fourier():
    J, n = 3, 40
    frequency = 2 * np.pi * (np.fft.fftfreq(n)[:, None] + np.arange(-3, 4))
    expected = np.exp(-((0.8 * 4 * frequency) ** 2) / 2).sum(axis=1) * np.sqrt(np.pi / 3.1415)
    np.testing.assert_allclose(low_pass(n, J, 0), expected, atol=1e-14)
    assert filter_bank((n, 24), J).phi[0, 0] == pytest.approx(np.pi / 3.1415, rel=1e-14)


def test_no_wavelet_sees_the_mean_and_each_is_largest_near_its_wave():
    bank = filter_bank((64, 64), J=3, L=8)
    assert np.abs(bank.psi[..., 0, 0]).max() < 1e-15  # rounding of the sum that defines kappa
    for j in range(3):
        for theta, angle in enumerate(angles(8)):
            peak = np.unravel_index(bank.psi[j, theta].argmax(), (64, 64))
            found = 2 * np.pi * np.fft.fftfreq(64)[list(peak)]
            expected = 0.75 * np.pi / 2**j * np.array([np.cos(angle), np.sin(angle)])
            # Kappa moves the largest value outwards, by at most a tenth of the frequency.
            assert np.linalg.norm(found - expected) < 0.12 * 0.75 * np.pi / 2**j + 2 * np.pi / 64


def test_a_quarter_turn_of_the_image_is_a_shift_of_the_angles():
    # Coordinates (p, q) become (q, -p): angle alpha becomes alpha - pi / 2, 4 indices of 8 further.
    psi = filter_bank((32, 32), J=2, L=8).psi
    index = np.arange(32)
    turned = psi[..., index[None, :], (-index % 32)[:, None]]
    assert np.abs(turned[:, 4:] - psi[:, :4]).max() < 1e-14


def test_twice_the_scale_is_half_the_frequency():
    # psi_{j + 1}(2 u) is psi_j(u) / 4; in Fourier, every second frequency of a twice finer grid.
    bank = filter_bank((96, 96), J=3, L=8)
    index = np.arange(-12, 13)  # up to pi / 2 at the finer scale
    fine = bank.psi[1][:, 2 * index[:, None], 2 * index]
    coarse = bank.psi[2][:, index[:, None], index]
    # Only aliases differ: at the finer scale up to exp(-((3 pi / 2 - 1.2) * 1.6)**2 / 2) = 2e-7.
    np.testing.assert_allclose(coarse, fine, atol=4e-7)


def test_frequencies_are_covered():
    # A wavelet frame: nothing is lost, and nothing is amplified by more than the norm that
    # 3.1415 and the overlap of neighbours give.
    bank = filter_bank((64, 64), J=3, L=8)
    index = -np.arange(64) % 64
    both = (bank.psi**2 + bank.psi[..., index[:, None], index] ** 2).sum(axis=(0, 1)) / 2
    total = bank.phi**2 + both
    assert total.min() > 0.06
    assert total.max() < 1.7


def test_lower_keeps_the_lowest_frequencies_and_one_nyquist():
    filters = np.fft.fftfreq(16, 1 / 16)[:, None] + 100 * np.fft.fftfreq(8, 1 / 8)
    found = lower(filters, 1)
    assert found[:, 0].tolist() == [0, 1, 2, 3, -4, -3, -2, -1]
    assert found[0].tolist() == [0, 100, -200, -100]
    assert lower(filters, 0) is filters


@pytest.mark.parametrize(
    ("L", "expected"), [(1, [0]), (2, [0, -1]), (3, [0, -1, -2]), (8, range(3, -5, -1))]
)
def test_angles(L, expected):
    np.testing.assert_allclose(angles(L), np.array(expected) * np.pi / L, rtol=1e-15)


def test_padding_reaches_the_next_multiple_but_one():
    assert padded_shape((32, 31), 2) == (40, 36)
    assert padded_shape((8, 15), 3) == (24, 24)
