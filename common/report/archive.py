"""One zip to deposit: what is built, the code that built it, and where both come from.

``make archive PAPER=dance`` writes ``archive/dance.zip``; without ``PAPER`` it holds all papers. In
it are the code of the last commit, the figures and claims at the scale that ``config.yaml`` names,
and each step that they come from: its tables, executed notebook, provenance, time and memory. Raw
data and what is prepared of them are left out, since not everybody may pass them on; their sha256
is stated. Nothing is computed. For other programs the archive is described in
``ro-crate-metadata.json`` (`common.report.crate`), ``codecheck.yml`` and ``repro.yaml``.

Unpacked, the folder is a repository of its own, in which ``snakemake verify``, ``check`` and
``make figures`` work as in the clone. The same commit and the same built files give the same bytes.
"""

import argparse
import base64
import csv
import decimal
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import yaml

from common import files, registry
from common.report import crate, reference
from common.workflow import console, environment, index, papers
from common.workflow.notebooks import provenance

__all__ = ["claims_of", "codecheck", "main", "reproduction", "write"]

FOLDER = "archive"
"""Folder of the archives."""

CODECHECK = "https://codecheck.org.uk/spec/config/2.0/"
_DIGITS = decimal.Context(prec=4)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip format's earliest date
_METADATA = Path(".snakemake/metadata")
_PAGE = """# {title}

The code of commit `{commit}`, and what it has built at the
{scale} scale: figures, their numbers, claims and tables, each with its executed notebook and its
provenance. [README.md](README.md) says where each of them is, and how to set up (`make env`). Then:

    source .venv/bin/activate
{commands}

{n_left_out} files are not here: raw data, and what is prepared of them. They are fetched and made
again when a step needs them, and `ro-crate-metadata.json` states their sha256.

{versions}For other programs, of which `make checkers` installs two:

- `ro-crate-metadata.json`, after RO-Crate 1.2 with the Workflow Run profiles 0.5:
  `.venv-checkers/bin/rocrate-validator validate --profile-identifier ro-crate-1.2 .`
- `repro.yaml` states each number of the claims: `.venv-checkers/bin/claims verify`
- `CITATION.cff`, `codemeta.json`{codecheck}

## Data sets

{data}
"""


def write(paper=None):
    """Write the archive of a paper, or of all.

    Parameters
    ----------
    paper : str, optional
        Folder below ``papers/``.

    Returns
    -------
    path : str
        The zip, relative to the repository root.
    versions : list of str
        Packages that steps ran with in another version than that of ``requirements.lock``, as
        ``numpy 2.3.5``. The archive says so.

    Raises
    ------
    papers.PaperError
        If there is no such paper; if this is no clone, or differs from its last commit; or if
        something is not built at the scale of ``config.yaml``, or not up to date. The message
        names the command, and nothing is written.
    """
    known = papers.names()
    if paper is not None and paper not in known:
        raise papers.PaperError(f"there is no paper {paper!r}{papers.near(paper, known)}")
    scale = papers.configured_scale()
    listed = {name: papers.load(name) for name in ([paper] if paper else known)}
    commit, date = _commit()
    steps = _steps(listed, scale, every=paper is None)
    contents, modes = _code(listed)
    contents |= _built(listed, scale, steps)
    left_out = _left_out(steps, contents)
    data = _data_sets(steps, left_out)
    versions = _other_versions(steps, contents)
    tables = {name: claims_of(name, scale) for name in listed}
    title = f"Reproducible artifact of: {listed[paper].title}" if paper else "Paper artifacts"
    contents["ARCHIVE.md"] = _page(title, listed, scale, commit, data, left_out, versions)
    if paper:
        contents["codecheck.yml"] = codecheck(paper, listed[paper], scale)
    contents["repro.yaml"] = reproduction(listed, scale, commit, tables)
    contents = {name: contents[name] for name in sorted(contents)}
    about = (
        f"Figures, tables and claims at the {scale} scale, executed notebooks, provenance and code "
        f"of {'a reproduction' if paper else f'{len(listed)} reproductions'}."
    )
    project = json.loads(index.codemeta("", listed))
    described = crate.describe(
        title,
        f"{about} {listed[paper].summary}" if paper else about,
        listed,
        licence=project["license"],
        authors=[author["name"] for author in project["author"]],
        scale=scale,
        commit=commit,
        date=date,
        steps=steps,
        contents={name: _identity(each) for name, each in contents.items()},
        left_out=left_out,
        data=data,
    )
    text = json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False)
    contents[provenance.CRATE] = text.encode() + b"\n"
    path = f"{FOLDER}/{paper or 'all-papers'}.zip"
    with files.atomic(path) as temporary:
        _zip(temporary, contents, modes)
    return path, versions


def claims_of(paper, scale):
    """Claims of a paper as the built table spells them.

    Parameters
    ----------
    paper, scale : str

    Returns
    -------
    rows : list of dict of str to str
        By the columns of `common.report.claims.COLUMNS`.
    """
    with files.resolve(_claims(paper, scale)).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def codecheck(name, paper, scale):
    """``codecheck.yml``, after version 2.0 of CODECHECK's configuration file specification.

    The author's part of it: the paper, and a manifest of figures, their numbers and the claims.
    What a codechecker adds is left out, and ORCIDs, which ``paper.yaml`` does not have.

    Parameters
    ----------
    name : str
        Folder below ``papers/``.
    paper : common.workflow.papers.Paper
    scale : str

    Returns
    -------
    text : bytes
    """
    manifest = []
    for key, figure in paper.figures.items():
        original = f"Figure {figure.original} of the paper: " if figure.original else ""
        svg = f"papers/{name}/figures/{key}.svg"
        manifest += [
            {"file": svg, "comment": f"{original}{figure.title}"},
            {"file": svg.replace(".svg", ".csv"), "comment": f"Numbers of {key}.svg"},
        ]
    comment = f"Claims of the paper, with our values and outcomes at the {scale} scale"
    manifest.append({"file": _claims(name, scale), "comment": comment})
    people = [{"name": " ".join(filter(None, (given, family)))} for family, given in paper.people]
    content = {
        "version": CODECHECK,
        "paper": {"title": paper.title, "authors": people, "reference": paper.address},
        "manifest": manifest,
    }
    heading = (
        "---\n# The authors' part. A codechecker adds: codechecker, report, summary, certificate, "
        "check_time,\n# repository, and the ORCID of each author.\n"
    )
    return (heading + _yaml(content)).encode()


def reproduction(listed, scale, commit, tables):
    """``repro.yaml``: every number of the claims tables, for ``claims verify`` of claims-cli 0.6.

    Numbers are stated with four digits, as people read them, and the tool looks them up in the
    table, whose hash is stated, as are those of figures.

    Parameters
    ----------
    listed : dict of str to common.workflow.papers.Paper
    scale, commit : str
    tables : dict of str to list of dict
        From `claims_of`, by paper.

    Returns
    -------
    text : bytes
    """
    artifacts, stated = [], []
    for name, paper in listed.items():
        figures = [f"papers/{name}/figures/{key}" for key in paper.figures]
        built = [f"{figure}{suffix}" for figure in figures for suffix in (".svg", ".csv")]
        for path in [_claims(name, scale), *built]:
            digest = {"algorithm": "sha256", "value": files.sha256(path)}
            artifacts.append({"id": path, "path": path, "digest": digest})
        for number, row in enumerate(tables[name], start=1):
            evidence = [
                {
                    "kind": "table",
                    "artifact": _claims(name, scale),
                    "name": column,
                    "column": column,
                    "where": {"statement": row["statement"]},
                    "reported": rounded,
                }
                for column in ("ours", "low", "high")
                if (rounded := _rounded(row[column])) is not None
            ]
            claim = {"id": f"{name}-{number}", "text": row["statement"], "where": row["source"]}
            stated.append(claim | {"evidence": evidence})
    content = {
        "schema_version": "repro/1",
        "project": "paper-artifacts",
        "provenance": {"commit": commit, "generated_by": "common/report/archive.py"},
        "artifacts": artifacts,
        "claims": stated,
    }
    return _yaml(content).encode()


def main(arguments=None):
    """Write an archive; exit status 1, and a line that says why, if that cannot be done."""
    console.accept_any_encoding()
    parser = argparse.ArgumentParser(
        prog="python -m common.report.archive", description=main.__doc__
    )
    parser.add_argument("paper", nargs="?", help="folder below papers/; none: all")
    options = parser.parse_args(arguments)
    if find_spec("rocrate") is None:
        print("rocrate is not installed. Install it, and archive: make archive", file=sys.stderr)
        return 1
    try:
        path, versions = write(options.paper)
    except (papers.PaperError, registry.RegistryError, files.NotWritableError) as error:
        print(error, file=sys.stderr)
        return 1
    size = files.resolve(path).stat().st_size
    if versions:
        print(
            f"Built with other versions than requirements.lock has: {', '.join(versions)}. "
            "To build again with those: snakemake -j2 --forceall",
            file=sys.stderr,
        )
    print(f"{path}: {size / 1e6:.1f} MB, sha256 {files.sha256(path)}", file=sys.stderr)
    return 0


def _claims(paper, scale):
    return f"results/{paper}/{scale}/claims.csv"


def _git(*arguments):
    """What git says of this repository, as bytes; None where it is no clone of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}

    def run(*command):
        return subprocess.run(
            ["git", *command], cwd=files.ROOT, env=environment, capture_output=True, check=True
        ).stdout

    try:
        top = os.fsdecode(run("rev-parse", "--show-toplevel").removesuffix(b"\n"))
        return run(*arguments) if os.path.samefile(top, files.ROOT) else None
    except (OSError, subprocess.CalledProcessError):
        return None


def _commit():
    """Name and day of the last commit, if it is what the folder holds."""
    answer = _git("log", "-1", "--format=%H %cs")
    if answer is None:
        raise papers.PaperError(
            "an archive holds the code of one commit, and this folder is no git clone, or has no "
            "commit. Archive in a clone, or commit first: git init; git add -A; git commit"
        )
    # A quotation mark stands around names with unusual letters.
    changed = [line[3:] for line in _git("status", "--porcelain").decode().splitlines()]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise papers.PaperError(
            f"an archive holds the code of one commit, and these files differ from it: "
            f"{', '.join(changed[:3])}{more}. Commit them, or put them aside: git stash -u"
        )
    return answer.decode().split()


def _steps(listed, scale, *, every):
    """Provenance of the runs behind figures and claims, what a run has read before it.

    Raises
    ------
    papers.PaperError
        If something is not built, or not what its provenance says.
    """
    found = provenance.records(
        "results",
        "data/derived",
        "data/raw/notebooks",
        *(f"papers/{name}/figures" for name in listed),
    )
    origin = {output: place for place, made in found.items() for output in made["outputs"]}
    steps = {}

    def follow(output):
        place = origin.get(output)
        if place is not None and place not in steps:
            steps[place] = None  # a step that reads its own output does not go round
            for name in sorted(found[place]["inputs"]):
                follow(name)
            del steps[place]
            steps[place] = found[place]

    for name, paper in listed.items():
        wanted = [f"papers/{name}/figures/{key}.svg" for key in paper.figures]
        wanted.append(_claims(name, scale))
        _require(wanted, origin, found, scale, f"papers/{name}/figures")
        for target in wanted:
            follow(target)
    if every:
        _require(["results/scoreboard.csv"], origin, found, scale, "results/scoreboard.csv")
        follow("results/scoreboard.csv")
    problems = [
        str(each)
        for made in steps.values()
        for each in provenance.problems_of(made)
        # Data are left out anyway.
        if not (each.what == "missing" and each.path.startswith("data/"))
    ]
    problems += _waiting(listed, scale, every)
    if problems:
        raise papers.PaperError(
            "what is built is not up to date, so nothing is archived:\n" + "\n".join(problems[:10])
        )
    return steps


def _require(wanted, origin, found, scale, target):
    """Raise an error if files are not built, by the workflow and at a scale."""
    others = [
        name
        for name in wanted
        if not files.resolve(name).is_file()
        or name not in origin
        or found[origin[name]]["scale"] != scale
    ]
    if others:
        more = f", nor are {len(others) - 1} more" if len(others) > 1 else ""
        raise papers.PaperError(
            f"{others[0]} is not built at the {scale} scale{more}. "
            f"Build it: snakemake -j2 {target} --config scale={scale}"
        )


def _waiting(listed, scale, every):
    """What Snakemake would run, for example because a setting has changed."""
    targets = [] if every else [f"papers/{name}/figures" for name in listed]
    command = [sys.executable, "-m", "snakemake", "-n", *targets, "--config", f"scale={scale}"]
    done = subprocess.run(command, cwd=files.ROOT, capture_output=True, text=True)
    if done.returncode:
        return [(done.stdout + done.stderr).strip()]
    jobs = [line.partition("] ")[2] for line in done.stdout.splitlines() if line.startswith("[")]
    build = f"Build it: {' '.join(['snakemake -j2', *targets, f'--config scale={scale}'])}"
    return [f"to be run: {len(jobs)} jobs, first {jobs[0]}. {build}"] if jobs else []


def _code(listed):
    """Files of the last commit and those that may be executed, without those of other papers."""
    others = set(papers.names()) - set(listed)
    folders = tuple(f"papers/{name}/" for name in others)
    worlds = {f"tests/worlds/{papers.module(name)}.py" for name in others}
    contents, modes = {}, {}
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", "HEAD"))) as tar:
        for member in tar:
            if (
                member.isfile()
                and not member.name.startswith(folders)
                and member.name not in worlds
            ):
                contents[member.name] = tar.extractfile(member).read()
                modes[member.name] = 0o755 if member.mode & 0o100 else 0o644
    for name, list_papers in index.LISTS.items():
        if name in contents:
            contents[name] = list_papers(contents[name].decode("utf-8"), listed).encode("utf-8")
    return contents, modes


def _built(listed, scale, steps):
    """What the steps have left: outputs, executed notebooks, provenance, time and memory.

    Besides them what Snakemake notes of each output, by which it knows whether it is up to date.
    """
    names = set()
    for place, made in steps.items():
        if place.startswith("data/raw/"):
            continue
        path = PurePosixPath(place)
        names |= {place, path.with_suffix(".ipynb").as_posix(), _benchmark(place, listed, scale)}
        names |= {name for name in made["outputs"] if not name.startswith("data/")}
    for path in files.walk(_METADATA):
        parts = path.relative_to(files.resolve(_METADATA)).parts
        if _noted(parts) in names:
            names.add(files.relative(path))
    return {name: files.resolve(name) for name in names if files.resolve(name).is_file()}


def _noted(parts):
    """Output that a file of Snakemake's metadata is about: its name, in pieces, says it."""
    try:
        return base64.urlsafe_b64decode("".join(part.removeprefix("@") for part in parts)).decode()
    except ValueError:
        return None


def _benchmark(place, listed, scale):
    """Name of a step's time and memory; see `common.workflow.steps.complete`."""
    for name in listed:
        built = f"results/{name}/{scale}"
        for folder in (f"{built}/notebooks/", f"papers/{name}/"):
            if place.startswith(folder):
                return f"{built}/benchmarks/{place.removeprefix(folder)[: -len('.json')]}.tsv"
    return f"{place.removesuffix('.json')}.tsv"


def _left_out(steps, contents):
    """Files that steps have read or written and that are not in the archive, with their sha256."""
    found = {}
    for made in steps.values():
        found |= made["inputs"] | made["outputs"]
    return {name: found[name] for name in sorted(found) if name not in contents}


def _data_sets(steps, left_out):
    """Registered data sets that the steps have read, with their files."""
    given = {key for made in steps.values() for key in made["parameters"].get("folders") or {}}
    found = {}
    for key, entry in registry.load().items():
        if entry.source.folder:
            names = []
        elif entry.source.moabb:
            receipts = {registry.path(key, subject=one) for one in entry.source.moabb.numbers}
            names = [name for name in left_out if name in receipts]
        else:
            names = [name for name in left_out if name == registry.path(key)]
        if names or (entry.source.folder and key in given):
            found[key] = entry, names
    return found


def _other_versions(steps, contents):
    """Packages that steps ran with in another version than the lock's."""
    if "requirements.lock" not in contents:
        return []
    lock = files.resolve("requirements.lock")
    pins = {name.lower(): version for name, version in environment.pins(lock).items()}
    used = {
        (name, version.partition("+")[0])
        for made in steps.values()
        for name, version in made["packages"].items()
        if version is not None
    }
    return [
        f"{name} {found}" for name, found in sorted(used) if pins.get(name.lower(), found) != found
    ]


def _page(title, listed, scale, commit, data, left_out, versions):
    """ARCHIVE.md: what is here and what can be done with it, and the data sets."""
    one = next(iter(listed)) if len(listed) == 1 else None
    does = {"snakemake verify": "hashes every file again"}
    if scale == reference.SCALE:
        does["snakemake -j2 check"] = "compares with the reference results"
    target = f" papers/{one}/figures" if one else ""
    does[f"snakemake -j2 --forceall{target}"] = "computes everything again"
    width = max(map(len, does))
    sets = []
    for key, (entry, _) in data.items():
        told = [f"**{entry.title}** (`{key}`)", f"Licence: {entry.licence}"]
        told += [f"Citation: {entry.citation}"]
        told += [f"sha256: `{entry.sha256}`"] if entry.sha256 else []
        sets.append("  \n".join(told))
    told = ", ".join(versions)
    none = "None was read: everything is simulated, or comes from published tables."
    return _PAGE.format(
        title=title,
        commit=commit,
        scale=scale,
        n_left_out=len(left_out),
        commands="\n".join(f"    {command:{width}}  # {what}" for command, what in does.items()),
        versions=f"Some steps ran with {told}, unlike requirements.lock.\n\n" if versions else "",
        codecheck=", `codecheck.yml` (CODECHECK, the authors' part)" if one else "",
        data="\n\n".join(sets) or none,
    ).encode()


def _rounded(text):
    """A number with four digits as a text, ties to even; None for what is no finite number."""
    try:
        number = decimal.Decimal(text)
    except decimal.InvalidOperation:
        return None
    return str(_DIGITS.create_decimal(number)) if number.is_finite() else None


def _yaml(content):
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _identity(content):
    """Hash and size of a file, given as its bytes or its path."""
    if isinstance(content, Path):
        return files.sha256(content), content.stat().st_size
    return hashlib.sha256(content).hexdigest(), len(content)


def _zip(path, contents, modes):
    """A zip whose bytes follow from names and contents: no dates, no owner, sorted."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.create_system = 3  # Unix, whose permissions these are
            entry.external_attr = (0o100000 | modes.get(name, 0o644)) << 16
            content = contents[name]
            if isinstance(content, Path):
                content = content.read_bytes()
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    sys.exit(main())
