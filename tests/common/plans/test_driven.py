"""Steps about driven processes: what they are passed, and what their tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.driven import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("dripp", {"scale": request.param}).settings)


def test_each_table_has_parts_and_a_contract_that_some_table_can_fulfil(plan):
    tables = plan.tables()
    assert set(tables) == {"recovery", "time", "responses", "thresholds", "supports", "atoms"}
    for groups in tables.values():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)
        assert all(prod(map(len, group["contract"].values())) > 0 for group in groups)


def test_records_of_each_length_are_a_part_with_both_kernels():
    settings = steps.of("dripp", {"scale": "embedded"}).settings
    (group,) = Plan(settings).tables()["recovery"]
    assert group["parts"][3] == "recovery/1000.csv" and len(group["parts"]) == 7
    assert group["contract"]["kernel"] == ["wide", "sharp"]
    assert group["contract"]["seed"] == list(range(settings["recovery"]["n_seeds"]))


def test_driven_and_undriven_processes_have_records_of_their_own(plan):
    numbers = plan.settings["responses"]
    for group in plan.tables()["responses"]:
        (process,) = group["contract"]["process"]
        driven = process in {"auditory", "visual"}
        expected = numbers["n_driven" if driven else "n_undriven"]
        assert group["contract"]["record"] == list(range(expected))
        passed = plan.responses(SimpleNamespace(process=process))
        assert passed == {
            "session": plan.settings["session"],
            "n_records": expected,
            "n_shifts": numbers["n_shifts"],
        }


def test_a_step_is_passed_what_it_reads_and_no_more(plan):
    settings = plan.settings
    assert set(plan.recovery()) == {"truth", "kernels", "shares", "n_seeds"}
    time = plan.time()
    assert time["sigma"] == settings["recovery"]["kernels"][settings["time"]["kernel"]]
    assert time["truth"] == settings["recovery"]["truth"] and "kernel" not in time
    assert plan.session() == settings["session"]
    assert set(plan.thresholds()) == {"session", "n_records", "percentiles", "activations"}
    assert set(plan.supports()) == {"session", "n_records", "uppers"}
    assert plan.recording(SimpleNamespace(dataset="somato"))["threshold"] == 1e-10
    atoms = plan.atoms(SimpleNamespace(dataset="somato"))
    assert atoms == {"support": [0, 2]} | settings["atoms"]["resampling"]
