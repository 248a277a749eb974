"""Tables in which HNPE is as the paper says, or does not improve with extra observations."""

import numpy as np
import pandas as pd

from common import files
from common.workflow import papers
from tests.worlds.tables import rows

PARAMETERS = ["C", "mu", "sigma", "gain"]


def world(true, scale):
    """Tables in which the paper is right, or wrong about everything."""
    settings = papers.settings("hnpe", papers.load("hnpe"), scale)
    toy, neural = settings["toy"], settings["jansen-rit"]

    def distance(n_observations, method, truth, parameter, observation, seed):
        power = {"maximum": 2.0, "exact": 2.0}.get(method, 1.0) if true else 0.3
        value = 0.3 / (1 + n_observations) ** power
        if method == "naive":
            value *= 2 if true else 0.5
        return {"distance": value * (1 + 0.01 * (observation % 3)), "width": 0.01}

    tables = []
    for seed in range(toy["n_seeds"]):
        for method, numbers in toy["others" if seed else "first"].items():
            levels = {"truth": range(len(toy["truths"])), "seed": [seed], "method": [method]}
            levels |= {"observation": range(toy["n_observations"]), "n_observations": numbers}
            levels["parameter"] = ["beta"] if method == "maximum" else ["alpha", "beta"]
            tables.append(rows(distance, **levels))

    def check(check, unit):
        if check == "rank beta":
            return {"value": 0.4 if true else 1e-5}
        return {"value": (3e-4 if true else 0.01) * (1 + 0.01 * unit)}

    checks = [rows(check, check=["margin alpha", "margin beta"], unit=range(len(toy["truths"])))]
    checks.append(rows(check, check=["rank beta"], unit=[0]))

    def error(n_observations, method, truth_from, truth, parameter):
        falls = 0.1 if true and n_observations else 1.0
        return {"squared_error": falls * (1 + 0.01 * (truth % 3)), "distance": falls}

    levels = {"n_observations": neural["n_extra"], "method": neural["methods"]}
    levels |= {"truth_from": ["prior"], "truth": range(neural["n_truths"])}
    theirs = files.read_csv("papers/hnpe/published/toy_distance_to_truth.csv")
    if not true:  # hierarchical ABC would improve, too
        abc = theirs["method"] == "h-ABC"
        theirs.loc[abc, "median_w2_squared"] = 0.1 / theirs.loc[abc, "n_extra"].to_numpy(float)
        wobble = 1 + 0.01 * (np.arange(len(theirs)) % 3)
        theirs["median_w2_squared"] *= wobble
    return {
        "toy": pd.concat(tables, ignore_index=True),
        "toy-checks": pd.concat(checks, ignore_index=True),
        "jansen-rit": rows(error, **levels, parameter=PARAMETERS),
        "toy_distance_to_truth": theirs,
    }
