r"""Signals with planted invariances: which operation helps which class is known.

Five classes of 4 s at 64 Hz on two channels with gains 1 and 0.8, in noise of standard deviation
0.5. Waves have a random phase. Training examples lack what validation and test examples vary by:

===== ============================================ ==================== ==================
class signal                                       varies by            operation
===== ============================================ ==================== ==================
0     wave of 4 Hz                                 ± 2.5 Hz             frequency shift
1     wave of 7 Hz                                 nothing              none
2     wave of 8 Hz                                 nothing              none
3     1 to 3 pulses, rising fast and falling slowly polarity             sign flip
4     the same, reversed in time                   polarity             sign flip
===== ============================================ ==================== ==================

A pulse is :math:`2 (1 - e^{-t/0.03}) e^{-t/0.3}`, t in s. A shift of class 1 leads to class
2, and a reversal in time turns class 3 into class 4: no single policy suits all classes.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from common import validation

__all__ = [
    "CLASSES",
    "OPERATIONS",
    "PLANTED",
    "SCALES",
    "SFREQ",
    "Planted",
    "draw_planted",
    "planted_network",
]

SFREQ = 64.0
"""In Hz."""

SHIFT = 2.5
"""Half-width of the range of frequencies of class 0, in Hz."""

OPERATIONS = ("identity", "frequency-shift", "sign-flip", "time-reverse", "gaussian-noise")
"""What a search may choose from."""

SCALES = {"frequency-shift": SHIFT}
"""What a magnitude of 1 is, where it is not as in the catalogue."""

CLASSES = ("wave of 4 Hz", "wave of 7 Hz", "wave of 8 Hz", "pulses", "reversed pulses")

PLANTED = {0: "frequency-shift", 3: "sign-flip", 4: "sign-flip"}
"""The operation that helps, by class."""

_DURATION, _NOISE, _GAINS = 4.0, 0.5, (1.0, 0.8)
_FREQUENCIES = {0: 4.0, 1: 7.0, 2: 8.0}


class Planted(NamedTuple):
    """Examples and classes of the three parts.

    Attributes
    ----------
    train, valid, test : tuple of Tensor
        Of shape (n_examples, 2, 256) and (n_examples,).
    """

    train: tuple
    valid: tuple
    test: tuple


def draw_planted(n_train, n_valid, n_test, *, rng):
    """Draw the three parts, with equally many examples of each class, in order of the classes.

    Parameters
    ----------
    n_train, n_valid, n_test : int
        Examples of each class.
    rng : numpy.random.Generator

    Returns
    -------
    data : Planted

    Raises
    ------
    ValueError, TypeError
        If a number is no whole number from 1, or ``rng`` no generator.
    """
    rng = validation.generator(rng)
    sizes = {"n_train": n_train, "n_valid": n_valid, "n_test": n_test}
    parts = []
    for name, size in sizes.items():
        n = validation.count(size, name)
        X = np.concatenate([_signals(k, n, varied=name != "n_train", rng=rng) for k in range(5)])
        y = np.repeat(np.arange(5), n)
        parts.append((torch.from_numpy(X.astype(np.float32)), torch.from_numpy(y)))
    return Planted(*parts)


def planted_network(n_channels=2, n_classes=5):
    """Two convolutions with batch normalisation, the mean over time, and a linear map.

    Parameters
    ----------
    n_channels, n_classes : int

    Returns
    -------
    network : torch.nn.Module
        From (n_examples, n_channels, n_times) to logits.

    Raises
    ------
    TypeError, ValueError
        If a number is no whole number from 1.
    """
    n_channels = validation.count(n_channels, "n_channels")
    n_classes = validation.count(n_classes, "n_classes")
    return nn.Sequential(
        nn.Conv1d(n_channels, 8, 17, padding=8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.MaxPool1d(4),
        nn.Conv1d(8, 16, 9, padding=4),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(16, n_classes),
    )


def _signals(label, n, *, varied, rng):
    """Examples of one class, shape (n, 2, 256)."""
    time = np.arange(round(_DURATION * SFREQ)) / SFREQ
    if label in _FREQUENCIES:
        spread = SHIFT if varied and label == 0 else 0.0
        frequency = _FREQUENCIES[label] + rng.uniform(-spread, spread, (n, 1))
        clean = np.sin(2 * np.pi * (frequency * time + rng.uniform(size=(n, 1))))
    else:
        clean = _pulses(n, time, rng=rng)
        clean = clean[:, ::-1] if label == 4 else clean
        if varied:
            clean = clean * rng.choice([-1.0, 1.0], (n, 1))
    noise = rng.standard_normal((n, len(_GAINS), len(time)))
    return np.array(_GAINS)[:, None] * clean[:, None] + _NOISE * noise


def _pulses(n, time, *, rng):
    """One to three pulses in each of n signals."""
    onsets = rng.uniform(0, _DURATION, (n, 3, 1))
    there = np.arange(3) < rng.integers(1, 4, (n, 1))
    since = np.maximum(time - onsets, 0)
    shapes = 2 * (1 - np.exp(-since / 0.03)) * np.exp(-since / 0.3)
    return (shapes * there[..., None]).sum(1)
