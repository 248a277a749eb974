r"""Sinkhorn's iterations for entropic optimal transport, in the linear and in the log domain.

Between weights :math:`a` (n points) and :math:`b` (m points) with costs :math:`C`, the problem and
its dual are

.. math:: W_\varepsilon(a, b) = \min_{P 1 = a,\, P^\top 1 = b} \langle P, C \rangle
          + \varepsilon \sum_{ij} P_{ij} (\log P_{ij} - 1)
          = \max_{f, g} \langle f, a \rangle + \langle g, b \rangle
          - \varepsilon \sum_{ij} e^{(f_i + g_j - C_{ij}) / \varepsilon}.

The dual is maximal in one block where the plan :math:`P_{ij} = e^{(f_i + g_j - C_{ij}) /
\varepsilon}` has one marginal right, and Sinkhorn takes the blocks in turn [1]_:

.. math:: u = a / (K v), \quad v = b / (K^\top u), \qquad K = e^{-C / \varepsilon},\
          f = \varepsilon \log u,\ g = \varepsilon \log v.

POT has the same iterations; here each iterate can be had, several distributions share the products
with K, and gradients through the iterations are in `common.implicit`.

References
----------
.. [1] G. Peyré, M. Cuturi, "Computational Optimal Transport", Found. Trends Mach. Learn. 11, 2019,
   Section 4.
"""

import numpy as np
from scipy.special import logsumexp

from common import validation

__all__ = [
    "DOMAINS",
    "checked",
    "dual_value",
    "half_steps",
    "potentials",
    "sinkhorn",
    "transport_plan",
    "unbounded_plan",
    "unchecked_half_steps",
    "underflow",
]

DOMAINS = ("linear", "log")
"""Scalings u and v with products by K, which is fast; or potentials, which do not underflow."""

_FURTHEST = 690.0  # exp(-745) is 0, and scalings need room on both sides of the kernel


def sinkhorn(a, b, cost, *, reg, n_iter, domain="linear"):
    """Potentials after a number of iterations from g = 0.

    Parameters
    ----------
    a : array_like, shape (n,) or (n_distributions, n)
        Positive weights that sum to one, of one distribution or several.
    b : array_like, shape (m,) or (n_distributions, m)
    cost : array_like, shape (n, m)
        Any unit.
    reg : float
        Epsilon, in the unit of the cost.
    n_iter : int
        Each updates f, then g.
    domain : {"linear", "log"}, default="linear"

    Returns
    -------
    f : ndarray, shape (..., n)
        In the unit of the cost.
    g : ndarray, shape (..., m)
        The plan has the marginal ``b`` up to rounding.

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If weights are not positive or do not sum to one, shapes do not fit, a value is not finite,
        ``reg`` is not positive, or the kernel underflows in the linear domain.

    Examples
    --------
    >>> f, g = sinkhorn([0.5, 0.5], [0.5, 0.5], [[0, 1], [1, 0]], reg=0.5, n_iter=50)
    >>> transport_plan(f, g, [[0, 1], [1, 0]], reg=0.5).sum().round(6)
    np.float64(1.0)
    """
    n_iter = validation.count(n_iter, "n_iter")
    to_f, to_g, start = unchecked_half_steps(a, b, cost, reg=reg, domain=domain)
    g = start
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # `potentials` tells
        for _ in range(n_iter):
            f = to_f(g)
            g = to_g(f)
    if domain == "log":
        return f, g
    return potentials(f, reg), potentials(g, reg)


def half_steps(a, b, cost, *, reg, domain="linear"):
    """The two halves of an iteration as functions, for those who need every iterate.

    Parameters
    ----------
    a, b, cost, reg, domain
        See `sinkhorn`.

    Returns
    -------
    to_first : callable
        Scalings u from v; in the log domain potentials f from g. Shapes (..., m) to (..., n).
    to_second : callable
        v from u, or g from f.
    start : ndarray, shape (..., m)
        v = 1, or g = 0.

    Raises
    ------
    TypeError, ValueError
        As `sinkhorn`. The functions raise them, too: if what they are given holds no numbers, does
        not fit or is not finite, or is a scaling that is not positive.
    """
    to_f, to_g, start = unchecked_half_steps(a, b, cost, reg=reg, domain=domain)
    a, b, _ = checked(a, b, cost)
    names = ("f", "g") if domain == "log" else ("u", "v")
    bound = {} if domain == "log" else {"above": 0}

    def guarded(step, name, like, other):
        def take(values):
            values = validation.array(values, name, **bound)
            if values.shape[-1:] != like.shape[-1:]:
                raise ValueError(
                    f"{name} must have {like.shape[-1]} values, got shape {values.shape}."
                )
            _together(**{name: values, other[0]: other[1]})
            return step(values)

        return take

    return guarded(to_f, names[1], b, ("a", a)), guarded(to_g, names[0], a, ("b", b)), start


def unchecked_half_steps(a, b, cost, *, reg, domain="linear"):
    """`half_steps` whose functions take arrays as they are, for loops.

    Parameters
    ----------
    a, b, cost, reg, domain
        See `sinkhorn`.

    Returns
    -------
    to_first, to_second, start
        See `half_steps`.

    Raises
    ------
    TypeError, ValueError
        As `sinkhorn`.
    """
    a, b, cost = checked(a, b, cost)
    reg = validation.number(reg, "reg", above=0)
    validation.choice(domain, DOMAINS, "domain")
    shape = (*np.broadcast_shapes(a.shape[:-1], b.shape[:-1]), b.shape[-1])
    if domain == "log":
        log_a, log_b, kernel = np.log(a), np.log(b), -cost / reg

        def to_f(g):
            return reg * (log_a - logsumexp(kernel + (g / reg)[..., None, :], axis=-1))

        def to_g(f):
            return reg * (log_b - logsumexp(kernel + (f / reg)[..., :, None], axis=-2))

        return to_f, to_g, np.zeros(shape)
    if np.ptp(cost) / reg > _FURTHEST or np.abs(cost).max() / reg > _FURTHEST:
        raise ValueError(
            f"reg={reg:g} is too small for the linear domain: costs reach {np.abs(cost).max():g}, "
            "so exp(-cost / reg) underflows. Use domain='log'."
        )
    kernel = np.exp(-cost / reg)
    return (lambda v: a / (v @ kernel.T)), (lambda u: b / (u @ kernel)), np.ones(shape)


def potentials(scalings, reg):
    """Potentials of scalings.

    Parameters
    ----------
    scalings : ndarray
    reg : float

    Returns
    -------
    potentials : ndarray

    Raises
    ------
    ValueError
        If one is not finite: the kernel underflows.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found = reg * np.log(scalings)
    if not np.isfinite(found).all():
        raise underflow(reg)
    return found


def underflow(reg):
    """What is raised where scalings leave the range of numbers.

    Parameters
    ----------
    reg : float

    Returns
    -------
    error : ValueError
    """
    return ValueError(
        f"reg={reg:g} is too small for the linear domain: with these weights and costs the kernel "
        "underflows. Use domain='log'."
    )


def transport_plan(f, g, cost, *, reg):
    """The plan of potentials, ``exp((f + g - cost) / reg)``.

    Parameters
    ----------
    f : array_like, shape (..., n)
    g : array_like, shape (..., m)
    cost : array_like, shape (n, m)
    reg : float

    Returns
    -------
    plan : ndarray, shape (..., n, m)

    Raises
    ------
    TypeError
        If an argument is no number.
    ValueError
        If a value is not finite, ``reg`` is not positive, shapes do not fit, or the plan overflows.
    """
    with np.errstate(over="ignore"):
        plan = unbounded_plan(f, g, cost, reg=reg)
    if not np.isfinite(plan).all():
        raise ValueError(
            f"the plan is infinite with reg={reg:g}: f reaches {np.max(f):g}, g {np.max(g):g}, and "
            f"costs begin at {np.min(cost):g}. Take potentials of this cost and reg."
        )
    return plan


def unbounded_plan(f, g, cost, *, reg):
    """`transport_plan` that may overflow, for searches that try points far off.

    Parameters
    ----------
    f, g, cost, reg
        See `transport_plan`.

    Returns
    -------
    plan : ndarray, shape (..., n, m)

    Raises
    ------
    TypeError, ValueError
        As `transport_plan`, but for the overflow.
    """
    f, g = validation.array(f, "f"), validation.array(g, "g")
    cost = validation.array(cost, "cost", ndim=2)
    _fit(f, g, cost, names=("f", "g"))
    reg = validation.number(reg, "reg", above=0)
    return np.exp((f[..., :, None] + g[..., None, :] - cost) / reg)


def dual_value(f, g, a, b, cost, *, reg):
    """Value of the dual, a lower bound of the entropic cost that is reached at the optimum.

    Parameters
    ----------
    f, g
        Potentials, see `transport_plan`.
    a, b, cost, reg
        See `sinkhorn`.

    Returns
    -------
    value : float or ndarray, shape (...)
        In the unit of the cost.

    Raises
    ------
    TypeError, ValueError
        As `sinkhorn` and `transport_plan`.
    """
    a, b, cost = checked(a, b, cost)
    f, g = validation.array(f, "f"), validation.array(g, "g")
    _together(f=f, g=g, a=a, b=b)
    plan = transport_plan(f, g, cost, reg=reg)
    return (f * a).sum(-1) + (g * b).sum(-1) - reg * plan.sum((-2, -1))


def checked(a, b, cost):
    """Weights and costs in double precision, checked.

    Parameters
    ----------
    a, b, cost
        See `sinkhorn`.

    Returns
    -------
    a, b, cost : ndarray

    Raises
    ------
    TypeError, ValueError
        As `sinkhorn`.
    """
    cost = validation.array(cost, "cost", ndim=2).astype(float)
    a, b = _weights(a, "a"), _weights(b, "b")
    _fit(a, b, cost, names=("a", "b"))
    return a, b, cost


def _weights(weights, name):
    weights = validation.array(weights, name, at_least=0).astype(float)
    if weights.ndim not in (1, 2):
        raise ValueError(f"{name} must have 1 or 2 axes, got shape {weights.shape}.")
    if not weights.all():
        place = tuple(int(index) for index in np.argwhere(weights == 0)[0])
        raise ValueError(
            f"{name} must be positive, got 0 at index {place[0] if len(place) == 1 else place}: "
            "its potential would be -inf. Leave the point out, or mix in a little uniform weight."
        )
    totals = weights.sum(-1)
    worst = float(np.ravel(totals)[np.abs(np.ravel(totals) - 1).argmax()])
    if abs(worst - 1) > 1e-8:
        raise ValueError(f"{name} must sum to 1, got {worst:g}. Divide it by its sum.")
    return weights


def _fit(first, second, cost, *, names):
    wanted = first.shape[-1:] + second.shape[-1:]
    if cost.shape != wanted:
        raise ValueError(
            f"cost must have the shape of {names[0]} × {names[1]}, {wanted}, got {cost.shape}."
        )
    if first.ndim == second.ndim == 2 and len(first) != len(second):
        raise ValueError(
            f"{names[0]} and {names[1]} must be as many distributions, "
            f"got {len(first)} and {len(second)}."
        )
    _together(**dict(zip(names, (first, second), strict=True)))


def _together(**arrays):
    """Refuse numbers of distributions that do not broadcast."""
    shapes = {name: one.shape[:-1] for name, one in arrays.items()}
    try:
        np.broadcast_shapes(*shapes.values())
    except ValueError as error:
        found = ", ".join(f"{name} has {arrays[name].shape}" for name in shapes)
        raise ValueError(
            f"{' and '.join(shapes)} must be as many distributions, but in shape {found}."
        ) from error
