"""What cannot be computed with is refused, with its value and what to do, and changes nothing."""

import re

import numpy as np
import pytest
import torch

from common.scattering.covariance_error import FovealCovariance
from common.scattering.harmonic_covariances import HarmonicCovariances
from common.scattering.harmonics import harmonic_of_rectifiers, harmonics, rectifier
from common.scattering.maximum_entropy import GaussianModel, MaximumEntropy
from common.scattering.pictures import beside
from common.scattering.processes import gaussian_field
from common.scattering.random_filters import RandomFilterGrams
from common.scattering.synthesis import descend
from common.scattering.textures import cut, dead_leaves, haar_shapes, largest_correlation

NAN = np.nan
IMAGE = np.random.default_rng(0).standard_normal((32, 32))
Z = torch.tensor([1.0 + 1j])


def rng():
    return np.random.default_rng(0)


def grams():
    return RandomFilterGrams(2, (3, 5), rng=rng())


FOVEAL = FovealCovariance((32, 32), 2, 2, dn=0, k_max=1)
COVARIANCE = FOVEAL.covariance(IMAGE[None])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: harmonics(Z, [2.5]), "an order must be a whole number, got 2.5."),
        (lambda: harmonics(Z, [True]), "an order must be a whole number, got True."),
        (lambda: rectifier(Z.real, 0.0), "z must be a complex tensor, got torch.float32."),
        (lambda: rectifier(Z, NAN), "phase must be finite, got nan."),
        (lambda: harmonic_of_rectifiers(Z, 2.5, n_phases=4), "k must be a whole number, got 2.5."),
        (lambda: harmonic_of_rectifiers(Z.real, 2, n_phases=4), "z must be a complex tensor, got"),
        (
            lambda: gaussian_field(1, 8, rng=rng(), slope=1e4),
            "with slope=10000 and corner=6 the sp",
        ),
        (
            lambda: FOVEAL.error(COVARIANCE * NAN, COVARIANCE),
            "covariance must be finite, got nan at",
        ),
        (
            lambda: FOVEAL.error(COVARIANCE, COVARIANCE * NAN),
            "test must be finite, got nan at index",
        ),
        (lambda: beside(IMAGE.astype(str), IMAGE[None]), "observed must hold numbers, got array("),
        (lambda: beside(IMAGE, "abc"), "drawn must hold numbers, got 'abc'."),
        (
            lambda: descend(lambda x: 1.0, Z),
            "the objective must be a tensor with one number, got 1.",
        ),
        (
            lambda: grams().fit(IMAGE)(IMAGE),
            "x must be a tensor of real floating-point numbers, got",
        ),
        (
            lambda: grams().fit(IMAGE)(torch.zeros(4, 32)),
            "x must have shape (..., height, width) of at least 5 pixels each for filters of 5",
        ),
        (
            lambda: cut(IMAGE[0], 4),
            "picture must have shape (height, width) or (height, width, n_c",
        ),
        (
            lambda: dead_leaves(8, rng=rng(), largest=4.0, exponent=2e3),
            "above 1 and at most 50, got",
        ),
        (
            lambda: haar_shapes(1e200 * IMAGE),
            "or too little for their fourth moments in fl",
        ),
        (lambda: haar_shapes(1e-100 * IMAGE), "Scale the image to 1."),
        (
            lambda: largest_correlation(1e200 * IMAGE, IMAGE),
            "have the product inf: one is constant",
        ),
        (lambda: MaximumEntropy(J=2.5), "J must be a whole number, got 2.5."),
        (lambda: MaximumEntropy(L=0), "L must be at least 1, got 0."),
        (lambda: MaximumEntropy(iterations=2.5), "iterations must be a whole number, got 2.5."),
        (
            lambda: MaximumEntropy(iterations=[3, True]),
            "iterations must be a whole number, got True",
        ),
        (lambda: MaximumEntropy(histogram="no"), "histogram must be one of False, True, got 'no'."),
        (lambda: MaximumEntropy(periodic="no"), "periodic must be one of False, True, got 'no'."),
        (
            lambda: MaximumEntropy(start=0.5),
            "start must be a mean and a standard deviation, got 0.5",
        ),
        (lambda: MaximumEntropy(start=(0.5, 0)), "the standard deviation of start must be above 0"),
        (lambda: MaximumEntropy(factor=NAN), "factor must be above 0, got nan."),
        (
            lambda: MaximumEntropy("B").fit(np.ma.masked_less(IMAGE, 0)),
            "masked values. Fill them in first: moments need every pixel.",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


@pytest.mark.parametrize("model", ["A", "B", "rectifiers"])
def test_a_refused_fit_leaves_the_earlier_one_whole(model):
    model = MaximumEntropy(model, J=1, L=2, iterations=1).fit(IMAGE)
    before = model.sample(rng=rng(), progress=False)
    with pytest.raises(ValueError, match="constant"):
        model.fit(np.ones((32, 32)))
    np.testing.assert_array_equal(model.sample(rng=rng(), progress=False), before)


def test_a_refused_image_leaves_moments_as_they_were():
    x = torch.as_tensor(IMAGE)
    found, constant = grams(), np.ones((32, 32))
    with pytest.raises(ValueError, match="the image is constant, 1"):
        found.fit(constant)
    with pytest.raises(ValueError, match="there is no observed image yet"):
        found(x)
    covariances = HarmonicCovariances((32, 32), 1, 2).fit(x)
    with pytest.raises(ValueError, match="does not vary"):
        covariances.fit(torch.ones(32, 32, dtype=torch.complex128))
    assert covariances.loss(x) == 0


@pytest.mark.parametrize("dtype", ["float16", "uint8", "int32", ">f8"])
def test_images_of_any_real_dtype_are_modelled(dtype):
    image = (10 * np.abs(IMAGE)).astype(dtype)
    model = MaximumEntropy("B", J=1, L=2, iterations=1).fit(image)
    assert np.isfinite(model.sample(rng=rng(), progress=False)).all()
    assert GaussianModel(1, 2, dn=0).fit(image).residual < 1e-5
