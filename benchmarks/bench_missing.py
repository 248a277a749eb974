"""NeuMiss and Bayes predictors: batches of 50 against 10, and patterns against rows.

Functions take turns in one process on one thread. Prints the median processor time of each and its
ratio to the first:

- the Bayes predictor of many rows, by pattern (`common.missing.bayes_predict`) against a loop over
  rows that solves for each;
- NeuMiss of depth 3, d = 10 and 10,000 rows, trained with batches of 50 against the authors' of 10
  at their learning rate, with the R² on test rows minus that of the Bayes predictor.

Run with ``python benchmarks/bench_missing.py``.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.missing import NeuMissRegressor, bayes_predict, draw_mechanism, random_problem, sample


def drawn(d, n, *, mechanism="mcar", seed=0):
    """A problem, its mechanism, and n rows."""
    rng = np.random.default_rng(seed)
    problem = random_problem(d, rng=rng)
    one = draw_mechanism(mechanism, problem.mean, problem.covariance, rate=0.5, rng=rng)
    return problem, one, sample(problem, one, n, rng=rng), rng


def by_row(X, problem, mechanism=None):
    """The Bayes predictor, a row at a time; under Gaussian self-masking with a mechanism."""
    S, mu, b = problem.covariance, problem.mean, problem.weights
    found = np.empty(len(X))
    for number, row in enumerate(X):
        missing = np.isnan(row)
        m, o = np.flatnonzero(missing), np.flatnonzero(~missing)
        regression = np.linalg.solve(S[np.ix_(o, o)], S[np.ix_(o, m)])
        centre = mu[m] + (row[o] - mu[o]) @ regression
        if mechanism is not None:
            conditional = S[np.ix_(m, m)] - S[np.ix_(m, o)] @ regression
            pull = np.linalg.solve(
                np.diag(mechanism.width[m] ** 2) + conditional, mechanism.center[m] - centre
            )
            centre = centre + conditional @ pull
        found[number] = problem.intercept + b[o] @ row[o] + b[m] @ centre
    return found


def predictors(rounds):
    print("Bayes predictor: by pattern, and by row")
    for mechanism in ("mcar", "gaussian"):
        for d, n in ((10, 2_000), (10, 10_000), (10, 100_000), (20, 10_000), (50, 2_000)):
            problem, one, rows, _ = drawn(d, n, mechanism=mechanism)
            masking = one if mechanism == "gaussian" else None
            functions = {
                "by pattern": lambda r=rows, p=problem, m=masking: bayes_predict(r.X, p, m),
                "by row": lambda r=rows, p=problem, m=masking: by_row(r.X, p, m),
            }
            times, values = {name: [] for name in functions}, {}
            for _ in range(rounds):
                for name, function in functions.items():
                    clock = time.process_time()
                    values[name] = function()
                    times[name].append(time.process_time() - clock)
            apart = np.abs(values["by pattern"] - values["by row"]).max()
            fast, slow = (statistics.median(times[name]) for name in functions)
            n_patterns = len(np.unique(np.isnan(rows.X), axis=0))
            print(
                f"  {mechanism:9s} d = {d}, {n:6d} rows, {n_patterns:6d} patterns: "
                f"{fast * 1e3:8.1f} ms, {slow * 1e3:8.1f} ms, {slow / fast:6.1f} x, "
                f"apart by {apart:.0e}"
            )


def trainings(n_problems):
    print("NeuMiss, depth 3, d = 10, 10,000 rows: batches of 50 and of 10")
    spent = {50: [], 10: []}
    for seed in range(n_problems):
        problem, mechanism, rows, rng = drawn(10, 10_000, seed=seed)
        test = sample(problem, mechanism, 10_000, rng=rng)
        best = 1 - np.mean((test.y - bayes_predict(test.X, problem)) ** 2) / np.var(test.y)
        for batch_size, times in spent.items():
            network = NeuMissRegressor(3, batch_size=batch_size, empty_rows=True, random_state=seed)
            clock = time.process_time()
            network.fit(rows.X, rows.y)
            times.append(time.process_time() - clock)
            print(
                f"  problem {seed}, batches of {batch_size}: {times[-1]:6.1f} s, "
                f"{len(network.loss_curve_)} epochs, gap {network.score(test.X, test.y) - best:.4f}"
            )
    few, many = (statistics.median(spent[size]) for size in (10, 50))
    print(f"  medians: {many:.1f} s and {few:.1f} s, {few / many:.1f} x")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="times each predictor is timed")
    parser.add_argument("--problems", type=int, default=3, help="problems that networks learn")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        predictors(options.rounds)
        trainings(options.problems)


if __name__ == "__main__":
    main()
