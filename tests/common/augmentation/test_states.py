"""Windows of sleep and wakefulness, on simulated recordings with the notes of the real ones."""

import mne
import numpy as np
import pytest

from common.augmentation import states
from common.augmentation.states import STATES, sleep_wake_windows

SETTINGS = {"sfreq": 64, "length": 4, "high": 30, "n_blocks": 4}
NOTES = {
    "child": [
        (0, "quietly sleeping"),
        (300, "awakened pt"),
        (500, "PHOTO 2Hz"),
        (540, "PHOTO 20Hz"),
        (700, "HV START"),
        (760, "POST HV 02:00"),
    ],
    "infant": [
        (0, "quietly sleeping"),
        (260, "awakening pt"),
        (420, "PHOTO 2Hz"),
        (500, "removed neckroll"),
    ],
}


def recording(path):
    """2 Hz while asleep, 8 Hz after, as the difference of electrodes."""
    notes, sfreq, end = NOTES[path], 128, 1000
    time = np.arange(end * sfreq) / sfreq
    wave = np.where(time < notes[1][0], np.sin(4 * np.pi * time), np.sin(16 * np.pi * time))
    data = np.zeros((6, len(time)))
    data[[0, 1, 3]] = 1e-5 * wave
    data += 1e-7 * np.random.default_rng(0).standard_normal(data.shape)
    info = mne.create_info(["Fp1", "Fp2", "Cz", "Pz", "O1", "O2"], sfreq, "eeg")
    raw = mne.io.RawArray(data, info, verbose="error")
    starts, names = zip(*notes, strict=True)
    return raw.set_annotations(mne.Annotations(starts, [0] * len(starts), names))


@pytest.fixture
def examples(monkeypatch):
    monkeypatch.setattr(states, "read_eeghdf", recording)
    monkeypatch.setattr(states.files, "require", lambda path: path)
    return sleep_wake_windows("child", "infant", **SETTINGS, rng=np.random.default_rng(0))


def test_windows_have_the_state_of_their_time(examples):
    X, y = examples["X"], examples["y"]
    power = np.abs(np.fft.rfft(X)) ** 2
    peak = np.fft.rfftfreq(256, 1 / 64)[power.sum(1).argmax(1)]
    np.testing.assert_allclose(peak, np.where(y == STATES.index("asleep"), 2, 8))


def test_windows_are_standardised_and_balanced_in_every_block(examples):
    X, y = examples["X"], examples["y"]
    assert X.shape[1:] == (2, 256) and X.dtype == np.float32
    np.testing.assert_allclose(X.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(X.std(-1), 1, atol=1e-4)
    for recording_number in (0, 1):
        for block in range(4):
            here = (examples["recording"] == recording_number) & (examples["group"] == block)
            assert (y[here] == 0).sum() == (y[here] == 1).sum() > 0


def test_bad_input_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(states, "read_eeghdf", recording)
    monkeypatch.setattr(states.files, "require", lambda path: path)
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator"):
        sleep_wake_windows("child", "infant", **SETTINGS, rng=0)
    with pytest.raises(ValueError, match="sfreq must be above 0 Hz, got 0"):
        sleep_wake_windows(
            "child", "infant", **(SETTINGS | {"sfreq": 0}), rng=np.random.default_rng(0)
        )
    with pytest.raises(ValueError, match="the note 'awakening pt' occurs 0 times"):
        sleep_wake_windows("child", "child", **SETTINGS, rng=np.random.default_rng(0))
