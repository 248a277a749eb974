"""What every file of the repository keeps to; new papers and modules are checked as they come."""

import ast
import contextlib
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from common import files, sources
from common.report import quotes, reference
from common.workflow import environment, index, prerequisites
from common.workflow.notebooks import clean, fingerprint, parameters, run
from common.workflow.papers import load

PAPERS = sorted(path.name for path in files.ROOT.glob("papers/*/") if path.name[0] not in "._")
STEPS = sorted(
    files.relative(path) for name in PAPERS for path in files.ROOT.glob(f"papers/{name}/*.ipynb")
)
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


def test_notebooks_are_committed_clean():
    # What git has, not what JupyterLab saved: the filter keeps outputs out of commits.
    _committed()
    dirty = []
    for name in _git("ls-files", "*.ipynb").decode().splitlines():
        content = _git("cat-file", "blob", f":{name}")
        dirty += [name] if clean.clean(content) != content else []
    assert not dirty, (
        "set the filter, and add them again: python -m common.workflow.environment; git add"
    )


def test_the_filter_is_that_of_the_attributes():
    _committed()
    answer = _git("check-attr", "filter", "--", "papers/dance/claims.ipynb").decode()
    assert answer.split()[-1] == "notebook"
    assert environment.FILTER.startswith("f=common/workflow/notebooks/clean.py;")


def test_results_has_only_its_page_in_commits():
    _committed()
    assert _git("ls-files", "results").decode().split() == ["results/README.md"]


def test_no_half_written_file_is_committed():
    _committed()
    names = _git("ls-files", "-z").decode().split("\0")
    left = [name for name in names if name and files.is_temporary(Path(name))]
    assert not left, f"killed processes left them: git rm {' '.join(left)}"


@pytest.mark.parametrize("paper", PAPERS)
def test_numbers_in_a_readme_are_those_of_its_tables(paper):
    assert quotes.stale(paper) == [], f"fill them: python -m common.report.quotes {paper}"


def test_the_lists_of_papers_are_those_of_the_folders():
    assert index.stale() == [], "write them: make index"


@pytest.mark.parametrize("paper", PAPERS)
def test_the_reference_is_as_new_as_its_code(paper):
    assert reference.outdated(paper) == [], f"renew it: snakemake -j2 papers/{paper}/reference"


@pytest.mark.parametrize("paper", PAPERS)
def test_tolerances_fit_the_tables_of_the_reference(paper):
    reference.check_tolerances(paper)


@pytest.mark.parametrize("notebook", STEPS)
def test_a_step_declares_parameters(notebook):
    assert parameters.signature(notebook), f"{notebook} has no cell tagged `parameters`"


@pytest.mark.parametrize("notebook", STEPS)
def test_a_step_is_run_by_a_rule(notebook):
    _, paper, name = notebook.split("/")
    drawn = {f"figure-{figure}.ipynb" for figure in load(paper).figures}
    rules = files.resolve(f"papers/{paper}/rules.smk").read_text("utf-8")
    assert name in drawn | {"claims.ipynb"} or f'notebook("{name}")' in rules


@pytest.mark.parametrize("notebook", STEPS)
def test_a_step_depends_on_what_it_uses_alone(notebook):
    # Code that cannot be followed counts as all of `common`, and every edit would rerun the step.
    found = fingerprint.modules(files.resolve(notebook), root=files.ROOT)
    assert len(found) < len(list((files.ROOT / "common").rglob("*.py"))) / 2


class _Named(dict):
    """Named values as a job has them."""

    def _allitems(self):
        return list(self.items())


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
                params = {name: value({}) for name, value in rule.params.items()}
                notebook, values, _ = run.collect(
                    SimpleNamespace(
                        rule=rule.name,
                        input=rule.input,
                        output=rule.output,
                        params=_Named(params),
                        wildcards=SimpleNamespace(_allitems=list),
                    )
                )
                found[notebook.partition("@")[0]] = values
    return found


@pytest.mark.parametrize(
    "notebook", [name for name in STEPS if re.search(r"/(figure-[^/]+|claims)\.ipynb$", name)]
)
def test_a_notebook_opened_by_hand_shows_what_the_workflow_builds(notebook, passed):
    """Its parameters cell has the values that the workflow passes at the embedded scale.

    Looks of methods are read from paper.yaml where nobody passes them.
    """
    defaults = {name: one.default for name, one in parameters.signature(notebook).items()}
    assert {"styles": {}} | defaults == passed[notebook] | {"styles": {}}


@pytest.mark.parametrize("paper", PAPERS)
def test_a_paper_has_its_files(paper):
    needed = ["README.md", "paper.yaml", "rules.smk", "claims.ipynb"]
    folder = files.resolve(f"papers/{paper}")
    assert [name for name in needed if not (folder / name).is_file()] == []


@pytest.mark.parametrize("paper", PAPERS)
def test_a_first_notebook_states_the_problem_and_shows_an_input(paper):
    first = [name for name in STEPS if name.startswith(f"papers/{paper}/1-")]
    teaching = [
        name
        for name in first
        if "$$" in "".join(_texts(name)) and "plt." in _code(files.resolve(name))
    ]
    assert teaching != [], f"one of {first} states the problem as a formula and draws one input"


@pytest.mark.parametrize("notebook", [name for name in STEPS if "/figure-" in name])
def test_a_figure_notebook_says_where_the_figure_stands_and_what_contradicts_it(notebook):
    text = _texts(notebook)[0]
    assert "paper" in text or "documentation" in text, "say where the paper has this figure"
    assert "contradict" in text, "say what would contradict the paper"


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


def test_a_module_with_an_underscore_is_used_in_its_package_alone():
    # And in the tests of that package, which lie in the folder of the same name.
    private = {}
    for path in files.ROOT.glob("common/**/_*.py"):
        if not path.stem.startswith("__"):
            private.setdefault(files.relative(path.parent), []).append(path.stem)
    assert "_fetch" in private["common/registry"]
    found = [
        f"{name}: {package.replace('/', '.')}.{used}"
        for name in _committed("*.py", "*.ipynb", "*.smk", "Snakefile")
        for package, modules in private.items()
        if not name.startswith((f"{package}/", f"tests/{package}/", "tests/test_repository.py"))
        for used in _private_modules(files.resolve(name).read_text("utf-8"), package, modules)
    ]
    assert found == [], "take what the package offers, or drop the underscore"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from common.registry._fetch import path", ["_fetch"]),
        ("import common.registry._fetch as fetching", ["_fetch"]),
        ("from common import registry\nregistry._fetch.path('a')", ["_fetch"]),
        ("from common.registry import (\n    fetch,\n    _pip,\n)", ["_pip"]),
        ("monkeypatch.setattr('common.registry._pip.verify', spy)", ["_pip"]),
        ("from common.registry import fetch\nfrom pooch import _pip", []),
        ("from common.registry import fetch\nself.registry._fetched = 1", []),
    ],
)
def test_how_a_private_module_is_recognised(text, found):
    assert _private_modules(text, "common/registry", ["_fetch", "_pip"]) == found


def test_the_library_imports_by_full_names():
    relative = [
        f"{name}: line {node.lineno}"
        for name in _committed("common/*.py")
        for node in ast.walk(ast.parse(files.resolve(name).read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == [], "write `from common.…`"


def test_a_name_is_taken_from_the_module_that_defines_it():
    # From another, which only imports it, it would vanish with that import.
    found = [
        f"{name}: {taken}"
        for name in _committed("common/*.py", "papers/*.ipynb", "notebooks/*.ipynb")
        for taken in _taken_elsewhere(_code(files.resolve(name)))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "from common.report import figures\nfigures.OKABE_ITO['blue']",
            ["figures.OKABE_ITO is common.report.palette's"],
        ),
        (
            "from common.report import figures as f\nf.SHARED",
            ["f.SHARED is common.report.palette's"],
        ),
        ("from common.report import figures, palette\npalette.OKABE_ITO, figures.color('a')", []),
        ("from common import spd\nspd.lew", []),  # a package offers what its modules define
        ("from elsewhere import figures\nfigures.OKABE_ITO", []),
    ],
)
def test_how_a_name_taken_elsewhere_is_recognised(text, found):
    assert _taken_elsewhere(text) == found


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


@pytest.mark.parametrize("kind", ["", "-peers", "-slurm", "-site", "-checkers"])
@pytest.mark.parametrize("target", environment.TARGETS)
def test_a_lock_pins_what_is_required(kind, target):
    where = environment.TARGETS[target]
    lock = _lock(kind, where)
    for line in files.resolve(f"requirements{kind}.in").read_text("utf-8").splitlines():
        if not (line := line.partition("#")[0].strip()):
            continue
        required = Requirement(line)
        if required.marker is None or required.marker.evaluate(where):
            name = canonicalize_name(required.name)
            assert name in lock, f"{name} is not in requirements{kind}.lock: make lock"
            assert lock[name] in required.specifier


@pytest.mark.parametrize(
    ("kind", "wanted"), [("-slurm", "snakemake-executor-plugin-slurm"), ("-site", "sphinx")]
)
@pytest.mark.parametrize("target", environment.TARGETS)
def test_what_is_added_moves_no_pin(kind, wanted, target):
    where = environment.TARGETS[target]
    lock, added = _lock("", where), _lock(kind, where)
    assert {name: added[name] for name in added if name in lock} == {
        name: lock[name] for name in added if name in lock
    }
    assert wanted in added


@pytest.mark.parametrize("kind", ["", "-peers", "-slurm", "-site", "-checkers"])
def test_a_lock_does_not_choose_a_build_of_torch(kind):
    lock = _lock(kind)
    assert [name for name in lock if name.startswith(("nvidia-", "triton", "cuda-"))] == []
    assert re.fullmatch(r"[0-9.]+", lock.get("torch", "0"))


@pytest.mark.parametrize("workflow", ["tests", "embedded"])
def test_a_workflow_of_github_runs_what_there_is(workflow):
    found = sources.read_yaml(f".github/workflows/{workflow}.yml")
    assert found["name"] == workflow and found["on"]
    steps = [step for job in found["jobs"].values() for step in job["steps"]]
    commands = [step["run"].split() for step in steps if "run" in step]
    makefile = files.resolve("Makefile").read_text("utf-8")
    for program, *arguments in commands:
        if program == "make":
            for target in (one for one in arguments if "=" not in one):
                assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target
        else:
            assert os.access(files.resolve(program), os.X_OK), program
    used = {"tests": {".ci/run"}, "embedded": {"test-embedded", "site", "archive"}}
    assert used[workflow] <= {word for command in commands for word in command}
    # Each step runs a command, or an action of a stated version.
    assert all("run" in step or re.fullmatch(r"[\w/-]+@v\d+", step["uses"]) for step in steps)


def test_every_pin_has_a_wheel_for_every_target():
    lines = files.resolve("requirements.wheels").read_text("utf-8").splitlines()
    recorded = dict(line.split(": ", 1) for line in lines if not line.startswith("#"))
    without = {}
    for target, where in environment.TARGETS.items():
        for name, version in _lock("", where).items():
            has = recorded[f"{name}=={version}"]  # missing: make lock
            if has != "all" and target not in has.split():
                without.setdefault(name, set()).add(where["python_version"])
    # Two are plain Python, which needs no compiler. immutables is compiled: what
    # common.workflow.prerequisites asks for a compiler for.
    for plain in ["connection-pool", "nflows"]:
        assert without.pop(plain) == {"3.11", "3.12", "3.13", "3.14"}
    compiled = {f"{a}.{b}": name for (a, b), name in prerequisites.COMPILED.items()}
    assert {version: name for name, versions in without.items() for version in versions} == compiled


def test_installed_packages_accept_the_oldest_python():
    # Of the versions that the lock has for that Python; soupsieve once needed 3.11.5.
    where = {**environment.TARGETS["3.11.0-linux-x86_64"]}
    refused = []
    for name, version in _lock("", where).items():
        try:
            package = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        if package["Version"].partition("+")[0] == version:
            needs = package["Requires-Python"] or ""
            refused += [] if where["python_full_version"] in SpecifierSet(needs) else [name]
    assert refused == []


def test_all_say_the_same_pythons():
    oldest, newest = prerequisites.OLDEST, prerequisites.NEWEST
    versions = [python.rpartition(".")[0] for python in environment.PYTHONS]
    assert versions == [f"3.{minor}" for minor in range(oldest[1], newest[1] + 1)]
    assert environment.PYTHONS[0] == f"{oldest[0]}.{oldest[1]}.0"
    project = tomllib.loads(files.resolve("pyproject.toml").read_text("utf-8"))
    assert project["project"]["requires-python"] == f">=3.{oldest[1]},<3.{newest[1] + 1}"
    assert project["tool"]["ruff"]["target-version"] == f"py3{oldest[1]}"
    readme = files.resolve("README.md").read_text("utf-8")
    assert f"Python {', '.join(versions[:-1])} or {versions[-1]} is needed" in readme
    makefile = files.resolve("Makefile").read_text("utf-8")
    assert f"--python-version {environment.PYTHONS[0]}" in makefile
    assert f"Install Python {versions[0]} to {versions[-1]}" in makefile
    conda = yaml.safe_load(files.resolve("environment.yml").read_text("utf-8"))
    assert any(f"python={version}" in conda["dependencies"] for version in versions)


def test_containers_and_the_readme_say_the_same_commands():
    readme = files.resolve("README.md").read_text("utf-8")
    packages = re.search(r"`sudo apt install ([^`]+)`", readme)[1]
    docker = files.resolve("Dockerfile").read_text("utf-8")
    apptainer = files.resolve("apptainer.def").read_text("utf-8")
    install = f"apt-get update && apt-get install --yes {packages}\n"
    run = re.findall(r"^RUN (.+\n)", docker, re.M)
    assert run == [install, 'make env TORCH_INDEX="$TORCH_INDEX"\n']
    post = re.search(r"%post\n(.*?)\n%", apptainer, re.S)[1]
    lines = [line.strip() + "\n" for line in post.strip().splitlines()]
    assert lines == [install, "cd /artifacts\n", 'make env TORCH_INDEX="{{ TORCH_INDEX }}"\n']
    for text in (docker, apptainer):
        assert re.findall(r"^F(?:ROM|rom:) (.+)$", text, re.M) == ["debian:bookworm-slim"]
        assert "/artifacts/.venv/bin:$PATH" in text


def _private_modules(text, package, modules):
    """Those of a package's modules that a text imports from it, or reaches through it."""
    imported = r"[ ]import[ ](?:[\w ,]*|\([^)]*)\b"
    through = rf"\b{package.rpartition('/')[2]}(?:\.|{imported})"
    return re.findall(rf"{through}({'|'.join(modules)})\b", text)


def _code(path):
    """Source of a module, or of a notebook's code cells."""
    if path.suffix == ".ipynb":
        return "\n\n".join(source for source, _ in fingerprint.code_cells(path))
    return path.read_text("utf-8")


def _texts(notebook):
    """Markdown cells of a notebook."""
    cells = sources.read_notebook(files.resolve(notebook))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def _imports(tree):
    """``(name here, module, name there)`` of what is imported from ``common``."""
    return [
        (alias.asname or alias.name, node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "common"
        for alias in node.names
    ]


def _taken_elsewhere(text):
    """Names that a text takes from a module of ``common`` that itself imports them from another."""
    tree, found = ast.parse(text), []
    origins = {}
    for here, module, name in _imports(tree):
        path = files.resolve(f"{module}.{name}".replace(".", "/") + ".py")
        if path.is_file():
            inner = _imports(ast.parse(path.read_text("utf-8")))
            origins[here] = {there: source for there, source, _ in inner}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            source = origins.get(node.value.id, {}).get(node.attr)
            if source is not None:
                found.append(f"{node.value.id}.{node.attr} is {source}'s")
    return found


def _lock(kind="", where=None):
    lock = environment.pins(files.resolve(f"requirements{kind}.lock"), where)
    return {canonicalize_name(name): version for name, version in lock.items()}


def _git(*arguments):
    command = ["git", *arguments]
    return subprocess.run(command, cwd=files.ROOT, capture_output=True, check=True).stdout
