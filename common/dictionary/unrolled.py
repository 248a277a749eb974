r"""Gradients of dictionary learning through so many iterations of ISTA or FISTA.

Of samples x, dictionary learning minimises over atoms, the rows of D, of unit norm

.. math:: F(D) = \min_z f(z, D), \qquad f(z, D) = \tfrac12 \|z D - x\|^2 + \lambda \|z\|_1 .

At the minimum :math:`z^*` the gradient is :math:`g^* = z^{*\top} (z^* D - x)`. In practice there is
only :math:`z_N(D)`, the code after N iterations from 0. There are two estimates [1]_:

- *alternating minimisation* (AM) holds the code fixed: :math:`g^1 = z_N^\top (z_N D - x)`;
- *unrolling* (deep dictionary learning, DDL) takes the derivative :math:`g^2` of
  :math:`f(z_N(D), D)`, which goes through the iterations, all or the last K of them.

**Iterations.** With :math:`\nabla(q) = (q D - x) D^\top` and ST the soft threshold, step n is

.. math:: z_n = \mathrm{ST}(q_n - \alpha_n \nabla(q_n), \alpha_n \lambda),

from :math:`q_n = z_{n-1}` (ISTA) or :math:`q_n = z_{n-1} + w_n (z_{n-1} - z_{n-2})` (FISTA, with
:math:`w_n = (t_{n-1} - 1) / t_n`, :math:`t_n = (1 + \sqrt{1 + 4 t_{n-1}^2}) / 2`). What is returned
is :math:`z_N`, which is sparse, and never the point :math:`q_{N+1}` beyond it. The lengths
:math:`\alpha_n` are constants: that :math:`1 / L` depends on D is ignored.

**Reverse form.** Let :math:`a_n` be the derivative of the cost by :math:`z_n`. It begins with
:math:`a_N = \nabla(z_N) + \lambda \, \mathrm{sign}(z_N)`, and :math:`g = g^1`. The threshold passes
:math:`s_n = 1[z_n \ne 0] \, a_n`. Since :math:`\langle s, \nabla(q) \rangle = \langle s D,
q D - x \rangle` has the derivative :math:`s^\top (q D - x) + q^\top s D` by D, step n adds

.. math:: g \leftarrow g - \alpha_n \big( s_n^\top (q_n D - x) + q_n^\top s_n D \big),
          \qquad \frac{\partial f}{\partial q_n} = s_n - \alpha_n s_n D D^\top ,

and the latter goes on to :math:`z_{n-1}` with the weight :math:`1 + w_n` and to :math:`z_{n-2}`
with :math:`-w_n`. The sum over n and over samples needs :math:`M = \sum \alpha_n s_n^\top q_n` and
:math:`S = \sum_n \alpha_n s_n` alone: the gradient is :math:`g^1 - (M + M^\top) D + S^\top x`.
Stopped after K steps, it is that of the last K iterations. The derivative by a step's length is
:math:`-\langle s_n, \nabla(q_n) + \lambda \, \mathrm{sign}(z_n) \rangle`.

Samples are handled block by block in compiled code, so memory does not grow with samples times
iterations.

**Jacobian.** With :math:`d_l` the feature l of all atoms, :math:`J^l = \partial z / \partial d_l`
obeys, for a step of ISTA,

.. math:: J^l_{n+1} = 1[z_{n+1} \ne 0] \odot \Big( J^l_n - \alpha \big( d_l z_n^\top +
          (\langle d_l, z_n \rangle - x_l) I + D D^\top J^l_n \big) \Big), \qquad J^l_0 = 0 .

Where the support S of :math:`z^*` is found it converges linearly to

.. math:: J^{l*}_S = -(D_S D_S^\top)^{-1} \big( d_l z^{*\top} + (\langle d_l, z^* \rangle - x_l) I
          \big)_S ,

and before that it may grow.

References
----------
.. [1] B. Malézieux, T. Moreau, M. Kowalski, "Understanding approximate and unrolled dictionary
   learning for pattern recovery", ICLR 2022, arXiv:2106.06338.
"""

import warnings
from typing import NamedTuple

import numba
import numpy as np

from common import validation
from common.dictionary._checks import squarable
from common.sparse.lasso import check_problem

__all__ = [
    "METHODS",
    "Unrolled",
    "exact_codes",
    "gradients",
    "jacobians",
    "limit_jacobian",
    "minimum_gradient",
    "unrolled_codes",
]

METHODS = ("ista", "fista")
"""Iterations that can be unrolled."""

_UNMET = 1e-10  # by rounding, of the conditions of a minimum, over lambda
_KEPT = 60_000  # coefficients of all iterations of the samples that are handled at once
_RIDGE = 1e-9  # of more atoms than features, over their squared norms
_MOST_MOVES = 20  # of a search for an exact code, times the number of atoms


class Unrolled(NamedTuple):
    """Codes after N iterations, their cost, and its derivatives."""

    z: np.ndarray
    """Codes, shape (n_samples, n_atoms)."""
    cost: float
    """Sum over the samples."""
    D: np.ndarray
    """Gradients by the atoms, shape (n_depths, n_atoms, n_features)."""
    steps: np.ndarray
    """Derivatives by the lengths of the steps, shape (n_depths, n_iter)."""


def unrolled_codes(problem, x, *, n_iter, method="fista", steps=None):
    """Codes after so many iterations from zero.

    Parameters
    ----------
    problem : common.sparse.Lasso
    x : array_like, shape (n_samples, n_features)
    n_iter : int
        N, at least 1.
    method : {"fista", "ista"}, default="fista"
    steps : float or array_like, shape (n_iter,), optional
        Lengths of the steps, at least 0; by default 1 / ``problem.smoothness``.

    Returns
    -------
    z : ndarray, shape (n_samples, n_atoms)
        Of FISTA, too, what the threshold returns: exact zeros.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, a value is not finite, a shape does not fit or an option
        is out of range.
    FloatingPointError
        If steps are so long that codes are no longer finite.

    Warns
    -----
    UserWarning
        If lambda is so large that every code is zero.

    Examples
    --------
    >>> from common.sparse import Lasso
    >>> problem = Lasso([[1.0, 0.0], [0.0, 1.0]], reg=0.5)
    >>> unrolled_codes(problem, [[2.0, -0.1]], n_iter=1)
    array([[1.5, 0. ]])
    """
    x, n_iter, steps = _checked(problem, x, n_iter, method, steps)
    D = problem.D
    z = _codes(x @ D.T, D @ D.T, problem.reg, steps, method == "fista", _block(D, n_iter))
    _check_codes(z, steps, problem)
    return z


def gradients(problem, x, *, n_iter, method="fista", depths=(None,), steps=None):
    """Cost of unrolled codes, and its gradient by the atoms, for one or several depths.

    Parameters
    ----------
    problem, x, n_iter, method, steps
        As in `unrolled_codes`.
    depths : sequence of int or None, default=(None,)
        K: through how many of the last iterations the gradient goes. 0 is alternating
        minimisation, None means all. More than ``n_iter`` are as many as there are.

    Returns
    -------
    unrolled : Unrolled

    Raises
    ------
    TypeError, ValueError
        As `unrolled_codes`, or if a depth is no whole number of at least 0, or there is none.
    FloatingPointError
        As `unrolled_codes`.

    Warns
    -----
    UserWarning
        As `unrolled_codes`.

    Examples
    --------
    >>> from common.sparse import Lasso
    >>> problem = Lasso([[1.0, 0.0], [0.0, 1.0]], reg=0.5)
    >>> found = gradients(problem, [[2.0, -0.1]], n_iter=1, depths=(0, 1))
    >>> found.cost, found.D[:, 0].tolist()
    (0.88, [[-0.75, 0.15000000000000002], [-0.75, 0.15000000000000002]])
    """
    x, n_iter, steps = _checked(problem, x, n_iter, method, steps)
    if not np.iterable(depths) or not len(depths):
        raise ValueError(
            f"depths must be a sequence of one or more, got {depths!r}. Use (None,) for a gradient "
            "through all iterations."
        )
    D, depths = problem.D, list(depths)
    known = [
        n_iter if depth is None else min(n_iter, validation.count(depth, "a depth", at_least=0))
        for depth in depths
    ]
    ends = np.unique([0, *known])
    z, products, sums, by_step = _reverse(
        x @ D.T, D @ D.T, problem.reg, steps, method == "fista", ends, _block(D, n_iter)
    )
    _check_codes(z, steps, problem)
    residual = z @ D - x
    held = z.T @ residual
    # Part i is that of the iterations between two depths: deeper gradients are their running sums.
    parts = sums.swapaxes(1, 2) @ x - (products + products.swapaxes(1, 2)) @ D
    through = np.concatenate([[held], held + np.cumsum(parts, axis=0)])
    place = np.searchsorted(ends, known)
    counted = np.arange(n_iter) >= n_iter - np.array(known)[:, None]
    cost = 0.5 * np.vdot(residual, residual) + problem.reg * np.abs(z).sum()
    return Unrolled(z, float(cost), through[place], counted * by_step)


def exact_codes(problem, x):
    r"""Codes of smallest cost, to rounding, by feature-sign search [2]_.

    With its support S and signs :math:`\sigma` known, a code is :math:`z_S = (x D_S^\top - \lambda
    \sigma) (D_S D_S^\top)^{-1}`. From zero on, the coefficient with the largest :math:`|\nabla_k| >
    \lambda` enters the support, and the code moves towards that point, to where the cost is
    smallest of the point and the places on the way where a sign changes. The cost falls with every
    move and no support comes twice, so this ends.

    Parameters
    ----------
    problem : common.sparse.Lasso
    x : array_like, shape (n_samples, n_features)

    Returns
    -------
    z : ndarray, shape (n_samples, n_atoms)

    Raises
    ------
    TypeError, ValueError
        As `common.sparse.Lasso.samples`.
    RuntimeError
        If rounding keeps the search from its end, as with atoms that depend on one another.

    References
    ----------
    .. [2] H. Lee, A. Battle, R. Raina, A. Ng, "Efficient sparse coding algorithms", NIPS 2006.

    Examples
    --------
    >>> from common.sparse import Lasso
    >>> exact_codes(Lasso([[1.0, 0.0], [0.6, 0.8]], reg=0.5), [[2.0, 0.0]])
    array([[1.5, 0. ]])
    """
    x, D = check_problem(problem).samples(x), problem.D
    try:
        z, lost = _feature_sign(x @ D.T, D @ D.T, problem.reg, problem.n_features)
    except np.linalg.LinAlgError:
        lost = "one"
    if lost != -1:
        raise RuntimeError(
            f"the search for the code of sample {lost} does not end: atoms depend on one another. "
            "Raise lambda, or drop atoms that others repeat."
        )
    return z


def minimum_gradient(problem, x, z):
    r"""Gradient :math:`g^*` of the minimum by the atoms.

    Parameters
    ----------
    problem : common.sparse.Lasso
    x : array_like, shape (n_samples, n_features)
    z : array_like, shape (n_samples, n_atoms)
        Codes of smallest cost, such as those of `exact_codes`.

    Returns
    -------
    gradient : ndarray, shape (n_atoms, n_features)

    Raises
    ------
    TypeError, ValueError
        If an array holds no numbers, a shape does not fit, or squares of codes are no numbers.
    """
    x = check_problem(problem).samples(x)
    z = validation.array(z, "z", ndim=2)
    if z.shape != (len(x), problem.n_atoms):
        raise ValueError(f"z must have shape {(len(x), problem.n_atoms)}, got {z.shape}.")
    squarable(z, "z", small=False)
    return z.T @ (z @ problem.D - x)


def jacobians(problem, x, iterations, *, depth=None, features=None):
    """Jacobians of the code of one sample by features of the atoms, after iterations of ISTA.

    Parameters
    ----------
    problem : common.sparse.Lasso
    x : array_like, shape (n_features,)
    iterations : sequence of int
        N, ascending, each at least 1.
    depth : int, optional
        Differentiate the last iterations alone, so many of them; by default all.
    features : sequence of int, optional
        Which; by default all.

    Returns
    -------
    J : ndarray, shape (len(iterations), len(features), n_atoms, n_atoms)
        ``J[i, l, k, j]`` is the derivative of coefficient k by feature ``features[l]`` of atom j.
    z : ndarray, shape (len(iterations), n_atoms)
        The codes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, a value is not finite, a shape does not fit, iterations
        do not ascend, or an option is out of range.

    Warns
    -----
    UserWarning
        As `unrolled_codes`.
    """
    x, features = _one_sample(problem, x, features)
    if not np.iterable(iterations):
        raise TypeError(f"iterations must be a sequence of whole numbers, got {iterations!r}.")
    wanted = [validation.count(n, "an iteration") for n in iterations]
    if not wanted or (np.diff(wanted) <= 0).any():
        raise ValueError(f"iterations must ascend, and be one at least, got {wanted}.")
    if depth is not None:
        depth = validation.count(depth, "depth", at_least=0)
    _, _, steps = _checked(problem, x[None], wanted[-1], "ista", None)
    D = problem.D
    gram = D @ D.T
    iterates, points = np.empty((2, wanted[-1], 1, problem.n_atoms))
    _forward((D @ x)[None], gram, problem.reg, steps, np.zeros(wanted[-1]), iterates, points)
    path = np.concatenate([np.zeros((1, problem.n_atoms)), iterates[:, 0]])
    chosen, own = np.ascontiguousarray(D[:, features].T), x[features]
    shape = (problem.n_atoms, len(features), problem.n_atoms)
    found, J, reached = [], np.zeros(shape), 0
    for n in wanted:
        if depth is not None and depth < n:
            J, reached = np.zeros(shape), n - depth  # of a constant code
        J = _moved_jacobian(J, path[reached : n + 1], gram, chosen, own, steps[0])
        reached = n
        found.append(J.swapaxes(0, 1))
    return np.stack(found), path[wanted]


def limit_jacobian(problem, x, z, *, features=None):
    r"""Jacobian :math:`J^*` of the code of smallest cost.

    Parameters
    ----------
    problem : common.sparse.Lasso
    x : array_like, shape (n_features,)
    z : array_like, shape (n_atoms,)
        The code of smallest cost, such as that of `exact_codes`.
    features : sequence of int, optional
        As in `jacobians`.

    Returns
    -------
    J : ndarray, shape (len(features), n_atoms, n_atoms)

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, a shape does not fit, or the atoms in the support depend
        on one another: then there is no such Jacobian.

    Examples
    --------
    >>> from common.sparse import Lasso
    >>> problem = Lasso([[1.0, 0.0], [0.0, 1.0]], reg=0.5)
    >>> limit_jacobian(problem, [2.0, 0.1], [1.5, 0.0], features=[0])
    array([[[-1.,  0.],
            [ 0.,  0.]]])
    """
    x, features = _one_sample(problem, x, features)
    z = validation.array(z, "z", ndim=1)
    if len(z) != problem.n_atoms:
        raise ValueError(f"z must have {problem.n_atoms} coefficients, got {len(z)}.")
    D = problem.D
    S = np.flatnonzero(z)
    gram = D[S] @ D[S].T
    if len(S) and np.linalg.matrix_rank(gram, hermitian=True) < len(S):
        raise ValueError(
            f"the {len(S)} atoms in the support depend on one another: the code is not unique and "
            "has no Jacobian. Raise lambda."
        )
    J = np.zeros((len(features), problem.n_atoms, problem.n_atoms))
    missing = z @ D - x
    for i, l in enumerate(features):
        right = np.outer(D[S, l], z)
        right[np.arange(len(S)), S] += missing[l]
        J[i, S] = -np.linalg.solve(gram, right)
    return J + 0.0  # no zero has a sign


def _checked(problem, x, n_iter, method, steps):
    x = check_problem(problem).samples(x)
    n_iter = validation.count(n_iter, "n_iter")
    validation.choice(method, METHODS, "method")
    steps = 1 / problem.smoothness if steps is None else steps
    steps = validation.array(steps, "steps", at_least=0).astype(float)
    if steps.ndim and steps.shape != (n_iter,):
        raise ValueError(
            f"steps must be one length or one per iteration, shape ({n_iter},), got {steps.shape}."
        )
    largest = np.abs(x @ problem.D.T).max()
    if problem.reg >= largest:
        warnings.warn(
            f"lambda is {problem.reg:g} and the largest correlation of a sample with an atom is "
            f"{largest:g}: all codes are zero. Lower lambda.",
            stacklevel=3,
        )
    return x, n_iter, np.broadcast_to(steps, n_iter).copy()


def _check_codes(z, steps, problem):
    if not np.isfinite(z).all():
        raise FloatingPointError(
            f"codes are not finite after {len(steps)} iterations with steps up to {steps.max():g}: "
            f"they diverge. Steps up to 1 / smoothness = {1 / problem.smoothness:g} do not."
        )


def _block(D, n_iter):
    """How many samples are handled at once: what is kept of them fits the processor's cache."""
    return int(np.clip(_KEPT // (n_iter * len(D)), 8, 256))


def _one_sample(problem, x, features):
    x = validation.array(x, "x", ndim=1).astype(float)
    check_problem(problem)
    features = range(problem.n_features) if features is None else features
    if not np.iterable(features):
        raise TypeError(f"features must be a sequence of whole numbers, got {features!r}.")
    features = [
        validation.count(l, "a feature", at_least=0, at_most=problem.n_features - 1)
        for l in features
    ]
    if not features:
        raise ValueError("features is empty. Name one at least.")
    return problem.samples(x[None])[0], features


@numba.njit(cache=True)
def _add(into, factor, row):
    """Add a multiple of a row; an explicit loop makes no copy."""
    for k in range(len(into)):
        into[k] += factor * row[k]


@numba.njit(cache=True)
def _momenta(n_iter, accelerated):
    """w of the module: the first two are 0."""
    momenta, t = np.zeros(n_iter), 1.0
    for n in range(1, n_iter if accelerated else 1):
        following = (1 + np.sqrt(1 + 4 * t * t)) / 2
        momenta[n] = (t - 1) / following
        t = following
    return momenta


@numba.njit(cache=True)
def _forward(correlation, gram, reg, steps, momenta, iterates, points):
    """Iterations of some samples: ``iterates[n]`` is reached from ``points[n]``."""
    n_samples, n_atoms = correlation.shape
    product = np.empty((n_samples, n_atoms))
    points[0] = 0
    for n in range(len(steps)):
        length, threshold, last = steps[n], steps[n] * reg, n + 1 == len(steps)
        np.dot(points[n], gram, product)
        momentum = 0.0 if last else momenta[n + 1]
        for i in range(n_samples):
            for k in range(n_atoms):
                value = points[n, i, k] + length * (correlation[i, k] - product[i, k])
                new = max(value - threshold, 0.0) + min(value + threshold, 0.0)
                iterates[n, i, k] = new
                if not last:
                    points[n + 1, i, k] = new
            if momentum != 0:
                for k in range(n_atoms):
                    change = iterates[n, i, k] - iterates[n - 1, i, k]
                    points[n + 1, i, k] += momentum * change


@numba.njit(cache=True)
def _codes(correlation, gram, reg, steps, accelerated, n_block):
    n_samples, n_atoms = correlation.shape
    z, momenta = np.empty((n_samples, n_atoms)), _momenta(len(steps), accelerated)
    for first in range(0, n_samples, n_block):
        some = correlation[first : first + n_block]
        iterates = np.empty((len(steps), len(some), n_atoms))
        points = np.empty(iterates.shape)
        _forward(some, gram, reg, steps, momenta, iterates, points)
        z[first : first + n_block] = iterates[-1]
    return z


@numba.njit(cache=True)
def _reverse(correlation, gram, reg, steps, accelerated, ends, n_block):
    """Codes; M and S of the module between two ends; derivatives by steps."""
    n_samples, n_atoms = correlation.shape
    n_iter, n_parts = len(steps), len(ends) - 1
    z, momenta = np.empty((n_samples, n_atoms)), _momenta(n_iter, accelerated)
    products = np.zeros((n_parts, n_atoms, n_atoms))
    sums = np.zeros((n_parts, n_samples, n_atoms))
    by_step = np.zeros(n_iter)
    for first in range(0, n_samples, n_block):
        some = correlation[first : first + n_block]
        iterates = np.empty((n_iter, len(some), n_atoms))
        points = np.empty(iterates.shape)
        _forward(some, gram, reg, steps, momenta, iterates, points)
        z[first : first + n_block] = iterates[-1]
        into = np.dot(iterates[-1], gram) - some + reg * np.sign(iterates[-1])
        earlier, product = np.zeros(into.shape), np.empty(into.shape)
        for part in range(n_parts):
            for done in range(ends[part], ends[part + 1]):
                n = n_iter - 1 - done
                if steps[n] == 0:  # the step moves nothing, yet a longer one would
                    falls = some - np.dot(points[n], gram) - reg * np.sign(iterates[n])
                    by_step[n] += (np.where(iterates[n] != 0, into, 0.0) * falls).sum()
                by_step[n] += _passed(into, iterates[n], points[n], steps[n])
                np.dot(iterates[n], gram, product)
                weight = momenta[n]
                for i in range(len(some)):
                    for k in range(n_atoms):
                        passed = into[i, k] - product[i, k]
                        into[i, k] = earlier[i, k] + (1 + weight) * passed
                        earlier[i, k] = -weight * passed
            low, high = n_iter - ends[part + 1], n_iter - ends[part]
            passed = iterates[low:high].reshape(-1, n_atoms)
            products[part] += np.dot(passed.T, points[low:high].reshape(-1, n_atoms))
            for n in range(low, high):
                sums[part, first : first + n_block] += iterates[n]
    return z, products, sums, by_step


@numba.njit(cache=True)
def _passed(into, iterate, point, length):
    """Let derivatives through the threshold, and give that by the length of the step.

    ``into`` becomes s of the module, and ``iterate`` its multiple by the length. On the support the
    step moves by -length (gradient + lambda sign), so that derivative needs no gradient but where
    the length is 0: then 0 is given.
    """
    slope = 0.0
    for i in range(into.shape[0]):
        for k in range(into.shape[1]):
            if iterate[i, k] == 0:
                into[i, k] = 0.0
            slope += into[i, k] * (iterate[i, k] - point[i, k])
            iterate[i, k] = length * into[i, k]
    return slope / length if length > 0 else 0.0


@numba.njit(cache=True)
def _moved_jacobian(J, path, gram, chosen, own, length):
    """The recursion of the module along the codes of a path, the first of which J belongs to."""
    n_atoms, n_features, _ = J.shape
    J, new = J.copy(), np.zeros(J.shape)
    for n in range(len(path) - 1):
        z = path[n]
        for k in range(n_atoms):
            row = new[k].reshape(-1)
            if path[n + 1, k] == 0:
                row[:] = 0
                continue
            row[:] = J[k].reshape(-1)
            for j in range(n_atoms):
                if z[j] != 0:  # other rows of J are zero
                    _add(row, -length * gram[k, j], J[j].reshape(-1))
            for l in range(n_features):
                missing = -own[l]
                for j in range(n_atoms):
                    missing += chosen[l, j] * z[j]
                _add(new[k, l], -length * chosen[l, k], z)
                new[k, l, k] -= length * missing
        J, new = new, J
    return J


@numba.njit(cache=True)
def _feature_sign(correlation, gram, reg, n_features):
    """Codes, and the first sample whose search did not end, or -1."""
    n_samples, n_atoms = correlation.shape
    z = np.zeros((n_samples, n_atoms))
    for i in range(n_samples):
        code, signs, ended = z[i], np.zeros(n_atoms), False
        for _ in range(_MOST_MOVES * n_atoms):
            fall = correlation[i] - gram @ code
            S = np.flatnonzero(signs)
            if len(S) == 0 or np.abs(fall[S] - reg * signs[S]).max() <= _UNMET * reg:
                slack = np.where(signs == 0, np.abs(fall), 0.0)
                entering = np.argmax(slack)
                if slack[entering] <= reg * (1 + _UNMET):
                    ended = True
                    break
                signs[entering] = np.sign(fall[entering])
                S = np.flatnonzero(signs)
            inner = np.empty((len(S), len(S)))
            for a in range(len(S)):
                for b in range(len(S)):
                    inner[a, b] = gram[S[a], S[b]]
                if len(S) > n_features:  # one atom too many: far along what changes no fit
                    inner[a, a] += _RIDGE * gram[S[a], S[a]]
            move = np.linalg.solve(inner, correlation[i, S] - reg * signs[S]) - code[S]
            share = _best_share(code[S], move, inner, correlation[i, S], reg)
            for a in range(len(S)):
                k = S[a]
                if share < 1 and code[k] != 0 and -code[k] / move[a] == share:
                    code[k] = 0.0
                else:
                    code[k] += share * move[a]
                signs[k] = np.sign(code[k])
        if not ended:
            return z, i
    return z, -1


@numba.njit(cache=True)
def _best_share(code, move, gram, correlation, reg):
    """Which share of a move costs least: all of it, or up to where a coefficient becomes 0."""
    best, least = 1.0, np.inf
    for a in range(len(code) + 1):
        share = 1.0
        if a < len(code):
            if code[a] == 0 or move[a] == 0:
                continue
            share = -code[a] / move[a]
            if not 0 < share < 1:
                continue
        there = code + share * move
        if a < len(code):
            there[a] = 0.0
        value = np.dot(there, 0.5 * (gram @ there) - correlation) + reg * np.abs(there).sum()
        if value < least:
            best, least = share, value
    return best
