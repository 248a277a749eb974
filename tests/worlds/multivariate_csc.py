"""Tables in which the claims about multivariate convolutional sparse coding hold, or fail."""

import numpy as np
import pandas as pd

from common.workflow import papers
from tests.worlds.tables import rows


def world(true, scale):
    """Tables in which many channels and LGCD are all that the paper says, or nothing of it."""
    paper = papers.load("multivariate-csc")
    settings = papers.settings("multivariate-csc", paper, scale)
    recovery, scaling, speed = (settings[key] for key in ("recovery", "scaling", "speed"))

    def spread(seed):
        return 1 + 0.01 * (seed % 3 - 1)

    def score(n_channels, sigma, reg, start, seed):
        better = n_channels if true else 1 / n_channels
        loss = (1.2 - 0.3 * np.tanh(np.log(better) / 4)) * spread(seed) + 0.1 * reg
        return {"score": loss, "score_shifts": loss - 0.3, "cost": 1.0}

    def seconds(source, n_channels, model, seed):
        power = 0.2 if true else 1.2
        each = 0.01 * n_channels**power * spread(seed)
        return {"activations": each, "atoms": each / 2, "n_active": 100}

    def run(source, solver, reg, seed):
        slow = 1.0 if (solver == "lgcd") == true else 10.0
        shared = {"implementation": "ours", "n_channels": 2, "n_times": 1000, "best": 1.0}
        shared |= {"source": source, "solver": solver, "reg": reg, "seed": seed}
        path = [(0.0, 0.0, 9.0), (1.0, 1e3, 1.1), (2.0, 2e3, 1.005), (4.0, 4e3, 1.0)]
        return pd.DataFrame(
            [
                shared | {"seconds": t * slow * spread(seed), "operations": n * slow, "cost": cost}
                for t, n, cost in path
            ]
        )

    def excess(source, replicate):
        return {"frequency": 10.0, "excess": (9.0 if true else -9.0) + replicate % 2, "n_trials": 9}

    return {
        "recovery": rows(
            score,
            n_channels=recovery["n_channels"],
            sigma=recovery["sigmas"],
            reg=recovery["regs"],
            start=recovery["starts"],
            seed=range(recovery["n_seeds"]),
        ),
        "scaling": pd.concat(
            [
                rows(
                    seconds,
                    source=[source],
                    n_channels=given["n_channels"],
                    model=scaling["models"],
                    seed=range(scaling["n_seeds"]),
                )
                for source, given in scaling["sources"].items()
            ]
        ),
        "speed": pd.concat(
            [
                run(source, solver, reg, seed)
                for source in speed["sources"]
                for solver in speed["solvers"]
                for reg in speed["regs"]
                for seed in range(speed["n_seeds"])
            ]
        ),
        "harmonics": rows(
            excess,
            source=settings["harmonics"],
            replicate=range(max(each["n_resamples"] for each in settings["harmonics"].values())),
        ),
    }
