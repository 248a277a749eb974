"""Dictionaries with structure."""

import numpy as np
import pytest

from common.sparse import (
    Lasso,
    adverse_dictionary,
    gaussian_dictionary,
    haar_dictionary,
    learned_dictionary,
    optimum,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_features_of_an_adverse_dictionary_are_waves():
    D = adverse_dictionary(32, 12, rng=rng())
    np.testing.assert_allclose(np.linalg.norm(D, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(D[1:], D[:0:-1], atol=1e-12)  # cosines are even
    np.testing.assert_allclose(D[0], 1 / np.sqrt(12), rtol=1e-12)
    # cos 2a = 2 cos^2 a - 1, each atom times its unknown norm.
    for k in (1, 3, 5):
        design = np.stack([2 * D[k] ** 2, -D[2 * k]], axis=1)
        _, residual, *_ = np.linalg.lstsq(design, np.ones(12))
        assert residual[0] < 1e-20
    # Distinct frequencies: features are independent.
    assert np.linalg.matrix_rank(D) == 12


def test_wavelets_that_are_not_moved_are_orthonormal():
    D = haar_dictionary(shifts=(0,))
    assert D.shape == (15, 64)
    np.testing.assert_allclose(D @ D.T, np.eye(15), atol=1e-12)
    np.testing.assert_allclose(D.sum(axis=1), 0, atol=1e-12)


def test_moved_wavelets_are_distinct_and_constant_on_squares_of_two_pixels():
    D = haar_dictionary()
    # 15 wavelets moved 25 times give 375; 108 have left the square, and 139 are there already.
    assert D.shape == (128, 64)
    np.testing.assert_allclose(np.linalg.norm(D, axis=1), 1, rtol=1e-11)
    blocks = D.reshape(128, 4, 2, 4, 2)
    np.testing.assert_array_equal(blocks, np.broadcast_to(blocks[:, :, :1, :, :1], blocks.shape))
    assert np.linalg.matrix_rank(D) == 16
    # Among them those that are not moved.
    assert (np.abs(haar_dictionary(shifts=(0,)) @ D.T).max(axis=1) > 1 - 1e-11).all()


def test_learned_atoms_code_samples_better_than_random_ones():
    atoms = gaussian_dictionary(8, 12, rng=rng())
    x = (rng(1).random((300, 8)) < 0.2) * rng(2).standard_normal((300, 8)) @ atoms
    learn, test = x[:200], x[200:]
    D = learned_dictionary(learn, 8, reg=0.05, rng=rng(3))
    np.testing.assert_allclose(np.linalg.norm(D, axis=1), 1, rtol=1e-12)
    costs = [
        optimum(Lasso(one, reg=0.05), test).objective.mean()
        for one in (D, gaussian_dictionary(8, 12, rng=rng(4)), atoms)
    ]
    # Far nearer to those that the samples were made of.
    assert costs[0] - costs[2] < 0.3 * (costs[1] - costs[2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: adverse_dictionary(16, 8, rng=rng()),
            "8 features need as many frequencies below 16 / 2, and there are 7.* at least 18 atoms",
        ),
        (
            lambda: [adverse_dictionary(8, 1, rng=rng(seed)) for seed in range(20)],
            "atom 2 is zero: all 1 waves vanish there. Draw again",
        ),
        (lambda: haar_dictionary(6), "size must be a multiple of 4, got 6"),
        (lambda: haar_dictionary(shifts=()), r"shifts is empty. Use \(0,\)"),
        (
            lambda: learned_dictionary(np.ones((3, 4)), 5, reg=0.1, rng=rng()),
            "5 atoms cannot be learned from 3 samples",
        ),
        (
            lambda: learned_dictionary(np.ones((9, 4)), 5, reg=0, rng=rng()),
            "reg must be above 0, got 0",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
