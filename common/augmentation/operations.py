r"""The thirteen augmentations of EEG windows as differentiable operations.

An operation O transforms a batch X by a magnitude :math:`\mu \in [0, 1]`, a tensor that may be a
parameter of a model. What is random is drawn first, from a distribution that does not depend on
the magnitude: :math:`\varepsilon` (uniform or normal). Then

.. math:: X \mapsto O(X;\, \varepsilon, \mu)

is a function that automatic differentiation goes through, as often as one likes: the gradient of
an expectation over :math:`\varepsilon` is the expectation of the gradient. With the same
:math:`\varepsilon`, values are those of `common.augmentation.catalog`, whose ranges set what a
magnitude of 1 means. Three operations need more than that:

- **channels dropout and shuffle** decide :math:`z = 1[\varepsilon < \mu]` for each channel, which
  has no derivative. Values take z as it is; gradients take it for the relaxed Bernoulli variable of
  `bernoulli`, which is a biased estimate. Of the shuffle a gradient goes to the channels that were
  picked: others do not know which one they would have become.
- **band-stop filter**: for a bandwidth above 0 the kernel is a smooth function of it, and the
  gradient is exact. At 0 the operation jumps, from no filter to one that stops its transition
  bands: no derivative exists. There the value is X, and the gradient is that of the filter as the
  bandwidth falls to 0 (straight through).
- **time reverse, sign flip, channels symmetry** have no magnitude: see `apply_sometimes`, which
  gives any operation a probability.
"""

import functools

import numpy as np
import torch
from scipy.fft import next_fast_len

from common import validation
from common.augmentation import bandstop
from common.augmentation.catalog import AUGMENTATIONS
from common.augmentation.per_example import check_n_channels
from common.augmentation.rotations import standard_positions
from common.augmentation.transforms import check_noise, mirror_permutation

__all__ = [
    "EEG_OPERATIONS",
    "Operation",
    "apply_sometimes",
    "bernoulli",
    "check_finite",
    "check_scales",
    "check_unit",
    "column",
    "make_operation",
    "uniform",
]

TEMPERATURE = 0.05
"""Of relaxed Bernoulli variables."""

_EDGE = 1000  # steepness of the edges of a time mask, times the number of samples
_N_TERMS = 50  # of the spherical spline
_LEAST_PROBABILITY = 1e-6  # logarithms of 0 and of 1 are infinite


class Operation:
    """What an operation is: a name, what it draws, and what it does with that.

    Subclasses define `draw` and `apply`. A magnitude is a tensor with one number, or with one for
    each example.

    Attributes
    ----------
    name : str
    has_magnitude : bool
        Without one, ``magnitude`` counts for nothing.
    scale : float or None
        What a magnitude of 1 is, in the unit of the operation's parameter.
    """

    name = ""
    has_magnitude = True
    scale = None

    def draw(self, X, generator=None):
        """Random numbers for a batch, whatever the magnitude.

        Parameters
        ----------
        X : Tensor, shape (n_examples, ...)
        generator : torch.Generator, optional
            Default: torch's global one.

        Returns
        -------
        draws : Tensor, shape (n_examples, ...), or None
        """
        return None

    def apply(self, X, draws, magnitude, prepared=None):
        """Transform every example.

        Parameters
        ----------
        X : Tensor, shape (n_examples, ...)
        draws : Tensor or None
            From `draw`.
        magnitude : Tensor, shape () or (n_examples,)
            Between 0 and 1.
        prepared : Tensor, optional
            From `prepare`, of the same examples.

        Returns
        -------
        X : Tensor, of the shape and type of ``X``

        Raises
        ------
        NotImplementedError
            In this base class.
        """
        raise NotImplementedError

    def prepare(self, X):
        """What depends on the examples alone, for those that are transformed again and again.

        Parameters
        ----------
        X : Tensor, shape (n_examples, ...)

        Returns
        -------
        prepared : Tensor, shape (n_examples, ...), or None
        """
        return None

    def __call__(self, X, magnitude, *, generator=None, prepared=None):
        """Draw and apply; see `draw` and `apply`.

        Parameters
        ----------
        X, magnitude, prepared
            As for `apply`; the magnitude may be a number.
        generator : torch.Generator, optional
            As for `draw`.

        Returns
        -------
        X : Tensor, of the shape and type of ``X``
        """
        magnitude = torch.as_tensor(magnitude, dtype=X.dtype, device=X.device)
        return self.apply(X, self.draw(X, generator), magnitude, prepared)

    def __repr__(self):
        return f"{type(self).__name__}({self.name!r}, scale={self.scale})"


def make_operation(name, *, sfreq=None, ch_names=None, scale=None, channel_indep=True):
    """One of the thirteen operations.

    Parameters
    ----------
    name : str
        One of `EEG_OPERATIONS`.
    sfreq : float, optional
        Sampling frequency in Hz, for the frequency shift, the band-stop filter and the time mask.
    ch_names : sequence of str, optional
        10-20 names, for the symmetry and the rotations.
    scale : float, optional
        What a magnitude of 1 is, in the unit of the parameter (Hz, s, degrees; shares of 1, and of
        2 pi for the surrogate). Default: the upper end of its range in
        `common.augmentation.catalog`.
    channel_indep : bool, default=True
        Of the surrogate: whether each channel has phases of its own.

    Returns
    -------
    operation : Operation

    Raises
    ------
    ValueError
        If the name is unknown, the scale is out of range or given where there is no magnitude, or
        a sampling frequency or names that the operation needs are missing or unfit.

    Examples
    --------
    >>> shift = make_operation("frequency-shift", sfreq=100, scale=2)
    >>> X = torch.ones(3, 1, 8)
    >>> bool((shift(X, torch.tensor(0.0)) - X).abs().max() < 1e-6)
    True
    """
    validation.choice(name, EEG_OPERATIONS, "operation")
    entry = AUGMENTATIONS[name]
    if entry.parameter is None:
        if scale is not None:
            raise ValueError(f"{name} has no magnitude, hence no scale; got {scale!r}.")
    else:
        scale = entry.ranges["sleep"][1] if scale is None else scale
        most = 1 if name in _SHARES else None
        scale = validation.number(scale, f"scale of {name}", above=0, at_most=most)
    options = {"scale": scale}
    if name in ("frequency-shift", "bandstop-filter", "smooth-time-mask"):
        if sfreq is None:
            raise ValueError(f"{name} needs the sampling frequency: sfreq=…, in Hz.")
        options["sfreq"] = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    if name == "channels-symmetry" or name.endswith("rotation"):
        if ch_names is None:
            raise ValueError(f"{name} needs the channels' 10-20 names: ch_names=[…].")
        options["ch_names"] = ch_names
    if name.endswith("rotation"):
        options["axis"] = name.split("-")[1]
    if name == "ft-surrogate":
        options["channel_indep"] = channel_indep
    operation = _CLASSES[name](**options)
    operation.name, operation.scale = name, scale
    return operation


def check_unit(X, operations):
    """Refuse examples in a unit in which the noise of an operation leaves nothing of them.

    Within a chain of operations windows may become as quiet as they like, so examples are looked at
    before.

    Parameters
    ----------
    X : Tensor, shape (n_examples, ...)
    operations : iterable of Operation

    Raises
    ------
    ValueError
        If noise of the largest magnitude is more than ten times their median deviation.
    """
    for one in operations:
        if isinstance(one, _GaussianNoise):
            check_noise(X.detach(), one.scale)


def check_finite(X):
    """Refuse examples that are not finite.

    Parameters
    ----------
    X : Tensor, shape (n_examples, ...)

    Raises
    ------
    TypeError, ValueError
        If ``X`` is no tensor of floating-point numbers, or a value is not finite.
    """
    if not (torch.is_tensor(X) and X.is_floating_point()):
        what = X.dtype if torch.is_tensor(X) else type(X).__name__
        raise TypeError(f"X must be a tensor of floating-point numbers, got {what}.")
    # A sum is finite only if all of it is, and costs one pass without memory of its own.
    if not bool(X.detach().sum().isfinite()) and not bool(X.isfinite().all()):
        bad = (~X.isfinite()).flatten(1).any(1).nonzero()[0, 0].item()
        raise ValueError(
            f"X holds a value that is not finite, first in example {bad} of {len(X)}. Drop the "
            "example, or fill what is missing."
        )


def check_scales(scales, operations):
    """Refuse scales that would count for nothing.

    Parameters
    ----------
    scales : dict of str to float
        By the name of the operation.
    operations : sequence of str or Operation

    Raises
    ------
    ValueError
        If there is no such operation, or it is given with a scale of its own.
    """
    made = {one.name for one in operations if isinstance(one, Operation)}
    named = [one for one in operations if not isinstance(one, Operation)]
    for name in scales:
        validation.choice(name, [*named, *made], "a name in scales")
        if name in made:
            raise ValueError(
                f"{name} is given as an operation, which has a scale of its own: scales[{name!r}] "
                "would count for nothing. Leave it out, or give the name alone."
            )


def bernoulli(probability, draws, *, temperature=TEMPERATURE):
    r"""Zeros and ones, with the gradient of a relaxed Bernoulli variable.

    The value is :math:`1[\varepsilon < p]`. The derivative is that of

    .. math:: \sigma\big((\operatorname{logit} p - \operatorname{logit} \varepsilon) / \tau\big),

    which tends to the value as the temperature :math:`\tau` falls.

    Parameters
    ----------
    probability : Tensor
        p, between 0 and 1.
    draws : Tensor
        Uniform in [0, 1), of a shape that p is broadcast with.
    temperature : float, default=0.05

    Returns
    -------
    z : Tensor
        0 or 1.

    References
    ----------
    .. [1] C. Maddison et al., "The Concrete Distribution", ICLR 2017, arXiv:1611.00712.
    """
    hard = (draws < probability).to(draws.dtype)
    if not (torch.is_grad_enabled() and probability.requires_grad):
        return hard
    p = probability.clamp(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    soft = torch.sigmoid((torch.logit(p) - torch.logit(draws, eps=1e-6)) / temperature)
    return hard + (soft - soft.detach())


def apply_sometimes(X, changed, probability, draws):
    """Take the changed examples with a probability, and the others as they were.

    Parameters
    ----------
    X, changed : Tensor, shape (n_examples, ...)
    probability : Tensor, shape () or (n_examples,)
        Between 0 and 1; its gradient is that of `bernoulli`.
    draws : Tensor, shape (n_examples,)
        Uniform in [0, 1).

    Returns
    -------
    X : Tensor, of the shape and type of ``X``
    """
    return torch.lerp(X, changed, column(bernoulli(probability, draws), X))


def uniform(shape, like, generator=None):
    """Uniform numbers in [0, 1), of the type and device of a tensor.

    Parameters
    ----------
    shape : sequence of int
    like : Tensor
    generator : torch.Generator, optional

    Returns
    -------
    draws : Tensor
    """
    return torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device)


def column(values, X):
    """One number, or one for each example, so that it multiplies a batch.

    Parameters
    ----------
    values : Tensor, shape () or (n_examples,)
    X : Tensor, shape (n_examples, ...)

    Returns
    -------
    values : Tensor, shape () or (n_examples, 1, ...)
    """
    return values if values.ndim == 0 else values.reshape(-1, *[1] * (X.ndim - 1))


class _Plain(Operation):
    has_magnitude = False

    def __init__(self, *, scale):
        self.scale = scale


class _TimeReverse(_Plain):
    def apply(self, X, draws, magnitude, prepared=None):
        return X.flip(-1)


class _SignFlip(_Plain):
    def apply(self, X, draws, magnitude, prepared=None):
        return -X


class _ChannelsSymmetry(_Plain):
    def __init__(self, *, scale, ch_names):
        self.permutation = mirror_permutation(ch_names)

    def apply(self, X, draws, magnitude, prepared=None):
        check_n_channels(X, len(self.permutation))
        return X[:, self.permutation]


class _FTSurrogate(Operation):
    """Phases uniform between 0 and 2 pi mu scale."""

    def __init__(self, *, scale, channel_indep):
        self.scale, self.channel_indep = scale, channel_indep

    def draw(self, X, generator=None):
        n_examples, n_channels, n_times = X.shape
        shape = (n_examples, n_channels if self.channel_indep else 1, (n_times - 1) // 2)
        return uniform(shape, X, generator)

    def prepare(self, X):
        return torch.fft.rfft(X)

    def apply(self, X, draws, magnitude, prepared=None):
        spectrum = self.prepare(X) if prepared is None else prepared
        n_turned = draws.shape[-1]
        phases = draws * column(2 * np.pi * self.scale * magnitude, draws)
        turned = torch.complex(phases.cos(), phases.sin())
        # The mean, and at even lengths the highest frequency, have no phase to turn.
        ends = [spectrum[..., :1], spectrum[..., 1 + n_turned :]]
        turned = torch.cat([ends[0], spectrum[..., 1 : 1 + n_turned] * turned, ends[1]], dim=-1)
        return torch.fft.irfft(turned, n=X.shape[-1])


class _FrequencyShift(Operation):
    """Shifts uniform between -mu scale and mu scale."""

    def __init__(self, *, scale, sfreq):
        self.scale = validation.number(
            scale, "scale of frequency-shift", above=0, below=sfreq / 2, unit="Hz"
        )
        self.sfreq = sfreq

    def draw(self, X, generator=None):
        return uniform((len(X),), X, generator)

    def prepare(self, X):
        n_times = X.shape[-1]
        n_padded = 1 << (n_times - 1).bit_length()
        spectrum = torch.fft.rfft(X, n=n_padded)
        # Of the analytic signal without its real part; neither end has a counterpart.
        turned = spectrum[..., 1 : n_padded // 2] * -1j
        turned = torch.nn.functional.pad(turned, (1, 1))
        return torch.fft.irfft(turned, n=n_padded)[..., :n_times]

    def apply(self, X, draws, magnitude, prepared=None):
        hilbert = self.prepare(X) if prepared is None else prepared
        shifts = (2 * draws - 1) * (magnitude * self.scale)
        cycles = shifts.double()[:, None] * _times(X.shape[-1], self.sfreq, X.device)
        # Whole turns change nothing, and what is left is small enough for single precision.
        angles = ((cycles - cycles.detach().round()).to(X.dtype) * (2 * np.pi))[:, None]
        return X * angles.cos() - hilbert * angles.sin()


class _BandstopFilter(Operation):
    """Bandwidth mu scale; centres uniform between 1 + b/2 and 30 - 1 - b/2 Hz."""

    max_freq = 30.0

    def __init__(self, *, scale, sfreq):
        most = self.max_freq - 2 * bandstop.MARGIN
        self.scale = validation.number(
            scale, "scale of bandstop-filter", above=0, below=most, unit="Hz"
        )
        if self.max_freq > sfreq / 2:
            raise ValueError(
                f"sfreq={sfreq:g} Hz has frequencies up to {sfreq / 2:g} Hz, and bandstop-filter "
                f"takes centres below {self.max_freq:g} Hz: use recordings sampled at "
                f"{2 * self.max_freq:g} Hz or more."
            )
        self.sfreq = sfreq

    def draw(self, X, generator=None):
        return uniform((len(X),), X, generator)

    def apply(self, X, draws, magnitude, prepared=None):
        bandwidth = (magnitude * self.scale).double().expand(len(X))
        edge = bandstop.MARGIN + bandwidth / 2
        centres = edge + draws * (self.max_freq - 2 * edge)
        filtered = _notch(X, centres, bandwidth, sfreq=self.sfreq)
        wide = column(bandwidth > 0, X)
        if wide.all():
            return filtered
        through = X + (filtered - filtered.detach())
        return torch.where(wide, filtered, through)


class _GaussianNoise(Operation):
    """Standard deviation mu scale."""

    def __init__(self, *, scale):
        self.scale = scale

    def draw(self, X, generator=None):
        return torch.randn(X.shape, generator=generator, dtype=X.dtype, device=X.device)

    def apply(self, X, draws, magnitude, prepared=None):
        return torch.addcmul(X, draws, column(magnitude * self.scale, X))


class _SmoothTimeMask(Operation):
    """A mask of mu scale seconds, which need not be a whole number of samples."""

    def __init__(self, *, scale, sfreq):
        self.scale, self.sfreq = scale, sfreq

    def draw(self, X, generator=None):
        return uniform((len(X),), X, generator)

    def apply(self, X, draws, magnitude, prepared=None):
        n_times = X.shape[-1]
        longest = self.scale * self.sfreq
        if longest > n_times:
            raise ValueError(
                f"a mask of {longest:g} samples does not fit in a window of {n_times}: choose "
                f"scale below {n_times / self.sfreq:g} s."
            )
        length = (magnitude * longest).double().expand(len(X))
        starts = draws * (n_times - length)
        steepness = _EDGE / n_times
        time = torch.arange(n_times, dtype=torch.float64, device=X.device)
        since = time - starts[:, None]
        before = torch.sigmoid((-steepness * since).to(X.dtype))
        after = torch.sigmoid((steepness * (since - length[:, None])).to(X.dtype))
        return X * (before + after)[:, None]


class _ChannelsDropout(Operation):
    """Each channel set to zero with probability mu scale."""

    def __init__(self, *, scale):
        self.scale = scale

    def draw(self, X, generator=None):
        return uniform(X.shape[:2], X, generator)

    def apply(self, X, draws, magnitude, prepared=None):
        dropped = bernoulli(column(magnitude * self.scale, draws), draws)
        return X * (1 - dropped)[..., None]


class _ChannelsShuffle(Operation):
    """Each channel picked with probability mu scale; those picked are permuted at random."""

    def __init__(self, *, scale):
        self.scale = scale

    def draw(self, X, generator=None):
        # Who is picked, and the order among them.
        return uniform((2, *X.shape[:2]), X, generator).transpose(0, 1)

    def apply(self, X, draws, magnitude, prepared=None):
        who, keys = draws[:, 0], draws[:, 1]
        picked = bernoulli(column(magnitude * self.scale, who), who)
        with torch.no_grad():
            chosen = picked > 0.5
            # The i-th of those picked takes the place of the one with the i-th smallest key.
            ranked = torch.where(chosen, keys, 2.0).argsort(1)
            rank = (chosen.cumsum(1) - 1).clamp(min=0)
            here = torch.arange(X.shape[1], device=X.device).expand_as(rank)
            sources = torch.where(chosen, ranked.gather(1, rank), here)
        shuffled = X.gather(1, sources[..., None].expand_as(X))
        if not picked.requires_grad:
            return shuffled
        # Equal to `shuffled`, with a gradient for those that were picked.
        through = (picked - picked.detach())[..., None] * (shuffled - X)
        return shuffled + through


class _SensorsRotation(Operation):
    """Angles uniform between -mu scale and mu scale."""

    regularization = 1e-5

    def __init__(self, *, scale, ch_names, axis):
        self.scale, self.axis = scale, "xyz".index(axis)
        directions = standard_positions(ch_names)
        directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        n = len(directions)
        system = np.ones((n + 1, n + 1))
        cosines = torch.from_numpy(directions @ directions.T)
        system[:n, :n] = _spline(cosines).numpy() + self.regularization * np.eye(n)
        system[n, n] = 0
        self.directions = torch.from_numpy(directions)
        self.solved = torch.from_numpy(np.linalg.solve(system, np.eye(n + 1, n)))

    def draw(self, X, generator=None):
        return uniform((len(X),), X, generator)

    def apply(self, X, draws, magnitude, prepared=None):
        check_n_channels(X, len(self.directions))
        angles = ((2 * draws - 1) * (magnitude * (self.scale * np.pi / 180))).double().cpu()
        cos, sin, one = angles.cos(), angles.sin(), torch.ones_like(angles)
        k, i, j = ((self.axis + step) % 3 for step in range(3))
        zero = torch.zeros_like(angles)
        rows = {k: (one, zero, zero), i: (zero, cos, -sin), j: (zero, sin, cos)}
        rotation = torch.stack(
            [torch.stack([rows[r][(k, i, j).index(c)] for c in range(3)], -1) for r in range(3)], -2
        )
        cosines = self.directions @ rotation.transpose(1, 2) @ self.directions.T
        n = len(self.directions)
        weights = _spline(cosines) @ self.solved[:n] + self.solved[n]
        return weights.to(X) @ X


class _LegendreSeries(torch.autograd.Function):
    """A sum of Legendre polynomials, whose derivative is another: differentiable at any order."""

    @staticmethod
    def forward(context, cosines, coefficients):
        context.save_for_backward(cosines)
        context.coefficients = coefficients
        values = np.polynomial.legendre.legval(cosines.detach().numpy(), coefficients)
        return torch.from_numpy(np.asarray(values))

    @staticmethod
    def backward(context, gradient):
        (cosines,) = context.saved_tensors
        derivative = np.polynomial.legendre.legder(context.coefficients)
        return gradient * _LegendreSeries.apply(cosines, derivative), None


def _spline(cosines):
    orders = np.arange(1, _N_TERMS + 1)
    factors = (2 * orders + 1) / (4 * np.pi * (orders * (orders + 1.0)) ** 4)
    return _LegendreSeries.apply(cosines, np.r_[0, factors])


def _notch(X, centres, bandwidth, *, sfreq):
    """`common.augmentation.bandstop.notch`, differentiable in centres and bandwidths."""
    n_taps = round(3.3 * sfreq / bandstop.TRANSITION)
    n_taps += 1 - n_taps % 2
    half, n_times = n_taps // 2, X.shape[-1]
    offset = bandwidth / 2 + bandstop.TRANSITION / 2
    lag = torch.arange(1, half + 1, dtype=torch.float64, device=X.device)
    window = torch.from_numpy(np.hamming(n_taps)[half + 1 :]).to(X.device)

    def low_pass(cutoff):
        later = torch.sin(2 * np.pi / sfreq * cutoff[:, None] * lag) / (np.pi * lag) * window
        middle = 2 * cutoff[:, None] / sfreq
        return torch.cat([middle, later], 1) / (middle + 2 * later.sum(1, keepdim=True))

    one_side = low_pass(centres - offset) - low_pass(centres + offset)
    n_edge = min(half, n_times - 1)
    n_fft = next_fast_len(n_times + n_edge + half, real=True)
    # Symmetric about 0, hence with a real spectrum; an impulse passes everything. Of short windows,
    # lags meet in the middle that reach from no sample to another.
    middle = one_side.new_zeros(len(X), max(n_fft - 2 * half - 1, 0))
    kernel = torch.cat([one_side[:, : n_fft - half], middle, one_side[:, 1:].flip(1)], 1)
    gain = 1 + torch.fft.rfft(kernel).real.to(X.dtype)
    first, last = X[..., :1], X[..., -1:]
    extended = torch.cat(
        [
            2 * first - X[..., 1 : n_edge + 1].flip(-1),
            X,
            2 * last - X[..., n_times - 1 - n_edge : n_times - 1].flip(-1),
        ],
        dim=-1,
    )
    filtered = torch.fft.irfft(torch.fft.rfft(extended, n=n_fft) * gain[:, None], n=n_fft)
    return filtered[..., n_edge : n_edge + n_times]


@functools.lru_cache(maxsize=8)
def _times(n_times, sfreq, device):
    return torch.arange(n_times, dtype=torch.float64, device=device) / sfreq


_SHARES = ("ft-surrogate", "channels-dropout", "channels-shuffle")

_CLASSES = {
    "time-reverse": _TimeReverse,
    "sign-flip": _SignFlip,
    "ft-surrogate": _FTSurrogate,
    "frequency-shift": _FrequencyShift,
    "bandstop-filter": _BandstopFilter,
    "gaussian-noise": _GaussianNoise,
    "smooth-time-mask": _SmoothTimeMask,
    "channels-dropout": _ChannelsDropout,
    "channels-shuffle": _ChannelsShuffle,
    "channels-symmetry": _ChannelsSymmetry,
    "sensors-x-rotation": _SensorsRotation,
    "sensors-y-rotation": _SensorsRotation,
    "sensors-z-rotation": _SensorsRotation,
}

EEG_OPERATIONS = tuple(_CLASSES)
"""Names of the operations, as in `common.augmentation.catalog`."""
