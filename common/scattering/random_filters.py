r"""Gram matrices of random filters, rectified: a model of textures, and a judge of others.

A network of one layer has random filters of several sizes. Of an image, less the mean and divided
by the standard deviation of the observed one, its rectified responses :math:`r_f(v)` give

.. math:: G_{f, g} = \frac1P \sum_v r_f(v)\, r_g(v)

over the P places where both filters fit, or, so that all sums are of the same places, over those
where the widest filter fits. Then pixels near the border are seen by few filters, and a model that
is fitted leaves noise there.

With two layers, other random filters look at all of the first layer's responses, after averages
over squares of two by two pixels.

References
----------
.. [1] I. Ustyuzhaninov, W. Brendel, L. A. Gatys, M. Bethge, "What does it take to generate natural
   textures?", ICLR 2017: one layer of many random filters is enough.
"""

import numpy as np
import torch

from common import validation
from common.scattering.base import check_finite

__all__ = ["RandomFilterGrams"]


class RandomFilterGrams:
    r"""Gram matrices of rectified random filters, compared with those of an observed image.

    Parameters
    ----------
    n_filters : int
        Of each size.
    sizes : sequence of int
        Sides of the square filters in pixels, each odd. Values of a filter are normal, of standard
        deviation 1 / side.
    common : bool, default=True
        Whether all sums are of the places where the widest filter fits.
    n_deep : int, default=0
        Number of filters of a second layer, of five by five pixels of all responses of the first
        one; with 0 there is none.
    rng : numpy.random.Generator
        Draws the filters.

    Attributes
    ----------
    n_moments : int
        Entries of the Gram matrix, each pair once.
    target : Tensor, shape (n, n)
        Gram matrix of the observed image; see `fit`.

    Raises
    ------
    ValueError
        If a count is out of range, a size is even, or a second layer is asked for without places
        that are common to all filters.
    TypeError
        If a count is no whole number, or ``rng`` no generator.

    Examples
    --------
    >>> image = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    >>> grams = RandomFilterGrams(4, (3, 5), rng=np.random.default_rng(0)).fit(image)
    >>> grams.n_moments, grams.loss(image).item()
    (36, 0.0)
    """

    def __init__(self, n_filters, sizes, *, common=True, n_deep=0, rng):
        validation.generator(rng)
        self.n_filters = validation.count(n_filters, "n_filters")
        self.sizes = [validation.count(side, "a size of filters") for side in sizes]
        n_deep = validation.count(n_deep, "n_deep", at_least=0)
        if not self.sizes or any(side % 2 == 0 for side in self.sizes):
            raise ValueError(f"sizes must be odd numbers of pixels, got {list(sizes)}.")
        self.common = validation.choice(common, (False, True), "common")
        if n_deep and not common:
            raise ValueError(
                f"a second layer needs the places that all filters share, got n_deep={n_deep} and "
                "common=False. Set common=True."
            )
        self._filters = [
            torch.as_tensor(rng.standard_normal((self.n_filters, 1, side, side)) / side)
            for side in self.sizes
        ]
        n = self.n_filters * len(self.sizes)
        deep = rng.standard_normal((n_deep, n, 5, 5)) / (5 * np.sqrt(n))
        self._deep = torch.as_tensor(deep) if n_deep else None
        n = n_deep or n
        self.n_moments = n * (n + 1) // 2
        self.target = None

    def fit(self, image):
        """Take mean, standard deviation and Gram matrix of an observed image.

        Parameters
        ----------
        image : ndarray or Tensor, shape (height, width)

        Returns
        -------
        self : RandomFilterGrams

        Raises
        ------
        ValueError
            If the image is too small for the filters or constant, or a value is not finite.
        TypeError
            If it does not hold real floating-point numbers.
        """
        if isinstance(image, np.ndarray):
            image = torch.as_tensor(np.ascontiguousarray(image))
        if not isinstance(image, torch.Tensor) or not image.is_floating_point():
            kind = image.dtype if isinstance(image, torch.Tensor) else type(image).__name__
            raise TypeError(f"image must hold real floating-point numbers, got {kind}.")
        if image.ndim != 2 or min(image.shape) < self._smallest:
            raise ValueError(
                f"image must have shape (height, width) of at least {self._smallest} pixels each "
                f"for filters of {max(self.sizes)} pixels, got {tuple(image.shape)}."
            )
        check_finite(image, "image")
        mean, std = image.mean(), image.std()
        if not std > 1e-6 * image.abs().max():
            raise ValueError(
                f"the image is constant, {mean:g}: there is no texture to compare with."
            )
        self._mean, self._std = mean, std
        self.target = self(image).detach()
        return self

    def __call__(self, x):
        """Gram matrix of images.

        Parameters
        ----------
        x : Tensor, shape (..., height, width)

        Returns
        -------
        gram : Tensor, shape (..., n, n)

        Raises
        ------
        ValueError
            If nothing was observed yet, or images are too small for the filters.
        TypeError
            If it is not a tensor of real floating-point numbers.
        """
        if not hasattr(self, "_mean"):
            raise ValueError("there is no observed image yet; call fit(image) first.")
        if not isinstance(x, torch.Tensor) or not x.is_floating_point():
            kind = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
            raise TypeError(f"x must be a tensor of real floating-point numbers, got {kind}.")
        if x.ndim < 2 or min(x.shape[-2:]) < self._smallest:
            raise ValueError(
                f"x must have shape (..., height, width) of at least {self._smallest} pixels each "
                f"for filters of {max(self.sizes)} pixels, got {tuple(x.shape)}."
            )
        conv = torch.nn.functional.conv2d
        z = ((x - self._mean.to(x)) / self._std.to(x)).reshape(-1, 1, *x.shape[-2:])
        parts, widest = [], max(self.sizes)
        for side, filters in zip(self.sizes, self._filters, strict=True):
            margin = (widest - side) // 2 if self.common else 0
            inner = z[..., margin : z.shape[-2] - margin, margin : z.shape[-1] - margin]
            found = conv(inner, filters.to(z)).clamp(min=0)
            # Where a filter does not fit, it has no response.
            room = 0 if self.common else side // 2
            parts.append(torch.nn.functional.pad(found, (room,) * 4) if room else found)
        found = torch.cat(parts, dim=1)
        if self._deep is not None:
            pooled = torch.nn.functional.avg_pool2d(found, 2)
            found = conv(pooled, self._deep.to(z)).clamp(min=0)
        flat = found.flatten(2)
        gram = flat @ flat.mT / self._counts(flat, x.shape[-2:])
        return gram.reshape(*x.shape[:-2], *gram.shape[-2:])

    def loss(self, x):
        r"""Distance from the observed Gram matrix, relative to it.

        Parameters
        ----------
        x : Tensor, shape (..., height, width)

        Returns
        -------
        loss : Tensor, shape (...)
            :math:`\|G(x) - G(obs)\|^2 / \|G(obs)\|^2`.

        Raises
        ------
        ValueError
            If nothing was observed yet.
        """
        gram = self(x)
        target = self.target.to(gram)
        return (gram - target).square().sum(dim=(-2, -1)) / target.square().sum()

    @property
    def _smallest(self):
        return max(self.sizes) + (0 if self._deep is None else 10)

    def _counts(self, flat, shape):
        """Places that each product is summed over."""
        if self.common:
            return flat.shape[-1]
        wider = np.maximum.outer(self.sizes, self.sizes)
        counts = np.prod([n + 1 - wider for n in shape], axis=0)
        counts = torch.as_tensor(counts).to(flat)
        return counts.repeat_interleave(self.n_filters, 0).repeat_interleave(self.n_filters, 1)
