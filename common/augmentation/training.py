"""One network, one training set, one augmentation: training with early stopping.

The data are tensors in memory, batches are rows of them, and every batch counts: braindecode's
classifier drops an incomplete last batch by default, and where there are fewer examples than a
batch holds it then trains on nothing.
"""

import contextlib
import time
import warnings
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from common import failures, training, validation

__all__ = ["RECIPES", "Fit", "Recipe", "build_network", "fit", "predict", "whitener"]


class Recipe(NamedTuple):
    """How the network of a task is trained.

    ``optimizer`` is a class of `torch.optim`. ``onednn``: whether convolutions on a CPU go through
    oneDNN, which takes twice as long as torch's own for two channels and eight filters.
    """

    optimizer: str
    lr: float
    batch_size: int
    onednn: bool = True


RECIPES = {"sleep": Recipe("Adam", 1e-3, 16, onednn=False), "bci": Recipe("AdamW", 6.25e-4, 64)}
"""By task. The weight decay of AdamW is torch's default, 0.01."""


class Fit(NamedTuple):
    """What `fit` returns.

    Attributes
    ----------
    n_epochs : int
        Trained, including those after the best one.
    best_epoch : int
        Counted from 1; the network has its weights.
    valid_loss : float
        Of the best epoch.
    curve : list of dict
        ``epoch``, ``train_loss``, ``valid_loss``.
    seconds, augmentation_seconds : float
        In all, and within the transform. They differ from run to run.
    """

    n_epochs: int
    best_epoch: int
    valid_loss: float
    curve: list
    seconds: float
    augmentation_seconds: float


def build_network(
    task, *, n_channels, n_times, n_classes, sfreq, seed, options=None, whitening=None
):
    """The network of a task, with weights drawn from a seed.

    ``"sleep"``: `braindecode.models.SleepStagerChambon2018` with batch normalisation, its kernels
    given in s. ``"bci"``: `braindecode.models.ShallowFBCSPNet`, whose kernels (25 samples, pooling
    of 75 every 15) are made for 250 Hz and keep their duration at other rates.

    Parameters
    ----------
    task : {"sleep", "bci"}
    n_channels, n_times, n_classes : int
    sfreq : float
        In Hz.
    seed : int
    options : dict, optional
        Further arguments of the network; ``{"linear": True}`` replaces the square and the logarithm
        of ShallowFBCSPNet by the identity, for classes that differ in a potential instead of a
        power.
    whitening : ndarray, shape (n_channels, n_channels), optional
        A fixed first layer, from `whitener`.

    Returns
    -------
    network : torch.nn.Module
        Maps (n_examples, n_channels, n_times) to logits. torch's global generator is left as it
        was.

    Raises
    ------
    ValueError
        If the task is unknown or a number is too small.
    """
    from braindecode.models import ShallowFBCSPNet, SleepStagerChambon2018

    if task not in RECIPES:
        raise ValueError(f"task must be one of {', '.join(RECIPES)}, got {task!r}.")
    if n_channels < 1 or n_classes < 2 or n_times < sfreq / 2:
        raise ValueError(
            "a network needs a channel, two classes and half a second, got "
            f"n_channels={n_channels}, n_classes={n_classes}, n_times={n_times} at {sfreq:g} Hz."
        )
    options = dict(options or {})
    make = {"sleep": SleepStagerChambon2018, "bci": ShallowFBCSPNet}[task]
    if task == "sleep":
        settings = {
            "n_chans": n_channels, "n_conv_chs": 8, "time_conv_size_s": 0.5,
            "max_pool_size_s": 0.125, "pad_size_s": 0.25, "drop_prob": 0.25,
            "apply_batch_norm": True,
        }  # fmt: skip
    else:
        kernel, pool, stride = (max(2, round(n * sfreq / 250)) for n in (25, 75, 15))
        settings = {
            "n_chans": max(n_channels, 2), "filter_time_length": kernel,
            "pool_time_length": pool, "pool_time_stride": stride, "final_conv_length": "auto",
        }  # fmt: skip
        if options.pop("linear", False):
            settings |= {"conv_nonlin": nn.Identity, "activation_pool_nonlin": nn.Identity}
    shape = {"n_outputs": n_classes, "n_times": n_times, "sfreq": sfreq}
    with training.reproducible(seed):
        network = make(**shape, **(settings | options))
    if task == "bci" and n_channels == 1:
        network = _Twice(network)
    return network if whitening is None else _Whitened(whitening, network)


def whitener(X, *, ridge=0.01):
    r"""Symmetric whitening of channels, :math:`(C + \rho\,\bar\lambda I)^{-1/2}`.

    Of all whitenings the one whose channels stay closest to the original ones. :math:`C` is the
    covariance over examples and samples, :math:`\bar\lambda` the mean of its eigenvalues.

    Parameters
    ----------
    X : ndarray, shape (n_examples, n_channels, n_times)
    ridge : float, default=0.01
        :math:`\rho`.

    Returns
    -------
    matrix : ndarray, shape (n_channels, n_channels)

    Raises
    ------
    TypeError
        If X or ``ridge`` is not of real numbers.
    ValueError
        If a value is masked or not finite, all are 0, values are so large or small that their
        squares are no numbers, or channels depend on one another and ``ridge`` is 0.
    """
    X = validation.array(X, "X", ndim=3).astype(float, copy=False)
    ridge = validation.number(ridge, "ridge", at_least=0)
    if not X.any():
        raise ValueError(f"X of shape {X.shape} is 0 throughout: nothing can be whitened.")
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        covariance = np.einsum("nct,ndt->cd", X, X) / (len(X) * X.shape[-1])
    if not (np.isfinite(covariance).all() and np.trace(covariance) > np.finfo(float).tiny):
        raise ValueError(
            f"X holds values up to {np.abs(X).max():g}, of which the squares cannot be written in "
            "float64. Is their unit right? Scale them first."
        )
    values, vectors = np.linalg.eigh(covariance)
    least = values[0] + ridge * values.mean()
    if not least > np.finfo(float).eps * values[-1]:
        raise ValueError(
            f"the covariance of the channels of X has the eigenvalue {values[0]:.3g} beside "
            f"{values[-1]:.3g}, and ridge={ridge:g}: a channel depends on the others and cannot be "
            "whitened. Take ridge above 0, or drop the channel."
        )
    return vectors / np.sqrt(values + ridge * values.mean()) @ vectors.T


def fit(network, train, valid, *, recipe, transform, n_epochs, patience, seed, device="cpu"):
    """Train a network; stop early on the validation loss; keep the best weights.

    Parameters
    ----------
    network : torch.nn.Module
        Gives logits; trained in place and left in evaluation mode on ``device``.
    train, valid : (ndarray or Tensor (n, n_channels, n_times), ndarray or Tensor of int (n,))
        Validation examples are never transformed.
    recipe : Recipe
    transform : callable or None
        ``transform(X, y, indices=..., epoch=...)`` gives the transformed batch, ``(X, y)``, from
        `common.augmentation.make_transform`; called on every batch of every epoch. None: no
        augmentation.
    n_epochs, patience : int
        Stop after ``n_epochs``, or when the loss has not fallen for ``patience`` epochs.
    seed : int
        Order of the examples, and dropout. torch's global generator is left as it was.
    device : str, default="cpu"

    Returns
    -------
    fit : Fit

    Raises
    ------
    TypeError
        If a part is not of real numbers, or a number is no whole one.
    ValueError
        If a part is empty or its parts differ in length, windows of the two parts differ in shape
        or are not what the network takes, a value is masked or not finite in single precision,
        labels are no whole numbers from 0 or no class of the network, training has fewer than two
        classes, one part has a class that the other lacks, or a number is not positive.
    FloatingPointError
        If a loss is not finite.
    """
    train, valid = _part(train, "training", device), _part(valid, "validation", device)
    if train[0].shape[1:] != valid[0].shape[1:]:
        raise ValueError(
            "training and validation windows must have one shape, got "
            f"{tuple(train[0].shape[1:])} and {tuple(valid[0].shape[1:])}."
        )
    if lost := sorted(set(valid[1].tolist()) - set(train[1].tolist())):
        raise ValueError(
            f"the validation set has class {lost[0]}, of which there is no training example. "
            "Shuffle the examples, or split them by class."
        )
    _check_classes(train[1], valid[1])
    n_epochs = validation.count(n_epochs, "n_epochs")
    patience = validation.count(patience, "patience")
    network = network.to(device)
    n_outputs, largest = _n_outputs(network, train[0]), int(train[1].max())
    if largest >= n_outputs:
        raise ValueError(
            f"the training set has the label {largest}, but the network has {n_outputs} classes: "
            f"labels are 0 to {n_outputs - 1}."
        )
    optimizer = getattr(torch.optim, recipe.optimizer)(
        network.parameters(), lr=recipe.lr, fused=True
    )
    order, clock = np.random.default_rng(seed), _Clock(device)

    def train_epoch(epoch):
        augment = transform and partial(clock, transform, epoch=epoch)
        # The last batch may be short: it counts.
        batches = torch.as_tensor(order.permutation(len(train[1]))).split(recipe.batch_size)
        return training.one_epoch(network, optimizer, *train, batches, augment=augment)

    start = time.perf_counter()
    with training.reproducible(seed, device), _onednn(recipe.onednn):
        curve, best = training.early_stopping(
            network,
            train_epoch,
            lambda: float(functional.cross_entropy(training.logits(network, valid[0]), valid[1])),
            n_epochs=n_epochs,
            patience=patience,
            restore_best=True,
            advice="Are the data standardised and finite, and the transform too?",
        )
    network.eval()
    seconds = time.perf_counter() - start
    return Fit(len(curve), best["epoch"], best["valid_loss"], curve, seconds, clock.seconds)


def predict(network, X, *, device="cpu", batch_size=512):
    """Predicted class of each example.

    Parameters
    ----------
    network : torch.nn.Module
    X : ndarray or Tensor, shape (n_examples, n_channels, n_times)
    device : str, default="cpu"
    batch_size : int, default=512

    Returns
    -------
    predicted : ndarray of int, shape (n_examples,)

    Raises
    ------
    TypeError
        If X is not of real numbers.
    ValueError
        If a value is masked or not finite in single precision, there is no example, or the network
        does not take windows of their shape.
    """
    X = _single(X, "X", device)
    with _taken(X):
        outputs = training.logits(network, X, batch_size=batch_size)
    return outputs.argmax(1).cpu().numpy()


class _Twice(nn.Module):
    """One channel entered twice, after augmentation.

    ShallowFBCSPNet of braindecode 1.8.1 fails on one channel. Its filters over two equal channels
    are those over one, with the sum of the two weights.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, X):
        return self.network(X.repeat(1, 2, 1))


class _Whitened(nn.Module):
    """A network behind a fixed matrix over channels."""

    def __init__(self, matrix, network):
        super().__init__()
        self.register_buffer("matrix", torch.as_tensor(matrix, dtype=torch.float32))
        self.network = network

    def forward(self, X):
        return self.network(self.matrix @ X)


class _Clock:
    """Time spent within a call, after what a GPU still had to do before it."""

    def __init__(self, device):
        self.seconds = 0.0
        self._wait = torch.cuda.synchronize if str(device).startswith("cuda") else lambda: None

    def __call__(self, call, *arguments, **options):
        self._wait()
        start = time.perf_counter()
        result = call(*arguments, **options)
        self._wait()
        self.seconds += time.perf_counter() - start
        return result


@contextlib.contextmanager
def _onednn(enabled):
    """Convolutions on a CPU through oneDNN, or not."""
    with warnings.catch_warnings():
        # Setting the flags touches one of GPUs that this build of torch may not know.
        warnings.filterwarnings("ignore", "TF32 acceleration", UserWarning)
        with torch.backends.mkldnn.flags(enabled=enabled):
            yield


def _part(part, name, device):
    X, y = part
    _check_plain(X, f"X of the {name} set")
    _check_plain(y, f"y of the {name} set")
    y = torch.as_tensor(y, device=device)
    if y.numel() and (y.is_floating_point() or int(y.min()) < 0):
        bad = y[(y < 0) | (y != y.round())] if y.is_floating_point() else y[y < 0]
        value = bad[0].item() if len(bad) else y.dtype
        raise ValueError(
            f"labels of the {name} set must be whole numbers from 0, got {value}. Number the "
            "classes: np.unique(y, return_inverse=True)[1]."
        )
    y = y.to(torch.int64)
    X = torch.as_tensor(X, dtype=torch.float32, device=device)
    if len(y) == 0 or X.ndim != 3 or len(X) != len(y):
        raise ValueError(
            f"the {name} set has X of shape {tuple(X.shape)} and {len(y)} labels; expected "
            "(n, n_channels, n_times) and n labels, n at least 1."
        )
    return _single(X, f"X of the {name} set", device), y


def _check_plain(values, name):
    """Refuse what would lose its mask or its imaginary part on the way into a tensor."""
    validation.unmasked(values, name)
    if torch.is_tensor(values):
        wrong = values.dtype if values.is_complex() else None
    else:
        dtype = np.asarray(values).dtype
        wrong = None if dtype.kind in "biuf" else dtype
    if wrong is not None:
        raise TypeError(f"{name} must hold real numbers, got {wrong}.")


def _check_classes(train, valid):
    """Refuse labels of which nothing can be learnt, or which cannot be validated."""
    counts = [dict(enumerate(torch.bincount(y).tolist())) for y in (train, valid)]
    in_train, in_valid = ({label: n for label, n in of.items() if n} for of in counts)
    if len(in_train) < 2:
        ((label, n),) = in_train.items()
        raise ValueError(
            f"the training set has {n} example(s), all of class {label}: there is nothing to tell "
            "apart. Use more of the examples, or split them by class."
        )
    if lacking := sorted(set(in_train) - set(in_valid)):
        raise ValueError(
            f"the validation set has no example of class {lacking[0]}: examples by class are "
            f"{in_train} in training and {in_valid} in validation. Use a larger validation set, or "
            "split the examples by class."
        )


def _single(X, name, device):
    """A tensor of finite single-precision numbers."""
    _check_plain(X, name)
    X = torch.as_tensor(X, dtype=torch.float32, device=device)
    if len(X) == 0:
        raise ValueError(f"{name} is empty: its shape is {tuple(X.shape)}.")
    finite = X.isfinite().flatten(1).all(1)
    if not finite.all():
        first = int((~finite).nonzero()[0])
        raise ValueError(
            f"{name} is not finite in single precision, first in example {first} of "
            f"{len(X)}. Drop it, or standardise the windows."
        )
    return X


@torch.inference_mode()
def _n_outputs(network, X):
    """Number of classes of a network, by a run on one example; an error if it takes others."""
    was_training = network.training
    with _taken(X):
        found = tuple(network.eval()(X[:1]).shape)
    network.train(was_training)
    if len(found) != 2:
        raise ValueError(
            "the network must answer one number a class, shape (n_examples, n_classes), got "
            f"{found} for one window of shape {tuple(X.shape[1:])}."
        )
    return found[1]


@contextlib.contextmanager
def _taken(X):
    """Say of which shape windows are where torch says of which a product is."""
    try:
        yield
    except RuntimeError as error:
        if failures.of_machine(error):
            raise
        n_channels, n_times = X.shape[1:2].numel(), X.shape[2:].numel()
        said = (str(error).splitlines() or [repr(error)])[0]
        raise ValueError(
            f"the network does not take windows of {n_channels} channels and {n_times} samples: "
            f"{said}. Build it with n_channels={n_channels} and n_times={n_times}."
        ) from error
