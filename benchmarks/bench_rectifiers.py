"""Loss and gradient of rectified wavelet covariances: ours beside the authors' way, and a floor.

- *transforms*: as in the authors' code. Channels of each pair are gathered in lists (several lists,
  one after another), each pair's are transformed, and the inverse transform of their product is
  read at all shifts. Margins are set first and shifts go round; ours computes the same where it is
  told to (*ours, margin first*), and its own order beside.
- *floor*: the Fourier transforms alone that a loss and a gradient need.

Each runs in a process of its own on one thread, so that the peak of memory is its own; what a
process holds before it begins is printed beside. Rounds take turns between the ways. Processor
times: the best of ``--repeats``. The losses of both are compared first, in double precision on a
small image.

Run with ``python benchmarks/bench_rectifiers.py``.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.scattering.filters_2d import filter_bank
from common.scattering.rectifier_covariances import RectifierCovariances, shifts


class Transforms:
    """The authors' way: two transforms of each pair's channels, and one back."""

    def __init__(self, image, J, L, *, dj=2, A=4, n_chunks=8):
        self.J, self.L, self.A, self.n_chunks = J, L, A, n_chunks
        phi, psi = filter_bank(image.shape, J, L)
        phases = np.exp(2j * np.pi * np.arange(A) / A)[:, None, None]
        psi = psi[:, :, None] * phases
        kind = torch.complex64 if image.dtype == torch.float32 else torch.complex128
        self.psi, self.phi = torch.as_tensor(psi).to(kind), torch.as_tensor(phi).to(image)
        haar = np.zeros((3, *image.shape))
        signs = [[[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]]
        haar[:, :2, :2] = np.array(signs) / 4
        self.haar = torch.as_tensor(np.fft.fft2(haar)).to(kind)
        self.masks = torch.stack([self._mask(image, j) for j in range(J)])
        self.pairs = torch.tensor(
            [
                (((j * L + q) * A + a), (j2 * L + q2) * A)
                for j in range(J)
                for j2 in range(j, min(J, j + dj + 1))
                for q in range(L)
                for q2 in range(L)
                for a in range(A)
            ]
        ).T
        self.places = [list(part) for part in zip(*shifts(J), strict=True)]
        with torch.no_grad():
            self.statistics = None
            self.statistics = self.channels(image)
            self.target = [part.detach() for part in self.moments(image)]

    @staticmethod
    def _mask(image, j):
        mask, margin = torch.zeros_like(image), 2**j // 2
        height, width = image.shape
        mask[margin : height - margin, margin : width - margin] = 1
        return mask / mask.mean()

    def channels(self, x):
        """Channels of an image; of the first one, what to subtract and divide by."""
        spectrum = torch.fft.fft2(x)
        u = torch.fft.ifft2(spectrum * self.psi).real.relu() * self.masks[:, None, None]
        low = torch.fft.ifft2(spectrum * self.phi).real
        haar = torch.fft.ifft2(spectrum * self.haar).real
        u = u.flatten(0, 2)
        if self.statistics is None:
            # Of the low-pass channel, too, with its margin, as ours with this order has it.
            masked = low * self.masks[-1]
            return [
                (
                    v.mean(dim=(-2, -1), keepdim=True),
                    v.std(dim=(-2, -1), correction=0, keepdim=True),
                )
                for v in (u, masked, haar)
            ]
        (mean, std), (low_mean, low_std), (_, haar_std) = self.statistics
        low = ((low - low_mean) / low_std).abs() * self.masks[-1]
        haar = (haar / haar_std).abs() * self.masks[0]
        return (u - mean) / std, torch.cat([low[None], haar])

    def moments(self, x):
        u, moduli = self.channels(x)
        for pairs in self.pairs.chunk(self.n_chunks, dim=1):
            yield self.correlated(u[pairs[0]], u[pairs[1]])
        yield self.correlated(moduli, moduli)

    def correlated(self, first, second):
        product = torch.fft.fft2(first) * torch.fft.fft2(second).conj()
        found = torch.fft.ifft2(product).real
        return found[:, self.places[0], self.places[1]] / first[0].numel()

    def loss(self, x):
        parts = zip(self.moments(x), self.target, strict=True)
        return sum((found - target).square().sum() for found, target in parts)


def ours(image, J, L, order="center"):
    return RectifierCovariances(image.shape, J, L, order=order).fit(image).loss


def transforms(image, J, L):
    return Transforms(image, J, L).loss


def floor(image, J, L):
    psi = torch.as_tensor(filter_bank(image.shape, J, L).psi).to(image)

    def loss(x):
        z = torch.fft.ifft2(torch.fft.fft2(x) * psi)
        return torch.view_as_real(z).sum()

    return loss


WAYS = {
    "ours": ours,
    "ours, margin first": lambda *of: ours(*of, order="mask"),
    "transforms": transforms,
    "floor": floor,
}


def image(n, seed, dtype):
    return torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(way, n, J, L):
    """A process that answers each line of its input with processor seconds and peaks, in MB."""
    torch.set_num_threads(1)
    observed, x = (image(n, seed, torch.float32) for seed in range(2))
    before = memory()
    loss = WAYS[way](observed, J, L)
    x.requires_grad_()
    for _ in sys.stdin:
        clock = time.process_time()
        torch.autograd.grad(loss(x), x)
        print(f"{time.process_time() - clock:.4f} {memory():.0f} {before:.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--scales", type=int, default=5)
    parser.add_argument("--angles", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = {"size": options.size, "scales": options.scales, "angles": options.angles}
    if options.way:
        return measure(options.way, *sizes.values())
    observed, x = (image(16, seed, torch.float64) for seed in range(2))
    losses = [way(observed, 2, 4)(x).item() for way in (WAYS["ours, margin first"], transforms)]
    print(f"losses on a small image: {losses[0]:.10g} ours, {losses[1]:.10g} transforms")
    jobs = {}
    for way in WAYS:
        command = [sys.executable, __file__, "--way", way]
        for name, value in sizes.items():
            command += [f"--{name}", str(value)]
        jobs[way] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    found = {way: [] for way in WAYS}
    for _ in range(options.repeats):
        for way, job in jobs.items():
            job.stdin.write("\n")
            job.stdin.flush()
            found[way].append([float(value) for value in job.stdout.readline().split()])
    for way, job in jobs.items():
        job.communicate()
        seconds, peak, before = np.array(found[way]).T
        print(
            f"{way}: {seconds.min():.3f} s of processor time, peak {peak.max():.0f} MB "
            f"({before.max():.0f} MB before)"
        )


if __name__ == "__main__":
    main()
