"""Names of electrodes in the spellings of files, and recordings without EEG."""

import mne
import numpy as np
import pytest

from common.recordings import preprocess
from common.recordings.electrodes import (
    TEN_TWENTY,
    electrode,
    find_electrodes,
    require_eeg,
)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("C3", "C3"),
        (" c3 ", "C3"),
        ("C3-A2", "C3"),
        ("C3-M2", "C3"),
        ("C3:M2", "C3"),
        ("C3M2", "C3"),
        ("C3-A1A2", "C3"),
        ("C3-A1+A2", "C3"),
        ("EEG C3-REF", "C3"),
        ("EEG C3 - Ref", "C3"),
        ("EEG C3-LE", "C3"),
        ("EEG C3-AR", "C3"),
        ("C3-Avg", "C3"),
        ("POL C3", "C3"),
        ("C3..", "C3"),
        ("Fc5.", "FC5"),
        ("FP1", "Fp1"),
        ("FPZ", "Fpz"),
        ("AFZ", "AFz"),
        ("T3", "T7"),
        ("EEG T4-LE", "T8"),
        ("t5", "P7"),
        ("EEG T6-REF", "P8"),
        ("A1", "A1"),
        ("M2", "M2"),
    ],
)
def test_spellings_of_one_electrode(label, name):
    assert electrode(label) == name


@pytest.mark.parametrize(
    "label",
    ["Fp1-F7", "C3-P3", "Fpz-Cz", "A1-A2", "E35", "A12", "B3", "EEG 001", "EOG", "ECG X1", "T1",
     "EEG EKG1-REF", "STI 014", "Mark1", ""],
)  # fmt: skip
def test_what_is_no_electrode_of_the_system(label):
    assert electrode(label) is None


def test_every_name_of_the_montage_is_itself_but_the_renamed():
    names = mne.channels.make_standard_montage("colin27_1020").ch_names
    renamed = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
    for name in names:
        for label in (name, name.lower(), f"EEG {name.upper()}-REF"):
            assert electrode(label) == renamed.get(name, name)


def test_old_and_new_names_lie_on_one_side():
    places = mne.channels.make_standard_montage("colin27_1020").get_positions()["ch_pos"]
    for old in ("T3", "T4", "T5", "T6"):
        np.testing.assert_array_equal(places[old], places[electrode(old)])


def test_electrodes_are_found_in_their_order():
    labels = ["ECG", *[f"EEG {each.upper()}-REF" for each in reversed(TEN_TWENTY)]]
    assert list(find_electrodes(labels).items()) == [
        (each, 19 - i) for i, each in enumerate(TEN_TWENTY)
    ]


def test_an_electrode_that_is_there_twice_is_no_choice_made_in_silence():
    with pytest.raises(ValueError, match=r"x\.edf has T7 2 times, as 'T3' and 'EEG T7-REF'\. Drop"):
        find_electrodes(
            [*TEN_TWENTY[:7], "T3", *TEN_TWENTY[7:7], "EEG T7-REF"], ["T7"], name="x.edf"
        )
    with pytest.raises(ValueError, match=r"has C3 2 times, as 'C3-A1' and 'C3-A2'"):
        find_electrodes(["C3-A1", "C3-A2"], ["C3"])


@pytest.mark.parametrize("letter", ["E", "A"])
def test_numbers_of_a_cap_are_no_places(letter):
    cap = [f"{letter}{i}" for i in range(1, 33)]
    message = rf"lacks the 10-20 electrodes Fp1, .*It has: {letter}1, .* {letter}1 … are numbers of"
    with pytest.raises(ValueError, match=message + ".*rename its channels"):
        find_electrodes(cap)


def test_a_recording_without_eeg_says_what_it_has():
    names = ["Fp1", "a", "b", "c", "d", "x", "y", "z"]
    info = mne.create_info(names, 100.0, ["misc", *["mag"] * 4, *["bio"] * 3])
    raw = mne.io.RawArray(np.zeros((8, 1000)), info, verbose="error")
    message = (
        r"^the recording has no EEG channel; it has 1 misc \(Fp1\); 4 mag \(a, b, c, …\); "
        r"3 bio \(x, y, z\)\. "
        r"If some of these are EEG, say so with raw\.set_channel_types\("
    )
    for refuse in (require_eeg, preprocess):
        with pytest.raises(ValueError, match=message):
            refuse(raw)
    require_eeg(raw.set_channel_types({"Fp1": "eeg"}, verbose="error"))
