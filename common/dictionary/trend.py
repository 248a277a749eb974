r"""A trend beside recurrent waveforms: total variation, and both from one signal.

A signal x, of which some samples may be missing (:math:`w_t = 0`), is a trend s that moves in steps
or along lines, and waveforms :math:`d_k` that recur:

.. math:: \min_{d, z, s}\; \tfrac12 \sum_t w_t \Big(x - \sum_k z_k * d_k - s\Big)_t^2
          + \lambda \sum_k \|z_k\|_1 + \mu \|\Delta^r s\|_1, \qquad
          z \ge 0,\ \|d_k\| = 1,\ \sum_m d_k[m] = 0,

with differences of order r = 1 (steps) or 2 (lines). Without the zero mean, a constant could pass
from the trend to dense activations.

Missing samples make the overlaps of atoms depend on the place. So each block is solved on a full
signal, y, which holds x where it is observed and the fit elsewhere. Its squared distance is never
below the one above and equal to it at the present fit, so whatever lowers the first lowers the
second: this is majorisation-minimisation, and the cost falls with every block.

The trend of order 1 is the *proximal operator* of total variation. `tv_prox` takes it by dynamic
programming [1]_. Let :math:`m_t(b)` be the least cost of the first t values of s when the last one
is b. Its derivative is piecewise linear and increasing, and

.. math:: m_t'(b) = b - y_t + \min(\mu, \max(-\mu, m_{t-1}'(b))).

Clipping removes knots from both ends and adds one at each, so all T steps together take O(T). With
:math:`m_T'(s_T) = 0`, one goes back: :math:`s_{t-1}` is :math:`s_t`, clipped to where
:math:`m_{t-1}'` is within :math:`\pm\mu`.

References
----------
.. [1] N. A. Johnson, "A Dynamic Programming Algorithm for the Fused Lasso and L0-Segmentation",
   J. Computational and Graphical Statistics 22, 2013.
.. [2] A. Ramdas, R. J. Tibshirani, "Fast and Flexible ADMM Algorithms for Trend Filtering",
   J. Computational and Graphical Statistics 25, 2016.
"""

import warnings
from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd
from scipy import signal
from scipy.linalg import solveh_banded, toeplitz
from sklearn.exceptions import ConvergenceWarning

from common import validation
from common.dictionary.atoms import FullAtoms
from common.dictionary.sparse_coding import sparse_code

__all__ = [
    "Separation",
    "line_trend",
    "moving_median",
    "separate",
    "slow_part",
    "start_of",
    "tv_prox",
]

_PRECISION = 0.05  # of activations, as a share of the penalty
_STEPS = 50  # of projected gradient on the atoms, an iteration
_STEPS_OF_LINES = 30  # of ADMM on the trend, an iteration


@dataclass(frozen=True, eq=False)
class Separation:
    """Waveforms, their activations and the trend beside them.

    Attributes
    ----------
    atoms : ndarray, shape (n_atoms, n_times_atom)
        Of unit norm and zero mean.
    z : ndarray, shape (n_atoms, n_times - n_times_atom + 1)
        Not negative, in the unit of the signal.
    trend : ndarray, shape (n_times,)
        In the unit of the signal, also where samples are missing.
    cost : ndarray, shape (n_blocks,)
        At the start and after each block (activations, atoms, and the trend where it is learned).
        It never rises.
    n_iter : int
        Iterations done.
    """

    atoms: np.ndarray
    z: np.ndarray
    trend: np.ndarray
    cost: np.ndarray
    n_iter: int

    @property
    def waves(self):
        """Sum of all activated atoms, shape (n_times,)."""
        return FullAtoms(self.atoms[:, None]).convolve(self.z)[0]


def tv_prox(y, mu):
    r"""The s that minimises :math:`\tfrac12 \|y - s\|^2 + \mu \sum_t |s_{t+1} - s_t|`, exactly.

    Parameters
    ----------
    y : array_like, shape (n_times,)
    mu : float
        At least 0; in the unit of ``y``.

    Returns
    -------
    s : ndarray, shape (n_times,)

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, there is none, or ``mu`` is negative or more than 1e9 times the
        range of ``y``, where digits are lost and the minimiser is the mean.

    Notes
    -----
    With :math:`u = \operatorname{cumsum}(s - y)`, s is the minimiser if and only if
    :math:`|u_t| \le \mu`, :math:`u_T = 0`, and :math:`u_t = \mu \operatorname{sign}(s_{t+1} -
    s_t)` wherever s moves.

    Examples
    --------
    >>> tv_prox([0.0, 0.0, 3.0, 3.0], 1.0)
    array([0.5, 0.5, 2.5, 2.5])
    """
    y = validation.vector(y, "y").astype(float)
    mu = validation.number(mu, "mu", at_least=0)
    if mu == 0 or len(y) == 1:
        return y.copy()
    if 0 < np.ptp(y) < 1e-9 * mu:
        raise ValueError(
            f"mu={mu:g} is more than 1e9 times the range of y, {np.ptp(y):g}: digits are lost, and "
            "the trend is the mean of y. Lower it."
        )
    return _centred_tv_prox(y, mu)


def _centred_tv_prox(y, mu):
    middle = np.median(y)  # sums of numbers far from 0 lose digits
    return middle + _tv_prox(y - middle, mu)


def line_trend(y, mu, *, start=None, n_iter=500, tol=1e-6):
    r"""The s that minimises :math:`\tfrac12 \|y - s\|^2 + \mu \sum_t |s_{t+1} - 2 s_t + s_{t-1}|`.

    By ADMM on the split :math:`a = \Delta s`: a is a proximal operator of total variation, and s
    solves a system of three diagonals [2]_. Its weight is ``mu`` over the mean size of the second
    differences of ``y``, so that the unit of both does not matter.

    Parameters
    ----------
    y : array_like, shape (n_times,)
        At least 3 values.
    mu : float
        At least 0, at most 1e10 times the mean second difference of ``y``: beyond, the system is
        singular in double precision.
    start : array_like, shape (n_times,), optional
        Where to begin.
    n_iter : int, default=500
        At most so many steps.
    tol : float, default=1e-6
        It ends where s moves by less, relative to the range of ``y``, and a is as near to the
        differences of s.

    Returns
    -------
    s : ndarray, shape (n_times,)

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, there are fewer than 3, shapes differ, or an option is out of
        range.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If ``n_iter`` steps are not enough.
    """
    s, converged = _line_trend(y, mu, start=start, n_iter=n_iter, tol=tol)
    if not converged:
        warnings.warn(
            f"the trend still moved by more than {tol:g} of the range of y after {n_iter} steps. "
            "Raise n_iter or tol.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return s


def _line_trend(y, mu, *, start=None, n_iter=500, tol=1e-6):
    """See `line_trend`; also whether it has converged."""
    y = validation.vector(y, "y", at_least=-1e150, at_most=1e150).astype(float)  # squares
    if len(y) < 3:
        raise ValueError(f"y has {len(y)} value(s); a second difference needs 3.")
    mu = validation.number(mu, "mu", at_least=0)
    n_iter = validation.count(n_iter, "n_iter")
    tol = validation.number(tol, "tol", above=0)
    s = y.copy() if start is None else validation.vector(start, "start").astype(float)
    validation.same_length(y=y, start=s)
    if mu == 0 or not np.ptp(y):
        return y.copy(), True
    # Second differences of a straight line are rounding; its deviation is not.
    unit = max(float(np.abs(np.diff(y, 2)).mean()), 1e-3 * float(y.std()))
    weight = mu / unit
    if weight > 1e10:
        raise ValueError(
            f"mu must be at most {1e10 * unit:g} for second differences of y of {unit:g} in the "
            f"mean, got {mu:g}."
        )
    smallest = tol * np.ptp(y)
    bands = np.empty((2, len(y)))  # of I + weight D'D, from above
    bands[0], bands[1] = -weight, 1 + 2 * weight
    bands[1, [0, -1]] = 1 + weight
    dual = np.zeros(len(y) - 1)
    for _ in range(n_iter):
        a = _centred_tv_prox(np.diff(s) + dual, unit)  # mu over the weight
        before, target = s, a - dual
        s = solveh_banded(bands, y - weight * np.diff(target, prepend=0, append=0))
        apart = np.diff(s) - a
        dual = dual + apart
        if max(np.abs(s - before).max(), np.abs(apart).max()) < smallest:
            return s, True
    return s, False


def moving_median(x, n_times_window):
    """Median of the observed samples around each sample.

    Parameters
    ----------
    x : array_like, shape (n_times,)
        NaN stands for a missing sample.
    n_times_window : int
        An even number of samples takes one more before than after.

    Returns
    -------
    median : ndarray, shape (n_times,)
        Windows are cut at both ends. Where a whole window is missing, on a line between the
        nearest medians.

    Raises
    ------
    TypeError, ValueError
        If ``x`` has another shape, infinite values or nothing observed, or the window no samples.
    """
    x = _with_gaps(x)
    n_times_window = validation.count(n_times_window, "n_times_window")
    rolling = pd.Series(x).rolling(n_times_window, center=True, min_periods=1)
    return rolling.median().interpolate(limit_direction="both").to_numpy()


def slow_part(x, *, cutoff, sfreq):
    """What a high-pass takes from a signal: a Butterworth filter of order 4, forth and back.

    Parameters
    ----------
    x : array_like, shape (n_times,)
        NaN stands for a missing sample; the filter sees a line through it.
    cutoff : float
        Of the high-pass, in Hz; below half the sampling frequency.
    sfreq : float
        Sampling frequency, in Hz.

    Returns
    -------
    slow : ndarray, shape (n_times,)

    Raises
    ------
    TypeError, ValueError
        If ``x`` has another shape, infinite values or nothing observed, is too short for the
        filter, or a frequency is out of range, as a cutoff below 1e-6 of ``sfreq``.
    """
    x = _with_gaps(x)
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    cutoff = validation.number(cutoff, "cutoff", at_least=1e-6 * sfreq, below=sfreq / 2, unit="Hz")
    if len(x) < 16:
        raise ValueError(f"x has {len(x)} samples, too few for the filter. It needs 16.")
    whole = pd.Series(x).interpolate(limit_direction="both").to_numpy()
    sections = signal.butter(4, cutoff, "highpass", fs=sfreq, output="sos")
    return whole - signal.sosfiltfilt(sections, whole)


def start_of(x, trend, *, n_times_atom, reg, rng, n_atoms=1):
    """First atoms, chunks of a signal without its trend, and a penalty that fits them.

    Parameters
    ----------
    x : array_like, shape (n_times,)
        NaN stands for a missing sample.
    trend : array_like, shape (n_times,)
        A first one, such as `moving_median`. A penalty from the signal itself would be set by the
        steps of the trend.
    n_times_atom : int
        At least 2.
    reg : float
        Penalty as a share of the largest correlation of the first atoms with the signal without
        its trend; above 0, below 1.
    rng : numpy.random.Generator
        Draws the chunks, among those that miss no sample.
    n_atoms : int, default=1

    Returns
    -------
    atoms : ndarray, shape (n_atoms, n_times_atom)
        Of unit norm and zero mean.
    penalty : float
        In the unit of the signal.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, an option is out of range, no chunk is without a missing sample, or a
        chunk is constant.
    """
    x = _with_gaps(x)
    trend = validation.vector(trend, "trend").astype(float)
    validation.same_length(x=x, trend=trend)
    n_times_atom = validation.count(n_times_atom, "n_times_atom", at_least=2)
    n_atoms = validation.count(n_atoms, "n_atoms")
    reg = validation.number(reg, "reg", above=0, below=1)
    rng = validation.generator(rng)
    rest = x - trend
    starts = np.empty(0, dtype=int)
    if len(x) >= n_times_atom:
        windows = np.lib.stride_tricks.sliding_window_view(np.isnan(rest), n_times_atom)
        starts = np.flatnonzero(~windows.any(axis=1))
    if not len(starts):
        raise ValueError(
            f"no {n_times_atom} samples in a row are observed among the {len(x)} of x. "
            "Shorten the atoms."
        )
    chosen = rng.choice(starts, n_atoms)
    atoms = _projected(np.stack([rest[at : at + n_times_atom] for at in chosen]))
    if atoms is None:
        raise ValueError("a chunk of x is its trend exactly: no atom starts there.")
    correlation = FullAtoms(atoms[:, None]).correlate(np.nan_to_num(rest)[None])
    return atoms, float(reg * correlation.max())


def separate(x, atoms, *, trend, penalty, mu=None, order=1, n_iter=15, tol=1e-4):
    """Learn waveforms of a signal, and the trend beside them.

    Parameters
    ----------
    x : array_like, shape (n_times,)
        NaN stands for a missing sample.
    atoms : array_like, shape (n_atoms, n_times_atom)
        To start from; of any norm and mean.
    trend : array_like, shape (n_times,)
        To start from, or to keep.
    penalty : float
        Lambda, in the unit of the signal; above 0.
    mu : float, optional
        Weight of the trend's variation, in the unit of the signal; above 0. By default the trend
        is kept as it is. Squares add up over samples, so twice the sampling rate needs twice the
        weight.
    order : {1, 2}, default=1
        A trend of steps, or of lines.
    n_iter : int, default=15
        Iterations at most.
    tol : float, default=1e-4
        It ends where an iteration lowers the cost by less, relatively.

    Returns
    -------
    separation : Separation

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, a value is infinite, nothing is observed, an atom is constant or
        longer than the signal, or an option is out of range.

    Examples
    --------
    >>> t = np.arange(400)
    >>> x = np.where(t < 200, 0.0, 8.0) + np.sin(t * np.pi / 10)
    >>> kept = {"trend": np.full(400, 4.0), "penalty": 0.5}
    >>> found = separate(x, np.sin(t[None, :40] * np.pi / 9), mu=5.0, **kept)
    >>> round(float(found.trend[-1] - found.trend[0]))
    8
    """
    x = _with_gaps(x)
    atoms = validation.array(atoms, "atoms", ndim=2).astype(float)
    if not 2 <= atoms.shape[1] <= len(x):
        raise ValueError(
            f"atoms have {atoms.shape[1]} samples and x {len(x)}: an atom needs 2 samples at "
            "least, and no more than x has."
        )
    atoms = _projected(atoms)
    if atoms is None:
        raise ValueError("an atom is constant throughout: nothing is left without its mean.")
    s = validation.vector(trend, "trend").astype(float)
    validation.same_length(x=x, trend=s)
    penalty = validation.number(penalty, "penalty", above=0)
    mu = None if mu is None else validation.number(mu, "mu", above=0)
    order = int(validation.choice(order, (1, 2), "order"))
    n_iter = validation.count(n_iter, "n_iter")
    tol = validation.number(tol, "tol", at_least=0)
    observed = ~np.isnan(x)
    z = np.zeros((len(atoms), len(x) - atoms.shape[1] + 1))
    waves = np.zeros(len(x))

    def value():
        rest = (x - waves - s)[observed]
        rough = 0.0 if mu is None else mu * np.abs(np.diff(s, order)).sum()
        return 0.5 * rest @ rest + penalty * z.sum() + rough

    costs = [value()]
    for _ in range(n_iter):
        before = costs[-1]
        z, waves = _coded(np.where(observed, x - s, waves), atoms, penalty, z)
        costs.append(value())
        atoms = _improved(np.where(observed, x - s, waves), atoms, z)
        waves = FullAtoms(atoms[:, None]).convolve(z)[0]
        costs.append(value())
        if mu is not None:
            s = _better_trend(np.where(observed, x - waves, s), s, mu, order)
            costs.append(value())
        if before - costs[-1] <= tol * before:
            break
    n_blocks = 2 if mu is None else 3
    return Separation(atoms, z, s, np.array(costs), (len(costs) - 1) // n_blocks)


def _coded(y, atoms, penalty, z):
    """Activations for a full signal, and their waves."""
    if not np.ptp(y):
        return np.zeros_like(z), np.zeros(len(y))
    start = z if z.any() else None
    atoms = FullAtoms(atoms[:, None])
    if start is None and penalty >= atoms.correlate(y[None]).max():
        return z, np.zeros(len(y))
    z = sparse_code(y[None], atoms, penalty, tol=_PRECISION * penalty, start=start).z
    return z, atoms.convolve(z)[0]


def _improved(y, atoms, z):
    """Atoms after some steps of projected gradient, each of which lowers the squared distance.

    With the curvature L of the distance as the inverse step, the projected point minimises a
    quadratic bound of it over all atoms of unit norm and zero mean.
    """
    if not z.any():
        return atoms
    n_atoms, length = atoms.shape
    n_points = len(y) + length
    spectra, of_y = np.fft.rfft(z, n_points), np.fft.rfft(y, n_points)
    linear = np.fft.irfft(of_y * spectra.conj(), n_points)[:, :length]
    shared = np.fft.irfft(spectra[:, None].conj() * spectra, n_points)  # sum of z_k[s] z_l[s + lag]
    back = -np.arange(length)
    quadratic = np.block(
        [[toeplitz(shared[k, l, :length], shared[k, l, back]) for l in range(n_atoms)]
         for k in range(n_atoms)]
    )  # fmt: skip
    curvature = np.linalg.eigvalsh(quadratic)[-1]
    for _ in range(_STEPS):
        slope = (quadratic @ atoms.ravel()).reshape(atoms.shape) - linear
        moved = _projected(atoms - slope / curvature)
        if moved is None:
            break
        atoms = moved
    return atoms


def _better_trend(y, s, mu, order):
    """The best trend of a full signal, or, of order 2, one that is no worse than ``s``."""
    if order == 1:
        return tv_prox(y, mu)

    def value(s):
        return 0.5 * np.sum((y - s) ** 2) + mu * np.abs(np.diff(s, 2)).sum()

    found, _ = _line_trend(y, mu, start=s, n_iter=_STEPS_OF_LINES)
    return found if value(found) <= value(s) else s


def _projected(atoms):
    """The nearest atoms of zero mean and unit norm; None where one is constant."""
    centred = atoms - atoms.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    if (norms <= 1e-12 * np.abs(atoms).max()).any():
        return None
    return centred / norms


def _with_gaps(x):
    """A signal as an array, with NaN for missing samples."""
    x = validation.incomplete(np.atleast_2d(np.ma.asarray(x)), "x", empty_columns=True)
    if len(x) != 1:
        raise ValueError(f"x must have one axis, got shape {x.shape}.")
    return x[0]


@numba.njit(cache=True, error_model="numpy")
def _tv_prox(y, mu):
    """See `tv_prox`; knots of the derivative are in a row that grows to both sides.

    Left of all knots the derivative is ``slope_low * b + base_low``, right of all
    ``slope_high * b + base_high``; at a knot both numbers change by ``slopes`` and ``bases``.
    """
    n = len(y)
    places, slopes, bases = np.empty(2 * n), np.empty(2 * n), np.empty(2 * n)
    lows, highs = np.empty(n - 1), np.empty(n - 1)
    first, last = n, n - 1  # of the knots that there are
    slope_low, base_low, slope_high, base_high = 1.0, -y[0], 1.0, -y[0]
    for t in range(n - 1):
        while first <= last and slope_low * places[first] + base_low <= -mu:
            slope_low += slopes[first]
            base_low += bases[first]
            first += 1
        low = (-mu - base_low) / slope_low
        while first <= last and slope_high * places[last] + base_high >= mu:
            slope_high -= slopes[last]
            base_high -= bases[last]
            last -= 1
        high = (mu - base_high) / slope_high
        first -= 1
        places[first], slopes[first], bases[first] = low, slope_low, base_low + mu
        last += 1
        places[last], slopes[last], bases[last] = high, -slope_high, mu - base_high
        lows[t], highs[t] = low, high
        slope_low, base_low = 1.0, -mu - y[t + 1]
        slope_high, base_high = 1.0, mu - y[t + 1]
    while first <= last and slope_low * places[first] + base_low <= 0:
        slope_low += slopes[first]
        base_low += bases[first]
        first += 1
    s = np.empty(n)
    s[n - 1] = -base_low / slope_low
    for t in range(n - 2, -1, -1):
        s[t] = min(max(s[t + 1], lows[t]), highs[t])
    return s
