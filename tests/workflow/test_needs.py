"""What a job needs and with which it is submitted, on the way from paper.yaml to Snakemake."""

import importlib.util

import pytest

pytestmark = pytest.mark.workflow

SCALE = "results/toy/embedded/scores/max-1.json"


def asked(repository, target, *options):
    """Resources of the job of a target, from Snakemake's own log of a run."""
    repository.snakemake("-j1", "--force", target, *options)
    log = max((repository / ".snakemake/log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    (line,) = (line for line in log.read_text().splitlines() if line.startswith("    resources: "))
    return dict(pair.split("=") for pair in line.removeprefix("    resources: ").split(", "))


def test_another_group_or_resource_reruns_nothing(repository):
    assert repository.jobs("-n") == set()
    repository.edit(
        "papers/toy/rules.smk",
        '-{{seed}}.json",\n    params:',
        '-{{seed}}.json",\n    group:\n        "scores"\n    params:',
    )
    repository.edit(
        "papers/toy/paper.yaml",
        "scales:\n",
        "resources: {scale: {mem_mb: 900, runtime: 77}, figure_bars: {mem_mb: 700}}\nscales:\n",
    )
    assert repository.jobs("-n") == set()
    assert repository.jobs("-n", "--config", "device=cpu") == set()


def test_what_a_step_states_comes_before_what_a_profile_gives_all(repository):
    defaults = ["--default-resources", "mem_mb=4000", "runtime=60", "slurm_account='lab'"]
    found = asked(repository, SCALE, *defaults)
    assert (found["mem_mb"], found["runtime"], found["slurm_account"]) == ("500", "10", "lab")
    changed = ["--set-resources", "toy_scale:mem_mb=800", "--", SCALE]
    assert asked(repository, changed.pop(), *defaults, *changed[:2])["mem_mb"] == "800"


def test_a_step_that_uses_a_gpu_where_it_finds_one_asks_for_one(repository):
    assert "gpu" not in asked(repository, SCALE)
    line = '        notebook=paper.notebook("2-scale.ipynb"),\n'
    repository.edit("papers/toy/rules.smk", line, f"{line}        device=paper.device,\n")
    repository.edit(
        "papers/toy/2-scale.ipynb", '"pause = 0.0"', '"pause = 0.0\\n",\n    "device = \\"auto\\""'
    )
    assert asked(repository, SCALE)["gpu"] == "1"
    assert "gpu" not in asked(repository, SCALE, "--config", "device=cpu")


def test_the_profile_of_slurm_sees_the_same_jobs(clone):
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        with pytest.raises(AssertionError, match="make slurm"):
            clone.snakemake("-n", "--workflow-profile", "profiles/slurm")
        pytest.skip("needs make slurm")
    assert clone.jobs("-n", "--workflow-profile", "profiles/slurm") == clone.jobs("-n")
