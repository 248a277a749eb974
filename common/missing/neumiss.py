r"""NeuMiss: a network whose non-linearity is the mask of missing values.

.. math:: r = (1 - M) \odot (x - \mu), \quad h_1 = (r W_1) \odot (1 - M), \quad
          h_k = (h_{k-1} W_k) \odot (1 - M) \; (+ r), \quad
          \hat y = b_0 + b^\top \big(x \odot (1 - M) + (\mu + h_l W_c) \odot M\big)

With :math:`W_c` alone the network has depth 0. The term in brackets is the residual connection.
With it, :math:`W_1 = I`, :math:`W_k = I - S / L` and :math:`W_c = S / L`, the network of depth l is
the predictor with the Neumann series :math:`N_{l-1}` (`NeuMiss.analytic`).
"""

import math

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from common import training, validation
from common.missing.simulate import check_problem

__all__ = ["NeuMiss", "NeuMissRegressor", "fit"]


class NeuMiss(nn.Module):
    """The network.

    Matrices are drawn as Xavier and Glorot did, with a variance of one over the number of
    variables; mean, weights and intercept are standard normal.

    Parameters
    ----------
    n_features : int
    depth : int
        Number of layers before the last matrix, at least 0.
    residual : bool, default=False
        Whether what enters is added after each layer but the first.

    Attributes
    ----------
    layers : torch.nn.ParameterList of shape (n_features, n_features) each
    last : torch.nn.Parameter, shape (n_features, n_features)
    mean, weights : torch.nn.Parameter, shape (n_features,)
    intercept : torch.nn.Parameter

    Raises
    ------
    TypeError, ValueError
        If a number is no such number.
    """

    def __init__(self, n_features, depth, *, residual=False):
        super().__init__()
        d = validation.count(n_features, "n_features")
        depth = validation.count(depth, "depth", at_least=0)
        self.residual = residual

        def drawn(*shape, scale=1.0):
            return nn.Parameter(scale * torch.randn(shape, dtype=torch.float64))

        self.layers = nn.ParameterList([drawn(d, d, scale=d**-0.5) for _ in range(depth)])
        self.last = drawn(d, d, scale=d**-0.5)
        self.mean, self.weights, self.intercept = drawn(d), drawn(d), drawn()

    @classmethod
    def analytic(cls, problem, depth):
        """The network that is a Neumann series, for values missing at random.

        Parameters
        ----------
        problem : Problem
        depth : int
            At least 1.

        Returns
        -------
        network : NeuMiss
            With the residual connection.

        Raises
        ------
        TypeError, ValueError
            If ``depth`` is no such number, or ``problem`` no problem.
        """
        check_problem(problem)
        depth = validation.count(depth, "depth")
        S = torch.from_numpy(problem.covariance)
        scaled = S / torch.linalg.matrix_norm(S, 2)
        network = cls(len(S), depth, residual=True)
        with torch.no_grad():
            for number, layer in enumerate(network.layers):
                layer.copy_(torch.eye(len(S)) - (scaled if number else 0))
            network.last.copy_(scaled)
            network.mean.copy_(torch.from_numpy(problem.mean))
            network.weights.copy_(torch.from_numpy(problem.weights))
            network.intercept.fill_(problem.intercept)
        return network

    def forward(self, values, missing):
        """Predictions.

        Parameters
        ----------
        values : Tensor of float64, shape (n, n_features)
            0 where a value is missing.
        missing : Tensor of float64, shape (n, n_features)
            1 where a value is missing, else 0.

        Returns
        -------
        predictions : Tensor, shape (n,)

        Raises
        ------
        TypeError
            If one is no such tensor.
        ValueError
            If a shape is another, or a value is not finite.
        """
        self._check(values=values, missing=missing)
        observed = 1 - missing
        start = values - self.mean * observed
        inner = start
        for number, layer in enumerate(self.layers):
            inner = (inner @ layer) * observed
            if self.residual and number:
                inner = inner + start
        filled = values + missing * (self.mean + inner @ self.last)
        return filled @ self.weights + self.intercept

    def _check(self, **tensors):
        for name, one in tensors.items():
            if getattr(one, "dtype", None) != torch.float64 or not isinstance(one, torch.Tensor):
                kind = getattr(one, "dtype", type(one).__name__)
                raise TypeError(f"{name} must be a tensor of float64, got {kind}.")
            if one.shape != (len(tensors["values"]), len(self.mean)):
                raise ValueError(
                    f"{name} must have shape (n, {len(self.mean)}), a column for each variable and "
                    f"as many rows as values, got {tuple(one.shape)}."
                )
            if not torch.isfinite(one).all():
                raise ValueError(
                    f"{name} is not finite. Where a value is missing, values is 0 and missing 1."
                )

    @property
    def n_parameters(self):
        """Number of parameters, :math:`2 d + 1 + d^2 (l + 1)`."""
        return sum(one.numel() for one in self.parameters())


class NeuMissRegressor(RegressorMixin, BaseEstimator):
    """Regression on a table with missing values by a NeuMiss network.

    Columns and target should have spreads of about 1. `sklearn.preprocessing.StandardScaler`, which
    leaves NaN where it is, comes before it in a pipeline, and `TransformedTargetRegressor` scales
    the target.

    Parameters
    ----------
    depth : int, default=3
    residual : bool, default=False
        See `NeuMiss`.
    batch_size : int, default=50
    lr : float, optional
        First learning rate. By default 0.001 times the batch size over the number of columns.
    n_epochs : int, default=100
        Most passes over the rows.
    empty_rows : bool, default=False
        Whether rows without any observed value are fine; all of them get one prediction.
    random_state : int or None, default=None
        Draws the first weights and the batches. None: each fit draws others.

    Attributes
    ----------
    network_ : NeuMiss
    loss_curve_ : list of float
        Mean squared error of each epoch, each batch's before its step.
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 2))
    >>> y = X @ [1.0, 0.5]
    >>> X[::3, 0] = np.nan
    >>> pipeline = make_pipeline(StandardScaler(), NeuMissRegressor(random_state=0))
    >>> bool(pipeline.fit(X, y).score(X, y) > 0.7)
    True
    """

    def __init__(
        self,
        depth=3,
        *,
        residual=False,
        batch_size=50,
        lr=None,
        n_epochs=100,
        empty_rows=False,
        random_state=None,
    ):
        self.depth = depth
        self.residual = residual
        self.batch_size = batch_size
        self.lr = lr
        self.n_epochs = n_epochs
        self.empty_rows = empty_rows
        self.random_state = random_state

    def fit(self, X, y):
        """Train a new network.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            NaN where a value is missing.
        y : array_like, shape (n,)

        Returns
        -------
        self : NeuMissRegressor

        Raises
        ------
        TypeError, ValueError
            If a row or a column has no observed value, ``X`` is otherwise not as
            `common.validation.incomplete` asks, ``y`` is no vector of finite numbers, one for each
            row, or an option is out of range.
        FloatingPointError
            If the training diverges.
        """
        table = validation.incomplete(X, "X", empty_rows=self.empty_rows)
        y = validation.vector(y, "y").astype(float)
        validation.same_length(X=table, y=y)
        seed = self.random_state
        if seed is None:
            seed = int(np.random.default_rng().integers(2**32))
        with training.reproducible(validation.count(seed, "random_state", at_least=0)):
            network = NeuMiss(table.shape[1], self.depth, residual=self.residual)
            losses = fit(
                network, table, y, batch_size=self.batch_size, lr=self.lr, n_epochs=self.n_epochs
            )
        validate_data(self, X, skip_check_array=True)
        self.network_, self.loss_curve_ = network, losses
        return self

    @torch.inference_mode()
    def predict(self, X):
        """Predictions.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            A column without any value is fine.

        Returns
        -------
        predictions : ndarray, shape (n,)

        Raises
        ------
        TypeError, ValueError
            As `fit`, and if ``X`` has another width.
        """
        check_is_fitted(self)
        table = validation.incomplete(X, "X", empty_rows=self.empty_rows, empty_columns=True)
        validate_data(self, X, skip_check_array=True, reset=False)
        return self.network_(*_tensors(table)).numpy()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def fit(network, X, y, *, batch_size=50, lr=None, n_epochs=100):
    """Train a network in place by stochastic gradient descent, as the paper's authors do.

    The learning rate is multiplied by 0.2 when the loss of an epoch has not fallen by a relative
    1e-4 for more than two epochs, and training ends when this makes it less than 5e-6. Batches are
    drawn by torch's global generator, see `common.training.reproducible`. Gradients are computed by
    the chain rule in numpy: at these sizes autograd takes several times as long.

    Parameters
    ----------
    network : NeuMiss
    X : ndarray, shape (n, n_features)
        NaN where a value is missing.
    y : ndarray, shape (n,)
    batch_size : int, default=50
    lr : float, optional
        By default 0.001 times the batch size over the number of columns: with the authors' batches
        of ten it is theirs.
    n_epochs : int, default=100
        At most.

    Returns
    -------
    losses : list of float
        Mean squared error of each epoch, each batch's before its step.

    Raises
    ------
    TypeError, ValueError
        If ``X`` is not as `common.validation.incomplete` asks or of another width than the network,
        ``y`` is no vector of finite numbers, one for each row, or an option is out of range.
    FloatingPointError
        If the loss is no longer finite.
    """
    if not isinstance(network, NeuMiss):
        raise TypeError(f"network must be a NeuMiss, got {network!r}.")
    X = validation.incomplete(X, "X", empty_rows=True, empty_columns=True)
    y = validation.vector(y, "y").astype(float)
    validation.same_length(X=X, y=y)
    if X.shape[1] != len(network.mean):
        raise ValueError(
            f"X must have {len(network.mean)} columns, one for each variable of the network, got "
            f"shape {X.shape}."
        )
    batch_size = validation.count(batch_size, "batch_size")
    n_epochs = validation.count(n_epochs, "n_epochs")
    if lr is None:
        lr = 0.001 * batch_size / X.shape[1]
    first = lr = validation.number(lr, "lr", above=0)
    missing = np.isnan(X)
    values, missing = np.where(missing, 0.0, X), missing.astype(float)
    names = ["last", "mean", "weights", "intercept"]
    parameters = [getattr(network, name) for name in names] + list(network.layers)
    parameters = [one.detach().numpy() for one in parameters]  # in the memory of the network
    losses, best, n_stalled = [], math.inf, 0
    with np.errstate(over="ignore", invalid="ignore"):  # the loss says so
        for epoch in range(1, n_epochs + 1):
            order, total = torch.randperm(len(y)).numpy(), 0.0
            shuffled = values[order], missing[order], y[order]
            for start in range(0, len(y), batch_size):
                batch = [one[start : start + batch_size] for one in shuffled]
                loss, gradients = _gradient(parameters, *batch, residual=network.residual)
                total += loss * len(batch[2])
                for one, step in zip(parameters, gradients, strict=True):
                    one -= lr * step
            losses.append(total / len(y))
            if not math.isfinite(losses[-1]):
                raise FloatingPointError(
                    f"the loss is {losses[-1]} in epoch {epoch}: the training diverged. Scale "
                    f"columns and target to spreads of about 1, or lower lr, which was {first:g}."
                )
            if losses[-1] < best * (1 - 1e-4):
                best, n_stalled = losses[-1], 0
            else:
                n_stalled += 1
            if n_stalled > 2:
                lr, n_stalled = 0.2 * lr, 0
                if lr < 5e-6:
                    break
    return losses


def _gradient(parameters, values, missing, y, *, residual):
    """Mean squared error of a batch, and its gradient in the order of the parameters."""
    last, mean, weights, intercept, *layers = parameters
    observed = 1 - missing
    start = values - mean * observed
    inner = [start]
    for number, layer in enumerate(layers):
        after = (inner[-1] @ layer) * observed
        inner.append(after + start if residual and number else after)
    filled = values + missing * (mean + inner[-1] @ last)
    errors = filled @ weights + intercept - y
    loss, errors = errors @ errors / len(y), (2 / len(y)) * errors
    back = errors[:, None] * (missing * weights)
    of_mean, of_last = back.sum(axis=0), inner[-1].T @ back
    back, into_start, of_layers = back @ last.T, 0.0, []
    for number in reversed(range(len(layers))):
        if residual and number:
            into_start = into_start + back
        back = back * observed
        of_layers.append(inner[number].T @ back)
        back = back @ layers[number].T
    of_mean -= ((back + into_start) * observed).sum(axis=0)
    return loss, [of_last, of_mean, errors @ filled, errors.sum(), *reversed(of_layers)]


def _tensors(X):
    """Values with 0 for what is missing, and the mask."""
    missing = np.isnan(X)
    return torch.from_numpy(np.where(missing, 0.0, X)), torch.from_numpy(missing.astype(float))
