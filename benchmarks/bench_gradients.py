"""Gradients of minima: what each estimate costs, against autograd, forward mode and POT.

All run on the same problem in one process on one thread, taking turns. Prints the median processor
time of each, its ratio to the first, and how far values are from the first's:

- the analytic, the automatic and the implicit estimate of the entropic cost's gradient, from the
  same iterations of Sinkhorn, and the automatic one by torch's autograd;
- the iterations themselves against POT's;
- stochastic gradient descent differentiated backwards, against carrying the Jacobian forward in a
  compiled loop, and against torch's autograd on fewer steps, scaled.

Run with ``python benchmarks/bench_gradients.py``; ``--full`` takes the sizes of the paper.
"""

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path

import numba
import numpy as np
import ot
import torch
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.implicit import EntropicDual, examples, implicit, weight_gradients
from common.implicit.stochastic import stochastic_descent
from common.transport import sinkhorn


def take_turns(functions, *, rounds):
    """Median processor time (s) and value of each function; they alternate."""
    times, values = {name: [] for name in functions}, {}
    for _ in range(rounds):
        for name, function in functions.items():
            clock = time.process_time()
            values[name] = function()
            times[name].append(time.process_time() - clock)
    return {name: statistics.median(spent) for name, spent in times.items()}, values


def report(times, values, *, scale=None):
    """Print a line a function: time, ratio to the first, and how far its value is from it."""
    first = next(iter(times))
    for name, seconds in times.items():
        seconds *= (scale or {}).get(name, 1)
        note = "  scaled" if name in (scale or {}) else ""
        if name in values and name != first and not note:
            note = f"  differs by {np.abs(values[name] - values[first]).max():.0e}"
        print(f"  {name:28s} {seconds:9.4f} s  {seconds / times[first]:7.2f} x{note}")


def autograd_sinkhorn(a, b, cost, reg, n_iter):
    """The automatic estimate by torch, for all distributions at once."""
    a, cost = torch.from_numpy(a), torch.from_numpy(cost)
    b = torch.from_numpy(b.copy()).requires_grad_()
    K, v = torch.exp(-cost / reg), torch.ones(len(a), len(b), dtype=torch.float64)
    each = b.expand(len(a), -1)
    for _ in range(n_iter):
        u = a / (v @ K.T)
        v = each / (u @ K)
    f, g = reg * torch.log(u), reg * torch.log(v)
    value = (f * a).sum() + (g * each).sum() - reg * ((u @ K) * v).sum()
    (gradient,) = torch.autograd.grad(value, b)
    return gradient.numpy()


def compare_estimates(n, m, n_distributions, n_iter, rounds):
    """What g1, g2 and g3 cost."""
    rng, reg = np.random.default_rng(0), 0.1
    a = examples.random_weights(n_distributions, n, rng=rng)
    b, cost = examples.random_weights(m, rng=rng), examples.grid_cost(n, m)
    options = {"reg": reg, "n_iter": n_iter}

    def by_implicit():
        f, g = sinkhorn(a, b, cost, **options)
        potentials = np.hstack([f, g])
        pairs = zip(a, potentials, strict=True)
        return sum(implicit(EntropicDual(one, cost, reg=reg), z, b) for one, z in pairs)

    functions = {
        "analytic": lambda: weight_gradients(a, b, cost, gradient="analytic", **options).sum(0),
        "automatic": lambda: weight_gradients(a, b, cost, gradient="automatic", **options).sum(0),
        "automatic, torch": lambda: autograd_sinkhorn(a, b, cost, reg, n_iter),
        "implicit": by_implicit,
    }
    print(f"gradient of {n_distributions} entropic costs, {n} × {m}, t={n_iter}")
    report(*take_turns(functions, rounds=rounds))


def compare_pot(n, m, n_iter, rounds):
    """The same number of iterations of one distribution."""
    rng = np.random.default_rng(1)
    a, b = (examples.random_weights(size, rng=rng) for size in (n, m))
    cost = examples.grid_cost(n, m)

    def plan(domain):
        f, g = sinkhorn(a, b, cost, reg=0.1, n_iter=n_iter, domain=domain)
        return np.exp((f[:, None] + g - cost) / 0.1)

    functions = {
        "linear": lambda: plan("linear"),
        "POT": lambda: ot.sinkhorn(a, b, cost, 0.1, numItermax=n_iter, stopThr=0, warn=False),
        "log": lambda: plan("log"),
        "POT, log": lambda: ot.sinkhorn(
            a, b, cost, 0.1, method="sinkhorn_log", numItermax=n_iter, stopThr=0, warn=False
        ),
    }
    print(f"Sinkhorn, {n} × {m}, {n_iter} iterations")
    report(*take_turns(functions, rounds=rounds))


@numba.njit
def forward_mode(D, x, reg, steps, rows, z, J):
    """Stochastic descent that carries the Jacobian."""
    n_inputs, n_parameters = D.shape
    for t in range(len(steps)):
        i, m = rows[t], 0.0
        for k in range(n_parameters):
            m += D[i, k] * z[k]
        wrong = 1 / (1 + np.exp(x[i] * m))
        curved = x[i] * x[i] * wrong * (1 - wrong)
        mixed = wrong * (x[i] * m * (1 - wrong) - 1)
        for j in range(n_inputs):
            along = 0.0
            for k in range(n_parameters):
                along += D[i, k] * J[j, k]
            along = curved * along + (mixed if j == i else 0.0)
            for k in range(n_parameters):
                J[j, k] -= steps[t] * (along * D[i, k] + reg * J[j, k])
        for k in range(n_parameters):
            z[k] -= steps[t] * (-x[i] * wrong * D[i, k] + reg * z[k])


def compare_stochastic(n_steps, few, rounds):
    """Backward against forward mode and autograd."""
    rng = np.random.default_rng(2)
    example = examples.draw("logistic", rng=rng, n=50, n_parameters=30)
    problem, x, steps = example.problem, example.x, np.full(n_steps, 0.01)

    def backward(n=n_steps):
        path = stochastic_descent(
            problem, x, steps=steps[:n], iterations=[n], rng=np.random.default_rng(3)
        )
        return path.automatic[0]

    def forward():
        rows = np.random.default_rng(3).integers(50, size=n_steps)
        z, J = np.zeros(30), np.zeros((50, 30))
        forward_mode(problem.D, x, problem.reg, steps, rows, z, J)
        return problem.input_gradient(z, x) + J @ problem.gradient(z, x)

    def autograd():
        rows = np.random.default_rng(3).integers(50, size=few)
        D, given = torch.from_numpy(problem.D), torch.from_numpy(x.copy()).requires_grad_()
        z = torch.zeros(30, dtype=torch.float64)
        for i in rows:
            slope = -given[i] * torch.sigmoid(-given[i] * (D[i] @ z))
            z = z - 0.01 * (slope * D[i] + problem.reg * z)
        loss = torch.log1p(torch.exp(-given * (D @ z))).mean() + problem.reg / 2 * z @ z
        return torch.autograd.grad(loss, given)[0].numpy()

    print(f"stochastic gradient descent, 50 × 30, {n_steps} steps")
    backward(10), forward()  # compile
    np.testing.assert_allclose(backward(few), autograd(), rtol=1e-8, atol=1e-12)
    functions = {"backward": backward, "forward": forward, "torch": autograd}
    report(*take_turns(functions, rounds=rounds), scale={"torch": n_steps / few})


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="sizes of the paper; some minutes")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # POT says that it has not converged
    torch.set_num_threads(1)
    with threadpool_limits(limits=1):
        print("1 thread")
        n, m, n_distributions = (1000, 500, 100) if options.full else (300, 200, 10)
        for n_iter in (1, 10, 100):
            compare_estimates(n, m, n_distributions, n_iter, options.rounds)
        compare_pot(n, m, 100, options.rounds)
        compare_stochastic(500_000 if options.full else 100_000, 2000, options.rounds)


if __name__ == "__main__":
    main()
