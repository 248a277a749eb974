"""Result tables made of parts: gathered only when everything that they must contain is there."""

import itertools

import pandas as pd

from common import files

__all__ = ["gather", "gather_each"]

_SHOWN = 5


def gather(parts, *, contract):
    """One table of many, checked against what it must contain.

    A figure over nine subjects of ten looks like a figure over ten; a table that falls short is an
    error instead.

    Parameters
    ----------
    parts : sequence of str
        csv files with the same columns, relative to the repository root.
    contract : dict of str to list
        Values of each named column. Every combination of them has a row at least; more rows, and
        other values, are let through.

    Returns
    -------
    table : pandas.DataFrame
        All rows, in the order of the parts.

    Raises
    ------
    ValueError
        If there are no parts, their columns differ, a column of the contract is missing, or a
        combination has no row: the first ones are named, with what to do. Text is no number.

    Examples
    --------
    >>> gather(["seed-0.csv", "seed-1.csv"], contract={"seed": [0, 1]})  # doctest: +SKIP
    """
    if not parts:
        raise ValueError("there are no parts to gather: the workflow passes them to this step.")
    tables = {str(path): files.read_csv(path) for path in parts}
    first, columns = next((path, list(table)) for path, table in tables.items())
    for path, table in tables.items():
        if list(table) != columns:
            raise ValueError(f"{path} has the columns {list(table)}, but {first} has {columns}.")
    if absent := [name for name in contract if name not in columns]:
        raise ValueError(f"{first} has no column {', '.join(absent)}; it has {', '.join(columns)}.")
    gathered = pd.concat(tables.values(), ignore_index=True)
    found = set(gathered[list(contract)].itertuples(index=False, name=None))
    missing = [row for row in itertools.product(*contract.values()) if row not in found]
    if missing:
        some = "; ".join(
            ", ".join(f"{name}={value}" for name, value in zip(contract, row, strict=True))
            for row in missing[:_SHOWN]
        )
        more = f"; and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        alike = {tuple(map(str, row)) for row in found}
        if all(tuple(map(str, row)) in alike for row in missing):
            kinds = ", ".join(f"{name} is {gathered[name].dtype}" for name in contract)
            raise ValueError(
                f"no row for {some}{more}, but rows that differ in type only ({kinds}). Write "
                "numbers as numbers and text as text, as the contract has them."
            )
        raise ValueError(
            f"no row for {some}{more}. The parts are {', '.join(tables)}: delete the ones that "
            "are short and run the workflow again."
        )
    return gathered


def gather_each(contracts):
    """One table of several, each gathered against a contract of its own.

    Parameters
    ----------
    contracts : sequence of (sequence of str, dict)
        Parts and contract of each; see `gather`.

    Returns
    -------
    table : pandas.DataFrame
        All rows, in the order given.

    Raises
    ------
    ValueError
        If there is none; and as `gather`.
    """
    if not contracts:
        raise ValueError("there are no contracts to gather: the workflow passes them to this step.")
    gathered = [gather(parts, contract=contract) for parts, contract in contracts]
    return pd.concat(gathered, ignore_index=True)
