"""Tables in which the claims about structured and spurious events hold, or fail."""

import numpy as np

from common.workflow import papers
from tests.worlds.tables import rows


def scatter(seed):
    # Records differ a little, around 0.
    return 0.01 * (seed % 3 - 1)


def labels(true, seed):
    """Shares of spurious events that the labels and a threshold on the mark find."""
    found, by_mark = (0.35, 0.2) if true else (0.2, 0.35)
    return {"noise_found": found + scatter(seed), "noise_found_by_mark": by_mark}


def noise(true, settings):
    """Errors below those of the fit without noise, and the true rates of noise; or neither."""

    def fit(structure, end_time, noise, seed, method):
        better = method != "marked" if true else method == "marked"
        row = {"error": (0.05 if better else 0.3) * (1 + scatter(seed))}
        if method == "unhap":
            row["noise_rate"] = noise * (1 if true else 3) * (1 + scatter(seed))
            row |= labels(true, seed)
        return row

    return rows(
        fit,
        structure=list(settings["structures"]),
        end_time=settings["end_times"],
        noise=settings["noises"],
        seed=range(settings["n_seeds"]),
        method=["unhap", "marked", "true-labels"],
    )


def heart_rate(true, settings):
    """Rates as those of a detector and noise that is told apart, or nothing of it."""

    def fit(slot, spurious, method):
        errors = {"unhap": 0.4, "marked": 1.5, "unmarked": 2.0} if true else {"unhap": 9.0}
        row = {"reference": 75.0, "rate": 75.0 + errors.get(method, 3.0) + scatter(slot)}
        if method == "unhap":
            kept, spurious_kept = (0.7, 0.2) if true else (0.3, 0.7)
            row |= {"kept": kept + scatter(slot)}
            row |= {"spurious_kept": spurious_kept + scatter(slot) if spurious else np.nan}
        return row

    return rows(
        fit,
        slot=range(settings["n_slots"]),
        spurious=[0, *settings["spurious"]],
        method=["unhap", "marked", "unmarked"],
    )


def world(true, scale):
    """Tables in which UNHaP is all that its paper says, or nothing of it."""
    settings = papers.settings("unhap", papers.load("unhap"), scale)
    scored = settings["labels"]
    one = rows(
        lambda seed, **_: labels(true, seed),
        end_time=scored["end_times"],
        adjacency=scored["adjacencies"],
        noise=scored["noises"],
        seed=range(scored["n_seeds"]),
        truth=["simulated", "with offspring"],
    )
    return {
        "noise": noise(true, settings["noise"]),
        "labels": one,
        "heart-rate": heart_rate(true, settings["ecg"]),
    }
