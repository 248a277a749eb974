import numpy as np
import pandas as pd
import pytest
import scipy.integrate
import scipy.stats

from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.marks import (
    DENSITIES,
    NOISE,
    OFFSPRING,
    PARENT,
    branching_ratio,
    check_marked,
    mark_density,
    simulate_marked,
)

KERNEL, SHAPE = TruncatedGaussian(), [0.5, 0.1]
NAMES = list(DENSITIES)


def simulated(*, baseline=(0.8,), adjacency=((0.9,),), seed=0, end_time=2000.0, **options):
    rng = np.random.default_rng(seed)
    return simulate_marked(
        baseline, adjacency, KERNEL, SHAPE, length=1.0, end_time=end_time, rng=rng, **options
    )


@pytest.mark.parametrize("name", NAMES)
def test_integrals_of_a_density_are_those_of_quadrature(name):
    density = mark_density(name)

    def integral(function):
        return scipy.integrate.quad(function, 0, 1)[0]

    assert integral(density.value) == pytest.approx(1)
    assert integral(lambda k: k * density.value(k)) == pytest.approx(density.mean)
    assert integral(lambda k: density.value(k) ** 2) == pytest.approx(density.square)
    for other in DENSITIES.values():
        crossed = integral(lambda k, other=other: density.value(k) * other.value(k))
        assert crossed == pytest.approx(density.product(other))


@pytest.mark.parametrize("name", NAMES)
def test_drawn_marks_follow_their_density(name):
    density = mark_density(name)
    marks = density.sample(2000, rng=np.random.default_rng(1))
    spread = {"offset": density.offset, "slope": density.slope / 2}
    found = scipy.stats.kstest(marks, lambda k: spread["offset"] * k + spread["slope"] * k**2)
    assert found.pvalue > 1e-3
    assert marks.min() >= 0 and marks.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_share_of_offspring_is_the_branching_ratio(name):
    ratio = 0.6
    adjacency = [[ratio / mark_density(name).mean]]
    assert branching_ratio(adjacency, name) == pytest.approx(ratio)
    shares = []
    for seed in range(20):
        options = {"adjacency": adjacency, "density": name, "burn_in": 20.0, "seed": seed}
        _, (kinds,) = simulated(**options, end_time=500.0)
        shares.append(np.mean(kinds == OFFSPRING))
    # In a stationary process a share `ratio` of all events has a parent. Five standard errors.
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert np.mean(shares) == pytest.approx(ratio, abs=5 * error)


def test_strong_events_have_more_children_than_weak_ones():
    (events,), (kinds,) = simulated(end_time=20_000.0)
    strong = events[:, 1] > 0.5
    parents = kinds == PARENT
    immigrants = kinds < OFFSPRING
    # An immigrant of mark k has none with probability exp(-0.9 k).
    for chosen in (strong, ~strong):
        marks = events[immigrants & chosen, 1]
        expected = 1 - np.exp(-0.9 * marks)
        error = np.sqrt(np.sum(expected * (1 - expected))) / len(marks)
        share = np.mean(parents[immigrants & chosen])
        assert share == pytest.approx(expected.mean(), abs=5 * error + 1e-3)  # lost at the end


def test_children_are_in_the_process_of_the_row_of_the_adjacency():
    options = {"baseline": [0.0, 2.0], "adjacency": [[0.0, 1.2], [0.0, 0.0]]}
    (children, parents), kinds = simulated(**options, end_time=5000.0)
    assert np.all(kinds[0] == OFFSPRING) and np.all(kinds[1] < OFFSPRING)
    expected = 1.2 * parents[:, 1].sum()
    assert len(children) == pytest.approx(expected, abs=5 * np.sqrt(expected))


def test_spurious_events_are_a_poisson_process_of_their_own():
    quiet, _ = simulated()
    (events,), (kinds,) = simulated(noise=[1.5])
    spurious = events[kinds == NOISE]
    assert len(spurious) == pytest.approx(3000, abs=5 * np.sqrt(3000))
    assert scipy.stats.kstest(spurious[:, 0] / 2000, "uniform").pvalue > 1e-3
    assert scipy.stats.kstest(spurious[:, 1], "uniform").pvalue > 1e-3
    # They come last of all draws and excite nobody: the structured events stay as they were.
    np.testing.assert_array_equal(events[kinds != NOISE], quiet[0])


def test_events_are_sorted_and_within_the_record():
    (events,), _ = simulated(noise=[1.0], burn_in=5.0)
    assert np.all(np.diff(events[:, 0]) >= 0)
    assert events[0, 0] >= 0 and events[-1, 0] <= 2000


def test_tables_of_pandas_are_marked_events():
    table = pd.DataFrame({"time": [0.1, 0.2], "mark": [0.5, 1.0]})
    (times,), (marks,) = check_marked([table])
    assert times.tolist() == [0.1, 0.2] and marks.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (np.zeros((3, 2)), r"got one array of shape \(3, 2\). For a single process, pass"),
        ([], "got none"),
        ([[0.1, 0.2]], r"events\[0\] must have two columns, times and marks, got shape \(2,\)"),
        ([[[0.1, 1.5]]], r"mark of events\[0\]\[0\] is 1.5, outside of \[0, 1\] .* Divide"),
        ([[[0.1, np.nan]]], r"mark of events\[0\]\[0\] is nan"),
        ([[[0.2, 1.0], [0.1, 1.0]]], r"times of events\[0\] must be sorted"),
        ([[[11.0, 1.0]]], r"outside the record \[0, 10\] s"),
    ],
)
def test_bad_events_are_named(events, message):
    with pytest.raises(ValueError, match=message):
        check_marked(events, end_time=10.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adjacency": [[1.5]]}, "spectral radius of adjacency is 1; it must be below 1"),
        ({"density": "triangle"}, "density of the marks must be one of linear, uniform"),
        ({"noise": [1.0, 1.0]}, "noise must have one rate for each of 1 processes"),
        ({"noise": [-1.0]}, r"noise\[0\] is -1"),
        ({"burn_in": -1.0}, "burn_in must be at least 0 s, got -1.0 s"),
    ],
)
def test_bad_processes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        simulated(**options)
