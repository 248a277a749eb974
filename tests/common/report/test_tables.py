"""A gathered table holds what its contract says, or says what is missing."""

import pandas as pd
import pytest

from common import files
from common.report import tables


@pytest.fixture
def parts(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    for seed in (0, 1):
        part = pd.DataFrame({"method": ["a", "b"], "seed": seed, "score": [0.1, 0.2 + seed]})
        files.write_csv(f"part-{seed}.csv", part)
    return ["part-0.csv", "part-1.csv"]


def test_all_rows_come_in_the_order_of_the_parts(parts):
    table = tables.gather(parts, contract={"method": ["a", "b"], "seed": [0, 1]})
    assert table["score"].tolist() == [0.1, 0.2, 0.1, 1.2]
    assert table.index.tolist() == [0, 1, 2, 3]


def test_no_parts_are_an_error():
    with pytest.raises(ValueError, match="no parts to gather: the workflow passes them"):
        tables.gather([], contract={"seed": [0]})


def test_tables_are_gathered_each_against_its_own_contract(parts):
    both = [(["part-1.csv"], {"seed": [1]}), (["part-0.csv"], {"seed": [0]})]
    table = tables.gather_each(both)
    assert table["seed"].tolist() == [1, 1, 0, 0]
    assert table.index.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="no row for seed=1"):
        tables.gather_each([*both, (["part-0.csv"], {"seed": [1]})])
    with pytest.raises(ValueError, match="no contracts to gather"):
        tables.gather_each([])


def test_a_missing_combination_is_named(parts):
    with pytest.raises(
        ValueError, match=r"no row for method=a, seed=2; method=b, seed=2\. The par"
    ):
        tables.gather(parts, contract={"method": ["a", "b"], "seed": [0, 1, 2]})


def test_many_missing_combinations_are_counted(parts):
    with pytest.raises(ValueError, match=r"seed=6; and 3 more\. The parts are part-0\.csv, part-1"):
        tables.gather(parts, contract={"seed": list(range(10))})


def test_parts_that_differ_in_columns_are_named(parts):
    files.write_csv("part-2.csv", pd.DataFrame({"method": ["a"], "seed": 2}))
    message = r"part-2.csv has the columns \['method', 'seed'\], but part-0.csv has \['method', 's"
    with pytest.raises(ValueError, match=message):
        tables.gather([*parts, "part-2.csv"], contract={})


def test_a_column_of_the_contract_that_is_not_there_is_named(parts):
    with pytest.raises(
        ValueError, match=r"part-0\.csv has no column subject; it has method, seed,"
    ):
        tables.gather(parts, contract={"subject": [1]})


def test_text_of_digits_is_not_the_number(parts):
    text = pd.DataFrame({"method": ["a", "b"], "seed": "2", "score": [0.1, 0.2]})
    files.write_csv("part-2.csv", text)
    assert tables.gather(["part-2.csv"], contract={"seed": ["2"]})["seed"].tolist() == ["2", "2"]
    with pytest.raises(
        ValueError, match=r"no row for seed=2, but rows that differ in type only \("
    ):
        tables.gather(["part-2.csv"], contract={"seed": [2]})
