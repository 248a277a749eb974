"""Wasserstein distances between sets of SPD matrices without slicing, through POT."""

import numpy as np
from scipy.spatial.distance import cdist

from common.spd._checks import (
    as_array,
    check_eigenvalues,
    check_pair,
    check_weights,
    root,
    to_numpy,
)
from common.spd.logarithm import log_vectors_of

__all__ = ["aiw", "les", "lew"]

_MOST_PIVOTS = 100_000_000


def lew(x, y, *, x_weights=None, y_weights=None):
    r"""Log-Euclidean 2-Wasserstein distance between sets of SPD matrices (LEW).

    .. math:: \mathrm{LEW}_2^2 = \min_{\pi} \sum_{ij} \pi_{ij} \|\log X_i - \log Y_j\|_F^2

    over transport plans, solved exactly: roughly cubic in the number of matrices.

    Parameters
    ----------
    x : ndarray or Tensor, shape (n, n_channels, n_channels)
    y : ndarray or Tensor, shape (m, n_channels, n_channels)
    x_weights, y_weights : array, shape (n,) and (m,), optional
        Uniform by default.

    Returns
    -------
    distance : float or Tensor of shape ()
        Without unit. The plan is constant almost everywhere, so that the gradient of a tensor is
        that of the sum with the plan held fixed; at distance zero it is zero.

    Raises
    ------
    TypeError
        If weights are no real numbers.
    ValueError
        If ``x`` and ``y`` are no sets of symmetric positive definite matrices of one size, values
        are masked, or weights are negative, all zero or of a wrong number.
    RuntimeError
        If the solver does not reach the optimum.

    See Also
    --------
    common.spd.distances.spdsw : A lower bound, in near-linear time.
    """
    _, x, y, a, b = _check(x, y, x_weights, y_weights)
    u, v = log_vectors_of(x, name="x"), log_vectors_of(y, name="y")
    i, j, mass = _plan(cdist(to_numpy(u), to_numpy(v), "sqeuclidean"), a, b)
    return root(as_array(mass, like=u) @ ((u[i] - v[j]) ** 2).sum(-1), 2)


def aiw(x, y, *, x_weights=None, y_weights=None):
    r"""Affine-invariant 2-Wasserstein distance between sets of SPD matrices (AIW).

    As `lew` with the cost :math:`\|\log X^{-1/2} Y X^{-1/2}\|_F^2`, the sum of the squared
    logarithms of the eigenvalues of :math:`X^{-1} Y`. They take one eigenvalue problem a pair.

    Parameters
    ----------
    x, y, x_weights, y_weights
        See `lew`.

    Returns
    -------
    distance : float or Tensor of shape ()
        Unchanged when all matrices M become :math:`W M W^\top` with W invertible.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `lew`.
    """
    xp, x, y, a, b = _check(x, y, x_weights, y_weights)
    for name, matrices in (("x", x), ("y", y)):
        check_eigenvalues(xp.linalg.eigvalsh(matrices), name=name)
    factors = xp.linalg.inv(xp.linalg.cholesky(x)), xp.linalg.cholesky(y)
    inverses, roots = (to_numpy(factor) for factor in factors)
    i, j, mass = _plan(np.stack([_affine_invariant(one, roots, np) for one in inverses]), a, b)
    costs = _affine_invariant(factors[0][i], factors[1][j], xp)
    return root(as_array(mass, like=x) @ costs, 2)


def les(x, y, *, reg=1.0, max_iter=10_000, tol=1e-10, x_weights=None, y_weights=None):
    r"""Log-Euclidean Sinkhorn distance between sets of SPD matrices (LES).

    The cost of `lew` under the plan that minimises
    :math:`\sum_{ij} \pi_{ij} c_{ij} + \mathrm{reg} \sum_{ij} \pi_{ij} \log \pi_{ij}`; the entropy
    itself is not counted. It is above `lew`, tends to it with ``reg``, and is positive between
    equal sets.

    Parameters
    ----------
    x, y, x_weights, y_weights
        See `lew`.
    reg : float, default=1.0
        In the unit of the cost, that of a squared logarithm.
    max_iter : int, default=10000
    tol : float, default=1e-10
        Largest error of the marginals.

    Returns
    -------
    distance : float or Tensor of shape ()
        Tensors can be differentiated, through all iterations.

    Warns
    -----
    UserWarning
        If ``max_iter`` iterations do not reach ``tol``.

    Raises
    ------
    TypeError, ValueError
        As `lew`, or if ``reg`` is not positive.

    References
    ----------
    .. [1] M. Cuturi, "Sinkhorn Distances: Lightspeed Computation of Optimal Transport", NIPS 2013,
       arXiv:1306.0895.
    """
    import ot  # imports torch where it is installed

    _, x, y, a, b = _check(x, y, x_weights, y_weights)
    if not 0 < reg < np.inf:
        raise ValueError(f"reg must be positive and finite, got {reg}; for reg = 0 call lew.")
    u, v = log_vectors_of(x, name="x"), log_vectors_of(y, name="y")
    costs = ot.dist(u, v, metric="sqeuclidean")
    # Constants on rows and columns do not change the plan. Without them exp(-cost / reg) is 1
    # somewhere in each, and seldom underflows; the plain iteration is several times faster.
    fixed = to_numpy(costs)
    rows = fixed.min(axis=1, keepdims=True)
    columns = (fixed - rows).min(axis=0, keepdims=True)
    plain = (fixed - rows - columns).max() <= _most_exponent(fixed.dtype) * reg
    plan = ot.sinkhorn(
        as_array(a, like=u),
        as_array(b, like=u),
        costs - as_array(rows, like=u) - as_array(columns, like=u),
        reg,
        method="sinkhorn" if plain else "sinkhorn_log",
        numItermax=max_iter,
        stopThr=tol,
    )
    return root((plan * costs).sum(), 2)


def _check(x, y, x_weights, y_weights):
    """Sets of one size and their weights, without the matrices whose weight is zero."""
    xp, *sets = check_pair(x, y)
    weights = []
    for k, (name, values) in enumerate((("x_weights", x_weights), ("y_weights", y_weights))):
        n = len(sets[k])
        values = check_weights(values, name=name, n_samples=n)
        values = np.full(n, 1 / n) if values is None else values
        if not values.all():
            sets[k], values = sets[k][np.flatnonzero(values)], values[values > 0]
        weights.append(values)
    return xp, *sets, *weights


def _plan(costs, a, b):
    """Optimal plan as the indices and masses of its entries that are not zero."""
    import ot  # imports torch where it is installed

    plan, log = ot.emd(a, b, costs.astype(np.float64), numItermax=_MOST_PIVOTS, log=True)
    if log["warning"]:
        raise RuntimeError(f"optimal transport was not solved: {log['warning']}")
    i, j = np.nonzero(plan)
    return i, j, plan[i, j]


def _affine_invariant(inverse, factor, xp):
    """Squared distances from the inverse Cholesky factor of X and the Cholesky factor of Y.

    The eigenvalues of X^-1 Y are the squared singular values of the product of the two, which keeps
    twice the digits, and the sign, when matrices are ill-conditioned.
    """
    return xp.sum((2 * xp.log(xp.linalg.svdvals(inverse @ factor))) ** 2, axis=-1)


def _most_exponent(dtype):
    """Up to where exp(-x) is a normal number, with some room for sums of such."""
    return -0.85 * np.log(np.finfo(dtype).smallest_normal)
