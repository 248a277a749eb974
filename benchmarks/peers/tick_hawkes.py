"""Fit a Hawkes process with tick, in any interpreter that has it; the result is JSON.

tick is a peer to compare with, not a dependency. The input is an .npz file with the event times of
each channel, in s, as ``events_0``, ``events_1`` … and ``end_time``. The output holds the seconds
that ``fit`` took (no import, no reading), the baselines in Hz and the kernels in Hz at the middle
of each lag bin. tick's kernels include the branching ratio: it is ``sum(kernel) * delta``.
Run with ``python benchmarks/peers/tick_hawkes.py events.npz --learner basis``.
"""

import argparse
import json
import sys
import time
from importlib import metadata, util
from pathlib import Path

import numpy as np


def require_tick():
    """Exit with one line where tick, or what its learners need, is missing."""
    missing = [name for name in ("tick", "numpydoc", "six") if util.find_spec(name) is None]
    if missing:
        install = "-m pip install tick==0.8.0.2 numpydoc six"
        sys.exit(f"No {', '.join(missing)} here. Install: {sys.executable} {install}")


def read_events(path):
    """Event times of each channel, and the end of the recording."""
    try:
        file = dict(np.load(path))
    except (OSError, ValueError) as error:
        sys.exit(f"{path} cannot be read as .npz: {error}")
    n_channels = sum(name.startswith("events_") for name in file)
    wanted = ["end_time", *(f"events_{i}" for i in range(max(n_channels, 1)))]
    if not set(wanted) <= set(file):
        sys.exit(f"{path} must hold {', '.join(wanted)}; it has {sorted(file)}.")
    end_time, *events = (np.array(file[name], dtype=float) for name in wanted)
    for i, t in enumerate(events):
        # tick crashes the interpreter or returns NaN on what is excluded here.
        if not (
            t.ndim == 1 and len(t) and np.all(np.diff(t) >= 0) and t[0] >= 0 and t[-1] < np.inf
        ):
            sys.exit(f"events_{i} of {path} must be increasing times from 0 on, in s.")
        if t[-1] > end_time:
            sys.exit(f"events_{i} of {path} ends at {t[-1]:g} s, after end_time={end_time:g} s.")
    return events, float(end_time)


def make_learner(learner, *, kernel_length, n_lags, n_basis, decay, max_iter, tol, threads):
    """A learner of tick."""
    from tick import hawkes

    shared = {"max_iter": max_iter, "tol": tol}
    if learner == "exp":
        return hawkes.HawkesExpKern(decays=decay, **shared)
    shared |= {"kernel_support": kernel_length, "kernel_size": n_lags, "n_threads": threads}
    if learner == "em":
        return hawkes.HawkesEM(**shared)
    return hawkes.HawkesBasisKernels(n_basis=n_basis, **shared)


def main():
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=Path)
    parser.add_argument("--learner", choices=("basis", "em", "exp"), default="basis")
    parser.add_argument("--kernel-length", type=float, default=1.0, help="in s")
    parser.add_argument("--n-lags", type=int, default=100, help="bins of the kernel")
    parser.add_argument("--n-basis", type=int, default=1, help="of the learner basis")
    parser.add_argument("--decay", type=float, default=5.0, help="of the learner exp, in Hz")
    parser.add_argument("--max-iter", type=int, default=800)
    parser.add_argument("--tol", type=float, default=1e-5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the starting point")
    parser.add_argument("--output", type=Path, help="JSON file; standard output otherwise")
    settings = vars(parser.parse_args())
    path, output, seed = (settings.pop(name) for name in ("events", "output", "seed"))
    require_tick()
    events, end_time = read_events(path)
    np.random.seed(seed)  # noqa: NPY002 (the generator that tick draws its starting point from)
    model = make_learner(**settings)
    # The exponential learner takes the last event for the end of the recording.
    until = {} if settings["learner"] == "exp" else {"end_times": end_time}
    clocks = np.array([time.perf_counter(), time.process_time()])
    model.fit(events, **until)
    seconds, cpu_seconds = np.array([time.perf_counter(), time.process_time()]) - clocks
    delta, channels = settings["kernel_length"] / settings["n_lags"], range(len(events))
    lags = (np.arange(settings["n_lags"]) + 0.5) * delta
    kernel = [[model.get_kernel_values(i, j, lags).tolist() for j in channels] for i in channels]
    n_iter = int(model.get_history("n_iter")[-1]) if hasattr(model, "get_history") else None
    result = {"tick": metadata.version("tick"), **settings, "seed": seed, "n_iter": n_iter}
    result |= {"seconds": seconds, "cpu_seconds": cpu_seconds}
    result |= {"baseline": model.baseline.tolist(), "lags": lags.tolist(), "kernel": kernel}
    (output.write_text if output else print)(json.dumps(result))


if __name__ == "__main__":
    main()
