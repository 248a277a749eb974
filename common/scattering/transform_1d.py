r"""Scattering transform of signals: averages of moduli of wavelet coefficients, and of theirs.

.. math:: S_0 = x * \phi, \qquad S_1(n_1) = |x * \psi_{n_1}| * \phi, \qquad
          S_2(n_1, n_2) = \bigl||x * \psi_{n_1}| * \psi_{n_2}\bigr| * \phi, \quad j_{n_2} > j_{n_1},

each sampled as coarsely as its filter allows. Where the time goes is Fourier transforms, and all
else is kept small:

- A filter is stored, and multiplied by, only where it does not vanish. A spectrum that is cut out
  from its place and put at 0 is a signal times a phase, of the same modulus: nothing is moved back.
- Filters whose outputs have one length go through one batched inverse transform, as do, at the
  second order, all first-order signals that one wavelet is applied to.
- Nothing of the second order is transformed again: the few samples of its averages are a product
  with a small matrix.
"""

import math
import numbers
import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from common import validation
from common.scattering import filters_1d as filters
from common.scattering.base import (
    Scattering,
    modulus,
    records_gradient,
    refuse_options,
)

__all__ = ["Scattering1D"]

_REASONS = {
    "backend": "It computes in torch; numpy arrays are accepted and returned.",
    "vectorize": "Set out_type to 'array' or 'list'.",
}
# First-order spectra, in complex numbers, that may be held at a time: 32 MB in single precision.
_HELD = {"cpu": 2**22}
_HELD_ELSEWHERE = 2**26
# Averages by a matrix: few samples, and a matrix of at most this many entries.
_MOST_SAMPLES, _MOST_ENTRIES = 64, 2**22


class _Group(NamedTuple):
    """Filters whose outputs have one length; of the first order, or one wavelet of the second."""

    size: int  # samples of the outputs
    starts: tuple  # where the weights begin in the spectrum, for each filter
    weights: object  # shape (n_filters or 1, width, 2), for real and imaginary parts
    n_inputs: tuple  # second order: how many signals of each first-order group are transformed
    has_children: bool  # first order: whether some wavelet of the second is applied
    positions: tuple  # of the coefficients, in the output


class _Bank(NamedTuple):
    first: tuple
    second: tuple
    phi: dict  # low-pass filter, by the length of the inverse transform
    matrices: dict  # of averages, by the length of what is averaged


class Scattering1D(Scattering):
    r"""Scattering transform of one-dimensional signals.

    Parameters
    ----------
    J : int
        The longest wavelets last about ``2 ** J`` samples.
    shape : int or tuple of one int
        Length of the signals, at least 2.
    Q : int or tuple of one or two ints, default=1
        Wavelets in an octave, at the first and the second order; the second is 1 unless given.
    T : float, optional
        Length of the averaging, in samples, at least 1. By default ``2 ** J``; 0 for none, which
        gives coefficients of different lengths.
    max_order : {1, 2}, default=2
    average : bool, optional
        Deprecated: False is ``T=0``.
    oversampling : int, default=0
        Every signal is sampled ``2 ** oversampling`` times as finely as need be.
    out_type : {"array", "list", "dict"}, default="array"
        One array; or a dictionary for each path, with ``"coef"``, ``"j"`` and ``"n"``; or a
        dictionary of coefficients by ``n``. `max_order`, `oversampling` and `out_type` may be
        changed later.
    **unknown
        Refused, with what to do instead.

    Attributes
    ----------
    log2_T : int
        The coefficients are those of every ``2 ** log2_T`` th sample, without oversampling.
    padding : Padding

    Raises
    ------
    TypeError
        If an option is unknown, or a count no whole number.
    ValueError
        If one is out of range, or the signals are too short.

    Warns
    -----
    UserWarning
        If averages reach beyond both ends of a signal.

    Notes
    -----
    Values are those of Kymatio 0.3.0 [2]_. There, a filter at a reduced rate is the mean over the
    frequencies that coincide, not their sum, so that its output from every ``2 ** k`` th sample is
    ``2 ** -k`` times that of the formula: :math:`S_1` is multiplied by :math:`2^{-j_1}`, and
    :math:`S_2` by :math:`2^{-j_1 - j_2}` (with scales up to ``log2_T``). Taking logs and
    standardising undoes it, and with ``oversampling=J`` it does not arise (its authors discuss this
    in kymatio/kymatio#736).

    References
    ----------
    .. [1] J. Andén and S. Mallat, "Deep Scattering Spectrum", IEEE Trans. Signal Process. 62(16),
       2014, arXiv:1304.6763.
    .. [2] M. Andreux et al., "Kymatio: Scattering Transforms in Python", JMLR 21(60), 2020,
       arXiv:1812.11214.

    Examples
    --------
    >>> scattering = Scattering1D(J=4, shape=256)
    >>> scattering(torch.zeros(3, 256)).shape
    torch.Size([3, 13, 16])
    >>> scattering.output_size(detail=True)
    [1, 5, 7]
    """

    ndim = 1

    def __init__(
        self,
        J,
        shape,
        Q=1,
        T=None,
        max_order=2,
        average=None,
        oversampling=0,
        out_type="array",
        **unknown,
    ):
        refuse_options("Scattering1D", unknown, _REASONS)
        super().__init__(_check_shape(shape))
        self.J = validation.count(J, "J", at_least=0, at_most=62)
        self.Q = _check_Q(Q)
        self.T, self.average = _check_T(T, average, self.J, self.shape[0])
        self.log2_T = math.floor(math.log2(self.T))
        self.max_order, self.oversampling, self.out_type = max_order, oversampling, out_type
        self._check_options()
        self.padding = filters.padding(self.shape[0], self.T)
        if self.padding.length < 2 ** max(self.J, self.log2_T):
            raise ValueError(
                f"signals of {self.shape[0]} samples are too short for J={self.J}: with their "
                f"reflections they have {self.padding.length}, less than 2 ** J = {2**self.J}. "
                "Lower J or take longer signals."
            )
        self._wavelets = [filters.wavelets(self.J, q) for q in self.Q]
        _check_order(*self._wavelets)
        self._plan()

    def extra_repr(self):
        """Options, for ``print(scattering)``."""
        return (
            f"J={self.J}, shape={self.shape}, Q={self.Q}, T={self.T if self.average else 0:g}, "
            f"max_order={self.max_order}, oversampling={self.oversampling}, "
            f"out_type={self.out_type!r}"
        )

    def meta(self):
        """What each coefficient is, in the order of the output.

        Returns
        -------
        meta : dict
            ``"order"``, shape (n_paths,); ``"xi"``, ``"sigma"`` (cycles per sample), ``"j"`` and
            ``"n"`` (index of the wavelet) of the filters of each order, shape (n_paths, max_order),
            NaN beyond the order of the path; ``"key"``, a list of tuples, the values of ``"n"``.
        """
        keys = self._paths()
        width = self.max_order
        meta = {"order": np.array([len(key) for key in keys])}
        for name in ("xi", "sigma", "j"):
            of_order = [getattr(family, name) for family in self._wavelets]
            meta[name] = _padded(
                [[of_order[m][n] for m, n in enumerate(key)] for key in keys], width
            )
        return meta | {"n": _padded(keys, width), "key": keys}

    def output_size(self, detail=False):
        """Number of coefficients.

        Parameters
        ----------
        detail : bool, default=False
            A list with the number of each order, instead of their sum.

        Returns
        -------
        size : int or list of int
        """
        orders = [len(key) for key in self._paths()]
        sizes = [orders.count(m) for m in range(self.max_order + 1)]
        return sizes if detail else sum(sizes)

    def _paths(self):
        """Indices of the wavelets of each path."""
        j1, j2 = (family.j for family in self._wavelets)
        second = [(n1, int(n2)) for n1 in range(len(j1)) for n2 in np.flatnonzero(j2 > j1[n1])]
        return [(), *((n1,) for n1 in range(len(j1))), *(second if self.max_order == 2 else [])]

    def _transform(self, x):
        if self._planned != (self.max_order, self.oversampling):
            self._plan()
        self._check_options()
        bank = self._filters(x)
        if records_gradient(x):
            return self._arranged(list(self._cascade(x, bank, in_place=False)))
        # Chunks of equal size, as many as memory asks for.
        held = len(x) * sum(group.size * len(group.starts) for group in bank.first)
        n_chunks = min(len(x), -(-held // _HELD.get(x.device.type, _HELD_ELSEWHERE)))
        chunks = x.split(-(-len(x) // n_chunks))
        if self.out_type == "array":
            start, stop = self._kept
            found = x.new_empty(len(x), self.output_size(), stop - start)
            for chunk, rows in zip(chunks, found.split(len(chunks[0])), strict=True):
                parts = self._cascade(chunk, bank, in_place=True)
                for part, positions in zip(parts, self._positions(), strict=True):
                    rows[:, list(positions)] = part
            return found
        parts = zip(*(self._cascade(chunk, bank, in_place=True) for chunk in chunks), strict=True)
        return self._arranged([torch.cat(part) for part in parts])

    def _cascade(self, x, bank, *, in_place):
        """Coefficients of some signals: zeroth order, first by rate, second by last wavelet."""
        padded = functional.pad(x[:, None], self.padding[1:], mode="reflect")
        spectrum = torch.fft.fft(padded)
        size = self.padding.length
        yield self._average_spectrum(spectrum, size, bank) if self.average else x[:, None]
        spectra = []
        for group in bank.first:
            pieces = [_cut(spectrum, start, group.weights.shape[1]) for start in group.starts]
            envelopes = _envelopes(pieces, group.weights, group.size, in_place=in_place)
            spectra.append(torch.fft.fft(envelopes) if group.has_children else None)
            if self.average and group.has_children:
                yield self._average_spectrum(spectra[-1], group.size, bank)
            else:
                yield self._finish(envelopes, bank)
            del envelopes  # while this waits for its next turn
        for group in bank.second:
            inputs = [u[:, :n] for u, n in zip(spectra, group.n_inputs, strict=True) if n]
            pieces = [_cut(u, group.starts[0], group.weights.shape[1]) for u in inputs]
            envelopes = _envelopes(pieces, group.weights, group.size, in_place=in_place)
            yield self._finish(envelopes, bank)
            del envelopes

    def _finish(self, envelopes, bank):
        """Average, or only keep the samples of the signal itself."""
        size = envelopes.shape[-1]
        if not self.average:
            level = (self.padding.length // size).bit_length() - 1
            start, stop = filters.border(self.padding, self.shape[0], level)
            return envelopes[..., start:stop]
        if size in bank.matrices:
            return envelopes @ bank.matrices[size]
        return self._average_spectrum(torch.fft.rfft(envelopes), size, bank)

    def _average_spectrum(self, spectrum, size, bank):
        """Averages of a signal of some size, from its spectrum."""
        # The filter has nothing to pass above the rate of its output: invert at twice that rate.
        length = min(2 * self._rate, size)
        low = spectrum[..., : length // 2 + 1] * bank.phi[length]
        step = length // self._rate
        start, stop = (step * i for i in self._kept)
        return torch.fft.irfft(low, n=length, norm="forward")[..., start:stop:step]

    def _arranged(self, parts):
        """Coefficients in the order of the paths, in the form asked for."""
        order = np.argsort(np.concatenate(self._positions())).tolist()
        if self.out_type == "array":
            return torch.cat(parts, 1)[:, order]
        rows = [row for part in parts for row in part.unbind(1)]
        rows, keys = [rows[i] for i in order], self._paths()
        if self.out_type == "dict":
            return dict(zip(keys, rows, strict=True))
        j = [tuple(int(self._wavelets[m].j[n]) for m, n in enumerate(key)) for key in keys]
        return [
            {"coef": row, "j": scales, "n": key}
            for row, scales, key in zip(rows, j, keys, strict=True)
        ]

    def _positions(self):
        """Of the coefficients of each part of the cascade, in the output."""
        groups = self._bank.first + self._bank.second
        return [(0,), *(group.positions for group in groups)]

    def _level(self, j):
        """Every ``2 ** level`` th sample is kept of what has scale j."""
        return np.maximum(
            (np.minimum(j, self.log2_T) if self.average else j) - self.oversampling, 0
        )

    def _plan(self):
        """Group the filters by the length of their outputs, and cut them to where they matter."""
        self._check_options()
        n, (first, second) = self.padding.length, self._wavelets
        paths = {key: i for i, key in enumerate(self._paths())}
        # The wavelets are sorted by scale, so those with a later one come first.
        n_inputs = [np.sum(first.j < j) if self.max_order == 2 else 0 for j in second.j]
        levels = self._level(first.j)
        bounds = [(levels == level).nonzero()[0][[0, -1]] for level in np.unique(levels)]
        groups = [
            self._group(
                filters.Wavelets(*(of[a : b + 1] for of in first)),
                positions=tuple(paths[(i,)] for i in range(a, b + 1)),
                has_children=bool(a < max(n_inputs)),
            )
            for a, b in bounds
        ]
        below = [
            self._group(
                filters.Wavelets(*(of[m : m + 1] for of in second)),
                positions=tuple(paths[i, m] for i in range(count)),
                n_inputs=tuple(int(np.clip(count - a, 0, b + 1 - a)) for a, b in bounds),
            )
            for m, count in enumerate(n_inputs)
            if count
        ]
        level, phi = int(self._level(self.log2_T)), {}
        # Samples of a padded signal at the rate of the averages, and which are of the signal.
        self._rate, self._kept = n >> level, filters.border(self.padding, self.shape[0], level)
        if self.average:
            whole = filters.low_pass(n, filters.SIGMA_0 / self.T) / n
            phi[self._rate] = whole.reshape(-1, self._rate).sum(axis=0)[: self._rate // 2 + 1]
            phi[2 * self._rate] = whole[: self._rate + 1]
        self._bank = _Bank(tuple(groups), tuple(below), phi, {})
        self._planned = self.max_order, self.oversampling
        self._cache = {}

    def _group(self, wavelets, *, positions, n_inputs=(), has_children=False):
        n = self.padding.length
        (level,) = set(self._level(wavelets.j).tolist())
        starts, stops = filters.support(n, wavelets.xi, wavelets.sigma)
        width = min(int(np.max(stops - starts)) + 1, n)
        weights = filters.morlet(n, wavelets.xi, wavelets.sigma, start=starts, width=width) / n
        weights = np.broadcast_to(weights[..., None], (*weights.shape, 2))
        starts = tuple(starts.tolist())
        return _Group(n >> level, starts, weights, n_inputs, has_children, positions)

    def _bank_for(self, dtype):
        """The bank with the matrices of averages, that are too large to keep in two precisions."""
        if not self.average:
            return self._bank
        n, (start, stop) = self.padding.length, self._kept
        whole = filters.low_pass(n, filters.SIGMA_0 / self.T) / n
        precision = np.float32 if dtype == torch.float32 else np.float64
        matrices = {}
        for size in {g.size for g in self._bank.first + self._bank.second if not g.has_children}:
            if stop - start > _MOST_SAMPLES or (stop - start) * size > _MOST_ENTRIES:
                continue
            over_time = np.fft.fft(whole.reshape(-1, size).sum(axis=0)).real
            samples = size // self._rate * np.arange(start, stop)
            matrices[size] = np.empty((size, stop - start), dtype=precision)
            for column, sample in zip(matrices[size].T, samples, strict=True):
                column[:] = over_time[(sample - np.arange(size)) % size]
        return self._bank._replace(matrices=matrices)

    def _check_options(self):
        """Those that may be changed after construction."""
        validation.choice(self.max_order, (1, 2), "max_order")
        validation.choice(self.out_type, ("array", "list", "dict"), "out_type")
        validation.count(self.oversampling, "oversampling", at_least=0)
        if self.out_type == "array" and not self.average:
            raise ValueError(
                "without averaging (T=0) coefficients have different lengths and make no array; "
                "set out_type to 'list' or 'dict'."
            )


def _cut(spectrum, start, width):
    """Pieces that make up some frequencies of a spectrum, which has a period."""
    size, pieces = spectrum.shape[-1], []
    while width > 0:
        start %= size
        pieces.append(spectrum[..., start : start + width])
        width -= pieces[-1].shape[-1]
        start = 0
    return pieces


def _envelopes(pieces, weights, size, *, in_place):
    """Moduli of filtered signals.

    Parameters
    ----------
    pieces : list of lists of complex Tensor, shape (n_signals, n_rows, width of the piece)
        Spectra, in the order of the filters; each has all its frequencies in a list.
    weights : Tensor, shape (n_filters, width, 2)
    size : int
        Samples of the result; frequencies that differ by this coincide.
    """
    width = weights.shape[1]
    n_periods = -(-width // size)
    if in_place:
        shape = len(pieces[0][0]), sum(row[0].shape[1] for row in pieces)
        z = weights.new_empty(*shape, n_periods * size, 2)
        z[:, :, width:] = 0
        top = 0
        for row in pieces:
            bottom, left = top + row[0].shape[1], 0
            of_row = weights[top:bottom] if len(weights) > 1 else weights
            for piece in row:
                right = left + piece.shape[2]
                out = z[:, top:bottom, left:right]
                torch.mul(torch.view_as_real(piece), of_row[:, left:right], out=out)
                left = right
            top = bottom
        for i in range(1, n_periods):
            rest = z[:, :, i * size : min((i + 1) * size, width)]
            z[:, :, : rest.shape[2]] += rest
        z = z[:, :, :size]
    else:
        z = torch.view_as_real(torch.cat([torch.cat(row, 2) for row in pieces], 1)) * weights
        z = functional.pad(z, (0, 0, 0, n_periods * size - width))
        z = z.unflatten(2, (n_periods, size)).sum(2)
    return modulus(torch.fft.ifft(torch.view_as_complex(z), norm="forward"))


def _padded(rows, width):
    """Rows of different lengths as an array, with NaN beyond."""
    table = np.full((len(rows), width), np.nan)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table


def _check_shape(shape):
    if isinstance(shape, numbers.Integral):
        shape = (shape,)
    if not isinstance(shape, tuple | list) or len(shape) != 1:
        raise ValueError(f"shape must be the length of the signals, an integer, got {shape!r}.")
    return (validation.count(shape[0], "shape", at_least=2),)


def _check_Q(Q):
    if isinstance(Q, numbers.Integral):
        Q = (Q,)
    if not isinstance(Q, tuple | list) or len(Q) not in (1, 2):
        raise ValueError(
            f"Q must be an integer, or one for each of two orders, got {Q!r}: for example Q=(8, 1)."
        )
    Q = tuple(validation.count(q, "Q", at_least=1) for q in Q)
    return Q if len(Q) == 2 else (*Q, 1)


def _check_T(T, average, J, n):
    """Length of the averaging, and whether there is any."""
    if average is not None:
        validation.choice(average, (True, False), "average")
        warnings.warn(
            "average is deprecated: leave it out, or set T=0 instead of average=False.",
            DeprecationWarning,
            stacklevel=3,
        )
    if T is None:
        return 2**J, average is not False
    if isinstance(T, bool) or not isinstance(T, numbers.Real) or not (T == 0 or T >= 1):
        raise ValueError(f"T must be None, 0 (no averaging) or at least 1 sample, got {T!r}.")
    if n < T:
        raise ValueError(f"T={T:g} samples is longer than the signals, which have {n}; lower it.")
    if average is not None and average != (T > 0):
        raise ValueError(f"average={average} contradicts T={T:g}; leave average out.")
    return (T, True) if T else (2**J, False)


def _check_order(first, second):
    """Wavelets of the second order must be lower than what they are applied to."""
    wrong = np.argwhere((first.j[:, None] < second.j) & (first.xi[:, None] <= second.xi))
    if len(wrong):
        n1, n2 = wrong[0]
        raise ValueError(
            f"second-order wavelet {n2} (centre {second.xi[n2]:.3g}) would be applied to first-"
            f"order wavelet {n1}, which lies lower (centre {first.xi[n1]:.3g}): the second order "
            "is too selective. Choose Q[1] <= Q[0]."
        )
