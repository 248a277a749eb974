"""The workflow on hard machines: odd paths, a user's configuration, missing locks."""

import subprocess
import sys

import pytest

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
