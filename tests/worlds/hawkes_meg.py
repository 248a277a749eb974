"""Tables in which the claims about Hawkes processes on a grid hold, or fail."""

import numpy as np
import pandas as pd

from common import files
from common.workflow import papers
from tests.worlds.tables import rows

PUBLISHED = "papers/hawkes-meg/published"
NAMES = {
    "truncated-gaussian": ("TG", "truncated_gaussian"),
    "raised-cosine": ("RC", "raised_cosine"),
    "truncated-exponential": ("EXP", "exponential"),
}


def published(name, kernel):
    """Published rows of a kernel."""
    data = files.read_csv(f"{PUBLISHED}/{name}.csv").astype({"T": float})
    return data[data["kernel"].isin(NAMES[kernel])]


def spread(seed):
    # Records differ by factors about 1, the same for all methods.
    return 1 + 0.01 * (seed % 3 - 1)


def discretization(true, settings):
    """Errors as published on a fine grid, or five times the largest of all published ones."""
    tables = []
    for kernel in settings["kernels"]:
        medians = published("table_a_discretisation", kernel)
        fine = medians[np.isclose(medians["delta"], min(settings["deltas"]), rtol=0.01)]
        fine = fine[fine["T"].isin(settings["end_times"])]
        level = np.exp(np.log(fine["median_l2_error"] * fine["T"] ** 0.5).mean())
        worst = 5 * medians["median_l2_error"].max()

        def error(kernel, delta, T, seed, level=level, worst=worst):
            wrong = worst * T**-0.05 * (2 if delta > 0.005 else 1)
            return {"error": (level * T**-0.5 if true else wrong) * spread(seed)}

        for T in settings["end_times"]:
            seeds = range(settings["n_seeds"][T])
            tables.append(rows(error, kernel=[kernel], delta=settings["deltas"], T=[T], seed=seeds))
    return pd.concat(tables, ignore_index=True)


def efficiency(true, settings):
    """FaDIn as precise as published, and the others not; or the other way round."""
    levels = {
        (kernel, T): value
        for kernel in settings["kernels"]
        for T, value in published("table_c_benchmark", kernel)
        .query("method == 'FaDIn'")
        .set_index("T")["mean_abs_intensity_error"]
        .items()
    }

    def score(kernel, method, T, seed):
        factor = 1 if method == "fadin" else 2
        factor = factor if true else 5 / factor
        return {"error": levels[kernel, T] * factor * spread(seed), "seconds": 1.0}

    return rows(
        score,
        kernel=settings["kernels"],
        method=settings["methods"],
        T=settings["end_times"],
        seed=range(settings["n_seeds"]),
    )


def nonparametric(true, settings):
    """FaDIn in constant time and the others in time that grows; or the other way round."""

    def seconds(method, T, seed):
        grows = (method == "fadin") != true
        factor = 10 if method == "tick-basis-kernels" and true else 1
        return {"seconds": factor * (1e-4 * T if grows else 0.01) * spread(seed)}

    table = rows(
        seconds,
        method=[*settings["methods"], *settings["tick"]],
        T=settings["end_times"],
        seed=range(settings["n_seeds"]),
    )
    longest = table["method"].map(settings["tick"]).fillna(np.inf)
    return table[table["T"] <= longest]


def world(true, scale):
    """Tables in which FaDIn is all that its paper says, or nothing of it."""
    settings = papers.settings("hawkes-meg", papers.load("hawkes-meg"), scale)
    targets = files.read_csv(f"{PUBLISHED}/table_f_meg_sample_targets.csv").set_index("stimulus")

    def criterion(kernel, criterion, T, delta, seed):
        least_squares = criterion == "fadin"
        error = 1.0 if true or not least_squares else 2.0
        seconds = 0.1 if least_squares == true else 1.0
        return {"error": error * T**-0.5 * spread(seed), "seconds": seconds * spread(seed)}

    def length(T, W, seed):
        return {"error": (1.0 if true or W <= 10 else 3.0) * T**-0.5 * spread(seed)}

    def latency(dataset, method, driver, response):
        own = (driver, response) in {("audio", "atom 2"), ("visual", "atom 6")}
        # Only the response to its own stimulus is strong, and only that is judged.
        found = targets.loc[driver, "m_s"] + (0.1 if not true else 0.001 if own else 0.05)
        bounds = {"low": found - 0.001, "high": found + 0.001}
        return {"weight": 0.8 if own else 0.1, "latency": found} | bounds

    def recovered(record, driver):
        error = (0 if true else 0.02) + 1e-4 * (record % 3 - 1)
        return {"latency": targets.loc[driver, "m_s"] + error, "truth": targets.loc[driver, "m_s"]}

    likelihood, lengths = settings["likelihood"], settings["kernel_length"]
    latencies = settings["latency"]
    return {
        "discretization": discretization(true, settings["discretization"]),
        "efficiency": efficiency(true, settings["efficiency"]),
        "nonparametric": nonparametric(true, settings["nonparametric"]),
        "likelihood": rows(
            criterion,
            kernel=likelihood["kernels"],
            criterion=["fadin", "likelihood"],
            T=likelihood["end_times"],
            delta=likelihood["deltas"],
            seed=range(likelihood["n_seeds"]),
        ),
        "kernel-length": rows(
            length,
            T=lengths["end_times"],
            W=lengths["lengths"],
            seed=range(lengths["n_seeds"]),
        ),
        "latency": rows(
            latency,
            dataset=latencies["datasets"],
            method=["fadin", "dripp"],
            driver=["audio", "visual"],
            response=["atom 2", "atom 6"],
        ),
        "recovery": rows(
            recovered,
            record=range(latencies["recovery"]["n_records"]),
            driver=["audio", "visual"],
        ),
    }
