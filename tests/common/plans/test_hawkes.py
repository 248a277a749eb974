"""Steps about Hawkes processes: what they are passed, and what their tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.hawkes import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("hawkes-meg", {"scale": request.param}).settings)


def test_each_table_has_parts_and_a_contract_that_some_table_can_fulfil(plan):
    for name, groups in plan.tables().items():
        (group,) = groups
        assert group["parts"] and len(set(group["parts"])) == len(group["parts"])
        assert all(part.startswith(f"{name}/") for part in group["parts"])
        assert prod(map(len, group["contract"].values())) > 0


def test_the_simulated_records_of_the_grid_are_one_part_per_kernel_and_length():
    settings = steps.of("hawkes-meg", {"scale": "embedded"}).settings
    (group,) = Plan(settings).tables()["discretization"]
    assert len(group["parts"]) == 3 * 2
    assert "discretization/raised-cosine-1000.csv" in group["parts"]
    assert group["contract"]["T"] == [1000, 10000]


def test_a_step_is_passed_what_belongs_to_its_wildcards(plan):
    settings = plan.settings
    wildcards = SimpleNamespace(kernel="raised-cosine", end_time="1000", dataset="driven")
    assert plan.truth(wildcards) == settings["kernels"]["raised-cosine"]
    assert plan.bivariate(wildcards) == settings["bivariate"]["raised-cosine"]
    assert plan.n_seeds(wildcards) == settings["discretization"]["n_seeds"][1000]
    assert plan.latency(wildcards)["support"] == [0.03, 0.5]
    assert plan.latency(wildcards)["block"] == settings["latency"]["resampling"]["block"]
    assert "sizes" not in plan.nonparametric()
    assert plan.recording(SimpleNamespace(dataset="sample"))["line"] == 60
    assert plan.driven()["support"] == [0.03, 0.5]
    assert plan.recovery() == {
        **plan.driven(),
        **settings["latency"]["recovery"],
        "delta": settings["latency"]["delta"],
    }
    assert plan.shown(wildcards) == settings["kernels"][settings["nonparametric"]["kernel"]]
    assert list(plan.pick("likelihood", "deltas", "n_seeds")) == ["deltas", "n_seeds"]
