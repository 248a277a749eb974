r"""Recordings and images behind one form, for solvers that need to know of grids only.

A recording :math:`X` of C channels and T samples is an image of one row; atoms have h × w pixels, a
recording's 1 × L. Activations stand where an atom fits, on a grid of :math:`(R - h + 1) \times (S -
w + 1)` places for an image of R × S pixels:

.. math:: X_c[p] = \sum_k \sum_{q} z_k[q]\, D_{kc}[p - q] + \varepsilon_c[p], \qquad
          F(z) = \tfrac12 \Big\|X - \sum_k z_k * D_k\Big\|^2 + \lambda \sum_k \|z_k\|_1 .

As in `common.dictionary.sparse_coding`, solvers ask for three things of atoms: how the image
correlates with them, :math:`(D^\top X)_k[q] = \sum_{c,m} D_{kc}[m] X_c[q + m]`, how two of them
overlap at a distance, :math:`G_{kl}[d] = \sum_{c,m} D_{kc}[m + d] D_{lc}[m]`, and what activations
sum up to.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from common import validation
from common.dictionary._checks import flag, squarable
from common.dictionary.atoms import FullAtoms, as_atoms

__all__ = ["Problem", "cost", "lambda_max", "reconstruct"]


@dataclass(frozen=True, eq=False)
class Problem:
    """An image, or a recording of one row, and atoms.

    Attributes
    ----------
    X : ndarray, shape (n_channels, n_rows, n_columns)
    D : ndarray, shape (n_atoms, n_channels, atom_rows, atom_columns)
    flat : bool
        Whether it was a recording.
    """

    X: np.ndarray
    D: np.ndarray
    flat: bool

    @classmethod
    def of(cls, X, atoms):
        """From a recording and its atoms, or an image and its atoms.

        Parameters
        ----------
        X : array_like, shape (n_channels, n_times) or (n_channels, n_rows, n_columns)
            A recording or an image of one channel may come without its first axis.
        atoms : array_like, FullAtoms, RankOneAtoms or tuple
            Four axes (n_atoms, n_channels, n_rows, n_columns) mean an image; else a recording,
            see `common.dictionary.atoms.as_atoms`.

        Returns
        -------
        problem : Problem

        Raises
        ------
        TypeError, ValueError
            If values are no finite numbers, their squares are none, an atom is zero throughout, or
            shapes do not fit.
        """
        if isinstance(atoms, list):
            atoms = validation.array(atoms, "atoms")
        flat = not hasattr(atoms, "shape") or np.ndim(atoms) != 4
        if flat:
            D = as_atoms(atoms).full()[:, :, None]
        else:
            D = validation.array(atoms, "atoms", ndim=4).astype(float)
            FullAtoms(D.reshape(*D.shape[:2], -1))  # which checks that none is zero throughout
        X = validation.array(X, "X").astype(float)
        X = X[None] if X.ndim == (1 if flat else 2) else X
        if X.ndim != (2 if flat else 3):
            wanted = "(n_channels, n_times)" if flat else "(n_channels, n_rows, n_columns)"
            raise ValueError(f"X must have shape {wanted} for such atoms, got {X.shape}.")
        X = X[:, None] if flat else X
        if X.shape[0] != D.shape[1]:
            raise ValueError(
                f"X has {X.shape[0]} channel(s), the atoms have {D.shape[1]}. "
                "Pick the channels that they are for."
            )
        if X.shape[1] < D.shape[2] or X.shape[2] < D.shape[3]:
            raise ValueError(
                f"an atom of {_size(D.shape[2:], flat)} does not fit into X of "
                f"{_size(X.shape[1:], flat)}."
            )
        squarable(X, "X")
        return cls(np.ascontiguousarray(X), np.ascontiguousarray(D), flat)

    def with_atoms(self, D):
        """The same image with other atoms, as many and as large.

        Parameters
        ----------
        D : array_like, shape (n_atoms, n_channels, atom_rows, atom_columns)

        Returns
        -------
        problem : Problem

        Raises
        ------
        TypeError, ValueError
            If values are no finite numbers, or the shape is another.
        """
        D = validation.array(D, "D").astype(float)
        if D.shape != self.D.shape:
            raise ValueError(f"D must have the shape {self.D.shape} as before, got {D.shape}.")
        return Problem(self.X, np.ascontiguousarray(D), self.flat)

    @property
    def shape(self):
        """Shape of activations on the grid, (n_atoms, n_rows, n_columns)."""
        rows, columns = np.subtract(self.X.shape[1:], self.D.shape[2:]) + 1
        return len(self.D), int(rows), int(columns)

    @property
    def reach(self):
        """Rows and columns up to which two activations interfere, (h - 1, w - 1)."""
        return self.D.shape[2] - 1, self.D.shape[3] - 1

    def correlation(self):
        """Of the image with every atom, of the shape of activations."""
        if self.D.shape[2] == self.X.shape[1] == 1:
            return FullAtoms(self.D[:, :, 0]).correlate(self.X[:, 0])[:, None]
        found = np.zeros(self.shape)
        for one, atom in zip(found, self.D, strict=True):
            for channel, pattern in zip(self.X, atom, strict=True):
                one += signal.oaconvolve(channel, pattern[::-1, ::-1], mode="valid")
        return found

    def overlaps(self):
        """G, shape (n_atoms, n_atoms, 2 h - 1, 2 w - 1), distance 0 in the middle."""
        sizes = [2 * size - 1 for size in self.D.shape[2:]]
        spectra = np.fft.rfft2(self.D, sizes)
        products = np.einsum("kcij,lcij->klij", spectra, spectra.conj())
        return np.ascontiguousarray(np.roll(np.fft.irfft2(products, sizes), self.reach, (2, 3)))

    def given(self, z):
        """Activations in the shape that the user knows.

        Parameters
        ----------
        z : ndarray, shape (n_atoms, n_rows, n_columns)

        Returns
        -------
        z : ndarray, shape (n_atoms, n_places) or (n_atoms, n_rows, n_columns)
        """
        return z[:, 0] if self.flat else z

    def checked_tol(self, tol, max_updates=None):
        """A tolerance of activations that can be met.

        Parameters
        ----------
        tol : float
        max_updates : int, optional
            With it, any will do.

        Returns
        -------
        tol : float

        Raises
        ------
        TypeError, ValueError
            If it is not above 0, or far below the last digit of all activations that there may be.
        """
        tol = validation.number(tol, "tol", above=0)
        sizes = np.abs(self.D).sum(axis=(1, 2, 3)) / (self.D**2).sum(axis=(1, 2, 3))
        most = sizes.max() * np.abs(self.X).max()  # a bound, often a hundred times too large
        if max_updates is None and tol < 1e-3 * np.finfo(float).eps * most:
            raise ValueError(
                f"tol={tol:g} is below the last digit of activations, which are up to {most:g}: "
                "steps may never be as short. Raise it."
            )
        return tol

    def on_grid(self, z, name="z"):
        """Activations of the user, checked, on the grid.

        Parameters
        ----------
        z : array_like, shape (n_atoms, n_places) or (n_atoms, n_rows, n_columns)
        name : str
            For messages.

        Returns
        -------
        z : ndarray, shape (n_atoms, n_rows, n_columns)
            A copy.

        Raises
        ------
        TypeError, ValueError
            If they are no finite numbers, or of another shape.
        """
        z = validation.array(z, name).astype(float)
        expected = self.given(np.empty(self.shape)).shape
        if z.shape != expected:
            raise ValueError(f"{name} must have the shape {expected}, got {z.shape}.")
        squarable(z, name, small=False)
        return z.reshape(self.shape).copy()


def reconstruct(z, atoms):
    """What activations sum up to.

    Parameters
    ----------
    z : array_like, shape (n_atoms, n_places) or (n_atoms, n_rows, n_columns)
    atoms
        See `Problem.of`; an array has three axes for recordings, four for images.

    Returns
    -------
    X : ndarray, shape (n_channels, n_times) or (n_channels, n_rows, n_columns)

    Raises
    ------
    TypeError, ValueError
        If the atoms or activations are none, or their number differs.
    """
    z = validation.array(z, "z").astype(float)
    if z.ndim not in (2, 3):
        raise ValueError(
            f"z must have shape (n_atoms, n_places) or (n_atoms, n_rows, n_columns), got {z.shape}."
        )
    if z.ndim == 2:
        atoms = as_atoms(atoms)
        validation.same_length(z=z, atoms=atoms.full())
        return atoms.convolve(z)
    D = validation.array(atoms, "atoms", ndim=4).astype(float)
    validation.same_length(z=z, atoms=D)
    found = np.zeros((D.shape[1], *(np.add(z.shape[1:], D.shape[2:]) - 1)))
    for one, atom in zip(z, D, strict=True):
        for channel, pattern in zip(found, atom, strict=True):
            channel += signal.oaconvolve(one, pattern)
    return found


def cost(X, atoms, z, penalty):
    """F, from the residual itself.

    Parameters
    ----------
    X, atoms
        See `Problem.of`.
    z : array_like, shape (n_atoms, n_places) or (n_atoms, n_rows, n_columns)
    penalty : float
        Lambda.

    Returns
    -------
    cost : float
        In the unit of ``X``, squared.

    Raises
    ------
    TypeError, ValueError
        If a number is none, or shapes do not fit.
    """
    problem = Problem.of(X, atoms)
    z = problem.on_grid(z)
    residual = problem.X - reconstruct(z, problem.D)
    penalty = validation.number(penalty, "penalty", at_least=0)
    return float(0.5 * np.vdot(residual, residual) + penalty * np.abs(z).sum())


def lambda_max(X, atoms, *, nonnegative=True):
    """Smallest penalty with which nothing is active.

    Parameters
    ----------
    X, atoms
        See `Problem.of`.
    nonnegative : bool, default=True
        If activations may be negative, absolute values of correlations count.

    Returns
    -------
    penalty : float
        0 if no correlation counts.

    Raises
    ------
    TypeError, ValueError
        As `Problem.of`, or if ``nonnegative`` is neither true nor false.
    """
    nonnegative = flag(nonnegative, "nonnegative")
    correlation = Problem.of(X, atoms).correlation()
    return max(0.0, float(correlation.max() if nonnegative else np.abs(correlation).max()))


def _size(shape, flat):
    return f"{shape[1]} samples" if flat else f"{shape[0]} × {shape[1]} pixels"
