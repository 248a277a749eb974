"""Relative improvement over training without augmentation, in pairs, with its interval."""

import numpy as np
import pandas as pd

from common.augmentation.names import IDENTITY
from common.report.statistics import Interval, mean_interval

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
        If an augmented fit has no baseline, or the baseline is missing altogether.

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
        base = joined["score_baseline"].where(joined["score_baseline"] > 0)
        joined["gain"] = 100 * (joined["score"] / base - 1)
        parts.append(joined.assign(unit=unit)[[*by, "unit", "pair", "gain"]])
    return pd.concat(parts, ignore_index=True)


def improvement_intervals(table, *, rng, n_resamples=2000):
    """Relative improvement of the test balanced accuracy, with a 95 % interval.

    Several folds: Student's t interval over the folds. One fold, so that all fits share their test
    examples: bootstrap over test examples, within classes, and seeds, both resampled in the same
    way with and without the augmentation. Seeds alone would leave out that the test part is small.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``dataset``, ``augmentation``, ``fraction``, ``fold``, ``seed``,
        ``balanced_accuracy``, ``hits``.
    rng : numpy.random.Generator
    n_resamples : int, default=2000

    Returns
    -------
    gains : pandas.DataFrame
        Columns ``dataset``, ``augmentation``, ``fraction``, ``gain``, ``low``, ``high`` (%), ``n``
        (folds or test examples), ``interval`` (what it is over).

    Raises
    ------
    ValueError
        If a data set has one fold and one seed; and as `decode_hits`.
    """
    rows = []
    for (dataset, fraction), group in table.groupby(["dataset", "fraction"], sort=False):
        names = [name for name in group["augmentation"].unique() if name != IDENTITY]
        if group["fold"].nunique() > 1:
            pairs = relative_improvement(group, metric="balanced_accuracy")
            for name in names:
                found = pairs.loc[pairs["augmentation"] == name, "gain"]
                rows.append(
                    (dataset, name, fraction, *mean_interval(found), len(found), "folds (t)")
                )
            continue
        weights = _Resamples(group, rng=rng, n_resamples=n_resamples)
        base = weights.accuracies(IDENTITY)
        if base[0] == 0:
            raise ValueError(
                f"{IDENTITY} is always wrong on {dataset} at fraction {fraction:g}: an improvement "
                "in percent of 0 has no value. Leave that fraction out."
            )
        for name in names:
            gain = 100 * (weights.accuracies(name) / base - 1)
            interval = _percentiles(gain)
            rows.append((dataset, name, fraction, *interval, weights.n_test, _SINGLE))
    columns = ["dataset", "augmentation", "fraction", "gain", "low", "high", "n", "interval"]
    return pd.DataFrame(rows, columns=columns)


def accuracy_intervals(table, *, rng, n_resamples=2000):
    """Test balanced accuracy with its 95 % interval; see `improvement_intervals`.

    Returns
    -------
    accuracies : pandas.DataFrame
        Columns ``dataset``, ``augmentation``, ``fraction``, ``value``, ``low``, ``high``, ``n``.
    """
    rows = []
    for (dataset, fraction), group in table.groupby(["dataset", "fraction"], sort=False):
        several = group["fold"].nunique() > 1
        weights = None if several else _Resamples(group, rng=rng, n_resamples=n_resamples)
        for name, part in group.groupby("augmentation", sort=False):
            if several:
                folds = part.groupby("fold")["balanced_accuracy"].mean()
                rows.append((dataset, name, fraction, *mean_interval(folds), len(folds)))
            else:
                interval = _percentiles(weights.accuracies(name))
                rows.append((dataset, name, fraction, *interval, weights.n_test))
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
    """
    from sklearn.metrics import f1_score

    labels = np.arange(int(np.max(y)) + 1)
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
    """
    words = (
        "".join(_RIGHT if one else _WRONG for one in right[y == label]) for label in np.unique(y)
    )
    return _CLASS.join(words)


def decode_hits(text):
    """Inverse of `encode_hits`.

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


_SINGLE = "test examples and seeds (bootstrap)"


class _Resamples:
    """Balanced accuracies of resampled seeds and test examples, the same for all augmentations."""

    def __init__(self, table, *, rng, n_resamples):
        self._seeds = sorted(table["seed"].unique())
        if len(self._seeds) < 2:
            raise ValueError(
                f"data set {table['dataset'].iloc[0]} has one fold and one seed, {self._seeds[0]}: "
                "nothing says how much a gain varies over seeds. Fit at least two seeds."
            )
        _check_hits(table, self._seeds)
        self._hits = {
            name: [decode_hits(text) for text in part.set_index("seed").loc[self._seeds, "hits"]]
            for name, part in table.groupby("augmentation", sort=False)
        }
        sizes = [len(word) for word in next(iter(self._hits.values()))[0]]
        self.n_test = sum(sizes)
        # The first row is the sample itself.
        self._of_seeds = _multinomial(len(self._seeds), n_resamples, rng)
        self._of_classes = [_multinomial(size, n_resamples, rng) for size in sizes]

    def accuracies(self, name):
        recalls = []
        for label, weights in enumerate(self._of_classes):
            right = np.array([words[label] for words in self._hits[name]], dtype=float)
            recalls.append(np.einsum("rs,st,rt->r", self._of_seeds, right, weights, optimize=True))
        return np.mean(recalls, axis=0)


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


def _multinomial(n, n_resamples, rng):
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples) / n
    return np.vstack([np.full(n, 1 / n), drawn])


def _percentiles(values):
    """Value of the sample, and the percentile interval of its resamples, which holds it."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Interval(float(values[0]), float(min(low, values[0])), float(max(high, values[0])))
