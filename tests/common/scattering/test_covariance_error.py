"""Distance of covariances against complex channels of a whole turn, taken one by one."""

import numpy as np
import pytest

from common.scattering.covariance_error import FovealCovariance
from common.scattering.filters_bump import filter_bank


def images(seed, n=3, shape=(16, 8)):
    return np.random.default_rng(seed).standard_normal((n, *shape)) ** 3


def direct_covariance(x, J, L, k_max, dn):
    """Of complex channels, all directions, at the points of the grid."""
    bank = filter_bank(x.shape[1:], J, L)
    grid, span = 2 ** (J - 1), range(-dn, dn + 1)
    channels = []

    def add(v, step):
        for a in span:
            for b in span:
                moved = np.roll(v, (-a * step, -b * step), axis=(1, 2))
                channels.append(moved[:, ::grid, ::grid].ravel())

    spectrum = np.fft.fft2(x)
    for j in range(J):
        for q in range(2 * L):
            z = np.fft.ifft2(spectrum * bank.psi[j, q])
            for k in range(min(k_max, 2**j) + 1):
                add(np.abs(z) * np.exp(1j * k * np.angle(z)), 2**j)
    add(np.fft.ifft2(spectrum * bank.phi), grid)
    v = np.stack(channels)
    v = v - v.mean(axis=1, keepdims=True)
    return v @ v.conj().T / v.shape[1]


def test_it_is_the_distance_of_complex_covariances():
    J, L, k_max, dn = 2, 2, 2, 1
    judge = FovealCovariance((16, 8), J, L, k_max=k_max, dn=dn)
    model, test = images(0), images(1)
    ours = judge.error(judge.covariance(model), judge.covariance(test))
    covariance, true = (direct_covariance(x, J, L, k_max, dn) for x in (model, test))
    scale = 1 / np.sqrt(np.diag(true).real)
    scaled = [m * scale[:, None] * scale for m in (covariance - true, true)]
    expected = np.linalg.norm(scaled[0], 2) / np.linalg.norm(scaled[1], 2)
    assert judge.n_channels == len(true)
    assert ours == pytest.approx(expected, rel=1e-6)  # the tolerance of the eigenvalues


def test_the_papers_number_of_channels():
    assert FovealCovariance((64, 64), 5, 8).n_channels == 8025


def test_no_distance_from_itself_and_one_from_nothing():
    judge = FovealCovariance((16, 16), 2, 2)
    K = judge.covariance(images(0, shape=(16, 16)))
    assert judge.error(K, K) == 0
    assert judge.error(0 * K, K) == pytest.approx(1)
    assert judge.error(2 * K, K) == pytest.approx(1)


def test_more_true_images_come_closer():
    judge = FovealCovariance((16, 16), 2, 2)
    true = judge.covariance(images(0, n=400, shape=(16, 16)))
    few, many = (judge.error(judge.covariance(images(1, n, (16, 16))), true) for n in (2, 100))
    assert many < 0.5 * few  # as the root of 50, were there no maximum over directions


def test_the_unit_of_the_images_does_not_matter():
    judge = FovealCovariance((16, 16), 2, 2)
    a, b = images(0, shape=(16, 16)), images(1, shape=(16, 16))
    error = judge.error(judge.covariance(a), judge.covariance(b))
    scaled = judge.error(judge.covariance(1e3 * a), judge.covariance(1e3 * b))
    assert scaled == pytest.approx(error, rel=1e-6)


def test_what_has_no_distance_is_refused():
    judge = FovealCovariance((16, 16), 2, 2)
    with pytest.raises(ValueError, match=r"images have shape \(8, 8\), expected \(16, 16\)"):
        judge.covariance(np.ones((1, 8, 8)))
    with pytest.raises(ValueError, match="images must be finite, got nan"):
        judge.covariance(np.full((1, 16, 16), np.nan))
    K = judge.covariance(images(0, shape=(16, 16)))
    with pytest.raises(ValueError, match=r"test has shape \(2, 2\), expected"):
        judge.error(K, np.eye(2))
    with pytest.raises(ValueError, match="has variance 0 in the test images"):
        judge.error(K, 0 * K)
