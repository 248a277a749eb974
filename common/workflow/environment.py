"""Last step of ``make env``: checks the installed packages and repairs a known misfit.

``python -m common.workflow.environment`` compares what is installed with ``requirements.lock``. It
also

- sets torchaudio right, which braindecode imports: its wheels ask for the libraries of one
  particular build of torch, and beside another one, such as the CPU build, the import fails.
  Without its compiled extension torchaudio runs in pure PyTorch, so that extension is set aside;
- gives git the filter that ``.gitattributes`` names (`common.workflow.notebooks.clean`);
- tells Jupyter to refresh git's index after saving, and to start for root where root makes the
  environment, as in containers.

``make lock`` calls ``python -m common.workflow.environment --record`` to write down for which
Python and platform each pinned package has a wheel.
"""

import argparse
import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from common.workflow import console

__all__ = [
    "PLATFORMS",
    "PYTHONS",
    "TARGETS",
    "configure_jupyter",
    "filter_notebooks",
    "main",
    "mismatches",
    "pins",
    "record",
    "set_extension_aside",
    "wheels",
]

# `common.files` has the root, too, but needs numpy: this module runs before anything is sure.
ROOT = Path(__file__).resolve().parents[2]
ASIDE = ".aside"

PYTHONS = ("3.11.0", "3.12.0", "3.13.0", "3.14.0")
"""Oldest patch release of each supported Python."""

PLATFORMS = {
    "linux-x86_64": {"sys_platform": "linux", "platform_machine": "x86_64"},
    "linux-aarch64": {"sys_platform": "linux", "platform_machine": "aarch64"},
    "macos-arm64": {"sys_platform": "darwin", "platform_machine": "arm64"},
}

TARGETS = {
    f"{python}-{platform}": {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "os_name": "posix",
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[where["sys_platform"]],
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
        **where,
    }
    for python, (platform, where) in itertools.product(PYTHONS, PLATFORMS.items())
}
"""Environment of the markers for each supported Python and platform: ``3.11.0-linux-x86_64``."""

FILTER = (
    "f=common/workflow/notebooks/clean.py; for p in .venv/bin/python python3; do "
    "test -f $f && command -v $p >/dev/null 2>&1 && exec $p -I -S $f; done; exec cat"
)
"""Command of the filter. Git runs it at the root of the clone, whatever folder that is."""


def pins(lock, target=None):
    """Versions that a lock file asks for.

    Parameters
    ----------
    lock : str or Path
    target : dict of str to str, optional
        Environment of markers, one of `TARGETS`; this interpreter's without it.

    Returns
    -------
    pins : dict of str to str
        Name to version, of the lines whose marker applies.

    Raises
    ------
    ValueError
        If a line is not ``name==version``, with a marker or without.
    """
    markers = _packaging("markers")
    found = {}
    for number, line in enumerate(Path(lock).read_text(encoding="utf-8").splitlines(), start=1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        pin = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!]+)(?:\s*;\s*(.+))?", line)
        if pin is None:
            raise ValueError(f"{lock}, line {number}: expected name==version, found {line!r}")
        if pin[3] is None or markers.Marker(pin[3]).evaluate(target):
            found[pin[1]] = pin[2]
    return found


def wheels(pylock):
    """For which supported targets each locked package has a wheel.

    Parameters
    ----------
    pylock : str or Path
        A lock of the kind ``pylock.toml`` (PEP 751), which lists the wheels of each package.

    Returns
    -------
    wheels : dict of str to list of str
        ``name==version`` to names of `TARGETS`.
    """
    tags = {name: _tags(target) for name, target in TARGETS.items()}
    parse = _packaging("utils").parse_wheel_filename
    found = {}
    for package in tomllib.loads(Path(pylock).read_text(encoding="utf-8"))["packages"]:
        names = [wheel["url"].rpartition("/")[2] for wheel in package.get("wheels", [])]
        offered = set().union(*(parse(name)[3] for name in names))
        pin = f"{package['name']}=={package['version']}"
        found[pin] = [name for name in TARGETS if offered & tags[name]]
    return found


def record(pylock, path):
    """Write what `wheels` finds, one line a package: ``all``, ``none``, or the targets.

    Parameters
    ----------
    pylock : str or Path
        The lock file.
    path : str or Path
        What is written.
    """
    lines = ["# Made by `make lock`: for which Python and platform a pinned package has a wheel."]
    for pin, targets in sorted(wheels(pylock).items()):
        every = len(targets) == len(TARGETS)
        lines.append(f"{pin}: {'all' if every else ' '.join(targets) or 'none'}")
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


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


def filter_notebooks(root=ROOT):
    """Set the filter that keeps outputs of notebooks out of commits, where this is a git clone.

    Parameters
    ----------
    root : str or Path

    Returns
    -------
    is_set : bool
        False if the folder is no clone of its own, such as an archive unpacked inside another.
    """
    try:
        top = _git(root, "rev-parse", "--show-toplevel")
        if Path(top).resolve() != Path(root).resolve():
            return False
        _git(root, "config", "filter.notebook.clean", FILTER)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def configure_jupyter(prefix=sys.prefix):
    """Write what Jupyter does differently in this environment.

    After a notebook is saved, `common.workflow.notebooks.clean.refresh` runs. If root makes the
    environment, Jupyter starts for root, too: in a container everybody is root.

    Parameters
    ----------
    prefix : str or Path
        Folder of the environment.
    """
    path = Path(prefix) / "etc/jupyter/jupyter_server_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    hook = {"post_save_hook": "common.workflow.notebooks.clean.refresh"}
    settings.setdefault("FileContentsManager", {}).update(hook)
    if os.geteuid() == 0:
        settings.setdefault("ServerApp", {})["allow_root"] = True
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def main(arguments=None):
    """Run the command line; exit status 1 if the environment is not what the lock says."""
    console.accept_any_encoding()
    parser = argparse.ArgumentParser(
        prog="python -m common.workflow.environment", description=main.__doc__
    )
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements.lock")
    parser.add_argument("--record", type=Path, nargs=2, metavar=("PYLOCK", "FILE"))
    options = parser.parse_args(arguments)
    if options.record:
        record(*options.record)
        return 0
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
    filter_notebooks()
    configure_jupyter()
    print(f"environment ready: Python {sys.version.split()[0]}, torch {metadata.version('torch')}")
    return 0


def _packaging(module):
    """A module of `packaging`, of the copy in pip where the lock is not installed yet."""
    try:
        return importlib.import_module(f"packaging.{module}")
    except ImportError:
        return importlib.import_module(f"pip._vendor.packaging.{module}")


def _tags(target):
    """Tags of the wheels that a target installs; glibc 2.28 and macOS 14 are the oldest."""
    tags = _packaging("tags")
    machine = target["platform_machine"]
    version = tuple(int(part) for part in target["python_version"].split("."))
    if target["sys_platform"] == "darwin":
        platforms = list(tags.mac_platforms((14, 0), machine))
    else:
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(28, 4, -1)]
        platforms += [f"manylinux{year}_{machine}" for year in (2014, 2010, 1)]
    interpreter = f"cp{version[0]}{version[1]}"
    return {
        *tags.cpython_tags(version, platforms=platforms),
        *tags.compatible_tags(version, interpreter, platforms),
    }


def _git(root, *arguments):
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


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
