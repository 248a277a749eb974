"""Continuous recordings with their events, and the file that carries them between steps."""

from dataclasses import dataclass, replace

import numpy as np

from common import files, validation
from common.events.sets import Events

__all__ = ["Recording", "check_alike", "read_recordings", "write_recordings"]


@dataclass(frozen=True, eq=False)
class Recording:
    """A continuous recording and what is known to happen in it.

    Parameters
    ----------
    subject : str
        Whose recording it is; sets are split by subject.
    data : ndarray, shape (n_channels, n_times)
        Signal, in V, or without unit once scaled.
    sfreq : float
        Sampling frequency, in Hz.
    channels : sequence of str, of length n_channels
    positions : ndarray, shape (n_channels, n_dimensions)
        Places of the channels: x and y on the unit disc of the head, or 3D in m.
    events : Events
        In s from the first sample.

    Raises
    ------
    ValueError
        If shapes disagree, a value of the signal is not finite, two channels have one name, the
        sampling frequency is not positive, or an event lies outside the recording.
    """

    subject: str
    data: np.ndarray
    sfreq: float
    channels: tuple[str, ...]
    positions: np.ndarray
    events: Events

    def __post_init__(self):
        object.__setattr__(self, "channels", tuple(self.channels))  # the dataclass is frozen
        n_channels = len(self.channels)
        if self.data.ndim != 2 or len(self.data) != n_channels or len(self.positions) != n_channels:
            raise ValueError(
                f"recording of {self.subject} has {n_channels} channel names, data of shape "
                f"{self.data.shape} and positions of shape {self.positions.shape}. "
                "Give one row of each for every channel."
            )
        name = f"recording of {self.subject}"
        validation.number(self.sfreq, f"sfreq of the {name}", above=0, unit="Hz")
        validation.array(self.data, f"data of the {name}")
        if len(set(self.channels)) < n_channels:
            twice = next(each for each in self.channels if self.channels.count(each) > 1)
            raise ValueError(f"{name} has two channels called {twice!r}. Rename or drop one.")
        if len(self.events) and (
            self.events.start.min() < 0 or self.events.end.max() > self.duration + 1 / self.sfreq
        ):
            raise ValueError(
                f"recording of {self.subject} lasts {self.duration:g} s but has events in "
                f"[{self.events.start.min():g}, {self.events.end.max():g}] s. Are they in samples?"
            )

    @property
    def duration(self):
        """Length, in s."""
        return self.data.shape[1] / self.sfreq

    def crop(self, start, end):
        """Part of the recording between two times, in s; events are cut at its ends.

        Times are rounded to samples, for the signal and the events alike.

        Parameters
        ----------
        start, end : float
            In s.

        Returns
        -------
        part : Recording
            Its time begins at 0.

        Raises
        ------
        ValueError
            If the part is empty or reaches beyond the recording.
        """
        start = validation.number(start, "start", unit="s")
        end = validation.number(end, "end", unit="s")
        first, last = round(start * self.sfreq), round(end * self.sfreq)
        if not 0 <= first < last <= self.data.shape[1]:
            raise ValueError(
                f"cannot crop [{start:g}, {end:g}] s from a recording of {self.duration:g} s."
            )
        start, end = first / self.sfreq, last / self.sfreq
        return replace(
            self, data=self.data[:, first:last], events=self.events.clip(start, end).shift(-start)
        )

    def windows(self, starts, n_times):
        """Windows of the signal.

        Parameters
        ----------
        starts : array_like, shape (n_windows,)
            In s.
        n_times : int
            Length of a window, in samples.

        Returns
        -------
        X : ndarray, shape (n_windows, n_channels, n_times)

        Raises
        ------
        ValueError
            If a window reaches beyond the recording.
        """
        n_times = validation.count(n_times, "n_times")
        starts = validation.vector(starts, "starts", unit="s", empty=True)
        first = np.round(starts.astype(float) * self.sfreq).astype(int)
        outside = first[(first < 0) | (first + n_times > self.data.shape[1])]
        if len(outside):
            raise ValueError(
                f"a window of {n_times / self.sfreq:g} s at {outside[0] / self.sfreq:g} s reaches "
                f"beyond the recording of {self.subject} ({self.duration:g} s)."
            )
        views = np.lib.stride_tricks.sliding_window_view(self.data, n_times, axis=1)
        return views[:, first].swapaxes(0, 1).copy()


def check_alike(recordings, *, n_classes=None):
    """Raise a ValueError unless recordings can be trained on together.

    Parameters
    ----------
    recordings : sequence of Recording
    n_classes : int, optional
        Number K of classes that their events may have.

    Raises
    ------
    ValueError
        If there is none, channels or sampling frequencies differ, or a label exceeds K.
    """
    if not len(recordings):
        raise ValueError("there is no recording. Did the split leave any?")
    first = recordings[0]
    for recording in recordings:
        if recording.channels != first.channels or recording.sfreq != first.sfreq:
            raise ValueError(
                f"recordings of {first.subject} and {recording.subject} differ: "
                f"{first.sfreq:g} Hz, {first.channels} against "
                f"{recording.sfreq:g} Hz, {recording.channels}. Prepare them alike first."
            )
        if n_classes is not None and recording.events.label.max(initial=0) > n_classes:
            raise ValueError(
                f"the recording of {recording.subject} has an event of class "
                f"{recording.events.label.max()}, but n_classes={n_classes}. Count all classes, or "
                "drop such events."
            )


def write_recordings(path, recordings, *, classes):
    """Write recordings to one ``.npz``.

    Parameters
    ----------
    path : str or Path
    recordings : sequence of Recording
        Of one or several subjects, with the same channels, positions and sampling frequency.
    classes : sequence of str
        Names of the labels 1, 2, …

    Raises
    ------
    ValueError
        If there is no recording, or channels, positions or sampling frequencies differ.
    """
    if not recordings:
        raise ValueError(f"no recording to write to {files.relative(path)}.")
    check_alike(recordings)
    first = recordings[0]
    arrays = {
        "n_recordings": len(recordings),
        "sfreq": first.sfreq,
        "channels": np.array(first.channels),
        "positions": first.positions,
        "classes": np.array(classes),
    }
    for i, recording in enumerate(recordings):
        if not np.array_equal(recording.positions, first.positions, equal_nan=True):
            raise ValueError(
                f"recordings of {first.subject} and {recording.subject} have the same channels in "
                "different places. Write them to files of their own."
            )
        arrays[f"subject_{i}"] = recording.subject
        arrays[f"data_{i}"] = recording.data
        for name in ("start", "end", "label"):
            arrays[f"{name}_{i}"] = getattr(recording.events, name)
    files.write_npz(path, **arrays)


def read_recordings(*paths):
    """Read recordings that `write_recordings` wrote.

    Parameters
    ----------
    *paths : str or Path
        One file or several with the same classes.

    Returns
    -------
    recordings : list of Recording
    classes : tuple of str
        Names of the labels 1, 2, …

    Raises
    ------
    common.files.NotBuiltError
        If a file does not exist.
    ValueError
        If files disagree about the classes.
    """
    recordings, classes = [], None
    for path in paths:
        arrays = files.read_npz(path)
        names = tuple(str(name) for name in arrays["classes"])
        if classes not in (None, names):
            raise ValueError(f"{files.relative(path)} has classes {names}, not {classes}.")
        classes = names
        for i in range(int(arrays["n_recordings"])):
            events = Events(*(arrays[f"{name}_{i}"] for name in ("start", "end", "label")))
            recordings.append(
                Recording(
                    str(arrays[f"subject_{i}"]),
                    arrays[f"data_{i}"],
                    float(arrays["sfreq"]),
                    tuple(str(name) for name in arrays["channels"]),
                    arrays["positions"],
                    events,
                )
            )
    return recordings, classes
