"""A run holds its folder, and file systems without locks stop nobody."""

import errno
import fcntl
import os
import platform
import subprocess
import sys

import pytest
from snakemake.exceptions import WorkflowError

from common import files
from common.workflow import locks, slurm


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def without_locks(monkeypatch, number):
    def flock(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


MISSING = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO, errno.EPERM]


@pytest.mark.parametrize("number", MISSING)
def test_a_run_goes_on_where_there_are_no_locks_and_says_so(root, monkeypatch, capsys, number):
    without_locks(monkeypatch, number)
    mark = root / ".snakemake/locks/0.input.lock"
    mark.parent.mkdir(parents=True)
    mark.touch()
    (root / ".snakemake/running").write_text(platform.node())
    assert locks.claim() is False
    assert mark.exists()  # nobody knows whether a live run holds it
    (said,) = capsys.readouterr().err.splitlines()
    assert ".snakemake is on a file system without locks" in said
    assert os.strerror(number) in said


@pytest.mark.parametrize("number", MISSING)
def test_jobs_go_on_where_there_are_no_locks_and_say_so(root, monkeypatch, capsys, number):
    without_locks(monkeypatch, number)
    with locks.exclusive(root / "a.lock"):
        pass
    assert "file system without locks" in capsys.readouterr().err


def test_a_held_lock_is_waited_for(root):
    code = "from common.workflow import locks\n"
    code += "with locks.exclusive('a.lock'): open('order', 'a').write('2')"
    with locks.exclusive("a.lock"):
        environment = {**os.environ, "PYTHONPATH": str(locks.Path(locks.__file__).parents[2])}
        other = subprocess.Popen(
            [sys.executable, "-c", f"print('up', flush=True)\n{code}"],
            env=environment, stdout=subprocess.PIPE,
        )  # fmt: skip
        other.stdout.readline()
        (root / "order").open("a").write("1")
    assert other.wait() == 0
    assert (root / "order").read_text() == "12"


def test_a_run_removes_what_killed_processes_left(root):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    machine = files.owner().partition("-")[0]
    folder = root / "papers/toy/figures"
    folder.mkdir(parents=True)
    (root / "disk").mkdir()
    (root / "results").mkdir()
    (root / "results/toy").symlink_to(root / "disk")
    archives = root / "data/raw/.archives"
    (archives / f".pip-{machine}-{ended.pid}-abcdefgh/got").mkdir(parents=True)
    gone = [
        folder / f".bars-{ended.pid}-0123abcd.svg",
        root / f"disk/.a-{machine}-{ended.pid}-0123abcd.csv",
    ]
    kept = [
        folder / f".bars-{files.owner()}-0123abcd.svg",
        folder / "bars.svg",
        folder / ".DS_Store",
    ]
    for path in gone + kept:
        path.write_text("")
    locks.claim()
    assert [path for path in gone + kept if path.exists()] == kept
    assert list(archives.iterdir()) == []


@pytest.mark.parametrize("has_jobs", [False, True])
def test_scripts_of_a_killed_run_stay_while_jobs_of_it_may_run_on_a_cluster(root, has_jobs):
    (root / ".snakemake/locks").mkdir(parents=True)
    (root / ".snakemake/locks/0.input.lock").touch()
    (root / ".snakemake/running").write_text(platform.node())
    script = root / ".snakemake/scripts/tmp1.run.py"
    script.parent.mkdir()
    script.touch()
    if has_jobs:
        slurm.Record.write("7", "logs/7.log", {})
    assert locks.claim() is True
    assert script.exists() == has_jobs


def test_folders_of_killed_jobs_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(locks.tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    machine = files.owner().partition("-")[0]
    dead, live = (
        tmp_path / f"nb-{owner}-abcd_123" for owner in (f"{machine}-{ended.pid}", files.owner())
    )
    for folder in (dead, live):
        (folder / "ipython").mkdir(parents=True)
    locks.remove_scratch()
    assert list(tmp_path.iterdir()) == [live]


def test_a_folder_that_cannot_be_written_to_is_one_clear_error(root):
    (root / ".snakemake").write_text("a file")
    with pytest.raises(
        WorkflowError, match=r"\.snakemake cannot be written to: .*run it in a copy"
    ):
        locks.claim()
