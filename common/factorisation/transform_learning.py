r"""An orthogonal transform and a factorisation of the transformed powers, learned together.

Frames are transformed by an orthogonal :math:`\Phi` in place of a Fourier or cosine transform, and
the mean powers :math:`V(\Phi)` over realisations are factorised, :math:`V \approx \hat V = WH +
\varepsilon` with non-negative W and H of low rank (`common.factorisation.nmf`). Both minimise

.. math:: C(\Phi, W, H) = \sum_{mn} \Big( \frac{V_{mn}(\Phi)}{\hat V_{mn}} + \log \hat V_{mn} \Big)
                        = L(\Phi) + D(V(\Phi) \mid \hat V),

where L is the criterion of joint diagonalisation (`common.spd.joint_diagonalisation`) and D the
divergence of Itakura and Saito: a sum of :math:`\log V + 1` and
:math:`V / \hat V - \log(V / \hat V) - 1`. Two ways lead down:

- **TL-NMF** descends C itself, steps of the factors and of the transform in turn.
- **JD+NMF** minimises L first, then D with the transform fixed.

The two agree where the factorisation leaves nothing, which is so in the limit of many realisations
if the model is true.
"""

from typing import NamedTuple

import numpy as np

from common import validation
from common.factorisation import nmf
from common.spd.joint_diagonalisation import (
    FrameCovariances,
    OrthogonalStep,
    check_transforms,
    diagonalisation_loss,
    joint_diagonalisation,
    orthogonal_step,
)

__all__ = [
    "Learned",
    "Solution",
    "Starts",
    "jd_nmf",
    "jd_nmf_path",
    "learn_transforms",
    "likeness",
    "objective",
    "tl_nmf",
]

_DECREASE = 1e-4  # of Armijo
_AT_ONCE = (
    200_000  # numbers of a product, beyond which starts do not run at once: the cache is full
)


class Starts(NamedTuple):
    """Where to start from, several times."""

    transforms: np.ndarray
    """Orthogonal, shape (n_starts, n_channels, n_channels)."""
    W: np.ndarray
    """Shape (n_starts, n_channels, n_components)."""
    H: np.ndarray
    """Shape (n_starts, n_components, n_frames)."""

    @classmethod
    def draw(cls, rngs, *, n_channels, n_frames, n_components):
        """Random starts, each from a generator of its own.

        Parameters
        ----------
        rngs : sequence of numpy.random.Generator
            One a start. Each gives a matrix of normal numbers, of which the nearest orthogonal one
            is taken, and `common.factorisation.nmf.random_factors`.
        n_channels, n_frames, n_components : int

        Returns
        -------
        starts : Starts

        Raises
        ------
        TypeError
            If one is no generator, or a number is not whole.
        ValueError
            If there is no generator, or a number is below 1.
        """
        rngs = [validation.generator(rng, f"rngs[{index}]") for index, rng in enumerate(rngs)]
        if not rngs:
            raise ValueError("rngs is empty; give one generator for each start.")
        n_channels = validation.count(n_channels, "n_channels")
        drawn = []
        for rng in rngs:
            u, _, vt = np.linalg.svd(rng.standard_normal((n_channels, n_channels)))
            drawn.append((u @ vt, *nmf.random_factors(n_channels, n_frames, n_components, rng=rng)))
        return cls(*map(np.stack, zip(*drawn, strict=True)))


class Learned(NamedTuple):
    """What one descent from each start found."""

    transforms: np.ndarray
    """Shape (n_starts, n_channels, n_channels)."""
    W: np.ndarray
    """Shape (n_starts, n_channels, n_components)."""
    H: np.ndarray
    """Shape (n_starts, n_components, n_frames)."""
    history: np.ndarray
    """C at the start and after every iteration, shape (n_starts, max_iter + 1); NaN from where a
    start had ended."""

    @property
    def n_iterations(self):
        """Iterations of each start, shape (n_starts,)."""
        return np.isfinite(self.history).sum(axis=1) - 1

    @property
    def objectives(self):
        """C at the end of each start, shape (n_starts,)."""
        return self.history[np.arange(len(self.history)), self.n_iterations]


class Solution(NamedTuple):
    """One method's best transform and factors, and what every start came to."""

    transform: np.ndarray
    """Shape (n_channels, n_channels)."""
    W: np.ndarray
    """Shape (n_channels, n_components)."""
    H: np.ndarray
    """Shape (n_components, n_frames)."""
    objective: float
    """C, the best."""
    divergence: float
    """D of the same solution."""
    objectives: np.ndarray
    """C of all starts, shape (2 n_starts,): the random ones, then those from the other method."""
    divergences: np.ndarray
    """D of all starts, shape (2 n_starts,)."""


def objective(covariances, transforms, W, H):
    r"""C, and the divergence D that is a part of it.

    Parameters
    ----------
    covariances : FrameCovariances
    transforms, W, H : array_like
        As in `Starts`.

    Returns
    -------
    objectives, divergences : ndarray, shape (n_starts,)

    Raises
    ------
    TypeError, ValueError
        As `learn_transforms`.
    """
    transforms, W, H = _checked(covariances, transforms, W, H)
    _, powers = covariances.transformed(transforms)
    value = _objective(powers, W @ H + covariances.eps)
    return value, value - diagonalisation_loss(powers)


def learn_transforms(covariances, starts, *, max_iter=1000, n_updates=10, exponent=1.0, tol=1e-12):
    r"""TL-NMF from given starts: descend C by steps of the factors and of the transform in turn.

    An iteration is ``n_updates`` updates of H and W, and one step of
    `common.spd.joint_diagonalisation.orthogonal_step` with

    .. math:: A_{mk} = \sum_n \frac{(\Phi C_n \Phi^\top)_{mk}}{\hat V_{mn}}, \qquad
              B_{mk} = \sum_n \frac{V_{kn}}{\hat V_{mn}}, \qquad
              E = - \frac{A - A^\top}{B + B^\top}.

    The curvature of the module's derivation is :math:`(B + B^\top) / 2` less its value on the
    diagonal, about the number of frames. That is left out, as in the authors' code: the step is
    shorter, and always leads down.

    Parameters
    ----------
    covariances : FrameCovariances
        Its ``eps`` is that of the model, too.
    starts : Starts
    max_iter : int, default=1000
    n_updates : int, default=10
    exponent : float, default=1
        Of the updates, see `common.factorisation.nmf.nmf`.
    tol : float, default=1e-12
        A start ends when C changes by less in an iteration, relative to its size.

    Returns
    -------
    learned : Learned

    Raises
    ------
    TypeError
        If an argument holds no numbers, or ``covariances`` is of another type.
    ValueError
        If a transform is not orthogonal, a factor is negative, shapes do not fit, or an option is
        out of range.

    References
    ----------
    .. [1] D. Fagot, H. Wendt and C. Févotte, "Nonnegative matrix factorization with transform
       learning", ICASSP 2018, arXiv:1705.04193.
    .. [2] P. Ablin, D. Fagot, H. Wendt, A. Gramfort and C. Févotte, "A quasi-Newton algorithm on
    the
       orthogonal manifold for NMF with transform learning", ICASSP 2019, arXiv:1811.02225.
    """
    transforms, W, H = _checked(covariances, *_three(starts))
    max_iter = validation.count(max_iter, "max_iter", at_least=0)
    n_updates = validation.count(n_updates, "n_updates")
    exponent = validation.number(exponent, "exponent", above=0, at_most=1)
    tol = validation.number(tol, "tol", at_least=0)

    history = np.full((len(W), max_iter + 1), np.nan)
    one = covariances.n_channels * covariances.n_frames * covariances.width
    size = max(1, _AT_ONCE // one)
    for first in range(0, len(W), size):
        part = slice(first, first + size)
        _descend(
            covariances, transforms[part], W[part], H[part], history[part],
            n_updates=n_updates, exponent=exponent, tol=tol,
        )  # fmt: skip
    return Learned(transforms, W, H, history)


def tl_nmf(covariances, starts, diagonalisers, *, n_bridge=1000, max_iter=1000):
    """TL-NMF from random starts and from JD+NMF's transforms; the best in C.

    Parameters
    ----------
    covariances : FrameCovariances
    starts : Starts
        The random ones.
    diagonalisers : ndarray, shape (n_starts, n_channels, n_channels)
        Transforms of `common.spd.joint_diagonalisation.joint_diagonalisation` from the same starts.
        Each is a start with the random factors after ``n_bridge`` updates.
    n_bridge : int, default=1000
    max_iter : int, default=1000

    Returns
    -------
    solution : Solution
    learned : Learned
        Of all starts.

    Raises
    ------
    TypeError, ValueError
        As `learn_transforms`.
    """
    transforms, W, H = _checked(covariances, *_three(starts))
    diagonalisers, W2, H2 = _checked(covariances, diagonalisers, W, H)
    _, powers = covariances.transformed(diagonalisers)
    bridged = nmf.nmf(powers, W2, H2, n_updates=n_bridge, eps=covariances.eps)
    both = zip((transforms, W, H), (diagonalisers, *bridged), strict=True)
    learned = learn_transforms(
        covariances, Starts(*(np.concatenate(pair) for pair in both)), max_iter=max_iter
    )
    objectives, divergences = objective(covariances, *learned[:3])
    best = int(np.argmin(objectives))
    return _solution(*learned[:3], objectives, divergences, best), learned


def jd_nmf(covariances, diagonaliser, starts, others, *, n_updates=10_000):
    """JD+NMF: factorise the powers of one transform, from random starts and from TL-NMF's factors.

    Parameters
    ----------
    covariances : FrameCovariances
    diagonaliser : array_like, shape (n_channels, n_channels)
        The best of joint diagonalisation.
    starts : Starts
        Their factors are the random starts.
    others : Starts or Learned
        TL-NMF's solutions from the random starts; their factors are further starts.
    n_updates : int, default=10000

    Returns
    -------
    solution : Solution
        The best in D, which is the best in C: the transform is the same.

    Raises
    ------
    TypeError, ValueError
        As `learn_transforms`.
    """
    checked = [_three(one, name)[1:] for one, name in ((starts, "starts"), (others, "others"))]
    W, H = (np.concatenate(pair) for pair in zip(*checked, strict=True))
    transform = validation.array(diagonaliser, "diagonaliser", ndim=2)
    transforms, W, H = _checked(covariances, transform[None], W, H)
    _, powers = covariances.transformed(transforms)
    W, H = nmf.nmf(powers, W, H, n_updates=n_updates, eps=covariances.eps)
    objectives = _objective(powers, W @ H + covariances.eps)
    divergences = objectives - diagonalisation_loss(powers)
    transforms = np.broadcast_to(transforms, (len(W), *transforms.shape[1:]))
    return _solution(transforms, W, H, objectives, divergences, int(np.argmin(divergences)))


def jd_nmf_path(covariances, starts, budgets, *, n_updates=10):
    """C that JD+NMF reaches with a budget: so many steps of the transform, then updates.

    With the budget t these are t steps of joint diagonalisation, none after its end, then
    ``n_updates * t`` updates of the start's factors: the work of t iterations of TL-NMF.

    Parameters
    ----------
    covariances : FrameCovariances
    starts : Starts
    budgets : sequence of int
        Ascending, at least 1.
    n_updates : int, default=10

    Returns
    -------
    objectives : ndarray, shape (n_starts, n_budgets)

    Raises
    ------
    TypeError, ValueError
        As `learn_transforms`, and if a budget is no whole number of at least 1, or they do not
        ascend.
    """
    transforms, W, H = _checked(covariances, *_three(starts))
    if isinstance(budgets, int) or budgets is None or not len(budgets):
        raise ValueError(
            f"budgets must be whole numbers that ascend, such as [1, 10], got {budgets!r}."
        )
    budgets = [validation.count(budget, "budget") for budget in budgets]
    if budgets != sorted(budgets):
        raise ValueError(f"budgets must ascend, got {budgets}.")
    n_updates = validation.count(n_updates, "n_updates")
    found, done = np.empty((len(W), len(budgets))), 0
    for index, budget in enumerate(budgets):
        # A step depends on the transform alone, so the steps of a smaller budget can be kept.
        transforms = joint_diagonalisation(
            covariances, starts=transforms, max_iter=budget - done
        ).transforms
        done = budget
        _, powers = covariances.transformed(transforms)
        w, h = nmf.nmf(powers, W, H, n_updates=n_updates * budget, eps=covariances.eps)
        found[:, index] = _objective(powers, w @ h + covariances.eps)
    return found


def likeness(first, second):
    r"""How alike two transforms are, whatever the order and the signs of their atoms.

    The mean over rows of :math:`\max_k |\Phi_1 \Phi_2^\top|_{mk}`: 1 where each atom of the first
    is one of the second, up to its sign; for unrelated transforms of M channels about
    :math:`\sqrt{2 \log M / M}`.

    Parameters
    ----------
    first, second : array_like, shape (n_channels, n_channels)
        Orthogonal.

    Returns
    -------
    likeness : float

    Raises
    ------
    TypeError
        If one holds no numbers.
    ValueError
        If one is not orthogonal, or they differ in size.
    """
    first = validation.array(first, "first", ndim=2)
    second = validation.array(second, "second", ndim=2)
    first = check_transforms(first[None], n_channels=len(first), name="first")[0]
    second = check_transforms(second[None], n_channels=len(first), name="second")[0]
    return float(np.abs(first @ second.T).max(axis=1).mean())


def _solution(transforms, W, H, objectives, divergences, best):
    return Solution(
        transforms[best], W[best], H[best], float(objectives[best]), float(divergences[best]),
        objectives, divergences,
    )  # fmt: skip


def _descend(covariances, transforms, W, H, history, *, n_updates, exponent, tol):
    """TL-NMF of starts that run at once; all arrays are filled in place."""
    eps = covariances.eps
    alive = np.arange(len(W))
    products, powers = covariances.transformed(transforms)
    value = history[:, 0] = _objective(powers, W @ H + eps)
    now = OrthogonalStep(transforms.copy(), products, powers, value, np.ones(len(W), dtype=bool))
    w, h = W.copy(), H.copy()
    for iteration in range(1, history.shape[1]):
        before = history[alive, iteration - 1]
        nmf.update(now.powers, w, h, n_updates, exponent, eps)
        model = w @ h + eps
        weights = 1 / model
        sums = covariances.weighted(now.products, now.transforms, weights)
        crossed = weights @ now.powers.swapaxes(1, 2)
        now = orthogonal_step(
            covariances,
            now._replace(value=_objective(now.powers, model)),
            objective=lambda powers, rows, model=model: _objective(powers, model[rows]),
            gradient=(sums - sums.swapaxes(1, 2)) / 2,
            curvature=(crossed + crossed.swapaxes(1, 2)) / 2,
            decrease=_DECREASE,
        )
        history[alive, iteration] = now.value
        transforms[alive], W[alive], H[alive] = now.transforms, w, h
        going = np.abs(before - now.value) > tol * np.abs(before)
        if not going.all():
            alive, w, h = alive[going], w[going], h[going]
            now = OrthogonalStep(*(part[going] for part in now))
        if not len(alive):
            break


def _objective(powers, model):
    return (powers / model + np.log(model)).sum(axis=(-2, -1))


def _three(starts, name="starts"):
    """Transforms, W and H."""
    if not isinstance(starts, tuple) or len(starts) < 3:
        raise TypeError(
            f"{name} must be Starts or Learned, with transforms, W and H, got {starts!r}. "
            "Starts.draw(…) makes random ones."
        )
    return starts[:3]


def _checked(covariances, transforms, W, H):
    if not isinstance(covariances, FrameCovariances):
        raise TypeError(
            f"covariances must be a FrameCovariances, got {type(covariances).__name__}. Make one "
            "of frames, FrameCovariances.of_frames(frames), or of matrices."
        )
    n_channels, n_frames = covariances.n_channels, covariances.n_frames
    if transforms is None:
        raise TypeError("transforms must be orthogonal matrices, one for each start, got None.")
    transforms = check_transforms(transforms, n_channels=n_channels, name="transforms")
    W, H, single = nmf.check_factors(W, H, n_channels=n_channels, n_frames=n_frames)
    if single or len(transforms) not in (1, len(W)):
        raise ValueError(
            f"transforms, W and H must have as many starts in front, got shapes "
            f"{transforms.shape}, {W.shape[single:]} and {H.shape[single:]}."
        )
    nmf.check_model(W, H, covariances.eps)
    return transforms, W, H
