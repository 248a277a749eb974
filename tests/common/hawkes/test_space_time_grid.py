"""Events in the plane: what is refused, and pairs found by the tree."""

import numpy as np
import pytest

from common.hawkes import space_time_grid
from common.hawkes.space_time_grid import (
    check_events,
    check_region,
    iter_close_pairs,
    to_cells,
    to_kilometres,
)
from common.workflow import memory

REGION = np.array([[0.0, 4.0], [0.0, 3.0]])


def points(n=20, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([np.sort(10 * rng.random(n)), rng.random((n, 2)) * [4, 3]])


def check(events, **options):
    return check_events([events], **({"region": REGION, "end_time": 10.0} | options))


def test_unsorted_events_are_refused():
    events = points()[::-1]
    with pytest.raises(ValueError, match=r"events\[0\] must be sorted by time.*Sort the rows"):
        check(events)


def test_time_in_the_last_column_is_recognised():
    with pytest.raises(ValueError, match=r"is it the time\? The order of columns is time, x, y"):
        check(points()[:, [1, 2, 0]])


@pytest.mark.parametrize("end_time", [5.0, 1.0])
def test_events_after_the_record_are_refused(end_time):
    with pytest.raises(ValueError, match=r"in time, outside the record \[0, [15]\]\. Are times"):
        check(points(), end_time=end_time)


def test_events_outside_the_region_are_refused():
    events = points()
    events[7, 1] = 4.5
    with pytest.raises(ValueError, match=r"1 of 20 events of events\[0\] lie outside .* in row 7"):
        check(events)


def test_longitude_and_latitude_given_as_kilometres_are_recognised():
    events = points()
    events[:, 1:] = [-117.6, 35.8] + 0.05 * events[:, 1:]
    with pytest.raises(ValueError, match=r"look like longitude and latitude in degrees, not km"):
        check(events)


def test_a_region_in_degrees_is_recognised_unless_degrees_are_meant():
    region = [[-118.0, -117.0], [35.5, 36.2]]
    with pytest.raises(ValueError, match=r"looks like longitude and latitude in degrees, not km"):
        check_region(region, space_length=0.5)
    np.testing.assert_array_equal(check_region(region, space_length=0.5, unit="degrees"), region)


def test_a_kernel_wider_than_the_region_is_refused():
    with pytest.raises(ValueError, match=r"space_length=3.5 km, further than the region is wide"):
        check_region(REGION, space_length=3.5)


@pytest.mark.parametrize("region", [[[0, 1], [2, 2]], [[0, 1]], [[3, 1], [0, 2]]])
def test_a_region_that_is_no_rectangle_is_refused(region):
    with pytest.raises(ValueError, match=r"region must be \[\[lowest x, highest x\]"):
        check_region(region, space_length=0.1)


def cells(events=None, **options):
    steps = {"end_time": 10.0, "space_delta": 0.5, "time_delta": 0.5} | options
    return to_cells([points() if events is None else events], region=REGION, **steps)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_region(REGION, space_length=np.nan), "space_length must be above 0 km, got"),
        (
            lambda: check_region(REGION, space_length=None),
            "space_length must be a number, got None",
        ),
        (
            lambda: check_region(REGION, space_length=1.0, unit="miles"),
            "unit must be one of km, m, cm, mm, um, degrees, got 'miles'",
        ),
        (
            lambda: check_region([[-1e300, 1e300], [-1e300, 1e300]], space_length=1.0),
            r"has an area that float64 does not hold. Use another unit",
        ),
        (lambda: cells(space_delta=0.0), "space_delta must be above 0, got 0.0"),
        (lambda: cells(space_delta=-1), "space_delta must be above 0, got -1"),
        (lambda: cells(time_delta=np.nan), "time_delta must be above 0, got nan"),
        (lambda: cells(end_time=None), "end_time must be a number, got None"),
        (lambda: cells(space_delta=1e-300), r"space_delta=1e-300 and .* cells. Use longer steps"),
        (
            lambda: cells(np.add(points(), [0, 50, 0])),
            r"20 of 20 events of events\[0\] lie outside the",
        ),
        (
            lambda: cells(np.add(points()[::-1], [5, 0, 0])),
            r"in time, outside the record \[0, 10\]",
        ),
        (lambda: cells(points()[:, :2]), r"events\[0\] must have three columns, time, x and y"),
        (lambda: cells(points() * np.nan), r"events\[0\] must be finite, got nan at index"),
        (
            lambda: to_kilometres([1.0, 2.0], [50.0], origin=(0, 0)),
            r"longitude and latitude must have one shape, .* got \(2,\) and \(1,\)",
        ),
        (
            lambda: to_kilometres([1.0], [50.0], origin=(10, np.nan)),
            "origin must be finite, got nan degrees at index 1",
        ),
        (lambda: to_kilometres([1.0], [50.0], origin=10.0), "origin must have 1 axis, got shape"),
        (
            lambda: to_kilometres([1.0], [50.0], origin=(1, 2, 3)),
            r"origin must be \(longitude, latitude\), got \(1, 2, 3\)",
        ),
        (
            lambda: to_kilometres([1.0], [50.0], origin=(50, 117)),
            r"origin\[1\] must be at least -90 and at most 90 degrees, got 117",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_the_date_line_is_no_distance():
    origin, latitude = (179.0, 50.0), np.full(3, 50.0)
    x, _ = to_kilometres([-179.0, 181.0, 177.0], latitude, origin=origin)
    np.testing.assert_allclose(x, x[1] * np.array([1, 1, -1]), rtol=1e-12)
    west, _ = to_kilometres([179.0], latitude[:1], origin=(-179.0, 50.0))
    np.testing.assert_allclose(west, x[2:], rtol=1e-12)


def test_marks_are_refused():
    with pytest.raises(ValueError, match=r"got shape \(20, 4\)\. Marks, such as magnitudes"):
        check(np.column_stack([points(), np.ones(20)]))


def test_times_alone_are_refused():
    with pytest.raises(ValueError, match=r"must have three columns, time, x and y"):
        check(points()[:, 0])


def test_one_array_instead_of_a_list_is_refused():
    with pytest.raises(ValueError, match=r"a list with one array a process.*Use \[events\]"):
        check_events(points(), region=REGION, end_time=10.0)


def test_no_process_is_refused():
    with pytest.raises(ValueError, match=r"events holds no process"):
        check_events([], region=REGION, end_time=10.0)


def test_an_empty_process_is_refused_unless_it_may_be():
    with pytest.raises(ValueError, match=r"events\[0\] is empty: process 0 has no event to fit"):
        check(np.zeros((0, 3)))
    (found,) = check(np.zeros((0, 3)), allow_empty=True)
    assert found.shape == (0, 3)


def test_a_place_that_is_no_number_is_refused():
    events = points()
    events[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"events\[0\] must be finite, got nan"):
        check(events)


def test_seconds_since_1970_are_refused():
    events = points()
    events[:, 0] = 1.5e9 + events[:, 0]
    with pytest.raises(ValueError, match=r"subtract its beginning"):
        check(events, end_time=1.5e9 + 10)


def test_cells_fill_region_and_record_exactly():
    cells = to_cells([points()], region=REGION, end_time=10.0, space_delta=0.7, time_delta=0.3)
    np.testing.assert_allclose(np.multiply(cells.shape, cells.delta), [10, 4, 3])
    assert cells.volume == pytest.approx(120)
    assert np.all(np.abs(np.divide(cells.delta, [0.3, 0.7, 0.7]) - 1) < 0.1)


def test_events_on_the_far_border_belong_to_the_last_cell():
    corner = np.array([[10.0, 4.0, 3.0]])
    cells = to_cells([corner], region=REGION, end_time=10.0, space_delta=0.5, time_delta=0.5)
    assert cells.points[0].tolist() == [[19, 7, 5]]


@pytest.mark.parametrize("at_once", [5, 1000])
def test_pairs_are_those_of_all_that_are_near(monkeypatch, at_once):
    monkeypatch.setattr(space_time_grid, "_PAIRS_AT_ONCE", at_once)
    sources, targets, reach = points(40), points(30, seed=1), np.array([1.0, 0.8, 0.5])
    near = np.all(np.abs(sources[:, None] - targets[None]) <= reach, axis=2)
    blocks = list(iter_close_pairs(sources, targets, reach))
    found = [pair for block in blocks for pair in zip(*block, strict=True)]
    assert len(found) == len(set(found))
    assert set(found) == set(zip(*np.nonzero(near), strict=True))
    assert (len(blocks) > 3) == (at_once == 5)


def test_too_many_pairs_for_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: (1e-3, "this machine"))
    with pytest.raises(ValueError, match=r"keeping [\d,]+ pairs of events needs .* Shorten"):
        list(iter_close_pairs(points(), points(), [10, 4, 3]))


def test_kilometres_are_those_on_the_globe():
    origin = (-117.62, 35.85)
    longitude, latitude = np.array([-117.2, -118.0]), np.array([36.1, 35.6])
    x, y = to_kilometres(longitude, latitude, origin=origin)
    a, b = np.deg2rad([origin, (0, 0)])[0], np.deg2rad(np.column_stack([longitude, latitude]))
    half = np.sin((b[:, 1] - a[1]) / 2) ** 2
    half += np.cos(a[1]) * np.cos(b[:, 1]) * np.sin((b[:, 0] - a[0]) / 2) ** 2
    # Within 50 km the projection is true to half a percent, see its docstring.
    np.testing.assert_allclose(np.hypot(x, y), 2 * 6371 * np.arcsin(np.sqrt(half)), rtol=5e-3)


def test_a_latitude_beyond_the_pole_is_refused():
    with pytest.raises(ValueError, match=r"latitude must be .* at most 90 degrees, got 135"):
        to_kilometres([35.0], [135.0], origin=(0, 0))
