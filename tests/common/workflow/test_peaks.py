"""What jobs may take of the memory is compared with what they took, and said before they wait."""

from types import SimpleNamespace

import pytest
from snakemake.io import IOFile
from snakemake.resources import Resource, Resources

from common import files
from common.workflow import memory, papers, peaks


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rule(name, mb, benchmark=None):
    made = SimpleNamespace(name=name, benchmark=None, wildcard_names=set())
    made.resources = Resources({"mem_mb": Resource("mem_mb", mb)})
    made.pathvars = SimpleNamespace(apply=lambda path: path)
    if benchmark:
        made.benchmark = IOFile(benchmark, rule=made)
    return made


class Job:
    def __init__(self, rule):
        self.rule = rule


def run(limit, jobs, *, cores=2, nodes=None):
    return SimpleNamespace(
        global_resources=Resources({"mem_mb": Resource("mem_mb", limit)} if limit else {}),
        cores=cores,
        nodes=nodes,
        dag=SimpleNamespace(needrun_jobs=lambda: [Job(rule) for rule in jobs]),
    )


def test_it_is_said_where_the_largest_jobs_that_run_together_exceed_the_limit(capsys, monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: (2000, "this machine"))
    small, large, computed = rule("small", 300), rule("large", 700), rule("c", lambda wildcards: 1)
    for options in (
        {"limit": 1000, "jobs": [large, small, small]},  # just fits, two at a time
        {"limit": 1000, "jobs": [large, large, large], "cores": 1},
        {"limit": 1000, "jobs": [large, large], "cores": 9, "nodes": 1},  # on a cluster
        {"limit": 700, "jobs": [large, computed]},  # what a job computes is not known
        {"limit": None, "jobs": [large, large]},
    ):
        peaks.announce(run(**options))
        assert capsys.readouterr().err == ""
    peaks.announce(run(999, [large, small]))
    assert capsys.readouterr().err == (
        "Jobs that run together share 999 MB of memory; others wait. "
        "Another limit: --resources mem_mb=1998\n"
    )
    # 1500 MB are the budget of this machine; two jobs of one rule are named once.
    heavy = rule("heavy", 1600)
    peaks.announce(run(1500, [heavy, small, heavy]))
    assert capsys.readouterr().err.splitlines() == [
        "Jobs that run together share 1500 MB of memory, 75% of the 2000 MB of this machine; "
        "others wait. Another limit: --resources mem_mb=3000",
        "heavy asks for 1600 MB, more than that: it runs alone.",
    ]


def test_a_job_of_the_whole_limit_does_not_exceed_it(capsys, monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: None)
    peaks.announce(run(700, [rule("whole", 700), rule("other", 1)]))
    assert "runs alone" not in capsys.readouterr().err


def test_the_largest_peak_of_each_rule_is_found(root):
    folder = root / "results/toy/benchmarks/scores"
    (folder / "deep").mkdir(parents=True)
    for name, text in {
        "one.tsv": "s\tmax_rss\n1.0\t100.0\n2.0\t300.0\n",  # repeated
        "deep/two.tsv": "s\tmax_rss\n1.0\tNA\n",  # too short to see
        "three.txt": "s\tmax_rss\n1.0\t900.0\n",
        "four.tsv": "s\n1.0\n",
    }.items():
        (folder / name).write_text(text)
    (root / "results/toy/benchmarks/other.tsv").write_text("s\tmax_rss\n1.0\t900.0\n")
    benchmark = "results/toy/benchmarks/scores/{name}.tsv"
    rules = [
        rule("scores", 500, benchmark),
        rule("without", 500),
        rule("computed", lambda wildcards: 500, benchmark),
        rule("never-run", 500, "results/toy/benchmarks/none/{name}.tsv"),
    ]
    # 300 MiB are 314.6 MB.
    assert peaks.measured(SimpleNamespace(rules=rules)) == ["scores 2 315 500"]


def test_a_rule_should_declare_a_third_more_than_its_peak(root, capsys):
    peaks.compare(["a 3 300 300", "b 1 310 500"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1:] == [["a", "3", "300", "300", "400"], ["b", "1", "310", "500", "500"]]
    with pytest.raises(papers.PaperError) as caught:
        peaks.compare(["a 3 301 300", "b 1 310 500", "c 1 2 1"])
    assert str(caught.value).splitlines() == [
        "a took 301 MB and declares mem_mb=300. Declare more",
        "c took 2 MB and declares mem_mb=1. Declare more",
    ]
    capsys.readouterr()
    (root / ".snakemake").mkdir()
    (root / ".snakemake/warm.json").write_text('{"bytes": 512000000, "imports": [["a"], ["b"]]}')
    peaks.compare([])
    said = "Besides, 2 processes that jobs were forked from took 512 MB in the last run."
    assert capsys.readouterr().out.splitlines()[-1] == said
