"""Unfolded networks: their starts are known algorithms, their gradients those of autograd."""

import numpy as np
import pytest
import torch

from common.sparse import (
    KINDS,
    SOLVERS,
    Lasso,
    Unfolded,
    analytic_weights,
    gaussian_codes,
    gaussian_dictionary,
)

RNG = np.random.default_rng(2)
D = gaussian_dictionary(9, 6, rng=RNG)
X = gaussian_codes(D, 11, rng=RNG)
PROBLEM = Lasso(D, reg=0.2)


def disturbed(kind, n_layers, size=0.1):
    """A network away from its start, so that no gradient vanishes by symmetry."""
    network = Unfolded.start(PROBLEM, kind, n_layers)
    layers = [
        {
            name: value * (1 + size * RNG.uniform(-1, 1, np.shape(value)))
            for name, value in one.items()
        }
        for one in network.layers
    ]
    return network.with_layers(layers)


def in_torch(kind, layers, x, d, reg):
    """Mean cost of the last codes, written down once more."""

    def soft(u, b):
        return torch.sign(u) * torch.relu(torch.abs(u) - b)

    weights = torch.from_numpy(analytic_weights(D))
    z = before = torch.zeros(len(x), len(d), dtype=torch.float64)
    for p in layers:
        r = z @ d - x
        if kind == "slista":
            new = soft(z - p["step"] * r @ d.T, reg * p["step"])
        elif kind == "lista":
            new = soft(z - r @ p["W"], reg * p["theta"])
        elif kind == "alista":
            new = soft(z - p["step"] * r @ weights, reg * p["theta"])
        else:
            u = z @ p["Z"] + x @ p["X"]
            new = soft(u + before @ p["M"] if kind == "lfista" else u, reg * p["theta"])
        before, z = z, new
    return (0.5 * ((z @ d - x) ** 2).sum() + reg * z.abs().sum()) / len(x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_layers", [1, 2, 5])
def test_gradients_are_those_of_autograd(kind, n_layers):
    network = disturbed(kind, n_layers)
    loss, gradient = network.loss(X)
    tensors = [
        {name: torch.tensor(value, requires_grad=True) for name, value in one.items()}
        for one in network.layers
    ]
    expected = in_torch(kind, tensors, torch.from_numpy(X), torch.from_numpy(D), 0.2)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    largest = 0
    for number, (mine, theirs) in enumerate(zip(gradient(), tensors, strict=True)):
        assert set(mine) == set(theirs)
        for name, slope in mine.items():
            found = theirs[name].grad
            if found is None:  # autograd leaves out what the first layer multiplies by zero
                found = torch.zeros_like(theirs[name])
            message = f"{name} of layer {number}"
            np.testing.assert_allclose(slope, found.numpy(), rtol=1e-9, atol=1e-12, err_msg=message)
            largest = max(largest, np.abs(slope).max())
    assert largest > 1e-3


@pytest.mark.parametrize("kind", ["slista", "lista", "original"])
def test_networks_start_as_ista(kind):
    network = Unfolded.start(PROBLEM, kind, 7)
    for code, one in zip(network.codes(X), SOLVERS["ista"](PROBLEM, X), strict=False):
        np.testing.assert_allclose(code, one.z, atol=1e-13)


def test_lfista_starts_as_fista():
    codes = Unfolded.start(PROBLEM, "lfista", 7).codes(X)
    for code, one in zip(codes, SOLVERS["fista"](PROBLEM, X), strict=False):
        np.testing.assert_allclose(code, one.z, atol=1e-13)


def test_a_coupled_network_holds_every_network_of_steps():
    steps = disturbed("slista", 4, size=0.5)
    layers = [{"W": one["step"] * D.T, "theta": np.full(9, one["step"])} for one in steps.layers]
    coupled = Unfolded(PROBLEM, "lista", layers)
    np.testing.assert_allclose(coupled.codes(X)[-1], steps.codes(X)[-1], atol=1e-13)
    original = Unfolded(
        PROBLEM,
        "original",
        [
            {"Z": np.eye(9) - D @ one["W"], "X": one["W"], "theta": one["theta"]}
            for one in coupled.layers
        ],
    )
    np.testing.assert_allclose(original.codes(X)[-1], steps.codes(X)[-1], atol=1e-12)


def test_the_loss_is_the_mean_cost_of_the_last_codes():
    network = disturbed("lista", 3)
    expected = PROBLEM.objective(network.codes(X)[-1], X).mean()
    assert network.loss(X)[0] == pytest.approx(expected, rel=1e-13)


def test_analytic_weights_are_the_least_coherent_ones():
    W = analytic_weights(D)
    np.testing.assert_allclose((D.T * W).sum(axis=0), 1, rtol=1e-12)
    # Optimal under w'd = 1: the gradient of the sum of squares is along d itself.
    slope = D.T @ (D @ W)
    along = slope / D.T
    np.testing.assert_allclose(along, np.broadcast_to(along[:1], along.shape), rtol=1e-9)


def test_analytic_weights_of_an_orthonormal_dictionary_are_the_atoms():
    rows = np.linalg.qr(RNG.standard_normal((4, 4)))[0]
    np.testing.assert_allclose(analytic_weights(rows), rows.T, atol=1e-13)
    # Two of four directions: what lies in none of the atoms plays no part.
    np.testing.assert_allclose(analytic_weights(rows[:2]), rows[:2].T, atol=1e-13)


def test_moving_leaves_the_network_as_it_is():
    network = disturbed("lista", 2)
    before = [{k: v.copy() for k, v in one.items()} for one in network.layers]
    _, gradient = network.loss(X)
    moved = network.moved(gradient(), 0.01)
    for one, kept, other in zip(network.layers, before, moved.layers, strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], kept[name])
            assert np.any(other[name] != kept[name])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Unfolded.start(D, "lista", 2), TypeError, "problem must be a Lasso, such"),
        (
            lambda: Unfolded.start(PROBLEM, "listo", 2),
            ValueError,
            "kind must be one of slista, lista, .* got 'listo'. Did you mean",
        ),
        (lambda: Unfolded.start(PROBLEM, "lista", 0), ValueError, "n_layers must be at least 1"),
        (lambda: Unfolded(PROBLEM, "lista", []), ValueError, "layers is empty; a network has one"),
        (
            lambda: Unfolded(PROBLEM, "lista", [{"W": D.T}]),
            ValueError,
            "layer 1 has the parameters W; those of lista are W, theta",
        ),
        (
            lambda: Unfolded(PROBLEM, "slista", [{"step": 0.1}, {"step": [0.1]}]),
            ValueError,
            r"step of layer 2 must have shape \(\), got \(1,\)",
        ),
        (
            lambda: Unfolded(PROBLEM, "slista", [{"step": np.nan}]),
            ValueError,
            "step of layer 1 must be finite",
        ),
        (
            lambda: Unfolded.start(PROBLEM, "slista", 1).codes(X[:, :2]),
            ValueError,
            "x must have 6 features",
        ),
    ],
)
def test_bad_input_is_one_clear_error(make, error, message):
    with pytest.raises(error, match=message):
        make()
