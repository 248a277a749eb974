"""One fit of the study: which data, weights and batches it gets, and what is kept of it."""

from typing import NamedTuple

import numpy as np

from common import seeds
from common.augmentation.catalog import AUGMENTATIONS, IDENTITY, make_transform, parameter_value
from common.augmentation.fractions import hold_out, stratified_fraction
from common.augmentation.gains import class_f1, encode_hits
from common.augmentation.training import RECIPES, build_network, fit, predict, whitener

__all__ = ["Outcome", "Windows", "run_fit"]


class Windows(NamedTuple):
    """Labelled windows of one data set, or of one subject of it.

    Attributes
    ----------
    X : ndarray of float32, shape (n_windows, n_channels, n_times)
        Standardised.
    y : ndarray of int, shape (n_windows,)
        Index into ``classes``.
    group : ndarray of int, shape (n_windows,)
        See `common.augmentation.fractions.hold_out`.
    classes, ch_names : ndarray of str
    sfreq : float
        In Hz.
    """

    X: np.ndarray
    y: np.ndarray
    group: np.ndarray
    classes: np.ndarray
    ch_names: np.ndarray
    sfreq: float


class Outcome(NamedTuple):
    """What `run_fit` returns.

    Attributes
    ----------
    scores : dict
        ``n_classes``, ``n_train``, ``n_valid``, ``n_test``, ``n_epochs``, ``best_epoch``,
        ``validation_accuracy``, ``balanced_accuracy`` (of the test part) and ``hits``, see
        `common.augmentation.gains.encode_hits`.
    f1 : dict of str to float
        Of each class, on the test part.
    seconds, augmentation_seconds : float
    """

    scores: dict
    f1: dict
    seconds: float
    augmentation_seconds: float


def run_fit(
    data,
    *,
    study,
    dataset,
    augmentation,
    fraction,
    fold,
    seed,
    settings,
    magnitude=None,
    device="cpu",
):
    """Train on one fold with one augmentation, and score.

    What is drawn (validation part, subset, weights, order of batches, dropout, which examples are
    transformed) depends on data set, fold, seed and magnitude, and not on the augmentation: two
    augmentations of one fold and seed differ in nothing else.

    Parameters
    ----------
    data : Windows
    study, dataset : str
        Names for the seeds; see `common.seeds`.
    augmentation : str
        See `common.augmentation.make_transform`.
    fraction : float
        Of the training part; the validation part is never reduced.
    fold, seed : int
    settings : dict
        ``task``, ``split``, ``n_folds``, ``training`` (``n_epochs``, ``patience``), and optionally
        ``network`` (options of the network; ``whiten: true`` for a whitening of the training
        subset), ``scale`` (factor of the parameter of an augmentation) and ``keep_hits``.
    magnitude : float, optional
        Of the parameter; without it, the authors' selected value. Ignored by the identity.
    device : str, default="cpu"

    Returns
    -------
    outcome : Outcome
    """
    task, unit = settings["task"], {"dataset": dataset, "fold": fold, "seed": seed}
    if magnitude is not None:
        unit["magnitude"] = magnitude
    train, valid, test = hold_out(
        settings["split"],
        data.y,
        data.group,
        fold=fold,
        n_folds=settings["n_folds"],
        rng=seeds.generator(study, "split", **unit),
    )
    rng = seeds.generator(study, "subset", **unit)
    train = train[stratified_fraction(data.y[train], fraction, rng=rng)]
    options = dict(settings.get("network", {}))
    whitening = whitener(data.X[train]) if options.pop("whiten", False) else None
    network = build_network(
        task,
        n_channels=data.X.shape[1],
        n_times=data.X.shape[2],
        n_classes=len(data.classes),
        sfreq=float(data.sfreq),
        seed=seeds.torch_seed(study, "weights", **unit),
        options=options,
        whitening=whitening,
    )
    fitted = fit(
        network,
        (data.X[train], data.y[train]),
        (data.X[valid], data.y[valid]),
        recipe=RECIPES[task],
        transform=transform_of(
            augmentation,
            data,
            task=task,
            magnitude=magnitude,
            scale=settings.get("scale", {}).get(augmentation, 1.0),
            seed=seeds.torch_seed(study, "augmentation", **unit),
        ),
        seed=seeds.torch_seed(study, "batches", **unit),
        device=device,
        **settings["training"],
    )
    found = {
        name: predict(network, data.X[part], device=device)
        for name, part in (("valid", valid), ("test", test))
    }
    right = found["test"] == data.y[test]
    recalls = [right[data.y[test] == label].mean() for label in range(len(data.classes))]
    scores = {
        "n_classes": len(data.classes),
        "n_train": len(train),
        "n_valid": len(valid),
        "n_test": len(test),
        "n_epochs": fitted.n_epochs,
        "best_epoch": fitted.best_epoch,
        "validation_accuracy": float(np.mean(found["valid"] == data.y[valid])),
        "balanced_accuracy": float(np.mean(recalls)),
        "hits": encode_hits(right, data.y[test]) if settings.get("keep_hits") else "",
    }
    f1 = dict(zip(data.classes.tolist(), class_f1(data.y[test], found["test"]), strict=True))
    return Outcome(scores, f1, fitted.seconds, fitted.augmentation_seconds)


def transform_of(augmentation, data, *, task, magnitude, scale, seed):
    """Transform of a fit, or None for the identity.

    Parameters
    ----------
    augmentation : str
        As the name in `common.augmentation.catalog.make_transform`.
    data : Windows
        Gives the sampling frequency and the channels' names.
    task : {"sleep", "bci"}
    magnitude : float or None
        Between 0 and 1; None: the value that the authors selected for the task.
    scale : float
        Factor of the parameter's value.
    seed : int
        0 or more.

    Returns
    -------
    transform : braindecode.augmentation.Transform or None
    """
    if augmentation == IDENTITY:
        return None
    value = None
    entry = AUGMENTATIONS.get(augmentation)
    if entry is not None and entry.parameter is not None:
        value = entry.selected[task]
        if magnitude is not None:
            value = parameter_value(augmentation, magnitude, task=task)
        value *= scale
    return make_transform(
        augmentation,
        task=task,
        sfreq=float(data.sfreq),
        ch_names=data.ch_names.tolist(),
        seed=seed,
        value=value,
    )
