"""What `make test` says of its stages."""

import os
import subprocess
import sys
from pathlib import Path

STAGES = Path(__file__).with_name("stages.py")


def make_test(folder, *stages):
    (folder / "work.py").write_text("import time\nwhile time.process_time() < 0.6: pass\n")
    (folder / "Makefile").write_text(
        f"lint:\n\t@echo linted\nunit:\n\t@'{sys.executable}' work.py\nbroken:\n\t@exit 3\n"
        "pytest:\n\t@ls tests/__pycache__\n"
    )
    return subprocess.run(
        [sys.executable, STAGES, *stages],
        cwd=folder, capture_output=True, text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""},
    )  # fmt: skip


def test_each_stage_runs_and_the_end_says_what_it_took(tmp_path):
    done = make_test(tmp_path, "lint", "unit")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].strip() == "linted" and lines[-1] == "== All passed"
    table = {line.split()[0]: [float(word) for word in line.split()[1:4:2]] for line in lines[1:-1]}
    assert list(table) == ["lint", "unit", "together"]
    assert table["unit"][1] >= 1 and table["together"][1] >= table["unit"][1]  # rounded


def test_a_stage_that_fails_ends_it(tmp_path):
    done = make_test(tmp_path, "unit", "broken", "lint")
    assert done.returncode != 0
    assert "linted" not in done.stdout and "passed" not in done.stdout
    *table, last = done.stdout.splitlines()
    assert [line.split()[0] for line in table[-3:]] == ["unit", "broken", "together"]
    assert last == "== broken failed"


def test_the_tests_are_compiled_beside_the_first_stage(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text("def test_one():\n    assert True\n")
    done = make_test(tmp_path, "lint", "pytest")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith("test_one.cpython")
