"""Libraries that are only compared with: in an environment of their own, used where it exists.

They need older versions than this repository, or are heavy. `make peers` sets up ``.venv-peers``
from ``requirements-peers.lock``; without it, what needs a peer is left out and says so.
"""

import os
import subprocess

from common import files

__all__ = ["PYTHON", "installed", "run"]

PYTHON = ".venv-peers/bin/python"
"""Interpreter of that environment, relative to the repository root."""


def installed(module):
    """Whether the environment of peers holds a module.

    Parameters
    ----------
    module : str

    Returns
    -------
    installed : bool
        From the files alone: no interpreter is started.
    """
    root = files.resolve(PYTHON).parent.parent
    return any(root.glob(f"lib/python*/site-packages/{module}/__init__.py"))


def run(module, script, *arguments):
    """Run a script of ``benchmarks/peers`` with the peers' interpreter.

    Parameters
    ----------
    module : str
        What the script needs.
    script : str
        Relative to the repository root.
    *arguments : object
        Made strings.

    Returns
    -------
    printed : str
        What it wrote to standard output.

    Raises
    ------
    RuntimeError
        If the module is not installed, or the script fails, with what it printed.
    """
    if not installed(module):
        raise RuntimeError(f"{module} is not installed in {PYTHON}. Run: make peers")
    command = [str(files.resolve(PYTHON)), str(files.resolve(script)), *map(str, arguments)]
    # A notebook's drawing backend is a module that the peers' environment does not have.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{script} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout
