"""What cannot be computed with is refused, with its value and what to do."""

import re

import numpy as np
import pytest

from common.implicit.descent import gradient_descent
from common.implicit.estimators import analytic, implicit, minimizer
from common.implicit.examples import draw, errors_along, random_weights
from common.implicit.problems import Logistic, PNorm, Ridge
from common.implicit.rates import slopes
from common.implicit.sinkhorn import EntropicDual, sinkhorn_path, weight_gradients
from common.implicit.stochastic import gradient_errors

NAN = np.nan
FAR = [1e-300, 1.0]  # weights that are far apart
D = np.random.default_rng(0).standard_normal((4, 2))


RIDGE = Ridge(D, reg=0.1)
DUAL = EntropicDual([0.5, 0.5], 1 - np.eye(2), reg=0.1)


def rng():
    return np.random.default_rng(0)


def ridge(**changed):
    return draw("ridge", rng=rng(), **{"n": 5, "n_parameters": 3, **changed})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ridge(n=2.5), "n must be a whole number, got 2.5."),
        (lambda: ridge(n_parameters=0), "n_parameters must be at least 1, got 0."),
        (
            lambda: draw("p-norm", rng=rng(), n=2, n_parameters=-3, p=4, step=0.1),
            "at least 1, got -3",
        ),
        (
            lambda: draw("p-norm", rng=rng(), n=2, n_parameters=3, p=4, step=NAN),
            "step must be above 0, got nan.",
        ),
        (lambda: random_weights(2.5, rng=rng()), "shape must be a whole number, got 2.5."),
        (lambda: random_weights(-1, rng=rng()), "shape must be at least 1, got -1."),
        (lambda: random_weights(rng=rng()), "shape is empty; give the number of weights"),
        (lambda: errors_along(None, [1]), "example must be what draw(name, …) returns, got None."),
        (lambda: errors_along(ridge(), [1, 2], implicit_at=[2.5]), "implicit_at must be a whole"),
        (
            lambda: errors_along(ridge(), [1, 2], implicit_at=[3]),
            "implicit_at holds 3, which is not",
        ),
        (lambda: minimizer(None, [1.0]), "problem must be one of common.implicit.problems, or an"),
        (lambda: analytic("ridge", [1.0], [1.0]), "such as Ridge(D, reg=0.1); got 'ridge'."),
        (
            lambda: gradient_descent(None, [1.0], step=0.1, iterations=[1]),
            "problem must be one of common.implicit.problems",
        ),
        (
            lambda: implicit(Logistic(D, reg=0.1), [0.0, 0.0], np.full(4, 1e200)),
            "the Hessian in z is not finite: z reaches 0 and x 1e+200. Scale the problem",
        ),
        (lambda: Logistic(D, reg=0.1).smoothness([1.0]), "x must have 4 values, got 1."),
        (
            lambda: Logistic(D, reg=0.1).smoothness([1, 2, 3, NAN]),
            "x must be finite, got nan at ind",
        ),
        (lambda: PNorm(D.T, p=4).smoothness([]), "x is empty: its shape is (0,)."),
        (lambda: PNorm(D.T, p=4).minimizer([1.0, NAN]), "x must be finite, got nan at index 1."),
        (lambda: RIDGE.value([1.0], np.zeros(4)), "z must have 2 values, got 1."),
        (
            lambda: RIDGE.value(np.zeros(2), np.zeros((4, 1))),
            "x must have 1 axis, got shape (4, 1)",
        ),
        (lambda: RIDGE.gradient(None, np.zeros(4)), "z must hold numbers, got None."),
        (lambda: RIDGE.hessian(["a", "b"], np.zeros(4)), "z must hold numbers, got ['a', 'b']."),
        (lambda: RIDGE.cross([0, 0], [1.0]), "x must have 4 values, got 1."),
        (lambda: RIDGE.input_gradient([0, NAN], np.zeros(4)), "z must be finite, got nan at index"),
        (lambda: RIDGE.smoothness(None), "x must hold numbers, got None."),
        (lambda: DUAL.value(None, [0.5, 0.5]), "z must hold numbers, got None."),
        (
            lambda: DUAL.value([1e8, 0, 0, 0], [0.5, 0.5]),
            "the plan is infinite with reg=0.1: f rea",
        ),
        (lambda: DUAL.gradient([0.0], [0.5, 0.5]), "z must have 4 values, got 1."),
        (lambda: DUAL.input_gradient([0.0], [0.5, 0.5]), "z must have 4 values, got 1."),
        (lambda: DUAL.hessian([0.0], [0.5, 0.5]), "z must have 4 values, got 1."),
        (lambda: DUAL.cross([0.0], [0.5, 0.5]), "z must have 4 values, got 1."),
        (
            lambda: draw("ridge", rng=rng()),
            "ridge needs the size n; its sizes are n, n_parameters, reg.",
        ),
        (
            lambda: ridge(n_paramters=3),
            "ridge has no size 'n_paramters'; its sizes are n, n_parameters, reg. Did you mean 'n",
        ),
        (
            lambda: sinkhorn_path(None, [1.0], iterations=[1]),
            "problem must be an EntropicDual, such as EntropicDual(a, cost, reg=0.1), got None.",
        ),
        (
            lambda: list(
                sinkhorn_path(
                    EntropicDual([0.5, 0.5], 1 - np.eye(2), reg=0.002), FAR, iterations=[5]
                )
            ),
            "the kernel underflows. Use domain='log'.",
        ),
        (
            lambda: weight_gradients(
                [[0.5, 0.5]], FAR, 1 - np.eye(2), reg=0.002, n_iter=5, gradient="automatic"
            ),
            "the kernel underflows. Use domain='log'.",
        ),
        (
            lambda: gradient_errors(None, RIDGE, np.zeros(4), np.zeros(4)),
            "path must be what stochastic_descent returns, got None.",
        ),
        (lambda: slopes([1, 2, 3], [1, 2, 3]), "errors must be a dict of vectors by their names"),
        (lambda: slopes([1], {"a": [1]}, below=None), "below must be a number, got None."),
        (lambda: slopes([1, 2, 3], {}), "errors is empty; give one vector of errors by its name"),
        (lambda: slopes([1], {"a": [1]}, below=NAN), "below must be finite, got nan."),
        (lambda: slopes([1], {"a": [1]}, above=NAN), "above must be finite, got nan."),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


def test_lists_and_whole_numbers_are_vectors_too():
    problem = Logistic(D, reg=0.1)
    assert problem.smoothness([1, 2, 3, 4]) == problem.smoothness(np.arange(1.0, 5.0))

    expected = RIDGE.value(np.array([50.0, 100.0]), np.zeros(4))
    assert RIDGE.value(np.array([50, 100], np.int8), [0, 0, 0, 0]) == expected
