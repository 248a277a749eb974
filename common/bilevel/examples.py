"""Bilevel problems drawn at random or made of images of digits, and what is measured of a run."""

import numpy as np
from scipy.optimize import minimize

from common import validation
from common.bilevel.problems import (
    Cleaning,
    Logistic,
    Quadratic,
    QuadraticSamples,
    check_problem,
)

__all__ = [
    "EXAMPLES",
    "CleaningExample",
    "Example",
    "LogisticExample",
    "QuadraticExample",
    "cleaning",
    "logistic",
    "lowest",
    "quadratic",
]


class Example:
    """A problem, where solvers start, and what is measured of the points they pass.

    Attributes
    ----------
    problem : Quadratic, Logistic or Cleaning
    z, x : ndarray
        The start.
    """

    def measure(self, run):
        """Numbers of each point that a run has kept.

        Parameters
        ----------
        run : common.bilevel.solvers.Run

        Returns
        -------
        columns : dict of str to ndarray, shape (n_kept,)
            ``excess``, h above its minimum, and ``gradient``, the squared norm of its gradient
            over that at the start; or ``error``, of a cleaning problem on test rows, and ``loss``,
            F at (z, x). NaN where the run has diverged before.

        Raises
        ------
        NotImplementedError
            Here: each kind of problem has its own.
        """
        raise NotImplementedError

    def _start(self, problem, z, x):
        check_problem(problem)
        self.problem, self.z, self.x = problem, problem.check_inner(z), problem.check_outer(x)

    def last(self, run):
        """What `measure` says of the last point.

        Parameters
        ----------
        run : common.bilevel.solvers.Run

        Returns
        -------
        numbers : dict of str to float
        """
        end = run._replace(calls=run.calls[-1:], z=run.z[-1:], x=run.x[-1:])
        return {name: float(one[0]) for name, one in self.measure(end).items()}


class QuadraticExample(Example):
    """A quadratic problem, measured exactly.

    Parameters
    ----------
    problem : Quadratic
    z, x : ndarray
        The start.

    Raises
    ------
    TypeError, ValueError
        If the problem is none, or the start does not fit it or is not finite.
    """

    def __init__(self, problem, z, x):
        self._start(problem, z, x)
        self._first = np.sum(problem.gradient(self.x) ** 2)

    def measure(self, run):
        """See `Example.measure`.

        Parameters
        ----------
        run : common.bilevel.solvers.Run

        Returns
        -------
        columns : dict of str to ndarray
        """
        away = run.x - self.problem.solution
        gradients = away @ self.problem.hessian
        return {
            "excess": 0.5 * (gradients * away).sum(axis=1),
            "gradient": (gradients**2).sum(axis=1) / self._first,
        }


class LogisticExample(Example):
    """A logistic problem with the lowest value of h that was found.

    Parameters
    ----------
    problem : Logistic
    z, x : ndarray
        The start.
    lowest : float
        See `lowest`.

    Raises
    ------
    TypeError, ValueError
        If the problem is none, or the start does not fit it or is not finite.
    """

    def __init__(self, problem, z, x, *, lowest):
        self._start(problem, z, x)
        self.lowest = validation.number(lowest, "lowest")
        self._first = np.sum(problem.gradient(self.x) ** 2)

    def measure(self, run):
        """See `Example.measure`.

        Parameters
        ----------
        run : common.bilevel.solvers.Run

        Returns
        -------
        columns : dict of str to ndarray
        """
        excess, gradient, z = np.full((2, len(run.x)), np.nan), None, None
        excess, gradient = excess
        for k, x in enumerate(run.x):
            # Penalties beyond e^30 leave no coefficient and have no Hessian in floating point.
            if np.isfinite(x).all() and np.abs(x).max() < 30:
                z = self.problem.minimizer(x, start=z)
                excess[k] = self.problem.value(x, z=z) - self.lowest
                gradient[k] = np.sum(self.problem.gradient(x, z=z) ** 2) / self._first
        return {"excess": excess, "gradient": gradient}


class CleaningExample(Example):
    """A cleaning problem with test rows.

    Parameters
    ----------
    problem : Cleaning
    z, x : ndarray
        The start.
    test : tuple of ndarray
        Rows and labels.
    kept : ndarray of bool, shape (n,)
        Which labels of the inner problem are the true ones.

    Raises
    ------
    TypeError
        If the problem is none, or an argument does not hold numbers.
    ValueError
        If a shape does not fit, a value is not finite, a label is no class, or ``kept`` holds other
        values than True and False.
    """

    def __init__(self, problem, z, x, *, test, kept):
        self._start(problem, z, x)
        rows, labels = test
        problem.error(self.z, rows, labels)  # which checks them
        found = validation.vector(kept, "kept")
        if (bad := np.flatnonzero((found != 0) & (found != 1))).size:
            raise ValueError(
                f"kept must be True or False everywhere, got {found[bad[0]]:g} at index {bad[0]}."
            )
        self.kept = found.astype(bool)
        if len(kept) != problem.n:
            raise ValueError(
                f"kept must have {problem.n} values, one for each row, got {len(kept)}."
            )
        self.test = test

    def measure(self, run):
        """See `Example.measure`.

        Parameters
        ----------
        run : common.bilevel.solvers.Run

        Returns
        -------
        columns : dict of str to ndarray
        """
        error, loss = np.full((2, len(run.z)), np.nan)
        for k, (z, x) in enumerate(zip(run.z, run.x, strict=True)):
            if np.isfinite(z).all():
                error[k], loss[k] = (
                    self.problem.error(z, *self.test),
                    self.problem.outer_value(z, x),
                )
        return {"error": error, "loss": loss}

    def uniform_error(self):
        """Test error of the minimum of G when every weight is 1.

        Returns
        -------
        error : float
        """
        z = self.problem.minimizer(np.full(self.problem.n, 40.0))  # σ(40) is 1, to rounding
        return self.problem.error(z, *self.test)


def quadratic(*, rng, n=4096, m=512, n_inner=20, n_outer=5, least=0.1, cross=0.1):
    r"""A random quadratic problem.

    Rows of ``roots`` are :math:`A^{1/2} g`, g standard normal and A with a random basis and
    eigenvalues spaced evenly on a logarithmic scale from ``least`` to 1; those for B likewise, with
    one eigenvalue of 0. Rows of ``left`` and ``right`` are :math:`U S g` and :math:`V g`, with the
    same g, U and V orthogonal, and S with ``cross`` on its diagonal. Linear terms are standard
    normal. Problems are drawn again until the least eigenvalue of the Hessian of h is above 1e-3.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, m : int, default=4096, 512
        Inner and outer samples.
    n_inner, n_outer : int, default=20, 5
        Entries of z and x; no more of x than of z.
    least : float, default=0.1
        Between 0 and 1.
    cross : float, default=0.1
        Singular values of the mean of C. With values up to 1, SABA diverges.

    Returns
    -------
    example : QuadraticExample
        It starts at z = 0, x = -2.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or an argument is no number.
    ValueError
        If an argument is out of range.
    RuntimeError
        If 100 draws have no such Hessian.
    """
    rng = validation.generator(rng)
    n, m = validation.count(n, "n"), validation.count(m, "m")
    n_inner = validation.count(n_inner, "n_inner")
    n_outer = validation.count(n_outer, "n_outer", at_most=n_inner)
    least = validation.number(least, "least", above=0, at_most=1)
    cross = validation.number(cross, "cross", above=0)
    for _ in range(100):
        samples = [_quadratic_samples(rng, size, n_inner, n_outer, least, cross) for size in (n, m)]
        problem = Quadratic(samples[0]._replace(outer_roots=None, outer_linear=None), samples[1])
        if np.linalg.eigvalsh(problem.hessian)[0] > 1e-3:
            return QuadraticExample(problem, np.zeros(n_inner), np.full(n_outer, -2.0))
    raise RuntimeError(
        f"in 100 draws no Hessian of h had its least eigenvalue above 1e-3, with cross={cross:g} "
        f"and least={least:g}. Take another cross, near 0.1, or a larger least."
    )


def logistic(*, rng, n=4096, m=4096, n_features=22, find_lowest=True):
    """A random logistic problem, for want of the data set ijcnn1 of the paper's size and shape.

    Features are standard normal, with a correlation of one half between neighbours. Coefficients
    fall like 1 / k, so that the best penalties differ; labels follow the model.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, m : int, default=4096
        Rows of the inner and the outer problem.
    n_features : int, default=22
    find_lowest : bool, default=True
        Whether the lowest value of h is looked for; else the excess is h itself.

    Returns
    -------
    example : LogisticExample
        It starts at z standard normal, x the logarithm of a uniform number, as in the paper.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or a number is not whole.
    ValueError
        If a number is not positive.
    """
    rng = validation.generator(rng)
    n, m = validation.count(n, "n"), validation.count(m, "m")
    n_features = validation.count(n_features, "n_features")
    k = np.arange(n_features)
    root = np.linalg.cholesky(0.5 ** np.abs(k[:, None] - k))
    true = 3 * rng.choice([-1.0, 1.0], n_features) / (1 + rng.permutation(n_features))
    D = rng.standard_normal((n + m, n_features)) @ root.T
    y = np.where(rng.random(n + m) < 1 / (1 + np.exp(-D @ true)), 1, -1)
    problem = Logistic(D[:n], y[:n], D[n:], y[n:])
    z, x = rng.standard_normal(n_features), np.log(rng.uniform(1e-12, 1, n_features))
    find_lowest = validation.choice(find_lowest, (False, True), "find_lowest")
    found = lowest(problem, x) if find_lowest else 0.0
    return LogisticExample(problem, z, x, lowest=found)


def lowest(problem, x, *, bound=12.0):
    """The lowest value of h that is found from two starts, each |x| at most a bound.

    By L-BFGS with exact values and gradients, from x and from penalties that are all small. h need
    not be convex, so this is no proof.

    Parameters
    ----------
    problem : Logistic
    x : array_like, shape (n_outer,)
    bound : float, default=12
        Above 0, up to 700.

    Returns
    -------
    lowest : float

    Raises
    ------
    TypeError, ValueError
        If the problem is none, x is no vector of finite numbers or does not fit, or the bound is
        out of range.
    """
    x = check_problem(problem).check_outer(x)
    bound = validation.number(bound, "bound", above=0, at_most=700)

    z = None

    def both(x):
        nonlocal z
        z = problem.minimizer(x, start=z)
        return problem.value(x, z=z), problem.gradient(x, z=z)

    starts = [np.clip(x, -bound, bound), np.full(len(x), -bound / 2)]
    options = {"ftol": 1e-13, "gtol": 1e-8, "maxiter": 300}
    bounds = [(-bound, bound)] * len(x)
    return min(
        float(minimize(both, x0, jac=True, method="L-BFGS-B", bounds=bounds, options=options).fun)
        for x0 in starts
    )


def cleaning(images, digits, *, rng, corrupted, n=1024, m=384, reg=0.2):
    """Images of digits, of which some labels are drawn anew.

    Pixels are standardised by the mean and standard deviation of the inner rows; a constant pixel
    becomes 0.

    Parameters
    ----------
    images : array_like, shape (n_images, n_pixels)
    digits : array_like of int, shape (n_images,)
        Classes from 0.
    rng : numpy.random.Generator
        Splits the images, and corrupts labels.
    corrupted : float
        Share of inner labels that are drawn anew, uniformly over the classes; a drawn label may
        be the old one.
    n, m : int, default=1024, 384
        Inner and outer rows; the rest is for tests.
    reg : float, default=0.2

    Returns
    -------
    example : CleaningExample
        It starts at z = 0, x = -2.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or an argument holds no numbers.
    ValueError
        If an argument is out of range, a class is no whole number, or no image is left for tests.
    """
    rng = validation.generator(rng)
    images = validation.array(images, "images", ndim=2)
    digits = validation.vector(digits, "digits", at_least=0)
    if (bad := np.flatnonzero(digits != np.floor(digits))).size:
        raise ValueError(
            f"digits must be whole numbers, got {digits[bad[0]]:g} at index {bad[0]}. They are "
            "classes, counted from 0."
        )
    digits = digits.astype(int)
    validation.same_length(images=images, digits=digits)
    corrupted = validation.number(corrupted, "corrupted", at_least=0, at_most=1)
    n, m = validation.count(n, "n"), validation.count(m, "m")
    if n + m >= len(images):
        raise ValueError(
            f"n + m must leave images for tests, got {n} + {m} of {len(images)} images."
        )
    order, n_classes = rng.permutation(len(images)), int(digits.max()) + 1
    images, digits = images[order].astype(float), digits[order]
    spread = images[:n].std(axis=0)
    images = (images - images[:n].mean(axis=0)) / np.where(spread > 0, spread, 1)
    images[:, spread == 0] = 0
    drawn = np.where(rng.random(n) < corrupted, rng.integers(0, n_classes, n), digits[:n])
    problem = Cleaning(
        images[:n], drawn, images[n : n + m], digits[n : n + m], n_classes=n_classes, reg=reg
    )
    return CleaningExample(
        problem,
        np.zeros(problem.n_inner),
        np.full(n, -2.0),
        test=(images[n + m :], digits[n + m :]),
        kept=drawn == digits[:n],
    )


EXAMPLES = {"quadratic": quadratic, "logistic": logistic, "cleaning": cleaning}


def _quadratic_samples(rng, n, p, q, least, cross):
    def basis(size):
        found, triangle = np.linalg.qr(rng.standard_normal((size, size)))
        return found * np.sign(np.diag(triangle))

    def roots(eigenvalues):
        size = len(eigenvalues)
        half = basis(size) * np.sqrt(eigenvalues)
        return rng.standard_normal((n, size)) @ half.T

    spectrum = np.geomspace(least, 1, q)
    spectrum[0] = 0
    g = rng.standard_normal((n, p))
    return QuadraticSamples(
        roots=roots(np.geomspace(least, 1, p)),
        left=cross * g[:, :q] @ basis(q).T,
        right=g @ basis(p).T,
        linear=rng.standard_normal((n, p)),
        outer_roots=roots(spectrum),
        outer_linear=rng.standard_normal((n, q)),
    )
