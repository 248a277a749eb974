"""Steps about events: what they are passed."""

from types import SimpleNamespace

import pytest

from common.plans.events import Plan
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    paper = steps.of("dance", {"scale": request.param})
    return Plan(paper.settings, "derived", "results")


def job(plan, name):
    """Wildcards of a training from the name of a file that it writes."""
    _, _, dataset, name = name.removesuffix(".csv").split("/")
    method, fold, seed = name.rsplit("-", 2)
    return SimpleNamespace(dataset=dataset, method=method, fold=fold, seed=seed)


def test_every_training_knows_all_that_it_is_passed(plan):
    trained = [job(plan, name) for name in plan.files("scores")]
    assert len({vars(one)["dataset"] for one in trained}) == len(plan.datasets)
    for one in trained:
        assert plan.window(one) > 0
        assert plan.rate(one) > 0
        assert plan.recordings(one)
        if one.method in ("sliding", "onset-informed"):
            assert set(plan.baseline(one)) == {"split", "minimum", "classifier"}
            continue
        assert plan.stages(one)
        assert plan.n_queries(one) > 0
        assert plan.weights(one).endswith(f"-{one.fold}-{one.seed}.npz")
        assert plan.terms(one) == {} or one.method.startswith("ablation-")


def test_an_ablation_takes_its_variants_settings_first():
    paper = steps.of("dance", {"scale": "paper"})
    plan = Plan(paper.settings, "derived", "results")
    wildcards = SimpleNamespace(dataset="BNCI2014_001", fold="1", seed="33")
    wildcards.method = "ablation-16-s-windows"
    assert (plan.window(wildcards), plan.n_queries(wildcards)) == (16, 10)
    assert plan.weights(wildcards) == "results/encoders/BNCI2014_001-trained-16-1-33.npz"
    assert plan.stages(wildcards) == paper.settings["ablations"]["stages"]
    wildcards.method = "ablation-no-dense-term"
    assert plan.terms(wildcards) == {"weight_dense": 0.0}
    assert plan.window(wildcards) == paper.settings["datasets"]["BNCI2014_001"]["window"]
    wildcards.method = "dance"
    assert plan.stages(wildcards) == plan.datasets["BNCI2014_001"]["stages"]["dance"]


def test_recordings_are_one_file_per_subject_split_or_data_set():
    settings = steps.of("dance", {"scale": "paper"}).settings
    plan = Plan(settings, "derived", "results")
    found = plan.recordings(SimpleNamespace(dataset="BNCI2014_001"))
    assert (len(found), found[0]) == (9, "derived/BNCI2014_001/1.npz")
    found = plan.recordings(SimpleNamespace(dataset="TUSZ"))
    assert found == [f"derived/TUSZ/{split}.npz" for split in ("train", "dev", "eval")]
    wildcards = SimpleNamespace(dataset="BNCI2014_001", subject="3")
    assert plan.receipt(wildcards) == "data/raw/bnci2014-001-3.json"
    assert plan.preparation("simulated", "sfreq") == {}


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("embedded", ("simulated", "dance")),
        ("paper", ("BNCI2014_001", "ablation-reference")),
    ],
)
def test_only_the_reference_of_the_ablations_is_decoded_in_other_ways(scale, expected):
    settings = steps.of("dance", {"scale": scale}).settings
    plan = Plan(settings, "derived", "results")
    asked = {
        (dataset, method): bool(plan.decodings(SimpleNamespace(dataset=dataset, method=method)))
        for dataset in plan.datasets
        for method in ("dance", "dense", "ablation-reference", "ablation-no-dense-term")
    }
    assert [key for key, decoded in asked.items() if decoded] == [expected]
