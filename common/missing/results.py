"""Scores of methods on simulated problems: which size is chosen, and how far the best is."""

import numpy as np

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
    ValueError
        If a column is missing, or a value of the problem or method.
    """
    _check(table, ["method", "validation"])
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
        With the columns ``train_gap`` and ``test_gap``; missing where there is no reference.

    Raises
    ------
    ValueError
        If ``against`` is neither, a column or a value is missing as in `selected`, or a problem has
        more than one row of the Bayes predictor.
    """
    validation.choice(against, ("bayes", "best"), "against")
    _check(table, ["method", "validation", "train", "test"])
    if against == "bayes":
        reference = table[table["method"] == "bayes"]
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


def _check(table, names):
    names = [*PROBLEM, *names]
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
