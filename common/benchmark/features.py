"""Features of the benchmark's pipelines that need a seed."""

import numpy as np
from sklearn.feature_selection import SelectKBest, mutual_info_classif
from sklearn.utils.validation import check_is_fitted

from common import validation

__all__ = ["Informative"]


class Informative(SelectKBest):
    """The features that say most about the class, by mutual information.

    `sklearn.feature_selection.SelectKBest` of ``mutual_info_classif``, which adds a little noise to
    the features: here from a seed. Where there are fewer features than asked for, all are kept.

    Parameters
    ----------
    k : int, default=10
        Number of features.
    random_state : int, default=0
    """

    def __init__(self, k=10, random_state=0):
        super().__init__(score_func=None, k=k)
        self.random_state = random_state

    def fit(self, X, y):
        """Rank the features.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_features)
        y : ndarray, shape (n_trials,)

        Returns
        -------
        self : Informative

        Raises
        ------
        TypeError
            If ``k`` is no whole number.
        ValueError
            If it is below 1.
        """
        self.n_kept_ = validation.count(self.k, "k")
        self.scores_ = mutual_info_classif(X, y, random_state=self.random_state)
        self.pvalues_ = None
        self.n_features_in_ = np.shape(X)[1]
        return self

    def _get_support_mask(self):
        check_is_fitted(self, "scores_")
        kept = np.zeros(self.n_features_in_, bool)
        # Of equal ones the last are taken, as SelectKBest does.
        kept[np.argsort(self.scores_, kind="stable")[-min(self.n_kept_, len(kept)) :]] = True
        return kept
