"""Time until patterns are recovered: on random windows, of all at once, and by alphacsc.

    OMP_NUM_THREADS=1 python benchmarks/bench_rosecdl.py

The settings are those of ``papers/rosecdl`` at the embedded scale: five patterns on one channel,
ten atoms of 64 samples, until the recovery is 0.9. alphacsc takes part at 46,340 samples, for at
most so many seconds; learning on windows and of all at once do at three lengths. They take turns
in one process, on one thread, in processor time; where `make peers` has set up alphacsc, in its
environment. Printed are medians over seeds, geometric means of ratios, and slopes, with 95 %
Student intervals.
"""

import argparse
import functools
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common import seeds
from common.dictionary.contamination import patterns
from common.dictionary.paths import race
from common.report.statistics import mean_interval
from common.workflow import papers, peers

SCRIPT = "benchmarks/peers/alphacsc_recovery.py"
COMPARED = 46_340


def measured(settings):
    """Rows of `race`, with alphacsc where it is installed."""
    if peers.installed("alphacsc"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "settings.json")
            path.write_text(json.dumps(settings))
            return [json.loads(line) for line in peers.run("alphacsc", SCRIPT, path).splitlines()]
    print("alphacsc is not installed: run make peers to compare with it")
    settings["learners"].pop("alphacsc")
    true = patterns(settings["n_patterns"], 1, settings["options"]["n_times_atom"])
    given = {name: settings[name] for name in ("n_seeds", "n_times", "sigma", "enough", "learners")}
    generator = functools.partial(seeds.generator, "rosecdl", "speed")
    return race(true, generator=generator, options=settings["options"], **given)


def text(interval):
    value, low, high = interval
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def main():
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=20.0, help="of alphacsc, at most")
    given = parser.parse_args()
    paper = papers.load("rosecdl")
    settings = papers.settings("rosecdl", paper, "embedded")["speed"]
    lengths = settings["n_times"]
    learners = {"windows": lengths, "batch": lengths, "alphacsc": [COMPARED]}
    settings |= {"learners": learners, "n_seeds": given.seeds, "most_seconds": given.seconds}
    table = pd.DataFrame(measured(settings))
    key = ["learner", "n_times", "seed"]
    every = table.groupby(key)["seconds"].max()
    reached = table[table["recovery"] >= settings["enough"]].groupby(key)["seconds"].min()
    took = reached.reindex(every.index).fillna(every)
    for (learner, n_times), seconds in took.groupby(["learner", "n_times"]):
        never = len(seconds) - reached.reindex(seconds.index).count()
        line = f"{learner}, {n_times:,}: {seconds.median():.3f} s"
        if n_times == COMPARED and learner != "windows":
            more = np.log(seconds.to_numpy() / took["windows", n_times].to_numpy())
            line += f", over windows {text(np.exp(mean_interval(more)))}"
        print(line + (f", {never} of {len(seconds)} never" if never else ""))
    for learner in ("windows", "batch"):
        wide = np.log(took[learner].unstack("n_times"))
        slopes = np.polyfit(np.log(wide.columns), wide.to_numpy().T, 1)[0]
        print(f"{learner}: slope against the length {text(mean_interval(slopes))}")


if __name__ == "__main__":
    main()
