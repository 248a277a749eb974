"""Dictionaries and samples."""

import numpy as np
import pytest

from common.sparse import (
    Lasso,
    bernoulli_samples,
    coded_samples,
    digits,
    gaussian_codes,
    gaussian_dictionary,
    image_patches,
    optimum,
    shrink,
)


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


def test_sparse_codes_have_the_density_and_scale_that_are_asked_for():
    x = bernoulli_samples(np.eye(40), 2000, density=0.1, scale=3, rng=rng())
    drawn, n = x[x != 0], x.size
    # Shares and squares of normal numbers: five standard errors.
    assert drawn.size / n == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / n))
    assert np.mean(drawn**2) == pytest.approx(9, rel=5 * np.sqrt(2 / drawn.size))
    D = gaussian_dictionary(40, 7, rng=rng(1))
    mixed = bernoulli_samples(D, 2000, density=0.1, scale=3, rng=rng())
    np.testing.assert_allclose(mixed, x @ D, atol=1e-12)


def test_samples_without_a_code_are_drawn_again():
    D, draws = gaussian_dictionary(30, 8, rng=rng()), rng(1)
    asked = []

    def draw(n):
        asked.append(n)
        return bernoulli_samples(D, n, density=0.02, scale=1, rng=draws)

    x = coded_samples(draw, 200, D=D, reg=0.3)
    assert x.shape == (200, 8) and asked[0] == 200 and len(asked) > 1
    assert sorted(asked, reverse=True) == asked
    assert optimum(Lasso(D, reg=0.3), x).z.any(axis=1).all()


def test_patches_are_squares_of_the_images_without_their_means():
    images = np.arange(2 * 6 * 7.0).reshape(2, 6, 7) ** 2
    x = image_patches(images, 400, size=3, rng=rng())
    np.testing.assert_allclose(x.mean(axis=1), 0, atol=1e-10)
    places = [
        one[i : i + 3, j : j + 3].ravel() for one in images for i in range(4) for j in range(5)
    ]
    expected = np.array([one - one.mean() for one in places])
    distance = np.abs(x[:, None] - expected).max(axis=2)
    np.testing.assert_allclose(distance.min(axis=1), 0, atol=1e-9)
    # 40 places: one is missed by 400 draws with a chance of 0.2 %, of which the seed is free.
    assert len(set(distance.argmin(axis=1))) == 40


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gaussian_dictionary(0, 3, rng=rng()), ValueError, "n_atoms must be at least 1"),
        (lambda: gaussian_dictionary(3, 2.5, rng=rng()), TypeError, "n_features must be a whole"),
        (lambda: gaussian_dictionary(3, 3, rng=0), TypeError, "rng must be a numpy.random.Gener"),
        (lambda: gaussian_codes(np.eye(2), 0, rng=rng()), ValueError, "n_samples must be at least"),
        (
            lambda: bernoulli_samples(np.eye(2), 3, density=1.5, scale=1, rng=rng()),
            ValueError,
            "density must be above 0 and at most 1, got 1.5",
        ),
        (
            lambda: bernoulli_samples(np.eye(2), 3, density=0.5, scale=0, rng=rng()),
            ValueError,
            "scale must be above 0, got 0",
        ),
        (
            lambda: coded_samples(lambda n: np.zeros((n, 2)), 3, D=np.eye(2), reg=0.1),
            ValueError,
            "3 of 3 samples have a zero code after 1000 draws each, with lambda 0.1. Lower it",
        ),
        (
            lambda: coded_samples(lambda n: np.ones((2, 2)), 3, D=np.eye(2), reg=0.1),
            ValueError,
            r"draw\(3\) gave shape \(2, 2\) instead of \(3, 2\)",
        ),
        (
            lambda: image_patches(np.ones((1, 5, 9)), 3, size=6, rng=rng()),
            ValueError,
            "the images have 5 by 9 pixels, too few for patches of 6 by 6",
        ),
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
