"""Parts of a grid of activations, one for each worker, and what a worker does with its own.

All compiled functions that call each other stand here: numba keeps what it has compiled as long as
the file of the caller is unchanged, whatever becomes of the files of those that it calls.

A worker holds two arrays over its part and a margin around it: ``beta``, the gradient without a
coordinate's own share (see `common.dictionary.sparse_coding`), and the activations ``z``. The part
is cut into segments. A segment is *awake* until no coordinate in it would move by the tolerance,
or *blocked* where the lock forbids the move. Rows and columns of messages are those of the grid.
"""

import itertools

import numba
import numpy as np

from common.dictionary.grids import Problem, reconstruct

__all__ = [
    "FULL",
    "IDLE",
    "LOCKS",
    "RUNNING",
    "TOO_FAR",
    "Part",
    "advance",
    "boxes",
    "receive",
    "run",
    "stretch",
    "with_margin",
    "within",
]

LOCKS = ("none", "corner", "border")
RUNNING, IDLE, TOO_FAR, FULL = range(4)  # how a run of steps ends

_QUIET, _BLOCKED, _UPDATED, _NOTHING = range(4)  # what a step did
_ASLEEP, _AWAKE, _WAITS = range(3)  # what a segment is
_ALIKE = 1 + 1e-9  # moves that differ by less are equal, whatever the order of their sums
_FAST = {"nnan", "ninf", "nsz", "reassoc", "contract", "arcp"}


class Part:
    """What one worker holds.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_rows, n_columns)
        The image where its activations are, see `stretch`.
    n_atoms : int
    atom_shape : tuple of int
        h, w.
    box : tuple of int
        First row, row after the last, first column, column after the last: its own places.
    held : tuple of int
        The same with the margin, see `with_margin`.
    greedy : bool
        One segment, or segments of (2 h - 1) × (2 w - 1) places.
    beta, z : ndarray, optional
        Memory to use, shape (n_atoms, n_rows, n_columns) of what is held.
    """

    def __init__(self, X, n_atoms, atom_shape, box, held, *, greedy, beta=None, z=None):
        self.X, self.box = X, box
        top, bottom, left, right = box
        size = (bottom - top, right - left) if greedy else [2 * each - 1 for each in atom_shape]
        n_segments = (-(-(bottom - top) // size[0]), -(-(right - left) // size[1]))
        self.layout = np.array([*box, *held, *size, *n_segments], dtype=np.int64)
        shape = (n_atoms, held[1] - held[0], held[3] - held[2])
        self.z = np.zeros(shape) if z is None else z
        self.beta = np.zeros(shape) if beta is None else beta
        self.states = np.ones(n_segments[0] * n_segments[1], dtype=np.int8)
        self.D = None

    @property
    def own(self):
        """Where its own places are in what it holds."""
        top, bottom, left, right, first, _, second, _ = self.layout[:8]
        return np.s_[:, top - first : bottom - first, left - second : right - second]

    def begin(self, D, overlaps):
        """Set ``beta`` to that of the activations held, for these atoms, and wake up.

        Parameters
        ----------
        D : ndarray, shape (n_atoms, n_channels, h, w)
        overlaps : ndarray
            See `common.dictionary.grids.Problem.overlaps`.
        """
        self.D = D
        np.negative(Problem(self.X, D, False).correlation(), out=self.beta)
        if self.z.any():
            _add_all(self.beta, self.z, overlaps)
        self.states[:] = _AWAKE

    def sums(self):
        r"""What learning atoms asks of a part: sums over its own activations.

        Returns
        -------
        ztz : ndarray, shape (n_atoms, n_atoms, 2 h - 1, 2 w - 1)
            :math:`\sum_p z_k[p] z_l[p + d]` over its own places p, distance 0 in the middle.
        ztX : ndarray, shape (n_atoms, n_channels, h, w)
            :math:`\sum_p z_k[p] X_c[p + m]`.
        size : float
            Sum of absolute values.
        worst : tuple
            Energy of the residual in the patch where it is largest, and that patch, shape
            (n_channels, h, w).

        Notes
        -----
        Sums over all parts are those of the whole, as a part knows activations h - 1 rows and w - 1
        columns beyond its own.
        """
        n_atoms, _, h, w = self.D.shape
        ztz = np.zeros((n_atoms, n_atoms, 2 * h - 1, 2 * w - 1))
        ztX = np.zeros(self.D.shape)
        _sum_up(self.z, np.ascontiguousarray(self.X), self.layout, ztz, ztX)
        residual = self.X - reconstruct(self.z, self.D)
        energy = np.cumsum(np.cumsum((residual**2).sum(axis=0), axis=0), axis=1)
        energy = np.pad(energy, ((1, 0), (1, 0)))
        patches = energy[h:, w:] - energy[:-h, w:] - energy[h:, :-w] + energy[:-h, :-w]
        own = patches[self.own[1:]]
        row, column = np.unravel_index(own.argmax(), own.shape)
        row, column = row + self.own[1].start, column + self.own[2].start
        patch = residual[:, row : row + h, column : column + w]
        return ztz, ztX, float(np.abs(self.z[self.own]).sum()), (float(own.max()), patch)


def boxes(shape, workers):
    """Own places of each worker, rows of workers one after another.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the grid.
    workers : tuple of int
        Rows and columns of workers; parts are as equal as can be.

    Returns
    -------
    boxes : list of tuple of int
        First row, row after the last, first column, column after the last.
    """
    rows = np.linspace(0, shape[0], workers[0] + 1).round().astype(int).tolist()
    columns = np.linspace(0, shape[1], workers[1] + 1).round().astype(int).tolist()
    return [
        (top, bottom, left, right)
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(columns)
    ]


def with_margin(box, shape, margin):
    """A box and so many rows and columns around it, as far as there are.

    Parameters
    ----------
    box : tuple of int
    shape : tuple of int
        Rows and columns of the grid.
    margin : tuple of int

    Returns
    -------
    held : tuple of int
    """
    top, bottom, left, right = box
    return (
        max(top - margin[0], 0), min(bottom + margin[0], shape[0]),
        max(left - margin[1], 0), min(right + margin[1], shape[1]),
    )  # fmt: skip


def stretch(X, held, atom_shape):
    """The image where activations at the places of a box are.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_rows, n_columns)
    held, atom_shape : tuple of int

    Returns
    -------
    X : ndarray, shape (n_channels, n_rows, n_columns)
    """
    top, bottom, left, right = held
    return X[:, top : bottom + atom_shape[0] - 1, left : right + atom_shape[1] - 1]


def within(box, rows, columns, margin):
    """Which places are within a margin of a box.

    Parameters
    ----------
    box : tuple of int
    rows, columns : ndarray of int
        Places.
    margin : tuple of int

    Returns
    -------
    inside : ndarray of bool
    """
    top, bottom, left, right = box
    return (
        (rows >= top - margin[0])
        & (rows < bottom + margin[0])
        & (columns >= left - margin[1])
        & (columns < right + margin[1])
    )


@numba.njit(cache=True, error_model="numpy", fastmath=_FAST)
def _best(beta, penalty, norm, nonnegative):
    """Where F is smallest in one coordinate."""
    if nonnegative:
        return max(-beta - penalty, 0.0) / norm
    return (max(-beta - penalty, 0.0) - max(beta - penalty, 0.0)) / norm


@numba.njit(cache=True, error_model="numpy", fastmath=_FAST)
def _moves(beta, z, penalty, norm, nonnegative, moves):
    """By how much every coordinate of one row would move."""
    inverse = 1 / norm
    if nonnegative:
        for t in range(len(beta)):
            moves[t] = abs(max(-beta[t] - penalty, 0.0) * inverse - z[t])
    else:
        for t in range(len(beta)):
            wanted = max(-beta[t] - penalty, 0.0) - max(beta[t] - penalty, 0.0)
            moves[t] = abs(wanted * inverse - z[t])


@numba.njit(cache=True, error_model="numpy", fastmath=_FAST)
def _farthest(beta, z, norms, penalty, nonnegative, top, bottom, left, right, moves):
    """The coordinate of a rectangle that would move most: atom, row, column, by how much."""
    # Numbers that are not negative are in the order of their bits, and the maximum of integers is
    # taken eight at a time.
    bits, width = moves.view(np.int64), right - left
    farthest, atom, at = np.int64(-1), 0, top
    for k in range(beta.shape[0]):
        for row in range(top, bottom):
            _moves(
                beta[k, row, left:right], z[k, row, left:right],
                penalty, norms[k], nonnegative, moves[:width],
            )  # fmt: skip
            here = np.int64(0)
            for t in range(width):
                here = max(here, bits[t])
            if here > farthest:
                farthest, atom, at = here, k, row
    column, largest, change = left, -1.0, 0.0
    for t in range(left, right):
        move = _best(beta[atom, at, t], penalty, norms[atom], nonnegative) - z[atom, at, t]
        if abs(move) > largest:
            column, largest, change = t, abs(move), move
    return atom, at, column, change


@numba.njit(cache=True, error_model="numpy", fastmath=_FAST)
def _touch(beta, overlaps, atom, row, column, change):
    """Add a change of one activation to all ``beta`` that it reaches, but not to its own."""
    n_atoms, n_rows, n_columns = beta.shape
    high, wide = overlaps.shape[2] // 2, overlaps.shape[3] // 2
    top, bottom = max(-high, -row), min(high, n_rows - 1 - row)
    left, right = max(-wide, -column), min(wide, n_columns - 1 - column)
    own = beta[atom, row, column]
    for other in range(n_atoms):
        for down in range(top, bottom + 1):
            line, overlap = beta[other, row + down], overlaps[atom, other, down + high]
            for across in range(left, right + 1):
                line[column + across] += change * overlap[across + wide]
    beta[atom, row, column] = own


@numba.njit(cache=True, error_model="numpy")
def _add_all(beta, z, overlaps):
    for atom in range(z.shape[0]):
        for row in range(z.shape[1]):
            for column in range(z.shape[2]):
                if z[atom, row, column] != 0:
                    _touch(beta, overlaps, atom, row, column, z[atom, row, column])


@numba.njit(cache=True, error_model="numpy")
def _sum_up(z, X, layout, ztz, ztX):
    n_atoms, n_rows, n_columns = z.shape
    high, wide = ztz.shape[2] // 2, ztz.shape[3] // 2
    n_channels = X.shape[0]
    for k in range(n_atoms):
        for row in range(layout[0] - layout[4], layout[1] - layout[4]):
            for column in range(layout[2] - layout[6], layout[3] - layout[6]):
                value = z[k, row, column]
                if value == 0:
                    continue
                for l in range(n_atoms):
                    for down in range(max(-high, -row), min(high, n_rows - 1 - row) + 1):
                        for across in range(
                            max(-wide, -column), min(wide, n_columns - 1 - column) + 1
                        ):
                            other = z[l, row + down, column + across]
                            if other != 0:
                                ztz[k, l, down + high, across + wide] += value * other
                for c in range(n_channels):
                    for down in range(high + 1):
                        for across in range(wide + 1):
                            ztX[k, c, down, across] += value * X[c, row + down, column + across]


@numba.njit(cache=True, error_model="numpy")
def _wake(states, layout, row, column, high, wide):
    """Wake the segments that a change at a place of the grid may have given something to do.

    Blocked ones compare with places beyond the part, so they wake from twice as far.
    """
    size_r, size_c, n_r, n_c = layout[8], layout[9], layout[10], layout[11]
    for times in range(1, 3):
        first = max(row - times * high - layout[0], 0) // size_r
        last = min((row + times * high - layout[0]) // size_r, n_r - 1)
        left = max(column - times * wide - layout[2], 0) // size_c
        right = min((column + times * wide - layout[2]) // size_c, n_c - 1)
        for i in range(first, last + 1):
            for j in range(left, right + 1):
                if times == 1 or states[i * n_c + j] == _WAITS:
                    states[i * n_c + j] = _AWAKE


@numba.njit(cache=True, error_model="numpy")
def _forbidden(beta, z, norms, penalty, tol, nonnegative, layout, lock, row, column, move, hw):
    """Whether the soft lock forbids a move, and how many values it looked at to say so.

    It does where a coordinate of another worker within reach of the place would move more, or as
    much if that worker comes first. Both workers compare ``(1 + 1e-9) × the first's`` with the
    second's, so that rounding does not let both wait or both go.
    """
    high, wide = hw
    top, bottom, left, right = layout[0], layout[1], layout[2], layout[3]
    first, last = max(row - high, layout[4]), min(row + high, layout[5] - 1)
    near, far = max(column - wide, layout[6]), min(column + wide, layout[7] - 1)
    over_rows, over_columns = first < top or last >= bottom, near < left or far >= right
    if lock == 0 or not (over_rows or over_columns):
        return False, 0
    if lock == 1 and not (over_rows and over_columns):
        return False, 0
    looked = 0
    for k in range(beta.shape[0]):
        for i in range(first, last + 1):
            inside = top <= i < bottom
            for j in range(near, far + 1):
                if inside and left <= j < right:
                    continue
                looked += 1
                here = beta[k, i - layout[4], j - layout[6]]
                other = _best(here, penalty, norms[k], nonnegative)
                other = abs(other - z[k, i - layout[4], j - layout[6]])
                if other < tol:
                    continue
                comes_first = i < top or (inside and j < left)
                if (other * _ALIKE >= move) if comes_first else (other > move * _ALIKE):
                    return True, looked
    return False, looked


@numba.njit(cache=True, error_model="numpy")
def _step(
    beta, z, layout, states, place, overlaps, norms, penalty, tol, nonnegative, lock, moves
):  # fmt: skip
    """Look through the next segment that is awake, and set the coordinate that moves most.

    Returns what was done, the coordinate and its change, how many values were looked at, and the
    segment to go on with.
    """
    n = len(states)
    for _ in range(n):
        if states[place] == _AWAKE:
            break
        place = (place + 1) % n
    else:
        return _NOTHING, 0, 0, 0, 0.0, 0, place
    high, wide = overlaps.shape[2] // 2, overlaps.shape[3] // 2
    n_c = layout[11]
    top, left = layout[0] + place // n_c * layout[8], layout[2] + place % n_c * layout[9]
    bottom, right = min(top + layout[8], layout[1]), min(left + layout[9], layout[3])
    looked = beta.shape[0] * (bottom - top) * (right - left)
    atom, row, column, change = _farthest(
        beta, z, norms, penalty, nonnegative,
        top - layout[4], bottom - layout[4], left - layout[6], right - layout[6], moves,
    )  # fmt: skip
    row, column, following = row + layout[4], column + layout[6], (place + 1) % n
    if abs(change) < tol:
        states[place] = _ASLEEP
        return _QUIET, 0, 0, 0, 0.0, looked, following
    forbidden, more = _forbidden(
        beta, z, norms, penalty, tol, nonnegative, layout, lock, row, column, abs(change),
        (high, wide),
    )  # fmt: skip
    looked += more
    if forbidden:
        states[place] = _WAITS
        return _BLOCKED, 0, 0, 0, 0.0, looked, following
    z[atom, row - layout[4], column - layout[6]] += change
    _touch(beta, overlaps, atom, row - layout[4], column - layout[6], change)
    _wake(states, layout, row, column, high, wide)
    return _UPDATED, atom, row, column, change, looked, following


@numba.njit(cache=True, error_model="numpy")
def receive(beta, z, layout, states, overlaps, messages):
    """Take in what others have changed.

    Parameters
    ----------
    beta, z, states, layout, overlaps
        Of a `Part`; all but the last two change in place.
    messages : ndarray, shape (n, 4)
        Atom, row, column and change of each.
    """
    high, wide = overlaps.shape[2] // 2, overlaps.shape[3] // 2
    for i in range(len(messages)):
        atom, row, column = int(messages[i, 0]), int(messages[i, 1]), int(messages[i, 2])
        z[atom, row - layout[4], column - layout[6]] += messages[i, 3]
        _touch(beta, overlaps, atom, row - layout[4], column - layout[6], messages[i, 3])
        _wake(states, layout, row, column, high, wide)


@numba.njit(cache=True, error_model="numpy")
def advance(
    beta, z, layout, states, place, overlaps, norms, penalty, tol, nonnegative, lock, limit, most,
    sent,
):  # fmt: skip
    """Up to ``len(sent)`` updates or ``most`` steps of one worker.

    Parameters
    ----------
    beta, z, layout, states, place, overlaps
        Of a `Part`, and the segment to go on with.
    norms, penalty, tol, nonnegative, lock, limit
        See `run`.
    most : int
    sent : ndarray, shape (n, 4)
        Filled with the updates.

    Returns
    -------
    status : int
        `RUNNING`, `IDLE` if nothing is left to do, or `TOO_FAR` if a change reached the limit.
    n_updates, n_blocked : int
    place : int
    """
    moves = np.empty(min(layout[9], layout[3] - layout[2]))
    n_updates, n_blocked = 0, 0
    for _ in range(most):
        kind, atom, row, column, change, _, place = _step(
            beta, z, layout, states, place, overlaps, norms, penalty, tol, nonnegative, lock, moves
        )
        if kind == _NOTHING:
            return IDLE, n_updates, n_blocked, place
        if kind == _BLOCKED:
            n_blocked += 1
        if kind == _UPDATED:
            sent[n_updates, 0], sent[n_updates, 1], sent[n_updates, 2] = atom, row, column
            sent[n_updates, 3] = change
            n_updates += 1
            if not abs(change) < limit:
                return TOO_FAR, n_updates, n_blocked, place
            if n_updates == len(sent):
                return RUNNING, n_updates, n_blocked, place
    return RUNNING, n_updates, n_blocked, place


@numba.njit(cache=True, error_model="numpy")
def run(
    beta, z, starts, layouts, states, first_state, near, first_near, overlaps, norms, penalty, tol,
    nonnegative, lock, limit, price, clocks, asleep, places, busy, counts, heads, pool, carried,
    following, free, truth, truth_z, budget,
):  # fmt: skip
    """Workers on a simulated clock, until all sleep or ``budget`` updates are done.

    The worker whose clock is earliest is next. It takes in the messages that have arrived, or it
    takes one step; both advance its clock. What it sends arrives later. As no clock of the others
    is earlier, no message is missed, and the outcome is that of workers that run at once.

    Parameters
    ----------
    beta, z : ndarray
        Of all workers, one after another.
    starts : ndarray of int
        Where those of each begin.
    layouts, states, first_state : ndarray
        Of `Part`; where the states of each begin.
    near, first_near : ndarray of int
        Workers that may hear of each, and where those of each begin.
    overlaps, norms : ndarray
        Of the atoms.
    penalty, tol, limit : float
        A change of ``limit`` or more ends it.
    nonnegative : bool
    lock : int
        Place in `LOCKS`.
    price : ndarray, shape (3,)
        Time to look at a value, to apply a change, and until a message arrives.
    clocks, asleep, places, busy, counts : ndarray
        Of each worker: time, whether it waits, segment, time not spent waiting; updates, steps that
        were blocked, and messages taken in.
    heads, pool, carried, following, free : ndarray
        Messages under way, as linked lists.
    truth, truth_z : ndarray
        ``beta`` and ``z`` of all places, as if every change were known at once; empty: not kept.
    budget : int

    Returns
    -------
    status : int
        `RUNNING`, `IDLE`, `TOO_FAR`, or `FULL` if there is no room for more messages.
    n_updates : int
    now : float
        The largest time that a worker has worked until.
    change : float
        Of F, if the truth is kept.
    """
    n_workers, n_atoms = len(clocks), overlaps.shape[0]
    high, wide = overlaps.shape[2] // 2, overlaps.shape[3] // 2
    margin = 2 if lock else 1
    width = 1
    for w in range(n_workers):
        width = max(width, min(layouts[w, 9], layouts[w, 3] - layouts[w, 2]))
    moves, message = np.empty(width), np.empty((1, 4))
    n_updates, value, now = 0, 0.0, 0.0
    while n_updates < budget:
        w = np.argmin(clocks)
        if clocks[w] == np.inf:
            return IDLE, n_updates, now, value
        layout = layouts[w]
        n_rows, n_columns = layout[5] - layout[4], layout[7] - layout[6]
        size = n_atoms * n_rows * n_columns
        own_beta = beta[starts[w] : starts[w] + size].reshape((n_atoms, n_rows, n_columns))
        own_z = z[starts[w] : starts[w] + size].reshape((n_atoms, n_rows, n_columns))
        own_states = states[first_state[w] : first_state[w + 1]]
        asleep[w] = False
        before, link, soonest, n_read = -1, heads[w], np.inf, 0
        while link >= 0:
            after = following[link]
            if carried[link, 1] <= clocks[w]:
                message[0, 0], message[0, 1], message[0, 2] = pool[link]
                message[0, 3] = carried[link, 0]
                receive(own_beta, own_z, layout, own_states, overlaps, message)
                n_read += 1
                if before < 0:
                    heads[w] = after
                else:
                    following[before] = after
                following[link], free[0] = free[0], link
                free[1] += 1
            else:
                soonest = min(soonest, carried[link, 1])
                before = link
            link = after
        if n_read:
            counts[w, 2] += n_read
            clocks[w] += n_read * price[1]
            busy[w] += n_read * price[1]
            now = max(now, clocks[w])
            continue
        if free[1] < first_near[w + 1] - first_near[w]:
            return FULL, n_updates, now, value
        kind, atom, row, column, change, looked, places[w] = _step(
            own_beta, own_z, layout, own_states, places[w], overlaps, norms, penalty, tol,
            nonnegative, lock, moves,
        )  # fmt: skip
        if kind == _NOTHING:
            asleep[w], clocks[w] = True, soonest
            continue
        spent = looked * price[0] + (price[1] if kind == _UPDATED else 0.0)
        clocks[w] += spent
        busy[w] += spent
        now = max(now, clocks[w])
        if kind == _BLOCKED:
            counts[w, 1] += 1
        if kind != _UPDATED:
            continue
        n_updates += 1
        counts[w, 0] += 1
        if truth.size:
            old, slope = truth_z[atom, row, column], truth[atom, row, column]
            new = old + change
            value += (0.5 * norms[atom] * (new + old) + slope) * change
            value += penalty * (abs(new) - abs(old))
            truth_z[atom, row, column] = new
            _touch(truth, overlaps, atom, row, column, change)
        if not abs(change) < limit:
            return TOO_FAR, n_updates, now, value
        for place in range(first_near[w], first_near[w + 1]):
            other = near[place]
            box = layouts[other]
            if not (
                box[0] - margin * high <= row < box[1] + margin * high
                and box[2] - margin * wide <= column < box[3] + margin * wide
            ):
                continue
            link = free[0]
            free[0] = following[link]
            free[1] -= 1
            pool[link, 0], pool[link, 1], pool[link, 2] = atom, row, column
            carried[link, 0], carried[link, 1] = change, clocks[w] + price[2]
            following[link] = heads[other]
            heads[other] = link
            if asleep[other]:
                clocks[other] = min(clocks[other], carried[link, 1])
    return RUNNING, n_updates, now, value
