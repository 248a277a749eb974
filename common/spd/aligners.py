"""Alignment of covariances across sessions or subjects, with the methods of scikit-learn.

No label is used. The source's labels stay with its matrices, whose order does not change; a
classifier trained on the aligned source is applied to the target as it is.
"""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from common.spd._checks import check_stack, namespace
from common.spd.alignment import align_particles, align_transformation

__all__ = ["ParticleAlignment", "TransformationAlignment"]


class _Alignment(BaseEstimator):
    def __init__(
        self, loss="spdsw", *, n_projections=500, n_steps=500, lr=None, reg=10.0, random_state=0
    ):
        self.loss = loss
        self.n_projections = n_projections
        self.n_steps = n_steps
        self.lr = lr
        self.reg = reg
        self.random_state = random_state

    def fit_transform(self, source, target):
        """Align the source and return it; see `fit`."""
        return self.fit(source, target).transform(source)

    def _options(self):
        options = self.get_params()
        options["rng"] = np.random.default_rng(options.pop("random_state"))
        return options


class ParticleAlignment(_Alignment):
    """`align_particles` with the methods of scikit-learn.

    Parameters
    ----------
    loss, n_projections, n_steps, lr, reg
        See `align_particles`.
    random_state : int, default=0
        Seed of the directions.

    Attributes
    ----------
    aligned_ : ndarray, shape (n_source, n_channels, n_channels)
    losses_ : ndarray, shape (n_steps,)

    Examples
    --------
    The source keeps its order, so its labels are those of the aligned matrices::

        aligned = ParticleAlignment().fit_transform(source, target)
        classifier = make_pipeline(TangentSpace(metric="logeuclid"), LinearSVC())
        classifier.fit(aligned, y_source).score(target, y_target)
    """

    def fit(self, source, target):
        """Move the source's matrices.

        Parameters
        ----------
        source, target : ndarray, shape (n_matrices, n_channels, n_channels)

        Returns
        -------
        self
        """
        self.aligned_, self.losses_ = align_particles(source, target, **self._options())
        self.source_ = np.array(source)
        return self

    def transform(self, source):
        """Aligned matrices of the source that was fitted.

        Parameters
        ----------
        source : ndarray, shape (n_source, n_channels, n_channels)

        Returns
        -------
        aligned : ndarray, shape (n_source, n_channels, n_channels)

        Raises
        ------
        ValueError
            If these are other matrices: each was moved by itself, and there is no rule for others.
            Also if some are masked.
        """
        check_is_fitted(self)
        namespace(source=source)
        if not np.array_equal(source, self.source_):
            raise ValueError(
                "ParticleAlignment moves the very matrices that it is fitted to, and these are "
                "others. Leave the target as it is; for more source matrices, fit again or use "
                "TransformationAlignment."
            )
        return self.aligned_.copy()


class TransformationAlignment(_Alignment):
    """`align_transformation` with the methods of scikit-learn; see `ParticleAlignment`.

    Parameters
    ----------
    loss, n_projections, n_steps, lr, reg
        See `align_transformation`.
    random_state : int, default=0
        Seed of the directions.

    Attributes
    ----------
    W_, R_ : ndarray, shape (n_channels, n_channels)
    losses_ : ndarray, shape (n_steps,)
    """

    def fit(self, source, target):
        """Find the transformation.

        Parameters
        ----------
        source, target : ndarray, shape (n_matrices, n_channels, n_channels)

        Returns
        -------
        self
        """
        self.W_, self.R_, self.losses_ = align_transformation(source, target, **self._options())
        return self

    def transform(self, source):
        """Transformed matrices, of the fitted source or of more trials of the same domain.

        Parameters
        ----------
        source : ndarray, shape (n_matrices, n_channels, n_channels)

        Returns
        -------
        transformed : ndarray, shape (n_matrices, n_channels, n_channels)

        Raises
        ------
        ValueError
            If these are no symmetric matrices, or of another size than the fitted ones.
        """
        check_is_fitted(self)
        _, source = check_stack(source, name="source", n_dims=3)
        if source.shape[1:] != self.W_.shape:
            raise ValueError(
                f"source has matrices of shape {source.shape[1:]}, but the alignment was fitted to "
                f"{self.W_.shape}."
            )
        T = self.R_ @ self.W_
        transformed = T @ source @ T.T
        return (transformed + transformed.transpose(0, 2, 1)) / 2
