"""Files read back exactly as written, have the same bytes each time, and never come in half."""

import json
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
