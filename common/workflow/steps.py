"""What a paper's ``rules.smk`` uses: its settings, and what each notebook reads and is passed.

``steps.smk``, which every ``rules.smk`` includes at its end, makes the rules that all papers have
alike (tables gathered, figures drawn, claims judged) and completes the paper's own with log,
benchmark and resources.
"""

import copy
import functools
import itertools
import re
from pathlib import PurePosixPath

from common import files, sources
from common.workflow import papers
from common.workflow.notebooks.fingerprint import fingerprint
from common.workflow.papers import PaperError

__all__ = ["RUN", "Steps", "complete", "notebook", "of"]

# Snakemake fills in what a script's path has in braces.
RUN = re.sub("([{}])", r"\1\1", str(files.ROOT / "common/workflow/notebooks/run.py"))
"""The ``script:`` of every rule that runs a notebook."""

_CAPTION = str(files.ROOT / "common/workflow/caption.rst")


class Steps:
    """What a paper's ``rules.smk`` uses.

    Parameters
    ----------
    name : str
        Folder below ``papers/``.
    paper : papers.Paper
    config : papers.Config

    Attributes
    ----------
    name : str
    paper : papers.Paper
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
    derived : str
        Folder of prepared data: ``data/derived/<paper>/<scale>``.
    figures : list of str
        Names of the figures.
    styles : dict of str to dict
        Looks of the paper's methods, for the parameter ``styles`` of its figures.
    folders : dict of str to str
    """

    def __init__(self, name, paper, config):
        self.name = name
        self.paper = paper
        self.scale = config.scale
        self.device = config.device
        self.mirror = config.mirror
        self.folders = config.folders
        self.settings = copy.deepcopy(papers.settings(name, paper, self.scale))
        self.built = f"results/{name}/{self.scale}"
        self.results = f"papers/{name}/recorded" if self.scale == "recorded" else self.built
        self.derived = f"data/derived/{name}/{self.scale}"
        self.figures = list(paper.figures)
        self.styles = {key: look.model_dump() for key, look in paper.methods.items()}

    def figure(self, name):
        """SVG file of a figure; an error where ``paper.yaml`` does not list it.

        As an output it enters Snakemake's report with the title and caption of ``paper.yaml``.

        Parameters
        ----------
        name : str

        Returns
        -------
        svg : str
            Path, marked for Snakemake's report.

        Raises
        ------
        PaperError
            With the nearest name.
        """
        if name not in self.figures:
            raise PaperError(
                f"{self._source}: figure {name!r} is not listed under figures"
                f"{papers.near(name, self.figures)}"
            )
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

    def reads(self, name):
        """Inputs of a figure's notebook, or of the claims', by name.

        Parameters
        ----------
        name : str
            A figure, or ``"claims"``.

        Returns
        -------
        inputs : dict of str to str or list of str
            A list holds, at the scale ``recorded``, the files that there are.

        Raises
        ------
        PaperError
            If there is no setting, entry of the registry or published file of that name.
        """
        reader, place = self._reader(name)
        found = {}
        for key, paths in reader.reads.items():
            several = isinstance(paths, list)
            expanded = []
            for path in paths if several else [paths]:
                filled, many = self._fill(path, f"{place}.reads.{key}")
                several |= many
                expanded += [self._file(one, f"{place}.reads.{key}") for one in filled]
            if several and self.scale == "recorded":
                expanded = [file for file in expanded if files.resolve(file).exists()]
            found[key] = expanded if several else expanded[0]
        return found

    def passes(self, name):
        """Parameters that a figure's notebook, or the claims', gets besides its inputs.

        Parameters
        ----------
        name : str
            A figure, or ``"claims"``.

        Returns
        -------
        parameters : dict
            A figure's ``styles`` and everybody's ``scale`` among them.

        Raises
        ------
        PaperError
            If a setting does not exist.
        """
        reader, place = self._reader(name)
        found = {} if name == "claims" else {"styles": self.styles}
        for key, value in reader.passes.items():
            where = f"{place}.passes.{key}"
            if isinstance(value, str):
                filled, many = self._fill(value, where)
                if many:
                    raise PaperError(f"{where}: {value!r} names several settings; it can pass one")
                value = self.setting(filled[0], where)
            found[key] = value
        return found | {"scale": self.scale}

    def setting(self, path, where="settings"):
        """A setting of the scale by its place, for example ``"timeline.label"``.

        Parameters
        ----------
        path : str
            Keys, separated by points. ``*`` stands for every key: the result is a dictionary.
        where : str
            Where the path stands, for the message.

        Returns
        -------
        value : object

        Raises
        ------
        PaperError
            If there is none.
        """
        return _find(self.settings, path.split("."), path, where)

    def notebook(self, file):
        """A notebook of the paper with its fingerprint, for ``params: notebook=``.

        Parameters
        ----------
        file : str
            Its name in the paper's folder.

        Returns
        -------
        notebook : callable
            As `notebook`.

        Raises
        ------
        PaperError
            If there is no such notebook.
        """
        path = f"papers/{self.name}/{file}"
        if not files.resolve(path).exists():
            known = [other.name for other in files.resolve(path).parent.glob("*.ipynb")]
            raise PaperError(
                f"papers/{self.name}/rules.smk: no notebook {path}{papers.near(file, known)}"
            )
        return notebook(path)

    @property
    def _source(self):
        return f"papers/{self.name}/paper.yaml"

    def _reader(self, name):
        if name == "claims":
            return self.paper.claims, f"{self._source}: claims"
        return self.paper.figures[name], f"{self._source}: figures.{name}"

    def _fill(self, text, where):
        """A text with its settings filled in: once for each of their values; and if several."""
        pieces = re.split(r"\{([^{}]*)\}", text)
        many, values = False, []
        for path in pieces[1::2]:
            value = self.setting(path, where)
            many |= isinstance(value, list | dict)
            values.append(list(value) if isinstance(value, list | dict) else [value])
        filled = [
            "".join(map(str, itertools.chain(*zip(pieces[::2], (*row, ""), strict=True))))
            for row in itertools.product(*values)
        ]
        return filled, many

    def _file(self, path, where):
        from common import registry

        place, _, rest = path.partition("/")
        if place == "raw":
            try:
                return registry.path(rest)
            except registry.RegistryError as error:
                raise PaperError(f"{where}: {error}") from None
        if place == "derived":
            return f"{self.derived}/{rest}"
        if place == "published":
            file = f"papers/{self.name}/{path}"
            if not files.resolve(file).exists():
                known = [other.name for other in files.resolve(file).parent.glob("*.csv")]
                raise PaperError(f"{where}: no file {file}{papers.near(rest, known)}")
            return file
        return f"{self.results}/{path}"

    def _reported(self, path, title, *paragraphs):
        """A path that Snakemake's report shows under the paper's title."""
        from snakemake.io import flag, report

        # One label only: of a second one with two values the report makes a switch.
        category, label = _no_wildcards(self.paper.title), _no_wildcards(title)
        file = report(path, category=category, labels={"result": label}, caption=_CAPTION)
        return flag(file, "caption", "\n\n".join(map(_rst, (*paragraphs, f"Scale: {self.scale}."))))


def of(name, config):
    """What the ``rules.smk`` of a paper uses.

    Parameters
    ----------
    name : str
        Folder below ``papers/``.
    config : dict
        Snakemake's ``config``.

    Returns
    -------
    steps : Steps

    Raises
    ------
    PaperError
        If the configuration or ``paper.yaml`` has mistakes, one line each.
    """
    return Steps(name, papers.load(name), papers.config(config))


def notebook(path):
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


def complete(workflow, paper):
    """Give the rules of a paper the log, benchmark and resources that they do not state.

    The executed notebook and the benchmark of a step stand below ``<built>/notebooks`` and
    ``<built>/benchmarks``, named as its first output; a figure's executed notebook stands beside
    the figure. Resources are those of ``paper.yaml``.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Whose last rules are the paper's.
    paper : Steps

    Raises
    ------
    PaperError
        If ``paper.yaml`` has resources of a step that is none.
    """
    prefix = f"{papers.module(paper.name)}_"
    own = [
        rule
        for rule in workflow.rules
        if not rule.log and any(name == "notebook" for name, _ in rule.params.items())
    ]
    for rule in own:
        rule.log_modifier = rule.benchmark_modifier = workflow.modifier.path_modifier
        name = _name(str(rule.output[0]), paper)
        figure = str(rule.output[0]).startswith(f"papers/{paper.name}/figures/")
        folder = f"papers/{paper.name}" if figure else f"{paper.built}/notebooks"
        rule.set_log(notebook=f"{folder}/{name}.ipynb")
        if rule.benchmark is None:
            rule.benchmark = f"{paper.built}/benchmarks/{name}.tsv"
    steps = {rule.name.removeprefix(prefix): rule for rule in own}
    if unknown := [name for name in paper.paper.resources if name not in steps]:
        raise PaperError(
            f"papers/{paper.name}/paper.yaml: resources.{unknown[0]} names no step"
            f"{papers.near(unknown[0], list(steps))}"
        )
    usual = workflow.resource_settings._parsed_default_resources
    for name, rule in steps.items():
        needs = paper.paper.resources.get(name, papers.Resources()).at(paper.scale)
        # One GPU for a step that uses one where it finds it; on this machine nobody counts them.
        if dict(rule.params.items()).get("device", "cpu") != "cpu":
            needs["gpu"] = 1
        for key, value in needs.items():
            # What neither the rule nor --set-resources states is that of --default-resources.
            if key in rule.resources and key in usual:
                is_stated = rule.resources[key].raw != usual[key].raw
            else:
                is_stated = key in rule.resources
            if not is_stated:
                rule.resources[key] = value


def _name(output, paper):
    """What tells the jobs of a paper apart: the place of their first output, without its ending."""
    for folder in (f"papers/{paper.name}", paper.built, paper.results):
        if output.startswith(f"{folder}/"):
            output = output.removeprefix(f"{folder}/")
            break
    else:
        if output.startswith(f"{paper.derived}/"):
            output = f"derived/{output.removeprefix(f'{paper.derived}/')}"
    return str(PurePosixPath(output).with_suffix(""))


def _find(value, keys, path, where):
    for place, key in enumerate(keys):
        if key == "*" and isinstance(value, dict):
            rest = keys[place + 1 :]
            return {name: _find(one, rest, path, where) for name, one in value.items()}
        known = {str(name): name for name in value} if isinstance(value, dict) else {}
        if key not in known:
            raise PaperError(
                f"{where}: there is no setting {path!r}{papers.near(key, list(known))}"
            )
        value = value[known[key]]
    return value


def _rst(text):
    """Plain text as reStructuredText that says just that."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", " ".join(text.split()))


def _no_wildcards(text):
    """A text that looks the same and in which Snakemake finds no ``{wildcard}``."""
    return text.replace("{", "{\N{WORD JOINER}")
