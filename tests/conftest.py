"""What holds for all tests, and ``pytest --paper NAME``: the unit tests of what one paper uses."""

import ast
import contextlib
import functools
import os
import re
import shutil
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A grammar of web addresses that nbformat would load, 1.4 s, and never use here.
sys.modules.setdefault("rfc3987_syntax", None)

TESTS = Path(__file__).parent
ROOMS = ("plans", "report", "workflow")  # of common/, whose modules are used one by one
MACHINERY = "common.workflow"  # `pytest -m workflow` tests what all rules use

# As in a job, and before anything imports numpy. xdist has a process per core, and threads that
# wait for each other do it by computing.
for library in ("MKL", "NUMEXPR", "OMP", "OPENBLAS"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
os.environ["VECLIB_MAXIMUM_THREADS"] = "1"

# As from a terminal. What a shell starts in the background ignores interrupts, with its children.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, and no failure because the machine is slow or busy.
settings.register_profile(
    "repository",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repository")


@pytest.fixture(scope="session", autouse=True)
def compiled_once():
    """What numba compiles and keeps is compiled by one process, while the others wait for it."""
    compile_in_turn()


def compile_in_turn():
    """Let processes compile one after the other what is kept in the same folder.

    Else each worker of xdist compiles the same functions. numba also reads an index, adds what it
    has compiled and writes it: of two processes at once, one would lose what the other has added.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.dispatcher import Dispatcher

    compile_now, held = Dispatcher.compile, set()
    if hasattr(compile_now, "__wrapped__"):  # done before
        return

    @functools.wraps(compile_now)
    def compile_alone(self, signature):
        folder = self._cache.cache_path  # None for a function that is not kept
        with contextlib.ExitStack() as stack:
            stack.enter_context(global_compiler_lock)  # of this process's threads
            if folder is not None and folder not in held:
                lock = stack.enter_context(Path(folder, "compiling.lock").open("a"))
                fcntl.flock(lock, fcntl.LOCK_EX)
                held.add(folder)
                stack.callback(held.remove, folder)
            return compile_now(self, signature)

    Dispatcher.compile = compile_alone


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window, where there is one."""
    if find_spec("playwright") is None:
        pytest.skip("playwright is not installed: make site")
    found = list(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    if not found:
        pytest.skip("there is no Chromium: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # Chromium's own sandbox does not start for root, as in containers.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        launched = driver.chromium.launch(executable_path=found[0], args=arguments)
        yield launched
        launched.close()


def pytest_addoption(parser):
    parser.addoption("--paper", help="only the unit tests of modules that this paper uses")


def pytest_configure(config):
    config.used = _used(config.getoption("paper"))


def pytest_ignore_collect(collection_path, config):
    """Ignore a folder or file of ``tests/common`` whose part of ``common`` is not used."""
    inside = collection_path.is_relative_to(TESTS / "common")
    if config.used is not None and inside and collection_path != TESTS / "common":
        *folders, last = collection_path.relative_to(TESTS / "common").parts
        if folders and folders[0] not in ROOMS:
            return None  # all tests of a family that is used
        name = ".".join([*folders, last.removeprefix("test_").removesuffix(".py")])
        # A file that is named after no module tests what holds for all.
        return None if name in config.used or not _is_module(f"common.{name}") else True
    return None


def pytest_collection_modifyitems(config, items):
    """Leave, of tests that are run for each paper, those of the chosen one; deal out the files."""
    paper = config.getoption("paper")
    if paper is not None:
        others = [item for item in items if _paper_of(item) not in (None, paper)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if _paper_of(item) in (None, paper)]
    items[:] = _dealt(items)


def _dealt(items):
    """Tests in an order in which every folder in turn has one of its files.

    Files of a folder share functions that numba compiles when they are first called. Side by side,
    they would wait until one of them has compiled these (`compile_in_turn`). Those of the workflow
    last long while they compute little, so that each turn has two of them.
    """
    folders = {}
    for item in items:
        folders.setdefault(item.path.parent, {}).setdefault(item.path, []).append(item)
    turns = []
    for folder, files in folders.items():
        per_turn = 2 if folder.name == "workflow" else 1
        turns += [(place // per_turn, tests) for place, tests in enumerate(files.values())]
    turns.sort(key=lambda turn: turn[0])  # stable
    return [item for _, tests in turns for item in tests]


def _used(paper):
    """Modules and their folders below ``common`` that a paper reaches; None without a paper.

    Its notebooks reach them, or its rules, apart from the machinery.
    """
    from common import files
    from common.workflow.notebooks.fingerprint import modules

    if paper is None:
        return None
    notebooks = sorted(files.resolve(f"papers/{paper}").glob("*.ipynb"))
    if not notebooks:
        known = sorted(path.parent.name for path in files.ROOT.glob("papers/[!_]*/paper.yaml"))
        raise pytest.UsageError(f"no paper {paper!r}; papers: {', '.join(known)}")
    found = set().union(*(modules(path, root=files.ROOT) for path in notebooks))
    found |= _imported_by_rules(files.resolve(f"papers/{paper}/rules.smk").read_text("utf-8"))
    below = [name.split(".")[1:] for name in found]
    return {".".join(parts[:n]) for parts in below for n in range(1, len(parts) + 1)}


def _imported_by_rules(text):
    """Modules of ``common`` that rules import, and what these import in turn."""
    # The rest of a file of rules is not Python's.
    lines = re.findall(r"^(?:from|import) common[^\n(]*(?:\([^)]*\))?", text, re.MULTILINE)
    found, waiting = set(), _imports("\n".join(lines))
    while waiting:
        name = waiting.pop()
        if name not in found and not f"{name}.".startswith(f"{MACHINERY}."):
            found.add(name)
            waiting |= _imports(_path(name).read_text("utf-8"))
    return found


def _imports(text):
    """Modules of ``common`` that a text imports."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("common.") and _is_module(name)}


def _is_module(name):
    return _path(name).is_file()


def _path(name):
    """Source of a module or package; where there is none, where a module's would be."""
    module = TESTS.parent.joinpath(*name.split("."))
    package = module / "__init__.py"
    return package if package.is_file() else module.with_suffix(".py")


def _paper_of(item):
    """The paper of the repository that a test is run for, or None."""
    parameters = getattr(item, "callspec", None) and item.callspec.params
    paper = str((parameters or {}).get("paper"))
    return paper if (TESTS.parent / "papers" / paper / "paper.yaml").is_file() else None
