"""What trainings of torch networks share: a seed, a pass over examples, and early stopping.

Classifiers of examples in memory are trained epoch by epoch with these. A budget of steps on
windows drawn at random has a loop of its own, `common.events.optimization`, and so do skada's
estimators, which only take the seed.
"""

import contextlib
import copy
import math

import torch
from torch.nn import functional

from common import validation

__all__ = ["early_stopping", "logits", "one_epoch", "reproducible"]


@contextlib.contextmanager
def reproducible(seed, device="cpu"):
    """Seed torch's global generators, which afterwards are as before.

    Parameters
    ----------
    seed : int
    device : str, default="cpu"
        Where the network is; generators of a GPU are kept, too.

    Raises
    ------
    TypeError
        If the seed is not a whole number.
    ValueError
        If it is negative.

    Examples
    --------
    >>> before = torch.get_rng_state()
    >>> with reproducible(0):
    ...     first = torch.rand(())
    >>> bool((torch.get_rng_state() == before).all())
    True
    """
    device = torch.device(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(validation.count(seed, "seed", at_least=0))
        yield


def early_stopping(
    network, train, validate, *, n_epochs, patience, restore_best, advice, after=None
):
    """Train by epochs until the validation loss has not fallen for some of them.

    Parameters
    ----------
    network : torch.nn.Module
        Trained in place.
    train : callable
        ``train(epoch)`` trains one epoch, counted from 1, and gives the mean loss.
    validate : callable
        ``validate()`` gives the validation loss.
    n_epochs, patience : int
        Stop after ``n_epochs``, or when the loss has not fallen for ``patience`` epochs.
    restore_best : bool
        Return to the weights of the lowest validation loss, the first one if there are several;
        otherwise the last weights stay.
    advice : str
        What to do about a loss that is not finite, for the message.
    after : callable, optional
        ``after(loss)`` is called with the validation loss of each epoch, as schedules of the
        learning rate want.

    Returns
    -------
    curve : list of dict
        ``epoch``, ``train_loss`` and ``valid_loss``.
    best : dict
        The entry of ``curve`` with the lowest validation loss.

    Raises
    ------
    FloatingPointError
        If a loss is not finite.
    """
    curve, best, weights = [], None, None
    for epoch in range(1, n_epochs + 1):
        trained, valid = train(epoch), validate()
        if not (math.isfinite(trained) and math.isfinite(valid)):
            raise FloatingPointError(
                f"the loss is {trained} (training) and {valid} (validation) in epoch {epoch}. "
                f"{advice}"
            )
        curve.append({"epoch": epoch, "train_loss": trained, "valid_loss": valid})
        if after is not None:
            after(valid)
        if best is None or valid < best["valid_loss"]:
            best = curve[-1]
            if restore_best:
                weights = copy.deepcopy(network.state_dict())
        elif epoch - best["epoch"] >= patience:
            break
    if restore_best:
        network.load_state_dict(weights)
    return curve, best


def one_epoch(network, optimizer, X, y, batches, *, augment=None):
    """One step of the cross-entropy for each batch.

    Parameters
    ----------
    network : torch.nn.Module
        Gives logits; trained in place and left in training mode.
    optimizer : torch.optim.Optimizer
    X, y : Tensor
        Examples and their classes, on the network's device.
    batches : iterable of Tensor of int
        Rows of the batches.
    augment : callable, optional
        ``augment(X, y, indices=rows)`` gives the batch that is trained on.

    Returns
    -------
    loss : float
        Mean over all examples, each as it was when its batch came.
    """
    network.train()
    total, n_examples = 0.0, 0
    for rows in batches:
        here = rows.to(X.device)
        batch, labels = X[here], y[here]
        if augment is not None:
            batch, labels = augment(batch, labels, indices=rows.numpy())
        loss = functional.cross_entropy(network(batch), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(rows)
        n_examples += len(rows)
    return float(total) / n_examples


@torch.inference_mode()
def logits(network, X, *, batch_size=512):
    """Outputs of a network in evaluation mode, in which it is left.

    Parameters
    ----------
    network : torch.nn.Module
    X : Tensor, shape (n_examples, ...)
    batch_size : int, default=512
        Examples in memory at once.

    Returns
    -------
    outputs : Tensor, shape (n_examples, n_outputs)
    """
    network.eval()
    return torch.cat([network(batch) for batch in X.split(batch_size)])
