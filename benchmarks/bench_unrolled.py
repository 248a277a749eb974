"""Gradients through unrolled iterations: in reverse by hand, and by torch's automatic one.

    OMP_NUM_THREADS=1 python benchmarks/bench_unrolled.py

The cost of codes after 100 iterations of ISTA from zero is differentiated by the atoms: 50 Gaussian
atoms in dimension 30 that are moved by half their deviation, lambda 0.1. Both take turns in one
process, on one thread; processor time counts, that of the first call does not, and results agree
to 1e-10. Printed are medians of both, and the median of their ratio with its 95 % interval by the
sign test. The crossover is the number of samples from which on torch is faster, if there is one.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.dictionary.unrolled import gradients
from common.report.statistics import median_interval
from common.sparse.data import bernoulli_samples, gaussian_dictionary
from common.sparse.lasso import Lasso


def by_torch(problem, x, *, n_iter, method):
    """Cost, and its gradient by the atoms, by automatic differentiation."""
    D = torch.tensor(problem.D, requires_grad=True)
    x, step, t = torch.as_tensor(x), 1 / problem.smoothness, 1.0
    z = point = torch.zeros((len(x), len(D)), dtype=torch.float64)
    for _ in range(n_iter):
        moved = point - step * ((point @ D - x) @ D.T)
        new = torch.nn.functional.softshrink(moved, step * problem.reg)
        following = (1 + (1 + 4 * t * t) ** 0.5) / 2
        point = new + (t - 1) / following * (new - z) if method == "fista" else new
        z, t = new, following
    cost = 0.5 * ((z @ D - x) ** 2).sum() + problem.reg * z.abs().sum()
    cost.backward()
    return cost.item(), D.grad.numpy()


def by_hand(problem, x, **options):
    """The same by `common.dictionary.unrolled`."""
    found = gradients(problem, x, **options)
    return found.cost, found.D[0]


def simulated(n_samples):
    rng = np.random.default_rng(0)
    true = gaussian_dictionary(50, 30, rng=rng)
    x = bernoulli_samples(true, n_samples, density=0.3, scale=1.0, rng=rng)
    x = x + 0.1 * rng.standard_normal(x.shape)
    return Lasso(true + 0.5 * true.std() * rng.standard_normal(true.shape), reg=0.1), x


def timed(function, *given, repeats, **options):
    """Processor time of one call, in s, mean over repetitions."""
    began = time.process_time()
    for _ in range(repeats):
        function(*given, **options)
    return (time.process_time() - began) / repeats


def main():
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11, help="at least 6")
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--samples", type=int, nargs="+", default=[1, 5, 20, 200, 1000, 5000])
    given = parser.parse_args()
    torch.set_num_threads(1)
    for method in ("ista", "fista"):
        slower = []
        for n_samples in given.samples:
            problem, x = simulated(n_samples)
            options = {"n_iter": given.iterations, "method": method}
            (cost, ours), (other, theirs) = (
                one(problem, x, **options) for one in (by_hand, by_torch)
            )
            assert abs(cost - other) <= 1e-10 * cost, (cost, other)
            assert np.abs(ours - theirs).max() <= 1e-10 * np.abs(theirs).max()
            repeats = max(1, 100 // n_samples)
            pairs = [
                [timed(one, problem, x, repeats=repeats, **options) for one in (by_hand, by_torch)]
                for _ in range(given.rounds)
            ]
            hand, auto = np.array(pairs).T
            ratio, low, high = median_interval(auto / hand)
            slower += [n_samples] if ratio < 1 else []
            hand, auto = 1e3 * np.median(hand), 1e3 * np.median(auto)
            print(
                f"{method}, {n_samples:,} samples: {hand:.2f} ms by hand, {auto:.2f} ms by torch, "
                f"ratio {ratio:.1f} [{low:.1f}, {high:.1f}]"
            )
        where = f"at {slower[0]:,}" if slower else f"none up to {given.samples[-1]:,}"
        print(f"{method}, crossover: {where} samples")


if __name__ == "__main__":
    main()
