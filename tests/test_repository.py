"""What every file of the repository keeps to; new papers and modules are checked as they come."""

import ast
import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from common import environment, files, quotes, reference
from common.notebooks import parameters, run

PAPERS = sorted(path.name for path in files.ROOT.glob("papers/*/") if path.name[0] != ".")
STEPS = sorted(files.relative(path) for path in files.ROOT.glob("papers/*/*.ipynb"))
SHOWN = re.compile(r"papers/[^/]+/figures/[^/]+\.svg|results/[^/]+/embedded/claims\.csv")
HOME = re.compile(r"/(?:home|Users)/\w+|/root/\w+|\b[A-Z]:\\+Users\b")


def _committed(*patterns):
    """Files that are committed or would be: what git does not ignore and is still here."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns]
    done = subprocess.run(command, cwd=files.ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("not a git checkout: built files and committed ones cannot be told apart")
    names = sorted(set(filter(None, done.stdout.split("\0"))))
    return [name for name in names if files.resolve(name).is_file()]


def test_notebooks_have_no_outputs():
    dirty = [
        f"{name}, cell {index}"
        for name in _committed("*.ipynb")
        for index, cell in enumerate(json.loads(files.resolve(name).read_text("utf-8"))["cells"])
        if cell.get("outputs") or cell.get("execution_count") is not None
    ]
    assert not dirty, "clear the outputs: jupyter nbconvert --clear-output --inplace NOTEBOOK"


@pytest.mark.parametrize("paper", PAPERS)
def test_numbers_in_a_readme_are_those_of_its_tables(paper):
    assert quotes.stale(paper) == [], f"fill them: python -m common.quotes {paper}"


@pytest.mark.parametrize("paper", PAPERS)
def test_the_reference_is_as_new_as_its_code(paper):
    assert reference.outdated(paper) == [], f"renew it: snakemake -j2 papers/{paper}/reference"


@pytest.mark.parametrize("notebook", STEPS)
def test_a_step_declares_parameters(notebook):
    assert parameters.signature(notebook), f"{notebook} has no cell tagged `parameters`"


@pytest.mark.parametrize("notebook", STEPS)
def test_a_step_is_run_by_a_rule(notebook):
    _, paper, name = notebook.split("/")
    rules = files.resolve(f"papers/{paper}/rules.smk").read_text("utf-8")
    assert f'notebook("{name}")' in rules


@pytest.fixture(scope="session")
def passed():
    """What the workflow passes to the notebooks of figures and claims at the embedded scale.

    Their rules have no wildcards, so reading them is enough: no job is planned, nothing runs.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

    found = {}
    with contextlib.chdir(files.ROOT), SnakemakeApi(OutputSettings(dryrun=True)) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config={"scale": "embedded"}),
            snakefile=Path("Snakefile"),
        )
        for rule in workflow._workflow.rules:
            if any(map(SHOWN.fullmatch, map(str, rule.output))):
                notebook, values, _ = run.collect(
                    SimpleNamespace(
                        rule=rule.name,
                        input=rule.input,
                        output=rule.output,
                        params=rule.params,
                        wildcards=SimpleNamespace(_allitems=list),
                    )
                )
                found[notebook.partition("@")[0]] = values
    return found


@pytest.mark.parametrize(
    "notebook", [name for name in STEPS if re.search(r"/(figure-[^/]+|claims)\.ipynb$", name)]
)
def test_a_notebook_opened_by_hand_shows_what_the_workflow_builds(notebook, passed):
    """Its parameters cell has the values that the workflow passes at the embedded scale."""
    defaults = {name: one.default for name, one in parameters.signature(notebook).items()}
    assert defaults == passed[notebook]


@pytest.mark.parametrize("paper", PAPERS)
def test_a_paper_has_its_files_and_its_module(paper):
    needed = ["README.md", "paper.yaml", "rules.smk", "claims.ipynb"]
    folder = files.resolve(f"papers/{paper}")
    assert [name for name in needed if not (folder / name).is_file()] == []
    snakefile = files.resolve("Snakefile").read_text("utf-8")
    assert f'snakefile: "papers/{paper}/rules.smk"' in " ".join(snakefile.split())


def test_no_file_names_a_home_folder():
    found = []
    for name in _committed():
        content = files.resolve(name).read_bytes()
        if b"\0" not in content:  # text
            found += [f"{name}: {match}" for match in HOME.findall(content.decode("utf-8"))]
    assert found == []


def test_commands_name_their_target_before_the_configuration():
    # Snakemake takes what follows `--config key=value` for another entry, not for a target.
    wrong = re.compile(r"--config( \w+=\S+)+ (?!\w+=)(verify\b|[\w.-]+/\S*)")
    assert wrong.search("snakemake --config scale=paper papers/dance/figures")
    assert not wrong.search("snakemake papers/dance/figures --config scale=paper device=cpu")
    found = [
        f"{name}: {match[0]}"
        for name in _committed("*.md", "*.yaml", "*.py", "*.ipynb", "Makefile")
        if name != "tests/test_repository.py"
        for match in wrong.finditer(files.resolve(name).read_text("utf-8"))
    ]
    assert found == []


def test_modules_say_what_they_are():
    # A test module is named after the module that it tests, which says it.
    modules = [name for name in _committed("*.py") if not name.startswith("tests/")]
    assert "common/files.py" in modules
    silent = [
        name
        for name in modules
        if not ast.get_docstring(ast.parse(files.resolve(name).read_text("utf-8")))
    ]
    assert silent == []


def test_snakemake_finds_the_console_plugin(tmp_path):
    # As the snakemake of this environment looks for it: from any folder, by searching sys.path.
    code = "import pkgutil; print(*(module.name for module in pkgutil.iter_modules()))"
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert "snakemake_logger_plugin_lines" in done.stdout.split(), (
        "install the repository: make env (package-dir in pyproject.toml must stay)"
    )


def test_the_lock_pins_what_is_required():
    lock = {_canonical(name): pin for name, pin in _lock().items()}
    lines = files.resolve("requirements.in").read_text("utf-8").splitlines()
    required = [line.partition("#")[0].strip() for line in lines]
    for name, _, version in (line.partition("==") for line in required if line):
        assert _canonical(name) in lock, f"{name} is not in requirements.lock: make lock"
        assert version in ("", lock[_canonical(name)])


def test_the_lock_does_not_choose_a_build_of_torch():
    needed_by_some_builds = [name for name in _lock() if name.startswith(("nvidia-", "triton"))]
    assert needed_by_some_builds == []
    assert re.fullmatch(r"[0-9.]+", _lock()["torch"])


def _lock():
    return environment.pins(files.resolve("requirements.lock"))


def _canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()
