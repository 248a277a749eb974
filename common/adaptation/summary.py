r"""Tables over data sets, methods and scorers, as SKADA-Bench [1]_ computes them.

A table of results has a row for each data set, shift, method, scorer and outer split, with the
columns

- ``dataset``, ``shift``, ``method``, ``scorer``, ``split``,
- ``accuracy``: on the target's test part, of the model that this scorer selected; NaN where the
  method failed,
- ``train_source``, ``train_target``: accuracy on the same split of a model trained with the labels
  of the source or of the target. They do not depend on the scorer, and are the only place to take
  the two baselines from: as methods, ``train-src`` and ``train-tgt`` have rows of the supervised
  scorer only, so joining them by scorer would lose every other one.
- ``inner_score``, where scores are compared with accuracies (`correlations`): the mean score in the
  inner cross-validation of the selected configuration.

The ranks of the benchmark do not rank the selected models: they average over all scorers, and under
the scorers for which the baselines have no row the methods are ranked without them.

References
----------
.. [1] Y. Lalou et al., "SKADA-Bench: Benchmarking Unsupervised Domain Adaptation Methods with
   Realistic Validation", arXiv:2407.11676.
"""

import numpy as np
import pandas as pd
import scipy.stats

from common.adaptation._results import CELL, check, require_columns, with_gap
from common.adaptation.simulated import PUBLISHED_NAMES

__all__ = [
    "BASELINES",
    "BEST",
    "PUBLISHED_DEEP_METHODS",
    "PUBLISHED_METHODS",
    "PUBLISHED_SCORERS",
    "SIMULATED",
    "SUPERVISED",
    "accuracy_drop",
    "add_best_scorer",
    "published_table",
    "ranks",
    "select_scorer",
    "wilcoxon_marks",
    "with_baselines",
]

PUBLISHED_METHODS = {
    "Train Src": "train-src",
    "Train Tgt": "train-tgt",
    "Dens. RW": "dens-rw",
    "Disc. RW": "disc-rw",
    "Gauss. RW": "gauss-rw",
    "KLIEP": "kliep",
    "KMM": "kmm",
    "MMDTarS": "mmd-tars",
    "NN RW": "nn-rw",
    "CORAL": "coral",
    "JPCA": "jpca",
    "SA": "sa",
    "TCA": "tca",
    "TSL": "tsl",
    "MapOT": "map-ot",
    "EntOT": "ent-ot",
    "ClassRegOT": "class-reg-ot",
    "LinOT": "lin-ot",
    "MMD-LS": "mmd-ls",
    "JDOT": "jdot",
    "OTLabelProp": "ot-label-prop",
    "DASVM": "dasvm",
}
"""Our name of each shallow method by its name in the published tables."""

PUBLISHED_DEEP_METHODS = {
    "deep_no_da_source_only": "train-src",
    "deep_no_da_target_only": "train-tgt",
    "deep_coral": "deep-coral",
    "deep_dan": "dan",
    "deep_dann": "dann",
    "deep_jdot": "deep-jdot",
    "deep_mcc": "mcc",
    "deep_can": "can",
    "deep_mdd": "mdd",
    "deep_spa": "spa",
}
"""Our name of each deep method by its name in the published scores."""

PUBLISHED_SCORERS = {
    "supervised": "supervised",
    "importance_weighted": "importance-weighted",
    "deep_embedded_validation": "deep-embedded-validation",
    "prediction_entropy": "prediction-entropy",
    "soft_neighborhood_density": "soft-neighborhood-density",
    "circular_validation": "circular-validation",
    "mix_val_both": "mix-val-both",
    "mix_val_inter": "mix-val-inter",
    "mix_val_intra": "mix-val-intra",
    "best_scorer": "best-scorer",
}
"""Our name of each scorer by its name in the published scores; see `add_best_scorer`."""

BASELINES = ("train-src", "train-tgt")
SUPERVISED = "supervised"
BEST = "best-scorer"
SIMULATED = ("simulated",)
"""Data sets that count neither in the choice of a scorer nor in the ranks."""


def published_table(scores, inner_scores=None, *, dataset="simulated"):
    """Published scores in the columns of this module.

    Parameters
    ----------
    scores : DataFrame
        Columns shift, estimator, scorer, split, accuracy, and dataset where there are several.
    inner_scores : DataFrame, optional
        Columns shift, estimator, scorer, split, cv_score.
    dataset : str, default="simulated"
        Name of the data set where ``scores`` has none.

    Returns
    -------
    table : DataFrame
        The baselines have rows under the supervised scorer and, where published, the best one; rows
        without a value under other scorers are left out. Other methods keep theirs, as failures.
        ``inner_score`` is NaN where it is not finite.

    Raises
    ------
    ValueError
        If a column is missing, or a method or scorer is not a published name.
    """
    require_columns(scores, ["shift", "estimator", "scorer", "split", "accuracy"], "scores")
    table = scores.rename(columns={"estimator": "method"})
    if "dataset" not in table:
        table = table.assign(dataset=dataset)
    if inner_scores is not None:
        keys = ["shift", "estimator", "scorer", "split"]
        require_columns(inner_scores, [*keys, "cv_score"], "inner_scores")
        inner = inner_scores.rename(columns={"estimator": "method", "cv_score": "inner_score"})
        keys[1] = "method"
        table = table.merge(inner, on=keys, how="left", validate="one_to_one")
        table["inner_score"] = table["inner_score"].where(np.isfinite(table["inner_score"]))
    methods = PUBLISHED_METHODS | PUBLISHED_DEEP_METHODS
    table["method"] = _renamed(table["method"], methods, "method")
    table["scorer"] = _renamed(table["scorer"], PUBLISHED_SCORERS, "scorer")
    ours = {theirs: shift for shift, theirs in PUBLISHED_NAMES.items()}
    table["shift"] = table["shift"].map(lambda shift: ours.get(shift, shift))
    table = table[~(table["method"].isin(BASELINES) & table["accuracy"].isna())]
    return with_baselines(table).reset_index(drop=True)


def with_baselines(table):
    """Add ``train_source`` and ``train_target``: the baselines' accuracies on the same splits.

    Parameters
    ----------
    table : DataFrame
        Table of results; baselines count with their supervised rows.

    Returns
    -------
    table : DataFrame
        With the two columns, NaN where a baseline has no such split.
    """
    keys = ["dataset", "shift", "split"]
    for method, column in zip(BASELINES, ("train_source", "train_target"), strict=True):
        rows = table[(table["method"] == method) & (table["scorer"] == SUPERVISED)]
        baseline = rows[[*keys, "accuracy"]].rename(columns={"accuracy": column})
        table = table.merge(baseline, on=keys, how="left", validate="many_to_one")
    return table


def add_best_scorer(table):
    """Add the rows of the scorer that did best in hindsight: scorer ``"best-scorer"``.

    For each data set, shift and method, this is the unsupervised scorer with the largest mean
    accuracy over splits, the first in alphabetical order where several are equal; the baselines'
    are their supervised rows. No such choice can be made without the target's labels. The
    published ranks include these rows.

    Parameters
    ----------
    table : DataFrame
        Table of results, without such rows.

    Returns
    -------
    table : DataFrame
        The table, and the rows added below.

    Raises
    ------
    ValueError
        If the table lacks a column, has repeated rows, or has such rows already.
    """
    check(table)
    if (table["scorer"] == BEST).any():
        raise ValueError(f"table has rows of the scorer '{BEST}' already.")
    baselines = table[table["method"].isin(BASELINES) & (table["scorer"] == SUPERVISED)]
    means = _cell_means(_unsupervised(table)).dropna().sort_index()
    chosen = means.loc[means.groupby(level=CELL[:3]).idxmax()].reset_index()[CELL]
    added = pd.concat([table.merge(chosen, on=CELL), baselines]).assign(scorer=BEST)
    return pd.concat([table, added], ignore_index=True)


def select_scorer(table, *, simulated=SIMULATED):
    """Unsupervised scorer of each method: the one with the best mean accuracy over data sets.

    Accuracies are averaged over the splits that have a value, then shifts, then data sets. A data
    set in which the method failed in all splits of a shift does not count for that scorer. Only
    scorers that count in as many data sets as any other of the method can be chosen: one that fails
    where accuracy is low would otherwise have the higher mean. ``n_datasets`` is their number.

    Applied to the published deep scores, this gives the published choice for every method.

    Parameters
    ----------
    table : DataFrame
        Table of results.
    simulated : collection of str, default=("simulated",)
        Data sets that do not count.

    Returns
    -------
    selected : DataFrame
        Indexed by method, without the baselines: ``scorer``, ``accuracy`` (its mean over data sets)
        and ``n_datasets``. Of equal scorers, the first in alphabetical order.

    Raises
    ------
    ValueError
        If the table lacks a column, has repeated rows, or has no row to choose from.
    """
    check(table)
    rows = _unsupervised(_real(table, simulated))
    if rows["accuracy"].dropna().empty:
        raise ValueError("table has no accuracy of an unsupervised scorer on a real data set.")
    by_dataset = _cell_means(rows).groupby(level=["dataset", "method", "scorer"])
    by_dataset = by_dataset.agg(lambda shifts: shifts.mean(skipna=False)).dropna()
    groups = by_dataset.groupby(level=["method", "scorer"])
    means = pd.DataFrame({"accuracy": groups.mean(), "n_datasets": groups.size()}).sort_index()
    most = means.groupby(level="method")["n_datasets"].transform("max")
    means = means[means["n_datasets"] == most]
    best = means.loc[means.groupby(level="method")["accuracy"].idxmax()]
    return best.reset_index("scorer")


def ranks(table, *, simulated=SIMULATED):
    """Mean rank of each method over data sets, shifts and all scorers; 1 is the best.

    In each group of one data set, shift and scorer, methods are ranked by their mean accuracy over
    the splits that have a value. Equal methods share the mean of their ranks. A method without any,
    because it failed or because it is a baseline and the scorer unsupervised, is neither ranked nor
    counted, so the ranks of a method average over its own groups only, of different sizes.

    Applied to the published deep scores, which include the rows of `add_best_scorer`, this gives
    the published ranks to their two decimals.

    Parameters
    ----------
    table : DataFrame
        Table of results; pass it through `add_best_scorer` to rank as published.
    simulated : collection of str, default=("simulated",)
        Data sets that do not count.

    Returns
    -------
    ranks : DataFrame
        Indexed by method, best first: ``rank`` and ``n_groups``, over how many groups.

    Raises
    ------
    ValueError
        If the table lacks a column, has repeated rows, or has no accuracy on a real data set.
    """
    check(table)
    means = _cell_means(_real(table, simulated)).dropna()
    if means.empty:
        raise ValueError("table has no accuracy on a real data set.")
    # Means of the same accuracies in another order of splits are equal.
    ranked = means.round(10).groupby(level=["dataset", "shift", "scorer"]).rank(ascending=False)
    groups = ranked.groupby(level="method")
    found = pd.DataFrame({"rank": groups.mean(), "n_groups": groups.size()})
    return found.sort_values("rank", kind="stable")


def wilcoxon_marks(table, *, by=("dataset",), alpha=0.05):
    """Where a method is better or worse than training on the source.

    Wilcoxon's signed-rank test (two-sided), of a method's accuracies against ``train_source`` of
    the same splits, all shifts together. Splits of one data set share most of their samples, so
    their differences are not independent and the p values too small; there is no correction for the
    number of tests. Take a mark as the benchmark's, not as evidence of its level.

    Parameters
    ----------
    table : DataFrame
        Table of results, with ``train_source``.
    by : sequence of str, default=("dataset",)
        One test for each value of these columns, method and scorer; ``("dataset", "shift")`` for
        the simulated shifts, which the published tables treat as four data sets.
    alpha : float, default=0.05

    Returns
    -------
    marks : DataFrame
        Columns of ``by``, method, scorer, ``n_pairs`` (splits in which both have a value),
        ``difference`` (mean of the method's accuracy minus ``train_source``), ``p_value`` (1 where
        all differences are zero) and ``mark``: "better", "worse" or "not significant".

    Raises
    ------
    ValueError
        If the table lacks a column or has repeated rows, or ``alpha`` is not between 0 and 1.
    """
    by = list(by)
    check(table, ["train_source", *by])
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha}.")
    rows = table[~table["method"].isin(BASELINES)]
    rows = rows.dropna(subset=["accuracy", "train_source"])
    found = []
    for key, group in rows.groupby([*by, "method", "scorer"], sort=True):
        # Accuracies are fractions of at most some thousands: below 1e-9 there is rounding only.
        differences = (group["accuracy"] - group["train_source"]).round(9).to_numpy()
        difference = differences.mean()
        p_value = float(scipy.stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
        side = {1: "better", -1: "worse"}.get(int(np.sign(difference)), "not significant")
        mark = side if p_value < alpha else "not significant"
        found.append([*key, len(differences), difference, p_value, mark])
    names = [*by, "method", "scorer", "n_pairs", "difference", "p_value", "mark"]
    return pd.DataFrame(found, columns=names)


def accuracy_drop(table, *, simulated=SIMULATED, drop_without_gap=False):
    """What a method loses when no label of the target selects its configuration.

    Mean accuracy over splits with the supervised scorer, minus that with the scorer that
    `select_scorer` gives the method, over the splits in which both have a value.

    Parameters
    ----------
    table : DataFrame
        Table of results.
    simulated : collection of str, default=("simulated",)
        Data sets that do not count for the choice of the scorer. With ``()`` all do.
    drop_without_gap : bool, default=False
        As in `score_correlation`.

    Returns
    -------
    drop : DataFrame
        A row for each data set, shift and method, without the baselines: ``scorer``,
        ``supervised`` and ``unsupervised`` (mean accuracies), ``drop`` (their difference, positive
        for a loss) and ``n_splits``.

    Raises
    ------
    ValueError
        As `select_scorer`; or if the table lacks the columns of the baselines where these matter.
    """
    selected = select_scorer(table, simulated=simulated)["scorer"]
    if drop_without_gap:
        check(table, ["train_source", "train_target"])
        table = with_gap(table)
    keys = ["dataset", "shift", "method", "split"]
    with_labels = table.loc[table["scorer"] == SUPERVISED, [*keys, "accuracy"]]
    without = table[table["scorer"] == table["method"].map(selected)]
    pairs = without[[*keys, "scorer", "accuracy"]].merge(
        with_labels, on=keys, suffixes=("", "_supervised"), validate="one_to_one"
    )
    groups = pairs.dropna(subset=["accuracy", "accuracy_supervised"]).groupby(CELL)
    drop = groups.agg(
        supervised=("accuracy_supervised", "mean"),
        unsupervised=("accuracy", "mean"),
        n_splits=("accuracy", "size"),
    ).reset_index()
    drop["drop"] = drop["supervised"] - drop["unsupervised"]
    return drop


def _unsupervised(table):
    other = ~table["scorer"].isin([SUPERVISED, BEST]) & ~table["method"].isin(BASELINES)
    return table[other]


def _real(table, simulated):
    return table[~table["dataset"].isin(list(simulated))]


def _cell_means(table):
    """Mean over the splits that have a value; NaN where none has."""
    return table.groupby(CELL)["accuracy"].mean()


def _renamed(column, names, what):
    unknown = sorted(set(column) - set(names))
    if unknown:
        raise ValueError(f"{what} {unknown[0]!r} is not a published name: {', '.join(names)}.")
    return column.map(names)
