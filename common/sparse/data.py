"""Dictionaries and samples for sparse coding, simulated and real."""

import numpy as np

from common import validation
from common.sparse.lasso import check_size, unit_lambda_max

__all__ = [
    "bernoulli_samples",
    "coded_samples",
    "digits",
    "gaussian_codes",
    "gaussian_dictionary",
    "image_patches",
    "shrink",
]

_MOST_ROUNDS = 1000  # of draws that leave a sample without a code


def gaussian_dictionary(n_atoms, n_features, *, rng, unit=True):
    """Atoms of independent normal numbers.

    Parameters
    ----------
    n_atoms, n_features : int
    rng : numpy.random.Generator
    unit : bool, default=True
        Scale every atom to norm 1.

    Returns
    -------
    D : ndarray, shape (n_atoms, n_features)

    Raises
    ------
    TypeError, ValueError
        If a number is not whole or below 1, or ``rng`` no generator.
    """
    shape = (validation.count(n_atoms, "n_atoms"), validation.count(n_features, "n_features"))
    D = validation.generator(rng).standard_normal(shape)
    unit = validation.choice(unit, (False, True), "unit")
    return D / np.linalg.norm(D, axis=1, keepdims=True) if unit else D


def gaussian_codes(D, n_samples, *, rng):
    """Samples x = z D with z normal and dense, scaled so that lambda_max is 1.

    Parameters
    ----------
    D : array_like, shape (n_atoms, n_features)
    n_samples : int
    rng : numpy.random.Generator

    Returns
    -------
    x : ndarray, shape (n_samples, n_features)

    Raises
    ------
    TypeError, ValueError
        As `common.sparse.unit_lambda_max`, and if ``n_samples`` is not a whole number of at least 1
        or ``rng`` no generator.
    """
    D = validation.array(D, "D", ndim=2)
    n_samples = validation.count(n_samples, "n_samples")
    z = validation.generator(rng).standard_normal((n_samples, len(D)))
    return unit_lambda_max(z @ D, D)


def bernoulli_samples(D, n_samples, *, density, scale, rng):
    """Samples x = z D whose codes have few coefficients, each normal.

    Parameters
    ----------
    D : array_like, shape (n_atoms, n_features)
    n_samples : int
    density : float
        Chance of each coefficient to be drawn, above 0 and up to 1; the others are zero.
    scale : float
        Standard deviation of a drawn coefficient, above 0.
    rng : numpy.random.Generator

    Returns
    -------
    x : ndarray, shape (n_samples, n_features)
        Zero where no coefficient was drawn.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, or samples overflow.
    """
    D = validation.array(D, "D", ndim=2)
    n_samples = validation.count(n_samples, "n_samples")
    density = validation.number(density, "density", above=0, at_most=1)
    scale = validation.number(scale, "scale", above=0)
    drawn = validation.generator(rng).random((n_samples, len(D))) < density
    with np.errstate(over="ignore", invalid="ignore"):
        x = (drawn * rng.normal(0, scale, drawn.shape)) @ D
    if not np.isfinite(x).all():
        raise ValueError(
            f"samples overflow with scale={scale:g} and atoms of up to {np.abs(D).max():g}. "
            "Scale them down."
        )
    return x


def image_patches(images, n_samples, *, size, rng):
    """Square patches of images without their means; all places have equal chances.

    Parameters
    ----------
    images : array_like, shape (n_images, n_rows, n_columns)
    n_samples : int
    size : int
        Pixels of a side.
    rng : numpy.random.Generator

    Returns
    -------
    x : ndarray, shape (n_samples, size ** 2)

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a number is out of range, the images are smaller than a patch, or their sum of squares
        is not finite.
    """
    images = validation.array(images, "images", ndim=3).astype(float)
    check_size(images, "images")
    n_samples, size = validation.count(n_samples, "n_samples"), validation.count(size, "size")
    if min(images.shape[1:]) < size:
        raise ValueError(
            f"the images have {images.shape[1]} by {images.shape[2]} pixels, too few for patches "
            f"of {size} by {size}."
        )
    views = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    rng = validation.generator(rng)
    x = views[tuple(rng.integers(n, size=n_samples) for n in views.shape[:3])]
    x = x.reshape(n_samples, -1)
    return x - x.mean(axis=1, keepdims=True)


def coded_samples(draw, n_samples, *, D, reg):
    """Samples whose code is not zero: those with lambda_max up to lambda are drawn again.

    Parameters
    ----------
    draw : callable
        ``draw(n)`` gives n samples, shape (n, n_features), others at every call.
    n_samples : int
    D : array_like, shape (n_atoms, n_features)
    reg : float
        Lambda, above 0.

    Returns
    -------
    x : ndarray, shape (n_samples, n_features)

    Raises
    ------
    TypeError
        If an argument is of another type, or what is drawn holds no real numbers.
    ValueError
        If a number is out of range, what is drawn has another shape or is not finite, or codes stay
        zero however often samples are drawn.
    """
    n_samples = validation.count(n_samples, "n_samples")
    D = validation.array(D, "D", ndim=2)
    reg = validation.number(reg, "reg", above=0)
    x, missing = np.empty((n_samples, D.shape[1])), np.arange(n_samples)
    for _ in range(_MOST_ROUNDS):
        drawn = np.asarray(draw(len(missing)))
        if drawn.shape != x[missing].shape:
            raise ValueError(
                f"draw({len(missing)}) gave shape {drawn.shape} instead of {x[missing].shape}. "
                "Are there too few samples left to draw from?"
            )
        x[missing] = validation.array(drawn, f"what draw({len(missing)}) gives")
        missing = missing[np.abs(x[missing] @ D.T).max(axis=1) <= reg]
        if not len(missing):
            return x
    raise ValueError(
        f"{len(missing)} of {n_samples} samples have a zero code after {_MOST_ROUNDS} draws each, "
        f"with lambda {reg:g}. Lower it, or draw other samples."
    )


def digits(images, n_atoms, n_train, n_test, *, rng):
    """A dictionary of images, and other images to be coded.

    Each image is standardised: its pixels have mean 0 and deviation 1. Atoms are then scaled to
    norm 1, samples so that lambda_max is 1. Images are drawn without replacement.

    Parameters
    ----------
    images : array_like, shape (n_images, n_pixels)
    n_atoms, n_train, n_test : int
    rng : numpy.random.Generator

    Returns
    -------
    D : ndarray, shape (n_atoms, n_pixels)
    train : ndarray, shape (n_train, n_pixels)
    test : ndarray, shape (n_test, n_pixels)

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If there are too few images, one of them has a single value, or their sum of squares is not
        finite.
    """
    images = validation.array(images, "images", ndim=2).astype(float)
    check_size(images, "images")
    wanted = {"n_atoms": n_atoms, "n_train": n_train, "n_test": n_test}
    sizes = [validation.count(size, name) for name, size in wanted.items()]
    if sum(sizes) > len(images):
        raise ValueError(
            f"{sum(sizes)} images are wanted ({', '.join(f'{k} {v}' for k, v in wanted.items())}), "
            f"and there are {len(images)}. Ask for fewer."
        )
    spread = images.std(axis=1, keepdims=True)
    if not spread.all():
        raise ValueError(
            f"image {int(np.argmin(spread))} has a single value, so it cannot be standardised. "
            "Leave it out."
        )
    images = (images - images.mean(axis=1, keepdims=True)) / spread
    order = validation.generator(rng).permutation(len(images))[: sum(sizes)]
    D, train, test = np.split(images[order], np.cumsum(sizes)[:-1])
    D = D / np.linalg.norm(D, axis=1, keepdims=True)
    return D, unit_lambda_max(train, D), unit_lambda_max(test, D)


def shrink(images, *, crop, size):
    """Images without their borders, and of fewer pixels: means over squares.

    Parameters
    ----------
    images : array_like, shape (n_images, n_pixels, n_pixels)
    crop : int
        Pixels to leave out on every side.
    size : int
        Pixels of a side of the result; each is the mean over a square, of which pixels at the edges
        are parts.

    Returns
    -------
    images : ndarray, shape (n_images, size ** 2)

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If images are not square, or too few pixels are left.
    """
    images = validation.array(images, "images", ndim=3).astype(float)
    crop = validation.count(crop, "crop", at_least=0)
    size = validation.count(size, "size")
    width = images.shape[2]
    if images.shape[1] != width:
        raise ValueError(f"images must be square, got shape {images.shape}.")
    left = width - 2 * crop
    if left < size:
        raise ValueError(
            f"{left} of {width} pixels are left without {crop} at either end, and {size} are "
            "wanted. Crop fewer."
        )
    edges = np.linspace(0, left, size + 1)
    pixels = np.arange(left)
    # How much of every pixel lies between two edges.
    shares = np.clip(
        np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels), 0, 1
    )
    shares *= size / left
    inner = images[:, crop : width - crop, crop : width - crop]
    return (shares @ inner @ shares.T).reshape(len(images), -1)
