"""The catalogue of methods: what it holds, what it builds, and what it says of unknown names."""

import dataclasses

import numpy as np
import pytest
import skada
from skada.base import BaseSelector
from skada.transformers import StratifiedDomainSubsampler
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterGrid
from sklearn.svm import SVC

from common.adaptation import summary
from common.adaptation.accelerated import FastDASVMClassifier
from common.adaptation.composition import AdaptedClassifier
from common.adaptation.methods import FAMILIES, METHODS, Method, classifier, method

WIDE = [1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000]
DIMENSIONS = [1, 2, 5, 10, 20, 50, 100]
METRICS = ["sqeuclidean", "cosine", "cityblock"]

# What the paper's benchmark searches. What has one value is left out, and tested below.
SEARCHED = {
    "train-src": {},
    "train-tgt": {},
    "dens-rw": {"weight_estimator__bandwidth": [0.01, 0.1, 1, 10, 100, "scott", "silverman"]},
    "disc-rw": {"domain_classifier": ["lr", "svc", "knn", "xgb"]},
    "gauss-rw": {},
    "kliep": {"gamma": [*WIDE, "auto", "scale"]},
    "kmm": {"gamma": [*WIDE, None]},
    "nn-rw": {"laplace_smoothing": [True, False]},
    "mmd-tars": {"gamma": [*WIDE, None]},
    "coral": {"assume_centered": [False, True]},
    "map-ot": {"metric": METRICS},
    "ent-ot": {"metric": METRICS, "reg_e": [0.1, 0.5, 1]},
    "class-reg-ot": {"reg_e": [0.1, 0.5, 1], "reg_cl": [0.1, 0.5, 1]},
    "lin-ot": {"reg": [1e-8, 1e-6, 0.1, 1, 10], "bias": [True, False]},
    "mmd-ls": {"gamma": [0.01, 0.1, 1, 10, 100]},
    "jpca": {"n_components": DIMENSIONS},
    "sa": {"n_components": DIMENSIONS},
    "tca": {"n_components": DIMENSIONS, "mu": [10, 100]},
    "tsl": {"n_components": DIMENSIONS, "mu": [0.1, 1, 10]},
    "ot-label-prop": {"metric": METRICS, "reg": [None, 0.1, 1]},
    "jdot": {"alpha": [0.1, 0.3, 0.5, 0.7, 0.9]},
    "dasvm": {},
}
FIXED = {
    "gauss-rw": {"reg": "auto"},
    "kliep": {"n_centers": 100},
    "kmm": {"B": 1000},
    "nn-rw": {"n_neighbors": 1},
    "mmd-tars": {"reg": 1e-6},
    "coral": {"reg": "auto"},
    "map-ot": {"norm": "median", "max_iter": 1_000_000},
    "ent-ot": {"norm": "median"},
    "class-reg-ot": {"norm": "lpl1", "max_iter": 10, "max_inner_iter": 1000},
    "mmd-ls": {"max_iter": 20, "tol": 1e-5},
    "tca": {"kernel": "rbf"},
    "tsl": {"base_method": "flda", "reg": 1e-4, "max_iter": 300},
    "jdot": {"n_iter_max": 100, "metric": "hinge"},
    "dasvm": {"max_iter": 200},
}


def test_two_references_and_twenty_methods():
    families = [m.family for m in METHODS.values()]
    assert list(METHODS) == list(SEARCHED)
    assert all(name == m.name for name, m in METHODS.items())
    assert len({m.label for m in METHODS.values()}) == 22
    assert set(families) <= set(FAMILIES)
    assert {family: families.count(family) for family in families} == {
        "reference": 2, "reweighting": 7, "mapping": 6, "subspace": 4, "other": 3,
    }  # fmt: skip
    # 144 points to search, and a reference has one each.
    assert sum(len(m.points) for m in METHODS.values()) == 146


@pytest.mark.parametrize("name", METHODS)
def test_grid_is_that_of_the_paper(name):
    wanted, points = SEARCHED[name], METHODS[name].points
    found = [{key: point[key] for key in wanted} for point in points]
    assert len(points) == len(found) == len(ParameterGrid(wanted))
    assert all(point in found for point in ParameterGrid(wanted))
    for point in points:
        assert FIXED.get(name, {}).items() <= point.items()


def test_iterations_of_label_propagation_depend_on_the_solver():
    for point in METHODS["ot-label-prop"].points:
        assert point["n_iter_max"] == (10_000 if point["reg"] is None else 100)


def test_what_is_particular_to_a_method():
    def having(attribute):
        return {name for name, m in METHODS.items() if getattr(m, attribute)}

    assert having("subsample") == {"tca", "tsl", "jdot", "dasvm"}
    assert {METHODS[name].subsample for name in having("subsample")} == {1000}
    assert having("binary") == {"dasvm"}
    assert having("needs_svc") == having("estimator") == {"jdot", "dasvm"}
    assert having("sees_target") == {"train-tgt"}


def test_labels_are_those_of_the_published_tables():
    assert {m.label: name for name, m in METHODS.items()}.items() <= (
        summary.PUBLISHED_METHODS.items()
    )


def test_points_are_new_each_time():
    points = METHODS["sa"].points
    points[0]["n_components"] = 7
    assert METHODS["sa"].points[0]["n_components"] == 1


def test_canonical_values_are_what_acts():
    tsl, sa = METHODS["tsl"], METHODS["sa"]
    point = {"n_components": 50, "mu": 0.1}
    assert tsl.canonical(point, 3) == {"n_components": 3, "mu": 0.1}
    assert tsl.canonical(point, 100) == point == {"n_components": 50, "mu": 0.1}
    # Others fail with more components than features, as in the benchmark.
    assert sa.canonical({"n_components": 50}, 3) == {"n_components": 50}


def parts(name, base):
    m = METHODS[name]
    return [(point, m.build(base, **point)) for point in m.points]


@pytest.mark.parametrize("name", METHODS)
def test_builds_what_skada_gets_with_the_values_of_each_point(name):
    base, m = classifier("svc", C=3), METHODS[name]
    for point, built in parts(name, base):
        assert isinstance(built, AdaptedClassifier)
        pipeline = m.pipeline(base, **point)
        steps = [step for _, step in pipeline.steps]
        theirs = [s.base_estimator if isinstance(s, BaseSelector) else s for s in steps]
        kinds = [type(step) for step in (*built.adapters, built.classifier)]
        assert kinds == [type(step) for step in theirs]
        inner = built.classifier.base_estimator if m.estimator else built.classifier
        assert isinstance(inner, SVC) and inner.C == 3 and inner is not base
        receiver = built.classifier if m.estimator else (None, *built.adapters)[-1]
        for key, value in point.items():
            if key != "domain_classifier" and "__" not in key:
                assert getattr(receiver, key) == value, key


def test_values_that_are_made_into_objects():
    densities = [b.adapters[0].weight_estimator.bandwidth for _, b in parts("dens-rw", SVC())]
    assert densities == SEARCHED["dens-rw"]["weight_estimator__bandwidth"]
    kinds = [type(b.adapters[0].domain_classifier).__name__ for _, b in parts("disc-rw", SVC())]
    assert kinds == ["LogisticRegression", "SVC", "KNeighborsClassifier", "XGBClassifier"]
    assert (
        METHODS["disc-rw"]
        .build(SVC(), domain_classifier="svc")
        .adapters[0]
        .domain_classifier.probability
    )


def test_slow_methods_train_on_a_sample():
    built = METHODS["tca"].build(SVC(), **METHODS["tca"].points[0])
    assert isinstance(built.adapters[0], StratifiedDomainSubsampler)
    assert built.adapters[0].train_size == 1000
    built = METHODS["dasvm"].build(SVC(), **METHODS["dasvm"].points[0])
    assert len(built.adapters) == 1 and isinstance(built.classifier, FastDASVMClassifier)


def test_the_catalogue_can_be_added_to(monkeypatch):
    mine = Method("mine", "Mine", "subspace", PCA, {"n_components": [1, 2]})
    monkeypatch.setitem(METHODS, "mine", mine)
    assert method("mine") is mine and len(mine.points) == 2
    assert isinstance(mine.build(SVC(), **mine.points[1]).adapters[0], PCA)
    assert mine.build(SVC(), **mine.points[1]).adapters[0].n_components == 2


def test_classifiers_repeat_and_keep_their_parameters():
    assert isinstance(classifier("lr", C=2.0), LogisticRegression)
    assert classifier("lr", C=2.0).C == 2.0
    X = np.random.default_rng(0).standard_normal((40, 2))
    y = (X[:, 0] + 0.5 * X[:, 1] > 0).astype(int)
    for name in ("svc", "xgb"):
        one, other = (clone(classifier(name)).fit(X, y).predict_proba(X) for _ in range(2))
        np.testing.assert_array_equal(one, other)
        assert one.shape == (40, 2)


def test_jdot_is_skadas_with_the_hinge_loss():
    built = METHODS["jdot"].build(classifier("svc"), **METHODS["jdot"].points[2])
    assert isinstance(built.classifier, skada.JDOTClassifier)
    assert (built.classifier.alpha, built.classifier.metric) == (0.5, "hinge")


def test_unknown_names_hint_at_the_nearest():
    assert method("lin-ot") is METHODS["lin-ot"]
    with pytest.raises(ValueError, match=r"adaptation method .* 'linot'\. Did you mean 'lin-ot'"):
        method("linot")
    with pytest.raises(ValueError, match=r"method must be one of train-src, .* got 'q'\."):
        method("q")
    with pytest.raises(
        ValueError, match="no classifier 'forest': take 'lr', 'svc', 'knn' or 'xgb'"
    ):
        classifier("forest")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adapter": "skada.CORAL2Adapter"}, "'mine' names the class 'skada.CORAL2Adapter', which"),
        ({"adapter": "numpy.array"}, r"'numpy.array', which does not exist; write skada\.…"),
        ({"estimator": "accelerated.Slow"}, "'accelerated.Slow', which does not exist"),
        ({"subsampel": 3}, "'mine' has an unknown key 'subsampel'. Did you mean 'subsample'"),
        ({"q": 3}, r"unknown key 'q'. Known are .*'adapter', 'binary'"),
    ],
)
def test_a_wrong_entry_is_named(change, message):
    entry = {"label": "Mine", "family": "mapping", "adapter": "skada.CORALAdapter"}
    assert Method.of("mine", entry).adapter().reg == "auto"
    kept = dict(entry)
    with pytest.raises(ValueError, match=message):
        Method.of("mine", entry | change)
    assert entry == kept


def test_an_entry_of_the_catalogue_becomes_a_method():
    entry = {
        "label": "Mine",
        "family": "subspace",
        "adapter": "sklearn.PCA",
        "grid": [{"n_components": [1, 5]}, {"n_components": [9], "whiten": [True]}],
        "at_most_n_features": ["n_components"],
    }
    mine = Method.of("mine", entry)
    assert (mine.name, mine.label, mine.family) == ("mine", "Mine", "subspace")
    last = mine.points[-1]
    assert last == {"n_components": 9, "whiten": True} and len(mine.points) == 3
    assert mine.canonical(last, 4) == {"n_components": 4, "whiten": True}
    built = mine.build(SVC(), **last).adapters[0]
    assert isinstance(built, PCA) and built.whiten and built.n_components == 9


def test_thinned_keeps_the_ends_of_the_grid():
    for name, m in METHODS.items():
        for n_points in (2, 3, 5):
            thin = m.thinned(n_points)
            kept = [m.points.index(point) for point in thin.points]
            assert len(kept) == min(n_points, len(m.points)) and kept == sorted(set(kept)), name
            assert {kept[0], kept[-1]} == {0, len(m.points) - 1}
            assert dataclasses.replace(thin, grid=m.grid) == m
    assert METHODS["sa"].thinned(None) is METHODS["sa"] is METHODS["sa"].thinned(7)
    assert METHODS["sa"].thinned(1).points == METHODS["sa"].points[:1]
    with pytest.raises(ValueError, match="n_points must be at least 1, got 0"):
        METHODS["sa"].thinned(0)
