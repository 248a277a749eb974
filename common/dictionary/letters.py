"""Simulated pages of text in which one letter is rare.

Letters are those of matplotlib's own font, DejaVu Sans Mono, in bold, so that every machine draws
the same. A page is written in lines from left to right: letters drawn at random, of which a share
is the rare one, and now and then a space. Spaces and lines are of random width, so that letters
stand at no grid. Ink is 1, paper 0, and white noise lies over both.
"""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font

from common import validation
from common.dictionary._checks import pair

__all__ = ["letter_images", "text_page"]

_FONT = "fonts/ttf/DejaVuSansMono-Bold.ttf"
_SPACE = 0.15  # share of places that are spaces
_WIDEST = 6  # columns of a space
_MARGIN = 3


def letter_images(letters, *, shape=(12, 10)):
    """Images of letters, each in the middle of its box.

    Parameters
    ----------
    letters : str
        One or more.
    shape : tuple of int, default=(12, 10)
        Rows and columns of a box; the letters are as large as fits.

    Returns
    -------
    images : ndarray, shape (n_letters, n_rows, n_columns)
        Ink from 0 to 1.

    Raises
    ------
    TypeError
        If the letters are no text, or the box is no pair of whole numbers.
    ValueError
        If there is no letter, one has no ink or is not in the font, or the box has fewer than 6
        pixels on a side.
    """
    n_rows, n_columns = pair(shape, "shape", at_least=6)
    if not isinstance(letters, str):
        raise TypeError(f"letters must be a text, such as 'ABC', got {letters!r}.")
    if not letters:
        raise ValueError("letters is empty: name at least one letter.")
    font = FT2Font(str(Path(matplotlib.get_data_path(), _FONT)))
    for letter in letters:
        if not font.get_char_index(ord(letter)):
            raise ValueError(
                f"the letter {letter!r} is not in DejaVu Sans Mono, which would draw a box. Choose "
                "another."
            )
    for points in range(2 * n_rows, 0, -1):
        drawn = [_drawn(font, letter, points) for letter in letters]
        if all(one.shape[0] <= n_rows and one.shape[1] <= n_columns for one in drawn):
            break
    images = np.zeros((len(letters), n_rows, n_columns))
    for image, letter, one in zip(images, letters, drawn, strict=True):
        if not one.any():
            raise ValueError(f"the letter {letter!r} has no ink. Choose another.")
        top, left = (n_rows - one.shape[0]) // 2, (n_columns - one.shape[1]) // 2
        image[top : top + one.shape[0], left : left + one.shape[1]] = one
    return images


def text_page(letters, rare, *, frequency, shape=(128, 256), sigma=0.05, rng):
    """A page of text, and where its rare letters are.

    Parameters
    ----------
    letters : array_like, shape (n_letters, n_rows, n_columns)
        Equally frequent.
    rare : array_like, shape (n_rows, n_columns)
    frequency : float
        Share of the letters that are the rare one, rounded to a whole number of at least one.
    shape : tuple of int, default=(128, 256)
        Rows and columns of the page.
    sigma : float, default=0.05
        Standard deviation of the noise.
    rng : numpy.random.Generator

    Returns
    -------
    page : ndarray, shape (n_rows, n_columns)
    mask : ndarray of bool, shape (n_rows, n_columns)
        The boxes of the rare letters.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, shapes do not fit, the rare letter has no ink, or the page
        holds no letter.
    """
    letters = validation.array(letters, "letters", ndim=3).astype(float)
    rare = validation.array(rare, "rare", ndim=2).astype(float)
    if rare.shape != letters.shape[1:]:
        raise ValueError(f"rare must have the shape {letters.shape[1:]}, got {rare.shape}.")
    if not rare.any():
        raise ValueError("rare has no ink: the mask would mark what is not there.")
    frequency = validation.number(frequency, "frequency", above=0, below=1)
    n_rows, n_columns = pair(shape, "shape")
    sigma = validation.number(sigma, "sigma", at_least=0)
    rng = validation.generator(rng)
    places = _places((n_rows, n_columns), rare.shape, rng)
    if not places:
        raise ValueError(f"shape={(n_rows, n_columns)} has no place for a letter of {rare.shape}.")
    which = rng.integers(len(letters), size=len(places))
    n_rare = max(1, round(frequency * len(places)))
    which[rng.choice(len(places), n_rare, replace=False)] = -1
    page = np.zeros((n_rows, n_columns))
    mask = np.zeros(page.shape, dtype=bool)
    for (top, left), k in zip(places, which, strict=True):
        box = np.s_[top : top + rare.shape[0], left : left + rare.shape[1]]
        page[box] += rare if k < 0 else letters[k]
        mask[box] |= k < 0
    return page + sigma * rng.standard_normal(page.shape), mask


def _places(shape, box, rng):
    """Upper left corners of letters, line by line."""
    places, top = [], _MARGIN
    while top + box[0] <= shape[0] - _MARGIN:
        left = _MARGIN + int(rng.integers(_WIDEST))
        while left + box[1] <= shape[1] - _MARGIN:
            places.append((top, left))
            left += box[1]
            if rng.random() < _SPACE:
                left += 1 + int(rng.integers(_WIDEST))
        top += box[0] + 1 + int(rng.integers(3))
    return places


def _drawn(font, letter, points):
    """A letter's ink, cut to it."""
    font.set_size(points, 72)
    font.set_text(letter, 0)
    font.draw_glyphs_to_bitmap(antialiased=True)
    ink = np.asarray(font.get_image()) / 255
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return np.zeros((1, 1))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
