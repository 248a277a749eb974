"""Steps about posteriors by simulation: what they are passed, and what their tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.inference import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("hnpe", {"scale": request.param}).settings)


def test_each_table_has_parts_and_contracts_that_some_table_can_fulfil(plan):
    for name, groups in plan.tables().items():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)
        assert all(part.startswith(f"{name}/") and part.endswith(".csv") for part in parts)
        assert all(prod(map(len, group["contract"].values())) > 0 for group in groups)


def test_the_toy_model_has_a_part_for_each_seed_with_its_own_numbers(plan):
    toy = plan.settings["toy"]
    groups = plan.tables()["toy"]
    assert len(groups) == toy["n_seeds"]
    for seed, group in enumerate(groups):
        passed = plan.toy(SimpleNamespace(seed=str(seed)))
        numbers = {n for several in passed["n_extra"].values() for n in several}
        assert set(group["contract"]["n_observations"]) == numbers
        assert not {"n_seeds", "first", "others"} & set(passed)


def test_what_is_shown_and_tested_is_trained(plan):
    toy, neural = plan.settings["toy"], plan.settings["jansen-rit"]
    trained = set(toy["first"]["factorised"])
    assert {toy["calibrated"], *toy["shown"]} <= trained
    assert {0, 10} <= set(neural["n_extra"])
    for truth in neural["truths"]:
        assert len(truth) == len(neural["prior"])


def test_simulations_do_not_depend_on_trainings(plan):
    assert set(plan.simulate()) == {"prior", "truths", "simulations", "n_segments"}
    assert "simulations" not in plan.jansen_rit()
    assert plan.eeg()["prior"] == plan.settings["jansen-rit"]["prior"]
    assert plan.simulate()["n_segments"] == plan.settings["eeg"]["block"]
