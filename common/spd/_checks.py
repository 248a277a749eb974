"""Checks of what enters the public functions, one clear error each, and small conversions."""

import array_api_compat
import numpy as np
from array_api_compat import is_numpy_array, is_torch_array

from common import validation

__all__ = [
    "as_array",
    "check_count",
    "check_eigenvalues",
    "check_finite",
    "check_order",
    "check_pair",
    "check_powers",
    "check_rng",
    "check_stack",
    "check_weights",
    "floating",
    "namespace",
    "root",
    "to_numpy",
]


def namespace(**arrays):
    """Array namespace shared by named arrays: numpy's or torch's, after array-api-compat.

    Parameters
    ----------
    **arrays : ndarray or Tensor
        By the names that messages give them.

    Returns
    -------
    xp : module

    Raises
    ------
    ValueError
        If some are of numpy and some of torch, or one is neither or has masked values.
    """
    kinds = {name: _kind(name, array) for name, array in arrays.items()}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{name} is of {kind}" for name, kind in kinds.items())
        raise ValueError(f"arrays must all be of numpy or all of torch, but {found}.")
    for name, array in arrays.items():
        validation.unmasked(array, name)
    return array_api_compat.array_namespace(*arrays.values())


def floating(values, *, name):
    """Real numbers in single or double precision.

    Parameters
    ----------
    values : ndarray or Tensor
    name : str
        What messages call them.

    Returns
    -------
    values : ndarray or Tensor
        Whole numbers become float64.

    Raises
    ------
    ValueError
        If they are no array of numpy or torch, some are masked, or they are of another type.
    """
    xp = namespace(**{name: values})
    if isinstance(values, np.ma.MaskedArray):  # of which no value is masked
        values = values.data
    if xp.isdtype(values.dtype, "integral"):
        values = xp.astype(values, xp.float64)
    if values.dtype not in (xp.float64, xp.float32):
        raise ValueError(f"{name} must hold float64 or float32 numbers, got {values.dtype}.")
    return values


def check_stack(matrices, *, name, n_dims=None):
    """Real symmetric finite matrices: their namespace, and themselves in floating point.

    With ``n_dims=3`` the shape must be (n_matrices, n_channels, n_channels) without an empty axis;
    otherwise any number of leading axes is fine.

    Parameters
    ----------
    matrices : ndarray or Tensor, shape (..., n_channels, n_channels)
    name : str
        What messages call them.
    n_dims : int, optional
        Number of axes that they must have.

    Returns
    -------
    xp : module
    matrices : ndarray or Tensor
        Whole numbers become float64.

    Raises
    ------
    ValueError
        If the shape is another, values are masked, or a matrix is not real, finite and symmetric.
    """
    xp = namespace(**{name: matrices})
    shape = tuple(matrices.shape)
    if n_dims == 3 and len(shape) == 2 and shape[0] == shape[1]:
        raise ValueError(
            f"{name} must be a set of matrices, shape (n_matrices, n_channels, n_channels), got "
            f"the single matrix of shape {shape}. A set of one is {name}[None]."
        )
    if len(shape) < 2 or shape[-1] != shape[-2] or n_dims not in (None, len(shape)):
        wanted = "n_matrices" if n_dims == 3 else "..."
        raise ValueError(f"{name} must have shape ({wanted}, n_channels, n_channels), got {shape}.")
    if 0 in shape:
        raise ValueError(f"{name} is empty: its shape is {shape}.")
    matrices = floating(matrices, name=name)
    _check_symmetric(matrices, name=name, xp=xp)
    return xp, matrices


def check_pair(x, y, *, names=("x", "y")):
    """Two sets of symmetric matrices of one size, and the namespace of both.

    Parameters
    ----------
    x, y : ndarray or Tensor, shape (n_matrices, n_channels, n_channels)
    names : tuple of str, default=("x", "y")
        What messages call them.

    Returns
    -------
    xp : module
    x, y : ndarray or Tensor

    Raises
    ------
    ValueError
        If one is not such a set, or their sizes or their libraries differ.
    """
    namespace(**dict(zip(names, (x, y), strict=True)))
    xp, x = check_stack(x, name=names[0], n_dims=3)
    _, y = check_stack(y, name=names[1], n_dims=3)
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"{names[0]} and {names[1]} must hold matrices of one size, got shapes "
            f"{tuple(x.shape)} and {tuple(y.shape)}."
        )
    return xp, x, y


def check_weights(weights, *, name, n_samples):
    """Weights that sum to one, an array of numpy in double precision; None stays None.

    Parameters
    ----------
    weights : array_like or Tensor, shape (n_samples,), or None
        Need not sum to one.
    name : str
        What messages call them.
    n_samples : int

    Returns
    -------
    weights : ndarray, shape (n_samples,), or None

    Raises
    ------
    TypeError
        If they are no real numbers.
    ValueError
        If the shape is another, one is masked, negative or not finite, or all are zero.
    """
    if weights is None:
        return None
    values = to_numpy(weights) if is_torch_array(weights) else weights
    values = validation.array(values, name, at_least=0).astype(np.float64)
    if values.shape != (n_samples,):
        raise ValueError(
            f"{name} must have shape ({n_samples},), one weight per matrix, got {values.shape}."
        )
    if not values.any():
        raise ValueError(f"{name} are all zero; at least one must be positive.")
    values = values / values.max()  # their sum might overflow
    return values / values.sum()


def check_order(p):
    """Order of a Wasserstein distance.

    Parameters
    ----------
    p : float

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is below 1, or not finite.
    """
    validation.number(p, "p", at_least=1)


def check_count(value, *, name):
    """A number of things: an integer, at least 1.

    Parameters
    ----------
    value : int
    name : str
        What the message calls it.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")


def check_finite(values, *, name):
    """An array of numpy or torch without NaN and infinity.

    Parameters
    ----------
    values : ndarray or Tensor
    name : str
        What the message calls it.

    Raises
    ------
    ValueError
        With the first value that is not finite, and its place.
    """
    xp = array_api_compat.array_namespace(values)
    if not bool(xp.all(xp.isfinite(values))):
        found = to_numpy(values)
        place = _first(~np.isfinite(found))
        raise ValueError(f"{name}{list(place)} is {found[place]}; {name} must be finite.")


def check_powers(costs, x, y, *, p, names):
    """Powers of the differences between finite samples must be finite as well.

    Parameters
    ----------
    costs : ndarray or Tensor
        Sums or means of the powers.
    x, y : ndarray or Tensor
    p : float
        The power.
    names : tuple of str
        What the message calls ``x`` and ``y``.

    Raises
    ------
    ValueError
        If one is not: the message gives the largest of the values.
    """
    xp = array_api_compat.array_namespace(costs)
    if not bool(xp.all(xp.isfinite(costs))):
        largest = max(np.abs(to_numpy(values)).max() for values in (x, y))
        raise ValueError(
            f"{names[0]} and {names[1]} reach {largest:.3g}, and differences to the power p = "
            f"{p:g} overflow in {costs.dtype}. Divide both by one number first, or lower p."
        )


def check_rng(rng):
    """A generator of numpy, whatever the arrays are.

    Parameters
    ----------
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng must be a numpy.random.Generator, got {rng!r}.")


def check_eigenvalues(eigenvalues, *, name):
    """Ascending eigenvalues, shape (..., n_channels), must be positive beyond their rounding.

    Parameters
    ----------
    eigenvalues : ndarray or Tensor, shape (..., n_channels)
    name : str
        What the message calls the matrices.

    Raises
    ------
    ValueError
        With the place of the matrix that is farthest from definite.
    """
    xp = array_api_compat.array_namespace(eigenvalues)
    rounding = xp.finfo(eigenvalues.dtype).eps * eigenvalues[..., -1]
    if bool(xp.all((eigenvalues[..., 0] > rounding) & (rounding > 0))):
        return
    eigenvalues = to_numpy(eigenvalues)
    smallest, largest = eigenvalues[..., 0], eigenvalues[..., -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(largest > 0, smallest / largest, -np.inf)
    index = np.unravel_index(np.argmin(ratio), ratio.shape)
    where = "".join(f"[{i}]" for i in index)
    raise ValueError(
        f"{name}{where} is not positive definite in this precision: its eigenvalues go from "
        f"{smallest[index]:.3g} to {largest[index]:.3g}. Add a regulariser or shrinkage: "
        "covariances of fewer samples than channels are singular, and so are those of signals "
        "after average referencing or projections."
    )


def to_numpy(array):
    """Values of an array of numpy or torch, without gradient.

    Parameters
    ----------
    array : ndarray or Tensor

    Returns
    -------
    values : ndarray
    """
    return array.detach().cpu().numpy() if is_torch_array(array) else np.asarray(array)


def as_array(values, *, like):
    """Values with the type and on the device of another array.

    Parameters
    ----------
    values : array_like
    like : ndarray or Tensor

    Returns
    -------
    values : ndarray or Tensor
    """
    xp = array_api_compat.array_namespace(like)
    return xp.asarray(values, dtype=like.dtype, device=array_api_compat.device(like))


def root(cost, p, *, rounding=0.0):
    """Root of a non-negative mean, a float unless it is a tensor, with a zero slope at zero.

    A root below ``rounding`` counts as zero.

    Parameters
    ----------
    cost : float, or Tensor of any shape
    p : float
        Order of the root, at least 1.
    rounding : float, default=0

    Returns
    -------
    root : float or Tensor
    """
    if not is_torch_array(cost):
        value = max(float(cost), 0.0) ** (1 / p)
        return 0.0 if value < rounding else value  # nan stays nan
    xp = array_api_compat.array_namespace(cost)
    positive = (cost > 0) & (cost >= rounding**p)
    # Both branches are evaluated, so the infinite slope is kept away from zero twice.
    return xp.where(positive, xp.where(positive, cost, 1.0) ** (1 / p), 0.0 * cost)


def _check_symmetric(matrices, *, name, xp):
    # NaN and inf fail this comparison too, so that good input is read only once.
    if is_torch_array(matrices):
        matrices = matrices.detach()
    with np.errstate(invalid="ignore"):
        gap = xp.max(xp.abs(matrices - xp.matrix_transpose(matrices)), axis=(-2, -1))
    size = xp.max(xp.abs(matrices), axis=(-2, -1))
    tolerance = xp.finfo(matrices.dtype).eps ** 0.5
    if bool(xp.all(gap <= tolerance * size)):
        return
    values = to_numpy(matrices)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        index = bad[0].tolist()
        raise ValueError(
            f"{name}{index} is {values[tuple(index)]} ({len(bad)} of {values.size} entries are "
            "not finite). Reject the artefacts before computing covariances."
        )
    gap = np.abs(values - np.swapaxes(values, -1, -2))
    *index, i, j = np.unravel_index(np.argmax(gap / to_numpy(size)[..., None, None]), gap.shape)
    where, largest = "".join(f"[{k}]" for k in index), np.abs(values[tuple(index)]).max()
    raise ValueError(
        f"{name}{where} is not symmetric: its entries [{i}, {j}] and [{j}, {i}] differ by "
        f"{gap[(*index, i, j)]:.3g}, and its largest entry is {largest:.3g}."
    )


def _first(bad):
    return tuple(int(index) for index in np.argwhere(bad)[0])


def _kind(name, array):
    if is_torch_array(array):
        return "torch"
    if is_numpy_array(array):
        return "numpy"
    raise ValueError(f"{name} must be a numpy array or a torch tensor, got {type(array).__name__}.")
