"""Tables in which the claims about driven processes hold, or fail."""

import numpy as np
import pandas as pd

from common import files
from common.workflow import papers
from tests.worlds.tables import rows

PUBLISHED = "papers/dripp/published"
DRIVEN, UNDRIVEN = ("auditory", "visual"), ("heartbeat", "blink")
ATOMS = {"auditory": 2, "visual": 6}


def spread(seed):
    # Records differ by factors about 1, the same for all methods.
    return 1 + 0.01 * (seed % 3 - 1)


def scatter(seed, n):
    # Values of mean 0 and deviation 1 over n records.
    values = np.linspace(-1, 1, n)
    return ((values - values.mean()) / values.std(ddof=1))[seed]


def recovery(true, settings):
    """Errors and estimates as published, or off by more than the rules allow."""
    theirs = files.read_csv(f"{PUBLISHED}/fig2_estimates.csv").query("estimate != 'truth'")
    by_sigma = theirs.groupby("true_sigma_s")[["mean_s", "sigma_s"]].std()
    n, kernels = settings["n_seeds"], settings["kernels"]

    def record(kernel, T, share, seed):
        slope, gain = (-0.5, -0.3) if true else (-0.1, 0.3)
        error = 0.1 * (T / 1000) ** slope * share**gain * spread(seed)
        found = {"error": error, "n_iter": 30}
        for quantity, value in (("mean", 0.2), ("sigma", kernels[kernel])):
            deviation = by_sigma.loc[kernels[kernel], f"{quantity}_s"]
            # A spread five times too large would blur a bias of four deviations.
            wide, shift = (1, 0) if true else (5, 40)
            found[quantity] = value + deviation * (shift + wide * scatter(seed, n))
        return found

    return rows(
        record,
        kernel=list(kernels),
        T=settings["end_times"],
        share=settings["shares"],
        seed=range(n),
    )


def responses(true, settings):
    """Latencies found and driven processes told from others, or nothing of it."""
    tables = []
    for process in (*DRIVEN, *UNDRIVEN):
        driven = process in DRIVEN
        found = driven == true

        def record(process, record, driven=driven, found=found):
            error = 0.0005 * (record % 3 - 1) if true else 0.02
            return {
                "driven": driven,
                "p_value": 0.025 if found else 0.5,
                "mean": 0.1 + error if driven else np.nan,
                "truth": 0.1 if driven else np.nan,
                "other_adjacency": (0.01 if true else 0.5) * spread(record),
            }

        n = settings["n_driven" if driven else "n_undriven"]
        tables.append(rows(record, process=[process], record=range(n)))
    return pd.concat(tables, ignore_index=True)


def atoms(true, datasets):
    """A response to each kind of stimulus, and artefacts; of the recordings alone."""
    targets = files.read_csv(f"{PUBLISHED}/fig4_sample_estimates.csv").set_index(["atom", "driver"])
    kinds = {"sample": DRIVEN, "somato": ("somatosensory",), "simulated": DRIVEN}

    def estimate(dataset, process, driver):
        known = dataset != "somato"
        mean = targets.loc[(ATOMS[driver], driver), "mean_s"] if known else 1.17
        own = process == f"atom of {driver}"
        # In the false world the latencies are wrong, and everything answers everything.
        mean = mean + (0.0 if true else 0.5)
        weight = 0.7 if own else 0.05 if true else 0.4
        estimate = {"p_value": 0.01 if own else 0.5, "adjacency": weight, "mean": mean}
        bounds = {"low": mean - 0.002, "high": mean + 0.002}
        weights = {"adjacency_low": weight - 0.01, "adjacency_high": weight + 0.01}
        return estimate | bounds | weights

    tables = []
    for dataset in datasets:
        processes = [f"atom of {driver}" for driver in kinds[dataset]]
        processes += ["atom 0 (heartbeat)", "atom 1 (blink)"]
        drivers = list(kinds[dataset])
        tables.append(rows(estimate, dataset=[dataset], process=processes, driver=drivers))
    return pd.concat(tables, ignore_index=True)


def world(true, scale):
    """Tables in which DriPP is all that its paper says, or nothing of it."""
    settings = papers.settings("dripp", papers.load("dripp"), scale)
    sensitivity = settings["sensitivity"]

    def seconds(T, repetition):
        return {"n_iter": 50, "seconds": (0.01 if true else 0.001 * T) * spread(repetition)}

    def at_threshold(record, process, percentile):
        return {"mean": 0.1 + (1e-5 if true else 1e-3) * percentile * spread(record)}

    def with_support(record, process, upper):
        if true:
            return {"mean": 0.1 + 1e-4 * spread(record)}
        return {"mean": np.nan if upper > 1 else 0.1 + upper / 10 * spread(record)}

    swept = {"record": range(sensitivity["n_records"]), "process": DRIVEN}
    time = settings["time"]
    return {
        "recovery": recovery(true, settings["recovery"]),
        "time": rows(seconds, T=time["end_times"], repetition=range(time["n_repetitions"])),
        "responses": responses(true, settings["responses"]),
        "thresholds": rows(at_threshold, **swept, percentile=sensitivity["percentiles"]),
        "supports": rows(with_support, **swept, upper=sensitivity["uppers"]),
        "atoms": atoms(true, settings["atoms"]["datasets"]),
    }
