r"""Simulated recordings with recurrent patterns, and artefacts that do not recur.

The simulation of RoseCDL [1]_. **Patterns** of L samples alternate between f periods of a sine and
f Gaussian bumps of variance L / f samples², where f grows by one each time both were used; pattern
k has another such shape on each channel, all under a Tukey window (0.5), and unit norm. One long
signal holds each pattern with amplitude 1 at random starts, 20 for 5000 samples, and white noise;
it is divided by its standard deviation.

**Contamination** replaces, on each channel, stretches of 3 L samples at places of its own, three
for 5000 samples, by uniform noise between the channel's smallest and largest value times a level.
At level 2 it exceeds the signal twice. Then the signal is cut into trials, each tapered (0.1).

References
----------
.. [1] Y. Yehya, M. Benbakoura, C. Allain, B. Malézieux, M. Kowalski, T. Moreau, "RoseCDL: Robust
   and Scalable Convolutional Dictionary Learning for Rare-Event Detection", arXiv:2509.07523. In
   the authors' code the artefacts are the same whatever the seed; here they are drawn.
"""

import numpy as np
from scipy.signal.windows import tukey

from common import validation
from common.dictionary.atoms import FullAtoms

__all__ = [
    "contaminated",
    "cut_into_trials",
    "filled",
    "patterned_signal",
    "patterns",
    "simulated_contaminated",
]

_PER = 5000  # samples, for which numbers of events are given


def patterns(n_atoms, n_channels, n_times_atom):
    """Patterns that recur.

    Parameters
    ----------
    n_atoms, n_channels : int
    n_times_atom : int
        L, at least 8.

    Returns
    -------
    D : ndarray, shape (n_atoms, n_channels, n_times_atom)
        Of unit norm.

    Raises
    ------
    TypeError, ValueError
        If a number is not whole, or too small.
    """
    n_atoms = validation.count(n_atoms, "n_atoms")
    n_channels = validation.count(n_channels, "n_channels")
    n_times_atom = validation.count(n_times_atom, "n_times_atom", at_least=8)
    shapes = []
    t = np.arange(n_times_atom)
    for i in range(n_atoms * n_channels):
        frequency = 1 + i // 2
        if i % 2 == 0:
            shapes.append(np.sin(2 * np.pi * frequency * t / n_times_atom))
        else:
            middles = (np.arange(frequency) + 0.5) * n_times_atom / frequency
            squared = (t[:, None] - middles) ** 2
            shapes.append(np.exp(-squared / (2 * n_times_atom / frequency)).sum(axis=1))
    D = np.stack(shapes).reshape(n_atoms, n_channels, n_times_atom) * tukey(n_times_atom, 0.5)
    return D / np.linalg.norm(D, axis=(1, 2), keepdims=True)


def patterned_signal(D, *, n_times, n_events=20, sigma=0.01, rng):
    """One long recording in which patterns recur.

    Parameters
    ----------
    D : array_like, shape (n_atoms, n_channels, n_times_atom)
    n_times : int
    n_events : float, default=20
        Of each pattern, for 5000 samples; at least one each.
    sigma : float, default=0.01
        Of the noise; the patterns have amplitude 1.
    rng : numpy.random.Generator

    Returns
    -------
    X : ndarray, shape (n_channels, n_times)
        Of unit standard deviation.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or the patterns are longer than the recording.
    """
    atoms = FullAtoms(D)
    n_times = validation.count(n_times, "n_times", at_least=atoms.n_times_atom)
    n_events = validation.number(n_events, "n_events", above=0)
    sigma = validation.number(sigma, "sigma", at_least=0)
    rng = validation.generator(rng)
    z = np.zeros((atoms.n_atoms, n_times - atoms.n_times_atom + 1))
    n = min(max(1, round(n_events * n_times / _PER)), z.shape[1])
    for one in z:
        one[rng.choice(z.shape[1], n, replace=False)] = 1
    X = atoms.convolve(z) + sigma * rng.standard_normal((atoms.n_channels, n_times))
    return X / X.std()


def contaminated(X, *, n_times_artefact, level=2.0, n_artefacts=3, rng):
    """A recording with stretches of noise, and where they are.

    Parameters
    ----------
    X : array_like, shape (n_channels, n_times)
    n_times_artefact : int
        Length of a stretch.
    level : float, default=2
        Of the noise, in ranges of the channel.
    n_artefacts : float, default=3
        On each channel, for 5000 samples; at least one each.
    rng : numpy.random.Generator

    Returns
    -------
    X : ndarray, shape (n_channels, n_times)
    mask : ndarray of bool, shape (n_times,)
        Whether any channel is contaminated.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or a stretch is longer than the recording.
    """
    X = validation.array(X, "X", ndim=2).astype(float)
    n_times = X.shape[1]
    length = validation.count(n_times_artefact, "n_times_artefact", at_most=n_times)
    level = validation.number(level, "level", above=0)
    n_artefacts = validation.number(n_artefacts, "n_artefacts", above=0)
    rng = validation.generator(rng)
    found, mask = X.copy(), np.zeros(n_times, dtype=bool)
    for channel, clean in zip(found, X, strict=True):
        low, high = level * clean.min(), level * clean.max()
        n = max(1, round(n_artefacts * n_times / _PER))
        for start in rng.integers(n_times - length + 1, size=n):
            channel[start : start + length] = rng.uniform(low, high, length)
            mask[start : start + length] = True
    return found, mask


def cut_into_trials(X, n_trials):
    """Trials of equal length, each tapered; what is left at the end is dropped.

    Parameters
    ----------
    X : array_like, shape (n_channels, n_times)
    n_trials : int

    Returns
    -------
    trials : ndarray, shape (n_trials, n_channels, n_times // n_trials)

    Raises
    ------
    TypeError, ValueError
        If there are fewer samples than trials.
    """
    X = validation.array(X, "X", ndim=2).astype(float)
    n_trials = validation.count(n_trials, "n_trials", at_most=X.shape[1])
    n_times = X.shape[1] // n_trials
    trials = X[:, : n_trials * n_times].reshape(len(X), n_trials, n_times).swapaxes(0, 1)
    return trials * tukey(n_times, 0.1)


def filled(X, mask):
    """Trials in which what is masked is replaced by the mean of the rest.

    Parameters
    ----------
    X : array_like, shape (n_trials, n_channels, n_times)
    mask : array_like of bool, shape (n_trials, n_times)
        The same for all channels.

    Returns
    -------
    X : ndarray, shape (n_trials, n_channels, n_times)
        Each channel of each trial has its own mean; 0 where all of a trial is masked.

    Raises
    ------
    TypeError, ValueError
        If ``X`` is no such array of finite values, or the mask does not fit.
    """
    X = validation.array(X, "X", ndim=3).astype(float)
    mask = np.asarray(mask, dtype=bool)
    if mask.shape != (len(X), X.shape[2]):
        raise ValueError(f"mask must have shape {(len(X), X.shape[2])}, got {mask.shape}.")
    counts = ~mask[:, None]
    n = np.maximum(1, counts.sum(axis=2, keepdims=True))
    means = np.sum(X * counts, axis=2, keepdims=True) / n
    return np.where(counts, X, means)


def simulated_contaminated(
    D, *, n_trials, n_times, level=2.0, n_events=20, n_artefacts=3, sigma=0.01, rng
):
    """Trials of the simulation, without and with artefacts.

    Parameters
    ----------
    D : array_like, shape (n_atoms, n_channels, n_times_atom)
    n_trials, n_times : int
        Trials, and samples of each.
    level, n_artefacts
        See `contaminated`.
    n_events, sigma
        See `patterned_signal`.
    rng : numpy.random.Generator

    Returns
    -------
    clean, dirty : ndarray, shape (n_trials, n_channels, n_times)
    mask : ndarray of bool, shape (n_trials, n_times)
        Where artefacts are.

    Raises
    ------
    TypeError, ValueError
        As the functions that it is made of.
    """
    D = FullAtoms(D).D
    n_trials = validation.count(n_trials, "n_trials")
    n_times = validation.count(n_times, "n_times")
    n_all, length = n_trials * n_times, 3 * D.shape[2]
    X = patterned_signal(D, n_times=n_all, n_events=n_events, sigma=sigma, rng=rng)
    options = {"n_times_artefact": length, "level": level, "n_artefacts": n_artefacts}
    dirty, mask = contaminated(X, rng=rng, **options)
    clean, dirty = cut_into_trials(X, n_trials), cut_into_trials(dirty, n_trials)
    return clean, dirty, mask.reshape(n_trials, n_times)
