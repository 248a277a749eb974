"""Steps about transforms and factorisations: their units, and what their tables hold."""

from math import prod

import pytest

from common.plans.factorisation import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("tl-nmf", {"scale": request.param}).settings)


def test_each_table_has_parts_and_contracts_that_some_table_can_fulfil(plan):
    for groups in plan.tables().values():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)
        assert all(prod(map(len, group["contract"].values())) > 0 for group in groups)


def test_signals_may_be_fewer_where_realisations_are_many():
    settings = steps.of("tl-nmf", {"scale": "embedded"}).settings
    notes = settings["notes"] | {"realisations": [1, 100], "n_signals": [2, 1]}
    tables = Plan(settings | {"notes": notes}).tables()
    assert [group["parts"] for group in tables["notes"]] == [
        ["notes/1-0.csv", "notes/1-1.csv"],
        ["notes/100-0.csv"],
    ]
    contracts = [group["contract"] for group in tables["atoms"]]
    assert [one["n_realisations"] for one in contracts] == [[1], [100]]
    assert [one["signal"] for one in contracts] == [[0, 1], [0]]
    assert contracts[0]["rank"] == list(range(8))


def test_numbers_of_signals_must_fit():
    settings = steps.of("tl-nmf", {"scale": "embedded"}).settings
    notes = settings["notes"] | {"n_signals": [1]}
    with pytest.raises(ValueError, match="shorter"):
        Plan(settings | {"notes": notes}).tables()


@pytest.mark.parametrize(
    ("family", "key", "more"),
    [("composite", "n_draws", 20), ("notes", "n_signals", [9, 9, 9]), ("notes", "shown", {})],
)
def test_more_draws_and_signals_leave_the_jobs_of_the_others_as_they_were(family, key, more):
    settings = steps.of("tl-nmf", {"scale": "embedded"}).settings
    changed = settings | {family: settings[family] | {key: more}}
    first, second = Plan(settings), Plan(changed)
    for name in ("frames", "comparison", "notes"):
        assert getattr(first, name)() == getattr(second, name)()
    assert "n_starts" not in first.frames()
    assert first.comparison()["n_starts"] == settings["composite"]["n_starts"]
    assert first.notes()["sfreq"] == settings["notes"]["sfreq"]
