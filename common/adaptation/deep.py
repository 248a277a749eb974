r"""The deep methods of the benchmark as data: what adapts, what is searched, how it is trained.

Losses, samplers and the training loop are skada's (`skada.deep`, on skorch). A method here builds
an estimator with the interface of `composition.AdaptedClassifier`, so that `nested.evaluate` takes
it as it takes a shallow one; the base classifier is then a `Network`. Labels, domains and masks are
those of `composition`.

SKADA-bench [1]_ gives the grids (``solvers/deep_*.py`` of its repository, whose versions differ in
a few values: DANN's smallest weight is 1e-3 in some), the reduced learning rate of DANN, SPA and
CAN, the domain discriminator's two layers of 1024, and the architectures and settings of
`SETTINGS`. The rest is skada's defaults. The disparity classifier of MDD, with one hidden layer of
1024, is a choice made here.

Four parts of skada 0.6.0 are replaced, because they do not compute what their papers say:

- The default domain discriminator ends in a softmax over one output, which is 1 whatever comes in,
  so that DANN and SPA would train without an adversary. Here it ends in a sigmoid.
- The disparity of MDD on the target [2]_, :math:`-\frac1n \sum_i \log(1 - p_i[\hat y_i])` with
  pseudo-labels :math:`\hat y`, is computed over all pairs :math:`p_i[\hat y_j]`, and the default
  classifier's output passes two softmaxes.
- The memory of SPA [3]_ is halved at every step and never filled, so that it holds all classes
  to be alike. Here it moves to the new features and outputs.
- The contrastive discrepancy of CAN [4]_ divides similarities between the domains by the square of
  the number of their pairs, and takes those of a class within a domain over all of its samples.
  Here they are means, as defined; see `_Contrast`.

Kept as they are in skada: the kernels of DAN and CAN, which fall with the distance, not with its
square; and that SPA looks for neighbours outside the batch, so that a target no larger than a batch
has none.

References
----------
.. [1] Y. Lalou et al., "SKADA-Bench: Benchmarking Unsupervised Domain Adaptation Methods with
   Realistic Validation on Diverse Modalities", TMLR 2025, arXiv:2407.11676.
.. [2] Y. Zhang et al., "Bridging Theory and Algorithm for Domain Adaptation", ICML 2019,
   arXiv:1904.05801.
.. [3] Z. Xiao et al., "SPA: A Graph Spectral Alignment Perspective for Domain Adaptation",
   NeurIPS 2023, arXiv:2310.17594.
.. [4] G. Kang et al., "Contrastive Adaptation Network for Unsupervised Domain Adaptation", CVPR
   2019, arXiv:1901.00976.
"""

import contextlib
import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from skada import deep
from skada.deep.base import DeepDADataset
from skada.deep.callbacks import MemoryBank
from skada.deep.losses import _gaussian_kernel
from skada.deep.modules import GradientReversalLayer
from skorch.callbacks import LRScheduler
from torch import nn

from common.adaptation.composition import MASKED
from common.adaptation.methods import Method

__all__ = [
    "ARCHITECTURES",
    "DEEP_METHODS",
    "SETTINGS",
    "DeepClassifier",
    "DeepMethod",
    "Network",
    "deep_method",
]

_CHUNK = 512  # samples in memory at once where nothing is trained
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
        modules, from samples to flat features and from these to one output a class (no softmax).
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
            _among(self.architecture, ARCHITECTURES, "architecture")
        _among(self.optimizer, _OPTIMIZERS, "optimizer")
        _among(self.schedule, _SCHEDULES, "schedule")
        for name in ("epochs", "batch_size", "lr"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}.")
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
        """
        make = (
            self.architecture if callable(self.architecture) else ARCHITECTURES[self.architecture]
        )
        return make(shape, n_classes)


@dataclass(frozen=True)
class DeepMethod(Method):
    """A deep method of the benchmark.

    As a `Method`, except that ``estimator`` maps a module, the settings that all of skada's deep
    methods take, and the values of a grid point to a net of skada.

    Attributes
    ----------
    careful : bool
        Trained with a tenth of the learning rate and, if by SGD, momentum 0.9.
    """

    careful: bool = False

    def build(self, base, **values):
        """Classifier for one point of the grid.

        Parameters
        ----------
        base : Network
        **values
            One of `points`.

        Returns
        -------
        estimator : DeepClassifier
        """
        return DeepClassifier(self, base, values)

    def pipeline(self, base, **values):
        """Not provided: skada's own net is not what is fitted here; see the module."""
        raise NotImplementedError(f"{self.label} has no pipeline: use build.")


class DeepClassifier:
    """A network trained on two domains.

    Parameters
    ----------
    method : DeepMethod
    network : Network
    values : dict
        A point of the method's grid.

    Attributes
    ----------
    classifier_ : object
        The last layer: ``predict`` and ``predict_proba`` take what `transform` gives.
    classes_ : ndarray of int
        Labels in the order of the probabilities.
    losses_ : list of float
        Mean training loss of each epoch.
    """

    def __init__(self, method, network, values):
        self.method, self.network, self.values = method, network, dict(values)

    def fit(self, X, y, sample_domain):
        """Train on both domains, or on that of the labels if the method is a reference.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_features)
            Or ``(n_samples, *shape)``. In single precision from here on.
        y : ndarray of int, shape (n_samples,)
            -1 where the label is hidden. Not changed.
        sample_domain : ndarray of int, shape (n_samples,)
            Positive: source; negative: target.

        Returns
        -------
        self : DeepClassifier

        Raises
        ------
        ValueError
            If samples do not have the network's shape, or no sample of the domain that is trained
            on has a label.
        FloatingPointError
            If the trained weights are not finite.
        """
        network, method = self.network, self.method
        self.shape_ = tuple(network.shape or np.shape(X)[1:])
        X, y, on_source = self._samples(X), np.asarray(y), np.asarray(sample_domain) > 0
        used = ~on_source if method.sees_target else on_source
        if not used.any() or (y[used] == MASKED).any():
            domain = "target" if method.sees_target else "source"
            raise ValueError(
                f"{method.label} trains on labels of the {domain}: {used.sum()} samples, of which "
                f"{np.sum(y[used] == MASKED)} are masked."
            )
        self.classes_, labels = np.unique(y[used], return_inverse=True)
        visible = np.full(len(y), MASKED)
        visible[used] = labels
        n_largest = used.sum() if method.family == "reference" else max(used.sum(), (~used).sum())
        with _reproducible(network.seed, network.device):
            module = _Joined(*network.modules(self.shape_, len(self.classes_)), self.shape_)
            settings = _settings(network, careful=method.careful, n_largest=int(n_largest))
            net = method.estimator(module, settings, **self.values)
            # Batches travel to the device: parts of skada cannot select from data that lies there.
            net.fit(DeepDADataset(X, visible, np.where(on_source, 1, -1), device="cpu"), None)
        self.losses_ = net.history[:, "train_loss"]
        trained = net.module_.base_module_.eval().requires_grad_(False)
        if not all(bool(torch.isfinite(values).all()) for values in trained.state_dict().values()):
            raise FloatingPointError(
                f"weights of {method.label} are not finite after {network.epochs} epochs. Lower "
                f"the learning rate (lr={network.lr:g})."
            )
        self._features = trained.features
        self.classifier_ = _LastLayer(trained.classifier, self.classes_, network.device)
        return self

    def transform(self, X, *, domain=None):
        """Features before the last layer, the same for both domains.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_features)
        domain : int
            Not used: one network serves both.

        Returns
        -------
        features : ndarray of float32, shape (n_samples, n_features_out)
        """
        return _in_chunks(self._features, self._samples(X), self.network.device).numpy()

    def predict(self, X, *, domain=None):
        """Labels of samples; see `transform`."""
        return self.classifier_.predict(self.transform(X))

    def predict_proba(self, X, *, domain=None):
        """Probabilities of the classes, shape (n_samples, n_classes); see `transform`."""
        return self.classifier_.predict_proba(self.transform(X))

    def _samples(self, X):
        X = np.asarray(X, np.float32)
        if X[0].size != math.prod(self.shape_):
            raise ValueError(
                f"samples of shape {X.shape[1:]} do not fit the network's {self.shape_}: "
                f"{X[0].size} values, expected {math.prod(self.shape_)}."
            )
        return X.reshape(len(X), *self.shape_)


def deep_method(name):
    """A deep method by its name.

    Raises
    ------
    ValueError
        If there is none, with the nearest name.
    """
    _among(name, DEEP_METHODS, "deep method")
    return DEEP_METHODS[name]


class _Joined(nn.Module):
    """Features, then the last layer: the module that skada's nets train."""

    def __init__(self, features, classifier, shape):
        super().__init__()
        self.features, self.classifier = features, classifier
        features.eval()
        with torch.no_grad():
            self.n_features = features(torch.zeros(1, *shape)).shape[1]
        self.n_classes = classifier(torch.zeros(1, self.n_features)).shape[1]

    def forward(self, X, sample_weight=None):
        return self.classifier(self.features(X))


class _LastLayer:
    def __init__(self, module, classes, device):
        self.module, self.classes_, self.device = module, classes, device

    def predict(self, features):
        return self.classes_[self.predict_proba(features).argmax(axis=1)]

    def predict_proba(self, features):
        # In double precision, so that probabilities sum to 1 to its accuracy.
        return _in_chunks(self.module, features, self.device).double().softmax(dim=1).numpy()


def _in_chunks(module, X, device):
    with torch.no_grad():
        chunks = torch.as_tensor(np.asarray(X, np.float32)).split(_CHUNK)
        return torch.cat([module(chunk.to(device)).cpu() for chunk in chunks])


@contextlib.contextmanager
def _reproducible(seed, device):
    """A seed of torch's global generators, which afterwards are as before."""
    devices = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with (
        torch.random.fork_rng(devices),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        torch.manual_seed(seed)
        yield


def _settings(network, *, careful, n_largest):
    """Arguments that all of skada's deep methods take."""
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


def _among(value, known, what):
    if value not in known:
        near = difflib.get_close_matches(str(value), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
        raise ValueError(f"no {what} {value!r}: {hint}")


class _Adversary(nn.Module):
    """A network that the features learn to deceive: gradients are reversed on the way back."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, features):
        return self.layers(GradientReversalLayer.apply(features, 1.0))


def _discriminator(n_features, width=1024):
    """Probability that features are of the target, shape (n_samples,)."""
    return _Adversary(
        nn.Linear(n_features, width), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(width, 1), nn.Sigmoid(), nn.Flatten(0),
    )  # fmt: skip


def _second_classifier(n_features, n_classes, width=1024):
    """Outputs of the classes by a second opinion, shape (n_samples, n_classes)."""
    return _Adversary(
        nn.Linear(n_features, width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, n_classes)
    )


class _Disagreement(nn.Module):
    r"""Mean of :math:`\log(1 - p_i[\hat y_i])`, of labels that are to be avoided."""

    def forward(self, outputs, labels):
        # log(1 - p) as the other classes' share: no difference of numbers close to 1.
        chosen = nn.functional.one_hot(labels, outputs.shape[1]).bool()
        others = outputs.masked_fill(chosen, -torch.inf)
        return (others.logsumexp(1) - outputs.logsumexp(1)).clamp(min=-20).mean()


class _FilledMemory(MemoryBank):
    """Features and outputs of the target as they were last seen, averaged over time."""

    def on_batch_end(self, net, batch, **kwargs):
        X, _ = batch
        on_target = X["sample_domain"] < 0
        memory, rows = net.criterion_.adapt_criterion, X["sample_idx"][on_target]
        net.module_.eval()
        with torch.no_grad():
            outputs, features = net.module_(X["X"][on_target].to(net.device), return_features=True)
            squares = outputs.softmax(dim=1) ** 2
            _move(memory.memory_features, rows, nn.functional.normalize(features), self.momentum)
            _move(memory.memory_outputs, rows, squares / squares.sum(dim=0), self.momentum)


def _move(memory, rows, new, momentum):
    memory[rows] = (1 - momentum) * memory[rows] + momentum * new


class _Contrast(deep.CANLoss):
    r"""Contrastive discrepancy: distances of a class to itself minus those to other classes.

    With mean similarities :math:`\bar k` and clusters of the target as its classes,

    .. math:: D_{cd} = \bar k(S_c, S_c) + \bar k(T_d, T_d) - 2 \bar k(S_c, T_d), \qquad
              \frac1M \sum_c D_{cc} - \frac1{M (M - 1)} \sum_{c \ne d} D_{cd},

    over the M classes that the source has in the batch, and that enough samples of the target are
    close to.
    """

    def forward(self, y_s, features_s, features_t, **kwargs):
        centres = self.target_kmeans.cluster_centers_
        alike = nn.functional.cosine_similarity(features_t[:, None], centres[None], dim=2)
        nearest, clusters = alike.max(dim=1)
        source = _members(y_s, len(centres))
        target = _members(clusters, len(centres))
        target = target * ((1 - nearest) / 2 < self.distance_threshold)[:, None]
        kept = (target.sum(dim=0) >= self.class_threshold) & (source.sum(dim=0) > 0)
        if not kept.any():
            return 0 * features_s.sum()
        source, target = (each[:, kept] / each[:, kept].sum(dim=0) for each in (source, target))
        spread = torch.cdist(features_s, features_s).median().detach() + self.eps
        sigmas = spread * 2.0 ** torch.arange(-8, 8.5, 0.5, device=spread.device)
        within_source = source.T @ _gaussian_kernel(features_s, features_s, sigmas) @ source
        within_target = target.T @ _gaussian_kernel(features_t, features_t, sigmas) @ target
        between = source.T @ _gaussian_kernel(features_s, features_t, sigmas) @ target
        distances = within_source.diagonal()[:, None] + within_target.diagonal() - 2 * between
        n, same = len(distances), distances.trace()
        return same / n - (distances.sum() - same) / max(n * (n - 1), 1)


def _members(labels, n_classes):
    return nn.functional.one_hot(labels, n_classes).float()


def _of_skada(make):
    return lambda module, settings, **values: make(module, **settings, **values)


def _dann(module, settings, *, reg):
    return deep.DANN(
        module, reg=reg, domain_classifier=_discriminator(module.n_features), **settings
    )


def _mdd(module, settings, *, reg, gamma):
    second = _second_classifier(module.n_features, module.n_classes)
    net = deep.MDD(module, reg=reg, gamma=gamma, disc_classifier=second, **settings)
    net.criterion__adapt_criterion.disc_criterion_t = _Disagreement()
    return net


def _spa(module, settings, *, reg):
    adversary = _discriminator(module.n_features)
    net = deep.SPA(module, domain_classifier=adversary, **settings)
    kept = [each for each in net.callbacks if not isinstance(each, MemoryBank)]
    return net.set_params(criterion__reg=reg, callbacks=[*kept, _FilledMemory()])


def _can(module, settings, *, reg, **thresholds):
    net = deep.CAN(module, reg=reg, **settings)
    return net.set_params(criterion__adapt_criterion=_Contrast(**thresholds))


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

_WEIGHTS = [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0]

DEEP_METHODS = {
    method.name: method
    for method in [
        DeepMethod(
            "deep-train-src", "Train Src", "reference", estimator=_of_skada(deep.SourceOnly)
        ),
        DeepMethod(
            "deep-train-tgt", "Train Tgt", "reference",
            estimator=_of_skada(deep.TargetOnly), sees_target=True,
        ),
        DeepMethod(
            "deep-coral", "DeepCORAL", "deep",
            estimator=_of_skada(deep.DeepCoral),
            grid={"reg": _WEIGHTS},
        ),
        DeepMethod(
            "dan", "DAN", "deep",
            estimator=_of_skada(deep.DAN),
            grid={"reg": [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0]},
        ),
        DeepMethod(
            "dann", "DANN", "deep",
            estimator=_dann,
            grid={"reg": [1e-4, 1e-3, 1e-2, 0.1, 1.0]},
            careful=True,
        ),
        DeepMethod(
            "deep-jdot", "DeepJDOT", "deep",
            estimator=_of_skada(deep.DeepJDOT),
            grid={"reg_cl": [1e-4, 1e-3, 1e-2], "reg_dist": [1e-4, 1e-3, 1e-2]},
        ),
        DeepMethod(
            "mcc", "MCC", "deep",
            estimator=_of_skada(deep.MCC),
            grid={"reg": _WEIGHTS, "T": [1, 2, 3]},
        ),
        DeepMethod(
            "mdd", "MDD", "deep",
            estimator=_mdd,
            grid={"reg": [1e-2, 0.1, 1.0], "gamma": [2.0, 4.0]},
        ),
        DeepMethod(
            "spa", "SPA", "deep",
            estimator=_spa,
            grid={"reg": [1e-4, 1e-3, 1e-2, 0.1]},
            careful=True,
        ),
        DeepMethod(
            "can", "CAN", "deep",
            estimator=_can,
            grid={
                "reg": [0.3], "distance_threshold": [0.1, 0.5, 1.0],
                "class_threshold": [10, 20, 50],
            },
            careful=True,
        ),
    ]
}  # fmt: skip
"""The references and the eight deep methods."""
