r"""Covariances of phase harmonics of a pattern's image, plain and with a translated wavelet.

With :math:`v_{\lambda, k} = [f \star \psi_\lambda]^k` of the wavelets :math:`\lambda = (j, q)` of
`common.scattering.filters_bump`, and observed means m, which stay fixed,

.. math:: K(\lambda, k; \lambda', k'; t) = \frac{1}{R^2} \sum_u
          (v^t_{\lambda, k}(u) - m^t_{\lambda, k}) (v_{\lambda', k'}(u) - m_{\lambda', k'})^*,

where :math:`v^t` is of the wavelet translated by t: 0, or :math:`2^j` pixels along its oscillation,
:math:`t = 2^j (\sin\alpha, \cos\alpha)` in rows and columns with :math:`\alpha = \pi q / L`.
Harmonics, scales and directions are those of
`common.scattering.harmonic_covariances.HarmonicCovariances` with ``dk=0``. Channels are not divided
by their standard deviations. The low-pass channel's power comes last, ten times.

How it is computed: of a real image, the coefficient of the direction :math:`q + L` is the conjugate
of that of q, and its translation is the opposite one. So half of the directions are filtered, each
at three places: as it is, and translated forth and back. All covariances are sums of two entries of
*one* product of matrices, whose rows are real and imaginary parts of channels.
"""

import numpy as np
import torch

from common import validation
from common.scattering.base import check_finite
from common.scattering.filters_bump import check_shape, filter_bank, frequencies
from common.scattering.harmonics import phase_and_modulus, powers_of_phase, pull_back

__all__ = ["PatternMoments"]

LOW_PASS_WEIGHT = 10.0
"""What the authors multiply the power of the low-pass channel by."""


class PatternMoments:
    r"""Moments of a pattern's image, compared with those of an observed one.

    Parameters
    ----------
    size : int
        Side of the images, in pixels.
    J : int
        Number of scales.
    L : int, default=4
        Number of directions in half a turn.
    dj : int, default=2
        How many scales coarser the second channel may be.
    second_order : bool, default=False
        Take coefficients themselves alone, each with itself: what a power spectrum tells. Without
        harmonics, and without pairs of wavelets.

    Attributes
    ----------
    n_moments : int
        How many covariances there are, as the authors count: a complex one once, conjugates twice.
    target : Tensor, shape (n_values,)
        Real and imaginary parts of the observed moments; see `fit`.
    weight : Tensor, shape (n_values,)
        How many of the authors' moments each value stands for.
    power : float
        Weighted sum of squares of ``target``.

    Raises
    ------
    ValueError
        If a count is out of range.
    TypeError
        If a count is no whole number.

    Notes
    -----
    Called with real images of shape (..., size, size), it returns values of shape (...,
    n_values), differentiable, in the precision and on the device of the images.

    References
    ----------
    .. [1] A. Brochard, B. Błaszczyszyn, S. Mallat, S. Zhang, "Particle gradient descent model for
       point process generation", Statistics and Computing 32, 2022, arXiv:2010.14928.

    Examples
    --------
    >>> PatternMoments(64, J=3).n_moments, PatternMoments(64, J=4).n_moments
    (1681, 2561)
    >>> PatternMoments(64, J=3, second_order=True).n_moments
    49
    """

    def __init__(self, size, J, L=4, *, dj=2, second_order=False):
        self.size, _ = check_shape((size, size), J)
        self.J, self.L = int(J), validation.count(L, "L", at_least=2)
        self.dj = validation.count(dj, "dj", at_least=0)
        self.second_order = validation.choice(second_order, (False, True), "second_order")
        self._rows = _Rows(self._blocks(), self.J, self.L, 0 if second_order else self.L // 2)
        self._filters = {}
        self._means = self.target = None

    def _blocks(self):
        """How many scales apart, and both harmonics."""
        if self.second_order:
            return [(0, 1, 1)]
        found = [(0, 1, 0), (0, 1, 1), (0, 0, 0)]
        for apart in range(1, min(self.dj, self.J - 1) + 1):
            found += [(apart, 0, 0), (apart, 0, 1), (apart, 0, 2), (apart, 1, 2**apart)]
        return found

    @property
    def n_moments(self):
        return self._rows.n_moments + 1

    def fit(self, image):
        """Take means and the moments to be met from an observed image.

        Parameters
        ----------
        image : Tensor, shape (size, size)

        Returns
        -------
        self : PatternMoments

        Raises
        ------
        ValueError
            If the shape is another, a value is not finite, or the image is constant.
        TypeError
            If it is not a real tensor in single or double precision.
        """
        if self._image(image).ndim != 2:
            raise ValueError(
                f"image must be one image, of shape {(self.size, self.size)}, got "
                f"{tuple(image.shape)}."
            )
        check_finite(image, "image")
        with torch.no_grad():
            first, second = self._channels(image[None], 0.0, 0.0)
            low = self._low(image[None])
            if not (first.abs().amax() > 1e-6 * (1 + image.abs().amax())):
                raise ValueError(f"the image is constant, {image.mean():g}: it has no moments.")
            self._means = first.mean(dim=-1, keepdim=True), second.mean(dim=-1, keepdim=True)
            self._low_mean = low.mean()
            self.target = self(image)
            self.weight = torch.as_tensor(self._rows.weight).to(image)
            self.power = float((self.target**2 * self.weight).sum())
        return self

    def __call__(self, x):
        """Moments of images, with the means of the observed one.

        Parameters
        ----------
        x : Tensor, shape (..., size, size)

        Returns
        -------
        moments : Tensor, shape (..., n_values)

        Raises
        ------
        ValueError
            If nothing was observed yet, or the shape is another.
        TypeError
            If it is not a real tensor in single or double precision.
        """
        if self._means is None:
            raise ValueError("there is no observed image yet; call fit(image) first.")
        images = self._image(x).reshape(-1, self.size, self.size)
        first, second = self._channels(images, *(mean.to(images) for mean in self._means))
        products = (first @ second.mT).flatten(1) / self.size**2
        places, weights = (part.to(images.device) for part in self._rows.places_and_weights)
        weights = weights.to(products)
        values = products.index_select(1, places[0]) * weights[0]
        values = values + products.index_select(1, places[1]) * weights[1]
        low = self._low(images) - self._low_mean.to(images)
        power = LOW_PASS_WEIGHT * low.square().mean(dim=(1, 2))[:, None]
        return torch.cat([values, power], dim=1).reshape(*x.shape[:-2], -1)

    def loss(self, x):
        """Sum of squared differences from the observed moments, as the authors count them.

        Parameters
        ----------
        x : Tensor, shape (..., size, size)

        Returns
        -------
        loss : Tensor, shape (...)

        Raises
        ------
        ValueError, TypeError
            As the call.
        """
        difference = self(x) - self.target.to(x)
        return (difference**2 * self.weight.to(x)).sum(dim=-1)

    # ---- channels

    def _channels(self, images, *means):
        """Real rows of first and of second channels, less their means; see `_Rows`."""
        spectrum = torch.fft.fft2(images)
        z = torch.fft.ifft2(spectrum[:, None] * self._of_images(images)[0]).flatten(-2)
        second = {k: begin * self.L for k, begin in self._rows.second.items()}
        return _RealRows.apply(z, self._rows.first, second, self.J * self.L, *means)

    def _low(self, images):
        low = torch.fft.ifft2(torch.fft.fft2(images) * self._of_images(images)[1])
        return low.real

    def _of_images(self, images):
        """Wavelets (plain, translated forth and back) and low-pass filter, as these images."""
        key = (images.dtype, images.device)
        if key not in self._filters:
            bank = filter_bank((self.size, self.size), self.J, self.L)
            psi = bank.psi[:, : self.L]
            rows, columns = frequencies((self.size, self.size))
            angle = np.pi * np.arange(self.L)[:, None, None] / self.L
            along = np.sin(angle) * rows + np.cos(angle) * columns
            step = 2.0 ** np.arange(self.J)[:, None, None, None]
            wave = np.exp(-1j * step * along)
            filters = np.concatenate([psi, psi * wave, psi * wave.conj()]).reshape(
                -1, self.size, self.size
            )
            dtype = images.dtype.to_complex()
            filters = torch.as_tensor(filters).to(images.device, dtype)
            self._filters[key] = filters, torch.as_tensor(bank.phi).to(images)
        return self._filters[key]

    def _image(self, x):
        if not isinstance(x, torch.Tensor) or x.dtype not in (torch.float32, torch.float64):
            kind = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
            raise TypeError(
                f"images must be real tensors in single or double precision, got {kind}."
            )
        if x.shape[-2:] != (self.size, self.size):
            raise ValueError(
                f"images have shape {tuple(x.shape)}, but these moments are for shape "
                f"{(self.size, self.size)}."
            )
        return x


class _Rows:
    """Where each covariance is in the product of the matrices of first and second channels.

    Rows of first channels: by harmonic, place (plain, forth, back), scale and direction of half a
    turn. Rows of second ones: by harmonic, scale and direction. Of a complex channel there are all
    real parts, then all imaginary ones.
    """

    def __init__(self, blocks, J, L, dl):
        self.J, self.L = J, L
        self.first = sorted({k for _, k, _ in blocks})
        self.n_first = len(self.first)
        self.second = {}  # by harmonic, the finest scale that needs it
        for apart, _, k2 in blocks:
            self.second[k2] = min(self.second.get(k2, J), apart)
        self.second = dict(sorted(self.second.items()))
        places, weights, counts = [], [], []
        self.n_moments = 0
        for apart, k, k2 in blocks:
            for j in range(J - apart):
                for one in self._of_scales(j, j + apart, k, k2, dl):
                    places.append(one[0])
                    weights.append(one[1])
                    counts.append(one[2])
                self.n_moments += 2 * 2 * L * (2 * dl + 1)
        self.weight = np.array([*counts, 1.0])
        self.places_and_weights = tuple(
            torch.as_tensor(np.array(part).T.copy()) for part in (places, weights)
        )

    def _of_scales(self, j, j2, k, k2, dl):
        """Places of two entries, their weights, and for how many moments the sum stands."""
        for q in range(self.L):
            for difference in range(-dl, dl + 1):
                q2 = (q + difference) % (2 * self.L)
                conjugate, base = -1.0 if q2 >= self.L else 1.0, q2 % self.L
                for place in range(3):
                    # Plain ones of the other half turn are conjugates of these: twice. Those with
                    # a translated wavelet are conjugates of these translated back.
                    count = 2.0 if place == 0 else 1.0
                    a = self._first(k, place, j, q)
                    b = self._second(k2, j2, base)
                    same = place == 0 and j == j2 and k == k2 and difference == 0
                    for pair, signs in self._parts(a, b, conjugate, same):
                        yield pair, signs, count

    def _parts(self, a, b, conjugate, same):
        """Real part, and imaginary one where it is not 0, of A times the conjugate of B."""
        n = self.n_second_rows
        (re, im), (re2, im2) = a, b
        entry = lambda row, column: row * n + column  # noqa: E731
        if im is None and im2 is None:
            yield (entry(re, re2),) * 2, (1.0, 0.0)
        elif im2 is None:
            yield (entry(re, re2),) * 2, (1.0, 0.0)
            yield (entry(im, re2),) * 2, (1.0, 0.0)
        elif im is None:
            yield (entry(re, re2),) * 2, (1.0, 0.0)
            yield (entry(re, im2),) * 2, (-conjugate, 0.0)
        else:
            yield (entry(re, re2), entry(im, im2)), (1.0, conjugate)
            if not same:
                yield (entry(im, re2), entry(re, im2)), (1.0, -conjugate)

    def _first(self, k, place, j, q):
        begin, n = 0, 3 * self.J * self.L
        for other in self.first:
            if other == k:
                break
            begin += n if other == 0 else 2 * n
        row = begin + (place * self.J + j) * self.L + q
        return row, None if k == 0 else row + n

    def _second(self, k, j, q):
        begin = 0
        for other, finest in self.second.items():
            n = (self.J - finest) * self.L
            if other == k:
                row = begin + (j - finest) * self.L + q
                return row, None if k == 0 else row + n
            begin += n if other == 0 else 2 * n
        raise AssertionError(k)

    @property
    def n_second_rows(self):
        return sum(
            (self.J - finest) * self.L * (1 if k == 0 else 2) for k, finest in self.second.items()
        )


class _RealRows(torch.autograd.Function):
    """Harmonics as rows of real numbers; of complex ones, first all real parts.

    From coefficients of shape (n_images, n, n_pixels), of which the first ``n_plain`` are not
    translated, to rows of the harmonics ``first`` of all, and of the harmonics ``second`` of those
    not translated, each from a channel on. A harmonic of both kinds is computed once.
    """

    @staticmethod
    def forward(ctx, z, first, second, n_plain, mean, mean_of_second):
        phase, modulus = phase_and_modulus(z)
        power = powers_of_phase(phase[:, :n_plain])
        one = z.real.new_empty(len(z), sum(_parts(k) for k in first) * z.shape[1], z.shape[2])
        n_second = sum(_parts(k) * (n_plain - begin) for k, begin in second.items())
        two = z.real.new_empty(len(z), n_second, z.shape[2])
        for k, rows in _slices(first, dict.fromkeys(first, 0), z.shape[1]):
            for part, values in zip(rows, (z.real, z.imag) if k else (modulus,), strict=True):
                one[:, part] = values
        for k, rows in _slices(second, second, n_plain):
            if k < 2:
                w = z[:, second[k] : n_plain] if k else modulus[:, second[k] : n_plain]
            else:
                w = z[:, second[k] : n_plain] * power(k - 1)[:, second[k] :]
            for part, values in zip(rows, (w.real, w.imag) if k else (w,), strict=True):
                two[:, part] = values
        ctx.layout = first, second, n_plain
        ctx.save_for_backward(phase)
        return one.sub_(mean), two.sub_(mean_of_second)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, of_first, of_second):
        (phase,) = ctx.saved_tensors
        first, second, n_plain = ctx.layout
        total = torch.zeros_like(phase)
        parts = [
            (k, rows, of_first, 0, phase.shape[1])
            for k, rows in _slices(first, dict.fromkeys(first, 0), phase.shape[1])
        ]
        parts += [(k, rows, of_second, second[k], n_plain)
                  for k, rows in _slices(second, second, n_plain)]  # fmt: skip
        for k, rows, gradients, begin, end in parts:
            gradient = gradients[:, rows[0]]
            if k:
                gradient = torch.complex(gradient, gradients[:, rows[1]])
            total[:, begin:end] += pull_back(gradient, powers_of_phase(phase[:, begin:end]), k)
        return total, None, None, None, None, None


def _parts(k):
    """Real numbers of a harmonic."""
    return 2 if k else 1


def _slices(orders, begins, n):
    """Of each harmonic of channels from a first one to n, the rows of its parts."""
    at = 0
    for k in orders:
        size = n - begins[k]
        yield k, [slice(at + size * part, at + size * (part + 1)) for part in range(_parts(k))]
        at += _parts(k) * size
