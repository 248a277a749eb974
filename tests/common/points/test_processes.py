"""Simulated patterns: means in closed form, where points lie, and what is refused."""

import numpy as np
import pytest

from common.points import processes


def rng(seed=0):
    return np.random.default_rng(seed)


def within(found, expected, *, errors=5):
    """Whether a mean of independent draws is the expected one, to five standard errors."""
    found = np.asarray(found, dtype=float)
    error = found.std(ddof=1) / np.sqrt(len(found))
    return abs(found.mean() - expected) < errors * error


def length(edges):
    return np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1).sum()


def test_edges_of_a_lattice_of_squares_have_their_length():
    place = (np.arange(4) + 0.37) / 4
    centres = np.stack(np.meshgrid(place, place), axis=-1).reshape(-1, 2)
    # 16 squares of side 1/4, each edge shared by two. Corners where four cells meet may be taken
    # for two corners an edge of length 0 apart.
    assert length(processes.edges_of_cells(centres)) == pytest.approx(16 * 2 / 4)


def test_edges_do_not_change_with_a_shift_round_the_borders():
    centres = rng().random((30, 2))
    shifted = (centres + np.array([0.3, 0.8])) % 1
    edges = [processes.edges_of_cells(one) for one in (centres, shifted)]
    assert length(edges[0]) == pytest.approx(length(edges[1]))
    # Three edges meet at a corner: Euler's formula on the torus gives three for each cell.
    assert [len(one) for one in edges] == [90, 90]


def test_edges_of_random_cells_have_the_length_of_the_closed_form():
    generator, cells = rng(1), 40
    found = [
        length(processes.edges_of_cells(generator.random((generator.poisson(cells), 2))))
        for _ in range(100)
    ]
    assert within(found, 2 * np.sqrt(cells))


def test_points_of_cells_lie_on_their_edges_at_their_rate():
    generator = rng(2)
    counts = [len(processes.voronoi(40, 30, rng=generator)) for _ in range(200)]
    assert within(counts, 2 * 30 * np.sqrt(40))
    # The centres are the first numbers that are drawn after their count.
    points, again = processes.voronoi(40, 30, rng=rng(3)), rng(3)
    edges = processes.edges_of_cells(again.random((again.poisson(40), 2)))
    ends = np.concatenate([edges + np.array([a, b]) for a in (-1, 0, 1) for b in (-1, 0, 1)])
    along = ends[:, 1] - ends[:, 0]
    off = points[:, None] - ends[:, 0]
    part = np.clip((off * along).sum(-1) / (along**2).sum(-1), 0, 1)[..., None]
    assert np.linalg.norm(off - part * along, axis=-1).min(axis=1).max() < 1e-9
    assert ((points >= 0) & (points < 1)).all()


def test_circles_have_their_number_of_points_and_their_radii():
    generator = rng(0)
    counts = [
        len(processes.circles(20, 15, radius=(0.06, 0.08), rng=generator)) for _ in range(300)
    ]
    assert within(counts, 300)
    # One circle in most of the draws that have a point at all.
    generator = rng(1)
    for _ in range(200):
        points = processes.circles(0.01, 500, radius=(0.1, 0.1), rng=generator)
        if len(points):
            break
    off = (points - points[0] + 0.5) % 1 - 0.5  # the circle does not reach round the torus
    A = np.c_[2 * off, np.ones(len(off))]
    middle = np.linalg.lstsq(A, (off**2).sum(axis=1), rcond=None)[0]
    round_middle = off - middle[:2]
    np.testing.assert_allclose(np.linalg.norm(round_middle, axis=1), 0.1, atol=1e-9)
    angles = np.sort(np.arctan2(*round_middle.T))
    gaps = np.diff(angles, append=angles[0] + 2 * np.pi)
    assert gaps.max() < 12 * 2 * np.pi / len(points)  # larger ones have a probability of 0.003


def test_lines_have_their_length_in_the_window():
    generator = rng(0)
    counts = [len(processes.lines(10, 20, rng=generator)) for _ in range(400)]
    assert within(counts, 200)
    # In every part of the window alike.
    generator = rng(1)
    corner = [(processes.lines(10, 20, rng=generator) < 0.3).all(axis=1).sum() for _ in range(400)]
    assert within(corner, 200 * 0.09)


def test_a_cox_process_follows_its_field():
    field = np.zeros((4, 4))
    field[1, 2] = 1.0
    generator, counts, there = rng(0), [], []
    for _ in range(400):
        points = processes.cox(field, 100, contrast=0.5, rng=generator)
        counts.append(len(points))
        there.append(((points * 4).astype(int) == [1, 2]).all(axis=1).sum())
    high = np.exp(0.5 / field.std())
    assert within(counts, 100)
    assert within(there, 100 * high / (high + 15))


def test_a_cox_process_without_contrast_is_a_poisson_process():
    generator = rng(0)
    field = rng(1).random((8, 8))
    counts = [len(processes.cox(field, 50, contrast=0.0, rng=generator)) for _ in range(500)]
    plain = [len(processes.poisson(50, rng=generator)) for _ in range(500)]
    for one in (counts, plain):
        assert within(one, 50)
        # The variance of a Poisson number is its mean; that of its estimate 2 / 500 of its square.
        assert np.var(one, ddof=1) == pytest.approx(50, rel=5 * np.sqrt(2 / 500))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: processes.poisson(0, rng=rng()), ValueError, "intensity must be above 0 and"),
        (lambda: processes.poisson(5, rng=3), TypeError, r"default_rng\(3\)"),
        (
            lambda: processes.voronoi(-1, 5, rng=rng()),
            ValueError,
            "cells must be at least 0.001 and",
        ),
        (lambda: processes.voronoi(5, 0, rng=rng()), ValueError, "rate must be above 0, got 0"),
        (
            lambda: processes.circles(5, 5, radius=(0.2, 0.1), rng=rng()),
            ValueError,
            "radius must ascend",
        ),
        (lambda: processes.lines(0, 1, rng=rng()), ValueError, "length must be above 0 and at"),
        (lambda: processes.poisson(1e30, rng=rng()), ValueError, r"at most 1e\+08, got 1e\+30"),
        (lambda: processes.voronoi(1e-30, 1, rng=rng()), ValueError, "cells must be at least"),
        (
            lambda: processes.voronoi(100, 1e8, rng=rng()),
            ValueError,
            r"with cells=100 and rate=1e\+08, 2e\+09 points are expected, which do not fit",
        ),
        (
            lambda: processes.circles(1e5, 1e5, radius=(0.1, 0.2), rng=rng()),
            ValueError,
            r"with centres=100000 and points_each=100000, 1e\+10 points are expected",
        ),
        (
            lambda: processes.lines(1e5, 1e5, rng=rng()),
            ValueError,
            r"with length=100000 and rate=100000, 1e\+10 points are expected",
        ),
        (
            lambda: processes.cox(np.eye(4), 1e30, contrast=1, rng=rng()),
            ValueError,
            r"n_points must be above 0 and at most 1e\+08, got 1e\+30",
        ),
        (
            lambda: processes.cox(np.eye(4), 10, contrast=1e308, rng=rng()),
            ValueError,
            r"contrast must be at least -1e\+06 and at most 1e\+06, got 1e\+308",
        ),
        (
            lambda: processes.cox(np.ones((4, 4)), 10, contrast=1, rng=rng()),
            ValueError,
            r"square and not constant, got shape \(4, 4\) and standard deviation 0",
        ),
        (
            lambda: processes.cox(np.eye(4)[:3], 10, contrast=1, rng=rng()),
            ValueError,
            r"square and not constant, got shape \(3, 4\)",
        ),
        (
            lambda: processes.cox(np.full((2, 2), np.nan), 10, contrast=1, rng=rng()),
            ValueError,
            "field must be finite, got nan",
        ),
        (
            lambda: processes.edges_of_cells([[0.2, 1.5]]),
            ValueError,
            r"centres must lie in the window \[0, 1\)², got \(0.2, 1.5\)",
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
