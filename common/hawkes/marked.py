"""Marked Hawkes process with parametric kernels: least squares, likelihood, residuals.

See `common.hawkes.marks` for the intensity and `common.hawkes.marked_pairs` for the loss.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from common import validation
from common.hawkes.estimator import ParametricEstimator, _check_bounds
from common.hawkes.kernels import from_unit, to_unit
from common.hawkes.marked_pairs import MarkedPairs, dense_intensity, structured_loss
from common.hawkes.marks import check_marked, mark_density, simulate_marked
from common.hawkes.pairs import check_sorted
from common.hawkes.residuals import _Model

__all__ = [
    "MarkedHawkesEstimator",
    "StructuredFit",
    "fit_statistics",
    "marked_compensator",
    "marked_intensity",
]


class MarkedHawkesEstimator(ParametricEstimator):
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
            Times in s, sorted, and marks in [0, 1]; at least one event a process. Or what
            `common.hawkes.inputs.as_arrays` reads, with the marks in ``"mark"``.
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
        self._check_options()
        pairs = self._pair(events, end_time)
        mask = self._check_mask(pairs.n_processes)
        density = mark_density(self.density)
        statistics = pairs.statistics(pairs.marks, density.value(pairs.marks), density.square)
        bounds = _check_bounds(self.kernel, self.kernel_length, self.delta)
        fits = [
            fit_statistics(self, statistics, mask, start, bounds)
            for start in self._starts(statistics, mask, bounds)
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
        exciting = self._exciting(events, end_time)
        times, marks = check_marked(events, end_time=end_time)
        rates = marked_intensity(times, exciting, *self._model, length=self.kernel_length)
        end = [np.array([end_time])] * len(times)
        spent = marked_compensator(end, exciting, *self._model, length=self.kernel_length)
        noise, spurious = self._noise
        density, noise_density = mark_density(self.density), mark_density(spurious)
        with np.errstate(divide="ignore"):
            gained = [
                np.log(rate * density.value(k) + nu * noise_density.value(k)).sum()
                for rate, k, nu in zip(rates, marks, noise, strict=True)
            ]
        total = sum(gained) - np.sum(spent) - end_time * noise.sum()
        return float(total / sum(map(len, times)))

    def intensity(self, events, end_time, at=None):
        """Intensity of the structured events of each process, over all marks.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 2)
            As in `fit`, but a process may have no event.
        end_time : float
            End of the record, in s.
        at : array_like, shape (n_times,), optional
            Times in s, where it is exact in continuous time; by default the points of the grid.

        Returns
        -------
        times : ndarray, shape (n_times,)
            In s.
        intensity : ndarray, shape (n_processes, n_times)
            In Hz. On the grid an event acts from the grid point after its own, in continuous time
            on whatever comes after it.

        Raises
        ------
        ValueError
            If events or times are not valid, or the grid needs more memory than the machine has.
        """
        if at is not None:
            at = validation.vector(at, "at", unit="s")
            exciting, times = self._exciting(events, end_time), [at] * len(self.baseline_)
            found = marked_intensity(times, exciting, *self._model, length=self.kernel_length)
            return at, np.stack(found)
        pairs = self._pair_again(events, end_time)
        pairs.check_grid()
        weights = pairs.dense(self._weights(pairs))
        return self.delta * np.arange(pairs.n_grid), dense_intensity(
            weights, self.baseline_, self.grid_kernels_
        )

    def simulate(self, end_time, *, rng):
        """Simulate the fitted process on ``[0, end_time]``, from an empty past.

        Parameters
        ----------
        end_time : float
            In s.
        rng : numpy.random.Generator

        Returns
        -------
        events : list of ndarray, each of shape (n_events_i, 2)
            Times in s, sorted, and marks.

        Raises
        ------
        TypeError, ValueError
            See `common.hawkes.marks.simulate_marked`, which also says of which kind events are.
        """
        model = self._model
        noise, spurious = self._noise
        options = {"density": self.density, "noise": noise, "noise_density": spurious}
        options |= {"length": self.kernel_length, "end_time": end_time, "rng": rng}
        return simulate_marked(*model, **options)[0]

    def residuals(self, events, end_time):
        """Increments of the compensator from event to event, unit exponentials if the model holds.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 2)
            As in `fit`, but a process may have no event.
        end_time : float
            End of the record, in s.

        Returns
        -------
        intervals : list of ndarray, each of shape (n_events_i,)
            The first is counted from time 0.

        Raises
        ------
        ValueError
            If events are not valid.

        See Also
        --------
        common.hawkes.goodness.goodness_of_fit : Tests and draws them.
        """
        exciting = self._exciting(events, end_time)
        times, _ = check_marked(exciting)
        spent = marked_compensator(times, exciting, *self._model, length=self.kernel_length)
        return [np.diff(each, prepend=0.0) for each in spent]

    @property
    def _noise(self):
        """Rates of spurious events, and the name of the density of their marks."""
        return np.zeros(len(self.baseline_)), self.density

    def _exciting(self, events, end_time):
        """Times and marks of the events that act on others."""
        self._pair_again(events, end_time)
        return [np.column_stack(each) for each in zip(*check_marked(events), strict=True)]

    def _weights(self, pairs):
        """How much each event acts on others."""
        return pairs.marks

    def _keep(self, fit):
        self.baseline_, self.adjacency_ = fit.baseline, fit.adjacency
        self.kernel_parameters_ = dict(zip(self.kernel.names, fit.parameters, strict=True))

    def _check_options(self):
        super()._check_options()
        mark_density(self.density)

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
        self._check_number(pairs.n_processes)
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


def fit_statistics(search, statistics, mask, start, bounds, max_iter=None):
    """Minimise the loss of given sums from one start.

    Parameters
    ----------
    search : ParametricEstimator
        Its options have been checked.
    statistics : MarkedStatistics
    mask : ndarray of bool, shape (n_processes, n_processes)
    start : ndarray, shape (n_parameters, n_processes, n_processes)
        In the unit cube.
    bounds : ndarray, shape (n_parameters, 2)
    max_iter : int, optional
        By default that of the estimator.

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
        found = search._search(statistics, i, sources, start[:, i], bounds, max_iter)
        baseline[i], adjacency[i, sources] = found.weights[0], found.weights[1:]
        parameters[:, i], losses[i], slopes[i] = found.parameters, found.curve[-1], found.slope
    unit = to_unit(parameters, bounds)
    return StructuredFit(baseline, adjacency, parameters, unit, losses, slopes)


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
    model = _excitation(events, baseline, adjacency, kernel, parameters, length)
    return [model.intensity(i, each) for i, each in enumerate(_sorted(times, model))]


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
    model = _excitation(events, baseline, adjacency, kernel, parameters, length)
    return [model.compensator(i, each) for i, each in enumerate(_sorted(times, model))]


def _sorted(times, model):
    """Times at which each process is looked at."""
    if len(times) != len(model.baseline):
        raise ValueError(
            f"times must have one array for each of {len(model.baseline)} processes, got "
            f"{len(times)}."
        )
    return [check_sorted(each, name=f"times[{i}]") for i, each in enumerate(times)]


def _excitation(events, baseline, adjacency, kernel, parameters, length):
    times, marks = check_marked(events)
    return _Model(times, baseline, adjacency, kernel, parameters, length, marks)
