"""Evaluations in pieces against MOABB's own evaluation in one process."""

import itertools
import sys
import tempfile
import time
import types
import warnings

import numpy as np
import pandas as pd
import pytest
from moabb.datasets.fake import FakeDataset
from moabb.evaluations import WithinSessionSplitter
from moabb.pipelines.features import LogVariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline

from common import files, registry
from common.benchmark import catalogue, datasets, evaluation, plan

KEYS = ["subject", "session", "pipeline"]


def fake(**changes):
    settings = {
        "event_list": ("left_hand", "right_hand"), "n_subjects": 2, "n_sessions": 2, "n_runs": 1,
        "n_events": 24, "duration": 100, "seed": 3,
    }  # fmt: skip
    return FakeDataset(**(settings | changes))


def moabbs(paradigm, dataset, pipelines, data=None):
    """Scores of MOABB's evaluation of plain pipelines and grids, which it stores as float32."""
    import moabb.evaluations

    class WithinSessionEvaluation(moabb.evaluations.WithinSessionEvaluation):
        """Of a filter bank, MOABB 1.7.2 loads the first band only."""

        def _load_data(self, dataset, *_, subjects=None):
            return self.paradigm.get_data(dataset, subjects=subjects)

    entries = {name: catalogue.entry(name) for name in pipelines}
    grids = {name: one.pop("grid") for name, one in entries.items() if "grid" in one}
    plain = {name: catalogue.build(one) for name, one in entries.items()}
    made = datasets.paradigm(paradigm, dataset, **(data or {}))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        results = WithinSessionEvaluation(
            paradigm=made, datasets=[dataset], random_state=42, overwrite=True, hdf5_path=folder
        ).process(plain, grids or None)
    return results.astype({"subject": int, "session": str})


def assert_same(ours, theirs):
    merged = ours.astype({"session": str}).merge(theirs, on=KEYS, suffixes=("", "_moabb"))
    assert len(merged) == len(ours) == len(theirs) > 0
    # Half a unit in the last place of a float32 below 1.
    np.testing.assert_allclose(merged["score"], merged["score_moabb"], atol=2**-25)


def test_scores_are_moabbs_over_subjects_and_sessions():
    dataset, pipelines = fake(), ["LogVariance+LDA", "MDM", "LogVariance+SVM"]
    ours = pd.concat([evaluation.evaluate("left_right", dataset, one, pipelines) for one in (1, 2)])
    assert len(ours) == 2 * 2 * 3
    assert_same(ours, moabbs("left_right", dataset, pipelines))


def test_scores_of_several_classes_and_a_bank_are_moabbs():
    dataset = fake(event_list=("left_hand", "right_hand", "feet"), n_subjects=1, n_sessions=1)
    ours = evaluation.evaluate("mi_all", dataset, 1, ["FilterBank+SVM"])
    assert ours["metric"].tolist() == ["accuracy"]
    assert_same(ours, moabbs("mi_all", dataset, ["FilterBank+SVM"], {"bank": True}))


@pytest.mark.skipif(
    not files.resolve(registry.path("neurokit2-erp")).is_file(), reason="fetch neurokit2-erp"
)
def test_scores_of_an_embedded_recording_are_moabbs():
    dataset, pipelines = datasets.make("AudioVisual"), ["XDAWN+LDA"]
    ours = evaluation.evaluate("p300", dataset, 1, pipelines)
    assert_same(ours, moabbs("p300", dataset, pipelines))


def test_a_table_has_all_columns_and_its_parts():
    table = evaluation.evaluate("left_right", fake(), 1, ["MDM", "LogVariance+LDA"], label="Fake")
    assert list(table) == evaluation.COLUMNS
    first = table.iloc[0]
    assert first[["paradigm", "dataset", "pipeline", "category", "metric"]].tolist() == [
        "left_right", "Fake", "MDM", "riemannian", "roc_auc",
    ]  # fmt: skip
    assert table["pipeline"].tolist() == ["MDM", "LogVariance+LDA"] * 2
    assert table["session"].tolist() == ["0", "0", "1", "1"]
    assert (table["n_trials"] == 24).all()
    assert (table[["seconds", "cpu_seconds"]] > 0).all(axis=None)
    scores, times = evaluation.split(table)
    assert list(scores) == evaluation.SCORES
    assert set(evaluation.TIMES) < set(times)
    assert not set(evaluation.TIMES) & set(scores)


def test_hits_say_which_trials_were_right_in_their_order():
    """As scikit-learn predicts each trial from the folds that do not hold it."""
    dataset = fake(event_list=("left_hand", "right_hand", "feet"), n_subjects=1)
    table = evaluation.evaluate("mi_all", dataset, 1, ["MDM"])
    X, y, metadata, _ = evaluation.load_trials("mi_all", dataset, 1)
    splitter = WithinSessionSplitter(n_folds=5, shuffle=True, random_state=42)
    right = np.full(len(y), -1)
    for train, test in splitter.split(y, metadata):
        right[test] = catalogue.build("MDM").fit(X[train], y[train]).predict(X[test]) == y[test]
    assert table["session"].tolist() == ["0", "1"]
    for session, hits, n in table[["session", "hits", "n_trials"]].itertuples(index=False):
        mine = right[(metadata["session"] == session).to_numpy()]
        assert [one == "x" for one in hits] == mine.tolist()
        assert len(hits) == n
        assert 0 < mine.sum() < n


def test_pipelines_do_not_depend_on_their_company_and_scores_are_reproducible():
    alone = evaluation.evaluate("left_right", fake(), 1, ["CSP+LDA"])
    both = evaluation.evaluate("left_right", fake(), 1, ["MDM", "CSP+LDA"])
    both = both[both["pipeline"] == "CSP+LDA"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone[evaluation.SCORES], both[evaluation.SCORES])
    other = evaluation.evaluate("left_right", fake(), 1, ["CSP+LDA"], random_state=1)
    assert not np.allclose(alone["score"], other["score"])


STATELESS = [name for name, one in catalogue.load().items() if catalogue.halves(one)[0]]


@pytest.mark.parametrize("name", STATELESS)
def test_first_steps_on_all_trials_give_the_scores_of_whole_pipelines(name):
    entry = catalogue.entry(name)
    paradigm = entry["paradigms"][0]
    options = {"ssvep": {"paradigm": "ssvep", "n_trials": 6}}.get(paradigm, {"n_trials": 12})
    dataset = datasets.make("Simulated", n_subjects=1, **options)
    _, _, _, scoring = evaluation.load_trials(paradigm, dataset, 1)
    whole = {"estimator": catalogue.build(entry, scoring=scoring), "data": entry.get("data", {})}
    apart, together = (
        evaluation.evaluate(paradigm, dataset, 1, {name: one}) for one in (entry, whole)
    )
    np.testing.assert_array_equal(apart["score"], together["score"])
    assert 0 < apart["score"].item() <= 1


def test_first_steps_are_applied_once_and_each_fold_is_charged_its_share(monkeypatch):
    transformed = []
    whole = evaluation._transformed

    def counted(first, X, y, where):
        transformed.append(first)
        X, spent = whole(first, X, y, where)
        return X, {**spent, "seconds": 100.0}

    monkeypatch.setattr(evaluation, "_transformed", counted)
    table = evaluation.evaluate("left_right", fake(n_sessions=1), 1, ["MDM", "FgMDM", "TS+LR"])
    assert len(transformed) == 1
    n_training = 24 * 4 / 5
    np.testing.assert_allclose(table["seconds"], 100 * n_training, rtol=1e-2)


def test_a_piece_of_a_plan_is_evaluated():
    settings = {
        "ssvep": {
            "datasets": {
                "Few": {
                    "subjects": [1],
                    "name": "Simulated",
                    "options": {"paradigm": "ssvep", "n_subjects": 1, "n_trials": 6, "effect": 4.0},
                }
            },
            "pipelines": ["SSVEP_CCA", "SSVEP_TRCA", "SSVEP_MsetCCA", "SSVEP_MDM"],
        }
    }
    ((key, piece),) = plan.pieces(settings).items()
    assert key == "ssvep/Few/1/quick"
    table = evaluation.evaluate_piece(piece)
    assert table["dataset"].unique().tolist() == ["Few"]
    assert table["pipeline"].tolist() == settings["ssvep"]["pipelines"]
    # Strong responses: no classifier that knows the frequencies stays near a third.
    assert (table["score"] > 0.6).all()


def test_epochs_know_the_names_of_their_events():
    """MOABB names them by their codes; then no classifier could know the frequencies."""
    dataset = datasets.make("Simulated", paradigm="ssvep", n_trials=3)
    X, y, *_ = evaluation.load_trials("ssvep", dataset, 1, epochs=True)
    assert X.event_id == dataset.event_id
    codes = {name: code for code, name in enumerate(("9.0", "11.0", "13.0"), 1)}
    assert [codes[label] for label in y] == X.events[:, 2].tolist()


def test_networks_see_resampled_trials():
    short = catalogue.adjust("EEGNet_8_2", training={"n_epochs": 1})
    dataset = datasets.make("Simulated", n_subjects=1, n_trials=6)
    X, *_ = evaluation.load_trials("left_right", dataset, 1, resample=64)
    whole, *_ = evaluation.load_trials("left_right", dataset, 1)
    assert X.shape[-1] == pytest.approx(whole.shape[-1] / 2, abs=1)
    table = evaluation.evaluate("left_right", dataset, 1, {"EEGNet_8_2": short})
    assert table["category"].tolist() == ["deep"]
    assert table["score"].between(0, 1).all()


def test_ones_own_pipeline_joins_a_table():
    own = make_pipeline(LogVariance(), LinearDiscriminantAnalysis(solver="svd"))
    options = {"n_subjects": 2, "n_trials": 10}
    settings = {"left_right": {"datasets": {"Sim": {"name": "Simulated", "options": options}}}}
    table = pd.concat(
        [
            evaluation.evaluate(
                "left_right", "Simulated", subject, ["LogVariance+LDA"],
                label="Sim", options=options,
            )
            for subject in (1, 2)
        ],
        ignore_index=True,
    )  # fmt: skip
    joined = evaluation.add_own(table[evaluation.SCORES], {"Mine": own}, settings=settings)
    assert list(joined) == evaluation.SCORES
    mine = joined[joined["pipeline"] == "Mine"].reset_index(drop=True)
    assert (mine["category"] == "own").all()
    # It is the catalogue's pipeline under another name.
    np.testing.assert_array_equal(mine["score"], table["score"])
    wrapped = {"Bank": {"estimator": Flat(), "data": {"bank": True}}}
    banked = evaluation.add_own(table, wrapped, settings=settings)
    assert len(banked) == len(table) + 2
    with pytest.raises(ValueError, match=r"a pipeline 'LogVariance\+LDA' already"):
        evaluation.add_own(table, {"LogVariance+LDA": own})
    with pytest.raises(ValueError, match="lacks the columns metric"):
        evaluation.add_own(table.drop(columns="metric"), {"Mine": own})


def test_percentages_and_repeated_rows_are_no_table_to_join():
    row = ["left_right", "Sim", 1, "0", "MDM", "riemannian", 0.8, "roc_auc", 2, "x."]
    table = pd.DataFrame([row], columns=evaluation.SCORES)
    for score in (80.0, -0.1, np.nan):
        with pytest.raises(ValueError, match=rf"between 0 and 1, got {score} of pipeline 'MDM'"):
            evaluation.add_own(table.assign(score=score), {"Mine": Flat()})
    with pytest.raises(ValueError, match="has left_right, Sim, 1, 0, MDM twice"):
        evaluation.add_own(pd.concat([table, table]), {"Mine": Flat()})
    with pytest.raises(
        ValueError, match=r"Mine is a pipeline of p300, not of left_right; those of"
    ):
        evaluation.add_own(table, {"Mine": catalogue.entry("XDAWN+LDA")})


class Flat(LinearDiscriminantAnalysis):
    """Of the variance in each channel and band: fails on anything but a bank."""

    def fit(self, X, y):
        assert X.ndim == 4
        return super().fit(X.var(axis=2).reshape(len(X), -1), y)

    def decision_function(self, X):
        return super().decision_function(X.var(axis=2).reshape(len(X), -1))


def test_emissions_are_in_grams_and_shared_out_by_time(monkeypatch):
    started, ticks = [], itertools.count()

    class Tracker:
        """500 g each time."""

        def __init__(self, **options):
            assert options["save_to_file"] is False

        def start(self):
            started.append(self)

        def stop(self):
            return 0.5

    module = types.ModuleType("codecarbon")
    module.EmissionsTracker = Tracker
    monkeypatch.setitem(sys.modules, "codecarbon", module)
    # A second passes whenever the clock is read: of the first step twice, of ten folds twice each.
    clock = types.SimpleNamespace(
        perf_counter=lambda: float(next(ticks)), process_time=time.process_time
    )
    monkeypatch.setattr(evaluation, "time", clock)
    table = evaluation.evaluate("left_right", fake(), 1, ["LogVariance+LDA", "MDM"])
    np.testing.assert_allclose(table["grams_co2"], 500 / (2 + 20 + 1) * table["seconds"])
    assert (table["seconds"] > 1).all()  # a fold's own, and its share of the first step
    assert len(started) == 2  # once a pipeline
    # Where codecarbon knows nothing, there is no value.
    monkeypatch.setattr(Tracker, "stop", lambda self: None)
    table = evaluation.evaluate("left_right", fake(), 1, ["LogVariance+LDA"])
    assert table["grams_co2"].isna().all()
    monkeypatch.setattr(Tracker, "stop", lambda self: 0.5)
    # What is too short for codecarbon has no value, rather than a wrong one.
    monkeypatch.setattr(evaluation, "_SHORTEST", 1e9)
    table = evaluation.evaluate("left_right", fake(), 1, ["LogVariance+LDA"])
    assert table["grams_co2"].isna().all()
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    table = evaluation.evaluate("left_right", fake(n_sessions=1), 1, ["LogVariance+LDA"])
    assert table["grams_co2"].isna().all()


BROKEN = {
    **catalogue.entry("LogVariance+LDA"),
    "steps": [
        {"sklearn.preprocessing.StandardScaler": {}},  # of two dimensions only
        {"sklearn.discriminant_analysis.LinearDiscriminantAnalysis": {}},
    ],
}


# One wrong digit: the spatial filters would learn from the trials and labels of the test.
LEAKING = {**catalogue.entry("CSP+LDA"), "stateless": 2}


class Failing(LinearDiscriminantAnalysis):
    def fit(self, X, y):
        raise MemoryError("too much")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: evaluation.evaluate("left_right", fake(), 9, ["MDM"]), ValueError, "no subject 9"),
        (lambda: evaluation.evaluate("left_right", fake(), 1, []), ValueError, "there is no pipel"),
        (
            lambda: evaluation.evaluate("left_right", fake(), 1, ["MDN"]),
            ValueError,
            "no pipeline 'MDN'. Did you mean 'MDM'",
        ),
        (
            lambda: evaluation.evaluate("left_right", fake(), 1, ["XDAWN+LDA"]),
            ValueError,
            r"XDAWN\+LDA is a pipeline of p300, not of left_right; .* are .*MDM",
        ),
        (
            lambda: evaluation.evaluate("left_right", fake(), 1, ["MDM"], n_folds=1),
            ValueError,
            "n_folds must be at least 2, got 1",
        ),
        (
            lambda: evaluation.evaluate("left_right", fake(), 1, {"Mine": LEAKING}),
            ValueError,
            r"CSP\(.*is counted among the stateless steps.*Lower stateless",
        ),
        (
            lambda: evaluation.evaluate("left_right", fake(n_events=8), 1, ["MDM"], label="F"),
            ValueError,
            "F, subject 1, session 0: class 'left_hand' has 4 trials, too few for 5 folds",
        ),
        (
            lambda: evaluation.evaluate("left_right", fake(), 1, {"Mine": Failing()}, label="F"),
            RuntimeError,
            "Mine on F, subject 1, session [01], fold 0: MemoryError: too much",
        ),
        (
            lambda: evaluation.evaluate("left_right", fake(), 1, {"Mine": BROKEN}, label="F"),
            RuntimeError,
            "Mine on F, subject 1: ValueError: Found array with dim 3",
        ),
    ],
)
def test_errors_say_where_it_was(call, error, message):
    with pytest.raises(error, match=message):
        call()
