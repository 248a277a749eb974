"""Experiments in the plane: Psi with and without borders, settings, fits, splits."""

import time

import numpy as np
import pytest

from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.space_time import SpaceTimeHawkes
from common.hawkes.space_time_grid import to_cells
from common.hawkes.space_time_kernels import IsotropicGaussian
from common.hawkes.space_time_loss import Kernels, Model, precompute_plane
from common.hawkes.space_time_study import (
    exact_psi,
    fit_timed,
    iteration_seconds,
    psi_without_borders,
    quake_estimator,
    random_split,
    simulated_process,
)

TG = {
    "baseline": 0.5,
    "adjacency": 0.6,
    "space": {"kernel": "gaussian", "mean": 0, "sigma": 0.2},
    "time": {"kernel": "truncated-gaussian", "mean": 0.5, "sigma": 0.2},
}
QUAKES = {"half_widths": [4, 5], "lengths": [2, 1], "deltas": [0.5, 0.1], "omori_delay": 0.1}


@pytest.mark.parametrize("exact", [True, False])
def test_psi_is_the_quadratic_form_of_the_loss(exact):
    model = simulated_process(TG, size=4, length=1.0)
    events = model.simulate(4.0, rng=np.random.default_rng(0))
    where = {"region": model.region, "end_time": 4.0}
    cells = to_cells(events, **where, space_delta=0.5, time_delta=0.25)
    psi = (exact_psi if exact else psi_without_borders)(cells, n_lags=(4, 2, 2))
    statistics = precompute_plane(cells, space_length=1.0, time_length=1.0, exact=exact)
    families = Model(IsotropicGaussian(), TruncatedGaussian(), 1.0, 1.0)
    theta = np.array([[0.1], [0.3]]), np.array([[0.4], [0.3]])
    kernels = Kernels.of(families, statistics, *theta)
    space, time = kernels.in_space[0], kernels.in_time[0]
    # Lag 0 in time is among the lags of psi, but no event acts on its own cell.
    phi = np.einsum("t,xy->txy", np.append(0.0, time[0]), space[0]).ravel()
    overlap = statistics.overlap(0, 0, space, time, space[0], time[0])
    assert phi @ psi @ phi == pytest.approx(overlap[0, 0], rel=1e-10)


def test_psi_without_borders_is_no_smaller():
    model = simulated_process(TG, size=4, length=1.0)
    events = model.simulate(4.0, rng=np.random.default_rng(0))
    where = {"region": model.region, "end_time": 4.0}
    cells = to_cells(events, **where, space_delta=0.5, time_delta=0.5)
    lags = {"n_lags": (2, 2, 2)}
    exact, rough = exact_psi(cells, **lags), psi_without_borders(cells, **lags)
    np.testing.assert_array_equal(exact, exact.T)
    assert np.all(rough >= exact)
    assert rough[0, 0] > 0


def test_an_unknown_kernel_or_parameter_is_refused():
    with pytest.raises(ValueError, match=r"no space kernel 'square'; known are gaussian, power"):
        simulated_process(TG | {"space": {"kernel": "square"}}, size=4, length=1.0)
    with pytest.raises(ValueError, match=r"the parameters of gaussian are mean, sigma, got width"):
        wrong = {"kernel": "gaussian", "width": 1}
        simulated_process(TG | {"space": wrong}, size=4, length=1.0)


def test_a_timed_fit_names_what_it_found():
    model = simulated_process(TG, size=6, length=1.0)
    events = model.simulate(10.0, rng=np.random.default_rng(0))
    row = fit_timed(model, events, 10.0, grid=(0.25, 0.25))
    found = [row[name] for name in ("baseline", "adjacency", "space_mean", "space_sigma")]
    found += [row["time_mean"], row["time_sigma"]]
    assert row["error"] == pytest.approx(
        np.linalg.norm(np.subtract(found, [0.5, 0.6, 0, 0.2, 0.5, 0.2]))
    )
    assert row["n_events"] == len(events[0])
    assert min(row[f"seconds_{part}"] for part in ("count", "search")) >= 0


def test_records_take_turns_while_iterations_are_timed(monkeypatch):
    model = simulated_process(TG, size=4, length=1.0)
    rng = np.random.default_rng(0)
    records = {T: model.simulate(T, rng=rng) for T in (2.0, 4.0)}
    seen = []

    def loss_and_gradient(self, statistics, receiver, parameters):
        seen.append(int(statistics.n_events[0]))
        np.testing.assert_array_equal(parameters.ravel(), [0, 0.2, 0.5, 0.2])

    monkeypatch.setattr(SpaceTimeHawkes, "loss_and_gradient", loss_and_gradient)
    ticks = iter(range(1000))
    monkeypatch.setattr(time, "process_time", lambda: float(next(ticks)))
    seconds = iteration_seconds(model, records, grid=(0.25, 0.25), n_calls=3)
    short, long = (len(each[0]) for each in records.values())
    assert seen == [short, long] * 4  # the first round is a warm-up, which takes no second of it
    assert seconds == pytest.approx({2.0: 1.0, 4.0: 1.0})


def test_quakes_have_a_background_that_decays_where_it_is_asked_for():
    options = {"first_day": 0.5, "settings": QUAKES}
    plain = quake_estimator("gaussian", "truncated-exponential", "constant", **options)
    decaying = quake_estimator("power-law", "truncated-exponential", "decaying", **options)
    assert len(plain.backgrounds) == 1
    assert decaying.backgrounds[1](np.array([1.0])) == pytest.approx(1 / 1.6)
    assert plain.space_kernel.names == ("sigma",)
    np.testing.assert_array_equal(plain.region, [[-4, 4], [-5, 5]])


def test_a_random_split_expects_as_many_events_as_it_leaves_out():
    rng = np.random.default_rng(0)
    points = np.column_stack([np.sort(30 * rng.random(600)), rng.random((600, 2)) * 8 - 4])
    estimator = quake_estimator(
        "gaussian", "truncated-exponential", "constant", first_day=0, settings=QUAKES
    )
    log_rates, expected = random_split(estimator, points, 30.0, rng=rng)
    assert len(log_rates) == pytest.approx(120, abs=4 * np.sqrt(96))
    # A least-squares fit expects as many events as there were to fit, up to its own error.
    assert expected == pytest.approx(120, rel=0.2)
