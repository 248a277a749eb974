r"""Noisy sinusoids whose class is a frequency: data with a known invariance, and small networks.

.. math:: x(t) = \sin\big(2 \pi (f + U)\, t + \varphi\big) + 0.5\, N(0, 1), \qquad
          U \sim \mathcal U(-0.5, 0.5) \text{ Hz}, \quad \varphi \sim \mathcal U(0, 4 \pi / f),

with f = 2, 4, 6 or 8 Hz for the four classes. Classes are intervals of 1 Hz, 1 Hz apart: a shift by
up to 0.5 Hz in either direction leads at most into the gap between them.
"""

import itertools
from typing import NamedTuple

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import nn
from torch.nn import functional

from common import validation

__all__ = [
    "FREQUENCIES",
    "SFREQ",
    "LongConvolution",
    "Perceptrons",
    "Sinusoids",
    "draw_sinusoids",
    "filter_network",
]

FREQUENCIES = (2.0, 4.0, 6.0, 8.0)
"""Of the classes, in Hz."""

SFREQ = 100.0
"""In Hz."""

SPREAD = 0.5
"""Half-width of the range of frequencies of a class, in Hz: the true invariance."""

_NOISE = 0.5


class Sinusoids(NamedTuple):
    """Training and test examples.

    Attributes
    ----------
    X, test_X : Tensor, shape (n_examples, 1, n_times)
    y, test_y : Tensor of int, shape (n_examples,)
    """

    X: torch.Tensor
    y: torch.Tensor
    test_X: torch.Tensor
    test_y: torch.Tensor


def draw_sinusoids(n_per_class, *, rng, duration=10.0, training=2 / 3):
    """Examples of the four classes, in random order, the same number of each.

    Parameters
    ----------
    n_per_class : int
        At least 3.
    rng : numpy.random.Generator
    duration : float, default=10
        In s, at 100 Hz.
    training : float, default=2/3
        Share of each class that trains.

    Returns
    -------
    examples : Sinusoids

    Raises
    ------
    ValueError
        If a number is out of range, or a part would be empty.
    """
    n_per_class = validation.count(n_per_class, "n_per_class", at_least=3)
    duration = validation.number(duration, "duration", above=0, unit="s")
    training = validation.number(training, "training", above=0, below=1)
    rng = validation.generator(rng)
    n_train = round(training * n_per_class)
    if not 0 < n_train < n_per_class:
        raise ValueError(
            f"training={training:g} of {n_per_class} examples of a class leaves a part empty."
        )
    if round(duration * SFREQ) < 1:
        raise ValueError(f"duration={duration:g} s holds no sample at {SFREQ:g} Hz. Raise it.")
    parts = []
    for n in (n_train, n_per_class - n_train):
        y = rng.permutation(np.repeat(np.arange(len(FREQUENCIES)), n))
        parts += [_signals(y, rng=rng, duration=duration), torch.from_numpy(y)]
    return Sinusoids(*parts)


def filter_network():
    """Two convolutions (1 to 2 channels, 100 taps; 2 to 2, 3 taps), pooling, and a linear map.

    Returns
    -------
    network : torch.nn.Module
        From (n_examples, 1, n_times) to the logits of four classes.
    """
    return nn.Sequential(
        LongConvolution(1, 2, 100, padding=1),
        nn.BatchNorm1d(2),
        nn.ReLU(),
        nn.Conv1d(2, 2, 3, padding=1),
        nn.BatchNorm1d(2),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(2, len(FREQUENCIES)),
    )


class LongConvolution(nn.Conv1d):
    """A convolution of one channel with long kernels, by Fourier transforms.

    Arguments and results are those of `torch.nn.Conv1d` with one input channel, stride and dilation
    1; forward and backward take a seventh of its time for 100 taps on 1000 samples.

    Parameters
    ----------
    *args, **options
        Of `torch.nn.Conv1d`.

    Raises
    ------
    ValueError
        If an option is another than ``out_channels``, ``kernel_size`` or ``padding`` of zeros.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        wanted = {"in_channels": 1, "stride": (1,), "dilation": (1,), "padding_mode": "zeros"}
        for name, value in wanted.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name} of a LongConvolution must be {value}, got {getattr(self, name)}. Use "
                    "torch.nn.Conv1d."
                )
        if isinstance(self.padding, str) or self.bias is None:
            raise ValueError(
                f"a LongConvolution needs a number as padding and a bias, got {self.padding!r} and "
                f"bias={self.bias}. Use torch.nn.Conv1d."
            )

    def forward(self, X):
        """Convolve.

        Parameters
        ----------
        X : Tensor, shape (n_examples, 1, n_times)

        Returns
        -------
        X : Tensor, shape (n_examples, n_out, n_times + 2 * padding - kernel_size + 1)

        Raises
        ------
        ValueError
            If there are several channels, or fewer samples than a kernel has.
        """
        n_taps, n_times = self.kernel_size[0], X.shape[-1] + 2 * self.padding[0]
        if X.shape[-2] != 1 or n_times < n_taps:
            raise ValueError(
                f"X must have one channel and at least {n_taps - 2 * self.padding[0]} samples, got "
                f"shape {tuple(X.shape)}."
            )
        n_fft = next_fast_len(n_times, real=True)  # what wraps around is cut off
        padded = functional.pad(X, self.padding * 2)
        kernels = torch.fft.rfft(self.weight[:, 0], n=n_fft).conj()
        found = torch.fft.irfft(torch.fft.rfft(padded, n=n_fft) * kernels, n=n_fft)
        return found[..., : n_times - n_taps + 1] + self.bias[:, None]


class Perceptrons(nn.Module):
    """Several multilayer perceptrons of one shape, trained beside one another.

    Each has its own data and weights, and its output depends on these alone. Adam treats every
    number by itself, so that the sum of their losses trains each as if it were alone, at a
    fraction of the time.

    Parameters
    ----------
    n_inputs, n_neurons, n_layers, n_classes : int
        Hidden layers have ``n_neurons`` and ReLU.
    seeds : sequence of int
        For `torch.manual_seed`, one for each network; weights start as those of
        `torch.nn.Linear` do. torch's global generator is left as it was.

    Raises
    ------
    TypeError, ValueError
        If a number is none or not positive, or there is no seed.
    """

    def __init__(self, n_inputs, n_neurons, n_layers, n_classes, *, seeds):
        super().__init__()
        for name, size in (
            ("n_inputs", n_inputs), ("n_neurons", n_neurons), ("n_classes", n_classes),
        ):  # fmt: skip
            validation.count(size, name)
        if not np.iterable(seeds):
            raise TypeError(f"seeds must be a sequence of whole numbers, got {seeds!r}.")
        validation.count(n_layers, "n_layers")
        validation.count(len(seeds), "the number of seeds")
        sizes = [n_inputs, *[n_neurons] * n_layers, n_classes]
        networks = []
        for seed in [validation.count(one, "a seed", at_least=0) for one in seeds]:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                networks.append([nn.Linear(*pair) for pair in itertools.pairwise(sizes)])
        layers = list(zip(*networks, strict=True))
        self.matrices = nn.ParameterList(
            torch.stack([one.weight.detach().T for one in layer]) for layer in layers
        )
        self.offsets = nn.ParameterList(
            torch.stack([one.bias.detach()[None] for one in layer]) for layer in layers
        )

    def forward(self, X):
        """Logits of every network.

        Parameters
        ----------
        X : Tensor, shape (n_networks, n_examples, n_inputs)

        Returns
        -------
        logits : Tensor, shape (n_networks, n_examples, n_classes)
        """
        last = len(self.matrices) - 1
        for i, (matrix, offset) in enumerate(zip(self.matrices, self.offsets, strict=True)):
            X = torch.baddbmm(offset, X, matrix)
            X = X if i == last else X.relu()
        return X


def _signals(y, *, rng, duration):
    time = np.arange(round(duration * SFREQ)) / SFREQ
    f = np.asarray(FREQUENCIES)[y][:, None]
    moved = f + rng.uniform(-SPREAD, SPREAD, f.shape)
    phase = rng.uniform(0, 4 * np.pi / f)
    clean = np.sin(2 * np.pi * moved * time + phase)
    noisy = clean + _NOISE * rng.standard_normal(clean.shape)
    return torch.from_numpy(noisy.astype(np.float32))[:, None]
