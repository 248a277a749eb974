r"""Maximum likelihood on the grid, for the model of the least-squares estimator.

With counts :math:`z_i[s]` on a grid of step :math:`\delta` and the intensities of
`common.hawkes.loss`, the log-likelihood of independent Poisson counts of means
:math:`\delta \lambda_i[s]` is, up to a constant,

.. math:: \sum_i \Big( \sum_s z_i[s] \log \lambda_i[s] - \delta \sum_s \lambda_i[s] \Big), \qquad
          \delta \sum_s \lambda_i[s] = \delta G \mu_i
              + \delta \sum_j \alpha_{ij} \sum_\tau k_{ij}[\tau]\, \Phi_j(\tau).

The second sum costs as little as the least-squares loss. The logarithm does not expand: it needs
:math:`\lambda_i` at every event, from all pairs of events within the support of the kernels. They
are found once and kept as a sparse matrix, so an iteration is linear in the number of pairs, hence
in the length of the record: what least squares avoids.

The log-likelihood splits over receivers i, and is concave in the baseline and the adjacency.
"""

import numpy as np
import scipy.optimize

from common.hawkes.estimator import HawkesEstimator, _Search
from common.hawkes.grid import bin_events
from common.hawkes.kernels import discretise, from_unit
from common.hawkes.loss import profile_loss
from common.hawkes.pairs import lagged_counts

__all__ = ["LikelihoodEstimator", "log_likelihood"]

_SMALLEST_RATE = 1e-8  # lower bound of the baseline, in mean rates: the logarithm needs one


def log_likelihood(lagged, baseline, adjacency, parameters, *, kernel, length):
    """Log-likelihood per event, and its gradient.

    Parameters
    ----------
    lagged : LaggedCounts
        With ``len(grid_lags(length, delta=lagged.delta))`` lags.
    baseline : array_like, shape (n_processes,)
        In Hz.
    adjacency : array_like, shape (n_processes, n_processes)
        ``adjacency[i, j]`` is the effect of process j on process i.
    parameters : array_like, shape (n_parameters, n_processes, n_processes)
        Of the kernels.
    kernel : Kernel
    length : float
        Support of the kernels, in s.

    Returns
    -------
    log_likelihood : float
        In nats; the unit of rates is Hz. ``-inf`` where an event has intensity 0.
    gradient : tuple of ndarray
        By baseline, adjacency and parameters, shaped like them.

    Examples
    --------
    A constant intensity has ``log(baseline) - baseline * duration / n_events``:

    >>> from common.hawkes.grid import bin_events
    >>> from common.hawkes.kernels import TruncatedExponential
    >>> lagged = lagged_counts(bin_events([[1.0, 2.0, 5.0]], end_time=5.9, delta=0.1), 10)
    >>> kernel = TruncatedExponential()
    >>> value, _ = log_likelihood(lagged, [1.0], [[0.0]], [[[1.0]]], kernel=kernel, length=1.0)
    >>> round(value, 12)
    -2.0
    """
    baseline, adjacency = np.asarray(baseline, float), np.asarray(adjacency, float)
    parameters = np.asarray(parameters, dtype=float)
    total, by_baseline = 0.0, np.empty(baseline.shape)
    by_adjacency, by_parameters = np.empty(adjacency.shape), np.empty(parameters.shape)
    for i in range(lagged.n_processes):
        value, gradient = _receiver_part(
            lagged, i, baseline[i], adjacency[i], parameters[:, i], kernel=kernel, length=length
        )
        total += value
        by_baseline[i], by_adjacency[i], by_parameters[:, i] = gradient
    n_total = lagged.n_events.sum()
    gradient = by_baseline / n_total, by_adjacency / n_total, by_parameters / n_total
    return float(total / n_total), gradient


class LikelihoodEstimator(HawkesEstimator):
    r"""Hawkes process with parametric kernels, fitted by maximum likelihood on a grid.

    The model, bounds and starts are those of `common.hawkes.estimator.HawkesEstimator`; the
    baseline and the row of the adjacency start at their least-squares values for the first
    kernels. All parameters of a receiver are then searched together by L-BFGS-B. An iteration
    costs as much as there are pairs of events within the support of the kernels.

    Parameters
    ----------
    kernel : Kernel
        Family of kernels, for example ``TruncatedGaussian()``.
    delta : float
        Grid step, in s.
    kernel_length : float
        Support of the kernels, in s: at least five steps, at most the length of the record.
    mask : array_like of bool, shape (n_processes, n_processes), optional
        Where False, ``adjacency_`` is held at 0. By default every process may act on every one.
    start : {"moments", "random"} or dict, default="moments"
        First parameters of the kernels, as in `HawkesEstimator`.
    n_starts : int, default=1
        Further starts are random; the largest likelihood of each receiver is kept.
    max_iter : int, default=500
        Iterations of L-BFGS-B, for each receiver and start.
    tol : float, default=1e-6
        A receiver has converged when no component of the projected gradient of its log-likelihood
        per event, by the parameters scaled to order 1, exceeds ``tol``.
    random_state : int, numpy.random.Generator or None, default=None
        Draws the random starts; unused without them.

    Attributes
    ----------
    baseline_ : ndarray, shape (n_processes,)
        In Hz; at least 1e-8 of the mean rate.
    adjacency_ : ndarray, shape (n_processes, n_processes)
        ``adjacency_[i, j]`` is the mean number of events of i that an event of j triggers.
    kernel_parameters_ : dict of ndarray, each of shape (n_processes, n_processes)
        Without meaning where the adjacency is 0.
    loss_ : float
        Minus the log-likelihood per event, in nats.
    loss_curve_ : ndarray, shape (n_iter_ + 1,)
        Loss per event at the start and after each iteration; receivers that have converged keep
        their value.
    n_iter_ : int
        Iterations of the receiver that took most.
    converged_ : bool
    lagged_ : LaggedCounts

    See Also
    --------
    common.hawkes.estimator.HawkesEstimator : At a cost that does not grow with the record.

    Examples
    --------
    >>> from common.hawkes.kernels import TruncatedExponential
    >>> rng = np.random.default_rng(0)
    >>> parents = np.sort(rng.uniform(0, 1000, 1000))
    >>> children = np.sort(parents[:500] + rng.exponential(0.1, 500))
    >>> estimator = LikelihoodEstimator(
    ...     kernel=TruncatedExponential(), delta=0.01, kernel_length=1.0, mask=[[0, 0], [1, 0]]
    ... )
    >>> estimator = estimator.fit([parents, children[children < 1000]], end_time=1000)
    >>> bool(abs(estimator.adjacency_[1, 0] - 0.5) < 0.05)
    True
    """

    def __init__(
        self,
        *,
        kernel,
        delta,
        kernel_length,
        mask=None,
        start="moments",
        n_starts=1,
        max_iter=500,
        tol=1e-6,
        random_state=None,
    ):
        super().__init__(
            kernel=kernel,
            delta=delta,
            kernel_length=kernel_length,
            mask=mask,
            start=start,
            n_starts=n_starts,
            max_iter=max_iter,
            tol=tol,
            random_state=random_state,
        )

    def fit(self, events, end_time):
        """Estimate baseline, adjacency and kernels.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i,)
            Sorted event times of each process, in s, at least one a process.
        end_time : float
            End of the record, in s.

        Returns
        -------
        self : LikelihoodEstimator

        Raises
        ------
        ValueError
            If an option is out of range, or events are not valid: see `common.hawkes.grid`.

        Warns
        -----
        ConvergenceWarning
            If a receiver stops before it has converged.
        """
        self._check_options()
        options = {"delta": self.delta, "kernel_length": self.kernel_length}
        binned = bin_events(events, end_time=end_time, **options)
        self.lagged_ = lagged_counts(binned, self._n_lags)
        return super().fit(events, end_time)

    def score(self, events, end_time):
        """Log-likelihood per event of these events, in nats: higher is better.

        Parameters
        ----------
        events, end_time
            As in `fit`, but a process may have no event.

        Returns
        -------
        score : float

        Raises
        ------
        ValueError
            If there is no event at all, or events are not valid.
        """
        binned = self._bin_again(events, end_time)
        if not binned.n_events.any():
            raise ValueError("events holds no event at all; a likelihood per event is undefined.")
        value, _ = log_likelihood(
            lagged_counts(binned, self._n_lags),
            self.baseline_,
            self.adjacency_,
            self._parameters,
            kernel=self.kernel,
            length=self.kernel_length,
        )
        return value

    def standard_errors(self, events, end_time):
        r"""Standard errors of the estimates, from the events that they were fitted on.

        The score of a receiver has the variance
        :math:`\sum_s z[s]\, \partial\lambda[s] \partial\lambda[s]^T / \lambda[s]^2`, estimated at
        its events, which is also the expected curvature; its inverse is the covariance.

        Parameters
        ----------
        events : sequence of array_like, each of shape (n_events_i,)
        end_time : float
            End of the record, in s.

        Returns
        -------
        errors : dict of ndarray
            ``"baseline"``, ``"adjacency"`` and each parameter of the kernels, in the unit and
            shape of the estimate; NaN for pairs without effect. They hold for long records and
            estimates inside their bounds.
        """
        lagged = lagged_counts(self._bin_again(events, end_time), self._n_lags)
        options = {"length": self.kernel_length, "delta": self.delta, "derivative": True}
        k, k_by_parameter = discretise(self.kernel, self._parameters, **options)
        slopes = np.concatenate([k[None], self.adjacency_[..., None] * k_by_parameter])
        baseline, found = np.empty(len(k)), np.full(slopes.shape[:-1], np.nan)
        for i in range(len(k)):
            sources = np.flatnonzero(self.adjacency_[i])
            # Columns: the parameters of the sources, by name, then by source.
            columns = np.zeros((len(slopes), len(sources), *k.shape[1:]))
            columns[:, np.arange(len(sources)), sources] = slopes[:, i, sources]
            columns = columns.reshape(-1, lagged.before[i].shape[1]).T
            phi = self.adjacency_[i, :, None] * k[i]
            intensity = self.baseline_[i] + lagged.before[i] @ phi.ravel()
            design = np.column_stack([np.ones(len(intensity)), lagged.before[i] @ columns])
            design *= (np.sqrt(lagged.counts[i]) / intensity)[:, None]
            scale = np.linalg.norm(design, axis=0)  # rates, times and numbers differ in size
            information = (design / scale).T @ (design / scale)
            errors = np.sqrt(np.diag(np.linalg.inv(information))) / scale
            baseline[i] = errors[0]
            found[:, i, sources] = errors[1:].reshape(len(slopes), len(sources))
        named = dict(zip(self.kernel.names, found[1:], strict=True))
        return {"baseline": baseline, "adjacency": found[0], **named}

    def _search(self, statistics, receiver, mask, start, bounds):
        """Minimise minus the log-likelihood of one receiver from one start."""
        lagged, n_events = self.lagged_, statistics.n_events[receiver]
        parameters, _ = from_unit(start, bounds)
        rate = n_events / lagged.duration
        if not mask.any():
            loss = n_events - n_events * np.log(rate)
            return _Search(np.array([rate]), parameters, [loss], 0.0)
        sources = np.flatnonzero(mask)
        options = {"kernel": self.kernel, "length": self.kernel_length}
        _, _, weights = profile_loss(
            statistics, receiver, sources, parameters[:, sources], **options
        )
        # A little of everything, because kernels whose adjacency is 0 have no gradient.
        weights = np.maximum(weights, np.append(0.05 * rate, np.full(len(sources), 0.01)))
        n_weights, shape = 1 + len(sources), (len(start), len(sources))
        adjacency, scale = np.zeros(len(mask)), np.append(rate, np.ones(len(sources)))

        def loss(x):
            """Loss per event and its gradient, by weights and parameters of order 1."""
            theta, slope = from_unit(x[n_weights:].reshape(shape), bounds)
            parameters[:, sources] = theta
            adjacency[sources] = x[1:n_weights]
            value, by = _receiver_part(
                lagged, receiver, rate * x[0], adjacency, parameters, **options
            )
            by_theta = by[2][:, sources] * slope
            gradient = np.concatenate([[rate * by[0]], by[1][sources], by_theta.ravel()])
            return -value / n_events, -gradient / n_events

        first = np.concatenate([weights / scale, start[:, sources].ravel()])
        low = np.concatenate([[_SMALLEST_RATE], np.zeros(first.size - 1)])
        high = np.concatenate([np.full(n_weights, np.inf), np.ones(first.size - n_weights)])
        curve = [n_events * loss(first)[0]]
        result = scipy.optimize.minimize(
            loss,
            first,
            jac=True,
            method="L-BFGS-B",
            bounds=np.column_stack([low, high]),
            callback=lambda intermediate_result: curve.append(n_events * intermediate_result.fun),
            options={
                "maxiter": self.max_iter,
                "maxfun": 20 * self.max_iter,
                "gtol": self.tol,
                "ftol": 0,
            },
        )
        _, gradient = loss(result.x)  # leaves the final parameters behind
        projected = np.clip(result.x - gradient, low, high) - result.x
        weights = scale * result.x[:n_weights]
        return _Search(weights, parameters, curve, np.abs(projected).max())


def _receiver_part(lagged, receiver, baseline, adjacency, parameters, *, kernel, length):
    """Log-likelihood of one receiver, its derivatives by baseline, adjacency and parameters."""
    options = {"length": length, "delta": lagged.delta, "derivative": True}
    k, k_by_parameter = discretise(kernel, parameters, **options)
    before, counts = lagged.before[receiver], lagged.counts[receiver]
    phi = adjacency[:, None] * k
    intensity = baseline + before @ phi.ravel()
    spent = lagged.delta * np.vdot(phi, lagged.after)
    with np.errstate(divide="ignore"):
        value = counts @ np.log(intensity) - lagged.duration * baseline - spent
        weights = counts / intensity
    by_phi = (before.T @ weights).reshape(phi.shape) - lagged.delta * lagged.after
    by_parameters = adjacency * (by_phi * k_by_parameter).sum(-1)
    return value, (weights.sum() - lagged.duration, (by_phi * k).sum(-1), by_parameters)
