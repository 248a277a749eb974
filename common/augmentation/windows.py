"""From recordings to the standardised windows of the study."""

import numpy as np

from common import validation
from common.recordings.annotations import drop_crossing, events_from_raw
from common.recordings.electrodes import find_electrodes, require_eeg

__all__ = ["SLEEP_STAGES", "balance", "derivations", "imagery_windows", "sleep_windows", "zscore"]

SLEEP_STAGES = ("W", "N1", "N2", "N3", "REM")

_STAGE = {
    "Sleep stage W": "W",
    "Sleep stage 1": "N1",
    "Sleep stage 2": "N2",
    "Sleep stage 3": "N3",
    "Sleep stage 4": "N3",
    "Sleep stage R": "REM",
}
_IMAGERY = ("left_hand", "right_hand", "feet", "tongue")


def zscore(X):
    """Centre each channel of each window, and divide by its standard deviation.

    Parameters
    ----------
    X : ndarray, shape (n_windows, n_channels, n_times)

    Returns
    -------
    scaled : ndarray of float32, shape (n_windows, n_channels, n_times)
        A constant channel is 0.

    Raises
    ------
    TypeError
        If X is not of real numbers.
    ValueError
        If a value is masked or not finite, or values are so large or small that their squares are
        not numbers of the array's precision.
    """
    X = validation.array(X, "X", ndim=3)
    with np.errstate(over="ignore", invalid="ignore"):
        centred = X - X.mean(axis=-1, keepdims=True)
        spread = centred.std(axis=-1, keepdims=True)
    lost = (spread == 0) & (np.abs(centred).max(axis=-1, keepdims=True) > 0)
    if not np.isfinite(spread).all() or (lost & (np.ptp(X, axis=-1, keepdims=True) > 0)).any():
        raise ValueError(
            f"X holds values up to {np.abs(X).max():g}, of which the squares cannot be written in "
            f"{X.dtype}. Is their unit right? Scale them first."
        )
    # A constant's mean is rounded, which leaves a spread of that size.
    flat = spread <= 1e-12 * np.abs(X).max(axis=-1, keepdims=True)
    return np.where(flat, 0, centred / np.where(flat, 1, spread)).astype(np.float32)


def derivations(raw):
    """Fpz-Cz and Pz-Oz, the two channels of Sleep Physionet, from 10-20 electrodes.

    Fpz and Oz are not among the 19: the means of Fp1 and Fp2, and of O1 and O2, stand for them.

    Parameters
    ----------
    raw : mne.io.BaseRaw

    Returns
    -------
    signals : ndarray, shape (2, n_times)
        In V.

    Raises
    ------
    ValueError
        If an electrode is missing or there twice.
    """
    rows = find_electrodes(raw.ch_names, ("Fp1", "Fp2", "Cz", "Pz", "O1", "O2"))
    fp1, fp2, cz, pz, o1, o2 = raw.get_data(picks=list(rows.values()))
    return np.stack([(fp1 + fp2) / 2 - cz, pz - (o1 + o2) / 2])


def sleep_windows(raw, *, length=30.0, high=30.0):
    """Windows of a night of Sleep Physionet, with their stages.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        With the channels ``Fpz-Cz`` and ``Pz-Oz`` and the hypnogram as annotations, as
        `braindecode.datasets.SleepPhysionet` gives it.
    length : float, default=30
        In s, of a scored epoch.
    high : float, default=30
        Edge of the low-pass filter, in Hz.

    Returns
    -------
    X : ndarray of float32, shape (n_windows, 2, n_times)
        Standardised per window and channel, which makes the unit immaterial.
    y : ndarray of int, shape (n_windows,)
        Index into `SLEEP_STAGES`; stages 3 and 4 are one. Epochs without a stage are left out, and
        those in which the signal is bad or broken, with a warning.

    Raises
    ------
    ValueError
        If a channel is missing, a number is out of range, no epoch has a stage, or none with one is
        whole.
    """
    length = validation.number(length, "length", at_least=1 / raw.info["sfreq"], unit="s")
    high = validation.number(high, "high", above=0, unit="Hz")
    lacking = [name for name in ("Fpz-Cz", "Pz-Oz") if name not in raw.ch_names]
    if lacking:
        raise ValueError(f"no channel {lacking[0]}; the recording has {', '.join(raw.ch_names)}.")
    events = events_from_raw(raw)
    events = events[events["label"].isin(list(_STAGE))]
    if len(events) == 0:
        raise ValueError(
            "no annotation says a sleep stage; there are "
            f"{', '.join(sorted(set(raw.annotations.description))) or 'none'}."
        )
    original = raw
    raw = raw.copy().pick(["Fpz-Cz", "Pz-Oz"]).load_data(verbose="error")
    raw.reorder_channels(["Fpz-Cz", "Pz-Oz"])
    signals = raw.filter(None, high, verbose="error").get_data()
    sfreq = raw.info["sfreq"]
    n_times = round(length * sfreq)
    begins, y = [], []
    for start, end, label in events.itertuples(index=False):
        n = int((end - start) / length + 1e-6)
        for begin in np.round((start + length * np.arange(n)) * sfreq).astype(int):
            if 0 <= begin <= signals.shape[1] - n_times:
                begins.append(begin)
                y.append(SLEEP_STAGES.index(_STAGE[label]))
    begins = np.array(begins, dtype=int)
    whole = drop_crossing(original, begins / sfreq, (begins + n_times) / sfreq)
    if not whole.any():
        raise ValueError(
            f"none of {len(whole)} epochs of {length:g} s with a stage lies within the recording, "
            "away from where its signal is bad or broken."
        )
    X = np.stack([signals[:, begin : begin + n_times] for begin in begins[whole]])
    return zscore(X), np.array(y)[whole]


def imagery_windows(raw, *, before=0.5, after=4.0, band=(4.0, 38.0)):
    """Trials of one run of BCI Competition IV 2a.

    In µV, band-passed, standardised by exponential moving mean and variance over the continuous
    run (factor 0.001, first 1000 samples), then cut.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        From `common.recordings.read_moabb`: annotations begin at the cue.
    before, after : float, default=0.5 and 4
        Of the cue, in s.
    band : (float, float), default=(4, 38)
        In Hz.

    Returns
    -------
    X : ndarray of float32, shape (n_trials, n_channels, n_times)
    y : ndarray of int, shape (n_trials,)
        0 to 3: left hand, right hand, feet, tongue. Trials in which the signal is bad or broken
        are left out, with a warning.
    ch_names : list of str

    Raises
    ------
    ValueError
        If a trial is empty or does not lie within the run, the band is none, there is no EEG
        channel, one has a value that is not finite, or no trial is whole.
    """
    from braindecode.preprocessing import exponential_moving_standardize

    before = validation.number(before, "before", unit="s")
    after = validation.number(after, "after", above=-before, unit="s")
    if np.shape(band) != (2,):
        raise ValueError(f"band must be (lowest, highest) in Hz, got {band!r}.")
    low = validation.number(band[0], "band[0]", above=0, unit="Hz")
    validation.number(band[1], "band[1]", above=low, unit="Hz")  # else MNE stops the band
    events = events_from_raw(raw, labels=list(_IMAGERY))
    require_eeg(raw)
    whole = drop_crossing(raw, events["start"] - before, events["start"] + after)
    if not whole.any():
        raise ValueError(f"the signal is bad or broken in each of the {len(whole)} trials.")
    events = events[whole]
    raw = raw.copy().pick("eeg").load_data(verbose="error")
    broken = np.flatnonzero(~np.isfinite(raw.get_data()).all(axis=1))
    if len(broken):
        raise ValueError(
            f"channel {raw.ch_names[broken[0]]} has a value that is not finite, which filters "
            "would spread. Interpolate or drop it."
        )
    raw.filter(*band, verbose="error")
    signals = exponential_moving_standardize(
        1e6 * raw.get_data(), factor_new=1e-3, init_block_size=1000
    )
    sfreq = raw.info["sfreq"]
    begin = np.round((events["start"].to_numpy() - before) * sfreq).astype(int)
    n_times = round((before + after) * sfreq)
    if begin.min() < 0 or begin.max() + n_times > signals.shape[1]:
        raise ValueError(
            f"a trial from {before:g} s before to {after:g} s after the cue lies outside the run "
            f"of {signals.shape[1] / sfreq:g} s; cues from {events['start'].min():g} to "
            f"{events['start'].max():g} s."
        )
    X = np.stack([signals[:, start : start + n_times] for start in begin])
    return X.astype(np.float32), events["label"].map(_IMAGERY.index).to_numpy(), raw.ch_names


def balance(y, *, rng, strata=None):
    """Examples left when every class is reduced to the rarest one's number.

    Parameters
    ----------
    y : ndarray, shape (n_examples,)
    rng : numpy.random.Generator
    strata : ndarray, shape (n_examples,), optional
        Balance within each of them.

    Returns
    -------
    index : ndarray of int
        Ascending.

    Raises
    ------
    ValueError
        If there is no example, a label or a stratum is masked or not finite, the lengths differ,
        or a stratum lacks a class.
    TypeError
        If ``rng`` is no generator.
    """
    rng, y = validation.generator(rng), validation.labels(y, "y")
    if len(y) == 0:
        raise ValueError("y is empty: there is no example.")
    if y.dtype.kind == "f":
        validation.vector(y, "y")
    strata = np.zeros(len(y), dtype=int) if strata is None else validation.labels(strata, "strata")
    if strata.dtype.kind == "f":
        validation.vector(strata, "strata", empty=True)
    validation.same_length(y=y, strata=strata)
    classes, kept = np.unique(y), []
    for stratum in np.unique(strata):
        members = [np.flatnonzero((strata == stratum) & (y == label)) for label in classes]
        n = min(map(len, members))
        if n == 0:
            raise ValueError(
                f"stratum {stratum} has no example of a class: "
                f"{dict(zip(classes.tolist(), map(len, members), strict=True))}."
            )
        kept += [rng.permutation(part)[:n] for part in members]
    return np.sort(np.concatenate(kept))
