"""What `tests/slurm/run` says where it cannot run, and that nothing of a cluster stays behind."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from importlib.machinery import SourceFileLoader

import pytest

from common import files
from tests.slurm import cluster

SCRIPT = files.resolve("tests/slurm/run")
IS_LINUX = sys.platform.startswith("linux")


@pytest.fixture(scope="module")
def script():
    loader = SourceFileLoader("slurm_run", str(SCRIPT))
    written = sys.dont_write_bytecode
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("slurm_run", loader))
    loader.exec_module(module)
    sys.dont_write_bytecode = written
    return module


def test_where_there_can_be_no_slurm_it_says_so(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run"])
    monkeypatch.setattr(sys, "platform", "darwin")
    assert script.main() == script.SKIPPED
    assert capsys.readouterr().out == "Skipped: it needs Linux\n"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert script.main() == script.SKIPPED
    assert capsys.readouterr().out == "Skipped: it needs root: sudo tests/slurm/run\n"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(cluster, "find", lambda name: None)
    assert script.main() == script.SKIPPED
    assert "there is no munged, and no apt-get to install it" in capsys.readouterr().out


def test_an_unknown_check_is_refused_with_those_that_there_are(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run", "byte"])
    with pytest.raises(SystemExit):
        script.main()
    assert "no check byte; there are bytes, cost" in capsys.readouterr().err


def test_it_runs_without_this_repositorys_environment():
    done = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True)
    assert "kill -9" in done.stdout


def test_ports_are_free_and_different():
    ports = cluster._free_ports(5)
    assert len(set(ports)) == 5


OWNER = """
import subprocess, sys, time
from pathlib import Path
from tests.slurm import cluster
folder = Path(sys.argv[1])
close = cluster._guard(folder)
# A daemon that does not end when it is asked to, with a child in a session of its own.
command = "trap '' TERM; setsid sleep 600 & sleep 600"
subprocess.Popen(["sh", "-c", command], env={"PATH": "/bin:/usr/bin", cluster.MARK: str(folder)})
while len(cluster.processes(folder)) < 3:
    time.sleep(0.05)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not IS_LINUX, reason="it needs Linux")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_cluster_ends_with_the_process_that_made_it(tmp_path, number):
    folder = tmp_path / "cluster"
    folder.mkdir()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, folder],
        cwd=files.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert owner.stdout.readline() == "ready\n"
    assert len(cluster.processes(folder)) == 3
    owner.send_signal(number)
    owner.wait()
    end = time.monotonic() + 60
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.2)
    assert not folder.exists()
    assert cluster.processes(folder) == []
