"""eeghdf files, written here by the format's description."""

import h5py
import numpy as np
import pytest

from common.recordings import events_from_raw, read_eeghdf
from common.recordings.electrodes import TEN_TWENTY

OLD = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}
SFREQ = 200.00000000000003


def write(path, *, labels=None, units=None, **changes):
    """A file of 2 s whose channel i is the ramp 0, 1, 2 … times i + 1, digitally."""
    labels = labels or [f"EEG {OLD.get(each, each)}" for each in reversed(TEN_TWENTY)]
    labels = [*labels, "ECG X1", "EEG A1", "EEG Mark1", "Events/Markers"]
    n_channels = len(labels)
    units = units or [*["uV"] * (n_channels - 2), "mV", ""]
    tables = {
        "signals": (np.arange(n_channels)[:, None] + 1) * np.arange(400, dtype="i2")[None],
        "signal_labels": [each.encode() for each in labels],
        "physical_dimensions": [each.encode() for each in units],
        "signal_digital_mins": np.full(n_channels, -32768),
        "signal_digital_maxs": np.full(n_channels, 32767),
        "signal_physical_mins": np.full(n_channels, -3200.0),
        "signal_physical_maxs": np.full(n_channels, 3353.5),
    }
    notes = {
        "starts_100ns": np.array([0, 13_900_000]),
        "durations_char16": np.array([b"", b"0.25"], dtype="S16"),
        "texts": [b"REC START", b"L>R  EFD"],
    }
    with h5py.File(path, "w") as file:
        file.attrs["EEGHDFversion"] = 1
        record = file.create_group("record-0")
        record.attrs["sample_frequency"] = SFREQ
        for key, value in (tables | changes).items():
            if key in tables and value is not None:
                record[key] = value
        group = record.create_group("edf_annotations")
        for key, value in notes.items():
            group[key] = changes.get(key, value)
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "x.h5"


def test_channels_rate_units_and_annotations(file):
    raw = read_eeghdf(write(file))
    assert raw.ch_names == [*TEN_TWENTY, "ECG"]
    assert raw.get_channel_types() == ["eeg"] * 19 + ["ecg"]
    assert raw.info["sfreq"] == 200.0
    # (digital + 32768) * 0.1 - 3200 uV: a gain of 0.1 uV and an offset of 76.8 uV.
    for row, name in enumerate(reversed(TEN_TWENTY)):
        expected = ((row + 1) * np.arange(400) * 0.1 + 76.8) * 1e-6
        np.testing.assert_allclose(raw.get_data([name])[0], expected, rtol=0, atol=1e-15)
    positions = raw.get_montage().get_positions()["ch_pos"]
    assert positions["T7"][0] < 0 < positions["T8"][0]
    assert raw.annotations.description.tolist() == ["REC START", "L>R  EFD"]
    assert events_from_raw(raw)["start"].tolist() == [0.0, pytest.approx(1.39)]
    assert events_from_raw(raw)["end"].tolist() == [0.0, pytest.approx(1.64)]


def test_all_channels_on_request(file):
    raw = read_eeghdf(write(file), channels="all")
    assert raw.ch_names[20:] == ["EEG A1", "EEG Mark1", "Events/Markers"]
    assert raw.get_channel_types()[20:] == ["misc"] * 3
    last = np.arange(400) * 0.1
    np.testing.assert_allclose(raw.get_data(["EEG A1"])[0], (21 * last + 76.8) * 1e-6)
    np.testing.assert_allclose(raw.get_data(["EEG Mark1"])[0], (22 * last + 76.8) * 1e-3)
    np.testing.assert_allclose(raw.get_data(["Events/Markers"])[0], 23 * last + 76.8)
    with pytest.raises(ValueError, match="'10-20' or 'all', got 'eeg'"):
        read_eeghdf(file, channels="eeg")


def test_missing_file(file):
    with pytest.raises(FileNotFoundError, match=r"python -m common\.registry fetch"):
        read_eeghdf(file)


def test_not_hdf5(file):
    file.write_bytes(b"0       no EDF either")
    with pytest.raises(ValueError, match="not an eeghdf file: it is not HDF5"):
        read_eeghdf(file)


def test_other_hdf5(file):
    with h5py.File(file, "w") as opened:
        opened["weights"] = [1.0]
    with pytest.raises(ValueError, match=r"lacks the attribute EEGHDFversion.*It holds: weights"):
        read_eeghdf(file)


def test_several_records(file):
    with h5py.File(write(file), "a") as opened:
        opened.create_group("record-1")
    with pytest.raises(ValueError, match="2 records"):
        read_eeghdf(file)


N = len(TEN_TWENTY) + 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signal_labels": None}, "not an eeghdf file: record-0 lacks signal_labels"),
        ({"signal_digital_mins": np.zeros(3)}, f"{N} signals, but 3 signal_digital_mins"),
        ({"texts": [b"x"]}, "2 starts, 2 durations and 1 texts"),
        ({"starts_100ns": np.array([0, 10**9])}, "from 0 to 100 s in a recording of 2 s"),
        ({"units": ["furlong"] * N}, "'EEG Fp1' has the unit 'furlong'"),
        ({"units": [""] * N}, "'EEG Fp1' has the unit ''"),
        ({"signal_digital_mins": np.full(N, 32767)}, "'EEG Fp1' cannot be scaled"),
        ({"labels": ["EEG Cz"] * 19}, "lacks the 10-20 electrodes Fp1, Fp2"),
    ],
)
def test_damaged_file(file, changes, message):
    with pytest.raises(ValueError, match=message):
        read_eeghdf(write(file, **changes))
