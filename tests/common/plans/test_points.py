"""Steps about point patterns: their units, and what their tables hold."""

from types import SimpleNamespace

import pytest

from common.plans.points import JUDGED, MODELS, PROCESSES, Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def settings(request):
    return steps.of("particle-gradient", {"scale": request.param}).settings


def test_each_table_has_parts_of_its_own(settings):
    for groups in Plan(settings, "derived").tables().values():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)


def test_every_model_of_every_pattern_stands_in_the_tables(settings):
    plan = Plan(settings, "derived")
    (energies,), (errors,) = (plan.tables()[name] for name in ("energies", "errors"))
    assert energies["contract"]["pattern"] == list(range(settings["n_patterns"]))
    assert energies["contract"]["model"] == MODELS
    assert errors["contract"]["model"] == JUDGED
    assert len(energies["parts"]) == len(plan.processes) * settings["n_patterns"]


def test_processes_are_known_ones_in_their_order(settings):
    known = [name for name in PROCESSES if name in Plan(settings, "derived").processes]
    assert Plan(settings, "derived").processes == known


def test_a_process_does_not_depend_on_settings_of_the_others():
    plan = Plan(steps.of("particle-gradient", {"scale": "embedded"}).settings, "derived")
    voronoi, turbulence = (
        plan.simulation(SimpleNamespace(process=name)) for name in ("voronoi", "turbulence")
    )
    assert set(voronoi) == {"cells", "rate", "n_patterns", "n_fresh"}
    assert "viscosity" in turbulence and "cells" not in turbulence


def test_a_judge_reads_the_syntheses_of_its_process_alone(settings):
    paths = Plan(settings, "derived").syntheses(SimpleNamespace(process="turbulence"))
    assert paths[0] == "derived/syntheses-turbulence-0.npz"
    assert len(paths) == settings["n_patterns"]


def test_what_is_shown_is_computed(settings):
    shown = settings["shown"]
    assert set(shown["processes"]) == set(settings["processes"])
    assert max(shown["patterns"]) < settings["n_patterns"]
    assert max(shown["samples"]) < settings["n_samples"]
