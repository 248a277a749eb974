"""Pipelines of scikit-learn: what they impute, and what they take."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from common.missing import boosting, iterative_regression, masked_mlp, masked_regression

RNG = np.random.default_rng(0)
COMPLETE = RNG.standard_normal((300, 3)) @ [[1.0, 0.9, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 1.0]]
Y = COMPLETE.sum(axis=1)
X = np.where(RNG.random(COMPLETE.shape) < 0.3, np.nan, COMPLETE)
MAKE = {
    "iterative": iterative_regression,
    "masked": masked_regression,
    "mlp": lambda: masked_mlp(3, 5, random_state=0),
    "boosting": lambda: boosting(random_state=0),
}


@pytest.mark.parametrize("name", MAKE)
def test_each_takes_a_table_with_gaps_and_rows_without_values(name):
    table = X.copy()
    table[0] = np.nan
    fitted = MAKE[name]().fit(table, Y)
    assert np.isfinite(fitted.predict(table)).all()
    assert fitted.score(table, Y) > 0.3  # what the mean explains is 0


def test_regression_on_zeros_and_mask_is_that_on_the_six_columns():
    missing = np.isnan(X)
    design = np.hstack([np.where(missing, 0, X), missing])
    expected = LinearRegression().fit(design, Y).predict(design)
    np.testing.assert_allclose(masked_regression().fit(X, Y).predict(X), expected, atol=1e-10)


def test_chained_equations_without_gaps_are_least_squares():
    expected = LinearRegression().fit(COMPLETE, Y).predict(COMPLETE)
    found = iterative_regression().fit(COMPLETE, Y).predict(COMPLETE)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_the_mlp_has_the_parameters_of_the_paper_and_sees_mask_and_values():
    # 20 inputs, 1,000 hidden units for d = 10 and a width of 100; here the same formula.
    network = MAKE["mlp"]().fit(X, Y)[-1]
    n = sum(one.size for one in (*network.coefs_, *network.intercepts_))
    assert n == (2 * 3 + 2) * 5 * 3 + 1
    assert network.learning_rate_init == pytest.approx(0.01 / 3)
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        masked_mlp(3, 0, random_state=0)
