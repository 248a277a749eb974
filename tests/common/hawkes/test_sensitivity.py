import numpy as np
import pytest
import scipy.stats

from common.hawkes.driven_starts import fit_best
from common.hawkes.sensitivity import fit_supports, fit_thresholds, simulate_activations
from common.hawkes.simulation import simulate_responses

LIMITS = {"lower": 0.03, "upper": 0.5}
END = 278.0
ACTIVATIONS = {
    "amplitude": 1.0,
    "spread": 0.25,
    "spurious_rate": 0.5,
    "spurious_amplitude": 0.3,
}
RESPONSES = [[0.76, 0.085, 0.0075], [0.6, 0.188, 0.0137]]


def make_session(seed):
    rng = np.random.default_rng(seed)
    options = {"baseline": [0.1, 0.13], "intervals": (0.8, 1.1), "support": (0.03, 0.5)}
    drivers, events = simulate_responses(RESPONSES, **options, end_time=END, rng=rng)
    drawn = [simulate_activations(each, END, **ACTIVATIONS, rng=rng) for each in events]
    return list(drivers), *zip(*drawn, strict=True)


def test_activations_are_the_events_and_weaker_spurious_ones():
    rng = np.random.default_rng(0)
    events = np.sort(rng.uniform(0, 5000, 4000))
    times, amplitudes, true = simulate_activations(events, 5000.0, **ACTIVATIONS, rng=rng)
    np.testing.assert_array_equal(times[true], events)
    assert np.all(np.diff(times) >= 0) and amplitudes.min() >= 0
    n = (~true).sum()
    assert abs(n - 2500) < 4 * np.sqrt(2500)
    laws = {True: scipy.stats.norm(1, 0.25), False: scipy.stats.expon(scale=0.3)}
    for which, law in laws.items():
        assert scipy.stats.kstest(amplitudes[true == which], law.cdf).pvalue > 1e-3
    assert scipy.stats.kstest(times[~true] / 5000, "uniform").pvalue > 1e-3


def test_wide_amplitudes_are_never_negative():
    rng = np.random.default_rng(0)
    options = ACTIVATIONS | {"spread": 2.0, "spurious_rate": 0}
    times, amplitudes, true = simulate_activations(np.arange(2000.0), 2000.0, **options, rng=rng)
    assert amplitudes.min() >= 0 and true.all() and len(times) == 2000
    law = scipy.stats.truncnorm(-0.5, np.inf, loc=1, scale=2)
    assert scipy.stats.kstest(amplitudes, law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("pooled", [True, False])
def test_thresholds_keep_what_is_as_large(pooled):
    drivers, times, amplitudes, _ = make_session(0)
    options = {"percentiles": [0, 40], "pooled": pooled}
    models = fit_thresholds(times, amplitudes, drivers, END, **options, **LIMITS)
    for at_threshold, share in zip(models, (0.0, 0.4), strict=True):
        for i, model in enumerate(at_threshold):
            reference = np.concatenate(amplitudes) if pooled else amplitudes[i]
            lowest = np.sort(reference)[int(np.ceil(share * (len(reference) - 1)))]
            kept = times[i][amplitudes[i] >= lowest]
            alone = fit_best(kept, drivers, END, **LIMITS)
            assert model.baseline_ == alone.baseline_
            np.testing.assert_array_equal(model.mean_, alone.mean_)


def test_a_threshold_takes_weight_and_leaves_the_latency():
    spans, weights = [], []
    for seed in range(3):
        drivers, times, amplitudes, _ = make_session(seed)
        options = {"percentiles": [0, 40, 80], **LIMITS}
        models = fit_thresholds(times, amplitudes, drivers, END, **options)
        spans.append([np.ptp([each[i].mean_[i] for each in models]) for i in range(2)])
        weights.append([[each[i].adjacency_[i] for i in range(2)] for each in models])
    weight = np.mean(weights, axis=0)
    # At the 80th percentile less than half of the true events are left.
    assert np.all(weight[2] < 0.7 * weight[0])
    # The mean of 40 lags of deviation 7.5 and 14 ms has errors of 1.2 and 2.2 ms.
    assert np.all(np.mean(spans, axis=0) < [0.004, 0.007])


def test_longer_supports_find_the_same_response():
    for seed in range(2):
        drivers, times, _, true = make_session(seed)
        for i, (_, mean, _) in enumerate(RESPONSES):
            events = times[i][true[i]]
            models = fit_supports(events, drivers, END, lower=0, uppers=[0.5, 2.0, 10.0])
            assert [model.upper for model in models] == [0.5, 2.0, 10.0]
            found = [model.mean_[i] for model in models]
            np.testing.assert_allclose(found, mean, atol=0.006)  # four standard errors
            assert np.ptp(found) < 0.003


def test_errors_name_what_is_wrong():
    drivers, times, amplitudes, _ = make_session(0)
    options = {"percentiles": [0], **LIMITS}
    with pytest.raises(ValueError, match=r"times has 1, amplitudes has 2"):
        fit_thresholds(times[:1], amplitudes, drivers, END, **options)
    with pytest.raises(ValueError, match=r"times\[0\] has .*, amplitudes\[0\] has 2"):
        fit_thresholds(times, [[1.0, 2.0], amplitudes[1]], drivers, END, **options)
    with pytest.raises(ValueError, match=r"times is empty: there is no process to fit"):
        fit_thresholds([], [], drivers, END, **options)
    with pytest.raises(ValueError, match=r"percentile must be at least 0 and below 100, got 100"):
        fit_thresholds(times, amplitudes, drivers, END, **(options | {"percentiles": [100]}))
    weak = [0.001 * amplitudes[0], amplitudes[1]]
    with pytest.raises(
        ValueError, match=r"percentile 99 of all amplitudes leaves process 0 without"
    ):
        fit_thresholds(times, weak, drivers, END, **(options | {"percentiles": [99]}))
    with pytest.raises(ValueError, match=r"uppers is empty"):
        fit_supports(times[0], drivers, END, lower=0, uppers=[])
    with pytest.raises(ValueError, match=r"upper must be above 0\.5 s, got 0\.1 s"):
        fit_supports(times[0], drivers, END, lower=0.5, uppers=[0.1])
    rng = np.random.default_rng(0)
    for name, value, message in [
        ("amplitude", 0, "amplitude must be above 0, got 0"),
        ("spread", -1, "spread must be at least 0, got -1"),
        ("spurious_rate", -1, "spurious_rate must be at least 0 Hz, got -1 Hz"),
        ("spurious_amplitude", 0, "spurious_amplitude must be above 0, got 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            simulate_activations([1.0], 10.0, **(ACTIVATIONS | {name: value}), rng=rng)
    with pytest.raises(ValueError, match=r"events spans \[11, 11\] s, outside the record"):
        simulate_activations([11.0], 10.0, **ACTIVATIONS, rng=rng)
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, got 3"):
        simulate_activations([1.0], 10.0, **ACTIVATIONS, rng=3)
