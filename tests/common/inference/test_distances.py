"""Distances of samples to a point and to a distribution."""

import numpy as np
import pytest
from scipy import stats

from common.inference.distances import squared_distance, squared_distance_to_truth


def test_distance_to_a_point_is_the_mean_squared_difference():
    # The only coupling with a point moves every sample there.
    rng = np.random.default_rng(0)
    samples, truth = rng.standard_normal((3, 50, 2)), rng.standard_normal((3, 2))
    expected = ((samples - truth[:, None]) ** 2).mean(axis=1)
    assert squared_distance_to_truth(samples, truth) == pytest.approx(expected)


def test_distance_between_normal_distributions_has_a_closed_form():
    # (difference of means)² + (difference of standard deviations)².
    n = 200_000
    samples = 1 + 2 * np.random.default_rng(0).permutation(stats.norm.ppf((np.arange(n) + 0.5) / n))
    assert squared_distance(samples, stats.norm.ppf) == pytest.approx(2, rel=1e-3)
    assert squared_distance(samples, stats.norm(1, 2).ppf) == pytest.approx(0, abs=1e-12)


def test_errors():
    with pytest.raises(ValueError, match=r"need a truth of shape \(3, 2\), got \(2,\)"):
        squared_distance_to_truth(np.zeros((3, 5, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="got nan at index 1"):
        squared_distance([0.0, np.nan], stats.norm.ppf)
