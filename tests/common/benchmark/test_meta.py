"""Meta-analysis against hand-made cases, scipy, and MOABB where it is right."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from common.benchmark import meta
from common.report import statistics


def rng(seed=0):
    return np.random.default_rng(seed)


def table(scores):
    """Rows of ``{dataset: {pipeline: scores of subjects 1 …}}``, None for a missing subject."""
    rows = [
        (dataset, subject, "0", pipeline, score)
        for dataset, pipelines in scores.items()
        for pipeline, values in pipelines.items()
        for subject, score in enumerate(values, 1)
        if score is not None
    ]
    return pd.DataFrame(rows, columns=["dataset", "subject", "session", "pipeline", "score"])


def drawn(sizes, *, seed=0, shift=0.03, pipelines=("A", "B", "C")):
    draw = rng(seed)
    return table(
        {
            f"D{n:02d}": {
                name: draw.normal(0.7 + i * shift, 0.08, n).clip(0, 1)
                for i, name in enumerate(pipelines)
            }
            for n in sizes
        }
    )


def pair(tests, a="A", b="B"):
    return tests[(tests["a"] == a) & (tests["b"] == b)].reset_index(drop=True)


def test_three_subjects_by_hand():
    """Differences 2, 3, 1: mean 2, deviation 1; of eight sums only 2 + 3 + 1 reaches 6."""
    tests = meta.by_dataset(table({"D": {"A": [3, 5, 4], "B": [1, 2, 3]}}), rng=rng())
    better, worse = pair(tests).iloc[0], pair(tests, "B", "A").iloc[0]
    assert (better["n"], better["difference"], better["method"]) == (3, 2.0, "sign-flip")
    assert better["smd"] == pytest.approx(2.0)
    assert better["p"] == 1 / 8
    assert worse["smd"] == pytest.approx(-2.0)
    assert worse["p"] == 1.0
    combined = meta.pairwise(table({"D": {"A": [3, 5, 4], "B": [1, 2, 3]}}), rng=rng())
    # p = 1 counts as 1 - 1/8, the mirror image: the pair and its reverse sum to one.
    assert pair(combined)["p"].item() == pytest.approx(1 / 8)
    assert pair(combined, "B", "A")["p"].item() == pytest.approx(7 / 8)


def test_two_data_sets_by_hand():
    scores = table({"D": {"A": [3, 5, 4], "B": [1, 2, 3]}, "E": {"A": [1, 2], "B": [2, 5]}})
    combined = pair(meta.pairwise(scores, rng=rng())).iloc[0]
    w = np.sqrt([3, 2]) / np.sqrt([3, 2]).sum()
    effects = [2.0, -2 / np.sqrt(2)]
    assert combined["smd"] == pytest.approx(w @ effects)
    # E: differences -1 and -3, every sum reaches theirs: p = 1, counted as 3/4.
    z = scipy.stats.norm.isf([1 / 8, 3 / 4])
    expected = scipy.stats.norm.sf(np.sqrt([3, 2]) @ z / np.sqrt(5))
    assert combined["p"] == pytest.approx(expected)
    assert (combined["n_datasets"], combined["n_subjects"]) == (2, 5)


@pytest.mark.parametrize(
    ("n", "method"),
    [(2, "sign-flip"), (13, "sign-flip"), (14, "random sign-flip"), (19, "random sign-flip"),
     (20, "wilcoxon"), (60, "wilcoxon")],
)  # fmt: skip
def test_the_test_follows_the_number_of_subjects(n, method):
    tests = meta.by_dataset(drawn([n]), rng=rng())
    assert set(tests["method"]) == {method}


def test_random_patterns_approach_the_exact_test():
    scores = drawn([16])
    a, b = (
        scores.pivot(index="subject", columns="pipeline", values="score")[["A", "B"]].to_numpy().T
    )
    exact = statistics.paired_test(a, b, alternative="greater", exact_up_to=16).p_value
    p = pair(meta.by_dataset(scores, rng=rng()))["p"].item()
    # Five standard errors of a share of 10,000.
    assert p == pytest.approx(exact, abs=5 * np.sqrt(exact * (1 - exact) / 10_000))
    assert p != exact


def test_many_subjects_are_scipys():
    scores = drawn([24])
    a, b = (
        scores.pivot(index="subject", columns="pipeline", values="score")[["A", "B"]].to_numpy().T
    )
    expected = scipy.stats.wilcoxon(a - b, alternative="greater").pvalue
    assert pair(meta.by_dataset(scores, rng=rng()))["p"].item() == expected


def test_tests_do_not_depend_on_what_else_is_there():
    """Data sets of 16 use random patterns: the same ones, whatever the order of the table."""
    scores = drawn([16, 5, 24])
    everything = meta.by_dataset(scores, rng=rng())
    shuffled = scores.sample(frac=1, random_state=0)
    some = meta.by_dataset(shuffled, rng=rng(), pipelines=["C", "A"])
    merged = some.merge(everything, on=["dataset", "a", "b"], suffixes=("", "_all"))
    assert len(merged) == len(some) == 6
    np.testing.assert_array_equal(merged["p"], merged["p_all"])
    other = meta.by_dataset(scores, rng=rng(1))
    differs = everything["p"] != other["p"]
    assert set(everything["dataset"][differs]) == {"D16"}


@pytest.mark.parametrize("n", [2, 9, 16, 30])
def test_equal_pipelines_give_no_evidence_at_any_size(n):
    values = rng().uniform(size=n)
    scores = table({"D": {"A": values, "B": values}, "E": {"A": values, "B": values}})
    tests = meta.by_dataset(scores, rng=rng())
    assert (tests["p"] == 0.5).all()
    assert (tests["smd"] == 0).all()
    combined = meta.pairwise(scores, rng=rng())
    np.testing.assert_allclose(combined["p"], 0.5, atol=1e-15)
    assert (combined["smd"] == 0).all()


@pytest.mark.parametrize("n", [3, 13, 16, 19, 25, 109])
def test_a_pipeline_that_is_always_better_gives_no_nan(n):
    better = rng().uniform(0.6, 0.9, n)
    scores = table({"D": {"A": better, "B": better - rng(1).uniform(0.01, 0.2, n)}})
    combined = meta.pairwise(scores, rng=rng())
    p, reverse = pair(combined)["p"].item(), pair(combined, "B", "A")["p"].item()
    assert 0 < p < 0.2
    assert 0.8 < reverse < 1 or n > 50
    assert combined["concordant"].all()


def test_a_data_set_of_equal_differences_does_not_decide_the_combined_effect():
    """One data set of two subjects, both better by one, would make it infinite."""
    a = [1.0, 2.0, 5.0, 4.0]
    scores = table({"D": {"A": [2, 3], "B": [1, 2]}, "F": {"A": a, "B": [0.0, 3.0, 1.0, 4.5]}})
    alone = scores[scores["dataset"] == "F"]
    for names in (("A", "B"), ("B", "A")):
        found, without = (
            pair(meta.pairwise(one, rng=rng()), *names)["smd"].item() for one in (scores, alone)
        )
        assert found == without
        rows, least = (meta.forest(one, *names, rng=rng()) for one in (scores, alone))
        assert rows["weight"].tolist() == [0, 1, 1]
        pd.testing.assert_series_equal(
            rows.iloc[-1][["n", "smd", "low", "high"]],
            least.iloc[-1][["n", "smd", "low", "high"]],
            check_names=False,
        )
    nothing = scores[scores["dataset"] == "D"]
    assert np.isnan(meta.forest(nothing, "A", "B", rng=rng())["smd"].iloc[-1])
    assert np.isnan(pair(meta.pairwise(nothing, rng=rng()))["smd"].item())


def test_pipelines_are_paired_within_the_same_session():
    """B is as good as A in each session, but was evaluated in the good ones only."""
    rows = [
        ("D", subject, session, "A", score + subject / 100)
        for subject in range(4)
        for session, score in (("bad", 0.5), ("good", 0.9))
    ]
    rows += [("D", subject, "good", "B", 0.9 + subject / 100) for subject in range(4)]
    rows += [("D", 9, "good", "B", 0.9)]
    names = ["dataset", "subject", "session", "pipeline", "score"]
    scores = pd.DataFrame(rows, columns=names)
    found = pair(meta.by_dataset(scores, rng=rng())).iloc[0]
    assert (found["n"], found["dropped"]) == (4, 5)
    assert (found["difference"], found["smd"], found["p"]) == (0, 0, 0.5)
    assert meta.forest(scores, "A", "B", rng=rng())["smd"].iloc[-1] == 0
    assert pair(meta.pairwise(scores, rng=rng()))["dropped"].item() == 5


def test_missing_subjects_are_left_out_of_the_pair_only():
    scores = table(
        {"D": {"A": [3, 5, 4, None], "B": [1, 2, 3, 9], "C": [1, 1, 1, 8]}, "E": {"A": [1, 2]}}
    )
    tests = meta.by_dataset(scores, rng=rng())
    found = tests.set_index(["a", "b"])[["n", "dropped"]]
    assert found.loc[("A", "B")].tolist() == [3, 1]
    assert found.loc[("B", "C")].tolist() == [4, 0]
    assert pair(tests)["smd"].item() == pytest.approx(2.0)
    assert set(tests["dataset"]) == {"D"}  # E has no pair


def test_exchanging_pipelines_mirrors_everything():
    combined = meta.pairwise(drawn([5, 13, 24, 40]), rng=rng())
    for a, b in itertools.combinations("ABC", 2):
        one, other = pair(combined, a, b).iloc[0], pair(combined, b, a).iloc[0]
        assert one["smd"] == pytest.approx(-other["smd"], abs=1e-12)
        # The tests are discrete: both sides count the observed sum.
        assert one["p"] + other["p"] == pytest.approx(1, abs=0.05)
        assert one["p"] + other["p"] >= 1 - 1e-9


def test_agreement_with_moabb():
    """MOABB's own, where effect and ranks point one way; its p = 1 is 1 - 2^-n, as here combined.

    MOABB combines with the weights in the order of the table and the p values in that of the
    alphabet; these data sets are named so that the two are one.

    Its Wilcoxon test halves the two-sided p, which of discrete tests is not the one-sided one
    against the alternative: it lacks the probability of the observed rank sum.
    """
    from moabb.analysis.meta_analysis import (
        compute_dataset_statistics,
        find_significant_differences,
    )

    scores = drawn([6, 9, 13, 24])
    theirs = compute_dataset_statistics(scores)
    merged = meta.by_dataset(scores, rng=rng()).merge(
        theirs, left_on=["dataset", "a", "b"], right_on=["dataset", "pipe1", "pipe2"]
    )
    assert len(merged) == 24
    np.testing.assert_allclose(merged["smd_x"], merged["smd_y"], rtol=1e-12)
    exact = merged["dataset"] != "D24"
    p = np.where(merged["p_x"] == 1, 1 - 0.5 ** merged["n"], merged["p_x"])
    np.testing.assert_allclose(p[exact], merged["p_y"][exact], rtol=1e-12)
    # 2^24 sign patterns give some thousand rank sums: one has a small probability.
    np.testing.assert_allclose(p[~exact], merged["p_y"][~exact], atol=0.02)
    p_values, effects = find_significant_differences(theirs[theirs["dataset"] != "D24"])
    ours = meta.pairwise(scores[scores["dataset"] != "D24"], rng=rng())
    for row in ours.itertuples():
        assert row.p == pytest.approx(p_values.loc[row.a, row.b], rel=1e-9)
        assert row.smd == pytest.approx(effects.loc[row.a, row.b], rel=1e-9)


def test_the_order_of_data_sets_does_not_matter():
    """Weights stay with their data set."""
    scores = drawn([3, 30, 8], shift=0.05)
    before = meta.pairwise(scores, rng=rng())
    turned = pd.concat([part for _, part in scores.groupby("dataset")][::-1])
    after = meta.pairwise(turned, rng=rng())
    np.testing.assert_allclose(after["p"], before["p"], rtol=1e-12)
    np.testing.assert_allclose(after["smd"], before["smd"], rtol=1e-12)


def test_forest_puts_data_sets_and_their_sum_in_rows():
    scores = drawn([5, 16, 24], shift=0.06)
    rows = meta.forest(scores, "B", "A", rng=rng())
    tests, combined = meta.by_dataset(scores, rng=rng()), meta.pairwise(scores, rng=rng())
    assert rows["dataset"].tolist() == ["D05", "D16", "D24", "combined"]
    expected = pair(tests, "B", "A")
    np.testing.assert_array_equal(rows["p"][:-1], expected["p"])
    np.testing.assert_array_equal(rows["smd"][:-1], expected["smd"])
    effects, _ = statistics.hedges(rows["smd"][:-1], rows["n"][:-1])
    assert rows["smd"].iloc[-1] == pytest.approx(rows["weight"][:-1] @ effects)
    assert rows["p"].iloc[-1] == pair(combined, "B", "A")["p"].item()
    np.testing.assert_allclose(rows["weight"][:-1].sum(), 1)
    np.testing.assert_allclose(rows["weight"][0] / rows["weight"][1], np.sqrt(5 / 16))
    assert (rows["low"] < rows["smd"]).all()
    assert (rows["smd"] < rows["high"]).all()
    wide = meta.forest(scores, "B", "A", rng=rng(), confidence=0.99)
    assert (wide["low"] < rows["low"]).all()
    assert (wide["high"] > rows["high"]).all()


@pytest.mark.parametrize("effect", [0, 0.5, 2.5])
@pytest.mark.parametrize("sizes", [(5, 8, 12), (12, 20, 30), (9,) * 6])
def test_combined_interval_covers_the_truth(effect, sizes):
    """Normal differences; 95 % nominal, 93 to 97 % accepted.

    A share of 4000 has the standard error 0.3 %. `forest` takes hold of a table, which is slow: the
    test after this one shows that it gives these numbers.
    """
    draw, n_worlds = rng(5), 4000
    drawn = [draw.normal(effect, 1, (n_worlds, n)) for n in sizes]
    smd = np.stack([x.mean(axis=1) / x.std(axis=1, ddof=1) for x in drawn], axis=1)
    found = [meta._combined_interval(one, np.array(sizes), 0.95)[1] for one in smd]
    covered = np.mean([low <= effect <= high for _, low, high in found])
    assert 0.93 <= covered <= 0.97


def test_forest_combines_the_effects_of_its_rows():
    *rows, last = meta.forest(drawn([5, 16, 24], shift=0.06), "A", "B", rng=rng()).itertuples()
    smd, n = (np.array([getattr(row, name) for row in rows]) for name in ("smd", "n"))
    _, interval = meta._combined_interval(smd, n, 0.95)
    assert (last.smd, last.low, last.high) == pytest.approx(interval)
    # The variance in closed form: unbiased, of Hedges' effects, weighted by the root of n.
    _, v = statistics.hedges(smd, n)
    w = np.sqrt(n) / np.sqrt(n).sum()
    assert last.high - last.smd == pytest.approx(1.959964 * np.sqrt(w**2 @ v), rel=1e-6)


@settings(deadline=None, max_examples=15)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=22),
    st.integers(0, 2**31),
)
def test_every_value_is_defined(values, seed):
    a, b = (np.array(values) / 20).T
    scores = table({"D": {"A": a, "B": b}, "E": {"A": a[:2], "B": b[:2]}})
    for found in (meta.pairwise(scores, rng=rng(seed)), meta.forest(scores, "A", "B", rng=rng())):
        combined = {"smd", "low", "high"}.intersection(found)
        assert not found.drop(columns=combined).isna().any(axis=None)
        assert found["p"].between(0, 1).all()
        assert not np.isinf(found[[*combined]].iloc[-1]).any()


def with_two_paradigms():
    scores = drawn([4])
    return pd.concat([scores.assign(paradigm="left_right"), scores.assign(paradigm="mi_all")])


def renamed(key, name, other):
    """Four subjects, in the last pipeline's rows of whom one name is another."""
    scores = drawn([4])
    rows = (scores["pipeline"] == "C") & (scores[key] == name)
    return scores.assign(**{key: scores[key].astype(object).where(~rows, other)})


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (drawn([4]).drop(columns="session"), {}, "lacks the columns session"),
        (with_two_paradigms(), {}, "paradigms left_right, mi_all, whose subjects are partly"),
        (
            drawn([4]).assign(score=lambda one: one["score"].where(one["subject"] != 3)),
            {},
            "score of A on D04, subject 3, session 0 is nan. Evaluate it again",
        ),
        (pd.concat([drawn([4])] * 2), {}, "dataset D04, subject 1, session 0, pipeline A is there"),
        (drawn([4]), {"pipelines": ["A", "Z"]}, "no pipeline 'Z'"),
        (drawn([4]), {"pipelines": ["A", "A"]}, r"of two pipelines, got one .* \['A', 'A'\]"),
        (
            pd.concat([drawn([4]), drawn([4]).assign(subject=lambda one: one["subject"].map(str))]),
            {},
            "a subject of D04 is called both 1 and '1': it would count twice, or be left out",
        ),
        (renamed("subject", 1, "01"), {}, "a subject of D04 is called both 1 and '01'"),
        (renamed("subject", 1, "1.0"), {}, "a subject of D04 is called both 1 and '1.0'"),
        (renamed("session", "0", "00"), {}, "a session of D04 is called both '0' and '00'"),
        (renamed("subject", 3, None), {}, "row 10 of the table has no subject, one of 1 such"),
        (renamed("session", "0", np.nan), {}, "row 8 of the table has no session, one of 4 such"),
        (renamed("dataset", "D04", None), {}, "row 8 of the table has no dataset, one of 4 such"),
        (renamed("pipeline", "C", None), {}, "row 8 of the table has no pipeline, one of 4 such"),
        (
            renamed("pipeline", "C", "C").assign(paradigm=["mi_all"] * 11 + [None]),
            {},
            "row 11 of the table has no paradigm, one of 1 such rows: it would be left out",
        ),
        (drawn([4])[lambda one: one["subject"] == 1], {}, "no data set has 2 subjects with two"),
    ],
)
def test_errors_say_what_is_wrong(scores, options, message):
    with pytest.raises(ValueError, match=message):
        meta.by_dataset(scores, rng=rng(), **options)


def test_names_of_subjects_are_compared_within_a_data_set():
    """One data set may write 1 what another writes 01; words that begin alike are two."""
    scores = drawn([4, 5])
    other = scores.assign(
        subject=scores["subject"].map(str).where(scores["dataset"] == "D04", scores["subject"]),
        session=np.where(scores["subject"] == 1, "1train", "1test"),
    )
    for table in (scores, other):
        assert (meta.by_dataset(table, rng=rng())["n"].unique() == [4, 5]).all()
    expected = meta.by_dataset(scores, rng=rng())
    pd.testing.assert_frame_equal(meta.by_dataset(other, rng=rng()), expected)


def test_hedges_variance_is_the_exact_one():
    """Not 1 / n + d² / (2 (n - 1)), which is close to it for many pairs only."""
    d = np.array([0.0, 0.5, -2.0])
    # With three degrees of freedom J² = pi / 6 and (m - 2) / m = 1 / 3.
    effects, variances = statistics.hedges(d, np.full(3, 4))
    np.testing.assert_allclose(effects, np.sqrt(np.pi / 6) * d, rtol=1e-12)
    np.testing.assert_allclose(variances, 1 / 4 + (np.pi / 6 - 1 / 3) * d**2, rtol=1e-12)
    # Of ten pairs, with a true effect of 3: the approximation is 3 % below. A variance from a
    # million draws is known to 0.2 %, and the mean of its estimates to 0.1 %.
    n, effect, draw = 10, 3.0, rng(11)
    mean = draw.normal(effect, n**-0.5, 1_000_000)
    deviation = np.sqrt(draw.chisquare(n - 1, 1_000_000) / (n - 1))
    effects, variances = statistics.hedges(mean / deviation, np.full(1_000_000, n))
    assert effects.mean() == pytest.approx(effect, rel=0.002)
    assert variances.mean() == pytest.approx(effects.var(), rel=0.01)


def test_a_pair_of_one_pipeline_and_a_seed_are_refused():
    with pytest.raises(ValueError, match=r"got one of them twice: \['A', 'A'\]"):
        meta.forest(drawn([4]), "A", "A", rng=rng())
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator, got 0"):
        meta.pairwise(drawn([4]), rng=0)
    with pytest.raises(ValueError, match="confidence must be above 0 and below 1, got 95"):
        meta.forest(drawn([4]), "A", "B", rng=rng(), confidence=95)


def test_differences_of_sessions_are_averaged_not_their_middle():
    sessions = [
        table({"D": {"A": [a, a + 0.1], "B": [0.1, 0.1]}}).assign(session=str(k))
        for k, a in enumerate((0.0, 0.3, 0.9))
    ]
    found = pair(meta.by_dataset(pd.concat(sessions), rng=rng())).iloc[0]
    # Means of A: 0.4 and 0.5.
    assert found["difference"] == pytest.approx(0.35)
    assert found["smd"] == pytest.approx(0.35 / (0.1 / np.sqrt(2)))
    rows = meta.forest(pd.concat(sessions), "A", "B", rng=rng())
    assert rows["smd"].iloc[0] == found["smd"]
    assert rows["low"].iloc[0] < found["smd"] < rows["high"].iloc[0]
