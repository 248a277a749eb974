"""Steps about phase harmonics: their units, and what their tables hold."""

from types import SimpleNamespace

import pytest

from common.plans.harmonics import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def settings(request):
    return steps.of("phase-harmonics", {"scale": request.param}).settings


def test_each_table_has_parts_of_its_own(settings):
    for groups in Plan(settings).tables().values():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)


def test_runs_are_those_of_their_covariances():
    settings = steps.of("phase-harmonics", {"scale": "embedded"}).settings
    plan = Plan(settings)
    runs = {group["contract"]["dj"][0]: group["contract"]["run"] for group in plan.tables()["psnr"]}
    assert runs == {0: [0, 1, 2], 1: [0, 1, 2], 3: [0]}
    assert plan.reconstruction(SimpleNamespace(dj="3"))["n_runs"] == 1


def test_numbers_of_runs_must_fit():
    settings = steps.of("phase-harmonics", {"scale": "embedded"}).settings
    changed = settings | {"reconstruction": settings["reconstruction"] | {"n_runs": [1]}}
    with pytest.raises(ValueError, match="shorter"):
        Plan(changed).tables()


def test_more_covariances_leave_the_jobs_of_the_others_as_they_were(settings):
    more = settings["reconstruction"] | {"dj": [0, 1, 7], "n_runs": [9, 9, 9]}
    less = settings["reconstruction"] | {"dj": [1], "n_runs": [9]}
    of_one = [
        Plan(settings | {"reconstruction": one}).reconstruction(SimpleNamespace(dj=1))
        for one in (more, less)
    ]
    assert of_one[0] == of_one[1] and of_one[0]["n_runs"] == 9


def test_models_of_each_process_stand_in_the_table(settings):
    groups = Plan(settings).tables()["errors"]
    by_process = {group["contract"]["process"][0]: group["contract"]["model"] for group in groups}
    assert by_process["turbulence"] == ["A", "B", "C", "D", "observed", "fresh"]
    assert by_process["gaussian"] == ["A", "B", "observed", "fresh"]


def test_a_process_does_not_depend_on_settings_of_the_other(settings):
    plan = Plan(settings)
    turbulence, gaussian = (
        plan.fields(SimpleNamespace(process=name)) for name in ("turbulence", "gaussian")
    )
    assert set(turbulence) | set(gaussian) == set(settings["fields"])
    assert "viscosity" in turbulence and "viscosity" not in gaussian
    assert "slope" in gaussian and "slope" not in turbulence
