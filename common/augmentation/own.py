"""Augmentations of your own.

Write a function here, and name it where the study lists augmentations: ``own.amplitude_scale`` in
``papers/eeg-augmentation/paper.yaml``. Every batch calls it as ``function(X, rng=rng)``, with

- ``X``, a tensor of shape (n_examples, n_channels, n_times), single precision, of standardised
  windows: those of the batch that were drawn. It is a copy, and may be changed in place;
- ``rng``, a `numpy.random.Generator`, from which everything random must come,

and returns the new examples: a tensor or array of the same shape, single precision, finite. Labels
stay. Whatever is drawn for one example should not be drawn for the whole batch: give the numbers
a first axis of ``len(X)``. The generator depends on the seed and on the first of the examples that
were drawn; so, unlike that of the thirteen, the result depends on which examples share a batch.
"""

import torch

__all__ = ["amplitude_scale"]


def amplitude_scale(X, *, rng):
    """Multiply each example by a number between 1/2 and 2, uniform on the logarithmic scale.

    Amplitude differs between people and electrode contacts, and says little about the class.

    Parameters
    ----------
    X : tensor, shape (n_examples, n_channels, n_times)
    rng : numpy.random.Generator

    Returns
    -------
    X : tensor, shape (n_examples, n_channels, n_times)
    """
    factors = 2 ** rng.uniform(-1, 1, size=(len(X), 1, 1))
    return X * torch.from_numpy(factors).to(X)
