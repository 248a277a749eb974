"""Steps about processes in the plane: what they are passed, and what tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.space_time import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("space-time-hawkes", {"scale": request.param}).settings)


def test_each_table_has_parts_and_contracts_that_some_table_can_fulfil(plan):
    for name, groups in plan.tables().items():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)
        assert all(part.startswith(f"{name}/") and part.endswith(".csv") for part in parts)
        assert all(prod(map(len, group["contract"].values())) > 0 for group in groups)


def test_each_length_has_records_of_its_own(plan):
    for group in plan.tables()["recovery"]:
        contract = group["contract"]
        (process,), (end_time,) = contract["process"], contract["end_time"]
        (size,) = contract["size"]
        job = SimpleNamespace(process=process, size=str(size), end_time=str(end_time))
        passed = plan.recovery(job)
        assert contract["seed"] == list(range(passed["n_seeds"]))
        assert contract["grid"] == ["x".join(f"{s:g}" for s in grid) for grid in passed["grids"]]
        assert passed["process"] == plan.settings["processes"][process]


def test_a_cut_does_not_rerun_the_others_or_the_preparation(plan):
    cuts = plan.settings["ridgecrest"]["cuts"]
    for cut, values in cuts.items():
        passed = plan.ridgecrest(SimpleNamespace(cut=cut))
        assert passed["cut"] == list(values.values())
        assert not {"cuts", "origin"} & set(passed)
    assert set(plan.prepare()) == {"origin", "half_widths", "duration"}


def test_the_number_of_iterations_is_of_the_process_that_is_named(plan):
    cost, (group,) = plan.settings["cost"], plan.tables()["cost"]
    assert plan.cost()["process"] == plan.settings["processes"][cost["process"]]
    assert group["contract"]["end_time"] == plan.cost()["end_times"]


def test_psi_is_counted_for_the_process_that_is_named(plan):
    psi = plan.settings["psi"]
    assert plan.psi()["process"] == plan.settings["processes"][psi["process"]]
    assert not {"sizes", "end_times"} & set(plan.psi())
