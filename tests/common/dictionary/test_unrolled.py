"""Gradients through iterations of ISTA and FISTA, and their Jacobians."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.decomposition import sparse_encode

from common.dictionary import unrolled
from common.dictionary.unrolled import (
    METHODS,
    exact_codes,
    gradients,
    jacobians,
    limit_jacobian,
    minimum_gradient,
    unrolled_codes,
)
from common.sparse.data import bernoulli_samples, gaussian_dictionary
from common.sparse.lasso import Lasso
from common.sparse.solvers import fista, ista

REG = 0.1


def draw(seed=0, *, n_samples=20, n_atoms=20, n_features=12, moved=0.1, reg=REG):
    """A problem whose atoms are not of unit norm, and samples of others."""
    rng = np.random.default_rng(seed)
    true = gaussian_dictionary(n_atoms, n_features, rng=rng)
    x = bernoulli_samples(true, n_samples, density=0.2, scale=1.0, rng=rng)
    x = x + 0.1 * rng.standard_normal(x.shape)
    return Lasso(true + moved * rng.standard_normal(true.shape), reg=reg), x


def by_autograd(problem, x, *, n_iter, method, depth=None, steps=None):
    """Cost, and its derivatives by atoms and steps, as torch computes them."""
    depth = n_iter if depth is None else depth
    steps = np.full(n_iter, 1 / problem.smoothness) if steps is None else steps
    D = torch.tensor(problem.D, requires_grad=True)
    steps, x = torch.tensor(steps, requires_grad=True), torch.tensor(x)
    z = point = torch.zeros((len(x), len(D)), dtype=torch.float64)
    t = 1.0
    for n in range(n_iter):
        with torch.set_grad_enabled(n >= n_iter - depth):
            moved = point - steps[n] * ((point @ D - x) @ D.T)
            new = torch.sign(moved) * torch.relu(moved.abs() - steps[n] * problem.reg)
            following = (1 + (1 + 4 * t * t) ** 0.5) / 2
            weight = (t - 1) / following if method == "fista" else 0.0
            z, point, t = new, new + weight * (new - z), following
    cost = 0.5 * ((z @ D - x) ** 2).sum() + problem.reg * z.abs().sum()
    cost.backward()
    by_steps = np.zeros(n_iter) if steps.grad is None else steps.grad.numpy()
    return cost.item(), D.grad.numpy(), by_steps


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("depth", [0, 1, 7, None, 99])
def test_the_reverse_form_is_what_automatic_differentiation_gives(method, depth):
    problem, x = draw()
    options = {"n_iter": 30, "method": method}
    found = gradients(problem, x, depths=(depth,), **options)
    depth = None if depth == 99 else depth  # more than there are
    cost, by_atoms, by_steps = by_autograd(problem, x, depth=depth, **options)
    assert found.cost == pytest.approx(cost, rel=1e-12)
    # Both are exact up to the rounding of sums of 30 terms.
    np.testing.assert_allclose(found.D[0], by_atoms, atol=1e-10 * np.abs(by_atoms).max())
    np.testing.assert_allclose(found.steps[0], by_steps, atol=1e-10 * max(1, np.ptp(by_steps)))


@pytest.mark.parametrize("method", METHODS)
def test_steps_may_be_of_any_length_and_zero(method):
    problem, x = draw(1)
    steps = np.random.default_rng(2).uniform(0, 1.5, 12) / problem.smoothness
    steps[[0, 4, 11]] = 0
    found = gradients(problem, x, n_iter=12, method=method, steps=steps)
    cost, by_atoms, by_steps = by_autograd(problem, x, n_iter=12, method=method, steps=steps)
    assert found.cost == pytest.approx(cost, rel=1e-12)
    np.testing.assert_allclose(found.D[0], by_atoms, atol=1e-10 * np.abs(by_atoms).max())
    # Where nothing moved, torch's sign and relu have the derivative 0 as well.
    np.testing.assert_allclose(found.steps[0], by_steps, atol=1e-10 * np.abs(by_steps).max())
    assert (found.steps[0][[4, 11]] != 0).all()


def test_the_gradient_is_that_of_finite_differences():
    problem, x = draw(3)
    step = 1e-6
    direction = np.random.default_rng(4).standard_normal(problem.D.shape)
    lengths = np.full(9, 1 / problem.smoothness)  # constants: they do not move with the atoms
    costs = [
        gradients(Lasso(problem.D + move * direction, reg=REG), x, n_iter=9, steps=lengths).cost
        for move in (-step, step)
    ]
    slope = np.vdot(gradients(problem, x, n_iter=9, steps=lengths).D[0], direction)
    # The error of differences is step² times a third derivative, and rounding 1e-16 cost / step.
    assert np.diff(costs)[0] / (2 * step) == pytest.approx(slope, rel=1e-6)


def test_all_depths_at_once_are_each_by_itself():
    problem, x = draw(5)
    depths = [None, 0, 3, 50, 3, 10]
    together = gradients(problem, x, n_iter=15, depths=depths)
    for row, depth in enumerate(depths):
        alone = gradients(problem, x, n_iter=15, depths=[depth])
        np.testing.assert_allclose(together.D[row], alone.D[0], atol=1e-12)
        np.testing.assert_allclose(together.steps[row], alone.steps[0], atol=1e-12)
    assert np.array_equal(together.D[0], together.D[3])


def test_blocks_of_samples_add_up(monkeypatch):
    problem, x = draw(6, n_samples=30)
    whole = gradients(problem, x, n_iter=10, depths=(4, None))
    monkeypatch.setattr(unrolled, "_block", lambda D, n_iter: 7)
    parts = gradients(problem, x, n_iter=10, depths=(4, None))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(unrolled_codes(problem, x, n_iter=10), whole.z, atol=1e-12)


@pytest.mark.parametrize(("method", "solver"), [("fista", fista), ("ista", ista)])
def test_codes_are_the_iterates_of_the_solver(method, solver):
    problem, x = draw(7)
    iterates = list(itertools.islice(solver(problem, x), 25))
    for n_iter in (1, 2, 3, 25):
        found = unrolled_codes(problem, x, n_iter=n_iter, method=method)
        np.testing.assert_allclose(found, iterates[n_iter - 1].z, atol=1e-12)


def test_fista_returns_the_point_of_the_threshold():
    # The one beyond it, where momentum leads, is hardly ever zero.
    problem, x = draw(8)
    late, later = (unrolled_codes(problem, x, n_iter=n) for n in (40, 41))
    beyond = later + 0.9 * (later - late)
    assert (later == 0).mean() > 0.3 > (beyond == 0).mean() - (later == 0).mean()
    exact = exact_codes(problem, x)
    settled = unrolled_codes(problem, x, n_iter=3000)
    assert np.array_equal(settled != 0, exact != 0)
    np.testing.assert_allclose(settled, exact, atol=1e-4)


@pytest.mark.parametrize("reg", [0.02, 0.1, 0.5])
def test_exact_codes_meet_the_conditions_of_a_minimum(reg):
    problem, x = draw(9, n_samples=100, reg=reg)
    z = exact_codes(problem, x)
    fall = -problem.gradient(z, x)
    assert np.abs(fall[z == 0]).max() <= reg * (1 + 1e-10)
    np.testing.assert_allclose(fall[z != 0], reg * np.sign(z[z != 0]), atol=1e-12)
    lasso = sparse_encode(
        x, problem.D, algorithm="lasso_cd", alpha=reg, max_iter=100_000, check_input=False
    )
    assert (problem.objective(z, x) <= problem.objective(lasso, x) + 1e-12).all()


def test_exact_codes_of_nearly_parallel_atoms():
    rng = np.random.default_rng(10)
    D = 1 + 0.05 * rng.standard_normal((60, 40))
    problem = Lasso(D, reg=0.01)
    x = 1 + 0.2 * rng.standard_normal((20, 40))
    z = exact_codes(problem, x)
    # The gap is a bound; rounding of correlations of about 40 leaves 1e-13 of them.
    assert problem.duality_gap(z, x).max() < 1e-11


@pytest.mark.parametrize("method", METHODS)
def test_both_gradients_become_that_of_the_minimum_and_unrolling_sooner(method):
    problem, x = draw(11)
    truth = minimum_gradient(problem, x, exact_codes(problem, x))
    errors = []
    for n_iter in (200, 3000):
        found = gradients(problem, x, n_iter=n_iter, method=method, depths=(0, None))
        errors.append(np.linalg.norm(found.D - truth, axis=(1, 2)) / np.linalg.norm(truth))
    assert (errors[1] < 1e-2 * errors[0]).all()
    assert errors[1][1] < 0.2 * errors[1][0] or errors[1][1] < 1e-12


def test_the_gradient_of_the_minimum_is_that_of_finite_differences():
    problem, x = draw(12)
    direction = np.random.default_rng(13).standard_normal(problem.D.shape)
    step = 1e-6

    def least(move):
        moved = Lasso(problem.D + move * direction, reg=REG)
        return moved.objective(exact_codes(moved, x), x).sum()

    slope = np.vdot(minimum_gradient(problem, x, exact_codes(problem, x)), direction)
    assert (least(step) - least(-step)) / (2 * step) == pytest.approx(slope, rel=1e-6)


def test_the_limit_of_the_jacobian_is_that_of_finite_differences():
    problem, x = draw(14)
    x, step = x[0], 1e-6
    z = exact_codes(problem, x[None])[0]
    J = limit_jacobian(problem, x, z, features=[2, 7])
    for place, l in enumerate([2, 7]):
        for atom in (0, 5, 13):
            ends = []
            for move in (-step, step):
                D = problem.D.copy()
                D[atom, l] += move
                ends.append(exact_codes(Lasso(D, reg=REG), x[None])[0])
            slope = (ends[1] - ends[0]) / (2 * step)
            # Differences err by step² and by rounding over step, 1e-16 / 1e-6.
            np.testing.assert_allclose(J[place, :, atom], slope, atol=1e-8)


def test_the_recursion_of_the_jacobian_is_that_of_finite_differences_and_reaches_its_limit():
    problem, x = draw(15)
    x, lengths = x[1], 1 / problem.smoothness
    J, z = jacobians(problem, x, [3, 12], features=[4])
    step = 1e-6
    for place, n_iter in enumerate([3, 12]):
        options = {"n_iter": n_iter, "method": "ista", "steps": lengths}
        np.testing.assert_allclose(z[place], unrolled_codes(problem, x[None], **options)[0])
        ends = []
        for move in (-step, step):
            D = problem.D.copy()
            D[6, 4] += move
            ends.append(unrolled_codes(Lasso(D, reg=REG), x[None], **options)[0])
        slope = (ends[1] - ends[0]) / (2 * step)
        np.testing.assert_allclose(J[place, 0, :, 6], slope, atol=1e-8)
    last, _ = jacobians(problem, x, [20_000])
    limit = limit_jacobian(problem, x, exact_codes(problem, x[None])[0])
    np.testing.assert_allclose(last[0], limit, atol=1e-8)


@pytest.mark.parametrize("depth", [0, 1, 5, 12, 40])
def test_the_truncated_jacobian_gives_the_truncated_gradient(depth):
    problem, x = draw(16, n_samples=1)
    J, z = jacobians(problem, x[0], [8, 12], depth=depth)
    found = gradients(problem, x, n_iter=12, method="ista", depths=(0, depth))
    by_code = problem.gradient(z[1:2], x)[0] + REG * np.sign(z[1])
    expected = found.D[0] + np.einsum("k,lkj->jl", by_code, J[1])
    np.testing.assert_allclose(found.D[1], expected, atol=1e-12)
    if depth == 0:
        assert not J.any()


def test_codes_that_are_all_zero_come_with_a_warning():
    problem, x = draw(17)
    problem = Lasso(problem.D, reg=np.abs(x @ problem.D.T).max() * 1.0001)
    for call in (
        lambda: unrolled_codes(problem, x, n_iter=5),
        lambda: gradients(problem, x, n_iter=5).z,
    ):
        with pytest.warns(UserWarning, match=r"lambda is .* all codes are zero. Lower lambda"):
            assert not call().any()
    with pytest.warns(UserWarning, match="all codes are zero"):
        assert not gradients(problem, x, n_iter=5).D.any()
    assert not exact_codes(problem, x).any()
    assert not limit_jacobian(problem, x[0], np.zeros(problem.n_atoms)).any()


PROBLEM, X = draw(18)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Lasso(np.ones((0, 3)), reg=1), ValueError, r"D is empty: its shape is \(0, 3\)"),
        (lambda: Lasso(np.eye(2), reg=0), ValueError, "reg must be above 0, got 0"),
        (lambda: Lasso(np.eye(2), reg=-0.1), ValueError, "reg must be above 0, got -0.1"),
        (
            lambda: gradients(np.eye(2), X, n_iter=1),
            TypeError,
            "problem must be a Lasso, such as",
        ),
        (
            lambda: gradients(PROBLEM, np.full((1, 12), np.nan), n_iter=1),
            ValueError,
            r"x must be finite, got nan at index \(0, 0\)",
        ),
        (
            lambda: gradients(PROBLEM, X[:, :5], n_iter=1),
            ValueError,
            r"x must have 12 features, as the atoms have, got shape \(20, 5\)",
        ),
        (lambda: gradients(PROBLEM, X, n_iter=0), ValueError, "n_iter must be at least 1, got 0"),
        (
            lambda: gradients(PROBLEM, X, n_iter=2, method="lgcd"),
            ValueError,
            "method must be one of ista, fista, got 'lgcd'",
        ),
        (
            lambda: gradients(PROBLEM, X, n_iter=2, depths=()),
            ValueError,
            r"got \(\). Use \(None,\)",
        ),
        (
            lambda: gradients(PROBLEM, X, n_iter=2, depths=(-1,)),
            ValueError,
            "a depth must be at least 0, got -1",
        ),
        (
            lambda: gradients(PROBLEM, X, n_iter=2, steps=[0.1, 0.1, 0.1]),
            ValueError,
            r"one per iteration, shape \(2,\), got \(3,\)",
        ),
        (
            lambda: gradients(PROBLEM, X, n_iter=2, steps=-0.1),
            ValueError,
            "steps must be finite and at least 0, got -0.1",
        ),
        (
            lambda: minimum_gradient(PROBLEM, X, np.zeros((3, 3))),
            ValueError,
            r"z must have shape \(20, 20\), got \(3, 3\)",
        ),
        (
            lambda: jacobians(PROBLEM, X[0], [3, 2]),
            ValueError,
            r"iterations must ascend, and be one at least, got \[3, 2\]",
        ),
        (
            lambda: jacobians(PROBLEM, X[0], [3], depth=-1),
            ValueError,
            "depth must be at least 0, got -1",
        ),
        (
            lambda: jacobians(PROBLEM, X[0], [3], features=[12]),
            ValueError,
            "a feature must be at least 0 and at most 11, got 12",
        ),
        (
            lambda: jacobians(PROBLEM, X[0], [3], features=[]),
            ValueError,
            "features is empty. Name one at least",
        ),
        (
            lambda: limit_jacobian(PROBLEM, X[0], [1.0]),
            ValueError,
            "z must have 20 coefficients, got 1",
        ),
        (
            lambda: limit_jacobian(PROBLEM, X[0], np.ones(20)),
            ValueError,
            "the 20 atoms in the support depend on one another",
        ),
    ],
)
def test_bad_input_has_one_clear_error(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_coefficient_that_does_not_move_ends_no_step():
    """0.5 z'z - (1, 0) z from (1, 1): straight to the minimum, in which the second becomes 0."""
    eye, correlation = np.eye(2), np.array([1.0, 0.0])
    for move, share in (([0.0, -2.0], 0.5), ([0.0, -0.5], 1.0), ([0.0, 0.0], 1.0)):
        found = unrolled._best_share(np.ones(2), np.array(move), eye, correlation, 0.0)
        assert found == share


def test_a_search_that_does_not_end_says_so(monkeypatch):
    monkeypatch.setattr(unrolled, "_feature_sign", lambda *given: (np.zeros((20, 20)), 4))
    with pytest.raises(RuntimeError, match="code of sample 4 does not end: atoms depend"):
        exact_codes(PROBLEM, X)


def test_atoms_that_repeat_are_no_obstacle():
    D = np.vstack([PROBLEM.D, PROBLEM.D[:3], -PROBLEM.D[:1]])
    z = exact_codes(Lasso(D, reg=REG), X)
    once = exact_codes(PROBLEM, X)
    np.testing.assert_allclose(
        Lasso(D, reg=REG).objective(z, X), PROBLEM.objective(once, X), rtol=1e-10
    )
