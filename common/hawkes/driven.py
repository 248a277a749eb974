r"""Driven point process: how often, and how long after, stimuli of each kind trigger an event.

The intensity of the events given the stimuli :math:`t_i^{(p)}` of each driver p is [1]_

.. math:: \lambda(t) = \mu + \sum_p \alpha_p \sum_i \kappa_p(t - t_i^{(p)}),

with :math:`\kappa_p` a Gaussian of mean :math:`m_p` and deviation :math:`\sigma_p` truncated to
``[lower, upper]``. :math:`\alpha_p` is the mean number of events that one stimulus triggers.
Supports of successive stimuli may overlap.

Expectation-maximisation
------------------------
*E step.* An event at t is spontaneous with probability :math:`\mu / \lambda(t)`, and due to
stimulus i of driver p with probability :math:`w = \alpha_p \kappa_p(t - t_i^{(p)}) / \lambda(t)`.
A stimulus whose support reaches beyond the end T of the record has also, on average,
:math:`\alpha_p \int_{T - t_i}^{upper} \kappa_p` responses that nobody could observe; they are
counted in, with their lags, so that the end of the record biases nothing.

*M step.* Let W, s and q be the sum of all weights of driver p, and the weighted means of the lag x
and of :math:`(x - m)^2`. The expected complete log-likelihood is, up to a constant,

.. math:: W \log \alpha - n \alpha - W \frac{q}{2 \sigma^2} - W \log C(m, \sigma), \qquad
          C = \int_{lower}^{upper} e^{-(x - m)^2 / 2 \sigma^2} dx,

for n stimuli, so :math:`\alpha = W / n` (and :math:`\mu` is the number of spontaneous events over
T). Its derivatives by m and :math:`\sigma` vanish where

.. math:: m = s - \sigma^2 \frac{C_m}{C}, \qquad
          \sigma = \Big( \frac{C}{C_\sigma}\, q \Big)^{1/3},

with :math:`C_m, C_\sigma` the derivatives of C. Both sides hold the parameters. Since
:math:`\sigma^2 C_m / C = E[x] - m` and :math:`C_\sigma / C = E[(x - m)^2] / \sigma^3` under
:math:`\kappa`, these say that the kernel has the moments of the data, and as updates they read
:math:`m + s - E[x]` and :math:`\sigma (q / E[(x - m)^2])^{1/3}`.

Made at once from the same old values, the two updates can decrease the likelihood (sharply timed
responses, a mean near an end of the support and a large sigma). One after the other, the second
with the new m, they cannot. The first is a gradient step of length :math:`\sigma^2`, while the
curvature is at most :math:`1 / \sigma^2`, because a truncated Gaussian has at most the variance
:math:`\sigma^2`. The second covers at most three quarters of the way to its optimum, on a
logarithmic scale, because :math:`E[(x - m)^2]` grows at most like :math:`\sigma^{2.2}` for m within
the support (by evaluation on a grid; without truncation like :math:`\sigma^2`). A few rounds of
both are made in each M step.

.. [1] C. Allain, A. Gramfort, T. Moreau, "DriPP: Driven Point Processes to Model Stimuli Induced
   Patterns in M/EEG Signals", ICLR 2022, arXiv:2112.06652.
"""

from dataclasses import dataclass
from numbers import Real

import numpy as np
import scipy.special
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from common import validation
from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.pairs import check_record, check_sorted, iter_pairs

__all__ = ["DrivenProcess", "response_error"]

_NARROWEST = 1e-3  # smallest sigma, in lengths of the support
_N_ROUNDS = 5  # of the updates of mean and sigma in one M step
_SMALLEST_SHARE = 0.05  # of its events in the support that a driver gets at the start


class DrivenProcess(BaseEstimator):
    """Maximum likelihood of a driven point process, by expectation-maximisation.

    Parameters
    ----------
    lower, upper : float, default=0.03, 0.5
        Shortest and longest lag of a response, in s, ``0 <= lower < upper``.
    max_iter : int, default=400
    tol : float, default=1e-11
        Stop once an iteration gains less than this log-likelihood per event. With 0, stop only at
        ``max_iter`` or where the gain is lost in rounding.
    start : {"smart", "random"} or tuple, default="smart"
        ``"smart"``: baseline from the events outside all supports, adjacency from the excess of
        events within them, mean and sigma from the lags within them. ``"random"``: drawn around
        the middle of what is admissible. A tuple gives ``(baseline, adjacency, mean, sigma)``.
    random_state : int or None, default=None
        Seed of the random start.

    Attributes
    ----------
    baseline_ : float
        Rate of spontaneous events, in Hz.
    adjacency_ : ndarray, shape (n_drivers,)
        Mean number of events that one stimulus triggers.
    mean_, sigma_ : ndarray, shape (n_drivers,)
        Of the Gaussian before it is truncated, in s: the mean within ``[lower, upper]``, sigma
        between a thousandth of the support and its whole length (nearly flat). NaN where no event
        lies in the support of any stimulus. Without meaning where ``adjacency_`` is about 0.
    log_likelihood_curve_ : ndarray, shape (n_iter + 1,)
        At the start and after each iteration; never decreases, but by rounding.
    n_iter_ : int
    converged_ : bool

    Notes
    -----
    The likelihood has several maxima, and as for any mixture it is unbounded where a sigma goes to
    zero at the lag of a single event; the bound on sigma excludes that.

    See Also
    --------
    common.hawkes.simulation.simulate_driven : Draws from the model.

    Examples
    --------
    >>> from common.hawkes.kernels import TruncatedGaussian
    >>> from common.hawkes.simulation import regular_stimuli, simulate_driven
    >>> rng = np.random.default_rng(0)
    >>> stimuli = regular_stimuli(interval=1.0, share=0.6, end_time=1000.0, rng=rng)
    >>> events = simulate_driven(0.8, [0.8], TruncatedGaussian(lower=0.03), [0.4, 0.05], [stimuli],
    ...                          length=0.8, end_time=1000.0, rng=rng)
    >>> model = DrivenProcess(lower=0.03, upper=0.8).fit(events, [stimuli], 1000.0)
    >>> bool(abs(model.mean_[0] - 0.4) < 0.01)
    True
    """

    def __init__(
        self,
        *,
        lower=0.03,
        upper=0.5,
        max_iter=400,
        tol=1e-11,
        start="smart",
        random_state=None,
    ):
        self.lower = lower
        self.upper = upper
        self.max_iter = max_iter
        self.tol = tol
        self.start = start
        self.random_state = random_state

    def fit(self, events, drivers, end_time):
        """Fit one process to its events and to the stimuli of all drivers.

        Parameters
        ----------
        events : array_like, shape (n_events,)
            Sorted times, in s, within ``[0, end_time]``.
        drivers : sequence of array_like, each of shape (n_stimuli_p,)
            Sorted times of the stimuli of each driver, in s, within ``[0, end_time]``.
        end_time : float
            End of the record, in s.

        Returns
        -------
        self : DrivenProcess

        Raises
        ------
        TypeError
            If an option or a value is of another type.
        ValueError
            If an option is out of range, there is no event or a driver without stimulus, times are
            unsorted, not finite or outside the record, or the record does not begin at 0
            (`common.hawkes.pairs.check_record`, which also warns).
        """
        self._check_options()
        data = self._pair(events, drivers, end_time)
        parameters = self._start(data)
        intensity = self._intensity(data, parameters)
        curve = [self._log_likelihood(data, parameters, intensity)]
        self.converged_ = False
        for _ in range(self.max_iter):
            parameters = self._step(data, parameters, intensity)
            intensity = self._intensity(data, parameters)
            curve.append(self._log_likelihood(data, parameters, intensity))
            if curve[-1] - curve[-2] <= self.tol * data.n_events:
                self.converged_ = True
                break
        self.drivers_ = data.drivers
        self.baseline_ = float(parameters.baseline)
        self.adjacency_ = parameters.adjacency
        alone = data.n_pairs == 0
        self.mean_ = np.where(alone, np.nan, parameters.mean)
        self.sigma_ = np.where(alone, np.nan, parameters.sigma)
        self.log_likelihood_curve_ = np.array(curve)
        self.n_iter_ = len(curve) - 1
        return self

    def intensity(self, times, drivers=None):
        """Intensity of the fitted process.

        Parameters
        ----------
        times : array_like, shape (n_times,)
            In s, sorted.
        drivers : sequence of array_like, optional
            Sorted times of the stimuli, in s; by default those of the fit.

        Returns
        -------
        intensity : ndarray, shape (n_times,)
            In Hz.

        Raises
        ------
        ValueError
            If times are not sorted and finite, or there are more or fewer drivers than were fitted.
        """
        check_is_fitted(self)
        times = check_sorted(times, name="times")
        drivers = self.drivers_ if drivers is None else drivers
        if len(drivers) != len(self.adjacency_):
            raise ValueError(f"{len(self.adjacency_)} drivers were fitted, got {len(drivers)}.")
        pairs = [
            self._lags(times, check_sorted(stimuli, name=f"drivers[{p}]"))
            for p, stimuli in enumerate(drivers)
        ]
        return self._intensity(_Data(times, drivers, np.inf, pairs), self._parameters())

    def response(self, lags):
        """Intensity at some lags after a single stimulus of each driver.

        Parameters
        ----------
        lags : array_like, shape (n_lags,)
            In s.

        Returns
        -------
        response : ndarray, shape (n_drivers, n_lags)
            In Hz, the baseline included.

        Raises
        ------
        TypeError, ValueError
            If lags are no vector of finite numbers.
        """
        check_is_fitted(self)
        lags = validation.vector(lags, "lags", unit="s", empty=True).astype(float)
        return np.stack(
            [
                self.baseline_ + (alpha * self._density(lags, m, sigma) if alpha > 0 else 0 * lags)
                for alpha, m, sigma in zip(self.adjacency_, self.mean_, self.sigma_, strict=True)
            ]
        )

    def score(self, events, drivers, end_time):
        """Log-likelihood of events given stimuli, under the fitted parameters, in nats.

        Parameters
        ----------
        events, drivers, end_time
            As in `fit`.

        Returns
        -------
        log_likelihood : float

        Raises
        ------
        ValueError
            If events or stimuli are not valid, or there are more or fewer drivers than were fitted.
        """
        check_is_fitted(self)
        data = self._pair(events, drivers, end_time)
        if len(data.drivers) != len(self.adjacency_):
            raise ValueError(
                f"{len(self.adjacency_)} drivers were fitted, got {len(data.drivers)}."
            )
        parameters = self._parameters()
        return self._log_likelihood(data, parameters, self._intensity(data, parameters))

    def _check_options(self):
        validation.number(self.lower, "lower", unit="s")
        validation.number(self.upper, "upper", unit="s")
        if not 0 <= self.lower < self.upper < np.inf:
            raise ValueError(
                f"a response needs 0 <= lower < upper, got lower={self.lower}, "
                f"upper={self.upper} s."
            )
        validation.count(self.max_iter, "max_iter")
        validation.number(self.tol, "tol", at_least=0)
        if isinstance(self.random_state, Real):
            validation.count(self.random_state, "random_state", at_least=0)

    def _pair(self, events, drivers, end_time):
        end_time = validation.number(end_time, "end_time", above=0, unit="s")
        events = check_sorted(events, name="events", end_time=end_time)
        if len(events) == 0:
            raise ValueError("events is empty: there is no process to fit. Leave it out.")
        if len(drivers) == 0 or np.ndim(drivers[0]) == 0:
            raise ValueError(
                "drivers must be a sequence with one array of times a driver. For a single driver, "
                "pass [stimuli]."
            )
        found = []
        for p, stimuli in enumerate(drivers):
            found.append(check_sorted(stimuli, name=f"drivers[{p}]", end_time=end_time))
            if len(found[-1]) == 0:
                raise ValueError(
                    f"drivers[{p}] has no stimulus; its effect is unknown. Leave it out."
                )
        check_record([events, *found], end_time=end_time, kernel_length=self.upper)
        return _Data(events, found, end_time, [self._lags(events, each) for each in found])

    def _lags(self, events, stimuli):
        """Index of the event and lag of each event in the support of a stimulus."""
        limits = {"longest": self.upper, "shortest": self.lower}
        chunks = [
            (target, np.clip(events[target] - stimuli[source], self.lower, self.upper))
            for source, target in iter_pairs(stimuli, events, **limits)
        ]
        chunks.append((np.zeros(0, dtype=int), np.zeros(0)))
        return tuple(np.concatenate(each) for each in zip(*chunks, strict=True))

    def _parameters(self):
        # What is NaN belongs to an adjacency of 0; any number does.
        mean, sigma = np.nan_to_num(self.mean_, nan=self.lower), np.nan_to_num(self.sigma_, nan=1)
        return _Parameters(self.baseline_, self.adjacency_, mean, sigma)

    def _density(self, lags, mean, sigma):
        return TruncatedGaussian(self.lower).value(lags, [mean, sigma], length=self.upper)

    def _start(self, data):
        width = float(self.upper) - float(self.lower)  # of float32, too, in float64
        n_drivers = len(data.drivers)
        if isinstance(self.start, str) and self.start == "smart":
            return self._smart_start(data)
        if isinstance(self.start, str) and self.start == "random":
            rng = np.random.default_rng(self.random_state)
            rate = data.n_events / data.end_time
            return _Parameters(
                rate * rng.uniform(0.2, 1),
                np.where(data.n_pairs > 0, rng.uniform(0.2, 1, n_drivers), 0),
                rng.uniform(self.lower, self.upper, n_drivers),
                width * rng.uniform(0.05, 0.5, n_drivers),
            )
        if not isinstance(self.start, (str, tuple, list, np.ndarray)):
            raise TypeError(
                'start must be "smart", "random" or (baseline, adjacency, mean, sigma), got '
                f"{self.start!r}."
            )
        if isinstance(self.start, str) or len(self.start) != 4:
            raise ValueError(
                'start must be "smart", "random" or (baseline, adjacency, mean, sigma), got '
                f"{self.start!r}."
            )
        baseline, *rest = self.start
        rest = [np.array(np.broadcast_to(each, n_drivers), dtype=float) for each in rest]
        _, mean, sigma = rest
        if not (
            baseline > 0
            and np.all(rest[0] >= 0)
            and np.all((mean >= self.lower) & (mean <= self.upper))
            and np.all((sigma >= _NARROWEST * width) & (sigma <= width))
        ):
            raise ValueError(
                f"start={self.start!r} must have a positive baseline, adjacency of 0 or more, mean "
                f"in [{self.lower:g}, {self.upper:g}] s and sigma in [{_NARROWEST * width:g}, "
                f"{width:g}] s."
            )
        return _Parameters(float(baseline), *rest)

    def _smart_start(self, data):
        width, end_time = self.upper - self.lower, data.end_time
        everything = np.concatenate(data.drivers)
        outside = end_time - self._support(np.sort(everything), end_time)
        n_outside = data.n_events - len(np.unique(np.concatenate([e for e, _ in data.pairs])))
        # EM cannot leave a rate of 0, so none starts there unless it is known to be 0.
        baseline = max(n_outside, 0.5) / max(outside, 0.01 * end_time)
        adjacency, mean, sigma = np.zeros((3, len(data.drivers)))
        for p, ((event, lags), stimuli) in enumerate(zip(data.pairs, data.drivers, strict=True)):
            mean[p], sigma[p] = (self.lower + self.upper) / 2, width / 4
            if len(lags):
                n_inside = len(np.unique(event))
                excess = n_inside - baseline * self._support(stimuli, end_time)
                adjacency[p] = max(excess, _SMALLEST_SHARE * n_inside) / len(stimuli)
                mean[p], sigma[p] = lags.mean(), np.clip(lags.std(), 0.02 * width, width)
        return _Parameters(baseline, adjacency, mean, sigma)

    def _support(self, stimuli, end_time):
        """Measure of the union of the supports of stimuli, up to the end of the record."""
        begin = np.minimum(stimuli + self.lower, end_time)
        end = np.minimum(stimuli + self.upper, end_time)
        return float((end - np.maximum(begin, np.concatenate([[0], end[:-1]]))).sum())

    def _intensity(self, data, parameters):
        found = np.full(len(data.events), float(parameters.baseline))
        for (event, lags), alpha, m, sigma in zip(data.pairs, *parameters.drivers, strict=True):
            weights = alpha * self._density(lags, m, sigma)
            found += np.bincount(event, weights, minlength=len(found))
        return found

    def _log_likelihood(self, data, parameters, intensity):
        expected = parameters.baseline * data.end_time
        for stimuli, alpha, m, sigma in zip(data.drivers, *parameters.drivers, strict=True):
            beyond = self._beyond(data.end_time - stimuli, m, sigma)[0]
            expected += alpha * (len(stimuli) - beyond)
        with np.errstate(divide="ignore"):
            return float(np.log(intensity).sum() - expected)

    def _step(self, data, parameters, intensity):
        """One E step and one M step."""
        n_drivers = len(data.drivers)
        adjacency = np.zeros(n_drivers)
        mean, sigma = parameters.mean.copy(), parameters.sigma.copy()
        for p, ((event, lags), stimuli) in enumerate(zip(data.pairs, data.drivers, strict=True)):
            alpha, m, s = parameters.adjacency[p], mean[p], sigma[p]
            weights = alpha * self._density(lags, m, s) / intensity[event]
            sums = np.array([weights.sum(), weights @ (lags - m), weights @ (lags - m) ** 2])
            sums += alpha * self._beyond(data.end_time - stimuli, m, s)
            adjacency[p] = sums[0] / len(stimuli)
            if sums[0] > 0:
                shift, square = sums[1:] / sums[0]
                mean[p], sigma[p] = self._match(m + shift, square - shift**2, m, s)
        baseline = (parameters.baseline / intensity).sum() / data.end_time
        return _Parameters(baseline, adjacency, mean, sigma)

    def _match(self, target, variance, mean, sigma):
        """Bring the first two moments of the kernel closer to those of the weighted lags."""
        width = self.upper - self.lower
        for _ in range(_N_ROUNDS):
            first, _ = self._moments(mean, sigma)
            mean = np.clip(mean + target - first, self.lower, self.upper)
            _, second = self._moments(mean, sigma)
            ratio = (variance + (target - mean) ** 2) / second
            sigma = np.clip(sigma * np.cbrt(ratio), _NARROWEST * width, width)
        return mean, sigma

    def _moments(self, mean, sigma):
        """E[x] and E[(x - mean)^2] of the truncated Gaussian; its mean lies in the support."""
        low, high = (self.lower - mean) / sigma, (self.upper - mean) / sigma
        mass, first, second = _partial_moments(low, high)
        return mean + sigma * first / mass, sigma**2 * second / mass

    def _beyond(self, rest, mean, sigma):
        """Sums over stimuli of moments 0, 1, 2 about the mean of lags above ``rest`` (s)."""
        cut = np.maximum(rest[rest < self.upper], self.lower)
        low, high = (self.lower - mean) / sigma, (self.upper - mean) / sigma
        moments = _partial_moments((cut - mean) / sigma, high)
        scale = sigma ** np.arange(3) / _partial_moments(low, high)[0]
        return scale * np.array([each.sum() for each in moments])


def response_error(model, *, baseline, adjacency, mean, sigma):
    """Largest error of the intensity after a single stimulus, relative to its true peak.

    Parameters
    ----------
    model : DrivenProcess
        Fitted.
    baseline : float
        True value, in Hz.
    adjacency, mean, sigma : array_like, shape (n_drivers,)
        True values; mean and sigma in s.

    Returns
    -------
    error : ndarray, shape (n_drivers,)
        Supremum over all lags (10 001 of the support, and outside it), without unit.

    Raises
    ------
    TypeError
        If a value is no number.
    ValueError
        If lengths differ, a value is not finite, negative, or a deviation not positive, or the
        true intensity is 0 or, for a mean far from the support or a deviation far above or below
        it, no number.
    """
    baseline = validation.number(baseline, "baseline", at_least=0, unit="Hz")
    adjacency = validation.vector(adjacency, "adjacency", at_least=0)
    mean = validation.vector(mean, "mean", unit="s")
    sigma = validation.vector(sigma, "sigma", above=0, unit="s")
    validation.same_length(
        **{"adjacency_ of model": model.adjacency_},
        adjacency=adjacency, mean=mean, sigma=sigma,
    )  # fmt: skip
    lags = np.linspace(model.lower, model.upper, 10_001)
    lags = np.append(lags, 2 * model.upper + 1)  # outside, where only the baseline is left
    with np.errstate(all="ignore"):  # the error below says so
        truth = np.stack(
            [
                baseline + alpha * model._density(lags, m, s)
                for alpha, m, s in zip(adjacency, mean, sigma, strict=True)
            ]
        )
    peak = truth.max(axis=1)
    bad = ~((peak > 0) & (peak < np.inf))  # true for NaN
    if bad.any():
        p = int(np.argmax(bad))
        raise ValueError(
            f"baseline={baseline:g} Hz, adjacency[{p}]={adjacency[p]:g}, mean[{p}]={mean[p]:g} s "
            f"and sigma[{p}]={sigma[p]:g} s give a true intensity of up to {peak[p]:g} Hz, to "
            "which no error is relative. Use a rate above 0, and a kernel with mass on "
            f"[{model.lower:g}, {model.upper:g}] s."
        )
    return np.abs(model.response(lags) - truth).max(axis=1) / peak


@dataclass(frozen=True)
class _Data:
    events: np.ndarray
    drivers: list
    end_time: float
    pairs: list  # of each driver: index of the event and lag, both of shape (n_pairs,)

    @property
    def n_events(self):
        return len(self.events)

    @property
    def n_pairs(self):
        return np.array([len(lags) for _, lags in self.pairs])


@dataclass(frozen=True)
class _Parameters:
    baseline: float
    adjacency: np.ndarray
    mean: np.ndarray
    sigma: np.ndarray

    @property
    def drivers(self):
        return self.adjacency, self.mean, self.sigma


def _partial_moments(low, high):
    """Integrals of 1, z and z^2 times the standard Gaussian density from low to high."""
    mass = scipy.special.ndtr(high) - scipy.special.ndtr(low)
    at_low, at_high = _normal(low), _normal(high)
    return mass, at_low - at_high, mass + low * at_low - high * at_high


def _normal(z):
    return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
