"""The published tables: two ways of reading them, and what they say."""

import pandas as pd
import pytest

from common import files
from common.benchmark import catalogue, datasets, published

FOLDER = "papers/moabb/published"
LONG = f"{FOLDER}/within_session_long.csv"
needs_tables = pytest.mark.skipif(
    not files.resolve(LONG).is_file(), reason="the published tables are not here"
)


@pytest.fixture
def cells():
    return published.load(LONG)


@needs_tables
def test_the_five_tables_as_written_give_the_long_one(cells):
    for paradigm, table in catalogue.PARADIGMS.items():
        parsed = published.parse(f"{FOLDER}/within_session_{table}.csv")
        keys = ["paradigm", "dataset", "pipeline"]
        expected = cells[cells["paradigm"] == paradigm][[*keys, "mean", "sd"]]
        pd.testing.assert_frame_equal(
            parsed.sort_values(keys, ignore_index=True),
            expected.sort_values(keys, ignore_index=True),
        )


@needs_tables
def test_tables_are_complete(cells):
    """10 x 19, 9 x 16, 6 x 16, 15 x 5 and 7 x 6 cells of 47 combinations and 36 data sets."""
    counts = cells.groupby("paradigm", sort=False).size()
    assert counts.to_dict() == {
        "left_right": 190, "right_hand_feet": 144, "mi_all": 96, "p300": 75, "ssvep": 42,
    }  # fmt: skip
    assert cells["dataset"].nunique() == 36
    found = set(cells[["paradigm", "dataset"]].itertuples(index=False, name=None))
    ours = datasets.paper_sets()[["paradigm", "dataset"]].itertuples(index=False, name=None)
    assert found == set(ours)
    assert len(found) == 47


@needs_tables
def test_means_are_those_computed_from_the_tables_elsewhere(cells):
    means = published.means(cells)
    reference = files.read_csv(f"{FOLDER}/unweighted_means.csv")
    reference["paradigm"] = reference["table"].map({v: k for k, v in catalogue.PARADIGMS.items()})
    merged = means.merge(reference, on=["paradigm", "pipeline"])
    assert len(merged) == len(means) == len(reference)
    # The reference is rounded to two digits.
    assert (merged["mean"] - merged["mean_over_datasets_pct"]).abs().max() <= 0.005 + 1e-9
    assert (merged["n_datasets_x"] == merged["n_datasets_y"]).all()
    best = means.groupby("paradigm", sort=False)["pipeline"].first()
    assert best.tolist() == ["TS+EL", "ACM+TS+SVM", "TS+EL", "XDAWNCov+TS+SVM", "SSVEP_TS+LR"]


@needs_tables
def test_wins_by_category(cells):
    """Riemannian pipelines win 8 of 10, 9 of 9, 6 of 6, 15 of 15 and 7 of 7 data sets."""
    wins = published.wins(cells)
    assert len(wins) == 47
    riemannian = wins["category"].eq("riemannian").groupby(wins["paradigm"], sort=False).sum()
    assert riemannian.to_dict() == {
        "left_right": 8, "right_hand_feet": 9, "mi_all": 6, "p300": 15, "ssvep": 7,
    }  # fmt: skip
    others = wins[wins["category"] != "riemannian"].set_index("dataset")["pipeline"]
    assert others.to_dict() == {"Shin2017A": "CSP+LDA", "Zhou2016": "ShallowConvNet"}
    p300 = wins[wins["paradigm"] == "p300"].set_index("dataset")["pipeline"]
    assert p300["BNCI2015_003"] == "XDAWNCov+MDM"
    assert (p300.drop("BNCI2015_003") == "XDAWNCov+TS+SVM").all()


def small(means):
    """Cells of one data set: ``{(pipeline, category): mean}``."""
    rows = [("left_right", "D", name, kind, mean, 1.0) for (name, kind), mean in means.items()]
    columns = ["paradigm", "dataset", "pipeline", "category", "mean", "sd"]
    return pd.DataFrame(rows, columns=columns)


def test_summaries_by_hand():
    cells = small(
        {("a", "raw"): 60.0, ("b", "raw"): 70.0, ("c", "deep"): 68.0, ("d", "riemannian"): 75.0}
    )
    categories = published.category_scores(cells).set_index("category")
    assert categories.loc["raw", ["pipeline", "best", "mean", "n_pipelines"]].tolist() == [
        "b", 70.0, 65.0, 2,
    ]  # fmt: skip
    win = published.wins(cells).iloc[0]
    assert (win["pipeline"], win["category"], win["mean"], win["margin"]) == (
        "d", "riemannian", 75.0, 5.0,
    )  # fmt: skip
    alone = published.wins(cells[cells["category"] == "raw"]).iloc[0]
    assert (alone["pipeline"], alone["margin"] == alone["margin"]) == ("b", False)


GOOD = (
    "table,metric,dataset,pipeline,category,mean_pct,sd_pct\n"
    "mi_all_classes,accuracy,D,MDM,raw,1,2\n"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace(",sd_pct", ""), "lacks the columns sd_pct"),
        (GOOD.replace("mi_all_classes", "mi_none"), "has the table 'mi_none'; known are"),
        (GOOD.replace(",raw,", ",row,"), "has the category 'row'; known are"),
        (GOOD + GOOD.splitlines()[1], "has mi_all_classes, D, MDM twice"),
        (GOOD.replace("raw,1", "raw,101"), "is not a percentage"),
    ],
)
def test_a_wrong_long_table_is_an_error(tmp_path, text, message):
    file = tmp_path / "long.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        published.load(file)


def test_a_wrong_table_is_an_error(tmp_path):
    file = tmp_path / "within_session_ssvep_all_classes.csv"
    file.write_text("Pipeline,:class:`D`\n`MDM`_,70.1\n")
    with pytest.raises(ValueError, match=r"MDM on D is '70.1', not mean±sd"):
        published.parse(file)
    file.write_text("Pipeline,:class:`D`\n`MDM`_,70.1±3\n")
    assert published.parse(file).to_numpy().tolist() == [["ssvep", "D", "MDM", 70.1, 3.0]]
    other = file.with_name("within_session_other.csv")
    other.write_text(file.read_text())
    with pytest.raises(ValueError, match="none of the tables mi_left_vs_right_hand"):
        published.parse(other)
