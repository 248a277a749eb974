r"""Gradients of the entropic cost of transport by weights, through Sinkhorn's iterations.

The dual is a problem of `common.implicit.estimators` with :math:`z = (f, g)` and :math:`x = b`
(it is maximal where others are minimal, which changes nothing in them):

.. math:: L = \langle f, a \rangle + \langle g, b \rangle - \varepsilon \sum_{ij} P_{ij}, \quad
          \partial_1 L = (a - P 1,\ b - P^\top 1), \quad \partial_2 L = g, \quad
          \partial_{11} L = -\frac1\varepsilon
          \begin{pmatrix} \mathrm{diag}(P 1) & P \\ P^\top & \mathrm{diag}(P^\top 1) \end{pmatrix},

and :math:`\partial_{12} L = (0, I)`. L does not change with :math:`(f + c, g - c)`, so gradients
are known up to a constant, which moves no weights that sum to one: compare them after removing
their means.

One iteration, :math:`f = \varepsilon (\log a - \log K e^{g / \varepsilon})` and
:math:`g = \varepsilon (\log b - \log K^\top e^{f / \varepsilon})`, differentiates to

.. math:: df = -A\, dg, \qquad dg = \varepsilon\, \mathrm{diag}(1 / b) - B\, df,

with A the plan after the first half, each row divided by its sum, and B the one after the second
half, transposed, likewise. `sinkhorn_path` carries these matrices forward, which gives every
iterate's Jacobian. `weight_gradients` goes backwards instead, from
:math:`\bar f = \partial_f L`, over :math:`\bar g = -A^\top \bar f` and
:math:`\bar f = -B^\top \bar g`, adding :math:`\varepsilon\, \bar g / b` each time: as many products
with K as the iterations themselves took, and no matrix.
"""

import numpy as np

from common import validation
from common.implicit.descent import kept_iterations
from common.implicit.estimators import fitting_point
from common.transport.sinkhorn import (
    checked,
    dual_value,
    potentials,
    unbounded_plan,
    unchecked_half_steps,
    underflow,
)

__all__ = ["GRADIENTS", "EntropicDual", "sinkhorn_path", "weight_gradients"]

GRADIENTS = ("analytic", "automatic")
"""Estimates of `weight_gradients`."""


class EntropicDual:
    """The dual of entropic transport, as a problem in its potentials with the weights b as input.

    Parameters
    ----------
    a : array_like, shape (n,)
        Positive weights that sum to one.
    cost : array_like, shape (n, m)
    reg : float
        Epsilon, in the unit of the cost.

    Attributes
    ----------
    n_parameters, n_inputs : int
        n + m and m.
    flat : ndarray, shape (n + m, 1)
        The direction (1, -1).

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If weights are not positive or do not sum to one, a shape does not fit, a value is not
        finite, or ``reg`` is not positive.
    """

    def __init__(self, a, cost, *, reg):
        cost = validation.array(cost, "cost", ndim=2)
        m = cost.shape[1]
        self.a, _, self.cost = checked(validation.vector(a, "a"), np.full(m, 1 / m), cost)
        self.reg = validation.number(reg, "reg", above=0)
        self.n_parameters, self.n_inputs = len(self.a) + m, m
        signs = np.repeat([1.0, -1.0], [len(self.a), m])
        self.flat = signs[:, None] / np.sqrt(self.n_parameters)

    def value(self, z, x):
        """The dual value.

        Parameters
        ----------
        z : ndarray, shape (n + m,)
            The potentials, f before g.
        x : ndarray, shape (m,)
            The weights b.

        Returns
        -------
        value : float

        Raises
        ------
        TypeError
            If an argument is no number; of all methods.
        ValueError
            If a shape does not fit, a value is not finite, weights are not positive or do not sum
            to one, or the plan overflows.
        """
        z, x = fitting_point(self, z, x)
        return dual_value(*self._potentials(z), self.a, x, self.cost, reg=self.reg)

    def gradient(self, z, x):
        """Derivative by the potentials, shape (n + m,); see `value`."""
        z, x = fitting_point(self, z, x)
        plan = self._plan(z)
        return np.concatenate([self.a - plan.sum(1), x - plan.sum(0)])

    def input_gradient(self, z, x):
        """Derivative by b at fixed potentials, which is g; see `value`."""
        z, x = fitting_point(self, z, x)
        return z[len(self.a) :]

    def hessian(self, z, x):
        """Second derivative by the potentials, shape (n + m, n + m); see `value`."""
        z, x = fitting_point(self, z, x)
        plan = self._plan(z)
        blocks = [[np.diag(plan.sum(1)), plan], [plan.T, np.diag(plan.sum(0))]]
        return -np.block(blocks) / self.reg

    def cross(self, z, x):
        """Derivative of `gradient` by b, shape (n + m, m); see `value`."""
        fitting_point(self, z, x)
        return np.eye(self.n_parameters)[:, len(self.a) :]

    def _potentials(self, z):
        return z[: len(self.a)], z[len(self.a) :]

    def _plan(self, z):
        return unbounded_plan(*self._potentials(z), self.cost, reg=self.reg)


def sinkhorn_path(problem, x, *, iterations, domain="linear"):
    """Iterates of Sinkhorn and their Jacobians by forward-mode differentiation, from g = 0.

    Parameters
    ----------
    problem : EntropicDual
    x : array_like, shape (m,)
        The weights b, positive, of sum one.
    iterations : array_like of int, shape (n_kept,)
        Which iterates are wanted, ascending, from 1 on.
    domain : {"linear", "log"}, default="linear"
        See `common.transport.sinkhorn`.

    Yields
    ------
    iteration : int
    z : ndarray, shape (n + m,)
        Potentials, f before g.
    jacobian : ndarray, shape (n + m, m)

    Raises
    ------
    TypeError
        If the problem is of another type, or an argument is no number.
    ValueError
        If weights are not positive or do not sum to one, the iterations are not whole, ascending
        numbers from 1 on, or the kernel underflows in the linear domain.
    """
    if not isinstance(problem, EntropicDual):
        raise TypeError(
            f"problem must be an EntropicDual, such as EntropicDual(a, cost, reg=0.1), got "
            f"{problem!r}."
        )
    x = validation.vector(x, "x")
    steps = unchecked_half_steps(problem.a, x, problem.cost, reg=problem.reg, domain=domain)
    kept = kept_iterations(iterations)
    if kept[0] < 1:
        raise ValueError(f"iterations must be at least 1, got {kept[0]}: f has no value before.")
    return _iterate(problem, x, kept, steps, domain)


def weight_gradients(a, b, cost, *, reg, n_iter, gradient):
    r"""Gradients of several entropic costs by the weights b that they share.

    Parameters
    ----------
    a : array_like, shape (n_distributions, n)
        Positive weights, each row of sum one.
    b : array_like, shape (m,)
    cost : array_like, shape (n, m)
    reg : float
    n_iter : int
        Iterations of Sinkhorn in the linear domain, from g = 0.
    gradient : {"analytic", "automatic"}
        g¹ or g². The second takes about twice as long, and memory for the iterates.

    Returns
    -------
    gradients : ndarray, shape (n_distributions, m)
        Up to a constant in each row.

    Raises
    ------
    TypeError, ValueError
        As `common.transport.sinkhorn`, and if ``gradient`` is neither.
    """
    validation.choice(gradient, GRADIENTS, "gradient")
    n_iter = validation.count(n_iter, "n_iter")
    a, b, cost = checked(validation.array(a, "a", ndim=2), b, cost)
    to_u, to_v, v = unchecked_half_steps(a, b, cost, reg=reg)
    us, vs = [], [v]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # `potentials` tells
        for _ in range(n_iter):
            us.append(to_u(vs[-1]))
            vs.append(to_v(us[-1]))
            if gradient == "analytic":
                us.clear()
                del vs[0]
    found = potentials(vs[-1], reg)
    if gradient == "analytic":
        return found
    kernel = np.exp(-cost / reg)
    f_bar = a - us[-1] * (vs[-1] @ kernel.T)  # the other marginal is right after a whole iteration
    for t in range(n_iter - 1, 0, -1):
        # With K v = a / u and Kᵀu = b / v, the rows of A and B need no further product.
        g_bar = -vs[t] * ((f_bar * us[t] / a) @ kernel)
        f_bar = -us[t - 1] * ((g_bar * vs[t] / b) @ kernel.T)
        found = found + reg * g_bar / b
    return found


def _iterate(problem, x, kept, steps, domain):
    to_first, to_second, second = steps
    n, reg = len(problem.a), problem.reg
    potential = (lambda s: s) if domain == "log" else (lambda s: reg * np.log(s))

    def plan(z):
        try:
            return problem._plan(z)
        except ValueError as error:  # potentials that are not finite
            if domain == "log":
                raise
            raise underflow(reg) from error

    d_second, done = np.zeros((len(x), len(x))), 0
    for wanted in kept:
        with np.errstate(divide="ignore"):  # `plan` tells
            for _ in range(wanted - done):
                first = to_first(second)
                z = np.concatenate([potential(first), potential(second)])
                d_first = -(plan(z) / problem.a[:, None]) @ d_second
                second = to_second(first)
                z[n:] = potential(second)
                d_second = np.diag(reg / x) - (plan(z) / x).T @ d_first
        done = wanted
        yield wanted, z.copy(), np.vstack([d_first, d_second])
