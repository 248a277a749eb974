"""Classifiers of steady-state visual evoked potentials that know each class's frequency.

They take `mne.Epochs`, whose events are named by the frequency of the stimulus in Hz: the labels
of an evaluation are numbers 0, 1, …, in which the frequency is lost. A class whose name is no
number (``"rest"``) has no frequency.
"""

import math

import numpy as np
import scipy.signal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from common import validation

__all__ = ["FrequencyCCA", "MultisetCCA", "TaskRelatedComponents", "class_frequencies"]

_NEGLIGIBLE = 1e-10  # singular values, relative to the largest, of directions without signal


def class_frequencies(epochs, y):
    """Stimulation frequency of each class.

    Parameters
    ----------
    epochs : mne.Epochs
        Events are named by their frequency in Hz.
    y : ndarray, shape (n_trials,)
        Labels of the trials.

    Returns
    -------
    classes : ndarray, shape (n_classes,)
        Sorted.
    frequencies : ndarray, shape (n_classes,)
        In Hz; NaN for a class whose name is no number.

    Raises
    ------
    ValueError
        If ``epochs`` are not epochs, there is no trial, lengths differ, a label is masked or
        missing, trials of one class have different events, a frequency is not positive, or two
        classes have the same.
    """
    _check_epochs(epochs)
    y = validation.labels(y, "y")
    if len(y) != len(epochs):
        raise ValueError(f"{len(epochs)} epochs, but {len(y)} labels.")
    if not len(y):
        raise ValueError("there is no trial to learn from.")
    name_of = {code: name for name, code in epochs.event_id.items()}
    classes, found = np.unique(y), []
    for each in classes:
        named = {name_of[code] for code in epochs.events[y == each, 2]}
        if len(named) > 1:
            raise ValueError(f"class {each} has trials of the events {sorted(named)}.")
        found.append(_number(named.pop()))
    frequencies = np.array(found)
    known = frequencies[~np.isnan(frequencies)]
    if (known <= 0).any():
        raise ValueError(
            f"class {classes[frequencies <= 0][0]} is named {known[known <= 0][0]:g} Hz; a "
            "stimulus's frequency is positive. Call a class without one by a word."
        )
    if len(np.unique(known)) < len(known):
        raise ValueError(f"two classes have the same frequency: {frequencies.tolist()} Hz.")
    return classes, frequencies


class _Scored(ClassifierMixin, BaseEstimator):
    """The class of the highest score wins."""

    def predict(self, X):
        """Most likely class of each trial.

        Parameters
        ----------
        X : mne.Epochs

        Returns
        -------
        y : ndarray, shape (n_trials,)

        Raises
        ------
        ValueError
            As `FrequencyCCA.scores`.
        """
        scores = self.scores(X)
        return self.classes_[np.argmax(scores, axis=1)]

    def _remember(self, X):
        """Channels and samples of a trial, which those to come must have as well."""
        self.shape_ = _data(X).shape[1:]
        self.channels_, self.sfreq_, self.start_ = list(X.ch_names), X.info["sfreq"], X.times[0]

    def _like_those_learned(self, X):
        check_is_fitted(self)
        _check_epochs(X)
        data = _data(X)
        if data.shape[1:] != self.shape_:
            raise ValueError(
                f"trials have {data.shape[1]} channels and {data.shape[2]} samples; those learned "
                f"from had {self.shape_[0]} and {self.shape_[1]}."
            )
        sfreq, start = X.info["sfreq"], X.times[0]
        if not math.isclose(sfreq, self.sfreq_, rel_tol=1e-6):
            raise ValueError(
                f"trials are sampled at {sfreq:g} Hz; those learned from were at "
                f"{self.sfreq_:g} Hz. Resample them first."
            )
        if abs(start - self.start_) > 0.5 / sfreq:
            raise ValueError(
                f"trials begin at {start:g} s; those learned from began at {self.start_:g} s. Cut "
                "both alike."
            )
        if X.ch_names != self.channels_:
            names = zip(X.ch_names, self.channels_, strict=True)
            at, (one, other) = next((i, pair) for i, pair in enumerate(names) if len({*pair}) > 1)
            raise ValueError(
                f"channel {at} of the trials is {one!r}; of those learned from it was {other!r}. "
                "Pick the same channels in the same order."
            )
        return data


class FrequencyCCA(_Scored):
    r"""Canonical correlation with sines and cosines.

    The score of a class is the largest canonical correlation between the channels of a trial and

    .. math:: \sin(2\pi h f t),\ \cos(2\pi h f t), \qquad h = 1, \ldots, H.

    Nothing is learned but the frequencies; a class without one is never predicted.

    Parameters
    ----------
    n_harmonics : int, default=3
        H.

    References
    ----------
    .. [1] Z. Lin et al., "Frequency recognition based on canonical correlation analysis for
       SSVEP-based BCIs", IEEE Trans. Biomed. Eng. 53(12), 2006.
    """

    def __init__(self, n_harmonics=3):
        self.n_harmonics = n_harmonics

    def fit(self, X, y):
        """Look up the classes' frequencies.

        Parameters
        ----------
        X : mne.Epochs
        y : ndarray, shape (n_trials,)

        Returns
        -------
        self : FrequencyCCA

        Raises
        ------
        ValueError
            If no class is named by a frequency, or a harmonic is not below half of the sampling
            rate.
        """
        self.classes_, self.frequencies_ = class_frequencies(X, y)
        if np.isnan(self.frequencies_).all():
            raise ValueError("no class is named by a frequency in Hz.")
        self._remember(X)
        n_harmonics = validation.count(self.n_harmonics, "n_harmonics")
        nyquist, highest = X.info["sfreq"] / 2, np.nanmax(self.frequencies_)
        if n_harmonics * highest >= nyquist:
            raise ValueError(
                f"harmonic {n_harmonics} of {highest:g} Hz, {n_harmonics * highest:g} Hz, is not "
                f"below {nyquist:g} Hz, half of the sampling rate: its samples are those of "
                f"another frequency. Set n_harmonics to {int((nyquist - 1e-9) // highest)} at most"
                " or sample faster."
            )
        harmonics = np.arange(1, self.n_harmonics + 1)[:, None]
        angles = [2 * np.pi * f * harmonics * X.times for f in np.nan_to_num(self.frequencies_)]
        self.bases_ = [_basis(np.concatenate([np.sin(a), np.cos(a)])) for a in angles]
        return self

    def scores(self, X):
        """Canonical correlations, shape (n_trials, n_classes).

        Parameters
        ----------
        X : mne.Epochs
            With the channels and times of those that were learnt from.

        Returns
        -------
        scores : ndarray, shape (n_trials, n_classes)
            ``-inf`` for a class that is not named by a frequency.

        Raises
        ------
        ValueError
            If channels, samples, sampling rate or begin are others than in `fit`, or a value is
            not finite.
        """
        scores = _largest_correlations(self._like_those_learned(X), self.bases_)
        scores[:, np.isnan(self.frequencies_)] = -np.inf
        return scores


class MultisetCCA(_Scored):
    r"""Canonical correlation with what the training trials of a class have in common.

    Spatial filters, one a training trial, make the filtered trials of a class as similar as they
    can be; these then take the place of sines and cosines in `FrequencyCCA`. With :math:`Q_i` an
    orthonormal basis of the channels of trial i over time, the filtered trials are the projections
    :math:`Q_i Q_i^\top u` of the leading eigenvector u of :math:`\sum_i Q_i Q_i^\top`: the solution
    of the eigenvalue problem of multiset canonical correlation analysis [1]_, written in time.

    References
    ----------
    .. [1] Y. Zhang et al., "Frequency recognition in SSVEP-based BCI using multiset canonical
       correlation analysis", Int. J. Neural Syst. 24(4), 2014.
    """

    def fit(self, X, y):
        """Learn the references of each class.

        Parameters
        ----------
        X : mne.Epochs
        y : ndarray, shape (n_trials,)

        Returns
        -------
        self : MultisetCCA

        Raises
        ------
        ValueError
            As `class_frequencies`, or if a value is not finite.
        """
        self.classes_, self.frequencies_ = class_frequencies(X, y)
        self._remember(X)
        data, y = _data(X), validation.labels(y, "y")
        self.bases_ = [
            _basis(_common([_basis(trial) for trial in data[y == each]])) for each in self.classes_
        ]
        return self

    def scores(self, X):
        """Canonical correlations, shape (n_trials, n_classes).

        Parameters
        ----------
        X : mne.Epochs
            With the channels and times of those that were learnt from.

        Returns
        -------
        scores : ndarray, shape (n_trials, n_classes)

        Raises
        ------
        ValueError
            As `FrequencyCCA.scores`.
        """
        return _largest_correlations(self._like_those_learned(X), self.bases_)


class TaskRelatedComponents(_Scored):
    r"""Correlation with the mean trial, in directions that repeat from trial to trial.

    For each class and sub-band the filter w maximises the covariance between trials relative to
    that within them,

    .. math:: \frac{w^\top S w}{w^\top Q w}, \qquad S = \sum_{i \ne j} x_i x_j^\top, \quad
              Q = \sum_i x_i x_i^\top.

    A trial is compared with the mean trial of each class behind the filters of all classes, and the
    correlations of sub-bands m = 1, 2, … are added with weights :math:`m^{-1.25} + 0.25` [1]_.
    Sub-band m begins :math:`(m - 1)(f_{max} - f_{min}) - 2` Hz above the lowest frequency; those
    that begin beyond what the recording was filtered to are left out. The filters are Butterworth
    high-passes of order 6, run forwards and backwards.

    Parameters
    ----------
    n_bands : int, default=5

    References
    ----------
    .. [1] M. Nakanishi et al., "Enhancing detection of SSVEPs for a high-speed brain speller using
       task-related component analysis", IEEE Trans. Biomed. Eng. 65(1), 2018.
    """

    def __init__(self, n_bands=5):
        self.n_bands = n_bands

    def fit(self, X, y):
        """Learn filters and mean trials.

        Parameters
        ----------
        X : mne.Epochs
        y : ndarray, shape (n_trials,)

        Returns
        -------
        self : TaskRelatedComponents

        Raises
        ------
        ValueError
            If a class has a single trial, none is named by a frequency, or the lowest frequency is
            not below what the recording holds.
        """
        self.classes_, self.frequencies_ = class_frequencies(X, y)
        self._remember(X)
        n_bands, y = validation.count(self.n_bands, "n_bands"), validation.labels(y, "y")
        counts = {each: int((y == each).sum()) for each in self.classes_}
        if lonely := [each for each, n in counts.items() if n < 2]:
            raise ValueError(
                f"class {lonely[0]} has one training trial; two are needed to see what repeats."
            )
        known = self.frequencies_[~np.isnan(self.frequencies_)]
        if not len(known):
            raise ValueError("no class is named by a frequency in Hz.")
        starts = known.min() - 2 + np.arange(n_bands) * (known.max() - known.min())
        sfreq = X.info["sfreq"]
        top = min(X.info["lowpass"], 0.45 * sfreq)
        if starts[0] >= top:
            raise ValueError(
                f"the lowest frequency, {known.min():g} Hz, is not below what the recording was "
                f"filtered to or holds, {top:g} Hz: no sub-band is left."
            )
        starts = starts[starts < top]
        self.weights_ = np.arange(1, len(starts) + 1) ** -1.25 + 0.25
        self.high_passes_ = [
            scipy.signal.butter(6, max(start, 0.5), "highpass", fs=sfreq, output="sos")
            for start in starts
        ]
        self.filters_, self.templates_ = [], []
        for band in self._bands(X):
            trials = [band[y == each] for each in self.classes_]
            filters = np.stack([_repeating(each) for each in trials])  # (n_classes, n_channels)
            templates = np.stack([each.mean(axis=0) for each in trials])
            self.filters_.append(filters)
            self.templates_.append(_flat(filters @ templates))
        return self

    def scores(self, X):
        """Weighted correlations with the mean trials, shape (n_trials, n_classes).

        Parameters
        ----------
        X : mne.Epochs
            With the channels and times of those that were learnt from.

        Returns
        -------
        scores : ndarray, shape (n_trials, n_classes)

        Raises
        ------
        ValueError
            As `FrequencyCCA.scores`.
        """
        self._like_those_learned(X)
        bands = zip(self._bands(X), self.weights_, self.filters_, self.templates_, strict=True)
        return sum(weight * (_flat(w @ band) @ known.T) for band, weight, w, known in bands)

    def _bands(self, X):
        data = _data(X)
        for sos in self.high_passes_:
            band = scipy.signal.sosfiltfilt(sos, data, axis=-1)
            yield band - band.mean(axis=-1, keepdims=True)


def _number(name):
    try:
        found = float(name)
    except ValueError:
        return np.nan
    return found if np.isfinite(found) else np.nan


def _check_epochs(epochs):
    if not hasattr(epochs, "event_id"):
        raise ValueError(
            f"epochs must be mne.Epochs, whose events name the frequencies, got "
            f"{type(epochs).__name__}. Ask the paradigm for epochs: data: {{epochs: true}}."
        )


def _data(epochs):
    return validation.array(epochs.get_data(copy=False), "trials", ndim=3, unit="V", empty=True)


def _basis(channels):
    """Orthonormal basis, shape (n_times, n), of what (n_channels, n_times) spans about its mean."""
    centred = channels - channels.mean(axis=-1, keepdims=True)
    left, size, _ = np.linalg.svd(centred.T, full_matrices=False)
    return left[:, size > _NEGLIGIBLE * size.max(initial=0.0)]


def _largest_correlations(data, bases):
    scores = np.empty((len(data), len(bases)))
    for row, trial in zip(scores, data, strict=True):
        own = _basis(trial)
        row[:] = [np.linalg.svd(own.T @ basis, compute_uv=False).max(initial=0) for basis in bases]
    return scores


def _common(bases):
    """Filtered trials, shape (n_trials, n_times)."""
    stacked = np.concatenate(bases, axis=1)
    # The leading left singular vector, from the smaller of the two Gram matrices.
    if stacked.shape[1] < stacked.shape[0]:
        _, vectors = np.linalg.eigh(stacked.T @ stacked)
        leading = stacked @ vectors[:, -1]
    else:
        _, vectors = np.linalg.eigh(stacked @ stacked.T)
        leading = vectors[:, -1]
    return np.stack([basis @ (basis.T @ leading) for basis in bases])


def _repeating(trials):
    """Filter, shape (n_channels,), whose output repeats best over centred trials."""
    within = np.einsum("nct,ndt->cd", trials, trials)
    total = trials.sum(axis=0)
    between = total @ total.T - within
    size, vectors = np.linalg.eigh(within)
    kept = size > _NEGLIGIBLE * size.max(initial=0.0)
    if not kept.any():
        raise ValueError(
            f"all {len(trials)} training trials of a class are constant; nothing in them repeats."
        )
    whitening = vectors[:, kept] / np.sqrt(size[kept])
    _, rotated = np.linalg.eigh(whitening.T @ between @ whitening)
    found = whitening @ rotated[:, -1]
    return found / np.linalg.norm(found)


def _flat(filtered):
    """Rows of unit norm about their mean: their products are correlations."""
    rows = filtered.reshape(len(filtered), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    # A constant trial is like none: its correlations are 0.
    return np.divide(rows, size, out=np.zeros_like(rows), where=size > 0)
