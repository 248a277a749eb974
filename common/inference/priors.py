r"""Independent uniform parameters with names, and coordinates in which they are standard normal."""

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr, ndtri

from common import validation

__all__ = ["BoxPrior"]

_EDGE = 1e-12  # what lies on a bound is this far inside, in units of the width


class BoxPrior:
    r"""Independent uniform parameters.

    Flows work in coordinates without bounds, :math:`z_j = \Phi^{-1}((\theta_j - l_j) / (h_j -
    l_j))`, in which the prior is standard normal: the base of a flow is the prior, and no sample
    leaves the box.

    Parameters
    ----------
    bounds : dict of str to (float, float)
        Least and largest value of each parameter, in its unit, by name.

    Attributes
    ----------
    names : tuple of str
    low, high : ndarray, shape (n_parameters,)

    Raises
    ------
    TypeError, ValueError
        If there is no parameter, a bound is no finite number, the lower is not below the upper, or
        their difference is no number.

    Examples
    --------
    >>> prior = BoxPrior({"alpha": (0, 1), "beta": (0, 2)})
    >>> prior.to_normal([[0.5, 1.0]]).tolist()
    [[0.0, 0.0]]
    """

    def __init__(self, bounds):
        if not isinstance(bounds, dict):
            raise TypeError(f"bounds must be a dict, such as {{'a': (0, 1)}}, got {bounds!r}.")
        if not bounds:
            raise ValueError("a prior needs at least one parameter, got none.")
        for name, pair in bounds.items():
            try:
                low, high = pair
            except (TypeError, ValueError):
                raise TypeError(
                    f"the bounds of {name} must be two numbers, (least, largest), got {pair!r}."
                ) from None
            low = validation.number(low, f"the lower bound of {name}")
            high = validation.number(high, f"the upper bound of {name}")
            if low >= high:
                raise ValueError(
                    f"the bounds of {name} must ascend, got ({low:g}, {high:g}). Swap them, or "
                    "leave a parameter with one value out of the prior."
                )
            if not np.isfinite(high - low):
                raise ValueError(
                    f"the bounds of {name}, ({low:g}, {high:g}), are too far apart for a number. "
                    "Choose narrower ones."
                )
        self.names = tuple(bounds)
        self.low, self.high = np.array(list(bounds.values()), dtype=float).T

    def __len__(self):
        return len(self.names)

    def only(self, names):
        """The prior of some of the parameters.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        prior : BoxPrior
            In the order of ``names``.

        Raises
        ------
        TypeError
            If ``names`` is no sequence.
        ValueError
            If there is no such parameter.
        """
        if not np.iterable(names):
            raise TypeError(f"names must be a sequence of names, got {names!r}.")
        places = [self.names.index(validation.choice(one, self.names, "name")) for one in names]
        return BoxPrior({self.names[j]: (self.low[j], self.high[j]) for j in places})

    def check_within(self, domain):
        """Refuse a prior that reaches where a simulator is not defined.

        Parameters
        ----------
        domain : dict of str to (float, float)
            Where the simulator is defined, by parameter, in its order; bounds may be infinite.

        Raises
        ------
        TypeError
            If ``domain`` is no dict.
        ValueError
            If the parameters are others or in another order, or a bound lies outside the domain.
        """
        if not isinstance(domain, Mapping):
            raise TypeError(
                f"domain must be a dict, such as {{'a': (0, 1)}}, got {domain!r}. Give the "
                "simulator one."
            )
        if self.names != tuple(domain):
            raise ValueError(
                f"the simulator takes {', '.join(domain)}, in this order, and the prior has "
                f"{', '.join(self.names)}."
            )
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            least, largest = domain[name]
            if low < least or high > largest:
                raise ValueError(
                    f"the prior of {name} is [{low:g}, {high:g}], outside of [{least:g}, "
                    f"{largest:g}], where the simulator is defined. Choose bounds within."
                )

    def sample(self, n, rng):
        """Independent draws.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        theta : ndarray, shape (n, n_parameters)

        Raises
        ------
        TypeError, ValueError
            If ``n`` is no positive whole number, or ``rng`` no generator.
        """
        n = validation.count(n, "n")
        rng = validation.generator(rng)
        return self.low + (self.high - self.low) * rng.random((n, len(self)))

    def to_normal(self, theta):
        """Coordinates in which the prior is standard normal.

        Parameters
        ----------
        theta : array_like, shape (..., n_parameters)
            Within the bounds.

        Returns
        -------
        z : ndarray, shape (..., n_parameters)
            Within about ± 7: a parameter on its bound is moved inside by a relative 1e-12.

        Raises
        ------
        TypeError, ValueError
            If a value is no number, NaN or outside of its bounds, or the last axis does not fit.
        """
        theta = self._fitting(theta, "theta")
        bad = ~((theta >= self.low) & (theta <= self.high))
        if bad.any():
            place = tuple(np.argwhere(bad)[0])
            j = place[-1]
            raise ValueError(
                f"{self.names[j]} is {theta[place]:g}, outside of its prior, [{self.low[j]:g}, "
                f"{self.high[j]:g}]. Widen the prior, or leave this value out."
            )
        share = (theta - self.low) / (self.high - self.low)
        return ndtri(np.clip(share, _EDGE, 1 - _EDGE))

    def from_normal(self, z):
        """Parameters at given coordinates; the inverse of `to_normal`.

        Parameters
        ----------
        z : array_like, shape (..., n_parameters)

        Returns
        -------
        theta : ndarray, shape (..., n_parameters)

        Raises
        ------
        TypeError, ValueError
            If a value is no number or NaN, or the last axis does not fit.
        """
        z = self._fitting(z, "z")
        if np.isnan(z).any():
            place = tuple(map(int, np.argwhere(np.isnan(z))[0]))
            raise ValueError(f"z must not be NaN, got nan at index {place}.")
        return self.low + (self.high - self.low) * ndtr(z)

    def _fitting(self, values, name):
        values = np.asarray(validation.unmasked(values, name))
        if values.dtype.kind not in "iuf":
            raise TypeError(f"{name} must hold real numbers, got {values.dtype}.")
        if values.ndim == 0 or values.shape[-1] != len(self):
            raise ValueError(
                f"{name} must have shape (..., {len(self)}), one column for each of "
                f"{', '.join(self.names)}, got {values.shape}."
            )
        return values.astype(float, copy=False)
