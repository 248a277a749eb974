r"""Solid harmonic scattering of volumes.

With the wavelets of `common.scattering.filters_3d`, the moduli

.. math:: U_{j,l}\, x = \Big( \sum_{m=-l}^{l} |x \star \psi_{j,l,m}|^2 \Big)^{1/2}, \qquad
          U_{j_1,j_2,l}\, x = U_{j_2,l}\, U_{j_1,l}\, x \quad (j_1 < j_2)

move and turn with the volume, and the sums over the volume of their powers q do not change when it
moves or turns [1]_.

References
----------
.. [1] M. Eickenberg et al., "Solid harmonic wavelet scattering for predictions of molecule
   properties", J. Chem. Phys. 148, 2018, arXiv:1805.00571.
"""

import math
import operator

import numpy as np
import torch
from scipy.fft import next_fast_len

from common import validation
from common.scattering.base import (
    Scattering,
    records_gradient,
    refuse_options,
)
from common.scattering.filters_3d import (
    Factors,
    Wavelet,
    cutoff,
    frequencies,
    harmonic_factors,
    kept_sizes,
)
from common.scattering.integrals_3d import (
    check_powers,
    differentiable_sums,
    safe_power,
    sums_of_powers,
)
from common.scattering.moduli_3d import COMPLEX, Level, resample, spectrum_elsewhere, squared_moduli

__all__ = ["HarmonicScattering3D"]

_AXES = (-3, -2, -1)
_REFUSED = {
    "backend": "There is one backend, torch; numpy arrays are taken and returned as well.",
    "frontend": "Tensors give tensors and arrays give arrays.",
}
# Values of factors to leave out, under the rounding of a Fourier transform.
_NEGLIGIBLE = {torch.float32: 1e-11, torch.float64: 1e-20}
_CHUNK = 2**17  # samples of a batch that are transformed together
# A signal that is confined to a box is sampled at least this often (in samples of `shape`): its
# moduli, which have cusps, where another convolution follows, and integrals otherwise.
_STEP_INNER, _STEP_LAST = 2.0, 3.0


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
    **unknown_options
        Refused, with what to do instead.

    Raises
    ------
    ValueError
        If an option is out of range, or the widest wavelet is as wide as the volume.
    TypeError
        If there is an unknown option, or a count is no whole number.

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
        self.J = validation.count(J, "J", at_least=0, at_most=62)
        self.L = validation.count(L, "L", at_least=0)
        self.sigma_0 = _check_between("sigma_0", sigma_0, 0, math.inf)
        self.max_order = validation.choice(max_order, (1, 2), "max_order")
        self.rotation_covariant = validation.choice(
            rotation_covariant, (True, False), "rotation_covariant"
        )
        self.method = validation.choice(method, ("integral",), "method")
        if points is not None:
            raise ValueError(f"points={points!r} has no use with integrals; leave it None.")
        self.points = None
        self.integral_powers = check_powers(integral_powers)
        self.quadrature = validation.choice(quadrature, ("full", "coarse"), "quadrature")
        self.tolerance = _check_between("tolerance", tolerance, 0, 1)
        widest = self.sigma_0 * 2**self.J
        if widest >= max(self.shape):
            raise ValueError(
                f"the widest wavelet, sigma_0 * 2**J = {widest:g} samples wide (J={self.J}), does "
                f"not fit a volume of shape {self.shape}: nothing of it is left but the mean. "
                "Lower J, or enlarge the volume."
            )

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
        if dtype not in COMPLEX:
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
            spectrum = torch.as_tensor(values / np.prod(level.period), dtype=COMPLEX[dtype])
            squares = self._squares([spectrum] * (self.L + 1), level)
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
                    inner = [spectrum_elsewhere(u, level, level2) for u in moduli]
                    period = level2.period
                second.append(self._integrals(self._squares(inner, level2), level2))
        return torch.stack(first + second, dim=1)

    def _check_range(self, x):
        # Squares of moduli underflow: what is below the root of the smallest number is lost.
        largest = x.detach().abs().amax().item() if x.numel() else 0.0
        smallest = torch.finfo(x.dtype).tiny ** 0.5 / torch.finfo(x.dtype).eps
        if 0 < largest < smallest:
            raise ValueError(
                f"x has values of at most {largest:g}, whose squares are lost in "
                f"{str(x.dtype).removeprefix('torch.')}. Divide x by its largest value."
            )

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
        return Level(self.shape, kept, grid, factors)

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
                Wavelet(w.powers, torch.tensor(w.planes, dtype=COMPLEX[dtype]), {}, ((), ()), 0.0)
                for w in degrees
            ]
            for degrees in factors.wavelets
        ]
        return Level(period, kept, grid, Factors(axial, wavelets))

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
            squares = self._squares(spectra, level, recording=recording)
            first.append(self._integrals(squares, level, recording=recording))
            if self.max_order == 1 or j1 == self.J:
                continue
            inner = []
            while squares:
                u = squares.pop(0)
                u = safe_power(u, 0.5) if recording else u.sqrt_()
                u = torch.fft.fftn(u, dim=_AXES, norm="forward")
                inner.append(resample(u, levels[j1 + 1]))
            for level2 in levels[j1 + 1 :]:
                squares = self._squares(inner, level2, recording=recording)
                second.append(self._integrals(squares, level2, recording=recording))
        return torch.stack(first + second, dim=1)

    def _squares(self, spectra, level, *, recording=False):
        return squared_moduli(
            spectra, level, rotation_covariant=self.rotation_covariant, recording=recording
        )

    def _integrals(self, squares, level, *, recording=False):
        """Integrals of the powers, shape (n_volumes, L + 1, n_powers)."""
        sums = differentiable_sums if recording else sums_of_powers
        cell = math.prod(level.period) / math.prod(level.grid)
        return cell * torch.stack([sums(u, self.integral_powers) for u in squares], dim=1)


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
