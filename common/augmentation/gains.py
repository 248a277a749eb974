"""Relative improvement over training without augmentation, in pairs, with its interval."""

from collections import Counter

import numpy as np
import pandas as pd

from common import validation
from common.augmentation.names import IDENTITY
from common.report.statistics import crossed_interval, mean_interval

__all__ = [
    "accuracy_intervals",
    "class_f1",
    "decode_hits",
    "encode_hits",
    "improvement_intervals",
    "relative_improvement",
]

_RIGHT, _WRONG, _CLASS = "x", ".", "|"


def relative_improvement(table, *, metric, by=("dataset", "augmentation"), baseline=IDENTITY):
    r"""Improvement of each augmentation in percent of the baseline, in pairs.

    .. math:: 100 \, (a / b - 1)

    with a and b the means over seeds of one fold, with and without the augmentation. A data set
    with one fold is paired by seed.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a fit: columns ``augmentation``, ``fold``, ``seed``, ``metric`` and those of ``by``.
    metric : str
    by : sequence of str
        What else must agree within a pair, besides the augmentation: data set, fraction, class …
    baseline : str

    Returns
    -------
    pairs : pandas.DataFrame
        Columns ``by``, ``unit`` (``"fold"`` or ``"seed"``), ``pair`` and ``gain`` (%), which is NaN
        where the baseline's score is 0.

    Raises
    ------
    ValueError
        If an augmented fit has no baseline, the baseline is missing altogether, an augmentation
        does not have the baseline's folds and seeds once each, or a score is not finite.

    Examples
    --------
    >>> scores = pd.DataFrame({
    ...     "dataset": "a", "augmentation": ["identity", "sign-flip"] * 2, "seed": 0,
    ...     "fold": [0, 0, 1, 1], "score": [0.5, 0.6, 0.8, 0.8]})
    >>> relative_improvement(scores, metric="score")["gain"].round(6).tolist()
    [20.0, 0.0]
    """
    by = list(by)
    if "augmentation" not in by:
        raise ValueError(f"by must hold 'augmentation', got {by}.")
    alike = [name for name in by if name != "augmentation"]
    _check_scores(table, metric)
    parts = []
    for dataset, group in table.groupby("dataset", sort=False):
        unit = "fold" if group["fold"].nunique() > 1 else "seed"
        means = group.groupby([*by, unit], sort=False)[metric].mean().rename("score").reset_index()
        means = means.rename(columns={unit: "pair"})
        reference = means[means["augmentation"] == baseline].drop(columns="augmentation")
        joined = means[means["augmentation"] != baseline].merge(
            reference, on=[*alike, "pair"], how="left", suffixes=("", "_baseline"), indicator=True
        )
        alone = joined[joined["_merge"] != "both"]
        if len(reference) == 0 or len(alone):
            what = alone.iloc[0][[*by, "pair"]].to_dict() if len(alone) else {"dataset": dataset}
            raise ValueError(f"no {baseline} to compare with for {what} (paired by {unit}).")
        for values, fits in group.groupby(alike, sort=False):
            _check_fits(fits, dict(zip(alike, values, strict=True)), baseline)
        base = joined["score_baseline"].where(joined["score_baseline"] > 0)
        joined["gain"] = 100 * (joined["score"] / base - 1)
        parts.append(joined.assign(unit=unit)[[*by, "unit", "pair", "gain"]])
    return pd.concat(parts, ignore_index=True)


def improvement_intervals(table):
    r"""Relative improvement of the test balanced accuracy, with a 95 % interval.

    Several folds: Student's t interval over the folds. Networks of two folds have seeds of their
    own, so the spread over folds holds that over seeds.

    One fold: every seed meets the same test examples, so the interval is that of a crossed layout
    (`common.report.statistics.crossed_interval`), with classes as strata. Seeds alone would leave
    out that the test part is small, examples alone that another seed gives another network. With
    :math:`r = \bar a / \bar b`, the improvement deviates from its truth by the mean over examples
    and seeds of :math:`(a - r b) / \bar b`, up to second order (delta method), where a and b are 1
    where an example is right with and without the augmentation.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``dataset``, ``augmentation``, ``fraction``, ``fold``, ``seed``,
        ``balanced_accuracy``, ``hits``.

    Returns
    -------
    gains : pandas.DataFrame
        Columns ``dataset``, ``augmentation``, ``fraction``, ``gain``, ``low``, ``high`` (%), ``n``
        (folds or test examples), ``interval`` (what it is over).

    Raises
    ------
    ValueError
        If a data set has one fold and one seed, the baseline is always wrong, of the whole or of a
        fold; and as `relative_improvement` and `decode_hits`.
    """
    rows = []
    for (dataset, fraction), group in table.groupby(["dataset", "fraction"], sort=False):
        names = [name for name in group["augmentation"].unique() if name != IDENTITY]
        if group["fold"].nunique() > 1:
            pairs = relative_improvement(group, metric="balanced_accuracy")
            levels = group[group["augmentation"] == IDENTITY].groupby("fold")["balanced_accuracy"]
            if len(wrong := levels.mean().loc[lambda level: level <= 0]):
                raise ValueError(
                    f"{IDENTITY} is always wrong on {dataset} at fraction {fraction:g} in fold "
                    f"{wrong.index[0]}: an improvement in percent of {wrong.iloc[0]:g} has no "
                    "value. Leave that fraction out."
                )
            for name in names:
                found = pairs.loc[pairs["augmentation"] == name, "gain"]
                rows.append(
                    (dataset, name, fraction, *mean_interval(found), len(found), "folds (t)")
                )
            continue
        hits = _Hits(group)
        base = hits.accuracy(IDENTITY)
        if base == 0:
            raise ValueError(
                f"{IDENTITY} is always wrong on {dataset} at fraction {fraction:g}: an improvement "
                "in percent of 0 has no value. Leave that fraction out."
            )
        for name in names:
            ratio = hits.accuracy(name) / base
            deviation = (hits.right[name] - ratio * hits.right[IDENTITY]) / base
            _, low, high = crossed_interval(deviation, strata=hits.classes)
            gain = ratio - 1
            interval = (100 * x for x in (gain, gain + low, gain + high))
            rows.append((dataset, name, fraction, *interval, hits.n_test, _SINGLE))
    columns = ["dataset", "augmentation", "fraction", "gain", "low", "high", "n", "interval"]
    return pd.DataFrame(rows, columns=columns)


def accuracy_intervals(table):
    """Test balanced accuracy with its 95 % interval; see `improvement_intervals`.

    Returns
    -------
    accuracies : pandas.DataFrame
        Columns ``dataset``, ``augmentation``, ``fraction``, ``value``, ``low``, ``high``, ``n``.
        Bounds are between 0 and 1.

    Raises
    ------
    ValueError
        If augmentations differ in their folds or seeds, one is there twice, or a score is not
        finite; and as `improvement_intervals`.
    """
    _check_scores(table, "balanced_accuracy")
    rows = []
    for (dataset, fraction), group in table.groupby(["dataset", "fraction"], sort=False):
        several = group["fold"].nunique() > 1
        if several:
            names = group["augmentation"].tolist()
            first = IDENTITY if IDENTITY in names else names[0]
            _check_fits(group, {"dataset": dataset, "fraction": fraction}, first)
        hits = None if several else _Hits(group)
        for name, part in group.groupby("augmentation", sort=False):
            if several:
                folds = part.groupby("fold")["balanced_accuracy"].mean()
                interval, n = mean_interval(folds), len(folds)
            else:
                interval = crossed_interval(hits.right[name], strata=hits.classes)
                n = hits.n_test
            rows.append((dataset, name, fraction, *np.clip(interval, 0, 1), n))
    columns = ["dataset", "augmentation", "fraction", "value", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def class_f1(y, predicted):
    """F1 score of each class that occurs; 0 for a class that is never predicted.

    Parameters
    ----------
    y, predicted : ndarray of int, shape (n_examples,)
        Labels count from 0 and each of them occurs in ``y``.

    Returns
    -------
    f1 : list of float

    Raises
    ------
    ValueError
        If there is no example, the lengths differ, a label is missing, or labels of ``y`` are not
        0, 1, … without a gap.
    """
    from sklearn.metrics import f1_score

    y, predicted = validation.labels(y, "y"), validation.labels(predicted, "predicted")
    if len(y) != len(predicted):
        raise ValueError(
            f"y and predicted must have one length, got {len(y)} and {len(predicted)}."
        )
    labels = np.unique(y)
    if not len(y) or not np.array_equal(labels, np.arange(len(labels))):
        shown = ", ".join(map(str, labels[:5])) + (" …" if len(labels) > 5 else "")
        raise ValueError(f"labels of y must count from 0 without a gap, got {shown or 'none'}.")
    return f1_score(y, predicted, labels=labels, average=None, zero_division=0.0).tolist()


def encode_hits(right, y):
    """Which test examples were right, as one word per class: ``"xx.x|.x"``.

    Parameters
    ----------
    right : ndarray of bool, shape (n_examples,)
    y : ndarray of int, shape (n_examples,)

    Returns
    -------
    text : str
        Classes in their order, examples in theirs; ``x`` right, ``.`` wrong.

    Raises
    ------
    ValueError
        If the lengths differ, or a label is missing.
    """
    right, y = validation.labels(right, "right"), validation.labels(y, "y")
    if len(right) != len(y):
        raise ValueError(f"right and y must have one length, got {len(right)} and {len(y)}.")
    words = (
        "".join(_RIGHT if one else _WRONG for one in right[y == label]) for label in np.unique(y)
    )
    return _CLASS.join(words)


def decode_hits(text):
    """Inverse of `encode_hits`.

    Parameters
    ----------
    text : str

    Returns
    -------
    right : list of ndarray of bool
        One a class.

    Raises
    ------
    ValueError
        If the text is empty or holds another character.
    """
    text = str(text)
    if not text or set(text) - {_RIGHT, _WRONG, _CLASS}:
        raise ValueError(
            f"hits must be made of '{_RIGHT}', '{_WRONG}' and '{_CLASS}', got {text[:20]!r}. A "
            "data set with a single fold needs them: keep_hits in its settings."
        )
    return [np.array([c == _RIGHT for c in word]) for word in text.split(_CLASS)]


def _check_scores(table, metric):
    """Every score is a number: a mean would leave out what is none."""
    bad = table[~np.isfinite(table[metric].to_numpy(dtype=float))]
    if len(bad):
        where = ", ".join(
            f"{name} {bad.iloc[0][name]}" for name in ("dataset", "augmentation", "fold", "seed")
        )
        more = f" and {len(bad) - 1} more such scores" if len(bad) > 1 else ""
        raise ValueError(
            f"{metric} must be finite, got {bad.iloc[0][metric]} for {where}{more}. Run these fits "
            "again."
        )


def _check_fits(table, what, baseline):
    """Every augmentation has the folds and seeds of the baseline, each once."""
    fits = {
        name: Counter(zip(part["fold"].tolist(), part["seed"].tolist(), strict=True))
        for name, part in table.groupby("augmentation", sort=False)
    }
    where = ", ".join(f"{name} {value}" for name, value in what.items())
    for name, found in fits.items():
        if twice := [fit for fit, n in found.items() if n > 1]:
            (fold, seed), n = twice[0], found[twice[0]]
            raise ValueError(
                f"{name} of {where} has {n} fits of fold {fold}, seed {seed}: it must have one. "
                "Drop the others, or say in `by` how they differ."
            )
        for one, other, names in (
            (found, fits[baseline], (name, baseline)),
            (fits[baseline], found, (baseline, name)),
        ):
            if lacking := sorted(set(other) - set(one)):
                raise ValueError(
                    f"{names[0]} of {where} has no fit of fold {lacking[0][0]}, seed "
                    f"{lacking[0][1]}, which {names[1]} has: what is compared must have the same "
                    "folds and seeds. Run the missing fits."
                )


_SINGLE = "test examples × seeds (t, crossed)"


class _Hits:
    """Which test examples were right with which seed, for all augmentations of one fold."""

    def __init__(self, table):
        seeds = sorted(table["seed"].unique())
        if len(seeds) < 2:
            raise ValueError(
                f"data set {table['dataset'].iloc[0]} has one fold and one seed, {seeds[0]}: "
                "nothing says how much a gain varies over seeds. Fit at least two seeds."
            )
        _check_hits(table, seeds)
        self.right = {}
        for name, part in table.groupby("augmentation", sort=False):
            words = [decode_hits(text) for text in part.set_index("seed").loc[seeds, "hits"]]
            self.right[name] = np.array([np.concatenate(word) for word in words], float).T
        sizes = [len(word) for word in words[0]]
        self.classes = np.repeat(np.arange(len(sizes)), sizes)
        self.n_test = len(self.classes)

    def accuracy(self, name):
        """Balanced accuracy, the mean over seeds."""
        return float(
            np.mean([self.right[name][self.classes == c].mean() for c in set(self.classes)])
        )


def _check_hits(table, seeds):
    """Every augmentation has every seed once, and hits of the same test examples."""
    first = None
    for name, part in table.groupby("augmentation", sort=False):
        found = sorted(part["seed"].tolist())
        if found != list(seeds):
            raise ValueError(
                f"{name} has the seeds {found}, but others have {list(map(int, seeds))}: what is "
                "compared must have the same ones. Run the missing fits."
            )
        for seed, text in zip(part["seed"], part["hits"], strict=True):
            sizes = [len(word) for word in decode_hits(text)]
            first = first or (name, seed, sizes)
            if sizes != first[2]:
                raise ValueError(
                    f"hits of {name}, seed {seed}, are of {sizes} test examples a class, those of "
                    f"{first[0]}, seed {first[1]}, of {first[2]}: the test part must be the same."
                )
