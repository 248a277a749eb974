r"""The neural mass model of Jansen and Rit, integrated for many parameters at once.

Three populations with states :math:`Q = (X_0, X_1, X_2)` and derivatives :math:`P = (X_3, X_4,
X_5)`, :math:`dQ = P\,dt`,

.. math::
    dX_3 &= [A a S(X_1 - X_2) - 2 a X_3 - a^2 X_0] dt + \epsilon_0 dW_0, \\
    dX_4 &= [A a (\mu + 0.8 C S(C X_0)) - 2 a X_4 - a^2 X_1] dt + \sigma dW_1, \\
    dX_5 &= [B b \tfrac C4 S(\tfrac C4 X_0) - 2 b X_5 - b^2 X_2] dt + \epsilon_2 dW_2,

with :math:`S(v) = 5 / (1 + e^{0.56 (6 - v)})`. What is observed is :math:`10^{g/10} (X_1 - X_2)`
at 128 Hz: the gain g, in dB, acts on the amplitude.

**Splitting** [1]_. Without S each population is a linear equation with noise, which is solved
exactly in one step: with :math:`E(t) = e^{-at}`, :math:`(X, P)` is multiplied by

.. math:: E(h) \begin{pmatrix} 1 + a h & h \\ -a^2 h & 1 - a h \end{pmatrix}

and gets a normal number of covariance :math:`s^2 \int_0^h v v^\top dt`, :math:`v = E(t) (t, 1 - a
t)`. What S adds changes P alone and depends on Q alone, so half a step of it before and half a
step after (Strang) are a whole step between two steps of the other kind. The error is of second
order in h.

**Gain**. It multiplies the signal, so simulations that differ in it only are one simulation; the
logarithm of a power spectrum rises by g / 5. See `common.inference.pools`.

References
----------
.. [1] E. Buckwar, M. Tamborrino, I. Tubikanec, "Spectral density-based and measure-preserving ABC
   for partially observed diffusion processes", Statistics and Computing 30, 2020,
   arXiv:1903.01138.
"""

from typing import ClassVar

import numpy as np
from scipy import linalg

from common import validation

__all__ = ["SFREQ", "JansenRit", "frequencies", "linear_step", "log_spectrum"]

SFREQ = 128.0
"""Sampling rate of what is observed, in Hz."""

_STEP = 2.0**-10  # s
_EVERY = 8  # steps from sample to sample
_LONGEST = 1e5  # s: more than a day
_STRONGEST = 1e12  # of parameters, far beyond any that the model is used with
_LENGTH, _HOP = 65, 32  # samples of a window, and from window to window
_RADIUS, _ANGLE = np.float32(2.0**-32 * (1 - 2.0**-22)), np.float32(np.pi * 2.0**-31)
_OF_64_BITS = (np.random.PCG64, np.random.PCG64DXSM, np.random.SFC64, np.random.Philox)
_RATE, _THRESHOLD, _SLOPE = 5.0, 6.0, 0.56  # of S: 1/s, mV, 1/mV


class JansenRit:
    r"""Simulator of the model, vectorised over simulations.

    Parameters
    ----------
    duration : float, default=8
        Of what is kept, in s, at most 1e5; with the burn-in a multiple of 1 / 128.
    burn_in : float, default=2
        What is simulated before, in s, at most 1e5, from a standard normal state.
    noise : (float, float), default=(0.01, 1)
        Intensities :math:`\epsilon_0, \epsilon_2` of the other two populations' noise.
    chunk : int, default=2500
        Simulations at a time. It bounds the memory, about 8 kB for each of them, and is a part of
        the result: random numbers are drawn chunk by chunk.
    n_substeps : int, default=1
        Integration steps in 2^-10 s.
    dtype : str, default="float32"
        Precision, ``"float32"`` or ``"float64"``.

    Attributes
    ----------
    domain : dict
        Where it is defined: ``C``, ``mu``, ``sigma`` not below 0.

    Raises
    ------
    TypeError, ValueError
        If an option is out of range.
    """

    domain: ClassVar = {"C": (0.0, np.inf), "mu": (0.0, np.inf), "sigma": (0.0, np.inf)}

    def __init__(
        self,
        *,
        duration=8.0,
        burn_in=2.0,
        noise=(0.01, 1.0),
        chunk=2500,
        n_substeps=1,
        dtype="float32",
    ):
        self.n_times = _n_samples(duration, "duration", at_least=1)
        self.n_burn_in = _n_samples(burn_in, "burn_in", at_least=0)
        self.noise = tuple(validation.vector(noise, "noise", at_least=0).tolist())
        if len(self.noise) != 2:
            raise ValueError(f"noise must be two numbers, got {len(self.noise)}.")
        self.chunk = validation.count(chunk, "chunk")
        self.n_substeps = validation.count(n_substeps, "n_substeps")
        self.dtype = np.dtype(validation.choice(dtype, ("float32", "float64"), "dtype"))

    def __call__(self, theta, rng, *, reduce=None):
        """Signals, without a gain and with their mean.

        Parameters
        ----------
        theta : array_like, shape (n, 3)
            ``C`` (no unit), ``mu`` (1/s) and ``sigma`` of each simulation, at most 1e12.
        rng : numpy.random.Generator
        reduce : callable, optional
            What is kept of the signals of a chunk, ``reduce(signals) -> ndarray, shape (n_chunk,
            ...)``: with it memory does not grow with the signals of all simulations. By default
            all of them are returned.

        Returns
        -------
        signals : ndarray, shape (n, n_times)
            X1 - X2 in mV at 128 Hz, or what ``reduce`` makes of it. A simulation that leaves the
            range of numbers is NaN or infinite from there on.

        Raises
        ------
        TypeError, ValueError
            If a parameter is not finite, negative or above 1e12, or ``rng`` is no generator.
        """
        theta = validation.array(theta, "theta", ndim=2, at_least=0, at_most=_STRONGEST)
        if theta.shape[1] != len(self.domain):
            raise ValueError(f"theta must have columns C, mu and sigma, got shape {theta.shape}.")
        rng = validation.generator(rng)
        parts = []
        for start in range(0, len(theta), self.chunk):
            signals = self._integrate(theta[start : start + self.chunk].T, rng)
            parts.append(signals if reduce is None else reduce(signals))
        return np.concatenate(parts)

    def _integrate(self, parameters, rng):
        kind, n = self.dtype.type, parameters.shape[1]
        coupling, drive, sigma = parameters.astype(kind)
        a, b, h = kind(100), kind(50), _STEP / self.n_substeps
        excite, inhibit = kind(3.25 * a * h), kind(22.0 * b * h)
        # Rows are populations: (X, P) -> m (X, P) + l (z, z') with the noise's Cholesky factor l.
        rates = np.array([a, a, b], dtype=float)
        m, factor = linear_step(rates, h)
        intensity = np.stack([np.full(n, self.noise[0]), sigma, np.full(n, self.noise[1])])
        l00, l10, l11 = ((one[:, None] * intensity).astype(kind) for one in factor)
        m00, m01, m10, m11 = (one[:, None].astype(kind) for one in m)
        # Arguments of S, shifted and scaled, and what its values are multiplied by.
        gain = np.stack([np.ones(n), coupling, coupling / 4]).astype(kind) * kind(-_SLOPE)
        push = np.stack([np.ones(n), 0.8 * coupling, coupling / 4])
        push *= _RATE * np.array([[excite], [excite], [inhibit]], dtype=float)
        push = push.astype(kind)
        mean_push = excite * drive
        shift = kind(_SLOPE * _THRESHOLD)
        q, p = rng.standard_normal((2, 3, n), dtype=kind)
        z = np.empty((2, 3, n), dtype=kind)
        work, moved = np.empty((3, n), dtype=kind), np.empty((3, n), dtype=kind)
        kept = np.empty((self.n_times, n), dtype=kind)
        n_between = _EVERY * self.n_substeps

        def kick(scale):
            np.subtract(q[1], q[2], out=work[0])
            work[1:] = q[0]
            np.multiply(work, gain, out=work)
            np.add(work, shift, out=work)
            np.exp(work, out=work)
            np.add(work, 1, out=work)
            np.divide(push, work, out=work)
            work[1] += mean_push
            if scale != 1:
                np.multiply(work, scale, out=work)
            np.add(p, work, out=p)

        with np.errstate(over="ignore", invalid="ignore"):
            kick(kind(0.5))
            for sample in range(-self.n_burn_in, self.n_times):
                for step in range(n_between):
                    _draw_normal(rng, z, work)
                    np.multiply(p, m01, out=work)
                    np.multiply(q, m10, out=moved)
                    np.multiply(q, m00, out=q)
                    np.add(q, work, out=q)
                    np.multiply(p, m11, out=p)
                    np.add(p, moved, out=p)
                    np.multiply(l00, z[0], out=work)
                    np.add(q, work, out=q)
                    np.multiply(l10, z[0], out=work)
                    np.add(p, work, out=p)
                    np.multiply(l11, z[1], out=work)
                    np.add(p, work, out=p)
                    if step == n_between - 1 and sample >= 0:
                        np.subtract(q[1], q[2], out=kept[sample])
                    kick(kind(1))
        return np.ascontiguousarray(kept.T)


def linear_step(rates, h):
    r"""Exact step of :math:`\ddot x + 2 a \dot x + a^2 x = s \dot W`.

    Parameters
    ----------
    rates : array_like, shape (n,)
        a, in 1/s.
    h : float
        Step, in s.

    Returns
    -------
    matrix : ndarray, shape (4, n)
        What (x, x') is multiplied by: first row, then second row.
    factor : ndarray, shape (3, n)
        Lower Cholesky factor of the covariance of the noise for s = 1: entries 00, 10 and 11.

    Raises
    ------
    TypeError, ValueError
        If a rate or the step is no finite number above 0, or at most 100 of their product.

    Notes
    -----
    The covariance is :math:`\int_0^h v v^\top dt` with v the second column of the matrix at time
    t. With M the generator, it is a block of a matrix exponential (Van Loan), which loses no
    digits at small h after scaling: :math:`x` is measured in units of h, and time as well.
    """
    h = validation.number(h, "h", above=0, unit="s")
    matrices, factors = [], []
    for rate in validation.vector(rates, "rates", above=0, unit="1/s").astype(float):
        k = validation.number(float(rate * h), "a rate times h", at_least=1e-8, at_most=100)
        generator = np.array([[0.0, 1.0], [-k * k, -2 * k]])
        block = np.zeros((4, 4))
        block[:2, :2], block[:2, 2:], block[2:, 2:] = -generator, np.diag([0.0, 1.0]), generator.T
        block = linalg.expm(block)
        matrix = block[2:, 2:].T
        lower = np.linalg.cholesky(matrix @ block[:2, 2:])
        # Back from time in units of h: x' has 1/h, and noise of unit intensity sqrt(h).
        matrices.append([matrix[0, 0], matrix[0, 1] * h, matrix[1, 0] / h, matrix[1, 1]])
        factors.append(np.array([lower[0, 0] * h, lower[1, 0], lower[1, 1]]) * np.sqrt(h))
    return np.array(matrices).T, np.array(factors).T


def log_spectrum(signals, *, n_segments=1):
    """Logarithm of the mean power spectrum over windows of 65 samples, 32 apart, without a taper.

    Parameters
    ----------
    signals : array_like, shape (..., n_times)
        At 128 Hz.
    n_segments : int, default=1
        Equal parts of a signal that are treated as signals of their own: the mean of each is
        removed, and windows lie within them. Their power is averaged.

    Returns
    -------
    spectra : ndarray, shape (..., 33)
        log10 of the mean of the squared modulus of the Fourier transform, at `frequencies`. A gain
        of g dB on the amplitude adds g / 5. Not finite where the signal is not.

    Raises
    ------
    TypeError, ValueError
        If there is no signal, signals hold no real numbers or masked ones, are not a whole number
        of segments, or a segment is shorter than a window.
    """
    signals = np.asarray(validation.unmasked(signals, "signals"))
    if signals.dtype.kind not in "iuf":
        raise TypeError(f"signals must hold real numbers, got {signals.dtype}.")
    if signals.size == 0:
        raise ValueError(f"signals is empty: its shape is {signals.shape}.")
    n_segments = validation.count(n_segments, "n_segments")
    n_times = signals.shape[-1] if signals.ndim else 0
    if n_times % n_segments or n_times // n_segments < _LENGTH:
        raise ValueError(
            f"signals of {n_times} samples must be {n_segments} equal segments of at least "
            f"{_LENGTH} samples, one window."
        )
    parts = signals.reshape(*signals.shape[:-1], n_segments, -1)
    parts = parts - parts.mean(axis=-1, keepdims=True)
    windows = np.lib.stride_tricks.sliding_window_view(parts, _LENGTH, axis=-1)[..., ::_HOP, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.abs(np.fft.rfft(windows, axis=-1)) ** 2
        return np.log10(power.mean(axis=(-3, -2)))


def frequencies():
    """Frequencies of `log_spectrum`.

    Returns
    -------
    frequencies : ndarray, shape (33,)
        In Hz.
    """
    return np.fft.rfftfreq(_LENGTH, 1 / SFREQ)


def _draw_normal(rng, z, work):
    """Fill z, of shape (2, ...), with independent standard normal numbers.

    In single precision by the method of Box and Muller: logarithm, sine and cosine are of whole
    arrays, in a third of the time of numpy's rejection, one number after the other, which was most
    of a simulation's. As the uniform numbers have 23 bits, none exceeds 5.6 in absolute value.
    """
    if z.dtype != np.float32 or not isinstance(rng.bit_generator, _OF_64_BITS):
        rng.standard_normal(out=z, dtype=z.dtype)
        return
    bits = rng.bit_generator.random_raw(z.size // 2).view(np.int32)
    np.copyto(z, bits.reshape(z.shape), casting="unsafe")
    radius, angle = z
    np.multiply(radius, _RADIUS, out=radius)
    np.add(radius, np.float32(0.5), out=radius)  # in (0, 1)
    np.log(radius, out=radius)
    np.multiply(radius, np.float32(-2), out=radius)
    np.sqrt(radius, out=radius)
    np.multiply(angle, _ANGLE, out=angle)
    np.cos(angle, out=work)
    np.sin(angle, out=angle)
    np.multiply(angle, radius, out=angle)
    np.multiply(radius, work, out=radius)


def _n_samples(seconds, name, *, at_least):
    limits = {"at_least": at_least / SFREQ, "at_most": _LONGEST}
    n = validation.number(seconds, name, **limits, unit="s") * SFREQ
    if n != round(n):
        raise ValueError(f"{name} must be a multiple of 1/128 s, got {seconds!r} s.")
    return round(n)
