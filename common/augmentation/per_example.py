"""Transformations of a batch of windows, example by example, reproducibly.

An example is transformed or left alone, and by how much, according to a random stream of its own,
which is a function of the seed, the epoch and the example's index: neither the order and the
size of the batches nor the number of workers that load them change the result. The streams are
those of numpy's counter-based generator Philox: the seed is its key, and index and epoch are the
high words of its counter, whose low 128 bits are left to the draws of one example.
"""

import numpy as np
import torch
from braindecode.augmentation import IdentityTransform, Transform

from common import validation

__all__ = [
    "Identity",
    "OwnTransform",
    "PerExample",
    "check_n_channels",
    "uniform",
]


class PerExample(Transform):
    """Base of the transformations: who is transformed, and with which random numbers.

    A subclass defines ``augment(X, rngs)``, which gets the examples that were drawn, a tensor of
    shape (n_drawn, n_channels, n_times), and one generator for each, and returns new examples.

    Parameters
    ----------
    seed : int
        0 or more. Transformations with the same seed transform the same examples.
    probability : float, default=0.5
        Each example is transformed with this probability, independently.

    Raises
    ------
    ValueError
        If the seed is not an integer of 0 or more, or the probability not between 0 and 1.
    """

    def __init__(self, *, seed, probability=0.5):
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise ValueError(f"seed must be an integer of 0 or more, got {seed!r}.")
        probability = validation.number(probability, "probability", at_least=0, at_most=1)
        # The base class wants a random state; nothing here draws from it.
        super().__init__(probability=probability, random_state=int(seed) % 2**32)
        self.seed = int(seed)
        self.n_seen = 0

    def forward(self, X, y=None, *, indices=None, epoch=0):
        """Transform the examples that are drawn, and copy the others.

        Parameters
        ----------
        X : tensor or array, shape (n_examples, n_channels, n_times) or (n_channels, n_times)
            Taken as single precision.
        y : tensor, optional
            Labels; returned as they are.
        indices : sequence of int, shape (n_examples,), optional
            Which example of the data set each one is. Without it, examples are numbered in the
            order in which this object gets them, from 0 on: the same calls after the same seed
            give the same result, however the examples are cut into batches.
        epoch : int, default=0
            With ``indices``: the same example gets other random numbers in another epoch.

        Returns
        -------
        X : tensor, single precision, of the shape of ``X``
        y : tensor
            If given.

        Raises
        ------
        ValueError
            If ``X`` has neither two nor three axes, ``indices`` are not one an example, or they or
            the epoch are not integers of 0 or more.
        RuntimeError
            In a worker of a `torch.utils.data.DataLoader`, without ``indices``: each worker would
            number its examples from 0, and repeat the others' draws.
        """
        X = torch.as_tensor(X).float()
        if X.ndim not in (2, 3):
            raise ValueError(
                "X must have shape (n_examples, n_channels, n_times) or (n_channels, n_times), "
                f"got {tuple(X.shape)}."
            )
        batch = X if X.ndim == 3 else X[None]
        rngs = self._generators(len(batch), indices, epoch)
        drawn = [i for i, rng in enumerate(rngs) if rng.random() < self.probability]
        if drawn and len(drawn) == len(batch):
            out = self.augment(batch, rngs)
        else:
            out = batch.clone()
            if drawn:
                rows = torch.tensor(drawn, device=batch.device)
                changed = self.augment(batch.index_select(0, rows), [rngs[i] for i in drawn])
                out.index_copy_(0, rows, changed)
        out = out.reshape(X.shape)
        return out if y is None else (out, y)

    def augment(self, X, rngs):
        """Transform every example given into a new tensor; see the class.

        Parameters
        ----------
        X : Tensor, shape (n_drawn, n_channels, n_times)
        rngs : list of numpy.random.Generator
            One for each example.

        Returns
        -------
        X : Tensor, shape (n_drawn, n_channels, n_times)

        Raises
        ------
        NotImplementedError
            In this base class.
        """
        raise NotImplementedError

    def _generators(self, n_examples, indices, epoch):
        if indices is None:
            if torch.utils.data.get_worker_info() is not None:
                raise RuntimeError(
                    "transform(X, y) in a worker of a DataLoader would repeat the draws of the "
                    "other workers. Name the examples, transform(X, y, indices=..., epoch=...), "
                    "or load with num_workers=0."
                )
            indices = np.arange(self.n_seen, self.n_seen + n_examples)
            self.n_seen += n_examples
        indices = np.asarray(indices)
        if indices.shape != (n_examples,):
            raise ValueError(
                f"indices must name each of the {n_examples} examples, got shape {indices.shape}."
            )
        if n_examples and (indices.dtype.kind not in "iu" or indices.min() < 0):
            raise ValueError(f"indices must be integers of 0 or more, got {indices.tolist()}.")
        if isinstance(epoch, bool) or not isinstance(epoch, int | np.integer) or epoch < 0:
            raise ValueError(f"epoch must be an integer of 0 or more, got {epoch!r}.")
        key = np.array([self.seed % 2**64, self.seed >> 64], dtype=np.uint64)
        counters = np.zeros((n_examples, 4), dtype=np.uint64)
        counters[:, 2], counters[:, 3] = indices, epoch
        return [np.random.Generator(np.random.Philox(counter=c, key=key)) for c in counters]


class Identity(IdentityTransform):
    """The baseline: a copy. Called like the others."""

    def forward(self, X, y=None, *, indices=None, epoch=0):
        """Copy, in single precision."""
        X = torch.as_tensor(X).float().clone()
        return X if y is None else (X, y)


class OwnTransform(PerExample):
    """A user's function as a transformation; see `common.augmentation.own`.

    Parameters
    ----------
    function : callable
        Called as ``function(X, rng=rng)`` with a copy of the examples that were drawn. The
        generator is that of the first of them.
    name : str
        For the errors.
    seed, probability
        See `PerExample`.
    """

    def __init__(self, function, *, name, seed, probability=0.5):
        super().__init__(seed=seed, probability=probability)
        self.function, self.name = function, name

    def augment(self, X, rngs):
        """Call the function, and check what it returns.

        Raises
        ------
        ValueError
            If it returns no tensor or array, another shape, another precision than single, or a
            value that is not finite.
        """
        new = self.function(X.clone(), rng=rngs[0])
        if not isinstance(new, torch.Tensor | np.ndarray):
            raise ValueError(f"{self.name} must return a tensor or array, got {type(new)}.")
        new = torch.as_tensor(new)
        if new.shape != X.shape:
            raise ValueError(
                f"{self.name} must return the shape that it gets, {tuple(X.shape)}, "
                f"got {tuple(new.shape)}."
            )
        if new.dtype != torch.float32:
            raise ValueError(
                f"{self.name} must return single precision, got {new.dtype}. "
                "Return tensor.float() or array.astype(np.float32)."
            )
        finite = new.isfinite().flatten(1).all(1)
        if not finite.all():
            first = int(torch.nonzero(~finite)[0])
            raise ValueError(
                f"{self.name} returned a value that is not finite, in example {first} of "
                f"{len(new)}. A logarithm of 0, a division by the deviation of a flat channel?"
            )
        return new.to(X.device)


def uniform(rngs, low, high, *, shape=()):
    """Uniform numbers, from each generator its own.

    Parameters
    ----------
    rngs : list of numpy.random.Generator
    low, high : float
    shape : tuple of int, default=()
        Of the numbers of one example.

    Returns
    -------
    numbers : tensor, shape (n_examples, *shape), double precision
        In ``[low, high)``, on the CPU.
    """
    numbers = np.empty((len(rngs), *shape))
    for i, rng in enumerate(rngs):
        numbers[i] = rng.random(shape)
    return torch.from_numpy(numbers).mul_(high - low).add_(low)


def check_n_channels(X, n_channels):
    """Raise a ValueError unless X has that many channels.

    Parameters
    ----------
    X : Tensor, shape (n_examples, n_channels, n_times)
    n_channels : int

    Raises
    ------
    ValueError
        If it has another number.
    """
    if X.shape[1] != n_channels:
        raise ValueError(f"X has {X.shape[1]} channels, but {n_channels} names were given.")
