r"""Does a process follow a stimulus? A scan over kernels, and a test that is calibrated.

Let N events at times t be given on ``[0, T]``, and the stimuli :math:`t_i` of one driver. For a
kernel :math:`\kappa` put :math:`A(t) = \sum_i \kappa(t - t_i)`, with the integral E over the
record. E is the number of stimuli, less what the responses lose beyond the end. In the model
:math:`\lambda = \mu + \alpha A` [1]_, multiplying all rates by c changes the log-likelihood by
:math:`N \log c - (c - 1)(\mu T + \alpha E)`. So at its maximum :math:`\mu T + \alpha E = N`, and
only the share :math:`q = \alpha E / N` of the events that are responses is left to find:

.. math:: \lambda = \frac{N}{T} \big( 1 + q (r - 1) \big), \qquad r(t) = \frac{T}{E} A(t).

The log-likelihood gained over a Poisson process of rate N / T is therefore

.. math:: G(q) = \sum_t \log\big( 1 + q (r(t) - 1) \big), \qquad 0 \le q \le 1,

which is concave. Its maximum is at 0 where :math:`\sum_t (r(t) - 1) \le 0`, and a bisection of
:math:`G'` finds it otherwise. The scan does this for a grid of means and deviations of truncated
Gaussians. It starts nowhere, so it cannot be caught at :math:`\alpha = 0`, which expectation-
maximisation never leaves.

Twice the largest gain has no chi-square distribution where nothing is driven: the kernel has no
parameters there, and alpha is on the border of what it may be. `shift_test` compares it with the
gain of the same events shifted in time instead.

.. [1] C. Allain, A. Gramfort, T. Moreau, "DriPP: Driven Point Processes to Model Stimuli Induced
   Patterns in M/EEG Signals", ICLR 2022, arXiv:2112.06652.
"""

from typing import NamedTuple

import numpy as np

from common import validation
from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.latency import shift_circularly
from common.hawkes.pairs import check_record, check_sorted, iter_pairs

__all__ = ["Scan", "ShiftTest", "scan_kernels", "shift_test"]

_SIGMAS = (1 / 50, 1 / 15, 1 / 5)  # in lengths of the support; means are one sigma apart
_N_BISECTIONS = 16  # of q: to 2e-5, and the gain, which is flat there, to 1e-7 nats


class Scan(NamedTuple):
    """What each kernel of a grid explains, each array of shape (n_kernels,).

    Attributes
    ----------
    mean, sigma : ndarray
        Of the Gaussian before it is truncated, in s.
    weight : ndarray
        Mean number of events that a stimulus triggers, the likeliest one with this kernel.
    gain : ndarray
        Log-likelihood gained over a Poisson process, in nats; 0 where the weight is 0.
    """

    mean: np.ndarray
    sigma: np.ndarray
    weight: np.ndarray
    gain: np.ndarray


class ShiftTest(NamedTuple):
    """Result of `shift_test`.

    Attributes
    ----------
    p_value : float
        Between ``1 / (1 + n_shifts)`` and 1.
    gain : float
        Largest gain of the log-likelihood over the kernels of the scan, in nats.
    weight : float
        Likeliest mean number of events that a stimulus triggers, with the kernel of that gain.
    mean, sigma : float
        Of that kernel, in s.
    shifted : ndarray, shape (n_shifts,)
        Largest gains of the shifted events.
    """

    p_value: float
    gain: float
    weight: float
    mean: float
    sigma: float
    shifted: np.ndarray


def scan_kernels(events, stimuli, end_time, *, lower, upper):
    """Likeliest weight, and gain of the likelihood, of each kernel of a grid.

    Parameters
    ----------
    events : array_like, shape (n_events,)
        Sorted times, in s, within ``[0, end_time]``.
    stimuli : array_like, shape (n_stimuli,)
        Sorted times of the stimuli of one driver, in s, within ``[0, end_time]``.
    end_time : float
        End of the record, in s.
    lower, upper : float
        Shortest and longest lag of a response, in s, ``0 <= lower < upper``.

    Returns
    -------
    scan : Scan
        Deviations are 1/50, 1/15 and 1/5 of the support, means one deviation apart.

    Raises
    ------
    TypeError
        If a number is none.
    ValueError
        If a number is out of range, there is no event or no stimulus that a response could follow
        within the record, or times are unsorted, not finite or outside the record.

    See Also
    --------
    common.hawkes.driven_starts.scan_starts : Starts the fit from the best kernels.

    Examples
    --------
    >>> stimuli = np.arange(1.0, 99.0)
    >>> scan = scan_kernels(stimuli + 0.2, stimuli, 100.0, lower=0.0, upper=0.5)
    >>> best = scan.gain.argmax()
    >>> float(scan.mean[best].round(2)), float(scan.weight[best].round(2))
    (0.2, 1.0)
    """
    events, stimuli, end_time = _checked(events, stimuli, end_time, lower=lower, upper=upper)
    return _scan(events, _Grid(stimuli, end_time, lower, upper))


def shift_test(events, stimuli, end_time, *, lower, upper, rng, n_shifts=99):
    """Test that a process is not driven by a stimulus.

    The largest gain of the scan is compared with that of the same events shifted along the record
    by a random time, those beyond the end coming in at the beginning. A shift leaves all intervals
    between events as they are, but one, and takes away what ties them to the stimuli. Under the
    null hypothesis that the events are stationary and independent of the stimuli, the observed
    gain is one of ``1 + n_shifts`` equally likely ones, whatever the law of the events: a
    heartbeat as well as a Poisson process.

    Parameters
    ----------
    events, stimuli, end_time, lower, upper
        As in `scan_kernels`.
    rng : numpy.random.Generator
        Draws the shifts.
    n_shifts : int, default=99
        The p value is a multiple of ``1 / (1 + n_shifts)``.

    Returns
    -------
    test : ShiftTest

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or a number is none.
    ValueError
        As `scan_kernels`, or if ``n_shifts`` is below 1.

    Notes
    -----
    Stimuli at exactly regular times make shifts by their interval look like no shift, which costs
    power. A rate that drifts over the record is not stationary: the test may then reject because
    both the events and the stimuli became more frequent. With several drivers, a process that one
    of them drives is not independent of another whose stimuli depend on the first.

    References
    ----------
    .. [1] P. Diggle, "Statistical Analysis of Spatial and Spatio-Temporal Point Patterns", 3rd ed.,
       2013: random shifts as a test of independence of two stationary patterns.
    """
    events, stimuli, end_time = _checked(events, stimuli, end_time, lower=lower, upper=upper)
    rng = validation.generator(rng)
    shifts = end_time * rng.random(validation.count(n_shifts, "n_shifts"))
    grid = _Grid(stimuli, end_time, lower, upper)
    found = _scan(events, grid)
    best = int(found.gain.argmax())
    gain = float(found.gain[best])
    others = np.array(
        [
            _scan(shift_circularly(events, end_time, shift=float(shift)), grid).gain.max()
            for shift in shifts
        ]
    )
    # Equal gains, as of no response at all, may differ by their rounding.
    exceed = np.sum(others >= gain - 1e-9 * (1 + gain))
    kernel = (float(each[best]) for each in (found.weight, found.mean, found.sigma))
    return ShiftTest(float((1 + exceed) / (1 + n_shifts)), gain, *kernel, others)


class _Grid:
    """Kernels, and how many responses each would have within the record, by weight."""

    def __init__(self, stimuli, end_time, lower, upper):
        width = upper - lower
        means, sigmas = [], []
        for share in _SIGMAS:
            means.append(np.linspace(lower, upper, 1 + round(1 / share)))
            sigmas.append(np.full(len(means[-1]), share * width))
        self.mean, self.sigma = np.concatenate(means), np.concatenate(sigmas)
        self.stimuli, self.end_time, self.lower, self.upper = stimuli, end_time, lower, upper
        self.kernel = TruncatedGaussian(float(lower))
        rest = end_time - stimuli[stimuli > end_time - upper]
        late = self.kernel.integral(rest, [self.mean, self.sigma], length=upper).sum(axis=-1)
        self.expected = len(stimuli) - len(rest) + late

    def values(self, lags):
        """Densities, in 1 / s, of shape (n_kernels, n_lags)."""
        return self.kernel.value(lags, [self.mean, self.sigma], length=self.upper)


def _scan(events, grid):
    limits = {"longest": grid.upper, "shortest": grid.lower}
    share, gain = np.zeros((2, len(grid.mean)))
    pairs = list(iter_pairs(grid.stimuli, events, **limits))
    if pairs:
        source, target = (np.concatenate(each) for each in zip(*pairs, strict=True))
        lags = np.clip(events[target] - grid.stimuli[source], grid.lower, grid.upper)
        first = np.flatnonzero(np.diff(target, prepend=-1))  # pairs of an event are neighbours
        density = np.add.reduceat(grid.values(lags), first, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = grid.end_time * density / grid.expected[:, None] - 1
        # A kernel that has no room in the record explains nothing.
        excess[grid.expected < 1e-9 * len(grid.stimuli)] = -1
        n_outside = len(events) - len(first)
        rises = excess.sum(axis=1) > n_outside
        share[rises] = _likeliest_share(excess[rises], n_outside)
        with np.errstate(divide="ignore"):
            inside = np.log1p(share[rises, None] * excess[rises]).sum(axis=1)
        gain[rises] = inside + n_outside * np.log1p(-share[rises])
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(share > 0, share * len(events) / grid.expected, 0)
    return Scan(grid.mean, grid.sigma, weight, np.maximum(gain, 0))


def _likeliest_share(excess, n_outside):
    """Zero of the derivative of a gain, for each row of ``r - 1``; events outside have r = 0."""
    low, high = np.zeros(len(excess)), np.ones(len(excess))
    for _ in range(_N_BISECTIONS):
        share = (low + high) / 2
        slope = (excess / (1 + share[:, None] * excess)).sum(axis=1) - n_outside / (1 - share)
        low, high = np.where(slope > 0, share, low), np.where(slope > 0, high, share)
    return low


def _checked(events, stimuli, end_time, *, lower, upper):
    end_time = validation.number(end_time, "end_time", above=0, unit="s")
    lower = validation.number(lower, "lower", at_least=0, unit="s")
    upper = validation.number(upper, "upper", above=lower, unit="s")
    events = check_sorted(events, name="events", end_time=end_time)
    stimuli = check_sorted(stimuli, name="stimuli", end_time=end_time)
    for name, times in (("events", events), ("stimuli", stimuli)):
        if len(times) == 0:
            raise ValueError(
                f"{name} is empty: there is nothing to compare. Leave the process out."
            )
    if stimuli[0] + lower >= end_time:
        raise ValueError(
            f"the first stimulus comes at {stimuli[0]:g} s, and lower={lower:g} s later the record "
            f"of {end_time:g} s is over: no response can be seen. Use a longer record."
        )
    check_record([events, stimuli], end_time=end_time)
    return events, stimuli, end_time
