"""Cost of a step of each policy search: ADDA beside DADA and Faster AutoAugment, in one process.

Every search makes steps of the same network on the same planted signals, in turns, on one thread.
Prints the median processor time of a step, its ratio to ADDA's, and the time over that of one
gradient pass (forward and backward) through the network, of which the searches make five (bilevel)
or three (critic). Two lists of operations: with more of them, weighted sums compute more, and DADA
has more logits; ADDA draws one operation per stage.

Run with ``python benchmarks/bench_search.py``.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.augmentation.search import make_operations
from common.augmentation.search.planted import OPERATIONS, SFREQ, draw_planted, planted_network
from common.augmentation.search.policies import PolicySpace
from common.augmentation.search.searching import _Bilevel, _Critic, single_pass

LISTS = {
    "5 operations": OPERATIONS,
    "9 operations": (
        *OPERATIONS, "ft-surrogate", "smooth-time-mask", "channels-dropout", "channels-shuffle",
    ),
}  # fmt: skip
SEARCHES = {
    "ADDA": ("adda", "stages", 1),
    "CADDA (5 classes)": ("adda", "stages", 5),
    "Gumbel-softmax": ("gumbel", "stages", 1),
    "weighted sum": ("weighted", "stages", 1),
    "DADA": ("dada", "pairs", 1),
    "Faster AutoAugment": ("faster-aa", "stages", 1),
}


def searches(names):
    """One state of each search, on networks with equal weights."""
    operations = make_operations(names, sfreq=SFREQ)
    found = {}
    for name, (method, kind, n_groups) in SEARCHES.items():
        torch.manual_seed(0)
        space = PolicySpace(operations, kind=kind, n_groups=n_groups)
        state = _Critic if method == "faster-aa" else _Bilevel
        found[name] = state(planted_network(), space, method, 5, lr=3e-3, policy_lr=0.05)
    return found


def take_turns(functions, *, rounds, repeats=3):
    """Median processor time (s) of each function; they alternate."""
    times = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            clock = time.process_time()
            for _ in range(repeats):
                function()
            times[name].append((time.process_time() - clock) / repeats)
    return {name: statistics.median(spent) for name, spent in times.items()}


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    data = draw_planted(10, 10, 1, rng=np.random.default_rng(0))
    network = planted_network()
    print("processor time of a step (ms), over that of ADDA, over one gradient pass")
    for title, names in LISTS.items():
        states = searches(names)
        functions = {"gradient pass": lambda: single_pass(network, *data.train)}
        functions |= {
            name: lambda state=state: state.step(data.train, data.valid)
            for name, state in states.items()
        }
        spent = take_turns(functions, rounds=arguments.rounds)
        print(f"{title}, batches of {len(data.train[0])} x 2 x 256")
        for name, seconds in spent.items():
            print(
                f"  {name:20s} {seconds * 1e3:7.2f} {seconds / spent['ADDA']:6.2f} "
                f"{seconds / spent['gradient pass']:6.1f}"
            )


if __name__ == "__main__":
    with threadpool_limits(limits=1):
        torch.set_num_threads(1)
        main()
