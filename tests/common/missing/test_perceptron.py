"""The perceptron: scikit-learn's network, the early stop, and what it refuses."""

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from common.missing import Perceptron

RNG = np.random.default_rng(0)
X = RNG.standard_normal((450, 4))
Y = np.abs(X[:, 0]) + X[:, 1] + 0.1 * RNG.standard_normal(450)


def theirs(n_hidden, **options):
    return MLPRegressor(
        hidden_layer_sizes=(n_hidden,), batch_size=200, early_stopping=True, **options
    ).fit(X, Y)


@pytest.mark.parametrize("alpha", [1e-4, 1.0])  # the latter's penalty is most of the loss
def test_in_double_precision_it_finds_the_network_of_scikit_learn(alpha):
    # 405 rows are trained on: the last batch, of 5, weighs less in the loss than the others.
    common = {"alpha": alpha, "max_iter": 30, "random_state": 3}
    expected = theirs(7, learning_rate_init=0.01, n_iter_no_change=30, **common)
    found = Perceptron(7, lr=0.01, patience=30, dtype="float64", **common).fit(X, Y)
    for name in ("loss_curve_", "validation_scores_"):  # sums in another order
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9)
    for name in ("coefs_", "intercepts_"):
        for ours, one in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert ours.shape == one.shape
            np.testing.assert_allclose(ours, one, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.predict(X), expected.predict(X), rtol=1e-7, atol=1e-9)


def test_it_stops_where_scikit_learn_does_and_keeps_the_best_epoch():
    expected = theirs(20, learning_rate_init=0.05, n_iter_no_change=3, random_state=0)
    found = Perceptron(20, lr=0.05, patience=3, dtype="float64", random_state=0).fit(X, Y)
    assert found.n_iter_ == expected.n_iter_ < 200
    best = int(np.argmax(found.validation_scores_))
    assert best < found.n_iter_ - 1  # so what is kept differs from what was last
    shorter = Perceptron(20, lr=0.05, max_iter=best + 1, dtype="float64", random_state=0).fit(X, Y)
    np.testing.assert_array_equal(found.predict(X), shorter.predict(X))


def test_single_precision_changes_little():
    options = {"lr": 0.01, "max_iter": 20, "random_state": 0}
    single = Perceptron(30, **options).fit(X, Y)
    double = Perceptron(30, dtype="float64", **options).fit(X, Y)
    assert single.coefs_[0].dtype == np.float32
    # Rounding of 1e-7 grows with the steps, of which there are 60.
    np.testing.assert_allclose(single.predict(X), double.predict(X), atol=1e-3)


def test_it_refuses_what_it_cannot_train_on():
    with pytest.raises(ValueError, match="n_hidden must be at least 1, got 0"):
        Perceptron(0).fit(X, Y)
    with pytest.raises(ValueError, match="lr must be above 0, got 0"):
        Perceptron(5, lr=0).fit(X, Y)
    with pytest.raises(ValueError, match="10 sample"):
        Perceptron(5).fit(X[:10], Y[:10])
    with pytest.raises(FloatingPointError, match="not finite in epoch 1: the training diverged"):
        Perceptron(5, lr=1e30, random_state=0).fit(X, Y)
    with pytest.raises(ValueError, match="expecting 4 features"):
        Perceptron(5, max_iter=1, random_state=0).fit(X, Y).predict(X[:, :3])
