"""The paper's tables.

A cell is the mean and the population standard deviation of a pipeline over all subjects and
sessions of a data set.
"""

from common import files
from common.benchmark.catalogue import CATEGORIES, PARADIGMS

__all__ = ["load"]

_COLUMNS = ["table", "metric", "dataset", "pipeline", "category", "mean_pct", "sd_pct"]


def load(path):
    """Published cells in long form.

    Parameters
    ----------
    path : str or Path
        ``within_session_long.csv``, relative to the repository root.

    Returns
    -------
    cells : pandas.DataFrame
        Columns ``paradigm``, ``metric``, ``dataset``, ``pipeline``, ``category``, ``score``, ``sd``
        (both from 0 to 1; the file has percent), in the file's order.

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
    cells = table.rename(columns={"mean_pct": "score", "sd_pct": "sd"})
    cells[["score", "sd"]] /= 100
    cells.insert(0, "paradigm", cells.pop("table").map(paradigm_of))
    return cells
