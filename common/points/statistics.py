r"""Second-order statistics of point patterns on the torus, and how alike two patterns are.

The pair correlation g(r) is the density of pairs at the distance r, relative to that of independent
points; the power spectrum is its Fourier transform. Both are 1 for a Poisson process.
"""

import numpy as np
import torch
from scipy.spatial import cKDTree

from common import validation
from common.points.rasterise import rasterise
from common.points.windows import check_points

__all__ = [
    "largest_correlation",
    "mean_nearest_distance",
    "pair_correlation",
    "power_spectrum",
    "radial_spectrum",
]


def pair_correlation(points, edges, *, window=1.0):
    r"""Pair correlation, the mean over rings.

    .. math:: g_b = \frac{W^2}{n (n - 1)\, \pi (r_b^2 - r_{b-1}^2)}
              \#\{(i, j) : i \neq j,\ r_{b-1} < d(x_i, x_j) \leq r_b\},

    with d the distance on the torus. Of n independent uniform points its expectation is 1.

    Parameters
    ----------
    points : array_like, shape (n_points, 2)
    edges : array_like, shape (n_bins + 1,)
        Distances :math:`r_0 < r_1 < \dots` that bound the rings, at most half the window's side.
    window : float, default=1
        Side W of the window, 1e-100 to 1e100.

    Returns
    -------
    g : ndarray, shape (n_bins,)

    Raises
    ------
    ValueError
        If points are fewer than two or lie outside of the window, or edges do not ascend or are
        out of range.
    TypeError
        If they are no numbers.
    """
    points = check_points(points, window=window)
    window = validation.number(window, "window", at_least=1e-100, at_most=1e100)
    edges = validation.vector(
        edges, "edges", ascending=True, at_least=0, at_most=window / 2
    ).astype(float)
    if len(edges) < 2 or not (np.diff((edges / window) ** 2) > 0).all():
        raise ValueError(f"edges must be at least two distances that ascend, got {edges.tolist()}.")
    tree = cKDTree(points, boxsize=window)
    n = len(points)
    # Each point is counted with itself, and each pair in both orders.
    within = tree.count_neighbors(tree, edges).astype(float) - n
    if edges[0] == 0:
        within[0] = 0.0  # pairs at the same place belong to the first ring
    area = np.pi * np.diff(edges**2)
    return np.diff(within) * window**2 / (n * (n - 1) * area)


def power_spectrum(points, highest, *, window=1.0):
    r"""Power spectrum at wave vectors of whole numbers.

    .. math:: S(k) = \frac1n \Big| \sum_i e^{-2 \pi i k \cdot x_i / W} \Big|^2.

    Parameters
    ----------
    points : array_like, shape (n_points, 2)
    highest : int
        Largest component of a wave vector, in waves per window.
    window : float, default=1
        Side W of the window.

    Returns
    -------
    S : ndarray, shape (2 highest + 1, 2 highest + 1)
        Components from ``-highest`` to ``highest``.

    Raises
    ------
    ValueError, TypeError
        As `pair_correlation`, and if ``highest`` is no count.
    """
    points = check_points(points, window=window)
    highest = validation.count(highest, "highest")
    k = np.arange(-highest, highest + 1)
    waves = np.exp((-2j * np.pi / window) * points[:, :, None] * k)
    return np.abs(waves[:, 0].T @ waves[:, 1]) ** 2 / len(points)


def radial_spectrum(points, highest, *, window=1.0):
    """Power spectrum averaged over rings of wave vectors.

    Parameters
    ----------
    points, window
        As in `power_spectrum`.
    highest : int
        Rings are :math:`[i, i + 1)` waves per window, for i from 1 up to this number less 1.

    Returns
    -------
    radius : ndarray, shape (highest - 1,)
        The numbers i.
    S : ndarray, shape (highest - 1,)

    Raises
    ------
    ValueError, TypeError
        As `power_spectrum`.
    """
    highest = validation.count(highest, "highest", at_least=2)
    S = power_spectrum(points, highest, window=window)
    k = np.arange(-highest, highest + 1)
    ring = np.hypot(k[:, None], k).astype(int)
    n = np.bincount(ring.ravel())
    mean = np.bincount(ring.ravel(), S.ravel()) / n
    return np.arange(1, highest), mean[1:highest]


def mean_nearest_distance(points, *, window=1.0):
    r"""Mean distance to the nearest point on the torus, times the root of the density.

    Of a Poisson process it is 1/2: no other point is within r with the probability
    :math:`\exp(-\lambda \pi r^2)`, whose integral over r is :math:`1 / (2 \sqrt\lambda)`.

    Parameters
    ----------
    points, window
        As in `pair_correlation`.

    Returns
    -------
    distance : float
        Without unit.

    Raises
    ------
    ValueError, TypeError
        As `pair_correlation`.
    """
    points = check_points(points, window=window)
    distances, _ = cKDTree(points, boxsize=window).query(points, 2)
    return float(distances[:, 1].mean() * np.sqrt(len(points)) / window)


def largest_correlation(points, other, *, size=64, sigma=0.75, window=1.0):
    """Largest correlation of two patterns' images over all shifts round the borders.

    A model that copies what it has seen reaches 1, wherever the copy lies.

    Parameters
    ----------
    points, other : array_like, shape (n_points, 2)
    size : int, default=64
        Side of the images, in pixels, which are the steps of the shifts.
    sigma : float, default=0.75
        Standard deviation of the Gaussian round each point, in pixels.
    window : float, default=1
        Side of the window.

    Returns
    -------
    correlation : float
        At most 1.

    Raises
    ------
    ValueError, TypeError
        As `pair_correlation`, and if a setting is out of range or an image constant.
    """
    size = validation.count(size, "size", at_least=2)
    spectra = []
    for name, one in (("points", points), ("other", other)):
        x = torch.as_tensor(check_points(one, window=window, name=name) * (size / window))
        image = rasterise(x, size, sigma).numpy()
        image -= image.mean()
        if not np.linalg.norm(image) > 1e-9:
            raise ValueError(
                f"the image of {name} is constant at size={size} and sigma={sigma:g} pixels, so it "
                "correlates with nothing. Take a smaller sigma."
            )
        spectra.append(np.fft.rfft2(image / np.linalg.norm(image)))
    return float(np.fft.irfft2(spectra[0] * spectra[1].conj(), s=(size, size)).max())
