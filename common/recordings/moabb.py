"""Recordings of MOABB's data sets, with their events as annotations."""

import numpy as np

from common import validation
from common.recordings.annotations import warn_of_boundaries
from common.recordings.electrodes import require_eeg

__all__ = ["read_moabb"]


def read_moabb(dataset, subject):
    """Continuous recordings of one subject.

    MOABB downloads what is missing. Its annotations last as long as the data set's interval:
    from 0 to 1 s after a flash for BI2014a and BI2014b, from 2 to 6 s after the start of a trial
    for BNCI2014_001.

    Parameters
    ----------
    dataset : str or moabb.datasets.base.BaseDataset
        ``"BI2014a"``, ``"BI2014b"``, ``"BNCI2014_001"`` …
    subject : int

    Returns
    -------
    raws : list of mne.io.BaseRaw
        One a run, in order of sessions and runs, in V. Without the trigger channel: the
        annotations hold the events. ``raw.info["description"]`` names session and run.

    Raises
    ------
    ValueError
        If the data set or subject is unknown, a run has no event or no EEG channel, or an event's
        duration is not the interval's.

    Warns
    -----
    UserWarning
        If a run is bad or broken somewhere; see `common.recordings.annotations`.
    """
    if isinstance(dataset, str):
        dataset = _named(dataset)
    known = dataset.subject_list
    if subject not in known:
        raise ValueError(f"{dataset.code} has no subject {subject}; it has {_span(known)}.")
    sessions = dataset.get_data(subjects=[subject])[subject]
    raws = []
    for session, runs in sessions.items():
        for run, raw in runs.items():
            where = f"{dataset.code}, subject {subject}, session {session}, run {run}"
            _check_events(raw, dataset, where)
            require_eeg(raw, name=where)
            warn_of_boundaries(raw, name=where)
            raw = raw.copy().load_data(verbose="error")
            stim = [
                name
                for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True)
                if kind == "stim"
            ]
            raw = raw.drop_channels(stim)
            raw.info["description"] = where
            raws.append(raw)
    return raws


def _named(name):
    # Takes seconds, so only where it is needed.
    import moabb.datasets as datasets
    from moabb.datasets.base import BaseDataset

    found = getattr(datasets, name, None)
    if not (isinstance(found, type) and issubclass(found, BaseDataset)):
        known = [each for each in dir(datasets) if isinstance(getattr(datasets, each), type)]
        hint = validation.nearest(name, known) or " See https://moabb.neurotechx.com."
        raise ValueError(f"MOABB has no data set '{name}'.{hint}")
    return found()


def _check_events(raw, dataset, where):
    """Events must carry the interval's duration: not every loader of MOABB set one."""
    kept = np.isin(raw.annotations.description, list(dataset.event_id))
    if not kept.any():
        raise ValueError(
            f"{where}: none of the events {', '.join(dataset.event_id)} in the annotations."
        )
    expected = dataset.interval[1] - dataset.interval[0]
    durations = raw.annotations.duration[kept]
    if not np.allclose(durations, expected):
        raise ValueError(
            f"{where}: events last {durations.min():g} to {durations.max():g} s, the data set's "
            f"interval {list(dataset.interval)} says {expected:g} s. Set the durations before "
            "using them as spans."
        )


def _span(subjects):
    """Consecutive subjects shortly, others in full."""
    if list(subjects) == list(range(subjects[0], subjects[-1] + 1)):
        return f"{subjects[0]} to {subjects[-1]}"
    return ", ".join(str(each) for each in subjects)
