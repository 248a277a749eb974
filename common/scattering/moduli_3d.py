r"""Squared moduli of convolutions with solid harmonic wavelets.

The sum over m needs no complex wavelets. A unitary change of basis takes the wavelets of degrees m
and -m to real ones, A and B, up to a common phase; for real x, one inverse transform of
:math:`\hat x (\hat A + i \hat B)` holds both convolutions, as its real and its imaginary part.
Wavelets of degree 0 share a transform as well, two orders at a time. Wavelets are multiplied out
from their factors when they are needed.
"""

import math
from typing import NamedTuple

import numpy as np
import torch

from common.scattering.filters_3d import Factors, frequencies

__all__ = ["COMPLEX", "Level", "resample", "spectrum_elsewhere", "squared_moduli"]

_AXES = (-3, -2, -1)
COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
"""Complex numbers of a precision."""
# Relative size of what is not symmetric at half the sampling rate (its square is added to the
# others): under the rounding of a Fourier transform.
_FAULT = {torch.float32: 1e-5, torch.float64: 1e-12}


class Level(NamedTuple):
    """One scale, on one grid."""

    period: tuple  # sizes of the volume, in samples
    kept: tuple  # frequencies along each axis that matter
    grid: tuple  # samples along each axis
    factors: Factors


def squared_moduli(spectra, level, *, rotation_covariant=True, recording=False):
    """Squared moduli of convolutions with the wavelets of each order.

    Parameters
    ----------
    spectra : list of Tensor, shape (n_volumes, ...), complex
        Of each order l, the spectrum of what is convolved, on any grid, divided by its number of
        samples.
    level : Level
        With the wavelets.
    rotation_covariant : bool, default=True
        Sum over the degrees from -l to l; otherwise degree -l alone.
    recording : bool, default=False
        Leave everything as automatic differentiation needs it.

    Returns
    -------
    squares : list of Tensor, shape (n_volumes, *level.grid)
        One an order.
    """
    known = {id(s): resample(s, level) for s in spectra}
    spectra = [known[id(s)] for s in spectra]
    memory = None if recording else _Memory(spectra[0])
    totals = [None] * (len(spectra))
    for order in range(1, len(spectra)):
        for m in range(1, order + 1) if rotation_covariant else [order]:
            add = _add_pair_of_degrees if rotation_covariant else _add_last_degree
            totals[order] = add(totals[order], spectra[order], level, order, m, memory)
    if rotation_covariant:
        for parity in (0, 1):
            orders = list(range(parity, len(spectra), 2))
            for pair in (orders[i : i + 2] for i in range(0, len(orders), 2)):
                _add_degree_zero(totals, spectra, level, pair, memory)
    else:
        _add_degree_zero(totals, spectra, level, [0], memory)
    return totals


def resample(spectrum, level):
    """The spectrum on another grid: frequencies dropped or, where there were none, 0.

    Parameters
    ----------
    spectrum : Tensor, shape (n_volumes, ...), complex
    level : Level
        With the other grid.

    Returns
    -------
    spectrum : Tensor, shape (n_volumes, *level.grid), complex
    """
    for axis, (kept, size) in enumerate(zip(level.kept, level.grid, strict=True), start=1):
        n = spectrum.shape[axis]
        if n == size:
            continue
        c = (min(kept, n) - 1) // 2
        zeros = spectrum.new_zeros(
            [size - 2 * c - 1 if a == axis else k for a, k in enumerate(spectrum.shape)]
        )
        low, high = spectrum.narrow(axis, 0, c + 1), spectrum.narrow(axis, n - c, c)
        spectrum = torch.cat([low, zeros, high], dim=axis)
    return spectrum


def spectrum_elsewhere(values, source, target):
    """Spectrum on the period of a level of real values that are given on a smaller period.

    Parameters
    ----------
    values : Tensor, shape (n_volumes, *source.grid), real
    source, target : Level
        The values', and the spectrum's.

    Returns
    -------
    spectrum : Tensor, shape (n_volumes, *target.grid), complex
    """
    steps = [p / n for p, n in zip(source.period, source.grid, strict=True)]
    omegas = frequencies(target.period, kept=target.kept)
    kind = COMPLEX[values.dtype]
    z, y, x = (
        torch.tensor(np.exp(-1j * w[:, None] * (step * n * np.fft.fftfreq(n))), dtype=kind)
        for step, n, w in zip(steps, source.grid, omegas, strict=True)
    )
    # Frequencies 0 to c along x; the others follow from the symmetry of a real function.
    half = len(x) // 2 + 1
    kernel = torch.view_as_real(x[:half].T.contiguous()).flatten(1)
    out = torch.view_as_complex((values @ kernel).unflatten(-1, (half, 2)))
    out = (z @ (y @ out).flatten(2)).unflatten(-1, (len(y), half))
    out = out * (math.prod(steps) / math.prod(target.period))
    mirror_z, mirror_y = (-torch.arange(len(k)) % len(k) for k in (z, y))
    mirror = out[..., 1:].flip(-1).conj()[:, mirror_z][:, :, mirror_y]
    return resample(torch.cat([out, mirror], dim=-1), target)


class _Memory:
    """Arrays for intermediate values, used again for each wavelet."""

    def __init__(self, spectrum):
        self.wavelet = torch.empty_like(spectrum[0])
        self.product = torch.empty_like(spectrum)


def _add_pair_of_degrees(total, spectrum, level, order, m, memory):
    """Add the squares of the convolutions with degrees m and -m."""
    factors = level.factors.wavelets[order][m]
    wavelet = _symmetric(level, factors, memory)
    total = _add_squares(total, _convolve(spectrum, wavelet, memory), memory)
    return _add_sections(total, spectrum, factors, order % 2 == 0, memory)


def _add_last_degree(total, spectrum, level, order, m, memory):
    """Add the squares of the convolution with degree -m."""
    factors = level.factors.wavelets[order][m]
    # It is (A - iB) / sqrt 2, whatever its symmetry.
    planes = factors.planes.conj().resolve_conj() * math.sqrt(0.5)
    wavelet = _multiplied_out(level, factors.powers, planes, memory)
    return _add_squares(total, _convolve(spectrum, wavelet, memory), memory)


def _multiplied_out(level, powers, planes, memory):
    """A wavelet on the grid, from its factors."""
    axial = level.factors.axial[powers].T
    if memory is None:
        return (axial.to(planes.dtype) @ planes.flatten(1)).view(level.grid)
    # Real and imaginary parts are columns of a real product.
    columns = torch.view_as_real(planes).flatten(1)
    torch.mm(axial, columns, out=torch.view_as_real(memory.wavelet).flatten(1))
    return memory.wavelet


def _symmetric(level, factors, memory):
    """A wavelet A + iB on the grid, less its sections at half the sampling rate."""
    wavelet = _multiplied_out(level, factors.powers, factors.planes, memory)
    for axis, section in factors.sections.items():
        wavelet.select(axis, wavelet.shape[axis] // 2).sub_(section)
    return wavelet


def _convolve(spectrum, wavelet, memory):
    if memory is None:
        product = spectrum * wavelet
    else:
        product = torch.mul(spectrum, wavelet, out=memory.product)
    return torch.fft.ifftn(product, dim=_AXES, norm="forward")


def _add_squares(total, z, memory):
    """Add the squares of real numbers or the squared moduli of complex ones."""
    for part in (z.real, z.imag) if z.is_complex() else (z,):
        if total is None:
            total = part.square()
        elif memory is None:
            total = total + part.square()
        else:
            total.addcmul_(part, part)
    return total


def _add_sections(total, spectrum, factors, even, memory):
    """Add what the sections of a wavelet contribute, if it is not negligible."""
    if factors.fault < _FAULT[spectrum.real.dtype]:
        return total
    # From the section at half the sampling rate of an axis, a function of the two others whose sign
    # alternates along that axis.
    fields, signs = {}, {}
    for axis, section in factors.sections.items():
        half = spectrum.select(axis + 1, spectrum.shape[axis + 1] // 2) * section
        field = torch.fft.ifftn(half, dim=(-2, -1), norm="forward")
        fields[axis] = field.unsqueeze(axis + 1)
        sign = torch.ones(spectrum.shape[axis + 1], dtype=field.real.dtype, device=field.device)
        sign[1::2] = -1
        signs[axis] = sign.reshape([-1 if a == axis else 1 for a in range(3)])
    # Without its phase (-i)**l, A has imaginary fields if l is even and real ones if l is odd.
    parts = ("imag", "real") if even else ("real", "imag")
    for part, axes in zip(parts, factors.axes, strict=True):
        values = [getattr(fields[a], part) for a in axes]
        if not values:
            continue
        if len(values) > 1:
            squares = sum(signs[a] * v for a, v in zip(axes, values, strict=True)).square()
        else:
            squares = values[0].square()  # of a sign, 1
        total = total + squares if memory is None else total.add_(squares)
    return total


def _add_degree_zero(totals, spectra, level, orders, memory):
    """Add the squares of the convolutions with degree 0 of one or two orders, both even or odd."""
    factors = [level.factors.wavelets[order][0] for order in orders]
    wavelets = [_symmetric(level, f, None) for f in factors]
    first = spectra[orders[0]]
    if len(orders) == 1:
        y = _convolve(first, wavelets[0], memory)
    elif first is spectra[orders[1]]:
        y = _convolve(first, torch.complex(wavelets[0].real, wavelets[1].real), memory)
    else:
        y = torch.fft.ifftn(
            first * wavelets[0].real + spectra[orders[1]] * (1j * wavelets[1].real),
            dim=_AXES,
            norm="forward",
        )
    # Without its phase -i, a wavelet of odd order has an imaginary convolution.
    parts = (y.imag, y.real) if orders[0] % 2 else (y.real, y.imag)
    for order, part, f in zip(orders, parts, factors, strict=False):
        totals[order] = _add_squares(totals[order], part, memory)
        totals[order] = _add_sections(totals[order], spectra[order], f, order % 2 == 0, memory)
