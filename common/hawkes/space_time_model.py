r"""Simulation, intensity, likelihood and residuals of Hawkes processes in the plane and in time.

.. math:: \lambda_i(x, t) = \sum_m \mu_{im} b_m(t) + \sum_j \alpha_{ij} \sum_{n \in j, t_n < t}
                            g_{ij}(x - x_n)\, h_{ij}(t - t_n)

Only events inside the region count: an event outside is not seen, so it triggers nothing here. All
is exact in continuous space and time, up to the quadrature of backgrounds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from common import validation
from common.hawkes.kernels import Kernel
from common.hawkes.pairs import check_memory, iter_pairs
from common.hawkes.simulation import spectral_radius
from common.hawkes.space_time_grid import check_events, check_region, iter_close_pairs
from common.hawkes.space_time_kernels import SpaceKernel

__all__ = ["Omori", "SpaceTimeModel", "check_backgrounds", "constant", "values_of_backgrounds"]

_EVENT_BYTES = 120  # of an event, with what it takes to draw it
_MOST_POINTS = 1e12  # of a residual process
_PANELS = 64  # of the quadrature of a background over time
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


def constant(times):
    """Background that is 1 at all times.

    Parameters
    ----------
    times : ndarray

    Returns
    -------
    background : ndarray
    """
    return np.ones_like(np.asarray(times, dtype=float))


def check_backgrounds(backgrounds):
    """Refuse what is no sequence of functions.

    Parameters
    ----------
    backgrounds : sequence of callable

    Raises
    ------
    TypeError
        If it is none, or one of it is no function.
    ValueError
        If it is empty.
    """
    if not np.iterable(backgrounds) or isinstance(backgrounds, (str, bytes)):
        raise TypeError(
            f"backgrounds must be a sequence of functions of time, got {backgrounds!r}. For one, "
            "pass [background]."
        )
    if not len(backgrounds):
        raise ValueError("backgrounds is empty: a process needs one at least, such as constant.")
    for m, each in enumerate(backgrounds):
        if not callable(each):
            raise TypeError(
                f"backgrounds[{m}] must be a function of time, got {each!r}. For a constant one, "
                "pass common.hawkes.space_time_model.constant."
            )


def values_of_backgrounds(backgrounds, times):
    """Values of each background at given times, if they are rates.

    Parameters
    ----------
    backgrounds : sequence of callable
    times : ndarray

    Returns
    -------
    values : list of ndarray
        Each of the shape of ``times``.

    Raises
    ------
    TypeError, ValueError
        If one is no number, negative or not finite, or there is not one for each time.
    """
    found = []
    for m, each in enumerate(backgrounds):
        values = validation.array(each(times), f"backgrounds[{m}]", at_least=0, empty=True)
        if values.shape != times.shape:
            raise ValueError(
                f"backgrounds[{m}] must give one value for each time, of shape {times.shape}, got "
                f"shape {values.shape}. For a constant c, return np.full_like(times, c)."
            )
        found.append(values)
    return found


@dataclass(frozen=True)
class Omori:
    """Background ``1 / (t + delay)``: aftershocks of an event at time ``-delay`` or before.

    Parameters
    ----------
    delay : float
        Above 0, in the unit of time.
    """

    delay: float

    def __post_init__(self):
        validation.number(self.delay, "delay", above=0)

    def __call__(self, times):
        """Background at given times, relative to the baseline.

        Parameters
        ----------
        times : array_like
            After ``-delay``.

        Returns
        -------
        background : ndarray

        Raises
        ------
        TypeError, ValueError
            If a time is no finite number, or not after ``-delay``.
        """
        times = validation.array(times, "times", above=-self.delay, empty=True)
        return 1 / (times.astype(float, copy=False) + self.delay)


@dataclass(frozen=True)
class SpaceTimeModel:
    """Process with given parameters.

    Parameters
    ----------
    baseline : array_like, shape (n_processes, n_backgrounds)
        Rates of the backgrounds, per area and time.
    adjacency : array_like, shape (n_processes, n_processes)
        ``adjacency[i, j]``: mean number of events of i that an event of j triggers, inside the
        region or not.
    space_kernel : SpaceKernel
    time_kernel : Kernel
    space_parameters, time_parameters : array_like, shape (n_parameters, n_processes, n_processes)
    region : array_like, shape (2, 2)
        Lowest and highest x, lowest and highest y.
    space_length, time_length : float
        Supports of the kernels.
    backgrounds : sequence of callable, default=(constant,)
        Each takes times and returns values of 0 or more.
    unit : {"km", "m", "cm", "mm", "um", "degrees"}, default="km"
        Of lengths.

    Raises
    ------
    TypeError
        If a value is no number, or a background no function.
    ValueError
        If shapes do not fit, a rate or weight is negative or not finite, parameters describe no
        density, there is no background, or region or unit are not valid (`check_region`).
    """

    baseline: np.ndarray
    adjacency: np.ndarray
    space_kernel: SpaceKernel
    time_kernel: Kernel
    space_parameters: np.ndarray
    time_parameters: np.ndarray
    region: np.ndarray = field(kw_only=True)
    space_length: float = field(kw_only=True)
    time_length: float = field(kw_only=True)
    backgrounds: Sequence[Callable] = field(default=(constant,), kw_only=True)
    unit: str = field(default="km", kw_only=True)

    def __post_init__(self):
        adjacency = validation.array(self.adjacency, "adjacency", ndim=2, at_least=0)
        baseline = validation.array(self.baseline, "baseline", at_least=0)
        check_backgrounds(self.backgrounds)
        n, n_backgrounds = len(adjacency), len(self.backgrounds)
        baseline = baseline[:, None] if baseline.ndim == 1 else baseline
        if adjacency.shape != (n, n) or baseline.shape != (n, n_backgrounds):
            raise ValueError(
                "adjacency must be square and baseline have one row a process and one column a "
                f"background, {n_backgrounds}, got shapes {adjacency.shape} and {baseline.shape}."
            )
        validation.number(self.time_length, "time_length", above=0)
        validation.number(self.space_length, "space_length", above=0)
        region = check_region(self.region, space_length=self.space_length, unit=self.unit)
        found = {"baseline": baseline, "adjacency": adjacency, "region": region}
        for name, kernel in (("space", self.space_kernel), ("time", self.time_kernel)):
            theta = np.asarray(getattr(self, f"{name}_parameters"), dtype=float)
            if theta.ndim == 1:
                theta = np.broadcast_to(theta[:, None, None], (len(theta), n, n))
            if kernel.check(theta).shape[1:] != (n, n):
                raise ValueError(
                    f"{name}_parameters must have shape ({len(theta)}, {n}, {n}), got "
                    f"{theta.shape}."
                )
            found[f"{name}_parameters"] = theta
        for i, j in zip(*np.nonzero(adjacency), strict=True):
            self.space_kernel._whole(found["space_parameters"][:, i, j], self.space_length)
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def n_processes(self):
        """Number of processes."""
        return len(self.adjacency)

    def simulate(self, end_time, *, rng):
        """Draw events in the region from time 0, when there is nothing yet.

        Immigrants come at the background's rate; each event has a Poisson number of children. One
        that falls outside the region or the record is dropped before it has children of its own.

        Parameters
        ----------
        end_time : float
        rng : numpy.random.Generator

        Returns
        -------
        events : list of ndarray, each of shape (n_events_i, 3)
            Time, x and y, sorted by time.

        Raises
        ------
        TypeError
            If ``rng`` is no generator.
        ValueError
            If the spectral radius of the adjacency is 1 or more, or there would be more events
            than memory.
        """
        end_time = validation.number(end_time, "end_time", above=0)
        radius = spectral_radius(self.adjacency)
        if radius >= 1:
            raise ValueError(
                f"the spectral radius of the adjacency is {radius:.3g}: from 1 on, events would "
                "multiply without end. Use a smaller adjacency."
            )
        rng = validation.generator(rng)
        area = np.prod(self.region[:, 1] - self.region[:, 0])
        expected = area * self.baseline @ self._background_integral(0, end_time)
        check_memory(
            _EVENT_BYTES * expected.sum() / (1 - radius),
            what=f"simulating about {expected.sum() / (1 - radius):,.0f} events",
            fix="Use a shorter record or smaller rates.",
        )
        n = self.n_processes
        found = [[self._immigrants(i, area, end_time, rng)] for i in range(n)]
        generation = [each[0] for each in found]
        while any(map(len, generation)):
            following = [[np.zeros((0, 3))] for _ in range(n)]
            for i, j in np.ndindex(n, n):
                following[i].append(self._children(i, j, generation[j], end_time, rng))
            generation = [np.concatenate(each) for each in following]
            for each, new in zip(found, generation, strict=True):
                each.append(new)
        events = [np.concatenate(each) for each in found]
        return [each[np.argsort(each[:, 0], kind="stable")] for each in events]

    def intensity(self, points, events, end_time):
        """Intensity of every process just before given times, at given places.

        Parameters
        ----------
        points : array_like, shape (n_points, 3)
            Time, x and y, in any order.
        events : sequence of array_like, each of shape (n_events_i, 3)
            Time, x and y, sorted by time.
        end_time : float
            End of the record.

        Returns
        -------
        intensity : ndarray, shape (n_processes, n_points)
            Per area and time. An event at a time itself does not count.

        Raises
        ------
        ValueError
            If events are not valid (`common.hawkes.space_time_grid.check_events`), or points have
            another shape.
        """
        events = self._check(events, end_time)
        points = validation.array(points, "points", ndim=2, empty=True)
        if points.shape[1] != 3:
            raise ValueError(f"points must have three columns, time, x and y, got {points.shape}.")
        intensity = self.baseline @ np.stack(values_of_backgrounds(self.backgrounds, points[:, 0]))
        reach = self.time_length, self.space_length, self.space_length
        for j, sources in enumerate(events):
            if not self.adjacency[:, j].any():
                continue
            for source, target in iter_close_pairs(sources, points, reach):
                lag = points[target] - sources[source]
                later = lag[:, 0] > 0
                lag, target = lag[later], target[later]
                for i in np.flatnonzero(self.adjacency[:, j]):
                    value = self._value(i, j, lag)
                    intensity[i] += np.bincount(target, value, minlength=len(points))
        return intensity

    def compensator(self, times, events, end_time):
        """Integral of the intensity over the region, from 0 to given times.

        Parameters
        ----------
        times : array_like, shape (n_times,)
            Ascending, from 0 on.
        events, end_time
            As in `intensity`.

        Returns
        -------
        compensator : ndarray, shape (n_processes, n_times)

        Raises
        ------
        ValueError
            If times do not ascend, or as in `intensity`.
        """
        events = self._check(events, end_time)
        times = validation.vector(times, "times", ascending=True, at_least=0)
        area = np.prod(self.region[:, 1] - self.region[:, 0])
        found = area * self.baseline @ self._background_integral(np.zeros_like(times), times)
        for j, sources in enumerate(events):
            for i in np.flatnonzero(self.adjacency[:, j]):
                mass = self.adjacency[i, j] * self._mass_inside(i, j, sources[:, 1:])
                theta = self.time_parameters[:, i, j]
                # Older events have spent all their mass; the others are paired, in blocks.
                spent = np.concatenate([[0.0], np.cumsum(mass)])
                oldest = np.searchsorted(sources[:, 0], times - self.time_length, side="left")
                found[i] += spent[oldest]
                for source, target in iter_pairs(sources[:, 0], times, longest=self.time_length):
                    lag = times[target] - sources[source, 0]
                    part = self.time_kernel.integral(lag, theta, length=self.time_length)
                    found[i] += np.bincount(target, mass[source] * part, minlength=len(times))
        return found

    def log_likelihood(self, events, end_time, *, begin=0.0):
        """Log-likelihood of the events after ``begin``, given those before, per such event.

        Parameters
        ----------
        events, end_time
            As in `intensity`.
        begin : float, default=0.0
            Where the held-out part of the record begins.

        Returns
        -------
        log_likelihood : float
            In nats; it depends on the units of area and time.

        Raises
        ------
        ValueError
            If there is no event after ``begin``, or as in `intensity`.
        """
        gained, spent = self.log_likelihood_terms(events, end_time, begin=begin)
        return float((gained.sum() - spent) / len(gained))

    def log_likelihood_terms(self, events, end_time, *, begin=0.0):
        """Parts of the log-likelihood: of each event, and of the time without.

        Parameters
        ----------
        events, end_time, begin
            As in `log_likelihood`.

        Returns
        -------
        gained : ndarray, shape (n_held_out,)
            Logarithm of the intensity at each event after ``begin``, process by process.
        spent : float
            Expected number of events after ``begin``.

        Raises
        ------
        ValueError
            As in `log_likelihood`.
        """
        events = self._check(events, end_time)
        begin = validation.number(begin, "begin", at_least=0, below=end_time)
        held_out = [each[each[:, 0] > begin] if begin else each for each in events]
        if not any(map(len, held_out)):
            raise ValueError(f"there is no event after begin={begin:g} to score.")
        with np.errstate(divide="ignore"):
            gained = [
                np.log(self.intensity(points, events, end_time)[i])
                for i, points in enumerate(held_out)
            ]
        spent = np.diff(self.compensator([begin, end_time], events, end_time)).sum()
        return np.concatenate(gained), float(spent)

    def rescaled_intervals(self, events, end_time):
        """Increments of the compensator from event to event: unit exponentials under the model.

        Parameters
        ----------
        events, end_time
            As in `intensity`.

        Returns
        -------
        intervals : list of ndarray, each of shape (n_events_i,)
            The first is counted from time 0.
        """
        events = self._check(events, end_time)
        return [
            np.diff(self.compensator(points[:, 0], events, end_time)[i], prepend=0.0)
            if len(points)
            else np.zeros(0)
            for i, points in enumerate(events)
        ]

    def super_thinned(self, events, end_time, *, rng, rate=None):
        """Residual points: a homogeneous Poisson process under the true model.

        Events where the intensity exceeds ``rate`` are kept with probability ``rate / intensity``,
        and points are added where it falls short [1]_.

        Parameters
        ----------
        events, end_time
            As in `intensity`.
        rng : numpy.random.Generator
        rate : float, optional
            Per area and time; by default, of each process, its number of events over the volume.

        Returns
        -------
        residuals : list of ndarray, each of shape (n_residuals_i, 3)
            Time, x and y, sorted by time.
        rates : ndarray, shape (n_processes,)

        Raises
        ------
        TypeError
            If ``rng`` is no generator, or ``rate`` no number.
        ValueError
            If ``rate`` is not above 0 or stands for more than 1e12 points, there would be more
            points than memory, or as in `intensity`.

        References
        ----------
        .. [1] R. A. Clements, F. P. Schoenberg and A. Veen, "Evaluation of space-time point process
           models using super-thinning", Environmetrics 23(7), 2012.
        """
        events = self._check(events, end_time)
        rng = validation.generator(rng)
        volume = end_time * np.prod(self.region[:, 1] - self.region[:, 0])
        rates = np.array([len(each) / volume for each in events])
        if rate is not None:
            most = _MOST_POINTS / float(volume)
            rates[:] = validation.number(rate, "rate", above=0, at_most=most)
            n_expected = rates[0] * volume * len(rates)
            check_memory(
                _EVENT_BYTES * n_expected,
                what=f"rate={rate:g} adds about {n_expected:.3g} points, which",
                fix="Use a smaller rate.",
            )
        residuals = []
        for i, points in enumerate(events):
            at_events = self.intensity(points, events, end_time)[i]
            kept = points[rng.random(len(points)) * at_events < rates[i]]
            added = self._uniform(rng.poisson(rates[i] * volume), end_time, rng)
            short = rates[i] - self.intensity(added, events, end_time)[i]
            added = added[rng.random(len(added)) * rates[i] < short]
            both = np.concatenate([kept, added])
            residuals.append(both[np.argsort(both[:, 0], kind="stable")])
        return residuals, rates

    def _check(self, events, end_time):
        events = check_events(
            events, region=self.region, end_time=end_time, unit=self.unit, allow_empty=True
        )
        if len(events) != self.n_processes:
            raise ValueError(
                f"events holds {len(events)} process(es), the model has {self.n_processes}."
            )
        return events

    def _value(self, i, j, lag):
        t, x, y = lag.T
        space = self.space_kernel.value(
            x, y, self.space_parameters[:, i, j], length=self.space_length
        )
        time = self.time_kernel.value(t, self.time_parameters[:, i, j], length=self.time_length)
        return self.adjacency[i, j] * space * time

    def _mass_inside(self, i, j, places):
        """Share of the spatial kernel of events at given places that lies in the region."""
        (low_x, high_x), (low_y, high_y) = self.region
        x, y = places.T
        return self.space_kernel.mass(
            low_x - x,
            high_x - x,
            low_y - y,
            high_y - y,
            self.space_parameters[:, i, j],
            length=self.space_length,
        )

    def _background_integral(self, begin, end):
        """Integral of each background, shape (n_backgrounds, ...)."""
        begin, end = np.asarray(begin, dtype=float), np.asarray(end, dtype=float)
        # Panels that grow: a decaying background is steepest at the beginning.
        edges = begin[..., None] + (end - begin)[..., None] * np.linspace(0, 1, _PANELS + 1) ** 3
        low, width = edges[..., :-1, None], np.diff(edges)[..., None]
        nodes = low + 0.5 * (1 + _NODES) * width
        values = values_of_backgrounds(self.backgrounds, nodes)
        return np.stack([(0.5 * width * _WEIGHTS * each).sum((-1, -2)) for each in values])

    def _uniform(self, n_points, end_time, rng):
        low, size = self.region[:, 0], self.region[:, 1] - self.region[:, 0]
        return np.concatenate([[0.0], low]) + rng.random((n_points, 3)) * [end_time, *size]

    def _immigrants(self, i, area, end_time, rng):
        found = [np.zeros((0, 3))]
        for rate, background in zip(self.baseline[i], self.backgrounds, strict=True):
            # Times by thinning: the bound holds for backgrounds that do not rise between the nodes.
            times = np.linspace(0, end_time, 4097)
            (high,) = values_of_backgrounds([background], times)
            highest = np.maximum(high[:-1], high[1:])
            cell = rng.poisson(rate * area * highest * np.diff(times))
            index = np.repeat(np.arange(len(highest)), cell)
            drawn = self._uniform(len(index), end_time, rng)
            drawn[:, 0] = (index + drawn[:, 0] / end_time) * end_time / len(highest)
            kept = rng.random(len(drawn)) * highest[index] < background(drawn[:, 0])
            found.append(drawn[kept])
        return np.concatenate(found)

    def _children(self, i, j, parents, end_time, rng):
        weight = self.adjacency[i, j]
        born = np.repeat(parents, rng.poisson(weight, len(parents)), axis=0)
        if not len(born):
            return born
        space, time = self.space_parameters[:, i, j], self.time_parameters[:, i, j]
        n = len(born)
        born[:, 0] += self.time_kernel.sample(n, time, length=self.time_length, rng=rng)
        born[:, 1:] += self.space_kernel.sample(n, space, length=self.space_length, rng=rng)
        inside = np.all((born[:, 1:] >= self.region[:, 0]) & (born[:, 1:] <= self.region[:, 1]), 1)
        return born[inside & (born[:, 0] <= end_time)]
