"""Stochastic bilevel optimisation: problems with exact hypergradients, solvers that count calls.

Simulated problems and those made of digits are in `common.bilevel.examples`, the choice of steps in
`common.bilevel.study`.
"""

from common.bilevel.problems import Cleaning, Logistic, Quadratic, QuadraticSamples
from common.bilevel.solvers import CONSTANT, SOLVERS, Run, solve, step_bound

__all__ = [
    "CONSTANT",
    "SOLVERS",
    "Cleaning",
    "Logistic",
    "Quadratic",
    "QuadraticSamples",
    "Run",
    "solve",
    "step_bound",
]
