"""Sliced-Wasserstein features of distributions, and estimators that learn from them.

One sample of these scikit-learn estimators is a *distribution*: a set of covariances, such as those
of all epochs of one subject. ``X`` is a sequence of arrays of shape (n_i, n_channels, n_channels),
or one array of shape (n_distributions, n, n_channels, n_channels).
"""

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
    clone,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted

from common import validation
from common.spd._checks import check_count
from common.spd.kernels import check_distributions
from common.spd.projections import draw_projections

__all__ = [
    "EachDistribution",
    "SlicedWassersteinClassifier",
    "SlicedWassersteinFeatures",
    "SlicedWassersteinRegressor",
]

_QUANTILES = ("midpoint", "linspace")


class SlicedWassersteinFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Vectors whose Euclidean distance approximates a sliced-Wasserstein distance of order 2.

    .. math:: \Phi(\mu) = \frac{1}{\sqrt{L M}}
              \Big( F^{-1}_{t^{A_l}_\# \mu}(t_m) \Big)_{l \le L,\, m \le M}, \qquad
              \|\Phi(\mu) - \Phi(\nu)\|^2 \approx \mathrm{SPDSW}_2^2(\mu, \nu),

    with L random lines and M levels :math:`t_m` of the quantile function on each, which turns the
    integral over levels into a mean. The Gaussian kernel of scikit-learn on these features is that
    of `common.spd.kernels.kernel_matrix`, at a cost that is linear in the number of distributions.

    Parameters
    ----------
    distance : {"spdsw", "logsw", "sw", "hspdsw"}, default="spdsw"
    n_projections : int, default=500
    n_quantiles : int, default=20
    quantiles : {"midpoint", "linspace"}, default="midpoint"
        Levels :math:`(m - 1/2) / M`, or M levels from 0 to 1. Midpoints are exact when M is the
        number of matrices of all distributions or a multiple of it, and otherwise miss little. The
        levels 0 and 1 are the extreme matrices, which weigh too much then: distances come out too
        large, with 20 levels often by some ten per cent.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the directions.

    Attributes
    ----------
    projections_ : common.spd.projections.Projections
    n_channels_in_ : int

    References
    ----------
    .. [1] C. Bonet et al., "Sliced-Wasserstein on Symmetric Positive Definite Matrices for M/EEG
       Signals", ICML 2023, arXiv:2303.05798.

    Examples
    --------
    >>> X = np.eye(2) * np.arange(1, 13).reshape(3, 4, 1, 1)
    >>> SlicedWassersteinFeatures(n_projections=5, random_state=0).fit_transform(X).shape
    (3, 100)
    """

    def __init__(
        self,
        *,
        distance="spdsw",
        n_projections=500,
        n_quantiles=20,
        quantiles="midpoint",
        random_state=None,
    ):
        self.distance = distance
        self.n_projections = n_projections
        self.n_quantiles = n_quantiles
        self.quantiles = quantiles
        self.random_state = random_state

    def fit(self, X, y=None):
        """Draw the directions; nothing is learned from X but the number of channels.

        Parameters
        ----------
        X : sequence of ndarray, each of shape (n_i, n_channels, n_channels)
        y : None
            Ignored.

        Returns
        -------
        self : SlicedWassersteinFeatures
        """
        self._fit(check_distributions(X, name="X"))
        return self

    def transform(self, X):
        """Features of distributions.

        Parameters
        ----------
        X : sequence of ndarray, each of shape (n_i, n_channels, n_channels)

        Returns
        -------
        features : ndarray, shape (n_distributions, n_projections * n_quantiles)

        Raises
        ------
        ValueError
            If an element of X is no set of symmetric positive definite matrices of the size that
            `fit` saw.
        """
        check_is_fitted(self)
        return self._transform(check_distributions(X, name="X"))

    def fit_transform(self, X, y=None):
        """Draw the directions and return the features; see `fit` and `transform`."""
        X = check_distributions(X, name="X")
        self._fit(X)
        return self._transform(X)

    def __sklearn_tags__(self):
        """A sample is a set of matrices."""
        return _without_table(super().__sklearn_tags__())

    @property
    def _n_features_out(self):
        return len(self.projections_) * self.n_quantiles

    def _fit(self, X):
        check_count(self.n_quantiles, name="n_quantiles")
        if self.quantiles not in _QUANTILES:
            raise ValueError(
                f"quantiles must be one of {list(_QUANTILES)}, got {self.quantiles!r}."
            )
        if self.quantiles == "linspace" and self.n_quantiles < 2:
            raise ValueError("n_quantiles must be at least 2 for quantiles='linspace', got 1.")
        self.n_channels_in_ = X[0].shape[-1]
        self.projections_ = draw_projections(
            self.distance,
            self.n_projections,
            self.n_channels_in_,
            rng=np.random.default_rng(self.random_state),
        )

    def _transform(self, X):
        if X[0].shape[-1] != self.n_channels_in_:
            raise ValueError(
                f"X holds matrices of {X[0].shape[-1]} channels, but this "
                f"{type(self).__name__} was fitted on {self.n_channels_in_}."
            )
        features = np.empty((len(X), len(self.projections_), self.n_quantiles))
        for k, matrices in enumerate(X):
            embedded = self.projections_.embed(matrices, name=f"X[{k}]")
            coordinates = np.sort(self.projections_.project(embedded), axis=1)
            features[k] = coordinates[:, self._ranks(len(matrices))]
        return features.reshape(len(X), -1) / np.sqrt(features[0].size)

    def _ranks(self, n):
        """Ranks, from 0, of the levels in a sample of n: ceil(n t) - 1, in integers."""
        m = np.arange(self.n_quantiles)
        if self.quantiles == "midpoint":
            return -(-(2 * m + 1) * n // (2 * self.n_quantiles)) - 1
        return np.maximum(-(-m * n // (self.n_quantiles - 1)) - 1, 0)


class _KernelEstimator(BaseEstimator):
    """What the regressor and the classifier share: features and the width of the kernel."""

    def __sklearn_tags__(self):
        """A sample is a set of matrices."""
        return _without_table(super().__sklearn_tags__())

    def _fit_features(self, X):
        if self.gamma != "median" and not (
            isinstance(self.gamma, int | float | np.number) and 0 < self.gamma < np.inf
        ):
            raise ValueError(f'gamma must be positive or "median", got {self.gamma!r}.')
        self.features_ = SlicedWassersteinFeatures(
            distance=self.distance,
            n_projections=self.n_projections,
            n_quantiles=self.n_quantiles,
            random_state=self.random_state,
        )
        features = self.features_.fit_transform(X)
        self.gamma_ = self.gamma
        if self.gamma == "median":
            costs = pdist(features, "sqeuclidean")
            costs = costs[costs > 0]
            self.gamma_ = 1 / np.median(costs) if len(costs) else 1.0
        return features

    def _features(self, X):
        check_is_fitted(self)
        return self.features_.transform(X)


class SlicedWassersteinRegressor(RegressorMixin, _KernelEstimator):
    """Kernel ridge regression of a number on a distribution of SPD matrices.

    The kernel is Gaussian in `SlicedWassersteinFeatures`. Targets are centred, in the place of an
    intercept.

    Parameters
    ----------
    distance : {"spdsw", "logsw", "sw", "hspdsw"}, default="spdsw"
    n_projections : int, default=500
    n_quantiles : int, default=20
    gamma : float or "median", default="median"
        Of the kernel exp(-gamma d²); "median": one over the median d² of the training data.
    alpha : float, default=1.0
        Ridge.
    random_state : int, numpy.random.Generator or None, default=None

    Attributes
    ----------
    features_ : SlicedWassersteinFeatures
    gamma_ : float
    ridge_ : sklearn.kernel_ridge.KernelRidge
    mean_ : float
        Of the training targets.
    """

    def __init__(
        self,
        *,
        distance="spdsw",
        n_projections=500,
        n_quantiles=20,
        gamma="median",
        alpha=1.0,
        random_state=None,
    ):
        self.distance = distance
        self.n_projections = n_projections
        self.n_quantiles = n_quantiles
        self.gamma = gamma
        self.alpha = alpha
        self.random_state = random_state

    def fit(self, X, y):
        """Fit on distributions X and numbers y, shape (n_distributions,).

        Parameters
        ----------
        X : sequence of ndarray, each of shape (n_matrices_i, n_channels, n_channels)
        y : array_like, shape (n_distributions,)

        Returns
        -------
        self : SlicedWassersteinRegressor

        Raises
        ------
        TypeError, ValueError
            If ``y`` is no real, finite number, or masked; or as `SlicedWassersteinFeatures.fit`.
        """
        y = validation.array(y, "y").astype(np.float64)
        features = self._fit_features(X)
        self.mean_ = y.mean(axis=0)
        self.ridge_ = KernelRidge(kernel="rbf", gamma=self.gamma_, alpha=self.alpha)
        self.ridge_.fit(features, y - self.mean_)
        return self

    def predict(self, X):
        """Predicted numbers, shape (n_distributions,).

        Parameters
        ----------
        X : sequence of ndarray, each of shape (n_matrices_i, n_channels, n_channels)

        Returns
        -------
        y : ndarray, shape (n_distributions,)
        """
        features = self._features(X)
        return self.ridge_.predict(features) + self.mean_


class SlicedWassersteinClassifier(ClassifierMixin, _KernelEstimator):
    """Support-vector classification of distributions of SPD matrices.

    The kernel is Gaussian in `SlicedWassersteinFeatures`.

    Parameters
    ----------
    distance, n_projections, n_quantiles, gamma, random_state
        See `SlicedWassersteinRegressor`.
    C : float, default=1.0
        Inverse of the regularisation.

    Attributes
    ----------
    features_ : SlicedWassersteinFeatures
    gamma_ : float
    svc_ : sklearn.svm.SVC
    classes_ : ndarray
    """

    def __init__(
        self,
        *,
        distance="spdsw",
        n_projections=500,
        n_quantiles=20,
        gamma="median",
        C=1.0,
        random_state=None,
    ):
        self.distance = distance
        self.n_projections = n_projections
        self.n_quantiles = n_quantiles
        self.gamma = gamma
        self.C = C
        self.random_state = random_state

    def fit(self, X, y):
        """Fit on distributions X and labels y, shape (n_distributions,).

        Parameters
        ----------
        X : sequence of ndarray, each of shape (n_matrices_i, n_channels, n_channels)
        y : array_like, shape (n_distributions,)

        Returns
        -------
        self : SlicedWassersteinClassifier
        """
        features = self._fit_features(X)
        self.svc_ = SVC(kernel="rbf", gamma=self.gamma_, C=self.C).fit(features, y)
        self.classes_ = self.svc_.classes_
        return self

    def predict(self, X):
        """Predicted labels, shape (n_distributions,).

        Parameters
        ----------
        X : sequence of ndarray, each of shape (n_matrices_i, n_channels, n_channels)

        Returns
        -------
        y : ndarray, shape (n_distributions,)
        """
        features = self._features(X)
        return self.svc_.predict(features)

    def decision_function(self, X):
        """Decision values of the support-vector machine.

        Parameters
        ----------
        X : sequence of ndarray, each of shape (n_matrices_i, n_channels, n_channels)

        Returns
        -------
        values : ndarray, shape (n_distributions,) or (n_distributions, n_classes)
        """
        features = self._features(X)
        return self.svc_.decision_function(features)


class EachDistribution(TransformerMixin, BaseEstimator):
    """Apply a transformer to the samples of each distribution on their own.

    It stands before the estimators of this module in a pipeline. With
    ``pyriemann.estimation.Covariances()`` it maps the epochs of each subject, arrays of shape
    (n_epochs_i, n_channels, n_times), to their covariances.

    Parameters
    ----------
    transformer : estimator
        A clone of it is fitted to each distribution, in `transform` too, so it must learn nothing
        that has to be the same for all of them.

    Examples
    --------
    >>> from pyriemann.estimation import Covariances
    >>> from sklearn.pipeline import make_pipeline
    >>> model = make_pipeline(EachDistribution(Covariances("oas")), SlicedWassersteinRegressor())
    """

    def __init__(self, transformer):
        self.transformer = transformer

    def fit(self, X, y=None):
        """Do nothing: what there is to fit is fitted to each distribution in `transform`.

        Parameters
        ----------
        X : sequence
            Not used.
        y : object, optional
            Not used.

        Returns
        -------
        self : EachDistribution
        """
        return self

    def transform(self, X):
        """Transform each distribution.

        Parameters
        ----------
        X : sequence of array

        Returns
        -------
        transformed : list of array
        """
        return [clone(self.transformer).fit_transform(samples) for samples in X]

    def __sklearn_is_fitted__(self):
        """Nothing is learned."""
        return True

    def __sklearn_tags__(self):
        """A sample is a set of samples."""
        tags = _without_table(super().__sklearn_tags__())
        tags.requires_fit = False
        return tags


def _without_table(tags):
    tags.input_tags.two_d_array = False
    return tags
