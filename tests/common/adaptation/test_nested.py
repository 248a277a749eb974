"""Nested evaluation: equal to scikit-learn's search over skada pipelines, blind to targets."""

import errno
import json
import re
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from skada import metrics
from skada.model_selection import StratifiedDomainShuffleSplit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from common.adaptation import nested, scorers, selection
from common.adaptation.methods import METHODS, classifier, method
from common.adaptation.simulated import simulated_shift

SKADA = {
    "supervised": metrics.SupervisedScorer(),
    "importance-weighted": metrics.ImportanceWeightedScorer(),
    "deep-embedded-validation-skada": metrics.DeepEmbeddedValidation(random_state=0),
    "prediction-entropy": metrics.PredictionEntropyScorer(),
    "soft-neighborhood-density": metrics.SoftNeighborhoodDensity(),
    "circular-validation": metrics.CircularValidation(),
    "mix-val-both": metrics.MixValScorer(random_state=0),
    "mix-val-inter": metrics.MixValScorer(ice_type="inter", random_state=0),
    "mix-val-intra": metrics.MixValScorer(ice_type="intra", random_state=0),
}


def small(shift="covariate", n=240):
    pair = simulated_shift(shift, 0)
    kept = np.random.default_rng(0).permutation(len(pair.X))[:n]
    return pair.X[kept].astype(float), pair.y[kept], pair.sample_domain[kept]


def hidden(values):
    """With the fifth one masked."""
    return np.ma.masked_array(values, np.arange(len(values)) == 4)


def grid_search(pipeline, grid, X, y, sample_domain, labels):
    search = GridSearchCV(
        pipeline, grid, refit=False, scoring=SKADA, error_score=-np.inf,
        cv=StratifiedDomainShuffleSplit(3, test_size=0.2, random_state=0),
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore"):
        search.fit(X, y, sample_domain=sample_domain, target_labels=labels)
    return search.cv_results_


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("lin-ot", "linearotmappingadapter__"),
        ("dens-rw", "densityreweightadapter__"),
        ("sa", "subspacealignmentadapter__"),
    ],
)
def test_scores_equal_those_of_scikit_learn_and_skada(name, prefix):
    X, y, sample_domain = small(n=200)
    chosen, base = method(name).thinned(2), classifier("svc")
    masked = np.where(sample_domain < 0, -1, y)
    grid = [{prefix + key: [value] for key, value in point.items()} for point in chosen.points]
    pipeline = chosen.pipeline(base, **chosen.points[0])
    theirs = grid_search(pipeline, grid, X, masked, sample_domain, y)
    folds, failed, circular_failed, reasons, _ = nested.inner_outputs(
        chosen, base, X, y, sample_domain, n_folds=3
    )
    evaluated = nested.Evaluated(
        folds, None, None, np.vstack([failed, failed[:1] & False]), circular_failed, reasons, None
    )
    ours = selection.inner_scores(evaluated, list(SKADA))
    assert np.isfinite(ours["supervised"]).any()
    for scorer in SKADA:
        # NaN, which argmax would take for the largest, is no score here.
        found = theirs[f"mean_test_{scorer}"]
        expected = np.where(np.isnan(found), -np.inf, found)
        # Sums are ordered differently.
        np.testing.assert_allclose(ours[scorer], expected, rtol=1e-9, atol=1e-9, err_msg=scorer)
        assert np.argmax(ours[scorer]) == np.argmax(expected)


SLOW = {"class-reg-ot", "kmm"}  # some seconds a fit; the composition is that of ent-ot and kliep


@pytest.mark.parametrize("name", [name for name in METHODS if name not in SLOW])
def test_composition_predicts_as_skadas_pipeline(name):
    X, y, sample_domain = small(n=160)
    chosen, base = METHODS[name], classifier("svc")
    values = chosen.points[0]
    if name == "mmd-ls":
        values["max_iter"] = 3  # wherever it stands then, both stand there
    if chosen.sees_target:
        visible = np.where(sample_domain < 0, y, -1)
    else:
        visible = np.where(sample_domain < 0, -1, y)
    on_target = sample_domain < 0
    with warnings.catch_warnings(action="ignore"):
        ours = chosen.build(base, **values).fit(X, visible, sample_domain)
        predicted = ours.predict(X[on_target], domain=-2)
        if chosen.sees_target:  # in skada, another selector: what it amounts to is plain
            theirs = base.fit(X[on_target], y[on_target]).predict(X[on_target])
        else:
            pipeline = chosen.pipeline(base, **values)
            pipeline.fit(X, visible.copy(), sample_domain=sample_domain)
            theirs = pipeline.predict(X[on_target], sample_domain=sample_domain[on_target])
    np.testing.assert_array_equal(predicted, theirs)


@pytest.mark.parametrize("name", ["lin-ot", "mmd-tars", "jdot", "ot-label-prop", "dasvm"])
def test_labels_of_the_target_are_never_seen(name):
    X, y, sample_domain = small(n=160)
    train, test = nested.outer_splits(X, y, sample_domain)[0]
    hidden = train[sample_domain[train] < 0]
    changed = y.copy()
    changed[hidden] = np.random.default_rng(1).permutation(y[hidden])
    assert (changed != y).sum() > 20
    before, after = (
        nested.evaluate(
            method(name).thinned(2), classifier("svc"), X, labels, sample_domain,
            train=train, test=test, n_folds=2,
        )
        for labels in (y, changed)
    )  # fmt: skip
    np.testing.assert_array_equal(before.target_predictions, after.target_predictions)
    names = [name for name in scorers.SCORERS if name != scorers.ORACLE]
    one, other = (selection.inner_scores(e, list(scorers.SCORERS)) for e in (before, after))
    for scorer in names:
        np.testing.assert_array_equal(one[scorer], other[scorer], err_msg=scorer)
    assert not np.array_equal(one[scorers.ORACLE], other[scorers.ORACLE])


def test_a_failing_point_is_recorded_and_not_chosen():
    X, y, sample_domain = small(n=160)
    train, test = nested.outer_splits(X, y, sample_domain)[0]
    chosen = method("jpca")  # up to 100 components of two features
    evaluated = nested.evaluate(
        chosen, classifier("lr"), X, y, sample_domain, train=train, test=test
    )
    possible = np.array([point["n_components"] <= 2 for point in chosen.points])
    np.testing.assert_array_equal(~evaluated.failed.any(axis=0), possible)
    assert all(
        ("n_components" in r) == (not ok) for r, ok in zip(evaluated.reasons, possible, strict=True)
    )
    scores = selection.inner_scores(evaluated, list(scorers.SCORERS))
    for name, values in scores.items():
        assert np.isneginf(values[~possible]).all()
        # Within some inner split all may be predicted one class: then no pair is of two.
        assert name == "mix-val-inter" or np.isfinite(values[possible]).all()
    table = selection.select(evaluated, chosen.points, list(scorers.SCORERS))
    assert (table.n_failed == 5).all() and table.reason.str.startswith("ValueError").all()
    assert table.accuracy.notna().all()
    assert all(json.loads(point)["n_components"] <= 2 for point in table.point)


def test_a_method_that_always_fails_gives_an_empty_choice():
    X, y, sample_domain = small(n=160)
    train, test = nested.outer_splits(X, y, sample_domain)[0]
    broken = method("jpca")
    broken = type(broken)("broken", "Broken", "subspace", broken.adapter, {"n_components": [50]})
    evaluated = nested.evaluate(
        broken, classifier("lr"), X, y, sample_domain, train=train, test=test
    )
    table = selection.select(evaluated, broken.points, ["supervised", "circular-validation"])
    assert table.accuracy.isna().all() and (table.point == "").all()


def test_equal_points_are_fitted_once():
    X, y, sample_domain = small(n=160)
    train, test = nested.outer_splits(X, y, sample_domain)[0]
    chosen, begin = method("tsl"), time.process_time()
    evaluated = nested.evaluate(
        chosen, classifier("lr"), X, y, sample_domain, train=train, test=test, n_folds=1
    )
    assert 0 < evaluated.seconds.sum() <= time.process_time() - begin
    # Two features: 2 components and more are the same, for each of three values of mu.
    assert np.count_nonzero(evaluated.seconds) == 6
    at_least_two = [i for i, p in enumerate(chosen.points) if p["n_components"] >= 2]
    groups = {}
    for i in at_least_two:
        groups.setdefault(chosen.points[i]["mu"], []).append(evaluated.target_predictions[i])
    assert all(np.ptp(np.stack(same), axis=0).max() == 0 for same in groups.values())


def test_the_caller_s_labels_are_left_alone():
    X, y, sample_domain = small(n=160)
    kept = y.copy()
    train, test = nested.outer_splits(X, y, sample_domain)[0]
    nested.evaluate(
        method("ot-label-prop").thinned(2), classifier("lr"), X, y, sample_domain,
        train=train, test=test, n_folds=1,
    )  # fmt: skip
    np.testing.assert_array_equal(y, kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y, d: (X[:-1], y, d), r"got shapes \(159, 2\), \(160,\)"),
        (
            lambda X, y, d: (np.where(np.arange(160)[:, None] == 7, np.nan, X), y, d),
            r"X must be finite, got nan at index \(7, 0\) and 1 more",
        ),
        (lambda X, y, d: (X, y * 2, d), "labels must be 0, 1, … without a gap, got \\[0 2\\]"),
        (lambda X, y, d: (X, y.astype(float), d), "of type float64"),
        (lambda X, y, d: (X, y, np.abs(d)), "no sample belongs to a target"),
        (lambda X, y, d: (X, y, -np.abs(d)), "no sample belongs to a source"),
        (lambda X, y, d: (X, y, 0 * d), r"signed whole numbers other than 0, got \[0\]"),
        (lambda X, y, d: (X, y, d.astype(np.uint8)), r"got \[  1 254\] of type uint8"),
        (lambda X, y, d: (X, y, d / 1), "signed whole numbers .* of type float64"),
        (lambda X, y, d: (X, 0 * y, d), "all samples are of class 0; there is nothing to tell ap"),
        (
            lambda X, y, d: (X, np.where((d < 0) & (y == 1), 2, y), d),
            "class 2 has samples in the target only; no method could predict it",
        ),
        (lambda X, y, d: (1e200 * X, y, d), r"X has values of up to \d\.\d+e\+200: squares of"),
        (lambda X, y, d: (-1e200 * np.abs(X), y, d), r"of up to \d\.\d+e\+200: squares of"),
        (lambda X, y, d: (-1e-200 * np.abs(X), y, d), r"of up to \d\.\d+e-200: squares of"),
        (lambda X, y, d: (1e-200 * X, y, d), r"X has values of up to \d\.\d+e-200: squares of"),
        (lambda X, y, d: (np.ma.masked_equal(X, X[3, 1]), y, d), "X is a masked array with 1 mas"),
        (lambda X, y, d: (X[:0], y[:0], d[:0]), r"X is empty: its shape is \(0, 2\)"),
        (lambda X, y, d: (X[:, 0], y, d), r"X must have 2 axes, got shape \(160,\)"),
        (
            lambda X, y, d: (X, y[:, None], d),
            r"y must hold one label per sample, got shape \(160, 1\)",
        ),
        (lambda X, y, d: (X, y, d[:, None]), r"sample_domain must hold .* got shape \(160, 1\)"),
        (lambda X, y, d: (X, hidden(y), d), "y is a masked array with 1 .* the first at index 4"),
        (lambda X, y, d: (X, y, hidden(d)), "sample_domain is a masked array with 1 masked value"),
        (
            lambda X, y, d: (pd.DataFrame(X), pd.Series(y)[::-1], d),
            r"row 0 of y is called 159, that of X 0; rows are paired .* order: y\.loc\[X\.index\]",
        ),
        (
            lambda X, y, d: (X, pd.Series(y), pd.Series(d, index=range(1, 161))),
            "row 0 of sample_domain is called 1, that of y 0",
        ),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        nested.check(*change(*small(n=160)))


def test_complex_samples_are_refused():
    X, y, sample_domain = small(n=160)
    with pytest.raises(TypeError, match="X must hold numbers, got array"):
        nested.check(X + 1j, y, sample_domain)


def test_tables_whose_rows_have_one_order_are_arrays():
    X, y, sample_domain = small(n=160)
    rows = np.random.default_rng(0).permutation(160)
    tables = pd.DataFrame(X, rows), pd.Series(y, rows), pd.Series(sample_domain, rows)
    expected = nested.check(X, y, sample_domain)
    for given in (tables, (X, *tables[1:]), (tables[0], y, sample_domain.tolist())):
        for got, one in zip(nested.check(*given), expected, strict=True):
            np.testing.assert_array_equal(got, one)
    assert nested.check(X.astype(np.float32), y, sample_domain)[0].dtype == np.float64


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int8])
def test_labels_of_any_whole_type_are_masked_alike(kind):
    """In bytes without a sign, as files of MATLAB have them, the mask -1 would be a class, 255."""
    X, y, sample_domain = small(n=160)
    train, test = nested.outer_splits(X, y, sample_domain)[0]
    names = list(scorers.SCORERS)
    ours, expected = (
        selection.select(
            nested.evaluate(
                method("lin-ot").thinned(2), classifier("lr"), X, labels, sample_domain,
                train=train, test=test, n_folds=2,
            ),
            method("lin-ot").thinned(2).points,
            names,
        )
        for labels in (y.astype(kind), y)
    )  # fmt: skip
    assert ours.accuracy.notna().all()
    assert ours.equals(expected)


def test_splits_and_base_are_checked():
    X, y, sample_domain = small(n=160)
    train, test = nested.outer_splits(X, y, sample_domain)[0]

    def evaluate(base=None, **change):
        given = {"train": train, "test": test, "n_folds": 1} | change
        nested.evaluate(method("train-src"), base or classifier("lr"), X, y, sample_domain, **given)

    on_target = np.flatnonzero(sample_domain < 0)
    on_source = np.flatnonzero(sample_domain > 0)
    few = np.concatenate([on_target[:20], on_source[y[on_source] == 0]])
    for change, message in (
        ({"test": np.append(test, train[:3])}, f"share 3 samples, the first {train[:3].min()}:"),
        ({"test": np.arange(160)}, rf"share {len(train)} samples"),
        ({"test": np.append(test, 160)}, r"test has samples \d+ to 160; there are 0 to 159"),
        ({"train": np.append(train, -1)}, r"train has samples -1 to \d+"),
        ({"train": np.isin(np.arange(160), train)}, r"array of bool and shape \(160,\)"),
        ({"test": np.setdiff1d(test, on_target)}, "test has no sample of the target"),
        ({"train": np.setdiff1d(train, on_target)}, "train has no sample of the target"),
        ({"train": np.setdiff1d(train, on_source)}, "train has no sample of the source"),
        ({"train": few, "test": on_target[20:]}, "class 1 has no sample of the source in train"),
        ({"train": np.append(train, train[4])}, rf"train has sample {train[4]} 2 times, one of 1"),
        (
            {"test": np.append(test, test)},
            rf"test has sample {test.min()} 2 times, one of {len(test)}",
        ),
        ({"train": hidden(train)}, "train is a masked array with 1 masked values"),
        ({"n_folds": 0}, "n_folds must be at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(**change)
    with pytest.raises(TypeError, match=r"n_folds must be a whole number, got 2.0"):
        evaluate(n_folds=2.0)
    with pytest.raises(TypeError, match=r"SVC\(\) has no predict_proba, which the scorers need"):
        evaluate(base=SVC())
    for n_splits in (0, -1):
        with pytest.raises(ValueError, match=f"n_splits must be at least 1, got {n_splits}"):
            nested.outer_splits(X, y, sample_domain, n_splits=n_splits)


def test_three_classes_for_a_method_that_knows_two():
    X, y, sample_domain = small(n=160)
    y = np.arange(len(y)) % 3
    with pytest.raises(ValueError, match="DASVM knows two classes, the labels have 3"):
        nested.check(X, y, sample_domain, method=method("dasvm"))


class Broken(LogisticRegression):
    """Fails with an error of the machine, in one of the three places that fit or predict."""

    error: BaseException

    def fit(self, X, y, sample_weight=None):
        raise type(self).error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 30 GiB"),
        OSError(errno.ENOSPC, "No space left on device"),
        ImportError("libgomp.so.1: cannot open shared object file"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
    ids=repr,
)
def test_an_error_of_the_machine_ends_the_evaluation(error, monkeypatch):
    X, y, sample_domain = small(n=60)
    monkeypatch.setattr(Broken, "error", error, raising=False)
    chosen = method("train-src")
    with pytest.raises(type(error), match=re.escape(str(error))):
        nested.inner_outputs(chosen, Broken(), X, y, sample_domain, n_folds=1)
    (train, test), *_ = nested.outer_splits(X, y, sample_domain, n_splits=1)
    # With no inner split, the first fit is that on the whole outer training part.
    nothing = [], np.zeros((0, 1)), np.zeros((0, 1)), [""], np.zeros(1)
    monkeypatch.setattr(nested, "inner_outputs", lambda *args, n_folds: nothing)
    with pytest.raises(type(error), match=re.escape(str(error))):
        nested.evaluate(chosen, Broken(), X, y, sample_domain, train=train, test=test)


def test_an_error_of_the_machine_on_the_way_back_ends_the_evaluation(monkeypatch):
    X, y, sample_domain = small(n=60)
    monkeypatch.setattr(
        nested._HeldOut, "go_back", lambda *args: (_ for _ in ()).throw(MemoryError("no memory"))
    )
    with pytest.raises(MemoryError, match="no memory"):
        nested.inner_outputs(
            method("train-src"), LogisticRegression(), X, y, sample_domain, n_folds=1
        )
