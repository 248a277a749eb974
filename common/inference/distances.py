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
        If a value is not finite, shapes do not fit, or a square is no number.
    """
    samples = validation.array(samples, "samples")
    truth = validation.array(truth, "truth")
    expected = (*samples.shape[:-2], samples.shape[-1]) if samples.ndim >= 2 else None
    if truth.shape != expected:
        raise ValueError(
            f"samples of shape {samples.shape} need a truth of shape {expected}, got {truth.shape}."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        found = samples.var(axis=-2) + (samples.mean(axis=-2) - truth) ** 2
    if not np.isfinite(found).all():
        raise ValueError(
            f"samples up to {np.abs(samples).max():g} and a truth up to {np.abs(truth).max():g} "
            f"have squares that are no numbers in {found.dtype}. Choose another unit."
        )
    return found


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
        If a sample is not finite, ``quantile`` does not give a finite number for each level, or a
        square is no number.
    """
    samples = np.sort(validation.vector(samples, "samples"))
    levels = (np.arange(len(samples)) + 0.5) / len(samples)
    wanted = validation.vector(quantile(levels), "quantile(levels)")
    validation.same_length(**{"levels": levels, "quantile(levels)": wanted})
    with np.errstate(over="ignore"):
        found = float(np.mean((samples - wanted) ** 2))
    if not np.isfinite(found):
        raise ValueError(
            f"samples up to {np.abs(samples).max():g} and quantiles up to {np.abs(wanted).max():g} "
            "have differences whose squares are no numbers. Choose another unit."
        )
    return found
