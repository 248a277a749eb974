"""Every figure and claim of the papers at the smoke scale, in a copy of the working tree.

    python tests/smoke.py            # all papers
    python tests/smoke.py dance      # one

The copy is ``.smoke/``, so results and figures of other scales stay as they are. It holds what git
tracks or would track, in the state of the working tree. Downloads are shared through a link. What
the copy has built stays there, so that the next call reruns what changed and nothing else.
"""

import argparse
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / ".smoke"


def synchronize(source, copy):
    """Bring a copy of a working tree up to date; what was built in it stays.

    Parameters
    ----------
    source, copy : Path
        A git checkout, and the folder of the copy.

    Raises
    ------
    SystemExit
        If the source is not a git checkout: what is built and what is not cannot be told apart.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=source, capture_output=True, text=True)
    if listed.returncode != 0:
        sys.exit(f"{source} is not a git checkout, so its files cannot be listed. Clone it anew.")
    names = {name for name in listed.stdout.split("\0") if name and (source / name).is_file()}
    copy.mkdir(exist_ok=True)
    record = copy / ".copied"
    before = set(record.read_text("utf-8").split("\0")) if record.exists() else set()
    # Written first: a copy that was interrupted knows what it may hold.
    record.write_text("\0".join(sorted(names | before)), "utf-8")
    gone = before - names - {""}
    for name in gone:
        (copy / name).unlink(missing_ok=True)
    forget(copy, gone)
    for name in sorted(names):
        old, new = copy / name, source / name
        if not old.is_file() or old.read_bytes() != new.read_bytes():
            if old.is_file():
                forget(copy, [name])
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(new, old)
    record.write_text("\0".join(sorted(names)), "utf-8")
    share_compiled(source, copy)
    downloads = source / "data/raw"
    downloads.mkdir(parents=True, exist_ok=True)
    link = copy / "data/raw"
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(downloads, target_is_directory=True)


def forget(copy, names):
    """Remove what a paper has built in the copy, where one of these files says what its steps are.

    The files have changed: what steps of other names made would stay, and `verify` complain of it.

    Parameters
    ----------
    copy : Path
    names : iterable of str
        Relative to the copy.
    """
    for name in map(Path, names):
        if name.parts[0] == "papers" and name.name in ("paper.yaml", "rules.smk"):
            paper = name.parts[1]
            for built in (f"results/{paper}", f"data/derived/{paper}", f"papers/{paper}/figures"):
                shutil.rmtree(copy / built, ignore_errors=True)


def share_compiled(source, copy):
    """Copy what numba has compiled, where that is newer; the unit tests have used most of it.

    Its index knows a source by the time and the size, which the copies of sources keep.

    Parameters
    ----------
    source, copy : Path
    """
    for index in sorted(source.glob("common/**/__pycache__/*.nbi")):
        target = copy / index.relative_to(source)
        if not target.exists() or target.stat().st_mtime_ns < index.stat().st_mtime_ns:
            target.parent.mkdir(parents=True, exist_ok=True)
            # The index comes last: what it names is there.
            for part in [*index.parent.glob(f"{index.stem}.*.nbc"), index]:
                shutil.copy2(part, target.with_name(part.name))


def unmarked(copy, papers):
    """What the smoke scale has built and not marked as too small to mean anything.

    Parameters
    ----------
    copy : Path
    papers : list of str

    Returns
    -------
    problems : list of str
        A figure without the words, or a claim that is judged; also a paper without either.
    """
    from common import files
    from common.report import claims, figures

    problems = []
    for paper in papers:
        drawn = sorted((copy / f"papers/{paper}/figures").glob("*.svg"))
        judged = copy / f"results/{paper}/smoke/claims.csv"
        if not drawn or not judged.is_file():
            problems.append(f"{paper}: no figure or no claims")
            continue
        for svg in drawn:
            if figures.SCALES["smoke"] not in svg.read_text("utf-8"):
                problems.append(f"{files.relative(svg)} does not say that its scale is smoke")
        outcomes = set(files.read_csv(judged)["outcome"])
        if outcomes != {claims.NOT_TESTABLE}:
            problems.append(f"{files.relative(judged)} judges claims: {sorted(outcomes)}")
    return problems


def invented(copy, papers):
    """Columns of the made-up tables of `tests/test_claims.py` that no built table has.

    Claims that read such a column could fail in made-up worlds alone.

    Parameters
    ----------
    copy : Path
    papers : list of str

    Returns
    -------
    problems : list of str
        A table, built or published, and what it lacks. One that is not built is left out.
    """
    from common import files

    problems = []
    for paper in papers:
        world = importlib.import_module(f"tests.worlds.{paper.replace('-', '_')}").world
        for name, table in world(True, "embedded").items():
            for folder in (f"results/{paper}/smoke/tables", f"papers/{paper}/published"):
                real = copy / folder / f"{name}.csv"
                if not real.is_file():
                    continue
                extra = [column for column in table if column not in files.read_csv(real)]
                if extra:
                    problems.append(f"{files.relative(real)} has no column {', '.join(extra)}")
    return problems


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("papers", nargs="*", metavar="PAPER", help="all, if none is named")
    parser.add_argument("-j", "--jobs", default="2", help="jobs at a time")
    options = parser.parse_args(arguments)
    known = sorted(path.parent.name for path in ROOT.glob("papers/[!_]*/paper.yaml"))
    unknown = [name for name in options.papers if name not in known]
    if unknown:
        sys.exit(f"No paper {unknown[0]!r}. Papers: {', '.join(known)}")
    synchronize(ROOT, COPY)
    targets = [f"papers/{name}/figures" for name in options.papers]
    # Nobody opens these notebooks; figures are written with and without pictures in them.
    environment = os.environ | {"PYTHONPATH": str(COPY), "ARTIFACTS_PICTURES": "false"}
    for command in (["-j", options.jobs, *targets], ["-j1", "verify"]):
        snakemake = [sys.executable, "-m", "snakemake", *command, "--config", "scale=smoke"]
        status = subprocess.run(snakemake, cwd=COPY, env=environment).returncode
        if status:
            sys.exit(status)
    papers = options.papers or known
    problems = unmarked(COPY, papers) + invented(COPY, papers)
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
