r"""Frames of the Gaussian composite model, simulated, and the error of their mean powers.

Frames are :math:`y_n = \Phi_0^\top x_n` with an orthogonal :math:`\Phi_0` and independent centred
Gaussian :math:`x_{mn}` of variance :math:`(W_0 H_0)_{mn}`, non-negative and of low rank. For any
transform :math:`\Phi` the expected powers are

.. math:: V^0_{mn}(\Phi) = \mathbb{E} (\Phi y_n)_m^2
                         = \sum_k (\Phi \Phi_0^\top)_{mk}^2 (W_0 H_0)_{kn},

and with S independent realisations the mean powers have
:math:`\mathbb{E} D(V \mid V^0) \approx M N / S` for M channels and N frames: a mean of S squares of
variance :math:`v` has the variance :math:`2 v^2 / S`, and
:math:`x - \log x - 1 \approx (x - 1)^2 / 2`.
"""

from typing import NamedTuple

import numpy as np
import scipy.fft

from common import validation
from common.factorisation.nmf import itakura_saito

__all__ = ["CompositeModel", "cosine_model"]


class CompositeModel(NamedTuple):
    """A transform and variances of low rank."""

    transform: np.ndarray
    """Orthogonal, one atom a row, shape (n_channels, n_channels)."""
    W: np.ndarray
    """Shape (n_channels, n_components)."""
    H: np.ndarray
    """Shape (n_components, n_frames)."""

    def frames(self, n_realisations, *, rng):
        """Independent realisations of all frames.

        Numbers are drawn realisation by realisation and frame by frame: the first ones do not
        depend on how many follow.

        Parameters
        ----------
        n_realisations : int
        rng : numpy.random.Generator or numpy.random.RandomState
            The legacy generator repeats published draws.

        Returns
        -------
        frames : ndarray, shape (n_realisations, n_channels, n_frames)

        Raises
        ------
        TypeError
            If ``n_realisations`` is not whole, or ``rng`` no generator.
        ValueError
            If ``n_realisations`` is below 1.
        """
        n_realisations = validation.count(n_realisations, "n_realisations")
        variances = (self.W @ self.H).T
        drawn = _generator(rng).standard_normal((n_realisations, *variances.shape))
        return (drawn * np.sqrt(variances) @ self.transform).swapaxes(1, 2)

    def expected_powers(self, transforms):
        """Expected powers of transformed frames, as the module derives them.

        Parameters
        ----------
        transforms : array_like, shape (..., n_channels, n_channels)

        Returns
        -------
        powers : ndarray, shape (..., n_channels, n_frames)

        Raises
        ------
        TypeError
            If ``transforms`` holds no numbers.
        ValueError
            If a number is not finite, the last two axes are not of the model's channels, or powers
            overflow.
        """
        transforms = validation.array(transforms, "transforms")
        if transforms.shape[-2:] != self.transform.shape:
            raise ValueError(
                f"transforms must end in shape {self.transform.shape}, that of the model's "
                f"own, got {transforms.shape}."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            powers = (transforms @ self.transform.T) ** 2 @ (self.W @ self.H)
        if not np.isfinite(powers).all():
            raise ValueError(
                f"transforms reach {np.abs(transforms).max():.3g}, and powers overflow. Scale them "
                "down."
            )
        return powers

    def power_error(self, transform, powers):
        """Divergence of mean powers from the expected ones, called Q in the paper.

        Parameters
        ----------
        transform : array_like, shape (n_channels, n_channels)
        powers : array_like, shape (n_channels, n_frames)
            Mean powers of frames of this model after the transform.

        Returns
        -------
        divergence : float

        Raises
        ------
        TypeError, ValueError
            As `expected_powers` and `common.factorisation.nmf.itakura_saito`.
        """
        transform = validation.array(transform, "transform", ndim=2)
        powers = validation.array(powers, "powers", ndim=2)
        return float(itakura_saito(powers, self.expected_powers(transform)))


def cosine_model(n_channels, n_frames, n_components, *, rng):
    r"""The model of the paper's experiments: cosines, and factors of the Gamma distribution.

    The rows of :math:`\Phi_0` are the cosines of the orthonormal discrete cosine transform, the
    constant one first; entries of the factors have shape 1 and scale 2.

    Parameters
    ----------
    n_channels, n_frames, n_components : int
    rng : numpy.random.Generator or numpy.random.RandomState

    Returns
    -------
    model : CompositeModel

    Raises
    ------
    TypeError
        If a number is not whole, or ``rng`` no generator.
    ValueError
        If a number is below 1.
    """
    n_channels = validation.count(n_channels, "n_channels")
    n_frames = validation.count(n_frames, "n_frames")
    n_components = validation.count(n_components, "n_components")
    rng = _generator(rng)
    W = rng.gamma(1, 2, size=(n_channels, n_components))
    H = rng.gamma(1, 2, size=(n_components, n_frames))
    return CompositeModel(scipy.fft.dct(np.eye(n_channels), 3, norm="ortho"), W, H)


def _generator(rng):
    if isinstance(rng, np.random.RandomState):
        return rng
    return validation.generator(rng)
