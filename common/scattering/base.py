"""What the scattering transforms share: checks of the input, batch axes, and the filter cache.

A transform sets `shape` and its filter bank, nested numpy arrays in double precision, and computes
the coefficients of a batch in `_transform`. The bank becomes tensors when a signal comes: in the
signal's precision, on the signal's device, once for each.
"""

import numpy as np
import torch

__all__ = [
    "Scattering",
    "check_finite",
    "check_overflow",
    "modulus",
    "records_gradient",
    "refuse_options",
]

_PRECISIONS = (torch.float32, torch.float64)
# With these instructions the modulus of numpy is several times faster than any in torch.
_NUMPY_IS_FASTEST = np._core._multiarray_umath.__cpu_features__.get("AVX512_SKX", False)


class Scattering(torch.nn.Module):
    """Base of the scattering transforms.

    A subclass defines `ndim` and `_transform`, and sets `shape` and `_bank` in its constructor. It
    has neither parameters nor buffers: nothing to train, save or move, and ``state_dict()`` is
    empty.

    Parameters
    ----------
    shape : tuple of int
        Of one signal.

    Attributes
    ----------
    ndim : int
        Number of axes of a signal.
    shape : tuple of int
    """

    ndim = None

    def __init__(self, shape):
        super().__init__()
        self.shape = tuple(shape)
        self._bank = None
        self._cache = {}

    @property
    def _input_shape(self):
        """Last axes that the input must have, where they are not those of `shape`."""
        return self.shape

    def forward(self, x):
        """Scattering coefficients.

        Parameters
        ----------
        x : Tensor or ndarray, shape (..., *shape)
            Real, in single or double precision, which is that of the computation.

        Returns
        -------
        coefficients : Tensor or ndarray, shape (..., n_paths, ...)
            What ``x`` is, a tensor or an array. With another ``out_type``, dictionaries of such;
            see the transform.

        Raises
        ------
        TypeError
            If ``x`` is neither tensor nor array, or not in single or double precision.
        ValueError
            If the last axes of ``x`` are not ``shape``, a value is not finite, or values are so
            large that a coefficient is not, or so small that the transform loses them.
        """
        from_numpy = isinstance(x, np.ndarray)
        x = _as_tensor(x)
        batch = _check_shape(x, self._input_shape, type(self).__name__)
        readable = not (torch.compiler.is_compiling() or _is_transformed(x) or x.is_meta)
        if readable:
            check_finite(x)
            self._check_range(x)
        x = x.reshape(-1, *self._input_shape)
        if len(x):
            found = self._transform(x)
        else:  # a transform need not think of an empty batch
            found = _each(lambda c: c[:0], self._transform(x.new_zeros(1, *self._input_shape)))
        if readable:
            _each(lambda c: check_overflow(c, x), found)
        return _each(lambda c: _finish(c, batch, from_numpy), found)

    def _check_range(self, x):
        """Refuse values that lose their digits on the way; overridden where there are such."""

    def scattering(self, x):
        """Same as calling the transform.

        Parameters
        ----------
        x : ndarray or Tensor

        Returns
        -------
        coefficients : ndarray or Tensor
        """
        return self(x)

    def _transform(self, x):
        """Coefficients of a batch, shape (n_signals, *shape): a tensor, or dictionaries."""
        raise NotImplementedError

    def _bank_for(self, dtype):
        """Filter bank for a precision; overridden where it depends on the precision."""
        return self._bank

    @torch.compiler.disable
    def _filters(self, x):
        """The filter bank as tensors of the precision and on the device of ``x``."""
        key = x.dtype, x.device
        if key not in self._cache:
            # Made within inference mode, they could never be used with gradients later.
            with torch.inference_mode(False), torch.no_grad():
                self._cache[key] = _to_tensors(self._bank_for(x.dtype), *key)
        return self._cache[key]

    def __getstate__(self):
        return {**self.__dict__, "_cache": {}}


def modulus(z):
    """Modulus of complex numbers, whose gradient at 0 is 0.

    Parameters
    ----------
    z : complex Tensor

    Returns
    -------
    r : Tensor
        A real tensor, of the shape of ``z``.
    """
    if z.device.type != "cpu" or records_gradient(z):
        return z.abs()  # the gradient is the sign of z, which torch defines as 0 at 0
    if _NUMPY_IS_FASTEST:
        return torch.from_numpy(np.abs(z.resolve_conj().detach().numpy()))
    # One number at a time in torch.abs; this runs over vectors. Squares would run out of range.
    parts = torch.view_as_real(z.resolve_conj())
    return torch.hypot(parts[..., 0], parts[..., 1])


def records_gradient(x):
    """Whether what is computed from ``x`` must leave its intermediate values untouched.

    Parameters
    ----------
    x : Tensor

    Returns
    -------
    records : bool
        False where in-place operations are safe: no gradient is recorded, and neither
        `torch.compile` nor a transform of `torch.func` is at work.
    """
    if torch.compiler.is_compiling() or _is_transformed(x):
        return True
    if torch.autograd.forward_ad.unpack_dual(x).tangent is not None:
        return True
    return torch.is_grad_enabled() and x.requires_grad


def refuse_options(transform, options, reasons):
    """Refuse options that a transform does not have.

    Parameters
    ----------
    transform : str
        Its name.
    options : dict
        What the constructor did not recognise.
    reasons : dict of str to str
        What to do instead, for options that other libraries have.

    Raises
    ------
    TypeError
        If there is any.
    """
    for name in options:
        reason = reasons.get(name, "See the parameters in its documentation.")
        raise TypeError(f"{transform} has no option {name!r}. {reason}")


def check_finite(x, name="x"):
    """Raise a ValueError that names the first value of a tensor that is not finite.

    Parameters
    ----------
    x : Tensor
    name : str, default="x"
        What the message calls it.

    Raises
    ------
    ValueError
        With the value and its place.
    """
    # A sum is several times cheaper than looking at each value; it may overflow, so look then.
    if torch.isfinite(x.detach().sum()):
        return
    bad = ~torch.isfinite(x.detach())
    if bad.any():
        where = bad.nonzero()[0].tolist()
        raise ValueError(
            f"{name}{where} is {x[tuple(where)].item()} ({int(bad.sum())} of {x.numel()} values "
            "are not finite). Every coefficient would be lost; interpolate or drop these signals "
            "first."
        )


def check_overflow(found, x):
    """Raise a ValueError if what was computed from ``x``, which is finite, is not.

    Parameters
    ----------
    found : Tensor
    x : Tensor

    Raises
    ------
    ValueError
        With the largest value of ``x``, and what to do.
    """
    found = found.detach()
    if torch.isfinite(found.sum()) or torch.isfinite(found).all():
        return
    precision = str(x.dtype).removeprefix("torch.")
    raise ValueError(
        f"x has values up to {x.detach().abs().max().item():g}, of which a coefficient overflows "
        f"in {precision}. Divide x by its largest value"
        + (", or convert it to float64." if x.dtype == torch.float32 else ".")
    )


def _as_tensor(x):
    if isinstance(x, np.ndarray):
        _check_precision(x.dtype.name, np.iscomplexobj(x), x.dtype.name in ("float32", "float64"))
        x = np.ascontiguousarray(x, dtype=x.dtype.newbyteorder("="))
        return torch.from_numpy(x if x.flags.writeable else x.copy())
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"x must be a torch tensor or a numpy array, got {type(x).__name__}.")
    name = str(x.dtype).removeprefix("torch.")
    _check_precision(name, x.is_complex(), x.dtype in _PRECISIONS)
    return x


def _check_precision(name, is_complex, is_known):
    if is_complex:
        raise TypeError(
            f"x is complex ({name}); scattering takes real signals. "
            "Transform x.real and x.imag separately."
        )
    if not is_known:
        raise TypeError(
            f"x must be float32 or float64, got {name}. Convert it: x.float() of a tensor, "
            "x.astype('float32') of an array."
        )


def _check_shape(x, shape, transform):
    """Batch axes of ``x``."""
    if tuple(x.shape[-len(shape) :]) != shape:
        axes = "axis" if len(shape) == 1 else f"{len(shape)} axes"
        raise ValueError(
            f"the last {axes} of x must have shape {shape}, for which this {transform} was built; "
            f"x has shape {tuple(x.shape)}."
        )
    return tuple(x.shape[: x.ndim - len(shape)])


def _is_transformed(x):
    """Whether ``x`` is inside a transform of `torch.func`, where its values cannot be read."""
    return torch._C._functorch.is_functorch_wrapped_tensor(x)


def _each(function, coefficients):
    """Apply a function to the coefficients, in whichever form they come."""
    if isinstance(coefficients, torch.Tensor):
        return function(coefficients)
    if isinstance(coefficients, dict):
        return {path: function(c) for path, c in coefficients.items()}
    return [{**path, "coef": function(path["coef"])} for path in coefficients]


def _finish(coefficients, batch, to_numpy):
    coefficients = coefficients.reshape(*batch, *coefficients.shape[1:])
    return coefficients.numpy() if to_numpy else coefficients


def _to_tensors(bank, dtype, device):
    if isinstance(bank, np.ndarray):
        single = dtype == torch.float32
        precision = {"f": "f4" if single else "f8", "c": "c8" if single else "c16"}
        bank = bank.astype(precision.get(bank.dtype.kind, bank.dtype))
        return torch.tensor(bank, device=device)
    if isinstance(bank, dict):
        return {name: _to_tensors(value, dtype, device) for name, value in bank.items()}
    if isinstance(bank, tuple) and hasattr(bank, "_fields"):
        return type(bank)(*(_to_tensors(value, dtype, device) for value in bank))
    if isinstance(bank, list | tuple):
        return type(bank)(_to_tensors(value, dtype, device) for value in bank)
    return bank
