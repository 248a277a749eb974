r"""Barycentres of distributions under the entropic cost of transport, by mirror descent.

.. math:: \min_{b} F(b) = \sum_k W_\varepsilon(a_k, b), \qquad
          b \leftarrow b\, e^{-s G} / \sum_j b_j e^{-s G_j},

where G estimates the gradient of F from a few iterations of Sinkhorn for each distribution. With
an estimate that is off, descent ends at another b: F is then off by about the square of the
estimate's error.
"""

import numpy as np

from common import validation
from common.implicit.descent import kept_iterations
from common.implicit.sinkhorn import weight_gradients
from common.transport.sinkhorn import checked, dual_value, sinkhorn

__all__ = ["barycenter_loss", "barycenter_path"]


def barycenter_path(a, cost, *, reg, step, n_inner, gradient, iterations):
    """Iterates of mirror descent from the uniform weights.

    Parameters
    ----------
    a : array_like, shape (n_distributions, n)
        Positive weights, each row of sum one.
    cost : array_like, shape (n, m)
    reg : float
        Epsilon, in the unit of the cost.
    step : float
        s, in units of one over that of the cost.
    n_inner : int
        Iterations of Sinkhorn for each gradient, from g = 0.
    gradient : {"analytic", "automatic"}
        See `common.implicit.sinkhorn.weight_gradients`.
    iterations : array_like of int, shape (n_kept,)
        Which iterates are wanted, ascending; 0 is the start.

    Yields
    ------
    iteration : int
    b : ndarray, shape (m,)

    Raises
    ------
    TypeError, ValueError
        As `weight_gradients`; and if the step is not positive, the iterations are not whole,
        ascending numbers, or a weight vanishes because the step is too long.
    """
    a = validation.array(a, "a", ndim=2)
    cost = validation.array(cost, "cost", ndim=2)
    m = cost.shape[1]
    a, b, cost = checked(a, np.full(m, 1 / m), cost)
    step = validation.number(step, "step", above=0)
    kept = kept_iterations(iterations)
    options = {"reg": reg, "n_iter": n_inner, "gradient": gradient}
    weight_gradients(a, b, cost, **options | {"n_iter": 1})  # refuses what is wrong at once
    validation.count(n_inner, "n_inner")
    return _iterate(a, b, cost, step, kept, options)


def barycenter_loss(a, b, cost, *, reg, n_iter=1000):
    """The sum of entropic costs, by the dual value after many iterations.

    Parameters
    ----------
    a : array_like, shape (n_distributions, n)
    b : array_like, shape (m,)
    cost : array_like, shape (n, m)
    reg : float
    n_iter : int, default=1000

    Returns
    -------
    loss : float
        In the unit of the cost.

    Raises
    ------
    TypeError, ValueError
        As `common.transport.sinkhorn`.
    """
    f, g = sinkhorn(a, b, cost, reg=reg, n_iter=n_iter)
    return float(dual_value(f, g, a, b, cost, reg=reg).sum())


def _iterate(a, b, cost, step, kept, options):
    done = 0
    for wanted in kept:
        for _ in range(wanted - done):
            slope = step * weight_gradients(a, b, cost, **options).sum(0)
            b = b * np.exp(slope.min() - slope)  # the largest factor is 1, whatever the constant
            b = b / b.sum()
            if not b.all():
                raise ValueError(
                    f"step={step:g} is too long: a weight of the barycentre has come down to 0. "
                    "Take a shorter one."
                )
        done = wanted
        yield wanted, b
