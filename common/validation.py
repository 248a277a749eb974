"""Checks of what enters public functions: one clear error each, with the value and the fix.

Every check returns what it was given in the type that the caller computes with, so that it stands
where the argument is first used::

    sigma = validation.number(sigma, "sigma", above=0, unit="s")
    times = validation.vector(times, "times", unit="s", ascending=True)
"""

import difflib
from numbers import Integral, Real

import numpy as np
import pandas as pd

__all__ = [
    "array",
    "choice",
    "count",
    "generator",
    "incomplete",
    "labels",
    "nearest",
    "number",
    "same_length",
    "same_rows",
    "unmasked",
    "vector",
]


def number(value, name, *, above=None, at_least=None, below=None, at_most=None, unit=""):
    """One finite number within bounds.

    Parameters
    ----------
    value : float
    name : str
        What the caller's argument is called.
    above, at_least, below, at_most : float, optional
        Bounds: the first and the third are themselves excluded.
    unit : str, optional
        Unit of the number, for the message.

    Returns
    -------
    value : float

    Raises
    ------
    TypeError
        If it is not a real number (``True`` is none).
    ValueError
        If it is NaN, infinite or out of bounds.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {_shown(value)}.")
    bounds = [
        ("above", above, above is None or value > above),
        ("at least", at_least, at_least is None or value >= at_least),
        ("below", below, below is None or value < below),
        ("at most", at_most, at_most is None or value <= at_most),
    ]
    if not np.isfinite(value) or not all(holds for *_, holds in bounds):
        wanted = " and ".join(f"{word} {bound:g}" for word, bound, _ in bounds if bound is not None)
        unit = f" {unit}" if unit else ""
        wanted = f"{wanted}{unit}" if wanted else "finite"
        raise ValueError(f"{name} must be {wanted}, got {value}{unit}.")
    return float(value)


def count(value, name, *, at_least=1, at_most=None):
    """One whole number within bounds, which are included.

    Parameters
    ----------
    value : int
    name : str
        What messages call it.
    at_least : int, default=1
    at_most : int, optional

    Returns
    -------
    value : int

    Raises
    ------
    TypeError
        If it is not a whole number; 3.0 is none.
    ValueError
        If it is out of bounds.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {_shown(value)}.")
    if value < at_least or (at_most is not None and value > at_most):
        wanted = f"at least {at_least}" + ("" if at_most is None else f" and at most {at_most}")
        raise ValueError(f"{name} must be {wanted}, got {value}.")
    return int(value)


def array(
    values, name, *, ndim=None, above=None, at_least=None, at_most=None, unit="", empty=False
):
    """An array of finite numbers, every one within bounds.

    Parameters
    ----------
    values : array_like
        Numbers; a masked array with masked entries is refused, as its mask would be lost.
    name : str
    ndim : int, optional
        Number of axes it must have.
    above, at_least, at_most : float, optional
        Bounds of every value; the first is itself excluded.
    unit : str, optional
    empty : bool, default=False
        Whether no value at all is fine.

    Returns
    -------
    values : ndarray
        In floating point: float32 stays, all else becomes float64.

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    ValueError
        If it has another number of axes, is empty, or a value is NaN, infinite or out of bounds:
        the message gives the first such value and its place.
    """
    values = unmasked(values, name)
    try:
        found = np.asarray(values)
        if found.dtype == object and any(one is None for one in found.flat):
            raise TypeError("None would become NaN")
        if found.dtype != np.float32:
            found = found.astype(
                np.float64, casting="unsafe" if found.dtype == object else "same_kind"
            )
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold numbers, got {_short(values)}.") from error
    if ndim is not None and found.ndim != ndim:
        axes = "1 axis" if ndim == 1 else f"{ndim} axes"
        raise ValueError(f"{name} must have {axes}, got shape {found.shape}.")
    if found.size == 0 and not empty:
        raise ValueError(f"{name} is empty: its shape is {found.shape}.")
    bad = ~np.isfinite(found)
    wanted = []
    for word, bound, outside in (
        ("above", above, np.less_equal),
        ("at least", at_least, np.less),
        ("at most", at_most, np.greater),
    ):
        if bound is not None:
            bad |= outside(found, bound)
            wanted.append(f"{word} {bound:g}")
    if bad.any():
        place = tuple(int(index) for index in np.argwhere(bad)[0])
        unit = f" {unit}" if unit else ""
        raise ValueError(
            f"{name} must be {' and '.join(['finite', *wanted])}{unit if wanted else ''}, "
            f"got {found[place]}{unit}{_at(place)}"
            + (f" and {bad.sum() - 1} more such values." if bad.sum() > 1 else ".")
        )
    return found


def vector(values, name, *, ascending=False, **bounds):
    """An array with one axis, as :func:`array`; ascending where asked for (equal values are fine).

    Parameters
    ----------
    values, name, **bounds
        As in :func:`array`, without ``ndim``.
    ascending : bool, default=False

    Returns
    -------
    values : ndarray, shape (n_values,)

    Raises
    ------
    TypeError, ValueError
        As :func:`array`, and if it is not ascending.
    """
    found = array(values, name, ndim=1, **bounds)
    if ascending and (falls := np.flatnonzero(np.diff(found) < 0)).size:
        at = int(falls[0]) + 1
        raise ValueError(
            f"{name} must ascend, got {found[at]} at index {at} after {found[at - 1]}. "
            "Sort it first."
        )
    return found


def unmasked(values, name):
    """Values none of which is hidden by a mask, which numpy would drop.

    Parameters
    ----------
    values : object
    name : str

    Returns
    -------
    values : object
        As they were given.

    Raises
    ------
    ValueError
        If it is a masked array with masked entries.
    """
    if np.ma.is_masked(values):
        first = tuple(int(at) for at in np.argwhere(np.ma.getmaskarray(values))[0])
        where = f", the first{_at(first)}" if first else ""
        raise ValueError(
            f"{name} is a masked array with {np.ma.count_masked(values)} masked values{where}. "
            "Leave them out first, for example with .compressed()."
        )
    return values


def labels(values, name):
    """One label per sample, of any type, none of them missing.

    Parameters
    ----------
    values : array_like, shape (n_samples,)
    name : str
        What the message calls them.

    Returns
    -------
    labels : ndarray, shape (n_samples,)

    Raises
    ------
    ValueError
        If there is another number of axes, or a label is masked or missing (NaN, None).
    """
    found = np.asarray(unmasked(values, name))
    if found.ndim != 1:
        raise ValueError(f"{name} must hold one label per sample, got shape {found.shape}.")
    missing = np.flatnonzero(pd.isna(found))
    if len(missing):
        raise ValueError(
            f"{name} has no label at index {missing[0]}, but {_shown(found[missing[0]])}, one of "
            f"{len(missing)} missing. Leave these samples out first."
        )
    return found


def same_rows(**tables):
    """Tables and series of pandas, among others, must name their rows alike and in one order.

    Parameters
    ----------
    **tables : array_like
        By the names that the message gives them. What is not of pandas has no names of rows; other
        lengths are for `same_length`.

    Raises
    ------
    ValueError
        If they do not: rows are paired by their places, not by their names.
    """
    rows = {name: one.index for name, one in tables.items() if hasattr(one, "iloc")}
    for name, index in rows.items():
        first, expected = next(iter(rows.items()))
        if len(index) != len(expected) or index.equals(expected):
            continue
        pairs = enumerate(zip(index.tolist(), expected.tolist(), strict=True))
        if differ := [(at, *pair) for at, pair in pairs if pair[0] != pair[1]]:
            at, mine, other = differ[0]
            raise ValueError(
                f"row {at} of {name} is called {mine!r}, that of {first} {other!r}; "
                f"rows are paired by their places. Bring them into one order: "
                f"{name}.loc[{first}.index]."
            )


def choice(value, known, name):
    """One of the known values.

    Parameters
    ----------
    value : object
    known : collection
    name : str
        What the message calls it.

    Returns
    -------
    value : object

    Raises
    ------
    ValueError
        If it is another: the message names the nearest one and lists all. ``True`` is not 1.
    """
    truth = isinstance(value, (bool, np.bool_))
    if not any(value == one and truth == isinstance(one, bool) for one in known):
        raise ValueError(
            f"{name} must be one of {', '.join(map(str, known))}, got {_shown(value)}."
            + nearest(value, known)
        )
    return value


def incomplete(values, name, *, empty_rows=False, empty_columns=False):
    """A table of numbers in which NaN stands for a missing value.

    Parameters
    ----------
    values : array_like, shape (n_rows, n_columns)
        In a masked array masked values are missing, in a table of pandas ``NA`` as well.
    name : str
        What messages call it.
    empty_rows, empty_columns : bool, default=False
        Whether rows, or columns, without any observed value are fine.

    Returns
    -------
    values : ndarray of float64, shape (n_rows, n_columns)
        A copy.

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    ValueError
        If it has another number of axes, is empty, holds infinity or what NaN becomes as a whole
        number, or a row or a column has no observed value.
    """
    try:
        if np.iscomplexobj(values):
            raise TypeError("complex numbers")
        if hasattr(values, "to_numpy"):
            found = values.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
        else:
            found = np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must hold numbers, with NaN where a value is missing, got {_short(values)}."
        ) from error
    if found.ndim != 2:
        raise ValueError(f"{name} must have 2 axes, got shape {found.shape}.")
    if found.size == 0:
        raise ValueError(f"{name} is empty: its shape is {found.shape}.")
    kinds = {getattr(values, "dtype", None), *getattr(values, "dtypes", [])}
    sizes = {kind.itemsize for kind in kinds if getattr(kind, "kind", "") == "i"}
    least = [-(2.0 ** (8 * size - 1)) for size in sizes if size >= 4] or [-(2.0**63)]
    for bad, why in (
        (np.isinf(found), "which is neither a number nor missing. Put NaN in its place"),
        (np.isin(found, least), "which NaN becomes as a whole number. Keep the table in floats"),
    ):
        if bad.any():
            place = tuple(int(index) for index in np.argwhere(bad)[0])
            raise ValueError(f"{name} holds {found[place]:.20g} at index {place}, {why}.")
    observed = ~np.isnan(found)
    for axis, kind, fine, fix in (
        (1, "row", empty_rows, "Leave such rows out, or pass empty_rows=True"),
        (0, "column", empty_columns, "Leave such columns out"),
    ):
        bare = np.flatnonzero(~observed.any(axis=axis))
        if len(bare) and not fine:
            one_of = f", one of {len(bare)} such {kind}s" if len(bare) > 1 else ""
            raise ValueError(f"{kind} {bare[0]} of {name} has no observed value{one_of}. {fix}.")
    return found


def nearest(word, known, *, cutoff=0.6):
    """`` Did you mean 'dance'?`` for the likeliest known word, in any case; empty if none is near.

    Parameters
    ----------
    word : object
    known : iterable
        Words, or what is compared as text.
    cutoff : float, default=0.6
        Least likeness, as :func:`difflib.get_close_matches` measures it.

    Returns
    -------
    hint : str

    Examples
    --------
    >>> nearest("FPZ", ["Fp1", "Fpz"])
    " Did you mean 'Fpz'?"
    """
    by_case = {str(each).lower(): str(each) for each in known}
    found = difflib.get_close_matches(str(word).lower(), by_case, n=1, cutoff=cutoff)
    return f" Did you mean {by_case[found[0]]!r}?" if found else ""


def generator(rng, name="rng"):
    """A generator of numpy.

    Parameters
    ----------
    rng : numpy.random.Generator
    name : str, default="rng"
        What the message calls it.

    Returns
    -------
    rng : numpy.random.Generator

    Raises
    ------
    TypeError
        If it is anything else, such as a seed: every draw would start from the same state.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{name} must be a numpy.random.Generator, got {rng!r}. "
            f"Make one: {name}=np.random.default_rng({rng if isinstance(rng, Integral) else 0})."
        )
    return rng


def same_length(**values):
    """Named sequences of one length.

    Parameters
    ----------
    **values : sequence
        By the names that the message gives them.

    Raises
    ------
    ValueError
        If lengths differ: the message gives each.
    """
    lengths = {name: len(value) for name, value in values.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"{' and '.join(lengths)} must have one length, but {found}.")


def _shown(value):
    """As Python writes it, also where it is of numpy."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def _at(place):
    return f" at index {place[0] if len(place) == 1 else place}" if place else ""


def _short(values):
    text = repr(values)
    return text if len(text) <= 60 else f"{text[:57]}…"
