"""How far the numbers of every figure move on another processor: what the tolerances rest on.

Builds the embedded scale in a clone, with numeric libraries told to use the instructions of another
processor, and compares each column of each figure with the reference results of this repository::

    python benchmarks/dispatch_deviations.py OPENBLAS_CORETYPE=Haswell ATEN_CPU_CAPABILITY=default

``--clone FOLDER`` keeps the clone, and goes on with it where it is there already; ``--papers dance
dripp`` builds and compares only these.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from common import files
from common.report import agreement, reference
from common.workflow import papers


def build(clone, environment, jobs, names):
    """Build the figures and claims tables of papers at the embedded scale in a clone."""
    if not clone.exists():
        subprocess.run(["git", "clone", "--quiet", files.ROOT, clone], check=True)
        (clone / "data/raw").symlink_to(files.resolve("data/raw"))
    subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", f"-j{jobs}", "--keep-going"),
            *(f"papers/{name}/figures" for name in names),
            *("--config", "scale=embedded"),
        ],
        cwd=clone,
        env=os.environ | environment,
        check=True,
    )


def deviations(clone, names):
    """Largest deviation of each number column of each figure from the reference.

    Parameters
    ----------
    clone : Path
        Where the figures were built.
    names : list of str
        Papers.

    Returns
    -------
    table : pandas.DataFrame
        ``paper``, ``figure``, ``column``, ``largest`` (in the column's unit), ``relative`` (to the
        reference, small numbers to their column's scale) and ``agreement`` under the tolerances.
    """
    rows = []
    for paper in names:
        for name in papers.load(paper).figures:
            built = clone / f"papers/{paper}/figures/{name}.csv"
            state = reference.agreement(paper, name, built)
            expected = files.read_csv(f"papers/{paper}/reference/{name}.csv")
            found = files.read_csv(built)
            if "column" in expected and "column" not in found:
                found = agreement.summarise(found)
            if list(found) != list(expected) or len(found) != len(expected):
                rows.append((paper, name, "", np.nan, np.nan, str(state)))
                continue
            for column in expected.select_dtypes("number"):
                one, other = (table[column].to_numpy(dtype=float) for table in (found, expected))
                distance = np.where(one == other, 0.0, np.abs(np.nan_to_num(one - other)))
                size = np.nan_to_num(np.abs(other))
                size = np.maximum(size, 1e-6 * size.max(initial=0.0))
                share = np.divide(distance, size, out=np.zeros_like(distance), where=size > 0)
                rows.append((paper, name, column, distance.max(), share.max(), state.state))
    return pd.DataFrame(
        rows, columns=["paper", "figure", "column", "largest", "relative", "agreement"]
    )


def main():
    """Build, compare, print what moved, and write all of it as csv."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("environment", nargs="+", metavar="NAME=VALUE")
    parser.add_argument("--clone", type=Path)
    parser.add_argument("--papers", nargs="+", choices=papers.names(), default=papers.names())
    parser.add_argument("--csv", default="benchmarks/recorded/dispatch-deviations.csv")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = (options.clone or Path(folder, "clone")).absolute()
        build(
            clone,
            dict(one.split("=", 1) for one in options.environment),
            options.jobs,
            options.papers,
        )
        table = deviations(clone, options.papers)
    files.write_csv(options.csv, table)
    moved = table[~(table["relative"] <= agreement.STRICT)]
    print(moved.to_string(index=False, float_format="%.2g"))
    same = len(table) - len(moved)
    print(f"{same} of {len(table)} columns within a relative {agreement.STRICT:g}.")


if __name__ == "__main__":
    main()
