"""What `tests/fresh/run` takes from README and Dockerfile, and what it says where it cannot run."""

import importlib.util
import os
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader

import pytest

from common import files

SCRIPT = files.resolve("tests/fresh/run")


@pytest.fixture(scope="module")
def fresh():
    loader = SourceFileLoader("fresh_run", str(SCRIPT))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("fresh_run", loader))
    loader.exec_module(module)
    sys.dont_write_bytecode = written
    return module


def test_commands_are_those_of_the_readme(fresh):
    readme = files.resolve("README.md").read_text("utf-8")
    lines = fresh.commands(readme, paper="hawkes-meg")
    assert lines[:2] == ["make env", "make figures PAPER=hawkes-meg"]
    assert "source .venv/bin/activate" in lines
    assert not any("#" in line or "dance" in line for line in lines)
    assert fresh.package_line(readme) == "apt install git make python3-venv"
    changed = readme.replace("    make env ", "    make env PYTHON=python3 ", 1)
    assert fresh.commands(changed, paper="dance")[0] == "make env PYTHON=python3"


def test_lines_of_the_dockerfile(fresh):
    folder, lines = fresh.docker_commands("FROM x\nRUN a && \\\n    b\nWORKDIR /c\nRUN d\nCMD e\n")
    assert (folder, lines) == ("/c", ["a && b", "d"])


def test_without_root_or_debootstrap_it_says_so(fresh, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert fresh.main() == fresh.SKIPPED
    assert capsys.readouterr().out == "Skipped: it needs root: sudo tests/fresh/run\n"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert fresh.main() == fresh.SKIPPED
    assert capsys.readouterr().out == "Skipped: it needs debootstrap: apt install debootstrap\n"


def test_folders_and_files_of_the_configuration_come_along(fresh, tmp_path):
    index = tmp_path / "index/simple"
    index.mkdir(parents=True)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "ca.crt").touch()
    environment = {
        "PIP_EXTRA_INDEX_URL": f"file://{index}",
        "PIP_FIND_LINKS": f"{tmp_path}/wheels {tmp_path}/gone",
        "SSL_CERT_FILE": f"{tmp_path}/ca.crt",
    }
    found = fresh.configured_paths(environment)
    # The files of an index lie beside its folder of pages.
    expected = {f"{tmp_path}/index", f"{tmp_path}/wheels", f"{tmp_path}/ca.crt"}
    assert expected <= {*found}
    assert f"{tmp_path}/gone" not in found


def test_it_runs_without_this_repositorys_environment():
    done = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True)
    assert "debootstrap" in done.stdout
