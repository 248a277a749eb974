r"""Goodness of fit of point processes: tests of their residuals, and a picture of them.

*In time*, the increments of the compensator from event to event are independent unit exponentials
if the model holds, so :math:`u = 1 - e^{-\text{increment}}` is uniform, and one value says nothing
of the next (`common.hawkes.residuals`). *In the plane*, super-thinning leaves points that are a
homogeneous Poisson process (`SpaceTimeModel.super_thinned`).

P-values hold for a model that was fitted to other events. On the events of the fit itself they are
too large, since a fit makes its own residuals look well: a small one still counts against the
model, and a large one says less than it seems to. Nor do they hold for a mixture, whose residuals
are those of the events that it takes for structured.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats

from common import validation
from common.hawkes.inputs import process_names

__all__ = ["GoodnessOfFit", "goodness_of_fit", "rescaling_tests", "uniformity_tests"]

_FEWEST = 5  # residuals, for a test
_COLOR = "#0072B2"


@dataclass(frozen=True)
class GoodnessOfFit:
    """Residuals of a model, and what tests say of them.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each test: ``process``, ``test``, ``n`` (residuals), ``statistic``, ``p_value``.
    intervals : list of ndarray, each of shape (n_events_i,)
        Rescaled intervals of each process.
    names : list
        Of the processes.
    points : list of ndarray, each of shape (n_residuals_i, 3), or None
        In the plane: residual points, time, x and y.
    region : ndarray, shape (2, 2), or None
    unit : str
        Of lengths.
    end_time : float
    """

    table: pd.DataFrame
    intervals: list
    names: list
    points: list | None
    region: np.ndarray | None
    unit: str
    end_time: float

    def plot(self):
        """Draw the residuals, a row for each process.

        Left: share of the rescaled intervals below each quantile, and the band that 95 % of true
        models stay within. Then each of them against the next. In the plane also the residual
        points on the map, and their number against time.

        Returns
        -------
        fig : matplotlib.figure.Figure
        """
        import matplotlib.pyplot as plt  # here: a fit does without

        n_columns = 2 if self.points is None else 4
        size = (3.3 * n_columns, 3.1 * len(self.names))
        fig, axes = plt.subplots(
            len(self.names), n_columns, figsize=size, squeeze=False, layout="constrained"
        )
        for i, (name, row) in enumerate(zip(self.names, axes, strict=True)):
            u = -np.expm1(-self.intervals[i])
            _draw_distribution(row[0], u, f"process {name}, n = {len(u)}, {self._p(name, 'law')}")
            _draw_order(row[1], u, f"order: {self._p(name, 'order')}")
            if self.points is not None:
                place = f"x: {self._p(name, 'x')}, y: {self._p(name, 'y')}"
                _draw_map(row[2], self.points[i], self.region, self.unit, place)
                when = f"time: {self._p(name, 'time')}"
                _draw_count(row[3], self.points[i], self.end_time, when)
        return fig

    def _p(self, name, test):
        chosen = self.table[(self.table["process"] == name) & (self.table["test"] == test)]
        return f"p = {chosen['p_value'].item():.2g}"


def goodness_of_fit(model, events, end_time, *, rng=None):
    """Residuals of events under a fitted model, tested.

    Parameters
    ----------
    model : HawkesEstimator, MarkedHawkesEstimator, MixtureEstimator or SpaceTimeHawkes
        Fitted, best to other events: see the module's docstring.
    events, end_time
        As for its ``fit``.
    rng : numpy.random.Generator, optional
        In the plane it is needed: super-thinning draws points.

    Returns
    -------
    report : GoodnessOfFit
        Its table has the tests of `rescaling_tests`, in the plane those of `uniformity_tests`, too.

    Raises
    ------
    TypeError
        In the plane, if ``rng`` is no generator.
    ValueError
        If events are not valid.

    Examples
    --------
    >>> from common.hawkes import HawkesEstimator, TruncatedGaussian, simulate
    >>> options = {"length": 1.0, "end_time": 500.0}
    >>> first, second = (
    ...     simulate([1.0], [[0.5]], TruncatedGaussian(), [0.5, 0.1], rng=rng, **options)
    ...     for rng in (np.random.default_rng(0), np.random.default_rng(1))
    ... )
    >>> model = HawkesEstimator(kernel=TruncatedGaussian(), delta=0.01, kernel_length=1.0)
    >>> report = goodness_of_fit(model.fit(first, 500.0), second, 500.0)
    >>> report.table["test"].tolist(), bool(report.table["p_value"].min() > 0.01)
    (['law', 'order'], True)
    """
    names, intervals = process_names(events), model.residuals(events, end_time)
    points, region, unit = None, None, ""
    if hasattr(model, "super_thinned"):
        points, _ = model.super_thinned(events, end_time, rng=rng)
        region, unit = model.model_.region, model.unit
    rows = []
    for i, name in enumerate(names):
        tests = rescaling_tests(intervals[i])
        if points is not None:
            tests |= uniformity_tests(points[i], region=region, end_time=end_time)
        rows += [{"process": name, "test": test} | found for test, found in tests.items()]
    table = pd.DataFrame(rows)
    return GoodnessOfFit(table, intervals, names, points, region, unit, float(end_time))


def rescaling_tests(intervals):
    """Whether rescaled intervals are independent unit exponentials.

    Parameters
    ----------
    intervals : ndarray, shape (n_events,)

    Returns
    -------
    tests : dict of dict
        ``"law"``, Kolmogorov and Smirnov's test, and ``"order"``, Spearman's rank correlation of
        each interval with the next; each with ``n``, ``statistic`` and ``p_value``, which is NaN
        below five values.

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If they are no vector, or one is not finite.
    """
    intervals = validation.vector(intervals, "intervals", empty=True)
    n, law, order = len(intervals), (np.nan, np.nan), (np.nan, np.nan)
    if n >= _FEWEST:
        law = scipy.stats.kstest(intervals, "expon")
    if n > _FEWEST:
        order = scipy.stats.spearmanr(intervals[:-1], intervals[1:])
    return {"law": _named(n, law), "order": _named(max(n - 1, 0), order)}


def uniformity_tests(points, *, region, end_time):
    """Whether residual points in the plane are spread evenly, as those of a Poisson process are.

    Their number is not tested: the rate of super-thinning is that of the events.

    Parameters
    ----------
    points : ndarray, shape (n_points, 3)
        Time, x and y.
    region : ndarray, shape (2, 2)
        Lowest and highest x, lowest and highest y.
    end_time : float

    Returns
    -------
    tests : dict of dict
        Kolmogorov and Smirnov's of ``"time"``, ``"x"`` and ``"y"``, each with ``n``, ``statistic``
        and ``p_value``, which is NaN below five points.

    Raises
    ------
    TypeError
        If an argument holds no numbers.
    ValueError
        If a shape is another, a value is not finite, a side of the region or the end is not
        positive, or a point lies outside.
    """
    points = validation.array(points, "points", ndim=2, empty=True)
    region = validation.array(region, "region", ndim=2)
    end_time = validation.number(end_time, "end_time", above=0, unit="s")
    if points.shape[1] != 3 or region.shape != (2, 2) or not (region[:, 0] < region[:, 1]).all():
        raise ValueError(
            "points must have the columns time, x and y, and region the rows of lowest and highest "
            f"x and y, got shape {points.shape} and region {region.tolist()}."
        )
    bounds = np.vstack([[0.0, end_time], region])
    if (outside := ((points < bounds[:, 0]) | (points > bounds[:, 1])).any(axis=1)).any():
        place = int(outside.argmax())
        raise ValueError(
            f"points[{place}] is {points[place].tolist()}, outside of the region and the record, "
            f"{bounds.tolist()}."
        )
    n, found = len(points), {}
    lows, sizes = (0.0, *region[:, 0]), (end_time, *np.diff(region).ravel())
    for name, values, low, width in zip(("time", "x", "y"), points.T, lows, sizes, strict=True):
        test = (np.nan, np.nan)
        if n >= _FEWEST:
            test = scipy.stats.kstest(values, scipy.stats.uniform(low, width).cdf)
        found[name] = _named(n, test)
    return found


def _named(n, test):
    statistic, p_value = test
    return {"n": n, "statistic": float(statistic), "p_value": float(p_value)}


def _draw_distribution(ax, u, title):
    expected = (np.arange(len(u)) + 0.5) / max(len(u), 1)
    band = 1.36 / np.sqrt(max(len(u), 1))
    ax.fill_between([0, 1], [-band, 1 - band], [band, 1 + band], color="0.9", label="95 % band")
    ax.plot([0, 1], [0, 1], color="black", lw=0.8)
    ax.plot(expected, np.sort(u), color=_COLOR, label="residuals")
    ax.set(xlabel="Quantile of the uniform law", ylabel="Rescaled interval", title=title)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.legend(fontsize=7)


def _draw_order(ax, u, title):
    ax.plot(u[:-1], u[1:], ".", ms=3, color=_COLOR)
    ax.set(xlabel="Rescaled interval", ylabel="The next one", xlim=(0, 1), ylim=(0, 1), title=title)


def _draw_map(ax, points, region, unit, title):
    ax.plot(*points[:, 1:].T, ".", ms=3, color=_COLOR)
    ax.set(xlabel=f"x ({unit})", ylabel=f"y ({unit})", title=title)
    ax.set(xlim=region[0], ylim=region[1], aspect="equal")


def _draw_count(ax, points, end_time, title):
    ax.plot([0, end_time], [0, len(points)], color="black", lw=0.8, label="constant rate")
    ax.step(points[:, 0], np.arange(1, len(points) + 1), where="post", color=_COLOR)
    ax.set(xlabel="Time", ylabel="Residual points", title=title, xlim=(0, end_time))
    ax.legend(fontsize=7)
