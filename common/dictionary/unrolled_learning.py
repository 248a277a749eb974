r"""Dictionaries learned with unrolled codes: by descent on all samples, or on mini-batches.

The cost of a dictionary is :math:`C(D) = f(z_N(D), D)`, see `common.dictionary.unrolled`, with
steps of the length :math:`\tau_n / L`, :math:`\tau_n = 1`, and the Frobenius norm of
:math:`D D^\top` for L, which is an upper bound of the curvature. Learners differ in what they take
for its gradient [1]_:

- *am*, alternating minimisation: :math:`g^1`, the codes held fixed;
- *ddl*, deep dictionary learning: :math:`g^2`, through the iterations;
- *steps*: *ddl*, and after it the atoms and :math:`\tau` together, with :math:`\tau_n \ge 0`.

**Descent.** A step tries :math:`D - s g`, with its atoms scaled to unit norm, and halves s until C
falls. The next one begins with ten times that s, up to 1e4. It ends where s is below 1e-20 or C
falls by less than 1e-6 of itself, or after so many steps.

**Mini-batches** are drawn without replacement until all samples were used, and so on. Here a step
must lower the cost of its batch by more than :math:`c s \|g\|^2`; s is halved up to thirty times,
and then the atoms stay. The length that is tried first is 1 for the first hundred steps, and then
halves every hundred steps, whatever the size of a batch.

An *operation* is one iteration for one sample, forward or in reverse. They are counted, since
seconds depend on the machine.

References
----------
.. [1] B. Malézieux, T. Moreau, M. Kowalski, "Understanding approximate and unrolled dictionary
   learning for pattern recovery", ICLR 2022, arXiv:2106.06338.
"""

import time
from dataclasses import dataclass

import numpy as np

from common import validation
from common.dictionary._checks import norms
from common.dictionary.recovery import match_atoms
from common.dictionary.unrolled import METHODS, gradients, unrolled_codes
from common.sparse.lasso import Lasso

__all__ = [
    "LEARNERS",
    "UnrolledLearned",
    "learn_by_descent",
    "learn_on_batches",
    "recovery",
    "samples_as_atoms",
]

LEARNERS = ("am", "ddl", "steps")
"""Alternating minimisation, unrolling, and unrolling with learned steps."""

_LONGEST, _SHORTEST = 1e4, 1e-20  # steps of descent
_MOST_HALVINGS = 30  # of a step on a mini-batch


@dataclass(frozen=True, eq=False)
class UnrolledLearned:
    """Atoms, the steps of their codes, and the way to them.

    Attributes
    ----------
    D : ndarray, shape (n_atoms, n_features)
        Of unit norm.
    steps : ndarray, shape (n_iter,)
        Lengths over 1 / L.
    log : dict of str to ndarray
        By gradient step, the start first; where operations ended a descent, its end once more.
        ``cost``: sum over the samples; of mini-batches, that of the batch before the step, and no
        number for the end. ``operations`` and ``seconds`` (of the processor) until then. ``phase``:
        0 while atoms are learned, 1 while steps are, too. ``atoms``: shape (n_rows, n_atoms,
        n_features).
    """

    D: np.ndarray
    steps: np.ndarray
    log: dict


def samples_as_atoms(x, n_atoms, *, rng):
    """Atoms to begin with: samples, drawn without replacement and scaled to unit norm.

    Parameters
    ----------
    x : array_like, shape (n_samples, n_features)
    n_atoms : int
        At most the number of samples that are not zero.
    rng : numpy.random.Generator

    Returns
    -------
    D : ndarray, shape (n_atoms, n_features)

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, a value is not finite, the norm of a sample is no number,
        or there are not so many samples.

    Examples
    --------
    >>> samples_as_atoms([[0.0, 3.0], [0.0, 0.0]], 1, rng=np.random.default_rng(0))
    array([[0., 1.]])
    """
    x = validation.array(x, "x", ndim=2).astype(float)
    n_atoms = validation.count(n_atoms, "n_atoms")
    x = x[x.any(axis=1)]
    if n_atoms > len(x):
        raise ValueError(
            f"n_atoms is {n_atoms}, but only {len(x)} samples are not zero. Learn fewer atoms, or "
            "give atoms to begin with."
        )
    norms(x, "x")
    return _unit(x[validation.generator(rng).choice(len(x), n_atoms, replace=False)])


def recovery(D, true):
    r"""Mean :math:`|\langle d, \hat d \rangle|` over the true atoms, each with an atom of its own.

    Parameters
    ----------
    D : array_like, shape (n_atoms, n_features)
        Of any norm but 0.
    true : array_like, shape (n_true, n_features)
        At most as many.

    Returns
    -------
    recovery : float
        From 0 to 1, where all are found up to sign and order.

    Raises
    ------
    TypeError, ValueError
        As `common.dictionary.recovery.match_atoms`.

    Examples
    --------
    >>> recovery([[0.0, -2.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    1.0
    """
    return float(1 - match_atoms(D, true).loss.mean())


def learn_by_descent(
    x, start, *, reg, n_iter, learner="ddl", method="fista", depth=None, n_steps=100, tol=1e-6,
    most_operations=None,
):  # fmt: skip
    """Atoms of all samples at once, by gradient descent with backtracking.

    Parameters
    ----------
    x : array_like, shape (n_samples, n_features)
    start : array_like, shape (n_atoms, n_features)
        Atoms to begin with, of any norm but 0.
    reg : float
        Lambda, above 0.
    n_iter : int
        N, iterations of the codes.
    learner : {"ddl", "am", "steps"}, default="ddl"
    method : {"fista", "ista"}, default="fista"
    depth : int, optional
        K: differentiate the last iterations alone, so many of them; at least 1. Not of ``"am"``.
    n_steps : int, default=100
        Gradient steps at most; of ``"steps"``, so many more with learned steps.
    tol : float, default=1e-6
        Stop where the cost falls by less, relative to itself.
    most_operations : float, optional
        Stop where these are exceeded, within a line search as well.

    Returns
    -------
    learned : UnrolledLearned

    Raises
    ------
    TypeError
        If an argument holds no numbers or is of another kind.
    ValueError
        If a value is not finite, there is no atom or one is zero, a shape does not fit, or an
        option is unknown or out of range.

    Warns
    -----
    UserWarning
        If lambda is so large that every code is zero: then the atoms stay as they are.

    Examples
    --------
    >>> x = np.eye(3)[[0, 0, 1, 1]] * [[2.0], [-3.0], [1.0], [4.0]]
    >>> start = [[1.0, 0.3, 0.2], [0.1, 1.0, -0.2]]
    >>> learned = learn_by_descent(x, start, reg=0.1, n_iter=20)
    >>> round(recovery(learned.D, np.eye(3)[:2]), 3)
    1.0
    """
    validation.choice(learner, LEARNERS, "learner")
    problem = _Samples(x, start, reg, n_iter, method)
    depth = None if depth is None else validation.count(depth, "depth")
    n_steps, tol = validation.count(n_steps, "n_steps"), validation.number(tol, "tol", above=0)
    depth, most = 0 if learner == "am" else depth, _most(most_operations)
    D, steps, log = problem.start, np.ones(problem.n_iter), _Log()
    cost = log.begin(problem, D, steps)
    for phase in range(2 if learner == "steps" else 1):
        length = 1.0
        for _ in range(n_steps):
            if problem.operations >= most:
                break
            direction = problem.gradient(problem.x, D, steps, depth)
            moved = None
            if not direction.D.any():  # no code is other than zero
                break
            while moved is None and length >= _SHORTEST and problem.operations < most:
                tried = direction.along(length, learns_steps=phase == 1)
                found = problem.cost(problem.x, *tried)
                moved = (*tried, found) if found < cost else None
                length = 10 * length if moved else length / 2
            length = min(length, _LONGEST)
            if moved is None:
                break
            fallen, (D, steps, cost) = cost - moved[2], moved
            log.add(problem, D, cost, phase)
            if fallen < tol * cost:
                break
    if problem.operations > log.rows[-1][0] and problem.operations >= most:
        log.add(problem, D, cost, phase)  # a line search that was cut short
    return UnrolledLearned(D, steps, log.table())


def learn_on_batches(
    x, start, *, reg, n_iter, n_batch, n_steps, rng, learner="ddl", method="fista", depth=None,
    first_step=1.0, n_halving=100, decrease=None, most_operations=None,
):  # fmt: skip
    """Atoms from mini-batches, by gradient steps with a line search on each.

    Parameters
    ----------
    x, start, reg, n_iter, method, depth
        As in `learn_by_descent`.
    n_batch : int
        Samples of a batch, at most all.
    n_steps : int
        Gradient steps at most.
    rng : numpy.random.Generator
        Draws the order of the samples.
    learner : {"ddl", "am"}, default="ddl"
    first_step : float, default=1
        Length of a step that is tried first, until it is halved.
    n_halving : int, default=100
        Steps in which it halves, after as many in which it does not.
    decrease : float, optional
        c of the module; by default 10 / ``n_batch``, the rule of the authors' code.
    most_operations : float, optional
        Stop after the gradient step in which these are exceeded.

    Returns
    -------
    learned : UnrolledLearned

    Raises
    ------
    TypeError, ValueError
        As `learn_by_descent`, and if ``rng`` is no generator.

    Warns
    -----
    UserWarning
        As `learn_by_descent`.
    """
    validation.choice(learner, LEARNERS[:2], "learner")
    problem = _Samples(x, start, reg, n_iter, method)
    n_samples = len(problem.x)
    n_batch = validation.count(n_batch, "n_batch", at_most=n_samples)
    n_steps, rng = validation.count(n_steps, "n_steps"), validation.generator(rng)
    n_halving = validation.count(n_halving, "n_halving")
    depth = None if depth is None else validation.count(depth, "depth")
    depth = 0 if learner == "am" else depth
    first_step = validation.number(first_step, "first_step", above=0)
    decrease = 10 / n_batch if decrease is None else decrease
    decrease = validation.number(decrease, "decrease", at_least=0)
    most = _most(most_operations)
    D, steps, log = problem.start, np.ones(problem.n_iter), _Log()
    log.add(problem, D, np.nan, 0)
    batches = _batches(problem.x, n_batch, rng)
    for step in range(n_steps):
        if problem.operations >= most:
            break
        batch = next(batches)
        direction = problem.gradient(batch, D, steps, depth)
        log.costs[-1] = direction.cost
        length = first_step * 0.5 ** max(0, (step + 1) / n_halving - 1)
        for _ in range(_MOST_HALVINGS):
            tried, _ = direction.along(length, learns_steps=False)
            enough = direction.cost - decrease * length * np.sum(direction.D**2)
            if problem.cost(batch, tried, steps) < enough:
                D = tried
                break
            length /= 2
        log.add(problem, D, np.nan, 0)
    return UnrolledLearned(D, steps, log.table())


def _batches(x, n_batch, rng):
    """Batches without end; those of a pass over the samples are disjoint."""
    while True:
        order = rng.permutation(len(x))
        for first in range(0, len(x) - n_batch + 1, n_batch):
            yield x[order[first : first + n_batch]]


class _Samples:
    """Checked samples and options, costs and gradients, and how many operations they took."""

    def __init__(self, x, start, reg, n_iter, method):
        first = Lasso(start, reg=reg)
        self.x, self.reg, self.start = first.samples(x), first.reg, _unit(first.D)
        self.n_iter = validation.count(n_iter, "n_iter")
        self.method = validation.choice(method, METHODS, "method")
        self.operations, self.began = 0, time.process_time()

    def _options(self, D, steps):
        options = {"n_iter": self.n_iter, "method": self.method}
        return options | {"steps": steps / np.linalg.norm(D @ D.T)}

    def cost(self, x, D, steps):
        self.operations += len(x) * self.n_iter
        problem = Lasso(D, reg=self.reg)
        try:
            z = unrolled_codes(problem, x, **self._options(D, steps))
        except FloatingPointError:  # learned steps that were tried are too long
            return np.inf
        return float(problem.objective(z, x).sum())

    def gradient(self, x, D, steps, depth):
        reverse = self.n_iter if depth is None else min(depth, self.n_iter)
        self.operations += len(x) * (self.n_iter + reverse)
        options = self._options(D, steps)
        found = gradients(Lasso(D, reg=self.reg), x, depths=(depth,), **options)
        by_steps = found.steps[0] / np.linalg.norm(D @ D.T)
        return _Direction(D, steps, found.cost, found.D[0], by_steps)


@dataclass(frozen=True, eq=False)
class _Direction:
    """A gradient, and where it leads from."""

    before: np.ndarray
    steps_before: np.ndarray
    cost: float
    D: np.ndarray
    steps: np.ndarray

    def along(self, length, *, learns_steps):
        """Atoms and steps after a step of some length."""
        D = _unit(self.before - length * self.D)
        if not learns_steps:
            return D, self.steps_before
        return D, np.maximum(self.steps_before - length * self.steps, 0)


class _Log:
    def __init__(self):
        self.costs, self.rows = [], []

    def begin(self, problem, D, steps):
        cost = problem.cost(problem.x, D, steps)
        self.add(problem, D, cost, 0)
        return cost

    def add(self, problem, D, cost, phase):
        self.costs.append(cost)
        seconds = time.process_time() - problem.began
        self.rows.append((problem.operations, seconds, phase, D))

    def table(self):
        names = ("operations", "seconds", "phase", "atoms")
        columns = dict(zip(names, map(np.array, zip(*self.rows, strict=True)), strict=True))
        return {"cost": np.array(self.costs)} | columns


def _most(operations):
    if operations is None:
        return np.inf
    return validation.number(operations, "most_operations", above=0)


def _unit(D):
    sizes = np.linalg.norm(D, axis=1, keepdims=True)
    return D / np.where(sizes == 0, 1, sizes)
