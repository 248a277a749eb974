"""Tables in which variance reduction pays as the papers say, or does not pay at all."""

import pandas as pd

from common.workflow import papers
from tests.worlds.tables import rows


def spread(seed):
    # Problems differ by factors about 1.
    return 1 + 0.01 * (seed % 3 - 1)


def world(true, scale):
    """Tables in which both papers are right, or wrong about everything."""
    problems = papers.settings("bilevel", papers.load("bilevel"), scale)["problems"]
    quadratic, logistic, cleaning = (
        problems[name] for name in ("quadratic", "logistic", "cleaning")
    )

    def toy(choice, solver, seed):
        ends = {"saba": 1e-18 if true else 1e-4, "soba": 1e-4 if true else 1e-8}
        # The budget is not what SRBA's calls are counted by: all reach the level.
        calls = {"srba": 0.5 if true else 2.0, "saba": 1.0}
        return {
            "excess": ends.get(solver, 1e-3) * spread(seed),
            "reached": 1e5 * calls.get(solver, 3.0) * spread(seed),
            "calls": quadratic["calls"],
        }

    def selection(choice, solver, seed):
        ahead, behind = (1e-5, 1e-3) if true else (1e-2, 1e-3)
        return {"excess": (ahead if solver == "saba" else behind) * spread(seed)}

    def labels(choice, solver, seed):
        error = 0.1 if true == (solver == "saba") else 0.13
        auc = 0.98 if true else 0.6
        return {
            "error": error * spread(seed),
            "uniform": 0.12 * spread(seed),
            "auc": auc * spread(seed),
        }

    def published(problem, time_s, solver):
        return {"median": 0.2 if true == (solver == "SABA") else 0.21}

    splits = range(cleaning["n_seeds"])
    cleaned = rows(labels, choice=["grid"], solver=cleaning["solvers"], seed=splits)
    with_papers_steps = rows(labels, choice=["paper"], solver=["saba"], seed=splits)
    equal = rows(toy, choice=["equal"], solver=["saba", "srba"], seed=range(quadratic["n_seeds"]))
    chosen = rows(
        toy,
        choice=["final", "calls"],
        solver=quadratic["solvers"],
        seed=range(quadratic["n_seeds"]),
    )
    return {
        "finals-quadratic": pd.concat([chosen, equal], ignore_index=True),
        "finals-logistic": rows(
            selection,
            choice=["final"],
            solver=logistic["solvers"],
            seed=range(logistic["n_seeds"]),
        ),
        "finals-cleaning": pd.concat([cleaned, with_papers_steps], ignore_index=True),
        "curves_2022": rows(
            published,
            problem=["ijcnn1", "datacleaning0_5", "datacleaning0_7", "datacleaning0_9"],
            time_s=[1.0, 100.0],
            solver=["SABA", "SOBA", "StocBiO"],
        ),
    }
