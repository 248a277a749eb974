"""Tables in which unrolled dictionary learning is all that its paper says, or nothing of it."""

import numpy as np
import pandas as pd

from common.workflow import papers
from tests.worlds.tables import rows


def spread(unit):
    return 1 + 0.01 * (unit % 3 - 1)


def world(true, scale):
    """Tables in which the paper is right, or wrong about everything."""
    settings = papers.settings("unrolled-dictionary", papers.load("unrolled-dictionary"), scale)
    one, angles, learning, batches = (
        settings[key] for key in ("jacobian", "angles", "learning", "batches")
    )

    def jacobian(example, through, iteration):
        exceeds = through == ("full" if true else "bp-20") and iteration < 100
        late = np.exp(-0.01 * iteration) if true else 0.9 + 1e-5 * iteration
        return {
            "n_active": 20,
            "norm": 5.0,
            "error": (1.2 if exceeds else 0.9 * late) * spread(example),
            "support": 3 if iteration < 100 else 0,
        }

    def angle(data, method, problem, n_iter, through):
        between = 100 <= n_iter < 1000
        rank = {"am": 3, "bp-20": 2, "bp-50": 1, "full": 2 if between else 1}[through]
        size = 0.1 * (rank if true else 4 - rank)
        return {"found": 0.5, "angle": size * spread(problem)}

    def learned(seed, learner, n_iter, step):
        saved = {"am": 0, "ddl": 0.1, "steps": 0.1 + 2 / n_iter}[learner]
        if not true:
            saved = {"am": 0, "ddl": -0.1, "steps": -0.1 + n_iter / 100}[learner]
        ends = 0.97 if true else {"am": 0.7, "ddl": 0.8, "steps": 0.9}[learner]
        cost = 1000 * (2 - step) * np.exp(-saved * step)
        recovery = (ends if step else 0.9) * spread(seed)
        return {"phase": 0, "operations": step, "cost": cost, "recovery": recovery}

    def recovered(seed, run, step):
        ahead = run.startswith("batch") == true
        reached = {0: 0.4, 1: 0.96 if ahead else 0.6, 10: 0.97 if ahead else 0.92}[step]
        used = {"operations": 1e5 * step, "seconds": step * spread(seed)}
        return used | {"recovery": reached * spread(seed)}

    few = [n for n in learning["iterations"] if n <= learning["most_with_steps"]]
    depths = [f"bp-{depth}" for depth in angles["depths"]]
    return {
        "jacobian": rows(
            jacobian,
            example=range(one["n_examples"]),
            through=["full", *(f"bp-{depth}" for depth in one["depths"])],
            iteration=[1, 10, 50, 100, 200, 500, 1000, 2000, 3000],
        ),
        "angles": rows(
            angle,
            data=["gaussian", "image"],
            method=angles["methods"],
            problem=range(angles["n_problems"]),
            n_iter=angles["iterations"],
            through=["am", *depths, "full"],
        ),
        "learning": rows(
            learned,
            seed=range(learning["n_seeds"]),
            learner=learning["learners"],
            n_iter=few,
            step=[0, 1],
        ),
        "batches": pd.DataFrame(
            rows(
                recovered,
                seed=range(batches["n_seeds"]),
                run=[*(f"batch-{size}" for size in batches["sizes"]), "all", "am"],
                step=[0, 1, 10],
            )
        ),
    }
