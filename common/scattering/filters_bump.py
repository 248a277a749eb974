r"""Bump steerable wavelets in Fourier: compact in frequency, with a full turn of directions.

The wavelet of scale :math:`j` and direction :math:`\alpha = \pi q / L` is, at a frequency of radius
:math:`r` (radians a pixel) and angle :math:`\theta`, measured from the axis of columns towards that
of rows,

.. math:: \hat\psi_{j,q} = \frac{1}{1.29\, C_L}\, g\Big(\frac{2^j r}{\xi_0} - 1\Big)\,
          \cos(\theta - \alpha)^{L - 1} \quad \text{for } |\theta - \alpha| < \frac{\pi}{2},
          \qquad g(t) = \exp\Big(\frac{-t^2}{1 - t^2}\Big) \text{ for } |t| < 1,

and 0 elsewhere, with :math:`\xi_0 = 0.85\, \pi` and
:math:`C_L = \sqrt{L (2L - 2)!} / ((L - 1)!\, 2^{L - 1})`. There are :math:`2L` directions: of a
real image, those of :math:`q` and :math:`q + L` give conjugate coefficients. The low-pass filter is
a Gaussian of standard deviation :math:`\sigma = 2^{J - 1} / (0.702 \cdot 2^{-0.55} \sqrt 2\,
\xi_0)` pixels. Filters are sums over periods, from one before to one after: of the spectrum for
wavelets, of the image for the low-pass filter, which is not normalised again: its sum is a little
below 1 where it is wide for the image.

These are the filters of the authors' code [1]_, [2]_.

References
----------
.. [1] S. Mallat, S. Zhang, G. Rochette, "Phase harmonic correlations and convolutional neural
   networks", Information and Inference 9(3), 2020, arXiv:1810.12136.
.. [2] S. Zhang, S. Mallat, "Maximum entropy models from phase harmonic covariances", Applied and
   Computational Harmonic Analysis 53, 2021, arXiv:1911.10017.
"""

import math
from typing import NamedTuple

import numpy as np

from common import validation

__all__ = ["CENTER", "BumpBank", "check_shape", "filter_bank", "frequencies", "littlewood_paley"]

CENTER = 0.85 * math.pi
"""Radius at which the wavelets of scale 0 are largest, in radians a pixel."""

_NORM = 1.29
_WIDTH = 0.702 * 2**-0.55 * math.sqrt(2) * CENTER
_PERIODS = (-1, 0, 1)


class BumpBank(NamedTuple):
    """Filters in Fourier, real, frequencies in the order of `numpy.fft.fft2`.

    Attributes
    ----------
    phi : ndarray, shape (height, width)
        Low-pass filter.
    psi : ndarray, shape (J, 2 L, height, width)
        Wavelets by scale and direction.
    """

    phi: np.ndarray
    psi: np.ndarray


def filter_bank(shape, J, L=8):
    r"""Bump steerable wavelets and their low-pass filter.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the images, in pixels.
    J : int
        Number of scales, at least 1.
    L : int, default=8
        Number of directions in half a turn, at least 1.

    Returns
    -------
    bank : BumpBank

    Raises
    ------
    ValueError
        If a count is below 1, or :math:`2^J` pixels exceed a side of the image.
    TypeError
        If a count is no whole number.

    Examples
    --------
    >>> filter_bank((32, 48), J=2, L=4).psi.shape
    (2, 8, 32, 48)
    """
    height, width = check_shape(shape, J)
    L = validation.count(L, "L")
    psi = np.zeros((J, 2 * L, height, width))
    rows, columns = frequencies((height, width))
    for period in _PERIODS:
        for other in _PERIODS:
            row, column = rows + 2 * np.pi * period, columns + 2 * np.pi * other
            radius, angle = np.hypot(row, column), np.arctan2(row, column)
            angular = np.stack([_angular(angle - np.pi * q / L, L) for q in range(2 * L)])
            for j in range(J):
                psi[j] += _bump(2**j * radius / CENTER - 1) * angular / _NORM
    return BumpBank(np.outer(_low_pass(height, J), _low_pass(width, J)), psi)


def littlewood_paley(bank):
    r"""How much of each frequency the filters of a bank keep.

    Parameters
    ----------
    bank : BumpBank

    Returns
    -------
    kept : ndarray, shape (height, width)
        :math:`\hat\phi^2 + \sum_{j,q} \hat\psi_{j,q}^2`, even since directions go all round.
    """
    return bank.phi**2 + (bank.psi**2).sum(axis=(0, 1))


def frequencies(shape):
    """Frequencies along rows and columns, in radians a pixel, between minus and plus pi.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the images.

    Returns
    -------
    rows : ndarray, shape (height, 1)
    columns : ndarray, shape (1, width)
    """
    height, width = shape
    return (
        2 * np.pi * np.fft.fftfreq(height)[:, None],
        2 * np.pi * np.fft.fftfreq(width)[None, :],
    )


def check_shape(shape, J):
    """Height and width for which there are J scales.

    Parameters
    ----------
    shape : tuple of int
    J : int

    Returns
    -------
    shape : tuple of int

    Raises
    ------
    ValueError, TypeError
        As `filter_bank`.
    """
    try:
        height, width = shape
    except (TypeError, ValueError):
        raise ValueError(f"shape must be (height, width) of the images, got {shape!r}.") from None
    height = validation.count(height, "height, in shape,")
    width = validation.count(width, "width, in shape,")
    J = validation.count(J, "J", at_most=62)
    if min(height, width) < 2**J:
        raise ValueError(
            f"2**J = {2**J} pixels (J={J}) exceed a side of images of shape {(height, width)}; "
            f"J must be at most {min(height, width).bit_length() - 1} for them."
        )
    return height, width


def _bump(t):
    inside = np.abs(t) < 1
    square = np.where(inside, t, 0) ** 2
    return np.where(inside, np.exp(-square / (1 - square)), 0)


def _angular(angle, L):
    wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
    norm = math.sqrt(L * math.factorial(2 * L - 2)) / (math.factorial(L - 1) * 2 ** (L - 1))
    return np.where(np.abs(wrapped) < np.pi / 2, np.cos(wrapped) ** (L - 1), 0) / norm


def _low_pass(n, J):
    """Along one axis; the filter is a product of two."""
    sigma = 2 ** (J - 1) / _WIDTH
    position = np.arange(n)[:, None] + n * np.array(_PERIODS)
    kernel = np.exp(-(position**2) / (2 * sigma**2)).sum(axis=1) / (math.sqrt(2 * np.pi) * sigma)
    return np.fft.fft(kernel).real
