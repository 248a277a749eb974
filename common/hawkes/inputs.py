"""Events as people keep them: arrays, tables of pandas, annotations of MNE-Python.

Every estimator reads them through `as_arrays`. What can be told apart in one table, such as two
sorts of spikes, becomes one process each, in the order of `process_names`.
"""

import numpy as np
import pandas as pd

from common import validation

__all__ = ["as_arrays", "process_names"]

_TIMES = ("time", "onset", "start")
_PROCESSES = ("process", "description", "label")
_BREAKS = ("bad", "edge")  # how MNE-Python begins the names of bad spans and of seams


def as_arrays(events, columns=()):
    """Events of each process.

    Parameters
    ----------
    events : DataFrame, mne.Annotations, dict or sequence
        A sequence holds an array or a table for each process, and so do the values of a dict. A
        table has its times (s) in the column ``"time"``, ``"onset"`` or ``"start"``; each value of
        its column ``"process"``, ``"description"`` or ``"label"``, if there is one, is a process of
        its own. Annotations become one process for each description, without those that begin
        with "bad" or "edge". Their onsets must count from the beginning of the record; those of a
        recording that was cropped do not, see `common.recordings.annotations.events_from_raw`.
    columns : sequence of str
        What an event has besides its time: ``("mark",)`` or ``("x", "y")``. Annotations have these
        among their ``extras``.

    Returns
    -------
    events : sequence
        One array a process, in the order of `process_names`.

    Raises
    ------
    TypeError
        If an array of the sequence does not hold real numbers.
    ValueError
        If a table lacks a column or says of an event no process, annotations hold no event, or
        times are timestamps or masked.

    Examples
    --------
    >>> table = pd.DataFrame({"time": [0.1, 0.3, 0.4], "process": ["b", "a", "b"]})
    >>> [each.tolist() for each in as_arrays(table)], process_names(table)
    ([[0.3], [0.1, 0.4]], ['a', 'b'])
    """
    if isinstance(events, pd.DataFrame) or _is_annotations(events):
        return [_values(part, columns, "events") for part in _parts(events).values()]
    if isinstance(events, dict):
        events = list(events.values())
    if not isinstance(events, list | tuple):
        return events
    found = []
    for i, each in enumerate(events):
        if isinstance(each, pd.DataFrame) and _first(each, _TIMES):
            each = _values(each, columns, f"events[{i}]")
        check_numbers(each, f"events[{i}]")
        found.append(each)
    return found


def process_names(events):
    """What the processes of some events are called, in the order in which they are fitted.

    Parameters
    ----------
    events
        As in `as_arrays`.

    Returns
    -------
    names : list
        Of a table or of annotations their labels, sorted; of a dict its keys; otherwise numbers.

    Raises
    ------
    ValueError
        As in `as_arrays`.
    """
    if isinstance(events, pd.DataFrame) or _is_annotations(events):
        return list(_parts(events))
    return list(events) if isinstance(events, dict) else list(range(len(events)))


def _is_annotations(events):
    # By what they have: to import MNE-Python takes longer than most fits.
    return hasattr(events, "onset") and hasattr(events, "description")


def _parts(events):
    """Table of each process, by name."""
    table = events if isinstance(events, pd.DataFrame) else _table_of_annotations(events)
    label = _first(table, _PROCESSES)
    if label is None:
        return {0: table}
    if table[label].isna().any():
        row = int(table[label].isna().to_numpy().argmax())
        raise ValueError(
            f"row {row} of the events says nothing in the column {label!r}, which names the "
            "process of each event. Fill it in, or drop the row."
        )
    return dict(iter(table.groupby(label)))


def _table_of_annotations(annotations):
    table = pd.DataFrame(list(getattr(annotations, "extras", None) or []))
    table = table.reindex(range(len(annotations.onset)))
    table = table.assign(time=annotations.onset, process=annotations.description)
    kept = [not str(each).lower().startswith(_BREAKS) for each in annotations.description]
    if not any(kept):
        raise ValueError(
            f"the annotations hold no event: all {len(kept)} of them mark bad spans or seams."
            if kept
            else "the annotations are empty: there is no event to fit."
        )
    return table[kept].sort_values("time", kind="stable")


def _first(table, names):
    return next((name for name in names if name in table.columns), None)


def _values(table, columns, name):
    time = _first(table, _TIMES)
    if time is None:
        raise ValueError(
            f"{name} has no column of times, {', '.join(_TIMES[:-1])} or {_TIMES[-1]}; its columns "
            f"are {', '.join(map(str, table.columns))}. Rename the one that holds them."
        )
    _check_seconds(table[time], f"the column {time!r} of {name}")
    if missing := [column for column in columns if column not in table.columns]:
        raise ValueError(
            f"{name} has no column {missing[0]!r}; its columns are "
            f"{', '.join(map(str, table.columns))}."
        )
    return table[[time, *columns] if columns else time].to_numpy(dtype=float)


def check_numbers(values, name):
    """Refuse what an array of numbers would leave out or change in silence.

    Parameters
    ----------
    values : array_like
    name : str
        What messages call it.

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    ValueError
        If it holds timestamps, or a value is masked.
    """
    _check_seconds(values, name)
    validation.unmasked(values, name)
    try:
        kind = np.asarray(values).dtype.kind
    except ValueError:  # rows of different lengths
        kind = "O"
    if kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got {str(values)[:60]!r}.")


def _check_seconds(values, name):
    if getattr(getattr(values, "dtype", None), "kind", None) in ("M", "m"):
        raise ValueError(
            f"{name} holds timestamps ({values.dtype}), not seconds. Pass the seconds since the "
            "record began, for example (times - begin) / numpy.timedelta64(1, 's')."
        )
