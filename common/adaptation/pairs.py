"""A source and a target domain, and what makes one."""

from typing import NamedTuple

import numpy as np

from common import validation

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

    Raises
    ------
    TypeError
        If labels are not whole numbers, or samples no real ones.
    ValueError
        If a domain has another number of labels than of samples, or its tables of pandas name rows
        in another order; if samples of the two differ in shape, one is masked or not finite, or a
        label is masked or no index into ``classes``.
    """
    validation.same_rows(X_source=X_source, y_source=y_source)
    validation.same_rows(X_target=X_target, y_target=y_target)
    X_source, X_target = (
        validation.array(X, f"X_{role}") for X, role in ((X_source, "source"), (X_target, "target"))
    )
    y_source = validation.labels(y_source, "y_source")
    y_target = validation.labels(y_target, "y_target")
    validation.same_length(X_source=X_source, y_source=y_source)
    validation.same_length(X_target=X_target, y_target=y_target)
    if X_source.shape[1:] != X_target.shape[1:]:
        raise ValueError(
            f"samples of X_source and X_target must have one shape, got {X_source.shape[1:]} and "
            f"{X_target.shape[1:]}."
        )
    for name, y in (("y_source", y_source), ("y_target", y_target)):
        if not np.issubdtype(y.dtype, np.integer):
            raise TypeError(f"{name} must hold whole numbers, got {y.dtype}: {y[:5]}.")
        if y.min() < 0 or y.max() >= len(classes):
            raise ValueError(
                f"{name} has labels {y.min()} to {y.max()}, but there are {len(classes)} classes, "
                f"0 to {len(classes) - 1}."
            )
    domains = np.repeat([SOURCE_LABEL, TARGET_LABEL], [len(y_source), len(y_target)])
    X = np.concatenate([X_source, X_target])
    y = np.concatenate([y_source, y_target]).astype(np.int64)
    return DomainPair(X, y, domains, source, target, tuple(classes))


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
    n_samples = validation.count(n_samples, "n_samples")
    validation.generator(rng)
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

    Raises
    ------
    ValueError
        If a value is not finite, or there are not three axes.
    """
    trials = validation.array(trials, "trials", ndim=3)
    from pyriemann.estimation import Covariances
    from pyriemann.tangentspace import TangentSpace

    return TangentSpace().fit_transform(Covariances("oas").fit_transform(trials))


def of_parts(X, y, parts, source, target, classes):
    """Pair of two subsets of the rows.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_features)
    y : ndarray, shape (n_samples,)
    parts : tuple of two index arrays
        Rows of the source, and of the target.
    source, target : str
        Names of the domains.
    classes : sequence of str
        As in `merge`.

    Returns
    -------
    pair : DomainPair
    """
    chosen, other = parts
    return merge(X[chosen], y[chosen], X[other], y[other], source, target, classes)


def principal(X, n_components, *, whiten):
    """Principal components of all rows, shape (n_samples, n_components).

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_features)
    n_components : int
    whiten : bool
        Scale each component to unit variance.

    Returns
    -------
    components : ndarray, shape (n_samples, n_components)
    """
    from sklearn.decomposition import PCA

    return PCA(n_components, whiten=whiten, svd_solver="full").fit_transform(X)
