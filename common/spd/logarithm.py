"""Matrix logarithm and exponential on stacks, and symmetric matrices as vectors."""

import math
from functools import lru_cache

import array_api_compat
import numpy as np
from array_api_compat import is_torch_array

from common.spd._checks import check_eigenvalues, check_finite, check_stack, floating, namespace

__all__ = [
    "exp_matrices",
    "exp_vectors",
    "log_matrices",
    "log_vectors",
    "symmetric_matrices",
    "symmetric_vectors",
]

# Where logarithms are computed together: for fewer matrices, loading what was compiled takes
# longer than LAPACK, and larger ones keep LAPACK busy.
_FEWEST = 64
_LARGEST = 64


def log_vectors(matrices):
    r"""Logarithms of positive definite matrices, as vectors.

    The vector holds the upper triangle of the matrix row by row, its entries off the diagonal times
    :math:`\sqrt 2`, so that dot products of vectors are Frobenius products of matrices and
    Euclidean distances are log-Euclidean distances.

    Parameters
    ----------
    matrices : ndarray or Tensor, shape (..., n_channels, n_channels)
        Symmetric positive definite.

    Returns
    -------
    vectors : ndarray or Tensor, shape (..., n_channels * (n_channels + 1) / 2)
        Of the same type. A tensor can be differentiated once, also where eigenvalues coincide.

    Raises
    ------
    ValueError
        If a matrix is not symmetric positive definite or not finite.

    See Also
    --------
    exp_vectors : Inverse.

    Examples
    --------
    >>> log_vectors(np.diag([1.0, np.e])).tolist()
    [0.0, 0.0, 1.0]
    """
    _, matrices = check_stack(matrices, name="matrices")
    return log_vectors_of(matrices, name="matrices")


def exp_vectors(vectors):
    """Positive definite matrices from the vectors of their logarithms: inverse of `log_vectors`.

    Parameters
    ----------
    vectors : ndarray or Tensor, shape (..., n_channels * (n_channels + 1) / 2)

    Returns
    -------
    matrices : ndarray or Tensor, shape (..., n_channels, n_channels)
    """
    return _spectral(symmetric_matrices(vectors), "exp", name="vectors")


def log_matrices(matrices):
    """Logarithms of positive definite matrices; see `log_vectors`.

    Parameters
    ----------
    matrices : ndarray or Tensor, shape (..., n_channels, n_channels)

    Returns
    -------
    logarithms : ndarray or Tensor, shape (..., n_channels, n_channels)
    """
    _, matrices = check_stack(matrices, name="matrices")
    return _spectral(matrices, "log", name="matrices")


def exp_matrices(matrices):
    """Exponentials of symmetric matrices.

    Parameters
    ----------
    matrices : ndarray or Tensor, shape (..., n_channels, n_channels)
        Symmetric.

    Returns
    -------
    exponentials : ndarray or Tensor, shape (..., n_channels, n_channels)
        Symmetric positive definite. A tensor can be differentiated once, also where eigenvalues
        coincide, for example at zero.
    """
    _, matrices = check_stack(matrices, name="matrices")
    return _spectral(matrices, "exp", name="matrices")


def symmetric_vectors(matrices):
    r"""Vectors of the symmetric parts :math:`(S + S^\top) / 2` of matrices.

    Upper triangle row by row, off the diagonal times :math:`\sqrt 2`: an isometry between symmetric
    matrices with the Frobenius norm and vectors.

    Parameters
    ----------
    matrices : ndarray or Tensor, shape (..., n_channels, n_channels)

    Returns
    -------
    vectors : ndarray or Tensor, shape (..., n_channels * (n_channels + 1) / 2)

    Raises
    ------
    ValueError
        If matrices are not square, or values are masked or no real numbers.

    See Also
    --------
    symmetric_matrices : Inverse on symmetric matrices.

    Examples
    --------
    >>> symmetric_vectors(np.array([[1.0, 2.0], [2.0, 3.0]])).round(3).tolist()
    [1.0, 2.828, 3.0]
    """
    xp, matrices = namespace(matrices=matrices), floating(matrices, name="matrices")
    shape = tuple(matrices.shape)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"matrices must have shape (..., n_channels, n_channels), got {shape}.")
    return _upper_triangle((matrices + xp.matrix_transpose(matrices)) / 2)


def symmetric_matrices(vectors):
    """Symmetric matrices from their vectors: inverse of `symmetric_vectors`.

    Parameters
    ----------
    vectors : ndarray or Tensor, shape (..., n_channels * (n_channels + 1) / 2)

    Returns
    -------
    matrices : ndarray or Tensor, shape (..., n_channels, n_channels)

    Raises
    ------
    ValueError
        If the length of the vectors is not of the form d (d + 1) / 2, or a value is masked, not
        finite or no real number.
    """
    xp, vectors = namespace(vectors=vectors), floating(vectors, name="vectors")
    shape = tuple(vectors.shape)
    length = shape[-1] if shape else 0
    d = (math.isqrt(8 * length + 1) - 1) // 2
    if length == 0 or d * (d + 1) // 2 != length:
        raise ValueError(
            "vectors must have shape (..., n_channels * (n_channels + 1) / 2), got "
            f"{shape}: {length} is no such number."
        )
    check_finite(vectors, name="vectors")
    _, scale, position = _layout(d)
    vectors = vectors / _like(scale, vectors)
    full = xp.take(vectors, _like(position, vectors, dtype=xp.int64), axis=-1)
    return xp.reshape(full, (*shape[:-1], d, d))


def log_vectors_of(matrices, *, name):
    """As `log_vectors`, for symmetric matrices that were checked; ``name`` is for errors.

    Parameters
    ----------
    matrices : ndarray or Tensor, shape (..., n_channels, n_channels)
    name : str
        What the message calls them.

    Returns
    -------
    vectors : ndarray or Tensor, shape (..., n_channels * (n_channels + 1) / 2)
    """
    return _upper_triangle(_spectral(matrices, "log", name=name))


def _spectral(matrices, function, *, name):
    """Function ("log" or "exp") of symmetric matrices."""
    if is_torch_array(matrices):
        from common.spd._torch import SpectralFunction  # torch only for who uses it

        return SpectralFunction.apply(matrices, function, name)
    d = matrices.shape[-1]
    if function == "log" and matrices.dtype == np.float64 and 1 < d <= _LARGEST:
        stack = matrices.reshape(-1, d, d)
        if len(stack) >= _FEWEST:
            return _batched_logarithms(stack, name=name, shape=matrices.shape)
    eigenvalues, vectors = np.linalg.eigh(matrices)
    if function == "log":
        check_eigenvalues(eigenvalues, name=name)
    with np.errstate(over="ignore"):
        values = np.log(eigenvalues) if function == "log" else np.exp(eigenvalues)
    if not np.isfinite(values).all():
        raise ValueError(
            f"the exponential of {name} overflows: an eigenvalue is {eigenvalues.max():g}. Are "
            "these logarithms?"
        )
    return (vectors * values[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def _batched_logarithms(stack, *, name, shape):
    """Many together; eigenvectors only of those that are close to singular."""
    from common.spd._batched import logarithms  # numba only for who uses it

    result, found = logarithms(stack)
    if not found.all():
        eigenvalues = np.ones(stack.shape[:-1])
        eigenvalues[~found], vectors = np.linalg.eigh(stack[~found])
        check_eigenvalues(eigenvalues.reshape(shape[:-1]), name=name)
        values = np.log(eigenvalues[~found])
        result[~found] = (vectors * values[:, None, :]) @ np.swapaxes(vectors, -1, -2)
    return result.reshape(shape)


def _upper_triangle(matrices):
    """Vectors of symmetric matrices, reading their upper triangle only."""
    xp = array_api_compat.array_namespace(matrices)
    *lead, d, _ = matrices.shape
    upper, scale, _ = _layout(d)
    flat = xp.reshape(matrices, (*lead, d * d))
    vectors = xp.take(flat, _like(upper, matrices, dtype=xp.int64), axis=-1)
    return vectors * _like(scale, matrices)


@lru_cache(maxsize=32)
def _layout(d):
    """Flat index of the upper triangle, its scale, and the way back to the full matrix."""
    rows, columns = np.triu_indices(d)
    scale = np.where(rows == columns, 1.0, math.sqrt(2.0))
    position = np.empty((d, d), dtype=np.int64)
    position[rows, columns] = position[columns, rows] = np.arange(len(rows))
    arrays = rows * d + columns, scale, position.ravel()
    for array in arrays:
        array.flags.writeable = False
    return arrays


def _like(values, array, *, dtype=None):
    xp = array_api_compat.array_namespace(array)
    device = array_api_compat.device(array)
    return xp.asarray(np.array(values), dtype=dtype or array.dtype, device=device)
