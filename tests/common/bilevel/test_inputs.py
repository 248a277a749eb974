"""What cannot be computed with is refused, with its value and what to do."""

import re

import numpy as np
import pandas as pd
import pytest

from common.bilevel.examples import (
    CleaningExample,
    LogisticExample,
    QuadraticExample,
    cleaning,
    logistic,
    lowest,
)
from common.bilevel.problems import Cleaning, Logistic
from common.bilevel.solvers import solve, step_bound
from common.bilevel.study import best_steps, calls_to, follow, grid

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
        (lambda: PROBLEM.value([0.0, 0.0], z=np.zeros((2, 1))), "z must have 1 axis, got shape (2"),
        (lambda: PROBLEM.value([0.0, 0.0], z=[NAN, 0.0]), "z must be finite, got nan at index 0."),
        (lambda: CLEANING.value(np.zeros(6), z=[0.0]), "z must have 6 values, got 1."),
        (lambda: PROBLEM.gradient([0.0, 0.0], z=[np.inf, 0]), "z must be finite, got inf at index"),
        (lambda: PROBLEM.gradient([800, 0.0]), "x reaches 800, and beyond 709.78 its penalty"),
        (lambda: PROBLEM.minimizer([800, 0.0]), "x reaches 800, and beyond 709.78 its penalty"),
        (lambda: PROBLEM.minimizer([0, 0.0], start=[NAN, 0]), "z must be finite, got nan at index"),
        (lambda: PROBLEM.minimizer([0, 0.0], start=[0.0]), "z must have 2 values, got 1."),
        (lambda: PROBLEM.curvature([1e3, 1]), "x reaches 1000, and beyond 709.78 its penalty"),
        (lambda: CLEANING.curvature([NAN]), "x must be finite, got nan at index 0."),
        (lambda: step_bound(PROBLEM, [800, 800]), "x reaches 800, and beyond 709.78 its penalty"),
        (
            lambda: step_bound(None, [0.0]),
            "problem must be Quadratic, Logistic or Cleaning",
        ),
        (
            lambda: solve(None, [0.0], [0.0], solver="soba", step=1, ratio=1, calls=[1], rng=None),
            "problem must be Quadratic, Logistic or Cleaning, got None.",
        ),
        (lambda: lowest(None, [0.0]), "problem must be Quadratic, Logistic or Cleaning, got None."),
        (
            lambda: lowest(PROBLEM, [0, 0.0], bound=-1.0),
            "bound must be above 0 and at most 700",
        ),
        (
            lambda: lowest(PROBLEM, [0, 0.0], bound=NAN),
            "bound must be above 0 and at most 700",
        ),
        (lambda: lowest(PROBLEM, [0, 0.0], bound="a"), "bound must be a number, got 'a'."),
        (
            lambda: follow(None, calls=[1]),
            "example must be an Example, as common.bilevel",
        ),
        (
            lambda: CleaningExample(
                CLEANING, np.zeros(6), np.zeros(6), test=(D, LABELS), kept=[5, 0.3, -1, 0, 1, 1]
            ),
            "kept must be True or False everywhere, got 5 at index 0.",
        ),
        (
            lambda: cleaning(
                D, LABELS + 0.5, rng=np.random.default_rng(0), corrupted=0.1, n=2, m=2
            ),
            "digits must be whole numbers, got 0.5 at index 0. They are classes",
        ),
        (lambda: run(full_start=None), "full_start must be one of False, True, got None."),
        (lambda: on_grid(steps=[]), "steps is empty; give one of them at least."),
        (lambda: on_grid(steps=["a"]), "steps must be a number, got 'a'."),
        (lambda: on_grid(ratios=[0]), "ratios must be above 0, got 0."),
        (lambda: on_grid(calls=10), "calls must have 1 axis, got shape ()."),
        (lambda: on_grid(rng=np.random.default_rng(0)), "rng must be a function of solver, length"),
        (lambda: on_grid(solvers=["saba"], steps=[1e9]), "steps leave nothing to run: saba must"),
        (lambda: on_grid(solvers=["sobo"]), "got 'sobo'. Did you mean 'soba'?"),
        (lambda: on_grid(options={"sobo": {}}), "got 'sobo'. Did you mean 'soba'?"),
        (lambda: on_grid(level=NAN), "level must be above 0, got nan."),
        (lambda: best_steps(TABLE, "excess"), "the table of runs has no step in row 1."),
        (lambda: best_steps(TABLE, []), "by must name columns, each once, got []."),
        (lambda: best_steps(TABLE, ["excess", "excess"]), "by must name columns, each once, got ["),
        (lambda: calls_to([1, 2], [0.5, 0.1], NAN), "level must be finite, got nan."),
        (
            lambda: calls_to([2, 1, 0], [3, 2, 1], 1.5),
            "calls must ascend, got 1.0 at index 1",
        ),
        (lambda: calls_to([0, 1], ["a", "b"], 1), "values must hold numbers, got ['a', 'b']."),
        (lambda: calls_to([0, 1], [[1], [2]], 1), "values must have 1 axis, got shape (2, 1)."),
        (lambda: calls_to([1, NAN], [0.5, 0.1], 0.2), "calls must be finite, got nan at index 1."),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


def test_a_period_of_any_length_is_one_full_direction():
    found = [run(solver="srba", period_frac=frac, calls=[10, 200]).x for frac in (1e6, 1e308)]
    np.testing.assert_array_equal(*found)


def test_whole_numbers_are_computed_with_as_floats():
    z, x = np.array([50, 100]), np.array([1, 2])
    expected = PROBLEM.inner_value(z.astype(float), x.astype(float))
    assert PROBLEM.inner_value(z.astype(np.int8), x.astype(np.int8)) == expected
