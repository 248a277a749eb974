"""Pivots of rotated matrices, by elimination without pivoting, in numpy and torch."""

import array_api_compat
import numpy as np
from array_api_compat import is_torch_array

from common.spd._checks import to_numpy

__all__ = ["eliminate"]

# Pairs of matrix and line that are eliminated together: as many as a cache holds, and on other
# devices enough to keep them busy.
_BLOCK = {"cpu": 2048, "other": 2**16}


def eliminate(pairs, theta, P):
    """The coordinates themselves, block by block.

    Parameters
    ----------
    pairs, theta, P
        As in `common.spd.busemann.coordinates_of`, all of one library.

    Returns
    -------
    coordinates : ndarray or Tensor, shape (n_projections, n_matrices)

    Raises
    ------
    ValueError
        If a matrix is so close to singular that a pivot is not positive.
    """
    xp = array_api_compat.array_namespace(pairs)
    n_matrices, _, d, _ = pairs.shape
    n_projections = len(theta)
    on_cpu = not is_torch_array(pairs) or pairs.device.type == "cpu"
    block = _BLOCK["cpu" if on_cpu else "other"]
    n_step = min(n_matrices, block)
    l_step = max(1, block // n_step)
    coordinates = xp.empty(
        (n_projections, n_matrices), dtype=pairs.dtype, device=array_api_compat.device(pairs)
    )
    # The first pivots come from the first rows of P^T M P. The last ones are the inverses of those
    # of P^T M^-1 P, eliminated from its last row upwards. Half of either is a quarter of the work.
    half = (d + 1) // 2
    order = xp.arange(d, device=array_api_compat.device(pairs))
    parts = [(0, order[:half], 1.0)]
    if half < d:
        parts.append((1, xp.flip(order[half:]), -1.0))
    rows = [xp.take(xp.matrix_transpose(P), index, axis=1) for _, index, _ in parts]
    angles = [sign * xp.take(theta, index, axis=1) for _, index, sign in parts]
    for start in range(0, n_matrices, n_step):
        some = slice(start, start + n_step)
        # The matrices go along the last axis, where all that follows is contiguous.
        M = [
            xp.reshape(xp.permute_dims(pairs[some, which], (1, 2, 0)), (d, -1))
            for which, _, _ in parts
        ]
        for first in range(0, n_projections, l_step):
            lines = slice(first, first + l_step)
            coordinates[lines, some] = sum(
                _log_pivots(*part, lines, xp) for part in zip(M, rows, angles, strict=True)
            )
    finite = xp.all(xp.isfinite(coordinates), axis=0)
    if not bool(xp.all(finite)):
        worst = int(np.flatnonzero(~to_numpy(finite))[0])
        raise ValueError(
            f"matrix {worst} is so close to singular that a pivot of its rotations is not positive "
            "in this precision. Add a regulariser or shrinkage."
        )
    return coordinates


def _log_pivots(M, rows, theta, lines, xp):
    """Sums of theta times log pivots of R M R^T; M is (d, d n), the rows R are (lines, k, d)."""
    rows, theta = rows[lines], theta[lines]
    n_lines, k, d = rows.shape
    W = rows[:, None] @ xp.reshape(rows @ M, (n_lines, k, d, -1))
    for i in range(k - 1):
        row = W[:, i, i + 1 :]
        factors = row / W[:, i, i, None]
        for j in range(i + 1, k):
            W[:, j, j:] -= factors[:, j - i - 1, None] * row[:, j - i - 1 :]
    pivots = xp.stack([W[:, i, i] for i in range(k)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):  # an error of `eliminate`
        return xp.sum(theta[:, :, None] * xp.log(pivots), axis=1)
