r"""The lasso of many samples at once: objective, certificate, and the curvature on a support.

Of a sample x and a dictionary D with an atom in each row, a code z has the cost

.. math:: F_x(z) = \tfrac12 \|x - z D\|^2 + \lambda \|z\|_1.

Its smooth part has curvature up to :math:`L = \|D\|^2`, but among the codes whose support is in S
only up to :math:`L_S = \|D_S\|^2`, with :math:`D_S` the atoms in S.

With the residual :math:`r = x - z D` and a factor s for which :math:`\|s D r\|_\infty \le \lambda`,
F(z) exceeds its minimum by the duality gap at most,

.. math:: \tfrac12 (1 - s)^2 \|r\|^2 + \sum_i |z_i| \big(\lambda - s\, \mathrm{sign}(z_i) (D r)_i
          \big),

a sum of terms that are not negative, so that it is also exact where it is small.
"""

from functools import cached_property

import numpy as np

from common import validation

__all__ = ["Lasso", "soft_threshold", "unit_lambda_max"]

_AT_ONCE = 4_000_000  # numbers of the Gram matrices that are in memory together


class Lasso:
    """The lasso for one dictionary and one penalty.

    Parameters
    ----------
    D : array_like, shape (n_atoms, n_features)
        One atom a row, none of them zero; as scikit-learn has dictionaries.
    reg : float
        Lambda, above 0.

    Attributes
    ----------
    D : ndarray, shape (n_atoms, n_features)
    reg : float
    n_atoms, n_features : int
    smoothness : float
        L, the squared spectral norm of D.

    Raises
    ------
    TypeError
        If an argument holds no numbers.
    ValueError
        If a value or the sum of squares is not finite, that sum is 0 in floating point, an atom is
        zero, or lambda is not above 0.

    Notes
    -----
    Of the codes and samples that other methods than `samples` take, only shapes are checked.
    """

    def __init__(self, D, *, reg):
        self.D = _dictionary(D)
        self.reg = validation.number(reg, "reg", above=0)
        self.n_atoms, self.n_features = self.D.shape

    @cached_property
    def smoothness(self):
        return float(np.linalg.norm(self.D, 2) ** 2)

    def samples(self, x):
        """Samples, checked.

        Parameters
        ----------
        x : array_like, shape (n_samples, n_features)

        Returns
        -------
        x : ndarray, shape (n_samples, n_features)

        Raises
        ------
        TypeError
            If it holds no numbers.
        ValueError
            If a value or the sum of squares is not finite, or the shape does not fit.
        """
        return _samples(x, self.D)

    def objective(self, z, x):
        """F of every sample.

        Parameters
        ----------
        z : ndarray, shape (n_samples, n_atoms)
        x : ndarray, shape (n_samples, n_features)

        Returns
        -------
        objective : ndarray, shape (n_samples,)

        Raises
        ------
        ValueError
            If a shape does not fit.
        """
        z, x = self._pair(z, x)
        residual = x - z @ self.D
        return 0.5 * (residual**2).sum(axis=1) + self.reg * np.abs(z).sum(axis=1)

    def gradient(self, z, x):
        """Gradient of the smooth part, shape (n_samples, n_atoms); see `objective`."""
        return self._gradient(*self._pair(z, x))

    def duality_gap(self, z, x):
        """How far F is above its minimum at most, shape (n_samples,); see `objective`."""
        z, x = self._pair(z, x)
        residual = x - z @ self.D
        correlation = residual @ self.D.T
        steepest = np.abs(correlation).max(axis=1)
        scale = np.minimum(1, self.reg / np.maximum(steepest, np.finfo(float).tiny))
        slack = np.abs(z) * self.reg - scale[:, None] * z * correlation
        # By rounding a term may be below 0.
        unmet = np.maximum(slack, 0).sum(axis=1)
        return 0.5 * (1 - scale) ** 2 * (residual**2).sum(axis=1) + unmet

    def support_smoothness(self, z):
        r""":math:`L_S` for the support of every code; L where a code is zero.

        Parameters
        ----------
        z : ndarray, shape (n_samples, n_atoms)

        Returns
        -------
        smoothness : ndarray, shape (n_samples,)

        Raises
        ------
        ValueError
            If the shape does not fit.
        """
        z = self._codes(z)
        supports, which = np.unique(z != 0, axis=0, return_inverse=True)
        found = np.full(len(supports), self.smoothness)
        (filled,) = np.nonzero(supports.any(axis=1))
        size = max(1, _AT_ONCE // self.n_features**2)
        for first in range(0, len(filled), size):
            rows = filled[first : first + size]
            atoms = supports[rows][:, :, None] * self.D
            gram = atoms.swapaxes(1, 2) @ atoms
            found[rows] = np.linalg.eigvalsh(gram)[:, -1]
        return found[which.reshape(-1)]

    def _gradient(self, z, x):
        return (z @ self.D - x) @ self.D.T

    def _codes(self, z):
        z = np.asarray(z, dtype=float)
        if z.ndim != 2 or z.shape[1] != self.n_atoms:
            raise ValueError(
                f"z must have shape (n_samples, {self.n_atoms}), a row for each sample and a "
                f"column for each atom, got {z.shape}."
            )
        return z

    def _pair(self, z, x):
        z, x = self._codes(z), np.asarray(x, dtype=float)
        if x.shape != (len(z), self.n_features):
            raise ValueError(
                f"x must have shape {(len(z), self.n_features)}, a sample for each row of z, "
                f"got {x.shape}."
            )
        return z, x


def soft_threshold(values, threshold):
    """Values moved towards 0 by a threshold, and 0 where they are within it.

    Parameters
    ----------
    values : array_like
    threshold : float or array_like
        That broadcasts with the values, at least 0.

    Returns
    -------
    values : ndarray
        In floating point.

    Raises
    ------
    TypeError
        If an argument holds no numbers.
    ValueError
        If a value is not finite, or a threshold below 0.
    """
    values = validation.array(values, "values", empty=True)
    validation.array(threshold, "threshold", at_least=0, empty=True)
    return shrunk(values, threshold)


def shrunk(values, threshold):
    """`soft_threshold` without its checks, for loops.

    Parameters
    ----------
    values : ndarray
    threshold : float or ndarray

    Returns
    -------
    values : ndarray
    """
    return np.sign(values) * np.maximum(np.abs(values) - threshold, 0)


def check_problem(problem):
    """A lasso problem.

    Parameters
    ----------
    problem : Lasso

    Returns
    -------
    problem : Lasso

    Raises
    ------
    TypeError
        If it is of another type.
    """
    if not isinstance(problem, Lasso):
        raise TypeError(f"problem must be a Lasso, such as Lasso(D, reg=0.1), got {problem!r}.")
    return problem


def unit_lambda_max(x, D):
    """Samples scaled so that their code is zero from lambda = 1 on, and not below.

    Parameters
    ----------
    x : array_like, shape (n_samples, n_features)
    D : array_like, shape (n_atoms, n_features)

    Returns
    -------
    x : ndarray, shape (n_samples, n_features)
        Each divided by its largest inner product with an atom.

    Raises
    ------
    TypeError
        If an argument holds no numbers.
    ValueError
        If shapes do not fit, a value is not finite, an atom is zero, the sum of squares of ``D`` is
        0 in floating point, or a sample is orthogonal to all atoms.
    """
    D = _dictionary(D)
    x = _samples(x, D)
    largest = np.abs(x @ D.T).max(axis=1)
    # An inner product is exact up to some roundings of the product of norms.
    rounding = 1e-14 * np.linalg.norm(x, axis=1) * np.linalg.norm(D, axis=1).max()
    if (largest <= rounding).any():
        raise ValueError(
            f"sample {int(np.argmax(largest <= rounding))} of x is orthogonal to all atoms: its "
            "code is zero for every lambda. Leave it out or draw it again."
        )
    return x / largest[:, None]


def _dictionary(D):
    D = validation.array(D, "D", ndim=2).astype(float)
    zero = ~D.any(axis=1)
    if zero.any():
        raise ValueError(f"atom {int(np.argmax(zero))} of D is zero. Leave it out.")
    check_size(D, "D")
    if np.vdot(D, D) < np.finfo(float).tiny:
        raise ValueError(
            f"D reaches only {np.abs(D).max():.3g}, whose square is 0 in floating point. Scale it "
            "up."
        )
    return D


def check_size(values, name):
    """Refuse values of which the sum of squares is infinite.

    Parameters
    ----------
    values : ndarray
    name : str
        What the message calls them.

    Raises
    ------
    ValueError
        If it is.
    """
    with np.errstate(over="ignore"):
        power = np.vdot(values, values)
    if not np.isfinite(power):
        raise ValueError(
            f"{name} reaches {np.abs(values).max():.3g}, whose square is infinite. Scale it down."
        )


def _samples(x, D):
    x = validation.array(x, "x", ndim=2).astype(float)
    if x.shape[1] != D.shape[1]:
        raise ValueError(
            f"x must have {D.shape[1]} features, as the atoms have, got shape {x.shape}."
        )
    check_size(x, "x")
    return x
