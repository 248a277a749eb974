r"""Bilevel problems with exact inner minima, values and hypergradients.

.. math:: \min_x h(x) = F(z^*(x), x), \qquad z^*(x) = \arg\min_z G(z, x), \qquad
          G = \frac1n \sum_i G_i, \quad F = \frac1m \sum_j F_j,

with G strongly convex in z. The gradient of h follows from the implicit function theorem:

.. math:: \nabla h = \partial_x F + \partial^2_{xz} G\, v^*, \qquad
          v^* = -[\partial^2_{zz} G]^{-1} \partial_z F \quad \text{at } z^*(x).

=========  ================================================  ===================================
problem    :math:`G_i(z, x)`                                 :math:`F_j(z, x)`
=========  ================================================  ===================================
quadratic  :math:`\frac12 z^\top A_i z + x^\top C_i z +      the same, with :math:`\frac12
           d_i^\top z`                                       x^\top B_j x + f_j^\top x`
logistic   :math:`\log(1 + e^{-y_i \langle D_i, z\rangle})   the loss of another row, without the
           + \frac12 \sum_k e^{x_k} z_k^2`                   penalty
cleaning   :math:`\sigma(x_i)\, \ell(z; D_i, y_i) +          cross-entropy :math:`\ell` of a row
           \lambda \|z\|^2`                                  whose label is known to be right
=========  ================================================  ===================================

Functions of x alone are exact, down to rounding. Solvers see samples through batches of rows that
follow one another, so rows should be in random order. Nothing has a unit.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, log_softmax, softmax

from common import validation
from common.bilevel import _compiled

__all__ = ["Cleaning", "Logistic", "Quadratic", "QuadraticSamples", "check_problem"]

_LARGEST = np.log(np.finfo(float).max)  # of which the exponential is finite


class _Problem:
    """What problems share; a subclass has the derivatives of G and F at (z, x).

    These take arrays as they are: solvers check their starts once, by `check_inner`.

    Attributes
    ----------
    n, m : int
        Samples of the inner and the outer problem.
    n_inner, n_outer : int
        Entries of z and x.
    """

    def minimizer(self, x, *, start=None):
        """The inner minimum, by Newton's method down to rounding.

        Parameters
        ----------
        x : array_like, shape (n_outer,)
        start : ndarray, shape (n_inner,), optional
            Zero by default.

        Returns
        -------
        z : ndarray, shape (n_inner,)

        Raises
        ------
        TypeError, ValueError
            If x or the start is no vector of finite numbers, or does not fit, or a penalty of x is
            infinite.
        RuntimeError
            If Newton's method does not converge.
        """
        x = self._bounded(x)
        z = np.zeros(self.n_inner) if start is None else self.check_inner(start)
        before = np.inf
        for _ in range(100):
            value, gradient = self.inner_value(z, x), self.inner_gradient(z, x)
            direction = cho_solve(cho_factor(self.inner_hessian(z, x)), gradient)
            decrement = gradient @ direction  # about twice what is left to gain
            length = 1.0
            if decrement < 1e-16 * max(1.0, abs(value)):
                # Values tell nothing any more: whole steps, as long as they help.
                if decrement >= before or decrement == 0:
                    return z
                before = decrement
            else:
                while length > 1e-10 and not (
                    self.inner_value(z - length * direction, x) <= value - 1e-4 * length * decrement
                ):
                    length /= 2
            z = z - length * direction
        raise RuntimeError(
            "the inner minimum is not found in 100 steps of Newton's method, x between "
            f"{x.min():g} and {x.max():g}: the inner problem is badly conditioned there."
        )

    def value(self, x, *, z=None):
        """h(x).

        Parameters
        ----------
        x : array_like, shape (n_outer,)
        z : ndarray, shape (n_inner,), optional
            The inner minimum, where it is known already.

        Returns
        -------
        value : float

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As `minimizer`.
        """
        x = self.check_outer(x)
        return self.outer_value(self.minimizer(x) if z is None else self.check_inner(z), x)

    def gradient(self, x, *, z=None):
        """The hypergradient, ∇h(x).

        Parameters
        ----------
        x, z
            As in `value`.

        Returns
        -------
        gradient : ndarray, shape (n_outer,)

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As `minimizer`.
        """
        x = self._bounded(x)
        z = self.minimizer(x) if z is None else self.check_inner(z)
        by_z, by_x = self.outer_gradients(z, x)
        v = -cho_solve(cho_factor(self.inner_hessian(z, x)), by_z)
        return by_x + self.cross(z, x, v)

    def check_outer(self, x):
        """An outer variable that fits.

        Parameters
        ----------
        x : array_like, shape (n_outer,)

        Returns
        -------
        x : ndarray of float64, shape (n_outer,)

        Raises
        ------
        TypeError, ValueError
            If it is no vector of finite numbers, or has another length.
        """
        return _fitting(x, "x", self.n_outer)

    def check_inner(self, z):
        """An inner variable that fits; see `check_outer`.

        Parameters
        ----------
        z : array_like, shape (n_inner,)

        Returns
        -------
        z : ndarray of float64, shape (n_inner,)

        Raises
        ------
        TypeError, ValueError
            As `check_outer`.
        """
        return _fitting(z, "z", self.n_inner)

    def _bounded(self, x):
        """`check_outer`, and that the inner problem is finite."""
        return self.check_outer(x)

    def compiled(self, batch):
        """The problem as the compiled solvers take it.

        Parameters
        ----------
        batch : int
            Rows of a batch, of the inner problem as of the outer one.

        Returns
        -------
        data : tuple

        Raises
        ------
        TypeError
            If it is not a whole number.
        ValueError
            If it does not divide the numbers of rows: batches of unequal length would bias the
            directions.
        """
        batch = validation.count(batch, "batch")
        for n, name in ((self.n, "inner"), (self.m, "outer")):
            if n % batch:
                raise ValueError(
                    f"batch must divide the {n} {name} samples, got {batch}: batches of unequal "
                    f"length bias the directions. Take {_nearest_divisor(self.n, self.m, batch)}, "
                    "or other numbers of rows."
                )
        fields = {"kind": self.kind, "n": self.n, "m": self.m, "size": batch, "reg": 0.0}
        fields |= {"n_batches": self.n // batch, "m_batches": self.m // batch}
        for name in ("X", "X_out"):
            fields[name] = np.zeros((0, 0))
        for name in ("y", "y_out"):
            fields[name] = np.zeros(0, dtype=np.int64)
        for name in ("M", "M_out"):
            fields[name] = np.zeros((0, 0, 0))
        return _compiled.Data(**(fields | self._fields(batch)))


class QuadraticSamples(NamedTuple):
    """Samples of a quadratic: A_i is the outer product of a row of ``roots`` with itself.

    ``roots`` and ``linear`` have the shape (n, n_inner), and C_i is the outer product of a row of
    ``left``, (n, n_outer), and one of ``right``, (n, n_inner). The outer problem has
    ``outer_roots`` and ``outer_linear`` of shape (n, n_outer) beside, for B_j and f_j.
    """

    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    linear: np.ndarray
    outer_roots: np.ndarray | None = None
    outer_linear: np.ndarray | None = None


class Quadratic(_Problem):
    """Quadratic in z and x, inside and outside: h is quadratic, too.

    A term of G that is quadratic in x alone would change neither z* nor h, so there is none.

    Parameters
    ----------
    inner, outer : QuadraticSamples

    Attributes
    ----------
    hessian : ndarray, shape (n_outer, n_outer)
        Of h.
    solution : ndarray, shape (n_outer,)
        The minimum of h, NaN where h has none.
    lowest : float
        h there.

    Raises
    ------
    TypeError
        If an array does not hold numbers.
    ValueError
        If shapes do not fit, an array is missing or one too many, a value is not finite, or the
        mean of A is not of full rank.
    """

    kind = _compiled.QUADRATIC

    def __init__(self, inner, outer):
        for field in ("outer_roots", "outer_linear"):
            if getattr(inner, field) is not None:
                raise ValueError(
                    f"the inner problem must have no {field}: a term of x alone does not change "
                    "its minimum. Leave it out."
                )
            if getattr(outer, field) is None:
                raise ValueError(f"the outer problem needs {field}, got None.")
        self.inner, self.outer = (
            QuadraticSamples(
                **{
                    field: _samples(one, f"{name} {field}")
                    for field, one in samples._asdict().items()
                    if one is not None
                }
            )
            for samples, name in ((inner, "inner"), (outer, "outer"))
        )
        self.n, self.n_inner = self.inner.roots.shape
        self.m, self.n_outer = len(self.outer.roots), self.inner.left.shape[1]
        self._check_shapes()
        self._A = self.inner.roots.T @ self.inner.roots / self.n
        self._C = self.inner.left.T @ self.inner.right / self.n
        self._d = self.inner.linear.mean(axis=0)
        eigenvalues = np.linalg.eigvalsh(self._A)
        if eigenvalues[0] <= 1e-12 * eigenvalues[-1]:
            raise ValueError(
                f"the mean of A must be of full rank, got eigenvalues from {eigenvalues[0]:.1e} to "
                f"{eigenvalues[-1]:.1e}: the inner problem has no single minimum. Add samples."
            )
        self._largest = float(eigenvalues[-1])
        out = self.outer
        self._A_out = out.roots.T @ out.roots / self.m
        self._B_out = out.outer_roots.T @ out.outer_roots / self.m
        self._C_out = out.left.T @ out.right / self.m
        self._d_out, self._f_out = out.linear.mean(axis=0), out.outer_linear.mean(axis=0)
        J = -np.linalg.solve(self._A, self._C.T)  # of z*
        mixed = J.T @ self._C_out.T
        self.hessian = J.T @ self._A_out @ J + mixed + mixed.T + self._B_out
        self.hessian = (self.hessian + self.hessian.T) / 2
        eigenvalues = np.linalg.eigvalsh(self.hessian)
        if eigenvalues[0] > 1e-12 * abs(eigenvalues[-1]):
            self.solution = -np.linalg.solve(self.hessian, self.gradient(np.zeros(self.n_outer)))
            self.lowest = self.value(self.solution)
        else:
            self.solution, self.lowest = np.full(self.n_outer, np.nan), np.nan

    def excess(self, x):
        """h(x) above its minimum, as a quadratic form: exact where the difference is rounding.

        Parameters
        ----------
        x : array_like, shape (n_outer,)

        Returns
        -------
        excess : float
            NaN where h has no minimum.

        Raises
        ------
        TypeError, ValueError
            As `check_outer`.
        """
        away = self.check_outer(x) - self.solution
        return float(0.5 * away @ self.hessian @ away)

    def curvature(self, x):
        """The largest curvature of G in z.

        Parameters
        ----------
        x : ndarray, shape (n_outer,)

        Returns
        -------
        largest : float

        Raises
        ------
        TypeError, ValueError
            As `check_outer`.
        """
        self.check_outer(x)
        return self._largest

    def minimizer(self, x, *, start=None):
        """The inner minimum, from a linear system.

        Parameters
        ----------
        x : array_like, shape (n_outer,)
        start : ndarray, optional
            Not needed here.

        Returns
        -------
        z : ndarray, shape (n_inner,)

        Raises
        ------
        TypeError, ValueError
            As `check_outer`.
        """
        return -np.linalg.solve(self._A, self._C.T @ self.check_outer(x) + self._d)

    def inner_value(self, z, x):
        """G(z, x); see `inner_gradient`."""
        return float(0.5 * z @ self._A @ z + x @ self._C @ z + self._d @ z)

    def inner_gradient(self, z, x):
        """∂_z G.

        Parameters
        ----------
        z : ndarray, shape (n_inner,)
        x : ndarray, shape (n_outer,)

        Returns
        -------
        gradient : ndarray, shape (n_inner,)
        """
        return self._A @ z + self._C.T @ x + self._d

    def inner_hessian(self, z, x):
        """∂²_zz G, of shape (n_inner, n_inner); see `inner_gradient`."""
        return self._A

    def cross(self, z, x, v):
        """∂²_xz G v.

        Parameters
        ----------
        z, v : ndarray, shape (n_inner,)
        x : ndarray, shape (n_outer,)

        Returns
        -------
        product : ndarray, shape (n_outer,)
        """
        return self._C @ v

    def outer_value(self, z, x):
        """F(z, x); see `inner_gradient`."""
        quadratic = 0.5 * z @ self._A_out @ z + x @ self._C_out @ z + 0.5 * x @ self._B_out @ x
        return float(quadratic + self._d_out @ z + self._f_out @ x)

    def outer_gradients(self, z, x):
        """∂_z F and ∂_x F; see `inner_gradient`."""
        by_z = self._A_out @ z + self._C_out.T @ x + self._d_out
        return by_z, self._B_out @ x + self._C_out @ z + self._f_out

    def _check_shapes(self):
        columns = dict.fromkeys(("left", "outer_roots", "outer_linear"), self.n_outer)
        for samples, name, n in ((self.inner, "inner", self.n), (self.outer, "outer", self.m)):
            for field, one in samples._asdict().items():
                wanted = n, columns.get(field, self.n_inner)
                if one is not None and one.shape != wanted:
                    raise ValueError(
                        f"{name} {field} must have the shape {wanted}, got {one.shape}."
                    )

    def _fields(self, batch):
        return {"M": _blocks(self.inner, batch), "M_out": _blocks(self.outer, batch)}


class Logistic(_Problem):
    """Logistic regression whose penalties, one a feature, are chosen on other rows.

    Parameters
    ----------
    D : array_like, shape (n, n_features)
    y : array_like, shape (n,)
        Labels, -1 or 1.
    D_out : array_like, shape (m, n_features)
    y_out : array_like, shape (m,)

    Raises
    ------
    TypeError
        If an argument does not hold numbers.
    ValueError
        If shapes do not fit, a value is not finite, or a label is another number.
    """

    kind = _compiled.LOGISTIC

    def __init__(self, D, y, D_out, y_out):
        self.D, self.y = _table(D, y, "D", "y", known=(-1, 1))
        self.D_out, self.y_out = _table(D_out, y_out, "D_out", "y_out", known=(-1, 1))
        _same_features(self.D, self.D_out)
        self.n, self.m = len(self.D), len(self.D_out)
        self.n_inner = self.n_outer = self.D.shape[1]
        self._largest = float(np.linalg.eigvalsh(self.D.T @ self.D)[-1] / (4 * self.n))

    def curvature(self, x):
        """An upper bound of the curvature of G in z, for any z.

        Parameters
        ----------
        x : ndarray, shape (n_outer,)

        Returns
        -------
        largest : float

        Raises
        ------
        TypeError, ValueError
            As `check_outer`, and if the penalty is infinite.
        """
        return self._largest + float(np.exp(np.max(self._bounded(x))))

    def inner_value(self, z, x):
        """G(z, x); see `Quadratic.inner_gradient`."""
        z, x = np.asarray(z, dtype=float), np.asarray(x, dtype=float)
        loss = np.logaddexp(0, -self.y * (self.D @ z)).mean()
        return float(loss + 0.5 * np.exp(x) @ z**2)

    def inner_gradient(self, z, x):
        """∂_z G; see `Quadratic.inner_gradient`."""
        x = np.asarray(x, dtype=float)
        slopes = -self.y * expit(-self.y * (self.D @ z))
        return self.D.T @ slopes / self.n + np.exp(x) * z

    def inner_hessian(self, z, x):
        """∂²_zz G; see `Quadratic.inner_gradient`."""
        x = np.asarray(x, dtype=float)
        wrong = expit(-self.y * (self.D @ z))
        return (self.D.T * (wrong * (1 - wrong))) @ self.D / self.n + np.diag(np.exp(x))

    def cross(self, z, x, v):
        """∂²_xz G v; see `Quadratic.cross`."""
        return np.exp(np.asarray(x, dtype=float)) * z * v

    def outer_value(self, z, x):
        """F(z, x); see `Quadratic.inner_gradient`."""
        return float(np.logaddexp(0, -self.y_out * (self.D_out @ z)).mean())

    def outer_gradients(self, z, x):
        """∂_z F and ∂_x F; see `Quadratic.inner_gradient`."""
        slopes = -self.y_out * expit(-self.y_out * (self.D_out @ z))
        return self.D_out.T @ slopes / self.m, np.zeros(self.n_outer)

    def _bounded(self, x):
        x = self.check_outer(x)
        if x.max() > _LARGEST:
            raise ValueError(
                f"x reaches {x.max():g}, and beyond {_LARGEST:.2f} its penalty exp(x) is infinite. "
                "Take a smaller one."
            )
        return x

    def _fields(self, batch):
        return {"X": self.D, "y": self.y, "X_out": self.D_out, "y_out": self.y_out}


class Cleaning(_Problem):
    """Multinomial regression on rows with doubtful labels, each with a weight σ(x_i) to be learned.

    z holds one row of coefficients a class, without an intercept, as a vector.

    Parameters
    ----------
    D : array_like, shape (n, n_features)
    y : array_like of int, shape (n,)
        Labels from 0, some of them wrong.
    D_out : array_like, shape (m, n_features)
    y_out : array_like of int, shape (m,)
        Labels that are right.
    n_classes : int
    reg : float, default=0.2
        Lambda, above 0.

    Raises
    ------
    TypeError
        If an argument does not hold numbers.
    ValueError
        If shapes do not fit, a value is not finite, a label is no class, or ``reg`` is not above 0.
    """

    kind = _compiled.CLEANING

    def __init__(self, D, y, D_out, y_out, *, n_classes, reg=0.2):
        self.n_classes = validation.count(n_classes, "n_classes", at_least=2)
        known = range(self.n_classes)
        self.D, self.y = _table(D, y, "D", "y", known=known)
        self.D_out, self.y_out = _table(D_out, y_out, "D_out", "y_out", known=known)
        _same_features(self.D, self.D_out)
        self.reg = validation.number(reg, "reg", above=0)
        self.n, self.m = len(self.D), len(self.D_out)
        self.n_inner, self.n_outer = self.n_classes * self.D.shape[1], self.n
        self._largest = float(np.linalg.eigvalsh(self.D.T @ self.D)[-1] / (2 * self.n))

    def curvature(self, x):
        """An upper bound of the curvature of G in z, for any z.

        Parameters
        ----------
        x : ndarray, shape (n_outer,)

        Returns
        -------
        largest : float

        Raises
        ------
        TypeError, ValueError
            As `check_outer`.
        """
        return self._largest * float(expit(np.max(self.check_outer(x)))) + 2 * self.reg

    def error(self, z, D, y):
        """Share of rows whose label is not predicted.

        Parameters
        ----------
        z : ndarray, shape (n_inner,)
        D : ndarray, shape (n_rows, n_features)
        y : ndarray of int, shape (n_rows,)

        Returns
        -------
        error : float

        Raises
        ------
        TypeError
            If an argument does not hold numbers.
        ValueError
            If a shape does not fit, a value is not finite, or a label is no class.
        """
        z = self.check_inner(z)
        D, y = _table(D, y, "D", "y", known=range(self.n_classes))
        _same_features(self.D, D)
        return float(np.mean((D @ self._rows(z).T).argmax(axis=1) != y))

    def inner_value(self, z, x):
        """G(z, x); see `Quadratic.inner_gradient`."""
        losses = -log_softmax(self.D @ self._rows(z).T, axis=1)[np.arange(self.n), self.y]
        return float(expit(x) @ losses / self.n + self.reg * z @ z)

    def inner_gradient(self, z, x):
        """∂_z G; see `Quadratic.inner_gradient`."""
        slopes = expit(x)[:, None] * self._slopes(z, self.D, self.y)
        return (slopes.T @ self.D / self.n).ravel() + 2 * self.reg * z

    def inner_hessian(self, z, x):
        """∂²_zz G; see `Quadratic.inner_gradient`."""
        prob, weight = softmax(self.D @ self._rows(z).T, axis=1), expit(x)
        p = self.D.shape[1]
        found = np.empty((self.n_classes, p, self.n_classes, p))
        for a in range(self.n_classes):
            for b in range(a, self.n_classes):
                each = weight * prob[:, a] * ((a == b) - prob[:, b])
                found[a, :, b] = found[b, :, a] = (self.D.T * each) @ self.D / self.n
        found = found.reshape(self.n_inner, self.n_inner)
        return found + 2 * self.reg * np.eye(self.n_inner)

    def cross(self, z, x, v):
        """∂²_xz G v; see `Quadratic.cross`."""
        along = (self._slopes(z, self.D, self.y) * (self.D @ self._rows(v).T)).sum(axis=1)
        return expit(x) * expit(-x) * along / self.n

    def outer_value(self, z, x):
        """F(z, x); see `Quadratic.inner_gradient`."""
        scores = log_softmax(self.D_out @ self._rows(z).T, axis=1)
        return float(-scores[np.arange(self.m), self.y_out].mean())

    def outer_gradients(self, z, x):
        """∂_z F and ∂_x F; see `Quadratic.inner_gradient`."""
        slopes = self._slopes(z, self.D_out, self.y_out)
        return (slopes.T @ self.D_out / self.m).ravel(), np.zeros(self.n_outer)

    def _rows(self, z):
        return z.reshape(self.n_classes, -1)

    def _slopes(self, z, D, y):
        slopes = softmax(D @ self._rows(z).T, axis=1)
        slopes[np.arange(len(y)), y] -= 1
        return slopes

    def _fields(self, batch):
        fields = {"X": self.D, "y": self.y, "X_out": self.D_out, "y_out": self.y_out}
        return fields | {"reg": self.reg}


def check_problem(problem):
    """A problem.

    Parameters
    ----------
    problem : Quadratic, Logistic or Cleaning

    Returns
    -------
    problem : Quadratic, Logistic or Cleaning

    Raises
    ------
    TypeError
        If it is none.
    """
    if not hasattr(problem, "check_inner"):
        raise TypeError(f"problem must be Quadratic, Logistic or Cleaning, got {problem!r}.")
    return problem


def _fitting(values, name, n):
    values = validation.vector(values, name).astype(float)
    if len(values) != n:
        raise ValueError(f"{name} must have {n} values, got {len(values)}.")
    return values


def _samples(values, name):
    found = np.ascontiguousarray(validation.array(values, name, ndim=2), dtype=float)
    with np.errstate(over="ignore"):
        power = np.vdot(found, found)
    if not np.isfinite(power):
        raise ValueError(
            f"{name} reaches {np.abs(found).max():.3g}, whose square is infinite. Scale it down."
        )
    return found


def _table(D, y, name, labels, *, known):
    D = _samples(D, name)
    found = validation.vector(y, labels)
    validation.same_length(**{name: D, labels: found})
    if (bad := np.flatnonzero(~np.isin(found, list(known)))).size:
        wanted = "-1 or 1" if tuple(known) == (-1, 1) else f"a whole number from 0 to {max(known)}"
        raise ValueError(
            f"{labels} must be {wanted} everywhere, got {found[bad[0]]:g} at index {bad[0]}."
        )
    return D, found.astype(np.int64)


def _same_features(D, D_out):
    if D.shape[1] != D_out.shape[1]:
        raise ValueError(
            f"D and D_out must have the same features, got {D.shape[1]} and {D_out.shape[1]}."
        )


def _blocks(samples, batch):
    """Of each batch and of all: second derivatives in (z, x), and linear terms as a column."""
    p, q = samples.roots.shape[1], samples.left.shape[1]
    found = np.zeros((len(samples.roots) // batch, p + q, p + q + 1))

    def products(left, right):
        left, right = (one.reshape(-1, batch, one.shape[1]) for one in (left, right))
        return left.transpose(0, 2, 1) @ right / batch

    found[:, :p, :p] = products(samples.roots, samples.roots)
    found[:, p:, :p] = products(samples.left, samples.right)
    found[:, :p, p:-1] = found[:, p:, :p].transpose(0, 2, 1)
    found[:, :p, -1] = samples.linear.reshape(-1, batch, p).mean(axis=1)
    if samples.outer_roots is not None:
        found[:, p:, p:-1] = products(samples.outer_roots, samples.outer_roots)
        found[:, p:, -1] = samples.outer_linear.reshape(-1, batch, q).mean(axis=1)
    return np.concatenate([found, found.mean(axis=0, keepdims=True)])


def _nearest_divisor(n, m, batch):
    """The number nearest to a batch that divides both numbers of rows."""
    common = np.gcd(n, m)
    divisors = [one for one in range(1, common + 1) if common % one == 0]
    return min(divisors, key=lambda one: abs(one - batch))
