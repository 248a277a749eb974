"""Learners of the library tick, to compare with; they run in the environment of peers."""

import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.hawkes.pairs import check_record, check_sorted
from common.workflow import peers

__all__ = ["TickFit", "fit_tick"]

_SCRIPT = "benchmarks/peers/tick_hawkes.py"
_LEARNERS = {"tick-em": "em", "tick-basis-kernels": "basis"}


class TickFit(NamedTuple):
    """What tick found.

    Attributes
    ----------
    baseline : ndarray, shape (n_processes,)
        In Hz.
    kernels : ndarray, shape (n_processes, n_processes, n_lags)
        In Hz; their mass is the branching ratio.
    seconds : float
        Of processor time, of the fit alone, without import and reading.
    """

    baseline: np.ndarray
    kernels: np.ndarray
    seconds: float


def fit_tick(method, events, *, end_time, delta, kernel_length, max_iter=800):
    """Fit with a learner of tick, on one thread.

    Parameters
    ----------
    method : {"tick-em", "tick-basis-kernels"}
        ``HawkesEM``, or ``HawkesBasisKernels`` with one basis function.
    events : sequence of ndarray, each of shape (n_events_i,)
        In s.
    end_time, delta, kernel_length : float
        In s; kernels have ``round(kernel_length / delta)`` bins.
    max_iter : int, default=800
        Of the paper's comparison with free kernels; its benchmark has others, by kernel.

    Returns
    -------
    fit : TickFit

    Raises
    ------
    ValueError
        If the method is unknown, times are unsorted or outside the record, or the record does not
        begin at 0 (`common.hawkes.pairs.check_record`, which also warns).
    RuntimeError
        If tick is not installed or fails; see `common.workflow.peers`.
    """
    if method not in _LEARNERS:
        raise ValueError(f"no method {method!r} of tick; known are {', '.join(_LEARNERS)}.")
    events = [check_sorted(x, name=f"events[{i}]", end_time=end_time) for i, x in enumerate(events)]
    check_record(events, end_time=end_time, kernel_length=kernel_length, delta=delta)
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "events.npz"), Path(folder, "fit.json")
        arrays = {f"events_{i}": times for i, times in enumerate(events)}
        np.savez(given, end_time=end_time, **arrays)
        options = ["--learner", _LEARNERS[method], "--kernel-length", kernel_length]
        options += ["--n-lags", round(kernel_length / delta), "--max-iter", max_iter]
        peers.run("tick", _SCRIPT, given, "--output", found, *options)
        result = json.loads(found.read_text(encoding="utf-8"))
    return TickFit(np.array(result["baseline"]), np.array(result["kernel"]), result["cpu_seconds"])
