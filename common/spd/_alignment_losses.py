"""Distances between two sets of points, with their gradient with respect to the first set.

The points are `common.spd.logarithm.log_vectors`: Euclidean there is log-Euclidean on matrices.
"""

import warnings

import numpy as np

from common.spd._checks import check_count, check_rng
from common.spd.directions import haar_orthogonal, spd_directions
from common.spd.logarithm import symmetric_vectors

__all__ = ["LOSSES", "make_loss"]

_SLICED = {"spdsw": "spd", "logsw": "log"}
LOSSES = (*_SLICED, "les", "lew")

_N_FACTORS = 1000  # a million products, of which a usual run takes a quarter
_SINKHORN_STEPS = 10_000
_SINKHORN_ERROR = 1e-7  # of the marginals, relative


def make_loss(name, target, *, n_source, n_channels, rng, n_projections, reg):
    r"""Function that maps points to their distance from the target, and its gradient.

    Parameters
    ----------
    name : {"spdsw", "logsw", "les", "lew"}
    target : ndarray, shape (n_target, n_features)
    n_source, n_channels : int
    rng : numpy.random.Generator or None
        None will do for ``"les"`` and ``"lew"``.
    n_projections : int
    reg : float

    Returns
    -------
    loss : callable
        Maps points, shape (n_source, n_features), to a float and to
        :math:`n\, \partial f / \partial s_i`, of the same shape as the points: times the number
        of source points, so that a point moves as far whether there are ten of them or a thousand.

    Raises
    ------
    ValueError
        If the loss is unknown, a sliced one has no generator or no direction, or ``reg`` is not
        positive and finite for ``"les"``.
    """
    if name not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(map(repr, LOSSES))}, got {name!r}.")
    if name in _SLICED:
        check_count(n_projections, name="n_projections")
        if rng is None:
            raise ValueError(
                f"loss {name!r} draws directions: give it rng, for example "
                "np.random.default_rng(0)."
            )
        check_rng(rng)
        draw = _directions(n_projections, n_channels, rng=rng, kind=_SLICED[name])
        return _sliced(target, draw, n_source=n_source)
    if name == "lew":
        return _exact(target)
    if not 0 < reg < np.inf:
        raise ValueError(f"reg must be positive and finite, got {reg}; without it, take 'lew'.")
    return _entropic(target, reg=reg)


def _sliced(target, draw, *, n_source):
    r"""Mean over directions A of the squared 1D Wasserstein distance, with fresh directions.

    With :math:`u_i = \langle A, s_i \rangle` of rank :math:`r(i)` and the target's quantile
    function :math:`F^{-1}`, the optimal plan sends the mass of :math:`u_i` to the quantiles between
    :math:`(r(i) - 1) / n` and :math:`r(i) / n`. Their mean :math:`\bar v_{r(i)}` and variance give

    .. math:: W_2^2 = \frac 1n \sum_i (u_i - \bar v_{r(i)})^2 + \frac 1n \sum_r \mathrm{var}_r,

    and as long as no ranks change, :math:`n\, \partial W_2^2 / \partial u_i
    = 2 (u_i - \bar v_{r(i)})`. The second sum is zero for sets of one size.
    """
    plan = None if n_source == len(target) else _quantile_plan(n_source, len(target))

    def loss(points):
        directions = draw()
        u, v = directions @ points.T, directions @ target.T
        order = np.argsort(u, axis=1)
        v.sort(axis=1)
        matched = v if plan is None else (plan @ v.T).T
        gaps = np.empty_like(u)
        np.put_along_axis(gaps, order, np.take_along_axis(u, order, axis=1) - matched, axis=1)
        value = np.mean(gaps**2)
        if plan is not None:
            value += np.mean(v**2) - np.mean(matched**2)
        return float(value), (2 / len(directions)) * gaps.T @ directions

    return loss


def _quantile_plan(n, m):
    """Sparse (n, m): row r averages the m sorted values that quantiles (r, r + 1) / n meet."""
    from scipy.sparse import csr_array

    # In units of 1 / (n m), where both quantile functions change at integers.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    widths = np.diff(ends, prepend=0)
    return csr_array((widths / m, ((ends - 1) // m, (ends - 1) // n)), shape=(n, m))


def _directions(n_projections, n_channels, *, rng, kind):
    """Function that draws fresh directions at each call, in the law of `spd_directions`.

    Most of the time of `spd_directions` goes into orthogonal matrices. Products of two different
    ones of a fixed stock are again uniform, and any two products of different pairs independent,
    which is what the variance of a mean over directions depends on.
    """
    if kind == "log":
        return lambda: spd_directions(n_projections, n_channels, rng=rng, kind=kind)
    stock = haar_orthogonal(_N_FACTORS, n_channels, rng=rng)

    def draw():
        first = rng.integers(_N_FACTORS, size=n_projections)
        second = (first + rng.integers(1, _N_FACTORS, size=n_projections)) % _N_FACTORS
        P = stock[first] @ stock[second]
        theta = rng.standard_normal((n_projections, n_channels))
        theta /= np.linalg.norm(theta, axis=1, keepdims=True)
        return symmetric_vectors((P * theta[:, None, :]) @ P.transpose(0, 2, 1))

    return draw


def _exact(target):
    r"""Exact optimal transport for the squared distance, :math:`\min_\pi \sum \pi C`.

    The optimal plan does not change under a small move, up to exceptions, so
    :math:`n\, \partial f / \partial s_i = 2 (s_i - n \sum_j \pi_{ij} t_j)`.
    """
    import ot  # seconds to import, and only two of the losses need it

    def loss(points):
        costs = _squared_distances(points, target)
        plan = ot.emd([], [], costs)
        return float(np.sum(plan * costs)), _pull(points, target, plan)

    return loss


def _entropic(target, *, reg):
    r"""Entropic optimal transport, :math:`\min_\pi \sum \pi C + \epsilon\, KL(\pi \mid a b^\top)`.

    By the envelope theorem the gradient is that of the exact problem, at the entropic plan.
    """
    import ot

    potentials = None

    def loss(points):
        nonlocal potentials
        costs = _squared_distances(points, target)
        n, m = costs.shape
        if potentials is None:  # costs less potentials are 0 somewhere in each column
            rows = costs.min(axis=1)
            potentials = rows, (costs - rows[:, None]).min(axis=0)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # failure shows in the marginals
            plan, log = ot.bregman.sinkhorn_stabilized(
                [],
                [],
                costs,
                reg,
                numItermax=_SINKHORN_STEPS,
                stopThr=_SINKHORN_ERROR / np.sqrt(m),
                warmstart=potentials,
                print_period=10,
                log=True,
            )
            error = np.abs(m * plan.sum(axis=0) - 1).max()
        if not error < 1e-3:
            raise RuntimeError(
                f"Sinkhorn's iterations did not converge in {_SINKHORN_STEPS} steps: marginals are "
                f"off by {error:.1%}. Costs reach {costs.max():.3g}; raise reg, {reg:g}, or lower "
                "lr if the steps diverge."
            )
        potentials = log["warmstart"]
        # KL(plan | a b) by the potentials, as log plan is linear in them and in the costs.
        value = potentials[0].mean() + potentials[1].mean() + reg * np.log(n * m)
        return float(value), _pull(points, target, plan)

    return loss


def _pull(points, target, plan):
    """Twice the way from where the plan sends each point, back to the point."""
    return 2 * (points - (plan @ target) / plan.sum(axis=1, keepdims=True))


def _squared_distances(x, y):
    squares = np.sum(x**2, axis=1)[:, None] + np.sum(y**2, axis=1)
    return np.maximum(squares - 2 * x @ y.T, 0.0)
