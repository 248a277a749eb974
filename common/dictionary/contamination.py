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
from common.dictionary._checks import mask as checked_mask
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
        If a number is not whole, or too small, or the fastest sine of so many shapes would have
        half the sampling rate or more.
    """
    n_atoms = validation.count(n_atoms, "n_atoms")
    n_channels = validation.count(n_channels, "n_channels")
    n_times_atom = validation.count(n_times_atom, "n_times_atom", at_least=8)
    fastest = 1 + (n_atoms * n_channels - 1) // 2
    if 2 * fastest >= n_times_atom:
        raise ValueError(
            f"n_atoms={n_atoms} on n_channels={n_channels} ask for a sine of {fastest} periods, "
            f"half the sampling rate or more in n_times_atom={n_times_atom} samples. Use at least "
            f"{2 * fastest + 1} samples, or fewer patterns."
        )
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
        Of each pattern, for 5000 samples, 5000 at most; at least one each.
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
        If a number is out of range, or the patterns are longer than the recording, or so large that
        its deviation is no number.
    """
    atoms = FullAtoms(D)
    n_times = validation.count(n_times, "n_times", at_least=atoms.n_times_atom)
    n_events = validation.number(n_events, "n_events", above=0, at_most=_PER)
    sigma = validation.number(sigma, "sigma", at_least=0)
    rng = validation.generator(rng)
    z = np.zeros((atoms.n_atoms, n_times - atoms.n_times_atom + 1))
    n = min(max(1, round(n_events * n_times / _PER)), z.shape[1])
    for one in z:
        one[rng.choice(z.shape[1], n, replace=False)] = 1
    X = atoms.convolve(z) + sigma * rng.standard_normal((atoms.n_channels, n_times))
    with np.errstate(over="ignore"):
        deviation = X.std()
    if not 0 < deviation < np.inf:
        raise ValueError(
            f"the signal has the deviation {deviation:g}: it cannot be divided by it. Scale D, "
            f"whose largest value is {np.abs(atoms.D).max():g}, and sigma={sigma:g}, or use more "
            "samples."
        )
    return X / deviation


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
        On each channel, for 5000 samples, 5000 at most; at least one each.
    rng : numpy.random.Generator

    Returns
    -------
    X : ndarray, shape (n_channels, n_times)
    mask : ndarray of bool, shape (n_times,)
        Whether any channel is contaminated.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, a stretch is longer than the recording, or a channel is
        constant: noise between its smallest and largest value would change nothing.
    """
    X = validation.array(X, "X", ndim=2).astype(float)
    n_times = X.shape[1]
    length = validation.count(n_times_artefact, "n_times_artefact", at_most=n_times)
    level = validation.number(level, "level", above=0)
    n_artefacts = validation.number(n_artefacts, "n_artefacts", above=0, at_most=_PER)
    rng = validation.generator(rng)
    flat = np.flatnonzero(np.ptp(X, axis=1) == 0)
    if len(flat):
        raise ValueError(
            f"channel {flat[0]} is constant, {X[flat[0], 0]:g}: noise between its smallest and "
            "largest value changes nothing. Drop it."
        )
    if not np.isfinite(2 * level * np.abs(X).max()):
        raise ValueError(
            f"level={level:g} times values up to {np.abs(X).max():g} is no number. Lower it."
        )
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
        If a trial would have fewer than 3 samples: a taper leaves nothing of those.
    """
    X = validation.array(X, "X", ndim=2).astype(float)
    n_trials = validation.count(n_trials, "n_trials")
    n_times = X.shape[1] // n_trials
    if n_times < 3:
        raise ValueError(
            f"n_trials={n_trials} leave {n_times} of {X.shape[1]} samples for a trial, and a taper "
            "needs 3. Use fewer trials."
        )
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
        If ``X`` is no such array of finite values, the mask does not fit, or holds other values
        than True and False, or 1 and 0.
    """
    X = validation.array(X, "X", ndim=3).astype(float)
    mask = checked_mask(mask, "mask", (len(X), X.shape[2]))
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
