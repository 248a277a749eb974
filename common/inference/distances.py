r"""Distances between samples of a posterior and what they should be.

In one dimension the squared 2-Wasserstein distance is the mean squared difference of quantile
functions. To a single point t it is

.. math:: W_2^2(p, \delta_t) = \operatorname{Var}_p + (\operatorname{E}_p - t)^2.
"""

import numpy as np

from common import validation

__all__ = ["squared_distance", "squared_distance_to_truth"]


def squared_distance_to_truth(samples, truth):
    """Squared 2-Wasserstein distance of each margin to the true value.

    Parameters
    ----------
    samples : array_like, shape (..., n_samples, n_parameters)
    truth : array_like, shape (..., n_parameters)

    Returns
    -------
    distances : ndarray, shape (..., n_parameters)
        In the squared unit of each parameter.

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, or shapes do not fit.
    """
    samples = validation.array(samples, "samples")
    truth = validation.array(truth, "truth")
    expected = (*samples.shape[:-2], samples.shape[-1]) if samples.ndim >= 2 else None
    if truth.shape != expected:
        raise ValueError(
            f"samples of shape {samples.shape} need a truth of shape {expected}, got {truth.shape}."
        )
    return samples.var(axis=-2) + (samples.mean(axis=-2) - truth) ** 2


def squared_distance(samples, quantile):
    r"""Squared 2-Wasserstein distance between samples and a distribution on the line.

    The i-th of n sorted samples is compared with the quantile at :math:`(i + 1/2) / n`.

    Parameters
    ----------
    samples : array_like, shape (n_samples,)
    quantile : callable
        Quantile function of the distribution, of an array of levels.

    Returns
    -------
    distance : float

    Raises
    ------
    TypeError, ValueError
        If a sample is not finite.
    """
    samples = np.sort(validation.vector(samples, "samples"))
    levels = (np.arange(len(samples)) + 0.5) / len(samples)
    return float(np.mean((samples - quantile(levels)) ** 2))
