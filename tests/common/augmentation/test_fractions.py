import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.augmentation.fractions import hold_out, stratified_fraction

Y = np.tile([0, 1], 50)
BLOCKS = np.repeat(np.arange(10), 10)


def rng(seed=0):
    return np.random.default_rng(seed)


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(8, 60), min_size=2, max_size=5),
    fraction=st.floats(0.1, 1.0),
    seed=st.integers(0, 99),
)
def test_a_fraction_keeps_the_share_of_each_class(sizes, fraction, seed):
    y = rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    index = stratified_fraction(y, fraction, rng=rng(seed))
    # Rounding moves a class by half an example.
    assert np.all(np.abs(np.bincount(y[index]) - fraction * np.array(sizes)) <= 0.5 + 1e-9)
    assert np.array_equal(index, np.unique(index))


def test_subsets_are_nested():
    subsets = [set(stratified_fraction(Y, 2.0**-k, rng=rng())) for k in range(5)]
    assert all(small < large for large, small in itertools.pairwise(subsets))
    assert subsets[0] == set(range(len(Y)))


def test_another_state_draws_another_subset():
    one, two = (stratified_fraction(Y, 0.25, rng=rng(seed)) for seed in (0, 1))
    assert not np.array_equal(one, two)


@pytest.mark.parametrize(
    ("y", "fraction", "message"),
    [
        (Y, 0.0, r"fraction must be above 0 and at most 1, got 0"),
        (Y, 1.5, r"fraction must be above 0 and at most 1, got 1.5"),
        (Y, 1 / 256, "leaves none of the 50 examples of class 0; the smallest that leaves one is"),
        (Y.astype(float), 0.5, "one integer an example, got float64"),
        (Y[:0], 0.5, "one integer an example"),
    ],
)
def test_fractions_that_leave_nothing_are_errors(y, fraction, message):
    with pytest.raises(ValueError, match=message):
        stratified_fraction(y, fraction, rng=rng())


def test_the_smallest_fraction_that_leaves_one_does():
    assert len(stratified_fraction(Y, 0.01, rng=rng())) == 2


@pytest.mark.parametrize("kind", ["groups", "sessions", "official"])
@pytest.mark.parametrize("seed", range(3))
def test_parts_are_disjoint_and_complete(kind, seed):
    group = BLOCKS if kind == "groups" else (BLOCKS > 5).astype(int)
    parts = hold_out(kind, Y, group, fold=0, n_folds=5, rng=rng(seed))
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(Y)))
    assert all(len(set(Y[part])) == 2 for part in parts)


def test_no_group_is_on_two_sides_and_each_is_tested_once():
    tested = []
    for fold in range(5):
        train, valid, test = hold_out("groups", Y, BLOCKS, fold=fold, n_folds=5, rng=rng(fold))
        sides = [set(BLOCKS[part]) for part in (train, valid, test)]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
        assert len(sides[1]) == 2  # a fifth of the eight others, rounded up
        tested += sorted(sides[2])
    assert sorted(tested) == list(range(10))


def test_the_official_test_part_is_group_1():
    group = (BLOCKS > 6).astype(int)
    _, valid, test = hold_out("official", Y, group, fold=0, n_folds=1, rng=rng())
    assert np.array_equal(test, np.flatnonzero(group == 1))
    assert len(valid) == round(0.2 * (group == 0).sum())
    assert np.bincount(Y[valid]).tolist() == [7, 7]


def test_either_session_may_train():
    group = (BLOCKS > 4).astype(int)
    tests = {
        tuple(set(group[hold_out("sessions", Y, group, fold=1, n_folds=9, rng=rng(s))[2]]))
        for s in range(20)
    }
    assert tests == {(0,), (1,)}


def test_the_same_state_gives_the_same_parts():
    one, two = (hold_out("groups", Y, BLOCKS, fold=2, n_folds=5, rng=rng(7)) for _ in range(2))
    assert all(map(np.array_equal, one, two))


@pytest.mark.parametrize(
    ("kind", "group", "options", "message"),
    [
        ("subjects", BLOCKS, {}, "kind must be one of groups, sessions, official, got 'subjects'"),
        ("groups", BLOCKS[:5], {}, r"one shape, got \(100,\) and \(5,\)"),
        ("groups", BLOCKS, {"fold": 5}, "fold 5 of 5 over 10 groups"),
        ("groups", BLOCKS, {"fold": -1}, "fold must be at least 0, got -1"),
        ("groups", BLOCKS, {"n_folds": 11}, "fold 0 of 11 over 10 groups"),
        ("groups", BLOCKS // 4, {"n_folds": 2}, "fold 0 of 2 over 3 groups"),
        ("groups", BLOCKS, {"validation": 1.0}, "validation must be above 0 and below 1, got 1"),
        ("official", BLOCKS, {}, r"needs the groups 0 and 1, got \[0, 1, 2"),
        ("groups", np.arange(100), {"n_folds": 100}, "test part of fold 0 has 1 examples and none"),
    ],
)
def test_impossible_parts_are_errors(kind, group, options, message):
    with pytest.raises(ValueError, match=message):
        hold_out(kind, Y, group, **({"fold": 0, "n_folds": 5, "rng": rng()} | options))
