"""What cannot be computed with is refused, with its value and what to do."""

import re

import numpy as np
import pandas as pd
import pytest

from common.bilevel.examples import CleaningExample, LogisticExample, QuadraticExample, logistic
from common.bilevel.problems import Cleaning, Logistic
from common.bilevel.solvers import solve
from common.bilevel.study import best_steps, calls_to, grid

NAN = np.nan
D = np.random.default_rng(0).standard_normal((6, 2))
SIGNS, LABELS = np.array([1, -1, 1, -1, 1, 1]), np.array([0, 1, 2, 0, 1, 2])
PROBLEM = Logistic(D, SIGNS, D, SIGNS)
CLEANING = Cleaning(D, LABELS, D, LABELS, n_classes=3)
TABLE = pd.DataFrame(
    {"solver": ["a", "a"], "step": [1.0, NAN], "ratio": 1.0, "seed": [0, 1], "excess": 1.0}
)


def on_grid(**changed):
    example = LogisticExample(PROBLEM, np.zeros(2), np.zeros(2), lowest=0.0)
    chosen = {"steps": [0.1], "ratios": [1.0], "calls": [10], "rng": lambda **names: None}
    return grid(example, **{"solvers": ["soba"], **chosen, **changed})


def run(**changed):
    chosen = {"solver": "soba", "step": 0.1, "ratio": 1.0, "calls": [10], "batch": 2}
    return solve(
        PROBLEM, np.zeros(2), np.zeros(2), rng=np.random.default_rng(0), **{**chosen, **changed}
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: CLEANING.error(np.full(6, NAN), D, LABELS),
            "z must be finite, got nan at index 0",
        ),
        (
            lambda: CLEANING.error(np.zeros(6), D, LABELS + 1),
            "y must be a whole number from 0 to 2",
        ),
        (
            lambda: CLEANING.error(np.zeros(6), D[:, :1], LABELS),
            "must have the same features, got 2",
        ),
        (lambda: CLEANING.error(np.zeros(6), D, LABELS[:2]), "D has 6, y has 2"),
        (lambda: Logistic(1e200 * D, SIGNS, D, SIGNS), "whose square is infinite. Scale it down."),
        (
            lambda: QuadraticExample(None, [0.0], [0.0]),
            "problem must be Quadratic, Logistic or Clea",
        ),
        (
            lambda: LogisticExample(PROBLEM, [NAN, 0.0], [0.0, 0.0], lowest=0.0),
            "z must be finite, got nan at index 0.",
        ),
        (
            lambda: LogisticExample(PROBLEM, [0.0, 0.0], [0.0, 0.0], lowest=NAN),
            "lowest must be finite, got nan.",
        ),
        (
            lambda: CleaningExample(
                CLEANING, np.zeros(6), np.zeros(6), test=(D, LABELS), kept=[True]
            ),
            "kept must have 6 values, one for each row, got 1.",
        ),
        (
            lambda: CleaningExample(
                CLEANING, np.zeros(6), np.zeros(6), test=(D, LABELS + 7), kept=LABELS == 0
            ),
            "y must be a whole number from 0 to 2 everywhere, got 7 at index 0.",
        ),
        (
            lambda: logistic(rng=np.random.default_rng(0), find_lowest="no"),
            "find_lowest must be one of False, True, got 'no'.",
        ),
        (lambda: run(full_start=None), "full_start must be one of False, True, got None."),
        (lambda: on_grid(steps=[]), "steps is empty; give one of them at least."),
        (lambda: on_grid(solvers=["sobo"]), "got 'sobo'. Did you mean 'soba'?"),
        (lambda: on_grid(options={"sobo": {}}), "got 'sobo'. Did you mean 'soba'?"),
        (lambda: on_grid(level=NAN), "level must be above 0, got nan."),
        (lambda: best_steps(TABLE, "excess"), "the table of runs has no step in row 1."),
        (lambda: best_steps(TABLE, []), "by must name columns, each once, got []."),
        (lambda: best_steps(TABLE, ["excess", "excess"]), "by must name columns, each once, got ["),
        (lambda: calls_to([1, 2], [0.5, 0.1], NAN), "level must be finite, got nan."),
        (lambda: calls_to([1, NAN], [0.5, 0.1], 0.2), "calls must be finite, got nan at index 1."),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


def test_a_period_of_any_length_is_one_full_direction():
    found = [run(solver="srba", period_frac=frac, calls=[10, 200]).x for frac in (1e6, 1e308)]
    np.testing.assert_array_equal(*found)
