"""The runner: what it passes, what it refuses, what it saves, and how it fails."""

import json
import os
from types import SimpleNamespace

import nbformat
import pytest
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, Wildcards

from common import files
from common.notebooks import normalize, run


def make_job(*, inputs=None, outputs=None, params=None, wildcards=None, log=None):
    return SimpleNamespace(
        input=InputFiles(fromdict=inputs or {}),
        output=OutputFiles(fromdict=outputs or {}),
        params=Params(fromdict={"notebook": "n.ipynb@0", **(params or {})}),
        wildcards=Wildcards(fromdict=wildcards or {}),
        log=Log(fromdict=log or {"notebook": "executed.ipynb"}),
        config={"scale": "embedded"},
        rule="toy_scale",
        threads=1,
    )


def test_named_values_and_wildcards_become_parameters():
    job = make_job(
        inputs={"scores": ["a", "b"], "table": "t"},
        outputs={"svg": "x.svg"},
        params={"grid": {"low": (1, 2)}},
        wildcards={"seed": "1"},
    )
    job.input = InputFiles(toclone=["a", "b", "t"])
    job.input._set_name("scores", 0, end=2)
    job.input._set_name("table", 2)
    notebook, values, wildcards = run.collect(job)
    assert notebook == "n.ipynb@0"
    assert wildcards == {"seed"}
    assert values == {
        "scores": ["a", "b"], "table": "t", "svg": "x.svg", "grid": {"low": [1, 2]}, "seed": "1",
    }  # fmt: skip


def test_an_unnamed_output_is_an_error():
    job = make_job()
    job.output = OutputFiles(toclone=["x.csv"])
    with pytest.raises(run.JobError, match=r"output 'x.csv' of rule toy_scale has no name"):
        run.collect(job)


def test_clashing_names_are_an_error():
    job = make_job(inputs={"table": "a"}, params={"table": "b"})
    with pytest.raises(run.JobError, match="has 'table' in both input and params"):
        run.collect(job)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository root where notebooks are written and run."""
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.setattr(run, "ROOT", tmp_path)

    def write(*sources, parameters="out = ''"):
        cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
        cells += [nbformat.v4.new_code_cell(source) for source in sources]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "n.ipynb")
        return tmp_path

    return write


def test_a_run_saves_the_executed_notebook_and_provenance(root):
    folder = root(
        "import os, sys, warnings\n"
        "print('\\r' + '50' + '%', file=sys.stderr)\n"
        "print('war' + 'ned', file=sys.stderr)\n"
        "names = 'OMP_NUM_THREADS', 'PYTHONHASHSEED', 'ARTIFACTS_JOB'\n"
        "print(os.getcwd(), *(os.environ[name] for name in names))\n"
        "object()",
        "open(out, 'w').write('1')",
    )
    job = make_job(outputs={"out": "out.txt"})
    before = dict(os.environ)
    run.run(job)
    assert dict(os.environ) == before
    executed = (folder / "executed.ipynb").read_text()
    for absent in ("50%", str(folder), "start_time", "duration", "object at 0x7", "iopub"):
        assert absent not in executed
    assert "warned" in executed
    assert ". 1 0 1" in executed  # the root, one thread, the hash seed, a job
    provenance = json.loads((folder / "executed.json").read_text())
    assert provenance["outputs"] == {"out.txt": files.sha256("out.txt")}
    assert provenance["parameters"] == {"out": "out.txt"}
    run.run(job)
    assert (folder / "executed.ipynb").read_text() == executed


def test_an_output_that_was_not_written_is_named(root):
    folder = root("1 + 1")
    with pytest.raises(run.JobError, match=r"n.ipynb ended without writing out.txt"):
        run.run(make_job(outputs={"out": "out.txt"}))
    assert not (folder / "executed.json").exists()


def test_a_failing_cell_shows_its_source_and_the_error(root, capsys):
    folder = root("def f(x):\n    return x / 0", "value = 1\nf(value)")
    assert run.main(make_job(outputs={"out": "out.txt"})) == 1
    shown = capsys.readouterr().err
    assert "toy_scale failed: cell 3 of n.ipynb" in shown
    assert "--> f(value)" in shown
    assert "return x / 0" in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "executed.ipynb" in shown
    assert len(shown.splitlines()) < 25
    assert "ZeroDivisionError" in (folder / "executed.ipynb").read_text()


def test_a_kernel_that_dies_is_reported(root, capsys):
    root("import os\nos._exit(3)")
    assert run.main(make_job(outputs={"out": "out.txt"})) == 1
    assert "the kernel of n.ipynb died" in capsys.readouterr().err


def test_a_value_that_does_not_fit_stops_before_anything_runs(root, capsys):
    folder = root("1 + 1")
    assert run.main(make_job(params={"outt": 1})) == 1
    assert "did you mean 'out'?" in capsys.readouterr().err
    assert not (folder / "executed.ipynb").exists()


def test_streams_are_merged_whatever_their_order():
    def out(name, text):
        return nbformat.v4.new_output("stream", name=name, text=text)

    def normalized(*outputs):
        cell = nbformat.v4.new_code_cell("x", outputs=list(outputs))
        notebook = nbformat.v4.new_notebook(cells=[cell])
        normalize.normalize(notebook)
        return nbformat.writes(notebook)

    one = normalized(out("stdout", "a"), out("stderr", "e\n"), out("stdout", "b"))
    assert one == normalized(out("stderr", "e\n"), out("stdout", "ab"))
