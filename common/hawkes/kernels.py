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
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.special
import scipy.stats.qmc

__all__ = [
    "Kernel",
    "Kumaraswamy",
    "RaisedCosine",
    "TruncatedExponential",
    "TruncatedGaussian",
    "discretise",
    "from_unit",
    "grid_lags",
    "to_unit",
]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_N_PANELS = 512  # of the numerical distribution function
_N_CANDIDATES = 512  # of the numerical moment matching
_SMALLEST = np.finfo(float).tiny


class Kernel(ABC):
    """Density of the lag between an event and one that it triggers.

    Parameters of many kernels are handled at once: ``parameters`` has shape
    ``(n_parameters, ...)``, and what follows the first axis is carried through.
    """

    names: ClassVar[tuple[str, ...]]

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
        """
        return self._inverse(rng.random(n_samples), parameters, length)

    def columns(self, parameters):
        """Parameters as arrays that broadcast against lags, one per name."""
        return tuple(np.asarray(parameters, dtype=float)[..., None])

    def _areas(self, start, width, parameters, length):
        """Integral over panels that start at `start`, by an 8-point rule in each."""
        width = np.broadcast_to(width, start.shape)
        times = start[:, None] + 0.5 * (1 + _NODES) * width[:, None]
        value = self.value(times.ravel(), parameters, length=length)
        value = value.reshape(*value.shape[:-1], *times.shape)
        return 0.5 * width * (value @ _WEIGHTS)

    def _inverse(self, probability, parameters, length):
        """Newton's method between brackets that bisection halves where Newton leaves them."""
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


@dataclass(frozen=True)
class TruncatedGaussian(Kernel):
    """Gaussian density restricted to ``[lower, length]``; parameters `mean` and `sigma` in s.

    They are the mean and deviation of the Gaussian before it is truncated.
    """

    lower: float = 0.0
    names: ClassVar[tuple[str, ...]] = ("mean", "sigma")

    def bounds(self, length, delta):
        """Mean within the support, sigma from half a grid step to the length of the support."""
        return np.array([[self.lower, length], [delta / 2, length - self.lower]])

    def value(self, times, parameters, *, length):
        """Density in 1 / s, shape ``(..., n_times)``."""
        mean, sigma = self.columns(parameters)
        inside = (times >= self.lower) & (times <= length)
        return inside * _normal((times - mean) / sigma) / (sigma * self._area(mean, sigma, length))

    def derivative(self, times, parameters, *, length):
        """Derivative of `value`, shape ``(2, ..., n_times)``."""
        mean, sigma = self.columns(parameters)
        value = self.value(times, parameters, length=length)
        low, high = (self.lower - mean) / sigma, (length - mean) / sigma
        area = self._area(mean, sigma, length)
        shift = (_normal(high) - _normal(low)) / (sigma * area)
        stretch = (high * _normal(high) - low * _normal(low)) / (sigma * area)
        z = (times - mean) / sigma
        return np.stack([value * (z / sigma + shift), value * ((z**2 - 1) / sigma + stretch)])

    def integral(self, times, parameters, *, length):
        """Distribution function, shape ``(..., n_times)``."""
        mean, sigma = self.columns(parameters)
        times = np.clip(times, self.lower, length)
        return self._area(mean, sigma, times) / self._area(mean, sigma, length)

    def start(self, mean, spread, *, length, delta):
        """Mean and deviation themselves, clipped to `bounds`."""
        return _clip(np.broadcast_arrays(mean, spread), self.bounds(length, delta))

    def _area(self, mean, sigma, upper):
        """Mass of the Gaussian in [lower, upper], from the tail that loses no digits."""
        low, high = (self.lower - mean) / sigma, (upper - mean) / sigma
        mirrored = low > 0
        low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
        return scipy.special.ndtr(high) - scipy.special.ndtr(low)


@dataclass(frozen=True)
class RaisedCosine(Kernel):
    r"""Raised cosine: one period, zero at both ends.

    .. math:: \kappa(t) = \frac{1 + \cos(\pi (t - u) / \sigma - \pi)}{2 \sigma},
              \qquad u \le t \le u + 2 \sigma.

    Parameters `u` (start) and `sigma` (half width), in s. What reaches beyond ``[0, length]`` is
    cut and the rest normalised again.

    Notes
    -----
    The kernel without :math:`1 / (2 \sigma)`, of weight :math:`\alpha'`, is this one with
    adjacency :math:`\alpha = 2 \sigma \alpha'`.
    """

    names: ClassVar[tuple[str, ...]] = ("u", "sigma")

    def bounds(self, length, delta):
        """At least one lag lies well inside: sigma from a grid step, u two steps from the end."""
        return np.array([[0.0, length - 2 * delta], [delta, length / 2]])

    def value(self, times, parameters, *, length):
        """Density in 1 / s, shape ``(..., n_times)``."""
        u, sigma = self.columns(parameters)
        inside = (times >= 0) & (times <= length)
        x = np.clip((times - u) / sigma, 0, 2)
        return inside * _bump(x) / (sigma * self._area(u, sigma, length))

    def derivative(self, times, parameters, *, length):
        """Derivative of `value`, shape ``(2, ..., n_times)``."""
        u, sigma = self.columns(parameters)
        value = self.value(times, parameters, length=length)
        inside = (times >= 0) & (times <= length)
        x = np.clip((times - u) / sigma, 0, 2)
        low, high = np.clip(-u / sigma, 0, 2), np.clip((length - u) / sigma, 0, 2)
        area = self._area(u, sigma, length)
        slope = inside * 0.5 * np.pi * np.sin(np.pi * x) / (sigma**2 * area)
        # Where the support is not cut, low and high are 0 or 2, and the bump is zero there.
        shift = (_bump(high) - _bump(low)) / (sigma * area)
        stretch = (high * _bump(high) - low * _bump(low)) / (sigma * area)
        return np.stack([value * shift - slope, value * (stretch - 1 / sigma) - x * slope])

    def integral(self, times, parameters, *, length):
        """Distribution function, shape ``(..., n_times)``."""
        u, sigma = self.columns(parameters)
        times = np.clip(times, 0, length)
        return self._area(u, sigma, times) / self._area(u, sigma, length)

    def start(self, mean, spread, *, length, delta):
        """Half width from the spread, then u from the mean, both clipped to `bounds`."""
        bounds = self.bounds(length, delta)
        mean, spread = np.broadcast_arrays(mean, spread)
        # (1 + cos(pi x)) / 2 on [-1, 1] has variance 1/3 - 2 / pi^2.
        sigma = np.clip(spread / np.sqrt(1 / 3 - 2 / np.pi**2), *bounds[1])
        return _clip([mean - sigma, sigma], bounds)

    @staticmethod
    def _area(u, sigma, upper):
        """Mass of the whole bump in [0, upper]."""
        low, high = np.clip(-u / sigma, 0, 2), np.clip((upper - u) / sigma, 0, 2)
        return 0.5 * (high - low) - 0.5 * (np.sin(np.pi * high) - np.sin(np.pi * low)) / np.pi


@dataclass(frozen=True)
class TruncatedExponential(Kernel):
    r"""Exponential density restricted to ``[0, length]``; parameter `decay`, in 1 / s.

    .. math:: \kappa(t) = \gamma e^{-\gamma t} / (1 - e^{-\gamma W}), \qquad 0 \le t \le W.
    """

    names: ClassVar[tuple[str, ...]] = ("decay",)

    def bounds(self, length, delta):
        """From nearly uniform to 95 % of the mass within a grid step."""
        return np.array([[1e-2 / length, 3 / delta]])

    def value(self, times, parameters, *, length):
        """Density in 1 / s, shape ``(..., n_times)``."""
        (decay,) = self.columns(parameters)
        inside = (times >= 0) & (times <= length)
        return inside * decay * np.exp(-decay * np.maximum(times, 0)) / -np.expm1(-decay * length)

    def derivative(self, times, parameters, *, length):
        """Derivative of `value`, shape ``(1, ..., n_times)``."""
        (decay,) = self.columns(parameters)
        value = self.value(times, parameters, length=length)
        # length / (exp(decay length) - 1), written so that it cannot overflow.
        cut = length * np.exp(-decay * length) / -np.expm1(-decay * length)
        return np.stack([value * (1 / decay - times - cut)])

    def integral(self, times, parameters, *, length):
        """Distribution function, shape ``(..., n_times)``."""
        (decay,) = self.columns(parameters)
        return np.expm1(-decay * np.clip(times, 0, length)) / np.expm1(-decay * length)

    def start(self, mean, spread, *, length, delta):
        """Decay whose truncated density has this mean; the spread follows from it."""
        decay = np.geomspace(*self.bounds(length, delta)[0], 512)
        cut = length * np.exp(-decay * length) / -np.expm1(-decay * length)
        means = 1 / decay - cut  # decreases with the decay
        mean, _ = np.broadcast_arrays(np.asarray(mean, dtype=float), spread)
        return np.interp(mean, means[::-1], decay[::-1])[None]

    def sample(self, n_samples, parameters, *, length, rng):
        """Draw lags, in s, by the closed form of the inverse."""
        (decay,) = np.asarray(parameters, dtype=float)
        return -np.log1p(rng.random(n_samples) * np.expm1(-decay * length)) / decay


@dataclass(frozen=True)
class Kumaraswamy(Kernel):
    r"""Kumaraswamy density of :math:`x = t / W`; parameters `a` and `b`, without unit.

    .. math:: \kappa(t) = \frac{a b}{W} x^{a - 1} (1 - x^a)^{b - 1}, \qquad 0 < t < W.

    At the two ends, where it may be infinite, the value is set to zero.
    """

    names: ClassVar[tuple[str, ...]] = ("a", "b")

    def bounds(self, length, delta):
        """From a = 1, where the density at lag 0 is finite, to a peak narrower than a grid step.

        With a = 1 and b at its upper bound, the value on the first lag nearly underflows.
        """
        return np.array([[1.0, 50.0], [0.5, 600 * length / delta]])

    def value(self, times, parameters, *, length):
        """Density in 1 / s, shape ``(..., n_times)``."""
        a, b = self.columns(parameters)
        log_x, log_rest, inside = self._logs(times, a, length)
        return inside * (a * b / length) * np.exp((a - 1) * log_x + (b - 1) * log_rest)

    def derivative(self, times, parameters, *, length):
        """Derivative of `value`, shape ``(2, ..., n_times)``."""
        a, b = self.columns(parameters)
        value = self.value(times, parameters, length=length)
        log_x, log_rest, _ = self._logs(times, a, length)
        odds = np.exp(a * log_x - log_rest)  # x^a / (1 - x^a)
        by_a = value * (1 / a + log_x - (b - 1) * odds * log_x)
        return np.stack([by_a, value * (1 / b + log_rest)])

    def integral(self, times, parameters, *, length):
        """Distribution function, shape ``(..., n_times)``."""
        a, b = self.columns(parameters)
        x = np.clip(np.asarray(times) / length, 0, 1)
        with np.errstate(divide="ignore"):  # log(0) where x is 1
            return -np.expm1(b * np.log1p(-(x**a)))

    def sample(self, n_samples, parameters, *, length, rng):
        """Draw lags, in s, by the closed form of the inverse."""
        a, b = np.asarray(parameters, dtype=float)
        return length * (-np.expm1(np.log1p(-rng.random(n_samples)) / b)) ** (1 / a)

    @staticmethod
    def _logs(times, a, length):
        """log x, log(1 - x^a), and where the density is defined; harmless elsewhere."""
        x = np.asarray(times) / length
        inside = (x > 0) & (x < 1)
        log_x = np.log(np.where(inside, x, 0.5))
        return log_x, np.log(-np.expm1(a * log_x)), inside


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

    Examples
    --------
    >>> grid_lags(0.35, delta=0.07).round(2).tolist()
    [0.07, 0.14, 0.21, 0.28, 0.35]
    """
    n_lags = int(np.floor(length / delta * (1 + 1e-9)))
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
        If a kernel vanishes, or is not finite, on the lags of the grid.
    """
    parameters = np.asarray(parameters, dtype=float)
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
    """Inverse of `from_unit`; parameters beyond the box go to its border."""
    unit = _clip(parameters, bounds)
    for index, (low, high) in enumerate(bounds):
        if low > 0:
            unit[index] = np.log(unit[index] / low) / (np.log(high / low) or 1.0)
        else:
            unit[index] = (unit[index] - low) / ((high - low) or 1.0)
    return unit


def _normal(z):
    return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)


def _bump(x):
    return 0.5 * (1 - np.cos(np.pi * x))


def _clip(parameters, bounds):
    return np.stack([np.clip(x, *box) for x, box in zip(parameters, bounds, strict=True)])
