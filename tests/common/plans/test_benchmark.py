"""Steps of the study of pipelines: pieces, their inputs, and what their tables hold."""

from types import SimpleNamespace

import pytest

from common import files
from common.plans.benchmark import Plan, read_columns
from common.workflow import steps

SETS = "papers/moabb/published/paper_datasets.csv"


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    settings = steps.of("moabb", {"scale": request.param}).settings
    return Plan(settings, read_columns(SETS))


def test_columns_are_those_that_pandas_reads():
    table, columns = files.read_csv(SETS), read_columns(SETS)
    assert list(columns) == list(table)
    for name in ("dataset", "subjects"):
        assert columns[name] == table[name].astype(str).tolist()


def test_each_piece_is_a_part_of_both_tables_once(plan):
    tables = plan.tables()
    assert set(tables) == {"scores", "times"}
    for name, groups in tables.items():
        parts = [part for group in groups for part in group["parts"]]
        assert sorted(parts) == sorted(f"{name}/{piece}.csv" for piece in plan.pieces)


def test_the_papers_scale_has_every_published_cell():
    settings = steps.of("moabb", {"scale": "paper"}).settings
    plan = Plan(settings, read_columns(SETS))
    cells = {tuple(name.split("/")[:2]) for name in plan.pieces}
    assert len(cells) == 47
    assert len({dataset for _, dataset in cells}) == 36
    inputs = {file for name in plan.pieces for file in plan.raw(SimpleNamespace(piece=name))}
    assert len({file.rpartition("-")[0] for file in inputs}) == 36  # the rest is the subject


def test_a_job_is_passed_what_belongs_to_its_piece(plan):
    for name in list(plan.pieces)[:50]:
        wildcards = SimpleNamespace(piece=name)
        piece = plan.piece(wildcards)
        assert name.startswith(f"{piece['paradigm']}/{piece['dataset']}/{piece['subject']}/")
        assert plan.minutes(wildcards) > 0
        assert all(file.startswith("data/raw/") for file in plan.raw(wildcards))


def test_minutes_of_a_group_come_before_the_default():
    settings = {
        "benchmark": {
            "left_right": {
                "pipelines": ["CSP+LDA"],
                "datasets": {"Simulated-3": {"name": "Simulated", "subjects": 1}},
            }
        },
        "minutes": {"default": 5, "quick": 7},
    }
    plan = Plan(settings, {"dataset": [], "subjects": []})
    assert plan.minutes(SimpleNamespace(piece="left_right/Simulated-3/1/quick")) == 7
