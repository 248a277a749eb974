"""An archive, unpacked anywhere, is a repository that can be checked and built again."""

import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec

import pytest

from common import files
from tests.workflow.conftest import ROOT, Repository

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(
        find_spec("rocrate") is None, reason="rocrate is not installed: make archive"
    ),
]
LISTS = ("README.md", "CITATION.cff", "codemeta.json", "pyproject.toml")
SVG = "papers/toy/figures/bars.svg"


def commit(repository):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["add", "-A"], ["commit", "-qm", "more"]):
        subprocess.run([*git, *command], cwd=repository.path, check=True)


def archive(repository):
    command = [sys.executable, "-m", "common.report.archive", "toy"]
    _, environment = repository.command()
    return subprocess.run(
        command, cwd=repository.path, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def built(pristine, tmp_path_factory):
    """The built repository with its reference, committed, and its archive."""
    path = tmp_path_factory.mktemp("archived") / "repository"
    shutil.copytree(pristine.path, path, symlinks=True)
    repository = Repository(path)
    for name in LISTS:
        shutil.copy(ROOT / name, path)
    repository.snakemake("-j1", "papers/toy/reference")
    commit(repository)
    done = archive(repository)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("archive/toy.zip: ")
    return repository


@pytest.fixture
def unpacked(built, tmp_path):
    """The archive in a folder inside another clone, whose commit is not the archive's.

    Python's zipfile gives each file the date of unpacking: inputs may be newer than outputs.
    """
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    with zipfile.ZipFile(built / "archive/toy.zip") as opened:
        opened.extractall(tmp_path / "un packed")
    return Repository(tmp_path / "un packed")


def test_it_is_verified_checked_and_built_again(unpacked):
    assert not unpacked.jobs("-n", "papers/toy/figures")
    output = unpacked.snakemake("verify")
    # data/derived/toy/clean.json, and no raw data: the toy's is committed.
    assert "1 more are not in this archive, only their sha256." in output
    output = unpacked.snakemake("-j1", "check")
    assert "2 figures, 2 same bytes, 0 within tolerance, 0 differs" in output
    before = (unpacked / SVG).read_bytes()
    (unpacked / SVG).unlink()
    assert unpacked.jobs("-j1", "papers/toy/figures") == {"toy_figure_bars"}
    assert (unpacked / SVG).read_bytes() == before
    assert files.read_json(unpacked / SVG.replace("svg", "json"))["commit"] is None


def test_what_depends_on_a_setting_reruns_and_fetches_what_was_left_out(unpacked):
    unpacked.edit("papers/toy/paper.yaml", "factor: 2.0", "factor: 3.0")
    jobs = unpacked.jobs("-n", "papers/toy/figures/total.svg")
    assert {"toy_prepare", "toy_scale method=sum seed=0", "toy_figure_total"} <= jobs


def test_a_setting_that_is_newer_than_the_results_is_refused(built, tmp_path):
    shutil.copytree(built.path, tmp_path / "repository", symlinks=True)
    repository = Repository(tmp_path / "repository")
    repository.edit("papers/toy/paper.yaml", "factor: 2.0", "factor: 3.0")
    commit(repository)
    before = (repository / "archive/toy.zip").read_bytes()
    done = archive(repository)
    assert done.returncode == 1
    assert "what is built is not up to date, so nothing is archived:" in done.stderr
    assert "to be run: 8 jobs, first toy_scale" in done.stderr
    assert "Build it: snakemake -j2 papers/toy/figures --config scale=embedded" in done.stderr
    assert (repository / "archive/toy.zip").read_bytes() == before
