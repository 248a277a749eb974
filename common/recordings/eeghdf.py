"""Recordings in the eeghdf format: HDF5 with 16-bit signals, scaled a channel at a time."""

import h5py
import mne
import numpy as np

from common import files
from common.recordings.electrodes import MONTAGE, TEN_TWENTY, find_electrodes

__all__ = ["read_eeghdf"]

_VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "µv": 1e-6, "μv": 1e-6, "nv": 1e-9}


def read_eeghdf(path, *, channels="10-20"):
    """Read a recording in the eeghdf format.

    Parameters
    ----------
    path : str or Path
        Relative to the repository root.
    channels : {"10-20", "all"}, default="10-20"
        ``"10-20"``: the 19 electrodes of the 10-20 system, in its order, and the ECG if there is
        one (named ``ECG``). ``"all"``: these, then every other channel of the file under its own
        label and as type ``misc``: ear and face electrodes, auxiliary inputs, markers.

    Returns
    -------
    raw : mne.io.RawArray
        In V (a channel without unit as in the file). T3, T4, T5 and T6 are called T7, T8, P7 and
        P8, as in the 10-10 system. Template electrode positions. Annotations: onset in s,
        duration 0 where the file gives none, text exactly as in the file. No date.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no eeghdf file, its tables disagree in length, an annotation lies outside the
        recording, it has several records, a unit is unknown, or a 10-20 electrode is missing or
        there twice.
    """
    if channels not in ("10-20", "all"):
        raise ValueError(f"channels must be '10-20' or 'all', got {channels!r}.")
    file, name = files.existing(path)
    files.check_content(file)
    if not h5py.is_hdf5(file):
        raise ValueError(f"{name} is not an eeghdf file: it is not HDF5.")
    try:
        opened = h5py.File(file)
    except OSError as error:
        raise files.damaged(file, f"cannot be read as HDF5 ({error})") from None
    with opened:
        record = _record(opened, name)
        labels = _texts(record["signal_labels"])
        order, names, kinds = _choose(labels, channels, name)
        data = np.stack([_physical(record, i, kinds[k] == "eeg") for k, i in enumerate(order)])
        # Written as samples / duration of a block, which leaves 200.00000000000003.
        sfreq = round(float(record.attrs["sample_frequency"]), 6)
        length = data.shape[1] / sfreq
        annotations = _annotations(record["edf_annotations"], length, files.relative(file))
    raw = mne.io.RawArray(data, mne.create_info(names, sfreq, kinds), verbose="error")
    raw.set_montage(MONTAGE, on_missing="ignore", verbose="error")
    return raw.set_annotations(annotations, verbose="error")


def _record(opened, name):
    records = sorted(key for key in opened if key.startswith("record-"))
    if "EEGHDFversion" not in opened.attrs or not records:
        raise ValueError(
            f"{name} is not an eeghdf file: it lacks the attribute EEGHDFversion or the group "
            f"record-0. It holds: {', '.join(opened) or 'nothing'}."
        )
    if len(records) > 1:
        raise ValueError(f"{name} holds {len(records)} records; only files with one are supported.")
    record = opened[records[0]]
    needed = ["signals", "signal_labels", "physical_dimensions", "edf_annotations"]
    needed += [
        f"signal_{kind}_{end}s" for kind in ("digital", "physical") for end in ("min", "max")
    ]
    missing = [key for key in needed if key not in record]
    missing += [] if "sample_frequency" in record.attrs else ["sample_frequency"]
    if missing:
        raise ValueError(f"{name} is not an eeghdf file: {records[0]} lacks {', '.join(missing)}.")
    n_channels = len(record["signals"])
    for key in needed[1:]:
        if key != "edf_annotations" and len(record[key]) != n_channels:
            raise ValueError(
                f"{name} is damaged: {n_channels} signals, but {len(record[key])} {key}."
            )
    return record


def _choose(labels, channels, name):
    """Rows to read, with their names and types."""
    rows = find_electrodes(labels, name=name)
    for row, label in enumerate(labels):
        if label.upper().startswith("ECG"):
            rows.setdefault("ECG", row)
    names = [*TEN_TWENTY, *(["ECG"] if "ECG" in rows else [])]
    order = [rows[each] for each in names]
    kinds = ["ecg" if each == "ECG" else "eeg" for each in names]
    if channels == "all":
        rest = [row for row in range(len(labels)) if row not in order]
        order += rest
        names += [labels[row] for row in rest]
        kinds += ["misc"] * len(rest)
    return order, names, kinds


def _physical(record, row, is_eeg):
    digital = [float(record[f"signal_digital_{end}s"][row]) for end in ("min", "max")]
    physical = [float(record[f"signal_physical_{end}s"][row]) for end in ("min", "max")]
    unit = _texts(record["physical_dimensions"])[row].strip().lower()
    if unit not in _VOLTS and (unit or is_eeg):
        label = _texts(record["signal_labels"])[row]
        raise ValueError(f"channel '{label}' has the unit '{unit}'; known are {', '.join(_VOLTS)}.")
    if digital[0] == digital[1]:
        label = _texts(record["signal_labels"])[row]
        raise ValueError(f"channel '{label}' cannot be scaled: its digital range is {digital}.")
    gain = (physical[1] - physical[0]) / (digital[1] - digital[0])
    values = (record["signals"][row].astype(float) - digital[0]) * gain + physical[0]
    return values * _VOLTS.get(unit, 1.0)


def _annotations(group, length, name):
    onset = group["starts_100ns"][:] * 1e-7
    duration = [float(each) if each.strip() else 0.0 for each in _texts(group["durations_char16"])]
    text = _texts(group["texts"])
    if not len(onset) == len(duration) == len(text):
        raise ValueError(
            f"{name} is damaged: {len(onset)} starts, {len(duration)} durations and {len(text)} "
            "texts of annotations."
        )
    if len(onset) and (onset.min() < 0 or onset.max() > length):
        raise ValueError(
            f"{name} is damaged: annotations from {onset.min():g} to {onset.max():g} s in a "
            f"recording of {length:g} s."
        )
    return mne.Annotations(onset, duration, text)


def _texts(dataset):
    values = dataset[:]
    return [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in values]
