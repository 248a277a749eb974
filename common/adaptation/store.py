"""Evaluations as arrays: scores are computed apart from fits, a new scorer needs no new fit."""

import json
from typing import NamedTuple

import numpy as np

from common.adaptation.nested import Evaluated
from common.adaptation.scorers import Outputs

__all__ = ["Key", "pack", "unpack"]

_POINTS = "points"
_WHOLE = ("target_labels", "target_predictions", "failed", "circular_failed", "reasons")


class Key(NamedTuple):
    """Which evaluation of a data set.

    Attributes
    ----------
    shift : str
    split : int
    """

    shift: str
    split: int


def pack(evaluations, points):
    """Arrays of evaluations, for `common.files.write_npz`.

    Parameters
    ----------
    evaluations : mapping of Key to nested.Evaluated
    points : sequence of dict
        The grid that they evaluate, `methods.Method.points`.

    Returns
    -------
    arrays : dict of str to ndarray
        Without times, which differ from run to run. Labels are kept in 8 or 16 bits.
    """
    arrays = {_POINTS: np.array([json.dumps(point, sort_keys=True) for point in points])}
    for key, evaluated in evaluations.items():
        place = f"{key.shift}/{key.split}"
        for name in _WHOLE:
            arrays[f"{place}/{name}"] = _small(np.asarray(getattr(evaluated, name)))
        for fold, outputs in enumerate(evaluated.folds):
            for name, values in outputs._asdict().items():
                arrays[f"{place}/{fold}/{name}"] = _small(values)
    return arrays


def unpack(arrays):
    """Evaluations out of their arrays: the inverse of `pack`, without times.

    Parameters
    ----------
    arrays : mapping of str to ndarray

    Returns
    -------
    evaluations : dict of Key to nested.Evaluated
    points : list of dict

    Raises
    ------
    ValueError
        If an array is missing.
    """
    points = [json.loads(point) for point in _wanted(arrays, _POINTS)]
    keys = dict.fromkeys(tuple(name.split("/")[:2]) for name in arrays if name != _POINTS)
    evaluations = {}
    for shift, split in keys:
        place = f"{shift}/{split}"
        whole = {name: _wanted(arrays, f"{place}/{name}") for name in _WHOLE}
        n_folds = len(whole["circular_failed"])
        folds = [
            Outputs(*(_wanted(arrays, f"{place}/{fold}/{name}") for name in Outputs._fields))
            for fold in range(n_folds)
        ]
        whole["reasons"] = [str(reason) for reason in whole["reasons"]]
        evaluations[Key(shift, int(split))] = Evaluated(folds=folds, seconds=None, **whole)
    return evaluations, points


def _wanted(arrays, name):
    if name not in arrays:
        raise ValueError(
            f"the evaluations lack {name}: the file is of an older version or was cut short. "
            "Delete it and run the workflow again."
        )
    return arrays[name]


def _small(values):
    if np.issubdtype(values.dtype, np.integer) and values.size:
        for small in (np.int8, np.int16):
            if np.iinfo(small).min <= values.min() and values.max() <= np.iinfo(small).max:
                return values.astype(small)
    return values
