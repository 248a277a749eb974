"""Steps about rectifiers and textures: their units, and what their tables hold."""

from types import SimpleNamespace

import pytest

from common.plans.textures import MODELS, SIMULATED, Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def settings(request):
    return steps.of("rectifier-textures", {"scale": request.param}).settings


def test_each_table_has_parts_of_its_own(settings):
    tables = Plan(settings).tables()
    parts = [part for groups in tables.values() for group in groups for part in group["parts"]]
    assert len(set(parts)) == len(parts)
    assert tables["scores"][0]["contract"]["model"] == MODELS
    assert f"colors/{next(iter(settings['color']['textures']))}.csv" in parts


def test_a_texture_is_read_or_drawn(settings):
    plan = Plan(settings)
    for name in settings["textures"] | settings["color"]["textures"]:
        files = plan.pictures(SimpleNamespace(texture=name))
        assert bool(files) == (name not in SIMULATED)
        assert all(path.startswith("data/raw/skimage-") for path in files)


def test_a_texture_depends_on_its_own_settings(settings):
    changed = settings | {"textures": settings["textures"] | {"mosaic": {"n_cells": 7}}}
    for name in set(settings["textures"]) - {"mosaic"}:
        job = SimpleNamespace(texture=name)
        assert Plan(changed).texture(job) == Plan(settings).texture(job)
    assert Plan(changed).texture(SimpleNamespace(texture="mosaic"))["n_cells"] == 7


def test_more_textures_leave_the_syntheses_of_others_as_they_were(settings):
    fewer = settings | {"textures": {}}
    fewer["color"] = settings["color"] | {"textures": {}}
    assert Plan(fewer).synthesis() == Plan(settings).synthesis()
    assert Plan(fewer).color() == Plan(settings).color()
    assert "textures" not in Plan(settings).color()


def test_a_texture_may_have_a_size_of_its_own():
    plan = Plan(steps.of("rectifier-textures", {"scale": "paper"}).settings)
    sizes = [plan.texture(SimpleNamespace(texture=name))["size"] for name in ("wood", "tissue")]
    assert sizes == [128, 256]
