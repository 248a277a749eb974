"""Planted windows have the stated moments; labelled windows are split without overlap."""

import mne
import numpy as np
import pytest
import scipy.io

from common import files
from common.recordings import read_eeghdf
from common.recordings.electrodes import TEN_TWENTY
from common.selfsupervised.examples import (
    event_windows,
    flicker_windows,
    planted_windows,
    split,
    state_examples,
    template,
)
from common.selfsupervised.planted import _deviation, evoked_wave, hemisphere, leadfield, plant


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_wave_is_that_of_the_formula():
    wave = evoked_wave(300, sfreq=100.0, peak=1.3)
    assert wave[130] == 2.1
    assert wave.argmax() == 130
    # One deviation away: exp(-1) cos(2 pi 3 .15).
    assert wave[145] == pytest.approx(2.1 * np.exp(-1) * np.cos(0.9 * np.pi), rel=1e-12)
    assert evoked_wave(3, sfreq=0.5, peak=2.0).argmax() == 1  # any rate above 0


@pytest.mark.parametrize("frequency", [6.0, 10.0, 22.0])
def test_the_deviation_of_a_source_is_that_of_its_spectrum(frequency):
    poles = [1.0, -2 * 0.95 * np.cos(2 * np.pi * frequency / 128), 0.95**2]
    w = np.linspace(0, 2 * np.pi, 200_000, endpoint=False)
    z = np.exp(-1j * w)
    variance = np.mean(1 / np.abs(poles[0] + poles[1] * z + poles[2] * z**2) ** 2)
    assert _deviation(poles) == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_electrodes_have_equal_parts_of_the_upper_half():
    places = hemisphere(10)
    assert np.linalg.norm(places, axis=1) == pytest.approx(1)
    # Zones of equal height have equal areas (Archimedes); an electrode is in the middle of its own.
    assert places[:, 2] == pytest.approx(np.arange(0.95, 0, -0.1))
    turns = np.diff(np.unwrap(np.arctan2(places[:, 1], places[:, 0]))) / (2 * np.pi)
    assert turns == pytest.approx((3 - np.sqrt(5)) / 2)  # the golden angle


def test_leadfields_have_average_reference_and_unit_size():
    field = leadfield(hemisphere(32), n_sources=6, rng=rng())
    assert field.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert (field**2).mean(axis=0) == pytest.approx(1)


def test_two_electrodes_see_the_opposite():
    field = leadfield(hemisphere(16)[[0, 9]], n_sources=3, rng=rng())
    np.testing.assert_allclose(np.abs(field), 1)
    np.testing.assert_allclose(field[0], -field[1])


def test_classes_differ_by_the_wave_in_the_first_source():
    places = hemisphere(16)
    X, y, field = plant("evoked", places, n_windows=4000, n_times=152, rng=rng())
    assert abs(y.mean() - 0.5) < 1e-9
    difference = X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)
    expected = field[:, :1] * evoked_wave(152, sfreq=128.0, peak=152 / 128 / 2)
    # Each mean of 2000 windows of variance 1 + the squares of the six columns.
    error = np.sqrt(2 / 2000 * (1 + (field**2).sum(axis=1)))[:, None]
    assert np.abs(difference - expected).max() < 5 * error.max()
    variance = X[y == 0].var(axis=(0, 2))
    assert variance == pytest.approx(1 + (field**2).sum(axis=1), rel=0.05)


def test_two_windows_are_enough():
    _, y, _ = plant("evoked", hemisphere(16), n_windows=2, n_times=128, rng=rng())
    assert sorted(y) == [0, 1]


def test_frequencies_are_those_of_the_classes():
    X, y, field = plant("frequency", hemisphere(16), n_windows=400, n_times=512, rng=rng())
    source = np.einsum("c,nct->nt", np.linalg.pinv(field)[0], X)
    power = (np.abs(np.fft.rfft(source)) ** 2)[:, [36, 48]]  # 9 and 12 Hz of 0.25 Hz
    assert (power.argmax(axis=1) == y).mean() > 0.99


def test_heads_are_groups_and_their_parts_are_apart():
    channels = template(TEN_TWENTY)
    made = planted_windows(
        "evoked", channels, n_heads=2, n_windows=60, n_times=152, rngs=[rng(0), rng(1)]
    )
    assert made["X"].shape == (120, 19, 152)
    sizes = {"n_train": 30, "n_valid": 10}
    parts = split("heads", made["y"], made["group"], fold=1, n_folds=2, rng=rng(), **sizes)
    assert [len(one) for one in parts] == [30, 10, 20]
    assert (np.sort(np.concatenate(parts)) == np.arange(60, 120)).all()


def test_folds_test_each_window_once():
    y = np.arange(100) % 2
    parts = [split("stratified", y, y, fold=f, n_folds=5, rng=rng()) for f in range(5)]
    assert (np.sort(np.concatenate([test for *_, test in parts])) == np.arange(100)).all()
    assert all(len(np.unique(np.concatenate(one))) == 100 for one in parts)


def test_a_part_without_a_class_is_refused():
    y = np.array([0] * 50 + [1] * 10)
    with pytest.raises(ValueError, match="the training part of fold 0 holds 20 windows of 1"):
        split("heads", y, 0 * y, fold=0, n_folds=1, rng=rng(), n_train=20, n_valid=20)
    with pytest.raises(ValueError, match="split must be one of"):
        split("people", y, y, fold=0, n_folds=2, rng=rng())


def test_places_of_the_template_are_on_the_head_wherever_the_electrodes_are():
    few = template(["O1", "Oz", "O2"])
    many = {one["ch_name"]: one["loc"] for one in template([*TEN_TWENTY, "Oz"])}
    assert all(one["loc"] == many[one["ch_name"]] for one in few)
    assert template(["T3"])[0]["loc"] == template(["T7"])[0]["loc"]
    with pytest.raises(ValueError, match="the electrode must be one of"):
        template(["Oz", "Q1"])


def test_events_become_windows_from_their_onset():
    sfreq = 128.0
    info = mne.create_info(list(TEN_TWENTY), sfreq, "eeg")
    signal = 1e-6 * rng().standard_normal((19, 128 * 60))
    raw = mne.io.RawArray(signal, info, verbose="error").set_montage("colin27_1020")
    last = 60 - 152 / sfreq  # the last window that fits ends with the recording
    onsets = [10.0, 20.0, last, last + 1 / sfreq]
    raw.set_annotations(mne.Annotations(onsets, 0.0, ["left", "right", "right", "left"]))
    made = event_windows([raw], classes=["left", "right"], length=1.1875)
    assert made["y"].tolist() == [0, 1, 1]
    assert made["X"].shape == (3, 19, 152)
    # The second window is from 20 to 21.1875 s.
    for bad, kept in ((21.1875, [0, 1, 1]), (21.18, [0, 1]), (19.0, [0, 1]), (18.0, [0, 1, 1])):
        names = ["left", "right", "right", "left", "BAD_moves"]
        spoilt = raw.copy().set_annotations(mne.Annotations([*onsets, bad], [0] * 4 + [2], names))
        made = event_windows([spoilt], classes=["left", "right"], length=1.1875)
        assert made["y"].tolist() == kept, bad
    with pytest.raises(ValueError, match="no event up"):
        event_windows([raw], classes=["left", "up"], length=1.1875)


def test_what_all_electrodes_share_leaves_windows_of_flicker(tmp_path):
    """Average reference, before the filter; targets one after the other in each block."""
    times = np.arange(1250) / 250
    eeg = np.zeros((3, 9, 1250, 2))  # targets, electrodes, times, blocks
    eeg += 30 * np.sin(2 * np.pi * 9 * times)[:, None]  # of all electrodes
    for target in range(3):
        eeg[target, target] += 9 * np.sin(2 * np.pi * (8 + target) * times)[:, None]
        eeg[target] += 7 * np.sin(2 * np.pi * (11 + target) * times)[:, None]
    path = tmp_path / "flicker.mat"
    scipy.io.savemat(path, {"eeg": eeg})
    made = flicker_windows(path, n_targets=3, length=1.1875)
    assert made["y"].tolist() == [0, 1, 2, 0, 1, 2]
    assert np.abs(made["X"].mean(axis=1)).max() < 1e-6 * np.abs(made["X"]).max()
    # What is left is that of one electrode less a ninth of it.
    size = np.abs(made["X"][:, :3]).max(axis=(0, 2))
    for one, target in zip(made["X"], made["y"], strict=True):
        others = np.delete(one, target, axis=0)
        np.testing.assert_allclose(one[target], -8 * others[0], atol=1e-5 * size.max())
        np.testing.assert_allclose(others, others[:1].repeat(8, axis=0), atol=1e-5 * size.max())
    to_the_end = flicker_windows(path, n_targets=3, length=4.5, delay=0.5)
    assert to_the_end["X"].shape == (6, 9, 576)
    with pytest.raises(ValueError, match=r"4\.5 s from 0\.51 s on do not fit into the 5 s"):
        flicker_windows(path, n_targets=3, length=4.5, delay=0.51)


@pytest.mark.skipif(
    not files.resolve("data/raw/eeghdf-spasms.h5").exists(), reason="the recording is not fetched"
)
def test_states_are_balanced_in_each_block_and_no_more_than_asked_for():
    raw = read_eeghdf("data/raw/eeghdf-spasms.h5")
    made = state_examples(raw, length=1.1875, n_blocks=5, most=4, rng=rng())
    assert np.unique(np.stack([made["group"], made["y"]]), axis=1).shape == (2, 10)
    assert len(made["y"]) == 40
    assert made["X"].shape == (40, 19, 152)


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [("power", {}, "task must be one of"), ("evoked", {"n_windows": 1}, "n_windows must be")],
)
def test_bad_plants_are_refused(task, options, message):
    given = {"n_windows": 10, "n_times": 152, "rng": rng()} | options
    with pytest.raises(ValueError, match=message):
        plant(task, hemisphere(8), **given)
