"""Bilevel solvers: one pass of SABA, compiled, against numpy by batches and against Python by rows.

A logistic problem of 50,000 inner and 50,000 outer rows with 22 features, batches of 50, so that a
pass is 1,000 iterations. All take turns in one process on one thread, draw the same batches and
end at the same point, which is compared. Prints the median processor time of each and its ratio to
the first. Python by rows runs a tenth of the pass, scaled. Where jax is installed, the same
algorithm runs in its compiled loop, too.

Run with ``python benchmarks/bench_bilevel.py``.
"""

import argparse
import math
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.bilevel import solve
from common.bilevel.examples import logistic

BATCH, STEP, RATIO = 50, 0.1, 1.0


def take_turns(functions, *, rounds):
    """Median processor time (s) and last value of each function; they alternate."""
    times, values = {name: [] for name in functions}, {}
    for _ in range(rounds):
        for name, function in functions.items():
            clock = time.process_time()
            values[name] = function()
            times[name].append(time.process_time() - clock)
    return {name: statistics.median(spent) for name, spent in times.items()}, values


def compiled(example, draws):
    """The library's."""
    run = solve(
        example.problem,
        example.z,
        example.x,
        solver="saba",
        step=STEP,
        ratio=RATIO,
        batch=BATCH,
        calls=[5 * BATCH * len(draws)],
        rng=np.random.default_rng(0),
    )
    return run.z[-1]


def by_numpy(problem, z, x, v, i, j):
    """The five quantities of a batch, by numpy."""
    rows, others = slice(i * BATCH, (i + 1) * BATCH), slice(j * BATCH, (j + 1) * BATCH)
    D, y, E, w = problem.D[rows], problem.y[rows], problem.D_out[others], problem.y_out[others]
    wrong, penalty = 1 / (1 + np.exp(y * (D @ z))), np.exp(x)
    g = D.T @ (-y * wrong) / BATCH + penalty * z
    h = D.T @ (wrong * (1 - wrong) * (D @ v)) / BATCH + penalty * v
    f = E.T @ (-w / (1 + np.exp(w * (E @ z)))) / BATCH
    return g, h, penalty * z * v, f


def by_rows(problem, z, x, v, i, j):
    """The same, one row after another in Python."""
    g, h, f = np.zeros_like(z), np.zeros_like(z), np.zeros_like(z)
    penalty = np.exp(x)
    for row in range(i * BATCH, (i + 1) * BATCH):
        d, y = problem.D[row], problem.y[row]
        wrong = 1 / (1 + math.exp(y * (d @ z)))
        g += -y * wrong * d + penalty * z
        h += wrong * (1 - wrong) * (d @ v) * d + penalty * v
    for row in range(j * BATCH, (j + 1) * BATCH):
        d, y = problem.D_out[row], problem.y_out[row]
        f += -y / (1 + math.exp(y * (d @ z))) * d
    return g / BATCH, h / BATCH, penalty * z * v, f / BATCH


def plain(example, draws, quantities):
    """SABA with a memory of batches, around a function for the quantities of a batch."""
    problem, z, x = example.problem, example.z.copy(), example.x.copy()
    v, sizes = np.zeros_like(z), [problem.n // BATCH] * 3 + [problem.m // BATCH]
    rows, means = [np.zeros((n, len(z))) for n in sizes], [np.zeros_like(z) for _ in sizes]
    for i, j in draws:
        used = []
        for new, row, mean, k in zip(
            quantities(problem, z, x, v, i, j), rows, means, (i, i, i, j), strict=True
        ):
            used.append(new - row[k] + mean)
            mean += (new - row[k]) / len(row)
            row[k] = new
        z, v, x = (
            z - STEP * used[0],
            v - STEP * (used[1] + used[3]),
            x - STEP / RATIO * used[2],
        )
    return z


def by_jax(example, draws):
    """The same loop, compiled by jax, as a function without arguments; None where there is none."""
    try:
        import jax
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    jnp, problem = jax.numpy, example.problem
    D, y, E, w = map(jnp.asarray, (problem.D, problem.y, problem.D_out, problem.y_out))
    p, n, m = len(example.z), problem.n // BATCH, problem.m // BATCH

    def step(state, drawn):
        (z, x, v, rows, means), (i, j) = state, drawn
        d, a = (jax.lax.dynamic_slice_in_dim(one, i * BATCH, BATCH) for one in (D, y))
        e, b = (jax.lax.dynamic_slice_in_dim(one, j * BATCH, BATCH) for one in (E, w))
        wrong, penalty = 1 / (1 + jnp.exp(a * (d @ z))), jnp.exp(x)
        new = (
            d.T @ (-a * wrong) / BATCH + penalty * z,
            d.T @ (wrong * (1 - wrong) * (d @ v)) / BATCH + penalty * v,
            penalty * z * v,
            e.T @ (-b / (1 + jnp.exp(b * (e @ z)))) / BATCH,
        )
        places = (i, i, i, j)
        change = [one - row[k] for one, row, k in zip(new, rows, places, strict=True)]
        used = [one + mean for one, mean in zip(change, means, strict=True)]
        means = [mean + one / len(row) for mean, one, row in zip(means, change, rows, strict=True)]
        rows = [row.at[k].set(one) for row, one, k in zip(rows, new, places, strict=True)]
        z, v = z - STEP * used[0], v - STEP * (used[1] + used[3])
        return (z, x - STEP / RATIO * used[2], v, rows, means), None

    @jax.jit
    def whole(z, x, drawn):
        rows, means = [jnp.zeros((k, p)) for k in (n, n, n, m)], [jnp.zeros(p)] * 4
        (z, *_), _ = jax.lax.scan(step, (z, x, jnp.zeros(p), rows, means), drawn)
        return z

    arguments = jnp.asarray(example.z), jnp.asarray(example.x), tuple(map(jnp.asarray, draws.T))
    return lambda: np.asarray(whole(*arguments).block_until_ready())


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    example = logistic(rng=np.random.default_rng(1), n=50_000, m=50_000, find_lowest=False)
    n = example.problem.n // BATCH
    rng = np.random.default_rng(0)
    draws = (rng.random((n, 2)) * n).astype(int)  # as the solvers draw
    tenth = draws[: n // 10]
    with threadpool_limits(limits=1):
        functions = {
            "compiled": lambda: compiled(example, draws),
            "numpy, batches": lambda: plain(example, draws, by_numpy),
            "Python, rows": lambda: plain(example, tenth, by_rows),
        }
        if (jax_loop := by_jax(example, draws)) is not None:
            functions["jax"] = jax_loop
        expected = {name: plain(example, draws, by_numpy) for name in functions}
        expected["Python, rows"] = plain(example, tenth, by_numpy)
        for function in functions.values():
            function()  # compile
        times, values = take_turns(functions, rounds=rounds)
    times["Python, rows"] *= n / len(tenth)
    print(f"One pass of SABA, {example.problem.n:,} + {example.problem.m:,} rows × 22, 1 thread")
    for name, seconds in times.items():
        away = np.abs(values[name] - expected[name]).max()
        ratio = seconds / times["compiled"]
        print(f"  {name:16s} {seconds:9.4f} s  {ratio:7.1f} x  differs by {away:.0e}")


if __name__ == "__main__":
    main()
