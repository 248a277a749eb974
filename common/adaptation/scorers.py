r"""Scores that judge an adapted classifier without labels of the target, from its predictions.

A scorer is a function of `Outputs`: what one fitted classifier says about the held-out part of one
inner split. Scorers are therefore cheap, are computed for all points of a grid at once (the first
axis of what they take), and a new one needs no new fit. Higher is better, always.

Two of them are the deep embedded validation of You et al. (2019) [3]_. With weights
:math:`w_i \propto p(\text{target} \mid x_i) / p(\text{source} \mid x_i)` and losses
:math:`\ell_i` on held-out source samples it estimates the target's risk with a control variate,

.. math:: \frac1n \sum_i w_i \ell_i + \eta \frac1n \sum_i w_i - \eta, \qquad
          \eta = - \frac{\operatorname{cov}(w \ell, w)}{\operatorname{var}(w)}.

In skada up to 0.6.0 the weights are a column and the losses a row, so that their product is the
:math:`n \times n` table :math:`w_i \ell_j`: its mean is
:math:`\bar w \bar \ell`, and the covariance is that of its first two columns. The published
numbers were computed so; ``"deep-embedded-validation-skada"`` reproduces it, for comparison only.

References
----------
.. [1] M. Sugiyama et al., "Covariate Shift Adaptation by Importance Weighted Cross Validation",
   JMLR 8, 2007.
.. [2] P. Morerio et al., "Minimal-Entropy Correlation Alignment for Unsupervised Deep
   Domain Adaptation", ICLR 2018.
.. [3] K. You et al., "Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation",
   ICML 2019.
.. [4] K. Saito et al., "Tune it the Right Way: Unsupervised Validation of Domain Adaptation via
   Soft Neighborhood Density", ICCV 2021.
.. [5] L. Bruzzone, M. Marconcini, "Domain Adaptation Problems: A DASVM Classification Technique and
   a Circular Validation Strategy", IEEE TPAMI 32(5), 2010.
.. [6] D. Hu et al., "Mixed Samples as Probes for Unsupervised Model Selection in Domain
   Adaptation", NeurIPS 2023.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from common import validation

__all__ = ["LABELS", "ORACLE", "SCORERS", "Outputs", "judged", "score"]

ORACLE = "supervised"
"""The scorer that sees the target's labels."""

SND_TEMPERATURE = 0.05


class Outputs(NamedTuple):
    """What classifiers, one a grid point, say about the held-out part of one inner split.

    Attributes
    ----------
    source_labels : ndarray of int, shape (n_source,)
    source_predictions : ndarray of int, shape (n_points, n_source)
    source_probabilities : ndarray, shape (n_points, n_source, n_classes)
    target_labels : ndarray of int, shape (n_target,)
        Read by the supervised scorer only.
    target_predictions : ndarray of int, shape (n_points, n_target)
    target_probabilities : ndarray, shape (n_points, n_target, n_classes)
    density_ratio : ndarray, shape (n_source,)
        Target over source density of the samples, by kernel density estimates; sums to 1.
    mix_partner : ndarray of int, shape (n_target,)
        The target sample that each one is mixed with.
    mix_predictions : ndarray of int, shape (n_points, n_target)
        Of the mixtures, ``MIX_WEIGHT`` parts of the sample itself.
    validation : ndarray of int, shape (n_validation,)
        The source samples on which deep embedded validation measures the loss.
    domain_ratio : ndarray, shape (n_points, n_validation)
        Their weights in it, from a classifier of domains on the adapted features.
    domain_ratio_skada : ndarray, shape (n_points, n_validation)
        As skada computes them: features of the source are taken as if they were the target's.
    circular_predictions : ndarray of int, shape (n_points, n_source)
        Labels that come back on the source from a classifier fitted the other way round, on the
        target with its predicted labels.
    """

    source_labels: np.ndarray
    source_predictions: np.ndarray
    source_probabilities: np.ndarray
    target_labels: np.ndarray
    target_predictions: np.ndarray
    target_probabilities: np.ndarray
    density_ratio: np.ndarray
    mix_partner: np.ndarray
    mix_predictions: np.ndarray
    validation: np.ndarray
    domain_ratio: np.ndarray
    domain_ratio_skada: np.ndarray
    circular_predictions: np.ndarray


def score(name, outputs):
    """Score of every grid point.

    Parameters
    ----------
    name : str
        A key of `SCORERS`.
    outputs : Outputs

    Returns
    -------
    scores : ndarray, shape (n_points,)
        Higher is better; NaN where the scorer is not defined, such as mixing within classes when no
        pair has one class.

    Raises
    ------
    ValueError
        If there is no such scorer, with the nearest name.
    """
    return SCORERS[validation.choice(name, SCORERS, "scorer")](outputs)


def judged(names):
    """Those that the benchmark is about: all but one that is kept to compare with.

    Parameters
    ----------
    names : sequence of str
        Keys of `SCORERS`.

    Returns
    -------
    names : list of str
    """
    return [name for name in names if name != "deep-embedded-validation-skada"]


def _supervised(outputs):
    return np.mean(outputs.target_predictions == outputs.target_labels, axis=-1)


def _importance_weighted(outputs):
    correct = outputs.source_predictions == outputs.source_labels
    return correct @ outputs.density_ratio


def _prediction_entropy(outputs):
    p = outputs.target_probabilities
    logarithm = np.log(p, out=np.zeros_like(p), where=p > 0)
    return np.mean(p * logarithm, axis=(-2, -1))


def _soft_neighborhood_density(outputs):
    p = outputs.target_probabilities
    unit = p / np.linalg.norm(p, axis=-1, keepdims=True)
    scores = np.empty(len(p))
    for point, u in enumerate(unit):  # one at a time: n_target² entries each
        similarity = u @ u.T / SND_TEMPERATURE
        np.fill_diagonal(similarity, -np.diag(similarity))
        near = softmax(similarity, axis=1)
        logarithm = np.log(near, out=np.zeros_like(near), where=near > 0)
        scores[point] = -np.mean(np.sum(near * logarithm, axis=1))
    return scores


def _losses(outputs):
    labels = outputs.source_labels[outputs.validation]
    p = outputs.source_probabilities[:, outputs.validation]
    chosen = np.take_along_axis(p, labels[None, :, None], axis=-1)[..., 0]
    return -np.log(np.clip(chosen, 1e-15, 1 - 1e-15))


def _deep_embedded_validation(outputs):
    weights, losses = outputs.domain_ratio, _losses(outputs)
    weighted = weights * losses
    mean = weights.mean(axis=-1)
    centred = weights - mean[:, None]
    n = weights.shape[-1] - 1
    variance = np.sum(centred**2, axis=-1) / n
    covariance = np.sum(centred * weighted, axis=-1) / n
    # The mean of equal weights is rounded: what then is left of the variance is no control variate.
    varies = variance > (1e-12 * mean) ** 2
    eta = -np.divide(covariance, variance, out=np.zeros_like(variance), where=varies)
    return -(weighted.mean(axis=-1) + eta * mean - eta)


def _deep_embedded_validation_skada(outputs):
    weights, losses = outputs.domain_ratio_skada, _losses(outputs)
    variance = np.var(weights, axis=-1, ddof=1)
    covariance = losses[:, 0] * losses[:, 1] * variance
    eta = -np.divide(covariance, variance, out=np.zeros_like(variance), where=variance > 0)
    mean = weights.mean(axis=-1)
    return -(mean * losses.mean(axis=-1) + eta * mean - eta)


def _circular_validation(outputs):
    correct = outputs.circular_predictions == outputs.source_labels
    classes = np.unique(outputs.source_labels)
    recalls = [correct[:, outputs.source_labels == c].mean(axis=1) for c in classes]
    return np.mean(recalls, axis=0)  # balanced accuracy


def _mixed(outputs):
    same = outputs.target_predictions == outputs.target_predictions[:, outputs.mix_partner]
    kept = outputs.mix_predictions == outputs.target_predictions
    return _mean_where(kept, same), _mean_where(kept, ~same)


def _mean_where(values, where):
    n = where.sum(axis=-1)
    nothing = np.full(n.shape, np.nan)
    return np.divide((values & where).sum(axis=-1), n, out=nothing, where=n > 0)


def _mix_val_both(outputs):
    intra, inter = _mixed(outputs)
    return np.where(np.isnan(intra), inter, np.where(np.isnan(inter), intra, (intra + inter) / 2))


SCORERS = {
    ORACLE: _supervised,
    "importance-weighted": _importance_weighted,
    "deep-embedded-validation": _deep_embedded_validation,
    "deep-embedded-validation-skada": _deep_embedded_validation_skada,
    "prediction-entropy": _prediction_entropy,
    "soft-neighborhood-density": _soft_neighborhood_density,
    "circular-validation": _circular_validation,
    "mix-val-both": _mix_val_both,
    "mix-val-inter": lambda outputs: _mixed(outputs)[1],
    "mix-val-intra": lambda outputs: _mixed(outputs)[0],
}
"""Name to function of `Outputs`, giving one score a grid point."""

LABELS = {
    ORACLE: "Supervised",
    "importance-weighted": "IW",
    "deep-embedded-validation": "DEV",
    "deep-embedded-validation-skada": "DEV (skada)",
    "prediction-entropy": "PE",
    "soft-neighborhood-density": "SND",
    "circular-validation": "CircV",
    "mix-val-both": "MixVal both",
    "mix-val-inter": "MixVal inter",
    "mix-val-intra": "MixVal intra",
}
"""Name of each scorer as a figure shows it."""
