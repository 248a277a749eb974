"""Choosing grid points: by hand-made evaluations whose scores and accuracies are known."""

import json

import numpy as np
import pytest

from common.adaptation import scorers, selection
from common.adaptation.nested import Evaluated
from common.adaptation.scorers import Outputs

POINTS = [{"b": 1, "a": None}, {"b": 2, "a": "x"}, {"b": 3, "a": 0.5}, {"b": 4, "a": 1}]
N = 10


def right(n_right):
    """Predictions of which as many, of ten, are right where all labels are 1: one row per point."""
    return (np.arange(N) < np.array(n_right)[..., None]).astype(int)


def evaluated(
    supervised, circular=None, test=(5, 5, 5, 5), *, failed=(), circular_failed=(), **more
):
    """An evaluation with these numbers of right answers of ten, an inner split a row."""
    supervised = np.array(supervised)
    circular = supervised if circular is None else np.array(circular)
    ones, (n_folds, n_points) = np.ones(N, int), supervised.shape
    nothing = dict.fromkeys(Outputs._fields)
    folds = [
        Outputs(
            **nothing
            | {
                "source_labels": ones,
                "target_labels": ones,
                "target_predictions": right(supervised[fold]),
                "circular_predictions": right(circular[fold]),
            }
            | {name: values[fold] for name, values in more.items()}
        )
        for fold in range(n_folds)
    ]
    fails, circular_fails = (
        np.zeros((n_folds + 1, n_points), bool),
        np.zeros((n_folds, n_points), bool),
    )
    for place in failed:
        fails[place] = True
    for place in circular_failed:
        circular_fails[place] = True
    reasons = [f"Error: {i}" if fails[:, i].any() else "" for i in range(n_points)]
    return Evaluated(folds, ones, right(test), fails, circular_fails, reasons, None)


BOTH = ["supervised", "circular-validation"]


def chosen(table):
    return [json.loads(point)["b"] if point else None for point in table.point]


def test_the_highest_mean_over_splits_is_chosen():
    found = evaluated([[4, 9, 5, 6], [4, 1, 8, 6]], [[3, 2, 1, 0], [3, 2, 1, 9]], test=[2, 3, 7, 5])
    scores = selection.inner_scores(found, BOTH)
    np.testing.assert_allclose(scores["supervised"], [0.4, 0.5, 0.65, 0.6], rtol=1e-15)
    np.testing.assert_allclose(scores["circular-validation"], [0.3, 0.2, 0.1, 0.45], rtol=1e-15)
    table = selection.select(found, POINTS, BOTH)
    assert list(table.scorer) == BOTH and chosen(table) == [3, 4]
    np.testing.assert_allclose(table.accuracy, [0.7, 0.5], rtol=1e-15)
    np.testing.assert_allclose(table.inner_score, [0.65, 0.45], rtol=1e-15)
    np.testing.assert_allclose(table.best, [0.7, 0.7], rtol=1e-15)
    assert (
        (table.n_points == 4).all() and (table.n_failed == 0).all() and (table.reason == "").all()
    )
    assert table.point[0] == '{"a": 0.5, "b": 3}'


def test_ties_are_won_by_the_earlier_point():
    table = selection.select(evaluated([[3, 8, 8, 8]] * 2), POINTS, ["supervised"])
    assert chosen(table) == [2]


@pytest.mark.parametrize("place", [(0, 2), (1, 2), (2, 2)])
def test_a_point_that_failed_anywhere_is_not_chosen(place):
    # The best by far, in what it could be fitted on: an inner split, or the whole training part.
    found = evaluated([[3, 6, 10, 4]] * 2, test=[1, 2, 10, 4], failed=[place])
    scores = selection.inner_scores(found, BOTH)
    for values in scores.values():
        assert np.isneginf(values[2]) and np.isfinite(values[[0, 1, 3]]).all()
    table = selection.select(found, POINTS, BOTH)
    assert chosen(table) == [2, 2]
    np.testing.assert_allclose(table.best, 0.4, rtol=1e-15)
    assert (table.n_failed == 1).all() and (table.reason == "Error: 2").all()


def test_the_first_reason_is_told():
    found = evaluated([[3, 6, 9, 4]], failed=[(0, 3), (1, 1)])
    table = selection.select(found, POINTS, BOTH)
    assert (table.n_failed == 2).all() and (table.reason == "Error: 1").all()


def test_what_fails_the_other_way_round_fails_for_that_scorer_only():
    found = evaluated([[3, 6, 9, 4]] * 2, circular_failed=[(1, 2)])
    scores = selection.inner_scores(found, BOTH)
    np.testing.assert_allclose(scores["supervised"], [0.3, 0.6, 0.9, 0.4], rtol=1e-15)
    assert np.isneginf(scores["circular-validation"]).tolist() == [False, False, True, False]
    table = selection.select(found, POINTS, BOTH)
    assert chosen(table) == [3, 2] and (table.n_failed == 0).all()


def test_a_point_without_a_score_in_one_split_is_not_chosen():
    # In the second split all predictions of the last point are of one class: no pair is mixed.
    predictions = np.array([right([5, 5, 5, 5]), right([5, 5, 5, 10])])
    partner = np.arange(N)[::-1]
    # Mixtures stay what they are for ever more points of the grid.
    mixed = predictions.copy()
    mixed[:, 0], mixed[:, 1, 0] = 1 - mixed[:, 0], 1 - mixed[:, 1, 0]
    found = evaluated(
        [[0] * 4] * 2,
        target_predictions=predictions, mix_predictions=mixed, mix_partner=[partner] * 2,
    )  # fmt: skip
    assert np.isnan(scorers.score("mix-val-inter", found.folds[1])).tolist() == [False] * 3 + [True]
    scores = selection.inner_scores(found, ["mix-val-inter"])["mix-val-inter"]
    np.testing.assert_allclose(scores, [0, 0.9, 1, -np.inf], rtol=1e-15)
    assert chosen(selection.select(found, POINTS, ["mix-val-inter"])) == [3]


def test_nothing_is_chosen_where_nothing_has_a_score():
    found = evaluated([[3, 6, 9, 4]], failed=[(0, slice(None))])
    table = selection.select(found, POINTS, BOTH)
    assert table[["accuracy", "inner_score", "best"]].isna().all(axis=None)
    assert chosen(table) == [None, None] and (table.n_failed == 4).all()
    assert (table.reason == "Error: 0").all()


def test_one_scorer_without_scores_does_not_disturb_another():
    found = evaluated([[3, 6, 9, 4]], test=[1, 2, 3, 4], circular_failed=[(0, slice(None))])
    table = selection.select(found, POINTS, BOTH)
    assert chosen(table) == [3, None]
    np.testing.assert_allclose(table.accuracy, [0.3, np.nan], rtol=1e-15)
    np.testing.assert_allclose(table.best, [0.4, 0.4], rtol=1e-15)


def test_an_unknown_scorer_is_named():
    with pytest.raises(ValueError, match="Did you mean 'supervised'"):
        selection.select(evaluated([[1, 2, 3, 4]]), POINTS, ["supervized"])
