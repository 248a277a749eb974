"""Checks of what loaders are asked for, and of raw files against what they were written for."""

import numpy as np

from common import validation

__all__ = ["check_domains", "check_known", "check_shape"]


def check_shape(table, name, n_rows, n_columns):
    """Raise a ValueError unless a table has the columns, and one of the numbers of rows, expected.

    ``n_rows`` maps each possible number to what has it.

    Parameters
    ----------
    table : ndarray, shape (n_rows, n_columns)
    name : str
        What the message calls it.
    n_rows : dict of int to str
        Each possible number of rows, and what has it.
    n_columns : int

    Raises
    ------
    ValueError
        If it has another shape; the message gives both.
    """
    if table.shape[1] != n_columns or table.shape[0] not in n_rows:
        expected = " or ".join(f"{count} ({what})" for count, what in n_rows.items())
        raise ValueError(
            f"{name} has {table.shape[0]} rows of {table.shape[1]} columns, expected {expected} of "
            f"{n_columns}. Is the file complete, and of the registered version?"
        )


def check_known(values, known, where):
    """Raise a ValueError unless all values are known ones.

    Parameters
    ----------
    values : ndarray, shape (n_values,)
    known : sequence
    where : str
        What the message calls the values.

    Raises
    ------
    ValueError
        If one is not known; the message gives the first and its place.
    """
    bad = np.flatnonzero(~np.isin(values, known))
    if len(bad):
        raise ValueError(
            f"{where}: the value at {bad[0]} is {values[bad[0]]!r}, expected one of "
            f"{', '.join(map(str, known))} ({len(bad)} others)."
        )


def check_domains(source, target, known):
    """Raise a ValueError unless both are known domains, and not the same.

    Parameters
    ----------
    source, target : str
    known : sequence of str

    Raises
    ------
    ValueError
        If one is not known, or they are the same.
    """
    validation.choice(source, known, "source")
    validation.choice(target, known, "target")
    if source == target:
        raise ValueError(f"source and target are both {source!r}; name two domains.")
