r"""Estimates of the gradient of a minimum, from an approximate minimiser.

Let :math:`\ell(x) = \min_z L(z, x)`, reached at :math:`z^*(x)`. The envelope theorem gives
:math:`g^* = \nabla\ell(x) = \partial_2 L(z^*, x)`, as :math:`\partial_1 L(z^*, x) = 0`. An
algorithm stops at some :math:`z_t(x)`, with the Jacobian :math:`J_t = dz_t / dx`. Three estimates
are at hand:

.. math:: g^1 = \partial_2 L(z_t, x), \qquad
          g^2 = \partial_2 L + J_t^\top \partial_1 L, \qquad
          g^3 = \partial_2 L - \partial_{21} L\, (\partial_{11} L)^{-1} \partial_1 L,

all derivatives at :math:`(z_t, x)`. The second is the derivative of :math:`L(z_t(x), x)`, which
automatic differentiation gives; the third replaces :math:`J_t` by
:math:`-(\partial_{11} L)^{-1} \partial_{12} L`, which is the Jacobian :math:`J^*` of
:math:`z^*` when taken there. A Taylor expansion around :math:`z^*` gives

.. math:: |g^1 - g^*| = O(|z_t - z^*|), \qquad
          |g^2 - g^*| = O(|J_t - J^*|\, |z_t - z^*| + |z_t - z^*|^2), \qquad
          |g^3 - g^*| = O(|z_t - z^*|^2),

so that g² is better than g¹ wherever the Jacobian converges: it is super-efficient.

A problem is any object with the methods of those in `common.implicit.problems`.

References
----------
.. [1] P. Ablin, G. Peyré, T. Moreau, "Super-efficiency of automatic differentiation for functions
   defined as a minimum", ICML 2020, arXiv:2002.03722.
"""

import numpy as np

from common import validation

__all__ = [
    "analytic",
    "automatic",
    "check_point",
    "fitting_point",
    "implicit",
    "jacobian",
    "minimizer",
]

_DOUBLE = np.dtype(np.float64)
_SMALLEST = 1e-13  # eigenvalue over the largest one, below which a matrix counts as singular


def analytic(problem, z, x):
    r"""The analytic estimate, :math:`g^1 = \partial_2 L(z, x)`.

    Parameters
    ----------
    problem : object
        With the methods of the problems in `common.implicit.problems`.
    z : array_like, shape (n_parameters,)
        Approximate minimiser.
    x : array_like, shape (n_inputs,)

    Returns
    -------
    gradient : ndarray, shape (n_inputs,)

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If a shape does not fit or a value is not finite.
    """
    z, x = check_point(problem, z, x)
    return problem.input_gradient(z, x)


def automatic(problem, z, jacobian, x):
    r"""The automatic estimate, :math:`g^2 = \partial_2 L + J^\top \partial_1 L`.

    Parameters
    ----------
    problem, z, x
        See `analytic`.
    jacobian : array_like, shape (n_parameters, n_inputs)
        Of what the algorithm returned, by its inputs.

    Returns
    -------
    gradient : ndarray, shape (n_inputs,)

    Raises
    ------
    TypeError, ValueError
        As `analytic`.
    """
    z, x = check_point(problem, z, x)
    jacobian = validation.array(jacobian, "jacobian", ndim=2)
    if jacobian.shape != (len(z), len(x)):
        raise ValueError(f"jacobian must have the shape {(len(z), len(x))}, got {jacobian.shape}.")
    return problem.input_gradient(z, x) + problem.gradient(z, x) @ jacobian


def implicit(problem, z, x):
    r"""The implicit estimate, :math:`g^3 = \partial_2 L - \partial_{21} L\, (\partial_{11}
    L)^{-1} \partial_1 L`.

    Along the problem's flat directions L is constant, so they are left out of the inverse.

    Parameters
    ----------
    problem, z, x
        See `analytic`.

    Returns
    -------
    gradient : ndarray, shape (n_inputs,)

    Raises
    ------
    TypeError
        As `analytic`.
    ValueError
        As `analytic`, and if the Hessian is singular beyond the flat directions.
    """
    z, x = check_point(problem, z, x)
    direction = _solve(problem, z, x, problem.gradient(z, x))
    return problem.input_gradient(z, x) - problem.cross(z, x).T @ direction


def jacobian(problem, z, x):
    r"""Jacobian of the minimiser by the implicit function theorem.

    .. math:: J = -(\partial_{11} L)^{-1} \partial_{12} L

    Parameters
    ----------
    problem, z, x
        See `analytic`; it is the Jacobian where z is the minimiser.

    Returns
    -------
    jacobian : ndarray, shape (n_parameters, n_inputs)
        Without part along the flat directions.

    Raises
    ------
    TypeError, ValueError
        As `implicit`.
    """
    z, x = check_point(problem, z, x)
    return -_solve(problem, z, x, problem.cross(z, x))


def minimizer(problem, x, *, start=None, tol=1e-11, max_iter=100):
    """A minimiser by Newton's method, certified by its gradient.

    References must be far more precise than the errors that they measure: iterations go on until
    rounding stops them, which leaves an error of the order of the precision times the condition.
    A problem that knows its minimiser, such as `PNorm`, is asked for it.

    Parameters
    ----------
    problem, x
        See `analytic`.
    start : array_like, shape (n_parameters,), optional
        Zero by default.
    tol : float, default=1e-11
        Largest norm of the gradient of what is returned.
    max_iter : int, default=100

    Returns
    -------
    z : ndarray, shape (n_parameters,)

    Raises
    ------
    TypeError
        As `analytic`.
    ValueError
        As `implicit`, and if ``tol`` is not positive.
    RuntimeError
        If the gradient does not come down to ``tol``.
    """
    check_problem(problem)
    start = np.zeros(problem.n_parameters) if start is None else start
    z, x = check_point(problem, start, x)
    tol = validation.number(tol, "tol", above=0)
    max_iter = validation.count(max_iter, "max_iter")
    z = problem.minimizer(x) if hasattr(problem, "minimizer") else _newton(problem, z, x, max_iter)
    size = np.linalg.norm(problem.gradient(z, x))
    if not size <= tol:
        raise RuntimeError(
            f"Newton's method stopped at a gradient of norm {size:.2g}, above tol={tol:g}. "
            "Give a start nearer to the minimiser, or allow a larger tol."
        )
    return z


def check_point(problem, z, x):
    """A point as arrays, checked against the problem's sizes.

    Parameters
    ----------
    problem, z, x
        See `analytic`.

    Returns
    -------
    z, x : ndarray

    Raises
    ------
    TypeError, ValueError
        As `analytic`.
    """
    check_problem(problem)
    z, x = validation.vector(z, "z").astype(float), validation.vector(x, "x").astype(float)
    for found, name, wanted in ((z, "z", problem.n_parameters), (x, "x", problem.n_inputs)):
        if len(found) != wanted:
            raise ValueError(f"{name} must have {wanted} values, got {len(found)}.")
    return z, x


def fitting_point(problem, z, x):
    """`check_point` for iterations: of vectors in double precision only lengths are checked.

    Parameters
    ----------
    problem, z, x
        See `analytic`.

    Returns
    -------
    z, x : ndarray

    Raises
    ------
    TypeError, ValueError
        As `analytic`.
    """
    if (
        type(z) is type(x) is np.ndarray
        and z.dtype == x.dtype == _DOUBLE
        and z.shape == (problem.n_parameters,)
        and x.shape == (problem.n_inputs,)
    ):
        return z, x
    return check_point(problem, z, x)


def check_problem(problem):
    """A problem, which has sizes and a gradient.

    Parameters
    ----------
    problem : object

    Raises
    ------
    TypeError
        If it is none.
    """
    if not all(hasattr(problem, name) for name in ("n_parameters", "n_inputs", "gradient")):
        raise TypeError(
            "problem must be one of common.implicit.problems, or an object with the same methods, "
            f"such as Ridge(D, reg=0.1); got {problem!r}."
        )


def _newton(problem, z, x, max_iter):
    """Newton's method with steps halved until the gradient gets smaller, as long as it does."""
    gradient = problem.gradient(z, x)
    for _ in range(max_iter):
        direction = _solve(problem, z, x, gradient)
        for n_halved in range(30):
            trial = z - direction / 2**n_halved
            with np.errstate(over="ignore", invalid="ignore"):  # far off, where halving goes on
                smaller = problem.gradient(trial, x)
            if np.linalg.norm(smaller) < np.linalg.norm(gradient):
                break
        else:
            return z  # rounding, or no descent: the certificate tells which
        z, gradient = trial, smaller
    return z


def _solve(problem, z, x, right):
    """Solve with the Hessian in the complement of the flat directions."""
    hessian, flat = problem.hessian(z, x), problem.flat
    if not np.isfinite(hessian).all():
        raise ValueError(
            f"the Hessian in z is not finite: z reaches {np.abs(z).max():.3g} and x "
            f"{np.abs(x).max():.3g}. Scale the problem, or take a z nearer to the minimiser."
        )
    sizes, vectors = np.linalg.eigh(hessian)
    order = np.argsort(np.abs(sizes))[flat.shape[1] :]  # the flat ones are the smallest
    sizes, vectors = sizes[order], vectors[:, order]
    if not np.abs(sizes[0]) > _SMALLEST * np.abs(sizes[-1]):
        raise ValueError(
            f"the Hessian in z is singular: its least eigenvalue is {sizes[0]:.2g}, the largest "
            f"{sizes[-1]:.2g}. Add a penalty on z, or use the automatic estimate."
        )
    solved = vectors / sizes @ (vectors.T @ right)
    return solved - flat @ (flat.T @ solved)
