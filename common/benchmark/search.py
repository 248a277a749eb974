"""Grid search of a pipeline that fits each step once for all points that agree up to it."""

import itertools
import time
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.pipeline import Pipeline

from common import failures

__all__ = ["SharedGridSearch", "check_stateless"]

_SHOWN = 4  # trials that a stateless step transforms once more


def check_stateless(step, X, y, transformed):
    """Raise a ValueError unless a step treats each trial by itself.

    A few trials, transformed without the others, must become what they became among all: a step
    that learns would have seen the test's trials, and their labels.

    Parameters
    ----------
    step : object
        Transformer or pipeline of such; a clone of it is fitted.
    X : ndarray, shape (n_trials, ...), or mne.Epochs
    y : ndarray, shape (n_trials,)
    transformed : ndarray, shape (n_trials, ...)
        What ``step.fit_transform(X, y)`` gave.

    Raises
    ------
    ValueError
        If a trial becomes something else alone, or the step fails on the few.
    """
    rows = np.unique(np.linspace(0, len(y) - 1, _SHOWN).round().astype(int))
    kept = np.asarray(transformed)[rows]
    try:
        with warnings.catch_warnings(action="ignore"):
            alone = np.asarray(clone(step).fit_transform(X[rows], y[rows]))
        largest = np.nan_to_num(np.abs(kept)).max(initial=0)
        # The same arithmetic in batches of another size: a few roundings.
        same = kept.shape == alone.shape and np.allclose(
            alone, kept, rtol=1e-6, atol=1e-9 * largest, equal_nan=True
        )
    except Exception as error:  # of any library: it asks for more than single trials
        if failures.of_machine(error):
            raise
        same = False
    if not same:
        raise ValueError(
            f"{step!r} is counted among the stateless steps, but {len(rows)} trials alone become "
            "something else than among all: it learns from trials, and would see those of the "
            "test. Lower stateless."
        )


class SharedGridSearch(GridSearchCV):
    r"""`sklearn.model_selection.GridSearchCV` for a pipeline, without its repeated work.

    Points of the grid differ mostly in the last step: all values of a support vector machine see
    the same tangent vectors. Here the points are a tree, one level per step, and a step is fitted
    once for each inner fold and each different setting of it and the steps before it. Steps that
    learn nothing (a covariance of each trial) are applied once to all trials, before the folds are
    cut. Every fit gets the arrays that it would have got, so scores, choice and predictions are
    those of the grid search.

    A point that cannot be fitted or scored has the score NaN, and is chosen only if all are. Errors
    of the machine (`common.failures`) end the search.

    Parameters
    ----------
    estimator : sklearn.pipeline.Pipeline
        Without caching.
    param_grid : dict or list of dict
        Parameters of the steps, ``step__parameter``.
    cv : int or splitter, optional
    scoring : str or callable, optional
        One metric.
    stateless : int, default=0
        This many first steps treat each trial by itself: their ``fit`` learns nothing.

    Attributes
    ----------
    best_estimator_, best_params_, best_score_, best_index_ :
        As of `GridSearchCV`.
    cv_results_ : dict
        ``params``, ``mean_test_score``, ``split<i>_test_score``.

    Raises
    ------
    ValueError
        From ``fit``: if no point could be fitted, a parameter is not one of a step, or
        ``stateless`` takes in the last step, or one that learns from the trials.
    """

    def __init__(self, estimator, param_grid, *, cv=None, scoring=None, stateless=0):
        super().__init__(estimator, param_grid, cv=cv, scoring=scoring)
        self.stateless = stateless

    def fit(self, X, y):
        """Search, and fit the best point to all trials.

        Parameters
        ----------
        X : ndarray, shape (n_trials, ...)
        y : ndarray, shape (n_trials,)

        Returns
        -------
        self : SharedGridSearch

        Raises
        ------
        TypeError
            If the estimator is no pipeline.
        ValueError
            If ``stateless`` leaves no step that learns, a parameter is of no step, or no point
            could be fitted to any split.
        """
        if not isinstance(self.estimator, Pipeline):
            raise TypeError(
                f"estimator must be a pipeline, got {self.estimator!r}. Put it into one, "
                "sklearn.pipeline.make_pipeline, or take GridSearchCV."
            )
        names = [name for name, _ in self.estimator.steps]
        if not 0 <= self.stateless < len(names):
            raise ValueError(
                f"stateless must be from 0 to {len(names) - 1}, all steps but the last, got "
                f"{self.stateless}."
            )
        points = list(ParameterGrid(self.param_grid))
        for key in {key for point in points for key in point}:
            if key.partition("__")[0] not in names:
                raise ValueError(f"{key!r} is no parameter of the steps {', '.join(names)}.")
        X, y = np.asarray(X), np.asarray(y)
        splits = list(check_cv(self.cv, y, classifier=True).split(X, y))
        self.scorer_ = check_scoring(self.estimator, scoring=self.scoring)
        self._failures = []
        scores = np.full((len(points), len(splits)), np.nan)
        with warnings.catch_warnings(action="ignore"):  # of points that stop early, by the hundred
            self._shared(0, range(len(points)), points, X, y, splits, scores)
        if np.isnan(scores).all():
            raise ValueError(f"none of {len(points)} points could be fitted: {self._failures[0]}")
        means = np.average(scores, axis=1)
        self.best_index_ = int(np.argmax(np.where(np.isnan(means), -np.inf, means)))
        self.best_params_, self.best_score_ = points[self.best_index_], means[self.best_index_]
        self.cv_results_ = {"params": points, "mean_test_score": means}
        self.cv_results_ |= {f"split{i}_test_score": each for i, each in enumerate(scores.T)}
        self.multimetric_, self.n_splits_ = False, len(splits)
        self.best_estimator_ = clone(self.estimator).set_params(**self.best_params_)
        start = time.perf_counter()
        self.best_estimator_.fit(X, y)
        self.refit_time_ = time.perf_counter() - start
        return self

    def _shared(self, level, rows, points, X, y, splits, scores):
        """Apply the stateless steps to all trials, a branch of the tree after the other."""
        if level == self.stateless:
            for fold, (train, test) in enumerate(splits):
                held_out = X[test], y[test]
                self._branch(level, rows, points, (X[train], y[train]), held_out, scores[:, fold])
            return
        for step, members in self._settings(level, rows, points):
            try:
                transformed = step.fit_transform(X, y)
            except Exception as error:  # any library, any reason: the points score NaN
                if failures.of_machine(error):
                    raise
                self._failures.append(error)
            else:
                check_stateless(step, X, y, transformed)
                self._shared(level + 1, members, points, transformed, y, splits, scores)

    def _branch(self, level, rows, points, train, test, scores):
        """Fit the steps from a level on to one fold, and score the points there."""
        last = level == len(self.estimator.steps) - 1
        for step, members in self._settings(level, rows, points):
            try:
                if last:
                    scores[list(members)] = self.scorer_(step.fit(*train), *test)
                    continue
                fitted = step.fit_transform(*train)
                held_out = step.transform(test[0])
            except Exception as error:  # as above
                if failures.of_machine(error):
                    raise
                self._failures.append(error)
            else:
                following = (fitted, train[1]), (held_out, test[1])
                self._branch(level + 1, members, points, *following, scores)

    def _settings(self, level, rows, points):
        """Each different setting of a step: the step, not fitted, and the points that share it."""
        name, step = self.estimator.steps[level]
        prefix = f"{name}__"
        keyed = [
            ({key: value for key, value in points[row].items() if key.startswith(prefix)}, row)
            for row in rows
        ]
        keyed.sort(key=lambda pair: repr(sorted(pair[0].items())))
        for _, group in itertools.groupby(keyed, key=lambda pair: repr(sorted(pair[0].items()))):
            group = list(group)
            values = {key.removeprefix(prefix): value for key, value in group[0][0].items()}
            yield clone(step).set_params(**values), [row for _, row in group]
