"""Calibration of posteriors: the rank of the truth among samples is uniform.

If truths are drawn from the prior and data from the simulator, the truth and samples of the
posterior given these data are exchangeable, so that the rank of the truth among n samples takes the
values 0 to n with equal probability [1]_.

References
----------
.. [1] S. Talts et al., "Validating Bayesian Inference Algorithms with Simulation-Based
   Calibration", arXiv:1804.06788, theorem 1.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from common import validation

__all__ = ["RankTest", "rank_test", "ranks"]


class RankTest(NamedTuple):
    """Result of a test of uniform ranks.

    Attributes
    ----------
    statistic : float
        Largest difference between the distribution of ranks and the uniform one.
    p : float
        Probability of such a difference, or a larger one, where ranks are uniform.
    """

    statistic: float
    p: float


def ranks(samples, truths):
    """How many samples lie below the truth.

    Parameters
    ----------
    samples : array_like, shape (n_truths, n_samples)
        Of one parameter.
    truths : array_like, shape (n_truths,)

    Returns
    -------
    ranks : ndarray of int, shape (n_truths,)
        0 to ``n_samples``.

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, or there is not one truth for each row.
    """
    samples = validation.array(samples, "samples", ndim=2)
    truths = validation.vector(truths, "truths")
    validation.same_length(samples=samples, truths=truths)
    return (samples < truths[:, None]).sum(axis=1)


def rank_test(found, n_samples, rng):
    """Kolmogorov's test of uniform ranks.

    A rank r becomes a number drawn uniformly from the r-th of ``n_samples + 1`` equal intervals:
    where ranks are uniform, these numbers are, whatever ``n_samples``.

    Parameters
    ----------
    found : array_like of int, shape (n_truths,)
        See `ranks`.
    n_samples : int
        Samples among which ranks were counted.
    rng : numpy.random.Generator

    Returns
    -------
    test : RankTest

    Raises
    ------
    TypeError, ValueError
        If a rank is no whole number between 0 and ``n_samples``.
    """
    n_samples = validation.count(n_samples, "n_samples")
    found = validation.vector(found, "found", at_least=0, at_most=n_samples)
    broken = np.flatnonzero(found != np.round(found))
    if len(broken):
        raise ValueError(
            f"found must hold whole numbers, got {found[broken[0]]:g} at index {broken[0]}. Pass "
            "ranks, not shares of the samples."
        )
    rng = validation.generator(rng)
    result = stats.kstest((found + rng.random(len(found))) / (n_samples + 1), "uniform")
    return RankTest(float(result.statistic), float(result.pvalue))
