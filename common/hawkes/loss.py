r"""Discretised least-squares loss of a Hawkes process, at a cost independent of its duration.

On a grid of G points and step :math:`\delta`, with counts :math:`z_i[s]` and intensities
:math:`\lambda_i[s] = \mu_i + \sum_j \sum_{\tau=1}^{L} \phi_{ij}[\tau] z_j[s - \tau]`, the integral
in :math:`\int \lambda_i^2 - 2 \sum_{t \in F_i} \lambda_i(t)` becomes a sum. Expanding the square,

.. math:: N_T\, \mathcal{L}
    &= \sum_i \Big( \delta \sum_s \lambda_i[s]^2 - 2 \sum_s \lambda_i[s] z_i[s] \Big) \\
    &= \delta G \sum_i \mu_i^2 + 2 \delta \sum_{ij} \mu_i \sum_\tau \phi_{ij}[\tau] \Phi_j(\tau)
       + \delta \sum_{ijk} \sum_{\tau \tau'} \phi_{ij}[\tau] \phi_{ik}[\tau'] \Psi_{jk}(\tau, \tau')
       \\ &\quad
       - 2 \sum_i N_i \mu_i - 2 \sum_{ij} \sum_\tau \phi_{ij}[\tau] \Phi_j(\tau; F_i),

with the sums of `common.hawkes.statistics`. No two receivers i share a term. For given kernels
:math:`k_{ij}`, :math:`\phi_{ij} = \alpha_{ij} k_{ij}` and the loss is a convex quadratic in the
baseline and the adjacency.

References
----------
.. [1] G. Staerman, C. Allain, A. Gramfort and T. Moreau, "FaDIn: Fast Discretized Inference for
   Hawkes Processes with General Parametric Kernels", ICML 2023, arXiv:2210.04635.
"""

import numpy as np
import scipy.linalg
import scipy.optimize

from common.hawkes.kernels import discretise

__all__ = ["l2_loss", "profile_loss"]


def l2_loss(statistics, baseline, adjacency, parameters, *, kernel, length):
    """Loss per event, and its gradient.

    Parameters
    ----------
    statistics : Statistics
        With ``len(grid_lags(length, delta=statistics.delta))`` lags.
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
    loss : float
        In Hz.
    gradient : tuple of ndarray
        By baseline, adjacency and parameters, shaped like them.

    Examples
    --------
    A constant intensity has loss ``duration baseline^2 / n_events - 2 baseline``:

    >>> from common.hawkes.grid import bin_events
    >>> from common.hawkes.kernels import TruncatedExponential
    >>> from common.hawkes.statistics import precompute
    >>> binned = bin_events([[1.0, 2.0, 5.0]], end_time=5.9, delta=0.1)
    >>> statistics = precompute(binned, n_lags=10)
    >>> kernel = TruncatedExponential()
    >>> loss, _ = l2_loss(statistics, [0.5], [[0.0]], [[[1.0]]], kernel=kernel, length=1.0)
    >>> round(loss, 12)
    -0.5
    """
    baseline, adjacency = np.asarray(baseline, float), np.asarray(adjacency, float)
    delta, n_events = statistics.delta, statistics.n_events
    k, k_by_parameter = discretise(kernel, parameters, length=length, delta=delta, derivative=True)
    phi = adjacency[..., None] * k
    excited = np.einsum("ijl,jl->i", phi, statistics.after)  # sum over the grid of phi * z
    square = statistics.apply(phi)
    loss = (
        delta * (statistics.duration / delta * baseline @ baseline + 2 * baseline @ excited)
        + delta * np.vdot(phi, square)
        - 2 * (n_events @ baseline + np.vdot(phi, statistics.pairs))
    )
    by_baseline = 2 * statistics.duration * baseline + 2 * delta * excited - 2 * n_events
    by_phi = 2 * delta * (baseline[:, None, None] * statistics.after + square)
    by_phi -= 2 * statistics.pairs
    by_adjacency = (by_phi * k).sum(-1)
    by_parameters = adjacency * (by_phi * k_by_parameter).sum(-1)
    n_total = n_events.sum()
    gradient = by_baseline / n_total, by_adjacency / n_total, by_parameters / n_total
    return float(loss / n_total), gradient


def profile_loss(statistics, receiver, sources, parameters, *, kernel, length):
    r"""Part of the loss of one receiver, minimised over its baseline and adjacency.

    With :math:`D = \delta G`, and :math:`a_j, r_j, A_{jk}` the sums of :math:`k_{ij}` against
    :math:`\delta \Phi_j`, :math:`\Phi_j(\cdot; F_i)` and :math:`\delta \Psi_{jk}`, the part is

    .. math:: -\frac{N_i^2}{D} + \alpha^T \Big(A - \frac{a a^T}{D}\Big) \alpha
              - 2 \alpha^T \Big(r - \frac{N_i}{D} a\Big)
              + D \Big(\mu - \frac{N_i - a^T \alpha}{D}\Big)^2 ,

    a non-negative least-squares problem in :math:`(\mu, \alpha)`. Its first term, the part of a
    constant intensity, is left out: beside it the effect of weak kernels would lose its digits.

    At the minimum the derivative by the kernels' parameters is the partial one, since no feasible
    change of :math:`(\mu, \alpha)` changes the value to first order.

    Parameters
    ----------
    statistics : Statistics
    receiver : int
    sources : slice or ndarray of int, shape (n_sources,)
        Processes that may act on the receiver.
    parameters : ndarray, shape (n_parameters, n_sources)
    kernel : Kernel
    length : float
        Support of the kernels, in s.

    Returns
    -------
    excess : float
        Loss of the receiver, times the number of events, less that of a constant intensity; in Hz,
        0 or less.
    by_parameters : ndarray, shape (n_parameters, n_sources)
    weights : ndarray, shape (1 + n_sources,)
        Baseline and row of the adjacency.
    """
    delta, duration = statistics.delta, statistics.duration
    n_events = statistics.n_events[receiver]
    after, pairs = statistics.after[sources], statistics.pairs[receiver, sources]
    k, k_by_parameter = discretise(kernel, parameters, length=length, delta=delta, derivative=True)
    area = delta * (k * after).sum(-1)
    gram = delta * statistics.gram(k, sources)
    linear = (k * pairs).sum(-1)
    baseline, row = _nonnegative_minimiser(gram, area, linear, n_events, duration)
    excess = row @ (gram - np.outer(area, area) / duration) @ row
    excess -= 2 * row @ (linear - n_events / duration * area)
    excess += duration * (baseline - (n_events - area @ row) / duration) ** 2
    by_phi = 2 * delta * (baseline * after + statistics.apply(row[:, None] * k, sources))
    by_phi -= 2 * pairs
    by_parameters = row * (by_phi * k_by_parameter).sum(-1)
    return float(excess), by_parameters, np.append(baseline, row)


def _nonnegative_minimiser(gram, area, linear, n_events, duration):
    """Baseline and row of the adjacency at the minimum of `profile_loss`."""
    quadratic = np.empty((len(area) + 1, len(area) + 1))
    quadratic[0, 0], quadratic[1:, 1:] = duration, gram
    quadratic[0, 1:] = quadratic[1:, 0] = area
    # Unit diagonal: rates and branching ratios are of different size. The ridge, at the level of
    # rounding, decides between kernels that have become equal and for processes without events.
    scale = np.sqrt(np.diag(quadratic))
    scale[scale == 0] = 1.0
    quadratic /= np.outer(scale, scale)
    quadratic[np.diag_indices_from(quadratic)] += 1e-14 * len(quadratic)
    linear = np.append(n_events, linear) / scale
    weights = np.linalg.solve(quadratic, linear)
    if weights.min() < 0:
        root = scipy.linalg.cholesky(quadratic)
        weights = scipy.optimize.nnls(root, np.linalg.solve(root.T, linear))[0]
    weights /= scale
    return weights[0], weights[1:]
