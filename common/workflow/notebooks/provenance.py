"""Where each built file comes from, and whether it is still what it was.

After a notebook succeeds, the runner writes one JSON beside the executed notebook: the notebook
and its fingerprint, the parameters, the hash of each input and output, the commit, the versions.
No times, host names or absolute paths: the same run gives the same bytes anywhere.

``python -m common.workflow.notebooks.provenance`` (the rule ``verify``) hashes every built file
again.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote

from common import files
from common.workflow import console
from common.workflow.notebooks import isolation
from common.workflow.notebooks.fingerprint import fingerprint

__all__ = [
    "CRATE", "LEFT_OUT", "Problem", "by_output", "companions", "problems_of", "record", "records",
    "refresh_index", "verify",
]  # fmt: skip

FORMAT = "provenance-1"
PACKAGES = (
    "alphacsc", "braindecode", "ipykernel", "matplotlib", "mne", "moabb", "nbclient", "numpy",
    "pandas", "papermill", "POT", "pyriemann", "scikit-learn", "scipy", "skada", "snakemake",
    "torch",
)  # fmt: skip
CRATE = "ro-crate-metadata.json"
"""What describes an unpacked archive, at its root (`common.report.archive`)."""

LEFT_OUT = "#left-out/"
"""How that description begins the names of files that it states the hash of and does not hold."""

# Written by Snakemake or for people; they hold times, so they are not hashed.
_UNTRACKED = {".ipynb", ".tsv"}
# Left by Jupyter, by Snakemake, and by network file systems while a file is open.
_PASSED_OVER = re.compile(r"\.ipynb_checkpoints|\.snakemake_timestamp|\.nfs.*")


def record(*, notebook, rule, parameters, inputs, outputs, scale, device, threads):
    """Provenance of one successful run.

    Parameters
    ----------
    notebook : str
        ``papers/dance/2-train.ipynb@<fingerprint>``.
    rule : str
    parameters : dict
        All of the notebook's parameters.
    inputs, outputs : list of str
        Paths relative to the repository root. An output's `companions` are recorded with it.
    scale, device : str
    threads : int

    Returns
    -------
    provenance : dict
    """
    path, _, code = notebook.partition("@")
    outputs = sorted({name for output in outputs for name in companions(output)})
    return {
        "format": FORMAT,
        "rule": rule,
        "notebook": path,
        "fingerprint": code,
        "parameters": parameters,
        "inputs": {name: files.sha256(name) for name in sorted(set(inputs))},
        "outputs": {name: files.sha256(name) for name in outputs},
        **_commit(),
        "python": platform.python_version(),
        "packages": _versions(),
        "dispatch": _dispatch(),
        "scale": scale,
        "seed": parameters.get("seed"),
        "threads": threads,
        "device": device,
    }


def companions(output):
    """An output and the files that `figures.save` writes beside an SVG.

    Parameters
    ----------
    output : str

    Returns
    -------
    names : list of str
    """
    path = Path(output)
    if path.suffix != ".svg":
        return [str(output)]
    beside = [path.with_suffix(suffix).as_posix() for suffix in (".png", ".csv")]
    return [path.as_posix(), *(name for name in beside if files.resolve(name).exists())]


def by_output(*folders):
    """Provenance of the files below some folders.

    Parameters
    ----------
    *folders : str
        Relative to the repository root.

    Returns
    -------
    provenances : dict of str to dict
        Each output's name to the provenance that lists it, the newest where several do: a step that
        has another name now has left its old one.
    """
    return {
        output: content for content in records(*folders).values() for output in content["outputs"]
    }


def records(*folders):
    """Provenance of the steps that have written below some folders.

    Parameters
    ----------
    *folders : str
        Relative to the repository root.

    Returns
    -------
    records : dict of str to dict
        Name of each file to what it says, the oldest first.
    """
    inside = [path for folder in folders for path in files.walk(folder) if path.suffix == ".json"]
    inside.sort(key=lambda path: path.stat().st_mtime_ns)
    found = {files.relative(path): _read(files.relative(path)) for path in inside}
    return {name: content for name, content in found.items() if content is not None}


class Problem:
    """A built file that is not what its provenance says.

    Parameters
    ----------
    path : str
    what : str
        For example ``"corrupt"``.
    why : str
    repair : str
        What puts it right: a command, or what to do with a file that no command makes.
    foreign : bool, default=False
        No step of the workflow makes the file: worth a note, and nothing is wrong with the rest.
    """

    def __init__(self, path, what, why, repair, *, foreign=False):
        self.path = path
        self.what = what
        self.why = why
        self.repair = repair
        self.foreign = foreign

    def __str__(self):
        end = self.repair if self.foreign else f"Repair: {self.repair}"
        return f"{self.what}: {self.path}: {self.why}. {end}"


def verify(made=None):
    """Compare every built file of the repository with its provenance.

    Parameters
    ----------
    made : list of str, optional
        Regular expressions of what the workflow's rules write, from
        `common.workflow.wiring.patterns`, by which a foreign file is told from one that has lost
        its provenance. Without it no file is taken for a foreign one.

    Returns
    -------
    problems : list of Problem
    n_files : int
        How many files were hashed. What an archive leaves out is no problem in its unpacked folder.
    """
    problems, hashes, claimed = [], {}, set()
    # Once for all files: `re` itself remembers 512 expressions, and there are more.
    made = made and [re.compile(pattern) for pattern in made]
    built, left_out = sorted(_built_files(problems)), _left_out()

    def sha256(name):
        if name not in hashes:
            hashes[name] = files.sha256(name) if files.resolve(name).exists() else None
        return hashes[name]

    records = {name: _read(name) for name in built if name.endswith(".json")}
    records = {name: content for name, content in records.items() if content is not None}
    current = {name for name in records if _is_made(f"{name.removesuffix('.json')}.ipynb", made)}
    rebuilt = {output for name in current for output in records[name]["outputs"]}
    for name, content in records.items():
        if name not in current and rebuilt.issuperset(content["outputs"]):
            continue  # the step has another name now, under which it has run
        claimed.update([name, *content["outputs"]])
        problems += _check(content, sha256, left_out)
    for name in built:
        if name not in claimed:
            problems += _unclaimed(name, made)
    return problems, sum(found is not None for found in hashes.values())


def problems_of(content):
    """Compare the files of one step with its provenance, as `verify` does with all.

    Parameters
    ----------
    content : dict
        A provenance.

    Returns
    -------
    problems : list of Problem
    """
    return list(
        _check(content, lambda name: files.sha256(name) if files.resolve(name).exists() else None)
    )


def _unclaimed(name, made):
    """What is to say about a file that no provenance names."""
    path = Path(name)
    maker = path.with_suffix(".svg").as_posix() if path.suffix in {".png", ".csv"} else name
    target = next((each for each in (name, maker) if _is_made(each, made)), None)
    if files.is_temporary(path):
        why = "it was being written when its process was killed"
        yield Problem(name, "left over", why, "The next run removes it.", foreign=True)
    elif target is None:
        why = "a file without provenance that no step of the workflow makes"
        yield Problem(name, "foreign", why, "Delete it, or keep it elsewhere.", foreign=True)
    elif path.suffix not in _UNTRACKED:
        yield Problem(name, "without provenance", "no run recorded it", _force(target))


def _is_made(name, made):
    return made is None or any(pattern.fullmatch(name) for pattern in made)


def _check(provenance, sha256, left_out=frozenset()):
    outputs = provenance["outputs"]
    target = next(iter(sorted(outputs, key=lambda name: not name.endswith(".svg"))), None)
    for name, expected in outputs.items():
        found = sha256(name)
        if found is None and name in left_out:
            continue
        if found is None:
            repair = f"snakemake -j2 {name}" if _is_declared(name) else _force(target)
            yield Problem(name, "missing", "it was built and is gone", repair)
        elif found != expected:
            why = f"its sha256 is {found[:12]}…, it was built as {expected[:12]}…"
            yield Problem(name, "corrupt", why, _force(target))
    for name, expected in provenance["inputs"].items():
        found = sha256(name)
        if found is not None and found != expected:
            yield Problem(target, "stale", f"its input {name} has changed", _force(target))
    notebook = provenance["notebook"]
    if provenance.get("interactive"):
        why = "a notebook that was run by hand wrote it, not the workflow"
        yield Problem(target, "made by hand", why, _force(target))
    elif not files.resolve(notebook).exists():
        why = f"its notebook {notebook} is gone"
        yield Problem(target, "stale", why, f"rm {' '.join(outputs)}")
    elif fingerprint(files.resolve(notebook), root=files.ROOT) != provenance["fingerprint"]:
        why = f"the code of {notebook} or what it uses has changed"
        yield Problem(target, "stale", why, f"snakemake -j2 {target}")


def _is_declared(name):
    path = Path(name)
    return path.suffix == ".svg" or not files.resolve(path.with_suffix(".ipynb")).exists()


def _force(name):
    return f"snakemake -j2 --force {name}"


def _built_files(problems):
    """Names of the files in the folders that the workflow fills; unreadable folders as problems."""

    def unreadable(error):
        name = files.relative(error.filename)
        why = f"it cannot be read: {os.strerror(error.errno)}"
        problems.append(Problem(name, "unreadable", why, f"chmod u+rx {shlex.quote(name)}"))

    folders = [files.resolve("results"), files.resolve("data/derived")]
    folders += sorted(files.ROOT.glob("papers/*/figures"))
    for folder in folders:
        for path in files.walk(folder, unreadable=unreadable):
            inside = path.relative_to(folder).parts
            is_live = files.is_temporary(path) and not files.is_leftover(path)
            committed = files.relative(path) == "results/README.md"
            if not (is_live or committed or any(map(_PASSED_OVER.fullmatch, inside))):
                yield files.relative(path)


def _left_out():
    """Files that the archive whose unpacked folder this is states the hash of and does not hold."""
    path = files.resolve(CRATE)
    if not path.is_file():
        return frozenset()
    described = files.read_json(path)["@graph"]
    found = (entity["@id"] for entity in described if entity["@id"].startswith(LEFT_OUT))
    return frozenset(unquote(name.removeprefix(LEFT_OUT)) for name in found)


def _read(name):
    """Provenance in a JSON file, or None where it holds something else."""
    try:
        content = json.loads(files.resolve(name).read_text(encoding="utf-8"))
    except ValueError:
        return None
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None


def refresh_index():
    """Have git look once, for a whole run, at files whose dates do not tell whether they changed.

    Such are the files of a new clone. In each job git would pass each notebook among them through
    its filter again, which takes seconds, since a job does not write git's index.
    """
    with contextlib.suppress(OSError):  # no git
        command = ["git", "update-index", "-q", "--refresh"]
        subprocess.run(command, cwd=files.ROOT, capture_output=True)


def _commit():
    # A hook, or a repository around an unpacked archive, must not name another repository's commit.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"

    def git(*arguments):
        return subprocess.run(
            ["git", *arguments], cwd=files.ROOT, env=environment, capture_output=True, check=True
        ).stdout.decode(errors="surrogateescape")

    try:
        top = git("rev-parse", "--show-toplevel").removesuffix("\n")
        if not os.path.samefile(top, files.ROOT):
            return {"commit": None, "dirty": None}
        answer = git("status", "--porcelain=v2", "--branch", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):  # an archive without git
        return {"commit": None, "dirty": None}
    lines = answer.splitlines()
    commit = next((x.split()[-1] for x in lines if x.startswith("# branch.oid")), None)
    return {
        "commit": None if commit == "(initial)" else commit,
        "dirty": any(not line.startswith("#") for line in lines),
    }


def _versions():
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _dispatch():
    """What among a processor's instructions the numbers of this machine come from."""
    from threadpoolctl import threadpool_info

    kinds = {each.get("architecture") for each in threadpool_info() if each["user_api"] == "blas"}
    chosen = {name: os.environ[name] for name in isolation.DISPATCH if os.environ.get(name)}
    return {"machine": platform.machine(), "blas": "/".join(sorted(filter(None, kinds))), **chosen}


def main(arguments=None):
    """Print what `verify` found; exit status 1 if anything is wrong, foreign files apart."""
    console.accept_any_encoding()
    parser = argparse.ArgumentParser(prog="python -m common.workflow.notebooks.provenance")
    parser.add_argument("--made", nargs="*", help="regular expressions of what the rules write")
    found, n_files = verify(parser.parse_args(arguments).made)
    for problem in found:
        print(problem, file=sys.stderr)
    problems = [problem for problem in found if not problem.foreign]
    if problems:
        print(f"{len(problems)} problem(s) in {n_files} files.", file=sys.stderr)
        return 1
    print(f"{n_files} files agree with their provenance.", file=sys.stderr)
    if left_out := [name for name in _left_out() if not files.resolve(name).exists()]:
        print(f"{len(left_out)} more are not in this archive, only their sha256.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
