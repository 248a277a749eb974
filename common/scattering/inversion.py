"""Signals from their scattering coefficients, by gradient descent from a start.

A transform forgets: phases within its windows, and what lies beyond its order. A signal found here
has almost the coefficients that were asked for, and shows what they keep.
"""

from typing import NamedTuple

import numpy as np
import torch

from common import validation

__all__ = ["Inversion", "invert_adam", "invert_bold_driver", "psnr"]


class Inversion(NamedTuple):
    """A reconstruction and how it came about.

    Attributes
    ----------
    signal : Tensor or ndarray
        What the start was, of its shape and precision.
    history : ndarray of float, shape (iterations + 1,)
        Loss at the start and after each iteration.
    """

    signal: torch.Tensor
    history: np.ndarray


def invert_bold_driver(
    transform, coefficients, start, *, learning_rate=100.0, up=1.1, down=0.55, iterations=200
):
    r"""Reconstruct by gradient descent whose rate follows the loss.

    The loss is the distance :math:`\lVert S y - S x \rVert_2`. A step along its negative gradient
    that lowers it is kept, and the rate grows by ``up``; otherwise the step is undone, and the rate
    shrinks by ``down``. The loss never rises.

    Parameters
    ----------
    transform : callable
        Differentiable map of a tensor, as the transforms of this package with
        ``out_type="array"``.
    coefficients : Tensor or ndarray
        What the transform gave for the signal.
    start : Tensor or ndarray
        Where to begin, of the shape of the signal: noise, as a rule. Not changed.
    learning_rate : float, default=100
        First length of a step, in units of the gradient; positive.
    up, down : float, default=1.1 and 0.55
        Factors of the rate, ``up`` at least 1 and ``down`` between 0 and 1.
    iterations : int, default=200
        Number of steps tried.

    Returns
    -------
    inversion : Inversion
        With the loss at the point that was kept.

    Raises
    ------
    ValueError
        If an option is out of range, a value is not finite, or the transform of ``start`` does not
        have the shape of ``coefficients``.
    TypeError
        If ``start`` is not floating point, or the transform does not return a tensor.

    See Also
    --------
    invert_adam : For images.

    Notes
    -----
    Known as the bold driver. The gradient of a distance has a length of order one however far away
    the solution is, which is why the rate is not small.

    Examples
    --------
    >>> start = torch.zeros(2, dtype=torch.float64)
    >>> found = invert_bold_driver(lambda y: 2 * y, np.array([4.0, 6.0]), start, learning_rate=1)
    >>> bool(found.history[-1] < 1e-6)
    True
    """
    _check_positive("learning_rate", learning_rate)
    iterations = validation.count(iterations, "iterations", at_least=1)
    if not 1 <= up < np.inf:
        raise ValueError(f"up must be at least 1, got {up}: the rate grows when the loss falls.")
    if not 0 < down < 1:
        raise ValueError(f"down must be between 0 and 1, got {down}: a failed step is shortened.")
    y, target, restore = _prepare(transform, coefficients, start)

    def distance(y):
        if not torch.isfinite(y).all():  # a step so long that it overflows is no progress
            return y.new_tensor(torch.inf)
        return torch.linalg.vector_norm(transform(y) - target)

    y.requires_grad_()
    loss = distance(y)
    (gradient,) = torch.autograd.grad(loss, y)
    history = [loss.item()]
    for _ in range(iterations):
        proposal = (y - learning_rate * gradient).detach().requires_grad_()
        proposed = distance(proposal)
        if proposed.item() < history[-1]:
            y, loss = proposal, proposed
            (gradient,) = torch.autograd.grad(loss, y)
            learning_rate *= up
        else:
            learning_rate *= down
        history.append(loss.item())
    return Inversion(restore(y), np.array(history))


def invert_adam(transform, coefficients, start, *, learning_rate=1.0, iterations=50):
    r"""Reconstruct with Adam.

    The loss is the mean of squares, :math:`\overline{(S y - S x)^2}`. It may rise on the way; the
    signal returned is that of the lowest.

    Parameters
    ----------
    transform : callable
        Differentiable map of a tensor, as the transforms of this package with
        ``out_type="array"``.
    coefficients : Tensor or ndarray
        What the transform gave for the signal.
    start : Tensor or ndarray
        Where to begin, of the shape of the signal. Not changed.
    learning_rate : float, default=1
        In units of the signal: about the most that a value moves in a step.
    iterations : int, default=50

    Returns
    -------
    inversion : Inversion
        With the loss of every point visited, not only of the best.

    Raises
    ------
    ValueError, TypeError
        As `invert_bold_driver`.

    See Also
    --------
    psnr : How close an image is to another.
    """
    _check_positive("learning_rate", learning_rate)
    iterations = validation.count(iterations, "iterations", at_least=1)
    y, target, restore = _prepare(transform, coefficients, start)
    y.requires_grad_()
    optimizer = torch.optim.Adam([y], lr=learning_rate)
    history, best = [], None
    for iteration in range(iterations + 1):
        loss = (transform(y) - target).square().mean()
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} after {iteration} steps; lower learning_rate, which is "
                f"{learning_rate}."
            )
        if not history or loss.item() < min(history):
            best = y.detach().clone()  # a copy: the optimiser goes on writing to y
        history.append(loss.item())
        if iteration < iterations:
            (y.grad,) = torch.autograd.grad(loss, y)
            optimizer.step()
    return Inversion(restore(best), np.array(history))


def psnr(a, b, peak):
    r"""Peak signal-to-noise ratio, :math:`10 \log_{10}(p^2 / \overline{(a - b)^2})`.

    Parameters
    ----------
    a, b : Tensor or ndarray
        Of one shape, in one unit.
    peak : float
        Largest possible value minus the smallest, in that unit: 1 for images in [0, 1].

    Returns
    -------
    psnr : float
        In dB; infinite where all values are equal.

    Raises
    ------
    ValueError
        If shapes differ or are empty, a value is not finite, or ``peak`` is not positive.

    Examples
    --------
    >>> psnr(np.zeros(4), np.full(4, 0.1), 1.0)
    20.0
    """
    _check_positive("peak", peak)
    a, b = (
        np.asarray(v.detach().cpu() if isinstance(v, torch.Tensor) else v, dtype=float)
        for v in (a, b)
    )
    if a.shape != b.shape or not a.size:
        raise ValueError(f"a and b must have one shape and values, got {a.shape} and {b.shape}.")
    _check_finite("a", torch.from_numpy(a))
    _check_finite("b", torch.from_numpy(b))
    error = np.mean((a / peak - b / peak) ** 2)
    if not np.isfinite(error):
        raise ValueError(
            f"a and b differ by up to {np.abs(a - b).max():g}, {peak:g} being the peak: its square "
            "overflows. Are both in one unit?"
        )
    return float(-10 * np.log10(error)) if error else float("inf")


def _prepare(transform, coefficients, start):
    """A copy of the start, the coefficients beside it, and how to give the result back."""
    restore = (lambda y: y.detach().numpy()) if isinstance(start, np.ndarray) else torch.detach
    y = torch.as_tensor(start).detach().clone()
    if not y.is_floating_point():
        raise TypeError(f"start must be floating point, got {y.dtype}. Convert it: start.float().")
    _check_finite("start", y)
    target = torch.as_tensor(coefficients).detach().to(y)
    _check_finite("coefficients", target)
    with torch.no_grad():
        of_start = transform(y)
    if not isinstance(of_start, torch.Tensor):
        raise TypeError(
            f"the transform must return a tensor, got {type(of_start).__name__}. Build it with "
            "out_type='array'."
        )
    if of_start.shape != target.shape:
        raise ValueError(
            f"coefficients have shape {tuple(target.shape)}, but the transform of start, of shape "
            f"{tuple(y.shape)}, has {tuple(of_start.shape)}. Is start of the signal's shape?"
        )
    return y, target, restore


def _check_finite(name, values):
    bad = ~torch.isfinite(values)
    if bad.any():
        where = bad.nonzero()[0].tolist()
        raise ValueError(
            f"{name}{where} is {values[tuple(where)].item()} ({int(bad.sum())} of {values.numel()} "
            "values are not finite)."
        )


def _check_positive(name, value):
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}.")
