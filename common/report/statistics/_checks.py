"""Checks of what enters the statistics, shared by its modules."""

import numpy as np

from common import validation

_LARGEST = 1e150  # squares of larger numbers overflow


def _paired(a, b, *, at_least):
    """Differences of pairs, and how large their rounding may be."""
    validation.same_rows(a=a, b=b)
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
