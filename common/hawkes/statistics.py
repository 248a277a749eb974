r"""What the least-squares loss needs to know of the events: pair counts by lag.

With :math:`z_j[s]` the count of process j on grid point s, the loss of kernels with lags
:math:`\tau = 1, \dots, L` depends on the events only through

.. math:: \Phi_j(\tau) = \sum_{s<G} z_j[s - \tau], \quad
          \Phi_j(\tau; F_i) = \sum_{s<G} z_j[s - \tau]\, z_i[s], \quad
          \Psi_{jk}(\tau, \tau') = \sum_{s<G} z_j[s - \tau]\, z_k[s - \tau'].

All three follow from the correlation :math:`c_{jk}(m) = \sum_u z_j[u]\, z_k[u + m]` and from the
counts on the last L points. :math:`\Phi_j(\tau; F_i) = c_{ji}(\tau)`. In :math:`\Psi`, put
:math:`u = s - \tau`: without the limit :math:`s < G` the sum is :math:`c_{jk}(\tau - \tau')`, and
the terms with :math:`s \ge G`, which must go, involve only events of the last L points. So with
:math:`h[s] = \sum_j \sum_\tau \phi_j[\tau] z_j[s - \tau]`,

.. math:: \sum_{jk} \sum_{\tau \tau'} \phi_j[\tau] \Psi_{jk}(\tau, \tau') \phi_k[\tau']
          = \sum_{jk} \sum_{\tau \tau'} \phi_j[\tau]\, c_{jk}(\tau - \tau')\, \phi_k[\tau']
            - \sum_{s=G}^{G+L-1} h[s]^2 .

:math:`\Psi` has :math:`p^2 L^2` entries; this form needs :math:`p^2 L` numbers and applies it by
FFT. Between two processes :math:`c_{jk}` is not even in m: :math:`c_{jk}(-m) = c_{kj}(m)`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft

from common.hawkes.pairs import check_memory

__all__ = ["Statistics", "correlate", "precompute"]

_BLOCK = 1 << 17  # events, or grid points, handled at once
_CACHED = 1 << 14  # complex numbers that stay in the processor's cache


@dataclass(frozen=True)
class Statistics:
    """Pair counts by lag, and the quadratic form that they define.

    Attributes
    ----------
    correlation : ndarray, shape (n_processes, n_processes, n_lags + 1)
        ``correlation[j, k, m]`` counts pairs of an event of k, m steps after an event of j.
    after : ndarray, shape (n_processes, n_lags)
        Events of each process that have a grid point ``1, ..., n_lags`` steps later.
    tail : ndarray, shape (n_processes, n_lags)
        Counts on the last ``n_lags`` grid points.
    n_events : ndarray, shape (n_processes,)
    n_grid : int
    delta : float
        Grid step, in s.
    exact : bool
        Whether the quadratic form leaves out what lies beyond the end of the grid. Without, it is
        block Toeplitz, and larger by a share of about kernel length / record length.
    """

    correlation: np.ndarray
    after: np.ndarray
    tail: np.ndarray
    n_events: np.ndarray
    n_grid: int
    delta: float
    exact: bool = True

    @property
    def n_processes(self):
        """Number of processes."""
        return len(self.after)

    @property
    def n_lags(self):
        """Number of lags."""
        return self.after.shape[1]

    @property
    def duration(self):
        """Number of grid points times the grid step, in s."""
        return self.n_grid * self.delta

    @property
    def pairs(self):
        """``pairs[i, j]`` counts pairs of an event of i, 1 to n_lags steps after one of j."""
        return self.correlation[:, :, 1:].swapaxes(0, 1)

    def apply(self, phi, sources=slice(None)):
        r"""Product :math:`\sum_{k \tau'} \Psi_{jk}(\tau, \tau') \phi_k[\tau']`.

        Parameters
        ----------
        phi : ndarray, shape (..., n_sources, n_lags)
        sources : slice or ndarray of int, default: all
            Processes that the second last axis of ``phi`` stands for.

        Returns
        -------
        product : ndarray, shape (..., n_sources, n_lags)
        """
        transform = self._transform(phi)
        columns = transform.reshape(-1, *transform.shape[-2:]).transpose(2, 1, 0)
        product = (self._spectrum(sources).transpose(1, 0, 2) @ columns).transpose(2, 1, 0)
        product = self._inverse(product.reshape(transform.shape))[..., : self.n_lags]
        if self._has_tail:
            beyond = self._beyond(transform, sources).sum(-2)
            beyond = self._transform(beyond, offset=self.n_lags - 1)[..., None, :]
            back = self._inverse(self._tail_spectrum[sources].conj() * beyond)
            product -= back[..., : self.n_lags]
        return product

    def gram(self, phi, sources=slice(None)):
        r"""Matrix of :math:`\sum_{\tau \tau'} \phi_j[\tau] \Psi_{jk}(\tau, \tau') \phi_k[\tau']`.

        Parameters
        ----------
        phi : ndarray, shape (n_sources, n_lags)
        sources : slice or ndarray of int, default: all

        Returns
        -------
        gram : ndarray, shape (n_sources, n_sources)
            Symmetric, positive semi-definite.
        """
        transform, spectrum = self._transform(phi), self._spectrum(sources)
        # The transform of a real signal is stored by half: its inner frequencies count twice.
        left = np.conj(transform) * (2 / self._n_fft)
        left[:, [0, -1]] /= 2
        right = np.ascontiguousarray(transform.T)
        gram = np.empty((len(phi), len(phi)))
        step = max(1, _CACHED // right.size)
        for start in range(0, len(phi), step):
            rows = slice(start, start + step)
            gram[rows] = (left[rows, None] @ (spectrum[rows] * right))[:, 0].real
        if self._has_tail:
            beyond = self._beyond(transform, sources)
            gram -= beyond @ beyond.T
        return gram

    def psi(self):
        """Dense matrix, shape (n_processes, n_processes, n_lags, n_lags): for inspection."""
        n_lags = self.n_lags
        check_memory(
            3 * 8 * (self.n_processes * n_lags) ** 2,
            what=f"a number for each pair of {self.n_processes} x {n_lags:,} lags",
            fix="Use a larger delta or a shorter kernel_length, or kernels with parameters.",
        )
        shift = np.subtract.outer(np.arange(n_lags), np.arange(n_lags))
        both = np.where(
            shift >= 0,
            self.correlation[:, :, np.abs(shift)],
            self.correlation.swapaxes(0, 1)[:, :, np.abs(shift)],
        )
        if self._has_tail:
            # beyond[j, r, tau]: count of j, tau + 1 steps before point n_grid + r.
            point = n_lags + np.arange(n_lags)[:, None] - np.arange(1, n_lags + 1)
            beyond = np.where(point < n_lags, self.tail[:, np.minimum(point, n_lags - 1)], 0)
            both = both - np.einsum("jrs,krt->jkst", beyond, beyond)
        return both

    @cached_property
    def _n_fft(self):
        return 2 * scipy.fft.next_fast_len(self.n_lags, real=True)  # even, at least 2 n_lags

    @cached_property
    def _all_spectra(self):
        """Transform of m -> c_jk(m) as a circular filter, shape (p, n_frequencies, p)."""
        kernel = np.zeros((self.n_processes, self.n_processes, self._n_fft))
        kernel[:, :, : self.n_lags] = self.correlation[:, :, :-1]
        negative = self.correlation.swapaxes(0, 1)[:, :, 1:-1]
        kernel[:, :, self._n_fft - self.n_lags + 1 :] = negative[:, :, ::-1]
        return np.ascontiguousarray(scipy.fft.rfft(kernel).swapaxes(1, 2))

    @cached_property
    def _tail_spectrum(self):
        return scipy.fft.rfft(self.tail, self._n_fft)

    @cached_property
    def _has_tail(self):
        return self.exact and bool(self.tail.any())

    @cached_property
    def _part(self):
        return {}

    def _spectrum(self, sources):
        if isinstance(sources, slice):
            return self._all_spectra[sources, :, sources]
        key = tuple(sources)
        if key not in self._part:
            self._part.clear()  # a search asks for the same sources again and again
            self._part[key] = np.ascontiguousarray(self._all_spectra[sources][:, :, sources])
        return self._part[key]

    def _transform(self, phi, offset=0):
        if not offset:
            return scipy.fft.rfft(phi, self._n_fft)
        padded = np.zeros((*phi.shape[:-1], self._n_fft))
        padded[..., offset : offset + phi.shape[-1]] = phi
        return scipy.fft.rfft(padded)

    def _inverse(self, transform):
        return scipy.fft.irfft(transform, self._n_fft)

    def _beyond(self, transform, sources):
        """Response of each source on the points n_grid, ..., n_grid + n_lags - 1."""
        # phi starts at lag 1 and the tail at point n_grid - n_lags, hence the offset of one.
        response = self._inverse(transform * self._tail_spectrum[sources])
        return response[..., self.n_lags - 1 : 2 * self.n_lags - 1]


def precompute(binned, *, n_lags, exact=True):
    """Count pairs of events by lag, once for all evaluations of the loss.

    Parameters
    ----------
    binned : BinnedEvents
    n_lags : int
        At least 1, less than the number of grid points.
    exact : bool, default=True
        Whether the quadratic form of `Statistics` is exact at the end of the record.

    Returns
    -------
    statistics : Statistics

    Raises
    ------
    ValueError
        If ``n_lags`` does not fit the grid.
    """
    if not 1 <= n_lags < binned.n_grid:
        raise ValueError(
            f"n_lags must be between 1 and n_grid - 1 = {binned.n_grid - 1}, got {n_lags}. "
            "Shorten the kernels or use a longer record."
        )
    check_memory(
        4 * 8 * binned.n_processes**2 * n_lags,
        what=f"{n_lags:,} lags of each pair of {binned.n_processes} process(es)",
        fix="Use a larger delta or shorter kernels.",
    )
    tail = np.zeros((binned.n_processes, n_lags))
    first = binned.n_grid - n_lags
    for row, bins, counts in zip(tail, binned.bins, binned.counts, strict=True):
        late = np.searchsorted(bins, first)
        row[bins[late:] - first] = counts[late:]
    # An event that is followed by exactly d points counts for the lags up to d.
    lost = tail[:, ::-1].cumsum(-1)
    return Statistics(
        correlation=correlate(binned, n_lags),
        after=binned.n_events[:, None] - lost,
        tail=tail,
        n_events=binned.n_events,
        n_grid=binned.n_grid,
        delta=binned.delta,
        exact=exact,
    )


def correlate(binned, n_lags):
    r"""Correlation :math:`c_{jk}(m) = \sum_u z_j[u]\, z_k[u + m]` for ``m = 0, ..., n_lags``.

    Pairs of events are counted one by one, or, where events are so dense that this would take
    longer, blocks of the grid are correlated by FFT. Neither holds the whole grid in memory.

    Parameters
    ----------
    binned : BinnedEvents
    n_lags : int

    Returns
    -------
    correlation : ndarray, shape (n_processes, n_processes, n_lags + 1)
        Whole numbers, as float.
    """
    bins = np.concatenate(binned.bins)
    order = np.argsort(bins, kind="stable")
    sizes = [len(each) for each in binned.bins]
    process = np.repeat(np.arange(binned.n_processes), sizes)[order]
    bins, counts = bins[order], np.concatenate(binned.counts)[order]
    n_pairs = int((np.searchsorted(bins, bins + n_lags, side="right") - np.arange(len(bins))).sum())
    # Measured: 20 ns a pair against 20 ns (2 p + p^2 / 3) a grid point.
    if n_pairs > binned.n_processes * (2 + binned.n_processes / 3) * binned.n_grid:
        return _correlate_dense(bins, counts, process, binned.n_processes, n_lags)
    return _correlate_sparse(bins, counts, process, binned.n_processes, n_lags)


def _correlate_sparse(bins, counts, process, n_processes, n_lags):
    """Compare each event with the next, the one after it, ... as long as the lag allows."""
    size = n_lags + 1
    total = np.zeros(n_processes**2 * size)
    weighted = bool(np.any(counts > 1))
    row, column = process * (n_processes * size), process * size
    keys, weights, n_waiting = [], [], 0

    def flush():
        weight = np.concatenate(weights) if weighted else None
        np.add(total, np.bincount(np.concatenate(keys), weight, len(total)), out=total)
        keys.clear()
        weights.clear()

    for start in range(0, len(bins), _BLOCK):
        earlier = np.arange(start, min(start + _BLOCK, len(bins)))
        for step in range(1, len(bins)):
            # The gap grows with the step, so an event whose gap is too long is done.
            earlier = earlier[: np.searchsorted(earlier, len(bins) - step)]
            gap = bins[earlier + step] - bins[earlier]
            near = gap <= n_lags
            earlier, gap = earlier[near], gap[near]
            if not len(earlier):
                break
            keys.append(row[earlier] + column[earlier + step] + gap)
            if weighted:
                weights.append((counts[earlier] * counts[earlier + step]).astype(float))
            n_waiting += len(earlier)
            if n_waiting > max(8 * _BLOCK, len(total)):
                flush()
                n_waiting = 0
    if keys:
        flush()
    correlation = total.reshape(n_processes, n_processes, size)
    # Lag 0: each pair of processes was met in one order, each event never with itself.
    correlation[:, :, 0] += correlation[:, :, 0].T
    own = np.bincount(process, counts.astype(float) ** 2, n_processes)
    correlation[np.arange(n_processes), np.arange(n_processes), 0] += own
    return correlation


def _correlate_dense(bins, counts, process, n_processes, n_lags):
    """Correlate blocks of the grid with themselves and the n_lags points that follow."""
    block = max(_BLOCK // n_processes, 4 * n_lags)
    n_fft = scipy.fft.next_fast_len(block + n_lags, real=True)
    total = np.zeros((n_processes, n_processes, n_lags + 1))
    for start in range(bins[0], bins[-1] + 1, block):
        low, high, end = np.searchsorted(bins, [start, start + block, start + block + n_lags])
        z = np.zeros((n_processes, n_fft))
        z[process[low:high], bins[low:high] - start] = counts[low:high]
        here = scipy.fft.rfft(z).conj()
        z[process[high:end], bins[high:end] - start] = counts[high:end]
        ahead = scipy.fft.rfft(z)
        for j in range(n_processes):
            products = scipy.fft.irfft(here[j] * ahead, n_fft)
            total[j] += np.rint(products[:, : n_lags + 1])  # sums of whole numbers
    return total
