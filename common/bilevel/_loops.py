"""Compiled loops of the solvers; what each one does is said in `common.bilevel.solvers`.

All directions of an iteration are taken before a variable moves, unless steps follow one another
by the definition of the solver. Batches are drawn independently and uniformly.
"""

import math
from typing import NamedTuple

import numpy as np

from common.bilevel._oracles import (
    ALL,
    CROSS,
    FIRST,
    GRADIENT,
    HESSIAN,
    OUTER_GRADIENT,
    SECOND,
    compiled,
    inner,
    outer,
)


class Options(NamedTuple):
    """Lengths of steps, and what some solvers have beside."""

    step: float
    outer_step: float
    n_inner: int
    n_series: int
    period: int
    eta: float
    growth: float
    full_start: bool


class Log(NamedTuple):
    """Calls so far, and the points that are kept: the first after each mark of calls."""

    count: np.ndarray
    place: np.ndarray
    marks: np.ndarray
    calls: np.ndarray
    z: np.ndarray
    x: np.ndarray


class Memory(NamedTuple):
    """SABA's: one row a batch and quantity, and the means of the rows."""

    g: np.ndarray
    h: np.ndarray
    c: np.ndarray
    f: np.ndarray
    fx: np.ndarray
    mean_g: np.ndarray
    mean_h: np.ndarray
    mean_c: np.ndarray
    mean_f: np.ndarray
    mean_fx: np.ndarray


@compiled
def _more(log, z, x):
    """Keep the point where a mark is reached; whether to go on. A run that diverges ends."""
    for value in z:
        if not abs(value) < 1e50:
            return False
    for value in x:
        if not abs(value) < 1e50:
            return False
    while log.place[0] < len(log.marks) and log.count[0] >= log.marks[log.place[0]]:
        at = log.place[0]
        log.calls[at] = log.count[0]
        log.z[at] = z
        log.x[at] = x
        log.place[0] += 1
    return log.place[0] < len(log.marks)


@compiled
def _move(a, length, direction):
    for l in range(len(a)):
        a[l] -= length * direction[l]


@compiled
def directions(P, z, x, v, i, j, buffers, dz, dv, dx, count):
    """D_z, D_v and D_x from inner batch i and outer batch j; -1 is all samples."""
    g, h, c, f, fx = buffers
    inner(P, ALL, z, x, v, i, g, h, c, count)
    outer(P, FIRST | SECOND, z, x, j, f, fx, count)
    for l in range(len(z)):
        dz[l], dv[l] = g[l], h[l] + f[l]
    for l in range(len(x)):
        dx[l] = c[l] + fx[l]


@compiled
def _buffers(z, x):
    return (
        np.zeros(len(z)),
        np.zeros(len(z)),
        np.zeros(len(x)),
        np.zeros(len(z)),
        np.zeros(len(x)),
    )


@compiled
def soba(P, rng, z, x, o, log):
    v, dz, dv, dx = np.zeros(len(z)), np.zeros(len(z)), np.zeros(len(z)), np.zeros(len(x))
    buffers, t = _buffers(z, x), 0
    while _more(log, z, x):
        i, j = rng.integers(0, P.n_batches), rng.integers(0, P.m_batches)
        directions(P, z, x, v, i, j, buffers, dz, dv, dx, log.count)
        t += 1
        _move(z, o.step / math.sqrt(t), dz)
        _move(v, o.step / math.sqrt(t), dv)
        _move(x, o.outer_step / math.sqrt(t), dx)


@compiled
def empty_memory(P, p, q):
    n, m = P.n_batches, P.m_batches
    return Memory(
        np.zeros((n, p)), np.zeros((n, p)), np.zeros((n, q)), np.zeros((m, p)), np.zeros((m, q)),
        np.zeros(p), np.zeros(p), np.zeros(q), np.zeros(p), np.zeros(q),
    )  # fmt: skip


@compiled
def _remember(rows, mean, k, new):
    # Rows weigh the same, as batches are equally long.
    for l in range(len(mean)):
        mean[l] += (new[l] - rows[k, l]) / len(rows)
        rows[k, l] = new[l]


@compiled
def saba_directions(P, M, z, x, v, i, j, buffers, dz, dv, dx, count):
    """As `directions`, each quantity less its row and plus the mean of rows. Rows stay."""
    g, h, c, f, fx = buffers
    inner(P, ALL, z, x, v, i, g, h, c, count)
    outer(P, FIRST | SECOND, z, x, j, f, fx, count)
    for l in range(len(z)):
        dz[l] = g[l] - M.g[i, l] + M.mean_g[l]
        dv[l] = h[l] - M.h[i, l] + M.mean_h[l] + (f[l] - M.f[j, l] + M.mean_f[l])
    for l in range(len(x)):
        dx[l] = c[l] - M.c[i, l] + M.mean_c[l] + (fx[l] - M.fx[j, l] + M.mean_fx[l])


@compiled
def saba_remember(M, i, j, buffers):
    """Put what was computed last into the rows."""
    g, h, c, f, fx = buffers
    _remember(M.g, M.mean_g, i, g)
    _remember(M.h, M.mean_h, i, h)
    _remember(M.c, M.mean_c, i, c)
    _remember(M.f, M.mean_f, j, f)
    _remember(M.fx, M.mean_fx, j, fx)


@compiled
def saba(P, rng, z, x, o, log):
    v, dz, dv, dx = np.zeros(len(z)), np.zeros(len(z)), np.zeros(len(z)), np.zeros(len(x))
    buffers, M = _buffers(z, x), empty_memory(P, len(z), len(x))
    if o.full_start:
        for i in range(P.n_batches):
            inner(P, ALL, z, x, v, i, buffers[0], buffers[1], buffers[2], log.count)
            _remember(M.g, M.mean_g, i, buffers[0])
            _remember(M.h, M.mean_h, i, buffers[1])
            _remember(M.c, M.mean_c, i, buffers[2])
        for j in range(P.m_batches):
            outer(P, FIRST | SECOND, z, x, j, buffers[3], buffers[4], log.count)
            _remember(M.f, M.mean_f, j, buffers[3])
            _remember(M.fx, M.mean_fx, j, buffers[4])
    while _more(log, z, x):
        i, j = rng.integers(0, P.n_batches), rng.integers(0, P.m_batches)
        saba_directions(P, M, z, x, v, i, j, buffers, dz, dv, dx, log.count)
        saba_remember(M, i, j, buffers)
        _move(z, o.step, dz)
        _move(v, o.step, dv)
        _move(x, o.outer_step, dx)


@compiled
def srba_directions(P, before, z, x, v, i, j, buffers, old, dz, dv, dx, count):
    """Add to the directions what a batch says that has changed since the point before."""
    nz, nv, nx, oz, ov, ox = old
    directions(P, z, x, v, i, j, buffers, nz, nv, nx, count)
    directions(P, before[0], before[1], before[2], i, j, buffers, oz, ov, ox, count)
    for l in range(len(z)):
        dz[l] += nz[l] - oz[l]
        dv[l] += nv[l] - ov[l]
    for l in range(len(x)):
        dx[l] += nx[l] - ox[l]


@compiled
def srba(P, rng, z, x, o, log):
    p, q, t = len(z), len(x), 0
    v, dz, dv, dx = np.zeros(p), np.zeros(p), np.zeros(p), np.zeros(q)
    old = np.zeros(p), np.zeros(p), np.zeros(q), np.zeros(p), np.zeros(p), np.zeros(q)
    buffers, before = _buffers(z, x), (z.copy(), x.copy(), v.copy())
    while _more(log, z, x):
        if t % o.period == 0:
            directions(P, z, x, v, -1, -1, buffers, dz, dv, dx, log.count)
        else:
            i, j = rng.integers(0, P.n_batches), rng.integers(0, P.m_batches)
            srba_directions(P, before, z, x, v, i, j, buffers, old, dz, dv, dx, log.count)
        before[0][:], before[1][:], before[2][:] = z, x, v
        _move(z, o.step, dz)
        _move(v, o.step, dv)
        _move(x, o.outer_step, dx)
        t += 1


@compiled
def _descend(P, rng, n, step, z, x, buffers, count):
    """Steps of stochastic gradient descent on the inner problem."""
    for _ in range(n):
        i = rng.integers(0, P.n_batches)
        inner(P, GRADIENT, z, x, z, i, buffers[0], buffers[1], buffers[2], count)
        _move(z, step, buffers[0])


@compiled
def _draw(rng, n, drawn):
    for l in range(len(drawn)):
        drawn[l] = rng.integers(0, n)


@compiled
def _hypergradient(P, z, x, i, j, drawn, whole, o, buffers, v, dx, count):
    """d_x F - d_xz G v, v the truncated Neumann series of H⁻¹ d_z F, or one term of it, scaled."""
    g, h, c, f, fx = buffers
    outer(P, FIRST | SECOND, z, x, j, f, fx, count)
    v[:] = f
    for k in drawn:  # f becomes the next term
        inner(P, HESSIAN, z, x, f, k, g, h, c, count)
        _move(f, o.step, h)
        for l in range(len(v)):
            v[l] = v[l] + f[l] if whole else f[l]
    for l in range(len(v)):
        v[l] *= o.step if whole else o.step * o.n_series
    inner(P, CROSS, z, x, v, i, g, h, c, count)
    for l in range(len(x)):
        dx[l] = fx[l] - c[l]


@compiled
def amigo(P, rng, z, x, o, log):
    v, buffers = np.zeros(len(z)), _buffers(z, x)
    g, h, c, f, fx = buffers
    while _more(log, z, x):
        _descend(P, rng, o.n_inner, o.step, z, x, buffers, log.count)
        outer(P, FIRST | SECOND, z, x, rng.integers(0, P.m_batches), f, fx, log.count)
        for _ in range(o.n_inner):
            inner(P, HESSIAN, z, x, v, rng.integers(0, P.n_batches), g, h, c, log.count)
            _move(v, o.step, h)
            _move(v, -o.step, f)
        inner(P, CROSS, z, x, v, rng.integers(0, P.n_batches), g, h, c, log.count)
        _move(x, o.outer_step, fx)
        _move(x, -o.outer_step, c)


@compiled
def stocbio(P, rng, z, x, o, log):
    v, dx, buffers = np.zeros(len(z)), np.zeros(len(x)), _buffers(z, x)
    drawn = np.zeros(o.n_series, dtype=np.int64)
    while _more(log, z, x):
        _descend(P, rng, o.n_inner, o.step, z, x, buffers, log.count)
        _draw(rng, P.n_batches, drawn)
        i, j = rng.integers(0, P.n_batches), rng.integers(0, P.m_batches)
        _hypergradient(P, z, x, i, j, drawn, True, o, buffers, v, dx, log.count)
        _move(x, o.outer_step, dx)


@compiled
def bsa(P, rng, z, x, o, log):
    v, dx, buffers = np.zeros(len(z)), np.zeros(len(x)), _buffers(z, x)
    t = 0
    while _more(log, z, x):
        t += 1
        drawn = np.zeros(rng.integers(0, o.n_series), dtype=np.int64)
        _draw(rng, P.n_batches, drawn)
        i, j = rng.integers(0, P.n_batches), rng.integers(0, P.m_batches)
        _hypergradient(P, z, x, i, j, drawn, False, o, buffers, v, dx, log.count)
        _move(x, o.outer_step / math.sqrt(t), dx)
        _descend(P, rng, o.n_inner, o.step / math.sqrt(t), z, x, buffers, log.count)


@compiled
def ttsa(P, rng, z, x, o, log):
    v, dx, buffers = np.zeros(len(z)), np.zeros(len(x)), _buffers(z, x)
    t = 0
    while _more(log, z, x):
        t += 1
        _descend(P, rng, 1, o.step * t**-0.4, z, x, buffers, log.count)
        drawn = np.zeros(rng.integers(0, o.n_series), dtype=np.int64)
        _draw(rng, P.n_batches, drawn)
        i, j = rng.integers(0, P.n_batches), rng.integers(0, P.m_batches)
        _hypergradient(P, z, x, i, j, drawn, False, o, buffers, v, dx, log.count)
        _move(x, o.outer_step * t**-0.6, dx)


@compiled
def _momentum(P, rng, z, x, o, log, whole):
    """MRBO with the whole series, SUSTAIN with one term of it."""
    p, q, t = len(z), len(x), 0
    buffers, v, g, h, c = _buffers(z, x), np.zeros(p), np.zeros(p), np.zeros(p), np.zeros(q)
    new, dz, dx, z_old, x_old = np.zeros(q), np.zeros(p), np.zeros(q), z.copy(), x.copy()
    while _more(log, z, x):
        t += 1
        eta = o.eta * t ** (-2 / 3) if t > 1 else 1.0
        n = o.n_series if whole else rng.integers(0, o.n_series)
        drawn = np.zeros(n, dtype=np.int64)
        _draw(rng, P.n_batches, drawn)
        i, l = rng.integers(0, P.n_batches), rng.integers(0, P.n_batches)
        j = rng.integers(0, P.m_batches)
        if t > 1:
            inner(P, GRADIENT, z_old, x_old, v, i, g, h, c, log.count)
            _move(dz, 1.0, g)
            _hypergradient(P, z_old, x_old, l, j, drawn, whole, o, buffers, v, new, log.count)
            _move(dx, 1.0, new)
        inner(P, GRADIENT, z, x, v, i, g, h, c, log.count)
        _hypergradient(P, z, x, l, j, drawn, whole, o, buffers, v, new, log.count)
        for k in range(p):
            dz[k] = g[k] + (1 - eta) * dz[k]
        for k in range(q):
            dx[k] = new[k] + (1 - eta) * dx[k]
        z_old[:], x_old[:] = z, x
        _move(z, o.step * t ** (-1 / 3), dz)
        _move(x, o.outer_step * t ** (-1 / 3), dx)


@compiled
def mrbo(P, rng, z, x, o, log):
    _momentum(P, rng, z, x, o, log, True)


@compiled
def sustain(P, rng, z, x, o, log):
    _momentum(P, rng, z, x, o, log, False)


@compiled
def fsla(P, rng, z, x, o, log):
    p, q, t = len(z), len(x), 0
    v, dx, buffers = np.zeros(p), np.zeros(q), _buffers(z, x)
    z_old, x_old, v_old = z.copy(), x.copy(), v.copy()
    g, h, c, f, fx = buffers
    while _more(log, z, x):
        t += 1
        step = o.step / math.sqrt(t)
        eta = step if t > 1 else 1.0
        i, j = rng.integers(0, P.n_batches), rng.integers(0, P.m_batches)
        if t > 1:
            inner(P, CROSS, z_old, x_old, v_old, i, g, h, c, log.count)
            outer(P, SECOND, z_old, x_old, j, f, fx, log.count)
            for l in range(q):
                dx[l] -= fx[l] - c[l]
        inner(P, ALL, z, x, v, i, g, h, c, log.count)
        outer(P, FIRST | SECOND, z, x, j, f, fx, log.count)
        for l in range(q):
            dx[l] = fx[l] - c[l] + (1 - eta) * dx[l]
        z_old[:], x_old[:], v_old[:] = z, x, v
        _move(z, step, g)
        _move(v, step, h)
        _move(v, -step, f)
        _move(x, o.outer_step / math.sqrt(t), dx)


@compiled
def vrbo(P, rng, z, x, o, log):
    p, q, t = len(z), len(x), 0
    buffers, v, g, h, c = _buffers(z, x), np.zeros(p), np.zeros(p), np.zeros(p), np.zeros(q)
    new, dz, dx, z_old, x_old = np.zeros(q), np.zeros(p), np.zeros(q), z.copy(), x.copy()
    drawn, full = np.zeros(o.n_series, dtype=np.int64), np.full(o.n_series, -1)
    while _more(log, z, x):
        if t % o.period == 0:
            inner(P, GRADIENT, z, x, v, -1, dz, h, c, log.count)
            _hypergradient(P, z, x, -1, -1, full, True, o, buffers, v, dx, log.count)
            z_old[:], x_old[:] = z, x
        _move(x, o.outer_step, dx)
        for _ in range(o.n_inner):
            _draw(rng, P.n_batches, drawn)
            i, l = rng.integers(0, P.n_batches), rng.integers(0, P.n_batches)
            j = rng.integers(0, P.m_batches)
            inner(P, GRADIENT, z_old, x_old, v, i, g, h, c, log.count)
            _move(dz, 1.0, g)
            _hypergradient(P, z_old, x_old, l, j, drawn, True, o, buffers, v, new, log.count)
            _move(dx, 1.0, new)
            inner(P, GRADIENT, z, x, v, i, g, h, c, log.count)
            _move(dz, -1.0, g)
            _hypergradient(P, z, x, l, j, drawn, True, o, buffers, v, new, log.count)
            _move(dx, -1.0, new)
            z_old[:], x_old[:] = z, x
            _move(z, o.step, dz)
        t += 1


@compiled
def f2sa(P, rng, z, x, o, log):
    y, buffers, other = z.copy(), _buffers(z, x), np.zeros(len(x))
    g, h, c, f, fx = buffers
    penalty, t = 1.0, 0
    while _more(log, z, x):
        t += 1
        for _ in range(o.n_inner):
            i, j = rng.integers(0, P.n_batches), rng.integers(0, P.m_batches)
            inner(P, GRADIENT, z, x, z, i, g, h, c, log.count)
            outer(P, FIRST, z, x, j, f, fx, log.count)
            _move(z, o.step * t ** (-5 / 7) * penalty, g)
            _move(z, o.step * t ** (-5 / 7), f)
            inner(P, GRADIENT, y, x, y, i, g, h, c, log.count)
            _move(y, o.step * t ** (-4 / 7), g)
        i, j = rng.integers(0, P.n_batches), rng.integers(0, P.m_batches)
        outer(P, SECOND, z, x, j, f, fx, log.count)
        inner(P, OUTER_GRADIENT, z, x, z, i, g, h, c, log.count)
        inner(P, OUTER_GRADIENT, y, x, y, i, g, h, other, log.count)
        length = o.outer_step * t ** (-4 / 7)
        _move(x, length, fx)
        _move(x, length * penalty, c)
        _move(x, -length * penalty, other)
        penalty += o.growth * t ** (-1 / 7)
