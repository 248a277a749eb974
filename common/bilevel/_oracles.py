"""Compiled oracles of the problems, which count the samples that they are asked about.

A batch is a number of rows that follow one another, all batches are equally long, and batch -1 is
all samples. Which of its quantities an oracle computes is a sum of `GRADIENT` and the like; each
costs one call for every sample. Where a quadratic problem is given, batches are averaged once, in
advance: what is computed is the same.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

QUADRATIC, LOGISTIC, CLEANING = 0, 1, 2

GRADIENT, HESSIAN, CROSS, OUTER_GRADIENT = 1, 2, 4, 8
ALL = GRADIENT + HESSIAN + CROSS
FIRST, SECOND = 1, 2

# Without "reassoc": the sums of a run are always taken in the same order.
compiled = numba.njit(cache=True, error_model="numpy", fastmath={"contract"})


class Data(NamedTuple):
    """What oracles need; a kind of problem leaves empty what it does not have.

    ``A`` to ``f_out`` hold a matrix or vector for each batch and, last, their mean. The inner
    problem has the shapes p × p, q × p and p; the outer one p × p, q × q, q × p, p and q.
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
    A: np.ndarray
    C: np.ndarray
    d: np.ndarray
    A_out: np.ndarray
    B_out: np.ndarray
    C_out: np.ndarray
    d_out: np.ndarray
    f_out: np.ndarray


@compiled
def inner(P, want, z, x, v, k, g, h, c, count):
    """Means over batch k of the inner problem's derivatives, as far as wanted.

    ``g`` becomes d_z G, ``h`` d_zz G v, and ``c`` d_xz G v or d_x G.
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
    """Means over batch k of the outer problem's gradients: ``f`` becomes d_z F, ``c`` d_x F."""
    if P.kind == QUADRATIC:
        _quadratic_outer(P, want, z, x, k, f, c)
    elif P.kind == LOGISTIC:
        _logistic_outer(P, want, z, k, f, c)
    else:
        _cleaning_outer(P, want, z, k, f, c)
    count[0] += ((want & 1) + (want >> 1)) * (P.size if k >= 0 else P.m)


@compiled
def _rows(k, size, n):
    return (k * size, (k + 1) * size) if k >= 0 else (0, n)


@compiled
def _quadratic_inner(P, want, z, x, v, k, g, h, c):
    A, C, d = P.A[k], P.C[k], P.d[k]
    p, q = len(z), len(x)
    if want & GRADIENT:
        for a in range(p):
            total = d[a]
            for b in range(p):
                total += A[a, b] * z[b]
            for b in range(q):
                total += C[b, a] * x[b]
            g[a] = total
    if want & HESSIAN:
        for a in range(p):
            total = 0.0
            for b in range(p):
                total += A[a, b] * v[b]
            h[a] = total
    if want & (CROSS | OUTER_GRADIENT):
        w = v if want & CROSS else z
        for b in range(q):
            total = 0.0
            for a in range(p):
                total += C[b, a] * w[a]
            c[b] = total


@compiled
def _quadratic_outer(P, want, z, x, k, f, c):
    A, B, C, d, e = P.A_out[k], P.B_out[k], P.C_out[k], P.d_out[k], P.f_out[k]
    p, q = len(z), len(x)
    if want & FIRST:
        for a in range(p):
            total = d[a]
            for b in range(p):
                total += A[a, b] * z[b]
            for b in range(q):
                total += C[b, a] * x[b]
            f[a] = total
    if want & SECOND:
        for b in range(q):
            total = e[b]
            for l in range(q):
                total += B[b, l] * x[l]
            for a in range(p):
                total += C[b, a] * z[a]
            c[b] = total


@compiled
def _logistic_inner(P, want, z, x, v, k, g, h, c):
    p, first = len(z), want & GRADIENT
    if want & (GRADIENT | HESSIAN):
        start, stop = _rows(k, P.size, P.n)
        for a in range(p):
            g[a] = 0.0 if first else g[a]
            h[a] = 0.0 if want & HESSIAN else h[a]
        for i in range(start, stop):
            margin = along = 0.0
            for a in range(p):
                margin += P.X[i, a] * z[a]
            wrong = 1 / (1 + math.exp(P.y[i] * margin))
            if first:
                slope = -P.y[i] * wrong
                for a in range(p):
                    g[a] += slope * P.X[i, a]
            if want & HESSIAN:
                for a in range(p):
                    along += P.X[i, a] * v[a]
                along *= wrong * (1 - wrong)
                for a in range(p):
                    h[a] += along * P.X[i, a]
        for a in range(p):
            if first:
                g[a] = g[a] / (stop - start) + math.exp(x[a]) * z[a]
            if want & HESSIAN:
                h[a] = h[a] / (stop - start) + math.exp(x[a]) * v[a]
    if want & CROSS:
        for a in range(p):
            c[a] = math.exp(x[a]) * z[a] * v[a]
    elif want & OUTER_GRADIENT:
        for a in range(p):
            c[a] = 0.5 * math.exp(x[a]) * z[a] * z[a]


@compiled
def _logistic_outer(P, want, z, k, f, c):
    if want & FIRST:
        start, stop = _rows(k, P.size, P.m)
        f[:] = 0.0
        for i in range(start, stop):
            margin = 0.0
            for a in range(len(z)):
                margin += P.X_out[i, a] * z[a]
            slope = -P.y_out[i] / (1 + math.exp(P.y_out[i] * margin))
            for a in range(len(z)):
                f[a] += slope * P.X_out[i, a]
        for a in range(len(z)):
            f[a] /= stop - start
    if want & SECOND:
        c[:] = 0.0


@compiled
def _scores(X, i, z, found):
    """Products of the rows of z, one a class, with a sample."""
    n_features = X.shape[1]
    for one in range(len(found)):
        total = 0.0
        for a in range(n_features):
            total += z[one * n_features + a] * X[i, a]
        found[one] = total


@compiled
def _softmax(scores):
    """Probabilities in place; gives the logarithm of the sum that divides them."""
    largest, total = scores.max(), 0.0
    for one in range(len(scores)):
        scores[one] = math.exp(scores[one] - largest)
        total += scores[one]
    for one in range(len(scores)):
        scores[one] /= total
    return largest + math.log(total)


@compiled
def _cleaning_inner(P, want, z, x, v, k, g, h, c):
    n_features = P.X.shape[1]
    n_classes = len(z) // n_features
    start, stop = _rows(k, P.size, P.n)
    n = stop - start
    prob, along = np.empty(n_classes), np.empty(n_classes)
    for a in range(len(z)):
        g[a] = 2 * P.reg * z[a] if want & GRADIENT else g[a]
        h[a] = 2 * P.reg * v[a] if want & HESSIAN else h[a]
    if want & (CROSS | OUTER_GRADIENT):
        c[:] = 0.0
    for i in range(start, stop):
        weight = 1 / (1 + math.exp(-x[i]))
        _scores(P.X, i, z, prob)
        score = prob[P.y[i]]
        normaliser = _softmax(prob)
        if want & OUTER_GRADIENT:
            c[i] = weight * (1 - weight) * (normaliser - score) / n
        if want & GRADIENT:
            for one in range(n_classes):
                slope = weight * (prob[one] - (1.0 if one == P.y[i] else 0.0)) / n
                for a in range(n_features):
                    g[one * n_features + a] += slope * P.X[i, a]
        if want & (HESSIAN | CROSS):
            _scores(P.X, i, v, along)
            mean = 0.0
            for one in range(n_classes):
                mean += prob[one] * along[one]
            if want & CROSS:
                c[i] = weight * (1 - weight) * (mean - along[P.y[i]]) / n
            if want & HESSIAN:
                for one in range(n_classes):
                    slope = weight * prob[one] * (along[one] - mean) / n
                    for a in range(n_features):
                        h[one * n_features + a] += slope * P.X[i, a]


@compiled
def _cleaning_outer(P, want, z, k, f, c):
    if want & FIRST:
        n_features = P.X_out.shape[1]
        prob = np.empty(len(z) // n_features)
        start, stop = _rows(k, P.size, P.m)
        f[:] = 0.0
        for i in range(start, stop):
            _scores(P.X_out, i, z, prob)
            _softmax(prob)
            for one in range(len(prob)):
                slope = (prob[one] - (1.0 if one == P.y_out[i] else 0.0)) / (stop - start)
                for a in range(n_features):
                    f[one * n_features + a] += slope * P.X_out[i, a]
    if want & SECOND:
        c[:] = 0.0
