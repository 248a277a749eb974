"""Files of one commit of a GitHub repository, kept together in one zip archive.

The archive that GitHub makes of a commit may change in bytes while its files stay. So the registry
knows a plain archive made here: the registered members, sorted, uncompressed, undated. Its hash
depends on the members' names and contents only, whichever copy of the commit they come from. Git
writes the commit's name into the archive's comment, by which a copy in a mirror folder is found.
"""

import zipfile

from common import files
from common.registry._verify import failure, verify

__all__ = ["address", "in_mirror", "repack"]

_UNDATED = (1980, 1, 1, 0, 0, 0)


def address(github):
    """Where GitHub offers the archive of the commit.

    Parameters
    ----------
    github : Github

    Returns
    -------
    url : str
    """
    return f"https://codeload.github.com/{github.repository}/zip/{github.commit}"


def in_mirror(mirror, github):
    """An archive of the commit in a mirror folder, or None.

    Parameters
    ----------
    mirror : str or Path or None
    github : Github

    Returns
    -------
    archive : Path or None
    """
    if mirror is None:
        return None
    for path in sorted(files.walk(mirror)):
        if path.suffix == ".zip" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if archive.comment.decode("ascii", "replace") == github.commit:
                    return path
    return None


def repack(archive, github, destination, *, sha256, size):
    """Take the registered members out of a commit's archive, and verify them.

    Parameters
    ----------
    archive : Path
        As GitHub offers it; all names begin with one top folder, which is dropped.
    github : Github
    destination : Path
    sha256 : str
        Of the archive made here.
    size : int
        In bytes.

    Raises
    ------
    RegistryError
        If the archive is none, lacks a member, or holds other contents.
    """
    name = files.relative(destination)
    if not zipfile.is_zipfile(archive):
        verify(archive, name, sha256=sha256, size=size, source=address(github))
    with files.atomic(destination) as temporary:
        with zipfile.ZipFile(archive) as source, zipfile.ZipFile(temporary, "w") as packed:
            inside = {each.partition("/")[2]: each for each in source.namelist() if each[-1] != "/"}
            for member in _chosen(inside, github, name):
                information = zipfile.ZipInfo(member, date_time=_UNDATED)
                information.create_system = 3  # the same bytes from every operating system
                packed.writestr(information, source.read(inside[member]))
        verify(temporary, name, sha256=sha256, size=size, source=archive.name)


def _chosen(inside, github, name):
    chosen = set()
    for member in github.members:
        found = [each for each in inside if each == member or each.startswith(_folder(member))]
        if not found:
            raise failure(
                name,
                source=address(github),
                expected=f"{member} in the archive of the commit",
                found=f"{len(inside)} files, without it",
                cause="the member is misspelt, or the archive is of another commit",
                fix="correct `members` or `commit` in the registry",
            )
        chosen.update(found)
    return sorted(chosen)


def _folder(member):
    return member if member.endswith("/") else f"{member}/"
