"""Reference results: whether a rerun of the embedded scale agrees with the committed one.

``papers/<paper>/reference/`` holds the numbers that each figure draws, the claims, and
``reference.json``: the fingerprints of the notebooks that made them. On the same machine with the
same packages a rerun gives the same bytes; on another processor the last digits differ, and trained
networks differ as if by another seed. `check` says which of the three it is: same bytes, within
tolerance, or different. ``paper.yaml`` states what is tolerated, by column of a figure's table.
"""

import argparse
import fnmatch
import hashlib
import json
import shutil
import sys

import numpy as np

from common import files
from common.report.agreement import DIFFERS, SAME, WITHIN, Agreement, compare, summarise
from common.workflow import console, papers
from common.workflow.notebooks import provenance
from common.workflow.notebooks.fingerprint import fingerprint

__all__ = [
    "SCALE",
    "agreement",
    "check",
    "check_claims",
    "check_figure",
    "check_tolerances",
    "outdated",
    "report",
    "write",
]

SCALE = "embedded"
"""The scale whose results are kept: everybody can rerun it."""

MAX_BYTES = 300_000
"""A larger table is kept as its `summarise`."""


def write(paper):
    """Keep what is built as the reference of a paper.

    Parameters
    ----------
    paper : str
        Folder below ``papers/``.

    Raises
    ------
    papers.PaperError
        If a figure or the claims are not built at the embedded scale, or do not agree with their
        provenance, or a tolerance does not fit the table; nothing is written then.
    """
    settings = papers.load(paper)
    origin = _origin(paper)
    tables = _tables(paper, settings)
    for name, table in tables.items():
        target = _target(paper, name)
        made = origin.get(target)
        if made is None or made["scale"] != SCALE or made.get("interactive"):
            raise papers.PaperError(
                f"{target} was not built by the workflow at scale {SCALE!r}. "
                f"Build it: snakemake -j2 papers/{paper}/figures --config scale={SCALE}"
            )
        if table not in made["outputs"]:
            raise papers.PaperError(
                f"{made['notebook']} wrote no {table}; common.report.figures.save writes it."
            )
        if not files.resolve(table).exists() or made["outputs"][table] != files.sha256(table):
            raise papers.PaperError(
                f"{table} does not agree with its provenance. Build it again: "
                f"snakemake -j2 --force {target} --config scale={SCALE}"
            )
    steps = _steps([_target(paper, name) for name in tables], origin)
    old = sorted(path for path, code in steps.items() if _fingerprint(path) != code)
    if old:
        raise papers.PaperError(
            f"papers/{paper}: {', '.join(old)} changed after the results were built. "
            f"Build them again: snakemake -j2 papers/{paper}/figures --config scale={SCALE}"
        )
    folder = files.resolve(f"papers/{paper}/reference")
    new = folder.with_name(f".reference-{files.owner()}")
    made = origin[_target(paper, "claims")]
    try:
        content = {
            "fingerprints": steps,
            "settings": _settings_digest(settings),
            "tables": {name: _keep(table, new / f"{name}.csv") for name, table in tables.items()},
            "python": made["python"],
            "packages": made["packages"],
            "dispatch": made["dispatch"],
        }
        _fit(paper, content["tables"], new)
        files.write_json(new / "reference.json", content)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def outdated(paper):
    """What has changed since the reference of a paper was made.

    Costs a look at the sources only, so that every test run can ask.

    Parameters
    ----------
    paper : str

    Returns
    -------
    changes : list of str
        Notebooks whose code, or the library code that they reach, is another one; the settings; a
        figure that was added or dropped. Empty if the reference is up to date.
    """
    path = files.resolve(f"papers/{paper}/reference/reference.json")
    if not path.exists():
        return ["there is no reference"]
    content = json.loads(path.read_text(encoding="utf-8"))
    settings = papers.load(paper)
    changes = [
        f"{notebook} is gone" if found is None else f"the code of {notebook}"
        for notebook, code in content["fingerprints"].items()
        if (found := _fingerprint(notebook)) != code
    ]
    if content["settings"] != _settings_digest(settings):
        changes.append(f"papers/{paper}/paper.yaml: scales.{SCALE}")
    figures = set(content["tables"]) - {"claims"}
    changes += [
        f"figure {name!r} has no reference" for name in sorted({*settings.figures} - figures)
    ]
    changes += [f"figure {name!r} is gone" for name in sorted(figures - {*settings.figures})]
    return changes


def agreement(paper, name, table):
    """Compare the table of a figure with its reference.

    Parameters
    ----------
    paper, name : str
        Paper and figure.
    table : str or Path
        Its csv file, of this repository or of another copy.

    Returns
    -------
    agreement : common.report.agreement.Agreement

    Raises
    ------
    papers.PaperError
        If there is no reference, or a tolerance does not fit the table.
    """
    path = _reference(paper)
    entry = json.loads(path.read_text(encoding="utf-8"))["tables"].get(name)
    if entry is None:
        return Agreement(DIFFERS, "the reference does not have this figure")
    if files.sha256(table) == entry["sha256"]:
        return Agreement(SAME)
    found, whole = files.read_csv(table), entry["kept"] == "whole"
    expected = files.read_csv(f"papers/{paper}/reference/{name}.csv")
    compared = _compare(paper, name, found if whole else summarise(found), expected, whole=whole)
    if whole and compared == Agreement(WITHIN):
        return Agreement(SAME, "but for what is left out")
    return compared


def _reference(paper):
    path = files.resolve(f"papers/{paper}/reference/reference.json")
    if not path.exists():
        raise papers.PaperError(
            f"papers/{paper}/reference/ holds no reference. "
            f"Write one: snakemake -j2 papers/{paper}/reference"
        )
    return path


def _compare(paper, name, found, expected, *, whole):
    """Compare tables of a figure, or their summaries."""
    tolerances = papers.load(paper).figures[name].tolerances
    try:
        return compare(
            found, expected, tolerances if whole else [one.of_summary() for one in tolerances]
        )
    except ValueError as error:
        place = f"papers/{paper}/paper.yaml: figures.{name}.tolerances"
        raise papers.PaperError(f"{place}: {error}") from None


def check_tolerances(paper):
    """Compare each table of a reference with itself, to find tolerances that do not fit it.

    Tables of the same bytes are never compared, so a mistake would wait for another processor.

    Parameters
    ----------
    paper : str

    Raises
    ------
    papers.PaperError
        If there is no reference, or a tolerance does not fit its table.
    """
    path = _reference(paper)
    _fit(paper, json.loads(path.read_text(encoding="utf-8"))["tables"], path.parent)


def _fit(paper, entries, folder):
    for name in papers.load(paper).figures:
        if name in entries:
            kept = files.read_csv(folder / f"{name}.csv")
            _compare(paper, name, kept, kept, whole=entries[name]["kept"] == "whole")


def check(paper):
    """Compare what is built with the reference of a paper.

    Parameters
    ----------
    paper : str

    Returns
    -------
    figures : dict of str to Agreement
    outcomes : list of str
        One line for each claim whose outcome is another than in the reference.
    n_claims : int

    Raises
    ------
    papers.PaperError
        If there is no reference, or a figure or the claims are not built at the embedded scale.
    """
    figures = {name: check_figure(paper, name) for name in papers.load(paper).figures}
    return figures, *check_claims(paper)


def check_figure(paper, name):
    """Compare one figure as it is built with its reference.

    Parameters
    ----------
    paper, name : str

    Returns
    -------
    agreement : common.report.agreement.Agreement

    Raises
    ------
    papers.PaperError
        If there is no reference, or the figure is not built at the embedded scale.
    """
    _require_embedded(paper, name)
    return agreement(paper, name, f"papers/{paper}/figures/{name}.csv")


def check_claims(paper):
    """Compare the outcomes of a paper's claims as they are built with the reference.

    Parameters
    ----------
    paper : str

    Returns
    -------
    outcomes : list of str
        One line for each claim whose outcome is another than in the reference.
    n_claims : int

    Raises
    ------
    papers.PaperError
        If there is no reference, or the claims are not built at the embedded scale.
    """
    settings = papers.load(paper)
    built = _checked_claims(_tables(paper, settings)["claims"], paper, settings)
    kept = _checked_claims(f"papers/{paper}/reference/claims.csv", paper, settings)
    return _changed_outcomes(built, kept), len(built)


def _tables(paper, settings):
    """Table of each figure, and of the claims, as they are built."""
    figures = {name: f"papers/{paper}/figures/{name}.csv" for name in settings.figures}
    return figures | {"claims": f"results/{paper}/{SCALE}/claims.csv"}


def _target(paper, name):
    if name == "claims":
        return f"results/{paper}/{SCALE}/claims.csv"
    return f"papers/{paper}/figures/{name}.svg"


def _origin(paper):
    """Provenance of every built file that a paper may use, by the file's name."""
    return provenance.by_output(
        f"results/{paper}/{SCALE}", "data/derived", f"papers/{paper}/figures"
    )


def _steps(targets, origin):
    """Notebooks that made files, and the ones that made their inputs, with their fingerprints."""
    steps, waiting, seen = {}, list(targets), set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in origin:
            continue
        seen.add(name)
        made = origin[name]
        if made["notebook"].startswith("papers/"):
            steps[made["notebook"]] = made["fingerprint"]
        waiting += made["inputs"]
    return dict(sorted(steps.items()))


def _fingerprint(notebook):
    path = files.resolve(notebook)
    return fingerprint(path, root=files.ROOT) if path.exists() else None


def _settings_digest(settings):
    text = json.dumps(settings.scales.embedded, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _keep(table, kept):
    """Copy a table, or its summary where it is large; returns its entry in ``reference.json``."""
    source = files.resolve(table)
    if source.stat().st_size > MAX_BYTES:
        files.write_csv(kept, summarise(files.read_csv(source)))
        return {"sha256": files.sha256(source), "kept": "summary by text columns"}
    with files.atomic(kept) as temporary:
        shutil.copyfile(source, temporary)
    return {"sha256": files.sha256(source), "kept": "whole"}


def _require_embedded(paper, name):
    beside = files.resolve(f"papers/{paper}/figures/{name}.json")
    scale = json.loads(beside.read_text("utf-8"))["scale"] if beside.exists() else None
    if scale != SCALE:
        state = f"shows scale {scale!r}" if scale else "is not built"
        raise papers.PaperError(
            f"papers/{paper}/figures/{name}.svg {state}; the reference has scale {SCALE!r}. "
            f"Build it: snakemake -j2 papers/{paper}/check --config scale={SCALE}"
        )


def _read(table, paper):
    path = files.resolve(table)
    if not path.exists():
        raise papers.PaperError(
            f"{files.relative(path)} is not built. "
            f"Build it: snakemake -j2 papers/{paper}/check --config scale={SCALE}"
        )
    return files.read_csv(path)


def _checked_claims(table, paper, settings):
    claims = _read(table, paper)
    unchecked = [
        any(fnmatch.fnmatchcase(statement, pattern) for pattern in settings.claims.unchecked)
        for statement in claims["statement"]
    ]
    return claims[~np.array(unchecked, dtype=bool)]


def _changed_outcomes(found, expected):
    before = dict(zip(expected["statement"], expected["outcome"], strict=True))
    now = dict(zip(found["statement"], found["outcome"], strict=True))
    lines = [
        f"{statement!r} is {now.get(statement, 'gone')}, in the reference {outcome}"
        for statement, outcome in before.items()
        if now.get(statement) != outcome
    ]
    return lines + [f"{statement!r} is new" for statement in now if statement not in before]


def report(names):
    """Check papers, as text for people.

    Parameters
    ----------
    names : list of str

    Returns
    -------
    lines : list of str
        One line per figure and per changed outcome.
    summary : str
        One line.
    agrees : bool
        Whether no figure differs and no outcome changed.

    Raises
    ------
    papers.PaperError
        As `check`.
    """
    lines, counts, n_claims, n_changed = [], dict.fromkeys((SAME, WITHIN, DIFFERS), 0), 0, 0
    for paper in names:
        figures, outcomes, n_paper = check(paper)
        for name, found in figures.items():
            counts[found.state] += 1
            lines.append(f"{paper}/{name}: {found}")
        lines += [f"{paper}: outcome changed: {line}" for line in outcomes]
        n_claims += n_paper
        n_changed += len(outcomes)
    states = ", ".join(f"{n} {state}" for state, n in counts.items())
    summary = (
        f"Against the reference results: {sum(counts.values())} figures, {states}; "
        f"{n_claims} claims, {n_changed} outcomes changed."
    )
    return lines, summary, counts[DIFFERS] == 0 and n_changed == 0


def main(arguments=None):
    """Command line of the rules ``reference`` and ``check``; exit status 1 if they disagree.

    ``summary`` is the last line of ``make figures``. It fails nothing, and at another scale, which
    has no reference, says nothing.
    """
    console.accept_any_encoding()
    parser = argparse.ArgumentParser(prog="python -m common.report.reference")
    parser.add_argument("action", choices=["check", "summary", "write"])
    parser.add_argument("papers", nargs="*", help="folders below papers/; none: all")
    parser.add_argument("--scale", default=SCALE)
    options = parser.parse_args(arguments)
    names = options.papers or papers.names()
    if options.action == "summary" and papers.configured_scale() != SCALE:
        return 0
    try:
        if options.scale != SCALE:
            raise papers.PaperError(
                f"the reference results are those of scale {SCALE!r}, this is {options.scale!r}. "
                f"Add --config scale={SCALE} to the command."
            )
        if options.action == "write":
            for name in names:
                write(name)
            return 0
        lines, summary, agrees = report(names)
    except (papers.PaperError, files.NotBuiltError) as error:
        print(error, file=sys.stderr)
        return 0 if options.action == "summary" else 1
    if options.action == "summary":
        more = "" if agrees else " What differs: snakemake -j2 check"
        print(summary + more, file=sys.stderr)
        return 0
    print(*lines, summary, sep="\n", file=sys.stderr)
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
