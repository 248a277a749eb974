r"""Whether a short wave is a sinusoid: its power at twice its frequency.

The mu rhythm of the sensorimotor cortex has arched waves, so it has power near 20 Hz beside that at
10 Hz. A sinusoid that is cut to L samples has some there, too. With P the power spectrum, the
*excess* is, in dB,

.. math:: 10 \log_{10} \frac{P_v(2 f_0)}{P_v(f_0)}
          - \max_\varphi 10 \log_{10} \frac{P_{s_\varphi}(2 f_0)}{P_{s_\varphi}(f_0)}, \qquad
          s_\varphi[m] = \cos(2 \pi f_0 m / f_s + \varphi),

:math:`f_0` where the spectrum of v is largest. Tapers lower the power that a cut spreads, so
the maximum over phases of a sinusoid without one is on the safe side.
"""

import numpy as np

from common import validation

__all__ = ["harmonic_excess", "peak_frequency"]

_OVERSAMPLING = 16
_N_PHASES = 32


def peak_frequency(v, *, sfreq, band=None):
    """Frequency at which a waveform has most power.

    Parameters
    ----------
    v : array_like, shape (n_times_atom,)
    sfreq : float
        Sampling frequency, in Hz.
    band : tuple of float, optional
        Lowest and highest frequency that is looked at, in Hz; by default all.

    Returns
    -------
    frequency : float
        In Hz, in steps of a sixteenth of ``sfreq / n_times_atom``.

    Raises
    ------
    TypeError, ValueError
        If the waveform is none, or no frequency is in the band.
    """
    v = validation.vector(v, "v").astype(float)
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    frequencies = np.fft.rfftfreq(_OVERSAMPLING * len(v), 1 / sfreq)
    power = np.abs(np.fft.rfft(v, _OVERSAMPLING * len(v))) ** 2
    low, high = (0, sfreq / 2) if band is None else band
    inside = (frequencies >= low) & (frequencies <= high)
    if not inside.any():
        raise ValueError(f"band must hold a frequency up to {sfreq / 2:g} Hz, got {band} Hz.")
    return float(frequencies[inside][power[inside].argmax()])


def harmonic_excess(v, *, sfreq, band):
    """Power at twice a waveform's frequency, beyond that of a sinusoid of its length.

    Parameters
    ----------
    v : array_like, shape (n_times_atom,)
    sfreq : float
        Sampling frequency, in Hz.
    band : tuple of float
        Where its frequency is, in Hz; below a quarter of ``sfreq``.

    Returns
    -------
    excess : float
        In dB; 0 or less for a cut sinusoid.

    Raises
    ------
    TypeError, ValueError
        As `peak_frequency`, or if twice the band is not below half of ``sfreq``.
    """
    v = validation.vector(v, "v").astype(float)
    frequency = peak_frequency(v, sfreq=sfreq, band=band)
    if 2 * band[1] >= sfreq / 2:
        raise ValueError(
            f"twice the band must be below {sfreq / 2:g} Hz, half of sfreq, got {band} Hz."
        )
    angle = 2 * np.pi * frequency / sfreq * np.arange(len(v))
    phases = np.linspace(0, np.pi, _N_PHASES, endpoint=False)
    cut = np.cos(angle + phases[:, None])
    return float(_ratio(v[None], angle)[0] - _ratio(cut, angle).max())


def _ratio(waves, angle):
    """Power at twice the frequency over that at the frequency, in dB."""
    first, second = (np.abs(waves @ np.exp(-1j * order * angle)) ** 2 for order in (1, 2))
    return 10 * np.log10(np.maximum(second, 1e-30) / first)
