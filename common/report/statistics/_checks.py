"""Checks of what enters the statistics, shared by its modules."""

import numpy as np

from common import validation

_LARGEST = 1e150  # squares of larger numbers overflow


def _paired(a, b, *, at_least):
    """Differences of pairs, and how large their rounding may be."""
    _check_aligned(a, b, names=("a", "b"))
    a, b = _finite(a, name="a", at_least=0), _finite(b, name="b", at_least=0)
    if a.shape != b.shape:
        raise ValueError(f"a and b must be pairs, got shapes {a.shape} and {b.shape}.")
    if len(a) < at_least:
        raise ValueError(f"at least {at_least} pair(s) are needed, got {len(a)}.")
    largest = max(np.abs(a).max(), np.abs(b).max())
    rounding = 4 * np.finfo(float).eps * largest
    differences = a - b
    differences[np.abs(differences) <= rounding] = 0.0
    return differences, rounding


def _check_aligned(a, b, *, names):
    """Two pandas series are pairs by their index, arrays by their place."""
    if not (hasattr(a, "index") and hasattr(a, "to_numpy")):
        return
    if not (hasattr(b, "index") and hasattr(b, "to_numpy")) or a.index.equals(b.index):
        return
    if len(a) != len(b):
        return  # the caller says so
    place = int(np.argmax(a.index.to_numpy(object) != b.index.to_numpy(object)))
    mine, other = (one.index.to_numpy(object)[place] for one in (a, b))
    raise ValueError(
        f"{names[0]} and {names[1]} have different indexes: row {place} is {mine!r} in "
        f"{names[0]} and {other!r} in {names[1]}. Align them, for example with "
        f"{names[1]}.loc[{names[0]}.index], or pass plain arrays."
    )


def _finite(x, *, name, at_least, n_dims=(1,)):
    x = validation.array(x, name, at_least=-_LARGEST, at_most=_LARGEST, empty=True)
    x = x.astype(float)
    if x.ndim not in n_dims:
        wanted = " or ".join(map(str, n_dims))
        raise ValueError(f"{name} must have {wanted} dimension(s), got shape {x.shape}.")
    if len(x) < at_least:
        raise ValueError(f"{name} must hold at least {at_least} values, got {len(x)}.")
    return x


def _checked(confidence):
    return validation.number(confidence, "confidence", above=0, below=1)
