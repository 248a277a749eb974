"""Events in a rectangle of the plane and in time: checks, cells of a grid, pairs by a tree."""

from dataclasses import dataclass

import numpy as np
import scipy.spatial

from common import validation
from common.hawkes.inputs import as_arrays
from common.hawkes.pairs import check_memory, check_record

__all__ = ["Cells", "check_events", "check_region", "iter_close_pairs", "to_cells", "to_kilometres"]

_PAIRS_AT_ONCE = 1_000_000
_PAIR_BYTES = 120  # of a pair, with the keys under which it is counted
_EARTH_RADIUS = 6371.0  # km
_UNITS = ("km", "m", "cm", "mm", "um", "degrees")
_MOST_CELLS = 2**53  # whole numbers of float64


@dataclass(frozen=True)
class Cells:
    """Events of several processes on a grid whose cells fill the region and the record exactly.

    Attributes
    ----------
    points : tuple of ndarray of int, each of shape (n_events_i, 3)
        Cell of each event: time, x, y.
    shape : tuple of int
        Number of cells in time, x and y.
    delta : tuple of float
        Sides of a cell in time, x and y.
    """

    points: tuple[np.ndarray, ...]
    shape: tuple[int, int, int]
    delta: tuple[float, float, float]

    @property
    def n_processes(self):
        """Number of processes."""
        return len(self.points)

    @property
    def n_events(self):
        """Number of events of each process, ndarray of shape (n_processes,)."""
        return np.array([len(points) for points in self.points])

    @property
    def volume(self):
        """Area of the region times duration of the record."""
        return float(np.prod(self.shape) * np.prod(self.delta))


def check_region(region, *, space_length, unit="km"):
    """Borders of the rectangle, checked against the support of the kernel.

    Parameters
    ----------
    region : array_like, shape (2, 2)
        Lowest and highest x, lowest and highest y.
    space_length : float
        Support of the kernel in space.
    unit : {"km", "m", "cm", "mm", "um", "degrees"}, default="km"
        Of lengths. In ``"degrees"``, longitude and latitude are taken as they are.

    Returns
    -------
    region : ndarray, shape (2, 2)

    Raises
    ------
    TypeError
        If a border or ``space_length`` is no number.
    ValueError
        If it is no rectangle, its area is no number above 0, ``space_length`` is not above 0, the
        kernel reaches further than the region is wide, the unit is unknown, or the borders look
        like longitude and latitude.
    """
    validation.choice(unit, _UNITS, "unit")
    space_length = validation.number(space_length, "space_length", above=0, unit=unit)
    region = validation.array(region, "region", ndim=2)
    if region.shape != (2, 2) or not np.all(region[:, 0] < region[:, 1]):
        raise ValueError(
            f"region must be [[lowest x, highest x], [lowest y, highest y]], got {region.tolist()}."
        )
    width, middle = region[:, 1] - region[:, 0], region.mean(1)
    if not 0 < float(width[0]) * float(width[1]) < np.inf:
        raise ValueError(
            f"region {region.tolist()} has an area that float64 does not hold. Use another unit."
        )
    on_earth = np.all(np.abs(region) <= [[180], [90]])
    if unit != "degrees" and on_earth and np.all(np.abs(middle) > 3 * width):
        (west, east), (south, north) = region
        raise ValueError(
            f"region [{west:g}, {east:g}] x [{south:g}, {north:g}] looks like longitude and "
            f"latitude in degrees, not {unit}. Convert events and region with "
            "common.hawkes.space_time_grid.to_kilometres, or say unit='degrees' if degrees are "
            "meant."
        )
    if space_length > width.min():
        raise ValueError(
            f"the kernel reaches space_length={space_length:g} {unit}, further than the region is "
            f"wide, {width[0]:g} x {width[1]:g} {unit}. Use a shorter kernel or a larger region."
        )
    return region


def check_events(events, *, region, end_time, unit="km", allow_empty=False):
    """Events as arrays, if they are sorted and lie within region and record.

    Parameters
    ----------
    events : sequence of array_like, each of shape (n_events_i, 3)
        Of each process: time, x and y, sorted by time. Or what `common.hawkes.inputs.as_arrays`
        reads: a table or annotations, with places in ``"x"`` and ``"y"``.
    region : ndarray, shape (2, 2)
        See `check_region`.
    end_time : float
        The record lasts from 0 to here.
    unit : str, default="km"
        Of lengths, for messages.
    allow_empty : bool, default=False
        Whether a process may have no event.

    Returns
    -------
    events : list of ndarray, each of shape (n_events_i, 3)

    Raises
    ------
    ValueError
        If an array has another shape, a number is not finite, times are not sorted, an event
        lies outside region or record, or a process is empty.
    """
    end_time = validation.number(end_time, "end_time", above=0)
    events = as_arrays(events, ("x", "y"))
    if isinstance(events, np.ndarray) and events.ndim == 2:
        raise ValueError(
            "events must be a list with one array a process, got one array of shape "
            f"{events.shape}. Use [events]."
        )
    found = []
    for i, each in enumerate(events):
        points = np.asarray(each, dtype=float)
        if not allow_empty and not points.size:
            raise ValueError(f"events[{i}] is empty: process {i} has no event to fit.")
        points = points.reshape(0, 3) if not points.size else points
        if points.ndim != 2 or points.shape[1] != 3:
            more = ""
            if points.ndim == 2 and points.shape[1] > 3:
                more = " Marks, such as magnitudes, are not modelled: leave their column out."
            raise ValueError(
                f"events[{i}] must have three columns, time, x and y, got shape "
                f"{points.shape}.{more}"
            )
        validation.array(points, f"events[{i}]", empty=True)
        _check_order(points, i)
        _check_inside(points, i, region, end_time, unit)
        found.append(points)
    if not found:
        raise ValueError("events holds no process. Use a list with one array a process.")
    check_record([points[:, 0] for points in found], end_time=end_time)
    return found


def to_cells(events, *, region, end_time, space_delta, time_delta):
    """Cells in which events lie.

    Cells fill region and record exactly: their sides are ``space_delta`` and ``time_delta``, or
    as near to them as a whole number of cells allows.

    Parameters
    ----------
    events : list of ndarray, each of shape (n_events_i, 3)
        From `check_events`.
    region : ndarray, shape (2, 2)
    end_time, space_delta, time_delta : float

    Returns
    -------
    cells : Cells

    Raises
    ------
    TypeError
        If a value is no number.
    ValueError
        If a step or the end is not above 0, there would be more cells than whole numbers in
        float64, or an event has no three columns or lies outside region or record.
    """
    end_time = validation.number(end_time, "end_time", above=0)
    space_delta = validation.number(space_delta, "space_delta", above=0)
    time_delta = validation.number(time_delta, "time_delta", above=0)
    for i, each in enumerate(events):
        if validation.array(each, f"events[{i}]", ndim=2, empty=True).shape[1] != 3:
            raise ValueError(
                f"events[{i}] must have three columns, time, x and y, got shape {each.shape}."
            )
        _check_inside(each, i, region, end_time)
    low = np.array([0.0, *region[:, 0]])
    size = np.array([end_time, *(region[:, 1] - region[:, 0])])
    with np.errstate(over="ignore"):
        shape = np.maximum(np.rint(size / [time_delta, space_delta, space_delta]), 1)
        if not shape.prod() <= _MOST_CELLS:
            raise ValueError(
                f"space_delta={space_delta:g} and time_delta={time_delta:g} cut region and record "
                f"into {' x '.join(f'{n:g}' for n in shape)} cells. Use longer steps."
            )
    shape = shape.astype(int)
    delta = size / shape
    # An event on the far border belongs to the last cell.
    points = [
        np.clip(np.floor((each - low) / delta).astype(np.int64), 0, shape - 1) for each in events
    ]
    return Cells(tuple(points), tuple(map(int, shape)), tuple(map(float, delta)))


def iter_close_pairs(sources, targets, reach):
    """Pairs of points within a box of each other, found by a tree.

    Parameters
    ----------
    sources, targets : ndarray, shape (n_sources, 3) and (n_targets, 3)
        Time, x and y, in cells or in units of their own; sources sorted by time.
    reach : array_like, shape (3,)
        Largest difference in time, x and y, above 0.

    Yields
    ------
    source, target : ndarray of int, shape (n_pairs,)
        Indices of every pair, in either order of time, in blocks that fit into memory.

    Raises
    ------
    ValueError
        If one source alone has too many targets within reach.
    """
    sources, targets = (np.asarray(each) / np.asarray(reach, float) for each in (sources, targets))
    if not len(sources) or not len(targets):
        return
    tree = scipy.spatial.cKDTree(targets)
    start, size = 0, len(sources)
    while start < len(sources):
        stop = min(start + size, len(sources))
        block = scipy.spatial.cKDTree(sources[start:stop])
        n_pairs = int(block.count_neighbors(tree, 1.0, p=np.inf))
        if n_pairs > _PAIRS_AT_ONCE and stop - start > 1:
            size = max(1, (stop - start) // 2)
            continue
        check_memory(
            _PAIR_BYTES * n_pairs,
            what=f"keeping {n_pairs:,} pairs of events",
            fix="Shorten the kernels.",
        )
        pairs = block.sparse_distance_matrix(tree, 1.0, p=np.inf, output_type="ndarray")
        if len(pairs):
            yield pairs["i"] + start, pairs["j"]
        start = stop


def to_kilometres(longitude, latitude, *, origin):
    """Project longitude and latitude to a plane: equirectangular, true to scale near the origin.

    Parameters
    ----------
    longitude, latitude : array_like of one shape
        In degrees.
    origin : tuple of float
        Longitude and latitude of the point that becomes (0, 0), in degrees. Differences of
        longitude are taken the shorter way round, also across the date line.

    Returns
    -------
    x, y : ndarray
        To the east and to the north, in km. Within 100 km of an origin in middle latitudes,
        distances are off by up to about 1 %.

    Raises
    ------
    TypeError
        If a value is no number.
    ValueError
        If a longitude or a latitude is out of range, shapes differ, or the origin is no pair.

    Examples
    --------
    >>> x, y = to_kilometres([-117.0], [36.0], origin=(-117.0, 35.0))
    >>> [round(float(each[0]), 1) for each in (x, y)]
    [0.0, 111.2]
    """
    longitude = validation.array(longitude, "longitude", at_least=-180, at_most=360, unit="degrees")
    latitude = validation.array(latitude, "latitude", at_least=-90, at_most=90, unit="degrees")
    if longitude.shape != latitude.shape:
        raise ValueError(
            "longitude and latitude must have one shape, one pair a place, got "
            f"{longitude.shape} and {latitude.shape}."
        )
    if len(validation.vector(origin, "origin", unit="degrees")) != 2:
        raise ValueError(f"origin must be (longitude, latitude), got {origin!r}.")
    validation.number(origin[0], "origin[0]", at_least=-180, at_most=360, unit="degrees")
    validation.number(origin[1], "origin[1]", at_least=-90, at_most=90, unit="degrees")
    degree = np.pi / 180 * _EARTH_RADIUS
    east = longitude - origin[0]
    east = np.where(np.abs(east) > 180, (east + 180) % 360 - 180, east)
    x = degree * np.cos(np.deg2rad(origin[1])) * east
    return x, degree * (latitude - origin[1])


def _check_order(points, i):
    drops = np.flatnonzero(np.diff(points[:, 0]) < 0) + 1
    if not len(drops):
        return
    at = drops[0]
    hint = "Sort the rows by time."
    if np.all(np.diff(points[:, 2]) >= 0):
        hint = "The last column is sorted: is it the time? The order of columns is time, x, y."
    raise ValueError(
        f"events[{i}] must be sorted by time, its first column, but time {points[at, 0]:g} in row "
        f"{at} follows {points[at - 1, 0]:g}. {hint}"
    )


def _check_inside(points, i, region, end_time, unit="km"):
    if not len(points):
        return
    first, last = points[:, 0].min(), points[:, 0].max()
    if first < 0 or last > end_time:
        raise ValueError(
            f"events[{i}] spans [{first:g}, {last:g}] in time, outside the record "
            f"[0, {end_time:g}]. Are times and end_time in one unit, and do they begin at 0?"
        )
    places = points[:, 1:]
    outside = np.any((places < region[:, 0]) | (places > region[:, 1]), axis=1)
    if not outside.any():
        return
    row = int(np.flatnonzero(outside)[0])
    (low_x, high_x), (low_y, high_y) = region
    hint = "Leave out the events beyond, or use a larger region."
    spread, middle = np.ptp(places, axis=0), np.median(places, axis=0)
    degrees = np.all(np.abs(places) <= [180, 90]) and np.all(np.abs(middle) > spread)
    if unit != "degrees" and outside.all() and degrees:
        hint = (
            f"They look like longitude and latitude in degrees, not {unit}: convert them with "
            "common.hawkes.space_time_grid.to_kilometres."
        )
    raise ValueError(
        f"{outside.sum()} of {len(points)} events of events[{i}] lie outside the region "
        f"[{low_x:g}, {high_x:g}] x [{low_y:g}, {high_y:g}] {unit}, the first in row {row} at "
        f"({places[row, 0]:g}, {places[row, 1]:g}). {hint}"
    )
