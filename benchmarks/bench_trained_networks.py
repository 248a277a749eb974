"""Processor time of a training step at the sizes of a paper, and what all of them would take.

Networks of `trainable-sparse-coding` are trained for four steps with the fewest layers and with up
to twelve. The time of a step grows linearly with the layers; from the line through both follow the
hours of all depths, steps and seeds. A training that stops early takes less.

Run with ``OMP_NUM_THREADS=1 python benchmarks/bench_trained_networks.py [DATASET ...]``.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_images

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common import seeds
from common.sparse import (
    Lasso,
    adverse_dictionary,
    bernoulli_samples,
    coded_samples,
    gaussian_dictionary,
    haar_dictionary,
    image_patches,
    start_network,
    train_growing,
)
from common.workflow import steps

N_STEPS = 4
N_PIXELS = 17**2  # of a digit, whose learned dictionary a Gaussian one stands in for


def problem(one, rng):
    """A dictionary of the sizes of a data set with its penalty, and what draws samples."""
    if one["dictionary"] == "haar":
        images = load_sample_images().images
        photographs = np.stack([image.mean(axis=2) / 255 for image in images])
        return (
            haar_dictionary(),
            one["reg"],
            lambda n: image_patches(photographs, n, size=8, rng=rng),
        )
    make = adverse_dictionary if one["dictionary"] == "adverse" else gaussian_dictionary
    D = make(one["n_atoms"], one.get("n_features", N_PIXELS), rng=rng)
    spread = {"density": one.get("density", 0.05), "scale": one.get("scale", 1.0)}

    def draw(n):
        return bernoulli_samples(D, n, **spread, rng=rng)

    reg = one["reg"]
    if reg is None:
        largest = np.abs(draw(2000) @ D.T).max(axis=1)
        reg = one["relative"] * float(np.median(largest[largest > 0]))
    return D, reg, draw


def seconds(one, kind, n_layers, rng):
    """Processor time of a step."""
    D, reg, draw = problem(one, rng)
    parts = [coded_samples(draw, one[name], D=D, reg=reg) for name in ("n_train", "n_held_out")]
    network = start_network(Lasso(D, reg=reg), kind, n_layers)
    begin = time.process_time()
    list(train_growing(network, *parts, depths=[n_layers], n_iter=N_STEPS))
    return (time.process_time() - begin) / N_STEPS


def main():
    """Print seconds of a step and hours."""
    datasets = steps.of("trainable-sparse-coding", {"scale": "paper"}).settings["networks"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="*", default=list(datasets), metavar="DATASET")
    total = 0.0
    for name in parser.parse_args().datasets:
        one, hours = datasets[name], {}
        rng = seeds.generator("trainable-sparse-coding", "benchmark", dataset=name)
        few, many = one["depths"][0], max(n for n in one["depths"] if n <= 12)
        for kind in one["kinds"]:
            low, high = (seconds(one, kind, n, rng) for n in (few, many))
            each = [low + (high - low) * (n - few) / (many - few) for n in one["depths"]]
            hours[kind] = sum(each) * one["n_iter"] * one["n_seeds"] / 3600
            print(f"{name:16} {kind:9} {few:2} layers {low:.3f} s, {many:2} layers {high:.3f} s")
        total += sum(hours.values())
        parts = ", ".join(f"{kind} {each:.1f}" for kind, each in hours.items())
        print(f"{name:16} {sum(hours.values()):.1f} core-hours: {parts}", flush=True)
    print(f"together {total:.0f} core-hours")


if __name__ == "__main__":
    main()
