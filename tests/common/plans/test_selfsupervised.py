"""Steps of self-supervised learning: what they are passed, and what their tables hold."""

from math import prod
from types import SimpleNamespace

import pytest

from common.plans.selfsupervised import Plan
from common.workflow import steps


def make(scale):
    return Plan(steps.of("s-jepa", {"scale": scale}).settings, "derived", "results")


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return make(request.param)


def cells(**names):
    return SimpleNamespace(**names)


def test_each_table_has_parts_and_contracts_that_some_table_can_fulfil(plan):
    for name, groups in plan.tables().items():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)
        assert all(part.startswith(f"{name}/") and part.endswith(".csv") for part in parts)
        assert all(prod(map(len, group["contract"].values())) > 0 for group in groups)


def test_classifiers_use_encoders_that_are_trained(plan):
    own = plan.settings["pretraining"]
    trained = {f"results/encoders/{n}-{m}.npz" for n in own["lengths"] for m in own["masks"]}
    for paradigm in plan.settings["downstream"]:
        used = plan.encoders(cells(paradigm=paradigm))
        assert used and set(used) <= trained


def test_learning_runs_have_a_patience_of_fifty(plan):
    assert plan.settings["pretraining"]["patience"] >= 50
    for paradigm in plan.settings["downstream"]:
        assert plan.downstream(cells(paradigm=paradigm))["patience"] >= 50


def test_attention_and_control_are_of_one_encoder(plan):
    own = plan.settings["pretraining"]
    length, mask = own["attention"].split("-")
    shown = plan.pretraining(cells(length=length, mask=mask))
    assert shown["shows_attention"] and shown["control"] == own["control"]
    other = next(str(one) for one in own["masks"] if str(one) != mask)
    rest = plan.pretraining(cells(length=length, mask=other))
    assert not rest["shows_attention"] and rest["control"] == 0


def test_people_of_lee_train_validate_or_are_classified():
    plan = make("paper")
    roles = {plan.lee(cells(paradigm="mi", subject=str(i)))["role"] for i in (1, 41, 48)}
    assert roles == {"train", "valid", "downstream"}
    assert len(plan.recordings()) == 3 * 47
    lee = plan.settings["lee"]
    tested = set(plan.settings["downstream"]["mi"]["subjects"])
    assert not tested & set(lee["train"] + lee["valid"])
    assert make("embedded").recordings() == ["derived/windows/sample.npz"]
    assert plan.examples(cells(paradigm="mi", subject="48")) == "derived/examples/mi-48.npz"
    assert "lengths" in plan.samples()


def test_a_subject_of_lee_is_prepared_from_what_was_downloaded_for_it():
    receipt = make("paper").receipt(cells(paradigm="ssvep", subject="7"))
    assert receipt == "data/raw/lee2019-ssvep-7.json"
