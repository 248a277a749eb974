"""Time of our sparse coding and learning until alphacsc 0.4.1's final cost is reached.

    OMP_NUM_THREADS=1 python benchmarks/bench_dictionary.py simulated striatum learning

alphacsc does not run with the numpy of this repository, so both run in the peers' environment
(`make peers`), in one process; see ``benchmarks/peers/alphacsc_speed.py``. Equal tolerances end at
other costs, so ours is called with the largest of some tolerances that ends at or below the cost of
alphacsc. Whole calls are timed, on one thread, in processor time, by turns; printed are medians and
the geometric mean of the ratio with its 95 % Student interval.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import mne
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common import files
from common.report.statistics import mean_interval
from common.workflow import peers

SCRIPT = "benchmarks/peers/alphacsc_speed.py"


def recording():
    """The striatum after its first 120 s, shape (1, n_times)."""
    X = np.load(files.require("data/raw/rodent-striatum.npy"))[:, 120 * 350 :].astype(float)
    X = mne.filter.filter_data(X, 350.0, 1, 120, verbose="error")
    return X / X.std()


def main():
    """Time the cases asked for, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="+", choices=("simulated", "striatum", "learning"))
    parser.add_argument("--repetitions", type=int, default=7)
    given = parser.parse_args()
    arguments = [*given.cases, "--repetitions", given.repetitions]
    with tempfile.TemporaryDirectory() as folder:
        if set(given.cases) != {"simulated"}:
            path = Path(folder, "recording.npy")
            np.save(path, recording())
            arguments += ["--recording", path]
        printed = peers.run("alphacsc", SCRIPT, *arguments)
    for line in printed.splitlines():
        found = json.loads(line)
        pairs = np.array(found["seconds"])
        value, low, high = np.exp(mean_interval(np.log(pairs[:, 0] / pairs[:, 1])))
        alphacsc, own = np.median(pairs, axis=0)
        print(
            f"{found['title']}: alphacsc {alphacsc:.4f} s, ours {own:.4f} s, "
            f"ratio {value:.1f} [{low:.1f}, {high:.1f}]"
        )


if __name__ == "__main__":
    main()
