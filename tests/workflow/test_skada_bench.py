"""What reruns when the benchmark of adaptation methods grows: its rules on one simulated shift."""

from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).resolve().parents[2]
TABLE = "results/skada-bench/embedded/tables/accuracy.csv"


def settings(repository):
    return yaml.safe_load((repository / "papers/skada-bench/paper.yaml").read_text())


def change(repository, edit):
    paper = settings(repository)
    edit(paper["scales"]["embedded"])
    paper["scales"].pop("smoke", None)  # differs from settings that may be gone
    (repository / "papers/skada-bench/paper.yaml").write_text(yaml.safe_dump(paper))


def smallest(scale):
    """One shift, one point of each grid, one inner split, two methods besides the references."""
    scale.update(n_inner=1, n_points=1, scorers=["supervised", "importance-weighted"])
    simulated = scale["datasets"]["simulated"]
    simulated.update(
        units={"all": ["covariate"]}, methods=["train-src", "train-tgt", "coral", "lin-ot"]
    )
    scale["datasets"] = {"simulated": simulated}


@pytest.fixture(scope="module")
def skada(other_paper):
    repository = other_paper("skada-bench")
    change(repository, smallest)
    repository.snakemake("-j2", TABLE)
    return repository


def steps(jobs):
    return {job.removeprefix("skada_bench_") for job in jobs}


def test_nothing_to_do_afterwards(skada):
    assert not skada.jobs("-n", TABLE)


def test_a_new_method_fits_that_method_only(skada):
    entries = skada / "common/adaptation/methods.yaml"
    before = entries.read_text(), (skada / "papers/skada-bench/paper.yaml").read_text()
    entries.write_text(
        before[0]
        + "mine: {label: Mine, family: subspace, adapter: sklearn.PCA, grid: {n_components: [1]}}\n"
    )
    change(skada, lambda scale: scale["datasets"]["simulated"]["methods"].append("mine"))
    try:
        assert steps(skada.jobs("-n", TABLE)) == {
            "fit dataset=simulated unit=all method=mine",
            "score dataset=simulated",
            "gather",
        }
    finally:
        entries.write_text(before[0])
        (skada / "papers/skada-bench/paper.yaml").write_text(before[1])


def test_a_new_scorer_fits_nothing(skada):
    before = (skada / "papers/skada-bench/paper.yaml").read_text()
    change(skada, lambda scale: scale["scorers"].append("circular-validation"))
    try:
        jobs = steps(skada.jobs("-n", TABLE))
        assert jobs == {"score dataset=simulated", "gather"}
    finally:
        (skada / "papers/skada-bench/paper.yaml").write_text(before)


def test_a_new_data_set_leaves_the_others_alone(skada):
    before = (skada / "papers/skada-bench/paper.yaml").read_text()
    digits = yaml.safe_load((ROOT / "papers/skada-bench/paper.yaml").read_text())
    digits = digits["scales"]["embedded"]["datasets"]["digits"]
    change(skada, lambda scale: scale["datasets"].update(digits=digits))
    try:
        jobs = steps(skada.jobs("-n", TABLE))
        assert not any("simulated" in job for job in jobs)
        assert "prepare dataset=digits" in jobs and "gather" in jobs
    finally:
        (skada / "papers/skada-bench/paper.yaml").write_text(before)
