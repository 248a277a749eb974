"""Particle descent, its value and gradient, and persistence: times on one thread, and floors.

- *descent*: a pattern of about 500 points on Voronoi edges, images of 64 × 64 pixels, three stages
  of 60 iterations, in single and double precision.
- *value and gradient* of the energy, and of what it cannot do without: the *floor* is the Fourier
  transforms of all filtered images, there and back. *One by one* is our own writing of the authors'
  way: all directions of a turn are filtered, at two places each, channels of each pair are
  gathered in lists and their products averaged. Both are compared in double precision first.
- *persistence* of alpha complexes, in the plane, beside gudhi's where `make peers` has put it.

Processor times; ways take turns, and the median of the rounds is printed.

Run with ``python benchmarks/bench_points.py``.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.points.descent import MaximumEntropy
from common.points.moments import LOW_PASS_WEIGHT, PatternMoments
from common.points.persistence import alpha_persistence
from common.points.processes import voronoi
from common.points.rasterise import rasterise
from common.scattering.filters_bump import filter_bank, frequencies
from common.scattering.harmonics import harmonics
from common.workflow import peers

SIZE, J, L, SIGMA = 64, 3, 4, 0.75
ORDERS = (0, 1, 2, 4)


class OneByOne:
    """The same moments by lists of pairs of channels of a whole turn."""

    def __init__(self, image):
        bank = filter_bank((SIZE, SIZE), J, L)
        rows, columns = frequencies((SIZE, SIZE))
        angle = np.pi * np.arange(2 * L)[:, None, None] / L
        along = np.sin(angle) * rows + np.cos(angle) * columns
        wave = np.exp(-1j * 2.0 ** np.arange(J)[:, None, None, None] * along)
        psi = np.stack([bank.psi + 0j, bank.psi * wave])
        self.psi = torch.as_tensor(psi).to(image.dtype.to_complex())
        self.phi = torch.as_tensor(bank.phi).to(image)
        self.pairs = self._pairs()
        with torch.no_grad():
            channels, low = self.channels(image)
            self.mean = channels.mean(dim=(1, 2), keepdim=True)
            self.low_mean = low.mean()
            self.target = self.moments(image)

    @staticmethod
    def _pairs():
        turn, found = 2 * L, []
        for j in range(J):
            for j2 in range(j, min(j + 2, J - 1) + 1):
                kinds = [(1, 0), (1, 1), (0, 0)]
                if j2 > j:
                    kinds = [(0, 0), (0, 1), (0, 2), (1, 2 ** (j2 - j))]
                for k, k2 in kinds:
                    for q in range(turn):
                        for q2 in range(turn):
                            if min((q - q2) % turn, (q2 - q) % turn) <= L // 2:
                                first, second = (j * turn + q, k), (j2 * turn + q2, k2)
                                found += [(0, *first, *second), (1, *first, *second)]
        n = J * turn
        place = [
            (ORDERS.index(k) * 2 * n + moved * n + a, ORDERS.index(k2) * 2 * n + b)
            for moved, a, k, b, k2 in found
        ]
        return torch.tensor(place).T

    def channels(self, image):
        spectrum = torch.fft.fft2(image)
        z = torch.fft.ifft2(spectrum * self.psi).flatten(0, 2)
        parts = harmonics(z, ORDERS)
        low = torch.fft.ifft2(spectrum * self.phi).real
        return torch.cat([part + 0j for part in parts]), low

    def moments(self, image):
        channels, low = self.channels(image)
        v = channels - self.mean
        found = [
            (v[pairs[0]] * v[pairs[1]].conj()).mean(dim=(1, 2))
            for pairs in self.pairs.chunk(8, dim=1)
        ]
        power = LOW_PASS_WEIGHT * (low - self.low_mean).square().mean()
        return torch.cat([*found, power[None] + 0j])

    def loss(self, image):
        return (self.moments(image) - self.target).abs().square().sum()


def floor(dtype):
    """The transforms alone."""
    filters = torch.ones(3 * J * L, SIZE, SIZE, dtype=dtype.to_complex())

    def loss(image):
        return torch.view_as_real(torch.fft.ifft2(torch.fft.fft2(image) * filters)).sum()

    return loss


def spent(task):
    """Processor seconds of one call."""
    clock = time.process_time()
    task()
    return time.process_time() - clock


def take_turns(tasks, rounds):
    """Median processor seconds of each; they alternate."""
    for task in tasks.values():
        task()
    times = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            times[name].append(spent(task))
    return {name: statistics.median(one) for name, one in times.items()}


def gradient_of(loss, x, repeats):
    """A task: value and gradient in the points."""

    def task():
        for _ in range(repeats):
            torch.autograd.grad(loss(rasterise(x, SIZE, SIGMA)), x)

    return task


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    points = voronoi(25, 50, rng=np.random.default_rng(0))
    other = np.random.default_rng(1).random(points.shape)

    observed, x = (torch.as_tensor(SIZE * one) for one in (points, other))
    image = rasterise(observed, SIZE, SIGMA)
    ours, gathered = PatternMoments(SIZE, J, L).fit(image), OneByOne(image)
    losses = [way.loss(rasterise(x, SIZE, SIGMA)).item() for way in (ours, gathered)]
    print(f"{len(points)} points; losses {losses[0]:.6g} ours, {losses[1]:.6g} one by one")

    single = image.float()
    ways = {
        "ours, double": (PatternMoments(SIZE, J, L).fit(image).loss, x),
        "ours, single": (PatternMoments(SIZE, J, L).fit(single).loss, x.float()),
        "floor, single": (floor(torch.float32), x.float()),
        "one by one, single": (OneByOne(single).loss, x.float()),
    }
    tasks = {
        name: gradient_of(loss, places.clone().requires_grad_(), 1 if "one" in name else 5)
        for name, (loss, places) in ways.items()
    }
    for name, seconds in take_turns(tasks, options.rounds).items():
        repeats = 1 if "one" in name else 5
        print(f"value and gradient, {name}: {1e3 * seconds / repeats:.1f} ms")

    for dtype in ("float32", "float64"):
        model = MaximumEntropy(size=SIZE, iterations=options.iterations, dtype=dtype).fit(points)
        seconds = spent(lambda m=model: m.sample(rng=np.random.default_rng(2), progress=False))
        stages = model.histories[0]
        n = sum(len(stage.energy) - 1 for stage in stages)
        ends = ", ".join(f"{stage.energy[-1]:.1e}" for stage in stages)
        print(f"descent, {dtype}: {n} iterations in {seconds:.2f} s, relative energies {ends}")

    seconds = take_turns({"ours": lambda: alpha_persistence(points)}, options.rounds)["ours"]
    print(f"persistence, ours: {1e3 * seconds:.1f} ms")
    if peers.installed("gudhi"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "patterns.json"
            path.write_text(json.dumps([points.tolist()]), encoding="utf-8")
            script = "benchmarks/peers/gudhi_persistence.py"
            (found,) = json.loads(peers.run("gudhi", script, path, options.rounds))
        same = np.abs(np.array(found["holes"]) - alpha_persistence(points).holes).max()
        print(f"persistence, gudhi: {1e3 * found['seconds']:.1f} ms; holes differ by {same:.1g}")


if __name__ == "__main__":
    main()
