"""Covariances of phase harmonics against sums over pixels, pair by pair, and what is refused."""

import numpy as np
import pytest
import torch

from common.scattering.filters_bump import filter_bank
from common.scattering.harmonic_covariances import HarmonicCovariances

SHAPE, J, L = (16, 20), 2, 4


def draw(seed, *, shape=SHAPE, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


class Direct:
    """The covariances by their definition, one pair of channels and directions after another."""

    def __init__(self, K, observed):
        self.K, self.observed = K, observed
        self.bank = filter_bank(K.shape, K.J, K.L)

    def channel(self, x, j, q, k):
        psi = self.bank.phi if q is None else self.bank.psi[j, q]
        z = torch.fft.ifft2(torch.fft.fft2(x) * torch.as_tensor(psi))
        return z if q is None else z.abs() * torch.exp(1j * k * z.angle())

    def inner(self, v, j):
        margin = 0 if self.K.periodic else 2**j // 2
        height, width = v.shape
        return v[margin : height - margin, margin : width - margin]

    def centred(self, x, j, q, k):
        of_observed = self.inner(self.channel(self.observed, j, q, k), j)
        mean = of_observed.mean()
        scale = (of_observed - mean).abs().square().mean().sqrt() if self.K.normalize else 1
        return (self.channel(x, j, q, k) - mean) / scale

    def covariance(self, v, w, j, shift=(0, 0)):
        if self.K.periodic:
            return (v * torch.roll(w, shift, (0, 1)).conj()).mean()
        a, b = shift
        v, w = self.inner(v, j), self.inner(w, j)
        height, width = v.shape
        v = v[a:, max(b, 0) : width + min(b, 0)]
        w = w[: height - a, max(-b, 0) : width - max(b, 0)]
        return (v * w.conj()).mean()

    def moments(self, x):
        K, turn, found = self.K, 2 * self.K.L, []
        for apart, k, k2 in K.blocks:
            for j in range(K.J - apart):
                for q in range(turn):
                    for q2 in range(turn):
                        if min((q - q2) % turn, (q2 - q) % turn) <= K.dl:
                            v, w = self.centred(x, j, q, k), self.centred(x, j + apart, q2, k2)
                            found.append(self.covariance(v, w, j + apart))
        steps = [
            (a, b) for a in range(K.dn + 1) for b in range(-K.dn, K.dn + 1) if (a, b) != (0, 0)
        ]
        last = self.centred(x, K.J - 1, None, 1)
        found.append(self.covariance(last, last, K.J - 1))
        for a, b in steps:
            step = 2 ** (K.J - 1)
            found.append(self.covariance(last, last, K.J - 1, (a * step, b * step)))
            for j in range(K.J):
                for q in range(turn):
                    for k in (0, 1):
                        v = self.centred(x, j, q, k)
                        found.append(self.covariance(v, v, j, (a * 2**j, b * 2**j)))
        return torch.stack(found)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize(
    "options",
    [
        {"dj": 1, "dn": 1},
        {"dj": 0, "dn": 2, "normalize": False},
        {"dj": 1, "dk": 1, "dl": 4},
        {"dj": 1, "dn": 1, "dl": 1, "periodic": False},
    ],
    ids=str,
)
def test_sums_are_those_of_the_definition(dtype, options):
    observed, x = draw(0, dtype=dtype), draw(1, dtype=dtype)
    K = HarmonicCovariances(SHAPE, J, L, **options).fit(observed)
    direct = Direct(K, observed)
    moments, of_observed = direct.moments(x), direct.moments(observed)
    expected = (moments - of_observed).abs().square().sum()
    assert K.loss(x).item() == pytest.approx(expected.item(), rel=1e-10)
    of_all = (K(x).square() * K.multiplicity).sum()
    assert of_all.item() == pytest.approx(moments.abs().square().sum().item(), rel=1e-10)


def test_isotropic_moments_are_those_of_angular_frequencies():
    # Orthonormal transforms over the directions of channels, equal frequencies alone.
    observed, x = draw(0), draw(1)
    K = HarmonicCovariances(SHAPE, J, L, dj=1, isotropic=True).fit(observed)
    direct = Direct(K, observed)

    def transformed(x, j, k):
        of_observed, of_x = (
            torch.stack([direct.channel(image, j, q, k) for q in range(2 * L)])
            for image in (observed, x)
        )
        mean = of_observed.mean()
        scale = (of_observed - mean).abs().square().mean().sqrt()
        return torch.fft.fft((of_x - mean) / scale, dim=0, norm="ortho")

    def moments(x):
        found = [
            (transformed(x, j, k) * transformed(x, j + apart, k2).conj()).mean(dim=(1, 2))
            for apart, k, k2 in K.blocks
            for j in range(J - apart)
        ]
        low = direct.centred(x, J - 1, None, 1)
        return torch.cat([*found, (low.abs().square()).mean()[None]])

    expected = (moments(x) - moments(observed)).abs().square().sum()
    assert K.loss(x).item() == pytest.approx(expected.item(), rel=1e-10)


def test_isotropic_moments_do_not_see_a_quarter_turn():
    observed = draw(0, shape=(16, 16))
    K = HarmonicCovariances((16, 16), J, L, dj=1, isotropic=True).fit(observed)
    assert K.loss(torch.rot90(observed)).item() < 1e-20
    other = HarmonicCovariances((16, 16), J, L, dj=1).fit(observed)
    assert other.loss(torch.rot90(observed)).item() > 1e-2


@pytest.mark.parametrize(
    ("options", "n_moments"),
    [
        ({"dj": 0, "dn": 2}, 6895),
        ({"dj": 1, "dn": 2}, 10927),
        ({"dj": 1, "isotropic": True}, 769),
    ],
    ids=["B", "C", "D"],
)
def test_models_have_the_published_sizes(options, n_moments):
    assert HarmonicCovariances((64, 64), 5, 8, **options).n_moments == n_moments


def test_multiplicities_add_up_to_the_size():
    K = HarmonicCovariances(SHAPE, J, L, dj=1, dk=1, dn=1).fit(draw(0))
    assert K.multiplicity.sum().item() == K.n_moments
    assert K.target.shape == K.multiplicity.shape


@pytest.mark.parametrize("isotropic", [False, True])
def test_moments_do_not_see_a_shift_round_the_borders(isotropic):
    observed, x = draw(0), draw(1)
    K = HarmonicCovariances(SHAPE, J, L, dj=1, isotropic=isotropic).fit(observed)
    np.testing.assert_allclose(K(torch.roll(x, (3, -5), (0, 1))), K(x), atol=1e-12)


def test_images_in_a_batch_are_as_alone():
    x = torch.stack([draw(seed) for seed in range(4)]).reshape(2, 2, *SHAPE)
    K = HarmonicCovariances(SHAPE, J, L, dn=1).fit(draw(9))
    assert K.loss(x).shape == (2, 2)
    np.testing.assert_allclose(K(x)[1, 0], K(x[1, 0]), atol=1e-13)


def test_moments_of_several_observed_images_are_means():
    images = torch.stack([draw(0), draw(1)])
    K = HarmonicCovariances(SHAPE, J, L, dn=1).fit(images)
    np.testing.assert_allclose(K.target, K(images).mean(dim=0), atol=1e-13)


def test_single_precision_is_near_double():
    K = HarmonicCovariances(SHAPE, J, L, dn=1).fit(draw(0))
    double, single = K(draw(1)), K(draw(1).float())
    assert single.dtype == torch.float32
    # Sums of 320 products of numbers of order 1, each with a relative error of 6e-8.
    np.testing.assert_allclose(single, double, atol=2e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize(
    "options",
    [{"dn": 1}, {"dn": 1, "periodic": False}, {"isotropic": True}, {"dj": 1, "dk": 2}],
    ids=str,
)
def test_gradients_are_those_of_finite_differences(dtype, options):
    K = HarmonicCovariances((8, 10), J, 2, **options).fit(draw(0, shape=(8, 10), dtype=dtype))
    x = draw(1, shape=(8, 10), dtype=dtype).requires_grad_()
    assert torch.autograd.gradcheck(K.loss, (x,), fast_mode=True)


def test_white_noise_has_the_power_of_the_filters():
    # E |x * psi|^2 is the mean of psi^2 over frequencies, and phases are uniform. Each direction
    # alone: of every scale, real and imaginary parts of (1, 0), then (1, 1), then (0, 0).
    noise = draw(0, shape=(400, 16, 16))
    K = HarmonicCovariances((16, 16), J, L, dj=0, dl=0, normalize=False).fit(noise)
    mixed, power = K.target[: 2 * J * L], K.target[2 * J * L : 3 * J * L].reshape(J, L)
    expected = (filter_bank((16, 16), J, L).psi[:, :L] ** 2).mean(axis=(2, 3))
    # Sums over 400 times at least five frequencies that a filter keeps: a relative deviation of
    # sqrt(1 / 2000), five times.
    np.testing.assert_allclose(power, expected, rtol=5 / np.sqrt(2000))
    assert mixed.abs().max() < 5 / np.sqrt(2000) * expected.max()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: HarmonicCovariances((16, 16), 5),
            ValueError,
            r"2\*\*J = 32 pixels \(J=5\) exceed a side",
        ),
        (
            lambda: HarmonicCovariances((16, 16), 2, dj=-1),
            ValueError,
            "dj must be at least 0, got -1",
        ),
        (
            lambda: HarmonicCovariances((16, 16), 2, 4, dl=5),
            ValueError,
            "dl must be at least 0 and at most 4, got 5",
        ),
        (
            lambda: HarmonicCovariances((16, 16), 2, dn=1, isotropic=True),
            ValueError,
            "isotropic moments have all directions and no shifts, got dl=8 and dn=1",
        ),
        (
            lambda: HarmonicCovariances((16, 16), 4, dn=2),
            ValueError,
            r"shifts of dn=2 steps of 2\*\*3 pixels leave no pixels",
        ),
        (
            lambda: HarmonicCovariances((16, 16), 2)(torch.zeros(16, 16)),
            ValueError,
            r"there is no observed image yet; call fit\(image\) first",
        ),
        (
            lambda: HarmonicCovariances((16, 16), 2).fit(torch.full((16, 16), 3.0)),
            ValueError,
            r"does not vary: its standard deviation is .*Is the image constant",
        ),
        (
            lambda: HarmonicCovariances((16, 16), 2).fit(torch.zeros(16, 15)),
            ValueError,
            r"image has shape \(16, 15\), but these covariances are for images of shape \(16, 16\)",
        ),
        (
            lambda: HarmonicCovariances((16, 16), 2).fit(torch.zeros(16, 16, dtype=torch.int64)),
            TypeError,
            "image must be in single or double precision, real or complex, got int64",
        ),
        (
            lambda: HarmonicCovariances((16, 16), 2).fit([[0.0]]),
            TypeError,
            "image must be a tensor, got list",
        ),
        (
            lambda: HarmonicCovariances(SHAPE, 2).fit(draw(0))(draw(1, dtype=torch.complex128)),
            TypeError,
            "the observed image is real, x is complex",
        ),
    ],
)
def test_what_has_no_covariances_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(value):
    image = draw(0).numpy()
    image[3, 7] = value
    with pytest.raises(ValueError, match=rf"image\[0, 3, 7\]|image\[3, 7\] is {value}"):
        HarmonicCovariances(SHAPE, 2).fit(image)
