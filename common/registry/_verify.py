"""Whether a file is the registered one, and the error that says in what way it is not."""

import shutil

from common import files
from common.registry._schema import RegistryError

__all__ = ["copy_verified", "failure", "matches", "verify"]


def failure(name, *, source, expected, found, cause, fix):
    """Error about one file: what was expected, what came, why, and what to do.

    Parameters
    ----------
    name : str
        The file's.
    source, expected, found, cause, fix : str

    Returns
    -------
    error : RegistryError
        To be raised.
    """
    return RegistryError(
        f"{name} could not be obtained from {source}.\n"
        f"  expected: {expected}\n"
        f"  found:    {found}\n"
        f"  cause:    {cause}\n"
        f"  fix:      {fix}"
    )


def matches(path, *, sha256, size):
    """Whether a file exists and has this size (bytes) and this SHA-256.

    Parameters
    ----------
    path : Path
    sha256 : str
    size : int

    Returns
    -------
    same : bool
    """
    return path.is_file() and path.stat().st_size == size and files.sha256(path) == sha256


def verify(path, name, *, sha256, size, source):
    """Check a complete file.

    Parameters
    ----------
    path : Path
        Where the file is now, under a temporary name.
    name, source : str
        What the file is to be called, and where it came from: for the message.
    sha256 : str
    size : int
        In bytes.

    Raises
    ------
    RegistryError
        Tells an HTML page and a truncated file from another version.
    """
    if matches(path, sha256=sha256, size=size):
        return
    found_size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        cause = (
            "an HTML page came instead of data: the address moved, or a login, consent or proxy "
            "page stands in between"
        )
        fix = "open the address in a browser; correct it in the registry, or use a mirror folder"
    elif found_size < size:
        cause = "the file is truncated at the source or on the way"
        fix = "try again; if it stays short, use a mirror folder"
    else:
        cause = "the file was replaced by another version at the source, or changed on the way"
        fix = (
            "try again; if it stays so, compare the two versions before entering the new sha256 "
            "and size in the registry"
        )
    raise failure(
        name,
        source=source,
        expected=f"sha256 {sha256}, {size} bytes",
        found=f"sha256 {files.sha256(path)}, {found_size} bytes",
        cause=cause,
        fix=fix,
    )


def copy_verified(source, destination, *, sha256, size):
    """Copy a file and check the copy, so that a full disk or a bad one is noticed here.

    Parameters
    ----------
    source, destination : str or Path
    sha256 : str
        Of the file, in lower-case hexadecimal digits.
    size : int
        In bytes.

    Raises
    ------
    RegistryError
        If the copy has another size or hash; nothing is at the destination then.
    """
    with files.atomic(destination) as temporary:
        shutil.copyfile(source, temporary)
        verify(temporary, files.relative(destination), sha256=sha256, size=size, source=str(source))
