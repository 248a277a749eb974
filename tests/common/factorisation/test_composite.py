"""Frames of the Gaussian composite model: moments, published draws, errors of mean powers."""

import numpy as np
import pytest

from common.factorisation.composite import CompositeModel, cosine_model
from common.spd import haar_orthogonal
from common.spd.joint_diagonalisation import FrameCovariances, joint_diagonalisation

M, N, K = 4, 3, 2


def small():
    return cosine_model(M, N, K, rng=np.random.default_rng(0))


def test_frames_have_the_models_covariances():
    model, n = small(), 40_000
    frames = model.frames(n, rng=np.random.default_rng(1))
    assert frames.shape == (n, M, N)
    variances = model.W @ model.H
    expected = np.einsum("mi,mn,mj->nij", model.transform, variances, model.transform)
    found = np.einsum("sin,sjn->nij", frames, frames) / n
    diagonal = np.einsum("nii->ni", expected)
    # Var of a mean of products: (c_ii c_jj + c_ij²) / n; five standard errors.
    error = np.sqrt((diagonal[:, :, None] * diagonal[:, None] + expected**2) / n)
    assert (np.abs(found - expected) < 5 * error).all()
    assert (np.abs(frames.mean(axis=0).T) < 5 * np.sqrt(diagonal / n)).all()


def test_expected_powers_are_those_of_the_covariances():
    model = small()
    transforms = haar_orthogonal(3, M, rng=np.random.default_rng(2))
    covariances = np.einsum("mi,mn,mj->nij", model.transform, model.W @ model.H, model.transform)
    expected = np.einsum("rai,nij,raj->ran", transforms, covariances, transforms)
    np.testing.assert_allclose(model.expected_powers(transforms), expected, rtol=1e-10)
    np.testing.assert_allclose(model.expected_powers(model.transform), model.W @ model.H)


def test_the_transform_is_an_orthogonal_cosine():
    transform = cosine_model(8, N, K, rng=np.random.default_rng(0)).transform
    np.testing.assert_allclose(transform @ transform.T, np.eye(8), atol=1e-12)
    k, t = np.mgrid[:8, :8]
    cosines = np.sqrt(2 / 8) * np.cos(np.pi * k * (t + 0.5) / 8) * np.where(k == 0, 0.5**0.5, 1)
    np.testing.assert_allclose(transform, cosines, atol=1e-12)


def test_factors_are_gamma():
    model = cosine_model(100, 100, 50, rng=np.random.default_rng(0))
    for factor in (model.W, model.H):
        # Shape 1 and scale 2: mean 2, standard deviation 2; five standard errors of 5000 numbers.
        assert factor.mean() == pytest.approx(2, abs=5 * 2 / np.sqrt(5000))
        assert factor.min() > 0


def test_the_first_realisations_do_not_depend_on_how_many_follow():
    model = small()
    few, many = (model.frames(n, rng=np.random.default_rng(1)) for n in (2, 5))
    np.testing.assert_array_equal(few, many[:2])


@pytest.mark.parametrize(
    ("n_realisations", "published"),
    [(10, 70.86512519346729), (100, 5.582914570863068), (1000, 0.55473809368209)],
)
def test_the_published_errors_of_powers(n_realisations, published):
    # From the authors' notebook; joint diagonalisation stops within 1e-6 of the minimum.
    model = cosine_model(10, 50, 5, rng=np.random.RandomState(2020))
    frames = model.frames(n_realisations, rng=np.random.RandomState(100))
    C = FrameCovariances.of_frames(frames, eps=1e-8)
    starts = haar_orthogonal(5, 10, rng=np.random.default_rng(0))
    found = joint_diagonalisation(C, starts=starts).best
    _, powers = C.transformed(found[None])
    assert model.power_error(found, powers[0]) == pytest.approx(published, rel=1e-6)


def test_the_error_of_the_true_transform_is_m_n_over_s():
    model, n = cosine_model(6, 40, 3, rng=np.random.default_rng(0)), 200
    errors = []
    for seed in range(20):
        frames = model.frames(n, rng=np.random.default_rng(seed))
        _, powers = FrameCovariances.of_frames(frames).transformed(model.transform[None])
        errors.append(model.power_error(model.transform, powers[0]))
    # x - log x - 1 of a mean of n squares: log n/2 - digamma(n/2) = 1/n + O(1/n²). A term has about
    # the standard deviation √2/n, there are 20 × 240 of them: five standard errors.
    assert np.mean(errors) == pytest.approx(
        240 / n * (1 + 1 / n), abs=5 * 240 / n * (2 / 4800) ** 0.5
    )


def test_what_is_refused():
    model = small()
    with pytest.raises(ValueError, match="n_realisations must be at least 1, got 0"):
        model.frames(0, rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 2020"):
        model.frames(1, rng=2020)
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got None"):
        cosine_model(M, N, K, rng=None)
    with pytest.raises(ValueError, match=r"must end in shape \(4, 4\).*got \(2, 3, 3\)"):
        model.expected_powers(np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match=r"transforms reach 1e\+160, and powers overflow\."):
        model.expected_powers(1e160 * np.eye(4))
    with pytest.raises(ValueError, match="n_components must be at least 1"):
        cosine_model(M, N, 0, rng=np.random.default_rng(0))
    assert isinstance(model, CompositeModel)
