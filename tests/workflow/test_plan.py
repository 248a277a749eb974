"""What the paper's scale costs, by the command that prints it."""

import csv
import io
import subprocess

import pytest

from common.workflow import papers
from tests.workflow.conftest import ROOT, Repository

pytestmark = pytest.mark.workflow

ENDS = ("least", "most")


def plan(repository, *arguments, status=0):
    """Standard output and error of ``python -m common.workflow plan``."""
    (python, *_), environment = repository.command()
    command = [python, "-m", "common.workflow", "plan", *arguments]
    done = subprocess.run(
        command, cwd=repository.path, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


def measure(repository, name, **values):
    """Write a benchmark file as Snakemake does."""
    path = repository / "results/toy" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join("\t".join(map(str, row)) for row in (values, values.values())) + "\n")


def test_jobs_of_the_papers_scale_with_the_source_of_each_time(clone):
    measure(clone, "embedded/benchmarks/scores/sum-0.tsv", s=720, cpu_time=72)
    measure(clone, "embedded/benchmarks/scores/max-1.tsv", s=720, cpu_time=36)
    measure(clone, "embedded/benchmarks/claims.tsv", s=720, cpu_time="NA")
    measure(clone, "paper/benchmarks/figures/total.tsv", s=360, cpu_time=1)
    clone.edit(
        "papers/toy/paper.yaml",
        "scales:\n",
        "resources:\n  prepare: {paper: {mem_mb: 7000, runtime: 90}}\nscales:\n",
    )
    before = {path for path in clone.path.rglob("*") if ".snakemake" not in path.parts}
    output, _ = plan(clone, "toy", "--csv")
    rows = {row["step"]: row for row in csv.DictReader(io.StringIO(output))}
    assert list(rows) == ["prepare", "scale", "gather", "figure_bars", "figure_total", "claims"]
    found = {
        name: (row["jobs"], row["core_hours_least"], row["core_hours_most"], row["source"])
        for name, row in rows.items()
    }
    upper = "declared: an upper bound"
    assert found["prepare"] == ("1", "unknown", "1.5", upper)
    # The shortest one, in time of the processor; at most the 10 minutes that are usual.
    lower = f"measured at the embedded scale: a lower bound; {upper}"
    assert found["scale"] == ("1", "0.01", "0.166667", lower)
    assert found["figure_total"] == ("1", "0.1", "0.1", "measured at the paper scale")
    assert found["claims"] == ("1", "unknown", "0.166667", upper)
    assert [rows[name]["mem_mb"] for name in ("prepare", "scale")] == ["7000", "500"]
    assert {row["gpu_hours_most"] for row in rows.values()} == {"0"}
    after = {path for path in clone.path.rglob("*") if ".snakemake" not in path.parts}
    assert {path for path in after - before if "__pycache__" not in path.parts} == set()


def test_every_paper_can_be_planned_at_its_scale():
    # Inputs and parameters of all jobs are looked up, which the embedded scale need not reach.
    output, _ = plan(Repository(ROOT), "--csv")
    rows = list(csv.DictReader(io.StringIO(output)))
    assert {row["paper"] for row in rows} <= set(papers.names())
    assert {"core_hours_most", "mem_mb"} <= set(rows[0])


def test_a_paper_with_a_mistake_is_named_and_nothing_is_printed(clone):
    clone.edit("papers/toy/paper.yaml", "preview: bars", "previw: bars")
    output, error = plan(clone, status=1)
    assert output == ""
    assert "papers/toy/paper.yaml: unknown key previw; did you mean 'preview'?" in error
    assert "Traceback" not in error


def test_steps_that_use_a_gpu_where_they_find_one_and_those_that_are_built(clone):
    line = '        notebook=paper.notebook("2-scale.ipynb"),\n'
    clone.edit("papers/toy/rules.smk", line, f"{line}        device=paper.device,\n")
    measure(clone, "embedded/benchmarks/scores/sum-0.tsv", s=720, cpu_time=72)
    clone.snakemake("-j1", "data/derived/toy/clean.json", "--config", "scale=paper")
    rows = {row["step"]: row for row in csv.DictReader(io.StringIO(plan(clone, "--csv")[0]))}
    assert "prepare" not in rows
    bounds = [rows["scale"][f"{kind}_hours_{end}"] for kind in ("gpu", "core") for end in ENDS]
    assert bounds == ["unknown", "0.166667"] * 2  # not that of a processor
    assert rows["gather"]["gpu_hours_most"] == "0"
    clone.edit("config.yaml", "device: auto", "device: cpu")
    table, _ = plan(clone)
    row = next(line for line in table.splitlines() if line.startswith("toy"))
    assert row.split()[1:3] == ["5", "0"] and "0.02 to 0.83" in row
