"""Scores of methods on simulated problems: which size is chosen, and how far the best is."""

import numpy as np
import pandas as pd

from common import validation

__all__ = ["gaps", "selected"]

PROBLEM = ["dataset", "n", "seed"]


def selected(table):
    """The size of each method that is best on validation rows.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each problem (`PROBLEM`), ``method`` and ``size``, with the scores ``validation``
        and ``test``, which are missing where a training diverged.

    Returns
    -------
    table : pandas.DataFrame
        A row for each problem and method; the first size where none has a score.

    Raises
    ------
    TypeError
        If ``table`` is no data frame, or ``validation`` does not hold numbers.
    ValueError
        If a column is missing, or a value of the problem or method.
    """
    table = _checked(table, ["validation"])
    scores = table["validation"].fillna(-np.inf)
    best = scores.groupby([table[name] for name in [*PROBLEM, "method"]], sort=False).idxmax()
    return table.loc[best.sort_values()].reset_index(drop=True)


def gaps(table, *, against="bayes"):
    """Scores minus those of a reference on the same rows of the same problem.

    Parameters
    ----------
    table : pandas.DataFrame
        As in `selected`, with the score ``train`` as well.
    against : {"bayes", "best"}, default="bayes"
        The Bayes predictor, or for each problem the method whose chosen size has the highest test
        score; the Bayes predictor and its approximations are then left out.

    Returns
    -------
    table : pandas.DataFrame
        With the columns ``train_gap`` and ``test_gap``; missing for a problem without reference.

    Raises
    ------
    TypeError
        As `selected`, of all scores.
    ValueError
        If ``against`` is neither, a column or a value is missing as in `selected`, a problem has
        more than one row of the Bayes predictor, or none has one.
    """
    validation.choice(against, ("bayes", "best"), "against")
    table = _checked(table, ["validation", "train", "test"])
    if against == "bayes":
        reference = table[table["method"] == "bayes"]
        if len(table) and reference.empty:
            first = table[PROBLEM].iloc[0].to_dict()
            raise ValueError(
                f"table has no row of bayes, neither with {first} nor of another problem. Add its "
                "rows, or take against='best'."
            )
    else:
        table = table[~table["method"].isin(["bayes", "analytic"])]
        candidates = selected(table)
        scores = candidates["test"].fillna(-np.inf)
        best = scores.groupby([candidates[name] for name in PROBLEM], sort=False).idxmax()
        reference = candidates.loc[best]
    if (twice := reference.duplicated(PROBLEM)).any():
        first = reference.loc[twice, PROBLEM].iloc[0].to_dict()
        raise ValueError(
            f"table has more than one row of bayes with {first}, so the reference is not known. "
            "Leave one."
        )
    scores = reference[[*PROBLEM, "train", "test"]]
    joined = table.merge(scores, on=PROBLEM, how="left", suffixes=("", "_reference"))
    for part in ("train", "test"):
        joined[f"{part}_gap"] = joined[part] - joined.pop(f"{part}_reference")
    return joined


def _checked(table, scores):
    """The table with rows counted from 0."""
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"table must be a pandas.DataFrame, got {table!r}.")
    names = [*PROBLEM, "method", *scores]
    if absent := [name for name in names if name not in table.columns]:
        raise ValueError(
            f"table has no column {absent[0]!r}, only {', '.join(map(str, table.columns))}."
            + validation.nearest(absent[0], table.columns)
        )
    for name in [*PROBLEM, "method"]:
        if (gone := table[name].isna()).any():
            raise ValueError(
                f"column {name!r} of table has no value in row {table.index[gone][0]}, and "
                f"{gone.sum() - 1} more such rows. Each row belongs to a problem and a method."
            )
    for name in scores:
        column = table[name].infer_objects()
        if len(table) and not pd.api.types.is_numeric_dtype(column):
            raise TypeError(
                f"column {name!r} of table must hold numbers, got {column.iloc[0]!r} in row "
                f"{table.index[0]}. Convert it by pandas.to_numeric."
            )
    return table.reset_index(drop=True)
