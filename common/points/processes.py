r"""Random point patterns in the unit square, most of them on the torus.

Points of a Poisson process, of mean density as asked for, on the edges of a Voronoi tessellation,
on circles, on lines, and in the plane with an intensity that follows a field. See [1]_ for what is
known of each.

References
----------
.. [1] S. N. Chiu, D. Stoyan, W. S. Kendall, J. Mecke, "Stochastic Geometry and its Applications",
   3rd edition, Wiley, 2013.
"""

import numpy as np
from scipy.spatial import Voronoi

from common import validation
from common.points.windows import check_points, copies_around

__all__ = ["circles", "cox", "edges_of_cells", "lines", "poisson", "voronoi"]

_MOST = 1e8  # expected points, beyond which they do not fit into memory


def poisson(intensity, *, rng):
    """Poisson process: as many points as a Poisson number, independent and uniform.

    Parameters
    ----------
    intensity : float
        Expected number of points in the unit square.
    rng : numpy.random.Generator

    Returns
    -------
    points : ndarray, shape (n_points, 2)

    Raises
    ------
    ValueError
        If the intensity is not positive, or above 1e8.
    TypeError
        If ``rng`` is no generator.
    """
    validation.generator(rng)
    intensity = validation.number(intensity, "intensity", above=0, at_most=_MOST)
    return rng.random((rng.poisson(intensity), 2))


def voronoi(cells, rate, *, rng):
    r"""Poisson points on the edges of a Poisson-Voronoi tessellation of the torus.

    Edges of cells of intensity :math:`\lambda` have the mean length :math:`2 \sqrt\lambda` per unit
    area, so that :math:`2 \mu \sqrt\lambda` points are expected.

    Parameters
    ----------
    cells : float
        Expected number of cells :math:`\lambda` in the unit square, 0.001 at least; drawn again
        where it comes out as 0.
    rate : float
        Expected number of points :math:`\mu` per unit length of the edges.
    rng : numpy.random.Generator

    Returns
    -------
    points : ndarray, shape (n_points, 2)

    Raises
    ------
    ValueError
        If a setting is out of range, or more than 1e8 points are expected.
    TypeError
        If ``rng`` is no generator.
    """
    validation.generator(rng)
    cells = validation.number(cells, "cells", at_least=1e-3, at_most=_MOST)
    rate = validation.number(rate, "rate", above=0)
    _check_expected(2 * rate * np.sqrt(cells), f"cells={cells:g} and rate={rate:g}")
    while not (n_cells := rng.poisson(cells)):
        continue
    edges = edges_of_cells(rng.random((n_cells, 2)))
    return _on_segments(edges, rate, rng) % 1.0


def edges_of_cells(centres):
    """Edges of the Voronoi cells of points on the unit torus, each once.

    Parameters
    ----------
    centres : array_like, shape (n_cells, 2)

    Returns
    -------
    edges : ndarray, shape (n_edges, 2, 2)
        Ends of each edge, whose middle lies in the unit square.

    Raises
    ------
    ValueError
        If there is no centre, or one lies outside of the unit square.

    Examples
    --------
    >>> edges = edges_of_cells([[0.1, 0.2]])  # one cell, a square
    >>> round(np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1).sum(), 12)
    2.0
    """
    centres = check_points(centres, at_least=1, name="centres")
    tessellation = Voronoi(copies_around(centres)[0])
    ends = np.array([ridge for ridge in tessellation.ridge_vertices if min(ridge) >= 0])
    edges = tessellation.vertices[ends]
    middle = edges.mean(axis=1)
    return edges[((middle >= 0) & (middle < 1)).all(axis=1)]


def circles(centres, points_each, *, radius, rng):
    """Poisson points on circles round the points of a Poisson process, on the torus.

    Parameters
    ----------
    centres : float
        Expected number of circles.
    points_each : float
        Expected number of points of a circle.
    radius : tuple of float
        Smallest and largest radius, between which it is uniform.
    rng : numpy.random.Generator

    Returns
    -------
    points : ndarray, shape (n_points, 2)

    Raises
    ------
    ValueError
        If a setting is not positive, radii are no two that ascend, or more than 1e8 points are
        expected.
    TypeError
        If ``rng`` is no generator.
    """
    validation.generator(rng)
    centres = validation.number(centres, "centres", above=0, at_most=_MOST)
    points_each = validation.number(points_each, "points_each", above=0)
    _check_expected(
        max(centres, 1) * points_each, f"centres={centres:g} and points_each={points_each:g}"
    )
    radii = validation.vector(radius, "radius", ascending=True, above=0)
    if len(radii) != 2:
        raise ValueError(f"radius must be the smallest and the largest one, got {radius!r}.")
    smallest, largest = radii
    n_circles = rng.poisson(centres)
    middle, size = rng.random((n_circles, 2)), rng.uniform(smallest, largest, n_circles)
    of = np.repeat(np.arange(n_circles), rng.poisson(points_each, n_circles))
    angle = rng.uniform(0, 2 * np.pi, len(of))
    around = size[of, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (middle[of] + around) % 1.0


def lines(length, rate, *, rng):
    r"""Poisson points on the lines of an isotropic Poisson line process; not periodic.

    Lines are :math:`\{x : \langle x - c, (\cos\theta, \sin\theta) \rangle = p\}`, with
    :math:`\theta` uniform in :math:`[0, \pi)` and p a Poisson process of intensity :math:`\ell`:
    integrating chords over p gives the area, so that :math:`\ell` is the mean length per unit area.

    Parameters
    ----------
    length : float
        Expected length of the lines in the unit square, :math:`\ell`.
    rate : float
        Expected number of points per unit length.
    rng : numpy.random.Generator

    Returns
    -------
    points : ndarray, shape (n_points, 2)

    Raises
    ------
    ValueError
        If a setting is not positive, or more than 1e8 points are expected.
    TypeError
        If ``rng`` is no generator.
    """
    validation.generator(rng)
    length = validation.number(length, "length", above=0, at_most=_MOST)
    rate = validation.number(rate, "rate", above=0)
    _check_expected(max(length, 1) * rate, f"length={length:g} and rate={rate:g}")
    reach = np.sqrt(0.5)  # of a disc that holds the square
    n_lines = rng.poisson(2 * reach * length)
    angle, offset = rng.uniform(0, np.pi, n_lines), rng.uniform(-reach, reach, n_lines)
    across = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    along = np.stack([-across[:, 1], across[:, 0]], axis=1)
    foot = 0.5 + offset[:, None] * across
    points = _on_segments(np.stack([foot - reach * along, foot + reach * along], 1), rate, rng)
    return points[((points >= 0) & (points < 1)).all(axis=1)]


def cox(field, n_points, *, contrast, rng):
    r"""Points whose intensity is the exponential of a field, uniform within its pixels.

    The intensity is proportional to :math:`\exp(c\, w / \sigma_w)`, with :math:`\sigma_w` the
    standard deviation of the field w.

    Parameters
    ----------
    field : array_like, shape (size, size)
        Rows are along the first coordinate.
    n_points : float
        Expected number of points.
    contrast : float
        The factor c; 0 gives a Poisson process.
    rng : numpy.random.Generator

    Returns
    -------
    points : ndarray, shape (n_points, 2)
        In the unit square.

    Raises
    ------
    ValueError
        If the field is not square, constant or too large for its deviation, or a setting is out
        of range.
    TypeError
        If ``rng`` is no generator.
    """
    validation.generator(rng)
    n_points = validation.number(n_points, "n_points", above=0, at_most=_MOST)
    contrast = validation.number(contrast, "contrast", at_least=-1e6, at_most=1e6)
    field = validation.array(field, "field", ndim=2).astype(float)
    size = len(field)
    with np.errstate(over="ignore"):
        deviation = field.std()
    if field.shape != (size, size) or not 0 < deviation < np.inf:
        raise ValueError(
            f"field must be square and not constant, got shape {field.shape} and standard "
            f"deviation {deviation:g}."
        )
    log_intensity = contrast * field / field.std()
    intensity = np.exp(log_intensity - log_intensity.max())
    counts = rng.poisson(n_points * intensity / intensity.sum())
    pixels = np.repeat(np.argwhere(np.ones_like(counts)), counts.ravel(), axis=0)
    return (pixels + rng.random(pixels.shape)) / size % 1.0


def _check_expected(n_points, settings):
    if n_points > _MOST:
        raise ValueError(
            f"with {settings}, {n_points:.3g} points are expected, which do not fit into memory. "
            f"Choose less, for at most {_MOST:g}."
        )


def _on_segments(ends, rate, rng):
    """Poisson points on segments, shape (n_segments, 2, 2); they may lie outside of the window."""
    along = ends[:, 1] - ends[:, 0]
    counts = rng.poisson(rate * np.linalg.norm(along, axis=1))
    of = np.repeat(np.arange(len(ends)), counts)
    return ends[of, 0] + rng.random((len(of), 1)) * along[of]
