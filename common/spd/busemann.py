"""Coordinates of matrices along geodesics of the affine-invariant geometry."""

import array_api_compat
import numpy as np
from array_api_compat import is_torch_array

from common.spd._checks import (
    as_array,
    check_eigenvalues,
    check_finite,
    check_stack,
    floating,
    to_numpy,
)
from common.spd._elimination import eliminate

__all__ = ["busemann_coordinates"]


def busemann_coordinates(matrices, theta, P):
    r"""Coordinates of matrices along geodesics of the affine-invariant geometry.

    With L unit lower triangular and D diagonal in :math:`P^\top M P = L D L^\top`,

    .. math:: t(M) = \sum_i \theta_i \log D_{ii}.

    Up to its sign this is the Busemann function of the geodesic through the identity in direction
    :math:`P \operatorname{diag}(\theta) P^\top`, if :math:`\theta` ascends. :math:`D_{ii}` is the
    squared diagonal of the Cholesky factor of :math:`P^\top M P`, and the quotient of its leading
    principal minors of order i and i - 1. The order of the rows matters: no pivoting.

    Rotations are products of large matrices, and the rotated matrices are eliminated together,
    entry by entry. Beyond input and output, memory does not grow with the number of pairs.

    Parameters
    ----------
    matrices : ndarray or Tensor, shape (n_matrices, n_channels, n_channels)
        Symmetric positive definite.
    theta : array, shape (n_projections, n_channels)
        Each row ascending.
    P : array, shape (n_projections, n_channels, n_channels)
        Orthogonal.

    Returns
    -------
    coordinates : ndarray or Tensor, shape (n_projections, n_matrices)
        A tensor can be differentiated once, with respect to the matrices.

    Raises
    ------
    ValueError
        If a matrix is not symmetric positive definite or not finite, a row of ``theta`` does not
        ascend, a matrix of ``P`` is not orthogonal to half of the digits, shapes do not fit, or
        values are masked or no real numbers.

    See Also
    --------
    common.spd.directions.flag_directions : Draws ``theta`` and ``P``.

    References
    ----------
    .. [1] C. Bonet et al., "Sliced-Wasserstein on Symmetric Positive Definite Matrices for M/EEG
       Signals", ICML 2023, arXiv:2303.05798. There :math:`\theta` descends and the factors are
       upper triangular; reversing the order of the columns of P turns one into the other.

    Examples
    --------
    >>> import numpy as np
    >>> M = np.diag([1.0, np.e])[None]
    >>> busemann_coordinates(M, np.array([[0.0, 1.0]]), np.eye(2)[None]).tolist()
    [[1.0]]
    """
    _, matrices = check_stack(matrices, name="matrices", n_dims=3)
    theta, P = floating(theta, name="theta"), floating(P, name="P")
    d = matrices.shape[-1]
    shapes = tuple(theta.shape), tuple(P.shape)
    if shapes != ((len(theta), d), (len(theta), d, d)) or not len(theta):
        raise ValueError(
            f"theta and P must have shapes (n_projections, {d}) and (n_projections, {d}, {d}), "
            f"got {shapes[0]} and {shapes[1]}."
        )
    _check_flags(to_numpy(theta), to_numpy(P))
    return coordinates_of(with_inverses(matrices, name="matrices"), theta, P)


def _check_flags(theta, P):
    check_finite(theta, name="theta")
    falls = np.argwhere(np.diff(theta) < 0)
    if len(falls):
        line, at = (int(index) for index in falls[0])
        raise ValueError(
            f"each row of theta must ascend, but in row {line} {theta[line, at + 1]:g} follows "
            f"{theta[line, at]:g}. Sort it, and the columns of P in the same way."
        )
    check_finite(P, name="P")
    away = np.abs(P.swapaxes(-1, -2) @ P - np.eye(P.shape[-1])).max(axis=(1, 2))
    # Half of the digits: products of rotations in single precision are orthogonal, too.
    if len(bad := np.flatnonzero(away > np.sqrt(np.finfo(np.float32).eps))):
        raise ValueError(
            f"P must hold orthogonal matrices, but P[{bad[0]}]^T P[{bad[0]}] is {away[bad[0]]:.2g} "
            "from the identity. Take the Q of its QR decomposition."
        )


def with_inverses(matrices, *, name):
    """Matrices beside their inverses, (n, 2, d, d), after a check that they are definite.

    Parameters
    ----------
    matrices : ndarray or Tensor, shape (n_matrices, n_channels, n_channels)
    name : str
        What the message calls them.

    Returns
    -------
    pairs : ndarray or Tensor, shape (n_matrices, 2, n_channels, n_channels)
        Without gradient through the inverses.

    Raises
    ------
    ValueError
        If a matrix is not positive definite.
    """
    xp = array_api_compat.array_namespace(matrices)
    fixed = matrices.detach() if is_torch_array(matrices) else matrices
    # Through eigenvectors, because that gives the inverse of a matrix that differs by rounding.
    eigenvalues, vectors = xp.linalg.eigh(fixed)
    check_eigenvalues(eigenvalues, name=name)
    inverses = (vectors / eigenvalues[:, None, :]) @ xp.matrix_transpose(vectors)
    return xp.stack([matrices, inverses], axis=1)


def coordinates_of(pairs, theta, P):
    """As `busemann_coordinates`, from what `with_inverses` gives.

    Parameters
    ----------
    pairs : ndarray or Tensor, shape (n_matrices, 2, n_channels, n_channels)
    theta, P
        As in `busemann_coordinates`.

    Returns
    -------
    coordinates : ndarray or Tensor, shape (n_projections, n_matrices)
    """
    theta, P = as_array(theta, like=pairs), as_array(P, like=pairs)
    if is_torch_array(pairs):
        from common.spd._torch import BusemannFunction  # torch only for who uses it

        return BusemannFunction.apply(pairs, theta, P)
    return eliminate(pairs, theta, P)
