"""Steps about dictionaries: what they are passed, and what their tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.dictionary import Plan
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
