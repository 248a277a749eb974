"""Integrals of powers of volumes: sums over their samples."""

import math

import numpy as np
import torch

from common.scattering.base import check_finite, check_overflow

__all__ = [
    "check_powers",
    "compute_integrals",
    "differentiable_sums",
    "safe_power",
    "sums_of_powers",
]

_AXES = (-3, -2, -1)
_BLOCK = 2**15  # samples that powers are taken of at a time


def compute_integrals(x, integral_powers):
    """Sums of powers of volumes: the zeroth order of the scattering.

    Parameters
    ----------
    x : Tensor or ndarray, shape (..., M, N, O)
        Without negative values, unless all powers are integers.
    integral_powers : sequence of float
        Positive.

    Returns
    -------
    integrals : Tensor or ndarray, shape (..., n_powers)
        In the precision of ``x``.

    Raises
    ------
    ValueError
        If ``x`` has fewer than three axes, a value that is not finite, or negative values of which
        there is no such power; or if a sum overflows.
    """
    powers = check_powers(integral_powers)
    values = torch.from_numpy(x) if isinstance(x, np.ndarray) else x
    if values.ndim < 3:
        raise ValueError(f"x must have shape (..., M, N, O), got {tuple(values.shape)}.")
    check_finite(values)
    fractional = [q for q in powers if q != round(q)]
    if fractional and values.numel() and values.detach().amin() < 0:
        raise ValueError(
            f"x has negative values, down to {values.min().item():g}, which have no power "
            f"{fractional[0]}. Take its absolute value or its positive part."
        )
    sums = [values.pow(q).sum(dim=_AXES) for q in powers]
    found = torch.stack(sums, dim=-1)
    check_overflow(found, values)
    return found.numpy() if isinstance(x, np.ndarray) else found


def sums_of_powers(squares, powers):
    """Sums of powers of the root, shape (n_volumes, n_powers).

    Parameters
    ----------
    squares : Tensor, shape (n_volumes, ...)
        Squares of what is raised to the powers.
    powers : sequence of float
        Positive.

    Returns
    -------
    sums : Tensor, shape (n_volumes, n_powers)
    """
    sums = squares.new_zeros(len(squares), len(powers))
    for block in squares.flatten(1).split(_BLOCK, dim=1):
        root = block.sqrt()
        for column, q in enumerate(powers):
            if q == 0.5:
                values = root.sqrt()
            elif q == 1:
                values = root
            elif q == 2:
                values = block
            elif q == 3:
                values = block * root
            else:
                values = root.pow(q)
            sums[:, column] += values.sum(dim=1)
    return sums


def differentiable_sums(squares, powers):
    """`sums_of_powers`, as automatic differentiation needs them.

    Parameters
    ----------
    squares, powers
        As in `sums_of_powers`.

    Returns
    -------
    sums : Tensor, shape (n_volumes, n_powers)
    """
    sums = [squares if q == 2 else safe_power(squares, q / 2) for q in powers]
    return torch.stack([s.flatten(1).sum(dim=1) for s in sums], dim=1)


def safe_power(x, q):
    """A power of numbers that are not negative, whose gradient is 0 where they are.

    Parameters
    ----------
    x : Tensor
    q : float
        Positive.

    Returns
    -------
    power : Tensor, of the shape of ``x``
    """
    zero = x == 0
    return torch.where(zero, 0, torch.where(zero, 1, x).pow(q))


def check_powers(powers):
    """The powers as a tuple of positive numbers; a ValueError if they are none.

    Parameters
    ----------
    powers : sequence of float

    Returns
    -------
    powers : tuple of float

    Raises
    ------
    ValueError
        If there is none, or one is no positive, finite number.
    """
    try:
        found = tuple(float(q) for q in powers)
    except (TypeError, ValueError):
        found = ()
    if not found or not all(0 < q < math.inf for q in found):
        raise ValueError(f"integral_powers must be positive numbers, at least one, got {powers!r}.")
    return found
