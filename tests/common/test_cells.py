"""The text of a table, without a file: what is quoted, what is wrong, what comes back."""

import io

import pandas as pd
import pytest

from common import cells

TABLE = pd.DataFrame(
    {
        "label": ["NA", "01", "plain"],
        "count": [1, 2, 3],
        "mixed": ["7", 7, None],
        "value": [0.5] * 3,
    }
)


def test_text_that_looks_otherwise_is_quoted_and_the_rest_is_not():
    head, *rows = cells.to_text(TABLE, name="a.csv").splitlines()
    # Of a column of text and numbers all text is in quotation marks, and the name.
    assert head == 'label,count,"mixed",value'
    assert rows == ['"NA",1,"7",0.5', '"01",2,7,0.5', "plain,3,,0.5"]


def test_names_of_two_levels_are_written_by_pandas():
    names = pd.MultiIndex.from_tuples([("u", "v"), ("u", "w")])
    table = pd.DataFrame([["1", "a"], ["x", "b"]], columns=names)  # "1" would be quoted
    assert cells.to_text(table, name="a.csv") == "u,u\nv,w\n1,a\nx,b\n"


def test_what_pandas_loses_comes_back():
    text = cells.to_text(TABLE, name="a.csv")
    read = pd.read_csv(io.StringIO(text))
    assert read["label"].isna().any() and read["mixed"].tolist()[:2] == [7, 7]
    restored = cells.restore(read, text, {})
    assert restored is read
    assert restored["label"].tolist() == ["NA", "01", "plain"]
    assert restored["mixed"].tolist()[:2] == ["7", 7]


def test_a_column_of_another_program_that_quotes_some_text_is_text():
    text = 'n,"mixed"\n1,"7"\n2,8\n3,plain\n'
    restored = cells.restore(pd.read_csv(io.StringIO(text)), text, {})
    assert restored["mixed"].tolist() == ["7", "8", "plain"]


def test_whole_numbers_that_a_float_would_round_come_back():
    text = 'n\n9007199254740993\n""\n'
    restored = cells.restore(pd.read_csv(io.StringIO(text), skip_blank_lines=False), text, {})
    assert restored["n"].tolist()[0] == 2**53 + 1  # a float holds 2**53


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", None),
        ('a,b\n"1,5",2\n\n', None),
        ("a;b\n1;2\n", "is separated by semicolons ('a;b'), not by commas"),
        ("a\tb\n", "is separated by tabs"),
        ('a,b\n"1,2\n', "has a quotation mark that does not end, from line 2 on"),
        ("a,b\n1,2\n3\n", "has 1 fields in line 3, but 2 names in its first line"),
    ],
)
def test_a_defect_is_named_with_its_line(text, said):
    found = cells.defect(text)
    assert (found is None) == (said is None)
    assert said is None or found[0].startswith(said)


def test_the_file_is_named_in_what_cannot_be_written():
    dates = pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])})
    with pytest.raises(ValueError, match=r"column 'when' of a\.csv is of type datetime64"):
        cells.to_text(dates, name="a.csv")
