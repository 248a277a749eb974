"""How much memory the jobs of one run may take together.

The limit is the smallest of those that apply: the machine's memory, the container's or batch job's
control group (version 1 or 2, with the groups around it), Slurm's allocation, and ``ulimit -v``.
``profiles/default`` gives `budget` to Snakemake as ``--resources mem_mb=``.
"""

import os
from pathlib import Path

__all__ = ["SHARE", "budget", "limit"]

SHARE = 0.75
"""Share of the limit that jobs may declare together; the rest is for all other programs."""

_MB = 1_000_000
# Version 1 has no word for "unlimited" but a number near 2 ** 63.
_UNLIMITED = 2**60


def budget():
    """Memory that the jobs of one run may take together.

    Returns
    -------
    mb : int or None
        In MB; None where no limit is known.
    """
    found = limit()
    return None if found is None else max(1, int(SHARE * found[0]))


def limit(root="/", environment=os.environ):
    """The smallest limit of memory for this process and those that it starts.

    Parameters
    ----------
    root : str or Path, default="/"
        Where ``proc`` and ``sys`` are.
    environment : mapping of str to str
        Slurm's variables are read from it.

    Returns
    -------
    limit : (int, str) or None
        MB, and what sets the limit. None where nothing is known.
    """
    found = [*_machine(), *_groups(Path(root)), *_slurm(environment), *_ulimit()]
    return min(((size // _MB, what) for size, what in found), default=None)


def _machine():
    try:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "this machine"
    except (AttributeError, OSError, ValueError):  # not on Windows
        return


def _groups(root):
    """Limits of this process's control groups and of all groups that hold them."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            tops, file = ("sys/fs/cgroup", "sys/fs/cgroup/unified"), "memory.max"
        elif "memory" in controllers.split(","):
            tops, file = ("sys/fs/cgroup/memory",), "memory.limit_in_bytes"
        else:
            continue
        # A container sees its own group at the top, whatever its path outside is.
        parts = [part for part in path.split("/") if part not in {"", ".."}]
        for top in tops:
            for depth in range(len(parts) + 1):
                size = _number(root.joinpath(top, *parts[:depth], file))
                if size is not None:
                    yield size, "this container or control group"


def _number(file):
    try:
        size = int(file.read_text(encoding="utf-8"))  # "max" is no number
    except (OSError, ValueError):
        return None
    return size if 0 < size < _UNLIMITED else None


def _slurm(environment):
    def number(name):
        try:
            return int(environment.get(name, ""))
        except ValueError:
            return 0

    n_cores = number("SLURM_CPUS_ON_NODE") or 1
    for mib in (number("SLURM_MEM_PER_NODE"), number("SLURM_MEM_PER_CPU") * n_cores):
        if mib > 0:  # 0: all of the node's
            yield mib * 2**20, "this Slurm job"


def _ulimit():
    try:
        import resource
    except ImportError:  # Windows
        return
    size = resource.getrlimit(resource.RLIMIT_AS)[0]
    if 0 < size < _UNLIMITED:
        yield size, "ulimit -v"
