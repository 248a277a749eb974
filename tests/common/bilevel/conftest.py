"""Small problems of the three kinds."""

import numpy as np
import pytest

from common.bilevel import Cleaning, Logistic
from common.bilevel.examples import quadratic


def make(kind):
    """A problem, and a point in general position."""
    rng = np.random.default_rng(7)
    if kind == "quadratic":
        problem = quadratic(rng=rng, n=24, m=12, n_inner=3, n_outer=2, cross=0.3).problem
    else:
        D, D_out = rng.standard_normal((24, 3)), rng.standard_normal((12, 3))
        if kind == "logistic":
            labels = rng.choice([-1, 1], 36)
            problem = Logistic(D, labels[:24], D_out, labels[24:])
        else:
            labels = rng.integers(0, 4, 36)
            problem = Cleaning(D, labels[:24], D_out, labels[24:], n_classes=4)
    z = rng.standard_normal(problem.n_inner)
    return problem, z, rng.standard_normal(problem.n_outer)


@pytest.fixture(params=["quadratic", "logistic", "cleaning"])
def case(request):
    return make(request.param)
