"""Wasserstein distances between samples on the line, for many lines at once."""

import array_api_compat
import numpy as np
from array_api_compat import is_torch_array

from common.spd._checks import (
    as_array,
    check_finite,
    check_order,
    check_powers,
    check_weights,
    floating,
    namespace,
)

__all__ = ["costs_of", "wasserstein_1d"]


def wasserstein_1d(x, y, *, p=2, x_weights=None, y_weights=None):
    r"""p-th power of the Wasserstein distance on each of several lines.

    .. math:: W_p^p = \int_0^1 \big| F_x^{-1}(t) - F_y^{-1}(t) \big|^p \, dt

    Quantile functions of samples are constant between the sums of weights, so the integral is a
    finite sum. Without weights it needs one sort of each sample.

    Parameters
    ----------
    x : ndarray or Tensor, shape (..., n)
        Real numbers, one sample per row; whole ones become float64. Samples lie along the last
        axis, which is contiguous in memory when the rows come from ``directions @ vectors.T``:
        sorting is fastest there.
    y : ndarray or Tensor, shape (..., m)
        As many rows as ``x``.
    p : float, default=2
        Order, at least 1.
    x_weights, y_weights : array, shape (n,) and (m,), optional
        Weights of the samples, shared by all rows; scaled to sum to one. Uniform by default.

    Returns
    -------
    costs : ndarray or Tensor, shape (...)
        :math:`W_p^p` of every row. For tensors differentiable in ``x`` and ``y``: almost everywhere
        the order of the samples is constant, and the gradient is that of the sum.

    Raises
    ------
    TypeError
        If weights are no real numbers.
    ValueError
        If the rows differ in number, a value is masked, not finite or no real number, ``p < 1``,
        a power overflows, or weights are masked, negative, all zero or too few.

    Examples
    --------
    >>> wasserstein_1d(np.array([[0.0, 1.0]]), np.array([[3.0, 2.0]]), p=1).tolist()
    [2.0]
    """
    namespace(x=x, y=y)
    check_order(p)
    x, y = floating(x, name="x"), floating(y, name="y")
    if not x.ndim or x.shape[:-1] != y.shape[:-1] or 0 in (*x.shape, *y.shape):
        raise ValueError(
            "x and y must have shapes (n_projections, n) and (n_projections, m), none empty, got "
            f"{tuple(x.shape)} and {tuple(y.shape)}."
        )
    check_finite(x, name="x")
    check_finite(y, name="y")
    n, m = x.shape[-1], y.shape[-1]
    x_weights = check_weights(x_weights, name="x_weights", n_samples=n)
    y_weights = check_weights(y_weights, name="y_weights", n_samples=m)
    return costs_of(x, y, p=p, x_weights=x_weights, y_weights=y_weights, names=("x", "y"))


def costs_of(x, y, *, p, x_weights, y_weights, names):
    """As `wasserstein_1d`, for samples and weights that were checked.

    Parameters
    ----------
    x, y, p, x_weights, y_weights
        As in `wasserstein_1d`.
    names : tuple of str
        What the message calls ``x`` and ``y``.

    Returns
    -------
    costs : ndarray or Tensor, shape (...)

    Raises
    ------
    ValueError
        If a power overflows.
    """
    xp = array_api_compat.array_namespace(x, y)
    with np.errstate(over="ignore", invalid="ignore"):  # said by the check
        costs = _costs(x, y, p, x_weights, y_weights, xp)
    check_powers(costs, x, y, p=p, names=names)
    return costs


def _costs(x, y, p, x_weights, y_weights, xp):
    n, m = x.shape[-1], y.shape[-1]
    if x_weights is not None or y_weights is not None:
        return _weighted(x, y, p, x_weights, y_weights, xp)
    x, y = _sort(x, xp), _sort(y, xp)
    if n == m:
        return xp.mean(_power(x - y, p), axis=-1)
    x_index, y_index, mass = (_like(values, x, xp) for values in _steps(n, m))
    gaps = xp.take(x, x_index, axis=-1) - xp.take(y, y_index, axis=-1)
    return xp.sum(_power(gaps, p) * xp.astype(mass, x.dtype), axis=-1)


def _steps(n, m):
    """Steps of two uniform quantile functions: which sample each takes, and for how long.

    Counted in units of 1 / (n m), where both change at integers, so nothing is rounded.
    """
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    return (ends - 1) // m, (ends - 1) // n, np.diff(ends, prepend=0) / (n * m)


def _weighted(x, y, p, x_weights, y_weights, xp):
    x, x_ends = _cumulate(x, x_weights, xp)
    y, y_ends = _cumulate(y, y_weights, xp)
    n, m = x.shape[-1], y.shape[-1]
    ends = xp.concat([x_ends, y_ends], axis=-1)
    # Two ascending runs: a stable sort merges them in linear time.
    order = xp.argsort(ends, axis=-1, stable=True)
    ends = xp.take_along_axis(ends, order, axis=-1)
    # On the step before the k-th end, each function has passed as many of its own ends as there are
    # among the k before it. Rounding may put one last end, equal to 1, before the other.
    is_x = xp.astype(order < n, xp.int64)
    passed = xp.cumulative_sum(is_x, axis=-1) - is_x
    position = xp.arange(n + m, dtype=xp.int64, device=array_api_compat.device(x))
    x_index = xp.clip(passed, max=n - 1)
    y_index = xp.clip(position - passed, max=m - 1)
    first = xp.zeros_like(ends[..., :1])
    mass = xp.diff(ends, axis=-1, prepend=first)
    gaps = xp.take_along_axis(x, x_index, axis=-1) - xp.take_along_axis(y, y_index, axis=-1)
    return xp.sum(_power(gaps, p) * mass, axis=-1)


def _cumulate(x, weights, xp):
    """Sorted rows and the sums of weights up to each sample."""
    n = x.shape[-1]
    if weights is None:
        steps = xp.arange(1, n + 1, dtype=x.dtype, device=array_api_compat.device(x)) / n
        return _sort(x, xp), xp.broadcast_to(steps, x.shape)
    order = _argsort(x, xp)
    weights = as_array(weights, like=x)[order]
    return xp.take_along_axis(x, order, axis=-1), xp.cumulative_sum(weights, axis=-1)


def _sort(x, xp):
    # numpy sorts rows with vector instructions if the sort need not be stable, several times
    # faster than torch, whose tensors on the CPU share their memory with it.
    if not is_torch_array(x):
        return xp.sort(x, axis=-1, stable=False)
    if x.device.type != "cpu":
        return xp.sort(x, axis=-1)
    if x.requires_grad:
        return xp.take_along_axis(x, _argsort(x, xp), axis=-1)
    return xp.asarray(np.sort(x.numpy(), axis=-1))


def _argsort(x, xp):
    if is_torch_array(x) and x.device.type == "cpu":
        return xp.asarray(np.argsort(x.detach().numpy(), axis=-1))
    return xp.argsort(x, axis=-1, stable=False)


def _power(gaps, p):
    if p == 2:
        return gaps * gaps
    return abs(gaps) if p == 1 else abs(gaps) ** p


def _like(values, array, xp):
    return xp.asarray(values, device=array_api_compat.device(array))
