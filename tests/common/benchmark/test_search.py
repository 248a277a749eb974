"""The shared grid search against scikit-learn's, point by point."""

import numpy as np
import pytest
from moabb.pipelines.features import AugmentedDataset
from pyriemann.estimation import Covariances
from pyriemann.spatialfilters import CSP
from pyriemann.tangentspace import TangentSpace
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from common.benchmark.search import SharedGridSearch, check_stateless

INNER = StratifiedKFold(3, shuffle=True, random_state=42)


def trials(n=18, n_channels=3, n_times=60, seed=0, effect=0.5):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.standard_normal((n, n_channels, n_times))
    X[:, 0] *= 1 + effect * y[:, None]
    X[:, :, 1:] += 0.5 * X[:, :, :-1]
    return X, y


class Counting(TransformerMixin, BaseEstimator):
    """Passes trials on, and counts how often it is fitted."""

    fits = 0

    def __init__(self, scale=1.0):
        self.scale = scale

    def fit(self, X, y=None):
        type(self).fits += 1
        return self

    def transform(self, X):
        return self.scale * X


SVM = {"svc__C": [0.5, 1.5], "svc__kernel": ["rbf", "linear"]}
CASES = {
    "tangent space": (
        make_pipeline(Covariances("oas"), TangentSpace(), SVC()), SVM, 1,
    ),
    "filters": (
        make_pipeline(Covariances("oas"), CSP(nfilter=2), SVC()), {"csp__nfilter": [1, 2, 3]} | SVM,
        1,
    ),
    "augmented": (
        make_pipeline(AugmentedDataset(), Covariances("cov"), TangentSpace(), SVC()),
        {"augmenteddataset__order": [1, 2], "augmenteddataset__lag": [1, 4]} | SVM,
        2,
    ),
    "no grid on the last step": (
        make_pipeline(Covariances("oas"), TangentSpace(), LogisticRegression()),
        {"covariances__estimator": ["scm", "oas", "lwf"]},
        1,
    ),
    "nothing stateless": (make_pipeline(Covariances("oas"), TangentSpace(), SVC()), SVM, 0),
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "scoring"), [*((case, "roc_auc") for case in CASES), ("tangent space", "accuracy")]
)
def test_every_score_and_the_choice_are_those_of_grid_search(case, scoring):
    pipeline, grid, stateless = CASES[case]
    X, y = trials()
    plain = GridSearchCV(pipeline, grid, cv=INNER, scoring=scoring).fit(X, y)
    ours = SharedGridSearch(pipeline, grid, cv=INNER, scoring=scoring, stateless=stateless)
    ours.fit(X, y)
    assert ours.cv_results_["params"] == plain.cv_results_["params"]
    for fold in range(3):
        key = f"split{fold}_test_score"
        np.testing.assert_array_equal(ours.cv_results_[key], plain.cv_results_[key])
    assert ours.best_params_ == plain.best_params_
    assert ours.best_score_ == plain.best_score_
    X_new, _ = trials(seed=1)
    np.testing.assert_array_equal(ours.predict(X_new), plain.predict(X_new))
    np.testing.assert_array_equal(ours.decision_function(X_new), plain.decision_function(X_new))


def test_points_of_order_one_at_any_lag_change_nothing():
    """The paper's grid, small: order 1 at every lag. Without repetitions the choice is equal."""
    pipeline, grid, stateless = CASES["augmented"]
    X, y = trials(effect=0.2)
    full = GridSearchCV(pipeline, grid, cv=INNER, scoring="roc_auc").fit(X, y)
    order, lag = "augmenteddataset__order", "augmenteddataset__lag"
    parts = [{**grid, order: [1], lag: [1]}, {**grid, order: [2]}]
    ours = SharedGridSearch(pipeline, parts, cv=INNER, scoring="roc_auc", stateless=stateless)
    ours.fit(X, y)
    assert len(ours.cv_results_["params"]) == len(full.cv_results_["params"]) - 4
    assert ours.best_score_ == full.best_score_
    X_new, y_new = trials(seed=1)
    assert ours.score(X_new, y_new) == full.score(X_new, y_new)


@pytest.mark.parametrize(("stateless", "expected"), [(0, 2 * 3 + 1), (1, 2 * 2 + 1)])
def test_a_step_is_fitted_once_a_setting_and_fold(stateless, expected):
    """Two scales times four points of the last step: 8 points in 3 folds would be 24 fits."""
    pipeline = make_pipeline(Counting(), Covariances("oas"), TangentSpace(), SVC())
    X, y = trials()
    Counting.fits = 0
    SharedGridSearch(
        pipeline, {"counting__scale": [1.0, 2.0]} | SVM, cv=INNER, stateless=stateless
    ).fit(X, y)
    # And once for the best point on all trials; a stateless step once more, on few, to be checked.
    assert Counting.fits == expected


def test_points_that_fail_are_not_chosen():
    """Order 3 and lag 30 need 90 samples of 60: covariances of nothing."""
    pipeline, _, stateless = CASES["augmented"]
    grid = {"augmenteddataset__order": [1, 3], "augmenteddataset__lag": [30], "svc__C": [1]}
    X, y = trials()
    ours = SharedGridSearch(pipeline, grid, cv=INNER, stateless=stateless).fit(X, y)
    assert np.isnan(ours.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert ours.best_params_["augmenteddataset__order"] == 1
    with pytest.raises(ValueError, match="none of 1 points could be fitted"):
        grid = {"augmenteddataset__order": [3], "augmenteddataset__lag": [30]}
        SharedGridSearch(pipeline, grid, cv=INNER, stateless=stateless).fit(X, y)


def test_arguments_are_checked():
    pipeline, grid, _ = CASES["tangent space"]
    X, y = trials()
    with pytest.raises(ValueError, match=r"stateless must be from 0 to 2, .*, got 3"):
        SharedGridSearch(pipeline, grid, stateless=3).fit(X, y)
    with pytest.raises(ValueError, match="'svm__C' is no parameter of the steps covariances, tan"):
        SharedGridSearch(pipeline, {"svm__C": [1]}).fit(X, y)


@pytest.mark.parametrize("learns", [CSP(nfilter=2), TangentSpace()], ids=repr)
def test_a_step_that_learns_is_not_stateless(learns):
    """One wrong digit would show the labels of the test to the first steps."""
    X, y = trials()
    pipeline = make_pipeline(Covariances("oas"), learns, SVC())
    with pytest.raises(
        ValueError, match=rf"{type(learns).__name__}\(.*learns from trials.*Lower s"
    ):
        SharedGridSearch(pipeline, SVM, cv=INNER, stateless=2).fit(X, y)


def test_steps_that_treat_each_trial_by_itself_are_stateless():
    X, y = trials()
    for step in (Covariances("oas"), AugmentedDataset(order=2, lag=3), Counting(2.0)):
        for few in (slice(None), slice(3), slice(1)):
            transformed = clone(step).fit_transform(X[few], y[few])
            check_stateless(step, X[few], y[few], transformed)


class Rounding(Counting):
    """Leaves a trace that depends on how many trials there are, as other arithmetic would."""

    def transform(self, X):
        return X * (np.arange(X.shape[-1]) > 0) + self.scale * len(X)


@pytest.mark.parametrize("sign", [1, -1])
def test_roundings_are_judged_by_the_largest_number_and_what_is_more_is_refused(sign):
    X, y = trials()  # numbers of order one; the first sample becomes zero but for the trace
    X = sign * abs(X)
    check_stateless(Rounding(1e-12), X, y, Rounding(1e-12).transform(X))
    step = Rounding(1e-6)
    with pytest.raises(ValueError, match="counted among the stateless steps, but"):
        check_stateless(step, X, y, step.transform(X))


class Starved(Counting):
    """Meets an error of the machine where it fits."""

    def fit(self, X, y=None):
        raise MemoryError("Unable to allocate 30 GiB")


@pytest.mark.parametrize("stateless", [0, 1])
def test_an_error_of_the_machine_ends_the_search(stateless):
    X, y = trials()
    pipeline = make_pipeline(Starved(), Covariances("oas"), TangentSpace(), SVC())
    search = SharedGridSearch(pipeline, SVM, cv=INNER, stateless=stateless)
    with pytest.raises(MemoryError, match="30 GiB"):
        search.fit(X, y)


def test_an_estimator_that_is_no_pipeline_is_refused():
    X, y = trials()
    search = SharedGridSearch(LogisticRegression(), {"C": [1.0]}, cv=INNER)
    with pytest.raises(TypeError, match=r"must be a pipeline, got LogisticRegression\(\)"):
        search.fit(X[:, :, 0], y)
