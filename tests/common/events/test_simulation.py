"""Simulated recordings have the spectrum, rhythms, places and rates that their classes say."""

from dataclasses import replace

import numpy as np
import pytest

from common.events import simulation
from common.events.simulation import CLASSES, SENSORS, EventClass, simulate_recording

SFREQ = 64.0
VOLT = 10e-6  # standard deviation of the background
SPIKE, SPINDLE, ALPHA, SEIZURE = CLASSES


def simulate(*, duration=120.0, seed=0, subject=0, **options):
    return simulate_recording(
        subject=f"s{subject}",
        duration=duration,
        sfreq=options.pop("sfreq", SFREQ),
        rng=np.random.default_rng([seed, 1]),
        subject_rng=np.random.default_rng([subject, 2]),
        **options,
    )


def waves_of(kind, *, duration=600.0, **options):
    """Recordings' events alone, in units of the background: the same with and without them."""
    options = {"duration": duration, "classes": (kind,), **options}
    recording, background = simulate(**options), simulate(amplitude=0.0, **options)
    data = (recording.data - background.data) / VOLT
    events = recording.events
    spans = np.round(np.stack([events.start, events.end], axis=1) * recording.sfreq).astype(int)
    return data, [data[:, first:last] for first, last in spans], events


# Events


def test_events_of_one_class_never_overlap_and_last_as_long_as_they_should():
    recording = simulate(duration=1200.0)
    events = recording.events
    assert set(events.label) == {1, 2, 3, 4}
    assert events.start.min() >= 0 and events.end.max() <= recording.duration
    for label, kind in enumerate(CLASSES, start=1):
        own = events[events.label == label]
        assert np.all(own.start[1:] >= own.end[:-1])
        # Both ends are rounded to a sample.
        assert own.duration.min() >= kind.duration[0] - 1 / SFREQ
        assert own.duration.max() <= kind.duration[1] + 1 / SFREQ
    samples = np.concatenate([events.start, events.end]) * SFREQ
    np.testing.assert_allclose(samples, np.round(samples), atol=1e-6)
    # Classes are independent of each other: a spike may fall on a rhythm.
    spikes, others = events[events.label == 1], events[events.label != 1]
    overlap = (spikes.start[:, None] < others.end) & (spikes.end[:, None] > others.start)
    assert overlap.any() and not overlap.any(axis=1).all()


def test_rate_and_durations_are_those_of_the_class():
    kind = replace(SPINDLE, rate=20.0)
    duration = 3000.0
    events = simulate(duration=duration, classes=(kind,)).events
    # Renewal theory: n events in T have mean T / m and variance T v / m^3, with m and v the mean
    # and the variance of a cycle. Here m = 60 / rate; pauses are exponential, durations
    # log-uniform, with moments by the midpoint rule.
    cycle = 60 / kind.rate
    some = kind.duration[0] * 4.0 ** ((np.arange(1000) + 0.5) / 1000)
    variance = (cycle - some.mean()) ** 2 + some.var()
    spread = np.sqrt(duration * variance / cycle**3)
    assert len(events) == pytest.approx(duration / cycle, abs=4 * spread)
    # Kolmogorov and Smirnov at a level of 0.001, plus one sample of rounding (0.5 s is the
    # shortest, where the distribution function rises by 1 / (0.5 ln 4) per second).
    level = (np.log(events.duration) - np.log(0.5)) / np.log(4)
    empirical = (np.arange(len(level)) + 0.5) / len(level)
    distance = np.abs(np.sort(level) - empirical).max()
    assert distance < 1.95 / np.sqrt(len(level)) + 1 / SFREQ / (0.5 * np.log(4))


def test_pauses_of_a_class_that_has_no_time_for_its_rate_last_a_second():
    kind = EventClass("long", (4.0, 4.001), 10.0, 0.0, 60.0, (0.0, 0.0), 1.0, 1.0)
    events = simulate(duration=2000.0, classes=(kind,)).events
    pauses = events.start[1:] - events.end[:-1]
    # Exponential: mean and standard deviation are 1 s, estimated with variance 1 / n and 2 / n.
    assert pauses.mean() == pytest.approx(1, abs=4 * np.sqrt(1 / len(pauses)))
    assert pauses.std() == pytest.approx(1, abs=4 * np.sqrt(2 / len(pauses)))


# Waveforms


def test_signal_is_background_plus_what_lies_inside_the_events():
    recording, background, double = (
        simulate(duration=300.0, amplitude=amplitude) for amplitude in (1.0, 0.0, 2.0)
    )
    assert recording.events == background.events == double.events
    inside = np.zeros(recording.data.shape[1], dtype=bool)
    for start, end in zip(recording.events.start, recording.events.end, strict=True):
        inside[round(start * SFREQ) : round(end * SFREQ)] = True
    assert inside.any() and not inside.all()
    assert np.array_equal(recording.data[:, ~inside], background.data[:, ~inside])
    np.testing.assert_allclose(
        double.data - background.data,
        2 * (recording.data - background.data),
        atol=1e-9 * VOLT,  # rounding
    )


def test_rhythm_has_the_frequency_of_the_class_and_of_the_subject():
    kind = replace(SPINDLE, duration=(20.0, 30.0), harmonic=0.6)
    peaks = {}
    for subject, seed in [(0, 0), (0, 1), (1, 0), (2, 0)]:
        _, waves, _ = waves_of(kind, subject=subject, seed=seed)
        for wave in waves:
            power = np.abs(np.fft.rfft(wave[3], n=2**14)) ** 2
            frequency = np.fft.rfftfreq(2**14, 1 / SFREQ)
            peak = frequency[power.argmax()]
            peaks.setdefault(subject, []).append(peak)
            # The second harmonic has 0.6 of the amplitude.
            second = power[np.abs(frequency - 2 * peak) < 0.2].max()
            assert np.sqrt(second / power.max()) == pytest.approx(0.6, abs=0.01)
    for found in peaks.values():
        # 20 s resolve 0.05 Hz; the subject's frequency is within 7 % of the class's.
        assert max(found) - min(found) < 0.05
        assert 0.93 * 13 - 0.05 < np.mean(found) < 1.07 * 13 + 0.05
    assert np.ptp([np.mean(found) for found in peaks.values()]) > 0.1


def test_rhythm_is_as_large_as_the_class_says_and_rises_over_a_tenth_of_the_event():
    # A topography so wide that all sensors see the whole amplitude.
    kind = replace(ALPHA, duration=(2.0, 2.5), spread=1e3, frequency=16.0)
    _, waves, _ = waves_of(kind)
    sizes = []
    for wave in waves:
        n_times = wave.shape[1]
        tenth = round(n_times / 10)  # at least three periods, so that n of them are 5 % at most
        tenths = [np.sqrt(2 * np.mean(part**2)) for part in np.split(wave[0, : 9 * tenth], 9)]
        sizes.append(np.mean(tenths[1:]))
        np.testing.assert_allclose(tenths[1:], sizes[-1], rtol=0.05)
        # The mean of sin^4 from 0 to pi / 2 is 3 / 8.
        assert tenths[0] == pytest.approx(np.sqrt(3 / 8) * sizes[-1], rel=0.1)
        assert np.abs(wave[0, [0, -1]]).max() < 0.05 * sizes[-1]
    # The class has 1.6; the subject multiplies it by a number of its own, and each event by one
    # between 0.85 and 1.25, with mean 1.05 and standard deviation 0.4 / sqrt(12).
    gain = simulation._Subject.draw((kind,), np.random.default_rng([0, 2])).gains[0]
    factors = np.array(sizes) / (1.6 * gain)
    assert 0.85 * 0.98 < factors.min() < 0.95 and 1.15 < factors.max() < 1.25 * 1.02
    assert factors.mean() == pytest.approx(1.05, abs=4 * 0.4 / np.sqrt(12 * len(factors)))
    assert abs(gain - 1) > 0.05


def test_long_events_rise_within_half_a_second():
    _, waves, _ = waves_of(replace(SEIZURE, harmonic=0.0, rate=2.0, spread=1e3))
    for wave in waves:
        size = np.abs(wave[0]).max()
        after = slice(round(0.5 * SFREQ), round(1.0 * SFREQ))  # more than one period of 3 Hz
        assert np.abs(wave[0, after]).max() > 0.95 * size


def test_sharp_wave_is_biphasic_and_as_long_as_the_event():
    _, waves, _ = waves_of(replace(SPIKE, spread=1e3, duration=(0.5, 1.0), rate=10.0))
    assert len(waves) > 20
    for wave in waves:
        wave = wave[0]
        np.testing.assert_allclose(wave, -wave[::-1], atol=1e-9 * 5)
        n_times = len(wave)
        assert np.all(wave[: n_times // 2] > 0)
        # Half a sine within a sine is largest where its slope vanishes, at a phase of
        # atan(sqrt(2)) / pi of the event.
        assert wave.argmax() == pytest.approx(np.arctan(np.sqrt(2)) / np.pi * n_times, abs=1)
        assert 0.85**2 * 5 * 0.98 < wave.max() < 1.2 * 1.25 * 5 * 1.01


def test_topography_is_a_gaussian_around_the_place_of_the_class():
    # Its logarithm is a + b.x + c |x|^2 with c = -1 / (2 spread^2) and centre -b / (2 c).
    places = np.array(list(SENSORS.values()))
    design = np.column_stack([np.ones(8), places, np.sum(places**2, axis=1)])
    centres = []
    for subject in range(5):
        for seed in range(2):
            _, waves, _ = waves_of(SPINDLE, subject=subject, seed=seed, duration=60.0)
            for wave in waves[:3]:
                size = np.linalg.norm(wave, axis=1)
                fit, residual, *_ = np.linalg.lstsq(design, np.log(size), rcond=None)
                assert residual < 1e-12
                assert np.sqrt(-1 / (2 * fit[3])) == pytest.approx(SPINDLE.spread, rel=1e-6)
                centres.append((subject, *(-fit[1:3] / (2 * fit[3]))))
    centres = np.array(centres)
    for subject in range(5):  # all recordings of a subject share one place
        assert np.ptp(centres[centres[:, 0] == subject, 1:], axis=0).max() < 1e-6
    each = np.array([centres[centres[:, 0] == subject, 1:][0] for subject in range(5)])
    assert np.ptp(each, axis=0).min() > 0.01
    # Five standard deviations of 0.08.
    assert np.abs(each - SPINDLE.centre).max() < 0.4


# Background


def test_background_has_the_spectrum_of_the_subject(monkeypatch):
    # The periodogram of what is made from white noise is f^-beta times exponential variables,
    # independent and of equal distribution. The logarithm of one has variance pi^2 / 6, and that
    # is the variance of least squares.
    monkeypatch.setattr(simulation, "_SENSOR_NOISE", 0.0)
    exponents = []
    for subject in range(4):
        data = simulate(duration=600.0, subject=subject, amplitude=0.0).data
        rng = np.random.default_rng([subject, 2])
        exponents.append(simulation._Subject.draw(CLASSES, rng).exponent)
        power = np.abs(np.fft.rfft(data[0])) ** 2
        frequency = np.fft.rfftfreq(data.shape[1], 1 / SFREQ)
        heard = (frequency >= 0.3) & (frequency < SFREQ / 2)
        x = np.log(frequency[heard])
        x -= x.mean()
        slope = x @ np.log(power[heard]) / (x @ x)
        error = np.pi / np.sqrt(6 * (x @ x))
        assert error < 0.02
        assert slope == pytest.approx(-exponents[-1], abs=4 * error)
        assert power[frequency < 0.29].max() < 1e-12 * power.max()
    assert 0.8 <= min(exponents) < max(exponents) - 0.1 <= 1.2


def test_background_of_each_channel_is_ten_microvolts_and_channels_are_related():
    data = simulate(amplitude=0.0).data
    np.testing.assert_allclose(data.std(axis=1), 10e-6, rtol=1e-9)
    correlation = np.abs(np.corrcoef(data)[np.triu_indices(8, 1)])
    assert 0.1 < correlation.mean() < 0.99


def test_sensor_noise_is_white_and_a_tenth(monkeypatch):
    noisy = simulate(amplitude=0.0, duration=300.0).data
    monkeypatch.setattr(simulation, "_SENSOR_NOISE", 0.0)
    clean = simulate(amplitude=0.0, duration=300.0).data
    # Each channel is rescaled; what a channel shares with its clean self is no noise.
    shared = np.sum(noisy * clean, axis=1) / np.sum(clean**2, axis=1)
    noise = noisy - shared[:, None] * clean
    ratio = noise.std(axis=1) / (shared[:, None] * clean).std(axis=1)
    # The noise is a tenth of the root mean square of all channels, each of which has a size of its
    # own: the mean of 1 / ratio^2 is 100. Variances of 19200 samples have an error of 1 %.
    assert np.mean(ratio**-2) == pytest.approx(100, rel=0.03)
    assert np.ptp(ratio) > 0.01
    power = np.abs(np.fft.rfft(noise, axis=1)) ** 2
    half = power.shape[1] // 2
    # White: both halves of 8 x 9600 exponential variables have the same mean.
    low, high = power[:, 1:half].mean(axis=1), power[:, half:].mean(axis=1)
    np.testing.assert_allclose(np.mean(low / high), 1, atol=5 * np.sqrt(2 / (8 * half)))


# As a whole


def test_recording_carries_its_description():
    recording = simulate()
    assert recording.subject == "s0" and recording.sfreq == SFREQ
    assert recording.data.shape == (8, 7680) and recording.data.dtype == np.float64
    assert recording.channels == tuple(SENSORS)
    assert recording.positions.tolist() == [list(place) for place in SENSORS.values()]
    assert np.linalg.norm(recording.positions, axis=1).max() <= 1


def test_classes_together_span_a_tenth_of_a_second_to_a_minute():
    spans = sorted(kind.duration for kind in CLASSES)
    assert spans[0][0] == 0.1 and spans[-1][1] == 60
    assert [kind.name for kind in CLASSES] == ["spike", "spindle", "alpha", "seizure"]


def test_same_seeds_same_bytes_and_other_seeds_others():
    a, b = simulate(), simulate()
    assert a.data.tobytes() == b.data.tobytes() and a.events == b.events
    other, person = simulate(seed=1), simulate(subject=1)
    assert other.events != a.events and not np.array_equal(other.data, a.data)
    # Another subject with the same generator of the recording has the same events elsewhere.
    assert not np.array_equal(person.data, a.data)


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match=r"duration=8 s is shorter than the shortest seizure \(10"):
        simulate(duration=8.0)
    with pytest.raises(ValueError, match=r"at sfreq=20 Hz the shortest spike \(0.1 s\) has fewer"):
        simulate(sfreq=20.0)
