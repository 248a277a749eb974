"""A small repository with the toy paper, wired as a user would wire a paper."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow import forked

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(__file__).parent / "toy"


class Repository:
    """A copy of the wiring with one paper, and Snakemake in it."""

    def __init__(self, path):
        self.path = path

    def __truediv__(self, name):
        return self.path / name

    def command(self, *arguments):
        """Command line and environment, as in a fresh terminal."""
        command = [sys.executable, "-m", "snakemake", *arguments]
        hidden = {"PYTHONPATH", "SNAKEMAKE_PROFILE", "ARTIFACTS_MIRROR"}
        return command, {k: v for k, v in os.environ.items() if k not in hidden}

    def snakemake(self, *arguments, status=0):
        """Run Snakemake and return what it prints."""
        _, environment = self.command()
        returned, output = forked.snakemake().run(
            arguments, folder=self.path, environment=environment, timeout=900
        )
        assert (returned == 0) == (status == 0), output
        return output

    def jobs(self, *arguments):
        """Labels of the jobs that a run executes."""
        lines = self.snakemake(*arguments).splitlines()
        starts = [line.partition("] ")[2] for line in lines if line.startswith("[")]
        starts = [line.partition("  (")[0] for line in starts]  # a dry run gives the reason
        return {" ".join(line.split()) for line in starts if "  done" not in line}

    def built(self):
        """Bytes of every built file that is not a benchmark."""
        folders = [self / "results", self / "data/derived", self / "papers/toy/figures"]
        return {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for folder in folders
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".tsv"
        }

    def edit(self, name, old, new):
        """Replace a piece of a text file that occurs once."""
        path = self / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new), encoding="utf-8")


def make_repository(path, *, paper=TOY):
    """Copy the wiring and a paper, the toy one at first, and commit."""
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(ROOT / "profiles", path / "profiles", ignore=ignored)
    shutil.copytree(ROOT / "common", path / "common", ignore=ignored)
    shutil.copytree(ROOT / "notebooks", path / "notebooks", ignore=ignored)
    built = shutil.ignore_patterns("raw", "derived")
    shutil.copytree(ROOT / "data", path / "data", ignore=built)
    shutil.copytree(paper, path / "papers" / paper.name, ignore=ignored)
    if paper == TOY:
        (path / "papers/toy/toy.py").rename(path / "common/toy.py")
    for name in ("Snakefile", "config.yaml", ".gitignore"):
        shutil.copy(ROOT / name, path / name)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], cwd=path, check=True)
    return Repository(path)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """A repository in which everything is built once, with one job at a time."""
    repository = make_repository(tmp_path_factory.mktemp("toy") / "repository")
    repository.output = repository.snakemake("-j1")
    return repository


@pytest.fixture(scope="session")
def other_paper(tmp_path_factory):
    """Function that makes a repository with one of the real papers."""

    def make(name):
        path = tmp_path_factory.mktemp(name) / "repository"
        return make_repository(path, paper=ROOT / "papers" / name)

    return make


@pytest.fixture(scope="session")
def never_built(tmp_path_factory):
    return make_repository(tmp_path_factory.mktemp("never-built") / "repository")


@pytest.fixture
def clone(never_built, tmp_path):
    """A repository in which nothing is built, and that a test may change."""
    shutil.copytree(never_built.path, tmp_path / "repository", symlinks=True)
    return Repository(tmp_path / "repository")


@pytest.fixture
def repository(pristine, tmp_path):
    """A copy of the built repository that a test may change."""
    shutil.copytree(pristine.path, tmp_path / "repository", symlinks=True)
    return Repository(tmp_path / "repository")


@pytest.fixture(scope="session")
def unbuilt(pristine):
    """Function that copies the repository without anything built."""

    def copy(path):
        built = shutil.ignore_patterns("results", "derived", "figures", ".snakemake", "__pycache__")
        shutil.copytree(pristine.path, path, ignore=built)
        return Repository(path)

    return copy
