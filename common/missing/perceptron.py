r"""One hidden layer of rectified units, trained as scikit-learn's ``MLPRegressor`` is.

.. math:: \hat y = b_2 + w_2^\top \max(0, W_1^\top x + b_1)

The steps are those of scikit-learn's Adam with early stopping, and so are the random numbers: in
double precision both find the same network. Here all parameters and their gradients are one vector
each, and a step makes few arrays, in single precision: it takes a fifth to a third of the time.
"""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, shuffle
from sklearn.utils.validation import check_is_fitted, validate_data

from common import validation

__all__ = ["Perceptron"]


class Perceptron(RegressorMixin, BaseEstimator):
    """Regression by one hidden layer, with Adam and early stopping on a tenth of the rows.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    lr : float, default=0.001
    batch_size : int, default=200
        At most; fewer rows than that are one batch.
    patience : int, default=15
        Training ends when R² on the rows that are held out has not grown by `tol` over its best
        for more epochs than this.
    max_iter : int, default=200
        Most passes over the rows.
    alpha : float, default=1e-4
        Of the penalty on the weights, half their sum of squares over the rows of a batch.
    tol : float, default=1e-4
    dtype : str, default="float32"
    random_state : int or None, default=None
        Draws the first weights, the rows that are held out, and the batches.

    Attributes
    ----------
    coefs_ : list of ndarray, shapes (n_features, n_hidden) and (n_hidden, 1)
        Of the epoch that was best on the rows held out.
    intercepts_ : list of ndarray, shapes (n_hidden,) and (1,)
    loss_curve_ : list of float
        Half of the mean squared error of each epoch and the penalty, each batch's before its step.
    validation_scores_ : list of float
        R² on the rows held out, after each epoch.
    n_iter_ : int
    n_features_in_ : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 2))
    >>> y = np.abs(X[:, 0]) + X[:, 1]
    >>> bool(Perceptron(50, lr=0.01, random_state=0).fit(X, y).score(X, y) > 0.9)
    True
    """

    def __init__(
        self,
        n_hidden,
        *,
        lr=0.001,
        batch_size=200,
        patience=15,
        max_iter=200,
        alpha=1e-4,
        tol=1e-4,
        dtype="float32",
        random_state=None,
    ):
        self.n_hidden = n_hidden
        self.lr = lr
        self.batch_size = batch_size
        self.patience = patience
        self.max_iter = max_iter
        self.alpha = alpha
        self.tol = tol
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X, y):
        """Train a new network.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Columns with spreads of about 1.
        y : array_like, shape (n,)

        Returns
        -------
        self : Perceptron

        Raises
        ------
        TypeError, ValueError
            If ``X`` or ``y`` is no array of finite numbers, their lengths differ, there are fewer
            than eleven rows, or an option is out of range.
        FloatingPointError
            If the training diverges.
        """
        n_hidden = validation.count(self.n_hidden, "n_hidden")
        lr = validation.number(self.lr, "lr", above=0)
        batch_size = validation.count(self.batch_size, "batch_size")
        max_iter = validation.count(self.max_iter, "max_iter")
        X, y = validate_data(self, X, y, y_numeric=True, dtype=self.dtype, ensure_min_samples=11)
        y = y.astype(self.dtype)
        state = check_random_state(self.random_state)
        network = _Network(X.shape[1], n_hidden, state, self.dtype)
        X, X_held, y, y_held = train_test_split(_with_ones(X), y, random_state=state, test_size=0.1)
        penalty = self.alpha * network.is_weight
        self.loss_curve_, self.validation_scores_ = [], []
        rows, best, n_stalled = np.arange(len(y)), -np.inf, 0
        with np.errstate(over="ignore", invalid="ignore"):  # the score says so
            for epoch in range(1, max_iter + 1):
                rows, total = shuffle(rows, random_state=state), 0.0
                for start in range(0, len(y), batch_size):
                    here = rows[start : start + batch_size]
                    total += network.step(X[here], y[here], lr, penalty) * len(here)
                predictions = network.predict(X_held)
                if not np.isfinite(predictions).all():
                    raise FloatingPointError(
                        f"predictions are not finite in epoch {epoch}: the training diverged. "
                        f"Scale columns and target to spreads of about 1, or lower lr, now {lr:g}."
                    )
                score = r2_score(y_held, predictions)
                self.loss_curve_.append(total / len(y))
                self.validation_scores_.append(score)
                n_stalled = n_stalled + 1 if score < best + self.tol else 0
                if score > best:
                    best, self.coefs_, self.intercepts_ = score, *network.copies()
                if n_stalled > self.patience:
                    break
        self.n_iter_ = epoch
        return self

    def predict(self, X):
        """Predictions.

        Parameters
        ----------
        X : array_like, shape (n, n_features)

        Returns
        -------
        predictions : ndarray, shape (n,)

        Raises
        ------
        ValueError
            If ``X`` is no array of finite numbers, or has another width.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=self.dtype, reset=False)
        hidden = np.maximum(X @ self.coefs_[0] + self.intercepts_[0], 0)
        return (hidden @ self.coefs_[1] + self.intercepts_[1])[:, 0].astype(float)


class _Network:
    """Parameters in one vector, in which the biases of hidden units follow their weights."""

    def __init__(self, n_features, n_hidden, state, dtype):
        inner, outer = (n_features + 1) * n_hidden, n_hidden + 1
        self.values, self.gradient, self.mean, self.square = np.zeros((4, inner + outer), dtype)
        self.is_weight = np.ones(inner + outer, dtype)
        self.is_weight[[*range(inner - n_hidden, inner), -1]] = 0
        shape = (n_features + 1, n_hidden)
        self.inner, self.inner_gradient = (
            one[:inner].reshape(shape) for one in (self.values, self.gradient)
        )
        self.outer, self.outer_gradient = (one[inner:] for one in (self.values, self.gradient))
        for part, bias, n_out in (
            (self.inner[:-1], self.inner[-1], n_hidden),
            (self.outer[:-1, None], self.outer[-1:], 1),
        ):
            bound = np.sqrt(6 / (len(part) + n_out))
            part[:] = state.uniform(-bound, bound, part.shape)
            bias[:] = state.uniform(-bound, bound, n_out)
        self.n_steps = 0

    def predict(self, X):
        """Predictions from rows that end with 1."""
        return np.maximum(X @ self.inner, 0) @ self.outer[:-1] + self.outer[-1]

    def step(self, X, y, lr, penalty):
        """One step of Adam, and the loss of the batch before it."""
        hidden = X @ self.inner
        # A product with 0 or 1 takes a tenth of the time of numpy's maximum with a number.
        active = np.greater(hidden, 0, out=np.empty_like(hidden), casting="unsafe")
        hidden *= active
        errors = hidden @ self.outer[:-1] + (self.outer[-1] - y)
        decay = penalty * self.values
        loss = (errors @ errors + decay @ self.values) / (2 * len(y))
        np.dot(errors, hidden, out=self.outer_gradient[:-1])
        self.outer_gradient[-1] = errors.sum()
        active *= errors[:, None]
        np.dot(X.T, active, out=self.inner_gradient)
        self.inner_gradient *= self.outer[:-1]
        self.gradient += decay
        self.gradient /= len(y)
        self._adam(lr)
        return float(loss)

    def _adam(self, lr, *, first=0.9, second=0.999, epsilon=1e-8):
        self.n_steps += 1
        rate = lr * np.sqrt(1 - second**self.n_steps) / (1 - first**self.n_steps)
        self.mean *= first
        self.mean += (1 - first) * self.gradient
        self.square *= second
        self.gradient *= self.gradient
        self.gradient *= 1 - second
        self.square += self.gradient
        root = np.sqrt(self.square)
        root += epsilon
        np.divide(self.mean, root, out=root)
        root *= rate
        self.values -= root

    def copies(self):
        """Weights and biases of both layers."""
        inner, outer = self.inner.copy(), self.outer.copy()
        return [inner[:-1], outer[:-1, None]], [inner[-1], outer[-1:]]


def _with_ones(X):
    return np.column_stack([X, np.ones(len(X), X.dtype)])
