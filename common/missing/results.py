"""Scores of methods on simulated problems: which size is chosen, and how far the best is."""

import numpy as np

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
    """
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
    """
    if against == "bayes":
        reference = table[table["method"] == "bayes"]
    else:
        table = table[~table["method"].isin(["bayes", "analytic"])]
        candidates = selected(table)
        scores = candidates["test"].fillna(-np.inf)
        best = scores.groupby([candidates[name] for name in PROBLEM], sort=False).idxmax()
        reference = candidates.loc[best]
    scores = reference[[*PROBLEM, "train", "test"]]
    joined = table.merge(scores, on=PROBLEM, how="left", suffixes=("", "_reference"))
    for part in ("train", "test"):
        joined[f"{part}_gap"] = joined[part] - joined.pop(f"{part}_reference")
    return joined
