"""The study of pipelines as a workflow: interruption, growth, and the paper's scale."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.workflow

SCORES = "results/moabb/embedded/scores/left_right/Simulated-3"
TABLE = "results/moabb/embedded/tables/scores.csv"


def change(repository, edit):
    path = repository / "papers/moabb/paper.yaml"
    paper = yaml.safe_load(path.read_text())
    edit(paper["scales"]["embedded"])
    paper["scales"].pop("smoke", None)  # differs from settings that may be gone
    path.write_text(yaml.safe_dump(paper))


def smallest(scale):
    """Three simulated subjects and two pipelines of one group."""
    simulated = {
        "name": "Simulated",
        "subjects": 3,
        "options": {"paradigm": "imagery", "n_subjects": 3, "n_trials": 10},
    }
    left_right = {"pipelines": ["CSP+LDA", "MDM"], "datasets": {"Simulated-3": simulated}}
    scale.update(benchmark={"left_right": left_right}, simulated=["Simulated-3"], pairs=[])


@pytest.fixture(scope="module")
def repository(other_paper):
    """Built by a second run, after the first one was killed with one subject done."""
    made = other_paper("moabb")
    change(made, smallest)
    command, environment = made.command("-j1", TABLE)
    run = subprocess.Popen(
        command,
        cwd=made.path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in run.stderr:
        if line.startswith("[2/4]"):  # one score is written, the second job is running
            break
    time.sleep(0.5)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    made.before = {path.name: path.stat().st_mtime_ns for path in _scores(made)}
    made.after_kill = made.jobs("-n", TABLE)
    made.snakemake("-j2", TABLE)
    return made


def _scores(repository):
    return [path.parent for path in (repository / SCORES).rglob("quick.csv")]


def labels(jobs):
    return {job.removeprefix("moabb_") for job in jobs}


def piece(subject):
    return f"evaluate piece=left_right/Simulated-3/{subject}/quick"


def test_a_killed_run_recomputes_only_what_is_missing(repository):
    assert len(repository.before) == 1  # one subject was done when the run was killed
    (done,) = repository.before
    missing = {piece(subject) for subject in "123" if subject != done}
    assert labels(repository.after_kill) == missing | {"gather table=scores"}
    now = {path.name: path.stat().st_mtime_ns for path in _scores(repository)}
    assert len(now) == 3
    assert now[done] == repository.before[done]
    assert not repository.jobs("-n", TABLE)


def test_a_lost_piece_is_evaluated_again_to_the_same_bytes(repository):
    table = (repository / TABLE).read_bytes()
    (repository / SCORES / "2/quick.csv").unlink()
    (repository / TABLE).unlink()
    assert labels(repository.jobs("-n", TABLE)) == {piece(2), "gather table=scores"}
    repository.snakemake("-j2", TABLE)
    assert (repository / TABLE).read_bytes() == table


def test_a_short_piece_never_becomes_a_table(repository):
    path = repository / SCORES / "3/quick.csv"
    whole = path.read_text()
    path.write_text("".join(line for line in whole.splitlines(True) if "MDM" not in line))
    (repository / TABLE).unlink()
    output = repository.snakemake("-j1", TABLE, status=1)
    assert "no row for dataset=Simulated-3, subject=3, pipeline=MDM" in output
    assert not (repository / TABLE).exists()
    path.write_text(whole)
    repository.snakemake("-j1", TABLE)


def test_a_new_pipeline_of_its_own_group_runs_alone(repository):
    path = repository / "papers/moabb/paper.yaml"
    before = path.read_text()
    add = ["CSP+LDA", "MDM", "FilterBank+SVM"]
    change(repository, lambda scale: scale["benchmark"]["left_right"].update(pipelines=add))
    try:
        new = {piece(subject).replace("quick", "filter-bank-svm") for subject in "123"}
        assert labels(repository.jobs("-n", TABLE)) == new | {"gather table=scores"}
    finally:
        path.write_text(before)


def _recording(path):
    """A made-up recording in the form of AlexMI: sixteen channels, events 2, 3 and 4."""
    import mne

    rng = np.random.default_rng(0)
    sfreq, n_trials = 128.0, 30
    names = [
        "Fpz",
        "F7",
        "F3",
        "Fz",
        "F4",
        "F8",
        "T7",
        "C3",
        "Cz",
        "C4",
        "T8",
        "P7",
        "P3",
        "Pz",
        "P4",
        "P8",
    ]
    n_times = round((4 * n_trials + 8) * sfreq)
    data = np.zeros((17, n_times))
    data[:16] = 1e-5 * rng.standard_normal((16, n_times))
    onsets = round(2 * sfreq) + np.arange(n_trials) * round(4 * sfreq)
    data[16, onsets] = 2 + np.arange(n_trials) % 3
    info = mne.create_info([*names, "STIM"], sfreq, ["eeg"] * 16 + ["stim"])
    path.parent.mkdir(parents=True)
    mne.io.RawArray(data, info, verbose="error").save(path, verbose="error")


def test_the_papers_scale_starts(repository, tmp_path, monkeypatch):
    """Fetch and evaluation of one subject, with the mirror in place of the download."""
    mirror = tmp_path / "mirror"
    _recording(mirror / "MNE-alexeeg-data/zenodo/806023/subject1.raw.fif")
    (tmp_path / "mne").mkdir()
    monkeypatch.setenv("MNE_DATA", str(tmp_path / "mne"))
    scores = "results/moabb/paper/scores/right_hand_feet/AlexMI/1/quick.csv"
    output = repository.snakemake("-j1", scores, "--config", "scale=paper", f"mirror={mirror}")
    assert "fetch_subject name=alexmi subject=1" in " ".join(output.split())
    table = (repository / scores).read_text().splitlines()
    assert len(table) == 9  # eight quick pipelines, one session
    assert all("right_hand_feet,AlexMI,1" in row for row in table[1:])
