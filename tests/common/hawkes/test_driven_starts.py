import itertools

import numpy as np
import pytest
import scipy.stats

from common.hawkes.driven import DrivenProcess
from common.hawkes.driven_starts import fit_best, published_start, random_starts, scan_starts
from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.simulation import simulate_driven

LIMITS = {"lower": 0.03, "upper": 0.5}
END = 278.0


def make_session(seed, *, weights=(0.7, 0.3), lags=((0.1, 0.01), (0.2, 0.03)), baseline=0.3):
    """Two kinds of stimuli and the events that they drive."""
    rng = np.random.default_rng(seed)
    onsets = np.cumsum(rng.uniform(0.8, 1.1, 400))
    onsets = onsets[onsets < END]
    kind = rng.permutation(np.arange(len(onsets)) % 2)
    drivers = [onsets[kind == k] for k in range(2)]
    options = {"length": LIMITS["upper"], "end_time": END, "rng": rng}
    kernel = TruncatedGaussian(LIMITS["lower"])
    return simulate_driven(
        baseline, weights, kernel, np.transpose(lags), drivers, **options
    ), drivers


def poisson(seed):
    rng = np.random.default_rng(seed)
    stimuli = np.cumsum(rng.uniform(1.6, 2.2, 180))
    stimuli = stimuli[stimuli < END]
    return np.sort(rng.uniform(0, END, rng.poisson(0.5 * END))), [stimuli]


def test_published_start_by_hand():
    drivers, events = [np.array([1.0, 3.0])], np.array([1.5, 3.25, 5.0, 7.0])
    baseline, adjacency, mean, sigma = published_start(events, drivers, 10.0, lower=0.0, upper=1.0)
    # Two events in 8 s outside; two lags, 0.5 and 0.25 s, in supports of 2 s.
    assert baseline == 0.25
    assert adjacency.tolist() == [2 / 2 - 0.25]
    assert mean.tolist() == [0.375] and sigma.tolist() == [0.125]
    # Supports that overlap cover [1, 2.5] s, and the end of the record cuts the last one.
    overlapping = [np.array([1.0, 1.5, 9.5])]
    baseline, adjacency, *_ = published_start(events, overlapping, 10.0, lower=0.0, upper=1.0)
    assert baseline == pytest.approx(3 / 8)
    # The event at 1.5 s has the lags 0.5 and 0 s.
    assert adjacency[0] == pytest.approx(2 / 2 - 3 / 8)


def test_published_start_without_lags():
    events, drivers = np.array([5.0, 7.0]), [np.array([1.0])]
    _, adjacency, mean, sigma = published_start(events, drivers, 10.0, **LIMITS)
    assert adjacency.tolist() == [0]
    # The values that stand in the published tables where no event is left.
    assert mean.tolist() == [0.235] and sigma.tolist() == [pytest.approx(0.111625)]


def test_published_start_of_nothing_driven_is_often_zero_and_stays_there():
    zeros, n = 0, 200
    for seed in range(n):
        events, drivers = poisson([20, seed])
        start = published_start(events, drivers, END, **LIMITS)
        zeros += start[1][0] == 0
        if start[1][0] == 0 and zeros <= 5:
            stuck = DrivenProcess(**LIMITS, start=start).fit(events, drivers, END)
            assert stuck.adjacency_[0] == 0
            assert stuck.baseline_ == pytest.approx(len(events) / END)
            best = fit_best(events, drivers, END, **LIMITS)
            # Some narrow kernel always catches more than nothing.
            assert best.adjacency_[0] > 0
            assert best.log_likelihood_curve_[-1] > stuck.log_likelihood_curve_[-1]
    # Whether there are more events than expected is a toss.
    low, high = scipy.stats.binom.ppf([0.0005, 0.9995], n, 0.5)
    assert low <= zeros <= high


def test_random_starts_have_the_published_ranges():
    rng = np.random.default_rng(0)
    starts = random_starts(400, n_drivers=2, lower=0.03, upper=2.0, rng=rng)
    baseline = np.array([start[0] for start in starts])
    adjacency, mean, sigma = (np.array([start[k] for start in starts]) for k in (1, 2, 3))
    ranges = [(baseline, 0.15, 1), (adjacency, 0.15, 1), (mean, 0.1, 2.0), (sigma, 0.05, 1)]
    for values, low, high in ranges:
        uniform = scipy.stats.uniform(low, high - low)
        assert scipy.stats.kstest(values.ravel(), uniform.cdf).pvalue > 1e-3
    assert adjacency.shape == (400, 2)
    assert abs(np.corrcoef(adjacency.T)[0, 1]) < 4 / np.sqrt(400)


@pytest.mark.parametrize(("lower", "upper"), [(0.03, 0.5), (0.0, 0.06), (0.2, 0.25)])
def test_random_starts_are_admissible(lower, upper):
    events = np.sort(np.random.default_rng(0).uniform(0, 50, 60))
    options = {"n_drivers": 1, "lower": lower, "upper": upper}
    for start in random_starts(20, **options, rng=np.random.default_rng(1)):
        model = DrivenProcess(lower=lower, upper=upper, start=start, max_iter=2)
        model.fit(events, [np.arange(1.0, 50.0)], 50.0)
        assert model.adjacency_[0] >= 0


def test_scan_starts_are_different_and_begin_at_the_response():
    events, drivers = make_session(0)
    starts = scan_starts(events, drivers, END, **LIMITS, n_starts=3)
    assert len(starts) == 3
    _, _, mean, _ = starts[0]
    np.testing.assert_allclose(mean, [0.1, 0.2], atol=0.02)
    for baseline, adjacency, _, _ in starts:
        assert baseline > 0 and np.all(adjacency > 0)
    for p in range(2):
        found = sorted(zip([s[2][p] for s in starts], [s[3][p] for s in starts], strict=True))
        for (before, width), (after, _) in itertools.pairwise(found):
            assert after - before >= 2 * width - 1e-12
    assert scan_starts(events, drivers, END, **LIMITS, n_starts=0) == []


def test_best_is_as_likely_as_the_fit_from_every_start():
    for seed in range(3):
        events, drivers = make_session(seed)
        best = fit_best(events, drivers, END, **LIMITS, n_random=2, rng=np.random.default_rng(seed))
        starts = random_starts(2, n_drivers=2, **LIMITS, rng=np.random.default_rng(seed))
        starts += ["smart", *scan_starts(events, drivers, END, **LIMITS, n_starts=2)]
        for start in starts:
            single = DrivenProcess(**LIMITS, start=start, tol=1e-6).fit(events, drivers, END)
            value = best.log_likelihood_curve_[-1]
            assert value >= single.log_likelihood_curve_[-1] - 1e-12
        assert np.diff(best.log_likelihood_curve_).min() >= -1e-9


def test_best_recovers_both_responses():
    # Standard errors of some 85 and 35 responses among 80 spontaneous events.
    found = []
    for seed in range(10):
        model = fit_best(*make_session(seed), END, **LIMITS)
        found.append([*model.mean_, *model.adjacency_])
    error = np.std(found, axis=0, ddof=1) / np.sqrt(10)
    truth = np.array([0.1, 0.2, 0.7, 0.3])
    np.testing.assert_array_less(np.abs(np.mean(found, axis=0) - truth), 4 * error)
    np.testing.assert_array_less(error[:2], [0.001, 0.005])


def test_a_long_support_hides_a_short_response_from_the_smart_start_alone():
    # Every lag up to 10 s counts for the smart start, whose kernel is then broad.
    gains = []
    for seed in range(3):
        events, drivers = make_session(seed, weights=(0.25, 0.0), baseline=0.5)
        wide = {"lower": 0.0, "upper": 10.0}
        smart = DrivenProcess(**wide, tol=1e-6).fit(events, drivers, END)
        best = fit_best(events, drivers, END, **wide)
        gains.append(best.log_likelihood_curve_[-1] - smart.log_likelihood_curve_[-1])
    assert np.max(gains) > 2 and np.min(gains) >= 0


def test_limits_of_float32_admit_their_own_starts():
    events = np.sort(np.random.default_rng(0).uniform(0, 50, 60))
    limits = {"lower": np.float32(0.03), "upper": 0.5}
    for seed in range(5):
        options = {"n_scan": 1, "n_random": 2, "max_iter": 2, "rng": np.random.default_rng(seed)}
        assert fit_best(events, [np.arange(1.0, 49.0)], 50.0, **limits, **options).n_iter_ <= 2


def test_errors_name_what_is_wrong():
    events, drivers = np.array([1.0, 2.0, 5.0]), [np.array([0.9, 1.9])]
    options = {"n_drivers": 1, **LIMITS, "rng": np.random.default_rng(0)}
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, got None"):
        fit_best(events, drivers, 10.0, **LIMITS, n_random=1)
    with pytest.raises(ValueError, match=r"n_random must be at least 0, got -1"):
        fit_best(events, drivers, 10.0, **LIMITS, n_random=-1)
    with pytest.raises(ValueError, match=r"n_starts must be at least 0, got -2"):
        fit_best(events, drivers, 10.0, **LIMITS, n_scan=-2)
    with pytest.raises(TypeError, match=r"n_starts must be a whole number, got 1\.5"):
        scan_starts(events, drivers, 10.0, **LIMITS, n_starts=1.5)
    with pytest.raises(ValueError, match=r"drivers must be a sequence with one array of times"):
        scan_starts(events, drivers[0], 10.0, **LIMITS, n_starts=1)
    with pytest.raises(ValueError, match=r"drivers\[0\] has no stimulus"):
        scan_starts(events, [[]], 10.0, **LIMITS, n_starts=1)
    with pytest.raises(ValueError, match=r"n_drivers must be at least 1, got 0"):
        random_starts(1, **(options | {"n_drivers": 0}))
    with pytest.raises(ValueError, match=r"upper must be above 0\.5 s, got 0\.4 s"):
        random_starts(1, **(options | {"lower": 0.5, "upper": 0.4}))
    with pytest.raises(
        ValueError, match=r"no event lies outside the supports, which leave 8 of 10"
    ):
        published_start([1.0, 2.0], drivers, 10.0, lower=0.0, upper=1.0)
    with pytest.raises(ValueError, match=r"end_time must be above 0 s, got 0 s"):
        published_start(events, drivers, 0, **LIMITS)
    with pytest.raises(ValueError, match=r"drivers\[0\] has no stimulus"):
        published_start(events, [[]], 10.0, **LIMITS)
