"""Recovery against time, by turns."""

import functools

import numpy as np
import pytest

from common import seeds
from common.dictionary.batch import learn_atoms
from common.dictionary.contamination import patterned_signal, patterns
from common.dictionary.paths import LEARNERS, batch_path, race
from common.dictionary.sparse_coding import cost, sparse_code

L = 16
TRUE = patterns(2, 1, L)
OPTIONS = {"n_atoms": 3, "n_times_atom": L, "n_times_window": 160, "n_windows": 5, "n_batches": 2}
OPTIONS |= {"n_epochs": 3, "start": "chunk", "n_iter": 10}
GIVEN = {"n_seeds": 2, "n_times": [2000, 3000], "sigma": 0.01, "options": OPTIONS}
GIVEN["generator"] = functools.partial(seeds.generator, "test", "race")


def test_learning_of_all_at_once_is_that_of_the_library():
    X = patterned_signal(TRUE, n_times=2000, rng=np.random.default_rng(0))[None]
    start = X[0, :, 300 : 300 + L][None] / np.linalg.norm(X[0, :, 300 : 300 + L])
    options = {"n_atoms": 1, "n_times_atom": L, "rank_one": False, "start": start, "eps": 0.0}
    learned = learn_atoms(X / X.std(), reg=0.5, scaled=False, n_iter=4, tol=1e-3, **options)
    *_, (seconds, D) = batch_path(X / X.std(), start, 0.5, tol=1e-3, n_iter=4)
    np.testing.assert_allclose(D, learned.atoms.D, atol=1e-9)
    assert seconds > 0


def test_learning_of_all_at_once_never_raises_the_cost():
    X = patterned_signal(TRUE, n_times=2000, rng=np.random.default_rng(1))[None]
    start = np.random.default_rng(2).standard_normal((3, 1, L))
    start /= np.linalg.norm(start, axis=2, keepdims=True)
    atoms = [D for _, D in batch_path(X, start, 0.5, tol=1e-8, n_iter=5)]
    costs = [cost(X[0], D, sparse_code(X[0], D, 0.5, tol=1e-8).z, 0.5) for D in atoms]
    assert (np.diff(costs) <= 1e-6 * costs[0]).all() and costs[-1] < costs[0]


def test_all_learners_begin_with_the_same_atoms():
    rows = race(TRUE, learners={name: [3000] for name in LEARNERS}, **GIVEN)
    begin = {(r["learner"], r["n_times"], r["seed"]): r for r in rows if r["step"] == 0}
    assert {learner for learner, T, _ in begin if T == 3000} == set(LEARNERS)
    assert {learner for learner, T, _ in begin if T == 2000} == {"windows"}
    for seed in range(2):
        scores = [begin[learner, 3000, seed]["recovery"] for learner in LEARNERS]
        np.testing.assert_allclose(scores, scores[0])
    for key in begin:
        path = [r for r in rows if (r["learner"], r["n_times"], r["seed"]) == key]
        assert [r["step"] for r in path] == list(range(len(path)))
        assert (np.diff([r["seconds"] for r in path]) >= 0).all()


def test_another_learner_takes_part_until_it_is_good_enough():
    asked = []

    def other(X, start, penalty):
        asked.append((X.shape, start.shape, penalty > 0))
        yield 0.0, start
        yield 1.0, np.concatenate([TRUE, start[:1]])
        raise AssertionError("it was asked although all is recovered")

    learners = {"windows": [], "other": [2000]}
    rows = race(TRUE, learners=learners, others={"other": other}, **GIVEN)
    last = [row for row in rows if row["learner"] == "other"][-1]
    assert last["step"] == 1 and last["seconds"] == 1.0 and last["recovery"] == pytest.approx(1)
    assert set(asked) == {((1, 1, 2000), (3, 1, L), True)}


def test_the_same_seed_gives_the_same_path():
    given = GIVEN | {"n_seeds": 1, "n_times": [2000], "learners": {"windows": [], "batch": [2000]}}
    one, other = (
        [(row["learner"], row["step"], row["recovery"]) for row in race(TRUE, **given)]
        for _ in range(2)
    )
    assert one == other


def test_a_learner_that_is_not_known_has_one_clear_error():
    with pytest.raises(ValueError, match=r"learner must be one of windows, .*got 'sporco'"):
        race(TRUE, learners={"windows": [], "sporco": []}, **GIVEN)
    with pytest.raises(ValueError, match="n_iter must be at least 1, got 0"):
        list(batch_path(np.ones((1, 1, 99)), np.ones((1, 1, 5)), 0.5, n_iter=0))
