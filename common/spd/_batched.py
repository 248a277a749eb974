r"""Logarithms of many small positive definite matrices at once, without eigenvectors.

A call of LAPACK for each matrix leaves most of the processor idle. Here 32 matrices take each step
together, in the lanes of its vector instructions: Householder's reflections bring them to
tridiagonal form, a rational function of that form is its logarithm, and the reflections are undone.
The function is

.. math:: \log x \approx (x - 1) \sum_j \frac{w_j}{x + t_j}
          = \sum_j w_j - \sum_j \frac{w_j (1 + t_j)}{x + t_j}

with positive shifts and weights: the one that equals log x at the 64 points where Zolotarev's best
approximation of the root is exact on [1/3e6, 1]; its error there is below 1e-14. Eigenvalues are
divided by Gershgorin's bound, at most three times the largest, so that all condition numbers up to
1e6 are covered. Inverses of shifted tridiagonal matrices come from pivots that are all positive.
"""

import numba
import numpy as np

__all__ = ["logarithms"]

_LANES = 32
_RANGE = 3e6  # of eigenvalues, from Gershgorin's bound down
_SHIFTS = np.array([
    1.5134291568938854e-08, 8.493302956971977e-08, 2.3336279743161853e-07, 5.069186491655351e-07,
    9.912543550058444e-07, 1.838021039931701e-06, 3.312346483447211e-06, 5.875821736591575e-06,
    1.033093967075185e-05, 1.807210974101703e-05, 3.152160053852276e-05, 5.488633577610179e-05,
    9.547119068956606e-05, 0.0001659570496920408, 0.0002883504737599886, 0.000500828072138615,
    0.0008695913245304592, 0.001509393274303219, 0.0026190858043454446, 0.004543250562327312,
    0.007879394312849052, 0.01366570074430621, 0.023714413329287115, 0.04121877085437899,
    0.07190587822972294, 0.12637850982989185, 0.22536114850643654, 0.41312875364326634,
    0.7985587006948487, 1.7162178574382276, 4.675302411385963, 26.100467198407706,
])  # fmt: skip
_WEIGHTS = np.array([
    3.941691634801025e-08, 1.0374645333436099e-07, 2.0062804172014773e-07, 3.6033094752027823e-07,
    6.328571486984552e-07, 1.1035371513231042e-06, 1.919732041625333e-06, 3.3369351323855234e-06,
    5.798664879496738e-06, 1.0075065103894287e-05, 1.750337304580889e-05, 3.0404989609080594e-05,
    5.280843338824543e-05, 9.170150427061995e-05, 0.00015919769927932767, 0.00027627905544219504,
    0.0004792503602586778, 0.0008308413359657701, 0.0014392420094105748, 0.0024906015377514244,
    0.004304207689013098, 0.00742551686116768, 0.012781632804673532, 0.021938550266183052,
    0.03752278340047975, 0.06391095268413907, 0.10838448929517909, 0.18324472207331313,
    0.3105780689999945, 0.536994919141503, 1.0004449846285708, 2.5052297736093734,
])  # fmt: skip


def logarithms(matrices):
    """Logarithms of those matrices that are not close to singular.

    Parameters
    ----------
    matrices : ndarray of float64, shape (n_matrices, n_channels, n_channels)
        Symmetric and finite; the lower triangle is read.

    Returns
    -------
    logarithms : ndarray, shape (n_matrices, n_channels, n_channels)
    found : ndarray of bool, shape (n_matrices,)
        False where a condition number may exceed 1e6, or an eigenvalue is not positive: such
        logarithms mean nothing.
    """
    matrices = np.require(matrices, requirements=["C", "W"])  # the only layout that is compiled
    result = np.empty(matrices.shape)
    found = np.empty(len(matrices), dtype=bool)
    _logarithms(matrices, _SHIFTS, _WEIGHTS, result, found)
    return result, found


# Without "reassoc": the value of a matrix does not depend on those beside it.
_compiled = numba.njit(cache=True, error_model="numpy", fastmath={"contract"})


@_compiled
def _logarithms(matrices, shifts, weights, result, found):
    n, d = matrices.shape[:2]
    A, V = np.empty((d, d, _LANES)), np.zeros((d, d, _LANES))
    diagonal, beside = np.empty((d, _LANES)), np.zeros((d, _LANES))
    beta, product, sums = np.empty((d, _LANES)), np.empty((d, _LANES)), np.empty(_LANES)
    scale, definite = np.empty(_LANES), np.empty(_LANES, dtype=np.bool_)
    for start in range(0, n, _LANES):
        for l in range(_LANES):
            matrix = matrices[min(start + l, n - 1)]
            scale[l] = 0.0
            for i in range(d):
                scale[l] = max(scale[l], matrix[i, i])  # no entry is larger, if it is definite
            for i in range(d):
                for j in range(i + 1):
                    A[i, j, l] = matrix[i, j] / scale[l]
        _tridiagonal(A, V, beta, diagonal, beside, product, sums)
        _normalise(diagonal, beside, scale, definite, sums)
        _logarithm_of_tridiagonal(diagonal, beside, shifts, weights, A, product, sums)
        for k in range(d - 3, -1, -1):
            _reflect_both_sides(A, V[k], beta[k], k + 1, product, sums)
            _reflect_columns(A, V[k], beta[k], k + 1, sums)
        for l in range(min(_LANES, n - start)):
            found[start + l] = definite[l]
            for i in range(d):
                for j in range(i + 1):
                    result[start + l, i, j] = result[start + l, j, i] = A[i, j, l]
                result[start + l, i, i] += np.log(scale[l])


@_compiled
def _tridiagonal(A, V, beta, diagonal, beside, product, sums):
    """Bring A to tridiagonal form; reflection k is 1 - beta[k] V[k] V[k]^T."""
    d = len(A)
    for k in range(d - 2):
        sums[:] = 0.0
        for i in range(k + 1, d):
            for l in range(_LANES):
                V[k, i, l] = A[i, k, l]
                sums[l] += A[i, k, l] * A[i, k, l]
        for l in range(_LANES):
            norm, first = np.sqrt(sums[l]), A[k + 1, k, l]
            beside[k, l] = -norm if first > 0 else norm
            V[k, k + 1, l] = first - beside[k, l]
            half = norm * (norm + abs(first))
            beta[k, l] = 1 / half if half > 0 else 0.0
        _reflect_both_sides(A, V[k], beta[k], k + 1, product, sums)
    for i in range(d):
        for l in range(_LANES):
            diagonal[i, l] = A[i, i, l]
            beside[i, l] = beside[i, l] if i < d - 2 else A[d - 1, d - 2, l] if i < d - 1 else 0.0


@_compiled
def _reflect_both_sides(A, v, beta, first, product, sums):
    """H A H where rows and columns are both at least `first`; H = 1 - beta v v^T."""
    d = len(A)
    product[first:] = 0.0
    for i in range(first, d):
        sums[:] = 0.0
        for j in range(first, i):
            for l in range(_LANES):
                sums[l] += A[i, j, l] * v[j, l]
                product[j, l] += A[i, j, l] * v[i, l]
        for l in range(_LANES):
            product[i, l] += sums[l] + A[i, i, l] * v[i, l]
    sums[:] = 0.0
    for i in range(first, d):
        for l in range(_LANES):
            product[i, l] *= beta[l]
            sums[l] += product[i, l] * v[i, l]
    for i in range(first, d):
        for l in range(_LANES):
            product[i, l] -= 0.5 * beta[l] * sums[l] * v[i, l]
    for i in range(first, d):
        for j in range(first, i + 1):
            for l in range(_LANES):
                A[i, j, l] -= v[i, l] * product[j, l] + product[i, l] * v[j, l]


@_compiled
def _reflect_columns(A, v, beta, first, sums):
    """H A where rows are at least `first` and columns are not."""
    for j in range(first):
        sums[:] = 0.0
        for i in range(first, len(A)):
            for l in range(_LANES):
                sums[l] += v[i, l] * A[i, j, l]
        for i in range(first, len(A)):
            for l in range(_LANES):
                A[i, j, l] -= beta[l] * sums[l] * v[i, l]


@_compiled
def _normalise(diagonal, beside, scale, definite, pivot):
    """Divide by a bound of the eigenvalues, by Gershgorin; is the smallest in the range then?"""
    d = len(diagonal)
    for l in range(_LANES):
        bound = 0.0
        for i in range(d):
            before = abs(beside[i - 1, l]) if i > 0 else 0.0
            bound = max(bound, diagonal[i, l] + abs(beside[i, l]) + before)
        scale[l] *= bound
        definite[l] = True
        for i in range(d):
            diagonal[i, l] /= bound
            beside[i, l] /= bound
            before = beside[i - 1, l] * (beside[i - 1, l] / pivot[l]) if i > 0 else 0.0
            pivot[l] = diagonal[i, l] - 1 / _RANGE - before
            definite[l] = definite[l] and pivot[l] > 0  # and no NaN


@_compiled
def _logarithm_of_tridiagonal(diagonal, beside, shifts, weights, result, ratio, entry):
    """Sum of inverses, each from the pivots of its shifted matrix; the lower triangle."""
    d = len(diagonal)
    pivot = np.empty((d, _LANES))
    result[:] = 0.0
    for i in range(d):
        result[i, i] = weights.sum()
    for t, w in zip(shifts, weights * (1 + shifts)):  # noqa: B905, numba's has no `strict`
        for i in range(d):
            for l in range(_LANES):
                before = beside[i - 1, l] * ratio[i - 1, l] if i > 0 else 0.0
                pivot[i, l] = diagonal[i, l] + t - before
                ratio[i, l] = beside[i, l] / pivot[i, l]
        entry[:] = 0.0  # of the diagonal of the inverse, from the last to the first
        for j in range(d - 1, -1, -1):
            for l in range(_LANES):
                entry[l] = 1 / pivot[j, l] + ratio[j, l] * ratio[j, l] * entry[l]
            _add_column(j, w, entry, ratio, result)


@_compiled
def _add_column(j, w, entry, ratio, result):
    """Row j of the inverse, from its diagonal to the left, times -w."""
    across = -w * entry
    for i in range(j, -1, -1):
        for l in range(_LANES):
            result[j, i, l] += across[l]
            across[l] *= -ratio[i - 1, l] if i > 0 else 0.0
