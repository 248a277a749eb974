"""Two clinical recordings as windows of sleep and wakefulness, ready for a classifier."""

import mne
import numpy as np
import pandas as pd

from common import files, validation
from common.augmentation.windows import balance, derivations, zscore
from common.recordings import drop_crossing, events_from_raw, read_eeghdf
from common.recordings.states import CHILD, INFANT, state_segments, state_windows

__all__ = ["STATES", "sleep_wake_windows"]

STATES = ("asleep", "awake")


def sleep_wake_windows(child, infant, *, sfreq, length, high, n_blocks, rng):
    """Standardised windows of two channels, with their state, in blocks of time.

    Each state of a recording is cut into blocks of contiguous time, numbered alike; a number is a
    group of a cross-validation, so that a block is held out with no neighbour of it in training.
    Classes are balanced within each block and recording.

    Parameters
    ----------
    child, infant : str
        Files of ``eeghdf-absence-epilepsy`` and ``eeghdf-spasms``.
    sfreq : float
        Of the windows, in Hz.
    length : float
        Of a window, in s.
    high : float
        Edge of the low-pass filter, in Hz.
    n_blocks : int
        Of each state of each recording.
    rng : numpy.random.Generator
        Draws which windows stay.

    Returns
    -------
    examples : dict
        ``X`` of shape (n_windows, 2, n_times), float32; ``y``, index into `STATES`; ``group``, the
        block; ``recording``, 0 for the child's.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range; as the functions that it calls: a note or an electrode is
        missing, a state too short.
    """
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    length = validation.number(length, "length", at_least=1 / sfreq, unit="s")
    high = validation.number(high, "high", above=0, unit="Hz")
    n_blocks = validation.count(n_blocks, "n_blocks")
    rng = validation.generator(rng)
    parts = [
        _cut(path, spans, sfreq=sfreq, length=length, high=high, n_blocks=n_blocks)
        for path, spans in ((child, CHILD), (infant, INFANT))
    ]
    X = zscore(np.concatenate([part for part, _ in parts]))
    table = pd.concat(
        [part.assign(recording=i) for i, (_, part) in enumerate(parts)], ignore_index=True
    )
    y = table["state"].map(STATES.index).to_numpy()
    strata = table.groupby(["recording", "block"]).ngroup().to_numpy()
    kept = balance(y, strata=strata, rng=rng)
    columns = {name: table[name].to_numpy()[kept] for name in ("block", "recording")}
    return {"X": X[kept], "y": y[kept], "group": columns.pop("block")} | columns


def _cut(path, spans, *, sfreq, length, high, n_blocks):
    """Windows of one recording in V, and a row for each."""
    raw = read_eeghdf(files.require(path))
    segments = state_segments(events_from_raw(raw), spans, end=raw.times[-1])
    table = state_windows(segments, length=length, n_blocks=n_blocks)
    table = table[drop_crossing(raw, table["start"], table["start"] + length)]
    with mne.utils.use_log_level("error"):
        raw.pick("eeg").filter(None, high).resample(sfreq)
    signals = derivations(raw)
    begin = np.round(table["start"] * sfreq).astype(int)
    n_times = round(length * sfreq)
    return np.stack([signals[:, b : b + n_times] for b in begin]), table
