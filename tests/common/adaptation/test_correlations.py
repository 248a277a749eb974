"""Correlations of scores with accuracies, their changes and leads, by hand and by the jackknife."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from common.adaptation import correlations
from common.report.statistics import jackknife_interval


def correlated(scorer, shift, scores, accuracies, dataset="real"):
    methods = ["coral", "lin-ot", "sa", "jpca"][: len(scores)]
    return pd.DataFrame(
        {
            "dataset": dataset, "shift": shift, "method": methods, "scorer": scorer, "split": 0,
            "inner_score": scores, "accuracy": accuracies,
        }
    )  # fmt: skip


def test_a_scorer_that_is_missing_in_a_shift_does_not_move_the_others():
    """Added up by place, tables of different scorers would lose or exchange values."""
    accuracies = [0.1, 0.2, 0.3]
    table = pd.concat(
        [
            correlated("circular-validation", "a", [1, 2, 3], accuracies),
            correlated("importance-weighted", "a", [3, 2, 1], accuracies),
            correlated("importance-weighted", "b", [1, 2, 3], accuracies),
            correlated("prediction-entropy", "b", [2, 2, 2], accuracies),
        ],
        ignore_index=True,
    )
    found = correlations.mean_correlation(table)
    assert found["n_shifts"].to_dict() == {
        "circular-validation": 1, "importance-weighted": 2, "prediction-entropy": 0,
    }  # fmt: skip
    assert found["rho"]["circular-validation"] == pytest.approx(1)
    assert found["rho"]["importance-weighted"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(found["rho"]["prediction-entropy"])
    assert found.index[0] == "circular-validation"


def test_correlations_are_compared_on_the_same_rows():
    accuracies = [0.1, 0.2, 0.3, 0.4]
    theirs = correlated("prediction-entropy", "a", [1, 2, 3, -50], accuracies)
    ours = correlated("prediction-entropy", "a", [1, 2, 3], accuracies[:3])
    rows, other = correlations.matching_rows(ours, theirs.iloc[::-1])
    assert rows["method"].tolist() == other["method"].tolist() == ["coral", "lin-ot", "sa"]
    for one in (rows, other):
        rho = correlations.score_correlation(one)["rho"]["prediction-entropy"]
        assert rho == pytest.approx(1)
    assert correlations.score_correlation(theirs)["rho"]["prediction-entropy"] < 0
    lost = ours.assign(inner_score=[1, np.nan, np.inf])
    assert len(correlations.matching_rows(lost, theirs)[0]) == 1
    with pytest.raises(ValueError, match="lacks inner_score"):
        correlations.matching_rows(ours, theirs.drop(columns="inner_score"))


def test_the_change_of_a_correlation_is_between_tables_and_over_methods():
    rng = np.random.default_rng(0)
    inner, accuracy = rng.random((2, 8, 5))
    theirs = pd.DataFrame(
        {
            "dataset": "simulated", "shift": "a", "scorer": "s",
            "method": np.repeat([f"m{m}" for m in range(8)], 5), "split": np.tile(range(5), 8),
            "inner_score": inner.ravel(), "accuracy": accuracy.ravel(),
        }
    )  # fmt: skip
    ours = theirs.assign(inner_score=-2 * theirs["inner_score"])
    assert correlations.correlation_change(theirs, theirs, "s") == (0, 0, 0)
    rho = np.corrcoef(inner.ravel(), accuracy.ravel())[0, 1]
    without = [
        np.corrcoef(*(np.delete(x, m, 0).ravel() for x in (inner, accuracy)))[0, 1]
        for m in range(8)
    ]
    # Ours are turned around: the change is -2 rho. Tukey's jackknife, written out.
    error = np.sqrt(7 / 8 * np.sum((np.array(without) - np.mean(without)) ** 2))
    half = 2 * scipy.stats.t.ppf(0.975, 7) * error
    expected = (-2 * rho, -2 * rho - half, -2 * rho + half)
    assert correlations.correlation_change(ours, theirs, "s") == pytest.approx(expected)
    with pytest.raises(ValueError, match="at least 2"):
        one = theirs[theirs["method"] == "m0"]
        correlations.correlation_change(one, one, "s")


def scored(scores, accuracy):
    """A row for each scorer and method; scores[scorer] are the methods' of one shift."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "dataset": "real", "shift": "a", "scorer": name, "split": 0,
                    "method": [f"m{k}" for k in range(len(accuracy))],
                    "inner_score": values, "accuracy": accuracy,
                }
            )
            for name, values in scores.items()
        ],
        ignore_index=True,
    )  # fmt: skip


def test_the_lead_of_a_scorer_is_over_the_second_best_other_and_over_methods():
    rng = np.random.default_rng(0)
    accuracy = rng.random(8)
    noise = {name: rng.standard_normal(8) for name in ("b", "c", "d")}
    scores = {"a": accuracy, **{name: accuracy + 0.3 * each for name, each in noise.items()}}
    table = scored(scores, accuracy)
    rho = {name: np.corrcoef(values, accuracy)[0, 1] for name, values in scores.items()}
    of_others = sorted((rho[name], name) for name in noise)[1][1]
    lead = correlations.correlation_lead(table, "a")
    assert lead.value == pytest.approx(1 - rho[of_others])
    # "a" follows exactly with any methods, so the spread is the other's: its jackknife.
    other = jackknife_interval(
        np.column_stack([scores[of_others], accuracy]),
        statistic=lambda rows: 1 - np.corrcoef(rows.T)[0, 1],
    )
    assert lead == pytest.approx(other)
    # Of two best, the lead of each is over the third.
    twice = scored(scores | {"b": accuracy}, accuracy)
    assert correlations.correlation_lead(twice, "a").value > 0
    assert correlations.correlation_lead(twice, "b") == correlations.correlation_lead(twice, "a")


def test_a_lead_needs_others_and_methods():
    accuracy = np.random.default_rng(0).random(6)
    table = scored({"a": accuracy, "b": -accuracy, "flat": np.zeros(6)}, accuracy)
    with pytest.raises(ValueError, match="'flat' has no correlation in any shift"):
        correlations.correlation_lead(table, "flat")
    with pytest.raises(ValueError, match=r"'a' is compared with .* only b has a correlation"):
        correlations.correlation_lead(table, "a")


N_DRAWS = 4000  # the standard error of a coverage is 0.3 %


def world(rhos, *, rng, n_methods=8, n_rows=4):
    """Accuracies, and scores of each scorer whose correlation with them is known, in many draws.

    Methods and rows contribute half of the variance each, so rows of a method are not independent.
    """
    sizes = (N_DRAWS, n_methods, 1), (N_DRAWS, n_methods, n_rows)
    accuracy = [rng.standard_normal(size) for size in sizes]
    scores = {}
    for scorer, rho in rhos.items():
        noise = [rng.standard_normal(size) for size in sizes]
        pairs = zip(accuracy, noise, strict=True)
        scores[scorer] = sum(rho * a + np.sqrt(1 - rho**2) * e for a, e in pairs)
    return sum(accuracy), scores


def table_of(scorer, scores, accuracy):
    """Table of one scorer in one draw."""
    method, split = np.indices(scores.shape)
    return pd.DataFrame(
        {
            "dataset": "simulated", "shift": "a", "scorer": scorer, "split": split.ravel(),
            "method": [f"m{m}" for m in method.ravel()], "inner_score": scores.ravel(),
            "accuracy": 0.5 + accuracy.ravel() / 20,
        }
    )  # fmt: skip


def correlation(x, y):
    """Of all methods and rows, the last two axes."""
    x, y = (each - each.mean(axis=(-2, -1), keepdims=True) for each in (x, y))
    return (x * y).sum(axis=(-2, -1)) / np.sqrt((x**2).sum((-2, -1)) * (y**2).sum((-2, -1)))


def difference_intervals(first, second, accuracy):
    """Difference of two correlations in each draw with its interval: Tukey's jackknife."""
    n = accuracy.shape[1]
    kept = np.array([np.delete(np.arange(n), m) for m in range(n)])  # without one of the methods
    value = correlation(first, accuracy) - correlation(second, accuracy)
    first, second, accuracy = (each[:, kept] for each in (first, second, accuracy))
    without = correlation(first, accuracy) - correlation(second, accuracy)
    half = scipy.stats.t.ppf(0.975, n - 1) * (n - 1) * without.std(axis=1) / np.sqrt(n - 1)
    return np.column_stack([value, value - half, value + half])


def coverage(intervals, truth):
    return np.mean((intervals[:, 1] <= truth) & (truth <= intervals[:, 2]))


def test_the_interval_of_a_change_covers_the_truth():
    accuracy, scores = world({"s": 0.6, "other": 0.2}, rng=np.random.default_rng(0))
    intervals = difference_intervals(scores["s"], scores["other"], accuracy)
    assert 0.93 <= coverage(intervals, 0.6 - 0.2) <= 0.97
    for draw in range(5):  # these are the intervals of the library
        ours, theirs = (table_of("s", each[draw], accuracy[draw]) for each in scores.values())
        change = correlations.correlation_change(ours, theirs, "s")
        assert change == pytest.approx(tuple(intervals[draw]))


def test_the_interval_of_a_lead_covers_the_truth():
    # The second best of the others is far from the best and from the third.
    rhos = {"a": 0.6, "b": 0.95, "c": 0.4, "d": -0.9}
    accuracy, scores = world(rhos, rng=np.random.default_rng(0))
    found = {scorer: correlation(each, accuracy) for scorer, each in scores.items()}
    is_second = (found["b"] > found["c"]) & (found["c"] > found["d"])
    assert is_second.mean() > 0.99
    intervals = difference_intervals(scores["a"], scores["c"], accuracy)[is_second]
    assert 0.93 <= coverage(intervals, 0.6 - 0.4) <= 0.97
    for row, draw in enumerate(np.flatnonzero(is_second)[:5]):
        tables = [table_of(name, each[draw], accuracy[draw]) for name, each in scores.items()]
        lead = correlations.correlation_lead(pd.concat(tables), "a")
        assert lead == pytest.approx(tuple(intervals[row]))
