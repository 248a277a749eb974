"""Parametric kernels of Hawkes processes: probability densities of the lag, on a bounded support.

A kernel integrates to 1 over ``[0, length]``, so the adjacency, by which it is multiplied, is the
mean number of events that one event triggers (the branching ratio).

A new kernel is a subclass with three members, `names`, `bounds` and `value`; derivative,
distribution function, start and sampling then come from numerical methods. A lag that is uniform
up to an unknown age, with a soft end so that the loss is differentiable:

>>> class SoftUniform(Kernel):
...     names = ("age",)
...
...     def bounds(self, length, delta):
...         return np.array([[2 * delta, length]])
...
...     def value(self, times, parameters, *, length):
...         (age,) = self.columns(parameters)
...         width = 0.05 * length
...         area = width * (np.logaddexp(0, age / width) - np.logaddexp(0, (age - length) / width))
...         inside = (times >= 0) & (times <= length)
...         return inside * scipy.special.expit((age - times) / width) / area
>>> kernel = SoftUniform()
>>> kernel.integral(np.array([2.0]), [1.0], length=2.0).round(12)
array([1.])
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import scipy.special
import scipy.stats.qmc

from common import validation
from common.hawkes.inputs import check_numbers

__all__ = ["Kernel", "clip", "discretise", "from_unit", "grid_lags", "to_unit"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_N_PANELS = 512  # of the numerical distribution function
_N_CANDIDATES = 512  # of the numerical moment matching
_SMALLEST = np.finfo(float).tiny
_OFF = 0.01  # how far quadrature of a density with jumps may be from 1


class Kernel(ABC):
    """Density of the lag between an event and one that it triggers.

    Parameters of many kernels are handled at once: ``parameters`` has shape
    ``(n_parameters, ...)``, and what follows the first axis is carried through.
    """

    names: ClassVar[tuple[str, ...]]
    positive: ClassVar[tuple[str, ...]] = ()
    """Names of the parameters that must be above 0, such as a width."""
    lower: ClassVar[float] = 0.0
    """Where the support begins, in s."""

    def check(self, parameters):
        """Parameters as an array, if they describe a density.

        Parameters
        ----------
        parameters : array_like, shape (n_parameters, ...)
            In the order of `names`.

        Returns
        -------
        parameters : ndarray of float, shape (n_parameters, ...)

        Raises
        ------
        TypeError
            If they are no real numbers.
        ValueError
            If there are more or fewer than there are names, one is masked or not finite, or one of
            `positive` is not above 0.
        """
        check_numbers(parameters, "parameters")
        found = np.asarray(parameters, dtype=float)
        if found.ndim == 0 or len(found) != len(self.names):
            raise ValueError(
                f"{self!r} has the parameters {', '.join(self.names)}, got shape {found.shape}."
            )
        for name, values in zip(self.names, found, strict=True):
            above = 0 if name in self.positive else None
            if values.ndim:
                validation.array(values, name, above=above, empty=True)
            else:
                validation.number(float(values), name, above=above)
        return found

    def check_mass(self, parameters, *, length):
        """Refuse parameters that leave the support empty: nothing could be drawn or normalised.

        Parameters
        ----------
        parameters : array_like, shape (n_parameters,)
        length : float
            End of the support, in s.

        Raises
        ------
        TypeError, ValueError
            As `check`, and if the distribution function does not end at 1.
        """
        parameters = self.check(parameters)
        with np.errstate(all="ignore"):
            end = float(self.integral(np.array([length]), parameters, length=length)[0])
        if not abs(end - 1) <= _OFF:  # false for NaN
            found = ", ".join(
                f"{name}={x:g}" for name, x in zip(self.names, parameters, strict=True)
            )
            raise ValueError(
                f"{self!r} with {found} has no mass to draw from on its support "
                f"[{self.lower:g}, {length:g}] s: its distribution function ends at {end:g}, not "
                "at 1. Keep the parameters within the support, or take a longer length."
            )

    @abstractmethod
    def bounds(self, length, delta):
        """Admissible box of the parameters.

        Parameters
        ----------
        length : float
            End of the support, in s.
        delta : float
            Grid step, in s: a kernel much narrower than it would fall between the lags.

        Returns
        -------
        bounds : ndarray, shape (n_parameters, 2)
            Lowest and highest value of each parameter. Parameters whose lowest value is positive
            are searched on a logarithmic scale.
        """

    @abstractmethod
    def value(self, times, parameters, *, length):
        """Density at each lag.

        Parameters
        ----------
        times : ndarray, shape (n_times,)
            Lags, in s.
        parameters : array_like, shape (n_parameters, ...)
            In the order of `names`.
        length : float
            End of the support, in s.

        Returns
        -------
        value : ndarray, shape (..., n_times)
            In 1 / s; zero outside the support.
        """

    def derivative(self, times, parameters, *, length):
        """Derivative of `value` by each parameter, shape ``(n_parameters, ..., n_times)``.

        By central differences here, with an error of about 1e-10 relative to the third derivative.

        Parameters
        ----------
        times, parameters, length
            As in `value`.

        Returns
        -------
        derivative : ndarray, shape (n_parameters, ..., n_times)
        """
        parameters = np.asarray(parameters, dtype=float)
        found = []
        for index in range(len(self.names)):
            # The step that balances truncation, of order h^2, and rounding, of order 1 / h.
            step = np.cbrt(np.finfo(float).eps) * np.maximum(np.abs(parameters[index]), 1e-3)
            high, low = parameters.copy(), parameters.copy()
            high[index] += step
            low[index] -= step
            rise = self.value(times, high, length=length) - self.value(times, low, length=length)
            found.append(rise / (high[index] - low[index])[..., None])
        return np.stack(found)

    def integral(self, times, parameters, *, length):
        """Distribution function at each lag, shape ``(..., n_times)``.

        By Gauss-Legendre quadrature on 512 panels here: as exact as `value` is smooth.
        """
        times = np.clip(np.asarray(times, dtype=float), 0, length)
        width = length / _N_PANELS
        edges = width * np.arange(_N_PANELS)
        whole = self._areas(edges, width, parameters, length)
        below = np.concatenate([np.zeros((*whole.shape[:-1], 1)), whole.cumsum(-1)], axis=-1)
        panel = np.minimum((times / width).astype(int), _N_PANELS - 1)
        rest = self._areas(edges[panel], times - edges[panel], parameters, length)
        return below[..., panel] + rest

    def start(self, mean, spread, *, length, delta):
        """Parameters whose density has about this mean and standard deviation.

        Parameters
        ----------
        mean, spread : array_like, shape (...)
            Of the lags, in s.
        length, delta : float
            End of the support and grid step, in s.

        Returns
        -------
        parameters : ndarray, shape (n_parameters, ...)
            Within `bounds`. The nearest of 512 candidates that fill the box evenly.
        """
        mean, spread = np.broadcast_arrays(np.asarray(mean, float), np.asarray(spread, float))
        unit = scipy.stats.qmc.Halton(len(self.names), scramble=False).random(_N_CANDIDATES + 1)
        candidates, _ = from_unit(unit[1:].T, self.bounds(length, delta))
        times = (np.arange(256) + 0.5) * length / 256
        weights = np.nan_to_num(self.value(times, candidates, length=length))
        weights = weights / np.maximum(weights.sum(-1, keepdims=True), _SMALLEST)
        means = weights @ times
        spreads = np.sqrt(np.maximum(weights @ times**2 - means**2, 0))
        distance = (mean[..., None] - means) ** 2 + (spread[..., None] - spreads) ** 2
        return candidates[:, distance.argmin(-1)]

    def sample(self, n_samples, parameters, *, length, rng):
        """Draw lags, by inversion of the distribution function.

        Parameters
        ----------
        n_samples : int
        parameters : array_like, shape (n_parameters,)
        length : float
            End of the support, in s.
        rng : numpy.random.Generator

        Returns
        -------
        lags : ndarray, shape (n_samples,)
            In s.

        Raises
        ------
        TypeError
            If ``rng`` is no generator, or ``n_samples`` no whole number.
        ValueError
            If the parameters describe no density (see `check`) or one without mass on the support,
            the support ends before it begins, or ``n_samples`` is negative.
        """
        parameters = self.check(parameters)
        length = validation.number(length, "length", above=self.lower, unit="s")
        self.check_mass(parameters, length=length)
        n_samples = validation.count(n_samples, "n_samples", at_least=0)
        return self._inverse(validation.generator(rng).random(n_samples), parameters, length)

    def columns(self, parameters):
        """Checked parameters (`check`) as arrays that broadcast against lags, one per name.

        Parameters
        ----------
        parameters : array_like, shape (n_parameters, ...)

        Returns
        -------
        columns : tuple of ndarray, shape (..., 1)
        """
        return tuple(self.check(parameters)[..., None])

    def _areas(self, start, width, parameters, length):
        """Integral over panels that start at `start`, by an 8-point rule in each."""
        width = np.broadcast_to(width, start.shape)
        times = start[:, None] + 0.5 * (1 + _NODES) * width[:, None]
        value = self.value(times.ravel(), parameters, length=length)
        value = value.reshape(*value.shape[:-1], *times.shape)
        return 0.5 * width * (value @ _WEIGHTS)

    def _inverse(self, probability, parameters, length):
        """Lags at which the distribution function has these values.

        Newton's method between brackets, which bisection halves where Newton leaves them.
        """
        table = np.linspace(0, length, 1025)
        reached = self.integral(table, parameters, length=length)
        index = np.clip(np.searchsorted(reached, probability, side="right"), 1, len(table) - 1)
        low, high = table[index - 1], table[index]
        found = 0.5 * (low + high)
        moving = np.arange(len(found))  # the others have converged
        for _ in range(60):
            times = found[moving]
            error = self.integral(times, parameters, length=length) - probability[moving]
            low[moving] = np.where(error < 0, times, low[moving])
            high[moving] = np.where(error < 0, high[moving], times)
            slope = self.value(times, parameters, length=length)
            step = times - error / np.maximum(slope, _SMALLEST)
            within = (step >= low[moving]) & (step <= high[moving])
            found[moving] = np.where(within, step, 0.5 * (low[moving] + high[moving]))
            moved = np.abs(found[moving] - times)
            moving = moving[moved > 4 * np.finfo(float).eps * length]
            if not len(moving):
                break
        return found


def grid_lags(length, *, delta):
    """Lags of the grid within the support: ``delta, 2 delta, ...``, with spacing exactly delta.

    Parameters
    ----------
    length, delta : float
        End of the support and grid step, in s.

    Returns
    -------
    lags : ndarray, shape (n_lags,)
        In s. A last lag that misses ``length`` by rounding only is moved onto it.

    Raises
    ------
    ValueError
        If one of the two is not positive, or ``delta`` exceeds ``length``: there is no lag.

    Examples
    --------
    >>> grid_lags(0.35, delta=0.07).round(2).tolist()
    [0.07, 0.14, 0.21, 0.28, 0.35]
    """
    length = validation.number(length, "length", above=0, unit="s")
    delta = validation.number(delta, "delta", above=0, unit="s")
    n_lags = int(np.floor(length / delta * (1 + 1e-9)))
    if n_lags == 0:
        raise ValueError(
            f"delta={delta:g} s exceeds length={length:g} s, so no lag of the grid lies within the "
            "support. Use delta of about a hundredth of length."
        )
    lags = delta * np.arange(1, n_lags + 1)
    return np.where(lags > length * (1 - 1e-9), length, lags)


def discretise(kernel, parameters, *, length, delta, derivative=False):
    r"""Kernel on the lags of a grid, scaled so that it has exactly unit mass there.

    .. math:: k[\tau] = \frac{\kappa(\tau \delta)}{\delta \sum_{\tau'} \kappa(\tau' \delta)},
              \qquad \tau = 1, \dots, L,

    so that :math:`\delta \sum_\tau k[\tau] = 1`. Lag 0 is left out: no event triggers another one
    in its own bin.

    Parameters
    ----------
    kernel : Kernel
    parameters : array_like, shape (n_parameters, ...)
    length, delta : float
        End of the support and grid step, in s.
    derivative : bool, default=False
        Whether to return the derivative, too.

    Returns
    -------
    value : ndarray, shape (..., n_lags)
        In 1 / s.
    by_parameter : ndarray, shape (n_parameters, ..., n_lags)
        Only with ``derivative=True``.

    Raises
    ------
    ValueError
        If the parameters describe no density (`Kernel.check`), the grid has no lag (`grid_lags`),
        or a kernel vanishes, or is not finite, on its lags.
    """
    parameters = kernel.check(parameters)
    lags = grid_lags(length, delta=delta)
    value = kernel.value(lags, parameters, length=length)
    total = delta * value.sum(-1, keepdims=True)
    if not np.all((total > 0) & np.isfinite(total)):
        bad = tuple(np.argwhere(~((total[..., 0] > 0) & np.isfinite(total[..., 0])))[0])
        found = ", ".join(
            f"{name}={x:g}" for name, x in zip(kernel.names, parameters[:, *bad], strict=True)
        )
        raise ValueError(
            f"{kernel!r} with {found} has sum {total[bad][0]:g} over the lags {lags[0]:g} to "
            f"{lags[-1]:g} s; it must be positive and finite. Keep the parameters within "
            f"kernel.bounds(length={length:g}, delta={delta:g}), or take a smaller delta."
        )
    if not derivative:
        return value / total
    change = kernel.derivative(lags, parameters, length=length)
    change_total = delta * change.sum(-1, keepdims=True)
    return value / total, (change - value / total * change_total) / total


def from_unit(unit, bounds):
    """Point of the admissible box at given coordinates in the unit cube.

    Parameters
    ----------
    unit : ndarray, shape (n_parameters, ...)
        In [0, 1]; logarithmic for a parameter whose lowest value is positive.
    bounds : ndarray, shape (n_parameters, 2)
        See `Kernel.bounds`.

    Returns
    -------
    parameters, slope : ndarray, shape (n_parameters, ...)
        The parameters and their derivative by ``unit``.
    """
    parameters, slope = np.empty_like(unit), np.empty_like(unit)
    for index, (low, high) in enumerate(bounds):
        if low > 0:
            parameters[index] = low * (high / low) ** unit[index]
            slope[index] = parameters[index] * np.log(high / low)
        else:
            parameters[index] = low + (high - low) * unit[index]
            slope[index] = high - low
    return parameters, slope


def to_unit(parameters, bounds):
    """Inverse of `from_unit`; parameters beyond the box go to its border.

    Parameters
    ----------
    parameters : ndarray, shape (n_parameters, ...)
    bounds : ndarray, shape (n_parameters, 2)
        See `Kernel.bounds`.

    Returns
    -------
    unit : ndarray, shape (n_parameters, ...)
    """
    unit = clip(parameters, bounds)
    for index, (low, high) in enumerate(bounds):
        if low > 0:
            unit[index] = np.log(unit[index] / low) / (np.log(high / low) or 1.0)
        else:
            unit[index] = (unit[index] - low) / ((high - low) or 1.0)
    return unit


def clip(parameters, bounds):
    """Parameters, moved to the border of the admissible box where they are beyond it.

    Parameters
    ----------
    parameters : ndarray, shape (n_parameters, ...)
    bounds : ndarray, shape (n_parameters, 2)
        See `Kernel.bounds`.

    Returns
    -------
    parameters : ndarray, shape (n_parameters, ...)
    """
    return np.stack([np.clip(x, *box) for x, box in zip(parameters, bounds, strict=True)])
