import numpy as np
import pytest

from common.adaptation import pairs


def test_subsample_keeps_order_and_pairs():
    y = np.arange(30)
    pair = pairs.merge(
        y[:10, None], y[:10], y[10:, None], y[10:], "a", "b", tuple(map(str, range(30)))
    )
    few = pairs.subsample(pair, n_samples=12, rng=np.random.default_rng(0))
    assert few.y[:10].tolist() == list(range(10))  # the source is that small
    assert few.sample_domain.tolist() == [1] * 10 + [-2] * 12
    assert (np.diff(few.y) > 0).all() and np.array_equal(few.X[:, 0], few.y)
    drawn = np.zeros(30)
    rng = np.random.default_rng(1)
    for _ in range(500):
        drawn[pairs.subsample(pair, n_samples=5, rng=rng).y] += 1
    # Binomial with 500 draws: five standard deviations are 56 at a half, 49 at a quarter.
    assert drawn[:10] == pytest.approx(250 * np.ones(10), abs=56)
    assert drawn[10:] == pytest.approx(125 * np.ones(20), abs=49)
    with pytest.raises(ValueError, match="n_samples must be at least 1, got 0"):
        pairs.subsample(pair, n_samples=0, rng=rng)


def test_tangent_space_by_hand():
    # One channel: the tangent vector is log(variance) minus its mean; nothing to shrink.
    scales = np.array([1.0, 2.0, 5.0])
    wave = np.sin(np.linspace(0, 20, 200))
    vectors = pairs.tangent_space(scales[:, None, None] * wave)
    expected = 2 * np.log(scales) - np.mean(2 * np.log(scales))
    # The mean is iterated to a criterion of 1e-8 or so.
    assert vectors[:, 0] == pytest.approx(expected, abs=1e-6)


def test_unit_of_the_signal_does_not_matter():
    trials = np.random.default_rng(0).standard_normal((20, 3, 100))
    vectors, others = (pairs.tangent_space(unit * trials) for unit in (1, 1e-6))
    assert vectors.shape == (20, 6)
    assert others == pytest.approx(vectors, abs=1e-6)
