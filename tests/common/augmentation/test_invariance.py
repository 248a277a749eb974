"""Invariance of outputs: its ends, its definition, its errors."""

import numpy as np
import pytest
import torch
from torch import nn

from common.augmentation.invariance import invariance, invariance_of_outputs


def outputs(seed, n=50):
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))


def rng():
    return np.random.default_rng(0)


def test_a_dead_trunk_has_none():
    constant = torch.tensor([0.3, -1.2, 0.1, 2.0]).expand(50, 4)
    assert (invariance_of_outputs(constant, constant.clone(), rng=rng()) == 0).all()


def test_what_changes_nothing_has_one_and_another_example_has_none():
    z = outputs(0)
    found = invariance_of_outputs(z, z, rng=rng())
    moved = torch.from_numpy(rng().permutation(50) != np.arange(50))
    assert (found[moved] > 1 - 1e-6).all()
    swapped = invariance_of_outputs(z, z[torch.from_numpy(rng().permutation(50))], rng=rng())
    assert (swapped[moved].abs() < 1e-6).all()


def test_it_is_what_the_definition_says():
    z, changed = outputs(0), outputs(1)
    order = rng().permutation(50)

    def distance(a, b):
        a, b = a.double().numpy(), b.double().numpy()
        return 1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)

    between, within = distance(z, z[order]), distance(z, changed)
    expected = (between - within) / (between + 1e-8)
    found = invariance_of_outputs(z, changed, rng=rng()).numpy()
    moved = order != np.arange(50)
    np.testing.assert_allclose(found[moved], expected[moved], rtol=1e-6)


def test_the_length_of_outputs_does_not_matter():
    z, changed = outputs(0), outputs(1)
    found = invariance_of_outputs(z, changed, rng=rng())
    scaled = invariance_of_outputs(3 * z, 5 * changed, rng=rng())
    # Outputs of single precision are rounded when they are scaled.
    torch.testing.assert_close(scaled, found, rtol=1e-5, atol=1e-5)


def test_networks_on_leading_axes_are_each_alone():
    pairs = [(outputs(0), outputs(1)), (outputs(2), outputs(3))]
    together = invariance_of_outputs(
        torch.stack([a for a, _ in pairs]), torch.stack([b for _, b in pairs]), rng=rng()
    )
    for one, (a, b) in zip(together, pairs, strict=True):
        torch.testing.assert_close(one, invariance_of_outputs(a, b, rng=rng()))


def test_a_network_that_does_not_see_the_sign_is_invariant_to_it():
    X = outputs(0)

    class Square(nn.Module):
        def forward(self, X):
            return X**2

    found = invariance(Square(), X, lambda X: -X, rng=rng())
    assert float(found.median()) == pytest.approx(1, abs=1e-6)


def test_bad_input_is_one_clear_error():
    z = outputs(0)
    with pytest.raises(ValueError, match=r"shape \(50, 4\), transformed \(49, 4\)"):
        invariance_of_outputs(z, z[:49], rng=rng())
    with pytest.raises(ValueError, match="at least two are needed, got 1"):
        invariance_of_outputs(z[:1], z[:1], rng=rng())
    broken = z.clone()
    broken[3, 1] = float("nan")
    with pytest.raises(ValueError, match="transformed hold a value that is not finite"):
        invariance_of_outputs(z, broken, rng=rng())
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator"):
        invariance_of_outputs(z, z, rng=0)
