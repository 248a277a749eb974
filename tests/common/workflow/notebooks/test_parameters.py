"""A notebook's parameters cell is its signature."""

import json

import pytest

from common.workflow.notebooks.parameters import ParameterError, bind, signature

CELL = """
# A comment.
subject: int | None = None
method = "sum"
rate = 0.5
n_epochs = 3
scores: list[str] = []
shrink = True
grid: dict[str, float] = {}
low = -1.0
"""
VALUES = {
    "subject": 1, "method": "max", "rate": 1, "n_epochs": 2, "scores": ["a"], "shrink": False,
    "grid": {"x": 1.0}, "low": 2.0,
}  # fmt: skip


@pytest.fixture
def notebook(tmp_path):
    def make(source=CELL, tags=("parameters",)):
        cell = {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}}
        (tmp_path / "n.ipynb").write_text(json.dumps({"cells": [cell]}))
        return tmp_path / "n.ipynb"

    return make


def test_reads_names_and_defaults(notebook):
    found = {name: parameter.default for name, parameter in signature(notebook()).items()}
    assert found == {
        "subject": None, "method": "sum", "rate": 0.5, "n_epochs": 3, "scores": [],
        "shrink": True, "grid": {}, "low": -1.0,
    }  # fmt: skip


def test_a_tag_lost_in_an_editor_is_an_error(notebook):
    with pytest.raises(ParameterError, match=r"n\.ipynb: no cell of code has the tag `parameters`"):
        signature(notebook(tags=()))


def test_two_cells_with_the_tag_are_an_error(notebook):
    # The second one's values would replace those of the workflow, in silence.
    path = notebook()
    (cell,) = json.loads(path.read_text())["cells"]
    path.write_text(json.dumps({"cells": [cell, cell]}))
    with pytest.raises(ParameterError, match=r"2 cells of code have the tag `parameters`"):
        signature(path)


def test_fitting_values_pass(notebook):
    assert bind(notebook(), VALUES) == VALUES
    assert bind(notebook(), {**VALUES, "subject": None})["subject"] is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", "1"), ("subject", True), ("n_epochs", 2.0), ("n_epochs", True), ("rate", "1"),
        ("rate", True), ("method", 1), ("shrink", 1), ("scores", "a"), ("scores", [1]),
        ("grid", {"x": "y"}), ("low", None),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_one_line(notebook, name, value):
    with pytest.raises(ParameterError, match=f"parameter {name} is declared as") as error:
        bind(notebook(), {**VALUES, name: value})
    assert repr(value) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_undeclared_name_suggests_the_nearest(notebook):
    with pytest.raises(ParameterError, match=r"passes methd='max', .* did you mean 'method'\?"):
        bind(notebook(), {**VALUES, "methd": "max"})


def test_a_missing_name_is_an_error(notebook):
    values = {name: value for name, value in VALUES.items() if name != "rate"}
    with pytest.raises(ParameterError, match="declares 'rate', which the rule does not pass"):
        bind(notebook(), values)


def test_wildcards_become_the_declared_type(notebook):
    values = {**VALUES, "subject": "12", "rate": "1e-3", "method": "7", "shrink": "False"}
    bound = bind(notebook(), values, wildcards={"subject", "rate", "method", "shrink"})
    assert (bound["subject"], bound["rate"], bound["method"]) == (12, 1e-3, "7")
    assert bound["shrink"] is False
    with pytest.raises(ParameterError, match="declared as int, the rule passes 'x'"):
        bind(notebook(), {**VALUES, "n_epochs": "x"}, wildcards={"n_epochs"})


@pytest.mark.parametrize("source", ["x = f()", "x, y = 1, 2", "import os", "x: int", "x = y"])
def test_the_cell_holds_literals_only(notebook, source):
    with pytest.raises(ParameterError, match="literal"):
        signature(notebook(source))
