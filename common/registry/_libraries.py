"""Data sets that MOABB and MNE-Python download: delegated, with a receipt of what came.

Those libraries know addresses and checksums, and where the user keeps their data (``MNE_DATA``).
A receipt, small and the same on every machine, is what a rule of the workflow can call its output.
"""

import errno
from operator import attrgetter
from pathlib import Path

from common import files
from common.registry._schema import RegistryError
from common.registry._verify import failure

__all__ = ["fetch_mne", "fetch_moabb"]


def fetch_moabb(name, moabb, *, subject, mirror, destination):
    """Let MOABB download one subject, and write the receipt.

    What a mirror folder holds is linked into MOABB's folder first, and not downloaded then.

    Parameters
    ----------
    name : str
    moabb : Moabb
    subject : int
    mirror : Path or None
        Folder that may hold data in MOABB's own layout, ``MNE-<name>-data/…``.
    destination : Path
        The receipt, JSON.

    Raises
    ------
    RegistryError
        If there is no such subject, or MOABB fails.
    """
    if subject is None or int(subject) not in moabb.numbers:
        known = f"1 to {moabb.n_subjects}" if moabb.subjects is None else moabb.subjects
        raise RegistryError(
            f"{name} has subjects {known}, got subject={subject}. "
            "A MOABB data set is fetched one subject at a time: fetch(name, subject=1)."
        )
    _link(mirror)
    # Takes seconds, so only where it is needed.
    import moabb.datasets as datasets

    source = f"MOABB ({moabb.dataset}, subject {subject})"
    try:
        found = getattr(datasets, moabb.dataset)().data_path(int(subject))
    except Exception as error:
        raise _failed(name, source, error) from error
    _write_receipt(name, source, _flat(found), destination)


def fetch_mne(name, mne, *, destination):
    """Let MNE-Python download a data set, and write the receipt.

    Parameters
    ----------
    name : str
    mne : Mne
    destination : Path
        The receipt, JSON.

    Raises
    ------
    RegistryError
        If MNE-Python fails.
    """
    from mne import datasets

    source = f"MNE-Python ({mne.dataset})"
    try:
        module = attrgetter(mne.dataset)(datasets)
        if hasattr(module, "fetch_data"):  # Sleep Physionet: by subject; some numbers do not exist
            found = module.fetch_data(subjects=range(83), on_missing="ignore")
        else:
            found = module.data_path()
    except Exception as error:
        raise _failed(name, source, error) from error
    _write_receipt(name, source, _flat(found), destination)


def _link(mirror):
    """Links in MOABB's folder (``MNE_DATA``) to the mirror's files that are not there."""
    folders = [] if mirror is None else sorted(mirror.glob("MNE-*"))
    shared = [path for folder in folders for path in files.walk(folder)]
    if not shared:
        return
    import mne

    folder = Path(mne.get_config("MNE_DATA") or Path.home() / "mne_data").expanduser()
    for path in shared:
        link = folder / path.relative_to(mirror)
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)  # a link to a mirror that is gone
            link.symlink_to(path.resolve())


def _flat(found):
    """Files of a path, of a folder, or of nested lists of both."""
    if isinstance(found, str | Path):
        path = Path(found)
        if path.is_dir():
            inside = sorted(files.walk(path))
            return [(each.relative_to(path).as_posix(), each) for each in inside]
        return [(path.name, path)] if path.is_file() else []
    return [each for part in found or () for each in _flat(part)]


def _write_receipt(name, source, found, destination):
    if not found:
        raise _failed(name, source, "it returned no existing file")
    content = [
        {"file": spelling, "size": path.stat().st_size, "sha256": files.sha256(path)}
        for spelling, path in found
    ]
    content = {"source": source, "files": sorted(content, key=lambda each: each["file"])}
    if destination.is_file() and files.read_json(destination) != content:
        print(f"{files.relative(destination)}: the files of {source} changed; receipt replaced.")
    files.write_json(destination, content)


def _failed(name, source, error):
    kind = f"{type(error).__name__}: " if isinstance(error, Exception) else ""
    cause = "no network, a server that is down, or a damaged earlier download"
    fix = "try again; without internet, copy the data to the node and set MNE_DATA to its folder"
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        cause, fix = "the disk is full", "make room, or set MNE_DATA to a folder on another disk"
    elif isinstance(error, MemoryError | ImportError):
        cause, fix = "no memory, or a package that is missing", "mend that, then try again"
    return failure(
        name,
        source=source,
        expected="the files of the data set",
        found=f"{kind}{error}",
        cause=cause,
        fix=fix,
    )
