r"""Zero-phase notch filter with another centre for each example, for a whole batch at once.

The filter is that of `mne.filter.notch_filter` with its defaults: a symmetric kernel

.. math:: h = \delta - \ell_{c + w} + \ell_{c - w}, \qquad w = b / 2 + 1/4 \text{ Hz},

with c the centre, b the bandwidth, and :math:`\ell_f` the low-pass filter of cut-off f: a sinc
times a Hamming window of :math:`2 M + 1 \approx 3.3\, f_s / 0.5` taps, scaled to a gain of one at
0 Hz. It stops :math:`c \pm b/2` and passes what is more than :math:`b/2 + 1/2` Hz away from the
centre. At 250 Hz it has 1651 taps, 6.6 s, whatever the bandwidth: longer than many a window.

Windows are continued at both ends by their point reflection, :math:`2 x_0 - x_t`, as far as they
reach (T - 1 samples), and by zeros beyond. All kernels are designed in one array and applied by
one pair of fast Fourier transforms of the batch. Only the M samples next to the window are kept
of its continuation: no other meets the kernel.

The centre is uniform between :math:`1 + b/2` and :math:`f_{max} - 1 - b/2` Hz. The study's own code
left a margin of 2 b instead; braindecode corrected it to b/2 in its pull request 959, and so it is
in its release 1.8.1 and here.
"""

import numpy as np
import torch
from scipy.fft import next_fast_len

from common import validation
from common.augmentation.per_example import PerExample, uniform

__all__ = ["BandstopFilter", "notch", "notch_kernels"]

TRANSITION = 0.5  # Hz, on each side of the stopped band
MARGIN = 1.0  # Hz, least distance of the stopped band from 0 and from max_freq
_HAMMING = 3.3  # taps times transition bandwidth, of a Hamming window


class BandstopFilter(PerExample):
    """A band of ``bandwidth`` Hz removed at a random frequency below ``max_freq``; see `notch`.

    Parameters
    ----------
    bandwidth : float
        In Hz, 0 or more. With 0 nothing changes.
    sfreq : float
        In Hz.
    max_freq : float, default=30.0
        In Hz, at most the Nyquist frequency.
    seed, probability
        See `PerExample`.

    Raises
    ------
    ValueError
        If the bandwidth is negative or leaves no room below ``max_freq``, or the sampling
        frequency is too low for it.
    """

    def __init__(self, *, bandwidth, sfreq, max_freq=30.0, seed, probability=0.5):
        super().__init__(seed=seed, probability=probability)
        sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
        max_freq = validation.number(max_freq, "max_freq", above=0, unit="Hz")
        if max_freq > sfreq / 2:
            raise ValueError(
                f"sfreq={sfreq:g} Hz has frequencies up to {sfreq / 2:g} Hz, and bandstop-filter "
                f"takes centres below max_freq={max_freq:g} Hz: use recordings sampled at "
                f"{2 * max_freq:g} Hz or more."
            )
        if not 0 <= bandwidth < max_freq - 2 * MARGIN:
            raise ValueError(
                f"bandwidth must be 0 or more and below max_freq - 2 = {max_freq - 2 * MARGIN:g} "
                f"Hz, got {bandwidth}."
            )
        self.bandwidth, self.sfreq, self.max_freq = float(bandwidth), float(sfreq), float(max_freq)

    def augment(self, X, rngs):
        """Filter every example."""
        edge = MARGIN + self.bandwidth / 2
        centres = uniform(rngs, edge, self.max_freq - edge)
        return notch(X, centres.numpy(), sfreq=self.sfreq, bandwidth=self.bandwidth)


def notch(X, centres, *, sfreq, bandwidth):
    """Remove a band around a frequency, for each example its own.

    Parameters
    ----------
    X : tensor, shape (n_examples, n_channels, n_times)
    centres : array_like, shape (n_examples,)
        In Hz.
    sfreq, bandwidth : float
        In Hz.

    Returns
    -------
    X : tensor, of the shape and type of ``X``
        A copy if the bandwidth is 0.

    Raises
    ------
    TypeError
        If ``X`` is no tensor.
    ValueError
        If it has not three axes, or as many examples as centres; and as `notch_kernels`.
    """
    if not isinstance(X, torch.Tensor):
        raise TypeError(f"X must be a tensor, got {type(X).__name__}. Use torch.as_tensor(X).")
    if X.ndim != 3:
        raise ValueError(
            f"X must have shape (n_examples, n_channels, n_times), got {tuple(X.shape)}."
        )
    if bandwidth == 0:
        return X.clone()
    kernels = notch_kernels(centres, sfreq=sfreq, bandwidth=bandwidth)
    if len(kernels) != len(X):
        raise ValueError(
            f"centres must be one per example, got {len(kernels)} for {len(X)} examples."
        )
    half, n_times = kernels.shape[-1] // 2, X.shape[-1]
    n_edge = min(half, n_times - 1)
    # What wraps around must not reach the window.
    n_fft = next_fast_len(n_times + n_edge + half, real=True)
    centred = np.zeros((len(kernels), n_fft))
    centred[:, : half + 1], centred[:, n_fft - half :] = kernels[:, half:], kernels[:, :half]
    gain = torch.from_numpy(np.fft.rfft(centred).real).to(X)  # symmetric, hence real
    extended = X.new_zeros((*X.shape[:-1], n_fft))
    extended[..., n_edge : n_edge + n_times] = X
    if n_edge:
        first, last = X[..., :1], X[..., -1:]
        extended[..., :n_edge] = 2 * first - X[..., 1 : n_edge + 1].flip(-1)
        extended[..., n_edge + n_times : 2 * n_edge + n_times] = 2 * last - X[
            ..., n_times - 1 - n_edge : n_times - 1
        ].flip(-1)
    filtered = torch.fft.irfft(torch.fft.rfft(extended) * gain[:, None], n=n_fft)
    return filtered[..., n_edge : n_edge + n_times]


def notch_kernels(centres, *, sfreq, bandwidth):
    """Kernels of the notch filters; see the module's text.

    Parameters
    ----------
    centres : array_like, shape (n_examples,)
        In Hz.
    sfreq, bandwidth : float
        In Hz.

    Returns
    -------
    kernels : ndarray, shape (n_examples, n_taps)
        Symmetric; the number of taps is odd.

    Raises
    ------
    ValueError
        If a number is NaN, or the band does not lie between 0 and half the sampling frequency.
    """
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    bandwidth = validation.number(bandwidth, "bandwidth", at_least=0, unit="Hz")
    centres = validation.vector(
        centres, "centres", at_least=bandwidth / 2, at_most=(sfreq - bandwidth) / 2, unit="Hz"
    ).astype(float, copy=False)
    n_taps = round(_HAMMING * sfreq / TRANSITION)
    n_taps += 1 - n_taps % 2
    half = n_taps // 2
    offset = bandwidth / 2 + TRANSITION / 2
    centres = centres[:, None]
    lag, window = np.arange(1, half + 1), np.hamming(n_taps)[half + 1 :]

    def low_pass(cutoff):
        later = np.sin(2 * np.pi * cutoff / sfreq * lag) / (np.pi * lag) * window
        middle = 2 * cutoff / sfreq
        return np.hstack([middle, later]) / (middle + 2 * later.sum(axis=1, keepdims=True))

    one_side = low_pass(centres - offset) - low_pass(centres + offset)
    one_side[:, 0] += 1
    return np.hstack([one_side[:, :0:-1], one_side])
