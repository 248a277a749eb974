import numpy as np
import pandas as pd
import pytest

from common.hawkes.driven_starts import fit_best
from common.hawkes.session import simulate_session

TARGETS = pd.DataFrame(
    {
        "driver": ["auditory", "auditory", "visual", "visual"],
        "baseline_hz": [0.1, 0.9, 0.15, np.nan],
        "alpha": [0.8, 0.05, 0.6, np.nan],
        "mean_s": [0.09, 0.4, 0.19, np.nan],
        "sigma_s": [0.01, 0.02, 0.015, np.nan],
    }
)
OPTIONS = {
    "end_time": 1000.0,
    "intervals": (0.8, 1.1),
    "support": (0.03, 0.5),
    "heartbeat": {"interval": 1.0, "deviation": 0.05},
    "blink": {"rate": 0.2},
}


def test_each_response_follows_its_own_stimuli_as_the_strongest_target_says():
    session = simulate_session(TARGETS, **OPTIONS, rng=np.random.default_rng(0))
    assert list(session.events) == ["auditory", "visual", "heartbeat", "blink"]
    assert session.truth["auditory"] == (0.8, 0.09, 0.01)
    drivers = list(session.drivers.values())
    for own, (name, (weight, mean, sigma)) in enumerate(session.truth.items()):
        model = fit_best(session.events[name], drivers, 1000.0, lower=0.03, upper=0.5)
        n = weight * len(drivers[own])
        assert model.mean_[own] == pytest.approx(mean, abs=5 * sigma / np.sqrt(n))
        assert model.adjacency_[own] == pytest.approx(weight, abs=5 * weight / np.sqrt(n))
        assert model.adjacency_[1 - own] < 0.1


def test_artefacts_have_their_own_laws():
    session = simulate_session(TARGETS, **OPTIONS, rng=np.random.default_rng(1))
    intervals = np.diff(session.events["heartbeat"])
    assert intervals.mean() == pytest.approx(1.0, abs=4 * 0.05 / np.sqrt(1000))
    assert intervals.std() == pytest.approx(0.05, rel=0.1)
    assert len(session.events["blink"]) == pytest.approx(200, abs=4 * np.sqrt(200))


def test_errors_name_what_is_wrong():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"targets has no column sigma_s; it has driver, .*mean_s"):
        simulate_session(TARGETS.drop(columns="sigma_s"), **OPTIONS, rng=rng)
    with pytest.raises(ValueError, match=r"no row of targets is complete, of 1"):
        simulate_session(TARGETS.tail(1), **OPTIONS, rng=rng)
    with pytest.raises(ValueError, match=r"blink\['rate'\] must be at least 0 Hz, got -1 Hz"):
        simulate_session(TARGETS, **(OPTIONS | {"blink": {"rate": -1}}), rng=rng)
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, got None"):
        simulate_session(TARGETS, **OPTIONS, rng=None)
