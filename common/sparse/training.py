r"""Descent with a line search that needs no length of step, and networks trained by it.

Every iteration tries four times the last step and halves it until the loss falls [1]_. The loss is
that of all samples, so it never rises, and there is nothing to tune.

References
----------
.. [1] The authors' code of P. Ablin, T. Moreau, M. Massias, A. Gramfort, "Learning step sizes for
   unfolded sparse coding", NeurIPS 2019, arXiv:1905.11071.
"""

import math
from typing import NamedTuple

import numpy as np

from common import validation
from common.sparse.unfolded import Unfolded

__all__ = ["SCHEDULES", "Trained", "descend", "train", "train_growing"]

SCHEDULES = ("oneshot", "recursive")

_LONGEST = 1e12
_SHORTEST = 1e-20


def descend(loss, start, *, n_iter, move=None):
    """Gradient descent whose steps are found by trial.

    Parameters
    ----------
    loss : callable
        ``loss(point)`` gives the value there and a function without arguments that gives the
        gradient.
    start : object
        The first point; an array, or what ``move`` takes.
    n_iter : int
        Iterations at most: accepted steps.
    move : callable, optional
        ``move(point, gradient, step)`` gives the next point, None where there is none. Without it
        the step times the gradient is subtracted.

    Returns
    -------
    point : object
    losses : ndarray, shape (n_done + 1,)
        At the start and after every iteration; shorter than ``n_iter + 1`` where no step of more
        than 1e-20 lowers the loss.

    Raises
    ------
    TypeError, ValueError
        If ``n_iter`` is not a whole number of at least 0.
    FloatingPointError
        If the loss of the start is not finite.
    """
    n_iter = validation.count(n_iter, "n_iter", at_least=0)
    move = move or (lambda point, gradient, step: point - step * gradient)
    point, step = start, 1.0
    value, gradient = loss(point)
    if not math.isfinite(value):
        raise FloatingPointError(f"the loss of the start is {value}: begin from another point.")
    losses = [value]
    for _ in range(n_iter):
        slope, step = gradient(), min(4 * step, _LONGEST)
        while step >= _SHORTEST:
            tried = move(point, slope, step)
            if tried is not None:
                lower, following = loss(tried)
                if lower < value:
                    break
            step /= 2
        else:
            break
        point, value, gradient = tried, lower, following
        losses.append(value)
    return point, np.array(losses)


def train(network, x, *, n_iter, schedule="oneshot"):
    """Train a network to give codes of low cost.

    Parameters
    ----------
    network : Unfolded
        Where to start; it stays as it is.
    x : array_like, shape (n_samples, n_features)
        Training samples.
    n_iter : int
        Iterations in all.
    schedule : {"oneshot", "recursive"}, default="oneshot"
        Train all layers at once, or the first one, the first two, and so on: each of the networks
        that grow has an equal part of the iterations, the deepest ones have one more where they
        do not divide.

    Returns
    -------
    network : Unfolded
    losses : ndarray
        Mean cost of the last codes before and after every iteration of the whole network.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If samples do not fit, the schedule is unknown, or there are fewer iterations than it needs.
    """
    if not isinstance(network, Unfolded):
        raise TypeError(f"network must be an Unfolded, got {network!r}.")
    x = network.problem.samples(x)
    schedule = validation.choice(schedule, SCHEDULES, "schedule")
    n_layers = len(network.layers)
    depths = [n_layers] if schedule == "oneshot" else list(range(1, n_layers + 1))
    n_iter = validation.count(n_iter, "n_iter", at_least=0)
    for place, depth in enumerate(depths, 1):
        share = n_iter * place // len(depths) - n_iter * (place - 1) // len(depths)
        shallow = network.with_layers(network.layers[:depth])
        trained, losses = descend(
            lambda one: one.loss(x), shallow, n_iter=share, move=lambda one, *to: one.moved(*to)
        )
        network = network.with_layers([*trained.layers, *network.layers[depth:]])
    return network, losses


class Trained(NamedTuple):
    """A network after training, and how it went."""

    network: Unfolded
    """The one with the smallest mean cost of held-out samples that training has passed."""
    kept: int
    """Iterations after which that was."""
    losses: np.ndarray
    """Mean cost of the training samples at the start and after every iteration."""
    held_out: np.ndarray
    """Of the held-out samples."""


def train_growing(network, x, held_out, *, depths, n_iter):
    """Train a network of growing depth, and keep at every depth the best on held-out samples.

    Layers are trained all at once. The first depth starts from the network's first layers, every
    other one from the network that was kept, followed by the next layers.

    Parameters
    ----------
    network : Unfolded
        Where to start, as deep as the last depth; it stays as it is.
    x, held_out : array_like, shape (n_samples, n_features)
        Samples to train on, and to choose by.
    depths : sequence of int
        Numbers of layers, ascending.
    n_iter : int
        Iterations of each depth at most.

    Yields
    ------
    trained : Trained
        For every depth.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If samples do not fit, or depths do not ascend from 1 to the depth of the network.
    """
    if not isinstance(network, Unfolded):
        raise TypeError(f"network must be an Unfolded, got {network!r}.")
    x, held_out = network.problem.samples(x), network.problem.samples(held_out)
    depths = [validation.count(depth, "a depth") for depth in depths]
    n_layers = len(network.layers)
    if not depths or sorted(set(depths)) != depths or depths[-1] != n_layers:
        raise ValueError(
            f"depths must ascend to the {n_layers} layers of the network, got {depths}."
        )
    n_iter = validation.count(n_iter, "n_iter", at_least=0)
    return _growing(network, x, held_out, depths, n_iter)


def _growing(network, x, held_out, depths, n_iter):
    layers = network.layers
    for depth in depths:
        start, judge = network.with_layers(layers[:depth]), _Judge(held_out)

        def loss(one, judge=judge):
            value, gradient = one.loss(x)
            return value, lambda: judge(one) or gradient()

        last, losses = descend(loss, start, n_iter=n_iter, move=lambda one, *to: one.moved(*to))
        # Every point that is accepted is asked for its gradient once, but the last one.
        if len(judge.costs) < len(losses):
            judge(last)
        yield Trained(judge.best or start, judge.kept, losses, np.array(judge.costs))
        layers = [*(judge.best or start).layers, *network.layers[depth:]]


class _Judge:
    """Keeps the best of the networks that it is shown."""

    def __init__(self, held_out):
        self.held_out, self.costs = held_out, []
        self.best, self.kept, self.lowest = None, 0, math.inf

    def __call__(self, network):
        cost = network.loss(self.held_out)[0]
        if cost < self.lowest:
            self.best, self.kept, self.lowest = network, len(self.costs), cost
        self.costs.append(cost)
