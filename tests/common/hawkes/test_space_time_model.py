"""Simulation, intensity, likelihood and residuals in the plane and in time."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from common.hawkes.kernels import TruncatedExponential, TruncatedGaussian
from common.hawkes.space_time_kernels import IsotropicGaussian, PowerLaw
from common.hawkes.space_time_model import Omori, SpaceTimeModel, constant
from common.workflow import memory

WHERE = {"region": [[-2, 2], [0, 3]], "space_length": 1.0, "time_length": 1.0}
END = 8.0


def model(**changes):
    given = {
        "baseline": [0.4],
        "adjacency": [[0.6]],
        "space_kernel": PowerLaw(centred=True),
        "time_kernel": TruncatedGaussian(),
        "space_parameters": [0.05],
        "time_parameters": [0.3, 0.2],
    }
    return SpaceTimeModel(**(given | WHERE | changes))


def pair():
    """Two processes, of which one acts on the other, and a background that decays."""
    return model(
        baseline=[[0.2, 0.5], [0.3, 0.0]],
        adjacency=[[0.3, 0.0], [0.7, 0.2]],
        backgrounds=[constant, Omori(0.5)],
    )


@pytest.fixture(scope="module")
def records():
    return [pair().simulate(END, rng=np.random.default_rng(seed)) for seed in range(150)]


def test_events_lie_in_region_and_record_and_are_sorted(records):
    for points in records[0]:
        assert np.all((points >= [0, -2, 0]) & (points <= [END, 2, 3]))
        assert np.all(np.diff(points[:, 0]) >= 0)


def test_counts_less_compensator_have_mean_zero(records):
    # A martingale: its variance is the mean of the compensator.
    counts = np.array([[len(points) for points in events] for events in records])
    spent = np.array([pair().compensator([END], events, END)[:, 0] for events in records])
    z = (counts - spent).sum(0) / np.sqrt(spent.sum(0))
    assert np.all(np.abs(z) < 4)


def test_intensity_is_the_sum_over_earlier_events():
    process, events = pair(), pair().simulate(END, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    points = rng.random((20, 3)) * [END, 4, 3] + [0, -2, 0]
    expected = np.zeros((2, 20))
    for i, (number, (t, x, y)) in ((i, each) for i in range(2) for each in enumerate(points)):
        expected[i, number] = process.baseline[i] @ [1, 1 / (t + 0.5)]
        for j, sources in enumerate(events):
            lag = [t, x, y] - sources[sources[:, 0] < t]
            space = process.space_kernel.value(lag[:, 1], lag[:, 2], [0.05], length=1.0)
            time = process.time_kernel.value(lag[:, 0], [0.3, 0.2], length=1.0)
            expected[i, number] += process.adjacency[i, j] * (space @ time)
    np.testing.assert_allclose(process.intensity(points, events, END), expected, rtol=1e-10)


def test_an_event_does_not_act_on_itself_or_on_what_comes_at_the_same_time():
    events = [np.array([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]])]
    np.testing.assert_allclose(model().intensity(events[0], events, END), 0.4)


def test_compensator_is_the_integral_of_the_intensity():
    process = model(time_kernel=TruncatedExponential(), time_parameters=[2.0])
    events = [np.array([[0.5, 1.9, 0.1], [1.2, -1.0, 2.0]])]  # one beside a corner
    n, total = 60, 0.0
    middles = (np.arange(n) + 0.5) / n
    grid = np.stack(np.meshgrid(4 * middles - 2, 3 * middles, indexing="ij")).reshape(2, -1).T
    times = (np.arange(150) + 0.5) / 150 * 1.8
    for t in times:
        points = np.column_stack([np.full(len(grid), t), grid])
        total += process.intensity(points, events, END)[0].mean() * 12 * 1.8 / 150
    # The midpoint rule is off by a few permille where the kernel peaks within a cell.
    assert process.compensator([1.8], events, END)[0, 0] == pytest.approx(total, rel=1e-2)


def test_rescaled_intervals_are_exponential_and_the_test_is_calibrated(records):
    # Pooled over records, p-values of Kolmogorov and Smirnov's test are uniform.
    p_values = [
        scipy.stats.kstest(
            np.diff(pair().compensator(points[:, 0], events, END)[i]), "expon"
        ).pvalue
        for events in records
        for i, points in enumerate(events)
    ]
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_super_thinned_points_are_a_poisson_process(records):
    counts, places = [], []
    for seed, events in enumerate(records):
        rng = np.random.default_rng([seed, 5])
        residuals, rates = pair().super_thinned(events, END, rng=rng, rate=1.5)
        assert np.all(rates == 1.5)
        counts += [len(points) for points in residuals]
        places += residuals
    expected = 1.5 * 12 * END
    assert np.mean(counts) == pytest.approx(expected, abs=4 * np.sqrt(expected / len(counts)))
    places = np.concatenate(places)
    for axis, (low, size) in enumerate(((0, END), (-2, 4), (0, 3))):
        shares = np.histogram(places[:, axis], 12, (low, low + size))[0]
        assert scipy.stats.chisquare(shares).pvalue > 1e-3


def test_the_rate_of_residuals_is_that_of_events_by_default(records):
    _, rates = pair().super_thinned(records[0], END, rng=np.random.default_rng(0))
    np.testing.assert_allclose(rates, [len(points) / (12 * END) for points in records[0]])


def test_log_likelihood_of_the_parts_is_that_of_the_whole(records):
    whole, spent = pair().log_likelihood_terms(records[0], END)
    late, spent_late = pair().log_likelihood_terms(records[0], END, begin=5.0)
    early_events = [points[points[:, 0] <= 5.0] for points in records[0]]
    early, spent_early = pair().log_likelihood_terms(early_events, 5.0)
    assert whole.sum() == pytest.approx(early.sum() + late.sum())
    assert spent == pytest.approx(spent_early + spent_late)


def test_the_truth_has_the_best_likelihood_on_average(records):
    worse = [
        model(
            **{"adjacency": [[0.3, 0.0], [0.7, 0.2]], "baseline": [[0.2, 0.5], [0.3, 0.0]]}
            | {"backgrounds": [constant, Omori(0.5)]}
            | change
        )
        for change in ({"space_parameters": [0.2]}, {"time_parameters": [0.6, 0.2]})
    ]
    for other in worse:
        gain = [
            pair().log_likelihood(events, END) - other.log_likelihood(events, END)
            for events in records[:40]
        ]
        assert np.mean(gain) > 4 * np.std(gain) / np.sqrt(40)


def test_a_decaying_background_decays():
    process = model(baseline=[[0.0, 2.0]], adjacency=[[0.0]], backgrounds=[constant, Omori(0.1)])
    events = [process.simulate(END, rng=np.random.default_rng(seed))[0] for seed in range(100)]
    times = np.concatenate(events)[:, 0]
    expected = 2 * 12 * np.diff(np.log(np.array([0, 0.2, 1, 3, END]) + 0.1))
    counts = np.histogram(times, [0, 0.2, 1, 3, END])[0] / 100
    assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected / 100))
    spent = process.compensator([0.2, 1, 3, END], [np.zeros((0, 3))], END)[0]
    np.testing.assert_allclose(np.diff(spent, prepend=0), expected, rtol=1e-6)


def test_a_process_that_would_explode_is_refused():
    with pytest.raises(ValueError, match=r"spectral radius of the adjacency is 1.2.*smaller"):
        model(adjacency=[[1.2]]).simulate(END, rng=np.random.default_rng(0))


def test_more_events_than_memory_are_refused(monkeypatch):
    # 0.4 immigrants on 12 units of area for 8 of time, and 1.5 descendants each: 96 of 120 bytes.
    monkeypatch.setattr(memory, "limit", lambda: (0.01151, "this machine"))
    with pytest.raises(ValueError, match=r"simulating about 96 events needs"):
        model().simulate(END, rng=np.random.default_rng(0))
    monkeypatch.setattr(memory, "limit", lambda: (0.01153, "this machine"))
    model().simulate(END, rng=np.random.default_rng(0))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"one column a background, 1, got shapes \(1, 1\) and \(2, 1\)"
    ):
        model(baseline=[0.4, 0.4])
    with pytest.raises(ValueError, match=r"time_parameters must have shape \(2, 1, 1\)"):
        model(time_parameters=np.ones((2, 2, 2)))


def score(backgrounds):
    process = model(baseline=[[0.4] * len(backgrounds)], backgrounds=backgrounds)
    return process.log_likelihood([np.array([[1.0, 0.0, 1.0]])], END)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: model(unit="miles"), "unit must be one of km, .*, degrees, got 'miles'"),
        (lambda: model(unit="degree"), "got 'degree'. Did you mean 'degrees'"),
        (lambda: model(space_length=1e-300), "has hardly any mass within 1e-300 of the event"),
        (lambda: model(space_parameters=[1e250]), r"scale=1e\+250 has hardly any mass within"),
        (lambda: model(backgrounds=()), "backgrounds is empty: a process needs one at least"),
        (lambda: model(backgrounds=constant), "backgrounds must be a sequence of functions of"),
        (lambda: model(backgrounds=[1.0]), r"backgrounds\[0\] must be a function of time, got 1.0"),
        (
            lambda: score([constant, lambda t: t * np.nan]),
            r"backgrounds\[1\] must be finite and at least 0, got nan at index 0",
        ),
        (
            lambda: score([lambda t: -np.ones_like(t)]),
            r"backgrounds\[0\] must be finite and at least 0, got -1.0 at index 0",
        ),
        (
            lambda: score([lambda t: 1.0]),
            r"backgrounds\[0\] must give one value for each time, of shape \(1,\), got shape \(\)",
        ),
        (lambda: score([lambda t: np.ones(7)]), r"of shape \(1,\), got shape \(7,\)"),
        (
            lambda: model().super_thinned(
                [np.array([[1.0, 0.0, 1.0]])], END, rng=np.random.default_rng(0), rate=1e300
            ),
            r"rate must be above 0 and at most .*, got 1e\+300",
        ),
        (
            lambda: Omori(0.1)(np.array([-1.0, 2.0])),
            "times must be finite and above -0.1, got -1.0",
        ),
        (lambda: Omori(0.1)([np.nan]), "times must be finite and above -0.1, got nan"),
        (lambda: Omori(0.1)(None), "times must hold numbers, got None"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_more_residual_points_than_memory_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: (1.0, "this machine"))
    events = [np.array([[1.0, 0.0, 1.0]])]
    with pytest.raises(ValueError, match=r"rate=1000 adds about 9.6e\+04 points, which needs"):
        model().super_thinned(events, END, rng=np.random.default_rng(0), rate=1e3)


@pytest.mark.parametrize(("name", "value"), [("baseline", [-0.1]), ("adjacency", [[np.nan]])])
def test_negative_or_missing_rates_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be finite and at least 0"):
        model(**{name: value})


def test_points_without_time_are_refused():
    with pytest.raises(ValueError, match=r"points must have three columns, time, x and y"):
        model().intensity([[0.0, 1.0]], [np.zeros((0, 3))], END)


def test_another_number_of_processes_is_refused():
    with pytest.raises(ValueError, match=r"events holds 2 process\(es\), the model has 1"):
        model().compensator([1.0], [np.zeros((0, 3))] * 2, END)


def test_nothing_to_score_is_an_error():
    with pytest.raises(ValueError, match=r"there is no event after begin=7 to score"):
        model().log_likelihood([np.array([[1.0, 0.0, 1.0]])], END, begin=7.0)


def test_a_delay_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"delay must be above 0, got 0"):
        Omori(0.0)


def test_kernels_of_the_gaussian_family_simulate_too():
    process = model(space_kernel=IsotropicGaussian(), space_parameters=[0.3, 0.1])
    (points,) = process.simulate(60.0, rng=np.random.default_rng(0))
    # Offspring lie to the upper right, so more of them leave there: their share is that of masses.
    z = len(points) - process.compensator([60.0], [points], 60.0)[0, 0]
    assert abs(z) < 4 * np.sqrt(len(points))
