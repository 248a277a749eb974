"""Steps about SPD matrices: what they are passed, and what their tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.spd import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("spd-sliced-wasserstein", {"scale": request.param}).settings)


def test_each_table_has_parts_and_a_contract_that_some_table_can_fulfil(plan):
    for groups in plan.tables().values():
        (group,) = groups
        assert group["parts"] and len(set(group["parts"])) == len(group["parts"])
        assert prod(map(len, group["contract"].values())) > 0


def test_a_pair_of_domains_is_adapted_in_each_way():
    settings = steps.of("spd-sliced-wasserstein", {"scale": "embedded"}).settings
    (group,) = Plan(settings).tables()["domain-adaptation"]
    assert "adaptation/blinks_aeon-blink-train_aeon-blink-test_particles.csv" in group["parts"]
    assert len(group["parts"]) == 2 * 2


def test_the_cohort_is_simulated_or_in_parts():
    plans = {
        scale: Plan(steps.of("spd-sliced-wasserstein", {"scale": scale}).settings)
        for scale in ("embedded", "paper")
    }
    assert plans["embedded"].cohort() == ["simulated"]
    parts = plans["paper"].settings["cohort"]["parts"]
    assert plans["paper"].cohort() == [f"camcan-{part}" for part in range(parts)]


def test_an_alignment_is_passed_the_step_of_its_task_and_way(plan):
    task = next(iter(plan.settings["adaptation"]["tasks"]))
    for mode in plan.settings["adaptation"]["modes"]:
        found = plan.adaptation(SimpleNamespace(task=task, mode=mode))
        assert found["lr"] == plan.settings["adaptation"]["tasks"][task]["lr"][mode]
        assert set(found) == {"methods", "n_projections", "n_steps", "n_seeds", "lr"}
