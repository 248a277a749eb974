"""Tables in which the claims about particle gradient descent hold, or fail."""

import pandas as pd

from common.plans.points import JUDGED, MODELS, PROCESSES
from common.workflow import papers
from tests.worlds.tables import rows

PUBLISHED = {"voronoi.txt": 0.2, "turbulence_poisson.txt": 0.33}


def world(true, scale):
    """Tables in which the model's patterns are like fresh ones, or like nothing."""
    settings = papers.settings("particle-gradient", papers.load("particle-gradient"), scale)
    patterns, samples = range(settings["n_patterns"]), range(settings["n_samples"])
    # Errors by model, relative to those of fresh patterns.
    levels = {"harmonics": 0.5, "second-order": 3.0, "finest": 1.5, "start": 20.0}
    if not true:
        levels = {"harmonics": 30.0, "second-order": 3.0, "finest": 1.5, "start": 20.0}

    def error(process, model, pattern, sample):
        # Patterns differ, models of one pattern by less.
        level = levels[model] * (1 + 0.05 * (pattern % 3) + 0.01 * sample)
        level *= 1 + 0.01 * (len(model) % 3) * (pattern % 2)
        return {
            "n_points": 500,
            "pair_correlation": 0.01 * level,
            "betti_0": 0.005 * level,
            "betti_1": 0.002 * level,
            "nearest": 0.2,
            "correlation": (0.12 if true else 0.9) + 0.002 * (pattern % 2),
            "correlation_of_fresh": 0.15,
        }

    def fresh(process, model, pattern, sample):
        level = 0.5 + 0.5 * (pattern % 5) / 4
        nearest = 0.2 if process == "voronoi" else 0.33
        return {
            "n_points": 500,
            "pair_correlation": 0.01 * level,
            "betti_0": 0.005 * level,
            "betti_1": 0.002 * level,
            "nearest": (nearest if true else 0.5) + 0.005 * (pattern % 3 - 1),
            "correlation": None,
            "correlation_of_fresh": None,
        }

    def energy(process, pattern, model, sample, iteration):
        end = 1e-5 if true else 0.1
        value = 0.5 if iteration == 0 else end
        final = None if iteration == 0 else end
        return {"stage": 0, "sigma": 1.0, "energy": value, "final": final}

    units = {"process": list(PROCESSES), "model": JUDGED, "pattern": patterns, "sample": samples}
    of_fresh = units | {"model": ["fresh"], "pattern": range(settings["n_fresh"]), "sample": [0]}
    descents = {name: units[name] for name in ("process", "pattern")}
    descents |= {"model": MODELS, "sample": samples, "iteration": [0, 30]}
    published = [
        {"file": name, "mean_nearest_distance_times_sqrt_n": value}
        for name, value in PUBLISHED.items()
    ]
    return {
        "errors": pd.concat([rows(error, **units), rows(fresh, **of_fresh)]),
        "energies": rows(energy, **descents),
        "patterns": pd.DataFrame(published),
    }
