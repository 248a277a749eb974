"""Least-squares fit of Hawkes processes: ours, automatic differentiation on the grid, and tick.

    OMP_NUM_THREADS=1 python benchmarks/bench_hawkes.py [--end-time 1e5] [--peer PYTHON]

One thread, the simulation left out. Prints wall and processor time (on a busy machine the second
is the fairer one) of our fit, split into its steps; of iterations of RMSprop on the same loss with
a dense grid in torch, scaled to 2000; and of tick's learners, where an interpreter has tick. Then
how our cost grows with the record, ten processes, and memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.hawkes.estimator import HawkesEstimator
from common.hawkes.grid import bin_events
from common.hawkes.kernels import RaisedCosine
from common.hawkes.loss import profile_loss
from common.hawkes.simulation import simulate
from common.hawkes.start import lag_moments
from common.hawkes.statistics import precompute

ROOT = Path(__file__).resolve().parents[1]
# A raised cosine of weight 0.8 that is not normalised has branching ratio 2 sigma 0.8.
BASELINE, WEIGHT, START, HALF_WIDTH = 1.1, 0.8, 0.2, 0.3
LENGTH, DELTA = 1.0, 0.01


def events_of(end_time, seed=0):
    """One process with a raised cosine."""
    return simulate(
        [BASELINE],
        [[2 * HALF_WIDTH * WEIGHT]],
        RaisedCosine(),
        [START, HALF_WIDTH],
        length=LENGTH,
        end_time=end_time,
        rng=np.random.default_rng(seed),
    )


def new_estimator():
    return HawkesEstimator(kernel=RaisedCosine(), delta=DELTA, kernel_length=LENGTH)


def timed(function, repeats=5):
    """Smallest wall and processor time of some calls, in s, and the last result."""
    wall, cpu = [], []
    for _ in range(repeats):
        clocks = time.perf_counter(), time.process_time()
        result = function()
        wall.append(time.perf_counter() - clocks[0])
        cpu.append(time.process_time() - clocks[1])
    return min(wall), min(cpu), result


def error_of(estimator):
    """Distance of (baseline, weight, start, half width) from the truth."""
    u, sigma = (estimator.kernel_parameters_[name].item() for name in ("u", "sigma"))
    found = [estimator.baseline_.item(), estimator.adjacency_.item() / (2 * sigma), u, sigma]
    return np.linalg.norm(np.subtract(found, [BASELINE, WEIGHT, START, HALF_WIDTH]))


def ours(end_time):
    """Print the steps of one fit."""
    events = events_of(end_time)
    wall, cpu, estimator = timed(lambda: new_estimator().fit(events, end_time))
    print(f"\nOne process, T = {end_time:g} s, {len(events[0])} events, delta = {DELTA} s")
    print(
        f"  ours                  {wall:9.3f} s wall {cpu:9.3f} s processor, "
        f"{estimator.n_iter_} iterations, error {error_of(estimator):.4f}"
    )
    binning = timed(lambda: bin_events(events, end_time=end_time, delta=DELTA))
    counting = timed(lambda: precompute(binning[2], n_lags=100))
    moments = timed(lambda: lag_moments(counting[2]))
    for name, step in (("binning", binning), ("pair counts", counting), ("start", moments)):
        print(f"    {name:20s}{step[0]:9.4f} s wall {step[1]:9.4f} s processor")
    rest = [a - b - c - d for a, b, c, d in zip((wall, cpu), binning, counting, moments)]  # noqa: B905
    print(f"    {'optimisation':20s}{rest[0]:9.4f} s wall {rest[1]:9.4f} s processor")
    return events, cpu


def autograd(events, end_time, reference, n_iterations=3):
    """Print the time of RMSprop on the loss over the whole grid, for two ways to convolve."""
    import torch

    torch.set_num_threads(1)
    dense = torch.from_numpy(bin_events(events, end_time=end_time, delta=DELTA).dense()[0])

    def direct(z, phi):
        return torch.nn.functional.conv1d(z[None, None], phi.flip(0)[None, None])[0, 0]

    def by_blocks(z, phi, size=4096):
        step = size - len(phi) + 1
        z = torch.nn.functional.pad(z, (0, -(len(z) - size) % step))
        product = torch.fft.rfft(z.unfold(0, size, step)) * torch.fft.rfft(phi, size)
        return torch.fft.irfft(product)[:, len(phi) - 1 :].reshape(-1)

    for name, convolve, dtype in (
        ("conv1d, single", direct, torch.float32),  # in double precision about ten times slower
        ("FFT, double", by_blocks, torch.float64),
    ):
        z = dense.to(dtype)
        lags = DELTA * torch.arange(1, 101, dtype=dtype)
        theta = torch.tensor([1.0, 0.5, 0.3, 0.25], dtype=dtype, requires_grad=True)
        optimizer = torch.optim.RMSprop([theta], lr=1e-3)

        def iteration(z=z, lags=lags, theta=theta, optimizer=optimizer, convolve=convolve):
            baseline, adjacency, u, sigma = theta
            kernel = 1 - torch.cos(torch.pi * ((lags - u) / sigma).clamp(0, 2))
            phi = adjacency * kernel / (DELTA * kernel.sum())
            # An event acts from the next point on.
            past = torch.nn.functional.pad(z[:-1], (len(lags), 0))
            intensity = baseline + convolve(past, phi)[: len(z)]
            loss = (DELTA * (intensity**2).sum() - 2 * (intensity * z).sum()) / z.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

        wall, cpu, loss = timed(iteration, repeats=n_iterations)
        print(
            f"  autograd, {name:15s}{2000 * wall:7.0f} s wall {2000 * cpu:9.0f} s processor for "
            f"2000 iterations (scaled from {n_iterations}; {wall:.2f} s each, loss {loss:.4f}): "
            f"{2000 * cpu / reference:.0f} x ours"
        )


def tick(events, end_time, reference, *, peer, learner, limit):
    """Print the time of a learner of tick, in its own interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.npz"
        np.savez(path, end_time=end_time, events_0=events[0])
        command = [peer, ROOT / "benchmarks/peers/tick_hawkes.py", path, "--learner", learner]
        try:
            done = subprocess.run(
                [*map(str, command), "--max-iter", "800"],
                capture_output=True,
                text=True,
                timeout=limit,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"  tick {learner}: skipped, {error}")
            return
    if done.returncode:
        print(
            f"  tick {learner}: skipped, {(done.stderr.strip() or 'no message').splitlines()[-1]}"
        )
        return
    result = json.loads(done.stdout)
    branching = DELTA * np.sum(result["kernel"][0][0])
    print(
        f"  tick {learner:17s}{result['seconds']:9.2f} s wall {result['cpu_seconds']:9.2f} s "
        f"processor, {result['n_iter']} iterations, baseline {result['baseline'][0]:.3f}, "
        f"branching ratio {branching:.3f}: {result['cpu_seconds'] / reference:.0f} x ours"
    )


def growth():
    """Print the cost of an iteration, which does not depend on the record."""
    print("\nCost against the length of the record, one process")
    for end_time in (1e3, 1e4, 1e5, 1e6):
        events = events_of(end_time)
        binned = bin_events(events, end_time=end_time, delta=DELTA)
        _, once, statistics = timed(lambda b=binned: precompute(b, n_lags=100), repeats=2)
        theta = np.array([[START], [HALF_WIDTH]])

        def evaluate(statistics=statistics, theta=theta):
            options = {"kernel": RaisedCosine(), "length": LENGTH}
            return [profile_loss(statistics, 0, slice(None), theta, **options) for _ in range(50)]

        _, cpu, _ = timed(evaluate)
        print(
            f"  T = {end_time:9.0f} s, {len(events[0]):8d} events: {once:8.4f} s once, "
            f"{1e6 * cpu / 50:6.0f} us an evaluation of loss and gradient"
        )


def many_processes(n_processes=10, end_time=1e4):
    """Print the time for several processes that all act on each other."""
    rng = np.random.default_rng(0)
    adjacency = rng.uniform(0, 1, (n_processes, n_processes))
    adjacency *= 0.5 / np.abs(np.linalg.eigvals(adjacency)).max()
    events = simulate(
        np.full(n_processes, 0.2),
        adjacency,
        RaisedCosine(),
        [START, HALF_WIDTH],
        length=LENGTH,
        end_time=end_time,
        rng=rng,
    )
    wall, cpu, estimator = timed(lambda: new_estimator().fit(events, end_time), repeats=2)
    gap = np.abs(estimator.adjacency_ - adjacency).mean()
    print(
        f"\n{n_processes} processes, T = {end_time:g} s, {sum(map(len, events))} events\n"
        f"  {wall:.2f} s wall {cpu:.2f} s processor, at most {estimator.n_iter_} iterations, "
        f"converged {estimator.converged_}, mean error of the adjacency {gap:.4f} "
        f"(its mean is {adjacency.mean():.4f})"
    )


def memory(n_processes=10, n_lags=1000):
    """Print the peak of counting pairs and one evaluation, against a dense matrix of lags."""
    rng = np.random.default_rng(0)
    events = [np.sort(rng.uniform(0, 1e4, 10_000)) for _ in range(n_processes)]
    tracemalloc.start()
    binned = bin_events(events, end_time=1e4, delta=DELTA)
    statistics = precompute(binned, n_lags=n_lags)
    theta = np.tile([[2.0], [1.0]], n_processes)
    profile_loss(statistics, 0, slice(None), theta, kernel=RaisedCosine(), length=n_lags * DELTA)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    dense = (n_processes * n_lags) ** 2 * 8
    print(
        f"\nMemory, {n_processes} processes, {n_lags} lags, {sum(map(len, events))} events\n"
        f"  peak {peak / 1e6:.0f} MB; all pairs of lags would take {dense / 1e6:.0f} MB, "
        f"the grid {n_processes * binned.n_grid * 8 / 1e6:.0f} MB"
    )


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--end-time", type=float, default=1e5, help="of the comparison, in s")
    default = ROOT / ".venv-peers/bin/python"
    parser.add_argument("--peer", default=default if default.exists() else sys.executable)
    parser.add_argument("--limit", type=float, default=1800, help="for one learner of tick, in s")
    parser.add_argument("--without-peers", action="store_true")
    arguments = parser.parse_args()

    events, reference = ours(arguments.end_time)
    autograd(events, arguments.end_time, reference)
    if not arguments.without_peers:
        for learner in ("basis", "em"):
            tick(
                events,
                arguments.end_time,
                reference,
                peer=arguments.peer,
                learner=learner,
                limit=arguments.limit,
            )
    growth()
    many_processes()
    memory()


if __name__ == "__main__":
    main()
