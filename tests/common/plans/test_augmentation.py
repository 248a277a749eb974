"""Steps of the study of augmentations: inputs, fits, and what their tables hold."""

from types import SimpleNamespace

import pytest

from common.plans.augmentation import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("eeg-augmentation", {"scale": request.param}).settings, "derived")


def test_each_job_is_a_part_of_the_tables_of_its_experiment(plan):
    tables = plan.tables()
    for table, (folder, experiment) in {
        "curves": ("scores", "curves"),
        "class-scores": ("class-scores", "curves"),
        "search": ("scores", "search"),
    }.items():
        parts = [part for group in tables[table] for part in group["parts"]]
        assert sorted(parts) == sorted(
            f"{folder}/{name}.csv" for name in plan.jobs if name.startswith(f"{experiment}/")
        )


def test_a_job_is_passed_its_fits_and_reads_its_windows(plan):
    for name in list(plan.jobs)[:20]:
        experiment, dataset, part = name.split("/")
        wildcards = SimpleNamespace(experiment=experiment, dataset=dataset, part=part)
        fits = plan.fits(wildcards)
        assert {one["fold"] for one in fits} == set(plan.jobs[name]["folds"])
        windows = plan.windows(wildcards)
        assert len(windows) in (1, len(plan.jobs[name]["folds"]))
        assert all(file.startswith("derived/") for file in windows)
        assert "per_job" not in plan.training(wildcards)


def test_a_data_set_that_the_scale_does_not_have_is_prepared_with_nothing():
    plan = Plan(steps.of("eeg-augmentation", {"scale": "embedded"}).settings, "derived")
    assert plan.preparation("bnci2014-001") == {}
    assert plan.nights() == []
    assert plan.night() == {"length": None, "high": None}
    plan = Plan(steps.of("eeg-augmentation", {"scale": "paper"}).settings, "derived")
    assert len(plan.nights()) == len(plan.preparation("sleep-physionet")["subjects"])
