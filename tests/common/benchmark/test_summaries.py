"""Summaries of score tables: by hand, and on the published tables."""

import numpy as np
import pandas as pd
import pytest

from common import files
from common.benchmark import published, summaries

LONG = "papers/moabb/published/within_session_long.csv"


def cells(scores, dataset="D"):
    """Cells of one data set: ``{(pipeline, category): score}``."""
    rows = [("left_right", dataset, name, kind, score) for (name, kind), score in scores.items()]
    return pd.DataFrame(rows, columns=["paradigm", "dataset", "pipeline", "category", "score"])


def test_advantage_by_hand():
    three = {("a", "raw"): 0.6, ("b", "raw"): 0.7, ("c", "deep"): 0.68, ("d", "riemannian"): 0.75}
    for category, best, expected in (
        ("riemannian", "d", 0.05), ("raw", "b", -0.05), ("deep", "c", -0.07),
    ):  # fmt: skip
        found = summaries.advantage(cells(three), category)
        assert found[["dataset", "pipeline"]].to_numpy().tolist() == [["D", best]]
        assert found["advantage"].item() == pytest.approx(expected)
        assert found["score"].item() == three[best, category]


def test_data_sets_without_other_categories_have_no_advantage():
    table = pd.concat(
        [cells({("a", "raw"): 0.6, ("d", "deep"): 0.5}), cells({("a", "raw"): 0.9}, dataset="E")],
        ignore_index=True,
    )
    assert summaries.advantage(table, "raw")["dataset"].tolist() == ["D"]
    with pytest.raises(ValueError, match="category 'rieman'; there are deep, raw"):
        summaries.advantage(table, "rieman")


def test_a_data_set_that_ranks_pipelines_alike_leaves_comparisons():
    """One channel: all but one of the pipelines have one score, up to the order of its sum."""
    alike = {("a", "raw"): 0.1 + 0.2, ("b", "riemannian"): 0.3, ("c", "riemannian"): 0.3}
    one = cells(alike | {("d", "riemannian"): 0.4}, dataset="One")
    many = cells(
        {("a", "raw"): 0.5, ("b", "riemannian"): 0.5, ("c", "riemannian"): 0.6, ("d", "deep"): 0.7}
    )
    two = cells({("a", "raw"): 0.5, ("b", "riemannian"): 0.5}, dataset="Two")
    kept = summaries.comparable(pd.concat([one, many, two], ignore_index=True))
    assert kept["dataset"].unique().tolist() == ["D", "Two"]
    assert len(kept) == 6


def test_scores_are_shares_and_cells_are_there_once():
    table = cells({("a", "raw"): 0.6, ("d", "deep"): 0.5})
    for score in (60.0, np.nan):
        with pytest.raises(ValueError, match="score must be finite and at least 0 and at most 1"):
            summaries.advantage(table.assign(score=score), "raw")
        with pytest.raises(ValueError, match="score must be finite and at least 0 and at most 1"):
            summaries.by_person(table.assign(subject=1, score=score))
    with pytest.raises(ValueError, match=r"a score of .*, D, a twice"):
        summaries.advantage(pd.concat([table, table]), "raw")
    with pytest.raises(ValueError, match="same_people names the data set 'D' twice"):
        summaries.by_person(table.assign(subject=1), same_people=[["D", "E"], ["D"]])


@pytest.mark.skipif(not files.resolve(LONG).is_file(), reason="no published tables")
def test_wins_in_the_published_tables():
    """Riemannian pipelines win 8 of 10, 9 of 9, 6 of 6, 15 of 15 and 7 of 7 data sets."""
    found = summaries.advantage(published.load(LONG), "riemannian")
    wins = (found["advantage"] > 0).groupby(found["paradigm"], sort=False).sum()
    assert wins.to_dict() == {
        "left_right": 8, "right_hand_feet": 9, "mi_all": 6, "p300": 15, "ssvep": 7,
    }  # fmt: skip
    assert len(found) == 47
    assert set(found[found["advantage"] < 0]["dataset"]) == {"Shin2017A", "Zhou2016"}
    p300 = found[found["paradigm"] == "p300"].set_index("dataset")["pipeline"]
    assert p300["BNCI2015_003"] == "XDAWNCov+MDM"
    assert (p300.drop("BNCI2015_003") == "XDAWNCov+TS+SVM").all()


def test_persons_are_the_same_only_where_it_is_said():
    rows = [
        ("ssvep", "Four", 1, "0", "MDM", "riemannian", 0.2),
        ("ssvep", "Four", 1, "1", "MDM", "riemannian", 0.4),
        ("ssvep", "Eight", 1, "0", "MDM", "riemannian", 0.9),
        ("ssvep", "Eight", 2, "0", "MDM", "riemannian", 0.5),
    ]
    columns = ["paradigm", "dataset", "subject", "session", "pipeline", "category", "score"]
    table = pd.DataFrame(rows, columns=columns)
    apart = summaries.by_person(table)
    assert apart["people"].tolist() == ["Four", "Eight", "Eight"]
    assert apart["score"].tolist() == pytest.approx([0.3, 0.9, 0.5])
    joined = summaries.by_person(table, same_people=[["Four", "Eight"]])
    assert joined[["people", "subject"]].to_numpy().tolist() == [["Four", 1], ["Four", 2]]
    assert joined["score"].tolist() == pytest.approx([0.5, 0.5])


def hits(*rows):
    return pd.DataFrame(rows, columns=["subject", "session", "pipeline", "hits"])


def test_trials_are_won_by_the_pipeline_that_alone_is_right():
    table = hits(
        (1, "0", "A", "xx.x"), (1, "0", "B", "x..."), (1, "1", "B", ".x"), (1, "1", "A", "xx"),
        (1, "0", "C", "...."),
    )  # fmt: skip
    # Of session 0 the second and the last trial, of session 1 the first; then the other way round.
    assert summaries.trials_won(table, "A", "B") == (3, 3)
    assert summaries.trials_won(table, "B", "A") == (0, 3)
    crossed = hits((1, "0", "A", "x..x"), (1, "0", "B", ".xx."))
    assert summaries.trials_won(crossed, "A", "B") == (2, 4)
    assert summaries.trials_won(crossed, "A", "A") == (0, 0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1, "0", "A", "x"), (2, "0", "B", ".")], "within one subject, got 1, 2"),
        ([], "within one subject, got none"),
        ([(1, "0", "A", "x"), (1, "1", "B", ".")], "B has no session 0, on which to compare it"),
        ([(1, "0", "A", "x")], "B has no session 0"),
        ([(1, "0", "A", "xx"), (1, "0", "B", ".")], "session 0 A has 2 trials and B 1: these are"),
    ],
)
def test_answers_to_other_trials_are_no_pairs(rows, message):
    with pytest.raises(ValueError, match=message):
        summaries.trials_won(hits(*rows), "A", "B")
