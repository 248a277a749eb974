"""Steps about structured and spurious events: what they are passed, and what tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.mixture import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("unhap", {"scale": request.param}).settings)


def test_each_table_has_parts_and_contracts_that_some_table_can_fulfil(plan):
    for name, groups in plan.tables().items():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)
        assert all(part.startswith(f"{name}/") and part.endswith(".csv") for part in parts)
        assert all(prod(map(len, group["contract"].values())) > 0 for group in groups)


def test_each_structure_has_a_job_for_each_length_and_rate_of_noise(plan):
    noise = plan.settings["noise"]
    groups = plan.tables()["noise"]
    assert len(groups) == len(noise["structures"])
    for group in groups:
        assert len(group["parts"]) == len(noise["end_times"]) * len(noise["noises"])
        (structure,) = group["contract"]["structure"]
        passed = plan.noise(SimpleNamespace(structure=structure))
        assert passed["adjacency"] == noise["structures"][structure]
        assert (
            not {"end_times", "noises"} & set(passed)
            and passed["kernel"] == plan.settings["kernel"]
        )


def test_each_slot_is_rated_without_spurious_events_too(plan):
    groups = plan.tables()["heart-rate"]
    assert [group["contract"]["slot"] for group in groups] == [
        [slot] for slot in range(plan.settings["ecg"]["n_slots"])
    ]
    assert all(group["contract"]["spurious"][0] == 0 for group in groups)


def test_what_the_fit_needs_does_not_rerun_the_search_for_events(plan):
    assert not {"fit", "spurious"} & set(plan.events())
    assert "atom" not in plan.heart_rate()
    assert "end_times" not in plan.labels()
