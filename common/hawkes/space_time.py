r"""Estimator of Hawkes processes in the plane and in time, with parametric kernels.

`common.hawkes.space_time_model` says what the model is, `common.hawkes.space_time_loss` what is
minimised.
"""

import warnings
from dataclasses import replace

import numpy as np
import scipy.optimize
import scipy.stats.qmc
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from common import validation
from common.hawkes.inputs import as_arrays
from common.hawkes.kernels import Kernel, from_unit, to_unit
from common.hawkes.space_time_grid import check_events, check_region, to_cells
from common.hawkes.space_time_kernels import SpaceKernel
from common.hawkes.space_time_loss import (
    Kernels,
    Model,
    SpaceTimeStatistics,
    l2_loss_plane,
    precompute_plane,
    profile_loss_plane,
)
from common.hawkes.space_time_model import (
    SpaceTimeModel,
    check_backgrounds,
    constant,
    values_of_backgrounds,
)

__all__ = ["SpaceTimeHawkes"]


class SpaceTimeHawkes(BaseEstimator):
    r"""Hawkes process in the plane and in time, fitted by least squares on a grid [1]_.

    Background rates and adjacency are profiled out, so the search sees the parameters of the
    kernels only. It begins at the best of some points that fill their box evenly, first with a
    quadratic form that ignores borders, then with the exact one.

    Parameters
    ----------
    space_kernel : SpaceKernel
        For example ``PowerLaw()``.
    time_kernel : Kernel
        For example ``TruncatedExponential()``.
    region : array_like, shape (2, 2)
        Lowest and highest x, lowest and highest y, in the unit of length.
    space_length, time_length : float
        The kernels reach this far on both axes, and this long.
    space_delta, time_delta : float
        Sides of a cell of the grid; they are adjusted so that a whole number fills region and
        record.
    backgrounds : sequence of callable, default=(constant,)
        Functions of time, 0 or more, each with a rate of its own.
    exact : bool, default=True
        Whether the loss ends at the borders of region and record.
    start : dict of dict, optional
        First parameters: ``"space"`` and ``"time"`` lead to values by name. By default they are
        searched for.
    n_candidates : int, default=32
        Points among which a search without ``start`` begins.
    max_iter : int, default=200
        Iterations of L-BFGS-B, for each receiver.
    tol : float, default=1e-5
        Largest projected gradient at the end, in shares of the gain over a constant intensity and
        of the box of parameters.
    unit : {"km", "m", "cm", "mm", "um", "degrees"}, default="km"
        Of lengths; in ``"degrees"``, longitude and latitude are taken as they are.

    Attributes
    ----------
    baseline_ : ndarray, shape (n_processes, n_backgrounds)
        Per area and time.
    adjacency_ : ndarray, shape (n_processes, n_processes)
        Mean number of events of i that an event of j triggers.
    space_parameters_, time_parameters_ : dict of ndarray, each of shape (n_processes, n_processes)
    loss_ : float
        Loss per event.
    n_iter_ : int
        Evaluations of the exact loss by the receiver that took most.
    converged_ : bool
    statistics_ : SpaceTimeStatistics
    model_ : SpaceTimeModel
        The fitted process.

    References
    ----------
    .. [1] E. Siviero, G. Staerman, S. Clémençon and T. Moreau, "Flexible Parametric Inference for
       Space-Time Hawkes Processes", arXiv:2406.06849, 2024.

    Examples
    --------
    >>> from common.hawkes.kernels import TruncatedGaussian
    >>> from common.hawkes.space_time_kernels import IsotropicGaussian
    >>> where = {"region": [[-5, 5], [-5, 5]], "space_length": 1.0, "time_length": 1.0}
    >>> kernels = IsotropicGaussian(), TruncatedGaussian()
    >>> truth = SpaceTimeModel([0.5], [[0.6]], *kernels, [0.0, 0.1], [0.5, 0.1], **where)
    >>> events = truth.simulate(20.0, rng=np.random.default_rng(0))
    >>> estimator = SpaceTimeHawkes(*kernels, space_delta=0.1, time_delta=0.1, **where)
    >>> bool(abs(estimator.fit(events, end_time=20.0).adjacency_[0, 0] - 0.6) < 0.1)
    True
    """

    def __init__(
        self,
        space_kernel,
        time_kernel,
        *,
        region,
        space_length,
        time_length,
        space_delta,
        time_delta,
        backgrounds=(constant,),
        exact=True,
        start=None,
        n_candidates=32,
        max_iter=200,
        tol=1e-5,
        unit="km",
    ):
        self.space_kernel = space_kernel
        self.time_kernel = time_kernel
        self.region = region
        self.space_length = space_length
        self.time_length = time_length
        self.space_delta = space_delta
        self.time_delta = time_delta
        self.backgrounds = backgrounds
        self.exact = exact
        self.start = start
        self.n_candidates = n_candidates
        self.max_iter = max_iter
        self.tol = tol
        self.unit = unit

    def fit(self, events, end_time):
        """Estimate background rates, adjacency and kernels.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 3)
            Of each process: time, x and y, sorted by time; at least one event a process. Or what
            `common.hawkes.inputs.as_arrays` reads: a table of pandas with these columns.
        end_time : float
            End of the record, which begins at 0.

        Returns
        -------
        self : SpaceTimeHawkes

        Raises
        ------
        TypeError
            If an option is of another type.
        ValueError
            If an option is out of range, or events are not valid: see
            `common.hawkes.space_time_grid.check_events`.

        Warns
        -----
        ConvergenceWarning
            If a receiver stops before it has converged.
        """
        self._check_options(end_time)
        return self.fit_statistics(self.precompute(events, end_time))

    def fit_statistics(self, statistics):
        """Second part of `fit`, from sums that are there.

        Parameters
        ----------
        statistics : SpaceTimeStatistics
            Of `precompute`.

        Returns
        -------
        self : SpaceTimeHawkes

        Raises
        ------
        TypeError
            If these are no sums of `precompute`.

        Warns
        -----
        ConvergenceWarning
            As in `fit`.
        """
        if not isinstance(statistics, SpaceTimeStatistics):
            raise TypeError(
                f"statistics must be SpaceTimeStatistics, got {statistics!r}. Make them with "
                "precompute."
            )
        bounds = self._bounds(statistics)
        found = [self._search(statistics, i, bounds) for i in range(statistics.n_processes)]
        n_background, n_space = len(self.backgrounds), len(self.space_kernel.names)
        weights = np.stack([each["weights"] for each in found])
        parameters = np.stack([each["parameters"] for each in found], axis=1)
        self.baseline_, self.adjacency_ = weights[:, :n_background], weights[:, n_background:]
        space, time = parameters[:n_space], parameters[n_space:]
        self.space_parameters_ = dict(zip(self.space_kernel.names, space, strict=True))
        self.time_parameters_ = dict(zip(self.time_kernel.names, time, strict=True))
        self.loss_ = sum(each["loss"] for each in found) / statistics.n_events.sum()
        self.n_iter_ = max(each["n_iter"] for each in found)
        self.converged_ = all(each["slope"] <= self.tol for each in found)
        self.statistics_ = statistics
        self.model_ = SpaceTimeModel(
            self.baseline_,
            self.adjacency_,
            self.space_kernel,
            self.time_kernel,
            space,
            time,
            region=self.region,
            space_length=self.space_length,
            time_length=self.time_length,
            backgrounds=self.backgrounds,
            unit=self.unit,
        )
        if not self.converged_:
            worst = int(np.argmax([each["slope"] for each in found]))
            warnings.warn(
                f"receiver {worst} stopped with a relative gradient of "
                f"{found[worst]['slope']:.1e}, above tol={self.tol:g}. Raise max_iter="
                f"{self.max_iter} or n_candidates={self.n_candidates}.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def score(self, events, end_time):
        """Minus the loss per event of these events: higher is better.

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
        check_is_fitted(self)
        statistics = self.precompute(events, end_time, allow_empty=True)
        if statistics.n_processes != len(self.adjacency_):
            raise ValueError(
                f"events holds {statistics.n_processes} process(es), the fit had "
                f"{len(self.adjacency_)}."
            )
        if not statistics.n_events.any():
            raise ValueError("events holds no event at all; the loss per event is undefined.")
        loss = 0.0
        for i in range(statistics.n_processes):
            weights = np.append(self.baseline_[i], self.adjacency_[i])
            space, time = self.model_.space_parameters[:, i], self.model_.time_parameters[:, i]
            kernels = Kernels.of(self._families, statistics, space, time)
            loss += l2_loss_plane(statistics, i, kernels, weights)[0]
        return -loss / float(statistics.n_events.sum())

    def log_likelihood(self, events, end_time, *, begin=0.0):
        """Log-likelihood under the fitted model; see `SpaceTimeModel.log_likelihood`.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 3)
            Time, x and y, sorted by time.
        end_time : float
            End of the record.
        begin : float, default=0
            Events before it are a history, which is not judged: a split in time.

        Returns
        -------
        log_likelihood : float
        """
        check_is_fitted(self)
        return self.model_.log_likelihood(events, end_time, begin=begin)

    def intensity(self, events, end_time, at):
        """Intensity of each process; see `SpaceTimeModel.intensity`.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 3)
            Time, x and y, sorted by time.
        end_time : float
            End of the record.
        at : array_like, shape (n_points, 3)
            Time, x and y, in any order.

        Returns
        -------
        points : ndarray, shape (n_points, 3)
            Those of ``at``.
        intensity : ndarray, shape (n_processes, n_points)
            Per area and time.
        """
        check_is_fitted(self)
        at = np.asarray(at, dtype=float)
        return at, self.model_.intensity(at, events, end_time)

    def simulate(self, end_time, *, rng):
        """Draw events from the fitted model; see `SpaceTimeModel.simulate`.

        Parameters
        ----------
        end_time : float
        rng : numpy.random.Generator

        Returns
        -------
        events : list of ndarray, each of shape (n_events_i, 3)
            Time, x and y, sorted by time.
        """
        check_is_fitted(self)
        return self.model_.simulate(end_time, rng=rng)

    def residuals(self, events, end_time):
        """Increments of the compensator from event to event, unit exponentials if the model holds.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 3)
            Time, x and y, sorted by time.
        end_time : float
            End of the record.

        Returns
        -------
        intervals : list of ndarray, each of shape (n_events_i,)
            The first is counted from time 0.

        See Also
        --------
        common.hawkes.goodness.goodness_of_fit : Tests and draws them, and residual points.
        """
        check_is_fitted(self)
        return self.model_.rescaled_intervals(events, end_time)

    def super_thinned(self, events, end_time, *, rng):
        """Residual points, uniform if the fitted model is true; see `SpaceTimeModel.super_thinned`.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i, 3)
            Time, x and y, sorted by time.
        end_time : float
            End of the record.
        rng : numpy.random.Generator

        Returns
        -------
        residuals : list of ndarray, each of shape (n_residuals_i, 3)
            Time, x and y, sorted by time.
        rates : ndarray, shape (n_processes,)
        """
        check_is_fitted(self)
        return self.model_.super_thinned(events, end_time, rng=rng)

    def precompute(self, events, end_time, *, allow_empty=False):
        """Sums of the loss.

        Parameters
        ----------
        events, end_time
            As in `fit`.
        allow_empty : bool, default=False
            Whether a process may have no event.

        Returns
        -------
        statistics : SpaceTimeStatistics

        Raises
        ------
        ValueError
            As in `fit`.
        """
        region = check_region(self.region, space_length=self.space_length, unit=self.unit)
        options = {"region": region, "end_time": end_time}
        events = check_events(events, unit=self.unit, allow_empty=allow_empty, **options)
        deltas = {"space_delta": self.space_delta, "time_delta": self.time_delta}
        cells = to_cells(events, **options, **deltas)
        middles = cells.delta[0] * (np.arange(cells.shape[0]) + 0.5)
        check_backgrounds(self.backgrounds)
        backgrounds = np.stack(values_of_backgrounds(self.backgrounds, middles))
        return precompute_plane(
            cells,
            space_length=self.space_length,
            time_length=self.time_length,
            backgrounds=backgrounds,
            exact=self.exact,
        )

    def standard_errors(self, events, end_time):
        r"""Standard errors of the estimates, from the events that they were fitted on.

        The gradient of the loss at the truth is :math:`-2 \int \partial\lambda\, dM`, with M the
        martingale of the counts, so its covariance is estimated by :math:`4 \sum_n
        \partial\lambda(n)\, \partial\lambda(n)^T` over the events, between two inverse matrices of
        second derivatives.

        Parameters
        ----------
        events, end_time
            As in `fit`.

        Returns
        -------
        errors : dict of ndarray
            ``"baseline"``, ``"adjacency"``, and ``"space"`` and ``"time"``, each a dict by the name
            of a parameter, in the shapes of the estimates; NaN for pairs without effect.
        """
        check_is_fitted(self)
        events = as_arrays(events, ("x", "y"))
        statistics, n = self.precompute(events, end_time), len(self.adjacency_)
        found = np.stack([self._errors(statistics, events, end_time, i) for i in range(n)], axis=1)
        n_background, n_space = len(self.backgrounds), len(self.space_kernel.names)
        by_name = found[n_background + n :].T.reshape(n, -1, n).swapaxes(0, 1)
        return {
            "baseline": found[:n_background].T,
            "adjacency": found[n_background : n_background + n].T,
            "space": dict(zip(self.space_kernel.names, by_name[:n_space], strict=True)),
            "time": dict(zip(self.time_kernel.names, by_name[n_space:], strict=True)),
        }

    def _errors(self, statistics, events, end_time, receiver):
        """Errors of the weights of a receiver, then of its parameters by name and source."""
        model, n = self.model_, len(self.adjacency_)
        n_background, n_space = len(self.backgrounds), len(self.space_kernel.names)
        theta = np.concatenate([model.space_parameters, model.time_parameters])[:, receiver]
        point = np.concatenate([self.baseline_[receiver], self.adjacency_[receiver], theta.ravel()])
        points = np.asarray(events[receiver], dtype=float)

        def gradient(at):
            kernels = at[n_background + n :].reshape(-1, n)
            kernels = Kernels.of(self._families, statistics, kernels[:n_space], kernels[n_space:])
            _, *by = l2_loss_plane(statistics, receiver, kernels, at[: n_background + n])
            return np.concatenate([np.ravel(each) for each in by])

        def rate(at):
            weights, kernels = at[: n_background + n], at[n_background + n :].reshape(-1, n)
            arrays = self.baseline_.copy(), self.adjacency_.copy()
            arrays[0][receiver], arrays[1][receiver] = np.split(weights, [n_background])
            space, time = model.space_parameters.copy(), model.time_parameters.copy()
            space[:, receiver], time[:, receiver] = kernels[:n_space], kernels[n_space:]
            changed = {"baseline": arrays[0], "adjacency": arrays[1]}
            changed |= {"space_parameters": space, "time_parameters": time}
            changed = replace(model, **changed)
            return changed.intensity(points, events, end_time)[receiver]

        seen = np.ones(len(point), dtype=bool)
        seen[n_background + n :] = np.tile(self.adjacency_[receiver] > 0, len(theta))
        second, slopes = [], []
        for index in np.flatnonzero(seen):
            step = 1e-4 * max(abs(point[index]), 1e-2)
            high, low = point.copy(), point.copy()
            high[index] += step
            low[index] = (
                max(low[index] - step, 0.0) if index < n_background + n else (low[index] - step)
            )
            width = high[index] - low[index]
            second.append((gradient(high) - gradient(low))[seen] / width)
            slopes.append((rate(high) - rate(low)) / width)
        inverse = np.linalg.pinv((np.array(second) + np.array(second).T) / 2, hermitian=True)
        covariance = inverse @ (4 * np.array(slopes) @ np.array(slopes).T) @ inverse
        errors = np.full(len(point), np.nan)
        errors[seen] = np.sqrt(np.diag(covariance))
        return errors

    def loss_and_gradient(self, statistics, receiver, parameters):
        """Loss of one receiver for given kernels, at its best background rates and adjacency.

        Parameters
        ----------
        statistics : SpaceTimeStatistics
        receiver : int
        parameters : ndarray, shape (n_parameters, n_processes)
            Spatial, then temporal.

        Returns
        -------
        loss : float
            Times the number of its events.
        by_parameters : ndarray, shape (n_parameters, n_processes)
        weights : ndarray, shape (n_backgrounds + n_processes,)
        """
        n_space = len(self.space_kernel.names)
        space, time = parameters[:n_space], parameters[n_space:]
        kernels = Kernels.of(self._families, statistics, space, time)
        return profile_loss_plane(statistics, receiver, kernels)

    @property
    def _families(self):
        return Model(self.space_kernel, self.time_kernel, self.space_length, self.time_length)

    def _bounds(self, statistics):
        space = self.space_kernel.bounds(self.space_length, max(statistics.delta[1:]))
        time = self.time_kernel.bounds(self.time_length, statistics.delta[0])
        return np.concatenate([space, time])

    def _search(self, statistics, receiver, bounds):
        n = statistics.n_processes
        scale = max(abs(self._constant_loss(statistics, receiver)), 1e-300)

        def part(unit, statistics):
            theta, slope = from_unit(unit.reshape(len(bounds), n), bounds)
            loss, gradient, weights = self.loss_and_gradient(statistics, receiver, theta)
            return loss, gradient * slope, weights, theta

        def descend(unit, statistics, tol, max_iter):
            return scipy.optimize.minimize(
                lambda u: tuple(x / scale for x in map(np.ravel, part(u, statistics)[:2])),
                unit,
                jac=True,
                method="L-BFGS-B",
                bounds=[(0, 1)] * unit.size,
                options={"maxiter": max_iter, "gtol": tol, "ftol": 1e-13},
            )

        rough = statistics.without_borders()
        unit = self._first(rough, bounds, n, part)
        if self.exact:
            unit = descend(unit, rough, 1e-4, self.max_iter).x
        result = descend(unit, statistics, 0.1 * self.tol, self.max_iter)
        loss, gradient, weights, theta = part(result.x, statistics)
        step = np.clip(result.x - gradient.ravel() / scale, 0, 1) - result.x
        return {
            "weights": weights,
            "parameters": theta,
            "loss": loss,
            "slope": float(np.abs(step).max()),
            "n_iter": result.nfev,
        }

    def _first(self, statistics, bounds, n, part):
        """Where the search begins, in the unit cube."""
        if self.start is not None:
            space = [self.start["space"][name] for name in self.space_kernel.names]
            time = [self.start["time"][name] for name in self.time_kernel.names]
            theta = np.repeat(np.array([*space, *time], dtype=float)[:, None], n, axis=1)
            return to_unit(theta, bounds).ravel()
        points = scipy.stats.qmc.Halton(len(bounds), scramble=False).random(self.n_candidates + 1)
        units = [np.repeat(point, n) for point in points[1:]]
        return min(units, key=lambda unit: part(unit, statistics)[0])

    @staticmethod
    def _constant_loss(statistics, receiver):
        """Loss of the best background alone, which is negative."""
        sums = statistics.background_events[receiver]
        return -float(sums @ np.linalg.lstsq(statistics.background_gram, sums, rcond=None)[0])

    def _check_options(self, end_time):
        for name, kind, example in (
            ("space_kernel", SpaceKernel, "PowerLaw()"),
            ("time_kernel", Kernel, "TruncatedExponential()"),
        ):
            if not isinstance(getattr(self, name), kind):
                raise ValueError(
                    f"{name} must be a {kind.__name__}, got {getattr(self, name)!r}. Pass an "
                    f"instance, for example {example}."
                )
        end_time = validation.number(end_time, "end_time", above=0)
        for name in ("space", "time"):
            length = validation.number(getattr(self, f"{name}_length"), f"{name}_length", above=0)
            delta = validation.number(getattr(self, f"{name}_delta"), f"{name}_delta", above=0)
            if delta > length:
                raise ValueError(
                    f"{name}_delta={delta:g} exceeds {name}_length={length:g}: no lag of the grid "
                    f"lies within the kernel. Use about a twentieth of {name}_length."
                )
        if self.time_length > end_time:
            raise ValueError(
                f"the kernel lasts time_length={self.time_length:g}, longer than the record, "
                f"end_time={end_time:g}. Use a shorter kernel or a longer record."
            )
        check_backgrounds(self.backgrounds)
        validation.choice(self.exact, (True, False), "exact")
        validation.count(self.n_candidates, "n_candidates")
        validation.count(self.max_iter, "max_iter")
        validation.number(self.tol, "tol", above=0)
        kernels = {"space": self.space_kernel, "time": self.time_kernel}
        wanted = {key: sorted(kernel.names) for key, kernel in kernels.items()}
        given = self.start
        if given is not None and not (
            isinstance(given, dict) and all(isinstance(each, dict) for each in given.values())
        ):
            raise TypeError(f"start must be a dict with the parameters {wanted}, got {given!r}.")
        if given is not None and {key: sorted(each) for key, each in given.items()} != wanted:
            raise ValueError(f"start must have the parameters {wanted}, got {given}.")
