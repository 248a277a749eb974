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

**Outliers** are where the patch error e[t], the mean of f over the L samples around t, is above a
threshold: a quantile, the third quartile plus α interquartile ranges, the mean plus α standard
deviations, or the median plus α scaled absolute deviations. It is taken at the start of every
epoch, from up to 300 windows, and the mask stays during a line search. λ is a share of the largest
correlation of the first atoms with the trials; with outliers, of the same threshold of the absolute
correlations, which artefacts do not move.

References
----------
.. [1] Y. Yehya, M. Benbakoura, C. Allain, B. Malézieux, M. Kowalski, T. Moreau, "RoseCDL: Robust
   and Scalable Convolutional Dictionary Learning for Rare-Event Detection", arXiv:2509.07523.
"""

import time
from dataclasses import dataclass

import numba
import numpy as np
from scipy.ndimage import uniform_filter1d

from common import validation
from common.dictionary.atoms import FullAtoms
from common.dictionary.batch import activation_sums
from common.dictionary.sparse_coding import lipschitz, sparse_code

__all__ = [
    "METHODS",
    "Outliers",
    "StochasticallyLearned",
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
    solver : {"lgcd", "fista"}, default="lgcd"
        Of the activations. FISTA runs in torch on ``device``.
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
        If a value of ``X`` is not finite or all are equal; if windows do not fit into the trials,
        or atoms not into the windows; if an option is unknown or out of range, the solver "lgcd" is
        asked for a device, or the penalty would be 0.

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
    sizes = _Sizes(X, n_times_atom, n_times_window, n_windows, n_epochs, n_batches)
    n_atoms = validation.count(n_atoms, "n_atoms")
    validation.choice(step, tuple(_STEPS), "step")
    learning_rate = validation.number(learning_rate, "learning_rate", above=0)
    bounds = {"above": 0, "below": 1} if scaled else {"above": 0}
    reg = validation.number(reg, "reg", **bounds)
    rng = validation.generator(rng)
    if not (outliers is None or isinstance(outliers, Outliers)):
        raise TypeError(f"outliers must be Outliers or None, got {outliers!r}.")
    code = _coder(solver, validation.number(tol, "tol", above=0), n_iter, device)
    scale = float(X.std())
    X = X / scale
    atoms = _Start(X, start, n_atoms, sizes.n_times_atom, rng)
    D = atoms.first()
    penalty = (
        reg * _largest(sizes.draw(X, _N_LOOKED_AT, rng), D, outliers) if scaled else reg / scale
    )
    take = _STEPS[step](learning_rate, sizes.n_epochs * sizes.n_batches, sizes.n_batches)
    log, recent = _Log(D), []

    def threshold(D):
        if outliers is None:
            return np.inf
        windows = sizes.draw(X, _N_LOOKED_AT, rng)
        density = loss_density(windows, D, code(windows, D, penalty, None), penalty)
        return outliers.threshold(patch_means(density, sizes.n_times_atom))

    for epoch in range(sizes.n_epochs):
        limit, uses = threshold(D), np.zeros(n_atoms)
        for _ in range(sizes.n_batches):
            batch = _Batch(sizes.draw(X, sizes.n_windows, rng), D, penalty, limit, code)
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
        If an array is none, or shapes do not fit.
    """
    X, D, z = (
        validation.array(each, name, ndim=3).astype(float)
        for each, name in ((X, "X"), (D, "D"), (z, "z"))
    )
    expected = (len(X), len(D), X.shape[2] - D.shape[2] + 1)
    if z.shape != expected or X.shape[1] != D.shape[1]:
        raise ValueError(
            f"z must have shape {expected} and X the channels of D, got z of {z.shape}, X of "
            f"{X.shape} and D of {D.shape}."
        )
    density = 0.5 * np.sum(_residual(X, D, z) ** 2, axis=1)
    middle = D.shape[2] // 2
    density[:, middle : middle + z.shape[2]] += penalty * z.sum(axis=1)
    return density


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
    share = uniform_filter1d(np.ones(density.shape[1]), n_times_atom, mode="constant")
    return uniform_filter1d(density, n_times_atom, axis=1, mode="constant") / share


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
        density = 0.5 * np.sum(X**2, axis=1)
    else:
        D = FullAtoms(D).D
        n_times_atom = D.shape[2]
        penalty = validation.number(penalty, "penalty", above=0)
        code = _coder("lgcd", validation.number(tol, "tol", above=0) * X.std(), None, "cpu")
        density = loss_density(X, D, code(X, D, penalty, None), penalty)
    errors = patch_means(density, n_times_atom)
    return errors > outliers.threshold(errors)


class _Sizes:
    """Checked sizes of windows and batches."""

    def __init__(self, X, n_times_atom, n_times_window, n_windows, n_epochs, n_batches):
        n_times = X.shape[2]
        self.n_times_atom = validation.count(n_times_atom, "n_times_atom", at_least=2)
        self.n_times_window = validation.count(n_times_window, "n_times_window")
        self.n_windows = validation.count(n_windows, "n_windows")
        self.n_epochs = validation.count(n_epochs, "n_epochs")
        if not 2 * self.n_times_atom <= self.n_times_window <= n_times:
            raise ValueError(
                f"n_times_window must be from {2 * self.n_times_atom}, twice an atom's length, "
                f"to {n_times}, the length of a trial, got {n_times_window}."
            )
        n_apart = len(X) * (n_times // self.n_times_window)
        n_batches = max(1, n_apart // self.n_windows) if n_batches is None else n_batches
        self.n_batches = validation.count(n_batches, "n_batches")

    def draw(self, X, most, rng):
        """Windows, shape (n_windows, n_channels, n_times_window), no more than fit side by side."""
        n_apart = len(X) * (X.shape[2] // self.n_times_window)
        n = min(most, n_apart)
        trials = rng.integers(len(X), size=n)
        first = rng.integers(X.shape[2] - self.n_times_window + 1, size=n)
        stretches = zip(trials, first, strict=True)
        return np.stack([X[i, :, at : at + self.n_times_window] for i, at in stretches])


class _Start:
    """Atoms to begin with, and those that take the place of others."""

    def __init__(self, X, start, n_atoms, n_times_atom, rng):
        self.X, self.rng = X, rng
        self.shape = (n_atoms, X.shape[1], n_times_atom)
        self.given = None
        if not isinstance(start, str):
            self.given, start = FullAtoms(start).D, "random"
            if self.given.shape != self.shape:
                raise ValueError(f"start must have the shape {self.shape}, got {self.given.shape}.")
        self.start = validation.choice(start, ("random", "chunk"), "start")

    def first(self):
        if self.given is not None:
            return _unit(self.given)
        return np.stack([self.another() for _ in range(self.shape[0])])

    def another(self):
        if self.start == "chunk":
            trial = self.X[self.rng.integers(len(self.X))]
            at = self.rng.integers(trial.shape[1] - self.shape[2] + 1)
            atom = trial[:, at : at + self.shape[2]]
            if atom.any():
                return _unit(atom[None])[0]
        return _unit(self.rng.standard_normal((1, *self.shape[1:])))[0]


class _Batch:
    """Windows, their activations under some atoms, and where the loss counts."""

    def __init__(self, X, D, penalty, limit, code):
        self.X, self.penalty, self.code, self.codings = X, penalty, code, 0
        self.D = D
        self.z, density = self._coded(D, None)
        self.counts = patch_means(density, D.shape[2]) <= limit
        self.loss = float(density[self.counts].sum())

    def _coded(self, D, start):
        z = self.code(self.X, D, self.penalty, start)
        self.codings += 1
        return z, loss_density(self.X, D, z, self.penalty)

    def loss_of(self, D):
        """The loss under other atoms."""
        return float(self._coded(D, self.z)[1][self.counts].sum())

    def gradient(self):
        """Of the loss, along the spheres of the atoms."""
        residual = _residual(self.X, self.D, self.z) * self.counts[:, None]
        _, of_residual = activation_sums(residual, self.z, self.D.shape[2])
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
    """A function from windows, atoms, penalty and activations to start from, to activations."""
    validation.choice(solver, ("lgcd", "fista"), "solver")
    if solver == "fista":
        return _Fista(validation.count(n_iter, "n_iter"), device)
    if device != "cpu":
        raise ValueError(f"solver='lgcd' runs on the CPU, got device={device!r}. Use 'fista'.")

    def code(X, D, penalty, start):
        # All windows as one recording, in which no atom may start where it would leave its window.
        n_windows, n_channels, n_times = X.shape
        n_atoms, _, n_times_atom = D.shape
        n_valid = n_times - n_times_atom + 1
        whole = np.zeros((n_atoms, n_windows, n_times))
        if start is not None:
            whole[:, :, :n_valid] = start.swapaxes(0, 1)
        support = np.zeros(whole.shape, dtype=bool)
        support[:, :, :n_valid] = True
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
    """So many iterations from none, in torch."""

    def __init__(self, n_iter, device):
        import torch  # only for who uses it

        self.torch, self.n_iter, self.device = torch, n_iter, torch.device(device)

    def __call__(self, X, D, penalty, start):
        torch, conv = self.torch, self.torch.nn.functional.conv1d
        step = 1 / lipschitz(FullAtoms(D))
        X = torch.as_tensor(X, dtype=torch.float64, device=self.device)
        atoms = torch.as_tensor(D, dtype=torch.float64, device=self.device)
        backwards, reach = atoms.swapaxes(0, 1).flip(2), D.shape[2] - 1
        correlation = conv(X, atoms)
        z = y = torch.zeros_like(correlation)
        momentum = 1.0
        for _ in range(self.n_iter):
            fitted = conv(torch.nn.functional.pad(y, (reach, reach)), backwards)
            moved = torch.relu(y - step * (conv(fitted, atoms) - correlation + penalty))
            following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            y = moved + (momentum - 1) / following * (moved - z)
            z, momentum = moved, following
        return z.cpu().numpy()


def _largest(X, D, outliers):
    """Correlation that the penalty is a share of."""
    atoms = FullAtoms(D)
    correlation = np.stack([atoms.correlate(one) for one in X])
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
    return X
