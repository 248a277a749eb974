import numpy as np
import pytest
import scipy.stats

from common.hawkes import TruncatedGaussian, simulate, simulate_driven
from common.hawkes.latency import fit_latencies, lag_rate, resample_blocks, shift_circularly

SUPPORT = (0.03, 0.5)


def driven(end_time=600.0, seed=0):
    rng = np.random.default_rng(seed)
    drivers = [np.sort(rng.uniform(0, end_time, int(end_time))) for _ in range(2)]
    options = {"length": SUPPORT[1], "end_time": end_time, "rng": rng}
    events = [
        simulate_driven(
            0.2,
            weight,
            TruncatedGaussian(SUPPORT[0]),
            [[0.1, 0.3], [0.02, 0.03]],
            drivers,
            **options,
        )
        for weight in ([0.8, 0.0], [0.0, 0.5])
    ]
    return events, drivers


@pytest.mark.parametrize("method", ["fadin", "dripp"])
def test_driven_kernels_are_recovered(method):
    events, drivers = driven()
    found = fit_latencies(events, drivers, 600.0, method=method, support=SUPPORT, delta=0.01)
    # 600 stimuli: n events have a Poisson deviation of about sqrt(0.8 * 600) / 600 < 0.04, and
    # the mean of 300 lags or more one of 0.03 / sqrt(300) < 0.002 s, each plus the background's.
    np.testing.assert_allclose(found.weight, [[0.8, 0.0], [0.0, 0.5]], atol=4 * 0.04)
    np.testing.assert_allclose(np.diag(found.latency), [0.1, 0.3], atol=4 * 0.002)
    assert found.weight.shape == (2, 2)


def test_rows_of_processes_columns_of_drivers():
    events, drivers = driven()
    options = {"method": "fadin", "support": SUPPORT, "delta": 0.01}
    both = fit_latencies(events, drivers, 600.0, **options)
    alone = fit_latencies(events[1:], drivers, 600.0, **options)
    # The loss splits over receivers; what is left is the tolerance of the search.
    np.testing.assert_allclose(alone.weight[0], both.weight[1], atol=1e-3)


@pytest.mark.parametrize("method", ["fadin", "dripp"])
def test_start_at_the_estimate_stays_there(method):
    events, drivers = driven()
    options = {"method": method, "support": SUPPORT, "delta": 0.01}
    found = fit_latencies(events, drivers, 600.0, **options)
    again = fit_latencies(events, drivers, 600.0, **options, start=found)
    # The pairs with an effect; where there is none, the criterion is nearly flat.
    np.testing.assert_allclose(np.diag(again.latency), np.diag(found.latency), atol=1e-4)
    np.testing.assert_allclose(np.diag(again.weight), np.diag(found.weight), atol=2e-3)


def test_more_starts_find_what_a_bad_one_misses():
    # Started far from the responses, with a narrow kernel, the search is blind to them.
    events, drivers = driven()
    options = {"method": "fadin", "support": SUPPORT, "delta": 0.01}
    wrong = fit_latencies(events, drivers, 600.0, **options)
    wrong = wrong._replace(mean=np.full((2, 2), 0.45), sigma=np.full((2, 2), 0.01))
    stuck = fit_latencies(events, drivers, 600.0, **options, start=wrong)
    assert stuck.weight[0, 0] < 0.2
    rng = np.random.default_rng(0)
    found = fit_latencies(events, drivers, 600.0, **options, start=wrong, n_starts=10, rng=rng)
    assert found.latency[0, 0] == pytest.approx(0.1, abs=0.008)


def test_latency_is_the_mean_of_what_truncation_leaves():
    # A kernel cut at its peak: the mean lag lies below the parameter.
    rng = np.random.default_rng(1)
    kernel, parameters = TruncatedGaussian(0.0), [0.5, 0.2]
    stimuli = np.arange(0.0, 4000.0, 1.0)
    options = {"length": 0.5, "end_time": 4000.0, "rng": rng}
    events = simulate_driven(0.1, [0.9], kernel, parameters, [stimuli], **options)
    found = fit_latencies([events], [stimuli], 4000.0, method="dripp", support=(0, 0.5), delta=0.01)
    lags = events % 1.0
    # Of the half second with responses; 0.05 of its 0.95 events a stimulus are background, of
    # mean 0.25 s. The deviation of 3600 lags of spread 0.12 s is 0.002 s.
    expected = (lags[lags < 0.5].mean() * 0.95 - 0.25 * 0.05) / 0.9
    assert found.latency[0, 0] == pytest.approx(expected, abs=0.008)
    law = scipy.stats.truncnorm((0 - 0.5) / 0.2, 0, loc=0.5, scale=0.2)
    assert found.latency[0, 0] == pytest.approx(law.mean(), abs=0.008)


def test_processes_without_stimuli_drive_one_another():
    rng = np.random.default_rng(2)
    events = simulate(
        [0.5, 0.3],
        [[0.0, 0.0], [0.6, 0.0]],
        TruncatedGaussian(0.0),
        [0.3, 0.03],
        length=0.5,
        end_time=2000.0,
        rng=rng,
    )
    found = fit_latencies(events, [], 2000.0, method="fadin", support=(0, 0.5), delta=0.01)
    # About 1000 parents: sqrt(0.6 / 1000) = 0.025, and 0.03 / sqrt(600) = 0.0012 s.
    assert found.weight[1, 0] == pytest.approx(0.6, abs=4 * 0.025)
    assert found.latency[1, 0] == pytest.approx(0.3, abs=5 * 0.0012)
    assert np.all(np.isnan(found.latency) == (found.weight == 0))


def test_lag_rate_agrees_with_all_differences():
    rng = np.random.default_rng(3)
    sources, targets = (np.sort(rng.uniform(0, 20, n)) for n in (40, 70))
    edges = np.linspace(-1, 2, 16)
    every = (targets[None] - sources[:, None]).ravel()
    expected = np.histogram(every, edges)[0] / (40 * np.diff(edges))
    np.testing.assert_allclose(lag_rate(sources, targets, edges), expected, rtol=1e-12)


def test_lag_rate_pairs_no_event_with_itself():
    assert lag_rate([1.0, 5.0], [1.0, 5.0], [-1.0, 1.0]).tolist() == [0.0]


def test_blocks_are_drawn_for_all_series_alike():
    # Two series in step stay in step, and every interval within a block was there before.
    times = np.arange(0.05, 100, 0.1)
    first, second = resample_blocks(
        [times, times + 0.01], 100.0, block=9.7, rng=np.random.default_rng(0)
    )
    np.testing.assert_allclose(second - first, 0.01, atol=1e-9)
    assert len(first) == 1000 and np.all(np.diff(first) >= 0)
    assert first[0] >= 0 and second[-1] <= 100


def test_blocks_hold_each_event_once_on_average():
    # Sum of 200 draws of 10 blocks: an event occurs Binomial(10, 1/10) times, of variance 0.9.
    times = np.arange(0.5, 10)  # one a block
    rng = np.random.default_rng(1)
    counts = [len(resample_blocks([times[:3]], 10.0, block=1.0, rng=rng)[0]) for _ in range(200)]
    assert np.mean(counts) == pytest.approx(3, abs=4 * np.sqrt(3 * 0.7 / 200))
    assert np.std(counts) > 1


def test_shift_keeps_lags_on_the_circle():
    times = np.array([0.0, 1.0, 9.0])
    np.testing.assert_allclose(shift_circularly(times, 10.0, shift=2.5), [1.5, 2.5, 3.5])


def test_shifted_responses_are_uncoupled():
    events, drivers = driven()
    shifted = [shift_circularly(each, 600.0, shift=300.0) for each in events]
    found = fit_latencies(shifted, drivers, 600.0, method="fadin", support=SUPPORT, delta=0.01)
    # In 0.47 s after 600 stimuli, 0.47 * 600 * 1 Hz = 280 events by chance: deviation 0.03.
    assert found.weight.max() < 5 * 0.03


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: fit_latencies([[1.0]], [], 9.0, method="dripp", support=SUPPORT, delta=0.01),
            "needs drivers",
        ),
        (
            lambda: fit_latencies([[1.0]], [], 9.0, method="em", support=SUPPORT, delta=0.01),
            "got 'em'",
        ),
        (
            lambda: resample_blocks([[1.0]], 9.0, block=8.0, rng=np.random.default_rng(0)),
            "block=8 s makes 1 block",
        ),
        (
            lambda: resample_blocks([[1.0]], 9.0, block=1e-9, rng=np.random.default_rng(0)),
            r"block=1e-09 s cuts a record of 9 s into 9e\+09 blocks, more than 10,000,000",
        ),
        (
            lambda: fit_latencies([[1.0]], [], 9.0, method="fadin", support=0.5, delta=0.01),
            r"support must have 1 axis, got shape \(\)",
        ),
        (
            lambda: fit_latencies([[1.0]], [], 9.0, method="fadin", support=[0.5], delta=0.01),
            r"support must be \(shortest, longest\) lag, got \[0.5\] s",
        ),
        (
            lambda: fit_latencies(
                [[1.0]], [], 9.0, method="fadin", support=SUPPORT, delta=0.01, start="x"
            ),
            "start must be Latencies, what fit_latencies returns, or None, got 'x'",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_a_seed_is_no_generator():
    record = [[1.0, 2.0]], [[0.5, 1.5]], 9.0
    options = {"method": "fadin", "support": SUPPORT, "delta": 0.01}
    for wrong in ({"rng": 0}, {"rng": None, "n_starts": 2}):
        message = f"rng must be a numpy.random.Generator, got {wrong['rng']}"
        with pytest.raises(TypeError, match=message):
            fit_latencies(*record, **options, **wrong)
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 0"):
        resample_blocks([[1.0]], 9.0, block=1.0, rng=0)


@pytest.mark.parametrize("shift", [1e300, -1e300, 130.0])
def test_whole_records_of_a_shift_make_no_difference(shift):
    times = np.array([1.0, 2.0, 3.0])
    found = shift_circularly(times, 50.0, shift=shift)
    np.testing.assert_array_equal(found, np.sort((times + np.fmod(shift, 50.0)) % 50.0))
    np.testing.assert_allclose(np.diff(found), 1.0)


def test_a_shift_and_a_record_are_finite():
    with pytest.raises(ValueError, match="shift must be finite, got nan s"):
        shift_circularly([1.0, 2.0], 10.0, shift=np.nan)
    with pytest.raises(ValueError, match="end_time must be above 0 s, got 0"):
        shift_circularly([], 0, shift=1.0)
    with pytest.raises(ValueError, match=r"times\[0\] must be sorted"):
        resample_blocks([[2.0, 1.0]], 10.0, block=1.0, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="edges must ascend"):
        lag_rate([1.0], [1.5], [1.0, 0.0])
    with pytest.raises(ValueError, match=r"two or more different lags, got \[0.0, 0.5, 0.5\] s"):
        lag_rate([1.0], [1.5], [0.0, 0.5, 0.5])
    with pytest.raises(ValueError, match=r"two or more different lags, got \[0.0\] s"):
        lag_rate([1.0], [1.5], [0.0])
    with pytest.raises(ValueError, match="sources is empty"):
        lag_rate([], [1.5], [0.0, 0.5])
