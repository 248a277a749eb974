from functools import partial

import numpy as np
import pytest
import scipy.stats

from common.hawkes import pairs, residuals
from common.hawkes.kernels import (
    Kumaraswamy,
    RaisedCosine,
    TruncatedExponential,
    TruncatedGaussian,
)
from common.hawkes.residuals import (
    compensator,
    compensator_at,
    intensity_at,
    rescaled_intervals,
)

LENGTH, END_TIME = 1.5, 40.0
KERNELS = {
    "gaussian": (TruncatedGaussian(), [0.5, 0.3]),
    "raised cosine": (RaisedCosine(), [0.2, 0.3]),
    "exponential": (TruncatedExponential(), [5.0]),
    "kumaraswamy": (Kumaraswamy(), [2.0, 3.0]),
}
BASELINE = np.array([0.5, 1.0])
ADJACENCY = np.array([[0.3, 0.2], [0.5, 0.0]])


def make_events(seed=0, n_events=(60, 90)):
    """No Hawkes process at all: the formulas hold for any events."""
    rng = np.random.default_rng(seed)
    return [np.sort(rng.uniform(0, END_TIME, n)) for n in n_events]


def double_loop(times, events, kernel, parameters):
    """Intensity and compensator, one pair of events after the other."""
    intensity = np.tile(BASELINE[:, None], len(times))
    total = BASELINE[:, None] * times
    for i in range(2):
        for j in range(2):
            for n, time in enumerate(times):
                lags = time - events[j][events[j] < time]
                values = kernel.value(lags, parameters, length=LENGTH)
                masses = kernel.integral(lags, parameters, length=LENGTH)
                intensity[i, n] += ADJACENCY[i, j] * values.sum()
                total[i, n] += ADJACENCY[i, j] * masses.sum()
    return intensity, total


@pytest.mark.parametrize("most_pairs", [5, 2**20])
@pytest.mark.parametrize("name", KERNELS)
def test_agrees_with_the_double_loop(name, most_pairs, monkeypatch):
    monkeypatch.setattr(residuals, "iter_pairs", partial(pairs.iter_pairs, most_pairs=most_pairs))
    events = make_events()
    times = np.random.default_rng(1).permutation(np.linspace(0, END_TIME, 101))  # unsorted
    model = (events, BASELINE, ADJACENCY, *KERNELS[name])
    intensity, total = double_loop(times, events, *KERNELS[name])
    # Sums of at most 150 terms of order 1.
    found = intensity_at(times, *model, length=LENGTH)
    np.testing.assert_allclose(found, intensity, rtol=1e-12)
    found = compensator_at(times, *model, length=LENGTH)
    np.testing.assert_allclose(found, total, rtol=1e-12, atol=1e-13)
    found = compensator(*model, length=LENGTH, end_time=END_TIME)
    for i, times in enumerate(events):
        _, total = double_loop(times, events, *KERNELS[name])
        np.testing.assert_allclose(found[i], total[i], rtol=1e-12)


@pytest.mark.parametrize("name", KERNELS)
def test_compensator_is_the_integral_of_the_intensity(name):
    model = (make_events(), BASELINE, ADJACENCY, *KERNELS[name])
    times = np.linspace(0, END_TIME, 400_001)
    intensity = intensity_at(times, *model, length=LENGTH)
    step = times[1]
    integral = np.cumsum(0.5 * step * (intensity[:, 1:] + intensity[:, :-1]), axis=1)
    expected = compensator_at(times[1:], *model, length=LENGTH)
    # The trapezoidal rule errs by up to half a step times the jumps of the kernel, at most 2.5 Hz
    # for the exponential one, at each of 150 events; the jumps are at random places.
    np.testing.assert_allclose(integral, expected, atol=150 * step * 2.5)


def test_two_events_by_hand():
    # phi(t) = 0.5 * 2 exp(-2 t) up to rounding, as the support is long; events at 1 and 2 s.
    model = ([[1.0, 2.0]], [0.3], [[0.5]], TruncatedExponential(), [2.0])
    times, e = [1.0, 2.0, 3.0], np.exp(-2.0)
    np.testing.assert_allclose(
        intensity_at(times, *model, length=30.0), [[0.3, 0.3 + e, 0.3 + e + e**2]], rtol=1e-12
    )
    total = [0.3, 0.6 + 0.5 * (1 - e), 0.9 + 0.5 * (1 - e**2) + 0.5 * (1 - e)]
    np.testing.assert_allclose(compensator_at(times, *model, length=30.0), [total], rtol=1e-12)
    (intervals,) = rescaled_intervals(*model, length=30.0, end_time=5.0)
    np.testing.assert_allclose(intervals, [total[0], total[1] - total[0]], rtol=1e-12)


def test_events_beyond_the_support_count_with_their_full_mass():
    events = [np.arange(0.5, 8)]
    (total,) = compensator_at(
        [50.0], events, [0.1], [[0.7]], TruncatedGaussian(), [0.5, 0.3], length=1.0
    )
    np.testing.assert_allclose(total, [5 + 0.7 * 8], rtol=1e-12)


def test_simultaneous_events_do_not_excite_each_other():
    # A gaussian is positive at lag 0, so an included tie would show.
    model = ([[1.0, 1.0], [1.0]], [0.3, 0.3], np.full((2, 2), 0.4), TruncatedGaussian(), [0, 0.3])
    np.testing.assert_array_equal(intensity_at([1.0], *model, length=1.0), [[0.3], [0.3]])
    found = rescaled_intervals(*model, length=1.0, end_time=2.0)
    np.testing.assert_array_equal(found[0], [0.3, 0.0])


def test_poisson_process():
    events = make_events()
    model = (events, BASELINE, np.zeros((2, 2)), *KERNELS["gaussian"])
    found = rescaled_intervals(*model, length=LENGTH, end_time=END_TIME)
    for intervals, times, rate in zip(found, events, BASELINE, strict=True):
        np.testing.assert_allclose(intervals, rate * np.diff(times, prepend=0), rtol=1e-10)


def test_unit_of_time_does_not_matter():
    events = make_events()
    first = rescaled_intervals(
        events, BASELINE, ADJACENCY, *KERNELS["gaussian"], length=LENGTH, end_time=END_TIME
    )
    in_ms = rescaled_intervals(
        [1000 * times for times in events],
        BASELINE / 1000,
        ADJACENCY,
        TruncatedGaussian(),
        [500.0, 300.0],
        length=1000 * LENGTH,
        end_time=1000 * END_TIME,
    )
    for a, b in zip(first, in_ms, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_events_that_are_too_regular_are_noticed():
    events = [np.arange(0.5, 2000)]
    model = (events, [1.0], [[0.0]], *KERNELS["gaussian"])
    (intervals,) = rescaled_intervals(*model, length=LENGTH, end_time=2000.0)
    assert scipy.stats.kstest(intervals, "expon").pvalue < 1e-6


def test_a_process_may_be_empty():
    model = ([[], [1.0]], BASELINE, ADJACENCY, *KERNELS["gaussian"])
    found = compensator(*model, length=LENGTH, end_time=END_TIME)
    assert len(found[0]) == 0
    assert found[1] == pytest.approx([1.0])


def test_errors_name_what_is_wrong():
    kernel, parameters = KERNELS["gaussian"]
    events, options = [[1.0], [2.0]], {"length": 1.0, "end_time": 5.0}
    with pytest.raises(ValueError, match=r"2 process\(es\); .* got \(1,\) and \(2, 2\)"):
        compensator(events, [0.5], ADJACENCY, kernel, parameters, **options)
    with pytest.raises(ValueError, match=r"events\[1\] must be sorted, .* 1 s follows 2 s"):
        compensator([[1.0], [2.0, 1.0]], BASELINE, ADJACENCY, kernel, parameters, **options)
    with pytest.raises(ValueError, match=r"events\[0\] spans \[1, 9\] s, outside the record"):
        compensator([[1.0, 9.0], [2.0]], BASELINE, ADJACENCY, kernel, parameters, **options)
    with pytest.raises(ValueError, match=r"length must be above 0 s, got 0 s"):
        intensity_at([1.0], events, BASELINE, ADJACENCY, kernel, parameters, length=0)
    with pytest.raises(ValueError, match=r"times must be 0 s or later, got -1 s"):
        compensator_at([-1.0], events, BASELINE, ADJACENCY, kernel, parameters, length=1.0)
    with pytest.raises(ValueError, match=r"baseline must be finite and at least 0 Hz, got -1.0 Hz"):
        rescaled_intervals(events, [-1.0, 1.0], ADJACENCY, kernel, parameters, **options)
    with pytest.raises(ValueError, match=r"baseline must be finite and at least 0 Hz, got nan Hz"):
        compensator(events, [1.0, np.nan], ADJACENCY, kernel, parameters, **options)
    with pytest.raises(ValueError, match=r"adjacency must be finite and at least 0, got nan"):
        compensator(events, BASELINE, np.nan * ADJACENCY, kernel, parameters, **options)
    with pytest.raises(ValueError, match=r"times must be finite, got nan s"):
        intensity_at([np.nan], events, BASELINE, ADJACENCY, kernel, parameters, length=1.0)
    with pytest.raises(ValueError, match=r"times must have 1 axis, got shape \(\)"):
        intensity_at(1.0, events, BASELINE, ADJACENCY, kernel, parameters, length=1.0)
    with pytest.raises(ValueError, match=r"parameters must have shape \(2, 2, 2\)"):
        intensity_at([1.0], events, BASELINE, ADJACENCY, kernel, [[1.0]], length=1.0)
