"""Gradients of functions defined as a minimum: analytic, automatic and implicit estimates.

Stochastic gradient descent is a module of its own, because it is compiled:
``from common.implicit import stochastic``.
"""

from common.implicit.barycenter import barycenter_loss, barycenter_path
from common.implicit.descent import gradient_descent
from common.implicit.estimators import analytic, automatic, implicit, jacobian, minimizer
from common.implicit.problems import Logistic, PNorm, Ridge
from common.implicit.sinkhorn import GRADIENTS, EntropicDual, sinkhorn_path, weight_gradients

__all__ = [
    "GRADIENTS",
    "EntropicDual",
    "Logistic",
    "PNorm",
    "Ridge",
    "analytic",
    "automatic",
    "barycenter_loss",
    "barycenter_path",
    "gradient_descent",
    "implicit",
    "jacobian",
    "minimizer",
    "sinkhorn_path",
    "weight_gradients",
]
