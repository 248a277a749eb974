"""What a job shows while it runs and when it fails, and how executed notebooks are saved."""

from types import SimpleNamespace

import nbformat
import pytest

from common import files
from common.workflow.notebooks import kernel, normalize


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(kernel.time, "monotonic", lambda: now.seconds)
    return now


def test_a_progress_bar_is_shown_every_five_seconds_at_most(clock, capsys):
    job = kernel._Job("toy seed=1", "executed.ipynb", None)
    for seconds, text in [
        (104.9, "10%\r"),
        (105.0, "old\r\x1b[31m20%\x1b[0m\r\n"),
        (109.9, "30%\r"),
        (111.0, "\r\n"),
        (111.0, "40%\r50%"),
    ]:
        clock.seconds = seconds
        job.progress(text)
    assert capsys.readouterr().err.splitlines() == ["toy seed=1 | 20%", "toy seed=1 | 50%"]


def test_a_running_notebook_is_saved_every_twenty_seconds(clock, monkeypatch):
    saved = []
    monkeypatch.setattr(kernel, "_save", lambda *arguments: saved.append(clock.seconds))
    job = kernel._Job("toy", "executed.ipynb", None)
    for clock.seconds in (101.0, 119.9, 120.0, 121.0, 139.9, 141.0):
        job.autosave()
    assert saved == [120.0, 141.0]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0, "it ended by itself with exit status 0"),
        (1, "it ended by itself with exit status 1"),
        (-9, "killed by SIGKILL: probably memory ran out, and the system ended it"),
        (-7, "killed by SIGBUS, a crash in compiled code, or a full disk"),
        (-1, "killed by SIGHUP"),
        (-99, "killed by signal 99"),
    ],
)
def test_what_ended_a_kernel_is_named(status, said):
    assert kernel._ending(status) == said


@pytest.mark.parametrize(
    ("n_lines", "failing", "shown"),
    [
        (3, 2, range(1, 4)),
        (12, 12, range(1, 13)),
        (30, None, range(1, 13)),
        (30, 1, range(1, 13)),
        (30, 7, range(2, 14)),
        (30, 20, range(15, 27)),
        (30, 30, range(19, 31)),
    ],
)
def test_twelve_lines_of_a_cell_are_shown_around_the_failing_one(n_lines, failing, shown):
    source = "\n".join(f"line {number}" for number in range(1, n_lines + 1)) + "\n"
    assert kernel._excerpt(source, failing) == [
        f"{'-->' if number == failing else '   '} line {number}" for number in shown
    ]


def failed(*frames, n_before=1):
    """A notebook with papermill's cell, and a failing one that was the seventh to run."""
    error = nbformat.v4.new_output("error", ename="KeyError", evalue="'a'", traceback=list(frames))
    cells = [nbformat.v4.new_code_cell("1", metadata={"tags": ["injected-parameters"]})]
    cells += [nbformat.v4.new_markdown_cell("text") for _ in range(n_before)]
    cells += [nbformat.v4.new_code_cell("f()\ng()", outputs=[error], execution_count=7)]
    return nbformat.v4.new_notebook(cells=cells)


def test_a_failure_is_the_cell_the_last_frames_and_the_error():
    notebook = failed(
        "-----",
        "Cell In[7], line 2\n----> 2 g()",
        "File common/a.py:1, in g()",
        "File common/b.py:2, in h()",
        "Cell In[3], line 9, in early()\n",
        "KeyError: 'a'",
    )
    assert kernel._describe(notebook, files.ROOT / "papers/toy/n.ipynb") == (
        "cell 2 of papers/toy/n.ipynb\n    f()\n--> g()\nFile common/b.py:2, in h()\n"
        "Cell In[3], line 9, in early()\nKeyError: 'a'"
    )
    without = kernel._describe(failed("KeyError: 'a'", n_before=0), files.ROOT / "n.ipynb")
    assert without == "cell 1 of n.ipynb\n    f()\n    g()\nKeyError: 'a'"


def test_the_last_words_of_a_kernel_that_died_are_shown(monkeypatch):
    words = "\n".join(f"word {number}" for number in range(20)) + "\n\n"
    process = SimpleNamespace(wait=lambda: -11)
    monkeypatch.setattr(kernel._Engine, "job", SimpleNamespace(last_words=words, process=process))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x")])
    shown = kernel._describe(notebook, files.ROOT / "n.ipynb").splitlines()
    assert shown[0].startswith("the kernel of n.ipynb died: killed by SIGSEGV")
    assert shown[1:] == [f"word {number}" for number in range(8, 20)]


def test_without_a_kernel_there_is_nothing_to_end(monkeypatch):
    for job in (None, SimpleNamespace(process=None)):
        monkeypatch.setattr(kernel._Engine, "job", job)
        kernel.kill()
    assert not kernel._has_ended(SimpleNamespace(process=None))


# What depends on the run


def test_colours_addresses_and_folders_are_left_out():
    text = f"\x1b[31;1m{files.ROOT}/common/a.py\x1b[0m at 0x7f12ab34, 0x12 in {files.ROOT}"
    assert normalize.plain(text) == "common/a.py at 0x…, 0x12 in ."
    version = f"{normalize.sys.version_info[0]}.{normalize.sys.version_info[1]}"
    library = f"{normalize.sys.prefix}/lib/python{version}/site-packages"
    assert normalize.plain(f"{library}/numpy/a.py") == "numpy/a.py"
    assert normalize.plain("/tmp/ipykernel_123/456.py:3") == "<cell>:3"


def test_an_executed_notebook_keeps_what_the_run_computed():
    new = nbformat.v4.new_output
    at, image = "<A at 0x7f12ab34>", "0x7f12ab34"
    outputs = [
        new("stream", name="stderr", text="\r10%\nkept\n"),
        new("stream", name="stdout", text="\r50%\n"),
        new("display_data", {normalize._WIDGETS: {"model_id": "1"}, "text/plain": "bar"}),
        new("display_data", {"text/plain": at, "image/png": image}, metadata={"width": 3}),
        new("stream", name="stderr", text="after\n"),
        new("error", ename="E", evalue=at, traceback=[at, "second"]),
    ]
    cell = nbformat.v4.new_code_cell("x", outputs=outputs, metadata={"tags": ["a"], "papermill": 1})
    text = nbformat.v4.new_markdown_cell("x", metadata={"time": 1})
    notebook = nbformat.v4.new_notebook(cells=[cell, text], metadata={"papermill": {"d": 1}})
    normalize.normalize(notebook)
    assert "papermill" not in notebook.metadata
    assert [cell.id for cell in notebook.cells] == ["cell-0", "cell-1"]
    assert [dict(cell.metadata) for cell in notebook.cells] == [{"tags": ["a"]}, {}]
    stream, shown, after, error = notebook.cells[0].outputs
    assert (stream.name, stream.text) == ("stderr", "kept\n")
    assert dict(shown.data) == {"text/plain": "<A at 0x…>", "image/png": image}
    assert (dict(shown.metadata), after.text) == ({}, "after\n")
    assert (error.evalue, error.traceback) == ("<A at 0x…>", ["<A at 0x…>", "second"])
