"""The runner: what it passes, what it refuses, what it saves, and how it fails."""

import json
import multiprocessing
import os
import signal
import tempfile
import time
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, Wildcards

from common import files
from common.workflow.notebooks import kernel, normalize, run


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


def test_a_run_saves_the_executed_notebook_and_provenance(root, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
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
    run.run(job)
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


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("os._exit(3)", "it ended by itself with exit status 3."),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL: probably memory ran out"),
        ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV, a crash in compiled code."),
        ("os.abort()", "killed by SIGABRT, an abort in compiled code."),
        ("os.kill(os.getpid(), 15)", "killed by SIGTERM: somebody or a scheduler ended it."),
    ],
)
def test_a_kernel_that_dies_is_reported_by_what_ended_it(root, capsys, end, said):
    folder = root(
        "import os\nfrom common import files\nwith files.atomic(out) as temporary:\n"
        f"    temporary.write_text('half')\n    {end}"
    )
    assert run.main(make_job(outputs={"out": f"{folder}/out/out.txt"})) == 1
    shown = capsys.readouterr().err
    assert f"the kernel of n.ipynb died: {said}" in shown
    assert ("memory" in shown) == ("SIGKILL" in shown)
    # Neither half a file nor a temporary one is left.
    assert list((folder / "out").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_job_that_is_stopped_ends_quietly_with_its_kernel(root, tmp_path, capfd, number):
    folder = root(
        "import os, time\nfrom common import files\nwith files.atomic(out):\n"
        f"    files.write_text('{tmp_path}/kernel', str(os.getpid()))\n    time.sleep(600)"
    )
    (folder / "common").symlink_to(files.Path(run.__file__).parents[2])
    job = make_job(outputs={"out": f"{folder}/out/out.txt"})
    process = multiprocessing.get_context("fork").Process(
        target=lambda: os._exit(run.main(job)), daemon=True
    )
    process.start()
    while not (folder / "kernel").exists():
        assert process.is_alive()
        time.sleep(0.05)
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == 128 + number
    assert not psutil.pid_exists(int((folder / "kernel").read_text()))
    assert list((folder / "out").iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_kernel_that_does_not_start_is_one_clear_error(root, capsys, tmp_path, monkeypatch):
    root("1 + 1")
    launch = tmp_path / "launch.py"
    launch.write_text("import sys; sys.exit('no kernel today')")
    monkeypatch.setattr(kernel, "_LAUNCH", launch)
    assert run.main(make_job(outputs={"out": "out.txt"})) == 1
    shown = capsys.readouterr().err
    assert "the kernel of n.ipynb died: it ended by itself with exit status 1." in shown
    assert "no kernel today" in shown
    assert "Traceback" not in shown


def test_a_job_reads_no_configuration_of_the_user(root, tmp_path, monkeypatch):
    folder = root(
        "import os, sys, warnings, matplotlib, mne\n"
        "found = [sum([1]), matplotlib.rcParams['lines.linewidth'],\n"
        "         mne.get_config('MNE_USE_CUDA'), mne.get_config('MNE_DATA'),\n"
        "         os.environ.get('PYTHONWARNINGS'), sys.flags.optimize, common.__file__]",
        "open(out, 'w').write(repr(found))",
        parameters="out = ''",
    )
    notebook = folder / "n.ipynb"
    notebook.write_text(notebook.read_text().replace("import os, sys", "import common, os, sys"))
    home = tmp_path / "home"
    broken = "import builtins\nbuiltins.sum = lambda values: 0\n"
    for name, text in {
        "ipython/profile_default/startup/00-mine.py": broken,
        "ipython/profile_default/ipython_kernel_config.py": "c.InteractiveShellApp.exec_lines = "
        "['import builtins', 'builtins.sum = lambda values: 0']",
        "startup.py": broken,
        "matplotlibrc": "lines.linewidth: 99\n",
        "matplotlib/matplotlibrc": "lines.linewidth: 99\n",
        "site/usercustomize.py": broken,
        "site/sitecustomize.py": broken,
        "site/common/__init__.py": "",
        "virtual/lib/python3/site-packages/x": "",
        ".mne/mne-python.json": '{"MNE_USE_CUDA": "true", "MNE_DATA": "/somewhere"}',
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    for name, value in {
        "IPYTHONDIR": "ipython", "PYTHONSTARTUP": "startup.py", "MATPLOTLIBRC": "matplotlibrc",
        "MPLCONFIGDIR": "matplotlib", "PYTHONPATH": "site", "VIRTUAL_ENV": "virtual",
        "_MNE_FAKE_HOME_DIR": ".",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(home / value))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    (folder / "common").symlink_to(files.Path(run.__file__).parents[2])
    run.run(make_job(outputs={"out": "out.txt"}))
    ours = str(folder / "common/__init__.py")
    expected = [1, 1.5, None, "/somewhere", None, 0, ours]
    assert (folder / "out.txt").read_text() == repr(expected)


def test_settings_of_a_library_in_the_root_stop_the_job(root, capsys):
    folder = root("1 + 1")
    (folder / "matplotlibrc").write_text("lines.linewidth: 99\n")
    assert run.main(make_job()) == 1
    assert "matplotlibrc in the repository's root would change" in capsys.readouterr().err
    assert not (folder / "executed.ipynb").exists()


@pytest.mark.parametrize("folder", ["x" * 120, "missing"])
def test_sockets_find_a_place_whatever_the_folder_of_temporary_files(
    root, tmp_path, monkeypatch, folder
):
    temporary = tmp_path / folder
    if folder != "missing":
        temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(temporary))
    root("open(out, 'w').write('1')")
    run.run(make_job(outputs={"out": "out.txt"}))


def test_without_a_place_for_sockets_the_kernel_is_reached_otherwise(root, monkeypatch):
    monkeypatch.setattr(kernel.locks, "_holds_sockets", lambda folder: False)
    root("open(out, 'w').write('1')")
    run.run(make_job(outputs={"out": "out.txt"}))


def test_an_output_folder_that_cannot_be_written_to_is_one_clear_error(root, capsys):
    folder = root("1 + 1")
    (folder / "results").write_text("a file")
    assert run.main(make_job(outputs={"out": "results/toy/out.txt"})) == 1
    shown = capsys.readouterr().err
    assert "cannot write results/toy/out.txt: results/toy, or what it lies in, is a file" in shown
    assert not (folder / "executed.ipynb").exists()  # before anything ran
    assert "Traceback" not in shown


# The device


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """A machine with a driver and a torch that prints and ends as told."""
    exists = run.Path.exists
    driver = "/proc/driver/nvidia/version"
    monkeypatch.setattr(
        run.Path, "exists", lambda self, **k: str(self) == driver or exists(self, **k)
    )
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def torch(source):
        (tmp_path / "torch.py").write_text(source)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return torch


WORKS = """
class Tensor:
    def add_(self, x): return self
    def item(self): return 1.0
def zeros(n, device): return Tensor()
"""
TOO_OLD = """
def zeros(n, device):
    raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).")
"""


def test_a_gpu_that_torch_can_use_is_used(gpu, capsys):
    gpu(WORKS)
    assert run.device() == run.device("cuda") == "cuda"
    assert capsys.readouterr().err == ""


def test_a_gpu_that_torch_cannot_use_is_left_with_a_line(gpu, capsys):
    gpu(TOO_OLD)
    assert run.device() == "cpu"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("device auto: cpu, because torch cannot use the GPU: RuntimeError: The")
    with pytest.raises(run.JobError, match=r"device is cuda, .* driver .* is too old .*device=cpu"):
        run.device("cuda")


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_hidden_gpu_is_not_used_and_torch_not_asked(gpu, monkeypatch, hidden):
    gpu("raise SystemExit('asked')")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert run.device() == "cpu"
    with pytest.raises(run.JobError, match=f"CUDA_VISIBLE_DEVICES is {hidden!r}, which hides it"):
        run.device("cuda")


def test_a_build_for_processors_is_not_asked(gpu, monkeypatch, capsys):
    gpu("raise SystemExit('asked')")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cpu")
    assert run.device() == "cpu"
    assert "torch 2.13.0+cpu is a build for processors only" in capsys.readouterr().err


def test_without_a_driver_nothing_is_said_and_torch_not_asked(monkeypatch, capsys):
    monkeypatch.setattr(run.Path, "exists", lambda self: False)
    monkeypatch.setattr(run.subprocess, "run", None)
    assert run.device() == "cpu"
    assert capsys.readouterr().err == ""


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
