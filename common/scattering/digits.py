"""Spoken digits told apart by a linear layer on scattering coefficients.

The recordings are those of the Free Spoken Digit Dataset, one digit each at 8 kHz, in files named
``<digit>_<speaker>_<take>.wav`` within a zip archive. Each is scaled to a maximum of 1 and centred
in ``2 ** 13`` samples. Its features are the logarithms of its scattering coefficients without the
zeroth order, averaged over time; multinomial logistic regression on these, standardised, is fitted
by Adam on all takes but the first five of each speaker and digit, on which it is tested.
"""

import re
import wave
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from common import files, validation
from common.scattering.transform_1d import Scattering1D

__all__ = ["Classified", "Recordings", "classify", "features", "read_recordings"]

SFREQ = 8000
"""Samples a second."""

N_TIMES = 2**13
"""Samples of a signal."""

N_TEST_TAKES = 5
"""Takes of each speaker and digit that are kept for the test, the first."""

_NAME = re.compile(r"(\d)_([^_]+)_(\d+)\.wav")
# Added to coefficients before the logarithm.
_FLOOR = 1e-6


class Recordings(NamedTuple):
    """Spoken digits.

    Attributes
    ----------
    signals : ndarray of float32, shape (n_recordings, n_times)
    digit : ndarray of int, shape (n_recordings,)
    speaker : ndarray of str, shape (n_recordings,)
    take : ndarray of int, shape (n_recordings,)
    """

    signals: np.ndarray
    digit: np.ndarray
    speaker: np.ndarray
    take: np.ndarray

    @property
    def is_test(self):
        """Whether each is one of the first takes."""
        return self.take < N_TEST_TAKES


class Classified(NamedTuple):
    """A fitted classifier, by what it answers.

    Attributes
    ----------
    train_accuracy, test_accuracy : float
        After the last epoch.
    predictions : ndarray of int, shape (n_recordings,)
        Of all recordings, training and test.
    loss, train_curve, test_curve : ndarray, shape (n_epochs,)
        Mean loss of the epoch's batches, and accuracies after it.
    """

    train_accuracy: float
    test_accuracy: float
    predictions: np.ndarray
    loss: np.ndarray
    train_curve: np.ndarray
    test_curve: np.ndarray


def read_recordings(path, *, speakers=None, n_times=N_TIMES):
    """Read recordings from a zip archive, in whichever folder of it they are.

    Parameters
    ----------
    path : path_like
    speakers : sequence of str, optional
        All unless given.
    n_times : int, default=8192
        Longer recordings lose their end, shorter ones have zeros on either side.

    Returns
    -------
    recordings : Recordings
        Sorted by digit, speaker and take.

    Raises
    ------
    ValueError
        If the file is no archive or damaged; if it has no recording, or none of a speaker, or one
        is not mono at 8 kHz in 16 bits, or is silent.
    """
    with files.reading(path, "a zip archive"):
        opened = zipfile.ZipFile(path)
    with opened as archive:
        found = []
        for member in archive.namelist():
            name = _NAME.fullmatch(PurePosixPath(member).name)
            if name:
                digit, speaker, take = name.groups()
                found.append((int(digit), speaker, int(take), member))
        if not found:
            raise ValueError(f"{path} has no file named <digit>_<speaker>_<take>.wav.")
        known = sorted({speaker for _, speaker, _, _ in found})
        missing = [name for name in speakers or () if name not in known]
        if missing:
            raise ValueError(f"{path} has no recording of {missing}; its speakers are {known}.")
        found = sorted(one for one in found if speakers is None or one[1] in speakers)
        signals = np.zeros((len(found), n_times), dtype=np.float32)
        for row, (*_, member) in zip(signals, found, strict=True):
            try:
                with archive.open(member) as file:
                    samples = _read(file, member)[:n_times]
            except (zipfile.BadZipFile, zlib.error, wave.Error, EOFError) as error:
                raise files.damaged(path, f"is damaged in {member} ({error})") from None
            start = (n_times - len(samples)) // 2
            row[start : start + len(samples)] = samples
    digit, speaker, take, _ = zip(*found, strict=True)
    return Recordings(signals, np.array(digit), np.array(speaker), np.array(take))


def features(signals, *, J=8, Q=12, batch_size=64):
    """Logarithms of scattering coefficients, averaged over time.

    Parameters
    ----------
    signals : ndarray, shape (n_signals, n_times)
    J, Q : int
        Of the transform.
    batch_size : int, default=64
        Signals that are transformed at a time.

    Returns
    -------
    features : ndarray, shape (n_signals, n_paths - 1)
        In the order of ``Scattering1D.meta()``, without the zeroth order.

    Raises
    ------
    TypeError
        If signals are no real numbers.
    ValueError
        If there is no signal, or not two axes, or a value is masked or not finite.
    """
    batch_size = validation.count(batch_size, "batch_size")
    signals = validation.array(signals, "signals", ndim=2)
    scattering = Scattering1D(J, signals.shape[1], Q=Q)
    batches = np.array_split(signals, range(batch_size, len(signals), batch_size))
    return np.concatenate(
        [np.log(np.abs(scattering(some)[:, 1:]) + _FLOOR).mean(axis=2) for some in batches]
    )


def classify(X, y, is_test, *, rng, n_epochs=50, batch_size=32, lr=1e-3):
    """Fit multinomial logistic regression, and test it.

    Parameters
    ----------
    X : ndarray, shape (n_recordings, n_features)
        Standardised here by the mean and deviation of the training recordings.
    y : ndarray of int, shape (n_recordings,)
        Classes, from 0.
    is_test : ndarray of bool, shape (n_recordings,)
    rng : numpy.random.Generator
        Draws the first weights, and the order of the recordings in each epoch.
    n_epochs : int, default=50
    batch_size : int, default=32
    lr : float, default=1e-3
        Of Adam, at most 1e6. The example of Kymatio announces 1e-4 but leaves its optimiser at this
        value; with 1e-4, 50 epochs are not enough.

    Returns
    -------
    classified : Classified

    Raises
    ------
    ValueError
        If there is no training or no test recording, a feature is not finite or so large or small
        that it cannot be standardised, lengths differ, a value is masked, a class has no training
        recording, or an option is out of range.
    TypeError
        If features are no real numbers, classes no whole ones, or ``rng`` is no generator.
    """
    X = validation.array(X, "X", ndim=2)
    y, is_test = _of_each(y, "y"), _of_each(is_test, "is_test")
    validation.same_length(X=X, y=y, is_test=is_test)
    if not np.issubdtype(y.dtype, np.integer):
        raise TypeError(f"y must hold classes as whole numbers, got {y.dtype}: {y[:5]}.")
    if y.min() < 0:
        raise ValueError(f"y must hold classes from 0 on, got {y.min()}.")
    if not np.isin(is_test, (0, 1)).all():
        raise ValueError(f"is_test must be true or false of each recording, got {is_test[:5]}.")
    y, is_test = y.astype(np.int64), is_test.astype(bool)
    validation.generator(rng)
    n_epochs = validation.count(n_epochs, "n_epochs")
    batch_size = validation.count(batch_size, "batch_size")
    lr = validation.number(lr, "lr", above=0, at_most=1e6)
    if is_test.all() or not is_test.any():
        raise ValueError(
            f"{is_test.sum()} of {len(is_test)} recordings are for the test; some must be for each "
            "of training and test."
        )
    untrained = np.setdiff1d(y, y[~is_test])
    if len(untrained):
        raise ValueError(
            f"class {untrained[0]} has test recordings only; it could never be answered."
        )
    X = torch.from_numpy(_standardised(X, ~is_test))
    y, train = torch.from_numpy(y), np.flatnonzero(~is_test)
    n_features, n_classes = X.shape[1], int(y.max()) + 1
    bound = n_features**-0.5  # of the uniform first weights of a linear layer
    weights, bias = (
        torch.tensor(rng.uniform(-bound, bound, shape), dtype=X.dtype, requires_grad=True)
        for shape in ((n_classes, n_features), n_classes)
    )
    optimizer = torch.optim.Adam([weights, bias], lr=lr)
    loss, correct = np.zeros(n_epochs), np.zeros((n_epochs, len(y)), dtype=bool)
    for epoch in range(n_epochs):
        batches = torch.from_numpy(rng.permutation(train)).split(batch_size)
        for some in batches:
            value = functional.cross_entropy(functional.linear(X[some], weights, bias), y[some])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            loss[epoch] += value.item() / len(batches)
        with torch.no_grad():
            predictions = functional.linear(X, weights, bias).argmax(dim=1)
        correct[epoch] = (predictions == y).numpy()
    curves = correct[:, ~is_test].mean(axis=1), correct[:, is_test].mean(axis=1)
    return Classified(*(float(of[-1]) for of in curves), predictions.numpy(), loss, *curves)


def _of_each(values, name):
    values = np.asarray(validation.unmasked(values, name))
    if values.ndim != 1:
        raise ValueError(f"{name} must have shape (n_recordings,), got {values.shape}.")
    return values


def _standardised(X, train):
    """Features less the mean of the training recordings, over their deviation; a constant stays."""
    with np.errstate(over="ignore", invalid="ignore"):  # said below
        mean, deviation = X[train].mean(axis=0), X[train].std(axis=0)
        standardised = (X - mean) / np.where(deviation > 0, deviation, 1)
        standardised = standardised.astype(np.float32)
    for wrong, what, fix in (
        (~np.isfinite(mean + deviation), "overflow", "Divide"),
        ((deviation == 0) & (np.ptp(X[train], axis=0) > 0), "underflow", "Multiply"),
    ):
        if wrong.any():
            column = int(np.argmax(wrong))
            raise ValueError(
                f"feature {column} of X has values up to {np.abs(X[train, column]).max():.3g} in "
                f"training, whose squares {what} in {X.dtype}. {fix} it by a constant first."
            )
    if not np.isfinite(standardised).all():
        row, column = (int(at) for at in np.argwhere(~np.isfinite(standardised))[0])
        raise ValueError(
            f"feature {column} of recording {row} of X is {X[row, column]:.3g}, too many times the "
            f"deviation in training, {deviation[column]:.3g}, for single precision. Leave it out."
        )
    return standardised


def _read(file, name):
    """Samples of a recording, scaled to a maximum of 1."""
    with wave.open(file) as recording:
        kind = recording.getnchannels(), recording.getframerate(), recording.getsampwidth()
        if kind != (1, SFREQ, 2):
            raise ValueError(
                f"{name} has {kind[0]} channel(s) at {kind[1]} Hz in {8 * kind[2]} bits; expected "
                f"1 at {SFREQ} Hz in 16 bits. Convert it first."
            )
        samples = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2")
    samples = samples.astype(np.float64)
    largest = np.abs(samples).max(initial=0)
    if largest == 0:
        raise ValueError(f"{name} is silent or empty; remove it from the archive.")
    return samples / largest
