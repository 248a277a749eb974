"""Joint diagonalisation of the paper's covariances: ours beside pyriemann's, and a floor.

All run on the same 50 matrices of 10 × 10, of 100 realisations, in one process on one thread,
taking turns, so that a busy machine slows all. The criteria differ. Ours and Pham's (``ajd_pham``)
minimise sums of logarithms of diagonals, ours over orthogonal transforms and Pham's over all;
``rjd`` maximises squares of diagonals by Jacobi angles. So each stops by a measure of its own, and
two times are printed:

- at the same nominal tolerance, ``--tolerance``;
- at the same accuracy: the tolerance is the largest power of ten at which the transform is within
  ``--distance`` of the one that the method converges to.

Beside them stands the sum of the logarithms of the diagonals, less 2 N log |det|. The floor is the
time of one product of all matrices with a transform, from both sides, for each step that ours
takes: nothing that looks at all matrices in a step is faster.

Run with ``python benchmarks/bench_joint_diagonalisation.py``.
"""

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from pyriemann.geometry.ajd import ajd_pham, rjd
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.factorisation.composite import cosine_model
from common.spd.joint_diagonalisation import joint_diagonalisation

EPS = 1e-8  # of the paper
TOLERANCES = 10.0 ** -np.arange(1, 14)


def covariances(n_realisations):
    """The paper's draw."""
    model = cosine_model(10, 50, 5, rng=np.random.RandomState(2020))
    frames = model.frames(n_realisations, rng=np.random.RandomState(100)).transpose(2, 1, 0)
    return frames @ frames.swapaxes(1, 2) / n_realisations + EPS * np.eye(10)


def ours(matrices, tolerance):
    """Rows, of unit norm."""
    return joint_diagonalisation(matrices, tol=tolerance).transforms[0]


def jacobi(matrices, tolerance):
    """The same by Jacobi angles."""
    return rjd(matrices, eps=tolerance, n_iter_max=1000)[0].T


def pham(matrices, tolerance):
    """The same without orthogonality."""
    found = ajd_pham(matrices, eps=tolerance, n_iter_max=1000)[0]
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def distance(first, second):
    """Largest angle between an atom of the first and the nearest of the second."""
    return float(
        np.max(np.min(np.linalg.norm(np.abs(first)[:, None] - np.abs(second), axis=-1), 1))
    )


def criterion(transform, matrices):
    """Sum of logarithms of diagonals, less what the determinant gives."""
    powers = np.einsum("ai,nij,aj->na", transform, matrices, transform)
    return np.log(powers).sum() - 2 * len(matrices) * np.linalg.slogdet(transform)[1]


def largest_tolerance(method, matrices, within):
    """The largest power of ten at which a method is near to where it converges."""
    end = method(matrices, TOLERANCES[-1])
    near = [t for t in TOLERANCES if distance(method(matrices, t), end) <= within]
    return near[0]


def take_turns(methods, matrices, tolerances, *, rounds):
    """Median wall time (s) of each method, and of the floor; they alternate."""
    n_steps = joint_diagonalisation(matrices, tol=tolerances["ours"]).n_steps[0]
    transform = ours(matrices, tolerances["ours"])
    times = {name: [] for name in [*methods, "floor"]}
    for _ in range(rounds):
        for name, method in methods.items():
            clock = time.perf_counter()
            method(matrices, tolerances[name])
            times[name].append(time.perf_counter() - clock)
        clock = time.perf_counter()
        for _ in range(n_steps):
            transform @ matrices @ transform.T
        times["floor"].append(time.perf_counter() - clock)
    return {name: statistics.median(spent) for name, spent in times.items()}, n_steps


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--realisations", type=int, default=100)
    parser.add_argument("--tolerance", type=float, default=1e-8)
    parser.add_argument("--distance", type=float, default=1e-6)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # peers warn where the last digits are not reached
    matrices = covariances(options.realisations)
    methods = {"ours": ours, "rjd": jacobi, "ajd_pham": pham}
    with threadpool_limits(limits=1):
        accurate = {
            name: largest_tolerance(method, matrices, options.distance)
            for name, method in methods.items()
        }
        cases = {
            f"tolerance {options.tolerance:g}": dict.fromkeys(methods, options.tolerance),
            f"within {options.distance:g} of convergence": accurate,
        }
        for case, tolerances in cases.items():
            median, n_steps = take_turns(methods, matrices, tolerances, rounds=options.rounds)
            print(f"S={options.realisations}, {case}, 1 thread; ours: {n_steps} steps")
            for name, method in methods.items():
                value = criterion(method(matrices, tolerances[name]), matrices)
                print(
                    f"  {name:10s} tol {tolerances[name]:.0e} {1e3 * median[name]:9.2f} ms "
                    f"{median[name] / median['ours']:7.2f} x ours   criterion {value:.2f}"
                )
            print(f"  {'floor':10s} {'':9s} {1e3 * median['floor']:9.2f} ms")


if __name__ == "__main__":
    main()
