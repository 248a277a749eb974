"""Derivatives against autograd and finite differences, and bad input."""

import numpy as np
import pytest
import torch

from common.bilevel import Cleaning, Logistic, Quadratic, QuadraticSamples
from common.bilevel._compiled import (
    ALL,
    CROSS,
    FIRST,
    GRADIENT,
    HESSIAN,
    OUTER_GRADIENT,
    SECOND,
    inner,
    outer,
)
from tests.common.bilevel.conftest import make

RNG = np.random.default_rng(0)


def inner_loss(problem, z, x):
    """G by its definition, for torch to differentiate."""
    if isinstance(problem, Quadratic):
        roots, left, right, linear = map(torch.from_numpy, problem.inner[:4])
        each = 0.5 * (roots @ z) ** 2 + (left @ x) * (right @ z) + linear @ z
    elif isinstance(problem, Logistic):
        D, y = torch.from_numpy(problem.D), torch.from_numpy(problem.y)
        each = torch.log1p(torch.exp(-y * (D @ z))) + 0.5 * (torch.exp(x) * z**2).sum()
    else:
        D, y = torch.from_numpy(problem.D), torch.from_numpy(problem.y)
        losses = torch.nn.functional.cross_entropy(
            D @ z.reshape(problem.n_classes, -1).T, y, reduction="none"
        )
        each = torch.sigmoid(x) * losses + problem.reg * (z**2).sum()
    return each.mean()


def outer_loss(problem, z, x):
    """F by its definition."""
    if isinstance(problem, Quadratic):
        roots, left, right, linear, outer_roots, outer_linear = map(torch.from_numpy, problem.outer)
        each = 0.5 * (roots @ z) ** 2 + (left @ x) * (right @ z) + linear @ z
        each = each + 0.5 * (outer_roots @ x) ** 2 + outer_linear @ x
    else:
        D, y = torch.from_numpy(problem.D_out), torch.from_numpy(problem.y_out)
        if isinstance(problem, Logistic):
            each = torch.log1p(torch.exp(-y * (D @ z)))
        else:
            each = torch.nn.functional.cross_entropy(
                D @ z.reshape(problem.n_classes, -1).T, y, reduction="none"
            )
    return each.mean()


def derivatives(problem, z, x, v):
    """By autograd: d_z G, d_zz G v, d_xz G v, d_x G, d_z F, d_x F."""
    z, x = (torch.from_numpy(one.copy()).requires_grad_() for one in (z, x))
    g_z, g_x = torch.autograd.grad(inner_loss(problem, z, x), (z, x), create_graph=True,
                                   allow_unused=True)  # fmt: skip
    hessian, cross = torch.autograd.grad(g_z @ torch.from_numpy(v), (z, x), retain_graph=True)
    f_z, f_x = torch.autograd.grad(outer_loss(problem, z, x), (z, x), allow_unused=True)
    f_x = torch.zeros_like(x) if f_x is None else f_x
    return [one.detach().numpy() for one in (g_z, hessian, cross, g_x, f_z, f_x)]


def close(found, expected):
    # Both are sums of some hundred products of numbers about 1.
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


def test_values_and_derivatives_are_those_of_the_definition(case):
    problem, z, x = case
    v = RNG.standard_normal(problem.n_inner)
    g, h, c, _, f, fx = derivatives(problem, z, x, v)
    close(problem.inner_gradient(z, x), g)
    close(problem.inner_hessian(z, x) @ v, h)
    close(problem.cross(z, x, v), c)
    close(problem.outer_gradients(z, x)[0], f)
    close(problem.outer_gradients(z, x)[1], fx)
    there = torch.from_numpy(z), torch.from_numpy(x)
    assert problem.inner_value(z, x) == pytest.approx(float(inner_loss(problem, *there)), rel=1e-12)
    assert problem.outer_value(z, x) == pytest.approx(float(outer_loss(problem, *there)), rel=1e-12)


@pytest.mark.parametrize("batch", [4, 12])
def test_compiled_oracles_average_to_the_derivatives_and_count_samples(case, batch):
    problem, z, x = case
    P, v = problem.compiled(batch), RNG.standard_normal(problem.n_inner)
    g, h, c, gx, f, fx = derivatives(problem, z, x, v)
    for batches in ([-1], list(range(P.n_batches))):
        found, count = [np.zeros_like(one) for one in (g, h, c, gx)], np.zeros(2, dtype=np.int64)
        for k in batches:
            new = [np.full_like(one, np.nan) for one in (g, h, c, gx)]
            inner(P, ALL, z, x, v, k, *new[:3], count)
            inner(P, OUTER_GRADIENT, z, x, v, k, new[0], new[1], new[3], count)
            for total, one in zip(found, new, strict=True):
                total += one / len(batches)
        for one, expected in zip(found, (g, h, c, gx), strict=True):
            close(one, expected)
        assert count[0] == 4 * problem.n
    for batches in ([-1], list(range(P.m_batches))):
        found, count = [np.zeros_like(one) for one in (f, fx)], np.zeros(2, dtype=np.int64)
        for k in batches:
            new = np.full_like(f, np.nan), np.full_like(fx, np.nan)
            outer(P, FIRST | SECOND, z, x, k, *new, count)
            for total, one in zip(found, new, strict=True):
                total += one / len(batches)
        close(found[0], f)
        close(found[1], fx)
        assert count[0] == 2 * problem.m


@pytest.mark.parametrize("want", [GRADIENT, HESSIAN, CROSS, OUTER_GRADIENT])
def test_an_oracle_touches_and_counts_what_is_wanted_alone(case, want):
    problem, z, x = case
    P, count = problem.compiled(4), np.zeros(2, dtype=np.int64)
    before = RNG.standard_normal(len(z)), RNG.standard_normal(len(z)), RNG.standard_normal(len(x))
    after = [one.copy() for one in before]
    inner(P, want, z, x, z, 0, *after, count)
    changed = [not np.array_equal(*pair) for pair in zip(before, after, strict=True)]
    assert changed == [want == GRADIENT, want == HESSIAN, want in (CROSS, OUTER_GRADIENT)]
    assert count[0] == 4


def test_the_inner_minimum_has_no_gradient(case):
    problem, z, x = case
    for start in (None, z, 10 * z):
        found = problem.minimizer(x, start=start)
        scale = np.abs(problem.inner_hessian(found, x)).max()
        assert np.abs(problem.inner_gradient(found, x)).max() < 1e-13 * max(1, scale)


def test_the_hypergradient_agrees_with_finite_differences_of_h(case):
    problem, _, x = case
    gradient, step = problem.gradient(x), 1e-5
    for k in range(problem.n_outer):
        e = np.zeros(problem.n_outer)
        e[k] = step
        slope = (problem.value(x + e) - problem.value(x - e)) / (2 * step)
        # Central differences: the third derivative times step² / 6, and rounding over the step.
        assert gradient[k] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_the_hypergradient_agrees_with_jaxopt():
    jax = pytest.importorskip("jax", reason="jaxopt is a peer, which is not installed here")
    implicit_diff = pytest.importorskip("jaxopt", reason="a peer, not installed").implicit_diff
    jax.config.update("jax_enable_x64", True)
    problem, _, x = make("logistic")

    def loss(z, x):
        margins = problem.y * (problem.D @ z)
        return jax.numpy.logaddexp(0, -margins).mean() + 0.5 * (jax.numpy.exp(x) * z**2).sum()

    @implicit_diff.custom_root(jax.grad(loss))
    def minimum(start, x):
        return jax.numpy.asarray(problem.minimizer(np.asarray(x)))

    def h(z):
        return jax.numpy.logaddexp(0, -problem.y_out * (problem.D_out @ z)).mean()

    z, pull = jax.vjp(lambda x: minimum(None, x), jax.numpy.asarray(x))
    (found,) = pull(jax.grad(h)(z))
    np.testing.assert_allclose(problem.gradient(x), found, rtol=1e-6, atol=1e-9)


def test_the_hessian_of_a_quadratic_is_that_of_h():
    problem, _, x = make("quadratic")
    columns = [problem.gradient(x + e) - problem.gradient(x) for e in np.eye(len(x))]
    np.testing.assert_allclose(np.array(columns).T, problem.hessian, rtol=1e-9, atol=1e-12)
    assert np.abs(problem.gradient(problem.solution)).max() < 1e-13
    assert problem.excess(x) == pytest.approx(problem.value(x) - problem.lowest, rel=1e-10)
    assert problem.excess(problem.solution) == 0


def test_no_step_below_the_curvature_bound_overshoots_on_a_quadratic():
    # The bound is that of gradient descent: just below 2 / L it contracts, just above it does not.
    problem, z, x = make("quadratic")
    minimum = problem.minimizer(x)
    for factor, contracts in ((0.999, True), (1.001, False)):
        step, w = factor * 2 / problem.curvature(x), z.copy()
        for _ in range(20_000):
            w = w - step * problem.inner_gradient(w, x)
        assert (np.linalg.norm(w - minimum) < np.linalg.norm(z - minimum)) == contracts


@pytest.mark.parametrize("kind", ["logistic", "cleaning"])
def test_the_curvature_bound_holds_everywhere(kind):
    problem, z, x = make(kind)
    for scale in (0, 0.1, 1, 10):
        largest = np.linalg.eigvalsh(problem.inner_hessian(scale * z, x))[-1]
        assert largest <= problem.curvature(x) * (1 + 1e-12)


def test_the_curvature_bound_is_met_where_two_classes_are_equally_likely():
    # At z = 0 two classes have the Hessian of the softmax of eigenvalue 1/2, and sigma(x) weighs
    # each row: with equal weights G has the largest curvature sigma |D'D| / (2 n) + 2 lambda.
    rng = np.random.default_rng(0)
    D = rng.standard_normal((7, 3))
    problem = Cleaning(D, rng.integers(2, size=7), D, np.zeros(7, int), n_classes=2, reg=0.1)
    x = np.full(7, 0.4)
    largest = np.linalg.eigvalsh(problem.inner_hessian(np.zeros(6), x))[-1]
    assert problem.curvature(x) == pytest.approx(largest, rel=1e-12)


def test_errors_count_rows_that_are_not_predicted():
    problem = Cleaning(np.eye(3), [0, 1, 2], np.eye(3), [0, 1, 2], n_classes=3)
    assert problem.error(np.eye(3).ravel(), np.eye(3), np.array([0, 1, 0])) == pytest.approx(1 / 3)


def samples(n=8, p=2, q=1, **change):
    rng = np.random.default_rng(1)
    made = {"roots": rng.standard_normal((n, p)), "left": rng.standard_normal((n, q))}
    made |= {"right": rng.standard_normal((n, p)), "linear": rng.standard_normal((n, p))}
    made |= {"outer_roots": np.ones((n, q)), "outer_linear": np.ones((n, q))}
    return QuadraticSamples(**(made | change))


def inside(**change):
    return samples(**({"outer_roots": None, "outer_linear": None} | change))


D, Y = np.ones((4, 2)), np.array([1, -1, 1, -1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: Quadratic(inside(roots=np.ones((8, 2))), samples()),
            ValueError,
            r"the mean of A must be of full rank, got eigenvalues from .* Add samples",
        ),
        (
            lambda: Quadratic(inside(roots=np.full((8, 2), np.nan)), samples()),
            ValueError,
            r"inner roots must be finite, got nan at index \(0, 0\)",
        ),
        (
            lambda: Quadratic(inside(right=np.ones((8, 3))), samples()),
            ValueError,
            r"inner right must have the shape \(8, 2\), got \(8, 3\)",
        ),
        (
            lambda: Quadratic(inside(), samples(outer_linear=np.ones((8, 2)))),
            ValueError,
            r"outer outer_linear must have the shape \(8, 1\), got \(8, 2\)",
        ),
        (
            lambda: Quadratic(inside(), inside()),
            ValueError,
            "the outer problem needs outer_roots, got None",
        ),
        (
            lambda: Quadratic(samples(), samples()),
            ValueError,
            r"the inner problem must have no outer_roots: .* Leave it out",
        ),
        (
            lambda: Logistic(D, [1, 0, 1, -1], D, Y),
            ValueError,
            "y must be -1 or 1 everywhere, got 0",
        ),
        (lambda: Logistic(D, Y[:3], D, Y), ValueError, "D and y must have one length"),
        (lambda: Logistic(D, Y, D[:, :1], Y), ValueError, "same features, got 2 and 1"),
        (
            lambda: Logistic(np.full((4, 2), np.inf), Y, D, Y),
            ValueError,
            "D must be finite, got inf",
        ),
        (
            lambda: Cleaning(D, [0, 1, 2, 3], D, [0, 1, 1, 0], n_classes=3),
            ValueError,
            "y must be a whole number from 0 to 2 everywhere, got 3 at index 3",
        ),
        (
            lambda: Cleaning(D, [0, 1, 0, 1], D, [0, 1, 1, 0], n_classes=2, reg=0),
            ValueError,
            "reg must be above 0, got 0",
        ),
        (
            lambda: Cleaning(D, [0, 1, 0, 1], D, [0, 1, 1, 0], n_classes=2, reg=-0.1),
            ValueError,
            r"reg must be above 0, got -0\.1",
        ),
        (lambda: make("logistic")[0].gradient([0.0]), ValueError, "x must have 3 values, got 1"),
        (
            lambda: make("logistic")[0].value([0.0, np.nan, 0.0]),
            ValueError,
            "x must be finite, got nan at index 1",
        ),
        (
            lambda: make("logistic")[0].compiled(5),
            ValueError,
            "batch must divide the 24 inner samples, got 5: .* Take 4, or other numbers of rows",
        ),
        (
            lambda: make("logistic")[0].compiled(8),
            ValueError,
            "batch must divide the 12 outer samples, got 8",
        ),
        (lambda: make("logistic")[0].compiled(4.0), TypeError, "batch must be a whole number"),
    ],
)
def test_bad_input_is_one_clear_error(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_inner_problem_that_newton_cannot_solve_is_said(monkeypatch):
    problem, _, x = make("logistic")
    hessian = problem.inner_hessian
    monkeypatch.setattr(problem, "inner_hessian", lambda z, x: 1e6 * hessian(z, x))
    with pytest.raises(RuntimeError, match="not found in 100 steps of Newton's method, x between"):
        problem.minimizer(x)
