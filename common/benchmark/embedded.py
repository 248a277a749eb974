"""Recordings that packages carry, and simulated ones, as data sets of MOABB.

The recordings were cut into trials by whoever published them. MOABB filters continuous signals, so
each trial becomes a piece of one: its mean removed, continued at both ends by its own mirror image,
which fades to zero. Nothing of one trial gets into another but what a filter rings on over the
faded part.
"""

import mne
import numpy as np
import scipy.io
import scipy.signal
from moabb.datasets.base import BaseDataset

from common import files, registry, validation
from common.recordings.ts import read_ts, restore_channels

__all__ = ["AudioVisual", "FingerMovements", "SSVEPSample", "SelfRegulation", "Simulated"]

_MARGIN = 1.5  # s before and after a trial
_STIM = "STI"
_SIMULATED_EVENTS = {
    "imagery": ("left_hand", "right_hand"),
    "p300": ("Target", "NonTarget"),
    "ssvep": ("9.0", "11.0", "13.0"),
}
_SIMULATED_SECONDS = {"imagery": 3.0, "p300": 0.8, "ssvep": 2.0}
_WEAKER_AT = {"left_hand": "C4", "right_hand": "C3", "feet": "Cz"}


class SSVEPSample(BaseDataset):
    """One person looking at up to 40 flickering targets, six times each (``meegkit-trca``).

    Nine channels at the back of the head, 250 Hz, 5 s from the onset of the flicker; targets at
    8.0, 8.2 … 15.8 Hz.

    Parameters
    ----------
    n_targets : int, default=40
        The first ones of the recording's order: 8, 9 … 15 Hz, then 8.2 … 15.2 Hz and so on.
    delay : float, default=0.14
        Time in s after the onset at which the trials begin: the response takes so long.
    duration : float, optional
        Of the trials, in s; default: to the end.

    Raises
    ------
    ValueError
        If there are no such targets or times.
    """

    RAW = ("meegkit-trca",)
    _SFREQ = 250.0
    _CHANNELS = ("Pz", "PO5", "PO3", "POz", "PO4", "PO6", "O1", "Oz", "O2")

    def __init__(self, n_targets=40, delay=0.14, duration=None):
        n_targets = validation.count(n_targets, "n_targets", at_least=2, at_most=40)
        last = 5.0 - 1 / self._SFREQ
        end = last if duration is None else delay + duration - 1 / self._SFREQ
        if not 0 <= delay < end <= last + 1e-9:
            raise ValueError(
                f"trials of {duration} s from {delay:g} s on do not fit into the 5 s recorded."
            )
        frequencies = [f"{8 + i % 8 + 0.2 * (i // 8):.1f}" for i in range(n_targets)]
        events = {name: code for code, name in enumerate(frequencies, 1)}
        super().__init__([1], 1, events, "SSVEPSample", [delay, end], "ssvep", unit_factor=1e6)

    def _get_single_subject_data(self, subject):
        with files.reading(_file(self.RAW[0]), "a MATLAB file with the array eeg"):
            eeg = scipy.io.loadmat(_file(self.RAW[0]))["eeg"]
        # (targets, channels, samples, blocks) to trials in the order of the blocks.
        eeg = eeg[: len(self.event_id)].transpose(3, 0, 1, 2)
        trials = 1e-6 * eeg.reshape(-1, *eeg.shape[2:])
        codes = np.tile(np.arange(1, len(self.event_id) + 1), eeg.shape[0])
        return {"0": {"0": _continuous(trials, codes, self._CHANNELS, self._SFREQ)}}

    def data_path(self, subject, path=None, force_update=False, update_path=None, verbose=None):
        """Files of a subject."""
        return [str(_file(name)) for name in self.RAW]


class FingerMovements(BaseDataset):
    """Preparation of key presses with the left or right hand (``aeon-finger-movements-*``).

    Executed movements, not imagined ones: 0.5 s before each of 416 key presses of one person, 100
    Hz, of which 16 of 28 channels are left. The labels are ``left_hand`` and ``right_hand``, as
    MOABB's motor imagery asks for. The competition's training and test parts are two runs.
    """

    RAW = ("aeon-finger-movements-train", "aeon-finger-movements-test")
    _SFREQ = 100.0
    _CHANNELS = (
        "F3", "F1", "Fz", "F2", "F4", "FC5", "FC3", "FC1", "FCz", "FC2", "FC4", "FC6", "C5", "C3",
        "C1", "Cz",
    )  # fmt: skip

    def __init__(self):
        events = {"left_hand": 1, "right_hand": 2}
        super().__init__([1], 1, events, "FingerMovements", [0, 0.49], "imagery")

    def _get_single_subject_data(self, subject):
        runs = {}
        for run, name in enumerate(self.RAW):
            cases = read_ts(_file(name))
            codes = np.where(cases.y == "left", 1, 2)
            # The unit is not stated; as µV the values have the size of EEG.
            trials = 1e-6 * restore_channels(cases.X)
            runs[str(run)] = _continuous(trials, codes, self._CHANNELS, self._SFREQ)
        return {"0": runs}

    def data_path(self, subject, path=None, force_update=False, update_path=None, verbose=None):
        """Files of a subject."""
        return [str(_file(name)) for name in self.RAW]


class SelfRegulation(BaseDataset):
    """Self-regulation of slow cortical potentials (``aeon-self-regulation-scp1-*``).

    One person makes the potential at the vertex negative or positive: 561 trials of 3.5 s, 256 Hz,
    of which one channel is left, A1-Cz. The two sessions are the competition's parts: 268 trials of
    two days, mixed, and 293 of the second day. What MOABB's band, 8 to 32 Hz, leaves of them is not
    the slow potential.
    """

    RAW = ("aeon-self-regulation-scp1-train", "aeon-self-regulation-scp1-test")
    _SFREQ = 256.0

    def __init__(self):
        events = {"negativity": 1, "positivity": 2}
        # Its last sample would be at 3.496 s: MOABB takes both ends of the interval.
        interval = [0, 895 / self._SFREQ]
        super().__init__([1], 2, events, "SelfRegulation", interval, "imagery")

    def _get_single_subject_data(self, subject):
        sessions = {}
        for session, name in enumerate(self.RAW):
            cases = read_ts(_file(name))
            codes = np.where(cases.y == "negativity", 1, 2)
            trials = 1e-6 * restore_channels(cases.X)
            sessions[str(session)] = {"0": _continuous(trials, codes, ("Cz",), self._SFREQ)}
        return sessions

    def data_path(self, subject, path=None, force_update=False, update_path=None, verbose=None):
        """Files of a subject."""
        return [str(_file(name)) for name in self.RAW]


class AudioVisual(BaseDataset):
    """Potentials evoked by tones and by checkerboards (``neurokit2-erp``).

    One person, 288 trials, ten frontal channels, 150 Hz, 0 to 0.5 s after the onset. Not an
    oddball: for MOABB's P300 paradigm tones are called ``Target`` and checkerboards ``NonTarget``.
    """

    RAW = ("neurokit2-erp",)
    _SFREQ = 150.0
    _ONSET = 15  # samples

    def __init__(self):
        events = {"Target": 2, "NonTarget": 1}
        super().__init__([1], 1, events, "AudioVisual", [0, 0.5], "p300")

    def _get_single_subject_data(self, subject):
        table = files.read_csv(_file(self.RAW[0]))
        channels = [name for name in table if name.startswith("EEG ")]
        conditions = table.groupby("Label")["Condition"].first()
        codes = np.where(conditions.str.startswith("audio/"), 2, 1)
        trials = table[channels].to_numpy().reshape(len(codes), -1, len(channels))
        raw = _continuous(
            trials.transpose(0, 2, 1), codes, channels, self._SFREQ, onset=self._ONSET
        )
        return {"0": {"0": raw}}

    def data_path(self, subject, path=None, force_update=False, update_path=None, verbose=None):
        """Files of a subject."""
        return [str(_file(name)) for name in self.RAW]


class Simulated(BaseDataset):
    r"""Simulated subjects, so that many of them can be compared where few were recorded.

    Noise with a spectrum of about 1/f, mixed over channels at random for each subject, and

    - ``"imagery"``: a rhythm of 8 to 12 Hz at each of two or three places of the motor cortex, of
      which the one opposite to the moved part is weaker during its trials;
    - ``"p300"``: a bump 0.3 s after targets, a fifth of all trials;
    - ``"ssvep"``: a sine of the class's frequency, and its second harmonic.

    How much of this there is, is drawn for each subject: some are near chance.

    Parameters
    ----------
    paradigm : {"imagery", "p300", "ssvep"}, default="imagery"
    n_subjects : int, default=20
    n_sessions : int, default=1
    n_trials : int, default=20
        Of each class (of targets, where there are fewer) in a session.
    events : sequence of str, optional
        Names of the classes; default: left and right hand, target or not, 9, 11 and 13 Hz.
    n_channels : int, default=8
        At most 16.
    effect : float, default=1.0
        Mean over subjects of the effect; with 0 there is nothing to find.
    seed : int, default=0

    Raises
    ------
    ValueError
        If an argument is out of range, or an event unknown.
    """

    RAW = ()
    _SFREQ = 128.0
    _CHANNELS = (
        "C3", "C4", "Cz", "Pz", "Oz", "FC3", "FC4", "CP3", "CP4", "O1", "O2", "P3", "P4", "Fz",
        "F3", "F4",
    )  # fmt: skip

    def __init__(
        self,
        paradigm="imagery",
        n_subjects=20,
        n_sessions=1,
        n_trials=20,
        events=None,
        n_channels=8,
        effect=1.0,
        seed=0,
    ):
        if paradigm not in _SIMULATED_EVENTS:
            raise ValueError(
                f"paradigm must be one of {', '.join(_SIMULATED_EVENTS)}, got {paradigm!r}."
            )
        validation.count(n_channels, "n_channels", at_least=5, at_most=len(self._CHANNELS))
        for name, n in (("subjects", n_subjects), ("sessions", n_sessions), ("trials", n_trials)):
            validation.count(n, f"n_{name}")
        validation.number(effect, "effect", at_least=0)
        validation.count(seed, "seed", at_least=0)
        events = list(events or _SIMULATED_EVENTS[paradigm])
        if paradigm == "imagery" and (unknown := set(events) - set(_WEAKER_AT)):
            raise ValueError(
                f"unknown events {sorted(unknown)}; imagery knows {', '.join(_WEAKER_AT)}."
            )
        super().__init__(
            list(range(1, n_subjects + 1)),
            n_sessions,
            {name: code for code, name in enumerate(events, 1)},
            "Simulated",
            [0, _SIMULATED_SECONDS[paradigm]],
            paradigm,
        )
        self.n_trials, self.n_channels = n_trials, n_channels
        self.effect, self.seed = effect, seed

    def _get_single_subject_data(self, subject):
        rng = np.random.default_rng([self.seed, subject])
        size = self.effect * rng.gamma(2.0, 0.5)
        mixing = np.eye(self.n_channels) + rng.normal(scale=0.4, size=(self.n_channels,) * 2)
        return {
            str(session): {"0": self._record(rng, size, mixing)}
            for session in range(self.n_sessions)
        }

    def data_path(self, subject, path=None, force_update=False, update_path=None, verbose=None):
        """Files of a subject: there are none."""
        return []

    def _record(self, rng, size, mixing):
        times = {"NonTarget": 4} if self.paradigm == "p300" else {}
        counts = [self.n_trials * times.get(name, 1) for name in self.event_id]
        codes = rng.permutation(np.repeat(list(self.event_id.values()), counts))
        n_times = round(self.interval[1] * self._SFREQ) + 1
        spacing = n_times + round(0.5 * self._SFREQ)
        onsets = round(_MARGIN * self._SFREQ) + spacing * np.arange(len(codes))
        n_samples = onsets[-1] + spacing + round(_MARGIN * self._SFREQ)
        data = mixing @ self._sources(rng, size, codes, onsets, n_times, n_samples)
        return _raw(1e-5 * data, onsets, codes, self._CHANNELS[: self.n_channels], self._SFREQ)

    def _sources(self, rng, size, codes, onsets, n_times, n_samples):
        sources = _pink(rng.standard_normal((self.n_channels, n_samples)))
        at, name_of = list(self._CHANNELS), {code: name for name, code in self.event_id.items()}
        time = np.arange(n_times) / self._SFREQ
        if self.paradigm == "imagery":
            band = scipy.signal.butter(3, (8, 12), "bandpass", fs=self._SFREQ, output="sos")
            rhythm = scipy.signal.sosfiltfilt(band, rng.standard_normal((3, n_samples)))
            rhythm /= rhythm.std(axis=1, keepdims=True)
            for place, wave in zip(("C3", "C4", "Cz"), rhythm, strict=True):
                gain = np.ones(n_samples)
                for code, onset in zip(codes, onsets, strict=True):
                    if _WEAKER_AT[name_of[code]] == place:
                        gain[onset : onset + n_times] = np.exp(-0.35 * size)
                sources[at.index(place)] += 0.8 * gain * wave
            return sources
        for code, onset in zip(codes, onsets, strict=True):
            if self.paradigm == "p300":
                wave = np.exp(-0.5 * ((time - 0.3) / 0.05) ** 2) * (name_of[code] == "Target")
                sources[at.index("Pz"), onset : onset + n_times] += 1.5 * size * wave
            else:
                angle = 2 * np.pi * float(name_of[code]) * time
                wave = np.sin(angle) + 0.5 * np.sin(2 * angle + 1.0)
                sources[at.index("Oz"), onset : onset + n_times] += 0.4 * size * wave
        return sources


def _file(name):
    return files.require(registry.path(name))


def _pink(white):
    """Noise with a power spectrum of about 1/f, of unit variance."""
    spectrum = np.fft.rfft(white)
    spectrum[:, 1:] /= np.sqrt(np.arange(1, spectrum.shape[1]))
    spectrum[:, 0] = 0
    noise = np.fft.irfft(spectrum, n=white.shape[1])
    return noise / noise.std(axis=1, keepdims=True)


def _continuous(trials, codes, channels, sfreq, *, onset=0):
    """One recording of trials (n_trials, n_channels, n_times) in V; ``onset`` in samples."""
    margin = round(_MARGIN * sfreq)
    centred = trials - trials.mean(axis=-1, keepdims=True)
    padded = np.pad(centred, ((0, 0), (0, 0), (margin, margin)), mode="reflect")
    fade = 0.5 - 0.5 * np.cos(np.pi * (np.arange(margin) + 0.5) / margin)
    padded[..., :margin] *= fade
    padded[..., -margin:] *= fade[::-1]
    onsets = margin + onset + padded.shape[-1] * np.arange(len(trials))
    data = padded.transpose(1, 0, 2).reshape(trials.shape[1], -1)
    return _raw(data, onsets, codes, channels, sfreq)


def _raw(data, onsets, codes, channels, sfreq):
    stim = np.zeros((1, data.shape[1]))
    stim[0, onsets] = codes
    kinds = ["eeg"] * len(channels) + ["stim"]
    info = mne.create_info([*channels, _STIM], sfreq, kinds)
    return mne.io.RawArray(np.concatenate([data, stim]), info, verbose="error")
