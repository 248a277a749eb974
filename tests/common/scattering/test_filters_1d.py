"""Morlet filters: what defines them, and Kymatio's."""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from common.scattering import filters_1d as filters

STORED = np.load(Path(__file__).parent / "reference" / "1d.npz")


def by_steps(J, Q):
    """The same family, one wavelet after the other."""
    ratio, least = 2 ** (1 / Q), 0.1 / 2**J
    r = math.sqrt(0.5)
    width = (1 - 1 / ratio) / (1 + 1 / ratio) * math.sqrt(1 / (2 * math.log(1 / r)))
    family = [(max(1 / (1 + 2 ** (3 / Q)), 0.35), least)]
    if family[0][0] * width > least:
        family = [(family[0][0], family[0][0] * width)]
        while family[-1][1] > least * ratio:
            family.append((family[-1][0] / ratio, family[-1][1] / ratio))
        elbow = family[-1][0]
    else:
        elbow, family = family[0][0] * width, []
    family += [(elbow * (1 - q / Q), least) for q in range(1, Q)]
    scales = []
    for xi, sigma in family:
        j = 0
        while min(xi + 5 * sigma, 0.5) <= 2.0 ** -(j + 2):
            j += 1
        scales.append(j)
    return *np.transpose(family), scales


@pytest.mark.parametrize("J", [0, 1, 3, 8, 13])
@pytest.mark.parametrize("Q", [1, 2, 3, 8, 16])
def test_families_are_those_of_a_loop(J, Q):
    family = filters.wavelets(J, Q)
    for found, expected in zip(family, by_steps(J, Q), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)  # powers against repeated division


@pytest.mark.parametrize("Q", [1, 4, 12])
def test_neighbours_cross_at_the_same_height(Q):
    # The Gaussians of two neighbours are equal where both are sqrt(1/2) of their maximum.
    xi, sigma, _ = filters.wavelets(6, Q)
    xi, sigma = xi[: -Q or None], sigma[: -Q or None]
    crossing = xi[:-1] - sigma[:-1] * math.sqrt(math.log(2))
    np.testing.assert_allclose(crossing, xi[1:] + sigma[1:] * math.sqrt(math.log(2)), rtol=1e-12)


def test_wavelets_have_no_mean_and_unit_weight():
    n = 512
    family = filters.wavelets(5, 3)
    psi = filters.morlet(n, family.xi, family.sigma)
    # Of each wavelet the maximum is about 1, so this is rounding: of two sums of some ten terms.
    assert np.abs(psi[:, 0]).max() < 1e-14
    np.testing.assert_allclose(np.abs(np.fft.ifft(psi)).sum(axis=1), 1, rtol=1e-13)


def test_a_wavelet_is_a_gaussian_times_a_wave_less_a_gaussian():
    # In time, with s = 1 / (2 pi sigma): exp(-t^2 / 2 s^2) (exp(2 i pi xi t) - kappa).
    n, xi, sigma = 1024, 0.11, 0.02
    t = np.fft.fftfreq(n, 1 / n)
    window = np.exp(-0.5 * (2 * np.pi * sigma * t) ** 2)
    wave = np.exp(2j * np.pi * xi * t)
    psi = window * (wave - (window @ wave).real / window.sum())
    psi /= np.abs(psi).sum()
    found = np.fft.ifft(filters.morlet(n, [xi], [sigma])[0])
    # Sums of n terms; the largest value is 0.04.
    np.testing.assert_allclose(found, psi, atol=1e-16 * n)


def test_the_low_pass_filter_is_a_gaussian_that_averages():
    n, sigma = 256, 0.01
    phi = filters.low_pass(n, sigma)
    f = np.fft.fftfreq(n)
    assert phi[0] == 1
    np.testing.assert_allclose(phi, np.exp(-(f**2) / (2 * sigma**2)), atol=1e-15)
    in_time = np.fft.ifft(phi).real
    # A Gaussian is positive. An FFT is off by its depth times the rounding of the largest value.
    assert in_time.min() > -10 * np.finfo(float).eps * in_time.max()


@pytest.mark.parametrize(("J", "Q"), [(6, 1), (6, 8), (8, 12)])
def test_no_frequency_is_lost_or_much_amplified(J, Q):
    n = 4096
    family = filters.wavelets(J, Q)
    psi = filters.morlet(n, family.xi, family.sigma)
    phi = filters.low_pass(n, filters.SIGMA_0 / 2**J)
    mirrored = np.roll(psi[:, ::-1], 1, axis=1)
    gain = phi**2 + (psi**2 + mirrored**2).sum(axis=0) / 2
    f = np.abs(np.fft.fftfreq(n))
    # Two neighbours cross at sqrt(1/2), where each contributes a quarter: 1/2, less what the
    # wavelets' peaks lack of 1. The gap to the evenly spaced ones below is wider.
    geometric = (family.xi[-Q] <= f) & (f <= family.xi[0])
    assert gain[geometric].min() > 0.43
    assert gain[f <= family.xi[0]].min() > 0.15
    assert gain.max() < 1 + 1e-12  # nothing is amplified


def test_beyond_the_support_nothing_is_left():
    n = 1024
    family = filters.wavelets(5, 2)
    first, last = filters.support(n, family.xi, family.sigma)
    psi = filters.morlet(n, family.xi, family.sigma)
    inside = [set(np.arange(a, b + 1) % n) for a, b in zip(first, last, strict=True)]
    outside = [[k for k in range(n) if k not in some] for some in inside]
    assert max(len(some) for some in outside) > n / 2
    assert max(np.abs(row[k]).max(initial=0) for row, k in zip(psi, outside, strict=True)) < 1e-17


def test_a_window_is_a_part_of_the_filters_period():
    xi, sigma, _ = filters.wavelets(3, 2)
    start = np.arange(len(xi)) - 3
    whole = filters.morlet(64, xi, sigma)
    window = filters.morlet(64, xi, sigma, start=start, width=70)
    for row, part, first in zip(whole, window, start, strict=True):
        np.testing.assert_array_equal(part, np.roll(np.tile(row, 3), -first)[:70])


def test_filters_are_those_of_kymatio():
    bank = json.loads(str(STORED["cases"]))["bank"]
    psi = filters.morlet(bank["n"], bank["xi"], bank["sigma"])
    # Kymatio's sum over periods ends at -1, where its widest wavelet is still 1e-12.
    np.testing.assert_allclose(psi, STORED["psi"], atol=1e-12)
    np.testing.assert_allclose(psi[1:], STORED["psi"][1:], atol=1e-14)
    phi = [filters.low_pass(bank["n"], sigma) for sigma in bank["sigma"]]
    np.testing.assert_allclose(phi, STORED["phi"], atol=1e-11)
    np.testing.assert_allclose(phi[1:], STORED["phi"][1:], atol=1e-14)


@pytest.mark.filterwarnings("ignore:averages over T")
def test_padding_is_kymatios():
    for n, T, length, left, right, start, stop in STORED["padding"]:
        padding = filters.padding(int(n), T)
        assert padding == (length, left, right)
        assert filters.border(padding, int(n), 2) == (start, stop)
        assert filters.border(padding, int(n), 0) == (left, left + n)


@pytest.mark.parametrize(("T", "length"), [(7.0, 1024), (7.5, 2048)])
def test_padding_is_three_times_the_reach_of_the_average(T, length):
    # A Gaussian of deviation T / (2 pi 0.1) has a thousandth of its weight beyond 4.92 T, so that
    # 6 times 35 samples, and not 6 times 38, leave room in 1024 for 800.
    assert filters.padding(800, T).length == length


def test_a_border_holds_the_samples_that_lie_in_the_signal():
    padding = filters.padding(1000, 8)
    for level in range(6):
        kept = np.arange(0, padding.length, 2**level)
        inside = (padding.left <= kept) & (kept < padding.left + 1000)
        assert list(range(*filters.border(padding, 1000, level))) == np.flatnonzero(inside).tolist()


def test_averages_longer_than_the_signal_are_warned_of():
    with pytest.warns(
        UserWarning, match=r"T = 64 samples.* signals of 100 samples: .*Lower J or T"
    ):
        filters.padding(100, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filters.padding(1000, 64)
