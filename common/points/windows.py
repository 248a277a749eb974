"""Points of a square window: what is checked of them, and distances round its borders."""

import numpy as np

from common import validation

__all__ = ["check_points", "copies_around"]


def check_points(points, *, window=1.0, at_least=2, name="points"):
    """Points that all lie in the window.

    Parameters
    ----------
    points : array_like, shape (n_points, 2)
    window : float, default=1
        Side of the square :math:`[0, W)^2`, in the unit of the points.
    at_least : int, default=2
        How many points are needed.
    name : str, default="points"
        What messages call them.

    Returns
    -------
    points : ndarray of float64, shape (n_points, 2)

    Raises
    ------
    ValueError
        If the shape is another, there are too few points, a coordinate is not finite, or a point
        lies outside of the window.
    TypeError
        If they are no numbers.

    Examples
    --------
    >>> check_points([[0.1, 0.2], [0.3, 0.9]]).shape
    (2, 2)
    """
    window = validation.number(window, "window", above=0)
    at_least = validation.count(at_least, "at_least", at_least=0)
    found = validation.array(points, name, empty=True).astype(np.float64)
    if found.ndim != 2 or found.shape[1] != 2:
        raise ValueError(f"{name} must have shape (n_points, 2), got {found.shape}.")
    if len(found) < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {len(found)}.")
    outside = ((found < 0) | (found >= window)).any(axis=1)
    if outside.any():
        place = int(np.argmax(outside))
        x, y = found[place]
        more = f", and {outside.sum() - 1} more" if outside.sum() > 1 else ""
        raise ValueError(
            f"{name} must lie in the window [0, {window:g})², got ({x:g}, {y:g}) at index {place}"
            f"{more}. Set window to the side of yours, or shift the points so that it begins at 0."
        )
    return found


def copies_around(points, *, window=1.0, margin=None):
    """The points and their periodic copies round the window.

    Parameters
    ----------
    points : ndarray, shape (n_points, 2)
    window : float, default=1
        Side of the square; points may lie anywhere.
    margin : float, optional
        Copies farther than this from the window are left out; none of the eight squares around
        where it is left out.

    Returns
    -------
    copies : ndarray, shape (n_copies, 2)
        The points themselves come first.
    origin : ndarray of int, shape (n_copies,)
        Index of the point that each is a copy of.

    Raises
    ------
    ValueError
        If the shape is another, or a number is not finite or out of range.
    TypeError
        If they are no numbers.

    Examples
    --------
    >>> copies, origin = copies_around(np.array([[0.1, 0.5]]))
    >>> len(copies), sorted(set(origin.tolist()))
    (9, [0])
    """
    points = validation.array(points, "points", ndim=2, empty=True).astype(np.float64)
    if points.shape[1] != 2:
        raise ValueError(f"points must have shape (n_points, 2), got {points.shape}.")
    window = validation.number(window, "window", above=0)
    if margin is not None:
        margin = validation.number(margin, "margin", at_least=0)
    steps = [(0, 0)] + [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
    shifts = window * np.array(steps, dtype=float)
    copies = (points[None] + shifts[:, None]).reshape(-1, 2)
    origin = np.tile(np.arange(len(points)), len(steps))
    if margin is None:
        return copies, origin
    near = ((copies >= -margin) & (copies < window + margin)).all(axis=1)
    near[: len(points)] = True
    return copies[near], origin[near]
