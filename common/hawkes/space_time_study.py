"""What experiments on processes in the plane and in time share: settings, fits, norms of Psi."""

import time

import numpy as np

from common.hawkes.process import KERNELS
from common.hawkes.space_time import SpaceTimeHawkes
from common.hawkes.space_time_grid import iter_close_pairs
from common.hawkes.space_time_kernels import SPACE_KERNELS
from common.hawkes.space_time_model import Omori, SpaceTimeModel, constant

__all__ = [
    "exact_psi",
    "fit_timed",
    "iteration_seconds",
    "psi_without_borders",
    "quake_estimator",
    "random_split",
    "simulated_process",
]


def simulated_process(settings, *, size, length):
    """One process in a square around the origin.

    Parameters
    ----------
    settings : dict
        ``baseline``, ``adjacency``, and ``space`` and ``time``: the ``kernel`` and its parameters.
    size : float
        Side of the square.
    length : float
        Support of both kernels.

    Returns
    -------
    model : SpaceTimeModel

    Raises
    ------
    ValueError
        If a kernel is unknown, or its parameters have other names.
    """
    kernels, parameters = [], []
    known = {"space": {name: kind() for name, kind in SPACE_KERNELS.items()}, "time": KERNELS}
    for where, families in known.items():
        given = dict(settings[where])
        name = given.pop("kernel")
        if name not in families:
            raise ValueError(f"no {where} kernel {name!r}; known are {', '.join(families)}.")
        if set(given) != set(families[name].names):
            raise ValueError(
                f"the parameters of {name} are {', '.join(families[name].names)}, got "
                f"{', '.join(given)}."
            )
        kernels.append(families[name])
        parameters.append([given[each] for each in families[name].names])
    half = size / 2
    return SpaceTimeModel(
        [settings["baseline"]],
        [[settings["adjacency"]]],
        *kernels,
        *parameters,
        region=[[-half, half], [-half, half]],
        space_length=length,
        time_length=length,
    )


def fit_timed(model, events, end_time, *, grid, exact=True):
    """Fit the family of a process to one record of it.

    Parameters
    ----------
    model : SpaceTimeModel
        Of one process: the truth, of which the search sees the families of kernels only.
    events : list of ndarray
    end_time : float
    grid : tuple of float
        Steps in space and time.
    exact : bool, default=True

    Returns
    -------
    row : dict
        ``error`` (norm over all parameters), ``baseline``, ``adjacency`` and the kernels'
        parameters, ``seconds_count`` and ``seconds_search`` (of the processor).
    """
    estimator = _estimator_of(model, grid, exact)
    clock = [time.process_time()]
    statistics = estimator.precompute(events, end_time)
    clock.append(time.process_time())
    estimator.fit_statistics(statistics)
    clock.append(time.process_time())
    theta = np.concatenate([estimator.model_.space_parameters, estimator.model_.time_parameters])
    true = np.concatenate([model.space_parameters, model.time_parameters]).ravel()
    found = [estimator.baseline_[0, 0], estimator.adjacency_[0, 0], *theta.ravel()]
    wanted = [model.baseline[0, 0], model.adjacency[0, 0], *true]
    named = {f"space_{name}": value.item() for name, value in estimator.space_parameters_.items()}
    named |= {f"time_{name}": value.item() for name, value in estimator.time_parameters_.items()}
    count, search = np.diff(clock)
    return {
        "n_events": len(events[0]),
        "error": float(np.linalg.norm(np.subtract(found, wanted))),
        "baseline": found[0],
        "adjacency": found[1],
        **named,
        "converged": estimator.converged_,
        "seconds_count": count,
        "seconds_search": search,
    }


def iteration_seconds(model, records, *, grid, n_calls):
    """Processor time of an iteration on several records, one call on each in turn.

    An iteration evaluates the exact loss and its gradient at the true parameters. Whatever else
    the machine does meanwhile slows all records alike.

    Parameters
    ----------
    model : SpaceTimeModel
        Of one process.
    records : dict of float to list of ndarray
        Events by the length of the record.
    grid : tuple of float
        Steps in space and time.
    n_calls : int
        Iterations on each record.

    Returns
    -------
    seconds : dict of float to float
        Mean time of an iteration, by the length of the record.
    """
    estimator = _estimator_of(model, grid)
    theta = np.concatenate([model.space_parameters, model.time_parameters])[..., 0]
    sums = {end_time: estimator.precompute(each, end_time) for end_time, each in records.items()}
    seconds = dict.fromkeys(records, 0.0)
    for call in range(n_calls + 1):
        for end_time, statistics in sums.items():
            begin = time.process_time()
            estimator.loss_and_gradient(statistics, 0, theta)
            if call:  # the first one is a warm-up
                seconds[end_time] += (time.process_time() - begin) / n_calls
    return seconds


def exact_psi(cells, *, n_lags):
    r"""Matrix of :math:`\sum_s z[s - \tau] z[s - \tau']` over cells of the grid, one process.

    Parameters
    ----------
    cells : Cells
    n_lags : tuple of int
        Largest lag in time, and to one side in x and y; time begins at lag 0.

    Returns
    -------
    psi : ndarray, shape (n, n)
        Lags in the order of time, x, y.
    """
    n_t, n_x, n_y = n_lags
    counts = np.zeros(cells.shape)
    np.add.at(counts, tuple(cells.points[0].T), 1)
    padded = np.pad(counts, ((n_t, 0), (n_x, n_x), (n_y, n_y)))
    size_t, size_x, size_y = cells.shape
    shifted = [
        padded[n_t - t : n_t - t + size_t, n_x - x : n_x - x + size_x, n_y - y : n_y - y + size_y]
        for t in range(n_t + 1)
        for x in range(-n_x, n_x + 1)
        for y in range(-n_y, n_y + 1)
    ]
    shifted = np.stack([each.ravel() for each in shifted])
    return shifted @ shifted.T


def psi_without_borders(cells, *, n_lags):
    """The same matrix when borders are ignored: pairs of events by the difference of two lags.

    Parameters
    ----------
    cells : Cells
    n_lags : tuple of int
        As in `exact_psi`.

    Returns
    -------
    psi : ndarray, shape (n, n)
    """
    n_t, n_x, n_y = n_lags
    shape = (2 * n_t + 1, 4 * n_x + 1, 4 * n_y + 1)
    counts = np.zeros(np.prod(shape))
    reach = np.array([n_t, 2 * n_x, 2 * n_y])
    points = cells.points[0]
    for source, target in iter_close_pairs(points, points, reach + 0.5):
        lag = points[target] - points[source] + reach
        counts += np.bincount(np.ravel_multi_index(lag.T, shape), minlength=len(counts))
    lags = np.stack(
        np.meshgrid(
            np.arange(n_t + 1), np.arange(-n_x, n_x + 1), np.arange(-n_y, n_y + 1), indexing="ij"
        )
    ).reshape(3, -1)
    # z[s - tau] z[s - tau'] pairs an event with one that is tau - tau' later.
    difference = lags[:, :, None] - lags[:, None, :] + reach[:, None, None]
    return counts.reshape(shape)[tuple(difference)]


def quake_estimator(space, time_kernel, background, *, first_day, settings):
    """Estimator for earthquakes in a rectangle around the origin.

    Parameters
    ----------
    space, time_kernel : str
        Names of kernels; the spatial one is centred on the parent.
    background : {"constant", "decaying"}
        Decaying: a constant and a part ``1 / (t + omori_delay)``, t from the first event of the
        catalogue, each with a rate of its own.
    first_day : float
        Time from the first event of the catalogue to the beginning of the record, in days.
    settings : dict
        ``half_widths`` (km), ``lengths`` and ``deltas`` (km, days), ``omori_delay`` (days).

    Returns
    -------
    estimator : SpaceTimeHawkes
    """
    width, height = settings["half_widths"]
    backgrounds = [constant]
    if background == "decaying":
        backgrounds.append(Omori(first_day + settings["omori_delay"]))
    return SpaceTimeHawkes(
        SPACE_KERNELS[space](centred=True),
        KERNELS[time_kernel],
        region=[[-width, width], [-height, height]],
        space_length=settings["lengths"][0],
        time_length=settings["lengths"][1],
        space_delta=settings["deltas"][0],
        time_delta=settings["deltas"][1],
        backgrounds=backgrounds,
    )


def random_split(estimator, points, end_time, *, rng, share=0.8):
    """Fit a random share of the events, and score the others given those.

    A random split thins the process: the others come at ``(1 - share) / share`` of the rate of
    those that were fitted, of which some lie in their future.

    Parameters
    ----------
    estimator : SpaceTimeHawkes
    points : ndarray, shape (n_events, 3)
    end_time : float
    rng : numpy.random.Generator
    share : float, default=0.8

    Returns
    -------
    log_rates : ndarray, shape (n_held_out,)
        Logarithm of the rate at each event that was left out.
    expected : float
        Number of events left out that the fit expects.
    """
    train = rng.random(len(points)) < share
    model = estimator.fit([points[train]], end_time).model_
    factor = (1 - share) / share
    rates = factor * model.intensity(points[~train], [points[train]], end_time)[0]
    expected = factor * model.compensator([end_time], [points[train]], end_time)[0, 0]
    return np.log(rates), float(expected)


def _estimator_of(model, grid, exact=True):
    """Estimator of the family of a process."""
    return SpaceTimeHawkes(
        model.space_kernel,
        model.time_kernel,
        region=model.region,
        space_length=model.space_length,
        time_length=model.time_length,
        space_delta=grid[0],
        time_delta=grid[1],
        exact=exact,
    )
