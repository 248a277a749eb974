"""Covariances of one session or subject (source) moved onto those of another (target).

`common.spd.aligners` has the same with the methods of scikit-learn.
"""

import numpy as np
import scipy.linalg

from common.spd._alignment_losses import make_loss
from common.spd._checks import check_count, check_pair, to_numpy
from common.spd.logarithm import exp_vectors, log_vectors_of, symmetric_matrices, symmetric_vectors

__all__ = ["align_particles", "align_transformation"]

_PARTICLE_LR = {"spdsw": 3.5, "logsw": 3.5, "les": 3.5e-3, "lew": 3.5e-3}
_GROWTH = 10  # of the loss over its first value, that no step size that converges shows
_TRANSFORMATION_LR = {"spdsw": 0.1, "logsw": 0.1, "les": 1e-3, "lew": 1e-3}


# Overflow of diverging steps is caught by `_check_finite`.
@np.errstate(over="ignore", invalid="ignore")
def align_particles(
    source, target, *, rng=None, loss="spdsw", n_projections=500, n_steps=500, lr=None, reg=10.0
):
    r"""Move each source matrix so that the set approaches the target's distribution.

    The log-Euclidean metric is the one that makes the logarithm an isometry from SPD matrices to
    symmetric matrices with the Frobenius product: :math:`g_X(U, V) = \langle D_X\log[U],
    D_X\log[V] \rangle_F`. Hence its exponential map is :math:`\exp_X(V) = \exp(\log X +
    D_X\log[V])`. For :math:`f(X) = \tilde f(\log X)` the Riemannian gradient, defined by
    :math:`g_X(\operatorname{grad} f, V) = D_X f[V] = \langle \nabla\tilde f, D_X\log[V]
    \rangle_F`, has :math:`D_X\log[\operatorname{grad} f] = \nabla\tilde f`, and the step
    :math:`\exp_X(-\tau \operatorname{grad} f)` is plain gradient descent on :math:`S = \log X`:

    .. math:: S_i \leftarrow S_i - \mathrm{lr} \cdot n\, \nabla_{S_i} f, \qquad
              n\, \nabla_{S_i} f = \frac 2L \sum_l
              \big( \langle A_l, S_i \rangle - \bar v_{l, i} \big) A_l

    for the sliced losses, where :math:`\bar v_{l,i}` is the part of the target's projection that
    the optimal plan on line l assigns to matrix i. Directions are drawn afresh at each step.

    **Step size.** f is a mean over the n source matrices, so each gradient holds a factor 1 / n,
    which the factor n takes out: ``lr`` does not depend on n. Published step sizes are n times as
    large. The paper's 1000 for the sliced losses, with n = 288 trials, is the default 3.5; its 10
    for transport losses multiplied by 0.1 is 3.5e-3. A common shift :math:`\Delta` of the logs is
    reduced in each step by the factor 1 - 4 lr / (d (d + 2)) (traceless part) and 1 - 2 lr / d
    (trace) for ``"spdsw"``, 1 - 2 lr / d² for ``"logsw"`` and 1 - 2 lr for ``"lew"``: steps of
    d, d², 1 and more do not converge, and are refused. The default is at most half of that, where
    the fastest mode is done in one step; this is below 3.5 for few channels (d < 7 for ``"spdsw"``,
    d < 3 for ``"logsw"``).

    Parameters
    ----------
    source : ndarray, shape (n_source, n_channels, n_channels)
        SPD. Any unit, the same as the target's.
    target : ndarray, shape (n_target, n_channels, n_channels)
    rng : numpy.random.Generator, optional
        Draws the directions; ``"les"`` and ``"lew"`` need none.
    loss : {"spdsw", "logsw", "les", "lew"}, default="spdsw"
        Squared sliced-Wasserstein distance with SPD directions, with those of log-SW; entropic and
        exact optimal transport for the squared log-Euclidean distance.
    n_projections : int, default=500
    n_steps : int, default=500
    lr : float, optional
        Below d for ``"spdsw"``, d² for ``"logsw"`` and 1 for the others, d being the number of
        channels. Default: 3.5 for the sliced losses, or d / 2 and d² / 2 where these are smaller;
        3.5e-3 for the others.
    reg : float, default=10.0
        Weight of the entropy in ``"les"``, in the unit of the squared distance. Entropy draws the
        matrices together: even a source equal to its target moves.

    Returns
    -------
    aligned : ndarray, shape (n_source, n_channels, n_channels)
        In the source's order.
    losses : ndarray, shape (n_steps,)
        Loss before each step, with that step's directions; no unit.

    Raises
    ------
    ValueError
        If a set is empty or not SPD, the matrices differ in size, the loss is unknown, a number is
        out of range, or the steps diverge.
    RuntimeError
        If Sinkhorn's iterations do not converge.

    References
    ----------
    .. [1] C. Bonet et al., "Sliced-Wasserstein on Symmetric Positive Definite Matrices for M/EEG
       Signals", ICML 2023, arXiv:2303.05798.
    """
    source, target = _matrices(source, target)
    points = log_vectors_of(source, name="source")
    evaluate = _loss(loss, source, target, rng=rng, n_projections=n_projections, reg=reg)
    limit = _largest_step(loss, source.shape[-1])
    lr = _step_size(lr, n_steps, min(_PARTICLE_LR[loss], limit / 2))
    if lr >= limit:
        raise ValueError(
            f"lr must be below {limit:g} for loss {loss!r} and {source.shape[-1]} channels, got "
            f"{lr:g}: the steps would diverge. Half of it is the most that makes sense."
        )
    losses = np.empty(n_steps)
    rounding = 1e-12 * np.mean(points**2)
    for step in range(n_steps):
        losses[step], gradient = evaluate(points)
        points = points - lr * gradient
        _check_finite(points, losses, step, lr)
        _check_growth(losses, step, lr, rounding)
    aligned = exp_vectors(points)
    _check_finite(aligned, losses, n_steps - 1, lr)
    return (aligned + aligned.transpose(0, 2, 1)) / 2, losses


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def align_transformation(
    source, target, *, rng=None, loss="spdsw", n_projections=500, n_steps=500, lr=None, reg=10.0
):
    r"""Congruence and rotation that take the source close to the target's distribution.

    :math:`X \mapsto R\, W X W R^\top` with W SPD and R orthogonal: by the polar decomposition, all
    changes of channels :math:`X \mapsto T X T^\top` with det T > 0. Both start at the identity and
    move at the same time, by the gradients at the same point.

    With :math:`Z_i = W X_i W = U_i \Lambda_i U_i^\top`, :math:`L_i = \log Z_i`, the gradient
    :math:`G_i` of the loss with respect to :math:`S_i = R L_i R^\top`, and :math:`\Phi_i` the
    divided differences of the logarithm at the eigenvalues (Daleckii and Krein),

    .. math:: \nabla_R = 2 \sum_i G_i R L_i, \quad
              H_i = U_i \big( \Phi_i \circ (U_i^\top R^\top G_i R\, U_i) \big) U_i^\top, \quad
              \nabla_W = \sum_i (H_i W X_i + X_i W H_i).

    W follows geodesics of the affine-invariant metric, R those of the orthogonal group:

    .. math:: W \leftarrow W^{1/2} \exp( -\mathrm{lr}\, W^{1/2} \nabla_W W^{1/2} ) W^{1/2}, \quad
              R \leftarrow R\, \exp( -\mathrm{lr}\, \operatorname{skew}(R^\top \nabla_R) ).

    The loss is a mean, so that ``lr`` does not depend on the number of matrices. A common factor of
    all matrices is undone, on the logarithm, by the factor 1 - 8 lr / d a step for ``"spdsw"``,
    1 - 8 lr / d² for ``"logsw"`` and 1 - 8 lr for ``"lew"``; four times as fast as by
    `align_particles`, since W acts twice. Steps above d / 4, d² / 4 and 1 / 4 diverge.

    Parameters
    ----------
    source : ndarray, shape (n_source, n_channels, n_channels)
        SPD. Any unit, the same as the target's.
    target : ndarray, shape (n_target, n_channels, n_channels)
    rng : numpy.random.Generator, optional
        Draws the directions; ``"les"`` and ``"lew"`` need none.
    loss : {"spdsw", "logsw", "les", "lew"}, default="spdsw"
        See `align_particles`.
    n_projections : int, default=500
    n_steps : int, default=500
    lr : float, optional
        As published: 0.1 for the sliced losses, between sessions (0.5 between subjects); 1e-3 for
        the others, published as 1e-2 for losses multiplied by 0.1.
    reg : float, default=10.0
        Weight of the entropy in ``"les"``.

    Returns
    -------
    W : ndarray, shape (n_channels, n_channels)
        SPD.
    R : ndarray, shape (n_channels, n_channels)
        Orthogonal, of determinant 1.
    losses : ndarray, shape (n_steps,)
        Loss before each step, with that step's directions; no unit.

    Raises
    ------
    ValueError, RuntimeError
        As `align_particles`; a step size is too large as soon as the loss is ten times the first.

    References
    ----------
    .. [1] C. Bonet et al., "Sliced-Wasserstein on Symmetric Positive Definite Matrices for M/EEG
       Signals", ICML 2023, arXiv:2303.05798.
    """
    source, target = _matrices(source, target)
    rounding = 1e-12 * np.mean(log_vectors_of(source, name="source") ** 2)
    evaluate = _loss(loss, source, target, rng=rng, n_projections=n_projections, reg=reg)
    lr = _step_size(lr, n_steps, _TRANSFORMATION_LR[loss])
    W, R = np.eye(source.shape[-1]), np.eye(source.shape[-1])
    losses = np.empty(n_steps)
    for step in range(n_steps):
        losses[step] = np.nan  # until it is known
        try:
            losses[step], *gradients = _transformation_gradient(source, W, R, evaluate)
            W, R = _moved(W, R, gradients, lr)
        except (np.linalg.LinAlgError, FloatingPointError):
            W = np.full_like(W, np.nan)
        _check_finite([W, R], losses, step, lr)
        _check_growth(losses, step, lr, rounding)
    return W, R, losses


def _moved(W, R, gradients, lr):
    W_gradient, R_gradient = gradients
    eigenvalues, vectors = np.linalg.eigh(W)
    root = (vectors * np.sqrt(eigenvalues)) @ vectors.T
    tangent = -lr * (root @ W_gradient @ root)
    turn = R.T @ R_gradient
    turn = -lr * (turn - turn.T) / 2
    if not (np.isfinite(tangent).all() and np.isfinite(turn).all()):
        raise FloatingPointError("a step is not finite")
    W = root @ scipy.linalg.expm(tangent) @ root
    return (W + W.T) / 2, R @ scipy.linalg.expm(turn)


def _transformation_gradient(X, W, R, evaluate):
    """Loss at W and R, and its Euclidean gradients with respect to each; W's is symmetric."""
    WX = W @ X
    eigenvalues, U = np.linalg.eigh(WX @ W)
    logarithms = np.log(eigenvalues)
    if not np.isfinite(logarithms).all():
        raise FloatingPointError("a moved matrix is not positive definite")
    L = (U * logarithms[:, None, :]) @ U.transpose(0, 2, 1)
    value, gradient = evaluate(symmetric_vectors(R @ L @ R.T))
    G = symmetric_matrices(gradient / len(X))
    R_gradient = 2 * _sum_of_products(G, R @ L)
    V = R @ U
    inner = V.transpose(0, 2, 1) @ G @ V
    H = U @ (_divided_differences(eigenvalues, logarithms) * inner) @ U.transpose(0, 2, 1)
    half = _sum_of_products(H, WX)
    return value, half + half.T, R_gradient


def _divided_differences(eigenvalues, logarithms):
    # log a - log b = 2 artanh z with z = (a - b) / (a + b) keeps its digits where a and b are
    # close; the plain quotient keeps them elsewhere.
    a, b = eigenvalues[:, :, None], eigenvalues[:, None, :]
    z = (a - b) / (a + b)
    far = np.abs(z) > 0.5
    slope = np.divide(
        np.arctanh(z, where=~far, out=np.ones_like(z)), z, where=z != 0, out=np.ones_like(z)
    )
    differences = 2 * slope / (a + b)
    np.divide(logarithms[:, :, None] - logarithms[:, None, :], a - b, where=far, out=differences)
    return differences


def _sum_of_products(A, B):
    """Sum over i of A[i] @ B[i], as one matrix product."""
    n_channels = A.shape[-1]
    return A.transpose(1, 0, 2).reshape(n_channels, -1) @ B.reshape(-1, n_channels)


def _matrices(source, target):
    _, source, target = check_pair(source, target, names=("source", "target"))
    return to_numpy(source).astype(np.float64), to_numpy(target).astype(np.float64)


def _loss(name, source, target, *, rng, n_projections, reg):
    return make_loss(
        name,
        log_vectors_of(target, name="target"),
        n_source=len(source),
        n_channels=source.shape[-1],
        rng=rng,
        n_projections=n_projections,
        reg=reg,
    )


def _largest_step(loss, n_channels):
    """Step size of particles from which on the fastest mode of a common shift grows."""
    return {"spdsw": n_channels, "logsw": n_channels**2}.get(loss, 1)


def _step_size(lr, n_steps, default):
    check_count(n_steps, name="n_steps")
    lr = default if lr is None else lr
    if not 0 < lr < np.inf:
        raise ValueError(f"lr must be positive and finite, got {lr}.")
    return lr


def _check_finite(values, losses, step, lr):
    if not (np.isfinite(values).all() and np.isfinite(losses[step])):
        raise ValueError(
            f"the steps diverge: the loss was {losses[0]:.3g} at first and is not finite after "
            f"{step + 1} steps. Lower lr, {lr:g}."
        )


def _check_growth(losses, step, lr, rounding):
    if losses[step] > _GROWTH * losses[0] + rounding:
        raise ValueError(
            f"the steps diverge: the loss was {losses[0]:.3g} at first and is "
            f"{losses[step]:.3g} after {step + 1} steps. Lower lr, {lr:g}."
        )
