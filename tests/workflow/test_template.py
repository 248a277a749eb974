"""The template is a paper that runs, and a new paper or module changes nothing of the others."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

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


@pytest.fixture
def lab(repository, tmp_path):
    """Address of `make lab` in that repository, for a reader who never used Jupyter before."""
    shutil.copy(ROOT / "Makefile", repository.path)
    own = {f"JUPYTER_{kind}_DIR": tmp_path / kind for kind in ("CONFIG", "DATA", "RUNTIME")}
    options = "--no-browser --allow-root --ServerApp.port=0"
    with subprocess.Popen(
        ["make", "lab", "READY=", f"PY={sys.executable}", f"LAB={options}"],
        cwd=repository.path, env=os.environ | {k: str(v) for k, v in own.items()},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as server:  # fmt: skip
        try:
            found = await_(lambda: [*(tmp_path / "RUNTIME").glob("jpserver-*.json")])
            told = json.loads(found[0].read_text())
            yield lambda path: f"{told['url']}lab/tree/{path}?token={told['token']}"
        finally:
            end(server)


def end(leader):
    """Ask the processes of a group to end, and see to it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGTERM)
        for _ in range(150):
            time.sleep(0.2)
            leader.poll()  # which makes it go, once it has ended
            os.killpg(leader.pid, 0)
        os.killpg(leader.pid, signal.SIGKILL)


def await_(ask, seconds=300):
    """What a function returns, as soon as that is true."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, f"waited {seconds} s for {ask}"
        time.sleep(0.2)
    return answer


def test_a_figure_run_in_jupyterlab_reruns_nothing_and_is_said_to_be_made_by_hand(
    repository, lab, browser
):
    repository.snakemake("-j2", "papers/my-paper/figures")
    name = "papers/my-paper/figure-error.ipynb"
    record = repository / "papers/my-paper/figures/error.json"
    csv = record.with_suffix(".csv").read_bytes()

    with browser.new_page() as tab:
        tab.set_default_timeout(120_000)  # of a machine that is busy
        tab.goto(lab(name))
        tab.get_by_text("(ipykernel) | Idle").wait_for()
        tab.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
        tab.get_by_text("Run All Cells", exact=True).click()
        tab.locator(".jp-OutputArea img").wait_for()
        await_(lambda: "interactive" in json.loads(record.read_text()))
        tab.keyboard.press("Control+s")
        await_(lambda: "image/png" in (repository / name).read_text())

    assert json.loads(record.read_text())["notebook"].startswith(name)
    assert record.with_suffix(".csv").read_bytes() == csv
    assert not repository.jobs("-n", "papers/my-paper/figures")
    output = repository.snakemake("verify", status=1)
    assert "made by hand" in output and "error.svg" in output
