"""Ranks of truths among samples."""

import numpy as np
import pytest

from common.inference.calibration import rank_test, ranks


def study(spread, seed, n=400, n_samples=20):
    """Truths N(0, 1), a datum of each, posteriors ``spread`` times as wide as the exact ones."""
    rng = np.random.default_rng(seed)
    truths = rng.standard_normal(n)
    mean = (truths + rng.standard_normal(n)) / 2
    samples = mean[:, None] + spread * np.sqrt(0.5) * rng.standard_normal((n, n_samples))
    return rank_test(ranks(samples, truths), n_samples, rng)


def test_the_exact_posterior_is_rejected_as_often_as_the_level_says():
    found = [study(1.0, seed).p < 0.1 for seed in range(200)]
    # Binomial with 200 and 0.1: five standard deviations are 0.106.
    assert np.mean(found) == pytest.approx(0.1, abs=0.106)


@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_a_posterior_that_is_too_narrow_or_too_wide_is_found(spread):
    assert study(spread, 0).p < 1e-3


def test_ranks_count_samples_below_the_truth():
    assert ranks([[1.0, 2.0, 3.0]] * 3, [0.0, 2.5, 9.0]).tolist() == [0, 2, 3]


def test_errors():
    with pytest.raises(ValueError, match="one length"):
        ranks(np.zeros((3, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="at most 5"):
        rank_test([6], 5, np.random.default_rng(0))
    with pytest.raises(TypeError, match="rng must be"):
        rank_test([1], 5, 0)
