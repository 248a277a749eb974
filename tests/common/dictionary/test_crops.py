import numpy as np
import pytest

from common.dictionary import crops


def image():
    return np.random.default_rng(0).random((20, 23))


def test_the_sharpest_crop_is_found_as_by_trying_all():
    X, n = image(), 6
    energy = {}
    for row in range(15):
        for column in range(18):
            crop = X[row : row + n, column : column + n]
            energy[row, column] = sum((np.diff(crop, axis=a) ** 2).sum() for a in (0, 1))
    row, column = max(energy, key=energy.get)
    expected = X[row : row + n, column : column + n]
    np.testing.assert_allclose(crops.sharpest_crop(X, n), expected - expected.mean())


def test_crops_are_centred_and_from_the_image():
    X = image()
    crop = crops.random_crop(X, 7, rng=np.random.default_rng(1))
    assert crop.mean() == pytest.approx(0, abs=1e-12)
    windows = np.lib.stride_tricks.sliding_window_view(X, (7, 7))
    apart = windows - windows.mean(axis=(2, 3), keepdims=True) - crop
    assert np.abs(apart).max(axis=(2, 3)).min() < 1e-12
    assert crops.random_crop(X, 20, rng=np.random.default_rng(1)).shape == (20, 20)


def test_atoms_are_patches_of_mean_zero_and_norm_one():
    X = np.zeros((9, 9))
    X[:3, :3] = image()[:3, :3]
    D = crops.drawn_atoms(X, 4, (2, 3), rng=np.random.default_rng(2))
    assert D.shape == (4, 1, 2, 3)
    np.testing.assert_allclose(D.sum(axis=(1, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose((D**2).sum(axis=(1, 2, 3)), 1)
    assert np.ptp(D, axis=(1, 2, 3)).all()


def test_what_is_not_there_cannot_be_drawn():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="n must be at least 2 and at most 20, got 21"):
        crops.sharpest_crop(image(), 21)
    with pytest.raises(ValueError, match="at most 20"):
        crops.random_crop(image(), 30, rng=rng)
    with pytest.raises(ValueError, match="shape must be"):
        crops.drawn_atoms(image(), 2, (30, 2), rng=rng)
    flat = np.zeros((6, 6))
    flat[0, 0] = 1
    with pytest.raises(
        ValueError, match=r"image has 1 patch\(es\) of 2 × 2 .* fewer than n_atoms=2"
    ):
        crops.drawn_atoms(flat, 2, (2, 2), rng=rng)
    with pytest.raises(TypeError):
        crops.random_crop(image(), 5, rng=0)
