"""The copy in which the smoke scale runs, and which unit tests belong to a paper."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from common import files
from common.report import claims, figures
from tests.worlds.dicodile import world

TESTS = Path(__file__).parent


def load(name):
    """A file of ``tests/`` that no package holds."""
    specification = importlib.util.spec_from_file_location(f"_{name}", TESTS / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


smoke, conftest = load("smoke"), load("conftest")


@pytest.fixture
def checkout(tmp_path):
    source = tmp_path / "source"
    (source / "common").mkdir(parents=True)
    (source / ".gitignore").write_text("results/\ndata/raw/\n")
    (source / "common/tracked.py").write_text("1")
    (source / "common/removed.py").write_text("1")
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=source, check=True)
    return source


def test_the_copy_follows_the_working_tree_and_keeps_what_it_built(checkout, tmp_path):
    copy = tmp_path / "copy"
    (checkout / "results").mkdir()
    (checkout / "results/own.csv").write_text("of another scale")
    smoke.synchronize(checkout, copy)
    assert not (copy / "results").exists()
    (copy / "results").mkdir()
    (copy / "results/built.csv").write_text("1")
    (checkout / "common/tracked.py").write_text("2")  # not committed
    (checkout / "common/new.py").write_text("3")  # not even known to git
    (checkout / "common/removed.py").unlink()
    smoke.synchronize(checkout, copy)
    assert {path.name: path.read_text() for path in (copy / "common").iterdir()} == {
        "tracked.py": "2",
        "new.py": "3",
    }
    assert (copy / "results/built.csv").read_text() == "1"


@pytest.mark.parametrize("change", ["new steps", "no longer there"])
def test_what_the_steps_of_a_paper_built_goes_with_its_rules(change, checkout, tmp_path):
    copy = tmp_path / "copy"
    for paper in ("one", "other"):
        (checkout / "papers" / paper).mkdir(parents=True)
        (checkout / "papers" / paper / "rules.smk").write_text("1")
    smoke.synchronize(checkout, copy)
    built = ["results/{}/smoke/a.csv", "data/derived/{}/a.csv", "papers/{}/figures/a.svg"]
    for name in (each.format(paper) for each in built for paper in ("one", "other")):
        (copy / name).parent.mkdir(parents=True)
        (copy / name).write_text("1")
    rules = checkout / "papers/one/rules.smk"
    rules.write_text("2") if change == "new steps" else rules.unlink()
    smoke.synchronize(checkout, copy)
    assert not any((copy / each.format("one")).exists() for each in built)
    assert all((copy / each.format("other")).exists() for each in built)


def test_an_unchanged_file_is_not_written_again(checkout, tmp_path):
    copy = tmp_path / "copy"
    smoke.synchronize(checkout, copy)
    before = (copy / "common/tracked.py").stat().st_mtime_ns
    (checkout / "common/tracked.py").touch()
    smoke.synchronize(checkout, copy)
    assert (copy / "common/tracked.py").stat().st_mtime_ns == before


def test_what_numba_has_compiled_is_used_in_the_copy(checkout, tmp_path):
    def compile_and_run(folder):
        """How often the function was found compiled."""
        code = "import one; one.add(1); print(sum(one.add.stats.cache_hits.values()))"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder / "common", capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    source = "import numba\n\n\n@numba.njit(cache=True)\ndef add(x):\n    return x + {}\n"
    (checkout / ".gitignore").write_text("__pycache__/\n")
    (checkout / "common/one.py").write_text(source.format(1))
    assert compile_and_run(checkout) == 0
    copy = tmp_path / "copy"
    smoke.synchronize(checkout, copy)
    assert compile_and_run(copy) == 1
    (checkout / "common/one.py").write_text(source.format(22))  # not yet compiled
    smoke.synchronize(checkout, copy)
    assert compile_and_run(copy) == 0
    smoke.synchronize(checkout, copy)
    assert compile_and_run(copy) == 1  # its own is newer and stays


def test_downloads_are_shared(checkout, tmp_path):
    smoke.synchronize(checkout, tmp_path / "copy")
    (tmp_path / "copy/data/raw/recording.edf").write_text("downloaded once")
    assert (checkout / "data/raw/recording.edf").read_text() == "downloaded once"


def test_outside_a_checkout_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "archive").mkdir()
    with pytest.raises(SystemExit, match="archive is not a git checkout"):
        smoke.synchronize(tmp_path / "archive", tmp_path / "copy")


def test_an_unknown_paper_is_named_with_those_there_are():
    with pytest.raises(SystemExit, match=r"No paper 'danse'. Papers: .*dance"):
        smoke.main(["danse"])


def test_what_is_not_marked_as_too_small_is_found(tmp_path):
    svg, table = tmp_path / "papers/toy/figures/one.svg", tmp_path / "results/toy/smoke/claims.csv"
    assert smoke.unmarked(tmp_path, ["toy"]) == ["toy: no figure or no claims"]
    for path in (svg, table):
        path.parent.mkdir(parents=True)
    svg.write_text(f"<text>{figures.SCALES['smoke']} · simulated</text>")
    one = claims.Claim(
        statement="A.", source="B", evidence=claims.PAPER, ours=1.0, rule=claims.greater(0)
    )
    marked = claims.table([one], scale="smoke")
    files.write_csv(table, marked)
    assert smoke.unmarked(tmp_path, ["toy"]) == []
    files.write_csv(table, pd.concat([marked, claims.table([one], scale="embedded")]))
    svg.write_text("<text>embedded scale · simulated</text>")
    drawn, judged = smoke.unmarked(tmp_path, ["toy"])
    assert "one.svg does not say that its scale is smoke" in drawn
    assert "claims.csv judges claims" in judged


def test_a_made_up_table_has_no_column_that_the_built_one_lacks(tmp_path):
    assert smoke.invented(tmp_path, ["dicodile"]) == []
    table = world(True, "embedded")["letters"].assign(seconds=1.0)
    path = tmp_path / "results/dicodile/smoke/tables/letters.csv"
    files.write_csv(path, table)
    assert smoke.invented(tmp_path, ["dicodile"]) == []
    files.write_csv(path, table.drop(columns=["score", "text"]))
    [problem] = smoke.invented(tmp_path, ["dicodile"])
    assert problem.endswith("letters.csv has no column text, score")


def test_a_papers_unit_tests_are_those_of_what_its_notebooks_reach():
    used = conftest._used("dance")
    assert {"events", "report", "report.figures", "files", "report.claims"} <= used
    assert {"plans", "plans.events", "registry"} <= used  # by its rules
    assert not {"hawkes", "plans.hawkes", "workflow.steps"} & used
    config = SimpleNamespace(used=used)
    for name, ignored in {
        "events": None,
        "events/test_model.py": None,
        "report": None,
        "report/test_claims.py": None,
        "report/test_quotes.py": True,
        "test_files.py": None,
        "hawkes": True,
        "plans": None,
        "plans/test_events.py": None,
        "plans/test_hawkes.py": True,
        "test_docstrings.py": None,  # of all modules
    }.items():
        assert conftest.pytest_ignore_collect(TESTS / "common" / name, config) is ignored
    # Without a paper, and outside tests/common, nothing is left out.
    nothing = SimpleNamespace(used=None)
    assert conftest.pytest_ignore_collect(TESTS / "common/hawkes", nothing) is None
    assert conftest.pytest_ignore_collect(TESTS / "workflow", config) is None
    assert conftest._used(None) is None
    with pytest.raises(pytest.UsageError, match=r"no paper 'danse'; papers: .*dance"):
        conftest._used("danse")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from common.plans.hawkes import Plan\nrule a:\n", {"common.plans.hawkes"}),
        # What a plan imports counts, on several lines and within functions as well.
        (
            "from common.plans.adaptation import (\n    Plan,\n)\n",
            {"common.plans.adaptation", "common.registry", "common.adaptation.catalogue"},
        ),
        ("from common.workflow import steps\n", set()),
        ("# from common.plans.hawkes import Plan\n", set()),
    ],
)
def test_what_rules_import_is_found(text, found):
    reached = conftest._imported_by_rules(text)
    assert found <= reached
    assert bool(found) == bool(reached)


def test_each_paper_has_the_plan_that_its_rules_import_among_its_tests():
    found = []
    for paper in sorted(path.parent.name for path in files.ROOT.glob("papers/[!_]*/rules.smk")):
        rules = (files.ROOT / f"papers/{paper}/rules.smk").read_text("utf-8")
        plans = {name.removeprefix("common.") for name in re.findall(r"common\.plans\.\w+", rules)}
        assert plans <= conftest._used(paper), paper
        found += plans
    assert len(found) > 20  # few papers have rules that decide nothing


def test_of_tests_for_each_paper_those_of_the_chosen_one_are_left():
    chosen, other, general = (
        SimpleNamespace(callspec=SimpleNamespace(params=params), path=Path("tests/test_claims.py"))
        for params in ({"paper": "dance"}, {"paper": "moabb", "scale": "smoke"}, {"paper": "toy"})
    )
    plain, dropped = SimpleNamespace(path=Path("tests/test_claims.py")), []
    hook = SimpleNamespace(pytest_deselected=lambda items: dropped.extend(items))
    for paper, left in (
        ("dance", [chosen, general, plain]),
        (None, [chosen, other, general, plain]),
    ):
        items = [chosen, other, general, plain]
        config = SimpleNamespace(getoption={"paper": paper}.get, hook=hook)
        conftest.pytest_collection_modifyitems(config, items)
        assert items == left
    assert dropped == [other]
