r"""Sums of the least-squares loss over pairs of marked events, each with its own weight.

With weights :math:`z_n` and targets :math:`y_n` of the events, :math:`z_i[s]` and :math:`y_i[s]`
their sums over the events of process i in bin s, and :math:`h_i[s] = \mu_i + \sum_j \sum_\tau
\phi_{ij}[\tau]\, z_j[s - \tau]`, the loss of the structured events is

.. math:: \sum_i \Big( c_h \delta \sum_s h_i[s]^2 - 2 \sum_s h_i[s]\, y_i[s] \Big),
          \qquad c_h = \int f_h^2 .

Where all events are structured, :math:`z_n = k_n` and :math:`y_n = f_h(k_n)`: see
`common.hawkes.marks` for the intensity and its symbols. Divided by :math:`c_h`, this is the loss of
`common.hawkes.loss` with sums in place of counts. Events of one bin add up; none is lost, and none
acts on another one of its own bin.

Pairs of events within the support are found once. To weigh them anew, as the search for labels in
`common.hawkes.mixture` does in every round, is linear in their number.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.fft

from common.hawkes.grid import bin_events
from common.hawkes.kernels import grid_lags
from common.hawkes.marks import check_marked
from common.hawkes.pairs import check_memory, iter_pairs
from common.hawkes.statistics import Statistics

__all__ = ["MarkedPairs", "MarkedStatistics", "dense_intensity", "structured_loss"]

_PAIR_BYTES = 60  # of a pair of events, with what it takes to weigh it


@dataclass(frozen=True)
class MarkedStatistics(Statistics):
    """Weighted sums over pairs, in place of the counts of `common.hawkes.statistics`.

    ``n_events`` holds the sums of the targets over :math:`c_h`.

    Attributes
    ----------
    targets : ndarray, shape (n_processes, n_processes, n_lags)
        ``targets[i, j]`` sums weight of an event of j times target of one of i, by their lag, over
        :math:`c_h`.
    """

    targets: np.ndarray = field(kw_only=True)

    @property
    def pairs(self):
        """``targets``: where the loss of unmarked events has counts of pairs."""
        return self.targets


@dataclass(frozen=True)
class MarkedPairs:
    """Marked events on a grid, one by one, and their pairs within the longest lag.

    Attributes
    ----------
    bins, process : ndarray of int, shape (n_events,)
        Grid point and process of each event, sorted by grid point.
    marks : ndarray, shape (n_events,)
    members : tuple of ndarray of int, each of shape (n_events_i,)
        Where the events of each process are, in the order in which they were given.
    earlier, later : ndarray of int, shape (n_pairs,)
        The events of each pair, 0 to ``n_lags`` steps apart.
    n_grid, n_lags : int
    delta : float
        Grid step, in s.
    """

    bins: np.ndarray
    process: np.ndarray
    marks: np.ndarray
    members: tuple[np.ndarray, ...]
    earlier: np.ndarray
    later: np.ndarray
    n_grid: int
    n_lags: int
    delta: float

    @classmethod
    def from_events(cls, events, *, end_time, delta, kernel_length, allow_empty=False):
        """Round marked events to the nearest points of a grid, and pair them.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 2)
            Times in s, sorted, and marks in [0, 1].
        end_time : float
            End of the record, in s.
        delta, kernel_length : float
            Grid step and support of the kernels, in s.
        allow_empty : bool, default=False
            Whether a process may have no event.

        Returns
        -------
        pairs : MarkedPairs

        Raises
        ------
        ValueError
            If events are not valid (`common.hawkes.marks.check_marked`), the grid does not fit
            them (`common.hawkes.grid.bin_events`), or there are too many pairs for the memory.
        """
        times, marks = check_marked(events)
        options = {"delta": delta, "kernel_length": kernel_length, "allow_empty": allow_empty}
        binned = bin_events(times, end_time=end_time, **options)
        n_lags = len(grid_lags(kernel_length, delta=delta))
        sizes = [len(each) for each in times]
        bins = np.concatenate(
            [np.repeat(*each) for each in zip(binned.bins, binned.counts, strict=True)]
        )
        order = np.argsort(bins, kind="stable")
        bins = bins[order]
        place = np.empty(len(order), dtype=int)
        place[order] = np.arange(len(order))
        n_pairs = int((np.searchsorted(bins, bins + n_lags, side="right")).sum())
        n_pairs -= len(bins) * (len(bins) + 1) // 2
        check_memory(
            _PAIR_BYTES * n_pairs,
            what=f"keeping {n_pairs:,} pairs of events within {kernel_length:g} s",
            fix="Shorten the kernels or the record.",
        )
        earlier, later = [np.zeros(0, int)], [np.zeros(0, int)]
        for source, target in iter_pairs(bins, bins, longest=n_lags, shortest=0):
            kept = source < target  # of two events in one bin, once; of an event and itself, never
            earlier.append(source[kept])
            later.append(target[kept])
        return cls(
            bins=bins,
            process=np.repeat(np.arange(len(times)), sizes)[order],
            marks=np.concatenate(marks)[order],
            members=tuple(np.split(place, np.cumsum(sizes)[:-1])),
            earlier=np.concatenate(earlier),
            later=np.concatenate(later),
            n_grid=binned.n_grid,
            n_lags=n_lags,
            delta=binned.delta,
        )

    @property
    def n_processes(self):
        """Number of processes."""
        return len(self.members)

    @property
    def n_events(self):
        """Number of events of all processes."""
        return len(self.bins)

    @property
    def duration(self):
        """Number of grid points times the grid step, in s."""
        return self.n_grid * self.delta

    def split(self, values):
        """Values of all events by process, in the order in which the events were given.

        Parameters
        ----------
        values : ndarray, shape (n_events,)

        Returns
        -------
        parts : list of ndarray, each of shape (n_events_i,)
        """
        return [values[each] for each in self.members]

    def join(self, values):
        """Inverse of `split`.

        Parameters
        ----------
        values : sequence of ndarray, each of shape (n_events_i,)

        Returns
        -------
        joined : ndarray, shape (n_events,)
        """
        joined = np.empty(self.n_events, dtype=np.result_type(*values))
        for each, part in zip(self.members, values, strict=True):
            joined[each] = part
        return joined

    def totals(self, values):
        """Sum over the events of each process.

        Parameters
        ----------
        values : ndarray, shape (n_events,)

        Returns
        -------
        totals : ndarray, shape (n_processes,)
        """
        return np.bincount(self.process, values, self.n_processes)

    def dense(self, values):
        """Sum of values in each bin; `check_grid` says whether that fits into the memory.

        Parameters
        ----------
        values : ndarray, shape (n_events,)

        Returns
        -------
        sums : ndarray, shape (n_processes, n_grid)
        """
        flat = self.process * self.n_grid + self.bins
        size = self.n_processes * self.n_grid
        return np.bincount(flat, values, size).reshape(self.n_processes, self.n_grid)

    def check_grid(self):
        """Raise a ValueError unless some values on each grid point fit into the memory.

        Raises
        ------
        ValueError
            If they need more memory than the machine has.
        """
        check_memory(
            10 * 8 * self.n_processes * self.n_grid,
            what=f"a value on each of {self.n_grid:,} grid points of {self.n_processes} processes",
            fix="Use a shorter record or a larger delta.",
        )

    def statistics(self, weights, targets, square=1.0):
        r"""Sums of the least-squares loss.

        Parameters
        ----------
        weights, targets : ndarray, shape (n_events,)
            :math:`z_n` and :math:`y_n`.
        square : float, default=1.0
            :math:`c_h`.

        Returns
        -------
        statistics : MarkedStatistics
        """
        n, size = self.n_processes, self.n_lags + 1
        earlier, later = self.earlier, self.later
        of_earlier = weights[earlier]
        shape = (n, n, size)
        both, onto = (
            # Without a pair, numpy counts in integers whatever the weights.
            np.bincount(self._keys, of_earlier * each[later], n * n * size)
            .astype(float)
            .reshape(shape)
            for each in (weights, targets)
        )
        # Lag 0: each pair of processes was met in one order, each event never with itself.
        both[:, :, 0] += both[:, :, 0].T
        both[np.arange(n), np.arange(n), 0] += self.totals(weights**2)
        tail = np.zeros((n, self.n_lags))
        first = self.n_grid - self.n_lags
        late = slice(np.searchsorted(self.bins, first), None)
        np.add.at(tail, (self.process[late], self.bins[late] - first), weights[late])
        return MarkedStatistics(
            correlation=both,
            after=self.totals(weights)[:, None] - tail[:, ::-1].cumsum(-1),
            tail=tail,
            n_events=self.totals(targets) / square,
            n_grid=self.n_grid,
            delta=self.delta,
            targets=onto[:, :, 1:].swapaxes(0, 1) / square,
        )

    @cached_property
    def _keys(self):
        size = self.n_lags + 1
        between = self.process[self.earlier] * self.n_processes + self.process[self.later]
        return between * size + self.bins[self.later] - self.bins[self.earlier]


def structured_loss(statistics, baseline, phi, square=1.0):
    """Loss of the structured events, times the number of all events.

    Parameters
    ----------
    statistics : MarkedStatistics
    baseline : ndarray, shape (n_processes,)
        In Hz.
    phi : ndarray, shape (n_processes, n_processes, n_lags)
        Adjacency times kernels on the lags of the grid, in Hz.
    square : float, default=1.0
        That of `MarkedPairs.statistics`.

    Returns
    -------
    loss : float
        In Hz.
    """
    delta = statistics.delta
    excited = np.einsum("ijl,jl->i", phi, statistics.after)
    loss = statistics.duration * baseline @ baseline + 2 * delta * baseline @ excited
    loss += delta * np.vdot(phi, statistics.apply(phi))
    loss -= 2 * (statistics.n_events @ baseline + np.vdot(phi, statistics.pairs))
    return float(square * loss)


def dense_intensity(weights, baseline, phi):
    """Intensity on the grid from weights on the grid.

    Parameters
    ----------
    weights : ndarray, shape (n_processes, n_grid)
    baseline : ndarray, shape (n_processes,)
        In Hz.
    phi : ndarray, shape (n_processes, n_processes, n_lags)
        In Hz.

    Returns
    -------
    intensity : ndarray, shape (n_processes, n_grid)
        In Hz.
    """
    n_grid = weights.shape[1]
    n_fft = scipy.fft.next_fast_len(n_grid + phi.shape[-1], real=True)
    transform = scipy.fft.rfft(weights, n_fft)
    intensity = np.empty(weights.shape)
    for rate, row, out in zip(baseline, phi, intensity, strict=True):
        response = scipy.fft.irfft((scipy.fft.rfft(row, n_fft) * transform).sum(axis=0), n_fft)
        out[0], out[1:] = rate, rate + response[: n_grid - 1]  # the first lag is one step
    return intensity
