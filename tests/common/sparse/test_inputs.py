"""What cannot be computed with is refused, with its value and what to do."""

import re

import numpy as np
import pytest

from common.sparse.data import gaussian_dictionary
from common.sparse.dictionaries import haar_dictionary, learned_dictionary
from common.sparse.lasso import Lasso
from common.sparse.solvers import ista, iterations_to, optimum
from common.sparse.unfolded import analytic_weights

X = np.random.default_rng(0).standard_normal((30, 4))
PROBLEM = Lasso(np.eye(4), reg=0.1)


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
