"""Atomic, byte-deterministic files; paths are relative to the repository root.

A notebook that runs in JupyterLab and a notebook that runs inside the workflow have different
working directories; both name a file as ``results/dance/embedded/scores.csv`` and get the same one.

A file is written to a temporary name in the same folder and renamed when complete, so a killed
process leaves either the old file or the new one. The same content always gives the same bytes: no
timestamps, sorted keys, one spelling of floating-point numbers.
"""

import contextlib
import hashlib
import io
import json
import os
import secrets
import zipfile
from pathlib import Path

import numpy as np

__all__ = [
    "ROOT",
    "NotBuiltError",
    "atomic",
    "existing",
    "read_csv",
    "read_json",
    "read_npz",
    "relative",
    "require",
    "resolve",
    "sha256",
    "write_csv",
    "write_json",
    "write_npz",
    "write_text",
]

ROOT = Path(__file__).resolve().parents[1]
"""The repository's root: the folder that holds ``common/``."""

# Zip entries carry a date; the format's earliest one makes archives reproducible.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class NotBuiltError(FileNotFoundError):
    """A file of the workflow is missing; the message names the command that builds it."""


def resolve(path):
    """Absolute path of a file named relative to the repository root.

    Parameters
    ----------
    path : str or Path
        Relative to the root; an absolute path is returned as it is.

    Returns
    -------
    path : Path
    """
    return ROOT / path


def relative(path):
    """Spelling of a path relative to the repository root, with forward slashes.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    path : str
        The path as it is when it lies outside the repository.
    """
    path = resolve(path)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def require(path):
    """Absolute path of an existing file.

    Raises
    ------
    NotBuiltError
        If the file does not exist, with the command that builds it.
    """
    path = resolve(path)
    if not path.exists():
        name = relative(path)
        raise NotBuiltError(f"{name} is not built yet. Build it with: snakemake -j2 {name}")
    return path


def existing(path):
    """Absolute path of an input file, and its name for messages.

    Parameters
    ----------
    path : str or Path
        Relative to the repository root, or absolute.

    Returns
    -------
    file : Path
    name : str

    Raises
    ------
    FileNotFoundError
        If there is no such file, with how data of the registry are obtained.
    """
    file = resolve(path)
    name = relative(file)
    if not file.is_file():
        raise FileNotFoundError(
            f"{name} does not exist. If it is in the registry, obtain it with: "
            "python -m common.registry fetch NAME"
        )
    return file, name


@contextlib.contextmanager
def atomic(path):
    """Write a file under a temporary name and rename it on success.

    Parameters
    ----------
    path : str or Path
        The final name. Its folder is created.

    Yields
    ------
    temporary : Path
        Write here. Same folder and same suffix as ``path``; removed if the block raises.
    """
    path = resolve(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path):
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with resolve(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path, text):
    """Write text as UTF-8 with Unix line ends."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_csv(path, table):
    """Write a table; floats as the shortest text that reads back to the same number.

    Parameters
    ----------
    path : str or Path
    table : pandas.DataFrame
        A named index is written as leading columns; an unnamed one is not.
    """
    named = any(name is not None for name in table.index.names)
    write_text(path, table.to_csv(index=named, lineterminator="\n"))


def read_csv(path, **options):
    """Read a table that the workflow wrote.

    Parameters
    ----------
    path : str or Path
    **options
        Passed to `pandas.read_csv`.

    Returns
    -------
    table : pandas.DataFrame

    Raises
    ------
    NotBuiltError
        If the file does not exist.
    """
    import pandas as pd

    return pd.read_csv(require(path), float_precision="round_trip", **options)


def write_json(path, value):
    """Write JSON with sorted keys; numpy scalars and arrays become numbers and lists."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=_plain)
    write_text(path, text + "\n")


def read_json(path):
    """Read JSON that the workflow wrote; `NotBuiltError` if it is missing."""
    return json.loads(require(path).read_text(encoding="utf-8"))


def write_npz(path, **arrays):
    """Write arrays as a compressed ``.npz`` whose bytes depend on the arrays alone.

    `numpy.savez` stamps each entry with the time of day; this does not.

    Parameters
    ----------
    path : str or Path
    **arrays : array_like
        Stored under their keyword. Object arrays are refused.
    """
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, value in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, np.asarray(value), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_ZIP_EPOCH)
            archive.writestr(
                entry, buffer.getvalue(), compress_type=zipfile.ZIP_DEFLATED, compresslevel=1
            )


def read_npz(path):
    """Read all arrays of an ``.npz`` that the workflow wrote.

    Returns
    -------
    arrays : dict of str to ndarray

    Raises
    ------
    NotBuiltError
        If the file does not exist.
    """
    with np.load(require(path), allow_pickle=False) as archive:
        return dict(archive)


def _plain(value):
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"cannot write {type(value).__name__} as JSON: {value!r}")
