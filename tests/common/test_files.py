"""Files read back exactly as written, have the same bytes each time, and never come in half."""

import errno
import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from common import files


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


# Paths


def test_names_are_relative_to_the_repository_wherever_one_works(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert files.resolve("common/files.py") == Path(files.__file__)
    assert files.relative(files.__file__) == "common/files.py"
    assert files.relative("common/../common/files.py") == "common/../common/files.py"
    assert files.require("common/files.py").read_text().startswith('"""Atomic')


def test_paths_outside_the_repository_stay_as_they_are(tmp_path):
    assert files.resolve(tmp_path) == tmp_path
    assert files.relative(tmp_path / "a.csv") == (tmp_path / "a.csv").as_posix()


def test_a_missing_file_names_the_command_that_builds_it():
    name = "results/dance/embedded/no-such-table.csv"
    expected = rf"^{name} is not built yet\. Build it with: snakemake -j2 {name}$"
    for read in (files.require, files.read_csv, files.read_json, files.read_npz):
        with pytest.raises(files.NotBuiltError, match=expected):
            read(name)
    assert issubclass(files.NotBuiltError, FileNotFoundError)


# Atomic writing


def test_an_input_file_has_a_place_and_a_name(tmp_path):
    file, name = files.existing("pyproject.toml")
    assert (file, name) == (files.ROOT / "pyproject.toml", "pyproject.toml")
    with pytest.raises(FileNotFoundError, match=r"none\.ts does not exist.*registry fetch NAME"):
        files.existing(tmp_path / "none.ts")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        files.existing(tmp_path)  # a folder


def test_a_folder_is_made_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "a" / "b" / "note.txt"
    with files.atomic(path) as temporary:
        assert temporary.parent == path.parent and temporary.suffix == path.suffix
        assert not path.exists()
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("old", ["old", None])
def test_a_failing_block_leaves_what_was_there(tmp_path, old):
    path = tmp_path / "note.txt"
    if old is not None:
        path.write_text(old)
    with pytest.raises(RuntimeError, match="halfway"), files.atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("halfway")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == (
        [] if old is None else [("note.txt", "old")]
    )


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "note.txt"
    with files.atomic(path) as one, files.atomic(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # the outer block ends last
    assert list(tmp_path.iterdir()) == [path]


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert files.sha256(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")


def test_text_is_utf8_with_unix_line_ends(tmp_path):
    files.write_text(tmp_path / "a.txt", "µV\nè\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc2\xb5V\n\xc3\xa8\n"


# Tables


@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.floats(allow_nan=False), min_size=1, max_size=8))
def test_numbers_of_a_table_read_back_exactly(folder, values):
    table = pd.DataFrame({"value": values, "n": range(len(values))})
    files.write_csv(folder / "a.csv", table)
    read = files.read_csv(folder / "a.csv")
    assert read["value"].astype(float).tolist() == values
    assert read["n"].tolist() == table["n"].tolist()


def test_numbers_of_all_sizes_read_back_exactly(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"value": rng.standard_normal(2000) * 10.0 ** rng.integers(-30, 30, 2000)})
    files.write_csv(tmp_path / "a.csv", table)
    assert files.read_csv(tmp_path / "a.csv")["value"].tolist() == table["value"].tolist()


def test_a_table_has_the_same_bytes_each_time(tmp_path):
    table = pd.DataFrame({"x": [0.1, 1 / 3, np.nan], "name": ["a", "b, c", "µ"]})
    files.write_csv(tmp_path / "a.csv", table)
    files.write_csv(tmp_path / "b.csv", files.read_csv(tmp_path / "a.csv"))
    expected = 'x,name\n0.1,a\n0.3333333333333333,"b, c"\n,µ\n'
    assert (tmp_path / "a.csv").read_bytes() == expected.encode()
    assert (tmp_path / "b.csv").read_bytes() == expected.encode()


def test_only_a_named_index_is_written(tmp_path):
    table = pd.DataFrame({"x": [1, 2]}, index=pd.Index(["a", "b"], name="subject"))
    files.write_csv(tmp_path / "a.csv", table)
    assert (tmp_path / "a.csv").read_text() == "subject,x\na,1\nb,2\n"
    files.write_csv(tmp_path / "a.csv", table.rename_axis(None))
    assert (tmp_path / "a.csv").read_text() == "x\n1\n2\n"


def test_options_reach_pandas(tmp_path):
    files.write_csv(tmp_path / "a.csv", pd.DataFrame({"subject": ["01"]}))
    assert files.read_csv(tmp_path / "a.csv", dtype=str)["subject"].tolist() == ["01"]


# JSON

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=30)
@given(value=values)
def test_json_reads_back_exactly_and_rewrites_the_same_bytes(folder, value):
    files.write_json(folder / "a.json", value)
    before = (folder / "a.json").read_bytes()
    assert files.read_json(folder / "a.json") == value
    files.write_json(folder / "a.json", files.read_json(folder / "a.json"))
    assert (folder / "a.json").read_bytes() == before


def test_keys_of_json_are_sorted_and_text_stays_text(tmp_path):
    files.write_json(tmp_path / "a.json", {"b": 1, "a": "µV"})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n "a": "µV",\n "b": 1\n}\n'


def test_arrays_and_paths_become_plain_json(tmp_path):
    value = {
        "array": np.arange(4).reshape(2, 2),
        "scalar": np.float32(0.5),
        "flag": np.bool_(True),
        "path": Path("a") / "b",
    }
    files.write_json(tmp_path / "a.json", value)
    expected = {"array": [[0, 1], [2, 3]], "scalar": 0.5, "flag": True, "path": "a/b"}
    assert json.loads((tmp_path / "a.json").read_text()) == expected


def test_what_json_cannot_hold_is_named_and_nothing_is_written(tmp_path):
    with pytest.raises(TypeError, match=r"cannot write set as JSON: \{1\}"):
        files.write_json(tmp_path / "a.json", {"a": {1}})
    assert not list(tmp_path.iterdir())


# Arrays


@settings(deadline=None, max_examples=30)
@given(
    array=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.bool_, np.dtype("U3")]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_arrays_read_back_exactly(folder, array):
    files.write_npz(folder / "a.npz", first=array, **{"layer.0.weight": array[..., None]})
    read = files.read_npz(folder / "a.npz")
    assert list(read) == ["first", "layer.0.weight"]
    for found, expected in zip(read.values(), (array, array[..., None]), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_arrays_have_the_same_bytes_each_time_and_no_date(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"x": rng.standard_normal((50, 3)), "names": np.array(["a", "bc"])}
    files.write_npz(tmp_path / "a.npz", **arrays)
    files.write_npz(tmp_path / "b.npz", **files.read_npz(tmp_path / "a.npz"))
    assert files.sha256(tmp_path / "a.npz") == files.sha256(tmp_path / "b.npz")
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_objects_are_refused_and_the_old_file_stays(tmp_path):
    files.write_npz(tmp_path / "a.npz", x=[1, 2])
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        files.write_npz(tmp_path / "a.npz", x=[1], y=np.array([{}], dtype=object))
    assert files.read_npz(tmp_path / "a.npz")["x"].tolist() == [1, 2]
    assert len(list(tmp_path.iterdir())) == 1


# Text that looks like something else, which `common.cells` writes and reads

LIKE_OTHERS = [
    *("None", "NA", "null", "nan", "NaN", "n/a", "N/A", "<NA>", "", " ", "01", "007", "1", "-1"),
    *("1.0", "1e5", "1E-3", "inf", "-inf", "Infinity", "True", "False", "true", "TRUE", " 1", "2 "),
    *("+3", ".5", "5.", "1,5", "1_000", "0x10", "2020-01-01", "a", " a ", "a, b", 'say "a"', '"'),
    *('""', "a\nb", "a\r\nb", "a\rb", "µV", "雪", "\x1ax", "#", "'", ";", "\t", "1\t2", "--"),
    *("=1+1", "\ufeffa"),
]


@pytest.mark.parametrize("text", LIKE_OTHERS, ids=ascii)
def test_text_reads_back_as_the_same_text(tmp_path, text):
    for column in ([text, text], [text, "a"], [text, None], ["b", text, text]):
        table = pd.DataFrame({"text": column, "n": range(len(column))})
        files.write_csv(tmp_path / "a.csv", table)
        read = files.read_csv(tmp_path / "a.csv")
        assert [None if pd.isna(each) else each for each in read["text"]] == column
        assert read["n"].tolist() == table["n"].tolist()
        assert pd.api.types.is_string_dtype(read["text"])


@settings(deadline=None, max_examples=60)
@given(
    texts=st.lists(
        st.none()
        | st.sampled_from(LIKE_OTHERS)
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        min_size=1,
        max_size=6,
    ).filter(any)
)
def test_columns_of_any_text_read_back(folder, texts):
    table = pd.DataFrame({"n": range(len(texts)), "text": pd.Series(texts, dtype=object)})
    files.write_csv(folder / "a.csv", table)
    read = files.read_csv(folder / "a.csv")["text"]
    assert [None if pd.isna(each) else each for each in read] == texts
    files.write_csv(folder / "b.csv", files.read_csv(folder / "a.csv"))
    assert (folder / "b.csv").read_bytes() == (folder / "a.csv").read_bytes()


def test_text_is_quoted_only_where_it_must_be(tmp_path):
    table = pd.DataFrame({"x": [1.5, np.nan, 2], "name": ["a", "NA", None], "flag": [True] * 3})
    files.write_csv(tmp_path / "a.csv", table)
    assert (tmp_path / "a.csv").read_text() == 'x,name,flag\n1.5,a,True\n,"NA",True\n2.0,,True\n'


def test_plain_columns_beside_quoted_text_are_written_as_pandas_writes_them(tmp_path):
    table = pd.DataFrame(
        {
            "float": [1 / 3, np.nan, np.inf],
            "whole": pd.array([2**63 - 1, None, 1], dtype="Int64"),
            "bool": [True, None, False],
            "kind": pd.Categorical(["a, b", 'c"', None]),
            "many": ["1\n2", "", "x"],
        }
    )
    files.write_csv(tmp_path / "a.csv", table)
    plain = table.drop(columns="many").to_csv(index=False, lineterminator="\n").splitlines()
    text = (tmp_path / "a.csv").read_text()
    expected = [
        f"{line},{last}" for line, last in zip(plain, ["many", '"1\n2"', '""', "x"], strict=True)
    ]
    assert text == "\n".join(expected) + "\n"
    read = files.read_csv(tmp_path / "a.csv")
    assert read["whole"].tolist()[::2] == [2**63 - 1, 1]
    assert read["whole"].isna().tolist() == [False, True, False]
    assert read["kind"].tolist()[:2] == ["a, b", 'c"']


def test_an_index_of_text_reads_back(tmp_path):
    index = pd.MultiIndex.from_tuples([("01", 1), ("NA", 2)], names=["subject", None])
    files.write_csv(tmp_path / "a.csv", pd.DataFrame({"x": [1, 2]}, index=index))
    assert (tmp_path / "a.csv").read_text() == 'subject,,x\n"01",1,1\n"NA",2,2\n'
    assert files.read_csv(tmp_path / "a.csv")["subject"].tolist() == ["01", "NA"]


@pytest.mark.parametrize("texts", [["scale"], ["2", "True", "01"], ["a, b"], ["scale", "1e300"]])
def test_text_and_numbers_of_one_column_stay_apart(tmp_path, texts):
    values = [*texts, 0.1, 2, True, None, 1e300]
    table = pd.DataFrame({"gamma": pd.Series(values, dtype=object), "n": range(len(values))})
    files.write_csv(tmp_path / "a.csv", table)
    read = files.read_csv(tmp_path / "a.csv")["gamma"]
    assert [None if pd.isna(each) else each for each in read] == values
    assert [type(each) for each in read.dropna()] == [
        type(each) for each in values if each is not None
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"t": pd.to_datetime(["2020-01-01"]), "x": 1}, r"'t' of .*a\.csv is of type datetime64"),
        (
            {"t": pd.to_timedelta(["1s"]), "x": 1},
            "'t' of .* is of type timedelta64.*Write it as text",
        ),
        ({"z": [1j], "x": 1}, "'z' of .* is of type complex128, which a csv file does not keep"),
        ({"x": ["a", ""]}, "'x' of .* holds empty text, which a table of one column cannot keep"),
    ],
)
def test_what_a_csv_does_not_keep_is_refused(tmp_path, table, message):
    with pytest.raises(ValueError, match=message):
        files.write_csv(tmp_path / "a.csv", pd.DataFrame(table))
    assert not (tmp_path / "a.csv").exists()


def test_one_column_with_something_missing(tmp_path):
    for column in ([1.0, np.nan], ["01", None], ["a", None]):
        files.write_csv(tmp_path / "a.csv", pd.DataFrame({"x": column}))
        read = files.read_csv(tmp_path / "a.csv")["x"]
        assert read.tolist()[0] == column[0]
        assert read.isna().tolist() == [False, True]


@pytest.mark.parametrize("value", [2**53 + 1, -(2**62) - 1, 2**63 - 1])
def test_whole_numbers_read_back_exactly_beside_missing_ones(tmp_path, value):
    for column in ([value, 1], pd.array([value, None], dtype="Int64")):
        files.write_csv(tmp_path / "a.csv", pd.DataFrame({"id": column, "x": "01"}))
        assert int(files.read_csv(tmp_path / "a.csv")["id"][0]) == value


def test_a_type_that_is_asked_for_is_given(tmp_path):
    files.write_csv(tmp_path / "a.csv", pd.DataFrame({"a": ["01", "NA"], "b": ["01", "02"]}))
    read = files.read_csv(tmp_path / "a.csv", dtype={"a": str, "b": int})
    assert read["a"].tolist() == ["01", "NA"]
    assert read["b"].tolist() == [1, 2]
    assert files.read_csv(tmp_path / "a.csv", dtype=str)["a"].tolist() == ["01", "NA"]
    assert files.read_csv(tmp_path / "a.csv", usecols=["b"])["b"].tolist() == ["01", "02"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x,y\n1,NA\n2,a\n", {"x": [1, 2], "y": [None, "a"]}),
        ("x,y\n1,a\n2,3\n", {"x": [1, 2], "y": ["a", "3"]}),  # mixed, and nothing says how
        ('x,y\n1,"[1, 2]"\n2,0.5\n', {"x": [1, 2], "y": ["[1, 2]", "0.5"]}),
        ('"x","y"\n"1","01"\n"2","NA"\n', {"x": [1, 2], "y": [1.0, None]}),  # all in quotes
        ('"x","y"\n1,"a"\n2,NA\n', {"x": [1, 2], "y": ["a", None]}),  # as R writes
        ("\ufeffx,y\r\n1,a\r\n", {"x": [1], "y": ["a"]}),  # as Excel writes
    ],
)
def test_tables_of_other_programs_read_as_pandas_reads_them(tmp_path, text, expected):
    (tmp_path / "a.csv").write_bytes(text.encode())
    read = files.read_csv(tmp_path / "a.csv").to_dict("list")
    assert {k: [None if pd.isna(v) else v for v in each] for k, each in read.items()} == expected
    pd.testing.assert_frame_equal(
        files.read_csv(tmp_path / "a.csv"), pd.read_csv(tmp_path / "a.csv"), check_exact=True
    )


# Damaged files


def test_compressed_table_reads_like_the_same_table_uncompressed(tmp_path):
    (tmp_path / "plain.csv").write_bytes(b'x,y\n1,"01"\n')
    (tmp_path / "small.csv.gz").write_bytes(gzip.compress(b'x,y\n1,"01"\n'))
    pd.testing.assert_frame_equal(
        files.read_csv(tmp_path / "small.csv.gz"), files.read_csv(tmp_path / "plain.csv")
    )
    assert files.read_csv(tmp_path / "small.csv.gz").loc[0, "y"] == "01"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.csv is empty\. "),
        (b" \n\n", r"a\.csv is empty\. "),
        (b"version https://git-lfs.github.com/spec/v1\noid", "pointer of Git LFS.* git lfs pull"),
        (b"<!DOCTYPE html>\n<html><body>404", "is a web page, not data"),
        (b"\n  <HTML>", "is a web page, not data"),
        ("x,y\n1,2\n".encode("utf-16"), "is in UTF-16, not in UTF-8. Save it as UTF-8"),
        (gzip.compress(b"x,y\n1,2\n", mtime=0)[:-9], "be read as a file compressed with gzip"),
        ("x,y\n1,2\n".encode("utf-16-le"), "NUL byte in line 1: it is in UTF-16, or damaged"),
        (b"x,y\n1,2\n3,\x004\n", "NUL byte in line 3"),
        (b"x,y\n1,a\n2,caf\xe9\n", "is not in UTF-8: byte 0xe9 in line 3. Save it as UTF-8"),
        (b"x;y\n1,5;2\n", r"separated by semicolons \('x;y'\), not by commas.* decimal point"),
        (b"x\ty\n1\t2\n", r"separated by tabs \('x"),
        (b"x,y\n1,2\n3\n", "has 1 fields in line 3, but 2 names in its first line"),
        (b"x,y\n1,2,3\n", "has 3 fields in line 2, but 2 names in its first line"),
        (b"x,y\n1,5,2\n2,5,3\n", "has 3 fields in line 2, .* a comma too many"),
        (b'x,y\n"a\nb",2\n3\n', "has 1 fields in line 4, but 2 names"),
        (b'x,y\n1,"a\n2,b\n', "a quotation mark that does not end, from line 2 on"),
        (b"<<<<<<< HEAD\nx,y\n1,2\n=======\n", "has 2 fields in line 2, but 1 names"),
    ],
)  # fmt: skip
def test_a_damaged_table_is_named_with_line_and_repair(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        files.read_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").as_posix() in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b'{"a": 1,\n "b": }', "is not JSON, line 2, column 7: Expecting value"),
        (b'{"a": 1', "is not JSON, line 1, column 8"),
        (b"<html>", "is a web page"),
        ('{"a": 1}'.encode("utf-16"), "is in UTF-16"),
        (b'{"a": "\xe9"}', "byte 0xe9 in line 1"),
    ],
)
def test_damaged_json_is_named_with_line_and_repair(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.json .*{message}"):
        files.read_json(tmp_path / "a.json")


def test_json_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert files.read_json(tmp_path / "a.json") == {"a": 1}


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


WHOLE = npz(x=np.arange(1000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1", "pointer of Git LFS"),
        (b"<html>", "is a web page"),
        (WHOLE[: len(WHOLE) // 2], "cannot be read as .npz"),
        (WHOLE[:200] + bytes(50) + WHOLE[250:], "cannot be read as .npz .*CRC"),
        (b"x,y\n1,2\n", "cannot be read as .npz"),
        (npy(np.arange(3)), "it holds one array, as numpy.save writes it"),
        (npz(x=np.array([{}, []], dtype=object)), "cannot be read as .npz .*Object arrays"),
    ],
    ids=["empty", "lfs", "web", "short", "overwritten", "csv", "npy", "objects"],
)
def test_a_damaged_npz_is_named_with_a_repair(tmp_path, content, message):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"a\.npz .*{message}.*Get it again|a\.npz .*{message}.*lfs"
    ):
        files.read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "repair"),
    [
        ("results/toy/embedded/a.csv", "Delete it and build it again: snakemake -j2 results/toy/"),
        ("data/derived/toy/a.csv", "build it again: snakemake -j2 data/derived/toy/a.csv"),
        ("papers/toy/figures/a.csv", "build it again: snakemake -j2 papers/toy/figures/a.csv"),
        ("data/raw/a.csv", "fetch it again: python -m common.registry fetch"),
        ("papers/toy/published/a.csv", "Restore it: git checkout -- papers/toy/published/a.csv"),
        ("/elsewhere/a.csv", "Get it again from where it came"),
    ],
)
def test_the_repair_depends_on_where_a_file_is(name, repair):
    assert repair in str(files.damaged(name, "is empty"))


# Folders


def test_walk_follows_links_and_survives_cycles(tmp_path):
    disk, root = tmp_path / "disk", tmp_path / "root"
    (disk / "deep").mkdir(parents=True)
    (disk / "deep" / "b.txt").write_text("b")
    (root / "own").mkdir(parents=True)
    (root / "own" / "a.txt").write_text("a")
    (root / "linked").symlink_to(disk)
    (root / "again").symlink_to(disk)
    (disk / "deep" / "up").symlink_to(root)  # back to where the walk began
    (root / "itself").symlink_to("itself")
    (root / "nowhere").symlink_to(tmp_path / "gone")
    (root / "file").symlink_to(disk / "deep" / "b.txt")
    found = [path.relative_to(root).as_posix() for path in files.walk(root)]
    assert found == ["again/deep/b.txt", "file", "linked/deep/b.txt", "own/a.txt"]
    assert list(files.walk(tmp_path / "gone")) == []


def test_walk_tells_of_folders_that_cannot_be_read(tmp_path):
    (tmp_path / "file").write_text("")
    errors = []
    assert list(files.walk(tmp_path / "file", unreadable=errors.append)) == []
    assert [error.filename for error in errors] == [str(tmp_path / "file")]


def test_walk_knows_a_folder_under_two_names(tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.csv").write_text("")
    monkeypatch.setattr(files, "ROOT", tmp_path)
    assert [files.relative(path) for path in files.walk("results")] == ["results/a.csv"]


# Temporary names


@pytest.mark.parametrize("stem", ["x" * 251, "é" * 125])
def test_the_longest_name_that_a_file_may_have_can_be_written(tmp_path, stem):
    files.write_text(tmp_path / f"{stem}.csv", "a\n")
    assert [path.name for path in tmp_path.iterdir()] == [f"{stem}.csv"]


def test_a_name_too_long_is_one_clear_error(tmp_path):
    with pytest.raises(files.NotWritableError, match="is longer than the file system allows"):
        files.write_text(tmp_path / ("x" * 300) / "a.txt", "")


def test_a_file_in_the_place_of_a_folder_is_one_clear_error(tmp_path):
    (tmp_path / "results").write_text("")
    expected = rf"cannot write {tmp_path}/results/toy/a.csv: .*, or what it lies in, is a file"
    with pytest.raises(files.NotWritableError, match=expected):
        files.write_text(tmp_path / "results/toy/a.csv", "")


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.EACCES, "may not be written to"),
        (errno.EROFS, "is on a read-only file system"),
        (errno.ENOSPC, "the disk of the folder .* is full"),
        (errno.EDQUOT, "the disk quota for the folder .* is used up"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch, number, why):
    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.Path, "touch", refuse)
    with pytest.raises(
        files.NotWritableError, match=f"cannot write {tmp_path}/a.csv: .*{why}"
    ) as e:
        files.write_text(tmp_path / "a.csv", "")
    assert e.value.errno == number


def dead_process():
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_temporary_name_tells_whose_it_is(tmp_path):
    with files.atomic(tmp_path / "a-1234.tar.gz") as temporary:
        assert files.is_temporary(temporary)
        assert not files.is_leftover(temporary)
        dead = temporary.with_name(
            temporary.name.replace(f"-{os.getpid()}-", f"-{dead_process()}-")
        )
        assert files.is_leftover(dead)
    # Names of an earlier version, without the machine, and of folders.
    assert files.is_leftover(tmp_path / f".bars-{dead_process()}-0123abcd.svg")
    assert not files.is_leftover(tmp_path / f".bars-{os.getpid()}-0123abcd.svg")
    machine = files.owner().partition("-")[0]
    assert files.is_leftover(tmp_path / f"nb-{machine}-{dead_process()}-ab_cd012")
    assert not files.is_leftover(tmp_path / f"nb-{files.owner()}-ab_cd012")


@pytest.mark.parametrize("name", [".DS_Store", ".bars.svg.swp", "bars-12-0123abcd.svg", "nb-x", ""])
def test_other_names_are_never_left_over(tmp_path, name):
    assert not files.is_temporary(tmp_path / name)
    assert not files.is_leftover(tmp_path / name)


def test_of_another_machine_only_the_age_tells(tmp_path):
    # The number may be a live process's there; nobody writes one file for a day.
    other = tmp_path / f".bars-{'0' * 8}-{dead_process()}-0123abcd.svg"
    other.write_text("")
    assert not files.is_leftover(other)
    yesterday = other.stat().st_mtime - 25 * 3600
    os.utime(other, (yesterday, yesterday))
    assert files.is_leftover(other)
