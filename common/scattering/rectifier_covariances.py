r"""Covariances of rectified wavelet coefficients, which make a model of a texture.

With the wavelets :math:`\psi_\lambda`, :math:`\lambda = (j, \theta)`, of
`common.scattering.filters_2d` and the phases :math:`a = 2 \pi m / A`, channels are

.. math:: u_{\lambda, a} = \max(\mathrm{Re}(e^{i a}\, x \star \psi_\lambda), 0),

less their mean and divided by their standard deviation in one observed image. Moments are

.. math:: C(\lambda, a; \lambda', 0; t) = \frac1P \sum_v u_{\lambda, a}(v)\, u_{\lambda', 0}(v - t),
          \qquad j \leq j' \leq j + dj,

at all pairs of angles and at the shifts t of `shifts`. A phase of the second factor adds nothing to
those of the first: a network of one layer, with wavelets for filters. Two more kinds of channels
come with their products at all shifts: the moduli of the low-pass channel, centred before the
modulus, and of three Haar wavelets of two by two pixels, not centred.

Images of several colours have such moments between any two of them, shifted where the colours are
equal, and the correlations of the colours' pixels.

An image that does not continue at the opposite border has a margin of :math:`\lfloor 2^j / 2
\rfloor` pixels in which channels of scale j see the other side. Here a channel is centred first,
then its margin set to zero, so that the margin adds nothing to any sum, and shifts do not go round.
The authors set the margin to zero first and centre then: it carries minus the mean into all sums,
and shifts go round. That is ``order="mask"``.

How it is computed: images lie in memory with room between their rows, so that a shifted image is
the same memory read from another place. For each scale, part of the pixels and all shifts together
are one product of matrices, small enough for the processor's cache. The authors transform each pair
of channels.

References
----------
.. [1] A. Brochard, S. Zhang, S. Mallat, "Generalized rectifier wavelet covariance models for
   texture synthesis", ICLR 2022, arXiv:2203.07902.
"""

from typing import NamedTuple

import numpy as np
import torch

from common import validation
from common.scattering.base import check_finite
from common.scattering.filters_2d import filter_bank
from common.scattering.filters_bump import check_shape

__all__ = ["RectifierCovariances", "color_correlations", "shifts"]

_CHUNK = 4096  # pixels whose channels, at all shifts, are in the cache together


def shifts(J):
    """Where products of two channels are looked at: here, and in eight directions at each scale.

    Parameters
    ----------
    J : int
        Number of scales.

    Returns
    -------
    shifts : list of tuple of int
        Rows and columns in pixels; ``(0, 0)`` first, then by scale and direction, each once.

    Raises
    ------
    ValueError, TypeError
        If ``J`` is below 1 or no whole number.

    Examples
    --------
    >>> [len(shifts(J)) for J in (1, 3, 5)]
    [9, 21, 37]
    """
    J = validation.count(J, "J", at_most=62)
    found = {(0, 0): None}
    for i in range(J):
        for k in range(8):
            # To the nearest pixel: steps of the finest scale along diagonals are of one pixel each.
            place = (2**i * f(np.pi * k / 4) for f in (np.cos, np.sin))
            found[tuple(int(np.round(part)) for part in place)] = None
    return list(found)


def color_correlations(x):
    """Correlations of the pixels of colours.

    Parameters
    ----------
    x : Tensor, shape (..., n_colors, height, width)

    Returns
    -------
    correlations : Tensor, shape (..., n_colors, n_colors)

    Raises
    ------
    TypeError
        If it is no real tensor of floating-point numbers.
    ValueError
        If there are fewer than three axes, or a colour is constant or not finite.

    Examples
    --------
    >>> color_correlations(torch.tensor([[[0.0, 1.0]], [[3.0, 1.0]]])).round().tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
        raise TypeError(f"x must be a tensor of floating-point numbers, got {kind}.")
    if x.ndim < 3:
        raise ValueError(f"x must have shape (..., n_colors, height, width), got {tuple(x.shape)}.")
    flat = x.flatten(-2)
    flat = flat - flat.mean(dim=-1, keepdim=True)
    size = flat.square().sum(dim=-1, keepdim=True).sqrt()
    if not bool(((size > 0) & size.isfinite()).all()):
        color = int(torch.nonzero(~((size > 0) & size.isfinite()))[0][-2])
        raise ValueError(f"colour {color} of x is constant or not finite: it has no correlation.")
    flat = flat / size
    return flat @ flat.mT


class RectifierCovariances:
    r"""Covariances of rectified wavelet coefficients, compared with those of an observed image.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the images in pixels; or number of colours, height and width.
    J : int
        Number of scales.
    L : int, default=4
        Number of angles in half a turn.
    dj : int, optional
        How many scales coarser the second channel may be: 2 where it is left out, 4 in colour.
    A : int, default=4
        Number of phases, at least 3 for a rectifier to see all of a coefficient.
    pairs : {"all", "same"}, default="all"
        Whether the angles and scales of the two channels may differ.
    at : {"all", "same", "none"}, default="all"
        Which pairs of channels are looked at at all `shifts`: all, those of one scale and angle, or
        none. Moduli are at all of them, or at none.
    periodic : bool, default=False
        Whether the observed image continues at the opposite border.
    order : {"center", "mask"}, default="center"
        What is done first to a channel of an image that is not periodic; see the module.
    extras : bool, default=True
        Whether the moduli, and in colour the correlations of pixels, are among the moments.
    color_weight : float, default=1000
        What squared differences of colours' correlations are multiplied by in the loss.

    Attributes
    ----------
    n_moments : int
        How many numbers the moments are; colours' correlations count each pair once.
    n_wavelet_moments : int
        Those of rectified coefficients alone.
    target : Tensor, shape (n_moments,)
        Moments of the observed image; see `fit`.

    Raises
    ------
    ValueError
        If a count is out of range, an option unknown, or shifts or margins leave no pixels.
    TypeError
        If a count is no whole number.

    Notes
    -----
    Called with images of shape (..., height, width), or (..., n_colors, height, width), it returns
    values of shape (..., n_moments), differentiable, in the precision and on the device of the
    images.

    The authors add up squared differences of sums over pixels, times 1e-6, and those of colours'
    correlations. Here moments are means; in their loss a correlation would weigh 1/4295 of another
    moment for images of 256 by 256 pixels, and hardly be seen. By the default it is met first.

    Examples
    --------
    >>> image = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    >>> C = RectifierCovariances((32, 32), J=2).fit(image)
    >>> C.loss(image).item() == 0, C.loss(-image).item() > 0
    (True, True)
    """

    def __init__(
        self,
        shape,
        J,
        L=4,
        *,
        dj=None,
        A=4,
        pairs="all",
        at="all",
        periodic=False,
        order="center",
        extras=True,
        color_weight=1000.0,
    ):
        self.shape, self.n_colors = _shape(shape, J)
        self.J, self.L = int(J), validation.count(L, "L")
        default = 2 if self.n_colors == 1 else 4
        self.dj = default if dj is None else validation.count(dj, "dj", at_least=0)
        self.A = validation.count(A, "A", at_least=3)
        self.pairs = validation.choice(pairs, ("all", "same"), "pairs")
        self.at = validation.choice(at, ("all", "same", "none"), "at")
        self.periodic = validation.choice(periodic, (False, True), "periodic")
        self.order = validation.choice(order, ("center", "mask"), "order")
        self.extras = validation.choice(extras, (False, True), "extras")
        smallest, reach = min(self.shape[-2:]), 2 ** (self.J - 1)
        left = smallest if self._round else smallest - 2 * self._margin(self.J - 1)
        if left <= (0 if self.at == "none" else reach):
            raise ValueError(
                f"shifts of 2**{self.J - 1} = {reach} pixels leave no pixels of images of shape "
                f"{self.shape}; J must be smaller than {self.J} for them."
            )
        self.color_weight = validation.number(color_weight, "color_weight", at_least=0)
        self._groups = self._make_groups()
        self._bank = filter_bank(self.shape[-2:], self.J, self.L)
        self._cache = {}
        self._observed = self.target = None

    @property
    def n_moments(self):
        n = self.n_colors
        extra = n * (n - 1) // 2 if self.extras else 0
        return sum(group.size for group in self._groups) + extra

    @property
    def n_wavelet_moments(self):
        return sum(group.size for group in self._groups if not group.is_modulus)

    def fit(self, image):
        """Take means, scales and the moments to be met from an observed image.

        Parameters
        ----------
        image : Tensor or ndarray, shape (height, width) or (n_colors, height, width)

        Returns
        -------
        self : RectifierCovariances

        Raises
        ------
        ValueError
            If the shape is another, a value is not finite, or a channel does not vary.
        TypeError
            If it holds no real floating-point numbers.
        """
        if isinstance(image, np.ndarray):
            image = torch.as_tensor(np.ascontiguousarray(image))
        images = self._images(image, "image")
        check_finite(image, "image")
        if len(images) != 1:
            raise ValueError(f"fit takes one image, got {len(images)}: shape {tuple(image.shape)}.")
        with torch.no_grad():
            z, low, haar = self._filtered(images)
            # What rounding leaves of a constant image has this size, relative to its values.
            floor = (1e-10 if images.dtype == torch.float64 else 1e-4) * float(images.abs().mean())
            rectified = torch.stack([_turned(z, a) for a in self._phases()], dim=4).clamp_(min=0)
            of_wavelets = [self._statistics(rectified[:, :, j], j) for j in range(self.J)]
            mean, scale = (torch.stack(part, dim=1) for part in zip(*of_wavelets, strict=True))
            low_mean, low_scale = self._statistics(low, self.J - 1)
            haar_scale = self._statistics(haar, 0)[1]
            scales = {"wavelets": scale, "the low-pass filter": low_scale, "Haar": haar_scale}
            for name, found in scales.items():
                if not (found > floor).all():
                    raise ValueError(
                        f"a channel of {name} does not vary: its standard deviation is "
                        f"{found.min():g}. Is the image constant, or constant along an axis?"
                    )
            self._observed = _Observed(mean, scale, low_mean, low_scale, haar_scale)
            self.target = self(image).detach()
        return self

    def __call__(self, x):
        """Moments of images, with the means and scales of the observed one.

        Parameters
        ----------
        x : Tensor, shape (..., height, width) or (..., n_colors, height, width)

        Returns
        -------
        moments : Tensor, shape (..., n_moments)

        Raises
        ------
        ValueError
            If nothing was observed yet, or the shape is another.
        TypeError
            If it is not a tensor of real floating-point numbers.
        """
        if self._observed is None:
            raise ValueError("there is no observed image yet; call fit(image) first.")
        images = self._images(x, "x")
        products = _Products.apply(self._rows(images), self)
        found = torch.cat(products, dim=1) / self._counts(images)
        if self.extras and self.n_colors > 1:
            first, second = np.triu_indices(self.n_colors, 1)
            found = torch.cat([found, color_correlations(images)[:, first, second]], dim=1)
        return found.reshape(*x.shape[: x.ndim - len(self.shape)], -1)

    def loss(self, x):
        r"""Sum of squared differences from the observed moments.

        Parameters
        ----------
        x : Tensor
            As of a call.

        Returns
        -------
        loss : Tensor, shape (...)
            Of two colours' correlation, both entries of the symmetric matrix count.

        Raises
        ------
        ValueError, TypeError
            As the call.
        """
        difference = (self(x) - self.target.to(x)).square()
        n = self.n_colors * (self.n_colors - 1) // 2 if self.extras else 0
        if not n:
            return difference.sum(dim=-1)
        of_colors = 2 * self.color_weight * difference[..., -n:].sum(dim=-1)
        return difference[..., :-n].sum(dim=-1) + of_colors

    # ---- channels

    def _phases(self):
        return 2 * np.pi * np.arange(self.A) / self.A

    def _filters(self, images):
        key = (images.dtype, images.device)
        if key not in self._cache:
            phi, psi = (torch.as_tensor(f).to(images) for f in self._bank)
            haar = torch.as_tensor(_haar(self.shape[-2:])).to(images.device, _complex(images))
            self._cache[key] = phi, psi, haar
        return self._cache[key]

    def _filtered(self, images):
        """Coefficients (n_images, n_colors, J, L, ...), low-pass (..., 1, ...), Haar (..., 3, ...).

        The last two are real; all are of shape (height, width) in the last axes.
        """
        phi, psi, haar = self._filters(images)
        spectrum = torch.fft.fft2(images)[:, :, None]
        z = torch.fft.ifft2(spectrum[:, :, None] * psi)
        if not self.extras:
            return z, images[:, :, None], images[:, :, None]
        fine = torch.cat([spectrum * phi, spectrum * haar], dim=2)
        fine = torch.fft.ifft2(fine).real
        return z, fine[:, :, :1], fine[:, :, 1:]

    @property
    def _masked(self):
        return not self.periodic

    @property
    def _round(self):
        """Whether shifts go round."""
        return self.periodic or self.order == "mask"

    def _margin(self, j):
        return 2**j // 2 if self._masked else 0

    def _inner(self, v, j):
        margin, (height, width) = self._margin(j), self.shape[-2:]
        return v[..., margin : height - margin, margin : width - margin]

    def _mask(self, like, j):
        """0 in the margin; its mean is 1 in the authors' order, else its largest value."""
        height, width = self.shape[-2:]
        mask = like.new_zeros(height, width)
        inner = self._inner(mask, j)
        inner.fill_(1.0 if self.order == "center" else height * width / inner.numel())
        return mask

    def _statistics(self, v, j):
        """Mean and standard deviation of channels in the observed image, by their order."""
        v = v * self._mask(v, j) if self._masked and self.order == "mask" else self._inner(v, j)
        return v.mean(dim=(-2, -1))[0], v.std(dim=(-2, -1), correction=0)[0]

    def _rows(self, images):
        """All channels as images, shape (n_images, n_rows, height, width).

        By colour, scale, angle and phase; then the moduli of Haar wavelets by colour and angle,
        and of the low-pass channel by colour.
        """
        z, low, haar = self._filtered(images)
        of = [part.to(images) for part in self._observed]
        masks = [self._mask(images, j) for j in range(self.J)] if self._masked else []
        stacked = torch.stack(masks)[:, None] if masks else None
        wavelets = _Rectified.apply(z, of[0], of[1], stacked, self._phases(), self.order)
        if not self.extras:
            return wavelets.flatten(1, -3)
        low = ((low - of[2][..., None, None]) / of[3][..., None, None]).abs()
        haar = (haar / of[4][..., None, None]).abs()
        if masks:
            low, haar = low * masks[-1], haar * masks[0]
        return torch.cat([part.flatten(1, -3) for part in (wavelets, haar, low)], dim=1)

    # ---- products

    def _make_groups(self):
        """Products of rows with rows; see `_Group`."""
        J, L, A, n, found = self.J, self.L, self.A, self.n_colors, []

        def rows(color, j, angle=0):
            return ((color * J + j) * L + angle) * A

        for c in range(n):
            for c2 in range(n):
                of_colors = self._of_colors(c, c2, rows)
                found += of_colors
        if self.extras:
            kind, first = ("none" if self.at == "none" else "all"), n * J * L * A
            for row in range(first, first + 3 * n):
                found.append(self._group(slice(row, row + 1), slice(row, row + 1), kind, (0, 0)))
            low = slice(first + 3 * n, first + 4 * n)
            found.append(self._group(low, low, kind, (J - 1, J - 1)))
        return found

    def _of_colors(self, c, c2, rows):
        J, L, A = self.J, self.L, self.A
        equal = c == c2
        if self.pairs == "same":
            kind = "all" if equal and self.at != "none" else "none"
            places = [(j, angle) for j in range(J) for angle in range(L)]
            return [
                self._group(
                    slice(rows(c, *place), rows(c, *place) + A),
                    slice(rows(c2, *place), rows(c2, *place) + 1),
                    kind,
                    (place[0], place[0]),
                )
                for place in places
            ]
        found = []
        for j2 in range(J):
            finest = max(0, j2 - self.dj)
            first = slice(rows(c, finest), rows(c, j2 + 1))
            second = slice(rows(c2, j2), rows(c2, j2 + 1), A)
            kind = "all" if equal and self.at == "all" else "none"
            found.append(self._group(first, second, kind, (finest, j2)))
        if equal and self.at == "same":
            for j in range(J):
                for angle in range(L):
                    row = rows(c, j, angle)
                    pair = slice(row, row + A), slice(row, row + 1)
                    found.append(self._group(*pair, "others", (j, j)))
        return found

    def _group(self, first, second, kind, scales):
        every = shifts(self.J)
        places = {"all": every, "none": every[:1], "others": every[1:]}[kind]
        is_modulus = first.start >= self.n_colors * self.J * self.L * self.A
        return _Group(first, second, places, scales, is_modulus)

    def _counts(self, images):
        """Pixels that each product is a sum over."""
        key = ("counts", images.dtype, images.device)
        if key not in self._cache:
            height, width = self.shape[-2:]
            counts = []
            for group in self._groups:
                n, n2 = (len(range(part.start, part.stop, part.step or 1)) for part in group[:2])
                if self._round:
                    counts.append(np.full(group.size, height * width))
                    continue
                # The first channel's scale changes along its rows.
                finest, coarse = group.scales
                of_scale = n // (coarse - finest + 1)
                margins = [self._margin(finest + row // of_scale) for row in range(n)]
                table = [
                    [
                        _overlap(height, m, self._margin(coarse), a)
                        * _overlap(width, m, self._margin(coarse), b)
                        for a, b in group.places
                    ]
                    for m in margins
                ]
                counts.append(np.repeat(np.array(table)[:, :, None], n2, axis=2).ravel())
            self._cache[key] = torch.as_tensor(np.concatenate(counts)).to(images)
        return self._cache[key]

    # ---- input

    def _images(self, x, name):
        if not isinstance(x, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(x).__name__}.")
        if x.dtype not in (torch.float32, torch.float64):
            raise TypeError(
                f"{name} must be real, in single or double precision, got "
                f"{str(x.dtype).removeprefix('torch.')}. Convert it, for example by x.double()."
            )
        if x.shape[-len(self.shape) :] != self.shape:
            raise ValueError(
                f"{name} has shape {tuple(x.shape)}, but these covariances are for images of shape "
                f"{self.shape}."
            )
        return x.reshape(-1, self.n_colors, *self.shape[-2:])


class _Observed(NamedTuple):
    """What is subtracted from channels and what they are divided by."""

    mean: torch.Tensor  # (n_colors, J, L, A)
    scale: torch.Tensor
    low_mean: torch.Tensor  # (n_colors, 1)
    low_scale: torch.Tensor
    haar_scale: torch.Tensor  # (n_colors, 3)


class _Group(NamedTuple):
    """Products of each row of a slice with each of another, at some shifts."""

    first: slice
    second: slice
    places: list
    scales: tuple  # of the first slice, the finest; of the second
    is_modulus: bool

    @property
    def size(self):
        n, n2 = (len(range(part.start, part.stop, part.step or 1)) for part in self[:2])
        return n * n2 * len(self.places)


class _Rectified(torch.autograd.Function):
    """Rectified coefficients, centred, scaled and masked; phases last before the pixels.

    From (n_images, n_colors, J, L, height, width) to (..., L, A, height, width). What is kept for
    the way back is where a channel is not zero.
    """

    @staticmethod
    def forward(ctx, z, mean, scale, masks, phases, order):
        rows = z.real.new_empty(*z.shape[:4], len(phases), *z.shape[4:])
        for m, phase in enumerate(phases):
            _turned(z, phase, out=rows[:, :, :, :, m])
        ctx.positive = rows > 0
        ctx.phases, ctx.masks, ctx.scale = phases, masks, scale
        rows.clamp_(min=0)
        masks = None if masks is None else masks[:, None]
        if masks is not None and order == "mask":
            rows *= masks
        rows -= mean[..., None, None]
        rows /= scale[..., None, None]
        if masks is not None and order == "center":
            rows *= masks
        return rows

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        gradient = gradient / ctx.scale[..., None, None]
        gradient *= ctx.positive
        if ctx.masks is not None:
            gradient *= ctx.masks[:, None]
        real = torch.zeros_like(gradient[:, :, :, :, 0])
        imaginary = torch.zeros_like(real)
        for m, phase in enumerate(ctx.phases):
            real.add_(gradient[:, :, :, :, m], alpha=_exact(np.cos(phase)))
            imaginary.sub_(gradient[:, :, :, :, m], alpha=_exact(np.sin(phase)))
        return torch.complex(real, imaginary), None, None, None, None, None


class _Products(torch.autograd.Function):
    """Sums over pixels of products of rows at shifts, for each group.

    From rows (n_images, n_rows, height, width) to one tensor (n_images, n_products) per group, by
    first row, shift and second row.
    """

    @staticmethod
    def forward(ctx, rows, moments):
        ctx.moments, ctx.shape = moments, rows.shape
        layout = _Layout(moments)
        ctx.save_for_backward(rows)
        first, second = layout.pair(rows)
        found = [rows.new_zeros(len(rows), *layout.sizes(group)) for group in moments._groups]
        for part in layout.chunks():
            for group, total in zip(moments._groups, found, strict=True):
                shifted = layout.shifted(second, group, part)
                total += first[:, group.first, layout.here(part)] @ shifted.mT
        return tuple(total.flatten(1) for total in found)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *gradients):
        (rows,) = ctx.saved_tensors
        groups, layout = ctx.moments._groups, _Layout(ctx.moments)
        first, second = layout.pair(rows)
        of_first = torch.zeros_like(first)
        of_second = of_first if second is first else torch.zeros_like(second)
        gradients = [
            gradient.reshape(len(rows), *layout.sizes(group))
            for group, gradient in zip(groups, gradients, strict=True)
        ]
        for part in layout.chunks():
            here = layout.here(part)
            for group, gradient in zip(groups, gradients, strict=True):
                shifted = layout.shifted(second, group, part)
                of_first[:, group.first, here] += gradient @ shifted
                back = gradient.mT @ first[:, group.first, here]
                layout.add_shifted(of_second, back, group, part)
        return layout.back(of_first, of_second), None


class _Layout:
    """Images as long vectors, with room between their rows for shifts."""

    def __init__(self, moments):
        self.height, self.width = moments.shape[-2:]
        self.round = moments._round
        reach = 0 if moments.at == "none" else 2 ** (moments.J - 1)
        # Zeros at the right of a row are also those at the left of the next.
        self.reach, self.pitch = reach, self.width + (2 if self.round else 1) * reach
        self.begin = reach * self.pitch + reach
        self.length = self.height * self.pitch

    def pair(self, rows):
        """First and second factors: the same memory, unless shifts go round."""
        first = self._padded(rows)
        if not self.round or not self.reach:
            return first, first
        second = torch.zeros_like(first)
        r = self.reach
        places = self._image(second, wide=True)
        padded = torch.cat([rows[..., -r:, :], rows, rows[..., :r, :]], dim=-2)
        places.copy_(torch.cat([padded[..., -r:], padded, padded[..., :r]], dim=-1))
        return first, second

    def back(self, of_first, of_second):
        """Gradient of rows, from those of `pair`."""
        gradient = self._image(of_first)
        if of_second is of_first:
            return gradient
        r, wide = self.reach, self._image(of_second, wide=True)
        height, width = self.height, self.width
        tall = wide[..., r : r + width].clone()
        tall[..., -r:] += wide[..., :r]
        tall[..., :r] += wide[..., -r:]
        inner = tall[..., r : r + height, :]
        inner[..., -r:, :] += tall[..., :r, :]
        inner[..., :r, :] += tall[..., -r:, :]
        return gradient + inner

    def chunks(self):
        """Parts of the pixels, so small that channels at all shifts stay in the cache."""
        n = max(1, round(self.length / _CHUNK))
        edges = np.linspace(0, self.length, n + 1).astype(int)
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

    def here(self, part):
        return slice(self.begin + part[0], self.begin + part[1])

    def shifted(self, second, group, part):
        """Rows of the second factor at all shifts, (n_images, n_shifts * n_rows, n_pixels)."""
        rows = second[:, group.second]
        if len(group.places) == 1:
            return rows[..., self.here(part)]
        parts = [rows[..., self._at(place, part)] for place in group.places]
        return torch.cat(parts, dim=1)

    def add_shifted(self, of_second, back, group, part):
        """The transpose of `shifted`."""
        rows = of_second[:, group.second]
        parts = back.chunk(len(group.places), dim=1)
        for place, values in zip(group.places, parts, strict=True):
            rows[..., self._at(place, part)] += values

    def sizes(self, group):
        n, n2 = (len(range(part.start, part.stop, part.step or 1)) for part in group[:2])
        return n, len(group.places) * n2

    def _at(self, place, part):
        # The second factor is read at v - t.
        offset = self.begin - place[0] * self.pitch - place[1]
        return slice(offset + part[0], offset + part[1])

    def _padded(self, rows):
        flat = rows.new_zeros(*rows.shape[:2], self._n())
        self._image(flat).copy_(rows)
        return flat

    def _n(self):
        return self.length + 2 * self.begin

    def _image(self, flat, wide=False):
        """The pixels of an image in its vector; if ``wide``, with those for shifts around it."""
        r = self.reach if wide else 0
        rows = flat[..., : (self.height + 2 * self.reach) * self.pitch]
        rows = rows.unflatten(-1, (self.height + 2 * self.reach, self.pitch))
        top, left = self.reach - r, self.reach - r
        return rows[..., top : top + self.height + 2 * r, left : left + self.width + 2 * r]


def _turned(z, phase, out=None):
    r"""Real part of :math:`e^{i a} z`."""
    cos, sin = _exact(np.cos(phase)), _exact(np.sin(phase))
    out = torch.mul(z.real, cos, out=out)
    return out.sub_(z.imag, alpha=sin) if sin else out


def _exact(value):
    """Cosines and sines of quarters of a turn without their rounding error."""
    return float(np.round(value, 15))


def _overlap(n, margin, margin2, step):
    """Positions v within the first margin for which v - step is within the second."""
    return max(0, min(n - margin, n - margin2 + step) - max(margin, margin2 + step))


def _haar(shape):
    """Fourier transforms of three Haar wavelets: along rows, columns and both."""
    filters = np.zeros((3, *shape))
    signs = [[[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]]
    filters[:, :2, :2] = np.array(signs) / 4
    return np.fft.fft2(filters)


def _complex(images):
    return torch.complex64 if images.dtype == torch.float32 else torch.complex128


def _shape(shape, J):
    try:
        shape = tuple(shape)
    except TypeError:
        shape = (shape,)
    if len(shape) not in (2, 3):
        raise ValueError(
            f"shape must be (height, width) or (n_colors, height, width), got {shape!r}."
        )
    n_colors = validation.count(shape[0], "n_colors, in shape,") if len(shape) == 3 else 1
    if len(shape) == 3 and n_colors > 4:
        raise ValueError(
            f"the first number of shape is that of colours, got {shape}. Are colours the last axis "
            "of the image? Move it to the front."
        )
    size = check_shape(shape[-2:], J)
    return (n_colors, *size) if len(shape) == 3 else size, n_colors
