"""The template is a paper that runs, and a new paper or module changes nothing of the others."""

import subprocess
import sys

import pytest

from common import files
from common.report.claims import REPRODUCED
from tests.workflow.conftest import ROOT, make_repository

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The template, and a paper that `make paper` has made of it, built."""
    path = tmp_path_factory.mktemp("template") / "repository"
    made = make_repository(path, paper=ROOT / "papers/_template")
    for module in ("papers", "index"):
        assert (made / f"common/workflow/{module}.py").exists()
    command = [sys.executable, "-m", "common.workflow.index", "--new", "my-paper"]
    subprocess.run(command, cwd=made.path, check=True)
    made.output = made.snakemake("-j2", "papers/my-paper/figures")
    return made


def test_a_copy_of_the_template_runs_without_an_edit(repository):
    svg = (repository / "papers/my-paper/figures/error.svg").read_text()
    assert "simulated data" in svg
    claims = files.read_csv(repository / "results/my-paper/embedded/claims.csv")
    assert list(claims["outcome"]) == [REPRODUCED]
    assert "10 files agree with their provenance" in repository.snakemake("verify")


def test_the_template_itself_is_no_paper(repository):
    assert "_template" not in repository.output
    output = repository.snakemake("-n", "papers/_template/figures", status=1)
    assert "there is no target papers/_template/figures" in output


def test_the_smoke_scale_of_the_template_runs_and_says_what_it_is(repository):
    repository.snakemake("-j2", "papers/my-paper/figures", "--config", "scale=smoke")
    svg = (repository / "papers/my-paper/figures/error.svg").read_text()
    assert "too small to mean anything" in svg


def test_a_further_paper_and_further_modules_rerun_nothing(repository):
    repository.snakemake("-j2", "papers/my-paper/figures")
    command = [sys.executable, "-m", "common.workflow.index", "--new", "another"]
    subprocess.run(command, cwd=repository.path, check=True)
    inside = [path for path in (repository / "common").rglob("*") if path.is_dir()]
    for folder in [repository / "common", *inside]:
        if "__pycache__" not in folder.parts:
            (folder / "further.py").write_text('"""A module that nobody uses yet."""\n\nX = 1\n')
    assert not repository.jobs("-n", "papers/my-paper/figures")
    assert any("another_" in job for job in repository.jobs("-n"))
