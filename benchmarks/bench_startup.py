"""Processor time of ``snakemake -n`` on one figure, with the papers there are and with many more.

    python benchmarks/bench_startup.py [--papers 1 50] [--repeats 3]

A copy of the repository is filled up with clones of its papers under other names. ``first`` is the
time of a first run, which finds the fingerprints of the notebooks that the figure needs; then they
are kept. At the paper's scale nothing is built either: the figure's whole history is planned.
Seconds of the fastest run; ``import snakemake`` beside them says how fast the machine is just now.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIGURE = "papers/dance/figures/timeline.svg"
TREE = ("common", "data", "notebooks", "papers", "profiles", "Snakefile", "config.yaml")
BUILT = shutil.ignore_patterns("raw", "derived", "figures", "__pycache__", ".*")
# A name that follows a slash or a quotation mark and ends with one is a folder's, or the paper's.
NAMED = r"""(?<=[/"'])({})(?=[/"'])"""


def make_repository(folder, n_papers):
    """Copy what Snakemake reads, and clone papers until there are enough.

    Parameters
    ----------
    folder : Path
    n_papers : int

    Returns
    -------
    n_papers : int
        As many as there are, if these are more.
    """
    for name in TREE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=BUILT)
        else:
            shutil.copy(ROOT / name, folder / name)
    papers = sorted(path.parent for path in folder.glob("papers/[!_]*/paper.yaml"))
    for index in range(n_papers - len(papers)):
        original = papers[index % len(papers)]
        clone = original.with_name(f"clone-{index}")
        shutil.copytree(original, clone)
        rules = clone / "rules.smk"
        rules.write_text(re.sub(NAMED.format(original.name), clone.name, rules.read_text()))
    return max(n_papers, len(papers))


def processor_time(folder, *arguments):
    """Processor time of a command with its children, in s."""
    environ = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "SNAKEMAKE_PROFILE"}}
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=environ,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}: {said}")
    return used.ru_utime + used.ru_stime


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--papers", type=int, nargs="+", default=[1, 50])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{'papers':>6} {'scale':10}{'first (s)':>10}{'then (s)':>10}{'import snakemake (s)':>22}"
    )
    for n_papers in options.papers:
        with tempfile.TemporaryDirectory(prefix="startup-") as name:
            folder = Path(name)
            n_papers = make_repository(folder, n_papers)
            for scale in ("embedded", "paper"):
                command = ["-m", "snakemake", "-n", FIGURE, "--config", f"scale={scale}"]
                shutil.rmtree(folder / ".snakemake", ignore_errors=True)
                first = processor_time(folder, *command)
                then, alone = [], []
                for _ in range(options.repeats):
                    then.append(processor_time(folder, *command))
                    alone.append(processor_time(folder, "-c", "import snakemake.cli"))
                print(
                    f"{n_papers:6} {scale:10}{first:10.2f}{min(then):10.2f}{min(alone):22.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
