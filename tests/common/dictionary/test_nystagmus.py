import numpy as np
import pytest
import scipy.signal

from common.dictionary import nystagmus
from common.dictionary.nystagmus import (
    KINDS,
    aligned_phase,
    asymmetry,
    cycle,
    eye_record,
    onset_f1,
    quick_share,
    waveform_recovery,
)

OF = {"period": 0.3, "sfreq": 100.0}


def record(kind="jerk", sigma=0.0, seed=0, **options):
    return eye_record(kind, sigma=sigma, rng=np.random.default_rng(seed), **options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cycle_is_periodic_and_begins_and_ends_at_zero(kind):
    phases = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(cycle(kind, phases + 3), cycle(kind, phases), atol=1e-12)
    assert cycle(kind, 0.0) == 0 and abs(cycle(kind, 1 - 1e-12)) < 1e-9
    # The slow phase of a jerk cycle is 85 % of it, a rise; a sinusoid rises half the time.
    rises = np.diff(cycle(kind, phases)) > 0
    assert rises.mean() == pytest.approx(0.85 if kind == "jerk" else 0.5, abs=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_is_what_it_says(kind):
    records = [record(kind, seed=seed) for seed in range(40)]
    covered = [one.periods.sum() / 60 for one in records]
    low, high = {"pendular": (3, 5), "jerk": (2, 4)}[kind]
    assert all(low <= 1 / one.period <= high for one in records)
    assert np.mean(covered) == pytest.approx(0.7, abs=0.05)
    for one in records[:5]:
        seen = ~np.isnan(one.x)
        np.testing.assert_allclose(one.x[seen], (one.gaze + one.nystagmus)[seen])
        # 12 blinks of 0.15 to 0.3 s, which may overlap.
        assert 0.01 < 1 - seen.mean() <= 12 * 0.3 / 60 + 1e-9
        jitter = one.periods / one.period
        assert jitter.std() == pytest.approx(0.05, rel=5 / np.sqrt(2 * len(jitter)))
        assert np.all(np.diff(one.onsets) > 0)
        # Whole cycles: nothing where no cycle is.
        times = np.arange(len(one.x)) / one.sfreq
        inside = np.zeros(len(times), dtype=bool)
        for onset, length in zip(one.onsets, one.periods, strict=True):
            inside |= (times >= onset) & (times < onset + length)
        assert not one.nystagmus[~inside].any()
        # Each cycle is one of the known shape, as long as its period, whatever its height.
        for onset, length in zip(one.onsets, one.periods, strict=True):
            inside = (times >= onset) & (times < onset + length)
            shape = cycle(kind, (times[inside] - onset) / length)
            height = one.nystagmus[inside] @ shape / (shape @ shape)
            np.testing.assert_allclose(one.nystagmus[inside], height * shape, atol=1e-12)


def test_saccades_last_longer_the_larger_they_are(monkeypatch):
    """The main sequence: 2.2 ms for each degree, and 21 ms; 1 % to 99 % of the way in that time."""
    monkeypatch.setattr(nystagmus, "_PURSUIT", 0.0)
    times = np.arange(0, 60, 1e-4)
    gaze = nystagmus._gaze(times, 60.0, np.random.default_rng(0))
    velocity = np.abs(np.gradient(gaze, times))
    middle = scipy.signal.find_peaks(velocity, height=10, distance=1000)[0]
    middle = middle[(middle > 1000) & (middle < len(times) - 1000)]
    size = np.abs(gaze[middle + 1000] - gaze[middle - 1000])
    assert len(middle) > 40 and np.ptp(size) > 5
    # A logistic course is fastest in its middle: a quarter of its rate.
    lasting = 9.2 * size / (4 * velocity[middle])
    np.testing.assert_allclose(lasting, 2.2e-3 * size + 21e-3, rtol=2e-3)


def test_noise_and_sampling_change_no_movement():
    quiet, loud = record(), record(sigma=0.5)
    np.testing.assert_array_equal(quiet.gaze, loud.gaze)
    noise = (loud.x - quiet.x)[~np.isnan(loud.x)]
    assert noise.std() == pytest.approx(0.5, rel=5 / np.sqrt(2 * len(noise)))
    fast = record(sfreq=500.0)
    np.testing.assert_allclose(fast.gaze[::5], quiet.gaze, atol=1e-9)
    np.testing.assert_allclose(fast.nystagmus[::5], quiet.nystagmus, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_recovery_forgives_shift_height_and_mean_but_not_sign(kind):
    phases = 0.37 + np.arange(60) / 30
    atom = 4 * cycle(kind, phases) + 7
    assert waveform_recovery(atom, kind, **OF) == pytest.approx(1, abs=1e-3)
    assert aligned_phase(atom, kind, **OF) == pytest.approx(0.37, abs=0.01)
    flipped = waveform_recovery(-atom, kind, **OF)
    # Half a period turns the sign of a sinusoid; nothing turns that of a sawtooth.
    assert flipped == pytest.approx(1, abs=1e-3) if kind == "pendular" else flipped < 0.7
    noise = np.random.default_rng(0).standard_normal(60)
    assert waveform_recovery(noise, kind, **OF) < 0.6


def test_asymmetry_is_the_ratio_of_durations():
    for rise, fall in [(10, 10), (15, 5), (18, 2)]:
        wave = np.concatenate([np.linspace(0, 1, rise, endpoint=False),
                               np.linspace(1, 0, fall, endpoint=False)])  # fmt: skip
        wave = np.append(wave, 0)
        assert asymmetry(wave) == pytest.approx(fall / rise)
        assert asymmetry(-3 * wave + 2) == pytest.approx(fall / rise)


def test_a_lag_keeps_noise_out_of_the_asymmetry():
    rng = np.random.default_rng(0)
    waves = {kind: cycle(kind, np.arange(60) / 40) for kind in KINDS}
    noisy = {
        kind: [wave / wave.std() + 0.15 * rng.standard_normal(60) for _ in range(50)]
        for kind, wave in waves.items()
    }

    def told_apart(lag):
        ratios = {kind: [asymmetry(one, lag=lag) for one in noisy[kind]] for kind in KINDS}
        return np.mean(np.subtract.outer(ratios["pendular"], ratios["jerk"]) > 0)

    assert told_apart(3) > 0.99 > 0.9 > told_apart(1)
    ramp = np.concatenate([np.arange(30.0), np.arange(29, 0, -1)])
    assert asymmetry(ramp, lag=3) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_the_share_of_quick_phases_is_that_of_the_trend(kind):
    one = record(kind)
    for share in (0.0, 0.3, 1.0):
        found = quick_share(one, one.gaze + share * one.nystagmus)
        assert found == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_onsets_are_found_by_true_activations(kind):
    one = record(kind)
    length = round(one.period * one.sfreq)
    atom = cycle(kind, np.arange(length) / (one.period * one.sfreq))
    z = np.zeros(len(one.x) - length + 1)
    at = np.rint(one.onsets * one.sfreq).astype(int)
    z[at[at < len(z)]] = 1.0
    assert onset_f1(one, atom, z) > 0.97
    assert onset_f1(one, atom, np.zeros_like(z)) == 0
    # Half of the cycles: all that are implied are true, half of the true are found.
    z[at[::2][at[::2] < len(z)]] = 0.0
    assert onset_f1(one, atom, z) == pytest.approx(2 / 3, abs=0.03)
    late = np.roll(z, length // 3)
    assert onset_f1(one, atom, late) < 0.2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cycle("jerky", 0.0), "kind must be one of pendular, jerk, got 'jerky'"),
        (lambda: record("pendulum"), "kind must be one of pendular, jerk, got 'pendulum'"),
        (lambda: record(sigma=-1.0), "sigma must be at least 0 degrees, got -1.0"),
        (lambda: record(sfreq=10.0), "sfreq must be at least 50 Hz, got 10.0"),
        (lambda: record(duration=1.0), "duration must be at least 10 s, got 1.0"),
        (lambda: asymmetry(np.ones(5)), "atom is constant, 1 throughout"),
        (lambda: asymmetry([0.0, 1, 0], lag=3), "lag must be at least 1 and at most 2, got 3"),
        (lambda: asymmetry([0.0, 1, 0], lag=2), "no value of the atom differs from that 2 samples"),
        (lambda: waveform_recovery(np.ones(5), "jerk", **OF), "atom is constant, 1 throughout"),
        (
            lambda: waveform_recovery([0.0, 1.0], "jerk", period=0.0, sfreq=100.0),
            "period must be above 0.02 s, got 0.0",
        ),
        (lambda: quick_share(record(), [1.0]), "record has 6000, trend has 1"),
        (
            lambda: onset_f1(record(), [0.0, 1.0], [-1.0]),
            "z must be finite and at least 0, got -1.0 at index 0",
        ),
    ],
)
def test_bad_input_has_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_seed_is_no_generator():
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 0"):
        eye_record("jerk", sigma=0.0, rng=0)
