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

from typing import NamedTuple

import numba
import numpy as np

from common import validation
from common.implicit.descent import kept_iterations
from common.implicit.estimators import check_point
from common.implicit.problems import Logistic

__all__ = ["StochasticPath", "stochastic_descent"]


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
    with np.errstate(all="ignore"):  # a run that diverges
        z, curved, mixed = _forward(problem.D, x, problem.reg, steps, rows, np.array(kept))
        automatic = np.empty((len(kept), problem.n_inputs))
        for k, iteration in enumerate(kept):
            w = problem.gradient(z[k], x)
            part = slice(iteration)
            back = _backward(problem.D, problem.reg, steps[part], rows, curved, mixed, w)
            automatic[k] = problem.input_gradient(z[k], x) + back
    return StochasticPath(np.array(kept), z, automatic)


@numba.njit()
def _forward(D, x, reg, steps, rows, kept):
    n_parameters = D.shape[1]
    z = np.zeros(n_parameters)
    found = np.zeros((len(kept), n_parameters))
    curved, mixed = np.empty(len(steps)), np.empty(len(steps))
    place = 0
    for t in range(kept[-1] + 1):
        if t == kept[place]:
            found[place] = z
            place += 1
        if t == kept[-1]:
            break
        i = rows[t]
        m = 0.0
        for k in range(n_parameters):
            m += D[i, k] * z[k]
        wrong = 1 / (1 + np.exp(x[i] * m))
        curved[t] = x[i] ** 2 * wrong * (1 - wrong)
        mixed[t] = wrong * (x[i] * m * (1 - wrong) - 1)
        slope = -x[i] * wrong
        for k in range(n_parameters):
            z[k] -= steps[t] * (slope * D[i, k] + reg * z[k])
    return found, curved, mixed


@numba.njit()
def _backward(D, reg, steps, rows, curved, mixed, w):
    n_inputs, n_parameters = D.shape
    w, q = w.copy(), np.zeros(n_inputs)
    for t in range(len(steps) - 1, -1, -1):
        i = rows[t]
        along = 0.0
        for k in range(n_parameters):
            along += D[i, k] * w[k]
        q[i] -= steps[t] * mixed[t] * along
        for k in range(n_parameters):
            w[k] -= steps[t] * (curved[t] * along * D[i, k] + reg * w[k])
    return q
