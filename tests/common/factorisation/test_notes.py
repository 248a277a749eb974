"""Two notes and their frames, and cosines that fit atoms."""

import numpy as np
import pytest

from common.factorisation import notes
from common.spd.joint_diagonalisation import FrameCovariances


def rng(seed=0):
    return np.random.default_rng(seed)


def test_each_second_has_its_frequencies():
    (signal,) = notes.simulate(1, sfreq=5000, rng=rng())
    assert signal.shape == (15_000,)
    # 440 and 880 Hz, 466.16 and 932.33 Hz, the bins of one second rounded; half the amplitude.
    for part, expected in enumerate([{440, 880}, {466, 932}, {440, 466, 880, 932}]):
        spectrum = np.abs(np.fft.rfft(signal[5000 * part : 5000 * (part + 1)]))
        peaks = np.flatnonzero(
            (spectrum[1:-1] > spectrum[:-2]) & (spectrum[1:-1] > spectrum[2:])
            & (spectrum[1:-1] > 0.2 * spectrum.max())
        ) + 1  # fmt: skip
        assert set(peaks) == expected


def test_a_note_is_the_formula():
    signals = notes.simulate(400, sfreq=4000, rng=rng())
    t = np.arange(4000) / 4000
    u = 2 * t - 1
    envelope = np.zeros(4000)
    envelope[1:] = np.e / 4 * np.exp(-1 / (1 - u[1:] ** 2))
    # Over random phases the power is half of 1 + 1/4, times the squared envelope; of 400
    # realisations the mean has a relative standard error below √2 / 20.
    for part, n_notes in enumerate([1, 1, 2]):
        power = (signals[:, 4000 * part : 4000 * (part + 1)] ** 2).mean(axis=0)
        expected = n_notes * 0.625 * envelope**2
        inside = envelope > 0.01
        ratio = power[inside] / expected[inside]
        assert np.abs(ratio - 1).max() < 5 * np.sqrt(2) / 20
        # The envelope is smooth and the phases are many: the mean over time is far nearer.
        assert ratio.mean() == pytest.approx(1, abs=0.02)
    for part in range(3):
        # A cosine of phase p1 and its octave of p2 fit the first second exactly.
        second = signals[0, 4000 * part : 4000 * (part + 1)]
        angles = [2 * np.pi * k * f * t for f in notes.FREQUENCIES for k in (1, 2)]
        basis = np.stack(
            [w(angle) * envelope for angle in angles for w in (np.cos, np.sin)], axis=1
        )
        coefficients, *_ = np.linalg.lstsq(basis, second, rcond=None)
        assert np.abs(basis @ coefficients - second).max() < 1e-12
        amplitudes = np.hypot(coefficients[0::2], coefficients[1::2])
        low, high = (1, 0.5), (0, 0)
        expected = [(*low, *high), (*high, *low), (*low, *low)][part]
        np.testing.assert_allclose(amplitudes, expected, atol=1e-9)


def test_the_first_realisations_do_not_depend_on_how_many_follow():
    few, many = (notes.simulate(n, sfreq=4000, rng=rng()) for n in (1, 3))
    np.testing.assert_array_equal(few, many[:1])


def test_frames_are_tapered_pieces_of_the_signal():
    signals = rng().standard_normal((2, 1000))
    frames = notes.frame(signals, sfreq=500, duration=0.2)
    assert frames.shape == (2, 100, 21)
    # Frame n starts n - 1 half frames into the signal; a flat piece of 90 % between cosine tapers.
    taper = np.ones(100)
    ramp = (1 - np.cos(np.pi * np.arange(5) / 5)) / 2
    taper[:5], taper[96:] = ramp, ramp[:0:-1]
    for n in (1, 7, 19):
        piece = signals[:, 50 * (n - 1) : 50 * (n - 1) + 100]
        np.testing.assert_allclose(frames[:, :, n], piece * taper / taper.sum(), atol=1e-12)
    # Half a frame of zeros before the signal and after it.
    np.testing.assert_allclose(frames[:, :50, 0], 0, atol=1e-12)
    np.testing.assert_allclose(frames[:, 50:, 20], 0, atol=1e-12)


def test_a_frame_may_have_two_samples_or_all_of_a_signal():
    signals = rng().standard_normal((1, 10))
    assert notes.frame(signals, sfreq=10, duration=0.2).shape[1] == 2
    assert notes.frame(signals, sfreq=10, duration=1).shape[1] == 10


def test_there_are_151_frames_of_200_samples():
    signals = notes.simulate(1, sfreq=5000, rng=rng())
    assert notes.frame(signals, sfreq=5000).shape == (1, 200, 151)


@pytest.mark.parametrize("n_realisations", [2, 230])
def test_covariances_are_those_of_all_frames(n_realisations):
    ours = notes.covariances(n_realisations, sfreq=4000, rng=rng(), eps=1e-7, duration=0.004)
    generator = rng()
    parts = [min(100, n_realisations - first) for first in range(0, n_realisations, 100)]
    signals = np.concatenate([notes.simulate(n, sfreq=4000, rng=generator) for n in parts])
    frames = notes.frame(signals, sfreq=4000, duration=0.004)
    other = FrameCovariances.of_frames(frames, eps=1e-7)
    transforms = np.linalg.qr(rng(1).standard_normal((1, 16, 16)))[0]
    found, expected = (one.transformed(transforms)[1] for one in (ours, other))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert ours.eps == 1e-7


def test_many_realisations_are_never_all_in_memory(monkeypatch):
    drawn, simulate = [], notes.simulate

    def counted(n, **options):
        drawn.append(n)
        return simulate(n, **options)

    monkeypatch.setattr(notes, "simulate", counted)
    notes.covariances(230, sfreq=4000, rng=rng(), eps=1e-7, duration=0.004)
    assert sum(drawn) == 230 and max(drawn) <= 100


@pytest.mark.parametrize("frequency", [57.3, 440.0, 932.33, 1234.5])
@pytest.mark.parametrize("phase", [0.0, 1.0, np.pi / 2])
def test_a_cosine_is_found(frequency, phase):
    m = np.arange(200) / 5000
    wave = 3 * np.cos(2 * np.pi * frequency * m + phase)
    cosine = notes.fit_cosine(wave, sfreq=5000)
    # Where the error is flat, its rounding of 1e-16 is 1e-8 of the width of the peak, 25 Hz.
    assert cosine.frequency == pytest.approx(frequency, abs=1e-4)
    assert cosine.error < 1e-8
    np.testing.assert_allclose(cosine.fitted, wave, atol=1e-3)


def test_frequencies_are_in_the_unit_of_the_sampling_rate():
    # In cycles a sample all frequencies are below 1/2; a constant has the frequency 0.
    wave = np.cos(2 * np.pi * 0.11 * np.arange(200) + 0.4)
    cosine = notes.fit_cosine(wave, sfreq=1)
    assert cosine.frequency == pytest.approx(0.11, abs=1e-8)
    assert notes.fit_cosine(wave, sfreq=5000).frequency == pytest.approx(550, abs=5e-5)
    assert notes.fit_cosine(np.ones(200), sfreq=1).error < 1e-8


def test_no_frequency_on_a_grid_is_nearer():
    atom = rng(3).standard_normal(60)
    cosine = notes.fit_cosine(atom, sfreq=100)
    atom /= np.linalg.norm(atom)
    m = np.arange(60)
    errors = []
    for frequency in np.linspace(0.02, 49.98, 5000):
        angle = 2 * np.pi * frequency / 100 * m
        basis = np.linalg.qr(np.stack([np.cos(angle), np.sin(angle)], axis=1))[0]
        errors.append(1 - np.sum((basis.T @ atom) ** 2))
    assert cosine.error <= min(errors) + 1e-9
    assert 0 <= cosine.error <= 1


def test_the_error_of_an_atom_of_two_notes():
    # Two cosines of equal power that fill whole periods: half is left.
    m = np.arange(200) / 5000
    atom = np.cos(2 * np.pi * 500 * m) + np.cos(2 * np.pi * 1250 * m + 0.3)
    cosine = notes.fit_cosine(atom, sfreq=5000)
    assert cosine.error == pytest.approx(0.5, abs=0.01)
    assert min(abs(cosine.frequency - f) for f in (500, 1250)) < 0.5
    flipped = notes.fit_cosine(-7 * atom, sfreq=5000)
    assert flipped.error == pytest.approx(cosine.error, abs=1e-9)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"sfreq must be above 1864.66 Hz, got 1000 Hz"):
        notes.simulate(1, sfreq=1000, rng=rng())
    with pytest.raises(ValueError, match="n_realisations must be at least 1, got 0"):
        notes.simulate(0, sfreq=5000, rng=rng())
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 1"):
        notes.simulate(1, sfreq=5000, rng=1)
    with pytest.raises(ValueError, match=r"a frame of 2 s has 1000 samples at 500 Hz.*the 800 of"):
        notes.frame(np.ones((1, 800)), sfreq=500, duration=2)
    with pytest.raises(ValueError, match="signals must be finite, got nan"):
        notes.frame(np.full((1, 800), np.nan), sfreq=500)
    with pytest.raises(ValueError, match=r"at least 4 samples that are not all zero, got 10 .* 0"):
        notes.fit_cosine(np.zeros(10), sfreq=500)
    with pytest.raises(ValueError, match="got 3 samples"):
        notes.fit_cosine(np.ones(3), sfreq=500)
