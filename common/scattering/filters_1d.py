r"""Morlet filters of the one-dimensional scattering transform, in Fourier.

Frequencies are in cycles per sample, and a filter of n samples is given at 0, 1/n, ..., (n - 1)/n.
The low-pass filter and the wavelets are

.. math:: \hat\phi(f) \propto g_\sigma(f), \qquad
          \hat\psi(f) \propto g_\sigma(f - \xi) - \kappa\, g_\sigma(f), \qquad
          g_\sigma(f) = \sum_m e^{-(f + m)^2 / 2 \sigma^2},

where the sum over the periods m is what sampling does, :math:`\kappa = g_\sigma(\xi) /
g_\sigma(0)` makes the mean of the wavelet vanish, and the scale makes the sum over time of its
modulus 1. Wavelets of quality Q have centre frequencies :math:`\xi` in geometric progression of
ratio :math:`2^{-1/Q}` and widths proportional to them,

.. math:: \sigma = \xi\, \frac{1 - 2^{-1/Q}}{1 + 2^{-1/Q}} \sqrt{\frac{1}{2 \ln (1 / r)}},
          \qquad r = \sqrt{1/2},

so that neighbours cross at r times their maximum, down to the least width
:math:`\sigma_0 / 2^J`; what remains down to 0 is covered by Q - 1 wavelets of that width, evenly
spaced.

References
----------
.. [1] J. Andén and S. Mallat, "Deep Scattering Spectrum", IEEE Trans. Signal Process. 62(16), 2014,
   arXiv:1304.6763.
.. [2] M. Andreux et al., "Kymatio: Scattering Transforms in Python", JMLR 21(60), 2020,
   arXiv:1812.11214.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
import scipy.fft

__all__ = [
    "Padding",
    "Wavelets",
    "border",
    "low_pass",
    "morlet",
    "padding",
    "support",
    "wavelets",
]

SIGMA_0 = 0.1
"""Width of the low-pass filter that averages over one sample, in cycles per sample."""

_R = math.sqrt(0.5)
# A wavelet keeps the rate at which this many widths beyond its centre are below half the rate.
_WIDTHS_WITHOUT_ALIASING = 5.0
# Share of the averaging filter, in absolute value, that may lie beyond the padding.
_LEFT_OUT = 1e-3
# Beyond this many widths, g is below 1e-18: nothing, even in double precision.
_WIDTHS = 9.2


class Wavelets(NamedTuple):
    """Wavelets of one order, from the highest centre frequency to the lowest.

    Attributes
    ----------
    xi, sigma : ndarray, shape (n_wavelets,)
        Centre frequency and width, in cycles per sample.
    j : ndarray of int, shape (n_wavelets,)
        What they pass can be sampled at every ``2 ** j`` th sample.
    """

    xi: np.ndarray
    sigma: np.ndarray
    j: np.ndarray


class Padding(NamedTuple):
    """Length of a padded signal, a power of two, and what is added before and after."""

    length: int
    left: int
    right: int


def wavelets(J, Q):
    """Centre frequencies, widths and sampling of a family of wavelets.

    Parameters
    ----------
    J : int
        The longest wavelets last about ``2 ** J`` samples.
    Q : int
        Wavelets in an octave.

    Returns
    -------
    family : Wavelets

    Examples
    --------
    >>> wavelets(3, 1).xi.round(3).tolist()
    [0.35, 0.175, 0.088, 0.044]
    >>> wavelets(3, 1).j.tolist()
    [0, 0, 0, 1]
    """
    ratio = 2.0 ** (1 / Q)
    width = (1 - 1 / ratio) / (1 + 1 / ratio) / math.sqrt(2 * math.log(1 / _R))
    least = SIGMA_0 / 2.0**J
    highest = max(1 / (1 + 2.0 ** (3 / Q)), 0.35)
    xi, sigma = highest * ratio ** -np.arange(Q * (J + 2) + 2.0), None
    # Down to the first whose next would be narrower than the least width.
    n_geometric = 0
    if highest * width > least:
        n_geometric = 1 + int(
            np.sum(highest * width * ratio ** -np.arange(len(xi)) > least * ratio)
        )
    lowest = xi[n_geometric - 1] if n_geometric else highest * width
    linear = lowest * (1 - np.arange(1, Q) / Q)
    sigma = np.concatenate([xi[:n_geometric] * width, np.full(Q - 1, least)])
    xi = np.concatenate([xi[:n_geometric], linear])
    edge = np.minimum(xi + _WIDTHS_WITHOUT_ALIASING * sigma, 0.5)
    return Wavelets(xi, sigma, np.floor(-np.log2(edge)).astype(int) - 1)


def morlet(n, xi, sigma, *, start=None, width=None):
    """Fourier transforms of Morlet wavelets.

    Parameters
    ----------
    n : int
        Number of samples.
    xi, sigma : ndarray, shape (n_wavelets,)
        In cycles per sample.
    start : ndarray of int, shape (n_wavelets,), optional
        First frequency to return for each wavelet, in units of 1/n, by default 0.
    width : int, optional
        Number of frequencies to return, by default all.

    Returns
    -------
    psi : ndarray, shape (n_wavelets, width)
        Real; 0 at frequency 0.
    """
    start = np.zeros(len(xi), dtype=int) if start is None else start
    window = np.arange(n if width is None else width)
    psi = np.empty((len(xi), len(window)))
    for row, a, b, first in zip(psi, xi, sigma, start, strict=True):
        row[:] = _morlet(n, a, b)[(first + window) % n]
    return psi


def low_pass(n, sigma):
    """Fourier transform of a Gaussian.

    Parameters
    ----------
    n : int
        Number of samples.
    sigma : float
        In cycles per sample.

    Returns
    -------
    phi : ndarray, shape (n,)
        Real; 1 at frequency 0, as its values over time are positive and add up to 1.
    """
    phi = _gaussian(n, 0.0, sigma)
    return phi / phi[0]


def support(n, xi, sigma):
    """Frequencies at which Morlet wavelets do not vanish in double precision.

    Parameters
    ----------
    n : int
        Number of samples.
    xi, sigma : ndarray, shape (n_wavelets,)

    Returns
    -------
    first, last : ndarray of int, shape (n_wavelets,)
        In units of 1/n, and possibly negative or above n.
    """
    xi, sigma = np.asarray(xi), np.asarray(sigma)
    # Where the wavelet is far from 0, nothing needs to be subtracted for its mean to vanish.
    left = np.where(xi > _WIDTHS * sigma, xi, 0.0) - _WIDTHS * sigma
    return np.floor(n * left).astype(int), np.ceil(n * (xi + _WIDTHS * sigma)).astype(int)


def padding(n, T):
    """How far to extend a signal so that averages near its ends do not wrap around.

    Three times the distance beyond which the averaging filter has no more than a thousandth of its
    weight on either side, up to the next power of two; less where reflection cannot reach that far.

    Parameters
    ----------
    n : int
        Length of the signal, at least 2.
    T : float
        Length of the averaging, in samples.

    Returns
    -------
    padding : Padding

    Warns
    -----
    UserWarning
        If the filter is longer than the signal: coefficients near the ends depend on the padding.
    """
    half = n // 2
    time = np.abs(scipy.fft.ifft(low_pass(n, SIGMA_0 / T)))[:half]
    remaining = np.cumsum(time[::-1])[::-1]
    short = np.flatnonzero(remaining <= _LEFT_OUT)
    if not len(short):
        warnings.warn(
            f"averages over T = {T:g} samples, whose weights reach about 5 T to either side, go "
            f"beyond signals of {n} samples: all coefficients depend on how these are padded. "
            "Lower J or T, or take longer signals.",
            stacklevel=3,
        )
    wanted = n + 6 * (int(short[0]) + 1 if len(short) else half)
    longest = 3 * n - 2  # reflection adds at most n - 1 on either side
    length = 2 ** min(math.ceil(math.log2(wanted)), math.floor(math.log2(longest)))
    left = (length - n) // 2
    return Padding(length, left, length - n - left)


def border(padding, n, level):
    """Where the signal lies in a padded one of which every ``2 ** level`` th sample is kept.

    Parameters
    ----------
    padding : Padding
    n : int
        Length of the signal.
    level : int

    Returns
    -------
    start, stop : int
    """
    # Rounded up, as the first sample kept may lie before the signal.
    return -(-padding.left >> level), -(-(padding.left + n) >> level)


def _morlet(n, xi, sigma):
    periods = np.arange(-1, 2)
    kappa = _g(periods - xi, sigma).sum() / _g(periods, sigma).sum()
    psi = _gaussian(n, xi, sigma)
    if kappa > 0:
        psi -= kappa * _gaussian(n, 0.0, sigma)
    # The filter is real in Fourier, so its modulus over time is even.
    time = np.abs(scipy.fft.rfft(psi)) / n
    return psi / (2 * time.sum() - time[0] - (time[-1] if n % 2 == 0 else 0.0))


def _gaussian(n, xi, sigma):
    """Sum over periods of a Gaussian, which only its support contributes to."""
    k = np.arange(math.floor(n * (xi - _WIDTHS * sigma)), math.ceil(n * (xi + _WIDTHS * sigma)) + 1)
    return np.bincount(k % n, weights=_g(k / n - xi, sigma), minlength=n)


def _g(f, sigma):
    return np.exp(-(f**2) / (2 * sigma**2))
