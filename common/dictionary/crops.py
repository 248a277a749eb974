"""Crops of photographs and atoms from them, for sparse coding of images."""

import numpy as np

from common import validation
from common.dictionary._checks import pair, squarable

__all__ = ["drawn_atoms", "random_crop", "sharpest_crop"]


def sharpest_crop(image, n):
    """The square crop with the largest mean squared difference of neighbouring pixels.

    Parameters
    ----------
    image : array_like, shape (n_rows, n_columns)
    n : int
        Pixels on a side.

    Returns
    -------
    crop : ndarray, shape (n, n)
        Of mean 0.

    Raises
    ------
    TypeError, ValueError
        If the image is none, or smaller than the crop, or ``n`` is below 2.

    Examples
    --------
    >>> image = np.zeros((10, 12))
    >>> image[5, 7] = 4
    >>> sharpest_crop(image, 2).tolist()
    [[-1.0, -1.0], [-1.0, 3.0]]
    """
    image, n = _checked(image, n)
    down, across = np.diff(image, axis=0) ** 2, np.diff(image, axis=1) ** 2
    sums = _sums(down, (n - 1, n)) + _sums(across, (n, n - 1))
    row, column = np.unravel_index(sums.argmax(), sums.shape)
    return _centred(image[row : row + n, column : column + n])


def random_crop(image, n, *, rng):
    """A square crop from anywhere.

    Parameters
    ----------
    image : array_like, shape (n_rows, n_columns)
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    crop : ndarray, shape (n, n)
        Of mean 0.

    Raises
    ------
    TypeError, ValueError
        As `sharpest_crop`, or if ``rng`` is no generator.
    """
    image, n = _checked(image, n)
    rng = validation.generator(rng)
    row, column = (int(rng.integers(size - n + 1)) for size in image.shape)
    return _centred(image[row : row + n, column : column + n])


def drawn_atoms(image, n_atoms, shape, *, rng):
    """Patches of an image, of mean 0 and norm 1, none of one value throughout.

    Parameters
    ----------
    image : array_like, shape (n_rows, n_columns)
    n_atoms : int
    shape : tuple of int
        Rows and columns of a patch.
    rng : numpy.random.Generator

    Returns
    -------
    D : ndarray, shape (n_atoms, 1, n_rows, n_columns)

    Raises
    ------
    TypeError, ValueError
        If the image is none or has fewer such patches, a patch does not fit, or ``rng`` is no
        generator.
    """
    image = validation.array(image, "image", ndim=2).astype(float)
    n_atoms = validation.count(n_atoms, "n_atoms")
    squarable(image, "image")
    h, w = pair(shape, "shape", at_most=image.shape)
    patches = np.lib.stride_tricks.sliding_window_view(image, (h, w)).reshape(-1, h, w)
    order, D = validation.generator(rng).permutation(len(patches)), []
    for place in order:
        patch = patches[place] - patches[place].mean()
        if np.ptp(patches[place]) > 0:
            D.append(patch / np.linalg.norm(patch))
        if len(D) == n_atoms:
            return np.stack(D)[:, None]
    raise ValueError(
        f"image has {len(D)} patch(es) of {h} × {w} pixels that are not of one value throughout, "
        f"fewer than n_atoms={n_atoms}."
    )


def _checked(image, n):
    image = validation.array(image, "image", ndim=2).astype(float)
    squarable(image, "image")
    return image, validation.count(n, "n", at_least=2, at_most=min(image.shape))


def _sums(values, shape):
    """Sums over all rectangles of a shape."""
    total = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    (h, w), (n_rows, n_columns) = shape, total.shape
    inside = np.s_[: n_rows - h], np.s_[h:], np.s_[: n_columns - w], np.s_[w:]
    first, last, left, right = inside
    return total[last, right] - total[first, right] - total[last, left] + total[first, left]


def _centred(crop):
    return crop - crop.mean()
