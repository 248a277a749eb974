"""Laws of the random directions."""

import numpy as np
import pytest
import scipy.stats

from common.spd import (
    draw_projections,
    flag_directions,
    haar_orthogonal,
    spd_directions,
    symmetric_matrices,
)

N = 20_000


def five_errors(sample):
    """Five standard errors of means over the first axis: of 100 of them none is that far off."""
    return 5 * sample.std(axis=0) / np.sqrt(len(sample))


@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_matrices_are_orthogonal(n_channels):
    P = haar_orthogonal(50, n_channels, rng=np.random.default_rng(0))
    eye = np.broadcast_to(np.eye(n_channels), P.shape)
    np.testing.assert_allclose(P @ P.transpose(0, 2, 1), eye, atol=1e-14)


@pytest.mark.parametrize(("n", "d"), [(-1, 3), (2, 1.5), (2, 0)])
def test_numbers_of_matrices_are_checked(n, d):
    with pytest.raises(ValueError, match=r"n_(matrices|channels) must be an integer of at least 1"):
        haar_orthogonal(n, d, rng=np.random.default_rng(0))


def test_haar_moments():
    # Entries have mean 0, variance 1/d, and are uncorrelated. Without the signs of R, the diagonal
    # would have a mean: LAPACK's reflections make R negative there.
    d = 3
    P = haar_orthogonal(N, d, rng=np.random.default_rng(0)).reshape(N, -1)
    assert (abs(P.mean(axis=0)) < five_errors(P)).all()
    products = P[:, :, None] * P[:, None, :]
    # Up to rounding, rows and columns have unit norm, and a few sums of products are constant.
    assert (abs(products.mean(axis=0) - np.eye(d * d) / d) < five_errors(products) + 1e-12).all()


def test_haar_agrees_with_scipy():
    # The law of each entry and of the trace, which depends on all of them.
    ours = haar_orthogonal(4000, 4, rng=np.random.default_rng(0))
    theirs = scipy.stats.ortho_group.rvs(4, size=4000, random_state=np.random.default_rng(1))
    statistics = [lambda P: np.trace(P, axis1=1, axis2=2)]
    statistics += [lambda P, i=i, j=j: P[:, i, j] for i in range(4) for j in range(4)]
    p_values = [scipy.stats.ks_2samp(f(ours), f(theirs)).pvalue for f in statistics]
    assert min(p_values) > 0.01 / len(p_values)  # Bonferroni at one per cent
    assert abs((np.linalg.det(ours) > 0).mean() - 0.5) < 5 * 0.5 / np.sqrt(4000)


@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_spd_directions_have_unit_norm(n_channels):
    directions = spd_directions(100, n_channels, rng=np.random.default_rng(0))
    assert directions.shape == (100, n_channels * (n_channels + 1) // 2)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-14)


def test_one_channel_has_two_directions():
    for kind in ("spd", "log"):
        directions = spd_directions(200, 1, rng=np.random.default_rng(0), kind=kind)
        assert set(directions.ravel().tolist()) == {-1.0, 1.0}


def test_eigenvalues_are_uniform_on_the_sphere():
    # Then the sum of the fourth powers has mean 3 / (d + 2), and the trace variance 1.
    d = 4
    A = symmetric_matrices(spd_directions(N, d, rng=np.random.default_rng(0)))
    theta = np.linalg.eigvalsh(A)
    fourth, trace = (theta**4).sum(axis=1), theta.sum(axis=1)
    assert abs(fourth.mean() - 3 / (d + 2)) < five_errors(fourth)
    assert abs(trace.mean()) < five_errors(trace)
    assert abs((trace**2).mean() - 1) < five_errors(trace**2)


def test_second_moments_of_both_kinds():
    # E <A, S>^2 for symmetric S: (2 |S|^2 + (tr S)^2) / (d (d + 2)), and |S|^2 / d^2.
    d = 3
    S = np.array([[1.0, 0.5, 0], [0.5, -2, 0.3], [0, 0.3, 0.4]])
    norm, trace = np.sum(S**2), np.trace(S)
    for kind, expected in (
        ("spd", (2 * norm + trace**2) / (d * (d + 2))),
        ("log", norm / d**2),
    ):
        directions = spd_directions(N, d, rng=np.random.default_rng(0), kind=kind)
        squares = np.einsum("lij,ij->l", symmetric_matrices(directions), S) ** 2
        assert abs(squares.mean() - expected) < five_errors(squares)


def test_flags_ascend():
    theta, P = flag_directions(100, 5, rng=np.random.default_rng(0))
    assert theta.shape == (100, 5) and P.shape == (100, 5, 5)
    assert (np.diff(theta, axis=1) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(theta, axis=1), 1, rtol=1e-14)


def test_same_state_same_directions():
    for draw in (spd_directions, flag_directions):
        a, b = (draw(10, 3, rng=np.random.default_rng(4)) for _ in range(2))
        np.testing.assert_equal(a, b)


def test_bad_options():
    rng = np.random.default_rng(0)
    for draw in (spd_directions, flag_directions):
        with pytest.raises(ValueError, match=r"n_projections must be an integer of at least 1.* 0"):
            draw(0, 3, rng=rng)
        with pytest.raises(ValueError, match=r"n_channels .* got 2\.0"):
            draw(1, 2.0, rng=rng)
        with pytest.raises(ValueError, match=r"rng must be a numpy\.random\.Generator, got 3"):
            draw(1, 2, rng=3)
    with pytest.raises(ValueError, match=r"rng must be a numpy\.random\.Generator, got 0"):
        haar_orthogonal(1, 2, rng=0)
    with pytest.raises(ValueError, match=r"kind must be .* got 'wigner'"):
        spd_directions(1, 2, rng=rng, kind="wigner")
    with pytest.raises(ValueError, match=r"distance must be one of \['spdsw'.* got 'lew'"):
        draw_projections("lew", 1, 2, rng=rng)
