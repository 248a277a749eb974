"""Steps about scattering transforms: their inputs, and what their tables hold."""

from types import SimpleNamespace

from common.plans.scattering import Plan
from common.workflow import steps


def test_the_table_of_times_holds_every_case_of_the_scale():
    settings = steps.of("kymatio-scattering", {"scale": "embedded"}).settings
    (group,) = Plan(settings, "derived").tables()["speed"]
    assert group["parts"] == ["speed/cases.csv", "speed/sweep.csv"]
    assert group["contract"]["case"] == settings["speed"]["cases"] + settings["speed"]["sweep"]


def test_molecules_come_from_the_registry_and_their_coefficients_in_chunks():
    settings = steps.of("kymatio-scattering", {"scale": "embedded"}).settings
    plan, wildcards = Plan(settings, "derived"), SimpleNamespace(molecule_set="g2")
    assert len(plan.molecules(wildcards)) == 2
    chunks = settings["molecules"]["chunks"]
    assert plan.features(wildcards) == [f"derived/g2/{chunk}.npz" for chunk in range(chunks)]
