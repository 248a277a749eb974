"""Least-squares fit of a Hawkes process in the plane and in time: time and memory.

    OMP_NUM_THREADS=1 python benchmarks/bench_space_time.py

One thread, exact borders, process TG of the paper space-time-hawkes on a grid of step 0.05 with
kernels that reach 1, the simulation left out. Prints wall and processor time (on a busy machine the
second is the fairer one; the smallest of some calls) of counting pairs, of one evaluation of
loss and gradient and of the whole fit, and the memory that an evaluation and the fit ask for.
"""

import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.space_time import SpaceTimeHawkes
from common.hawkes.space_time_kernels import IsotropicGaussian
from common.hawkes.space_time_model import SpaceTimeModel

KERNELS = IsotropicGaussian(), TruncatedGaussian()
THETA = np.array([[0.0], [0.1], [0.5], [0.1]])
LENGTHS = {"space_length": 1.0, "time_length": 1.0}


def timed(function, repeats):
    """Smallest wall and processor time of some calls, in s, and the last result."""
    wall, cpu = [], []
    for _ in range(repeats):
        clocks = time.perf_counter(), time.process_time()
        result = function()
        wall.append(time.perf_counter() - clocks[0])
        cpu.append(time.process_time() - clocks[1])
    return min(wall), min(cpu), result


def peak(function):
    """Most memory at once that Python and numpy ask for during a call, in MB."""
    tracemalloc.start()
    function()
    found = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return found


def report(size, end_time, repeats):
    """Print the cost of one record."""
    half = size / 2
    region = [[-half, half], [-half, half]]
    truth = SpaceTimeModel(
        [0.5], [[0.6]], *KERNELS, *THETA[:, 0].reshape(2, 2), region=region, **LENGTHS
    )
    events = truth.simulate(end_time, rng=np.random.default_rng(0))
    estimator = SpaceTimeHawkes(
        *KERNELS, region=region, **LENGTHS, space_delta=0.05, time_delta=0.05
    )
    counting = timed(lambda: estimator.precompute(events, end_time), repeats)
    statistics = counting[2]

    def iterate(statistics=statistics):
        return estimator.loss_and_gradient(statistics, 0, THETA)

    evaluation = timed(lambda: [iterate() for _ in range(5)], 3)
    rough = statistics.without_borders()
    without = timed(lambda: [iterate(rough) for _ in range(5)], 3)
    fit = timed(lambda: estimator.fit(events, end_time), repeats)
    theta = [*fit[2].model_.space_parameters.ravel(), *fit[2].model_.time_parameters.ravel()]
    print(f"\nT = {end_time:g}, side {size:g}: {len(events[0]):,} events")
    for name, (wall, cpu, _), calls in (
        ("counting pairs", counting, 1),
        ("one iteration", evaluation, 5),
        ("  borders ignored", without, 5),
        ("whole fit", fit, 1),
    ):
        print(f"  {name:20s}{wall / calls:9.4f} s wall {cpu / calls:9.4f} s processor")
    memory = peak(iterate), peak(lambda: estimator.fit(events, end_time))
    print("  memory: {:.0f} MB an iteration, {:.0f} MB the fit".format(*memory))
    found = [fit[2].baseline_.item(), fit[2].adjacency_.item(), *theta]
    print("  mu, alpha, m, s, m, s: " + ", ".join(f"{value:.3f}" for value in found))


def main():
    """Print the costs of three records."""
    for size, end_time, repeats in ((20, 10, 3), (20, 11.5, 3), (40, 52, 2)):
        report(size, end_time, repeats)


if __name__ == "__main__":
    main()
