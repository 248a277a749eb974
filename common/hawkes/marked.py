r"""Least squares and likelihood for marked events: sums over pairs, each with its own weight.

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
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from common.hawkes.estimator import HawkesEstimator, _check_bounds
from common.hawkes.grid import bin_events
from common.hawkes.kernels import discretise, from_unit, grid_lags, to_unit
from common.hawkes.marks import check_marked, mark_density, simulate_marked
from common.hawkes.pairs import check_memory, iter_pairs
from common.hawkes.statistics import Statistics

__all__ = [
    "MarkedHawkesEstimator",
    "MarkedPairs",
    "MarkedStatistics",
    "marked_compensator",
    "marked_intensity",
    "structured_loss",
]

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


class MarkedHawkesEstimator(BaseEstimator):
    r"""Marked Hawkes process with parametric kernels, fitted by least squares on a grid.

    Strong events trigger more: see `common.hawkes.marks` for the intensity. All events are taken
    for structured; `common.hawkes.mixture.MixtureEstimator` also finds spurious ones.

    Parameters
    ----------
    kernel : Kernel
        Family of kernels, for example ``TruncatedGaussian()``.
    delta : float
        Grid step, in s.
    kernel_length : float
        Support of the kernels, in s: at least five steps, at most the length of the record.
    density : {"linear", "uniform", "decreasing"}, default="linear"
        Of the marks.
    mask : array_like of bool, shape (n_processes, n_processes), optional
        Where False, ``adjacency_`` is held at 0.
    start : {"moments", "random"} or dict, default="moments"
        First parameters of the kernels, as in `common.hawkes.estimator.HawkesEstimator`.
    n_starts : int, default=1
        Further starts are random; the smallest loss of each receiver is kept.
    max_iter : int, default=500
        Iterations of L-BFGS-B, for each receiver and start.
    tol : float, default=1e-5
        As in `common.hawkes.estimator.HawkesEstimator`.
    random_state : int, numpy.random.Generator or None, default=None

    Attributes
    ----------
    baseline_ : ndarray, shape (n_processes,)
        In Hz.
    adjacency_ : ndarray, shape (n_processes, n_processes)
        Mean number of events of i that an event of j with mark 1 triggers.
    kernel_parameters_ : dict of ndarray, each of shape (n_processes, n_processes)
    loss_ : float
        Loss per event, in Hz.
    converged_ : bool

    References
    ----------
    .. [1] V. Loison, G. Staerman and T. Moreau, "UNHaP: Unmixing Noise from Hawkes Processes to
       Model Learned Physiological Events", AISTATS 2025, arXiv:2406.16938.

    Examples
    --------
    >>> from common.hawkes.kernels import TruncatedGaussian
    >>> rng = np.random.default_rng(0)
    >>> options = {"length": 1.0, "end_time": 2000.0, "rng": rng}
    >>> events, _ = simulate_marked([0.8], [[0.9]], TruncatedGaussian(), [0.5, 0.1], **options)
    >>> estimator = MarkedHawkesEstimator(
    ...     kernel=TruncatedGaussian(), delta=0.01, kernel_length=1.0
    ... ).fit(events, end_time=2000.0)
    >>> bool(abs(estimator.adjacency_[0, 0] - 0.9) < 0.1)
    True
    """

    def __init__(
        self,
        *,
        kernel,
        delta,
        kernel_length,
        density="linear",
        mask=None,
        start="moments",
        n_starts=1,
        max_iter=500,
        tol=1e-5,
        random_state=None,
    ):
        self.kernel = kernel
        self.delta = delta
        self.kernel_length = kernel_length
        self.density = density
        self.mask = mask
        self.start = start
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, events, end_time):
        """Estimate baseline, adjacency and kernels.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 2)
            Times in s, sorted, and marks in [0, 1]; at least one event a process.
        end_time : float
            End of the record, in s.

        Returns
        -------
        self : MarkedHawkesEstimator

        Raises
        ------
        ValueError
            If an option is out of range, or events are not valid.
        """
        search = self._search_options()
        pairs = self._pair(events, end_time)
        mask = search._check_mask(pairs.n_processes)
        density = mark_density(self.density)
        statistics = pairs.statistics(pairs.marks, density.value(pairs.marks), density.square)
        bounds = _check_bounds(self.kernel, self.kernel_length, self.delta)
        fits = [
            fit_statistics(search, statistics, mask, start, bounds)
            for start in search._starts(statistics, mask, bounds)
        ]
        best = fits[0].best(*fits[1:])
        self._keep(best)
        phi = self.grid_kernels_
        loss = structured_loss(statistics, self.baseline_, phi, density.square)
        self.loss_ = loss / pairs.n_events
        self.converged_ = bool(np.all(best.slopes <= self.tol))
        return self

    def score(self, events, end_time):
        """Minus the loss per event of these events, in Hz: higher is better.

        Parameters
        ----------
        events, end_time
            As in `fit`, but a process may have no event.

        Returns
        -------
        score : float

        Raises
        ------
        ValueError
            If there is no event at all, or events are not valid.
        """
        pairs = self._pair_again(events, end_time)
        density = mark_density(self.density)
        statistics = pairs.statistics(pairs.marks, density.value(pairs.marks), density.square)
        loss = structured_loss(statistics, self.baseline_, self.grid_kernels_, density.square)
        return -loss / pairs.n_events

    def log_likelihood(self, events, end_time):
        """Log-likelihood per event of times and marks, in continuous time.

        Parameters
        ----------
        events, end_time
            As in `score`.

        Returns
        -------
        log_likelihood : float
            In nats; the unit of rates is Hz.

        Raises
        ------
        ValueError
            As in `score`.
        """
        self._pair_again(events, end_time)
        times, marks = check_marked(events, end_time=end_time)
        rates = marked_intensity(times, events, *self._model, length=self.kernel_length)
        end = [np.array([end_time])] * len(times)
        spent = marked_compensator(end, events, *self._model, length=self.kernel_length)
        density = mark_density(self.density)
        with np.errstate(divide="ignore"):
            gained = [
                np.log(rate * density.value(k)).sum() for rate, k in zip(rates, marks, strict=True)
            ]
        return float((sum(gained) - np.sum(spent)) / sum(map(len, times)))

    def intensity(self, events, end_time):
        """Intensity of each process on the grid, over all marks.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 2)
        end_time : float
            End of the record, in s.

        Returns
        -------
        times : ndarray, shape (n_grid,)
            In s.
        intensity : ndarray, shape (n_processes, n_grid)
            In Hz. An event acts from the grid point after its own.

        Raises
        ------
        ValueError
            If events are not valid, or the grid needs more memory than the machine has.
        """
        pairs = self._pair_again(events, end_time)
        pairs.check_grid()
        weights = pairs.dense(pairs.marks)
        return self.delta * np.arange(pairs.n_grid), dense_intensity(
            weights, self.baseline_, self.grid_kernels_
        )

    def simulate(self, end_time, *, rng):
        """Simulate the fitted process on ``[0, end_time]``.

        Parameters
        ----------
        end_time : float
            In s.
        rng : numpy.random.Generator

        Returns
        -------
        events, kinds
            As in `common.hawkes.marks.simulate_marked`.
        """
        check_is_fitted(self)
        options = {"length": self.kernel_length, "end_time": end_time, "rng": rng}
        return simulate_marked(*self._model, density=self.density, **options)

    def residuals(self, events, end_time):
        """Increments of the compensator from event to event, unit exponentials if the model holds.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 2)
        end_time : float
            End of the record, in s.

        Returns
        -------
        intervals : list of ndarray, each of shape (n_events_i,)
            The first is counted from time 0.
        """
        self._pair_again(events, end_time)
        times, _ = check_marked(events, end_time=end_time)
        spent = marked_compensator(times, events, *self._model, length=self.kernel_length)
        return [np.diff(each, prepend=0.0) for each in spent]

    @property
    def grid_kernels_(self):
        """Adjacency times kernels on the lags of the grid, in Hz."""
        check_is_fitted(self)
        options = {"length": self.kernel_length, "delta": self.delta}
        return self.adjacency_[..., None] * discretise(self.kernel, self._parameters, **options)

    @property
    def _parameters(self):
        return np.stack([self.kernel_parameters_[name] for name in self.kernel.names])

    @property
    def _model(self):
        check_is_fitted(self)
        return self.baseline_, self.adjacency_, self.kernel, self._parameters

    def _keep(self, fit):
        self.baseline_, self.adjacency_ = fit.baseline, fit.adjacency
        self.kernel_parameters_ = dict(zip(self.kernel.names, fit.parameters, strict=True))

    def _search_options(self):
        """The search of the unmarked estimator, with these options checked."""
        mark_density(self.density)
        search = HawkesEstimator(
            kernel=self.kernel,
            delta=self.delta,
            kernel_length=self.kernel_length,
            mask=self.mask,
            start=self.start,
            n_starts=self.n_starts,
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=self.random_state,
        )
        search._check_options()
        return search

    def _pair(self, events, end_time, allow_empty=False):
        return MarkedPairs.from_events(
            events,
            end_time=end_time,
            delta=self.delta,
            kernel_length=self.kernel_length,
            allow_empty=allow_empty,
        )

    def _pair_again(self, events, end_time):
        check_is_fitted(self)
        pairs = self._pair(events, end_time, allow_empty=True)
        if pairs.n_processes != len(self.baseline_):
            raise ValueError(
                f"events holds {pairs.n_processes} process(es), the fit had {len(self.baseline_)}."
            )
        if not pairs.n_events:
            raise ValueError("events holds no event at all; a value per event is undefined.")
        return pairs


@dataclass(frozen=True)
class StructuredFit:
    """What least squares find for given weights, receiver by receiver.

    Attributes
    ----------
    baseline : ndarray, shape (n_processes,)
        In Hz.
    adjacency : ndarray, shape (n_processes, n_processes)
    parameters : ndarray, shape (n_parameters, n_processes, n_processes)
    unit : ndarray
        The parameters in the unit cube, where a search may go on.
    losses, slopes : ndarray, shape (n_processes,)
        Loss over :math:`c_h`, times the number of events, in Hz; relative gradient that is left.
    """

    baseline: np.ndarray
    adjacency: np.ndarray
    parameters: np.ndarray
    unit: np.ndarray
    losses: np.ndarray
    slopes: np.ndarray

    def best(self, *others):
        """Of several fits to the same events, the best one of each receiver.

        Parameters
        ----------
        *others : StructuredFit

        Returns
        -------
        fit : StructuredFit
        """
        fits = (self, *others)
        chosen = np.argmin([fit.losses for fit in fits], axis=0)

        def pick(name, axis):
            parts = [
                np.take(getattr(fits[c], name), i, axis=axis) for i, c in enumerate(chosen.tolist())
            ]
            return np.stack(parts, axis=axis)

        names = {"baseline": 0, "adjacency": 0, "parameters": 1, "unit": 1, "losses": 0}
        return StructuredFit(**{k: pick(k, axis) for k, axis in (names | {"slopes": 0}).items()})


def fit_statistics(search, statistics, mask, start, bounds):
    """Minimise the loss of given sums from one start.

    Parameters
    ----------
    search : HawkesEstimator
        Its options have been checked.
    statistics : MarkedStatistics
    mask : ndarray of bool, shape (n_processes, n_processes)
    start : ndarray, shape (n_parameters, n_processes, n_processes)
        In the unit cube.
    bounds : ndarray, shape (n_parameters, 2)

    Returns
    -------
    fit : StructuredFit
    """
    n = statistics.n_processes
    baseline, adjacency = np.zeros(n), np.zeros((n, n))
    parameters, _ = from_unit(start, bounds)
    losses, slopes = np.zeros(n), np.zeros(n)
    for i in np.flatnonzero(statistics.n_events > 0):  # the others keep a rate of 0
        # A source without weight acts on nobody.
        sources = mask[i] & (statistics.after[:, 0] > 0)
        found = search._search(statistics, i, sources, start[:, i], bounds)
        baseline[i], adjacency[i, sources] = found.weights[0], found.weights[1:]
        parameters[:, i], losses[i], slopes[i] = found.parameters, found.curve[-1], found.slope
    unit = to_unit(parameters, bounds)
    return StructuredFit(baseline, adjacency, parameters, unit, losses, slopes)


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


def marked_intensity(times, events, baseline, adjacency, kernel, parameters, *, length):
    """Intensity of each process just before given times, over all marks.

    Parameters
    ----------
    times : sequence of ndarray, each of shape (n_times_i,)
        Sorted times for each process, in s.
    events : sequence of array_like, each of shape (n_events_j, 2)
        Times in s, sorted, and marks.
    baseline : ndarray, shape (n_processes,)
        In Hz.
    adjacency : ndarray, shape (n_processes, n_processes)
    kernel : Kernel
    parameters : ndarray, shape (n_parameters, n_processes, n_processes)
    length : float
        Support of the kernels, in s.

    Returns
    -------
    intensity : list of ndarray, each of shape (n_times_i,)
        In Hz. An event at a time itself does not count.
    """
    excited = _excited(times, events, adjacency, kernel.value, parameters, length=length)
    return [rate + each for rate, each in zip(baseline, excited, strict=True)]


def marked_compensator(times, events, baseline, adjacency, kernel, parameters, *, length):
    """Integrated intensity of each process from 0 to given times, over all marks.

    Parameters
    ----------
    times, events, baseline, adjacency, kernel, parameters, length
        As in `marked_intensity`.

    Returns
    -------
    compensator : list of ndarray, each of shape (n_times_i,)
        Expected number of events up to each time, given those before.
    """
    options = {"length": length, "cumulative": True}
    excited = _excited(times, events, adjacency, kernel.integral, parameters, **options)
    return [rate * each + more for rate, each, more in zip(baseline, times, excited, strict=True)]


def _excited(times, events, adjacency, of_lag, parameters, *, length, cumulative=False):
    """Sum over earlier events of mark, adjacency and the kernel's value or integral."""
    sources, marks = check_marked(events)
    totals = [np.zeros(len(each)) for each in times]
    for i, j in zip(*np.nonzero(adjacency), strict=True):
        found = np.zeros(len(times[i]))
        for source, target in iter_pairs(sources[j], times[i], longest=length):
            lags = times[i][target] - sources[j][source]
            values = marks[j][source] * of_lag(lags, parameters[:, i, j], length=length)
            found += np.bincount(target, values, len(found))
        if cumulative:
            # Sources that `iter_pairs` leaves out because they are too old.
            below = np.concatenate([[0.0], np.cumsum(marks[j])])
            found += below[np.searchsorted(sources[j], times[i] - length, side="left")]
        totals[i] += adjacency[i, j] * found
    return totals
