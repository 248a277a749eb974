r"""The deep methods of the benchmark as data: what adapts, what is searched, how it is trained.

Losses, samplers and the training loop are skada's (`skada.deep`, on skorch). A method here builds
an estimator with the interface of `composition.AdaptedClassifier`, so that `nested.evaluate` takes
it as it takes a shallow one; the base classifier is then a `Network`. Labels, domains and masks are
those of `composition`.

SKADA-bench [1]_ gives the grids (``solvers/deep_*.py`` of its repository, whose versions differ in
a few values: DANN's smallest weight is 1e-3 in some), the reduced learning rate of DANN, SPA and
CAN, the domain discriminator's two layers of 1024, and the architectures and settings of
`networks.SETTINGS`. The rest is skada's defaults. The disparity classifier of MDD, with one hidden
layer of 1024, is a choice made here.

Four parts of skada 0.6.0 are replaced, because they do not compute what their papers say: see
`common.adaptation.repaired`.

Kept as they are in skada: the kernels of DAN and CAN, which fall with the distance, not with its
square; and that SPA looks for neighbours outside the batch, so that a target no larger than a batch
has none.

References
----------
.. [1] Y. Lalou et al., "SKADA-Bench: Benchmarking Unsupervised Domain Adaptation Methods with
   Realistic Validation on Diverse Modalities", TMLR 2025, arXiv:2407.11676.
"""

import contextlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from skada import deep
from skada.deep.base import DeepDADataset
from skada.deep.callbacks import MemoryBank
from torch import nn

from common import training, validation
from common.adaptation.composition import MASKED
from common.adaptation.methods import Method
from common.adaptation.networks import settings
from common.adaptation.repaired import (
    Contrast,
    Disagreement,
    FilledMemory,
    discriminator,
    second_classifier,
)

__all__ = ["DEEP_METHODS", "DeepClassifier", "DeepMethod", "deep_method"]

_CHUNK = 512  # samples in memory at once where nothing is trained


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
        """Not provided: skada's own net is not what is fitted here; see the module.

        Raises
        ------
        NotImplementedError
            Always.
        """
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
            If samples do not have the network's shape or are not finite, lengths differ, labels are
            not signed whole numbers, there is one class only, or no sample of the domain that is
            trained on has a label.
        FloatingPointError
            If the trained weights are not finite.
        """
        network, method = self.network, self.method
        self.shape_ = tuple(network.shape or np.shape(X)[1:])
        X, y, sample_domain = self._samples(X), np.asarray(y), np.asarray(sample_domain)
        validation.same_length(X=X, y=y, sample_domain=sample_domain)
        if not np.issubdtype(y.dtype, np.signedinteger):
            raise ValueError(
                f"y must hold signed whole numbers, of which {MASKED} is the mask, got {y.dtype}."
            )
        on_source = sample_domain > 0
        used = ~on_source if method.sees_target else on_source
        if not used.any() or (y[used] == MASKED).any():
            domain = "target" if method.sees_target else "source"
            raise ValueError(
                f"{method.label} trains on labels of the {domain}: {used.sum()} samples, of which "
                f"{np.sum(y[used] == MASKED)} are masked."
            )
        self.classes_, labels = np.unique(y[used], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{method.label} is given labels of class {self.classes_[0]} only; there is "
                "nothing to tell apart."
            )
        visible = np.full(len(y), MASKED)
        visible[used] = labels
        n_largest = used.sum() if method.family == "reference" else max(used.sum(), (~used).sum())
        with _reproducible(network.seed, network.device):
            module = _Joined(*network.modules(self.shape_, len(self.classes_)), self.shape_)
            options = settings(network, careful=method.careful, n_largest=int(n_largest))
            net = method.estimator(module, options, **self.values)
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
        with np.errstate(over="ignore"):  # said by the check
            X = validation.array(np.asarray(X, np.float32), "X, in single precision,")
        if X[0].size != math.prod(self.shape_):
            raise ValueError(
                f"samples of shape {X.shape[1:]} do not fit the network's {self.shape_}: "
                f"{X[0].size} values, expected {math.prod(self.shape_)}."
            )
        return X.reshape(len(X), *self.shape_)


def deep_method(name):
    """A deep method by its name.

    Parameters
    ----------
    name : str
        A key of `DEEP_METHODS`.

    Returns
    -------
    method : DeepMethod

    Raises
    ------
    ValueError
        If there is none, with the nearest name.
    """
    return DEEP_METHODS[validation.choice(name, DEEP_METHODS, "deep method")]


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
    """A seed, and algorithms of a GPU that give the same result each time."""
    with (
        training.reproducible(seed, device),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        yield


def _of_skada(make):
    return lambda module, settings, **values: make(module, **settings, **values)


def _dann(module, settings, *, reg):
    return deep.DANN(
        module, reg=reg, domain_classifier=discriminator(module.n_features), **settings
    )


def _mdd(module, settings, *, reg, gamma):
    second = second_classifier(module.n_features, module.n_classes)
    net = deep.MDD(module, reg=reg, gamma=gamma, disc_classifier=second, **settings)
    net.criterion__adapt_criterion.disc_criterion_t = Disagreement()
    return net


def _spa(module, settings, *, reg):
    adversary = discriminator(module.n_features)
    net = deep.SPA(module, domain_classifier=adversary, **settings)
    kept = [each for each in net.callbacks if not isinstance(each, MemoryBank)]
    return net.set_params(criterion__reg=reg, callbacks=[*kept, FilledMemory()])


def _can(module, settings, *, reg, **thresholds):
    net = deep.CAN(module, reg=reg, **settings)
    return net.set_params(criterion__adapt_criterion=Contrast(**thresholds))


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
