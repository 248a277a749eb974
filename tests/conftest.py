"""What holds for all tests, and ``pytest --paper NAME``: the unit tests of what one paper uses."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

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
    if config.used is not None and collection_path.parent == TESTS / "common":
        name = collection_path.stem.removeprefix("test_")
        return None if name in config.used else True
    return None


def _used(paper):
    """First names below ``common`` that a paper's notebooks reach; None without a paper."""
    from common import files
    from common.notebooks.fingerprint import modules

    if paper is None:
        return None
    notebooks = sorted(files.resolve(f"papers/{paper}").glob("*.ipynb"))
    if not notebooks:
        known = sorted(path.parent.name for path in files.ROOT.glob("papers/*/paper.yaml"))
        raise pytest.UsageError(f"no paper {paper!r}; papers: {', '.join(known)}")
    found = set().union(*(modules(path, root=files.ROOT) for path in notebooks))
    return {name.split(".")[1] for name in found if "." in name}
