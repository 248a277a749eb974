r"""Marked events: densities of their marks, and simulation of processes where marks matter.

An event has a mark :math:`k \in [0, 1]`, how strong it is. Structured events of process i come with
intensity

.. math:: \lambda_i(t, k) = f_h(k) \Big( \mu_i + \sum_j \alpha_{ij} \sum_{t_n \in j, t_n < t}
                            k_n\, \kappa_{ij}(t - t_n) \Big),

so that a strong event triggers more than a weak one, and spurious events with
:math:`\nu_i f_n(k)`, whatever happened before [1]_. The mean number of structured events that a
structured event of j triggers in i is :math:`\alpha_{ij}` times the mean of :math:`f_h`.

Marked events of several processes are a sequence with one array a process, of shape
``(n_events_i, 2)``: times in s, sorted, and marks.

.. [1] V. Loison, G. Staerman and T. Moreau, "UNHaP: Unmixing Noise from Hawkes Processes to Model
   Learned Physiological Events", AISTATS 2025, arXiv:2406.16938.
"""

from dataclasses import dataclass

import numpy as np

from common import validation
from common.hawkes.inputs import as_arrays, check_numbers
from common.hawkes.pairs import broadcast_parameters, check_sorted
from common.hawkes.simulation import (
    _check_number,
    _check_radius,
    _check_rate,
    _check_rates,
    _check_times,
    _draw_lags,
    mean_intensity,
)

__all__ = [
    "CHILDLESS",
    "DENSITIES",
    "NOISE",
    "OFFSPRING",
    "PARENT",
    "MarkDensity",
    "branching_ratio",
    "check_marked",
    "mark_density",
    "simulate_marked",
]

NOISE, CHILDLESS, PARENT, OFFSPRING = range(4)
"""Kinds of simulated events: spurious; immigrants without and with offspring; offspring."""


@dataclass(frozen=True)
class MarkDensity:
    """A density :math:`a + b k` of marks in [0, 1], with :math:`a + b / 2 = 1`.

    Attributes
    ----------
    name : str
    offset, slope : float
        a and b.

    Raises
    ------
    TypeError
        If one is no number.
    ValueError
        If a density with them is negative or does not integrate to 1.
    """

    name: str
    offset: float
    slope: float

    def __post_init__(self):
        offset = validation.number(self.offset, "offset", at_least=0, at_most=2)
        slope = validation.number(self.slope, "slope")
        if abs(offset + slope / 2 - 1) > 1e-12:
            raise ValueError(
                f"the integral of {offset:g} + {slope:g} k over marks k in [0, 1] must be 1, got "
                f"{offset + slope / 2:g}. Take slope={2 - 2 * offset:g}."
            )

    def value(self, marks):
        """Density at each mark.

        Parameters
        ----------
        marks : array_like

        Returns
        -------
        density : ndarray, shaped like ``marks``
            Of the same line beyond [0, 1], where `check_marked` lets no mark be.
        """
        return self.offset + self.slope * np.asarray(marks, dtype=float)

    @property
    def mean(self):
        """Mean mark."""
        return self.offset / 2 + self.slope / 3

    def product(self, other):
        """Integral of this density times another one, over [0, 1].

        Parameters
        ----------
        other : MarkDensity

        Returns
        -------
        integral : float
        """
        crossed = self.offset * other.slope + self.slope * other.offset
        return self.offset * other.offset + crossed / 2 + self.slope * other.slope / 3

    @property
    def square(self):
        """Integral of the square of the density."""
        return self.product(self)

    def sample(self, n_samples, *, rng):
        """Draw marks, by inversion of the distribution function.

        Parameters
        ----------
        n_samples : int
        rng : numpy.random.Generator

        Returns
        -------
        marks : ndarray, shape (n_samples,)

        Raises
        ------
        TypeError, ValueError
            If ``n_samples`` is no whole number from 0, or ``rng`` no generator.
        """
        n_samples = validation.count(n_samples, "n_samples", at_least=0)
        rng = validation.generator(rng)
        u = rng.random(n_samples)
        if self.slope == 0:
            return u
        root = np.sqrt(self.offset**2 + 2 * self.slope * u)
        return np.clip((root - self.offset) / self.slope, 0, 1)


DENSITIES = {
    "linear": MarkDensity("linear", 0.0, 2.0),
    "uniform": MarkDensity("uniform", 1.0, 0.0),
    "decreasing": MarkDensity("decreasing", 2.0, -2.0),
}
"""Densities of marks by name: 2k, 1 and 2 - 2k."""


def mark_density(name):
    """Density of marks by its name.

    Parameters
    ----------
    name : {"linear", "uniform", "decreasing"}

    Returns
    -------
    density : MarkDensity

    Raises
    ------
    ValueError
        If there is no such density.
    """
    return DENSITIES[validation.choice(name, tuple(DENSITIES), "the density of the marks")]


def branching_ratio(adjacency, density="linear"):
    """Mean number of structured events that a structured event triggers, for each pair.

    Parameters
    ----------
    adjacency : array_like, shape (n_processes, n_processes)
    density : {"linear", "uniform", "decreasing"}, default="linear"
        Of the marks of structured events.

    Returns
    -------
    ratio : ndarray, shape (n_processes, n_processes)

    Raises
    ------
    TypeError
        If the adjacency holds no numbers.
    ValueError
        If a value is negative or not finite, or there is no such density.

    Examples
    --------
    >>> branching_ratio([[1.5]]).round(12)
    array([[1.]])
    """
    adjacency = validation.array(adjacency, "adjacency", at_least=0)
    return mark_density(density).mean * adjacency


def check_marked(events, *, end_time=None):
    """Times and marks of each process, or an error that names the first bad one.

    Parameters
    ----------
    events : sequence of array_like, each of shape (n_events_i, 2)
        Times in s, and marks in [0, 1]. Or what `common.hawkes.inputs.as_arrays` reads: a table
        or annotations, with the marks in ``"mark"``.
    end_time : float, optional
        Events must lie within ``[0, end_time]``.

    Returns
    -------
    times, marks : list of ndarray, each of shape (n_events_i,)

    Raises
    ------
    TypeError
        If an array does not hold real numbers.
    ValueError
        If an array has another shape, times are unsorted, not finite or outside of the record, or
        a mark is outside of [0, 1].
    """
    events = as_arrays(events, ("mark",))
    if getattr(events, "ndim", None) == 2 or not len(events):
        raise ValueError(
            "events must be a sequence with one array of times and marks a process, got "
            f"{'one array of shape ' + str(np.shape(events)) if len(events) else 'none'}. For a "
            "single process, pass [events]."
        )
    times, marks = [], []
    for i, each in enumerate(events):
        check_numbers(each, f"events[{i}]")
        each = np.asarray(each, dtype=float)
        if each.ndim != 2 or each.shape[1] != 2:
            raise ValueError(
                f"events[{i}] must have two columns, times and marks, got shape {each.shape}. Use "
                "numpy.column_stack([times, marks])."
            )
        times.append(check_sorted(each[:, 0], name=f"the times of events[{i}]", end_time=end_time))
        bad = np.flatnonzero(~((each[:, 1] >= 0) & (each[:, 1] <= 1)))
        if len(bad):
            raise ValueError(
                f"the mark of events[{i}][{bad[0]}] is {each[bad[0], 1]:g}, outside of [0, 1] "
                f"({len(bad)} of {len(each)} marks are). Divide amplitudes by their largest."
            )
        marks.append(each[:, 1])
    return times, marks


def simulate_marked(
    baseline,
    adjacency,
    kernel,
    parameters,
    *,
    length,
    end_time,
    rng,
    density="linear",
    noise=None,
    noise_density="uniform",
    burn_in=0.0,
):
    r"""Simulate a marked Hawkes process, with spurious events among it if asked for.

    The process is grown from its immigrants, a generation at a time: an event of process j with
    mark k has a Poisson number of children in process i, of mean :math:`\alpha_{ij} k`.

    Parameters
    ----------
    baseline : array_like, shape (n_processes,)
        Rates of the immigrants, in Hz.
    adjacency : array_like, shape (n_processes, n_processes)
        ``adjacency[i, j]`` is the mean number of children in process i of an event of process j
        whose mark is 1.
    kernel : Kernel or nested sequence of Kernel
        As in `common.hawkes.simulation.simulate`.
    parameters : array_like, shape (n_parameters, n_processes, n_processes) or (n_parameters,)
    length : float
        Support of the kernels, in s.
    end_time : float
        In s.
    rng : numpy.random.Generator
    density : {"linear", "uniform", "decreasing"}, default="linear"
        Of the marks of structured events.
    noise : array_like, shape (n_processes,), optional
        Rates of the spurious events, in Hz; none by default.
    noise_density : {"linear", "uniform", "decreasing"}, default="uniform"
        Of the marks of spurious events.
    burn_in : float, default=0.0
        Time before 0 that is simulated and dropped, in s.

    Returns
    -------
    events : list of ndarray, each of shape (n_events_i, 2)
        Times in s, sorted, and marks.
    kinds : list of ndarray of int, each of shape (n_events_i,)
        `NOISE`, `CHILDLESS`, `PARENT` or `OFFSPRING`. Children beyond the end do not count.

    Raises
    ------
    TypeError
        If ``rng`` is no generator.
    ValueError
        If a rate is negative, shapes do not fit, a time is not positive, parameters describe no
        density, or the spectral radius of the branching ratios is 1 or more.

    Examples
    --------
    >>> from common.hawkes.kernels import TruncatedGaussian
    >>> rng = np.random.default_rng(0)
    >>> options = {"length": 1.0, "end_time": 1000.0, "rng": rng, "noise": [0.2]}
    >>> (events,), (kinds,) = simulate_marked(
    ...     [0.5], [[0.75]], TruncatedGaussian(), [0.5, 0.1], **options
    ... )
    >>> bool(abs(np.mean(kinds == OFFSPRING) / np.mean(kinds > NOISE) - 0.5) < 0.1)
    True
    """
    baseline, adjacency = _check_rates(baseline, adjacency)
    structured, spurious = mark_density(density), mark_density(noise_density)
    ratio = structured.mean * adjacency
    _check_radius(ratio)
    _check_times(length=length, end_time=end_time)
    burn_in = validation.number(burn_in, "burn_in", at_least=0, unit="s")
    n = len(baseline)
    noise = np.zeros(n) if noise is None else validation.array(noise, "noise")
    if noise.shape != (n,):
        raise ValueError(f"noise must have one rate for each of {n} processes, got {noise.shape}.")
    _check_rate("noise", noise)
    parameters = broadcast_parameters(kernel, parameters, n, n)
    expected = mean_intensity(baseline, ratio).sum() + noise.sum()
    _check_number(expected * (end_time + burn_in), end_time)
    rng = validation.generator(rng)

    types = np.repeat(np.arange(n), rng.poisson(baseline * (end_time + burn_in)))
    times = rng.uniform(-burn_in, end_time, len(types))
    marks = structured.sample(len(types), rng=rng)
    kinds = np.full(len(types), CHILDLESS)
    found = []
    while len(types):
        children = []
        for i in range(n):
            source = np.repeat(np.arange(len(types)), rng.poisson(adjacency[i, types] * marks))
            lags = np.empty(len(source))
            for j in range(n):
                pair = np.flatnonzero(types[source] == j)
                lags[pair] = _draw_lags(
                    kernel, parameters, (i, j), len(pair), length=length, rng=rng
                )
            kept = times[source] + lags <= end_time
            children.append((source[kept], (times[source] + lags)[kept], np.full(kept.sum(), i)))
        source, born, of = (np.concatenate(each) for each in zip(*children, strict=True))
        with_children = np.unique(source[born >= 0])
        kinds[with_children] = np.where(kinds[with_children] == CHILDLESS, PARENT, OFFSPRING)
        found.append((types, times, marks, kinds))
        types, times = of, born
        marks = structured.sample(len(types), rng=rng)
        kinds = np.full(len(types), OFFSPRING)
    types = np.repeat(np.arange(n), rng.poisson(noise * end_time))
    times = rng.uniform(0, end_time, len(types))
    marks = spurious.sample(len(types), rng=rng)
    found.append((types, times, marks, np.full(len(types), NOISE)))
    types, times, marks, kinds = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(times, kind="stable")
    order = order[times[order] >= 0]
    members = [order[types[order] == i] for i in range(n)]
    events = [np.column_stack([times[each], marks[each]]) for each in members]
    return events, [kinds[each] for each in members]
