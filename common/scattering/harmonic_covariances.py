r"""Covariances of phase harmonics of wavelet coefficients, between directions, scales and places.

With :math:`v_{\lambda, k} = [x \star \psi_\lambda]^k` of the wavelets :math:`\lambda = (j, q)` of
`common.scattering.filters_bump`, and the means m of one observed image, which stay fixed,

.. math:: K(\lambda, k; \lambda', k'; t) = \frac1P \sum_u
          (v_{\lambda, k}(u) - m_{\lambda, k}) (v_{\lambda', k'}(u - t) - m_{\lambda', k'})^*.

Directions differ by at most ``dl`` steps of :math:`\pi / L`. Within a scale the harmonics
:math:`(k, k')` are (1, 0), (1, 1) and (0, 0). Scales :math:`j < j' \leq j + dj` have (0, 0), (0,
1), (0, 2), and (1, k') with :math:`|k' - 2^{j' - j}| \leq dk`. Shifts t of :math:`2^j (n_1, n_2)`,
up to ``dn``, are those of a channel with itself, k = 0 and 1. Last come the low-pass channel's.

How it is computed: channels are filtered once, and covariances of all directions, at all scales of
one distance, are one batch of products of matrices whose rows are channels. Of a real image half of
the directions are enough, since the others are conjugates. All shifts of a channel come from its
power spectrum by two small products.
"""

import copy
from typing import NamedTuple

import numpy as np
import torch

from common import validation
from common.scattering.base import check_finite
from common.scattering.filters_bump import check_shape, filter_bank, frequencies
from common.scattering.harmonics import (
    harmonics,
    phase_and_modulus,
    powers_of_phase,
    pull_back,
)

__all__ = ["HarmonicCovariances"]

_PRECISIONS = (torch.float32, torch.float64, torch.complex64, torch.complex128)


class _Block(NamedTuple):
    """Covariances of two harmonics, all directions, at all pairs of scales so far apart."""

    apart: int
    k: int
    k2: int

    @property
    def same(self):
        return self.apart == 0 and self.k == self.k2

    @property
    def real(self):
        return self.k == self.k2 == 0


class _Observed(NamedTuple):
    """Of one channel, all directions: what is subtracted and what is divided by."""

    mean: torch.Tensor
    scale: torch.Tensor


class _Values(NamedTuple):
    """Each value is a sum of two entries of the products of matrices, times weights."""

    places: torch.Tensor  # shape (2, n_values)
    weights: torch.Tensor


class HarmonicCovariances:
    r"""Covariances of phase harmonics, compared with those of an observed image.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the images, in pixels.
    J : int
        Number of scales.
    L : int, default=8
        Number of directions in half a turn.
    dj : int, default=1
        How many scales coarser the second channel may be.
    dl : int, optional
        How many steps of :math:`\pi / L` directions may differ; L / 2 where it is left out, and all
        of them if ``isotropic``.
    dk : int, default=0
        By how much the harmonic of a coarser channel may differ from the ratio of scales.
    dn : int, default=0
        Largest shift, in steps of :math:`2^j` pixels along both axes.
    isotropic : bool, default=False
        Average over rotations: moments are those of equal angular frequency alone. Means and scales
        are averages over directions, and there are no shifts.
    normalize : bool, default=True
        Divide each channel by its standard deviation in the observed image.
    periodic : bool, default=True
        Whether the observed image continues at the opposite border. Otherwise a margin of
        :math:`\lfloor 2^j / 2 \rfloor` pixels is left out of the channels of scale j, and shifts do
        not go round.

    Attributes
    ----------
    n_moments : int
        How many real numbers the moments are, as the authors count: both orders of a pair, and two
        for a complex number.
    target : Tensor, shape (n_values,)
        Moments of the observed image; see `fit`.
    multiplicity : Tensor, shape (n_values,)
        How many of the authors' moments each value stands for.

    Raises
    ------
    ValueError
        If a count is out of range, or isotropic moments are asked for with shifts or with fewer
        directions than all.
    TypeError
        If a count is no whole number.

    Notes
    -----
    Called with images of shape (..., height, width), real or complex as the observed one, it
    returns real values of shape (..., n_values), differentiable, in the precision and on the device
    of the images. Moments do not change when an image is shifted round its borders.

    References
    ----------
    .. [1] S. Zhang, S. Mallat, "Maximum entropy models from phase harmonic covariances", Applied
       and Computational Harmonic Analysis 53, 2021, arXiv:1911.10017.

    Examples
    --------
    >>> image = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    >>> K = HarmonicCovariances((32, 32), J=2, L=4, dn=1).fit(image)
    >>> K.loss(image).item() == 0, K.loss(-image).item() > 0
    (True, True)
    """

    def __init__(
        self,
        shape,
        J,
        L=8,
        *,
        dj=1,
        dl=None,
        dk=0,
        dn=0,
        isotropic=False,
        normalize=True,
        periodic=True,
    ):
        self.shape = check_shape(shape, J)
        self.J, self.L = int(J), validation.count(L, "L")
        self.dj = validation.count(dj, "dj", at_least=0)
        self.dk = validation.count(dk, "dk", at_least=0)
        self.dn = validation.count(dn, "dn", at_least=0)
        self.isotropic = validation.choice(isotropic, (False, True), "isotropic")
        self.normalize = validation.choice(normalize, (False, True), "normalize")
        self.periodic = validation.choice(periodic, (False, True), "periodic")
        default = self.L if isotropic else self.L // 2
        self.dl = default if dl is None else validation.count(dl, "dl", at_least=0, at_most=self.L)
        if isotropic and (self.dn or self.dl < self.L):
            raise ValueError(
                f"isotropic moments have all directions and no shifts, got dl={self.dl} and "
                f"dn={self.dn}. Leave dl out and dn at 0, or set isotropic=False."
            )
        smallest = min(self.shape) - (0 if periodic else 2 * self._margin(self.J - 1))
        if self.dn * 2 ** (self.J - 1) >= smallest:
            raise ValueError(
                f"shifts of dn={self.dn} steps of 2**{self.J - 1} pixels leave no pixels of images "
                f"of shape {self.shape}; take a smaller dn or J."
            )
        self.blocks = self._blocks()
        self._bank = filter_bank(self.shape, self.J, self.L)
        self._cache = {}
        self._observed = self.target = self.multiplicity = None

    def _blocks(self):
        found = [_Block(0, k, k2) for k, k2 in ((1, 0), (1, 1), (0, 0))]
        for apart in range(1, min(self.dj, self.J - 1) + 1):
            found += [_Block(apart, 0, k2) for k2 in range(3)]
            orders = range(max(0, 2**apart - self.dk), 2**apart + self.dk + 1)
            found += [_Block(apart, 1, k2) for k2 in orders]
        return found

    def _first_scales(self):
        """The finest scale at which a covariance needs each harmonic."""
        first = {0: 0, 1: 0}
        for block in self.blocks:
            first[block.k2] = min(first.get(block.k2, self.J), block.apart)
        return dict(sorted(first.items()))

    @property
    def n_moments(self):
        # The low-pass channel counts as real.
        n_shifts = len(self._shifts())
        total = 1 + n_shifts + 2 * self.L * self.J * 3 * n_shifts
        n_pairs = 2 * self.L * (1 if self.isotropic else min(2 * self.dl + 1, 2 * self.L))
        for block in self.blocks:
            imaginary = 0 if block.real else n_pairs - (2 * self.L if block.same else 0)
            total += (self.J - block.apart) * (n_pairs + imaginary)
        return total

    def fit(self, image):
        """Take means, scales and the moments to be met from an observed image.

        Parameters
        ----------
        image : Tensor or ndarray, shape (height, width) or (n_images, height, width)
            Real or complex. Of several, means over all are taken.

        Returns
        -------
        self : HarmonicCovariances

        Raises
        ------
        ValueError
            If the shape is another, a value is not finite, or a channel does not vary.
        TypeError
            If it holds no floating-point numbers.
        """
        fitted = copy.copy(self)  # what is refused below leaves this one as it was
        fitted._take(self._images(image, "image"))
        self.__dict__.update(fitted.__dict__)
        return self

    def _take(self, images):
        self._complex = images.is_complex()
        with torch.no_grad():
            spectrum = torch.fft.fft2(images)
            z = torch.fft.ifft2(spectrum[:, None, None] * self._filters(images)[1])
            orders = list(self._first_scales())
            every = dict(zip(orders, harmonics(z, orders), strict=True))
            self._observed = {
                k: [self._statistics(every[k][:, j], j, f"scale {j}") for j in range(first, self.J)]
                for k, first in self._first_scales().items()
            }
            low = self._low(spectrum, images)
            self._observed_low = self._statistics(low, self.J - 1, "the low-pass filter")
            self._values = self._places(images)
            self.multiplicity = self._multiplicities(images)
            self.target = self(images).mean(dim=0)

    def __call__(self, x):
        """Moments of images, with the means and scales of the observed one.

        Parameters
        ----------
        x : Tensor, shape (..., height, width)

        Returns
        -------
        moments : Tensor, shape (..., n_values)
            Real; those of `target`, in its order.

        Raises
        ------
        ValueError
            If nothing was observed yet, or the shape is another.
        TypeError
            If it is not a tensor of floating-point numbers, real or complex as the observed one.
        """
        if self._observed is None:
            raise ValueError("there is no observed image yet; call fit(image) first.")
        images = self._images(x, "x", checks=False)
        if images.is_complex() != self._complex:
            kinds = ("complex", "real") if self._complex else ("real", "complex")
            raise TypeError(f"the observed image is {kinds[0]}, x is {kinds[1]}.")
        return self._moments(images).reshape(*x.shape[:-2], -1)

    def loss(self, x):
        r"""Sum of squared differences from the observed moments, as the authors count them.

        Parameters
        ----------
        x : Tensor, shape (..., height, width)

        Returns
        -------
        loss : Tensor, shape (...)

        Raises
        ------
        ValueError, TypeError
            As the call.
        """
        found = self(x)
        target, weight = (t.to(found) for t in (self.target, self.multiplicity))
        return ((found - target) ** 2 * weight).sum(dim=-1)

    # ---- channels

    def _filters(self, images):
        key = (images.real.dtype, images.device)
        if key not in self._cache:
            self._cache[key] = tuple(torch.as_tensor(f).to(images.real) for f in self._bank)
        phi, psi = self._cache[key]
        return phi, psi if self._complex else psi[:, : self.L]

    def _low(self, spectrum, images):
        """The low-pass channel, shape (n_images, 1, height, width)."""
        low = torch.fft.ifft2(spectrum[:, None] * self._filters(images)[0])
        return low if self._complex else low.real

    def _statistics(self, v, j, name):
        """Means and scales of a channel by direction; see `_Observed`."""
        v = self._inner(v, j)
        mean = v.mean(dim=(0, 2, 3))
        if self.isotropic:
            mean = mean.mean().expand_as(mean)
            if v.is_complex() and not self._complex:
                mean = mean.real.to(v.dtype)  # directions beyond half a turn are conjugates
        square = (v - mean[:, None, None]).abs().square().mean(dim=(0, 2, 3))
        if self.isotropic:
            square = square.mean().expand_as(square)
        # What rounding leaves of a constant image has this size, relative to its values.
        floor = 1e-10 if v.real.dtype == torch.float64 else 1e-4
        if not (square.sqrt() > floor * v.abs().mean()).all():
            raise ValueError(
                f"a channel of {name} does not vary: its standard deviation is "
                f"{square.min().sqrt().item():g}. Is the image constant, or constant along an axis?"
            )
        scale = square.sqrt() if self.normalize else torch.ones_like(square)
        return _Observed(mean, scale)

    def _margin(self, j):
        return 0 if self.periodic else 2**j // 2

    def _inner(self, v, j):
        """Pixels of the last two axes that count for a scale."""
        margin, (height, width) = self._margin(j), self.shape
        return v[..., margin : height - margin, margin : width - margin]

    def _n_pixels(self, j):
        return (self.shape[0] - 2 * self._margin(j)) * (self.shape[1] - 2 * self._margin(j))

    def _rows(self, spectrum, images):
        """By harmonic, centred channels (n_images, n_scales, n_rows, n_pixels); see `_Rows`."""
        z = torch.fft.ifft2(spectrum[:, None, None] * self._filters(images)[1])
        first = self._first_scales()
        means = [
            torch.stack([of_scale.mean.to(images.device) for of_scale in self._observed[k]])
            for k in first
        ]
        dtype = z.dtype
        means = [mean.to(dtype if mean.is_complex() else dtype.to_real()) for mean in means]
        rows = dict(zip(first, _Rows.apply(z.flatten(-2), first, means), strict=True))
        if self.periodic:
            return rows
        inside = torch.zeros(self.J, *self.shape, dtype=images.real.dtype, device=images.device)
        for j in range(self.J):
            self._inner(inside[j], j).fill_(1)
        inside = inside.flatten(1)[:, None]
        return {k: v * inside[first[k] :] for k, v in rows.items()}

    # ---- moments

    def _moments(self, images):
        spectrum = torch.fft.fft2(images)
        rows = self._rows(spectrum, images)
        first = self._first_scales()
        products = []
        for apart, k, k2 in self.blocks:
            n = self.J - apart
            product = rows[k][:, :n] @ rows[k2][:, apart - first[k2] :].mT
            products.append(product.flatten(1))
        products = torch.cat(products, dim=1)
        places, weights = (part.to(images.device) for part in self._values)
        weights = weights.to(products)
        values = products.index_select(1, places[0]) * weights[0]
        values = values + products.index_select(1, places[1]) * weights[1]
        if self.isotropic:
            n = 2 * self.L if self._complex else self.L
            values = values.unflatten(1, (-1, n)).mean(dim=2)
        found = [values, *self._of_low(spectrum, images)]
        if self.dn:
            power = torch.view_as_real(spectrum).square().sum(dim=-1)[:, None]
            for j in range(self.J):
                of_scale = rows[0][:, j].unflatten(-1, self.shape)
                found.append(self._at_shifts(of_scale, j, self._observed[0][j].scale))
                if self.periodic:  # no mean, and its spectrum is known
                    squares = self._filters(images)[1][j] ** 2
                    found.append(self._at_shifts(power * squares, j, self._observed[1][j].scale,
                                                 is_power=True))  # fmt: skip
                else:
                    parts = rows[1][:, j].unflatten(-1, self.shape).chunk(2, dim=1)
                    of_scale = torch.complex(*parts)
                    found.append(self._at_shifts(of_scale, j, self._observed[1][j].scale))
        return torch.cat(found, dim=1)

    def _of_low(self, spectrum, images):
        low, j = self._observed_low, self.J - 1
        v = self._low(spectrum, images)
        v = v - low.mean.to(v)[:, None, None]
        power = self._inner(v, j).abs().square().sum(dim=(2, 3)) / self._n_pixels(j)
        found = [power / low.scale.to(power) ** 2]
        return [*found, self._at_shifts(v, j, low.scale)] if self.dn else found

    def _places(self, images):
        """Where the real and imaginary parts of covariances are among the products."""
        n = 2 * self.L if self._complex else self.L
        q, q2 = self._directions(n)
        # Of a real image, directions of the other half turn have the conjugate channel.
        column, sign = q2 % n, np.where(q2 < n, 1.0, -1.0)
        places, weights, begin = [], [], 0
        for apart, k, k2 in self.blocks:
            size, size2 = (2 * n if order else n for order in (k, k2))
            rr, ri = q * size2 + column, q * size2 + n + column
            ir, ii = rr + n * size2, ri + n * size2
            zero = np.zeros_like(sign)
            values = [(rr, ii, zero + 1, sign) if k and k2 else (rr, rr, zero + 1, zero)]
            if k and k2:
                values.append((ir, ri, zero + 1, -sign))
            elif k or k2:
                values.append((ir, ir, zero + 1, zero) if k else (ri, ri, -sign, zero))
            if self.isotropic and not self._complex:
                values = values[:1]  # the average over a whole turn is real
            for j in range(self.J - apart):
                scales = [self._observed[k][j].scale, self._scales_of(k2)[j + apart]]
                first, second = (s.double().cpu().numpy() for s in scales)
                scale = first[q] * second[column] * self._n_pixels(j + apart)
                for part, (one, other, weight, other_weight) in enumerate(values):
                    kept = self._kept(q, q2, apart == 0 and k == k2 and part == 1)
                    places.append(begin + np.stack([one, other])[:, kept])
                    weights.append((np.stack([weight, other_weight]) / scale)[:, kept])
                begin += size * size2
        places, weights = (np.concatenate(part, axis=1) for part in (places, weights))
        return _Values(torch.as_tensor(places), torch.as_tensor(weights))

    def _scales_of(self, k):
        """By scale, from the finest on."""
        first = self._first_scales()[k]
        return {first + i: one.scale for i, one in enumerate(self._observed[k])}

    def _directions(self, n):
        """All pairs of directions; for averages, those of one difference stand together."""
        if not self.isotropic:
            return np.divmod(np.arange(n * 2 * self.L), 2 * self.L)
        apart, q = np.divmod(np.arange(n * 2 * self.L), n)
        return q, (q + apart) % (2 * self.L)

    def _kept(self, q, q2, is_imaginary_of_same):
        if self.isotropic:
            return np.ones(len(q), bool)
        apart = np.abs(q - q2)
        near = np.minimum(apart, 2 * self.L - apart) <= self.dl
        return near & (q != q2) if is_imaginary_of_same else near

    def _multiplicities(self, images):
        n_values, n_shifts = self._values.places.shape[1], len(self._shifts())
        n = 2 * self.L if self._complex else self.L
        low = [1.0] * (1 + n_shifts * (1 + self._complex))
        if self.isotropic:
            weights = [2.0 * self.L] * (n_values // n) + low
        else:
            factor = 1.0 if self._complex else 2.0
            shifted = [factor] * (self.J * n * n_shifts * 3)
            weights = [factor] * n_values + low + shifted
        return torch.tensor(weights, dtype=images.real.dtype, device=images.device)

    # ---- shifts

    def _shifts(self):
        span = range(-self.dn, self.dn + 1)
        return [(a, b) for a in range(self.dn + 1) for b in span if (a, b) != (0, 0)]

    def _at_shifts(self, v, j, scale, *, is_power=False):
        """Covariances of centred channels with themselves at other places.

        Parameters
        ----------
        v : Tensor, shape (n_images, n_channels, height, width)
            Or their power spectra.

        Returns
        -------
        values : Tensor, shape (n_images, n_values)
        """
        sizes, half = self.shape, False
        if not is_power:
            inner = self._inner(v, j)
            reach = 0 if self.periodic else self.dn * 2**j
            sizes = tuple(n + reach for n in inner.shape[-2:])
            half = not v.is_complex()
            transform = torch.fft.rfft2 if half else torch.fft.fft2
            v = torch.view_as_real(transform(inner, s=sizes)).square().sum(dim=-1)
        real, imaginary = self._covariances_from(v, sizes, half, 2**j)
        if self.periodic:
            counts = real.new_tensor(self._n_pixels(j))
        else:
            height, width = (n - 2 * self._margin(j) for n in self.shape)
            steps = [(height - a * 2**j, width - abs(b) * 2**j) for a, b in self._shifts()]
            counts = real.new_tensor([a * b for a, b in steps])
        scale = scale.to(real)[:, None] ** 2 * counts
        parts = [real / scale] if half else [real / scale, imaginary / scale]
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def _covariances_from(self, power, sizes, half, step):
        """Sums over pixels of a channel times its shifted conjugate, out of its power spectrum."""
        rows, columns = (w.ravel() for w in frequencies(sizes))
        n = np.arange(self.dn + 1)
        waves = [np.concatenate([f(np.outer(w, step * n)) for f in (np.cos, np.sin)], axis=1)
                 for w in (rows, columns)]  # fmt: skip
        if half:  # columns that stand for two
            n_half = sizes[1] // 2 + 1
            twice = np.full(n_half, 2.0)
            twice[0] = 1.0
            if sizes[1] % 2 == 0:
                twice[-1] = 1.0
            waves[1] = waves[1][:n_half] * twice[:, None]
        rows, columns = (torch.as_tensor(w).to(power) for w in waves)
        found = rows.mT @ (power @ columns) / (sizes[0] * sizes[1])
        a, b = np.array(self._shifts()).T
        sign = torch.as_tensor(np.sign(b)).to(power)
        b, n = np.abs(b), len(n)
        real = found[..., a, b] - sign * found[..., n + a, n + b]
        imaginary = None if half else found[..., n + a, b] + sign * found[..., a, n + b]
        return real, imaginary

    # ---- input

    def _images(self, x, name, checks=True):
        if isinstance(x, np.ndarray) and checks:
            x = torch.as_tensor(np.ascontiguousarray(x))
        if not isinstance(x, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(x).__name__}.")
        if x.dtype not in _PRECISIONS:
            raise TypeError(
                f"{name} must be in single or double precision, real or complex, got "
                f"{str(x.dtype).removeprefix('torch.')}. Convert it, for example by x.double()."
            )
        if x.shape[-2:] != self.shape or (checks and x.ndim > 3):
            raise ValueError(
                f"{name} has shape {tuple(x.shape)}, but these covariances are for images of shape "
                f"{self.shape}."
            )
        if checks:
            check_finite(x, name)
        return x.reshape(-1, *self.shape)


class _Rows(torch.autograd.Function):
    """Centred harmonics as rows of real numbers; of complex ones, first all real parts.

    From coefficients of shape (n_images, J, n, n_pixels) to one tensor a harmonic, of shape
    (n_images, J - first, n or 2 n, n_pixels), ``first`` being the finest scale that needs it.
    """

    @staticmethod
    def forward(ctx, z, first, means):
        phase, modulus = phase_and_modulus(z)
        power = powers_of_phase(phase)
        found = []
        for (k, scale), mean in zip(first.items(), means, strict=True):
            if k == 0:
                found.append(modulus - mean[..., None])
                continue
            w = z if k == 1 else z * power(k - 1)
            rows = w.real.new_empty(len(w), w.shape[1] - scale, 2 * w.shape[2], w.shape[3])
            for part, values, center in zip(
                rows.chunk(2, dim=2), (w.real, w.imag), (mean.real, mean.imag), strict=True
            ):
                torch.sub(values[:, scale:], center[..., None], out=part)
            found.append(rows)
        ctx.first = first
        ctx.save_for_backward(phase)
        ctx.set_materialize_grads(False)
        return tuple(found)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *gradients):
        (phase,) = ctx.saved_tensors
        total = torch.zeros_like(phase)
        for (k, scale), gradient in zip(ctx.first.items(), gradients, strict=True):
            if gradient is None:
                continue
            power = powers_of_phase(phase[:, scale:])
            if k:
                gradient = torch.complex(*gradient.chunk(2, dim=2))
            total[:, scale:] += pull_back(gradient, power, k)
        return total, None, None
