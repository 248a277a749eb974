"""Lists of papers in README.md and CITATION.cff, written from the papers' ``paper.yaml``.

``make index`` (``python -m common.workflow.index``) writes them; a test compares. The list in
README.md stands between two comments; in CITATION.cff it is everything from ``references:`` on.
"""

import re
import sys

from common import files
from common.workflow import console, papers

__all__ = ["citation", "main", "readme", "stale"]

_BLOCK = re.compile(r"(<!-- papers -->\n).*?(<!-- end of papers -->)", re.DOTALL)


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
    for name, paper in sorted(listed.items(), key=lambda item: (-item[1].year, item[0])):
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
    for _, paper in sorted(listed.items(), key=lambda item: (-item[1].year, item[0])):
        lines += ["  - type: article", f"    title: {_quoted(paper.title)}", "    authors:"]
        for author in paper.authors:
            family, _, given = author.partition(", ")
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


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _wanted():
    listed = {name: papers.load(name) for name in papers.names()}
    for name, write in {"README.md": readme, "CITATION.cff": citation}.items():
        text = files.resolve(name).read_text(encoding="utf-8")
        yield name, text, write(text, listed)


def stale():
    """Files whose lists are not those of the papers.

    Returns
    -------
    names : list of str
    """
    return [name for name, text, wanted in _wanted() if text != wanted]


def main():
    """Write the lists; what changed is printed."""
    console.accept_any_encoding()
    try:
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
