"""Bump steerable wavelets: their symmetries, what they keep, and their values."""

import math

import numpy as np
import pytest

from common.scattering.filters_bump import CENTER, filter_bank, frequencies, littlewood_paley


def mirrored(filters):
    """At minus each frequency."""
    return np.roll(filters[..., ::-1, ::-1], 1, axis=(-2, -1))


@pytest.mark.parametrize("L", [1, 4, 5])
def test_opposite_directions_are_mirrored(L):
    psi = filter_bank((32, 24), J=2, L=L).psi
    assert psi.shape == (2, 2 * L, 32, 24)
    np.testing.assert_allclose(psi[:, L:], mirrored(psi[:, :L]), atol=1e-14)


def test_transposing_the_plane_reflects_directions():
    psi = filter_bank((32, 32), J=3, L=4).psi
    q = np.arange(8)
    np.testing.assert_allclose(psi.swapaxes(2, 3), psi[:, (2 - q) % 8], atol=1e-14)


def test_a_coarser_wavelet_is_the_finer_one_at_twice_the_frequency():
    psi = filter_bank((64, 64), J=3, L=4).psi
    k = np.arange(-15, 16)
    fine = psi[1][:, 2 * k[:, None], 2 * k]
    np.testing.assert_allclose(psi[2][:, k[:, None], k], fine, atol=1e-14)


def test_values_are_those_of_the_formula():
    # L = 2 along the columns: C_L = sqrt(2 * 2!) / (1! * 2) = 1, cos = 1.
    psi = filter_bank((64, 64), J=2, L=2).psi
    w = 2 * math.pi * 10 / 64
    t = 2 * w / (0.85 * math.pi) - 1
    assert psi[1, 0, 0, 10] == pytest.approx(math.exp(-(t**2) / (1 - t**2)) / 1.29, rel=1e-12)
    assert psi[1, 1, 0, 10] == pytest.approx(0, abs=1e-12)  # at a right angle
    # Halfway between two directions, each has cos(pi / 4).
    t = 2 * math.hypot(w, w) / CENTER - 1
    both = math.exp(-(t**2) / (1 - t**2)) / 1.29 / math.sqrt(2)
    np.testing.assert_allclose(psi[1, [0, 1], 10, 10], both, rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "J", "L", "low"), [((64, 64), 6, 8, 0.503), ((128, 128), 4, 4, 0.597)]
)
def test_every_frequency_is_kept(shape, J, L, low):
    bank = filter_bank(shape, J, L)
    kept = littlewood_paley(bank)
    # The bounds of the authors' banks, to their three digits.
    assert kept.min() == pytest.approx(low, abs=5e-4)
    assert kept.max() == pytest.approx(1.127, abs=5e-4)
    assert np.abs(bank.psi[..., 0, 0]).max() == 0


def test_the_low_pass_filter_is_gaussian():
    # By Poisson's formula, but for the tails beyond half the sampling rate: below 1e-10 here.
    bank = filter_bank((64, 48), J=3)
    rows, columns = frequencies((64, 48))
    sigma = 4 / (0.702 * 2**-0.55 * math.sqrt(2) * 0.85 * math.pi)
    expected = np.exp(-(sigma**2) * (rows**2 + columns**2) / 2)
    np.testing.assert_allclose(bank.phi, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ((32, 32), 6),
            r"2\*\*J = 64 pixels \(J=6\) exceed a side of images .*J must be at most 5",
        ),
        (((32,), 2), r"shape must be \(height, width\) of the images, got \(32,\)"),
        (((32, 32), 0), "J must be at least 1 and at most 62, got 0"),
        (((32, 32), 2, 0), "L must be at least 1, got 0"),
        (((0, 32), 2), "height, in shape, must be at least 1, got 0"),
    ],
)
def test_what_fits_no_image_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        filter_bank(*arguments)


def test_counts_are_whole_numbers():
    with pytest.raises(TypeError, match=r"L must be a whole number, got 4\.5"):
        filter_bank((32, 32), 2, 4.5)
