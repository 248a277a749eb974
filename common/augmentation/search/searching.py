r"""Search of augmentation policies by one step of unrolled training, by a critic, or at random.

**Bilevel searches** alternate, per pair of batches (`CADDA <https://arxiv.org/abs/2106.13695>`_,
Algorithm 1): one step of the policy's parameters on the gradient of
`common.augmentation.search.unrolled`, and one of the network on the training batch, augmented by
the new policy. Each example n makes its own draws b of the policy, so that with

.. math:: f_n(b) = -\frac{\ell_n(\theta + \epsilon g';\, b) - \ell_n(\theta - \epsilon g';\, b)}
   {2 \epsilon}

the gradient of the mean of :math:`f_n` is the sum over examples of what each of its draws did. Of
the magnitudes it is the gradient of :math:`f_n` itself, of logits and probabilities it is RELAX
(``adda``, ``dada``), or the gradient of a relaxation (``gumbel``, ``weighted``). The factor
:math:`\xi` is left out, and values are divided by a running root mean square of theirs: neither
matters to Adam. Examples meet in batch normalisation, through which the draw of one changes the
loss of another; that part of the gradient is left out.

**The critic** of Faster AutoAugment tells augmented training examples from validation examples
(Wasserstein, with a penalty on gradients); the policy makes that hard, and keeps labels.

Every search counts its *gradient passes*, forward and backward through the network: five per step
of ``adda``, ``dada``, ``gumbel`` and ``weighted``; three per step of ``faster-aa`` (two of the
critic, one of the policy); one per training step of the policies that ``random`` tries.
"""

import copy
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from common import training, validation
from common.augmentation.operations import check_finite, check_unit
from common.augmentation.search.policies import (
    Policy,
    PolicySpace,
    make_operations,
    random_policy,
)
from common.augmentation.search.relax import ControlVariate, draw, relax
from common.augmentation.search.unrolled import radius_over_norm

__all__ = ["BILEVEL", "METHODS", "Search", "fit", "search_policy", "single_pass"]

BILEVEL = ("adda", "gumbel", "weighted", "dada")
METHODS = (*BILEVEL, "faster-aa", "random")
PASSES = dict.fromkeys(BILEVEL, 5) | {"faster-aa": 3}
"""Gradient passes per step."""

_SHARPNESS = 0.05  # temperature of weighted sums
_RELAXED = 0.5  # of the control variate, and of Gumbel-softmax
_CLASSIFICATION, _PENALTY = 0.1, 10.0  # of Faster AutoAugment


class Search(NamedTuple):
    """What a search found.

    Attributes
    ----------
    policy : Policy
        To train with.
    weights : Tensor, shape (n_groups, n_operations)
        Probability of each operation, mean over stages and subpolicies.
    curve : list of dict
        ``step``, ``passes`` (gradient passes so far), ``accuracy`` on the validation part of the
        network that is trained along (of ``random``: of the best policy so far), ``entropy`` of the
        policy (1: undecided).
    """

    policy: Policy
    weights: torch.Tensor
    curve: list


def search_policy(
    model,
    X,
    y,
    operations,
    *,
    valid=None,
    method="adda",
    class_wise=False,
    n_steps=300,
    batch_size=50,
    lr=3e-3,
    policy_lr=0.05,
    n_subpolicies=1,
    n_stages=2,
    sfreq=None,
    ch_names=None,
    scales=None,
    watch=20,
    seed=0,
    trial_steps=400,
):
    """Find an augmentation policy for a network and its training data.

    Parameters
    ----------
    model : torch.nn.Module
        Gives logits; a copy is trained, and the model stays as it is.
    X : Tensor, shape (n_examples, n_channels, n_times)
    y : Tensor of int, shape (n_examples,)
        Classes 0, 1, …
    operations : sequence of str or common.augmentation.operations.Operation
        What policies are made of; ``"identity"`` may be one.
    valid : tuple of Tensor, optional
        Examples and classes of the validation part. Default: every second example of each class is
        taken from ``X`` and ``y``.
    method : str, default="adda"
        One of `METHODS`: RELAX over stages (``adda``), Gumbel-softmax or weighted sums in its
        place, RELAX over pairs (``dada``), a critic (``faster-aa``), or random search.
    class_wise : bool, default=False
        One policy for each class: with ``adda`` this is CADDA.
    n_steps : int, default=300
        Of the search. Random search trains as many policies as fit into five passes per step, and
        one at least.
    batch_size : int, default=50
    lr : float, default=3e-3
        Of the network (Adam), and of the unrolled step.
    policy_lr : float, default=0.05
        Of the policy (Adam).
    n_stages : int, default=2
        Operations in sequence. Of ``dada`` always two.
    n_subpolicies : int, default=1
        L. Of ``dada``, the number of likeliest pairs that are kept.
    sfreq, ch_names, scales
        As for `common.augmentation.search.policies.make_operations`.
    watch : int, default=20
        Steps between entries of the curve.
    seed : int, default=0
        Of batches and draws.
    trial_steps : int, default=400
        Of each training of random search.

    Returns
    -------
    search : Search

    Raises
    ------
    ValueError, TypeError
        If a number is out of range, the method is unknown, shapes do not fit, classes are no whole
        numbers, there is a single one, a class has no validation example, an example is not
        finite, or noise would swamp the examples, as those in V.
    FloatingPointError
        If the loss of the network is not finite.

    Examples
    --------
    >>> from common.augmentation.search.planted import draw_planted, planted_network
    >>> import numpy as np
    >>> data = draw_planted(4, 4, 4, rng=np.random.default_rng(0))
    >>> found = search_policy(
    ...     planted_network(), *data.train, ["identity", "sign-flip"], valid=data.valid, n_steps=2
    ... )
    >>> found.policy
    Policy(1 groups, 1 subpolicies of 2 operations)
    """
    validation.choice(method, METHODS, "method")
    for name, value in (
        ("n_steps", n_steps), ("batch_size", batch_size), ("n_subpolicies", n_subpolicies),
        ("n_stages", n_stages), ("watch", watch), ("trial_steps", trial_steps),
    ):  # fmt: skip
        validation.count(value, name)
    for name, value in (("lr", lr), ("policy_lr", policy_lr)):
        validation.number(value, name, above=0)
    seed = validation.count(seed, "seed", at_least=0)
    class_wise = validation.choice(class_wise, (False, True), "class_wise")
    check_finite(X)
    operations = make_operations(operations, sfreq=sfreq, ch_names=ch_names, scales=scales)
    check_unit(X, operations)
    train, valid = _parts(X, y, valid)
    n_classes = int(train[1].max()) + 1
    options = {"n_steps": n_steps, "batch_size": batch_size, "lr": lr}
    n_groups = n_classes if class_wise else 1
    with training.reproducible(seed, X.device):
        if method == "random":
            return _random(
                model, train, valid, operations, n_groups=n_groups, n_subpolicies=n_subpolicies,
                n_stages=n_stages, trial_steps=trial_steps, seed=seed, **options,
            )  # fmt: skip
        space = PolicySpace(
            operations,
            n_groups=n_groups,
            n_subpolicies=1 if method == "dada" else n_subpolicies,
            n_stages=n_stages,
            kind="pairs" if method == "dada" else "stages",
        ).to(X.device)
        kind = _Critic if method == "faster-aa" else _Bilevel
        network = copy.deepcopy(model).to(X.device)
        state = kind(network, space, method, n_classes, lr=lr, policy_lr=policy_lr)
        curve = []
        batches = zip(_batches(*train, batch_size), _batches(*valid, batch_size), strict=False)
        for step, (batch, held_out) in enumerate(batches, start=1):
            state.step(batch, held_out)
            if step % watch == 0 or step == n_steps:
                accuracy = _accuracy(state.network, valid)
                passes = step * PASSES[method]
                curve.append(
                    {"step": step, "passes": passes, "accuracy": accuracy}
                    | {"entropy": space.entropy()}
                )
            if step == n_steps:
                break
    policy = space.policy(n_best=n_subpolicies if method == "dada" else None)
    return Search(policy, space.operation_weights().cpu(), curve)


def fit(model, X, y, policy=None, *, n_steps, batch_size, lr, seed):
    """Train a copy of a network on examples that a policy augments.

    Parameters
    ----------
    model : torch.nn.Module
        Gives logits.
    X : Tensor, shape (n_examples, n_channels, n_times)
    y : Tensor of int, shape (n_examples,)
    policy : Policy, optional
        Default: no augmentation.
    n_steps, batch_size : int
    lr : float
        Of Adam.
    seed : int
        Of batches and draws.

    Returns
    -------
    network : torch.nn.Module
        In evaluation mode.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range, an example is not finite, or there is not one class for each
        example, a whole number from 0.
    FloatingPointError
        If the loss is not finite.
    """
    validation.count(n_steps, "n_steps")
    validation.count(batch_size, "batch_size")
    seed = validation.count(seed, "seed", at_least=0)
    check_finite(X)
    _check_labels(y, "y")
    validation.same_length(X=X, y=y)
    network = copy.deepcopy(model).to(X.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=validation.number(lr, "lr", above=0))

    def augment(batch, labels, *, indices):
        return (batch if policy is None else policy(batch, labels)), labels

    with training.reproducible(seed, X.device):
        rows = _rows(len(X), batch_size, X.device)
        loss = training.one_epoch(
            network, optimizer, X, y, (next(rows).cpu() for _ in range(n_steps)), augment=augment
        )
    _check_loss(loss)
    return network.eval()


def single_pass(network, X, y):
    """One forward and backward pass, which costs of searches are counted in.

    Parameters
    ----------
    network : torch.nn.Module
    X : Tensor, shape (n_examples, ...)
    y : Tensor of int, shape (n_examples,)

    Returns
    -------
    gradients : tuple of Tensor
    """
    loss = functional.cross_entropy(network(X), y)
    return torch.autograd.grad(loss, list(network.parameters()))


class _Bilevel:
    """Network, policy and control variate of a bilevel search."""

    def __init__(self, network, space, method, n_classes, *, lr, policy_lr):
        self.network, self.space, self.method = network.train(), space, method
        self.n_classes, self.lr, self.scale = n_classes, lr, None
        self.names = [name for name, _ in network.named_parameters()]
        self.optimizer = torch.optim.Adam(network.parameters(), lr=lr, fused=True)
        # Betas as in the code of DADA.
        self.policy_optimizer = torch.optim.Adam(
            space.parameters(), lr=policy_lr, betas=(0.5, 0.999)
        )
        if method in ("adda", "dada"):
            shape = space.probabilities.shape[2:]
            self.control = ControlVariate(*shape, n_side=n_classes, temperature=_RELAXED)
            self.control.to(space.logits.device)
            self.control_optimizer = torch.optim.Adam(self.control.parameters(), lr=0.01)

    def step(self, batch, held_out):
        """One step of the policy and one of the network: five passes."""
        self.network.train()
        if self.method in ("adda", "dada"):
            self._relax(batch, held_out)
        else:
            self._relaxed_sum(batch, held_out)
        self.policy_optimizer.step()
        self.space.project_()
        X, y = batch
        with torch.no_grad():
            X, _, _ = self._augment(X, y)
        loss = functional.cross_entropy(self.network(X), y)
        _check_loss(float(loss.detach()))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def _augment(self, X, y):
        """The batch, its draws, and each example's parameters of the policy."""
        space = self.space
        if self.method in ("gumbel", "weighted"):
            gumbel = self.method == "gumbel"
            temperature = _RELAXED if gumbel else _SHARPNESS
            return space.apply_weighted(X, y, temperature, gumbel=gumbel), None, None
        at = space.places(y, X)
        own = [one[at] for one in (space.logits, space.probabilities, space.magnitudes)]
        draws = draw(own[0].detach(), own[1].detach())
        chosen = draws.chosen[..., None, None]
        chosen = chosen.expand(*draws.chosen.shape, 1, own[2].shape[-1])
        magnitudes = own[2].gather(-2, chosen).squeeze(-2)
        return space.apply(X, draws.chosen, draws.applied, magnitudes), draws, own

    def _relax(self, batch, held_out):
        X, y = batch
        augmented, draws, own = self._augment(X, y)
        values = self._values(augmented, y, held_out)
        side = functional.one_hot(y, self.n_classes).to(values.dtype)
        gradients = relax(values, own[0], own[1], draws, self.control, side=side)
        self.control_optimizer.zero_grad(set_to_none=True)
        spread = sum(one.square().flatten(1).sum(1).mean() for one in gradients)
        spread.backward(inputs=list(self.control.parameters()))
        self.control_optimizer.step()
        self.policy_optimizer.zero_grad(set_to_none=False)
        # Gathered rows are scattered back to the groups and subpolicies that they came from.
        roots, seeds = list(own[:2]), [one.detach() / len(X) for one in gradients]
        if values.requires_grad:  # else no example drew an operation that has a magnitude
            roots, seeds = [*roots, values], [*seeds, torch.full_like(values, 1 / len(X))]
        torch.autograd.backward(roots, seeds, inputs=list(self.space.parameters()))

    def _relaxed_sum(self, batch, held_out):
        augmented, _, _ = self._augment(*batch)
        values = self._values(augmented, batch[1], held_out)
        self.policy_optimizer.zero_grad(set_to_none=False)
        values.mean().backward(inputs=list(self.space.parameters()))

    def _values(self, augmented, y, held_out):
        """f of each example: four passes, which leave the network as it was."""
        parameters = [one.detach() for one in self.network.parameters()]
        gradient = self._gradient(parameters, augmented.detach(), y)
        moved = [one - self.lr * g for one, g in zip(parameters, gradient, strict=True)]
        direction = self._gradient(moved, *held_out)
        epsilon = radius_over_norm(direction)
        sides = [
            self._losses(
                [one + sign * epsilon * g for one, g in zip(parameters, direction, strict=True)],
                augmented,
                y,
            )
            for sign in (1, -1)
        ]
        values = -(sides[0] - sides[1]) / (2 * epsilon)
        now = float(values.detach().square().mean())
        _check_loss(now)
        self.scale = now if self.scale is None else 0.95 * self.scale + 0.05 * now
        return values / (self.scale**0.5 + 1e-12)

    def _gradient(self, parameters, X, y):
        parameters = [one.detach().requires_grad_() for one in parameters]
        return torch.autograd.grad(self._losses(parameters, X, y).mean(), parameters)

    def _losses(self, parameters, X, y):
        # Buffers are copies, so that running statistics are those of the training steps alone.
        state = dict(zip(self.names, parameters, strict=True))
        state |= {name: one.clone() for name, one in self.network.named_buffers()}
        outputs = functional_call(self.network, state, (X,))
        return functional.cross_entropy(outputs, y, reduction="none")


class _Critic:
    """Faster AutoAugment: a critic on top of the network's outputs, and the policy."""

    def __init__(self, network, space, method, n_classes, *, lr, policy_lr):
        self.network, self.space = network.train(), space
        self.head = nn.Sequential(nn.Linear(n_classes, 16), nn.Tanh(), nn.Linear(16, 1))
        self.head.to(space.logits.device)
        parameters = [*network.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=lr, betas=(0.0, 0.999))
        self.policy_optimizer = torch.optim.Adam(
            space.parameters(), lr=policy_lr, betas=(0.0, 0.999)
        )

    def step(self, batch, held_out):
        """One step of the critic (two passes) and one of the policy."""
        self.network.train()
        (X, y), (real, labels) = batch, held_out
        augmented = self.space.apply_weighted(X, y, _SHARPNESS)
        self._critic_step(augmented.detach(), real, labels)
        outputs = self.network(augmented)
        loss = _CLASSIFICATION * functional.cross_entropy(outputs, y) - self.head(outputs).mean()
        self.policy_optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=list(self.space.parameters()))
        self.policy_optimizer.step()
        self.space.project_()

    def _critic_step(self, augmented, real, labels):
        outputs = self.network(real)
        distance = self.head(self.network(augmented)).mean() - self.head(outputs).mean()
        n = min(len(real), len(augmented))
        share = torch.rand(n, 1, 1, device=real.device)
        between = torch.lerp(real[:n], augmented[:n], share).requires_grad_()
        (slope,) = torch.autograd.grad(
            self.head(self.network(between)).sum(), between, create_graph=True
        )
        steep = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        classified = functional.cross_entropy(outputs, labels)
        loss = distance + _PENALTY * steep + _CLASSIFICATION * classified
        _check_loss(float(loss.detach()))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def _random(
    model, train, valid, operations, *, n_groups, n_subpolicies, n_stages, n_steps, trial_steps,
    batch_size, lr, seed,
):  # fmt: skip
    rng = np.random.default_rng(seed)
    best, curve = None, []
    for trial in range(max(1, 5 * n_steps // trial_steps)):
        policy = random_policy(
            operations,
            n_groups=n_groups,
            n_subpolicies=n_subpolicies,
            n_operations=n_stages,
            rng=rng,
        )
        network = fit(
            model, *train, policy, n_steps=trial_steps, batch_size=batch_size, lr=lr, seed=seed
        )
        accuracy = _accuracy(network, valid)
        if best is None or accuracy > best[0]:
            best = accuracy, policy
        passes = (trial + 1) * trial_steps
        curve.append({"step": trial + 1, "passes": passes, "accuracy": best[0], "entropy": 0.0})
    indices = functional.one_hot(best[1].indices, len(operations)).float()
    return Search(best[1], indices.mean(dim=(1, 2)), curve)


def _rows(n, batch_size, device):
    """Batches of rows, without end: each pass has all rows in another order."""
    while True:
        yield from torch.randperm(n).to(device).split(batch_size)


def _batches(X, y, batch_size):
    for rows in _rows(len(X), batch_size, X.device):
        yield X[rows], y[rows]


def _accuracy(network, part):
    found = training.logits(network, part[0]).argmax(1)
    return float((found == part[1]).float().mean())


def _check_labels(y, name):
    if not torch.is_tensor(y) or y.dtype != torch.int64:
        what = y.dtype if torch.is_tensor(y) else type(y).__name__
        raise TypeError(f"{name} must hold whole numbers as int64, got {what}.")
    if len(y) and int(y.min()) < 0:  # of which torch ignores -100
        raise ValueError(f"{name} must hold classes from 0, got {int(y.min())}.")


def _parts(X, y, valid):
    _check_labels(y, "y")
    validation.same_length(X=X, y=y)
    if valid is None:
        odd = torch.zeros(len(y), dtype=torch.bool)
        for label in y.unique():
            odd[(y == label).nonzero()[1::2, 0]] = True
        X, y, valid = X[~odd], y[~odd], (X[odd], y[odd])
    validation.same_length(**{"valid[0]": valid[0], "valid[1]": valid[1]})
    _check_labels(valid[1], "valid[1]")
    for name, part in (("X", X), ("valid[0]", valid[0])):
        if part.ndim != 3:
            raise ValueError(
                f"{name} must have the shape (n_examples, n_channels, n_times), got "
                f"{tuple(part.shape)}."
            )
        finite = part.isfinite().flatten(1).all(1)
        if not bool(finite.all()):
            bad = (~finite).nonzero()[0, 0].item()
            raise ValueError(
                f"{name} holds a value that is not finite, first in example {bad} of {len(part)}."
            )
    if X.shape[1:] != valid[0].shape[1:]:
        raise ValueError(
            f"X and valid[0] must have examples of one shape, got {tuple(X.shape[1:])} and "
            f"{tuple(valid[0].shape[1:])}."
        )
    classes, held_out = y.unique().tolist(), valid[1].unique().tolist()
    if len(classes) < 2 or classes != list(range(len(classes))):
        raise ValueError(f"y must hold the classes 0, 1, … of two or more, got {classes}.")
    if held_out != classes:
        raise ValueError(
            f"the validation part holds the classes {held_out}, the training part {classes}: both "
            "must hold all. Pass another valid=(X, y)."
        )
    return (X, y), valid


def _check_loss(value):
    if not math.isfinite(value):
        raise FloatingPointError(
            f"a loss is {value}. Are the examples standardised? Else lower lr or policy_lr."
        )
