import mne
import numpy as np
import pytest

from common.augmentation.windows import (
    SLEEP_STAGES,
    balance,
    derivations,
    imagery_windows,
    sleep_windows,
    zscore,
)
from common.recordings.electrodes import TEN_TWENTY

RNG = np.random.default_rng(0)


def raw_of(data, names, sfreq):
    return mne.io.RawArray(data, mne.create_info(names, sfreq, "eeg"), verbose="error")


def night(descriptions, *, onset=0.0, names=("Fpz-Cz", "Pz-Oz")):
    """A night as braindecode's SleepPhysionet gives it: bouts of stages of two epochs each."""
    data = 1e-5 * RNG.standard_normal((len(names), 100 * (60 * len(descriptions) + 20)))
    raw = raw_of(data, list(names), 100.0)
    starts = onset + 60.0 * np.arange(len(descriptions))
    return raw.set_annotations(mne.Annotations(starts, 60.0, descriptions))


def test_epochs_have_the_stage_of_their_bout():
    raw = night(["Sleep stage W", "Sleep stage 3", "Sleep stage ?", "Sleep stage 4",
                 "Sleep stage R", "Movement time", "Sleep stage 1", "Sleep stage 2"])  # fmt: skip
    X, y = sleep_windows(raw)
    stages = [SLEEP_STAGES[k] for k in y]
    assert stages == ["W"] * 2 + ["N3"] * 4 + ["REM"] * 2 + ["N1"] * 2 + ["N2"] * 2
    assert X.shape == (12, 2, 3000)
    assert X.dtype == np.float32


def test_an_epoch_is_cut_where_its_annotation_says_after_a_crop():
    raw = night(["Sleep stage W", "Sleep stage 2"])
    whole, _ = sleep_windows(raw)
    # Half an hour before sleep is cut off in the real nights; annotations keep their times.
    cropped, y = sleep_windows(raw.copy().crop(60.0))
    assert [SLEEP_STAGES[k] for k in y] == ["N2", "N2"]
    # A low-pass forgets its edge within a fraction of a second; the last window is far from it.
    assert cropped[-1] == pytest.approx(whole[-1], abs=1e-3)


def test_sleep_is_low_passed_and_standardised():
    raw = night(["Sleep stage 2"] * 2)
    X, _ = sleep_windows(raw)
    assert X.mean(-1) == pytest.approx(0, abs=1e-5)
    assert X.std(-1) == pytest.approx(1, abs=1e-4)
    power = np.abs(np.fft.rfft(X, axis=-1)) ** 2
    frequency = np.fft.rfftfreq(3000, 0.01)
    # White noise: 40 % of the band is above 30 Hz; the transition ends at 37.5 Hz.
    assert power[..., frequency > 38].sum() < 1e-4 * power.sum()


def test_the_order_of_channels_in_the_file_does_not_matter():
    raw = night(["Sleep stage 2"])
    turned = raw.copy().reorder_channels(["Pz-Oz", "Fpz-Cz"])
    assert np.array_equal(sleep_windows(raw)[0], sleep_windows(turned)[0])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (night(["Sleep stage 2"], names=("Fpz-Cz", "EOG")), "no channel Pz-Oz; the recording has"),
        (night(["nap"]), "no annotation says a sleep stage; there are nap"),
    ],
)
def test_nights_that_lack_something_are_errors(raw, message):
    with pytest.raises(ValueError, match=message):
        sleep_windows(raw)


def run_of_imagery(cues, length=40.0):
    names = ["C3", "C4", "EOG"]
    raw = raw_of(1e-5 * RNG.standard_normal((3, int(250 * length))), names, 250.0)
    raw.set_channel_types({"EOG": "eog"})
    labels = [("tongue", "feet", "left_hand", "right_hand")[k % 4] for k in range(len(cues))]
    return raw.set_annotations(mne.Annotations(cues, 3.0, labels))


def test_trials_go_from_half_a_second_before_the_cue_to_four_after():
    raw = run_of_imagery([5.0, 12.0, 20.0, 30.0])
    X, y, names = imagery_windows(raw)
    assert X.shape == (4, 2, 1125)
    assert y.tolist() == [3, 2, 0, 1]
    assert names == ["C3", "C4"]
    # A pulse at the cue comes to sample 125. Its neighbours ring with it, and the one before is not
    # yet divided by a variance that holds the pulse.
    raw.load_data()
    raw._data[0, 250 * 12] += 1e-2
    X, _, _ = imagery_windows(raw)
    assert abs(np.abs(X[1, 0]).argmax() - 125) <= 1


def test_trials_are_standardised_over_the_run():
    X, _, _ = imagery_windows(run_of_imagery(np.arange(5, 60, 6.0), length=70))
    # Stationary noise: exponentially weighted moments of 1000 samples are off by some percent.
    assert X.std() == pytest.approx(1, abs=0.1)


def test_a_step_of_amplitude_is_forgotten_at_the_rate_of_braindecode():
    raw = run_of_imagery([36.0, 40.0, 46.0, 52.0], length=60).load_data()
    step, factor, rate = 250 * 40, 10.0, 1e-3
    raw._data[:, step:] *= factor
    # The trial without the half second before the cue: the samples after the step.
    power = imagery_windows(raw, before=0.0)[0][1] ** 2
    # The moving variance turns from 1 to factor^2, by `rate` of what is missing with each sample.
    k = np.arange(1, power.shape[1] + 1)
    expected = factor**2 / (1 + (factor**2 - 1) * (1 - (1 - rate) ** k))
    # Means over 200 samples, of which about 55 are independent in that band, in two channels.
    ratio = (power / expected).mean(0)[200:1000].reshape(4, 200).mean(1)
    assert ratio == pytest.approx(1, abs=5 * np.sqrt(2 / 110))


@pytest.mark.parametrize("cues", [[5.0, 12.0, 20.0, 36.5], [0.25, 12.0, 20.0, 36.0]])
def test_a_trial_that_is_cut_off_is_an_error(cues):
    message = rf"lies outside the run of 40 s; cues from {cues[0]:g} to {cues[-1]:g} s"
    with pytest.raises(ValueError, match=message):
        imagery_windows(run_of_imagery(cues))


def test_trials_may_begin_and_end_with_the_run():
    X, _, _ = imagery_windows(run_of_imagery([0.5, 12.0, 20.0, 36.0]))
    assert X.shape == (4, 2, 1125) and np.isfinite(X).all()


def test_derivations_are_differences_of_potentials():
    data = RNG.standard_normal((19, 10))
    raw = raw_of(data, list(TEN_TWENTY), 100.0)
    at = dict(zip(TEN_TWENTY, data, strict=True))
    fpz, pz = derivations(raw)
    assert fpz == pytest.approx((at["Fp1"] + at["Fp2"]) / 2 - at["Cz"])
    assert pz == pytest.approx(at["Pz"] - (at["O1"] + at["O2"]) / 2)
    # A potential common to all electrodes, such as another reference, cancels.
    other = derivations(raw_of(data + 3.0, list(TEN_TWENTY), 100.0))
    assert other == pytest.approx(np.stack([fpz, pz]))


@pytest.mark.parametrize("constant", [0.1, -0.1, 0.0])
def test_a_constant_channel_is_zero(constant):
    X = np.stack([np.full((2, 50), constant), RNG.standard_normal((2, 50))])
    scaled = zscore(X)
    assert (scaled[0] == 0).all()
    assert scaled[1].std(-1) == pytest.approx(1, abs=1e-5)


def test_balance_keeps_the_rarest_number_in_each_stratum():
    y = np.repeat([0, 1, 0, 1], [5, 3, 2, 9])
    strata = np.repeat([0, 1], [8, 11])
    kept = balance(y, strata=strata, rng=np.random.default_rng(0))
    counts = [np.bincount(y[kept][strata[kept] == s]).tolist() for s in (0, 1)]
    assert counts == [[3, 3], [2, 2]]
    assert np.bincount(y[balance(y, rng=np.random.default_rng(0))]).tolist() == [7, 7]


def test_a_stratum_without_a_class_is_an_error():
    with pytest.raises(ValueError, match=r"stratum 1 has no example of a class: \{0: 2, 1: 0\}"):
        balance([0, 1, 0, 0], strata=[0, 0, 1, 1], rng=np.random.default_rng(0))


def test_epochs_in_which_the_signal_is_bad_are_left_out():
    raw = night(["Sleep stage W", "Sleep stage 2"])
    marked = raw.copy()
    marked.annotations.append(70.0, 5.0, "BAD_muscle")
    whole, _ = sleep_windows(raw)
    with pytest.warns(
        UserWarning, match="1 of 4 windows are left out.*'BAD_muscle', in the window at 60 s"
    ):
        X, y = sleep_windows(marked)
    np.testing.assert_array_equal(X, whole[[0, 1, 3]])
    assert [SLEEP_STAGES[k] for k in y] == ["W", "W", "N2"]
    marked.annotations.append(0.0, 120.0, "BAD_all")
    with (
        pytest.warns(UserWarning, match="4 of 4"),
        pytest.raises(ValueError, match="none of 4 epochs of 30 s with a stage lies within"),
    ):
        sleep_windows(marked)


def test_derivations_know_the_electrodes_in_other_spellings():
    data = RNG.standard_normal((19, 100))
    expected = derivations(raw_of(data, list(TEN_TWENTY), 100.0))
    spelt = [f"EEG {each.upper()}-REF" for each in TEN_TWENTY]
    np.testing.assert_array_equal(derivations(raw_of(data, spelt, 100.0)), expected)
    with pytest.raises(ValueError, match=r"lacks the electrodes O1\. It has: EEG FP1-REF"):
        derivations(raw_of(data[:17], spelt[:17], 100.0).rename_channels({"EEG P4-REF": "O2"}))
