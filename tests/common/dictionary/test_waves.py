import numpy as np
import pytest

from common.dictionary.simulation import mu_waveform
from common.dictionary.waves import harmonic_excess, peak_frequency


@pytest.mark.parametrize("frequency", [8.3, 10.0, 12.9])
@pytest.mark.parametrize("phase", [0.0, 1.0])
def test_a_cut_sinusoid_has_no_excess(frequency, phase):
    v = np.cos(2 * np.pi * frequency * np.arange(150) / 150.0 + phase)
    assert peak_frequency(v, sfreq=150.0, band=(8, 13)) == pytest.approx(frequency, abs=0.1)
    # The bound is read at 17 frequencies and 32 phases: between them it moves by less than 1 dB.
    assert harmonic_excess(v, sfreq=150.0, band=(8, 13)) < 1


def test_sharp_crests_are_found():
    sine = mu_waveform(150, sfreq=150.0, sharpness=0.0)
    sharp = mu_waveform(150, sfreq=150.0, sharpness=0.5)
    assert harmonic_excess(sine, sfreq=150.0, band=(8, 13)) < 0
    assert harmonic_excess(sharp, sfreq=150.0, band=(8, 13)) > 10


@pytest.mark.parametrize(
    ("band", "message"),
    [
        ((80, 90), "band must hold a frequency up to 75 Hz"),
        ((30, 40), "twice the band must be below 75 Hz"),
        ((30, 37.5), "twice the band must be below 75 Hz, half of sfreq, got .30, 37.5. Hz"),
    ],
)
def test_a_band_beyond_the_spectrum_is_an_error(band, message):
    with pytest.raises(ValueError, match=message):
        harmonic_excess(np.random.default_rng(0).standard_normal(50), sfreq=150.0, band=band)
