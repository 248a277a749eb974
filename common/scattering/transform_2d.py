r"""Scattering transform of images.

With the wavelets and the low-pass filter of `common.scattering.filters_2d`,

.. math:: S_0 x = x \star \phi, \quad S_1 x = |x \star \psi_1| \star \phi, \quad
          S_2 x = ||x \star \psi_1| \star \psi_2| \star \phi, \qquad j_2 > j_1,

where :math:`|x \star \psi_j|` is sampled every :math:`2^j` pixels and the coefficients every
:math:`2^J`.

How it is computed: a product with a filter in Fourier, sampled every :math:`k` pixels, is the sum
of :math:`k \times k` blocks of the product's spectrum. A filter is therefore stored as its blocks,
cropped to where it does not vanish, and a lower resolution of the image has fewer blocks of the
same filter. All angles go through one inverse transform. The low-pass filter is a product of one
filter along each axis and is wanted at few points only: two small matrix products. Images are taken
few at a time, so that what one step writes is still in the processor's cache when the next one
reads it.
"""

from typing import NamedTuple

import numpy as np
import torch

from common import validation
from common.scattering.base import (
    Scattering,
    modulus,
    records_gradient,
    refuse_options,
)
from common.scattering.filters_2d import filter_bank, low_pass, padded_shape

__all__ = ["Scattering2D"]

_REFUSED = {
    "backend": "There is one backend, torch; numpy arrays are taken and returned as well.",
    "frontend": "Tensors give tensors and arrays give arrays.",
}
# Of each block, the box outside which no filter exceeds this fraction of its largest value is kept:
# the rest is under the rounding of a Fourier transform, relative to the largest frequency.
_NEGLIGIBLE = {torch.float32: 1e-8, torch.float64: 1e-15}
_WORKING_SET = {"cpu": 2**21}  # bytes of one step, about a processor's second cache
_WORKING_SET_DEVICE = 2**28


class _Bank(NamedTuple):
    rows: np.ndarray  # of the image that each row of the padded image shows
    columns: np.ndarray
    low: list  # of each level: a matrix for rows and one for columns
    blocks: list  # of each scale: see `_envelope`


class Scattering2D(Scattering):
    r"""Scattering transform of images, with Morlet wavelets.

    Parameters
    ----------
    J : int
        Number of scales; coefficients are averages over about :math:`2^J` pixels.
    shape : tuple of int
        Height and width of the images, in pixels; at least :math:`2^J` each.
    L : int, default=8
        Number of angles. The wavelets are designed for 8.
    max_order : {1, 2}, default=2
    pre_pad : bool, default=False
        The images come padded, with `padded_shape`. Otherwise they are reflected at their border,
        which they do not show twice.
    out_type : {"array", "list"}, default="array"
    **unknown_options
        Refused, with what to do instead.

    Attributes
    ----------
    padded_shape : tuple of int
        Height and width on which images are filtered: multiples of :math:`2^J`.

    Raises
    ------
    ValueError
        If an option is out of range, or :math:`2^J` exceeds a side of the image.
    TypeError
        If there is an unknown option, or a count is no whole number.

    Notes
    -----
    Called with images of shape (..., height, width), real, in single or double precision, it
    returns coefficients of shape (..., n_paths, :math:`\lfloor height / 2^J \rfloor`,
    :math:`\lfloor width / 2^J \rfloor`), in the order of `meta`: 1 + J L paths, and
    :math:`L^2 J (J - 1) / 2` more of second order. With ``out_type="list"``, a list of a dict a
    path: ``coef``, of shape (..., height, width), and the tuples ``j``, ``theta`` and ``n`` of its
    filters, ``n`` being :math:`j L + \theta`. An array gives arrays, a tensor tensors on its
    device. Differentiable; the modulus has gradient 0 at 0.

    Coefficients are those of Kymatio 0.3.0 [1]_.

    References
    ----------
    .. [1] M. Andreux et al., "Kymatio: Scattering Transforms in Python", JMLR 21(60), 2020,
       arXiv:1812.11214.

    Examples
    --------
    >>> S = Scattering2D(J=2, shape=(32, 32))
    >>> S(torch.zeros(3, 32, 32)).shape
    torch.Size([3, 81, 8, 8])
    """

    ndim = 2

    def __init__(
        self, J, shape, L=8, max_order=2, pre_pad=False, out_type="array", **unknown_options
    ):
        refuse_options("Scattering2D", unknown_options, _REFUSED)
        super().__init__(_check_shape(shape))
        self.J = validation.count(J, "J", at_most=62)
        self.L = validation.count(L, "L", at_least=1)
        self.max_order = validation.choice(max_order, (1, 2), "max_order")
        self.pre_pad = validation.choice(pre_pad, (False, True), "pre_pad")
        self.out_type = validation.choice(out_type, ("array", "list"), "out_type")
        if min(self.shape) < 2**self.J:
            raise ValueError(
                f"2**J = {2**self.J} pixels (J={self.J}) exceed a side of images of shape "
                f"{self.shape}; J must be at most {min(self.shape).bit_length() - 1} for them."
            )
        self.padded_shape = padded_shape(self.shape, self.J)
        self._bank = filter_bank(self.padded_shape, self.J, self.L)

    @property
    def _input_shape(self):
        return self.padded_shape if self.pre_pad else self.shape

    def extra_repr(self):
        return (
            f"J={self.J}, shape={self.shape}, L={self.L}, max_order={self.max_order}, "
            f"pre_pad={self.pre_pad}, out_type={self.out_type!r}"
        )

    def meta(self):
        r"""The filters of each path.

        Returns
        -------
        meta : dict of ndarray of int
            ``order``, of shape (n_paths,), and ``j``, ``theta`` and ``n``, of shape
            (n_paths, max_order): scale, index of the angle, and :math:`j L + \theta` of the
            filters in the order in which they are applied, -1 where a path has fewer.
        """
        n = np.full((self._n_paths, self.max_order), -1)
        first = np.arange(self.J * self.L)
        n[1 : 1 + len(first), 0] = first
        if self.max_order == 2:
            pairs = np.stack(np.meshgrid(first, first, indexing="ij"), axis=-1).reshape(-1, 2)
            n[1 + len(first) :] = pairs[pairs[:, 1] // self.L > pairs[:, 0] // self.L]
        none = n < 0
        return {
            "order": (~none).sum(axis=1),
            "j": np.where(none, -1, n // self.L),
            "theta": np.where(none, -1, n % self.L),
            "n": n,
        }

    @property
    def _n_paths(self):
        n_pairs = self.L**2 * self.J * (self.J - 1) // 2
        return 1 + self.J * self.L + (n_pairs if self.max_order == 2 else 0)

    def _bank_for(self, dtype):
        low = [
            [_low_pass_matrix(n, size // 2**self.J, self.J, level) for n, size in self._sides]
            for level in range(self.J)
        ]
        rows, columns = (_reflection(size, n) for n, size in self._sides)
        kind = np.float32 if dtype == torch.float32 else np.float64
        blocks = [
            _blocks(psi.astype(kind), 2**j, _NEGLIGIBLE[dtype])
            for j, psi in enumerate(self._bank.psi)
        ]
        return _Bank(rows, columns, low, blocks)

    @property
    def _sides(self):
        return list(zip(self.padded_shape, self.shape, strict=True))

    def _transform(self, x):
        bank = self._filters(x)
        if records_gradient(x):
            found = self._coefficients(x, bank)
        else:
            size = (n // 2**self.J for n in self.shape)
            found = x.new_empty(len(x), self._n_paths, *size)
            step = self._rows_at_once(x, level=0)
            for images, part in zip(x.split(step), found.split(step), strict=True):
                part.copy_(self._coefficients(images, bank))
        if self.out_type == "array":
            return found
        meta = {name: rows.tolist() for name, rows in self.meta().items()}
        return [
            {"coef": found[:, path]}
            | {name: tuple(meta[name][path][:order]) for name in ("j", "n", "theta")}
            for path, order in enumerate(meta["order"])
        ]

    def _coefficients(self, x, bank):
        """Coefficients of images, shape (n_images, n_paths, height, width)."""
        if not self.pre_pad:
            x = x.index_select(1, bank.rows).index_select(2, bank.columns)
        spectrum = torch.fft.fft2(x, norm="forward")
        found, second = [_average(x[:, None], bank.low[0])], []
        for j1 in range(self.J):
            u1 = _envelope(spectrum, bank.blocks[j1], 2**j1)
            found.append(_average(u1, bank.low[j1]))
            if self.max_order == 1 or j1 == self.J - 1:
                continue
            rows = torch.fft.fft2(u1, norm="forward").flatten(0, 1)
            by_scale = []
            for j2 in range(j1 + 1, self.J):
                step = self._rows_at_once(x, level=j2)
                parts = [
                    _average(_envelope(part, bank.blocks[j2], 2 ** (j2 - j1)), bank.low[j2])
                    for part in rows.split(step)
                ]
                by_scale.append(torch.cat(parts).unflatten(0, (len(x), self.L)))
            second.append(torch.stack(by_scale, dim=2).flatten(1, 3))
        return torch.cat(found + second, dim=1)

    def _rows_at_once(self, x, *, level):
        """How many images or envelopes to filter at once, all angles, into a level."""
        height, width = self.padded_shape
        # Complex numbers: twice the size of a value of x.
        bytes_of_one = 2 * x.element_size() * self.L * height * width // 4**level
        return max(1, _WORKING_SET.get(x.device.type, _WORKING_SET_DEVICE) // bytes_of_one)


def _envelope(spectrum, blocks, k):
    """Modulus after filtering at every angle and taking every k-th pixel.

    Parameters
    ----------
    spectrum : complex Tensor, shape (n_rows, height, width)
    blocks : dict
        By the place of a block, in blocks from frequency zero, the box in it where the filters are
        not negligible (slices of angles, rows, and columns counted twice) and their values there.
    k : int

    Returns
    -------
    envelope : Tensor, shape (n_rows, L, height / k, width / k)
    """
    height, width = (n // k for n in spectrum.shape[-2:])
    pairs = torch.view_as_real(spectrum).flatten(-2)[:, None]
    total = None
    for (row, column), (angles, rows, columns, block) in blocks.items():
        if k > 1 and not (-k <= 2 * row < k and -k <= 2 * column < k):
            continue  # frequencies that this resolution does not have
        top, left = row % k * height, column % k * 2 * width
        part = pairs[..., top : top + height, left : left + 2 * width]
        if total is None:  # the block at frequency zero, which is whole
            total = part * block
            continue
        box, part = total[:, angles, rows, columns], part[..., rows, columns]
        if records_gradient(part):
            box += part * block  # the transforms of torch.func have no rule for addcmul_
        else:
            box.addcmul_(part, block)
    z = torch.view_as_complex(total.unflatten(-1, (width, 2)))
    return modulus(torch.fft.ifft2(z, norm="forward"))


def _average(u, low):
    """Low-pass filter and sample images of shape (..., height, width)."""
    rows, columns = low
    return rows @ (u @ columns.mT)


def _blocks(psi, k, negligible):
    """Blocks of filters whose products are to be added, each frequency twice for use on pairs.

    Keys count blocks from frequency zero, so that they are the same at every resolution.
    """
    n_angles, height, width = psi.shape
    parts = psi.reshape(n_angles, k, height // k, k, width // k).transpose(1, 3, 0, 2, 4)
    matters = np.abs(parts) > negligible * np.abs(psi).max()
    matters[0, 0] = True
    signed = np.fft.fftfreq(k, 1 / k).astype(int).tolist()
    blocks = {}
    for i, j in np.argwhere(matters.any(axis=(2, 3, 4))).tolist():
        box = [_extent(matters[i, j].any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
        block = np.repeat(parts[i, j][tuple(box)], 2, axis=-1)
        box[2] = slice(2 * box[2].start, 2 * box[2].stop)
        blocks[signed[i], signed[j]] = (*box, block)
    return blocks


def _extent(mask):
    where = np.flatnonzero(mask)
    return slice(int(where[0]), int(where[-1]) + 1)


def _low_pass_matrix(n, n_out, J, level):
    """Circular filter along an axis of a level, at the pixels that no padding touches."""
    kernel = np.fft.ifft(low_pass(n, J, level)).real
    step = 2 ** (J - level)
    # The first and the last sample lie in the padding.
    lag = step * np.arange(1, n_out + 1)[:, None] - np.arange(len(kernel))
    return kernel[lag % len(kernel)]


def _reflection(n, n_padded):
    """Pixel of the image at each pixel of the padded one, reflected about the border's pixels."""
    before = (n_padded - n) // 2
    position = np.arange(n_padded) - before
    if n == 1:
        return np.zeros_like(position)
    return n - 1 - np.abs(n - 1 - position % (2 * n - 2))


def _check_shape(shape):
    try:
        height, width = shape
    except (TypeError, ValueError):
        raise ValueError(f"shape must be (height, width) of the images, got {shape!r}.") from None
    return tuple(
        validation.count(n, name, at_least=1)
        for name, n in (("height, in shape,", height), ("width, in shape,", width))
    )
