import numpy as np
import pytest

from common.hawkes.grid import BinnedEvents, bin_events, check_delta, grid_intensity


def test_times_go_to_the_nearest_point_and_equal_points_are_counted():
    binned = bin_events([[0.0, 0.04, 0.06, 0.26, 0.26], [1.0]], end_time=1.0, delta=0.1)
    assert [bins.tolist() for bins in binned.bins] == [[0, 1, 3], [10]]
    assert [counts.tolist() for counts in binned.counts] == [[2, 1, 2], [1]]
    assert (binned.n_grid, binned.n_processes, binned.delta) == (11, 2, 0.1)
    assert binned.n_events.tolist() == [5, 1]


@pytest.mark.parametrize("delta", [0.07, 0.1, 0.3, 1 / 3, 0.0215443469])
def test_rounding_moves_no_event_by_more_than_half_a_step(delta):
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 50, 500))
    binned = bin_events([times], end_time=50.0, delta=delta)
    # int(1 / delta) points a second, instead of 1 / delta, would drift by up to 4 s here.
    assert binned.n_grid == round(50 / delta) + 1
    rounded = delta * np.repeat(binned.bins[0], binned.counts[0])
    assert np.all(np.abs(rounded - times) <= delta / 2 * (1 + 1e-9))


def test_dense_counts_hold_every_event():
    rng = np.random.default_rng(1)
    events = [np.sort(rng.uniform(0, 3, n)) for n in (5, 200)]
    dense = bin_events(events, end_time=3.0, delta=0.05).dense()
    assert dense.shape == (2, 61)
    assert dense.sum(1).tolist() == [5, 200]
    expected, _ = np.histogram(events[1], bins=0.05 * (np.arange(62) - 0.5))
    np.testing.assert_array_equal(dense[1], expected)


def test_long_fine_grid_costs_no_memory():
    binned = bin_events([[1.0, 1e8 - 1]], end_time=1e8, delta=1e-4)
    assert binned.n_grid == 10**12 + 1
    assert binned.bins[0].tolist() == [10_000, 10**12 - 10_000]


def test_last_half_step_of_a_record_that_is_no_multiple_of_delta():
    binned = bin_events([[0.94]], end_time=0.94, delta=0.1)  # 9 steps
    assert binned.n_grid == 10 and binned.bins[0].tolist() == [9]
    binned = bin_events([[0.96]], end_time=0.96, delta=0.1)  # 10 steps
    assert binned.n_grid == 11 and binned.bins[0].tolist() == [10]
    for end_time in (0.25, 0.35, np.nextafter(0.25, 1)):  # 2.5 steps, 3.5 steps, a little more
        binned = bin_events([[end_time]], end_time=end_time, delta=0.1)
        assert binned.bins[0][0] == binned.n_grid - 1


def test_two_dimensional_arrays_are_one_process_a_row():
    assert bin_events(np.array([[0.1, 0.2]]), end_time=1, delta=0.1).n_processes == 1


def test_empty_process_on_request():
    binned = bin_events([[], [0.5]], end_time=1, delta=0.1, allow_empty=True)
    assert binned.n_events.tolist() == [0, 1]
    assert isinstance(binned, BinnedEvents) and not binned.dense()[0].any()


@pytest.mark.parametrize(
    "events, message",
    [
        ([[1.0], [0.5, 2.0, 1.5]], r"process 1 are not sorted: event 2 at 1.5 s follows 2 s"),
        ([[-0.25, 1.0]], r"events\[0\]\[0\] is -0.25 s, before the record"),
        ([[1.0], [0.5, np.nan, 2.0]], r"events\[1\]\[1\] is nan \(1 of 3 times of process 1"),
        ([[1.0, np.inf]], r"events\[0\]\[1\] is inf"),
        ([[1.0], [2.0, 512.0]], r"events\[1\]\[1\] is 512 s, beyond end_time=10 s. .* sfreq"),
        ([[1.0], []], r"process 1 has no event; .* Leave it out"),
        ([[[1.0, 2.0]]], r"events\[0\] must be one-dimensional, got shape \(1, 2\)"),
        ([1.0, 2.0], r"events\[0\] must be one-dimensional, got shape \(\). .*pass \[events\]"),
        (np.array([1.0, 2.0]), r"one array of shape \(2,\). .*pass \[events\]"),
        ([], r"events holds no process"),
    ],
)
def test_errors_of_events_name_process_and_value(events, message):
    with pytest.raises(ValueError, match=message):
        bin_events(events, end_time=10.0, delta=0.1)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"delta": 0.0}, r"delta must be positive and at most end_time=10 s, got 0.0 s"),
        ({"delta": 11.0}, r"delta must be positive and at most end_time=10 s, got 11.0 s"),
        ({"end_time": np.nan}, r"end_time must be positive and finite, got nan s"),
        ({"end_time": -1.0}, r"end_time must be positive and finite, got -1.0 s"),
        ({"kernel_length": 20.0}, r"kernel_length=20 s exceeds the record, end_time=10 s"),
        ({"kernel_length": 0.1}, r"delta=0.1 s is too coarse for kernel_length=0.1 s: 1 lag"),
        ({"kernel_length": 0.45}, r"4 lag\(s\) cannot .* Use delta <= 0.09 s"),
        ({"kernel_length": 0.0}, r"kernel_length must be positive and finite, got 0.0 s"),
    ],
)
def test_errors_of_the_grid_name_the_value(options, message):
    with pytest.raises(ValueError, match=message):
        bin_events([[1.0]], **{"end_time": 10.0, "delta": 0.1, **options})


def test_step_can_be_checked_without_a_record():
    check_delta(0.2, kernel_length=1.0)  # five lags: 1.0 / 0.2 must not round to four
    with pytest.raises(ValueError, match=r"delta must be positive and finite, got -0.1 s"):
        check_delta(-0.1, kernel_length=1.0)


def test_intensity_on_the_grid_is_the_sum_over_events():
    rng = np.random.default_rng(0)
    events = [np.sort(rng.choice(100, 12, replace=False)) * 0.1 for _ in range(2)]
    baseline, kernels = np.array([0.5, 1.0]), rng.uniform(size=(2, 2, 7))
    found = grid_intensity(bin_events(events, end_time=10.0, delta=0.1), baseline, kernels)
    expected = np.tile(baseline[:, None], 101)
    for j, times in enumerate(events):
        for bin_ in np.rint(times / 0.1).astype(int):
            for lag in range(1, 8):
                if bin_ + lag <= 100:
                    expected[:, bin_ + lag] += kernels[:, j, lag - 1]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("baseline", "kernels", "message"),
    [
        ([np.nan], np.ones((1, 1, 5)), "baseline must be finite, got nan Hz"),
        ([1.0], np.full((1, 1, 5), np.inf), "kernels must be finite, got inf Hz"),
        ([1.0, 2.0], np.ones((2, 2, 5)), r"baseline must have shape \(1,\) .* got \(2,\) and"),
        ([1.0], np.ones((1, 2, 5)), r"kernels \(1, 1, n_lags\), got \(1,\) and \(1, 2, 5\)"),
    ],
)
def test_an_intensity_has_rates_of_every_process(baseline, kernels, message):
    binned = bin_events([[1.0, 3.0]], end_time=10.0, delta=0.1)
    with pytest.raises(ValueError, match=message):
        grid_intensity(binned, baseline, kernels)
