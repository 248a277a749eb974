"""Factorisations: bounds that hold for any codes, and networks that begin as ISTA."""

import itertools

import numpy as np
import pytest
import torch

from common.sparse import (
    NETWORKS,
    SOLVERS,
    FacNet,
    Factorization,
    Lasso,
    LinearStart,
    bernoulli_samples,
    gaussian_dictionary,
    optimum,
    soft_threshold,
    start_network,
)

D = gaussian_dictionary(9, 6, rng=np.random.default_rng(2))
X = bernoulli_samples(D, 11, density=0.3, scale=2, rng=np.random.default_rng(3))
PROBLEM = Lasso(D, reg=0.2)


def orthogonal(n, rng):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def random_case(seed):
    """A problem, samples, a factorisation of any residual, and two codes of each sample."""
    rng = np.random.default_rng(seed)
    n_atoms, n_features = rng.integers(1, 12, size=2)
    problem = Lasso(gaussian_dictionary(n_atoms, n_features, rng=rng), reg=10 ** rng.uniform(-3, 1))
    S = problem.smoothness * 10 ** rng.uniform(-2, 1, n_atoms)
    factorization = Factorization(problem, orthogonal(n_atoms, rng), S)
    z, towards = 10 ** rng.uniform(-2, 2) * rng.standard_normal((2, 20, n_atoms))
    return factorization, z, rng.standard_normal((20, n_features)), towards


def rounding(factorization, z, x, towards):
    """1e-10 of the largest cost or quadratic that the bound is made of."""
    problem = factorization.problem
    sizes = [problem.objective(one, x).max() for one in (z, towards)]
    largest = np.maximum(factorization.S.max(), problem.smoothness)
    return 1e-10 * max(*sizes, largest * ((z - towards) ** 2).sum(axis=1).max())


@pytest.mark.parametrize("seed", range(60))
def test_the_sharper_bound_holds_for_every_factorisation_and_any_codes(seed):
    factorization, *codes = random_case(seed)
    bound = factorization.bound(*codes)
    assert (bound.excess <= bound.sharp + rounding(factorization, *codes)).all()


@pytest.mark.parametrize("seed", range(60))
def test_the_papers_bound_holds_where_the_residual_has_no_negative_eigenvalue(seed):
    factorization, *codes = random_case(seed)
    A, problem = factorization.A, factorization.problem
    turned = A @ (problem.D @ problem.D.T) @ A.T
    # Sums of rows dominate a matrix: what is left has no negative eigenvalue.
    above = Factorization(problem, A, np.abs(turned).sum(axis=1))
    assert np.linalg.eigvalsh(above.residual())[0] > -1e-12 * problem.smoothness
    bound = above.bound(*codes)
    assert (bound.excess <= bound.short + rounding(above, *codes)).all()
    assert (bound.sharp <= bound.short + rounding(above, *codes)).all()


def test_the_papers_bound_may_fail_elsewhere():
    failed = 0
    for seed in range(60):
        factorization, *codes = random_case(seed)
        bound = factorization.bound(*codes)
        failed += (bound.excess > bound.short + rounding(factorization, *codes)).sum()
    assert failed > 0


def test_a_step_minimises_its_upper_bound():
    rng = np.random.default_rng(4)
    for seed in range(10):
        factorization, z, x, _ = random_case(seed)
        A, S, problem = factorization.A, factorization.S, factorization.problem
        gradient = problem.gradient(z, x)

        def model(u, z=z, A=A, S=S, problem=problem, gradient=gradient):
            turned = (u - z) @ A.T
            quadratic = 0.5 * (S * turned**2).sum(axis=1)
            return (
                (gradient * u).sum(axis=1) + quadratic + problem.reg * np.abs(u @ A.T).sum(axis=1)
            )

        after = factorization.step(z, x)
        lowest = model(after)
        for size in (1e-3, 1e-1, 10):
            other = after + size * rng.standard_normal(after.shape)
            assert (model(other) >= lowest - 1e-9 * np.abs(lowest)).all()


def test_an_orthonormal_dictionary_is_solved_by_one_step():
    problem = Lasso(orthogonal(5, np.random.default_rng(0)), reg=0.3)
    x = np.random.default_rng(1).standard_normal((8, 5))
    exact = Factorization(problem, np.eye(5), np.ones(5))
    z = np.random.default_rng(2).standard_normal((8, 5))
    expected = soft_threshold(x @ problem.D.T, 0.3)
    np.testing.assert_allclose(exact.step(z, x), expected, atol=1e-13)
    np.testing.assert_allclose(exact.residual(), 0, atol=1e-13)
    bound = exact.bound(z, x, expected)
    for value in bound:
        np.testing.assert_allclose(value, 0, atol=1e-12)


def test_axes_that_are_atoms_in_another_order_cost_nothing():
    rng = np.random.default_rng(0)
    signs = np.diag(rng.choice([-1.0, 1.0], 9))[rng.permutation(9)]
    z = rng.standard_normal((7, 9))
    np.testing.assert_allclose(Factorization(PROBLEM, signs, np.ones(9)).penalty(z), 0, atol=1e-14)
    # Half a turn to the diagonal: a code on an axis costs the square root of two.
    half = np.eye(9)
    half[:2, :2] = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    found = Factorization(PROBLEM, half, np.ones(9)).penalty(np.eye(9))
    np.testing.assert_allclose(found[:2], 0.2 * (np.sqrt(2) - 1), rtol=1e-12)
    np.testing.assert_allclose(found[2:], 0, atol=1e-14)


def test_istas_bound_is_that_of_l():
    z, towards = np.random.default_rng(0).standard_normal((2, 11, 9))
    found = Factorization.of_ista(PROBLEM).bound(z, X, towards)
    change = towards - z
    expected = PROBLEM.smoothness * (change**2).sum(axis=1) - ((change @ D) ** 2).sum(axis=1)
    np.testing.assert_allclose(found.short, 0.5 * expected, rtol=1e-10)
    first = next(SOLVERS["ista"](PROBLEM, X)).z
    found = Factorization.of_ista(PROBLEM).step(np.zeros((11, 9)), X)
    np.testing.assert_allclose(found, first, atol=1e-14)


def test_facnet_starts_as_ista_exactly():
    codes = FacNet.start(PROBLEM, 7).codes(X)
    for code, one in zip(codes, SOLVERS["ista"](PROBLEM, X), strict=False):
        np.testing.assert_array_equal(code, one.z)


def test_a_linear_start_goes_on_as_ista():
    codes = LinearStart.start(PROBLEM, 4).codes(X)
    np.testing.assert_allclose(codes[0], X @ D.T / PROBLEM.smoothness, rtol=1e-13)
    ista = Factorization.of_ista(PROBLEM)
    for before, code in itertools.pairwise(codes):
        np.testing.assert_allclose(code, ista.step(before, X), atol=1e-14)


def disturbed(n_layers, seed=5):
    """A FacNet away from its start."""
    rng = np.random.default_rng(seed)
    theta = 10 ** rng.uniform(-0.5, 0.3, (n_layers, 9)) / PROBLEM.smoothness
    layers = [{"A": orthogonal(9, rng), "theta": one} for one in theta]
    return FacNet(PROBLEM, layers)


def test_a_layer_is_a_step_of_its_factorisation():
    network = disturbed(3)
    entering = [np.zeros((11, 9)), *network.codes(X)]
    for one, z, code in zip(network.factorizations(), entering, entering[1:], strict=False):
        np.testing.assert_allclose(code, one.step(z, X), atol=1e-13)


def test_the_order_of_the_new_axes_does_not_count():
    network, rng = disturbed(2), np.random.default_rng(0)
    order, signs = rng.permutation(9), rng.choice([-1.0, 1.0], (9, 1))
    other = [{"A": signs * one["A"][order], "theta": one["theta"][order]} for one in network.layers]
    np.testing.assert_allclose(
        network.with_layers(other).codes(X)[-1], network.codes(X)[-1], atol=1e-12
    )


def in_torch(kind, layers):
    """Mean cost of the last codes, written down once more."""
    d, x = torch.from_numpy(D), torch.from_numpy(X)
    short = 1 / PROBLEM.smoothness

    def soft(u, b):
        return torch.sign(u) * torch.relu(torch.abs(u) - b)

    z = torch.zeros(len(X), len(D), dtype=torch.float64)
    for p in layers:
        r = z @ d - x
        if kind == "facnet":
            A, theta = p["A"], p["theta"]
            z = soft(z @ A.T - (r @ d.T @ A.T) * theta, 0.2 * theta) @ A
        else:
            z = x @ p["W"] if p else soft(z - short * r @ d.T, 0.2 * short)
    return (0.5 * ((z @ d - x) ** 2).sum() + 0.2 * z.abs().sum()) / len(x)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("n_layers", [1, 2, 5])
def test_gradients_are_those_of_autograd(kind, n_layers):
    network = disturbed(n_layers) if kind == "facnet" else LinearStart.start(PROBLEM, n_layers)
    loss, gradient = network.loss(X)
    tensors = [
        {name: torch.tensor(value, requires_grad=True) for name, value in one.items()}
        for one in network.layers
    ]
    expected = in_torch(kind, tensors)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    for mine, theirs in zip(gradient(), tensors, strict=True):
        assert set(mine) == set(theirs)
        for name, slope in mine.items():
            found = theirs[name].grad.numpy()
            np.testing.assert_allclose(slope, found, rtol=1e-9, atol=1e-11)
    assert np.abs(gradient()[0]["A" if kind == "facnet" else "W"]).max() > 1e-3


def test_moves_stay_among_the_orthogonal_matrices_and_go_down_the_tangent():
    network = disturbed(2)
    loss, gradient = network.loss(X)
    slopes = gradient()
    expected = 0
    for one, slope in zip(network.layers, slopes, strict=True):
        tangent = slope["A"] - one["A"] @ slope["A"].T @ one["A"]
        # <G, T> = |T|^2 / 2 for the tangent part T of a gradient G.
        # A threshold goes by its logarithm, with a plain step at 1 / L.
        relative = PROBLEM.smoothness * one["theta"] * slope["theta"]
        expected += 0.5 * (tangent**2).sum() + (relative**2).sum()
    step = 1e-7 / np.sqrt(expected)
    moved = network.moved(slopes, step)
    assert (loss - moved.loss(X)[0]) / step == pytest.approx(expected, rel=1e-4)
    far = network.moved(slopes, 1e-3)
    for one in far.layers:
        np.testing.assert_allclose(one["A"] @ one["A"].T, np.eye(9), atol=1e-12)


def test_thresholds_of_axes_that_are_not_needed_fall_and_stay_above_zero():
    slopes = [{"A": np.zeros((9, 9)), "theta": np.full(9, 1 / PROBLEM.smoothness)}]
    network = FacNet.start(PROBLEM, 1)
    for _ in range(50):
        before, network = network, network.moved(slopes, 2.0)
        theta = network.layers[0]["theta"]
        assert (theta > 0).all() and (theta < before.layers[0]["theta"]).all()


def test_moves_that_leave_what_is_allowed_are_none():
    network = disturbed(1)
    still = {"A": np.zeros((9, 9)), "theta": np.zeros(9)}
    assert network.moved([still | {"theta": np.eye(9)[0]}], 1e3) is None
    assert network.moved([still | {"A": np.random.default_rng(0).random((9, 9))}], 1e6) is None
    assert network.moved([still], 1e6) is not None


def test_the_deepest_bound_is_that_of_the_minimum():
    # Iterating a factorisation with R >= 0 and A = I is ISTA with steps of its own: it converges.
    S = np.abs(D @ D.T).sum(axis=1)
    one, z = Factorization(PROBLEM, np.eye(9), S), np.zeros((11, 9))
    for _ in range(3000):
        z = one.step(z, X)
    lowest = optimum(PROBLEM, X)
    np.testing.assert_allclose(PROBLEM.objective(z, X), lowest.objective, rtol=1e-9)


@pytest.mark.parametrize("kind", ["original", "lfista", *NETWORKS])
def test_every_kind_is_started_by_name(kind):
    network = start_network(PROBLEM, kind, 3)
    assert network.kind == kind and len(network.layers) == 3


SLANTED = np.eye(9) + 0.01


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Factorization(D, np.eye(9), np.ones(9)), TypeError, "problem must be a Lasso"),
        (
            lambda: Factorization(PROBLEM, SLANTED, np.ones(9)),
            ValueError,
            "A must be orthogonal, .* off the identity by 0.0209. Take its polar factor",
        ),
        (
            lambda: Factorization(PROBLEM, np.eye(8), np.ones(9)),
            ValueError,
            r"A must have shape \(9, 9\), got \(8, 8\)",
        ),
        (
            lambda: Factorization(PROBLEM, np.eye(9), np.arange(9)),
            ValueError,
            "S must be above 0, got 0 at 0",
        ),
        (lambda: FacNet.start(PROBLEM, 0), ValueError, "n_layers must be at least 1, got 0"),
        (lambda: FacNet(PROBLEM, []), ValueError, "layers is empty; a network has one at least"),
        (
            lambda: FacNet(PROBLEM, [{"A": SLANTED, "theta": np.ones(9)}]),
            ValueError,
            "A of layer 1 must be orthogonal",
        ),
        (
            lambda: FacNet(PROBLEM, [{"A": np.eye(9), "theta": -np.ones(9)}]),
            ValueError,
            "theta of layer 1 must be above 0, got -1 at 0",
        ),
        (
            lambda: FacNet(PROBLEM, [{"A": np.eye(9)}]),
            ValueError,
            "layer 1 has the parameters A; that of facnet has A, theta",
        ),
        (
            lambda: LinearStart(PROBLEM, [{"W": D.T}, {"W": D.T}]),
            ValueError,
            "layer 2 has the parameters W; that of linear has none",
        ),
        (
            lambda: LinearStart(PROBLEM, [{"W": D}]),
            ValueError,
            r"W of layer 1 must have shape \(6, 9\), got \(9, 6\)",
        ),
        (
            lambda: start_network(PROBLEM, "facnot", 2),
            ValueError,
            "kind must be one of slista, .* got 'facnot'. Did you mean",
        ),
    ],
)
def test_bad_input_is_one_clear_error(make, error, message):
    with pytest.raises(error, match=message):
        make()
