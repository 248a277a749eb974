"""Mutants change what is computed and nothing else, and what becomes of each is told rightly."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("mutants", Path(__file__).with_name("mutants.py"))
mutants = importlib.util.module_from_spec(_spec)
sys.modules["mutants"] = mutants  # where a dataclass looks its module up
_spec.loader.exec_module(mutants)

SOURCE = '''"""Text with 1 + 1."""
__all__ = ["f"]
LIMIT = 3


def f(x, y: int = 2, *, axis=0):
    """One of 2 > 1."""
    if y < 0:
        raise ValueError(f"y must be at least {1 + 1}, got {y}")
    names = "é" + str(x)
    if x is None and not names:
        return 0.5
    return np.mean(x, axis=0) + abs(y) ** 2
'''.encode()


def found(source=SOURCE):
    return [
        (m.line, m.before, m.after, m.apply(source)) for m in mutants.mutants(source, "common/f.py")
    ]


def test_every_operation_of_a_body_is_changed_and_no_text():
    assert {mutant[:3] for mutant in found()} == {
        (8, "y < 0", "y <= 0"),
        (8, "y < 0", "not y < 0"),
        (8, "0", "1"),
        (11, "x is None and (not names)", "x is None or not names"),
        (11, "x is None and (not names)", "not (x is None and (not names))"),
        (11, "x is None", "x is not None"),
        (12, "0.5", "0.6"),
        (13, "np.mean(x, axis=0) + abs(y) ** 2", "np.mean(x, axis=0) - abs(y) ** 2"),
        (13, "np.mean", "np.median"),
        (13, "0", "1"),
        (13, "abs(y) ** 2", "abs(y) * 2"),
        (13, "abs(y)", "y"),
        (13, "2", "3"),
    }


def test_a_mutant_is_the_source_with_that_change():
    for line, _, after, text in found():
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(SOURCE))
        old, new = SOURCE.decode().splitlines(), text.decode().splitlines()
        assert [k + 1 for k in range(len(old)) if old[k] != new[k]] == [line]
        assert f"({after})" in new[line - 1]  # also behind the é, one character of two bytes


def test_a_sample_is_that_of_its_seed_and_holds_few_validations(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_bytes(SOURCE * 3)
    options = {"n": 10, "n_modules": 2}
    one = mutants.sample(["a.py", "b.py"], seed="0 family", **options)
    assert one == mutants.sample(["a.py", "b.py"], seed="0 family", **options)
    assert one != mutants.sample(["a.py", "b.py"], seed="1 family", **options)
    assert len(one) == len(set(one)) == 10
    assert {m.path for m in one} == {"a.py", "b.py"}
    assert sum(m.guard for m in one) <= 2
    everything = mutants.sample(["a.py", "b.py"], n=1000, n_modules=1, seed="0 family")
    assert len(everything) == 39  # three times the 13 of that source
    assert len({m.path for m in everything}) == 1


def test_modules_that_compute_are_drawn_first(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    (tmp_path / "computes.py").write_text("def f(x):\n    return " + "x + " * 99 + "x\n")
    (tmp_path / "asks.py").write_text("def f(x):\n    return x < 1\n")
    drawn = [
        mutants.sample(["asks.py", "computes.py"], n=1, n_modules=1, seed=str(seed))[0].path
        for seed in range(25)
    ]
    assert drawn.count("computes.py") > 22  # 99.9 % on average


def test_an_unknown_family_is_refused(capsys):
    with pytest.raises(SystemExit):
        mutants.main(["hawks"])
    assert "no family 'hawks'; families: common, adaptation" in capsys.readouterr().err


@pytest.fixture
def copy(tmp_path):
    """A library of one module, whose tests do and do not notice what changes."""
    copy = tmp_path / "copy"
    (copy / "common").mkdir(parents=True)
    (copy / "tests").mkdir()
    (copy / "common" / "__init__.py").touch()
    (copy / "common" / "small.py").write_text(
        "def f(x):\n    return x + 1\n\n\n"
        "def g(x):\n    return x + 1\n\n\n"
        "def h(n):\n    while n > 0:\n        n = n - 1\n"
    )
    (copy / "tests" / "test_small.py").write_text(
        "from common.small import f, g, h\n\n\n"
        "def test_f():\n    assert f(1) == 2\n\n\n"
        "def test_g():\n    assert g(0) is not None\n\n\n"
        "def test_h():\n    h(3)\n\n\n"
        "def test_that_fails_by_itself():\n    assert f(1) == 3\n"
    )
    (copy / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\nmarkers = ['workflow: none']\n"
    )
    return copy


def test_what_becomes_of_a_mutant(copy, monkeypatch):
    monkeypatch.setattr(mutants, "ALLOWANCE", 6)  # pytest itself takes one or two
    suite = mutants._Suite(copy, ["tests/test_small.py"])
    calls = suite.calls("tests/test_small.py")
    assert {name.split("::")[1]: functions for name, (functions, _) in calls.items()} == {
        "test_f": ["common/small.py:1"],
        "test_g": ["common/small.py:5"],
        "test_h": ["common/small.py:9"],
    }
    source = (copy / "common" / "small.py").read_bytes()
    changed = {
        m.line: m for m in mutants.mutants(source, "common/small.py") if m.kind == "operation"
    }
    outcomes = {line: suite.result(m, seconds=1) for line, m in changed.items()}
    assert outcomes == {2: "killed", 6: "survived", 11: "timeout"}
    assert (copy / "common" / "small.py").read_bytes() == source


def test_a_mutant_that_ends_its_process_is_killed(copy):
    """As one of compiled code may, which reads outside its arrays."""
    (copy / "common" / "hard.py").write_text(
        "import os\n\n\ndef f(x):\n    return x + 1 == 2 or os.abort()\n"
    )
    (copy / "tests" / "test_hard.py").write_text(
        "from common.hard import f\n\n\ndef test_f():\n    f(1)\n"
    )
    suite = mutants._Suite(copy, ["tests/test_hard.py"])
    source = (copy / "common" / "hard.py").read_bytes()
    changed = next(m for m in mutants.mutants(source, "common/hard.py") if m.after == "x - 1")
    assert suite.result(changed, seconds=1) == "killed"


def test_a_function_that_runs_in_another_process_faces_the_tests_that_name_its_module(copy):
    (copy / "common" / "apart.py").write_text("def f(x):\n    return x + 1\n\n\nprint(f(1))\n")
    (copy / "tests" / "test_processes.py").write_text(
        "import subprocess, sys\n\n\n"
        "def test_apart():\n"
        "    command = [sys.executable, '-m', 'common.apart']\n"
        "    assert subprocess.run(command, capture_output=True).stdout == b'2\\n'\n"
    )
    suite = mutants._Suite(copy, ["tests/test_small.py", "tests/test_processes.py"])
    source = (copy / "common" / "apart.py").read_bytes()
    mutant = next(iter(mutants.mutants(source, "common/apart.py")))
    assert suite.result(mutant, seconds=10) == "killed"


def test_what_tests_call_is_kept_until_they_or_the_library_change(copy, tmp_path, monkeypatch):
    file, kept = "tests/test_small.py", tmp_path / "kept"
    first = mutants._Suite(copy, [file], kept=kept).calls(file)
    forked = []
    monkeypatch.setattr(mutants, "_forked", lambda *a, **_: forked.append(a))
    assert mutants._Suite(copy, [file], kept=kept).calls(file) == first and not forked
    for name in (file, "common/small.py"):
        with open(copy / name, "a") as text:
            text.write("\n")
        with pytest.raises(FileNotFoundError):  # nothing ran in this test's place of `_forked`
            mutants._Suite(copy, [file], kept=kept).calls(file)
    assert len(forked) == 2


def test_shares_are_those_of_the_counts():
    assert mutants.table([("spd", 8, 5, 1, 2, 0.75)]).splitlines() == [
        "| family | mutants | killed | timeouts | survived | share |",
        "|---|---|---|---|---|---|",
        "| spd | 8 | 5 | 1 | 2 | 75% |",
    ]
