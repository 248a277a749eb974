"""Training of networks that learn their augmentation, alone or many beside one another."""

import numpy as np
import torch
from torch.nn import functional

from common import training, validation
from common.augmentation.images import AffineRanges
from common.augmentation.layers import (
    PENALTIES,
    AugmentationLayer,
    AveragedNetwork,
    augmentation_layers,
    keep_bounds,
    penalty,
)
from common.augmentation.operations import (
    apply_sometimes,
    check_finite,
    check_unit,
    make_operation,
    uniform,
)
from common.augmentation.sinusoids import FREQUENCIES, SFREQ, Perceptrons

__all__ = ["PerceptronFit", "learn", "learn_perceptrons", "reward_of"]


def learn(
    network,
    X,
    y,
    *,
    n_epochs,
    batch_size,
    lr,
    weight_decay=0.0,
    layer_decay=True,
    cosine=False,
    reward=0.0,
    kind="weighted",
    seed,
    shuffle=True,
    prepared=None,
    valid=None,
    patience=50,
    after_step=None,
):
    r"""Minimise cross-entropy minus lambda times the penalty, with one Adam for all parameters.

    The L2 weight decay of Adam acts on weights and magnitudes of augmentation layers, too, unless
    ``layer_decay`` is false.

    Parameters
    ----------
    network : torch.nn.Module
        Such as `common.augmentation.layers.AveragedNetwork`; gives logits or logarithms of
        probabilities. Trained in place and left in evaluation mode.
    X : Tensor, shape (n_examples, ...)
    y : Tensor of int, shape (n_examples,)
        Labels from 0.
    n_epochs, batch_size : int
    lr : float
    weight_decay : float, default=0
    layer_decay : bool, default=True
        Whether weight decay acts on augmentation, too.
    cosine : bool, default=False
        Whether the learning rate falls to 0 along a cosine, over the epochs.
    reward : float or callable, default=0
        Lambda, or ``reward(epoch)`` gives it; epochs count from 1.
    kind : {"weighted", "magnitudes", "none"}, default="weighted"
        See `common.augmentation.layers.penalty`. Augerino has one of its own.
    seed : int
        Draws of the augmentation, dropout and order of the examples. torch's global generator is
        left as it was.
    shuffle : bool, default=True
        Whether the order changes from epoch to epoch.
    prepared : list of Tensor or None, optional
        Of the first augmentation layer, for ``X``: saves the transforms of each step.
    valid : (Tensor, Tensor), optional
        Validation examples and labels. Training stops when their loss has not fallen for
        ``patience`` epochs, and the weights of the best epoch are kept.
    patience : int, default=50
    after_step : callable, optional
        ``after_step(step)`` is called after each step, counted from 1.

    Returns
    -------
    losses : list of float
        Of the epochs; training loss with the penalty.

    Raises
    ------
    TypeError
        If a number is none, or labels are no whole numbers.
    ValueError
        If there are fewer than two classes, a label is negative, a number is out of range, an
        example is not finite, noise would swamp the examples, as those in V, or what is prepared
        would leave a part of the network out.
    FloatingPointError
        If the loss is not finite.
    """
    n_epochs = validation.count(n_epochs, "n_epochs")
    batch_size = validation.count(batch_size, "batch_size")
    lr = validation.number(lr, "lr", above=0)
    weight_decay = validation.number(weight_decay, "weight_decay", at_least=0)
    if not callable(reward):
        reward = validation.number(reward, "reward", at_least=0)
    validation.choice(kind, PENALTIES, "kind")
    seed = validation.count(seed, "seed", at_least=0)
    for value, name in ((layer_decay, "layer_decay"), (cosine, "cosine"), (shuffle, "shuffle")):
        validation.choice(value, (False, True), name)
    check_finite(X)
    check_unit(X, (one for layer in augmentation_layers(network) for one in layer.operations))
    _check_classes(y)
    validation.same_length(X=X, y=y)
    if valid is not None:
        _check_labels(valid[1], "valid[1]")
        validation.same_length(**{"valid[0]": valid[0], "valid[1]": valid[1]})
    if prepared is not None:
        _check_prepared(network)
    optimizer = torch.optim.Adam(
        _groups(network, layer_decay), lr=lr, weight_decay=weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs) if cosine else None
    keep_bounds(optimizer, network)
    first = next(iter(augmentation_layers(network)), None)
    order = np.random.default_rng(seed)
    n_steps = 0

    def forward(rows):
        if prepared is None:
            return network(X[rows])
        ready = [None if one is None else one[rows] for one in prepared]
        return network.trunk(first(X[rows], ready))

    def train(epoch):
        nonlocal n_steps
        network.train()
        total, factor = 0.0, reward(epoch) if callable(reward) else reward
        indices = order.permutation(len(X)) if shuffle else np.arange(len(X))
        for rows in torch.from_numpy(indices).to(X.device).split(batch_size):
            loss = functional.cross_entropy(forward(rows), y[rows])
            if factor:
                loss = loss - factor * reward_of(network, kind)
            if not loss.isfinite():
                raise FloatingPointError(
                    f"the loss is {loss.item()} in step {n_steps + 1}. Use a smaller lr "
                    f"({lr:g} now) or reward ({factor:g} now)."
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            n_steps += 1
            total += loss.detach().item() * len(rows)
            if after_step is not None:
                after_step(n_steps)
        if schedule is not None:
            schedule.step()
        return total / len(X)

    def validate():
        return float(functional.cross_entropy(training.logits(network, valid[0]), valid[1]))

    with training.reproducible(seed, X.device):
        if valid is None:
            losses = [train(epoch) for epoch in range(1, n_epochs + 1)]
        else:
            curve, _ = training.early_stopping(
                network,
                train,
                validate,
                n_epochs=n_epochs,
                patience=validation.count(patience, "patience"),
                restore_best=True,
                advice="Are the examples standardised?",
            )
            losses = [row["train_loss"] for row in curve]
    network.eval()
    return losses


def reward_of(network, kind="weighted"):
    """What training maximises: of augmentation layers, or of the ranges of Augerino.

    Parameters
    ----------
    network : torch.nn.Module
    kind : str, default="weighted"
        See `common.augmentation.layers.penalty`.

    Returns
    -------
    reward : Tensor, shape ()
    """
    ranges = [one for one in network.modules() if isinstance(one, AffineRanges)]
    return ranges[0].penalty() if ranges else penalty(network, kind)


class PerceptronFit:
    """Perceptrons of several seeds behind a frequency shift, as `learn_perceptrons` gives them.

    Parameters
    ----------
    networks : Perceptrons
    operation : common.augmentation.operations.Operation
    magnitudes : Tensor, shape (n_networks,)
        Between 0 and 1.
    probability : float
        With which an example is shifted.

    Attributes
    ----------
    networks : Perceptrons
    half_widths : Tensor, shape (n_networks,)
        Of the range of shifts, in Hz.
    probability : float
        With which an example is shifted.
    """

    def __init__(self, networks, operation, magnitudes, probability):
        self.networks, self.operation = networks, operation
        self.magnitudes, self.probability = magnitudes, probability

    @property
    def half_widths(self):
        """In Hz, shape (n_networks,)."""
        return self.magnitudes.detach() * self.operation.scale

    def logits(self, X, hilbert=None):
        """Logits of one draw.

        Parameters
        ----------
        X : Tensor, shape (n_networks, n_examples, n_times)
        hilbert : Tensor, optional
            From ``operation.prepare(X)``.

        Returns
        -------
        logits : Tensor, shape (n_networks, n_examples, n_classes)
        """
        if self.probability == 0:
            return self.networks(X)
        _, n_examples, n_times = X.shape
        flat = X.reshape(-1, 1, n_times)
        ready = None if hilbert is None else hilbert.reshape(flat.shape)
        each = self.magnitudes.repeat_interleave(n_examples)
        shifted = self.operation(flat, each, prepared=ready)
        if self.probability < 1:
            draws = uniform((len(flat),), flat)
            shifted = apply_sometimes(flat, shifted, torch.tensor(self.probability), draws)
        return self.networks(shifted.reshape(X.shape))

    @torch.inference_mode()
    def outputs(self, X, n_copies):
        """Logarithms of probabilities, averaged over draws; the plain logits without shifts.

        Parameters
        ----------
        X : Tensor, shape (n_networks, n_examples, n_times)
        n_copies : int
            C. With 0, the examples are not shifted.

        Returns
        -------
        outputs : Tensor, shape (n_networks, n_examples, n_classes)

        Raises
        ------
        TypeError, ValueError
            If ``n_copies`` is no whole number from 0, or an example is not finite.
        """
        n_copies = validation.count(n_copies, "n_copies", at_least=0)
        check_finite(X)
        if n_copies == 0:
            return self.networks(X)
        hilbert = None if self.probability == 0 else self.operation.prepare(X)
        if n_copies == 1:
            return self.logits(X, hilbert)
        total = 0.0
        for _ in range(n_copies):
            total = total + functional.log_softmax(self.logits(X, hilbert), dim=-1)
        return total / n_copies


def learn_perceptrons(
    X, y, *, n_neurons, n_layers, method, seeds, n_epochs, batch_size, lr, weight_decay, reward,
    magnitude, scale, true_shift, seed,
):  # fmt: skip
    """Train perceptrons on sinusoids, each on its own examples, with or without shifts.

    Parameters
    ----------
    X : Tensor, shape (n_networks, n_examples, n_times)
        Batches are consecutive examples, the same in every epoch.
    y : Tensor of int, shape (n_networks, n_examples)
    n_neurons, n_layers : int
        Of the hidden layers.
    method : {"none", "oracle", "augnet"}
        Nothing; shifts uniform within the true range with probability 1/2; a range that is learned.
    seeds : sequence of int
        Of the starting weights.
    n_epochs, batch_size : int
    lr, weight_decay : float
    reward : float
        Lambda, of the learned magnitude.
    magnitude : float
        At the start of learning, between 0 and 1.
    scale : float
        What a magnitude of 1 is, in Hz.
    true_shift : float
        In Hz.
    seed : int
        Of the draws.

    Returns
    -------
    fit : PerceptronFit

    Raises
    ------
    TypeError
        If a number is none, or labels are no whole numbers.
    ValueError
        If the method is unknown, a number is out of range, an example is not finite, shapes do not
        fit, or there is a single class.
    FloatingPointError
        If weights are no longer finite at the end.
    """
    validation.choice(method, ("none", "oracle", "augnet"), "method")
    validation.number(magnitude, "magnitude", at_least=0, at_most=1)
    for value, name in ((n_epochs, "n_epochs"), (batch_size, "batch_size")):
        validation.count(value, name)
    validation.number(lr, "lr", above=0)
    for value, name in ((weight_decay, "weight_decay"), (reward, "reward")):
        validation.number(value, name, at_least=0)
    scale = validation.number(scale, "scale", above=0, unit="Hz")
    validation.number(true_shift, "true_shift", at_least=0, at_most=scale, unit="Hz")
    check_finite(X)
    _check_classes(y)
    seed = validation.count(seed, "seed", at_least=0)
    if X.ndim != 3 or y.shape != X.shape[:2]:
        raise ValueError(
            "X must have shape (n_networks, n_examples, n_times) and y the first two, got "
            f"{tuple(X.shape)} and {tuple(y.shape)}."
        )
    if not np.iterable(seeds):
        raise TypeError(f"seeds must be a sequence of whole numbers, got {seeds!r}.")
    validation.same_length(X=X, seeds=seeds)
    if int(y.max()) >= len(FREQUENCIES):
        raise ValueError(f"y must be from 0 to {len(FREQUENCIES) - 1}, got {int(y.max())}.")
    n_networks, n_examples, n_times = X.shape
    networks = Perceptrons(n_times, n_neurons, n_layers, len(FREQUENCIES), seeds=seeds)
    operation = make_operation("frequency-shift", sfreq=SFREQ, scale=scale)
    start = {"none": 0.0, "oracle": true_shift / scale, "augnet": magnitude}[method]
    magnitudes = torch.full((n_networks,), start, requires_grad=method == "augnet")
    probability = {"none": 0.0, "oracle": 0.5, "augnet": 1.0}[method]
    fit = PerceptronFit(networks, operation, magnitudes, probability)
    parameters = [*networks.parameters(), *([magnitudes] if magnitudes.requires_grad else [])]
    optimizer = torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True)
    hilbert = None if method == "none" else operation.prepare(X)
    with training.reproducible(seed):
        for _ in range(n_epochs):
            for rows in torch.arange(n_examples).split(batch_size):
                here = None if hilbert is None else hilbert[:, rows]
                logits = fit.logits(X[:, rows], here)
                loss = functional.cross_entropy(logits.flatten(0, 1), y[:, rows].flatten())
                # Each network has the mean over its own examples, and the norm of one number.
                loss = n_networks * loss - reward * magnitudes.abs().sum() * (method == "augnet")
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                with torch.no_grad():
                    magnitudes.clamp_(0, 1)
    if not all(bool(one.isfinite().all()) for one in parameters):
        raise FloatingPointError(f"weights are not finite after training. Lower lr={lr:g}.")
    return fit


def _groups(network, layer_decay):
    """Parameters for Adam, those of augmentation without decay if so wanted."""
    kinds = (AugmentationLayer, AffineRanges)
    spared = [p for one in network.modules() if isinstance(one, kinds) for p in one.parameters()]
    if layer_decay or not spared:
        return network.parameters()
    known = {id(p) for p in spared}
    others = [p for p in network.parameters() if id(p) not in known]
    return [{"params": others}, {"params": spared, "weight_decay": 0.0}]


def _check_prepared(network):
    """With what is prepared, the first layer and the trunk are all that examples go through."""
    layers = augmentation_layers(network)
    if (
        not isinstance(network, AveragedNetwork)
        or len(layers) != 1
        or layers[0] is not network.augmentation
        or network.n_copies_training != 1
    ):
        raise ValueError(
            "prepared needs an AveragedNetwork of one AugmentationLayer and n_copies_training=1: "
            "examples would pass by all else. Leave prepared out."
        )


def _check_labels(y, name):
    if not torch.is_tensor(y) or y.dtype != torch.int64:
        what = y.dtype if torch.is_tensor(y) else type(y).__name__
        raise TypeError(f"{name} must hold whole numbers as int64, got {what}.")
    if len(y) and int(y.min()) < 0:  # of which torch ignores -100
        raise ValueError(f"{name} must hold labels from 0, got {int(y.min())}.")


def _check_classes(y):
    _check_labels(y, "y")
    found = y.unique()
    if len(found) < 2:
        what = "none" if len(found) == 0 else f"only {found.item()}"
        raise ValueError(f"y must hold at least two classes, got {what}, in {y.numel()} examples.")
