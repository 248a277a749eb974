r"""Exact simulation of linear Hawkes processes and of processes driven by stimuli.

A linear Hawkes process is a forest: immigrants of process j form a Poisson process of rate
:math:`\mu_j`, and every event of process j, immigrant or not, has a Poisson number of children in
process i, of mean :math:`\alpha_{ij}`, each at an independent lag with density
:math:`\kappa_{ij}` [1]_. Sizes of families do not depend on lags. So the forest is grown first, a
generation at a time, then all lags of a pair of processes are drawn at once, and times are summed
from parent to child. Nothing is discretised or rejected, and the cost is linear in the number of
events.

.. [1] A. G. Hawkes and D. Oakes, "A cluster process representation of a self-exciting process",
   J. Appl. Probab. 11(3), 1974.
"""

import numpy as np

from common import validation
from common.hawkes.inputs import check_numbers
from common.hawkes.kernels import TruncatedGaussian
from common.hawkes.pairs import broadcast_parameters, check_memory, check_record, kernel_of_pair

__all__ = [
    "mean_intensity",
    "regular_stimuli",
    "simulate",
    "simulate_driven",
    "simulate_renewal",
    "simulate_responses",
    "spectral_radius",
]

_EVENT_BYTES = 40  # of an event, with what it takes to draw it


def simulate(baseline, adjacency, kernel, parameters, *, length, end_time, rng, burn_in=0.0):
    r"""Simulate a multivariate linear Hawkes process on ``[0, end_time]``.

    .. math:: \lambda_i(t) = \mu_i + \sum_j \alpha_{ij} \sum_{t_k \in j, t_k < t}
                             \kappa_{ij}(t - t_k)

    Parameters
    ----------
    baseline : array_like, shape (n_processes,)
        Rates :math:`\mu_i` of the immigrants, in Hz.
    adjacency : array_like, shape (n_processes, n_processes)
        ``adjacency[i, j]`` is the mean number of children in process i of an event of process j.
    kernel : Kernel or nested sequence of Kernel, shape (n_processes, n_processes)
        One for all pairs of processes, or ``kernel[i][j]`` for each. Any object will do that has
        ``sample(n_samples, parameters, *, length, rng)`` and returns lags in s.
    parameters : array_like, shape (n_parameters, n_processes, n_processes) or (n_parameters,)
        Of the kernels; with nested kernels, ``parameters[i][j]`` is what ``kernel[i][j]`` takes.
    length : float
        Support of the kernels, in s.
    end_time : float
        In s. Children beyond it are dropped.
    rng : numpy.random.Generator
    burn_in : float, default=0.0
        Time before 0 that is simulated and dropped, in s. Without it the process starts empty, at
        its baseline, as most simulations in the literature do. After some multiples of
        ``length / (1 - spectral_radius(adjacency))`` it is stationary.

    Returns
    -------
    events : list of ndarray, each of shape (n_events_i,)
        Sorted times of each process, in s.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or a rate, a time or a parameter no real number.
    ValueError
        If a rate is negative, shapes do not fit, a time is not positive, a number is masked,
        parameters describe no density or one without mass on its support, or the spectral radius
        of the adjacency is 1 or more: the process would explode.

    See Also
    --------
    common.hawkes.residuals.rescaled_intervals : Test of a simulation against its parameters.

    Examples
    --------
    >>> from common.hawkes.kernels import TruncatedExponential
    >>> rng = np.random.default_rng(0)
    >>> options = {"length": 2.0, "end_time": 1000.0, "rng": rng}
    >>> (times,) = simulate([1.0], [[0.5]], TruncatedExponential(), [3.0], **options)
    >>> mean_intensity([1.0], [[0.5]])
    array([2.])
    >>> abs(len(times) / 1000 - 2) < 0.5
    True
    """
    baseline, adjacency = _check_rates(baseline, adjacency)
    _check_radius(adjacency)
    _check_times(length=length, end_time=end_time)
    validation.number(burn_in, "burn_in", at_least=0, unit="s")
    n_processes = len(baseline)
    parameters = broadcast_parameters(kernel, parameters, n_processes, n_processes)
    _check_number(mean_intensity(baseline, adjacency).sum() * (end_time + burn_in), end_time)

    rng = validation.generator(rng)
    n_immigrants, parents, pairs, generations = _grow(
        baseline * (end_time + burn_in), adjacency, rng=rng
    )
    lags = np.empty(len(pairs))
    label, examples = _equal_pairs(kernel, parameters, n_processes)
    for pair, members in zip(examples, _by_label(label[pairs], len(examples)), strict=True):
        lags[members] = _draw_lags(kernel, parameters, pair, len(members), length=length, rng=rng)
    first = n_immigrants.sum()
    times = np.empty(first + len(pairs))
    times[:first] = rng.uniform(-burn_in, end_time, first)
    start = 0
    for size in generations:  # parents before children
        part = slice(start, start + size)
        times[first + start : first + start + size] = times[parents[part]] + lags[part]
        start += size
    types = np.concatenate([np.repeat(np.arange(n_processes), n_immigrants), pairs // n_processes])
    kept = (times >= 0) & (times <= end_time)
    times, types = times[kept], types[kept]
    return [np.sort(times[members]) for members in _by_label(types, n_processes)]


def simulate_driven(baseline, adjacency, kernel, parameters, drivers, *, length, end_time, rng):
    r"""Simulate one process driven by stimuli, the model of DriPP [1]_, on ``[0, end_time]``.

    .. math:: \lambda(t) = \mu + \sum_p \alpha_p \sum_i \kappa_p(t - t_i^{(p)})

    Parameters
    ----------
    baseline : float
        Rate :math:`\mu` of spontaneous events, in Hz.
    adjacency : array_like, shape (n_drivers,)
        Mean number of events that one stimulus of each driver triggers.
    kernel : Kernel or sequence of Kernel, shape (n_drivers,)
        One for all drivers, or one for each; see `simulate`.
    parameters : array_like, shape (n_parameters, n_drivers) or (n_parameters,)
        Of the kernels; with a sequence of kernels, ``parameters[p]`` is what ``kernel[p]`` takes.
    drivers : sequence of array_like, each of shape (n_stimuli_p,)
        Times of the stimuli of each driver, in s, in any order.
    length : float
        Support of the kernels, in s.
    end_time : float
        In s. Responses beyond it are dropped.
    rng : numpy.random.Generator

    Returns
    -------
    events : ndarray, shape (n_events,)
        Sorted times, in s.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or a rate, a time or a parameter no real number.
    ValueError
        If a rate is negative, shapes do not fit, a time is not positive, a number is masked,
        parameters describe no density or one without mass on its support, or the time of a
        stimulus is not finite.

    See Also
    --------
    common.hawkes.driven.DrivenProcess : Fit of the model.

    References
    ----------
    .. [1] C. Allain et al., "DriPP: Driven Point Processes to Model Stimuli Induced Patterns in
       M/EEG Signals", ICLR 2022, arXiv:2112.06652.
    """
    check_numbers(adjacency, "adjacency")
    adjacency = np.asarray(adjacency, dtype=float)
    if adjacency.shape != (len(drivers),):
        raise ValueError(
            f"adjacency must have one entry for each of the {len(drivers)} drivers, got shape "
            f"{adjacency.shape}."
        )
    if np.ndim(baseline) != 0:
        raise ValueError(f"baseline must be one rate, got shape {np.shape(baseline)}.")
    check_numbers(baseline, "baseline")
    _check_rate("baseline", np.asarray(baseline, dtype=float))
    _check_rate("adjacency", adjacency)
    _check_times(length=length, end_time=end_time)
    if isinstance(kernel, list | tuple | np.ndarray):
        kernel, parameters = [kernel], [parameters]
    elif np.ndim(parameters) == 2:
        check_numbers(parameters, "parameters")
        parameters = np.asarray(parameters, dtype=float)[:, None, :]
    parameters = broadcast_parameters(kernel, parameters, 1, len(drivers))
    drivers = [
        validation.vector(stimuli, f"drivers[{p}]", unit="s", empty=True)
        for p, stimuli in enumerate(drivers)
    ]
    # Stimuli every so many whole seconds are common, hence the step.
    check_record([np.sort(x[x <= end_time]) for x in drivers], end_time=end_time, delta=1.0)
    n_stimuli = np.array([len(stimuli) for stimuli in drivers])
    _check_number(baseline * end_time + adjacency @ n_stimuli, end_time)
    rng = validation.generator(rng)
    times = [rng.uniform(0, end_time, rng.poisson(baseline * end_time))]
    for p, stimuli in enumerate(drivers):
        found = np.repeat(stimuli, rng.poisson(adjacency[p], len(stimuli)))
        options = {"length": length, "rng": rng}
        times.append(found + _draw_lags(kernel, parameters, (0, p), len(found), **options))
    times = np.sort(np.concatenate(times))
    return times[(times >= 0) & (times <= end_time)]


def regular_stimuli(*, interval, share, end_time, rng):
    """Stimuli on a regular grid of which a random share is kept, as in the DriPP simulations.

    Parameters
    ----------
    interval : float
        Between grid points, in s. The grid leaves two intervals free at both ends.
    share : float
        Of the grid points that are kept, above 0 and up to 1.
    end_time : float
        In s.
    rng : numpy.random.Generator

    Returns
    -------
    stimuli : ndarray, shape (n_stimuli,)
        Sorted times, in s.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or an argument no number.
    ValueError
        If an argument is out of range.
    """
    _check_times(interval=interval, end_time=end_time)
    validation.number(share, "share", above=0, at_most=1)
    _check_number(end_time / interval, end_time)
    grid = interval * np.arange(2, max(2, np.ceil(end_time / interval - 1e-9) - 2))
    if round(share * len(grid)) == 0:
        raise ValueError(
            f"no stimulus fits: {share:g} of the {len(grid)} points every {interval:g} s up to "
            f"{end_time:g} s. Use a longer record."
        )
    rng = validation.generator(rng)
    return np.sort(rng.choice(grid, size=round(share * len(grid)), replace=False))


def simulate_responses(responses, *, baseline, intervals, support, end_time, rng):
    """Stimuli of several kinds in random order, and a process for each that responds to it alone.

    Parameters
    ----------
    responses : array_like, shape (n_kinds, 3)
        Of each kind: the mean number of events that a stimulus triggers, and mean and deviation of
        their lag before truncation, in s.
    baseline : array_like, shape (n_kinds,)
        Rates of spontaneous events, in Hz.
    intervals : tuple of float
        Shortest and longest time between two stimuli, in s; in between, all are equally likely.
        Exactly periodic stimuli would make any shift of the responses look like another latency.
    support : tuple of float
        Shortest and longest lag, in s.
    end_time : float
        In s.
    rng : numpy.random.Generator

    Returns
    -------
    drivers, events : tuple of ndarray
        Sorted times of the stimuli of each kind, and of the events of each process, in s.

    Raises
    ------
    TypeError
        If ``rng`` is no generator.
    ValueError
        If shapes do not fit, a number is out of range (see `simulate_driven`), or a kind gets no
        stimulus.
    """
    responses = validation.array(responses, "responses", ndim=2)
    if responses.shape[1] != 3:
        raise ValueError(f"responses must have 3 columns, got shape {responses.shape}.")
    validation.same_length(responses=responses, baseline=baseline)
    shortest = validation.number(intervals[0], "intervals[0]", above=0, unit="s")
    longest = validation.number(intervals[1], "intervals[1]", at_least=shortest, unit="s")
    end_time = validation.number(end_time, "end_time", above=0, unit="s")
    rng = validation.generator(rng)
    onsets = np.cumsum(rng.uniform(shortest, longest, size=int(end_time / shortest)))
    onsets = onsets[onsets < end_time]
    if len(onsets) < len(responses):
        raise ValueError(
            f"{len(onsets)} stimuli fit into {end_time:g} s at intervals of {shortest:g} to "
            f"{longest:g} s, for {len(responses)} kinds. Use a longer record."
        )
    kind = rng.permutation(np.arange(len(onsets)) % len(responses))
    drivers = tuple(onsets[kind == k] for k in range(len(responses)))
    options = {"length": support[1], "end_time": end_time, "rng": rng}
    events = tuple(
        simulate_driven(rate, [weight], TruncatedGaussian(support[0]), lags, [stimuli], **options)
        for rate, (weight, *lags), stimuli in zip(baseline, responses, drivers, strict=True)
    )
    return drivers, events


def simulate_renewal(*, interval, deviation, end_time, rng):
    r"""Events at nearly regular intervals, such as heartbeats: a stationary renewal process.

    Intervals are independent and follow a gamma law of shape :math:`k = (\text{interval} /
    \text{deviation})^2`. In a stationary process, the interval that holds time 0 is drawn in
    proportion to its length, which for a gamma law is a gamma law of shape :math:`k + 1` and the
    same scale, and 0 lies anywhere in it.

    Parameters
    ----------
    interval : float
        Mean interval, in s.
    deviation : float
        Standard deviation of the intervals, in s. One as large as ``interval`` gives a Poisson
        process.
    end_time : float
        In s.
    rng : numpy.random.Generator

    Returns
    -------
    events : ndarray, shape (n_events,)
        Sorted times, in s, within ``[0, end_time]``.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, or a number is none.
    ValueError
        If a number is not positive.
    """
    interval = validation.number(interval, "interval", above=0, unit="s")
    deviation = validation.number(deviation, "deviation", above=0, unit="s")
    end_time = validation.number(end_time, "end_time", above=0, unit="s")
    _check_number(end_time / interval, end_time)
    rng = validation.generator(rng)
    shape, scale = (interval / deviation) ** 2, deviation**2 / interval
    last = rng.random() * rng.gamma(shape + 1, scale)
    times = [np.array([last])]
    while last <= end_time:
        n_more = 10 + int((end_time - last) / interval)
        times.append(last + np.cumsum(rng.gamma(shape, scale, n_more)))
        last = times[-1][-1]
    times = np.concatenate(times)
    return times[times <= end_time]


def mean_intensity(baseline, adjacency):
    r"""Mean intensity :math:`(I - A)^{-1} \mu` of a stationary process, in Hz.

    Parameters
    ----------
    baseline : array_like, shape (n_processes,)
        In Hz.
    adjacency : array_like, shape (n_processes, n_processes)
        Of spectral radius below 1.

    Returns
    -------
    intensity : ndarray, shape (n_processes,)

    Raises
    ------
    TypeError
        If a rate is no real number.
    ValueError
        If a rate is negative or masked, shapes do not fit, or the spectral radius is 1 or more:
        the number of events grows without end, and there is no mean intensity.
    """
    baseline, adjacency = _check_rates(baseline, adjacency)
    _check_radius(adjacency)
    return np.linalg.solve(np.eye(len(adjacency)) - adjacency, baseline)


def spectral_radius(adjacency):
    """Largest modulus of an eigenvalue; the process is stationary if it is below 1.

    Parameters
    ----------
    adjacency : array_like, shape (n_processes, n_processes)

    Returns
    -------
    radius : float

    Raises
    ------
    TypeError
        If the adjacency does not hold real numbers.
    ValueError
        If it is not square, or a number is not finite or masked.

    Examples
    --------
    >>> round(spectral_radius([[0.0, 1.0], [0.25, 0.0]]), 12)
    0.5
    """
    adjacency = validation.array(adjacency, "adjacency", ndim=2)
    if adjacency.shape[0] != adjacency.shape[1]:
        raise ValueError(f"adjacency must be square, got shape {adjacency.shape}.")
    return float(np.abs(np.linalg.eigvals(adjacency)).max())


def _grow(expected, adjacency, *, rng):
    """Family trees without times: numbers of immigrants; parent and pair of each descendant."""
    n_immigrants = rng.poisson(expected)
    n_processes = len(expected)
    sizes, offset = n_immigrants, 0  # of the last generation, whose members are sorted by process
    parents, pairs, generations = [np.zeros(0, int)], [np.zeros(0, int)], []
    while sizes.any():
        # Independent Poisson numbers of children have a Poisson sum, of which every parent is
        # equally likely to be the parent: one draw for each pair of processes.
        counts = rng.poisson(adjacency * sizes)
        pair = np.repeat(np.arange(n_processes**2), counts.ravel())
        sender = pair % n_processes
        begin = offset + np.cumsum(sizes) - sizes
        parents.append(begin[sender] + (rng.random(len(pair)) * sizes[sender]).astype(int))
        pairs.append(pair)
        generations.append(len(pair))
        offset, sizes = offset + sizes.sum(), counts.sum(axis=1)
    return n_immigrants, np.concatenate(parents), np.concatenate(pairs), generations


def _by_label(labels, n_labels):
    """Indices of the members of each label."""
    # numpy sorts short integers in linear time.
    order = np.argsort(labels.astype(np.uint16) if n_labels < 2**16 else labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels, minlength=n_labels))[:-1])


def _equal_pairs(kernel, parameters, n_processes):
    """Label of each pair of processes, equal for equal kernels, and a pair of each label."""
    if isinstance(parameters, np.ndarray):  # of one kernel
        _, first, label = np.unique(
            parameters.reshape(len(parameters), -1), axis=1, return_index=True, return_inverse=True
        )
    else:
        first = label = np.arange(n_processes**2)
    return label.ravel(), [divmod(int(pair), n_processes) for pair in first]


def _draw_lags(kernel, parameters, pair, n_samples, *, length, rng):
    if n_samples == 0:
        return np.zeros(0)
    part, values = kernel_of_pair(kernel, parameters, *pair)
    lags = np.asarray(part.sample(n_samples, values, length=length, rng=rng), dtype=float)
    if lags.shape != (n_samples,):
        raise ValueError(f"{part!r} must draw {n_samples} lags, got shape {lags.shape}.")
    bad = np.flatnonzero(~((lags >= 0) & (lags <= length)))
    if len(bad):
        raise ValueError(
            f"{part!r} drew the lag {lags[bad[0]]:g} s for pair {pair}; lags must lie within "
            f"[0, length={length:g}] s."
        )
    return lags


def _check_rates(baseline, adjacency):
    check_numbers(baseline, "baseline")
    check_numbers(adjacency, "adjacency")
    baseline = np.asarray(baseline, dtype=float)
    adjacency = np.asarray(adjacency, dtype=float)
    if baseline.ndim != 1 or adjacency.shape != (len(baseline), len(baseline)):
        raise ValueError(
            "baseline must have shape (n_processes,) and adjacency (n_processes, n_processes), got "
            f"{baseline.shape} and {adjacency.shape}."
        )
    _check_rate("baseline", baseline)
    _check_rate("adjacency", adjacency)
    return baseline, adjacency


def _check_radius(adjacency):
    radius = spectral_radius(adjacency)
    if radius >= 1:
        raise ValueError(
            f"the spectral radius of adjacency is {radius:g}; it must be below 1, otherwise the "
            f"number of events explodes. Scale adjacency by less than {1 / radius:g}."
        )


def _check_rate(name, values):
    bad = np.argwhere(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        where = tuple(bad[0].tolist())
        raise ValueError(
            f"{name}{list(where) if where else ''} is {values[where]}; it must be 0 or more and "
            "finite. Linear Hawkes processes cannot inhibit."
        )


def _check_number(n_events, end_time):
    check_memory(
        _EVENT_BYTES * n_events,
        what=f"simulating {n_events:.3g} events up to end_time={end_time:g} s",
        fix="Are the rates in Hz and the times in s? Shorten the record or lower the rates.",
    )


def _check_times(**times):
    for name, value in times.items():
        validation.number(value, name, above=0, unit="s")
