"""Descent to an image, or to whatever a tensor holds, that meets given moments.

A microcanonical model draws a random start and moves it until its moments are those of an
observation. What moments, and of what, is the caller's: the objective is any differentiable
function of a tensor.
"""

from typing import NamedTuple

import numpy as np
import torch

from common import validation
from common.scattering.base import check_finite

__all__ = ["Descent", "descend", "match_histogram", "psnr_circular"]


class Descent(NamedTuple):
    """Where a descent ended and how it came there.

    Attributes
    ----------
    x : Tensor
        Of the shape, precision and device of the start.
    history : ndarray of float, shape (n_iterations + 1,)
        Objective at the start and after each iteration of all runs; never rising.
    n_iterations : list of int
        Of each run: fewer than asked for where it could not go on.
    """

    x: torch.Tensor
    history: np.ndarray
    n_iterations: list


def descend(
    objective, start, *, iterations=500, memory=20, tolerance=1e-14, factor=1.0, progress=None
):
    """Minimise by L-BFGS, in one run or in several, each with an empty memory.

    Parameters
    ----------
    objective : callable
        From a tensor to a tensor with one real number; differentiable.
    start : Tensor
        Real or complex, in single or double precision. Not changed.
    iterations : int or sequence of int, default=500
        At most so many in each run.
    memory : int, default=20
        Pairs of steps and changes of the gradient that are kept.
    tolerance : float, default=1e-14
        A run ends when an iteration lowers the objective by less, relative to it, or when no
        element of the gradient of ``factor`` times the objective exceeds it.
    factor : float, default=1
        What the objective is multiplied by for the optimiser, which compares gradients with
        ``tolerance``. The history is without it.
    progress : optional
        A progress bar as of tqdm: ``update(1)`` after each iteration, the objective in its
        postfix.

    Returns
    -------
    descent : Descent

    Raises
    ------
    ValueError
        If a setting is out of range, or the objective is not one finite number.
    TypeError
        If the start is not a tensor of floating-point numbers.

    Examples
    --------
    >>> found = descend(lambda x: ((x - 3) ** 2).sum(), torch.zeros(2, dtype=torch.float64))
    >>> [round(value, 6) for value in found.x.tolist()]
    [3.0, 3.0]
    """
    from scipy.optimize import minimize

    runs = list(iterations) if np.iterable(iterations) else [iterations]
    runs = [validation.count(n, "iterations") for n in runs]
    if not runs:
        raise ValueError("iterations is empty; give a number, or one for each run.")
    memory = validation.count(memory, "memory")
    tolerance = validation.number(tolerance, "tolerance", at_least=0)
    factor = validation.number(factor, "factor", above=0)
    if not isinstance(start, torch.Tensor) or not (start.is_floating_point() or start.is_complex()):
        kind = start.dtype if isinstance(start, torch.Tensor) else type(start).__name__
        raise TypeError(f"start must be a tensor of floating-point numbers, got {kind}.")
    check_finite(start, "start")

    def tensor_of(flat):
        x = torch.as_tensor(flat).to(start.device, start.real.dtype)
        if start.is_complex():
            return torch.view_as_complex(x.reshape(*start.shape, 2))
        return x.reshape(start.shape)

    def flat_of(x):
        x = torch.view_as_real(x.resolve_conj()) if x.is_complex() else x
        return x.detach().cpu().to(torch.float64).numpy().ravel()

    def value_and_gradient(flat):
        x = tensor_of(flat).detach().requires_grad_()
        value = objective(x)
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"the objective must be a tensor with one number, got {value!r}.")
        if value.numel() != 1 or not torch.isfinite(value):
            got = f"{value.item()}" if value.numel() == 1 else f"shape {tuple(value.shape)}"
            raise ValueError(f"the objective must be one finite number, got {got}.")
        (gradient,) = torch.autograd.grad(value.reshape(()), x)
        return factor * value.item(), factor * flat_of(gradient)

    flat = flat_of(start)
    history, n_iterations = [value_and_gradient(flat)[0]], []
    for n in runs:

        def record(intermediate_result):
            history.append(float(intermediate_result.fun))
            if progress is not None:
                progress.set_postfix(loss=f"{history[-1] / factor:.3g}", refresh=False)
                progress.update(1)

        options = {"maxcor": memory, "maxiter": n, "maxfun": 20 * n, "maxls": 40}
        options |= {"ftol": tolerance, "gtol": tolerance}
        before = len(history)
        result = minimize(
            value_and_gradient, flat, jac=True, method="L-BFGS-B", callback=record, options=options
        )
        flat = result.x
        n_iterations.append(len(history) - before)
    return Descent(tensor_of(flat).detach(), np.array(history) / factor, n_iterations)


def match_histogram(image, observed):
    """Give an image the grey levels of another, in its own order.

    Parameters
    ----------
    image : ndarray
    observed : ndarray
        Of any shape. With as many values, the result has exactly these; otherwise levels between
        them are interpolated.

    Returns
    -------
    matched : ndarray
        Of the shape of ``image``. Equal values stay equal: they get the level of their mean rank.

    Raises
    ------
    ValueError
        If one is empty or holds a value that is not finite.
    TypeError
        If one does not hold numbers.

    Examples
    --------
    >>> match_histogram(np.array([0.1, 0.9, 0.5]), np.array([1.0, 2.0, 3.0]))
    array([1., 3., 2.])
    """
    from scipy.stats import rankdata

    image = validation.array(image, "image")
    observed = validation.array(observed, "observed")
    levels = np.sort(observed, axis=None)
    place = (rankdata(image, axis=None) - 0.5) / image.size
    known = (np.arange(levels.size) + 0.5) / levels.size
    return np.interp(place, known, levels).reshape(image.shape).astype(image.dtype)


def psnr_circular(image, other, *, peak=1.0):
    r"""Peak signal-to-noise ratio after the best shift round the borders.

    Moments of a stationary model do not change with such a shift, so that an image can be
    recovered but for it.

    Parameters
    ----------
    image, other : ndarray, shape (height, width)
    peak : float, default=1
        Largest possible value minus the smallest.

    Returns
    -------
    psnr : float
        In dB; infinite where the images are equal but for a shift.
    shift : tuple of int
        Rows and columns by which ``numpy.roll`` brings ``other`` onto ``image``.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or ``peak`` is not positive.
    TypeError
        If one does not hold numbers.
    """
    peak = validation.number(peak, "peak", above=0)
    a = validation.array(image, "image", ndim=2).astype(float)
    b = validation.array(other, "other", ndim=2).astype(float)
    if a.shape != b.shape:
        raise ValueError(f"image and other must have one shape, got {a.shape} and {b.shape}.")
    spectrum = np.fft.rfft2(a) * np.fft.rfft2(b).conj()
    correlation = np.fft.irfft2(spectrum, s=a.shape)
    shift = np.unravel_index(np.argmax(correlation), a.shape)
    error = np.mean((a - np.roll(b, shift, axis=(0, 1))) ** 2) / peak**2
    psnr = float(-10 * np.log10(error)) if error else float("inf")
    return psnr, tuple(int(step) for step in shift)
