"""What papers cost before they run: bounds that hold, and what is unknown said to be."""

import csv
import io

import pytest

from common import files, registry
from common.workflow import __main__ as command
from common.workflow import costs, peaks
from common.workflow.costs import Job, by_step, total
from common.workflow.papers import PaperError

DANCE = frozenset({"dance"})


def job(step="train", *, output=None, papers=DANCE, mem_mb=500, minutes=60, **values):
    return Job(
        papers=papers,
        step=step,
        output=output or f"results/{step}.csv",
        mem_mb=mem_mb,
        minutes=minutes,
        **values,
    )


# ---- Hours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "hours", "source"),
    [
        ({}, (None, 1), costs.DECLARED),
        ({"least": 36}, (0.01, 1), costs.BOUNDED),
        ({"least": 36, "measured": 360}, (0.1, 0.1), costs.MEASURED),
        # An hour of four cores; the embedded time is one of the processor already.
        ({"least": 36, "threads": 4}, (0.01, 4), costs.BOUNDED),
        ({"measured": 360, "threads": 4}, (0.4, 0.4), costs.MEASURED),
        ({"minutes": None}, (None, None), "unknown"),
        ({"minutes": None, "least": 36}, (0.01, None), "unknown"),
        # A GPU may be faster than the processor that the embedded time was measured on.
        ({"least": 36, "gpu": True}, (None, 1), costs.DECLARED),
        # Downloads take what the network takes.
        ({"fetches": "eeghdf-spasms", "measured": 360}, (None, None), costs.UNTIMED),
    ],
)
def test_hours_of_a_job_and_where_they_come_from(known, hours, source):
    one = job(**known)
    assert one.hours == pytest.approx(hours)
    assert one.source == source


@pytest.mark.parametrize(
    ("known", "hours"),
    [
        ({}, (0, 0)),
        ({"gpu": True}, (None, 1)),
        ({"gpu": True, "threads": 4}, (None, 1)),
        ({"gpu": True, "threads": 4, "measured": 360}, (0.1, 0.1)),
    ],
)
def test_hours_of_a_gpu_do_not_count_cores(known, hours):
    assert job(**known).gpu_hours == pytest.approx(hours)


# ---- Sums ----------------------------------------------------------------------------------------


def test_sums_are_bounds_where_one_job_has_none():
    cost = total([job(least=36), job(), job(measured=3600)])
    assert cost.jobs == 3
    assert cost.core_hours == pytest.approx((1.01, 3))  # of the second one at least nothing
    assert cost.gpu_hours == (0, 0)
    assert cost.sources == {costs.BOUNDED: 1, costs.DECLARED: 1, costs.MEASURED: 1}
    assert total([job(), job()]).core_hours == (None, 2)
    assert total([job(least=36), job(minutes=None)]).core_hours == (0.01, None)


def test_the_largest_memory_is_unknown_where_one_job_declares_none():
    assert total([job(mem_mb=500), job(mem_mb=4000)]).mem_mb == 4000
    assert total([job(mem_mb=500), job(mem_mb=None)]).mem_mb is None


def test_nothing_to_run_costs_nothing():
    cost = total([])
    assert cost == (0, 0, 0, 0, (0, 0), (0, 0), 0, {})


def test_downloads_count_in_bytes_and_not_in_hours():
    fetch = job("fetch", fetches="cifar-10")
    cost = total([fetch, job("fetch", fetches="bi2014a"), job(least=36)])
    assert cost.size == registry.load()["cifar-10"].size
    assert cost.unsized == 1  # MOABB does not say how large a subject is
    assert cost.core_hours == (0.01, 1)
    assert total([fetch]).core_hours == (None, None)


def test_steps_begin_with_the_downloads():
    jobs = [job("train"), job("gather"), job("fetch", fetches="cifar-10"), job("train")]
    assert {step: len(one) for step, one in by_step(jobs).items()} == {
        "fetch": 1,
        "train": 2,
        "gather": 1,
    }
    assert list(by_step(jobs)) == ["fetch", "train", "gather"]


# ---- Measured times ------------------------------------------------------------------------------


class Rule:
    """What is asked of a rule of Snakemake."""

    def __init__(self, benchmark):
        from snakemake.io import IOFile

        self.benchmark = benchmark and IOFile(benchmark)


def test_benchmarks_of_a_rule_at_its_own_scale_and_at_another(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    for scale, name, seconds in [
        ("paper", "fits/a/0", 10),
        ("embedded", "fits/paper/1", 20),
        ("embedded", "fits/embedded/2", "NA"),
        ("embedded", "fits/a/x", 40),  # of another rule
        ("embedded", "scores/a/3", 50),
    ]:
        place = f"results/toy/{scale}/benchmarks/{name}.tsv"
        files.write_text(place, f"s\tmax_rss\n{seconds}\t1\n")
    rule = Rule(r"results/toy/paper/benchmarks/fits/{dataset}/{seed,\d+}.tsv")

    def found(**scales):
        return sorted(row["s"] for row in peaks.benchmarks(rule, **scales))

    assert found() == ["10"]
    assert found(scales=("paper", "embedded")) == ["20", "NA"]
    assert peaks.benchmarks(Rule(None)) == []
    # A damaged file measures nothing.
    files.resolve("results/toy/paper/benchmarks/fits/a/0.tsv").write_bytes(b"s\n\xff\x00\n")
    assert [peaks.number(row["s"]) for row in peaks.benchmarks(rule)] == [None]


@pytest.mark.parametrize(("text", "value"), [("1.5", 1.5), ("NA", None), ("", None), (None, None)])
def test_numbers_of_benchmarks(text, value):
    assert peaks.number(text) == value


# ---- Command line --------------------------------------------------------------------------------


def test_an_unknown_paper_is_refused_with_the_nearest_name(capsys):
    assert command.main(["plan", "dnce"]) == 1
    assert capsys.readouterr().err.startswith("there is no paper 'dnce'; did you mean 'dance'?")
    with pytest.raises(PaperError, match="did you mean 'moabb'"):
        costs.jobs(["moab"])


@pytest.fixture
def planned(monkeypatch):
    """Jobs of two papers, which share one download."""
    both = frozenset({"dance", "moabb"})
    found = [
        job("fetch", output="data/raw/a", papers=both, fetches="cifar-10", mem_mb=300),
        job("fetch", output="data/raw/b", papers=both, fetches="bi2014a", mem_mb=300),
        job("train", output="one", gpu=True, mem_mb=2400),
        job("train", output="two", gpu=True, mem_mb=2400),
        job("claims", output="three", measured=3600, folders=True),
        job("evaluate", output="four", papers=frozenset({"moabb"}), least=36, mem_mb=1600),
    ]
    monkeypatch.setattr(
        costs, "jobs", lambda names: [one for one in found if one.papers & set(names)]
    )
    return found


def cells(line):
    return [cell for cell in line.split("  ") if cell.strip()]


def test_papers_and_a_total_that_counts_what_they_share_once(planned, capsys):
    assert command.main(["plan", "dance", "moabb"]) == 0
    table, _, notes = capsys.readouterr().out.partition("\n\n")
    rows = [list(map(str.strip, cells(line))) for line in table.splitlines()]
    assert [row[:6] for row in rows[1:]] == [
        ["dance", "5", "0.17 + 1 of unknown size", "1 to 3", "at most 2", "2.4"],
        ["moabb", "3", "0.17 + 1 of unknown size", "0.01 to 1", "0", "1.6"],
        ["total", "6", "0.17 + 1 of unknown size", "1 to 4", "at most 2", "2.4"],
    ]
    assert f"{costs.DECLARED} (2 jobs)" in rows[1][6] and f"{costs.BOUNDED} (1 job)" in rows[2][6]
    assert "without the time of downloads" in " ".join(notes.split())
    assert "(folders in config.yaml) may be read by: dance." in notes


def test_one_paper_is_shown_by_step(planned, capsys):
    assert command.main(["plan", "moabb"]) == 0
    output = capsys.readouterr().out
    rows = [list(map(str.strip, cells(line))) for line in output.partition("\n\n")[0].splitlines()]
    assert [row[:2] for row in rows[1:]] == [["fetch", "2"], ["evaluate", "1"], ["moabb", "3"]]
    assert rows[1][3:] == ["unknown", "0", "0.3", costs.UNTIMED]
    assert "may be read by" not in output


def test_csv_has_every_step_and_numbers_that_are_not_rounded_away(planned, capsys):
    assert command.main(["plan", "dance", "moabb", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["paper"], row["step"]) for row in rows] == [
        ("dance", "fetch"),
        ("dance", "train"),
        ("dance", "claims"),
        ("moabb", "fetch"),
        ("moabb", "evaluate"),
    ]
    train = rows[1]
    assert train["core_hours_least"] == train["gpu_hours_least"] == "unknown"
    assert train["gpu_hours_most"] == "2" and train["mem_mb"] == "2400"
    assert int(rows[0]["download_bytes"]) == registry.load()["cifar-10"].size
    assert rows[0]["core_hours_most"] == "unknown"


def test_little_is_not_printed_as_nothing(planned, monkeypatch, capsys):
    little = [job("claims", measured=1)]
    monkeypatch.setattr(costs, "jobs", lambda names: little)
    assert command.main(["plan", "dance"]) == 0
    assert "< 0.01" in capsys.readouterr().out
