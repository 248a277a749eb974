"""Matrix functions and vectors against scipy, closed forms, and finite differences."""

import re
import subprocess
import sys

import mpmath
import numpy as np
import pytest
import scipy.linalg
import torch

from common.spd import (
    exp_matrices,
    exp_vectors,
    log_matrices,
    log_vectors,
    symmetric_matrices,
    symmetric_vectors,
)


def random_spd(n, d, *, seed, n_times=None):
    """Covariances of white noise: of two samples a channel unless told."""
    G = np.random.default_rng(seed).standard_normal((n, d, n_times or 2 * d))
    return G @ G.transpose(0, 2, 1) / G.shape[2]


def rotated(eigenvalues, *, seed=0):
    """A matrix with these eigenvalues, its eigenvectors, exactly symmetric."""
    Q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(eigenvalues),) * 2))
    M = (Q * eigenvalues) @ Q.T
    return (M + M.T) / 2


def symmetrized(function):
    """For finite differences, which change one entry at a time."""
    return lambda S: function((S + S.mT) / 2)


@pytest.mark.parametrize("n_channels", [1, 2, 5, 20])
def test_logarithm_agrees_with_scipy(n_channels):
    x = random_spd(10, n_channels, seed=n_channels)
    expected = np.stack([scipy.linalg.logm(M) for M in x])
    # Both lose digits in proportion to the condition number, here below 1e4.
    np.testing.assert_allclose(log_matrices(x), expected, atol=1e-11)
    np.testing.assert_allclose(symmetric_matrices(log_vectors(x)), expected, atol=1e-11)


def test_exponential_agrees_with_scipy():
    S = np.random.default_rng(0).standard_normal((10, 6, 6))
    S = 0.3 * (S + S.transpose(0, 2, 1))
    expected = scipy.linalg.expm(S)
    # Eigenvalues of order 1 are known to about eps, and so are their exponentials, relatively.
    np.testing.assert_allclose(exp_matrices(S), expected, rtol=0, atol=1e-13 * expected.max())


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e12])
def test_ill_conditioned_logarithm(condition):
    # A backward stable method knows the smallest eigenvalue up to eps * condition.
    eigenvalues = np.geomspace(1 / condition, 1, 20)
    Q, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))
    expected = (Q * np.log(eigenvalues)) @ Q.T
    error = np.abs(log_matrices(rotated(eigenvalues, seed=1)) - expected).max()
    assert error < 1e-13 + 20 * np.finfo(float).eps * condition


def test_vectors_of_logarithms_and_back():
    x = random_spd(7, 4, seed=0)
    np.testing.assert_allclose(exp_vectors(log_vectors(x)), x, atol=1e-13)
    S = log_matrices(x)
    np.testing.assert_array_equal(symmetric_matrices(symmetric_vectors(S)).shape, S.shape)
    np.testing.assert_allclose(symmetric_matrices(symmetric_vectors(S)), S, rtol=1e-15)


def test_order_of_the_vector_is_the_upper_triangle_by_rows():
    S = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]])
    root = np.sqrt(2)
    expected = [1, 2 * root, 3 * root, 4, 5 * root, 6]
    np.testing.assert_allclose(symmetric_vectors(S), expected, rtol=1e-15)


def test_dot_products_of_vectors_are_frobenius_products():
    rng = np.random.default_rng(0)
    S, R = (G + G.transpose(0, 2, 1) for G in rng.standard_normal((2, 8, 5, 5)))
    expected = np.einsum("kij,kij->k", S, R)
    got = np.einsum("ki,ki->k", symmetric_vectors(S), symmetric_vectors(R))
    np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_only_the_symmetric_part_counts():
    G = np.random.default_rng(0).standard_normal((3, 4, 4))
    got = symmetric_matrices(symmetric_vectors(G))
    np.testing.assert_allclose(got, (G + G.transpose(0, 2, 1)) / 2, rtol=1e-15)


def test_leading_axes_and_integers_are_kept():
    x = random_spd(6, 3, seed=0)
    stacked = log_vectors(x.reshape(2, 3, 3, 3))
    np.testing.assert_array_equal(stacked.reshape(6, 6), log_vectors(x))
    np.testing.assert_allclose(log_vectors(4 * np.eye(2, dtype=int)), [np.log(4), 0, np.log(4)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_and_torch_agree_and_keep_their_precision(dtype):
    x = random_spd(10, 5, seed=0).astype(dtype)
    tolerance = 1e3 * np.finfo(dtype).eps  # condition numbers reach some hundreds
    for function in (log_vectors, log_matrices, symmetric_vectors):
        expected, got = function(x), function(torch.from_numpy(x))
        assert expected.dtype == x.dtype and got.dtype == getattr(torch, dtype)
        np.testing.assert_allclose(got.numpy(), expected, atol=tolerance)
    vectors = log_vectors(x)
    got = exp_vectors(torch.from_numpy(vectors))
    np.testing.assert_allclose(got.numpy(), exp_vectors(vectors), rtol=0, atol=10 * tolerance)


@pytest.mark.parametrize(
    "eigenvalues",
    [[1, 1, 1], [2, 2, 5], [1, 1 + 1e-12, 3], [1e-6, 1, 1e6], [1e-3, 2e-3, 7.0]],
    ids=["identity", "double", "almost double", "wide", "distinct"],
)
def test_gradient_of_the_logarithm(eigenvalues):
    # In direction E: log is the integral of (M + t)^-1 E (M + t)^-1, hence in the basis of M
    # quotients of differences, which are evaluated here with many digits.
    d = len(eigenvalues)
    Q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))
    G = np.random.default_rng(1).standard_normal((d, d))
    G = G + G.T
    quotients = np.empty((d, d))
    for i, a in enumerate(eigenvalues):
        for j, b in enumerate(eigenvalues):
            with mpmath.workdps(60):
                gap = mpmath.mpf(a) - mpmath.mpf(b)
                quotients[i, j] = (mpmath.log(a) - mpmath.log(b)) / gap if gap else 1 / a
    expected = Q @ (quotients * (Q.T @ G @ Q)) @ Q.T
    M = torch.tensor(rotated(np.array(eigenvalues, dtype=float)), requires_grad=True)
    (log_matrices(M) * torch.from_numpy(G)).sum().backward()
    # Eigenvectors are known up to eps times the condition number.
    tolerance = 1e-13 * eigenvalues[-1] / eigenvalues[0] * np.abs(expected).max()
    np.testing.assert_allclose(M.grad.numpy(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("function", [log_matrices, log_vectors])
@pytest.mark.parametrize("matrix", [np.eye(3), rotated(np.array([0.5, 0.5, 2.0]))])
def test_gradient_of_the_logarithm_against_finite_differences(function, matrix):
    M = torch.tensor(matrix[None], requires_grad=True)
    assert torch.autograd.gradcheck(symmetrized(function), (M,))


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), rotated(np.array([-1.0, 2.0, 2.0]))])
def test_gradient_of_the_exponential_against_finite_differences(matrix):
    S = torch.tensor(matrix[None], requires_grad=True)
    assert torch.autograd.gradcheck(symmetrized(exp_matrices), (S,))


def test_exponential_undoes_the_derivative_of_the_logarithm():
    x = torch.from_numpy(random_spd(4, 5, seed=2)).requires_grad_()
    weights = torch.randn(4, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = weights + weights.mT
    (exp_matrices(log_matrices(x)) * weights).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), weights.numpy(), rtol=0, atol=1e-11)


def test_gradients_are_symmetric():
    for function in (log_vectors, symmetric_vectors):
        x = torch.from_numpy(random_spd(3, 4, seed=0)).requires_grad_()
        (function(x) ** 3).sum().backward()
        np.testing.assert_allclose(x.grad, x.grad.mT, rtol=1e-12)


def test_a_second_derivative_is_refused():
    M = torch.eye(2, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad((log_vectors(M) ** 2).sum(), M, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_arrays_of_numpy_do_not_import_torch_or_pot():
    code = (
        "import sys, numpy as np\n"
        "from common import spd\n"
        "x = np.eye(2) * np.arange(1.0, 6)[:, None, None]\n"
        "spd.log_vectors(x)\n"
        "for distance in (spd.spdsw, spd.logsw, spd.sw, spd.hspdsw):\n"
        "    distance(x, x, rng=np.random.default_rng(0))\n"
        "print(sorted({'torch', 'ot'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


NOT_SYMMETRIC = np.stack([np.eye(3), np.array([[1, 0.5, 0], [0.2, 1, 0], [0, 0, 1.0]])])
INDEFINITE = np.stack([np.eye(2), np.diag([3.0, -0.25])])
WITH_NAN = np.stack([np.eye(2), np.full((2, 2), np.nan)])


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        (np.ones(4), r"shape \(\.\.\., n_channels, n_channels\), got \(4,\)"),
        (np.ones((5, 3, 2)), r"got \(5, 3, 2\)"),
        (np.ones((0, 3, 3)), r"empty: its shape is \(0, 3, 3\)"),
        (NOT_SYMMETRIC, r"matrices\[1\] is not symmetric.*differ by 0\.3"),
        (INDEFINITE, r"matrices\[1\] is not positive definite.*-0\.25 to 3.*shrinkage"),
        (np.zeros((1, 2, 2)), r"matrices\[0\] is not positive definite"),
        (WITH_NAN, r"matrices\[1, 0, 0\] is nan \(4 of 8"),
        (np.diag([1.0, np.inf]), r"matrices\[1, 1\] is inf"),
        (np.eye(2, dtype=complex), "float64 or float32 numbers, got complex128"),
        (np.eye(2, dtype=np.float16), "got float16"),
        ([[1.0]], "must be a numpy array or a torch tensor, got list"),
        (np.ma.masked_equal(2 * np.eye(2), 2), r"matrices is a masked array .* index \(0, 0\)"),
    ],
)
def test_bad_matrices(matrices, message):
    with pytest.raises(ValueError, match=message):
        log_vectors(matrices)
    if isinstance(matrices, np.ndarray) and not np.ma.is_masked(matrices):
        message = re.sub(r"got (complex|float)", r"got torch.\1", message)
        with pytest.raises(ValueError, match=message):
            log_vectors(torch.from_numpy(matrices))


def test_singular_covariances_are_not_positive_definite():
    # Fewer samples than channels: eigenvalues that are zero come out as rounding of either sign.
    x = random_spd(1, 6, seed=0, n_times=3)
    with pytest.raises(ValueError, match=r"matrices\[0\] is not positive definite in this prec"):
        log_vectors(x)
    assert np.isfinite(log_vectors(x + 1e-10 * np.eye(6))).all()


def test_a_little_asymmetry_from_rounding_is_accepted():
    x = random_spd(1, 5, seed=0)
    x[0, 0, 1] *= 1 + 1e-12
    assert np.isfinite(log_vectors(x)).all()


@pytest.mark.parametrize("length", [0, 2, 4, 5])
def test_bad_length_of_a_vector(length):
    with pytest.raises(ValueError, match=rf"\(3, {length}\): {length} is no such number"):
        symmetric_matrices(np.ones((3, length)))


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_whole_numbers_are_vectors_in_double_precision(convert):
    whole = np.array([[1, 2, 3], [4, 5, 6]])
    for function, values in ((symmetric_matrices, whole), (symmetric_vectors, whole[:, :2])):
        got = np.asarray(function(convert(values)))
        np.testing.assert_array_equal(got, function(values.astype(float)))
        assert got.dtype == np.float64


@pytest.mark.parametrize("function", [exp_matrices, lambda x: exp_vectors(symmetric_vectors(x))])
def test_an_exponential_that_overflows_is_refused(function):
    with pytest.raises(ValueError, match=r"overflows: an eigenvalue is 800\. Are these logarithms"):
        function(np.diag([800.0, 1.0]))


@pytest.mark.parametrize("function", [symmetric_vectors, symmetric_matrices, exp_vectors])
def test_vectors_hold_real_numbers_none_of_them_masked(function):
    values = np.zeros((3, 3))
    with pytest.raises(ValueError, match="must hold float64 or float32 numbers, got complex128"):
        function(values + 1j)
    with pytest.raises(ValueError, match="is a masked array with 9 masked values"):
        function(np.ma.masked_equal(values, 0))


def test_vectors_need_square_matrices():
    with pytest.raises(ValueError, match=r"got \(2, 3\)"):
        symmetric_vectors(np.ones((2, 3)))


def test_vectors_of_matrices_are_finite():
    with pytest.raises(ValueError, match=r"vectors\[0, 2\] is nan; vectors must be finite"):
        symmetric_matrices(np.array([[1.0, 0.0, np.nan]]))
