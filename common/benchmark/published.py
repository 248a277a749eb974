"""The paper's tables: read, checked, and summarised.

A cell is the mean and the population standard deviation of a pipeline over all subjects and
sessions of a data set, in percent.
"""

import re

import numpy as np

from common import files
from common.benchmark.catalogue import CATEGORIES, PARADIGMS

__all__ = ["category_scores", "load", "means", "parse", "wins"]

_COLUMNS = ["table", "metric", "dataset", "pipeline", "category", "mean_pct", "sd_pct"]
_CELL = re.compile(r"(\d+(?:\.\d+)?)±(\d+(?:\.\d+)?)")


def load(path):
    """Published cells in long form.

    Parameters
    ----------
    path : str or Path
        ``within_session_long.csv``, relative to the repository root.

    Returns
    -------
    cells : pandas.DataFrame
        Columns ``paradigm``, ``metric``, ``dataset``, ``pipeline``, ``category``, ``mean``, ``sd``
        (both in percent), in the file's order.

    Raises
    ------
    ValueError
        If a column is missing, a table or category is unknown, or a cell is there twice or out of
        range.
    """
    table = files.read_csv(path)
    name = files.relative(files.resolve(path))
    if missing := [each for each in _COLUMNS if each not in table]:
        raise ValueError(f"{name} lacks the columns {', '.join(missing)}.")
    paradigm_of = {table: paradigm for paradigm, table in PARADIGMS.items()}
    for column, known in (("table", paradigm_of), ("category", CATEGORIES)):
        if unknown := sorted(set(table[column]) - set(known)):
            raise ValueError(f"{name} has the {column} {unknown[0]!r}; known are {list(known)}.")
    keys = ["table", "dataset", "pipeline"]
    if table.duplicated(keys).any():
        row = table[table.duplicated(keys)].iloc[0]
        raise ValueError(f"{name} has {', '.join(map(str, row[keys]))} twice.")
    bad = table[~table["mean_pct"].between(0, 100) | ~table["sd_pct"].between(0, 100)]
    if len(bad):
        raise ValueError(f"{name}: {bad.iloc[0].to_dict()} is not a percentage.")
    cells = table.rename(columns={"mean_pct": "mean", "sd_pct": "sd"})
    cells.insert(0, "paradigm", cells.pop("table").map(paradigm_of))
    return cells


def parse(path):
    """One of the paper's tables as its repository writes them, in long form.

    Parameters
    ----------
    path : str or Path
        ``within_session_<table>.csv``: a column a data set, written ``:class:`Name```, a row a
        pipeline, written ```Name`_``, cells ``mean±sd``.

    Returns
    -------
    cells : pandas.DataFrame
        Columns ``paradigm``, ``dataset``, ``pipeline``, ``mean``, ``sd``.

    Raises
    ------
    ValueError
        If the file is of no known table, or a cell is not ``mean±sd``.
    """
    import pandas as pd

    wide = files.read_csv(path, dtype=str)
    name = files.resolve(path).stem.removeprefix("within_session_")
    paradigm_of = {table: paradigm for paradigm, table in PARADIGMS.items()}
    if name not in paradigm_of:
        raise ValueError(f"{path} is none of the tables {', '.join(paradigm_of)}.")
    rows = []
    for line in wide.itertuples(index=False):
        pipeline = _bare(line[0])
        for column, cell in zip(wide.columns[1:], line[1:], strict=True):
            found = _CELL.fullmatch(str(cell).strip())
            if not found:
                raise ValueError(f"{path}: {pipeline} on {_bare(column)} is {cell!r}, not mean±sd.")
            values = map(float, found.groups())
            rows.append((paradigm_of[name], _bare(column), pipeline, *values))
    return pd.DataFrame(rows, columns=["paradigm", "dataset", "pipeline", "mean", "sd"])


def means(cells):
    """Unweighted mean over data sets of each pipeline.

    Parameters
    ----------
    cells : pandas.DataFrame
        From `load`.

    Returns
    -------
    table : pandas.DataFrame
        Columns ``paradigm``, ``pipeline``, ``category``, ``mean`` (percent), ``n_datasets``; the
        best of each paradigm first.
    """
    keys = ["paradigm", "pipeline", "category"]
    table = cells.groupby(keys, sort=False)["mean"].agg(["mean", "size"]).reset_index()
    table = table.rename(columns={"size": "n_datasets"})
    order = {paradigm: i for i, paradigm in enumerate(PARADIGMS)}
    table["order"] = table["paradigm"].map(order)
    by = ["order", "mean", "pipeline"]
    table = table.sort_values(by, ascending=[True, False, True], ignore_index=True)
    return table.drop(columns="order")


def wins(cells):
    """Best pipeline of each data set.

    Parameters
    ----------
    cells : pandas.DataFrame
        From `load`, or of that form.

    Returns
    -------
    table : pandas.DataFrame
        Columns ``paradigm``, ``dataset``, ``pipeline``, ``category``, ``mean`` (percent) and
        ``margin``: points above the best pipeline of another category, NaN where there is none.
        Of equal means the pipeline that comes first wins.
    """
    best = category_scores(cells)
    keys = ["paradigm", "dataset"]
    rows = []
    for (paradigm, dataset), one in best.groupby(keys, sort=False):
        one = one.sort_values("best", ascending=False, kind="stable")
        first = one.iloc[0]
        margin = first["best"] - one["best"].iloc[1] if len(one) > 1 else np.nan
        rows.append(
            {
                "paradigm": paradigm, "dataset": dataset, "pipeline": first["pipeline"],
                "category": first["category"], "mean": first["best"], "margin": margin,
            }
        )  # fmt: skip
    return type(cells)(rows)


def category_scores(cells):
    """Scores of each category on each data set.

    Parameters
    ----------
    cells : pandas.DataFrame
        From `load`, or of that form.

    Returns
    -------
    table : pandas.DataFrame
        Columns ``paradigm``, ``dataset``, ``category``, ``pipeline`` (the best), ``best`` and
        ``mean`` (of the best pipeline and over all, percent), ``n_pipelines``.
    """
    rows = []
    for keys, one in cells.groupby(["paradigm", "dataset", "category"], sort=False):
        first = one.loc[one["mean"].idxmax()]
        rows.append((*keys, first["pipeline"], first["mean"], one["mean"].mean(), len(one)))
    columns = ["paradigm", "dataset", "category", "pipeline", "best", "mean", "n_pipelines"]
    return type(cells)(rows, columns=columns)


def _bare(name):
    """``:class:`Name``` and ```Name`_`` without their marks."""
    return name.strip().removeprefix(":class:").removesuffix("_").strip("`")
