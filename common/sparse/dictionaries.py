"""Dictionaries with structure: hard to factorise, of wavelets, and learned."""

import warnings

import numpy as np
from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.exceptions import ConvergenceWarning

from common import validation
from common.sparse.lasso import check_size

__all__ = ["adverse_dictionary", "haar_dictionary", "learned_dictionary"]

_ZERO = 1e-9  # norm of an atom before scaling that is rounding


def adverse_dictionary(n_atoms, n_features, *, rng):
    """Atoms of norm 1 whose Gram matrix has waves as eigenvectors, as far from sparse as can be.

    Feature j of atom k is cos(2 pi f k / n_atoms), with a frequency f of its own for each j, drawn
    without replacement from 1 to n_atoms / 2 - 1. Then each atom is scaled. Atoms k and n_atoms - k
    are equal.

    Parameters
    ----------
    n_atoms, n_features : int
    rng : numpy.random.Generator

    Returns
    -------
    D : ndarray, shape (n_atoms, n_features)

    Raises
    ------
    TypeError
        If a number is not whole, or ``rng`` no generator.
    ValueError
        If there are fewer frequencies than features, or all waves vanish at an atom.
    """
    n_features = validation.count(n_features, "n_features")
    n_atoms = validation.count(n_atoms, "n_atoms")
    highest = (n_atoms + 1) // 2 - 1
    if n_features > highest:
        raise ValueError(
            f"{n_features} features need as many frequencies below {n_atoms} / 2, and there are "
            f"{highest}. Use fewer features or at least {2 * n_features + 2} atoms."
        )
    frequencies = validation.generator(rng).choice(highest, n_features, replace=False) + 1
    D = np.cos(2 * np.pi * np.outer(np.arange(n_atoms), frequencies) / n_atoms)
    norms = np.linalg.norm(D, axis=1, keepdims=True)
    if norms.min() < _ZERO:
        raise ValueError(
            f"atom {norms.argmin()} is zero: all {n_features} waves vanish there. Draw again or "
            "use more features."
        )
    return D / norms


def haar_dictionary(size=8, *, shifts=(-4, -2, 0, 2, 4)):
    """Moved Haar wavelets of the two coarsest levels, of norm 1.

    The 15 wavelets of a square are moved by every pair of shifts. What leaves the square is cut
    off. Atoms of which nothing is left are dropped, equal ones are kept once.

    Parameters
    ----------
    size : int, default=8
        Pixels of a side, a multiple of 4.
    shifts : sequence of int
        Pixels, in both directions.

    Returns
    -------
    D : ndarray, shape (n_atoms, size ** 2)

    Raises
    ------
    TypeError
        If a number is not whole.
    ValueError
        If the size is no multiple of 4, or there is no shift.
    """
    size = validation.count(size, "size", at_least=4)
    if size % 4:
        raise ValueError(f"size must be a multiple of 4, got {size}: wavelets halve it twice.")
    shifts = [
        validation.count(shift, "a shift", at_least=-(10**6), at_most=10**6) for shift in shifts
    ]
    if not shifts:
        raise ValueError("shifts is empty. Use (0,) for wavelets that are not moved.")
    moved = []
    for wavelet in _wavelets(size):
        around = np.pad(wavelet, size)
        for down in shifts:
            for right in shifts:
                rows, columns = (np.clip(size - by, 0, 2 * size) for by in (down, right))
                moved.append(around[rows : rows + size, columns : columns + size].ravel())
    moved = np.array(moved)
    moved = moved[moved.any(axis=1)]
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    # Rounding keeps apart no atoms that are equal; zeros have no sign.
    return np.unique(moved.round(12) + 0.0, axis=0)


def _wavelets(size):
    for width in (size, size // 2):
        step, flat = np.repeat([1.0, -1.0], width // 2), np.ones(width)
        for top in range(0, size, width):
            for left in range(0, size, width):
                for rows, columns in ((step, flat), (flat, step), (step, step)):
                    wavelet = np.zeros((size, size))
                    wavelet[top : top + width, left : left + width] = np.outer(rows, columns)
                    yield wavelet


def learned_dictionary(x, n_atoms, *, reg, rng, n_passes=10):
    """Atoms of norm 1 that code samples well, by scikit-learn's online dictionary learning.

    Parameters
    ----------
    x : array_like, shape (n_samples, n_features)
    n_atoms : int
    reg : float
        Lambda, above 0.
    rng : numpy.random.Generator
    n_passes : int, default=10
        Passes over the samples.

    Returns
    -------
    D : ndarray, shape (n_atoms, n_features)

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a number is out of range, there are fewer samples than atoms, or an atom stays zero.
    """
    x = validation.array(x, "x", ndim=2).astype(float)
    check_size(x, "x")
    n_atoms = validation.count(n_atoms, "n_atoms")
    if len(x) < n_atoms:
        raise ValueError(
            f"{n_atoms} atoms cannot be learned from {len(x)} samples. Pass as many at least."
        )
    learner = MiniBatchDictionaryLearning(
        n_atoms,
        alpha=validation.number(reg, "reg", above=0),
        batch_size=min(100, len(x)),
        max_iter=validation.count(n_passes, "n_passes"),
        fit_algorithm="cd",
        transform_algorithm="lasso_cd",
        random_state=int(validation.generator(rng).integers(2**31)),
    )
    with warnings.catch_warnings():
        # Codes need not be exact while atoms still change.
        warnings.simplefilter("ignore", ConvergenceWarning)
        D = learner.fit(x).components_
    norms = np.linalg.norm(D, axis=1, keepdims=True)
    if norms.min() < _ZERO:
        raise ValueError(f"atom {norms.argmin()} stays zero. Learn fewer atoms or lower reg.")
    return D / norms
