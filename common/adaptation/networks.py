"""Networks to adapt: architectures, and how they are trained."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from skorch.callbacks import LRScheduler
from torch import nn

from common import validation

__all__ = ["ARCHITECTURES", "SETTINGS", "Network", "settings"]

_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
_SCHEDULES = ("constant", "cosine", "steps")


@dataclass(frozen=True)
class Network:
    """What is trained, and how: the base of a deep method.

    Samples come as vectors, in the layout that the rest of the evaluation takes. A network that
    needs an image or channels in time names their shape, and gets its samples in it.

    Attributes
    ----------
    architecture : str or callable
        A key of `ARCHITECTURES`; or a function of ``(shape, n_classes)`` that gives two torch
        modules, from samples to flat features and from these to one output per class (no softmax).
    shape : tuple of int, optional
        Of one sample. By default that of the vectors.
    epochs : int
    batch_size : int
        Samples of each domain in one step; fewer if neither domain, or the only one that is used,
        has as many.
    lr : float
    optimizer : {"adamw", "adam", "sgd"}
    momentum : float, optional
        Of ``"sgd"`` only.
    weight_decay : float, optional
        By default the optimizer's own.
    schedule : {"cosine", "constant", "steps"}
        The learning rate falls to zero over all epochs; stays; or is multiplied by 0.2 every ten.
    seed : int
        Of initial weights, dropout and batches. Same seed, same result, on one device.
    device : str
        ``"cpu"``, ``"cuda"``.

    Raises
    ------
    ValueError
        If a value is not one of these, or there is no such device.
    """

    architecture: str | Callable = "mlp"
    shape: tuple | None = None
    epochs: int = 20
    batch_size: int = 64
    lr: float = 1e-3
    optimizer: str = "adamw"
    momentum: float | None = None
    weight_decay: float | None = None
    schedule: str = "cosine"
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self):
        if not callable(self.architecture):
            validation.choice(self.architecture, ARCHITECTURES, "architecture")
        validation.choice(self.optimizer, _OPTIMIZERS, "optimizer")
        validation.choice(self.schedule, _SCHEDULES, "schedule")
        validation.count(self.epochs, "epochs")
        validation.count(self.batch_size, "batch_size")
        validation.number(self.lr, "lr", above=0)
        for name in ("momentum", "weight_decay"):
            if getattr(self, name) is not None:
                validation.number(getattr(self, name), name, at_least=0)
        if self.momentum is not None and self.optimizer != "sgd":
            raise ValueError(
                f"momentum={self.momentum} is sgd's, the optimizer is {self.optimizer!r}. Leave it "
                "out, or take optimizer='sgd'."
            )
        if torch.device(self.device).type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"no device {self.device!r} on this machine: take device='cpu'.")

    def modules(self, shape, n_classes):
        """Fresh modules for samples of a shape: to features, and from these to outputs.

        They are drawn from torch's global generator, as all of torch's initial weights are.

        Parameters
        ----------
        shape : tuple of int
            Of one sample.
        n_classes : int

        Returns
        -------
        modules : tuple of two torch.nn.Module
        """
        make = (
            self.architecture if callable(self.architecture) else ARCHITECTURES[self.architecture]
        )
        return make(shape, n_classes)


def settings(network, *, careful, n_largest):
    """Arguments that all of skada's deep methods take.

    Parameters
    ----------
    network : Network
    careful : bool
        Train with a tenth of the learning rate and, if by SGD, momentum 0.9.
    n_largest : int
        Samples of the largest domain that is trained on.

    Returns
    -------
    settings : dict
    """
    sgd = network.optimizer == "sgd"
    options = {
        "momentum": 0.9 if sgd and careful else network.momentum,
        "weight_decay": network.weight_decay,
    }
    return {
        "layer_name": "features",
        "train_split": None,
        "max_epochs": network.epochs,
        # skada leaves out what does not fill a batch, which may be everything.
        "batch_size": min(network.batch_size, n_largest),
        "lr": network.lr * (0.1 if careful else 1),
        "optimizer": _OPTIMIZERS[network.optimizer],
        **{f"optimizer__{name}": value for name, value in options.items() if value is not None},
        "callbacks": _schedule(network),
        "device": network.device,
        "verbose": 0,
    }


def _schedule(network):
    if network.schedule == "cosine":
        return [LRScheduler("CosineAnnealingLR", T_max=max(network.epochs - 1, 1))]
    if network.schedule == "steps":
        return [LRScheduler("StepLR", step_size=10, gamma=0.2)]
    return []


def _mlp(shape, n_classes, width=64):
    return (
        nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width), nn.ReLU()),
        nn.Linear(width, n_classes),
    )


def _convolutions(shape, n_classes):
    layers = nn.Sequential(
        nn.Conv2d(shape[0], 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(),
        nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
    )  # fmt: skip
    with torch.no_grad():
        n = layers(torch.zeros(1, *shape)).shape[1]
    layers.extend([nn.Linear(n, 128), nn.ReLU(), nn.Dropout(0.5)])
    return layers, nn.Linear(128, n_classes)


def _shallow_fbcsp(shape, n_classes):
    from braindecode.models import ShallowFBCSPNet  # imports MNE: seconds

    n_channels, n_times = shape
    network = ShallowFBCSPNet(n_chans=n_channels, n_outputs=n_classes, n_times=n_times)
    last, network.final_layer = network.final_layer, nn.Identity()
    with torch.no_grad():
        inner = network.eval()(torch.zeros(1, *shape)).shape[1:]
    return (
        nn.Sequential(network, nn.Flatten()),
        nn.Sequential(nn.Unflatten(1, inner), last),
    )


ARCHITECTURES = {
    "mlp": _mlp,
    "convolutions": _convolutions,
    "shallow-fbcsp": _shallow_fbcsp,
}
"""Name to function of ``(shape, n_classes)``: vectors, with 64 features; images of shape (colours,
height, width), with 128; and braindecode's ShallowFBCSPNet for EEG, (channels, times)."""

SETTINGS = {
    "digits": {
        "architecture": "convolutions", "shape": (1, 28, 28), "epochs": 20, "batch_size": 256,
        "lr": 0.1, "optimizer": "sgd", "momentum": 0.6, "weight_decay": 1e-5, "schedule": "steps",
    },
    "bci": {
        "architecture": "shallow-fbcsp", "shape": (22, 1125), "epochs": 200, "batch_size": 64,
        "lr": 6.25e-4, "optimizer": "adamw", "schedule": "cosine",
    },
}  # fmt: skip
"""The benchmark's arguments of `Network` for MNIST and USPS and for BCI Competition IV 2a."""
