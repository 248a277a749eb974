"""What cannot be computed with is refused, with its value and what to do."""

import re

import numpy as np
import pytest

from common.sparse.data import (
    bernoulli_samples,
    coded_samples,
    digits,
    gaussian_codes,
    gaussian_dictionary,
    image_patches,
)
from common.sparse.dictionaries import haar_dictionary, learned_dictionary
from common.sparse.lasso import Lasso, soft_threshold, unit_lambda_max
from common.sparse.solvers import backtracking_ista, ista, iterations_to, optimum
from common.sparse.unfolded import Unfolded, analytic_weights

X = np.random.default_rng(0).standard_normal((30, 4))
PROBLEM = Lasso(np.eye(4), reg=0.1)
NETWORK = Unfolded.start(PROBLEM, "slista", 2)


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Lasso(1e200 * np.eye(2), reg=0.1), "D reaches 1e+200, whose square is infinite."),
        (
            lambda: analytic_weights(1e200 * np.eye(2)),
            "D reaches 1e+200, whose square is infinite.",
        ),
        (lambda: optimum(PROBLEM, 1e200 * X), "whose square is infinite. Scale it down."),
        (lambda: optimum(None, X), "problem must be a Lasso, such as Lasso(D, reg=0.1), got None."),
        (lambda: next(ista("lasso", X)), "such as Lasso(D, reg=0.1), got 'lasso'."),
        (
            lambda: iterations_to(None, X, solver="ista", precision=0.1),
            "problem must be a Lasso, such as Lasso(D, reg=0.1), got None.",
        ),
        (
            lambda: gaussian_dictionary(2, 2, rng=np.random.default_rng(0), unit="no"),
            "unit must be one of False, True, got 'no'.",
        ),
        (lambda: soft_threshold([1.0, -2.0], -1.0), "threshold must be finite and at least 0, got"),
        (lambda: soft_threshold([1.0, -2.0], np.nan), "threshold must be finite and at least 0"),
        (lambda: soft_threshold([1.0, np.nan], 1), "values must be finite, got nan at index 1."),
        (
            lambda: PROBLEM.objective(np.ones((1, 4)), np.ones((3, 4))),
            "x must have shape (1, 4), a sample for each row of z, got (3, 4).",
        ),
        (lambda: PROBLEM.gradient([[1.0, 2.0]], X), "z must have shape (n_samples, 4), a row for"),
        (lambda: PROBLEM.duality_gap(X, X[:2]), "x must have shape (30, 4), a sample for each"),
        (lambda: PROBLEM.support_smoothness([1.0]), "z must have shape (n_samples, 4), a row for"),
        (
            lambda: coded_samples(lambda n: np.full((n, 3), np.nan), 3, D=np.eye(3), reg=0.1),
            "what draw(3) gives must be finite, got nan at index (0, 0)",
        ),
        (
            lambda: coded_samples(lambda n: np.full((n, 3), 1j), 3, D=np.eye(3), reg=0.1),
            "what draw(3) gives must hold numbers, got",
        ),
        (
            lambda: bernoulli_samples(1e10 * np.eye(3), 9, density=0.5, scale=1e308, rng=rng()),
            "samples overflow with scale=1e+308 and atoms of up to 1e+10. Scale them down.",
        ),
        (lambda: analytic_weights(1e-170 * np.eye(3)), "D reaches only 1e-170, whose square is 0"),
        (lambda: analytic_weights(np.diag([1, 1e-170])), "atom 1 of D is too small beside others"),
        (lambda: Lasso(1e-170 * np.eye(3), reg=0.1), "whose square is 0 in floating point. Scale"),
        (lambda: unit_lambda_max(X, 1e-170 * np.eye(4)), "D reaches only 1e-170, whose square is"),
        (lambda: gaussian_codes(1e-200 * np.eye(4), 3, rng=rng()), "D reaches only 1e-200, whose"),
        (
            lambda: image_patches(np.full((1, 4, 4), 1.7e308), 3, size=2, rng=rng()),
            "images reaches 1.7e+308, whose square is infinite. Scale it down.",
        ),
        (lambda: digits(1e200 * X, 2, 2, 2, rng=rng()), "images reaches"),
        (
            lambda: backtracking_ista(PROBLEM, X, longest=1e300),
            "longest must be at least 1 and at most 1e+50, got 1e+300.",
        ),
        (
            lambda: NETWORK.loss(np.full((2, 4), np.nan)),
            "x must be finite, got nan at index (0, 0)",
        ),
        (lambda: NETWORK.loss(np.ones((0, 4))), "x is empty: its shape is (0, 4)."),
        (lambda: NETWORK.loss(X[:, :3]), "x must have 4 features, as the atoms have, got shape"),
        (lambda: NETWORK.loss(None), "x must hold numbers, got None."),
        (lambda: Unfolded(PROBLEM, "slista", 3), "layers must be a sequence of dicts, got 3."),
        (lambda: Unfolded(PROBLEM, "slista", [3]), "layer 1 must be a dict of parameters, got 3."),
        (lambda: haar_dictionary(shifts=("1",)), "a shift must be a whole number, got '1'."),
        (lambda: haar_dictionary(shifts=(2.5,)), "a shift must be a whole number, got 2.5."),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


def test_images_too_large_to_learn_from_are_refused():
    with pytest.raises(ValueError, match=r"x reaches .*e\+200, whose square is infinite"):
        learned_dictionary(1e200 * X, 3, reg=0.1, rng=np.random.default_rng(0))


def test_whole_numbers_shrink_as_floats():
    found = soft_threshold(np.array([10, 200], np.uint8), 50)
    np.testing.assert_array_equal(found, [0, 150])
