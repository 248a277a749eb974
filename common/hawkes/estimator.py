"""Least-squares estimation of Hawkes processes with parametric kernels."""

import warnings
from typing import NamedTuple

import numpy as np
import scipy.optimize
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from common import validation
from common.hawkes.grid import bin_events, check_delta, grid_intensity
from common.hawkes.kernels import Kernel, discretise, from_unit, grid_lags, to_unit
from common.hawkes.loss import l2_loss, profile_loss
from common.hawkes.residuals import intensity_at, rescaled_intervals
from common.hawkes.simulation import simulate
from common.hawkes.start import lag_moments
from common.hawkes.statistics import precompute
from common.hawkes.uncertainty import standard_errors

__all__ = ["HawkesEstimator", "ParametricEstimator"]


class ParametricEstimator(BaseEstimator):
    """What estimators with one family of kernels share: options, starts, the search, kernels.

    A subclass names its options in ``__init__`` and fits.
    """

    _named_starts = ("moments", "random")

    def kernel_values(self, lags):
        """Adjacency times the density of the lag.

        Parameters
        ----------
        lags : array_like, shape (n_times,)
            In s.

        Returns
        -------
        values : ndarray, shape (n_processes, n_processes, n_times)
            In Hz.
        """
        check_is_fitted(self)
        lags = np.asarray(lags, dtype=float)
        values = self.kernel.value(lags, self._parameters, length=self.kernel_length)
        return self.adjacency_[..., None] * values

    @property
    def grid_kernels_(self):
        """Kernels on the lags of the grid, shape (n_processes, n_processes, n_lags), in Hz."""
        check_is_fitted(self)
        return self.adjacency_[..., None] * discretise(
            self.kernel, self._parameters, length=self.kernel_length, delta=self.delta
        )

    @property
    def _n_lags(self):
        return len(grid_lags(self.kernel_length, delta=self.delta))

    @property
    def _parameters(self):
        return np.stack([self.kernel_parameters_[name] for name in self.kernel.names])

    @property
    def _model(self):
        """Arguments with which the fitted process is simulated and evaluated."""
        check_is_fitted(self)
        return self.baseline_, self.adjacency_, self.kernel, self._parameters

    def _starts(self, statistics, mask, bounds, rng=None):
        """Starting points in the unit cube, each of shape (n_parameters, n, n)."""
        n = statistics.n_processes
        shape = (len(self.kernel.names), n, n)
        rng = np.random.default_rng(self.random_state) if rng is None else rng
        if isinstance(self.start, dict):
            given = [_spread_out(name, self.start[name], n) for name in self.kernel.names]
            first = to_unit(np.stack(given), bounds)
        elif self.start == "random":
            first = rng.random(shape)
        else:
            mean, spread = lag_moments(statistics, mask=mask)
            options = {"length": self.kernel_length, "delta": self.delta}
            first = to_unit(self.kernel.start(mean, spread, **options), bounds)
        return [first, *(rng.random(shape) for _ in range(self.n_starts - 1))]

    def _search(self, statistics, receiver, mask, start, bounds, max_iter=None):
        """Minimise the part of one receiver from one start."""
        max_iter = self.max_iter if max_iter is None else max_iter
        parameters, _ = from_unit(start, bounds)
        n_events = statistics.n_events[receiver]
        if not mask.any():
            rate = n_events / statistics.duration
            return _Search(np.array([rate]), parameters, [-rate * n_events], 0.0)
        sources = slice(None) if mask.all() else np.flatnonzero(mask)
        start = start[:, sources]

        def part(unit):
            theta, slope = from_unit(unit.reshape(start.shape), bounds)
            loss, gradient, weights = profile_loss(
                statistics, receiver, sources, theta, kernel=self.kernel, length=self.kernel_length
            )
            return loss, (gradient * slope).ravel(), weights

        # Gains are measured against that of the start plus what one parameter gains by chance.
        constant = -(n_events**2) / statistics.duration
        first = part(start.ravel())[0]
        scale = abs(first) + n_events / statistics.duration
        curve = [constant + first]
        result = scipy.optimize.minimize(
            lambda unit: tuple(x / scale for x in part(unit)[:2]),
            start.ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, 1)] * start.size,
            callback=lambda intermediate_result: curve.append(
                constant + scale * intermediate_result.fun
            ),
            options={
                "maxiter": max_iter,
                "maxfun": 20 * max_iter,
                "gtol": 0.1 * self.tol,
                "ftol": 0.0,
                "maxcor": 40,  # parameters of weak and strong effects differ in curvature
            },
        )
        _, gradient, weights = part(result.x)
        parameters[:, sources], _ = from_unit(result.x.reshape(start.shape), bounds)
        projected = np.clip(result.x - gradient / scale, 0, 1) - result.x
        return _Search(weights, parameters, curve, np.abs(projected).max())

    def _check_options(self):
        if not isinstance(self.kernel, Kernel):
            raise ValueError(
                f"kernel must be a Kernel, got {self.kernel!r}. Pass an instance, for example "
                "TruncatedGaussian()."
            )
        check_delta(self.delta, kernel_length=self.kernel_length)
        if isinstance(self.start, dict):
            if set(self.start) != set(self.kernel.names):
                raise ValueError(
                    f"start must have the kernel's parameters {list(self.kernel.names)}, got "
                    f"{sorted(self.start)}."
                )
        elif self.start not in self._named_starts:
            known = ", ".join(f'"{name}"' for name in self._named_starts)
            raise ValueError(f"start must be {known} or a dict, got {self.start!r}.")
        validation.count(self.n_starts, "n_starts")
        validation.count(self.max_iter, "max_iter")
        validation.number(self.tol, "tol", above=0)

    def _check_number(self, n_processes):
        if n_processes != len(self.baseline_):
            raise ValueError(
                f"events holds {n_processes} process(es), the fit had {len(self.baseline_)}."
            )

    def _check_mask(self, n_processes):
        if self.mask is None:
            return np.ones((n_processes, n_processes), dtype=bool)
        mask = np.asarray(self.mask)
        if mask.shape != (n_processes, n_processes):
            raise ValueError(
                f"mask must have shape {(n_processes, n_processes)}, one row a receiver, got "
                f"{mask.shape}."
            )
        if not np.all((mask == 0) | (mask == 1)):
            raise ValueError(f"mask must hold True and False only, got {mask.tolist()}.")
        return mask.astype(bool)


class HawkesEstimator(ParametricEstimator):
    r"""Hawkes process with parametric kernels, fitted by least squares on a grid.

    .. math:: \lambda_i(t) = \mu_i + \sum_j \alpha_{ij} \sum_{t_k \in F_j, t_k < t}
                             \kappa(t - t_k; \theta_{ij})

    The loss (`common.hawkes.loss`) splits over receivers i, and for given :math:`\theta_{i\cdot}`
    its minimum over :math:`\mu_i, \alpha_{i\cdot} \ge 0` is a small non-negative least-squares
    problem. What is left, a function of the kernels' parameters only, goes to L-BFGS-B, with each
    parameter scaled so that its admissible interval is [0, 1]. After one pass over the events the
    cost does not depend on their number.

    Parameters
    ----------
    kernel : Kernel
        Family of kernels, for example ``TruncatedGaussian()``.
    delta : float
        Grid step, in s.
    kernel_length : float
        Support of the kernels, in s: at least five steps, at most the length of the record.
    mask : array_like of bool, shape (n_processes, n_processes), optional
        Where False, ``adjacency_`` is held at 0. By default every process may act on every one.
    start : {"moments", "random"} or dict, default="moments"
        First parameters of the kernels: from the mean and spread of the lags, see
        `common.hawkes.start`; drawn evenly from their admissible box; or one array of shape
        ``(n_processes, n_processes)``, or number, a name.
    n_starts : int, default=1
        Further starts are random; the smallest loss of each receiver is kept.
    exact : bool, default=True
        Whether the loss is exact at the end of the record, or block Toeplitz.
    max_iter : int, default=500
        Iterations of L-BFGS-B, for each receiver and start.
    tol : float, default=1e-5
        A receiver has converged when no component of the projected gradient of its part of the
        loss, by the scaled parameters, exceeds ``tol`` times what the kernels gain at the start
        plus what one parameter gains by chance, which is the receiver's mean rate. The search
        aims at a tenth of it; far below, changes of the loss drown in rounding.
    random_state : int, numpy.random.Generator or None, default=None
        Draws the random starts; unused without them.

    Attributes
    ----------
    baseline_ : ndarray, shape (n_processes,)
        In Hz.
    adjacency_ : ndarray, shape (n_processes, n_processes)
        ``adjacency_[i, j]`` is the mean number of events of i that an event of j triggers.
    kernel_parameters_ : dict of ndarray, each of shape (n_processes, n_processes)
        Where the adjacency is 0, the loss says nothing about them: they are where the search
        stopped seeing them, and for masked pairs at the start.
    loss_ : float
        Loss per event, in Hz.
    loss_curve_ : ndarray, shape (n_iter_ + 1,)
        Loss per event at the start and after each iteration; receivers that have converged keep
        their value.
    n_iter_ : int
        Iterations of the receiver that took most.
    converged_ : bool
    statistics_ : Statistics

    References
    ----------
    .. [1] G. Staerman, C. Allain, A. Gramfort and T. Moreau, "FaDIn: Fast Discretized Inference
       for Hawkes Processes with General Parametric Kernels", ICML 2023, arXiv:2210.04635.
    .. [2] G. H. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least
       squares problems whose variables separate", SIAM J. Numer. Anal. 10(2), 1973.

    Examples
    --------
    >>> from common.hawkes.kernels import TruncatedExponential
    >>> rng = np.random.default_rng(0)
    >>> parents = np.sort(rng.uniform(0, 1000, 1000))
    >>> children = np.sort(parents[:500] + rng.exponential(0.1, 500))
    >>> estimator = HawkesEstimator(
    ...     kernel=TruncatedExponential(), delta=0.01, kernel_length=1.0, mask=[[0, 0], [1, 0]]
    ... )
    >>> estimator = estimator.fit([parents, children[children < 1000]], end_time=1000)
    >>> bool(abs(estimator.adjacency_[1, 0] - 0.5) < 0.05)
    True
    """

    def __init__(
        self,
        *,
        kernel,
        delta,
        kernel_length,
        mask=None,
        start="moments",
        n_starts=1,
        exact=True,
        max_iter=500,
        tol=1e-5,
        random_state=None,
    ):
        self.kernel = kernel
        self.delta = delta
        self.kernel_length = kernel_length
        self.mask = mask
        self.start = start
        self.n_starts = n_starts
        self.exact = exact
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, events, end_time):
        """Estimate baseline, adjacency and kernels.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i,)
            Sorted event times of each process, in s, at least one a process. Or what
            `common.hawkes.inputs.as_arrays` reads: a table of pandas, annotations of MNE-Python.
        end_time : float
            End of the record, in s.

        Returns
        -------
        self : HawkesEstimator

        Raises
        ------
        ValueError
            If an option is out of range, or events are not valid: see `common.hawkes.grid`.

        Warns
        -----
        ConvergenceWarning
            If a receiver stops before it has converged.
        """
        self._check_options()
        binned = bin_events(
            events, end_time=end_time, delta=self.delta, kernel_length=self.kernel_length
        )
        mask = self._check_mask(binned.n_processes)
        statistics = precompute(binned, n_lags=self._n_lags, exact=self.exact)
        bounds = _check_bounds(self.kernel, self.kernel_length, self.delta)
        starts = self._starts(statistics, mask, bounds)
        found = [
            min(
                (self._search(statistics, i, mask[i], start[:, i], bounds) for start in starts),
                key=lambda search: search.curve[-1],
            )
            for i in range(binned.n_processes)
        ]
        self.statistics_ = statistics
        self.baseline_ = np.array([search.weights[0] for search in found])
        self.adjacency_ = np.zeros(mask.shape)
        self.adjacency_[mask] = np.concatenate([search.weights[1:] for search in found])
        parameters = np.stack([search.parameters for search in found], axis=1)
        self.kernel_parameters_ = dict(zip(self.kernel.names, parameters, strict=True))
        self.n_iter_ = max(len(search.curve) for search in found) - 1
        curves = [np.pad(s.curve, (0, self.n_iter_ + 1 - len(s.curve)), "edge") for s in found]
        self.loss_curve_ = np.sum(curves, axis=0) / statistics.n_events.sum()
        self.loss_ = float(self.loss_curve_[-1])
        slopes = np.array([search.slope for search in found])
        self.converged_ = bool(np.all(slopes <= self.tol))
        if not self.converged_:
            worst = int(slopes.argmax())
            warnings.warn(
                f"receiver {worst} stopped after {len(found[worst].curve) - 1} iterations with a "
                f"relative gradient of {slopes[worst]:.1e}, above tol={self.tol:g}. Raise max_iter="
                f"{self.max_iter}, n_starts={self.n_starts} or tol.",
                ConvergenceWarning,
                stacklevel=2,
            )
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
        binned = self._bin_again(events, end_time)
        if not binned.n_events.any():
            raise ValueError("events holds no event at all; the loss per event is undefined.")
        statistics = precompute(binned, n_lags=self._n_lags, exact=self.exact)
        loss, _ = l2_loss(
            statistics,
            self.baseline_,
            self.adjacency_,
            self._parameters,
            kernel=self.kernel,
            length=self.kernel_length,
        )
        return -loss

    def intensity(self, events, end_time, at=None):
        """Intensity of each process.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i,)
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
        binned = self._bin_again(events, end_time)
        if at is None:
            intensity = grid_intensity(binned, self.baseline_, self.grid_kernels_)
            return self.delta * np.arange(binned.n_grid), intensity
        at = validation.vector(at, "at", unit="s")
        return at, intensity_at(at, events, *self._model, length=self.kernel_length)

    def simulate(self, end_time, *, rng):
        """Simulate the fitted process on ``[0, end_time]``, from an empty past.

        Parameters
        ----------
        end_time : float
            In s.
        rng : numpy.random.Generator

        Returns
        -------
        events : list of ndarray, each of shape (n_events_i,)
            In s, sorted.

        Raises
        ------
        TypeError, ValueError
            See `common.hawkes.simulation.simulate`: for example if the fitted adjacency has a
            spectral radius of 1 or more.
        """
        return simulate(*self._model, length=self.kernel_length, end_time=end_time, rng=rng)

    def residuals(self, events, end_time):
        """Increments of the compensator from event to event, unit exponentials if the model holds.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i,)
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
        self._bin_again(events, end_time)
        options = {"length": self.kernel_length, "end_time": end_time}
        return rescaled_intervals(events, *self._model, **options)

    def standard_errors(self, events, end_time):
        """Standard errors of the estimates, from the events that they were fitted on.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i,)
        end_time : float
            End of the record, in s.

        Returns
        -------
        errors : dict of ndarray
            ``"baseline"``, ``"adjacency"`` and each parameter of the kernels, in the unit and
            shape of the estimate; NaN for pairs without effect. See `common.hawkes.uncertainty`.
        """
        binned = self._bin_again(events, end_time)
        statistics = precompute(binned, n_lags=self._n_lags)
        baseline, adjacency, parameters = standard_errors(
            binned,
            statistics,
            self.adjacency_,
            self._parameters,
            kernel=self.kernel,
            length=self.kernel_length,
        )
        named = dict(zip(self.kernel.names, parameters, strict=True))
        return {"baseline": baseline, "adjacency": adjacency, **named}

    def _bin_again(self, events, end_time):
        check_is_fitted(self)
        binned = bin_events(
            events,
            end_time=end_time,
            delta=self.delta,
            kernel_length=self.kernel_length,
            allow_empty=True,
        )
        self._check_number(binned.n_processes)
        return binned


class _Search(NamedTuple):
    weights: np.ndarray
    parameters: np.ndarray
    curve: list
    slope: float


def _spread_out(name, values, n_processes):
    values, shape = np.asarray(values, dtype=float), (n_processes, n_processes)
    if values.shape not in ((), shape) or not np.all(np.isfinite(values)):
        raise ValueError(
            f"start[{name!r}] must be a finite number or an array of shape {shape}, got "
            f"{values.tolist()}."
        )
    return np.broadcast_to(values, shape)


def _check_bounds(kernel, length, delta):
    bounds = np.asarray(kernel.bounds(length, delta), dtype=float)
    if bounds.shape != (len(kernel.names), 2) or not np.all(bounds[:, 0] <= bounds[:, 1]):
        raise ValueError(
            f"{kernel!r} must bound each of {list(kernel.names)} from below and above, got "
            f"{bounds.tolist()} for length={length:g} s and delta={delta:g} s."
        )
    return bounds
