r"""Kernels in the plane: probability densities of the displacement, on a square.

An event triggers others around it. The displacement :math:`(x, y)` has a density on
:math:`[-W, W]^2`, isotropic around a centre :math:`(m, m)`, which is the origin where the kernel is
``centred``. On a grid, densities are scaled so that they have exactly unit mass there.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import scipy.special

from common import validation

__all__ = [
    "SPACE_KERNELS",
    "IsotropicGaussian",
    "PowerLaw",
    "SpaceKernel",
    "discretise_plane",
    "plane_lags",
]

_MOST_ROUNDS = 10_000  # of drawing displacements until they fall into the square


@dataclass(frozen=True)
class SpaceKernel(ABC):
    """Density of the displacement from an event to one that it triggers.

    Parameters
    ----------
    centred : bool, default=False
        Whether the centre is the origin. Otherwise `mean`, its coordinate on both axes, is the
        first parameter.
    """

    centred: bool = False

    @property
    def names(self):
        """Names of the parameters."""
        return (self.width,) if self.centred else ("mean", self.width)

    @property
    @abstractmethod
    def width(self):
        """Name of the parameter that says how far the density reaches."""

    @abstractmethod
    def bounds(self, length, delta):
        """Admissible box of the parameters.

        Parameters
        ----------
        length : float
            Half side of the square that the density lives on.
        delta : float
            Step of the grid.

        Returns
        -------
        bounds : ndarray, shape (n_parameters, 2)
        """

    @abstractmethod
    def log_shape(self, x, y, parameters):
        """Logarithm of the density, up to a constant, without the limits of the square.

        Parameters
        ----------
        x, y : array_like
            Displacements, of equal shape.
        parameters : sequence of float
            In the order of ``names``.

        Returns
        -------
        log_shape : ndarray
            Of the shape of ``x``.
        """

    @abstractmethod
    def log_derivative(self, x, y, parameters):
        """Derivative of `log_shape` by each parameter.

        Parameters
        ----------
        x, y : array_like
            Displacements, of equal shape.
        parameters : sequence of float
            In the order of ``names``.

        Returns
        -------
        derivative : ndarray, shape (n_parameters, ...)
        """

    def check(self, parameters):
        """Parameters as an array, if they describe a density.

        Parameters
        ----------
        parameters : array_like, shape (n_parameters, ...)

        Returns
        -------
        parameters : ndarray, shape (n_parameters, ...)

        Raises
        ------
        ValueError
            If there are more or fewer than there are names, one is not finite, or the width is not
            above 0.
        """
        found = np.asarray(parameters, dtype=float)
        if found.ndim == 0 or len(found) != len(self.names):
            raise ValueError(
                f"{self!r} has the parameters {', '.join(self.names)}, got shape {found.shape}."
            )
        for name, values in zip(self.names, found, strict=True):
            validation.array(values, name, above=0 if name == self.width else None, empty=True)
        return found

    def value(self, x, y, parameters, *, length):
        """Density at each displacement.

        Parameters
        ----------
        x, y : ndarray of one shape
            Displacements, in the unit of length.
        parameters : array_like, shape (n_parameters,)
        length : float
            Half side of the square.

        Returns
        -------
        value : ndarray
            In 1 / area; zero outside the square.

        Raises
        ------
        TypeError, ValueError
            If ``length`` is no number above 0, or the parameters describe no density on the square.
        """
        parameters, whole = self._whole(parameters, length)
        inside = (np.abs(x) <= length) & (np.abs(y) <= length)
        return inside * np.exp(self.log_shape(x, y, parameters)) / whole

    def mass(self, low_x, high_x, low_y, high_y, parameters, *, length):
        """Probability of a rectangle of displacements.

        Parameters
        ----------
        low_x, high_x, low_y, high_y : array_like of one shape
            Its borders; what lies beyond the square has no mass.
        parameters : array_like, shape (n_parameters,)
        length : float
            Half side of the square.

        Returns
        -------
        mass : ndarray

        Raises
        ------
        TypeError, ValueError
            As `value`, and if a border is no number or the lower one is above the higher.
        """
        parameters, whole = self._whole(parameters, length)
        for axis, low, high in (("x", low_x, high_x), ("y", low_y, high_y)):
            falls = ~(np.asarray(low) <= np.asarray(high))  # true for NaN
            if falls.any():
                low, high = (np.broadcast_to(each, falls.shape)[falls][0] for each in (low, high))
                raise ValueError(
                    f"low_{axis} must be at most high_{axis}, got {low:g} and {high:g}. Swap them."
                )
        cut = (np.clip(each, -length, length) for each in (low_x, high_x, low_y, high_y))
        return self._rectangle(*cut, parameters) / whole

    def sample(self, n_samples, parameters, *, length, rng):
        """Draw displacements: from the whole plane, again where they leave the square.

        Parameters
        ----------
        n_samples : int
        parameters : array_like, shape (n_parameters,)
        length : float
            Half side of the square.
        rng : numpy.random.Generator

        Returns
        -------
        displacements : ndarray, shape (n_samples, 2)

        Raises
        ------
        TypeError
            If a number is none, or ``rng`` no generator.
        ValueError
            If a number is out of range, the parameters describe no density, or hardly any of its
            mass lies in the square.
        """
        n_samples = validation.count(n_samples, "n_samples", at_least=0)
        parameters = self.check(parameters)
        length = validation.number(length, "length", above=0)
        rng = validation.generator(rng)
        found = np.empty((n_samples, 2))
        missing = np.arange(n_samples)
        for _ in range(_MOST_ROUNDS):
            if not len(missing):
                return found
            drawn = self._draw(len(missing), parameters, rng)
            found[missing] = drawn
            missing = missing[np.any(np.abs(drawn) > length, axis=1)]
        raise ValueError(self._hardly_any(parameters, length))

    def _whole(self, parameters, length):
        """Checked parameters, and the integral over the square."""
        parameters = self.check(parameters)
        length = validation.number(length, "length", above=0)
        with np.errstate(all="ignore"):  # the error below says so
            whole = self._rectangle(-length, length, -length, length, parameters)
        if not np.all((whole > 0) & (whole < np.inf)):
            raise ValueError(self._hardly_any(parameters, length))
        return parameters, whole

    def _hardly_any(self, parameters, length):
        said = ", ".join(f"{k}={v:g}" for k, v in zip(self.names, parameters, strict=True))
        return (
            f"{self!r} with {said} has hardly any mass within {length:g} of the event. Use a "
            "smaller width, though one whose square is above 0, or a larger space_length."
        )

    def _centre(self, parameters):
        return 0.0 if self.centred else parameters[0]

    @abstractmethod
    def _rectangle(self, low_x, high_x, low_y, high_y, parameters):
        """Integral of the exponential of `log_shape` over a rectangle."""

    @abstractmethod
    def _draw(self, n_samples, parameters, rng):
        """Displacements in the whole plane."""


@dataclass(frozen=True)
class IsotropicGaussian(SpaceKernel):
    r"""Isotropic Gaussian :math:`\exp(-((x - m)^2 + (y - m)^2) / 2 \sigma^2)`, cut to the square.

    Parameters `mean` (unless ``centred``) and `sigma`, in the unit of length.
    """

    width = "sigma"

    def bounds(self, length, delta):
        """Centre within half the square, sigma from a third of a grid step to the half side."""
        return _bounds(self, length, [delta / 3, length])

    def log_shape(self, x, y, parameters):
        """Logarithm of the density, up to a constant."""
        m, sigma = self._centre(parameters), parameters[-1]
        return -((x - m) ** 2 + (y - m) ** 2) / (2 * sigma**2)

    def log_derivative(self, x, y, parameters):
        """Derivative of `log_shape`, shape ``(n_parameters, ...)``."""
        m, sigma = self._centre(parameters), parameters[-1]
        by_mean = (x + y - 2 * m) / sigma**2
        by_sigma = ((x - m) ** 2 + (y - m) ** 2) / sigma**3
        return np.stack([by_sigma] if self.centred else [by_mean, by_sigma])

    def _rectangle(self, low_x, high_x, low_y, high_y, parameters):
        m, sigma = self._centre(parameters), parameters[-1]
        area = 2 * np.pi * sigma**2
        for low, high in ((low_x, high_x), (low_y, high_y)):
            area = area * (
                scipy.special.ndtr((high - m) / sigma) - scipy.special.ndtr((low - m) / sigma)
            )
        return area

    def _draw(self, n_samples, parameters, rng):
        return rng.normal(self._centre(parameters), parameters[-1], (n_samples, 2))


@dataclass(frozen=True)
class PowerLaw(SpaceKernel):
    r"""Inverse power law :math:`(1 + ((x - m)^2 + (y - m)^2) / s)^{-3/2}`, cut to the square.

    Parameters `mean` (unless ``centred``), in the unit of length, and `scale`, its square.
    """

    width = "scale"

    def bounds(self, length, delta):
        """Centre within half the square, scale from (a third of a grid step)² to the half side²."""
        return _bounds(self, length, [(delta / 3) ** 2, length**2])

    def log_shape(self, x, y, parameters):
        """Logarithm of the density, up to a constant."""
        m, scale = self._centre(parameters), parameters[-1]
        return -1.5 * np.log1p(((x - m) ** 2 + (y - m) ** 2) / scale)

    def log_derivative(self, x, y, parameters):
        """Derivative of `log_shape`, shape ``(n_parameters, ...)``."""
        m, scale = self._centre(parameters), parameters[-1]
        square = (x - m) ** 2 + (y - m) ** 2
        by_mean = 3 * (x + y - 2 * m) / (scale + square)
        by_scale = 1.5 * square / (scale * (scale + square))
        return np.stack([by_scale] if self.centred else [by_mean, by_scale])

    def _rectangle(self, low_x, high_x, low_y, high_y, parameters):
        m, scale = self._centre(parameters), parameters[-1]

        def corner(x, y):
            x, y = x - m, y - m
            return scale * np.arctan2(x * y, np.sqrt(scale * (scale + x**2 + y**2)))

        below = corner(high_x, low_y) - corner(low_x, low_y)
        return corner(high_x, high_y) - corner(low_x, high_y) - below

    def _draw(self, n_samples, parameters, rng):
        # The radius has the distribution function 1 - (1 + r^2 / s)^(-1/2).
        left = 1 - rng.random(n_samples)
        radius = np.sqrt(parameters[-1] * (left**-2 - 1))
        angle = rng.uniform(0, 2 * np.pi, n_samples)
        centre = self._centre(parameters)
        return centre + np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


SPACE_KERNELS = {"gaussian": IsotropicGaussian, "power-law": PowerLaw}
"""Kernels in the plane by the name that settings use."""


def plane_lags(length, *, delta):
    """Lags of the grid within the square on both axes, from ``-n delta`` to ``n delta``.

    Parameters
    ----------
    length : float
        Half side of the square.
    delta : tuple of float
        Grid steps on the two axes.

    Returns
    -------
    x, y : ndarray, each of shape (2 n + 1,)

    Raises
    ------
    TypeError, ValueError
        If the length or a step is no number above 0, or there are not two steps.
    """
    length, found = validation.number(length, "length", above=0), []
    if len(validation.vector(delta, "delta", above=0)) != 2:
        raise ValueError(f"delta must be two steps, one an axis, got {delta!r}.")
    for step in delta:
        n = int(np.floor(length / step * (1 + 1e-9)))
        found.append(step * np.arange(-n, n + 1))
    return tuple(found)


def discretise_plane(kernel, parameters, *, length, delta, derivative=False):
    """Kernel on the lags of a grid, scaled so that it has exactly unit mass there.

    Parameters
    ----------
    kernel : SpaceKernel
    parameters : array_like, shape (n_parameters,)
    length : float
        Half side of the square.
    delta : tuple of float
        Grid steps on the two axes.
    derivative : bool, default=False
        Whether to return the derivative, too.

    Returns
    -------
    value : ndarray, shape (n_lags_x, n_lags_y)
        In 1 / area.
    by_parameter : ndarray, shape (n_parameters, n_lags_x, n_lags_y)
        Only with ``derivative=True``.

    Raises
    ------
    TypeError, ValueError
        If the parameters describe no density, or as `plane_lags`.
    """
    parameters = kernel.check(parameters)
    x, y = np.meshgrid(*plane_lags(length, delta=delta), indexing="ij", sparse=True)
    logarithm = kernel.log_shape(x, y, parameters)
    # A density much narrower than a cell underflows on all lags, but not relative to the largest.
    share = np.exp(logarithm - logarithm.max())
    share /= share.sum()
    cell = delta[0] * delta[1]
    if not derivative:
        return share / cell
    change = kernel.log_derivative(x, y, parameters)
    change = change - (share * change).sum((1, 2), keepdims=True)
    return share / cell, share * change / cell


def _bounds(kernel, length, width):
    return np.array([width] if kernel.centred else [[-length / 2, length / 2], width])
