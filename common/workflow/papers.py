"""``config.yaml`` and ``papers/<paper>/paper.yaml``: what they may say, checked before any job.

`common.workflow.steps` makes of them what a paper's ``rules.smk`` uses.
"""

import difflib
import functools
import re
from typing import Annotated, Literal

import pydantic

from common import files, sources
from common.report.agreement import Tolerance
from common.report.palette import MARKERS, OKABE_ITO

__all__ = [
    "Claims",
    "Config",
    "Figure",
    "Method",
    "Paper",
    "PaperError",
    "Resources",
    "configured_scale",
    "load",
    "module",
    "names",
    "near",
]


class PaperError(ValueError):
    """A configuration file says something that it may not; one line for each mistake."""


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Config(_Strict):
    """``config.yaml``, with what ``--config`` overrides.

    Parameters
    ----------
    scale : {"smoke", "embedded", "paper", "recorded"}, default="embedded"
    device : {"auto", "cpu", "cuda"}, default="auto"
    mirror : str or None
        Folder of already downloaded files.
    folders : dict of str to str
        Folders of data that a user obtained, for example ``tusz``.
    warm : bool, default=True
        Whether jobs on this machine are forked from processes that have imported libraries.
    """

    scale: Literal["smoke", "embedded", "paper", "recorded"] = "embedded"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    mirror: str | None = None
    folders: dict[str, str] = {}
    warm: bool = True


class Method(_Strict):
    """How figures show one method of a paper.

    Parameters
    ----------
    label : str
    color : str
        A name of `common.report.palette.OKABE_ITO`.
    marker : str
        As matplotlib names it, one of `common.report.palette.MARKERS`.
    """

    label: str
    color: Literal[*OKABE_ITO]
    marker: Literal[*MARKERS]


class _Reader(_Strict):
    """A notebook that reads tables: a figure's, or the claims'.

    ``reads`` names its inputs, a file each or a list of them. The first part of a path says where
    a file is: ``published/`` in the paper's folder, ``raw/`` an entry of the registry,
    ``derived/`` what a step has prepared; anything else, for example ``tables/``, is a result.
    ``{key.key}`` in a path stands for that setting of the scale, for each of its values if it
    holds several.

    ``passes`` names parameters that it gets besides these: a setting by its place, such as
    ``timeline.label``, where ``*`` stands for every key (a dictionary of them is passed), or
    a number or a list as it is.
    """

    reads: dict[str, str | list[str]] = {}
    passes: dict[str, str | int | float | list] = {}


class Claims(_Reader):
    """The claims of a paper.

    Parameters
    ----------
    reads, passes : dict
        A list of files holds, at the scale ``recorded``, those that there are: what has no table
        is not testable.
    unchecked : list of str
        Patterns (`fnmatch`) of statements whose outcome ``check`` leaves out: those on measured
        times, and those that are there only where a peer is installed.
    """

    unchecked: list[str] = []


class Resources(_Strict):
    """What a step needs, if that is not the usual.

    Parameters
    ----------
    mem_mb : int, default=500
        Memory in MB.
    runtime : int, default=10
        Minutes after which a cluster may end the job.
    paper : dict, optional
        ``mem_mb`` and ``runtime`` at the scale ``paper``, where they differ.
    """

    mem_mb: Annotated[int, pydantic.Field(gt=0)] = 500
    runtime: Annotated[int, pydantic.Field(gt=0)] = 10
    paper: dict[Literal["mem_mb", "runtime"], Annotated[int, pydantic.Field(gt=0)]] = {}

    def at(self, scale):
        """``mem_mb`` and ``runtime`` at a scale, as a dictionary.

        Parameters
        ----------
        scale : str

        Returns
        -------
        resources : dict
        """
        usual = {"mem_mb": self.mem_mb, "runtime": self.runtime}
        return usual | self.paper if scale == "paper" else usual


class Figure(_Reader):
    """One figure of a paper.

    Parameters
    ----------
    title, caption : str
    original : str, int or None
        The figure's number in the paper; None for a figure of ours.
    reads, passes : dict
        Inputs and parameters of its notebook.
    tolerances : list of common.report.agreement.Tolerance
        How far its numbers may be from the reference; the first that fits a column and a row
        governs. Columns without one keep to `common.report.agreement.STRICT`.
    """

    title: str
    caption: str
    original: str | int | None = None
    tolerances: list[Tolerance] = []


class _Scales(_Strict):
    """Settings of the scales that compute; ``smoke`` holds what differs from ``embedded``."""

    embedded: dict
    smoke: dict = {}
    paper: dict


class Paper(_Strict):
    """``papers/<paper>/paper.yaml``.

    ``recorded`` names the figures whose tables ``papers/<paper>/record`` keeps; without it, all and
    the claims. It is for a paper of which only a part can be computed, for example because the rest
    needs data that few people have.

    ``resources`` names steps, as ``rules.smk`` does, that need more than the usual.
    """

    title: str
    authors: list[str]
    year: int
    doi: str | None = None
    arxiv: str | None = None
    summary: str
    preview: str | None = None
    recorded: list[str] | None = None
    methods: dict[str, Method] = {}
    figures: dict[str, Figure]
    claims: Claims = Claims()
    resources: dict[str, Resources] = {}
    scales: _Scales

    @property
    def address(self):
        """Web address of the paper: its own DOI, or else the one that arXiv gives it."""
        return f"https://doi.org/{self.doi or f'10.48550/arXiv.{self.arxiv}'}"

    @property
    def people(self):
        """Family and given name of each author; the given name may be empty."""
        parts = (author.partition(", ") for author in self.authors)
        return [(family, given) for family, _, given in parts]


def names():
    """Folders below ``papers/`` that hold a paper, in alphabetical order.

    A folder whose name begins with ``_`` or ``.`` is none, for example a template.
    """
    found = [path.parent.name for path in files.ROOT.glob("papers/*/paper.yaml")]
    return sorted(name for name in found if name[0] not in "_.")


def module(name):
    """Name of a paper's Snakemake module: the folder's, a hyphen being an underscore.

    Parameters
    ----------
    name : str

    Returns
    -------
    name : str
    """
    return name.replace("-", "_")


def load(name):
    """Read and check a paper's ``paper.yaml``.

    Parameters
    ----------
    name : str
        Folder below ``papers/``.

    Returns
    -------
    paper : Paper

    Raises
    ------
    PaperError
        One line for each mistake: file, key, value, and what to write instead.
    """
    path = files.resolve(f"papers/{name}/paper.yaml")
    return _load(name, files.ROOT, files.sha256(path) if path.is_file() else None)


@functools.cache
def _load(name, root, digest):
    """`load`, once for each content."""
    source = f"papers/{name}/paper.yaml"
    paper = _validate(Paper, _read(source), source)
    _same_keys(paper.scales.embedded, paper.scales.paper, f"{source}: scales")
    settings(name, paper, "smoke")
    if paper.doi is None and paper.arxiv is None:
        raise PaperError(f"{source}: doi or arxiv is required, found neither")
    if paper.preview is not None:
        _known(paper.preview, paper.figures, f"{source}: preview")
    for name in paper.recorded or []:
        _known(name, paper.figures, f"{source}: recorded")
    return paper


def config(values, source="config.yaml"):
    """Check the configuration.

    Parameters
    ----------
    values : dict
        Snakemake's ``config``.
    source : str, default="config.yaml"
        What the message calls it.

    Returns
    -------
    config : Config

    Raises
    ------
    PaperError
        One line for each mistake: the key, its value, and what to write instead.
    """
    return _validate(Config, {k: v for k, v in values.items() if v is not None}, source)


def settings(name, paper, scale):
    """Settings of a paper at one scale.

    The smoke scale states what differs from the embedded one. Mappings are merged key by key;
    anything else, a list too, replaces what stands there; and null leaves out an entry that is a
    mapping, for example a data set.

    Parameters
    ----------
    name : str
        Folder below ``papers/``, for messages.
    paper : Paper
    scale : {"smoke", "embedded", "paper", "recorded"}

    Returns
    -------
    settings : dict

    Raises
    ------
    PaperError
        If the smoke scale names a key that the embedded one does not have, or has another value
        in place of a mapping.
    """
    if scale == "smoke":
        place = f"papers/{name}/paper.yaml: scales.smoke"
        return _merged(paper.scales.embedded, paper.scales.smoke, place)
    return paper.scales.embedded if scale == "embedded" else paper.scales.paper


def configured_scale():
    """The scale that ``config.yaml`` names."""
    return config(_read("config.yaml")).scale


def _read(source):
    try:
        content = sources.read_yaml(source)
    except sources.SourceError as error:
        raise PaperError(str(error)) from None
    if not isinstance(content, dict):
        raise PaperError(f"{source}: expected `key: value` lines, found {type(content).__name__}")
    return content


def _validate(model, values, source):
    try:
        return model.model_validate(values)
    except pydantic.ValidationError as error:
        raise PaperError(
            "\n".join(_explain(model, one, source) for one in error.errors())
        ) from None


def _explain(model, error, source):
    *parents, key = error["loc"]
    place = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        known = _fields(model, parents)
        return f"{source}: unknown key {place}{near(str(key), known)}"
    if error["type"] == "missing":
        return f"{source}: {place} is required"
    what = error["msg"].removeprefix("Input should be ").removeprefix("a ")
    hint = ""
    if error["type"] == "literal_error":
        known = re.findall(r"'(.*?)'", what)
        found = difflib.get_close_matches(str(error["input"]), known, n=1)
        hint = f"; did you mean {found[0]!r}?" if found else ""
    return f"{source}: {place} is {error['input']!r}, it should be {what}{hint}"


def _fields(model, parents):
    for parent in parents:
        field = model.model_fields.get(str(parent)) if hasattr(model, "model_fields") else None
        if field is not None:
            model = field.annotation
        if getattr(model, "__origin__", None) in (dict, list):
            model = model.__args__[-1]
    return list(model.model_fields)


def near(name, known):
    """``; did you mean 'one'? (known: one, two)`` for a name that is not among the known ones.

    Parameters
    ----------
    name : str
    known : sequence of str

    Returns
    -------
    hint : str
        The likeness is left out where no name is near.
    """
    found = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {found[0]!r}?" if found else ""
    return f"{hint} (known: {', '.join(sorted(known)) or 'none'})"


def _known(name, known, place):
    if name not in known:
        raise PaperError(f"{place} {name!r} is not listed under figures{near(name, list(known))}")


def _merged(embedded, smoke, place):
    """The embedded settings with the differences of the smoke scale, as a new dictionary."""
    merged = dict(embedded)
    for key, new in smoke.items():
        here = f"{place}.{key}"
        if key not in embedded:
            known = list(map(str, embedded))
            raise PaperError(
                f"{here} is missing from embedded; smoke only says what differs from it"
                f"{near(str(key), known)}"
            )
        old = embedded[key]
        if isinstance(old, dict) and new is None:
            del merged[key]
        elif isinstance(old, dict) and not isinstance(new, dict):
            raise PaperError(
                f"{here} is {new!r}; embedded has a mapping there, so write what differs in it, "
                "or null to leave it out"
            )
        else:
            merged[key] = _merged(old, new, here) if isinstance(old, dict) else new
    return merged


def _same_keys(embedded, paper, place):
    for one, other, name, other_name in (
        (embedded, paper, "embedded", "paper"),
        (paper, embedded, "paper", "embedded"),
    ):
        for key in one:
            if key not in other:
                raise PaperError(
                    f"{place}.{name}.{key} is missing from {other_name}; both scales have the "
                    f"same keys{near(key, list(other))}"
                )
