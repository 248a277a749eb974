r"""Morlet filters of the two-dimensional scattering transform, in Fourier.

The wavelet of scale :math:`j` and angle :math:`\alpha` is

.. math:: \psi(u) = \frac{s}{2 \pi \sigma^2}\, g(u)\, (e^{i \xi \langle e, u\rangle} - \kappa),
          \qquad g(u) = \exp\Big(-\frac{\langle e, u\rangle^2
                                        + s^2 \langle e^\perp, u\rangle^2}{2 \sigma^2}\Big),

with :math:`e = (\cos\alpha, \sin\alpha)` along the axes of rows and columns,
:math:`\sigma = 0.8 \cdot 2^j` pixels, :math:`\xi = \frac{3 \pi}{4} 2^{-j}` radians a pixel, slant
:math:`s = 4 / L`, and :math:`\kappa` such that the mean is zero. The low-pass filter is the
Gaussian of :math:`s = 1` and :math:`\sigma = 0.8 \cdot 2^{J - 1}`, without a wave. Angle
:math:`\theta` of :math:`L > 1` is :math:`\alpha = (\lfloor L / 2 \rfloor - 1 - \theta)\, \pi / L`.

Filters are sums over periods of the image, as circular convolution needs: over the five by five
periods from two before to two after. They are even in Fourier up to conjugation, so their
transform is real. Two conventions are those of Kymatio 0.3.0, which the coefficients agree with:
the five periods, which matter only where a filter is wider than the image, and 3.1415 for
:math:`\pi` in the norm, which makes every coefficient of order :math:`m` larger by
:math:`3 (m + 1) \cdot 10^{-5}`. Kymatio rounds its filters to single precision; these are not.

References
----------
.. [1] J. Bruna, S. Mallat, "Invariant Scattering Convolution Networks", IEEE TPAMI 35(8), 2013,
   arXiv:1203.1513.
.. [2] M. Andreux et al., "Kymatio: Scattering Transforms in Python", JMLR 21(60), 2020,
   arXiv:1812.11214.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["FilterBank2D", "angles", "filter_bank", "low_pass", "lower", "padded_shape"]

_NORM_PI = 3.1415  # as in the reference implementation
_REACH = 8.7  # standard deviations; what lies beyond is below 4e-17 of the peak


class FilterBank2D(NamedTuple):
    """Filters in Fourier, frequencies in the order of `numpy.fft.fft2`.

    Attributes
    ----------
    phi : ndarray, shape (height, width)
        Low-pass filter.
    psi : ndarray, shape (J, L, height, width)
        Wavelets by scale and angle.
    """

    phi: np.ndarray
    psi: np.ndarray


def padded_shape(shape, J):
    r"""Shape on which images are filtered: multiples of :math:`2^J` with a margin.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the image.
    J : int

    Returns
    -------
    padded : tuple of int
        Each side is :math:`2^J (\lfloor n / 2^J \rfloor + 2)`.

    Examples
    --------
    >>> padded_shape((32, 45), 3)
    (48, 56)
    """
    step = 2**J
    return tuple((n // step + 2) * step for n in shape)


def angles(L):
    """Direction of the wave of each wavelet.

    Parameters
    ----------
    L : int

    Returns
    -------
    angles : ndarray, shape (L,)
        From the axis of rows towards that of columns, in radians, falling in steps of ``pi / L``.

    Examples
    --------
    >>> (angles(4) * 4 / np.pi).round().astype(int).tolist()
    [1, 0, -1, -2]
    """
    return (int(L - L / 2 - 1) - np.arange(L)) * np.pi / L


def filter_bank(shape, J, L=8):
    """All filters at full resolution.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the padded image, in pixels.
    J : int
        Number of scales.
    L : int, default=8
        Number of angles.

    Returns
    -------
    bank : FilterBank2D
        In double precision.

    See Also
    --------
    lower : The same filter at a lower resolution.

    Examples
    --------
    >>> phi, psi = filter_bank((32, 24), J=2, L=4)
    >>> psi.shape
    (2, 4, 32, 24)
    >>> bool(abs(psi[:, :, 0, 0]).max() < 1e-15)  # no wavelet sees the mean
    True
    """
    height, width = (low_pass(n, J, 0) for n in shape)
    psi = np.empty((J, L, *shape))
    for j in range(J):
        for theta, angle in enumerate(angles(L)):
            psi[j, theta] = _morlet(shape, 0.8 * 2**j, 0.75 * np.pi / 2**j, 4 / L, angle)
    return FilterBank2D(np.outer(height, width), psi)


def low_pass(n, J, level):
    r"""The low-pass filter along one axis; that of images is the product of two.

    Parameters
    ----------
    n : int
        Length of the axis at full resolution, in pixels.
    J : int
    level : int
        The axis is sampled every :math:`2^{level}` pixels.

    Returns
    -------
    phi : ndarray, shape (n / 2 ** level,)
        In Fourier, in the order of `numpy.fft.fft`.
    """
    sigma = 0.8 * 2 ** (J - 1)
    x = _within(n, _REACH * sigma)
    gaussian = np.exp(-(x**2) / (2 * sigma**2)) / np.sqrt(2 * _NORM_PI * sigma**2)
    return lower(np.fft.fft(_wrap(gaussian, x[0], n, axis=0)).real, level, n_axes=1)


def lower(filters, level, *, n_axes=2):
    r"""Filters for images sampled every :math:`2^{level}` pixels: their lowest frequencies.

    Parameters
    ----------
    filters : ndarray, shape (..., height, width)
        In Fourier, at full resolution.
    level : int
        Not negative; sides must be multiples of :math:`2^{level + 1}`, unless it is 0.
    n_axes : int, default=2
        How many of the last axes are frequencies.

    Returns
    -------
    lowered : ndarray, shape (..., height / 2 ** level, width / 2 ** level)
        Of the two frequencies at the end of the new range, the negative one.
    """
    for axis in range(-n_axes, 0) if level else ():
        n = filters.shape[axis]
        half = n // 2 ** (level + 1)
        filters = np.take(filters, np.r_[:half, n - half : n], axis=axis)
    return filters


def _morlet(shape, sigma, xi, slant, angle):
    """One wavelet in Fourier."""
    reach = _REACH * sigma * max(1, 1 / slant)
    row, column = (_within(n, reach) for n in shape)
    cos, sin = np.cos(angle), np.sin(angle)
    # The quadratic form of the envelope in the axes of the image; one exponential a point.
    p, q = row[:, None], column[None, :]
    exponent = (cos**2 + (slant * sin) ** 2) * p**2 + (sin**2 + (slant * cos) ** 2) * q**2
    exponent += 2 * cos * sin * (1 - slant**2) * p * q
    envelope = np.exp(exponent / (-2 * sigma**2)) * (slant / (2 * _NORM_PI * sigma**2))
    wave = envelope * np.exp(1j * xi * cos * p) * np.exp(1j * xi * sin * q)
    wave -= wave.sum() / envelope.sum() * envelope
    wave = _wrap(_wrap(wave, row[0], shape[0], axis=0), column[0], shape[1], axis=1)
    return np.fft.fft2(wave).real


def _within(n, reach):
    """Positions of pixels up to ``reach`` from 0, within the five periods."""
    reach = int(np.ceil(reach))
    return np.arange(max(-reach, -2 * n), min(reach, 3 * n - 1) + 1).astype(float)


def _wrap(values, first, n, *, axis):
    """Sum over periods of ``n`` of values at the positions ``first``, ``first + 1``, ..."""
    values = np.moveaxis(values, axis, -1)
    missing = -values.shape[-1] % n
    values = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])
    values = values.reshape(*values.shape[:-1], -1, n).sum(axis=-2)
    return np.moveaxis(np.roll(values, int(first) % n, axis=-1), -1, axis)
