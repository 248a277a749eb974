r"""How far the process of a model is from the true one, by covariances that no model fits.

Channels are the harmonics :math:`[x \star \psi_{j,q}]^k`, :math:`k = 0, \dots, \min(k_{max}, 2^j)`,
at places :math:`u + 2^j n`, and the low-pass channel at :math:`u + 2^{J-1} n`, with n in a square
around 0: near places at fine scales, far ones at coarse scales, as in a fovea. Their covariance
over the points u of a grid, and over images, is compared with that of many true images,

.. math:: \epsilon = \lVert D (K - K_{test}) D \rVert_2 \,/\, \lVert D K_{test} D \rVert_2,
          \qquad D = \mathrm{diag}(K_{test})^{-1/2},

in the spectral norm.
"""

import numpy as np
import torch

from common import validation
from common.scattering.base import check_finite
from common.scattering.filters_bump import check_shape, filter_bank
from common.scattering.harmonics import harmonics

__all__ = ["FovealCovariance"]

_BATCH = 8  # images filtered at once


class FovealCovariance:
    r"""Covariances of harmonics at many scales and places, and their distance.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the images, which continue at the opposite border.
    J : int
        Number of scales.
    L : int, default=8
        Number of directions in half a turn.
    dn : int, default=2
        Largest shift, in steps of :math:`2^j`.
    k_max : int, default=4
        Largest harmonic.

    Attributes
    ----------
    n_channels : int
        As the authors count: complex ones, of a whole turn of directions.

    Raises
    ------
    ValueError, TypeError
        If a count is out of range or no whole number, or images are too small.

    Notes
    -----
    Of real images, channels of opposite directions are conjugates. Their real and imaginary parts,
    times :math:`\sqrt 2`, have the same covariance but for a change of basis, which no norm sees.
    """

    def __init__(self, shape, J, L=8, *, dn=2, k_max=4):
        self.shape = check_shape(shape, J)
        self.J, self.L = int(J), validation.count(L, "L")
        self.dn = validation.count(dn, "dn", at_least=0)
        self.k_max = validation.count(k_max, "k_max")
        self._bank = filter_bank(self.shape, self.J, self.L)

    @property
    def n_channels(self):
        per_direction = sum(len(self._orders(j)) for j in range(self.J))
        return (2 * self.L * per_direction + 1) * (2 * self.dn + 1) ** 2

    def samples(self, images):
        """Channels at the points of the grid, in real form.

        Parameters
        ----------
        images : ndarray, shape (n_images, height, width)

        Returns
        -------
        samples : ndarray, shape (n_images * n_points, n_values)
            In the precision of the images. Of a complex channel, both parts.

        Raises
        ------
        ValueError
            If the shape is another, or a value is not finite.
        TypeError
            If the images do not hold real numbers.
        """
        images = torch.as_tensor(validation.array(images, "images", ndim=3))
        if images.shape[-2:] != self.shape:
            raise ValueError(
                f"images have shape {tuple(images.shape[-2:])}, expected {self.shape}, for which "
                "the covariance was built."
            )
        check_finite(images, "images")
        with torch.no_grad():
            parts = [self._samples(part) for part in images.split(_BATCH)]
        return torch.cat(parts).numpy()

    def covariance(self, images):
        """Covariance of the channels over the grid and the images.

        Parameters
        ----------
        images : ndarray, shape (n_images, height, width)

        Returns
        -------
        covariance : ndarray, shape (n_values, n_values)

        Raises
        ------
        ValueError, TypeError
            As `samples`.
        """
        samples = self.samples(images)
        samples -= samples.mean(axis=0)
        return samples.T @ samples / len(samples)

    def error(self, covariance, test):
        """Distance of a model's covariance from that of true images.

        Parameters
        ----------
        covariance, test : ndarray, shape (n_values, n_values)
            As from `covariance`; the second is the true one.

        Returns
        -------
        error : float
            Relative to the norm of the true one; 0 if they are equal.

        Raises
        ------
        ValueError
            If shapes are not those of this class's covariances, a value is not finite, or a true
            channel has no variance.
        TypeError
            If one holds no real numbers.
        """
        n = self._scale_places()[-1]
        covariance = validation.array(covariance, "covariance")
        test = validation.array(test, "test")
        for name, matrix in (("covariance", covariance), ("test", test)):
            if np.shape(matrix) != (n, n):
                raise ValueError(f"{name} has shape {np.shape(matrix)}, expected {(n, n)}.")
        variance = self._complex_variance(np.diag(test))
        if not variance.min() > 0:
            raise ValueError(
                f"channel {int(np.argmin(variance))} has variance {variance.min():g} in the test "
                "images; are they constant?"
            )
        scale = 1 / np.sqrt(variance)
        scaled = [m * scale[:, None] * scale for m in (covariance - test, test)]
        return _spectral_norm(scaled[0]) / _spectral_norm(scaled[1])

    def _orders(self, j):
        return range(min(self.k_max, 2**j) + 1)

    def _offsets(self, step):
        span = step * np.arange(-self.dn, self.dn + 1)
        return [(int(a), int(b)) for a in span for b in span]

    def _samples(self, images):
        spectrum = torch.fft.fft2(images)
        found = []
        for j in range(self.J):
            psi = torch.as_tensor(self._bank.psi[j, : self.L]).to(images)
            channels = harmonics(torch.fft.ifft2(spectrum[:, None] * psi), list(self._orders(j)))
            for v in channels:
                found += self._on_grid(v * np.sqrt(2), 2**j)
        phi = torch.as_tensor(self._bank.phi).to(images)
        low = torch.fft.ifft2(spectrum * phi).real[:, None]
        found += self._on_grid(low, 2 ** (self.J - 1))
        return torch.cat(found, dim=-1).flatten(0, 1)

    def _on_grid(self, v, step):
        """Channels at each offset: a list of (n_images, n_points, n_directions)."""
        grid = 2 ** (self.J - 1)
        parts = [v.real, v.imag] if v.is_complex() else [v]
        return [
            torch.roll(part, (-a, -b), dims=(2, 3))[:, :, ::grid, ::grid].flatten(2).mT
            for part in parts
            for a, b in self._offsets(step)
        ]

    def _scale_places(self):
        """Where the values of each harmonic of each scale end; the last is the number of all."""
        n = self.L * (2 * self.dn + 1) ** 2
        sizes = [n * (1 if k == 0 else 2) for j in range(self.J) for k in self._orders(j)]
        return np.cumsum([*sizes, (2 * self.dn + 1) ** 2]).tolist()

    def _complex_variance(self, diagonal):
        """Variance of the channel that a value is a part of."""
        variance = np.array(diagonal)
        ends = self._scale_places()
        orders = [k for j in range(self.J) for k in self._orders(j)]
        for k, begin, end in zip(orders, [0, *ends], ends, strict=False):
            part = variance[begin:end]
            if k == 0:
                part /= 2
            else:
                part[:] = np.tile(part.reshape(2, -1).mean(axis=0), 2)
        return variance


def _spectral_norm(matrix):
    from scipy.sparse.linalg import eigsh

    if len(matrix) < 50:
        return float(np.abs(np.linalg.eigvalsh(matrix)).max())
    if not matrix.any():
        return 0.0
    start = np.random.default_rng(0).standard_normal(len(matrix))
    values = eigsh(matrix, k=1, which="LM", v0=start, tol=1e-8, return_eigenvectors=False)
    return float(np.abs(values[0]))
