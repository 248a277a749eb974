"""The one ``script:`` of every rule: runs the rule's notebook and says what went wrong.

Named inputs, outputs, params (except ``notebook``) and wildcards become the notebook's parameters.
The notebook runs through papermill from the repository root, with numeric libraries fixed to one
thread, because the number of threads changes bits. The executed notebook is the rule's
``log: notebook=``, written also when a cell fails; provenance stands beside it.
"""

import os
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

KERNEL_ENVIRONMENT = {
    "ARTIFACTS_JOB": "1",  # a figure saved without it says that it was made by hand
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": "315532800",  # 1980-01-01, the earliest that zip archives can hold
    "TQDM_MININTERVAL": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}

# Optional imports of our imports, half of the runner's start, that a local notebook does not need:
# jsonschema's grammar of IRIs (1.4 s), papermill's S3 client and its formatter of parameters.
SKIPPED_IMPORTS = ("rfc3987_syntax", "boto3", "black")


class JobError(Exception):
    """What the console shows instead of a traceback."""


def main(job):
    """Run the notebook of one Snakemake job.

    Parameters
    ----------
    job : snakemake.iocontainers.Snakemake
        The ``snakemake`` object that Snakemake gives to scripts.

    Returns
    -------
    status : int
        0, or 1 after the error has been printed.
    """
    threading.Thread(target=_end_with_snakemake, daemon=True).start()
    try:
        run(job)
    except JobError as error:
        print(f"\n{label(job)} failed: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def run(job):
    """Run the notebook of one job and write its provenance.

    Raises
    ------
    JobError
        If the rule and the notebook do not fit, a cell fails, or an output is missing.
    """
    from common import files
    from common.notebooks import parameters, provenance

    notebook, values, wildcards = collect(job)
    path = notebook.partition("@")[0]
    try:
        values = parameters.bind(path, values, wildcards=wildcards)
    except (parameters.ParameterError, FileNotFoundError) as error:
        raise JobError(str(error)) from None
    if values.get("device") == "auto":
        values["device"] = device()
    executed = job.log.get("notebook")
    if executed is None:
        raise JobError("the rule needs `log: notebook=...`, where the executed notebook goes.")
    beside = Path(executed).with_suffix(".json").as_posix()
    files.resolve(beside).unlink(missing_ok=True)
    execute(path, values, executed=executed, name=label(job))
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


def device():
    """``"cuda"`` where there is a GPU that the installed torch can use, else ``"cpu"``.

    Decided without importing torch, which takes seconds.
    """
    from importlib.metadata import PackageNotFoundError, version

    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    try:
        built_for_gpu = "+cpu" not in version("torch")
    except PackageNotFoundError:
        built_for_gpu = False
    driver = Path("/proc/driver/nvidia/version").exists()
    return "cuda" if driver and built_for_gpu and not hidden else "cpu"


def label(job):
    """Rule and wildcards of a job, as on the console."""
    return " ".join([job.rule, *(f"{name}={value}" for name, value in job.wildcards.items())])


def execute(path, values, *, executed, name):
    """Run one notebook and save it executed, whether or not it succeeds.

    Parameters
    ----------
    path, executed : str
        The notebook, and where it goes with its outputs.
    values : dict of str to object
    name : str
        Prefix of the progress lines on the console.

    Raises
    ------
    JobError
        If a cell fails: its source, the last frames and the error.
    """
    for module in SKIPPED_IMPORTS:
        sys.modules.setdefault(module, None)
    from common.notebooks import kernel

    os.environ.update(KERNEL_ENVIRONMENT)
    search = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(search)
    failed = kernel.execute(ROOT / path, values, executed=executed, name=name, folder=ROOT)
    if failed:
        raise JobError(f"{failed}\nExecuted notebook with the whole traceback: {executed}")


def _end_with_snakemake():
    """End this process when Snakemake is killed, so that a resumed run has no rival.

    Snakemake starts a shell that starts this process. The shell outlives a killed Snakemake and
    gets another parent. The kernel notices by itself that this process has ended.
    """
    shell = os.getppid()
    snakemake = _parent(shell)
    while snakemake is not None:
        time.sleep(1)
        if os.getppid() != shell or _parent(shell) != snakemake:
            os._exit(1)


def _parent(process):
    """Parent of a process; None where there is no ``/proc``."""
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


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(globals()["snakemake"]))
