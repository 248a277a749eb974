"""UNHaP's loss by RMSprop, as its authors minimise it: for comparison with `mixture`.

All parameters follow the gradient of the loss, with a step of 1e-3; every some iterations the
labels make one such step from where they are in [0, 1], and the loss goes on with them rounded.
A step of RMSprop has nearly the same size whatever the gradient, so a rounded label keeps the sign
of the gradient that has added up. The gradient is that of `common.hawkes.mixture_labels`, which
credits offspring to the parent; sums over the events are found anew only where labels have changed.
"""

import numpy as np
import torch

from common import validation
from common.hawkes.marked_pairs import MarkedPairs
from common.hawkes.marks import mark_density
from common.hawkes.mixture import moment_start
from common.hawkes.mixture_labels import MixtureModel, label_differences

__all__ = ["fit_rmsprop"]

_SMOOTHING = 0.99  # of the squared gradient, torch's


def fit_rmsprop(
    events,
    *,
    end_time,
    delta,
    kernel_length,
    n_iter=10_000,
    every=200,
    step=1e-3,
    density="linear",
    noise_density="uniform",
    lags="all",
):
    """Fit a mixture of one process, with a truncated Gaussian kernel.

    Parameters
    ----------
    events : array_like, shape (n_events, 2)
        Times in s, sorted, and marks in [0, 1].
    end_time, delta, kernel_length : float
        End of the record, grid step and support of the kernel, in s.
    n_iter : int, default=10000
    every : int, default=200
        Iterations between two steps of the labels.
    step : float, default=1e-3
        Of RMSprop, for parameters and labels.
    density, noise_density : {"linear", "uniform", "decreasing"}
        As in `common.hawkes.mixture.MixtureEstimator`.
    lags : {"last", "all"}, default="all"
        Start, see `common.hawkes.mixture.moment_start`.

    Returns
    -------
    found : dict
        ``baseline``, ``noise``, ``adjacency``, ``mean`` and ``sigma``; ``labels``, ndarray of
        bool, shape (n_events,); ``losses``, ndarray, shape (n_iter,), per event.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or events are not valid.
    """
    n_iter, every = validation.count(n_iter, "n_iter"), validation.count(every, "every")
    step = validation.number(step, "step", above=0)
    f, g = mark_density(density), mark_density(noise_density)
    grid = {"end_time": end_time, "delta": delta, "kernel_length": kernel_length}
    pairs = MarkedPairs.from_events([events], **grid)
    start = moment_start([events], end_time=end_time, kernel_length=kernel_length, lags=lags)
    first = [start[name].item() for name in ("baseline", "noise", "adjacency", "mean", "spread")]
    theta = torch.tensor(first, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.RMSprop([theta], lr=step)
    times = delta * torch.arange(1, pairs.n_lags + 1, dtype=torch.float64)
    smallest = torch.tensor([0, 0, 0, 0, delta / 2], dtype=torch.float64)
    rho, labels = np.full(pairs.n_events, 0.5), np.full(pairs.n_events, 0.5)
    squared, losses = np.zeros(pairs.n_events), []
    sums = _sums(pairs, labels, f, g)
    for iteration in range(n_iter):
        if iteration and iteration % every == 0:
            with torch.no_grad():
                baseline, noise, phi = theta[:1].numpy(), theta[1:2].numpy(), _phi(theta, times)
            model = MixtureModel(baseline, noise, phi.numpy()[None, None], f, g)
            gradient = label_differences(pairs, labels, model, at=None) / pairs.n_events
            squared = _SMOOTHING * squared + (1 - _SMOOTHING) * gradient**2
            rho = np.clip(rho - step * gradient / (np.sqrt(squared) + 1e-8), 0, 1)
            labels = np.round(rho)
            sums = _sums(pairs, labels, f, g)
        optimizer.zero_grad()
        loss = _loss(theta, times, sums, pairs)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            theta.copy_(torch.maximum(theta, smallest))
        losses.append(loss.item())
    names = ("baseline", "noise", "adjacency", "mean", "sigma")
    found = dict(zip(names, theta.detach().tolist(), strict=True))
    return found | {"labels": pairs.split(labels > 0)[0], "losses": np.array(losses)}


def _sums(pairs, labels, f, g):
    """Sums over the events, as tensors: all that the loss needs."""
    targets = labels * f.value(pairs.marks)
    statistics = pairs.statistics(labels * pairs.marks, targets, f.square)
    spurious = pairs.totals((1 - labels) * g.value(pairs.marks))[0]
    found = (
        statistics.after[0],
        statistics.psi()[0, 0],
        statistics.pairs[0, 0],
        statistics.n_events[0],
        spurious,
        (f.square, g.square),
    )
    return tuple(torch.as_tensor(each, dtype=torch.float64) for each in found)


def _phi(theta, times):
    shape = torch.exp(-0.5 * ((times - theta[3]) / theta[4]) ** 2)
    step = times[0]
    return theta[2] * shape / (step * shape.sum() + 1e-300)


def _loss(theta, times, sums, pairs):
    after, psi, onto, total, spurious, squares = sums
    baseline, noise = theta[0], theta[1]
    phi = _phi(theta, times)
    loss = pairs.duration * baseline**2 + 2 * pairs.delta * baseline * (phi @ after)
    loss = loss + pairs.delta * (phi @ (psi @ phi)) - 2 * (total * baseline + phi @ onto)
    spent = squares[1] * pairs.duration * noise**2 - 2 * noise * spurious
    return (squares[0] * loss + spent) / pairs.n_events
