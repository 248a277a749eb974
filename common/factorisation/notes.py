r"""Two notes that sound after each other and together, simulated, and what learned atoms look like.

The signal has three parts of one second. A low note, A4 with 440 Hz and its octave at half the
amplitude, sounds in the first, a high one, B flat 4 with 466.16 and 932.33 Hz, in the second, both
in the third:

.. math:: x(t) = \tfrac{e}{4} \big[ \cos(2\pi f t + p_1) + \tfrac12 \cos(4\pi f t + p_2) \big]
                 \exp\Big( \frac{-1}{1 - u^2} \Big), \qquad u = 2 t - 1,

with t in s from the start of the part, and phases drawn anew for each note and realisation. The
phase is all that differs between realisations, so the frames have covariances of low rank: a cosine
of random phase has two eigenvectors, of sine and cosine type.
"""

from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.signal

from common import validation
from common.spd.joint_diagonalisation import FrameCovariances

__all__ = ["FREQUENCIES", "Cosine", "covariances", "fit_cosine", "frame", "simulate"]

FREQUENCIES = (440.0, 440.0 * 2 ** (1 / 12))
"""Of the two notes, in Hz."""

_PARTS = ((0,), (1,), (0, 1))  # which notes sound in each second
_AT_ONCE = 100  # realisations in memory, where only their covariances are kept


class Cosine(NamedTuple):
    """The cosine nearest to an atom."""

    frequency: float
    """In Hz."""
    error: float
    """Squared distance to the atom, of which the sum of squares is 1: from 0 to 1."""
    fitted: np.ndarray
    """The cosine, shape (n_samples,)."""


def simulate(n_realisations, *, sfreq, rng):
    """Realisations of the notes; the first ones do not depend on how many follow.

    Parameters
    ----------
    n_realisations : int
    sfreq : float
        Sampling rate, in Hz; above twice the highest frequency.
    rng : numpy.random.Generator

    Returns
    -------
    signals : ndarray, shape (n_realisations, 3 * round(sfreq))
        Without unit; a note alone reaches at most 0.375.

    Raises
    ------
    TypeError
        If a number is not one, or ``rng`` no generator.
    ValueError
        If ``n_realisations`` is below 1, or ``sfreq`` too low.
    """
    n_realisations = validation.count(n_realisations, "n_realisations")
    sfreq = validation.number(sfreq, "sfreq", above=4 * max(FREQUENCIES), unit="Hz")
    rng = validation.generator(rng)
    t = np.arange(round(sfreq)) / sfreq
    u = 2 * t - 1
    envelope = np.zeros_like(t)
    inside = np.abs(u) < 1
    envelope[inside] = np.e / 4 * np.exp(-1 / (1 - u[inside] ** 2))
    signals = np.zeros((n_realisations, len(_PARTS), len(t)))
    played = [(part, note) for part, notes in enumerate(_PARTS) for note in notes]
    phases = rng.uniform(0, 2 * np.pi, size=(n_realisations, len(played), 2, 1))
    for (part, note), of_note in zip(played, phases.swapaxes(0, 1), strict=True):
        angle = 2 * np.pi * FREQUENCIES[note] * t
        signals[:, part] += np.cos(angle + of_note[:, 0])
        signals[:, part] += np.cos(2 * angle + of_note[:, 1]) / 2
    return (signals * envelope).reshape(n_realisations, -1)


def frame(signals, *, sfreq, duration=0.04):
    """Frames of signals, tapered at their ends and half overlapping.

    They are the inverse Fourier transform of a short-time Fourier transform with a Tukey window of
    a tenth: what `scipy.signal.stft` transforms, with half a frame of zeros before and after the
    signal.

    Parameters
    ----------
    signals : array_like, shape (n_realisations, n_times)
    sfreq : float
        In Hz.
    duration : float, default=0.04
        Of a frame, in s.

    Returns
    -------
    frames : ndarray, shape (n_realisations, n_samples, n_frames)

    Raises
    ------
    TypeError
        If an argument holds no numbers.
    ValueError
        If the signals are no two axes of finite numbers, a frame has fewer than two samples, or the
        signals are shorter than one.
    """
    signals = validation.array(signals, "signals", ndim=2)
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    duration = validation.number(duration, "duration", above=0, unit="s")
    n_samples = round(min(duration * sfreq, 1e15))
    if not 2 <= n_samples <= signals.shape[1]:
        raise ValueError(
            f"a frame of {duration:g} s has {n_samples} samples at {sfreq:g} Hz; it must have at "
            f"least 2, and no more than the {signals.shape[1]} of a signal."
        )
    _, _, spectra = scipy.signal.stft(
        signals, sfreq, window=("tukey", 0.1), nperseg=n_samples, return_onesided=False
    )
    return np.fft.ifft(spectra, axis=1).real


def covariances(n_realisations, *, sfreq, rng, eps, duration=0.04):
    """Second moments of frames of the notes; of many realisations, never all in memory.

    Parameters
    ----------
    n_realisations : int
    sfreq : float
        In Hz.
    rng : numpy.random.Generator
    eps : float
        Added to all powers, in the squared unit of frames.
    duration : float, default=0.04
        Of a frame, in s.

    Returns
    -------
    covariances : FrameCovariances

    Raises
    ------
    TypeError, ValueError
        As `simulate`, `frame` and `common.spd.joint_diagonalisation.FrameCovariances`.
    """
    n_realisations = validation.count(n_realisations, "n_realisations")

    def some(n):
        return frame(simulate(n, sfreq=sfreq, rng=rng), sfreq=sfreq, duration=duration)

    if n_realisations <= _AT_ONCE:
        return FrameCovariances.of_frames(some(n_realisations), eps=eps)
    total = 0.0
    for first in range(0, n_realisations, _AT_ONCE):
        by_frame = some(min(_AT_ONCE, n_realisations - first)).transpose(2, 1, 0)
        total = total + by_frame @ by_frame.swapaxes(1, 2)
    return FrameCovariances(total / n_realisations, eps=eps)


def fit_cosine(atom, *, sfreq):
    r"""The cosine nearest to an atom in the least-squares sense.

    For a frequency the best :math:`a \cos \omega m + b \sin \omega m` is a projection. The squared
    error that remains is a smooth function of the frequency, whose minimum is looked for around the
    largest values of a finely sampled spectrum: no random start is needed.

    Parameters
    ----------
    atom : array_like, shape (n_samples,)
        Scaled to a sum of squares of 1.
    sfreq : float
        In Hz.

    Returns
    -------
    cosine : Cosine

    Raises
    ------
    TypeError
        If an argument holds no numbers.
    ValueError
        If there are fewer than four samples, or the atom is zero, or it or its sum of squares is
        not finite.

    Examples
    --------
    >>> cosine = fit_cosine(np.cos(2 * np.pi * 440 * np.arange(200) / 5000), sfreq=5000)
    >>> round(cosine.frequency, 3), round(cosine.error, 6)
    (440.0, 0.0)
    """
    atom = validation.array(atom, "atom", ndim=1)
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    with np.errstate(over="ignore"):
        norm = np.linalg.norm(atom)
        power = norm**2
    if len(atom) < 4 or not 0 < power < np.inf:
        raise ValueError(
            f"atom must have at least 4 samples that are not all zero, got {len(atom)} samples "
            f"with a sum of squares of {power:g}."
        )
    atom = atom / norm
    m = np.arange(len(atom))

    def projected(frequency):
        angle = 2 * np.pi * frequency / sfreq * m
        basis = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return basis @ np.linalg.lstsq(basis, atom, rcond=None)[0]

    def error(frequency):
        return float(np.sum((atom - projected(frequency)) ** 2))

    step = sfreq / (8 * len(atom))
    spectrum = np.abs(np.fft.rfft(atom, 8 * len(atom)))
    peaks = np.argsort(spectrum)[::-1][:3] * step
    found = [
        scipy.optimize.minimize_scalar(
            error,
            bounds=(max(peak - step, 0), min(peak + step, sfreq / 2)),
            method="bounded",
            options={"xatol": 1e-6 * step},
        )
        for peak in peaks
    ]
    best = min(found, key=lambda one: one.fun)
    return Cosine(float(best.x), min(max(float(best.fun), 0.0), 1.0), projected(best.x) * norm)
