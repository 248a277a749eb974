"""Scattering transforms as steps of scikit-learn pipelines: flat features, nothing to fit.

The names and options are those of the transforms of `common.scattering`; the filters are made when
the first signals come, and again when an option is set anew.
"""

import math

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import validate_data

import common.scattering as transforms
from common import validation

__all__ = ["HarmonicScattering3D", "Scattering1D", "Scattering2D"]


class _Transformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of the transformers, whose names and options are those of a transform."""

    _own = ("batch_size", "device")

    def fit(self, X, y=None):
        """Check the options and the size of the signals; nothing is learned.

        Parameters
        ----------
        X : array_like, shape (n_samples, *shape) or (n_samples, n_values)
        y : None
            Ignored.

        Returns
        -------
        self
        """
        self._transform()
        self._signals(X, reset=True)
        return self

    def transform(self, X):
        """Scattering coefficients of each signal, in one row.

        Parameters
        ----------
        X : array_like, shape (n_samples, *shape) or (n_samples, n_values)
            In single precision, that is kept; all else is computed in double precision.

        Returns
        -------
        features : ndarray, shape (n_samples, n_features_out)
        """
        transform = self._transform()
        X = self._signals(X, reset=not hasattr(self, "n_features_in_"))
        features = None
        for start in range(0, len(X), self.batch_size):
            some = torch.tensor(X[start : start + self.batch_size], device=self.device)
            with torch.no_grad():
                found = transform(some).flatten(1).cpu().numpy()
            if features is None:
                features = np.empty((len(X), found.shape[1]), dtype=X.dtype)
            features[start : start + len(found)] = found
        return features

    predict = transform

    def _transform(self):
        """The transform for the options as they are now."""
        validation.count(self.batch_size, "batch_size", at_least=1)
        options = {k: v for k, v in self.get_params().items() if k not in self._own}
        if getattr(self, "_built", (None,))[0] != options:
            self._built = options, getattr(transforms, type(self).__name__)(**options)
        return self._built[1]

    def _signals(self, X, *, reset):
        """Signals in their shape, in single or double precision."""
        shape = self._transform()._input_shape
        X = np.asarray(X)
        if X.ndim < 2 or (X.shape[1:] != shape and X.shape[1:] != (math.prod(shape),)):
            raise ValueError(
                f"X must have shape (n_samples, {', '.join(map(str, shape))}) or (n_samples, "
                f"{math.prod(shape)}), got {X.shape}."
            )
        X = validate_data(self, X.reshape(len(X), -1), reset=reset, dtype=[np.float64, np.float32])
        return X.reshape(-1, *shape)

    @property
    def _n_features_out(self):
        transform = self._transform()
        return transform(torch.zeros(1, *transform._input_shape)).numel()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class Scattering1D(_Transformer):
    """Scattering coefficients of one-dimensional signals, see `common.scattering.Scattering1D`.

    Parameters
    ----------
    J, shape, Q, T, max_order, oversampling
        Of the transform. Without averaging (``T=0``) there is no feature vector.
    batch_size : int, default=64
        Signals that are transformed at a time.
    device : str, default="cpu"
        Where.

    Examples
    --------
    >>> Scattering1D(J=4, shape=256).fit_transform(np.zeros((3, 256))).shape
    (3, 208)
    """

    def __init__(
        self,
        J,
        shape,
        Q=1,
        T=None,
        max_order=2,
        oversampling=0,
        *,
        batch_size=64,
        device="cpu",
    ):
        self.J = J
        self.shape = shape
        self.Q = Q
        self.T = T
        self.max_order = max_order
        self.oversampling = oversampling
        self.batch_size = batch_size
        self.device = device


class Scattering2D(_Transformer):
    """Scattering coefficients of images, see `common.scattering.Scattering2D`.

    Parameters
    ----------
    J, shape, L, max_order, pre_pad
        Of the transform.
    batch_size : int, default=64
        Images that are transformed at a time.
    device : str, default="cpu"
        Where.
    """

    def __init__(self, J, shape, L=8, max_order=2, pre_pad=False, *, batch_size=64, device="cpu"):
        self.J = J
        self.shape = shape
        self.L = L
        self.max_order = max_order
        self.pre_pad = pre_pad
        self.batch_size = batch_size
        self.device = device


class HarmonicScattering3D(_Transformer):
    """Scattering coefficients of volumes, see `common.scattering.HarmonicScattering3D`.

    Parameters
    ----------
    J, shape, L, sigma_0, max_order, rotation_covariant, method, points, integral_powers
        Of the transform.
    quadrature, tolerance
        Of the transform, too.
    batch_size : int, default=8
        Volumes that are transformed at a time.
    device : str, default="cpu"
        Where.
    """

    def __init__(
        self,
        J,
        shape,
        L=3,
        sigma_0=1,
        max_order=2,
        rotation_covariant=True,
        method="integral",
        points=None,
        integral_powers=(0.5, 1.0, 2.0),
        *,
        quadrature="full",
        tolerance=1e-6,
        batch_size=8,
        device="cpu",
    ):
        self.J = J
        self.shape = shape
        self.L = L
        self.sigma_0 = sigma_0
        self.max_order = max_order
        self.rotation_covariant = rotation_covariant
        self.method = method
        self.points = points
        self.integral_powers = integral_powers
        self.quadrature = quadrature
        self.tolerance = tolerance
        self.batch_size = batch_size
        self.device = device
