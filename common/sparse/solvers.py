r"""ISTA with four kinds of steps, FISTA, and minima of the lasso that certify themselves.

A step of ISTA is :math:`z^+ = \mathrm{ST}(z - \alpha \nabla, \lambda \alpha)`, with ST the soft
threshold and :math:`\nabla = (z D - x) D^\top`. It lowers F where :math:`\alpha \le 1 / L`.
*Oracle ISTA* [1]_ takes :math:`\alpha = 1 / L_S`, S being the support of z. Where the support of
z⁺ is in S, the curvature that counts is :math:`L_S`, and F falls; where it is not, the step is
taken back and one of 1 / L made. *Backtracking* begins with a long step and shortens it until F is
below its quadratic bound.

All samples move at once, each with its own steps.

References
----------
.. [1] P. Ablin, T. Moreau, M. Massias, A. Gramfort, "Learning step sizes for unfolded sparse
   coding", NeurIPS 2019, arXiv:1905.11071.
"""

import itertools
from typing import NamedTuple

import numpy as np

from common import validation
from common.sparse.lasso import check_problem, shrunk

__all__ = [
    "SOLVERS",
    "Iterate",
    "Optimum",
    "backtracking_ista",
    "fista",
    "ista",
    "iterations_to",
    "optimum",
    "oracle_ista",
]

_CHECKED_EVERY = 10  # iterations


class Iterate(NamedTuple):
    """Codes after an iteration, and the steps that led there."""

    z: np.ndarray
    """Shape (n_samples, n_atoms)."""
    step: np.ndarray
    """Shape (n_samples,)."""


class Optimum(NamedTuple):
    """Codes of smallest cost, up to a gap that is known."""

    z: np.ndarray
    """Shape (n_samples, n_atoms)."""
    objective: np.ndarray
    """Shape (n_samples,)."""
    gap: np.ndarray
    """How far the objective is above its minimum at most, shape (n_samples,)."""


def ista(problem, x):
    """Iterates of ISTA with the step 1 / L, from zero on and without end.

    Parameters
    ----------
    problem : common.sparse.Lasso
    x : array_like, shape (n_samples, n_features)

    Yields
    ------
    iterate : Iterate

    Raises
    ------
    TypeError, ValueError
        As `common.sparse.Lasso.samples`.
    """
    x = check_problem(problem).samples(x)
    step = np.full(len(x), 1 / problem.smoothness)
    return _plain(problem, x, lambda z, gradient: step)


def oracle_ista(problem, x):
    """Iterates of oracle ISTA; see `ista`.

    A step that is taken back and made anew counts as one: its gradient is computed once.
    """
    x = check_problem(problem).samples(x)
    short = 1 / problem.smoothness
    known = {}  # curvatures by support: most stay from one iteration to the next

    def step(z, gradient):
        nonlocal known
        supports = [row.tobytes() for row in np.packbits(z != 0, axis=1)]
        new = [index for index, support in enumerate(supports) if support not in known]
        if new:
            found = problem.support_smoothness(z[new])
            known |= {supports[i]: value for i, value in zip(new, found, strict=True)}
        known = {support: known[support] for support in supports}
        step = 1 / np.array([known[support] for support in supports])
        tried = _moved(problem, z, gradient, step)
        left = ((tried != 0) & (z == 0)).any(axis=1)
        return np.where(left, short, step)

    return _plain(problem, x, step)


def backtracking_ista(problem, x, *, factor=0.95, longest=10.0):
    """Iterates of ISTA with steps found by backtracking from a long one; see `ista`.

    Parameters
    ----------
    problem, x
        As in `ista`.
    factor : float, default=0.95
        By which a step is shortened until F is below its quadratic bound.
    longest : float, default=10
        The step that is tried first in every iteration, over 1 / L; from 1 to 1e50.

    Yields
    ------
    iterate : Iterate

    Raises
    ------
    TypeError, ValueError
        As `ista`, and if an option is out of range.
    """
    x = check_problem(problem).samples(x)
    factor = validation.number(factor, "factor", above=0, below=1)
    longest = validation.number(longest, "longest", at_least=1, at_most=1e50)

    def step(z, gradient):
        step = np.full(len(z), longest / problem.smoothness)
        while True:
            change = _moved(problem, z, gradient, step) - z
            # The smooth part is quadratic: it exceeds its linear part by |change D|^2 / 2 exactly.
            curved = ((change @ problem.D) ** 2).sum(axis=1)
            bent = step * curved > (change**2).sum(axis=1) * (1 + 1e-12)
            if not bent.any():
                return step
            step = np.where(bent, factor * step, step)

    return _plain(problem, x, step)


def fista(problem, x, *, restart=False):
    """Iterates of FISTA; see `ista`.

    Parameters
    ----------
    problem, x
        As in `ista`.
    restart : bool, default=False
        Forget the momentum of a sample where it points uphill: convergence is linear then.

    Yields
    ------
    iterate : Iterate

    Raises
    ------
    TypeError, ValueError
        As `ista`.
    """
    x = check_problem(problem).samples(x)
    return _accelerated(problem, x, np.zeros((len(x), problem.n_atoms)), restart=restart)


SOLVERS = {
    "ista": ista,
    "fista": fista,
    "oracle": oracle_ista,
    "backtracking": backtracking_ista,
}
"""Solvers by name."""


def optimum(problem, x, *, tol=1e-12, max_iter=100_000):
    """Codes of smallest cost, by FISTA with restarts until the duality gap certifies them.

    Parameters
    ----------
    problem : common.sparse.Lasso
    x : array_like, shape (n_samples, n_features)
    tol : float, default=1e-12
        Largest gap, relative to the cost of the zero code.
    max_iter : int, default=100000

    Returns
    -------
    optimum : Optimum

    Raises
    ------
    TypeError
        If an argument holds no numbers, or the problem is none.
    ValueError
        If a shape does not fit or an option is out of range.
    RuntimeError
        If a sample is not certified after ``max_iter`` iterations.
    """
    x = check_problem(problem).samples(x)
    tol = validation.number(tol, "tol", above=0)
    max_iter = validation.count(max_iter, "max_iter")
    enough = tol * 0.5 * (x**2).sum(axis=1)
    z = np.zeros((len(x), problem.n_atoms))
    gap = problem.duality_gap(z, x)
    done = 0
    while (rows := np.flatnonzero(gap > enough)).size:
        if done >= max_iter:
            worst = rows[np.argmax(gap[rows] / enough[rows])]
            raise RuntimeError(
                f"{rows.size} of {len(x)} samples are not solved after {done} iterations: the gap "
                f"of sample {worst} is {gap[worst]:.3g}, above {enough[worst]:.3g}. Raise max_iter "
                "or tol."
            )
        # Those that are solved leave after ever longer blocks: a start costs the momentum.
        budget = min(max(done, 100), max_iter - done)
        part, start = x[rows], z[rows]
        iterates = itertools.islice(_accelerated(problem, part, start, restart=True), budget)
        for number, iterate in enumerate(iterates, 1):
            if number % _CHECKED_EVERY and number < budget:
                continue
            found = problem.duality_gap(iterate.z, part)
            better = found < gap[rows]
            z[rows[better]], gap[rows[better]] = iterate.z[better], found[better]
            if (gap[rows] <= enough[rows]).all():
                break
        done += budget
    return Optimum(z, problem.objective(z, x), gap)


def iterations_to(problem, x, *, solver, precision, max_iter=100_000):
    """Iterations until F exceeds its minimum by no more than a precision.

    Parameters
    ----------
    problem, x
        As in `optimum`.
    solver : str
        A name in `SOLVERS`.
    precision : float
        Absolute, above 0.
    max_iter : int, default=100000

    Returns
    -------
    iterations : ndarray, shape (n_samples,)
        Of the first iterate within the precision; NaN where ``max_iter`` did not suffice.

    Raises
    ------
    TypeError, ValueError
        As `optimum`, and if the solver is unknown.
    """
    x = check_problem(problem).samples(x)
    validation.choice(solver, SOLVERS, "solver")
    precision = validation.number(precision, "precision", above=0)
    max_iter = validation.count(max_iter, "max_iter")
    lowest = optimum(problem, x).objective
    found = np.full(len(x), np.nan)
    iterates = itertools.islice(SOLVERS[solver](problem, x), max_iter)
    for number, iterate in enumerate(iterates, 1):
        there = problem.objective(iterate.z, x) - lowest <= precision
        found[there & np.isnan(found)] = number
        if not np.isnan(found).any():
            break
    return found


def _plain(problem, x, choose):
    z = np.zeros((len(x), problem.n_atoms))
    while True:
        gradient = problem._gradient(z, x)
        step = choose(z, gradient)
        z = _moved(problem, z, gradient, step)
        yield Iterate(z, step)


def _accelerated(problem, x, start, *, restart):
    step = np.full(len(x), 1 / problem.smoothness)
    z = y = start
    momentum = np.ones((len(x), 1))
    while True:
        new = _moved(problem, y, problem._gradient(y, x), step)
        if restart:
            uphill = ((y - new) * (new - z)).sum(axis=1, keepdims=True) > 0
            momentum = np.where(uphill, 1.0, momentum)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        y = new + (momentum - 1) / following * (new - z)
        z, momentum = new, following
        yield Iterate(z, step)


def _moved(problem, z, gradient, step):
    step = step[:, None]
    return shrunk(z - step * gradient, problem.reg * step)
