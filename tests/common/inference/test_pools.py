"""Sets of observations that share parameters."""

import numpy as np
import pytest

from common.inference.pools import GainPool, Hierarchy
from common.inference.priors import BoxPrior
from common.inference.toy import ToyModel

PRIOR = BoxPrior({"alpha": (0, 1), "beta": (0, 1)})
NEURAL = BoxPrior({"C": (0, 1), "gain": (-20, 20)})


def identity(theta, rng):
    return theta


def test_extra_observations_share_what_is_shared_and_nothing_else():
    draw = Hierarchy(identity, PRIOR, ["beta"]).draw(50, 3, np.random.default_rng(0))
    assert draw.theta.shape == (50, 2) and draw.extra.shape == (50, 3, 2)
    assert np.array_equal(draw.x, draw.theta)
    assert np.array_equal(draw.extra[..., 1], np.repeat(draw.theta[:, 1:], 3, axis=1))
    local = np.concatenate([draw.x[:, :1], draw.extra[..., 0]], axis=1)
    assert len(np.unique(local)) == local.size


def test_without_extra_observations_the_axis_is_empty():
    draw = Hierarchy(ToyModel(), PRIOR, ["beta"]).draw(4, 0, np.random.default_rng(0))
    assert draw.extra.shape == (4, 0, 1)


def test_a_pool_gives_what_simulations_with_a_gain_would():
    rng = np.random.default_rng(0)
    theta = rng.random((30, 1))
    draw = GainPool(theta, 7 * theta, NEURAL).draw(200, 2, rng)
    assert draw.x.shape == (200, 1) and draw.extra.shape == (200, 2, 1)
    local, gain = draw.theta.T
    assert draw.x[:, 0] == pytest.approx(7 * local + gain / 5)
    assert np.ptp(gain) > 35
    from_pool = (draw.extra[..., 0] - gain[:, None] / 5) / 7
    assert np.isclose(from_pool[..., None], theta[:, 0]).any(axis=-1).all()


def test_simulations_that_are_not_finite_are_left_out_and_counted():
    theta = np.linspace(0, 1, 10)[:, None]
    spectra = 7 * theta
    spectra[[2, 5], 0] = np.nan, np.inf
    pool = GainPool(theta, spectra, NEURAL)
    assert pool.n_invalid == 2 and len(pool.theta) == len(pool.spectra) == 8
    assert np.isfinite(pool.draw(100, 3, np.random.default_rng(0)).extra).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Hierarchy(identity, PRIOR, ["gamma"]), "name must be one of alpha, beta"),
        (
            lambda: Hierarchy(ToyModel(), BoxPrior({"alpha": (0, 1), "beta": (-1, 1)}), ["beta"]),
            r"prior of beta is \[-1, 1\], outside of \[0, inf\]",
        ),
        (
            lambda: Hierarchy(lambda t, r: t[:, 0], PRIOR, ["beta"]).draw(
                2, 1, np.random.default_rng(0)
            ),
            r"must give an array of shape \(4, n_features\)",
        ),
        (lambda: GainPool(np.ones((3, 2)), np.ones((3, 1)), NEURAL), "one column for each of C"),
        (lambda: GainPool(np.ones((3, 1)), np.ones((2, 1)), NEURAL), "one length"),
        (lambda: GainPool([[2.0]], [[1.0]], NEURAL), "C is 2, outside of its prior"),
        (lambda: GainPool([[0.5]], [[np.nan]], NEURAL), "none of the 1 simulations"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
