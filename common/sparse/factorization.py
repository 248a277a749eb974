r"""Factorisations of the Gram matrix of a dictionary, the bound they give, and a network of them.

ISTA minimises an upper bound of the lasso whose quadratic part is L times the identity. Any
orthogonal A and positive diagonal S give another one [1]_: from a code z, with
:math:`B = D D^\top` (atoms are rows of D) and the gradient :math:`g = (z D - x) D^\top`, a step is

.. math:: z^+ = \mathrm{ST}\big(z A^\top - g A^\top S^{-1},\ \lambda S^{-1}\big)\, A.

It minimises :math:`g \cdot u + \tfrac12 (u - z) A^\top S A (u - z)^\top + \lambda \|u A^\top\|_1`
over u. What is lost is how the penalty changes with the axes,
:math:`\delta(u) = \lambda (\|u A^\top\|_1 - \|u\|_1)`, and what A and S leave of B,
:math:`R = A^\top S A - B`. With :math:`\|v\|_M^2 = v M v^\top`, for every code u

.. math::
    F(z^+) - F(u) \le \tfrac12 \|u - z\|_R^2 + \delta(u) - \delta(z^+)
    - \tfrac12 \|z^+ - z\|_R^2 - \tfrac12 \|u - z^+\|_{A^\top S A}^2,

as a quadratic plus a convex function exceeds its minimum by half the squared distance at least. The
paper's bound has the first line alone. It follows where R has no negative eigenvalue, as the last
two terms are then not above zero.

*FacNet* learns A and S for every layer; A = I and S = L is ISTA.

References
----------
.. [1] T. Moreau, J. Bruna, "Understanding trainable sparse coding via matrix factorization",
   ICLR 2017, arXiv:1609.00285.
"""

from typing import NamedTuple

import numpy as np

from common import validation
from common.sparse.lasso import check_problem, shrunk
from common.sparse.unfolded import KINDS, Unfolded

__all__ = ["NETWORKS", "Bound", "FacNet", "Factorization", "LinearStart", "start_network"]

_ORTHOGONAL = 1e-8  # deviation of A A' from I that counts as rounding
_LONGEST = 10.0  # step of A in norm, which keeps its polar factor exact, and of log theta


class Bound(NamedTuple):
    """What a step is promised, for every sample; see the module."""

    short: np.ndarray
    """The paper's, which needs a residual without negative eigenvalues."""
    sharp: np.ndarray
    """That of every factorisation."""
    excess: np.ndarray
    """What is bounded: F after the step, above F of the codes to compare with."""


class Factorization:
    """An orthogonal A and a positive S in the place of the Gram matrix of a lasso problem.

    Parameters
    ----------
    problem : common.sparse.Lasso
    A : array_like, shape (n_atoms, n_atoms)
        Orthogonal: new axes in its rows.
    S : array_like, shape (n_atoms,)
        Curvature along each new axis, above 0.

    Attributes
    ----------
    problem, A, S
        As given.

    Raises
    ------
    TypeError
        If the problem is of another type, or a matrix holds no numbers.
    ValueError
        If a shape does not fit, A is not orthogonal, or an entry of S is not above 0.
    """

    def __init__(self, problem, A, S):
        self.problem = check_problem(problem)
        self.A = _orthogonal(A, "A", problem.n_atoms)
        self.S = _positive(S, "S", problem.n_atoms)

    @classmethod
    def of_ista(cls, problem):
        """A = I and S = L.

        Parameters
        ----------
        problem : common.sparse.Lasso

        Returns
        -------
        factorization : Factorization

        Raises
        ------
        TypeError
            If the problem is of another type.
        """
        n_atoms = check_problem(problem).n_atoms
        return cls(problem, np.eye(n_atoms), np.full(n_atoms, problem.smoothness))

    def residual(self):
        """R, shape (n_atoms, n_atoms)."""
        return self._metric() - self.problem.D @ self.problem.D.T

    def penalty(self, z):
        """Delta of every code: by how much the new axes raise its penalty.

        Parameters
        ----------
        z : ndarray, shape (n_samples, n_atoms)

        Returns
        -------
        delta : ndarray, shape (n_samples,)
        """
        change = np.abs(z @ self.A.T).sum(axis=1) - np.abs(z).sum(axis=1)
        return self.problem.reg * change

    def step(self, z, x):
        """Codes after a step.

        Parameters
        ----------
        z : ndarray, shape (n_samples, n_atoms)
        x : ndarray, shape (n_samples, n_features)

        Returns
        -------
        z : ndarray, shape (n_samples, n_atoms)
        """
        turned = (z @ self.A.T) - (self.problem.gradient(z, x) @ self.A.T) / self.S
        return shrunk(turned, self.problem.reg / self.S) @ self.A

    def bound(self, z, x, towards):
        """Bounds of F after a step from z, above F of other codes.

        Parameters
        ----------
        z : ndarray, shape (n_samples, n_atoms)
        x : ndarray, shape (n_samples, n_features)
        towards : ndarray, shape (n_samples, n_atoms)
            The codes to compare with: those of smallest cost, or any.

        Returns
        -------
        bound : Bound
        """
        after, residual = self.step(z, x), self.residual()
        short = 0.5 * _squares(towards - z, residual) + self.penalty(towards) - self.penalty(after)
        gained = _squares(after - z, residual) + _squares(towards - after, self._metric())
        objective = self.problem.objective
        excess = objective(after, x) - objective(towards, x)
        return Bound(short, short - 0.5 * gained, excess)

    def _metric(self):
        return (self.A.T * self.S) @ self.A


class _Other(Unfolded):
    """An unfolded network whose layers are not in `common.sparse.KINDS`."""

    kind = None

    def __init__(self, problem, layers):
        self.problem, self.layers = check_problem(problem), list(layers)
        self._rules = self._rules_of(problem)
        if not self.layers:
            raise ValueError("layers is empty; a network has one at least.")
        for number, layer in enumerate(self.layers):
            expected = sorted(self._rules.first(number))
            if sorted(layer) != expected:
                raise ValueError(
                    f"layer {number + 1} has the parameters {', '.join(sorted(layer)) or 'none'}; "
                    f"that of {self.kind} has {', '.join(expected) or 'none'}."
                )
            self._rules.check(layer, number + 1)

    @classmethod
    def start(cls, problem, n_layers):
        """The network that training starts from; see `common.sparse.Unfolded.start`."""
        rules = cls._rules_of(check_problem(problem))
        n_layers = validation.count(n_layers, "n_layers")
        return cls(problem, [rules.first(number) for number in range(n_layers)])

    def with_layers(self, layers):
        """The same kind of network with other layers; see `common.sparse.Unfolded`."""
        return type(self)(self.problem, layers)


class _Factors:
    """Layers of `FacNet`, by the interface of those in `common.sparse.unfolded`."""

    def __init__(self, problem):
        self.D, self.reg, self.n_atoms = problem.D, problem.reg, problem.n_atoms
        self.smoothness = problem.smoothness

    def first(self, number=0):
        return {
            "A": np.eye(self.n_atoms),
            "theta": np.full(self.n_atoms, 1 / self.smoothness),
        }

    def check(self, layer, number):
        _orthogonal(layer["A"], f"A of layer {number}", self.n_atoms)
        _positive(layer["theta"], f"theta of layer {number}", self.n_atoms)

    def forward(self, layer, z, before, x):
        A, theta = layer["A"], layer["theta"]
        atoms = A @ self.D
        residual = z @ self.D - x
        slope = residual @ atoms.T
        turned = _soft(z @ A.T - slope * theta, self.reg * theta)
        return turned @ A, (turned, residual, slope, atoms)

    def backward(self, layer, kept, outer, z, before, x):
        A, theta = layer["A"], layer["theta"]
        turned, residual, slope, atoms = kept
        signs = np.sign(turned)
        inner = (outer @ A.T) * (turned != 0)
        scaled = inner * theta
        slopes = {
            "A": turned.T @ outer + inner.T @ z - (scaled.T @ residual) @ self.D.T,
            "theta": -np.einsum("ij,ij->j", inner, slope + self.reg * signs),
        }
        return slopes, inner @ A - (scaled @ atoms) @ self.D.T, None

    def moved(self, layer, slopes, step):
        """Along the orthogonal matrices; None where the turn or the change of S is too long.

        A threshold is changed by a factor, which is a plain step where it is 1 / L. So it stays
        above 0, and comes near 0 without an end to the descent.
        """
        A, slope = layer["A"], slopes["A"]
        tangent = slope - A @ slope.T @ A
        change = step * self.smoothness**2 * layer["theta"] * slopes["theta"]
        if step * np.linalg.norm(tangent) > _LONGEST or np.abs(change).max() > _LONGEST:
            return None
        theta = layer["theta"] * np.exp(-change)
        # The polar factor. As the tangent is A times a skew matrix, no eigenvalue is below 1.
        moved = A - step * tangent
        values, axes = np.linalg.eigh(moved.T @ moved)
        return {"A": moved @ (axes / np.sqrt(values)) @ axes.T, "theta": theta}


class FacNet(_Other):
    """A network whose layers are steps of learned factorisations.

    Parameters
    ----------
    problem : common.sparse.Lasso
    layers : sequence of dict
        Of each layer ``A``, orthogonal, shape (n_atoms, n_atoms), and ``theta``, the inverse of S,
        above 0, shape (n_atoms,).

    Raises
    ------
    TypeError
        If the problem is of another type, or a parameter holds no numbers.
    ValueError
        If there is no layer, or one of them has other parameters or is no factorisation.
    """

    kind = "facnet"
    _rules_of = _Factors

    def factorizations(self):
        """A and S of every layer, list of `Factorization`."""
        return [Factorization(self.problem, one["A"], 1 / one["theta"]) for one in self.layers]


class _Linear:
    """Layers of `LinearStart`, by the same interface."""

    def __init__(self, problem):
        self.problem, self.short = problem, 1 / problem.smoothness

    def first(self, number=0):
        return {"W": self.problem.D.T * self.short} if number == 0 else {}

    def check(self, layer, number):
        for name, value in layer.items():
            _shaped(value, f"{name} of layer {number}", self.problem.D.T.shape)

    def forward(self, layer, z, before, x):
        if layer:
            return x @ layer["W"], None
        code = z - self.short * self.problem.gradient(z, x)
        code = _soft(code, self.short * self.problem.reg)
        return code, code != 0

    def backward(self, layer, kept, outer, z, before, x):
        if layer:
            return {"W": x.T @ outer}, np.zeros_like(outer), None
        outer = outer * kept
        return {}, outer - self.short * (outer @ self.problem.D) @ self.problem.D.T, None

    def moved(self, layer, slopes, step):
        return {name: value - step * slopes[name] for name, value in layer.items()}


class LinearStart(_Other):
    """A linear map of the sample, from which ISTA goes on.

    The first layer is x W, the others are steps of ISTA without parameters.

    Parameters
    ----------
    problem : common.sparse.Lasso
    layers : sequence of dict
        The first one has ``W``, shape (n_features, n_atoms); the others are empty.

    Raises
    ------
    TypeError
        If the problem is of another type, or W holds no numbers.
    ValueError
        If there is no layer, or one of them has other parameters.
    """

    kind = "linear"
    _rules_of = _Linear


NETWORKS = {one.kind: one for one in (FacNet, LinearStart)}
"""Kinds of networks beside those of `common.sparse.KINDS`."""


def start_network(problem, kind, n_layers):
    """The network of any kind that training starts from.

    Parameters
    ----------
    problem : common.sparse.Lasso
    kind : str
        A name in `common.sparse.KINDS` or in `NETWORKS`.
    n_layers : int

    Returns
    -------
    network : common.sparse.Unfolded

    Raises
    ------
    TypeError, ValueError
        As `common.sparse.Unfolded.start`.
    """
    kind = validation.choice(kind, [*KINDS, *NETWORKS], "kind")
    if kind in NETWORKS:
        return NETWORKS[kind].start(problem, n_layers)
    return Unfolded.start(problem, kind, n_layers)


def _soft(values, threshold):
    """The soft threshold in fewer passes than `common.sparse.soft_threshold`."""
    return values - np.clip(values, -threshold, threshold)


def _squares(v, matrix):
    return ((v @ matrix) * v).sum(axis=1)


def _shaped(value, name, shape):
    value = validation.array(value, name)
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}.")
    return value.astype(float)


def _orthogonal(value, name, n_atoms):
    value = _shaped(value, name, (n_atoms, n_atoms))
    deviation = np.abs(value @ value.T - np.eye(n_atoms)).max()
    if deviation > _ORTHOGONAL:
        raise ValueError(
            f"{name} must be orthogonal, and its product with its transpose is off the identity by "
            f"{deviation:.3g}. Take its polar factor."
        )
    return value


def _positive(value, name, n_atoms):
    value = _shaped(value, name, (n_atoms,))
    if not (value > 0).all():
        raise ValueError(f"{name} must be above 0, got {value.min():g} at {value.argmin()}.")
    return value
