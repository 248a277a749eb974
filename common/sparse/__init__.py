"""Sparse coding by the lasso: solvers with certified minima, and networks unfolded from them."""

from common.sparse.data import digits, gaussian_codes, gaussian_dictionary, shrink
from common.sparse.lasso import Lasso, soft_threshold, unit_lambda_max
from common.sparse.solvers import SOLVERS, Iterate, Optimum, iterations_to, optimum
from common.sparse.training import SCHEDULES, descend, train
from common.sparse.unfolded import KINDS, Unfolded, analytic_weights

__all__ = [
    "KINDS",
    "SCHEDULES",
    "SOLVERS",
    "Iterate",
    "Lasso",
    "Optimum",
    "Unfolded",
    "analytic_weights",
    "descend",
    "digits",
    "gaussian_codes",
    "gaussian_dictionary",
    "iterations_to",
    "optimum",
    "shrink",
    "soft_threshold",
    "train",
    "unit_lambda_max",
]
