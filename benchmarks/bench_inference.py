"""The Jansen-Rit model: vectorised over simulations against a compiled loop called once for each.

Functions take turns in one process on one thread. Prints the median processor time for one
simulation (10,240 steps of 2^-10 s), the ratio, and whether both have the same variance and mean
log spectrum; then the memory that NumPy asks for at its peak, by the number of simulations and the
size of chunks, and what observations of new gains cost from a pool against simulating them.

The compiled loop is numba's: the same splitting, in single or double precision, each simulation's
random numbers drawn one by one in the loop.

Run with ``python benchmarks/bench_inference.py``.
"""

import argparse
import statistics
import sys
import time
import tracemalloc
from pathlib import Path

import numba
import numpy as np
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.inference.jansen_rit import JansenRit, linear_step, log_spectrum
from common.inference.pools import GainPool
from common.inference.priors import BoxPrior

PRIOR = BoxPrior({"C": (10, 250), "mu": (50, 500), "sigma": (100, 5000), "gain": (-20, 20)})
LOCAL = PRIOR.only(["C", "mu", "sigma"])


@numba.njit
def _loop(coupling, drive, noise, m, f, kept, rng, n_burn_in):
    """One simulation; arrays and numbers have one precision."""
    one = kept.dtype.type(1)
    five, rate, shift = one * 5, one * -0.56, one * 3.36
    h = one / 1024
    excite, inhibit = one * 3.25 * 100 * h, one * 22.0 * 50 * h
    q, p = np.empty(3, kept.dtype), np.empty(3, kept.dtype)
    push = np.empty(3, kept.dtype)
    for i in range(3):
        q[i], p[i] = one * rng.standard_normal(), one * rng.standard_normal()
    quarter = coupling / 4
    for step in range(-8 * n_burn_in, 8 * len(kept) + 1):
        push[0] = excite * five / (one + np.exp(rate * (q[1] - q[2]) + shift))
        push[1] = excite * (
            drive + one * 0.8 * coupling * five / (one + np.exp(rate * coupling * q[0] + shift))
        )
        push[2] = inhibit * quarter * five / (one + np.exp(rate * quarter * q[0] + shift))
        for i in range(3):
            p[i] += push[i] if step > -8 * n_burn_in else push[i] / 2
        if step == 8 * len(kept):
            break
        for i in range(3):
            x, v = q[i], p[i]
            first = noise[i] * one * rng.standard_normal()
            second = noise[i] * one * rng.standard_normal()
            q[i] = m[0, i] * x + m[1, i] * v + f[0, i] * first
            p[i] = m[2, i] * x + m[3, i] * v + f[1, i] * first + f[2, i] * second
        if step >= 0 and step % 8 == 7:
            kept[step // 8] = q[1] - q[2]


def looped(theta, rng, dtype):
    """All simulations, one call of the compiled loop for each."""
    m, f = (each.astype(dtype) for each in linear_step([100.0, 100.0, 50.0], 2.0**-10))
    signals = np.empty((len(theta), 1024), dtype)
    for signal, (coupling, drive, sigma) in zip(signals, theta.astype(dtype), strict=True):
        _loop(coupling, drive, np.array([0.01, sigma, 1.0], dtype), m, f, signal, rng, 256)
    return signals


def speed(n, rounds):
    theta = LOCAL.sample(n, np.random.default_rng(0))
    functions = {
        "vectorised, float32": lambda rng: JansenRit()(theta, rng),
        "compiled loop, float32": lambda rng: looped(theta, rng, np.float32),
        "compiled loop, float64": lambda rng: looped(theta, rng, np.float64),
    }
    for dtype in (np.float32, np.float64):
        looped(theta[:2], np.random.default_rng(0), dtype)  # compiles
    times = {name: [] for name in functions}
    spectra = {}
    for number in range(rounds):
        for name, function in functions.items():
            rng = np.random.default_rng(number)
            clock = time.process_time()
            signals = function(rng)
            times[name].append((time.process_time() - clock) / n)
            spectra[name] = log_spectrum(signals).mean(axis=0)
    first = statistics.median(times["vectorised, float32"])
    print(f"{n:,} simulations of 8 s and a burn-in of 2 s, drawn from the prior")
    for name, values in times.items():
        median = statistics.median(values)
        apart = np.abs(spectra[name] - spectra["vectorised, float32"])[1:].max()
        print(
            f"  {name:24s} {median * 1e3:6.2f} ms each, {median / first:5.2f} x, "
            f"mean log spectrum apart by {apart:.3f}"
        )


def memory():
    print("Peak of memory, signals reduced to spectra")
    for n, chunk in ((500, 500), (2000, 500), (2000, 2000)):
        theta = LOCAL.sample(n, np.random.default_rng(0))
        model = JansenRit(chunk=chunk, burn_in=0)
        tracemalloc.start()
        model(theta, np.random.default_rng(0), reduce=log_spectrum)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"  {n:5d} simulations in chunks of {chunk:4d}: {peak / 1e6:6.1f} MB")


def shared():
    rng = np.random.default_rng(0)
    theta = LOCAL.sample(500, rng)
    clock = time.process_time()
    spectra = JansenRit()(theta, rng, reduce=log_spectrum)
    simulated = (time.process_time() - clock) / len(theta)
    pool = GainPool(theta, spectra, PRIOR)
    clock = time.process_time()
    for _ in range(20):
        pool.draw(500, 10, rng)
    drawn = (time.process_time() - clock) / (20 * 500 * 11)
    print(
        f"An observation with a new gain: {drawn * 1e6:.2f} µs from a pool, "
        f"{simulated * 1e6:.0f} µs simulated: {simulated / drawn:,.0f} x"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=2500)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with threadpool_limits(1):
        speed(arguments.simulations, arguments.rounds)
        memory()
        shared()


if __name__ == "__main__":
    main()
