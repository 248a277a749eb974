"""Textures: readers of pictures, simulators, and judges of syntheses that no model optimises."""

from pathlib import Path

import numpy as np
import torch

from common import validation
from common.scattering.random_filters import RandomFilterGrams

__all__ = [
    "Judge",
    "cut",
    "dead_leaves",
    "haar_shapes",
    "largest_correlation",
    "mosaic",
    "read_picture",
]


def read_picture(path, *, color=False):
    """A picture as numbers.

    Parameters
    ----------
    path : str or Path
        PNG, JPEG, or another format that Pillow reads.
    color : bool, default=False
        Whether red, green and blue are kept; grey is their mean.

    Returns
    -------
    picture : ndarray of float64, shape (height, width) or (height, width, 3)
        From 0 to 1. Transparency is left out.

    Raises
    ------
    ValueError
        If the file is no picture, or colours are asked of a grey one.
    """
    from matplotlib.image import imread

    try:
        values = imread(Path(path))
    except (OSError, SyntaxError) as error:  # what Pillow raises
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(
            f"{path} is no picture that can be read: {error}. Save it as PNG, for example."
        ) from error
    if values.dtype.kind == "u":
        values = values / np.iinfo(values.dtype).max
    values = values.astype(float)
    if values.ndim == 3:
        values = values[..., :3]
        values = values if values.shape[-1] == 3 else values[..., 0]
    if color and values.ndim == 2:
        raise ValueError(f"{path} is grey: it has no colours. Read it with color=False.")
    return values if color or values.ndim == 2 else values.mean(axis=-1)


def cut(picture, size, *, top=0, left=0, reduce=1):
    """A square part of a picture, with averages over squares of pixels.

    Parameters
    ----------
    picture : ndarray, shape (height, width) or (height, width, n_colors)
    size : int
        Side of the result in pixels.
    top, left : int, default=0
        Corner, in pixels of the result.
    reduce : int, default=1
        Side of the squares that are averaged over.

    Returns
    -------
    part : ndarray, shape (size, size) or (size, size, n_colors)

    Raises
    ------
    ValueError
        If the part does not lie in the picture, this has another number of axes, or a count is
        out of range.
    TypeError
        If a count is no whole number.
    """
    picture = validation.array(picture, "picture")
    if picture.ndim not in (2, 3):
        raise ValueError(
            "picture must have shape (height, width) or (height, width, n_colors), got "
            f"{picture.shape}."
        )
    size, reduce = validation.count(size, "size"), validation.count(reduce, "reduce")
    top, left = (
        validation.count(place, name, at_least=0) for place, name in ((top, "top"), (left, "left"))
    )
    height, width = (n // reduce for n in picture.shape[:2])
    if top + size > height or left + size > width:
        raise ValueError(
            f"{size} pixels from ({top}, {left}) on do not lie in a picture of {height} by {width} "
            f"pixels (reduced by {reduce}); take a smaller size or another corner."
        )
    part = picture[reduce * top :, reduce * left :][: reduce * size, : reduce * size]
    part = part.reshape(size, reduce, size, reduce, *picture.shape[2:])
    return part.mean(axis=(1, 3))


def dead_leaves(size, *, rng, smallest=2.0, largest=16.0, exponent=3.0):
    r"""Discs that fall on each other until none of the ground is seen.

    Parameters
    ----------
    size : int
        Pixels along each axis, at least 8.
    rng : numpy.random.Generator
        Draws places, radii and greys.
    smallest, largest : float
        Radii in pixels.
    exponent : float, default=3
        The density of radii falls as :math:`r^{-\text{exponent}}`, above 1 and at most 50.

    Returns
    -------
    image : ndarray, shape (size, size)
        Greys are uniform from 0 to 1. It continues at the opposite border.

    Raises
    ------
    ValueError, TypeError
        If a setting is out of range, or ``rng`` no generator.
    """
    size = validation.count(size, "size", at_least=8)
    validation.generator(rng)
    smallest = validation.number(smallest, "smallest", at_least=1)
    largest = validation.number(largest, "largest", above=smallest, at_most=size / 2)
    power = 1 - validation.number(exponent, "exponent", above=1, at_most=50)
    image = np.full((size, size), np.nan)
    place = np.arange(size)
    while np.isnan(image).any():
        # By the inverse of the distribution function of radii.
        low, high = smallest**power, largest**power
        radius = (low + rng.uniform() * (high - low)) ** (1 / power)
        y, x = ((place - c + size / 2) % size - size / 2 for c in rng.uniform(0, size, 2))
        # From the top of the pile down: what is covered already stays.
        disc = y[:, None] ** 2 + x**2 <= radius**2
        image[disc & np.isnan(image)] = rng.uniform()
    return image


def mosaic(size, *, rng, n_cells=30):
    """Voronoi cells of random points, each of one grey.

    Parameters
    ----------
    size : int
        Pixels along each axis, at least 8.
    rng : numpy.random.Generator
        Draws points and greys.
    n_cells : int, default=30

    Returns
    -------
    image : ndarray, shape (size, size)
        Greys are uniform from 0 to 1. It continues at the opposite border.

    Raises
    ------
    ValueError, TypeError
        If a count is out of range or no whole number, or ``rng`` no generator.
    """
    from scipy.spatial import cKDTree

    size = validation.count(size, "size", at_least=8)
    n_cells = validation.count(n_cells, "n_cells", at_least=2)
    validation.generator(rng)
    points, greys = rng.uniform(0, size, (n_cells, 2)), rng.uniform(size=n_cells)
    place = np.arange(size, dtype=float)
    pixels = np.stack(np.meshgrid(place, place, indexing="ij"), axis=-1)
    _, nearest = cKDTree(points, boxsize=size).query(pixels)
    return greys[nearest]


class Judge:
    r"""How far images are from an observed texture, by measures that no model optimises.

    Parameters
    ----------
    observed : ndarray, shape (height, width)
    rng : numpy.random.Generator
        Draws the filters. Texture models should be compared with the same ones.

    Raises
    ------
    ValueError
        If the image is too small or constant, or a value is not finite.
    TypeError
        If it does not hold real numbers, or ``rng`` is no generator.

    Notes
    -----
    `scores` gives

    - ``one_layer``: relative squared distance of Gram matrices of 16 random filters of each of 3,
      7, 11 and 15 pixels, see `RandomFilterGrams`;
    - ``two_layers``: the same of a network of two layers, with 16 filters of each of 3, 5 and 7
      pixels in the first one and 32 in the second one, so that a model of one layer has no
      advantage;
    - ``haar``: root mean square difference of `haar_shapes`;
    - ``copied``: `largest_correlation` with the observed image.
    """

    def __init__(self, observed, *, rng):
        observed = validation.array(observed, "observed", ndim=2).astype(float)
        self.observed = observed
        self.network = RandomFilterGrams(16, (3, 7, 11, 15), rng=rng).fit(observed)
        self.second = RandomFilterGrams(16, (3, 5, 7), n_deep=32, rng=rng).fit(observed)
        self._haar = haar_shapes(observed)

    def scores(self, image):
        """Judge one image.

        Parameters
        ----------
        image : ndarray, shape (height, width)
            Of any size that the filters fit in; of the observed one for ``copied``.

        Returns
        -------
        scores : dict of str to float

        Raises
        ------
        ValueError
            If the shape is another than the observed one, or a value is not finite.
        TypeError
            If it does not hold numbers.
        """
        image = validation.array(image, "image", ndim=2).astype(float)
        haar = np.sqrt(np.mean((haar_shapes(image) - self._haar) ** 2))
        return {
            "one_layer": self.network.loss(torch.as_tensor(image)).item(),
            "two_layers": self.second.loss(torch.as_tensor(image)).item(),
            "haar": float(haar),
            "copied": largest_correlation(image, self.observed),
        }


def haar_shapes(image, n_scales=3):
    """Skewness of Haar wavelet coefficients, and logarithm of their kurtosis.

    Parameters
    ----------
    image : ndarray, shape (height, width)
    n_scales : int, default=3

    Returns
    -------
    shapes : ndarray, shape (n_scales, 3, 2)
        By scale, then differences along columns, rows and both.

    Raises
    ------
    ValueError
        If the image is smaller than two coefficients of the coarsest scale, or its coefficients
        are all equal or have no finite kurtosis.
    TypeError
        If it does not hold numbers.
    """
    from scipy.stats import kurtosis, skew

    low = validation.array(image, "image", ndim=2)
    n_scales = validation.count(n_scales, "n_scales")
    if min(low.shape) < 2 ** (n_scales + 1):
        raise ValueError(
            f"{n_scales} scales of Haar wavelets need images of {2 ** (n_scales + 1)} pixels along "
            f"each axis, got shape {low.shape}."
        )
    found = []
    for scale in range(n_scales):
        height, width = (n - n % 2 for n in low.shape)
        a, b, c, d = (low[i:height:2, k:width:2] for i in (0, 1) for k in (0, 1))
        low = (a + b + c + d) / 2
        for part in ((a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2):
            with np.errstate(over="ignore"):
                deviation = part.std()
            if not deviation > 1e-10 * (1e-300 + np.abs(low).max()):
                raise ValueError(
                    f"Haar coefficients of scale {scale} are all equal; is the image constant?"
                )
            with np.errstate(all="ignore"):
                shape = skew(part, axis=None), np.log(kurtosis(part, axis=None, fisher=False))
            if not np.isfinite(shape).all():
                raise ValueError(
                    f"Haar coefficients of scale {scale} reach {np.abs(part).max():.3g}, too much "
                    f"or too little for their fourth moments in {part.dtype}. Scale the image to 1."
                )
            found.append(shape)
    return np.array(found).reshape(n_scales, 3, 2)


def largest_correlation(image, other):
    """Largest correlation of the pixels of two images over all shifts round the borders.

    Parameters
    ----------
    image, other : ndarray, shape (height, width)

    Returns
    -------
    correlation : float
        1 for a copy; above 0 as well for images without relation, as the largest of many.

    Raises
    ------
    ValueError
        If shapes differ, an image is constant, or a value or a sum of squares is not finite.
    TypeError
        If one does not hold numbers.
    """
    a = validation.array(image, "image", ndim=2).astype(float)
    b = validation.array(other, "other", ndim=2).astype(float)
    if a.shape != b.shape:
        raise ValueError(f"image and other must have one shape, got {a.shape} and {b.shape}.")
    a, b = a - a.mean(), b - b.mean()
    with np.errstate(over="ignore"):
        size = np.linalg.norm(a) * np.linalg.norm(b)
    if not 0 < size < np.inf:
        raise ValueError(
            f"the norms of the images have the product {size:g}: one is constant, or too large. A "
            "correlation needs values that vary and have squares."
        )
    product = np.fft.irfft2(np.fft.rfft2(a) * np.fft.rfft2(b).conj(), s=a.shape)
    return float(product.max() / size)
