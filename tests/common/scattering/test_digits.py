"""Spoken digits: reading, features, and a classifier on synthetic recordings."""

import io
import wave
import zipfile

import numpy as np
import pytest

from common.scattering import Scattering1D, digits

VALUES = np.random.default_rng(0).standard_normal((6, 2))


def wav(samples, *, sfreq=8000, n_channels=1):
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setparams((n_channels, 2, sfreq, 0, "NONE", ""))
        recording.writeframes(np.asarray(samples, dtype="<i2").tobytes())
    return file.getvalue()


def tone(digit, rng, length=1500):
    """A digit is a frequency here, amid noise."""
    t = np.arange(length)
    phase = rng.uniform(0, 2 * np.pi)
    x = np.cos(2 * np.pi * (0.05 + 0.03 * digit) * t + phase) + rng.standard_normal(length)
    return 3000 * x


@pytest.fixture
def archive(tmp_path):
    def make(members):
        path = tmp_path / "digits.zip"
        with zipfile.ZipFile(path, "w") as file:
            for name, content in members.items():
                file.writestr(name, content)
        return path

    return make


def test_recordings_are_scaled_centred_and_sorted(archive):
    path = archive(
        {
            "set/README.md": b"text",
            "set/recordings/1_ann_10.wav": wav([2, -4, 1]),
            "set/recordings/1_ann_9.wav": wav(np.arange(1, 13)),
            "set/recordings/0_bob_4.wav": wav([-32768, 0]),
            "set/recordings/x_bob_4.wav": b"not a digit",
        }
    )
    found = digits.read_recordings(path, n_times=8)
    assert found.digit.tolist() == [0, 1, 1] and found.take.tolist() == [4, 9, 10]
    assert found.speaker.tolist() == ["bob", "ann", "ann"]
    assert found.is_test.tolist() == [True, False, False]
    expected = [
        [0, 0, 0, -1, 0, 0, 0, 0],
        np.arange(1, 9) / 12,  # scaled by what is cut off, too
        [0, 0, 0.5, -1, 0.25, 0, 0, 0],
    ]
    np.testing.assert_allclose(found.signals, expected, rtol=1e-6)
    assert found.signals.dtype == np.float32
    assert digits.read_recordings(path, speakers=["bob"], n_times=8).speaker.tolist() == ["bob"]


def test_features_are_averages_of_logarithms():
    x = np.random.default_rng(0).standard_normal((5, 2048))
    expected = np.log(Scattering1D(5, 2048, Q=4)(x)[:, 1:] + 1e-6).mean(axis=-1)
    # Batches are only computed apart: to rounding.
    for batch_size in (2, 5, 64):
        found = digits.features(x, J=5, Q=4, batch_size=batch_size)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("signals", "error", "message"),
    [
        (np.zeros(9), ValueError, r"signals must have 2 axes, got shape \(9,\)"),
        (np.zeros((0, 9)), ValueError, r"signals is empty: its shape is \(0, 9\)"),
        (np.ma.masked_equal(np.eye(9), 1), ValueError, "signals is a masked array with 9 masked"),
        (np.eye(9) + 1j, TypeError, "signals must hold numbers, got array"),
        (np.diag([np.inf, 1.0]), ValueError, r"got inf at index \(0, 0\)"),
    ],
)
def test_what_is_no_signal_is_refused(signals, error, message):
    with pytest.raises(error, match=message):
        digits.features(signals)


def test_synthetic_digits_are_told_apart(archive):
    rng = np.random.default_rng(1)
    members = {
        f"{digit}_{speaker}_{take}.wav": wav(tone(digit, rng))
        for digit in range(4)
        for speaker in ("ann", "bob")
        for take in range(10)
    }
    found = digits.read_recordings(archive(members), n_times=2048)
    assert found.is_test.sum() == 40
    X = digits.features(found.signals, J=5, Q=4)
    # Two batches an epoch: with faster steps than the thousands of recordings need.
    fitted = digits.classify(X, found.digit, found.is_test, rng=np.random.default_rng(2), lr=0.02)
    assert fitted.train_accuracy == fitted.test_accuracy == 1  # tones are bands apart
    np.testing.assert_array_equal(fitted.predictions, found.digit)
    assert fitted.train_curve[-1] == fitted.train_accuracy
    assert fitted.test_curve[-1] == fitted.test_accuracy
    assert fitted.loss[-1] < 0.1 < fitted.loss[0]
    again = digits.classify(X, found.digit, found.is_test, rng=np.random.default_rng(2), lr=0.02)
    np.testing.assert_array_equal(again.loss, fitted.loss)


def test_the_test_recordings_do_not_act_on_the_fit():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((60, 7)), np.arange(60) % 3
    is_test = np.arange(60) < 20
    changed = X.copy()
    changed[is_test] += 100
    fits = [
        digits.classify(x, y, is_test, rng=np.random.default_rng(4), n_epochs=3)
        for x in (X, changed)
    ]
    np.testing.assert_array_equal(fits[0].loss, fits[1].loss)
    np.testing.assert_array_equal(fits[0].predictions[20:], fits[1].predictions[20:])


def test_units_of_the_features_do_not_matter_and_constant_ones_do_no_harm():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((40, 3)), np.arange(40) % 2
    X[:, 2] = 5.0
    options = {"n_epochs": 4}
    fits = [
        digits.classify(x, y, np.arange(40) < 10, rng=np.random.default_rng(6), **options)
        for x in (X, X * [1e3, 1e-3, 1] + 7)
    ]
    assert np.isfinite(fits[0].loss).all()
    # In single precision, after standardising in double.
    np.testing.assert_allclose(fits[1].loss, fits[0].loss, rtol=1e-5)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"README.md": b""}, r"digits\.zip has no file named <digit>_<speaker>_<take>\.wav"),
        ({"0_ann_0.wav": wav([1, 2])}, r"no recording of \['bob'\]; its speakers are \['ann'\]"),
        ({"0_bob_0.wav": wav([0, 0])}, "0_bob_0.wav is silent or empty"),
        ({"0_bob_0.wav": wav([])}, "0_bob_0.wav is silent or empty"),
        ({"0_bob_0.wav": wav([1, 2], sfreq=16000)}, r"1 channel\(s\) at 16000 Hz in 16 bits"),
        ({"0_bob_0.wav": wav([1, 2], n_channels=2)}, r"2 channel\(s\) at 8000 Hz"),
    ],
)
def test_a_bad_archive_is_refused(archive, members, message):
    with pytest.raises(ValueError, match=message):
        digits.read_recordings(archive(members), speakers=["bob"])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.where(np.eye(6) == 1, np.nan, 0)}, ValueError, r"X .* got nan at index \(0, 0\)"),
        ({"X": np.full((6, 2), np.inf)}, ValueError, "X must be finite, got inf"),
        ({"X": np.zeros(6)}, ValueError, r"X must have 2 axes, got shape \(6,\)"),
        ({"y": np.arange(5) % 2}, ValueError, "X has 6, y has 5, is_test has 6"),
        ({"y": np.arange(6) / 2}, TypeError, "classes as whole numbers, got float64"),
        ({"y": np.arange(6) - 1}, ValueError, "classes from 0 on, got -1"),
        ({"y": np.array([7, 0, 1, 0, 1, 0])}, ValueError, "class 7 has test recordings only"),
        ({"is_test": np.full(6, 0.5)}, ValueError, "true or false of each recording"),
        ({"rng": 0}, TypeError, "rng must be a numpy.random.Generator, got 0"),
        ({"n_epochs": 0}, ValueError, "n_epochs must be at least 1, got 0"),
        ({"batch_size": 2.5}, TypeError, "batch_size must be a whole number, got 2.5"),
        ({"lr": np.nan}, ValueError, r"lr must be above 0 and at most 1e\+06, got nan"),
        ({"lr": 1e300}, ValueError, r"lr must be .* at most 1e\+06, got 1e\+300"),
        ({"X": 1e200 * VALUES}, ValueError, r"feature 0 of X has values up to \S+e\+\d+ .* overfl"),
        (
            {"X": (1e25 * VALUES).astype(np.float32)},
            ValueError,
            r"feature 0 .* whose squares overflow in float32\. Divide it by a constant first",
        ),
        (
            {"X": VALUES * [1, 1e-200]},
            ValueError,
            r"feature 1 .* underflow in float64\. Multiply it",
        ),
        (
            {"X": (1e-30 * VALUES).astype(np.float32)},
            ValueError,
            "feature 0 .* underflow in float3",
        ),
        (
            {"X": np.where(np.arange(6)[:, None] == 1, [[0, 1e60]], VALUES)},
            ValueError,
            r"feature 1 of recording 1 of X is 1e\+60, too many times the deviation",
        ),
        ({"X": VALUES + 1j}, TypeError, "X must hold numbers, got array"),
        ({"X": np.ma.masked_greater(VALUES, 0)}, ValueError, r"X is a masked array with \d"),
        ({"y": np.ma.masked_equal(np.arange(6) % 2, 1)}, ValueError, "y is a masked .* index 1"),
        ({"is_test": np.ma.masked_equal(np.arange(6), 3) < 2}, ValueError, "is_test is a masked"),
        ({"y": np.arange(6)[:, None] % 2}, ValueError, r"y must have shape .* got \(6, 1\)"),
    ],
)
def test_what_cannot_be_classified_is_refused(change, error, message):
    given = {
        "X": VALUES, "y": np.arange(6) % 2,
        "is_test": np.arange(6) < 2, "rng": np.random.default_rng(0),
    }  # fmt: skip
    with pytest.raises(error, match=message):
        digits.classify(**(given | change))


def test_unsigned_classes_are_those_of_signed_ones():
    X, is_test = np.random.default_rng(0).standard_normal((12, 2)), np.arange(12) < 4
    fits = [
        digits.classify(
            X, (np.arange(12) % 3).astype(kind), is_test, rng=np.random.default_rng(0), n_epochs=2
        )
        for kind in (np.uint8, np.int64)
    ]
    np.testing.assert_array_equal(fits[0].loss, fits[1].loss)


@pytest.mark.parametrize("is_test", [np.zeros(4), np.ones(4)])
def test_training_and_test_both_need_recordings(is_test):
    with pytest.raises(ValueError, match=rf"{int(is_test.sum())} of 4 recordings are for the test"):
        digits.classify(np.eye(4), np.arange(4), is_test, rng=np.random.default_rng(0))
