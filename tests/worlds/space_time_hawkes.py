"""Tables in which the claims about processes in the plane and in time hold, or fail."""

import numpy as np
import pandas as pd

from common.workflow import papers
from tests.worlds.tables import contracts, gathered, rows


def scatter(seed):
    # Records differ a little, around 0.
    return 0.01 * (seed % 5 - 2)


def recovery(true, settings, scale):
    """Errors that fall with grid and record; or not."""

    def fit(process, size, end_time, grid, seed, borders):
        step = float(grid.split("x")[0])
        n_events = 400 * end_time * (1 + 0.1 * scatter(seed))
        error = 0.04 * (end_time / 3) ** (-0.5 if true else 0)
        error *= (5 if true else 0.2) if step == 0.5 else 1
        shift = 0 if borders == "exact" or true else 0.1
        return {
            "n_events": n_events,
            "error": error * (1 + scatter(seed)),
            "adjacency": 0.6 + scatter(seed) - shift,
            "baseline": 0.5 + scatter(seed) + shift,
        }

    # On the finest grid, borders are ignored, too.
    exact = gathered(fit, "space-time-hawkes", scale, "recovery")
    finest = "x".join(f"{step:g}" for step in min(settings["grids"]))
    ignored = [
        rows(fit, **contract | {"borders": ["ignored"], "grid": [finest]})
        for contract in contracts("space-time-hawkes", scale)["recovery"]
    ]
    return pd.concat([exact, *ignored], ignore_index=True)


def cost(true, settings):
    """Iterations that take as long on a long record as on a short one, or in proportion to it."""

    def iteration(end_time, repetition):
        seconds = 0.02 if true else 0.002 * end_time
        return {"n_events": 400 * end_time, "seconds": seconds * (1 + scatter(repetition))}

    return rows(
        iteration,
        end_time=settings["end_times"],
        repetition=range(settings["n_repetitions"]),
    )


def psi(true, settings):
    """A difference that falls with square and record, or is large and grows."""

    def fit(size, end_time, seed):
        large = (20 / size) * (10 / end_time) ** 0.5
        return {"frobenius": (0.06 * large if true else 0.3 / large) * (1 + scatter(seed))}

    return rows(
        fit,
        size=settings["sizes"],
        end_time=settings["end_times"],
        seed=range(settings["n_seeds"]),
    )


def ridgecrest(true, settings):
    """Rates at test events that are higher for the power law, or for the Gaussian."""
    gain = 0.2 if true else -0.2

    def fit(cut, space, time, background, event):
        better = gain if space == "power-law" else 0.0
        value = {"log_rate": -5 + better + 5 * scatter(event) * (space == "power-law")}
        return {
            "split": "time",
            "quantity": "expected" if event < 0 else "log_rate",
            "value": 40.0 if event < 0 else value["log_rate"],
            "low": np.nan,
            "high": np.nan,
        }

    return rows(
        fit,
        cut=list(settings["cuts"]),
        space=settings["space_kernels"],
        time=settings["time_kernels"],
        background=["constant", "decaying"],
        event=range(-1, 40),
    )


def world(true, scale):
    """Tables in which the method is all that its paper says, or nothing of it."""
    settings = papers.settings("space-time-hawkes", papers.load("space-time-hawkes"), scale)
    return {
        "recovery": recovery(true, settings, scale),
        "cost": cost(true, settings["cost"]),
        "psi": psi(true, settings["psi"]),
        "ridgecrest": ridgecrest(true, settings["ridgecrest"]),
    }
