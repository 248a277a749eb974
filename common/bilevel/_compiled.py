"""The solvers' compiled loops, and the oracles that they ask, which count samples.

In one module, as numba knows what it has compiled by the file of a function, not by those of the
functions that it calls. What each solver does is said in `common.bilevel.solvers`.

A batch is a number of rows that follow one another, all batches are equally long, and batch -1 is
all samples. Which of its quantities an oracle computes is a sum of `GRADIENT` and the like; each
costs one call for every sample. Where a quadratic problem is given, batches are averaged once, in
advance: what is computed is the same. Batches are drawn independently and uniformly. All directions
of an iteration are taken before a variable moves, unless steps follow one another by the definition
of the solver.

Plain loops over arrays that the caller makes: array operations take many times as long to compile.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

QUADRATIC, LOGISTIC, CLEANING = 0, 1, 2

# Numbers of numpy: of Python's numba takes each for a type of its own, and compiles for each.
GRADIENT, HESSIAN, CROSS, OUTER_GRADIENT = np.int64([1, 2, 4, 8])
ALL = GRADIENT + HESSIAN + CROSS
FIRST, SECOND = np.int64([1, 2])

# "reassoc" lets sums be taken in parts, by vector instructions.
compiled = numba.njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})


class Data(NamedTuple):
    """What oracles need; a kind of problem leaves empty what it does not have.

    ``M`` and ``M_out`` have the shape (n_batches + 1, p + q, p + q + 1): of each batch, and last of
    all samples, the second derivatives in (z, x) and, in the last column, the linear terms.
    """

    kind: int
    n: int
    m: int
    size: int
    n_batches: int
    m_batches: int
    reg: float
    X: np.ndarray
    y: np.ndarray
    X_out: np.ndarray
    y_out: np.ndarray
    M: np.ndarray
    M_out: np.ndarray


class Options(NamedTuple):
    """Lengths of steps, and what some solvers have beside."""

    step: float
    outer_step: float
    n_inner: int
    n_series: int
    period: int
    eta: float
    growth: float
    whole: bool
    full_start: bool


class Log(NamedTuple):
    """Calls so far with the number of points kept, and these: the first after each mark."""

    count: np.ndarray
    marks: np.ndarray
    calls: np.ndarray
    z: np.ndarray
    x: np.ndarray


class Memory(NamedTuple):
    """SABA's: one row a batch for each quantity and, last, the mean of the rows."""

    g: np.ndarray
    h: np.ndarray
    c: np.ndarray
    f: np.ndarray
    fx: np.ndarray


def work(p, q, n_series):
    """Arrays for the loops.

    Parameters
    ----------
    p, q : int
        Entries of z and x.
    n_series : int

    Returns
    -------
    of_z, of_x : tuple of ndarray
    drawn : ndarray of int, shape (n_series,)
    """
    of_z, of_x = tuple(np.zeros(p) for _ in range(9)), tuple(np.zeros(q) for _ in range(7))
    return of_z, of_x, np.zeros(n_series, dtype=np.int64)


def empty_memory(data, p, q):
    """SABA's memory before the first iteration.

    Parameters
    ----------
    data : Data
    p, q : int
        Entries of z and x.

    Returns
    -------
    memory : Memory
    """
    n, m = data.n_batches + 1, data.m_batches + 1
    return Memory(*(np.zeros(shape) for shape in ((n, p), (n, p), (n, q), (m, p), (m, q))))


@compiled
def inner(P, want, z, x, v, k, g, h, c, count):
    """Means over a batch of the inner problem's derivatives, as far as wanted.

    Parameters
    ----------
    P : Data
    want : int
        Sum of `GRADIENT` and the like.
    z, x, v : ndarray
    k : int
        The batch; -1 is all samples.
    g, h, c : ndarray
        Become d_z G, d_zz G v, and d_xz G v or d_x G.
    count : ndarray of int
        Its first entry grows by the calls.
    """
    if P.kind == QUADRATIC:
        _quadratic_inner(P, want, z, x, v, k, g, h, c)
    elif P.kind == LOGISTIC:
        _logistic_inner(P, want, z, x, v, k, g, h, c)
    else:
        _cleaning_inner(P, want, z, x, v, k, g, h, c)
    n_wanted = (want & 1) + (want >> 1 & 1) + (want >> 2 & 1) + (want >> 3 & 1)
    count[0] += n_wanted * (P.size if k >= 0 else P.n)


@compiled
def outer(P, want, z, x, k, f, c, count):
    """Means over a batch of the outer problem's gradients; see `inner`.

    Parameters
    ----------
    f : ndarray
        Becomes d_z F, and ``c`` d_x F.
    """
    if P.kind == QUADRATIC:
        row = k if k >= 0 else P.m_batches
        if want & FIRST:
            _affine(P.M_out, row, 0, z, x, f)
        if want & SECOND:
            _affine(P.M_out, row, len(z), z, x, c)
    else:
        if want & FIRST:
            if P.kind == LOGISTIC:
                _logistic_outer(P, z, k, f)
            else:
                _cleaning_outer(P, z, k, f)
        if want & SECOND:
            for l in range(len(c)):
                c[l] = 0.0
    count[0] += ((want & 1) + (want >> 1)) * (P.size if k >= 0 else P.m)


@compiled
def _affine(M, k, first, z, x, found):
    """Rows of the gradient in (z, x) of a quadratic, from a first one on."""
    p, q = len(z), len(x)
    for l in range(len(found)):
        total = M[k, first + l, p + q]
        for a in range(p):
            total += M[k, first + l, a] * z[a]
        for b in range(q):
            total += M[k, first + l, p + b] * x[b]
        found[l] = total


@compiled
def _quadratic_inner(P, want, z, x, v, k, g, h, c):
    row, p = k if k >= 0 else P.n_batches, len(z)
    if want & GRADIENT:
        _affine(P.M, row, 0, z, x, g)
    if want & OUTER_GRADIENT:
        _affine(P.M, row, p, z, x, c)
    if want & HESSIAN:
        for l in range(p):
            total = 0.0
            for a in range(p):
                total += P.M[row, l, a] * v[a]
            h[l] = total
    if want & CROSS:
        for l in range(len(x)):
            total = 0.0
            for a in range(p):
                total += P.M[row, p + l, a] * v[a]
            c[l] = total


@compiled
def _logistic_inner(P, want, z, x, v, k, g, h, c):
    p = len(z)
    if want & GRADIENT:
        for a in range(p):
            g[a] = 0.0
    if want & HESSIAN:
        for a in range(p):
            h[a] = 0.0
    if want & (GRADIENT | HESSIAN):
        start, stop = (k * P.size, (k + 1) * P.size) if k >= 0 else (0, P.n)
        share = 1 / (stop - start)
        for i in range(start, stop):
            margin = 0.0
            for a in range(p):
                margin += P.X[i, a] * z[a]
            wrong = 1 / (1 + math.exp(P.y[i] * margin))
            if want & GRADIENT:
                slope = -P.y[i] * wrong * share
                for a in range(p):
                    g[a] += slope * P.X[i, a]
            if want & HESSIAN:
                along = 0.0
                for a in range(p):
                    along += P.X[i, a] * v[a]
                along *= wrong * (1 - wrong) * share
                for a in range(p):
                    h[a] += along * P.X[i, a]
    for a in range(p):
        penalty = math.exp(x[a])
        if want & GRADIENT:
            g[a] += penalty * z[a]
        if want & HESSIAN:
            h[a] += penalty * v[a]
        if want & CROSS:
            c[a] = penalty * z[a] * v[a]
        if want & OUTER_GRADIENT:
            c[a] = 0.5 * penalty * z[a] * z[a]


@compiled
def _logistic_outer(P, z, k, f):
    start, stop = (k * P.size, (k + 1) * P.size) if k >= 0 else (0, P.m)
    for a in range(len(z)):
        f[a] = 0.0
    for i in range(start, stop):
        margin = 0.0
        for a in range(len(z)):
            margin += P.X_out[i, a] * z[a]
        slope = -P.y_out[i] / (1 + math.exp(P.y_out[i] * margin)) / (stop - start)
        for a in range(len(z)):
            f[a] += slope * P.X_out[i, a]


@compiled
def _score(X, i, one, z):
    """Product of a sample with the row of z that belongs to a class."""
    n_features, total = X.shape[1], 0.0
    for a in range(n_features):
        total += z[one * n_features + a] * X[i, a]
    return total


@compiled
def _add(X, i, one, factor, found):
    n_features = X.shape[1]
    for a in range(n_features):
        found[one * n_features + a] += factor * X[i, a]


@compiled
def _softmax(X, i, z, prob):
    """Probabilities of the classes of a sample; gives the logarithm of the sum that divides."""
    largest, total = -np.inf, 0.0
    for one in range(len(prob)):
        prob[one] = _score(X, i, one, z)
        largest = max(largest, prob[one])
    for one in range(len(prob)):
        prob[one] = math.exp(prob[one] - largest)
        total += prob[one]
    for one in range(len(prob)):
        prob[one] /= total
    return largest + math.log(total)


@compiled
def _cleaning_inner(P, want, z, x, v, k, g, h, c):
    n_classes = len(z) // P.X.shape[1]
    start, stop = (k * P.size, (k + 1) * P.size) if k >= 0 else (0, P.n)
    prob, along = np.empty(n_classes), np.empty(n_classes)
    for a in range(len(z)):
        if want & GRADIENT:
            g[a] = 2 * P.reg * z[a]
        if want & HESSIAN:
            h[a] = 2 * P.reg * v[a]
    if want & (CROSS | OUTER_GRADIENT):
        for a in range(len(x)):
            c[a] = 0.0
    for i in range(start, stop):
        weight, label = 1 / (1 + math.exp(-x[i])), P.y[i]
        slope = weight * (1 - weight) / (stop - start)
        weight /= stop - start
        normaliser = _softmax(P.X, i, z, prob)
        if want & OUTER_GRADIENT:
            c[i] = slope * (normaliser - _score(P.X, i, label, z))
        if want & GRADIENT:
            for one in range(n_classes):
                _add(P.X, i, one, weight * (prob[one] - (1.0 if one == label else 0.0)), g)
        if want & (HESSIAN | CROSS):
            mean = 0.0
            for one in range(n_classes):
                along[one] = _score(P.X, i, one, v)
                mean += prob[one] * along[one]
            if want & CROSS:
                c[i] = slope * (mean - along[label])
            if want & HESSIAN:
                for one in range(n_classes):
                    _add(P.X, i, one, weight * prob[one] * (along[one] - mean), h)


@compiled
def _cleaning_outer(P, z, k, f):
    prob = np.empty(len(z) // P.X_out.shape[1])
    start, stop = (k * P.size, (k + 1) * P.size) if k >= 0 else (0, P.m)
    for a in range(len(z)):
        f[a] = 0.0
    for i in range(start, stop):
        _softmax(P.X_out, i, z, prob)
        for one in range(len(prob)):
            slope = prob[one] - (1.0 if one == P.y_out[i] else 0.0)
            _add(P.X_out, i, one, slope / (stop - start), f)


@compiled
def _draw(rng, n):
    """One of n batches; a Generator's own ``integers`` takes seconds to compile."""
    return int(rng.random() * n)


@compiled
def _draw_several(rng, n, drawn):
    for l in range(len(drawn)):
        drawn[l] = _draw(rng, n)


@compiled
def _more(log, z, x):
    """Keep the point where a mark is reached; whether to go on. A run that diverges ends."""
    for l in range(len(z)):
        if not abs(z[l]) < 1e50:
            return False
    for l in range(len(x)):
        if not abs(x[l]) < 1e50:
            return False
    while log.count[1] < len(log.marks) and log.count[0] >= log.marks[log.count[1]]:
        at = log.count[1]
        log.calls[at] = log.count[0]
        for l in range(len(z)):
            log.z[at, l] = z[l]
        for l in range(len(x)):
            log.x[at, l] = x[l]
        log.count[1] += 1
    return log.count[1] < len(log.marks)


@compiled
def _move(a, length, direction):
    for l in range(len(a)):
        a[l] -= length * direction[l]


@compiled
def _copy(a, b):
    for l in range(len(a)):
        a[l] = b[l]


@compiled
def directions(P, z, x, v, i, j, g, h, c, f, fx, count):
    """D_z, D_v and D_x, which ``g``, ``h`` and ``c`` become; see `inner`.

    Parameters
    ----------
    i, j : int
        Inner and outer batch.
    f, fx : ndarray
        Become d_z F and d_x F.
    """
    inner(P, ALL, z, x, v, i, g, h, c, count)
    outer(P, FIRST | SECOND, z, x, j, f, fx, count)
    _move(h, -1.0, f)
    _move(c, -1.0, fx)


@compiled
def soba(P, rng, z, x, o, log, M, W):
    """SOBA, and arguments of all loops.

    Parameters
    ----------
    P : Data
    rng : numpy.random.Generator
    z, x : ndarray
        The start; they move.
    o : Options
    log : Log
        Is filled.
    M : Memory
        Of SABA, empty for others.
    W : tuple
        See `work`.
    """
    v, g, h, f = W[0][:4]
    c, fx = W[1][:2]
    t = 0
    while _more(log, z, x):
        t += 1
        length = 1 / math.sqrt(t)
        directions(
            P, z, x, v, _draw(rng, P.n_batches), _draw(rng, P.m_batches), g, h, c, f, fx, log.count
        )
        _move(z, o.step * length, g)
        _move(v, o.step * length, h)
        _move(x, o.outer_step * length, c)


@compiled
def _exchange(rows, k, new, found):
    """Add to a direction the new value less its row plus the mean, and put it into the row."""
    mean = len(rows) - 1  # rows weigh the same, as batches are equally long
    for l in range(len(new)):
        change = new[l] - rows[k, l]
        found[l] += change + rows[mean, l]
        rows[mean, l] += change / mean
        rows[k, l] = new[l]


@compiled
def saba_directions(P, M, z, x, v, i, j, new, out, count):
    """As `directions`, each quantity less its row and plus the mean of rows, which are renewed.

    Parameters
    ----------
    P : Data
    M : Memory
    z, x, v : ndarray
    i, j : int
    new : tuple of ndarray
        Become the quantities of the batches.
    out : tuple of ndarray
        Become D_z, D_v and D_x.
    count : ndarray of int
    """
    g, h, c, f, fx = new
    dz, dv, dx = out
    inner(P, ALL, z, x, v, i, g, h, c, count)
    outer(P, FIRST | SECOND, z, x, j, f, fx, count)
    for l in range(len(z)):
        dz[l] = dv[l] = 0.0
    for l in range(len(x)):
        dx[l] = 0.0
    _exchange(M.g, i, g, dz)
    _exchange(M.h, i, h, dv)
    _exchange(M.f, j, f, dv)
    _exchange(M.c, i, c, dx)
    _exchange(M.fx, j, fx, dx)


@compiled
def saba(P, rng, z, x, o, log, M, W):
    """SABA; see `soba`."""
    v, g, h, f, dz, dv = W[0][:6]
    c, fx, dx = W[1][:3]
    new, out = (g, h, c, f, fx), (dz, dv, dx)
    if o.full_start:
        for i in range(P.n_batches):
            inner(P, ALL, z, x, v, i, g, h, c, log.count)
            _exchange(M.g, i, g, dz)
            _exchange(M.h, i, h, dv)
            _exchange(M.c, i, c, dx)
        for j in range(P.m_batches):
            outer(P, FIRST | SECOND, z, x, j, f, fx, log.count)
            _exchange(M.f, j, f, dv)
            _exchange(M.fx, j, fx, dx)
    while _more(log, z, x):
        i, j = _draw(rng, P.n_batches), _draw(rng, P.m_batches)
        saba_directions(P, M, z, x, v, i, j, new, out, log.count)
        _move(z, o.step, dz)
        _move(v, o.step, dv)
        _move(x, o.outer_step, dx)


@compiled
def srba_directions(P, z, x, v, old, i, j, new, out, count):
    """Add what a batch says to have changed since the point before, or be anew for batches -1.

    Parameters
    ----------
    P : Data
    z, x, v : ndarray
    old : tuple of ndarray
        z, v and x before.
    i, j : int
    new : tuple of ndarray
        As in `saba_directions`.
    out : tuple of ndarray
        D_z, D_v and D_x, which change.
    count : ndarray of int
    """
    g, h, c, f, fx = new
    dz, dv, dx = out
    if i >= 0:
        directions(P, old[0], old[2], old[1], i, j, g, h, c, f, fx, count)
        _move(dz, 1.0, g)
        _move(dv, 1.0, h)
        _move(dx, 1.0, c)
    directions(P, z, x, v, i, j, g, h, c, f, fx, count)
    if i >= 0:
        _move(dz, -1.0, g)
        _move(dv, -1.0, h)
        _move(dx, -1.0, c)
    else:
        _copy(dz, g)
        _copy(dv, h)
        _copy(dx, c)


@compiled
def srba(P, rng, z, x, o, log, M, W):
    """SRBA; see `soba`."""
    v, g, h, f, dz, dv, z_old, v_old = W[0][:8]
    c, fx, dx, x_old = W[1][:4]
    old, new, out = (z_old, v_old, x_old), (g, h, c, f, fx), (dz, dv, dx)
    t = 0
    while _more(log, z, x):
        i = j = -1
        if t % o.period != 0:
            i, j = _draw(rng, P.n_batches), _draw(rng, P.m_batches)
        srba_directions(P, z, x, v, old, i, j, new, out, log.count)
        _copy(z_old, z)
        _copy(v_old, v)
        _copy(x_old, x)
        _move(z, o.step, dz)
        _move(v, o.step, dv)
        _move(x, o.outer_step, dx)
        t += 1


@compiled
def _descend(P, rng, n, step, z, x, g, h, c, count):
    """Steps of stochastic gradient descent on the inner problem."""
    for _ in range(n):
        inner(P, GRADIENT, z, x, z, _draw(rng, P.n_batches), g, h, c, count)
        _move(z, step, g)


@compiled
def _hypergradient(P, z, x, i, j, drawn, n, o, v, g, h, f, c, dx, count):
    """d_x F - d_xz G v, v the truncated Neumann series of H⁻¹ d_z F, or one term of it, scaled."""
    outer(P, FIRST | SECOND, z, x, j, f, dx, count)
    _copy(v, f)
    for l in range(n):  # f becomes the next term
        inner(P, HESSIAN, z, x, f, drawn[l], g, h, c, count)
        _move(f, o.step, h)
        if o.whole:
            _move(v, -1.0, f)
        else:
            _copy(v, f)
    for l in range(len(v)):
        v[l] *= o.step if o.whole else o.step * o.n_series
    inner(P, CROSS, z, x, v, i, g, h, c, count)
    _move(dx, 1.0, c)


@compiled
def amigo(P, rng, z, x, o, log, M, W):
    """AmIGO; see `soba`."""
    v, g, h, f = W[0][:4]
    c, fx = W[1][:2]
    while _more(log, z, x):
        _descend(P, rng, o.n_inner, o.step, z, x, g, h, c, log.count)
        outer(P, FIRST | SECOND, z, x, _draw(rng, P.m_batches), f, fx, log.count)
        for _ in range(o.n_inner):
            inner(P, HESSIAN, z, x, v, _draw(rng, P.n_batches), g, h, c, log.count)
            _move(v, o.step, h)
            _move(v, -o.step, f)
        inner(P, CROSS, z, x, v, _draw(rng, P.n_batches), g, h, c, log.count)
        _move(x, o.outer_step, fx)
        _move(x, -o.outer_step, c)


@compiled
def _estimate(P, rng, z, x, o, W, count):
    """A hypergradient of fresh batches: the whole series, or a term drawn at random."""
    v, g, h, f = W[0][:4]
    c, _, dx = W[1][:3]
    drawn = W[2]
    n = o.n_series if o.whole else _draw(rng, o.n_series)
    _draw_several(rng, P.n_batches, drawn)
    i, j = _draw(rng, P.n_batches), _draw(rng, P.m_batches)
    _hypergradient(P, z, x, i, j, drawn, n, o, v, g, h, f, c, dx, count)


@compiled
def stocbio(P, rng, z, x, o, log, M, W):
    """StocBiO; see `soba`."""
    _, g, h = W[0][:3]
    c, _, dx = W[1][:3]
    while _more(log, z, x):
        _descend(P, rng, o.n_inner, o.step, z, x, g, h, c, log.count)
        _estimate(P, rng, z, x, o, W, log.count)
        _move(x, o.outer_step, dx)


@compiled
def bsa(P, rng, z, x, o, log, M, W):
    """BSA; see `soba`."""
    _, g, h = W[0][:3]
    c, _, dx = W[1][:3]
    t = 0
    while _more(log, z, x):
        t += 1
        _estimate(P, rng, z, x, o, W, log.count)
        _move(x, o.outer_step / math.sqrt(t), dx)
        _descend(P, rng, o.n_inner, o.step / math.sqrt(t), z, x, g, h, c, log.count)


@compiled
def ttsa(P, rng, z, x, o, log, M, W):
    """TTSA; see `soba`."""
    _, g, h = W[0][:3]
    c, _, dx = W[1][:3]
    t = 0
    while _more(log, z, x):
        t += 1
        _descend(P, rng, 1, o.step * t**-0.4, z, x, g, h, c, log.count)
        _estimate(P, rng, z, x, o, W, log.count)
        _move(x, o.outer_step * t**-0.6, dx)


@compiled
def _change(P, z, x, z_old, x_old, i, l, j, n, fresh, o, W, dz, dx, stay, count):
    """Directions (1 - eta) (d - old) + new, of one draw at both points; ``fresh``: new alone."""
    v, g, h, f = W[0][:4]
    c, _, e = W[1][:3]
    drawn = W[2]
    if not fresh:
        inner(P, GRADIENT, z_old, x_old, v, i, g, h, c, count)
        _move(dz, 1.0, g)
        _hypergradient(P, z_old, x_old, l, j, drawn, n, o, v, g, h, f, c, e, count)
        _move(dx, 1.0, e)
    inner(P, GRADIENT, z, x, v, i, g, h, c, count)
    for k in range(len(z)):
        dz[k] = g[k] + (0.0 if fresh else stay * dz[k])
    _hypergradient(P, z, x, l, j, drawn, n, o, v, g, h, f, c, e, count)
    for k in range(len(x)):
        dx[k] = e[k] + (0.0 if fresh else stay * dx[k])


@compiled
def momentum(P, rng, z, x, o, log, M, W):
    """MRBO with the whole series, SUSTAIN with one term of it; see `soba`."""
    dz, z_old = W[0][-2:]
    dx, x_old = W[1][-2:]
    drawn = W[2]
    t = 0
    while _more(log, z, x):
        t += 1
        stay = 1 - o.eta * t ** (-2 / 3)
        n = o.n_series if o.whole else _draw(rng, o.n_series)
        _draw_several(rng, P.n_batches, drawn)
        i, l, j = _draw(rng, P.n_batches), _draw(rng, P.n_batches), _draw(rng, P.m_batches)
        _change(P, z, x, z_old, x_old, i, l, j, n, t == 1, o, W, dz, dx, stay, log.count)
        _copy(z_old, z)
        _copy(x_old, x)
        _move(z, o.step * t ** (-1 / 3), dz)
        _move(x, o.outer_step * t ** (-1 / 3), dx)


@compiled
def fsla(P, rng, z, x, o, log, M, W):
    """FSLA; see `soba`."""
    v, g, h, f, z_old, v_old = W[0][:6]
    c, fx, dx, x_old = W[1][:4]
    t = 0
    while _more(log, z, x):
        t += 1
        step = o.step / math.sqrt(t)
        i, j = _draw(rng, P.n_batches), _draw(rng, P.m_batches)
        if t > 1:
            inner(P, CROSS, z_old, x_old, v_old, i, g, h, c, log.count)
            outer(P, SECOND, z_old, x_old, j, f, fx, log.count)
            _move(dx, 1.0, fx)
            _move(dx, -1.0, c)
        inner(P, ALL, z, x, v, i, g, h, c, log.count)
        outer(P, FIRST | SECOND, z, x, j, f, fx, log.count)
        for l in range(len(x)):
            dx[l] = fx[l] - c[l] + (1 - step) * (dx[l] if t > 1 else 0.0)
        _copy(z_old, z)
        _copy(v_old, v)
        _copy(x_old, x)
        _move(z, step, g)
        _move(v, step, h)
        _move(v, -step, f)
        _move(x, o.outer_step / math.sqrt(t), dx)


@compiled
def vrbo(P, rng, z, x, o, log, M, W):
    """VRBO; see `soba`."""
    dz, z_old = W[0][-2:]
    dx, x_old = W[1][-2:]
    drawn = W[2]
    t = 0
    while _more(log, z, x):
        for step in range(-1 if t % o.period == 0 else 0, o.n_inner):
            full = step < 0
            for l in range(o.n_series):
                drawn[l] = -1 if full else _draw(rng, P.n_batches)
            i = -1 if full else _draw(rng, P.n_batches)
            l = -1 if full else _draw(rng, P.n_batches)
            j = -1 if full else _draw(rng, P.m_batches)
            if step == 0:
                _move(x, o.outer_step, dx)  # which the first change takes in, as the last z
            _change(P, z, x, z_old, x_old, i, l, j, o.n_series, full, o, W, dz, dx, 1.0, log.count)
            _copy(z_old, z)
            _copy(x_old, x)
            if not full:
                _move(z, o.step, dz)
        t += 1


@compiled
def f2sa(P, rng, z, x, o, log, M, W):
    """F2SA; see `soba`."""
    y, g, h, f = W[0][:4]
    c, fx, other = W[1][:3]
    _copy(y, z)
    penalty, t = 1.0, 0
    while _more(log, z, x):
        t += 1
        slow, fast = t ** (-4 / 7), t ** (-5 / 7)
        for _ in range(o.n_inner):
            i, j = _draw(rng, P.n_batches), _draw(rng, P.m_batches)
            inner(P, GRADIENT, z, x, z, i, g, h, c, log.count)
            outer(P, FIRST, z, x, j, f, fx, log.count)
            _move(z, o.step * fast * penalty, g)
            _move(z, o.step * fast, f)
            inner(P, GRADIENT, y, x, y, i, g, h, c, log.count)
            _move(y, o.step * slow, g)
        i, j = _draw(rng, P.n_batches), _draw(rng, P.m_batches)
        outer(P, SECOND, z, x, j, f, fx, log.count)
        inner(P, OUTER_GRADIENT, z, x, z, i, g, h, c, log.count)
        inner(P, OUTER_GRADIENT, y, x, y, i, g, h, other, log.count)
        _move(x, o.outer_step * slow, fx)
        _move(x, o.outer_step * slow * penalty, c)
        _move(x, -o.outer_step * slow * penalty, other)
        penalty += o.growth * t ** (-1 / 7)
