import numpy as np
import pytest

from common.hawkes.grid import bin_events
from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.simulation import simulate
from common.hawkes.start import lag_moments
from common.hawkes.statistics import precompute

LENGTH, DELTA = 1.0, 0.01


def statistics_of(events, end_time, *, delta=DELTA):
    return precompute(
        bin_events(events, end_time=end_time, delta=delta), n_lags=round(LENGTH / delta)
    )


def chain(end_time=5000.0):
    """Process 0 triggers 1 after about 0.2 s, and 1 triggers 2 after about 0.5 s."""
    adjacency = np.array([[0, 0, 0], [0.8, 0, 0], [0, 0.8, 0]])
    parameters = np.zeros((2, 3, 3))
    parameters[0] = [[0.5, 0.5, 0.5], [0.2, 0.5, 0.5], [0.5, 0.5, 0.5]]
    parameters[1] = 0.05
    return simulate(
        [0.5, 0.1, 0.1],
        adjacency,
        TruncatedGaussian(),
        parameters,
        length=LENGTH,
        end_time=end_time,
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize("delta", [0.01, 0.02, 0.1])
def test_lags_of_a_chain_are_those_of_its_links(delta):
    mean, spread = lag_moments(statistics_of(chain(), 5000.0, delta=delta))
    # Bins of 0.05 s, or the grid step where it is larger.
    width = max(0.05, delta)
    assert mean[1, 0] == pytest.approx(0.2, abs=width)
    assert mean[2, 1] == pytest.approx(0.5, abs=width)
    # Rectangles add width / sqrt(12) twice, and noise that passes its standard error widens.
    assert spread[1, 0] == pytest.approx(0.05, abs=width)
    assert spread[2, 1] == pytest.approx(0.05, abs=width)


def test_rectangles_separate_a_link_from_the_chain():
    # The correlogram of 0 and 2 peaks at 0.2 + 0.5 s although no kernel joins them.
    statistics = statistics_of(chain(), 5000.0)
    correlogram = statistics.pairs[2, 0].reshape(20, 5).sum(1)
    assert correlogram.argmax() in (13, 14)  # bins from 0.66 to 0.75 s
    expected = statistics.n_events[0] * statistics.n_events[2] / statistics.n_grid * 5
    assert correlogram[13] > 2 * expected
    mean, spread = lag_moments(statistics)
    link_free = abs(mean[2, 0] - 0.7) > 0.1 or spread[2, 0] > 0.15  # no peak there, or none at all
    assert link_free


def test_masked_pairs_and_their_receivers():
    statistics = statistics_of(chain(), 5000.0)
    mask = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=bool)
    mean, spread = lag_moments(statistics, mask=mask)
    np.testing.assert_array_equal(mean[~mask], 0.5)
    np.testing.assert_array_equal(spread[~mask], 0.25)
    assert mean[1, 0] == pytest.approx(0.2, abs=0.02)  # fewer rectangles, less noise
    assert mean[2, 1] == pytest.approx(0.5, abs=0.02)


def test_no_effect_gives_the_middle_of_the_support():
    # Regular events at twice the support: no pair within it.
    events = [np.arange(0.0, 100.0, 2.0), np.arange(1.5, 100.0, 4.0)]
    mean, spread = lag_moments(statistics_of([events[0]], 100.0))
    assert mean.item() == 0.5 and spread.item() == 0.25


def test_support_that_is_no_multiple_of_the_rectangles():
    statistics = precompute(bin_events(chain(), end_time=5000.0, delta=0.013), n_lags=47)
    mean, _ = lag_moments(statistics)
    assert mean[1, 0] == pytest.approx(0.2, abs=0.03)


def test_order_of_processes_does_not_matter():
    events, order = chain(500.0), [2, 0, 1]
    mean, spread = lag_moments(statistics_of(events, 500.0))
    permuted = lag_moments(statistics_of([events[i] for i in order], 500.0))
    for one, other in zip((mean, spread), permuted, strict=True):
        np.testing.assert_allclose(one[np.ix_(order, order)], other, rtol=1e-6)
