"""Steps that are chosen on a grid, runs with their measures, and the calls that a level takes."""

import itertools

import numpy as np
import pandas as pd

from common import validation
from common.bilevel.solvers import CONSTANT, SOLVERS, solve, step_bound

__all__ = ["best_steps", "calls_to", "follow", "grid"]


def follow(example, *, calls, **options):
    """A run and what is measured of it.

    Parameters
    ----------
    example : common.bilevel.examples.Example
    calls : array_like of int, shape (n_kept,)
    **options
        See `solve`: ``solver``, ``step``, ``ratio``, ``rng`` and others.

    Returns
    -------
    table : pandas.DataFrame
        A row for each mark: ``mark``, ``calls`` and the columns of `Example.measure`.
    run : common.bilevel.solvers.Run

    Raises
    ------
    TypeError, ValueError
        As `solve`, and if ``example`` is none.
    """
    _check_example(example)
    run = solve(example.problem, example.z, example.x, calls=calls, **options)
    marks = np.asarray(calls, dtype=int)
    return pd.DataFrame({"mark": marks, "calls": run.calls} | example.measure(run)), run


def grid(example, solvers, *, steps, ratios, calls, rng, level=None, options=None):
    """The end of a run for each solver and each pair of steps.

    For solvers with constant steps, those of 0.9 times `step_bound` and more are left out: another
    problem of the kind may have a lower bound.

    Parameters
    ----------
    example : common.bilevel.examples.Example
    solvers : iterable of str
    steps, ratios : sequence of float
    calls : array_like of int
        Marks of every run.
    rng : callable
        Gives the generator of a run from ``solver``, ``length`` and ``ratio``.
    level : float, optional
        Then ``reached`` says how many calls ``gradient`` takes to come down to it.
    options : dict of str to dict, optional
        Options of `solve`, by solver; those of ``all`` for each.

    Returns
    -------
    table : pandas.DataFrame
        ``solver``, ``step``, ``ratio``, what is measured of the last point, NaN where a run has
        diverged, and ``diverged``.

    Raises
    ------
    TypeError, ValueError
        As `solve`, and if ``example`` is none, there is nothing to run, a step or ratio is no
        positive number, ``rng`` is no function, ``options`` names no solver, or ``level`` is no
        positive number.
    """
    _check_example(example)
    solvers, steps, ratios = list(solvers), list(steps), list(ratios)
    for name, values in (("solvers", solvers), ("steps", steps), ("ratios", ratios)):
        if not values:
            raise ValueError(f"{name} is empty; give one of them at least.")
        if name != "solvers":
            for value in values:
                validation.number(value, name, above=0)
    validation.vector(calls, "calls", at_least=0, ascending=True)
    if not callable(rng):
        raise TypeError(
            "rng must be a function of solver, length and ratio that gives the generator of a run, "
            f"got {rng!r}."
        )
    for name in [*solvers, *(set(options or {}) - {"all"})]:
        validation.choice(name, SOLVERS, "solver")
    if level is not None:
        level = validation.number(level, "level", above=0)
    rows, options = [], options or {}
    bound = step_bound(example.problem, example.x)
    for solver, step, ratio in itertools.product(solvers, steps, ratios):
        if solver in CONSTANT and step >= 0.9 * bound:
            continue
        chosen = options.get("all", {}) | options.get(solver, {})
        drawn = rng(solver=solver, length=step, ratio=ratio)
        key = {"solver": solver, "step": step, "ratio": ratio}
        if level is None:
            run = solve(
                example.problem, example.z, example.x, calls=calls[-1:], rng=drawn, **key, **chosen
            )
            rows.append(key | example.last(run) | {"diverged": run.diverged})
        else:
            table, run = follow(example, calls=calls, rng=drawn, **key, **chosen)
            end = table.iloc[-1].drop(["mark", "calls"]).to_dict()
            reached = calls_to(table["calls"], table["gradient"], level)
            rows.append(key | end | {"reached": reached, "diverged": run.diverged})
    if not rows:
        raise ValueError(
            f"steps leave nothing to run: {', '.join(solvers)} must have some below 0.9 times 2 / "
            f"L, {0.9 * bound:.4g}, got {min(steps):g} and more. Add shorter ones."
        )
    return pd.DataFrame(rows)


def best_steps(table, by):
    """For each solver the pair of steps whose median over seeds is lowest.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of `grid` with a column ``seed``. Where some seed has no run, because its bound is
        lower, a pair is left out.
    by : str or list of str
        The column that decides; others decide where it is equal, such as everywhere infinite. What
        is missing counts as infinite. Where there is a column ``diverged``, a pair with which some
        run has diverged comes after all with which none has.

    Returns
    -------
    best : pandas.DataFrame
        ``solver``, ``step``, ``ratio`` and the medians, in the order of the table. Of equal pairs
        the shorter steps are taken.

    Raises
    ------
    ValueError
        If a column is missing or named twice, or a step, ratio or seed is missing.
    """
    by = [by] if isinstance(by, str) else list(by)
    if missing := [name for name in ["solver", "step", "ratio", "seed", *by] if name not in table]:
        raise ValueError(f"the table of runs has no column {missing[0]!r}; it has {list(table)}.")
    if not by or len(set(by)) < len(by):
        raise ValueError(f"by must name columns, each once, got {by}.")
    for name in ("solver", "step", "ratio", "seed"):
        if (gone := table[name].isna()).any():
            raise ValueError(f"the table of runs has no {name} in row {table.index[gone][0]}.")
    filled = table.fillna(dict.fromkeys(by, np.inf))
    groups = filled.groupby(["solver", "step", "ratio"], sort=True)
    medians = groups[by].agg(lambda one: float(np.median(one)))
    medians["_diverged"] = groups["diverged"].any() if "diverged" in table else False
    medians = medians[groups["seed"].nunique() == table["seed"].nunique()].reset_index()
    medians = medians.sort_values(["_diverged", *by, "step"], kind="stable")
    best = medians.groupby("solver").head(1).drop(columns="_diverged")
    order = {name: place for place, name in enumerate(dict.fromkeys(table["solver"]))}
    return best.sort_values("solver", key=lambda one: one.map(order)).reset_index(drop=True)


def calls_to(calls, values, level):
    """Calls after which a measure has come down to a level for the first time.

    Parameters
    ----------
    calls, values : array_like, shape (n_kept,)
        NaN values have not come down.
    level : float

    Returns
    -------
    calls : float
        NaN if it never has.

    Raises
    ------
    TypeError
        If an argument does not hold numbers.
    ValueError
        If lengths differ, calls do not ascend, values have several axes, or calls or the level are
        not finite.
    """
    calls = validation.vector(calls, "calls", ascending=True)
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"values must hold numbers, got {values!r}.") from error
    if found.ndim != 1:
        raise ValueError(f"values must have 1 axis, got shape {found.shape}.")
    values = found
    validation.same_length(calls=calls, values=values)
    level = validation.number(level, "level")
    found = np.flatnonzero(values <= level)
    return float(calls[found[0]]) if found.size else np.nan


def _check_example(example):
    if not hasattr(example, "measure"):
        raise TypeError(
            "example must be an Example, as common.bilevel.examples.quadratic returns it, got "
            f"{example!r}."
        )
