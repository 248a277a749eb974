r"""Networks whose layers are iterations of ISTA with parameters of their own.

A layer maps the code z of the layer before and the sample x to a new code. With
:math:`r = z D - x`, and ST the soft threshold,

========  ================================================  ==========================
kind      layer                                             parameters
========  ================================================  ==========================
slista    ST(z - step r Dᵀ, lambda step)                    step
lista     ST(z - r W, lambda theta)                         W, theta of each atom
alista    ST(z - step r W, lambda theta), W is known        step, theta
original  ST(z Z + x X, lambda theta)                       Z, X, theta of each atom
lfista    ST(z Z + z' M + x X, lambda theta)                Z, M, X, theta of each atom
========  ================================================  ==========================

The first code is zero, and z' is the code of the layer before z. *slista* [1]_ learns one number a
layer; *lista* with W coupled to D is that of [2]_, *original* the one of [3]_, *lfista* that of
[4]_. The weights of *alista* [5]_ come from the dictionary alone: W has the column
:math:`w_j = M d_j / d_j^\top M d_j` with :math:`M = (D^\top D)^+`, which minimises :math:`\sum_{i
\ne j} (w_j^\top d_i)^2` subject to :math:`w_j^\top d_j = 1`.

Every kind starts as ISTA (lfista as FISTA; alista with the steps of ISTA, but other weights). No
label is needed: what is minimised is the mean cost of the last codes. Its gradient is computed by
the chain rule, layer by layer: for small networks twice as fast as torch's automatic
differentiation, see ``benchmarks/bench_sparse.py``.

References
----------
.. [1] P. Ablin, T. Moreau, M. Massias, A. Gramfort, "Learning step sizes for unfolded sparse
   coding", NeurIPS 2019, arXiv:1905.11071.
.. [2] X. Chen, J. Liu, Z. Wang, W. Yin, "Theoretical Linear Convergence of Unfolded ISTA and its
   Practical Weights and Thresholds", NeurIPS 2018, arXiv:1808.10038.
.. [3] K. Gregor, Y. LeCun, "Learning Fast Approximations of Sparse Coding", ICML 2010.
.. [4] T. Moreau, J. Bruna, "Understanding trainable sparse coding via matrix factorization",
   ICLR 2017, arXiv:1609.00285.
.. [5] J. Liu, X. Chen, Z. Wang, W. Yin, "ALISTA: Analytic Weights Are As Good As Learned Weights in
   LISTA", ICLR 2019.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from common import validation
from common.sparse.lasso import Lasso, check_problem

__all__ = ["KINDS", "Unfolded", "analytic_weights"]


class Unfolded:
    """A network for the codes of one lasso problem.

    Parameters
    ----------
    problem : Lasso
    kind : str
        A name in `KINDS`.
    layers : sequence of dict of str to ndarray
        Parameters of each layer, see `parameters`; they are not copied.

    Attributes
    ----------
    problem, kind, layers
        As given.

    Raises
    ------
    TypeError
        If the problem is of another type, ``layers`` is no sequence of dicts, or a parameter holds
        no numbers.
    ValueError
        If the kind is unknown, there is no layer, or a layer's parameters have other names or
        shapes than those of its kind.
    """

    def __init__(self, problem, kind, layers):
        self.problem, self.kind = problem, kind
        self._rules = _rules(problem, kind)
        if not isinstance(layers, Iterable):
            raise TypeError(f"layers must be a sequence of dicts, got {layers!r}.")
        self.layers = list(layers)
        if not self.layers:
            raise ValueError("layers is empty; a network has one at least.")
        expected = self._rules.first()
        for number, layer in enumerate(self.layers, 1):
            if not isinstance(layer, Mapping):
                raise TypeError(f"layer {number} must be a dict of parameters, got {layer!r}.")
            if set(layer) != set(expected):
                raise ValueError(
                    f"layer {number} has the parameters {', '.join(sorted(layer)) or 'none'}; "
                    f"those of {kind} are {', '.join(sorted(expected))}."
                )
            for name, value in layer.items():
                shape = validation.array(value, f"{name} of layer {number}").shape
                if shape != np.shape(expected[name]):
                    raise ValueError(
                        f"{name} of layer {number} must have shape {np.shape(expected[name])}, "
                        f"got {shape}."
                    )

    @classmethod
    def start(cls, problem, kind, n_layers):
        """The network that training starts from.

        Parameters
        ----------
        problem : Lasso
        kind : str
        n_layers : int

        Returns
        -------
        network : Unfolded

        Raises
        ------
        TypeError, ValueError
            As the class, and if the number of layers is not a whole one of at least 1.
        """
        n_layers = validation.count(n_layers, "n_layers")
        rules = _rules(problem, kind)
        return cls(problem, kind, [rules.first(number) for number in range(n_layers)])

    def with_layers(self, layers):
        """The same kind of network with other layers.

        Parameters
        ----------
        layers : sequence of dict

        Returns
        -------
        network : Unfolded
        """
        return type(self)(self.problem, self.kind, layers)

    def codes(self, x):
        """Codes after every layer.

        Parameters
        ----------
        x : array_like, shape (n_samples, n_features)

        Returns
        -------
        codes : list of ndarray, shape (n_samples, n_atoms)
            One for each layer.

        Raises
        ------
        TypeError, ValueError
            As `common.sparse.Lasso.samples`.
        """
        return [z for z, _ in self._forward(self.problem.samples(x))]

    def loss(self, x):
        """Mean cost of the last codes, and a function that gives its gradient.

        Parameters
        ----------
        x : ndarray, shape (n_samples, n_features)

        Returns
        -------
        loss : float
        gradient : callable
            Without arguments; gives a list of dict, as `layers`.

        Raises
        ------
        TypeError, ValueError
            As `common.sparse.Lasso.samples`.
        """
        if not isinstance(x, np.ndarray) or x.ndim != 2 or x.shape[1] != self.problem.n_features:
            x = self.problem.samples(x)
        if not len(x):
            raise ValueError(f"x is empty: its shape is {x.shape}.")
        passed = self._forward(x)
        z = passed[-1][0]
        problem = self.problem
        residual = z @ problem.D - x
        sums = 0.5 * np.vdot(residual, residual) + problem.reg * np.abs(z).sum()
        if not np.isfinite(sums):  # training calls this thousands of times: values only now
            problem.samples(x)

        def gradient():
            outer = residual @ problem.D.T + problem.reg * np.sign(z)
            return self._backward(passed, outer / len(x), x)

        return float(sums) / len(x), gradient

    def moved(self, gradient, step):
        """The network a step down a gradient; None where the step leaves what the kind allows.

        Parameters
        ----------
        gradient : list of dict
        step : float

        Returns
        -------
        network : Unfolded or None
        """
        other = object.__new__(type(self))
        other.__dict__ |= self.__dict__
        other.layers = [
            self._rules.moved(layer, slope, step)
            for layer, slope in zip(self.layers, gradient, strict=True)
        ]
        return None if any(layer is None for layer in other.layers) else other

    def _forward(self, x):
        """Code of each layer, and what its derivative needs."""
        z = before = np.zeros((len(x), self.problem.n_atoms))
        passed = []
        for layer in self.layers:
            new, kept = self._rules.forward(layer, z, before, x)
            passed.append((new, kept))
            z, before = new, z
        return passed

    def _backward(self, passed, outer, x):
        """Gradient by every parameter, from that by the last code."""
        zero = np.zeros_like(outer)
        found, following = [], zero  # `following`: what the layer after the next one adds
        for index in reversed(range(len(self.layers))):
            z = passed[index - 1][0] if index > 0 else zero
            before = passed[index - 2][0] if index > 1 else zero
            slopes, inner, earlier = self._rules.backward(
                self.layers[index], passed[index][1], outer, z, before, x
            )
            found.append(slopes)
            outer = inner + following
            following = zero if earlier is None else earlier
        return found[::-1]


def analytic_weights(D):
    """Weights of *alista*: like the dictionary, but as little coherent with it as possible.

    Parameters
    ----------
    D : array_like, shape (n_atoms, n_features)

    Returns
    -------
    W : ndarray, shape (n_features, n_atoms)
        With ``D[j] @ W[:, j]`` equal to 1.

    Raises
    ------
    TypeError, ValueError
        As `common.sparse.Lasso`, and if an atom is too small beside others.
    """
    D = Lasso(D, reg=1.0).D
    W = np.linalg.pinv(D.T @ D, hermitian=True) @ D.T
    products = (D.T * W).sum(axis=0)
    if not products.all():
        raise ValueError(
            f"atom {int(np.argmin(np.abs(products)))} of D is too small beside others to have "
            "weights. Scale atoms to one norm."
        )
    return W / products


class _Kind:
    """What a kind of layer is; every method leaves its arguments as they are."""

    def __init__(self, problem):
        self.D, self.reg = problem.D, problem.reg
        self.short = 1 / problem.smoothness
        self.n_atoms = problem.n_atoms

    def first(self, number=0):
        """Parameters of a layer, counted from 0, before training."""
        raise NotImplementedError

    def forward(self, layer, z, before, x):
        """The next code, and what `backward` needs."""
        raise NotImplementedError

    def backward(self, layer, kept, outer, z, before, x):
        """Gradients by the parameters, by z and by the code before z (None: it plays no part)."""
        raise NotImplementedError

    def moved(self, layer, slopes, step):
        return {name: value - step * slopes[name] for name, value in layer.items()}

    def _threshold(self, values, theta):
        """Soft threshold, and the signs of what is left."""
        signs = np.sign(values)
        size = np.abs(values) - self.reg * theta
        left = size > 0
        signs *= left
        return signs * size, signs


class _Steps(_Kind):
    def first(self, number=0):
        return {"step": np.array(self.short)}

    def forward(self, layer, z, before, x):
        gradient = (z @ self.D - x) @ self.D.T
        code, signs = self._threshold(z - layer["step"] * gradient, layer["step"])
        return code, (signs, gradient)

    def backward(self, layer, kept, outer, z, before, x):
        signs, gradient = kept
        outer = outer * np.abs(signs)
        slope = -np.vdot(outer, gradient + self.reg * signs)
        inner = outer - layer["step"] * (outer @ self.D) @ self.D.T
        return {"step": slope}, inner, None


class _Analytic(_Kind):
    def __init__(self, problem):
        super().__init__(problem)
        self.W = analytic_weights(problem.D)

    def first(self, number=0):
        return {"step": np.array(self.short), "theta": np.array(self.short)}

    def forward(self, layer, z, before, x):
        direction = (z @ self.D - x) @ self.W
        code, signs = self._threshold(z - layer["step"] * direction, layer["theta"])
        return code, (signs, direction)

    def backward(self, layer, kept, outer, z, before, x):
        signs, direction = kept
        outer = outer * np.abs(signs)
        slopes = {
            "step": -np.vdot(outer, direction),
            "theta": -self.reg * np.vdot(outer, signs),
        }
        return slopes, outer - layer["step"] * (outer @ self.W.T) @ self.D.T, None


class _Coupled(_Kind):
    def first(self, number=0):
        return {"W": self.D.T * self.short, "theta": np.full(self.n_atoms, self.short)}

    def forward(self, layer, z, before, x):
        residual = z @ self.D - x
        code, signs = self._threshold(z - residual @ layer["W"], layer["theta"])
        return code, (signs, residual)

    def backward(self, layer, kept, outer, z, before, x):
        signs, residual = kept
        outer = outer * np.abs(signs)
        slopes = {
            "W": -residual.T @ outer,
            "theta": -self.reg * (outer * signs).sum(axis=0),
        }
        return slopes, outer - (outer @ layer["W"].T) @ self.D.T, None


class _Original(_Kind):
    momentum = False

    def first(self, number=0):
        inner = np.eye(self.n_atoms) - self.short * self.D @ self.D.T
        layer = {"X": self.D.T * self.short, "theta": np.full(self.n_atoms, self.short)}
        if not self.momentum:
            return layer | {"Z": inner}
        weight = _momentum(number)
        return layer | {"Z": (1 + weight) * inner, "M": -weight * inner}

    def forward(self, layer, z, before, x):
        values = z @ layer["Z"] + x @ layer["X"]
        if self.momentum:
            values += before @ layer["M"]
        return self._threshold(values, layer["theta"])

    def backward(self, layer, signs, outer, z, before, x):
        outer = outer * np.abs(signs)
        slopes = {
            "X": x.T @ outer,
            "Z": z.T @ outer,
            "theta": -self.reg * (outer * signs).sum(axis=0),
        }
        if not self.momentum:
            return slopes, outer @ layer["Z"].T, None
        return slopes | {"M": before.T @ outer}, outer @ layer["Z"].T, outer @ layer["M"].T


class _Momentum(_Original):
    momentum = True


def _momentum(number):
    """That of FISTA for the code of layer ``number`` - 1, before layer ``number`` from 0 on."""
    t, momentum = 1.0, 0.0
    for _ in range(number):
        following = (1 + np.sqrt(1 + 4 * t**2)) / 2
        t, momentum = following, (t - 1) / following
    return momentum


def _rules(problem, kind):
    check_problem(problem)
    return KINDS[validation.choice(kind, KINDS, "kind")](problem)


KINDS = {
    "slista": _Steps,
    "lista": _Coupled,
    "alista": _Analytic,
    "original": _Original,
    "lfista": _Momentum,
}
"""Kinds of networks by name."""
