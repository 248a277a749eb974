"""A corpus of a few seconds, laid out as TUSZ version 2."""

import mne
import numpy as np
import pandas as pd
import pytest

from common.recordings import events_from_raw, events_table, find_tuh, read_tuh, read_tuh_events
from common.recordings.electrodes import TEN_TWENTY

HEADER = """# version = csv_v1.0.0
# bname = aaaaaaac_s001_t000
# duration = 10.00 secs
# montage_file = nedc_eas_default_montage.txt
#
channel,start_time,stop_time,label,confidence
"""
CSV = HEADER + (
    "FP1-F7,0.0000,2.0000,bckg,1.0000\n"
    "FP1-F7,2.0000,5.0000,fnsz,1.0000\n"
    "F7-T3,3.0000,6.5000,cpsz,1.0000\n"
    "C3-CZ,8.0000,9.0000,tcsz,0.9000\n"
)
CSV_BI = HEADER + "TERM,0.0000,2.0000,bckg,1.0000\nTERM,2.0000,6.5000,seiz,1.0000\n"

OLD = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}


def write(folder, *, split="train", subject="aaaaaaac", text=CSV):
    inside = folder / "edf" / split / subject / "s001_2002" / "02_tcp_le"
    inside.mkdir(parents=True)
    edf = inside / f"{subject}_s001_t000.edf"
    edf.write_bytes(b"0")
    edf.with_suffix(".csv").write_text(text)
    edf.with_suffix(".csv_bi").write_text(CSV_BI)
    return edf


def test_binary_events(tmp_path):
    events = read_tuh_events(write(tmp_path).with_suffix(".csv_bi"))
    expected = events_table([0, 2], [2, 6.5], ["bckg", "seiz"])
    pd.testing.assert_frame_equal(events, expected)


def test_events_of_all_channels_are_joined_by_class(tmp_path):
    file = write(tmp_path).with_suffix(".csv")
    classes = {"fnsz": "focal", "cpsz": "focal", "tcsz": "tonic-clonic"}
    events = read_tuh_events(file, classes=classes)
    expected = events_table([2, 8], [6.5, 9], ["focal", "tonic-clonic"])
    pd.testing.assert_frame_equal(events, expected)
    assert read_tuh_events(file)["label"].tolist() == ["bckg", "fnsz", "cpsz", "tcsz"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "TERM,0,1,fnzs,1\n", "line 7: unknown label 'fnzs'. Did you mean 'fnsz'"),
        (HEADER + "TERM,0,one,fnsz,1\n", "line 7: expected channel,.*got 'TERM,0,one,fnsz,1'"),
        (HEADER + "TERM,0,1\n", "line 7: expected channel,"),
        (HEADER + "TERM,3,1,fnsz,1\n", "goes from 3 s to 1 s"),
        ("0.0 2.0 bckg 1.0\n", "no TUSZ version 2 annotation file.*got '0.0 2.0 bckg 1.0'"),
        ("# nothing\n", "got 'no line'"),
    ],
)
def test_damaged_annotations(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_tuh_events(write(tmp_path, text=text).with_suffix(".csv"))


def test_unknown_class_and_missing_file(tmp_path):
    with pytest.raises(ValueError, match="classes: unknown label 'absent'"):
        read_tuh_events(write(tmp_path).with_suffix(".csv"), classes={"absent": "absence"})
    with pytest.raises(FileNotFoundError, match=r"annotation file .*none\.csv does not exist"):
        read_tuh_events(tmp_path / "none.csv")
    with pytest.raises(FileNotFoundError, match=r"recording .*none\.edf does not exist"):
        read_tuh(tmp_path / "none.edf")


def test_walk(tmp_path):
    for split, subject in [("train", "b"), ("train", "a"), ("dev", "c"), ("eval", "d")]:
        write(tmp_path, split=split, subject=subject)
    found = find_tuh(tmp_path)
    assert found["split"].tolist() == ["train", "train", "dev", "eval"]
    assert found["subject"].tolist() == ["a", "b", "c", "d"]
    first = found.iloc[0]
    assert (first["session"], first["montage"]) == ("s001_2002", "02_tcp_le")
    assert first["recording"] == "a_s001_t000"
    assert first["csv_bi"].is_file()
    assert find_tuh(tmp_path, splits=["eval"])["subject"].tolist() == ["d"]


def test_walk_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none does not exist.*config\.yaml"):
        find_tuh(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="the one that holds `edf`"):
        find_tuh(tmp_path)
    edf = write(tmp_path)
    with pytest.raises(ValueError, match="one of train, dev, eval, got 'test'"):
        find_tuh(tmp_path, splits=["test"])
    edf.with_suffix(".csv_bi").unlink()
    with pytest.raises(FileNotFoundError, match=r"no annotation file .*\.csv_bi beside it"):
        find_tuh(tmp_path, splits=["train"])


def export(edf, names):
    sfreq, n_times = 250.0, 2500
    rows = 1e-5 * np.sin(
        2 * np.pi * np.arange(1, len(names) + 1)[:, None] * np.arange(n_times) / sfreq
    )
    raw = mne.io.RawArray(rows, mne.create_info(names, sfreq, "eeg"), verbose="error")
    mne.export.export_raw(edf, raw, overwrite=True, verbose="error")
    return rows


def test_recording_with_its_events(tmp_path):
    pytest.importorskip("edfio")
    edf = write(tmp_path)
    names = [f"EEG {OLD.get(each, each).upper()}-LE" for each in reversed(TEN_TWENTY)]
    rows = export(edf, [*names, "EEG A1-LE"])
    raw = read_tuh(edf)
    assert raw.ch_names == list(TEN_TWENTY)
    assert raw.info["sfreq"] == 250.0
    # 16 bits over a range of about 20 uV: steps of 0.3 nV.
    np.testing.assert_allclose(raw.get_data()[::-1], rows[:19], atol=1e-9)
    assert events_from_raw(raw)["label"].tolist() == ["bckg", "fnsz", "cpsz", "tcsz"]
    binary = read_tuh(edf, binary=True, classes={"seiz": "seizure"})
    pd.testing.assert_frame_equal(events_from_raw(binary), events_table([2], [6.5], ["seizure"]))


def test_recording_without_an_electrode(tmp_path):
    pytest.importorskip("edfio")
    edf = write(tmp_path)
    export(edf, ["EEG FP1-REF", "EEG FP2-REF"])
    with pytest.raises(ValueError, match=r"lacks the 10-20 electrodes F7, F3.*EEG FP2-REF"):
        read_tuh(edf)
