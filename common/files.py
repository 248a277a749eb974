"""Atomic, byte-deterministic files; paths are relative to the repository root.

A notebook that runs in JupyterLab and a notebook that runs inside the workflow have different
working directories; both name a file as ``results/dance/embedded/scores.csv`` and get the same one.

A file is written to a temporary name in the same folder and renamed when complete, so a killed
process leaves either the old file or the new one. The same content always gives the same bytes: no
timestamps, sorted keys, one spelling of floating-point numbers.
"""

import contextlib
import errno
import functools
import gzip
import hashlib
import io
import json
import os
import platform
import re
import secrets
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np

from common import cells, failures

__all__ = [
    "ROOT",
    "NotBuiltError",
    "NotWritableError",
    "atomic",
    "check_content",
    "damaged",
    "decoded",
    "existing",
    "is_leftover",
    "is_temporary",
    "owner",
    "read_csv",
    "read_json",
    "read_npz",
    "reading",
    "relative",
    "require",
    "require_writable",
    "resolve",
    "sha256",
    "walk",
    "write_csv",
    "write_json",
    "write_npz",
    "write_text",
]

ROOT = Path(__file__).resolve().parents[1]
"""The repository's root: the folder that holds ``common/``."""

# What a live process has open is never this old: its time changes while it is written.
_ABANDONED_AFTER = 24 * 3600.0  # s
# Files of `atomic`, those of an older version without the machine; folders of the tempfile module.
_TEMPORARY = (
    re.compile(r"\..+?-(?:(?P<machine>[0-9a-f]{8})-)?(?P<process>[0-9]+)-[0-9a-f]{8}(\.[^.]*)?"),
    re.compile(r"(nb|\.pip)-(?P<machine>[0-9a-f]{8})-(?P<process>[0-9]+)-[a-z0-9_]{8}"),
)
_LONGEST_NAME = 255  # bytes

# Zip entries carry a date; the format's earliest one makes archives reproducible.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class NotBuiltError(FileNotFoundError):
    """A file of the workflow is missing; the message names the command that builds it."""


class NotWritableError(OSError):
    """A file cannot be written where it belongs; the message names the folder and why."""


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

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    path : Path

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

    Raises
    ------
    NotWritableError
        If the folder cannot be made or written to.
    """
    path = resolve(path)
    temporary = _open_temporary(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(path):
    """Make a file's folder, and see whether a file can be written to it.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    NotWritableError
        If the folder cannot be made or written to.
    """
    _open_temporary(resolve(path)).unlink()


def owner():
    """This process in names of temporary files: its machine and its number.

    Returns
    -------
    owner : str
        ``<machine>-<process>``; the machine as eight hexadecimal digits that change when it is
        started again, and that are another container's own.
    """
    return f"{_machine()}-{os.getpid()}"


def is_temporary(path):
    """Whether a file's or folder's name is one of `atomic`'s temporary names, or of their kind.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    is_temporary : bool
    """
    return _owner_of(path) is not None


def is_leftover(path):
    """Whether a temporary file or folder belongs to a process that was killed.

    Of one made on another machine only its age tells: it is a day old.

    Parameters
    ----------
    path : Path

    Returns
    -------
    is_leftover : bool
        False for whatever has no temporary name.
    """
    found = _owner_of(path)
    if found is None:
        return False
    if found["machine"] in {None, _machine()}:
        return not _is_alive(int(found["process"]))
    try:
        return time.time() - path.lstat().st_mtime > _ABANDONED_AFTER
    except OSError:
        return False


def walk(folder, *, unreadable=None):
    """Files of a folder and of the folders below it, behind links too.

    Parameters
    ----------
    folder : str or Path
        Relative to the repository root, or absolute.
    unreadable : callable, optional
        Gets the `OSError` of a folder that cannot be read; without it such a folder is passed over.

    Yields
    ------
    path : Path
        Beginning with ``folder``; sorted by name within each folder. A link that leads back to a
        folder above it is not followed, one that leads nowhere is left out.
    """
    yield from _walk(resolve(folder), (), unreadable)


def sha256(path):
    """SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    digest : str
    """
    with resolve(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path, text):
    """Write text as UTF-8 with Unix line ends.

    Parameters
    ----------
    path : str or Path
    text : str
    """
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_csv(path, table):
    """Write a table; floats as the shortest text that reads back to the same number.

    Text that would be read back as something else, such as ``NA``, ``01`` or ``True``, is written
    in quotation marks, which `read_csv` honours. In a column of text and numbers all text is, and
    the name of the column too.

    Parameters
    ----------
    path : str or Path
    table : pandas.DataFrame
        A named index is written as leading columns; an unnamed one is not.

    Raises
    ------
    ValueError
        If a column would not read back as it is: dates, complex numbers, or empty text in a table
        of one column.
    """
    write_text(path, cells.to_text(table, name=relative(path)))


def read_csv(path, **options):
    """Read a table that the workflow wrote.

    Text in quotation marks is text, whatever it looks like; without them it is read as pandas
    reads it. A file in which everything is in quotation marks is read as if nothing were.

    Parameters
    ----------
    path : str or Path
    **options
        Passed to `pandas.read_csv`.

    Returns
    -------
    table : pandas.DataFrame
        Whole numbers beyond 2**53 beside missing values are of the type ``Int64``.

    Raises
    ------
    NotBuiltError
        If the file does not exist.
    ValueError
        If the file is no table of comma-separated values in UTF-8: its name, the line, and what to
        do about it are in the message.
    """
    import pandas as pd

    file = require(path)
    text = decoded(file)
    usual = not set(options) - {"dtype", "usecols", "index_col", "nrows"}
    if usual and (defect := cells.defect(text)):
        raise damaged(file, *defect)
    options["float_precision"] = "round_trip"
    try:
        table = pd.read_csv(io.StringIO(text, newline=""), **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise damaged(file, f"is no table: {str(error).strip()}") from None
    return cells.restore(table, text, options) if usual else table


def write_json(path, value):
    """Write JSON with sorted keys; numpy scalars and arrays become numbers and lists.

    Parameters
    ----------
    path : str or Path
    value : object
        Dictionaries, lists, strings, numbers and None, nested, and what numpy has of these.
    """
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=_plain)
    write_text(path, text + "\n")


def read_json(path):
    """Read JSON that the workflow wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    value : object

    Raises
    ------
    NotBuiltError
        If the file does not exist.
    ValueError
        If it is not JSON in UTF-8: its name, the line, and what to do are in the message.
    """
    file = require(path)
    try:
        return json.loads(decoded(file))
    except json.JSONDecodeError as error:
        reason = f"is not JSON, line {error.lineno}, column {error.colno}: {error.msg}"
        raise damaged(file, reason) from None


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

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    arrays : dict of str to ndarray

    Raises
    ------
    NotBuiltError
        If the file does not exist.
    ValueError
        If it is damaged, no ``.npz``, or holds Python objects: its name, and what to do, are in the
        message.
    """
    file = require(path)
    check_content(file)
    try:
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise ValueError("it holds one array, as numpy.save writes it, and no archive of them")
        with found as archive:
            return dict(archive)
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise damaged(file, f"cannot be read as .npz ({error})") from None


def check_content(path):
    """Raise a ValueError if a file is empty, or holds something else in the place of data.

    A pointer of Git LFS, or the page that a server sent instead.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    ValueError
        With the file's name, what it is, and what to do.
    """
    with resolve(path).open("rb") as file:
        head = file.read(1024)
    if not head.strip():
        raise damaged(path, "is empty")
    if head.startswith(b"version https://git-lfs"):
        raise damaged(path, "is a pointer of Git LFS, not the file itself", "Run: git lfs pull")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise damaged(path, "is a web page, not data: a server sent it instead of the file")


def decoded(path):
    """Text of a file in UTF-8, with or without a byte order mark, compressed with gzip or not.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    text : str

    Raises
    ------
    ValueError
        As `check_content`; if what is compressed cannot be unpacked; or if the text is in another
        encoding or holds NUL: the line is named.
    """
    file = resolve(path)
    check_content(file)
    content = file.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        with reading(file, "a file compressed with gzip"):
            content = gzip.decompress(content)
    save = "Save it as UTF-8, or get it again"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise damaged(file, "is in UTF-16, not in UTF-8", save)
    content = content.removeprefix(b"\xef\xbb\xbf")
    if (at := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise damaged(file, f"holds a NUL byte in line {line}: it is in UTF-16, or damaged", save)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise damaged(file, f"is not in UTF-8: byte 0x{byte:02x} in line {line}", save) from None


@contextlib.contextmanager
def reading(path, kind):
    """Name the file and the repair in whatever error comes of reading it with some library.

    Parameters
    ----------
    path : str or Path
    kind : str
        What it should be, for example ``"a MATLAB file"``.

    Raises
    ------
    ValueError
        As `check_content`, or if the block raises; errors of the machine pass as they are.
    """
    check_content(path)
    try:
        yield
    except Exception as error:  # of any library, most say little of the file
        if failures.of_machine(error) and not isinstance(error, gzip.BadGzipFile | EOFError):
            raise
        said = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise damaged(path, f"cannot be read as {kind} ({said[0].rstrip('.')})") from error


def damaged(path, reason, repair=None):
    """Error of a file that cannot be read, with what to do about it.

    Parameters
    ----------
    path : str or Path
    reason : str
        What is wrong with it, after its name.
    repair : str, optional
        By default how a file in this place is made again.

    Returns
    -------
    error : ValueError
    """
    name = relative(path)
    if repair is None:
        if name.startswith("data/raw/"):
            repair = "Delete it and fetch it again: python -m common.registry fetch NAME"
        elif name.startswith(("results/", "data/derived/")) or "/figures/" in name:
            repair = f"Delete it and build it again: snakemake -j2 {name}"
        elif not Path(name).is_absolute():
            repair = f"Restore it: git checkout -- {name}"
        else:
            repair = "Get it again from where it came"
    return ValueError(f"{name} {reason}. {repair}")


def _walk(folder, above, unreadable):
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        if unreadable is not None:
            unreadable(error)
        return
    here = status.st_dev, status.st_ino
    if here in above:
        return
    for entry in entries:
        path = folder / entry.name
        if _is(entry.is_dir):
            yield from _walk(path, (*above, here), unreadable)
        elif _is(entry.is_file):
            yield path


def _is(question):
    try:
        return question()
    except OSError:  # a link to itself
        return False


@functools.cache
def _machine():
    known = [platform.node()]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text(),
        lambda: os.readlink("/proc/self/ns/pid"),
    ):
        with contextlib.suppress(OSError):
            known.append(read())
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:8]


def _is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


def _owner_of(path):
    matches = (pattern.fullmatch(Path(path).name) for pattern in _TEMPORARY)
    return next(filter(None, matches), None)


def _open_temporary(path):
    temporary = path.with_name(_temporary_name(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise _unwritable(path, error) from error
    return temporary


def _temporary_name(path):
    end = f"-{owner()}-{secrets.token_hex(4)}{path.suffix}"
    room = _LONGEST_NAME - 1 - len(os.fsencode(end))
    return f".{os.fsencode(path.stem)[: max(room, 1)].decode(errors='ignore') or '_'}{end}"


def _unwritable(path, error):
    """An error of the system about a temporary name, as one about the file and its folder."""
    name, folder = relative(path), relative(path.parent)
    why = {
        errno.EACCES: f"the folder {folder} may not be written to",
        errno.EPERM: f"the folder {folder} may not be written to",
        errno.EROFS: f"the folder {folder} is on a read-only file system",
        errno.ENOSPC: f"the disk of the folder {folder} is full",
        errno.EDQUOT: f"the disk quota for the folder {folder} is used up",
        errno.ENAMETOOLONG: "its name is longer than the file system allows",
        errno.EEXIST: f"{folder}, or what it lies in, is a file and no folder",
        errno.ENOTDIR: f"{folder}, or what it lies in, is a file and no folder",
    }.get(error.errno, f"{os.strerror(error.errno or 0)} (folder {folder})")
    unwritable = NotWritableError(f"cannot write {name}: {why}")
    unwritable.errno = error.errno
    return unwritable


def _plain(value):
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"cannot write {type(value).__name__} as JSON: {value!r}")
