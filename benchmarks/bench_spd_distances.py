"""Distances between sets of SPD matrices: ours against straightforward code, POT, and exact OT.

All run on the same matrices and directions in one process on one thread, taking turns, so that a
busy machine slows all. Prints the median time of each, its ratio to ours, and how far values are
from ours:

- logarithms of matrices against those by ``eigh``, one call of LAPACK a matrix, in processor time;
- SPDSW against the definition written with batched numpy (logarithms by ``eigh``, directions as
  matrices, ``einsum``, ``sort``), in one call and with logarithms that are at hand, and against
  POT's sliced distance of the same vectors along the same directions;
- HSPDSW against one Cholesky factorisation a matrix and projection, in a loop (timed on a few
  projections and scaled) and in batches;
- SPDSW against exact optimal transport, for growing sets;
- peak memory for growing sets.

Run with ``python benchmarks/bench_spd_distances.py``; ``--full`` takes the sizes of the paper.
"""

import argparse
import statistics
import sys
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import ot
import torch
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.spd import (
    aiw,
    flag_directions,
    hspdsw,
    les,
    lew,
    log_matrices,
    log_vectors,
    sliced_wasserstein,
    spd_directions,
    spdsw,
    symmetric_matrices,
)


def wisharts(n_matrices, n_channels, *, seed):
    """Wishart matrices of as many degrees of freedom as channels, times the identity."""
    G = np.random.default_rng(seed).standard_normal((n_matrices, n_channels, n_channels))
    return G @ G.transpose(0, 2, 1)


def logarithms_by_eigh(matrices):
    """Logarithms as they are defined, batched."""
    eigenvalues, vectors = np.linalg.eigh(matrices)
    return (vectors * np.log(eigenvalues)[:, None]) @ vectors.transpose(0, 2, 1)


def straightforward_spdsw(x, y, directions):
    """SPDSW as it is defined, batched; directions are matrices."""
    coordinates = []
    for matrices in (x, y):
        logs = logarithms_by_eigh(matrices)
        coordinates.append(np.sort(np.einsum("lij,nij->ln", directions, logs), axis=1))
    return np.sqrt(np.mean((coordinates[0] - coordinates[1]) ** 2))


def pot_on_vectors(u, v, directions):
    """POT's sliced distance between vectors along the same directions."""
    return ot.sliced_wasserstein_distance(u, v, projections=directions.T)


def looped_coordinates(x, theta, P):
    """HSPDSW coordinates, one factorisation at a time."""
    coordinates = np.empty((len(theta), len(x)))
    for l, (angles, rotation) in enumerate(zip(theta, P, strict=True)):
        for k, matrix in enumerate(x):
            factor = np.linalg.cholesky(rotation.T @ matrix @ rotation)
            coordinates[l, k] = 2 * np.log(np.diagonal(factor)) @ angles
    return coordinates


def batched_coordinates(x, theta, P):
    """HSPDSW coordinates, one projection at a time."""
    coordinates = np.empty((len(theta), len(x)))
    for l, (angles, rotation) in enumerate(zip(theta, P, strict=True)):
        factors = np.linalg.cholesky(rotation.T @ x @ rotation)
        coordinates[l] = 2 * np.log(np.diagonal(factors, axis1=1, axis2=2)) @ angles
    return coordinates


def sorted_distance(project, x, y, theta, P):
    """HSPDSW from a function that gives coordinates."""
    a, b = (np.sort(project(matrices, theta, P), axis=1) for matrices in (x, y))
    return np.sqrt(np.mean((a - b) ** 2))


def take_turns(functions, *, rounds):
    """Median wall time (s) and value of each function; they alternate."""
    times, values = {name: [] for name in functions}, {}
    for _ in range(rounds):
        for name, function in functions.items():
            clock = time.perf_counter()
            values[name] = float(function())
            times[name].append(time.perf_counter() - clock)
    return {name: statistics.median(spent) for name, spent in times.items()}, values


def report(times, values, *, ours, scale=None):
    """Print a line a function: time, ratio to ours, difference of values."""
    for name, seconds in times.items():
        factor = (scale or {}).get(name, 1)
        ratio = factor * seconds / times[ours]
        note = f"  scaled by {factor:g}" if factor != 1 else ""
        if factor == 1 and name in values and name != ours:
            note = f"  value differs by {abs(values[name] - values[ours]):.0e}"
        print(f"  {name:34s} {factor * seconds:9.3f} s  {ratio:7.2f} x ours{note}")


def compare_logarithms(n_matrices, dims, rounds):
    """Processor time of logarithms, and their errors relative to the condition number."""
    print(f"logarithms, n={n_matrices}: median and range of {rounds} rounds")
    for d in dims:
        # Known logarithms, with eigenvalues evenly on the logarithmic scale from 1e-6 to 1.
        rng = np.random.default_rng(d)
        Q = np.linalg.qr(rng.standard_normal((n_matrices, d, d)))[0]
        exponents = np.log(1e6) * np.linspace(-1, 0, d)
        expected = (Q * exponents) @ Q.transpose(0, 2, 1)
        x = (Q * np.exp(exponents)) @ Q.transpose(0, 2, 1)
        x = (x + x.transpose(0, 2, 1)) / 2
        functions = {"eigh": logarithms_by_eigh, "ours": log_matrices}
        log_matrices(x[:100])  # what is compiled at the first call is not its time
        times, errors = {name: [] for name in functions}, {}
        for _ in range(rounds):
            for name, function in functions.items():
                clock = time.process_time()
                found = function(x)
                times[name].append(time.process_time() - clock)
                errors[name] = np.abs(found - expected).max()
        ratios = [a / b for a, b in zip(times["eigh"], times["ours"], strict=True)]
        spent = {name: 1e6 * statistics.median(t) / n_matrices for name, t in times.items()}
        print(
            f"  d={d:2d}: eigh {spent['eigh']:6.1f} us, ours {spent['ours']:6.1f} us a matrix; "
            f"eigh takes {statistics.median(ratios):.1f} times as long "
            f"({min(ratios):.1f} to {max(ratios):.1f}); "
            f"largest error {errors['eigh']:.0e} and {errors['ours']:.0e}"
        )


def compare_spdsw(n_matrices, n_channels, n_projections, rounds):
    """SPDSW in one call, and with logarithms at hand."""
    x, y = (wisharts(n_matrices, n_channels, seed=seed) for seed in (0, 1))
    vectors = spd_directions(n_projections, n_channels, rng=np.random.default_rng(2))
    directions = symmetric_matrices(vectors)
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    u, v = log_vectors(x), log_vectors(y)

    def draw():
        return np.random.default_rng(2)

    print(f"SPDSW, n={n_matrices}, d={n_channels}, L={n_projections}")
    times, values = take_turns(
        {
            "straightforward": lambda: straightforward_spdsw(x, y, directions),
            "ours": lambda: spdsw(x, y, rng=draw(), n_projections=n_projections),
            "ours, tensors": lambda: spdsw(*tensors, rng=draw(), n_projections=n_projections),
            "of which eigh": lambda: sum(np.linalg.eigh(z)[0][0, 0] for z in (x, y)),
        },
        rounds=rounds,
    )
    del values["of which eigh"]
    report(times, values, ours="ours")
    print("the same, logarithms at hand")
    times, values = take_turns(
        {
            "straightforward": lambda: straightforward_spdsw(x, y, directions),
            "POT": lambda: pot_on_vectors(u, v, vectors),
            "ours": lambda: sliced_wasserstein(u, v, directions=vectors),
        },
        rounds=rounds,
    )
    report(times, values, ours="ours")


def compare_hspdsw(n_matrices, n_channels, n_projections, rounds):
    """HSPDSW against loops and batches of Cholesky factorisations."""
    x, y = (wisharts(n_matrices, n_channels, seed=seed) for seed in (0, 1))
    theta, P = flag_directions(n_projections, n_channels, rng=np.random.default_rng(2))
    few = slice(max(1, n_projections // 50))

    print(f"HSPDSW, n={n_matrices}, d={n_channels}, L={n_projections}")
    times, values = take_turns(
        {
            "loop": lambda: sorted_distance(looped_coordinates, x, y, theta[few], P[few]),
            "batched": lambda: sorted_distance(batched_coordinates, x, y, theta, P),
            "ours": lambda: hspdsw(x, y, rng=np.random.default_rng(2), n_projections=n_projections),
        },
        rounds=rounds,
    )
    report(times, values, ours="ours", scale={"loop": n_projections / len(theta[few])})


def compare_exact(sizes, n_channels, n_projections, *, most):
    """SPDSW against exact transport, as long as the latter takes less than ``most`` seconds."""
    print(f"seconds a call, d={n_channels}, L={n_projections}")
    print(f"  {'n':>6s} {'SPDSW':>9s} {'LEW':>9s} {'LES':>9s} {'AIW':>9s}   LEW / SPDSW")
    functions = {"lew": lew, "les": les, "aiw": aiw}
    growth = {"lew": 3, "les": 2, "aiw": 2}  # at most, per logarithm of n
    last = {}
    for n in sizes:
        x, y = (wisharts(n, n_channels, seed=seed) for seed in (0, 1))
        times, _ = take_turns(
            {
                "spdsw": lambda x=x, y=y: spdsw(
                    x, y, rng=np.random.default_rng(2), n_projections=n_projections
                )
            },
            rounds=3,
        )
        for name, function in functions.items():
            before = last.get(name, (n, 0.0))
            if before[1] * (n / before[0]) ** growth[name] < most:
                clock = time.perf_counter()
                function(x, y)
                times[name] = time.perf_counter() - clock
                last[name] = n, times[name]
        cells = " ".join(f"{times[k]:9.3f}" if k in times else f"{'-':>9s}" for k in functions)
        ratio = f"{times['lew'] / times['spdsw']:9.1f}" if "lew" in times else f"{'-':>9s}"
        print(f"  {n:6d} {times['spdsw']:9.3f} {cells}   {ratio}")


def measure_memory(sizes, n_channels, n_projections):
    """Peak memory of calls, beyond their input."""
    print(f"peak memory beyond the input, d={n_channels}, L={n_projections}")
    for n in sizes:
        x, y = (wisharts(n, n_channels, seed=seed) for seed in (0, 1))
        peaks = {}
        for function in (spdsw, hspdsw):
            tracemalloc.start()
            function(x, y, rng=np.random.default_rng(2), n_projections=n_projections)
            peaks[function.__name__] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        pairs = 8 * n * n_projections
        cells = "  ".join(f"{k} {peak / 1e6:7.1f} MB" for k, peak in peaks.items())
        print(f"  n={n:6d}  {cells}  (n L numbers: {pairs / 1e6:.1f} MB)")


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="sizes of the paper; some minutes")
    parser.add_argument("--n-channels", type=int, default=20)
    parser.add_argument("--n-projections", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    d, n_projections = options.n_channels, options.n_projections
    warnings.simplefilter("ignore")  # Sinkhorn may not converge
    torch.set_num_threads(1)
    with threadpool_limits(limits=1):
        print("1 thread")
        compare_logarithms(10_000, (10, 20, 40), max(7, options.rounds))
        compare_spdsw(10_000, d, n_projections, options.rounds)
        compare_hspdsw(2000 if options.full else 500, d, n_projections, options.rounds)
        sizes = (100, 1000, 2154, 4642, 10_000) if options.full else (100, 300, 1000)
        compare_exact(sizes, d, n_projections, most=180 if options.full else 20)
        measure_memory((500, 1000, 2000), d, n_projections)


if __name__ == "__main__":
    main()
