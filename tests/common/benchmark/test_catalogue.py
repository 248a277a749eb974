"""The catalogue against the paper's tables, and the estimators made from it."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import ParameterGrid

from common import files
from common.benchmark import catalogue

PUBLISHED = "papers/moabb/published/within_session_long.csv"


def test_thirty_pipelines_in_three_categories():
    categories = [one["category"] for one in catalogue.load().values()]
    assert [categories.count(one) for one in catalogue.CATEGORIES] == [11, 13, 6]


@pytest.mark.skipif(not files.resolve(PUBLISHED).is_file(), reason="no published tables")
def test_pipelines_are_those_of_the_published_tables():
    cells = files.read_csv(PUBLISHED)
    published = set(cells[["table", "pipeline", "category"]].itertuples(index=False, name=None))
    ours = {
        (catalogue.PARADIGMS[paradigm], name, one["category"])
        for name, one in catalogue.load().items()
        for paradigm in one["paradigms"]
    }
    assert ours == published


def test_plans_need_neither_moabb_nor_braindecode():
    code = (
        "import sys\n"
        "from common.benchmark import catalogue, datasets, plan, published\n"
        "catalogue.load(), datasets.paper_sets()\n"
        "plan.pieces({'p300': {'datasets': {'A': {'subjects': 2}}, 'pipelines': 'all'}})\n"
        "print(sorted({'moabb', 'braindecode', 'mne', 'torch', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=files.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_quick_pipelines_share_a_group_and_each_of_the_others_has_its_own():
    groups = catalogue.groups(catalogue.names("left_right"))
    assert set(groups.pop("quick")) == {
        "LogVariance+LDA", "CSP+LDA", "DLCSPauto+shLDA", "TRCSP+LDA", "MDM", "FgMDM", "TS+LR",
        "LogVariance+SVM", "CSP+SVM", "TS+SVM", "TS+EL",
    }  # fmt: skip
    assert all(len(members) == 1 for members in groups.values())
    assert groups["acm"] == ["ACM+TS+SVM"]
    assert len(groups) == 8  # two slow searches, six networks


def test_groups_and_categories_agree_with_what_is_in_an_entry():
    for name, one in catalogue.load().items():
        slow = one["category"] == "deep" or name in ("ACM+TS+SVM", "FilterBank+SVM")
        assert (one["group"] == "quick") == (not slow), name
        assert ("resample" in one.get("data", {})) == (one["category"] == "deep"), name


@pytest.mark.parametrize("name", catalogue.load())
def test_every_pipeline_is_made_and_its_grid_fits_its_steps(name):
    made = catalogue.build(name)
    entry = catalogue.entry(name)
    if "grid" in entry:
        assert made.cv.n_splits == 3
        assert made.cv.random_state == 42
        known = made.estimator.get_params()
        assert {key for point in ParameterGrid(made.param_grid) for key in point} <= set(known)
        made = made.estimator
    assert len(made.steps) == len(entry["steps"])


def test_arguments_of_steps_arrive():
    csp = catalogue.build("CSP+LDA")
    assert csp.get_params()["covariances__estimator"] == "oas"
    assert csp.get_params()["csp__nfilter"] == 6
    bank = catalogue.build("FilterBank+SVM")
    inner = bank.get_params()["filterbank__estimator"]
    assert [name for name, _ in inner.steps] == ["covariances", "csp"]
    assert inner.get_params()["csp__nfilter"] == 4
    values = bank.get_params()["gridsearchcv__param_grid"]["C"]
    # Powers are a few units in the last place off, by the processor.
    np.testing.assert_allclose(values, np.logspace(-2, 2, 10), rtol=1e-14)


def test_elastic_net_is_one():
    made = catalogue.build("TS+EL")
    for point in ParameterGrid(made.param_grid):
        regression = made.estimator.set_params(**point)[-1]
        assert 0 < regression.l1_ratio < 1
        assert regression.solver == "saga"
        assert regression.random_state == 42  # it shuffles
        assert regression.C == 1.0


def test_halves_are_cut_before_what_learns_or_is_searched():
    first, second = catalogue.halves(catalogue.entry("CSP+SVM"))
    assert [name for name, _ in catalogue.build(first).steps] == ["covariances"]
    made = catalogue.build(second)
    assert [name for name, _ in made.estimator.steps] == ["csp", "svc"]
    assert (made.stateless, made.param_grid) == (0, catalogue.entry("CSP+SVM")["grid"])
    first, second = catalogue.halves(catalogue.entry("SSVEP_MDM"))
    assert (len(first["steps"]), len(second["steps"])) == (2, 1)
    # Its first step is searched, so the two are applied inside the search.
    acm = catalogue.entry("ACM+TS+SVM")
    assert catalogue.halves(acm) == (None, acm)
    assert catalogue.halves(catalogue.entry("XDAWN+LDA"))[0] is None
    scaler = {"sklearn.preprocessing.StandardScaler": {}}
    twice = own(steps=[scaler, scaler, *own()["steps"]], stateless=2)
    assert len(catalogue.halves(twice)[0]["steps"]) == 2
    twice["grid"] = {"standardscaler-2__with_mean": [True, False]}
    assert catalogue.halves(twice) == (None, twice)


def test_grid_of_augmented_covariances_has_no_duplicates():
    """The paper's 10 x 10 x 6 points, of which those of order 1 differ in nothing but the lag."""
    points = list(ParameterGrid(catalogue.entry("ACM+TS+SVM")["grid"]))
    assert len(points) == 600 - 9 * 6
    order, lag = "augmenteddataset__order", "augmenteddataset__lag"
    assert [point[lag] for point in points if point[order] == 1] == [1] * 6
    assert {(point[order], point[lag]) for point in points if point[order] > 1} == {
        (i, j) for i in range(2, 11) for j in range(1, 11)
    }


def test_adjusting_shortens_training_and_grids_and_leaves_the_catalogue_alone():
    short = catalogue.adjust("EEGNet_8_2", training={"n_epochs": 3})
    network = catalogue.build(short)[-1]
    assert (network.n_epochs, network.network, network.patience) == (3, "EEGNet", 75)
    assert network.options == {"drop_prob": 0.5}
    assert catalogue.build("EEGNet_8_2")[-1].n_epochs == 300
    assert catalogue.adjust("MDM", training={"n_epochs": 3}) == catalogue.entry("MDM")
    assert catalogue.adjust("MDM", grid={"svc__C": [1]}) == catalogue.entry("MDM")
    grid = {"augmenteddataset__order": [1, 2], "augmenteddataset__lag": [1, 3]}
    points = list(ParameterGrid(catalogue.adjust("ACM+TS+SVM", grid=grid)["grid"]))
    found = {(p["augmenteddataset__order"], p["augmenteddataset__lag"]) for p in points}
    assert found == {(1, 1), (2, 1), (2, 3)}
    one = catalogue.adjust("TS+SVM", grid={"svc__C": [7]})
    assert one["grid"] == {"svc__C": [7], "svc__kernel": ["rbf", "linear"]}
    assert catalogue.entry("TS+SVM")["grid"]["svc__C"] == [0.5, 1, 1.5]


def own(**changes):
    entry = {
        "category": "own",
        "paradigms": ["left_right"],
        "group": "own",
        "steps": [{"sklearn.svm.SVC": {"kernel": "linear"}}],
    }
    return {**entry, **changes}


def test_an_entry_of_ones_own_is_built():
    assert catalogue.build(own())[-1].kernel == "linear"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: catalogue.entry("TS+SMV"), r"no pipeline 'TS\+SMV'. Did you mean 'TS\+SVM'\?"),
        (lambda: catalogue.build("CSPLDA"), r"Did you mean 'CSP\+LDA'"),
        (lambda: catalogue.groups(["MDN"]), "no pipeline 'MDN'. Did you mean 'MDM'"),
        (lambda: catalogue.names("leftright"), "no paradigm 'leftright'. Did you mean 'left_r"),
        (lambda: catalogue.names("x"), "no paradigm 'x'. Known are left_right, right_hand_feet"),
        (
            lambda: catalogue.build(own(steps=[{"sklearn.svm.SVM": {}}])),
            "names the class sklearn.svm.SVM, which does not exist",
        ),
        (
            lambda: catalogue.build(own(steps=[{"sklearn.svm.SVC": {"kernal": "rbf"}}])),
            "step sklearn.svm.SVC: .*kernal",
        ),
        (
            lambda: catalogue.build(own(steps=[{"common.benchmark.networks.Network": {}}])),
            "unknown step 'common.benchmark.networks.Network'. Did you mean .*NetworkClassifier",
        ),
        (lambda: catalogue.build(own(grids={})), "unknown key 'grids'. Did you mean 'grid'"),
        (lambda: catalogue.build(own(category="row")), "unknown category 'row'. Did you mean"),
        (lambda: catalogue.build(own(paradigms=["p30"])), "unknown paradigm 'p30'. Did you"),
        (lambda: catalogue.build(own(data={"epoch": True})), "unknown data 'epoch'. Did you mean"),
        (lambda: catalogue.build(own(group="TS+SVM")), "group 'TS.SVM', which names files"),
        (lambda: catalogue.build(own(stateless=1)), "1 stateless steps; its 1 steps leave 0 to 0"),
        (lambda: catalogue.build({"category": "raw"}), "lacks paradigms, group, steps"),
        (lambda: catalogue.check("MDM", "x"), "'x' must be a mapping with .*got 'MDM'"),
        (lambda: catalogue.adjust("TS+SVM", grid={"svc__c": [1]}), "no parameter 'svc__c'. Did"),
        (
            lambda: catalogue.adjust("ACM+TS+SVM", grid={"augmenteddataset__order": [11]}),
            "none of .* is in the grid",
        ),
    ],
)  # fmt: skip
def test_errors_name_the_nearest_known(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_seeded_mutual_information_picks_the_informative_features():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    X = rng.standard_normal((200, 6))
    X[:, [1, 4]] += 3 * y[:, None]
    from common.benchmark.features import Informative

    kept = Informative(k=2).fit(X, y)
    assert list(np.flatnonzero(kept.get_support())) == [1, 4]
    again = Informative(k=2).fit(X, y)
    np.testing.assert_array_equal(kept.scores_, again.scores_)
    assert Informative(k=10).fit_transform(X, y).shape == (200, 6)
    np.testing.assert_array_equal(
        Informative(k=np.uint8(2)).fit(X, y).get_support(), kept.get_support()
    )
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        Informative(k=0).fit(X, y)
    pd.testing.assert_frame_equal(
        pd.DataFrame(kept.transform(X)), pd.DataFrame(X[:, [1, 4]]), check_exact=True
    )
