import numpy as np
import pytest
import scipy.stats

from common.hawkes.kernels import (
    Kumaraswamy,
    RaisedCosine,
    TruncatedExponential,
    TruncatedGaussian,
)
from common.hawkes.residuals import rescaled_intervals
from common.hawkes.simulation import (
    mean_intensity,
    regular_stimuli,
    simulate,
    simulate_driven,
    simulate_renewal,
    simulate_responses,
    spectral_radius,
)

KERNELS = {
    "gaussian": (TruncatedGaussian(), [0.5, 0.3]),
    "raised cosine": (RaisedCosine(), [0.2, 0.3]),
    "exponential": (TruncatedExponential(), [5.0]),
    "kumaraswamy": (Kumaraswamy(), [2.0, 3.0]),
}
BASELINE = np.array([0.5, 1.0])
ADJACENCY = np.array([[0.3, 0.2], [0.5, 0.1]])


class Delay:
    """A constant lag."""

    def __init__(self, lag):
        self.lag = lag

    def sample(self, n_samples, parameters, *, length, rng):
        return np.full(n_samples, self.lag)


@pytest.mark.parametrize(
    ("baseline", "adjacency"), [([0.7], [[0.6]]), (BASELINE, ADJACENCY)], ids=["one", "two"]
)
def test_mean_intensity_within_its_interval(baseline, adjacency):
    end_time, rng = 20_000.0, np.random.default_rng(0)
    options = {"length": 1.0, "end_time": end_time, "burn_in": 50.0, "rng": rng}
    events = simulate(baseline, adjacency, *KERNELS["gaussian"], **options)
    # Counts of a stationary process over a long time: mean T L and covariance T R diag(L) R^T,
    # with R = (I - A)^{-1} and L = R mu.
    resolvent = np.linalg.inv(np.eye(len(baseline)) - adjacency)
    expected = resolvent @ baseline
    error = np.sqrt(np.diag(resolvent @ np.diag(expected) @ resolvent.T) / end_time)
    found = np.array([len(times) for times in events]) / end_time
    np.testing.assert_array_less(np.abs(found - expected), 4 * error)
    np.testing.assert_allclose(mean_intensity(baseline, adjacency), expected, rtol=1e-12)


@pytest.mark.parametrize("name", KERNELS)
def test_residuals_are_unit_exponentials(name):
    options = {"length": 1.0, "end_time": 5000.0}
    rng = np.random.default_rng(0)
    events = simulate(BASELINE, ADJACENCY, *KERNELS[name], rng=rng, **options)
    found = rescaled_intervals(events, BASELINE, ADJACENCY, *KERNELS[name], **options)
    for intervals in found:  # uniform p values under the truth; eight of them here
        assert scipy.stats.kstest(intervals, "expon").pvalue > 1e-3
        assert abs(np.corrcoef(intervals[1:], intervals[:-1])[0, 1]) < 4 / np.sqrt(len(intervals))
    # The same test sees an effect that points the wrong way.
    wrong = rescaled_intervals(events, BASELINE, ADJACENCY.T, *KERNELS[name], **options)
    assert scipy.stats.kstest(wrong[0], "expon").pvalue < 1e-6


def test_every_pair_has_its_own_kernel_and_parameters():
    parameters = np.array([[[0.2, 0.4], [0.6, 0.8]], [[0.02, 0.1], [0.05, 0.02]]])
    options = {"length": 1.0, "end_time": 5000.0}
    kernel, rng = TruncatedGaussian(), np.random.default_rng(0)
    nested = [[TruncatedGaussian(), TruncatedExponential()], [RaisedCosine(), Kumaraswamy()]]
    nested_parameters = [[[0.2, 0.02], [3.0]], [[0.6, 0.1], [2.0, 5.0]]]
    for model in ((kernel, parameters), (nested, nested_parameters)):
        events = simulate(BASELINE, ADJACENCY, *model, rng=rng, **options)
        found = rescaled_intervals(events, BASELINE, ADJACENCY, *model, **options)
        assert all(scipy.stats.kstest(x, "expon").pvalue > 1e-3 for x in found)


@pytest.mark.parametrize("name", KERNELS)
def test_lags_of_children_follow_the_kernel(name):
    kernel, parameters = KERNELS[name]
    options = {"length": 1.0, "end_time": 50_000.0, "rng": np.random.default_rng(0)}
    parents, children = simulate([0.1, 0.0], [[0, 0], [0.7, 0]], kernel, parameters, **options)
    # Lags from the last parent, where the one before it is further away than the support.
    last = np.searchsorted(parents, children) - 1
    alone = np.diff(parents, prepend=-np.inf)[last] > 1.0
    lags = (children - parents[last])[alone & (np.diff(parents, append=np.inf)[last] > 1.0)]
    assert len(lags) > 2000
    test = scipy.stats.kstest(lags, lambda x: kernel.integral(x, parameters, length=1.0))
    assert test.pvalue > 1e-3


def test_children_of_a_constant_lag_are_where_they_must_be():
    # Every event is an immigrant or comes exactly one lag after its parent.
    options = {"length": 1.0, "end_time": 4000.0, "rng": np.random.default_rng(0)}
    (times,) = simulate([0.5], [[0.6]], Delay(0.3), None, **options)
    follows = np.isin(np.round(times, 6), np.round(times + 0.3, 6))
    # Immigrants are Poisson with mean 2000; four standard deviations.
    assert abs(np.sum(~follows) - 2000) < 4 * np.sqrt(2000)
    # Two processes that only excite each other, with lags of their own.
    lags = [[Delay(0.0), Delay(0.2)], [Delay(0.7), Delay(0.0)]]
    options["rng"] = np.random.default_rng(1)
    first, second = simulate(
        [1.0, 0.0], [[0, 0.5], [0.8, 0]], lags, [[None, None], [None, None]], **options
    )
    assert np.all(np.isin(np.round(second, 6), np.round(first + 0.7, 6)))
    follows = np.isin(np.round(first, 6), np.round(second + 0.2, 6))
    assert abs(np.sum(~follows) - 4000) < 4 * np.sqrt(4000)


def test_numbers_of_children_are_poisson():
    # Parents two supports apart, so each child belongs to the last parent.
    stimuli = 2.0 * np.arange(5000)
    options = {"length": 1.0, "end_time": 10_000.0, "rng": np.random.default_rng(0)}
    children = simulate_driven(0.0, [1.3], *KERNELS["gaussian"], [stimuli], **options)
    counts = np.bincount((children / 2).astype(int), minlength=5000)
    # A Poisson sample has variance ratio 1 with standard deviation sqrt(2 / n).
    assert abs(counts.mean() - 1.3) < 4 * np.sqrt(1.3 / 5000)
    assert abs(counts.var() / counts.mean() - 1) < 4 * np.sqrt(2 / 5000)
    expected = len(counts) * scipy.stats.poisson(1.3).pmf(np.arange(5))
    observed = np.bincount(counts, minlength=5)[:5]
    assert np.all(np.abs(observed - expected) < 4 * np.sqrt(expected))


def test_same_seed_same_events():
    options = {"length": 1.0, "end_time": 500.0}
    first, second, other = (
        simulate(
            BASELINE, ADJACENCY, *KERNELS["gaussian"], rng=np.random.default_rng(seed), **options
        )
        for seed in (3, 3, 4)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_events_are_sorted_and_within_the_record():
    options = {"length": 1.0, "end_time": 100.0, "burn_in": 10.0}
    for times in simulate(
        BASELINE, ADJACENCY, *KERNELS["exponential"], rng=np.random.default_rng(0), **options
    ):
        assert np.all(np.diff(times) > 0)
        assert times[0] >= 0 and times[-1] <= 100


@pytest.mark.parametrize("burn_in", [0.0, 40.0])
def test_record_starts_empty_or_stationary(burn_in):
    # 400 processes that do not interact are 400 repetitions of one.
    n, branching, lag = 400, 0.8, 0.5
    options = {"length": 1.0, "end_time": 60.0, "burn_in": burn_in, "rng": np.random.default_rng(0)}
    events = simulate(np.ones(n), branching * np.eye(n), Delay(lag), None, **options)
    early, late = (
        np.array([np.sum((times >= a) & (times < a + lag)) for times in events]) / lag
        for a in (0.0, 50.0)
    )
    stationary = 1 / (1 - branching)
    # Before the first lag is over, an empty start has immigrants only.
    expected = stationary if burn_in else 1.0
    assert abs(early.mean() - expected) < 4 * early.std() / np.sqrt(n)
    # 0.8 ** (50 / 0.5) is left of the start.
    assert abs(late.mean() - stationary) < 4 * late.std() / np.sqrt(n)


def test_without_excitation_it_is_a_poisson_process():
    options = {"length": 1.0, "end_time": 5000.0, "rng": np.random.default_rng(0)}
    first, second = simulate([2.0, 0.0], np.zeros((2, 2)), *KERNELS["gaussian"], **options)
    assert len(second) == 0
    assert abs(len(first) - 10_000) < 4 * np.sqrt(10_000)
    assert scipy.stats.kstest(first, scipy.stats.uniform(0, 5000).cdf).pvalue > 1e-3
    assert scipy.stats.kstest(np.diff(first), scipy.stats.expon(scale=0.5).cdf).pvalue > 1e-3


def test_driven_process_has_the_residuals_of_its_intensity():
    # Stimuli are a process that nothing excites, so the general residuals apply.
    rng, kernel = np.random.default_rng(0), TruncatedGaussian(lower=0.03)
    drivers = [regular_stimuli(interval=x, share=0.7, end_time=5000.0, rng=rng) for x in (1, 1.2)]
    parameters, options = np.array([[0.4, 0.2], [0.05, 0.3]]), {"length": 0.8, "end_time": 5000.0}
    events = simulate_driven(0.8, [0.8, 0.3], kernel, parameters, drivers, rng=rng, **options)
    adjacency = np.array([[0, 0, 0], [0, 0, 0], [0.8, 0.3, 0]])
    every = np.zeros((2, 3, 3)) + 0.1
    every[:, 2, :2] = parameters
    found = rescaled_intervals(
        [*drivers, events], [1.0, 1.0, 0.8], adjacency, kernel, every, **options
    )
    assert scipy.stats.kstest(found[2], "expon").pvalue > 1e-3
    # A kernel a driver is the same model.
    again = simulate_driven(
        0.8,
        [0.8, 0.3],
        [kernel, kernel],
        [[0.4, 0.05], [0.2, 0.3]],
        drivers,
        rng=np.random.default_rng(1),
        **options,
    )
    events = simulate_driven(
        0.8, [0.8, 0.3], kernel, parameters, drivers, rng=np.random.default_rng(1), **options
    )
    np.testing.assert_array_equal(again, events)


RESPONSES = [[0.8, 0.1, 0.01], [0.5, 0.3, 0.05]]
SESSION = {"baseline": [0.0, 0.0], "intervals": [0.6, 0.9], "support": [0.03, 0.5]}


def test_each_process_responds_to_its_own_stimuli_alone():
    rng = np.random.default_rng(0)
    drivers, events = simulate_responses(RESPONSES, **SESSION, end_time=3000.0, rng=rng)
    onsets = np.sort(np.concatenate(drivers))
    assert abs(len(drivers[0]) - len(drivers[1])) <= 1
    assert np.diff(onsets).min() >= 0.6 and np.diff(onsets).max() <= 0.9
    # Some 4000 intervals of 0.75 s, of deviation 0.3 / sqrt(12): five standard errors.
    assert np.diff(onsets).mean() == pytest.approx(0.75, abs=5 * 0.087 / np.sqrt(4000))
    for stimuli, times, (weight, mean, sigma) in zip(drivers, events, RESPONSES, strict=True):
        # Supports do not overlap, so without a baseline the last stimulus caused the event.
        lags = times - stimuli[np.searchsorted(stimuli, times, side="right") - 1]
        assert lags.min() >= 0.03 and lags.max() <= 0.5
        assert len(times) == pytest.approx(weight * len(stimuli), abs=5 * np.sqrt(len(times)))
        assert lags.mean() == pytest.approx(mean, abs=5 * sigma / np.sqrt(len(times)))


def test_bad_responses_are_named():
    good = {**SESSION, "end_time": 10.0, "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=r"one length, but responses has 2, baseline has 1"):
        simulate_responses(RESPONSES, **{**good, "baseline": [0.1]})
    with pytest.raises(ValueError, match=r"intervals\[0\] must be above 0 s, got 0 s"):
        simulate_responses(RESPONSES, **{**good, "intervals": [0, 1]})
    with pytest.raises(ValueError, match=r"intervals\[1\] must be at least 2 s, got 1 s"):
        simulate_responses(RESPONSES, **{**good, "intervals": [2, 1]})
    with pytest.raises(ValueError, match=r"1 stimuli fit into 10 s .* 7 to 9 s, for 2 kinds"):
        simulate_responses(RESPONSES, **{**good, "intervals": [7, 9]})
    with pytest.raises(ValueError, match=r"responses must have 3 columns, got shape \(1, 2\)"):
        simulate_responses([[0.5, 0.1]], **{**good, "baseline": [0.1]})
    with pytest.raises(ValueError, match=r"responses must have 2 axes, got shape \(3,\)"):
        simulate_responses(RESPONSES[0], **good)
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 0"):
        simulate_responses(RESPONSES, **{**good, "rng": 0})


def test_renewal_process_is_stationary_with_the_intervals_asked_for():
    options = {"interval": 1.0, "deviation": 0.3, "rng": np.random.default_rng(0)}
    times = simulate_renewal(**options, end_time=3000.0)
    shape = (1 / 0.3) ** 2
    law = scipy.stats.gamma(shape, scale=1 / shape)
    assert scipy.stats.kstest(np.diff(times), law.cdf).pvalue > 1e-3
    assert times[0] >= 0 and times[-1] <= 3000
    # The first event of a stationary renewal process has the density (1 - F) / mean.
    firsts = [simulate_renewal(**options, end_time=5.0)[0] for _ in range(1000)]
    grid = np.linspace(0, 4, 4001)
    forward = np.concatenate([[0], np.cumsum(law.sf(grid[:-1])) * 1e-3])
    assert scipy.stats.kstest(firsts, lambda x: np.interp(x, grid, forward)).pvalue > 1e-3
    # So the rate is the same at every time, from the start on.
    early = [len(simulate_renewal(**options, end_time=0.5)) for _ in range(1000)]
    assert np.mean(early) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(1000))


def test_renewal_process_of_one_deviation_an_interval_is_poisson():
    rng = np.random.default_rng(1)
    options = {"interval": 0.5, "deviation": 0.5, "end_time": 10.0, "rng": rng}
    counts = [len(simulate_renewal(**options)) for _ in range(1000)]
    assert np.mean(counts) == pytest.approx(20, abs=4 * np.sqrt(20 / 1000))
    # The variance of a Poisson variance estimate is about 2 variance^2 / n.
    assert np.var(counts) == pytest.approx(20, abs=4 * 20 * np.sqrt(2 / 1000))


@pytest.mark.parametrize(
    ("name", "value"), [("interval", 0), ("deviation", -0.1), ("end_time", 0.0)]
)
def test_renewal_process_refuses_what_is_not_positive(name, value):
    options = {"interval": 1.0, "deviation": 0.1, "end_time": 10.0, name: value}
    with pytest.raises(ValueError, match=f"{name} must be above 0 s, got {value}"):
        simulate_renewal(**options, rng=np.random.default_rng(0))


def test_regular_stimuli():
    rng = np.random.default_rng(0)
    found = regular_stimuli(interval=0.5, share=0.4, end_time=100.0, rng=rng)
    # 1.0, 1.5, ..., 98.5 are 196 points.
    assert len(found) == round(0.4 * 196) == len(np.unique(found))
    assert np.all(np.diff(found) > 0) and found[0] >= 1.0 and found[-1] <= 98.5
    np.testing.assert_array_equal(found, 0.5 * np.round(found / 0.5))
    every = regular_stimuli(interval=0.1, share=1.0, end_time=1.0, rng=rng)
    np.testing.assert_allclose(every, [0.2, 0.3, 0.4, 0.5, 0.6, 0.7])


def test_spectral_radius_is_not_the_largest_entry():
    assert spectral_radius([[0.0, 4.0], [0.16, 0.0]]) == pytest.approx(0.8)


def test_errors_name_what_is_wrong():
    gaussian, rng = KERNELS["gaussian"], np.random.default_rng(0)
    good = {"length": 1.0, "end_time": 10.0, "rng": rng}
    with pytest.raises(ValueError, match=r"spectral radius of adjacency is 1\.1;.*0\.909"):
        simulate([1.0], [[1.1]], *gaussian, **good)
    with pytest.raises(ValueError, match=r"spectral radius of adjacency is 1;"):
        simulate([1.0, 1.0], [[0.0, 2.0], [0.5, 0.0]], *gaussian, **good)
    with pytest.raises(ValueError, match=r"baseline\[1\] is -0\.5; it must be 0 or more"):
        simulate([1.0, -0.5], np.zeros((2, 2)), *gaussian, **good)
    with pytest.raises(ValueError, match=r"adjacency\[0, 1\] is -0\.1; .* cannot inhibit"):
        simulate([1.0, 1.0], [[0, -0.1], [0, 0]], *gaussian, **good)
    with pytest.raises(ValueError, match=r"adjacency\[0, 0\] is nan"):
        simulate([1.0], [[np.nan]], *gaussian, **good)
    with pytest.raises(ValueError, match=r"got \(2,\) and \(1, 1\)"):
        simulate([1.0, 1.0], [[0.5]], *gaussian, **good)
    with pytest.raises(ValueError, match=r"end_time must be above 0 s, got 0 s"):
        simulate([1.0], [[0.5]], *gaussian, **{**good, "end_time": 0})
    with pytest.raises(ValueError, match=r"length must be above 0 s, got -1\.0 s"):
        simulate([1.0], [[0.5]], *gaussian, **{**good, "length": -1.0})
    with pytest.raises(ValueError, match=r"burn_in must be at least 0 s, got -1"):
        simulate([1.0], [[0.5]], *gaussian, burn_in=-1, **good)
    with pytest.raises(ValueError, match=r"parameters must have shape \(2, 1, 1\).*got \(3,\)"):
        simulate([1.0], [[0.5]], gaussian[0], [1.0, 2.0, 3.0], **good)
    with pytest.raises(ValueError, match=r"drew the lag -0\.2 s for pair \(0, 0\)"):
        simulate([1.0], [[0.5]], Delay(-0.2), None, **good)
    with pytest.raises(ValueError, match=r"drew the lag 1\.5 s .* \[0, length=1\] s"):
        simulate([1.0], [[0.5]], Delay(1.5), None, **good)
    wrong = Delay(0.1)
    wrong.sample = lambda n_samples, parameters, *, length, rng: np.zeros((n_samples, 1))
    with pytest.raises(ValueError, match=r"must draw \d+ lags, got shape \(\d+, 1\)"):
        simulate([9.0], [[0.9]], wrong, None, **good)
    with pytest.raises(ValueError, match=r"each of the 1 drivers, got shape \(2,\)"):
        simulate_driven(1.0, [0.5, 0.5], *gaussian, [[1.0]], **good)
    with pytest.raises(ValueError, match=r"baseline must be one rate, got shape \(1,\)"):
        simulate_driven([1.0], [0.5], *gaussian, [[1.0]], **good)
    with pytest.raises(ValueError, match=r"baseline is -1\.0; it must be 0 or more"):
        simulate_driven(-1.0, [0.5], *gaussian, [[1.0]], **good)
    with pytest.raises(ValueError, match=r"share must be above 0 and at most 1, got 1\.5"):
        regular_stimuli(interval=1.0, share=1.5, end_time=10.0, rng=rng)
    with pytest.raises(ValueError, match=r"interval must be above 0 s, got 0 s"):
        regular_stimuli(interval=0, share=0.5, end_time=10.0, rng=rng)
    with pytest.raises(ValueError, match=r"no stimulus fits: 0\.5 of the 0 points"):
        regular_stimuli(interval=5.0, share=0.5, end_time=10.0, rng=rng)


@pytest.mark.parametrize("rng", [0, None])
def test_a_seed_is_no_generator(rng):
    # A seed would draw the same events at every call.
    options = {"end_time": 10.0, "rng": rng}
    calls = [
        lambda: simulate([1.0], [[0.5]], *KERNELS["gaussian"], length=1.0, **options),
        lambda: simulate_driven(1.0, [0.5], *KERNELS["gaussian"], [[1.0]], length=1.0, **options),
        lambda: regular_stimuli(interval=1.0, share=0.5, **options),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=rf"rng must be a numpy.random.Generator, got {rng}"):
            call()


def test_mean_intensity_exists_only_below_radius_1():
    with pytest.raises(ValueError, match=r"spectral radius of adjacency is 1\.5;"):
        mean_intensity([1.0], [[1.5]])
    with pytest.raises(ValueError, match=r"baseline\[0\] is nan"):
        mean_intensity([np.nan], [[0.5]])
    with pytest.raises(ValueError, match=r"got \(2,\) and \(1, 1\)"):
        mean_intensity([1.0, 1.0], [[0.5]])


def test_stimuli_have_times():
    options = {"length": 1.0, "end_time": 10.0, "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=r"drivers\[1\] must be finite, got nan s at index 1"):
        simulate_driven(
            1.0, [0.5, 0.5], TruncatedGaussian(), [0.1, 0.1], [[1.0], [1.0, np.nan]], **options
        )
