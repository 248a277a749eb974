"""Uniform priors and coordinates in which they are standard normal."""

import numpy as np
import pytest
from scipy import stats

from common.inference.priors import BoxPrior

PRIOR = BoxPrior({"C": (10, 250), "mu": (50, 500)})


def test_samples_are_uniform_within_the_bounds():
    theta = PRIOR.sample(20_000, np.random.default_rng(0))
    assert theta.shape == (20_000, 2)
    for values, low, high in zip(theta.T, PRIOR.low, PRIOR.high, strict=True):
        assert stats.kstest(values, "uniform", args=(low, high - low)).pvalue > 1e-3


def test_coordinates_of_samples_are_standard_normal_and_lead_back():
    theta = PRIOR.sample(20_000, np.random.default_rng(1))
    z = PRIOR.to_normal(theta)
    for values in z.T:
        assert stats.kstest(values, "norm").pvalue > 1e-3
    assert PRIOR.from_normal(z) == pytest.approx(theta, rel=1e-9)


def test_a_bound_has_finite_coordinates_and_no_coordinate_leaves_the_box():
    assert np.isfinite(PRIOR.to_normal([PRIOR.low, PRIOR.high])).all()
    assert PRIOR.from_normal([[-1e3, 1e3]]).tolist() == [[10.0, 500.0]]


def test_some_of_the_parameters_in_the_order_asked_for():
    found = BoxPrior({"a": (0, 1), "b": (1, 2), "c": (2, 3)}).only(["c", "a"])
    assert found.names == ("c", "a") and found.low.tolist() == [2.0, 0.0]


@pytest.mark.parametrize(
    ("bounds", "error", "message"),
    [
        ({}, ValueError, "at least one parameter"),
        ({"a": (1, 0)}, ValueError, r"must ascend, got \(1, 0\)"),
        ({"a": (0, np.nan)}, ValueError, "upper bound of a must be finite, got nan"),
        ({"a": 3}, TypeError, "must be two numbers"),
    ],
)
def test_bounds_that_are_none(bounds, error, message):
    with pytest.raises(error, match=message):
        BoxPrior(bounds)


def test_a_prior_outside_of_the_simulators_domain():
    with pytest.raises(ValueError, match=r"prior of b is \[-1, 1\], outside of \[0, inf\]"):
        BoxPrior({"a": (0, 1), "b": (-1, 1)}).check_within({"a": (0, 2), "b": (0, np.inf)})
    with pytest.raises(ValueError, match="takes b, a, in this order, and the prior has a, b"):
        BoxPrior({"a": (0, 1), "b": (0, 1)}).check_within({"b": (0, 1), "a": (0, 1)})
    PRIOR.check_within({"C": (0, np.inf), "mu": (50, 500)})


def test_a_value_outside_of_the_prior():
    with pytest.raises(ValueError, match=r"C is 270, outside of its prior, \[10, 250\]"):
        PRIOR.to_normal([[270, 220]])
    with pytest.raises(ValueError, match="mu is nan"):
        PRIOR.to_normal([[100, np.nan]])
