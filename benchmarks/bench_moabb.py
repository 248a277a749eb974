"""The study of pipelines with two jobs at a time against MOABB's evaluation in one process.

The same simulated subjects and pipelines, searches included: once by
`moabb.evaluations.WithinSessionEvaluation`, which `moabb.benchmark` runs, in one process on one
thread; once by this repository's workflow, ``snakemake -j2``, from nothing to the gathered table,
with all that its jobs cost to start. Prints both wall times, their ratio and the largest difference
of scores. It needs two free cores.

Run with ``python benchmarks/bench_moabb.py``; ``--subjects`` changes the amount of work.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from tests.workflow.conftest import ROOT, make_repository

PIPELINES = ["CSP+LDA", "DLCSPauto+shLDA", "MDM", "FgMDM", "TS+LR", "CSP+SVM", "TS+SVM", "TS+EL"]
TABLE = "results/moabb/embedded/tables/scores.csv"
ONE_PROCESS = """
import json, sys, tempfile, warnings
warnings.simplefilter("ignore")
import moabb
from moabb.evaluations import WithinSessionEvaluation
from common.benchmark import catalogue, datasets
moabb.set_log_level("error")
options, names = json.loads(sys.argv[1])
dataset = datasets.make("Simulated", **options)
paradigm = datasets.paradigm("left_right", dataset)
pipelines = {
    name: catalogue.build(catalogue.entry(name), scoring=paradigm.scoring, random_state=42)
    for name in names
}
evaluation = WithinSessionEvaluation(
    paradigm, [dataset], random_state=42, overwrite=True, hdf5_path=tempfile.mkdtemp(), n_jobs=1
)
evaluation.process(pipelines).to_csv(sys.argv[2], index=False)
"""


def main():
    """Time both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=3)
    parser.add_argument("--trials", type=int, default=200, help="of a class")
    settings = parser.parse_args()
    options = {
        "paradigm": "imagery", "n_subjects": settings.subjects, "n_trials": settings.trials,
        "n_channels": 16,
    }  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        theirs, seconds = in_one_process(Path(folder), options, environment)
        print(f"MOABB, one process:            {seconds:7.1f} s", flush=True)
        ours, sharded = as_workflow(Path(folder), options, settings.subjects)
        print(f"snakemake -j2, end to end:     {sharded:7.1f} s")
    print(f"ratio:                         {seconds / sharded:7.2f}")
    keys = ["subject", "pipeline"]
    both = ours.merge(theirs, on=keys, suffixes=("", "_theirs"), validate="one_to_one")
    assert len(both) == len(ours) == len(theirs)
    print(
        f"largest difference of scores:  {(both['score'] - both['score_theirs']).abs().max():.1e}"
    )


def in_one_process(folder, options, environment):
    """Scores and seconds of MOABB."""
    path = folder / "theirs.csv"
    start = time.perf_counter()
    arguments = [json.dumps([options, PIPELINES]), str(path)]
    subprocess.run(
        [sys.executable, "-c", ONE_PROCESS, *arguments], env=environment, check=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    return pd.read_csv(path), seconds


def as_workflow(folder, options, n_subjects):
    """Scores and seconds of the workflow, in a repository of its own."""
    repository = make_repository(folder / "repository", paper=ROOT / "papers" / "moabb")
    path = repository / "papers/moabb/paper.yaml"
    paper = yaml.safe_load(path.read_text())
    simulated = {"name": "Simulated", "subjects": n_subjects, "options": options}
    left_right = {"pipelines": PIPELINES, "datasets": {"Simulated": simulated}}
    paper["scales"]["embedded"].update(benchmark={"left_right": left_right})
    paper["scales"].pop("smoke", None)  # differs from settings that are gone
    path.write_text(yaml.safe_dump(paper))
    command, environment = repository.command("-j2", TABLE)
    start = time.perf_counter()
    subprocess.run(
        command, cwd=repository.path, env=environment, check=True, stderr=subprocess.DEVNULL
    )
    seconds = time.perf_counter() - start
    return pd.read_csv(repository / TABLE), seconds


if __name__ == "__main__":
    main()
