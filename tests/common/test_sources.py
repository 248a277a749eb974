"""What people edit is read as they mean it, or one line says where the mistake is."""

import json
import math

import pytest
import yaml

from common import files, sources


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Function that reads a file with a given content."""
    monkeypatch.setattr(files, "ROOT", tmp_path)

    def read(content, reader=sources.read_yaml, name="file.yaml"):
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(content)
        return reader(name)

    return read


def message(read, *arguments):
    with pytest.raises(sources.SourceError) as caught:
        read(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1E5", 1e5), ("+1.e3", 1000.0), (".5", 0.5), ("-2.5e+2", -250.0),
        ("1_000", 1000), ("1_000.5", 1000.5), ("0x1f", 31), ("0o17", 15), ("0", 0), ("-7", -7),
        ("0.1", 0.1), (".inf", math.inf), ("-.inf", -math.inf), ("true", True), ("False", False),
        ("null", None), ("~", None), ("", None), ("no", "no"), ("Yes", "Yes"), ("on", "on"),
        ("off", "off"), ("y", "y"), ("1:30", "1:30"), ("12:30:45", "12:30:45"), ("e5", "e5"),
        ("1e", "1e"), ("1.2.3", "1.2.3"), ("1-3", "1-3"), ("'1e-3'", "1e-3"), ("!!str 1", "1"),
        ("{label of m}", {"label of m": None}), ('"{m}"', "{m}"), ("[1e3, on]", [1000.0, "on"]),
    ],
)  # fmt: skip
def test_what_looks_like_a_number_is_one_and_a_word_is_a_word(read, text, value):
    found = read(f"key: {text}\n")["key"]
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number(read):
    assert math.isnan(read("key: .nan\n")["key"])


def test_a_key_may_be_a_word_of_yaml_1_1_or_a_number(read):
    assert read("no: 1\non: 2\n3: 4\n") == {"no": 1, "on": 2, 3: 4}


def test_anchors_and_merges_work(read):
    content = read("a: &a {x: 1, y: [2]}\nb:\n  <<: *a\n  x: 3\nc: *a\n")
    assert content == {"a": {"x": 1, "y": [2]}, "b": {"x": 3, "y": [2]}, "c": {"x": 1, "y": [2]}}


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for pattern in ("*.yaml", "data/*.yaml", "papers/*/*.yaml", "common/*/*.yaml")
        for path in files.ROOT.glob(pattern)
    ),
    ids=files.relative,
)
def test_files_of_the_repository_say_the_same_in_yaml_1_1(path):
    # A file that two versions of YAML read alike means what its author thinks it means.
    assert _typed(sources.read_yaml(path)) == _typed(yaml.safe_load(path.read_text()))


def _typed(value):
    if isinstance(value, dict):
        return [(_typed(key), _typed(item)) for key, item in value.items()]
    return list(map(_typed, value)) if isinstance(value, list) else (type(value), value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n  b: 2024-05-01\n", "line 2: a.b is 2024-05-01, a date, which settings cannot hold; "
         "quote it: '2024-05-01'"),
        ("a: [1, 2024-05-01 10:00:00]\n", "line 1: a.2 is 2024-05-01 10:00:00, a date"),
        ("2024-05-01: a\n", "line 1: the file is 2024-05-01, a date"),
        ("a: !!binary aGk=\n", "line 1: a is binary data, which settings cannot hold"),
        ("a: !!set {b, c}\n", "line 1: a is a set, which settings cannot hold"),
        ("a: !!python/object:os.system {}\n", "line 1: a is of the type "),
        ("a: !!int b\n", "line 1: a is 'b', not int"),
        ("a: 010\n", "line 1: a is 010, which begins with zero. Write 10, or quote a text: '010'"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4: b.c is given twice, first in line 3"),
        ("a:\n\tb: 1\n", "line 2: not valid YAML: a tab indents this line; indent with spaces"),
        ("a: [1\n", "not valid YAML"),
        ("a: &x [*x]\n", "line 1: a.1 contains itself"),
        ("[a]: 1\n", "line 1: a key may not be a list or a mapping"),
        (b"a: 1\nb: caf\xe9\n", "line 2: byte 0xe9 is not UTF-8. Save the file with the encoding"),
        ("a: 1\n<<<<<<< HEAD\nb: 1\n", "line 2: a mark of an unfinished git merge. Resolve"),
        ("a: 1\n--- \nb: 2\n", "not valid YAML: but found another document"),
    ],
)  # fmt: skip
def test_a_mistake_in_yaml_is_one_line(read, text, expected):
    found = message(read, text)
    assert found.startswith("file.yaml, line ")
    assert expected in found


def test_a_byte_order_mark_and_windows_lines_are_no_mistakes_in_yaml(read):
    assert read(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n") == {"a": 1, "b": 2}


def test_a_missing_file_is_named(read, tmp_path):
    with pytest.raises(sources.SourceError, match=r"^none\.yaml: does not exist$"):
        sources.read_yaml("none.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(sources.SourceError, match=r"^folder\.yaml: Is a directory$"):
        sources.read_yaml("folder.yaml")


NOTEBOOK = {"cells": [{"cell_type": "code", "source": "a = 1\n", "metadata": {}}], "nbformat": 4}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ": the file is empty. Restore it: git checkout -- book.ipynb"),
        ("{\n<<<<<<< HEAD\n", ", line 2: a mark of an unfinished git merge"),
        ('{\n "cells": [,\n', ", line 2: not valid JSON"),
        ("\ufeff" + json.dumps(NOTEBOOK), ", line 1: the file begins with a byte order mark"),
        (b'{"cells": "\xfc"}', ", line 1: byte 0xfc is not UTF-8"),
        ('{"worksheets": [], "nbformat": 3}', ": notebook format 3; format 4 is needed. Convert"),
        ("[]", ": not a notebook: it has no list of cells"),
        ('{"cells": [{"source": "a"}], "nbformat": 4}', ": not a notebook"),
        ("[" * 100_000, ": not a notebook: JSON nested without end"),
    ],
)
def test_a_broken_notebook_is_one_line(read, content, expected):
    found = message(read, content, sources.read_notebook, "book.ipynb")
    assert found.startswith(f"book.ipynb{expected}")


def test_a_notebook_is_read(read):
    assert read(json.dumps(NOTEBOOK), sources.read_notebook, "book.ipynb") == NOTEBOOK


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a = 1\nb = (\n", "file.py, line 2: not valid Python: '(' was never closed"),
        ("a = 1\n>>>>>>> other\n", "file.py, line 2: a mark of an unfinished git merge"),
        ("a = '\0'\n", "file.py: not valid Python: "),
        (b"# caf\xe9\n", "file.py, line 1: byte 0xe9 is not UTF-8"),
    ],
)
def test_broken_python_is_one_line(read, content, expected):
    assert message(read, content, sources.read_python, "file.py").startswith(expected)
