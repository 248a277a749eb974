"""Tables in which the claims about transform learning and joint diagonalisation hold, or fail."""

import pandas as pd

from common import files
from common.workflow import papers
from tests.worlds.tables import gathered, rows


def world(true, scale):
    """Tables in which the two methods are what their paper says, or nothing of it."""
    paper = papers.load("tl-nmf")
    settings = papers.settings("tl-nmf", paper, scale)
    composite, budget, notes = (settings[name] for name in ("composite", "budget", "notes"))
    theirs = files.read_csv("papers/tl-nmf/published/gaps.csv").query("experiment == 'gcm'")
    theirs = theirs.set_index("S")

    def spread(unit):
        # Units differ by factors about 1.
        return 1 + 0.01 * (unit % 3 - 1)

    def solved(draw, n_realisations):
        S = n_realisations
        gap = (40.0 if S == 1 else 500 / S**2) if true else (-1.0 if S == 1 else 0.3)
        q = 500 / S if true else 500 / S**0.3
        if draw == 0 and S in theirs.index and true:
            q = theirs["Q_S_jd"][S]
        alike = (0.6 if S == 1 else 0.9999) if true else (0.99 if S == 1 else 0.8)
        divergence = 300 / S
        return {
            "n_starts": composite["n_starts"],
            "divergence_jd": divergence + gap * spread(draw),
            "divergence_tl": divergence,
            "gap": gap * spread(draw),
            "objective_jd": 1800 + gap,
            "objective_tl": 1800.0,
            "likeness": alike * (1 - 1e-4 * (draw % 3)),
            "q": q * (1 if draw == 0 else spread(draw)),
            "q_true_transform": 500 / S * spread(draw),
            "excess": 1 / S,
            "converged_jd": composite["n_starts"],
        }

    def started(n_realisations, draw, method, kind, start):
        gap = theirs["gap_I"][n_realisations] * (1 if true else 5)
        best = 300 / n_realisations
        worse = 0.01 * gap * (start % 7)
        divergence = best + worse + (gap if method == "jd-nmf" else 0.0)
        return {"objective": 1800 + divergence, "divergence": divergence}

    def needed(method, start):
        slow = 60 if (method == "tl-nmf") == true else 20
        units = slow + start % 5
        return {"reached": 1, "units": units, "seconds": 1e-3 * units}

    def atom(case, method, rank):
        n_realisations, signal = case
        bad = 0.4 if (method == "jd-nmf") == true else 0.04
        error = bad * spread(signal) if n_realisations == 1 else 0.04
        where = {"n_realisations": n_realisations, "signal": signal}
        return where | {"frequency": 440.0 + rank, "error": error}

    cases = [
        (S, signal)
        for S, n_signals in zip(notes["realisations"], notes["n_signals"], strict=True)
        for signal in range(n_signals)
    ]
    gaps = [(400.0 if true else -400.0) * spread(signal) / S for S, signal in cases]
    methods = ["jd-nmf", "tl-nmf"]
    return {
        "composite": rows(
            solved, draw=range(composite["n_draws"]), n_realisations=composite["realisations"]
        ),
        "starts": gathered(started, "tl-nmf", scale, "starts"),
        "cost": rows(needed, method=methods, start=range(budget["n_starts"])),
        "notes": pd.DataFrame(cases, columns=["n_realisations", "signal"]).assign(
            n_starts=notes["n_starts"],
            divergence_jd=800.0,
            divergence_tl=[800.0 - gap for gap in gaps],
            gap=gaps,
            likeness=0.7,
        ),
        "atoms": rows(atom, case=cases, method=methods, rank=range(notes["n_atoms"])).drop(
            columns="case"
        ),
    }
