r"""Sparse coding by many workers, on a simulated clock.

Every worker has a part of the places at which atoms may start, a stretch of a line or a rectangle
of a grid, and changes only activations of its own. As in `common.dictionary.sparse_coding` it knows
:math:`\beta`, the gradient without a coordinate's own share. A change :math:`\delta` at :math:`p_0`
alters :math:`\beta` only where :math:`|p - p_0| < L`, so the worker tells it to those whose parts
this reaches, and to nobody else. There is no server and no barrier. A worker in whose part no
activation would move by the tolerance pauses until a message arrives; when all pause and no message
is under way, the activations are those of one worker alone, up to the tolerance.

*Greedy*: a worker looks through all of its part for each change (DICOD [1]_). With W workers each
looks at 1/W of the places and makes 1/W of the changes, a speed-up of up to :math:`W^2`. *Locally
greedy*: it looks through segments of 2 L - 1 places, one change each, in turn (DiCoDiLe-Z [2]_),
for a speed-up of up to W, from a much better start.

**Interference.** Two changes at once, :math:`\delta_1` at :math:`(k_1, p_1)` and :math:`\delta_2`
at :math:`(k_2, p_2)`, each decided without the other, lower F by

.. math:: \Delta E = \Delta E_1 + \Delta E_2 - \delta_1 \delta_2\, G_{k_1 k_2}[p_2 - p_1] ,

with the reductions :math:`\Delta E_i` that each would have alone. On a line the last term is that
of two neighbours at most and F still falls; where more meet, at the corners of a grid, F may rise
and activations grow without bounds. The **soft lock** [2]_ forbids a change where another worker's
activation within reach would move more, by what this worker knows of it; of equal moves, as in
identical windows, that of the worker with the lower number goes first. To know :math:`\beta` up to
L - 1 beyond its part, a worker must hear of changes up to 2 (L - 1) beyond. A lock at *corners*
asks only where the reach leaves the part in both directions.

**The clock.** Looking at a value costs a, applying a change or a message costs b for each of the
:math:`K (2 L - 1)` values it reaches (:math:`K (2 h - 1) (2 w - 1)` on a grid), and a message takes
as long as ``latency`` applications. With a = b = 1 all is deterministic, and the unit is a value
looked at or changed. Workers take their next step in the order of their clocks, with what had
arrived by then, so the outcome is that of workers that run at once. Real ones are in
`common.dictionary.processes`.

References
----------
.. [1] T. Moreau, L. Oudre, N. Vayatis, "DICOD: Distributed Convolutional Coordinate Descent for
   Convolutional Sparse Coding", ICML 2018, arXiv:1705.10087.
.. [2] T. Moreau, A. Gramfort, "Distributed Convolutional Dictionary Learning (DiCoDiLe): Pattern
   Discovery in Large Images and Signals", arXiv:1901.09235.
"""

from dataclasses import dataclass

import numpy as np

from common import validation
from common.dictionary._checks import flag
from common.dictionary._parts import (
    FULL,
    IDLE,
    LOCKS,
    TOO_FAR,
    Part,
    boxes,
    run,
    stretch,
    with_margin,
)
from common.dictionary.grids import Problem

__all__ = [
    "LOCKS",
    "STRATEGIES",
    "Clock",
    "DistributedCode",
    "Workers",
    "add_sums",
    "checked_start",
    "checked_workers",
    "largest_move",
    "margin_of",
    "neighbours",
    "simulated_code",
]

STRATEGIES = ("lgcd", "greedy")

_ROUNDING = 1 + 1e-8  # of moves, as far as workers see other last digits
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Clock:
    """What takes how long on the simulated clock.

    Parameters
    ----------
    look : float, default=1
        Per value looked at (a).
    change : float, default=1
        Per value changed (b).
    latency : float, default=10
        Until a message arrives, in changes of one activation.

    Raises
    ------
    TypeError, ValueError
        If one is no number, the first two are not positive, or the latency is negative.
    """

    look: float = 1.0
    change: float = 1.0
    latency: float = 10.0

    def __post_init__(self):
        validation.number(self.look, "look", above=0)
        validation.number(self.change, "change", above=0)
        validation.number(self.latency, "latency", at_least=0)

    def price(self, overlaps):
        """Time to look at a value, to apply a change, and until a message arrives.

        Parameters
        ----------
        overlaps : ndarray, shape (n_atoms, n_atoms, 2 h - 1, 2 w - 1)

        Returns
        -------
        price : ndarray, shape (3,)
        """
        touched = self.change * overlaps[0].size
        return np.array([self.look, touched, self.latency * touched])


@dataclass(frozen=True, eq=False)
class DistributedCode:
    """Activations that workers found, and how.

    Attributes
    ----------
    z : ndarray, shape (n_atoms, n_places) or (n_atoms, n_rows, n_columns)
    converged : bool
        Whether no activation would move by the tolerance any more, and none diverged.
    diverged : bool
        Whether one was changed by the limit or more, upon which all stopped.
    time : float
        When the last worker was done; seconds of wall-clock time for real processes.
    updates : ndarray of int, shape (n_workers,)
        Changes made.
    blocked : ndarray of int, shape (n_workers,)
        Changes that the lock forbade.
    received : ndarray of int, shape (n_workers,)
        Messages.
    busy : ndarray, shape (n_workers,)
        Time not spent waiting; processor time of real processes.
    log : dict of str to ndarray
        ``time``, ``updates`` and ``cost``, from the start on; of the simulated clock, if asked for.
    """

    z: np.ndarray
    converged: bool
    diverged: bool
    time: float
    updates: np.ndarray
    blocked: np.ndarray
    received: np.ndarray
    busy: np.ndarray
    log: dict


def simulated_code(
    X,
    atoms,
    penalty,
    *,
    workers=1,
    strategy="lgcd",
    lock="none",
    tol=1e-3,
    nonnegative=True,
    start=None,
    clock=None,
    limit=1e3,
    max_updates=None,
    log_every=None,
):
    """Activations of atoms in a recording or an image, by workers on a simulated clock.

    Parameters
    ----------
    X : array_like, shape (n_channels, n_times) or (n_channels, n_rows, n_columns)
        Any unit; one channel may come without the first axis.
    atoms : array_like, FullAtoms, RankOneAtoms or tuple
        Four axes for images; see `common.dictionary.grids.Problem.of`.
    penalty : float
        Lambda, in the unit of ``X`` times that of the atoms.
    workers : int or tuple of int, default=1
        Number of workers on a line, which cuts the columns; or rows and columns of a grid of them.
    strategy : {"lgcd", "greedy"}, default="lgcd"
    lock : {"none", "corner", "border"}, default="none"
    tol : float, default=1e-3
        A worker pauses where no activation would move by this much, in the unit of z.
    nonnegative : bool, default=True
    start : array_like, of the shape of z, optional
        Activations to start from; none by default.
    clock : Clock, optional
    limit : float, default=1e3
        A change of this much or more is a divergence.
    max_updates : int, optional
        At most so many, of all together.
    log_every : int, optional
        Log the cost after so many updates, as if all knew of all changes at once.

    Returns
    -------
    code : DistributedCode

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If shapes do not fit, a number is out of range, an option is unknown, or there are more
        workers in a direction than places.

    Examples
    --------
    >>> X = np.zeros((1, 200))
    >>> X[0, 20:23] = X[0, 120:123] = [3, 6, 3]
    >>> code = simulated_code(X, [[1.0, 2.0, 1.0]], 0.6, workers=4)
    >>> np.flatnonzero(code.z), code.updates.tolist(), code.converged
    (array([ 20, 120]), [1, 0, 1, 0], True)
    """
    team = Workers(
        X, atoms, workers=workers, strategy=strategy, lock=lock, nonnegative=nonnegative,
        start=start, clock=clock, limit=limit,
    )  # fmt: skip
    return team.code(penalty, tol=tol, max_updates=max_updates, log_every=log_every)


class Workers:
    """Workers that keep their parts from one coding to the next, as learning atoms needs them.

    Parameters
    ----------
    X, atoms, workers, strategy, lock, nonnegative, start, clock, limit
        See `simulated_code`.

    Raises
    ------
    TypeError, ValueError
        As `simulated_code`.
    """

    def __init__(
        self, X, atoms, *, workers=1, strategy="lgcd", lock="none", nonnegative=True, start=None,
        clock=None, limit=1e3,
    ):  # fmt: skip
        self.problem = problem = Problem.of(X, atoms)
        self.strategy = validation.choice(strategy, STRATEGIES, "strategy")
        self.lock = validation.choice(lock, LOCKS, "lock")
        self.nonnegative = flag(nonnegative, "nonnegative")
        self.clock = Clock() if clock is None else clock
        if not isinstance(self.clock, Clock):
            raise TypeError(f"clock must be a Clock, got {clock!r}.")
        self.limit = validation.number(limit, "limit", above=0)
        n_atoms, *shape = problem.shape
        self.boxes = boxes(shape, checked_workers(workers, shape))
        self.margin = margin_of(problem.reach, lock)
        held = [with_margin(box, shape, self.margin) for box in self.boxes]
        sizes = [n_atoms * (each[1] - each[0]) * (each[3] - each[2]) for each in held]
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._beta, self._z = np.zeros(self._starts[-1]), np.zeros(self._starts[-1])
        self.parts = []
        for box, each, first, size in zip(self.boxes, held, self._starts, sizes, strict=False):
            memory = [
                flat[first : first + size].reshape(n_atoms, each[1] - each[0], -1)
                for flat in (self._beta, self._z)
            ]
            self.parts.append(
                Part(
                    stretch(problem.X, each, problem.D.shape[2:]), n_atoms, problem.D.shape[2:],
                    box, each, greedy=strategy == "greedy", beta=memory[0], z=memory[1],
                )
            )  # fmt: skip
        start = None if start is None else checked_start(problem, start, self.nonnegative)
        if start is not None:
            for part, each in zip(self.parts, held, strict=True):
                part.z[:] = start[:, each[0] : each[1], each[2] : each[3]]
        self._near = neighbours(self.boxes, self.margin)

    @property
    def z(self):
        """Activations of all parts, in the shape that the user knows."""
        z = np.zeros(self.problem.shape)
        for part in self.parts:
            top, bottom, left, right = part.box
            z[:, top:bottom, left:right] = part.z[part.own]
        return self.problem.given(z)

    def code(self, penalty, *, D=None, tol=1e-3, max_updates=None, log_every=None):
        """Go on from the activations that there are.

        Parameters
        ----------
        penalty : float
        D : ndarray, shape (n_atoms, n_channels, h, w), optional
            Other atoms than at the start.
        tol, max_updates, log_every
            See `simulated_code`.

        Returns
        -------
        code : DistributedCode

        Raises
        ------
        TypeError, ValueError
            As `simulated_code`.
        """
        penalty = validation.number(penalty, "penalty", at_least=0)
        tol = self.problem.checked_tol(tol, max_updates)
        left = _NEVER if max_updates is None else validation.count(max_updates, "max_updates")
        every = left if log_every is None else validation.count(log_every, "log_every")
        if D is not None:
            self.problem = self.problem.with_atoms(D)
        overlaps = self.problem.overlaps()
        norms = np.einsum("kkij->kij", overlaps)[:, overlaps.shape[2] // 2, overlaps.shape[3] // 2]
        norms = np.ascontiguousarray(norms)
        for part in self.parts:
            part.begin(self.problem.D, overlaps)
        state = _State(self.parts, self._near)
        truth = _Truth(self.problem, self.z, overlaps, norms, penalty, log_every is not None)
        price, status, now = self.clock.price(overlaps), FULL, 0.0
        while left and status not in (IDLE, TOO_FAR):
            status, done, last, gain = run(
                self._beta, self._z, self._starts, *state.fixed, overlaps, norms, penalty, tol,
                self.nonnegative, LOCKS.index(self.lock), self.limit, price, *state.moving,
                truth.beta, truth.z, min(every, left),
            )  # fmt: skip
            left, now = left - done, max(now, last)
            truth.add(now, done, gain)
            if status == FULL:
                state.grow()
        state.return_to(self.parts)
        diverged = status == TOO_FAR
        return DistributedCode(
            z=self.z,
            converged=not diverged and self._largest(norms, penalty) < tol * _ROUNDING,
            diverged=diverged,
            time=now,
            updates=state.counts[:, 0].copy(),
            blocked=state.counts[:, 1].copy(),
            received=state.counts[:, 2].copy(),
            busy=state.busy.copy(),
            log=truth.table(),
        )

    def sums(self):
        """What learning atoms asks of all parts.

        Returns
        -------
        ztz, ztX, size, worst
            See `add_sums`.
        """
        return add_sums([part.sums() for part in self.parts])

    def _largest(self, norms, penalty):
        """By how much the activation that would move most would, in the parts' own view."""
        return max(
            largest_move(part.beta[part.own], part.z[part.own], norms, penalty, self.nonnegative)
            for part in self.parts
        )


def add_sums(sums):
    """Sums of parts.

    Parameters
    ----------
    sums : list of tuple
        ``ztz``, ``ztX`` and ``size``, which add up, and ``worst``, of which the first is compared.

    Returns
    -------
    ztz : ndarray, shape (n_atoms, n_atoms, 2 h - 1, 2 w - 1)
        Products of activations, summed over places, by their distance.
    ztX : ndarray, shape (n_atoms, n_channels, h, w)
        Patches of the image, weighted by activations.
    size : float
        Sum of absolute activations.
    worst : tuple
        Energy of the residual in the patch that is explained worst, and the residual there.
    """
    ztz, ztX, size, worst = zip(*sums, strict=True)
    return sum(ztz), sum(ztX), sum(size), max(worst, key=lambda one: one[0])


def checked_workers(workers, shape):
    """Rows and columns of workers.

    Parameters
    ----------
    workers : int or tuple of int
    shape : tuple of int
        Rows and columns of places.

    Returns
    -------
    workers : tuple of int

    Raises
    ------
    TypeError, ValueError
        If it is no such number or pair, or more than there are places.
    """
    both = (1, workers) if np.ndim(workers) == 0 else tuple(workers)
    if len(both) != 2:
        raise ValueError(f"workers must be a number or (rows, columns), got {workers!r}.")
    both = tuple(validation.count(each, "workers") for each in both)
    if both[0] > shape[0] or both[1] > shape[1]:
        raise ValueError(
            f"workers={both} are more than the {shape[0]} × {shape[1]} places at which an atom may "
            "start. Use fewer."
        )
    return both


def checked_start(problem, start, nonnegative):
    """Activations to start from, on the grid.

    Parameters
    ----------
    problem : Problem
    start : array_like
    nonnegative : bool

    Returns
    -------
    start : ndarray, shape (n_atoms, n_rows, n_columns)

    Raises
    ------
    TypeError, ValueError
        If the shape does not fit, or one is negative that may not be.
    """
    start = problem.on_grid(start, "start")
    if nonnegative:
        validation.array(start, "start", at_least=0)
    return start


def margin_of(reach, lock):
    """How far beyond its part a worker hears of changes, in rows and columns.

    Parameters
    ----------
    reach : tuple of int
    lock : str

    Returns
    -------
    margin : tuple of int
    """
    return tuple((1 if lock == "none" else 2) * each for each in reach)


def neighbours(boxes, margin):
    """Which workers may have to be told what each does.

    Parameters
    ----------
    boxes : list of tuple of int
    margin : tuple of int

    Returns
    -------
    near : list of list of int
    """
    near = []
    for i, (top, bottom, left, right) in enumerate(boxes):
        near.append(
            [
                j
                for j, box in enumerate(boxes)
                if j != i
                and top < box[1] + margin[0]
                and bottom > box[0] - margin[0]
                and left < box[3] + margin[1]
                and right > box[2] - margin[1]
            ]
        )
    return near


def largest_move(beta, z, norms, penalty, nonnegative):
    """By how much the activation that would move most would.

    Parameters
    ----------
    beta, z : ndarray, shape (n_atoms, n_rows, n_columns)
    norms : ndarray, shape (n_atoms,)
    penalty : float
    nonnegative : bool

    Returns
    -------
    move : float
    """
    best = np.maximum(-beta - penalty, 0)
    if not nonnegative:
        best -= np.maximum(beta - penalty, 0)
    return float(np.abs(best / norms[:, None, None] - z).max())


class _State:
    """Arrays that `run` changes, and those that it reads."""

    def __init__(self, parts, near):
        n = len(parts)
        self.states = np.concatenate([part.states for part in parts])
        self.first_state = np.concatenate([[0], np.cumsum([len(part.states) for part in parts])])
        counts = np.cumsum([0, *map(len, near)])
        self.near = np.array([j for each in near for j in each] or [0], dtype=np.int64)
        layouts = np.stack([part.layout for part in parts])
        self.fixed = (layouts, self.states, self.first_state, self.near, counts)
        self.counts, self.busy = np.zeros((n, 3), dtype=np.int64), np.zeros(n)
        self.clocks, self.asleep = np.zeros(n), np.zeros(n, dtype=np.bool_)
        self.places = np.zeros(n, dtype=np.int64)
        self.heads = np.full(n, -1, dtype=np.int64)
        size = 64 * n + int(np.diff(counts).max())
        self.pool, self.carried = np.zeros((size, 3), dtype=np.int64), np.zeros((size, 2))
        self.following = np.append(np.arange(1, size), -1)
        self.free = np.array([0, size], dtype=np.int64)  # the first one, and how many

    @property
    def moving(self):
        return (
            self.clocks, self.asleep, self.places, self.busy, self.counts, self.heads, self.pool,
            self.carried, self.following, self.free,
        )  # fmt: skip

    def grow(self):
        """Twice the room for messages under way."""
        size = len(self.pool)
        self.pool, self.carried = (np.concatenate([a, a]) for a in (self.pool, self.carried))
        added = np.append(np.arange(size + 1, 2 * size), self.free[0])
        self.following = np.concatenate([self.following, added])
        self.free[:] = size, self.free[1] + size

    def return_to(self, parts):
        for part, first in zip(parts, self.first_state, strict=False):
            part.states[:] = self.states[first : first + len(part.states)]


class _Truth:
    """What F is, as if every worker knew of every change at once."""

    def __init__(self, problem, z, overlaps, norms, penalty, kept):
        self.beta, self.z = np.zeros((0, 0, 0)), np.zeros((0, 0, 0))
        self.rows, self.kept = [], kept
        if not kept:
            return
        self.z = z.reshape(problem.shape).copy()
        whole = Part(
            problem.X, len(problem.D), problem.D.shape[2:], (0, 1, 0, 1),
            (0, problem.shape[1], 0, problem.shape[2]), greedy=True, z=self.z,
        )  # fmt: skip
        correlation = problem.correlation()
        whole.begin(problem.D, overlaps)
        self.beta = whole.beta
        # 1/2 |X - Dz|² = 1/2 |X|² - <DX, z> + 1/2 <z, beta + DX + norms z>
        quadratic = self.beta + correlation + norms[:, None, None] * self.z
        value = 0.5 * np.vdot(problem.X, problem.X) - np.vdot(correlation, self.z)
        value += 0.5 * np.vdot(self.z, quadratic) + penalty * np.abs(self.z).sum()
        self.rows.append((0.0, 0, float(value)))

    def add(self, now, done, gain):
        if self.kept:
            _, updates, value = self.rows[-1]
            self.rows.append((now, updates + done, value + gain))

    def table(self):
        columns = zip(*self.rows, strict=True) if self.rows else ([], [], [])
        names = ("time", "updates", "cost")
        return {name: np.array(each) for name, each in zip(names, columns, strict=True)}
