"""Rates of convergence, read off errors: slopes, and iterations that a precision takes."""

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
        If lengths differ, there are fewer points, or a value is not finite.
    """
    x, y = validation.vector(x, "x"), validation.vector(y, "y")
    validation.same_length(x=x, y=y)
    if len(x) < 3 or np.ptp(x) == 0:
        raise ValueError(f"a slope needs three points and two different x, got x={x.tolist()}.")
    x = x - x.mean()
    return float(x @ y / (x @ x))


def slopes(t, errors, *, below, above, first=None):
    r"""Slopes of logarithms of errors against t, over one window for all.

    The window holds the t at which the first error is below one bound and every error above the
    other: before it convergence is transient, after it an error is rounding.

    Parameters
    ----------
    t : array_like, shape (n_points,)
        Iterations, or their logarithms.
    errors : dict of str to array_like, shape (n_points,)
    below : float
        Bound of the error named by ``first``.
    above : float
        Bound of all.
    first : str, optional
        The name of the one that tells when convergence has set in; by default the first.

    Returns
    -------
    slopes : dict of str to float
        NaN where the window holds fewer than three points.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If lengths differ or a value is not finite.
    """
    t = validation.vector(t, "t")
    errors = {name: validation.vector(each, name, at_least=0) for name, each in errors.items()}
    validation.same_length(t=t, **errors)
    inside = errors[first or next(iter(errors))] < below
    for each in errors.values():
        inside &= each > above
    if inside.sum() < 3:
        return dict.fromkeys(errors, float("nan"))
    return {name: slope(t[inside], np.log(each[inside])) for name, each in errors.items()}


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
