"""Tables in which steps by the support pay and can be learned, or neither."""

import numpy as np
import pandas as pd

from common.workflow import papers
from tests.worlds.tables import rows


def spread(unit):
    # Dictionaries differ by factors about 1.
    return 1 + 0.01 * (unit % 3 - 1)


def world(true, scale):
    """Tables in which the paper is right, or wrong about everything."""
    settings = papers.settings(
        "unfolded-sparse-coding", papers.load("unfolded-sparse-coding"), scale
    )
    oracle, iterations = settings["oracle"], settings["iterations"]
    law, steps, last = (
        settings["support_law"],
        settings["learned_steps"],
        settings["last_layers"],
    )
    training = settings["training_size"]

    def count(seed, method, reg=0.5):
        counts = {"ista": 100, "fista": 60, "oracle": 40 if true else 150}
        return {"iterations": round(1000 * counts[method] * spread(seed))}

    def curvature(seed, share):
        size = ((1 + np.sqrt(3 * share)) / (1 + np.sqrt(3))) ** 2
        return {"law": size, "ratio": size + (0.02 if true else -0.1) * spread(seed)}

    def step(seed, layer):
        allowed = 1 + 0.1 * layer
        return {
            "support_median": allowed,
            "step": 1.5 * allowed * spread(seed) if true or layer == 1 else 0.9,
        }

    def networks(name, one):
        def gap(dataset, seed, reg, method, n_layers):
            worse = {"slista": 1, "lista": 3 if true else 0.5}.get(method, 10)
            return {"test": 0.1 * worse * spread(seed) / n_layers}

        return rows(
            gap,
            dataset=[name],
            seed=range(one["n_seeds"]),
            reg=one["regs"],
            method=["ista", "fista", "oracle", *one["kinds"]],
            n_layers=one["depths"],
        )

    def few(seed, method, n_train):
        grows = (1 if true else 2, 2 if true else 1)[method == "lista"]
        return {"test": 1e-3 * (grows * spread(seed) if n_train <= 100 else 1)}

    def layers(start, one):
        depth = one["n_layers"]

        def distance(seed, start, layer):
            late = layer / depth
            falls = 1 - late if true else late
            if start == "ista":
                return {"theta": 3.0, "distance_before": 0.0, "distance": falls}
            kept = (0.5 if true else 1.5) * spread(seed)
            return {"theta": 3.0, "distance_before": 0.3, "distance": 0.3 * kept}

        return rows(distance, seed=range(last["n_seeds"]), start=[start], layer=range(1, depth + 1))

    def joined(tables):
        return pd.concat(tables, ignore_index=True)

    methods = ["ista", "fista", "oracle"]
    return {
        "oracle-iterations": rows(count, seed=range(oracle["n_seeds"]), method=methods),
        "iterations": rows(
            count, reg=iterations["regs"], seed=range(iterations["n_seeds"]), method=methods
        ),
        "support-law": rows(curvature, seed=range(law["n_seeds"]), share=law["shares"]),
        "learned-steps": rows(
            step, seed=range(steps["n_seeds"]), layer=range(1, steps["n_layers"] + 1)
        ),
        "last-layers": joined([layers(name, one) for name, one in last["starts"].items()]),
        "networks": joined([networks(name, one) for name, one in settings["networks"].items()]),
        "training-size": rows(
            few,
            seed=range(training["n_seeds"]),
            method=training["kinds"],
            n_train=training["sizes"],
        ),
    }
