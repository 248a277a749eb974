"""Figures of the meta-analysis where there is nothing to combine."""

import json
import re

import matplotlib.text
import numpy as np
import pandas as pd
import pytest

from common import files
from common.report import statistics
from common.workflow import papers

PAIR = {"paradigm": "left_right", "a": "TS+LR", "b": "CSP+LDA"}


@pytest.fixture
def texts(tmp_path):
    """All texts of a figure of MOABB's, drawn from a table of scores."""

    def draw(name, scores, **changes):
        scores.to_csv(tmp_path / "scores.csv", index=False)
        names = {"__name__": "figure"}
        notebook = files.resolve(f"papers/moabb/figure-{name}.ipynb")
        for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
            if cell["cell_type"] != "code":
                continue
            exec("".join(cell["source"]), names)
            if "parameters" in cell["metadata"].get("tags", []):
                names |= {"scores": str(tmp_path / "scores.csv"), **changes}
                names["svg"] = str(tmp_path / "drawn.svg")
                methods = papers.load("moabb").methods
                names["styles"] = {name: one.model_dump() for name, one in methods.items()}
        assert (tmp_path / "drawn.svg").is_file()
        found = names["fig"].findobj(matplotlib.text.Text)
        return [text.get_text() for text in found if text.get_visible()]

    return draw


def scores(differences):
    """Scores of two pipelines, by paradigm and data set with the differences of its subjects."""
    rows = [
        (
            paradigm,
            dataset,
            subject,
            "0",
            pipeline,
            "raw",
            0.5 + difference * (pipeline == PAIR["a"]),
        )
        for (paradigm, dataset), values in differences.items()
        for subject, difference in enumerate(values, 1)
        for pipeline in (PAIR["a"], PAIR["b"])
    ]
    columns = ["paradigm", "dataset", "subject", "session", "pipeline", "category", "score"]
    return pd.DataFrame(rows, columns=columns)


FEW, SEVERAL = [0.1, 0.2], [0.1, 0.2, 0.05, 0.12]
EQUAL, ONE = [0.125] * 5, [0.1]
BOTH = statistics.stouffer([1 / 32, 1 / 16], [5, 4])  # all signs alike, of five and of four


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ({"D": ONE}, ["no comparison"]),
        ({"D": FEW}, ["n = 2, p = 0.25", "no comparison"]),
        ({"D": EQUAL}, ["equal differences, n = 5, p = 0.031", "no comparison"]),
        ({"D": SEVERAL}, ["n = 4, p = 0.062", "n = 4, p = 0.062"]),
        (
            {"D": EQUAL, "E": SEVERAL},
            # Of the effect four subjects are left, of the test all nine.
            ["equal differences, n = 5, p = 0.031", f"n = 4, p = {BOTH:.2g}", "n = 4, p = 0.062"],
        ),
    ],
)
def test_a_forest_says_where_there_is_no_comparison(texts, differences, expected):
    table = scores({("left_right", name): values for name, values in differences.items()})
    found = texts("meta-analysis", table, pairs=[PAIR], simulated=[])
    said = [text for text in found if re.search("no comparison|p = ", text)]
    assert sorted(said) == sorted(expected)


def test_all_pairs_say_where_there_is_no_comparison(texts):
    table = scores(
        {("left_right", "D"): SEVERAL, ("right_hand_feet", "D"): EQUAL, ("ssvep", "F"): ONE}
    )
    found = texts("pairwise", table, simulated=[])
    assert found.count("no comparison") == 1  # of the data set of one subject
    assert found.count("–") == 2  # of the pair with equal differences, both ways
    effect = np.mean(SEVERAL) / np.std(SEVERAL, ddof=1)
    assert {f"{effect:.1f}\n", f"-{effect:.1f}\n"} <= set(found)


def test_a_figure_without_any_pair_is_drawn(texts):
    assert (
        texts("pairwise", scores({("ssvep", "F"): ONE}), simulated=[]).count("no comparison") == 1
    )
