"""RELAX: distributions of its draws, unbiased gradients, variance."""

import numpy as np
import pytest
import torch

from common.augmentation.search.relax import ControlVariate, _given, _gumbel, _logistic, draw, relax
from common.augmentation.search.toys import compare_estimators, expected_gradient


def many(n, n_programs=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.tensor([0.5, -0.7, 0.1])[:n_programs].double().expand(n, 1, -1)
    p = torch.tensor([0.3, 0.6, 0.8])[:n_programs].double()[:, None].expand(n, 1, -1, 1)
    return logits, p, draw(logits, p, generator=generator)


def test_draws_have_their_probabilities():
    n = 20_000
    logits, p, draws = many(n)
    expected = torch.softmax(logits[0, 0], 0)
    for i in range(3):
        there = draws.chosen[:, 0] == i
        error = 5 * np.sqrt(float(expected[i] * (1 - expected[i])) / n)
        assert float(there.double().mean()) == pytest.approx(float(expected[i]), abs=error)
        share, chance = float(draws.applied[there].double().mean()), float(p[0, 0, i, 0])
        error = 5 * np.sqrt(chance * (1 - chance) / int(there.sum()))
        assert share == pytest.approx(chance, abs=error)


def test_conditional_variables_lead_to_the_outcome_they_are_given():
    logits, p, draws = many(2000)
    z, bernoulli = _given(logits, p, draws, _logistic(p, draws.bernoulli_u))
    assert torch.equal(z.argmax(-1), draws.chosen)
    rows = torch.arange(2000)
    selected = bernoulli[rows, 0, draws.chosen[:, 0], 0]
    assert torch.equal(selected > 0, draws.applied[:, 0, 0])


def test_conditional_and_free_variables_have_one_distribution():
    # Over outcomes, z given the outcome is distributed as z: two-sample Kolmogorov-Smirnov.
    from scipy.stats import ks_2samp

    n = 20_000
    logits, p, draws = many(n)
    _, _, others = many(n, seed=1)
    given = _given(logits, p, draws, _logistic(p, draws.bernoulli_u))
    free = _gumbel(logits, others.u), _logistic(p, others.bernoulli_u)
    for one, other in zip(given, free, strict=True):
        for i in range(3):
            pair = one[:, 0, i].flatten(), other[:, 0, i].flatten()
            assert ks_2samp(*(each.numpy() for each in pair)).pvalue > 1e-4


def test_both_estimates_are_unbiased_and_relax_varies_less():
    table = compare_estimators(n_draws=10_000, n_fitting=300, rng=np.random.default_rng(0))
    assert (table["z"].abs() < 4).all()
    variance = table.groupby("estimator")["variance"].sum()
    assert variance["relax"] < variance["reinforce"]


def test_two_stages_are_unbiased_with_an_untrained_control_variate():
    # f = 1 where both stages take program 0: its expectation is a product, by stage.
    n = 40_000
    generator = torch.Generator().manual_seed(0)
    logits = torch.tensor([[0.4, -0.2], [-0.3, 0.5]]).double().expand(n, -1, -1)
    p = torch.full((n, 2, 2, 1), 0.5).double()
    draws = draw(logits, p, generator=generator)
    values = (draws.chosen == 0).all(1).double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        control = ControlVariate(2, 2, 1).double()
    found = relax(values, logits, p, draws, control)[0].detach()
    at = logits[0].clone().requires_grad_()
    (expected,) = torch.autograd.grad(torch.softmax(at, -1)[:, 0].prod(), at)
    error = found.std(0) / np.sqrt(n)
    assert ((found.mean(0) - expected).abs() < 4 * error).all()


def test_the_enumerated_gradient_is_that_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(3, 2, generator=generator).double()
    logits, p = torch.tensor([0.1, 0.5, -1.0]).double(), torch.tensor([0.2, 0.5, 0.7]).double()

    def mean(logits, p):
        both = (1 - p) * values[:, 0] + p * values[:, 1]
        return float((torch.softmax(logits, 0) * both).sum())

    found = expected_gradient(values, logits, p)
    for i in range(3):
        step = torch.zeros(3).double()
        step[i] = 1e-6
        by_logit = (mean(logits + step, p) - mean(logits - step, p)) / 2e-6
        by_chance = (mean(logits, p + step) - mean(logits, p - step)) / 2e-6
        assert float(found[0][i]) == pytest.approx(by_logit, abs=1e-8)
        assert float(found[1][i]) == pytest.approx(by_chance, abs=1e-8)


@pytest.mark.parametrize(
    ("logits", "p", "message"),
    [(0.0, 1.0, "above 0 and below 1, got 1"), (float("nan"), 0.5, "logits must be finite")],
)
def test_bad_parameters_are_one_clear_error(logits, p, message):
    with pytest.raises(ValueError, match=message):
        draw(torch.full((2, 1, 3), logits), torch.full((2, 1, 3, 1), p))


def test_bad_options_are_one_clear_error():
    with pytest.raises(ValueError, match="temperature must be above 0"):
        ControlVariate(1, 2, 1, temperature=0.0)
    with pytest.raises(ValueError, match="n_draws must be at least 2"):
        compare_estimators(n_draws=1, n_fitting=0, rng=np.random.default_rng(0))
