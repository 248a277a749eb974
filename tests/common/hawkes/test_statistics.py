import tracemalloc

import numpy as np
import pytest

from common.hawkes import statistics as module
from common.hawkes.grid import BinnedEvents, bin_events
from common.hawkes.statistics import correlate, precompute


def from_counts(z, delta=0.07):
    """Bins of dense counts."""
    bins = tuple(np.flatnonzero(row) for row in z)
    counts = tuple(row[row > 0].astype(np.int64) for row in z)
    return BinnedEvents(bins, counts, z.shape[1], delta)


def random_counts(n_processes, n_grid, *, rate=0.4, seed=0):
    """Poisson counts, with events in the first and the last bin of every process."""
    z = np.random.default_rng(seed).poisson(rate, (n_processes, n_grid))
    z[:, [0, -1]] += 1
    return z


def loops(z, n_lags):
    """The three sums, written as sums."""
    p, n_grid = z.shape
    after, pairs = np.zeros((p, n_lags)), np.zeros((p, p, n_lags))
    psi = np.zeros((p, p, n_lags, n_lags))
    for s in range(n_grid):
        for t in range(1, min(n_lags, s) + 1):
            for j in range(p):
                after[j, t - 1] += z[j, s - t]
                for i in range(p):
                    pairs[i, j, t - 1] += z[j, s - t] * z[i, s]
                for u in range(1, min(n_lags, s) + 1):
                    for k in range(p):
                        psi[j, k, t - 1, u - 1] += z[j, s - t] * z[k, s - u]
    return after, pairs, psi


@pytest.mark.parametrize("n_processes, n_lags", [(1, 1), (1, 6), (2, 5), (3, 4)])
def test_sums_agree_with_loops(n_processes, n_lags):
    z = random_counts(n_processes, 30)
    found = precompute(from_counts(z), n_lags=n_lags)
    after, pairs, psi = loops(z, n_lags)
    np.testing.assert_array_equal(found.after, after)
    np.testing.assert_array_equal(found.pairs, pairs)
    np.testing.assert_array_equal(found.psi(), psi)
    assert found.n_events.tolist() == z.sum(1).tolist()
    assert (found.n_grid, found.n_lags, found.n_processes) == (30, n_lags, n_processes)
    assert found.duration == pytest.approx(30 * 0.07)


def test_one_pair_of_events_is_counted_at_its_lag_and_in_its_direction():
    # Process 1 fires 3 steps after process 0. A correlation that is taken as even in the lag
    # would put the pair at -3, too.
    z = np.zeros((2, 40), dtype=int)
    z[0, 10] = z[1, 13] = 1
    found = precompute(from_counts(z), n_lags=5)
    expected = np.zeros((2, 2, 5))
    expected[1, 0, 2] = 1  # receiver 1, source 0, lag 3
    np.testing.assert_array_equal(found.pairs, expected)
    # z_0[s - t] z_1[s - u] is 1 where s - t = 10 and s - u = 13: t = u + 3.
    t, u = np.indices((5, 5)) + 1
    np.testing.assert_array_equal(found.psi()[0, 1], (t == u + 3).astype(float))
    np.testing.assert_array_equal(found.psi()[1, 0], (u == t + 3).astype(float))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("n_processes, n_lags", [(1, 7), (2, 16), (3, 33)])
def test_product_and_gram_are_those_of_the_dense_matrix(n_processes, n_lags, exact):
    z = random_counts(n_processes, 100, seed=1)
    found = precompute(from_counts(z), n_lags=n_lags, exact=exact)
    psi = found.psi()
    phi = np.random.default_rng(0).normal(size=(4, 2, n_processes, n_lags))
    # FFT: rounding relative to the largest entry.
    scale = np.abs(psi).sum()
    np.testing.assert_allclose(
        found.apply(phi), np.einsum("jkst,abkt->abjs", psi, phi), atol=1e-15 * scale
    )
    one = phi[1, 1]
    gram = np.einsum("jkst,js,kt->jk", psi, one, one)
    np.testing.assert_allclose(found.gram(one), gram, atol=1e-15 * scale)
    sources = np.array([0, n_processes - 1])[: min(2, n_processes)]
    np.testing.assert_allclose(
        found.gram(one[sources], sources), gram[np.ix_(sources, sources)], atol=1e-15 * scale
    )
    product = np.einsum("jkst,kt->js", psi[np.ix_(sources, sources)], one[sources])
    np.testing.assert_allclose(found.apply(one[sources], sources), product, atol=1e-15 * scale)


def test_gram_is_that_of_the_filtered_counts():
    # sum_s (phi_j * z_j)[s] (phi_k * z_k)[s] over the grid, and beyond it for the Toeplitz form.
    z = random_counts(2, 60, seed=2)
    phi = np.random.default_rng(3).random((2, 9))
    beyond = np.stack([np.convolve(z[j], np.append(0, phi[j])) for j in range(2)])
    inside = beyond[:, :60]
    np.testing.assert_allclose(
        precompute(from_counts(z), n_lags=9).gram(phi), inside @ inside.T, rtol=1e-12
    )
    np.testing.assert_allclose(
        precompute(from_counts(z), n_lags=9, exact=False).gram(phi), beyond @ beyond.T, rtol=1e-12
    )


def test_toeplitz_form_is_exact_without_events_near_the_end():
    z = random_counts(2, 80, seed=4)
    z[:, -9:] = 0
    exact, toeplitz = (precompute(from_counts(z), n_lags=9, exact=e) for e in (True, False))
    np.testing.assert_array_equal(exact.psi(), toeplitz.psi())
    z[0, -9] = 1  # nine lags before the end: its last response falls on the first point beyond
    exact, toeplitz = (precompute(from_counts(z), n_lags=9, exact=e) for e in (True, False))
    difference = toeplitz.psi() - exact.psi()
    assert np.argwhere(difference).tolist() == [[0, 0, 8, 8]]


def test_no_number_depends_on_the_order_in_which_pairs_are_counted():
    # Several events a bin, several processes a bin, gaps of exactly n_lags, blocks of 1 event up.
    z = random_counts(3, 400, rate=0.3, seed=5)
    binned = from_counts(z)
    expected = np.zeros((3, 3, 21))
    for m in range(21):
        expected[:, :, m] = z[:, : 400 - m] @ z[:, m:].T
    bins = np.concatenate(binned.bins)
    order = np.argsort(bins, kind="stable")
    process = np.repeat(np.arange(3), [len(b) for b in binned.bins])[order]
    arguments = bins[order], np.concatenate(binned.counts)[order], process, 3, 20
    for block in (1, 7, 64, 10_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_BLOCK", block)
            np.testing.assert_array_equal(module._correlate_sparse(*arguments), expected)
            np.testing.assert_array_equal(module._correlate_dense(*arguments), expected)
    np.testing.assert_array_equal(correlate(binned, 20), expected)


@pytest.mark.parametrize("rate, dense", [(0.02, False), (3.0, True)])
def test_way_of_counting_follows_the_density_of_events(rate, dense, monkeypatch):
    called = []
    for name in ("_correlate_sparse", "_correlate_dense"):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, f=function, n=name: called.append(n) or f(*a))
    z = random_counts(2, 3000, rate=rate, seed=6)
    found = correlate(from_counts(z), 50)
    assert called == ["_correlate_dense" if dense else "_correlate_sparse"]
    np.testing.assert_array_equal(found[:, :, 50], z[:, :-50] @ z[:, 50:].T)


def test_empty_process_has_no_pairs():
    binned = bin_events([[0.5, 0.6], []], end_time=2.0, delta=0.1, allow_empty=True)
    found = precompute(binned, n_lags=5)
    assert found.pairs[0, 0].tolist() == [1, 0, 0, 0, 0]
    assert not found.pairs[1].any() and not found.pairs[:, 1].any() and not found.after[1].any()


def test_memory_depends_neither_on_the_grid_nor_on_the_square_of_the_lags():
    # 1e12 grid points; a dense matrix of all lags would take 8 (3 x 3000)^2 bytes, 650 MB.
    rng = np.random.default_rng(7)
    events = [np.sort(rng.uniform(0, 1e6, 1000)) for _ in range(3)]
    tracemalloc.start()
    binned = bin_events(events, end_time=1e6, delta=1e-6)
    found = precompute(binned, n_lags=3000)
    found.apply(rng.random((3, 3000)))
    found.gram(rng.random((3, 3000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.n_grid == 10**12 + 1
    assert peak < 10e6  # 9 correlations of 3000 lags, their transforms, a few copies


def test_lags_must_fit_the_grid():
    binned = bin_events([[0.5]], end_time=1.0, delta=0.1)
    with pytest.raises(ValueError, match=r"n_lags must be between 1 and n_grid - 1 = 10, got 11"):
        precompute(binned, n_lags=11)
    with pytest.raises(ValueError, match=r"got 0"):
        precompute(binned, n_lags=0)
