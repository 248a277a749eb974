r"""How well atoms that were found are those that were there.

Atoms are found up to their order, their sign and a shift, which the activations make good. For
atoms :math:`a, b` of unit norm, the loss of a pair is :math:`1 - |\langle a, b \rangle|`, or, where
shifts are allowed, one minus the largest absolute correlation over shifts,

.. math:: \ell(a, b) = 1 - \max_{|d| \le s} \Big|\sum_{c, m} a_c[m + d]\, b_c[m]\Big| .

`match_atoms` gives every true atom an atom of its own, so that the sum of the losses is smallest
[1]_. With the shift 0 it is the score of the paper's Figure 3, between 0 and the number of atoms.

`recovery_score` is that of RoseCDL [2]_: the largest correlation coefficient over shifts, its sign
counted, averaged over the true atoms with the best assignment.

References
----------
.. [1] T. Dupré la Tour et al., "Multivariate Convolutional Sparse Coding for Electromagnetic Brain
   Signals", NeurIPS 2018, arXiv:1805.09654, section 4.
.. [2] Y. Yehya, M. Benbakoura, C. Allain, B. Malézieux, M. Kowalski, T. Moreau, "RoseCDL: Robust
   and Scalable Convolutional Dictionary Learning for Rare-Event Detection", arXiv:2509.07523.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from common import validation
from common.dictionary._checks import squarable

__all__ = ["Match", "match_atoms", "recovery_score"]


@dataclass(frozen=True, eq=False)
class Match:
    """True atoms and the atoms that were found for them.

    Attributes
    ----------
    order : ndarray of int, shape (n_true,)
        ``found[order[k]]`` is for ``true[k]``.
    sign : ndarray, shape (n_true,)
        1 or -1, what to multiply the found atom with.
    shift : ndarray of int, shape (n_true,)
        Samples by which the found atom is late within its window.
    loss : ndarray, shape (n_true,)
        Between 0, the same waveform, and 1.
    """

    order: np.ndarray
    sign: np.ndarray
    shift: np.ndarray
    loss: np.ndarray

    @property
    def score(self):
        """Sum of the losses: 0 where all atoms are recovered."""
        return float(self.loss.sum())


def match_atoms(found, true, *, max_shift=0):
    """Pair atoms that were found with the true ones.

    Parameters
    ----------
    found : array_like, shape (n_found, n_times_atom) or (n_found, n_channels, n_times_atom)
        Of any norm but 0.
    true : array_like, shape (n_true, n_times_atom) or (n_true, n_channels, n_times_atom)
        At most as many as ``found``.
    max_shift : int, default=0
        Largest shift that is no error, in samples; below the length of an atom.

    Returns
    -------
    match : Match

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, a value is not finite, an atom is zero throughout or its norm no
        number, fewer atoms were found than there are, or the shift is no whole number below the
        length of an atom.

    Examples
    --------
    >>> match = match_atoms([[0, 0, -2.0, -1.0], [1.0, 1, 0, 0]], [[1.0, 1, 0, 0], [0, 2.0, 1, 0]])
    >>> match.order.tolist(), match.sign.tolist(), match.loss.round(3).tolist()
    ([1, 0], [1.0, -1.0], [0.0, 0.6])
    >>> match_atoms([[0, 0, -2.0, -1.0]], [[0, 2.0, 1, 0]], max_shift=1).shift.tolist()
    [1]
    """
    found, true = _unit(found, "found"), _unit(true, "true")
    if found.shape[1:] != true.shape[1:]:
        raise ValueError(
            f"atoms must have one shape, got found {found.shape[1:]} and true {true.shape[1:]}."
        )
    if len(found) < len(true):
        raise ValueError(f"found has {len(found)} atom(s), fewer than the {len(true)} true ones.")
    n_times_atom = true.shape[-1]
    max_shift = validation.count(max_shift, "max_shift", at_least=0, at_most=n_times_atom - 1)
    n_points = 2 * n_times_atom - 1
    spectra = np.fft.rfft(found, n_points), np.fft.rfft(true, n_points)
    products = np.einsum("kcf,lcf->lkf", spectra[0], spectra[1].conj())
    shifts = np.arange(-max_shift, max_shift + 1)
    correlation = np.fft.irfft(products, n_points)[:, :, shifts]
    best = np.abs(correlation).argmax(axis=-1)
    signed = np.take_along_axis(correlation, best[:, :, None], axis=-1)[:, :, 0]
    rows, order = linear_sum_assignment(-np.abs(signed))
    chosen = signed[rows, order]
    return Match(
        order=order,
        sign=np.where(chosen < 0, -1.0, 1.0),
        shift=shifts[best[rows, order]],
        loss=1 - np.minimum(np.abs(chosen), 1),
    )


def recovery_score(found, true):
    """Mean correlation coefficient of the true atoms with those that were found for them.

    Parameters
    ----------
    found : array_like, shape (n_found, n_channels, n_times_atom)
        Of any norm; for images, shape (n_found, n_channels, n_rows, n_columns).
    true : array_like, shape (n_true, n_channels, n_times_atom)
        At most as many as ``found``.

    Returns
    -------
    score : float
        From -1 to 1, where all are recovered up to shifts. Shifts are around the end: what leaves
        an atom there enters at its beginning, which changes nothing where atoms begin and end at 0.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, a value is not finite, an atom has one value throughout, or fewer
        atoms were found than there are.

    Examples
    --------
    >>> round(recovery_score([[[0.0, 0, 2, 1]], [[3.0, 1, 0, 0]]], [[[0.0, 2, 1, 0]]]), 3)
    1.0
    """
    found, true = _standardised(found, "found"), _standardised(true, "true")
    if found.shape[1:] != true.shape[1:]:
        raise ValueError(
            f"atoms must have one shape, got found {found.shape[1:]} and true {true.shape[1:]}."
        )
    if len(found) < len(true):
        raise ValueError(f"found has {len(found)} atom(s), fewer than the {len(true)} true ones.")
    axes = tuple(range(2, found.ndim))
    sizes = found.shape[2:]
    spectra = np.fft.rfftn(found, axes=axes), np.fft.rfftn(true, axes=axes)
    products = np.einsum("kc...,lc...->lk...", spectra[0], spectra[1].conj())
    best = np.fft.irfftn(products, sizes, axes).max(axis=axes) / found[0].size
    rows, order = linear_sum_assignment(best, maximize=True)
    return float(best[rows, order].mean())


def _standardised(atoms, name):
    """Of mean 0 and deviation 1."""
    atoms = validation.array(atoms, name).astype(float)
    if atoms.ndim not in (3, 4):
        raise ValueError(
            f"{name} must have shape (n_atoms, n_channels, n_times_atom) or, of images, "
            f"(n_atoms, n_channels, n_rows, n_columns), got {atoms.shape}."
        )
    flattened = atoms.reshape(len(atoms), -1)
    for row in flattened:
        squarable(row, name)
    flat = np.flatnonzero(np.ptp(flattened, axis=1) == 0)
    if len(flat):
        raise ValueError(f"{name}[{flat[0]}] has one value throughout: nothing correlates with it.")
    flattened = flattened - flattened.mean(axis=1, keepdims=True)
    return (flattened / flattened.std(axis=1, keepdims=True)).reshape(atoms.shape)


def _unit(atoms, name):
    atoms = validation.array(atoms, name).astype(float)
    if atoms.ndim == 2:
        atoms = atoms[:, None]
    if atoms.ndim != 3:
        raise ValueError(
            f"{name} must have shape (n_atoms, n_times_atom) or (n_atoms, n_channels, "
            f"n_times_atom), got {atoms.shape}."
        )
    for atom in atoms:
        squarable(atom, name)
    norms = np.linalg.norm(atoms, axis=(1, 2), keepdims=True)
    empty = np.flatnonzero(norms == 0)
    if len(empty):
        raise ValueError(f"{name}[{empty[0]}] is zero throughout: nothing resembles it.")
    return atoms / norms
