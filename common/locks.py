"""The lock that a killed Snakemake leaves behind.

Snakemake marks the files of a run in ``.snakemake/locks/`` and cannot tell a live run's mark from
a killed one's. A run here also holds an operating-system lock, which ends with its process.
"""

import platform
import sys
from pathlib import Path

__all__ = ["claim"]

_held = []


def claim(folder=".snakemake"):
    """Hold this folder as a live run, and remove the marks of a run that was killed.

    Marks are removed only if no live process holds the folder and the last run was on this
    machine; else Snakemake decides, and its message says what to do.

    Parameters
    ----------
    folder : str or Path, default=".snakemake"

    Returns
    -------
    removed : bool
        Whether a killed run's marks were removed.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    file = (folder / "running").open("a+")
    _held.append(file)  # closed with the process
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        fcntl.flock(file, fcntl.LOCK_SH)
        return False
    file.seek(0)
    same_machine = file.read().strip() == platform.node()
    marks = list((folder / "locks").glob("*.lock"))
    removed = bool(marks) and same_machine
    if removed:
        for mark in marks:
            mark.unlink()
        print("The last run was killed; its lock is removed, its work goes on.", file=sys.stderr)
    file.truncate(0)
    file.write(platform.node())
    file.flush()
    fcntl.flock(file, fcntl.LOCK_SH)
    return removed
