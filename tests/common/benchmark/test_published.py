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
    """As its repository writes them: ``:class:`Data set```, ```Pipeline`_``, ``mean±sd``."""
    for paradigm, table in catalogue.PARADIGMS.items():
        wide = files.read_csv(f"{FOLDER}/within_session_{table}.csv", dtype=str)
        long = wide.melt(wide.columns[0], var_name="dataset").set_axis(
            ["pipeline", "dataset", "cell"], axis=1
        )
        long["pipeline"] = long["pipeline"].str.extract(r"^`(.+)`_$")
        long["dataset"] = long["dataset"].str.extract(r"^:class:`(.+)`$")
        long[["score", "sd"]] = long.pop("cell").str.split("±", expand=True).astype(float) / 100
        keys = ["dataset", "pipeline"]
        expected = cells[cells["paradigm"] == paradigm][[*keys, "score", "sd"]]
        pd.testing.assert_frame_equal(
            long[[*keys, "score", "sd"]].sort_values(keys, ignore_index=True),
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
    keys = ["paradigm", "pipeline"]
    means = cells.groupby(keys, sort=False)["score"].agg(["mean", "size"]).reset_index()
    reference = files.read_csv(f"{FOLDER}/unweighted_means.csv")
    reference["paradigm"] = reference["table"].map({v: k for k, v in catalogue.PARADIGMS.items()})
    merged = means.merge(reference, on=keys)
    assert len(merged) == len(means) == len(reference)
    # The reference is rounded to two digits of a percentage.
    assert (100 * merged["mean"] - merged["mean_over_datasets_pct"]).abs().max() <= 0.005 + 1e-9
    assert (merged["size"] == merged["n_datasets"]).all()


GOOD = (
    "table,metric,dataset,pipeline,category,mean_pct,sd_pct\n"
    "mi_all_classes,accuracy,D,MDM,raw,1,2\n"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("sd_pct", "sd"), "lacks the columns sd_pct"),
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
