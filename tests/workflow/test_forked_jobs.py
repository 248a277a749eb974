"""Jobs that are forked from processes that have imported libraries."""

import csv
import json
import subprocess
import time

import pytest

from common.workflow.notebooks import warm

pytestmark = pytest.mark.workflow

TARGET = "papers/toy/figures"


def test_forked_jobs_write_the_bytes_of_cold_ones(pristine, unbuilt, tmp_path):
    if not warm.is_possible():
        pytest.skip("this platform cannot fork safely")
    assert (pristine / warm.REPORT).exists()
    cold = unbuilt(tmp_path / "cold")
    cold.snakemake("-j1", "--config", "warm=false")
    assert not (cold / warm.REPORT).exists()
    assert cold.built() == pristine.built()
    # What a forked job takes is in its benchmark, too.
    for repository in (pristine, cold):
        path = repository / "results/toy/embedded/benchmarks/scores/sum-0.tsv"
        (row,) = csv.DictReader(path.open(), delimiter="\t")
        assert float(row["cpu_time"]) > 0.1 and float(row["max_rss"]) > 50
    assert "processes that jobs were forked from took" in pristine.snakemake("-j1", "memory")


def test_an_edit_during_a_run_counts_from_the_next_job_on(unbuilt, tmp_path):
    repository = unbuilt(tmp_path / "edited")
    path = repository / "papers/toy/1-prepare.ipynb"
    notebook = json.loads(path.read_text())
    imports = next(cell for cell in notebook["cells"] if "from common" in "".join(cell["source"]))
    imports["source"] = (
        "from pathlib import Path\n"
        "library = Path('common/toy.py')\n"
        "new = library.read_text().replace('<rect x=', '<rect y=\\'7\\' x=')\n"
        "library.write_text(new)\n"
        "from common import toy"
    )
    path.write_text(json.dumps(notebook))
    repository.snakemake("-j1", f"{TARGET}/bars.svg")
    assert (repository / warm.REPORT).exists() == warm.is_possible()
    assert "<rect y='7'" in (repository / TARGET / "bars.svg").read_text()


@pytest.mark.parametrize("is_warm", ["true", "false"])
def test_jobs_outlive_the_shell_that_has_started_snakemake(unbuilt, tmp_path, is_warm):
    repository = unbuilt(tmp_path / "started")
    path = repository / "papers/toy/1-prepare.ipynb"
    notebook = json.loads(path.read_text())
    waits = (
        "import time\n"
        "from pathlib import Path\n"
        "Path('is-running').touch()\n"
        "while not Path('go-on').exists():\n"
        "    time.sleep(0.1)\n"
    )
    cell = next(cell for cell in notebook["cells"] if "from common" in "".join(cell["source"]))
    cell["source"] = waits + "".join(cell["source"])
    path.write_text(json.dumps(notebook))
    built = repository / "data/derived/toy/clean.json"
    command, environ = repository.command(
        "-j1", "data/derived/toy/clean.json", "--config", f"warm={is_warm}"
    )
    with (tmp_path / "said").open("w") as said:
        shell = subprocess.Popen(
            ["sh", "-c", '"$@" & read line', "sh", *command],
            cwd=repository.path, env=environ, stdin=subprocess.PIPE, stdout=said, stderr=said,
        )  # fmt: skip
    wait_for(repository / "is-running", tmp_path / "said")
    shell.communicate()  # it ends where its input does
    time.sleep(2.5)  # a job asks every second whether Snakemake is there
    (repository / "go-on").touch()
    wait_for(built, tmp_path / "said")


def wait_for(path, said, patience=300):
    """Wait for a file, and show what was said if it does not come."""
    end = time.monotonic() + patience
    while not path.exists():
        assert time.monotonic() < end and "FAILED" not in said.read_text(), said.read_text()
        time.sleep(0.1)
