"""Moments of patterns' images: against sums written out, shifts, gradients, and what is refused."""

import numpy as np
import pytest
import torch

from common.points.moments import LOW_PASS_WEIGHT, PatternMoments
from common.points.rasterise import rasterise
from common.scattering.filters_bump import filter_bank, frequencies
from common.scattering.harmonic_covariances import HarmonicCovariances
from common.scattering.harmonics import harmonic

SIZE, J, L = 16, 3, 4


def image(seed, size=SIZE, sigma=1.2):
    x = size * np.random.default_rng(seed).random((25, 2))
    return rasterise(torch.as_tensor(x), size, sigma)


def written_out(observed, other, *, second_order=False, dj=2):
    """All covariances, one by one, over a whole turn of directions."""
    bank = filter_bank((SIZE, SIZE), J, L)
    rows, columns = frequencies((SIZE, SIZE))
    n = 2 * L

    def channels(f):
        """By translated or not, scale, direction and harmonic."""
        spectrum, found = np.fft.fft2(f.numpy()), {}
        for j in range(J):
            for q in range(n):
                angle = np.pi * q / L
                step = 2**j * np.array([np.sin(angle), np.cos(angle)])
                wave = np.exp(-1j * (step[0] * rows + step[1] * columns))
                for moved in (False, True):
                    psi = bank.psi[j, q] * (wave if moved else 1.0)
                    z = torch.as_tensor(np.fft.ifft2(spectrum * psi))
                    for k in (0, 1, 2, 4):
                        found[moved, j, q, k] = harmonic(z, k).numpy()
        return found

    mean = {key: v.mean() for key, v in channels(observed).items()}
    v = {key: value - mean[key] for key, value in channels(other).items()}
    found = []
    for moved in (False, True):
        for j in range(J):
            for j2 in range(j, min(j + dj, J - 1) + 1):
                pairs = [(1, 0), (1, 1), (0, 0)]
                if j2 > j:
                    pairs = [(0, 0), (0, 1), (0, 2), (1, 2 ** (j2 - j))]
                for q in range(n):
                    for q2 in range(n):
                        if second_order and (q != q2 or j != j2):
                            continue
                        if min((q - q2) % n, (q2 - q) % n) > L // 2:
                            continue
                        for k, k2 in [(1, 1)] if second_order else pairs:
                            product = v[moved, j, q, k] * v[False, j2, q2, k2].conj()
                            found.append(product.mean())
    low = [np.fft.ifft2(np.fft.fft2(f.numpy()) * bank.phi).real for f in (other, observed)]
    return np.array([*found, LOW_PASS_WEIGHT * np.mean((low[0] - low[1].mean()) ** 2)])


@pytest.mark.parametrize("second_order", [False, True])
def test_the_loss_is_that_of_covariances_written_out(second_order):
    observed, other = image(0), image(1)
    K = PatternMoments(SIZE, J, L, second_order=second_order).fit(observed)
    mine, theirs = (written_out(observed, f, second_order=second_order) for f in (other, observed))
    assert K.n_moments == len(mine)
    # Half the sampling rate is where a translation by parts of a pixel has no sign: of these images
    # it holds 1e-5 of a wavelet's energy.
    assert K.loss(other).item() == pytest.approx((np.abs(mine - theirs) ** 2).sum(), rel=1e-4)
    assert K.power == pytest.approx((np.abs(theirs) ** 2).sum(), rel=1e-4)
    assert K.loss(observed).item() == 0


def test_sizes_are_those_of_the_authors_models():
    assert PatternMoments(64, 4).n_moments == 2560 + 1
    assert PatternMoments(64, 3).n_moments == 1680 + 1
    assert PatternMoments(64, 3, second_order=True).n_moments == 49


def test_plain_covariances_are_those_of_the_scattering_family():
    observed, other = image(0), image(1)
    K = PatternMoments(SIZE, J, L).fit(observed)
    same = HarmonicCovariances((SIZE, SIZE), J, L, dj=2, normalize=False).fit(observed)
    rows = K._rows
    plain = torch.as_tensor(rows.weight == 2)[: len(K.target)]
    difference = (K(other) - K.target)[plain]
    # Theirs without the low-pass channel, which comes last.
    apart = (same(other) - same.target)[:-1]
    ours = 2 * difference.square().sum()
    expected = (apart.square() * same.multiplicity[:-1]).sum()
    assert ours.item() == pytest.approx(expected.item(), rel=1e-9)


def test_moments_do_not_change_with_shifts_round_the_borders():
    K = PatternMoments(SIZE, J, L).fit(image(0))
    shifted = torch.roll(image(1), (3, -5), (0, 1))
    np.testing.assert_allclose(K(shifted), K(image(1)), rtol=0, atol=1e-15)
    assert K.loss(torch.roll(image(0), (7, 2), (0, 1))).item() < 1e-28


def test_a_translation_along_the_oscillation_turns_the_phase():
    # Of a wave of the wavelet's own frequency, translated by t: the covariance of the coefficient
    # with itself is its power times exp(-i w t).
    column = torch.arange(32, dtype=torch.float64)
    wave = torch.cos(2 * np.pi * 6 / 32 * column).expand(32, 32).clone()
    K = PatternMoments(32, 1, 4, second_order=True).fit(wave)
    plain, forth = K.target[0], K.target[1:3]
    expected = plain * torch.tensor([np.cos(2 * np.pi * 6 / 32), -np.sin(2 * np.pi * 6 / 32)])
    # Folded over half the sampling rate, the wavelet keeps 1e-4 of the wave's other sense.
    np.testing.assert_allclose(forth, expected, rtol=1e-3)


@pytest.mark.parametrize("second_order", [False, True])
def test_gradients_in_the_points_are_those_of_finite_differences(second_order):
    K = PatternMoments(SIZE, 2, L, second_order=second_order).fit(image(0))
    x = torch.as_tensor(SIZE * np.random.default_rng(2).random((5, 2))).requires_grad_()

    def energy(x):
        return 1e3 * K.loss(rasterise(x, SIZE, 1.0))

    assert torch.autograd.gradcheck(energy, (x,), eps=1e-6, atol=1e-6)


def test_single_precision_comes_to_the_same():
    K = PatternMoments(SIZE, J, L).fit(image(0))
    single = PatternMoments(SIZE, J, L).fit(image(0).float())
    assert single.loss(image(1).float()).dtype == torch.float32
    assert single.loss(image(1).float()).item() == pytest.approx(K.loss(image(1)).item(), rel=1e-4)


def test_images_of_a_batch_are_judged_alike():
    K = PatternMoments(SIZE, J, L).fit(image(0))
    both = torch.stack([image(1), image(2)])
    np.testing.assert_allclose(K.loss(both), [K.loss(one) for one in both], rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: PatternMoments(16, 5), ValueError, r"J must be at most 4 for them"),
        (lambda: PatternMoments(16, 2, 1), ValueError, "L must be at least 2, got 1"),
        (lambda: PatternMoments(16, 2, dj=-1), ValueError, "dj must be at least 0, got -1"),
        (lambda: PatternMoments(16, 2)(image(0)), ValueError, r"call fit\(image\) first"),
        (
            lambda: PatternMoments(16, 2).fit(image(0, size=32)),
            ValueError,
            r"shape \(32, 32\), but these moments are for shape \(16, 16\)",
        ),
        (
            lambda: PatternMoments(16, 2).fit(torch.ones(16, 16)),
            ValueError,
            "the image is constant, 1: it has no moments",
        ),
        (lambda: PatternMoments(16, 2).fit(torch.full((16, 16), np.nan)), ValueError, "image"),
        (
            lambda: PatternMoments(16, 2).fit(np.ones((16, 16))),
            TypeError,
            "must be real tensors in single or double precision, got ndarray",
        ),
    ],
)
def test_what_has_no_moments_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
