r"""Convolutional dictionary learning on random windows, with outliers left out of the loss.

Of trials :math:`X` (C channels) atoms :math:`D_k` of L samples and unit norm, and activations
:math:`z_k \ge 0`, minimise the mean over windows of

.. math:: F(D; X) = \min_{z \ge 0} \sum_t M[t]\, f[t], \qquad
          f[t] = \tfrac12 \sum_c (X - \sum_k z_k * D_k)_c[t]^2
                 + \lambda \sum_k z_k[t - \lfloor L/2 \rfloor],

with a penalty counted at the middle of its atom, and a mask M that is 0 on outliers [1]_.

**A step** draws B windows of W samples, uniformly over trials and offsets, and finds their
activations: by locally greedy coordinate descent, from those of the atoms before, or as in the
paper by so many iterations of FISTA from 0. Activations see the whole window; only the loss is
masked. No gradient goes through z, so

.. math:: \nabla_{kc}[m] = - \sum_t z_k[t]\, (M r_c)[t + m], \qquad r = X - \sum_k z_k * D_k,

of which the part along :math:`D_k` is taken out, as atoms stay on the sphere. The *line search*
tries :math:`D - s \nabla`, scaled to unit norm, from s = η/2 on and halves s until the loss of the
batch, with activations of its own, is below :math:`F - 10^{-4} s \|\nabla\|^2`. η is the learning
rate times :math:`\|D\| / \|\nabla\|` of the first batch, and falls to 0 by a cosine. *Adam* takes
its usual step, with a rate that falls by a tenth an epoch.

*Unrolled* learning, DeepCDL, to which the paper compares, differentiates the loss through all
iterations of FISTA: each is a layer of a network whose weights are the atoms.

**Outliers** are where the patch error e[t], the mean of f over the L samples around t, is above a
threshold: a quantile, the third quartile plus α interquartile ranges, the mean plus α standard
deviations, or the median plus α scaled absolute deviations. It is taken at the start of every
epoch, from up to 300 windows, and the mask stays during a line search. λ is a share of the largest
correlation of the first atoms with the trials; with outliers, of the same threshold of the absolute
correlations, which artefacts do not move.

**Images** are recordings whose rows follow one another, see `common.dictionary._layout`: all is as
above, with patches of the size of an atom.

References
----------
.. [1] Y. Yehya, M. Benbakoura, C. Allain, B. Malézieux, M. Kowalski, T. Moreau, "RoseCDL: Robust
   and Scalable Convolutional Dictionary Learning for Rare-Event Detection", arXiv:2509.07523.
"""

import time
from dataclasses import dataclass, replace

import numba
import numpy as np
from scipy.fft import next_fast_len

from common import validation
from common.dictionary._checks import flag, squarable
from common.dictionary._layout import Layout
from common.dictionary.atoms import FullAtoms
from common.dictionary.batch import activation_sums
from common.dictionary.sparse_coding import lipschitz, sparse_code

__all__ = [
    "METHODS",
    "Outliers",
    "StochasticallyLearned",
    "image_outlier_mask",
    "learn_on_images",
    "learn_on_windows",
    "loss_density",
    "outlier_mask",
    "patch_means",
]

METHODS = {"quantile": 0.2, "iqr": 1.5, "sd": 3.5, "mad": 3.5}
"""Thresholds, and their usual level."""

_N_LOOKED_AT = 300  # windows, for the penalty and the thresholds
_ARMIJO = 1e-4
_MOST_HALVINGS = 30
_RARE = 1e-3  # share of the activations, below which an atom may be drawn again


@dataclass(frozen=True)
class Outliers:
    """What is taken for an outlier.

    Parameters
    ----------
    method : {"quantile", "iqr", "sd", "mad"}
    level : float, optional
        The share above the quantile, or α; by default `METHODS`.

    Raises
    ------
    TypeError, ValueError
        If the method is unknown, or the level is not positive, or no share.
    """

    method: str = "mad"
    level: float | None = None

    def __post_init__(self):
        validation.choice(self.method, METHODS, "method")
        level = METHODS[self.method] if self.level is None else self.level
        below = {"below": 1} if self.method == "quantile" else {}
        object.__setattr__(self, "level", validation.number(level, "level", above=0, **below))

    def threshold(self, values):
        """Value above which one is an outlier.

        Parameters
        ----------
        values : array_like
            Of any shape.

        Returns
        -------
        threshold : float

        Raises
        ------
        TypeError, ValueError
            If there is no value, or one is not finite.
        """
        values = validation.array(values, "values").astype(float).ravel()
        if self.method == "quantile":
            return float(np.quantile(values, 1 - self.level))
        if self.method == "iqr":
            low, high = np.quantile(values, [0.25, 0.75])
            return float(high + self.level * (high - low))
        if self.method == "sd":
            return float(values.mean() + self.level * values.std())
        median = np.median(values)
        return float(median + self.level * np.median(np.abs(values - median)) / 0.6745)


@dataclass(frozen=True, eq=False)
class StochasticallyLearned:
    """Atoms, and the way to them.

    Attributes
    ----------
    D : ndarray, shape (n_atoms, n_channels, n_times_atom)
        Of unit norm.
    penalty : float
        Lambda, in the unit of the trials.
    threshold : float
        Of the patch errors under these atoms, in the unit of the trials, squared; infinite without
        outliers.
    log : dict of str to ndarray
        By epoch, the start first. ``seconds``: processor time until then. ``loss``: of trials of
        unit deviation, per sample outside the mask, mean over the steps. ``masked``: share of the
        samples in the mask. ``codings``: how often a batch was coded. ``redrawn``: the atom drawn
        anew at the end, or -1. ``atoms``: shape (n_epochs + 1, n_atoms, n_channels, n_times_atom).
    """

    D: np.ndarray
    penalty: float
    threshold: float
    log: dict


def learn_on_windows(
    X,
    *,
    n_atoms,
    n_times_atom,
    n_times_window,
    n_windows=10,
    reg=0.8,
    scaled=True,
    outliers=None,
    n_epochs=30,
    n_batches=None,
    step="line search",
    learning_rate=0.1,
    solver="lgcd",
    tol=0.1,
    n_iter=50,
    device="cpu",
    start="random",
    rng,
):
    r"""Atoms of trials of any length, from random windows.

    Parameters
    ----------
    X : array_like, shape (n_trials, n_channels, n_times) or (n_channels, n_times)
        Any unit: it is divided by its standard deviation.
    n_atoms, n_times_atom : int
    n_times_window : int
        W, at least ``2 n_times_atom``, at most the length of a trial.
    n_windows : int, default=10
        B.
    reg : float, default=0.8
        With ``scaled``, the share below 1 that λ is (see the module); else λ itself, in the unit of
        the trials.
    scaled : bool, default=True
    outliers : Outliers, optional
        None: everything counts.
    n_epochs : int, default=30
    n_batches : int, optional
        Batches an epoch; by default as many as fit into the trials without overlap.
    step : {"line search", "adam"}, default="line search"
    learning_rate : float, default=0.1
    solver : {"lgcd", "fista", "unrolled"}, default="lgcd"
        Of the activations. FISTA runs in torch on ``device``; unrolled, gradients go through it.
    tol : float, default=0.1
        Of LGCD, in standard deviations of the trials.
    n_iter : int, default=50
        Of FISTA.
    device : str, default="cpu"
        Of torch, such as "cuda".
    start : {"random", "chunk"} or array_like, default="random"
        First atoms, and those drawn again: white noise, stretches of the trials; or the atoms, and
        white noise.
    rng : numpy.random.Generator
        Draws atoms and windows.

    Returns
    -------
    learned : StochasticallyLearned

    Raises
    ------
    TypeError
        If an argument is no number, ``rng`` no generator or ``outliers`` of another kind.
    ValueError
        If a value of ``X`` is not finite, all are equal or their squares no numbers; if windows do
        not fit into the trials, or atoms not into the windows; if an option is unknown or out of
        range, the solver "lgcd" is asked for a device, torch has no such device, or the penalty
        would be 0.

    Examples
    --------
    >>> X = np.zeros((1, 1200))
    >>> for at in range(20, 1150, 37):
    ...     X[0, at : at + 4] += [1, 3, 2, 1]
    >>> options = {"n_atoms": 1, "n_times_atom": 4, "n_times_window": 100, "n_epochs": 20}
    >>> found = learn_on_windows(X, rng=np.random.default_rng(0), **options).D[0, 0]
    >>> bool(np.abs(np.correlate(found, [1, 3, 2, 1], "full")).max() > 0.95 * 15**0.5)
    True
    """
    X = _checked_trials(X)
    n_times_atom = validation.count(n_times_atom, "n_times_atom", at_least=2)
    n_times_window = validation.count(n_times_window, "n_times_window")
    if not 2 * n_times_atom <= n_times_window <= X.shape[2]:
        raise ValueError(
            f"n_times_window must be from {2 * n_times_atom}, twice an atom's length, "
            f"to {X.shape[2]}, the length of a trial, got {n_times_window}."
        )
    if not isinstance(start, str):
        start = FullAtoms(start).D
    return _learn(
        X[:, :, None], Layout((1, n_times_atom), (1, n_times_window)), n_atoms=n_atoms,
        n_windows=n_windows, reg=reg, scaled=scaled, outliers=outliers, n_epochs=n_epochs,
        n_batches=n_batches, step=step, learning_rate=learning_rate, solver=solver, tol=tol,
        n_iter=n_iter, device=device, start=start, rng=rng,
    )  # fmt: skip


def learn_on_images(X, *, n_atoms, atom_shape, window_shape, start="random", rng, **options):
    """Atoms of images, from random windows.

    Parameters
    ----------
    X : array_like, shape (n_images, n_rows, n_columns) or (n_rows, n_columns)
        Any unit: it is divided by its standard deviation.
    n_atoms : int
    atom_shape, window_shape : tuple of int
        Rows and columns; a window is at least twice an atom, and at most an image.
    start : {"random", "chunk"} or array_like, default="random"
        First atoms, and those drawn again: white noise, patches of the images; or the atoms.
    rng : numpy.random.Generator
    **options
        ``n_windows``, ``reg``, ``scaled``, ``outliers``, ``n_epochs``, ``n_batches``, ``step``,
        ``learning_rate``, ``solver``, ``tol``, ``n_iter`` and ``device`` of `learn_on_windows`.

    Returns
    -------
    learned : StochasticallyLearned
        With atoms of shape (n_atoms, n_rows, n_columns).

    Raises
    ------
    TypeError, ValueError
        As `learn_on_windows`, or if a shape is none, or does not fit.

    Examples
    --------
    >>> X = np.zeros((40, 60))
    >>> X[5:8, 10:13] = X[20:23, 30:33] = X[30:33, 5:8] = X[12:15, 45:48] = np.eye(3)
    >>> options = {"n_atoms": 1, "atom_shape": (3, 3), "window_shape": (20, 30), "reg": 0.3}
    >>> learned = learn_on_images(X, n_epochs=20, rng=np.random.default_rng(0), **options)
    >>> learned.D.shape
    (1, 3, 3)
    """
    X = _checked_images(X)
    atom_shape = _checked_shape(atom_shape, "atom_shape")
    window_shape = _checked_shape(window_shape, "window_shape")
    for least, size, most in zip(atom_shape, window_shape, X.shape[1:], strict=True):
        if not 2 * least <= size <= most:
            raise ValueError(
                f"window_shape must be at least twice atom_shape={atom_shape} and at most an "
                f"image, {X.shape[1:]}, got {window_shape}."
            )
    if not isinstance(start, str):
        start = validation.array(start, "start", ndim=3).astype(float)
        if start.shape[1:] != atom_shape:
            raise ValueError(f"start must hold atoms of {atom_shape}, got {start.shape[1:]}.")
        start = start.reshape(len(start), 1, -1)
    learned = _learn(
        X[:, None], Layout(atom_shape, window_shape), n_atoms=n_atoms, start=start, rng=rng,
        **options,
    )  # fmt: skip
    atoms = learned.log["atoms"].reshape(*learned.log["atoms"].shape[:2], *atom_shape)
    return replace(learned, D=atoms[-1], log=learned.log | {"atoms": atoms})


def _learn(
    X, layout, *, n_atoms, n_windows=10, reg=0.8, scaled=True, outliers=None, n_epochs=30,
    n_batches=None, step="line search", learning_rate=0.1, solver="lgcd", tol=0.1, n_iter=50,
    device="cpu", start, rng,
):  # fmt: skip
    """Atoms, shape (n_atoms, n_channels, pixels), of images (n, n_channels, n_rows, n_columns)."""
    sizes = _Sizes(X, layout, n_windows, n_epochs, n_batches)
    n_atoms = validation.count(n_atoms, "n_atoms")
    validation.choice(step, tuple(_STEPS), "step")
    learning_rate = validation.number(learning_rate, "learning_rate", above=0)
    scaled = flag(scaled, "scaled")
    bounds = {"above": 0, "below": 1} if scaled else {"above": 0}
    reg = validation.number(reg, "reg", **bounds)
    rng = validation.generator(rng)
    if outliers is not None:
        _check_outliers(outliers, "Outliers or None")
    code = _coder(solver, validation.number(tol, "tol", above=0), n_iter, device)
    scale = float(X.std())
    X = X / scale
    atoms = _Start(X, start, n_atoms, layout, rng)
    D = atoms.first()
    looked_at = sizes.draw(X, _N_LOOKED_AT, rng) if scaled else None
    penalty = reg * _largest(looked_at, D, layout, outliers) if scaled else reg / scale
    take = _STEPS[step](learning_rate, sizes.n_epochs * sizes.n_batches, sizes.n_batches)
    log, recent = _Log(D), []

    def threshold(D):
        if outliers is None:
            return np.inf
        windows = sizes.draw(X, _N_LOOKED_AT, rng)
        return outliers.threshold(_patch_errors(windows, D, penalty, layout, code))

    for epoch in range(sizes.n_epochs):
        limit, uses = threshold(D), np.zeros(n_atoms)
        for _ in range(sizes.n_batches):
            windows = sizes.draw(X, sizes.n_windows, rng)
            batch = _Batch(windows, D, penalty, limit, layout, code)
            uses += np.count_nonzero(batch.z, axis=(0, 2))
            log.batch(batch)
            D = take(batch)
            log.codings += batch.codings
        redrawn = _rarely_used(uses, recent, rng) if epoch + 1 < sizes.n_epochs else None
        if redrawn is not None:
            D = D.copy()
            D[redrawn] = atoms.another()
            recent = [*recent, redrawn][-2:]
        log.epoch(D, redrawn)
    return StochasticallyLearned(D, scale * penalty, scale**2 * threshold(D), log.table())


def loss_density(X, D, z, penalty):
    """f of the module: what each sample adds to the loss.

    Parameters
    ----------
    X : ndarray, shape (n_trials, n_channels, n_times)
    D : ndarray, shape (n_atoms, n_channels, n_times_atom)
    z : ndarray, shape (n_trials, n_atoms, n_times - n_times_atom + 1)
        Non-negative.
    penalty : float

    Returns
    -------
    density : ndarray, shape (n_trials, n_times)
        In the unit of ``X``, squared.

    Raises
    ------
    TypeError, ValueError
        If an array is none, shapes do not fit, an activation or the penalty is negative, or the
        squares of values are no numbers.
    """
    X, D, z = (
        validation.array(each, name, ndim=3, at_least=0 if name == "z" else None).astype(float)
        for each, name in ((X, "X"), (D, "D"), (z, "z"))
    )
    penalty = validation.number(penalty, "penalty", at_least=0)
    squarable(X, "X")
    squarable(D, "D", small=False)
    squarable(z, "z", small=False)
    expected = (len(X), len(D), X.shape[2] - D.shape[2] + 1)
    if z.shape != expected or X.shape[1] != D.shape[1]:
        raise ValueError(
            f"z must have shape {expected} and X the channels of D, got z of {z.shape}, X of "
            f"{X.shape} and D of {D.shape}."
        )
    return _density(X, D, z, penalty, D.shape[2] // 2)


def patch_means(density, n_times_atom):
    """Means over the samples around each one, as many as an atom has; at the ends, those there are.

    Parameters
    ----------
    density : array_like, shape (n_trials, n_times)
    n_times_atom : int

    Returns
    -------
    means : ndarray, shape (n_trials, n_times)

    Raises
    ------
    TypeError, ValueError
        If ``density`` is no such array of finite values, or the length is below 1.
    """
    density = validation.array(density, "density", ndim=2).astype(float)
    n_times_atom = validation.count(n_times_atom, "n_times_atom")
    return Layout((1, n_times_atom), (1, density.shape[1])).patch_means(density)


def outlier_mask(X, D=None, penalty=None, *, outliers, n_times_atom=None, tol=0.1):
    """Which samples of trials atoms do not explain; without atoms, which have much energy.

    Parameters
    ----------
    X : array_like, shape (n_trials, n_channels, n_times) or (n_channels, n_times)
    D : array_like, shape (n_atoms, n_channels, n_times_atom), optional
    penalty : float, optional
        With atoms: lambda, in the unit of the trials.
    outliers : Outliers
        The threshold is of all trials together.
    n_times_atom : int, optional
        Without atoms: samples that a mean is over.
    tol : float, default=0.1
        Of the activations, in standard deviations of the trials.

    Returns
    -------
    mask : ndarray of bool, shape (n_trials, n_times)

    Raises
    ------
    TypeError, ValueError
        If an argument is none, out of range or does not fit.
    """
    X = _checked_trials(X)
    if D is None:
        n_times_atom = validation.count(n_times_atom, "n_times_atom", at_most=X.shape[2])
    else:
        D = FullAtoms(D).D
        n_times_atom = D.shape[2]
        if n_times_atom > X.shape[2]:
            raise ValueError(
                f"atoms of {n_times_atom} samples do not fit into trials of {X.shape[2]}. Use "
                "longer trials."
            )
    layout = Layout((1, n_times_atom), (1, X.shape[2]))
    return _mask(X, D, penalty, layout, outliers, tol)


def image_outlier_mask(X, D=None, penalty=None, *, outliers, atom_shape=None, tol=0.1):
    """Which pixels atoms do not explain; without atoms, which have much energy around them.

    Parameters
    ----------
    X : array_like, shape (n_images, n_rows, n_columns) or (n_rows, n_columns)
    D : array_like, shape (n_atoms, n_rows, n_columns), optional
    penalty, outliers, tol
        See `outlier_mask`.
    atom_shape : tuple of int, optional
        Without atoms: rows and columns of the patch that a mean is over.

    Returns
    -------
    mask : ndarray of bool, shape (n_images, n_rows, n_columns)

    Raises
    ------
    TypeError, ValueError
        As `outlier_mask`, or if an atom is larger than an image.
    """
    X = _checked_images(X)
    if D is not None:
        D = validation.array(D, "D", ndim=3).astype(float)
    atom_shape = _checked_shape(atom_shape if D is None else D.shape[1:], "atom_shape")
    if any(np.array(atom_shape) > X.shape[1:]):
        raise ValueError(f"atom_shape={atom_shape} is larger than an image, {X.shape[1:]}.")
    layout = Layout(atom_shape, X.shape[1:])
    flat = None if D is None else FullAtoms(layout.spread(D.reshape(len(D), 1, -1))).D
    return _mask(X.reshape(len(X), 1, -1), flat, penalty, layout, outliers, tol).reshape(X.shape)


def _mask(X, D, penalty, layout, outliers, tol):
    """Where patch errors of whole recordings are above the threshold; atoms are spread out."""
    _check_outliers(outliers, "Outliers")
    if D is None:
        errors = layout.patch_means(0.5 * np.sum(X**2, axis=1))
    else:
        penalty = validation.number(penalty, "penalty", above=0)
        code = _coder("lgcd", validation.number(tol, "tol", above=0) * X.std(), None, "cpu")
        z = code(X, D, penalty, None, layout.valid)
        errors = layout.patch_means(_density(X, D, z, penalty, layout.middle))
    return errors > outliers.threshold(errors)


def _patch_errors(X, D, penalty, layout, code):
    """Patch errors of windows under atoms that are not spread out."""
    D = layout.spread(D)
    density = _density(X, D, code(X, D, penalty, None, layout.valid), penalty, layout.middle)
    return layout.patch_means(density)


def _density(X, D, z, penalty, middle):
    density = 0.5 * np.sum(_residual(X, D, z) ** 2, axis=1)
    density[:, middle : middle + z.shape[2]] += penalty * z.sum(axis=1)
    return density


class _Sizes:
    """Checked numbers of windows and batches."""

    def __init__(self, X, layout, n_windows, n_epochs, n_batches):
        self.window_shape = layout.window_shape
        self.n_windows = validation.count(n_windows, "n_windows")
        self.n_epochs = validation.count(n_epochs, "n_epochs")
        n_batches = max(1, self.n_apart(X) // self.n_windows) if n_batches is None else n_batches
        self.n_batches = validation.count(n_batches, "n_batches")

    def n_apart(self, X):
        """Windows that fit side by side."""
        n_rows, n_columns = (
            n // size for n, size in zip(X.shape[2:], self.window_shape, strict=True)
        )
        return len(X) * n_rows * n_columns

    def draw(self, X, most, rng):
        """Windows, shape (n_windows, n_channels, samples), no more than fit side by side."""
        n = min(most, self.n_apart(X))
        n_rows, n_columns = self.window_shape
        image = rng.integers(len(X), size=n)
        left = rng.integers(X.shape[3] - n_columns + 1, size=n)
        top = rng.integers(X.shape[2] - n_rows + 1, size=n)
        corners = zip(image, top, left, strict=True)
        windows = [X[i, :, r : r + n_rows, c : c + n_columns] for i, r, c in corners]
        return np.stack(windows).reshape(n, X.shape[1], -1)


class _Start:
    """Atoms to begin with, and those that take the place of others."""

    def __init__(self, X, start, n_atoms, layout, rng):
        self.X, self.rng, self.atom_shape = X, rng, layout.atom_shape
        self.shape = (n_atoms, X.shape[1], layout.atom_shape[0] * layout.atom_shape[1])
        self.given = None
        if not isinstance(start, str):
            self.given, start = start, "random"
            if self.given.shape != self.shape:
                raise ValueError(f"start must have the shape {self.shape}, got {self.given.shape}.")
        self.start = validation.choice(start, ("random", "chunk"), "start")

    def first(self):
        if self.given is not None:
            return _unit(self.given)
        return np.stack([self.another() for _ in range(self.shape[0])])

    def another(self):
        if self.start == "chunk":
            image = self.X[self.rng.integers(len(self.X))]
            n_rows, n_columns = self.atom_shape
            left = self.rng.integers(image.shape[2] - n_columns + 1)
            top = self.rng.integers(image.shape[1] - n_rows + 1)
            atom = image[:, top : top + n_rows, left : left + n_columns]
            if atom.any():
                return _unit(atom.reshape(1, *self.shape[1:]))[0]
        return _unit(self.rng.standard_normal((1, *self.shape[1:])))[0]


class _Batch:
    """Windows, their activations under some atoms, and where the loss counts."""

    def __init__(self, X, D, penalty, limit, layout, code):
        self.X, self.penalty, self.layout, self.code, self.codings = X, penalty, layout, code, 0
        self.D = D
        self.z, density = self._coded(D, None)
        self.counts = layout.patch_means(density) <= limit
        self.loss = float(density[self.counts].sum())

    def _coded(self, D, start):
        D = self.layout.spread(D)
        z = self.code(self.X, D, self.penalty, start, self.layout.valid)
        self.codings += 1
        return z, _density(self.X, D, z, self.penalty, self.layout.middle)

    def loss_of(self, D):
        """The loss under other atoms."""
        return float(self._coded(D, self.z)[1][self.counts].sum())

    def gradient(self):
        """Of the loss, along the spheres of the atoms."""
        D = self.layout.spread(self.D)
        if isinstance(self.code, _Unrolled):
            gradient = self.code.gradient(self.X, D, self.penalty, self.layout, self.counts)
            of_residual = -self.layout.gathered(gradient)
        else:
            residual = _residual(self.X, D, self.z) * self.counts[:, None]
            _, of_residual = activation_sums(residual, self.z, self.layout.reach)
            of_residual = self.layout.gathered(of_residual)
        along = np.sum(of_residual * self.D, axis=(1, 2), keepdims=True)
        return along * self.D - of_residual


class _LineSearch:
    def __init__(self, rate, n_steps, n_batches):
        self.rate, self.n_steps, self.taken, self.first = rate, n_steps, 0, None

    def __call__(self, batch):
        gradient = batch.gradient()
        norm = np.linalg.norm(gradient)
        if norm == 0:
            self.taken += 1
            return batch.D
        if self.first is None:
            self.first = self.rate * np.linalg.norm(batch.D) / norm
        step = 0.5 * self.first * 0.5 * (1 + np.cos(np.pi * self.taken / self.n_steps))
        self.taken += 1
        for _ in range(_MOST_HALVINGS):
            D = _unit(batch.D - step * gradient)
            if batch.loss_of(D) < batch.loss - _ARMIJO * step * norm**2:
                return D
            step /= 2
        return batch.D


class _Adam:
    def __init__(self, rate, n_steps, n_batches):
        self.rate, self.n_batches, self.taken = rate, n_batches, 0
        self.mean = self.square = 0.0

    def __call__(self, batch):
        gradient = batch.gradient()
        rate = self.rate * 0.9 ** (self.taken // self.n_batches)
        self.taken += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean, square = self.mean / (1 - 0.9**self.taken), self.square / (1 - 0.999**self.taken)
        return _unit(batch.D - rate * mean / (np.sqrt(square) + 1e-8))


_STEPS = {"line search": _LineSearch, "adam": _Adam}


class _Log:
    def __init__(self, D):
        self.started, self.codings, self.losses, self.masked = time.process_time(), 0, [], []
        self.rows = []
        self.epoch(D, None)

    def batch(self, batch):
        self.losses.append(batch.loss / max(1, batch.counts.sum()))
        self.masked.append(1 - batch.counts.mean())

    def epoch(self, D, redrawn):
        mean = [float(np.mean(each)) if each else np.nan for each in (self.losses, self.masked)]
        seconds = time.process_time() - self.started
        self.rows.append((seconds, *mean, self.codings, -1 if redrawn is None else redrawn, D))
        self.losses, self.masked = [], []

    def table(self):
        names = ("seconds", "loss", "masked", "codings", "redrawn", "atoms")
        return dict(zip(names, map(np.array, zip(*self.rows, strict=True)), strict=True))


def _coder(solver, tol, n_iter, device):
    """A function that finds activations.

    Of windows, atoms, penalty, activations to start from, and where atoms may start.
    """
    validation.choice(solver, ("lgcd", "fista", "unrolled"), "solver")
    if solver != "lgcd":
        kind = _Fista if solver == "fista" else _Unrolled
        return kind(validation.count(n_iter, "n_iter"), device)
    if device != "cpu":
        raise ValueError(f"solver='lgcd' runs on the CPU, got device={device!r}. Use 'fista'.")

    def code(X, D, penalty, start, valid):
        # All windows as one recording, in which no atom may start where it would leave its window.
        n_windows, n_channels, n_times = X.shape
        n_atoms, _, n_times_atom = D.shape
        n_valid = n_times - n_times_atom + 1
        whole = np.zeros((n_atoms, n_windows, n_times))
        if start is not None:
            whole[:, :, :n_valid] = start.swapaxes(0, 1)
        support = np.zeros(whole.shape, dtype=bool)
        support[:, :, :n_valid] = valid
        stop = n_windows * n_times - n_times_atom + 1
        found = sparse_code(
            X.swapaxes(0, 1).reshape(n_channels, -1),
            FullAtoms(D),
            penalty,
            tol=tol,
            start=whole.reshape(n_atoms, -1)[:, :stop],
            support=support.reshape(n_atoms, -1)[:, :stop],
        )
        whole.reshape(n_atoms, -1)[:, :stop] = found.z
        return np.ascontiguousarray(whole[:, :, :n_valid].swapaxes(0, 1))

    return code


class _Fista:
    """So many iterations from no activation, in torch."""

    def __init__(self, n_iter, device):
        import torch  # only for who uses it

        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, TypeError) as error:
            raise ValueError(
                f"torch has no device {device!r} here. Use 'cpu', or 'cuda' where there is a GPU."
            ) from error
        self.torch, self.n_iter, self.device = torch, n_iter, torch.device(device)

    def __call__(self, X, D, penalty, start, valid):
        X, atoms, valid = self._tensors(X, D, valid)
        return self._run(X, atoms, penalty, valid, 1 / lipschitz(FullAtoms(D))).cpu().numpy()

    def _tensors(self, X, D, valid):
        kind = {"dtype": self.torch.float64, "device": self.device}
        X, D = (self.torch.as_tensor(each, **kind) for each in (X, D))
        return X, D, self.torch.as_tensor(valid, device=self.device)

    def _spectra(self, X, atoms):
        """Number of points, so long that what wraps around falls beyond the valid starts; atoms."""
        n_points = next_fast_len(X.shape[2], real=True)
        return n_points, self.torch.fft.rfft(atoms, n_points)

    def _fitted(self, X, z, atoms):
        torch, (n_points, spectra) = self.torch, self._spectra(X, atoms)
        products = torch.einsum("nkf,kcf->ncf", torch.fft.rfft(z, n_points), spectra)
        return torch.fft.irfft(products, n_points)[:, :, : X.shape[2]]

    def _run(self, X, atoms, penalty, valid, step):
        torch, (n_points, spectra) = self.torch, self._spectra(X, atoms)
        n_valid = X.shape[2] - atoms.shape[2] + 1
        overlaps = torch.einsum("kcf,lcf->klf", spectra.conj(), spectra)
        products = torch.einsum("kcf,ncf->nkf", spectra.conj(), torch.fft.rfft(X, n_points))
        correlation = torch.fft.irfft(products, n_points)[:, :, :n_valid]
        z = y = torch.zeros_like(correlation)
        momentum = 1.0
        for _ in range(self.n_iter):
            products = torch.einsum("klf,nlf->nkf", overlaps, torch.fft.rfft(y, n_points))
            change = torch.fft.irfft(products, n_points)[:, :, :n_valid] - correlation + penalty
            moved = torch.relu(y - step * change) * valid
            following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            y = moved + (momentum - 1) / following * (moved - z)
            z, momentum = moved, following
        return z


class _Unrolled(_Fista):
    """The same, and the gradient through all iterations; the step is taken for a constant."""

    def gradient(self, X, D, penalty, layout, counts):
        """Of the loss where it counts, shape of ``D``."""
        X, atoms, valid = self._tensors(X, D, layout.valid)
        counts = self.torch.as_tensor(counts, device=self.device)
        atoms.requires_grad_()
        z = self._run(X, atoms, penalty, valid, 1 / lipschitz(FullAtoms(D)))
        density = 0.5 * ((X - self._fitted(X, z, atoms)) ** 2).sum(axis=1)
        around = (layout.middle, X.shape[2] - z.shape[2] - layout.middle)
        density = density + penalty * self.torch.nn.functional.pad(z.sum(axis=1), around)
        (density * counts).sum().backward()
        return atoms.grad.cpu().numpy()


def _largest(X, D, layout, outliers):
    """Correlation that the penalty is a share of."""
    atoms = FullAtoms(layout.spread(D))
    correlation = np.stack([atoms.correlate(one)[:, layout.valid] for one in X])
    found = correlation.max() if outliers is None else outliers.threshold(np.abs(correlation))
    if not found > 0:
        raise ValueError(
            "the penalty would be 0: the first atoms correlate with too little of the trials. Give "
            "the penalty itself as reg, with scaled=False."
        )
    return float(found)


def _rarely_used(uses, recent, rng):
    """An atom to draw again, or None."""
    rare = [k for k in np.flatnonzero(uses <= _RARE * uses.sum()) if k not in recent]
    return int(rng.choice(rare)) if rare else None


@numba.njit(cache=True)
def _residual(X, D, z):
    """What activated atoms leave of windows; few activations are not 0."""
    residual = X.copy()
    for n in range(z.shape[0]):
        for k in range(z.shape[1]):
            for t in range(z.shape[2]):
                if z[n, k, t] != 0:
                    for c in range(X.shape[1]):
                        for m in range(D.shape[2]):
                            residual[n, c, t + m] -= z[n, k, t] * D[k, c, m]
    return residual


def _checked_images(X):
    X = validation.array(X, "X").astype(float)
    X = X[None] if X.ndim == 2 else X
    if X.ndim != 3:
        raise ValueError(
            "X must have shape (n_images, n_rows, n_columns) or (n_rows, n_columns), got "
            f"{X.shape}."
        )
    if np.ptp(X) == 0:
        raise ValueError(f"all pixels of X are {X.flat[0]:g}: there is nothing to learn.")
    squarable(X, "X")
    return X


def _check_outliers(outliers, wanted):
    if not isinstance(outliers, Outliers):
        raise TypeError(f"outliers must be {wanted}, got {outliers!r}.")


def _checked_shape(shape, name):
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise TypeError(f"{name} must be (n_rows, n_columns), got {shape!r}.")
    n_rows, n_columns = (validation.count(size, name) for size in shape)
    if n_rows * n_columns < 2:
        raise ValueError(f"{name} must have at least 2 pixels, got {(n_rows, n_columns)}.")
    return n_rows, n_columns


def _unit(D):
    return D / np.linalg.norm(D, axis=(1, 2), keepdims=True)


def _checked_trials(X):
    X = validation.array(X, "X").astype(float)
    if X.ndim == 2:
        X = X[None]
    if X.ndim != 3:
        raise ValueError(
            "X must have shape (n_trials, n_channels, n_times) or (n_channels, n_times), got "
            f"{X.shape}."
        )
    flat = np.argwhere(np.ptp(X, axis=2).max(axis=0) == 0)
    if len(flat):
        raise ValueError(
            f"channel {flat[0, 0]} is constant in every trial, {X[0, flat[0, 0], 0]:g}. Drop it."
        )
    squarable(X, "X")
    return X
