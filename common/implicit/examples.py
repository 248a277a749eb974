"""Problems drawn at random, each with its algorithm and its exact minimum; errors along the way."""

import inspect
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from common import validation
from common.implicit.descent import gradient_descent, kept_iterations
from common.implicit.estimators import analytic, automatic, implicit, minimizer
from common.implicit.problems import Logistic, PNorm, Ridge
from common.implicit.sinkhorn import EntropicDual, sinkhorn_path
from common.transport.sinkhorn import sinkhorn

__all__ = ["EXAMPLES", "Example", "draw", "errors_along", "grid_cost", "random_weights"]


class Example(NamedTuple):
    """A problem at an input x, its minimiser, and how it is solved.

    ``follow`` takes numbers of iterations and yields iterates with Jacobians, see
    `common.implicit.gradient_descent`. With ``up_to_constant`` gradients are known up to a
    constant, and errors are those without their means.
    """

    problem: object
    x: np.ndarray
    minimizer: np.ndarray
    gradient: np.ndarray
    follow: Callable
    up_to_constant: bool = False


def draw(name, *, rng, **sizes):
    """One random problem.

    Parameters
    ----------
    name : {"ridge", "logistic", "p-norm", "wasserstein"}
    rng : numpy.random.Generator
    **sizes
        ``n`` and ``n_parameters`` (rows and columns of D); ``reg``, by default 1 / n, of the first
        two; ``p`` and ``step`` of the third; ``n``, ``m`` and ``reg`` of the last.

    Returns
    -------
    example : Example
        Steps are 1 / L. Of the logistic loss L is that of labels of absolute value 1, as in the
        authors' code; as x is Gaussian here, such a step may be longer than 2 / L.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or a size is missing, has an unknown name or is no number.
    ValueError
        If the name is unknown or a size out of range.
    """
    validation.choice(name, EXAMPLES, "name")
    known = dict(list(inspect.signature(EXAMPLES[name]).parameters.items())[1:])
    listed = ", ".join(known)
    for size in sizes:
        if size not in known:
            raise TypeError(
                f"{name} has no size {size!r}; its sizes are {listed}."
                + validation.nearest(size, known)
            )
    for size, one in known.items():
        if one.default is one.empty and size not in sizes:
            raise TypeError(f"{name} needs the size {size}; its sizes are {listed}.")
    return EXAMPLES[name](validation.generator(rng), **sizes)


def errors_along(example, iterations, *, implicit_at=()):
    """Errors of the iterates and of the gradient estimates, as norms.

    Parameters
    ----------
    example : Example
    iterations : array_like of int, shape (n_kept,)
    implicit_at : collection of int
        Where the implicit estimate, which is a linear system, is wanted.

    Returns
    -------
    errors : dict of str to ndarray, shape (n_kept,)
        ``iteration``, ``iterate``, ``analytic``, ``automatic`` and ``implicit``, NaN where it is
        not wanted.

    Raises
    ------
    TypeError, ValueError
        As `common.implicit.gradient_descent`, and if ``example`` is none, or ``implicit_at`` holds
        what is not among the iterations.
    """
    if not isinstance(example, Example):
        raise TypeError(f"example must be what draw(name, …) returns, got {example!r}.")
    kept = kept_iterations(iterations)
    for each in implicit_at:
        if validation.count(each, "implicit_at", at_least=0) not in kept:
            raise ValueError(f"implicit_at holds {each}, which is not among the iterations.")
    problem, x = example.problem, example.x
    rows, wanted = [], set(implicit_at)
    for iteration, z, jacobian in example.follow(iterations):
        estimates = [analytic(problem, z, x), automatic(problem, z, jacobian, x)]
        if iteration in wanted:
            estimates.append(implicit(problem, z, x))
        errors = np.array(estimates) - example.gradient
        if example.up_to_constant:
            errors -= errors.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(errors, axis=1).tolist()
        away = _without_flat(problem, z - example.minimizer)
        rows.append([iteration, np.linalg.norm(away), *norms, *[np.nan] * (3 - len(norms))])
    names = ("iteration", "iterate", "analytic", "automatic", "implicit")
    return dict(zip(names, np.array(rows, dtype=float).T, strict=True))


def grid_cost(n, m):
    """Squared distances between two regular grids on [0, 1].

    Parameters
    ----------
    n, m : int
        Points, at least two.

    Returns
    -------
    cost : ndarray, shape (n, m)

    Raises
    ------
    TypeError, ValueError
        If a number is not whole or below two.
    """
    n, m = (validation.count(each, name, at_least=2) for each, name in ((n, "n"), (m, "m")))
    return (np.linspace(0, 1, n)[:, None] - np.linspace(0, 1, m)) ** 2


def random_weights(*shape, rng):
    """Weights drawn uniformly from [0, 1] and divided by their sum along the last axis.

    Parameters
    ----------
    *shape : int
    rng : numpy.random.Generator

    Returns
    -------
    weights : ndarray

    Raises
    ------
    TypeError
        If a number is not whole, or ``rng`` no generator.
    ValueError
        If a number is below 1, or there is none.
    """
    shape = [validation.count(each, "shape") for each in shape]
    if not shape:
        raise ValueError("shape is empty; give the number of weights: random_weights(10, rng=rng).")
    weights = 1 - validation.generator(rng).uniform(size=shape)  # 0 is left out, 1 is not
    return weights / weights.sum(axis=-1, keepdims=True)


def _regression(family, curvature):
    def example(rng, *, n, n_parameters, reg=None):
        n = validation.count(n, "n")
        n_parameters = validation.count(n_parameters, "n_parameters")
        reg = 1 / n if reg is None else reg
        problem = family(rng.standard_normal((n, n_parameters)), reg=reg)
        x = rng.standard_normal(n)
        step = 1 / (curvature * np.linalg.norm(problem.D, 2) ** 2 / n + reg)
        return _descent(problem, x, step, beyond_bound=family is Logistic)

    return example


def _p_norm(rng, *, n, n_parameters, p, step):
    n, n_parameters = validation.count(n, "n"), validation.count(n_parameters, "n_parameters")
    rows = np.linalg.qr(rng.standard_normal((n_parameters, n)))[0].T
    # Residuals fall one by one, the smaller ones later: far from zero all are soon on their way.
    x = rng.uniform(0.5, 2, size=n) * rng.choice([-1.0, 1.0], size=n)
    return _descent(PNorm(rows, p=p), x, validation.number(step, "step", above=0))


def _descent(problem, x, step, **options):
    z = minimizer(problem, x)

    def follow(iterations):
        return gradient_descent(problem, x, step=step, iterations=iterations, **options)

    return Example(problem, x, z, analytic(problem, z, x), follow)


def _wasserstein(rng, *, n, m, reg):
    a, b = random_weights(n, rng=rng), random_weights(m, rng=rng)
    problem = EntropicDual(a, grid_cost(n, m), reg=reg)
    start = np.concatenate(sinkhorn(a, b, problem.cost, reg=reg, n_iter=1000))
    z = minimizer(problem, b, start=start)

    def follow(iterations):
        return sinkhorn_path(problem, b, iterations=iterations)

    return Example(problem, b, z, analytic(problem, z, b), follow, up_to_constant=True)


def _without_flat(problem, z):
    return z - problem.flat @ (problem.flat.T @ z)


EXAMPLES = {
    "ridge": _regression(Ridge, 1.0),
    "logistic": _regression(Logistic, 0.25),
    "p-norm": _p_norm,
    "wasserstein": _wasserstein,
}
"""Kinds of problems by name."""
