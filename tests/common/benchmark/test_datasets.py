"""Embedded and simulated data sets, and paradigms with the paper's settings."""

import mne
import numpy as np
import pandas as pd
import pytest
import scipy.io

from common import files, registry
from common.benchmark import datasets, embedded, evaluation
from common.recordings.ts import read_ts, restore_channels

here = {
    name: all(files.resolve(registry.path(raw)).is_file() for raw in one["raw"])
    for name, one in datasets.EMBEDDED.items()
}


def needs(name):
    return pytest.mark.skipif(not here[name], reason=f"fetch {datasets.EMBEDDED[name]['raw']}")


def trials_of(name, evaluated, subject=1, **options):
    return evaluation.load_trials(evaluated, datasets.make(name, **options), subject)


@pytest.mark.parametrize(
    ("name", "shape", "counts", "metric"),
    [
        pytest.param(
            "SSVEPSample", (240, 9, 1215), {"8.0": 6, "15.8": 6}, "accuracy",
            marks=needs("SSVEPSample"),
        ),
        pytest.param(
            "FingerMovements", (416, 16, 50), {"left_hand": 208, "right_hand": 208}, "roc_auc",
            marks=needs("FingerMovements"),
        ),
        pytest.param(
            "SelfRegulation", (561, 1, 896), {"negativity": 282, "positivity": 279}, "roc_auc",
            marks=needs("SelfRegulation"),
        ),
        pytest.param(
            "AudioVisual", (288, 10, 76), {"Target": 145, "NonTarget": 143}, "roc_auc",
            marks=needs("AudioVisual"),
        ),
    ],
)  # fmt: skip
def test_embedded_recordings_are_whole(name, shape, counts, metric):
    X, y, metadata, scoring = trials_of(name, datasets.EMBEDDED[name]["paradigm"])
    assert X.shape == shape
    assert {label: int((y == label).sum()) for label in counts} == counts
    assert scoring == metric
    assert 1 < X.std() < 20  # µV
    assert len(metadata) == len(y)


def unfiltered(dataset):
    """Trials that MOABB cuts when nothing is filtered, in the data set's order, in V."""
    (sessions,) = dataset.get_data([1]).values()
    for session in sessions.values():
        for raw in session.values():
            onsets = np.flatnonzero(raw.get_data("stim")[0])
            codes = raw.get_data("stim")[0, onsets]
            first, last = (round(each * raw.info["sfreq"]) for each in dataset.interval)
            data = raw.get_data("eeg")
            cut = np.stack([data[:, onset + first : onset + last + 1] for onset in onsets])
            yield cut, codes


@needs("SSVEPSample")
def test_trials_of_the_ssvep_sample_are_the_files():
    """Up to the mean of each trial, from 0.14 s on: sample 35."""
    eeg = scipy.io.loadmat(files.resolve(registry.path("meegkit-trca")))["eeg"]
    ((cut, codes),) = unfiltered(datasets.make("SSVEPSample", n_targets=5, duration=1.0))
    assert codes.tolist() == [1, 2, 3, 4, 5] * 6
    for block, target in ((0, 0), (2, 3), (5, 4)):
        whole = eeg[target, :, :, block]
        expected = (whole - whole.mean(axis=1, keepdims=True))[:, 35:285]
        np.testing.assert_allclose(1e6 * cut[5 * block + target], expected, atol=1e-9)


@needs("FingerMovements")
def test_trials_of_finger_movements_are_the_files():
    runs = list(unfiltered(datasets.make("FingerMovements")))
    for (cut, codes), name in zip(runs, datasets.EMBEDDED["FingerMovements"]["raw"], strict=True):
        cases = read_ts(registry.path(name))
        expected = restore_channels(cases.X)
        expected = expected - expected.mean(axis=-1, keepdims=True)
        np.testing.assert_allclose(1e6 * cut, expected, atol=1e-9)
        assert (np.where(codes == 1, "left", "right") == cases.y).all()


def made_up_ts(path, labels, *, n_channels, n_times, n_whole):
    """A .ts file whose channels are windows of one series; the channels that it holds whole."""
    row = np.random.default_rng(0).standard_normal((len(labels), n_channels * (n_channels - 1)))
    row = np.concatenate([row, np.ones((len(labels), n_times))], axis=1).cumsum(axis=1).round(3)
    windows = row[:, n_channels * np.arange(n_channels)[:, None] + np.arange(n_times)]
    cases = [
        ":".join(",".join(map(str, channel)) for channel in case) + f":{label}"
        for case, label in zip(windows, labels, strict=True)
    ]
    names = " ".join(dict.fromkeys(labels))
    header = ["@problemName made-up", f"@classLabel true {names}", "@data"]
    path.write_text("\n".join([*header, *cases]) + "\n")
    whole = row[:, : n_whole * n_times].reshape(len(labels), n_whole, n_times)
    return whole - whole.mean(axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("name", "labels", "shape"),
    [
        (
            "FingerMovements", ("left", "right"),
            {"n_channels": 28, "n_times": 50, "n_whole": 16},
        ),
        (
            "SelfRegulation", ("negativity", "positivity"),
            {"n_channels": 6, "n_times": 896, "n_whole": 1},
        ),
    ],
)  # fmt: skip
def test_competition_trials_are_whole_without_the_recording(
    tmp_path, monkeypatch, name, labels, shape
):
    """Made-up cases in the file's form: MOABB must cut all of each."""
    expected = made_up_ts(tmp_path / "cases.ts", [*labels] * 2 + [labels[1]], **shape)
    monkeypatch.setattr(embedded, "_file", lambda name: tmp_path / "cases.ts")
    runs = list(unfiltered(datasets.make(name)))
    assert len(runs) == 2  # its two parts
    for cut, codes in runs:
        np.testing.assert_allclose(1e6 * cut, expected, atol=1e-9)
        assert codes.tolist() == [1, 2, 1, 2, 2]


def test_the_two_parts_of_self_regulation_are_sessions(tmp_path, monkeypatch):
    shape = {"n_channels": 6, "n_times": 896, "n_whole": 1}
    made_up_ts(tmp_path / "cases.ts", ["negativity", "positivity"], **shape)
    monkeypatch.setattr(embedded, "_file", lambda name: tmp_path / "cases.ts")
    (sessions,) = datasets.make("SelfRegulation").get_data([1]).values()
    assert [list(runs) for runs in sessions.values()] == [["0"], ["0"]]


def test_ssvep_trials_come_block_after_block_without_the_recording(tmp_path, monkeypatch):
    """Made-up values in the file's form, of 3 of 4 targets, from 0.2 s on for 1 s."""
    eeg = np.random.default_rng(0).standard_normal((4, 9, 1250, 2))
    scipy.io.savemat(tmp_path / "eeg.mat", {"eeg": eeg})
    monkeypatch.setattr(embedded, "_file", lambda name: tmp_path / "eeg.mat")
    ((cut, codes),) = unfiltered(datasets.make("SSVEPSample", n_targets=3, delay=0.2, duration=1.0))
    assert codes.tolist() == [1, 2, 3] * 2
    centred = (eeg - eeg.mean(axis=2, keepdims=True))[:3, :, 50:300]
    expected = [centred[target, :, :, block] for block in (0, 1) for target in range(3)]
    np.testing.assert_allclose(1e6 * cut, expected, atol=1e-9)


def test_ssvep_targets_are_numbered_as_on_the_recordings_keyboard():
    """Rows of eight, 1 Hz apart; each row 0.2 Hz above the one before."""
    names = list(datasets.make("SSVEPSample").event_id)
    assert sorted(map(float, names)) == pytest.approx(np.arange(8, 15.9, 0.2))
    assert names[:9] == ["8.0", "9.0", "10.0", "11.0", "12.0", "13.0", "14.0", "15.0", "8.2"]
    # To the end, 5 s after the onset: 1,215 samples from 0.14 s on, both ends of the interval in.
    first, last = datasets.make("SSVEPSample").interval
    assert round((last - first) * 250) + 1 == 1215


def test_tones_are_targets_and_begin_at_the_onset_without_the_recording(tmp_path, monkeypatch):
    """A made-up table in the file's form: 91 rows a trial, the onset in the 16th."""
    rng = np.random.default_rng(0)
    conditions = ["audio/left", "visual/right", "audio/right"]
    table = pd.DataFrame(
        {
            "Label": np.repeat(np.arange(3), 91),
            "Condition": np.repeat(conditions, 91),
            "Time": np.tile((np.arange(91) - 15) / 150, 3),
            "EEG 001": rng.standard_normal(273),
            "EEG 014": rng.standard_normal(273),
        }
    )
    table.to_csv(tmp_path / "erp.csv", index=False)
    monkeypatch.setattr(embedded, "_file", lambda name: tmp_path / "erp.csv")
    monkeypatch.setattr(files, "read_csv", lambda path: pd.read_csv(path))
    ((cut, codes),) = unfiltered(datasets.make("AudioVisual"))
    made = datasets.make("AudioVisual")
    assert codes.tolist() == [made.event_id[n] for n in ("Target", "NonTarget", "Target")]
    values = table[["EEG 001", "EEG 014"]].to_numpy().reshape(3, 91, 2).transpose(0, 2, 1)
    centred = values - values.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(cut, centred[..., 15:], atol=1e-12)


@needs("AudioVisual")
def test_trials_of_tones_and_checkerboards_are_the_files():
    table = files.read_csv(registry.path("neurokit2-erp"))
    ((cut, codes),) = unfiltered(datasets.make("AudioVisual"))
    trial = table[table["Label"] == 17]
    channels = [name for name in table if name.startswith("EEG")]
    values = trial[channels].to_numpy().T
    expected = (values - values.mean(axis=1, keepdims=True))[:, trial["Time"] > -0.001]
    np.testing.assert_allclose(cut[17], expected, atol=1e-15)
    condition = trial["Condition"].iloc[0]
    assert (codes[17] == 2) == condition.startswith("audio")


@needs("SSVEPSample")
def test_frequencies_of_targets_are_where_the_spectrum_says():
    """Over all trials of a target, the strongest of the eight frequencies is its own."""
    ((cut, codes),) = unfiltered(datasets.make("SSVEPSample", n_targets=8))
    names = [float(name) for name in datasets.make("SSVEPSample", n_targets=8).event_id]
    time = np.arange(cut.shape[-1]) / 250
    power = [np.abs(cut @ np.exp(-2j * np.pi * f * time)).sum(axis=1) ** 2 for f in names]
    mean = np.stack([np.mean(np.array(power)[:, codes == code], axis=1) for code in range(1, 9)])
    assert mean.argmax(axis=1).tolist() == list(range(8))


def test_neighbouring_trials_do_not_reach_into_each_other():
    """What a trial is after filtering depends little on the trial before it."""
    from common.benchmark.embedded import _continuous

    rng = np.random.default_rng(0)
    trials = 1e-5 * rng.standard_normal((3, 2, 100))
    louder = trials.copy()
    louder[0] *= 10
    cuts = []
    for each in (trials, louder):
        raw = _continuous(each, [1, 2, 1], ("C3", "C4"), 100.0).filter(
            8, 32, method="iir", verbose="error"
        )
        onset = np.flatnonzero(raw.get_data("stim")[0])[1]
        cuts.append(raw.get_data("eeg")[:, onset : onset + 100])
    # The first trial grew by ten; the ringing of the band's filter has died away by then.
    assert np.abs(cuts[1] - cuts[0]).max() < 1e-4 * np.abs(cuts[0]).max()


def test_a_trial_is_continued_by_its_mirror_image_which_fades_to_zero():
    trials = np.random.default_rng(0).standard_normal((2, 3, 200))
    raw = embedded._continuous(trials, [7, 5], ("C3", "C4", "Cz"), 100.0, onset=20)
    data, centred = raw.get_data("eeg"), trials - trials.mean(axis=-1, keepdims=True)
    assert data.shape == (3, 2 * (150 + 200 + 150))  # 1.5 s before and after
    stim = raw.get_data("stim")[0]
    assert {int(at): int(stim[at]) for at in np.flatnonzero(stim)} == {170: 7, 670: 5}
    # A raised cosine, sampled between the samples: k + 1/2 of 150.
    rising = np.sin(np.pi / 2 * (np.arange(150) + 0.5) / 150) ** 2
    for trial, begin in enumerate((0, 500)):
        piece = data[:, begin : begin + 500]
        np.testing.assert_allclose(piece[:, 150:350], centred[trial], atol=1e-12)
        before, after = centred[trial][:, 150:0:-1], centred[trial][:, -2:-152:-1]
        np.testing.assert_allclose(piece[:, :150], before * rising, atol=1e-12)
        np.testing.assert_allclose(piece[:, 350:], after * rising[::-1], atol=1e-12)


def added(paradigm, effect, subject=1, **options):
    """What an effect adds to each trial, in V, and its class; the same noise is left out."""
    records = [
        embedded.Simulated(
            paradigm, n_subjects=2, n_trials=4, effect=one, **options
        )._get_single_subject_data(subject)["0"]["0"]
        for one in (effect, 0.0)
    ]
    change = records[0].get_data("eeg") - records[1].get_data("eeg")
    stim, sfreq = records[0].get_data("stim")[0], records[0].info["sfreq"]
    onsets = np.flatnonzero(stim)
    n_times = round(embedded._SIMULATED_SECONDS[paradigm] * sfreq) + 1
    rest = change.copy()
    for onset in onsets:
        rest[:, onset : onset + n_times] = 0
    assert not rest.any()
    trials = np.stack([change[:, onset : onset + n_times] for onset in onsets])
    return trials, stim[onsets], np.arange(n_times) / sfreq


def test_a_simulated_target_is_followed_by_a_bump_after_0_3_s():
    trials, codes, time = added("p300", 2.0)
    target = codes == 1
    assert (target.sum(), (~target).sum()) == (4, 16)  # a fifth of all trials
    assert not trials[~target].any()
    # A Gaussian of standard deviation 50 ms, largest at 0.3 s, the same in every trial; of one
    # source, so the same in every channel but for a factor.
    bump = np.exp(-0.5 * ((time - 0.3) / 0.05) ** 2)
    factors = (trials @ bump) / (bump @ bump)
    np.testing.assert_allclose(trials[target], factors[target][:, :, None] * bump, atol=1e-15)
    np.testing.assert_allclose(factors[target], factors[target][[0]].repeat(4, axis=0), rtol=1e-9)
    twice, *_ = added("p300", 4.0)
    np.testing.assert_allclose(twice, 2 * trials, atol=1e-15)


def test_a_simulated_flicker_is_a_sine_and_its_second_harmonic_at_half_the_amplitude():
    trials, codes, time = added("ssvep", 2.0)
    for code, frequency in enumerate((9.0, 11.0, 13.0), 1):
        angle = 2 * np.pi * frequency * time
        basis = np.stack([f(k * angle) for k in (1, 2) for f in (np.sin, np.cos)])
        mine = trials[codes == code].reshape(-1, len(time))
        found = np.linalg.lstsq(basis.T, mine.T, rcond=None)[0]
        np.testing.assert_allclose(basis.T @ found, mine.T, atol=1e-15)
        first, second = np.hypot(*found[:2]), np.hypot(*found[2:])
        np.testing.assert_allclose(second, first / 2, rtol=1e-9)
        np.testing.assert_allclose(found[1], 0, atol=1e-15)  # a sine from the onset on


def test_effects_of_simulated_subjects_have_the_mean_that_was_asked_for():
    # A gamma distribution of shape 2: the mean of 400 has a standard error of 2 × 0.71 / 20.
    sizes = []
    for subject in range(1, 401):
        made = embedded.Simulated("p300", n_subjects=400, n_trials=1, effect=2.0)
        made._record = lambda rng, size, mixing: sizes.append((size, mixing))
        made._get_single_subject_data(subject)
    size, mixing = map(np.array, zip(*sizes, strict=True))
    assert size.mean() == pytest.approx(2.0, abs=4 * 2 * 0.71 / 20)
    assert size.std() == pytest.approx(2 * np.sqrt(0.5), rel=0.2)
    assert np.all(size > 0)
    np.testing.assert_allclose(mixing.mean(axis=0), np.eye(8), atol=5 * 0.4 / 20)
    assert mixing.std(axis=0).mean() == pytest.approx(0.4, rel=0.02)


def test_noise_has_a_power_of_one_over_the_frequency_and_unit_variance():
    noise = embedded._pink(np.random.default_rng(0).standard_normal((200, 1001)))
    assert noise.shape == (200, 1001)
    np.testing.assert_allclose(noise.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(noise.std(axis=1), 1)
    power = (np.abs(np.fft.rfft(noise)) ** 2).mean(axis=0)[1:] * np.arange(1, 501)
    # Of 200 rows the mean has a relative error of 1/√200, over 100 frequencies a tenth of it; the
    # scaling to unit variance adds as much.
    bands = power.reshape(5, 100).mean(axis=1)
    np.testing.assert_allclose(bands, bands.mean(), rtol=0.05)


def test_simulated_trials_leave_half_a_second_between_them():
    raw = embedded.Simulated("p300", n_trials=3)._get_single_subject_data(1)["0"]["0"]
    onsets = np.flatnonzero(raw.get_data("stim")[0])
    n_times = round(0.8 * 128) + 1
    assert onsets[0] == 192  # 1.5 s
    assert set(np.diff(onsets)) == {n_times + 64}
    assert raw.n_times == onsets[-1] + n_times + 64 + 192
    # Noise of unit variance in each source is 10 µV, mixed.
    assert 5e-6 < raw.get_data("eeg").std() < 3e-5


@pytest.mark.parametrize("paradigm", ["imagery", "p300", "ssvep"])
def test_simulated_subjects_are_reproducible_and_differ(paradigm):
    evaluated = {"imagery": "left_right"}.get(paradigm, paradigm)
    options = {"paradigm": paradigm, "n_subjects": 2, "n_trials": 5, "n_sessions": 2}
    first, _, metadata, _ = trials_of("Simulated", evaluated, 1, **options)
    again, *_ = trials_of("Simulated", evaluated, 1, **options, seed=0)
    other, *_ = trials_of("Simulated", evaluated, 2, **options)
    changed, *_ = trials_of("Simulated", evaluated, 1, **options, seed=1)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert not np.allclose(first, changed)
    assert metadata["session"].unique().tolist() == ["0", "1"]
    per_session = {"imagery": 10, "p300": 25, "ssvep": 15}[paradigm]
    assert (metadata["session"] == "0").sum() == per_session
    assert 1 < first.std() < 30


def test_simulated_effects_are_found_and_their_absence_too():
    strong = {"n_subjects": 3, "n_trials": 25, "effect": 3.0}
    none = {**strong, "effect": 0.0}
    found = [
        evaluation.evaluate("left_right", "Simulated", 2, ["MDM"], options=one)["score"].item()
        for one in (strong, none)
    ]
    assert found[0] > 0.9
    assert 0.2 < found[1] < 0.8  # AUC of 50 trials without a difference: deviation about 0.08


def test_simulated_imagery_changes_a_rhythm_of_8_to_12_hz_and_nothing_before():
    without, strong = (
        datasets.make(
            "Simulated", n_subjects=1, n_trials=5, effect=effect
        )._get_single_subject_data(1)["0"]["0"]
        for effect in (0.0, 50.0)
    )
    change = strong.get_data("eeg") - without.get_data("eeg")
    sfreq, onsets = without.info["sfreq"], np.flatnonzero(without.get_data("stim")[0])
    assert not change[:, : onsets[0]].any()
    n_times = int(3 * sfreq)  # the length of a trial
    trial = change[:, onsets[1] : onsets[1] + n_times] * np.hanning(n_times)
    power, frequency = np.abs(np.fft.rfft(trial)) ** 2, np.fft.rfftfreq(n_times, 1 / sfreq)
    # The band-pass falls by 36 dB an octave beyond the band; a hundredth lies outside 7 to 13 Hz.
    assert power[:, (frequency > 7) & (frequency < 13)].sum() > 0.99 * power.sum()


def test_paradigms_have_the_papers_settings():
    hands = datasets.make("Simulated")
    three = datasets.make("Simulated", events=["left_hand", "right_hand", "feet"])
    band = datasets.paradigm("left_right", hands)
    assert (band.filters, band.scoring, band.tmin, band.tmax) == ([[8, 32]], "roc_auc", 0.0, None)
    bank = datasets.paradigm("mi_all", three, bank=True)
    assert [list(one) for one in bank.filters] == [[f, f + 4] for f in range(8, 32, 4)]
    assert list(bank.used_events(three)) == ["left_hand", "right_hand", "feet"]
    assert bank.scoring == "accuracy"
    two = datasets.paradigm("right_hand_feet", three, resample=128)
    assert (list(two.used_events(three)), two.scoring, two.resample) == (
        ["right_hand", "feet"], "roc_auc", 128,
    )  # fmt: skip
    p300 = datasets.make("Simulated", paradigm="p300")
    assert datasets.paradigm("p300", p300).filters == [[1, 24]]
    ssvep = datasets.make("Simulated", paradigm="ssvep")
    assert datasets.paradigm("ssvep", ssvep).filters == [(7, 45)]
    X, *_ = evaluation.load_trials("ssvep", ssvep, 1, bank=True)
    assert X.shape[-1] == 3  # a band for each frequency


def test_published_data_sets_exist_in_moabb_and_fit_their_paradigm():
    """Their events, without downloading: what MOABB 1.7.2 changed is set back."""
    for row in datasets.paper_sets().itertuples():
        made = datasets.make(row.dataset)
        paradigm = datasets.paradigm(row.paradigm, made)
        assert paradigm.is_valid(made), row
        assert paradigm.scoring == row.metric, row
        assert len(paradigm.used_events(made)) >= 2


def test_what_moabb_does_not_do_by_itself():
    made = datasets.make("BNCI2015_004")
    assert made.event_id == {"right_hand": 4, "feet": 5}
    assert made.interval == [3, 10]
    assert datasets.make("Shin2017A").accept is True
    other = datasets.make("BNCI2015_004", event_id={"math": 1, "letter": 2}, interval=[0, 4])
    assert (list(other.event_id), other.interval) == (["math", "letter"], [0, 4])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: datasets.make("BNCI2014001"), "Did you mean 'BNCI2014_001'"),
        (lambda: datasets.make("xyz"), "See https://moabb.neurotechx.com"),
        (lambda: datasets.make("Simulated", subjects=3), "data set 'Simulated': .*subjects"),
        (
            lambda: datasets.make("SSVEPSample", n_targets=41),
            "n_targets must be at least 2 and at most 40, got 41",
        ),
        (lambda: datasets.make("SSVEPSample", duration=5.0), "do not fit into the 5 s"),
        (lambda: datasets.make("SSVEPSample", delay=-0.1), "do not fit into the 5 s"),
        (lambda: datasets.make("SSVEPSample", delay=0.1, duration=0.002), "do not fit into the"),
        (lambda: datasets.make("Simulated", paradigm="erp"), "one of imagery, p300, ssvep, got"),
        (
            lambda: datasets.make("Simulated", n_channels=3),
            "n_channels must be at least 5 and at most 16, got 3",
        ),
        (lambda: datasets.make("Simulated", effect=-1), "effect must be at least 0, got -1"),
        (
            lambda: datasets.make("Simulated", effect=float("nan")),
            "effect must be at least 0, got n",
        ),
        (lambda: datasets.make("Simulated", n_subjects=0), "n_subjects must be at least 1, got 0"),
        (lambda: datasets.make("Simulated", interval=[2, 1]), r"later end .* got \[2, 1\]"),
        (
            lambda: datasets.make("Simulated", interval=[0, np.nan]),
            "interval must be finite, got",
        ),
        (
            lambda: datasets.paradigm("left_right", datasets.make("Simulated"), resample=-1),
            "resample must be above 0 Hz, got -1",
        ),
        (lambda: datasets.make("Simulated", events=["tongue", "feet"]), "unknown events .'tongue'"),
        (lambda: datasets.paradigm("mi", datasets.make("Simulated")), "one of left_right, .* 'mi'"),
        (
            lambda: datasets.paradigm("right_hand_feet", datasets.make("Simulated")),
            "has the events left_hand, right_hand .*cannot be evaluated as right_hand_feet",
        ),
        (
            lambda: datasets.paradigm(
                "p300", datasets.make("Simulated", paradigm="p300"), bank=True
            ),
            "no filter bank for P300",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_recording_that_is_not_here_names_the_command(monkeypatch):
    from common.benchmark import embedded

    monkeypatch.setattr(registry, "path", lambda name: f"data/raw/{name}-not-here.mat")
    with pytest.raises(FileNotFoundError, match="meegkit-trca-not-here"):
        embedded.SSVEPSample().get_data([1])


def test_a_simulated_rhythm_is_weaker_over_the_side_opposite_to_the_hand():
    # Over left motor cortex (C3) for the right hand, over the right one for the left, at the
    # vertex for the feet: in the mean over subjects, whose channels also mix.
    data = embedded.Simulated(
        "imagery", n_subjects=8, n_trials=12, events=["left_hand", "right_hand", "feet"], effect=2.0
    )
    weaker = {"left_hand": "C4", "right_hand": "C3", "feet": "Cz"}
    ratios = {name: [] for name in weaker}
    for subject in data.subject_list:
        raw = data._get_single_subject_data(subject)["0"]["0"].load_data()
        events = mne.find_events(raw, verbose=False)
        signal = mne.filter.filter_data(
            raw.get_data("eeg"), raw.info["sfreq"], 8, 12, verbose=False
        )
        n_times = round(2.0 * raw.info["sfreq"])
        power = np.array([np.var(signal[:, o : o + n_times], axis=1) for o in events[:, 0]])
        for name, place in weaker.items():
            mine = events[:, 2] == data.event_id[name]
            channel = power[:, raw.ch_names.index(place)]
            ratios[name].append(np.log(channel[mine].mean() / channel[~mine].mean()))
    assert {name: np.mean(values) < -0.1 for name, values in ratios.items()} == dict.fromkeys(
        weaker, True
    )
