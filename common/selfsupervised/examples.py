"""Labelled windows for classifiers: planted, asleep or awake, flicker, and events of a recording.

Every function gives ``X`` of shape (n_windows, n_channels, n_times), float32; ``y``, an index into
``classes``; ``group``, of which no two parts of a split share one; and ``names`` and ``places`` of
the channels, on a head of radius 1.
"""

import mne
import numpy as np
import pandas as pd
import scipy.io

from common import files, validation
from common.augmentation.fractions import hold_out
from common.augmentation.windows import balance
from common.recordings.annotations import drop_crossing, events_from_raw
from common.recordings.electrodes import MONTAGE
from common.recordings.states import INFANT, state_segments, state_windows
from common.selfsupervised.masks import head_positions
from common.selfsupervised.network import n_tokens
from common.selfsupervised.planted import plant
from common.selfsupervised.windows import SFREQ, prepared

__all__ = [
    "channels_of", "event_windows", "flicker_windows", "planted_windows", "split",
    "state_examples", "template",
]  # fmt: skip

_FLICKER = ("Pz", "PO5", "PO3", "POz", "PO4", "PO6", "O1", "Oz", "O2")


def template(names):
    """Channels at the positions of MNE's template, on a head of radius 1.

    Parameters
    ----------
    names : sequence of str
        Electrodes of the extended 10-20 system.

    Returns
    -------
    channels : list of dict
        ``ch_name`` and ``loc``.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    where = mne.channels.make_standard_montage(MONTAGE).get_positions()["ch_pos"]
    for name in names:
        validation.choice(name, list(where), "the electrode")
    # The sphere is that of the whole montage: a few electrodes do not show it. Some places have two
    # names, T7 and T3.
    first = {tuple(place): one for one, place in reversed(where.items())}
    head = head_positions([{"ch_name": one, "loc": place} for place, one in first.items()])
    places = dict(zip(first, head, strict=True))
    rows = {name: places[tuple(where[name])] for name in names}
    return [{"ch_name": one, "loc": [float(x) for x in rows[one]]} for one in names]


def channels_of(arrays):
    """Channels as `common.selfsupervised.network.Encoder` takes them.

    Parameters
    ----------
    arrays : dict
        With ``names`` and ``places``.

    Returns
    -------
    channels : list of dict
    """
    pairs = zip(arrays["names"], arrays["places"], strict=True)
    return [{"ch_name": str(one), "loc": [float(x) for x in place]} for one, place in pairs]


def planted_windows(task, channels, *, n_heads, n_windows, n_times, rngs):
    """Windows with a planted class; a group is a head, with dipoles of its own.

    Parameters
    ----------
    task : {"evoked", "frequency"}
        See `common.selfsupervised.planted.plant`.
    channels : list of dict
    n_heads, n_windows, n_times : int
        Windows are those of each head.
    rngs : sequence of numpy.random.Generator
        One for each head.

    Returns
    -------
    examples : dict
        See the module's text.

    Raises
    ------
    TypeError, ValueError
        If there are fewer generators than heads, or as `common.selfsupervised.planted.plant`.
    """
    n_heads = validation.count(n_heads, "n_heads")
    if not isinstance(rngs, (list, tuple)) or len(rngs) < n_heads:
        raise ValueError(f"rngs must be a list of n_heads={n_heads} generators, got {rngs!r}.")
    where = np.array([one["loc"] for one in channels])
    parts = [
        plant(task, where, n_windows=n_windows, n_times=n_times, rng=rng)[:2]
        for rng in rngs[:n_heads]
    ]
    X, y = (np.concatenate(both) for both in zip(*parts, strict=True))
    classes = {"evoked": ("none", "wave"), "frequency": ("9 Hz", "12 Hz")}[task]
    return _examples(X, y, np.repeat(np.arange(n_heads), n_windows), classes, channels)


def state_examples(raw, *, length, n_blocks, most, rng):
    """Windows of the infant's recording, asleep or awake; a group is a block of time.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Of ``eeghdf-spasms``.
    length : float
        In s.
    n_blocks : int
        Of each state.
    most : int
        Windows of a state in a block that are kept at most.
    rng : numpy.random.Generator
        Draws which windows stay, so that classes are as many in each block.

    Returns
    -------
    examples : dict
        See the module's text.

    Raises
    ------
    TypeError
        If a number is none, or ``rng`` no generator.
    ValueError
        If a note is missing, a state too short, or a window shorter than a token.
    """
    rng, most = validation.generator(rng), validation.count(most, "most")
    n_times = _n_times(length)
    table = state_windows(
        state_segments(events_from_raw(raw), INFANT, end=raw.times[-1]),
        length=length,
        n_blocks=n_blocks,
    )
    table = table[drop_crossing(raw, table["start"], table["start"] + length)]
    signals, channels = prepared(raw)
    begin = np.round(table["start"] * SFREQ).astype(int).to_numpy()
    classes = ("asleep", "awake")
    y = table["state"].map(classes.index).to_numpy()
    block = table["block"].to_numpy()
    kept = rng.permutation(balance(y, strata=block, rng=rng))
    place = pd.Series(kept).groupby([block[kept], y[kept]]).cumcount().to_numpy()
    kept = np.sort(kept[place < most])
    X = np.stack([signals[:, b : b + n_times] for b in begin[kept]])
    return _examples(X, y[kept], block[kept], classes, channels)


def flicker_windows(path, *, n_targets, length, delay=0.14):
    """Windows of one person looking at flickering targets; a group is a block.

    Each trial is filtered and resampled by itself, over its 5 s, and then cut.

    Parameters
    ----------
    path : str
        Of ``meegkit-trca``.
    n_targets : int
        The first ones: 8, 9 … Hz.
    length : float
        In s.
    delay : float, default=0.14
        After the onset, in s, at which the window begins.

    Returns
    -------
    examples : dict
        See the module's text.

    Raises
    ------
    ValueError
        If there are no such targets, the delay is negative, or the window is shorter than a token
        or does not fit.
    """
    validation.count(n_targets, "n_targets", at_least=2, at_most=40)
    n_times = _n_times(length)
    first = round(validation.number(delay, "delay", at_least=0, unit="s") * SFREQ)
    with files.reading(files.require(path), "a MATLAB file with the array eeg"):
        eeg = scipy.io.loadmat(files.require(path))["eeg"][:n_targets]
    if first + n_times > 5 * SFREQ:
        raise ValueError(f"{length:g} s from {delay:g} s on do not fit into the 5 s recorded.")
    trials = eeg.transpose(3, 0, 1, 2).reshape(-1, *eeg.shape[1:3]).astype(float)
    trials -= trials.mean(axis=1, keepdims=True)
    trials = mne.filter.filter_data(trials, 250.0, 0.5, 40.0, verbose="error")
    trials = mne.filter.resample(trials, up=SFREQ, down=250.0, verbose="error")
    y = np.tile(np.arange(n_targets), eeg.shape[3])
    block = np.repeat(np.arange(eeg.shape[3]), n_targets)
    X = trials[..., first : first + n_times].astype(np.float32)
    classes = [f"{8 + i % 8 + 0.2 * (i // 8):.1f} Hz" for i in range(n_targets)]
    return _examples(X, y, block, classes, template(_FLICKER))


def event_windows(raws, *, classes, length):
    """Windows from the onsets of events, of one subject; a group is a window.

    Windows over an annotation whose description begins with "bad" are left out, as
    :class:`mne.Epochs` does.

    Parameters
    ----------
    raws : list of mne.io.BaseRaw
        Runs, with annotations.
    classes : sequence of str
        Descriptions of the annotations that count.
    length : float
        In s.

    Returns
    -------
    examples : dict
        See the module's text.

    Raises
    ------
    TypeError
        If ``classes`` are one text, of which parts would count, too.
    ValueError
        If there is no run, runs differ in channels, a class has no event, or a window is shorter
        than a token.
    """
    if isinstance(classes, str):
        raise TypeError(f"classes must be several descriptions, got {classes!r}.")
    n_times = _n_times(length)
    X, y, channels = [], [], None
    for raw in raws:
        before = channels
        signals, channels = prepared(raw)
        names = [one["ch_name"] for one in channels]
        if before is not None and names != [one["ch_name"] for one in before]:
            raise ValueError(
                f"runs differ in channels: {', '.join(one['ch_name'] for one in before)}, and then "
                f"{', '.join(names)}. Pick the same ones in each."
            )
        onsets = (raw.annotations.onset - raw.first_time) * SFREQ
        lasts = raw.annotations.duration * SFREQ
        notes = list(zip(raw.annotations.description, onsets, onsets + lasts, strict=True))
        bad = [(at, end) for name, at, end in notes if name.lower().startswith("bad")]
        for name, at, _ in notes:
            begin = round(at)
            spoilt = any(low < begin + n_times and begin < high for low, high in bad)
            if name in classes and not spoilt and begin + n_times <= signals.shape[1]:
                X.append(signals[:, begin : begin + n_times])
                y.append(list(classes).index(name))
    if channels is None:
        raise ValueError("raws is empty: give at least one recording.")
    lacking = [one for i, one in enumerate(classes) if i not in y]
    if lacking:
        raise ValueError(f"no event {', '.join(lacking)} with {length:g} s of EEG after it.")
    return _examples(np.stack(X), np.array(y), np.arange(len(y)), classes, channels)


def split(kind, y, group, *, fold, n_folds, rng, n_train=None, n_valid=None):
    """Training, validation and test windows of a fold.

    Parameters
    ----------
    kind : {"heads", "groups", "stratified"}
        ``"heads"``: a fold is a group, of whose windows the first ``n_train`` and ``n_valid``
        train and validate. ``"groups"``: groups are held out, a fifth of the others validates, see
        `common.augmentation.fractions.hold_out`. ``"stratified"``: windows are, in equal shares of
        the classes.
    y, group : ndarray of int, shape (n_windows,)
    fold, n_folds : int
    rng : numpy.random.Generator
    n_train, n_valid : int, optional
        For ``"heads"``.

    Returns
    -------
    train, valid, test : ndarray of int
        Disjoint.

    Raises
    ------
    TypeError
        If a number is none, or ``rng`` no generator.
    ValueError
        If the kind or fold is unknown, lengths differ, or a part is empty or lacks a class.
    """
    validation.choice(kind, ("heads", "groups", "stratified"), "split")
    rng = validation.generator(rng)
    for values, name in ((y, "y"), (group, "group")):
        validation.vector(values, name)
    y, group = np.asarray(y), np.asarray(group)
    validation.same_length(y=y, group=group)
    fold = validation.count(
        fold, "fold", at_least=0, at_most=validation.count(n_folds, "n_folds") - 1
    )
    if kind == "groups":
        return hold_out("groups", y, group, fold=fold, n_folds=n_folds, rng=rng)
    if kind == "heads":
        n_train, n_valid = (
            validation.count(n_train, "n_train"),
            validation.count(n_valid, "n_valid"),
        )
        rows = np.flatnonzero(group == fold)
        parts = np.split(rows, [n_train, n_train + n_valid])
    else:
        from sklearn.model_selection import StratifiedKFold, train_test_split

        seed = int(rng.integers(2**31))
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(y, y)
        rest, test = list(folds)[fold]
        train, valid = train_test_split(rest, test_size=0.2, stratify=y[rest], random_state=seed)
        parts = [train, valid, test]
    for part, name in zip(parts, ("training", "validation", "test"), strict=True):
        if len(np.unique(y[part])) < len(np.unique(y)):
            raise ValueError(
                f"the {name} part of fold {fold} holds {len(part)} windows of "
                f"{len(np.unique(y[part]))} classes of {len(np.unique(y))}. Use more windows."
            )
    return tuple(parts)


def _n_times(length):
    """Samples of a window, enough for a token."""
    n_times = round(validation.number(length, "length", above=0, unit="s") * SFREQ)
    n_tokens(n_times)
    return n_times


def _examples(X, y, group, classes, channels):
    return {
        "X": np.asarray(X, np.float32),
        "y": np.asarray(y, np.int64),
        "group": np.asarray(group, np.int64),
        "classes": np.array(classes),
        "names": np.array([one["ch_name"] for one in channels]),
        "places": np.array([one["loc"] for one in channels]),
    }
