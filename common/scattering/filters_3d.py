r"""Solid harmonic wavelets in 3D, as products of factors of one and of two axes.

With :math:`k` the angular frequencies along the axes (z, y, x) = (0, 1, 2) of a volume and
:math:`s_j = \sigma_0 2^j`, the wavelet of scale j, order l and degree m is, in Fourier,

.. math:: \hat\psi_{j,l,m}(k) = c_l\, (-i)^l\, S_{l,m}(s_j k_x, s_j k_y, -s_j k_z)\,
                                e^{-s_j^2 |k|^2 / 2},

:math:`S_{l,m} = r^l Y_{l,m}` being a solid harmonic, a homogeneous polynomial of degree l. In space
this is again a solid harmonic times a Gaussian, of width :math:`s_j`. The constants, :math:`c_0 =
\sqrt{4 \pi}` and

.. math:: c_l = \frac{\sqrt{2 \pi}}{\sqrt{l + 1/2}\,(l + 1)!!} \;(l \text{ even}), \qquad
          c_l = \frac{(2 \pi)^{3/2}}{2^{(l + 3)/2} \sqrt{\pi (2 l + 1)}\,((l + 1)/2)!}
          \;(l \text{ odd}),

and the sign of :math:`k_z` are those of kymatio 0.3.0.

For :math:`m \ge 0`, with :math:`\rho^2 = x^2 + y^2`,

.. math:: S_{l,m} = (-1)^m (x + i y)^m \sum_i a_{l,m,i}\, z^{l - m - 2 i} \rho^{2 i}, \qquad
          S_{l,-m} = (-1)^m \overline{S_{l,m}} ,

and the Gaussian is a product over axes: a wavelet is a sum of at most l / 2 + 1 products of a
function of one axis by a function of two. Only these factors are stored.

At half the sampling rate, -pi stands for pi as well. A wavelet that is odd along that axis has no
one value there: the convolution with it is not real (nor imaginary) any more. This part is kept
apart, as sections of the wavelet.
"""

import math
from typing import NamedTuple

import numpy as np

from common import validation

__all__ = [
    "Factors",
    "Wavelet",
    "cutoff",
    "frequencies",
    "harmonic_factors",
    "kept_sizes",
    "solid_harmonic_filters",
    "solid_harmonics",
]


class Wavelet(NamedTuple):
    """Real wavelets A and B of degrees m and -m, written A + iB, without the phase (-i)**l.

    Attributes
    ----------
    powers : list of int
        Powers of ``-sigma * k_z`` that occur.
    planes : ndarray of complex, shape (n_terms, N, O)
        Functions of y and x that go with them.
    sections : dict of int to ndarray of complex
        By axis, what is wrong with A and B at half the sampling rate: all of A + iB there that
        does not have the symmetry of the Fourier transform of a real function.
    axes : tuple of two tuples of int
        The axes along which A, and B, have such sections.
    fault : float
        Largest value in the sections, relative to the maximum of the wavelet.
    """

    powers: list
    planes: np.ndarray
    sections: dict
    axes: tuple
    fault: float


class Factors(NamedTuple):
    """Wavelets of one scale.

    Attributes
    ----------
    axial : ndarray, shape (L + 1, M)
        Powers 0 to L of ``-sigma * k_z``, times the Gaussian.
    wavelets : list of list of Wavelet
        ``wavelets[l][m]``, m = 0 to l.
    """

    axial: np.ndarray
    wavelets: list


def solid_harmonics(x, y, z, L):
    r"""Solid harmonics :math:`r^l Y_{l,m}` of points, by recurrence of polynomials.

    Parameters
    ----------
    x, y, z : ndarray
        Coordinates, of shapes that broadcast.
    L : int
        Largest order.

    Returns
    -------
    harmonics : list of ndarray of complex, each of shape (2 * l + 1, ...)
        Entry l holds the degrees m = -l to l, orthonormal on the sphere, with the phase of Condon
        and Shortley: ``scipy.special.sph_harm_y(l, m, polar, azimuth)`` on the unit sphere.

    Examples
    --------
    >>> harmonics = solid_harmonics(np.array(1.0), np.array(0.0), np.array(2.0), 1)
    >>> np.round(harmonics[1].real * np.sqrt(4 * np.pi / 3), 3)  # x / sqrt 2, z, -x / sqrt 2
    array([ 0.707,  2.   , -0.707])
    """
    x, y, z = (np.asarray(a, dtype=float) for a in (x, y, z))
    rho2 = x**2 + y**2
    found = []
    for order in range(L + 1):
        positive = []
        for m in range(order + 1):
            terms = _coefficients(order, m)
            axial = sum(a * z ** (order - m - 2 * i) * rho2**i for i, a in enumerate(terms))
            positive.append((-1) ** m * (x + 1j * y) ** m * axial)
        negative = [(-1) ** m * np.conj(positive[m]) for m in range(order, 0, -1)]
        found.append(np.stack(np.broadcast_arrays(*negative, *positive)))
    return found


def solid_harmonic_filters(shape, J, L, sigma_0=1.0, *, dtype=np.complex64):
    """Bank of solid harmonic wavelets in Fourier, at full size, to look at or to compare.

    Parameters
    ----------
    shape : tuple of int, (M, N, O)
    J : int
        Largest scale: widths ``sigma_0 * 2**j`` for j = 0 to J.
    L : int
        Largest order.
    sigma_0 : float, default=1.0
        Width of the smallest wavelet, in samples.
    dtype : complex dtype, default=numpy.complex64

    Returns
    -------
    filters : list of ndarray, each of shape (J + 1, 2 * l + 1, M, N, O)
        Entry l holds degrees -l to l; frequency 0 comes first. Those of kymatio 0.3.0 where all
        sizes are even. Along an axis of odd size its frequencies are off by one sample, so that
        its wavelets have a mean; these have none.
    """
    shape, dtype = tuple(shape), np.dtype(dtype)
    J, L = validation.count(J, "J", at_least=0, at_most=62), validation.count(L, "L", at_least=0)
    filters = [np.empty((J + 1, 2 * order + 1, *shape), dtype) for order in range(L + 1)]
    for j in range(J + 1):
        factors = harmonic_factors(shape, L, sigma_0 * 2**j)
        for order, bank in enumerate(filters):
            for m, wavelet in enumerate(factors.wavelets[order]):
                axial = factors.axial[wavelet.powers].T.astype(dtype)
                # Degree m of the factors is (x + iy)^m; kymatio's has this phase and, for m > 0,
                # half of the energy in each of m and -m.
                phase = (-1j) ** order * (np.sqrt(0.5) if m else 1.0)
                for degree, plane in {
                    m: (-1) ** m * wavelet.planes,
                    -m: wavelet.planes.conj(),
                }.items():
                    flat = (phase * plane).reshape(len(axial.T), -1).astype(dtype)
                    out = bank[j, order + degree].reshape(shape[0], -1)
                    np.matmul(axial, flat, out=out)
    return filters


def harmonic_factors(shape, L, sigma, *, kept=None, negligible=0.0):
    """Factors of the wavelets of one scale.

    Parameters
    ----------
    shape : tuple of int, (M, N, O)
    L : int
    sigma : float
        Width in space, in samples.
    kept : tuple of int, optional
        Number of frequencies along each axis; see `kept_sizes`. All by default.
    negligible : float, default=0.0
        Smaller values of the factors, whose largest are about 1, become 0: arithmetic with the
        subnormal numbers far out in a Gaussian is a hundred times slower.

    Returns
    -------
    factors : Factors
        For real x, ``abs(x * psi_m)**2 + abs(x * psi_-m)**2 = (x * A)**2 + (x * B)**2``.
    """
    sigma = validation.number(sigma, "sigma", above=0, unit="samples")
    kept = tuple(shape if kept is None else kept)
    z, y, x = (sigma * k for k in frequencies(shape, kept=kept))
    axial = _flush((-z) ** np.arange(L + 1)[:, None] * np.exp(-0.5 * z**2), negligible)
    y = y[:, None]
    rho2 = x**2 + y**2
    gaussian = np.exp(-0.5 * rho2)
    halves = {a: n // 2 for a, n in enumerate(kept) if n == shape[a] and n % 2 == 0}
    wavelets = []
    for order in range(L + 1):
        degrees = []
        peak = _normalisation(order) * math.sqrt((2 * order + 1) / (4 * math.pi))
        peak *= (order / math.e) ** (order / 2)
        for m in range(order + 1):
            terms = _normalisation(order) * _coefficients(order, m)
            powers = [order - m - 2 * i for i in range(len(terms))]
            harmonic = (x + 1j * y) ** m * gaussian * (math.sqrt(2) if m else 1.0)
            planes = np.stack([a * harmonic * rho2**i for i, a in enumerate(terms)])
            planes = _flush(planes, negligible)
            sections, axes = _sections(order, m, axial[powers], planes, halves)
            fault = max((np.abs(v).max() / peak for v in sections.values()), default=0.0)
            degrees.append(Wavelet(powers, planes, sections, axes, fault))
        wavelets.append(degrees)
    return Factors(axial, wavelets)


def frequencies(shape, *, kept=None):
    """Angular frequencies along each axis, in radians per sample.

    Parameters
    ----------
    shape : tuple of int
    kept : tuple of int, optional
        Number of frequencies along each axis, all by default.

    Returns
    -------
    frequencies : list of ndarray, each of shape (kept[axis],)
        In the order of the discrete Fourier transform. Half the sampling rate, where it occurs, is
        negative.
    """
    kept = shape if kept is None else kept
    return [2 * np.pi / n * k * np.fft.fftfreq(k) for n, k in zip(shape, kept, strict=True)]


def cutoff(order, sigma, tolerance, *, smoothing=0.0):
    r"""Frequency beyond which a wavelet is negligible.

    Parameters
    ----------
    order : int
    sigma : float
        Width of the wavelet, in samples.
    tolerance : float
        Relative to the maximum over frequencies.
    smoothing : float, default=0.0
        Width of a Gaussian that the signal was convolved with, in samples.

    Returns
    -------
    frequency : float
        In radians per sample: the larger solution of :math:`u^l e^{-u^2 / 2} = tolerance \cdot
        l^{l / 2} e^{-l / 2}` for :math:`u = k \sqrt{\sigma^2 + smoothing^2}`.
    """
    sigma = validation.number(sigma, "sigma", above=0, unit="samples")
    smoothing = validation.number(smoothing, "smoothing", at_least=0, unit="samples")
    tolerance = validation.number(tolerance, "tolerance", above=0, below=1)
    # log(u^l exp(-u^2/2)) = level, as a fixed point of u = sqrt(2 (l log u - level)).
    level = np.log(tolerance) + (0.5 * order * (np.log(order) - 1) if order else 0.0)
    u = max(1.0, np.sqrt(-2 * level)) + np.sqrt(order)
    for _ in range(100):
        u = np.sqrt(max(2 * (order * np.log(u) - level), order + 1e-300))
    return u / np.hypot(sigma, smoothing)


def kept_sizes(shape, frequency):
    """Number of frequencies along each axis that are not beyond a frequency.

    Parameters
    ----------
    shape : tuple of int
    frequency : float
        In radians per sample.

    Returns
    -------
    kept : tuple of int
        Odd, frequencies -c to c, unless the whole axis is kept.
    """
    return tuple(min(n, 2 * math.floor(frequency * n / (2 * np.pi)) + 1) for n in shape)


def _sections(order, m, axial, planes, halves):
    """Sections at half the sampling rate of what is not symmetric, and axes; see `Wavelet`."""
    # Whether A and B are odd along z, y and x.
    parities = [((order - m) % 2, 0, m % 2), ((order - m) % 2, 1, (m - 1) % 2)]
    sections, axes = {}, ([], [])
    for axis, at in halves.items():
        if axis == 0:
            section = np.tensordot(axial[:, at], planes, 1)
        else:
            section = np.einsum("iz,in->zn", axial, planes.take(at, axis=axis))
        others = [a for a in range(3) if a != axis]
        parts = []
        for values, parity in zip((section.real, section.imag), parities, strict=True):
            wrong = np.full(section.shape, parity[axis] == 1)
            for place, other in enumerate(others):
                if parity[axis] and parity[other] and other in halves:
                    # Odd along both axes is even; odd along three is odd, held by the first.
                    line = np.moveaxis(wrong, place, 0)[halves[other]]
                    np.logical_not(line, out=line)
            if axis and all(parity) and len(halves) == 3:
                wrong[tuple(halves[a] for a in others)] = False
            parts.append(np.where(wrong, values, 0))
            if parts[-1].any():
                axes[len(parts) - 1].append(axis)
        if any(p.any() for p in parts):
            sections[axis] = parts[0] + 1j * parts[1]
    return sections, tuple(map(tuple, axes))


def _flush(values, negligible):
    return np.where(np.abs(values) < negligible, 0, values)


def _coefficients(order, m):
    """Coefficients a_i of z^(l - m - 2i) rho^(2i), normalised on the sphere, without (-1)^m."""
    # Associated Legendre functions over sin^m: P_m = (2m - 1)!!, then the recurrence over l of
    # homogeneous polynomials in z and rho, where r^2 = z^2 + rho^2.
    previous, current = np.zeros(1), np.array([float(math.prod(range(1, 2 * m, 2)))])
    for n in range(m + 1, order + 1):
        following = np.zeros((n - m) // 2 + 1)
        following[: len(current)] += (2 * n - 1) * current
        if n >= m + 2:
            following[: len(previous)] -= (n + m - 1) * previous
            following[1 : 1 + len(previous)] -= (n + m - 1) * previous
        previous, current = current, following / (n - m)
    ratio = math.factorial(order - m) / math.factorial(order + m)
    return math.sqrt((2 * order + 1) / (4 * math.pi) * ratio) * current


def _normalisation(order):
    if order == 0:
        return math.sqrt(4 * math.pi)
    if order % 2 == 0:
        double = math.prod(range(order + 1, 0, -2))
        return math.sqrt(2 * math.pi) / (math.sqrt(order + 0.5) * double)
    half = math.factorial((order + 1) // 2)
    return (2 * math.pi) ** 1.5 / (
        2 ** (0.5 * (order + 3)) * math.sqrt(math.pi * (2 * order + 1)) * half
    )
