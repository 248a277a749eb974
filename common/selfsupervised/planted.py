r"""Simulated EEG with a planted class, for tests of classifiers on channels and time.

Electrodes on a sphere of radius 1 see random dipoles at radius 0.7 by :math:`(d \cdot m) / |d|^3`
(d from the dipole to the electrode, m its unit moment), with average reference and columns of root
mean square 1. Sources are autoregressive of order 2 with poles at :math:`.95 e^{\pm 2\pi i f}`,
of standard deviation 1, and each electrode has white noise of standard deviation 1.

The class is an evoked wave in the first source, there or not, or the frequency of the first source,
which is a sine of one of two frequencies. It is never the power of a source: the local encoder
normalises each window, so that a token is blind to amplitude.
"""

import numpy as np
import scipy.signal

from common import validation

__all__ = ["FREQUENCIES", "evoked_wave", "hemisphere", "leadfield", "plant"]

FREQUENCIES = (7.0, 10.0, 10.0, 6.0, 16.0, 22.0)
"""Of the sources, in Hz."""


def hemisphere(n_channels):
    """Electrodes on the upper half of a sphere, along a golden spiral.

    Parameters
    ----------
    n_channels : int
        At least 4.

    Returns
    -------
    positions : ndarray, shape (n_channels, 3)
        On a head of radius 1.

    Raises
    ------
    TypeError, ValueError
        If the number is not whole, or too small.
    """
    n_channels = validation.count(n_channels, "n_channels", at_least=4)
    z = 1 - (np.arange(n_channels) + 0.5) / n_channels
    angle = np.pi * (3 - 5**0.5) * np.arange(n_channels)
    flat = np.sqrt(1 - z**2)
    return np.column_stack([flat * np.cos(angle), flat * np.sin(angle), z])


def leadfield(positions, *, n_sources, rng):
    """Random dipoles as the electrodes see them, see the module's text.

    Parameters
    ----------
    positions : ndarray, shape (n_channels, 3)
        On a head of radius 1.
    n_sources : int
    rng : numpy.random.Generator

    Returns
    -------
    field : ndarray, shape (n_channels, n_sources)
        Columns have mean 0 and root mean square 1.

    Raises
    ------
    TypeError, ValueError
        If positions are not finite, of another shape, not on a head of radius 1, or those of a
        single electrode, ``n_sources`` is no whole number from 1, or ``rng`` no generator.
    """
    positions = validation.array(positions, "positions", ndim=2)
    if positions.shape[1] != 3 or len(np.unique(positions, axis=0)) < 2:
        raise ValueError(
            "positions must have shape (n_channels, 3), with two electrodes at least, got shape "
            f"{positions.shape}."
        )
    validation.vector(
        np.linalg.norm(positions, axis=1), "distances from the middle of a head of radius 1",
        at_least=0.5, at_most=2,
    )  # fmt: skip
    n_sources = validation.count(n_sources, "n_sources")
    rng = validation.generator(rng)
    places, moments = rng.standard_normal((2, n_sources, 3))
    places[:, 2] = np.abs(places[:, 2])
    places *= 0.7 / np.linalg.norm(places, axis=1, keepdims=True)
    moments /= np.linalg.norm(moments, axis=1, keepdims=True)
    apart = positions[:, None] - places[None]
    field = np.einsum("csx,sx->cs", apart, moments) / np.linalg.norm(apart, axis=-1) ** 3
    field -= field.mean(axis=0)
    return field / np.sqrt((field**2).mean(axis=0))


def evoked_wave(n_times, *, sfreq, peak):
    """The wave of the class, ``2.1 exp(-((t - peak) / .15)²) cos(2π 3 (t - peak))``.

    Parameters
    ----------
    n_times : int
    sfreq : float
        In Hz.
    peak : float
        In s.

    Returns
    -------
    wave : ndarray, shape (n_times,)
        In standard deviations of a source.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or the peak not within the window.
    """
    n_times = validation.count(n_times, "n_times")
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    peak = validation.number(peak, "peak", at_least=0, at_most=n_times / sfreq, unit="s")
    t = np.arange(n_times) / sfreq - peak
    return 2.1 * np.exp(-((t / 0.15) ** 2)) * np.cos(2 * np.pi * 3 * t)


def plant(task, positions, *, n_windows, n_times, rng, sfreq=128.0, peak=None):
    """Windows of two classes, as many of each.

    Parameters
    ----------
    task : {"evoked", "frequency"}
        Class 1 has the wave, or a first source of 12 Hz instead of 9.
    positions : ndarray, shape (n_channels, 3)
        On a head of radius 1.
    n_windows, n_times : int
    rng : numpy.random.Generator
        Draws the dipoles first: the same state gives the same head.
    sfreq : float, default=128
        In Hz, above 44: twice the highest frequency.
    peak : float, optional
        Of the wave, in s; default: the middle of the window.

    Returns
    -------
    X : ndarray of float32, shape (n_windows, n_channels, n_times)
        No unit.
    y : ndarray of int, shape (n_windows,)
    field : ndarray, shape (n_channels, n_sources)
        As `leadfield` gives it.

    Raises
    ------
    ValueError
        If the task is unknown, a number is out of range, or as `leadfield`.
    """
    validation.choice(task, ("evoked", "frequency"), "task")
    n_windows = validation.count(n_windows, "n_windows", at_least=2)
    n_times = validation.count(n_times, "n_times", at_least=2)
    sfreq = validation.number(sfreq, "sfreq", above=2 * max(FREQUENCIES), unit="Hz")
    field = leadfield(positions, n_sources=len(FREQUENCIES), rng=rng)
    y = rng.permutation(np.arange(n_windows) % 2)
    before = round(sfreq)  # after which the sources have forgotten their start: .95 ** 128 = .001
    noise = rng.standard_normal((n_windows, len(FREQUENCIES), before + n_times))
    sources = np.empty_like(noise)
    for i, frequency in enumerate(FREQUENCIES):
        poles = [1.0, -2 * 0.95 * np.cos(2 * np.pi * frequency / sfreq), 0.95**2]
        sources[:, i] = scipy.signal.lfilter([1.0], poles, noise[:, i]) / _deviation(poles)
    sources = sources[..., before:]
    if task == "evoked":
        middle = n_times / sfreq / 2 if peak is None else peak
        wave = evoked_wave(n_times, sfreq=sfreq, peak=middle)
        sources[:, 0] += y[:, None] * wave
    else:
        phase = rng.uniform(0, 2 * np.pi, (n_windows, 1))
        rate = np.where(y == 1, 12.0, 9.0)[:, None]
        turn = 2 * np.pi * rate * np.arange(n_times) / sfreq + phase
        sources[:, 0] = np.sqrt(2) * np.sin(turn)
    X = np.einsum("cs,nst->nct", field, sources)
    X += rng.standard_normal(X.shape)
    return X.astype(np.float32), y, field


def _deviation(poles):
    """Standard deviation of an autoregression of order 2 with innovations of variance 1.

    For ``x_t = a x_{t-1} + b x_{t-2} + e_t``: var = (1 - b) / ((1 + b) ((1 - b)² - a²)).
    """
    a, b = -poles[1], -poles[2]
    return np.sqrt((1 - b) / ((1 + b) * ((1 - b) ** 2 - a**2)))
