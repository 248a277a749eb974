import numpy as np
import pytest

from common.hawkes.grid import bin_events
from common.hawkes.kernels import TruncatedExponential, TruncatedGaussian
from common.hawkes.pairs import (
    broadcast_parameters,
    check_sorted,
    iter_pairs,
    kernel_of_pair,
    lagged_counts,
)
from common.hawkes.statistics import precompute


@pytest.mark.parametrize("most_pairs", [1, 7, 2**20])
@pytest.mark.parametrize("shortest", [None, 0, 2])
@pytest.mark.parametrize("longest", [3, 10, 1000])
def test_pairs_are_those_of_the_double_loop(most_pairs, shortest, longest):
    rng = np.random.default_rng(0)
    sources = np.sort(rng.integers(0, 100, 60))  # with ties
    targets = np.sort(rng.integers(0, 100, 50))
    low = 1 if shortest is None else shortest
    expected = [
        (s, t)
        for t in range(len(targets))
        for s in range(len(sources))
        if low <= targets[t] - sources[s] <= longest
    ]
    chunks = list(
        iter_pairs(sources, targets, longest=longest, shortest=shortest, most_pairs=most_pairs)
    )
    found = [pair for chunk in chunks for pair in zip(*map(np.ndarray.tolist, chunk), strict=True)]
    assert found == expected
    # A target is never split over chunks, and a chunk of several targets respects the limit.
    chunk_targets = [set(target.tolist()) for _, target in chunks]
    assert sum(map(len, chunk_targets)) == len(set().union(*chunk_targets))
    assert all(
        len(c[0]) <= most_pairs or len(t) == 1 for c, t in zip(chunks, chunk_targets, strict=True)
    )


def test_no_source_or_target_gives_no_pair():
    assert list(iter_pairs(np.zeros(0), np.ones(3), longest=1.0)) == []
    assert list(iter_pairs(np.ones(3), np.zeros(0), longest=1.0)) == []


def test_lagged_counts_agree_with_the_dense_grid_and_with_the_statistics():
    rng = np.random.default_rng(0)
    events = [np.sort(rng.uniform(0, 30, n)) for n in (80, 40, 5)]
    binned = bin_events(events, end_time=30, delta=0.25)  # steps hold several events
    n_lags = 13
    lagged = lagged_counts(binned, n_lags)
    z = binned.dense()
    shifted = np.zeros((3, n_lags, binned.n_grid))
    for tau in range(1, n_lags + 1):
        shifted[:, tau - 1, tau:] = z[:, :-tau]
    assert max(counts.max() for counts in lagged.counts) > 1
    for i in range(3):
        expected = shifted.reshape(3 * n_lags, -1)[:, binned.bins[i]].T
        np.testing.assert_array_equal(lagged.before[i].toarray(), expected)
    np.testing.assert_array_equal(lagged.after, shifted.sum(-1))
    np.testing.assert_array_equal(lagged.after, precompute(binned, n_lags=n_lags).after)
    np.testing.assert_array_equal(lagged.n_events, [80, 40, 5])
    assert lagged.duration == pytest.approx(binned.n_grid * 0.25)


def test_parameters_of_one_kernel_and_of_nested_kernels():
    kernel = TruncatedGaussian()
    shared = broadcast_parameters(kernel, [0.2, 0.1], 2, 3)
    assert shared.shape == (2, 2, 3)
    part, values = kernel_of_pair(kernel, shared, 1, 2)
    assert part is kernel and values.tolist() == [0.2, 0.1]
    nested = [[TruncatedGaussian(), TruncatedExponential()]]
    parameters = broadcast_parameters(nested, [[[0.2, 0.1], [3.0]]], 1, 2)
    part, values = kernel_of_pair(nested, parameters, 0, 1)
    assert part is nested[0][1] and values == [3.0]


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match=r"shape \(2, 2, 3\), or \(2,\) .*, got \(3,\)"):
        broadcast_parameters(TruncatedGaussian(), [0.2, 0.1, 0.3], 2, 3)
    with pytest.raises(ValueError, match=r"kernel must have 2 rows of 2, .* lengths \[1, 1\]"):
        broadcast_parameters([[TruncatedGaussian()], [TruncatedGaussian()]], None, 2, 2)
    with pytest.raises(ValueError, match=r"parameters must have 1 rows of 1, .* lengths \[2\]"):
        broadcast_parameters([[TruncatedGaussian()]], [[[0.2, 0.1], [0.2, 0.1]]], 1, 1)
    with pytest.raises(ValueError, match=r"x must be one-dimensional, got shape \(1, 2\)"):
        check_sorted([[1, 2]], name="x")
    with pytest.raises(ValueError, match=r"x\[1\] is nan \(1 of 2 times"):
        check_sorted([1, np.nan], name="x")
    with pytest.raises(ValueError, match=r"x\[2\] = 2 s follows 3 s"):
        check_sorted([1, 3, 2], name="x")
    with pytest.raises(ValueError, match=r"x spans \[-1, 2\] s, outside the record \[0, 5\] s"):
        check_sorted([-1, 2], name="x", end_time=5)
    with pytest.raises(ValueError, match=r"outside the record .* Divide by sfreq"):
        check_sorted([1, 6], name="x", end_time=5)
