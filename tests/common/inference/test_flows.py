"""Conditional flows: densities that integrate to one, samples that follow them, training."""

import numpy as np
import pytest
import torch

from common import training
from common.inference.flows import ConditionalFlow, fit


def make(kind, n_dims=1, seed=0, n_transforms=2):
    with training.reproducible(seed):
        return ConditionalFlow(kind, n_dims, torch.randn(100, 2), n_transforms=n_transforms)


@pytest.mark.parametrize("kind", ["spline", "maf"])
def test_density_integrates_to_one_and_samples_follow_it(kind):
    flow = make(kind)
    context = torch.tensor([[0.3, -1.0]])
    z = torch.linspace(-12, 12, 40_001)[:, None]
    density = flow.log_prob(z, context.expand(len(z), 2)).exp().detach().numpy()
    z = z[:, 0].numpy()
    assert np.trapezoid(density, z) == pytest.approx(1, abs=1e-3)
    with training.reproducible(0):
        draws = flow.sample(context, 20_000)[0, :, 0].numpy()
    mean = np.trapezoid(z * density, z)
    spread = np.sqrt(np.trapezoid((z - mean) ** 2 * density, z))
    assert draws.mean() == pytest.approx(mean, abs=5 * spread / np.sqrt(20_000))
    assert draws.std() == pytest.approx(spread, rel=0.03)


def test_splines_may_have_bins_of_almost_no_width():
    sizes = [
        one.min_bin_width
        for one in make("spline").network.modules()
        if hasattr(one, "min_bin_width")
    ]
    assert sizes == [1e-5, 1e-5]


@pytest.mark.parametrize("kind", ["spline", "maf"])
def test_a_linear_regression_is_learned(kind):
    # z = c_0 / 2 + 0.3 e: log-density at best -log(0.3) - log(2 pi e) / 2.
    rng = np.random.default_rng(0)

    def draw(n):
        context = rng.standard_normal((n, 2))
        z = context[:, :1] / 2 + 0.3 * rng.standard_normal((n, 1))
        return torch.tensor(z, dtype=torch.float32), torch.tensor(context, dtype=torch.float32)

    def build(contexts):
        return ConditionalFlow(kind, 1, contexts, n_transforms=1)

    flow, loss = fit(build, draw, n_steps=250, batch_size=128, lr=5e-3, seed=0)
    assert loss == pytest.approx(np.log(0.3) + np.log(2 * np.pi * np.e) / 2, abs=0.06)
    with training.reproducible(0):
        draws = flow.sample(torch.tensor([[1.0, 0.0], [-1.0, 2.0]]), 4000)[..., 0]
    assert draws.mean(dim=1).tolist() == pytest.approx([0.5, -0.5], abs=0.06)


def test_the_same_seed_gives_the_same_flow():
    def train(seed):
        rng = np.random.default_rng(0)

        def draw(n):
            both = torch.tensor(rng.standard_normal((2, n, 2)), dtype=torch.float32)
            return both[0], both[1]

        options = {"n_steps": 3, "batch_size": 8, "lr": 1e-2, "seed": seed}
        flow, _ = fit(lambda c: ConditionalFlow("maf", 2, c, n_transforms=2), draw, **options)
        return torch.cat([one.detach().ravel() for one in flow.network.parameters()])

    assert torch.equal(train(1), train(1))
    assert not torch.equal(train(1), train(2))


def test_errors():
    with pytest.raises(ValueError, match="kind must be one of spline, maf"):
        ConditionalFlow("affine", 1, torch.zeros(5, 2), n_transforms=1)
    with pytest.raises(ValueError, match="n_transforms must be at least 1"):
        ConditionalFlow("maf", 2, torch.randn(5, 2), n_transforms=0)

    def draw(n):
        return torch.full((n, 1), torch.nan), torch.randn(n, 2)

    def build(contexts):
        return ConditionalFlow("maf", 1, contexts, n_transforms=1)

    with pytest.raises(ValueError, match=r"z must be finite, got nan at index \(0, 0\)"):
        fit(build, draw, n_steps=3, batch_size=8, lr=1e-3, seed=0)
    with pytest.raises(ValueError, match="lr must be above 0"):
        fit(build, draw, n_steps=3, batch_size=8, lr=0, seed=0)


def test_a_training_that_diverges_is_an_error():
    class Diverging(ConditionalFlow):
        def log_prob(self, z, contexts):
            return super().log_prob(z, contexts) * torch.nan

    def build(contexts):
        return Diverging("maf", 1, contexts, n_transforms=1)

    def draw(n):
        return torch.zeros(n, 1), torch.randn(n, 2)

    with pytest.raises(FloatingPointError, match="loss is nan in step 1 of 3"):
        fit(build, draw, n_steps=3, batch_size=8, lr=1e-3, seed=0)
