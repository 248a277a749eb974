"""From a recording to the input of a network: band-pass, resample, scale robustly."""

import numpy as np

from common import validation
from common.recordings.annotations import warn_of_boundaries
from common.recordings.electrodes import require_eeg

__all__ = ["preprocess", "robust_scale"]


def robust_scale(X, *, clamp=16):
    """Centre each channel on its median, divide by its interquartile range, clamp.

    Parameters
    ----------
    X : array_like, shape (..., n_channels, n_times)
        Any unit. Statistics are those of the last axis.
    clamp : float or None, default=16
        Values beyond ``± clamp`` interquartile ranges become ``± clamp``. None: no clamping.

    Returns
    -------
    scaled : ndarray, shape (..., n_channels, n_times)
        No unit; float32 for float32 input, float64 otherwise. A channel whose interquartile range
        is 0 (flat, or saturated most of the time) is 0 throughout.

    Raises
    ------
    ValueError
        If there is no sample, a value is not finite, or ``clamp`` is not positive.

    Examples
    --------
    >>> robust_scale([[0.0, 1.0, 2.0, 3.0, 4.0]])
    array([[-1. , -0.5,  0. ,  0.5,  1. ]])
    """
    X = np.asarray(X)
    X = X if X.dtype == np.float32 else X.astype(float)
    if X.ndim == 0 or X.shape[-1] == 0:
        raise ValueError(f"X must have at least one sample on its last axis, got shape {X.shape}.")
    if clamp is not None and not clamp > 0:
        raise ValueError(f"clamp must be positive or None, got {clamp}.")
    n_bad = int(np.sum(~np.isfinite(X)))
    if n_bad:
        raise ValueError(
            f"{n_bad} of the {X.size} values of X are not finite. Interpolate or drop them first."
        )
    low, median, high = np.percentile(X, [25, 50, 75], axis=-1, keepdims=True)
    with np.errstate(over="ignore"):
        spread = high - low
    if not np.isfinite(spread).all():
        raise ValueError(
            f"X holds values up to {np.abs(X).max():g}, whose range cannot be written in {X.dtype}."
            " Is their unit right? Scale them first."
        )
    flat = spread == 0
    scaled = np.where(flat, 0, (X - median) / np.where(flat, 1, spread))
    if clamp is not None:
        scaled = np.clip(scaled, -clamp, clamp)
    return scaled.astype(X.dtype, copy=False)


def preprocess(raw, *, sfreq=128.0, low=0.1, high=100.0, picks="eeg", clamp=16):
    """Band-pass, resample and scale the channels of a recording.

    Zero-phase FIR filters, so events stay where they are. A ``high`` that the recording's sampling
    rate does not allow is left out. Resampling removes what is above ``sfreq / 2`` in any case.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Left as it is.
    sfreq : float, default=128
        Rate after resampling, in Hz.
    low, high : float or None, default=0.1, 100
        Pass band, in Hz. None: no filter on that side.
    picks : str or list of str, default="eeg"
        Channels, as MNE-Python understands them.
    clamp : float or None, default=16
        See `robust_scale`.

    Returns
    -------
    X : ndarray of float32, shape (n_channels, n_times)
        No unit. ``n_times = round(raw.n_times * sfreq / raw.info["sfreq"])``; sample ``i`` is at
        ``i / sfreq`` s.

    Raises
    ------
    ValueError
        If ``sfreq`` exceeds the recording's, the band is empty, the recording is shorter than the
        filter, or it has no channel to pick: the message names the types that it has.

    Warns
    -----
    UserWarning
        If the recording is bad or broken somewhere; see `common.recordings.annotations`.
    """
    if picks == "eeg":
        require_eeg(raw)
    warn_of_boundaries(raw)
    original = raw.info["sfreq"]
    if not 0 < sfreq <= original:
        raise ValueError(
            f"sfreq must be in (0, {original:g}] Hz, the recording's rate, got {sfreq:g}."
        )
    for name, edge in (("low", low), ("high", high)):
        if edge is not None:
            validation.number(edge, name, above=0, unit="Hz")
    if low is not None and high is not None and not 0 < low < high:
        raise ValueError(f"the band must have 0 < low < high, got {low:g} to {high:g} Hz.")
    if high is not None and high >= original / 2:
        high = None
    if low is not None and low >= original / 2:
        raise ValueError(f"low must be below {original / 2:g} Hz, half the rate, got {low:g}.")
    if low is not None:
        _check_length(raw, low)
    filtered = raw.copy().pick(picks).load_data(verbose="error")
    if low is not None or high is not None:
        filtered.filter(low, high, picks="all", verbose="error")
    if sfreq != original:
        filtered.resample(sfreq, verbose="error")
    return robust_scale(filtered.get_data(), clamp=clamp).astype(np.float32)


def _check_length(raw, low):
    # MNE's default: the transition is as wide as the edge up to 2 Hz, then a quarter of it, and
    # the (Hamming) filter is 3.3 divided by that, in s.
    needed = 3.3 / min(max(0.25 * low, 2.0), low)
    length = raw.n_times / raw.info["sfreq"]
    if length < needed:
        raise ValueError(
            f"the recording lasts {length:g} s; a high-pass at {low:g} Hz needs {needed:.3g} s. "
            "Raise low, or filter before cutting."
        )
