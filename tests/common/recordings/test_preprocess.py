"""Scaling by hand, filters by tones."""

import mne
import numpy as np
import pytest

from common.recordings import preprocess, robust_scale


def recording(data, *, sfreq):
    names = [f"c{i}" for i in range(len(data))]
    return mne.io.RawArray(data, mne.create_info(names, sfreq, "eeg"), verbose="error")


def test_known_sample():
    # 0 … 8: median 4, quartiles 2 and 6. The outlier moves neither.
    x = np.array([[0, 1, 2, 3, 4, 5, 6, 7, 1e6]])
    scaled = robust_scale(x)
    np.testing.assert_array_equal(scaled, [[-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 16]])
    assert robust_scale(x, clamp=None)[0, -1] == (1e6 - 4) / 4


def test_unit_and_offset_do_not_matter_and_channels_are_apart():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2, 3, 101))
    gains = np.array([1e-6, 1.0, 1e3])[:, None]
    np.testing.assert_allclose(robust_scale(X * gains + 5 * gains), robust_scale(X), atol=1e-12)
    np.testing.assert_array_equal(robust_scale(X)[1, 2], robust_scale(X[1, 2]))


def test_scaled_sample_has_median_0_and_interquartile_range_1():
    X = robust_scale(np.random.default_rng(0).standard_cauchy((4, 1000)))
    low, median, high = np.percentile(X, [25, 50, 75], axis=-1)
    np.testing.assert_allclose(median, 0, atol=1e-12)
    np.testing.assert_allclose(high - low, 1)
    assert np.abs(X).max() == 16


def test_flat_channel_is_zero_and_input_is_left_alone():
    X = np.array([[3.0, 3, 3, 3, 100], [0, 1, 2, 3, 4]])
    before = X.copy()
    np.testing.assert_array_equal(robust_scale(X)[0], 0)
    np.testing.assert_array_equal(X, before)
    assert robust_scale(X.astype(np.float32)).dtype == np.float32


def test_scaling_errors():
    with pytest.raises(ValueError, match="2 of the 4 values of X are not finite"):
        robust_scale([[1.0, np.nan], [np.inf, 0.0]])
    with pytest.raises(ValueError, match=r"got shape \(2, 0\)"):
        robust_scale(np.empty((2, 0)))
    with pytest.raises(ValueError, match=r"X holds values up to 1.7e\+308, whose range cannot"):
        robust_scale([[-1.7e308, -1.7e308, 1.7e308, 1.7e308]])
    with pytest.raises(ValueError, match="clamp must be positive or None, got 0"):
        robust_scale([[1.0]], clamp=0)


def amplitude(x, frequency, sfreq):
    """Amplitude of a tone, from the middle of the signal: away from the filters' edges."""
    inner = x[..., x.shape[-1] // 4 : -x.shape[-1] // 4]
    t = np.arange(inner.shape[-1]) / sfreq
    window = np.hanning(len(t))
    return (
        2 * np.abs(np.sum(inner * window * np.exp(-2j * np.pi * frequency * t), -1)) / sum(window)
    )


@pytest.mark.parametrize(("inside", "outside"), [(20.0, 2.0), (20.0, 80.0), (30.0, 48.0)])
def test_tone_inside_the_band_is_kept_and_outside_removed(inside, outside):
    sfreq, n_times = 256.0, 256 * 60
    t = np.arange(n_times) / sfreq
    data = 1e-5 * np.stack([np.sin(2 * np.pi * f * t) for f in (inside, outside)])
    data += np.sin(2 * np.pi * 10 * t) * 1e-5  # a reference that both channels keep
    X = preprocess(recording(data, sfreq=sfreq), sfreq=128, low=5.0, high=35.0, clamp=None)
    assert X.shape == (2, 128 * 60)
    assert X.dtype == np.float32
    # The unit is gone, so compare with the reference tone. A Hamming window passes within 0.0194
    # dB (0.2 %) and stops by 53 dB (0.2 %); what passes above 64 Hz would come back mirrored.
    kept = amplitude(X[0], inside, 128) / amplitude(X[0], 10, 128)
    assert kept == pytest.approx(1.0, rel=0.01)
    assert amplitude(X[1], min(outside, 128 - outside), 128) < 0.005 * amplitude(X[1], 10, 128)


def test_events_stay_where_they_are():
    # A smooth bump at 30 s, of a band that the filters pass, stays at 30 s.
    sfreq = 250.0
    t = np.arange(int(60 * sfreq)) / sfreq
    bump = np.exp(-(((t - 30) / 0.05) ** 2)) * np.cos(2 * np.pi * 10 * (t - 30))
    noise = 1e-3 * np.random.default_rng(0).standard_normal(len(t))
    X = preprocess(recording((bump + noise)[None], sfreq=sfreq), clamp=None)
    # Within half a sample of the new grid.
    assert np.argmax(X[0]) / 128 == pytest.approx(30, abs=0.5 / 128)


def test_high_edge_that_nyquist_forbids_is_left_out():
    rng = np.random.default_rng(0)
    raw = recording(rng.standard_normal((2, 200 * 40)), sfreq=200.0)
    before = raw.get_data().copy()
    X = preprocess(raw, sfreq=200, low=0.1, high=100.0)
    np.testing.assert_array_equal(X, preprocess(raw, sfreq=200, low=0.1, high=None))
    np.testing.assert_array_equal(raw.get_data(), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sfreq": 300}, r"sfreq must be in \(0, 200\] Hz.*got 300"),
        ({"low": 40, "high": 30}, "0 < low < high, got 40 to 30 Hz"),
        ({"low": 120, "high": None}, "low must be below 100 Hz"),
        ({"low": 0.1}, "lasts 10 s; a high-pass at 0.1 Hz needs 33 s"),
    ],
)
def test_band_errors(options, message):
    raw = recording(np.zeros((1, 2000)), sfreq=200.0)
    with pytest.raises(ValueError, match=message):
        preprocess(raw, **options)


@pytest.mark.parametrize("low", [0.5, 2.0, 5.0, 16.0, 40.0])
def test_the_shortest_recording_is_as_long_as_the_filter_of_mne(low):
    n_times = len(mne.filter.create_filter(None, 200.0, low, None, verbose="error"))
    data = np.random.default_rng(0).standard_normal((1, n_times))
    preprocess(recording(data, sfreq=200.0), sfreq=200, low=low, high=None)
    # The filter's length is rounded up to an odd number, by two samples at most.
    with pytest.raises(ValueError, match=f"a high-pass at {low:g} Hz needs"):
        preprocess(recording(data[:, :-3], sfreq=200.0), sfreq=200, low=low, high=None)
