"""Persistence: hand-made patterns, growing discs themselves, the torus, and gudhi."""

import json

import numpy as np
import pytest
from scipy import ndimage

from common.points.persistence import Persistence, alpha_persistence, betti_curves
from common.workflow import peers


def uniform(n, seed=0):
    return np.random.default_rng(seed).random((n, 2))


def test_a_triangle_closes_where_its_circumcircle_says():
    side = 2.0
    points = np.array([[0, 0], [side, 0], [side / 2, side * np.sqrt(3) / 2]])
    found = alpha_persistence(points)
    np.testing.assert_allclose(found.components, [1, 1])
    np.testing.assert_allclose(found.holes, [[1, side / np.sqrt(3)]])


def test_an_obtuse_triangle_has_no_hole():
    # Its longest edge appears with the triangle: the disc round that edge holds the third point.
    found = alpha_persistence(np.array([[0, 0], [4, 0], [2, 0.5]]))
    np.testing.assert_allclose(found.components, [np.sqrt(4.25) / 2] * 2)
    assert found.holes.shape == (0, 2)


def test_points_on_a_circle_make_one_hole():
    angle = 2 * np.pi * np.arange(12) / 12
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = alpha_persistence(points)
    chord = np.sin(np.pi / 12)
    np.testing.assert_allclose(found.components, [chord] * 11)
    longest = found.holes[np.argmax(found.holes[:, 1] - found.holes[:, 0])]
    np.testing.assert_allclose(longest, [chord, 1])


def test_two_circles_make_two_holes_of_their_own_sizes():
    angle = 2 * np.pi * np.arange(24) / 24
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = alpha_persistence(np.concatenate([ring, 0.5 * ring + [5, 0.1]]))
    lasting = found.holes[found.holes[:, 1] - found.holes[:, 0] > 0.3]
    np.testing.assert_allclose(lasting[:, 1], [0.5, 1])
    # The gap between them is crossed last.
    assert found.components[-1] == pytest.approx((5 - 1.5) / 2, abs=0.02)


def test_points_at_one_place_are_components_that_die_at_once():
    points = uniform(20)
    twice = alpha_persistence(np.concatenate([points, points[:3]]))
    once = alpha_persistence(points)
    np.testing.assert_allclose(twice.components, [0, 0, 0, *once.components])
    np.testing.assert_allclose(twice.holes, once.holes)


@pytest.mark.parametrize("window", [None, 1.0])
def test_numbers_are_those_of_the_discs_themselves(window):
    # Components of the union of discs, and of its complement, on a fine grid.
    points, n = uniform(30, 3), 500
    place = (np.arange(n) + 0.5) / n if window else 1.3 * (np.arange(n) + 0.5) / n - 0.15
    off = np.stack(np.meshgrid(place, place, indexing="ij"), axis=-1)[:, :, None] - points
    if window:
        off -= np.rint(off)
    distance = np.sqrt((off**2).sum(axis=-1)).min(axis=-1)
    found = alpha_persistence(points, window=window)
    # Nothing may happen within the diagonal of a pixel, at most 0.0037.
    events = np.concatenate([found.components, found.holes.ravel()])
    radii = [r for r in np.arange(0.02, 0.1, 0.002) if np.abs(events - r).min() > 0.0037]
    radii = radii[:: max(1, len(radii) // 4)]
    assert len(radii) >= 3
    beta = np.rint(30 * betti_curves(found, radii))
    for radius, (components, holes) in zip(radii, beta.T, strict=True):
        inside = distance <= radius
        if window is None:
            assert components == ndimage.label(inside)[1]
            assert holes == ndimage.label(~inside)[1] - 1  # the outside is none
            continue
        assert components == around(inside)
        # Classes that wind round the torus are left out, so that each part of the complement but
        # one counts; all do where no hole is left open, which these radii are too small for.
        assert holes == around(~inside) - 1


def around(mask):
    """Components of a mask that continues at the opposite borders."""
    labels, n = ndimage.label(mask)
    parent = list(range(n + 1))

    def root(node):
        while parent[node] != node:
            node = parent[node]
        return node

    for first, last in ((labels[0], labels[-1]), (labels[:, 0], labels[:, -1])):
        for a, b in zip(first, last, strict=True):
            if a and b:
                parent[root(a)] = root(b)
    return len({root(node) for node in range(1, n + 1)})


def test_the_torus_has_no_border():
    points = uniform(100)
    found = alpha_persistence(points, window=1.0)
    moved = alpha_persistence((points + np.array([0.31, 0.77])) % 1, window=1.0)
    np.testing.assert_allclose(moved.components, found.components, atol=1e-12)
    np.testing.assert_allclose(moved.holes, found.holes, atol=1e-12)
    larger = alpha_persistence(5 * points, window=5.0)
    np.testing.assert_allclose(larger.holes, 5 * found.holes)


def test_a_lattice_on_the_torus_has_a_hole_for_each_square_but_one():
    place = (np.arange(8) + 0.3) / 8
    lattice = np.stack(np.meshgrid(place, place), axis=-1).reshape(-1, 2)
    found = alpha_persistence(lattice, window=1.0)
    np.testing.assert_allclose(found.components, [1 / 16] * 63, atol=1e-8)
    lasting = found.holes[found.holes[:, 1] - found.holes[:, 0] > 1e-6]
    np.testing.assert_allclose(lasting, [[1 / 16, np.sqrt(0.5) / 8]] * 63, atol=1e-8)


def test_points_on_one_circle_are_triangulated_on_the_torus():
    # Their copies differ by rounding, so that each could be triangulated in a way of its own.
    angle = 2 * np.pi * np.random.default_rng(0).random((9, 60))
    middle = uniform(9, 4)[:, None]
    rings = middle + 0.07 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    points = np.concatenate([rings.reshape(-1, 2) % 1, uniform(40, 5)])
    found = alpha_persistence(points, window=1.0)
    moved = alpha_persistence((points + np.array([0.4, 0.9])) % 1, window=1.0)
    np.testing.assert_allclose(found.components, moved.components, atol=2e-9)
    radii = np.linspace(0.003, 0.1, 50)
    np.testing.assert_allclose(betti_curves(found, radii), betti_curves(moved, radii))


def test_inside_the_torus_is_like_the_plane():
    # Points far from the borders, and a frame of others that is dense.
    points = 0.5 + 0.2 * (uniform(60) - 0.5)
    rest = np.stack(np.meshgrid(np.arange(40), np.arange(40)), axis=-1).reshape(-1, 2) / 40
    rest = rest + 0.003 * (uniform(1600, 1) - 0.5) + 0.01
    rest = rest[np.abs(rest - 0.5).max(axis=1) > 0.25] % 1
    both = np.concatenate([points, rest])
    holes = [alpha_persistence(both, window=window).holes for window in (None, 1.0)]
    # The frame's own holes are smaller. The one between it and the points is, on the torus, the
    # last part of the complement, which is no hole.
    planar, torus = (one[one[:, 1] > 0.03] for one in holes)
    planar = np.delete(planar, np.argmax(planar[:, 1]), axis=0)
    assert len(torus) > 5
    np.testing.assert_allclose(planar, torus)


def test_curves_count_what_is_alive():
    persistence = Persistence(np.array([1.0, 1.0, 3.0]), np.array([[1.0, 2.0], [1.5, 4.0]]))
    curves = betti_curves(persistence, [0, 1, 1.5, 2, 3, 5])
    np.testing.assert_array_equal(4 * curves[0], [4, 2, 2, 2, 1, 1])
    np.testing.assert_array_equal(4 * curves[1], [0, 1, 2, 1, 1, 0])


@pytest.mark.skipif(not peers.installed("gudhi"), reason="no gudhi: make peers")
def test_gudhi_finds_the_same(tmp_path):
    angle = 2 * np.pi * np.random.default_rng(1).random(80)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    patterns = [uniform(300), 0.3 * ring + 0.05 * uniform(80, 2)]
    (tmp_path / "patterns.json").write_text(json.dumps([one.tolist() for one in patterns]))
    printed = peers.run(
        "gudhi", "benchmarks/peers/gudhi_persistence.py", tmp_path / "patterns.json"
    )
    for points, theirs in zip(patterns, json.loads(printed), strict=True):
        ours = alpha_persistence(points)
        np.testing.assert_allclose(ours.components, theirs["components"], atol=1e-12)
        np.testing.assert_allclose(ours.holes, theirs["holes"], atol=1e-12)


@pytest.mark.parametrize(
    ("points", "window", "message"),
    [
        (uniform(2), None, r"points must be at least 3 in the plane, got shape \(2, 2\)"),
        (uniform(2), 1.0, "points must be at least 3, got 2"),
        (uniform(5) + 1, 1.0, "lie in the window"),
        (0.35 * uniform(10), 1.0, "the 10 different points are too few, or leave too large a gap"),
        (np.full((5, 2), np.nan), None, "points must be finite, got nan"),
        (np.outer(np.arange(5.0), [1, 2]), None, "5 different points have no triangulation: they"),
        (uniform(4), 1.0, "4 different points are too few, or leave too large a gap, for a tri"),
        (0.2 * uniform(50), 1.0, "50 different points are too few, or leave too large a gap"),
    ],
)
def test_what_has_no_triangulation_is_refused(points, window, message):
    with pytest.raises(ValueError, match=message):
        alpha_persistence(points, window=window)


def test_radii_below_0_are_refused():
    with pytest.raises(ValueError, match=r"radii must be finite and at least 0, got -1\.0"):
        betti_curves(alpha_persistence(uniform(5)), [-1.0])
