import numpy as np
import pytest

from common.dictionary.atoms import FullAtoms, RankOneAtoms
from common.dictionary.sparse_coding import (
    SOLVERS,
    cost,
    duality_gap,
    lambda_max,
    lipschitz,
    sparse_code,
)
from common.workflow import peers

SHAPES = {"full": (3, 2, 16, 300), "rank one": (3, 4, 16, 300), "one channel": (2, 1, 40, 90)}


def problem(kind, seed=0):
    rng = np.random.default_rng(seed)
    n_atoms, n_channels, n_times_atom, n_times = SHAPES[kind]
    if kind == "full":
        atoms = FullAtoms(rng.standard_normal((n_atoms, n_channels, n_times_atom)))
    else:
        u = rng.standard_normal((n_atoms, n_channels))
        atoms = RankOneAtoms(u, rng.standard_normal((n_atoms, n_times_atom)))
    return rng.standard_normal((n_channels, n_times)), atoms


@pytest.mark.parametrize("nonnegative", [True, False])
@pytest.mark.parametrize("kind", list(SHAPES))
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_reaches_the_minimum(solver, kind, nonnegative):
    X, atoms = problem(kind)
    penalty = 0.2 * lambda_max(X, atoms, nonnegative=nonnegative)
    code = sparse_code(X, atoms, penalty, solver=solver, tol=1e-10, nonnegative=nonnegative)
    assert code.converged and code.z.any()
    # The gap bounds the distance to the minimum, so all solvers have the same cost.
    gap = duality_gap(X, atoms, code.z, penalty, nonnegative=nonnegative)
    assert -1e-12 < gap / cost(X, atoms, code.z, penalty) < 1e-8
    assert nonnegative == bool((code.z >= 0).all())


@pytest.mark.parametrize("nonnegative", [True, False])
def test_fista_takes_the_momentum_of_its_definition(nonnegative):
    X, atoms = problem("rank one")
    penalty, step = 0.2 * lambda_max(X, atoms), 1 / lipschitz(atoms)
    before = y = np.zeros_like(atoms.correlate(X))
    t = [1.0]
    for n_iter in range(1, 6):
        moved = y + step * atoms.correlate(X - atoms.convolve(y))
        z = np.sign(moved) * np.maximum(np.abs(moved) - step * penalty, 0)
        z = np.maximum(z, 0) if nonnegative else z
        assert np.vdot(y - z, z - before) <= 0  # downhill: the momentum goes on
        options = {"solver": "fista", "max_updates": n_iter, "nonnegative": nonnegative}
        found = sparse_code(X, atoms, penalty, tol=1e-12, **options)
        np.testing.assert_allclose(found.z, z, atol=1e-12)
        assert not found.converged
        t.append((1 + np.sqrt(1 + 4 * t[-1] ** 2)) / 2)
        y, before = z + (t[-2] - 1) / t[-1] * (z - before), z


@pytest.mark.parametrize("nonnegative", [True, False])
def test_the_gap_of_zero_vanishes_from_lambda_max_on(nonnegative):
    X, atoms = problem("rank one")
    largest = lambda_max(X, atoms, nonnegative=nonnegative)
    zero = np.zeros_like(atoms.correlate(X))
    half = 0.5 * np.vdot(X, X)
    for share in (1.0, 1.7):
        gap = duality_gap(X, atoms, zero, share * largest, nonnegative=nonnegative)
        assert abs(gap) < 1e-12 * half
    # Below, it is that of the scaled residual: a share s of it leaves (1 - s)² / 2 of |X|².
    gap = duality_gap(X, atoms, zero, 0.25 * largest, nonnegative=nonnegative)
    assert gap == pytest.approx(0.75**2 * half, rel=1e-12)


def test_the_gap_of_zero_vanishes_where_no_atom_points_the_same_way():
    atoms = FullAtoms(np.ones((1, 1, 3)))
    X = -np.linspace(1, 2, 20)[None]
    assert duality_gap(X, atoms, np.zeros((1, 18)), 0.1) == 0
    assert duality_gap(X, atoms, np.zeros((1, 18)), 0.1, nonnegative=False) > 1


@pytest.mark.parametrize("nonnegative", [True, False])
@pytest.mark.parametrize("solver", SOLVERS)
def test_cost_never_rises_and_is_that_of_the_residual(solver, nonnegative):
    X, atoms = problem("rank one")
    penalty = 0.2 * lambda_max(X, atoms)
    options = {"solver": solver, "tol": 1e-6, "nonnegative": nonnegative}
    code = sparse_code(X, atoms, penalty, log_every=3, **options)
    log = code.log
    assert log["cost"][0] == pytest.approx(0.5 * (X**2).sum(), rel=1e-12)
    assert log["cost"][-1] == pytest.approx(cost(X, atoms, code.z, penalty), rel=1e-11)
    assert (np.diff(log["updates"]) > 0).all() and (np.diff(log["operations"]) > 0).all()
    if solver != "fista":  # which may overshoot
        assert (np.diff(log["cost"]) < 1e-12 * log["cost"][0]).all()
    whole = sparse_code(X, atoms, penalty, **options)
    np.testing.assert_allclose(whole.z, code.z, atol=1e-12)
    assert len(whole.log["cost"]) == 2


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_atom_alone_is_soft_thresholded(solver):
    rng = np.random.default_rng(1)
    atom, X = rng.standard_normal(9), np.zeros(60)
    X[30:39] = -2 * atom
    norm = atom @ atom
    code = sparse_code(X, atom[None], 0.3 * norm, solver=solver, nonnegative=False, tol=1e-12)
    assert np.flatnonzero(code.z[0]).tolist() == [30]
    assert code.z[0, 30] == pytest.approx(-2 + 0.3)


def test_greedy_takes_the_farthest_move_of_all_and_cyclic_the_first():
    X, atoms = problem("rank one")
    penalty = 0.5 * lambda_max(X, atoms)
    correlation, norms = atoms.correlate(X), (atoms.full() ** 2).sum((1, 2))
    moves = np.maximum(correlation - penalty, 0) / norms[:, None]
    first = sparse_code(X, atoms, penalty, solver="greedy", max_updates=1)
    assert not first.converged
    assert np.flatnonzero(first.z) == moves.argmax()
    assert first.z.max() == pytest.approx(moves.max())
    first = sparse_code(X, atoms, penalty, solver="cyclic", max_updates=1, tol=1e-6)
    assert np.flatnonzero(first.z.T)[0] == np.flatnonzero(moves.T >= 1e-6)[0]


@pytest.mark.parametrize(("largest", "taken"), [(30, 30), (31, 5)])
def test_segments_are_as_long_as_what_a_change_touches(largest, taken):
    _, atoms = problem("rank one")
    code = np.zeros((len(atoms.full()), 100))
    code[0, [5, largest]] = 1.0, 2.0
    X = np.apply_along_axis(np.convolve, 1, atoms.full()[0], code[0])
    first = sparse_code(X, atoms, 0.1, solver="lgcd", max_updates=1)
    assert np.argwhere(first.z).tolist() == [[0, taken]]  # the first segment has 31 places


def test_locally_greedy_descent_looks_at_fewer_values_than_greedy():
    X, atoms = problem("rank one")
    penalty = 0.3 * lambda_max(X, atoms)
    looked = {
        solver: sparse_code(X, atoms, penalty, solver=solver).log["operations"][-1]
        for solver in ("lgcd", "greedy")
    }
    assert looked["lgcd"] < looked["greedy"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_start_from_the_solution_stays_there(solver):
    X, atoms = problem("rank one")
    penalty = 0.2 * lambda_max(X, atoms)
    code = sparse_code(X, atoms, penalty, tol=1e-10)
    again = sparse_code(X, atoms, penalty, solver=solver, tol=1e-6, start=code.z)
    np.testing.assert_allclose(again.z, code.z, atol=1e-6)
    assert again.log["cost"][0] == pytest.approx(cost(X, atoms, code.z, penalty), rel=1e-11)


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_penalty_on_a_support_it_is_least_squares(solver):
    X, atoms = problem("rank one")
    penalty = 0.5 * lambda_max(X, atoms)
    code = sparse_code(X, atoms, penalty, tol=1e-8)
    support = code.z > 0
    options = {"support": support, "start": code.z, "solver": solver, "nonnegative": False}
    free = sparse_code(X, atoms, 0.0, tol=1e-11, **options)
    columns = []
    for k, t in zip(*np.nonzero(support), strict=True):
        alone = np.zeros(code.z.shape)
        alone[k, t] = 1
        columns.append(atoms.convolve(alone).ravel())
    expected, *_ = np.linalg.lstsq(np.array(columns).T, X.ravel())
    np.testing.assert_allclose(free.z[support], expected, atol=1e-6)
    assert not free.z[~support].any()


def test_lambda_max_is_signed_where_activations_cannot_be_negative():
    atoms, X = np.array([[1.0, 2.0]]), np.array([[0.0, -3.0, -6.0, 0.0, 0.5, 0.0]])
    correlation = np.correlate(X[0], atoms[0], "valid")
    assert lambda_max(X, atoms) == pytest.approx(correlation.max())
    assert lambda_max(X, atoms, nonnegative=False) == pytest.approx(-correlation.min())
    assert lambda_max(-np.abs(X), atoms) == 0


@pytest.mark.parametrize("nonnegative", [True, False])
def test_at_lambda_max_nothing_is_active_and_a_warning_says_so(nonnegative):
    X, atoms = problem("full")
    penalty = lambda_max(X, atoms, nonnegative=nonnegative)
    with pytest.warns(UserWarning, match=r"is not below lambda_max=.*: nothing is active"):
        code = sparse_code(X, atoms, penalty * (1 + 1e-12), nonnegative=nonnegative)
    assert not code.z.any()
    options = {"nonnegative": nonnegative, "tol": 1e-9}
    assert sparse_code(X, atoms, 0.99 * penalty, **options).z.any()


@pytest.mark.parametrize("kind", list(SHAPES))
def test_lipschitz_is_a_bound_and_not_far_above(kind):
    _, atoms = problem(kind)
    n_times = 12 * atoms.n_times_atom
    units = np.eye(atoms.n_atoms * n_times).reshape(-1, atoms.n_atoms, n_times)
    linear = np.array([atoms.convolve(unit).ravel() for unit in units])
    largest = np.linalg.norm(linear, 2) ** 2
    assert largest <= lipschitz(atoms) <= 1.35 * largest  # 8 % the bound, the rest a finite signal
    assert lipschitz(atoms, oversampling=64) <= lipschitz(atoms)


def test_invariance_to_unit_and_order():
    X, atoms = problem("full")
    penalty = 0.3 * lambda_max(X, atoms)
    z = sparse_code(X, atoms, penalty, tol=1e-9).z
    scaled = sparse_code(1e-6 * X, atoms, 1e-6 * penalty, tol=1e-15).z
    np.testing.assert_allclose(scaled, 1e-6 * z, atol=1e-13)
    order = [2, 0, 1]
    other = sparse_code(X[::-1], atoms.full()[order][:, ::-1], penalty, tol=1e-9).z
    np.testing.assert_allclose(other, z[order], atol=1e-7)


@pytest.mark.skipif(not peers.installed("alphacsc"), reason="no alphacsc: make peers")
def test_it_agrees_with_alphacsc(tmp_path):
    X, atoms = problem("rank one")
    penalty = 0.2 * lambda_max(X, atoms)
    given, found = tmp_path / "given.npz", tmp_path / "found.npy"
    np.savez(given, X=X, u=atoms.u, v=atoms.v, penalty=penalty, tol=1e-8)
    peers.run("alphacsc", "benchmarks/peers/alphacsc_code.py", given, found)
    ours = sparse_code(X, atoms, penalty, tol=1e-8).z
    np.testing.assert_allclose(ours, np.load(found), atol=1e-5)


X, ATOMS = problem("one channel")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.where(np.arange(90) == 5, np.nan, X)}, ValueError, r"X .*nan"),
        ({"X": np.full((1, 90), 3.0)}, ValueError, r"channel 0 is constant, 3. Drop it"),
        ({"X": X[:, :30]}, ValueError, r"X has 30 samples, fewer than the 40 of an atom"),
        ({"X": np.ones((2, 90))}, ValueError, r"X has 2 channel\(s\), the atoms have 1"),
        (
            {"X": np.ones((1, 2, 90))},
            ValueError,
            r"shape \(n_channels, n_times\), got \(1, 2, 90\)",
        ),
        ({"penalty": -1.0}, ValueError, r"penalty must be at least 0, got -1"),
        ({"tol": 0.0}, ValueError, r"tol must be above 0, got 0"),
        ({"solver": "lcd"}, ValueError, r"solver .*lcd"),
        ({"max_updates": 0}, ValueError, r"max_updates must be at least 1, got 0"),
        ({"start": np.zeros((2, 3))}, ValueError, r"start must have the shape \(2, 51\)"),
        (
            {"start": np.full((2, 51), -1.0)},
            ValueError,
            r"start must be finite and at least 0, got -1",
        ),
        (
            {"support": np.zeros((2, 51))},
            ValueError,
            r"support must be bool of the shape \(2, 51\)",
        ),
    ],
)
def test_bad_input_is_one_clear_error(change, error, message):
    arguments = {"X": X, "atoms": ATOMS, "penalty": 1.0} | change
    with pytest.raises(error, match=message):
        sparse_code(**arguments)


def test_integers_are_numbers():
    code = sparse_code([0, 0, 3, 6, 3, 0, 0], [[1, 2, 1]], 1, tol=1e-9)
    assert code.z.argmax() == 2
