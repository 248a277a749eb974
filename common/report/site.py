"""A static site of what is built: papers, figures, claims, data sets, and the library.

``make site`` writes ``site/index.html``, which opens from disk and from any web server. Nothing is
computed: the pages show what the workflow has built, at the scale that ``config.yaml`` names, and
say of what is not built which command builds it. This module writes the pages, whose templates are
in ``docs/templates``, and copies figures, tables and executed notebooks; Sphinx, with
``docs/conf.py``, makes HTML of them. A file that stays as it was is not written again, so that
Sphinx renders only the pages that changed.

Pages are Markdown. Those of the library are reStructuredText, as docstrings are: within Markdown,
Sphinx would store a copy of all that it knows with each of them.
"""

import argparse
import ast
import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import PurePath
from xml.etree import ElementTree

import jinja2
import markupsafe
import pandas as pd

from common import files, registry
from common.report import claims, reference
from common.workflow import console, papers
from common.workflow.notebooks import provenance

__all__ = ["agreement", "build", "claimed", "datasets", "figure", "library", "main", "steps"]

PAGES = ".site/pages"
"""Folder of what Sphinx reads."""

SITE = "site"
"""Folder of the site."""

_SVG = "{http://www.w3.org/2000/svg}"


def build():
    """Write the pages of everything that is built, and the files that they link to.

    Raises
    ------
    papers.PaperError, registry.RegistryError
        If a ``paper.yaml`` or the registry has mistakes.
    """
    scale = papers.configured_scale()
    listed = {name: papers.load(name) for name in papers.names()}
    listed = dict(sorted(listed.items(), key=lambda item: (-item[1].year, item[0])))
    judged = {name: claimed(name, scale) for name in listed}
    families = library()
    pages, site = _Folder(PAGES), _Folder(SITE)
    for name, paper in listed.items():
        _paper(pages, site, name, paper, scale, judged[name])
    pages.page("index", "start.md", papers=listed, judged=judged, about=_about())
    pages.page("papers/index", "papers.md", papers=listed)
    pages.page("scoreboard", "scoreboard.md", papers=listed, judged=judged, scale=scale)
    pages.page("data", "data.md", papers=listed, entries=datasets())
    pages.page("library/index", "library.md", families=families)
    for family, modules in families.items():
        for module, (_, names) in modules.items():
            others = [other for other in modules if other != family] if module == family else []
            pages.page(f"library/{module}", "module.rst", module=module, names=names, others=others)
    rendered = {site.path / path.relative_to(pages.path) for path in pages.written}
    site.written |= {path.with_suffix(".html") for path in rendered}
    pages.remove_others("")
    for folder in ("papers", "library"):  # the rest is Sphinx's
        site.remove_others(folder)


def figure(name, key, paper):
    """What the site says of one figure.

    Parameters
    ----------
    name : str
        Folder below ``papers/``.
    key : str
        The figure.
    paper : common.workflow.papers.Paper

    Returns
    -------
    shown : dict
        ``title``, ``caption``, ``original``; ``built``, ``command`` that builds it or builds it
        again; and of a built one ``made_from`` (its line on scale and data), ``files`` beside it
        (suffix to path), its ``provenance``, if any, and ``problems``: what ``snakemake verify``
        would say of it.
    """
    described = paper.figures[key]
    svg = f"papers/{name}/figures/{key}.svg"
    shown = {
        "key": key,
        "title": described.title,
        "caption": described.caption,
        "original": described.original,
        "built": files.resolve(svg).is_file(),
        "command": f"snakemake -j2 {svg}",
    }
    if not shown["built"]:
        return shown
    beside = {
        suffix: path
        for suffix in ("svg", "png", "csv", "ipynb", "json")
        if files.resolve(path := svg.removesuffix("svg") + suffix).is_file()
    }
    made = files.read_json(beside["json"]) if "json" in beside else None
    shown["command"] = f"snakemake -j2 --force {svg}"
    if made:
        shown["command"] += f" --config scale={made['scale']}"
    no_origin = f"{svg} has no provenance beside it. Build it again: {shown['command']}"
    return shown | {
        "made_from": _stamp(svg),
        "files": beside,
        "provenance": made,
        "problems": list(map(str, provenance.problems_of(made))) if made else [no_origin],
    }


def claimed(name, scale):
    """Claims of a paper as they came out.

    Parameters
    ----------
    name, scale : str

    Returns
    -------
    rows : list of dict or None
        By the columns of `common.report.claims.COLUMNS`; what is missing is an empty text. None
        where the claims are not built.
    """
    path = files.resolve(f"results/{name}/{scale}/claims.csv")
    if not path.is_file():
        return None
    table = files.read_csv(path).astype(object)
    return table.where(table.notna(), "").to_dict("records")


def agreement(name):
    """Agreement of a paper's figures and claims with its reference results.

    Parameters
    ----------
    name : str

    Returns
    -------
    figures : dict of str to str
        How each agrees, or why it is not compared, with the command that builds it.
    changed : list of str
        Claims that came out otherwise.
    problem : str
        Why the claims are not compared, if so.
    """
    figures = {}
    for figure in papers.load(name).figures:
        try:
            figures[figure] = str(reference.check_figure(name, figure))
        except papers.PaperError as error:
            figures[figure] = f"not compared: {error}"
    try:
        changed, _ = reference.check_claims(name)
    except papers.PaperError as error:
        return figures, [], str(error)
    return figures, changed, ""


def steps(name, scale):
    """Time and memory of the jobs of a paper, by step.

    Parameters
    ----------
    name, scale : str

    Returns
    -------
    rows : list of dict
        ``step``, ``jobs``, ``total`` and ``longest`` (s), and ``peak`` (MB; None where the jobs
        were too short to be seen), the longest total first. Empty where nothing has run.
    """
    folder, jobs = f"results/{name}/{scale}/benchmarks", {}
    for path in files.walk(folder):
        if path.suffix == ".tsv":
            step = _step(files.relative(path).removeprefix(f"{folder}/"))
            with path.open(encoding="utf-8", newline="") as file:
                jobs.setdefault(step, []).extend(csv.DictReader(file, delimiter="\t"))
    rows = []
    for step, runs in jobs.items():
        seconds = [float(run["s"]) for run in runs]
        peaks = [float(run["max_rss"]) * 2**20 / 1e6 for run in runs if _is_number(run["max_rss"])]
        rows.append(
            {
                "step": step,
                "jobs": len(runs),
                "total": sum(seconds),
                "longest": max(seconds),
                "peak": max(peaks, default=None),
            }
        )
    return sorted(rows, key=lambda row: (-row["total"], row["step"]))


def datasets():
    """Data sets of the registry, and the papers that use each.

    A paper uses a data set if what it has built read it, or if its settings, rules, notebooks or
    published tables name it.

    Returns
    -------
    entries : dict of str to (common.registry.Entry, list of str)
    """
    read = {name: _read_by(name) for name in papers.names()}
    return {
        key: (entry, [name for name, found in read.items() if _uses(found, key, entry)])
        for key, entry in registry.load().items()
    }


def library():
    """Modules of the library, by family.

    Returns
    -------
    families : dict of str to dict of str to (str, dict of str to str)
        ``common.hawkes`` to its modules, itself the first; each with the first line of its
        docstring, and its public names by kind (function, class, data). Modules that belong to no
        family are those of ``common``. A module whose name begins with an underscore is left out.
    """
    families = {}
    for path in sorted(files.resolve("common").rglob("*.py")):
        parts = list(path.relative_to(files.ROOT).with_suffix("").parts)
        package = parts[-1] == "__init__"
        parts = parts[:-1] if package else parts
        if any(part.startswith("_") for part in parts):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        summary = (ast.get_docstring(tree) or "").partition("\n\n")[0].replace("\n", " ")
        family = ".".join(parts[:2]) if len(parts) > 2 or package else "common"
        families.setdefault(family, {})[".".join(parts)] = (summary, _public(tree))
    return {
        family: dict(sorted(modules.items(), key=lambda item: (item[0] != family, item[0])))
        for family, modules in sorted(families.items())
    }


def main(arguments=None):
    """Write the site; exit status 1, and a line that says why, if that cannot be done."""
    console.accept_any_encoding()
    parser = argparse.ArgumentParser(prog="python -m common.report.site", description=main.__doc__)
    parser.add_argument("--jobs", default="2", help="processes of Sphinx")
    options = parser.parse_args(arguments)
    if find_spec("sphinx") is None:
        print("Sphinx is not installed. Install it, and make the site: make site", file=sys.stderr)
        return 1
    try:
        build()
    except (papers.PaperError, registry.RegistryError) as error:
        print(error, file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "sphinx", "-q", "-j", options.jobs, "-b", "html"]
    command += ["-c", "docs", "-d", ".site/doctrees", PAGES, SITE]
    done = subprocess.run(command, cwd=files.ROOT)
    if done.returncode:
        print(f"Sphinx could not make the site: {shlex.join(command)}", file=sys.stderr)
        return 1
    print(f"{SITE}/index.html: written", file=sys.stderr)
    return 0


class _Folder:
    """A folder that is brought up to date.

    Parameters
    ----------
    path : str

    Attributes
    ----------
    path : Path
    written : set of Path
        What belongs there.
    """

    def __init__(self, path):
        self.path = files.resolve(path)
        self.written = set()
        folder = jinja2.FileSystemLoader(files.resolve("docs/templates"))
        self.templates = jinja2.Environment(
            loader=folder, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
        )
        self.templates.filters |= {"md": _markdown, "json": _json, "number": _number, "slug": _slug}
        self.templates.globals |= {"OUTCOMES": claims.OUTCOMES, "EVIDENCE": claims.EVIDENCE}

    def remove_others(self, folder):
        """Remove what is below a folder and does not belong there any more."""
        for path in list(files.walk(self.path / folder)):
            if path not in self.written:
                path.unlink()

    def page(self, name, template, /, **context):
        """Write a page from a template; both have the same suffix."""
        text = self.templates.get_template(template).render(context)
        self.write(name + PurePath(template).suffix, text)

    def write(self, name, text):
        """Write a text, unless it stands there."""
        path = self.path / name
        self.written.add(path)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def copy(self, source, name):
        """Copy a file of the repository, unless it stands there."""
        source, path = files.resolve(source), self.path / name
        self.written.add(path)
        if not path.is_file() or path.read_bytes() != source.read_bytes():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)


def _paper(pages, site, name, paper, scale, judged):
    """Pages of one paper, and its files."""
    folder = f"papers/{name}"
    shown = [figure(name, key, paper) for key in paper.figures]
    notebooks = {each["key"]: each["files"].get("ipynb") for each in shown if each["built"]}
    notebooks["claims"] = f"results/{name}/{scale}/notebooks/claims.ipynb"
    notebooks = {
        key: path for key, path in notebooks.items() if path and files.resolve(path).is_file()
    }
    for each in shown:
        for path in each.get("files", {}).values():
            site.copy(path, path)
    for key, path in notebooks.items():
        described = paper.figures.get(key)
        alt = f"{described.title}. {described.caption}" if described else "Output of the claims"
        pages.write(f"{folder}/notebooks/{key}.ipynb", _with_alt(files.read_json(path), alt))
    if judged is not None:
        site.copy(f"results/{name}/{scale}/claims.csv", f"{folder}/claims.csv")
    if files.resolve(f"{folder}/preview.png").is_file():
        pages.copy(f"{folder}/preview.png", f"{folder}/preview.png")
    readme = files.resolve(f"{folder}/README.md").read_text(encoding="utf-8")
    # Its heading is the paper's title, which the page above has.
    about = re.sub(r"\A# .*", "# About this reproduction", _readme(readme))
    pages.write(f"{folder}/about.md", about)
    compared, changed, problem = agreement(name)
    pages.page(
        f"{folder}/index",
        "paper.md",
        name=name,
        paper=paper,
        scale=scale,
        figures=shown,
        notebooks=list(notebooks),
        claims=judged,
        compared=compared,
        changed=changed,
        problem=problem,
        steps=steps(name, scale),
    )


def _about():
    """First paragraph of README.md."""
    text = files.resolve("README.md").read_text(encoding="utf-8")
    return _readme(text.partition("\n\n")[2].partition("\n\n")[0])


def _readme(text):
    """A README without its comments, and without links to files that the site does not have."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"\[([^]]*)\]\((?!https?:|#)[^)]*\)", r"\1", text)


def _with_alt(notebook, alt):
    """A notebook, as text, that names a text in place of its pictures."""
    options = {"render_image_options": {"alt": alt}}
    metadata = notebook["metadata"] | {"mystnb": options}
    return json.dumps(notebook | {"metadata": metadata}, ensure_ascii=False)


def _stamp(svg):
    """The line of a figure that names its scale and its data."""
    root = ElementTree.parse(files.resolve(svg)).getroot()
    stamp = root.find(f".//{_SVG}g[@id='stamp']")
    if stamp is None:
        return ""
    lines = ("".join(text.itertext()) for text in stamp.iter(f"{_SVG}text"))
    return " ".join(" ".join(lines).split())


def _step(job):
    """Step of a job, from the place of its benchmark: ``fits/a/0.tsv`` is one of ``fits``."""
    folders, _, file = job.rpartition("/")
    return "/".join(folders.split("/")[:2]) if folders else file.removesuffix(".tsv")


def _read_by(name):
    """Files that a paper's steps have read, and the words of its sources."""
    made = provenance.by_output(f"results/{name}", f"data/derived/{name}", f"papers/{name}/figures")
    read = {path for content in made.values() for path in content["inputs"]}
    patterns = ("paper.yaml", "rules.smk", "*.ipynb", "published/*.csv")
    folder = files.resolve(f"papers/{name}")
    sources = sorted(path for pattern in patterns for path in folder.glob(pattern))
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    return read, set(re.findall(r"[\w-]+", text))


def _uses(found, key, entry):
    read, words = found
    names = {key, entry.source.moabb.dataset} if entry.source.moabb else {key}
    return bool(names & words) or (entry.source.is_file and registry.path(key) in read)


def _public(tree):
    """Names of a module's ``__all__`` that it defines itself, and how autodoc calls their kind."""
    kinds, listed = {}, []
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.FunctionDef):
            kinds[node.name] = "function"
        elif isinstance(node, ast.ClassDef):
            kinds[node.name] = "class"
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name == "__all__":
                listed = ast.literal_eval(node.value)
            elif isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                kinds[name] = "data"
    return {name: kinds[name] for name in listed if name in kinds}


def _markdown(text):
    """A text as Markdown that says just that."""
    plain = re.sub(r"([\\`*_{}\[\]<>#$|~&])", r"\\\1", " ".join(str(text).split()))
    return markupsafe.Markup(plain)


def _number(value):
    """A number with four digits; an empty text as it is."""
    if isinstance(value, str):
        return value
    return "" if pd.isna(value) else f"{value:.4g}"


def _is_number(text):
    return re.fullmatch(r"[0-9.]+", text or "") is not None


def _json(value):
    return json.dumps(value, indent=1, ensure_ascii=False)


def _slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


if __name__ == "__main__":
    sys.exit(main())
