"""A source and a target domain, and what makes one."""

from typing import NamedTuple

import numpy as np

__all__ = [
    "SOURCE_LABEL", "TARGET_LABEL", "DomainPair", "merge", "of_parts", "principal",
    "subsample", "tangent_space",
]  # fmt: skip

SOURCE_LABEL, TARGET_LABEL = 1, -2  # skada's own: positive for a source, negative for a target


class DomainPair(NamedTuple):
    """A source and a target domain, all labels known.

    Attributes
    ----------
    X : ndarray, shape (n_samples, n_features)
        Rows of the source, then those of the target.
    y : ndarray of int, shape (n_samples,)
        Index into ``classes``.
    sample_domain : ndarray of int, shape (n_samples,)
        1 in the source, -2 in the target.
    source, target : str
        Names of the two domains.
    classes : tuple of str
    """

    X: np.ndarray
    y: np.ndarray
    sample_domain: np.ndarray
    source: str
    target: str
    classes: tuple


def merge(X_source, y_source, X_target, y_target, source, target, classes):
    """Two domains as one `DomainPair`: the source's rows first, then the target's.

    Parameters
    ----------
    X_source, X_target : ndarray, shape (n_samples_of_the_domain, ...)
    y_source, y_target : ndarray of int, shape (n_samples_of_the_domain,)
    source, target : str
    classes : tuple of str

    Returns
    -------
    pair : DomainPair
    """
    labels = np.repeat([SOURCE_LABEL, TARGET_LABEL], [len(y_source), len(y_target)])
    X, y = np.concatenate([X_source, X_target]), np.concatenate([y_source, y_target])
    return DomainPair(X, y, labels, source, target, tuple(classes))


def subsample(pair, *, n_samples, rng):
    """At most ``n_samples`` random rows of each domain, in the pair's order.

    Parameters
    ----------
    pair : DomainPair
    n_samples : int
        At least 1.
    rng : numpy.random.Generator

    Returns
    -------
    pair : DomainPair
        Unchanged where both domains are that small. Rows are drawn without looking at labels.
    """
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples}.")
    keep = []
    for label in (SOURCE_LABEL, TARGET_LABEL):
        rows = np.flatnonzero(pair.sample_domain == label)
        if len(rows) > n_samples:
            rows = np.sort(rng.choice(rows, n_samples, replace=False))
        keep.append(rows)
    keep = np.concatenate(keep)
    return pair._replace(X=pair.X[keep], y=pair.y[keep], sample_domain=pair.sample_domain[keep])


def tangent_space(trials):
    """Trials as tangent vectors at the mean of their covariances.

    Covariances are shrunk (oracle approximating shrinkage, OAS); the affine-invariant mean is
    taken over all trials, of both domains.

    Parameters
    ----------
    trials : ndarray, shape (n_trials, n_channels, n_times)

    Returns
    -------
    X : ndarray, shape (n_trials, n_channels * (n_channels + 1) / 2)
        The unit of the signal does not matter.
    """
    from pyriemann.estimation import Covariances
    from pyriemann.tangentspace import TangentSpace

    return TangentSpace().fit_transform(Covariances("oas").fit_transform(trials))


def of_parts(X, y, parts, source, target, classes):
    """Pair of two subsets of the rows."""
    chosen, other = parts
    return merge(X[chosen], y[chosen], X[other], y[other], source, target, classes)


def principal(X, n_components, *, whiten):
    """Principal components of all rows, shape (n_samples, n_components)."""
    from sklearn.decomposition import PCA

    return PCA(n_components, whiten=whiten, svd_solver="full").fit_transform(X)
