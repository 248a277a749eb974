"""Steps of domain adaptation: what they read and are passed."""

from types import SimpleNamespace

import pytest

from common.plans.adaptation import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("skada-bench", {"scale": request.param}).settings, "results")


def test_every_fit_knows_all_that_it_is_passed(plan):
    for file in plan.timings():
        _, _, dataset, unit, method = file.removesuffix(".csv").split("/")
        wildcards = SimpleNamespace(dataset=dataset, unit=unit, method=method)
        assert plan.specification(wildcards)
        assert plan.shifts(wildcards)
        assert plan.n_outer(wildcards) > 0
        assert file.replace(".csv", ".npz") in plan.evaluations(wildcards)
        assert method in plan.fitted()[dataset]
        assert set(plan.shifts(wildcards)) <= set(plan.all_shifts(wildcards))
        assert plan.raw(wildcards) == [] or plan.raw(wildcards)[0].startswith("data/raw/")


def test_some_methods_get_fewer_splits():
    settings = {"datasets": {"a": {"n_outer": 5, "n_outer_of": {"slow": 2}}}}
    plan = Plan(settings, "results")
    asked = [plan.n_outer(SimpleNamespace(dataset="a", method=m)) for m in ("slow", "quick")]
    assert asked == [2, 5]


def test_some_methods_are_trained_on_fewer_samples():
    settings = {"datasets": {"large": {"subsample_of": {"ent-ot": 300}}, "small": {}}}
    plan = Plan(settings, "results")
    asked = {
        (dataset, method): plan.specification(SimpleNamespace(dataset=dataset, method=method))
        for dataset in ("large", "small")
        for method in ("ent-ot", "lin-ot")
    }
    assert asked.pop(("large", "ent-ot")) == {**plan.methods["ent-ot"], "subsample": 300}
    assert all("subsample" not in entry for entry in asked.values())


def test_deep_methods_are_trained_once_per_subject():
    settings = steps.of("skada-bench", {"scale": "paper"}).settings
    plan = Plan(settings, "results")
    dataset, one = next(iter(settings["deep"].items()))
    wildcards = SimpleNamespace(dataset=dataset, subject=one["subjects"][0])
    assert len(plan.deep_evaluations(wildcards)) == len(one["subjects"]) * len(one["methods"])
    assert plan.deep_receipt(wildcards) == f"data/raw/{one['data']}-{one['subjects'][0]}.json"
    assert plan.deep_shifts(wildcards) == [str(subject) for subject in one["subjects"]]
    assert plan.network(wildcards) == one["network"]
