"""Learners of tick, where they are installed, find what was simulated."""

import json

import numpy as np
import pytest

from common.hawkes import Process
from common.hawkes.tick import fit_tick
from common.workflow import peers


def test_an_unknown_method_is_named():
    with pytest.raises(ValueError, match="no method 'em' of tick; known are tick-em, tick-basis"):
        fit_tick("em", [np.ones(1)], end_time=2, delta=0.1, kernel_length=1)


def test_the_time_is_that_of_the_processor(monkeypatch):
    result = {"baseline": [1.0], "kernel": [[[0.0]]], "seconds": 9.0, "cpu_seconds": 2.0}

    def run(peer, script, given, flag, found, *options):
        found.write_text(json.dumps(result))

    monkeypatch.setattr(peers, "run", run)
    options = {"end_time": 10, "delta": 0.1, "kernel_length": 1}
    assert fit_tick("tick-em", [np.array([1.0, 2.0, 9.0])], **options).seconds == 2


@pytest.mark.skipif(not peers.installed("tick"), reason="no tick: make peers")
@pytest.mark.parametrize("method", ["tick-em", "tick-basis-kernels"])
def test_tick_finds_the_branching_ratio(method):
    settings = {"baseline": 1.0, "adjacency": 0.5, "parameters": {"u": 0.2, "sigma": 0.2}}
    process = Process.from_settings("raised-cosine", settings | {"length": 1})
    events = process.simulate(2000, rng=np.random.default_rng(0))
    fit = fit_tick(method, events, end_time=2000, delta=0.05, kernel_length=1)
    # About 4,000 events: the standard error of the branching ratio is below 0.03.
    assert fit.kernels.sum() * 0.05 == pytest.approx(0.5, abs=0.15)
    assert fit.seconds > 0
