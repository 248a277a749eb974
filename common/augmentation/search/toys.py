r"""Problems on which both estimators of a search are compared with exact gradients.

**Unrolled step.** A logistic regression with two weights; the augmentation adds
:math:`\alpha \odot d` to each training example, with two parameters :math:`\alpha`.

**Discrete draws.** One stage with M programs of one operation each. The function f has a value for
each of the 2 M outcomes, so that its expectation, and the gradient of it, is a sum of 2 M terms.
"""

import numpy as np
import pandas as pd
import torch

from common import validation
from common.augmentation.search.relax import ControlVariate, draw, reinforce, relax
from common.augmentation.search.unrolled import difference_gradient, exact_gradient

__all__ = ["compare_estimators", "compare_unrolled", "expected_gradient"]


def compare_unrolled(*, radii, n_problems, step=0.1, rng):
    """Relative error of the gradient by finite differences, in double precision.

    Parameters
    ----------
    radii : sequence of float
        Of the finite differences.
    n_problems : int
        Logistic regressions, drawn at random.
    step : float, default=0.1
        Xi.
    rng : numpy.random.Generator

    Returns
    -------
    errors : pandas.DataFrame
        ``radius``, ``problem``, ``error``: norm of the difference over that of the exact gradient.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range.
    """
    rng = validation.generator(rng)
    radii = validation.vector(radii, "radii", above=0).tolist()
    rows = []
    for problem in range(validation.count(n_problems, "n_problems")):
        X, other, moves = (torch.from_numpy(rng.standard_normal((40, 2))) for _ in range(3))
        y, labels = (torch.from_numpy(rng.choice([-1.0, 1.0], 40)) for _ in range(2))
        theta, alpha = (torch.from_numpy(rng.standard_normal(2)) for _ in range(2))

        def train_loss(theta, alpha, X=X, y=y, moves=moves):
            return torch.log1p(torch.exp(-y * ((X + alpha * moves) @ theta))).mean()

        def valid_loss(theta, X=other, y=labels):
            return torch.log1p(torch.exp(-y * (X @ theta))).mean()

        both = (train_loss, valid_loss, theta, alpha)
        exact = exact_gradient(*both, step=step)
        for radius in radii:
            found = difference_gradient(*both, step=step, radius=radius)
            error = float((found - exact).norm() / exact.norm())
            rows.append({"radius": radius, "problem": problem, "error": error})
    return pd.DataFrame(rows)


def expected_gradient(values, logits, probabilities):
    """Gradient of the expectation of a function of one stage, by enumeration.

    Parameters
    ----------
    values : Tensor, shape (n_programs, 2)
        f of each program, not applied and applied.
    logits, probabilities : Tensor, shape (n_programs,)

    Returns
    -------
    gradient : tuple of Tensor, shape (n_programs,)
        With respect to logits and probabilities.
    """
    at = logits.detach().requires_grad_(), probabilities.detach().requires_grad_()
    chosen = torch.softmax(at[0], 0)
    mean = (chosen * ((1 - at[1]) * values[:, 0] + at[1] * values[:, 1])).sum()
    return torch.autograd.grad(mean, at)


def compare_estimators(*, n_draws, n_fitting, n_programs=4, rng):
    """Mean and variance of RELAX and of the score-function estimate, beside the exact gradient.

    Parameters
    ----------
    n_draws : int
        Two or more.
    n_fitting : int
        Steps in which the control variate learns, on other draws, before it is frozen.
    n_programs : int, default=4
    rng : numpy.random.Generator

    Returns
    -------
    estimates : pandas.DataFrame
        ``estimator``, ``parameter`` (``"logit"`` or ``"probability"``), ``program``, ``exact``,
        ``mean``, ``variance`` of one draw, and ``z``, the error of the mean in standard errors.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range.
    """
    rng = validation.generator(rng)
    n_draws = validation.count(n_draws, "n_draws", at_least=2)
    n_fitting = validation.count(n_fitting, "n_fitting", at_least=0)
    n_programs = validation.count(n_programs, "n_programs")
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    values = torch.from_numpy(rng.standard_normal((n_programs, 2)))
    logits = torch.from_numpy(rng.standard_normal(n_programs))
    probabilities = torch.from_numpy(rng.uniform(0.2, 0.8, n_programs))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**62)))
        control = ControlVariate(1, n_programs, 1).double()

    def sample(n):
        many = logits.expand(n, 1, -1), probabilities[:, None].expand(n, 1, -1, 1)
        draws = draw(*many, generator=generator)
        return values[draws.chosen[:, 0], draws.applied[:, 0, 0].long()], *many, draws

    optimizer = torch.optim.Adam(control.parameters(), lr=0.02)
    for _ in range(n_fitting):
        spread = sum(one.square().sum() for one in relax(*sample(100), control)) / 100
        optimizer.zero_grad()
        spread.backward()
        optimizer.step()
    batch = sample(n_draws)
    estimates = {"relax": relax(*batch, control), "reinforce": reinforce(*batch)}
    exact = expected_gradient(values, logits, probabilities)
    rows = []
    for estimator, gradients in estimates.items():
        for parameter, found, truth in zip(("logit", "probability"), gradients, exact, strict=True):
            found, truth = found.detach().reshape(n_draws, -1).numpy(), truth.numpy()
            mean, variance = found.mean(0), found.var(0, ddof=1)
            z = (mean - truth) / np.sqrt(variance / n_draws)
            for i in range(n_programs):
                rows.append((estimator, parameter, i, truth[i], mean[i], variance[i], z[i]))
    columns = ["estimator", "parameter", "program", "exact", "mean", "variance", "z"]
    return pd.DataFrame(rows, columns=columns)
