"""The real Snakefile on a toy paper: what reruns, what does not, and what the console says."""

import json
import os
import re
import signal
import subprocess
import time

import nbclient
import nbformat
import pytest

pytestmark = pytest.mark.workflow

TARGET = "papers/toy/figures"
SCALES = {f"toy_scale method={method} seed={seed}" for method in ("sum", "max") for seed in (0, 1)}
AFTER_SCORES = {"toy_gather", "toy_figure_bars", "toy_figure_total", "toy_claims"}


def test_one_line_for_each_job_with_its_place(pristine):
    # A job that takes longer, as on a busy machine, also tells how far it is, after its name.
    told = [line for line in pristine.output.splitlines() if " | " in line]
    assert {line.partition(" | ")[0] for line in told} <= SCALES
    lines = [line for line in pristine.output.splitlines() if line not in told]
    starts = [line for line in lines if line.startswith("[") and "  done" not in line]
    assert [line.partition("]")[0] for line in starts] == [f"[{i:2}/10" for i in range(1, 11)]
    assert len([line for line in lines if "  done  " in line]) == 10
    assert len(lines) <= 2 * 10 + 2


def test_a_rerun_does_nothing(repository):
    assert "Nothing to be done" in repository.snakemake("-j1", f"{TARGET}/")
    assert "Nothing to be done" in repository.snakemake()


def test_touching_everything_reruns_nothing(repository):
    # Oldest first becomes newest first: every output is older than its inputs.
    paths = [path for path in repository.path.rglob("*") if ".snakemake" not in path.parts]
    now = time.time()
    order = sorted((path.stat().st_mtime, str(path)) for path in paths if path.is_file())
    for age, (_, name) in enumerate(order):
        os.utime(name, (now - age, now - age))
    assert repository.jobs("-j1", TARGET) == set()


def test_saving_a_notebook_reruns_nothing(repository):
    for path in (repository / "papers/toy").glob("*.ipynb"):
        content = json.loads(path.read_text())
        content["metadata"]["language_info"]["version"] = "3.99"
        for count, cell in enumerate(content["cells"]):
            cell["metadata"]["scrolled"] = True
            if cell["cell_type"] == "code":
                cell["execution_count"] = count
                cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": ["hello"]}]
            else:
                cell["source"] = ["Other words."]
        path.write_text(json.dumps(content))
    assert repository.jobs("-j1", TARGET) == set()


def test_editing_a_function_reruns_exactly_what_uses_it(repository):
    repository.edit("common/toy.py", "<rect x=", "<rect y='0' x=")
    assert repository.jobs("-j2", TARGET) == {"toy_figure_bars", "toy_figure_total"}
    repository.edit("common/toy.py", 'row["score"] > 0', 'row["score"] >= 0')
    assert repository.jobs("-n", TARGET) == {"toy_claims"}
    # Only one notebook calls score(); what reads its tables follows.
    repository.edit("common/toy.py", "(values) + seed", "(values) + seed + BASE")
    assert repository.jobs("-n", TARGET) == SCALES | AFTER_SCORES


def test_editing_what_no_notebook_uses_reruns_nothing(repository):
    repository.edit(
        "common/files.py", "def write_npz(path, **arrays):", "def write_npz(path, *, a):"
    )
    repository.edit("common/toy.py", '"""Write JSON."""', '"""Other words."""  # a comment')
    assert repository.jobs("-j1", TARGET) == set()


def test_changing_a_parameter_reruns_what_takes_it(repository):
    repository.edit("papers/toy/paper.yaml", "factor: 2.0", "factor: 4.0")
    assert repository.jobs("-n", TARGET) == SCALES | AFTER_SCORES


def test_deleting_a_figure_rebuilds_that_figure(repository):
    (repository / TARGET / "bars.svg").unlink()
    assert repository.jobs("-j1", f"{TARGET}/") == {"toy_figure_bars"}
    assert repository.built()[f"{TARGET}/bars.svg"]


def test_two_jobs_at_a_time_killed_and_resumed_give_the_same_bytes(pristine, tmp_path, unbuilt):
    # The other repository is built undisturbed, one job at a time, in another folder.
    other = unbuilt(tmp_path / "killed")
    command, environment = other.command("-j2")
    run = subprocess.Popen(
        command,
        cwd=other.path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in run.stderr:
        if line.startswith("[ 4/10]"):  # a score is written, two jobs are running
            break
    time.sleep(0.7)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert list((other / ".snakemake/locks").iterdir())
    assert "The last run was killed; its lock is removed" in other.snakemake("-j2")
    assert other.built() == pristine.built()


def test_snakemake_does_not_look_for_jobs_all_the_time(repository):
    with (repository / "Snakefile").open("a") as file:
        file.write("\nonsuccess:\n    print('limit', workflow.scheduler.job_rate_limiter)\n")
    (repository / TARGET / "bars.svg").unlink()
    assert "limit None" in repository.snakemake("-j1", f"{TARGET}/bars.svg")


def test_a_live_run_keeps_its_lock(repository):
    (repository / TARGET / "bars.svg").unlink()
    # The job waits until the second run is over, however long that takes to start.
    over = repository.path.parent / "over"
    is_over = f"pathlib.Path('{over}').exists"
    wait = f"import pathlib, time; [time.sleep(0.1) for _ in iter({is_over}, True)]; "
    repository.edit("papers/toy/figure-bars.ipynb", "toy.draw(", f"{wait}toy.draw(")
    command, environment = repository.command("-j1", TARGET)
    run = subprocess.Popen(
        command, cwd=repository.path, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        next(line for line in run.stderr if line.startswith("[1/1]"))
        output = repository.snakemake("-j1", TARGET, status=1)
    finally:
        over.touch()
    assert "This folder is locked by another snakemake run" in output
    assert len(output.splitlines()) <= 3
    run.stderr.read()
    assert run.wait() == 0


def test_verify_finds_a_corrupt_output_and_names_the_repair(repository):
    assert "agree with their provenance" in repository.snakemake("verify")
    scores = "results/toy/embedded/scores/max-1.json"
    (repository / scores).write_text("{}")
    (repository / TARGET / "total.png").unlink()
    output = repository.snakemake("verify", status=1)
    assert f"corrupt: {scores}" in output
    assert f"Repair: snakemake -j2 --force {scores}" in output
    assert f"missing: {TARGET}/total.png" in output
    repository.snakemake("-j2", "--force", scores, f"{TARGET}/total.svg")
    repository.snakemake("verify")


def test_recorded_tables_redraw_the_figures(repository):
    command = "snakemake -j8 papers/toy/record --config scale=paper"
    output = repository.snakemake("-j1", TARGET, "--config", "scale=recorded", status=1)
    assert command in output
    assert command in repository.snakemake("-j1", "papers/toy/record", status=1)
    repository.snakemake("-j2", "papers/toy/record", "--config", "scale=paper")
    recorded = repository / "papers/toy/recorded"
    assert {path.name for path in recorded.iterdir()} == {
        "bars.json", "total.json", "provenance.json",
    }  # fmt: skip
    # Only what the recorded tables allow, and nothing is computed.
    (recorded / "total.json").unlink()
    jobs = repository.jobs("-j2", TARGET, "--config", "scale=recorded")
    assert jobs == {"toy_figure_bars", "toy_claims"}
    drawn = (repository / TARGET / "bars.svg").read_text()
    assert drawn.count("<rect") == 1  # one seed of one method; the embedded scale draws four


def test_the_smoke_scale_has_results_of_its_own(repository):
    before = {
        name: content
        for name, content in repository.built().items()
        if name.startswith("results/toy/embedded/")
    }
    jobs = repository.jobs("-j2", TARGET, "--config", "scale=smoke")
    assert jobs == {"toy_scale method=max seed=0", *AFTER_SCORES}  # what it derives is there
    after = repository.built()
    assert before and before.items() <= after.items()
    assert "results/toy/smoke/claims.csv" in after
    assert (repository / TARGET / "bars.svg").read_text().count("<rect") == 1
    provenance = json.loads((repository / TARGET / "bars.json").read_text())
    assert provenance["scale"] == "smoke"
    repository.edit("papers/toy/paper.yaml", "    methods: [max]", "    method: [max]")
    output = repository.snakemake("-j1", TARGET, "--config", "scale=smoke", status=1)
    assert "scales.smoke.method is missing from embedded" in output
    assert "did you mean 'methods'?" in output


def test_a_part_of_a_paper_can_be_recorded(repository):
    settings = repository / "papers/toy/paper.yaml"
    settings.write_text(settings.read_text() + "recorded: [total]\n")
    repository.snakemake("-j2", "papers/toy/record", "--config", "scale=paper")
    recorded = repository / "papers/toy/recorded"
    assert {path.name for path in recorded.iterdir()} == {"total.json", "provenance.json"}


def test_the_report_shows_figures_with_their_captions_and_the_claims(repository):
    repository.snakemake("--report", "report.html")
    page = (repository / "report.html").read_text()
    shown = json.loads(re.search(r"var results = (\{.*\});", page)[1])
    assert set(shown) == {
        f"{TARGET}/bars.svg", f"{TARGET}/total.svg", "results/toy/embedded/claims.csv",
        "results/scoreboard.html",
    }  # fmt: skip
    bars = shown[f"{TARGET}/bars.svg"]
    assert bars["labels"] == {"result": "Scores (figure 1 of the paper)"}
    # The caption is text, whatever it means in reStructuredText.
    assert "Score of each method and seed, n_seeds = 2 *each*, as |x|." in bars["caption"]
    assert "problematic" not in bars["caption"]
    assert "Scale: embedded." in bars["caption"]
    assert "with an outcome for each claim" in shown["results/toy/embedded/claims.csv"]["caption"]
    categories = json.loads(re.search(r"var categories = (\{.*\});", page)[1])
    assert set(categories) == {"A toy paper that exercises the whole way", "Scoreboard"}


def test_the_scoreboard_counts_outcomes_by_evidence(pristine):
    page = (pristine / "results/scoreboard.html").read_text()
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in page.split("<tr")]
    assert ["toy", "stand-in data", "4", *6 * ["0"]] in rows
    assert "4 claims were tested on our own runs: 4 reproduced." in page
    assert sum(row[:2] == ["toy", "embedded"] for row in rows) == 4


def test_preview_copies_the_chosen_figure(repository):
    repository.snakemake("-j1", "papers/toy/preview")
    preview = (repository / "papers/toy/preview.png").read_bytes()
    assert preview == (repository / TARGET / "bars.png").read_bytes()


def test_an_unknown_configuration_key_is_one_line(repository):
    output = repository.snakemake("-j1", TARGET, "--config", "devise=cpu", status=1)
    assert "config.yaml: unknown key devise; did you mean 'device'?" in output
    assert len(output.splitlines()) <= 2


def test_an_unknown_paper_key_is_one_line(repository):
    repository.edit("papers/toy/paper.yaml", "summary:", "sumary:")
    output = repository.snakemake("-j1", TARGET, status=1)
    assert "papers/toy/paper.yaml: unknown key sumary; did you mean 'summary'?" in output
    assert len(output.splitlines()) <= 3


def test_an_error_of_snakemake_says_error_once(unbuilt, tmp_path):
    output = unbuilt(tmp_path / "unbuilt").snakemake("--debug", "-c2", TARGET, status=1)
    assert "Error: debug mode cannot be used with multi-core execution" in output
    assert output.count("Error") == 1


def test_progress_bars_show_on_the_console_and_not_in_the_notebook(repository):
    repository.edit(
        "common/workflow/notebooks/kernel.py", "PROGRESS_EVERY = 5.0", "PROGRESS_EVERY = 0.1"
    )
    repository.edit(
        "papers/toy/2-scale.ipynb",
        "for step in range(3):",
        "from tqdm import tqdm\\nfor step in tqdm(range(3), 'epochs', mininterval=0):",
    )
    repository.edit("papers/toy/paper.yaml", "    pause: 0.0\n  smoke:", "    pause: 1.2\n  smoke:")
    score = "results/toy/embedded/scores/sum-0.json"
    output = repository.snakemake("-j1", score)
    lines = [line for line in output.splitlines() if "epochs" in line]
    assert any(
        re.match(r"toy_scale method=sum seed=0 \| epochs: +\d+%.* [012]/3 ", line) for line in lines
    ), output
    executed = (repository / "results/toy/embedded/notebooks/scores/sum-0.ipynb").read_text()
    assert "epochs:" not in executed
    assert "sum 0: " in executed  # what is printed stays


def test_a_failing_notebook_is_short_on_the_console_and_whole_on_disk(repository):
    repository.edit(
        "common/toy.py", "    return factor *", "    factor.no_such_thing\n    return factor *"
    )
    output = repository.snakemake("-j1", "results/toy/embedded/scores/sum-0.json", status=1)
    assert "toy_scale method=sum seed=0 failed: cell 5 of papers/toy/2-scale.ipynb" in output
    assert "score = toy.score(toy.read(clean)" in output
    assert "AttributeError: 'float' object has no attribute 'no_such_thing'" in output
    assert len(output.splitlines()) < 30, output
    executed = "results/toy/embedded/notebooks/scores/sum-0.ipynb"
    assert executed in output
    assert "no_such_thing" in (repository / executed).read_text()
    assert not (repository / executed).with_suffix(".json").exists()


def test_a_notebook_opened_by_hand_names_the_command_that_builds_its_input(repository):
    (repository / "results/toy/embedded/bars.json").unlink()
    notebook = nbformat.read(repository / "papers/toy/figure-bars.ipynb", as_version=4)
    notebook.cells[1].source = f"import sys; sys.path.insert(0, {str(repository.path)!r})\n" + (
        notebook.cells[1].source
    )
    client = nbclient.NotebookClient(
        notebook, resources={"metadata": {"path": str(repository / "papers/toy")}}
    )
    with pytest.raises(nbclient.exceptions.CellExecutionError) as error:
        client.execute()
    table = "results/toy/embedded/bars.json"
    assert f"{table} is not built yet. Build it with: snakemake -j2 {table}" in str(error.value)


@pytest.mark.parametrize("name", ["start-here.ipynb", "browse-data.ipynb"])
@pytest.mark.parametrize("built", [True, False])
def test_a_notebook_to_read_runs_by_hand(name, built, pristine, unbuilt, tmp_path, monkeypatch):
    repository = pristine if built else unbuilt(tmp_path / "unbuilt")
    monkeypatch.setenv("PYTHONPATH", str(repository.path))
    notebook = nbformat.read(repository / "notebooks" / name, as_version=4)
    folder = {"metadata": {"path": str(repository / "notebooks")}}
    nbclient.NotebookClient(notebook, resources=folder).execute()
    said = nbformat.writes(notebook)
    if name == "browse-data.ipynb":
        assert "Fetch it: python -m common.registry fetch eeghdf-spasms" in said
    else:
        svg = f"{TARGET}/bars.svg"
        assert (f"{svg} is not built yet. Build it with: snakemake -j2 {svg}" in said) != built
        assert ("<rect" in said) == built
