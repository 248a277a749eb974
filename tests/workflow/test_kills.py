"""A run that is killed twenty times ends with the bytes of one that is not."""

import subprocess
import sys

import pytest

from benchmarks import kill_campaign

pytestmark = pytest.mark.workflow

TARGET = "papers/toy/figures"


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
    subprocess.run(command, cwd=killed.path, env=environ, check=True, capture_output=True)
    assert kill_campaign.differences(undisturbed.path, killed.path) == []
    assert kill_campaign.left_over(killed.path, temporary) == []
