"""Pair correlation and spectrum: direct sums, closed forms, and what a Poisson process has."""

import numpy as np
import pytest

from common.points.statistics import (
    largest_correlation,
    mean_nearest_distance,
    pair_correlation,
    power_spectrum,
    radial_spectrum,
)

EDGES = np.arange(0, 0.21, 0.02)


def uniform(n, seed=0):
    return np.random.default_rng(seed).random((n, 2))


def test_pairs_are_counted_round_the_borders():
    points = 3 * uniform(40)
    off = points[:, None] - points
    off -= 3 * np.rint(off / 3)
    distance = np.linalg.norm(off, axis=-1)[~np.eye(40, dtype=bool)]
    counts, _ = np.histogram(distance, 3 * EDGES)
    expected = counts * 9 / (40 * 39 * np.pi * np.diff((3 * EDGES) ** 2))
    np.testing.assert_allclose(pair_correlation(points, 3 * EDGES, window=3), expected, rtol=1e-12)


def test_points_at_one_place_are_pairs_of_the_first_ring():
    g = pair_correlation(np.array([[0.5, 0.5], [0.5, 0.5]]), [0, 0.1, 0.2])
    np.testing.assert_allclose(g, [1 / (np.pi * 0.01), 0])


def test_the_pair_correlation_of_a_poisson_process_is_1_within_its_band():
    g = np.stack([pair_correlation(uniform(200, seed), EDGES) for seed in range(300)])
    # Ordered pairs in a ring come to about n² a, of which half are independent: a variance of
    # 2 / (n² a) for each pattern, and a band of five standard errors of the mean of all.
    area = np.pi * np.diff(EDGES**2)
    band = np.sqrt(2 / (200 * 199 * area))
    np.testing.assert_allclose(g.std(axis=0), band, rtol=0.25)
    assert (np.abs(g.mean(axis=0) - 1) < 5 * band / np.sqrt(300)).all()


def test_the_spectrum_is_the_sum_written_out():
    points = uniform(7)
    S = power_spectrum(points, 3)
    for a in range(-3, 4):
        for b in range(-3, 4):
            wave = np.exp(-2j * np.pi * (a * points[:, 0] + b * points[:, 1])).sum()
            assert S[a + 3, b + 3] == pytest.approx(abs(wave) ** 2 / 7)


def test_the_spectrum_of_a_lattice_is_that_of_its_dual():
    place = np.arange(4) / 4
    lattice = np.stack(np.meshgrid(place, place), axis=-1).reshape(-1, 2)
    S = power_spectrum(lattice, 5)
    k = np.arange(-5, 6)
    dual = (k[:, None] % 4 == 0) & (k % 4 == 0)
    np.testing.assert_allclose(S, np.where(dual, 16, 0), atol=1e-10)


def test_rings_average_wave_vectors_of_one_length():
    points = uniform(30)
    radius, S = radial_spectrum(points, 6)
    whole = power_spectrum(points, 6)
    k = np.arange(-6, 7)
    length = np.hypot(k[:, None], k)
    assert radius.tolist() == [1, 2, 3, 4, 5]
    for i, value in zip(radius, S, strict=True):
        assert value == pytest.approx(whole[(length >= i) & (length < i + 1)].mean())


def test_the_spectrum_of_a_poisson_process_is_1():
    S = np.stack([radial_spectrum(uniform(100, seed), 10)[1] for seed in range(200)])
    # At each wave vector |sum|² / n is exponential of mean 1; opposite ones are equal.
    error = S.std(axis=0, ddof=1) / np.sqrt(200)
    assert (np.abs(S.mean(axis=0) - 1) < 5 * error).all()


def test_the_nearest_point_of_a_poisson_process_is_at_half_the_mean_spacing():
    found = [mean_nearest_distance(uniform(200, seed)) for seed in range(100)]
    # Of n points, not of a Poisson number, it is larger by about 3 / 8n, 0.2 %.
    assert np.mean(found) == pytest.approx(0.5, abs=0.001 + 5 * np.std(found) / 10)
    place = 3 * (np.arange(5) + 0.1) / 5
    lattice = np.stack(np.meshgrid(place, place), axis=-1).reshape(-1, 2)
    assert mean_nearest_distance(lattice, window=3.0) == pytest.approx(1)


def test_shifts_round_the_borders_change_nothing():
    points = uniform(50)
    moved = (points + np.array([0.4, 0.7])) % 1
    np.testing.assert_allclose(pair_correlation(moved, EDGES), pair_correlation(points, EDGES))
    np.testing.assert_allclose(power_spectrum(moved, 8), power_spectrum(points, 8), atol=1e-9)
    whole = (points + np.array([12, 40]) / 64) % 1
    assert largest_correlation(points, whole) == pytest.approx(1)


def test_a_copy_is_told_from_another_draw():
    points, other = uniform(100, 0), uniform(100, 1)
    assert largest_correlation(points, points) == pytest.approx(1)
    assert largest_correlation(points, other) < 0.5
    half = np.concatenate([points[:50], other[:50]])
    found = largest_correlation(points, half)
    assert 0.4 < found < 0.8
    assert largest_correlation(3 * points, 3 * half, window=3) == pytest.approx(found)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pair_correlation(uniform(1), EDGES), ValueError, "points must be at least 2, got"),
        (lambda: pair_correlation(uniform(5) + 1, EDGES), ValueError, "lie in the window"),
        (lambda: pair_correlation(uniform(5), [0, 0.6]), ValueError, "at most 0.5, got 0.6"),
        (lambda: pair_correlation(uniform(5), [0.1, 0.1]), ValueError, "two distances that ascend"),
        (lambda: power_spectrum(uniform(5), 0), ValueError, "highest must be at least 1, got 0"),
        (lambda: radial_spectrum(uniform(5), 1), ValueError, "highest must be at least 2, got 1"),
        (
            lambda: largest_correlation(uniform(5), uniform(5) - 1),
            ValueError,
            "other must lie in the window",
        ),
    ],
)
def test_what_has_no_statistics_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
