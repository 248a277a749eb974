"""The choice of steps, and calls to a level."""

import numpy as np
import pandas as pd
import pytest

from common.bilevel.examples import quadratic
from common.bilevel.solvers import solve, step_bound
from common.bilevel.study import best_steps, calls_to, follow, grid


def rng(**names):
    return np.random.default_rng(len(names["solver"]))


@pytest.fixture(scope="module")
def example():
    return quadratic(rng=np.random.default_rng(0), n=64, m=32, n_inner=4, n_outer=2)


def test_a_grid_has_the_end_of_each_run_and_leaves_out_constant_steps_near_the_bound(example):
    bound = step_bound(example.problem, example.x)
    steps = [0.05, 0.95 * bound, 1e3]
    table = grid(
        example, ["soba", "saba"], steps=steps, ratios=[1, 2], calls=[5000], rng=rng,
        options={"all": {"batch": 8}},
    )  # fmt: skip
    assert table.groupby("solver").size().to_dict() == {"saba": 2, "soba": 6}
    run = solve(
        example.problem, example.z, example.x, solver="saba", step=0.05, ratio=2, calls=[5000],
        batch=8, rng=np.random.default_rng(4),
    )  # fmt: skip
    row = table.query("solver == 'saba' and ratio == 2").iloc[0]
    assert row["excess"] == example.last(run)["excess"] and not row["diverged"]
    far = table[table["step"] == 1e3]
    assert far["diverged"].all() and far["excess"].isna().all()


def test_calls_to_a_level_are_read_off_the_marks_of_a_run(example):
    marks = np.arange(0, 40_000, 400)
    table = grid(
        example, ["saba"], steps=[0.1], ratios=[1], calls=marks, rng=rng, level=1e-2,
        options={"saba": {"batch": 8}},
    )  # fmt: skip
    curve, run = follow(
        example, calls=marks, solver="saba", step=0.1, ratio=1, batch=8,
        rng=np.random.default_rng(4),
    )  # fmt: skip
    assert list(curve["mark"]) == list(marks) and (curve["calls"] == run.calls).all()
    below = curve[curve["gradient"] <= 1e-2]
    assert table["reached"].item() == below["calls"].iloc[0]
    assert table["gradient"].item() == curve["gradient"].iloc[-1]


def test_calls_to_a_level_are_those_of_the_first_point_that_is_there():
    assert calls_to([10, 20, 30, 40], [1, 0.1, 0.5, 0.01], 0.1) == 20
    assert np.isnan(calls_to([10, 20], [1, np.nan], 0.1))
    with pytest.raises(ValueError, match="calls and values must have one length"):
        calls_to([1], [1, 2], 0.1)


def runs(rows):
    return pd.DataFrame(rows, columns=["solver", "step", "ratio", "seed", "reached", "gradient"])


def test_the_best_steps_have_the_lowest_median():
    table = runs(
        [("b", 0.1, 1, s, v, 0) for s, v in enumerate([1, 9, 2])]
        + [("b", 0.2, 1, s, v, 0) for s, v in enumerate([3, 0, 4])]
        + [("a", 0.2, 2, s, 5, 0) for s in range(3)]
        + [("a", 0.1, 2, s, 5, 0) for s in range(3)]
    )
    best = best_steps(table, "reached")
    assert best[["solver", "step", "reached"]].values.tolist() == [["b", 0.1, 2.0], ["a", 0.1, 5.0]]


def test_what_is_missing_is_the_worst_and_a_second_column_decides_between_such():
    table = runs(
        [("a", 0.1, 1, s, v, 3.0) for s, v in enumerate([np.nan, np.nan, 1])]
        + [("a", 0.2, 1, s, v, 2.0) for s, v in enumerate([np.nan, np.nan, np.nan])]
        + [("b", 0.1, 1, s, v, 3.0) for s, v in enumerate([np.nan, 7, 8])]
        + [("b", 0.2, 1, s, v, np.nan) for s, v in enumerate([np.nan, np.nan, 1])]
    )
    best = best_steps(table, ["reached", "gradient"])
    assert best[["solver", "step"]].values.tolist() == [["a", 0.2], ["b", 0.1]]


def test_steps_that_some_seed_could_not_take_are_left_out():
    table = runs([("a", 0.1, 1, 0, 5, 0), ("a", 0.1, 1, 1, 5, 0), ("a", 0.2, 1, 0, 1, 0)])
    assert best_steps(table, "reached")["step"].tolist() == [0.1]


def test_steps_with_which_a_run_has_diverged_come_last():
    table = runs(
        [("a", 0.1, 1, s, 5, 0) for s in range(3)]
        + [("a", 0.2, 1, s, v, 0) for s, v in enumerate([1, 1, np.nan])]
        + [("b", 0.2, 1, s, v, 0) for s, v in enumerate([1, 1, np.nan])]
    )
    assert best_steps(table, "reached")["step"].tolist() == [0.2, 0.2]
    table["diverged"] = table["reached"].isna()
    assert best_steps(table, "reached")["step"].tolist() == [0.1, 0.2]


def test_a_table_without_the_column_is_refused():
    with pytest.raises(ValueError, match="the table of runs has no column 'loss'; it has"):
        best_steps(runs([("a", 0.1, 1, 0, 5, 0)]), "loss")
