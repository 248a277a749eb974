r"""Nine of the thirteen transformations; band-stop filter and rotations have their own modules.

Windows :math:`X(t)` have C channels and T samples. The functions take the drawn quantities as
arguments; the classes draw them, for each example its own.
"""

import numpy as np
import torch

from common import validation
from common.augmentation.per_example import PerExample, check_n_channels, uniform
from common.augmentation.rotations import standard_names

__all__ = [
    "ChannelsDropout",
    "ChannelsShuffle",
    "ChannelsSymmetry",
    "FTSurrogate",
    "FrequencyShift",
    "GaussianNoise",
    "SignFlip",
    "SmoothTimeMask",
    "TimeReverse",
    "check_noise",
    "frequency_shift",
    "ft_surrogate",
    "mirror_permutation",
    "smooth_time_mask",
]

_STEEPNESS = 1000  # of the edges of a time mask, times T
_SWAMPED = 10  # times the deviation of the windows, beyond which noise leaves nothing of them


class TimeReverse(PerExample):
    """:math:`X(t) \\to X(T - 1 - t)`."""

    def augment(self, X, rngs):
        """Reverse every example."""
        return X.flip(-1)


class SignFlip(PerExample):
    """:math:`X \\to -X`."""

    def augment(self, X, rngs):
        """Flip every example."""
        return -X


class FTSurrogate(PerExample):
    """Phases turned by up to ``2 * pi * phase_noise_magnitude``; see `ft_surrogate`.

    Parameters
    ----------
    phase_noise_magnitude : float
        Between 0 and 1.
    channel_indep : bool
        Whether each channel has angles of its own. One set for all channels keeps the phase
        differences between channels.
    seed, probability
        See `PerExample`.
    """

    def __init__(self, *, phase_noise_magnitude, channel_indep, seed, probability=0.5):
        super().__init__(seed=seed, probability=probability)
        self.largest = 2 * np.pi * _fraction(phase_noise_magnitude, "phase_noise_magnitude")
        self.channel_indep = channel_indep

    def augment(self, X, rngs):
        """Turn the phases of every example."""
        n_channels, n_times = X.shape[1:]
        shape = (n_channels if self.channel_indep else 1, (n_times - 1) // 2)
        return ft_surrogate(X, uniform(rngs, 0, self.largest, shape=shape).to(X))


class FrequencyShift(PerExample):
    """Spectrum moved by up to ``max_shift`` Hz, up or down; see `frequency_shift`.

    Parameters
    ----------
    max_shift : float
        In Hz, 0 or more, below half the sampling frequency.
    sfreq : float
        In Hz.
    seed, probability
        See `PerExample`.
    """

    def __init__(self, *, max_shift, sfreq, seed, probability=0.5):
        super().__init__(seed=seed, probability=probability)
        self.sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
        self.max_shift = validation.number(
            max_shift, "max_shift", at_least=0, below=self.sfreq / 2, unit="Hz"
        )

    def augment(self, X, rngs):
        """Move the spectrum of every example."""
        shifts = uniform(rngs, -self.max_shift, self.max_shift)
        return frequency_shift(X, shifts, sfreq=self.sfreq)


class GaussianNoise(PerExample):
    """White noise of standard deviation ``sigma``, in the unit of X, added.

    Parameters
    ----------
    sigma : float
        0 or more.
    seed, probability
        See `PerExample`.

    Raises
    ------
    ValueError
        When called, if the noise is more than ten times as large as the windows, flat channels
        aside: they are then in V, most likely, and ``sigma`` is one of standardised windows.
    """

    def __init__(self, *, sigma, seed, probability=0.5):
        super().__init__(seed=seed, probability=probability)
        self.sigma = _not_negative(sigma, "sigma")

    def augment(self, X, rngs):
        """Add noise to every example; an error if it swamps them.

        Raises
        ------
        ValueError
            If sigma is more than ten times the windows' median deviation, as for windows in V.
        """
        check_noise(X, self.sigma)
        noise = np.empty(X.shape, dtype=np.float32)
        for rng, rows in zip(rngs, noise, strict=True):
            rng.standard_normal(out=rows, dtype=np.float32)
        return X.add(torch.from_numpy(noise).to(X.device), alpha=self.sigma)


class SmoothTimeMask(PerExample):
    """A stretch of ``mask_length`` samples set to zero, with soft edges; see `smooth_time_mask`.

    Parameters
    ----------
    mask_length : int
        In samples, 0 or more. With 0 nothing changes.
    seed, probability
        See `PerExample`.
    """

    def __init__(self, *, mask_length, seed, probability=0.5):
        super().__init__(seed=seed, probability=probability)
        self.mask_length = validation.count(mask_length, "mask_length", at_least=0)

    def augment(self, X, rngs):
        """Mask every example; an error if the mask is longer than the window.

        Raises
        ------
        ValueError
            If the mask is longer.
        """
        n_times = X.shape[-1]
        if self.mask_length > n_times:
            raise ValueError(
                f"a mask of {self.mask_length} samples does not fit in a window of {n_times}."
            )
        starts = uniform(rngs, 0, n_times - self.mask_length)
        return smooth_time_mask(X, starts, mask_length=self.mask_length)


class ChannelsDropout(PerExample):
    """Each channel set to zero with probability ``p_drop``.

    It is either zero or untouched. braindecode 1.8.1 multiplies by a logistic function of
    ``1000 * (u - p_drop)``, u uniform, so that about one channel in a hundred is merely scaled,
    and a ``p_drop`` of 0 or 1 still changes or keeps some.

    Parameters
    ----------
    p_drop : float
        Between 0 and 1.
    seed, probability
        See `PerExample`.
    """

    def __init__(self, *, p_drop, seed, probability=0.5):
        super().__init__(seed=seed, probability=probability)
        self.p_drop = _fraction(p_drop, "p_drop")

    def augment(self, X, rngs):
        """Drop channels of every example."""
        return X * (uniform(rngs, 0, 1, shape=(X.shape[1], 1)) >= self.p_drop).to(X)


class ChannelsShuffle(PerExample):
    """Each channel picked with probability ``p_shuffle``; those picked are permuted at random.

    Parameters
    ----------
    p_shuffle : float
        Between 0 and 1.
    seed, probability
        See `PerExample`.
    """

    def __init__(self, *, p_shuffle, seed, probability=0.5):
        super().__init__(seed=seed, probability=probability)
        self.p_shuffle = _fraction(p_shuffle, "p_shuffle")

    def augment(self, X, rngs):
        """Permute channels of every example."""
        n_channels = X.shape[1]
        sources = np.tile(np.arange(n_channels), (len(X), 1))
        for rng, source in zip(rngs, sources, strict=True):
            picked = np.flatnonzero(rng.random(n_channels) < self.p_shuffle)
            source[picked] = rng.permutation(picked)
        rows = torch.arange(len(X), device=X.device)[:, None]
        return X[rows, torch.from_numpy(sources).to(X.device)]


class ChannelsSymmetry(PerExample):
    """Left and right channels exchanged; see `mirror_permutation`.

    Parameters
    ----------
    ch_names : sequence of str
        10-20 names, in the order of the channels of X.
    seed, probability
        See `PerExample`.
    """

    def __init__(self, *, ch_names, seed, probability=0.5):
        super().__init__(seed=seed, probability=probability)
        self.permutation = mirror_permutation(ch_names)

    def augment(self, X, rngs):
        """Mirror every example; an error if X has another number of channels."""
        check_n_channels(X, len(self.permutation))
        return X[:, self.permutation]


def ft_surrogate(X, phases):
    r"""Turn the phase of each frequency.

    With :math:`F` the Fourier transform of one channel, :math:`F(f) \to F(f) e^{i \varphi_f}` for
    :math:`0 < f` below the Nyquist frequency, and the conjugate at :math:`-f`, so that the result
    is real. The mean, and at even T the Nyquist frequency, have no phase to turn. The amplitude
    spectrum stays.

    Parameters
    ----------
    X : tensor, shape (n_examples, n_channels, n_times)
    phases : tensor, shape (n_examples, n_channels or 1, (n_times - 1) // 2)
        In radians, from the lowest frequency to the highest.

    Returns
    -------
    X : tensor, of the shape and type of ``X``

    References
    ----------
    .. [1] J. T. C. Schwabedal et al., "Addressing class imbalance in classification problems of
       noisy signals by using Fourier transform surrogates", arXiv:1806.08675.
    """
    spectrum = torch.fft.rfft(X)
    turned = spectrum[..., 1 : phases.shape[-1] + 1]
    turned *= torch.polar(torch.ones_like(phases), phases)  # a view: changes the spectrum
    return torch.fft.irfft(spectrum, n=X.shape[-1])


def check_noise(X, sigma):
    """Refuse noise that leaves nothing of the windows.

    Parameters
    ----------
    X : Tensor, shape (n_examples, n_channels, n_times)
    sigma : float
        Standard deviation of the noise, in the unit of X.

    Raises
    ------
    ValueError
        If sigma is more than ten times the windows' median deviation, flat channels aside, as for
        windows in V.
    """
    spread = X.std(-1, correction=0) if X.numel() else X.new_zeros(0)
    spread = spread[spread > 0]
    if len(spread) and sigma > _SWAMPED * (typical := float(spread.median())):
        raise ValueError(
            f"noise of sigma={sigma:g} swamps windows whose deviation is {typical:.3g}. "
            "Are they in V? Standardise them first, for example with zscore, or give sigma in "
            "their unit."
        )


def frequency_shift(X, shifts, *, sfreq):
    r"""Move the spectrum of each example.

    :math:`X \to \mathrm{Re}\,[X_a(t)\, e^{2 i \pi\, \delta f\, t}]` with :math:`X_a` the analytic
    signal of X, whose real part is X and whose imaginary part is the Hilbert transform of X
    padded with zeros to the next power of two.

    Parameters
    ----------
    X : tensor, shape (n_examples, n_channels, n_times)
    shifts : tensor, shape (n_examples,)
        In Hz, the same for all channels of an example.
    sfreq : float
        In Hz.

    Returns
    -------
    X : tensor, of the shape and type of ``X``

    Raises
    ------
    ValueError
        If a shift is NaN or reaches half the sampling frequency, beyond which it would fold back.
    """
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    if len(beyond := torch.nonzero(~(shifts.abs() < sfreq / 2))):
        raise ValueError(
            f"a shift of {shifts[beyond[0, 0]].item():g} Hz is not below {sfreq / 2:g} Hz, half "
            "the sampling frequency: the spectrum would fold back. Use smaller shifts."
        )
    n_times = X.shape[-1]
    n_padded = 1 << (n_times - 1).bit_length()
    spectrum = torch.fft.rfft(X, n=n_padded)
    spectrum *= -1j
    spectrum[..., 0] = 0
    spectrum[..., n_padded // 2 :] = 0
    hilbert = torch.fft.irfft(spectrum, n=n_padded)[..., :n_times]
    time = torch.arange(n_times, dtype=torch.float64) / sfreq
    turn = 2 * np.pi * shifts.cpu().double()[:, None, None] * time
    return X * turn.cos().to(X) - hilbert * turn.sin().to(X)


def smooth_time_mask(X, starts, *, mask_length):
    r"""Set a stretch of each example to zero, with soft edges.

    :math:`X(t) \to X(t)\,[\sigma(-s (t - t_0)) + \sigma(s (t - t_0 - L))]`, with :math:`\sigma` the
    logistic function and :math:`s = 1000 / T`, t in samples.

    Parameters
    ----------
    X : tensor, shape (n_examples, n_channels, n_times)
    starts : tensor, shape (n_examples,)
        :math:`t_0`, in samples.
    mask_length : int
        L, in samples.

    Returns
    -------
    X : tensor, of the shape and type of ``X``
    """
    n_times = X.shape[-1]
    steepness = _STEEPNESS / n_times
    since = torch.arange(n_times, dtype=torch.float64) - starts.cpu().double()[:, None, None]
    mask = torch.sigmoid(-steepness * since) + torch.sigmoid(steepness * (since - mask_length))
    return X * mask.to(X)


def mirror_permutation(ch_names):
    """Permutation that exchanges left and right channels, by their names.

    In the 10-20 system the left has odd numbers and the right the even number that follows: C3
    and C4, FT9 and FT10. Names without a number, and channels whose partner is absent, stay.

    Parameters
    ----------
    ch_names : sequence of str

    Returns
    -------
    permutation : list of int
        ``X[permutation]`` is mirrored; applied twice it changes nothing.

    Raises
    ------
    ValueError
        If a name is none of the 10-20 system in any spelling (see
        `common.recordings.electrodes.electrode`), or two are the same electrode.

    Examples
    --------
    >>> mirror_permutation(["C3", "Cz", "C4", "P7"])
    [2, 1, 0, 3]
    """
    ch_names = standard_names(ch_names)
    positions = {name: i for i, name in enumerate(ch_names)}
    permutation = []
    for i, name in enumerate(ch_names):
        letters = name.rstrip("0123456789")
        number = int(name[len(letters) :] or 0)
        partner = f"{letters}{number + 1 if number % 2 else number - 1}"
        permutation.append(positions.get(partner, i) if number else i)
    return permutation


def _fraction(value, name):
    return validation.number(value, name, at_least=0, at_most=1)


def _not_negative(value, name):
    return validation.number(value, name, at_least=0)
