"""Events of waveforms, and of what may drive them, as one file: the input of a point process."""

from dataclasses import dataclass

import numpy as np

from common import files, validation
from common.dictionary._checks import flag
from common.hawkes.pairs import check_record

__all__ = ["EventSet", "read_event_set", "write_event_set"]


@dataclass(frozen=True, eq=False)
class EventSet:
    """Events of one record, with the waveforms that they are events of.

    Attributes
    ----------
    names : tuple of str
        Of the processes, one a waveform.
    events : tuple of ndarray, each of shape (n_events_i,)
        Sorted times of each process, in s, within ``[0, end_time]``.
    end_time : float
        Length of the record, in s.
    driver_names : tuple of str, default=()
        Kinds of stimuli; empty where there are none.
    drivers : tuple of ndarray, each of shape (n_stimuli_p,), default=()
        Sorted times of the stimuli of each kind, in s.
    waveforms : tuple of ndarray, each of shape (n_times_i,), default=()
        Of each process; empty where events were simulated without a signal.
    sfreqs : tuple of float, default=()
        Sampling frequency of each waveform, in Hz.
    anchors : tuple of float, default=()
        Time within each waveform that its events are the times of, in s.
    topographies : ndarray, shape (n_processes, n_places), optional
        Of each process; no places for a single channel.
    positions : ndarray, shape (n_places, 2), optional
        Of the sensors seen from above, nose up, the head being the unit disc.
    simulated : bool, default=False
    truth : ndarray, shape (3, n_processes, n_drivers), optional
        Weight, mean (s) and deviation (s) of the true kernels; NaN where they are unknown, and
        for mean and deviation where the weight is 0. By default NaN.

    Raises
    ------
    TypeError
        If names are one text, or a number is none.
    ValueError
        If names and times do not correspond, times are unsorted or outside the record, shapes do
        not fit, or a value besides those of ``truth`` is not finite.
    """

    names: tuple
    events: tuple
    end_time: float
    driver_names: tuple = ()
    drivers: tuple = ()
    waveforms: tuple = ()
    sfreqs: tuple = ()
    anchors: tuple = ()
    topographies: np.ndarray | None = None
    positions: np.ndarray | None = None
    simulated: bool = False
    truth: np.ndarray | None = None

    def __post_init__(self):
        for name in ("names", "driver_names"):
            if isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be several names, got {getattr(self, name)!r}.")
        flag(self.simulated, "simulated")
        validation.number(self.end_time, "end_time", above=0, unit="s")
        n, truth = len(self.names), (3, len(self.names), len(self.driver_names))
        for name, shape in {"topographies": (n, 0), "positions": (0, 2), "truth": truth}.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.full(shape, np.nan))
        _check_times("events", self.events, self.names, self.end_time)
        _check_times("drivers", self.drivers, self.driver_names, self.end_time)
        check_record([*map(np.asarray, (*self.events, *self.drivers))], end_time=self.end_time)
        sizes = [len(each) for each in (self.waveforms, self.sfreqs, self.anchors)]
        if sizes not in ([0] * 3, [n] * 3):
            raise ValueError(
                f"got {sizes[0]} waveforms, {sizes[1]} sfreqs and {sizes[2]} anchors for {n} "
                "processes; give one of each to every process, or none at all."
            )
        for i, (waveform, sfreq, anchor) in enumerate(
            zip(self.waveforms, self.sfreqs, self.anchors, strict=True)
        ):
            validation.vector(waveform, f"waveforms[{i}]")
            validation.number(sfreq, f"sfreqs[{i}]", above=0, unit="Hz")
            validation.number(anchor, f"anchors[{i}]", unit="s")
        for name in ("topographies", "positions"):
            validation.array(getattr(self, name), name, empty=True)
        n_places = len(self.positions)
        expected = {"topographies": (n, n_places), "positions": (n_places, 2), "truth": truth}
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} must have shape {shape}, got {getattr(self, name).shape}."
                )


def write_event_set(path, events):
    """Write events and waveforms to a ``.npz`` of plain arrays.

    Parameters
    ----------
    path : str or Path
    events : EventSet
    """
    files.write_npz(
        path,
        names=np.array(events.names, dtype=str),
        driver_names=np.array(events.driver_names, dtype=str),
        end_time=events.end_time,
        sfreqs=np.array(events.sfreqs, dtype=float),
        anchors=np.array(events.anchors, dtype=float),
        simulated=events.simulated,
        topographies=events.topographies,
        positions=events.positions,
        truth=events.truth,
        **_joined("events", events.events),
        **_joined("drivers", events.drivers),
        **_joined("waveforms", events.waveforms),
    )


def read_event_set(path):
    """Read what `write_event_set` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    events : EventSet

    Raises
    ------
    common.files.NotBuiltError
        If the file does not exist.
    """
    stored = files.read_npz(path)
    return EventSet(
        names=tuple(stored["names"].tolist()),
        driver_names=tuple(stored["driver_names"].tolist()),
        end_time=float(stored["end_time"]),
        sfreqs=tuple(stored["sfreqs"].tolist()),
        anchors=tuple(stored["anchors"].tolist()),
        simulated=bool(stored["simulated"]),
        **{name: stored[name] for name in ("topographies", "positions", "truth")},
        **{name: _parted(name, stored) for name in ("events", "drivers", "waveforms")},
    )


def _joined(name, parts):
    sizes = np.array([len(part) for part in parts], dtype=int)
    return {name: np.concatenate([np.zeros(0), *parts]), f"{name}_sizes": sizes}


def _parted(name, stored):
    return tuple(np.split(stored[name], np.cumsum(stored[f"{name}_sizes"])))[:-1]


def _check_times(kind, times, names, end_time):
    if len(times) != len(names):
        raise ValueError(f"{kind} has {len(times)} part(s) for {len(names)} name(s): {names}.")
    for name, part in zip(names, times, strict=True):
        part = np.asarray(part)
        inside = (part >= 0) & (part <= end_time)  # False for NaN
        if not inside.all():
            raise ValueError(
                f"{kind} of {name!r} has the time {part[~inside][0]:g} s, outside "
                f"[0, {end_time:g}] s. Are the times in samples? Divide by sfreq."
            )
        if np.any(np.diff(part) < 0):
            at = int(np.argmax(np.diff(part) < 0))
            raise ValueError(
                f"{kind} of {name!r} go back from {part[at]:g} to {part[at + 1]:g} s. Sort them."
            )
