"""Tables with the published medians of NeuMiss and its competitors, or with NeuMiss far behind."""

import pandas as pd

from common import files
from common.workflow import papers
from tests.worlds.tables import rows

KEYS = {"mcar": "MCAR", "mar": "MAR_logistic", "gaussian": "gaussian_sm", "probit": "probit_sm"}
SERIES = {0: -0.185, 10: -0.0485, 100: -0.006}  # of the analytic depth, others in between


def world(true, scale):
    """Tables in which the paper is right, or wrong about everything."""
    paper = "neumiss"
    settings = papers.settings(paper, papers.load(paper), scale)
    published = files.read_csv("papers/neumiss/published/accuracy_by_method.csv")
    published = published.set_index(["mechanism", "d", "n", "method"])["gap_median"].to_dict()
    depths = files.read_csv("papers/neumiss/published/gap_by_depth_or_width.csv")
    depths = depths[depths["mechanism"] == "MCAR"]
    depths = depths.set_index(["d", "n", "method", "depth_or_width"])["gap_median"].to_dict()

    def right(mechanism, d, n, method, size):
        if method == "bayes":
            return 0.0
        if method == "analytic":
            return SERIES.get(size, -0.03)
        if mechanism == "mcar" and method in ("neumiss", "mlp"):
            return depths[d, n, method, size]
        return published.get((KEYS[mechanism], d, n, method), -0.1)

    def wrong(mechanism, d, n, method, size):
        if method == "neumiss":
            ahead = (d, n) == (50, 10_000)
            return -0.05 if ahead else -0.4 - 0.1 * size
        return {"bayes": 0.0, "em": -0.01 if mechanism == "gaussian" else -0.3}.get(method, -0.2)

    def accuracy(seed, run, dataset, n):
        mechanism, d = dataset.split("-")
        method, _, size = run.partition(" ")
        gap = (right if true else wrong)(mechanism, int(d), n, method, int(size or 0))
        score = 0.8 + gap + 1e-4 * (seed % 3 - 1) * (method != "bayes")
        fields = {"mechanism": mechanism, "d": int(d), "method": method, "size": int(size or 0)}
        return fields | {"train": score, "validation": score, "test": score, "diverged": False}

    def redrawn(drawn, n, seed):
        grows = (drawn == "each block") == true
        return {"bayes": 0.8, "test": 0.7 - 0.1 * (grows and n > 10_000) + 1e-4 * (seed % 3)}

    tables = []
    for name, one in settings["datasets"].items():
        runs = one["methods"] + [
            f"{method} {size}"
            for method in ("analytic", "neumiss", "mlp")
            for size in one[f"{method}_sizes"]
        ]
        levels = {"dataset": [name], "n": one["n_train"], "seed": range(one["n_seeds"])}
        tables.append(rows(accuracy, **levels, run=runs))
    accuracy = pd.concat(tables, ignore_index=True)
    small = (accuracy["d"] == accuracy["d"].min()) & (accuracy["n"] == accuracy["n"].min())
    again = settings["redrawn"]
    names = settings["accuracy_tables"]
    return dict(zip(names, (accuracy[small], accuracy[~small]), strict=False)) | {
        "redrawn": rows(
            redrawn,
            drawn=["once", "each block"],
            n=again["n_train"],
            seed=range(again["n_seeds"]),
        ),
    }
