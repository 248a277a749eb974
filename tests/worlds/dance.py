"""Tables in which the claims about sets of events hold, or fail."""

import numpy as np
import pandas as pd

from common import files
from common.workflow import papers
from tests.worlds.tables import rows

# F1 over events where the claims are true, and where they are false.
OURS, RELEASED, PART = (0.90, 0.50), (0.85, 0.55), (0.80, 0.60)
F1 = {
    "dance-released": RELEASED,
    "dense": (0.70, 0.65),
    "sliding": (0.70, 0.65),
    "onset-informed": (0.85, 0.80),
    "ablation-released": RELEASED,
    "ablation-merged": OURS,
    "ablation-no-dense-term": PART,
    "ablation-no-consistency": PART,
}


def world(true, scale):
    """Tables in which DANCE finds events as its paper says, or worse than all others."""
    settings = papers.settings("dance", papers.load("dance"), scale)
    sets, ablations = settings["datasets"], settings["ablations"]
    # Embedded, the reference is read as we do, at paper scale as the paper does.
    reference = OURS if scale == "embedded" else RELEASED
    theirs = files.read_csv("papers/dance/published/f1_official.csv")
    theirs = theirs.replace({"dataset": {"TUSZ_4class": "TUSZ"}})
    theirs = theirs.set_index(["dataset", "metric"])["mean"]

    def scores(dataset, method, fold, seed, subject):
        own = F1.get(method, reference)[0 if true else 1]
        # Subjects and networks differ, and a network by a little from method to method.
        spread = 0.002 * (subject % 5 + seed % 3) + 0.001 * (fold + len(method) % 3 * (seed % 2))
        found = {"f1_event": own + spread, "f1_inside": own, "f1_sample": own, "n_events": 50}
        if (dataset, "f1_event") in theirs:
            for column, metric in (("f1_inside", "f1_event"), ("f1_sample", "f1_sample")):
                found[column] = (theirs[dataset, metric] if true else 0) + spread
        return found

    def durations(dataset, method, fold, seed, subject, bin):
        tp = (40 if true else 5) + subject % 3 + seed % 2
        return {
            "low": [0.0, 0.3, 1.0, 3.0, 10.0, 30.0][bin],
            "high": [0.3, 1.0, 3.0, 10.0, 30.0, np.inf][bin],
        } | {"n_targets": 50, "tp": tp, "fp": 50 - tp, "fn": 50 - tp}

    def units(dataset, methods, seeds):
        """Levels of the tables of a data set, fold by fold."""
        own = sets[dataset]
        n_subjects = own.get("fresh", own["subjects"]) or 40  # of TUSZ, as many as there are
        for fold in own["folds"]:
            yield {
                "dataset": [dataset],
                "method": methods,
                "fold": [fold],
                "seed": seeds,
                "subject": range(fold, n_subjects, len(own["folds"])),
            }

    tested = [
        levels
        for dataset, own in sets.items()
        for levels in units(
            dataset,
            own["methods"] + ["dance-released"] * (dataset == "simulated"),
            own["seeds"],
        )
    ]
    of = ablations["dataset"]
    variants = ["reference", *(ablations["variants"] | ablations["decodings"])]
    variants = [f"ablation-{name}" for name in dict.fromkeys(variants)]
    seeds = ablations["seeds"] if "reference" in ablations["variants"] else sets[of]["seeds"]
    by_bin = pd.concat([rows(durations, **levels, bin=range(6)) for levels in tested])
    return {
        "scores": pd.concat([rows(scores, **levels) for levels in tested]),
        "durations": by_bin.drop(columns="bin"),
        "ablations": pd.concat([rows(scores, **levels) for levels in units(of, variants, seeds)]),
    }
