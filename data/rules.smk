# One job per data set of registry.yaml, or subject of it: data/raw/<name>, verified. Papers take these files as input.
import os

from common import registry
from common.workflow import slurm, steps

if config.get(
    "mirror"
):  # not a parameter: where a file came from must not rerun what reads it
    os.environ["ARTIFACTS_MIRROR"] = str(config["mirror"])

ENTRIES = registry.load()
BY_SUBJECT = [name for name, entry in ENTRIES.items() if entry.source.moabb]


rule fetch_subject:
    output:
        file="data/raw/{name}-{subject}.json",
    log:
        notebook="data/raw/notebooks/{name}-{subject}.ipynb",
    benchmark:
        "data/raw/benchmarks/{name}-{subject}.tsv"
    wildcard_constraints:
        name="|".join(BY_SUBJECT),
        subject=r"\d+",
    group:
        slurm.downloads_together
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        notebook=steps.notebook("notebooks/fetch.ipynb"),
    script:
        steps.RUN


for dataset, entry in ENTRIES.items():
    # By subject above; or it needs a registration, and is used where the user keeps it.
    if entry.source.moabb or entry.source.folder:
        continue

    rule:
        name:
            f"fetch_{dataset}"
        output:
            file=registry.path(dataset),
        log:
            notebook=f"data/raw/notebooks/{dataset}.ipynb",
        benchmark:
            f"data/raw/benchmarks/{dataset}.tsv"
        threads: 1
        resources:
            mem_mb=300,
            runtime=120,
        params:
            notebook=steps.notebook("notebooks/fetch.ipynb"),
            name=dataset,
            subject=None,
        script:
            steps.RUN
