"""A simulated cohort: distributions of covariance matrices that change with age."""

from typing import NamedTuple

import numpy as np
import scipy.linalg

from common.spd._checks import check_rng

__all__ = ["Cohort", "simulate_cohort"]

AGE_RANGE = (18.5, 88.9)
"""Youngest and oldest subject, in years: those of Cam-CAN."""

_N_TIMES = 400  # independent samples behind the covariance of one epoch
_EFFECT = 0.35  # of one standard deviation of age on the log power of a source that ages
_SUBJECT = 0.30  # standard deviation of log power between subjects of one age
_EPOCH = 0.50  # and between epochs of one subject
_ANATOMY = 0.08  # spread of the rotation by which a subject's mixing differs from the common one
_NOISE = 0.05  # power of the sensors' own noise, that of a source being about 1


class Cohort(NamedTuple):
    """Epochs of many subjects as covariance matrices.

    Attributes
    ----------
    covariances : ndarray, shape (n_subjects, n_bands, n_epochs, n_channels, n_channels)
        Unit 1: a source has a power of about 1.
    ages : ndarray, shape (n_subjects,)
        In years.
    """

    covariances: np.ndarray
    ages: np.ndarray


def simulate_cohort(n_subjects, *, n_epochs, n_channels, n_bands, rng):
    r"""Simulate a cohort in which source power depends on age.

    The generative model of regression on M/EEG power [1]_, with epochs that differ: in band b,
    epoch e of subject i has the covariance

    .. math::

        C_{ibe} = \tfrac1T \sum_{t=1}^{T} x_t x_t^\top, \quad
        x_t \sim \mathcal N(0,\; A_{ib} \operatorname{diag}(p_{ibe}) A_{ib}^\top + \sigma^2 I),
        \quad \log p_{ibek} = w_{bk} z_i + u_{ibk} + s_{ik} v_{ibek}.

    z is the standardised age, u what a subject differs by, v what an epoch differs by. Age acts on
    the mean of the log power of a third of the sources (w), and on how much another third varies
    from epoch to epoch (:math:`\log s_{ik} = w_{bk} z_i`): the mean covariance tells of the first,
    the distribution of covariances of both. :math:`A_{ib}` is an orthogonal mixing that subjects
    share up to a small rotation.

    Parameters
    ----------
    n_subjects, n_epochs, n_channels, n_bands : int
        At least 1; ``n_channels`` at least 3, so that each kind of source exists.
    rng : numpy.random.Generator

    Returns
    -------
    cohort : Cohort

    Raises
    ------
    ValueError
        If a number is too small, or ``rng`` is no generator.

    References
    ----------
    .. [1] D. Sabbagh et al., "Manifold-regression to predict from MEG/EEG brain signals without
       source modeling", NeurIPS 2019, arXiv:1906.02687.
    """
    smallest = {"n_subjects": 1, "n_epochs": 1, "n_channels": 3, "n_bands": 1}
    given = (n_subjects, n_epochs, n_channels, n_bands)
    for (name, least), value in zip(smallest.items(), given, strict=True):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}.")
    check_rng(rng)
    ages = rng.uniform(*AGE_RANGE, n_subjects)
    z = (ages - np.mean(AGE_RANGE)) / (np.diff(AGE_RANGE)[0] / np.sqrt(12))
    third = n_channels // 3
    signs = rng.choice([-1.0, 1.0], size=(n_bands, n_channels))
    covariances = np.empty((n_subjects, n_bands, n_epochs, n_channels, n_channels))
    for band in range(n_bands):
        common = _rotations(rng.standard_normal((1, n_channels, n_channels)))
        turned = _rotations(_ANATOMY * rng.standard_normal((n_subjects, n_channels, n_channels)))
        mixing = turned @ common
        effect = _EFFECT * signs[band] * z[:, None]
        level, spread = effect.copy(), effect.copy()
        level[:, third:] = 0.0
        spread[:, :third] = spread[:, 2 * third :] = 0.0
        level += _SUBJECT * rng.standard_normal((n_subjects, n_channels))
        epochs = rng.standard_normal((n_subjects, n_epochs, n_channels))
        power = np.exp(level[:, None] + _EPOCH * np.exp(spread)[:, None] * epochs)
        factors = mixing[:, None] * np.sqrt(power)[:, :, None]
        for subject in range(n_subjects):
            sources = rng.standard_normal((n_epochs, n_channels, _N_TIMES))
            x = factors[subject] @ sources
            x += np.sqrt(_NOISE) * rng.standard_normal(x.shape)
            covariances[subject, band] = x @ np.swapaxes(x, -1, -2) / _N_TIMES
    return Cohort(covariances, ages)


def _rotations(matrices):
    """Rotations, the exponentials of the antisymmetric parts."""
    return scipy.linalg.expm((matrices - np.swapaxes(matrices, -1, -2)) / np.sqrt(2))
