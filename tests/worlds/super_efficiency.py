"""Tables in which automatic differentiation is super-efficient, or no better than the formula."""

import numpy as np
import pandas as pd

from common.workflow import papers
from tests.worlds.tables import rows


def spread(unit):
    # Problems differ by factors about 1.
    return 1 + 0.01 * (unit % 3 - 1)


def rates(true, problems):
    """Rates and numbers of iterations of g¹ and g²."""

    def rate(problem, seed):
        ratio = (2 if true else 1) * spread(seed)
        exponent = -1.5 if true else -1
        faster = {"p-norm": 0.01}.get(problem, 0.5 * spread(seed)) if true else 1
        level = {"wasserstein": 0.52, "p-norm": 0.01}.get(problem, 0.5) if true else 1
        return {
            "analytic": exponent * spread(seed),
            "automatic": exponent * ratio,
            "ratio_automatic": 0.99 * ratio,
            "ratio_implicit": ratio if problem == "wasserstein" else np.nan,
            "iterations_analytic": 1000.0,
            "iterations_automatic": 1000 * level * (spread(seed) if faster else 1),
        }

    tables = [
        rows(rate, problem=[name], seed=range(one["n_seeds"])) for name, one in problems.items()
    ]
    return pd.concat(tables, ignore_index=True)


def world(true, scale):
    """Tables in which the paper is right, or g² and g³ are like g¹."""
    settings = papers.settings("super-efficiency", papers.load("super-efficiency"), scale)
    floors, decay, barycenters = (
        settings["sgd"]["floors"],
        settings["sgd"]["decay"],
        settings["barycenters"],
    )

    def floor(step, problem, repetition):
        first, second = (0.5, 1) if true else (0.1, 0.3)
        size = spread(problem) * spread(repetition)
        powers = {"analytic": first, "automatic": second, "implicit": second}
        return {name: size * step**power for name, power in powers.items()} | {"diverged": False}

    def falling(reg, problem, repetition, iteration):
        size = spread(problem) * spread(repetition)
        slow, fast = (0.4, 0.8) if true else (0.4, 0.5)
        errors = {"analytic": size * iteration**-slow, "automatic": size * iteration**-fast}
        return errors | {"implicit": size * iteration**-fast, "diverged": False}

    def jacobian(seed):
        ratio = 1 if true else 1.2
        return {
            "kappa": 0.9,
            "ratio": ratio * spread(seed),
            "ratio_undivided": 0.95 * ratio * spread(seed),
        }

    def barycenter(dataset, unit, gradient, n_inner):
        error = spread(unit) * 1e-1 * 0.5**n_inner
        better = error**2 if true else 2 * error
        return {"excess": error if gradient == "analytic" else better}

    return {
        "rates": rates(true, settings["gradients"]["problems"]),
        "sgd-floors": rows(
            floor,
            step=floors["steps"],
            problem=range(floors["n_problems"]),
            repetition=range(floors["n_repetitions"]),
        ),
        "sgd-decay": rows(
            falling,
            reg=decay["regs"],
            problem=range(decay["n_problems"]),
            repetition=range(decay["n_repetitions"]),
            iteration=np.unique(np.geomspace(1, decay["n_iter"], 20).astype(int)).tolist(),
        ),
        "jacobian-rates": rows(jacobian, seed=range(settings["jacobian"]["n_seeds"])),
        "barycenter": pd.concat(
            [
                rows(
                    barycenter,
                    dataset=[name],
                    unit=range(one["n_units"]),
                    gradient=["analytic", "automatic"],
                    n_inner=barycenters["descent"]["n_inner"],
                )
                for name, one in barycenters["datasets"].items()
            ],
            ignore_index=True,
        ),
    }
