"""What is recorded of a run, and what verify says of built files."""

import json
import os
import subprocess
from urllib.parse import quote

import pytest

from common import files
from common.workflow.notebooks import provenance
from common.workflow.notebooks.fingerprint import fingerprint


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    return tmp_path


def git(folder, *arguments):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def recorded(**options):
    return provenance.record(
        notebook="n.ipynb@0", rule="r", parameters={}, inputs=[], outputs=[], scale="embedded",
        device="cpu", threads=1, **options,
    )  # fmt: skip


def test_problems_of_one_step_are_those_of_its_files(root):
    (root / "n.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4}')
    (root / "a.csv").write_text("x\n1\n")
    made = provenance.record(
        notebook=f"n.ipynb@{fingerprint(root / 'n.ipynb', root=root)}", rule="r",
        parameters={}, inputs=[], outputs=["a.csv"], scale="embedded", device="cpu", threads=1,
    )  # fmt: skip
    assert provenance.problems_of(made) == []
    (root / "a.csv").write_text("x\n2\n")
    (problem,) = provenance.problems_of(made)
    assert str(problem).startswith("corrupt: a.csv: its sha256 is ")
    assert str(problem).endswith("Repair: snakemake -j2 --force a.csv")


def test_the_commit_is_this_repositorys_own(root, monkeypatch):
    git(root, "init", "-q")
    git(root, "commit", "-q", "--allow-empty", "-m", "outer")
    commit = git(root, "rev-parse", "HEAD").strip()
    assert recorded()["commit"] == commit
    # An archive that was unpacked inside another repository has no commit.
    inner = root / "unpacked"
    inner.mkdir()
    monkeypatch.setattr(files, "ROOT", inner)
    assert (recorded()["commit"], recorded()["dirty"]) == (None, None)
    # Nor has it that of a repository whose hook or alias runs us.
    monkeypatch.setenv("GIT_DIR", str(root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(inner))
    assert recorded()["commit"] is None
    git_of_another = root / "other"
    git_of_another.mkdir()
    monkeypatch.setattr(files, "ROOT", root)
    monkeypatch.setenv("GIT_DIR", str(git_of_another))
    monkeypatch.delenv("GIT_WORK_TREE")
    assert recorded()["commit"] == commit


def test_a_new_clone_does_not_filter_its_notebooks_in_every_job(root):
    filtered = root / ".git/filtered"
    git(root, "init", "-q")
    git(root, "config", "filter.count.clean", f"echo once >> '{filtered}'; cat")
    (root / ".gitattributes").write_text("*.ipynb filter=count\n")
    (root / "a.ipynb").write_text("{}\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "all")
    # As in a new clone: the date says nothing, since the index has none or the same one.
    os.utime(root / "a.ipynb", (1, 1))
    filtered.unlink()
    assert [recorded()["dirty"] for _ in range(2)] == [False, False]
    assert filtered.read_text().split() == ["once", "once"]
    provenance.refresh_index()
    filtered.unlink()
    assert recorded()["dirty"] is False
    assert not filtered.exists()


def test_a_linked_root_is_still_the_repository(root, monkeypatch):
    (root / "clone").mkdir()
    git(root / "clone", "init", "-q")
    git(root / "clone", "commit", "-q", "--allow-empty", "-m", "all")
    (root / "link").symlink_to(root / "clone")
    monkeypatch.setattr(files, "ROOT", root / "link")
    assert recorded()["commit"] == git(root / "clone", "rev-parse", "HEAD").strip()


def test_instructions_that_were_chosen_are_recorded(monkeypatch):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    found = recorded()["dispatch"]
    assert found["ATEN_CPU_CAPABILITY"] == "avx2"
    assert set(found) >= {"machine", "blas"}
    assert "NUMBA_CPU_NAME" not in found


def build(root, name, *, folder=None):
    """A file with provenance beside it, in a folder that may be a link."""
    (root / "n.ipynb").write_text(json.dumps({"cells": []}))
    code = fingerprint(root / "n.ipynb", root=root)
    files.write_text(name, "text")
    content = recorded() | {
        "notebook": "n.ipynb", "fingerprint": code, "outputs": {name: files.sha256(name)},
    }  # fmt: skip
    files.write_json(f"{name}.json", content)


MADE = [r"results/toy/.*\.csv", r"papers/toy/figures/(?P<name>.+)\.svg"]


def test_foreign_files_are_named_and_are_no_failure(root, capsys):
    build(root, "results/toy/a.csv")
    foreign = ["Thumbs.db", ".DS_Store", "notes.txt", "notes.ipynb", "deep/x.tsv", ".a.csv.swp"]
    for name in foreign:
        files.write_text(f"results/toy/{name}", "x")
    for name in ("results/toy/.ipynb_checkpoints/a.ipynb", "results/toy/.snakemake_timestamp"):
        files.write_text(name, "x")
    assert provenance.main(["--made", *MADE]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "1 files agree with their provenance."
    assert {line.split(": ")[1] for line in lines[:-1]} == {f"results/toy/{x}" for x in foreign}
    for line in lines[:-1]:
        assert line.startswith("foreign: ")
        assert line.endswith("no step of the workflow makes. Delete it, or keep it elsewhere.")
        assert "snakemake" not in line


def test_what_an_archive_leaves_out_is_not_missing(root, capsys):
    prepared = "data/derived/toy/b 100%.csv"
    for name in ("results/toy/a.csv", prepared):
        build(root, name)
    (root / prepared).unlink()
    assert provenance.main([]) == 1
    assert f"missing: {prepared}" in capsys.readouterr().err
    entity = {"@id": provenance.LEFT_OUT + quote(prepared), "sha256": "0"}
    files.write_json(provenance.CRATE, {"@graph": [{"@id": "./"}, entity]})
    assert provenance.main([]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "1 files agree with their provenance.",
        "1 more are not in this archive, only their sha256.",
    ]
    # Once it is made again, it is looked at.
    files.write_text(prepared, "another text")
    assert provenance.main([]) == 1
    assert f"corrupt: {prepared}" in capsys.readouterr().err


def test_what_a_step_wrote_under_an_older_name_is_foreign_once_it_has_run_again(root, capsys):
    made = [*MADE, r"results/toy/notebooks/new\.ipynb"]
    build(root, "results/toy/a.csv")
    old = files.read_json("results/toy/a.csv.json") | {"fingerprint": "000000000000"}
    (root / "results/toy/a.csv.json").unlink()
    files.write_json("results/toy/notebooks/old.json", old)
    # It is all that is known of the file: the code that made it is not today's.
    assert provenance.main(["--made", *made]) == 1
    assert "stale: results/toy/a.csv" in capsys.readouterr().err
    build(root, "results/toy/a.csv")
    (root / "results/toy/notebooks").mkdir(exist_ok=True)
    (root / "results/toy/a.csv.json").rename(root / "results/toy/notebooks/new.json")
    assert provenance.main(["--made", *made]) == 0
    shown = capsys.readouterr().err
    assert "foreign: results/toy/notebooks/old.json: " in shown and "stale" not in shown


def test_of_two_records_of_a_file_the_newer_one_counts(root):
    for name, rule in (("z", "old"), ("a", "new")):
        content = recorded() | {"rule": rule, "outputs": {"results/toy/a.csv": "0"}}
        files.write_json(f"results/toy/{name}.json", content)
    os.utime(root / "results/toy/z.json", (1, 1))
    assert provenance.by_output("results/toy")["results/toy/a.csv"]["rule"] == "new"


def test_what_a_rule_makes_and_nobody_recorded_is_a_failure(root, capsys):
    for name in ("results/toy/a.csv", "papers/toy/figures/bars.csv"):
        files.write_text(name, "x")
    assert provenance.main(["--made", *MADE]) == 1
    shown = capsys.readouterr().err
    assert "a.csv: no run recorded it. Repair: snakemake -j2 --force results/toy/a.csv" in shown
    assert "Repair: snakemake -j2 --force papers/toy/figures/bars.svg" in shown


def test_what_a_killed_process_left_is_named(root, capsys):
    ended = subprocess.Popen(["true"])
    ended.wait()
    with files.atomic("results/toy/a.csv"):  # one that is being written is not
        files.write_text(f"results/toy/.a-{ended.pid}-0123abcd.csv", "half")
        assert provenance.main(["--made", *MADE]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"left over: results/toy/.a-{ended.pid}-0123abcd.csv: it was being")
    assert lines[0].endswith("The next run removes it.")


def test_verify_looks_behind_links(root):
    build(root, "results/toy/a.csv")
    (root / "results/toy").rename(root / "disk")
    (root / "results/toy").symlink_to(root / "disk")
    (root / "disk/back").symlink_to(root / "results")
    assert provenance.verify(MADE) == ([], 1)
    (root / "disk/a.csv").write_text("other")
    (problem,) = provenance.verify(MADE)[0]
    assert str(problem).startswith("corrupt: results/toy/a.csv: its sha256 is")


def test_a_folder_that_cannot_be_read_is_a_failure(root, monkeypatch):
    build(root, "results/toy/a.csv")
    scandir = files.os.scandir

    def refuse(folder):
        if str(folder).endswith("toy"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(files.os, "scandir", refuse)
    (problem,) = provenance.verify(MADE)[0]
    assert str(problem) == (
        "unreadable: results/toy: it cannot be read: Permission denied. "
        "Repair: chmod u+rx results/toy"
    )
