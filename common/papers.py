"""``config.yaml`` and ``papers/<paper>/paper.yaml``: what they may say, checked before any job.

`rules` gives a paper's ``rules.smk`` everything it needs from them.
"""

import copy
import difflib
import functools
import re
from typing import Literal

import pydantic

from common import files, sources
from common.agreement import Tolerance
from common.notebooks.fingerprint import fingerprint

__all__ = [
    "RUN_NOTEBOOK",
    "Config",
    "Figure",
    "Paper",
    "PaperError",
    "Rules",
    "configured_scale",
    "fingerprinted",
    "load",
    "module",
    "names",
    "rules",
]

# Snakemake fills in what a script's path has in braces.
RUN_NOTEBOOK = re.sub("([{}])", r"\1\1", str(files.ROOT / "common/notebooks/run.py"))
"""The ``script:`` of every rule that runs a notebook."""

_CAPTION = str(files.ROOT / "common/caption.rst")


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


class Figure(_Strict):
    """One figure of a paper.

    Parameters
    ----------
    title, caption : str
    original : str, int or None
        The figure's number in the paper; None for a figure of ours.
    tolerances : list of common.agreement.Tolerance
        How far its numbers may be from the reference; the first that fits a column and a row
        governs. Columns without one keep to `common.agreement.STRICT`.
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

    ``unchecked_claims`` are patterns (`fnmatch`) of statements whose outcome ``check`` leaves out:
    those on measured times, and those that are there only where a peer is installed.
    """

    title: str
    authors: list[str]
    year: int
    doi: str | None = None
    arxiv: str | None = None
    summary: str
    preview: str | None = None
    recorded: list[str] | None = None
    unchecked_claims: list[str] = []
    figures: dict[str, Figure]
    scales: _Scales


class Rules:
    """What a paper's ``rules.smk`` uses.

    Attributes
    ----------
    name : str
    scale, device : str
        From the configuration. The runner turns the device ``"auto"`` into the one that the job
        finds: the machine that reads the rules need not be the one that runs them.
    settings : dict
        The scale's settings; at ``smoke`` those of ``embedded`` with what differs, at ``recorded``
        those of ``paper``.
    results : str
        Folder of the tables: ``results/<paper>/<scale>``, at ``recorded``
        ``papers/<paper>/recorded``.
    built : str
        Folder of what every scale writes, such as the claims table: ``results/<paper>/<scale>``.
    figures : list of str
        Names of the figures.
    folders : dict of str to str
    """

    def __init__(self, name, paper, config):
        self.name = name
        self.paper = paper
        self.scale = config.scale
        self.device = config.device
        self.mirror = config.mirror
        self.folders = config.folders
        self.settings = copy.deepcopy(settings(name, paper, self.scale))
        self.built = f"results/{name}/{self.scale}"
        self.results = f"papers/{name}/recorded" if self.scale == "recorded" else self.built
        self.figures = list(paper.figures)

    def figure(self, name):
        """SVG file of a figure; an error where ``paper.yaml`` does not list it.

        As an output it enters Snakemake's report with the title and caption of ``paper.yaml``.
        """
        _known(name, self.figures, f"papers/{self.name}/paper.yaml: figure")
        figure = self.paper.figures[name]
        original = "" if figure.original is None else f" (figure {figure.original} of the paper)"
        svg = f"papers/{self.name}/figures/{name}.svg"
        beside = [svg.replace(".svg", suffix) for suffix in (".csv", ".ipynb", ".json")]
        return self._reported(
            svg,
            f"{figure.title}{original}",
            figure.caption,
            "Numbers, notebook and provenance: {}, {}, {}.".format(*beside),
        )

    @property
    def claims(self):
        """Claims table, ``<built>/claims.csv``; as an output it enters Snakemake's report."""
        return self._reported(
            f"{self.built}/claims.csv",
            "Claims",
            "What the paper claims beside what this run found, with an outcome for each claim.",
            "The file is a table; the Scoreboard of a report of all papers shows it on the screen.",
        )

    def available(self, tables):
        """Of these result tables those that are recorded; at the other scales all of them.

        For the claims of a paper of which a part is recorded: the notebook takes a list of tables,
        and what it has no table for is not testable.
        """
        if self.scale != "recorded":
            return list(tables)
        return [table for table in tables if files.resolve(table).exists()]

    def memory(self, *, embedded, paper):
        """Memory of a job whose data are larger at the paper's scale, for ``mem_mb=``.

        Parameters
        ----------
        embedded, paper : int
            In MB, at each scale.

        Returns
        -------
        mb : int
        """
        return paper if self.scale == "paper" else embedded

    def _reported(self, path, title, *paragraphs):
        """A path that Snakemake's report shows under the paper's title."""
        from snakemake.io import flag, report

        # One label only: of a second one with two values the report makes a switch.
        category, label = _no_wildcards(self.paper.title), _no_wildcards(title)
        file = report(path, category=category, labels={"result": label}, caption=_CAPTION)
        return flag(file, "caption", "\n\n".join(map(_rst, (*paragraphs, f"Scale: {self.scale}."))))

    def notebook(self, file):
        """A notebook of the paper with its fingerprint, for ``params: notebook=``.

        Returns
        -------
        notebook : callable
            As `fingerprinted`.

        Raises
        ------
        PaperError
            If there is no such notebook.
        """
        path = f"papers/{self.name}/{file}"
        if not files.resolve(path).exists():
            known = [other.name for other in files.resolve(path).parent.glob("*.ipynb")]
            raise PaperError(
                f"papers/{self.name}/rules.smk: no notebook {path}{_near(file, known)}"
            )
        return fingerprinted(path)


def fingerprinted(path):
    """A notebook with its fingerprint, for ``params: notebook=``.

    Parameters
    ----------
    path : str
        Relative to the repository root.

    Returns
    -------
    notebook : callable
        Gives ``<path>@<fingerprint>``, whatever the wildcards. The fingerprint is computed at the
        first call, so only for notebooks of which a job is wanted. It raises `PaperError` if the
        notebook, or a module that it uses, cannot be read.
    """

    @functools.cache
    def named():
        try:
            return f"{path}@{fingerprint(files.resolve(path), root=files.ROOT)}"
        except sources.SourceError as error:
            raise PaperError(str(error)) from None

    return lambda wildcards: named()


def names():
    """Folders below ``papers/`` that hold a paper, in alphabetical order.

    A folder whose name begins with ``_`` or ``.`` is none, for example a template.
    """
    found = [path.parent.name for path in files.ROOT.glob("papers/*/paper.yaml")]
    return sorted(name for name in found if name[0] not in "_.")


def module(name):
    """Name of a paper's Snakemake module: the folder's, a hyphen being an underscore."""
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

    Returns
    -------
    config : Config

    Raises
    ------
    PaperError
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


def rules(name, values):
    """What a paper's ``rules.smk`` uses.

    Parameters
    ----------
    name : str
        Folder below ``papers/``.
    values : dict
        Snakemake's ``config``.

    Returns
    -------
    rules : Rules
    """
    return Rules(name, load(name), config(values))


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
        return f"{source}: unknown key {place}{_near(str(key), known)}"
    if error["type"] == "missing":
        return f"{source}: {place} is required"
    what = error["msg"].removeprefix("Input should be ").removeprefix("a ")
    hint = ""
    if error["type"] == "literal_error":
        known = re.findall(r"'(.*?)'", what)
        near = difflib.get_close_matches(str(error["input"]), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{source}: {place} is {error['input']!r}, it should be {what}{hint}"


def _fields(model, parents):
    for parent in parents:
        field = model.model_fields.get(str(parent)) if hasattr(model, "model_fields") else None
        if field is not None:
            model = field.annotation
        if getattr(model, "__origin__", None) in (dict, list):
            model = model.__args__[-1]
    return list(model.model_fields)


def _near(name, known):
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (known: {', '.join(sorted(known)) or 'none'})"


def _rst(text):
    """Plain text as reStructuredText that says just that."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", " ".join(text.split()))


def _no_wildcards(text):
    """A text that looks the same and in which Snakemake finds no ``{wildcard}``."""
    return text.replace("{", "{\N{WORD JOINER}")


def _known(name, known, place):
    if name not in known:
        raise PaperError(f"{place} {name!r} is not listed under figures{_near(name, list(known))}")


def _merged(embedded, smoke, place):
    """The embedded settings with the differences of the smoke scale, as a new dictionary."""
    merged = dict(embedded)
    for key, new in smoke.items():
        here = f"{place}.{key}"
        if key not in embedded:
            known = list(map(str, embedded))
            raise PaperError(
                f"{here} is missing from embedded; smoke only says what differs from it"
                f"{_near(str(key), known)}"
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
                    f"same keys{_near(key, list(other))}"
                )
