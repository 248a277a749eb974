"""Windows of a recording, without labels, for pre-training."""

from dataclasses import dataclass

import mne
import numpy as np

from common import validation
from common.recordings.annotations import drop_crossing
from common.recordings.electrodes import require_eeg
from common.selfsupervised.masks import head_positions
from common.selfsupervised.network import n_tokens

__all__ = ["SFREQ", "Windows", "cut_windows", "prepared"]

SFREQ = 128.0
"""Of all windows, in Hz."""


@dataclass(frozen=True)
class Windows:
    """Windows of one recording.

    Parameters
    ----------
    train, valid : ndarray of float32, shape (n_windows, n_channels, n_times)
        In µV.
    channels : list of dict
        ``ch_name`` and ``loc``, the position on a head of radius 1.
    """

    train: np.ndarray
    valid: np.ndarray
    channels: list


def prepared(raw, *, low=0.5, high=40.0, name="the recording"):
    """EEG of a recording with average reference, filtered, at 128 Hz.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Left as it is.
    low, high : float, default=0.5, 40
        Pass band in Hz.
    name : str, optional
        What the messages call it.

    Returns
    -------
    signals : ndarray of float32, shape (n_channels, n_times)
        In µV.
    channels : list of dict
        ``ch_name`` and ``loc``, the position on a head of radius 1.

    Raises
    ------
    ValueError
        If there is no EEG channel, one has no position or a value that is not finite, or the pass
        band is empty.
    """
    low = validation.number(low, "low", above=0, unit="Hz")
    high = validation.number(high, "high", above=low, below=raw.info["sfreq"] / 2, unit="Hz")
    require_eeg(raw, name=name)
    picked = raw.copy().pick("eeg").load_data(verbose="error")
    where = head_positions(picked.info, name=name)
    broken = np.flatnonzero(~np.isfinite(picked.get_data()).all(axis=1))
    if len(broken):
        raise ValueError(
            f"channel {picked.ch_names[broken[0]]} of {name} has a value that is not finite, which "
            "filters would spread. Interpolate or drop it."
        )
    with mne.utils.use_log_level("error"):
        picked.set_eeg_reference("average").filter(low, high).resample(SFREQ)
    channels = [
        {"ch_name": one, "loc": [float(x) for x in place]}
        for one, place in zip(picked.ch_names, where, strict=True)
    ]
    return (1e6 * picked.get_data()).astype(np.float32), channels


def cut_windows(
    raw, *, length, every, low=0.5, high=40.0, valid=0.15, gap=5.0, name="the recording"
):
    """Windows at regular times, those at the end for validation.

    Parameters
    ----------
    raw : mne.io.BaseRaw
    length, every : float
        Of a window, and between the starts of two, in s. ``length`` is rounded to samples.
    low, high : float, default=0.5, 40
        Pass band in Hz.
    valid : float, default=0.15
        Share of the recording, at its end. With 0 all of it trains, with 1 all validates.
    gap : float, default=5
        Between the last window that trains and the part that validates, in s.
    name : str, optional
        What the messages call it.

    Returns
    -------
    windows : Windows

    Raises
    ------
    ValueError
        As `prepared`; if a window is shorter than a token or a part of the recording shorter than
        two windows.
    """
    length = validation.number(length, "length", above=0, unit="s")
    every = validation.number(every, "every", above=0, unit="s")
    valid = validation.number(valid, "valid", at_least=0, at_most=1)
    gap = validation.number(gap, "gap", at_least=0, unit="s")
    n_times = round(length * SFREQ)
    n_tokens(n_times)
    signals, channels = prepared(raw, low=low, high=high, name=name)
    end = signals.shape[1] / SFREQ
    border = (1 - valid) * end
    parts = []
    for start, stop in ((0.0, end if valid == 0 else border - gap), (border, end)):
        if valid == (0 if parts else 1):
            parts.append(np.empty((0, len(signals), n_times), np.float32))
            continue
        starts = np.arange(start, stop - n_times / SFREQ + 1e-9, every)
        starts = starts[drop_crossing(raw, starts, starts + n_times / SFREQ)]
        if len(starts) < 2:
            raise ValueError(
                f"{start:g} to {max(stop, start):g} s of {name} ({end:g} s) hold {len(starts)} "
                f"windows of {length:g} s, and two are needed. Use shorter windows, or another "
                f"share than valid={valid:g}."
            )
        begin = np.round(starts * SFREQ).astype(int)
        begin = begin[begin + n_times <= signals.shape[1]]
        parts.append(np.stack([signals[:, b : b + n_times] for b in begin]))
    return Windows(*parts, channels)
