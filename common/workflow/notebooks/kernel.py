"""One notebook through papermill, on this interpreter, with progress lines on the console."""

import contextlib
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

from common import files
from common.workflow import locks
from common.workflow.notebooks import isolation
from common.workflow.notebooks.normalize import normalize, plain

__all__ = ["execute", "kill"]

PROGRESS_EVERY = 5.0  # seconds between two lines of one job
SAVE_EVERY = 20.0  # seconds between two saves of a running notebook
_N_SOURCE_LINES = 12
_N_FRAMES = 2
_LAUNCH = Path(__file__).with_name("launch.py")
_BANNER = "papermill-error-cell-tag"


def execute(path, values, *, executed, name, folder, forked=None):
    """Run a notebook and save it executed.

    Parameters
    ----------
    path : Path
    values : dict of str to object
        Its parameters.
    executed : str
        Where it goes with its outputs; written also when a cell fails.
    name : str
        Prefix of the progress lines.
    folder : Path
        Working directory of the kernel.
    forked : common.workflow.notebooks.warm.Kernel, optional
        The kernel, if it fits; else another one is started.

    Returns
    -------
    failure : str or None
        The failing cell, the last frames and the error; or what ended the kernel.
    """
    _Engine.job = _Job(name, executed, forked)
    failure = None
    try:
        execute_notebook(
            _unformatted(path),
            None,
            parameters=values,
            engine_name="artifacts",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
            cwd=str(folder),
        )
    except (PapermillExecutionError, DeadKernelError) as error:
        failure = error
    notebook = _Engine.job.notebook
    # Papermill puts a banner before a failing cell; the traceback is enough.
    notebook.cells = [cell for cell in notebook.cells if _BANNER not in _tags(cell)]
    normalize(notebook)
    _save(notebook, executed)
    return _describe(notebook, path) if failure else None


class _Job:
    def __init__(self, name, executed, forked):
        self.forked = forked
        self.name = name
        self.executed = executed
        self.notebook = None
        self.process = None
        self.scratch = None
        self.last_words = ""
        self.shown = self.saved = time.monotonic()

    def progress(self, text):
        """Show the last state of a progress bar, at most every few seconds."""
        now = time.monotonic()
        line = plain(text).replace("\r", "\n").strip().rpartition("\n")[2]
        if line and now - self.shown >= PROGRESS_EVERY:
            self.shown = now
            print(f"{self.name} | {line}", file=sys.stderr, flush=True)

    def autosave(self):
        """Save the running notebook now and then, for who looks at it."""
        if time.monotonic() - self.saved >= SAVE_EVERY:
            self.saved = time.monotonic()
            _save(self.notebook, self.executed)


class _Client(PapermillNotebookClient):
    """Papermill's client, without the output of progress bars."""

    def process_message(self, msg, cell, cell_index):
        content = msg["content"]
        if msg["msg_type"] == "stream" and content["name"] == "stderr" and "\r" in content["text"]:
            _Engine.job.progress(content["text"])
            content["text"] = "\n".join(
                line for line in content["text"].split("\n") if "\r" not in line
            )
        _Engine.job.autosave()
        return super().process_message(msg, cell, cell_index)


class _KernelManager(AsyncKernelManager):
    """Starts this interpreter, or one that is forked; not whatever kernel a user has installed."""

    @property
    def kernel_spec(self):
        return KernelSpec(
            argv=[sys.executable, str(_LAUNCH), "-f", "{connection_file}"],
            display_name="Python 3",
            language="python",
        )

    async def _async_launch_kernel(self, kernel_cmd, **options):
        forked = _Engine.job.forked
        if forked and forked.fits(options["env"]):
            self.provisioner.process = forked
            self.provisioner.pid = self.provisioner.pgid = forked.pid
            output = options["stdout"].name
            forked.start(kernel_cmd, env=options["env"], output=output)
        else:
            await super()._async_launch_kernel(kernel_cmd, **options)
        _Engine.job.process = self.provisioner.process


class _Engine(NBClientEngine):
    """Papermill's engine, on the interpreter that runs this process."""

    job = None

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, start_timeout=120, **options):
        cls.job.notebook = nb_man.nb
        client = _Client(
            nb_man,
            kernel_manager_class=_KernelManager,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            timeout=None,
            shutdown_kernel="immediate",
            record_timing=False,
            extra_arguments=["--HistoryManager.enabled=False"],
        )
        # Sockets are files in a folder that only this user can enter; the kernel's own output is
        # of interest only if it dies.
        locks.remove_scratch()
        with locks.scratch() as (folder, has_sockets):
            cls.job.scratch = folder
            environment = isolation.job_environment(os.environ, root=files.ROOT, scratch=folder)
            spoken = Path(folder, "output")
            with spoken.open("w") as output:
                client.create_kernel_manager()
                client.km.connection_file = str(Path(folder, "kernel.json"))
                client.km.transport = "ipc" if has_sockets else "tcp"
                try:
                    return client.execute(stdout=output, stderr=output, env=environment)
                except (DeadKernelError, RuntimeError) as error:
                    # A kernel that ends while it starts is no DeadKernelError.
                    if isinstance(error, PapermillExecutionError) or not _has_ended(cls.job):
                        raise
                    cls.job.last_words = spoken.read_text(errors="replace")
                    raise DeadKernelError(str(error)) from None


def kill():
    """End the kernel that runs, if any, with all its processes, and remove what it had open."""
    job = _Engine.job
    if job is None or job.process is None:
        return
    with contextlib.suppress(OSError):
        os.killpg(job.process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        job.process.wait(timeout=5)
    shutil.rmtree(job.scratch, ignore_errors=True)


papermill_engines.register("artifacts", _Engine)
# papermill does not read annotations with `|` and then calls a declared parameter unknown;
# `common.workflow.notebooks.parameters` has checked them all.
logging.getLogger("papermill").setLevel(logging.ERROR)


def _has_ended(job):
    """Whether the kernel's process has ended, or ends within a second."""
    if job.process is None:
        return False
    try:
        job.process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return False
    return True


def _ending(status):
    """How a process ended, by its return code, which is negative if a signal did it."""
    if status >= 0:
        return f"it ended by itself with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    cause = {
        "SIGKILL": ": probably memory ran out, and the system ended it",
        "SIGSEGV": ", a crash in compiled code",
        "SIGBUS": ", a crash in compiled code, or a full disk",
        "SIGABRT": ", an abort in compiled code",
        "SIGFPE": ", a crash in compiled code",
        "SIGILL": ": compiled code has instructions that this processor lacks",
        "SIGXCPU": ": its limit of processor time was reached",
        "SIGXFSZ": ": its limit of file size was reached",
        "SIGTERM": ": somebody or a scheduler ended it",
    }.get(name, "")
    return f"killed by {name}{cause}"


def _save(notebook, path):
    import nbformat

    files.write_text(path, nbformat.writes(notebook) + "\n")


def _describe(notebook, path):
    # Count cells as the author sees them, without the one that papermill adds.
    cells = [cell for cell in notebook.cells if "injected-parameters" not in _tags(cell)]
    failed = [
        (number, cell, output)
        for number, cell in enumerate(cells, start=1)
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    ]
    if not failed:
        words = plain("\n".join(_Engine.job.last_words.strip().splitlines()[-_N_SOURCE_LINES:]))
        end = _ending(_Engine.job.process.wait())
        return f"the kernel of {files.relative(path)} died: {end}.\n{words}".strip()
    number, cell, error = failed[0]
    own = [
        re.match(rf"Cell In\[{cell.execution_count}\], line (\d+)", frame.strip())
        for frame in error.traceback
    ]
    frames = [
        frame.strip("\n")
        for frame, is_own in zip(error.traceback, own, strict=True)
        if not is_own and frame.lstrip().startswith(("File ", "Cell "))
    ]
    line = next((int(match[1]) for match in own if match), None)
    return "\n".join(
        [
            f"cell {number} of {files.relative(path)}",
            *_excerpt(cell.source, line),
            *frames[-_N_FRAMES:],
            f"{error.ename}: {error.evalue}",
        ]
    )


def _excerpt(source, line):
    """A cell's source around the failing line, which an arrow marks."""
    lines = [
        f"{'-->' if number == line else '':3} {text}"
        for number, text in enumerate(source.rstrip().split("\n"), start=1)
    ]
    first = max(0, min((line or 1) - _N_SOURCE_LINES // 2, len(lines) - _N_SOURCE_LINES))
    return lines[first : first + _N_SOURCE_LINES]


def _unformatted(path):
    """A path that papermill leaves as it is: it fills in what stands in braces."""
    return re.sub("([{}])", r"\1\1", str(path))


def _tags(cell):
    return cell.metadata.get("tags", [])
