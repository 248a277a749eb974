"""Atoms of a recording with one call, in scikit-learn's shape."""

import mne
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from common import validation
from common.dictionary.batch import learn_atoms
from common.dictionary.events import activation_events
from common.dictionary.sparse_coding import sparse_code
from common.dictionary.stochastic import Outliers, learn_on_windows, loss_density, patch_means

__all__ = ["ConvolutionalDictionary", "RobustConvolutionalDictionary"]


class _Learner(TransformerMixin, BaseEstimator):
    """What is the same for all ways to learn: what is read, activations, events."""

    def transform(self, X):
        """Activations of the atoms in a recording.

        Parameters
        ----------
        X : mne.io.BaseRaw, mne.BaseEpochs or array_like
            As in `fit`, with the same channels, unit and filters.

        Returns
        -------
        z : ndarray, shape (n_trials, n_atoms, n_times - n_times_atom + 1)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            As `fit` and `common.dictionary.sparse_coding.sparse_code`; if the sampling frequency or
            the channels are others than those of `fit`.
        """
        return self._coded(self._read_again(X))

    def events(self, **options):
        """Times of the activations that were found by `fit`.

        Parameters
        ----------
        **options
            Of `common.dictionary.activation_events`: ``threshold``, ``quantile`` and the like.

        Returns
        -------
        events : list of list of ndarray
            By trial and atom: times from the start of the trial to that of the atom, in s.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            As `common.dictionary.activation_events`.
        """
        check_is_fitted(self)
        return [activation_events(z, sfreq=self.sfreq_, **options)[0] for z in self.z_]

    def _coded(self, X):
        X = X[None] if X.ndim == 2 else X
        tol = validation.number(self.tol, "tol", above=0) * self.scale_
        return np.stack([sparse_code(x, self._atoms(), self.penalty_, tol=tol).z for x in X])

    def _read(self, X):
        """Trials or one recording as an array, the sampling frequency and what MNE says of both."""
        if isinstance(X, (mne.io.BaseRaw, mne.BaseEpochs)):
            picked = X.copy().pick("data", exclude="bads")
            sfreq = float(picked.info["sfreq"])
            if self.sfreq is not None and self.sfreq != sfreq:
                raise ValueError(
                    f"sfreq={self.sfreq} Hz is not that of the recording, {sfreq:g} Hz. "
                    "Leave it out."
                )
            return picked.get_data(), sfreq, picked.info
        if self.sfreq is None:
            raise ValueError("an array does not know its sampling frequency: give sfreq, in Hz.")
        sfreq = validation.number(self.sfreq, "sfreq", above=0, unit="Hz")
        X = validation.array(X, "X")
        if X.ndim not in (2, 3):
            raise ValueError(
                "X must have shape (n_trials, n_channels, n_times) or (n_channels, n_times), got "
                f"{X.shape}."
            )
        return X, sfreq, None

    def _read_again(self, X):
        """Trials of the kind that was fitted, shape (n_trials, n_channels, n_times)."""
        check_is_fitted(self)
        X, sfreq, info = self._read(X)
        if not np.isclose(sfreq, self.sfreq_, rtol=1e-6, atol=0):
            raise ValueError(
                f"X is sampled at {sfreq:g} Hz, and the atoms at {self.sfreq_:g} Hz. Resample it."
            )
        if None not in (info, self.info_) and info.ch_names != self.info_.ch_names:
            raise ValueError(
                f"X has the channels {', '.join(info.ch_names)}, and the atoms are of "
                f"{', '.join(self.info_.ch_names)}. Pick these, in this order."
            )
        return X[None] if X.ndim == 2 else X

    def _samples_of_an_atom(self, sfreq):
        length = validation.number(self.atom_length, "atom_length", above=0, unit="s")
        n_times_atom = round(length * sfreq)
        if n_times_atom < 2:
            raise ValueError(
                f"atom_length={length:g} s is {n_times_atom} sample(s) at {sfreq:g} Hz; an atom "
                "needs at least 2. Is atom_length in s and sfreq in Hz?"
            )
        return n_times_atom

    def _generator(self):
        return np.random.default_rng(validation.count(self.seed, "seed", at_least=0))


class ConvolutionalDictionary(_Learner):
    """Atoms of M/EEG, each a topography and a waveform, and when they occur.

    Parameters
    ----------
    n_atoms : int, default=5
    atom_length : float, default=0.5
        In s; ``n_times_atom = round(atom_length * sfreq)``.
    sfreq : float, optional
        Sampling frequency of arrays, in Hz; a recording of MNE knows its own.
    reg : float, default=0.1
        Penalty, as a share of the smallest one with which no first atom is ever active.
    start : {"chunk", "greedy", "random"}, default="chunk"
    n_iter : int, default=50
    tol : float, default=0.01
        Of the activations, in standard deviations of the recording.
    eps : float, default=1e-4
        See `common.dictionary.batch.learn_atoms`, as for the other options.
    seed : int, default=0
        Draws the start.

    Attributes
    ----------
    u_ : ndarray, shape (n_atoms, n_channels)
        Topographies, of unit norm.
    v_ : ndarray, shape (n_atoms, n_times_atom)
        Waveforms, of unit norm; the largest deflection of each is positive.
    z_ : ndarray, shape (n_trials, n_atoms, n_times - n_times_atom + 1)
        Activations, in the unit of the recording.
    penalty_ : float
        Lambda, in the unit of the recording.
    scale_ : float
        Standard deviation of the recording, in its unit.
    sfreq_ : float
        In Hz.
    info_ : mne.Info or None
        Of the channels of ``u_``, for maps: ``mne.viz.plot_topomap(est.u_[0], est.info_)``.
    log_ : dict of str to ndarray
        Costs along the way, see `common.dictionary.batch.Learned`.

    Examples
    --------
    >>> X = np.zeros((1, 300))
    >>> for start in (50, 140, 220):
    ...     X[0, start : start + 4] += [1, 3, 2, 1]
    >>> found = ConvolutionalDictionary(1, 0.04, sfreq=100.0, start="greedy").fit(X)
    >>> found.events()[0][0].round(2).tolist()
    [0.5, 1.4, 2.2]
    """

    def __init__(
        self, n_atoms=5, atom_length=0.5, *, sfreq=None, reg=0.1, start="chunk", n_iter=50,
        tol=1e-2, eps=1e-4, seed=0,
    ):  # fmt: skip
        self.n_atoms = n_atoms
        self.atom_length = atom_length
        self.sfreq = sfreq
        self.reg = reg
        self.start = start
        self.n_iter = n_iter
        self.tol = tol
        self.eps = eps
        self.seed = seed

    def fit(self, X, y=None):
        """Learn atoms and their activations.

        Parameters
        ----------
        X : mne.io.BaseRaw, mne.BaseEpochs or array_like
            Filtered. Of recordings, the channels with data that are not bad; arrays have the shape
            (n_channels, n_times) or (n_trials, n_channels, n_times).
        y : None
            Not used.

        Returns
        -------
        self : ConvolutionalDictionary

        Raises
        ------
        TypeError, ValueError
            As `common.dictionary.batch.learn_atoms`; if an array comes without ``sfreq``, if
            ``sfreq`` is not that of the recording, or an atom has fewer than 2 samples.
        """
        X, sfreq, info = self._read(X)
        n_times_atom = self._samples_of_an_atom(sfreq)
        learned = learn_atoms(
            X, n_atoms=self.n_atoms, n_times_atom=n_times_atom, reg=self.reg, start=self.start,
            n_iter=self.n_iter, tol=self.tol, eps=self.eps, rng=self._generator(),
        )  # fmt: skip
        u, v = learned.atoms.u, learned.atoms.v
        sign = np.sign(v[np.arange(len(v)), np.abs(v).argmax(axis=1)])[:, None]
        self.u_, self.v_, self.z_ = sign * u, sign * v, learned.z
        self.penalty_, self.scale_ = learned.penalty * learned.scale, learned.scale
        self.sfreq_, self.info_, self.log_ = sfreq, info, learned.log
        return self

    def _atoms(self):
        return self.u_, self.v_


class RobustConvolutionalDictionary(_Learner):
    """Atoms of long recordings, learned on random windows, and what they do not explain.

    What recurs becomes atoms; artefacts and rare events are left out of the loss while these are
    learned, and can be asked for afterwards.

    Parameters
    ----------
    n_atoms : int, default=5
    atom_length : float, default=0.5
        In s; ``n_times_atom = round(atom_length * sfreq)``.
    sfreq : float, optional
        Sampling frequency of arrays, in Hz; a recording of MNE knows its own.
    reg : float, default=0.8
        Penalty, as a share of what the first atoms correlate with the recording.
    method : {"mad", "iqr", "sd", "quantile"} or None, default="mad"
        Threshold of what is left out, see `common.dictionary.stochastic.Outliers`. None: nothing.
    level : float, optional
        Of the threshold.
    window : float, default=15
        Length of a window, in atoms; a window is at most a trial.
    n_windows : int, default=10
    n_batches : int, optional
    n_epochs : int, default=30
    step : {"line search", "adam"}, default="line search"
    solver : {"lgcd", "fista"}, default="lgcd"
        FISTA runs on ``device``.
    device : str, default="cpu"
    start : {"random", "chunk"}, default="random"
    tol : float, default=0.1
        See `common.dictionary.stochastic.learn_on_windows`, as for the other options.
    seed : int, default=0
        Draws the start and the windows.

    Attributes
    ----------
    D_ : ndarray, shape (n_atoms, n_channels, n_times_atom)
        Atoms, of unit norm.
    z_ : ndarray, shape (n_trials, n_atoms, n_times - n_times_atom + 1)
        Activations in what was fitted, in its unit.
    penalty_ : float
        Lambda, in the unit of the recording.
    threshold_ : float
        Of the patch errors, in the unit of the recording, squared.
    scale_ : float
        Standard deviation of the recording, in its unit.
    sfreq_ : float
        In Hz.
    info_ : mne.Info or None
        Of the channels of ``D_``.
    log_ : dict of str to ndarray
        By epoch, see `common.dictionary.stochastic.StochasticallyLearned`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = 0.1 * rng.standard_normal((1, 1200))
    >>> for at in range(20, 1150, 8):
    ...     X[0, at : at + 4] += [1, 3, 2, 1]
    >>> X[0, 600:620] = 20 * rng.standard_normal(20)
    >>> learner = RobustConvolutionalDictionary(1, 0.04, sfreq=100.0, window=25, n_epochs=20)
    >>> mask = learner.fit(X).outliers(X)
    >>> bool(mask[0, 600:620].all()), bool(mask[0, 700:].any())
    (True, False)
    """

    def __init__(
        self, n_atoms=5, atom_length=0.5, *, sfreq=None, reg=0.8, method="mad", level=None,
        window=15, n_windows=10, n_batches=None, n_epochs=30, step="line search", solver="lgcd",
        device="cpu", start="random", tol=0.1, seed=0,
    ):  # fmt: skip
        self.n_atoms = n_atoms
        self.atom_length = atom_length
        self.sfreq = sfreq
        self.reg = reg
        self.method = method
        self.level = level
        self.window = window
        self.n_windows = n_windows
        self.n_batches = n_batches
        self.n_epochs = n_epochs
        self.step = step
        self.solver = solver
        self.device = device
        self.start = start
        self.tol = tol
        self.seed = seed

    def fit(self, X, y=None):
        """Learn atoms and their activations.

        Parameters
        ----------
        X : mne.io.BaseRaw, mne.BaseEpochs or array_like
            See `ConvolutionalDictionary.fit`.
        y : None
            Not used.

        Returns
        -------
        self : RobustConvolutionalDictionary

        Raises
        ------
        TypeError, ValueError
            As `common.dictionary.stochastic.learn_on_windows`; if an array comes without
            ``sfreq``, if ``sfreq`` is not that of the recording, or an atom has fewer than 2
            samples.
        """
        X, sfreq, info = self._read(X)
        n_times_atom = self._samples_of_an_atom(sfreq)
        window = validation.number(self.window, "window", at_least=2)
        learned = learn_on_windows(
            X, n_atoms=self.n_atoms, n_times_atom=n_times_atom,
            n_times_window=min(round(window * n_times_atom), X.shape[-1]),
            n_windows=self.n_windows, n_batches=self.n_batches, n_epochs=self.n_epochs,
            reg=self.reg, outliers=None if self.method is None else self._outliers(),
            step=self.step, solver=self.solver, device=self.device, start=self.start, tol=self.tol,
            rng=self._generator(),
        )  # fmt: skip
        self.D_, self.penalty_, self.threshold_ = learned.D, learned.penalty, learned.threshold
        self.scale_, self.sfreq_, self.info_, self.log_ = float(X.std()), sfreq, info, learned.log
        self.z_ = self._coded(X)
        return self

    def outliers(self, X):
        """Which samples the atoms explain worse than almost all that were fitted.

        Parameters
        ----------
        X : mne.io.BaseRaw, mne.BaseEpochs or array_like
            As in `fit`, with the same channels, unit and filters.

        Returns
        -------
        mask : ndarray of bool, shape (n_trials, n_times)
            Above ``threshold_``; nothing without a method.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            As `transform`.
        """
        X = self._read_again(X)
        density = loss_density(X, self.D_, self._coded(X), self.penalty_)
        return patch_means(density, self.D_.shape[2]) > self.threshold_

    def _outliers(self):
        return Outliers(self.method, self.level)

    def _atoms(self):
        return self.D_
