r"""Augmentation policies: what they are, their relaxation, and how a batch goes through them.

A policy is L subpolicies, of which each example takes one at random. A subpolicy is K operations in
sequence, each applied with probability p and with magnitude :math:`\mu`. A *class-wise* policy has
subpolicies for each class, and an example takes those of its label.

A `PolicySpace` is what searches optimise. Each subpolicy is S stages in sequence; a stage holds
*programs*, sequences of K operations, of which it takes one by
:math:`\pi = \operatorname{softmax}(w)`:

- **stages** (ADDA): S = 2 stages with programs of one operation each, N logits per stage;
- **pairs** (DADA): S = 1 stage, whose programs are all unordered pairs of operations,
  N (N - 1) / 2 logits.

References
----------
.. [1] C. Rommel, T. Moreau, J. Paillard, A. Gramfort, "CADDA: Class-wise Automatic Differentiable
   Data Augmentation for EEG Signals", ICLR 2022, arXiv:2106.13695.
.. [2] Y. Li et al., "DADA: Differentiable Automatic Data Augmentation", ECCV 2020,
   arXiv:2003.03780.
"""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from common import validation
from common.augmentation.names import IDENTITY
from common.augmentation.operations import (
    Operation,
    apply_sometimes,
    check_finite,
    check_scales,
    make_operation,
    uniform,
)

__all__ = ["LEAST_PROBABILITY", "Policy", "PolicySpace", "make_operations", "random_policy"]

LEAST_PROBABILITY = 0.01
"""Probabilities are projected on [0.01, 0.99]: at 0 and 1 the other outcome is never seen again."""


class _Identity(Operation):
    name = IDENTITY
    has_magnitude = False

    def apply(self, X, draws, magnitude, prepared=None):
        return X


def make_operations(operations, *, sfreq=None, ch_names=None, scales=None):
    """Operations by their names; ``"identity"`` is one of them.

    Parameters
    ----------
    operations : sequence of str or Operation
        Names as in `common.augmentation.operations.EEG_OPERATIONS`, or operations of your own.
    sfreq : float, optional
        In Hz; see `common.augmentation.operations.make_operation`.
    ch_names : sequence of str, optional
        10-20 names.
    scales : dict of str to float, optional
        What a magnitude of 1 is, by the name of the operation.

    Returns
    -------
    operations : list of Operation

    Raises
    ------
    ValueError
        If there are fewer than two operations, one is unknown or stands twice, or a scale is given
        for an operation that is not there, has its own or needs none.
    """
    scales = dict(scales or {})
    named = [one.name if isinstance(one, Operation) else one for one in operations]
    if len(named) < 2 or len(set(named)) < len(named):
        raise ValueError(f"a policy needs two different operations or more, got {named}.")
    check_scales(scales, [one for one in operations if one != IDENTITY])

    def make(one):
        if isinstance(one, Operation):
            return one
        if one == IDENTITY:
            return _Identity()
        return make_operation(one, sfreq=sfreq, ch_names=ch_names, scale=scales.get(one))

    return [make(one) for one in operations]


class Policy:
    """A policy to train with: subpolicies of operations, with probabilities and magnitudes.

    Parameters
    ----------
    operations : list of Operation
        From `make_operations`.
    indices : array_like of int, shape (n_groups, n_subpolicies, n_operations)
        Which operation, in sequence. One group serves all classes; else there is one for each.
    probabilities, magnitudes : array_like of float, of the shape of ``indices``
        Between 0 and 1.

    Attributes
    ----------
    indices, probabilities, magnitudes : Tensor
        As given.
    class_wise : bool
        Whether there are several groups.

    Raises
    ------
    TypeError
        If indices are no whole numbers.
    ValueError
        If shapes differ, an index is of no operation, or a number is outside of [0, 1].
    """

    def __init__(self, operations, indices, probabilities, magnitudes):
        self.operations = list(operations)
        indices = _numbers(indices, "indices")
        self.indices = indices.to(torch.long)
        if indices.dtype == torch.bool or not bool((indices == self.indices).all()):
            raise TypeError(f"indices must be whole numbers, got {indices.tolist()}.")
        self.probabilities = _numbers(probabilities, "probabilities").to(torch.float32)
        self.magnitudes = _numbers(magnitudes, "magnitudes").to(torch.float32)
        shapes = [tuple(one.shape) for one in (self.indices, self.probabilities, self.magnitudes)]
        if len(set(shapes)) > 1 or len(shapes[0]) != 3 or 0 in shapes[0]:
            raise ValueError(
                "indices, probabilities and magnitudes must have one shape, (n_groups, "
                f"n_subpolicies, n_operations), got {shapes[0]}, {shapes[1]} and {shapes[2]}."
            )
        if not ((self.indices >= 0) & (self.indices < len(self.operations))).all():
            bad = self.indices[(self.indices < 0) | (self.indices >= len(self.operations))][0]
            raise ValueError(
                f"indices must be from 0 to {len(self.operations) - 1}, got {bad.item()}."
            )
        for name in ("probabilities", "magnitudes"):
            values = getattr(self, name)
            outside = values[~((values >= 0) & (values <= 1))]
            if len(outside):
                raise ValueError(f"{name} must be between 0 and 1, got {outside[0].item():g}.")
        self.class_wise = len(self.indices) > 1

    @classmethod
    def of(cls, operations, subpolicies, *, probability=0.5, magnitude=1.0):
        """A policy by the names of its operations, all with one probability and magnitude.

        Parameters
        ----------
        operations : list of Operation
        subpolicies : list of list of str, or dict of int to list of list of str
            Names in sequence, for all classes or by class: ``[["sign-flip"]]``. Of a dict, classes
            are 0, 1, … Subpolicies of unequal length are filled up by the identity.
        probability, magnitude : float
            Between 0 and 1.

        Returns
        -------
        policy : Policy

        Raises
        ------
        ValueError
            If a name is of no operation, there is no subpolicy, or the keys of a dict are not the
            classes 0, 1, … in this order.
        """
        names = [one.name for one in operations]
        probability = validation.number(probability, "probability", at_least=0, at_most=1)
        magnitude = validation.number(magnitude, "magnitude", at_least=0, at_most=1)
        if isinstance(subpolicies, dict) and list(subpolicies) != list(range(len(subpolicies))):
            raise ValueError(
                "subpolicies must be by the classes 0, 1, … in this order, got "
                f"{list(subpolicies)}."
            )
        groups = list(subpolicies.values()) if isinstance(subpolicies, dict) else [subpolicies]
        if not groups or not all(groups):
            raise ValueError(f"every class needs a subpolicy, got {subpolicies!r}.")
        n_rows, n_columns = (
            max(map(len, groups)),
            max(len(one) for group in groups for one in group),
        )
        indices = []
        for group in groups:
            # Fewer subpolicies than another class has: repeated, in turn.
            rows = [group[i % len(group)] for i in range(n_rows)]
            filled = [[*one, *[IDENTITY] * (n_columns - len(one))] for one in rows]
            indices.append(
                [
                    [names.index(validation.choice(name, names, "an operation")) for name in one]
                    for one in filled
                ]
            )
        shape = torch.tensor(indices).shape
        return cls(
            operations, indices, torch.full(shape, probability), torch.full(shape, magnitude)
        )

    @torch.no_grad()
    def __call__(self, X, y, *, generator=None):
        """Augment a batch; each example takes a subpolicy of its own.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
        y : Tensor of int, shape (n_examples,)
            Classes.
        generator : torch.Generator, optional
            Default: torch's global one.

        Returns
        -------
        X : Tensor, of the shape and type of ``X``

        Raises
        ------
        TypeError, ValueError
            If an example is not finite, there is not one label for each, labels are no whole
            numbers, or one is of no class of the policy.
        """
        check_finite(X)
        if not torch.is_tensor(y) or y.dtype != torch.int64:
            what = y.dtype if torch.is_tensor(y) else type(y).__name__
            raise TypeError(f"y must hold whole numbers as int64, got {what}.")
        validation.same_length(X=X, y=y)
        rows, which = _places(y, *self.indices.shape[:2], X, generator)
        indices, probabilities, magnitudes = (
            one.to(X.device)[rows, which]
            for one in (self.indices, self.probabilities, self.magnitudes)
        )
        applied = uniform(indices.shape, X, generator) < probabilities
        return apply_chosen(self.operations, X, indices, applied, magnitudes, generator)

    def __repr__(self):
        n_groups, n_subpolicies, n_stages = self.indices.shape
        return f"Policy({n_groups} groups, {n_subpolicies} subpolicies of {n_stages} operations)"


class PolicySpace(nn.Module):
    """The relaxed policies that a search optimises; see the module's text.

    Parameters
    ----------
    operations : list of Operation
        From `make_operations`.
    n_groups : int, default=1
        Number of classes of a class-wise policy.
    n_subpolicies : int, default=1
        L.
    n_stages : int, default=2
        S, of stages. Pairs have one.
    kind : {"stages", "pairs"}, default="stages"

    Attributes
    ----------
    logits : Parameter, shape (n_groups, n_subpolicies, n_stages, n_programs)
        w, at first 0.
    probabilities, magnitudes : Parameter, shape (..., n_programs, length)
        Of each operation of each program, at first 0.5.
    programs : Tensor of int, shape (n_programs, length)
        Indices of operations.

    Raises
    ------
    ValueError, TypeError
        If the kind is unknown, a number is no whole number from 1, or there are too few operations.
    """

    def __init__(self, operations, *, n_groups=1, n_subpolicies=1, n_stages=2, kind="stages"):
        super().__init__()
        validation.choice(kind, ("stages", "pairs"), "kind")
        n_groups = validation.count(n_groups, "n_groups")
        n_subpolicies = validation.count(n_subpolicies, "n_subpolicies")
        n_stages = validation.count(n_stages, "n_stages") if kind == "stages" else 1
        self.operations, self.kind = list(operations), kind
        n = len(self.operations)
        if n < (2 if kind == "pairs" else 1):
            raise ValueError(f"a space of {kind} needs more operations, got {n}.")
        programs = (
            [[i] for i in range(n)]
            if kind == "stages"
            else list(itertools.combinations(range(n), 2))
        )
        self.register_buffer("programs", torch.tensor(programs))
        shape = (n_groups, n_subpolicies, n_stages, len(programs))
        self.logits = nn.Parameter(torch.zeros(shape))
        self.probabilities = nn.Parameter(torch.full((*shape, self.programs.shape[1]), 0.5))
        self.magnitudes = nn.Parameter(torch.full((*shape, self.programs.shape[1]), 0.5))

    @property
    def weights(self):
        """softmax(w), shape (n_groups, n_subpolicies, n_stages, n_programs)."""
        return functional.softmax(self.logits, dim=-1)

    @torch.no_grad()
    def project_(self):
        """Set probabilities and magnitudes that have left their range to the nearest bound.

        A clamp within the policy would stop their gradient outside instead.
        """
        self.probabilities.clamp_(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        self.magnitudes.clamp_(0, 1)

    def places(self, y, like, generator=None):
        """The group and the subpolicy of each example.

        Parameters
        ----------
        y : Tensor of int, shape (n_examples,)
        like : Tensor
            Whose device and type draws have.
        generator : torch.Generator, optional

        Returns
        -------
        groups, subpolicies : Tensor of int, shape (n_examples,)

        Raises
        ------
        ValueError
            If a label is of no class of the space.
        """
        return _places(y, *self.logits.shape[:2], like, generator)

    def apply(self, X, chosen, applied, magnitudes, generator=None):
        """Send every example through the programs that were drawn for it.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
        chosen : Tensor of int, shape (n_examples, n_stages)
            Programs.
        applied : Tensor of bool, shape (n_examples, n_stages, length)
            Which of their operations are applied.
        magnitudes : Tensor, shape (n_examples, n_stages, length)
            Gradients go to these where an operation has one.
        generator : torch.Generator, optional

        Returns
        -------
        X : Tensor, of the shape and type of ``X``
        """
        indices = self.programs[chosen].flatten(1)
        return apply_chosen(
            self.operations, X, indices, applied.flatten(1), magnitudes.flatten(1), generator
        )

    def apply_weighted(self, X, y, temperature, *, gumbel=False, generator=None):
        r"""Weighted sums of all operations, stage by stage: differentiable in all parameters.

        :math:`X \mapsto \sum_i a_i O_i(X; \mu_i)` with :math:`a = \operatorname{softmax}(w/\eta)`,
        or, with ``gumbel``, :math:`a = \operatorname{softmax}((w + G)/\eta)` and G standard Gumbel.
        Whether an operation is applied is drawn, with the gradient of
        `common.augmentation.operations.bernoulli`.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
        y : Tensor of int, shape (n_examples,)
        temperature : float
            Eta.
        gumbel : bool, default=False
        generator : torch.Generator, optional

        Returns
        -------
        X : Tensor, of the shape and type of ``X``

        Raises
        ------
        ValueError
            If the space has programs of several operations, the temperature is below 1e-30, there
            is not one label for each example, or one is of no class.
        """
        temperature = validation.number(temperature, "temperature", at_least=1e-30)
        validation.same_length(X=X, y=y)
        if self.kind != "stages":
            raise ValueError(f"weighted sums need kind='stages', got {self.kind!r}.")
        at = self.places(y, X, generator)
        logits = self.logits[at]
        if gumbel:
            noise = uniform(logits.shape, X, generator).clamp(1e-6, 1 - 1e-6)
            logits = logits - (-noise.log()).log()
        weights = functional.softmax(logits / temperature, dim=-1)
        probabilities, magnitudes = self.probabilities[at][..., 0], self.magnitudes[at][..., 0]
        for stage in range(weights.shape[1]):
            total = 0.0
            for i, operation in enumerate(self.operations):
                changed = operation(X, magnitudes[:, stage, i], generator=generator)
                draws = uniform((len(X),), X, generator)
                changed = apply_sometimes(X, changed, probabilities[:, stage, i], draws)
                total = total + weights[:, stage, i, None, None] * changed
            X = total
        return X

    @torch.no_grad()
    def operation_weights(self):
        """Probability of each operation, mean over stages and subpolicies.

        Returns
        -------
        weights : Tensor, shape (n_groups, n_operations)
            Rows sum to 1. An operation of a pair counts for one half.
        """
        weights = self.weights.mean(dim=(1, 2))  # (n_groups, n_programs)
        members = functional.one_hot(self.programs, len(self.operations)).to(weights)
        return weights @ members.mean(1)

    @torch.no_grad()
    def entropy(self):
        """Mean entropy of the choices of a stage, over its largest value: 1 at the start.

        Returns
        -------
        entropy : float
            Between 0 and 1; 0 where there is nothing to choose.
        """
        weights = self.weights
        if weights.shape[-1] == 1:
            return 0.0
        entropy = -torch.special.xlogy(weights, weights).sum(-1).mean()
        return float(entropy / torch.tensor(float(weights.shape[-1])).log())

    @torch.no_grad()
    def policy(self, *, n_best=None):
        """The policy that a search has found: the likeliest program of each stage.

        Parameters
        ----------
        n_best : int, optional
            Of a space with one stage and one subpolicy: as many of its likeliest programs, each a
            subpolicy.

        Returns
        -------
        policy : Policy

        Raises
        ------
        TypeError, ValueError
            If ``n_best`` is no whole number from 1, or given for a space with several stages or
            subpolicies.
        """
        if n_best is None:
            best = self.logits.argmax(-1)
            at = best[..., None, None].expand(*best.shape, 1, self.programs.shape[1])
            picked = [
                one.gather(-2, at).squeeze(-2) for one in (self.probabilities, self.magnitudes)
            ]
            parts = [self.programs[best], *picked]
            return Policy(self.operations, *(one.flatten(2).cpu() for one in parts))
        n_best = validation.count(n_best, "n_best")
        if self.logits.shape[1:3] != (1, 1):
            raise ValueError(
                "n_best needs one stage and one subpolicy, got "
                f"{self.logits.shape[2]} and {self.logits.shape[1]}."
            )
        best = self.logits[:, 0, 0].topk(min(n_best, len(self.programs)), dim=-1).indices
        at = best[..., None].expand(*best.shape, self.programs.shape[1])
        picked = [one[:, 0, 0].gather(1, at) for one in (self.probabilities, self.magnitudes)]
        return Policy(self.operations, *(one.cpu() for one in (self.programs[best], *picked)))


def random_policy(operations, *, n_groups=1, n_subpolicies=1, n_operations=2, rng):
    """Operations, probabilities and magnitudes drawn uniformly.

    Parameters
    ----------
    operations : list of Operation
    n_groups, n_subpolicies, n_operations : int
        Shape of the policy.
    rng : numpy.random.Generator

    Returns
    -------
    policy : Policy

    Raises
    ------
    TypeError, ValueError
        If a number is no whole number from 1, or ``rng`` no generator.
    """
    rng = validation.generator(rng)
    shape = tuple(
        validation.count(size, name)
        for size, name in (
            (n_groups, "n_groups"), (n_subpolicies, "n_subpolicies"), (n_operations,
            "n_operations"),
        )
    )  # fmt: skip
    indices = rng.integers(len(operations), size=shape)
    return Policy(operations, indices, rng.uniform(size=shape), rng.uniform(size=shape))


def apply_chosen(operations, X, indices, applied, magnitudes, generator=None):
    """Operations in sequence, each on the rows that take it.

    Parameters
    ----------
    operations : list of Operation
    X : Tensor, shape (n_examples, n_channels, n_times)
    indices : Tensor of int, shape (n_examples, n_steps)
    applied : Tensor of bool, shape (n_examples, n_steps)
    magnitudes : Tensor, shape (n_examples, n_steps)
    generator : torch.Generator, optional

    Returns
    -------
    X : Tensor, of the shape and type of ``X``
    """
    for step in range(indices.shape[1]):
        taken = torch.where(applied[:, step], indices[:, step], -1)
        for i in taken.unique().tolist():
            if i < 0 or operations[i].name == IDENTITY:
                continue
            rows = (taken == i).nonzero()[:, 0]
            changed = operations[i](X[rows], magnitudes[rows, step], generator=generator)
            X = X.index_copy(0, rows, changed)
    return X


def _numbers(values, name):
    if torch.is_tensor(values):
        return values
    return torch.from_numpy(np.array(validation.array(values, name, empty=True)))


def _places(y, n_groups, n_subpolicies, like, generator):
    if n_groups == 1:
        groups = torch.zeros(len(y), dtype=torch.long, device=like.device)
    else:
        groups = y.to(like.device)
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < n_groups:
            raise ValueError(
                f"labels must be from 0 to {n_groups - 1}, the classes of the policy, got "
                f"{y.min().item()} to {y.max().item()}."
            )
    draws = uniform((len(y),), like, generator)
    return groups, (draws * n_subpolicies).long().clamp(max=n_subpolicies - 1)
