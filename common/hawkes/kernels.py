"""Families of kernels: truncated Gaussian, raised cosine, exponential, Kumaraswamy.

All are densities on ``[0, length]`` with closed forms for value, derivative and distribution
function. `common.hawkes.kernel_base` says what a kernel is, and how to add one.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.special

from common import validation
from common.hawkes.kernel_base import Kernel, clip, discretise, from_unit, grid_lags, to_unit

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


@dataclass(frozen=True)
class TruncatedGaussian(Kernel):
    """Gaussian density restricted to ``[lower, length]``; parameters `mean` and `sigma` in s.

    They are the mean and deviation of the Gaussian before it is truncated. A negative ``lower`` is
    refused: an event would be triggered before its cause.
    """

    lower: float = 0.0
    names: ClassVar[tuple[str, ...]] = ("mean", "sigma")
    positive: ClassVar[tuple[str, ...]] = ("sigma",)

    def __post_init__(self):
        validation.number(self.lower, "lower", at_least=0, unit="s")

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
        return clip(np.broadcast_arrays(mean, spread), self.bounds(length, delta))

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
    positive: ClassVar[tuple[str, ...]] = ("sigma",)

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
        return clip([mean - sigma, sigma], bounds)

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
    positive: ClassVar[tuple[str, ...]] = ("decay",)

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

    def _inverse(self, probability, parameters, length):
        (decay,) = parameters
        return -np.log1p(probability * np.expm1(-decay * length)) / decay


@dataclass(frozen=True)
class Kumaraswamy(Kernel):
    r"""Kumaraswamy density of :math:`x = t / W`; parameters `a` and `b`, without unit.

    .. math:: \kappa(t) = \frac{a b}{W} x^{a - 1} (1 - x^a)^{b - 1}, \qquad 0 < t < W.

    At the two ends, where it may be infinite, the value is set to zero.
    """

    names: ClassVar[tuple[str, ...]] = ("a", "b")
    positive: ClassVar[tuple[str, ...]] = ("a", "b")

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

    def _inverse(self, probability, parameters, length):
        a, b = parameters
        return length * (-np.expm1(np.log1p(-probability) / b)) ** (1 / a)

    @staticmethod
    def _logs(times, a, length):
        """log x, log(1 - x^a), and where the density is defined; harmless elsewhere."""
        x = np.asarray(times) / length
        inside = (x > 0) & (x < 1)
        log_x = np.log(np.where(inside, x, 0.5))
        return log_x, np.log(-np.expm1(a * log_x)), inside


def _normal(z):
    return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)


def _bump(x):
    return 0.5 * (1 - np.cos(np.pi * x))
