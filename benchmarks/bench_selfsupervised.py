"""A training step of S-JEPA against a plain loop that encodes each context and target for itself.

The plain loop takes one context of the masks at a time: it makes the tokens of its channels and
encodes them, makes the tokens of all channels and encodes the target, and predicts each of the
context's targets. Ours makes tokens once per batch and the target once per example, encodes all
contexts together, and predicts the targets of a context as one sequence. Forward, backward and
AdamW, in one process on one thread, taking turns. Prints the median processor time of each, the
ratio, and by how much losses and gradients differ, relative to the largest. No dropout, so that
both compute the same loss.

Run with ``python benchmarks/bench_selfsupervised.py``.
"""

import argparse
import copy
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common import training
from common.recordings.electrodes import TEN_TWENTY
from common.selfsupervised.examples import template
from common.selfsupervised.masks import draw_masks
from common.selfsupervised.network import JEPA, Encoder

SMALL = {"n_encoder_layers": 2, "n_predictor_layers": 1, "feedforward": 128}
FULL = {"n_encoder_layers": 8, "n_predictor_layers": 4, "feedforward": 2048}
# Network, samples, examples, contexts per example, targets per context, rounds.
CASES = {
    "embedded, 1 s, 2 x 1": (SMALL, 152, 16, 2, 1, 15),
    "embedded, 4 s, 2 x 1": (SMALL, 536, 16, 2, 1, 15),
    "small, 4 s, 8 x 2": (SMALL, 536, 16, 8, 2, 5),
    "full, 4 s, 8 x 2": (FULL, 536, 8, 8, 2, 1),
}


def plain_loss(model, X, masks):
    """Each context, and the target beside it, from the signals."""
    total, number = 0.0, 0
    rows = torch.arange(len(X))[:, None]
    for k in range(masks.context.shape[1]):
        context = torch.from_numpy(masks.context[:, k])
        places = model.tokens(X[:1])[1]
        local = _local(model, X[rows, context]) + places[context].flatten(1, 2)
        memory = model.encoder.transformer.encoder(local)
        wanted = model.targets(model.tokens(X)[0])
        for g in range(masks.target.shape[2]):
            target = torch.from_numpy(np.ascontiguousarray(masks.target[:, k, g]))
            counted = torch.from_numpy(np.ascontiguousarray(masks.counted[:, k, g]))
            n_tokens = places.shape[1]
            padding = ~counted.repeat_interleave(n_tokens, dim=1)
            queries = (model.mask_token + places[target]).flatten(1, 2)
            found = model.encoder.transformer.decoder(
                queries, memory, tgt_key_padding_mask=padding if padding.any() else None
            )
            apart = (found - wanted[rows, target].flatten(1, 2)).abs()
            apart = apart.unflatten(1, (-1, n_tokens)).mean(dim=(-2, -1))
            total, number = total + apart[counted].sum(), number + counted.sum()
    return total / number


def _local(model, X):
    """Tokens of some channels: braindecode's layers between its rearrangements."""
    hidden = X.flatten(0, 1)[:, None]
    for layer in list(model.encoder.feature_encoder)[1:-1]:
        hidden = layer(hidden)
    return hidden.unflatten(0, X.shape[:2]).transpose(2, 3).flatten(1, 2)


def stepper(model, loss, X, masks):
    """A function that makes one step, and gives loss and gradients."""
    optimizer = torch.optim.AdamW(model.trained(), lr=0.0, weight_decay=0.0, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        value = loss(model, X, masks)
        value.backward()
        optimizer.step()
        return value.item()

    def gradients():
        return torch.cat([p.grad.flatten() for p in model.trained() if p.grad is not None])

    return step, gradients


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    arguments = parser.parse_args()
    channels = template(TEN_TWENTY)
    print("one step, median processor time (ms): plain, ours, ratio; loss, gradients apart by")
    for case in arguments.cases:
        size, n_times, n_examples, n_contexts, n_targets, rounds = CASES[case]
        with training.reproducible(0):
            model = JEPA(Encoder(channels, n_times, **size))
            X = torch.randn(n_examples, len(channels), n_times)
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            elif isinstance(module, torch.nn.MultiheadAttention):
                module.dropout = 0.0
        masks = draw_masks(
            model.encoder.positions,
            radius=0.8,
            n_examples=n_examples,
            n_context=8,
            n_target=4,
            n_contexts=n_contexts,
            n_targets=n_targets,
            rng=np.random.default_rng(0),
        )
        plain = stepper(copy.deepcopy(model), plain_loss, X, masks)
        ours = stepper(model, lambda m, *batch: m.loss(*batch), X, masks)
        values = [one[0]() for one in (plain, ours)]
        grads = [one[1]() for one in (plain, ours)]
        apart = float((grads[0] - grads[1]).abs().max() / grads[0].abs().max())
        times = [[], []]
        for _ in range(rounds):
            for (step, _), spent in zip((plain, ours), times, strict=True):
                clock = time.process_time()
                step()
                spent.append(time.process_time() - clock)
        slow, fast = (1e3 * statistics.median(spent) for spent in times)
        loss_apart = abs(values[0] - values[1]) / abs(values[0])
        print(
            f"  {case:22s} {slow:9.1f} {fast:9.1f} {slow / fast:6.2f} x   "
            f"{loss_apart:.0e}, {apart:.0e}"
        )


if __name__ == "__main__":
    with threadpool_limits(limits=1):
        torch.set_num_threads(1)
        main()
