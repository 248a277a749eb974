r"""Unmixing marked events: structured ones of a Hawkes process, spurious ones of a Poisson process.

Event n has a mark :math:`k_n` and a label :math:`\rho_n`, 1 where it is structured. With the
intensities of `common.hawkes.marks` and the grid of `common.hawkes.marked`, UNHaP [1]_ has the loss

.. math:: N \mathcal{L} = \sum_i \Big( c_h \delta \sum_s h_i[s]^2 + c_n T \nu_i^2 \Big)
          - 2 \sum_n \rho_n f_h(k_n)\, h_{i(n)}(t_n) - 2 \sum_n (1 - \rho_n) f_n(k_n)\, \nu_{i(n)},

where the weights :math:`z_n = \rho_n k_n` drive :math:`h`, and :math:`c_h, c_n` are the integrals
of the squared densities. Only structured events excite, and only they are explained by h.

*Given the labels*, this is a marked least-squares problem, and :math:`\nu_i = \sum_n (1 - \rho_n)
f_n(k_n) / (c_n T)`. *Given the parameters*, the loss is quadratic in each label. An event of
process m in bin b counts

.. math:: N \frac{\partial \mathcal{L}}{\partial \rho_n} =
          k_n \sum_i \sum_\tau \phi_{im}[\tau]\, (2 c_h \delta\, h_i[b + \tau] - 2 y_i[b + \tau])
          - 2 f_h(k_n)\, h_m[b] + 2 \nu_m f_n(k_n).

The first sum holds what the event does to those after it: the credit for offspring goes to the
parent. Taken at :math:`\rho_n = 1/2`, it is the exact difference between label 1 and label 0.

Both steps lower the loss, the second one because labels are changed at random, fewer and fewer at
once until the loss falls: two events that explain each other must not change places together. It
ends where no single label calls for a change. The loss has many such minima, so there are several
starts, and the lowest one is kept.

.. [1] V. Loison, G. Staerman and T. Moreau, "UNHaP: Unmixing Noise from Hawkes Processes to Model
   Learned Physiological Events", AISTATS 2025, arXiv:2406.16938.
"""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from common import validation
from common.hawkes.estimator import _check_bounds
from common.hawkes.kernels import discretise, to_unit
from common.hawkes.marked import (
    MarkedHawkesEstimator,
    dense_intensity,
    fit_statistics,
    marked_compensator,
    marked_intensity,
    structured_loss,
)
from common.hawkes.marks import check_marked, mark_density, simulate_marked

__all__ = [
    "MixtureEstimator",
    "MixtureModel",
    "label_differences",
    "mixture_loss",
    "moment_start",
    "score_labels",
]

_QUICK = 4  # iterations of a fit between two changes of labels
_STEP = 0.1  # of the probabilities of the stochastic search
_START_MARK = 0.5  # above which one of the starts takes events for structured


class MixtureModel(NamedTuple):
    """Parameters of a mixture, with kernels on the grid.

    Attributes
    ----------
    baseline, noise : ndarray, shape (n_processes,)
        Rates of structured immigrants and of spurious events, in Hz.
    phi : ndarray, shape (n_processes, n_processes, n_lags)
        Adjacency times kernels, in Hz.
    density, noise_density : MarkDensity
    """

    baseline: np.ndarray
    noise: np.ndarray
    phi: np.ndarray
    density: object
    noise_density: object


def mixture_loss(pairs, labels, model):
    """Loss per event of given labels and parameters.

    Parameters
    ----------
    pairs : MarkedPairs
    labels : ndarray, shape (n_events,)
        In [0, 1], in the order of ``pairs``.
    model : MixtureModel

    Returns
    -------
    loss : float
        In Hz.
    """
    density = model.density
    statistics = _statistics(pairs, labels, density)
    loss = structured_loss(statistics, model.baseline, model.phi, density.square)
    return (loss + _noise_loss(pairs, labels, model)) / pairs.n_events


def label_differences(pairs, labels, model, *, at=0.5):
    """Change of the loss, times the number of events, with each label alone.

    Parameters
    ----------
    pairs : MarkedPairs
    labels : ndarray, shape (n_events,)
        In [0, 1], in the order of ``pairs``.
    model : MixtureModel
    at : float, optional, default=0.5
        Value of the own label of each event. The loss is quadratic in it, so its derivative at 1/2
        is the loss with label 1 less that with label 0. None: the derivative where it is.

    Returns
    -------
    difference : ndarray, shape (n_events,)
        In Hz. Label 1 is better where it is negative.
    """
    baseline, noise, phi, density, noise_density = model
    marks, process, bins = pairs.marks, pairs.process, pairs.bins
    targets, square, delta = density.value(marks), density.square, pairs.delta
    h = dense_intensity(pairs.dense(labels * marks), baseline, phi)
    residual = 2 * square * delta * h - 2 * pairs.dense(labels * targets)
    # What an event does to those after it is, with time reversed, what those before it do to it.
    after = dense_intensity(residual[:, ::-1], np.zeros(len(h)), phi.swapaxes(0, 1))[:, ::-1]
    gradient = marks * after[process, bins] - 2 * targets * h[process, bins]
    gradient += 2 * noise[process] * noise_density.value(marks)
    if at is None:
        return gradient
    # Twice the square of the own response, up to the end of the record.
    own = np.cumsum((phi**2).sum(axis=0), axis=-1)
    own = np.concatenate([np.zeros((len(own), 1)), own], axis=-1)
    left = np.minimum(pairs.n_grid - 1 - bins, pairs.n_lags)
    return gradient + (at - labels) * 2 * square * delta * marks**2 * own[process, left]


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
    ValueError
        If events are not valid, or ``lags`` is neither.
    """
    validation.choice(lags, ("last", "all"), "lags")
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


def score_labels(labels, structured, marks):
    """How well labels tell structured events from spurious ones, beside a threshold on the marks.

    Precision alone says little: it is the base rate for labels that are all 1. The share of noise
    that is found is compared with that of the threshold on the mark that keeps as many of the
    structured events.

    Parameters
    ----------
    labels, structured : array_like of bool, shape (n_events,)
        Estimated and true.
    marks : array_like, shape (n_events,)

    Returns
    -------
    scores : dict of float
        ``precision`` and ``recall`` of the structured events, ``base_rate``, ``noise_found`` and
        ``noise_found_by_mark``; NaN where there is nothing to take a share of.
    """
    labels, structured = np.asarray(labels, dtype=bool), np.asarray(structured, dtype=bool)
    marks = np.asarray(marks, dtype=float)
    kept, true = np.sum(labels & structured), structured.sum()
    lost = int(true - kept)
    true_marks, false_marks = np.sort(marks[structured]), marks[~structured]
    # The threshold loses as many structured events as the labels do, those of the lowest marks.
    threshold = true_marks[lost] if lost < true else np.inf
    return {
        "precision": _share(kept, labels.sum()),
        "recall": _share(kept, true),
        "base_rate": _share(true, len(labels)),
        "noise_found": _share(np.sum(~labels & ~structured), np.sum(~structured)),
        "noise_found_by_mark": _share(np.sum(false_marks < threshold), len(false_marks)),
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

    See Also
    --------
    common.hawkes.marked.MarkedHawkesEstimator : Without spurious events.

    References
    ----------
    .. [1] V. Loison, G. Staerman and T. Moreau, "UNHaP: Unmixing Noise from Hawkes Processes to
       Model Learned Physiological Events", AISTATS 2025, arXiv:2406.16938.

    Examples
    --------
    >>> from common.hawkes.kernels import TruncatedGaussian
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
        ValueError
            If an option is out of range, or events are not valid.

        Warns
        -----
        ConvergenceWarning
            If labels still call for a change after ``max_rounds``, or the fit has not converged.
        """
        search = self._search_options()
        pairs = self._pair(events, end_time)
        mask = search._check_mask(pairs.n_processes)
        bounds = _check_bounds(self.kernel, self.kernel_length, self.delta)
        rng = np.random.default_rng(self.random_state)
        search.set_params(random_state=rng)
        found = []
        for labels in self._first_labels(pairs):
            statistics = _statistics(pairs, labels, mark_density(self.density))
            for unit in self._starts(search, statistics, mask, bounds, events, end_time):
                found.append(_Alternation(self, search, pairs, mask, bounds, rng).run(labels, unit))
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

    def log_likelihood(self, events, end_time):
        r"""Log-likelihood per event of times and marks, in continuous time.

        Events are drawn from :math:`f_h(k)\, h_i(t) + \nu_i f_n(k)`; which of those before t
        excite is decided by `predict`.

        Parameters
        ----------
        events, end_time
            As in `predict`.

        Returns
        -------
        log_likelihood : float
            In nats; the unit of rates is Hz.
        """
        exciting = self._exciting(events, end_time)
        times, marks = check_marked(events, end_time=end_time)
        rates = marked_intensity(times, exciting, *self._model, length=self.kernel_length)
        end = [np.array([end_time])] * len(times)
        spent = marked_compensator(end, exciting, *self._model, length=self.kernel_length)
        density, noise_density = mark_density(self.density), mark_density(self.noise_density)
        with np.errstate(divide="ignore"):
            gained = [
                np.log(rate * density.value(k) + noise * noise_density.value(k)).sum()
                for rate, k, noise in zip(rates, marks, self.noise_, strict=True)
            ]
        total = sum(gained) - np.sum(spent) - end_time * self.noise_.sum()
        return float(total / sum(map(len, times)))

    def intensity(self, events, end_time):
        """Intensity of the structured events on the grid, over all marks.

        Parameters
        ----------
        events, end_time
            As in `predict`; structured ones excite.

        Returns
        -------
        times : ndarray, shape (n_grid,)
            In s.
        intensity : ndarray, shape (n_processes, n_grid)
            In Hz; ``noise_`` is not part of it.
        """
        pairs = self._pair_again(events, end_time)
        weights = pairs.dense(self._predict(pairs) * pairs.marks)
        return self.delta * np.arange(pairs.n_grid), dense_intensity(
            weights, self.baseline_, self.grid_kernels_
        )

    def simulate(self, end_time, *, rng):
        """Simulate the fitted mixture on ``[0, end_time]``.

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
        options |= {"noise": self.noise_, "noise_density": self.noise_density}
        return simulate_marked(*self._model, density=self.density, **options)

    def residuals(self, events, end_time):
        """Increments of the compensator from one structured event to the next.

        Parameters
        ----------
        events, end_time
            As in `predict`.

        Returns
        -------
        intervals : list of ndarray, each of shape (n_structured_i,)
            Unit exponentials if the model and all labels are right.
        """
        exciting = self._exciting(events, end_time)
        times, _ = check_marked(exciting)
        spent = marked_compensator(times, exciting, *self._model, length=self.kernel_length)
        return [np.diff(each, prepend=0.0) for each in spent]

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

    def _exciting(self, events, end_time):
        labels = self.predict(events, end_time)
        arrays = [np.asarray(each, dtype=float) for each in events]
        return [each[label] for each, label in zip(arrays, labels, strict=True)]

    def _search_options(self):
        mark_density(self.noise_density)
        validation.count(self.max_rounds, "max_rounds")
        if self.start in ("last", "all"):
            search = MarkedHawkesEstimator(
                **{k: v for k, v in self.get_params().items() if k not in _OWN}
                | {"start": "moments"}
            )
            return search._search_options()
        return super()._search_options()

    def _starts(self, search, statistics, mask, bounds, events, end_time):
        starts = search._starts(statistics, mask, bounds)
        if self.start in ("last", "all"):
            options = {"end_time": end_time, "kernel_length": self.kernel_length}
            moments = moment_start(events, lags=self.start, **options)
            options = {"length": self.kernel_length, "delta": self.delta}
            first = self.kernel.start(moments["mean"], moments["spread"], **options)
            starts[0] = to_unit(first, bounds)
        return starts

    def _first_labels(self, pairs):
        ones = np.ones(pairs.n_events)
        return ones, 0.5 * ones, (pairs.marks > _START_MARK).astype(float)


_OWN = ("noise_density", "stochastic", "max_rounds")


class _Alternation:
    """Fits and changes of labels in turn, from one start."""

    def __init__(self, options, search, pairs, mask, bounds, rng):
        self.options, self.search, self.pairs, self.rng = options, search, pairs, rng
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
        self.search.set_params(max_iter=most)
        statistics = _statistics(self.pairs, labels, self.density)
        fit = fit_statistics(self.search, statistics, self.mask, unit, self.bounds)
        values = (1 - labels) * self.noise_density.value(self.pairs.marks)
        noise = self.pairs.totals(values) / (self.noise_density.square * self.pairs.duration)
        options = {"length": self.search.kernel_length, "delta": self.search.delta}
        phi = fit.adjacency[..., None] * discretise(self.search.kernel, fit.parameters, **options)
        self.labels, self.fit, self.noise = labels, fit, noise
        self.model = MixtureModel(fit.baseline, noise, phi, self.density, self.noise_density)
        loss = structured_loss(statistics, fit.baseline, phi, self.density.square)
        loss += _noise_loss(self.pairs, labels, self.model)
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


def change_labels(pairs, labels, model, loss, *, rng):
    """Change some of the labels that call for it, such that the loss falls.

    Parameters
    ----------
    pairs : MarkedPairs
    labels : ndarray, shape (n_events,)
        0 and 1.
    model : MixtureModel
    loss : float
        Of these labels and this model, per event.
    rng : numpy.random.Generator

    Returns
    -------
    labels : ndarray, shape (n_events,)
    n_calling : int
        Labels that called for a change.
    loss : float
        Of the new labels.
    """
    difference = label_differences(pairs, labels, model)
    gain = np.where(labels > 0, difference, -difference)  # what a change takes off the loss
    # Beyond rounding: the sums of the loss have about as many terms as there are events.
    calling = np.flatnonzero(gain > 1e-12 * pairs.n_events * abs(loss))
    share, changed, new = 0.5, labels, loss
    while len(calling):
        chosen = calling[rng.random(len(calling)) < share]
        if len(chosen) < 2:
            chosen = calling[[gain[calling].argmax()]]
        changed = labels.copy()
        changed[chosen] = 1 - changed[chosen]
        new = mixture_loss(pairs, changed, model)
        if new < loss or len(chosen) == 1:
            break
        share /= 2
    return changed, len(calling), new


def settle_labels(pairs, labels, model, *, rng):
    """Change labels until none calls for it, with given parameters.

    Parameters
    ----------
    pairs : MarkedPairs
    labels : ndarray, shape (n_events,)
        0 and 1.
    model : MixtureModel
    rng : numpy.random.Generator

    Returns
    -------
    labels : ndarray, shape (n_events,)
    loss : float
        Per event.
    n_rounds : int
    """
    loss, n_rounds = mixture_loss(pairs, labels, model), 0
    while True:
        labels, n_calling, loss = change_labels(pairs, labels, model, loss, rng=rng)
        if not n_calling:
            return labels, loss, n_rounds
        n_rounds += 1


def _statistics(pairs, labels, density):
    targets = labels * density.value(pairs.marks)
    return pairs.statistics(labels * pairs.marks, targets, density.square)


def _noise_loss(pairs, labels, model):
    totals = pairs.totals((1 - labels) * model.noise_density.value(pairs.marks))
    square = model.noise_density.square
    return float(square * pairs.duration * model.noise @ model.noise - 2 * model.noise @ totals)


def _share(part, whole):
    return float(part / whole) if whole else np.nan
