r"""A point pattern as an image: one Gaussian per point, round the borders.

.. math:: f(u) = \sum_i g(u_1 - x_{i1})\, g(u_2 - x_{i2}), \qquad
          g(d) = \frac{\exp(-d^2 / 2 s^2)}{\sqrt{2 \pi}\, s},

at whole numbers u from 0 to R - 1, d being the distance with its sign on the torus of side R. The
Gaussian is a product, so that f is one product of two matrices with a row for each point.
"""

import math

import torch

from common import validation

__all__ = ["blur_schedule", "rasterise"]


def rasterise(x, size, sigma):
    """Image of points, differentiable in their places.

    Parameters
    ----------
    x : Tensor, shape (..., n_points, 2)
        In pixels; the first coordinate is along rows. It may lie outside of the window, which
        repeats.
    size : int
        Side R of the image, in pixels.
    sigma : float
        Standard deviation of the Gaussian, in pixels, from 1e-6 to 1e6. Images of much less than
        half a pixel depend on where in its pixel a point lies.

    Returns
    -------
    image : Tensor, shape (..., size, size)
        In points per pixel.

    Raises
    ------
    ValueError
        If a setting is out of range, ``x`` has another shape, or a place is not finite.
    TypeError
        If ``x`` is not a real tensor of floating-point numbers.

    Examples
    --------
    >>> image = rasterise(torch.tensor([[3.0, 15.5]]), 16, 1.0)
    >>> round(image.sum().item(), 5), image.argmax().item() // 16
    (1.0, 3)
    """
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
        raise TypeError(f"x must be a tensor of floating-point numbers, got {kind}.")
    if x.ndim < 2 or x.shape[-1] != 2:
        raise ValueError(f"x must have shape (..., n_points, 2), got {tuple(x.shape)}.")
    if not bool(x.isfinite().all()):
        bad = x[~x.isfinite()][0].item()
        raise ValueError(f"x must hold finite places, got {bad}.")
    size = validation.count(size, "size")
    sigma = validation.number(sigma, "sigma", at_least=1e-6, at_most=1e6, unit="pixels")
    pixels = torch.arange(size, dtype=x.dtype, device=x.device)
    distance = torch.remainder(x[..., None] - pixels + size / 2, size) - size / 2
    kernel = torch.exp(distance.square() * (-0.5 / sigma**2)) / (math.sqrt(2 * math.pi) * sigma)
    return kernel[..., 0, :].mT @ kernel[..., 1, :]


def blur_schedule(size):
    r"""Standard deviations, from coarse to fine, in which a pattern is described.

    Those of the authors' code: :math:`s_i = (\log_2 R - 3) / 2^i` for i from 0 to
    :math:`\log_2 R - 4`.

    Parameters
    ----------
    size : int
        Side R of the image, in pixels: a power of two, at least 16.

    Returns
    -------
    sigmas : tuple of float
        In pixels.

    Raises
    ------
    ValueError
        If it is no such number.
    TypeError
        If it is no whole number.

    Examples
    --------
    >>> blur_schedule(128)
    (4.0, 2.0, 1.0, 0.5)
    """
    size = validation.count(size, "size", at_least=16)
    if size & (size - 1):
        raise ValueError(f"size must be a power of two, got {size}; or give sigmas yourself.")
    log = size.bit_length() - 1
    return tuple((log - 3) / 2**i for i in range(log - 3))
