"""The benchmark's pipelines as data, and scikit-learn estimators made from them.

An entry of ``pipelines.yaml`` is a pipeline of the paper [1]_ under its published name. Reading and
grouping entries imports neither MOABB nor braindecode; `build` imports the classes that an entry
names.

References
----------
.. [1] S. Chevallier et al., "The largest EEG-based BCI reproducibility study for open science: the
   MOABB benchmark", 2024, arXiv:2404.15319.
"""

import copy
import functools
import pkgutil
import re
from pathlib import Path

from common import sources, validation

__all__ = [
    "CATEGORIES", "METRICS", "PARADIGMS", "TITLES", "adjust", "build", "entry", "groups", "halves",
    "load", "names",
]  # fmt: skip

CATEGORIES = ("raw", "riemannian", "deep")
"""Categories as the paper orders them."""

PARADIGMS = {
    "left_right": "mi_left_vs_right_hand",
    "right_hand_feet": "mi_right_hand_vs_feet",
    "mi_all": "mi_all_classes",
    "p300": "erp_p300_all_classes",
    "ssvep": "ssvep_all_classes",
}
"""Our paradigms and the published tables that belong to them."""

TITLES = {
    "left_right": "Left / right hand",
    "right_hand_feet": "Right hand / feet",
    "mi_all": "All imagery classes",
    "p300": "P300",
    "ssvep": "SSVEP",
}
"""Paradigms as figures name them."""

METRICS = {"roc_auc": "ROC-AUC", "accuracy": "Accuracy"}
"""Metrics as figures name them."""

_NEEDED = ("category", "paradigms", "group", "steps")
_OPTIONAL = ("data", "grid", "stateless")
_DATA = ("bank", "epochs", "resample")
_NETWORK = "common.benchmark.networks.NetworkClassifier"


def load():
    """Entries of ``pipelines.yaml``.

    Returns
    -------
    entries : dict of str to dict
        By published name, in the file's order. Keys of an entry: ``category``, ``paradigms``,
        ``group``, ``steps``; and where needed ``data`` (``bank``, ``epochs``, ``resample``),
        ``grid``, ``stateless``.

    Raises
    ------
    ValueError
        If an entry lacks a key, or has an unknown key or value: the nearest known one is named.

    Examples
    --------
    >>> load()["MDM"]["category"]
    'riemannian'
    """
    return copy.deepcopy(_entries())


def check(one, name):
    """Raise a ValueError if an entry, called ``name``, is not a well-formed one; see `load`.

    Parameters
    ----------
    one : dict
        The entry.
    name : str
        What the message calls it.

    Raises
    ------
    ValueError
        If it is no mapping, lacks a key, has an unknown key or value, leaves no step that learns,
        or its group cannot be in a file's name.
    """
    where = f"pipeline {name!r}"
    if not isinstance(one, dict):
        raise ValueError(f"{where} must be a mapping with {', '.join(_NEEDED)}, got {one!r}.")
    for key in one:
        _known(key, (*_NEEDED, *_OPTIONAL), f"{where} has an unknown key")
    if missing := [key for key in _NEEDED if key not in one]:
        raise ValueError(f"{where} lacks {', '.join(missing)}.")
    _known(one["category"], (*CATEGORIES, "own"), f"{where} has an unknown category")
    for paradigm in one["paradigms"]:
        _known(paradigm, PARADIGMS, f"{where} has an unknown paradigm")
    for key in one.get("data", {}):
        _known(key, _DATA, f"{where} asks for unknown data")
    if not 0 <= one.get("stateless", 0) < len(one["steps"]):
        raise ValueError(
            f"{where} has {one['stateless']} stateless steps; its {len(one['steps'])} steps leave "
            f"0 to {len(one['steps']) - 1}, since the last one learns."
        )
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", str(one["group"])):
        raise ValueError(
            f"{where} is of group {one['group']!r}, which names files: write lower-case letters, "
            "digits and hyphens only."
        )


def entry(name):
    """Entry of one pipeline.

    Parameters
    ----------
    name : str

    Returns
    -------
    entry : dict
        As in `load`.

    Raises
    ------
    ValueError
        If there is none of this name; the nearest known one is named.
    """
    _known(name, _entries(), "there is no pipeline")
    return copy.deepcopy(_entries()[name])


def names(paradigm):
    """Pipelines of a paradigm, in the file's order.

    Parameters
    ----------
    paradigm : str
        A key of `PARADIGMS`.

    Returns
    -------
    names : list of str

    Raises
    ------
    ValueError
        If there is no such paradigm.
    """
    _known(paradigm, PARADIGMS, "there is no paradigm")
    return [name for name, one in _entries().items() if paradigm in one["paradigms"]]


def groups(pipelines):
    """Pipelines by the piece of work that evaluates them.

    Parameters
    ----------
    pipelines : iterable of str, or dict of str to dict
        Names of the catalogue, or names and entries.

    Returns
    -------
    groups : dict of str to list of str
        ``"quick"``, ``"acm"`` … to names, in the order given; fit for names of files.

    Examples
    --------
    >>> groups(["MDM", "ACM+TS+SVM", "TS+LR"])
    {'quick': ['MDM', 'TS+LR'], 'acm': ['ACM+TS+SVM']}
    """
    if not isinstance(pipelines, dict):
        pipelines = {name: entry(name) for name in pipelines}
    found = {}
    for name, one in pipelines.items():
        found.setdefault(one["group"], []).append(name)
    return found


def adjust(pipeline, *, training=None, grid=None):
    """An entry with other training settings or another grid, for a small scale.

    Parameters
    ----------
    pipeline : str or dict
        A name or an entry, which is not changed.
    training : dict, optional
        Arguments of `networks.NetworkClassifier`, such as ``n_epochs``. Pipelines without a
        network are left as they are.
    grid : dict of str to list, optional
        Values by parameter, instead of those there. Of a grid of several parts (ACM+TS+SVM, whose
        order 1 has one lag) each part keeps those of its values that are given, and a part that
        keeps none is left out. Pipelines without a grid are left as they are.

    Returns
    -------
    entry : dict

    Raises
    ------
    ValueError
        If the grid has no such parameter, or no point is left.

    Examples
    --------
    >>> adjust("TS+SVM", grid={"svc__C": [1]})["grid"]
    {'svc__C': [1], 'svc__kernel': ['rbf', 'linear']}
    """
    one = dict(entry(pipeline) if isinstance(pipeline, str) else pipeline)
    if training:
        one["steps"] = [
            {path: {**arguments, **training} if path == _NETWORK else arguments}
            for step in one["steps"]
            for path, arguments in step.items()
        ]
    if grid and "grid" in one:
        parts = one["grid"] if isinstance(one["grid"], list) else [one["grid"]]
        parameters = dict.fromkeys(key for part in parts for key in part)
        for key in grid:
            _known(key, parameters, "the grid has no parameter")
        parts = [
            {
                key: [value for value in values if value in grid[key]] if key in grid else values
                for key, values in part.items()
            }
            if len(parts) > 1
            else {**part, **grid}
            for part in parts
        ]
        parts = [part for part in parts if all(part.values())]
        if not parts:
            raise ValueError(f"none of {grid} is in the grid, which then has no point.")
        one["grid"] = parts if isinstance(one["grid"], list) else parts[0]
    return one


def build(pipeline, *, scoring="accuracy", random_state=42):
    """Make the scikit-learn estimator of a pipeline.

    Parameters
    ----------
    pipeline : str or dict
        A name or an entry.
    scoring : str or callable, default="accuracy"
        What a grid search maximises in its three inner folds: the paradigm's metric.
    random_state : int, default=42
        Shuffles the inner folds.

    Returns
    -------
    estimator : sklearn.pipeline.Pipeline or search.SharedGridSearch
        Not fitted.

    Raises
    ------
    ValueError
        If there is no such pipeline, or a step names a class that does not exist or takes no such
        argument.
    """
    from sklearn.model_selection import StratifiedKFold

    from common.benchmark.search import SharedGridSearch

    name = pipeline if isinstance(pipeline, str) else "given"
    one = entry(pipeline) if isinstance(pipeline, str) else pipeline
    check(one, name)
    made = _made(one["steps"], f"pipeline {name!r}")
    if "grid" not in one:
        return made
    inner = StratifiedKFold(3, shuffle=True, random_state=random_state)
    return SharedGridSearch(
        made, one["grid"], cv=inner, scoring=scoring, stateless=one.get("stateless", 0)
    )


def halves(one):
    """The first steps of an entry, which can be applied once to all trials, and the others.

    The first are those that treat each trial by itself (``stateless``), up to the first of them
    that a grid searches.

    Parameters
    ----------
    one : dict
        An entry.

    Returns
    -------
    first : dict or None
        An entry of the first steps; None where there are none.
    second : dict
        An entry of the others, with the grid.

    Examples
    --------
    >>> first, second = halves(entry("TS+SVM"))
    >>> first["steps"]
    [{'pyriemann.estimation.Covariances': {'estimator': 'oas'}}]
    >>> len(second["steps"]), second["stateless"]
    (2, 0)
    """
    grid = one.get("grid", {})
    parts = grid if isinstance(grid, list) else [grid]
    # As `make_pipeline` names steps: the class, with a number after a hyphen if it comes twice.
    searched = {key.partition("__")[0].partition("-")[0] for part in parts for key in part}
    n = 0
    for step in one["steps"][: one.get("stateless", 0)]:
        (path,) = step
        if path.rpartition(".")[2].lower() in searched:
            break
        n += 1
    if n == 0:
        return None, one
    first = {key: value for key, value in one.items() if key not in ("grid", "stateless")}
    second = {**one, "steps": one["steps"][n:], "stateless": one["stateless"] - n}
    return {**first, "steps": one["steps"][:n]}, second


@functools.cache
def _entries():
    entries = sources.read_yaml(Path(__file__).with_name("pipelines.yaml"))
    for name, one in entries.items():
        check(one, name)
    return entries


def _made(value, where):
    """An argument with the steps in it made: one step, a pipeline of several, or a plain value."""
    from sklearn.pipeline import make_pipeline

    if _is_step(value):
        ((path, arguments),) = value.items()
        arguments = {key: _made(each, where) for key, each in arguments.items()}
        try:
            return _class(path, where)(**arguments)
        except TypeError as error:
            raise ValueError(f"{where}, step {path}: {error}.") from None
    if isinstance(value, list) and value and all(map(_is_step, value)):
        return make_pipeline(*(_made(step, where) for step in value))
    return value


def _is_step(value):
    return isinstance(value, dict) and len(value) == 1 and "." in str(next(iter(value)))


def _class(path, where):
    own = _own_classes()
    if path.startswith("common."):
        _known(path, own, f"{where} has an unknown step")
        return own[path]
    module, _, kind = path.rpartition(".")
    try:
        return pkgutil.resolve_name(f"{module}:{kind}")
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{where} names the class {path}, which does not exist ({error})."
        ) from None


@functools.cache
def _own_classes():
    # Named here, and not imported by their path, so that a change of theirs is seen to concern
    # whoever builds a pipeline. None of these modules imports MOABB or braindecode.
    from common.benchmark.features import Informative
    from common.benchmark.frequencies import FrequencyCCA, MultisetCCA, TaskRelatedComponents
    from common.benchmark.networks import NetworkClassifier

    classes = (Informative, FrequencyCCA, MultisetCCA, TaskRelatedComponents, NetworkClassifier)
    return {f"{one.__module__}.{one.__qualname__}": one for one in classes}


def _known(word, known, problem):
    if word not in known:
        hint = validation.nearest(word, known, cutoff=0.4) or f" Known are {', '.join(known)}."
        raise ValueError(f"{problem} {word!r}.{hint}")
