r"""One orthogonal transform that makes many covariances as diagonal as possible.

With frames :math:`y_n^s` (realisation s of frame n) and a transform :math:`\Phi`, all that is used
here are the matrices :math:`C_n = \frac1S \sum_s y_n^s y_n^{s\top} + \varepsilon I`. The mean
powers of the transformed frames are their diagonals after the transform, :math:`V_{mn} = (\Phi C_n
\Phi^\top)_{mm}`, and what has been computed once for all realisations costs the same for one of
them as for thousands.

**Criterion.** By Hadamard's inequality, :math:`\log\det C \le \sum_m \log C_{mm}` with equality for
diagonal matrices, so that an orthogonal transform makes all matrices diagonal if it minimises

.. math:: L(\Phi) = \sum_{mn} (\log V_{mn} + 1),

and the minimum is reached by a common basis of eigenvectors where there is one. It is twice the
negative log-likelihood, up to a constant, of centred Gaussian frames whose transforms have
independent entries.

**Step.** Let :math:`\Phi \leftarrow e^{E} \Phi` with a skew-symmetric E, and
:math:`D_n = \Phi C_n \Phi^\top`. To second order, the powers change by

.. math:: \delta V_{mn} = 2 (E D_n)_{mm} + (E^2 D_n)_{mm} - (E D_n E)_{mm}.

For a criterion whose derivative by :math:`V_{mn}` is :math:`w_{mn}`, the first term gives
:math:`\delta L = 2 \langle E, G \rangle` with the gradient

.. math:: G = \tfrac12 (A - A^\top), \qquad A_{mk} = \sum_n w_{mn} (D_n)_{mk}.

The second and third are approximated for diagonal :math:`D_n`, where they are
:math:`\sum_k E_{mk}^2 (V_{kn} - V_{mn})`: the Hessian is then diagonal, each pair (m, k) has the
curvature :math:`h_{mk} = \frac12 (B + B^\top)_{mk} - b`, where
:math:`B_{mk} = \sum_n w_{mn} V_{kn}` and b is its value on the diagonal, and the step is
:math:`E = -G / h`, halved until the criterion falls. For L, :math:`w = 1 / V` and :math:`b = N`;
:math:`h \ge 0`, as :math:`x + 1 / x \ge 2`.
"""

from typing import NamedTuple

import numpy as np

from common import validation

__all__ = [
    "Diagonalisation",
    "FrameCovariances",
    "OrthogonalStep",
    "check_transforms",
    "diagonalisation_loss",
    "joint_diagonalisation",
    "orthogonal_step",
]

_SMALLEST_CURVATURE = 1e-16  # relative to the number of matrices, as in the authors' code
_LARGEST_ASYMMETRY = 1e-7  # relative to the largest entry


class FrameCovariances:
    r"""Matrices :math:`C_n`, as they are or as factors :math:`C_n = F_n F_n^\top + \varepsilon I`.

    Of few realisations, the frames themselves are the smaller factors: of one realisation, a
    transform of M × M costs M² a frame instead of M³.

    Parameters
    ----------
    matrices : array_like, shape (n_frames, n_channels, n_channels)
        Symmetric, with a positive diagonal if ``eps`` is 0.
    eps : float, default=0
        Added to their diagonals, in their unit.

    Attributes
    ----------
    n_frames, n_channels : int
    eps : float

    Raises
    ------
    TypeError
        If ``matrices`` or ``eps`` holds no numbers.
    ValueError
        If a matrix is not square, finite and symmetric, or has a negative number on its diagonal;
        if ``eps`` is negative.
    """

    def __init__(self, matrices, *, eps=0.0):
        matrices = validation.array(matrices, "matrices", ndim=3)
        if matrices.shape[1] != matrices.shape[2]:
            raise ValueError(
                "matrices must be square, shape (n_frames, n_channels, n_channels), got "
                f"{matrices.shape}. Frames become matrices by FrameCovariances.of_frames."
            )
        gap = np.abs(matrices - matrices.swapaxes(1, 2)).max(axis=(1, 2))
        bad = np.flatnonzero(gap > _LARGEST_ASYMMETRY * np.abs(matrices).max(axis=(1, 2)))
        if len(bad):
            raise ValueError(
                f"matrices[{bad[0]}] is not symmetric: entries differ by up to {gap[bad[0]]:.3g} "
                f"from those of its transpose. Symmetrise it: (C + C.T) / 2."
            )
        self._set(matrices, None, eps)
        diagonals = np.diagonal(matrices, axis1=1, axis2=2)
        if np.any(diagonals < 0) or (np.any(diagonals <= 0) and not self.eps):
            n, m = np.argwhere(diagonals == diagonals.min())[0]
            raise ValueError(
                f"matrices[{n}] has {diagonals[n, m]:g} on its diagonal, which holds powers: they "
                "must be positive, or 0 with eps above 0."
            )

    @classmethod
    def of_frames(cls, frames, *, eps=0.0):
        """Second moments of frames over realisations, by the cheaper of the two forms.

        Parameters
        ----------
        frames : array_like, shape (n_realisations, n_channels, n_frames)
        eps : float, default=0

        Returns
        -------
        covariances : FrameCovariances

        Raises
        ------
        TypeError, ValueError
            As the class, and if a frame is zero in all realisations while ``eps`` is 0.
        """
        frames = validation.array(frames, "frames", ndim=3)
        n_realisations, n_channels, _ = frames.shape
        factors = frames.transpose(1, 2, 0) / np.sqrt(n_realisations)
        if n_realisations >= n_channels:
            by_frame = factors.transpose(1, 0, 2)
            return cls(by_frame @ by_frame.swapaxes(1, 2), eps=eps)
        self = cls.__new__(cls)
        self._set(None, np.ascontiguousarray(factors), eps)
        silent = np.flatnonzero(np.all(factors == 0, axis=(0, 2)))
        if len(silent) and not self.eps:
            raise ValueError(
                f"frame {silent[0]} is zero in all realisations, and its powers have no "
                "logarithm. Leave such frames out, or set eps above 0."
            )
        return self

    def _set(self, matrices, factors, eps):
        self.eps = validation.number(eps, "eps", at_least=0)
        self._factors = factors
        if factors is None:
            self.n_frames, self.n_channels, _ = matrices.shape
            # Side by side, so that all products with a transform are one.
            self._wide = np.ascontiguousarray(
                matrices.transpose(1, 0, 2).reshape(self.n_channels, -1)
            )
            self.width = self.n_channels
        else:
            self.n_channels, self.n_frames, self.width = factors.shape
            self._wide = factors.reshape(self.n_channels, -1)

    def transformed(self, transforms):
        r"""Products that powers and gradients are made of, and the powers.

        Parameters
        ----------
        transforms : ndarray, shape (n_transforms, n_channels, n_channels)
            One atom a row.

        Returns
        -------
        products : ndarray, shape (n_transforms, n_channels, n_frames, width)
            :math:`\Phi C_n`, or :math:`\Phi F_n`; for `weighted`.
        powers : ndarray, shape (n_transforms, n_channels, n_frames)
            Diagonals of :math:`\Phi C_n \Phi^\top + \varepsilon I`.
        """
        n_transforms = len(transforms)
        products = (transforms.reshape(-1, self.n_channels) @ self._wide).reshape(
            n_transforms, self.n_channels, self.n_frames, self.width
        )
        if self._factors is None:
            powers = (products @ transforms[..., None])[..., 0]
        elif self.width == 1:
            powers = products[..., 0] ** 2
        else:
            powers = np.einsum("rmnj,rmnj->rmn", products, products)
        return products, powers + self.eps

    def weighted(self, products, transforms, weights):
        r"""Sums of transformed matrices, each row with weights of its own.

        Without :math:`\varepsilon`, which only changes the diagonal of the sum.

        Parameters
        ----------
        products : ndarray
            From `transformed`.
        transforms : ndarray, shape (n_transforms, n_channels, n_channels)
        weights : ndarray, shape (n_transforms, n_channels, n_frames)

        Returns
        -------
        sums : ndarray, shape (n_transforms, n_channels, n_channels)
            :math:`\sum_n w_{mn} (\Phi C_n \Phi^\top)_{mk}`.
        """
        if self._factors is None:
            summed = (weights[:, :, None] @ products)[:, :, 0]
            return summed @ transforms.swapaxes(1, 2)
        flat = (len(products), self.n_channels, -1)
        scaled = products * weights[..., None]
        return scaled.reshape(flat) @ products.reshape(flat).swapaxes(1, 2)


class OrthogonalStep(NamedTuple):
    """Transforms after a step, what `FrameCovariances.transformed` gives of them, and the value."""

    transforms: np.ndarray
    products: np.ndarray
    powers: np.ndarray
    value: np.ndarray
    """Of the objective, shape (n_transforms,)."""
    moved: np.ndarray
    """Whether a length was found that lowers the objective, shape (n_transforms,)."""


def orthogonal_step(
    covariances,
    before,
    *,
    objective,
    gradient,
    curvature,
    decrease=0.0,
    n_halvings=30,
    project=False,
):
    r"""A step :math:`\Phi \leftarrow e^{tE} \Phi` along :math:`E = -G / h` that lowers a criterion.

    The length t is 1, 1/2, 1/4, … until the criterion is at most
    :math:`L + 2 c\, t \langle E, G \rangle` (Armijo), beyond its rounding. Many transforms step at
    once, each with a length of its own. One decomposition :math:`iE = U \Lambda U^*` serves all
    lengths: the skew-symmetric E has :math:`e^{tE} = U e^{-it\Lambda} U^*`, and the orthogonal
    matrix that is nearest to :math:`I + tE` has the angles :math:`\arctan(t\Lambda)` in place of
    :math:`t\Lambda`.

    Parameters
    ----------
    covariances : FrameCovariances
    before : OrthogonalStep
        Where the step starts, with the value of ``objective`` there.
    objective : callable
        Takes powers, shape (n, n_channels, n_frames), and the indices of their transforms, shape
        (n,); gives the values, shape (n,).
    gradient : ndarray, shape (n_transforms, n_channels, n_channels)
        G, skew-symmetric.
    curvature : ndarray, shape (n_transforms, n_channels, n_channels)
        h, symmetric and positive.
    decrease : float, default=0
        c, the part of the decrease promised by the gradient that must be reached.
    n_halvings : int, default=30
        Lengths that are tried. A transform that finds none stays where it is.
    project : bool, default=False
        Take the orthogonal matrix nearest to :math:`I + tE` in place of :math:`e^{tE}`.

    Returns
    -------
    after : OrthogonalStep
    """
    direction = -gradient / curvature
    slope = 2 * np.einsum("rmk,rmk->r", direction, gradient)
    eigenvalues, vectors = np.linalg.eigh(1j * direction)
    after = OrthogonalStep(*(np.copy(part) for part in before[:4]), np.zeros(len(slope), bool))
    # Sums of n numbers are not known better than this; a smaller rise is none.
    rounding = 4 * np.finfo(float).eps * (np.abs(before.value) + before.powers[0].size)
    left, length = np.arange(len(slope)), 1.0
    for _ in range(n_halvings):
        angles = length * eigenvalues[left]
        phases = np.exp(-1j * (np.arctan(angles) if project else angles))
        u = vectors[left]
        rotation = ((u * phases[:, None]) @ u.conj().swapaxes(1, 2)).real
        trial = rotation @ before.transforms[left]
        products, powers = covariances.transformed(trial)
        value = objective(powers, left)
        fell = value <= before.value[left] + decrease * length * slope[left] + rounding[left]
        done = left[fell]
        for mine, new in zip(after, (trial, products, powers, value), strict=False):
            mine[done] = new[fell]
        after.moved[done] = True
        left, length = left[~fell], length / 2
        if not len(left):
            break
    return after


class Diagonalisation(NamedTuple):
    """Transforms that diagonalise jointly, one for each start, and how they were found."""

    transforms: np.ndarray
    """One atom a row, shape (n_starts, n_channels, n_channels)."""
    losses: np.ndarray
    """The criterion L, shape (n_starts,)."""
    n_steps: np.ndarray
    """Steps taken, shape (n_starts,)."""
    converged: np.ndarray
    """Whether the gradient fell below the tolerance, shape (n_starts,)."""

    @property
    def best(self):
        """The transform of the least loss, shape (n_channels, n_channels)."""
        return self.transforms[np.argmin(self.losses)]


def joint_diagonalisation(covariances, *, starts=None, tol=1e-8, max_iter=1000, n_halvings=30):
    r"""Orthogonal transforms that diagonalise matrices jointly, by quasi-Newton steps.

    Minimises :math:`L(\Phi) = \sum_{mn} (\log V_{mn} + 1)` as the module derives it, with

    .. math:: A_{mk} = \sum_n \frac{(\Phi C_n \Phi^\top)_{mk}}{V_{mn}}, \qquad h_{mk} = \tfrac12
              \sum_n \Big( \frac{V_{kn}}{V_{mn}} + \frac{V_{mn}}{V_{kn}} \Big) - N.

    Permutations of the atoms and their signs leave L as it is: a transform is known up to these.
    The loss has other local minima; of several starts, take the best.

    Parameters
    ----------
    covariances : FrameCovariances or array_like, shape (n_matrices, n_channels, n_channels)
    starts : array_like, shape (n_starts, n_channels, n_channels), optional
        Orthogonal. By default the identity alone.
    tol : float, default=1e-8
        Where to stop: norm of the skew-symmetric part of :math:`A / N`, over the root of the number
        of channels. The symmetric part need not vanish.
    max_iter : int, default=1000
        Steps of each start; with 0, the starts are evaluated.
    n_halvings : int, default=30

    Returns
    -------
    found : Diagonalisation

    Raises
    ------
    TypeError
        If an argument holds no numbers.
    ValueError
        If the matrices are as `FrameCovariances` refuses them, a start is not orthogonal or of
        another size, or an option is out of range.

    References
    ----------
    .. [1] S. Zhang, E. Soubies and C. Févotte, "Leveraging joint-diagonalization in
       transform-learning NMF", arXiv:2112.05664.
    .. [2] P. Ablin, J.-F. Cardoso and A. Gramfort, "Beyond Pham's algorithm for joint
       diagonalization", ESANN 2019, arXiv:1811.11433: the step without orthogonality.

    Examples
    --------
    >>> from common.spd import haar_orthogonal
    >>> basis = haar_orthogonal(1, 3, rng=np.random.default_rng(0))[0]
    >>> matrices = [basis.T @ np.diag(v) @ basis for v in ([1, 2, 3], [5, 1, 2])]
    >>> found = joint_diagonalisation(matrices)
    >>> bool(np.allclose(np.abs(found.best @ basis.T).max(axis=1), 1))
    True
    """
    if not isinstance(covariances, FrameCovariances):
        covariances = FrameCovariances(covariances)
    n_frames, n_channels = covariances.n_frames, covariances.n_channels
    transforms = check_transforms(starts, n_channels=n_channels, name="starts")
    tol = validation.number(tol, "tol", above=0)
    max_iter = validation.count(max_iter, "max_iter", at_least=0)
    n_halvings = validation.count(n_halvings, "n_halvings")

    found = transforms.copy()
    losses, converged = np.empty(len(found)), np.zeros(len(found), dtype=bool)
    n_steps = np.zeros(len(found), dtype=int)
    alive = np.arange(len(found))
    products, powers = covariances.transformed(transforms)
    losses[:] = diagonalisation_loss(powers)
    now = OrthogonalStep(transforms, products, powers, losses.copy(), np.ones(len(found), bool))
    for step in range(max_iter + 1):
        weights = 1 / now.powers
        gradient = _skew(covariances.weighted(now.products, now.transforms, weights))
        small = np.linalg.norm(gradient, axis=(1, 2)) < tol * n_frames * np.sqrt(n_channels)
        ends = small | ~now.moved | (step == max_iter)
        gone = alive[ends]
        found[gone], losses[gone], converged[gone] = (
            now.transforms[ends], now.value[ends], small[ends]
        )  # fmt: skip
        n_steps[gone] = step - (~now.moved[ends]).astype(int)
        if ends.all():
            break
        if ends.any():
            alive, now = alive[~ends], OrthogonalStep(*(part[~ends] for part in now))
            weights, gradient = weights[~ends], gradient[~ends]
        ratios = weights @ now.powers.swapaxes(1, 2)
        curvature = (ratios + ratios.swapaxes(1, 2)) / 2 - n_frames
        now = orthogonal_step(
            covariances,
            now,
            objective=lambda powers, _: diagonalisation_loss(powers),
            gradient=gradient,
            curvature=np.maximum(curvature, n_frames * _SMALLEST_CURVATURE),
            n_halvings=n_halvings,
            project=True,
        )
    return Diagonalisation(found, losses, n_steps, converged)


def diagonalisation_loss(powers):
    r"""The criterion of joint diagonalisation, :math:`\sum_{mn} (\log V_{mn} + 1)`.

    Parameters
    ----------
    powers : array_like, shape (..., n_channels, n_frames)
        Positive.

    Returns
    -------
    loss : ndarray, shape (...)

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If one is not finite and positive, or there are fewer than two axes.
    """
    powers = validation.array(powers, "powers", above=0)
    if powers.ndim < 2:
        raise ValueError(f"powers must have channels and frames, got shape {powers.shape}.")
    return np.log(powers).sum(axis=(-2, -1)) + powers[..., :, :].shape[-1] * powers.shape[-2]


def check_transforms(transforms, *, n_channels, name):
    """Orthogonal transforms, checked; the identity where there are none.

    Parameters
    ----------
    transforms : array_like, shape (n_transforms, n_channels, n_channels), or None
    n_channels : int
    name : str
        What messages call them.

    Returns
    -------
    transforms : ndarray, shape (n_transforms, n_channels, n_channels)
        A copy.

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If the shape is another, or one is not orthogonal.
    """
    if transforms is None:
        return np.eye(n_channels)[None]
    transforms = validation.array(transforms, name, ndim=3).astype(float)
    if transforms.shape[1:] != (n_channels, n_channels):
        raise ValueError(
            f"{name} must have shape (n_starts, {n_channels}, {n_channels}) for matrices of "
            f"{n_channels} channels, got {transforms.shape}."
        )
    gap = np.abs(transforms @ transforms.swapaxes(1, 2) - np.eye(n_channels)).max(axis=(1, 2))
    if np.any(gap > 1e-6):
        bad = int(np.argmax(gap))
        raise ValueError(
            f"{name}[{bad}] is not orthogonal: its product with its transpose is off the identity "
            f"by {gap[bad]:.3g}. Orthonormalise its rows, for example with scipy.linalg.polar."
        )
    return transforms


def _skew(matrices):
    return (matrices - matrices.swapaxes(-1, -2)) / 2
