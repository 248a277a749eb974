"""From sparse activations to event times: threshold, merge what is too close, shift."""

import numpy as np
from scipy.ndimage import maximum_filter1d

from common import validation

__all__ = ["activation_events"]


def activation_events(z, *, sfreq, threshold=None, quantile=None, min_interval=0.01, shift=0.0):
    """Times and amplitudes of the events of each atom.

    Sparse coding often splits one occurrence of a waveform over neighbouring samples. Events of
    one atom that are closer than ``min_interval`` are therefore merged: the largest activation is
    kept and all that are too close to it are dropped, then the largest of those left, and so on.

    Parameters
    ----------
    z : array_like, shape (n_atoms, n_valid)
        Non-negative activations of a whole recording, see `Dictionary`.
    sfreq : float
        Sampling frequency, in Hz.
    threshold : float or None, default=None
        Smallest activation that counts, in the unit of ``z``. None: any that is positive.
    quantile : float or None, default=None
        Instead of a threshold, the share of its positive activations that each atom loses: 0.6
        keeps the largest 40 %. Taken before merging.
    min_interval : float, default=0.01
        Smallest interval between two events of an atom, in s. Equal activations: the first wins.
    shift : float or array_like, shape (n_atoms,), default=0
        Added to the times, in s. With 0, an event is at the *start* of its atom; with
        ``dictionary.peak_times``, at the atom's largest deflection. A latency estimated from one
        convention differs from that of the other by the difference of these times.

    Returns
    -------
    times : list of ndarray, each of shape (n_events_k,)
        In s from the start of the recording, increasing.
    amplitudes : list of ndarray, each of shape (n_events_k,)
        In the unit of ``z``.

    Raises
    ------
    TypeError
        If ``z`` or an option holds no numbers.
    ValueError
        If ``z`` is not two-dimensional or has a value that is negative or not finite; if an option
        is out of range; if an atom is left without an event.

    References
    ----------
    .. [1] C. Allain et al., "DriPP: Driven Point Processes to Model Stimuli Induced Patterns in
       M/EEG Signals", ICLR 2022, arXiv:2112.06652: events of atoms. There, an activation survives
       only if it is the largest within the interval, so a falling run of activations leaves one.

    Examples
    --------
    >>> z = [[0.0, 2.0, 3.0, 0.0, 0.0, 1.0]]
    >>> times, amplitudes = activation_events(z, sfreq=100.0, min_interval=0.02)
    >>> times[0].tolist(), amplitudes[0].tolist()
    ([0.02, 0.05], [3.0, 1.0])
    """
    z = validation.array(z, "z", ndim=2, at_least=0).astype(float)
    shift = _check_options(
        len(z),
        sfreq=sfreq,
        threshold=threshold,
        quantile=quantile,
        min_interval=min_interval,
        shift=shift,
    )
    lowest = [_lowest(row, threshold, quantile) for row in z]
    selected = (z > 0) & (z >= np.array(lowest)[:, None])
    silent = np.flatnonzero(~selected.any(axis=1))
    if len(silent):
        k = silent[0]
        raise ValueError(
            f"atom {k} is left without an event: threshold {lowest[k]:g}, largest activation "
            f"{z[k].max():g} ({len(silent)} of {len(z)} atoms). Lower the threshold, which is in "
            "the unit of z, or drop these atoms."
        )
    # Rounding must not make 3 samples of 0.3 s at 10 Hz.
    n_apart = int(min(np.ceil(min_interval * sfreq - 1e-9), z.shape[1]))
    kept = _largest_apart(z, selected, n_apart)
    times = [np.flatnonzero(row) / sfreq + late for row, late in zip(kept, shift, strict=True)]
    return times, [values[row] for values, row in zip(z, kept, strict=True)]


def _lowest(activations, threshold, quantile):
    if quantile is None:
        return 0.0 if threshold is None else float(threshold)
    positive = activations[activations > 0]
    return float(np.quantile(positive, quantile)) if len(positive) else 0.0


def _largest_apart(z, selected, n_apart):
    """Mask of activations, at least ``n_apart`` samples apart, that no larger kept one is near."""
    if n_apart < 2:
        return selected
    # Ranks instead of values: no ties, and of equal activations the first ranks highest.
    order = np.argsort(-z, axis=None, kind="stable")
    rank = np.empty(z.size, dtype=np.int64)
    rank[order] = np.arange(z.size, 0, -1)
    left = np.where(selected, rank.reshape(z.shape), 0)
    kept = np.zeros(z.shape, dtype=bool)
    options = {"size": 2 * n_apart - 1, "axis": 1, "mode": "constant"}
    while left.any():
        # What is the largest within its reach has nothing to fear from later rounds.
        top = (left > 0) & (left == maximum_filter1d(left, **options))
        kept |= top
        left[maximum_filter1d(top.view(np.uint8), **options) > 0] = 0
    return kept


def _check_options(n_atoms, *, sfreq, threshold, quantile, min_interval, shift):
    validation.number(sfreq, "sfreq", above=0, unit="Hz")
    if threshold is not None and quantile is not None:
        raise ValueError(
            f"give threshold or quantile, not both; got threshold={threshold}, quantile={quantile}."
        )
    if threshold is not None:
        validation.number(threshold, "threshold", at_least=0)
    if quantile is not None:
        validation.number(quantile, "quantile", at_least=0, below=1)
    validation.number(min_interval, "min_interval", at_least=0, unit="s")
    shift = validation.array(shift, "shift").astype(float)
    if shift.shape not in ((), (n_atoms,)):
        raise ValueError(
            f"shift must be one time in s or one for each of {n_atoms} atoms, got {shift}."
        )
    return np.broadcast_to(shift, n_atoms)
