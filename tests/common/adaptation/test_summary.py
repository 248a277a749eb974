import numpy as np
import pandas as pd
import pytest
import scipy.stats

from common import files
from common.adaptation import correlations, summary

PUBLISHED = "papers/skada-bench/published"


def read(name):
    return pd.read_csv(files.resolve(f"{PUBLISHED}/{name}"))


@pytest.fixture(scope="module")
def simulated():
    return summary.published_table(read("simulated_scores.csv"), read("simulated_cv_scores.csv"))


@pytest.fixture(scope="module")
def deep():
    return summary.published_table(read("deep_scores.csv"))


def table(rows, **columns):
    """Rows of (dataset, shift, method, scorer, accuracies of the splits)."""
    found = [
        (dataset, shift, method, scorer, split, accuracy)
        for dataset, shift, method, scorer, accuracies in rows
        for split, accuracy in enumerate(accuracies)
    ]
    names = ["dataset", "shift", "method", "scorer", "split", "accuracy"]
    return pd.DataFrame(found, columns=names).assign(**columns)


DEEP_LABELS = {"DeepCORAL": "deep-coral", "DeepJDOT": "deep-jdot"} | summary.PUBLISHED_METHODS


def deep_name(label):
    return DEEP_LABELS.get(label, label.lower())


# Published numbers


def test_ranks_are_the_published_ones_of_the_deep_methods(deep):
    published = read("deep_table_unsupervised.csv").set_index("estimator")["rank"]
    published.index = published.index.map(deep_name)
    ranks = summary.ranks(deep)["rank"]
    assert ranks.round(2).to_dict() == published.to_dict()


def test_selected_scorers_and_accuracies_are_the_published_ones_of_the_deep_methods(deep):
    published = read("deep_table_unsupervised.csv").dropna(subset="scorer").set_index("estimator")
    published.index = published.index.map(deep_name)
    selected = summary.select_scorer(deep)
    expected = published["scorer"].map(summary.PUBLISHED_SCORERS)
    assert selected["scorer"].to_dict() == expected.to_dict()
    columns = ["MNIST/USPS", "Office31", "OfficeHome", "BCI"]
    # The mean of four accuracies of two decimals each.
    assert (selected["accuracy"] - published[columns].mean(axis=1)).abs().max() <= 0.005
    assert set(selected["n_datasets"]) == {4}


def test_best_scorer_is_the_published_one(simulated, deep):
    for published in (simulated, deep):
        rebuilt = summary.add_best_scorer(published[published["scorer"] != summary.BEST])
        keys = ["dataset", "shift", "method"]
        ours, theirs = (
            each[each["scorer"] == summary.BEST].groupby(keys)["accuracy"].mean()
            for each in (rebuilt, published)
        )
        # Rows of the deep baselines were not published.
        assert ours.reindex(theirs.index).to_numpy() == pytest.approx(theirs.to_numpy(), abs=1e-12)
        assert set(ours.index) >= set(theirs.index)


def test_correlations_are_the_published_ones(simulated):
    published = read("simulated_score_correlation.csv").set_index("scorer").squeeze()
    published.index = published.index.map(summary.PUBLISHED_SCORERS)
    ours = correlations.score_correlation(simulated)["rho"]
    # Two decimals, and accuracies and scores that were rounded themselves (0.035 against 0.03).
    assert ours.loc[published.index].to_numpy() == pytest.approx(published.to_numpy(), abs=0.0051)
    assert len(published) == 9


def test_accuracies_of_the_shallow_table_under_its_scorers(simulated):
    published = read("shallow_table_unsupervised.csv").set_index("estimator")
    means = simulated.groupby(["method", "scorer", "shift"])["accuracy"].mean()
    shifts = {"covariate": "covariate_shift", "target": "target_shift"}
    shifts |= {"conditional": "concept_drift", "subspace": "subspace"}
    assert set(published.index) == set(summary.PUBLISHED_METHODS)
    for estimator, row in published.iterrows():
        # The baselines have no scorer in the table.
        scorer = summary.PUBLISHED_SCORERS.get(row["scorer_best"], summary.SUPERVISED)
        for ours, theirs in shifts.items():
            found = means[summary.PUBLISHED_METHODS[estimator], scorer, ours]
            assert found == pytest.approx(row[theirs], abs=0.005 + 1e-9)


# Baselines and failures


def test_baselines_come_from_supervised_rows_and_reach_every_scorer(simulated):
    assert simulated[["train_source", "train_target"]].notna().all().all()
    baselines = simulated[simulated["method"].isin(summary.BASELINES)]
    assert set(baselines["scorer"]) == {summary.SUPERVISED, summary.BEST}
    assert baselines["accuracy"].notna().all()
    per_split = simulated.groupby(["shift", "split"])[["train_source", "train_target"]].nunique()
    assert (per_split == 1).all().all()
    # Every method has all 25 pairs of every shift under every scorer, but for one failed split.
    marks = summary.wilcoxon_marks(simulated, by=("dataset", "shift"))
    unsupervised = marks[marks["scorer"] == "circular-validation"]
    assert len(unsupervised) == 4 * 20 and set(unsupervised["n_pairs"]) == {25}
    failed = marks[(marks["method"] == "mmd-tars") & (marks["n_pairs"] == 24)]
    assert set(failed["scorer"]) == {"soft-neighborhood-density", summary.BEST}


def test_other_failures_are_kept_as_missing_values(simulated):
    missing = simulated[simulated["accuracy"].isna()]
    assert missing["method"].tolist() == ["mmd-tars"] * 2


def test_a_failed_split_is_left_out_of_means_and_pairs():
    rows = [
        ("real", "a", "coral", "supervised", [0.8, np.nan, 0.6]),
        ("real", "a", "coral", "mix-val-both", [0.5, 0.9, np.nan]),
        ("real", "a", "sa", "supervised", [0.75, 0.6, 0.6]),
    ]
    results = table(rows, train_source=0.5, train_target=0.9)
    assert summary.select_scorer(results).loc["coral", "accuracy"] == pytest.approx(0.7)
    # Means under the supervised scorer: coral (0.8 + 0.6) / 2, sa 0.65.
    ranks = summary.ranks(results[results["scorer"] == "supervised"])
    assert ranks["rank"].to_dict() == {"coral": 1, "sa": 2}
    drop = summary.accuracy_drop(results).set_index("method").loc["coral"]
    assert (drop["drop"], drop["n_splits"]) == (pytest.approx(0.3), 1)  # one split has both
    marks = summary.wilcoxon_marks(results).set_index(["method", "scorer"])
    assert marks.loc[("coral", "supervised"), "n_pairs"] == 2


# Selection of a scorer


def test_scorer_is_selected_over_data_sets_not_rows():
    # One data set of three shifts favours PE, two of one shift favour IW by more on average.
    rows = []
    for dataset, shifts, values in (
        ("one", "abc", {"prediction-entropy": 0.9, "importance-weighted": 0.7}),
        ("two", "a", {"prediction-entropy": 0.5, "importance-weighted": 0.7}),
        ("three", "a", {"prediction-entropy": 0.6, "importance-weighted": 0.7}),
        ("simulated", "a", {"prediction-entropy": 1.0, "importance-weighted": 0.0}),
    ):
        for shift in shifts:
            rows += [(dataset, shift, "sa", name, [value]) for name, value in values.items()]
            rows += [(dataset, shift, "sa", "supervised", [1.0])]
    selected = summary.select_scorer(table(rows))
    assert selected.loc["sa"].to_dict() == {
        "scorer": "importance-weighted",
        "accuracy": pytest.approx(0.7),
        "n_datasets": 3,
    }
    with_all = summary.select_scorer(table(rows), simulated=())
    assert with_all.loc["sa", "scorer"] == "prediction-entropy"  # 3.0 / 4 against 2.1 / 4
    assert with_all.loc["sa", "n_datasets"] == 4


def test_a_data_set_with_a_failed_shift_does_not_count_for_that_scorer():
    rows = [
        ("one", "a", "sa", "mix-val-both", [0.9]),
        ("one", "b", "sa", "mix-val-both", [np.nan]),
        ("two", "a", "sa", "mix-val-both", [0.4]),
        ("one", "a", "sa", "mix-val-intra", [0.5]),
        ("one", "b", "sa", "mix-val-intra", [0.5]),
        ("two", "a", "sa", "mix-val-intra", [0.5]),
    ]
    selected = summary.select_scorer(table(rows)).loc["sa"]
    assert (selected["scorer"], selected["n_datasets"]) == ("mix-val-intra", 2)


def test_a_scorer_that_fails_on_a_hard_data_set_does_not_win_by_it():
    rows = [
        ("easy", "a", "sa", "mix-val-both", [0.9]),
        ("hard", "a", "sa", "mix-val-both", [np.nan]),
        ("easy", "a", "sa", "mix-val-intra", [0.8]),
        ("hard", "a", "sa", "mix-val-intra", [0.3]),
    ]
    selected = summary.select_scorer(table(rows)).loc["sa"]
    assert selected.to_dict() == {
        "scorer": "mix-val-intra",
        "accuracy": pytest.approx(0.55),
        "n_datasets": 2,
    }


def test_neither_baselines_nor_hindsight_are_selected():
    rows = [
        ("real", "a", "sa", "mix-val-both", [0.4]),
        ("real", "a", "sa", "best-scorer", [0.9]),
        ("real", "a", "train-src", "mix-val-both", [0.9]),
    ]
    selected = summary.select_scorer(table(rows))
    assert selected["scorer"].to_dict() == {"sa": "mix-val-both"}


def test_best_scorer_may_differ_between_shifts_and_baselines_keep_theirs():
    rows = [
        ("real", "a", "sa", "mix-val-both", [0.4, 0.5]),
        ("real", "a", "sa", "mix-val-intra", [0.6, 0.7]),
        ("real", "b", "sa", "mix-val-both", [0.8, 0.8]),
        ("real", "b", "sa", "mix-val-intra", [0.1, 0.1]),
        ("real", "a", "sa", "supervised", [1.0, 1.0]),
        ("real", "a", "train-src", "supervised", [0.3, 0.3]),
    ]
    best = summary.add_best_scorer(table(rows)).query("scorer == 'best-scorer'")
    means = best.groupby(["shift", "method"])["accuracy"].mean().to_dict()
    assert means == pytest.approx({("a", "sa"): 0.65, ("b", "sa"): 0.8, ("a", "train-src"): 0.3})


# Ranks


def test_ranks_by_hand():
    rows = [
        ("real", "a", "train-src", "supervised", [0.5]),
        ("real", "a", "coral", "supervised", [0.7]),
        ("real", "a", "sa", "supervised", [0.7]),
        ("real", "a", "coral", "mix-val-both", [0.6]),
        ("real", "a", "sa", "mix-val-both", [0.4]),
        ("real", "a", "tca", "mix-val-both", [np.nan]),
        ("simulated", "a", "sa", "mix-val-both", [1.0]),
        ("simulated", "a", "coral", "mix-val-both", [0.0]),
    ]
    ranks = summary.ranks(table(rows))
    # coral and sa share 1.5 under the supervised scorer; without the baseline, 1 and 2.
    assert ranks["rank"].to_dict() == {"coral": 1.25, "sa": 1.75, "train-src": 3.0}
    assert ranks["n_groups"].to_dict() == {"coral": 2, "sa": 2, "train-src": 1}
    assert ranks.index.tolist() == ["coral", "sa", "train-src"]


def test_equal_means_of_other_splits_are_tied():
    # The same sevenths in another order; their floating-point means differ in the last digit.
    rows = [
        ("real", "a", "sa", "supervised", np.array([3, 6, 4, 0, 6]) / 7),
        ("real", "a", "coral", "supervised", np.array([6, 3, 0, 4, 6]) / 7),
    ]
    assert summary.ranks(table(rows))["rank"].tolist() == [1.5, 1.5]


# Marks


def test_marks_agree_with_scipy_and_have_the_right_side():
    rng = np.random.default_rng(0)
    source = rng.integers(40, 60, 25) / 100
    methods = {
        "coral": source + rng.integers(1, 20, 25) / 100,
        "sa": source - rng.integers(1, 20, 25) / 100,
        "tca": source + rng.choice([-0.05, 0.05], 25),
        "jpca": source,
    }
    results = table([("real", "a", name, "supervised", v) for name, v in methods.items()])
    results["train_source"] = np.tile(source, len(methods))
    marks = summary.wilcoxon_marks(results).set_index("method")
    assert marks["mark"].to_dict() == {
        "coral": "better",
        "sa": "worse",
        "tca": "not significant",
        "jpca": "not significant",
    }
    assert marks.loc["jpca", "p_value"] == 1
    for name in ("coral", "sa", "tca"):
        # The same values up to the rounding that makes equal differences equal.
        expected = scipy.stats.wilcoxon((methods[name] - source).round(9)).pvalue
        assert marks.loc[name, "p_value"] == expected
    assert marks.loc["coral", "difference"] == pytest.approx((methods["coral"] - source).mean())


def test_marks_pool_the_shifts_of_a_data_set():
    rows = [("real", shift, "sa", "supervised", [0.6] * 5) for shift in "ab"]
    results = table(rows, train_source=0.5)
    pooled, apart = (summary.wilcoxon_marks(results, by=by) for by in (["dataset"], ["shift"]))
    # All of n differences positive: the exact p value is 2 / 2**n.
    assert pooled["n_pairs"].tolist() == [10] and apart["n_pairs"].tolist() == [5, 5]
    assert apart["p_value"].tolist() == pytest.approx([2 / 2**5] * 2)
    assert (pooled["mark"] == "better").all() and (apart["mark"] == "not significant").all()


# Scores and drops


def test_correlation_by_hand_without_baselines_and_infinite_scores():
    rows = [
        ("real", "a", "sa", "supervised", [0.1, 0.2, 0.3, 0.9]),
        ("real", "a", "train-src", "supervised", [1.0]),
        ("real", "a", "sa", "mix-val-both", [0.5]),
    ]
    results = table(rows)
    results["inner_score"] = [1.0, 2.0, 3.0, -np.inf, -50.0, 1.0]
    found = correlations.score_correlation(results)
    assert found.loc["supervised", "rho"] == pytest.approx(1)
    assert found["n_rows"].to_dict() == {"supervised": 3, "mix-val-both": 1}
    assert np.isnan(found.loc["mix-val-both", "rho"])


def test_shifts_with_nothing_to_gain_can_be_dropped():
    rows = [(d, "a", "sa", "supervised", [0.1, 0.2, 0.3]) for d in ("gap", "none")]
    rows += [(d, "a", "sa", "mix-val-both", [0.1, 0.1, 0.1]) for d in ("gap", "none")]
    results = table(rows)
    results["inner_score"] = np.tile([1.0, 2.0, 3.0, 3.0, 2.0, 1.0], 2)
    results["train_source"] = 0.5
    results["train_target"] = np.where(results["dataset"] == "gap", 0.6, 0.5)
    kept = correlations.score_correlation(results, drop_without_gap=True)
    assert kept["n_rows"].tolist() == [3, 3]
    assert correlations.score_correlation(results)["n_rows"].tolist() == [6, 6]
    drop = summary.accuracy_drop(results, drop_without_gap=True)
    assert drop["dataset"].tolist() == ["gap"]
    assert drop["drop"].tolist() == pytest.approx([0.1])
    assert len(summary.accuracy_drop(results)) == 2


def test_drop_is_positive_where_labels_helped(simulated):
    drop = summary.accuracy_drop(simulated, simulated=())
    assert len(drop) == 4 * 20 and not drop["method"].isin(summary.BASELINES).any()
    means = simulated.groupby(["method", "scorer", "shift"])["accuracy"].mean()
    row = drop[(drop["method"] == "mmd-tars") & (drop["shift"] == "target")].iloc[0]
    expected = (means["mmd-tars", each, "target"] for each in ("supervised", row["scorer"]))
    supervised, unsupervised = expected
    assert row["drop"] == pytest.approx(supervised - unsupervised)
    assert supervised > unsupervised


# Names and errors


def test_names_are_one_to_one():
    for names in (summary.PUBLISHED_METHODS, summary.PUBLISHED_DEEP_METHODS):
        assert len(set(names.values())) == len(names)
    assert len(set(summary.PUBLISHED_SCORERS.values())) == len(summary.PUBLISHED_SCORERS) == 10
    assert len(summary.PUBLISHED_METHODS) == 22


def test_errors():
    results = table([("real", "a", "sa", "mix-val-both", [0.5, 0.6])])
    with pytest.raises(ValueError, match="table lacks scorer; it has dataset, shift"):
        summary.ranks(results.drop(columns="scorer"))
    with pytest.raises(ValueError, match="table lacks train_source"):
        summary.wilcoxon_marks(results)
    with pytest.raises(ValueError, match="table lacks inner_score"):
        correlations.score_correlation(results)
    with pytest.raises(ValueError, match="table lacks train_source, train_target"):
        summary.accuracy_drop(results, drop_without_gap=True)
    with pytest.raises(ValueError, match=r"2 repeated rows, the first for \['real', 'a', 'sa'"):
        summary.select_scorer(pd.concat([results, results]))
    with pytest.raises(ValueError, match=r"accuracy must lie in \[0, 1\] or be NaN, got 61.0"):
        summary.ranks(results.assign(accuracy=61.0))
    with pytest.raises(ValueError, match="alpha must be between 0 and 1, got 5"):
        summary.wilcoxon_marks(results.assign(train_source=0.5), alpha=5)
    with pytest.raises(ValueError, match="has rows of the scorer 'best-scorer' already"):
        summary.add_best_scorer(results.assign(scorer="best-scorer"))
    only = results.assign(dataset="simulated")
    with pytest.raises(ValueError, match="no accuracy of an unsupervised scorer on a real"):
        summary.select_scorer(only)
    with pytest.raises(ValueError, match="no accuracy on a real data set"):
        summary.ranks(only)


def test_unknown_published_names_are_named():
    scores = read("simulated_scores.csv").head(2)
    with pytest.raises(ValueError, match="method 'TJM' is not a published name: Train Src"):
        summary.published_table(scores.assign(estimator="TJM"))
    with pytest.raises(ValueError, match="scorer 'x' is not a published name: supervised"):
        summary.published_table(scores.assign(scorer="x"))
    with pytest.raises(ValueError, match="scores lacks split; it has"):
        summary.published_table(scores.drop(columns="split"))
    with pytest.raises(ValueError, match="inner_scores lacks cv_score"):
        summary.published_table(scores, scores)
