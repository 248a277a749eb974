r"""Continuous multichannel EEG with known events, for tests and for what real data cannot score.

A recording is background plus events:

.. math:: x_c(t) = \sum_s A_{cs}\, b_s(t) + \sum_e a_e\, g_{c}(e)\, w_e(t) + \varepsilon_c(t)

with sources :math:`b_s` of power spectrum :math:`1/f^\beta`, a smooth mixing matrix :math:`A` (each
source reaches the sensors around its place on the scalp), sensor noise :math:`\varepsilon`, and for
every event :math:`e` a waveform :math:`w_e` of its class (rhythm or sharp wave), with the class's
topography :math:`g` and an amplitude :math:`a_e`. Place, rhythm, amplitude and background vary from
subject to subject, so that a model tested on unseen subjects has something to generalise over.

Everything made here is *simulated* and must be labelled so wherever it is shown.
"""

from dataclasses import dataclass

import numpy as np

from common import validation
from common.events.recording import Recording
from common.events.sets import Events

__all__ = ["CLASSES", "SENSORS", "EventClass", "simulate_recording"]


@dataclass(frozen=True)
class EventClass:
    """One kind of event.

    Parameters
    ----------
    name : str
    duration : tuple of float
        Shortest and longest duration, in s; durations are log-uniform in between.
    frequency : float
        Frequency of the rhythm, in Hz; 0 for one sharp wave per event, as long as the event.
    harmonic : float
        Amplitude of the second harmonic relative to the first (spikes on a slow wave).
    rate : float
        Mean number of events per minute, as far as their durations allow: pauses between them
        last 1 s on average at least.
    centre : tuple of float
        Where the topography peaks on the unit disc of the head: right is +x, nose is +y.
    spread : float
        Width of the topography, as a fraction of the head's radius.
    amplitude : float
        Amplitude relative to the standard deviation of the background.
    """

    name: str
    duration: tuple[float, float]
    frequency: float
    harmonic: float
    rate: float
    centre: tuple[float, float]
    spread: float
    amplitude: float

    def __post_init__(self):
        low, high = self.duration
        validation.number(low, f"shortest duration of {self.name}", above=0, unit="s")
        validation.number(high, f"longest duration of {self.name}", above=low, unit="s")
        validation.number(self.frequency, f"frequency of {self.name}", at_least=0, unit="Hz")
        validation.number(self.rate, f"rate of {self.name}", above=0, unit="a minute")
        validation.number(self.spread, f"spread of {self.name}", above=0)
        validation.number(self.harmonic, f"harmonic of {self.name}", at_least=0)
        validation.number(self.amplitude, f"amplitude of {self.name}", at_least=0)


CLASSES = (
    EventClass("spike", (0.1, 0.3), 0.0, 0.0, 1.0, (-0.6, 0.1), 0.35, 5.0),
    EventClass("spindle", (0.5, 2.0), 13.0, 0.0, 5.0, (0.0, 0.1), 0.45, 1.6),
    EventClass("alpha", (2.0, 10.0), 9.0, 0.0, 3.0, (0.0, -0.8), 0.45, 1.6),
    EventClass("seizure", (10.0, 60.0), 3.0, 0.6, 0.6, (0.0, 0.6), 0.8, 2.2),
)
"""Four classes whose durations together span 0.1 s to 60 s; class ``k`` has label ``k + 1``."""

SENSORS = {
    "F3": (-0.39, 0.53),
    "F4": (0.39, 0.53),
    "T7": (-0.80, 0.0),
    "C3": (-0.40, 0.0),
    "C4": (0.40, 0.0),
    "T8": (0.80, 0.0),
    "O1": (-0.25, -0.76),
    "O2": (0.25, -0.76),
}
"""Sensors of the simulated cap and their places on the unit disc of the head."""


def simulate_recording(
    *, subject, duration, sfreq, rng, subject_rng, classes=CLASSES, amplitude=1.0
):
    """Simulate one continuous recording of one subject.

    Parameters
    ----------
    subject : str
        Name of the subject, kept with the recording.
    duration : float
        Length, in s.
    sfreq : float
        Sampling frequency, in Hz.
    rng : numpy.random.Generator
        Draws events and background of this recording.
    subject_rng : numpy.random.Generator
        Draws what stays the same within a subject. Give the same state for each recording of one
        subject.
    classes : sequence of EventClass
        Label ``k + 1`` is ``classes[k]``.
    amplitude : float, default=1.0
        Multiplies the amplitude of every event; 0 leaves background alone.

    Returns
    -------
    recording : Recording
        ``data`` in V, float64, shape ``(n_channels, n_times)``. Events of one class never overlap;
        events of different classes may, as a spike does on a rhythm.

    Raises
    ------
    ValueError
        If ``duration`` is shorter than the shortest event of some class, that event is shorter
        than three samples, or a number is NaN or out of range.
    TypeError
        If a generator is none.
    """
    duration = validation.number(duration, "duration", above=0, unit="s")
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    amplitude = validation.number(amplitude, "amplitude", at_least=0)
    rng = validation.generator(rng)
    subject_rng = validation.generator(subject_rng, "subject_rng")
    for kind in classes:
        if duration < kind.duration[0]:
            raise ValueError(
                f"duration={duration:g} s is shorter than the shortest {kind.name} "
                f"({kind.duration[0]:g} s). Simulate a longer recording or drop the class."
            )
        if kind.duration[0] * sfreq < 3:
            raise ValueError(
                f"at sfreq={sfreq:g} Hz the shortest {kind.name} ({kind.duration[0]:g} s) has "
                "fewer than three samples. Raise sfreq or drop the class."
            )
    head = _Subject.draw(classes, subject_rng)
    data = _background(round(duration * sfreq), sfreq, head, rng)
    starts, ends, labels = [], [], []
    for label, kind in enumerate(classes, start=1):
        for start, end in _spans(kind, duration, rng):
            first, last = round(start * sfreq), round(end * sfreq)
            wave = _waveform(kind, last - first, sfreq, head.frequencies[label - 1], rng)
            size = amplitude * kind.amplitude * head.gains[label - 1] * rng.uniform(0.85, 1.25)
            data[:, first:last] += size * head.topographies[label - 1][:, None] * wave
            starts.append(first / sfreq)
            ends.append(last / sfreq)
            labels.append(label)
    events = Events(np.array(starts), np.array(ends), np.array(labels, dtype=int))
    return Recording(subject, data * _VOLTS, sfreq, tuple(SENSORS), SENSORS_XY, events)


SENSORS_XY = np.array(list(SENSORS.values()))
# Background of 10 µV (standard deviation), a usual size on the scalp.
_VOLTS = 10e-6
_N_SOURCES = 24
_SENSOR_NOISE = 0.1


@dataclass(frozen=True)
class _Subject:
    exponent: float
    mixing: np.ndarray
    topographies: np.ndarray
    frequencies: np.ndarray
    gains: np.ndarray

    @classmethod
    def draw(cls, classes, rng):
        sensors = SENSORS_XY
        centres = np.array([kind.centre for kind in classes])
        spreads = np.array([kind.spread for kind in classes])
        centres = centres + rng.normal(0.0, 0.08, centres.shape)
        return cls(
            exponent=rng.uniform(0.8, 1.3),
            mixing=_falloff(sensors, rng.uniform(-1, 1, (_N_SOURCES, 2)), 0.5)
            * rng.choice([-1.0, 1.0], _N_SOURCES),
            topographies=_falloff(sensors, centres, spreads).T,
            frequencies=np.array([kind.frequency for kind in classes])
            * rng.uniform(0.93, 1.07, len(classes)),
            gains=rng.uniform(0.85, 1.2, len(classes)),
        )


def _falloff(places, centres, width):
    """Gaussian of the distance, shape (n_places, n_centres)."""
    distance = np.linalg.norm(places[:, None, :] - centres[None, :, :], axis=2)
    return np.exp(-0.5 * (distance / width) ** 2)


def _background(n_times, sfreq, subject, rng):
    """Mixed 1/f sources plus sensor noise; each channel has unit standard deviation."""
    frequencies = np.fft.rfftfreq(n_times, 1 / sfreq)
    shape = np.zeros_like(frequencies)
    audible = frequencies >= 0.3  # slower drifts are removed by the high-pass of any recording
    shape[audible] = frequencies[audible] ** (-subject.exponent / 2)
    spectrum = np.fft.rfft(rng.standard_normal((_N_SOURCES, n_times))) * shape
    sources = np.fft.irfft(spectrum, n_times)
    data = subject.mixing @ (sources / sources.std(axis=1, keepdims=True))
    data += _SENSOR_NOISE * data.std() * rng.standard_normal(data.shape)
    return data / data.std(axis=1, keepdims=True)


def _spans(kind, duration, rng):
    """Spans of one class: a renewal process with exponential pauses, nothing cut by the ends."""
    log_low, log_high = np.log(kind.duration)
    mean = (kind.duration[1] - kind.duration[0]) / (log_high - log_low)
    pause = max(60.0 / kind.rate - mean, 1.0)
    spans, time = [], 0.0
    while True:
        start = time + rng.exponential(pause)
        end = start + np.exp(rng.uniform(log_low, log_high))
        if end > duration:
            return spans
        spans.append((start, end))
        time = end


def _waveform(kind, n_times, sfreq, frequency, rng):
    """Unit-amplitude waveform of one event: tapered rhythm, or one biphasic sharp wave."""
    phase = (np.arange(n_times) + 0.5) / n_times
    if frequency == 0:
        return np.sin(2 * np.pi * phase) * np.sin(np.pi * phase) * 1.3
    time = np.arange(n_times) / sfreq
    angle = 2 * np.pi * frequency * time + rng.uniform(0, 2 * np.pi)
    wave = np.sin(angle) + kind.harmonic * np.sin(2 * angle + 0.5 * np.pi)
    # 10 % of the event at each side, at most half a second: an expert's onset is that sharp.
    ramp = np.minimum(0.1, 0.5 * sfreq / n_times)
    taper = np.clip(np.minimum(phase, 1 - phase) / ramp, 0, 1)
    return wave * np.sin(0.5 * np.pi * taper) ** 2
