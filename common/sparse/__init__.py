"""Sparse coding by the lasso: solvers with certified minima, and networks unfolded from them."""

from common.sparse.data import (
    bernoulli_samples,
    coded_samples,
    digits,
    gaussian_codes,
    gaussian_dictionary,
    image_patches,
    shrink,
)
from common.sparse.dictionaries import adverse_dictionary, haar_dictionary, learned_dictionary
from common.sparse.factorization import NETWORKS, FacNet, Factorization, LinearStart, start_network
from common.sparse.lasso import Lasso, soft_threshold, unit_lambda_max
from common.sparse.solvers import SOLVERS, Iterate, Optimum, iterations_to, optimum
from common.sparse.training import SCHEDULES, descend, train, train_growing
from common.sparse.unfolded import KINDS, Unfolded, analytic_weights

__all__ = [
    "KINDS",
    "NETWORKS",
    "SCHEDULES",
    "SOLVERS",
    "FacNet",
    "Factorization",
    "Iterate",
    "Lasso",
    "LinearStart",
    "Optimum",
    "Unfolded",
    "adverse_dictionary",
    "analytic_weights",
    "bernoulli_samples",
    "coded_samples",
    "descend",
    "digits",
    "gaussian_codes",
    "gaussian_dictionary",
    "haar_dictionary",
    "image_patches",
    "iterations_to",
    "learned_dictionary",
    "optimum",
    "shrink",
    "soft_threshold",
    "start_network",
    "train",
    "train_growing",
    "unit_lambda_max",
]
