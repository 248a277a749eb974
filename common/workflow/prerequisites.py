"""First step of ``make env``: says in one line what is missing, before anything is installed.

Run as a file by whatever Python the user names, which may be an old one: standard library only,
nothing of this repository, and a syntax that Python 2.7 reads.
"""

import os
import platform
import shutil
import sys
import sysconfig
import tempfile

__all__ = ["main", "missing", "missing_space", "needed_space"]

OLDEST = (3, 11)
NEWEST = (3, 14)
PLATFORMS = ("Linux x86_64", "Linux aarch64", "Darwin arm64")
GLIBC = (2, 28)  # torch's wheels
# Python versions for which a package of the lock has to be compiled, and which package.
COMPILED = {(3, 14): "immutables"}

# Size of a finished .venv, in GB, rounded up.
SIZE = 2.5
SIZE_WITH_CUDA = 6.5
# pip keeps what it downloaded in the temporary folder until all of it is there.
DOWNLOADS = 1.0
DOWNLOADS_WITH_CUDA = 3.0
UPDATE = 1.0


def needed_space(system, torch_index, installed):
    """Free disk space that the installation needs.

    Parameters
    ----------
    system : str
        As `platform.system` says it.
    torch_index : str
        Package index of a build of PyTorch that the user chose; empty for the default build.
    installed : bool
        Whether an environment is there and is only brought up to date.

    Returns
    -------
    environment, temporary : float
        In GB: beside the environment, and in the folder of temporary files.
    """
    if installed:
        return UPDATE, UPDATE
    if system == "Linux" and not torch_index:  # the default build brings CUDA
        return SIZE_WITH_CUDA, DOWNLOADS_WITH_CUDA
    return SIZE, DOWNLOADS


def missing(
    version,
    system,
    machine,
    implementation="CPython",
    free_threaded=False,
    glibc=None,
    lacking=(),
    compiler=True,
    make="make env",
):
    """What of the interpreter and the machine does not suffice.

    Parameters
    ----------
    version : tuple of int
        Python's.
    system, machine, implementation : str
        As `platform` says them.
    free_threaded : bool
        Whether this Python is a build without the global lock.
    glibc : tuple of int, or None
        Version of the C library; None where it is another one.
    lacking : sequence of str
        Modules of the standard library that cannot be imported.
    compiler : bool
        Whether a C compiler is there.
    make : str
        The command to repeat.

    Returns
    -------
    problem : str or None
        One line with the repair; None if nothing is missing.
    """
    found = ".".join(str(part) for part in version[:3])
    wanted = "Python %d.%d to %d.%d" % (OLDEST + NEWEST)
    if tuple(version[:2]) < OLDEST or tuple(version[:2]) > NEWEST:
        return "%s is needed, this is %s. Name another one: %s PYTHON=python3.12" % (
            wanted,
            found,
            make,
        )
    if implementation != "CPython" or free_threaded:
        build = "a free-threaded build" if free_threaded else implementation
        return "CPython is needed, this is %s %s. Name another one: %s PYTHON=python3.12" % (
            build,
            found,
            make,
        )
    if "%s %s" % (system, machine) not in PLATFORMS:
        return (
            "There are no packages for %s %s: Linux on x86_64 or aarch64, or macOS on "
            "Apple's chips, is needed; on Windows, use its Linux subsystem (WSL)."
            % (system, machine)
        )
    if system == "Linux" and (glibc is None or tuple(glibc) < GLIBC):
        here = "none" if glibc is None else ".".join(str(part) for part in glibc)
        return (
            "PyTorch needs glibc %d.%d or newer, this system has %s: take a newer distribution "
            "(Debian 10, Ubuntu 20.04, Fedora 29; not Alpine)." % (GLIBC + (here,))
        )
    if lacking:
        return (
            "This Python lacks %s: sudo apt install python%d.%d-venv (Debian, Ubuntu), "
            "then %s again." % (" and ".join(lacking), version[0], version[1], make)
        )
    package = COMPILED.get(tuple(version[:2]))
    if package and not compiler:
        return (
            "%s must be compiled for Python %d.%d, and there is no C compiler: sudo apt install "
            "gcc python3-dev (Debian, Ubuntu), sudo dnf install gcc python3-devel (Fedora), "
            "xcode-select --install (macOS), or %s PYTHON=python3.13"
            % (package, version[0], version[1], make)
        )
    return None


def missing_space(folders):
    """What of the disk space does not suffice.

    Parameters
    ----------
    folders : list of (str, float, float, object)
        Folder, GB that it needs, GB that are free, and which file system it is on.

    Returns
    -------
    problem : str or None
    """
    totals = {}
    for folder, needed, free, device in folders:
        first, total, _ = totals.get(device, (folder, 0.0, free))
        totals[device] = (first, total + needed, free)
    for folder, needed, free in totals.values():
        if free < needed:
            return (
                "%.1f GB must be free in %s, %.1f GB are: make room, or put temporary files "
                "elsewhere (TMPDIR=folder). Without CUDA, %.1f GB are enough: "
                "make env TORCH_INDEX=address (README)." % (needed, folder, free, SIZE + DOWNLOADS)
            )
    return None


def main(arguments):
    """Look at this interpreter and machine; print what is missing, and return the exit status."""
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    torch_index = arguments[0] if arguments else ""
    version = tuple(sys.version_info[:3])
    lacking = []
    for module in ("venv", "ensurepip"):
        try:
            __import__(module)
        except ImportError:
            lacking.append(module)
    system, machine = platform.system(), platform.machine()
    problem = missing(
        version,
        system,
        machine,
        implementation=platform.python_implementation(),
        free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        glibc=_glibc(),
        lacking=lacking,
        compiler=_has_compiler() if version[:2] in COMPILED else True,
    )
    if problem is None:
        installed = os.path.exists(os.path.join(root, ".venv", ".ready"))
        sizes = needed_space(system, torch_index, installed and not torch_index)
        places = [root, tempfile.gettempdir()]
        problem = missing_space(
            [
                (place, size, shutil.disk_usage(place).free / 1e9, os.stat(place).st_dev)
                for place, size in zip(places, sizes)
            ]
        )
    if problem is not None:
        sys.stderr.write(problem + "\n")
        return 1
    return 0


def _glibc():
    name, version = platform.libc_ver()
    if name != "glibc":
        return None
    return tuple(int(part) for part in version.split(".")[:2])


def _has_compiler():
    header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    return os.path.exists(header) and any(shutil.which(name) for name in ("cc", "gcc", "clang"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
