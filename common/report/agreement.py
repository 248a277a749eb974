"""Whether two tables of one computation agree: equal where they must be, else within tolerances.

Another processor changes the last digits of a number, and a trained network as another seed would.
A `Tolerance` states what a column may do; a column without one keeps to a relative `STRICT`.
"""

from dataclasses import dataclass

import numpy as np
import pydantic

__all__ = ["DIFFERS", "SAME", "STRICT", "WITHIN", "Agreement", "Tolerance", "compare", "summarise"]

STRICT = 1e-6
"""Relative tolerance of a column that has no `Tolerance`."""

SAME, WITHIN, DIFFERS = "same bytes", "within tolerance", "differs"

# A number far below the largest of its column, such as a sum that cancels, is compared on the scale
# of the column: relative to at least this share of the largest magnitude.
_FLOOR = 1e-6
# Level of the interval in which two means of fits may differ: one comparison in a thousand falls
# outside by chance.
_LEVEL = 0.999


_MOMENTS = ("mean", "std", "min", "max")


class Tolerance(pydantic.BaseModel):
    """How far columns of a table may be from their reference.

    One of the last five parameters says how; the first tolerance of a list that names a column and
    selects a row governs it.

    Parameters
    ----------
    columns : list of str
        The columns; may be empty with ``left_out``, which then leaves out whole rows.
    rows : str or None
        A `pandas.DataFrame.query` that selects rows; None: all.
    relative, absolute : float or None
        Largest deviation, relative to the reference or in the column's unit.
    interval : [str, str] or None
        Columns of the value's 95 % interval: the two intervals overlap. For means over fits. A
        figure has dozens of them, so that some lie outside the other run's interval by chance.
    mean_over : list of str or None
        Columns that number the fits. Within equal values of all other columns that have no
        tolerance, the two means differ by no more than the 99.9 % Welch interval of their
        difference. For tables of single fits; a group of one fit keeps to `STRICT`.
    left_out : str or None
        Why they are not compared, for example ``"measured time"``.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    columns: tuple[str, ...] = ()
    rows: str | None = None
    relative: float | None = None
    absolute: float | None = None
    interval: tuple[str, str] | None = None
    mean_over: tuple[str, ...] | None = None
    left_out: str | None = None

    @pydantic.model_validator(mode="after")
    def _one_way(self):
        ways = ("relative", "absolute", "interval", "mean_over", "left_out")
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"exactly one of {', '.join(ways)}, found {', '.join(given) or 'none'}"
            )
        if not self.columns and self.left_out is None:
            raise ValueError("columns: only left_out may do without, for whole rows")
        for name in ("relative", "absolute"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise ValueError(f"{name} must be a positive number, got {value}")
        return self

    def selects(self, table):
        """Which rows of a table this is about, as an array of bool.

        Parameters
        ----------
        table : pandas.DataFrame

        Returns
        -------
        rows : ndarray of bool, shape (n_rows,)
        """
        if self.rows is None:
            return np.ones(len(table), dtype=bool)
        return table.index.isin(table.query(self.rows).index)

    def of_summary(self):
        """The same tolerance for a table's `summarise`.

        Raises
        ------
        ValueError
            If it compares by an interval or by means over fits, which a summary does not hold.
        """
        if self.interval is not None or self.mean_over is not None:
            raise ValueError(
                "interval and mean_over need the whole table, and the reference keeps its summary: "
                "give relative or absolute, or let the figure draw a smaller table"
            )
        rows = f"column in {list(self.columns)}" if self.columns else None
        rows = " and ".join(f"({one})" for one in (rows, self.rows) if one is not None)
        columns = _MOMENTS if self.columns else ()
        return self.model_copy(update={"columns": columns, "rows": rows or None})


@dataclass(frozen=True)
class Agreement:
    """How a table agrees with its reference.

    Parameters
    ----------
    state : {"same bytes", "within tolerance", "differs"}
    detail : str
        The largest deviation, in units of what is allowed, with its column and row; or what cannot
        be compared.
    """

    state: str
    detail: str = ""

    def __str__(self):
        return f"{self.state}: {self.detail}" if self.detail else self.state


def compare(found, expected, tolerances=()):
    """Compare a table with its reference, column by column.

    Text and whole numbers without a tolerance are equal; all other numbers agree within theirs.

    Parameters
    ----------
    found, expected : pandas.DataFrame
    tolerances : sequence of Tolerance

    Returns
    -------
    agreement : Agreement
        "within tolerance" or "differs"; whether bytes are the same is a question about files.
        Without a detail all values that are compared are equal.

    Raises
    ------
    ValueError
        If a tolerance names a column that the reference does not have, or its query of rows fails.
    """
    if list(found) != list(expected):
        return Agreement(DIFFERS, f"columns {list(found)}, in the reference {list(expected)}")
    _check_columns(tolerances, expected)
    found, expected = (_compared_rows(table, tolerances) for table in (found, expected))
    if found.empty and expected.empty:
        why = "; ".join(one.left_out for one in tolerances if not one.columns)
        return Agreement(WITHIN, f"not compared: {why}")
    if len(found) != len(expected):
        return Agreement(DIFFERS, f"{len(found)} rows, in the reference {len(expected)}")
    governed = {column: _governing(expected, column, tolerances) for column in expected}
    free = [column for column, rules in governed.items() if all(rule is None for rule in rules)]
    exact = [column for column in free if expected[column].dtype.kind != "f"]
    for column in exact:
        one, other = found[column], expected[column]
        unequal = ~((one == other) | (one.isna() & other.isna())).to_numpy()
        if unequal.any():
            row = int(np.flatnonzero(unequal)[0])
            detail = f"{column} is {one[row]!r}, in the reference {other[row]!r}"
            return Agreement(DIFFERS, f"{detail} ({_place(expected, row)})")
    worst = 0.0, ""
    for column in expected.columns.difference(exact, sort=False):
        for rule in dict.fromkeys(governed[column]):
            rows = [one is rule for one in governed[column]]
            pair = (table[rows].reset_index(drop=True) for table in (found, expected))
            worst = max(worst, _deviation(*pair, column, rule, free), key=lambda one: one[0])
    return Agreement(DIFFERS if worst[0] > 1 else WITHIN, worst[1])


def summarise(table):
    """Mean, standard deviation and range of each number column, by the text columns.

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    summary : pandas.DataFrame
        One row per combination of the text columns and number column: ``column``, ``n``, ``mean``,
        ``std``, ``min`` and ``max``.
    """
    import pandas as pd

    numbers = list(table.select_dtypes("number"))
    texts = [name for name in table if name not in numbers]
    groups = table.groupby(texts, sort=False, dropna=False) if texts else [((), table)]
    rows = []
    for key, group in groups:
        for name in numbers:
            values = group[name].dropna().to_numpy(dtype=float)
            spread = 4 * [np.nan]
            if values.size:
                spread = values.mean(), values.std(), values.min(), values.max()
            rows.append((*key, name, len(values), *spread))
    return pd.DataFrame(rows, columns=[*texts, "column", "n", *_MOMENTS])


def _check_columns(tolerances, table):
    for one in tolerances:
        for name in (*one.columns, *(one.interval or ()), *(one.mean_over or ())):
            if name not in table:
                raise ValueError(
                    f"a tolerance names the column {name!r}; the table has {', '.join(table)}"
                )


def _compared_rows(table, tolerances):
    for one in tolerances:
        if not one.columns:
            table = table[~one.selects(table)]
    return table.reset_index(drop=True)


def _governing(table, column, tolerances):
    """The tolerance of each row of a column; None where none is stated."""
    rules = [None] * len(table)
    for one in reversed(tolerances):
        if column in one.columns or column in (one.interval or ()):
            rule = one if column in one.columns else _LEFT_TO_THE_VALUE
            selected = one.selects(table)
            rules = [rule if now else old for now, old in zip(selected, rules, strict=True)]
    return rules


_LEFT_TO_THE_VALUE = Tolerance(columns=["value"], left_out="compared with the value it belongs to")


def _deviation(found, expected, column, rule, free):
    """Largest deviation of some rows in units of what is allowed, and what to say of it.

    Columns without a tolerance, ``free``, tell groups of fits apart.
    """
    if rule is not None and rule.left_out is not None:
        return 0.0, ""
    if rule is not None and rule.mean_over is not None:
        by = [name for name in free if name not in rule.mean_over]
        found, expected = (_means(table, column, by) for table in (found, expected))
        if len(found) != len(expected):
            return np.inf, f"{len(found)} groups of fits, in the reference {len(expected)}"
    one, other = (table[column].to_numpy(dtype=float) for table in (found, expected))
    equal = (one == other) | (np.isnan(one) & np.isnan(other))
    if equal.all():
        return 0.0, ""
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.abs(one - other)
        allowed = _allowed(found, expected, column, rule)
        units = np.where(equal, 0.0, distance / allowed)
    units = np.where(np.isnan(units), np.inf, units)  # missing on one side only
    row = int(np.argmax(units))
    return float(units[row]), (
        f"{column} is {one[row]:.6g}, in the reference {other[row]:.6g}: {distance[row]:.2g} "
        f"apart, {allowed[row]:.2g} allowed ({_place(expected, row)})"
    )


def _allowed(found, expected, column, rule):
    """Largest distance allowed in each row."""
    other = expected[column].to_numpy(dtype=float)
    if rule is not None and rule.absolute is not None:
        return np.full(len(other), rule.absolute)
    if rule is not None and rule.mean_over is not None:
        # One fit, or equal ones, have no interval: such as published values among ours.
        between = _between_means(found, expected)
        return np.where(np.isnan(between), STRICT * np.abs(other), between)
    if rule is not None and rule.interval is not None:
        one = found[column].to_numpy(dtype=float)
        return _reach(found, one, other, rule) + _reach(expected, other, one, rule)
    size = np.abs(other)
    largest = size[np.isfinite(size)].max(initial=0.0)
    relative = rule.relative if rule is not None else STRICT
    return relative * np.maximum(size, _FLOOR * largest)


def _reach(table, value, towards, rule):
    """From a value to the end of its interval on the side of another value."""
    low, high = (table[name].to_numpy(dtype=float) for name in rule.interval)
    return np.where(towards > value, high - value, value - low)


def _means(table, column, by):
    """Mean, variance and number of fits in each group; without ``by``, of all."""
    groups = [table[name] for name in by] or [np.zeros(len(table), dtype=int)]
    found = table.groupby(groups, sort=False, dropna=False)[column].agg(["mean", "var", "count"])
    found = found.rename(columns={"mean": column, "var": "_variance", "count": "_n"})
    return found.reset_index() if by else found.reset_index(drop=True)


def _between_means(found, expected):
    """Half width of Welch's interval of the difference of two means."""
    from scipy.stats import t

    n = [table["_n"].to_numpy(dtype=float) for table in (found, expected)]
    parts = [
        table["_variance"].to_numpy() / count
        for table, count in zip((found, expected), n, strict=True)
    ]
    total = parts[0] + parts[1]
    freedom = total**2 / (parts[0] ** 2 / (n[0] - 1) + parts[1] ** 2 / (n[1] - 1))
    return t.ppf((1 + _LEVEL) / 2, freedom) * np.sqrt(total)


def _place(table, row):
    named = [
        f"{name}={table[name].iloc[row]}"
        for name in table
        if table[name].dtype.kind != "f" and not name.startswith("_")
    ]
    return ", ".join([f"row {row + 1}", *named])
