"""Dictionaries and samples."""

import numpy as np
import pytest

from common.sparse import digits, gaussian_codes, gaussian_dictionary, shrink


def rng(seed=0):
    return np.random.default_rng(seed)


def test_atoms_have_norm_1_or_are_normal():
    np.testing.assert_allclose(
        np.linalg.norm(gaussian_dictionary(30, 4, rng=rng()), axis=1), 1, rtol=1e-12
    )
    plain = gaussian_dictionary(400, 50, rng=rng(), unit=False)
    # The mean of 20,000 squares of normal numbers: five standard errors.
    assert np.mean(plain**2) == pytest.approx(1, abs=5 * np.sqrt(2 / plain.size))


def test_simulated_samples_have_lambda_max_1():
    D = gaussian_dictionary(30, 8, rng=rng())
    x = gaussian_codes(D, 50, rng=rng(1))
    assert x.shape == (50, 8)
    np.testing.assert_allclose(np.abs(x @ D.T).max(axis=1), 1, rtol=1e-12)


def test_images_are_drawn_once_each():
    images = rng().standard_normal((40, 12))
    D, train, test = digits(images, 10, 15, 15, rng=rng(1))
    assert (D.shape, train.shape, test.shape) == ((10, 12), (15, 12), (15, 12))
    standard = images - images.mean(axis=1, keepdims=True)
    standard /= np.linalg.norm(standard, axis=1, keepdims=True)
    drawn = np.concatenate([D, train, test])
    likeness = drawn / np.linalg.norm(drawn, axis=1, keepdims=True) @ standard.T
    assert sorted(likeness.argmax(axis=1)) == list(range(40))  # every image, as scales do not count
    np.testing.assert_allclose(likeness.max(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(D, axis=1), 1, rtol=1e-12)
    for x in (train, test):
        np.testing.assert_allclose(np.abs(x @ D.T).max(axis=1), 1, rtol=1e-12)


def test_shrunken_images_keep_the_mean_of_what_is_not_cropped():
    images = rng().random((3, 28, 28))
    found = shrink(images, crop=4, size=8)
    assert found.shape == (3, 64)
    np.testing.assert_allclose(found.mean(axis=1), images[:, 4:-4, 4:-4].mean(axis=(1, 2)))
    # 20 / 8: a pixel is the mean over two and a half.
    first = (images[0, 4:6, 4:6].sum() + 0.5 * images[0, 6, 4:6].sum()) / 6.25
    first += (0.5 * images[0, 4:6, 6].sum() + 0.25 * images[0, 6, 6]) / 6.25
    assert found[0, 0] == pytest.approx(first)
    np.testing.assert_allclose(shrink(images, crop=0, size=28), images.reshape(3, -1))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gaussian_dictionary(0, 3, rng=rng()), ValueError, "n_atoms must be at least 1"),
        (lambda: gaussian_dictionary(3, 2.5, rng=rng()), TypeError, "n_features must be a whole"),
        (lambda: gaussian_dictionary(3, 3, rng=0), TypeError, "rng must be a numpy.random.Gener"),
        (lambda: gaussian_codes(np.eye(2), 0, rng=rng()), ValueError, "n_samples must be at least"),
        (
            lambda: digits(np.eye(5), 2, 2, 2, rng=rng()),
            ValueError,
            r"6 images are wanted \(n_atoms 2, n_train 2, n_test 2\), and there are 5",
        ),
        (
            lambda: digits([[1, 2], [3, 3], [1, 4]], 1, 1, 1, rng=rng()),
            ValueError,
            "image 1 has a single value, so it cannot be standardised. Leave it out",
        ),
        (
            lambda: shrink(np.ones((1, 4, 5)), crop=0, size=2),
            ValueError,
            r"images must be square, got shape \(1, 4, 5\)",
        ),
        (
            lambda: shrink(np.ones((1, 6, 6)), crop=2, size=3),
            ValueError,
            "2 of 6 pixels are left without 2 at either end, and 3 are wanted. Crop fewer",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, error, message):
    with pytest.raises(error, match=message):
        call()
