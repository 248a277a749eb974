"""Steps of learned augmentation: what they are passed, and what their tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.learned_augmentation import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("augnet", {"scale": request.param}).settings, "data/derived/augnet/x")


def test_each_table_has_parts_and_contracts_that_some_table_can_fulfil(plan):
    for name, groups in plan.tables().items():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)
        assert all(part.startswith(f"{name}/") and part.endswith(".csv") for part in parts)
        assert all(prod(map(len, group["contract"].values())) > 0 for group in groups)


def test_only_the_paper_scale_has_images():
    for scale in ("smoke", "embedded", "paper"):
        plan = Plan(steps.of("augnet", {"scale": scale}).settings, "data")
        assert ("images" in plan.tables()) == (scale == "paper")
        assert ("n_epochs" in plan.images()) == (scale == "paper")


def test_runs_of_the_first_seed_alone_are_those_of_the_first_seed_alone(plan):
    settings = plan.settings["rotations"]
    first, second = (plan.rotations(SimpleNamespace(seed=seed)) for seed in "01")
    assert first["runs"] == settings["every_seed"] + settings["first_seed"]
    assert second["runs"] == settings["every_seed"]
    contracts = [group["contract"] for group in plan.tables()["rotations"]]
    assert [one["run"] for one in contracts[:2]] == [first["runs"], second["runs"]]
    assert first["side"] == settings["side"] and "n_seeds" not in first


def test_steps_on_sinusoids_share_how_these_are_drawn(plan):
    for passed in (plan.shifts(), plan.capacity()):
        assert plan.settings["sinusoids"].items() <= passed.items()
    assert "n_seeds" not in plan.shifts() and "trunks" not in plan.capacity()


def test_staging_reads_one_file_or_one_per_subject(plan):
    staging = plan.settings["staging"]
    if staging["subjects"]:
        expected = [f"data/derived/augnet/x/nights/{one}.npz" for one in staging["subjects"]]
    else:
        expected = ["data/derived/augnet/x/sleep-wake.npz"]
    assert plan.windows() == expected
    assert plan.preparation() == staging["prepare"] and "prepare" not in plan.staging()
