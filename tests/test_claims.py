"""Claims can fail: each is judged in a made-up world where it is true and one where it is false.

`judged` executes a paper's claims.ipynb on made-up tables with the columns of the real ones.
"""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from common import claims, files

SCALES = ("embedded", "paper")


@pytest.fixture
def judged(tmp_path):
    """Outcome of each statement of a paper's claims.ipynb, from tables made up for it."""

    def judge(paper, tables, scale):
        folder = files.resolve(f"papers/{paper}")
        paths = []
        for name, table in tables.items():
            paths.append(str(tmp_path / f"{name}.csv"))
            table.to_csv(paths[-1], index=False)
        names = {"__name__": "claims"}
        for cell in json.loads((folder / "claims.ipynb").read_text())["cells"]:
            if cell["cell_type"] != "code":
                continue
            exec("".join(cell["source"]), names)
            if "parameters" in cell["metadata"].get("tags", []):
                names |= {"tables": paths, "scale": scale, "claims_csv": tmp_path / "claims.csv"}
        return pd.read_csv(tmp_path / "claims.csv").set_index("statement")["outcome"]

    return judge


def rows(value, **levels):
    """A table with a row for each combination of levels, its last columns from ``value``."""
    combinations = [
        dict(zip(levels, row, strict=True)) for row in itertools.product(*levels.values())
    ]
    return pd.DataFrame([row | value(**row) for row in combinations])


def spd(true, scale):
    """Tables in which SPDSW is all that its paper says, or nothing of it."""
    fast, rate, monte_carlo = (1.0, -1.0, -0.5) if true else (2.5, -0.3, -0.1)

    def spread(seed):
        # Seeds differ by factors about 1, the same for all methods and sizes.
        return 1 + 0.01 * (seed - 1)

    def seconds(method, n, d, seed):
        power = fast if method != "lew" else (3.0 if true else 1.0)
        return {"seconds": 1e-7 * n**power * spread(seed)}

    def distance(method, d, n, seed):
        power = {("spdsw", 2): -1.0, ("spdsw", 50): rate, ("lew", 2): -1.0}
        lew = -0.3 if true else -1.0
        return {"squared_distance": n ** power.get((method, d), lew) * spread(seed)}

    def error(method, d, n_projections, seed):
        return {"error": n_projections**monte_carlo * spread(seed)}

    def age(method, repetition, subject):
        off = {"spdsw": 6.0, "logsw": 6.2, "sw": 9.0} if true else {"spdsw": 9, "logsw": 6, "sw": 6}
        truth = 40.0 + subject
        return {
            "fold": subject % 5,
            "age": truth,
            "prediction": truth + off[method] + 0.1 * (subject % 3),
        }

    def adapted(task, subject, mode, method, seed):
        accuracy = {"no-alignment": 0.6, "lew": 0.7, "spdsw": 0.8 if true else 0.4}[method]
        accuracy += 0.001 * subject * (method == "spdsw")
        difference = round(400 * (accuracy - 0.6))
        return {
            "source": f"{subject}-train",
            "target": f"{subject}-test",
            "n_test": 400,
            "n_classes": 2,
            "accuracy": accuracy,
            "gained": max(difference, 0),
            "lost": max(-difference, 0),
            "seconds": 1.0,
        }

    sizes = [100, 316, 1000, 3162] if scale == "embedded" else [100, 1000, 10_000, 100_000]
    tasks = ["blinks", "movement"] if scale == "embedded" else ["session", "subject"]
    seeds = range(3)
    return {
        "runtime": rows(
            seconds, method=["spdsw", "logsw", "hspdsw", "lew"], n=sizes, d=[2, 20], seed=seeds
        ),
        "sample-complexity": rows(
            distance, method=["spdsw", "lew"], d=[2, 50], n=[10, 32, 100, 316], seed=range(10)
        ),
        "projection-complexity": rows(
            error, method=["spdsw"], d=[2, 20], n_projections=[1, 10, 100], seed=range(10)
        ),
        "brain-age": rows(
            age, method=["spdsw", "logsw", "sw"], repetition=[0], subject=np.arange(60)
        ),
        "domain-adaptation": rows(
            adapted,
            task=tasks,
            subject=np.arange(1, 10),
            mode=["particles", "transformation"],
            method=["no-alignment", "lew", "spdsw"],
            seed=seeds,
        ),
    }


WORLDS = {"spd-sliced-wasserstein": spd}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("paper", WORLDS)
def test_each_testable_claim_holds_where_it_is_true_and_fails_where_it_is_false(
    paper, scale, judged
):
    true, false = (judged(paper, WORLDS[paper](truth, scale), scale) for truth in (True, False))
    assert list(true.index) == list(false.index)
    testable = true != claims.NOT_TESTABLE
    assert testable.any()
    assert set(true[testable]) <= {claims.REPRODUCED, claims.BETTER}, true
    assert set(false[testable]) == {claims.CONTRADICTED}, false
    assert set(false[~testable]) <= {claims.NOT_TESTABLE}, false


@pytest.mark.parametrize("paper", WORLDS)
def test_a_claim_has_the_same_name_at_every_scale_and_without_tables(paper, judged):
    names = [list(judged(paper, WORLDS[paper](True, scale), scale).index) for scale in SCALES]
    assert names[0] == names[1] == list(judged(paper, {}, "embedded").index)


@pytest.mark.parametrize("paper", WORLDS)
def test_each_claim_is_testable_at_one_scale_at_least(paper, judged):
    outcomes = [judged(paper, WORLDS[paper](True, scale), scale) for scale in SCALES]
    never = pd.concat(outcomes, axis=1).eq(claims.NOT_TESTABLE).all(axis=1)
    assert not never.any(), list(never[never].index)
