"""Jobs that are forked from processes that have imported libraries."""

import csv
import json

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
