"""What Snakemake says, in one line, of what people type and of files that they broke."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.workflow

TARGET = "papers/toy/figures"
SCORE = "results/toy/embedded/scores/sum-0.json"


@pytest.fixture
def two_papers(clone):
    """The toy paper and a copy of it called `other`."""
    shutil.copytree(clone / "papers/toy", clone / "papers/other")
    rules = clone / "papers/other/rules.smk"
    rules.write_text(rules.read_text().replace("toy", "other"))
    return clone


def test_a_paper_is_found_and_a_folder_with_an_underscore_is_none(two_papers):
    (two_papers / "papers/other").rename(two_papers / "papers/_other")
    assert "other" not in two_papers.snakemake("-n", "--forceall")
    (two_papers / "papers/_other").rename(two_papers / "papers/other")
    jobs = two_papers.jobs("-n", "--forceall", "papers/other/figures")
    assert "other_figure_bars" in jobs and "toy_figure_bars" not in jobs


def error(output):
    """The lines of an error, without Snakemake's line about its profile."""
    lines = [line for line in output.splitlines() if not line.startswith("Using workflow specific")]
    assert lines[0].startswith("Error: "), output
    return "\n".join(lines).removeprefix("Error: ")


# ---- Where it runs -------------------------------------------------------------------------------


def test_another_working_directory_is_refused_before_any_job(clone, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    output = clone.snakemake("-j1", "-d", str(scratch), "data/derived/toy/clean.json", status=1)
    assert f"Files are always written in {clone.path}, and the working directory is" in output
    assert f"without --directory and --snakefile: cd {clone.path}" in output
    assert not (clone / "data/derived").exists()
    output = type(clone)(scratch).snakemake("-n", "-s", str(clone / "Snakefile"), status=1)
    assert f"without --directory and --snakefile: cd {clone.path}" in output
    assert clone.snakemake("-n", "-d", str(clone.path), TARGET)  # the same folder is no other


def test_a_snakemake_of_another_environment_says_how_to_activate_ours(clone):
    # An interpreter that has Snakemake and neither numpy nor what this repository installs.
    hide = """
import importlib.util, pkgutil, runpy, sys
class Hidden:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"common", "snakemake_logger_plugin_lines"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "numpy" else find_spec(name)
sys.meta_path.insert(0, Hidden)
modules = pkgutil.iter_modules
pkgutil.iter_modules = lambda *a: (one for one in modules(*a) if not one.name.endswith("_lines"))
sys.argv[1:] = ["-n", "papers/toy/figures"]
runpy.run_module("snakemake", run_name="__main__")
"""
    _, environment = clone.command()
    done = subprocess.run(
        [sys.executable, "-P", "-c", hide], cwd=clone.path, env=environment, capture_output=True,
        text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if "profile" not in line]
    assert len(lines) == 1, done.stderr
    assert "Activate the environment: source .venv/bin/activate" in lines[0]


# ---- What is asked for ---------------------------------------------------------------------------


def test_the_nearest_target_is_named(two_papers):
    clone = two_papers
    expected = {
        f"{clone.path}/{TARGET}/bars.svg": f"{TARGET}/bars.svg",
        f"{clone.path}/{TARGET}": TARGET,
        f"./{TARGET}": TARGET,
        "papers/tyo/figures": TARGET,
        "papers/Toy/figures": TARGET,
        "papers\\toy\\figures": TARGET,
        "papers/toy": TARGET,
        "papers/toy/": TARGET,
        "toy": TARGET,
        "othr": "papers/other/figures",
        "papers/toy/figure": TARGET,
        "papers/toy/figures/bar.svg": f"{TARGET}/bars.svg",
        "papers/toy/figures/bras.svg": f"{TARGET}/bars.svg",
        "papers/toy/figures/bars.pdf": f"{TARGET}/bars.svg",
        "bars.svg": "papers/other/figures/bars.svg",  # the first paper by name
        "bars.csv": "papers/other/figures/bars.csv",
        "papers/toy/recrod": "papers/toy/record",
        "results/toy/embedded/claims.cvs": "results/toy/embedded/claims.csv",
        "results/toy/embedded/notebooks/scores/sum-0.ipynb": SCORE,
        "results/toy/embedded/notebooks/scores/sum-0.json": SCORE,
        "results/toy/embedded/benchmarks/scores/sum-0.tsv": SCORE,
    }
    with (clone / "Snakefile").open("a") as file:
        asked = [*expected, "results/toy/paper/claims.csv", "zzz", "papers/zzz/zzz"]
        file.write(
            f"\nimport json\nanswers = {{target: targets.nearest(target, workflow, TARGETS, "
            f"BROKEN) for target in {asked!r}}}\nopen('answers', 'w').write(json.dumps(answers))\n"
        )
    clone.snakemake("-n", f"{TARGET}/bars.svg")
    answers = json.loads((clone / "answers").read_text())
    assert all("\n" not in answer for answer in answers.values())
    for target, meant in expected.items():
        assert re.search(rf"uild (?:it|that): snakemake -j8 {re.escape(meant)}$", answers[target])
    assert (
        "snakemake -j8 results/toy/paper/claims.csv --config scale=paper"
        in (answers["results/toy/paper/claims.csv"])
    )
    for target in ("zzz", "papers/zzz/zzz"):
        assert f"there is no target {target}" in answers[target]
        assert "known papers: other, toy" in answers[target]


def test_a_target_that_is_nearly_right_is_one_line(clone):
    output = clone.snakemake("-n", "papers/tyo/figures", status=1)
    assert error(output) == (
        f"there is no target papers/tyo/figures; did you mean {TARGET}? "
        f"Build it: snakemake -j8 {TARGET}"
    )


def test_the_files_beside_a_figure_build_it(clone):
    for suffix in (".csv", ".png", ".ipynb", ".json"):
        assert "toy_figure_bars" in clone.jobs("-n", f"{TARGET}/bars{suffix}")
    # One that is gone while its figure is there must not count as built.
    (clone / TARGET).mkdir()
    (clone / f"{TARGET}/bars.svg").touch()
    output = clone.snakemake("-n", f"{TARGET}/bars.png", status=1)
    assert f"Build both again: snakemake -j8 --force {TARGET}/bars.svg" in error(output)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["--config", "scale=paper", TARGET],
            f"'{TARGET}' is none. Targets come before it: snakemake -j8 {TARGET} --config",
        ),
        (["--config", "scale"], "'scale' is none. Targets come before it"),
        (["--config", "a/b=1"], "--config takes key=value pairs, and a key is a name of letters"),
        (["--config", "scale=papr"], "scale is 'papr', it should be"),
        (["--config", "scale=papr"], "did you mean 'paper'?"),
    ],
)
def test_a_word_out_of_place_is_one_line(clone, arguments, expected):
    output = clone.snakemake("-n", *arguments, status=1)
    assert expected in error(output)
    assert "\n" not in error(output)


# ---- Files that people edit ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("figure-bars.ipynb", None, "", "figure-bars.ipynb: the file is empty"),
        ("figure-bars.ipynb", ' "nbformat":', '<<<<<<< HEAD\n "nbformat":', "unfinished git merge"),
        ("paper.yaml", "title: A", "title: \udcfc", "paper.yaml, line 1: byte 0xfc is not UTF-8"),
        ("paper.yaml", "factor: 2.0", "factor: 2024-05-01", "scales.embedded.factor is 2024-05-01"),
        ("paper.yaml", "year: 2025", "year: 1\nyear: 2", "line 4: year is given twice, first in"),
        ("rules.smk", "params:\n", "params\n", "papers/other/rules.smk, line "),
        (
            "rules.smk",
            "from common.workflow import steps",
            "nothing()",
            "line 1: NameError: name 'noth",
        ),
        ("rules.smk", "include: ", "# include: ", "no rule writes papers/other/figures/bars.svg"),
        ("rules.smk", '"3-gather.ipynb"', '"3-gathe.ipynb"', "did you mean '3-gather.ipynb'"),
        ("paper.yaml", "  total:", "  totals:", "no notebook papers/other/figure-totals.ipynb"),
        ("paper.yaml", "bars.json", '"{seed}.json"', "there is no setting 'seed'; did you mean"),
        ("paper.yaml", "scales:", "resources: {scal: {mem_mb: 1}}\nscales:", "names no step; did"),
    ],
)
def test_a_broken_paper_is_named_and_the_others_go_on(two_papers, name, old, new, expected):
    path = two_papers / "papers/other" / name
    text = path.read_text()
    broken = new if old is None else text.replace(old, new, 1)
    assert broken != text
    path.write_text(broken, encoding="utf-8", errors="surrogateescape")
    assert two_papers.snakemake("-n", TARGET)
    own = ["papers/other/figures"], ["papers/other/figures/bars.svg"]
    for target in ([], *own) if name == "figure-bars.ipynb" else ([],):
        output = two_papers.snakemake("-n", *target, status=1)
        assert expected in error(output)
        assert "papers/other/" in error(output)
        assert "\n" not in error(output)
    if name == "figure-bars.ipynb":  # what does not need it can be built
        assert two_papers.snakemake("-n", "data/derived/other/clean.json")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("config.yaml", b"scale: embedded\nmirror: [\n", "config.yaml, line 3: not valid YAML"),
        ("config.yaml", b"mirror: caf\xe9\n", "config.yaml, line 1: byte 0xe9 is not UTF-8"),
        ("config.yaml", b"- scale\n", "config.yaml: expected `key: value` lines"),
        ("config.yaml", b"scale: paper\nscale: embedded\n", "line 2: scale is given twice"),
        (
            "data/registry.yaml",
            b"a: 1\n\tb: 2\n",
            "data/registry.yaml, line 2: not valid YAML: a tab",
        ),
        ("common/toy.py", b"def score(:\n", "common/toy.py, line 1: not valid Python"),
    ],
)
def test_a_broken_file_of_all_papers_is_one_line(clone, name, content, expected):
    (clone / name).write_bytes(content)
    output = clone.snakemake("-n", TARGET, status=1)
    assert expected in error(output)
    assert "\n" not in error(output)


def test_words_and_numbers_in_config_yaml_are_those_of_yaml_1_2(clone):
    clone.edit("config.yaml", "folders: {}", "folders: {no: /data/on, off: 'yes'}")
    clone.snakemake("-n", TARGET)
    clone.edit("config.yaml", "device: auto", "device: off")
    output = clone.snakemake("-n", TARGET, status=1)
    assert "config.yaml: device is 'off', it should be 'auto', 'cpu' or 'cuda'" in error(output)
    assert clone.snakemake("-n", TARGET, "--config", "device=cpu")


TEXTS = {
    "note": "label of {method}, {{seed}}, ${x}, $\\mathrm{x}$, {, }, {0}",
    "notes": ["{seed}", ["{method}"], {"{a}": "{clean}"}],
    "named": {"{method}": "{seed}", "b": ["{output}"]},
    "small": 0.001,
    "word": "no",
}


def test_settings_reach_the_notebook_as_they_are_written(clone):
    lines = [f"    {key}: {json.dumps(value)}\n" for key, value in TEXTS.items()]
    lines = "".join(lines).replace("0.001", "1e-3").replace('"no"', "no")
    path = clone / "papers/toy/paper.yaml"
    path.write_text(path.read_text().replace("    factor:", f"{lines}    factor:"))
    # Titles and captions go into the report.
    clone.edit("papers/toy/paper.yaml", "title: A toy", "title: A {toy}")
    clone.edit("papers/toy/paper.yaml", "title: Scores", "title: Scores {method}")
    clone.edit("papers/toy/paper.yaml", "caption: Sum", "caption: The {sum}")
    params = "".join(f'{key}=paper.settings["{key}"],\n        ' for key in TEXTS)
    old = 'factor=paper.settings["factor"],'
    clone.edit("papers/toy/rules.smk", old, f"{params}{old}")
    path = clone / "papers/toy/2-scale.ipynb"
    notebook = json.loads(path.read_text())
    (cell,) = (one for one in notebook["cells"] if "parameters" in one["metadata"].get("tags", []))
    cell["source"] = "".join(cell["source"]) + "".join(f"\n{key}: object = None" for key in TEXTS)
    path.write_text(json.dumps(notebook))
    clone.snakemake("-j2")
    record = json.loads((clone / "results/toy/embedded/notebooks/scores/sum-0.json").read_text())
    assert {key: record["parameters"][key] for key in TEXTS} == TEXTS
    assert "Nothing to be done" in clone.snakemake("-n", TARGET)
    clone.snakemake("--report", "report.html")
    page = (clone / "report.html").read_text().replace("\N{WORD JOINER}", "").replace("\\u2060", "")
    assert "Scores {method} (figure 1 of the paper)" in page
    assert "A {toy} paper that exercises the whole way" in page
    assert "The {sum} of all scores." in page


# ---- The terminal --------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_every_job_is_listed_whatever_the_terminal(clone, encoding):
    command, environment = clone.command("-n")
    done = subprocess.run(
        command, cwd=clone.path, env=environment | {"PYTHONIOENCODING": encoding},
        capture_output=True, encoding=encoding, timeout=900,
    )  # fmt: skip
    assert len([line for line in done.stdout.splitlines() if line.startswith("[")]) == 10
    assert "Logging error" not in done.stdout + done.stderr
    assert "..." in done.stdout  # for the sign of the ellipsis


def test_a_job_runs_where_the_locale_is_ascii(clone):
    command, environment = clone.command("-j1", "data/derived/toy/clean.json")
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        command, cwd=clone.path, env=environment | locale, capture_output=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert b"[1/1] toy_prepare  done" in done.stderr


def test_ctrl_c_is_one_line_and_the_same_command_goes_on(clone):
    # The cell says that it runs; until then the job would be stopped while it starts.
    clone.edit(
        "papers/toy/1-prepare.ipynb",
        "from common import",
        "import pathlib, time; pathlib.Path('running').touch(); "
        "[time.sleep(0.1) for _ in range(600) if pathlib.Path('running').exists()]\\n"
        "from common import",
    )
    command, environment = clone.command("-j1", "data/derived/toy/clean.json")
    run = subprocess.Popen(
        command, cwd=clone.path, env=environment, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    while not (clone / "running").exists():
        assert run.poll() is None
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    lines = run.stderr.read().splitlines()
    assert run.wait() != 0
    lines = [line for line in lines if "profile" not in line]
    assert lines == [
        "[1/1] toy_prepare",
        "Stopped. What is finished is kept; the same command goes on from there.",
    ]
    assert not list((clone / ".snakemake/locks").glob("*"))
    (clone / "papers/toy/1-prepare.ipynb").write_text(
        (clone / "papers/toy/1-prepare.ipynb").read_text().replace("range(600)", "range(0)")
    )
    assert "[1/1] toy_prepare  done" in clone.snakemake("-j1", "data/derived/toy/clean.json")


# ---- Memory --------------------------------------------------------------------------------------


def test_jobs_that_take_more_than_the_budget_together_wait_for_each_other(clone):
    def places(output):
        lines = [line for line in output.splitlines() if line.startswith("[")]
        return [line[1:4] + ("done" if "  done  " in line else "") for line in lines]

    apart, together = ["1/2", "1/2done", "2/2", "2/2done"], ["1/2", "2/2"]
    clone.edit("papers/toy/paper.yaml", "scales:", "resources: {scale: {mem_mb: 600}}\nscales:")
    clone.snakemake("-j1", "data/derived/toy/clean.json")
    scores = [f"results/toy/embedded/scores/{name}-0.json" for name in ("sum", "max")]
    output = clone.snakemake("-j4", *scores, "--resources", "mem_mb=1000")
    assert places(output) == apart
    said = "Jobs that run together share 1000 MB of memory; others wait. Another limit: --resources"
    assert output.count(said) == 1
    # A job that asks for more than there is runs alone.
    clone.edit("papers/toy/paper.yaml", "mem_mb: 600", "mem_mb: 5000")
    output = clone.snakemake("-j4", "--force", *scores, "--resources", "mem_mb=1000")
    assert places(output) == apart
    assert output.count("toy_scale asks for 5000 MB, more than that: it runs alone.") == 1
    # With room for both, nothing is said.
    output = clone.snakemake("-j2", "--force", *scores, "--resources", "mem_mb=10000")
    assert places(output)[:2] == together
    assert "memory" not in output


def test_the_budget_of_a_run_is_a_share_of_the_limit(clone):
    with (clone / "common/workflow/memory.py").open("a") as file:
        file.write("\n\ndef limit():\n    return 1000, 'this test'\n")
    output = clone.snakemake("-j4", "data/derived/toy/clean.json")
    assert "memory" not in output
    scores = [f"results/toy/embedded/scores/{name}-0.json" for name in ("sum", "max")]
    output = clone.snakemake("-j4", *scores)
    assert "share 750 MB of memory, 75% of the 1000 MB of this test; others wait" in output


def test_measured_memory_stands_beside_the_declared_one(clone):
    benchmarks = clone / "results/toy/embedded/benchmarks"
    (benchmarks / "scores").mkdir(parents=True)
    for name, peak in [("scores/sum-0", 100.0), ("scores/max-1", 300.0), ("bars", "NA")]:
        (benchmarks / f"{name}.tsv").write_text(f"s\tmax_rss\n1.0\t{peak}\n")
    # 300 MiB are 314.6 MB; 1.3 times that, rounded up to 100 MB, are 500.
    # One of them on another disk; a wildcard may hold a slash.
    (clone / "disk").mkdir()
    (benchmarks / "scores/sum-0.tsv").rename(clone / "disk/sum-0.tsv")
    (benchmarks / "scores/a").symlink_to(clone / "disk")
    assert re.search(r"^toy_scale +2 +315 +500 +500$", clone.snakemake("memory"), re.MULTILINE)
    (benchmarks / "scores/max-1.tsv").write_text("s\tmax_rss\n1.0\t600.0\n")
    output = clone.snakemake("memory", status=1)
    assert "toy_scale took 629 MB and declares mem_mb=500. Declare more" in output
