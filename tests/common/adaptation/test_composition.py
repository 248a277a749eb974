"""The composition of adapters and a classifier: what steps are given, and what they may give."""

import numpy as np
import pytest
from skada.base import BaseAdapter
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from common.adaptation.composition import MASKED, SOURCE, TARGET, AdaptedClassifier
from common.adaptation.methods import METHODS, classifier

X = np.arange(12.0).reshape(6, 2)
Y = np.array([0, 1, MASKED, MASKED, 1, MASKED])
DOMAINS = np.array([1, 1, -2, -2, 1, -2])


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what it is fitted with, and predicts the first feature."""

    def fit(self, X, y, sample_weight=None):
        self.X_, self.y_, self.sample_weight_ = X.copy(), y.copy(), sample_weight
        return self

    def predict(self, X):
        return X[:, 0]

    def predict_proba(self, X):
        return np.stack([X[:, 0], -X[:, 0]], axis=1)


class TakesDomains(Recorder):
    def fit(self, X, y, sample_domain=None):
        super().fit(X, y)
        self.sample_domain_ = sample_domain
        y[:] = 9  # as careless as some
        return self


class Gives(BaseAdapter):
    """Gives what it is told to, from the samples; adds to samples of a domain when transforming."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def __sklearn_clone__(self):
        return Gives(self.output)

    def fit_transform(self, X, y=None, *, sample_domain=None, **params):
        self.seen_ = X.copy(), y.copy(), sample_domain.copy()
        output = self.output(X, y, sample_domain)
        y[:] = 9  # as careless as some
        return output

    def transform(self, X, y=None, *, sample_domain=None, allow_source=False, **params):
        assert allow_source == (sample_domain > 0).all()
        return X + 100 * (sample_domain > 0)[:, None]


def fitted(*outputs, kind=Recorder, y=Y):
    return AdaptedClassifier(map(Gives, outputs), kind()).fit(X, y, DOMAINS)


def test_without_adapters_the_labelled_samples_train():
    classify = fitted().classifier_
    np.testing.assert_array_equal(classify.X_, X[[0, 1, 4]])
    np.testing.assert_array_equal(classify.y_, [0, 1, 1])
    assert classify.sample_weight_ is None


def test_adapted_samples():
    classify = fitted(lambda X, y, d: X + 1, lambda X, y, d: 2 * X).classifier_
    np.testing.assert_array_equal(classify.X_, 2 * (X[[0, 1, 4]] + 1))


def test_weights_reach_the_classifier_with_their_samples():
    classify = fitted(lambda X, y, d: (X, {"sample_weight": np.arange(6.0)})).classifier_
    np.testing.assert_array_equal(classify.sample_weight_, [0, 1, 4])


def test_weights_pass_later_adapters_and_the_last_ones_count():
    def weigh(factor):
        return lambda X, y, d: (X, {"sample_weight": factor * np.arange(6.0)})

    def move(X, y, d):
        return X + 1

    def move_and_tell(X, y, d):
        return X + 1, {"sample_domain": d}

    classify = fitted(weigh(1), move, move_and_tell).classifier_
    np.testing.assert_array_equal(classify.sample_weight_, [0, 1, 4])
    classify = fitted(weigh(1), move, weigh(10)).classifier_
    np.testing.assert_array_equal(classify.sample_weight_, [0, 10, 40])


def test_propagated_labels_train_on_the_target():
    labels = np.where(DOMAINS < 0, [0, 0, 1, 0, 0, 1], MASKED)
    classify = fitted(lambda X, y, d: (X, labels, {})).classifier_
    np.testing.assert_array_equal(classify.X_, X[[2, 3, 5]])
    np.testing.assert_array_equal(classify.y_, [1, 0, 1])


def test_a_subsample_is_all_that_later_steps_see():
    kept = [1, 2, 4]
    estimator = fitted(
        lambda X, y, d: (X[kept], y[kept], {"sample_domain": d[kept]}), lambda X, y, d: X
    )
    for found, all_of in zip(estimator.adapters_[1].seen_, (X, Y, DOMAINS), strict=True):
        np.testing.assert_array_equal(found, all_of[kept])
    np.testing.assert_array_equal(estimator.classifier_.X_, X[[1, 4]])


def test_a_classifier_may_take_both_domains():
    classify = fitted(lambda X, y, d: X + 1, kind=TakesDomains).classifier_
    np.testing.assert_array_equal(classify.X_, X + 1)
    np.testing.assert_array_equal(classify.y_, Y)
    np.testing.assert_array_equal(classify.sample_domain_, DOMAINS)


@pytest.mark.parametrize("kind", [Recorder, TakesDomains])
def test_labels_are_left_alone(kind):
    y = Y.copy()
    y.flags.writeable = False
    estimator = fitted(lambda X, y, d: X, lambda X, y, d: X, kind=kind, y=y)
    for adapter in estimator.adapters_:  # nor does one adapter spoil those of the next
        np.testing.assert_array_equal(adapter.seen_[1], Y)
    np.testing.assert_array_equal(
        estimator.classifier_.y_, Y if kind is TakesDomains else [0, 1, 1]
    )


def test_transformers_of_scikit_learn_see_both_domains():
    estimator = AdaptedClassifier([StandardScaler()], Recorder()).fit(X, Y, DOMAINS)
    np.testing.assert_allclose(estimator.adapters_[0].mean_, X.mean(axis=0))
    expected = (X - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(estimator.classifier_.X_, expected[[0, 1, 4]])
    for domain in (SOURCE, TARGET):
        np.testing.assert_allclose(estimator.transform(X, domain=domain), expected)


def test_samples_are_mapped_as_those_of_their_domain():
    estimator = fitted(lambda X, y, d: X, lambda X, y, d: X)
    np.testing.assert_array_equal(estimator.transform(X, domain=TARGET), X)
    np.testing.assert_array_equal(estimator.transform(X, domain=SOURCE), X + 200)
    np.testing.assert_array_equal(estimator.predict(X, domain=SOURCE), X[:, 0] + 200)
    probabilities = estimator.predict_proba(X, domain=SOURCE)
    np.testing.assert_array_equal(probabilities[:, 1], -X[:, 0] - 200)


def test_steps_that_are_given_stay_unfitted():
    given, base = PCA(1), Recorder()
    estimator = AdaptedClassifier([given], base)
    first = estimator.fit(X, Y, DOMAINS).adapters_[0]
    assert not hasattr(given, "components_") and not hasattr(base, "X_")
    assert estimator.fit(X[::-1], Y[::-1], DOMAINS[::-1]).adapters_[0] is not first


# With the adapters of skada


def two_domains():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 60)
    sample_domain = np.repeat([1, -2], 60)
    X = rng.standard_normal((120, 2)) + 2 * y[:, None] + (sample_domain < 0)[:, None]
    return X, np.where(sample_domain < 0, MASKED, y), sample_domain


@pytest.mark.parametrize("name", ["dens-rw", "nn-rw", "gauss-rw", "mmd-tars", "kliep"])
def test_weights_of_each_reweighting_train_the_classifier(name):
    X, y, sample_domain = two_domains()
    m = METHODS[name]
    built = AdaptedClassifier(m.build(classifier("lr"), **m.points[-1]).adapters, Recorder())
    classify = built.fit(X, y, sample_domain).classifier_
    weights = classify.sample_weight_
    adapter = m.build(classifier("lr"), **m.points[-1]).adapters[0]
    _, more = adapter.fit_transform(X, y.copy(), sample_domain=sample_domain)
    np.testing.assert_array_equal(weights, more["sample_weight"][sample_domain > 0])
    np.testing.assert_array_equal(classify.X_, X[sample_domain > 0])
    assert weights.shape == (60,) and np.ptp(weights) > 0


def test_label_propagation_trains_on_the_target_only():
    X, y, sample_domain = two_domains()
    m = METHODS["ot-label-prop"]
    built = AdaptedClassifier(m.build(classifier("lr"), **m.points[0]).adapters, Recorder())
    classify = built.fit(X, y, sample_domain).classifier_
    np.testing.assert_array_equal(classify.X_, X[sample_domain < 0])
    assert set(classify.y_) == {0, 1}


def test_the_subsample_has_both_domains_and_classes():
    X, y, sample_domain = (np.concatenate([part] * 12) for part in two_domains())
    X = X + np.arange(len(X))[:, None] * 1e-9
    m = METHODS["dasvm"]
    built = AdaptedClassifier(m.build(classifier("svc"), **m.points[0]).adapters, TakesDomains())
    classify = built.fit(X, y, sample_domain).classifier_
    assert len(classify.X_) == len(classify.y_) == len(classify.sample_domain_) == 1000
    np.testing.assert_array_equal(classify.y_ == MASKED, classify.sample_domain_ < 0)
    for label, n in ((0, 250), (1, 250), (MASKED, 500)):
        assert abs(np.sum(classify.y_ == label) - n) <= 1
