"""ISTA and its kin: monotone, with the right fixed points, and minima that are certified."""

import itertools

import numpy as np
import pytest

from common.sparse import (
    SOLVERS,
    Lasso,
    gaussian_codes,
    gaussian_dictionary,
    iterations_to,
    optimum,
    soft_threshold,
)
from common.sparse.solvers import backtracking_ista, fista

RNG = np.random.default_rng(1)
D = gaussian_dictionary(20, 10, rng=RNG)
X = gaussian_codes(D, 12, rng=RNG)
PROBLEM = Lasso(D, reg=0.3)


def iterates(solver, n_iter, problem=PROBLEM, x=X):
    options = {"factor": 0.5, "longest": 8} if solver == "backtracking" else {}
    return list(itertools.islice(SOLVERS[solver](problem, x, **options), n_iter))


@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_reach_the_certified_minimum(solver):
    lowest = optimum(PROBLEM, X)
    last = iterates(solver, 1500)[-1].z
    np.testing.assert_allclose(PROBLEM.objective(last, X), lowest.objective, atol=1e-9)


@pytest.mark.parametrize("solver", ["ista", "oracle", "backtracking"])
def test_the_cost_never_rises(solver):
    costs = [PROBLEM.objective(one.z, X) for one in iterates(solver, 200)]
    assert (np.diff(costs, axis=0) <= 1e-14).all()


def test_an_orthonormal_dictionary_is_solved_in_one_step():
    rows = np.linalg.qr(RNG.standard_normal((6, 6)))[0]
    x = gaussian_codes(rows, 5, rng=RNG)
    expected = np.sign(x @ rows.T) * np.maximum(np.abs(x @ rows.T) - 0.4, 0)
    for solver in SOLVERS:
        (first,) = iterates(solver, 1, Lasso(rows, reg=0.4), x)
        np.testing.assert_allclose(first.z, expected, atol=1e-12)
    for max_iter in (1, 3, 100_000):  # the last iterate counts, whatever is checked between
        found = optimum(Lasso(rows, reg=0.4), x, max_iter=max_iter)
        np.testing.assert_allclose(found.z, expected, atol=1e-12)


def test_a_sample_has_its_code_whatever_is_beside_it():
    for solver in SOLVERS:
        together, alone = iterates(solver, 30)[-1], iterates(solver, 30, x=X[3:4])[-1]
        np.testing.assert_allclose(together.z[3], alone.z[0], atol=1e-12)


def test_steps_of_the_oracle_are_1_over_the_curvature_where_the_support_stays():
    path = iterates("oracle", 400)
    before = np.zeros_like(path[0].z)
    n_long = 0
    for one in path:
        curvature = PROBLEM.support_smoothness(before)
        entered = ((one.z != 0) & (before == 0)).any(axis=1)
        np.testing.assert_allclose(one.step[entered], 1 / PROBLEM.smoothness)
        long = one.step > 1.001 / PROBLEM.smoothness
        np.testing.assert_allclose(one.step[long], 1 / curvature[long])
        n_long, before = n_long + long.sum(), one.z
    assert n_long > 0.5 * len(path) * len(X)


def test_the_oracle_ends_with_the_rate_of_its_support():
    # F - F* falls at least like (1 - mu_S / L_S) per iteration, once the support is that of z*.
    problem = Lasso(D, reg=0.5)
    found = optimum(problem, X[:1], tol=1e-14)
    (support,) = np.nonzero(found.z[0])
    squares = np.linalg.svd(D[support], compute_uv=False) ** 2
    excess = [
        problem.objective(one.z, X[:1])[0] - found.objective[0]
        for one in iterates("oracle", 60, problem, X[:1])
    ]
    late = [(a, b) for a, b in itertools.pairwise(excess) if 1e-6 > a > 1e-11]
    assert len(late) > 3
    assert all(b <= a * (1 - squares[-1] / squares[0]) * 1.01 for a, b in late)


def test_backtracking_finds_the_longest_of_its_steps_below_the_bound():
    start = PROBLEM.gradient(np.zeros((len(X), 20)), X)
    path = itertools.islice(backtracking_ista(PROBLEM, X, factor=0.5, longest=64), 1)
    ((_, step),) = path

    def bent(step):
        moved = np.sign(-start) * np.maximum(np.abs(step[:, None] * start) - 0.3 * step[:, None], 0)
        return step * ((moved @ D) ** 2).sum(axis=1) > (moved**2).sum(axis=1) * (1 + 1e-9)

    assert not bent(step).any()
    shortened = step < 64 / PROBLEM.smoothness
    assert shortened.any() and bent(2 * step)[shortened].all()
    powers = np.log2(step * PROBLEM.smoothness / 64)
    np.testing.assert_allclose(powers, np.round(powers), atol=1e-9)


def test_fista_takes_the_momentum_of_its_definition():
    short, before, y = 1 / PROBLEM.smoothness, np.zeros((12, 20)), np.zeros((12, 20))
    t = [1.0]
    for iterate in iterates("fista", 8):
        expected = soft_threshold(y - short * PROBLEM.gradient(y, X), short * PROBLEM.reg)
        np.testing.assert_allclose(iterate.z, expected, atol=1e-13)
        t.append((1 + np.sqrt(1 + 4 * t[-1] ** 2)) / 2)
        y, before = expected + (t[-2] - 1) / t[-1] * (expected - before), expected
    assert t[1] == pytest.approx((1 + np.sqrt(5)) / 2)  # the golden ratio


def test_fista_is_within_its_bound():
    # F - F* <= 2 L |z*|^2 / (t + 1)^2.
    found = optimum(PROBLEM, X)
    radius = (found.z**2).sum(axis=1)
    for t, one in enumerate(iterates("fista", 100), 1):
        excess = PROBLEM.objective(one.z, X) - found.objective
        assert (excess <= 2 * PROBLEM.smoothness * radius / (t + 1) ** 2 + 1e-12).all()


def test_restarts_make_fista_monotone_enough_to_be_linear():
    found = optimum(PROBLEM, X)
    plain, again = (
        list(itertools.islice(fista(PROBLEM, X, restart=restart), 600))[-1].z
        for restart in (False, True)
    )
    excess = [(PROBLEM.objective(z, X) - found.objective).max() for z in (plain, again)]
    assert excess[1] < 1e-11 and excess[1] <= excess[0]


@pytest.mark.parametrize("reg", [0.02, 0.3, 0.95])
def test_minima_are_certified(reg):
    problem = Lasso(D, reg=reg)
    found = optimum(problem, X, tol=1e-13)
    # The last bits of a product depend on how many samples it is of.
    np.testing.assert_allclose(found.gap, problem.duality_gap(found.z, X), atol=1e-15)
    assert (found.gap <= 1e-13 * 0.5 * (X**2).sum(axis=1)).all()
    np.testing.assert_allclose(found.objective, problem.objective(found.z, X), rtol=1e-14)


def test_a_minimum_meets_the_conditions_of_optimality():
    z = optimum(PROBLEM, X, tol=1e-15).z
    slope = PROBLEM.gradient(z, X)
    inside = z != 0
    np.testing.assert_allclose(slope[inside], -0.3 * np.sign(z[inside]), atol=1e-6)
    assert np.abs(slope).max() <= 0.3 + 1e-6


def test_a_minimum_that_takes_too_long_is_an_error():
    message = (
        r"of 12 samples are not solved after 20 iterations: the gap of sample \d+ is .*, above"
    )
    with pytest.raises(RuntimeError, match=message):
        optimum(PROBLEM, X, max_iter=20)


def test_iterations_to_a_precision_are_those_of_the_first_iterate_within_it():
    lowest = optimum(PROBLEM, X).objective
    found = iterations_to(PROBLEM, X, solver="oracle", precision=1e-4)
    path = [PROBLEM.objective(one.z, X) - lowest for one in iterates("oracle", int(found.max()))]
    for sample, count in enumerate(found.astype(int)):
        assert path[count - 1][sample] <= 1e-4
        assert count == 1 or path[count - 2][sample] > 1e-4


def test_iterations_that_do_not_suffice_are_missing():
    found = iterations_to(PROBLEM, X, solver="ista", precision=1e-9, max_iter=3)
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SOLVERS["ista"](PROBLEM, X[:, :4]), ValueError, "x must have 10 features"),
        (lambda: SOLVERS["oracle"](PROBLEM, X * np.nan), ValueError, "x must be finite"),
        (lambda: backtracking_ista(PROBLEM, X, factor=1), ValueError, "factor must be above 0 and"),
        (
            lambda: backtracking_ista(PROBLEM, X, longest=0.5),
            ValueError,
            "longest must be at least",
        ),
        (lambda: optimum(PROBLEM, X, tol=0), ValueError, "tol must be above 0, got 0"),
        (lambda: optimum(PROBLEM, X, max_iter=1.5), TypeError, "max_iter must be a whole number"),
        (
            lambda: iterations_to(PROBLEM, X, solver="oracel", precision=1),
            ValueError,
            "solver must be one of ista, fista, oracle, backtracking, got 'oracel'. Did you mean",
        ),
        (
            lambda: iterations_to(PROBLEM, X, solver="ista", precision=0),
            ValueError,
            "precision must be above 0",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, error, message):
    with pytest.raises(error, match=message):
        call()
