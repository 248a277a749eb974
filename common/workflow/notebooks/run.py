"""The one ``script:`` of every rule: runs the rule's notebook and says what went wrong.

Named inputs, outputs, params (except ``notebook``) and wildcards become the notebook's parameters.
The notebook runs through papermill from the repository root, with numeric libraries fixed to one
thread, because the number of threads changes bits. The executed notebook is the rule's
``log: notebook=``, written also when a cell fails; provenance stands beside it.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# Optional imports of our imports, half of the runner's start, that a local notebook does not need:
# jsonschema's grammar of IRIs (1.4 s), papermill's S3 client and its formatter of parameters.
SKIPPED_IMPORTS = ("rfc3987_syntax", "boto3", "black")


class JobError(Exception):
    """What the console shows instead of a traceback."""


def main(job, *, asker=None, forked=None):
    """Run the notebook of one Snakemake job.

    Parameters
    ----------
    job : snakemake.iocontainers.Snakemake
        The ``snakemake`` object that Snakemake gives to scripts.
    asker : socket.socket, optional
        To the process that Snakemake has started, if this one is another
        (`common.workflow.notebooks.warm`).
    forked : common.workflow.notebooks.warm.Kernel, optional
        The kernel that this process has forked.

    Returns
    -------
    status : int
        0, or 1 after the error has been printed.
    """
    from common.workflow import console

    console.accept_any_encoding()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: _stop(job, 128 + number))
    threading.Thread(target=_end_with, args=[job, asker], daemon=True).start()
    try:
        run(job, forked)
    except JobError as error:
        print(f"\n{label(job)} failed: {error}", file=sys.stderr, flush=True)
        _remove_leftovers(job)
        return 1
    return 0


def run(job, forked=None):
    """Run the notebook of one job and write its provenance.

    Parameters
    ----------
    job, forked
        As in `main`.

    Raises
    ------
    JobError
        If the rule and the notebook do not fit, a cell fails, or an output is missing.
    """
    from common import files
    from common.workflow.notebooks import isolation, parameters, provenance

    if message := isolation.refuse_local_settings(ROOT):
        raise JobError(message)

    notebook, values, wildcards = collect(job)
    path = notebook.partition("@")[0]
    try:
        values = parameters.bind(path, values, wildcards=wildcards)
    except (parameters.ParameterError, FileNotFoundError) as error:
        raise JobError(str(error)) from None
    if values.get("device") in {"auto", "cuda"}:
        values["device"] = device(values["device"])
    executed = job.log.get("notebook")
    if executed is None:
        raise JobError("the rule needs `log: notebook=...`, where the executed notebook goes.")
    beside = Path(executed).with_suffix(".json").as_posix()
    try:
        for name in (executed, *map(str, job.output)):  # known before hours are spent
            files.require_writable(name)
        files.resolve(beside).unlink(missing_ok=True)
        execute(path, values, executed=executed, name=label(job), forked=forked)
    except files.NotWritableError as error:
        raise JobError(str(error)) from None
    missing = [name for name in map(str, job.output) if not files.resolve(name).exists()]
    if missing:
        raise JobError(f"{path} ended without writing {', '.join(missing)}. See {executed}")
    content = provenance.record(
        notebook=notebook,
        rule=job.rule,
        parameters=values,
        inputs=[files.relative(name) for name in job.input],
        outputs=[files.relative(name) for name in job.output],
        scale=job.config.get("scale"),
        device=values.get("device", "cpu"),
        threads=1,
    )
    files.write_json(beside, content)


def collect(job):
    """A job's notebook, and the values that its rule passes to it.

    Parameters
    ----------
    job : snakemake.iocontainers.Snakemake

    Returns
    -------
    notebook : str
    values : dict of str to object
    wildcards : set of str
        Names whose value is a wildcard's text.

    Raises
    ------
    JobError
        If an input or output has no name, or two values have the same one.
    """
    values, origin = {}, {}
    for kind in ("input", "output", "params", "wildcards"):
        for name, value in getattr(job, kind)._allitems():
            if name is None:
                raise JobError(f"{kind} {value!r} of rule {job.rule} has no name; write name=...")
            if kind == "params" and name == "notebook":
                continue
            if name in values:
                raise JobError(f"rule {job.rule} has {name!r} in both {origin[name]} and {kind}.")
            values[name], origin[name] = _plain(value), kind
    notebook = job.params.get("notebook")
    if notebook is None:
        raise JobError(f"rule {job.rule} needs `params: notebook=...`.")
    return notebook, values, {name for name, kind in origin.items() if kind == "wildcards"}


def device(wanted="auto"):
    """The device that a job computes on.

    Without a driver, or with a build of torch that cannot use it, torch is not asked: importing it
    takes seconds.

    Parameters
    ----------
    wanted : {"auto", "cuda"}

    Returns
    -------
    device : {"cpu", "cuda"}
        ``"cpu"`` where torch cannot use a GPU and ``wanted`` is ``"auto"``; a line says why where
        the machine has a driver.

    Raises
    ------
    JobError
        If ``wanted`` is ``"cuda"`` and torch cannot use a GPU.
    """
    has_driver, why = _why_no_gpu()
    if why is None:
        return "cuda"
    if wanted == "cuda":
        raise JobError(
            f"device is cuda, and torch cannot use a GPU here: {why}. "
            "Choose another one: --config device=cpu (or auto)"
        )
    if has_driver:
        print(f"device auto: cpu, because torch cannot use the GPU: {why}", file=sys.stderr)
    return "cpu"


def has_gpu_driver():
    """Whether this machine has a driver of NVIDIA, in whichever way."""
    # The second is how Windows lends its GPU to Linux.
    return any(Path(name).exists() for name in ("/proc/driver/nvidia/version", "/dev/dxg"))


def _why_no_gpu():
    """Whether there is a driver, and why torch cannot use a GPU, or None where it can."""
    from importlib.metadata import PackageNotFoundError, version

    if not has_gpu_driver():
        return False, "there is no driver of NVIDIA"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden in {"", "-1"}:
        return True, f"CUDA_VISIBLE_DEVICES is {hidden!r}, which hides it"
    try:
        build = version("torch")
    except PackageNotFoundError:
        return True, "torch is not installed"
    if "+cpu" in build:
        return True, f"torch {build} is a build for processors only"
    # A driver may be too old, or the GPU of a kind that this torch was not built for.
    question = "import torch; torch.zeros(1, device='cuda').add_(1).item()"
    try:
        asked = subprocess.run(
            [sys.executable, "-c", question],
            capture_output=True, text=True, errors="replace", timeout=300,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return True, "it did not answer within five minutes"
    if asked.returncode == 0:
        return True, None
    lines = [line for line in asked.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"\w*(\.\w+)*(Error|Exception)\b", line)]
    return True, (errors or lines or [f"exit status {asked.returncode}"])[-1].strip()


def label(job):
    """Rule and wildcards of a job, as on the console.

    Parameters
    ----------
    job : snakemake.iocontainers.Snakemake

    Returns
    -------
    label : str
    """
    return " ".join([job.rule, *(f"{name}={value}" for name, value in job.wildcards.items())])


def execute(path, values, *, executed, name, forked=None):
    """Run one notebook and save it executed, whether or not it succeeds.

    Parameters
    ----------
    path, executed : str
        The notebook, and where it goes with its outputs.
    values : dict of str to object
    name : str
        Prefix of the progress lines on the console.
    forked : common.workflow.notebooks.warm.Kernel, optional

    Raises
    ------
    JobError
        If a cell fails: its source, the last frames and the error.
    """
    for module in SKIPPED_IMPORTS:
        sys.modules.setdefault(module, None)
    from common.workflow.notebooks import kernel

    failed = kernel.execute(
        ROOT / path, values, executed=executed, name=name, folder=ROOT, forked=forked
    )
    if failed:
        raise JobError(f"{failed}\nExecuted notebook with the whole traceback: {executed}")


def _stop(job, status):
    """End this process at once, quietly, with its kernel."""
    if kernel := sys.modules.get("common.workflow.notebooks.kernel"):
        kernel.kill()
    _remove_leftovers(job)
    os._exit(status)


def _remove_leftovers(job):
    """Remove what a kernel that was killed was writing beside the job's outputs."""
    if files := sys.modules.get("common.files"):
        for folder in {files.resolve(name).parent for name in map(str, job.output)}:
            for path in folder.glob(".*"):
                if files.is_leftover(path):
                    path.unlink(missing_ok=True)


def _end_with(job, asker):
    """End this process when Snakemake is killed, so that a resumed run has no rival.

    The kernel notices by itself that this process has ended.
    """
    if asker is None:
        has_ended = _watch_snakemake()
        while not has_ended():
            time.sleep(1)
    else:
        with contextlib.suppress(OSError):
            while asker.recv(1):
                pass
    _stop(job, 1)


def _watch_snakemake():
    """Function that tells whether the Snakemake that runs now has ended.

    Snakemake starts a shell with the command of this process. Some shells become this process, as
    bash does: its parent is Snakemake, whose own parent may end, a terminal that is closed. Others
    wait: the shell outlives a killed Snakemake and gets another parent.
    """
    parent = os.getppid()
    if not _has_started(parent):
        return lambda: os.getppid() != parent
    snakemake = _parent(parent)
    return lambda: os.getppid() != parent or _parent(parent) != snakemake


def _has_started(process):
    """Whether a process is the shell that has started this one's script."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:  # no /proc
        return False
    return os.fsencode(Path(sys.argv[0]).name) in command


def _parent(process):
    """Parent of a process; None where it has ended."""
    try:
        # The name, in parentheses, may hold spaces: count from its end.
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _plain(value):
    """Snakemake's containers as the literals that a parameters cell can hold."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str | Path) else value


def _interrupt(*_):
    """End this job on Ctrl-C without a word; Snakemake says that it was stopped."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stderr__.fileno())
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _interrupt)
    sys.path.insert(0, str(ROOT))
    from common.workflow.notebooks import warm

    status = warm.ask(globals()["snakemake"], has_ended=_watch_snakemake())
    sys.exit(main(globals()["snakemake"]) if status is None else status)
