r"""Gradient descent with its Jacobian, carried forward.

The iteration :math:`z_{t+1} = z_t - \rho\, \partial_1 L(z_t, x)` from a :math:`z_0` that does not
depend on x has, by the chain rule, the Jacobian

.. math:: J_{t+1} = J_t - \rho\, (\partial_{11} L\, J_t + \partial_{12} L), \qquad J_0 = 0.

Where L is strongly convex, :math:`|z_t - z^*| = O(\kappa^t)` and
:math:`|J_t - J^*| = O(t\, \kappa^t)`: the Jacobian's own recursion contracts by :math:`\kappa` and
is perturbed by :math:`|z_t - z^*|` in every step.
"""

import numpy as np

from common import validation
from common.implicit.estimators import check_point, check_problem

__all__ = ["gradient_descent", "kept_iterations"]


def gradient_descent(problem, x, *, step, iterations, start=None, beyond_bound=False):
    """Iterates of gradient descent and their Jacobians by forward-mode differentiation.

    Parameters
    ----------
    problem : object
        With the methods of the problems in `common.implicit.problems`.
    x : array_like, shape (n_inputs,)
    step : float
        Below 2 / L, with L the problem's ``smoothness(x)``.
    iterations : array_like of int, shape (n_kept,)
        Which iterates are wanted, ascending; 0 is the start.
    start : array_like, shape (n_parameters,), optional
        Zero by default.
    beyond_bound : bool, default=False
        Allow a step with which nothing is guaranteed. It may converge all the same where the
        curvature on the way is below L.

    Yields
    ------
    iteration : int
    z : ndarray, shape (n_parameters,)
    jacobian : ndarray, shape (n_parameters, n_inputs)

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If a shape does not fit, a value is not finite, the step is not positive or too long, or
        the iterations are not whole, ascending numbers.
    """
    check_problem(problem)
    start = np.zeros(problem.n_parameters) if start is None else start
    z, x = check_point(problem, start, x)
    bound = 2 / problem.smoothness(x)
    step = validation.number(step, "step", above=0)
    if step >= bound and not beyond_bound:
        raise ValueError(
            f"step must be below 2 / L = {bound:.4g}, with L the largest curvature, got {step:g}: "
            "gradient descent may diverge. Take half of the bound, or allow it: beyond_bound=True."
        )
    kept = kept_iterations(iterations)
    return _iterate(problem, z, x, step, kept)


def kept_iterations(iterations):
    """Numbers of iterations as whole numbers, checked.

    Parameters
    ----------
    iterations : array_like of int, shape (n_kept,)

    Returns
    -------
    iterations : list of int
        Each once.

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If they are negative, not whole or do not ascend.
    """
    found = validation.vector(iterations, "iterations", at_least=0, ascending=True)
    if np.any(found != np.floor(found)):
        wrong = found[found != np.floor(found)][0]
        raise ValueError(f"iterations must be whole numbers, got {wrong:g}.")
    return np.unique(found.astype(int)).tolist()


def _iterate(problem, z, x, step, kept):
    jacobian = np.zeros((problem.n_parameters, problem.n_inputs))
    done = 0
    for wanted in kept:
        for _ in range(wanted - done):
            gradient, derivative = problem.differential(z, x, jacobian)
            z, jacobian = z - step * gradient, jacobian - step * derivative
        done = wanted
        yield wanted, z, jacobian
