r"""Least-squares loss of a Hawkes process in the plane and in time, by precomputed sums.

On a grid of cells of volume v, with counts :math:`z_j[s]` and :math:`\phi_{ij} = \alpha_{ij} g_{ij}
h_{ij}`, the intensity is :math:`\lambda_i[s] = \sum_m \mu_{im} b_m(t) + \sum_j \sum_\tau
\phi_{ij}[\tau] z_j[s - \tau]`, with backgrounds :math:`b_m`, and the loss

.. math:: \sum_i \Big( v \sum_s \lambda_i[s]^2 - 2 \sum_s \lambda_i[s] z_i[s] \Big).

**Quadratic term.** Each ordered pair of events (a, b), an event and itself too, contributes the
overlap of their kernels inside the domain. Kernel and domain are products of a spatial and a
temporal part, so the overlap is the product of two sums:

.. math:: \Big( R_g(b - a) - \sum_{\text{4 sides}} S(a, b) + \sum_{\text{4 corners}} C(a, b) \Big)
          \Big( R_h(b - a) - E(a, b) \Big).

R is the correlation of the kernels of a and b, without limits; S is what of it lies beyond one side
and C beyond two, by inclusion and exclusion; E is what lies beyond the end. S depends on the
distances of a and b from the side and on their difference along it, C on four distances from the
sides, E on two from the end. So it is enough to count pairs by these whole numbers. Rows of the
table of counts stand for the first bracket, columns for the second, and an evaluation costs one
product of a row vector, the table, and a column vector, whatever the number of events. Without
borders, only :math:`4 L_s^2 \cdot 2 L_t` counts by difference remain.

For a background that decays, :math:`b_m` is not constant; all :math:`\mu_{im}` and
:math:`\alpha_{ij}` follow from the kernels by non-negative least squares.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.linalg
import scipy.optimize
import scipy.sparse

from common.hawkes.kernels import Kernel, discretise, grid_lags
from common.hawkes.pairs import check_memory
from common.hawkes.space_time_grid import iter_close_pairs
from common.hawkes.space_time_kernels import SpaceKernel, discretise_plane, plane_lags

__all__ = [
    "Kernels",
    "Model",
    "SpaceTimeStatistics",
    "l2_loss_plane",
    "precompute_plane",
    "profile_loss_plane",
    "quadratic_form",
]

_TABLE_BYTES = 60  # of a row of the table, with the values that are built for it


@dataclass(frozen=True)
class SpaceTimeStatistics:
    """Counts of pairs of events, and the quadratic form that they define.

    Attributes
    ----------
    counts : dict of (int, int) to dict of str to scipy.sparse.csr_array
        Of each ordered pair of processes, pairs of events by row and column as in the module's
        docstring. Rows come in blocks: ``"inside"``, four sides, such as ``"x-"``, and four
        corners, such as ``"x-y+"``.
    corners : dict of (int, int) to dict of str to ndarray of int
        Rows of corners that are kept: most of them are empty.
    after : ndarray, shape (n_processes, n_backgrounds, n_x, n_y, n_lags)
        Sum of each background over the shifted events of each process that stay in the domain.
    pairs : ndarray, shape (n_processes, n_processes, n_x, n_y, n_lags)
        ``pairs[i, j]`` counts events of i by their lag after one of j.
    background_gram : ndarray, shape (n_backgrounds, n_backgrounds)
        Integral of the product of two backgrounds over the domain.
    background_events : ndarray, shape (n_processes, n_backgrounds)
        Sum of each background over the events of each process.
    n_events : ndarray, shape (n_processes,)
    n_lags : tuple of int
        Lags in time, and lags to one side in x and y.
    delta : tuple of float
        Sides of a cell in time, x and y.
    exact : bool
        Whether the quadratic form ends at the borders.
    """

    counts: dict
    corners: dict
    after: np.ndarray
    pairs: np.ndarray
    background_gram: np.ndarray
    background_events: np.ndarray
    n_events: np.ndarray
    n_lags: tuple[int, int, int]
    delta: tuple[float, float, float]
    exact: bool = True

    @property
    def n_processes(self):
        """Number of processes."""
        return len(self.n_events)

    @property
    def cell(self):
        """Volume of a cell."""
        return float(np.prod(self.delta))

    def without_borders(self):
        """The same counts, with a quadratic form that does not end at the borders.

        Returns
        -------
        statistics : SpaceTimeStatistics
        """
        n_columns = 2 * self.n_lags[0] - 1
        counts = {
            key: {"inside": tables["inside"][:, :n_columns]} for key, tables in self.counts.items()
        }
        return replace(self, counts=counts, exact=False)

    def overlap(self, j, k, in_space, in_time, of_space, of_time):
        """Sum over pairs of events of processes j and k of the overlap of their kernels.

        Parameters
        ----------
        j, k : int
        in_space : ndarray, shape (n_first, n_x, n_y)
            Spatial kernels of process j: the kernel itself, and its derivatives.
        in_time : ndarray, shape (n_second, n_lags)
            Temporal ones.
        of_space, of_time : ndarray, shape (n_x, n_y) and (n_lags,)
            Kernels of process k.

        Returns
        -------
        overlap : ndarray, shape (n_first, n_second)
            Over the cells of the grid: not multiplied by their volume.
        """
        columns = self._columns(in_time, of_time).T
        overlap = 0.0
        for block, table in self.counts[j, k].items():
            weights = table @ columns
            if block == "inside":
                rows = _correlate(in_space, of_space, (-2, -1))
                overlap = overlap + rows.reshape(len(in_space), -1) @ weights
                continue
            kernels = _beyond(in_space, block), _beyond(of_space, block)
            if len(block) == 2:
                overlap = overlap - _beyond_side(*kernels) @ weights
            elif len(weights):
                overlap = overlap + _beyond_corner(*kernels, self.corners[j, k][block]) @ weights
        return overlap

    def _columns(self, first, second):
        """Second bracket of the module's docstring by column, shape (n_first, n_columns)."""
        inside = np.stack([np.correlate(each, second, "full") for each in first])
        if not self.exact:
            return inside
        beyond = np.einsum("qa,b->abq", first, second)
        _sum_diagonals(beyond)
        return np.concatenate([inside, -beyond.reshape(-1, len(first)).T], axis=1)


def precompute_plane(cells, *, space_length, time_length, backgrounds=None, exact=True):
    """Count pairs of events, once for all evaluations of the loss.

    Parameters
    ----------
    cells : Cells
    space_length, time_length : float
        Supports of the kernels.
    backgrounds : ndarray, shape (n_backgrounds, n_times), optional
        Backgrounds in each cell of time; by default one, which is 1.
    exact : bool, default=True
        Whether the quadratic form ends at the borders.

    Returns
    -------
    statistics : SpaceTimeStatistics

    Raises
    ------
    ValueError
        If tables or pairs need more memory than the machine has.
    """
    n_t = len(grid_lags(time_length, delta=cells.delta[0]))
    n_x, n_y = ((len(each) - 1) // 2 for each in plane_lags(space_length, delta=cells.delta[1:]))
    if backgrounds is None:
        backgrounds = np.ones((1, cells.shape[0]))
    n_lags = (n_t, n_x, n_y)
    n_rows = max((4 * n_x + 1) * (4 * n_y + 1), exact * n_x**2 * n_y**2)
    check_memory(
        _TABLE_BYTES * n_rows,
        what=f"exact borders of kernels with {n_x} x {n_y} lags in space",
        fix="Use a larger space_delta or a shorter kernel, or exact=False.",
    )
    options = {"shape": cells.shape, "n_lags": n_lags, "exact": exact}
    n = cells.n_processes
    points = [each[np.argsort(each[:, 0], kind="stable")] for each in cells.points]
    counts, corners, pairs = {}, {}, np.zeros((n, n, 2 * n_x + 1, 2 * n_y + 1, n_t))
    for j, k in np.ndindex(n, n):
        counts[j, k], corners[j, k], pairs[k, j] = _count(points[j], points[k], **options)
    area = cells.shape[1] * cells.shape[2] * cells.delta[1] * cells.delta[2]
    return SpaceTimeStatistics(
        counts=counts,
        corners=corners,
        after=np.stack([_after(each, cells.shape, n_lags, backgrounds) for each in points]),
        pairs=pairs,
        background_gram=area * cells.delta[0] * backgrounds @ backgrounds.T,
        background_events=np.stack([backgrounds[:, each[:, 0]].sum(1) for each in points]),
        n_events=cells.n_events,
        n_lags=n_lags,
        delta=cells.delta,
        exact=exact,
    )


class Kernels(NamedTuple):
    """Kernels of the sources of one receiver on the grid, and their derivatives.

    Attributes
    ----------
    in_space : ndarray, shape (n_sources, 1 + n_space_parameters, n_x, n_y)
        The kernel, then its derivatives.
    in_time : ndarray, shape (n_sources, 1 + n_time_parameters, n_lags)
    """

    in_space: np.ndarray
    in_time: np.ndarray

    @classmethod
    def of(cls, model, statistics, space_parameters, time_parameters):
        """Kernels with given parameters.

        Parameters
        ----------
        model : Model
        statistics : SpaceTimeStatistics
        space_parameters, time_parameters : ndarray, shape (n_parameters, n_sources)

        Returns
        -------
        kernels : Kernels
        """
        in_space, in_time = [], []
        for theta in np.transpose(space_parameters):
            options = {"length": model.space_length, "delta": statistics.delta[1:]}
            value, change = discretise_plane(model.space_kernel, theta, derivative=True, **options)
            in_space.append(np.concatenate([value[None], change]))
        for theta in np.transpose(time_parameters):
            options = {"length": model.time_length, "delta": statistics.delta[0]}
            value, change = discretise(model.time_kernel, theta, derivative=True, **options)
            in_time.append(np.concatenate([value[None], change]))
        return cls(np.stack(in_space), np.stack(in_time))


class Model(NamedTuple):
    """Families of kernels, and their supports."""

    space_kernel: SpaceKernel
    time_kernel: Kernel
    space_length: float
    time_length: float


def quadratic_form(statistics, receiver, kernels):
    r"""Loss of one receiver as a quadratic in its background rates and its adjacency.

    With :math:`w = (\mu_{i1}, \dots, \alpha_{i1}, \dots)` the loss, times the number of events, is
    :math:`w^T Q w - 2 w^T r`.

    Parameters
    ----------
    statistics : SpaceTimeStatistics
    receiver : int
    kernels : Kernels

    Returns
    -------
    quadratic : ndarray, shape (n_weights, n_weights)
    linear : ndarray, shape (n_weights,)
    by_quadratic : ndarray, shape (n_sources, n_parameters, n_weights)
        Derivative of the row of each source, with the other kernel of each product held fixed, by
        its spatial parameters and then its temporal ones. That of ``w^T Q w`` is twice what
        ``w`` makes of it.
    by_linear : ndarray, shape (n_sources, n_parameters)
    """
    s, cell = statistics, statistics.cell
    n, n_background = s.n_processes, len(s.background_gram)
    quadratic = np.zeros((n_background + n, n_background + n))
    quadratic[:n_background, :n_background] = s.background_gram
    n_parameters = kernels.in_space.shape[1] + kernels.in_time.shape[1] - 2
    by_quadratic = np.zeros((n, n_parameters, n_background + n))
    linear = np.append(s.background_events[receiver], np.zeros(n))
    by_linear = np.zeros((n, n_parameters))
    for j, (space, time) in enumerate(zip(*kernels, strict=True)):
        row = n_background + j
        area = cell * np.einsum("qxy,mxyt,pt->mqp", space, s.after[j], time, optimize=True)
        quadratic[row, :n_background] = quadratic[:n_background, row] = area[:, 0, 0]
        by_quadratic[j, :, :n_background] = _by_parameter(area).T
        events = np.einsum("qxy,xyt,pt->qp", space, s.pairs[receiver, j], time, optimize=True)
        linear[row], by_linear[j] = events[0, 0], _by_parameter(events)
        for k in range(n):
            of = kernels.in_space[k, 0], kernels.in_time[k, 0]
            overlap = cell * s.overlap(j, k, space, time, *of)
            quadratic[row, n_background + k] = overlap[0, 0]
            by_quadratic[j, :, n_background + k] = _by_parameter(overlap)
    return quadratic, linear, by_quadratic, by_linear


def l2_loss_plane(statistics, receiver, kernels, weights):
    """Loss of one receiver, times the number of its events, and its gradient.

    Parameters
    ----------
    statistics : SpaceTimeStatistics
    receiver : int
    kernels : Kernels
    weights : ndarray, shape (n_backgrounds + n_processes,)
        Rates of the backgrounds, and row of the adjacency.

    Returns
    -------
    loss : float
        Per unit of volume.
    by_weights : ndarray, shape (n_backgrounds + n_processes,)
    by_parameters : ndarray, shape (n_parameters, n_processes)
        By the spatial parameters, then by the temporal ones.
    """
    quadratic, linear, by_quadratic, by_linear = quadratic_form(statistics, receiver, kernels)
    loss = weights @ quadratic @ weights - 2 * weights @ linear
    row = weights[len(statistics.background_gram) :]
    by_parameters = 2 * row * (by_quadratic @ weights - by_linear).T
    return float(loss), 2 * (quadratic @ weights - linear), by_parameters


def profile_loss_plane(statistics, receiver, kernels):
    """Loss of one receiver, minimised over non-negative background rates and adjacency.

    Parameters
    ----------
    statistics : SpaceTimeStatistics
    receiver : int
    kernels : Kernels

    Returns
    -------
    loss : float
        As that of `l2_loss_plane`.
    by_parameters : ndarray, shape (n_parameters, n_processes)
        No feasible change of the weights changes the minimum to first order, so this is the
        partial derivative.
    weights : ndarray, shape (n_backgrounds + n_processes,)
    """
    quadratic, linear, by_quadratic, by_linear = quadratic_form(statistics, receiver, kernels)
    weights = _nonnegative_minimiser(quadratic, linear)
    loss = weights @ quadratic @ weights - 2 * weights @ linear
    row = weights[len(statistics.background_gram) :]
    return float(loss), 2 * row * (by_quadratic @ weights - by_linear).T, weights


def _nonnegative_minimiser(quadratic, linear):
    """Minimiser of w^T Q w - 2 w^T r over w >= 0."""
    # Rates and branching ratios differ in size. The ridge, at the level of rounding, decides
    # between kernels that have become equal and for processes without events.
    scale = np.sqrt(np.diag(quadratic))
    scale[scale == 0] = 1.0
    scaled = quadratic / np.outer(scale, scale)
    scaled = (scaled + scaled.T) / 2
    scaled[np.diag_indices_from(scaled)] += 1e-14 * len(scaled)
    weights = np.linalg.solve(scaled, linear / scale)
    if weights.min() < 0:
        root = scipy.linalg.cholesky(scaled)
        weights = scipy.optimize.nnls(root, np.linalg.solve(root.T, linear / scale))[0]
    return weights / scale


def _by_parameter(values):
    """Derivatives by each parameter from those of (in space, in time), on the last two axes."""
    return np.concatenate([values[..., 1:, 0], values[..., 0, 1:]], axis=-1)


def _correlate(first, second, axes):
    """Correlation at lags -2 n .. 2 n on each axis of length 2 n + 1."""
    sizes = [2 * second.shape[axis] - 1 for axis in axes]
    n_fft = [scipy.fft.next_fast_len(size, real=True) for size in sizes]
    product = scipy.fft.rfftn(first, n_fft, axes=axes)
    product = product * scipy.fft.rfftn(second, n_fft, axes=axes).conj()
    found = scipy.fft.irfftn(product, n_fft, axes=axes)
    for axis, size in zip(axes, sizes, strict=True):
        found = _centre(found.swapaxes(axis, -1), size).swapaxes(axis, -1)
    return found


def _beyond(kernel, block):
    """Part of a kernel with positive lags, seen from the sides in ``block``.

    One side: its normal is the last axis but one, and the other axis stays whole.
    """
    for axis, name in ((-2, "x"), (-1, "y")):
        at = block.find(name)
        if at >= 0:
            kernel = np.flip(kernel, axis) if block[at + 1] == "-" else kernel
            n = kernel.shape[axis] // 2
            kernel = np.take(kernel, np.arange(n + 1, 2 * n + 1), axis=axis)
    return kernel.swapaxes(-1, -2) if block[0] == "y" else kernel


def _beyond_side(first, second):
    """Overlap beyond a side, by the two distances from it and the lag along it.

    Cells beyond the side are 1, 2, ... steps further than an event's distance.
    """
    size = 2 * second.shape[-1] - 1
    n_fft = scipy.fft.next_fast_len(size, real=True)
    a, b = (scipy.fft.rfft(each, n_fft) for each in (first, second))
    table = a.swapaxes(0, 1)[:, None] * b.conj()[None, :, None]
    _sum_diagonals(table)
    table = scipy.fft.irfft(table, n_fft).transpose(2, 0, 1, 3)
    return _centre(table, size).reshape(len(first), -1)


def _beyond_corner(first, second, rows):
    """Overlap beyond two sides, for some pairs of places near the corner.

    That of all pairs is found, whichever there are, by sums along diagonals of one axis, then of
    the other.
    """
    n_x, n_y = second.shape
    table, found = np.empty((n_x, n_x, n_y, n_y)), np.empty((len(first), len(rows)))
    for each, out in zip(first, found, strict=True):
        np.multiply(each[:, None, :, None], second[None, :, None, :], out=table)
        _sum_diagonals(table)
        _sum_diagonals(table.transpose(2, 3, 0, 1))
        out[:] = table.ravel()[rows]
    return found


def _centre(correlation, size):
    """Lags from -size // 2 to size // 2, of a circular correlation on the last axis."""
    half = size // 2
    return correlation[..., np.arange(-half, half + 1)]


def _sum_diagonals(products):
    """Replace ``products[a, b]`` by its sum over s = 0, 1, ... at ``[a + s, b + s]``, in place."""
    for a in range(len(products) - 2, -1, -1):
        products[a, :-1] += products[a + 1, 1:]


def _count(first, second, *, shape, n_lags, exact):
    """Counts of a pair of processes, rows of corners, and events of the second by lag."""
    n_t, n_x, n_y = n_lags
    counter = _Counter(shape, n_lags, exact)
    pairs = np.zeros((2 * n_x + 1) * (2 * n_y + 1) * n_t)
    reach = np.array([n_t, 2 * n_x, 2 * n_y]) + 0.5
    for source, target in iter_close_pairs(first, second, reach):
        a, b = first[source], second[target]
        lag = b - a
        kept = (lag[:, 0] >= 1) & np.all(np.abs(lag[:, 1:]) <= [n_x, n_y], axis=1)
        t, x, y = lag[kept].T
        key = ((x + n_x) * (2 * n_y + 1) + y + n_y) * n_t + t - 1
        pairs += np.bincount(key, minlength=len(pairs))
        kept = np.abs(lag[:, 0]) < n_t
        counter.add(a[kept], b[kept])
    return *counter.tables(), pairs.reshape(2 * n_x + 1, 2 * n_y + 1, n_t)


class _Counter:
    """Counts of pairs of events by row and column, see the module's docstring."""

    def __init__(self, shape, n_lags, exact):
        self.shape, self.n_lags, self.exact = shape, n_lags, exact
        self.n_columns = 2 * n_lags[0] - 1 + exact * n_lags[0] ** 2
        self.found = {"inside": []}
        if exact:
            sides = ["x-", "x+", "y-", "y+"]
            corners = [x + y for x in sides[:2] for y in sides[2:]]
            self.found |= {block: [] for block in sides + corners}

    def add(self, a, b):
        n_t, n_x, n_y = self.n_lags
        lag = b - a
        column = lag[:, 0] + n_t - 1
        late = np.zeros(len(a), dtype=bool)
        if self.exact:
            left = self.shape[0] - 1 - np.stack([a[:, 0], b[:, 0]])
            late = left.max(0) < n_t
            beyond = 2 * n_t - 1 + left[0] * n_t + left[1]
        row = (lag[:, 1] + 2 * n_x) * (4 * n_y + 1) + lag[:, 2] + 2 * n_y
        found = {"inside": (np.arange(len(a)), row)}
        sides = {block: self._near(a, b, block) for block in self.found if len(block) == 2}
        for side, (members, of_a, of_b) in sides.items():
            n, n_along, axis = (n_x, n_y, 2) if side[0] == "x" else (n_y, n_x, 1)
            along = lag[members, axis] + 2 * n_along
            found[side] = members, (of_a * n + of_b) * (4 * n_along + 1) + along
        for block in self.found:
            if len(block) != 4:
                continue
            (x, a_x, b_x), (y, a_y, b_y) = sides[block[:2]], sides[block[2:]]
            members, in_x, in_y = np.intersect1d(x, y, assume_unique=True, return_indices=True)
            of_x, of_y = a_x[in_x] * n_x + b_x[in_x], a_y[in_y] * n_y + b_y[in_y]
            found[block] = members, of_x * n_y**2 + of_y
        for block, (members, row) in found.items():
            key = row * self.n_columns
            self.found[block].append(np.unique(key + column[members], return_counts=True))
            also = late[members]
            if also.any():
                key = (key + beyond[members])[also]
                self.found[block].append(np.unique(key, return_counts=True))

    def _near(self, a, b, side):
        """Pairs of which both are near a side, and the two distances from it."""
        axis = 1 if side[0] == "x" else 2
        n, size = self.n_lags[axis], self.shape[axis]
        of_a = a[:, axis] if side[1] == "-" else size - 1 - a[:, axis]
        members = np.flatnonzero(of_a < n)
        of_b = b[members, axis] if side[1] == "-" else size - 1 - b[members, axis]
        near = of_b < n
        members = members[near]
        return members, of_a[members], of_b[near]

    def tables(self):
        tables, corners = {}, {}
        for block, found in self.found.items():
            keys = np.concatenate([key for key, _ in found] or [np.zeros(0, int)])
            counts = np.concatenate([count for _, count in found] or [np.zeros(0)])
            row, column = np.divmod(keys, self.n_columns)
            n_rows = self._n_rows(block)
            if len(block) == 4:
                corners[block], row = np.unique(row, return_inverse=True)
                n_rows = len(corners[block])
            shape = n_rows, self.n_columns
            table = scipy.sparse.coo_array((counts.astype(float), (row, column)), shape=shape)
            tables[block] = table.tocsr()
        return tables, corners

    def _n_rows(self, block):
        _, n_x, n_y = self.n_lags
        if block == "inside":
            return (4 * n_x + 1) * (4 * n_y + 1)
        return n_x**2 * (4 * n_y + 1) if block[0] == "x" else n_y**2 * (4 * n_x + 1)


def _after(points, shape, n_lags, backgrounds):
    """Sum of each background over the shifted events that stay in the domain."""
    n_t, n_x, n_y = n_lags
    padded = np.pad(backgrounds, ((0, 0), (0, n_t)))
    later = padded[:, points[:, :1] + np.arange(1, n_t + 1)]
    places, stays = [], []
    for axis, n in ((1, n_x), (2, n_y)):
        low = np.minimum(points[:, axis], n)
        high = np.minimum(shape[axis] - 1 - points[:, axis], n)
        place, number = np.unique(low * (n + 1) + high, return_inverse=True)
        lags = np.arange(-n, n + 1)
        stays.append((lags >= -(place // (n + 1))[:, None]) & (lags <= (place % (n + 1))[:, None]))
        places.append(number)
    size = [len(each) for each in stays]
    member = scipy.sparse.coo_array(
        (np.ones(len(points)), (places[0] * size[1] + places[1], np.arange(len(points)))),
        shape=(size[0] * size[1], len(points)),
    ).tocsr()
    sums = np.stack([member @ each for each in later]).reshape(len(backgrounds), *size, n_t)
    return np.einsum("mabt,ax,by->mxyt", sums, *(x.astype(float) for x in stays), optimize=True)
