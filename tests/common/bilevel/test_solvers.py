"""Solvers against plain ones that count every sample, unbiased directions, and bad input."""

import numpy as np
import pytest

from common.bilevel import CONSTANT, SOLVERS, Cleaning, Logistic, Quadratic, solve, step_bound
from common.bilevel._compiled import (
    Memory,
    directions,
    empty_memory,
    saba_directions,
    srba_directions,
)
from tests.common.bilevel.conftest import make

BATCH = 4


class Counting:
    """Means over batches by numpy, each a problem of its own; every sample asked about counts."""

    def __init__(self, problem):
        self.problem, self.calls = problem, 0

    def part(self, k, n):
        return np.arange(n) if k < 0 else np.arange(k * BATCH, (k + 1) * BATCH)

    def inside(self, k, x):
        """The problem of a batch, its share of x, and the rows."""
        rows, p = self.part(k, self.problem.n), self.problem
        self.calls += len(rows)
        if isinstance(p, Quadratic):
            fields = {name: one[rows] for name, one in p.inner._asdict().items() if one is not None}
            return Quadratic(p.inner._replace(**fields), p.outer), x, rows
        if isinstance(p, Logistic):
            return Logistic(p.D[rows], p.y[rows], p.D_out, p.y_out), x, rows
        options = {"n_classes": p.n_classes, "reg": p.reg}
        return Cleaning(p.D[rows], p.y[rows], p.D_out, p.y_out, **options), x[rows], rows

    def gradient(self, z, x, k):
        problem, x, _ = self.inside(k, x)
        return problem.inner_gradient(z, x)

    def hessian(self, z, x, v, k):
        problem, x, _ = self.inside(k, x)
        return problem.inner_hessian(z, x) @ v

    def cross(self, z, x, v, k):
        problem, part, rows = self.inside(k, x)
        if not isinstance(problem, Cleaning):
            return problem.cross(z, part, v)
        found = np.zeros_like(x)
        found[rows] = problem.cross(z, part, v)
        return found

    def by_x(self, z, x, k):
        """d_x G, by differences along each entry of x, which a penalty e^x or σ(x) enters."""
        problem, part, rows = self.inside(k, x)
        if isinstance(problem, Quadratic):
            return problem.cross(z, part, z)  # x' C z is linear in both
        if isinstance(problem, Logistic):
            return 0.5 * np.exp(x) * z**2
        found, step = np.zeros_like(x), 1e-5
        for place, row in enumerate(rows):
            e = step * np.eye(len(rows))[place]
            ends = problem.inner_value(z, part + e), problem.inner_value(z, part - e)
            found[row] = (ends[0] - ends[1]) / (2 * step)
        return found

    def outside(self, z, x, k, what=(0, 1)):
        """d_z F, d_x F, or one of them."""
        p = self.problem
        rows = self.part(k, p.m)
        self.calls += len(rows) * len(what)
        if isinstance(p, Quadratic):
            problem = Quadratic(p.inner, p.outer._replace(**{
                name: one[rows] for name, one in p.outer._asdict().items()}))  # fmt: skip
        elif isinstance(p, Logistic):
            problem = Logistic(p.D, p.y, p.D_out[rows], p.y_out[rows])
        else:
            problem = Cleaning(p.D, p.y, p.D_out[rows], p.y_out[rows], n_classes=p.n_classes)
        found = [problem.outer_gradients(z, x)[one] for one in what]
        return found if len(found) > 1 else found[0]


class Plain:
    """The solvers as their papers state them, one iteration after another."""

    def __init__(self, problem, z, x, rng, *, step, ratio, period, eta, growth):
        self.o, self.rng = Counting(problem), rng
        self.n, self.m = problem.n // BATCH, problem.m // BATCH
        self.z, self.x, self.v, self.t = z.copy(), x.copy(), np.zeros_like(z), 0
        self.rho, self.gamma, self.period, self.eta, self.growth = (
            step, step / ratio, period, eta, growth,
        )  # fmt: skip
        self.last, self.d, self.penalty, self.y = None, None, 1.0, z.copy()

    def draw(self, n):
        return int(self.rng.random() * n)

    def i(self):
        return self.draw(self.n)

    def j(self):
        return self.draw(self.m)

    def all(self, z, x, v, i, j):
        o = self.o
        f, fx = o.outside(z, x, j)
        dz, dv = o.gradient(z, x, i), o.hessian(z, x, v, i) + f
        return np.array([dz, dv]), o.cross(z, x, v, i) + fx

    def go(self, inner, outer, size=1.0, outer_size=None):
        self.z = self.z - self.rho * size * inner[0]
        self.v = self.v - self.rho * size * inner[1]
        self.x = self.x - self.gamma * (size if outer_size is None else outer_size) * outer

    def soba(self):
        i, j = self.i(), self.j()
        self.go(*self.all(self.z, self.x, self.v, i, j), self.t**-0.5)

    def saba(self):
        if self.t == 1:
            self.rows = {}
        i, j, o = self.i(), self.j(), self.o
        f, fx = o.outside(self.z, self.x, j)
        new = {
            ("g", i): o.gradient(self.z, self.x, i),
            ("h", i): o.hessian(self.z, self.x, self.v, i),
            ("c", i): o.cross(self.z, self.x, self.v, i),
            ("f", j): f,
            ("fx", j): fx,
        }
        used = {}
        for (name, k), value in new.items():
            n = self.m if name.startswith("f") else self.n
            known = [row for (other, _), row in self.rows.items() if other == name]
            used[name] = value - self.rows.get((name, k), 0) + sum(known) / n
        self.rows |= new
        self.go((used["g"], used["h"] + used["f"]), used["c"] + used["fx"])

    def srba(self):
        if (self.t - 1) % self.period == 0:
            self.d = self.all(self.z, self.x, self.v, -1, -1)
        else:
            i, j = self.i(), self.j()
            new, old = self.all(self.z, self.x, self.v, i, j), self.all(*self.last, i, j)
            self.d = [d + a - b for d, a, b in zip(self.d, new, old, strict=True)]
        self.last = self.z, self.x, self.v
        self.go(*self.d)

    def descend(self, n, size=1.0):
        for _ in range(n):
            self.z = self.z - self.rho * size * self.o.gradient(self.z, self.x, self.i())

    def hyper(self, z, x, i, j, drawn, whole):
        f, fx = self.o.outside(z, x, j)
        terms = [f]
        for k in drawn:
            terms.append(terms[-1] - self.rho * self.o.hessian(z, x, terms[-1], k))
        v = self.rho * (sum(terms) if whole else 10 * terms[-1])
        return fx - self.o.cross(z, x, v, i)

    def draws(self, whole):
        n = 10 if whole else self.draw(10)
        drawn = [self.i() for _ in range(10)][:n]
        return self.i(), self.j(), drawn, whole

    def amigo(self):
        self.descend(10)
        f, fx = self.o.outside(self.z, self.x, self.j())
        for _ in range(10):
            self.v = self.v - self.rho * (self.o.hessian(self.z, self.x, self.v, self.i()) - f)
        self.x = self.x - self.gamma * (fx - self.o.cross(self.z, self.x, self.v, self.i()))

    def stocbio(self):
        self.descend(10)
        self.x = self.x - self.gamma * self.hyper(self.z, self.x, *self.draws(True))

    def bsa(self):
        self.x = self.x - self.gamma * self.t**-0.5 * self.hyper(self.z, self.x, *self.draws(False))
        self.descend(10, self.t**-0.5)

    def ttsa(self):
        self.descend(1, self.t**-0.4)
        self.x = self.x - self.gamma * self.t**-0.6 * self.hyper(self.z, self.x, *self.draws(False))

    def momentum(self, whole):
        n = 10 if whole else self.draw(10)
        drawn = [self.i() for _ in range(10)][:n]
        i, cross, j = self.i(), self.i(), self.j()

        def both(z, x):
            return self.o.gradient(z, x, i), self.hyper(z, x, cross, j, drawn, whole)

        new = both(self.z, self.x)
        if self.t > 1:
            stay = 1 - self.eta * self.t ** (-2 / 3)
            old = both(*self.last)
            new = [a + stay * (d - b) for a, d, b in zip(new, self.d, old, strict=True)]
        self.d, self.last = new, (self.z, self.x)
        size = self.t ** (-1 / 3)
        self.z, self.x = self.z - self.rho * size * new[0], self.x - self.gamma * size * new[1]

    def mrbo(self):
        self.momentum(True)

    def sustain(self):
        self.momentum(False)

    def fsla(self):
        i, j, o, size = self.i(), self.j(), self.o, self.t**-0.5
        f, fx = o.outside(self.z, self.x, j)
        g, h = o.gradient(self.z, self.x, i), o.hessian(self.z, self.x, self.v, i)
        new = fx - o.cross(self.z, self.x, self.v, i)
        if self.t > 1:
            z, x, v = self.last
            old = o.outside(z, x, j, what=(1,)) - o.cross(z, x, v, i)
            new = new + (1 - self.rho * size) * (self.d - old)
        self.d, self.last = new, (self.z, self.x, self.v)
        self.go((g, h - f), new, size)

    def vrbo(self):
        if (self.t - 1) % self.period == 0:
            self.d = [
                self.o.gradient(self.z, self.x, -1),
                self.hyper(self.z, self.x, -1, -1, [-1] * 10, True),
            ]
            self.last = self.z, self.x
        self.x = self.x - self.gamma * self.d[1]
        for _ in range(10):
            drawn = [self.i() for _ in range(10)]
            i, cross, j = self.i(), self.i(), self.j()
            for (z, x), sign in (((self.z, self.x), 1), (self.last, -1)):
                self.d[0] = self.d[0] + sign * self.o.gradient(z, x, i)
                self.d[1] = self.d[1] + sign * self.hyper(z, x, cross, j, drawn, True)
            self.last = self.z, self.x
            self.z = self.z - self.rho * self.d[0]

    def f2sa(self):
        o, slow, fast = self.o, self.t ** (-4 / 7), self.t ** (-5 / 7)
        for _ in range(10):
            i, j = self.i(), self.j()
            g, f = o.gradient(self.z, self.x, i), o.outside(self.z, self.x, j, what=(0,))
            self.z = self.z - self.rho * fast * (self.penalty * g + f)
            self.y = self.y - self.rho * slow * o.gradient(self.y, self.x, i)
        i, j = self.i(), self.j()
        away = o.by_x(self.z, self.x, i) - o.by_x(self.y, self.x, i)
        direction = o.outside(self.z, self.x, j, what=(1,)) + self.penalty * away
        self.x = self.x - self.gamma * slow * direction
        self.penalty += self.growth * self.t ** (-1 / 7)


OPTIONS = {"step": 0.05, "ratio": 0.7, "eta": 0.4, "growth": 0.3}


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_run_and_its_calls_are_those_of_a_plain_solver_that_counts(case, solver):
    problem, z, x = case
    plain = Plain(problem, z, x, np.random.default_rng(5), period=4, **OPTIONS)
    marks, points = [0], [(z, x)]
    for t in range(1, 12):
        plain.t = t
        getattr(plain, solver)()
        marks.append(plain.o.calls)
        points.append((plain.z, plain.x))
    # Of 9 batches together, a fraction of 0.45 is 4 iterations.
    run = solve(
        problem, z, x,
        solver=solver, calls=marks, batch=BATCH, period_frac=0.45, rng=np.random.default_rng(5),
        **OPTIONS,
    )  # fmt: skip
    assert run.calls.tolist() == marks and not run.diverged
    for found, expected in zip(zip(run.z, run.x, strict=True), points, strict=True):
        for one, other in zip(found, expected, strict=True):
            # Sums in another order; differences along x for f2sa.
            np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9)


def state(case):
    """The compiled problem, a point, arrays for quantities and directions, and a counter."""
    problem, z, x = case
    p, q = len(z), len(x)
    new = tuple(np.zeros(size) for size in (p, p, q, p, q))
    out = np.zeros(p), np.zeros(p), np.zeros(q)
    v = np.random.default_rng(2).standard_normal(p)
    return problem.compiled(BATCH), z, x, v, new, out, np.zeros(2, dtype=np.int64)


def mean_over_batches(P, call, out):
    """Mean over all pairs of an inner and an outer batch of what a call leaves in ``out``."""
    total = [np.zeros_like(one) for one in out]
    for i in range(P.n_batches):
        for j in range(P.m_batches):
            call(i, j)
            for sums, one in zip(total, out, strict=True):
                sums += one / (P.n_batches * P.m_batches)
    return total


def full(P, z, x, v, new, count):
    directions(P, z, x, v, -1, -1, *new, count)
    return tuple(one.copy() for one in new[:3])


def check_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        largest = max(1.0, np.abs(other).max())
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * largest)


def walked(case, n_steps):
    """SABA's memory after some iterations, with the point of the last call of each batch."""
    P, z, x, v, new, out, count = state(case)
    memory, rng, asked = empty_memory(P, len(z), len(x)), np.random.default_rng(3), {}
    for _ in range(n_steps):
        i, j = int(rng.integers(P.n_batches)), int(rng.integers(P.m_batches))
        saba_directions(P, memory, z, x, v, i, j, new, out, count)
        asked["inner", i] = asked["outer", j] = z.copy(), x.copy(), v.copy()
        z, v, x = (a - 0.05 * d for a, d in zip((z, v, x), out, strict=True))
    return P, memory, asked, (z, x, v)


@pytest.mark.parametrize("n_steps", [0, 3, 200])
def test_directions_of_saba_are_unbiased_whatever_its_memory(case, n_steps):
    P, memory, _, point = walked(case, n_steps)
    _, _, _, _, new, out, count = state(case)

    def call(i, j):
        kept = Memory(*(one.copy() for one in memory))
        saba_directions(P, kept, *point, i, j, new, out, count)

    check_equal(mean_over_batches(P, call, out), full(P, *point, new, count))


def test_directions_of_soba_are_unbiased(case):
    P, z, x, v, new, _, count = state(case)
    found = mean_over_batches(P, lambda i, j: directions(P, z, x, v, i, j, *new, count), new[:3])
    check_equal(found, full(P, z, x, v, new, count))


def test_directions_of_srba_are_unbiased_after_full_ones(case):
    P, z, x, v, new, out, count = state(case)
    before = z + 0.1, v + 0.3, x - 0.2
    srba_directions(P, *(before[k] for k in (0, 2, 1)), before, -1, -1, new, out, count)
    first = [one.copy() for one in out]
    check_equal(first, full(P, *(before[k] for k in (0, 2, 1)), new, count))

    def call(i, j):
        for one, start in zip(out, first, strict=True):
            one[:] = start
        srba_directions(P, z, x, v, before, i, j, new, out, count)

    check_equal(mean_over_batches(P, call, out), full(P, z, x, v, new, count))


@pytest.mark.parametrize("n_steps", [3, 200])
def test_the_memory_of_saba_is_what_computing_it_anew_gives(case, n_steps):
    _, memory, asked, _ = walked(case, n_steps)
    oracle = Counting(case[0])
    rows = {name: np.zeros_like(one[:-1]) for name, one in memory._asdict().items()}
    for (where, k), (z, x, v) in asked.items():
        if where == "inner":
            rows["g"][k], rows["h"][k] = oracle.gradient(z, x, k), oracle.hessian(z, x, v, k)
            rows["c"][k] = oracle.cross(z, x, v, k)
        else:
            rows["f"][k], rows["fx"][k] = oracle.outside(z, x, k)
    for name, expected in rows.items():
        found = getattr(memory, name)
        np.testing.assert_allclose(found[:-1], expected, rtol=1e-11, atol=1e-12)
        # The last row is a running mean, which collects rounding.
        np.testing.assert_allclose(found[-1], expected.mean(axis=0), rtol=1e-10, atol=1e-12)


def test_a_full_start_of_saba_costs_a_pass_and_is_the_full_direction_first():
    problem, z, x = make("logistic")
    options = {"solver": "saba", "step": 0.1, "ratio": 1.0, "batch": BATCH}
    first = 3 * problem.n + 2 * problem.m
    run = solve(
        problem, z, x, calls=[first, first + 1], full_start=True, rng=np.random.default_rng(0),
        **options,
    )  # fmt: skip
    assert run.calls.tolist() == [first, first + 5 * BATCH]
    np.testing.assert_allclose(run.z[0], z)
    np.testing.assert_allclose(z - run.z[1], 0.1 * problem.inner_gradient(z, x), rtol=1e-10)


@pytest.mark.parametrize("solver", ["saba", "srba"])
def test_variance_reduction_reaches_the_minimum_with_constant_steps(solver):
    problem, z, x = make("quadratic")
    ends = [
        solve(
            problem, z, x, solver=solver, step=0.05, ratio=10.0, calls=[1_000_000], batch=BATCH,
            rng=np.random.default_rng(seed),
        ).x[0]
        for seed in range(3)
    ]  # fmt: skip
    for end in ends:
        np.testing.assert_allclose(end, problem.solution, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_lowers_h(solver):
    problem, z, x = make("quadratic")
    run = solve(
        problem, z, x, solver=solver, step=0.1, ratio=10.0, calls=[100_000], batch=12,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert problem.excess(run.x[0]) < 0.8 * problem.excess(x)


def test_points_are_the_first_at_or_after_a_mark_and_do_not_depend_on_the_others():
    problem, z, x = make("logistic")
    options = {"solver": "soba", "step": 0.1, "ratio": 1.0, "batch": BATCH}
    cost = 5 * BATCH
    some = solve(problem, z, x, calls=[0, 1, 3 * cost], rng=np.random.default_rng(0), **options)
    more = solve(
        problem, z, x, calls=range(0, 5 * cost, 7), rng=np.random.default_rng(0), **options
    )
    assert some.calls.tolist() == [0, cost, 3 * cost]
    np.testing.assert_array_equal(some.x[2], more.x[more.calls == 3 * cost][0])
    np.testing.assert_array_equal(some.z[0], z)


def test_a_run_that_diverges_is_a_result_and_ends_early():
    problem, z, x = make("quadratic")
    run = solve(
        problem, z, x, solver="soba", step=1e6, ratio=1.0, calls=[0, 10**12], batch=BATCH,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert run.diverged and run.calls.tolist() == [0, 10**12]
    assert np.isfinite(run.x[0]).all() and np.isnan(run.x[1]).all() and np.isnan(run.z[1]).all()


def test_what_is_given_is_not_changed():
    problem, z, x = make("logistic")
    copies = z.copy(), x.copy()
    solve(
        problem, z, x, solver="amigo", step=0.1, ratio=1.0, calls=[1000], batch=BATCH,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    np.testing.assert_array_equal(z, copies[0])
    np.testing.assert_array_equal(x, copies[1])


@pytest.mark.parametrize("solver", CONSTANT)
def test_a_constant_step_above_the_bound_is_refused(solver):
    problem, z, x = make("quadratic")
    options = {"ratio": 1.0, "calls": [10], "batch": BATCH, "rng": np.random.default_rng(0)}
    bound = step_bound(problem, x)
    assert bound == pytest.approx(2 / np.linalg.eigvalsh(problem.inner_hessian(z, x))[-1])
    with pytest.raises(ValueError, match=rf"step of {solver} must be below 2 / L = .*, got 50: "):
        solve(problem, z, x, solver=solver, step=50.0, **options)
    with pytest.raises(ValueError, match=rf"step of {solver} must be below 2 / L"):
        solve(problem, z, x, solver=solver, step=bound, **options)
    solve(problem, z, x, solver=solver, step=0.999 * bound, **options)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"solver": "sabba"}, ValueError, "solver must be one of .* Did you mean 'saba'"),
        ({"step": 0.0}, ValueError, r"step must be above 0, got 0\.0"),
        ({"step": np.nan}, ValueError, "step must be above 0, got nan"),
        ({"ratio": -1}, ValueError, "ratio must be above 0, got -1"),
        ({"batch": 5}, ValueError, "batch must divide the 24 inner samples, got 5"),
        ({"z": [0.0, np.nan, 0.0]}, ValueError, "z must be finite, got nan at index 1"),
        ({"x": [0.0]}, ValueError, "x must have 3 values, got 1"),
        ({"calls": [5, 2]}, ValueError, "calls must ascend"),
        ({"calls": [-1]}, ValueError, r"calls must be finite and at least 0, got -1"),
        ({"calls": [0.5]}, ValueError, r"calls must be whole numbers, got 0\.5"),
        ({"rng": 0}, TypeError, r"rng must be a numpy\.random\.Generator, got 0"),
        ({"n_inner": 0}, ValueError, "n_inner must be at least 1, got 0"),
        ({"n_series": 1.5}, TypeError, "n_series must be a whole number, got 1.5"),
        ({"period_frac": 0}, ValueError, "period_frac must be above 0, got 0"),
        ({"eta": 2}, ValueError, "eta must be at least 0 and at most 1, got 2"),
        ({"growth": -1}, ValueError, "growth must be at least 0, got -1"),
    ],
)
def test_bad_input_is_one_clear_error(change, error, message):
    problem, z, x = make("logistic")
    given = {"z": z, "x": x, "solver": "saba", "step": 0.1, "ratio": 1.0, "calls": [10]}
    given |= {"batch": BATCH, "rng": np.random.default_rng(0)} | change
    with pytest.raises(error, match=message):
        solve(problem, given.pop("z"), given.pop("x"), **given)
