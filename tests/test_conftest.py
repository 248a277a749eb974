"""What the tests do to numba, and their order."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import conftest

pytest.importorskip("fcntl")

SOURCE = """
import numba


@numba.njit(cache=True)
def one(x):
    return x + 1


@numba.njit(cache=True)
def two(x):
    return one(x) * one(1.0 * x)
"""
RUN = """
import sys

from tests import conftest

conftest.compile_in_turn()
import compiled

print("ready", flush=True)
sys.stdin.readline()
compiled.two(int(sys.argv[1]) if sys.argv[1:] else 1.5)
functions = compiled.one, compiled.two
print(*(sum(f.stats.cache_misses.values()) for f in functions))
"""


def compile_at_once(folder, *arguments):
    """How often processes that begin at the same time have compiled each of two functions."""
    path = f"{Path(__file__).parents[1]}:{folder}"
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [
        subprocess.Popen([sys.executable, "-c", RUN, *each], env={"PYTHONPATH": path}, **options)
        for each in arguments
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [sum(map(int, column)) for column in zip(*said, strict=True)]


def test_processes_compile_a_function_once_and_none_loses_what_another_has_added(tmp_path):
    (tmp_path / "compiled.py").write_text(SOURCE)
    assert compile_at_once(tmp_path, ["1"], [], []) == [2, 2]  # for an integer, and for a float
    assert compile_at_once(tmp_path, ["1"], []) == [0, 0]


def test_every_folder_in_turn_has_a_file_and_the_workflow_two():
    names = ["a/1", "a/1", "a/2", "workflow/1", "workflow/2", "workflow/3", "b/1"]
    items = [SimpleNamespace(path=Path(name), name=str(i)) for i, name in enumerate(names)]
    order = [item.name for item in conftest._dealt(items)]
    assert order == ["0", "1", "3", "4", "6", "2", "5"]
