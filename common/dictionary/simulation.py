r"""Simulated recordings with known atoms: the paper's noisy trials, and a wave that is no sinusoid.

The simulation of *Multivariate Convolutional Sparse Coding for Electromagnetic Brain Signals*
(NeurIPS 2018, section 4) has two atoms of rank one. Their waveforms are a triangle and a square
wave, of zero mean, and their topographies a sine and a cosine over the channels, whose first entry
is 1 before both are scaled to unit norm. Trial n is

.. math:: X^n = \sum_k z_k^n * (u_k v_k^\top) + \sigma \varepsilon, \qquad
          \varepsilon \sim \mathcal{N}(0, 1),

where a share ``density`` of the activations is not 0 but uniform between 0 and 1. Every trial has
activations of its own: the authors' script passes one seed to all of them.
"""

import numpy as np

from common import validation
from common.dictionary.atoms import FullAtoms, RankOneAtoms

__all__ = [
    "dense_recording",
    "mu_recording",
    "mu_waveform",
    "simulated_atoms",
    "simulated_trials",
]


def simulated_atoms(n_channels, n_times_atom):
    """Topographies and waveforms of the paper's simulation.

    Parameters
    ----------
    n_channels : int
        At least 2.
    n_times_atom : int
        At least 4.

    Returns
    -------
    u : ndarray, shape (2, n_channels)
        Of unit norm.
    v : ndarray, shape (2, n_times_atom)
        Of unit norm and zero mean: a triangle, a square wave.

    Raises
    ------
    TypeError, ValueError
        If a number is not whole, or too small.
    """
    n_channels = validation.count(n_channels, "n_channels", at_least=2)
    n_times_atom = validation.count(n_times_atom, "n_times_atom", at_least=4)
    phase = 2 * np.pi * np.linspace(0, 1, n_channels)
    u = np.stack([np.sin(phase), np.cos(phase)])
    u[:, 0] = 1
    half = n_times_atom // 2
    rise = np.linspace(0, 1, half)
    v = np.zeros((2, n_times_atom))
    v[0, : 2 * half] = np.concatenate([rise, rise[::-1]])
    v[1, : 2 * half] = np.repeat([0.5, -0.5], half)
    v -= v.mean(axis=1, keepdims=True)
    return _unit(u), _unit(v)


def simulated_trials(u, v, *, n_trials, n_valid, density, sigma, rng):
    """Trials in which known atoms occur, with noise.

    Parameters
    ----------
    u : array_like, shape (n_atoms, n_channels)
    v : array_like, shape (n_atoms, n_times_atom)
    n_trials : int
    n_valid : int
        Samples at which an atom may start; a trial has ``n_valid + n_times_atom - 1`` samples.
    density : float
        Share of the activations that are not 0, from 0 to 1.
    sigma : float
        Standard deviation of the noise, in the unit of the trials; 0 for none.
    rng : numpy.random.Generator

    Returns
    -------
    X : ndarray, shape (n_trials, n_channels, n_valid + n_times_atom - 1)
        In the unit of ``u`` times that of ``v``.
    z : ndarray, shape (n_trials, n_atoms, n_valid)
        Activations, drawn anew for each trial.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, ``rng`` is no generator, or the atoms are none (see
        `common.dictionary.atoms.RankOneAtoms`).
    """
    atoms = RankOneAtoms(u, v)
    shape = (
        validation.count(n_trials, "n_trials"),
        atoms.n_atoms,
        validation.count(n_valid, "n_valid"),
    )
    density = validation.number(density, "density", at_least=0, at_most=1)
    sigma = validation.number(sigma, "sigma", at_least=0)
    rng = validation.generator(rng)
    z = np.where(rng.random(shape) < density, rng.random(shape), 0.0)
    X = np.stack([atoms.convolve(trial) for trial in z])
    return X + sigma * rng.standard_normal(X.shape), z


def dense_recording(
    *, n_atoms, n_channels, n_times_atom, n_lengths, deviation=10.0, sigma=1.0, rng
):
    """A recording in which Gaussian atoms overlap everywhere, as DICOD simulates it.

    Atoms are white noise of unit norm. At each sample where an atom may start, it does so with
    probability K / (C L), with a normal amplitude; so :math:`K^2 / C` atoms overlap at a sample.

    Parameters
    ----------
    n_atoms : int
        K, at most ``n_channels * n_times_atom``.
    n_channels : int
        C.
    n_times_atom : int
        L.
    n_lengths : int
        Length of the recording, in L.
    deviation : float, default=10
        Standard deviation of the amplitudes.
    sigma : float, default=1
        Standard deviation of the noise.
    rng : numpy.random.Generator

    Returns
    -------
    X : ndarray, shape (n_channels, n_lengths * n_times_atom)
    D : ndarray, shape (n_atoms, n_channels, n_times_atom)

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or ``rng`` is no generator.

    References
    ----------
    .. [1] T. Moreau, L. Oudre, N. Vayatis, "DICOD: Distributed Convolutional Coordinate Descent for
       Convolutional Sparse Coding", ICML 2018, arXiv:1705.10087, section of experiments.
    """
    n_channels = validation.count(n_channels, "n_channels")
    n_times_atom = validation.count(n_times_atom, "n_times_atom")
    n_atoms = validation.count(n_atoms, "n_atoms", at_most=n_channels * n_times_atom)
    n_lengths = validation.count(n_lengths, "n_lengths")
    deviation = validation.number(deviation, "deviation", above=0)
    sigma = validation.number(sigma, "sigma", at_least=0)
    rng = validation.generator(rng)
    D = rng.standard_normal((n_atoms, n_channels, n_times_atom))
    D /= np.linalg.norm(D, axis=(1, 2), keepdims=True)
    shape = (n_atoms, (n_lengths - 1) * n_times_atom + 1)
    active = rng.random(shape) < n_atoms / (n_channels * n_times_atom)
    z = active * rng.normal(0, deviation, shape)
    X = FullAtoms(D).convolve(z)
    return X + sigma * rng.standard_normal(X.shape), D


def mu_waveform(n_times_atom, *, sfreq, frequency=10.0, sharpness=0.5):
    r"""A tapered stretch of an arched wave: a sinusoid and its first harmonic.

    :math:`v(t) \propto w(t)\, [\cos 2 \pi f t + s \cos 4 \pi f t]` with a Hann window w; the
    harmonic, in phase with the crests, makes them sharp and the troughs flat, as in the mu rhythm.

    Parameters
    ----------
    n_times_atom : int
    sfreq : float
        Sampling frequency, in Hz.
    frequency : float, default=10
        f, in Hz; twice of it is below half the sampling frequency.
    sharpness : float, default=0.5
        s, the amplitude of the harmonic; 0 gives a sinusoid.

    Returns
    -------
    v : ndarray, shape (n_times_atom,)
        Of unit norm.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.
    """
    n_times_atom = validation.count(n_times_atom, "n_times_atom", at_least=4)
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    frequency = validation.number(frequency, "frequency", above=0, below=sfreq / 4, unit="Hz")
    sharpness = validation.number(sharpness, "sharpness", at_least=0)
    phase = 2 * np.pi * frequency * np.arange(n_times_atom) / sfreq
    wave = np.cos(phase) + sharpness * np.cos(2 * phase)
    return _unit(wave * np.hanning(n_times_atom + 2)[1:-1])


def mu_recording(v, *, n_trials, n_valid, n_events, sigma, rng):
    """One-channel trials in which a waveform occurs at random, non-overlapping times.

    Parameters
    ----------
    v : array_like, shape (n_times_atom,)
    n_trials : int
    n_valid : int
        Samples at which the waveform may start.
    n_events : int
        Occurrences in a trial, of amplitudes between 0.5 and 1.5.
    sigma : float
        Standard deviation of the white noise.
    rng : numpy.random.Generator

    Returns
    -------
    X : ndarray, shape (n_trials, 1, n_valid + n_times_atom - 1)

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or the occurrences do not fit without overlap.
    """
    v = validation.vector(v, "v")
    n_trials = validation.count(n_trials, "n_trials")
    n_valid = validation.count(n_valid, "n_valid")
    n_events = validation.count(n_events, "n_events")
    sigma = validation.number(sigma, "sigma", at_least=0)
    rng = validation.generator(rng)
    free = n_valid - (n_events - 1) * len(v)
    if free < n_events:
        raise ValueError(
            f"n_events={n_events} of {len(v)} samples do not fit into n_valid={n_valid} without "
            "overlap. Lower n_events, or raise n_valid."
        )
    X = sigma * rng.standard_normal((n_trials, 1, n_valid + len(v) - 1))
    for trial in X:
        starts = np.sort(rng.choice(free, n_events, replace=False)) + len(v) * np.arange(n_events)
        for start, amplitude in zip(starts, rng.uniform(0.5, 1.5, n_events), strict=True):
            trial[0, start : start + len(v)] += amplitude * v
    return X


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)
