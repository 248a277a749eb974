"""Random directions along which sets of matrices are projected."""

import numpy as np

from common.spd._checks import check_count, check_rng
from common.spd.logarithm import symmetric_vectors

__all__ = ["flag_directions", "haar_orthogonal", "spd_directions"]


def spd_directions(n_projections, n_channels, *, rng, kind="spd"):
    r"""Directions in the space of symmetric matrices, as vectors.

    ``"spd"``: :math:`A = P \operatorname{diag}(\theta) P^\top` with :math:`\theta` uniform on the
    sphere and :math:`P` uniform (Haar) on the orthogonal matrices, so :math:`\|A\|_F = 1`.

    ``"log"``: :math:`A = G / \|G\|_F` with :math:`G` Gaussian and *not* symmetric. Only its
    symmetric part matters in :math:`\langle A, S \rangle_F` with :math:`S` symmetric, and that is
    what is returned; its norm is below one.

    Parameters
    ----------
    n_projections, n_channels : int
    rng : numpy.random.Generator
    kind : {"spd", "log"}, default="spd"

    Returns
    -------
    directions : ndarray, shape (n_projections, n_channels * (n_channels + 1) / 2)
        In the order of `symmetric_vectors`: ``directions @ log_vectors(x).T`` holds the
        coordinates of the matrices ``x``.

    Raises
    ------
    ValueError
        If a number is below 1 or ``kind`` is unknown.

    References
    ----------
    .. [1] C. Bonet et al., "Sliced-Wasserstein on Symmetric Positive Definite Matrices for M/EEG
       Signals", ICML 2023, arXiv:2303.05798.
    """
    check_count(n_projections, name="n_projections")
    check_count(n_channels, name="n_channels")
    check_rng(rng)
    if kind == "spd":
        theta = _unit_vectors(n_projections, n_channels, rng=rng)
        P = haar_orthogonal(n_projections, n_channels, rng=rng)
        return symmetric_vectors((P * theta[:, None, :]) @ P.transpose(0, 2, 1))
    if kind == "log":
        G = _unit_vectors(n_projections, n_channels**2, rng=rng)
        return symmetric_vectors(G.reshape(n_projections, n_channels, n_channels))
    raise ValueError(f'kind must be "spd" or "log", got {kind!r}.')


def flag_directions(n_projections, n_channels, *, rng):
    r"""Directions of the affine-invariant geometry, where the order of eigenvalues matters.

    Parameters
    ----------
    n_projections, n_channels : int
    rng : numpy.random.Generator

    Returns
    -------
    theta : ndarray, shape (n_projections, n_channels)
        Uniform on the sphere, then sorted ascending.
    P : ndarray, shape (n_projections, n_channels, n_channels)
        Uniform (Haar) on the orthogonal matrices.
    """
    check_count(n_projections, name="n_projections")
    check_count(n_channels, name="n_channels")
    check_rng(rng)
    theta = np.sort(_unit_vectors(n_projections, n_channels, rng=rng), axis=1)
    return theta, haar_orthogonal(n_projections, n_channels, rng=rng)


def haar_orthogonal(n_matrices, n_channels, *, rng):
    """Orthogonal matrices drawn from the Haar measure.

    Parameters
    ----------
    n_matrices, n_channels : int
    rng : numpy.random.Generator

    Returns
    -------
    P : ndarray, shape (n_matrices, n_channels, n_channels)

    Raises
    ------
    ValueError
        If a number is no whole number of at least 1, or ``rng`` is no generator.
    """
    check_rng(rng)
    check_count(n_matrices, name="n_matrices")
    check_count(n_channels, name="n_channels")
    Q, R = np.linalg.qr(rng.standard_normal((n_matrices, n_channels, n_channels)))
    # LAPACK fixes no sign for the diagonal of R, so Q alone is not Haar-distributed.
    return Q * np.copysign(1.0, np.diagonal(R, axis1=1, axis2=2))[:, None, :]


def _unit_vectors(n_vectors, length, *, rng):
    vectors = rng.standard_normal((n_vectors, length))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
