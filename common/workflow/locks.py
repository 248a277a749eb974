"""The lock that a killed Snakemake leaves behind, and locks between jobs.

Snakemake marks the files of a run in ``.snakemake/locks/`` and cannot tell a live run's mark from
a killed one's. A run here also holds an operating-system lock, which ends with its process. Some
file systems have no such locks; there a run goes on without them, and says so.
"""

import contextlib
import errno
import os
import platform
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from common import files

__all__ = ["claim", "exclusive", "remove_scratch", "scratch", "scratch_places"]

_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
_BUILT = ("results", "data/raw", "data/derived", "papers", ".snakemake/fingerprints")

_LONGEST_SOCKET = 103  # bytes of a socket's path, on macOS; Linux has 107

_held = []


def claim(folder=".snakemake"):
    """Hold this folder as a live run, and remove what a killed run has left.

    Marks are removed only if no live process holds the folder and the last run was on this
    machine; else Snakemake decides, and its message says what to do. Temporary files of killed
    processes go whenever no other run holds the folder.

    Parameters
    ----------
    folder : str or Path, default=".snakemake"

    Returns
    -------
    removed : bool
        Whether a killed run's marks were removed.

    Raises
    ------
    snakemake.exceptions.WorkflowError
        If the folder cannot be written to.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    folder = Path(folder)
    try:
        folder.mkdir(exist_ok=True)
        file = (folder / "running").open("a+")
    except OSError as error:
        from snakemake.exceptions import WorkflowError

        raise WorkflowError(
            f"{folder.absolute()} cannot be written to: {os.strerror(error.errno)}. "
            "The workflow keeps its state there; run it in a copy that you may write to."
        ) from None
    _held.append(file)  # closed with the process
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            fcntl.flock(file, fcntl.LOCK_SH)
        else:
            _say_unlocked(folder, error)
        return False
    file.seek(0)
    same_machine = file.read().strip() == platform.node()
    marks = list((folder / "locks").glob("*.lock"))
    removed = bool(marks) and same_machine
    if removed:
        # Jobs on a cluster (common/workflow/slurm.py) outlive the run, and use their scripts.
        has_jobs = any(folder.glob("slurm/*.json"))
        for mark in [*marks, *([] if has_jobs else folder.glob("scripts/*.run.py"))]:
            mark.unlink(missing_ok=True)
        print("The last run was killed; its lock is removed, its work goes on.", file=sys.stderr)
    _remove_leftovers()
    file.truncate(0)
    file.write(platform.node())
    file.flush()
    fcntl.flock(file, fcntl.LOCK_SH)
    return removed


@contextlib.contextmanager
def exclusive(path):
    """Let one process at a time do something; on a file system without locks, say so and go on.

    What is done must be right, if wasteful, when two processes do it at once.

    Parameters
    ----------
    path : str or Path
        The lock's own file.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with Path(path).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            _say_unlocked(Path(path).parent, error)
        yield  # closing the file releases the lock


@contextlib.contextmanager
def scratch():
    """A folder of this process's own, removed in the end, and whether sockets can lie in it.

    A socket's path is short, and some file systems have no sockets: where the folder of temporary
    files does not do, another one is tried.

    Yields
    ------
    folder : Path
    has_sockets : bool
    """
    prefix = f"nb-{files.owner()}-"
    if sys.platform != "win32":
        for parent in scratch_places():
            try:
                folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            except OSError:
                continue
            try:
                if _holds_sockets(folder):
                    yield folder, True
                    return
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
        yield Path(folder), False


def scratch_places():
    """Folders in which a job may have its own folder, the system's one for temporary files first.

    Returns
    -------
    places : list of Path
        Without repetition; not all need exist.
    """
    usual = filter(None, [os.environ.get("XDG_RUNTIME_DIR"), "/tmp", "/var/tmp", "/dev/shm"])
    return list(dict.fromkeys([Path(tempfile.gettempdir()), *map(Path, usual)]))


def remove_scratch():
    """Remove the folders of killed jobs."""
    for place in scratch_places():
        for path in place.glob("nb-*"):
            if files.is_leftover(path):
                shutil.rmtree(path, ignore_errors=True)


def _holds_sockets(folder):
    path = folder / "kernel-ipc-99999"
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        return False
    with socket.socket(socket.AF_UNIX) as trial:
        try:
            trial.bind(str(path))
        except OSError:
            return False
    path.unlink()
    return True


def _say_unlocked(folder, error):
    print(
        f"{folder} is on a file system without locks ({error}): going on without one. "
        "Let only one run at a time use it.",
        file=sys.stderr,
    )


def _remove_leftovers():
    """Remove temporary files of killed processes, where the workflow writes."""
    remove_scratch()
    for folder in _BUILT:
        for path in files.walk(folder):
            if files.is_leftover(path):
                with contextlib.suppress(OSError):
                    path.unlink()
    for scratch in files.resolve("data/raw/.archives").glob(".pip-*"):
        if files.is_leftover(scratch):
            shutil.rmtree(scratch, ignore_errors=True)
