"""Scorers against closed forms, cases done by hand, and skada's scorers of fitted pipelines."""

import warnings

import numpy as np
import pytest
from scipy.special import softmax
from skada import metrics
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity

from common.adaptation import scorers
from common.adaptation.methods import classifier, method
from common.adaptation.scorers import Outputs, score

NOTHING = np.empty(0)


def outputs(**given):
    """Outputs of which only the given are there: a scorer that reads another one fails."""
    return Outputs(**{**dict.fromkeys(Outputs._fields, NOTHING), **given})


def rows(*points):
    return np.array(points)


# Accuracies


def test_supervised_is_the_accuracy_on_the_target():
    found = outputs(
        target_labels=rows(0, 1, 1, 2),
        target_predictions=rows([0, 1, 1, 2], [0, 0, 1, 0], [2, 0, 0, 1]),
    )
    np.testing.assert_array_equal(score("supervised", found), [1, 0.5, 0])


def test_importance_weights_choose_the_samples_that_count():
    found = outputs(
        source_labels=rows(0, 1, 1),
        source_predictions=rows([0, 1, 1], [0, 0, 0], [1, 1, 0]),
        density_ratio=np.array([0.5, 0.25, 0.25]),
    )
    np.testing.assert_array_equal(score("importance-weighted", found), [1, 0.5, 0.25])
    plain = found._replace(density_ratio=np.full(3, 1 / 3))
    expected = [1, 1 / 3, 1 / 3]  # equal weights: accuracy on the source
    np.testing.assert_allclose(score("importance-weighted", plain), expected, rtol=1e-15)


def test_circular_validation_is_the_mean_recall():
    found = outputs(
        source_labels=rows(0, 0, 0, 1),
        circular_predictions=rows([0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]),
    )
    # Second: accuracy 3/4, but recalls 1 and 0. Third: recalls 1/3 and 1.
    np.testing.assert_allclose(score("circular-validation", found), [1, 1 / 2, 2 / 3], rtol=1e-15)


# Probabilities


def test_entropy_of_uniform_and_of_certain_predictions():
    n_target, n_classes = 7, 4
    uniform = np.full((n_target, n_classes), 1 / n_classes)
    certain = np.eye(n_classes)[np.arange(n_target) % n_classes]
    halves = np.tile([0.5, 0.5, 0, 0], (n_target, 1))
    found = outputs(target_probabilities=rows(uniform, certain, halves))
    # As in skada the mean is over samples and classes, hence the division by the number of classes.
    expected = [-np.log(4) / 4, 0, -np.log(2) / 4]
    np.testing.assert_allclose(score("prediction-entropy", found), expected, rtol=1e-14)


def test_soft_neighborhood_of_equal_rows():
    # All similarities are 1/T, that to itself -1/T: uniform over the others.
    n_target = 9
    found = outputs(target_probabilities=np.full((1, n_target, 3), 1 / 3))
    expected = np.log(n_target - 1)
    # e^(-2/T) = 4e-18 relative to those is left out
    np.testing.assert_allclose(score("soft-neighborhood-density", found), [expected], rtol=1e-14)


def test_soft_neighborhood_of_orthogonal_rows():
    # All similarities are 0, that to itself -1/T = -20: again uniform over the others.
    n_target = 5
    found = outputs(target_probabilities=np.eye(n_target)[None])
    own = np.exp(-20) / (n_target - 1 + np.exp(-20))
    other = 1 / (n_target - 1 + np.exp(-20))
    expected = -own * np.log(own) - (n_target - 1) * other * np.log(other)
    np.testing.assert_allclose(score("soft-neighborhood-density", found), [expected], rtol=1e-14)


def test_soft_neighborhood_counts_the_members_of_tight_clusters():
    # Two clusters of 2 and 6 equal rows: each row sees its own cluster, of 1 and 5 others.
    clusters = np.repeat(np.eye(2), [2, 6], axis=0)
    found = outputs(target_probabilities=clusters[None])
    expected = (2 * np.log(1) + 6 * np.log(5)) / 8
    # Rows of the other cluster weigh e^(-20) = 2e-9 each, times their logarithm of 20.
    np.testing.assert_allclose(score("soft-neighborhood-density", found), [expected], atol=5e-7)


# Deep embedded validation


def with_losses(weights, losses, *, name="domain_ratio"):
    """Outputs whose held-out source samples have these weights and losses, one row per point."""
    weights, losses = np.atleast_2d(weights), np.atleast_2d(losses)
    chosen = np.exp(-losses)
    n_points, n = losses.shape
    # Two samples before and one after are not for validation, and their loss is infinite.
    probabilities = np.zeros((n_points, n + 3, 2))
    probabilities[:, 2:-1] = np.stack([1 - chosen, chosen], axis=-1)
    return outputs(
        source_labels=np.ones(n + 3, int),
        source_probabilities=probabilities,
        validation=np.arange(2, n + 2),
        **{name: weights},
    )


@pytest.mark.parametrize("constant", [1.0, 0.7, 3.3])
@pytest.mark.parametrize("n", [33, 53, 66])
def test_constant_weights_scale_the_mean_loss(constant, n):
    # There is no control variate then. The sizes matter: of 53 values of 0.7 the mean is not 0.7.
    losses = np.random.default_rng(0).exponential(size=n)
    found = with_losses(np.full(n, constant), losses)
    expected = -constant * losses.mean()
    # losses go through exp and log
    np.testing.assert_allclose(score("deep-embedded-validation", found), [expected], rtol=1e-12)


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.4), (0.3, 0.0), (0.3, 0.5)])
def test_control_variate_removes_what_is_linear_in_the_weights(a, b):
    """Where w l = a + b w, the estimate is a + b in each sample.

    Then cov(w l, w) = b var(w), hence eta = -b, and the estimate a + b mean(w) + eta (mean(w) - 1)
    is a + b: the target's risk E[w l], as E[w] = 1, without variance.
    """
    weights = np.random.default_rng(1).gamma(4.0, 0.25, size=(20, 40))
    found = with_losses(weights, a / weights + b)
    plain = -np.mean(a + b * weights, axis=1)
    estimates = score("deep-embedded-validation", found)
    np.testing.assert_allclose(estimates, -(a + b), rtol=1e-12)
    assert b == 0 or np.std(plain) > 0.01


def test_estimates_the_risk_of_the_target_and_varies_less():
    # x uniform on (0, 1), target density 2 x: w = 2 x, loss x², risk E[2 x³] = 1/2.
    x = np.random.default_rng(2).uniform(size=(4000, 30))
    weights, losses = 2 * x, x**2
    estimates = -score("deep-embedded-validation", with_losses(weights, losses))
    plain = np.mean(weights * losses, axis=1)
    error = estimates.std() / np.sqrt(len(x))
    bias = 1 / len(x[0])  # of a regression estimator, of order 1/n
    assert abs(estimates.mean() - 0.5) < 4 * error + 0.2 * bias
    assert estimates.std() < 0.5 * plain.std()


def test_corrected_estimate_by_hand():
    # w = (1, 2, 3), l = (1, 2, 6): w l = (1, 4, 18), cov = 8.5, var = 1, eta = -8.5.
    found = with_losses([1.0, 2, 3], [1.0, 2, 6])
    expected = -(23 / 3 - 8.5 * 2 + 8.5)
    np.testing.assert_allclose(score("deep-embedded-validation", found), [expected], rtol=1e-12)


def test_skadas_estimate_by_hand_is_another():
    # The table w_i l_j has mean 2 * 3, and its first two columns w and 2 w have covariance 2.
    found = with_losses([1.0, 2, 3], [1.0, 2, 6], name="domain_ratio_skada")
    expected = -(6 - 2 * 2 + 2)
    np.testing.assert_allclose(
        score("deep-embedded-validation-skada", found), [expected], rtol=1e-12
    )


def test_losses_are_bounded():
    found = with_losses([1.0, 1], [0.0, np.inf])
    expected = np.mean([-np.log(1 - 1e-15), -np.log(1e-15)])
    np.testing.assert_allclose(score("deep-embedded-validation", found), [-expected], rtol=1e-12)


# Mixtures


def test_mixtures_within_and_between_classes():
    found = outputs(
        target_predictions=rows([0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 2, 3]),
        mix_partner=np.array([1, 2, 3, 0]),
        mix_predictions=rows([0, 0, 0, 1], [0, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 0]),
    )
    # First: pairs 0-1 and 2-3 are of one class, kept in one of two; 1-2 and 3-0 kept both.
    intra, inter, both = (score(f"mix-val-{kind}", found) for kind in ("intra", "inter", "both"))
    np.testing.assert_array_equal(intra, [0.5, 0.75, 1, np.nan])
    np.testing.assert_array_equal(inter, [1, np.nan, 0, 0.5])
    np.testing.assert_array_equal(both, [0.75, 0.75, 0.5, 0.5])


# skada, where it is right


@pytest.fixture(scope="module")
def fitted():
    """Three classes in space, two points of a grid fitted by skada, and what they say."""
    rng = np.random.default_rng(3)
    y = np.tile([0, 0, 1, 2], 60)
    sample_domain = np.repeat([1, -2], 120)
    X = rng.standard_normal((240, 3)) + 1.5 * np.eye(3)[y]
    X[120:] = 1.3 * X[120:] + 0.5
    visible = np.where(sample_domain > 0, y, -1)
    points = [{"n_components": 1}, {"n_components": 3}]
    pipelines = [
        method("jpca")
        .pipeline(classifier("lr"), **point)
        .fit(X, visible, sample_domain=sample_domain)
        for point in points
    ]
    return pipelines, (X, visible, sample_domain), y, said(pipelines, points, X, y)


def said(pipelines, points, X, y):
    source, target = X[:120], X[120:]
    partner = np.random.RandomState(0).permutation(120)
    training, validation = train_test_split(np.arange(120), test_size=0.33, random_state=0)
    densities = [KernelDensity().fit(domain).score_samples(source) for domain in (source, target)]
    found = {name: [] for name in Outputs._fields}
    for pipeline, point in zip(pipelines, points, strict=True):
        # Principal axes do not look at domains: a pipeline of scikit-learn says the same.
        axes = PCA(**point).fit(X)
        classify = LogisticRegression().fit(axes.transform(source), y[:120])
        on = {"sample_domain": np.full(120, -2)}
        found["target_predictions"].append(pipeline.predict(target, **on))
        found["target_probabilities"].append(pipeline.predict_proba(target, **on))
        found["source_predictions"].append(classify.predict(axes.transform(source)))
        found["source_probabilities"].append(classify.predict_proba(axes.transform(source)))
        mixed = 0.55 * target + 0.45 * target[partner]
        found["mix_predictions"].append(pipeline.predict(mixed, **on))
        features = np.concatenate([axes.transform(source[training]), axes.transform(target)])
        domains = LogisticRegression().fit(features, np.arange(len(features)) < len(training))
        p = domains.predict_proba(axes.transform(source[validation]))
        ratio = len(training) / 120 * p[:, 0] / p[:, 1]
        found["domain_ratio"].append(ratio)
        found["domain_ratio_skada"].append(ratio)
        back = LogisticRegression().fit(axes.transform(target), found["target_predictions"][-1])
        found["circular_predictions"].append(back.predict(axes.transform(source)))
    arrays = {name: np.array(values) for name, values in found.items()} | {
        "source_labels": y[:120],
        "target_labels": y[120:],
        "density_ratio": softmax(densities[1] - densities[0]),
        "mix_partner": partner,
        "validation": validation,
    }
    return Outputs(**arrays)


def a_column_of_losses(y, probabilities):
    """With it skada's product of weights and losses is that of a sample with itself."""
    return -np.log(np.take_along_axis(probabilities, y[:, None], axis=1))


SKADA = {
    "supervised": metrics.SupervisedScorer(),
    "importance-weighted": metrics.ImportanceWeightedScorer(),
    "deep-embedded-validation": metrics.DeepEmbeddedValidation(
        random_state=0, loss_func=a_column_of_losses
    ),
    "deep-embedded-validation-skada": metrics.DeepEmbeddedValidation(random_state=0),
    "prediction-entropy": metrics.PredictionEntropyScorer(),
    "soft-neighborhood-density": metrics.SoftNeighborhoodDensity(),
    "circular-validation": metrics.CircularValidation(),
    "mix-val-both": metrics.MixValScorer(random_state=0),
    "mix-val-inter": metrics.MixValScorer(ice_type="inter", random_state=0),
    "mix-val-intra": metrics.MixValScorer(ice_type="intra", random_state=0),
}


@pytest.mark.parametrize("name", scorers.SCORERS)
def test_equals_skadas_scorer_of_a_fitted_pipeline(name, fitted):
    pipelines, (X, visible, sample_domain), y, found = fitted
    more = {"target_labels": y} if name == "supervised" else {}
    with warnings.catch_warnings(action="ignore"):
        expected = [
            SKADA[name](pipeline, X, visible.copy(), sample_domain=sample_domain, **more)
            for pipeline in pipelines
        ]
    if name == "mix-val-intra":  # where a linear classifier says one class is convex
        assert expected == [1, 1]
    else:  # the points differ, so that a mixed-up axis would show
        assert np.ptp(expected) > 1e-3
    # solvers of logistic regressions see the same numbers, sums are ordered differently
    np.testing.assert_allclose(score(name, found), expected, rtol=1e-8)


def test_skadas_deep_embedded_validation_differs_from_the_corrected_one(fitted):
    found = fitted[-1]
    corrected = score("deep-embedded-validation", found)
    skadas = score("deep-embedded-validation-skada", found)
    assert np.abs(corrected - skadas).max() > 0.1


# All


@pytest.mark.parametrize("name", scorers.SCORERS)
def test_one_score_a_point_whatever_the_others_are(name, fitted):
    found = fitted[-1]
    together = score(name, found)
    assert together.shape == (2,) and together.dtype == float
    shared = ("source_labels", "target_labels", "density_ratio", "mix_partner", "validation")
    for point in range(2):
        alone = found._replace(
            **{k: v[point : point + 1] for k, v in found._asdict().items() if k not in shared}
        )
        # A product with one row of weights may sum in another order: some hundred terms, of which
        # a tenth may be left after they cancel.
        np.testing.assert_allclose(score(name, alone), together[[point]], rtol=1e-12)


@pytest.mark.parametrize("name", sorted(set(scorers.judged(scorers.SCORERS)) - {scorers.ORACLE}))
def test_only_the_oracle_reads_the_labels_of_the_target(name, fitted):
    found = fitted[-1]
    blind = found._replace(target_labels=None)
    np.testing.assert_array_equal(score(name, blind), score(name, found))


def test_names():
    assert list(scorers.LABELS) == list(scorers.SCORERS)
    left = set(scorers.SCORERS) - set(scorers.judged(scorers.SCORERS))
    assert left == {"deep-embedded-validation-skada"}
    assert scorers.judged(["mix-val-both", "supervised"]) == ["mix-val-both", "supervised"]


def test_an_unknown_scorer_is_named_with_a_hint():
    with pytest.raises(
        ValueError,
        match=r"scorer .* 'circular-valid'\. Did you mean 'circular-val",
    ):
        score("circular-valid", None)
    with pytest.raises(ValueError, match=r"scorer must be one of supervised, .*, got 'q'\.$"):
        score("q", None)
