"""Busemann coordinates against leading minors, limits of distances, and finite differences."""

import mpmath
import numpy as np
import pytest
import torch

from common.spd import _elimination, busemann, busemann_coordinates, flag_directions


def wishart(n, d, *, seed, df=None):
    G = np.random.default_rng(seed).standard_normal((n, d, df or d))
    return G @ G.transpose(0, 2, 1)


def lines(n_projections, d, *, seed=0):
    return flag_directions(n_projections, d, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("n_channels", [1, 2, 5, 9])
def test_coordinates_are_ratios_of_leading_minors(n_channels):
    # As many samples as channels: ill-conditioned, where pivoting would reorder rows most often.
    x = wishart(60, n_channels, seed=0)
    theta, P = lines(20, n_channels)
    rotated = P.transpose(0, 2, 1)[:, None] @ x @ P[:, None]
    minors = [np.linalg.slogdet(rotated[..., :k, :k])[1] for k in range(1, n_channels + 1)]
    log_pivots = np.diff(minors, axis=0, prepend=0)
    expected = np.einsum("li,iln->ln", theta, log_pivots)
    # Both know a pivot up to rounding times the condition number.
    tolerance = 1e-12 + 10 * np.finfo(float).eps * np.linalg.cond(x)
    assert (abs(busemann_coordinates(x, theta, P) - expected) < tolerance).all()


def test_coordinates_are_limits_of_distances():
    # The Busemann function d(M, exp(s A)) - s for s to infinity, of which we take the negative. The
    # far point overflows doubles, so 400 digits.
    x = wishart(3, 3, seed=1, df=9)
    theta = np.array([[-0.7, 0.1, 0.7]]) / np.sqrt(0.99)
    _, P = lines(1, 3)

    def distance(M, s):
        with mpmath.workdps(400):
            M, Q = mpmath.matrix(M.tolist()), mpmath.matrix(P[0].tolist())
            far = Q * mpmath.diag([mpmath.exp(s * t) for t in theta[0].tolist()]) * Q.T
            factor = mpmath.cholesky(M) ** -1
            eigenvalues = mpmath.eigsy(factor * far * factor.T, eigvals_only=True)
            return float(mpmath.norm([mpmath.log(value) for value in eigenvalues]) - s)

    # The rest decays like c / s: two points extrapolate it away and leave some c / s^2.
    limits = [2 * distance(M, 200) - distance(M, 100) for M in x]
    np.testing.assert_allclose(-busemann_coordinates(x, theta, P)[0], limits, atol=1e-3)


def test_commuting_matrices_have_log_euclidean_coordinates():
    _, P = lines(1, 4)
    theta = np.sort(np.random.default_rng(0).standard_normal((1, 4)))
    logs = np.random.default_rng(1).standard_normal((6, 4))
    x = (P * np.exp(logs)[:, None, :]) @ P.transpose(0, 2, 1)
    np.testing.assert_allclose(busemann_coordinates(x, theta, P)[0], logs @ theta[0], atol=1e-12)


def test_a_congruence_carries_lines_to_lines():
    x = wishart(10, 4, seed=0, df=8)
    theta, P = lines(7, 4)
    W = np.random.default_rng(1).standard_normal((4, 4))
    Q, R = np.linalg.qr(W.T @ P)  # P^T W = R^T Q^T
    shift = 2 * (theta * np.log(abs(np.diagonal(R, axis1=1, axis2=2)))).sum(axis=1)
    expected = busemann_coordinates(x, theta, Q) + shift[:, None]
    np.testing.assert_allclose(busemann_coordinates(W @ x @ W.T, theta, P), expected, atol=1e-11)


@pytest.mark.parametrize(("n", "n_projections"), [(1, 1), (3, 700), (1100, 3), (512, 2)])
def test_blocks_do_not_matter(n, n_projections):
    # More than a block holds of either, and odd ends.
    x = wishart(n, 3, seed=0, df=6)
    theta, P = lines(n_projections, 3)
    factors = np.linalg.cholesky(P.transpose(0, 2, 1)[:, None] @ x @ P[:, None])
    log_pivots = 2 * np.log(np.diagonal(factors, axis1=2, axis2=3))
    expected = np.einsum("li,lni->ln", theta, log_pivots)
    np.testing.assert_allclose(busemann_coordinates(x, theta, P), expected, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_agrees_with_numpy(dtype):
    x = wishart(9, 4, seed=0, df=12).astype(dtype)
    theta, P = lines(11, 4)
    expected = busemann_coordinates(x, theta, P)
    assert expected.dtype == np.dtype(dtype)
    for tensor in (torch.from_numpy(x), torch.from_numpy(x).requires_grad_()):
        got = busemann_coordinates(tensor, theta, P)
        assert got.dtype == tensor.dtype
        np.testing.assert_allclose(got.detach(), expected, atol=500 * np.finfo(dtype).eps)


def test_gradient_against_finite_differences():
    x = torch.from_numpy(wishart(3, 4, seed=0, df=8)).requires_grad_()
    theta, P = lines(5, 4)
    assert torch.autograd.gradcheck(
        lambda S: busemann_coordinates((S + S.mT) / 2, theta, P), (x,), eps=1e-7
    )
    (busemann_coordinates(x, theta, P) ** 2).sum().backward()
    np.testing.assert_allclose(x.grad, x.grad.mT, atol=1e-10)


def test_gradient_at_the_identity_is_the_direction():
    theta, P = lines(1, 4)
    M = torch.eye(4, dtype=torch.float64)[None].requires_grad_()
    busemann_coordinates(M, theta, P).sum().backward()
    np.testing.assert_allclose(M.grad[0], (P[0] * theta[0]) @ P[0].T, atol=1e-14)


def test_the_input_is_left_as_it_is():
    x = wishart(4, 3, seed=0, df=6)
    before = x.copy()
    busemann_coordinates(x, *lines(2, 3))
    busemann_coordinates(torch.from_numpy(x), *lines(2, 3))
    np.testing.assert_array_equal(x, before)


def test_memory_does_not_grow_with_pairs(peak_memory):
    # 400 matrices by 400 lines: all rotated matrices would take 160 000 x 100 numbers.
    x = wishart(400, 10, seed=0, df=20)
    theta, P = lines(400, 10)
    peak = peak_memory(lambda: busemann_coordinates(x, theta, P))
    assert peak < 8 * (400 * 400 + 2 * x.size + 4 * _elimination._BLOCK["cpu"] * 100)


def test_bad_matrices():
    theta, P = lines(2, 2)
    with pytest.raises(ValueError, match=r"matrices\[1\] is not positive definite"):
        busemann_coordinates(np.stack([np.eye(2), np.diag([1.0, -1])]), theta, P)
    with pytest.raises(ValueError, match=r"single matrix of shape \(2, 2\).*matrices\[None\]"):
        busemann_coordinates(np.eye(2), theta, P)
    with pytest.raises(ValueError, match=r"shapes \(n_projections, 3\).*got \(2, 2\) and"):
        busemann_coordinates(np.eye(3)[None], theta, P)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_a_pivot_that_is_not_positive_is_an_error_rather_than_nan(convert):
    # The check of the eigenvalues comes first; behind it, only rounding can lead here.
    x = np.stack([np.eye(3), np.diag([1.0, 1.0, -1e-3])])
    pairs = convert(np.stack([x, np.linalg.inv(x)], axis=1))
    with pytest.raises(ValueError, match=r"matrix 1 is so close to singular.*shrinkage"):
        busemann.coordinates_of(pairs, *lines(5, 3))


@pytest.mark.parametrize("n_large", [1, 8, 19])
def test_almost_singular_matrices(n_large):
    # Eigenvalues 1 and 1e-15. Leading minors are then sums over all choices of eigenvalues, which
    # the largest product dominates: powers of 1e-15, up to factors of some tens here.
    x = np.diag([1.0] * n_large + [1e-15] * (20 - n_large))[None]
    theta, P = lines(50, 20)
    pivots = np.log([1.0] * n_large + [1e-15] * (20 - n_large))
    got = busemann_coordinates(x, theta, P)[:, 0]
    assert np.isfinite(got).all()
    assert (abs(got - theta @ pivots) < 0.3 * abs(pivots[-1])).all()


def test_what_is_no_direction_of_a_flag_is_refused():
    M, theta, P = np.eye(2)[None], np.array([[0.0, 1.0]]), np.eye(2)[None]
    for wrong, message in (
        ((theta[:, ::-1], P), r"in row 0 0 follows 1\. Sort it, and the columns of P"),
        ((np.array([[0.0, np.nan]]), P), r"theta\[0, 1\] is nan; theta must be finite"),
        ((theta, 2 * P), r"P\[0\]\^T P\[0\] is 3 from the identity\. Take the Q"),
        ((theta, np.full((1, 2, 2), np.nan)), r"P\[0, 0, 0\] is nan; P must be finite"),
        ((theta + 0.5j, P), "theta must hold float64 or float32 numbers, got complex128"),
        ((theta, P + 0j), "P must hold float64 or float32 numbers, got complex128"),
        ((np.ma.masked_equal(theta, 1), P), r"theta is a masked .* at index \(0, 1\)"),
        ((theta, np.ma.masked_equal(P, 0)), "P is a masked array with 2 masked values"),
        ((theta.tolist(), P), "theta must be a numpy array or a torch tensor, got list"),
        ((theta > 0, P), "theta must hold float64 or float32 numbers, got bool"),
    ):
        with pytest.raises(ValueError, match=message):
            busemann_coordinates(M, *wrong)


def test_directions_in_single_precision_are_orthogonal_enough():
    theta, P = flag_directions(50, 8, rng=np.random.default_rng(0))
    M = np.eye(8)[None]
    single = busemann_coordinates(M, theta.astype(np.float32), P.astype(np.float32))
    # Coordinates of the identity are 0; the sum of 8 logarithms of rounded pivots is not.
    np.testing.assert_allclose(single, 0, atol=8 * 8 * np.finfo(np.float32).eps)
