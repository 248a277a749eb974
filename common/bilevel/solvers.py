r"""Twelve stochastic solvers of bilevel problems behind one function that counts oracle calls.

With v an approximation of :math:`-[\partial^2_{zz} G]^{-1} \partial_z F`, SOBA [1]_ moves all three
variables at once along

.. math:: D_z = \partial_z G, \qquad D_v = \partial^2_{zz} G\, v + \partial_z F, \qquad
          D_x = \partial^2_{xz} G\, v + \partial_x F,

each a mean over a batch of inner and one of outer samples, by steps that fall like
:math:`t^{-1/2}`. SABA [1]_ keeps a row for each batch and each of the five quantities, takes the
new value less the row plus the mean of rows, and its steps are constant. SRBA [2]_ computes full
directions in some iterations, and adds in the others what a batch says to have changed since the
point before; its steps are constant, too.

The baselines, with :math:`g = \partial_z F_j`, H a Hessian of a batch, and an x-step along
:math:`\partial_x F - \partial^2_{xz} G\, v`, v now without the minus sign:

=========  =====================================================================  ================
solver     an iteration                                                           steps
=========  =====================================================================  ================
amigo      ten steps on z, ten on v, from the last v                              constant
stocbio    ten steps on z; v is the series :math:`\rho \sum_{k=0}^{10}            constant
           \prod_{l \le k} (I - \rho H_l)\, g`
bsa        v is one term, :math:`10 \rho \prod_{l \le p} (I - \rho H_l)\, g`, p   :math:`t^{-1/2}`
           uniform from 0 to 9; ten steps on z follow that on x
ttsa       one step on z; v as bsa                                                :math:`t^{-2/5}`,
                                                                                  on x
                                                                                  :math:`t^{-3/5}`
mrbo       :math:`d \leftarrow g_{new} + (1 - \eta_t)(d - g_{old})` for z and x,  :math:`t^{-1/3}`
           :math:`\eta_t = \eta t^{-2/3}`; v as stocbio
sustain    the same with v as bsa                                                 :math:`t^{-1/3}`
fsla       one step on z and v; momentum on x alone, :math:`\eta_t = \rho         :math:`t^{-1/2}`
           t^{-1/2}`
vrbo       full directions in some iterations; a step on x, then ten steps on z   constant
           that update both directions as SRBA does; v as stocbio
f2sa       ten steps on z along :math:`\lambda \partial_z G + \partial_z F` and   :math:`t^{-5/7}`,
           on y along :math:`\partial_z G`; x along :math:`\partial_x F +         others
           \lambda (\partial_x G(z) - \partial_x G(y))`; :math:`\lambda` grows    :math:`t^{-4/7}`
           from 1 by :math:`\delta t^{-1/7}`
=========  =====================================================================  ================

A call is one of these quantities of one sample at one point: a gradient in z or x of G or F, or a
product of a second derivative with a vector. So an iteration of SABA costs five calls a row of a
batch, and one of SRBA ten, beside its full directions.

References
----------
.. [1] M. Dagréou, P. Ablin, S. Vaiter, T. Moreau, "A framework for bilevel optimization that
   enables stochastic and global variance reduction algorithms", NeurIPS 2022, arXiv:2201.13409.
.. [2] M. Dagréou, T. Moreau, S. Vaiter, P. Ablin, "A lower bound and a near-optimal algorithm for
   bilevel empirical risk minimization", AISTATS 2024, arXiv:2302.08766.
"""

from typing import NamedTuple

import numpy as np

from common import validation
from common.bilevel import _compiled
from common.bilevel.problems import check_problem

__all__ = ["CONSTANT", "SOLVERS", "Run", "solve", "step_bound"]

_LOOPS = {
    "soba": _compiled.soba,
    "saba": _compiled.saba,
    "srba": _compiled.srba,
    "amigo": _compiled.amigo,
    "stocbio": _compiled.stocbio,
    "bsa": _compiled.bsa,
    "ttsa": _compiled.ttsa,
    "mrbo": _compiled.momentum,
    "sustain": _compiled.momentum,
    "fsla": _compiled.fsla,
    "vrbo": _compiled.vrbo,
    "f2sa": _compiled.f2sa,
}

SOLVERS = tuple(_LOOPS)

CONSTANT = ("saba", "srba", "amigo", "stocbio", "vrbo")
"""Solvers whose steps do not fall."""


_WHOLE_SERIES = ("stocbio", "mrbo", "vrbo")


class Run(NamedTuple):
    """What `solve` keeps.

    ``calls`` has the shape (n_kept,): calls so far at each point. ``z`` and ``x`` have the shapes
    (n_kept, n_inner) and (n_kept, n_outer). Where a run has diverged before a mark, its point is
    NaN, and ``calls`` is what was asked for.
    """

    calls: np.ndarray
    z: np.ndarray
    x: np.ndarray
    diverged: bool


def step_bound(problem, x):
    """What a constant step must be below: 2 / L, L the largest curvature of G in z.

    Beyond it descent with all samples need not converge, and on a quadratic problem it does not.

    Parameters
    ----------
    problem : Quadratic, Logistic or Cleaning
    x : array_like, shape (n_outer,)
        Where the run starts.

    Returns
    -------
    bound : float

    Raises
    ------
    TypeError, ValueError
        If the problem is none, x is no vector of finite numbers or does not fit, or a penalty is
        infinite.
    """
    return 2 / check_problem(problem).curvature(problem.check_outer(x))


def solve(
    problem,
    z,
    x,
    *,
    solver,
    step,
    ratio,
    calls,
    rng,
    batch=64,
    n_inner=10,
    n_series=10,
    period_frac=0.5,
    eta=0.5,
    growth=0.01,
    full_start=False,
):
    """Run a solver until it has made so many oracle calls.

    Parameters
    ----------
    problem : Quadratic, Logistic or Cleaning
    z : array_like, shape (n_inner,)
    x : array_like, shape (n_outer,)
        Where it starts; v starts at zero.
    solver : str
        One of `SOLVERS`.
    step : float
        Rho, of z and v, above 0. Of a solver with constant steps, below `step_bound`.
    ratio : float
        Rho over the step of x, above 0.
    calls : array_like of int, shape (n_kept,)
        Marks, ascending, from 0: the first point at or after each is kept, and the run ends with
        the last.
    rng : numpy.random.Generator
        Draws the batches, independently and uniformly.
    batch : int, default=64
        Rows of a batch; divides the numbers of samples.
    n_inner : int, default=10
        Steps on z (and v, y) in an iteration of amigo, stocbio, bsa, vrbo and f2sa.
    n_series : int, default=10
        Length of the series, where there is one.
    period_frac : float, default=0.5
        Iterations between full directions of srba and vrbo, times the batch over n + m; at least
        one.
    eta : float, default=0.5
        Of mrbo and sustain.
    growth : float, default=0.01
        Delta of f2sa.
    full_start : bool, default=False
        Whether SABA fills its rows by a pass over all samples, as in 2022, or begins with zeros,
        as in 2024.

    Returns
    -------
    run : Run
        A run that diverges is no error: that is a result.

    Raises
    ------
    TypeError
        If the problem is none, or an argument is no number or no generator.
    ValueError
        If a shape does not fit, a value is not finite or out of bounds, the solver is unknown, the
        batch does not divide the numbers of samples, or the marks do not ascend.
    """
    check_problem(problem)
    validation.choice(solver, SOLVERS, "solver")
    z, x = problem.check_inner(z), problem.check_outer(x)
    step = validation.number(step, "step", above=0)
    ratio = validation.number(ratio, "ratio", above=0)
    if solver in CONSTANT and step >= (bound := step_bound(problem, x)):
        raise ValueError(
            f"step of {solver} must be below 2 / L = {bound:.4g}, got {step:g}: beyond it descent "
            "need not converge, as the step does not fall. Take a shorter one."
        )
    marks = validation.vector(calls, "calls", at_least=0, ascending=True)
    if (marks != np.floor(marks)).any():
        raise ValueError(f"calls must be whole numbers, got {marks[marks != np.floor(marks)][0]}.")
    rng = validation.generator(rng)
    data = problem.compiled(batch)
    period_frac = validation.number(period_frac, "period_frac", above=0)
    options = _compiled.Options(
        step=step,
        outer_step=step / ratio,
        n_inner=validation.count(n_inner, "n_inner"),
        n_series=validation.count(n_series, "n_series"),
        period=max(1, round(min(period_frac * (data.n_batches + data.m_batches), 1e15))),
        eta=validation.number(eta, "eta", at_least=0, at_most=1),
        growth=validation.number(growth, "growth", at_least=0),
        whole=solver in _WHOLE_SERIES,
        full_start=validation.choice(full_start, (False, True), "full_start"),
    )
    log = _compiled.Log(
        count=np.zeros(2, dtype=np.int64),
        marks=marks.astype(np.int64),
        calls=marks.astype(np.int64),
        z=np.full((len(marks), len(z)), np.nan),
        x=np.full((len(marks), len(x)), np.nan),
    )
    memory = _compiled.empty_memory(data, *((len(z), len(x)) if solver == "saba" else (0, 0)))
    arrays = _compiled.work(len(z), len(x), options.n_series)
    _LOOPS[solver](data, rng, z.copy(), x.copy(), options, log, memory, arrays)
    return Run(log.calls, log.z, log.x, bool(log.count[1] < len(marks)))
