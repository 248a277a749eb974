"""Models of one image: what they keep of it, what they draw, and what is refused."""

import numpy as np
import pytest
import torch

from common.scattering.filters_bump import filter_bank
from common.scattering.harmonic_covariances import HarmonicCovariances
from common.scattering.maximum_entropy import GaussianModel, MaximumEntropy

J, L = 2, 4


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    noise = np.fft.fft2(rng.standard_normal((32, 24)))
    k = np.hypot(
        *np.meshgrid(np.fft.fftfreq(32, 1 / 32), np.fft.fftfreq(24, 1 / 24), indexing="ij")
    )
    field = np.fft.ifft2(noise / (1 + k)).real
    return field**2  # not Gaussian


def with_power(P):
    """An image whose powers are exactly these."""
    return np.fft.ifft2(np.sqrt(P * P.size)).real


def test_a_spectrum_of_the_models_form_is_found():
    bank = filter_bank((32, 24), J, L)
    wave = np.cos(2 * np.pi * np.fft.fftfreq(24))
    P = 1 / (bank.phi**2 + (bank.psi**2).sum(axis=(0, 1)) + 0.3 * bank.psi[0, 0] ** 2 * wave
             + 0.3 * bank.psi[0, L] ** 2 * wave)  # fmt: skip
    P[0, 0] = 0
    found = GaussianModel(J, L).fit(with_power(P))
    np.testing.assert_allclose(found.spectrum, P, rtol=1e-3)


def test_the_gaussian_model_meets_its_covariances(image):
    model = GaussianModel(J, L, dn=2, tol=1e-6).fit(image)
    power = np.abs(np.fft.fft2(image - image.mean())) ** 2 / image.size
    rows, columns = (2 * np.pi * np.fft.fftfreq(n) for n in image.shape)
    bank = filter_bank(image.shape, J, L)
    for j in range(J):
        for q in range(2 * L):
            for a, b in ((0, 0), (1, -2), (2, 1)):
                wave = np.exp(1j * 2**j * (a * rows[:, None] + b * columns))
                ours, observed = (
                    (p * bank.psi[j, q] ** 2 * wave).sum() for p in (model.spectrum, power)
                )
                size = (power * bank.psi[j, q] ** 2).sum()
                # The residual is of sums of two values, of q and of the opposite direction.
                assert abs(ours - observed) < 3e-6 * size
    assert model.residual <= 1e-6


def test_of_all_spectra_it_has_the_largest_entropy(image):
    # The observed powers meet the covariances as well; so does a mixture.
    P = GaussianModel(J, L).fit(image).spectrum.ravel()[1:]
    power = (np.abs(np.fft.fft2(image)) ** 2 / image.size).ravel()[1:]
    for part in (0.01, 0.5, 1.0):
        assert np.log(P).mean() > np.log((1 - part) * P + part * power).mean()


def test_draws_of_the_gaussian_model_have_its_spectrum(image):
    model = GaussianModel(J, L).fit(image)
    drawn = model.sample(400, rng=np.random.default_rng(1))
    power = (np.abs(np.fft.fft2(drawn)) ** 2).mean(axis=0) / image.size
    np.testing.assert_allclose(drawn.mean(axis=(1, 2)), image.mean())
    # Means of 400 squares, whose relative deviation is at most sqrt(2 / 400): six times.
    kept = model.spectrum > 0
    np.testing.assert_allclose(power[kept], model.spectrum[kept], rtol=6 * np.sqrt(2 / 400))


@pytest.mark.parametrize("model", ["B", "C", "D"])
def test_samples_approach_the_observed_moments(image, model):
    found = MaximumEntropy(model, J=J, L=L, iterations=40).fit(image)
    drawn = found.sample(2, rng=np.random.default_rng(0), progress=False)
    assert drawn.shape == (2, *image.shape) and len(found.histories) == 2
    for values, history in zip(drawn, found.histories, strict=True):
        assert history[-1] < 0.02 * history[0]  # nothing but progress is promised of so few steps
        loss = found.moments.loss(torch.as_tensor(values)).item()
        assert loss == pytest.approx(history[-1], rel=1e-6)
        # No copy of the image, which would have all moments as well.
        assert abs(np.corrcoef(values.ravel(), image.ravel())[0, 1]) < 0.5
    again = found.sample(2, rng=np.random.default_rng(0), progress=False)
    np.testing.assert_array_equal(again, drawn)


def test_precision_is_that_of_the_image(image):
    for dtype in ("float32", "complex128"):
        model = MaximumEntropy("B", J=J, L=L, iterations=2).fit(image.astype(dtype))
        assert model.sample(rng=np.random.default_rng(0), progress=False).dtype == dtype


def test_whole_numbers_are_an_image_as_well(image):
    values = np.round(100 * image).astype("uint8")
    model = MaximumEntropy("B", J=J, L=L, iterations=2).fit(values)
    assert model.sample(rng=np.random.default_rng(0), progress=False).dtype == "float64"


def test_moments_of_the_users_choice_are_taken(image):
    moments = HarmonicCovariances(image.shape, J, L, dj=1, dk=1, normalize=False)
    model = MaximumEntropy(moments, iterations=5, start=(0.5, 0.01)).fit(image)
    model.sample(rng=np.random.default_rng(0), progress=False)
    start = 0.5 + 0.01 * np.random.default_rng(0).standard_normal(image.shape)
    assert model.histories[0][0] == pytest.approx(moments.loss(torch.as_tensor(start)).item())


def test_grey_levels_can_be_the_observed_ones(image):
    model = MaximumEntropy("B", J=J, L=L, iterations=2, histogram=True).fit(image)
    (drawn,) = model.sample(rng=np.random.default_rng(0), progress=False)
    np.testing.assert_allclose(np.sort(drawn, axis=None), np.sort(image, axis=None))


def test_a_bar_shows_the_loss(image, capsys):
    MaximumEntropy("B", J=J, L=L, iterations=3).fit(image).sample(rng=np.random.default_rng(0))
    assert "loss=" in capsys.readouterr().err


def test_the_number_of_scales_follows_the_image():
    noise = np.random.default_rng(0).standard_normal((64, 80))
    assert MaximumEntropy("B", L=2).fit(noise).moments.J == 3


def colored(image):
    """Three colours that depend on each other."""
    red, other = image, np.roll(image, 5, axis=0)
    return np.stack([red, red + 0.5 * other, other**2], axis=-1)


@pytest.mark.parametrize("model", ["rectifiers", "rectifiers-same"])
def test_textures_approach_the_observed_moments(image, model):
    found = MaximumEntropy(model, J=J, iterations=40, histogram=True).fit(image)
    (drawn,) = found.sample(rng=np.random.default_rng(0), progress=False)
    (history,) = found.histories
    assert history[-1] < 0.01 * history[0]
    assert found.moments.order == "center" and not found.moments.periodic and found.moments.L == 4
    np.testing.assert_allclose(np.sort(drawn, axis=None), np.sort(image, axis=None))
    assert abs(np.corrcoef(drawn.ravel(), image.ravel())[0, 1]) < 0.5


def test_a_sample_in_color_has_colors_last_and_their_correlations(image):
    observed = colored(np.sqrt(image))
    model = MaximumEntropy("rectifiers", J=J, L=2, iterations=100).fit(observed)
    drawn = model.sample(2, rng=np.random.default_rng(0), progress=False)
    assert drawn.shape == (2, *observed.shape)
    expected = np.corrcoef(observed.reshape(-1, 3).T)
    for values in drawn:
        # A hundred iterations; noise begins without any correlation.
        np.testing.assert_allclose(np.corrcoef(values.reshape(-1, 3).T), expected, atol=0.02)
    # The first loss is that of noise with mean and deviation of each colour.
    first = torch.as_tensor(observed).movedim(-1, 0)
    noise = np.random.default_rng(0).standard_normal(first.shape)
    start = first.mean(dim=(1, 2), keepdim=True) + first.std(dim=(1, 2), keepdim=True) * noise
    assert model.histories[0][0] == pytest.approx(model.moments.loss(start).item())


def test_each_color_can_get_its_observed_levels(image):
    observed = colored(image)
    model = MaximumEntropy("rectifiers", J=1, L=2, iterations=2, histogram=True).fit(observed)
    (drawn,) = model.sample(rng=np.random.default_rng(0), progress=False)
    for c in range(3):
        levels = (np.sort(values[..., c], axis=None) for values in (drawn, observed))
        np.testing.assert_allclose(*levels)


def nan(image):
    return np.where(image == image.max(), np.nan, image)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: MaximumEntropy("E"), ValueError, "model must be one of A, B, C, D, rectifiers"),
        (lambda x: MaximumEntropy(3), ValueError, r"or have fit\(image\) and loss\(x\); got 3"),
        (
            lambda x: MaximumEntropy("A", periodic=False),
            ValueError,
            "model A is of periodic images alone",
        ),
        (lambda x: MaximumEntropy("C").fit(nan(x)), ValueError, r"image\[\d+, \d+\] is nan"),
        (lambda x: MaximumEntropy("A").fit(nan(x)), ValueError, r"image\[\d+, \d+\] is nan"),
        (lambda x: MaximumEntropy("C").fit(x[0]), ValueError, r"image must have shape \(height, w"),
        (lambda x: MaximumEntropy("C").fit(colored(x)), ValueError, "model C is of grey images"),
        (lambda x: MaximumEntropy("A").fit(colored(x)), ValueError, "model A is of grey images"),
        (lambda x: MaximumEntropy("rectifiers").fit(x[None]), ValueError, "with 2 to 4 colours"),
        (lambda x: MaximumEntropy("rectifiers").fit(1j * x), TypeError, "must be real"),
        (
            lambda x: MaximumEntropy("rectifiers").fit(0 * colored(x)),
            ValueError,
            "Is the image constant",
        ),
        (lambda x: MaximumEntropy("C").fit([["a"]]), TypeError, "image must hold numbers, got an"),
        (lambda x: MaximumEntropy("C", J=5).fit(x), ValueError, "J must be at most 4 for them"),
        (lambda x: MaximumEntropy("C").fit(0 * x + 2), ValueError, "Is the image constant"),
        (lambda x: MaximumEntropy("A").fit(0 * x + 2), ValueError, "the image is constant, 2: it"),
        (
            lambda x: MaximumEntropy("A").fit(x + 1j * x),
            TypeError,
            "the Gaussian model is of real images; this one is complex",
        ),
        (
            lambda x: MaximumEntropy("C").sample(rng=np.random.default_rng(0)),
            ValueError,
            r"there is no observed image yet; call fit\(image\) first",
        ),
        (
            lambda x: GaussianModel(2).sample(1, rng=np.random.default_rng(0)),
            ValueError,
            r"there is no observed image yet; call fit\(image\) first",
        ),
        (
            lambda x: MaximumEntropy("C").fit(x).sample(rng=7),
            TypeError,
            r"Make one: rng=np.random.default_rng\(7\)",
        ),
        (
            lambda x: MaximumEntropy("C").fit(x).sample(0, rng=np.random.default_rng(0)),
            ValueError,
            "n must be at least 1, got 0",
        ),
        (
            lambda x: GaussianModel(J, L, max_iter=1).fit(x),
            RuntimeError,
            "the covariances of the Gaussian model are not met: they differ by .* after 1 steps",
        ),
    ],
)
def test_what_cannot_be_modelled_is_refused(image, call, error, message):
    with pytest.raises(error, match=message):
        call(image)
