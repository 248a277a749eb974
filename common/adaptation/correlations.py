"""How well the score of a model follows its accuracy on the target, scorer by scorer.

Tables of results are those of `summary`, with the column ``inner_score``.
"""

import numpy as np
import pandas as pd

from common.adaptation._results import CELL, check, with_gap
from common.adaptation.summary import BASELINES
from common.report.statistics import jackknife_interval

__all__ = [
    "correlation_change",
    "correlation_lead",
    "matching_rows",
    "mean_correlation",
    "score_correlation",
]


def score_correlation(table, *, drop_without_gap=False):
    r"""Correlation of the inner score with the accuracy on the target, for each scorer.

    Pearson's :math:`\rho` over all splits, shifts, data sets and methods but the baselines. The
    scale of a score may depend on the data set, so a pooled correlation also compares data sets.

    Parameters
    ----------
    table : DataFrame
        Table of results, with ``inner_score``; rows in which it or the accuracy is not finite are
        left out.
    drop_without_gap : bool, default=False
        Leave out shifts in which training on the source is as good as on the target, by the means
        of ``train_source`` and ``train_target``: there is nothing to adapt to.

    Returns
    -------
    correlation : DataFrame
        Indexed by scorer: ``rho`` (NaN where it is undefined: fewer than two rows, or a constant)
        and ``n_rows``.

    Raises
    ------
    ValueError
        If the table lacks a column or has repeated rows.
    """
    check(table, ["inner_score", *(["train_source", "train_target"] * drop_without_gap)])
    if drop_without_gap:
        table = with_gap(table)
    rows = _finite_rows(table)
    found = {
        scorer: {"rho": _pearson(group["inner_score"], group["accuracy"]), "n_rows": len(group)}
        for scorer, group in rows.groupby("scorer")
    }
    found = pd.DataFrame.from_dict(found, orient="index", columns=["rho", "n_rows"])
    return found.rename_axis("scorer").astype({"n_rows": int})


def matching_rows(table, other):
    """Rows of a table whose data set, shift, method, scorer and split the other one has too.

    A correlation over all shifts also compares methods and shifts, so it can be held against
    another one only where both are over the same rows.

    Parameters
    ----------
    table, other : DataFrame
        Tables of results; rows whose ``inner_score`` or ``accuracy`` is not finite do not count.

    Returns
    -------
    rows, other_rows : DataFrame
        Of ``table`` and of ``other``, in one order.

    Raises
    ------
    ValueError
        If a table lacks a column or has repeated rows.
    """
    keys, parts = [*CELL, "split"], []
    for one in (table, other):
        check(one, ["inner_score"])
        finite = np.isfinite(one["inner_score"]) & np.isfinite(one["accuracy"])
        parts.append(one[finite].set_index(keys))
    shared = parts[0].index.intersection(parts[1].index)
    return tuple(part.loc[shared].reset_index() for part in parts)


def correlation_change(table, other, scorer):
    """Change of a scorer's pooled correlation from one table to another, over methods.

    Rows of one method, in all shifts and splits, are not independent, so methods are the units:
    both tables lose a method together (jackknife).

    Parameters
    ----------
    table, other : DataFrame
        As in `score_correlation`, on the same rows: see `matching_rows`.
    scorer : str

    Returns
    -------
    change : Interval
        The correlation in ``table`` minus that in ``other``, with Student's 95 % interval.

    Raises
    ------
    ValueError
        If a correlation is undefined, with all methods or without one of them, or there is but one
        method.
    """
    parts = [_finite_rows(one) for one in (table, other)]
    parts = [part[part["scorer"] == scorer] for part in parts]
    names = np.array(sorted(set(parts[0]["method"])))

    def difference(kept):
        rho = [
            _pearson(part["inner_score"], part["accuracy"])
            for part in (one[one["method"].isin(names[kept])] for one in parts)
        ]
        return rho[0] - rho[1]

    return jackknife_interval(np.arange(len(names)), statistic=lambda k: difference(k.astype(int)))


def correlation_lead(table, scorer):
    """By how much a scorer follows the accuracy better than the second best of the others.

    The difference of their `mean_correlation`: above 0, the scorer is one of the two best. Rows of
    one method, in all shifts and splits, are not independent, so methods are the units (jackknife);
    which scorer is compared with stays.

    Parameters
    ----------
    table : DataFrame
        As in `score_correlation`, without the supervised scorer.
    scorer : str

    Returns
    -------
    lead : Interval
        With Student's 95 % interval.

    Raises
    ------
    ValueError
        If the scorer has no correlation, there are fewer than two others that have one or fewer
        than two methods, or a correlation is undefined without one of the methods.
    """
    rows = _finite_rows(table)
    rho = mean_correlation(rows)["rho"].dropna()
    if scorer not in rho:
        raise ValueError(f"{scorer!r} has no correlation in any shift of the table.")
    others = rho.drop(scorer)
    if len(others) < 2:
        raise ValueError(
            f"{scorer!r} is compared with the second best of the others, but of others only "
            f"{', '.join(others.index) or 'none'} has a correlation."
        )
    rows = rows[rows["scorer"].isin([scorer, others.index[1]])]
    names = np.array(sorted(set(rows["method"])))

    def lead(kept):
        found = mean_correlation(rows[rows["method"].isin(names[kept.astype(int)])])["rho"]
        return found.get(scorer, np.nan) - found.get(others.index[1], np.nan)

    return jackknife_interval(np.arange(len(names)), statistic=lead)


def mean_correlation(table):
    """Mean over data sets and shifts of `score_correlation`, by scorer.

    Parameters
    ----------
    table : DataFrame
        As in `score_correlation`.

    Returns
    -------
    correlation : DataFrame
        Indexed by scorer, highest first: ``rho``, the mean over the shifts in which the scorer has
        a correlation (where it is missing or constant it has none), and ``n_shifts``, how many
        these are.
    """
    check(table, ["inner_score"])
    parts = [score_correlation(one)["rho"] for _, one in table.groupby(["dataset", "shift"])]
    rho = pd.concat(parts, axis=1) if parts else pd.DataFrame(index=pd.Index([]))
    found = pd.DataFrame({"rho": rho.mean(axis=1), "n_shifts": rho.notna().sum(axis=1)})
    found = found.rename_axis("scorer")
    return found.sort_values("rho", ascending=False, kind="stable")


def _finite_rows(table):
    """Rows of the methods that have a score and an accuracy."""
    check(table, ["inner_score"])
    rows = table[~table["method"].isin(BASELINES)]
    return rows[np.isfinite(rows["inner_score"]) & np.isfinite(rows["accuracy"])]


def _pearson(x, y):
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(np.corrcoef(x, y)[0, 1])
