r"""Factorisation of powers into non-negative factors, by the divergence of Itakura and Saito.

If :math:`y_{mn}` is centred Gaussian with variance :math:`\hat V_{mn} = (WH)_{mn} + \varepsilon`,
its mean power :math:`V_{mn}` over realisations is all that the likelihood depends on. Twice the
negative log-likelihood of a realisation, :math:`V / \hat V + \log \hat V` in the mean, is

.. math:: D(V \mid \hat V) = \sum_{mn} \Big( \frac{V_{mn}}{\hat V_{mn}}
                                              - \log \frac{V_{mn}}{\hat V_{mn}} - 1 \Big)

but for terms of V alone. D does not change when V and :math:`\hat V` are scaled together: quiet
frames count as much as loud ones.

**Updates.** With W given, :math:`\hat V` a sum of non-negative terms and :math:`\tilde H` the
present value, the convex part :math:`V / \hat V` and the concave part :math:`\log \hat V` have the
bound

.. math:: D \le \sum_{kn} \Big( p_{kn} \frac{\tilde H_{kn}^2}{H_{kn}} + q_{kn} H_{kn} \Big) + c,
          \qquad p = W^\top \frac{V}{\hat V^2}, \quad q = W^\top \frac{1}{\hat V},

with equality at :math:`H = \tilde H` (:math:`\varepsilon` is one more term that stays). It is least
at :math:`H = \tilde H \sqrt{p / q}`, the update of majorisation and minimisation (exponent 1/2),
and equal to its value at :math:`\tilde H` in :math:`H = \tilde H\, p / q`, the longer step of
majorisation and equalisation (exponent 1). D falls with every exponent between. The same holds for
W.
"""

import numpy as np

from common import validation

__all__ = ["check_factors", "itakura_saito", "nmf", "random_factors"]

_TINY = np.finfo(float).tiny
_DEAD = 1e-290  # far above the denormal numbers, and below what comes back


def itakura_saito(powers, model):
    r"""Divergence of Itakura and Saito, :math:`\sum (x - \log x - 1)` with :math:`x = V / \hat V`.

    Parameters
    ----------
    powers : array_like, shape (..., n_channels, n_frames)
        V, positive.
    model : array_like, of a shape that fits
        :math:`\hat V`, positive, in the unit of ``powers``.

    Returns
    -------
    divergence : ndarray, shape (...)
        At least 0; 0 where they are equal.

    Raises
    ------
    TypeError
        If one holds no numbers.
    ValueError
        If a value is not finite and positive, a power exceeds its model beyond double precision, or
        the shapes do not fit.

    Examples
    --------
    >>> float(itakura_saito([[2.0, 1.0]], [[1.0, 1.0]]).round(4))
    0.3069
    """
    powers = validation.array(powers, "powers", above=0)
    model = validation.array(model, "model", above=0)
    if powers.shape[-2:] != model.shape[-2:] or powers.ndim < 2:
        raise ValueError(
            "powers and model must have the same last two axes, channels and frames, got shapes "
            f"{powers.shape} and {model.shape}."
        )
    with np.errstate(over="ignore", under="ignore"):
        ratio = powers / model
    if np.isinf(ratio).any():
        place = np.unravel_index(np.isinf(ratio).argmax(), ratio.shape)
        power, modelled = (np.broadcast_to(one, ratio.shape)[place] for one in (powers, model))
        raise ValueError(
            f"powers exceed their model too far for a number: {power:g} against {modelled:g}. Are "
            "they in one unit?"
        )
    with np.errstate(divide="ignore"):
        log = np.log(ratio)
    if np.isneginf(log).any():  # the ratio is smaller than any number, its logarithm is not
        log = np.where(np.isneginf(log), np.log(powers) - np.log(model), log)
    return (ratio - log - 1).sum(axis=(-2, -1))


def random_factors(n_channels, n_frames, n_components, *, rng):
    """Factors to start from: one plus the absolute value of a normal number.

    Parameters
    ----------
    n_channels, n_frames, n_components : int
    rng : numpy.random.Generator

    Returns
    -------
    W : ndarray, shape (n_channels, n_components)
        Its columns sum to one.
    H : ndarray, shape (n_components, n_frames)

    Raises
    ------
    TypeError
        If a number is not whole, or ``rng`` no generator.
    ValueError
        If a number is below 1.
    """
    n_channels = validation.count(n_channels, "n_channels")
    n_frames = validation.count(n_frames, "n_frames")
    n_components = validation.count(n_components, "n_components")
    rng = validation.generator(rng)
    W = np.abs(rng.standard_normal((n_channels, n_components))) + 1
    H = np.abs(rng.standard_normal((n_components, n_frames))) + 1
    return W / W.sum(axis=0), H


def nmf(powers, W, H, *, n_updates, exponent=1.0, eps=0.0):
    r"""Factorise powers by multiplicative updates of H and W in turn, as the module derives them.

    After each, the columns of W are scaled to sum to one, and H so that WH stays.

    Parameters
    ----------
    powers : array_like, shape (n_channels, n_frames) or (n_starts, n_channels, n_frames)
        V, which holds :math:`\varepsilon` already if its model does. Positive.
    W : array_like, shape (n_channels, n_components) or (n_starts, n_channels, n_components)
        Where to start, not negative. Zeros stay.
    H : array_like, shape (n_components, n_frames) or (n_starts, n_components, n_frames)
    n_updates : int
        Of both factors; with 0 they are only scaled.
    exponent : float, default=1
        Of the updates, above 0 and at most 1.
    eps : float, default=0
        Added to WH in the model, in the unit of ``powers``.

    Returns
    -------
    W, H : ndarray
        With an axis for starts where ``W`` has one. The arguments stay as they are.

    Raises
    ------
    TypeError
        If an argument holds no numbers.
    ValueError
        If a power is not positive, a factor negative, the model 0 somewhere or so far from the
        powers that an update overflows, a shape does not fit, or an option is out of range.

    See Also
    --------
    sklearn.decomposition.NMF : With ``beta_loss="itakura-saito"`` and ``solver="mu"`` the updates
    of
        exponent 1/2, one start a call.

    References
    ----------
    .. [1] C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the
       beta-divergence", Neural Computation 23(9), 2011, arXiv:1010.1763.
    """
    powers = validation.array(powers, "powers", above=0)
    wanted = "powers must have shape (n_channels, n_frames), or as many starts as W in front, got"
    if powers.ndim not in (2, 3):
        raise ValueError(f"{wanted} {powers.shape}.")
    W, H, single = check_factors(W, H, n_channels=powers.shape[-2], n_frames=powers.shape[-1])
    if powers.ndim == 3 and len(powers) not in (1, len(W)):
        raise ValueError(f"{wanted} {powers.shape} with {len(W)} starts.")
    n_updates = validation.count(n_updates, "n_updates", at_least=0)
    exponent = validation.number(exponent, "exponent", above=0, at_most=1)
    eps = validation.number(eps, "eps", at_least=0)
    check_model(W, H, eps)
    with np.errstate(over="ignore", invalid="ignore"):
        update(powers if powers.ndim == 3 else powers[None], W, H, n_updates, exponent, eps)
    if not (np.isfinite(W).all() and np.isfinite(H).all()):
        raise ValueError(
            f"the updates overflow: powers are up to {powers.max():g}, and W @ H + eps is far "
            "from them. Scale powers to about 1, or start nearer, such as from random_factors(…)."
        )
    return (W[0], H[0]) if single else (W, H)


def update(powers, W, H, n_updates, exponent, eps):
    """Updates in place of factors that have been checked; see `nmf`.

    Parameters
    ----------
    powers : ndarray, shape (n_starts or 1, n_channels, n_frames)
    W : ndarray, shape (n_starts, n_channels, n_components)
    H : ndarray, shape (n_starts, n_components, n_frames)
    n_updates : int
    exponent, eps : float
    """
    inverse = np.empty((len(W), W.shape[1], H.shape[2]))
    ratio = np.empty_like(inverse)

    def model():
        np.matmul(W, H, out=inverse)
        inverse.__iadd__(eps)
        np.divide(1.0, inverse, out=inverse)
        np.multiply(powers, inverse, out=ratio)
        ratio.__imul__(inverse)

    def step(numerator, denominator):
        # A component that has died out has 0 / 0 here, and stays 0.
        np.maximum(denominator, _TINY, out=denominator)
        numerator /= denominator
        return numerator if exponent == 1 else numerator**exponent

    for index in range(n_updates):
        model()
        H *= step(W.swapaxes(1, 2) @ ratio, W.swapaxes(1, 2) @ inverse)
        model()
        W *= step(ratio @ H.swapaxes(1, 2), inverse @ H.swapaxes(1, 2))
        _normalise(W, H)
        if index % 10 == 9:  # what dies out falls by a factor an update: denormal numbers are slow
            W[W < _DEAD] = 0.0
            H[H < _DEAD] = 0.0
    if not n_updates:
        _normalise(W, H)


def check_factors(W, H, *, n_channels, n_frames):
    """Factors that fit each other and the powers, as new arrays with an axis of starts.

    Parameters
    ----------
    W : array_like, shape (n_channels, n_components) or (n_starts, n_channels, n_components)
    H : array_like, shape (n_components, n_frames) or (n_starts, n_components, n_frames)
    n_channels, n_frames : int
        Of the powers.

    Returns
    -------
    W, H : ndarray
    single : bool
        Whether they came without that axis.

    Raises
    ------
    TypeError
        If one holds no numbers.
    ValueError
        If a factor has a negative number, or the shapes do not fit.
    """
    W = validation.array(W, "W", at_least=0).astype(float)
    H = validation.array(H, "H", at_least=0).astype(float)
    single = W.ndim == 2
    fits = W.ndim == H.ndim and W.ndim in (2, 3) and W.shape[:-2] == H.shape[:-2]
    if not fits or W.shape[-1] != H.shape[-2] or (W.shape[-2], H.shape[-1]) != (
        n_channels, n_frames
    ):  # fmt: skip
        raise ValueError(
            f"W and H must have shapes (…, {n_channels}, n_components) and (…, n_components, "
            f"{n_frames}) for {n_channels} channels and {n_frames} frames, got {W.shape} and "
            f"{H.shape}."
        )
    return (W[None], H[None], True) if single else (W, H, False)


def check_model(W, H, eps):
    """Refuse factors whose product is 0 or infinite where powers are positive.

    Parameters
    ----------
    W : ndarray, shape (n_starts, n_channels, n_components)
    H : ndarray, shape (n_starts, n_components, n_frames)
    eps : float

    Raises
    ------
    ValueError
        If it is; the message says where.
    """
    with np.errstate(over="ignore"):
        model = W @ H + eps
        bad = ~((model > 0) & np.isfinite(model) & np.isfinite(1 / np.where(model > 0, model, 1)))
    if bad.any():
        start, channel, frame = np.argwhere(bad)[0]
        raise ValueError(
            f"W @ H + eps is {model[start, channel, frame]:g} in channel {channel} and frame "
            f"{frame} of start {start}, and powers are divided by it. Start from positive factors "
            "of moderate size, such as random_factors(…), or add eps."
        )


def _normalise(W, H):
    total = W.sum(axis=1)
    total[total == 0] = 1.0
    W /= total[:, None]
    H *= total[:, :, None]
