"""Steps about missing values: what they are passed, and what their tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.missing import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("neumiss", {"scale": request.param}).settings)


def test_each_table_has_parts_and_contracts_that_some_table_can_fulfil(plan):
    for name, groups in plan.tables().items():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)
        folder = "accuracy" if name == "accuracy-larger" else name
        assert all(part.startswith(f"{folder}/") and part.endswith(".csv") for part in parts)
        assert all(prod(map(len, group["contract"].values())) > 0 for group in groups)


def test_a_data_set_has_a_part_for_each_number_of_rows_and_seed_and_all_of_its_runs(plan):
    tables = plan.tables()
    smallest, larger = iter(tables["accuracy"]), iter(tables.get("accuracy-larger", []))
    for name, one in plan.settings["datasets"].items():
        for n in one["n_train"]:
            drawn = one["d"] == 10 and n == plan.settings["datasets"]["mcar-10"]["n_train"][0]
            group = next(smallest if drawn else larger)
            contract = group["contract"]
            assert group["parts"] == [
                f"accuracy/{name}-{n}-{seed}.csv" for seed in range(one["n_seeds"])
            ]
            assert contract["dataset"] == [name] and contract["n"] == [n]
            assert set(one["methods"]) < set(contract["run"])
            assert f"neumiss {one['neumiss_sizes'][-1]}" in contract["run"]
            assert len(contract["run"]) == len(one["methods"]) + sum(
                len(one[f"{method}_sizes"]) for method in ("analytic", "neumiss", "mlp")
            )
    assert next(smallest, None) is next(larger, None) is None


def test_a_step_is_passed_what_belongs_to_its_wildcards_without_counts_of_seeds(plan):
    for name, one in plan.settings["datasets"].items():
        passed = plan.accuracy(SimpleNamespace(dataset=name))
        assert passed["rate"] == plan.settings["problems"]["rate"]
        assert passed["d"] == one["d"] == int(name.split("-")[1])
        assert passed["mechanism"] == one["mechanism"] == name.split("-")[0]
        assert not {"n_seeds", "n_train"} & set(passed)
    assert "datasets" not in plan.real()
    assert plan.redrawn()["n_test"] == plan.settings["problems"]["n_test"]
    assert "n_validation" not in plan.redrawn()


def test_every_mechanism_has_what_claims_and_figures_compare(plan):
    small = {one["mechanism"]: one for one in plan.settings["datasets"].values() if one["d"] == 10}
    assert set(small) == {"mcar", "mar", "gaussian", "probit"}
    for one in small.values():
        assert {"bayes", "em", "mice_lr", "zero_lr"} == set(one["methods"])
        assert 3 in one["neumiss_sizes"]
    assert {0, 3, 5} <= set(small["mcar"]["neumiss_sizes"])
    assert 10 in small["mcar"]["analytic_sizes"]
