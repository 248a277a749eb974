r"""Convolutional dictionary learning by alternate minimisation, of all trials at once.

Of trials :math:`X^n` (C channels, T samples) atoms :math:`D_k` of L samples and activations
:math:`z_k^n \ge 0` minimise

.. math:: F(D, z) = \sum_n \tfrac12 \Big\|X^n - \sum_k z_k^n * D_k\Big\|^2
                    + \lambda \sum_{n, k} \|z_k^n\|_1, \qquad \|D_k\| \le 1,

with :math:`D_k = u_k v_k^\top`, :math:`\|u_k\|, \|v_k\| \le 1`, or without structure [1]_. F is
convex in z, in u, in v and in D, each alone.

**Activations** are found trial by trial, see `common.dictionary.sparse_coding`, from those of the
iteration before.

**Atoms** see the trials through two sums, whose cost is that of the activations that are not 0:

.. math:: \phi_{kl}[d] = \sum_{n, t} z_k^n[t]\, z_l^n[t + d], \qquad
          \psi_{kc}[m] = \sum_{n, t} z_k^n[t]\, X_c^n[t + m].

Inserting the model gives, up to a constant,

.. math:: F = \tfrac12 \langle D, \phi * D \rangle - \langle \psi, D \rangle, \qquad
          (\phi * D)_{kc}[m] = \sum_{l, m'} \phi_{kl}[m - m']\, D_{lc}[m'],

so the gradient is :math:`\phi * D - \psi`; its contraction with v is that for u, and with u that
for v. Each is a quadratic with the same form: for u, :math:`\phi` becomes the matrix
:math:`\sum_{m, m'} v_k[m] \phi_{kl}[m - m'] v_l[m']`, for v it becomes :math:`(u_k \cdot u_l)
\phi_{kl}`. `minimise_quadratic` lowers it by projected gradient steps with the Armijo rule, first
in u, then in v.

**Tapered atoms** vanish at both ends: :math:`v_k = w\, v'_k`, or :math:`D_k = w\, D'_k`, with a
window w and :math:`\|v'_k\| \le 1`. What a window makes smaller costs more there, so waveforms end
smoothly. F is as convex in :math:`v'` as in v, with :math:`w_m \phi_{kl}[m - m'] w_{m'}`.

References
----------
.. [1] T. Dupré la Tour, T. Moreau, M. Jas, A. Gramfort, "Multivariate Convolutional Sparse Coding
   for Electromagnetic Brain Signals", NeurIPS 2018, arXiv:1805.09654, sections 2 and 3.
"""

import math
import time
import warnings
from dataclasses import dataclass

import numba
import numpy as np
from scipy.signal import windows

from common import validation
from common.dictionary._checks import flag, squarable
from common.dictionary.atoms import FullAtoms, RankOneAtoms, as_atoms
from common.dictionary.sparse_coding import lambda_max, sparse_code

__all__ = [
    "STARTS",
    "Learned",
    "activation_sums",
    "improved_atoms",
    "learn_atoms",
    "minimise_quadratic",
]

STARTS = ("chunk", "greedy", "random")

_FEWEST = 2  # activations, below which an atom is of no use
_FAST = {"nnan", "ninf", "nsz", "reassoc", "contract", "arcp"}


@dataclass(frozen=True, eq=False)
class Learned:
    """Atoms, their activations, and how they were found.

    Attributes
    ----------
    atoms : RankOneAtoms or FullAtoms
        Of unit norm.
    z : ndarray, shape (n_trials, n_atoms, n_times - n_times_atom + 1)
        In the unit of the trials.
    penalty : float
        Lambda of the trials divided by ``scale``.
    scale : float
        Standard deviation of the trials, in their unit.
    log : dict of str to ndarray, shape (n_steps,)
        ``step``: "start", "activations" or "atoms"; ``seconds``: processor time until then;
        ``cost``: F of the trials divided by ``scale``; ``replaced``: whether an atom that was used
        less than twice was replaced just before, which may raise F.
    """

    atoms: object
    z: np.ndarray
    penalty: float
    scale: float
    log: dict


def learn_atoms(
    X,
    *,
    n_atoms,
    n_times_atom,
    reg=0.1,
    scaled=True,
    rank_one=True,
    start="chunk",
    taper=0.0,
    n_iter=50,
    tol=1e-2,
    eps=1e-4,
    rng=None,
):
    r"""Atoms and activations of trials, by turns.

    Parameters
    ----------
    X : array_like, shape (n_trials, n_channels, n_times) or (n_channels, n_times)
        Any unit: it is divided by its standard deviation.
    n_atoms : int
    n_times_atom : int
        Length of an atom, in samples.
    reg : float, default=0.1
        With ``scaled``, lambda as a share of the smallest one with which no first atom is ever
        active, below 1; else lambda itself, for trials of unit deviation.
    scaled : bool, default=True
    rank_one : bool, default=True
        Whether an atom is a topography times a waveform.
    start : {"chunk", "greedy", "random"}, tuple or array_like, default="chunk"
        First atoms: stretches of the trials, drawn by ``rng``; none, then in each iteration the
        stretch that is explained worst; white noise. Or ``(u, v)``, or an array of atoms.
    taper : float, default=0
        Share of an atom, both ends together, over which it rises from 0 and falls: w is Tukey's
        window with that share. 0: atoms are free; 1: Hann's window.
    n_iter : int, default=50
        At most so many pairs of steps.
    tol : float, default=0.01
        Of the activations, see `sparse_code`, in the unit of the scaled trials.
    eps : float, default=1e-4
        Stop when both halves of an iteration lower F by less than this share of it.
    rng : numpy.random.Generator, optional
        Needed where the start is drawn.

    Returns
    -------
    learned : Learned

    Raises
    ------
    TypeError
        If an argument is no number, or ``rng`` no generator though it is needed.
    ValueError
        If a value of ``X`` is not finite, all are equal, the squares are no numbers, or a channel
        is constant in a trial; if an atom is longer than a trial; if an option is out of range or a
        start does not fit.

    Warns
    -----
    UserWarning
        If the penalty is so large that nothing is active.
    """
    X = _checked_trials(X)
    n_atoms = validation.count(n_atoms, "n_atoms")
    n_times_atom = validation.count(n_times_atom, "n_times_atom", at_least=2)
    scaled, rank_one = flag(scaled, "scaled"), flag(rank_one, "rank_one")
    n_iter = validation.count(n_iter, "n_iter")
    tol = validation.number(tol, "tol", above=0)
    eps = validation.number(eps, "eps", at_least=0)
    if X.shape[2] < n_times_atom:
        raise ValueError(
            f"an atom of n_times_atom={n_times_atom} samples does not fit into trials of "
            f"{X.shape[2]}. Use shorter atoms, or longer trials."
        )
    window = _window(n_times_atom, taper)
    reg = (
        validation.number(reg, "reg", above=0, below=1)
        if scaled
        else validation.number(reg, "reg", above=0)
    )
    scale = float(X.std())
    X = X / scale
    greedy = isinstance(start, str) and start == "greedy"
    atoms = _first_atoms(X, start, 1 if greedy else n_atoms, n_times_atom, rank_one, rng)
    atoms = _shaped(atoms, window)
    largest = max(lambda_max(trial, atoms) for trial in X)
    penalty = reg * largest if scaled else reg
    if penalty >= largest:
        warnings.warn(
            f"penalty={penalty:g} is not below lambda_max={largest:g}: nothing is active. "
            "Lower reg.",
            stacklevel=2,
        )
    z = np.zeros((len(X), atoms.n_atoms, X.shape[2] - n_times_atom + 1))
    log = _Steps(0.5 * float(np.vdot(X, X)))
    for iteration in range(n_iter):
        replaced, grows = False, greedy and atoms.n_atoms < n_atoms
        if iteration and grows:
            atoms, z = _added(X, atoms, z, rank_one, window)
        elif iteration:
            atoms, z, replaced = _replaced(X, atoms, z, rank_one, window)
        before = log.cost
        codes = [
            sparse_code(trial, atoms, penalty, tol=tol, start=one)
            for trial, one in zip(X, z, strict=True)
        ]
        z = np.stack([code.z for code in codes])
        log.add("activations", sum(code.log["cost"][-1] for code in codes), replaced)
        between = log.cost
        if not z.any():
            break
        atoms, gain = improved_atoms(atoms, *activation_sums(X, z, n_times_atom), window=window)
        log.add("atoms", between - gain)
        small = max(before - between, gain) < eps * abs(log.cost)
        if small and not (replaced or grows):
            break
    atoms, z = _normalised(atoms, z)
    return Learned(atoms, scale * z, float(penalty), scale, log.table())


def activation_sums(X, z, n_times_atom):
    r"""What atoms need to know of trials: :math:`\phi` and :math:`\psi` of the module.

    Parameters
    ----------
    X : ndarray, shape (n_trials, n_channels, n_times)
    z : ndarray, shape (n_trials, n_atoms, n_times - n_times_atom + 1)
    n_times_atom : int

    Returns
    -------
    ztz : ndarray, shape (n_atoms, n_atoms, 2 n_times_atom - 1)
        :math:`\phi`, distance 0 in the middle.
    ztX : ndarray, shape (n_atoms, n_channels, n_times_atom)
        :math:`\psi`.

    Raises
    ------
    TypeError, ValueError
        If the arrays are none, their shapes do not fit, or products of their values are no numbers.
    """
    X = validation.array(X, "X", ndim=3).astype(float)
    z = validation.array(z, "z", ndim=3).astype(float)
    n_times_atom = validation.count(n_times_atom, "n_times_atom")
    expected = (len(X), z.shape[1], X.shape[2] - n_times_atom + 1)
    if z.shape != expected:
        raise ValueError(
            f"z must have shape {expected} for X of shape {X.shape} and n_times_atom="
            f"{n_times_atom}, got {z.shape}."
        )
    n_atoms = z.shape[1]
    ztz = np.zeros((n_atoms, n_atoms, 2 * n_times_atom - 1))
    ztX = np.zeros((n_atoms, X.shape[1], n_times_atom))
    for trial, one in zip(X, z, strict=True):
        atom, sample = np.nonzero(one)
        order = np.argsort(sample, kind="stable")
        atom, sample = atom[order], sample[order]
        _sum_up(np.ascontiguousarray(trial), atom, sample, one[atom, sample], ztz, ztX)
    if not (np.isfinite(ztz).all() and np.isfinite(ztX).all()):
        raise ValueError(
            f"products of z up to {np.abs(z).max():g} and X up to {np.abs(X).max():g} are no "
            "numbers in double precision. Scale X first, say to a deviation of 1."
        )
    return ztz, ztX


def improved_atoms(atoms, ztz, ztX, *, window=None, max_iter=300, tol=1e-8):
    """Atoms of a lower cost, of unit norm or less, for the activations that the sums hold.

    Parameters
    ----------
    atoms : RankOneAtoms or FullAtoms
    ztz, ztX : ndarray
        See `activation_sums`.
    window, max_iter, tol
        See `minimise_quadratic`. A window is that of the atoms given, too.

    Returns
    -------
    atoms : RankOneAtoms or FullAtoms
        An atom that ends at 0, because it is of no use, stays as it was.
    gain : float
        By how much F is lower, 0 or more.

    Raises
    ------
    TypeError, ValueError
        If ``atoms`` are none, or as `minimise_quadratic`.
    """
    _check_sums(atoms, ztz, ztX)
    options = {"max_iter": max_iter, "tol": tol}
    if isinstance(atoms, FullAtoms):
        D, gain = minimise_quadratic(atoms.D, ztz, ztX, window=window, **options)
        return (FullAtoms(D), gain) if D.any(axis=(1, 2)).all() else (atoms, 0.0)
    u, v = atoms.u, atoms.v
    of_u = _contracted(ztz, v)
    u, first = minimise_quadratic(u[:, :, None], of_u, (ztX @ v[:, :, None]), **options)
    u = u[:, :, 0]
    if not u.any(axis=1).all():
        return atoms, 0.0
    of_v = (u @ u.T)[:, :, None] * ztz
    target = np.einsum("kc,kcm->km", u, ztX)[:, None]
    v, second = minimise_quadratic(v[:, None], of_v, target, window=window, **options)
    v = v[:, 0]
    if not v.any(axis=1).all():
        return RankOneAtoms(u, atoms.v), first
    return RankOneAtoms(u, v), first + second


def minimise_quadratic(W, quadratic, linear, *, window=None, max_iter=300, tol=1e-8, armijo=1e-5):
    r"""Lower :math:`f(W) = \tfrac12 \langle W, \phi * W \rangle - \langle \psi, W \rangle`.

    :math:`\|W_k\| \le 1` for every atom k. A step is :math:`W' = P(W - s \nabla f)`, P the
    projection; s is halved until :math:`f(W') \le f(W) + c\, \langle \nabla f, W' - W \rangle`, and
    doubled where the first try will do. As f is quadratic, one application of :math:`\phi` a try
    gives both the new value and the new gradient.

    With a window w, :math:`W_k = w\, W'_k`, and both the steps and :math:`\|W'_k\| \le 1` are
    those of :math:`W'`.

    Parameters
    ----------
    W : array_like, shape (n_atoms, n_rows, n_columns)
        Start; atoms outside the ball are projected first.
    quadratic : array_like, shape (n_atoms, n_atoms, 2 n_columns - 1)
        :math:`\phi`, with :math:`\phi_{kl}[d] = \phi_{lk}[-d]`.
    linear : array_like, shape (n_atoms, n_rows, n_columns)
        :math:`\psi`.
    window : array_like, shape (n_columns,), optional
        w, 0 or more; W is 0 where w is.
    max_iter : int, default=300
    tol : float, default=1e-8
        Stop when a step lowers f by less than this share of its size.
    armijo : float, default=1e-5
        c, between 0 and 1.

    Returns
    -------
    W : ndarray, shape (n_atoms, n_rows, n_columns)
    gain : float
        By how much f is lower than at the start.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, a value is not finite, the quadratic is not symmetric, or an option is
        out of range.
    """
    W = validation.array(W, "W", ndim=3).astype(float)
    quadratic = validation.array(quadratic, "quadratic", ndim=3).astype(float)
    linear = validation.array(linear, "linear", ndim=3).astype(float)
    expected = {
        "quadratic": (len(W), len(W), 2 * W.shape[2] - 1),
        "linear": W.shape,
    }
    for name, given in (("quadratic", quadratic), ("linear", linear)):
        if given.shape != expected[name]:
            raise ValueError(
                f"{name} must have shape {expected[name]} for W of shape {W.shape}, got "
                f"{given.shape}."
            )
    apart = np.abs(quadratic - quadratic.swapaxes(0, 1)[:, :, ::-1]).max()
    if apart > 1e-6 * np.abs(quadratic).max():
        raise ValueError(
            "quadratic must be symmetric, quadratic[k, l, d] = quadratic[l, k, -d], but two such "
            f"values differ by {apart:g}. Is distance 0 in the middle?"
        )
    window = (
        np.ones(W.shape[2]) if window is None else validation.vector(window, "window", at_least=0)
    )
    if len(window) != W.shape[2]:
        raise ValueError(f"window must have {W.shape[2]} values, as W, got {len(window)}.")
    squarable(W, "W", small=False)
    squarable(window, "window")
    W = np.divide(W, window, out=np.zeros(W.shape), where=window > 0)
    W, gain = _descend(
        W,
        np.ascontiguousarray(quadratic),
        linear * window,
        window.astype(float),
        validation.count(max_iter, "max_iter"),
        validation.number(tol, "tol", at_least=0),
        validation.number(armijo, "armijo", above=0, below=1),
    )
    return window * W, gain


def _checked_trials(X):
    X = validation.array(X, "X").astype(float)
    if X.ndim == 2:
        X = X[None]
    if X.ndim != 3:
        raise ValueError(
            "X must have shape (n_trials, n_channels, n_times) or (n_channels, n_times), got "
            f"{X.shape}."
        )
    squarable(X, "X")
    flat = np.ptp(X, axis=2) == 0
    # A stretch of zeros, where a recording has a gap, asks for nothing.
    bad = np.argwhere(flat & ((X[:, :, 0] != 0) | flat.all(axis=0)))
    if len(bad):
        trial, channel = bad[0]
        raise ValueError(
            f"channel {channel} is constant in trial {trial}, {X[trial, channel, 0]:g}. Drop it."
        )
    return X


def _check_sums(atoms, ztz, ztX):
    if not isinstance(atoms, (FullAtoms, RankOneAtoms)):
        raise TypeError(
            f"atoms must be FullAtoms or RankOneAtoms, got {type(atoms).__name__}. See "
            "common.dictionary.atoms.as_atoms."
        )
    n, reach = atoms.n_atoms, 2 * atoms.n_times_atom - 1
    wanted = {"ztz": (n, n, reach), "ztX": (n, atoms.n_channels, atoms.n_times_atom)}
    for name, sums in (("ztz", ztz), ("ztX", ztX)):
        if np.shape(sums) != wanted[name]:
            raise ValueError(
                f"{name} must have shape {wanted[name]} for {n} atom(s) of {atoms.n_channels} "
                f"channel(s) and {atoms.n_times_atom} samples, got {np.shape(sums)}."
            )


def _window(n_times_atom, taper):
    taper = validation.number(taper, "taper", at_least=0, at_most=1)
    if not taper:
        return np.ones(n_times_atom)
    if n_times_atom < 3:
        raise ValueError(
            f"taper={taper:g} leaves nothing of an atom of {n_times_atom} samples. Use longer "
            "atoms, or taper=0."
        )
    return windows.tukey(n_times_atom, taper)


class _Steps:
    """The cost after each step."""

    def __init__(self, cost):
        self.started, self.rows = time.process_time(), []
        self.add("start", cost)

    def add(self, step, cost, replaced=False):
        self.rows.append((step, time.process_time() - self.started, float(cost), replaced))

    @property
    def cost(self):
        return self.rows[-1][2]

    def table(self):
        names = ("step", "seconds", "cost", "replaced")
        return dict(zip(names, map(np.array, zip(*self.rows, strict=True)), strict=True))


def _contracted(ztz, v):
    """The quadratic of topographies: sums over both waveforms, shape (n_atoms, n_atoms, 1)."""
    n_times_atom = v.shape[1]
    spectra = np.fft.rfft(v, 2 * n_times_atom - 1)
    overlaps = np.fft.irfft(spectra[:, None] * spectra[None].conj(), 2 * n_times_atom - 1)
    # Of v_k[m] v_l[m'] with m - m' = d, distance 0 in the middle.
    overlaps = np.roll(overlaps, n_times_atom - 1, axis=-1)
    return (ztz * overlaps).sum(axis=-1, keepdims=True)


def _first_atoms(X, start, n_atoms, n_times_atom, rank_one, rng):
    n_channels = X.shape[1]
    if not isinstance(start, str):
        atoms = as_atoms(start) if isinstance(start, tuple) else FullAtoms(start)
        got = (atoms.n_atoms, atoms.n_channels, atoms.n_times_atom)
        if got != (n_atoms, n_channels, n_times_atom) or rank_one != hasattr(atoms, "u"):
            kind = "(u, v)" if rank_one else "an array"
            raise ValueError(
                f"start must be {kind} of {n_atoms} atoms, {n_channels} channels and "
                f"{n_times_atom} samples, got {type(start).__name__} of {got}."
            )
        return _normalised(atoms, None)[0]
    validation.choice(start, STARTS, "start")
    if start == "greedy":
        return _as_atoms(_worst_stretch(X, n_times_atom)[None], rank_one)
    rng = validation.generator(rng)
    if start == "random":
        if rank_one:
            u = rng.standard_normal((n_atoms, n_channels))
            atoms = RankOneAtoms(u, rng.standard_normal((n_atoms, n_times_atom)))
        else:
            atoms = FullAtoms(rng.standard_normal((n_atoms, n_channels, n_times_atom)))
        return _normalised(atoms, None)[0]
    chunks = []
    for _ in range(n_atoms):
        trial = X[rng.integers(len(X))]
        first = rng.integers(X.shape[2] - n_times_atom + 1)
        chunk = trial[:, first : first + n_times_atom]
        chunks.append(chunk if chunk.any() else rng.standard_normal(chunk.shape))
    return _as_atoms(np.stack(chunks), rank_one)


def _as_atoms(D, rank_one):
    """Of unit norm; with rank one, the best such approximation."""
    if not rank_one:
        return _normalised(FullAtoms(D), None)[0]
    u, _, v = np.linalg.svd(D, full_matrices=False)
    u, v = u[:, :, 0], v[:, 0]
    # Activations are not negative, so the sign of an atom matters: that of the stretch stays.
    return RankOneAtoms(u, v)


def _normalised(atoms, z):
    """Atoms of unit norm, and activations that make up for it."""
    if hasattr(atoms, "u"):
        of_u = np.linalg.norm(atoms.u, axis=1, keepdims=True)
        of_v = np.linalg.norm(atoms.v, axis=1, keepdims=True)
        atoms, norms = RankOneAtoms(atoms.u / of_u, atoms.v / of_v), (of_u * of_v)[:, 0]
    else:
        norms = np.linalg.norm(atoms.D, axis=(1, 2))
        atoms = FullAtoms(atoms.D / norms[:, None, None])
    return atoms, None if z is None else z * norms[:, None]


def _residual(X, atoms, z):
    return X - np.stack([atoms.convolve(one) for one in z])


def _worst_stretch(residual, n_times_atom):
    """The stretch of largest energy, shape (n_channels, n_times_atom)."""
    energy = np.cumsum(np.pad((residual**2).sum(axis=1), ((0, 0), (1, 0))), axis=1)
    energy = energy[:, n_times_atom:] - energy[:, :-n_times_atom]
    trial, first = np.unravel_index(energy.argmax(), energy.shape)
    return residual[trial, :, first : first + n_times_atom]


def _shaped(atoms, window):
    """Atoms of unit norm before the window."""
    if hasattr(atoms, "u"):
        return RankOneAtoms(atoms.u, window * atoms.v)
    return FullAtoms(window * atoms.D)


def _added(X, atoms, z, rank_one, window):
    """One atom more, the stretch that is explained worst."""
    worst = _worst_stretch(_residual(X, atoms, z), atoms.n_times_atom)
    new = _shaped(_as_atoms(worst[None], rank_one), window)
    z = np.concatenate([z, np.zeros((len(z), 1, z.shape[2]))], axis=1)
    if rank_one:
        parts = np.concatenate([atoms.u, new.u]), np.concatenate([atoms.v, new.v])
        return RankOneAtoms(*parts), z
    return FullAtoms(np.concatenate([atoms.D, new.D])), z


def _replaced(X, atoms, z, rank_one, window):
    """At most one atom that is hardly used becomes the stretch that is explained worst."""
    uses = np.count_nonzero(z, axis=(0, 2))
    if uses.min() >= _FEWEST:
        return atoms, z, False
    k, z = int(uses.argmin()), z.copy()
    z[:, k] = 0
    worst = _worst_stretch(_residual(X, atoms, z), atoms.n_times_atom)
    if not worst.any():
        return atoms, z, True
    new = _shaped(_as_atoms(worst[None], rank_one), window)
    if rank_one:
        u, v = atoms.u.copy(), atoms.v.copy()
        u[k], v[k] = new.u[0], new.v[0]
        return RankOneAtoms(u, v), z, True
    D = atoms.D.copy()
    D[k] = new.D[0]
    return FullAtoms(D), z, True


@numba.njit(cache=True, fastmath=_FAST)
def _sum_up(X, atom, sample, value, ztz, ztX):
    """Add one trial's activations, sorted by sample, to both sums."""
    reach = ztX.shape[2]
    for i in range(len(atom)):
        for c in range(X.shape[0]):
            row, sums = X[c, sample[i] : sample[i] + reach], ztX[atom[i], c]
            for m in range(reach):
                sums[m] += value[i] * row[m]
        for j in range(i, len(atom)):
            distance = sample[j] - sample[i]
            if distance >= reach:
                break
            product = value[i] * value[j]
            ztz[atom[i], atom[j], reach - 1 + distance] += product
            if j > i:
                ztz[atom[j], atom[i], reach - 1 - distance] += product


@numba.njit(cache=True, fastmath=_FAST)
def _apply(quadratic, window, W):
    n_atoms, n_rows, n_columns = W.shape
    found = np.zeros(W.shape)
    for k in range(n_atoms):
        for other in range(n_atoms):
            values = quadratic[k, other]
            for c in range(n_rows):
                out = found[k, c]
                for m in range(n_columns):
                    weight = window[m] * W[other, c, m]
                    shifted = values[n_columns - 1 - m : 2 * n_columns - 1 - m]
                    for t in range(n_columns):
                        out[t] += weight * shifted[t]
        for c in range(n_rows):
            for t in range(n_columns):
                found[k, c, t] *= window[t]
    return found


# Loops over values, as operations on whole arrays of three dimensions take 20 s to compile.
@numba.njit(cache=True, fastmath=_FAST)
def _dot(A, B):
    a, b, total = A.ravel(), B.ravel(), 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@numba.njit(cache=True, fastmath=_FAST)
def _add(A, B, factor, found):
    """A + factor B, in an array that is there."""
    a, b, out = A.ravel(), B.ravel(), found.ravel()
    for i in range(len(a)):
        out[i] = a[i] + factor * b[i]


@numba.njit(cache=True, fastmath=_FAST)
def _project(W):
    for k in range(W.shape[0]):
        w = W[k].ravel()
        norm = math.sqrt(_dot(w, w))
        if norm > 1:
            for i in range(len(w)):
                w[i] /= norm


@numba.njit(cache=True, fastmath=_FAST)
def _descend(W, quadratic, linear, window, max_iter, tol, armijo):
    W, moved = W.copy(), np.empty(W.shape)
    start = 0.5 * _dot(W, _apply(quadratic, window, W)) - _dot(linear, W)
    _project(W)
    gradient = _apply(quadratic, window, W)
    value = 0.5 * _dot(W, gradient) - _dot(linear, W)
    _add(gradient, linear, -1.0, gradient)
    curvature = 0.0
    for k in range(W.shape[0]):
        curvature = max(curvature, quadratic[k, k, quadratic.shape[2] // 2])
    step = 1.0 / curvature if curvature > 0 else 1.0
    for _ in range(max_iter):
        first = True
        while True:
            _add(W, gradient, -step, moved)
            _project(moved)
            _add(moved, W, -1.0, moved)
            curved = _apply(quadratic, window, moved)
            slope = _dot(gradient, moved)
            change = slope + 0.5 * _dot(moved, curved)
            if change <= armijo * slope or step * curvature < 1e-12:
                break
            step, first = 0.5 * step, False
        if not change < 0:
            break
        _add(W, moved, 1.0, W)
        _add(gradient, curved, 1.0, gradient)
        value += change
        if first:
            step *= 2
        if -change < tol * abs(value):
            break
    return W, start - value
