"""Overhead of one notebook job, ours and the ``papermill`` command line, alternating.

    python benchmarks/bench_notebook_overhead.py [--repeats 7]

A job is timed from process start to process end, as Snakemake runs it, and so is papermill's
command line on the same notebook. The cells' own time, measured inside the notebook, is taken
off: what is left is interpreter, imports, kernel start, messages, saving and, for ours,
parameters, hashes and provenance.
"""

import argparse
import json
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = {
    "trivial": "value = 1 + 1",
    "torch, mne, braindecode": "import torch\nimport mne\nimport braindecode.models",
}


def make_notebook(path, source):
    """A notebook that takes its output's path and writes how long its cells ran."""
    cells = [
        (["parameters"], 'seconds = "seconds.json"'),
        ([], "import time\n\nstart = time.perf_counter()"),
        ([], source),
        (
            [],
            "import json\nfrom pathlib import Path\n\n"
            "Path(seconds).write_text(json.dumps(time.perf_counter() - start))",
        ),
    ]
    content = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{index}",
                "metadata": {"tags": tags},
                "outputs": [],
                "source": text,
            }
            for index, (tags, text) in enumerate(cells)
        ],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(content))


def our_command(notebook, seconds, folder):
    """What Snakemake starts for one job: its preamble, then the runner."""
    from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, Snakemake, Wildcards

    job = Snakemake(
        InputFiles(),
        OutputFiles(fromdict={"seconds": str(seconds)}),
        Params(fromdict={"notebook": f"{notebook}@0"}),
        Wildcards(),
        1,
        {},
        Log(fromdict={"notebook": str(folder / "executed.ipynb")}),
        {"scale": "embedded"},
        "bench",
        None,
        str(ROOT),
    )
    runner = ROOT / "common/workflow/notebooks/run.py"
    script = folder / "script.py"
    script.write_text(
        f"import sys; import pickle; snakemake = pickle.loads({pickle.dumps(job, protocol=4)}); "
        f"from snakemake.logging import logger; from snakemake.iocontainers import Snakemake; "
        f"__file__ = {str(runner)!r}\n{runner.read_text()}"
    )
    return [sys.executable, str(script)]


def papermill_command(notebook, seconds, folder):
    """The command line on the same notebook."""
    executed = str(folder / "papermill.ipynb")
    return [sys.executable, "-m", "papermill", str(notebook), executed,
            "-p", "seconds", str(seconds), "--no-progress-bar", "--log-level", "ERROR",
            "--cwd", str(ROOT)]  # fmt: skip


def overhead(command, seconds):
    """Wall time of a command minus the time of the notebook's cells, in s."""
    seconds.unlink(missing_ok=True)
    start = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, stderr=subprocess.PIPE)
    return time.perf_counter() - start - json.loads(seconds.read_text())


def main():
    """Print a table: median and range of the overhead, in s."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    print(f"{'notebook':26}{'runner':12}{'median (s)':>11}{'min':>8}{'max':>8}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = folder / "seconds.json"
        for label, source in NOTEBOOKS.items():
            notebook = folder / "notebook.ipynb"
            make_notebook(notebook, source)
            commands = {
                "ours": our_command(notebook, seconds, folder),
                "papermill": papermill_command(notebook, seconds, folder),
            }
            for command in commands.values():  # fill the file system's cache
                overhead(command, seconds)
            times = {runner: [] for runner in commands}
            for _ in range(repeats):
                for runner, command in commands.items():
                    times[runner].append(overhead(command, seconds))
            for runner, values in times.items():
                low, high = min(values), max(values)
                middle = statistics.median(values)
                print(f"{label:26}{runner:12}{middle:11.2f}{low:8.2f}{high:8.2f}", flush=True)


if __name__ == "__main__":
    main()
