r"""Atoms of a convolutional dictionary, of rank one or free, behind one interface.

Atom k has :math:`D_k \in \mathbb{R}^{C \times L}` on C channels and L samples. The solvers of
`common.dictionary.sparse_coding` ask it three things only: how a recording correlates with it,

.. math:: (D^\top X)_k[t] = \sum_{c,\, m} D_{kc}[m]\, X_c[t + m],

how two atoms overlap at a distance,

.. math:: G_{kl}[d] = \sum_{c,\, m} D_{kc}[m + d]\, D_{lc}[m], \qquad |d| < L,

and what activations sum up to, :math:`(D z)_c = \sum_k z_k * D_{kc}`. With rank one,
:math:`D_k = u_k v_k^\top`, the overlaps are :math:`(u_k \cdot u_l)` times those of the waveforms,
and correlations are taken once an atom, not once an atom and channel.
"""

import numba
import numpy as np
from scipy import signal

from common import validation
from common.dictionary._checks import norms

__all__ = ["FullAtoms", "RankOneAtoms", "as_atoms"]

_SHORT = 128  # samples, up to which sums beat transforms
_BLOCK = 1024


class FullAtoms:
    """Atoms without structure.

    Parameters
    ----------
    D : array_like, shape (n_atoms, n_channels, n_times_atom)
        Each with a value that is not 0.

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If the shape does not fit, a value is not finite, or an atom is zero throughout, or so large
        or small that its norm is no number.
    """

    def __init__(self, D):
        self.D = validation.array(D, "D", ndim=3).astype(float)
        self.n_atoms, self.n_channels, self.n_times_atom = self.D.shape
        norms(self.D, "D")

    def full(self):
        """All atoms, shape (n_atoms, n_channels, n_times_atom)."""
        return self.D

    def correlate(self, X):
        """Correlation of a recording with every atom.

        Parameters
        ----------
        X : ndarray, shape (n_channels, n_times)

        Returns
        -------
        correlation : ndarray, shape (n_atoms, n_times - n_times_atom + 1)
        """
        found = np.zeros((self.n_atoms, X.shape[1] - self.n_times_atom + 1))
        for one, atom in zip(found, self.D, strict=True):
            for channel, waveform in zip(X, atom, strict=True):
                _correlate(channel, waveform, one)
        return found

    def overlaps(self):
        """G, shape (n_atoms, n_atoms, 2 n_times_atom - 1), distance 0 in the middle."""
        spectra = np.fft.rfft(self.D, 2 * self.n_times_atom - 1)
        return _centred(np.einsum("kcf,lcf->klf", spectra, spectra.conj()), self.n_times_atom)

    def convolve(self, z):
        """Sum of the activated atoms.

        Parameters
        ----------
        z : ndarray, shape (n_atoms, n_times - n_times_atom + 1)

        Returns
        -------
        X : ndarray, shape (n_channels, n_times)
        """
        found = np.zeros((self.n_channels, z.shape[1] + self.n_times_atom - 1))
        for one, atom in zip(z, self.D, strict=True):
            for channel, waveform in zip(found, atom, strict=True):
                channel += signal.oaconvolve(one, waveform)
        return found


class RankOneAtoms:
    """Atoms of a topography and a waveform each.

    Parameters
    ----------
    u : array_like, shape (n_atoms, n_channels)
    v : array_like, shape (n_atoms, n_times_atom)

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If shapes do not fit, a value is not finite, or an atom is zero throughout, or so large or
        small that its norm is no number.
    """

    def __init__(self, u, v):
        self.u = validation.array(u, "u", ndim=2).astype(float)
        self.v = validation.array(v, "v", ndim=2).astype(float)
        validation.same_length(u=self.u, v=self.v)
        with np.errstate(over="ignore", under="ignore"):
            norms(norms(self.u, "u") * norms(self.v, "v"), "(u, v)")
        (self.n_atoms, self.n_channels), self.n_times_atom = self.u.shape, self.v.shape[1]

    def full(self):
        """All atoms, shape (n_atoms, n_channels, n_times_atom)."""
        return self.u[:, :, None] * self.v[:, None, :]

    def correlate(self, X):
        """Correlation of a recording with every atom.

        Parameters
        ----------
        X : ndarray, shape (n_channels, n_times)

        Returns
        -------
        correlation : ndarray, shape (n_atoms, n_times - n_times_atom + 1)
        """
        found = np.zeros((self.n_atoms, X.shape[1] - self.n_times_atom + 1))
        for one, u, v in zip(found, self.u, self.v, strict=True):
            _correlate(u @ X, v, one)
        return found

    def overlaps(self):
        """G, shape (n_atoms, n_atoms, 2 n_times_atom - 1), distance 0 in the middle."""
        spectra = np.fft.rfft(self.v, 2 * self.n_times_atom - 1)
        of_waveforms = _centred(spectra[:, None] * spectra[None].conj(), self.n_times_atom)
        return (self.u @ self.u.T)[:, :, None] * of_waveforms

    def convolve(self, z):
        """Sum of the activated atoms.

        Parameters
        ----------
        z : ndarray, shape (n_atoms, n_times - n_times_atom + 1)

        Returns
        -------
        X : ndarray, shape (n_channels, n_times)
        """
        found = np.zeros((self.n_channels, z.shape[1] + self.n_times_atom - 1))
        for one, u, v in zip(z, self.u, self.v, strict=True):
            found += u[:, None] * signal.oaconvolve(one, v)
        return found


def as_atoms(atoms):
    """Atoms from what users have at hand.

    Parameters
    ----------
    atoms : FullAtoms, RankOneAtoms, array_like or tuple
        Atoms; an array of shape (n_atoms, n_channels, n_times_atom); one of shape (n_atoms,
        n_times_atom), for one channel; or topographies and waveforms, ``(u, v)``.

    Returns
    -------
    atoms : FullAtoms or RankOneAtoms

    Raises
    ------
    TypeError, ValueError
        As `FullAtoms` and `RankOneAtoms`.
    """
    if isinstance(atoms, (FullAtoms, RankOneAtoms)):
        return atoms
    if isinstance(atoms, tuple):
        if len(atoms) != 2:
            raise ValueError(f"atoms as a tuple must be (u, v), got {len(atoms)} parts.")
        return RankOneAtoms(*atoms)
    atoms = validation.array(atoms, "atoms")
    if atoms.ndim == 2:
        return RankOneAtoms(np.ones((len(atoms), 1)), atoms)
    return FullAtoms(atoms)


def _correlate(x, v, found):
    """Add the correlation of a channel with a waveform, where they overlap whole."""
    if len(v) > _SHORT:
        found += signal.oaconvolve(x, v[::-1], mode="valid")
    else:
        _slide(np.ascontiguousarray(x), np.ascontiguousarray(v), found)


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _slide(x, v, found):
    for start in range(0, len(found), _BLOCK):  # so that what is summed up stays at hand
        block = found[start : start + _BLOCK]
        for m in range(len(v)):
            shifted, weight = x[start + m : start + m + len(block)], v[m]
            for t in range(len(block)):
                block[t] += weight * shifted[t]


def _centred(spectra, n_times_atom):
    """Values at distances -L + 1 … L - 1 from a spectrum of 2 L - 1 points."""
    values = np.fft.irfft(spectra, 2 * n_times_atom - 1)
    return np.roll(values, n_times_atom - 1, axis=-1)
