import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear
from sklearn.exceptions import ConvergenceWarning

from common.dictionary.trend import (
    line_trend,
    moving_median,
    separate,
    slow_part,
    start_of,
    tv_prox,
)


def walk(n, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(n).cumsum() + np.where(rng.random(n) < 0.1, 5.0, 0.0)


def dense(y, mu, order):
    """The dual, a least squares problem in a box, by a dense solver."""
    D = np.diff(np.eye(len(y)), order, axis=0)
    return y - D.T @ lsq_linear(D.T, y, (-mu, mu), tol=1e-15).x


@settings(deadline=None, max_examples=60)
@given(n=st.integers(2, 400), mu=st.floats(1e-3, 1e3), seed=st.integers(0, 2**32 - 1))
def test_compiled_total_variation_meets_its_optimality_conditions(n, mu, seed):
    y = walk(n, seed)
    s = tv_prox(y, mu)
    u = np.cumsum(s - y)
    rounding = 1e-11 * n * (np.abs(y).max() + mu)
    assert np.abs(u).max() <= mu + rounding
    assert abs(u[-1]) <= rounding
    jumps = np.diff(s)
    moves = np.abs(jumps) > 1e-9 * np.abs(y).max()
    np.testing.assert_allclose(u[:-1][moves], mu * np.sign(jumps[moves]), atol=rounding)


def test_total_variation_is_compiled_and_as_in_python():
    from common.dictionary.trend import _tv_prox

    y = walk(300, 0)
    compiled = _tv_prox(y, 2.0)
    assert _tv_prox.signatures  # it has been compiled
    np.testing.assert_allclose(compiled, _tv_prox.py_func(y, 2.0), atol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 10, 60])
@pytest.mark.parametrize("mu", [0.1, 1.0, 5.0, 50.0])
def test_trends_are_those_of_a_dense_convex_solver(n, mu):
    y = walk(n, n)
    np.testing.assert_allclose(tv_prox(y, mu), dense(y, mu, 1), atol=1e-8)
    if n > 2:

        def cost(s):
            return 0.5 * np.sum((y - s) ** 2) + mu * np.abs(np.diff(s, 2)).sum()

        found = cost(line_trend(y, mu, n_iter=5000, tol=1e-10))
        assert found <= cost(dense(y, mu, 2)) * (1 + 1e-6)


def test_total_variation_has_its_limits_and_invariances():
    y = walk(200, 1)
    np.testing.assert_array_equal(tv_prox(y, 0), y)
    # |cumsum(y - mean)| <= mu everywhere: one constant.
    np.testing.assert_allclose(tv_prox(y, 1e6), y.mean(), atol=1e-9)
    s = tv_prox(y, 3.0)
    np.testing.assert_allclose(tv_prox(y + 1e3, 3.0), s + 1e3, atol=1e-9)
    np.testing.assert_allclose(tv_prox(-y[::-1], 3.0), -s[::-1], atol=1e-11)
    np.testing.assert_allclose(tv_prox(10 * y, 30.0), 10 * s, atol=1e-10)
    # A step of height h between plateaus of n samples: each moves by mu / n.
    np.testing.assert_allclose(tv_prox(np.repeat([0.0, 4.0], 5), 5.0), np.repeat([1, 3], 5))


def test_the_trend_of_a_constant_is_itself_however_large_mu():
    np.testing.assert_array_equal(tv_prox(np.full(5, 3.0), 1e3), np.full(5, 3.0))


def test_time_of_total_variation_is_linear():
    from time import process_time

    y = walk(200_000, 2)
    tv_prox(y[:10], 5.0)

    def seconds(n):
        started = process_time()
        for _ in range(len(y) // n):
            tv_prox(y[:n], 5.0)
        return process_time() - started

    # As many samples in all; a quadratic algorithm would need 100 times as long.
    assert min(seconds(len(y)) for _ in range(3)) < 10 * max(seconds(2000), 1e-3)


def test_the_unit_of_a_trend_of_lines_does_not_matter():
    y = walk(60, 3)
    s = line_trend(y, 2.0, n_iter=5000, tol=1e-9)
    for unit in (1e-6, 1e4):
        found = line_trend(unit * y, unit * 2.0, n_iter=5000, tol=1e-9)
        np.testing.assert_allclose(found / unit, s, atol=1e-6)


def test_a_trend_of_lines_that_has_not_converged_says_so():
    with pytest.warns(ConvergenceWarning, match=r"more than 1e-12 of the range of y after 3 steps"):
        line_trend(walk(60, 3), 2.0, n_iter=3, tol=1e-12)


def test_lines_are_kept_by_a_trend_of_lines():
    y = np.concatenate([np.arange(50.0), 49 - 0.5 * np.arange(1, 50)])
    found = line_trend(y, 1e-3, n_iter=5000, tol=1e-10)
    np.testing.assert_allclose(found, y, atol=1e-2)
    straight = 3 + 0.5 * np.arange(40.0)
    np.testing.assert_allclose(line_trend(straight, 100.0), straight, atol=1e-5)


def test_a_moving_median_leaves_gaps_out():
    x = np.array([1.0, np.nan, 3.0, 9.0, 5.0])
    np.testing.assert_allclose(moving_median(x, 3), [1, 2, 6, 5, 7])
    gap = np.array([0.0, np.nan, np.nan, np.nan, 4.0])
    np.testing.assert_allclose(moving_median(gap, 1), [0, 1, 2, 3, 4])


def test_a_high_pass_takes_what_is_slow_and_leaves_what_is_fast():
    t = np.arange(3000) / 100
    drift, wave = 5 + np.sin(2 * np.pi * 0.02 * t), np.sin(2 * np.pi * 5 * t)
    slow = slow_part(drift + wave, cutoff=0.5, sfreq=100.0)
    np.testing.assert_allclose(slow[500:-500], drift[500:-500], atol=0.01)


def stepped(seed=0, sigma=0.1):
    """A waveform of two cycles now and then, on steps, with gaps."""
    rng = np.random.default_rng(seed)
    t = np.arange(1500)
    trend = np.where(t < 400, 0.0, np.where(t < 900, 6.0, -3.0))
    atom = np.sin(2 * np.pi * np.arange(40) / 20)
    z = np.zeros(1461)
    z[rng.choice(36, 18, replace=False) * 40] = rng.uniform(1, 2, 18)
    x = trend + np.convolve(z, atom) + sigma * rng.standard_normal(1500)
    x[700:720] = np.nan
    return x, trend, atom


@pytest.mark.parametrize("mu, order", [(None, 1), (2.0, 1), (20.0, 2)])
def test_cost_never_rises_and_is_what_the_model_says(mu, order):
    x, _, _ = stepped()
    rng = np.random.default_rng(1)
    start = rng.standard_normal((2, 30))
    kept = {"trend": moving_median(x, 100), "penalty": 1.0, "mu": mu, "order": order}
    found = separate(x, start, n_iter=8, tol=0, **kept)
    assert found.n_iter == 8 and len(found.cost) == 1 + 8 * (2 if mu is None else 3)
    assert np.all(np.diff(found.cost) <= 1e-9 * found.cost[0])
    assert found.cost[-1] < 0.9 * found.cost[0]
    rest = (x - found.trend - found.waves)[~np.isnan(x)]
    rough = np.abs(np.diff(found.trend, order)).sum()
    expected = 0.5 * rest @ rest + found.z.sum() + (mu or 0) * rough
    assert found.cost[-1] == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(found.atoms.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found.atoms, axis=1), 1)
    assert found.z.min() >= 0


def test_waveform_and_trend_are_recovered_together():
    x, trend, _ = stepped()
    # From a wave of another length: noise could become either of two half shifts.
    start = np.sin(2 * np.pi * np.arange(40) / 23)[None]
    median = moving_median(x, 100)
    found = separate(x, start, trend=median, penalty=0.5, mu=3.0, n_iter=40)
    best = max(
        np.corrcoef(found.atoms[0], np.sin(2 * np.pi * (np.arange(40) + shift) / 20))[0, 1]
        for shift in range(20)
    )
    assert best > 0.95
    error = np.sqrt(np.mean((found.trend - trend) ** 2))
    assert error < 0.5 * np.sqrt(np.mean((median - trend) ** 2))


def test_what_is_missing_does_not_matter():
    x, trend, _ = stepped()
    start, penalty = start_of(x, trend, n_times_atom=40, reg=0.1, rng=np.random.default_rng(0))
    found = separate(x, start, trend=trend, penalty=penalty, mu=3.0)
    masked = np.ma.masked_invalid(np.where(np.isnan(x), np.nan, x))
    again = separate(masked, start, trend=trend, penalty=penalty, mu=3.0)
    np.testing.assert_array_equal(again.trend, found.trend)


def test_the_unit_does_not_matter():
    x, trend, _ = stepped()
    rng = np.random.default_rng
    start, penalty = start_of(x, trend, n_times_atom=40, reg=0.1, rng=rng(0))
    same, larger = start_of(1e3 * x, 1e3 * trend, n_times_atom=40, reg=0.1, rng=rng(0))
    np.testing.assert_allclose(same, start, atol=1e-9)
    assert larger == pytest.approx(1e3 * penalty)
    found = separate(x, start, trend=trend, penalty=penalty, mu=3.0)
    again = separate(1e3 * x, start, trend=1e3 * trend, penalty=larger, mu=3e3)
    np.testing.assert_allclose(again.trend, 1e3 * found.trend, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(again.atoms, found.atoms, atol=1e-8)


def test_nothing_is_active_above_the_largest_penalty():
    x, trend, _ = stepped()
    start, _ = start_of(x, trend, n_times_atom=40, reg=0.1, rng=np.random.default_rng(0))
    found = separate(x, start, trend=trend, penalty=1e6)
    assert not found.z.any() and found.n_iter == 1


GAPS = np.where(np.arange(100) % 10 == 0, np.nan, np.arange(100.0) % 7)
RNG = np.random.default_rng(0)
ZERO = np.zeros(100)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tv_prox([1.0, np.nan], 1.0), "y must be finite, got nan at index 1"),
        (lambda: tv_prox([1.0, 2.0], -1), "mu must be at least 0, got -1"),
        (lambda: tv_prox([], 1.0), "y is empty"),
        (lambda: line_trend([1.0, 2.0], 1.0), r"y has 2 value\(s\); a second difference needs 3"),
        (lambda: line_trend(1e200 * np.arange(9.0), 1.0), r"at most 1e\+150, got 1e\+200"),
        (lambda: line_trend(np.arange(9.0), 1.0, start=[1.0]), "y has 9, start has 1"),
        (lambda: moving_median([np.nan, np.nan], 3), "row 0 of x has no observed value"),
        (lambda: moving_median(np.ones((2, 5)), 3), r"x must have one axis, got shape \(2, 5\)"),
        (lambda: moving_median([1.0, np.inf], 3), "x holds inf"),
        (lambda: slow_part(ZERO, cutoff=60.0, sfreq=100.0), "cutoff must be at least 0.0001 and b"),
        (lambda: slow_part(ZERO[:9], cutoff=1.0, sfreq=100.0), "x has 9 samples, too few"),
        (
            lambda: start_of(GAPS, ZERO, n_times_atom=10, reg=0.1, rng=RNG),
            "no 10 samples in a row are observed among the 100 of x",
        ),
        (
            lambda: start_of(ZERO, ZERO, n_times_atom=10, reg=0.1, rng=RNG),
            "a chunk of x is its trend exactly",
        ),
        (
            lambda: start_of(GAPS, ZERO, n_times_atom=5, reg=1.0, rng=RNG),
            "reg must be above 0 and below 1, got 1.0",
        ),
        (lambda: separate(GAPS, np.ones((1, 5)), trend=ZERO, penalty=1.0), "an atom is constant"),
        (
            lambda: separate(GAPS, np.eye(1, 101), trend=ZERO, penalty=1.0),
            "atoms have 101 samples and x 100",
        ),
        (lambda: separate(GAPS, np.eye(1, 5), trend=[0.0], penalty=1.0), "x has 100, trend has 1"),
        (
            lambda: separate(GAPS, np.eye(1, 5), trend=ZERO, penalty=0.0),
            "penalty must be above 0, got 0.0",
        ),
        (
            lambda: separate(GAPS, np.eye(1, 5), trend=ZERO, penalty=1.0, mu=0.0),
            "mu must be above 0, got 0.0",
        ),
        (
            lambda: separate(GAPS, np.eye(1, 5), trend=ZERO, penalty=1.0, order=3),
            "order must be one of 1, 2, got 3",
        ),
    ],
)  # fmt: skip
def test_bad_input_has_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
