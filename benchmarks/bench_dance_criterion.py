"""Training criterion of DANCE: forward and backward, ours against braindecode's ``DanceLoss``.

Both run on the same batch in one process on one thread, taking turns, so that a busy machine slows
both. Prints the median time of each, their ratio, how far value and gradients differ, and where our
time goes. Run with ``python benchmarks/bench_dance_criterion.py``.
"""

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path

import torch
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.events import criterion


def make_batch(*, batch, n_queries, n_tokens, n_events, n_classes, seed=0):
    """Random answers and targets of the shapes that a training step sees."""
    rng = torch.Generator().manual_seed(seed)
    output = {
        "class": torch.randn(batch, n_queries, n_classes + 1, generator=rng),
        "start": 0.9 * torch.rand(batch, n_queries, generator=rng),
        "dense": torch.randn(batch, n_tokens, n_classes + 1, generator=rng),
    }
    output["end"] = output["start"] + 0.1 * torch.rand(batch, n_queries, generator=rng)
    start = 0.95 * torch.rand(batch, n_events, generator=rng)
    targets = {
        "start": start,
        "end": start + 0.05 * torch.rand(batch, n_events, generator=rng),
        "class": torch.randint(1, n_classes + 1, (batch, n_events), generator=rng),
    }
    for values in output.values():
        values.requires_grad_()
    return output, targets


def step(loss_function, output, targets):
    """One forward and backward pass: value and gradients."""
    for values in output.values():
        values.grad = None
    loss = loss_function(output, targets)[0]
    loss.backward()
    return loss.detach(), [values.grad for values in output.values()]


def seconds(function, *, repeats):
    """Median wall time of a call, in s."""
    function()
    times = []
    for _ in range(repeats):
        clock = time.perf_counter()
        function()
        times.append(time.perf_counter() - clock)
    return statistics.median(times)


def assignment_costs(output, targets):
    """Cost matrices that the matching of this batch solves, one per window."""
    costs = []

    def record(cost):
        costs.append(cost)
        return linear_sum_assignment(cost)

    criterion.linear_sum_assignment = record
    try:
        criterion.match(output, targets)
    finally:
        criterion.linear_sum_assignment = linear_sum_assignment
    return costs


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--n-queries", type=int, default=150)
    parser.add_argument("--n-tokens", type=int, default=256)
    parser.add_argument("--n-events", type=int, default=20)
    parser.add_argument("--n-classes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    options = vars(parser.parse_args())
    rounds = options.pop("rounds")
    warnings.simplefilter("ignore")
    from braindecode.training.losses import DanceLoss

    torch.set_num_threads(1)
    output, targets = make_batch(**options)
    ours = criterion.SetCriterion()
    theirs = DanceLoss(num_latents=options["n_tokens"])

    (value, gradients), (expected, expected_gradients) = (
        step(loss, output, targets) for loss in (ours, theirs)
    )
    difference = max(
        abs(float(value - expected)),
        *(float((a - b).abs().max()) for a, b in zip(gradients, expected_gradients, strict=True)),
    )
    times = {"ours": [], "braindecode": []}
    for _ in range(rounds):
        for name, loss in (("ours", ours), ("braindecode", theirs)):
            clock = time.perf_counter()
            step(loss, output, targets)
            times[name].append(time.perf_counter() - clock)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(", ".join(f"{name}={number}" for name, number in options.items()), "| 1 thread")
    for name, median in medians.items():
        print(f"{name:12s} {1e3 * median:8.2f} ms (best {1e3 * min(times[name]):.2f} ms)")
    print(f"ratio        {medians['braindecode'] / medians['ours']:8.1f}")
    print(f"largest difference of value and gradients: {difference:.1e}")

    print("where our time goes (forward, in ms):")
    n_tokens = options["n_tokens"]
    pairs = criterion.match(output, targets)
    costs = assignment_costs(output, targets)
    parts = {
        "matching": lambda: criterion.match(output, targets),
        "  of which assignment": lambda: [linear_sum_assignment(cost) for cost in costs],
        "class term": lambda: criterion._class_term(output, targets, pairs),
        "IoU term": lambda: criterion._iou_term(output, targets, pairs, "matched"),
        "dense labels": lambda: criterion.dense_labels(targets, n_tokens),
        "consistency term": lambda: criterion._consistency_term(output),
        "whole forward": lambda: ours(output, targets),
    }
    for name, function in parts.items():
        print(f"  {name:22s} {1e3 * seconds(function, repeats=50):6.2f}")


if __name__ == "__main__":
    main()
