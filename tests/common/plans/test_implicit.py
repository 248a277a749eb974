"""Steps about gradients of minima: what they are passed, and what their tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.implicit import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("super-efficiency", {"scale": request.param}).settings)


def test_each_table_has_parts_and_contracts_that_some_table_can_fulfil(plan):
    for name, groups in plan.tables().items():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)
        assert all(part.startswith(f"{name}/") and part.endswith(".csv") for part in parts)
        assert all(prod(map(len, group["contract"].values())) > 0 for group in groups)


def test_each_kind_of_problem_has_its_own_seeds():
    settings = steps.of("super-efficiency", {"scale": "embedded"}).settings
    groups = Plan(settings).tables()["rates"]
    assert [group["parts"] for group in groups] == [
        [f"rates/{name}.csv"] for name in ("ridge", "logistic", "p-norm", "wasserstein")
    ]
    assert [len(group["contract"]["seed"]) for group in groups] == [20, 20, 10, 20]


def test_barycentres_are_asked_for_every_gradient_and_number_of_iterations(plan):
    tables, descent = plan.tables(), plan.settings["barycenters"]["descent"]
    for group in tables["barycenter"]:
        assert group["contract"]["gradient"] == ["analytic", "automatic"]
        assert group["contract"]["n_inner"] == descent["n_inner"]
    for group in tables["barycenter-curves"]:
        assert group["contract"]["unit"] == [0]
    for group in tables["barycenter-weights"]:
        assert "gradient" not in group["contract"]


def test_floors_are_asked_for_every_step_problem_and_repetition(plan):
    floors = plan.settings["sgd"]["floors"]
    (group,) = plan.tables()["sgd-floors"]
    assert group["contract"]["step"] == floors["steps"]
    assert group["contract"]["problem"] == list(range(floors["n_problems"]))
    assert group["contract"]["repetition"] == list(range(floors["n_repetitions"]))
    (decay,) = plan.tables()["sgd-decay"]
    assert decay["contract"]["iteration"] == [1, plan.settings["sgd"]["decay"]["n_iter"]]


def test_a_step_is_passed_what_belongs_to_its_wildcards(plan):
    gradients, barycenters = plan.settings["gradients"], plan.settings["barycenters"]
    passed = plan.problem(SimpleNamespace(problem="p-norm"))
    assert passed == gradients["problems"]["p-norm"] | {"n_kept": gradients["n_kept"]}
    passed = plan.barycenter(SimpleNamespace(dataset="digits"))
    assert passed == barycenters["descent"] | barycenters["datasets"]["digits"]
    assert passed["mixed_in"] == 0.01
