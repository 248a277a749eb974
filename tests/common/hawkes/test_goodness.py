"""Goodness of fit: tests are calibrated and see what is wrong, and the picture shows them."""

import re
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats

from common.hawkes import (
    HawkesEstimator,
    IsotropicGaussian,
    MarkedHawkesEstimator,
    MixtureEstimator,
    SpaceTimeHawkes,
    SpaceTimeModel,
    TruncatedExponential,
    TruncatedGaussian,
    goodness_of_fit,
    simulate,
    simulate_marked,
)
from common.hawkes.goodness import rescaling_tests, uniformity_tests
from common.hawkes.residuals import rescaled_intervals

KERNEL, GRID = TruncatedGaussian(), {"delta": 0.02, "kernel_length": 1.0}
MODEL = [0.8, 0.5], [[0.4, 0.3], [0.0, 0.5]], KERNEL, [0.4, 0.1]
REGION = np.array([[-2.0, 2.0], [0.0, 3.0]])


def uniform(p_values):
    return scipy.stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_rescaling_tests_of_the_true_process_are_calibrated():
    found = {"law": [], "order": []}
    options = {"length": 1.0, "end_time": 40.0}
    for seed in range(200):
        events = simulate(*MODEL, rng=np.random.default_rng([seed, 1]), **options)
        for intervals in rescaled_intervals(events, *MODEL, **options):
            for test, values in rescaling_tests(intervals).items():
                found[test].append(values["p_value"])
    # Two processes a record, which are independent once their own pasts are accounted for.
    assert len(found["law"]) == 400
    assert uniform(found["law"]) and uniform(found["order"])


def test_residual_points_of_the_true_process_are_spread_evenly():
    where = {"region": REGION, "space_length": 1.0, "time_length": 1.0}
    model = SpaceTimeModel(
        [0.5], [[0.5]], IsotropicGaussian(), KERNEL, [0, 0.3], [0.4, 0.1], **where
    )
    found = {"time": [], "x": [], "y": []}
    for seed in range(80):
        rng = np.random.default_rng([seed, 2])
        events = model.simulate(4.0, rng=rng)
        (points,), _ = model.super_thinned(events, 4.0, rng=rng)
        for test, values in uniformity_tests(points, region=REGION, end_time=4.0).items():
            found[test].append(values["p_value"])
    assert all(map(uniform, found.values()))


def test_what_is_wrong_is_seen():
    options = {"length": 1.0, "end_time": 600.0}
    events = simulate(*MODEL, rng=np.random.default_rng(0), **options)
    poisson = HawkesEstimator(kernel=KERNEL, **GRID, mask=np.zeros((2, 2))).fit(events, 600.0)
    assert (
        goodness_of_fit(poisson, events, 600.0).table.groupby("test")["p_value"].max()["law"] < 1e-3
    )
    # Intervals of the right law in the wrong order.
    sorted_by_size = np.sort(np.random.default_rng(0).exponential(size=200))
    tests = rescaling_tests(sorted_by_size)
    assert tests["law"]["p_value"] > 0.01 and tests["order"]["p_value"] < 1e-10
    edge = np.column_stack([np.linspace(0, 6, 100), np.full(100, 1.9), np.linspace(0, 3, 100)])
    tests = uniformity_tests(edge, region=REGION, end_time=6.0)
    assert tests["x"]["p_value"] < 1e-10 and tests["time"]["p_value"] > 0.5


def test_a_few_residuals_are_not_tested():
    for values in rescaling_tests(np.ones(4)).values():
        assert np.isnan(values["p_value"])
    assert rescaling_tests(np.zeros(0))["order"]["n"] == 0
    few = uniformity_tests(np.zeros((4, 3)), region=REGION, end_time=6.0)
    assert np.isnan(few["x"]["p_value"]) and few["x"]["n"] == 4


def fitted(kind):
    """A fit, and events that it has not seen."""
    records = []
    for seed in (0, 1):
        rng, options = np.random.default_rng(seed), {"length": 1.0, "end_time": 200.0}
        if kind is HawkesEstimator:
            records.append(simulate(*MODEL, rng=rng, **options))
        elif kind is SpaceTimeHawkes:
            where = {"region": REGION, "space_length": 1.0, "time_length": 1.0}
            truth = SpaceTimeModel(
                [0.5], [[0.5]], IsotropicGaussian(), KERNEL, [0, 0.3], [0.4, 0.1], **where
            )
            records.append(truth.simulate(20.0, rng=rng))
        else:
            noise = [0.2] if kind is MixtureEstimator else None
            records.append(
                simulate_marked(
                    [0.5], [[1.2]], KERNEL, [0.4, 0.1], noise=noise, rng=rng, **options
                )[0]
            )
    if kind is SpaceTimeHawkes:
        grid = {"space_delta": 0.2, "time_delta": 0.1}
        return (
            kind(IsotropicGaussian(), KERNEL, **where, **grid).fit(records[0], 20.0),
            records[1],
            20.0,
        )
    options = {"n_starts": 1, "random_state": 0} if kind is MixtureEstimator else {}
    return kind(kernel=KERNEL, **GRID, **options).fit(records[0], 200.0), records[1], 200.0


@pytest.mark.parametrize(
    ("kind", "n_panels"),
    [(HawkesEstimator, 4), (MarkedHawkesEstimator, 2), (MixtureEstimator, 2), (SpaceTimeHawkes, 4)],
)
def test_every_estimator_has_one_shape(kind, n_panels):
    model, events, end_time = fitted(kind)
    report = goodness_of_fit(model, events, end_time, rng=np.random.default_rng(3))
    plane = kind is SpaceTimeHawkes
    tests = ["law", "order", "time", "x", "y"] if plane else ["law", "order"]
    assert report.table["test"].tolist() == tests * len(events)
    for found, expected in zip(report.intervals, model.residuals(events, end_time), strict=True):
        np.testing.assert_array_equal(found, expected)
    fig = report.plot()
    assert len(fig.axes) == n_panels
    if plane:
        assert fig.axes[2].get_xlabel() == "x (km)"
    first = report.table.iloc[0]
    assert f"p = {first['p_value']:.2g}" in fig.axes[0].get_title()
    drawn = fig.axes[0].lines[-1].get_ydata()
    np.testing.assert_allclose(drawn, np.sort(1 - np.exp(-report.intervals[0])))
    plt.close(fig)
    again = model.simulate(end_time, rng=np.random.default_rng(4))
    assert len(again) == len(events) and again[0].ndim == events[0].ndim
    assert np.isfinite(model.score(again, end_time))
    at = np.array([[1.0, 0.0, 1.0]]) if plane else np.array([1.0])
    times, intensity = model.intensity(events, end_time, at=at)
    assert len(times) == 1 and intensity.shape == (len(events), 1)


@pytest.mark.parametrize("kind", [HawkesEstimator, MarkedHawkesEstimator])
def test_times_of_an_intensity_are_checked(kind):
    model, events, end_time = fitted(kind)
    with pytest.raises(ValueError, match="at must be finite, got nan s"):
        model.intensity(events, end_time, at=[1.0, np.nan])


def test_in_the_plane_a_generator_is_asked_for():
    model, events, end_time = fitted(SpaceTimeHawkes)
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        goodness_of_fit(model, events, end_time)


def test_the_lines_of_the_readme_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"    from common\.hawkes import .*?\n(?=\S)", readme, re.DOTALL)
    options = {"length": 1.0, "end_time": 300.0, "rng": np.random.default_rng(0)}
    events = simulate([1.0], [[0.5]], TruncatedExponential(), [5.0], **options)
    scope = {"events": events, "end_time": 300.0}
    exec(textwrap.dedent(lines), scope)
    assert scope["report"].table["test"].tolist() == ["law", "order"]
    assert Path("residuals.png").stat().st_size > 0
    plt.close("all")
