"""Tables in which DICOD and DiCoDiLe are all that their papers say, or nothing of it."""

import pandas as pd

from common.workflow import papers
from tests.worlds.tables import rows


def spread(unit):
    return 1 + 0.01 * (unit % 3 - 1)


def world(true, scale):
    """Tables in which the papers are right, or wrong about everything."""
    settings = papers.settings("dicodile", papers.load("dicodile"), scale)
    one, scaling, grid, split, letters = (
        settings[key] for key in ("strategies", "scaling", "interference", "split", "letters")
    )

    def strategy(n_lengths, reg, seed, solver):
        more = {"greedy": n_lengths / 4 if true else 0.5 / n_lengths, "lgcd": 1, "lgcd-stays": 1.1}
        ratio = (more | {"cyclic": 1.3 if true else 0.7})[solver]
        cost = 100 * (1 if true or solver == "lgcd" else 1.01)
        return {
            "updates": 9,
            "operations": 1e5 * ratio * spread(seed),
            "cost": cost,
            "converged": True,
        }

    def time(n_lengths, reg, seed, method, workers):
        power = {"dicod": 1.85, "dicodile": 0.95}[method] * (0.8 if n_lengths < 100 else 1)
        if not true:
            power = {"dicod": 1.2, "dicodile": 0.5}[method] * (1 if n_lengths < 100 else 0.5)
        return {
            "time": 1e6 * workers ** -(power * spread(seed)),
            "updates": 9,
            "messages": 9,
            "busy": 0.9,
            "converged": true or workers == 1,
            "deviation": 1.0,
            "excess": 1e-9,
        }

    def ends(case, start, run, latency):
        diverges = run == "none" if true else run != "none"
        return {
            "crop": case["crop"],
            "reg": case["reg"],
            "ratio": 1e4 if diverges else 1 + 0.001 * spread(start),
            "diverged": diverges,
            "converged": not diverges,
            "updates": 9,
            "blocked": 9,
            "time": 9.0,
        }

    def split_time(reg, start, kind, workers):
        slow = kind == ("line" if true else "grid") and workers > 1
        return {
            "time": 1e6 / workers * (1.4 if slow else 1) * spread(start),
            "excess": 1e-5 if true else 1e-2,
            "converged": True,
        }

    def score(page, noise, text, method):
        high = method == ("cdl" if true else "patches")
        return {"n_rows": page[0], "n_letters": 9, "score": (0.8 if high else 0.5) * spread(text)}

    cases = [
        rows(
            lambda start, run, latency, case=case: ends(case, start, run, latency),
            start=range(grid["n_starts"]),
            run=grid["runs"],
            latency=case["latencies"],
        )
        for case in grid["cases"]
    ]
    return {
        "strategies": rows(
            strategy,
            n_lengths=one["lengths"],
            reg=one["regs"],
            seed=range(one["n_seeds"]),
            solver=["cyclic", "greedy", "lgcd", "lgcd-stays"],
        ),
        "scaling": rows(
            time,
            n_lengths=scaling["lengths"],
            reg=scaling["regs"],
            seed=range(scaling["n_seeds"]),
            method=["dicod", "dicodile"],
            workers=scaling["workers"],
        ),
        "interference": pd.concat(cases),
        "split": rows(
            split_time,
            reg=split["regs"],
            start=range(split["n_starts"]),
            kind=["grid", "line"],
            workers=split["workers"],
        ).rename(columns={"kind": "split"}),
        "letters": rows(
            score,
            page=letters["pages"],
            noise=letters["noises"],
            text=range(letters["n_texts"]),
            method=["cdl", "patches"],
        ).drop(columns="page"),
    }
