"""Regression on tables with missing values: simulated mechanisms, best predictors, NeuMiss."""

from common.missing.baselines import (
    boosting,
    iterative_regression,
    masked_mlp,
    masked_regression,
)
from common.missing.bayes import bayes_predict, gaussian_predict, neumann_predict, patterns
from common.missing.em import EMRegressor, GaussianFit, fit_gaussian
from common.missing.neumiss import NeuMiss, NeuMissRegressor
from common.missing.results import gaps, selected
from common.missing.simulate import (
    MCAR,
    MECHANISMS,
    GaussianSelfMasking,
    LogisticMAR,
    ProbitSelfMasking,
    Problem,
    Sample,
    draw_mechanism,
    random_problem,
    sample,
)

__all__ = [
    "MCAR",
    "MECHANISMS",
    "EMRegressor",
    "GaussianFit",
    "GaussianSelfMasking",
    "LogisticMAR",
    "NeuMiss",
    "NeuMissRegressor",
    "ProbitSelfMasking",
    "Problem",
    "Sample",
    "bayes_predict",
    "boosting",
    "draw_mechanism",
    "fit_gaussian",
    "gaps",
    "gaussian_predict",
    "iterative_regression",
    "masked_mlp",
    "masked_regression",
    "neumann_predict",
    "patterns",
    "random_problem",
    "sample",
    "selected",
]
