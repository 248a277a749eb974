r"""Augmentation as layers of a network, learned from the training data alone (AugNet).

A layer has operations :math:`O_1, \dots, O_m`, weights w and magnitudes :math:`\mu \in [0, 1]`, and

.. math:: X \mapsto \sum_i p_i\, O_i(X; \mu_i), \qquad p = \operatorname{softmax}(w / \eta)

in training; in evaluation each example goes through one operation, drawn with the probabilities p.
A network averages C draws of its layers A in front of a trunk,

.. math:: f(X) = \frac1C \sum_{c=1}^C \log \operatorname{softmax}(\mathrm{trunk}(A_c(X))).

Cross-entropy alone would make magnitudes vanish, so a penalty rewards large ones:
:math:`L - \lambda \|\mu \odot p\|_2`, over all layers as one vector.

**Bounds.** The authors clamp magnitudes within the layer. A clamp has no gradient below 0, so that
after a step below 0 nothing but weight decay can bring an operation back (``bound="clamp"``, the
reference). Here steps are projected: after each, a magnitude outside of [0, 1] is set to the
nearest bound, from where the next gradient may bring it back (``bound="project"``, and
`keep_bounds`).

**Operations without magnitude** (sign flip, time reverse, symmetry) take :math:`\mu_i` for the
probability with which they are applied, and learn it. The authors' code means to, but freezes all
probabilities at their start.

References
----------
.. [1] C. Rommel, T. Moreau, A. Gramfort, "Deep invariant networks with differentiable augmentation
   layers", NeurIPS 2022, arXiv:2202.02142.

Examples
--------
Any network becomes one that learns its augmentation::

    layer = AugmentationLayer(["frequency-shift", "gaussian-noise"], sfreq=100, magnitude=0.05)
    network = AveragedNetwork(layer, trunk, n_copies=10)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    keep_bounds(optimizer, network)
    for X, y in batches:
        loss = cross_entropy(network(X), y) - 0.2 * penalty(network)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from common import validation
from common.augmentation.images import warp
from common.augmentation.operations import (
    Operation,
    apply_sometimes,
    check_finite,
    check_scales,
    make_operation,
    uniform,
)

__all__ = [
    "BOUNDS",
    "PENALTIES",
    "AugmentationLayer",
    "AveragedNetwork",
    "augmentation_layers",
    "keep_bounds",
    "penalty",
    "project_",
]

BOUNDS = ("project", "clamp")
PENALTIES = ("weighted", "magnitudes", "none")
TEMPERATURE = 0.01
"""Of the softmax of weights."""

_NEGLIGIBLE = 1e-12  # weight below which an operation counts neither in a sum nor for Adam


class AugmentationLayer(nn.Module):
    """A layer that augments, with weights and magnitudes to learn; see the module's text.

    Parameters
    ----------
    operations : sequence of str or Operation
        Names as in `common.augmentation.operations.EEG_OPERATIONS`, or operations: of images, or
        of your own.
    magnitude : float or sequence of float, default=0.1
        At the start, between 0 and 1; one number, or one for each operation.
    sfreq : float, optional
        In Hz; see `common.augmentation.operations.make_operation`.
    ch_names : sequence of str, optional
        10-20 names.
    scales : dict of str to float, optional
        What a magnitude of 1 is, by the name of the operation.
    temperature : float, default=0.01
        Eta.
    bound : {"project", "clamp"}, default="project"
        How magnitudes stay in [0, 1].
    generator : torch.Generator, optional
        What draws come from. Default: torch's global one, as for dropout.

    Attributes
    ----------
    weights, magnitudes : Parameter, shape (n_operations,)
        w and mu.
    names : tuple of str
        Of the operations.

    Raises
    ------
    TypeError
        If ``generator`` is none of torch.
    ValueError
        If there is no operation, one is unknown, a magnitude is outside of [0, 1], or a scale is
        given for an operation that is not there, or has its own.
    """

    def __init__(
        self,
        operations,
        *,
        magnitude=0.1,
        sfreq=None,
        ch_names=None,
        scales=None,
        temperature=TEMPERATURE,
        bound="project",
        generator=None,
    ):
        super().__init__()
        scales = dict(scales or {})
        named = [one.name if isinstance(one, Operation) else one for one in operations]
        if not named:
            raise ValueError("a layer needs an operation, got none.")
        check_scales(scales, operations)
        if not (generator is None or isinstance(generator, torch.Generator)):
            raise TypeError(f"generator must be a torch.Generator or None, got {generator!r}.")
        self.operations = [
            one
            if isinstance(one, Operation)
            else make_operation(one, sfreq=sfreq, ch_names=ch_names, scale=scales.get(one))
            for one in operations
        ]
        self.names = tuple(named)
        self.temperature = validation.number(temperature, "temperature", at_least=1e-30)
        self.bound = validation.choice(bound, BOUNDS, "bound")
        self.generator = generator
        start = [magnitude] * len(named) if np.ndim(magnitude) == 0 else list(magnitude)
        validation.same_length(operations=named, magnitudes=start)
        start = [
            validation.number(value, f"magnitude of {name}", at_least=0, at_most=1)
            for name, value in zip(named, start, strict=True)
        ]
        self.weights = nn.Parameter(torch.ones(len(named)))
        self.magnitudes = nn.Parameter(torch.tensor(start, dtype=torch.float32))

    @property
    def probabilities(self):
        """softmax(w / eta), shape (n_operations,)."""
        return functional.softmax(self.weights / self.temperature, dim=0)

    @property
    def bounded(self):
        """The magnitudes that the operations get, shape (n_operations,)."""
        return self.magnitudes.clamp(0, 1) if self.bound == "clamp" else self.magnitudes

    def prepare(self, X):
        """What the operations need of examples, computed once.

        Parameters
        ----------
        X : Tensor, shape (n_examples, ...)

        Returns
        -------
        prepared : list of Tensor or None
            One for each operation. Rows of the tensors are rows of ``X``.
        """
        with torch.no_grad():
            return [one.prepare(X) for one in self.operations]

    def forward(self, X, prepared=None):
        """Augment a batch.

        Parameters
        ----------
        X : Tensor, shape (n_examples, ...)
        prepared : list of Tensor or None, optional
            From `prepare`, for the same examples.

        Returns
        -------
        X : Tensor, of the shape and type of ``X``

        Raises
        ------
        ValueError
            If ``X`` holds a value that is not finite, a magnitude has left [0, 1], a weight is not
            finite, or what is prepared is that of other examples or operations.
        """
        check_finite(X)
        magnitudes = self.bounded
        self._check(magnitudes)
        prepared = prepared or [None] * len(self.operations)
        sizes = {len(one) for one in prepared if one is not None}
        if len(prepared) != len(self.operations) or sizes - {len(X)}:
            raise ValueError(
                f"prepared holds {len(prepared)} parts of {sorted(sizes)} examples, for "
                f"{len(self.operations)} operations on {len(X)} examples. Prepare these."
            )
        return self._sum(X, magnitudes, prepared) if self.training else self._one_of(X, prepared)

    def _sum(self, X, magnitudes, prepared):
        probabilities = self.probabilities
        counts = (probabilities > _NEGLIGIBLE).nonzero()[:, 0].tolist()
        together = [i for i in counts if hasattr(self.operations[i], "maps")]
        parts = []
        if len(together) > 1:
            parts.append(self._warped(X, together, magnitudes, probabilities))
            counts = [i for i in counts if i not in together]
        for i in counts:
            parts.append(probabilities[i] * self._operate(i, X, magnitudes[i], prepared[i]))
        return sum(parts[1:], start=parts[0])

    def _warped(self, X, indices, magnitudes, probabilities):
        """Affine operations, all images read at once."""
        several = [self.operations[i] for i in indices]
        maps = [
            one.maps(one.draw(X, self.generator), magnitudes[i])
            for i, one in zip(indices, several, strict=True)
        ]
        images = X.repeat(len(several), 1, 1, 1)
        images = warp(images, torch.cat(maps)).reshape(len(several), -1)
        return (probabilities[indices] @ images).reshape(X.shape)

    def _one_of(self, X, prepared):
        magnitudes, probabilities = self.bounded, self.probabilities
        chosen = torch.multinomial(
            probabilities.detach(), len(X), replacement=True, generator=self.generator
        )
        out = torch.empty_like(X)
        for i in chosen.unique().tolist():
            rows = (chosen == i).nonzero()[:, 0]
            ready = None if prepared[i] is None else prepared[i][rows]
            out[rows] = self._operate(i, X[rows], magnitudes[i], ready)
        return out

    def _operate(self, i, X, magnitude, prepared):
        operation = self.operations[i]
        changed = operation(X, magnitude, generator=self.generator, prepared=prepared)
        if operation.has_magnitude:
            return changed
        return apply_sometimes(X, changed, magnitude, uniform((len(X),), X, self.generator))

    def _check(self, magnitudes):
        if not bool(self.weights.isfinite().all()):
            raise ValueError(
                f"the weights are {self.weights.tolist()}: was a loss not finite? Lower the rate."
            )
        values = magnitudes.tolist()
        for name, value in zip(self.names, values, strict=True):
            if not 0 <= value <= 1:
                raise ValueError(
                    f"the magnitude of {name} is {value:g}, not between 0 and 1. Was a loss not "
                    "finite? Else call keep_bounds(optimizer, network) once, or project_(network) "
                    "after each step."
                )

    def extra_repr(self):
        """The operations, for ``print(layer)``."""
        return ", ".join(self.names)


class AveragedNetwork(nn.Module):
    """Augmentation in front of a trunk, averaged over draws; see the module's text.

    Parameters
    ----------
    augmentation : torch.nn.Module
        An `AugmentationLayer`, a `torch.nn.Sequential` of several, or any module that draws.
    trunk : torch.nn.Module
        Gives logits.
    n_copies : int, default=1
        C in evaluation.
    n_copies_training : int, default=1
        C in training. With one copy the logits themselves are returned.

    Raises
    ------
    ValueError, TypeError
        If a number of copies is no whole number from 1.
    """

    def __init__(self, augmentation, trunk, *, n_copies=1, n_copies_training=1):
        super().__init__()
        self.augmentation, self.trunk = augmentation, trunk
        self.n_copies = validation.count(n_copies, "n_copies")
        self.n_copies_training = validation.count(n_copies_training, "n_copies_training")

    def forward(self, X):
        """Mean logarithms of probabilities, or logits of one copy.

        Parameters
        ----------
        X : Tensor, shape (n_examples, ...)

        Returns
        -------
        outputs : Tensor, shape (n_examples, n_classes)
        """
        n_copies = self.n_copies_training if self.training else self.n_copies
        if n_copies == 1:
            return self.trunk(self.augmentation(X))
        copies = self.augmentation(X.repeat(n_copies, *[1] * (X.ndim - 1)))
        outputs = functional.log_softmax(self.trunk(copies), dim=1)
        return outputs.reshape(n_copies, len(X), -1).mean(0)


def augmentation_layers(network):
    """The augmentation layers of a network, from the first to the last.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    layers : list of AugmentationLayer
    """
    return [one for one in network.modules() if isinstance(one, AugmentationLayer)]


def penalty(network, kind="weighted"):
    r"""What training maximises besides fitting the labels.

    Parameters
    ----------
    network : torch.nn.Module
        With augmentation layers.
    kind : {"weighted", "magnitudes", "none"}, default="weighted"
        :math:`\|\mu \odot p\|_2`, :math:`\|\mu\|_2`, or 0; over all layers as one vector.

    Returns
    -------
    penalty : Tensor, shape ()
        Its gradient at 0 is 0.

    Raises
    ------
    ValueError
        If the kind is unknown or there is no augmentation layer.
    """
    validation.choice(kind, PENALTIES, "kind")
    layers = augmentation_layers(network)
    if not layers:
        raise ValueError(f"{type(network).__name__} has no AugmentationLayer to penalise.")
    if kind == "none":
        return layers[0].magnitudes.new_zeros(())
    parts = [
        one.bounded * one.probabilities if kind == "weighted" else one.bounded for one in layers
    ]
    return torch.linalg.vector_norm(torch.cat(parts))


@torch.no_grad()
def project_(network):
    """Set magnitudes outside of [0, 1] to the nearest bound, in place.

    Layers with ``bound="clamp"`` are left alone.

    Parameters
    ----------
    network : torch.nn.Module
    """
    for layer in augmentation_layers(network):
        if layer.bound == "project":
            layer.magnitudes.clamp_(0, 1)


def keep_bounds(optimizer, network):
    """Call `project_` after each step of an optimiser.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    network : torch.nn.Module

    Returns
    -------
    handle : torch.utils.hooks.RemovableHandle
    """
    return optimizer.register_step_post_hook(lambda *_: project_(network))
