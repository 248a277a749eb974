"""Rates of convergence, read off errors: slopes, and iterations that a precision takes."""

from collections.abc import Mapping
from numbers import Real

import numpy as np

from common import validation

__all__ = ["iterations_to", "slope", "slopes"]


def slope(x, y):
    """Slope of the least-squares line through points.

    Parameters
    ----------
    x, y : array_like, shape (n_points,)
        At least three points, and two different x.

    Returns
    -------
    slope : float
        In the unit of y over that of x.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If lengths differ, there are fewer points, a value is not finite, or the slope overflows.
    """
    x = validation.vector(x, "x").astype(float)
    y = validation.vector(y, "y").astype(float)
    validation.same_length(x=x, y=y)
    if len(x) < 3 or np.ptp(x) == 0:
        raise ValueError(f"a slope needs three points and two different x, got x={x.tolist()}.")
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        x = x - x.mean()
        power, scale = x @ x, 1.0
        if not np.finfo(float).tiny < power < np.inf:
            scale = np.abs(x).max()
            x = x / scale
        found = float(x @ y / (x @ x) / scale)
    if not np.isfinite(found):
        raise ValueError("the slope overflows. Scale x and y to the order of 1.")
    return found


def slopes(t, errors, *, below=np.inf, above=0.0, start=0.0, power=False):
    r"""Slopes of logarithms of errors over one window for all.

    The window holds the t from ``start`` on at which the first error is below one bound and every
    error above the other: before it convergence is transient, after it an error is rounding.

    Parameters
    ----------
    t : array_like, shape (n_points,)
        Iterations.
    errors : dict of str to array_like, shape (n_points,)
        The first one tells when convergence has set in.
    below, above, start : float
        No bound by default.
    power : bool, default=False
        Whether slopes are against the logarithm of t, for errors that fall like a power of it;
        else against t, for errors that fall by a factor in each iteration.

    Returns
    -------
    slopes : dict of str to float
        NaN where the window holds fewer than three points.

    Raises
    ------
    TypeError
        If an argument is no number, or ``errors`` no dict.
    ValueError
        If lengths differ or a value is not finite, an error is negative, there are none, a bound is
        NaN, or t in the window is 0 where its logarithm is wanted.

    Examples
    --------
    >>> t = np.arange(1, 50)
    >>> found = slopes(t, {"first": 0.9**t, "second": 0.81**t})
    >>> round(found["second"] / found["first"], 6)
    2.0
    """
    t = validation.vector(t, "t", at_least=0)
    if not isinstance(errors, Mapping):
        raise TypeError(f"errors must be a dict of vectors by their names, got {errors!r}.")
    if not errors:
        raise ValueError("errors is empty; give one vector of errors by its name at least.")
    for name, bound in (("below", below), ("above", above), ("start", start)):
        if not isinstance(bound, Real) or abs(bound) != np.inf:
            validation.number(bound, name)
    errors = {name: validation.vector(each, name, at_least=0) for name, each in errors.items()}
    validation.same_length(t=t, **errors)
    inside = (t >= start) & (next(iter(errors.values())) < below)
    for each in errors.values():
        inside &= each > above
    if inside.sum() < 3:
        return dict.fromkeys(errors, float("nan"))
    if power and (zero := np.flatnonzero(inside & (t == 0))).size:
        raise ValueError(
            f"t must be above 0 where power=True, got 0 at index {zero[0]}. Leave it out by start."
        )
    x = np.log(t[inside]) if power else t[inside]
    return {name: slope(x, np.log(each[inside])) for name, each in errors.items()}


def iterations_to(t, errors, level):
    """Iterations after which an error stays below a level.

    Between the iterations that are there the logarithm of the error is taken as linear in the
    logarithm of t.

    Parameters
    ----------
    t : array_like, shape (n_points,)
        Ascending, from 1 on.
    errors : array_like, shape (n_points,)
    level : float

    Returns
    -------
    iterations : float
        NaN if the last error is above the level; the first t if all are below.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If lengths differ, t does not ascend, a value is not finite, or the level is not positive.
    """
    t = validation.vector(t, "t", at_least=1, ascending=True)
    errors = validation.vector(errors, "errors", at_least=0)
    validation.same_length(t=t, errors=errors)
    level = validation.number(level, "level", above=0)
    high = np.flatnonzero(errors > level)
    if not high.size:
        return float(t[0])
    last = high[-1]
    if last == len(t) - 1:
        return float("nan")
    before, after = np.log(errors[last]), np.log(max(errors[last + 1], np.finfo(float).tiny))
    share = (before - np.log(level)) / (before - after)
    return float(np.exp((1 - share) * np.log(t[last]) + share * np.log(t[last + 1])))
