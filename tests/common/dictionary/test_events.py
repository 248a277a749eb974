"""Activations to events, against hand-made cases and a one-at-a-time reference."""

import numpy as np
import pytest

from common.dictionary import activation_events


def sparse(seed, *, n_atoms=3, n_times=2000, share=0.1, ties=False):
    rng = np.random.default_rng(seed)
    values = (
        rng.integers(1, 5, (n_atoms, n_times)) if ties else rng.exponential(size=(n_atoms, n_times))
    )
    return np.where(rng.random((n_atoms, n_times)) < share, values, 0.0)


def merged_one_at_a_time(activations, n_apart):
    """Samples that survive: visit from the largest to the smallest, keep what is far enough."""
    kept = []
    for i in sorted(np.flatnonzero(activations), key=lambda i: (-activations[i], i)):
        if all(abs(i - other) >= n_apart for other in kept):
            kept.append(i)
    return sorted(kept)


@pytest.mark.parametrize(
    ("z", "n_apart", "samples"),
    [
        ([0, 1, 0, 0, 1, 3, 0], 2, [1, 5]),  # neighbours: the larger one
        ([0, 1, 0, 0, 1, 3, 0], 1, [1, 4, 5]),  # nothing is closer than one sample
        ([5, 0, 4, 0, 3, 0, 2], 3, [0, 4]),  # 4 falls to 5, which is too far away to drop 3
        ([1, 0, 2, 0, 3, 0, 0], 3, [0, 4]),  # the same from the right
        ([2, 2, 2, 2, 2, 2, 2], 3, [0, 3, 6]),  # equal: the first wins
        ([1, 0, 0, 1, 0, 0, 0], 3, [0, 3]),  # exactly far enough
        ([1, 0, 0, 1, 0, 0, 0], 4, [0]),
        ([0, 0, 0, 0, 0, 0, 7], 100, [6]),  # longer than the recording
    ],
)
def test_merging_by_hand(z, n_apart, samples):
    times, amplitudes = activation_events([z], sfreq=10.0, min_interval=n_apart / 10)
    assert (times[0] * 10).round(9).tolist() == samples
    assert amplitudes[0].tolist() == [z[i] for i in samples]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("seed", "share"), [(0, 0.02), (1, 0.1), (2, 0.5), (3, 1.0)])
def test_merging_agrees_with_one_at_a_time(seed, share, ties):
    z = sparse(seed, n_times=500, share=share, ties=ties)
    for n_apart in (2, 3, 10, 77):
        times, _ = activation_events(z, sfreq=1.0, min_interval=n_apart)
        assert [t.tolist() for t in times] == [merged_one_at_a_time(row, n_apart) for row in z]


def test_no_event_is_lost_without_a_larger_neighbour():
    # What defines the result: events are apart, and what was dropped is close to a larger event.
    z, n_apart = sparse(4, n_atoms=1), 6
    times, amplitudes = activation_events(z, sfreq=1.0, min_interval=n_apart)
    kept, height = times[0].astype(int), amplitudes[0]
    assert np.diff(kept).min() >= n_apart
    for i in np.setdiff1d(np.flatnonzero(z[0]), kept):
        assert height[np.abs(kept - i) < n_apart].max() >= z[0, i]


def test_thresholding_before_or_after_merging_is_the_same():
    z = sparse(5)
    times, amplitudes = activation_events(z, sfreq=100.0, min_interval=0.05)
    direct, _ = activation_events(z, sfreq=100.0, min_interval=0.05, threshold=1.5)
    for t, a, expected in zip(times, amplitudes, direct, strict=True):
        assert t[a >= 1.5].tolist() == expected.tolist()


def test_atoms_are_merged_apart():
    z = [[0, 1, 0, 0], [0, 0, 5, 0]]
    times, _ = activation_events(z, sfreq=1.0, min_interval=4.0)
    assert [t.tolist() for t in times] == [[1.0], [2.0]]


@pytest.mark.parametrize(("quantile", "n_left"), [(0.0, 10), (0.5, 5), (0.6, 4), (0.95, 1)])
def test_quantile_is_of_the_positive_activations_of_each_atom(quantile, n_left):
    # Ten activations of each atom, of very different sizes, among zeros.
    z = np.zeros((2, 100))
    z[0, 5::10], z[1, 2::10] = np.arange(1.0, 11), 1e-6 * np.arange(10.0, 0, -1)
    times, amplitudes = activation_events(z, sfreq=50.0, quantile=quantile)
    for row, t, a in zip(z, times, amplitudes, strict=True):
        assert sorted(a, reverse=True) == sorted(row, reverse=True)[:n_left]
        # Times, not values: each is the place of its amplitude.
        assert row[(t * 50).round().astype(int)].tolist() == a.tolist()


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 2.0**40])
def test_unit_of_the_activations_does_not_matter(unit):
    z = sparse(6)
    times, amplitudes = activation_events(z, sfreq=100.0, quantile=0.3, min_interval=0.04)
    again, scaled = activation_events(unit * z, sfreq=100.0, quantile=0.3, min_interval=0.04)
    assert all(np.array_equal(a, b) for a, b in zip(times, again, strict=True))
    for a, b in zip(amplitudes, scaled, strict=True):
        np.testing.assert_array_equal(unit * a, b)


def test_ten_milliseconds_at_150_hz_are_two_samples():
    # 1.5 samples: neighbours (6.7 ms) are merged, every other sample (13.3 ms) is not.
    times, _ = activation_events([[1, 2, 0, 0, 2, 0, 1]], sfreq=150.0)
    np.testing.assert_allclose(times[0], [1 / 150, 4 / 150, 6 / 150], rtol=1e-12)


def test_rounding_does_not_merge_events_that_are_far_enough():
    # 0.3 * 10 and 0.07 * 100 exceed 3 and 7 by rounding.
    for sfreq, interval, n_apart in ((10.0, 0.3, 3), (100.0, 0.07, 7)):
        z = np.zeros((1, 20))
        z[0, [0, n_apart]] = 1
        assert len(activation_events(z, sfreq=sfreq, min_interval=interval)[0][0]) == 2


def test_shift_moves_each_atom_by_its_own_time():
    z = [[0, 1, 0, 0, 1], [1, 0, 0, 0, 0]]
    times, _ = activation_events(z, sfreq=10.0, shift=[0.05, 1.0])
    np.testing.assert_allclose(times[0], [0.15, 0.45], rtol=1e-12)
    np.testing.assert_allclose(times[1], [1.0], rtol=1e-12)
    times, _ = activation_events(z, sfreq=10.0, shift=2.0)
    np.testing.assert_allclose(times[0], [2.1, 2.4], rtol=1e-12)


def test_input_is_left_as_it_was():
    z = sparse(7)
    before = z.copy()
    activation_events(z, sfreq=100.0, min_interval=0.1, quantile=0.5)
    assert np.array_equal(z, before)


def test_errors_name_what_is_wrong():
    z = [[0.0, 1.1, 0.0], [0.0, 0.0, 3.0]]
    options = {"sfreq": 100.0}
    with pytest.raises(ValueError, match=r"z must have 2 axes, got shape \(3,\)"):
        activation_events(z[0], **options)
    with pytest.raises(
        ValueError, match=r"z must be finite and at least 0, got nan at index \(1, 0\)"
    ):
        activation_events([[1.0], [np.nan]], **options)
    with pytest.raises(ValueError, match=r"at least 0, got -2.0 at index \(0, 1\)"):
        activation_events([[1.0, -2.0]], **options)
    with pytest.raises(ValueError, match=r"got inf at index \(0, 1\)"):
        activation_events([[1.0, np.inf]], **options)
    with pytest.raises(ValueError, match="sfreq must be above 0 Hz, got 0"):
        activation_events(z, sfreq=0)
    with pytest.raises(ValueError, match=r"not both; got threshold=1, quantile=0.5"):
        activation_events(z, threshold=1, quantile=0.5, **options)
    with pytest.raises(ValueError, match="threshold must be at least 0, got -1"):
        activation_events(z, threshold=-1, **options)
    with pytest.raises(ValueError, match="quantile must be at least 0 and below 1, got 95"):
        activation_events(z, quantile=95, **options)
    with pytest.raises(ValueError, match=r"min_interval must be at least 0 s, got -0.1"):
        activation_events(z, min_interval=-0.1, **options)
    with pytest.raises(ValueError, match=r"one for each of 2 atoms, got \[1. 2. 3.\]"):
        activation_events(z, shift=[1, 2, 3], **options)
    with pytest.raises(
        ValueError, match=r"atom 0 is left .* threshold 2, largest activation 1.1 \(1 of 2 atoms\)"
    ):
        activation_events(z, threshold=2, **options)
    with pytest.raises(
        ValueError, match=r"atom 1 is left .* largest activation 0 \(1 of 2 atoms\)"
    ):
        activation_events([[1.0], [0.0]], quantile=0.5, **options)
