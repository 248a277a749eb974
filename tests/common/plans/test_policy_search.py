"""Steps of policy search: what they are passed, and what their tables hold."""

from math import prod

import pytest

from common.plans.policy_search import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("cadda", {"scale": request.param}).settings, "data/derived/cadda/x")


def test_each_table_has_parts_and_contracts_that_some_table_can_fulfil(plan):
    for groups in plan.tables().values():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)
        assert all(prod(map(len, group["contract"].values())) > 0 for group in groups)


def test_given_policies_and_searches_share_data_and_recipe_and_nothing_else(plan):
    given, searches = plan.given(), plan.searches()
    assert given.keys() & searches.keys() == {"sizes", "fit"}
    assert given["sizes"] == searches["sizes"] and given["fit"] == searches["fit"]
    assert "n_seeds" not in given | searches


def test_the_table_of_sleep_has_every_policy(plan):
    (group,) = plan.tables()["real"]
    expected = {"none", *plan.settings["real"]["operations"], *plan.settings["real"]["searches"]}
    assert set(group["contract"]["policy"]) == expected


def test_sleep_reads_one_file_or_one_per_subject(plan):
    subjects = plan.settings["real"]["subjects"]
    assert len(plan.windows()) == max(1, len(subjects))
    assert all(path.endswith(".npz") for path in plan.windows())
    assert "subjects" not in plan.real()
