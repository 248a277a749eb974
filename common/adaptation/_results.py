"""What a table of results must hold, see `summary`."""

CELL = ["dataset", "shift", "method", "scorer"]
COLUMNS = [*CELL, "split", "accuracy"]


def require_columns(table, columns, name):
    """Reject a table that lacks one of the columns.

    Parameters
    ----------
    table : pandas.DataFrame
    columns : list of str
    name : str
        Of the table, for the message.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"{name} lacks {', '.join(missing)}; it has {', '.join(table.columns)}.")


def check(table, more=()):
    """Reject a table that lacks a column, repeats a row or has an impossible accuracy.

    Parameters
    ----------
    table : pandas.DataFrame
    more : sequence of str
        Columns that it must have besides `COLUMNS`.

    Raises
    ------
    ValueError
        If it does.
    """
    require_columns(table, [*COLUMNS, *more], "table")
    keys = [*CELL, "split"]
    repeated = table.duplicated(keys)
    if repeated.any():
        first = table.loc[repeated, keys].iloc[0].tolist()
        raise ValueError(
            f"table has {int(repeated.sum())} repeated rows, the first for {first}. Each data set, "
            "shift, method, scorer and split may occur once."
        )
    accuracy = table["accuracy"]
    bad = accuracy[(accuracy < 0) | (accuracy > 1)]
    if len(bad):
        raise ValueError(
            f"accuracy must lie in [0, 1] or be NaN, got {bad.iloc[0]} in row {bad.index[0]}."
        )


def with_gap(table):
    """Rows of the shifts in which training on the source is worse than on the target.

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    rows : pandas.DataFrame
    """
    means = table.groupby(["dataset", "shift"])[["train_source", "train_target"]].transform("mean")
    return table[means["train_source"] < means["train_target"]]
