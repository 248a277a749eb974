r"""Unmixing marked events: structured ones of a Hawkes process, spurious ones of a Poisson process.

`common.hawkes.mixture_labels` states the loss of UNHaP [1]_ for given labels and parameters. Given
the labels, the parameters follow by marked least squares; given the parameters, labels are changed
by the exact difference of the loss.

Both steps lower the loss, the second one because labels are changed at random, fewer and fewer at
once until the loss falls: two events that explain each other must not change places together. It
ends where no single label calls for a change. The loss has many such minima, so there are several
starts, and the lowest one is kept.

.. [1] V. Loison, G. Staerman and T. Moreau, "UNHaP: Unmixing Noise from Hawkes Processes to Model
   Learned Physiological Events", AISTATS 2025, arXiv:2406.16938.
"""

import warnings
from numbers import Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from common import validation
from common.hawkes.estimator import _check_bounds
from common.hawkes.kernels import discretise, to_unit
from common.hawkes.marked import MarkedHawkesEstimator, fit_statistics
from common.hawkes.marked_pairs import structured_loss
from common.hawkes.marks import check_marked, mark_density
from common.hawkes.mixture_labels import (
    MixtureModel,
    change_labels,
    label_differences,
    label_statistics,
    mixture_loss,
    noise_loss,
    settle_labels,
)

__all__ = ["MixtureEstimator", "moment_start"]

_QUICK = 4  # iterations of a fit between two changes of labels
_STEP = 0.1  # of the probabilities of the stochastic search
_START_MARK = 0.5  # above which one of the starts takes events for structured


def moment_start(events, *, end_time, kernel_length, lags="last"):
    """First parameters by matching moments, as the authors do.

    Parameters
    ----------
    events : sequence of array_like, each of shape (n_events_i, 2)
        Times in s, sorted, and marks.
    end_time : float
        In s.
    kernel_length : float
        Support of the kernels, in s.
    lags : {"last", "all"}, default="last"
        Lags of which mean and deviation are taken: from the last event before each one, or from
        all events within the support.

    Returns
    -------
    start : dict of ndarray
        ``baseline`` and ``noise``, shape (n_processes,), in Hz; ``adjacency``, ``mean`` and
        ``spread``, shape (n_processes, n_processes), the last two in s, and half and a quarter of
        the support where there are no two lags.

    Raises
    ------
    TypeError
        If a number is none.
    ValueError
        If events are not valid, a number is not above 0, or ``lags`` is neither.
    """
    validation.choice(lags, ("last", "all"), "lags")
    end_time = validation.number(end_time, "end_time", above=0, unit="s")
    kernel_length = validation.number(kernel_length, "kernel_length", above=0, unit="s")
    times, _ = check_marked(events, end_time=end_time)
    n = len(times)
    rate = np.array([len(each) for each in times]) / ((n + 2) * end_time)
    mean, spread = np.full((n, n), kernel_length / 2), np.full((n, n), kernel_length / 4)
    for i in range(n):
        for j in range(n):
            last = np.searchsorted(times[j], times[i], side="left")
            first = np.searchsorted(times[j], times[i] - kernel_length, side="left")
            if lags == "last":
                first = np.maximum(last - 1, 0)
            counts = last - first
            source = np.repeat(first - np.cumsum(counts) + counts, counts)
            source += np.arange(counts.sum())
            found = np.repeat(times[i], counts) - times[j][source]
            if len(found) > 1:
                mean[i, j], spread[i, j] = found.mean(), found.std()
    adjacency = np.full((n, n), 1 / (n + 2))
    return {
        "baseline": rate,
        "noise": rate.copy(),
        "adjacency": adjacency,
        "mean": mean,
        "spread": spread,
    }


class MixtureEstimator(MarkedHawkesEstimator):
    r"""Marked Hawkes process and spurious events of a Poisson process, told apart: UNHaP.

    Least squares given the labels alternate with changes of the labels given the parameters, from
    several starts: see `common.hawkes.mixture`.

    Parameters
    ----------
    kernel : Kernel
        Family of kernels, for example ``TruncatedGaussian()``.
    delta : float
        Grid step, in s.
    kernel_length : float
        Support of the kernels, in s: at least five steps, at most the length of the record.
    density, noise_density : {"linear", "uniform", "decreasing"}
        Of the marks of structured and of spurious events; "linear" and "uniform" by default.
    mask : array_like of bool, shape (n_processes, n_processes), optional
        Where False, ``adjacency_`` is held at 0.
    start : {"moments", "last", "all", "random"} or dict, default="moments"
        First parameters of the kernels: as in `common.hawkes.estimator.HawkesEstimator`, or, with
        "last" and "all", from the lags of `moment_start`.
    n_starts : int, default=2
        Kernels to start from, the further ones random. Each of them starts with all events
        structured, with labels 1/2, and with the events of a mark above 1/2.
    stochastic : bool, default=False
        Whether labels are drawn in each round, with probabilities that move by 0.1 towards the
        better label, as in StocUNHaP, for ``max_rounds`` rounds before the others begin.
    max_rounds : int, default=200
        Changes of labels, for each start.
    max_iter : int, default=500
        Iterations of L-BFGS-B of the last fit of each start; there are 4 in between.
    tol : float, default=1e-5
        As in `common.hawkes.estimator.HawkesEstimator`.
    random_state : int, numpy.random.Generator or None, default=None
        Draws random starts, and which labels are changed.

    Attributes
    ----------
    baseline_ : ndarray, shape (n_processes,)
        Rates of structured immigrants, in Hz.
    noise_ : ndarray, shape (n_processes,)
        Rates of spurious events, in Hz.
    adjacency_ : ndarray, shape (n_processes, n_processes)
        Mean number of structured events of i that one of j with mark 1 triggers.
    kernel_parameters_ : dict of ndarray, each of shape (n_processes, n_processes)
    labels_ : list of ndarray of bool, each of shape (n_events_i,)
        Whether an event is structured.
    loss_ : float
        Loss per event, in Hz.
    loss_curve_ : ndarray
        Loss after each fit of the best start, never increasing once labels are 0 and 1.
    start_losses_ : ndarray
        Loss that each start leads to.
    n_rounds_ : int
        Changes of labels of the best start.
    converged_ : bool

    Notes
    -----
    ``intensity`` and ``residuals`` are those of the structured events, as `predict` tells them.

    See Also
    --------
    common.hawkes.marked.MarkedHawkesEstimator : Without spurious events.

    References
    ----------
    .. [1] V. Loison, G. Staerman and T. Moreau, "UNHaP: Unmixing Noise from Hawkes Processes to
       Model Learned Physiological Events", AISTATS 2025, arXiv:2406.16938.

    Examples
    --------
    >>> from common.hawkes import TruncatedGaussian, simulate_marked
    >>> from common.hawkes.mixture_labels import score_labels
    >>> rng = np.random.default_rng(0)
    >>> options = {"length": 1.0, "end_time": 500.0, "noise": [1.0], "rng": rng}
    >>> (events,), (kinds,) = simulate_marked(
    ...     [0.4], [[1.3]], TruncatedGaussian(), [0.5, 0.1], **options
    ... )
    >>> estimator = MixtureEstimator(
    ...     kernel=TruncatedGaussian(), delta=0.01, kernel_length=1.0, random_state=0
    ... ).fit([events], end_time=500.0)
    >>> scores = score_labels(estimator.labels_[0], kinds > 0, events[:, 1])
    >>> scores["noise_found"] > scores["noise_found_by_mark"] + 0.1
    True
    """

    _named_starts = ("moments", "last", "all", "random")

    def __init__(
        self,
        *,
        kernel,
        delta,
        kernel_length,
        density="linear",
        noise_density="uniform",
        mask=None,
        start="moments",
        n_starts=2,
        stochastic=False,
        max_rounds=200,
        max_iter=500,
        tol=1e-5,
        random_state=None,
    ):
        super().__init__(
            kernel=kernel,
            delta=delta,
            kernel_length=kernel_length,
            density=density,
            mask=mask,
            start=start,
            n_starts=n_starts,
            max_iter=max_iter,
            tol=tol,
            random_state=random_state,
        )
        self.noise_density = noise_density
        self.stochastic = stochastic
        self.max_rounds = max_rounds

    def fit(self, events, end_time):
        """Estimate rates, adjacency, kernels and labels.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 2)
            Times in s, sorted, and marks in [0, 1]; at least one event a process.
        end_time : float
            End of the record, in s.

        Returns
        -------
        self : MixtureEstimator

        Raises
        ------
        TypeError
            If an option or ``end_time`` is of another type.
        ValueError
            If an option is out of range, or events are not valid.

        Warns
        -----
        ConvergenceWarning
            If labels still call for a change after ``max_rounds``, or the fit has not converged.
        """
        self._check_options()
        end_time = validation.number(end_time, "end_time", above=0, unit="s")
        pairs = self._pair(events, end_time)
        mask = self._check_mask(pairs.n_processes)
        bounds = _check_bounds(self.kernel, self.kernel_length, self.delta)
        rng = np.random.default_rng(self.random_state)
        found = []
        for labels in self._first_labels(pairs):
            statistics = label_statistics(pairs, labels, mark_density(self.density))
            starts = self._starts(statistics, mask, bounds, rng)
            if self.start in ("last", "all"):
                starts[0] = self._moment_start(events, end_time, bounds)
            for unit in starts:
                found.append(_Alternation(self, pairs, mask, bounds, rng).run(labels, unit))
        best = min(found, key=lambda run: run.curve[-1])
        self._keep(best.fit)
        self.noise_ = best.noise
        self.labels_ = pairs.split(best.labels > 0)
        self.loss_curve_ = np.array(best.curve)
        self.loss_ = float(best.curve[-1])
        self.start_losses_ = np.array([run.curve[-1] for run in found])
        self.n_rounds_ = best.n_rounds
        self.converged_ = best.converged and bool(np.all(best.fit.slopes <= self.tol))
        if not self.converged_:
            warnings.warn(
                f"{best.n_calling} labels call for a change after {best.n_rounds} rounds, and the "
                f"relative gradient is {best.fit.slopes.max():.1e} with tol={self.tol:g}. Raise "
                f"max_rounds={self.max_rounds}, max_iter={self.max_iter} or tol.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def predict(self, events, end_time):
        """Labels of events, which need not be those of the fit, given the parameters.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 2)
        end_time : float
            End of the record, in s.

        Returns
        -------
        labels : list of ndarray of bool, each of shape (n_events_i,)
            No single one can change without raising the loss.

        Raises
        ------
        ValueError
            If events are not valid.
        """
        pairs = self._pair_again(events, end_time)
        return pairs.split(self._predict(pairs) > 0)

    def score(self, events, end_time):
        """Minus the loss per event of these events with their best labels, in Hz.

        Parameters
        ----------
        events, end_time
            As in `predict`.

        Returns
        -------
        score : float
        """
        pairs = self._pair_again(events, end_time)
        return -mixture_loss(pairs, self._predict(pairs), self._mixture)

    @property
    def _mixture(self):
        return MixtureModel(
            self.baseline_,
            self.noise_,
            self.grid_kernels_,
            mark_density(self.density),
            mark_density(self.noise_density),
        )

    def _pair(self, events, end_time, allow_empty=False):
        pairs = super()._pair(events, end_time, allow_empty)
        pairs.check_grid()  # `label_differences` needs it
        return pairs

    def _predict(self, pairs):
        rng = np.random.default_rng(self.random_state)
        labels = (pairs.marks > _START_MARK).astype(float)
        labels, _, _ = settle_labels(pairs, labels, self._mixture, rng=rng)
        return labels

    @property
    def _noise(self):
        return self.noise_, self.noise_density

    def _exciting(self, events, end_time):
        labels = self.predict(events, end_time)
        both = zip(*check_marked(events), labels, strict=True)
        return [np.column_stack([times, marks])[label] for times, marks, label in both]

    def _weights(self, pairs):
        return self._predict(pairs) * pairs.marks

    def _check_options(self):
        super()._check_options()
        mark_density(self.noise_density)
        validation.count(self.max_rounds, "max_rounds")
        if not isinstance(self.stochastic, (bool, np.bool_)):
            raise TypeError(f"stochastic must be True or False, got {self.stochastic!r}.")
        if isinstance(self.random_state, Real):
            validation.count(self.random_state, "random_state", at_least=0)

    def _moment_start(self, events, end_time, bounds):
        """First kernels from the lags of `moment_start`, in the unit cube."""
        options = {"end_time": end_time, "kernel_length": self.kernel_length}
        moments = moment_start(events, lags=self.start, **options)
        options = {"length": self.kernel_length, "delta": self.delta}
        first = self.kernel.start(moments["mean"], moments["spread"], **options)
        return to_unit(first, bounds)

    def _first_labels(self, pairs):
        ones = np.ones(pairs.n_events)
        return ones, 0.5 * ones, (pairs.marks > _START_MARK).astype(float)


class _Alternation:
    """Fits and changes of labels in turn, from one start."""

    def __init__(self, options, pairs, mask, bounds, rng):
        self.options, self.pairs, self.rng = options, pairs, rng
        self.mask, self.bounds = mask, bounds
        self.density = mark_density(options.density)
        self.noise_density = mark_density(options.noise_density)
        self.curve, self.n_rounds, self.converged, self.n_calling = [], 0, False, 0

    def run(self, labels, unit):
        """Alternate until no label calls for a change."""
        self._fit(labels, unit, quick=True)
        if self.options.stochastic:
            labels = self._draw_labels()
        else:
            labels = (label_differences(self.pairs, labels, self.model) < 0).astype(float)
        self.curve.clear()  # labels between 0 and 1 have a loss of their own
        self._fit(labels, self.fit.unit, quick=True)
        thorough = False
        while True:
            labels, self.n_calling, _ = change_labels(
                self.pairs, self.labels, self.model, self.curve[-1], rng=self.rng
            )
            if not self.n_calling and thorough:
                self.converged = True
                return self
            if self.n_rounds == self.options.max_rounds:
                if not thorough:
                    self._fit(self.labels, self.fit.unit, quick=False)
                return self
            self.n_rounds += bool(self.n_calling)
            thorough = not self.n_calling
            self._fit(labels, self.fit.unit, quick=not thorough)

    def _fit(self, labels, unit, *, quick):
        most = min(_QUICK, self.options.max_iter) if quick else self.options.max_iter
        statistics = label_statistics(self.pairs, labels, self.density)
        fit = fit_statistics(self.options, statistics, self.mask, unit, self.bounds, most)
        values = (1 - labels) * self.noise_density.value(self.pairs.marks)
        noise = self.pairs.totals(values) / (self.noise_density.square * self.pairs.duration)
        options = {"length": self.options.kernel_length, "delta": self.options.delta}
        phi = fit.adjacency[..., None] * discretise(self.options.kernel, fit.parameters, **options)
        self.labels, self.fit, self.noise = labels, fit, noise
        self.model = MixtureModel(fit.baseline, noise, phi, self.density, self.noise_density)
        loss = structured_loss(statistics, fit.baseline, phi, self.density.square)
        loss += noise_loss(self.pairs, labels, self.model)
        self.curve.append(loss / self.pairs.n_events)

    def _draw_labels(self):
        """Labels by probabilities that move towards the better label of each round."""
        probability = np.full(self.pairs.n_events, 0.5)
        for _ in range(self.options.max_rounds):
            drawn = (self.rng.random(self.pairs.n_events) < probability).astype(float)
            self._fit(drawn, self.fit.unit, quick=True)
            better = -np.sign(label_differences(self.pairs, drawn, self.model))
            probability = np.clip(probability + _STEP * better, 0, 1)
        return np.round(probability)
