"""Peers live in an environment of their own, or the error says how to get it."""

import pytest

from common import files
from common.workflow import peers


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An environment of peers whose interpreter is a shell script."""
    monkeypatch.setattr(files, "ROOT", tmp_path)

    def make(script):
        python = tmp_path / peers.PYTHON
        python.parent.mkdir(parents=True)
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        package = tmp_path / ".venv-peers/lib/python3.11/site-packages/tick/__init__.py"
        package.parent.mkdir(parents=True)
        package.touch()

    return make


def test_without_the_environment_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    assert not peers.installed("tick")
    with pytest.raises(RuntimeError, match=r"tick is not installed in \.venv-peers/.*make peers"):
        peers.run("tick", "script.py")


def test_a_script_gets_its_arguments_and_gives_what_it_prints(environment):
    environment('echo "$(basename $1) $2"')
    assert peers.installed("tick")
    assert not peers.installed("kymatio")
    assert peers.run("tick", "script.py", 3) == "script.py 3\n"


def test_a_notebooks_drawing_backend_is_not_passed_on(environment, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    environment('echo "<$MPLBACKEND>"')
    assert peers.run("tick", "script.py") == "<>\n"


def test_what_a_failing_script_prints_is_in_the_error(environment):
    environment("echo 'no learner today' >&2; exit 3")
    with pytest.raises(RuntimeError, match=r"script\.py failed: no learner today"):
        peers.run("tick", "script.py")
