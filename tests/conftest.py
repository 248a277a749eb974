"""What holds for all tests, and ``pytest --paper NAME``: the unit tests of what one paper uses."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
ROOMS = ("report", "workflow")  # of common/, whose modules are used one by one

# The same examples in every run, and no failure because the machine is slow or busy.
settings.register_profile(
    "repository",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repository")


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
        return None if name in config.used else True
    return None


def _used(paper):
    """Modules and their folders below ``common`` that a paper reaches; None without a paper."""
    from common import files
    from common.workflow.notebooks.fingerprint import modules

    if paper is None:
        return None
    notebooks = sorted(files.resolve(f"papers/{paper}").glob("*.ipynb"))
    if not notebooks:
        known = sorted(path.parent.name for path in files.ROOT.glob("papers/[!_]*/paper.yaml"))
        raise pytest.UsageError(f"no paper {paper!r}; papers: {', '.join(known)}")
    found = set().union(*(modules(path, root=files.ROOT) for path in notebooks))
    below = [name.split(".")[1:] for name in found]
    return {".".join(parts[:n]) for parts in below for n in range(1, len(parts) + 1)}
