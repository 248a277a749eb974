"""Dictionaries learned with unrolled codes."""

import numpy as np
import pytest
from sklearn.decomposition import dict_learning

from common.dictionary.unrolled import exact_codes, gradients, unrolled_codes
from common.dictionary.unrolled_learning import (
    LEARNERS,
    learn_by_descent,
    learn_on_batches,
    recovery,
    samples_as_atoms,
)
from common.sparse.data import bernoulli_samples, gaussian_dictionary
from common.sparse.lasso import Lasso

REG = 0.1


def draw(seed=0, *, n_samples=300, n_atoms=10, n_features=8):
    """True atoms, moved ones to start from, and samples."""
    rng = np.random.default_rng(seed)
    true = gaussian_dictionary(n_atoms, n_features, rng=rng)
    x = bernoulli_samples(true, n_samples, density=0.2, scale=1.0, rng=rng)
    x = x + 0.05 * rng.standard_normal(x.shape)
    return true, true + 0.15 * rng.standard_normal(true.shape), x


TRUE, START, X = draw()


def bound(D):
    """1 / L of the learners."""
    return 1 / np.linalg.norm(D @ D.T)


@pytest.fixture(scope="module")
def learned():
    options = {"reg": REG, "n_iter": 8, "n_steps": 30}
    return {name: learn_by_descent(X, START, learner=name, **options) for name in LEARNERS}


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_line_search_lowers_the_cost_with_every_step(learned, learner):
    cost = learned[learner].log["cost"]
    assert len(cost) > 5 and (np.diff(cost) < 0).all()
    operations = np.diff(learned[learner].log["operations"])
    # A gradient, and a try at least: 8 iterations of 300 samples each, the reverse as many.
    least = 8 * 300 * (2 if learner == "am" else 3)
    assert (operations >= least).all() and (operations % (8 * 300) == 0).all()


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_cost_is_that_of_the_atoms_and_steps(learned, learner):
    one = learned[learner]
    np.testing.assert_allclose(np.linalg.norm(one.D, axis=1), 1)
    assert np.array_equal(one.D, one.log["atoms"][-1])
    problem = Lasso(one.D, reg=REG)
    z = unrolled_codes(problem, X, n_iter=8, steps=one.steps * bound(one.D))
    assert problem.objective(z, X).sum() == pytest.approx(one.log["cost"][-1], rel=1e-12)
    first = Lasso(one.log["atoms"][0], reg=REG)
    unit = START / np.linalg.norm(START, axis=1, keepdims=True)
    np.testing.assert_allclose(first.D, unit)


def test_learners_take_the_gradients_that_they_are_named_after(learned):
    for learner, depth in (("am", 0), ("ddl", None)):
        before, after = learned[learner].log["atoms"][:2]
        problem = Lasso(before, reg=REG)
        slope = gradients(problem, X, n_iter=8, depths=(depth,), steps=bound(before)).D[0]
        # Atoms moved along the gradient and were scaled: together they span the same plane.
        for atom in range(len(before)):
            plane = np.stack([before[atom], slope[atom]])
            left = after[atom] - np.linalg.lstsq(plane.T, after[atom], rcond=None)[0] @ plane
            assert np.abs(left).max() < 1e-10


def test_learned_steps_come_after_the_atoms_and_lower_the_cost(learned):
    one, atoms_alone = learned["steps"], learned["ddl"]
    first = one.log["phase"] == 0
    np.testing.assert_allclose(one.log["cost"][first], atoms_alone.log["cost"])
    assert first.sum() < len(first) and one.log["cost"][-1] < 0.99 * atoms_alone.log["cost"][-1]
    assert (one.steps >= 0).all() and (one.steps > 1).any()
    assert (atoms_alone.steps == 1).all()


def test_learned_steps_are_clipped_at_zero():
    # With steps far too long, a gradient step leads below 0.
    problem = Lasso(START, reg=REG)
    steps = np.full(3, 5.0)
    found = gradients(problem, X, n_iter=3, method="ista", steps=steps * bound(START))
    assert (found.steps > 0).any()
    from common.dictionary.unrolled_learning import _Direction

    direction = _Direction(START, steps, found.cost, found.D[0], found.steps[0])
    _, moved = direction.along(1e6, learns_steps=True)
    assert moved.min() == 0 and (moved[found.steps[0] > 0] == 0).all()
    assert np.array_equal(direction.along(1e6, learns_steps=False)[1], steps)


@pytest.mark.parametrize("learner", LEARNERS)
def test_atoms_are_found(learner):
    learned = learn_by_descent(X, START, reg=REG, n_iter=30, learner=learner, n_steps=100)
    unit = START / np.linalg.norm(START, axis=1, keepdims=True)
    assert recovery(unit, TRUE) < 0.96 < 0.985 < recovery(learned.D, TRUE)


def test_with_many_iterations_the_cost_is_as_low_as_that_of_scikit_learn():
    learned = learn_by_descent(X, START, reg=REG, n_iter=200, n_steps=300, tol=1e-8)
    unit = START / np.linalg.norm(START, axis=1, keepdims=True)
    with pytest.warns(UserWarning):  # of codes that its start has
        _, D, _ = dict_learning(
            X, len(unit), alpha=REG, max_iter=200, tol=1e-9, method="cd",
            dict_init=unit, code_init=exact_codes(Lasso(unit, reg=REG), X) + 0.0,
        )  # fmt: skip
    costs = [
        Lasso(each, reg=REG).objective(exact_codes(Lasso(each, reg=REG), X), X).sum()
        for each in (learned.D, D)
    ]
    # Both end near the same local minimum; theirs stops earlier.
    assert costs[0] <= 1.001 * costs[1]


def test_a_depth_is_how_many_iterations_are_differentiated():
    options = {"reg": REG, "n_iter": 6, "n_steps": 3}
    whole = learn_by_descent(X, START, **options)
    same = learn_by_descent(X, START, depth=6, **options)
    less = learn_by_descent(X, START, depth=1, **options)
    assert np.array_equal(whole.D, same.D) and not np.allclose(whole.D, less.D)
    assert less.log["operations"][1] < same.log["operations"][1]


def test_mini_batches_find_atoms_and_can_be_drawn_again():
    options = {"reg": REG, "n_iter": 20, "n_batch": 30, "n_steps": 200, "n_halving": 40}
    one, again, other = (
        learn_on_batches(X, START, rng=np.random.default_rng(seed), **options) for seed in (0, 0, 1)
    )
    assert np.array_equal(one.D, again.D) and not np.array_equal(one.D, other.D)
    assert recovery(one.log["atoms"][0], TRUE) < 0.96 < 0.98 < recovery(one.D, TRUE)
    assert len(one.log["cost"]) == 201 and np.isfinite(one.log["cost"][:-1]).all()
    np.testing.assert_allclose(np.linalg.norm(one.log["atoms"], axis=2), 1)


def test_a_step_on_a_batch_lowers_the_cost_of_that_batch():
    options = {"reg": REG, "n_iter": 10, "n_batch": len(X), "n_steps": 6}
    learned = learn_on_batches(X, START, rng=np.random.default_rng(0), **options)
    assert (np.diff(learned.log["cost"][:-1]) < 0).all()  # all samples are one batch
    none = learn_on_batches(
        X, START, rng=np.random.default_rng(0), **options | {"decrease": 1e9}
    )  # more than any step gives
    np.testing.assert_allclose(none.D, none.log["atoms"][0])


def test_batches_of_a_pass_are_disjoint():
    from common.dictionary.unrolled_learning import _batches

    batches = _batches(np.arange(10.0)[:, None], 3, np.random.default_rng(0))
    first = np.concatenate([next(batches) for _ in range(3)]).ravel()
    assert len(set(first)) == 9
    second = np.concatenate([next(batches) for _ in range(3)]).ravel()
    assert len(set(second)) == 9 and not np.array_equal(first, second)


def test_operations_end_a_run():
    options = {"reg": REG, "n_iter": 8, "most_operations": 60_000}
    descent = learn_by_descent(X, START, n_steps=1000, tol=1e-12, **options)
    random = learn_on_batches(
        X, START, n_batch=50, n_steps=1000, rng=np.random.default_rng(0), **options
    )
    for learned in (descent, random):
        before, after = learned.log["operations"][-2:]
        assert before < 60_000 <= after
    # No step is as short as the first line search may be: it is cut, and counted.
    cut = learn_by_descent(X, START, reg=REG, n_iter=8, most_operations=8_000)
    assert len(cut.log["cost"]) == 2 and np.array_equal(*cut.log["atoms"])
    assert cut.log["operations"].tolist() == [300 * 8, 300 * 32]


@pytest.mark.parametrize("learner", LEARNERS)
def test_codes_that_are_all_zero_leave_the_atoms_and_warn(learner):
    reg = 1.01 * np.linalg.norm(X, axis=1).max()
    with pytest.warns(UserWarning, match="all codes are zero. Lower lambda"):
        learned = learn_by_descent(X, START, reg=reg, n_iter=5, learner=learner)
    np.testing.assert_allclose(learned.D, learned.log["atoms"][0])
    assert learned.log["cost"][-1] == pytest.approx(0.5 * (X**2).sum())


def test_recovery_does_not_see_sign_and_order():
    rng = np.random.default_rng(1)
    order = rng.permutation(len(TRUE))
    signs = rng.choice([-2.0, 0.5], len(TRUE))[:, None]
    assert recovery(signs * TRUE[order], TRUE) == pytest.approx(1)
    assert recovery(np.eye(4)[[0, 1]], [[1.0, 1, 0, 0], [1.0, -1, 0, 0]]) == pytest.approx(0.5**0.5)


def test_samples_become_atoms():
    D = samples_as_atoms(X, 5, rng=np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(D, axis=1), 1)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    assert np.allclose((D @ unit.T).max(axis=1), 1)
    assert len(np.unique((D @ unit.T).argmax(axis=1))) == 5


BATCHES = {"n_batch": 10, "n_steps": 2, "rng": np.random.default_rng(0)}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"x": np.full((3, 8), np.nan)},
            ValueError,
            r"x must be finite, got nan at index \(0, 0\)",
        ),
        ({"x": X[:, :3]}, ValueError, r"x must have 8 features, as the atoms have"),
        ({"start": np.ones((0, 8))}, ValueError, r"D is empty: its shape is \(0, 8\)"),
        ({"start": 0 * START}, ValueError, "atom 0 of D is zero. Leave it out"),
        ({"start": np.full((2, 8), np.inf)}, ValueError, "D must be finite, got inf"),
        ({"reg": 0.0}, ValueError, "reg must be above 0, got 0"),
        ({"reg": -1.0}, ValueError, "reg must be above 0, got -1"),
        ({"n_iter": 0}, ValueError, "n_iter must be at least 1, got 0"),
        ({"learner": "dl"}, ValueError, "learner must be one of am, ddl"),
        ({"method": "cd"}, ValueError, "method must be one of ista, fista"),
        ({"depth": 0}, ValueError, "depth must be at least 1, got 0"),
        ({"n_steps": 0}, ValueError, "n_steps must be at least 1, got 0"),
        ({"most_operations": 0}, ValueError, "most_operations must be above 0, got 0"),
    ],
)
def test_bad_input_has_one_clear_error(change, error, message):
    options = {"x": X, "start": START, "reg": REG, "n_iter": 3, **change}
    with pytest.raises(error, match=message):
        learn_by_descent(options.pop("x"), options.pop("start"), **options)
    options = BATCHES | {"x": X, "start": START, "reg": REG, "n_iter": 3, **change}
    with pytest.raises(error, match=message):
        learn_on_batches(options.pop("x"), options.pop("start"), **options)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n_batch": 301}, ValueError, "n_batch must be at least 1 and at most 300, got 301"),
        ({"n_batch": 0}, ValueError, "n_batch must be at least 1"),
        ({"rng": 3}, TypeError, "rng must be a numpy.random.Generator, got 3"),
        ({"first_step": 0}, ValueError, "first_step must be above 0, got 0"),
        ({"n_halving": 0}, ValueError, "n_halving must be at least 1, got 0"),
        ({"decrease": -1}, ValueError, "decrease must be at least 0, got -1"),
        ({"learner": "steps"}, ValueError, "learner must be one of am, ddl, got 'steps'"),
    ],
)
def test_bad_options_of_batches_have_one_clear_error(change, error, message):
    options = BATCHES | {"reg": REG, "n_iter": 3, **change}
    with pytest.raises(error, match=message):
        learn_on_batches(X, START, **options)


def test_a_tolerance_is_positive():
    with pytest.raises(ValueError, match="tol must be above 0, got 0"):
        learn_by_descent(X, START, reg=REG, n_iter=3, tol=0)


@pytest.mark.parametrize(
    ("x", "n_atoms", "message"),
    [
        (X, 0, "n_atoms must be at least 1, got 0"),
        (X[:3], 4, "n_atoms is 4, but only 3 samples are not zero. Learn fewer atoms"),
        (0 * X, 1, "n_atoms is 1, but only 0 samples are not zero"),
        (np.full((2, 2), np.nan), 1, "x must be finite, got nan"),
    ],
)
def test_too_many_atoms_have_one_clear_error(x, n_atoms, message):
    with pytest.raises(ValueError, match=message):
        samples_as_atoms(x, n_atoms, rng=np.random.default_rng(0))
