"""Loss and gradient of model C: ours beside the ways of the reference codes, and a floor.

- *gathered*: as in the authors' code for the covariances of harmonics. All directions of a turn are
  filtered, each pair's channels are gathered in a list (four lists, one after another), and their
  products averaged. Shifts come from one Fourier transform of each channel's squared spectrum.
- *floor*: the Fourier transforms alone that a loss and a gradient need, of half of the directions.
- *pywph*: that library (`make peers`), on the covariances of model C without shifts; ours beside
  it is *unshifted*. It computes groups of covariances, each with its backward pass.

Each runs in a process of its own on one thread, so that the peak of memory is its own. Processor
times, the best of ``--repeats``. The losses of both are compared first, in double precision on a
small image.

Run with ``python benchmarks/bench_harmonics.py``.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.scattering.filters_bump import filter_bank
from common.scattering.harmonic_covariances import HarmonicCovariances
from common.scattering.harmonics import harmonics
from common.workflow import peers


def pairs(J, L):
    """Scale, direction and harmonic of both channels of each covariance of model C."""
    turn, found = 2 * L, []
    for j in range(J):
        kinds = [(j, 1, 0), (j, 1, 1), (j, 0, 0)]
        if j + 1 < J:
            kinds += [(j + 1, 0, 0), (j + 1, 0, 1), (j + 1, 0, 2), (j + 1, 1, 2)]
        for j2, k, k2 in kinds:
            for q in range(turn):
                for q2 in range(turn):
                    if min((q - q2) % turn, (q2 - q) % turn) <= L // 2:
                        found.append((j, q, k, j2, q2, k2))
    return found


class Gathered:
    """Model C by lists of pairs."""

    n_chunks = 4

    def __init__(self, image, J, L, dn=2):
        self.J, self.L, self.dn = J, L, dn
        bank = filter_bank(image.shape, J, L)
        self.phi, self.psi = (torch.as_tensor(f).to(image) for f in bank)
        places = torch.tensor(pairs(J, L)).reshape(-1, 2, 3) @ torch.tensor([6 * L, 3, 1])
        self.pairs = places.T
        with torch.no_grad():
            channels, low = self.channels(image)
            means, scales = self.statistics(channels), self.statistics(low)
            self.observed, self.observed_low = means, scales
            self.target = [part.detach() for part in self.moments(image)]

    def channels(self, x):
        spectrum = torch.fft.fft2(x)
        z = torch.fft.ifft2(spectrum * self.psi.flatten(0, 1))
        parts = harmonics(z, [0, 1, 2])
        low = torch.fft.ifft2(spectrum * self.phi)
        return torch.stack([part + 0j for part in parts], dim=1).flatten(0, 1), low[None]

    @staticmethod
    def statistics(v):
        mean = v.mean(dim=(1, 2), keepdim=True)
        return mean, (v - mean).abs().square().mean(dim=(1, 2), keepdim=True).sqrt()

    def moments(self, x):
        channels, low = self.channels(x)
        v = (channels - self.observed[0]) / self.observed[1]
        low = (low - self.observed_low[0]) / self.observed_low[1]
        for first, second in self.pairs.chunk(self.n_chunks, dim=1):
            yield (v[first] * v[second].conj()).mean(dim=(1, 2))
        for j in range(self.J):
            of_scale = v.unflatten(0, (self.J, 2 * self.L, 3))[j, :, :2].flatten(0, 1)
            yield self.shifted(of_scale, 2**j)
        yield self.shifted(low, 2 ** (self.J - 1))
        yield low.abs().square().mean(dim=(1, 2))

    def shifted(self, v, step):
        power = torch.fft.fft2(v).abs().square()
        n_pixels = v.shape[-1] * v.shape[-2]
        covariances = torch.fft.ifft2(power) / n_pixels
        span = range(-self.dn, self.dn + 1)
        shifts = [(a, b) for a in range(self.dn + 1) for b in span if (a, b) != (0, 0)]
        rows, columns = ([step * s[axis] for s in shifts] for axis in (0, 1))
        return covariances[:, rows, columns]

    def loss(self, x):
        parts = zip(self.moments(x), self.target, strict=True)
        return sum((found - target).abs().square().sum() for found, target in parts)


def ours(image, J, L):
    return HarmonicCovariances(image.shape, J, L, dj=1, dn=2).fit(image).loss


def unshifted(image, J, L):
    return HarmonicCovariances(image.shape, J, L, dj=1).fit(image).loss


def gathered(image, J, L):
    return Gathered(image, J, L).loss


def floor(image, J, L):
    psi = torch.as_tensor(filter_bank(image.shape, J, L).psi[:, :L]).to(image)

    def loss(x):
        z = torch.fft.ifft2(torch.fft.fft2(x) * psi)
        return torch.view_as_real(z).sum()

    return loss


WAYS = {"ours": ours, "gathered": gathered, "floor": floor, "unshifted": unshifted}


def image(n, seed, dtype):
    return torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def measure(way, n, J, L, repeats):
    """One process: processor seconds and the peak of memory, in MB."""
    torch.set_num_threads(1)
    observed, x = (image(n, seed, torch.float32) for seed in range(2))
    loss = WAYS[way](observed, J, L)
    x.requires_grad_()
    times = []
    for _ in range(repeats):
        clock = time.process_time()
        torch.autograd.grad(loss(x), x)
        times.append(time.process_time() - clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{min(times):.4f} {peak:.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--scales", type=int, default=5)
    parser.add_argument("--directions", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = (options.size, options.scales, options.directions)
    if options.way:
        return measure(options.way, *sizes, options.repeats)
    observed, x = (image(16, seed, torch.float64) for seed in range(2))
    losses = [way(observed, 2, 4)(x).item() for way in (ours, gathered)]
    print(f"losses on a small image: {losses[0]:.10g} ours, {losses[1]:.10g} gathered")
    for way in WAYS:
        command = [sys.executable, __file__, "--way", way, "--repeats", str(options.repeats)]
        for name, value in zip(("size", "scales", "directions"), sizes, strict=True):
            command += [f"--{name}", str(value)]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        print(f"{way}: {float(found[0]):.3f} s of processor time, peak {found[1]} MB")
    if not peers.installed("pywph"):
        return print(f"pywph: not installed in {peers.PYTHON}; make peers")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(pairs(options.scales, options.directions), file)
        file.flush()
        command = ["--pairs", file.name, "--repeats", options.repeats]
        for name, value in zip(("size", "scales", "directions"), sizes, strict=True):
            command += [f"--{name}", value]
        found = peers.run("pywph", "benchmarks/peers/pywph_speed.py", *command).split()
    print(f"pywph: {float(found[0]):.3f} s of processor time, peak {found[1]} MB, {found[2]} pairs")


if __name__ == "__main__":
    main()
