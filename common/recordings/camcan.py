"""Cam-CAN: subjects with their ages, and their MEG at rest.

The data are under restricted access and laid out differently by release, so only two things are
asked of the folder: ``participants.tsv`` in it, and below it one file per subject whose name holds
``sub-<participant>_``, ``task-rest`` and ``_meg.fif``.
"""

import io
import re
from pathlib import Path

import mne
import numpy as np
import pandas as pd

from common import files, validation
from common.recordings.annotations import warn_of_boundaries

__all__ = ["find_camcan", "read_camcan"]

# Later parts of a split recording are read with its first.
_NAME = re.compile(
    r"(?:^|_)sub-([A-Za-z0-9]+)_(?:.*_)?task-rest(?!.*_split-0*[2-9])(?:_.*)?_meg\.fif$"
)
_FEMTOTESLA = 1e15


def find_camcan(folder, *, n_subjects=None):
    """Subjects that have both an age and a recording at rest.

    Parameters
    ----------
    folder : str or Path
        The one that holds ``participants.tsv``.
    n_subjects : int, optional
        How many there must be.

    Returns
    -------
    subjects : pandas.DataFrame
        Columns ``subject``, without ``sub-``, in their order; ``age``, in years; ``fif``, the path.

    Raises
    ------
    FileNotFoundError
        If there is no ``participants.tsv``, or no recording.
    ValueError
        If the table lacks a column or names a subject twice, a subject has two recordings, or one
        with a recording has no age; or if there are not ``n_subjects``: the message names those in
        the table that have no recording.
    """
    folder = Path(folder)
    ages = _ages(folder / "participants.tsv")
    recordings = {}
    for fif in sorted(files.walk(folder)):
        if fif.name.endswith("_meg.fif") and (match := _NAME.search(fif.name)):
            subject = match[1]
            if subject in recordings:
                raise ValueError(
                    f"subject {subject} has two recordings at rest, {recordings[subject]} and "
                    f"{fif}: keep those of one stage of processing in {folder}."
                )
            recordings[subject] = fif
    if not recordings:
        raise FileNotFoundError(
            f"no recording …sub-<participant>_…task-rest…_meg.fif in {folder} or below it."
        )
    without_age = sorted(
        subject for subject in recordings if not np.isfinite(ages.get(subject, np.nan))
    )
    if without_age:
        raise ValueError(
            f"{folder / 'participants.tsv'} gives no age for {_list(without_age)}, of whom "
            "there is a recording."
        )
    if n_subjects is not None and len(recordings) != n_subjects:
        without_file = sorted(set(ages.index) - set(recordings))
        raise ValueError(
            f"{len(recordings)} subjects with age and recording in {folder}, expected "
            f"{n_subjects}. In the table, but without a file: {_list(without_file) or 'nobody'}. "
            "Complete the folder, or set `n_subjects` of `cohort` in paper.yaml."
        )
    subjects = sorted(recordings)
    fifs = [recordings[subject] for subject in subjects]
    return pd.DataFrame({"subject": subjects, "age": ages[subjects].to_numpy(), "fif": fifs})


def read_camcan(fif, *, sfreq):
    """Magnetometers of one recording.

    Only these: signals of gradiometers have another unit, and after MaxFilter both are functions of
    the same few components.

    Parameters
    ----------
    fif : str or Path
    sfreq : float
        Sampling rate to resample to, in Hz.

    Returns
    -------
    X : ndarray, shape (n_channels, n_times)
        In fT.
    names : list of str
        Channels, in the order of their names.

    Raises
    ------
    ValueError
        If the recording has no magnetometer, or the rate is not positive.
    """
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    with files.reading(fif, "a FIF file"):
        raw = mne.io.read_raw_fif(fif, verbose="error")
    picks = mne.pick_types(raw.info, meg="mag", exclude=())
    if len(picks) == 0:
        kinds = ", ".join(sorted(set(raw.get_channel_types())))
        raise ValueError(f"{fif} has no magnetometer, only: {kinds}.")
    warn_of_boundaries(raw, name=str(fif))
    names = sorted(raw.ch_names[k] for k in picks)
    raw = raw.pick(names).reorder_channels(names).load_data(verbose="error")
    return _FEMTOTESLA * raw.resample(sfreq, method="polyphase", verbose="error").get_data(), names


def _ages(file):
    """Age of each participant of the table, by name without ``sub-``."""
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} does not exist. Is {file.parent} the folder that config.yaml should name "
            "under `folders: {camcan: …}`?"
        )
    text = files.decoded(file)
    with files.reading(file, "a table separated by tabs"):
        table = pd.read_csv(io.StringIO(text), sep="\t", dtype={"participant_id": str})
    for column in ("participant_id", "age"):
        if column not in table:
            raise ValueError(
                f"{file} lacks the column {column}; it has: {', '.join(table.columns)}."
            )
    names = table["participant_id"].str.removeprefix("sub-")
    twice = names[names.duplicated()]
    if len(twice):
        raise ValueError(f"{file} names the participant {twice.iloc[0]} twice.")
    return pd.Series(pd.to_numeric(table["age"], errors="coerce").to_numpy(), index=names)


def _list(names, most=10):
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
