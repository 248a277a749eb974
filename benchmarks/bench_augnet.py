"""The layer of AugNet against a layer written the way its authors describe theirs.

Both sum the same operations with the same weights, magnitudes and random draws, forward and
backward, in one process on one thread, taking turns. Prints the median processor time of each, the
ratio, and by how much values and gradients differ at most, relative to the largest. The reference
applies one operation after the other:

- complex Fourier transforms of full length, with the phases of negative frequencies written out;
- the analytic signal by such a transform of the padded windows, times a complex exponential;
- each operation mixed with what it got by a relaxed Bernoulli mask, also where that is 1;
- affine maps of images one by one.

Our layer takes half spectra, has no mask where there is no probability, reads the images of all
affine maps at once, and leaves out operations whose weight has become negligible ("decided"). Where
the same examples come again, ``prepare`` keeps what depends on them alone ("prepared").

Run with ``python benchmarks/bench_augnet.py``.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.augmentation.images import AFFINE_OPERATIONS, make_image_operation
from common.augmentation.layers import AugmentationLayer

SHIFT = ["frequency-shift", "ft-surrogate", "gaussian-noise"]
TIME = ["frequency-shift", "time-reverse", "gaussian-noise", "smooth-time-mask", "ft-surrogate"]
CASES = {
    "sinusoids, 32 x 1 x 1000": (SHIFT, (32, 1, 1000), {"sfreq": 100.0}),
    "sleep, 16 x 2 x 3000": (TIME, (16, 2, 3000), {"sfreq": 100.0}),
    "images, 32 x 3 x 16 x 16": (AFFINE_OPERATIONS, (32, 3, 16, 16), {}),
    "images, 128 x 3 x 32 x 32": (AFFINE_OPERATIONS, (128, 3, 32, 32), {}),
}


class Reference(torch.nn.Module):
    """The layer as it is described, with the draws of our operations."""

    def __init__(self, layer):
        super().__init__()
        self.operations = layer.operations
        self.temperature = layer.temperature
        self.generator, self.others = torch.Generator(), torch.Generator()
        self.weights = torch.nn.Parameter(layer.weights.detach().clone())
        self.magnitudes = torch.nn.Parameter(layer.magnitudes.detach().clone())

    def forward(self, X):
        """Sum of all operations."""
        weights = functional.softmax(self.weights / self.temperature, dim=0)
        total = torch.zeros_like(X)
        for weight, magnitude, operation in zip(
            weights, self.magnitudes.clamp(0, 1), self.operations, strict=True
        ):
            draws = operation.draw(X, self.generator)
            probability = torch.ones(()) if operation.has_magnitude else magnitude
            # Masks of probability 1 have draws of their own, as our layer has none.
            generator = self.others if operation.has_magnitude else self.generator
            chance = torch.rand(len(X), generator=generator)
            odds = torch.logit(probability, eps=1e-6) + torch.logit(chance, eps=1e-6)
            mask = torch.sigmoid(odds / 0.05).reshape(-1, *[1] * (X.ndim - 1))
            changed = _operate(operation, X.clone(), draws, magnitude)
            total = total + weight * (mask * changed + (1 - mask) * X)
        return total


def _operate(operation, X, draws, magnitude):
    scale, name, n_times = operation.scale, operation.name, X.shape[-1]
    if name == "time-reverse":
        return torch.flip(X, [-1])
    if name == "gaussian-noise":
        return X + draws * magnitude * scale
    if name == "smooth-time-mask":
        length = magnitude * scale * operation.sfreq
        starts = (draws * (n_times - length))[:, None, None]
        time = torch.arange(n_times).repeat(*X.shape[:2], 1)
        steepness = 1000 / n_times
        return X * (
            torch.sigmoid(-steepness * (time - starts))
            + torch.sigmoid(steepness * (time - starts - length))
        )
    if name == "ft-surrogate":
        phases = 2 * np.pi * magnitude * scale * draws
        zero = torch.zeros(*phases.shape[:2], 1)
        middle = zero if n_times % 2 == 0 else zero[..., :0]
        full = torch.cat([zero, phases, middle, -torch.flip(phases, [-1])], dim=-1)
        return torch.fft.ifft(torch.fft.fft(X) * torch.exp(1j * full)).real
    if name == "frequency-shift":
        shifts = (2 * draws - 1) * magnitude * scale
        n_padded = 2 ** int(np.ceil(np.log2(n_times)))
        spectrum = torch.fft.fft(functional.pad(X, (0, n_padded - n_times)))
        one_sided = torch.zeros(n_padded)
        one_sided[0] = one_sided[n_padded // 2] = 1
        one_sided[1 : n_padded // 2] = 2
        analytic = torch.fft.ifft(spectrum * one_sided)[..., :n_times]
        time = (torch.arange(n_times) / operation.sfreq).repeat(*X.shape[:2], 1)
        return (analytic * torch.exp(2j * np.pi * shifts[:, None, None] * time)).real
    return operation.apply(X, draws, magnitude)


def layers(names, options, *, decided=False):
    """Ours and the reference, of equal parameters."""
    operations = names if options else [make_image_operation(name) for name in names]
    ours = AugmentationLayer(
        operations,
        # Without magnitude: applied for sure, so that a relaxed mask and a hard one agree.
        magnitude=[1.0 if name == "time-reverse" else 0.1 for name in names],
        generator=torch.Generator(),
        **options,
    )
    if decided:
        with torch.no_grad():
            ours.weights[1:] -= 1  # the first one draws first, as it does in the reference
    return ours, Reference(ours)


def step(layer, X, direction, prepared=None):
    """Values and gradients of a step, after the same draws in every call."""
    layer.generator.manual_seed(0)
    layer.zero_grad(set_to_none=True)
    out = layer(X) if prepared is None else layer(X, prepared)
    (out * direction).sum().backward()
    return out.detach(), torch.cat([layer.weights.grad, layer.magnitudes.grad])


def take_turns(functions, *, rounds):
    """Median processor time (s) of each function; they alternate."""
    times = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            clock = time.process_time()
            for _ in range(3):
                function()
            times[name].append((time.process_time() - clock) / 3)
    return {name: statistics.median(spent) for name, spent in times.items()}


def apart(a, b):
    """Largest difference of two tensors, relative to the largest value."""
    return float((a - b).abs().max() / a.abs().max())


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    print("forward and backward, processor time (ms): reference, ours, ratio;")
    print("values and gradients apart by, relative to the largest")
    for case, (names, shape, options) in CASES.items():
        generator = torch.Generator().manual_seed(0)
        X, direction = (torch.randn(shape, generator=generator) for _ in range(2))
        for kind in ("equal weights", "prepared", "decided"):
            if kind == "prepared" and not options:
                continue
            ours, reference = layers(names, options, decided=kind == "decided")
            ready = ours.prepare(X) if kind == "prepared" else None
            functions = {
                "reference": lambda r=reference, X=X, d=direction: step(r, X, d),
                "ours": lambda o=ours, X=X, d=direction, p=ready: step(o, X, d, p),
            }
            spent = take_turns(functions, rounds=arguments.rounds)
            pairs = zip(step(reference, X, direction), step(ours, X, direction, ready), strict=True)
            values, gradients = (apart(*pair) for pair in pairs)
            slow, fast = spent["reference"] * 1e3, spent["ours"] * 1e3
            print(
                f"  {case:26s} {kind:14s} {slow:8.2f} {fast:8.2f} {slow / fast:6.2f} x   "
                f"{values:.0e}, {gradients:.0e}"
            )


if __name__ == "__main__":
    with threadpool_limits(limits=1):
        torch.set_num_threads(1)
        main()
