"""Sinkhorn against POT, closed forms and invariances; what it refuses."""

import numpy as np
import ot
import pytest

from common.transport import DOMAINS, dual_value, half_steps, sinkhorn, transport_plan

TWO_SIGNS = np.array([[1.0, -1.0], [-1.0, 1.0]])
IN_EACH_DOMAIN = pytest.mark.parametrize("domain", DOMAINS)


def random_problem(n=7, m=5, *, seed=0, n_distributions=None):
    rng = np.random.default_rng(seed)
    shape = (n,) if n_distributions is None else (n_distributions, n)
    a, b = rng.uniform(0.1, 1, shape), rng.uniform(0.1, 1, m)
    return a / a.sum(-1, keepdims=True), b / b.sum(), rng.uniform(0, 1, (n, m))


@IN_EACH_DOMAIN
def test_the_plan_is_that_of_pot(domain):
    a, b, cost = random_problem()
    f, g = sinkhorn(a, b, cost, reg=0.1, n_iter=500, domain=domain)
    expected = ot.sinkhorn(a, b, cost, 0.1, stopThr=1e-15, numItermax=5000)
    # Both have converged to rounding; 1e-12 is far above it.
    np.testing.assert_allclose(transport_plan(f, g, cost, reg=0.1), expected, atol=1e-12)


@IN_EACH_DOMAIN
def test_the_dual_value_is_the_primal_value_of_pots_plan(domain):
    a, b, cost = random_problem(seed=1)
    f, g = sinkhorn(a, b, cost, reg=0.1, n_iter=500, domain=domain)
    plan = ot.sinkhorn(a, b, cost, 0.1, stopThr=1e-15, numItermax=5000)
    primal = (plan * cost).sum() + 0.1 * (plan * (np.log(plan) - 1)).sum()
    assert dual_value(f, g, a, b, cost, reg=0.1) == pytest.approx(primal, abs=1e-12)


@IN_EACH_DOMAIN
def test_two_points_have_a_closed_form(domain):
    # a = b uniform, cost 0 on the diagonal and 1 off it: by symmetry f = g, and
    # P_ii / P_ij = exp(1 / reg) with P_ii + P_ij = 1 / 2.
    off = 0.5 / (1 + np.exp(1 / 0.3))
    half, cost = np.full(2, 0.5), 1 - np.eye(2)
    f, g = sinkhorn(half, half, cost, reg=0.3, n_iter=1, domain=domain)
    expected = [[0.5 - off, off], [off, 0.5 - off]]
    np.testing.assert_allclose(transport_plan(f, g, cost, reg=0.3), expected, atol=1e-15)


@IN_EACH_DOMAIN
def test_one_iteration_is_that_of_the_definition(domain):
    a, b, cost = random_problem(seed=2)
    K = np.exp(-cost / 0.2)
    u = a / (K @ np.ones(5))
    v = b / (K.T @ u)
    f, g = sinkhorn(a, b, cost, reg=0.2, n_iter=1, domain=domain)
    np.testing.assert_allclose(np.exp(f / 0.2), u, rtol=1e-12)
    np.testing.assert_allclose(np.exp(g / 0.2), v, rtol=1e-12)


@IN_EACH_DOMAIN
def test_after_an_iteration_the_second_marginal_is_right_and_the_value_rises(domain):
    a, b, cost = random_problem(seed=3)
    values = []
    for n_iter in range(1, 8):
        f, g = sinkhorn(a, b, cost, reg=0.05, n_iter=n_iter, domain=domain)
        np.testing.assert_allclose(transport_plan(f, g, cost, reg=0.05).sum(0), b, rtol=1e-12)
        values.append(dual_value(f, g, a, b, cost, reg=0.05))
    assert np.all(np.diff(values) > 0)


@IN_EACH_DOMAIN
def test_several_distributions_are_each_alone(domain):
    a, b, cost = random_problem(n_distributions=3)
    f, g = sinkhorn(a, b, cost, reg=0.1, n_iter=9, domain=domain)
    values = dual_value(f, g, a, b, cost, reg=0.1)
    for k, one in enumerate(a):
        alone = sinkhorn(one, b, cost, reg=0.1, n_iter=9, domain=domain)
        np.testing.assert_allclose(f[k], alone[0], atol=1e-13)
        np.testing.assert_allclose(g[k], alone[1], atol=1e-13)
        assert values[k] == pytest.approx(dual_value(*alone, one, b, cost, reg=0.1), abs=1e-13)


def test_both_domains_have_the_same_iterates():
    a, b, cost = random_problem(seed=4)
    linear, log = (sinkhorn(a, b, cost, reg=0.05, n_iter=6, domain=domain) for domain in DOMAINS)
    for one, other in zip(linear, log, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_the_log_domain_goes_where_the_kernel_underflows():
    a, b, cost = random_problem(seed=5)
    with pytest.raises(ValueError, match=r"reg=0\.001 is too small .* Use domain='log'"):
        sinkhorn(a, b, cost, reg=0.001, n_iter=10)
    f, g = sinkhorn(a, b, cost, reg=0.001, n_iter=1000, domain="log")
    plan = transport_plan(f, g, cost, reg=0.001)
    # One marginal is right after an iteration. That the other is nearly so shows convergence.
    np.testing.assert_allclose(plan.sum(1), a, atol=1e-3)
    # The entropy of a plan is at most log(n m): so far is the exact cost at most, and what the
    # marginal lacks moves by the largest cost at most.
    slack = 0.001 * np.log(35) + np.abs(plan.sum(1) - a).sum()
    assert (plan * cost).sum() == pytest.approx(ot.emd2(a, b, cost), abs=slack)


def test_costs_and_reg_in_another_unit_scale_the_potentials():
    a, b, cost = random_problem(seed=6)
    f, g = sinkhorn(a, b, cost, reg=0.1, n_iter=4)
    more = sinkhorn(a, b, 1000 * cost, reg=100.0, n_iter=4)
    np.testing.assert_allclose(more[0], 1000 * f, rtol=1e-10)
    np.testing.assert_allclose(more[1], 1000 * g, rtol=1e-10)


def test_half_steps_make_an_iteration():
    a, b, cost = random_problem(seed=7)
    to_u, to_v, v = half_steps(a, b, cost, reg=0.1)
    for _ in range(3):
        u = to_u(v)
        v = to_v(u)
    f, g = sinkhorn(a, b, cost, reg=0.1, n_iter=3)
    np.testing.assert_allclose(0.1 * np.log(u), f, atol=1e-14)
    np.testing.assert_allclose(0.1 * np.log(v), g, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"a": [0.5, 0.6]}, ValueError, r"a must sum to 1, got 1\.1\. Divide it by its sum"),
        ({"a": [1.0, 0.0]}, ValueError, "a must be positive, got 0 at index 1"),
        ({"b": [1.5, -0.5]}, ValueError, r"b must be finite and at least 0, got -0\.5 at index 1"),
        ({"b": [np.nan, 1.0]}, ValueError, "b must be finite and at least 0, got nan"),
        ({"a": [[[0.5, 0.5]]]}, ValueError, r"a must have 1 or 2 axes, got shape \(1, 1, 2\)"),
        ({"cost": np.zeros((2, 3))}, ValueError, r"shape of a × b, \(2, 2\), got \(2, 3\)"),
        ({"cost": [[0.0, np.inf], [1, 0]]}, ValueError, "cost must be finite, got inf"),
        ({"reg": 0}, ValueError, "reg must be above 0, got 0"),
        ({"reg": -0.1}, ValueError, r"reg must be above 0, got -0\.1"),
        ({"reg": True}, TypeError, "reg must be a number"),
        ({"n_iter": 0}, ValueError, "n_iter must be at least 1, got 0"),
        ({"n_iter": 2.0}, TypeError, r"n_iter must be a whole number, got 2\.0"),
        ({"domain": "Log"}, ValueError, "domain must be one of linear, log, got 'Log'"),
        (
            {"a": np.full((2, 2), 0.5), "b": np.full((3, 2), 0.5)},
            ValueError,
            "a and b must be as many distributions, got 2 and 3",
        ),
    ],
)
def test_bad_input_is_one_clear_error(change, error, message):
    right = {"a": [0.5, 0.5], "b": [0.3, 0.7], "cost": 1 - np.eye(2), "reg": 0.1, "n_iter": 3}
    given = right | change
    with pytest.raises(error, match=message):
        sinkhorn(given.pop("a"), given.pop("b"), given.pop("cost"), reg=given.pop("reg"), **given)


@pytest.mark.parametrize("cost", [np.full((2, 2), 1e3), -np.full((2, 2), 1e3), 500 * TWO_SIGNS])
def test_kernels_that_leave_the_range_of_numbers_are_refused(cost):
    """Whether the costs are far from zero, or far from each other."""
    half = [0.5, 0.5]
    with pytest.raises(ValueError, match=r"reg=1 is too small for the linear domain"):
        sinkhorn(half, half, cost, reg=1.0, n_iter=2)
    f, g = sinkhorn(half, half, cost, reg=1.0, n_iter=2, domain="log")
    np.testing.assert_allclose(transport_plan(f, g, cost, reg=1.0).sum(0), half, rtol=1e-9)


@pytest.mark.parametrize("total", [0.9, 1.1])
@pytest.mark.parametrize("place", [0, 1])
def test_the_distribution_that_does_not_sum_to_one_is_found_among_others(total, place):
    a = np.full((2, 2), 0.5)
    a[place, 1] += total - 1
    with pytest.raises(ValueError, match=rf"a must sum to 1, got {total:g}\. Divide"):
        sinkhorn(a, [0.5, 0.5], np.zeros((2, 2)), reg=1.0, n_iter=1)


@pytest.mark.parametrize(
    ("f", "g", "message"),
    [
        ([0.0, np.nan], [0.0, 0.0], "f must be finite"),
        ([1e8, 0.0], [0.0, 0.0], r"the plan is infinite with reg=0\.1: f reaches 1e\+08, g 0, and"),
        ([0.0, 0.0], [0.0, 0.0, 0.0], r"cost must have the shape of f × g, \(2, 3\), got \(2, 2\)"),
    ],
)
def test_potentials_that_do_not_fit_are_refused(f, g, message):
    with pytest.raises(ValueError, match=message):
        transport_plan(f, g, np.zeros((2, 2)), reg=0.1)


def test_weights_with_which_scalings_underflow_are_refused():
    given = [0.5, 0.5], [1e-300, 1.0], 1 - np.eye(2)
    with pytest.raises(ValueError, match=r"reg=0\.002 is too small .* Use domain='log'"):
        sinkhorn(*given, reg=0.002, n_iter=5)
    f, g = sinkhorn(*given, reg=0.002, n_iter=5, domain="log")
    assert np.isfinite(f).all() and np.isfinite(g).all()


def test_the_dual_value_of_potentials_that_do_not_fit_is_refused():
    half, cost = [0.5, 0.5], np.eye(2)
    with pytest.raises(ValueError, match=r"the plan is infinite with reg=0\.1"):
        dual_value([1e8, 0], [0, 0], half, half, cost, reg=0.1)
    with pytest.raises(ValueError, match=r"f and g and a and b must be as many distributions, but"):
        dual_value(np.zeros((3, 2)), [0, 0], [half, half], half, cost, reg=0.1)


@pytest.mark.parametrize(
    ("domain", "values", "message"),
    [
        ("linear", [0.0, 1.0, 1.0], r"v must be finite and above 0, got 0\.0 at index 0"),
        ("linear", [1.0], r"v must have 3 values, got shape \(1,\)"),
        ("log", [np.nan, 1.0, 1.0], "g must be finite, got nan at index 0"),
        ("log", np.zeros((3, 3)), r"g and a must be as many distributions, but in shape g has"),
    ],
)
def test_half_steps_check_what_they_take(domain, values, message):
    to_first, _, _ = half_steps(
        np.full((2, 2), 0.5), np.full(3, 1 / 3), np.zeros((2, 3)), reg=1, domain=domain
    )
    with pytest.raises(ValueError, match=message):
        to_first(values)


def test_potentials_may_be_lists():
    f, g = sinkhorn([0.5, 0.5], [0.25, 0.75], cost := [[0, 1], [1, 0]], reg=0.5, n_iter=5)
    of_arrays = dual_value(f, g, [0.5, 0.5], [0.25, 0.75], cost, reg=0.5)
    assert dual_value(f.tolist(), g.tolist(), [0.5, 0.5], [0.25, 0.75], cost, reg=0.5) == of_arrays
