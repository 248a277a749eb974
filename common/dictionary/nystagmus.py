r"""Simulated eye-tracker records with nystagmus, and how well its waveform is recovered.

A record is the position of one eye on one axis, in degrees: gaze, nystagmus, and noise. *Pendular*
nystagmus is a slow oscillation, here a sinusoid. *Jerk* nystagmus has a slow phase, here
:math:`1 - e^{-t / \tau}` over 85 % of a period with :math:`\tau` half a period, and a quick one
back. Both come in bouts, with periods and amplitudes that vary from cycle to cycle. Gaze rests,
jumps (saccades) and glides (pursuits); samples within blinks are missing.

All numbers are a design of this library's own, after the description of the two kinds in the
abstract of [1]_.

References
----------
.. [1] C. Lalanne, M. Rateaux, L. Oudre, M. Robert, T. Moreau, "Extraction of Nystagmus Patterns
   from Eye-Tracker Data with Convolutional Sparse Coding", EMBC 2020, arXiv:2011.14962.
"""

from dataclasses import dataclass

import numpy as np

from common import validation
from common.dictionary._checks import squarable

__all__ = [
    "KINDS",
    "EyeRecord",
    "aligned_phase",
    "asymmetry",
    "cycle",
    "eye_record",
    "onset_f1",
    "quick_share",
    "waveform_recovery",
]

KINDS = ("pendular", "jerk")

_FREQUENCIES = {"pendular": (3.0, 5.0), "jerk": (2.0, 4.0)}  # Hz
_SLOW = 0.85  # share of a jerk cycle
_TAU = 0.5  # of the slow phase, in periods
_JITTER = 0.05  # deviation of periods, relative
_SPREAD = 0.1  # deviation of the logarithm of amplitudes
_AMPLITUDES = (1.0, 3.0)  # of a record, degrees
_BOUTS = (3.0, 10.0)  # s
_COVERED = 0.7  # share of a record within bouts
_FIXATION, _SHORTEST = 1.0, 0.25  # mean and least, s
_JUMP = 5.0  # deviation of saccades, degrees
_PURSUIT = 5.0  # fastest, degrees per s
_BLINKS, _BLINK = 12, (0.15, 0.3)  # per minute; s
_PHASES = 200  # of a cycle, at which waveforms are compared


@dataclass(frozen=True, eq=False)
class EyeRecord:
    """A simulated record.

    Attributes
    ----------
    x : ndarray, shape (n_times,)
        Position of the eye in degrees, NaN within blinks.
    gaze, nystagmus : ndarray, shape (n_times,)
        Its parts but for the noise, in degrees, within blinks as well.
    onsets : ndarray, shape (n_cycles,)
        When cycles begin, in s.
    periods : ndarray, shape (n_cycles,)
        Their lengths, in s.
    period : float
        Mean period of the record that cycles vary around, in s.
    kind : {"pendular", "jerk"}
    sfreq : float
        In Hz.
    """

    x: np.ndarray
    gaze: np.ndarray
    nystagmus: np.ndarray
    onsets: np.ndarray
    periods: np.ndarray
    period: float
    kind: str
    sfreq: float


def cycle(kind, phase):
    """Waveform of a kind of nystagmus.

    Parameters
    ----------
    kind : {"pendular", "jerk"}
    phase : array_like
        In cycles; 1.2 is 0.2.

    Returns
    -------
    wave : ndarray, shape of ``phase``
        0 at whole cycles; of amplitude 1, from -1 to 1 (pendular) or from 0 to 0.82 (jerk).

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown or a phase not finite.

    Examples
    --------
    >>> cycle("pendular", [0.25, 0.75]).tolist()
    [1.0, -1.0]
    >>> cycle("jerk", [0.0, 0.85, 0.925]).round(3).tolist()
    [0.0, 0.817, 0.409]
    """
    validation.choice(kind, KINDS, "kind")
    phase = np.mod(validation.array(phase, "phase"), 1)
    if kind == "pendular":
        return np.sin(2 * np.pi * phase)
    slow = 1 - np.exp(-np.minimum(phase, _SLOW) / _TAU)
    return slow * np.minimum(1, (1 - phase) / (1 - _SLOW))


def eye_record(kind, *, sigma, rng, sfreq=100.0, duration=60.0):
    """Simulate a record.

    Parameters
    ----------
    kind : {"pendular", "jerk"}
    sigma : float
        Standard deviation of the noise, in degrees; 0 for none.
    rng : numpy.random.Generator
    sfreq : float, default=100.0
        In Hz; 50 at least.
    duration : float, default=60.0
        In s; 10 at least.

    Returns
    -------
    record : EyeRecord

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown, a number is out of range, or ``rng`` is no generator.
    """
    validation.choice(kind, KINDS, "kind")
    sigma = validation.number(sigma, "sigma", at_least=0, unit="degrees")
    rng = validation.generator(rng)
    sfreq = validation.number(sfreq, "sfreq", at_least=50, unit="Hz")
    duration = validation.number(duration, "duration", at_least=10, unit="s")
    times = np.arange(round(duration * sfreq)) / sfreq
    gaze = _gaze(times, duration, rng)
    period = 1 / rng.uniform(*_FREQUENCIES[kind])
    onsets, periods = _cycles(duration, period, rng)
    heights = rng.uniform(*_AMPLITUDES) * np.exp(_SPREAD * rng.standard_normal(len(onsets)))
    nystagmus = np.zeros(len(times))
    for onset, length, height in zip(onsets, periods, heights, strict=True):
        inside = (times >= onset) & (times < onset + length)
        nystagmus[inside] = height * cycle(kind, (times[inside] - onset) / length)
    x = gaze + nystagmus + sigma * rng.standard_normal(len(times))
    for _ in range(round(_BLINKS * duration / 60)):
        start = rng.uniform(0, duration)
        x[(times >= start) & (times < start + rng.uniform(*_BLINK))] = np.nan
    return EyeRecord(x, gaze, nystagmus, onsets, periods, period, kind, sfreq)


def waveform_recovery(atom, kind, *, period, sfreq):
    """Largest correlation coefficient of an atom with a true cycle, repeated, over its phases.

    The sign counts: a jerk to the right is no jerk to the left.

    Parameters
    ----------
    atom : array_like, shape (n_times_atom,)
    kind : {"pendular", "jerk"}
    period, sfreq : float
        Of the record, in s and Hz.

    Returns
    -------
    recovery : float
        From -1 to 1, where the atom is the waveform, whatever its height and mean.

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown, a number is out of range, a period has two samples or fewer, or the
        atom is constant or its norm no number.
    """
    return float(_agreements(atom, kind, period=period, sfreq=sfreq).max())


def aligned_phase(atom, kind, *, period, sfreq):
    """The phase of the true cycle at the first sample of an atom, where they agree best.

    Parameters
    ----------
    atom, kind, period, sfreq
        See `waveform_recovery`.

    Returns
    -------
    phase : float
        In cycles, from 0 to below 1, in steps of 1 / 200.

    Raises
    ------
    TypeError, ValueError
        As `waveform_recovery`.
    """
    found = _agreements(atom, kind, period=period, sfreq=sfreq)
    return int(found.argmax()) / _PHASES


def asymmetry(atom, *, lag=1):
    r"""Duration of the quicker phase of a waveform over that of the slower one.

    If a waveform rises at one speed for :math:`T_\uparrow` and falls as far at another for
    :math:`T_\downarrow`, squared differences sum to :math:`A^2 / T_\uparrow` over the rise and
    :math:`A^2 / T_\downarrow` over the fall. Their ratio, the smaller over the larger sum, is that
    of the durations. Noise adds the same to both sums, and the less to their ratio the longer the
    lag of the differences; one as long as the quick phase blurs it.

    Parameters
    ----------
    atom : array_like, shape (n_times_atom,)
    lag : int, default=1
        Samples from one value of a difference to the other; below the length of the atom.

    Returns
    -------
    ratio : float
        1 where both last as long, near 0 for a sawtooth.

    Raises
    ------
    TypeError, ValueError
        If a value is not finite, the atom constant or its norm no number, or the lag no whole
        number in its range.

    Examples
    --------
    >>> round(asymmetry([0, 1, 2, 3, 4, 5, 6, 3, 0]), 3)
    0.333
    """
    atom = _moving_atom(atom)
    lag = validation.count(lag, "lag", at_most=len(atom) - 1)
    steps = atom[lag:] - atom[:-lag]
    if not steps.any():
        raise ValueError(f"no value of the atom differs from that {lag} samples later.")
    up, down = np.sum(steps[steps > 0] ** 2), np.sum(steps[steps < 0] ** 2)
    return float(min(up, down) / max(up, down))


def quick_share(record, trend):
    """Which share of the quick phases a trend takes.

    Parameters
    ----------
    record : EyeRecord
    trend : array_like, shape (n_times,)
        In degrees.

    Returns
    -------
    share : float
        Slope, through 0, of how far the trend leaves the true gaze in each quick phase against how
        far the nystagmus moves in it: 0 where a trend is the gaze, 1 where it is gaze and
        nystagmus. A quick phase is the last 15 % of a jerk cycle, or the middle half of a pendular.

    Raises
    ------
    TypeError, ValueError
        If the trend has another length than the record, or a value that is not finite, or nothing
        moves in the record's quick phases.
    """
    _check_record(record)
    trend = validation.vector(trend, "trend")
    validation.same_length(record=record.x, trend=trend)
    begin, end = (_SLOW, 1.0) if record.kind == "jerk" else (0.25, 0.75)
    times = np.arange(len(trend)) / record.sfreq

    def moved(values):
        ends = (record.onsets + at * record.periods for at in (end, begin))
        return np.subtract(*(np.interp(at, times, values) for at in ends))

    true = moved(record.nystagmus)
    if not true.any():
        raise ValueError(
            f"the record has {len(record.onsets)} cycles, and the nystagmus moves in no quick "
            "phase: there is nothing to take a share of."
        )
    return float(moved(trend - record.gaze) @ true / (true @ true))


def onset_f1(record, atom, z, *, tolerance=0.1):
    """F1 of the beginnings of cycles that activations imply.

    An activation at sample t of an atom that begins at a phase implies cycles where the phase is
    next whole, as many as begin within the atom. Of beginnings nearer to one another than half a
    period, that of the larger activation stays. Each true one is found by one within the tolerance.

    Parameters
    ----------
    record : EyeRecord
    atom : array_like, shape (n_times_atom,)
    z : array_like, shape (n_valid,)
        Activations of the atom.
    tolerance : float, default=0.1
        In periods.

    Returns
    -------
    f1 : float
        From 0 to 1.

    Raises
    ------
    TypeError, ValueError
        As `waveform_recovery`, or if an activation is negative, there are not as many as places of
        the atom in the record, the tolerance is not above 0, or there is no cycle, neither in the
        record nor implied.
    """
    _check_record(record)
    atom = _moving_atom(atom)
    z = validation.vector(z, "z", at_least=0)
    tolerance = validation.number(tolerance, "tolerance", above=0)
    of = {"period": record.period, "sfreq": record.sfreq}
    n_valid = len(record.x) - len(atom) + 1
    if len(z) != n_valid:
        raise ValueError(
            f"z must have {n_valid} values, one for each place of an atom of {len(atom)} samples "
            f"in the record of {len(record.x)}, got {len(z)}."
        )
    first = (1 - aligned_phase(atom, record.kind, **of)) % 1 * record.period
    duration = len(atom) / record.sfreq
    within = np.arange(first, max(duration, first + record.period / 2), record.period)
    implied = []
    for at in np.argsort(-z, kind="stable")[: np.count_nonzero(z)]:
        for onset in at / record.sfreq + within:
            if all(abs(onset - other) > record.period / 2 for other in implied):
                implied.append(onset)
    if not (implied or len(record.onsets)):
        raise ValueError("neither the record nor z has a cycle: F1 is 0 / 0.")
    missed = list(record.onsets)
    for onset in sorted(implied):
        near = [one for one in missed if abs(one - onset) <= tolerance * record.period]
        if near:
            missed.remove(min(near, key=lambda one: abs(one - onset)))
    n_found = len(record.onsets) - len(missed)
    return 2 * n_found / (len(record.onsets) + len(implied))


def _agreements(atom, kind, *, period, sfreq):
    """Correlation coefficients at all phases."""
    atom = _moving_atom(atom)
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    period = validation.number(
        period, "period", above=2 / sfreq, unit="s"
    )  # else no waveform is seen
    phases = np.arange(_PHASES)[:, None] / _PHASES + np.arange(len(atom)) / (period * sfreq)
    true = cycle(kind, phases)
    true -= true.mean(axis=1, keepdims=True)
    atom = atom - atom.mean()
    sizes = np.linalg.norm(true, axis=1)
    if not sizes.all():
        raise ValueError(
            f"an atom of {len(atom)} samples at {sfreq:g} Hz sees nothing of a period of "
            f"{period:g} s. Are both in s and Hz?"
        )
    return true @ atom / (sizes * np.linalg.norm(atom))


def _moving_atom(atom):
    atom = validation.vector(atom, "atom")
    if not np.ptp(atom):
        raise ValueError(f"atom is constant, {atom[0]:g} throughout: it has no waveform.")
    squarable(atom, "atom")
    return atom


def _check_record(record):
    if not isinstance(record, EyeRecord):
        raise TypeError(f"record must be an EyeRecord, as eye_record gives it, got {record!r}.")


def _cycles(duration, period, rng):
    """Beginnings and periods of whole cycles, in bouts."""
    onsets, periods = [], []
    pause = (1 - _COVERED) / _COVERED
    now = rng.uniform(0, 1) * rng.uniform(*_BOUTS) * pause
    while now < duration:
        end = now + rng.uniform(*_BOUTS)
        while now < end:
            length = period * max(0.5, 1 + _JITTER * rng.standard_normal())
            if now + length <= duration:
                onsets.append(now)
                periods.append(length)
            now += length
        now += rng.uniform(*_BOUTS) * pause
    return np.array(onsets), np.array(periods)


def _gaze(times, duration, rng):
    """Fixations, every third of them a pursuit, with saccades between."""
    gaze, now, fixation = np.zeros(len(times)), 0.0, 0
    while now < duration:
        end = now + _SHORTEST + rng.exponential(_FIXATION - _SHORTEST)
        if fixation % 3 == 2:
            gaze += rng.uniform(-_PURSUIT, _PURSUIT) * np.clip(times - now, 0, end - now)
        jump = _JUMP * rng.standard_normal()
        lasting = 2.2e-3 * abs(jump) + 21e-3  # s
        # 1 % to 99 % of the way within the duration of the saccade
        gaze += jump / (1 + np.exp(np.clip(-9.2 * ((times - end) / lasting - 0.5), -700, 700)))
        now, fixation = end + lasting, fixation + 1
    return gaze
