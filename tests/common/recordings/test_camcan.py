"""A cohort of three subjects and a few seconds, in a folder like that of Cam-CAN."""

import mne
import numpy as np
import pytest

from common.recordings import find_camcan, read_camcan

TABLE = "participant_id\tage\thand\nCC3\t71.5\t1\nCC1\t24\t1\nsub-CC2\t48\t-1\nCC4\t60\t1\n"


def name_of(subject):
    return f"mf2pt2_sub-{subject}_ses-rest_task-rest_meg.fif"


@pytest.fixture
def folder(tmp_path):
    """Names alone: finding opens no recording."""
    (tmp_path / "participants.tsv").write_text(TABLE)
    for subject in ("CC1", "CC2", "CC3"):
        inside = tmp_path / f"sub-{subject}" / "ses-rest" / "meg"
        inside.mkdir(parents=True)
        (inside / name_of(subject)).write_bytes(b"")
    return tmp_path


def test_subjects_with_ages_in_order(folder):
    found = find_camcan(folder, n_subjects=3)
    assert found["subject"].tolist() == ["CC1", "CC2", "CC3"]
    assert found["age"].tolist() == [24.0, 48.0, 71.5]
    assert [fif.name for fif in found["fif"]] == [name_of(s) for s in ("CC1", "CC2", "CC3")]


@pytest.mark.parametrize(
    "name",
    [
        "sub-CC4_ses-smt_task-smt_meg.fif",
        "sub-CC4_ses-passive_task-passive_meg.fif",
        "sub-CC4_ses-rest_task-rest_split-02_meg.fif",
        "sub-CC4_ses-rest_task-rest_meg.json",
        "sub-CC4_ses-rest_task-resting_meg.fif",
    ],
)
def test_other_files_are_not_recordings_at_rest(folder, name):
    (folder / name).write_bytes(b"")
    assert len(find_camcan(folder)) == 3


@pytest.mark.parametrize(
    "name",
    [
        "sub-CC4_task-rest_meg.fif",
        "sub-CC4_ses-rest_task-rest_proc-sss_meg.fif",
        "sub-CC4_ses-rest_task-rest_split-01_meg.fif",
    ],
)
def test_other_spellings_are(folder, name):
    (folder / name).write_bytes(b"")
    assert find_camcan(folder, n_subjects=4)["subject"].iloc[-1] == "CC4"


def test_another_number_of_subjects_names_who_is_missing(folder):
    with pytest.raises(ValueError, match=r"3 subjects .* expected 4\. In the table.*file: CC4\."):
        find_camcan(folder, n_subjects=4)
    (folder / name_of("CC4")).write_bytes(b"")
    with pytest.raises(ValueError, match=r"4 subjects .* expected 3\. .*file: nobody\."):
        find_camcan(folder, n_subjects=3)


def test_two_recordings_of_a_subject(folder):
    (folder / "sub-CC2_ses-rest_task-rest_meg.fif").write_bytes(b"")
    with pytest.raises(ValueError, match=r"subject CC2 has two recordings at rest, .*mf2pt2_sub"):
        find_camcan(folder)


def test_recording_without_age(folder):
    for subject in ("CC4", "CC5"):
        (folder / name_of(subject)).write_bytes(b"")
    (folder / "participants.tsv").write_text(TABLE.replace("CC4\t60", "CC4\tn/a"))
    with pytest.raises(ValueError, match=r"participants\.tsv gives no age for CC4, CC5, of whom"):
        find_camcan(folder)


def test_no_recording(tmp_path):
    (tmp_path / "participants.tsv").write_text(TABLE)
    with pytest.raises(FileNotFoundError, match=r"no recording .*task-rest"):
        find_camcan(tmp_path)


def test_no_table(folder):
    (folder / "participants.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"participants\.tsv does not exist.*config\.yaml"):
        find_camcan(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TABLE.replace("age", "years"), "lacks the column age; it has: participant_id, years"),
        (TABLE.replace("participant_id", "CCID"), "lacks the column participant_id; it has: CCID"),
        (TABLE + "sub-CC1\t25\t1\n", "names the participant CC1 twice"),
    ],
)
def test_damaged_table(folder, text, message):
    (folder / "participants.tsv").write_text(text)
    with pytest.raises(ValueError, match=message):
        find_camcan(folder)


def write(fif, kinds, sfreq=500.0, seconds=4):
    """Channel k: a sine of 4 + k Hz with an amplitude of k + 1 pT."""
    times = np.arange(round(sfreq * seconds)) / sfreq
    hertz = 4 + np.arange(len(kinds))[:, None]
    X = 1e-12 * (1 + np.arange(len(kinds))[:, None]) * np.sin(2 * np.pi * hertz * times)
    info = mne.create_info([f"MEG{9 - k:02d}1" for k in range(len(kinds))], sfreq, kinds)
    mne.io.RawArray(X, info, verbose="error").save(fif, verbose="error")


def test_magnetometers_by_name_in_femtotesla(tmp_path):
    write(tmp_path / "a_meg.fif", ["mag", "grad", "mag", "eog"])
    X, names = read_camcan(tmp_path / "a_meg.fif", sfreq=100)
    assert names == ["MEG071", "MEG091"]  # the order of the names, not of the file
    times = np.arange(400) / 100
    expected = [3e3 * np.sin(2 * np.pi * 6 * times), 1e3 * np.sin(2 * np.pi * 4 * times)]
    # Files hold single precision; the edges of a resampled signal ring.
    np.testing.assert_allclose(X[:, 20:-20], np.array(expected)[:, 20:-20], atol=30)


def test_no_magnetometer(tmp_path):
    write(tmp_path / "a_meg.fif", ["grad", "eog"])
    with pytest.raises(ValueError, match=r"a_meg\.fif has no magnetometer, only: eog, grad\."):
        read_camcan(tmp_path / "a_meg.fif", sfreq=100)
