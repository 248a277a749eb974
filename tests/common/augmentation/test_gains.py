import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from common.augmentation.gains import (
    accuracy_intervals,
    class_f1,
    decode_hits,
    encode_hits,
    improvement_intervals,
    relative_improvement,
)
from common.report.statistics import mean_interval


def scores(values, *, dataset="d", fractions=(1.0,)):
    """A row for each augmentation, fold and seed; values[augmentation][fold][seed]."""
    return pd.DataFrame(
        {
            "dataset": dataset, "augmentation": name, "fraction": fraction, "fold": fold,
            "seed": seed, "balanced_accuracy": value, "hits": "",
        }
        for name, folds in values.items()
        for fraction in fractions
        for fold, seeds in enumerate(folds)
        for seed, value in enumerate(seeds)
    )  # fmt: skip


def test_pairs_are_folds_after_the_mean_over_seeds():
    table = scores({"identity": [[0.4, 0.6], [0.8, 0.8]], "a": [[0.5, 0.7], [0.8, 0.4]]})
    pairs = relative_improvement(table, metric="balanced_accuracy")
    assert pairs["unit"].tolist() == ["fold", "fold"]
    assert pairs["gain"].tolist() == pytest.approx([20.0, -25.0])


def test_pairs_are_seeds_where_there_is_one_fold():
    table = scores({"identity": [[0.4, 0.5]], "a": [[0.5, 0.5]]})
    pairs = relative_improvement(table, metric="balanced_accuracy")
    assert pairs["unit"].tolist() == ["seed", "seed"]
    assert pairs["gain"].tolist() == pytest.approx([25.0, 0.0])


@settings(deadline=None, max_examples=20)
@given(factor=st.floats(0.1, 10), seed=st.integers(0, 99))
def test_the_unit_of_the_score_and_the_order_of_rows_do_not_matter(factor, seed):
    rng = np.random.default_rng(seed)
    table = scores({name: rng.uniform(0.1, 1, (3, 2)).tolist() for name in ("identity", "a", "b")})
    other = table.assign(balanced_accuracy=table["balanced_accuracy"] * factor)
    other = other.sample(frac=1, random_state=seed)
    order = ["augmentation", "pair"]
    one, two = (
        relative_improvement(t, metric="balanced_accuracy").sort_values(order)["gain"].to_numpy()
        for t in (table, other)
    )
    assert one == pytest.approx(two, rel=1e-9, abs=1e-9)


def test_more_than_the_augmentation_must_agree():
    table = scores({"identity": [[0.5], [0.5]], "a": [[0.6], [0.6]]}, fractions=(0.5, 1.0))
    table.loc[table["fraction"] == 1.0, "balanced_accuracy"] = 0.5
    by = ("dataset", "augmentation", "fraction")
    pairs = relative_improvement(table, metric="balanced_accuracy", by=by)
    means = pairs.groupby("fraction")["gain"].mean()
    assert means.to_dict() == pytest.approx({0.5: 20.0, 1.0: 0.0})


def test_a_baseline_of_zero_gives_no_number():
    table = scores({"identity": [[0.0], [0.5]], "a": [[0.5], [0.5]]})
    gains = relative_improvement(table, metric="balanced_accuracy")["gain"]
    assert np.isnan(gains[0]) and gains[1] == 0.0


def test_an_unpaired_fit_is_an_error():
    table = scores({"identity": [[0.5], [0.5]], "a": [[0.6], [0.6]]})
    lacking = table[~((table["augmentation"] == "identity") & (table["fold"] == 1))]
    with pytest.raises(ValueError, match=r"no identity to compare with .*'a', 'pair': 1.*by fold"):
        relative_improvement(lacking, metric="balanced_accuracy")
    with pytest.raises(ValueError, match="no identity to compare with"):
        relative_improvement(table[table["augmentation"] == "a"], metric="balanced_accuracy")
    with pytest.raises(ValueError, match="by must hold 'augmentation'"):
        relative_improvement(table, metric="balanced_accuracy", by=("dataset",))


# Hits


@settings(deadline=None)
@given(
    right=st.lists(st.booleans(), min_size=2, max_size=40), seed=st.integers(0, 9),
)  # fmt: skip
def test_hits_are_decoded_as_they_were_encoded(right, seed):
    right = np.array(right)
    y = np.random.default_rng(seed).permutation(np.arange(len(right)) % 2)
    decoded = decode_hits(encode_hits(right, y))
    assert [d.tolist() for d in decoded] == [right[y == label].tolist() for label in (0, 1)]


@pytest.mark.parametrize("text", ["", "x1.", "nan"])
def test_what_is_no_hits_is_an_error(text):
    with pytest.raises(ValueError, match=r"hits must be made of .* keep_hits in its settings"):
        decode_hits(text)


def single(rights, y):
    """Table of one fold; rights[augmentation][seed] are hits of the test examples."""
    return pd.DataFrame(
        {
            "dataset": "d", "augmentation": name, "fraction": 1.0, "fold": 0, "seed": seed,
            "hits": encode_hits(right, y),
            "balanced_accuracy": np.mean([right[y == label].mean() for label in np.unique(y)]),
        }
        for name, seeds in rights.items()
        for seed, right in enumerate(seeds)
    )  # fmt: skip


def test_the_value_of_a_single_split_is_the_ratio_of_mean_balanced_accuracies():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [30, 10])
    table = single({name: rng.random((3, 40)) < 0.7 for name in ("identity", "a")}, y)
    means = table.groupby("augmentation")["balanced_accuracy"].mean()
    (row,) = improvement_intervals(table).itertuples()
    assert row.gain == pytest.approx(100 * (means["a"] / means["identity"] - 1))
    assert row.low <= row.gain <= row.high
    assert row.n == 40
    levels = accuracy_intervals(table).set_index("augmentation")["value"]
    assert levels.to_dict() == pytest.approx(means.to_dict())


def test_equal_predictions_gain_exactly_nothing():
    rng = np.random.default_rng(0)
    right = rng.random((3, 50)) < 0.6
    table = single({"identity": right, "a": right}, np.arange(50) % 2)
    (row,) = improvement_intervals(table).itertuples()
    assert (row.gain, row.low, row.high) == (0.0, 0.0, 0.0)


def test_where_all_seeds_agree_the_interval_of_an_accuracy_is_that_of_the_test_trials():
    for n in (100, 400):
        right = np.tile(np.arange(n) < 0.7 * n, (4, 1))
        (row,) = accuracy_intervals(single({"identity": right}, np.zeros(n, int))).itertuples()
        assert (row.value, row.low, row.high) == pytest.approx(mean_interval(right[0]))


def test_one_seed_of_one_fold_is_refused():
    rng = np.random.default_rng(0)
    table = single({name: rng.random((1, 20)) < 0.7 for name in ("identity", "a")}, np.zeros(20))
    for intervals in (improvement_intervals, accuracy_intervals):
        with pytest.raises(ValueError, match=r"one fold and one seed, 0.*two seeds"):
            intervals(table)


def test_where_all_examples_agree_the_interval_is_that_of_the_seeds():
    right = np.repeat([[True], [False], [True], [True]], 20, axis=1)
    (row,) = accuracy_intervals(single({"identity": right}, np.arange(20) % 2)).itertuples()
    value, low, _ = mean_interval(right[:, 0])
    assert (row.value, row.low, row.high) == pytest.approx((value, max(low, 0), 1))


def test_where_all_examples_agree_the_interval_of_a_gain_is_that_of_the_seeds():
    of_seeds = {"identity": [True, True, False, True], "a": [True, False, True, True]}
    rights = {name: np.repeat(np.array(of)[:, None], 20, axis=1) for name, of in of_seeds.items()}
    (row,) = improvement_intervals(single(rights, np.arange(20) % 2)).itertuples()
    a, b = (np.array(of_seeds[name], float) for name in ("a", "identity"))
    # By the delta method, a gain of r - 1 varies as the mean over seeds of (a - r b) / mean(b).
    r = a.mean() / b.mean()
    _, low, high = mean_interval((a - r * b) / b.mean())
    assert (row.gain, row.low, row.high) == pytest.approx(
        (100 * (r - 1), 100 * (r - 1 + low), 100 * (r - 1 + high))
    )


@pytest.mark.parametrize(("effect", "of_seeds"), [(0.0, 0.2), (0.4, 0.1)])
def test_the_intervals_of_a_gain_and_of_an_accuracy_cover_the_truth(effect, of_seeds):
    """Of 95 % nominal, 93 to 97 % of worlds, without and with a gain."""
    rng, worlds, n, seeds, level, interaction = np.random.default_rng(2), 600, 100, 3, 0.5, 0.5
    y = np.arange(n) % 2
    hard, covered = rng.standard_normal((worlds, n)), np.zeros(2)
    # A test example is right where the network's reach, its own ease and chance add to more than 0.
    right = {
        name: level
        + gain
        + hard[:, None]
        + of_seeds * rng.standard_normal((worlds, seeds, 1))
        + interaction * rng.standard_normal((worlds, seeds, n))
        > 0
        for name, gain in (("identity", 0.0), ("a", effect))
    }
    deviation = np.sqrt(1 + of_seeds**2 + interaction**2)
    chance = norm.cdf(np.array([level, level + effect]) / deviation)
    truth = 100 * (chance[1] / chance[0] - 1)
    for world in range(worlds):
        table = single({name: of[world] for name, of in right.items()}, y)
        (gain,) = improvement_intervals(table).itertuples()
        accuracy = accuracy_intervals(table).set_index("augmentation").loc["a"]
        covered += (
            gain.low <= truth <= gain.high,
            accuracy["low"] <= chance[1] <= accuracy["high"],
        )
    # Of three seeds the interval of a mean may be somewhat wide, as `crossed_interval` says.
    assert 0.93 <= covered[0] / worlds <= 0.97
    assert 0.93 <= covered[1] / worlds <= 0.98


def test_several_folds_have_the_interval_over_folds():
    rng = np.random.default_rng(0)
    table = scores({name: rng.uniform(0.4, 0.9, (4, 1)).tolist() for name in ("identity", "a")})
    pairs = relative_improvement(table, metric="balanced_accuracy")["gain"]
    (row,) = improvement_intervals(table).itertuples()
    assert (row.gain, row.low, row.high) == pytest.approx(tuple(mean_interval(pairs)))
    assert (row.n, row.interval) == (4, "folds (t)")


def test_f1_of_each_class():
    y, predicted = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    # tp, fp, fn: (1, 1, 1), (2, 1, 0), (0, 0, 1)
    assert class_f1(y, predicted) == pytest.approx([1 / 2, 4 / 5, 0.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: class_f1([0, -1], [0, 1]), r"count from 0 without a gap, got -1, 0\."),
        (lambda: class_f1([0, 10**6], [0, 1]), r"count from 0 without a gap, got 0, 1000000\."),
        (lambda: class_f1([], []), r"count from 0 without a gap, got none\."),
        (lambda: class_f1([0, 1], [0]), "y and predicted must have one length, got 2 and 1"),
        (lambda: encode_hits([True], [0, 1]), "right and y must have one length, got 1 and 2"),
    ],
)
def test_labels_that_have_no_score_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_hits_may_be_lists():
    assert encode_hits([1, 0, 1], [0, 1, 0]) == "xx|."
