r"""Maximum entropy models of a stationary image, from one observation.

- **A**, Gaussian: of all spectra that give the wavelets' observed covariances, the one of largest
  entropy. It has the form :math:`P = 1 / (F b)`, with the squares of filters times waves as columns
  of F, and b minimises the convex :math:`\frac12 \sum_\omega \log P(\omega) + \frac12\, b \cdot Y`.
- **B**, **C**, **D**, microcanonical: white noise moved until its covariances of phase harmonics
  are the observed ones. B stays within scales, C goes to the next one, D is C averaged over
  rotations and without shifts, which takes far fewer moments.
- **rectifiers**, microcanonical as well: of rectified wavelet coefficients at many shifts, for
  textures in grey or in colour. **rectifiers-same** has shifts of each channel with itself alone.
"""

import numpy as np
import torch

from common import validation
from common.scattering.base import check_finite
from common.scattering.filters_bump import check_shape, filter_bank, frequencies
from common.scattering.harmonic_covariances import HarmonicCovariances
from common.scattering.rectifier_covariances import RectifierCovariances
from common.scattering.synthesis import descend, match_histogram

__all__ = ["MODELS", "GaussianModel", "MaximumEntropy"]

MODELS = {
    "A": "Gaussian",
    "B": {"dj": 0, "dn": 2},
    "C": {"dj": 1, "dn": 2},
    "D": {"dj": 1, "isotropic": True},
    "rectifiers": {},
    "rectifiers-same": {"at": "same"},
}
"""Models by the options of `HarmonicCovariances`, or of `RectifierCovariances`."""


class GaussianModel:
    r"""Gaussian process with the observed covariances of wavelet coefficients at near places.

    Parameters
    ----------
    J : int
        Number of scales.
    L : int, default=8
        Number of directions in half a turn.
    dn : int, default=2
        Largest shift, in steps of :math:`2^j` pixels.
    max_iter : int, default=200
        Steps of Newton's method.
    tol : float, default=1e-5
        Largest difference between covariances of the model and observed ones, relative to the
        power of their channel.

    Attributes
    ----------
    spectrum : ndarray, shape (height, width)
        Expected :math:`|\hat x|^2 / (height \cdot width)`, frequencies as of `numpy.fft.fft2`.
    residual : float
        The difference reached.
    n_iter : int
        Steps taken.
    n_moments : int
        Covariances that are met, each once: both parts of complex ones, of half a turn's filters.

    Raises
    ------
    ValueError, TypeError
        If a count is out of range or no whole number.
    """

    def __init__(self, J, L=8, *, dn=2, max_iter=200, tol=1e-5):
        self.J = validation.count(J, "J", at_most=62)
        self.L = validation.count(L, "L")
        self.dn = validation.count(dn, "dn", at_least=0)
        self.max_iter = validation.count(max_iter, "max_iter")
        self.tol = validation.number(tol, "tol", above=0)

    def fit(self, image):
        """Find the spectrum by a damped Newton method.

        Parameters
        ----------
        image : ndarray or Tensor, shape (height, width)
            Real, or several images along a first axis, whose powers are averaged.

        Returns
        -------
        self : GaussianModel

        Raises
        ------
        ValueError
            If the shape does not fit the scales, a value is not finite, or the image is constant.
        TypeError
            If the image is not real.
        RuntimeError
            If the covariances are not met within ``max_iter`` steps.
        """
        images = _real_images(image)
        check_shape(images.shape[-2:], self.J)
        self._mean = images.mean()
        power = np.abs(np.fft.fft2(images - images.mean(axis=(1, 2), keepdims=True))) ** 2
        power = power.mean(axis=0) / power[0].size
        if not power.max() > 1e-20 * (1 + self._mean**2):
            raise ValueError(f"the image is constant, {self._mean:g}: it has no spectrum to model.")
        height, width = power.shape
        half = width // 2 + 1
        weight = np.full((height, half), 2.0)
        weight[:, 0] = 1.0
        if width % 2 == 0:
            weight[:, -1] = 1.0
        weight[0, 0] = 0.0  # the mean is not modelled
        F, n_unshifted = self._columns(power)
        self.n_moments = F.shape[1]
        P, self.n_iter, self.residual = _newton(
            F, power[:, :half].ravel(), weight.ravel(), n_unshifted, self.max_iter, self.tol
        )
        P = P.reshape(height, half)
        rows = -np.arange(height) % height
        mirrored = P[rows][:, 1 : width - half + 1][:, ::-1]
        self.spectrum = np.concatenate([P, mirrored], axis=1)
        self.spectrum[0, 0] = 0.0
        return self

    def sample(self, n, *, rng, progress=False):
        """Draw images.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator
        progress : bool, default=False
            Taken for the sake of `MaximumEntropy`; drawing takes no time.

        Returns
        -------
        images : ndarray, shape (n, height, width)
            With the mean of the observed image.

        Raises
        ------
        ValueError
            If there is no observed image, or ``n`` is below 1.
        TypeError
            If ``rng`` is no generator.
        """
        n = validation.count(n, "n")
        validation.generator(rng)
        if not hasattr(self, "spectrum"):
            raise ValueError("there is no observed image yet; call fit(image) first.")
        noise = np.fft.fft2(rng.standard_normal((n, *self.spectrum.shape)))
        return np.fft.ifft2(noise * np.sqrt(self.spectrum)).real + self._mean

    def _columns(self, power):
        """Squares of filters times waves, on half of the frequencies; unshifted ones first.

        The spectrum of a real image is even, so that filters of opposite directions come to the
        same column; and an even or odd part of a wave is enough.
        """
        shape = power.shape
        half = shape[1] // 2 + 1
        bank = filter_bank(shape, self.J, self.L)
        rows, columns = (w[:, :half] if w.shape[0] == 1 else w for w in frequencies(shape))
        # Of n and -n, one: cosines are equal, sines opposite.
        shifts = [
            (a, b)
            for a in range(-self.dn, self.dn + 1)
            for b in range(self.dn + 1)
            if b > 0 or a > 0
        ]
        unshifted, shifted = [], []
        filters = [(self.J - 1, bank.phi**2, None)] + [
            (j, bank.psi[j, q] ** 2, bank.psi[j, q + self.L] ** 2)
            for j in range(self.J)
            for q in range(self.L)
        ]
        for j, square, opposite in filters:
            scale = (power * square).sum()
            square = square[:, :half] / scale
            opposite = None if opposite is None else opposite[:, :half] / scale
            even = square if opposite is None else square + opposite
            unshifted.append(even.ravel())
            for a, b in shifts:
                wave = 2**j * (a * rows + b * columns)
                shifted.append((even * np.cos(wave)).ravel())
                if opposite is not None:
                    shifted.append(((square - opposite) * np.sin(wave)).ravel())
        return np.stack(unshifted + shifted, axis=1), len(unshifted)


class MaximumEntropy:
    """A model of the process that an image is one draw of.

    Parameters
    ----------
    model : {"A", "B", "C", "D", "rectifiers", "rectifiers-same"} or object, default="C"
        Of the module's description; or an object with ``fit(image)``, which returns itself, and
        ``loss(x)`` of a tensor, as `HarmonicCovariances` with other options than these models'.
    J : int, optional
        Number of scales; where it is left out, so many that the largest is an eighth of the
        shorter side, and at most 5.
    L : int, optional
        Number of directions in half a turn; where it is left out, 8, and 4 of rectifiers.
    iterations : int or sequence of int, default=500
        Of L-BFGS; of a sequence, each begins with an empty memory.
    periodic : bool, optional
        Whether the image continues at the opposite border; where it is left out, it does for models
        of harmonics, and does not for those of rectifiers. See `HarmonicCovariances`.
    histogram : bool, default=False
        Whether samples get the grey levels of the observed image at the end, or its levels of each
        colour.
    start : tuple of float, optional
        Mean and standard deviation of the white noise that is moved; those of the observed image,
        or of each colour, where it is left out.
    factor : float, default=100
        See `common.scattering.synthesis.descend`.

    Attributes
    ----------
    histories : list of ndarray
        After `sample`: the loss of each image before and after each iteration. Model A has none.

    Raises
    ------
    ValueError
        If there is no such model, an option is out of range, or model A is asked for on an image
        that is not periodic.
    TypeError
        If an option is of another type.

    Examples
    --------
    >>> image = np.random.default_rng(0).standard_normal((32, 32))
    >>> model = MaximumEntropy("B", J=2, L=4, iterations=5).fit(image)
    >>> model.sample(2, rng=np.random.default_rng(1), progress=False).shape
    (2, 32, 32)

    In colour:

    >>> image = np.random.default_rng(0).uniform(size=(32, 32, 3))
    >>> model = MaximumEntropy("rectifiers", J=2, iterations=5).fit(image)
    >>> model.sample(rng=np.random.default_rng(1), progress=False).shape
    (1, 32, 32, 3)
    """

    def __init__(
        self,
        model="C",
        *,
        J=None,
        L=None,
        iterations=500,
        periodic=None,
        histogram=False,
        start=None,
        factor=100.0,
    ):
        if isinstance(model, str):
            validation.choice(model, MODELS, "model")
        elif not (hasattr(model, "fit") and hasattr(model, "loss")):
            raise ValueError(
                f"model must be one of {', '.join(MODELS)}, or have fit(image) and loss(x); "
                f"got {model!r}."
            )
        of_rectifiers = isinstance(model, str) and model.startswith("rectifiers")
        L = (4 if of_rectifiers else 8) if L is None else L
        periodic = not of_rectifiers if periodic is None else periodic
        if model == "A" and not periodic:
            raise ValueError(
                "model A is of periodic images alone: its covariances come from a spectrum. Take "
                "another model, or set periodic=True."
            )
        self.model = model
        self.J, self.L = (
            (J if J is None else validation.count(J, "J", at_most=62)),
            validation.count(L, "L"),
        )
        for runs in np.atleast_1d(np.asarray(iterations, dtype=object)):
            validation.count(runs, "iterations")
        self.iterations = iterations
        self.periodic = validation.choice(periodic, (False, True), "periodic")
        self.histogram = validation.choice(histogram, (False, True), "histogram")
        self.start = start
        if start is not None:
            if np.shape(start) != (2,):
                raise ValueError(f"start must be a mean and a standard deviation, got {start!r}.")
            validation.number(start[0], "the mean of start")
            validation.number(start[1], "the standard deviation of start", above=0)
        self.factor = validation.number(factor, "factor", above=0)
        self.histories = []

    def fit(self, image):
        """Take the moments of an observed image.

        Parameters
        ----------
        image : ndarray or Tensor, shape (height, width) or (height, width, n_colors)
            In single or double precision, which is that of the computation; whole numbers become
            double. Colours are for models of rectifiers, and for models that are given as an
            object, which sees them as the first axis.

        Returns
        -------
        self : MaximumEntropy

        Raises
        ------
        ValueError
            If the image does not fit the scales, is constant, a value is not finite, or it has
            colours that the model does not know of.
        TypeError
            If it does not hold numbers.
        """
        image = _one_image(image)
        of_harmonics = isinstance(self.model, str) and not self.model.startswith("rectifiers")
        if image.ndim == 3 and of_harmonics:
            raise ValueError(
                f"model {self.model} is of grey images, got colours: shape "
                f"{(*image.shape[1:], len(image))}. Take model='rectifiers', or their mean."
            )
        J = self.J
        if J is None:
            J = int(np.clip(min(image.shape[-2:]).bit_length() - 4, 1, 5))
        if self.model == "A":
            moments = GaussianModel(J, self.L)
        elif isinstance(self.model, str) and not of_harmonics:
            moments = RectifierCovariances(
                image.shape, J, self.L, periodic=self.periodic, **MODELS[self.model]
            )
        elif isinstance(self.model, str):
            moments = HarmonicCovariances(
                image.shape, J, self.L, periodic=self.periodic, **MODELS[self.model]
            )
        else:
            moments = self.model
        self.moments = moments.fit(image)
        self._observed = image
        return self

    def sample(self, n=1, *, rng, progress=True):
        """Draw images.

        Parameters
        ----------
        n : int, default=1
        rng : numpy.random.Generator
        progress : bool, default=True
            Whether a bar shows the iterations and the loss.

        Returns
        -------
        images : ndarray, shape (n, height, width) or (n, height, width, n_colors)

        Raises
        ------
        ValueError
            If there is no observed image, or ``n`` is below 1.
        TypeError
            If ``rng`` is no generator.
        """
        from tqdm.auto import tqdm

        n = validation.count(n, "n")
        validation.generator(rng)
        if not hasattr(self, "_observed"):
            raise ValueError("there is no observed image yet; call fit(image) first.")
        if isinstance(self.moments, GaussianModel):
            found = self.moments.sample(n, rng=rng)
        else:
            runs = np.atleast_1d(self.iterations)
            bar = tqdm(total=n * int(runs.sum()), disable=not progress, unit="step")
            with bar:
                found = np.stack([self._descend(rng, bar) for _ in range(n)])
        observed = self._observed.cpu().numpy()
        if self.histogram and observed.ndim == 3:
            found = [[*map(match_histogram, image, observed)] for image in found]
        elif self.histogram:
            found = [match_histogram(image, observed) for image in found]
        found = np.stack(found)
        return np.moveaxis(found, 1, -1) if observed.ndim == 3 else found

    def _descend(self, rng, bar):
        x = self._observed
        mean, std = (x.mean(), x.std()) if self.start is None else self.start
        if x.ndim == 3 and self.start is None:
            mean, std = (f(dim=(-2, -1), keepdim=True) for f in (x.mean, x.std))
        noise = rng.standard_normal(x.shape)
        if x.is_complex():
            noise = (noise + 1j * rng.standard_normal(x.shape)) / np.sqrt(2)
        start = mean + std * torch.as_tensor(noise).to(x)
        found = descend(
            self.moments.loss, start, iterations=self.iterations, factor=self.factor, progress=bar
        )
        self.histories.append(found.history)
        return found.x.cpu().numpy()


def _newton(F, power, weight, n_unshifted, max_iter, tol):
    """The spectrum 1 / (F b) whose weighted sums F' P are those of the observed power."""
    used = weight > 0
    Y = F.T @ (weight * power)
    b = np.zeros(F.shape[1])
    b[:n_unshifted] = 1.0
    inverse = F @ b

    def objective(inverse, b):
        if not inverse[used].min() > 0:
            return np.inf
        return -0.5 * (weight[used] * np.log(inverse[used])).sum() + 0.5 * b @ Y

    value = objective(inverse, b)
    for iteration in range(max_iter + 1):
        P = np.where(used, 1 / np.where(used, inverse, 1), 0)
        gradient = 0.5 * (Y - F.T @ (weight * P))
        residual = 2 * float(np.abs(gradient).max())
        if residual <= tol:
            return 1 / inverse, iteration, residual
        scaled = F * (np.sqrt(0.5 * weight) * P)[:, None]
        # Powers differ by orders of magnitude from scale to scale: to unit diagonal. Waves on a
        # grid repeat, so that columns may depend on each other: hence the 1e-14.
        size = np.sqrt((scaled**2).sum(axis=0))
        hessian = (scaled / size).T @ (scaled / size) + 1e-14 * np.eye(len(b))
        step = -np.linalg.solve(hessian, gradient / size) / size
        slope, length = gradient @ step, 1.0
        change = F @ step
        while (
            not (new := objective(inverse + length * change, b + length * step))
            <= value + 1e-4 * length * slope
        ):
            length /= 2
            if length < 1e-12:
                break
        else:
            b, inverse, value = b + length * step, inverse + length * change, new
            continue
        break
    raise RuntimeError(
        f"the covariances of the Gaussian model are not met: they differ by {residual:.2g} of a "
        f"channel's power after {iteration} steps, {tol:g} being asked for. Raise max_iter or tol, "
        "or take a smaller dn."
    )


def _one_image(image):
    if not isinstance(image, torch.Tensor):
        values = np.asarray(image)
        if values.dtype.kind not in "fciu":
            raise TypeError(f"image must hold numbers, got an array of {values.dtype}.")
        if np.ma.is_masked(image):
            raise ValueError(
                f"image is a masked array with {np.ma.count_masked(image)} masked values. Fill "
                "them in first: moments need every pixel."
            )
        image = torch.as_tensor(values.astype(values.dtype.newbyteorder("=")))
    if image.dtype == torch.float16:
        image = image.float()
    if not (image.is_floating_point() or image.is_complex()):
        image = image.double()
    if image.ndim == 3 and image.shape[-1] in (2, 3, 4):
        image = image.movedim(-1, 0).contiguous()
    elif image.ndim != 2:
        raise ValueError(
            "image must have shape (height, width), or (height, width, n_colors) with 2 to 4 "
            f"colours, got {tuple(image.shape)}."
        )
    check_finite(image, "image")
    return image


def _real_images(image):
    values = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if np.iscomplexobj(values):
        raise TypeError("the Gaussian model is of real images; this one is complex.")
    values = validation.array(values, "image").astype(float)
    if values.ndim not in (2, 3):
        raise ValueError(f"image must have shape (height, width), got {values.shape}.")
    return values.reshape(-1, *values.shape[-2:])
