r"""Stochastic gradient descent on the logistic loss, differentiated through all of its steps.

One row i is drawn per step: with :math:`m = \langle D_i, z_t \rangle` and the loss
:math:`\phi(m, x_i) = \log(1 + e^{-x_i m})`,

.. math:: z_{t+1} = z_t - \rho_t \left(\phi_m(m, x_i)\, D_i + \lambda z_t\right).

The automatic estimate needs :math:`J_t^\top \partial_1 L(z_t, x)`. Forward mode would carry
:math:`J_t`, n columns; backwards, one vector does. From :math:`w = \partial_1 L(z_t, x)` and
:math:`q = 0`, the steps taken back in turn give

.. math:: q_i \leftarrow q_i - \rho_s\, \phi_{mx} \langle D_i, w \rangle, \qquad
          w \leftarrow w - \rho_s \left(\phi_{mm} \langle D_i, w \rangle D_i + \lambda w\right),

and q is what is sought. Only two numbers of each step are kept, :math:`\phi_{mm}` and
:math:`\phi_{mx}`; the loops are compiled by numba.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from common import validation
from common.implicit.descent import kept_iterations
from common.implicit.estimators import analytic, check_point, implicit
from common.implicit.problems import Logistic

__all__ = ["StochasticPath", "gradient_errors", "stochastic_descent"]


class StochasticPath(NamedTuple):
    """What `stochastic_descent` keeps of a run.

    ``iterations`` has the shape (n_kept,), ``z`` (n_kept, n_parameters), ``automatic``
    (n_kept, n_inputs); where a run has diverged its numbers are not finite.
    """

    iterations: np.ndarray
    z: np.ndarray
    automatic: np.ndarray


def stochastic_descent(problem, x, *, steps, iterations, rng):
    """Iterates of stochastic gradient descent from zero, and their automatic gradients.

    Parameters
    ----------
    problem : Logistic
    x : array_like, shape (n,)
    steps : array_like, shape (n_steps,)
        Lengths, positive. A run with steps that are too long may diverge, which is no error here:
        that is a result.
    iterations : array_like of int, shape (n_kept,)
        Which iterates are wanted, ascending, up to ``n_steps``.
    rng : numpy.random.Generator
        Draws the row of each step.

    Returns
    -------
    path : StochasticPath

    Raises
    ------
    TypeError
        If the problem is of another kind, or an argument is no number or no generator.
    ValueError
        If a shape does not fit, a value is not finite, a step is not positive, or the iterations
        are not whole, ascending numbers or more than there are steps.
    """
    if not isinstance(problem, Logistic):
        raise TypeError(f"problem must be Logistic, got {type(problem).__name__}.")
    _, x = check_point(problem, np.zeros(problem.n_parameters), x)
    steps = validation.vector(steps, "steps", above=0).astype(float)
    rng = validation.generator(rng)
    kept = kept_iterations(iterations)
    if kept[-1] > len(steps):
        raise ValueError(f"iterations must be at most the {len(steps)} steps, got {kept[-1]}.")
    rows = rng.integers(problem.n_inputs, size=len(steps))
    n_parameters, n_inputs = problem.n_parameters, problem.n_inputs
    z = np.zeros((len(kept), n_parameters))
    curved, mixed = np.empty(len(steps)), np.empty(len(steps))
    shared = (problem.D, x, problem.reg, steps, rows)
    automatic = np.zeros((len(kept), n_inputs))
    with np.errstate(all="ignore"):  # a run that diverges
        _forward(*shared, np.array(kept), np.zeros(n_parameters), z, curved, mixed)
        shared = (problem.D, problem.reg, steps, rows)
        for k, iteration in enumerate(kept):
            w = problem.gradient(z[k], x)
            _backward(*shared, iteration, curved, mixed, w, automatic[k])
            automatic[k] += problem.input_gradient(z[k], x)
    return StochasticPath(np.array(kept), z, automatic)


def gradient_errors(path, problem, x, gradient):
    """Errors of the three estimates along a path.

    Parameters
    ----------
    path : StochasticPath
    problem, x
        See `stochastic_descent`.
    gradient : array_like, shape (n,)
        The true gradient.

    Returns
    -------
    errors : dict of str to ndarray, shape (n_kept,)
        ``analytic``, ``automatic`` and ``implicit``; all NaN where the run has diverged, that is
        where the iterate or its automatic gradient is not finite.

    Raises
    ------
    TypeError
        If the path or the problem is of another type, or the gradient is no vector of numbers.
    ValueError
        If it does not fit or is not finite.
    """
    if not isinstance(path, StochasticPath):
        raise TypeError(f"path must be what stochastic_descent returns, got {path!r}.")
    _, x = check_point(problem, np.zeros(getattr(problem, "n_parameters", 1)), x)
    gradient = validation.vector(gradient, "gradient")
    validation.same_length(gradient=gradient, x=x)
    errors = {name: np.full(len(path.z), np.nan) for name in ("analytic", "automatic", "implicit")}
    for k, (z, automatic) in enumerate(zip(path.z, path.automatic, strict=True)):
        if np.isfinite(z).all() and np.isfinite(automatic).all():
            found = (analytic(problem, z, x), automatic, implicit(problem, z, x))
            for each, estimate in zip(errors.values(), found, strict=True):
                each[k] = np.linalg.norm(estimate - gradient)
    return errors


# Plain loops over arrays that the caller makes: they compile in a second, array operations in five.
@numba.njit
def _forward(D, x, reg, steps, rows, kept, z, found, curved, mixed):
    n_parameters, place = D.shape[1], 0
    for t in range(kept[-1] + 1):
        if t == kept[place]:
            for k in range(n_parameters):
                found[place, k] = z[k]
            place += 1
        if t == kept[-1]:
            break
        i = rows[t]
        m = 0.0
        for k in range(n_parameters):
            m += D[i, k] * z[k]
        wrong = 1 / (1 + math.exp(x[i] * m))
        curved[t] = x[i] * x[i] * wrong * (1 - wrong)
        mixed[t] = wrong * (x[i] * m * (1 - wrong) - 1)
        slope = -x[i] * wrong
        for k in range(n_parameters):
            z[k] -= steps[t] * (slope * D[i, k] + reg * z[k])


@numba.njit
def _backward(D, reg, steps, rows, n_steps, curved, mixed, w, q):
    n_parameters = D.shape[1]
    for t in range(n_steps - 1, -1, -1):
        i = rows[t]
        along = 0.0
        for k in range(n_parameters):
            along += D[i, k] * w[k]
        q[i] -= steps[t] * mixed[t] * along
        for k in range(n_parameters):
            w[k] -= steps[t] * (curved[t] * along * D[i, k] + reg * w[k])
