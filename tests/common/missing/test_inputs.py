"""What cannot be computed with is refused, with its value and what to do."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from common.missing.bayes import bayes_predict, gaussian_predict, neumann_predict, patterns
from common.missing.em import EMRegressor, fit_gaussian
from common.missing.neumiss import NeuMiss, NeuMissRegressor, fit
from common.missing.results import gaps, selected
from common.missing.simulate import (
    MCAR,
    GaussianSelfMasking,
    LogisticMAR,
    ProbitSelfMasking,
    Problem,
    draw_mechanism,
    sample,
)

NAN, INF = np.nan, np.inf
S = np.array([[2.0, 1.2], [1.2, 1.5]])
PROBLEM = Problem([0.5, -1.0], S, [1.0, -2.0])
X = np.array([[NAN, -2.0], [1.0, NAN]])
ROWS = np.random.default_rng(1).standard_normal((30, 3))
TABLE = pd.DataFrame(
    [("a", 10, 0, m, 1, 0.5, 0.5, 0.5) for m in ("bayes", "em")],
    columns=["dataset", "n", "seed", "method", "size", "train", "validation", "test"],
)


def predict(**changed):
    moments = {"mean": [0.5, -1.0], "covariance": S, "cross": [1.0, 2.0], "target_mean": 0.0}
    return gaussian_predict(X, **{**moments, **changed})


def drawn(name, rate):
    return draw_mechanism(name, [0, 0.0], S, rate=rate, rng=np.random.default_rng(3))


def forward(values, missing):
    return NeuMiss(2, 1)(torch.as_tensor(values), torch.as_tensor(missing))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MCAR(NAN), "rate must be at least 0 and at most 1, got nan."),
        (lambda: MCAR(50), "rate must be at least 0 and at most 1, got 50."),
        (lambda: MCAR("0.5"), "rate must be a number, got '0.5'."),
        (lambda: LogisticMAR(S, [0.0]), "weights must have shape (1, 1), a row and a column for"),
        (lambda: LogisticMAR(S, [0.0, INF]), "intercepts must be finite, got inf at index 1."),
        (lambda: LogisticMAR(S, [0.0, NAN]), "intercepts must be finite, got nan at index 1."),
        (lambda: LogisticMAR(S * NAN, [0.0, 1.0]), "weights must be finite, got nan at index (0"),
        (lambda: GaussianSelfMasking([0, 1], [1, 0]), "width must be finite and above 0, got 0.0"),
        (lambda: GaussianSelfMasking([0, 1], [1]), "center has 2, width has 1"),
        (
            lambda: GaussianSelfMasking([0, NAN], [1, 1]),
            "center must be finite, got nan at index 1",
        ),
        (lambda: ProbitSelfMasking(INF, [0.0]), "slope must be finite, got inf."),
        (lambda: ProbitSelfMasking(0.5, [[0.0]]), "threshold must have 1 axis, got shape (1, 1)."),
        (
            lambda: ProbitSelfMasking(0.5, [0.0, 1.0]).probabilities([[1.0]]),
            "complete must have 2 columns, one for each of threshold of the mechanism, got",
        ),
        (lambda: MCAR(0.5).probabilities([[NAN]]), "complete must be finite, got nan at index (0"),
        (
            lambda: sample(S, MCAR(0.5), 2, rng=np.random.default_rng(0)),
            "problem must be a Problem",
        ),
        (
            lambda: sample(PROBLEM, "mcar", 2, rng=np.random.default_rng(0)),
            "mechanism must be what draw_mechanism returns, such as MCAR(0.5), got 'mcar'.",
        ),
        (lambda: patterns([[0, 1]]), "missing must hold True and False, got int64. Of a table X"),
        (lambda: patterns([True]), "missing must have 2 axes and a column, got shape (1,)."),
        (lambda: predict(mean=[NAN, 0.0]), "mean must be finite, got nan at index 0."),
        (lambda: predict(covariance=S[:1]), "covariance must have shape (2, 2), one row for each"),
        (lambda: predict(covariance=0 * S), "covariance must be positive definite, got a least"),
        (lambda: predict(cross=[1.0]), "mean has 2, cross has 1"),
        (lambda: predict(cross=[1j, 0]), "cross must hold numbers, got [1j, 0]."),
        (lambda: predict(target_mean=NAN), "target_mean must be finite, got nan."),
        (
            lambda: bayes_predict(X, PROBLEM, "gaussian"),
            "mechanism must be None or one of MCAR, LogisticMAR, GaussianSelfMasking, "
            "ProbitSelfMasking, got 'gaussian'. draw_mechanism makes one by its name.",
        ),
        (
            lambda: bayes_predict(X, PROBLEM, GaussianSelfMasking([0.0], [1.0])),
            "mean of problem has 2, center of mechanism has 1",
        ),
        (lambda: bayes_predict(X, None), "problem must be a Problem, as random_problem returns it"),
        (lambda: neumann_predict(X, S, 1), "problem must be a Problem, as random_problem"),
        (lambda: NeuMiss.analytic(S, 1), "problem must be a Problem, as random_problem"),
        (
            lambda: forward(np.zeros((1, 2), np.float32), X[:1]),
            "values must be a tensor of float64",
        ),
        (lambda: forward(np.zeros((1, 2)), np.zeros((1, 2)) > 0), "missing must be a tensor of"),
        (lambda: forward(np.zeros((1, 3)), np.zeros((1, 3))), "values must have shape (n, 2), a"),
        (lambda: forward(np.zeros(2), np.zeros((2, 2))), "values must have shape (n, 2), a column"),
        (lambda: forward(np.zeros((1, 2)), np.zeros((2, 2))), "missing must have shape (n, 2), a"),
        (lambda: forward(X, np.isnan(X) * 1.0), "values is not finite. Where a value is missing,"),
        (lambda: fit(None, X, [1.0, 2.0]), "network must be a NeuMiss, got None."),
        (lambda: fit(NeuMiss(3, 1), X, [1.0, 2.0]), "X must have 3 columns, one for each variable"),
        (lambda: fit(NeuMiss(2, 1), X, [1.0]), "X has 2, y has 1"),
        (lambda: fit(NeuMiss(2, 1), X, [1.0, NAN]), "y must be finite, got nan at index 1."),
        (lambda: fit(NeuMiss(2, 1), X * INF, [1.0, 1.0]), "X holds -inf at index (0, 1), which is"),
        (lambda: LogisticMAR(S, "abc"), "intercepts must hold numbers, got"),
        (lambda: drawn("gaussian", 1e-10), "rate is too small for this mechanism, got 1e-10."),
        (lambda: drawn("mar", 1e-40), "rate is too small for this mechanism, got 1e-40."),
        (lambda: fit_gaussian(1e160 * ROWS), "so its variance is infinite. Scale it down."),
        (lambda: fit_gaussian(1e-170 * ROWS), "so its variance is 0 in floating point. Scale it"),
        (
            lambda: EMRegressor().fit(ROWS, np.ones(30)),
            "all observed values of y are 1, so it has no variance.",
        ),
        (
            lambda: EMRegressor().fit(1e160 * ROWS, ROWS[:, 0]),
            "column 0 of X reaches",
        ),
        (lambda: selected(None), "table must be a pandas.DataFrame, got None."),
        (lambda: gaps([1]), "table must be a pandas.DataFrame, got [1]."),
        (
            lambda: selected(TABLE.assign(validation="0.5")),
            "column 'validation' of table must hold numbers, got '0.5' in row 0.",
        ),
        (
            lambda: gaps(TABLE.assign(validation="0.5")),
            "column 'validation' of table must hold numbers, got '0.5' in row 0.",
        ),
        (
            lambda: gaps(TABLE[1:]),
            "table has no row of bayes, neither with {'dataset': 'a', 'n': 10, 'seed': 0} nor of",
        ),
        (lambda: gaps(TABLE, against="Best"), "got 'Best'. Did you mean 'best'?"),
        (lambda: gaps(pd.concat([TABLE, TABLE])), "table has more than one row of bayes with"),
        (lambda: gaps(TABLE.drop(columns="train")), "table has no column 'train', only dataset,"),
        (
            lambda: selected(TABLE.rename(columns={"validation": "validatoin"})),
            "Did you mean 'validatoin'?",
        ),
        (
            lambda: selected(TABLE.assign(seed=[NAN, 0])),
            "column 'seed' of table has no value in row 0, and 0 more such rows.",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


@pytest.mark.parametrize(
    "mechanism",
    [
        (MCAR, 1),
        (LogisticMAR, np.zeros((2, 2), int), [-INF, 0]),
        (GaussianSelfMasking, [0, 1], [1, 2]),
        (ProbitSelfMasking, 1, [0, 1]),
    ],
    ids=lambda one: one[0].__name__,
)
def test_mechanisms_of_lists_and_whole_numbers_are_those_of_arrays(mechanism):
    kind, *fields = mechanism
    whole = kind(*fields).probabilities([[1, -2]])
    of_floats = kind(*(np.asarray(one, float)[()] for one in fields))
    np.testing.assert_array_equal(whole, of_floats.probabilities(np.array([[1.0, -2.0]])))


def test_values_far_from_the_centre_go_missing_with_probability_0_without_a_warning(recwarn):
    far = GaussianSelfMasking([0.0], [1.0]).probabilities([[1e200]])
    assert far == 0 and not recwarn.list


@pytest.mark.parametrize("estimator", [EMRegressor(), NeuMissRegressor(n_epochs=1, random_state=0)])
def test_a_refused_fit_leaves_the_earlier_one_whole(estimator):
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((60, 3))
    estimator.fit(inputs, inputs.sum(axis=1) + rng.standard_normal(60))
    before = estimator.predict(inputs)
    option = {"tol": -1.0} if isinstance(estimator, EMRegressor) else {"lr": -1.0}
    with pytest.raises(ValueError, match="must be above 0, got -1"):
        estimator.set_params(**option).fit(inputs[:, :2], inputs[:, 0])
    np.testing.assert_array_equal(estimator.predict(inputs), before)


def test_a_replaced_field_is_checked_too():
    with pytest.raises(ValueError, match="rate must be at least 0"):
        replace(MCAR(0.5), rate=-1)
