"""What NeuMiss is compared with: pipelines of scikit-learn that take tables with missing values."""

import warnings

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from common import validation

__all__ = ["boosting", "iterative_regression", "masked_mlp", "masked_regression"]


class _Imputer(IterativeImputer):
    """Without the warning that ten rounds have not converged, which they rarely do."""

    def fit_transform(self, X, y=None, **params):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().fit_transform(X, y, **params)


def iterative_regression():
    """Imputation by chained equations, then linear regression.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
    """
    return make_pipeline(_Imputer(random_state=0, keep_empty_features=True), LinearRegression())


def masked_regression():
    """Linear regression on values, 0 where they are missing, and the mask.

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline
    """
    return make_pipeline(_values_and_mask(), LinearRegression())


def masked_mlp(n_features, width, *, random_state):
    """One hidden layer on standardised values, 0 where they are missing, and the mask.

    Adam with a learning rate of 0.01 over the number of variables, batches of 200, and early
    stopping on a tenth of the rows.

    Parameters
    ----------
    n_features : int
    width : int
        Hidden units, in multiples of the number of variables.
    random_state : int

    Returns
    -------
    pipeline : sklearn.pipeline.Pipeline

    Raises
    ------
    TypeError, ValueError
        If a number is no positive whole one.
    """
    d = validation.count(n_features, "n_features")
    network = MLPRegressor(
        hidden_layer_sizes=(validation.count(width, "width") * d,),
        learning_rate_init=0.01 / d,
        batch_size=200,
        early_stopping=True,
        n_iter_no_change=15,
        random_state=random_state,
    )
    return make_pipeline(_values_and_mask(), StandardScaler(), network)


def boosting(*, random_state):
    """Gradient-boosted trees, which send missing values to a side of each split.

    Parameters
    ----------
    random_state : int

    Returns
    -------
    regressor : sklearn.ensemble.HistGradientBoostingRegressor
    """
    return HistGradientBoostingRegressor(random_state=random_state)


def _values_and_mask():
    zeros = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    return make_union(zeros, MissingIndicator(missing_values=np.nan, features="all"))
