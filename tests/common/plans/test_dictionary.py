"""Steps about dictionaries: what they are passed, and what their tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.dictionary import NystagmusPlan, Plan, RobustPlan, UnrolledPlan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("multivariate-csc", {"scale": request.param}).settings)


def test_each_table_has_parts_and_a_contract_that_some_table_can_fulfil(plan):
    for groups in plan.tables().values():
        (group,) = groups
        assert group["parts"] and len(set(group["parts"])) == len(group["parts"])
        assert prod(map(len, group["contract"].values())) > 0


def test_a_source_is_passed_what_all_share_and_its_own(plan):
    for step in ("scaling", "speed"):
        for source, own in plan.settings[step]["sources"].items():
            passed = plan.source(step)(SimpleNamespace(source=source))
            assert passed.items() >= own.items()
            assert "sources" not in passed and "n_seeds" in passed


def test_atoms_and_harmonics_are_by_source(plan):
    for step, of in (("atoms", plan.atoms), ("harmonics", plan.harmonics)):
        for source, own in plan.settings[step].items():
            assert of(SimpleNamespace(source=source)) == own


@pytest.fixture(params=["smoke", "embedded", "paper"])
def robust(request):
    return RobustPlan(steps.of("rosecdl", {"scale": request.param}).settings)


def test_tables_of_signals_have_parts_and_contracts(robust):
    tables = robust.tables()
    for name, step in {
        "recovery": "contamination", "masks": "contamination", "letters": "letters",
    }.items():  # fmt: skip
        (group,), n_seeds = tables[name], robust.settings[step]["n_seeds"]
        assert group["parts"] == [f"{name}/{seed}.csv" for seed in range(n_seeds)]
        assert group["contract"]["seed"] == list(range(n_seeds))
        assert prod(map(len, group["contract"].values())) > 0
    assert tables["examples"][0]["parts"] == ["examples/0.csv"]  # one is shown
    assert tables["pictures"][0]["parts"] == ["pictures/0.csv"]


@pytest.mark.parametrize("step", ["contamination", "letters"])
def test_a_seed_does_not_know_how_many_there_are(robust, step):
    passed, given = robust.one(step), robust.settings[step]
    assert passed == {key: value for key, value in given.items() if key != "n_seeds"} != given


@pytest.fixture(params=["smoke", "embedded", "paper"])
def nystagmus(request):
    return NystagmusPlan(steps.of("nystagmus-csc", {"scale": request.param}).settings)


def test_tables_of_records_have_a_part_a_seed_and_examples_of_one(nystagmus):
    tables, given = nystagmus.tables(), nystagmus.settings["separation"]
    for name in ("scores", "atoms"):
        (group,) = tables[name]
        assert group["parts"] == [f"{name}/{seed}.csv" for seed in range(given["n_seeds"])]
        assert group["contract"]["seed"] == list(range(given["n_seeds"]))
        assert prod(map(len, group["contract"].values())) > 0
    assert tables["examples"][0]["parts"] == ["examples/0.csv"]
    assert given["shown"] in given["sigmas"]
    assert given.keys() - nystagmus.separation().keys() == {"n_seeds", "enough"}


@pytest.fixture(params=["smoke", "embedded", "paper"])
def unrolled(request):
    return UnrolledPlan(steps.of("unrolled-dictionary", {"scale": request.param}).settings)


def test_tables_of_learned_dictionaries_have_a_part_a_seed(unrolled):
    for name, groups in unrolled.tables().items():
        (group,) = groups
        n_seeds = unrolled.settings[name]["n_seeds"]
        assert group["parts"] == [f"{name}/{seed}.csv" for seed in range(n_seeds)]
        assert group["contract"]["seed"] == list(range(n_seeds))
        assert prod(map(len, group["contract"].values())) > 0


def test_runs_of_batches_are_by_size_and_of_all_samples(unrolled):
    runs = unrolled.tables()["batches"][0]["contract"]["run"]
    sizes = unrolled.settings["batches"]["sizes"]
    assert runs == [*(f"batch-{size}" for size in sizes), "all", "am"]


def test_steps_are_asked_for_up_to_some_iterations(unrolled):
    learning = unrolled.settings["learning"]
    asked = unrolled.tables()["learning"][0]["contract"]["n_iter"]
    assert asked == [n for n in learning["iterations"] if n <= learning["most_with_steps"]]
    assert unrolled.one("learning") == {k: v for k, v in learning.items() if k != "n_seeds"}
