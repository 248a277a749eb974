r"""Whether a short wave is a sinusoid: its power at twice its frequency.

The mu rhythm of the sensorimotor cortex has arched waves, so it has power near 20 Hz beside that at
10 Hz. A sinusoid that is cut to L samples has some there, too. With P the power spectrum, the
*excess* is, in dB,

.. math:: 10 \log_{10} \frac{P_v(2 f_0)}{P_v(f_0)}
          - \max_{f, \varphi} 10 \log_{10} \frac{P_s(2 f)}{P_s(f)}, \qquad
          s[m] = \cos(2 \pi f m / f_s + \varphi),

:math:`f_0` where the spectrum of v is largest. A cut sinusoid has no power at twice its frequency
if it has whole periods, so the maximum is over frequencies up to half of :math:`f_s / L` around
:math:`f_0`, and over phases. Tapers lower the power that a cut spreads: a sinusoid without one is
on the safe side.
"""

import numpy as np

from common import validation

__all__ = ["harmonic_excess", "peak_frequency"]

_OVERSAMPLING = 16
_N_PHASES = 32
_N_NEAR = 17


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
        If the waveform is none or has no power in the band, or the band holds no frequency.
    """
    v = validation.vector(v, "v").astype(float)
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    frequencies = np.fft.rfftfreq(_OVERSAMPLING * len(v), 1 / sfreq)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        power = np.abs(np.fft.rfft(v, _OVERSAMPLING * len(v))) ** 2
    low, high = (0, sfreq / 2) if band is None else _checked_band(band)
    inside = (frequencies >= low) & (frequencies <= high)
    if not inside.any():
        raise ValueError(f"band must hold a frequency up to {sfreq / 2:g} Hz, got {band} Hz.")
    if not 0 < power[inside].max() < np.inf:
        raise ValueError(
            f"v, with values up to {np.abs(v).max():g}, has the power {power[inside].max():g} from "
            f"{low:g} to {high:g} Hz: no frequency is the peak. Scale it, or choose another band."
        )
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
    frequency = peak_frequency(v, sfreq=sfreq, band=_checked_band(band))
    if 2 * band[1] >= sfreq / 2:
        raise ValueError(
            f"twice the band must be below {sfreq / 2:g} Hz, half of sfreq, got {band} Hz."
        )
    phases = np.linspace(0, np.pi, _N_PHASES, endpoint=False)
    bounds = []
    for near in frequency + np.linspace(-0.5, 0.5, _N_NEAR) * sfreq / len(v):
        angle = 2 * np.pi * near / sfreq * np.arange(len(v))
        bounds.append(_ratio(np.cos(angle + phases[:, None]), angle).max())
    angle = 2 * np.pi * frequency / sfreq * np.arange(len(v))
    return float(_ratio(v[None], angle)[0] - max(bounds))


def _checked_band(band):
    if np.shape(band) != (2,):
        raise ValueError(f"band must be (lowest, highest) in Hz, got {band!r}.")
    return tuple(validation.number(edge, "an edge of band", unit="Hz") for edge in band)


def _ratio(waves, angle):
    """Power at twice the frequency over that at the frequency, in dB."""
    first, second = (np.abs(waves @ np.exp(-1j * order * angle)) ** 2 for order in (1, 2))
    tiny = np.finfo(float).tiny
    return 10 * np.log10(np.maximum(second, tiny) / np.maximum(first, tiny))
