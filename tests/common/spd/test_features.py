"""Features and estimators: limits, scikit-learn's contract, pipelines with pyriemann."""

import pickle

import numpy as np
import pytest
from pyriemann.estimation import Covariances
from scipy.spatial.distance import pdist, squareform
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from common.spd import kernel_matrix, squared_distances
from common.spd.features import (
    EachDistribution,
    SlicedWassersteinClassifier,
    SlicedWassersteinFeatures,
    SlicedWassersteinRegressor,
)


def distributions(*sizes, d=3, seed=0, step=0.3):
    rng = np.random.default_rng(seed)
    sets = []
    for k, n in enumerate(sizes):
        G = rng.standard_normal((n, d, 2 * d)) * np.geomspace(1, 1 + step * k, d)[:, None]
        sets.append(G @ G.transpose(0, 2, 1))
    return sets


def cohort(n_subjects, *, seed=0, n_epochs=(20, 30)):
    """Epochs of subjects whose first channel is louder, and more variable, with age in years."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(20, 80, n_subjects)
    epochs = []
    for years in age:
        X = rng.standard_normal((rng.integers(*n_epochs), 3, 64))
        X[:, 0] *= np.exp((years - 50) / 60 * (1 + 0.2 * rng.standard_normal((len(X), 1))))
        epochs.append(X)
    return epochs, age


MODELS = [
    SlicedWassersteinFeatures(n_projections=10, random_state=0),
    SlicedWassersteinRegressor(n_projections=10, random_state=0),
    SlicedWassersteinClassifier(n_projections=10, random_state=0),
]
ALL = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)


def apply(model, X):
    return model.transform(X) if hasattr(model, "transform") else model.predict(X)


# Features


@pytest.mark.parametrize("distance", ["spdsw", "logsw", "sw", "hspdsw"])
def test_as_many_levels_as_matrices_are_exact(distance):
    X = distributions(15, 15, 15, 15)
    features = SlicedWassersteinFeatures(
        distance=distance, n_projections=30, n_quantiles=15, random_state=0
    ).fit_transform(X)
    expected = squared_distances(
        X, rng=np.random.default_rng(0), n_projections=30, distance=distance
    )
    np.testing.assert_allclose(squareform(pdist(features, "sqeuclidean")), expected, rtol=1e-10)


def test_sizes_that_divide_the_levels_are_exact():
    X = distributions(6, 10, 15, 30, 1)
    features = SlicedWassersteinFeatures(n_projections=20, n_quantiles=30, random_state=0)
    expected = squared_distances(X, rng=np.random.default_rng(0), n_projections=20)
    got = squareform(pdist(features.fit_transform(X), "sqeuclidean"))
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-13)


def test_levels_approach_the_distance():
    X = distributions(1000, 1000, 1000)
    expected = squareform(squared_distances(X, rng=np.random.default_rng(0), n_projections=50))

    def errors(quantiles, n_quantiles):
        features = SlicedWassersteinFeatures(
            n_projections=50, n_quantiles=n_quantiles, quantiles=quantiles, random_state=0
        )
        return pdist(features.fit_transform(X), "sqeuclidean") / expected - 1

    for n_quantiles in (5, 20, 100, 300):
        midpoint, linspace = errors("midpoint", n_quantiles), errors("linspace", n_quantiles)
        # Levels from 0 to 1 count the extremes of the samples too much; midpoints hardly miss them.
        assert (linspace > 2 * abs(midpoint)).all()
        assert (abs(midpoint) < 0.05).all()
    assert (abs(midpoint) < 0.02).all() and (linspace < 0.1).all()
    assert (errors("linspace", 20) > errors("linspace", 100)).all()


def test_levels_are_the_left_inverse_of_the_distribution_function():
    # F^-1(t) = inf {q : F(q) >= t} of numpy, at levels that are exact fractions.
    values = np.arange(1.0, 13) ** 2
    X = np.exp(values / 10)[None, :, None, None]
    for quantiles, levels in (
        ("midpoint", (np.arange(6) + 0.5) / 6),
        ("linspace", np.arange(7) / 6),
    ):
        features = SlicedWassersteinFeatures(
            n_projections=1, n_quantiles=len(levels), quantiles=quantiles, random_state=1
        )
        got = features.fit_transform(X)[0] * np.sqrt(len(levels))
        sign = features.projections_.arrays[0][0, 0]
        sample = np.sort(sign * values / 10)
        expected = np.quantile(sample, np.round(levels * 12) / 12, method="inverted_cdf")
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_order_within_a_distribution_does_not_matter():
    X = distributions(8, 9)
    model = SlicedWassersteinFeatures(n_projections=5, random_state=0).fit(X)
    np.testing.assert_allclose(
        model.transform([x[::-1] for x in X]), model.transform(X), rtol=1e-12
    )


def test_gaussian_kernel_of_features_is_the_kernel_matrix():
    from sklearn.metrics.pairwise import rbf_kernel

    X = distributions(10, 10, 5)
    features = SlicedWassersteinFeatures(n_projections=40, n_quantiles=10, random_state=7)
    K = kernel_matrix(X, gamma=0.3, rng=np.random.default_rng(7), n_projections=40)
    np.testing.assert_allclose(rbf_kernel(features.fit_transform(X), gamma=0.3), K, rtol=1e-10)


# Contract of scikit-learn


@ALL
def test_parameters_clones_and_repr(model):
    copy = clone(model)
    assert copy is not model and copy.get_params() == model.get_params()
    copy.set_params(n_projections=7, distance="hspdsw")
    assert copy.n_projections == 7 and "hspdsw" in repr(copy)
    assert not [name for name in vars(copy) if name.endswith("_")]


@ALL
def test_fit_returns_self_changes_no_parameter_and_no_input(model):
    X = distributions(6, 6, 7, 8)
    before = [x.copy() for x in X]
    model = clone(model)
    parameters = dict(model.get_params())
    assert model.fit(X, [0, 1, 0, 1]) is model
    assert model.get_params() == parameters
    for x, expected in zip(X, before, strict=True):
        np.testing.assert_array_equal(x, expected)


@ALL
def test_same_seed_same_answer_again(model):
    X = distributions(6, 6, 7, 8)
    first, second = (apply(clone(model).fit(X, [0, 1, 0, 1]), X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    fitted = clone(model).fit(X[:2], [0, 1])
    np.testing.assert_array_equal(apply(fitted.fit(X, [0, 1, 0, 1]), X), first)


@ALL
def test_pickle(model):
    X = distributions(6, 6, 7, 8)
    model = clone(model).fit(X, [0, 1, 0, 1])
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(apply(copy, X), apply(model, X))


@ALL
def test_not_fitted(model):
    with pytest.raises(NotFittedError):
        apply(clone(model), distributions(5, 5))


@ALL
def test_another_number_of_channels(model):
    model = clone(model).fit(distributions(6, 6), [0, 1])
    with pytest.raises(ValueError, match=r"4 channels, but this SlicedWasserstein.* fitted on 3"):
        apply(model, distributions(6, 6, d=4))


@ALL
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_quantiles": 0}, "n_quantiles must be .* got 0"),
        ({"n_projections": 0}, "n_projections must be .* got 0"),
        ({"distance": "lew"}, "distance must be one of .* got 'lew'"),
    ],
)
def test_bad_options_are_found_by_fit(model, options, message):
    with pytest.raises(ValueError, match=message):
        clone(model).set_params(**options).fit(distributions(5, 5), [0, 1])


def test_bad_levels():
    X = distributions(5, 5)
    with pytest.raises(ValueError, match=r"quantiles must be one of .* got 'uniform'"):
        SlicedWassersteinFeatures(quantiles="uniform").fit(X)
    with pytest.raises(ValueError, match="n_quantiles must be at least 2"):
        SlicedWassersteinFeatures(quantiles="linspace", n_quantiles=1).fit(X)


@pytest.mark.parametrize("gamma", [0, -1.0, "scale", None, np.inf])
def test_bad_width(gamma):
    X = distributions(5, 5)
    for model in (SlicedWassersteinRegressor, SlicedWassersteinClassifier):
        with pytest.raises(ValueError, match='gamma must be positive or "median", got'):
            model(gamma=gamma).fit(X, [0, 1])


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (np.ma.masked_equal([0, 1], 1), ValueError, "y is a masked array with 1 masked values"),
        ([0, 1j], TypeError, "y must hold numbers, got"),
        ([0, np.nan], ValueError, "y must be finite, got nan at index 1"),
    ],
)
def test_what_is_predicted_are_real_numbers(y, error, message):
    with pytest.raises(error, match=message):
        SlicedWassersteinRegressor(n_projections=5).fit(distributions(5, 5), y)


@ALL
def test_bad_distributions(model):
    X = distributions(5, 5)
    with pytest.raises(ValueError, match=r"X must be several sets of matrices.* \(5, 3, 3\)"):
        clone(model).fit(X[0], np.arange(5))
    with pytest.raises(ValueError, match=r"X\[1\]\[0\] is not positive definite"):
        apply(clone(model).fit(X, [0, 1]), [X[0], -X[1]])


@ALL
def test_a_sample_is_no_row_of_a_table(model):
    assert not get_tags(model).input_tags.two_d_array


def test_names_of_features():
    model = SlicedWassersteinFeatures(n_projections=2, n_quantiles=3).fit(distributions(4, 4))
    names = model.get_feature_names_out()
    assert len(names) == 6 and names[0] == "slicedwassersteinfeatures0"


def test_median_width():
    X = distributions(10, 10, 10, 10)
    model = SlicedWassersteinRegressor(n_projections=30, random_state=0).fit(X, np.arange(4.0))
    features = SlicedWassersteinFeatures(n_projections=30, random_state=0).fit_transform(X)
    assert model.gamma_ == pytest.approx(1 / np.median(pdist(features, "sqeuclidean")))
    same = SlicedWassersteinRegressor(n_projections=5).fit([X[0], X[0]], [1.0, 2.0])
    assert same.gamma_ == 1.0


# Learning


def test_regressor_is_kernel_ridge_with_centred_targets():
    X, y = distributions(10, 10, 10, 10, 10, 10), np.array([10.0, 11, 13, 12, 15, 19])
    model = SlicedWassersteinRegressor(
        n_projections=30, n_quantiles=10, gamma=0.5, alpha=0.1, random_state=0
    ).fit(X[:5], y[:5])
    K = kernel_matrix(X, gamma=0.5, rng=np.random.default_rng(0), n_projections=30)
    ridge = KernelRidge(kernel="precomputed", alpha=0.1).fit(K[:5, :5], y[:5] - y[:5].mean())
    expected = ridge.predict(K[:, :5]) + y[:5].mean()
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-9)


def test_age_from_epochs_with_pyriemann():
    epochs, age = cohort(40)
    pipeline = make_pipeline(
        EachDistribution(Covariances("scm")),
        SlicedWassersteinRegressor(n_projections=50, alpha=0.01, random_state=0),
    )
    predicted = cross_val_predict(pipeline, epochs, age, cv=5)
    # The gain of a channel tells the age up to the mean of some 25 factors of 20 per cent; a
    # constant guess is off by 15 years.
    assert np.abs(predicted - age).mean() < 5


def test_groups_from_epochs_with_pyriemann():
    epochs, age = cohort(30, n_epochs=(20, 21))
    old = np.where(age > 50, "old", "young")
    pipeline = make_pipeline(
        EachDistribution(Covariances("scm")),
        SlicedWassersteinClassifier(n_projections=50, random_state=0),
    )
    # One array of epochs, (n_subjects, n_epochs, n_channels, n_times), and a search over options.
    assert cross_val_score(pipeline, np.stack(epochs), old, cv=3).mean() > 0.85
    search = GridSearchCV(pipeline, {"slicedwassersteinclassifier__C": [1.0, 10.0]}, cv=2)
    search.fit(np.stack(epochs), old)
    assert set(search.predict(epochs)) == {"old", "young"}
    assert search.best_estimator_[-1].classes_.tolist() == ["old", "young"]
    scores = search.decision_function(epochs)
    np.testing.assert_array_equal(np.where(scores > 0, "young", "old"), search.predict(epochs))


def test_covariances_go_straight_into_an_estimator():
    # (n_subjects, n_epochs, n_channels, n_channels), without any step before.
    epochs, age = cohort(20, n_epochs=(25, 26))
    X = np.stack([Covariances().fit_transform(subject) for subject in epochs])
    pipeline = make_pipeline(
        SlicedWassersteinFeatures(n_projections=50, random_state=0),
        StandardScaler(with_std=False),
        KernelRidge(kernel="rbf", gamma=0.2, alpha=0.01),
    )
    pipeline.fit(X, age)
    assert np.corrcoef(pipeline.predict(X), age)[0, 1] > 0.9


def test_each_distribution_is_transformed_on_its_own():
    epochs, _ = cohort(3)
    step = EachDistribution(Covariances("scm"))
    got = step.transform(epochs)  # nothing to fit
    assert [x.shape for x in got] == [(len(x), 3, 3) for x in epochs]
    expected = np.stack([np.cov(epoch, bias=True) for epoch in epochs[1]])
    np.testing.assert_allclose(got[1], expected, rtol=1e-12)
    assert clone(step).transformer.estimator == "scm"
    assert step.get_params()["transformer__estimator"] == "scm"


def test_more_epochs_of_one_subject_do_not_change_its_size():
    # A subject is a distribution: showing every epoch twice is the same subject.
    epochs, age = cohort(10)
    model = make_pipeline(
        EachDistribution(Covariances()),
        SlicedWassersteinRegressor(n_projections=20, n_quantiles=1000, random_state=0),
    ).fit(epochs, age)
    twice = [np.concatenate([x, x]) for x in epochs]
    np.testing.assert_allclose(model.predict(twice), model.predict(epochs), rtol=1e-9)
