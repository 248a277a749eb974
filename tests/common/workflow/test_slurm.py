"""Jobs on a cluster, as far as no cluster is needed; tests/slurm/run has one."""

import itertools
import json
import os
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import files, registry
from common.plans.benchmark import Plan, read_columns
from common.workflow import costs, slurm, steps

ASKED = {"mem_mb": 600, "runtime": 2}


# ---- What goes together --------------------------------------------------------------------------


@given(items=st.lists(st.integers(), max_size=60), size=st.integers(1, 20))
def test_chunks_hold_everything_in_order_in_as_few_parts_as_can_be_and_even(items, size):
    chunks = slurm.chunk(items, size)
    assert list(itertools.chain(*chunks)) == items
    assert len(chunks) == -(-len(items) // size)
    lengths = {len(part) for part in chunks}
    assert not lengths or (max(lengths) <= size and max(lengths) - min(lengths) <= 1)


def test_the_study_of_pipelines_goes_to_a_cluster_in_at_most_700_submissions():
    settings = steps.of("moabb", {"scale": "paper"}).settings
    plan = Plan(settings, read_columns("papers/moabb/published/paper_datasets.csv"))
    together, downloads = {}, set()
    for name in plan.pieces:
        wildcards = SimpleNamespace(piece=name)
        together.setdefault(plan.together(wildcards), []).append(plan.pieces[name])
        downloads |= set(plan.raw(wildcards))
    assert sum(map(len, together.values())) == 6313
    for pieces in together.values():  # alike, so that they take alike
        assert len({(one["paradigm"], one["dataset"], one["group"]) for one in pieces}) == 1
    by_path = {
        registry.path(name, subject=subject): SimpleNamespace(name=name, subject=str(subject))
        for name, entry in registry.load().items()
        if entry.source.moabb
        for subject in range(1, 120)
    }
    fetched = {slurm.downloads_together(by_path[path]) for path in downloads}
    n_others = len(steps.of("moabb", {"scale": "paper"}).figures) + len(plan.tables()) + 1
    assert len(together) + len(fetched) + n_others <= 700


def test_a_group_is_stated_by_name_or_by_a_function():
    def job(stated):
        return SimpleNamespace(
            rule=SimpleNamespace(_group=stated), wildcards=SimpleNamespace(subject="3")
        )

    assert slurm.group(job(None)) is None
    assert slurm.group(job("scores")) == "scores"
    assert slurm.group(job(lambda wildcards: f"s{wildcards.subject}")) == "s3"


def test_jobs_of_a_group_are_one_submission():
    def job(output, group=None):
        return costs.Job(papers=frozenset(), step="fit", output=output, group=group)

    cost = costs.total([job("a"), job("b", "x"), job("c", "x"), job("d", "y")])
    assert (cost.jobs, cost.submissions) == (4, 3)


# ---- What a job reads and asks for ---------------------------------------------------------------


def test_a_job_reads_the_rules_of_its_own_paper_only():
    names = ["hawkes", "hawkes-meg", "unhap"]

    def read(*rules, mode="remote"):
        command = ["snakemake", "--allowed-rules", *rules, "--cores", "1", "--mode", mode]
        return slurm.papers_of_job(names, command)

    assert read("hawkes_meg_gather") == ["hawkes-meg"]  # not of the paper whose name is shorter
    assert read("hawkes_fit", "unhap_fit") == ["hawkes", "unhap"]
    assert read("fetch_subject") == []
    assert read("scoreboard") == names  # its inputs are every paper's claims
    assert read("unhap_fit", mode="default") == names
    assert slurm.papers_of_job(names, ["snakemake", "-j2"]) == names


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_each_further_try_asks_for_twice_the_memory_and_time_and_for_no_more_gpus(attempt):
    asked = slurm.retried({**ASKED, "mem_mib": 572, "gpu": 1, "tmpdir": "/tmp"}, attempt)
    factor = 2 ** (attempt - 1)
    expected = {"mem_mb": 600 * factor, "mem_mib": 572 * factor, "runtime": 2 * factor}
    assert asked == {**expected, "gpu": 1, "tmpdir": "/tmp"}


# ---- Why a job failed ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "text", "why"),
    [
        ("TIMEOUT", "", "it took longer than the 2 minutes that it had asked for (runtime)"),
        (
            "OUT_OF_MEMORY",
            "",
            "it took more than the 600 MB of memory that it had asked for (mem_mb)",
        ),
        ("FAILED", "error: Exceeded job memory limit", "it took more than the 600 MB of memory"),
        ("FAILED", "slurmstepd: error: Detected 1 oom_kill event", "it took more than the 600 MB"),
        ("CANCELLED by 1000", "*** JOB 7 ON node CANCELLED ***", "it was cancelled"),
        ("CANCELLED+", "", "it was cancelled"),
        ("NODE_FAIL", "", "its node failed or was taken away (NODE_FAIL)"),
        ("FAILED", "", "it ended as FAILED"),
        ("", "", "it ended as unknown"),
    ],
)
def test_an_error_names_job_reason_and_log(state, text, why):
    message = slurm.explain(state, number="7", log="a/7.log", resources=ASKED, text=text)
    assert message.startswith(f"Slurm job 7 failed: {why}")
    assert message.endswith(". Log: a/7.log")


def test_an_error_of_a_notebook_is_shown_as_the_job_has_said_it():
    text = "Building DAG of jobs...\n\ntoy_scale seed=1 failed: cell 4:\n    1 / 0\nDivisionError\n"
    message = slurm.explain("FAILED", number="7", log="a/7.log", resources=ASKED, text=text)
    assert message.splitlines() == [
        "Slurm job 7, log a/7.log:",
        "toy_scale seed=1 failed: cell 4:",
        "    1 / 0",
        "DivisionError",
    ]


# ---- What was submitted --------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    return tmp_path


def test_submissions_are_noted_until_they_have_ended(root):
    assert slurm.Record.read_all() == []
    first = slurm.Record.write("12", "logs/12.log", {"results/a.csv": "0f"})
    os.utime(root / slurm.FOLDER / "12.json", ns=(1, first.since - 10**9))
    slurm.Record.write("5", "logs/5.log", {"results/b.csv": "1e"})
    (root / slurm.FOLDER / "9.json").write_text("{ half")  # of a run that was killed
    found = slurm.Record.read_all()
    assert [record.number for record in found] == ["12", "5"]  # the oldest first
    assert (found[0].log, found[0].jobs) == ("logs/12.log", {"results/a.csv": "0f"})
    found[0].remove()
    assert [record.number for record in slurm.Record.read_all()] == ["5"]


def test_a_job_is_done_when_it_has_written_its_provenance_since(root):
    outputs, notebook = ["results/a.csv", "results/b.csv"], "results/notebooks/a.ipynb"
    job = SimpleNamespace(output=outputs, log={"notebook": notebook})
    for name in (*outputs, "results/notebooks/a.json"):
        files.resolve(name).parent.mkdir(parents=True, exist_ok=True)
        files.resolve(name).write_text(json.dumps({}))
    written = files.resolve("results/notebooks/a.json").stat().st_mtime_ns
    assert slurm.is_done(job, written)
    assert not slurm.is_done(job, written + 1)  # of an earlier run
    files.resolve(outputs[1]).unlink()
    assert not slurm.is_done(job, written)
    files.resolve("results/notebooks/a.json").unlink()
    assert not slurm.is_done(job, 0)


def test_the_controller_is_asked_again_while_it_is_away(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    answers = iter([None, None, {"7": "rule_a"}])
    assert slurm._patiently(lambda: next(answers)) == {"7": "rule_a"}
    monkeypatch.setattr(slurm, "_PATIENCE", 0)
    with pytest.raises(OSError, match="Slurm's controller has not answered for 0 minutes"):
        slurm._patiently(lambda: None)


@pytest.mark.parametrize(
    ("script", "queue"),
    [
        ("echo '7|rule_a'; echo '12|'", {"7": "rule_a", "12": ""}),
        ("", {}),
        ("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", None),
    ],
)
def test_jobs_in_the_queue_and_none_known_while_the_controller_is_away(
    tmp_path, monkeypatch, script, queue
):
    program = tmp_path / "squeue"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert slurm._queue("a-name") == queue
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert slurm._queue("a-name") is None


@pytest.mark.parametrize(
    ("answer", "states"),
    [
        ({"7": "CANCELLED by 1000", "8": "RUNNING"}, {"7": "CANCELLED", "8": "RUNNING"}),
        ({"7": "CANCELLED+", "8": ""}, {"7": "CANCELLED", "8": ""}),
        ({}, {}),
        (None, None),  # no answer; {} would be that there are no jobs
    ],
)
def test_a_cancelled_job_is_seen_by_the_plugin_whoever_cancelled_it(answer, states):
    async def query(command, logger):
        return answer, 0.1

    # It waits for nothing, so it ends at once. A browser's tests leave a loop that is running,
    # beside which asyncio starts no other.
    with pytest.raises(StopIteration) as ended:
        slurm._in_one_word(query)("sacct", None).send(None)
    assert ended.value.value == (states, 0.1)


@pytest.mark.parametrize(
    "answer, asks, warns",
    [
        ("echo '(null)'", False, True),
        ("echo 'gpu:2'; echo '(null)'", True, False),
        ("echo 'gpu:a100:4(S:0-1)'", True, False),
        ("echo 'gpumem:4'", False, True),  # counted by its administrator, and no GPU
        ("exit 1", True, False),
        (None, True, False),
    ],
)
def test_no_job_asks_for_a_gpu_where_the_cluster_has_none(
    tmp_path, monkeypatch, answer, asks, warns
):
    if answer is not None:
        (tmp_path / "sinfo").write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / "sinfo").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    trains = SimpleNamespace(resources={"mem_mb": 100, "gpu": 1})
    draws = SimpleNamespace(resources={"mem_mb": 50})
    jobs = [SimpleNamespace(rule=rule, _resources="known") for rule in (trains, draws)]
    lines = []
    slurm.leave_out_gpus([trains, draws], jobs, lines.append)
    assert ("gpu" in trains.resources) == asks
    assert [job._resources for job in jobs] == ["known" if asks else None] * 2
    assert draws.resources == {"mem_mb": 50}
    assert len(lines) == warns
    assert all("compute on a CPU" in line for line in lines)


def test_no_gpu_is_no_news_where_no_job_would_have_used_one(tmp_path, monkeypatch):
    (tmp_path / "sinfo").write_text("#!/bin/sh\necho '(null)'\n")
    (tmp_path / "sinfo").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    trains = SimpleNamespace(resources={"gpu": 1})
    draws = SimpleNamespace(rule=SimpleNamespace(resources={"mem_mb": 50}), _resources=None)
    lines = []
    slurm.leave_out_gpus([trains], [draws], lines.append)
    assert trains.resources == {} and lines == []
