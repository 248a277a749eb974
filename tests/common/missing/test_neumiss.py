"""NeuMiss: the network as a Neumann series, its training, and the estimator on tables with gaps."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from common.missing import (
    EMRegressor,
    NeuMiss,
    NeuMissRegressor,
    Problem,
    bayes_predict,
    masked_regression,
    neumiss,
)


def problem(d=5, *, largest=2.0):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    S = Q @ np.diag(np.linspace(1, largest, d)) @ Q.T
    return Problem(rng.standard_normal(d), (S + S.T) / 2, rng.standard_normal(d), 0.7, 0.1)


def table(n=200, d=5, *, rate=0.4, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = X @ np.linspace(1, 2, d) + 0.1 * rng.standard_normal(n)
    hidden = rng.random(X.shape) < rate
    hidden[hidden.all(axis=1), 0] = False
    return np.where(hidden, np.nan, X), y


def outputs(network, X):
    missing = np.isnan(X)
    with torch.no_grad():
        values = torch.from_numpy(np.where(missing, 0, X))
        return network(values, torch.from_numpy(missing.astype(float))).numpy()


@pytest.mark.parametrize("depth", [1, 2, 3, 8])
def test_with_the_matrices_of_the_series_it_is_the_neumann_recursion(depth):
    one, X = problem(), table()[0]
    S, mu, b, expected = one.covariance, one.mean, one.weights, []
    L = np.linalg.norm(S, 2)
    for row in X:
        m, o = np.flatnonzero(np.isnan(row)), np.flatnonzero(~np.isnan(row))
        N = np.eye(len(o))
        for _ in range(depth - 1):
            N = (np.eye(len(o)) - S[np.ix_(o, o)] / L) @ N + np.eye(len(o))
        centre = mu[m] + S[np.ix_(m, o)] @ N @ (row[o] - mu[o]) / L
        expected.append(one.intercept + b[o] @ row[o] + b[m] @ centre)
    found = outputs(NeuMiss.analytic(one, depth), X)
    np.testing.assert_allclose(found, expected, atol=1e-12)  # rounding


def test_with_depth_it_converges_to_the_bayes_predictor():
    one, X = problem(largest=2.0), table()[0]
    best = bayes_predict(X, one)
    errors = [
        np.abs(outputs(NeuMiss.analytic(one, depth), X) - best).max() for depth in (1, 11, 60)
    ]
    # Eigenvalues of S_oo / L are at least a half: every layer halves the error.
    assert errors[1] <= 2.0**-9 * errors[0]
    assert errors[2] < 1e-12


def test_it_has_the_parameters_of_the_paper():
    for d, depth, expected in ((10, 5, 621), (20, 5, 2441), (20, 0, 441)):
        assert NeuMiss(d, depth).n_parameters == expected


@pytest.mark.parametrize("residual", [False, True])
def test_layers_are_as_the_formula_says(residual):
    torch.manual_seed(0)
    network = NeuMiss(3, 2, residual=residual)
    W1, W2, Wc = (one.detach().numpy() for one in (*network.layers, network.last))
    mu, b, b0 = (p.detach().numpy() for p in (network.mean, network.weights, network.intercept))
    x, o = np.array([0.3, 0.0, -1.0]), np.array([1.0, 0.0, 1.0])
    start = o * (x - mu)
    inner = o * ((o * (start @ W1)) @ W2) + residual * start
    expected = b0 + b @ (x * o + (1 - o) * (mu + inner @ Wc))
    found = outputs(network, np.array([[0.3, np.nan, -1.0]]))
    np.testing.assert_allclose(found, [expected], rtol=1e-12)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_gradients_are_those_of_autograd(depth, residual):
    torch.manual_seed(2)
    network = NeuMiss(4, depth, residual=residual)
    missing = (torch.rand(7, 4) < 0.4).double()
    values = torch.randn(7, 4, dtype=torch.float64) * (1 - missing)
    y = torch.randn(7, dtype=torch.float64)
    parameters = [network.last, network.mean, network.weights, network.intercept, *network.layers]
    expected = torch.nn.functional.mse_loss(network(values, missing), y)
    expected.backward()
    arrays = [one.detach().numpy() for one in parameters]
    loss, found = neumiss._gradient(
        arrays, values.numpy(), missing.numpy(), y.numpy(), residual=residual
    )
    assert loss == pytest.approx(float(expected.detach()), rel=1e-12)
    for one, step in zip(parameters, found, strict=True):
        np.testing.assert_allclose(step, one.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_without_gaps_it_learns_the_regression():
    X, y = table(1000, rate=0)
    found = NeuMissRegressor(1, random_state=0).fit(X, y)
    # The noise is 0.1 and the target's spread 3.4; the rest is what the last steps leave.
    assert found.score(X, y) > 0.998
    weights = found.network_.weights.detach().numpy()
    np.testing.assert_allclose(weights, np.linspace(1, 2, 5), atol=0.02)


def test_with_gaps_it_comes_near_the_bayes_predictor():
    rng = np.random.default_rng(2)
    S = 0.3 * np.eye(4) + 0.7
    one = Problem(np.zeros(4), S, np.ones(4) / 2, 0.0, 0.1)
    X = rng.multivariate_normal(one.mean, S, size=4000)
    y = X @ one.weights + 0.1 * rng.standard_normal(4000)
    X[rng.random(X.shape) < 0.5] = np.nan
    best = 1 - np.var(y - bayes_predict(X, one)) / np.var(y)
    # Equal correlations: one layer can come close to the inverses. 41 parameters are learned of
    # 4,000 rows. Regression on zeros and mask is 0.09 away.
    for seed in range(3):
        found = NeuMissRegressor(1, empty_rows=True, random_state=seed).fit(X, y)
        assert best - found.score(X, y) < 0.01 < best - masked_regression().fit(X, y).score(X, y)


def test_the_loss_of_epochs_falls_and_training_ends_by_itself():
    X, y = table(500)
    found = NeuMissRegressor(1, n_epochs=1000, random_state=0).fit(X, y)
    assert found.loss_curve_[-1] < 0.5 * found.loss_curve_[0]
    assert len(found.loss_curve_) < 1000


def test_every_row_is_seen_once_in_an_epoch():
    """With steps of no length, the loss of an epoch is that of the first network, on all rows."""
    X, y = table(23)
    network = NeuMiss(X.shape[1], 2)
    expected = np.mean((outputs(network, X) - y) ** 2)
    losses = neumiss.fit(network, X, y, batch_size=5, lr=1e-300, n_epochs=1)
    assert losses == [pytest.approx(expected, rel=1e-12)]


def test_a_seed_gives_one_network_and_leaves_the_global_generator_alone():
    X, y = table()
    before = torch.get_rng_state()
    a, b, c = (
        NeuMissRegressor(2, n_epochs=2, random_state=seed).fit(X, y).predict(X)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-3
    assert (torch.get_rng_state() == before).all()
    free = [NeuMissRegressor(2, n_epochs=1).fit(X, y).predict(X) for _ in range(2)]
    assert np.abs(free[0] - free[1]).max() > 1e-3


def test_the_default_learning_rate_grows_with_the_batch():
    X, y = table()
    options = {"n_epochs": 2, "random_state": 0, "batch_size": 20}
    usual = NeuMissRegressor(2, **options).fit(X, y).predict(X)
    stated = NeuMissRegressor(2, lr=0.001 * 20 / 5, **options).fit(X, y).predict(X)
    np.testing.assert_array_equal(usual, stated)


def test_it_is_cloned_pickled_and_searched_in_a_pipeline_on_a_table_of_pandas():
    X, y = table(300)
    X = pd.DataFrame(X, columns=list("abcde"))
    network = NeuMissRegressor(1, batch_size=10, random_state=0)
    pipeline = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), network), transformer=StandardScaler()
    )
    search = GridSearchCV(
        pipeline,
        {"regressor__neumissregressor__depth": [0, 1]},
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert search.best_score_ > 0.2
    fitted = search.best_estimator_
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    assert clone(network).get_params() == network.get_params()
    assert list(clone(network).fit(X, y).feature_names_in_) == list("abcde")
    assert network.__sklearn_tags__().input_tags.allow_nan
    with pytest.raises(NotFittedError):
        clone(network).predict(X)


def test_a_training_that_diverges_is_one_clear_error():
    X, y = table()
    with pytest.raises(
        FloatingPointError, match=r"in epoch \d+: the training diverged. Scale .*10"
    ):
        NeuMissRegressor(3, lr=10.0, random_state=0).fit(X, y)


@pytest.fixture(params=[lambda: NeuMissRegressor(1, n_epochs=1, random_state=0), EMRegressor])
def regressor(request):
    return request.param()


def whole_numbers(X):
    with np.errstate(invalid="ignore"):
        found = X.astype(np.int64)
    return np.where(np.isnan(X), np.iinfo(np.int64).min, found)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X: np.where(np.arange(len(X))[:, None] == 3, np.nan, X), ValueError,
         r"^row 3 of X has no observed value. Leave such rows out, or pass empty_rows=True\.$"),
        (lambda X: np.nan_to_num(X) * [1, np.nan, 1, 1, 1], ValueError,
         r"^column 1 of X has no observed value. Leave such columns out\.$"),
        (whole_numbers, ValueError,
         r"^X holds -9223372036854775808 at index \(\d+, \d+\), which NaN becomes"),
        (lambda X: np.where(np.isnan(X), np.inf, X), ValueError, r"^X holds inf at index"),
        (lambda X: X[:, 0], ValueError, r"^X must have 2 axes, got shape \(200,\)"),
        (lambda X: X[:0], ValueError, "^X is empty"),
        (lambda X: X[:-1], ValueError, "^X and y must have one length, but X has 199"),
        (lambda X: np.full(X.shape, "a"), TypeError, "^X must hold numbers, with NaN where"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(regressor, change, error, message):
    X, y = table()
    with pytest.raises(error, match=message):
        regressor.fit(change(X), y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: np.where(np.arange(len(y)) == 7, np.nan, y), "^y must be finite, got nan at"),
        (lambda y: y[:, None], r"^y must have 1 axis, got shape \(200, 1\)"),
    ],
)
def test_targets_that_are_refused(regressor, change, message):
    X, y = table()
    with pytest.raises(ValueError, match=message):
        regressor.fit(X, change(y))


def test_a_table_of_another_width_is_refused(regressor):
    X, y = table()
    regressor.fit(X, y)
    with pytest.raises(ValueError, match=r"X has 4 features, but .* is expecting 5 features"):
        regressor.predict(np.zeros((2, 4)))


def test_rows_without_values_are_predicted_where_they_are_allowed(regressor):
    X, y = table()
    X[5:8] = np.nan
    regressor.set_params(empty_rows=True).fit(X, y)
    found = regressor.predict(X)[5:8]
    assert np.isfinite(found).all() and (found == found[0]).all()
    # To predict, a column need not have a value.
    assert np.isfinite(regressor.predict(np.where(np.arange(5) == 2, np.nan, X[:4]))).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": -1}, "depth must be at least 0, got -1"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"lr": 0.0}, "lr must be above 0, got 0.0"),
        ({"n_epochs": 0}, "n_epochs must be at least 1, got 0"),
        ({"random_state": -1}, "random_state must be at least 0, got -1"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        NeuMissRegressor(**options).fit(*table())


def test_a_network_of_no_depth_is_no_series():
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        NeuMiss.analytic(problem(), 0)
