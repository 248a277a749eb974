"""Covariances by band: what a known signal must give."""

import numpy as np
import pytest

from common.recordings import band_covariances

SFREQ, FRAME = 100, 2
BANDS = [(4, 8), (15, 26)]


def noise(n_channels=3, n_times=2000, seed=0):
    return np.random.default_rng(seed).standard_normal((n_channels, n_times))


def test_power_is_in_its_band_with_its_pattern():
    times = np.arange(2000) / SFREQ
    pattern = np.array([1.0, -2.0, 0.5])
    X = pattern[:, None] * np.sin(2 * np.pi * 20 * times) + 1e-3 * noise()
    low, high = band_covariances(X, sfreq=SFREQ, bands=BANDS, frame=FRAME, n_epochs=10)
    assert low.shape == (10, 3, 3)
    # Whole periods in every frame: variance 1/2. The shrinkage keeps the trace and moves about
    # 1/200 of it (200 samples, one direction) to the diagonal; the filter rings in the end frames.
    expected = np.outer(pattern, pattern) / 2
    np.testing.assert_allclose(high[1:-1], np.broadcast_to(expected, (8, 3, 3)), atol=0.02)
    # Two octaves below, order 4 run twice, leaves less than (8 / 20) ** 8 of the amplitude.
    assert np.trace(low[1:-1], axis1=1, axis2=2).max() < 1e-4


def test_frames_are_cut_in_order():
    X = noise()
    X[:, 1000:] *= 10.0
    (powers,) = np.trace(
        band_covariances(X, sfreq=SFREQ, bands=[(4, 40)], frame=FRAME, n_epochs=10),
        axis1=2,
        axis2=3,
    )
    # Power grows a hundredfold at 10 s; noise of 200 samples and 3 channels varies by tenths.
    assert powers[5:].min() > 20 * powers[:5].max()


def test_first_frames_do_not_depend_on_how_many():
    X = noise()
    options = {"sfreq": SFREQ, "bands": BANDS, "frame": FRAME}
    many, few = (band_covariances(X, n_epochs=n, **options) for n in (10, 4))
    # Products of more matrices at a time may add up in another order.
    np.testing.assert_allclose(many[:, :4], few, rtol=1e-12, atol=1e-12 * np.abs(few).max())


def test_unit_squares():
    X = noise()
    options = {"sfreq": SFREQ, "bands": BANDS, "frame": FRAME, "n_epochs": 3}
    # Shrinkage is free of units; rounding only.
    small, large = (band_covariances(c * X, **options) for c in (1.0, 1e3))
    np.testing.assert_allclose(large, 1e6 * small, rtol=1e-9, atol=1e-6)


def test_more_channels_than_independent_samples_stay_definite():
    # 2 s of 1 Hz bandwidth: about four samples for twenty channels.
    C = band_covariances(noise(20), sfreq=SFREQ, bands=[(4, 5)], frame=FRAME, n_epochs=10)
    eigenvalues = np.linalg.eigvalsh(C)
    assert (eigenvalues[..., 0] > 1e-6 * eigenvalues[..., -1]).all()


@pytest.mark.parametrize("band", [(0, 4), (8, 4), (15, 50)])
def test_band_outside_the_spectrum(band):
    with pytest.raises(ValueError, match=f"between 0 and 50 Hz, got {band[0]}-{band[1]} Hz"):
        band_covariances(noise(), sfreq=SFREQ, bands=[band], frame=FRAME, n_epochs=1)


def test_too_short():
    with pytest.raises(ValueError, match="subject CC7 has 10 frames of 2 s, 11 are needed"):
        band_covariances(
            noise(), sfreq=SFREQ, bands=BANDS, frame=FRAME, n_epochs=11, name="subject CC7"
        )


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.where(noise() > 3, np.nan, noise()), {}, "signal of the recording must be finite, got"),
        (noise()[0], {}, r"must have 2 axes, got shape \(2000,\)"),
        (noise(), {"sfreq": np.nan}, "sfreq must be above 0 Hz, got nan Hz"),
        (noise(), {"frame": 0.01}, "frame must be at least 0.02 s, got 0.01 s"),
        (noise(), {"n_epochs": 0}, "n_epochs must be at least 1, got 0"),
    ],
)
def test_wrong_input_is_one_clear_error(X, options, message):
    values = {"sfreq": SFREQ, "bands": BANDS, "frame": FRAME, "n_epochs": 10}
    with pytest.raises(ValueError, match=message):
        band_covariances(X, **(values | options))
