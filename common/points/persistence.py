r"""Persistence of planar point patterns: components and holes of growing discs.

Discs of radius r round the points have the homotopy type of the alpha complex: the simplices of the
Delaunay triangulation whose value is at most r. The value of a triangle is its circumradius. That
of an edge is half of its length where no point lies within the disc that it is a diameter of (a
Gabriel edge); otherwise it is the smaller circumradius of the triangles beside it. See [1]_.

- **H0.** Components die along the edges of a minimum spanning tree, at half of their lengths.
- **H1.** By duality, holes are components of the complement. Edges are taken out in descending
  order, each of which joins the triangles (or the outside) on its two sides: of the two holes that
  become one, that whose largest triangle is smaller dies there, so that it was born at the edge's
  value and filled at that triangle's.

On the torus the triangulation is that of periodic copies. Its two classes that wind round the torus
live for ever and are left out, as is the component that is last.

References
----------
.. [1] H. Edelsbrunner, J. Harer, "Computational Topology: An Introduction", AMS, 2010.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import Delaunay, QhullError

from common import validation
from common.points.windows import check_points, copies_around

__all__ = ["Persistence", "alpha_persistence", "betti_curves"]

_MARGIN = 0.75  # of the window's side: how far out periodic copies are triangulated


class Persistence(NamedTuple):
    """Radii at which components and holes are born and die.

    Attributes
    ----------
    components : ndarray, shape (n_points - 1,)
        Death of each component but the last; all are born at 0. Ascending.
    holes : ndarray, shape (n_holes, 2)
        Birth and death of each hole, by birth. Holes that die at once are left out.
    """

    components: np.ndarray
    holes: np.ndarray


def alpha_persistence(points, *, window=None):
    """Persistence of the alpha complex, in radii of discs.

    Parameters
    ----------
    points : array_like, shape (n_points, 2)
        At least three that do not lie on a line. Points at one place count as components that die
        at once.
    window : float, optional
        Side of the square torus on which they lie. Without it they lie in the plane.

    Returns
    -------
    persistence : Persistence
        In the unit of the points. On the torus, to 1e-9 of its side where points lie on one circle.

    Raises
    ------
    ValueError
        If there are too few points for a triangulation (of the torus: so few that a triangle meets
        its own copies), a coordinate is not finite, or a point lies outside of the window.
    TypeError
        If they are no numbers.

    Examples
    --------
    >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    >>> found = alpha_persistence(square)
    >>> found.components.tolist(), np.round(found.holes, 6).tolist()
    ([1.0, 1.0, 1.0], [[1.0, 1.414214]])
    """
    if window is None:
        points = validation.array(points, "points", ndim=2).astype(float)
        if points.shape[1] != 2 or len(points) < 3:
            raise ValueError(f"points must be at least 3 in the plane, got shape {points.shape}.")
    else:
        points = check_points(points, window=window, at_least=3)
    # Far from the origin, or in another order of magnitude, Qhull leaves points out.
    if window is None:
        origin, unit = points.min(axis=0), np.ptp(points / 2, axis=0).max() * 2
        unit = unit if 0 < unit < np.inf else 1.0
    else:
        origin, unit = 0.0, window
    distinct = np.unique(points, axis=0)
    scaled, side = (distinct - origin) / unit, None if window is None else 1.0
    mesh = _triangulate(scaled, side)
    if mesh is None:  # copies of points on one circle, or of a lattice, are triangulated unlike
        mesh = _triangulate(_nudged(scaled, side), side)
    if mesh is None:
        raise ValueError(
            f"the {len(distinct)} different points are too few, or leave too large a gap, for a "
            f"triangulation of the torus of side {window:g}. Leave window out, or give more points."
        )
    joined = _component_deaths(mesh)
    if len(joined) != len(distinct) - 1:
        raise ValueError(
            f"{len(distinct) - 1 - len(joined)} of the {len(distinct)} different points are too "
            "near to others for a triangulation in double precision. Round the points, so that "
            "such become one."
        )
    deaths = np.concatenate([np.zeros(len(points) - len(distinct)), joined])
    return Persistence(np.sort(deaths) * unit, _holes(mesh) * unit)


def betti_curves(persistence, radii):
    r"""How many components and holes there are at each radius, per point.

    Parameters
    ----------
    persistence : Persistence
    radii : array_like, shape (n_radii,)

    Returns
    -------
    curves : ndarray, shape (2, n_radii)
        :math:`\beta_0 / n` and :math:`\beta_1 / n`. What is born at a radius counts there, what
        dies there does not.

    Raises
    ------
    ValueError
        If a radius is negative or not finite.
    TypeError
        If radii are no numbers, or ``persistence`` is none.

    Examples
    --------
    >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    >>> betti_curves(alpha_persistence(square), [0.5, 1.2, 2.0]).tolist()
    [[1.0, 0.25, 0.25], [0.0, 0.25, 0.0]]
    """
    if not isinstance(persistence, Persistence):
        raise TypeError(
            f"persistence must be what alpha_persistence(points) returns, got {persistence!r}."
        )
    radii = validation.vector(radii, "radii", at_least=0).astype(float)
    n_points = len(persistence.components) + 1
    dead = np.searchsorted(persistence.components, radii, side="right")
    born, filled = (
        np.searchsorted(np.sort(values), radii, side="right") for values in persistence.holes.T
    )
    return np.stack([n_points - dead, born - filled]) / n_points


class _Mesh(NamedTuple):
    """Edges of a triangulation, each once.

    Attributes
    ----------
    n_points : int
    ends : ndarray of int, shape (n_edges, 2)
        Points of each edge.
    length : ndarray, shape (n_edges,)
    value : ndarray, shape (n_edges,)
        In the alpha complex.
    sides : ndarray of int, shape (n_edges, 2)
        Triangles beside each edge.
    radius : ndarray, shape (n_triangles,)
        Circumradius; infinite for the outside, which stands as a triangle of its own.
    """

    n_points: int
    ends: np.ndarray
    length: np.ndarray
    value: np.ndarray
    sides: np.ndarray
    radius: np.ndarray


def _nudged(points, window):
    """Points moved by at most 1e-9 of the window, after which no four are on a circle."""
    index = np.arange(1, len(points) + 1)[:, None]
    moved = points + 1e-9 * window * ((index * np.array([0.7548776662, 0.5698402910])) % 1)
    return np.where(moved < window, moved, points)


def _triangulate(points, window):
    """The mesh; None where periodic copies do not come to one of the torus."""
    places, origin = points, np.arange(len(points))
    if window is not None:
        places, origin = copies_around(points, window=window, margin=_MARGIN * window)
    try:
        triangles = Delaunay(places).simplices
    except QhullError as error:
        raise ValueError(
            f"the {len(points)} different points have no triangulation: they lie on a line, or "
            "nearly so. Give at least three that do not."
        ) from error
    n = len(points)
    # Of an edge (a, b), the corner c opposite to it, in each triangle.
    a, b, c = (np.concatenate([np.roll(triangles, k, axis=1)[:, 0] for k in shift])
               for shift in ((0, 2, 1), (2, 1, 0), (1, 0, 2)))  # fmt: skip
    of = np.tile(np.arange(len(triangles)), 3)
    towards, other = places[a] - places[c], places[b] - places[c]
    length = np.linalg.norm(places[a] - places[b], axis=1)
    cross = np.abs(towards[:, 0] * other[:, 1] - towards[:, 1] * other[:, 0])
    # Law of sines. Flat triangles, which rounding leaves at the border, have infinite circles.
    with np.errstate(divide="ignore"):
        circle = length * np.linalg.norm(towards, axis=1) * np.linalg.norm(other, axis=1)
        circle = circle / (2 * cross)
    radius = circle[: len(triangles)]
    obtuse = (towards * other).sum(axis=1) < 0
    if window is None:
        key = np.sort(np.stack([a, b], axis=1), axis=1)
        kept, triangle_of = np.ones(len(triangles), bool), np.arange(len(triangles))
    else:
        cell = np.rint((places - points[origin]) / window).astype(int)
        key, kept, triangle_of = _one_period(cell, origin, triangles, a, b)
    mine = kept[of]
    key, of, obtuse, length = key[mine], triangle_of[of[mine]], obtuse[mine], length[mine]
    radius = np.append(radius[kept], np.inf)
    _, first, edge, counts = np.unique(
        key, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    edge = edge.ravel()
    # A disc round a triangle that meets the window is among the copies if its diameter is at most
    # the margin. A torus has three edges and two triangles for each point.
    if window is not None and (
        2 * radius[:-1].max(initial=0) > _MARGIN * window
        or (len(first), kept.sum()) != (3 * n, 2 * n)
    ):
        return None
    sides = np.full((len(first), 2), len(radius) - 1)
    order = np.argsort(edge, kind="stable")
    begin = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sides[:, 0] = of[order[begin]]
    two = counts == 2
    sides[two, 1] = of[order[begin[two] + 1]]
    attached = np.zeros(len(first), bool)
    np.logical_or.at(attached, edge, obtuse)
    half = length[first] / 2
    value = np.where(attached, radius[sides].min(axis=1), half)
    ends = origin[key[:, :2]][first]
    return _Mesh(n, ends, length[first], value, sides, radius)


def _one_period(cell, origin, triangles, a, b):
    """Of periodic copies, a key of each edge, and one triangle of each.

    A triangle, or an edge, is known by its points and by how many windows apart they are.
    """

    def canonical(corners):
        order = np.argsort(origin[corners], axis=1, kind="stable")
        corners = np.take_along_axis(corners, order, axis=1)
        apart = cell[corners[:, 1]] - cell[corners[:, 0]]
        return np.concatenate([origin[corners], apart], axis=1)

    # Copies of a triangle differ in where the corner of lowest index is: one is in the window.
    lowest = np.take_along_axis(triangles, np.argmin(origin[triangles], axis=1)[:, None], 1)[:, 0]
    kept = (cell[lowest] == 0).all(axis=1)
    return canonical(np.stack([a, b], axis=1)), kept, np.cumsum(kept) - 1


def _component_deaths(mesh):
    """Half of the lengths of a minimum spanning tree's edges."""
    # Of two edges between the same points, on a small torus, the shorter one counts.
    order = np.lexsort((mesh.length, mesh.ends[:, 1], mesh.ends[:, 0]))
    ends, length = mesh.ends[order], mesh.length[order]
    _, first = np.unique(ends, axis=0, return_index=True)
    ends, length = ends[first], length[first]
    loops = ends[:, 0] != ends[:, 1]
    ends, length = ends[loops], length[loops]
    graph = coo_array((length, ends.T), shape=(mesh.n_points, mesh.n_points)).tocsr()
    return minimum_spanning_tree(graph).data / 2


def _holes(mesh):
    """Pairs of H1 by joining the triangles on both sides of edges, in descending order."""
    parent = np.arange(len(mesh.radius))
    largest = mesh.radius.copy()

    def root(node):
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    pairs = []
    for edge in np.argsort(-mesh.value, kind="stable"):
        one, other = (root(side) for side in mesh.sides[edge])
        if one == other:
            continue
        if largest[one] < largest[other]:
            one, other = other, one
        parent[other] = one
        if largest[other] > mesh.value[edge]:
            pairs.append((mesh.value[edge], largest[other]))
    return np.array(sorted(pairs)).reshape(-1, 2)
