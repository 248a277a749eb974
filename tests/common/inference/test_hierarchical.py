"""HNPE on the toy model and on a Gaussian one, whose posteriors are known."""

import pickle

import numpy as np
import pytest
import torch
from scipy import stats

from common.inference.calibration import rank_test, ranks
from common.inference.distances import squared_distance
from common.inference.hierarchical import hnpe
from common.inference.pools import GainPool
from common.inference.priors import BoxPrior
from common.inference.toy import (
    MaximumCoordinates,
    ToyModel,
    exact_quantiles,
    log_maximum,
    mean_posterior,
)

PRIOR = BoxPrior({"alpha": (0, 1), "beta": (0, 1)})
SHORT = {"n_steps": 3, "batch_size": 8, "random_state": 0}


@pytest.fixture(scope="module")
def learned():
    return hnpe(
        ToyModel(), PRIOR, shared=["beta"], n_extra=[0, 12], n_steps=500, lr=5e-3, random_state=0
    )


def test_margins_without_extra_observations_are_the_exact_ones(learned):
    for x in (0.1, 0.25, 0.6):
        draws = learned.sample([[x]], n_samples=4000, random_state=0)[0]
        for j in (0, 1):
            value = squared_distance(
                draws[:, j], lambda u, j=j, x=x: exact_quantiles(u, x, x, 0)[j]
            )
            assert value < 0.002  # the prior has 0.007 to 0.09


def test_given_the_mean_it_has_the_spread_of_quadrature_and_is_calibrated(learned):
    rng = np.random.default_rng(1)
    theta = PRIOR.sample(300, rng)
    x = theta[:, :1] * theta[:, 1:]
    extra = (rng.random((300, 12)) * theta[:, 1:])[..., None]
    draws = learned.sample(x, extra, 500, random_state=1)
    _, exact = mean_posterior(x[:, 0], extra.mean(axis=1)[:, 0], 12)
    spread = draws[..., 1].std(axis=1) / np.sqrt(exact.variance)
    assert np.median(spread) == pytest.approx(1, abs=0.2)
    assert rank_test(ranks(draws[..., 1], theta[:, 1]), 500, rng).p > 0.001
    assert np.median(np.abs(draws[..., 0] - x / draws[..., 1])) < 0.05


def test_density_integrates_to_one(learned):
    grid = (np.arange(150) + 0.5) / 150
    alpha, beta = np.meshgrid(grid, grid)
    theta = np.stack([alpha.ravel(), beta.ravel()], axis=1)
    naive = hnpe(ToyModel(), PRIOR, shared=["beta"], method="naive", **SHORT)
    density = np.exp(naive.log_prob(theta, np.full((len(theta), 1), 0.25)))
    assert density.mean() == pytest.approx(1, abs=0.02)
    # The learned one is narrow about alpha beta = 0.25: over alpha it is a density at each beta.
    fine = (np.arange(20_000) + 0.5) / 20_000
    theta = np.stack([fine, np.full(len(fine), 0.5)], axis=1)
    joint = np.exp(learned.log_prob(theta, np.full((len(fine), 1), 0.25))).mean()
    # Exact: p(beta | x) = 1 / (beta log(1 / x)).
    assert joint == pytest.approx(1 / (0.5 * np.log(4)), rel=0.15)


def test_density_integrates_to_one_in_the_units_of_the_prior():
    prior = BoxPrior({"alpha": (0, 3), "beta": (1, 3)})
    grid = (np.arange(150) + 0.5) / 150
    theta = np.stack([one.ravel() for one in np.meshgrid(3 * grid, 1 + 2 * grid)], axis=1)
    x = np.full((len(theta), 1), 0.25)
    for method in ("naive", "factorised"):
        found = hnpe(ToyModel(), prior, shared=["beta"], method=method, **SHORT)
        density = np.exp(found.log_prob(theta, x))
        assert density.mean() * 6 == pytest.approx(1, abs=0.02), method


def test_the_maximum_and_its_coordinates_give_a_narrower_posterior():
    options = {"aggregate": log_maximum, "coordinates": MaximumCoordinates()}
    found = hnpe(
        ToyModel(),
        PRIOR,
        shared=["beta"],
        n_extra=[112],
        parameters="shared",
        n_steps=250,
        random_state=0,
        **options,
    )
    rng = np.random.default_rng(0)
    extra = rng.random((20, 112, 1)) * 0.5
    draws = found.sample(np.full((20, 1), 0.25), extra, 200, random_state=0)
    assert draws.shape == (20, 200, 1) and found.names == ("beta",)
    assert (draws >= extra.max(axis=1)[:, None] * (1 - 1e-6)).all()
    # An exponential posterior of mean beta / N has an interquartile range of log(3) beta / N; given
    # the mean of observations it is five times as wide.
    width = np.median(np.ptp(np.quantile(draws, [0.25, 0.75], axis=1), axis=0))
    assert width == pytest.approx(np.log(3) * 0.5 / 112, rel=0.5)


def test_networks_do_not_depend_on_which_others_are_trained():
    both = hnpe(ToyModel(), PRIOR, shared=["beta"], n_extra=[0, 2], **SHORT)
    one = hnpe(ToyModel(), PRIOR, shared=["beta"], n_extra=[2], **SHORT)
    x, extra = [[0.2]], [[[0.3], [0.1]]]
    draws = [each.sample(x, extra, 5, random_state=0) for each in (both, one)]
    assert np.array_equal(*draws)
    other = hnpe(ToyModel(), PRIOR, shared=["beta"], n_extra=[2], **(SHORT | {"random_state": 1}))
    assert not np.array_equal(draws[0], other.sample(x, extra, 5, random_state=0))
    assert both.n_extra == (0, 2) and set(both.losses) == {0, 2, "local"}


def test_order_of_the_prior_is_that_of_samples():
    # The shared parameter first: the local one must follow from it.
    prior = BoxPrior({"beta": (0, 1), "alpha": (5, 6)})
    found = hnpe(lambda t, rng: t, prior, shared=["beta"], **SHORT)
    draws = found.sample([[0.5, 5.5]], n_samples=50, random_state=0)[0]
    assert ((draws >= prior.low) & (draws <= prior.high)).all()


def test_a_pool_is_drawn_from():
    prior = BoxPrior({"C": (0, 1), "gain": (-20, 20)})
    theta = np.random.default_rng(0).random((50, 1))
    found = hnpe(GainPool(theta, theta, prior), prior, shared=["gain"], n_extra=[3], **SHORT)
    assert found.sample([[0.2]], np.zeros((1, 3, 1)), 4, random_state=0).shape == (1, 4, 2)
    other = BoxPrior({"C": (0, 1), "gain": (-10, 10)})
    with pytest.raises(ValueError, match="drawn from another prior, of C, gain between"):
        hnpe(GainPool(theta, theta, prior), other, shared=["gain"], **SHORT)


def test_simulations_that_are_not_finite_are_counted_and_reported():
    def sometimes(theta, rng):
        x = theta[:, :1] * theta[:, 1:]
        return np.where(theta[:, :1] < 0.1, np.nan, x)

    with pytest.warns(RuntimeWarning, match="of 2,096 simulated sets .* not finite") as caught:
        found = hnpe(sometimes, PRIOR, shared=["beta"], **SHORT)
    assert found.n_simulated == 2 * (1024 + 3 * 8)
    assert found.n_invalid == pytest.approx(0.1 * found.n_simulated, rel=0.3)
    assert f"{found.n_invalid:,} of" in str(caught[0].message)
    with pytest.raises(ValueError, match="1024 of 1024 simulated sets"):
        hnpe(lambda t, rng: t * np.nan, PRIOR, shared=["beta"], **SHORT)


def test_a_map_of_contexts_undoes_that_of_observations():
    # exp of the observations and log of the contexts: the flow of beta sees what it sees without.
    options = {"shared": ["beta"], "parameters": "shared", **SHORT}
    plain = hnpe(ToyModel(), PRIOR, **options)
    model = ToyModel()
    mapped = hnpe(lambda t, rng: np.exp(model(t, rng)), PRIOR, context_map=np.log, **options)
    draws = [
        one.sample([x], n_samples=50, random_state=0)
        for one, x in ((plain, [0.25]), (mapped, [np.exp(0.25)]))
    ]
    np.testing.assert_allclose(*draws, atol=1e-4)  # single precision


def test_the_local_flow_learns_a_quotient_sooner_from_logarithms():
    options = {"shared": ["beta"], "n_steps": 200, "lr": 5e-3, "random_state": 0}
    plain = hnpe(ToyModel(), PRIOR, **options)
    mapped = hnpe(ToyModel(), PRIOR, context_map=np.log, **options)
    # Simulations are new in each step, so that the loss is that of unseen ones. alpha = x / beta.
    assert mapped.losses["local"] < plain.losses["local"] - 0.2
    theta, x = [[0.5, 0.5]], [[0.25]]
    z, context = PRIOR.to_normal(theta), np.log([[0.25, 0.5]])
    flow = mapped._flows["local"]
    tensors = (torch.as_tensor(one, dtype=torch.float32) for one in (z[:, :1], context))
    local = float(flow.log_prob(*tensors).detach()) - stats.norm.logpdf(z[0, 0])
    beta = hnpe(ToyModel(), PRIOR, context_map=np.log, parameters="shared", **options)
    tensors = (torch.as_tensor(one, dtype=torch.float32) for one in (z[:, 1:], np.log(x)))
    shared = float(beta._flows[0].log_prob(*tensors).detach()) - stats.norm.logpdf(z[0, 1])
    assert mapped.log_prob(theta, x)[0] == pytest.approx(local + shared, abs=1e-4)


def test_a_map_that_is_not_defined_is_an_error():
    found = hnpe(ToyModel(), PRIOR, shared=["beta"], context_map=np.log, **SHORT)
    with pytest.raises(ValueError, match=r"not finite for the context \[0.0\]. Use one that"):
        found.sample([[0.0]], n_samples=2, random_state=0)
    with pytest.raises(ValueError, match="context_map gives a value that is not finite"):
        hnpe(lambda t, rng: -t, PRIOR, shared=["beta"], context_map=np.log, **SHORT)


@pytest.mark.parametrize("context_map", [None, np.log])
def test_a_posterior_can_be_stored(context_map):
    found = hnpe(ToyModel(), PRIOR, shared=["beta"], context_map=context_map, **SHORT)
    stored = pickle.loads(pickle.dumps(found))
    draws = [one.sample([[0.25]], n_samples=5, random_state=0) for one in (found, stored)]
    np.testing.assert_array_equal(*draws)


def test_errors_of_options():
    for options, message in [
        ({"method": "joint"}, "method must be one of factorised, naive"),
        ({"parameters": "local"}, "parameters must be one of all, shared"),
        ({"shared": ["gamma"]}, "name must be one of alpha, beta"),
        ({"shared": ["alpha", "beta"]}, "all parameters are shared"),
        ({"n_extra": []}, "n_extra is empty"),
        ({"n_extra": [-1]}, "n_extra must be at least 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            hnpe(ToyModel(), PRIOR, **({"shared": ["beta"]} | SHORT | options))
    outside = BoxPrior({"alpha": (0, 1), "beta": (-0.5, 1)})
    with pytest.raises(ValueError, match=r"prior of beta is \[-0.5, 1\], outside"):
        hnpe(ToyModel(), outside, shared=["beta"], **SHORT)


def test_errors_of_observations(learned):
    with pytest.raises(ValueError, match="there are 3 extra observations, and networks for 0, 12"):
        learned.sample([[0.2]], np.zeros((1, 3, 1)), random_state=0)
    with pytest.raises(ValueError, match="x must be finite, got nan"):
        learned.sample([[np.nan]], random_state=0)
    with pytest.raises(ValueError, match=r"extra observations of shape \(1, n_extra, 1\)"):
        learned.sample([[0.2]], np.zeros((2, 12, 1)), random_state=0)
    with pytest.raises(ValueError, match="outside of its prior"):
        learned.log_prob([[0.5, 1.5]], [[0.2]])
    shared = hnpe(ToyModel(), PRIOR, shared=["beta"], parameters="shared", **SHORT)
    with pytest.raises(ValueError, match="log_prob needs flows of all parameters"):
        shared.log_prob([[0.5, 0.5]], [[0.2]])
