r"""Descent with a line search that needs no length of step, and networks trained by it.

Every iteration tries four times the last step and halves it until the loss falls [1]_. The loss is
that of all samples, so it never rises, and there is nothing to tune.

References
----------
.. [1] The authors' code of P. Ablin, T. Moreau, M. Massias, A. Gramfort, "Learning step sizes for
   unfolded sparse coding", NeurIPS 2019, arXiv:1905.11071.
"""

import math

import numpy as np

from common import validation
from common.sparse.unfolded import Unfolded

__all__ = ["SCHEDULES", "descend", "train"]

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
