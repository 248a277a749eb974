"""A new paper's folder, and the lists of papers in README.md, CITATION.cff and codemeta.json.

``make paper NAME=my-paper`` copies ``papers/_template``. ``make index`` writes the lists from the
papers' ``paper.yaml``; a test compares. The list in README.md stands between two comments; in
CITATION.cff it is everything from ``references:`` on; codemeta.json is written as a whole, from
``pyproject.toml`` and CITATION.cff besides.
"""

import argparse
import json
import re
import shutil
import sys
import tomllib

from common import files, sources
from common.workflow import console, papers

__all__ = ["LISTS", "citation", "codemeta", "main", "new", "readme", "stale"]

TEMPLATE = "_template"
"""Folder of the paper that new ones are copied from."""

_BLOCK = re.compile(r"(<!-- papers -->\n).*?(<!-- end of papers -->)", re.DOTALL)


def new(name):
    """Make the folder of a new paper: a copy of the template, under its own name.

    Parameters
    ----------
    name : str
        Lower case, with hyphens.

    Raises
    ------
    papers.PaperError
        If the name is none for a paper, or the folder exists; nothing is written then.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise papers.PaperError(
            f"a paper's name has lower-case letters, digits and single hyphens, got {name!r}; for "
            "example: make paper NAME=my-paper"
        )
    folder, template = files.resolve(f"papers/{name}"), files.resolve(f"papers/{TEMPLATE}")
    if folder.exists():
        raise papers.PaperError(f"papers/{name} exists. Take another name, or edit what is there")
    unfinished = folder.with_name(f".new-{files.owner()}")
    built = shutil.ignore_patterns("figures", ".*", "__pycache__")
    shutil.copytree(template, unfinished, ignore=built)
    for path in files.walk(unfinished):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(TEMPLATE, name), encoding="utf-8")
    unfinished.rename(folder)


def readme(text, listed):
    """README with its table of papers, the newest first.

    Parameters
    ----------
    text : str
    listed : dict of str to common.workflow.papers.Paper

    Returns
    -------
    text : str

    Raises
    ------
    papers.PaperError
        If the comments between which the table stands are missing.
    """
    if not _BLOCK.search(text):
        raise papers.PaperError(
            "README.md: the list of papers stands between <!-- papers --> and "
            "<!-- end of papers -->, found no such lines"
        )
    rows = ["| paper | figure |", "|---|---|"]
    for name, paper in _newest_first(listed):
        where = f"arXiv:{paper.arxiv}" if paper.arxiv else f"doi:{paper.doi}"
        picture = ""
        if paper.preview:
            title = paper.figures[paper.preview].title.replace('"', "&quot;").replace("|", "\\|")
            picture = f'<img src="papers/{name}/preview.png" width="360" alt="{title}">'
        title = paper.title.replace("|", "\\|")
        rows.append(f"| [{title}](papers/{name}/README.md) ({paper.year}, {where}) | {picture} |")
    table = "\n".join(rows)
    return _BLOCK.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)


def citation(text, listed):
    """CITATION.cff with its references, in the order of README.

    Parameters
    ----------
    text : str
    listed : dict of str to common.workflow.papers.Paper

    Returns
    -------
    text : str
    """
    lines = [text.partition("references:\n")[0] + "references:"]
    for _, paper in _newest_first(listed):
        lines += ["  - type: article", f"    title: {_quoted(paper.title)}", "    authors:"]
        for family, given in paper.people:
            lines.append(f"      - family-names: {family}")
            lines += [f"        given-names: {given}"] if given else []
        lines.append(f"    year: {paper.year}")
        lines += [f"    doi: {_quoted(paper.doi)}"] if paper.doi else []
        if paper.arxiv:
            lines += [
                "    identifiers:",
                "      - type: other",
                f'        value: "arXiv:{paper.arxiv}"',
                "        description: arXiv preprint",
            ]
    return "\n".join(lines) + "\n"


def codemeta(text, listed):
    """codemeta.json: the repository for machines, after CodeMeta 3.0.

    Parameters
    ----------
    text : str
        What stands there; it is replaced as a whole.
    listed : dict of str to common.workflow.papers.Paper

    Returns
    -------
    text : str
    """
    project = tomllib.loads(files.resolve("pyproject.toml").read_text("utf-8"))["project"]
    cited = sources.read_yaml("CITATION.cff")
    content = {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": project["name"],
        "description": project["description"],
        "version": project["version"],
        "license": f"https://spdx.org/licenses/{project['license']}",
        "author": [{"@type": "Organization", "name": one["name"]} for one in cited["authors"]],
        "programmingLanguage": {
            "@type": "ComputerLanguage",
            "name": "Python",
            "version": project["requires-python"],
        },
        "operatingSystem": ["Linux", "macOS"],
        "softwareRequirements": "requirements.lock",
        "readme": "README.md",
        "referencePublication": [
            {
                "@type": "ScholarlyArticle",
                "@id": paper.address,
                "name": paper.title,
                "author": [
                    {"@type": "Person", "familyName": family}
                    | ({"givenName": given} if given else {})
                    for family, given in paper.people
                ],
                "datePublished": str(paper.year),
            }
            for _, paper in _newest_first(listed)
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _newest_first(listed):
    return sorted(listed.items(), key=lambda item: (-item[1].year, item[0]))


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


LISTS = {"README.md": readme, "CITATION.cff": citation, "codemeta.json": codemeta}
"""Files that list the papers, and what writes each from its text and the papers."""


def _wanted():
    listed = {name: papers.load(name) for name in papers.names()}
    for name, write in LISTS.items():
        path = files.resolve(name)
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        yield name, text, write(text, listed)


def stale():
    """Files whose lists are not those of the papers.

    Returns
    -------
    names : list of str
    """
    return [name for name, text, wanted in _wanted() if text != wanted]


def main(arguments=None):
    """Write the lists, or make a paper; what changed is printed."""
    console.accept_any_encoding()
    parser = argparse.ArgumentParser(prog="python -m common.workflow.index")
    parser.add_argument("--new", metavar="PAPER", help="make the folder of a new paper")
    options = parser.parse_args(arguments)
    try:
        if options.new is not None:
            new(options.new)
            folder = f"papers/{options.new}"
            print(f"{folder}/: written. Run it: snakemake -j2 {folder}/figures")
            return 0
        for name, text, wanted in _wanted():
            if text != wanted:
                files.write_text(name, wanted)
                print(f"{name}: written")
    except papers.PaperError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
