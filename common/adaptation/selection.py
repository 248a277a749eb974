"""Choosing a grid point by a scorer, and what the choice is worth."""

import json

import numpy as np
import pandas as pd

from common import validation
from common.adaptation import scorers

__all__ = ["inner_scores", "select"]


def inner_scores(evaluated, names):
    """Mean score of every grid point over the inner splits.

    Parameters
    ----------
    evaluated : nested.Evaluated
    names : sequence of str
        Scorers, keys of `scorers.SCORERS`.

    Returns
    -------
    scores : dict of str to ndarray, shape (n_points,)
        ``-inf`` where a point failed in one of the splits, could not be fitted on the whole
        training part, or has no score in one of them.

    Raises
    ------
    ValueError
        If there is no inner split.
    """
    if not evaluated.folds:
        raise ValueError("evaluated has no inner split, so there is nothing to score.")
    scores = {}
    for name in names:
        folds = []
        for fold, outputs in enumerate(evaluated.folds):
            failed = evaluated.failed[fold]
            if name == "circular-validation":
                failed = failed | evaluated.circular_failed[fold]
            values = scorers.score(name, outputs)
            folds.append(np.where(failed | np.isnan(values), -np.inf, values))
        scores[name] = np.where(evaluated.failed[-1], -np.inf, np.mean(folds, axis=0))
    return scores


def select(evaluated, points, names):
    """For each scorer, the point that it chooses and its accuracy on the target's test part.

    Parameters
    ----------
    evaluated : nested.Evaluated
    points : sequence of dict
        The grid, `methods.Method.points`.
    names : sequence of str
        Scorers.

    Returns
    -------
    table : pandas.DataFrame
        One row per scorer: ``scorer``, ``accuracy``, ``inner_score``, ``point`` (its values as
        JSON), ``best`` (the highest accuracy of any point, which no scorer knows), ``n_points``,
        ``n_failed``, ``reason`` (of the first failure). Ties are won by the earlier point. Where a
        scorer has no finite score, accuracy and score are NaN.
    """
    validation.same_length(points=points, target_predictions=evaluated.target_predictions)
    accuracy = np.mean(evaluated.target_predictions == evaluated.target_labels, axis=1)
    never = evaluated.failed.any(axis=0)
    rows = []
    for name, values in inner_scores(evaluated, names).items():
        chosen = int(np.argmax(values))
        found = bool(np.isfinite(values[chosen]))
        rows.append(
            {
                "scorer": name,
                "accuracy": accuracy[chosen] if found else np.nan,
                "inner_score": values[chosen] if found else np.nan,
                "point": json.dumps(points[chosen], sort_keys=True) if found else "",
                "best": accuracy[~never].max() if not never.all() else np.nan,
                "n_points": len(points),
                "n_failed": int(never.sum()),
                "reason": next((reason for reason in evaluated.reasons if reason), ""),
            }
        )
    return pd.DataFrame(rows)
