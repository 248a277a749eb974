"""Sparse codes and unfolded networks: against scikit-learn, and against torch's autograd.

Functions take turns in one process on one thread. Prints the median processor time of each and its
ratio to the first:

- one sample at a time, oracle ISTA, FISTA and FISTA with restarts until the duality gap is within
  1e-10 of the cost of the zero code, and scikit-learn's coordinate descent to the same gap;
- many samples at once, `common.sparse.optimum` against a loop over scikit-learn's;
- the gradient of a network's loss, by the chain rule and by torch's autograd.

Run with ``python benchmarks/bench_sparse.py``.
"""

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.sparse import (
    Lasso,
    Unfolded,
    gaussian_codes,
    gaussian_dictionary,
    optimum,
)
from common.sparse.solvers import fista, oracle_ista

TOL = 1e-10


def take_turns(functions, *, rounds):
    """Median processor time (s) and last value of each function; they alternate."""
    times, values = {name: [] for name in functions}, {}
    for _ in range(rounds):
        for name, function in functions.items():
            clock = time.process_time()
            values[name] = function()
            times[name].append(time.process_time() - clock)
    return {name: statistics.median(spent) for name, spent in times.items()}, values


def report(times, notes):
    """Print a line a function: time, ratio to the first, and what it came to."""
    first = next(iter(times.values()))
    for name, seconds in times.items():
        print(f"  {name:24s} {seconds * 1e3:10.2f} ms  {seconds / first:7.2f} x  {notes[name]}")


def until_certified(problem, x, iterates):
    """Iterations until the gap, looked at every ten, is within the tolerance."""
    enough = TOL * 0.5 * (x**2).sum(axis=1)
    for number, one in enumerate(iterates, 1):
        if number % 10 == 0 and (problem.duality_gap(one.z, x) <= enough).all():
            return number, one.z


def coordinate_descent(problem, x):
    """scikit-learn's codes of every sample; its gap is relative to the squared norm of x."""
    n = problem.n_features
    codes = [
        lasso_path(problem.D.T, one, alphas=[problem.reg / n], tol=TOL / 2, max_iter=10**6)[1][:, 0]
        for one in x
    ]
    return 0, np.array(codes)


def one_sample(rounds):
    print("One sample, 200 atoms in dimension 100, to the same gap")
    rng = np.random.default_rng(0)
    D = gaussian_dictionary(200, 100, rng=rng)
    x = gaussian_codes(D, 1, rng=rng)
    for reg in (0.1, 0.4, 0.8):
        problem = Lasso(D, reg=reg)
        times, found = take_turns(
            {
                "oracle ISTA": lambda p=problem: until_certified(p, x, oracle_ista(p, x)),
                "FISTA": lambda p=problem: until_certified(p, x, fista(p, x)),
                "FISTA, restarts": lambda p=problem: until_certified(
                    p, x, fista(p, x, restart=True)
                ),
                "scikit-learn": lambda p=problem: coordinate_descent(p, x),
            },
            rounds=rounds,
        )
        print(f" lambda = {reg} lambda_max, {(found['FISTA'][1] != 0).sum()} atoms in use")
        notes = {
            name: f"gap {problem.duality_gap(z, x)[0]:.0e}"
            + (f", {number} iterations" if number else "")
            for name, (number, z) in found.items()
        }
        report(times, notes)


def many_samples(rounds):
    print("Many samples, minima")
    rng = np.random.default_rng(1)
    for n_atoms, n_features, n_samples in ((20, 10, 1000), (256, 64, 200)):
        D = gaussian_dictionary(n_atoms, n_features, rng=rng)
        problem, x = Lasso(D, reg=0.3), gaussian_codes(D, n_samples, rng=rng)
        times, found = take_turns(
            {
                "optimum": lambda p=problem, x=x: (0, optimum(p, x, tol=TOL).z),
                "scikit-learn, a loop": lambda p=problem, x=x: coordinate_descent(p, x),
            },
            rounds=rounds,
        )
        print(f" {n_samples} samples, {n_atoms} atoms in dimension {n_features}")
        report(
            times,
            {
                k: f"largest gap {problem.duality_gap(z, x).max():.0e}"
                for k, (_, z) in found.items()
            },
        )


def gradients(rounds):
    print("Gradient of the loss of LISTA, 20 layers, 500 samples")
    rng = np.random.default_rng(2)
    for n_atoms, n_features in ((20, 10), (256, 64)):
        D = gaussian_dictionary(n_atoms, n_features, rng=rng)
        problem, x = Lasso(D, reg=0.2), gaussian_codes(D, 500, rng=rng)
        network = Unfolded.start(problem, "lista", 20)
        times, _ = take_turns(
            {
                "chain rule": lambda n=network, x=x: n.loss(x)[1](),
                "autograd": lambda n=network, x=x: autograd(n, x),
            },
            rounds=10 * rounds,
        )
        print(f" {n_atoms} atoms in dimension {n_features}")
        report(times, dict.fromkeys(times, ""))


def autograd(network, x):
    """The same gradient by torch."""
    d, x, reg = torch.from_numpy(network.problem.D), torch.from_numpy(x), network.problem.reg
    layers = [
        {name: torch.from_numpy(value).requires_grad_() for name, value in one.items()}
        for one in network.layers
    ]
    z = torch.zeros(len(x), len(d), dtype=torch.float64)
    for one in layers:
        u = z - (z @ d - x) @ one["W"]
        z = torch.sign(u) * torch.relu(torch.abs(u) - reg * one["theta"])
    loss = (0.5 * ((z @ d - x) ** 2).sum() + reg * z.abs().sum()) / len(x)
    loss.backward()
    return [{name: value.grad for name, value in one.items()} for one in layers]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="times each function is timed")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        one_sample(rounds)
        many_samples(rounds)
        gradients(rounds)


if __name__ == "__main__":
    main()
