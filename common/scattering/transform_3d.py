r"""Solid harmonic scattering of volumes.

With the wavelets of `common.scattering.filters_3d`, the moduli

.. math:: U_{j,l}\, x = \Big( \sum_{m=-l}^{l} |x \star \psi_{j,l,m}|^2 \Big)^{1/2}, \qquad
          U_{j_1,j_2,l}\, x = U_{j_2,l}\, U_{j_1,l}\, x \quad (j_1 < j_2)

move and turn with the volume, and the sums over the volume of their powers q do not change when it
moves or turns [1]_.

The sum over m needs no complex wavelets. A unitary change of basis takes the wavelets of degrees m
and -m to real ones, A and B, up to a common phase; for real x, one inverse transform of
:math:`\hat x (\hat A + i \hat B)` holds both convolutions, as its real and its imaginary part.
Wavelets of degree 0 share a transform as well, two orders at a time. Wavelets are multiplied out
from their factors when they are needed.

References
----------
.. [1] M. Eickenberg et al., "Solid harmonic wavelet scattering for predictions of molecule
   properties", J. Chem. Phys. 148, 2018, arXiv:1805.00571.
"""

import math
import operator
from typing import NamedTuple

import numpy as np
import torch
from scipy.fft import next_fast_len

from .base import Scattering, as_choice, as_integer, records_gradient, refuse_options
from .filters_3d import Factors, Wavelet, cutoff, frequencies, harmonic_factors, kept_sizes

__all__ = ["HarmonicScattering3D", "compute_integrals"]

_AXES = (-3, -2, -1)
_REFUSED = {
    "backend": "There is one backend, torch; numpy arrays are taken and returned as well.",
    "frontend": "Tensors give tensors and arrays give arrays.",
}
_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
# Values of factors to leave out, and relative size of what is not symmetric at half the sampling
# rate (its square is added to the others): both under the rounding of a Fourier transform.
_NEGLIGIBLE = {torch.float32: 1e-11, torch.float64: 1e-20}
_FAULT = {torch.float32: 1e-5, torch.float64: 1e-12}
# Samples of a batch that are transformed together, and that powers are taken of at a time.
_CHUNK = 2**17
_BLOCK = 2**15
# A signal that is confined to a box is sampled at least this often (in samples of `shape`): its
# moduli, which have cusps, where another convolution follows, and integrals otherwise.
_STEP_INNER, _STEP_LAST = 2.0, 3.0


class _Level(NamedTuple):
    """One scale, on one grid."""

    period: tuple  # sizes of the volume, in samples
    kept: tuple  # frequencies along each axis that matter
    grid: tuple  # samples along each axis
    factors: Factors


class HarmonicScattering3D(Scattering):
    r"""Solid harmonic scattering transform of volumes.

    Parameters
    ----------
    J : int
        Largest scale: wavelets have widths :math:`\sigma_0 2^j` samples, j = 0 to J.
    shape : tuple of int, (M, N, O)
        Of one volume, which is taken as periodic.
    L : int, default=3
        Largest order of the harmonics, from 0.
    sigma_0 : float, default=1
        Width of the smallest wavelet, in samples.
    max_order : {1, 2}, default=2
    rotation_covariant : bool, default=True
        Otherwise the modulus is that of the wavelet of degree m = -l alone.
    method : {"integral"}, default="integral"
    points : None
        Not used.
    integral_powers : sequence of float, default=(0.5, 1.0, 2.0)
        Positive powers q of the moduli that are summed over the volume.
    quadrature : {"full", "coarse"}, default="full"
        ``"full"`` evaluates all moduli at all samples. ``"coarse"`` evaluates those of each scale
        on the coarsest grid that holds the wavelets' spectrum. Sums of squares stay as exact as
        ``tolerance``; other powers of a modulus, which has cusps where it vanishes, become sums
        with fewer points. Where a volume is mostly empty, powers below 1 need a small tolerance,
        for its square root is what fills the empty part.
    tolerance : float, default=1e-6
        Value of a wavelet's spectrum, relative to its maximum, that counts as 0 if ``quadrature``
        is ``"coarse"``, and in `scatter_localised`.

    Raises
    ------
    ValueError
        If an option is out of range.
    TypeError
        If there is an unknown option.

    Notes
    -----
    Called with volumes of shape (..., M, N, O), real, in single or double precision, it returns
    coefficients of shape (..., n_paths, L + 1, n_powers): paths in the order of `meta`, orders l,
    and powers. The zeroth order is `compute_integrals`. An array gives arrays, a tensor tensors on
    its device. Differentiable; powers below 2 have gradient 0 where a modulus is 0.

    Coefficients are those of Kymatio 0.3.0 [1]_, except along axes of odd size, where its wavelets
    are off by one frequency.

    References
    ----------
    .. [1] M. Andreux et al., "Kymatio: Scattering Transforms in Python", JMLR 21(60), 2020,
       arXiv:1812.11214.

    Examples
    --------
    >>> S = HarmonicScattering3D(J=2, shape=(16, 16, 16), L=3)
    >>> S(torch.zeros(5, 16, 16, 16)).shape
    torch.Size([5, 6, 4, 3])
    """

    ndim = 3

    def __init__(
        self,
        J,
        shape,
        L=3,
        sigma_0=1,
        max_order=2,
        rotation_covariant=True,
        method="integral",
        points=None,
        integral_powers=(0.5, 1.0, 2.0),
        *,
        quadrature="full",
        tolerance=1e-6,
        **unknown_options,
    ):
        refuse_options("HarmonicScattering3D", unknown_options, _REFUSED)
        super().__init__(_check_shape(shape))
        self.J = as_integer("J", J, at_least=0)
        self.L = as_integer("L", L, at_least=0)
        self.sigma_0 = _check_between("sigma_0", sigma_0, 0, math.inf)
        self.max_order = as_choice("max_order", max_order, (1, 2))
        self.rotation_covariant = as_choice("rotation_covariant", rotation_covariant, (True, False))
        self.method = as_choice("method", method, ("integral",))
        if points is not None:
            raise ValueError(f"points={points!r} has no use with integrals; leave it None.")
        self.points = None
        self.integral_powers = _check_powers(integral_powers)
        self.quadrature = as_choice("quadrature", quadrature, ("full", "coarse"))
        self.tolerance = _check_between("tolerance", tolerance, 0, 1)

    def extra_repr(self):
        return (
            f"J={self.J}, shape={self.shape}, L={self.L}, sigma_0={self.sigma_0}, "
            f"max_order={self.max_order}, rotation_covariant={self.rotation_covariant}, "
            f"integral_powers={self.integral_powers}, quadrature={self.quadrature!r}"
        )

    def meta(self):
        """The wavelets of each path.

        Returns
        -------
        meta : dict of ndarray
            ``"order"``, shape (n_paths,), and ``"j"``, shape (n_paths, max_order): the scales in
            the order in which they are applied, -1 where a path has fewer. The other axes of the
            coefficients: ``"l"``, shape (L + 1,), and ``"q"``, shape (n_powers,).
        """
        scales = range(self.J + 1)
        paths = [(j,) for j in scales]
        if self.max_order == 2:
            paths += [(j1, j2) for j1 in scales for j2 in scales if j1 < j2]
        padded = [path + (-1,) * (self.max_order - len(path)) for path in paths]
        return {
            "order": np.array([len(path) for path in paths]),
            "j": np.array(padded),
            "l": np.arange(self.L + 1),
            "q": np.array(self.integral_powers),
        }

    @torch.no_grad()
    def scatter_localised(self, transform, extent, *, smoothing=0.0, dtype=torch.float64):
        r"""Coefficients of volumes whose Fourier transform is known and that lie within a box.

        The volumes are a sum of point masses within a box, convolved with a Gaussian. Around the
        box, a modulus decays as fast as its wavelet; it is evaluated in a part of the volume that
        is as small, and on a grid that is as coarse, as ``tolerance`` allows.

        Parameters
        ----------
        transform : callable
            Of three arrays of angular frequencies (radians per sample), along z, y and x: the
            values of :math:`\int x(u)\, e^{-i \langle k, u \rangle} du` of all volumes, shape
            (n_volumes, len(z), len(y), len(x)).
        extent : array_like, shape (3,)
            Sides of the box, in samples. It is centred at 0.
        smoothing : float, default=0.0
            Width of the Gaussian, in samples.
        dtype : torch.float32 or torch.float64, default=torch.float64
            Single precision takes half of the time, but its rounding, of about 1e-7, has a square
            root: with powers below 1, it adds up.

        Returns
        -------
        coefficients : Tensor, shape (n_volumes, n_paths, L + 1, n_powers)
            What the transform gives of the volumes sampled on its grid, but for errors that depend
            on ``tolerance`` and, at cusps of moduli, on the grid.

        Raises
        ------
        ValueError
            If the box exceeds the volume, the precision is another, or ``transform`` returns values
            of another shape.
        """
        extent = np.asarray(extent, dtype=float)
        if extent.shape != (3,) or not ((extent >= 0) & (extent <= self.shape)).all():
            raise ValueError(
                f"extent must be three numbers from 0 to shape {self.shape}, got {extent.tolist()}."
            )
        if dtype not in _COMPLEX:
            raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype}.")
        reach = max(cutoff(order, 1.0, self.tolerance) for order in range(self.L + 1))
        widths = [self.sigma_0 * 2**j for j in range(self.J + 1)]
        first, second = [], []
        for j1, width in enumerate(widths):
            is_last = self.max_order == 1 or j1 == self.J
            size = extent + 2 * reach * math.hypot(width, smoothing)
            step = _STEP_LAST if is_last else _STEP_INNER
            level = self._local_level(width, size, dtype, smoothing=smoothing, step=step)
            values = transform(*frequencies(level.period, kept=level.kept))
            if np.shape(values)[1:] != level.kept:
                raise ValueError(
                    f"transform was given {level.kept} frequencies along z, y and x, and must "
                    f"return an array of shape (n_volumes, *{level.kept}), got {np.shape(values)}."
                )
            spectrum = torch.as_tensor(values / np.prod(level.period), dtype=_COMPLEX[dtype])
            squares = self._squared_moduli([spectrum] * (self.L + 1), level)
            first.append(self._integrals(squares, level))
            if is_last:
                continue
            moduli = [u.sqrt_() for u in squares]
            inner, period = None, None
            for width2 in widths[j1 + 1 :]:
                level2 = self._local_level(
                    width2, size + 2 * reach * width2, dtype, smoothing=0.0, step=_STEP_LAST
                )
                if level2.period != period:
                    inner = [_spectrum_elsewhere(u, level, level2) for u in moduli]
                    period = level2.period
                second.append(self._integrals(self._squared_moduli(inner, level2), level2))
        return torch.stack(first + second, dim=1)

    def _bank_for(self, dtype):
        return [self._level(self.sigma_0 * 2**j, dtype) for j in range(self.J + 1)]

    def _level(self, width, dtype):
        kept = grid = self.shape
        if self.quadrature == "coarse":
            kept = kept_sizes(self.shape, self._cutoff(width))
            grid = tuple(min(n, next_fast_len(k)) for n, k in zip(self.shape, kept, strict=True))
        factors = harmonic_factors(
            self.shape, self.L, width, kept=grid, negligible=_NEGLIGIBLE[dtype]
        )
        return _Level(self.shape, kept, grid, factors)

    def _local_level(self, width, size, dtype, *, smoothing, step):
        period = tuple(min(n, s) for n, s in zip(self.shape, size.tolist(), strict=True))
        limit = min(self._cutoff(width, smoothing=smoothing), math.pi)
        kept = tuple(2 * math.floor(limit * p / (2 * math.pi)) + 1 for p in period)
        grid = tuple(
            next_fast_len(max(k, math.ceil(p / step))) for k, p in zip(kept, period, strict=True)
        )
        factors = harmonic_factors(period, self.L, width, kept=grid, negligible=_NEGLIGIBLE[dtype])
        axial = torch.tensor(factors.axial, dtype=dtype)
        wavelets = [
            [
                Wavelet(w.powers, torch.tensor(w.planes, dtype=_COMPLEX[dtype]), {}, ((), ()), 0.0)
                for w in degrees
            ]
            for degrees in factors.wavelets
        ]
        return _Level(period, kept, grid, Factors(axial, wavelets))

    def _cutoff(self, width, *, smoothing=0.0):
        return max(
            cutoff(order, width, self.tolerance, smoothing=smoothing) for order in range(self.L + 1)
        )

    def _transform(self, x):
        levels = self._filters(x)
        size = max(1, _CHUNK // math.prod(self.shape))
        return torch.cat([self._coefficients(chunk, levels) for chunk in x.split(size)])

    def _coefficients(self, x, levels):
        """Coefficients of volumes, shape (n_volumes, n_paths, L + 1, n_powers)."""
        # Divided by the number of samples, a spectrum does not depend on the grid.
        spectra = [torch.fft.fftn(x, dim=_AXES, norm="forward")] * (self.L + 1)
        recording = records_gradient(x)
        first, second = [], []
        for j1, level in enumerate(levels):
            squares = self._squared_moduli(spectra, level, recording=recording)
            first.append(self._integrals(squares, level, recording=recording))
            if self.max_order == 1 or j1 == self.J:
                continue
            inner = []
            while squares:
                u = squares.pop(0)
                u = _safe_power(u, 0.5) if recording else u.sqrt_()
                u = torch.fft.fftn(u, dim=_AXES, norm="forward")
                inner.append(_resample(u, levels[j1 + 1]))
            for level2 in levels[j1 + 1 :]:
                squares = self._squared_moduli(inner, level2, recording=recording)
                second.append(self._integrals(squares, level2, recording=recording))
        return torch.stack(first + second, dim=1)

    def _integrals(self, squares, level, *, recording=False):
        """Integrals of the powers, shape (n_volumes, L + 1, n_powers)."""
        sums = _differentiable_sums if recording else _sums_of_powers
        cell = math.prod(level.period) / math.prod(level.grid)
        return cell * torch.stack([sums(u, self.integral_powers) for u in squares], dim=1)

    def _squared_moduli(self, spectra, level, *, recording=False):
        """Squared moduli of a spectrum for each order, each of shape (n_volumes, *grid)."""
        known = {id(s): _resample(s, level) for s in spectra}
        spectra = [known[id(s)] for s in spectra]
        memory = None if recording else _Memory(spectra[0])
        totals = [None] * (self.L + 1)
        for order in range(1, self.L + 1):
            for m in range(1, order + 1) if self.rotation_covariant else [order]:
                totals[order] = self._pair_of_degrees(
                    totals[order], spectra[order], level, order, m, memory
                )
        if self.rotation_covariant:
            for parity in (0, 1):
                orders = list(range(parity, self.L + 1, 2))
                for pair in (orders[i : i + 2] for i in range(0, len(orders), 2)):
                    _add_degree_zero(totals, spectra, level, pair, memory)
        else:
            _add_degree_zero(totals, spectra, level, [0], memory)
        return totals

    def _pair_of_degrees(self, total, spectrum, level, order, m, memory):
        """Add the squares of the convolutions with degrees m and -m."""
        real_part = level.factors.wavelets[order][m]
        if not self.rotation_covariant:
            # Degree -l alone is (A - iB) / sqrt 2, whatever its symmetry.
            planes = real_part.planes.conj().resolve_conj() * math.sqrt(0.5)
            wavelet = _multiplied_out(level, real_part.powers, planes, memory)
            return _add_squares(total, _convolve(spectrum, wavelet, memory), memory)
        wavelet = _symmetric(level, real_part, memory)
        total = _add_squares(total, _convolve(spectrum, wavelet, memory), memory)
        return _add_sections(total, spectrum, real_part, order % 2 == 0, memory)


def compute_integrals(x, integral_powers):
    """Sums of powers of volumes: the zeroth order of the scattering.

    Parameters
    ----------
    x : Tensor or ndarray, shape (..., M, N, O)
        Without negative values, unless all powers are integers.
    integral_powers : sequence of float
        Positive.

    Returns
    -------
    integrals : Tensor or ndarray, shape (..., n_powers)
        In the precision of ``x``.

    Raises
    ------
    ValueError
        If ``x`` has fewer than three axes, or negative values of which there is no such power.
    """
    powers = _check_powers(integral_powers)
    values = torch.from_numpy(x) if isinstance(x, np.ndarray) else x
    if values.ndim < 3:
        raise ValueError(f"x must have shape (..., M, N, O), got {tuple(values.shape)}.")
    fractional = [q for q in powers if q != round(q)]
    if fractional and values.numel() and values.detach().amin() < 0:
        raise ValueError(
            f"x has negative values, down to {values.min().item():g}, which have no power "
            f"{fractional[0]}. Take its absolute value or its positive part."
        )
    sums = [values.pow(q).sum(dim=_AXES) for q in powers]
    found = torch.stack(sums, dim=-1)
    return found.numpy() if isinstance(x, np.ndarray) else found


class _Memory:
    """Arrays for intermediate values, used again for each wavelet."""

    def __init__(self, spectrum):
        self.wavelet = torch.empty_like(spectrum[0])
        self.product = torch.empty_like(spectrum)


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


def _resample(spectrum, level):
    """The spectrum on another grid: frequencies dropped or, where there were none, 0."""
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


def _spectrum_elsewhere(values, source, target):
    """Spectrum on the period of a level of real values that are given on a smaller period."""
    steps = [p / n for p, n in zip(source.period, source.grid, strict=True)]
    omegas = frequencies(target.period, kept=target.kept)
    kind = _COMPLEX[values.dtype]
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
    return _resample(torch.cat([out, mirror], dim=-1), target)


def _sums_of_powers(squares, powers):
    """Sums of powers of the root, shape (n_volumes, n_powers)."""
    sums = squares.new_zeros(len(squares), len(powers))
    for block in squares.flatten(1).split(_BLOCK, dim=1):
        root = block.sqrt()
        for column, q in enumerate(powers):
            if q == 0.5:
                values = root.sqrt()
            elif q == 1:
                values = root
            elif q == 2:
                values = block
            elif q == 3:
                values = block * root
            else:
                values = root.pow(q)
            sums[:, column] += values.sum(dim=1)
    return sums


def _differentiable_sums(squares, powers):
    sums = [squares if q == 2 else _safe_power(squares, q / 2) for q in powers]
    return torch.stack([s.flatten(1).sum(dim=1) for s in sums], dim=1)


def _safe_power(x, q):
    """A power of numbers that are not negative, whose gradient is 0 where they are."""
    zero = x == 0
    return torch.where(zero, 0, torch.where(zero, 1, x).pow(q))


def _check_shape(shape):
    try:
        found = tuple(operator.index(n) for n in shape)
    except TypeError:
        found = ()
    if len(found) != 3 or min(found) < 1:
        raise ValueError(f"shape must be three positive integers (M, N, O), got {shape!r}.")
    return found


def _check_between(name, value, low, high):
    if not low < value < high:
        bounds = "positive and finite" if math.isinf(high) else f"between {low} and {high}"
        raise ValueError(f"{name} must be {bounds}, got {value!r}.")
    return value


def _check_powers(powers):
    try:
        found = tuple(float(q) for q in powers)
    except (TypeError, ValueError):
        found = ()
    if not found or not all(0 < q < math.inf for q in found):
        raise ValueError(f"integral_powers must be positive numbers, at least one, got {powers!r}.")
    return found
