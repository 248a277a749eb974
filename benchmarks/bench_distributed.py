"""Workers that are processes against the simulated clock, on a line, for W = 1 and 2.

    OMP_NUM_THREADS=1 python benchmarks/bench_distributed.py

What a value that is looked at and one that is changed cost is measured first, on one worker. The
clock with these prices then predicts the time of one process and of two. Both take turns;
printed are medians of wall-clock and of processor time of the busiest process, over repetitions,
and the speed-up that the clock predicts and that is found. Starting the processes does not count,
but other work on the machine does: on fewer free cores than processes, see the processor time.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.dictionary import grids
from common.dictionary.distributed import Clock, simulated_code
from common.dictionary.processes import code_in_processes
from common.dictionary.simulation import dense_recording

STRATEGIES = {"DICOD": "greedy", "DiCoDiLe-Z": "lgcd"}


def prices(X, D, penalty, options, repetitions):
    """Seconds to look at a value and to change one, by least squares over both strategies."""
    rows, seconds = [], []
    for strategy in STRATEGIES.values():
        code = simulated_code(X, D, penalty, strategy=strategy, **options)
        changed = code.updates[0] * D.shape[0] * (2 * D.shape[2] - 1)
        rows.append([code.time - changed, changed])
        busy = [
            code_in_processes(X, D, penalty, workers=1, strategy=strategy, **options).busy[0]
            for _ in range(repetitions)
        ]
        seconds.append(np.median(busy))
    found = np.linalg.solve(np.array(rows, dtype=float), seconds)
    return np.maximum(found, 1e-12)


def main():
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, default=1000, help="of the recording, in atoms")
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    size = {"n_atoms": 5, "n_channels": 3, "n_times_atom": 32, "n_lengths": given.lengths}
    X, D = dense_recording(rng=rng, **size)
    penalty = 0.1 * grids.lambda_max(X, D, nonnegative=False)
    options = {"tol": 0.01, "nonnegative": False}
    look, change = prices(X, D, penalty, options, given.repetitions)
    print(f"T = {given.lengths} L: a = {1e9 * look:.3f} ns, b = {1e9 * change:.3f} ns")
    for name, strategy in STRATEGIES.items():
        predicted, wall, busy = {}, {1: [], 2: []}, {1: [], 2: []}
        for workers in (1, 2):
            clock = Clock(look=look, change=change)
            code = simulated_code(
                X, D, penalty, workers=workers, strategy=strategy, clock=clock, **options
            )
            predicted[workers] = code.time
        for _ in range(given.repetitions):
            for workers in (1, 2):
                found = code_in_processes(
                    X, D, penalty, workers=workers, strategy=strategy, **options
                )
                np.testing.assert_allclose(found.z, code.z, atol=0.1)  # ten tolerances
                wall[workers].append(found.time)
                busy[workers].append(found.busy.max())
        for workers in (1, 2):
            print(
                f"{name}, W = {workers}: simulated {predicted[workers]:.4f} s, wall "
                f"{np.median(wall[workers]):.4f} s, processor {np.median(busy[workers]):.4f} s"
            )
        print(
            f"{name}, speed-up: simulated {predicted[1] / predicted[2]:.2f}, wall "
            f"{np.median(wall[1]) / np.median(wall[2]):.2f}, processor "
            f"{np.median(busy[1]) / np.median(busy[2]):.2f}"
        )


if __name__ == "__main__":
    main()
