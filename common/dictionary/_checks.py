"""Checks of what enters dictionaries, beside those of `common.validation`."""

import numpy as np

from common import validation

__all__ = ["flag", "mask", "norms", "pair", "squarable"]


def flag(value, name):
    """True or False; a text such as "no" would count as True.

    Parameters
    ----------
    value : bool
    name : str

    Returns
    -------
    value : bool

    Raises
    ------
    ValueError
        If it is anything else.
    """
    value = bool(value) if isinstance(value, np.bool_) else value
    return validation.choice(value, (False, True), name)


def mask(values, name, shape):
    """True and False, or 1 and 0, in an array of a shape; NaN would count as True.

    Parameters
    ----------
    values : array_like
    name : str
    shape : tuple of int

    Returns
    -------
    values : ndarray of bool

    Raises
    ------
    TypeError, ValueError
        If a value is another, or the shape.
    """
    found = np.asarray(values)
    if found.dtype != bool or np.ma.is_masked(values):
        found = validation.array(values, name)
        other = ~np.isin(found, (0, 1))
        if other.any():
            raise ValueError(f"{name} must be True or False, got {found[other][0]:g}.")
    if found.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {found.shape}.")
    return found.astype(bool)


def norms(values, name):
    """Norms of atoms, none of which is 0 or no number.

    Parameters
    ----------
    values : ndarray, shape (n_atoms, ...)
    name : str

    Returns
    -------
    norms : ndarray, shape (n_atoms, 1)

    Raises
    ------
    ValueError
        If an atom is zero throughout, or so large or small that its norm is no number.
    """
    rows = values.reshape(len(values), -1)
    empty = np.flatnonzero(~rows.any(axis=1))
    if len(empty):
        raise ValueError(f"{name}[{empty[0]}] is zero throughout. Leave this atom out.")
    with np.errstate(over="ignore", under="ignore"):
        squares = np.einsum("ij,ij->i", rows, rows)
    bad = np.flatnonzero(~((squares >= np.finfo(float).tiny) & (squares < np.inf)))
    if len(bad):
        raise ValueError(
            f"{name}[{bad[0]}] holds values up to {np.abs(rows[bad[0]]).max():g}, so that its norm "
            "is no number in double precision. Scale the atom to norm 1."
        )
    return np.sqrt(squares)[:, None]


def pair(values, name, *, at_least=1, at_most=(None, None)):
    """Rows and columns.

    Parameters
    ----------
    values : tuple of int
    name : str
    at_least : int, default=1
    at_most : tuple of int, optional
        Of rows and of columns.

    Returns
    -------
    rows, columns : int

    Raises
    ------
    TypeError, ValueError
        If they are not two whole numbers within the bounds.
    """
    if np.shape(values) != (2,):
        raise TypeError(f"{name} must be (rows, columns), got {values!r}.")
    return tuple(
        validation.count(one, name, at_least=at_least, at_most=most)
        for one, most in zip(values, at_most, strict=True)
    )


def squarable(values, name, *, small=True):
    """Refuse numbers of which the sum of squares is no number in double precision.

    Parameters
    ----------
    values : ndarray
    name : str
    small : bool, default=True
        Whether they can be too small, too.

    Raises
    ------
    ValueError
        If the sum is infinite, or 0 although a value is not.
    """
    with np.errstate(over="ignore", under="ignore"):
        energy = float(np.vdot(values, values))
    least = np.finfo(float).tiny if small else 0
    if not least <= energy < np.inf and values.any():
        raise ValueError(
            f"{name} holds values up to {np.abs(values).max():g}, whose squares do not add up to a "
            "number in double precision. Scale it first, say to a deviation of 1."
        )
