"""Logarithms of many matrices together, against those of each, closed forms and invariances."""

import re

import numpy as np
import pytest

from common.spd import log_matrices
from tests.common.spd.test_logarithm import random_spd, rotated


@pytest.mark.parametrize("n_channels", [2, 3, 10, 20, 40])
def test_logarithms_of_many_matrices_agree_with_those_of_each(n_channels):
    x = random_spd(75, n_channels, seed=n_channels, n_times=3 * n_channels)
    # Both lose digits in proportion to the condition number, here below 1e4.
    np.testing.assert_allclose(log_matrices(x), [log_matrices(M) for M in x], rtol=0, atol=1e-11)


@pytest.mark.parametrize("condition", [1, 30, 1e3, 1e6, 1e9])
def test_logarithms_of_many_diagonal_matrices(condition):
    # Nothing is lost here, so that only the function itself is tested: it is of order 10.
    eigenvalues = condition ** -np.random.default_rng(0).random((100, 5))
    eigenvalues[:, 0], eigenvalues[:, -1] = 1, 1 / condition
    x = 7.0 * np.stack([np.diag(row) for row in eigenvalues])
    expected = np.stack([np.diag(row) for row in np.log(7 * eigenvalues)])
    np.testing.assert_allclose(log_matrices(x), expected, rtol=0, atol=2e-14)


def test_logarithms_of_many_matrices_of_any_condition():
    eigenvalues = [np.geomspace(10.0**-k, 1, 8) for k in range(13)]
    x = np.stack([rotated(row, seed=seed) for seed in range(6) for row in eigenvalues])
    for k, (one, together) in enumerate(zip(x, log_matrices(x), strict=True)):
        error = np.abs(together - log_matrices(one)).max()
        assert error < 1e-13 + 20 * np.finfo(float).eps * 10 ** (k % 13)


def test_the_logarithm_of_a_matrix_does_not_depend_on_the_others():
    x = random_spd(100, 6, seed=0)
    order = np.random.default_rng(1).permutation(100)
    np.testing.assert_array_equal(log_matrices(x[order]), log_matrices(x)[order])
    np.testing.assert_array_equal(log_matrices(x[:77]), log_matrices(x)[:77])


@pytest.mark.parametrize("unit", [1e-300, 1e-150, 1e-12, 1e150, 1e300])
def test_logarithms_of_many_matrices_in_any_unit(unit):
    x = random_spd(70, 4, seed=0)
    difference = log_matrices(unit * x) - log_matrices(x)
    expected = np.broadcast_to(np.log(unit) * np.eye(4), x.shape)
    # Of rounding in logarithms of order 700, and of the product, times the condition number.
    np.testing.assert_allclose(difference, expected, rtol=0, atol=1e-11)


def test_many_matrices_in_any_layout():
    x = random_spd(140, 5, seed=0)
    views = x[::2], np.asfortranarray(x[::2]), x[::2].copy()
    views[2].flags.writeable = False
    expected = log_matrices(x[::2].copy())
    for view in views:
        np.testing.assert_array_equal(log_matrices(view), expected)
    shaped = log_matrices(x.reshape(2, 70, 5, 5))
    np.testing.assert_array_equal(shaped, log_matrices(x).reshape(2, 70, 5, 5))


def test_one_bad_matrix_among_many_is_named():
    x = random_spd(100, 4, seed=0)
    x[71] = rotated(np.array([-1e-3, 1.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match=re.escape("matrices[71] is not positive definite")):
        log_matrices(x)
    with pytest.raises(ValueError, match=re.escape("matrices[1][21] is not positive definite")):
        log_matrices(x.reshape(2, 50, 4, 4))
    x[71] = 0.0
    with pytest.raises(ValueError, match="go from 0 to 0"):
        log_matrices(x)
