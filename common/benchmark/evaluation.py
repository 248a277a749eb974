"""Within-session evaluation in pieces: one data set, one subject, a few pipelines.

A piece gives the scores that `moabb.evaluations.WithinSessionEvaluation` gives for the same data
set, subject and pipelines: MOABB's paradigm cuts the trials, MOABB's splitter makes the folds, and
pipelines with a grid search it in three inner folds. What MOABB does in one process over all
subjects can so be done in many. Trials are read once for all pipelines of a piece. First steps that
learn nothing (a covariance of each trial) are applied once to all trials, for all folds and all
pipelines that begin with them; each fold is charged its training trials' share of that time.

Where MOABB 1.7 departs from what it was made for, this does not: its evaluations give a pipeline
only the first band of a filter bank, and name the events of epochs by their codes, not by the
stimulus's frequency.
"""

import contextlib
import logging
import time
import warnings

import moabb.evaluations  # noqa: F401 - so that jobs are forked with it, see CONTRIBUTING.md
import numpy as np
import pandas as pd

from common import validation
from common.benchmark import catalogue, datasets
from common.benchmark.search import check_stateless

__all__ = [
    "COLUMNS", "SCORES", "TIMES", "add_own", "evaluate", "evaluate_piece", "load_trials", "split",
]  # fmt: skip

SCORES = [
    "paradigm", "dataset", "subject", "session", "pipeline", "category", "score", "metric",
    "n_trials", "hits",
]  # fmt: skip
"""Columns that do not change from run to run."""

TIMES = ["seconds", "cpu_seconds", "grams_co2"]
"""Columns that do: of fitting one fold, on average. Grams of CO2eq need codecarbon, else NaN; the
paper's are of all five folds, its seconds of one.

codecarbon (3.3) measures nothing in less than 0.05 s, and a fold often takes less. So it
measures all that a pipeline does to one subject's trials, and a fold gets its share by time."""

COLUMNS = [*SCORES, *TIMES]

_KEYS = ["paradigm", "dataset", "subject", "session", "pipeline"]
_OWN = "own"
_MEASURED = ("seconds", "cpu_seconds")
_AVERAGED = ("score", *_MEASURED)
_SHORTEST = 0.05  # s, of what codecarbon measures


def evaluate(
    paradigm,
    dataset,
    subject,
    pipelines,
    *,
    label=None,
    options=None,
    random_state=42,
    n_folds=5,
):
    """Evaluate pipelines within the sessions of one subject.

    Parameters
    ----------
    paradigm : str
        A key of `catalogue.PARADIGMS`.
    dataset : str or moabb.datasets.base.BaseDataset
        A name is given to `datasets.make`.
    subject : int
    pipelines : sequence of str, or dict of str to (dict or estimator)
        Names of the catalogue; or names with entries (from `catalogue.adjust`, or
        ``{"estimator": …, "data": {"bank": True}}``) or scikit-learn estimators of arrays
        (n_trials, n_channels, n_times) in µV.
    label : str, optional
        The data set's name in the table; default: the name given, or MOABB's code.
    options : dict, optional
        Further arguments of `datasets.make`.
    random_state : int, default=42
        Shuffles folds and inner folds.
    n_folds : int, default=5

    Returns
    -------
    table : pandas.DataFrame
        Columns `COLUMNS`: one row per session and pipeline. ``score`` is the mean over folds,
        between 0 and 1; ``n_trials`` those of the session; ``hits`` says of each of them, in their
        order, whether its class was found when it was tested (``x``) or not (``.``).

    Raises
    ------
    ValueError
        If a name, subject or pipeline is unknown, the paradigm does not fit the data set or a
        pipeline of the catalogue, a class of a session has fewer trials than there are folds, or
        first steps that are said to learn nothing do.
    RuntimeError
        If a pipeline fails, or its score is not finite: data set, subject, session, pipeline and
        fold are named.

    Examples
    --------
    >>> evaluate("left_right", "FingerMovements", 1, ["CSP+LDA"])  # doctest: +SKIP
    """
    entries = _entries(pipelines, paradigm)
    n_folds = validation.count(n_folds, "n_folds", at_least=2)
    if isinstance(dataset, str):
        label = label or dataset
        dataset = datasets.make(dataset, **(options or {}))
    label = label or dataset.code
    views, rows = {}, []
    for name, one in entries.items():
        views.setdefault(tuple(sorted(one.get("data", {}).items())), []).append(name)
    for view, members in views.items():
        X, y, metadata, scoring = load_trials(paradigm, dataset, subject, **dict(view))
        _check_folds(y, metadata, n_folds, f"{label}, subject {subject}")
        transformed = {}
        for name in members:
            where = f"{name} on {label}, subject {subject}"
            first, estimator = _made(entries[name], scoring, random_state)
            steps = repr(first)
            with _emissions() as grams_per_second:
                if steps not in transformed:
                    transformed[steps] = _transformed(first, X, y, where)
                sessions = _sessions(
                    estimator, *transformed[steps], y, metadata, scoring, random_state, n_folds,
                    where=where,
                )  # fmt: skip
            for session, found in sessions.items():
                keys = (paradigm, label, subject, session, name)
                metric = scoring if isinstance(scoring, str) else "own"
                rows.append(
                    dict(zip(_KEYS, keys, strict=True))
                    | {"category": entries[name].get("category", _OWN), "metric": metric}
                    | {"grams_co2": grams_per_second[0] * found["seconds"]}
                    | found
                )
    order = {name: i for i, name in enumerate(entries)}
    rows.sort(key=lambda row: (str(row["session"]), order[row["pipeline"]]))
    return pd.DataFrame(rows, columns=COLUMNS)


def evaluate_piece(piece, *, random_state=42):
    """Evaluate a piece of work of `plan.pieces`; see `evaluate`.

    Parameters
    ----------
    piece : dict
        A value of `plan.pieces`.
    random_state : int, default=42

    Returns
    -------
    table : pandas.DataFrame
    """
    return evaluate(
        piece["paradigm"],
        piece["name"],
        piece["subject"],
        piece["pipelines"],
        label=piece["dataset"],
        options=piece["options"],
        random_state=random_state,
    )


def load_trials(paradigm, dataset, subject, *, bank=False, epochs=False, resample=None):
    """Trials of one subject as MOABB's paradigm cuts them.

    Parameters
    ----------
    paradigm : str
    dataset : moabb.datasets.base.BaseDataset
    subject : int
    bank, epochs : bool, default=False
        A filter bank, with a last axis of bands; `mne.Epochs` instead of an array.
    resample : float, optional
        In Hz.

    Returns
    -------
    X : ndarray, shape (n_trials, n_channels, n_times[, n_bands]), in µV; or mne.Epochs, in V
    y : ndarray of str, shape (n_trials,)
    metadata : pandas.DataFrame
        ``subject``, ``session``, ``run`` of each trial.
    scoring : str
        Metric of the paradigm.

    Raises
    ------
    ValueError
        If the data set has no such subject.
    """
    if subject not in dataset.subject_list:
        raise ValueError(
            f"{dataset.code} has no subject {subject!r}; it has {dataset.subject_list}."
        )
    with _quiet():
        made = datasets.paradigm(paradigm, dataset, bank=bank, resample=resample)
        X, y, metadata = made.get_data(dataset, subjects=[subject], return_epochs=epochs)
    if epochs:
        # MOABB 1.7 names the events of its epochs by their codes, and with that the frequencies of
        # SSVEP are lost.
        there = set(X.events[:, 2])
        X.event_id = {name: code for name, code in dataset.event_id.items() if code in there}
    metadata = metadata.astype({"session": str, "run": str})
    return X, np.asarray(y), metadata, made.scoring


def split(table):
    """Scores, which are reproducible, and times, which are not.

    Parameters
    ----------
    table : pandas.DataFrame
        From `evaluate`.

    Returns
    -------
    scores, times : pandas.DataFrame
        Columns `SCORES`; paradigm, data set, subject, session, pipeline and `TIMES`.
    """
    return table[SCORES].copy(), table[[*_KEYS, *TIMES]].copy()


def add_own(table, pipelines, *, settings=None, random_state=42):
    """Evaluate one's own pipelines on all that a table has, and add their rows to it.

    Parameters
    ----------
    table : pandas.DataFrame
        Scores of earlier evaluations: the columns `SCORES`.
    pipelines : dict of str to (estimator or dict)
        As in `evaluate`; names that the table does not have.
    settings : dict, optional
        Those of the scale (`plan.pieces`), where a data set's name in the table is not the one of
        `datasets.make`, or it has options.
    random_state : int, default=42
        The one of the table.

    Returns
    -------
    table : pandas.DataFrame
        Columns `SCORES`; the ``category`` of the new rows is ``"own"``.

    Raises
    ------
    ValueError
        If the table has a pipeline of this name, lacks a column, or has a score that is not between
        0 and 1, or two of one session and pipeline; and as `evaluate`.

    Examples
    --------
    >>> add_own(scores, {"Mine": make_pipeline(Covariances(), MDM())})  # doctest: +SKIP
    """
    if missing := [name for name in SCORES if name not in table]:
        raise ValueError(f"the table lacks the columns {', '.join(missing)}.")
    _check_scores(table)
    if taken := sorted(set(pipelines) & set(table["pipeline"])):
        raise ValueError(f"the table has a pipeline {taken[0]!r} already; call yours otherwise.")
    parts = [table[SCORES]]
    keys = table[["paradigm", "dataset", "subject"]].drop_duplicates()
    for paradigm, dataset, subject in keys.itertuples(index=False):
        one = (settings or {}).get(paradigm, {}).get("datasets", {})
        one = one.get(dataset, {}) if isinstance(one, dict) else {}
        found = evaluate(
            paradigm, one.get("name", dataset), int(subject), pipelines,
            label=dataset, options=one.get("options"), random_state=random_state,
        )  # fmt: skip
        parts.append(found[SCORES].assign(category=_OWN))
    return pd.concat(parts, ignore_index=True)


def _check_scores(table):
    score = table["score"].to_numpy()
    bad = np.flatnonzero(~((score >= 0) & (score <= 1)))
    if len(bad):
        raise ValueError(
            f"scores must be between 0 and 1, got {score[bad[0]]} of pipeline "
            f"{table['pipeline'].iloc[bad[0]]!r} (row {bad[0]}, and {len(bad) - 1} more). Divide "
            "percentages by 100, and drop rows without a score."
        )
    if (twice := table.duplicated(_KEYS)).any():
        row = table.loc[twice, _KEYS].iloc[0].tolist()
        raise ValueError(f"the table has {', '.join(map(str, row))} twice.")


def _entries(pipelines, paradigm):
    if not isinstance(pipelines, dict):
        pipelines = {name: catalogue.entry(name) for name in pipelines}
    if not pipelines:
        raise ValueError("there is no pipeline to evaluate.")
    found = {
        name: one if isinstance(one, dict) else {"estimator": one}
        for name, one in pipelines.items()
    }
    for name, one in found.items():
        if paradigm not in one.get("paradigms", [paradigm]):
            raise ValueError(
                f"{name} is a pipeline of {', '.join(one['paradigms'])}, not of {paradigm}; those "
                f"of {paradigm} are {', '.join(catalogue.names(paradigm))}."
            )
    return found


def _made(one, scoring, random_state):
    """Estimators of the steps to apply to all trials (or None), and of the others."""
    if "estimator" in one:
        return None, one["estimator"]
    first, second = catalogue.halves(one)
    made = catalogue.build(second, scoring=scoring, random_state=random_state)
    return first and catalogue.build(first), made


def _transformed(first, X, y, where):
    """Trials after the first steps, and what that costs a trial."""
    if first is None:
        return X, dict.fromkeys(_MEASURED, 0.0)
    try:
        with _quiet(), _costs() as costs:
            transformed = first.fit_transform(X, y)
    except Exception as error:  # of any library: say where it was
        raise RuntimeError(f"{where}: {type(error).__name__}: {error}") from error
    check_stateless(first, X, y, transformed)
    return transformed, {key: value / len(X) for key, value in costs.items()}


def _check_folds(y, metadata, n_folds, where):
    for session in metadata["session"].unique():
        labels, counts = np.unique(y[metadata["session"] == session], return_counts=True)
        if counts.min() < n_folds:
            raise ValueError(
                f"{where}, session {session}: class {str(labels[counts.argmin()])!r} has "
                f"{counts.min()} trials, too few for {n_folds} folds."
            )


def _sessions(estimator, X, spent, y, metadata, scoring, random_state, n_folds, *, where):
    """Mean score and times of each session; ``spent`` on a trial before."""
    from moabb.evaluations import WithinSessionSplitter

    splitter = WithinSessionSplitter(n_folds=n_folds, shuffle=True, random_state=random_state)
    found = {}
    for train, test in splitter.split(y, metadata):
        session = metadata["session"].iloc[test[0]]
        fold = len(found.setdefault(session, []))
        try:
            with _quiet():
                found[session].append(_fold(estimator, X, spent, y, train, test, scoring))
        except Exception as error:  # of any library: say where it was
            raise RuntimeError(
                f"{where}, session {session}, fold {fold}: {type(error).__name__}: {error}"
            ) from error
    return {
        session: {key: float(np.mean([one[key] for one in folds])) for key in _AVERAGED}
        | _trials([one["right"] for one in folds])
        for session, folds in found.items()
    }


def _trials(folds):
    """Number of trials of a session, and which of them were right, from those of each fold."""
    right = dict(sorted(trial for fold in folds for trial in fold.items()))
    return {"n_trials": len(right), "hits": "".join(".x"[one] for one in right.values())}


def _fold(estimator, X, spent, y, train, test, scoring):
    from sklearn.base import clone
    from sklearn.metrics import check_scoring
    from sklearn.preprocessing import LabelEncoder

    encoder = LabelEncoder().fit(y[train])
    fitted, X_train, y_train = clone(estimator), X[train], encoder.transform(y[train])
    with _costs() as costs:
        fitted.fit(X_train, y_train)
    y_test = encoder.transform(y[test])
    score = check_scoring(fitted, scoring=scoring)(fitted, X[test], y_test)
    if not np.isfinite(score):
        raise ValueError(f"the score ({scoring}) is {score}; the estimator's output is not finite.")
    right = dict(zip(test.tolist(), (fitted.predict(X[test]) == y_test).tolist(), strict=True))
    return {"score": float(score), "right": right} | {
        key: value + len(train) * spent[key] for key, value in costs.items()
    }


@contextlib.contextmanager
def _costs():
    """What the block costs: a dict of seconds that is filled when it ends."""
    costs = {}
    cpu, clock = time.process_time(), time.perf_counter()
    yield costs
    costs["seconds"] = time.perf_counter() - clock
    costs["cpu_seconds"] = time.process_time() - cpu


@contextlib.contextmanager
def _emissions():
    """Grams of CO2eq a second of the block, in a list of one; NaN without codecarbon."""
    grams_per_second = [np.nan]
    try:
        from codecarbon import EmissionsTracker
    except ImportError:
        yield grams_per_second
        return
    tracker = EmissionsTracker(save_to_file=False, log_level="error", allow_multiple_runs=True)
    tracker.start()
    start = time.perf_counter()
    try:
        yield grams_per_second
    finally:
        seconds = time.perf_counter() - start
        kilograms = tracker.stop()
    if kilograms is not None and seconds >= _SHORTEST:
        grams_per_second[0] = 1000 * kilograms / seconds


@contextlib.contextmanager
def _quiet():
    """Without the messages that MOABB and MNE give for every recording and paradigm."""
    import mne

    logger = logging.getLogger("moabb")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"), mne.utils.use_log_level("error"):
            yield
    finally:
        logger.setLevel(level)
