"""The workflow on hard machines: odd paths, a user's configuration, missing locks, kills."""

import csv
import json
import subprocess
import sys

import pytest

from benchmarks import kill_campaign
from common.workflow.notebooks import warm

pytestmark = pytest.mark.workflow

TARGET = "papers/toy/figures"
SCORE = "results/toy/embedded/scores/sum-0.json"
HARD = "My Projects (it's) {method} {x} $HOME #1 50% é"


def run(repository, *arguments, python=sys.executable, hidden=(), **environ):
    """Snakemake in a repository, with another interpreter or environment; what it prints."""
    _, environment = repository.command()
    environment = {k: v for k, v in environment.items() if k not in hidden} | environ
    done = subprocess.run(
        [python, "-m", "snakemake", *arguments], cwd=repository.path, env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_paths_may_hold_any_character_and_the_users_configuration_does_not_count(
    pristine, unbuilt, tmp_path
):
    repository = unbuilt(tmp_path / HARD / "artifacts")
    # One score is enough.
    for name in ("results/toy/embedded/bars.json", "data/derived/toy/clean.json"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
    (repository / ".venv").symlink_to(sys.prefix)
    python = str(repository / ".venv/bin/python")
    home = tmp_path / HARD / "home"
    broken = "import builtins\nbuiltins.sum = lambda values: 0\n"
    for name, text in {
        "ipython/profile_default/startup/00-mine.py": broken,
        "startup.py": broken,
        "site/usercustomize.py": broken,
        "site/common/__init__.py": "raise RuntimeError('another package called common')",
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    hostile = {
        "IPYTHONDIR": str(home / "ipython"), "PYTHONSTARTUP": str(home / "startup.py"),
        "PYTHONPATH": str(home / "site"), "PYTHONOPTIMIZE": "2", "LC_ALL": "C", "TZ": "Asia/Tokyo",
        "HOME": "/dev/null/nobody", "TMPDIR": "/dev/null/missing", "PYTHONSAFEPATH": "1",
    }  # fmt: skip
    status, output = run(
        repository, "-j2", f"{TARGET}/bars.svg", python=python, hidden=["XDG_CACHE_HOME"], **hostile
    )
    assert status == 0, output
    built, expected = repository.built(), pristine.built()
    assert f"{TARGET}/bars.svg" in built
    assert {name: expected[name] for name in built} == built
    # The rules that are shell commands, and files that nobody's rule makes.
    (repository / TARGET / "Thumbs.db").write_text("")
    status, output = run(repository, "verify", python=python, **hostile)
    assert status == 0, output
    assert f"foreign: {TARGET}/Thumbs.db" in output
    for target in ("memory", "papers/toy/reference", "papers/toy/check", "papers/toy/preview"):
        status, output = run(repository, target, python=python, **hostile)
        assert status == 0, output
    assert (repository / "papers/toy/preview.png").exists()


def test_without_file_locks_a_run_goes_on_and_says_so(repository, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import errno, fcntl, os\n"
        "def flock(file, operation):\n"
        "    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))\n"
        "fcntl.flock = flock\n"
    )
    (repository / SCORE).unlink()
    status, output = run(repository, "-j1", SCORE, PYTHONPATH=str(tmp_path))
    assert status == 0, output
    assert output.count("is on a file system without locks") == 1


def test_verify_sees_results_on_another_disk_and_lost_provenance(repository, tmp_path):
    (repository / "results/toy").rename(tmp_path / "disk")
    (repository / "results/toy").symlink_to(tmp_path / "disk")
    (repository / SCORE).write_text("{}")
    (repository / TARGET / "bars.json").unlink()
    (repository / "data/derived/toy/notes.ipynb").write_text("")
    output = repository.snakemake("verify", status=1)
    assert f"corrupt: {SCORE}: " in output
    # Made by a rule, so not foreign.
    svg = f"{TARGET}/bars.svg"
    assert (
        f"without provenance: {svg}: no run recorded it. Repair: snakemake -j2 --force {svg}"
        in (output)
    )
    assert "foreign: data/derived/toy/notes.ipynb: " in output
    assert output.count("foreign: ") == 1
    repository.snakemake("-j2", "--force", svg, SCORE)
    repository.snakemake("verify")


def test_a_lost_tag_stops_the_job_and_names_the_notebook(repository):
    repository.edit("papers/toy/2-scale.ipynb", '"parameters"', "")
    output = repository.snakemake("-j1", SCORE, status=1)
    assert "papers/toy/2-scale.ipynb: no cell of code has the tag `parameters`" in output


def make_two_papers(unbuilt, path):
    """The toy paper twice, under two names and with fewer jobs."""
    repository = unbuilt(path)
    toy, other = repository / "papers/toy", repository / "papers/other"
    settings = toy / "paper.yaml"
    text = settings.read_text().replace("seeds: [0, 1]", "seeds: [0]", 1)
    settings.write_text(text.replace("methods: [sum, max]", "methods: [sum]", 1))
    other.mkdir()
    for file in toy.iterdir():
        text = file.read_text()
        if file.name == "rules.smk":
            text = text.replace('"toy"', '"other"').replace("/toy/", "/other/")
        (other / file.name).write_text(text)
    return repository


def test_twenty_kills_and_one_command_give_the_same_bytes_and_leave_nothing(unbuilt, tmp_path):
    undisturbed = make_two_papers(unbuilt, tmp_path / "undisturbed")
    undisturbed.snakemake("-j2")
    killed = make_two_papers(unbuilt, tmp_path / "killed")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command, environ = killed.command("-j2")
    environ = {**environ, "TMPDIR": str(temporary)}
    kills = kill_campaign.kill_at_random(
        [*command, "--keep-going"], folder=killed.path, environ=environ, n_kills=20, seed=15,
        n_lines=2, pause=0.5,
    )  # fmt: skip
    assert sum(kills.values()) == 20 and min(kills.values()) > 0, kills
    # As a process would leave it that is killed while it writes.
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = killed / TARGET / f".bars-{ended.pid}-0123abcd.svg"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("half")
    status, output = run(killed, "-j2", TMPDIR=str(temporary))
    assert status == 0, output
    assert kill_campaign.differences(undisturbed.path, killed.path) == []
    assert kill_campaign.left_over(killed.path, temporary) == []


# ---- Jobs that are forked from processes that have imported libraries ---------------------------


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
