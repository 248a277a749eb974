"""Loss and gradient of covariances of phase harmonics with pywph, which is timed here.

    .venv-peers/bin/python benchmarks/peers/pywph_speed.py --size 256 --scales 5 --directions 8

The covariances are those of model C without shifts (`pairs` in ``benchmarks/bench_harmonics.py``),
of a real image, in all directions. They are computed in groups, as pywph's own examples do, each
with its own backward pass. Prints the processor time, the best of ``--repeats``, the peak of memory
in MB, and how many covariances there are.
"""

import argparse
import json
import resource
import time

import torch
from pywph import WPHOp


def operator(n, J, L, pairs, precision="single"):
    """pywph's operator with these covariances and no others.

    Parameters
    ----------
    n, J, L : int
        Side of the image, scales, directions in half a turn.
    pairs : list of tuple
        Scale, direction and harmonic of the first and of the second channel.

    Returns
    -------
    operator : WPHOp
    """
    made = WPHOp(n, n, J, L=L, cplx=True, dn=0, precision=precision)
    made.load_model([], extra_wph_moments=[[*pair, 0, 0, 0] for pair in pairs])
    return made


def step(made, x, target, per_group):
    """Gradient of the squared distance to `target`, one group after another.

    Returns
    -------
    loss : float
    """
    x.grad = None
    x, n_groups = made.preconfigure(x, requires_grad=True, nb_wph_cov_per_chunk=per_group)
    total = 0.0
    for group in range(n_groups):
        found, places = made.apply(x, group, norm="auto", ret_indices=True)
        loss = (found - target[places]).abs().square().sum()
        loss.backward(retain_graph=True)
        total += loss.item()
    return total


def covariances(made, x, per_group):
    """Those of an image, whose means and scales the operator keeps from now on."""
    made.clear_normalization()
    x, n_groups = made.preconfigure(x, nb_wph_cov_per_chunk=per_group)
    return torch.cat([made.apply(x, group, norm="auto") for group in range(n_groups)]).detach()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--scales", type=int, default=5)
    parser.add_argument("--directions", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--per-group", type=int, default=30, help="covariances computed at once")
    parser.add_argument("--pairs", required=True, help="file of the covariances, JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with open(options.pairs, encoding="utf-8") as file:
        pairs = json.load(file)
    n, images = options.size, []
    for seed in range(2):
        generator = torch.Generator().manual_seed(seed)
        images.append(torch.randn(n, n, generator=generator))
    made = operator(n, options.scales, options.directions, pairs)
    target = covariances(made, images[0], options.per_group)
    times = []
    for _ in range(options.repeats):
        clock = time.process_time()
        step(made, images[1], target, options.per_group)
        times.append(time.process_time() - clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{min(times):.4f} {peak:.0f} {len(target)}")


if __name__ == "__main__":
    main()
