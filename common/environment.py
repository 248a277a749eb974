"""Last step of ``make env``: checks the installed packages and repairs a known misfit.

``python -m common.environment`` compares what is installed with ``requirements.lock``. It also
handles torchaudio, which braindecode imports: its wheels ask for the libraries of one particular
build of torch, and beside another one, such as the CPU build, the import fails. Without its
compiled extension torchaudio runs in pure PyTorch, so that extension is set aside.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

__all__ = ["main", "mismatches", "pins", "set_extension_aside"]

# `common.files` has the root, too, but needs numpy: this module runs before anything is sure.
ROOT = Path(__file__).resolve().parents[1]
ASIDE = ".aside"


def pins(lock):
    """Versions that a lock file asks for.

    Parameters
    ----------
    lock : str or Path

    Returns
    -------
    pins : dict of str to str
        Name to version.

    Raises
    ------
    ValueError
        If a line is not ``name==version``.
    """
    found = {}
    for number, line in enumerate(Path(lock).read_text(encoding="utf-8").splitlines(), start=1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        pin = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!]+)", line)
        if pin is None:
            raise ValueError(f"{lock}, line {number}: expected name==version, found {line!r}")
        found[pin[1]] = pin[2]
    return found


def mismatches(pins):
    """Packages that are missing, or installed in another version than the lock's.

    The local part of a version is ignored: torch ``2.13.0+cpu`` satisfies ``2.13.0``.

    Parameters
    ----------
    pins : dict of str to str

    Returns
    -------
    problems : list of str
        One line for each package.
    """
    problems = []
    for name, wanted in pins.items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            problems.append(f"{name} {wanted} is not installed")
            continue
        if installed.partition("+")[0] != wanted:
            problems.append(f"{name} {installed} is installed, the lock has {wanted}")
    return problems


def set_extension_aside(package):
    """Rename a package's ``lib/*.so`` if, and only if, the package cannot be imported with them.

    Files are renamed back if that does not help. Files set aside by an earlier call stay aside.

    Parameters
    ----------
    package : str

    Returns
    -------
    n_files : int
        How many files were renamed; 0 if the package works, or is not installed.

    Raises
    ------
    ImportError
        If the package cannot be imported either way.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return 0
    error = _import_error(package)
    if error is None:
        return 0
    libraries = sorted((Path(spec.origin).parent / "lib").glob("*.so"))
    for library in libraries:
        library.replace(f"{library}{ASIDE}")
    if libraries and _import_error(package) is None:
        return len(libraries)
    for library in libraries:
        Path(f"{library}{ASIDE}").replace(library)
    raise ImportError(f"{package} cannot be imported: {error}")


def main(arguments=None):
    """Run the command line; exit status 1 if the environment is not what the lock says."""
    parser = argparse.ArgumentParser(prog="python -m common.environment", description=main.__doc__)
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements.lock")
    options = parser.parse_args(arguments)
    problems = mismatches(pins(options.lock))
    if problems:
        print(*problems, sep="\n", file=sys.stderr)
        print(f"Repair: {sys.executable} -m pip install -r {options.lock}", file=sys.stderr)
        return 1
    try:
        n_files = set_extension_aside("torchaudio")
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    if n_files:
        print(
            f"torchaudio: {n_files} compiled files do not fit the installed torch "
            f"({metadata.version('torch')}); renamed to *.so{ASIDE}, pure PyTorch is used."
        )
    print(f"environment ready: Python {sys.version.split()[0]}, torch {metadata.version('torch')}")
    return 0


def _import_error(package):
    """Last line of what importing a package in a new process prints; None if it works."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {package}"], capture_output=True, text=True
    )
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]


if __name__ == "__main__":
    sys.exit(main())
