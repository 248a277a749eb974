r"""Models of a stationary point process, from one pattern: particles that descend an energy.

Particles begin at independent uniform places, as many as there are observed points, and move along
the gradient of

.. math:: E(x) = \| K(f_x) - K(f_{obs}) \|^2,

with f the pattern's image (`common.points.rasterise`) and K its moments. The image is coarse at
first and becomes finer by stages, each of which starts where the last one ended.
"""

import copy
from typing import NamedTuple

import numpy as np
import torch

from common import validation
from common.points.moments import PatternMoments
from common.points.rasterise import blur_schedule, rasterise
from common.points.windows import check_points
from common.scattering.synthesis import descend

__all__ = ["MODELS", "MaximumEntropy", "Stage"]

MODELS = {"harmonics": {}, "second-order": {"second_order": True}}
"""The models, by the options of `common.points.moments.PatternMoments`."""


class Stage(NamedTuple):
    """What one stage of a descent came to.

    Attributes
    ----------
    sigma : float
        Standard deviation of the Gaussians, in pixels.
    energy : ndarray, shape (n_iterations + 1,)
        :math:`E(x) / \\|K(f_{obs})\\|^2` at the start and after each iteration.
    final : float
        The same with the Gaussians of the last stage, where this one ended.
    """

    sigma: float
    energy: np.ndarray
    final: float


class MaximumEntropy:
    r"""A model of the stationary process that a point pattern is one draw of.

    It has the shape of `common.scattering.maximum_entropy.MaximumEntropy`, which is for images.

    Parameters
    ----------
    model : {"harmonics", "second-order"} or object, default="harmonics"
        Covariances of phase harmonics, within and across scales; or what a power spectrum tells
        alone. Or moments of the caller's choice: an object with ``fit(image)``, which returns
        itself, ``loss(image)``, ``target`` and optionally ``weight``.
    size : int, default=64
        Side R of the images, in pixels.
    J : int, optional
        Number of scales; :math:`\log_2 R - 3` where it is left out.
    L : int, default=4
        Number of directions in half a turn.
    sigmas : sequence of float, optional
        Standard deviations of the Gaussians of the stages, in pixels; those of
        `common.points.rasterise.blur_schedule` where they are left out.
    iterations : int or sequence of int, default=60
        Of L-BFGS, in each stage.
    window : float, default=1
        Side of the square that holds the pattern, which continues at the opposite borders.
    dtype : {"float32", "float64"}, default="float32"
        Precision of images and moments.
    device : str, default="cpu"
        Where they are computed, as PyTorch calls it.

    Attributes
    ----------
    histories : list of list of Stage
        After `sample`: of each pattern, the stages.
    starts : list of ndarray
        The uniform points that each began with.

    Raises
    ------
    ValueError
        If there is no such model, or an option is out of range.
    TypeError
        If a count is no whole number.

    References
    ----------
    .. [1] A. Brochard, B. Błaszczyszyn, S. Mallat, S. Zhang, "Particle gradient descent model for
       point process generation", Statistics and Computing 32, 2022, arXiv:2010.14928.

    Examples
    --------
    >>> points = np.random.default_rng(0).random((50, 2))
    >>> model = MaximumEntropy(size=16, iterations=3).fit(points)
    >>> model.sample(2, rng=np.random.default_rng(1), progress=False).shape
    (2, 50, 2)
    """

    def __init__(
        self,
        model="harmonics",
        *,
        size=64,
        J=None,
        L=4,
        sigmas=None,
        iterations=60,
        window=1.0,
        dtype="float32",
        device="cpu",
    ):
        if isinstance(model, str):
            validation.choice(model, MODELS, "model")
        elif not (hasattr(model, "fit") and hasattr(model, "loss")):
            raise ValueError(
                f"model must be one of {', '.join(MODELS)}, or have fit(image) and loss(image); "
                f"got {model!r}."
            )
        self.model, self.L = model, L
        self.size = validation.count(size, "size", at_least=16)
        self.J = max(self.size.bit_length() - 4, 1) if J is None else J
        sigmas = blur_schedule(self.size) if sigmas is None else sigmas
        self.sigmas = tuple(validation.vector(sigmas, "sigmas", above=0).tolist())
        runs = np.broadcast_to(iterations, len(self.sigmas)) if np.ndim(iterations) == 0 else None
        runs = list(iterations) if runs is None else runs.tolist()
        if len(runs) != len(self.sigmas):
            raise ValueError(
                f"iterations has {len(runs)} numbers for {len(self.sigmas)} stages; give one "
                "number, or as many as there are sigmas."
            )
        self.iterations = [validation.count(n, "iterations") for n in runs]
        self.window = validation.number(window, "window", above=0)
        self.dtype = validation.choice(dtype, ("float32", "float64"), "dtype")
        self.device = device
        self.histories, self.starts = [], []

    def fit(self, points):
        """Take the moments of an observed pattern, at each stage.

        Parameters
        ----------
        points : array_like, shape (n_points, 2)
            In the window, at least two.

        Returns
        -------
        self : MaximumEntropy

        Raises
        ------
        ValueError
            If there are fewer than two points, a coordinate is not finite, or a point lies outside
            of the window.
        TypeError
            If they are no numbers.
        """
        points = check_points(points, window=self.window)
        moments = self.model
        if isinstance(moments, str):
            moments = PatternMoments(self.size, self.J, self.L, **MODELS[self.model])
        x = self._pixels(points)
        # Copies share their filters, and nothing that `fit` sets.
        self.moments = [
            copy.copy(moments).fit(rasterise(x, self.size, sigma)) for sigma in self.sigmas
        ]
        self.n_points = len(points)
        return self

    def energy(self, points, stage=-1):
        r"""Relative energy :math:`\|K(f_x) - K(f_{obs})\|^2 / \|K(f_{obs})\|^2` of a pattern.

        Parameters
        ----------
        points : array_like, shape (n_points, 2)
            In the window.
        stage : int, default=-1
            Of the stage whose Gaussians are taken; the last one where it is left out.

        Returns
        -------
        energy : float

        Raises
        ------
        ValueError
            If there is no observed pattern, points lie outside of the window, or there is no such
            stage.
        TypeError
            If points are no numbers, or the stage is no whole number.
        """
        self._require_pattern()
        n = len(self.sigmas)
        stage = validation.count(stage, "stage", at_least=-n, at_most=n - 1)
        x = self._pixels(check_points(points, window=self.window))
        return self._relative(x, range(len(self.sigmas))[stage])

    def sample(self, n=1, *, rng, progress=True):
        """Draw patterns.

        Parameters
        ----------
        n : int, default=1
        rng : numpy.random.Generator
            Draws the starts.
        progress : bool, default=True
            Whether a bar shows the iterations and the energy.

        Returns
        -------
        patterns : ndarray, shape (n, n_points, 2)
            In the window, with as many points as the observed one.

        Raises
        ------
        ValueError
            If there is no observed pattern, or ``n`` is below 1.
        TypeError
            If ``rng`` is no generator.
        """
        from tqdm.auto import tqdm

        n = validation.count(n, "n")
        validation.generator(rng)
        self._require_pattern()
        self.histories, self.starts = [], []
        with tqdm(total=n * sum(self.iterations), disable=not progress, unit="step") as bar:
            return np.stack([self._descend(rng, bar) for _ in range(n)])

    def _descend(self, rng, bar):
        start = rng.random((self.n_points, 2)) * self.window
        x, stages = self._pixels(start), []
        for stage, sigma in enumerate(self.sigmas):
            power = self._power(stage)

            def energy(x, stage=stage, sigma=sigma, power=power):
                return self.moments[stage].loss(rasterise(x, self.size, sigma)) / power

            # The optimiser's tolerance on gradients is absolute: hence the authors' factor.
            found = descend(energy, x, iterations=self.iterations[stage], factor=1e6, progress=bar)
            x = found.x
            stages.append((sigma, found.history, self._relative(x, len(self.sigmas) - 1)))
        self.histories.append([Stage(*one) for one in stages])
        self.starts.append(start)
        points = x.double().cpu().numpy() * (self.window / self.size)
        points = np.mod(points, self.window)
        return np.where(points < self.window, points, 0.0)  # of -1e-17, the remainder is the side

    def _relative(self, x, stage):
        with torch.no_grad():
            loss = self.moments[stage].loss(rasterise(x, self.size, self.sigmas[stage]))
            return float(loss) / self._power(stage)

    def _power(self, stage):
        moments = self.moments[stage]
        weight = getattr(moments, "weight", getattr(moments, "multiplicity", 1.0))
        return float((moments.target.abs() ** 2 * weight).sum())

    def _pixels(self, points):
        scaled = torch.as_tensor(points * (self.size / self.window))
        return scaled.to(self.device, getattr(torch, self.dtype))

    def _require_pattern(self):
        if not hasattr(self, "moments"):
            raise ValueError("there is no observed pattern yet; call fit(points) first.")
