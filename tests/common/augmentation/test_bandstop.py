import mne
import numpy as np
import pytest
import torch
from braindecode.augmentation import BandstopFilter as LibraryFilter
from braindecode.augmentation import functional as library

from common.augmentation.bandstop import BandstopFilter, notch, notch_kernels

EVERY = {"seed": 0, "probability": 1.0}


def windows(n_examples, n_channels, n_times, *, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_examples, n_channels, n_times, generator=generator, dtype=dtype)


def response(kernels, frequencies, *, sfreq):
    """Gain of symmetric kernels at frequencies in Hz."""
    half = kernels.shape[-1] // 2
    lags = np.arange(-half, half + 1)
    return kernels @ np.cos(2 * np.pi * np.outer(lags, frequencies) / sfreq)


@pytest.mark.parametrize("sfreq", [60.0, 100.0, 160.0, 250.0])
@pytest.mark.parametrize("bandwidth", [0.2, 1.2, 2.0])
def test_kernels_are_those_of_mne(sfreq, bandwidth):
    centres = np.array([2.0, 12.34, 28.0])
    for kernel, centre in zip(
        notch_kernels(centres, sfreq=sfreq, bandwidth=bandwidth), centres, strict=True
    ):
        theirs = mne.filter.create_filter(
            None,
            sfreq,
            [centre + bandwidth / 2 + 0.5],
            [centre - bandwidth / 2 - 0.5],
            l_trans_bandwidth=0.5,
            h_trans_bandwidth=0.5,
            verbose=False,
        )
        assert kernel.shape == theirs.shape
        np.testing.assert_allclose(kernel, theirs, atol=1e-14)


# The last ones are shorter than half of the kernel, so that the continuation ends in zeros.
@pytest.mark.filterwarnings("ignore:filter_length")
@pytest.mark.parametrize(
    "sfreq, n_times", [(250, 1125), (100, 3000), (250, 700), (160, 161), (100, 2)]
)
@pytest.mark.parametrize("bandwidth", [0.4, 2.0])
def test_agrees_with_braindecode(sfreq, n_times, bandwidth):
    centres = np.array([2.0, 11.1, 20.7, 28.0])
    X = windows(4, 3, n_times) + 1
    theirs, _ = library.bandstop_filter(X, None, sfreq, bandwidth, centres)
    ours = notch(X, centres, sfreq=sfreq, bandwidth=bandwidth)
    # Theirs is rounded to single precision at the end, ours throughout: values of up to 5,
    # transforms of up to 4,000 samples.
    torch.testing.assert_close(ours, theirs, atol=5e-6, rtol=0)
    ours = notch(X.double(), centres, sfreq=sfreq, bandwidth=bandwidth)
    torch.testing.assert_close(ours.float(), theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("sfreq", [100.0, 250.0])
@pytest.mark.parametrize("bandwidth", [0.4, 1.2])
def test_gain_is_zero_in_the_band_and_one_outside(sfreq, bandwidth):
    centres = np.array([3.0, 10.0, 27.5])
    kernels = notch_kernels(centres, sfreq=sfreq, bandwidth=bandwidth)
    inside = np.linspace(-bandwidth / 2, bandwidth / 2, 11)
    beyond = bandwidth / 2 + 0.5 + np.linspace(0, 1, 11)
    for kernel, centre in zip(kernels, centres, strict=True):
        # A Hamming window's ripple is 0.0022, from each of the two low-pass filters.
        assert np.abs(response(kernel, centre + inside, sfreq=sfreq)).max() < 0.005
        for frequencies in (centre + beyond, centre - beyond):
            assert np.abs(response(kernel, frequencies, sfreq=sfreq) - 1).max() < 0.005
        edges = centre + (bandwidth / 2 + 0.25) * np.array([-1, 1])  # cut-offs: half the amplitude
        np.testing.assert_allclose(response(kernel, edges, sfreq=sfreq), 0.5, atol=0.005)
    np.testing.assert_allclose(kernels.sum(axis=1), 1, rtol=1e-12)  # the mean passes unchanged


def test_tones_vanish_in_their_own_example_only():
    # 30 s at 100 Hz; examples have other centres, and both tones.
    time = torch.arange(3000, dtype=torch.float64) / 100
    tones = [torch.cos(2 * np.pi * f * time + 1) for f in (8.0, 20.0)]
    X = (tones[0] + tones[1]).expand(2, 1, 3000)
    filtered = notch(X, [8.0, 20.0], sfreq=100.0, bandwidth=1.2)[:, 0, 400:-400]
    expected = torch.stack([tones[1], tones[0]])[:, 400:-400]
    # Away from the ends, by more than half a kernel: ripple of both.
    torch.testing.assert_close(filtered, expected, atol=0.01, rtol=0)


def test_lines_pass_and_time_has_no_direction():
    # A line continues as itself by point reflection, and a symmetric kernel of gain one keeps it.
    line = torch.linspace(-1, 2, 1125, dtype=torch.float64).expand(1, 1, -1)
    kept = notch(line, [12.0], sfreq=250.0, bandwidth=1.0)
    torch.testing.assert_close(kept[..., 310:-310], line[..., 310:-310], atol=1e-12, rtol=0)
    X = windows(2, 3, 600, dtype=torch.float64)
    forth, back = (notch(Z, [5.0, 9.0], sfreq=100.0, bandwidth=1.0) for Z in (X, X.flip(-1)))
    torch.testing.assert_close(forth, back.flip(-1))


def test_centres_may_reach_the_nyquist_frequency():
    # The message says "sampled at 60 Hz or more".
    X = windows(3, 2, 500)
    assert BandstopFilter(bandwidth=2, sfreq=60, max_freq=30, **EVERY)(X).shape == X.shape
    with pytest.raises(ValueError, match="sampled at 60 Hz or more"):
        BandstopFilter(bandwidth=2, sfreq=59.9, max_freq=30, **EVERY)


def test_bandwidth_zero_changes_nothing():
    X = windows(3, 2, 500)
    torch.testing.assert_close(
        BandstopFilter(bandwidth=0, sfreq=100, **EVERY)(X), X, atol=0, rtol=0
    )


@pytest.mark.parametrize("bandwidth", [0.4, 2.0])
def test_centres_keep_half_a_bandwidth_and_one_hertz_from_the_limits(bandwidth, monkeypatch):
    # Corrected range: the study's code kept twice the bandwidth.
    centres = []

    def spy(X, centre, **options):
        centres.extend(centre)
        return X

    monkeypatch.setattr("common.augmentation.bandstop.notch", spy)
    BandstopFilter(bandwidth=bandwidth, sfreq=250, **EVERY)(windows(3000, 1, 4))
    low, high = 1 + bandwidth / 2, 29 - bandwidth / 2
    # The extremes of 3,000 draws are within 0.3 % of the range of its ends, at odds of e^-9.
    assert low <= min(centres) < low + 0.003 * (high - low)
    assert high - 0.003 * (high - low) < max(centres) <= high
    assert len(set(centres)) == 3000
    params = LibraryFilter(
        1.0, sfreq=250, bandwidth=bandwidth, max_freq=30, random_state=0
    ).get_augmentation_params(windows(3000, 1, 4))
    assert min(params["freqs_to_notch"]) < low + 0.1 and max(params["freqs_to_notch"]) > high - 0.1


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros((2, 3, 50)), TypeError, "X must be a tensor, got ndarray. Use torch.as_tensor"),
        (torch.zeros(3, 50), ValueError, r"X must have shape .* got \(3, 50\)"),
        (
            torch.zeros(4, 3, 50),
            ValueError,
            "centres must be one per example, got 2 for 4 examples",
        ),
    ],
)
def test_what_has_no_centre_for_each_example_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        notch(X, [10.0, 20.0], sfreq=100.0, bandwidth=2.0)


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"sfreq=50 Hz .* up to 25 Hz.*at 60 Hz or more"):
        BandstopFilter(bandwidth=1, sfreq=50, seed=0)
    for bandwidth in (-0.1, 28, np.nan):
        with pytest.raises(ValueError, match=r"below max_freq - 2 = 28 Hz, got"):
            BandstopFilter(bandwidth=bandwidth, sfreq=100, seed=0)
