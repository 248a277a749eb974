import numpy as np
import pytest

from common.dictionary.atoms import FullAtoms, RankOneAtoms
from common.dictionary.batch import (
    _replaced,
    activation_sums,
    improved_atoms,
    learn_atoms,
    minimise_quadratic,
)
from common.dictionary.sparse_coding import cost

K, C, L, T, N = 3, 4, 7, 60, 2


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, C, T))
    z = np.where(rng.random((N, K, T - L + 1)) < 0.2, rng.random((N, K, T - L + 1)), 0)
    atoms = RankOneAtoms(rng.standard_normal((K, C)) / 3, rng.standard_normal((K, L)) / 3)
    return X, z, atoms


def whole_cost(X, z, atoms):
    return sum(cost(trial, atoms, one, 0.0) for trial, one in zip(X, z, strict=True))


def trials(seed=0, n_channels=C):
    rng = np.random.default_rng(seed)
    atoms = RankOneAtoms(rng.standard_normal((2, n_channels)), rng.standard_normal((2, 16)))
    z = np.where(rng.random((3, 2, 200)) < 0.02, rng.random((3, 2, 200)), 0)
    X = np.stack([atoms.convolve(one) for one in z])
    return X + 0.05 * rng.standard_normal(X.shape)


def test_the_sums_are_those_over_all_samples(problem):
    X, z, _ = problem
    ztz, ztX = activation_sums(X, z, L)
    for d in range(-L + 1, L):
        shifted = np.zeros_like(z)
        valid = z.shape[2]
        shifted[:, :, max(-d, 0) : valid - max(d, 0)] = z[:, :, max(d, 0) : valid + min(d, 0)]
        expected = np.einsum("nkt,nlt->kl", z, shifted)
        np.testing.assert_allclose(ztz[:, :, L - 1 + d], expected, atol=1e-12)
    for m in range(L):
        expected = np.einsum("nkt,nct->kc", z, X[:, :, m : m + z.shape[2]])
        np.testing.assert_allclose(ztX[:, :, m], expected, atol=1e-12)


def test_the_gradient_of_the_atoms_is_that_of_finite_differences(problem):
    X, z, atoms = problem
    ztz, ztX = activation_sums(X, z, L)
    D = atoms.full()
    gradient = -ztX.copy()
    for k in range(K):
        for other in range(K):
            for c in range(C):
                gradient[k, c] += np.convolve(ztz[k, other], D[other, c])[L - 1 : 2 * L - 1]
    step = 1e-6
    for k, c, m in [(0, 0, 0), (1, 2, 3), (2, 3, L - 1)]:
        moved = [D.copy(), D.copy()]
        moved[0][k, c, m] += step
        moved[1][k, c, m] -= step
        up, down = (whole_cost(X, z, FullAtoms(each)) for each in moved)
        # F is quadratic, so the central difference is exact up to rounding of F / step.
        assert gradient[k, c, m] == pytest.approx((up - down) / (2 * step), abs=1e-6)


@pytest.mark.parametrize("full", [False, True])
def test_the_gain_is_that_of_the_cost(problem, full):
    X, z, atoms = problem
    atoms = FullAtoms(atoms.full()) if full else atoms
    before = whole_cost(X, z, atoms)
    better, gain = improved_atoms(atoms, *activation_sums(X, z, L))
    assert gain > 0
    assert before - gain == pytest.approx(whole_cost(X, z, better), rel=1e-10)
    norms = np.linalg.norm(better.full(), axis=(1, 2))
    assert (norms <= 1 + 1e-12).all()


def test_within_the_ball_the_minimum_solves_the_linear_system():
    rng = np.random.default_rng(1)
    root = rng.standard_normal((K, 40))
    quadratic = (root @ root.T)[:, :, None]
    linear = 0.1 * rng.standard_normal((K, C, 1))
    expected = np.linalg.solve(quadratic[:, :, 0], linear[:, :, 0])
    assert (np.linalg.norm(expected, axis=1) < 1).all()
    found, _ = minimise_quadratic(np.zeros((K, C, 1)), quadratic, linear, tol=1e-15, max_iter=10**5)
    # f has curvature 10 to 80, and is lowered until it stands still to 1e-15 of itself.
    np.testing.assert_allclose(found[:, :, 0], expected, atol=1e-7)


def test_with_a_window_the_minimum_is_that_of_the_windowed_problem():
    # Of one atom and one column a step, f is 1/2 sum q W² - sum l W with W = w W', so inside the
    # ball W = l / q where w > 0, whatever the window is, and 0 where it is 0.
    quadratic, linear = np.zeros((1, 1, 7)), np.array([[[0.3, -0.4, 0.2, 0.9]]])
    quadratic[0, 0, 3] = 2.0
    window = np.array([0.0, 0.9, 0.7, 0.0])
    found, gain = minimise_quadratic(
        np.zeros((1, 1, 4)), quadratic, linear, window=window, tol=1e-15, max_iter=10**4
    )
    np.testing.assert_allclose(found, [[[0, -0.2, 0.1, 0]]], atol=1e-7)
    assert gain == pytest.approx((0.4**2 + 0.2**2) / 4)


def test_with_a_window_the_ball_is_that_before_it():
    # max <l, w W'> over |W'| <= 1 is at w l / |w l|.
    linear, window = 1e3 * np.array([[[3.0, 4.0, 5.0]]]), np.array([1.0, 0.5, 0.1])
    quadratic = np.zeros((1, 1, 5))
    quadratic[0, 0, 2] = 1e-6
    found, _ = minimise_quadratic(np.ones((1, 1, 3)), quadratic, linear, window=window)
    expected = window * linear / np.linalg.norm(window * linear)
    np.testing.assert_allclose(found, window * expected, atol=1e-6)


@pytest.mark.parametrize("rank_one", [True, False])
@pytest.mark.parametrize("start", ["chunk", "greedy"])
def test_tapered_atoms_vanish_at_both_ends_and_the_cost_still_falls(start, rank_one):
    options = {"n_atoms": 2, "n_times_atom": 16, "start": start, "rank_one": rank_one, "n_iter": 10}
    learned = learn_atoms(trials(), taper=0.5, rng=np.random.default_rng(0), **options)
    atoms = learned.atoms.full()
    assert not atoms[:, :, [0, -1]].any() and atoms[:, :, 1:-1].any(axis=(1, 2)).all()
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=(1, 2)), 1)
    change = np.diff(learned.log["cost"])
    assert (change[~learned.log["replaced"][1:]] <= 1e-12 * learned.log["cost"][0]).all()


def test_a_stretch_of_zeros_in_a_channel_is_no_error_but_a_silent_channel_is():
    X = trials()
    X[1, 2] = 0
    learned = learn_atoms(X, n_atoms=2, n_times_atom=16, start="greedy", n_iter=2)
    assert learned.z.any()
    X[:, 2] = 0
    with pytest.raises(ValueError, match="channel 2 is constant in trial 0, 0"):
        learn_atoms(X, n_atoms=2, n_times_atom=16, start="greedy")


def test_when_it_stops_does_not_depend_on_the_unit():
    rng = np.random.default_rng(2)
    root = rng.standard_normal((K, 5)) * [1, 2, 4, 8, 16]
    quadratic, linear = (root @ root.T)[:, :, None], rng.standard_normal((K, C, 1))
    found = [
        minimise_quadratic(np.zeros((K, C, 1)), unit * quadratic, unit * linear, tol=0.02)[0]
        for unit in (2.0**30, 2.0**-30)
    ]
    np.testing.assert_allclose(*found, rtol=1e-9)
    best, _ = minimise_quadratic(np.zeros((K, C, 1)), quadratic, linear, tol=1e-12, max_iter=10**4)
    assert np.abs(found[0] - best).max() > 1e-3  # it has stopped early, as it was told


def test_an_atom_that_is_hardly_used_becomes_what_is_explained_worst():
    X = np.zeros((1, 1, 30))
    X[0, 0, 4:8] = [1.0, 2.0, 2.0, 1.0]  # of the second atom, which is used here alone
    X[0, 0, 15:19] = X[0, 0, 23:27] = [3.0, -4.0, 0.0, 0.0]
    atoms = FullAtoms([[[0.6, -0.8, 0, 0]], [[0.5, 0.5, 0.5, 0.5]]])
    z = np.zeros((1, 2, 27))
    z[0, 0, [15, 23]] = 5
    z[0, 1, 4] = 3
    new, activations, replaced = _replaced(X, atoms, z, False, np.ones(4))
    assert replaced and not activations[0, 1].any()
    np.testing.assert_array_equal(activations[0, 0], z[0, 0])
    expected = np.array([1, 2, 2, 1]) / np.sqrt(10)
    np.testing.assert_allclose(new.D[:, 0], [[0.6, -0.8, 0, 0], expected])


def test_beyond_the_ball_the_minimum_lies_on_it():
    linear = np.array([[[3.0, 4.0]]])
    quadratic = np.array([[[0.0, 1.0, 0.0]]])
    found, gain = minimise_quadratic(np.zeros((1, 1, 2)), quadratic, linear)
    np.testing.assert_allclose(found, [[[0.6, 0.8]]], atol=1e-8)
    assert gain == pytest.approx(5 - 0.5)


@pytest.mark.parametrize("rank_one", [True, False])
@pytest.mark.parametrize("start", ["chunk", "greedy", "random"])
def test_the_cost_never_rises_unless_an_atom_is_replaced(start, rank_one):
    rng = np.random.default_rng(0)
    options = {"n_atoms": 2, "n_times_atom": 16, "start": start, "rank_one": rank_one, "rng": rng}
    learned = learn_atoms(trials(), n_iter=10, **options)
    change = np.diff(learned.log["cost"])
    assert (change[~learned.log["replaced"][1:]] <= 1e-12 * learned.log["cost"][0]).all()
    assert learned.log["cost"][-1] < 0.5 * learned.log["cost"][0]
    np.testing.assert_allclose(np.linalg.norm(learned.atoms.full(), axis=(1, 2)), 1)


def test_a_greedy_start_grows_to_all_its_atoms_however_little_an_iteration_gains():
    options = {"n_times_atom": 16, "start": "greedy", "n_iter": 10, "eps": 0.9}
    for n_atoms in (1, 2, 3):
        learned = learn_atoms(trials(), n_atoms=n_atoms, **options)
        assert learned.atoms.n_atoms == n_atoms
        assert (learned.log["step"] == "activations").sum() <= n_atoms + 1  # and ends there


def test_the_last_cost_is_that_of_the_result():
    X = trials()
    learned = learn_atoms(X, n_atoms=2, n_times_atom=16, start="greedy", n_iter=6)
    scaled, z = X / learned.scale, learned.z / learned.scale
    found = whole_cost(scaled, z, learned.atoms) + learned.penalty * z.sum()
    # Atoms may end within the ball; scaled to unit norm, the penalty of activations is less.
    assert found <= learned.log["cost"][-1] * (1 + 1e-9)
    assert found == pytest.approx(learned.log["cost"][-1], rel=1e-3)


def test_in_one_channel_atoms_of_rank_one_are_free_atoms():
    X = trials(n_channels=1)
    v = np.random.default_rng(2).standard_normal((2, 16))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    options = {"n_atoms": 2, "n_times_atom": 16, "n_iter": 5, "eps": 0.0, "tol": 1e-6}
    one = learn_atoms(X, start=(np.ones((2, 1)), v), **options)
    free = learn_atoms(X, start=v[:, None], rank_one=False, **options)
    # The D step of both stops within 1e-8 of the cost, on paths of its own.
    np.testing.assert_allclose(one.log["cost"], free.log["cost"], rtol=1e-5)


@pytest.mark.parametrize("unit", [1e-12, 1e6])
def test_the_unit_of_the_trials_changes_activations_alone(unit):
    X = trials()
    options = {"n_atoms": 2, "n_times_atom": 16, "start": "greedy", "n_iter": 4}
    one, other = learn_atoms(X, **options), learn_atoms(unit * X, **options)
    np.testing.assert_allclose(other.atoms.full(), one.atoms.full(), atol=1e-6)
    np.testing.assert_allclose(other.z / unit, one.z, atol=1e-6)


def test_a_penalty_that_is_too_large_warns_and_finds_nothing():
    options = {"n_atoms": 2, "n_times_atom": 16, "start": "greedy"}
    with pytest.warns(UserWarning, match=r"penalty=1e\+09 is not below lambda_max"):
        learned = learn_atoms(trials(), reg=1e9, scaled=False, **options)
    assert not learned.z.any()


X = trials()
STILL = X.copy()
STILL[1, 2] = 3.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X": np.full_like(X, np.nan)}, "X"),
        ({"X": X[0, 0]}, r"X must have shape .*, got \(215,\)"),
        ({"X": STILL}, "channel 2 is constant in trial 1, 3"),
        ({"n_atoms": 0}, "n_atoms must be at least 1, got 0"),
        ({"n_times_atom": 216}, "n_times_atom=216 samples does not fit into trials of 215"),
        ({"reg": 1.0}, "reg must be above 0 and below 1, got 1.0"),
        ({"tol": 0.0}, "tol must be above 0, got 0.0"),
        ({"taper": 1.5}, "taper must be at least 0 and at most 1, got 1.5"),
        ({"taper": 0.5, "n_times_atom": 2}, r"taper=0.5 leaves nothing of an atom of 2 samples"),
        ({"start": "Chunk"}, "start"),
        ({"start": (np.ones((2, 4)), np.ones((2, 5)))}, r"start must be \(u, v\) of 2 atoms"),
    ],
)
def test_bad_input_has_one_clear_error(given, message):
    options = {"X": X, "n_atoms": 2, "n_times_atom": 16, "rng": np.random.default_rng(0)} | given
    with pytest.raises(ValueError, match=message):
        learn_atoms(options.pop("X"), **options)


def test_a_start_that_is_drawn_needs_a_generator():
    with pytest.raises(TypeError, match="rng"):
        learn_atoms(X, n_atoms=2, n_times_atom=16)


def test_sums_and_quadratics_check_their_shapes(problem):
    X, z, _ = problem
    with pytest.raises(ValueError, match=r"z must have shape \(2, 3, 53\)"):
        activation_sums(X, z, L + 1)
    with pytest.raises(ValueError, match=r"window must have 2 values, as W, got 3"):
        minimise_quadratic(
            np.ones((1, 1, 2)), np.ones((1, 1, 3)), np.ones((1, 1, 2)), window=np.ones(3)
        )
    with pytest.raises(ValueError, match=r"quadratic must have shape \(1, 1, 3\)"):
        minimise_quadratic(np.zeros((1, 1, 2)), np.zeros((1, 1, 2)), np.zeros((1, 1, 2)))
