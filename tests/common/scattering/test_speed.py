"""The benchmark that claims on time rest on: rounds in turn, and the interval of their ratio."""

import importlib.util
import math

import pytest

from common import files
from common.report.statistics import mean_interval


@pytest.fixture(scope="module")
def speed():
    path = files.resolve("benchmarks/peers/kymatio_speed.py")
    spec = importlib.util.spec_from_file_location("kymatio_speed", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_sides_take_turns_in_every_round(speed):
    order = []
    tasks = {name: lambda name=name: order.append(name) for name in ("kymatio", "ours")}
    times = speed.take_turns(tasks, 7, "cpu")
    assert order == ["kymatio", "ours"] * 7
    assert {name: len(rounds) for name, rounds in times.items()} == {"kymatio": 7, "ours": 7}
    assert all(len(clocks) == 2 for rounds in times.values() for clocks in rounds)


def test_the_ratio_is_that_of_paired_rounds_on_the_clock_asked_for(speed):
    # Load that slows both sides of a round alike leaves the ratio, 4, as it is.
    load = [1.0, 3.0, 1.5]
    theirs, ours = [(9.0, 4 * x) for x in load], [(1.0, x) for x in load]
    found = speed.ratio(theirs, ours, clock=1)
    assert found == pytest.approx({"time_ratio": 4, "ratio_low": 4, "ratio_high": 4})
    theirs[0] = (9.0, 8.0)
    found = speed.ratio(theirs, ours, clock=1)
    expected = [math.exp(x) for x in mean_interval([math.log(8), math.log(4), math.log(4)])]
    assert list(found.values()) == pytest.approx(expected)
    assert speed.ratio(theirs, ours, clock=0)["time_ratio"] == pytest.approx(9)


def test_without_kymatio_or_a_second_round_there_is_no_ratio(speed):
    nothing = {"time_ratio": None, "ratio_low": None, "ratio_high": None}
    assert speed.ratio(None, [(1.0, 1.0)] * 3, clock=1) == nothing
    assert speed.ratio([(1.0, 1.0)], [(1.0, 1.0)], clock=1) == nothing
