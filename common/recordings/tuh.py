"""TUH EEG Seizure Corpus (TUSZ, version 2): its folders, recordings, and event annotations.

Beside each recording ``x.edf`` stand ``x.csv``, types of seizure channel by channel, and
``x.csv_bi``, seizure or background over all channels ("TERM").
"""

import csv
from pathlib import Path

import mne
import pandas as pd

from common import files, validation
from common.recordings.annotations import annotate, events_table, merge_overlaps
from common.recordings.electrodes import MONTAGE, TEN_TWENTY, find_electrodes

__all__ = ["LABELS", "SPLITS", "find_tuh", "read_tuh", "read_tuh_events"]

SPLITS = ("train", "dev", "eval")
"""The official split."""

LABELS = {
    "bckg": "background",
    "seiz": "seizure of any type",
    "fnsz": "focal non-specific seizure",
    "gnsz": "generalized non-specific seizure",
    "spsz": "simple partial seizure",
    "cpsz": "complex partial seizure",
    "absz": "absence seizure",
    "tnsz": "tonic seizure",
    "cnsz": "clonic seizure",
    "tcsz": "tonic-clonic seizure",
    "atsz": "atonic seizure",
    "mysz": "myoclonic seizure",
    "nesz": "non-epileptic seizure",
}
"""Labels of events."""

_HEADER = ["channel", "start_time", "stop_time", "label", "confidence"]


def find_tuh(folder, *, splits=SPLITS):
    """Recordings of the corpus.

    Parameters
    ----------
    folder : str or Path
        The one that holds ``edf/train``, ``edf/dev`` and ``edf/eval``.
    splits : sequence of str, default=("train", "dev", "eval")

    Returns
    -------
    recordings : pandas.DataFrame
        Columns ``split``, ``subject``, ``session``, ``recording``, ``montage``, and the paths
        ``edf``, ``csv``, ``csv_bi``; ordered by split as given, then by path.

    Raises
    ------
    FileNotFoundError
        If the folder, a split, or a recording's annotation file is missing, or a split is empty.
    ValueError
        If a split is unknown.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(
            f"the TUSZ folder {root} does not exist. Name it in config.yaml under "
            "`folders: {tusz: …}`."
        )
    rows = []
    for split in splits:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got '{split}'.")
        inside = root / "edf" / split
        found = sorted(inside.glob("*/*/*/*.edf"))
        if not found:
            raise FileNotFoundError(
                f"no recording <subject>/<session>/<montage>/*.edf in {inside}. Is {root} the "
                "corpus's top folder, the one that holds `edf`?"
            )
        rows += [_row(split, edf) for edf in found]
    return pd.DataFrame(rows)


def read_tuh_events(path, *, classes=None):
    """Events of one annotation file.

    Parameters
    ----------
    path : str or Path
        ``.csv`` or ``.csv_bi``.
    classes : dict of str to str, optional
        Class of each label to keep; other labels are dropped. Without it, all labels as they are.

    Returns
    -------
    events : pandas.DataFrame
        Columns ``start`` (s), ``end`` (s), ``label``. Of a ``.csv``, the union over channels: a
        seizure lasts while any channel shows one of its class.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file has another format, or a label is unknown, in it or in ``classes``.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"the TUSZ annotation file {file} does not exist.")
    for label in classes or {}:
        _check_label(label, "classes")
    start, end, label = [], [], []
    for number, row in _rows(file):
        try:
            _, first, last, name, _ = row
            start.append(float(first))
            end.append(float(last))
        except ValueError:
            raise ValueError(
                f"{file}, line {number}: expected {','.join(_HEADER)}, got {','.join(row)!r}."
            ) from None
        name = name.strip().lower()
        _check_label(name, f"{file}, line {number}")
        label.append(name)
    events = events_table(start, end, label)
    if classes is not None:
        events = events[events["label"].isin(list(classes))]
        events = events.assign(label=events["label"].map(classes))
    return merge_overlaps(events)


def read_tuh(edf, *, classes=None, binary=False):
    """One recording of the corpus with its events.

    Parameters
    ----------
    edf : str or Path
        The annotation files stand beside it.
    classes : dict of str to str, optional
        See `read_tuh_events`.
    binary : bool, default=False
        Events from ``.csv_bi`` instead of ``.csv``.

    Returns
    -------
    raw : mne.io.BaseRaw
        The 19 electrodes of the 10-20 system, in its order, in V; T3, T4, T5 and T6 are called
        T7, T8, P7 and P8. Template positions; events as annotations.

    Raises
    ------
    FileNotFoundError
        If the recording or its annotations are missing.
    ValueError
        If an electrode is missing or there twice, an event begins outside the recording, or as in
        `read_tuh_events`.
    """
    edf = Path(edf)
    if not edf.is_file():
        raise FileNotFoundError(f"the TUSZ recording {edf} does not exist.")
    events = read_tuh_events(edf.with_suffix(".csv_bi" if binary else ".csv"), classes=classes)
    with files.reading(edf, "an EDF file"):
        raw = mne.io.read_raw_edf(edf, verbose="error")
    found = find_electrodes(raw.ch_names, name=str(edf))
    names = {each: raw.ch_names[row] for each, row in found.items()}
    raw = raw.pick([names[each] for each in TEN_TWENTY]).load_data(verbose="error")
    raw.rename_channels({names[each]: each for each in TEN_TWENTY}, verbose="error")
    raw.set_channel_types(dict.fromkeys(TEN_TWENTY, "eeg"), verbose="error")
    raw.set_montage(MONTAGE, verbose="error")
    return annotate(raw, events)


def _row(split, edf):
    paths = {"csv": edf.with_suffix(".csv"), "csv_bi": edf.with_suffix(".csv_bi")}
    for path in paths.values():
        if not path.is_file():
            raise FileNotFoundError(
                f"{edf} has no annotation file {path.name} beside it. Was the download complete?"
            )
    subject, session, montage = edf.parts[-4:-1]
    return {
        "split": split,
        "subject": subject,
        "session": session,
        "recording": edf.stem,
        "montage": montage,
        "edf": edf,
        **paths,
    }


def _rows(file):
    """Numbered rows after the header, which must be the known one."""
    text = files.decoded(file)
    lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    lines = [(i, line) for i, line in lines if not line.startswith("#")]
    rows = list(csv.reader(line for _, line in lines))
    if not rows or [each.strip() for each in rows[0]] != _HEADER:
        got = ",".join(rows[0]) if rows else "no line"
        raise ValueError(
            f"{file} is no TUSZ version 2 annotation file: expected the header "
            f"{','.join(_HEADER)}, got {got!r}."
        )
    return [(i, row) for (i, _), row in zip(lines[1:], rows[1:], strict=True)]


def _check_label(label, where):
    if label not in LABELS:
        hint = validation.nearest(label, LABELS)
        raise ValueError(f"{where}: unknown label '{label}'.{hint} Known: {', '.join(LABELS)}.")
