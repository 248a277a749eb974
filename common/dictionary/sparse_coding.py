r"""Convolutional sparse coding: activations of known atoms, by four solvers behind one function.

Of a recording :math:`X` (C channels, T samples) and atoms :math:`D_k` of L samples, activations are

.. math:: z^* = \arg\min_z F(z), \qquad
          F(z) = \tfrac12 \Big\|X - \sum_k z_k * D_k\Big\|^2 + \lambda \sum_k \|z_k\|_1,

with :math:`z \ge 0` or of either sign. Let :math:`n_k = \|D_k\|^2`, and let :math:`\beta` be the
gradient without a coordinate's own part, :math:`\beta_k[t] = \nabla_k[t] - n_k z_k[t]`. Then F is
smallest in one coordinate at

.. math:: z'_k[t] = \max(0, -\beta_k[t] - \lambda) / n_k,

or with the soft threshold instead of the maximum, and setting it changes F by :math:`-\tfrac12 n_k
(z' - z)^2` at least. A change :math:`\delta` at :math:`(k_0, t_0)` adds :math:`\delta\, G_{k_0 k}[t
- t_0]` to all other :math:`\beta_k[t]` with :math:`|t - t_0| < L`, G the overlaps of atoms.

*Greedy* coordinate descent changes the coordinate that moves most, for which it looks at all K T
of them; *cyclic* descent takes them in turn. *Locally greedy* descent [1]_ takes the one that moves
most within 2 L - 1 samples, and stays until nothing there moves by the tolerance: it looks at as
many values as the change itself touches. Only segments that a change has touched are looked at
again. FISTA [2]_ moves all coordinates at once, by a step of one over the largest curvature.

References
----------
.. [1] T. Moreau, L. Oudre, N. Vayatis, "DICOD: Distributed Convolutional Coordinate Descent for
   Convolutional Sparse Coding", ICML 2018; T. Dupré la Tour et al., "Multivariate Convolutional
   Sparse Coding for Electromagnetic Brain Signals", NeurIPS 2018, arXiv:1805.09654, section 3.1.
.. [2] A. Beck, M. Teboulle, "A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse
   Problems", SIAM J. Imaging Sciences 2, 2009.
"""

import time
import warnings
from dataclasses import dataclass

import numba
import numpy as np

from common import validation
from common.dictionary._checks import flag, squarable
from common.dictionary.atoms import as_atoms

__all__ = [
    "SOLVERS",
    "SparseCode",
    "cost",
    "duality_gap",
    "lambda_max",
    "lipschitz",
    "sparse_code",
]

SOLVERS = ("lgcd", "greedy", "cyclic", "fista")

_NEVER = np.iinfo(np.int64).max
_FAST = {
    "nnan",
    "ninf",
    "nsz",
    "reassoc",
    "contract",
    "arcp",
}  # lets maxima be taken four at a time


@dataclass(frozen=True, eq=False)
class SparseCode:
    """Activations and how they were found.

    Attributes
    ----------
    z : ndarray, shape (n_atoms, n_times - n_times_atom + 1)
        ``z[k, t]`` belongs to a copy of atom k that starts at sample t.
    converged : bool
        Whether no coordinate could move by the tolerance any more. If not, ``max_updates`` did
        not suffice.
    log : dict of str to ndarray, shape (n_logged,)
        ``updates``: coordinates changed so far (FISTA: iterations). ``operations``: values looked
        at or changed so far. ``seconds``: processor time, without what comes before the first
        update. ``cost``: F, up to rounding. The first entry is the start, the last the end.
    """

    z: np.ndarray
    converged: bool
    log: dict


def sparse_code(
    X,
    atoms,
    penalty,
    *,
    solver="lgcd",
    tol=1e-3,
    nonnegative=True,
    start=None,
    support=None,
    max_updates=None,
    log_every=None,
):
    """Activations of atoms in a recording.

    Parameters
    ----------
    X : array_like, shape (n_channels, n_times) or (n_times,)
        Any unit.
    atoms : FullAtoms, RankOneAtoms, array_like or tuple
        See `common.dictionary.atoms.as_atoms`.
    penalty : float
        Lambda, in the unit of ``X`` times that of the atoms. Above `lambda_max` nothing is active.
    solver : {"lgcd", "greedy", "cyclic", "fista"}, default="lgcd"
    tol : float, default=1e-3
        Coordinate descent ends where no coordinate would move by this much, in the unit of z.
        FISTA ends where the step of no coordinate is longer. Equal tolerances do not mean equal
        costs.
    nonnegative : bool, default=True
    start : array_like, shape (n_atoms, n_times - n_times_atom + 1), optional
        Activations to start from; none by default.
    support : array_like of bool, shape (n_atoms, n_times - n_times_atom + 1), optional
        Where activations may differ from the start. With a penalty of 0 and the support of a
        solution, this takes the shrinkage back.
    max_updates : int, optional
        At most so many changes of a coordinate, or iterations of FISTA.
    log_every : int, optional
        Log after so many updates, too; by default, the start and the end only.

    Returns
    -------
    code : SparseCode

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If ``X`` has a value that is not finite, values whose squares are no numbers, a channel that
        is constant, other channels than the atoms or fewer samples; if a shape does not fit, the
        penalty is negative, the tolerance not positive or, without ``max_updates``, smaller than
        the last digit of the largest activation, which may never be met; if the solver is unknown,
        ``nonnegative`` neither true nor false, or the start negative though it is true.

    Warns
    -----
    UserWarning
        If the penalty is `lambda_max` or more, or no activation is as large as the tolerance even
        without a penalty, so that nothing is active.

    Notes
    -----
    Coordinate descent holds the activations and one array of their size; FISTA holds four.

    Examples
    --------
    >>> X = np.zeros((1, 50))
    >>> X[0, 20:23] = [3, 6, 3]
    >>> code = sparse_code(X, [[1.0, 2.0, 1.0]], 0.6)
    >>> np.flatnonzero(code.z), code.z.max().round(6)
    (array([20]), np.float64(2.9))
    """
    atoms = as_atoms(atoms)
    X = _checked_recording(X, atoms)
    penalty = validation.number(penalty, "penalty", at_least=0)
    validation.choice(solver, SOLVERS, "solver")
    tol = validation.number(tol, "tol", above=0)
    shape = (atoms.n_atoms, X.shape[1] - atoms.n_times_atom + 1)
    nonnegative = flag(nonnegative, "nonnegative")
    z = _checked_start(start, shape, nonnegative)
    support = _checked_support(support, shape)
    limit = _NEVER if max_updates is None else validation.count(max_updates, "max_updates")
    every = limit if log_every is None else validation.count(log_every, "log_every")
    correlation = atoms.correlate(X)
    largest = _largest(correlation, nonnegative)
    if penalty >= largest and start is None:
        warnings.warn(
            f"penalty={penalty:g} is not below lambda_max={largest:g}: nothing is active. "
            "Lower it.",
            stacklevel=2,
        )
    most = _largest_start(correlation, atoms, nonnegative)
    if max_updates is None and tol < np.finfo(float).eps * most:
        raise ValueError(
            f"tol={tol:g} is below the last digit of activations of {most:g}: steps may never be "
            "as short. Raise it, or give max_updates."
        )
    if penalty < largest and start is None and most < tol:
        warnings.warn(
            f"tol={tol:g} is above {most:g}, what the largest activation would be without a "
            "penalty: nothing is active. Lower it, it is in the unit of z.",
            stacklevel=2,
        )
    log = _Log(X, correlation, penalty)
    solve = _fista if solver == "fista" else _coordinate_descent
    converged = solve(
        z, correlation, atoms, penalty, log,
        solver=solver, tol=tol, nonnegative=nonnegative, support=support, limit=limit, every=every,
    )  # fmt: skip
    return SparseCode(z, converged, log.table())


def lambda_max(X, atoms, *, nonnegative=True):
    """Smallest penalty with which nothing is active.

    For activations that cannot be negative only positive correlations count.

    Parameters
    ----------
    X, atoms, nonnegative
        See `sparse_code`.

    Returns
    -------
    penalty : float
        0 if no correlation is positive.

    Raises
    ------
    TypeError, ValueError
        As `sparse_code`.
    """
    atoms = as_atoms(atoms)
    nonnegative = flag(nonnegative, "nonnegative")
    return _largest(atoms.correlate(_checked_recording(X, atoms)), nonnegative)


def cost(X, atoms, z, penalty):
    """F, from the residual itself.

    Parameters
    ----------
    X, atoms, penalty
        See `sparse_code`.
    z : ndarray, shape (n_atoms, n_times - n_times_atom + 1)

    Returns
    -------
    cost : float
        In the unit of ``X``, squared.

    Raises
    ------
    TypeError, ValueError
        If the atoms are none, see `common.dictionary.atoms.as_atoms`, ``X`` or ``z`` does not fit
        them, a value is not finite, or the penalty is negative.
    """
    atoms = as_atoms(atoms)
    X = _fitting_recording(X, atoms)
    z, penalty = _checked_code(z, penalty, X, atoms)
    residual = X - atoms.convolve(z)
    return float(0.5 * np.vdot(residual, residual) + penalty * np.abs(z).sum())


def duality_gap(X, atoms, z, penalty, *, nonnegative=True):
    r"""By how much F may still be above its minimum, at most.

    The residual, scaled to :math:`\theta = r \min(1, \lambda / \max_{k,t} (D^\top r)_k[t])`, is
    feasible for the dual :math:`\max_\theta \tfrac12 \|X\|^2 - \tfrac12 \|X - \theta\|^2`. The
    maximum is over absolute values where activations may be negative.

    Parameters
    ----------
    X, atoms, z, penalty, nonnegative
        See `cost` and `sparse_code`.

    Returns
    -------
    gap : float
        In the unit of ``X``, squared.

    Raises
    ------
    TypeError, ValueError
        As `sparse_code` and `cost`, or if an activation is negative though ``nonnegative``.
    """
    atoms = as_atoms(atoms)
    X = _checked_recording(X, atoms)
    least = 0 if flag(nonnegative, "nonnegative") else None
    z, penalty = _checked_code(z, penalty, X, atoms, at_least=least)
    residual = X - atoms.convolve(z)
    largest = _largest(atoms.correlate(residual), nonnegative)
    theta = residual * min(1.0, penalty / largest) if largest > 0 else residual
    # 1/2 |X|² - 1/2 |X - theta|² without the difference of two large numbers
    dual = np.vdot(theta, X) - 0.5 * np.vdot(theta, theta)
    primal = 0.5 * np.vdot(residual, residual) + penalty * np.abs(z).sum()
    return float(primal - dual)


def lipschitz(atoms, *, oversampling=8):
    r"""A bound of the largest curvature, that is of :math:`\|z \mapsto \sum_k z_k * D_k\|^2`.

    On infinite signals the curvature is the largest eigenvalue, over frequencies, of the K × K
    matrix :math:`\hat D_k(f) \cdot \overline{\hat D_l(f)}`; finite ones have less. For a fixed unit
    vector its quadratic form is a trigonometric polynomial of degree L - 1, and such a polynomial
    is nowhere larger than its maximum over N points by more than :math:`1 / \cos(\pi (L - 1) / N)`
    [1]_.

    Parameters
    ----------
    atoms
        See `sparse_code`.
    oversampling : int, default=8
        N is at least so many times the length of an atom; 8 gives up 8 % at most. Above 2.

    Returns
    -------
    bound : float

    Raises
    ------
    TypeError, ValueError
        If the atoms are none, or ``oversampling`` is below 3.

    References
    ----------
    .. [1] H. Ehlich, K. Zeller, "Schwankung von Polynomen zwischen Gitterpunkten", Math. Z. 86,
       1964.
    """
    atoms = as_atoms(atoms)
    oversampling = validation.count(oversampling, "oversampling", at_least=3)
    n_points = oversampling * atoms.n_times_atom
    spectra = np.fft.rfft(atoms.full(), n_points)
    matrices = np.einsum("kcf,lcf->fkl", spectra, spectra.conj())
    largest = float(np.linalg.eigvalsh(matrices)[:, -1].max())
    return largest / np.cos(np.pi * (atoms.n_times_atom - 1) / n_points)


class _Log:
    """Costs along the way, from the changes of F."""

    def __init__(self, X, correlation, penalty):
        self.empty = 0.5 * float(np.vdot(X, X))
        self.correlation, self.penalty = correlation, penalty
        self.rows = []
        self.started = time.process_time()

    def start(self, cost):
        self.rows.append((0, 0, 0.0, cost))
        self.started = time.process_time()

    def add(self, updates, operations, cost):
        if len(self.rows) > 1 and self.rows[-1][0] == updates:
            self.rows.pop()  # nothing has changed since, it was only looked at
        self.rows.append((updates, operations, time.process_time() - self.started, cost))

    def table(self):
        names, columns = ("updates", "operations", "seconds", "cost"), zip(*self.rows, strict=True)
        return {name: np.array(each) for name, each in zip(names, columns, strict=True)}


def _coordinate_descent(
    z, correlation, atoms, penalty, log, *, solver, tol, nonnegative, support, limit, every
):
    """Change ``z`` in place, and use up ``correlation``; whether it converged."""
    overlaps = np.ascontiguousarray(atoms.overlaps())
    norms = overlaps[np.arange(atoms.n_atoms), np.arange(atoms.n_atoms), atoms.n_times_atom - 1]
    beta = np.negative(correlation, out=correlation)
    value = log.empty + (_add_start(beta, z, overlaps, norms, penalty) if z.any() else 0.0)
    n_times = z.shape[1]
    length = n_times if solver == "greedy" else 2 * atoms.n_times_atom - 1
    awake = np.ones(1 if solver == "cyclic" else -(-n_times // length), dtype=np.bool_)
    place, updates, operations = 0, 0, 0
    log.start(value)
    options = (overlaps, norms, penalty, tol, nonnegative, support)
    while awake.any() and updates < limit:
        budget = min(every, limit - updates)
        if solver == "cyclic":
            done, looked, change, place = _in_turn(beta, z, *options, awake, place, budget)
        else:
            done, looked, change, place = _largest_of_segments(
                beta, z, *options, length, awake, place, budget
            )
        updates, operations, value = updates + done, operations + looked, value + change
        log.add(updates, operations, value)
    return not awake.any()


def _fista(z, correlation, atoms, penalty, log, *, solver, tol, nonnegative, support, limit, every):
    """Change ``z`` in place; whether it converged. Momentum restarts where it points uphill."""
    step = 1 / lipschitz(atoms)
    n_transforms = 4 if hasattr(atoms, "u") else 2 + 2 * atoms.n_channels
    each = int(z.size * (2 + n_transforms * np.log2(4 * atoms.n_times_atom)))
    y, momentum, iteration, converged = z.copy(), 1.0, 0, False

    def value(z):
        fitted = atoms.convolve(z)
        quadratic = 0.5 * np.vdot(fitted, fitted) - np.vdot(correlation, z)
        return log.empty + float(quadratic) + penalty * np.abs(z).sum()

    log.start(value(z))
    while not converged and iteration < limit:
        moved = y - step * (atoms.correlate(atoms.convolve(y)) - correlation)
        if nonnegative:
            moved = np.maximum(moved - step * penalty, 0)
        else:
            moved = np.sign(moved) * np.maximum(np.abs(moved) - step * penalty, 0)
        if support.size:
            moved = np.where(support, moved, z)
        change = moved - z
        if np.vdot(y - moved, change) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        y = moved + (momentum - 1) / following * change
        z[:], momentum, iteration = moved, following, iteration + 1
        converged = bool(np.abs(change).max() < tol)
        if converged or iteration == limit or iteration % every == 0:
            log.add(iteration, iteration * each, value(z))
    return converged


@numba.njit(cache=True, error_model="numpy")
def _add_start(beta, z, overlaps, norms, penalty):
    """Add the activations that there are to ``beta``; F minus that of none."""
    n_atoms, n_times = z.shape
    reach = overlaps.shape[2] // 2
    linear = 0.0
    for atom in range(n_atoms):
        for sample in range(n_times):
            if z[atom, sample] != 0:
                linear += beta[atom, sample] * z[atom, sample]
    change = 0.0
    for atom in range(n_atoms):
        for sample in range(n_times):
            if z[atom, sample] != 0:
                _touch(beta, overlaps, atom, sample, z[atom, sample], reach)
    for atom in range(n_atoms):
        for sample in range(n_times):
            value = z[atom, sample]
            if value != 0:
                # Half the gradient's quadratic part with z, and the linear part taken before.
                change += 0.5 * (beta[atom, sample] + norms[atom] * value) * value
                change += penalty * abs(value)
    return change + 0.5 * linear


@numba.njit(cache=True, error_model="numpy", fastmath=_FAST)
def _touch(beta, overlaps, atom, sample, change, reach):
    """Add a change of one activation to all ``beta`` that it reaches, but not to its own."""
    first, last = max(-reach, -sample), min(reach, beta.shape[1] - 1 - sample)
    own = beta[atom, sample]
    for other in range(beta.shape[0]):
        row, overlap = beta[other], overlaps[atom, other]
        for distance in range(first, last + 1):
            row[sample + distance] += change * overlap[distance + reach]
    beta[atom, sample] = own
    return beta.shape[0] * (last - first + 1)


@numba.njit(cache=True, error_model="numpy", fastmath=_FAST)
def _best(beta, penalty, norm, nonnegative):
    """Where F is smallest in one coordinate."""
    if nonnegative:
        return max(-beta - penalty, 0.0) / norm
    return (max(-beta - penalty, 0.0) - max(beta - penalty, 0.0)) / norm


@numba.njit(cache=True, error_model="numpy", fastmath=_FAST)
def _moves(beta, z, penalty, norm, nonnegative, moves):
    """By how much every coordinate of one atom would move."""
    inverse = 1 / norm
    if nonnegative:
        for t in range(len(beta)):
            moves[t] = abs(max(-beta[t] - penalty, 0.0) * inverse - z[t])
    else:
        for t in range(len(beta)):
            wanted = max(-beta[t] - penalty, 0.0) - max(beta[t] - penalty, 0.0)
            moves[t] = abs(wanted * inverse - z[t])


@numba.njit(cache=True, error_model="numpy", fastmath=_FAST)
def _set(beta, z, overlaps, norm, penalty, atom, sample, value, reach):
    """Set one activation; the values touched, and the change of F."""
    old = z[atom, sample]
    slope = beta[atom, sample]
    change = value - old
    z[atom, sample] = value
    gain = (0.5 * norm * (value + old) + slope) * change + penalty * (abs(value) - abs(old))
    return _touch(beta, overlaps, atom, sample, change, reach), gain


@numba.njit(cache=True, error_model="numpy", fastmath=_FAST)
def _largest_of_segments(
    beta, z, overlaps, norms, penalty, tol, nonnegative, support, length, awake, segment, budget
):
    """Set the coordinate that moves most, segment after segment, until all sleep."""
    n_atoms, n_times = z.shape
    reach = overlaps.shape[2] // 2
    n_awake = awake.sum()
    masked = support.size > 0
    # Numbers that are not negative are in the order of their bits, and the maximum of integers is
    # taken eight at a time.
    moves = np.empty(min(length, n_times))
    bits, least = moves.view(np.int64), np.array([tol]).view(np.int64)[0]
    updates, operations, change = 0, 0, 0.0
    while n_awake > 0 and updates < budget:
        if not awake[segment]:
            segment = (segment + 1) % awake.size
            continue
        start, stop = segment * length, min((segment + 1) * length, n_times)
        while updates < budget:
            farthest, atom = np.int64(0), 0
            for k in range(n_atoms):
                _moves(beta[k, start:stop], z[k, start:stop], penalty, norms[k], nonnegative, moves)
                if masked:
                    for t in range(stop - start):
                        moves[t] *= support[k, start + t]
                here = np.int64(0)
                for t in range(stop - start):
                    here = max(here, bits[t])
                if here > farthest:
                    farthest, atom = here, k
            operations += n_atoms * (stop - start)
            if farthest < least:
                awake[segment] = False
                n_awake -= 1
                break
            sample, largest, value = start, -1.0, 0.0
            for t in range(start, stop):
                if masked and not support[atom, t]:
                    continue
                wanted = _best(beta[atom, t], penalty, norms[atom], nonnegative)
                if abs(wanted - z[atom, t]) > largest:
                    sample, largest, value = t, abs(wanted - z[atom, t]), wanted
            touched, gain = _set(
                beta, z, overlaps, norms[atom], penalty, atom, sample, value, reach
            )
            updates, operations, change = updates + 1, operations + touched, change + gain
            for near in range(
                max(sample - reach, 0) // length, min(sample + reach, n_times - 1) // length + 1
            ):
                if not awake[near]:
                    awake[near] = True
                    n_awake += 1
        if not awake[segment]:
            segment = (segment + 1) % awake.size
    return updates, operations, change, segment


@numba.njit(cache=True, error_model="numpy", fastmath=_FAST)
def _in_turn(beta, z, overlaps, norms, penalty, tol, nonnegative, support, awake, place, budget):
    """Set every coordinate that moves by the tolerance in turn, until a whole round has none."""
    n_atoms, n_times = z.shape
    reach = overlaps.shape[2] // 2
    masked = support.size > 0
    updates, operations, change, quiet = 0, 0, 0.0, 0
    while updates < budget:
        sample, atom = place // n_atoms, place % n_atoms
        place = (place + 1) % (n_atoms * n_times)
        operations += 1
        quiet += 1
        if not masked or support[atom, sample]:
            value = _best(beta[atom, sample], penalty, norms[atom], nonnegative)
            if abs(value - z[atom, sample]) >= tol:
                touched, gain = _set(
                    beta, z, overlaps, norms[atom], penalty, atom, sample, value, reach
                )
                updates, operations, change, quiet = (
                    updates + 1, operations + touched, change + gain, 0,
                )  # fmt: skip
        if quiet >= n_atoms * n_times:
            awake[0] = False
            break
    return updates, operations, change, place


def _largest(correlation, nonnegative):
    return max(0.0, float(correlation.max() if nonnegative else np.abs(correlation).max()))


def _largest_start(correlation, atoms, nonnegative):
    """The largest activation if there were but one, and no penalty."""
    norms = (atoms.full() ** 2).sum(axis=(1, 2))
    found = (correlation if nonnegative else np.abs(correlation)).max(axis=1)
    return float((found / norms).max())


def _fitting_recording(X, atoms):
    X = np.atleast_2d(validation.array(X, "X").astype(float))
    if X.ndim != 2:
        raise ValueError(f"X must have shape (n_channels, n_times), got {X.shape}.")
    if len(X) != atoms.n_channels:
        raise ValueError(
            f"X has {len(X)} channel(s), the atoms have {atoms.n_channels}. "
            "Pick the channels that they were learned from."
        )
    if X.shape[1] < atoms.n_times_atom:
        raise ValueError(
            f"X has {X.shape[1]} samples, fewer than the {atoms.n_times_atom} of an atom."
        )
    squarable(X, "X")
    return X


def _checked_code(z, penalty, X, atoms, *, at_least=None):
    shape = (atoms.n_atoms, X.shape[1] - atoms.n_times_atom + 1)
    z = validation.array(z, "z", at_least=at_least).astype(float)
    if z.shape != shape:
        raise ValueError(
            f"z must have shape {shape} for X of {X.shape[1]} samples and {atoms.n_atoms} atom(s) "
            f"of {atoms.n_times_atom}, got {z.shape}."
        )
    squarable(z, "z", small=False)
    return z, validation.number(penalty, "penalty", at_least=0)


def _checked_recording(X, atoms):
    X = _fitting_recording(X, atoms)
    flat = np.flatnonzero(np.ptp(X, axis=1) == 0)
    if len(flat) and X[flat[0], 0]:
        raise ValueError(f"channel {flat[0]} is constant, {X[flat[0], 0]:g}. Drop it.")
    return X


def _checked_start(start, shape, nonnegative):
    if start is None:
        return np.zeros(shape)
    z = validation.array(start, "start", at_least=0 if nonnegative else None).astype(float)
    if z.shape != shape:
        raise ValueError(f"start must have the shape {shape}, got {z.shape}.")
    squarable(z, "start", small=False)
    return np.array(z, order="C")


def _checked_support(support, shape):
    if support is None:
        return np.zeros((0, 0), dtype=np.bool_)
    support = np.asarray(support)
    if support.dtype != bool or support.shape != shape:
        raise ValueError(
            f"support must be bool of the shape {shape}, got {support.dtype} of {support.shape}."
        )
    return np.ascontiguousarray(support)
