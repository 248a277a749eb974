"""Overhead of one notebook job, ours and the ``papermill`` command line, alternating.

    python benchmarks/bench_notebook_overhead.py [--repeats 7]

A job is timed from process start to process end, as Snakemake runs it, and so is papermill's
command line on the same notebook. Ours runs twice: by itself, and forked from the server of a run
(`common/workflow/notebooks/warm.py`). From the total time the cells' own time is taken off,
measured inside the notebook, without its imports: what is left is interpreter, imports, kernel
start, messages, saving and, for ours, parameters, hashes and provenance.

Processor time stands beside the time by the clock: it depends less on what else a machine does.
"""

import argparse
import json
import os
import pickle
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common.workflow.notebooks import fingerprint, isolation, warm

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = {
    "trivial": "",
    "torch, mne, braindecode": "import torch\nimport mne\nimport braindecode.models",
}


def make_notebook(path, source):
    """A notebook that takes its output's path and writes how long its cells ran."""
    cells = [
        (["parameters"], 'seconds = "seconds.json"'),
        ([], source),
        ([], "import time\n\nstart = time.perf_counter()"),
        ([], "value = 1 + 1"),
        (
            [],
            "import json\nfrom pathlib import Path\n\n"
            "took = time.perf_counter() - start\nPath(seconds).write_text(json.dumps(took))",
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


def overhead(command, seconds, server=None):
    """What a command takes besides the notebook's cells.

    Returns
    -------
    wall, processor : float
        In s.
    """
    seconds.unlink(missing_ok=True)
    environ = dict(os.environ) | ({warm.FOLDER: str(server.folder)} if server else {})
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, cwd=ROOT, env=environ, stderr=subprocess.PIPE)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if server:
        os.environ[warm.FOLDER] = str(server.folder)
        usage = warm.usage_of(command[1])
        del os.environ[warm.FOLDER]
        if usage is None:
            raise RuntimeError("the server did not run the job")
        processor += usage["seconds"]
    return wall - json.loads(seconds.read_text()), processor


def start_server(folder, notebook):
    """A server that has imported what the notebook imports."""
    name = f"{notebook}@0"
    groups = warm.groups({name: fingerprint.imports(notebook, root=ROOT)}, {name: 2})
    folder.mkdir()
    environ = isolation.job_environment(os.environ, root=ROOT, scratch=folder)
    return warm.Server(folder, groups, environ=environ, report=folder / "warm.json")


def main():
    """Print a table: median and range of the overhead, in s."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    head = f"{'median (s)':>11}{'min':>8}{'max':>8}"
    print(f"{'':38}{'by the clock':>27}{'processor time':>27}")
    print(f"{'notebook':26}{'runner':12}{head}{head}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = folder / "seconds.json"
        for number, (label, source) in enumerate(NOTEBOOKS.items()):
            notebook = folder / "notebook.ipynb"
            make_notebook(notebook, source)
            server = start_server(folder / str(number), notebook) if warm.is_possible() else None
            ours = our_command(notebook, seconds, folder)
            commands = {
                **({"ours, forked": (ours, server)} if server else {}),
                "ours": (ours, None),
                "papermill": (papermill_command(notebook, seconds, folder), None),
            }
            for command, one in commands.values():  # fill the file system's cache
                overhead(command, seconds, one)
            times = {runner: [] for runner in commands}
            for _ in range(repeats):
                for runner, (command, one) in commands.items():
                    times[runner].append(overhead(command, seconds, one))
            for runner, pairs in times.items():
                cells = [
                    f"{statistics.median(values):11.2f}{min(values):8.2f}{max(values):8.2f}"
                    for values in zip(*pairs, strict=True)
                ]
                print(f"{label:26}{runner:12}{''.join(cells)}", flush=True)
            if server:
                server.close()


if __name__ == "__main__":
    main()
